//! Owns how the suite starts the daemon: its settings file, its crossings, its commands, its topics' names.

use crate::rig;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The topics of one deployment.
#[derive(Debug, Clone)]
pub(crate) struct Topics {
    pub(crate) input: String,
    pub(crate) alerts: String,
    pub(crate) counts: String,
}

/// One deployment of the daemon under a prefix of its own; its group is the prefix.
#[derive(Debug, Clone)]
pub(crate) struct Deployment {
    pub(crate) prefix: String,
    pub(crate) folder: PathBuf,
    pub(crate) crossings: u32,
    pub(crate) commit_interval_ms: u64,
}

impl Deployment {
    pub(crate) fn topics(&self) -> Topics {
        let name = |rest: &str| format!("{}{rest}", self.prefix);
        Topics {
            input: name("border.arrivals.v1"),
            alerts: name("border.alerts.v1"),
            counts: name("border.counts.v1"),
        }
    }

    /// `surgewatch run --config FILE` as the instance with this number.
    pub(crate) fn run(&self, instance: usize) -> Command {
        self.command(&["run"], instance)
    }

    /// Runs `surgewatch topics create --config FILE` to its end.
    pub(crate) fn create_topics(&self) {
        let output = self
            .command(&["topics", "create"], 0)
            .output()
            .expect("the daemon's binary starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "topics create: {}\n{errors}",
            output.status
        );
    }

    fn command(&self, words: &[&str], instance: usize) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_surgewatch"));
        command
            .args(words)
            .arg("--config")
            .arg(self.settings(instance));
        command
    }

    /// Writes the settings of one instance. A restart keeps its file, and with it its port and instance.
    fn settings(&self, instance: usize) -> PathBuf {
        let path = self.folder.join(format!("{}-{instance}.toml", self.prefix));
        if path.exists() {
            return path;
        }
        let crossings = self.folder.join("crossings.toml");
        std::fs::write(&crossings, self.crossings()).expect("a file of crossings");
        let text = format!(
            "[kafka]\nbrokers = \"{brokers}\"\ngroup = \"{prefix}\"\ninstance = \"{instance}\"\n\
             commit_interval_ms = {interval}\n\n[topics]\nprefix = \"{prefix}\"\n\n\
             [network]\ncrossings_file = \"{crossings}\"\n\n[http]\nlisten = \"127.0.0.1:{port}\"\n",
            brokers = rig::brokers(),
            prefix = self.prefix,
            interval = self.commit_interval_ms,
            crossings = crossings.display(),
            port = crate::process::free_port(),
        );
        std::fs::write(&path, text).expect("a settings file");
        path
    }

    fn crossings(&self) -> String {
        let mut text = String::new();
        for number in 1..=self.crossings {
            let id = crossing(number - 1);
            write!(
                text,
                "[[crossings]]\nid = \"{id}\"\nname = \"Crossing {number}\"\ncountry = \"fi\"\ncorridor = \"c\"\n\
                 order = {number}\ntime_zone = \"Europe/Helsinki\"\nstreams = [\"asylum\"]\n\n"
            )
            .expect("writing to a string");
        }
        text
    }
}

/// The id of a crossing by its number from 0: `x-0001` and on.
pub(crate) fn crossing(number: u32) -> String {
    format!("x-{:04}", number + 1)
}

/// An arrival of one person as JSON of 134 bytes, at a millisecond of 2023-06-01 UTC.
pub(crate) fn arrival(id: u32, crossing: &str, day_ms: u64) -> String {
    let (hours, rest) = (day_ms / 3_600_000, day_ms % 3_600_000);
    let (minutes, rest) = (rest / 60_000, rest % 60_000);
    let (secs, ms) = (rest / 1000, rest % 1000);
    format!(
        "{{\"type\":\"arrival\",\"id\":\"01hyzk3v5q8e7w2r{id:010}\",\"crossing\":\"{crossing}\",\
         \"time\":\"2023-06-01T{hours:02}:{minutes:02}:{secs:02}.{ms:03}Z\",\"stream\":\"asylum\",\"count\":1}}"
    )
}

/// A folder for the settings and logs of one test; removed with the value.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A log file of one instance in a folder.
pub(crate) fn log(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.log"))
}
