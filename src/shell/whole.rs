//! Owns the reading of a whole topic once: what is committed, from the first record that is left to the end there is now.

use super::client::Broker;
use super::error::ShellError;
use super::source::Incoming;
use super::topics;
use crate::core::ids::NextOffset;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Message, Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long one answer of the brokers is waited for, and the next record of those that are there.
const ANSWER: Duration = Duration::from_secs(30);

/// First offset that is left and end of each partition of a topic.
pub type Ends = BTreeMap<i32, (i64, i64)>;

/// The ends of a topic's partitions, by what is committed.
///
/// # Errors
/// The topic does not exist, or the brokers do not answer.
pub fn ends(broker: &Broker, topic: &str) -> Result<Ends, ShellError> {
    let failed = |source| ShellError::Kafka {
        doing: "asking for the ends of a topic",
        source,
    };
    let reader = reader(broker)?;
    let metadata = reader.fetch_metadata(Some(topic), ANSWER).map_err(failed)?;
    let partitions = metadata.topics().iter().flat_map(|t| t.partitions());
    let partitions: Vec<i32> = partitions.map(|p| p.id()).collect();
    if partitions.is_empty() {
        return Err(ShellError::Topics {
            problems: vec![topics::missing(topic)],
        });
    }
    let each = partitions.into_iter().map(|partition| {
        let ends = reader.fetch_watermarks(topic, partition, ANSWER);
        Ok((partition, ends.map_err(failed)?))
    });
    each.collect()
}

/// Hands on every record between the ends, each partition in order.
///
/// # Errors
/// The brokers fail, or hand nothing on for long.
pub fn read(
    broker: &Broker,
    topic: &str,
    ends: &Ends,
    mut each: impl FnMut(&Incoming<'_>),
) -> Result<(), ShellError> {
    let failed = |source| ShellError::Kafka {
        doing: "reading a topic",
        source,
    };
    let mut left: Ends = ends.clone();
    left.retain(|_, (first, end)| first < end);
    let mut from = TopicPartitionList::new();
    for (&partition, &(first, _)) in &left {
        from.add_partition_offset(topic, partition, Offset::Offset(first))
            .map_err(failed)?;
    }
    let reader = reader(broker)?;
    reader.assign(&from).map_err(failed)?;
    let mut heard = Instant::now();
    while !left.is_empty() {
        match reader.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => {
                heard = Instant::now();
                let (partition, offset) = (message.partition(), message.offset());
                let Some(&(_, end)) = left.get(&partition) else {
                    continue;
                };
                if offset < end {
                    each(&Incoming::from(&message));
                }
                if offset + 1 >= end {
                    left.remove(&partition);
                }
            }
            // A partition may end with markers of transactions, which are no records.
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(left.remove(&partition)),
            Some(Err(source)) if heard.elapsed() >= ANSWER => return Err(failed(source)),
            None if heard.elapsed() >= ANSWER => {
                return Err(failed(KafkaError::NoMessageReceived));
            }
            Some(Err(_)) | None => {}
        }
    }
    Ok(())
}

/// What a group will read next of a partition; nothing where it has committed nothing, or the broker keeps no such offsets.
///
/// # Errors
/// librdkafka refuses a property.
pub fn committed(
    broker: &Broker,
    group: &str,
    topic: &str,
    partition: i32,
) -> Result<Option<NextOffset>, ShellError> {
    let reader: BaseConsumer = broker
        .config()
        .set("group.id", group)
        .create()
        .map_err(|source| ShellError::Client { source })?;
    let mut asked = TopicPartitionList::new();
    asked.add_partition(topic, partition);
    let answer = reader.committed_offsets(asked, Duration::from_secs(5)).ok();
    let offset = answer.and_then(|list| {
        let found = list.find_partition(topic, partition)?;
        found.offset().to_raw().filter(|next| *next >= 0)
    });
    Ok(offset.map(NextOffset))
}

fn reader(broker: &Broker) -> Result<BaseConsumer<super::client::QuietContext>, ShellError> {
    broker
        .reader("read_committed")
        .map_err(|source| ShellError::Client { source })
}
