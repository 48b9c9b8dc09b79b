//! Owns the stand-in for the daemon: a stateless worker that answers each input record with one alert and one count,
//! either exactly once (a transaction for each interval) or, to prove that the checks see it, at least once.

use crate::rig;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{
    BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata, Rebalance,
};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Session timeout of the stand-in's group.
pub(crate) const SESSION: Duration = Duration::from_secs(3);

const WAIT: Duration = Duration::from_secs(10);

/// Which promise the stand-in keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    ExactlyOnce,
    AtLeastOnce,
}

/// What a stand-in reads and writes.
#[derive(Debug, Clone)]
pub(crate) struct Echo {
    pub(crate) input: String,
    pub(crate) alerts: String,
    pub(crate) counts: String,
    pub(crate) group: String,
    pub(crate) instance: String,
    pub(crate) interval_ms: u64,
    pub(crate) promise: Promise,
}

impl Echo {
    /// Hands the settings to a re-executed test, which calls [`Echo::run_from_environment`].
    pub(crate) fn configure(&self, command: &mut Command) {
        let promise = if self.promise == Promise::ExactlyOnce {
            "exactly"
        } else {
            "least"
        };
        let words = [
            &self.input,
            &self.alerts,
            &self.counts,
            &self.group,
            &self.instance,
        ];
        let words = words.map(String::as_str).join(" ");
        command.env(
            "SURGEWATCH_TEST_ECHO",
            format!("{words} {} {promise}", self.interval_ms),
        );
    }

    /// Works until killed.
    pub(crate) fn run_from_environment() -> ! {
        let settings = rig::variable("SURGEWATCH_TEST_ECHO");
        let words: Vec<&str> = settings.split(' ').collect();
        let [input, alerts, counts, group, instance, interval, promise] = words[..] else {
            panic!("seven words, not {settings}")
        };
        let echo = Self {
            input: input.to_owned(),
            alerts: alerts.to_owned(),
            counts: counts.to_owned(),
            group: group.to_owned(),
            instance: instance.to_owned(),
            interval_ms: interval.parse().expect("milliseconds"),
            promise: if promise == "exactly" {
                Promise::ExactlyOnce
            } else {
                Promise::AtLeastOnce
            },
        };
        loop {
            let ended = echo.incarnation();
            eprintln!("{instance}: starting over after {ended:?}");
        }
    }

    /// One life of consumer and producer, until something goes wrong.
    fn incarnation(&self) -> Result<(), KafkaError> {
        let producer = self.producer()?;
        let consumer: BaseConsumer<Membership> = rig::client(&[
            ("group.id", self.group.as_str()),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "earliest"),
            ("session.timeout.ms", &SESSION.as_millis().to_string()),
            ("heartbeat.interval.ms", "500"),
        ])
        .create_with_context(Membership::default())?;
        consumer.subscribe(&[&self.input])?;
        let mut batch = Batch::default();
        loop {
            let message = consumer.poll(Duration::from_millis(2));
            if consumer.context().has_changed() && batch.is_open() {
                self.give_up(&producer, &mut batch)?;
            }
            match message {
                Some(Ok(message)) => self.answer(&producer, &mut batch, &message)?,
                Some(Err(error)) => eprintln!("{}: {error}", self.instance),
                None => {}
            }
            if batch
                .age()
                .is_some_and(|age| age >= Duration::from_millis(self.interval_ms))
            {
                self.commit(&producer, &consumer, &mut batch)?;
            }
        }
    }

    fn producer(&self) -> Result<ThreadedProducer<DefaultProducerContext>, KafkaError> {
        let id = format!("{}-{}", self.group, self.instance);
        let mut config = rig::client(&[("linger.ms", "2"), ("compression.type", "lz4")]);
        if self.promise == Promise::ExactlyOnce {
            config
                .set("transactional.id", id)
                .set("transaction.timeout.ms", "2500");
        }
        let producer: ThreadedProducer<DefaultProducerContext> = config.create()?;
        if self.promise == Promise::ExactlyOnce {
            producer.init_transactions(WAIT)?;
        }
        Ok(producer)
    }

    fn answer(
        &self,
        producer: &ThreadedProducer<DefaultProducerContext>,
        batch: &mut Batch,
        message: &BorrowedMessage<'_>,
    ) -> Result<(), KafkaError> {
        if !batch.is_open() && self.promise == Promise::ExactlyOnce {
            producer.begin_transaction()?;
        }
        batch.add(message.partition(), message.offset());
        let key = message.key().unwrap_or_default();
        let offset = message.offset().to_string();
        let headers = OwnedHeaders::new().insert(Header {
            key: "ce_type",
            value: Some("echo"),
        });
        let payload = message.payload().unwrap_or_default();
        let alert = BaseRecord::to(&self.alerts)
            .key(key)
            .payload(payload)
            .headers(headers);
        producer.send(alert).map_err(|(e, _)| e)?;
        producer
            .send(BaseRecord::to(&self.counts).key(key).payload(&offset))
            .map_err(|(e, _)| e)
    }

    fn give_up(
        &self,
        producer: &ThreadedProducer<DefaultProducerContext>,
        batch: &mut Batch,
    ) -> Result<(), KafkaError> {
        *batch = Batch::default();
        match self.promise {
            Promise::ExactlyOnce => producer.abort_transaction(WAIT),
            Promise::AtLeastOnce => Ok(()),
        }
    }

    fn commit(
        &self,
        producer: &ThreadedProducer<DefaultProducerContext>,
        consumer: &BaseConsumer<Membership>,
        batch: &mut Batch,
    ) -> Result<(), KafkaError> {
        let offsets = batch.offsets(&self.input);
        // SAFETY: the handle belongs to `producer`, which outlives the call.
        unsafe { rdkafka_sys::rd_kafka_flush(producer.client().native_ptr(), 10_000) };
        *batch = Batch::default();
        if self.promise == Promise::AtLeastOnce {
            return consumer.commit(&offsets, rdkafka::consumer::CommitMode::Sync);
        }
        let membership = consumer
            .context()
            .metadata
            .lock()
            .expect("no panic under the lock");
        let membership = membership
            .as_ref()
            .expect("records come only after an assignment");
        producer.send_offsets_to_transaction(&offsets, membership, WAIT)?;
        producer.commit_transaction(WAIT)
    }
}

/// The next offsets of what was answered since the last commit.
#[derive(Default)]
struct Batch {
    opened: Option<Instant>,
    next: BTreeMap<i32, i64>,
}

impl Batch {
    fn is_open(&self) -> bool {
        self.opened.is_some()
    }

    fn age(&self) -> Option<Duration> {
        self.opened.map(|at| at.elapsed())
    }

    fn add(&mut self, partition: i32, offset: i64) {
        self.opened.get_or_insert_with(Instant::now);
        self.next.insert(partition, offset + 1);
    }

    fn offsets(&self, topic: &str) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (partition, next) in &self.next {
            list.add_partition_offset(topic, *partition, Offset::Offset(*next))
                .expect("a valid offset");
        }
        list
    }
}

/// The group metadata as it was when the partitions were assigned, and whether that has changed since last asked.
#[derive(Default)]
struct Membership {
    metadata: Mutex<Option<ConsumerGroupMetadata>>,
    changed: Mutex<bool>,
}

impl Membership {
    fn has_changed(&self) -> bool {
        std::mem::take(&mut *self.changed.lock().expect("no panic under the lock"))
    }
}

impl ClientContext for Membership {}

impl ConsumerContext for Membership {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        *self.changed.lock().expect("no panic under the lock") = true;
        if matches!(rebalance, Rebalance::Assign(_)) {
            *self.metadata.lock().expect("no panic under the lock") = consumer.group_metadata();
        }
    }
}
