//! Owns the way back: a partition's committed input offset and the changelog that must agree with it.
//!
//! The changelog is read by a `read_committed` reader up to the end that a `read_uncommitted` client sees: an end taken from
//! the last stable offset would leave out what was committed behind another producer's open transaction.

use super::client::{Broker, QuietContext};
use super::error::ShellError;
use super::stage::Stage;
use super::state_size::StateSize;
use super::topics;
use super::transaction::code;
use crate::core::ids::{NextOffset, Partition};
use crate::core::snapshot::ChangelogRecord;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Message, Offset, TopicPartitionList};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long an open transaction may hide the changelog's end.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long one answer of the broker is waited for.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a partition may be without a leader.
const ELECTION: Duration = Duration::from_secs(30);

/// What a restore did.
#[derive(Debug, Clone, Default)]
pub struct Restored {
    /// Changelog records read.
    pub records: u64,
    /// Size of what was restored.
    pub size: StateSize,
}

/// Called now and then while a restore goes on, with how many changelog records may be left.
pub type Onlooker<'a> = &'a dyn Fn(u64);

/// A partition and where it goes on; none was never read.
pub type Start = (i32, Option<NextOffset>);

/// Reads partitions back into the machine and returns where each goes on; none is a partition never read. Nothing where offsets moved
/// meanwhile: another member has the partitions already, and what was read is not one moment of theirs.
///
/// # Errors
/// [`ShellError`] with a diagnosis where changelog and offsets do not agree.
pub fn restore<C: ConsumerContext, S: Stage>(
    broker: &Broker,
    group: &BaseConsumer<C>,
    input: &str,
    changelog: &str,
    partitions: &[i32],
    stage: &mut S,
    onlooker: Onlooker<'_>,
) -> Result<Option<(Vec<Start>, Restored)>, ShellError> {
    let committed = committed_offsets(group, input, partitions, onlooker)?;
    let reader = Reader {
        committed: broker
            .reader("read_committed")
            .map_err(|source| ShellError::Client { source })?,
        uncommitted: broker
            .reader("read_uncommitted")
            .map_err(|source| ShellError::Client { source })?,
        input,
        topic: changelog,
        remaining: Cell::new(0),
        onlooker,
    };
    let mut spans = Vec::with_capacity(committed.len());
    for &(partition, _) in &committed {
        let (low, end) = reader.ends(changelog, partition)?;
        reader.remaining.update(|left| left + (end - low) as u64);
        spans.push((low, end));
    }
    let mut done = Restored::default();
    let mut starts = Vec::with_capacity(partitions.len());
    for (&(partition, next), span) in committed.iter().zip(spans) {
        let (records, read) = reader.read(partition, span)?;
        done.records += read;
        records.iter().for_each(|r| done.size.note(partition, r));
        let known = stage
            .assign(Partition(partition), records)
            .map_err(|source| ShellError::Snapshot {
                topic: changelog.to_owned(),
                partition,
                source,
            })?;
        let (first, end) = reader.ends(input, partition)?;
        if let Err(mismatch) = agree((input, changelog), partition, (known, next), end) {
            let now = committed_offsets(group, input, &[partition], onlooker)?;
            return match now == [(partition, next)] {
                true => Err(mismatch),
                false => Ok(None),
            };
        }
        starts.push((partition, kept(input, partition, next, first)));
    }
    Ok(Some((starts, done)))
}

/// The group's committed offsets, once no transaction is about to change them.
fn committed_offsets<C: ConsumerContext>(
    group: &BaseConsumer<C>,
    input: &str,
    partitions: &[i32],
    onlooker: Onlooker<'_>,
) -> Result<Vec<Start>, ShellError> {
    let mut asked = TopicPartitionList::new();
    for &partition in partitions {
        asked.add_partition(input, partition);
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        onlooker(0);
        match group.committed_offsets(asked.clone(), ANSWER) {
            Ok(list) => {
                let unstable = list.elements().iter().any(|e| e.error().is_err());
                if !unstable {
                    return Ok(list
                        .elements()
                        .iter()
                        .map(|e| (e.partition(), next_offset(e.offset())))
                        .collect());
                }
            }
            Err(source) if Instant::now() >= deadline => {
                return Err(ShellError::Kafka {
                    doing: "reading the group's committed offsets",
                    source,
                });
            }
            Err(_) => {}
        }
        if Instant::now() >= deadline {
            let source = KafkaError::OffsetFetch(RDKafkaErrorCode::UnstableOffsetCommit);
            return Err(ShellError::Kafka {
                doing: "waiting for stable committed offsets",
                source,
            });
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn next_offset(offset: Offset) -> Option<NextOffset> {
    match offset {
        Offset::Offset(next) => Some(NextOffset(next)),
        _ => None,
    }
}

/// Where to go on: after the next offset, if the input does not reach back to it.
fn kept(input: &str, partition: i32, next: Option<NextOffset>, first: i64) -> Option<NextOffset> {
    let next = next?;
    if first > next.0 {
        let note = "the topic's retention deleted records before they were read; what they reported is not counted";
        tracing::error!(
            event = "arrivals_lost",
            topic = input,
            partition,
            from = next.0,
            until = first,
            note
        );
    }
    Some(NextOffset(next.0.max(first)))
}

/// State and offsets are committed together, so they are equal or something outside this program changed one of them.
fn agree(
    (input, changelog): (&str, &str),
    partition: i32,
    (known, committed): (Option<NextOffset>, Option<NextOffset>),
    end: i64,
) -> Result<(), ShellError> {
    let is_recreated = known.max(committed).is_some_and(|next| next.0 > end);
    if known == committed && !is_recreated {
        return Ok(());
    }
    let diagnosis = match (known, committed) {
        _ if is_recreated => {
            "the arrivals end before that offset: the topic was recreated or is another cluster's; start a new kafka.group with a new topics.changelog"
        }
        (None, _) => {
            "the changelog was deleted, cut or is another deployment's; restore it, or start a new kafka.group with new topics to build the state anew"
        }
        (Some(_), None) => {
            "the group's offsets expired or the group was deleted; set them to the changelog's offset with kafka-consumer-groups.sh --reset-offsets --to-offset and start again"
        }
        (Some(known), Some(committed)) if committed < known => {
            "the group was wound back; what it would read again is in the state already, so it would count twice: set the group's offset to the changelog's"
        }
        _ => {
            "the changelog ends before the committed offset: it was cut or recreated (restore it, or start a new kafka.group with new topics), or the group was wound forward (set its offset back to the changelog's)"
        }
    };
    let shown =
        |next: Option<NextOffset>| next.map_or_else(|| "none".to_owned(), |n| n.0.to_string());
    Err(ShellError::Mismatch {
        input: input.to_owned(),
        topic: changelog.to_owned(),
        partition,
        changelog: shown(known),
        committed: shown(committed),
        diagnosis,
    })
}

struct Reader<'a> {
    committed: BaseConsumer<QuietContext>,
    uncommitted: BaseConsumer<QuietContext>,
    input: &'a str,
    topic: &'a str,
    /// Records of the changelog that were not passed yet, at most: compaction leaves gaps.
    remaining: Cell<u64>,
    onlooker: Onlooker<'a>,
}

impl Reader<'_> {
    /// The last record of every key, and how many records were read for it. Only the last ones are held: before compaction
    /// a changelog may be many times the state.
    fn read(
        &self,
        partition: i32,
        (low, end): (i64, i64),
    ) -> Result<(Vec<ChangelogRecord>, u64), ShellError> {
        let failed = |source| ShellError::Kafka {
            doing: "reading the changelog",
            source,
        };
        self.wait_until_stable(partition, end)?;
        let (mut latest, mut read) = (BTreeMap::new(), 0_u64);
        if low >= end {
            return Ok((Vec::new(), read));
        }
        let mut from = TopicPartitionList::new();
        from.add_partition_offset(self.topic, partition, Offset::Offset(low))
            .map_err(failed)?;
        self.committed.assign(&from).map_err(failed)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.committed.poll(Duration::from_millis(500)) {
                Some(Ok(message)) => {
                    let key = message
                        .key()
                        .map(|k| String::from_utf8_lossy(k).into_owned())
                        .unwrap_or_default();
                    latest.insert(key, message.payload().map(<[u8]>::to_vec));
                    read += 1;
                    if read.is_multiple_of(1_000) {
                        let passed = (message.offset() - low) as u64;
                        (self.onlooker)(self.remaining.get().saturating_sub(passed));
                    }
                }
                // Reached only past the stable offset, which lies at or after the end by now.
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(source)) if Instant::now() >= deadline => return Err(failed(source)),
                None if Instant::now() >= deadline => {
                    return Err(failed(KafkaError::NoMessageReceived));
                }
                Some(Err(_)) | None => (self.onlooker)(self.remaining.get()),
            }
        }
        self.remaining.update(|left| left - (end - low) as u64);
        self.committed.unassign().map_err(failed)?;
        let records = latest
            .into_iter()
            .map(|(key, value)| ChangelogRecord { key, value });
        Ok((records.collect(), read))
    }

    /// First offset and end as a client sees them; while a leader is being elected it is asked again.
    fn watermarks(
        &self,
        client: &BaseConsumer<QuietContext>,
        topic: &str,
        partition: i32,
    ) -> Result<(i64, i64), KafkaError> {
        let deadline = Instant::now() + ELECTION;
        loop {
            match client.fetch_watermarks(topic, partition, ANSWER) {
                Err(error) if is_election(&error) && Instant::now() < deadline => {
                    (self.onlooker)(self.remaining.get());
                    std::thread::sleep(Duration::from_millis(100));
                }
                answer => return answer,
            }
        }
    }

    /// First offset and end of a partition, records of open transactions included.
    fn ends(&self, topic: &str, partition: i32) -> Result<(i64, i64), ShellError> {
        let answer = self.watermarks(&self.uncommitted, topic, partition);
        answer.map_err(|source| match code(&source) {
            Some(RDKafkaErrorCode::UnknownPartition) => self.lacking(source),
            _ => ShellError::Kafka {
                doing: "asking for the ends of a partition",
                source,
            },
        })
    }

    /// Partitions were added to the input while this program ran.
    fn lacking(&self, source: KafkaError) -> ShellError {
        let count = |topic| {
            let metadata = self.uncommitted.fetch_metadata(Some(topic), ANSWER).ok()?;
            Some(metadata.topics().first()?.partitions().len())
        };
        match (count(self.topic), count(self.input)) {
            (Some(changelog), Some(input)) if changelog > 0 && changelog < input => {
                let problem = topics::uneven((self.topic, changelog), (self.input, input));
                ShellError::Topics {
                    problems: vec![problem],
                }
            }
            _ => ShellError::Kafka {
                doing: "reading the changelog",
                source,
            },
        }
    }

    fn wait_until_stable(&self, partition: i32, end: i64) -> Result<(), ShellError> {
        let begun = Instant::now();
        let mut told = false;
        loop {
            (self.onlooker)(self.remaining.get());
            let answer = self.watermarks(&self.committed, self.topic, partition);
            let (_, stable) = answer.map_err(|source| ShellError::Kafka {
                doing: "reading the changelog's end",
                source,
            })?;
            if stable >= end {
                return Ok(());
            }
            if !std::mem::replace(&mut told, true) {
                let patience_secs = PATIENCE.as_secs();
                tracing::warn!(
                    event = "waiting_for_open_transaction",
                    topic = self.topic,
                    partition,
                    stable,
                    end,
                    patience_secs
                );
            }
            if begun.elapsed() >= PATIENCE {
                let topic = self.topic.to_owned();
                let waited_secs = begun.elapsed().as_secs();
                return Err(ShellError::OpenTransaction {
                    topic,
                    partition,
                    stable,
                    end,
                    waited_secs,
                });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Whether the partition has no leader at the moment, or another than the client knew.
fn is_election(error: &KafkaError) -> bool {
    matches!(
        code(error),
        Some(RDKafkaErrorCode::NotLeaderForPartition | RDKafkaErrorCode::LeaderNotAvailable)
    )
}
