//! Owns the reading of the output topics for the page: one thread that begins with the first viewer and ends with the process.

use super::model::Model;
use crate::shell::client::{Broker, QuietContext};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Message, Offset, TopicPartitionList};
use serde::Serialize;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How far back counts are read, by the records' own timestamps.
const BACK: Duration = Duration::from_secs(62 * 86_400);
/// Longest wait for a record.
const WAIT: Duration = Duration::from_millis(200);
/// Least time between two things told to viewers.
const PACE: Duration = Duration::from_millis(250);
/// Pause before another try with brokers that failed.
const PAUSE: Duration = Duration::from_secs(5);
/// How long one answer of the brokers is waited for.
const ANSWER: Duration = Duration::from_secs(10);

/// The topics the page is made of.
#[derive(Debug, Clone)]
pub struct Topics {
    /// Closed buckets.
    pub counts: String,
    /// The current state of every alert.
    pub state: String,
}

/// How the reading goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reading {
    /// Nobody has looked yet, or the first records are on their way.
    Starting,
    /// What is published is shown.
    Live,
    /// The brokers failed; another try follows.
    Failed,
}

/// What the page shows, and those who look at it.
pub struct Watch {
    broker: Broker,
    topics: Topics,
    model: Mutex<Model>,
    version: watch::Sender<u64>,
    reading: Mutex<Reading>,
    /// Viewers connected.
    pub(super) viewers: AtomicUsize,
    started: OnceLock<()>,
}

impl Watch {
    /// A page that reads nothing until somebody looks.
    #[must_use]
    pub fn new(broker: Broker, topics: Topics, model: Model) -> Arc<Self> {
        Arc::new(Self {
            broker,
            topics,
            model: Mutex::new(model),
            version: watch::Sender::new(0),
            reading: Mutex::new(Reading::Starting),
            viewers: AtomicUsize::new(0),
            started: OnceLock::new(),
        })
    }

    /// Tells of new versions from now on; the first caller starts the reading.
    pub(super) fn subscribe(self: &Arc<Self>) -> watch::Receiver<u64> {
        self.started.get_or_init(|| {
            let watch = Arc::clone(self);
            std::thread::Builder::new()
                .name("live".to_owned())
                .spawn(move || watch.read())
                .expect("the system has room for one thread");
        });
        self.version.subscribe()
    }

    /// What is known.
    pub(super) fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().expect("no holder of this lock panics")
    }

    /// How the reading goes.
    pub(super) fn reading(&self) -> Reading {
        *self.reading.lock().expect("no holder of this lock panics")
    }

    fn tell(&self, reading: Reading) {
        *self.reading.lock().expect("no holder of this lock panics") = reading;
        self.version.send_modify(|_| {});
    }

    fn read(&self) {
        loop {
            if let Err(error) = self.read_on() {
                tracing::warn!(event = "live_page_cannot_read", %error, retry_secs = PAUSE.as_secs());
                self.tell(Reading::Failed);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Reads from the beginning of what the page shows until the brokers fail for good.
    fn read_on(&self) -> Result<(), KafkaError> {
        let reader = self.broker.reader("read_committed")?;
        let mut from = self.back(&reader)?;
        for partition in 0..partitions(&reader, &self.topics.state)? {
            from.add_partition_offset(&self.topics.state, partition, Offset::Beginning)?;
        }
        reader.assign(&from)?;
        self.tell(Reading::Live);
        let mut told = Instant::now();
        loop {
            match reader.poll(WAIT) {
                Some(Ok(message)) => {
                    let mut model = self.model();
                    if message.topic() == self.topics.counts {
                        message.payload().map(|value| model.on_count(value));
                    } else if let Some(Ok(key)) = message.key().map(std::str::from_utf8) {
                        model.on_state(key, message.payload());
                    }
                }
                None | Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) => return Err(error),
            }
            if told.elapsed() >= PACE {
                told = Instant::now();
                let version = self.model().version();
                self.version
                    .send_if_modified(|known| std::mem::replace(known, version) != version);
            }
        }
    }

    /// Where the counts of the last days begin; the beginning where the brokers cannot say.
    fn back(&self, reader: &BaseConsumer<QuietContext>) -> Result<TopicPartitionList, KafkaError> {
        let since = crate::shell::clock::now().0 - BACK.as_millis() as i64;
        let counts = &self.topics.counts;
        let mut wanted = TopicPartitionList::new();
        for partition in 0..partitions(reader, counts)? {
            wanted.add_partition_offset(counts, partition, Offset::Offset(since))?;
        }
        let found = reader.offsets_for_times(wanted.clone(), ANSWER).ok();
        let mut from = TopicPartitionList::new();
        for wanted in wanted.elements() {
            let found = found.as_ref();
            let found = found.and_then(|f| f.find_partition(counts, wanted.partition()));
            let offset = match found.map(|f| f.offset()) {
                Some(Offset::Offset(at)) if at >= 0 => Offset::Offset(at),
                _ => Offset::Beginning,
            };
            from.add_partition_offset(counts, wanted.partition(), offset)?;
        }
        Ok(from)
    }
}

fn partitions(reader: &BaseConsumer<QuietContext>, topic: &str) -> Result<i32, KafkaError> {
    let metadata = reader.fetch_metadata(Some(topic), ANSWER)?;
    let topic = metadata.topics().first();
    Ok(topic.map_or(0, |t| t.partitions().len() as i32))
}
