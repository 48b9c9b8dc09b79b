//! Owns what can be asked of Prometheus: the families that `surgewatch metrics` lists, with their labels.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Names of labels.
pub(crate) type Labels = BTreeSet<String>;

/// Every metric that may be named in a query, with the labels its series have.
#[derive(Debug, Clone)]
pub(crate) struct Catalog(pub(crate) BTreeMap<String, Labels>);

/// Labels that Prometheus adds to all series of a target.
const TARGET: [&str; 2] = ["job", "instance"];

impl Catalog {
    /// The families of this build, and what Prometheus itself knows of targets and alerts.
    pub(crate) fn of_this_build() -> Self {
        let output = Command::new(env!("CARGO_BIN_EXE_surgewatch"))
            .arg("metrics")
            .output()
            .expect("the binary starts");
        let listed = String::from_utf8(output.stdout).expect("text");
        let mut families: Vec<(String, String, Labels)> = Vec::new();
        for line in listed.lines() {
            if let Some(labels) = line.trim().strip_prefix("labels: ") {
                let family = families.last_mut().expect("labels follow their family");
                family.2 = labels.split(", ").map(str::to_owned).collect();
            } else if line.starts_with("surgewatch_") {
                let mut words = line.split_whitespace().map(str::to_owned);
                let (name, kind) = (words.next(), words.next());
                families.push((
                    name.expect("a name"),
                    kind.expect("a type"),
                    Labels::default(),
                ));
            }
        }
        assert!(families.len() > 30, "{listed}");
        let mut known = BTreeMap::new();
        for (name, kind, mut labels) in families {
            labels.extend(TARGET.map(str::to_owned));
            if kind == "histogram" {
                known.insert(format!("{name}_sum"), labels.clone());
                known.insert(format!("{name}_count"), labels.clone());
                labels.insert("le".into());
                known.insert(format!("{name}_bucket"), labels);
            } else {
                known.insert(name, labels);
            }
        }
        known.insert("up".into(), TARGET.map(str::to_owned).into());
        let mut of_alerts: Labels = known.values().flatten().cloned().collect();
        for label in ["alertname", "alertstate", "severity", "audience"] {
            of_alerts.insert(label.into());
        }
        known.insert("ALERTS".into(), of_alerts);
        Self(known)
    }

    /// The same without a family, as if the daemon stopped exporting it.
    pub(crate) fn without(&self, name: &str) -> Self {
        let mut less = self.clone();
        assert!(less.0.remove(name).is_some(), "{name} is not exported");
        less
    }
}
