//! Owns the helpers that speak to the broker: topics, records in and out, watermarks, committed offsets, waiting.

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Bound on one request to the broker.
pub(crate) const REQUEST: Duration = Duration::from_secs(10);

/// What a reader gets to see of transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    Committed,
    Uncommitted,
}

impl Isolation {
    fn setting(self) -> &'static str {
        match self {
            Isolation::Committed => "read_committed",
            Isolation::Uncommitted => "read_uncommitted",
        }
    }
}

/// One record as it lies in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
    pub(crate) value: Option<Vec<u8>>,
}

impl Record {
    fn of(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().map_or_else(Vec::new, |headers| {
            headers
                .iter()
                .map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec)))
                .collect()
        });
        Self {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            headers,
            value: message.payload().map(<[u8]>::to_vec),
        }
    }
}

/// The broker's address, `host:port`, as `tests/kafka/run` exports it.
pub(crate) fn brokers() -> String {
    variable("SURGEWATCH_TEST_BROKERS")
}

/// An environment variable that `tests/kafka/run` sets.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: start this suite with tests/kafka/run"))
}

/// A name that no earlier test or run has used.
pub(crate) fn unique(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970");
    format!(
        "{stem}-{}-{}",
        since.as_millis(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// A client configuration for the broker under test with further settings.
pub(crate) fn client(settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers())
        .set("fetch.wait.max.ms", "20")
        .set("fetch.queue.backoff.ms", "5");
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config
}

/// Creates a topic with one replica and waits until its leader is known.
pub(crate) fn create_topic(name: &str, partitions: i32, settings: &[(&str, &str)]) {
    let admin: AdminClient<DefaultClientContext> = client(&[]).create().expect("an admin client");
    let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    for (key, value) in settings {
        topic = topic.set(key, value);
    }
    let options = AdminOptions::new()
        .operation_timeout(Some(REQUEST))
        .request_timeout(Some(REQUEST));
    let created = block_on(admin.create_topics(&[topic], &options))
        .expect("the broker answers create_topics");
    for result in created {
        result.unwrap_or_else(|(topic, code)| panic!("topic {topic} was not created: {code}"));
    }
    wait_until(&format!("leaders of {name}"), REQUEST, || {
        let metadata = admin
            .inner()
            .fetch_metadata(Some(name), REQUEST)
            .expect("metadata");
        let partitions = metadata.topics()[0].partitions();
        !partitions.is_empty() && partitions.iter().all(|p| p.leader() >= 0)
    });
}

/// Deletes topics, so that the broker's disk and page cache stay small.
pub(crate) fn delete_topics(names: &[&str]) {
    let admin: AdminClient<DefaultClientContext> = client(&[]).create().expect("an admin client");
    let options = AdminOptions::new()
        .operation_timeout(Some(REQUEST))
        .request_timeout(Some(REQUEST));
    for result in
        block_on(admin.delete_topics(names, &options)).expect("the broker answers delete_topics")
    {
        result.unwrap_or_else(|(topic, code)| panic!("topic {topic} was not deleted: {code}"));
    }
}

/// The result of a future, without a runtime around it.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// An idempotent lz4 producer outside any transaction.
pub(crate) fn producer() -> BaseProducer {
    client(&[
        ("enable.idempotence", "true"),
        ("compression.type", "lz4"),
        ("linger.ms", "5"),
        ("partitioner", "murmur2_random"),
        ("queue.buffering.max.messages", "1000000"),
        ("batch.num.messages", "20000"),
    ])
    .create()
    .expect("a producer")
}

/// Queues one record of now, waiting while the producer's queue is full; `partition` `None` lets the key decide.
pub(crate) fn send(
    to: &BaseProducer,
    topic: &str,
    partition: Option<i32>,
    key: &[u8],
    value: &[u8],
) {
    send_timed(to, topic, partition, key, Some(value), None);
}

/// Queues one record with a timestamp of its own; a value of `None` is a tombstone.
pub(crate) fn send_timed(
    to: &BaseProducer,
    topic: &str,
    partition: Option<i32>,
    key: &[u8],
    value: Option<&[u8]>,
    timestamp_ms: Option<i64>,
) {
    let mut record = BaseRecord::<[u8], [u8]>::to(topic).key(key);
    record.payload = value;
    record.partition = partition;
    record.timestamp = timestamp_ms;
    while let Err((error, again)) = to.send(record) {
        assert_eq!(
            error.rdkafka_error_code(),
            Some(RDKafkaErrorCode::QueueFull),
            "sending to {topic}: {error}"
        );
        to.poll(Duration::from_millis(5));
        record = again;
    }
}

/// Writes records and waits until the broker has acknowledged all.
pub(crate) fn produce<'a>(
    topic: &str,
    records: impl IntoIterator<Item = (Option<i32>, &'a [u8], &'a [u8])>,
) {
    let to = producer();
    for (partition, key, value) in records {
        send(&to, topic, partition, key, value);
    }
    to.flush(Duration::from_secs(60))
        .expect("the broker acknowledges what was sent");
}

/// The partitions of a topic.
pub(crate) fn partitions(topic: &str) -> Vec<i32> {
    let consumer: BaseConsumer = client(&[]).create().expect("a consumer");
    let metadata = consumer
        .fetch_metadata(Some(topic), REQUEST)
        .expect("metadata");
    metadata.topics()[0]
        .partitions()
        .iter()
        .map(|p| p.id())
        .collect()
}

/// First offset and end of a partition: the high watermark uncommitted, the last stable offset committed.
pub(crate) fn watermarks(topic: &str, partition: i32, isolation: Isolation) -> (i64, i64) {
    let consumer: BaseConsumer = client(&[("isolation.level", isolation.setting())])
        .create()
        .expect("a consumer");
    consumer
        .fetch_watermarks(topic, partition, REQUEST)
        .expect("watermarks")
}

/// Number of records and markers in a topic, from the high watermarks.
pub(crate) fn end_offsets(topic: &str) -> Vec<i64> {
    partitions(topic)
        .into_iter()
        .map(|p| watermarks(topic, p, Isolation::Uncommitted).1)
        .collect()
}

/// The whole topic under `read_committed` up to the high watermark of now, sorted by partition and offset;
/// panics where an open transaction holds the end back past the deadline.
pub(crate) fn read_committed(topic: &str, within: Duration) -> Vec<Record> {
    let deadline = Instant::now() + within;
    for partition in partitions(topic) {
        let (_, end) = watermarks(topic, partition, Isolation::Uncommitted);
        wait_until(
            &format!("stable end {end} of {topic}/{partition}"),
            remaining(deadline),
            || watermarks(topic, partition, Isolation::Committed).1 >= end,
        );
    }
    read(topic, Isolation::Committed, remaining(deadline))
}

/// The values of the same as JSON; tombstones are left out.
pub(crate) fn read_json(topic: &str, within: Duration) -> Vec<serde_json::Value> {
    let values = read_committed(topic, within).into_iter();
    let values = values.filter_map(|record| record.value);
    values
        .map(|value| serde_json::from_slice(&value).expect("JSON"))
        .collect()
}

/// The topic from its start to the end that this isolation level shows now.
pub(crate) fn read(topic: &str, isolation: Isolation, within: Duration) -> Vec<Record> {
    let consumer: BaseConsumer = client(&[
        ("group.id", "surgewatch-test-reader"),
        ("isolation.level", isolation.setting()),
        ("enable.auto.commit", "false"),
        ("enable.partition.eof", "true"),
    ])
    .create()
    .expect("a consumer");
    let mut unfinished: BTreeSet<i32> = partitions(topic).into_iter().collect();
    let mut assignment = TopicPartitionList::new();
    for &partition in &unfinished {
        assignment
            .add_partition_offset(topic, partition, Offset::Beginning)
            .expect("a valid offset");
    }
    consumer.assign(&assignment).expect("an assignment");
    let deadline = Instant::now() + within;
    let mut records = Vec::new();
    while !unfinished.is_empty() {
        assert!(
            Instant::now() < deadline,
            "{topic}: partitions {unfinished:?} not read within {within:?}"
        );
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => records.push(Record::of(&message)),
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(unfinished.remove(&partition)),
            Some(Err(error)) => panic!("reading {topic}: {error}"),
            None => {}
        }
    }
    records.sort_by_key(|r| (r.partition, r.offset));
    records
}

/// A reader of a group's committed offsets that waits for stable ones.
pub(crate) struct GroupOffsets {
    consumer: BaseConsumer,
    wanted: TopicPartitionList,
}

impl GroupOffsets {
    pub(crate) fn of(group: &str, topic: &str) -> Self {
        let consumer = client(&[("group.id", group), ("isolation.level", "read_committed")]);
        let mut wanted = TopicPartitionList::new();
        for partition in partitions(topic) {
            wanted.add_partition(topic, partition);
        }
        Self {
            consumer: consumer.create().expect("a consumer"),
            wanted,
        }
    }

    /// By partition; `None` where nothing was committed or the broker did not answer in time.
    pub(crate) fn read(&self) -> Vec<Option<i64>> {
        let answer = self
            .consumer
            .committed_offsets(self.wanted.clone(), REQUEST);
        let answer = answer.unwrap_or_else(|_| self.wanted.clone());
        answer
            .elements()
            .iter()
            .map(|e| e.offset().to_raw().filter(|o| *o >= 0))
            .collect()
    }

    /// Sum over the partitions, an absent offset counting as 0.
    pub(crate) fn sum(&self) -> i64 {
        self.read().into_iter().flatten().sum()
    }
}

/// Waits until a group has committed a topic up to its end; `look` is called meanwhile and may panic.
pub(crate) fn wait_until_consumed(
    group: &str,
    topic: &str,
    within: Duration,
    look: &mut dyn FnMut(),
) {
    let (offsets, ends) = (GroupOffsets::of(group, topic), end_offsets(topic));
    wait_until(&format!("all of {topic} committed"), within, || {
        look();
        let next = offsets.read();
        let mut pairs = next.iter().zip(&ends);
        pairs.all(|(next, end)| next.unwrap_or(0) == *end)
    });
}

/// Waits until `check` holds; panics with the name of what it waited for when the time is over.
pub(crate) fn wait_until(what: &str, within: Duration, mut check: impl FnMut() -> bool) {
    let deadline = Instant::now() + within;
    while !check() {
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What is left until a deadline.
pub(crate) fn remaining(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
