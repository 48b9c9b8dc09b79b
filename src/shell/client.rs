//! Owns the Kafka clients' settings: which properties this program decides itself, and what it adds to the user's.

use crate::core::ids::NextOffset;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Statistics, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How to reach the brokers.
#[derive(Clone)]
pub struct Broker {
    /// `host:port`, comma separated.
    pub bootstrap: String,
    /// Properties of the user's, secrets resolved.
    pub properties: BTreeMap<String, String>,
}

/// How a worker takes part in its group.
#[derive(Debug, Clone)]
pub struct Membership {
    /// Consumer group.
    pub group: String,
    /// Name of this copy; `group-instance` is its transactional id.
    pub instance: String,
    /// Silence after which the group takes a worker for dead.
    pub session_timeout: Duration,
    /// Age at which the broker aborts a transaction.
    pub transaction_timeout: Duration,
}

impl Broker {
    /// A client with the user's properties only: for metadata and administration.
    #[must_use]
    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.extend(self.properties.iter().map(|(k, v)| (k.clone(), v.clone())));
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", "surgewatch");
        config.set_log_level(RDKafkaLogLevel::Warning);
        config
    }

    /// The worker's consumer: eager assignment, committed records only, nothing committed by itself.
    ///
    /// # Errors
    /// librdkafka's own refusal of a property.
    pub fn worker_consumer(
        &self,
        member: &Membership,
    ) -> Result<BaseConsumer<WorkerContext>, KafkaError> {
        let mut config = self.config();
        config
            .set("group.id", &member.group)
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            // Records that retention took away are noticed and told of by a restore, not skipped in silence.
            .set("auto.offset.reset", "error")
            .set("partition.assignment.strategy", "range")
            .set("session.timeout.ms", millis(member.session_timeout))
            .set("heartbeat.interval.ms", millis(member.session_timeout / 4))
            // librdkafka waits a whole second by default once its queue is full, which starves a fast reader.
            .set("fetch.queue.backoff.ms", "5")
            .set("fetch.wait.max.ms", "100")
            .set("queued.max.messages.kbytes", "32768")
            .set("statistics.interval.ms", "1000");
        config.create_with_context(WorkerContext::default())
    }

    /// A consumer without a group, for reading a changelog: `read_committed` or `read_uncommitted`.
    ///
    /// # Errors
    /// librdkafka's own refusal of a property.
    pub fn reader(&self, isolation: &str) -> Result<BaseConsumer<QuietContext>, KafkaError> {
        let mut config = self.config();
        config
            .set("group.id", "surgewatch-reader-without-group")
            .set("isolation.level", isolation)
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            .set("fetch.queue.backoff.ms", "5")
            .set("fetch.wait.max.ms", "50");
        config.create_with_context(QuietContext)
    }

    /// The worker's transactional producer.
    ///
    /// # Errors
    /// librdkafka's own refusal of a property.
    pub fn transactional_producer(
        &self,
        member: &Membership,
    ) -> Result<ThreadedProducer<QuietContext>, KafkaError> {
        let mut config = self.config();
        config
            .set(
                "transactional.id",
                format!("{}-{}", member.group, member.instance),
            )
            .set("transaction.timeout.ms", millis(member.transaction_timeout))
            .set("enable.idempotence", "true")
            .set("compression.type", "lz4")
            .set("linger.ms", "2")
            .set("queue.buffering.max.kbytes", "131072")
            .set("queue.buffering.max.messages", "500000");
        config.create_with_context(QuietContext)
    }

    /// A plain producer, for publishing files and replays; its context is told how each record fared.
    ///
    /// # Errors
    /// librdkafka's own refusal of a property.
    pub fn publisher<C: ProducerContext + 'static>(
        &self,
        context: C,
    ) -> Result<ThreadedProducer<C>, KafkaError> {
        let mut config = self.config();
        config
            .set("enable.idempotence", "true")
            .set("compression.type", "lz4")
            .set("linger.ms", "5");
        config.create_with_context(context)
    }
}

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

/// Hands librdkafka's log lines to ours and keeps its statistics out of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct QuietContext;

impl ClientContext for QuietContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }
    fn stats(&self, _: Statistics) {}
    fn error(&self, error: KafkaError, reason: &str) {
        if is_end(&error) {
            return;
        }
        // The worker's consumer tells of lost brokers, and not at every try.
        if matches!(
            error.rdkafka_error_code(),
            Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure)
        ) {
            tracing::debug!(event = "kafka_client_error", %error, reason);
        } else {
            tracing::warn!(event = "kafka_client_error", %error, reason);
        }
    }
}

impl ConsumerContext for QuietContext {}

impl ProducerContext for QuietContext {
    type DeliveryOpaque = ();
    fn delivery(&self, result: &rdkafka::producer::DeliveryResult<'_>, (): Self::DeliveryOpaque) {
        if let Err((error, _)) = result {
            tracing::debug!(event = "delivery_failed", %error);
        }
    }
}

/// What the group says: partitions given or taken.
pub enum GroupEvent {
    /// These partitions are this worker's from now on, under this generation.
    Assigned(TopicPartitionList, Option<ConsumerGroupMetadata>),
    /// Every partition is taken back; `lost` when another member may own them already.
    Revoked {
        /// Whether a commit would come too late.
        lost: bool,
    },
    /// The group failed.
    Failed(String),
}

/// The worker's side of librdkafka's callbacks: rebalances are queued and acted on by the loop, not inside the callback.
#[derive(Default)]
pub struct WorkerContext {
    events: Mutex<Vec<GroupEvent>>,
    /// Set before the consumer is dropped: rebalances are then answered at once, or the drop would wait for ever.
    pub closing: AtomicBool,
    stable_ends: Mutex<BTreeMap<i32, i64>>,
    /// Client errors reported since the start, broker connections lost among them.
    pub client_errors: AtomicU64,
}

impl WorkerContext {
    /// The last stable offset of a partition by librdkafka's statistics.
    pub fn stable_end(&self, partition: i32) -> Option<i64> {
        let ends = self
            .stable_ends
            .lock()
            .expect("no holder of this lock panics");
        ends.get(&partition).copied()
    }

    /// The oldest event that was not taken yet.
    pub fn next_event(&self) -> Option<GroupEvent> {
        let mut events = self.events.lock().expect("no holder of this lock panics");
        if events.is_empty() {
            None
        } else {
            Some(events.remove(0))
        }
    }
}

impl ClientContext for WorkerContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        let partitions = statistics.topics.into_values().flat_map(|t| t.partitions);
        let known = partitions.filter(|(partition, p)| *partition >= 0 && p.ls_offset >= 0);
        let mut ends = self
            .stable_ends
            .lock()
            .expect("no holder of this lock panics");
        ends.extend(known.map(|(partition, p)| (partition, p.ls_offset)));
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if is_end(&error) {
            return;
        }
        // A lost broker is reported many times a second; the first of a hundred is enough.
        if self
            .client_errors
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(100)
        {
            tracing::warn!(event = "kafka_client_error", %error, reason, note = "one line for each hundred");
        }
    }
}

impl ConsumerContext for WorkerContext {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        err: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        if self.closing.load(Ordering::SeqCst) {
            let _ = consumer.unassign();
            return;
        }
        let event = match err {
            // The group's generation is captured here: asked for at commit time it may be a newer one that this worker's
            // state does not belong to.
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                GroupEvent::Assigned(partitions.clone(), consumer.group_metadata())
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => GroupEvent::Revoked {
                lost: consumer.assignment_lost(),
            },
            other => GroupEvent::Failed(format!("{other:?}")),
        };
        self.events
            .lock()
            .expect("no holder of this lock panics")
            .push(event);
    }

    fn main_queue_min_poll_interval(&self) -> rdkafka::util::Timeout {
        rdkafka::util::Timeout::After(Duration::from_millis(100))
    }
}

/// Reaching a partition's end is reported like an error and is none.
fn is_end(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF)
}

fn log_line(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        // Every try at a lost connection; the error callback tells of it once.
        _ if facility == "FAIL" => tracing::debug!(event = "librdkafka", facility, message),
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => {
            tracing::warn!(event = "librdkafka", facility, message);
        }
        RDKafkaLogLevel::Warning | RDKafkaLogLevel::Notice => {
            tracing::info!(event = "librdkafka", facility, message);
        }
        _ => tracing::debug!(event = "librdkafka", facility, message),
    }
}

/// A list of one topic's partitions with the offsets to commit or to start at.
pub(super) fn offsets(
    topic: &str,
    entries: impl IntoIterator<Item = (i32, NextOffset)>,
) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (partition, next) in entries {
        list.add_partition_offset(topic, partition, rdkafka::Offset::Offset(next.0))
            .expect("a plain offset is always accepted");
    }
    list
}
