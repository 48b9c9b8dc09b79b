//! Owns how the suite starts the daemon: its settings file, its crossings, its commands, its topics' names, its events.

use crate::process::Process;
use crate::rig;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};
use surgewatch::config::Sources;

/// The topics of one deployment.
#[derive(Debug, Clone)]
pub(crate) struct Topics {
    pub(crate) input: String,
    pub(crate) counts: String,
    pub(crate) alerts: String,
    pub(crate) alerts_state: String,
    pub(crate) dead_letters: String,
    pub(crate) changelog: String,
    pub(crate) region: String,
    pub(crate) region_changelog: String,
    /// Of Finland.
    pub(crate) incidents: String,
}

/// One deployment of the daemon with a group and topics of its own.
#[derive(Debug, Clone)]
pub(crate) struct Deployment {
    /// Its group, and the start of its topics' names.
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) topics: Topics,
    crossings: u32,
    settings: Vec<(String, String)>,
}

impl Deployment {
    /// A deployment over numbered crossings, or over the embedded list where `crossings` is 0. Buckets are closed by event
    /// time only, so that what comes out depends on the input alone.
    pub(crate) fn new(stem: &str, folder: &Path, crossings: u32) -> Self {
        let name = rig::unique(stem);
        let topic = |rest: &str| format!("{name}.{rest}");
        let topics = Topics {
            input: topic("border.arrivals.v1"),
            counts: topic("border.counts.v1"),
            alerts: topic("border.alerts.v1"),
            alerts_state: topic("border.alerts.state.v1"),
            dead_letters: topic("border.arrivals.dlq.v1"),
            changelog: topic("surgewatch-changelog.v1"),
            region: topic("surgewatch-region.v1"),
            region_changelog: topic("surgewatch-region-changelog.v1"),
            incidents: topic("border.incidents.fi.v1"),
        };
        let new = Self {
            name,
            folder: folder.into(),
            topics,
            crossings,
            settings: Vec::new(),
        };
        new.set("time.idle_close_secs", 0)
            .set("http.listen", "127.0.0.1:0")
            .set("topics.partitions", 4)
    }

    /// The same with one more setting; the last one given of a key wins.
    pub(crate) fn set(mut self, key: &str, value: impl ToString) -> Self {
        self.settings.retain(|(known, _)| known != key);
        self.settings.push((key.to_owned(), value.to_string()));
        self
    }

    /// The same, reading an input that others read too.
    pub(crate) fn reading(mut self, input: &str) -> Self {
        input.clone_into(&mut self.topics.input);
        self
    }

    /// `surgewatch run` as the instance with this number.
    pub(crate) fn run(&self, instance: usize) -> Command {
        let mut command = self.command(&["run"]);
        command.args(["--set", &format!("kafka.instance={instance}")]);
        command
    }

    /// Starts `surgewatch run` with its output in a file of the folder.
    pub(crate) fn start(&self, instance: usize) -> Process {
        Process::spawn(self.run(instance), &self.log(instance))
    }

    /// Where the instance's output goes.
    pub(crate) fn log(&self, instance: usize) -> PathBuf {
        log(&self.folder, &format!("{}-{instance}", self.name))
    }

    /// Runs `surgewatch topics create` to its end.
    pub(crate) fn create_topics(&self) {
        let output = self.finish(&["topics", "create"]);
        assert!(output.status.success(), "topics create: {output:?}");
    }

    /// Runs a command of the daemon's to its end.
    pub(crate) fn finish(&self, words: &[&str]) -> Output {
        self.command(words)
            .output()
            .expect("the daemon's binary starts")
    }

    /// What the daemon reads its settings from.
    pub(crate) fn sources(&self) -> Sources {
        let read = |path: &Path| std::fs::read_to_string(path).expect("a file that was written");
        let file = self.write_files();
        let crossings = (self.crossings > 0).then(|| self.crossings_file());
        Sources {
            file: Some((file.display().to_string(), read(&file))),
            crossings: crossings.map(|path| (path.display().to_string(), read(&path))),
            overrides: self.settings.clone(),
            ..Sources::default()
        }
    }

    fn crossings_file(&self) -> PathBuf {
        self.folder
            .join(format!("crossings-{}.toml", self.crossings))
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_surgewatch"));
        command.args(words).arg("--config").arg(self.write_files());
        for (key, value) in &self.settings {
            command.args(["--set", &format!("{key}={value}")]);
        }
        command
    }

    fn write_files(&self) -> PathBuf {
        let path = self.folder.join(format!("{}.toml", self.name));
        // Written once: a worker that starts must not read a file that is being written again.
        if path.exists() {
            return path;
        }
        let topics = &self.topics;
        let mut text = format!(
            "[kafka]\nbrokers = \"{}\"\ngroup = \"{}\"\n\n[topics]\narrivals = \"{}\"\ncounts = \"{}\"\nalerts = \"{}\"\n\
             alerts_state = \"{}\"\ndead_letters = \"{}\"\nchangelog = \"{}\"\nregion = \"{}\"\n\
             region_changelog = \"{}\"\nincidents = \"{}.border.incidents.{{country}}.v1\"\n",
            rig::brokers(),
            self.name,
            topics.input,
            topics.counts,
            topics.alerts,
            topics.alerts_state,
            topics.dead_letters,
            topics.changelog,
            topics.region,
            topics.region_changelog,
            self.name,
        );
        if self.crossings > 0 {
            let crossings = self.crossings_file();
            if !crossings.exists() {
                std::fs::write(&crossings, numbered(self.crossings)).expect("a file of crossings");
            }
            write!(
                text,
                "\n[network]\ncrossings_file = \"{}\"\n",
                crossings.display()
            )
            .expect("writing to a string");
        }
        std::fs::write(&path, text).expect("a settings file");
        path
    }
}

/// Crossings `x-0001` and on, all of them in one corridor.
fn numbered(crossings: u32) -> String {
    let mut text = "[[corridor]]\nid = \"c\"\nname = \"Corridor\"\n\n".to_owned();
    for number in 1..=crossings {
        write!(
            text,
            "[[crossing]]\nid = \"{}\"\nname = \"Crossing {number}\"\ncountry = \"fi\"\ncorridor = \"c\"\norder = {number}\n\
             neighbours = []\ntime_zone = \"Europe/Helsinki\"\nstreams = [\"asylum\"]\n\n",
            crossing(number - 1)
        )
        .expect("writing to a string");
    }
    text
}

/// The id of a crossing by its number from 0: `x-0001` and on.
pub(crate) fn crossing(number: u32) -> String {
    format!("x-{:04}", number + 1)
}

/// An arrival as JSON of 150 bytes (for a count of one digit), timed in milliseconds since 1970.
pub(crate) fn arrival(id: u64, crossing: &str, time_ms: i64, count: u32) -> String {
    format!(
        "{{\"type\":\"arrival\",\"id\":\"01hyzk3v5q8e7w2r-fi-border-{id:016}\",\"crossing\":\"{crossing}\",\
         \"time\":\"{}\",\"stream\":\"asylum\",\"count\":{count}}}",
        instant(time_ms)
    )
}

/// A heartbeat as JSON.
pub(crate) fn heartbeat(id: &str, crossing: &str, time_ms: i64) -> String {
    format!(
        "{{\"type\":\"heartbeat\",\"id\":\"{id}\",\"crossing\":\"{crossing}\",\"time\":\"{}\"}}",
        instant(time_ms)
    )
}

/// A correction of an arrival's count as JSON.
pub(crate) fn correction(
    id: &str,
    crossing: &str,
    time_ms: i64,
    replaces: &str,
    count: u32,
) -> String {
    format!(
        "{{\"type\":\"correction\",\"id\":\"{id}\",\"crossing\":\"{crossing}\",\"time\":\"{}\",\"replaces\":\"{replaces}\",\
         \"count\":{count}}}",
        instant(time_ms)
    )
}

/// A moment in RFC 3339 with milliseconds.
pub(crate) fn instant(time_ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(time_ms).expect("a moment of this age");
    format!("{time:.3}")
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970");
    since.as_millis() as i64
}

/// A folder for the settings and logs of one test; removed with the value.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A log file of one instance in a folder.
pub(crate) fn log(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.log"))
}
