//! Owns the example of a consumer: it reads the alert topic, decodes by the published types, and acts on every transition once.

mod support;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{Message, Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use support::{Feed, settings};
use surgewatch::shell::embedded::Embedded;
use surgewatch::wire::encode::{AlertRecord, Encoded};

/// What a duty room keeps: the number of the last transition it acted on, for each alert.
#[derive(Default)]
struct Seen(BTreeMap<String, u32>);

impl Seen {
    /// Whether a transition is new; what comes a second time, or after a later one, is not.
    fn is_new(&mut self, alert: &AlertRecord<'_>) -> bool {
        let last = self.0.get(alert.alert_id.as_ref());
        let is_new = last.is_none_or(|last| *last < alert.sequence);
        if is_new {
            self.0.insert(alert.alert_id.to_string(), alert.sequence);
        }
        is_new
    }
}

/// Whether a record is an alert's transition; the topic carries notices too, and may carry more one day.
fn is_alert(message: &impl Message) -> bool {
    let kind = message.headers().and_then(|headers| {
        let mut kinds = headers.iter().filter(|header| header.key == "ce_type");
        kinds.next()?.value
    });
    kind.is_some_and(|kind| kind.starts_with(b"border.alert."))
}

/// Reads until `wanted` records came, and returns the sentences acted on.
fn act_on(
    brokers: &str,
    topic: &str,
    partitions: i32,
    wanted: usize,
) -> Vec<(String, u32, String)> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "duty-room")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest")
        .create()
        .expect("a consumer");
    let mut all = TopicPartitionList::new();
    for partition in 0..partitions {
        all.add_partition_offset(topic, partition, Offset::Beginning)
            .expect("an offset");
    }
    consumer.assign(&all).expect("the partitions are there");
    let (mut seen, mut read, mut acted) = (Seen::default(), 0, Vec::new());
    let begun = Instant::now();
    while read < wanted {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{read} of {wanted}"
        );
        let Some(message) = consumer.poll(Duration::from_millis(200)) else {
            continue;
        };
        let message = message.expect("the broker is inside this process");
        read += 1;
        if !is_alert(&message) {
            continue;
        }
        let value = message.payload().expect("the log has no tombstones");
        let alert: AlertRecord<'_> = serde_json::from_slice(value).expect("as published");
        if seen.is_new(&alert) {
            let id = alert.alert_id.to_string();
            acted.push((id, alert.sequence, alert.summary.to_string()));
        }
    }
    acted
}

fn publish(brokers: &str, topic: &str, records: &[&Encoded]) {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()
        .expect("a producer");
    for record in records {
        let headers = record
            .headers
            .iter()
            .fold(OwnedHeaders::new(), |all, (key, value)| {
                all.insert(Header {
                    key,
                    value: Some(value),
                })
            });
        let to = BaseRecord::to(topic)
            .key(&record.key)
            .payload(&record.value)
            .headers(headers);
        producer
            .send(to)
            .map_err(|(error, _)| error)
            .expect("room in the queue");
    }
    producer
        .flush(Duration::from_secs(30))
        .expect("the broker takes them");
}

/// The alerts of the bundled replay, the last hundred sent a second time as by somebody who forwards at least once.
#[test]
fn a_consumer_acts_on_every_transition_once_and_in_order() {
    let settings = settings();
    let embedded = Embedded::start(&settings.topics, 4).expect("loopback");
    let (brokers, topic) = (embedded.broker().bootstrap, &settings.topics.alerts);
    let ran = Feed::finland(1).run(1_000, &[]);
    let told: Vec<&Encoded> = ran
        .outputs
        .values()
        .flatten()
        .filter(|r| !r.headers.is_empty())
        .collect();
    let again = &told[told.len().saturating_sub(100)..];
    publish(&brokers, topic, &told);
    publish(&brokers, topic, again);
    let acted = act_on(&brokers, topic, 4, told.len() + again.len());
    let is_alert = |r: &&&Encoded| {
        r.headers
            .iter()
            .any(|(_, v)| v.starts_with("border.alert."))
    };
    assert_eq!(acted.len(), told.iter().filter(is_alert).count());
    let mut next: BTreeMap<&str, u32> = BTreeMap::new();
    for (id, sequence, summary) in &acted {
        let next = next.entry(id).or_default();
        assert_eq!(sequence, next, "{id}: {summary}");
        *next += 1;
        assert!(!summary.is_empty(), "{id}");
    }
    assert!(acted.len() > 50, "{}", acted.len());
}
