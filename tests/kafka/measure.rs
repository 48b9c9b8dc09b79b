//! Owns the measuring of the daemon from outside: wall and CPU seconds until its group has committed a whole topic, and
//! the milliseconds from a record sent to the committed record that answers it.

use crate::daemon::Deployment;
use crate::rig::{self, GroupOffsets};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

/// What one pass over a topic cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) events: u64,
    pub(crate) wall_secs: f64,
    pub(crate) cpu_secs: f64,
}

impl Cost {
    pub(crate) fn per_sec(&self) -> f64 {
        self.events as f64 / self.wall_secs
    }

    pub(crate) fn per_cpu_sec(&self) -> f64 {
        self.events as f64 / self.cpu_secs
    }

    pub(crate) fn report(&self, what: &str) {
        eprintln!(
            "{what}: {} events, {:.2} s wall, {:.2} CPU s: {:.0} k events/s, {:.0} k events per CPU second",
            self.events,
            self.wall_secs,
            self.cpu_secs,
            self.per_sec() / 1000.0,
            self.per_cpu_sec() / 1000.0,
        );
    }
}

/// What the daemon did with its input, from its start to the commit of the last event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drained {
    /// From the start of the process, joining the group included.
    pub(crate) whole: Cost,
    /// From the first committed offset on.
    pub(crate) after_first_commit: Cost,
}

/// Starts the daemon and waits until its group's committed offsets reach the input's end; then stops it.
pub(crate) fn drain(daemon: &Deployment, within: Duration) -> Drained {
    let input = &daemon.topics.input;
    let end: i64 = rig::end_offsets(input).iter().sum();
    let offsets = GroupOffsets::of(&daemon.name, input);
    let start = offsets.sum();
    let (started, mut process) = (Instant::now(), daemon.start(0));
    let mut first: Option<Cost> = None;
    loop {
        assert!(
            !process.has_ended(),
            "the daemon ended:\n{}",
            process.log_tail()
        );
        let next = offsets.sum();
        let now = Cost {
            events: (next - start).max(0).unsigned_abs(),
            wall_secs: started.elapsed().as_secs_f64(),
            cpu_secs: process.cpu_secs(),
        };
        if now.events > 0 {
            first.get_or_insert(now);
        }
        if next == end {
            let status = process.stop(Duration::from_secs(15));
            assert!(status.success(), "{status}:\n{}", process.log_tail());
            let first = first.expect("an input with events");
            let after_first_commit = Cost {
                events: now.events - first.events,
                wall_secs: now.wall_secs - first.wall_secs,
                cpu_secs: now.cpu_secs - first.cpu_secs,
            };
            return Drained {
                whole: now,
                after_first_commit,
            };
        }
        assert!(
            started.elapsed() < within,
            "{next} of {end} committed:\n{}",
            process.log_tail()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Key, value and the prefix of the key of the record that must answer it.
pub(crate) struct Question {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) answer_prefix: String,
}

/// Sends one question at a time and waits for its answer under `read_committed`; milliseconds, sorted.
pub(crate) fn latency(
    input: &str,
    answers: &str,
    questions: impl Iterator<Item = Question>,
    pace: Duration,
) -> Vec<f64> {
    let settings = [
        ("group.id", "surgewatch-test-latency"),
        ("fetch.wait.max.ms", "10"),
    ];
    let reader: BaseConsumer = rig::client(&settings).create().expect("a consumer");
    let mut assignment = TopicPartitionList::new();
    for partition in rig::partitions(answers) {
        let end = rig::watermarks(answers, partition, rig::Isolation::Uncommitted).1;
        assignment
            .add_partition_offset(answers, partition, Offset::Offset(end))
            .expect("a valid offset");
    }
    reader.assign(&assignment).expect("an assignment");
    let settings = [("linger.ms", "0"), ("partitioner", "murmur2_random")];
    let to: rdkafka::producer::BaseProducer = rig::client(&settings).create().expect("a producer");
    let mut millis = Vec::new();
    for question in questions {
        let sent = Instant::now();
        rig::send(
            &to,
            input,
            None,
            question.key.as_bytes(),
            question.value.as_bytes(),
        );
        loop {
            to.poll(Duration::ZERO);
            let waited = sent.elapsed();
            assert!(
                waited < Duration::from_secs(30),
                "no answer with key {}",
                question.answer_prefix
            );
            if let Some(Ok(answer)) = reader.poll(Duration::from_millis(100)) {
                let key = answer.key().unwrap_or_default();
                if key.starts_with(question.answer_prefix.as_bytes()) {
                    millis.push(sent.elapsed().as_secs_f64() * 1000.0);
                    break;
                }
            }
        }
        std::thread::sleep(pace);
    }
    millis.sort_by(f64::total_cmp);
    millis
}

/// The value that a share of the sorted values does not exceed.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}
