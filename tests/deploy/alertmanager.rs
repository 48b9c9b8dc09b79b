//! Owns a real Alertmanager with the settings of `deploy/`: what a rule that fires makes of it, and who is told.

use crate::live::{Running, get, ready};
use crate::path;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

/// An Alertmanager that ends with its owner.
pub(crate) struct Alertmanager {
    pub(crate) port: u16,
    _process: Running,
}

impl Alertmanager {
    pub(crate) fn start(folder: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|l| l.local_addr())
            .expect("a port")
            .port();
        let log = std::fs::File::create(folder.join("alertmanager.log")).expect("a file");
        let settings = path("deploy/alertmanager/alertmanager.yml");
        let process = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", settings.display()))
            .arg(format!(
                "--storage.path={}",
                folder.join("alertmanager").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map(Running)
            .expect("prometheus-alertmanager starts; .ci/run installs it");
        ready(port);
        Self {
            port,
            _process: process,
        }
    }

    /// The alerts that fire, as it knows them: labels, and the receivers they are routed to.
    pub(crate) fn firing(&self) -> Vec<(BTreeMap<String, String>, Vec<String>)> {
        let answer = get(self.port, "/api/v2/alerts").unwrap_or_default();
        let alerts: Vec<Value> = serde_json::from_str(&answer).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let told = alerts.iter().map(|alert| {
            let labels = alert["labels"].as_object().into_iter().flatten();
            let receivers = alert["receivers"].as_array().into_iter().flatten();
            (
                labels.map(|(k, v)| (k.clone(), text(v))).collect(),
                receivers.map(|r| text(&r["name"])).collect(),
            )
        });
        told.collect()
    }
}
