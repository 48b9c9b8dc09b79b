//! Owns what can go wrong between this program and Kafka, and which exit code each asks for.

use crate::core::intake::BudgetSpent;
use crate::core::snapshot::SnapshotError;
use rdkafka::error::KafkaError;

/// Trouble with Kafka or with what it holds.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// A client could not be made from its properties.
    #[error(
        "Kafka's client refuses its settings: {source}; correct [kafka.properties] and [kafka.secrets]"
    )]
    Client {
        /// What librdkafka says.
        source: KafkaError,
    },
    /// A clean end took too long.
    #[error(
        "the last commit did not end within {waited_secs} s; nothing is lost: what was not committed is read again at the next start"
    )]
    LastCommit {
        /// How long it was waited for.
        waited_secs: u64,
    },
    /// Brokers do not answer.
    #[error(
        "no broker answers at {bootstrap} within {waited_secs} s while {doing}; check kafka.brokers, that Kafka is running, and that security.protocol is the one its listener speaks ({source})"
    )]
    Unreachable {
        /// Where.
        bootstrap: String,
        /// How long.
        waited_secs: u64,
        /// What was tried.
        doing: &'static str,
        /// What librdkafka says.
        source: KafkaError,
    },
    /// Credentials or rights are wrong.
    #[error(
        "Kafka at {bootstrap} refuses the credentials: {source}; check the user, the password and the ACLs"
    )]
    Denied {
        /// Where.
        bootstrap: String,
        /// What librdkafka says.
        source: KafkaError,
    },
    /// A topic is missing or not as it must be.
    #[error("{}", .problems.join("\n"))]
    Topics {
        /// One line each.
        problems: Vec<String>,
    },
    /// The changelog and the group's offsets tell different stories.
    #[error(
        "partition {partition} of {input}: the changelog {topic} reflects input offset {changelog}, the group has committed {committed}: {diagnosis}"
    )]
    Mismatch {
        /// Input topic.
        input: String,
        /// Changelog topic.
        topic: String,
        /// Input partition.
        partition: i32,
        /// Offset in the changelog.
        changelog: String,
        /// Offset of the group.
        committed: String,
        /// What that means and what to do.
        diagnosis: &'static str,
    },
    /// The changelog cannot be read.
    #[error(
        "partition {partition} of {topic}: {source}; run the version that wrote it, restore the topic, or start a new kafka.group with new topics"
    )]
    Snapshot {
        /// Changelog topic.
        topic: String,
        /// Its partition.
        partition: i32,
        /// Why.
        source: SnapshotError,
    },
    /// A transaction of somebody else keeps the changelog's end hidden.
    #[error(
        "partition {partition} of {topic}: an open transaction has hidden its end (stable to {stable} of {end}) for {waited_secs} s; find its producer with kafka-transactions.sh and abort it"
    )]
    OpenTransaction {
        /// Changelog topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// Last stable offset.
        stable: i64,
        /// High watermark.
        end: i64,
        /// How long.
        waited_secs: u64,
    },
    /// Another process uses the same transactional id.
    #[error(
        "another running copy took over the transactional id `{id}`: give every copy its own kafka.instance ({source})"
    )]
    Fenced {
        /// The id.
        id: String,
        /// What librdkafka says.
        source: KafkaError,
    },
    /// A transaction failed in a way this process cannot mend.
    #[error(
        "the transaction failed while {doing}: {source}; state and offsets are as of the last commit, start again"
    )]
    Transaction {
        /// The step.
        doing: &'static str,
        /// What librdkafka says.
        source: KafkaError,
    },
    /// Any other answer of Kafka's.
    #[error(
        "Kafka failed while {doing}: {source}; look at the brokers' logs and start again: what was not committed is read again"
    )]
    Kafka {
        /// The step.
        doing: &'static str,
        /// What librdkafka says.
        source: KafkaError,
    },
    /// Too much bad input.
    #[error(
        "consumption stopped at {topic} partition {partition} offset {offset}: {source}. Nothing from that offset on was discarded; mend the producer, or raise the limit, and start again"
    )]
    BadInput {
        /// Input topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// The record that broke the budget, to be read again.
        offset: i64,
        /// The budget.
        source: BudgetSpent,
    },
}

impl ShellError {
    /// Exit code by sysexits: 65 data, 69 unavailable, 77 no permission, 78 configuration.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::BadInput { .. } | Self::Mismatch { .. } | Self::Snapshot { .. } => 65,
            Self::Unreachable { .. }
            | Self::Transaction { .. }
            | Self::LastCommit { .. }
            | Self::Kafka { .. }
            | Self::OpenTransaction { .. } => 69,
            Self::Denied { .. } => 77,
            Self::Client { .. } | Self::Topics { .. } | Self::Fenced { .. } => 78,
        }
    }
}
