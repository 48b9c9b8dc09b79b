//! Owns `surgewatch publish`: a bundled replay or a file of events goes into the arrivals topic.

use super::{CommandError, ConfigArgs, setup};
use crate::core::time::EventTime;
use crate::replay::{self, Replay, ReplayEvent};
use crate::shell::client::{Broker, QuietContext};
use crate::shell::error::ShellError;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use std::io::{BufRead, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[derive(Debug, Args)]
pub(super) struct PublishArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// A bundled replay, by name.
    #[arg(
        long,
        value_name = "NAME",
        conflicts_with = "file",
        required_unless_present = "file"
    )]
    episode: Option<String>,
    /// Days of the replay in one second; as fast as it goes where absent.
    #[arg(long, value_name = "DAYS_PER_SECOND", requires = "episode")]
    speed: Option<f64>,
    /// A file with one event in JSON on each line, as the arrivals topic takes it.
    file: Option<PathBuf>,
}

pub(super) fn publish(args: &PublishArgs) -> Result<(), CommandError> {
    let settings = setup::settings(&args.config)?;
    setup::start_logging(&settings);
    let broker = setup::broker(&settings)?;
    let speed = args.speed.map(speed).transpose()?;
    let publisher = Publisher::new(&broker, &settings.topics.arrivals)?;
    let published = match (&args.episode, &args.file) {
        (Some(name), _) => {
            let replay = bundled(name)?;
            publisher.replay(&replay, speed, |_| true)?;
            replay.events.len()
        }
        (None, Some(path)) => publisher.file(path)?,
        (None, None) => unreachable!("clap asks for one of the two"),
    };
    publisher.flush()?;
    super::say(&format!(
        "published {published} events to {}",
        settings.topics.arrivals
    ));
    Ok(())
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

/// Loads a bundled replay.
pub(super) fn bundled(name: &str) -> Result<Replay, CommandError> {
    let found = replay::bundled().iter().find(|(known, _)| *known == name);
    let Some((_, text)) = found else {
        let known: Vec<&str> = replay::bundled().iter().map(|(name, _)| *name).collect();
        return Err(CommandError::Usage(format!(
            "there is no replay `{name}`; there is: {}",
            known.join(", ")
        )));
    };
    Ok(replay::load(text)?.expand())
}

/// A producer for one topic.
pub(super) struct Publisher {
    producer: ThreadedProducer<QuietContext>,
    topic: String,
}

impl Publisher {
    pub(super) fn new(broker: &Broker, topic: &str) -> Result<Self, ShellError> {
        let producer = broker
            .publisher()
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
                std::thread::sleep(due.saturating_sub(begun.elapsed()));
            }
            if n % 64 == 0 {
                bar.set_position(n as u64);
                bar.set_message(event.time.timestamp().strftime("%-d %b %Y").to_string());
                if !go_on(event.time) {
                    break;
                }
            }
            self.send_event(event)?;
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Publishes a file, one event a line, keyed by its crossing. Empty lines are passed over.
    fn file(&self, path: &Path) -> Result<usize, CommandError> {
        let shown = path.display().to_string();
        let unreadable = |source| CommandError::Read {
            what: "the events",
            path: path.display().to_string(),
            source,
        };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut published = 0;
        for (n, line) in BufReader::new(file).lines().enumerate() {
            let line = line.map_err(unreadable)?;
            if line.trim().is_empty() {
                continue;
            }
            let key: Keyed = serde_json::from_str(&line).map_err(|error| CommandError::BadLine {
                path: shown.clone(),
                line: n + 1,
                what: format!("not an event in JSON ({error}); {published} events before it were published"),
            })?;
            self.send(&key.crossing, line.as_bytes(), None)?;
            published += 1;
        }
        Ok(published)
    }

    fn send_event(&self, event: &ReplayEvent) -> Result<(), ShellError> {
        self.send(&event.crossing, event.json.as_bytes(), Some(event.time.0))
    }

    fn send(&self, key: &str, value: &[u8], timestamp: Option<i64>) -> Result<(), ShellError> {
        let mut record = BaseRecord::to(&self.topic).key(key).payload(value);
        record.timestamp = timestamp;
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err((source, _)) => {
                    return Err(ShellError::Kafka {
                        doing: "publishing",
                        source,
                    });
                }
            }
        }
    }

    /// Waits until everything is delivered.
    pub(super) fn flush(&self) -> Result<(), ShellError> {
        let flushed = self.producer.flush(Duration::from_secs(60));
        flushed.map_err(|source| ShellError::Kafka {
            doing: "publishing the last events",
            source,
        })
    }
}

#[derive(serde::Deserialize)]
struct Keyed {
    crossing: String,
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
