//! Owns `surgewatch publish`: a bundled replay or a file of events goes into the arrivals topic.

use super::{CommandError, ConfigArgs, setup};
use crate::core::time::EventTime;
use crate::replay::{self, Replay, ReplayEvent};
use crate::shell::client::{Broker, QuietContext};
use crate::shell::error::ShellError;
use crate::shell::topics;
use crate::wire::feedback::alert_name;
use clap::{ArgGroup, Args};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use std::io::{BufRead, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["episode", "file"])))]
pub(super) struct PublishArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// A bundled replay, by name.
    #[arg(long, value_name = "NAME")]
    episode: Option<String>,
    /// Days of the replay in one second; as fast as it goes where absent.
    #[arg(long, value_name = "DAYS_PER_SECOND", requires = "episode")]
    speed: Option<f64>,
    /// A file with one event in JSON on each line, as the arrivals topic takes it. Its records are stamped with the present: those
    /// whose event is older than limits.max_behind_secs are put aside by the daemon.
    file: Option<PathBuf>,
}

/// Longest sleep between two looks at whether to go on.
const NAP: Duration = Duration::from_millis(100);

enum What<'a> {
    Replay(Replay),
    File(&'a Path, std::fs::File),
}

pub(super) fn publish(args: &PublishArgs) -> Result<(), CommandError> {
    let settings = setup::settings(&args.config)?;
    setup::start_logging(&settings);
    let broker = setup::broker(&settings)?;
    let speed = args.speed.map(speed).transpose()?;
    // What is to be published is looked for before anybody is connected to.
    let what = match (&args.episode, &args.file) {
        (Some(name), _) => What::Replay(bundled(name)?),
        (None, Some(path)) => {
            What::File(path, std::fs::File::open(path).map_err(unreadable(path))?)
        }
        (None, None) => unreachable!("clap asks for one of the two"),
    };
    let publisher = Publisher::new(&broker, &settings.topics.arrivals)?;
    let published = match what {
        What::Replay(replay) => {
            publisher.replay(&replay, speed, |_| true)?;
            Ok(replay.events.len())
        }
        What::File(path, file) => publisher.file(path, file),
    };
    publisher.flush()?;
    let published = published?;
    super::say(&format!(
        "published {published} events to {}",
        settings.topics.arrivals
    ));
    Ok(())
}

/// How many events went out before a line that cannot.
fn before(published: usize) -> String {
    match published {
        0 => "no event before it was".into(),
        1 => "1 event before it was".into(),
        n => format!("{n} events before it were"),
    }
}

/// A speed in days of the replay a second.
pub(super) fn speed(given: f64) -> Result<f64, CommandError> {
    if given > 0.0 && given.is_finite() {
        Ok(given)
    } else {
        Err(CommandError::Usage(format!(
            "--speed {given}: give days of the replay in one second, above 0"
        )))
    }
}

/// The text of a bundled replay.
pub(super) fn bundled_text(name: &str) -> Option<&'static str> {
    let mut all = replay::bundled().iter();
    all.find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The names of the bundled replays.
pub(super) fn bundled_names() -> String {
    let known: Vec<&str> = replay::bundled().iter().map(|(name, _)| *name).collect();
    known.join(", ")
}

/// Loads a bundled replay.
pub(super) fn bundled(name: &str) -> Result<Replay, CommandError> {
    let Some(text) = bundled_text(name) else {
        return Err(CommandError::Usage(format!(
            "there is no replay `{name}`; there is: {}",
            bundled_names()
        )));
    };
    Ok(replay::load(text)?.expand())
}

/// A producer for one topic.
pub(super) struct Publisher {
    producer: ThreadedProducer<Deliveries>,
    topic: String,
}

impl Publisher {
    pub(super) fn new(broker: &Broker, topic: &str) -> Result<Self, ShellError> {
        let producer = broker
            .publisher(Deliveries::default())
            .map_err(|source| ShellError::Client { source })?;
        Ok(Self {
            producer,
            topic: topic.to_owned(),
        })
    }

    /// Publishes a replay with records timed as their events are, so that it is judged as it would have been then. Ends early
    /// when `go_on` says so.
    pub(super) fn replay(
        &self,
        replay: &Replay,
        days_per_sec: Option<f64>,
        go_on: impl Fn(EventTime) -> bool,
    ) -> Result<(), ShellError> {
        let bar = progress(replay.events.len());
        let begun = Instant::now();
        for (n, event) in replay.events.iter().enumerate() {
            if let Some(days_per_sec) = days_per_sec {
                let days = (event.time.0 - replay.start.0) as f64 / 86_400_000.0;
                let due = Duration::from_secs_f64(days / days_per_sec);
                while begun.elapsed() < due && go_on(event.time) {
                    std::thread::sleep(due.saturating_sub(begun.elapsed()).min(NAP));
                }
            }
            if !go_on(event.time) {
                break;
            }
            if n % 64 == 0 {
                bar.set_position(n as u64);
                bar.set_message(event.time.timestamp().strftime("%-d %b %Y").to_string());
            }
            self.send_event(event)?;
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Publishes a file, one event a line, keyed by its crossing. Empty lines are passed over.
    fn file(&self, path: &Path, file: std::fs::File) -> Result<usize, CommandError> {
        let mut published = 0;
        for (n, line) in BufReader::new(file).lines().enumerate() {
            let line = line.map_err(unreadable(path))?;
            if line.trim().is_empty() {
                continue;
            }
            let key: Keyed =
                serde_json::from_str(&line).map_err(|error| CommandError::BadLine {
                    path: path.display().to_string(),
                    line: n + 1,
                    what: format!(
                        "not an event in JSON ({error}); {} published",
                        before(published)
                    ),
                })?;
            let alert = key.alert_id.as_deref().and_then(alert_name);
            let crossing = key.crossing.as_deref().or(alert.map(|name| name.crossing));
            let crossing = crossing.ok_or_else(|| CommandError::BadLine {
                path: path.display().to_string(),
                line: n + 1,
                what: format!(
                    "names neither a `crossing` nor an alert in `alert_id`; {} published",
                    before(published)
                ),
            })?;
            self.send(crossing, line.as_bytes(), None)?;
            published += 1;
        }
        Ok(published)
    }

    fn send_event(&self, event: &ReplayEvent) -> Result<(), ShellError> {
        self.send(&event.crossing, event.json.as_bytes(), Some(event.time.0))
    }

    pub(super) fn send(
        &self,
        key: &str,
        value: &[u8],
        timestamp: Option<i64>,
    ) -> Result<(), ShellError> {
        let mut record = BaseRecord::to(&self.topic).key(key).payload(value);
        record.timestamp = timestamp;
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err((source, _)) => return Err(self.failed(source)),
            }
        }
    }

    /// Waits until everything is delivered.
    ///
    /// # Errors
    /// Not everything was: the first failure, which others will have followed.
    pub(super) fn flush(&self) -> Result<(), ShellError> {
        let flushed = self.producer.flush(Duration::from_secs(60));
        let failed = self.producer.context().first_failure();
        flushed
            .and(failed.map_or(Ok(()), Err))
            .map_err(|source| self.failed(source))
    }

    fn failed(&self, source: KafkaError) -> ShellError {
        use RDKafkaErrorCode as Code;
        match source.rdkafka_error_code() {
            Some(Code::UnknownTopic | Code::UnknownTopicOrPartition) => ShellError::Topics {
                problems: vec![topics::missing(&self.topic)],
            },
            _ => ShellError::Kafka {
                doing: "publishing",
                source,
            },
        }
    }
}

/// Remembers the first record that could not be delivered.
#[derive(Default)]
struct Deliveries(Mutex<Option<KafkaError>>);

impl Deliveries {
    fn first_failure(&self) -> Option<KafkaError> {
        self.0
            .lock()
            .expect("no holder of this lock panics")
            .clone()
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        QuietContext.log(level, facility, message);
    }
    fn error(&self, error: KafkaError, reason: &str) {
        QuietContext.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();
    fn delivery(&self, result: &DeliveryResult<'_>, (): Self::DeliveryOpaque) {
        if let Err((error, _)) = result {
            let mut first = self.0.lock().expect("no holder of this lock panics");
            first.get_or_insert_with(|| error.clone());
        }
    }
}

fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> CommandError {
    move |source| CommandError::Read {
        what: "the events",
        path: path.display().to_string(),
        source,
    }
}

#[derive(serde::Deserialize)]
struct Keyed {
    crossing: Option<String>,
    alert_id: Option<String>,
}

/// A bar on standard error where a person looks on, nothing otherwise.
pub(super) fn progress(length: usize) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}")
        .expect("the template is a constant");
    ProgressBar::with_draw_target(Some(length as u64), target).with_style(style)
}
