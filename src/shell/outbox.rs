//! Owns the way out: outputs, dead letters and changelog records become records of the open transaction.

use super::clock;
use super::metrics::Metrics;
use super::source::Incoming;
use super::transaction::{Failure, Outgoing, Transactions};
use crate::config::Topics;
use crate::core::alert::Transition;
use crate::core::event::Reject;
use crate::core::network::Network;
use crate::core::output::Output;
use crate::core::snapshot::ChangelogRecord;
use crate::core::time::WallTime;
use crate::wire::encode::{self, Encoded, Origin};
use std::sync::Arc;

/// A dead letter's key and payload beyond this size are not kept: the broker would refuse it and with it the whole transaction.
const MAX_KEPT_BYTES: usize = 900_000;

/// Sends what is put in; the first failure is kept until it is taken, and nothing is sent after it.
pub struct Outbox {
    topics: Topics,
    origin: Origin,
    network: Arc<Network>,
    keep_payload: bool,
    failure: Option<Failure>,
    urgent: bool,
    count: u64,
    transitions: Vec<(Transition, Option<WallTime>)>,
}

impl Outbox {
    /// An empty one. `config_hash` is the fingerprint that every record names.
    #[must_use]
    pub fn new(
        topics: &Topics,
        network: &Arc<Network>,
        config_hash: &str,
        keep_payload: bool,
    ) -> Self {
        let origin = Origin {
            topic: topics.arrivals.clone(),
            config: config_hash.to_owned(),
        };
        Self {
            topics: topics.clone(),
            origin,
            network: Arc::clone(network),
            keep_payload,
            failure: None,
            urgent: false,
            count: 0,
            transitions: Vec::new(),
        }
    }

    /// Whether an alert opened or grew and the commit must not wait.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        self.urgent
    }

    /// Outputs put in since the start.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The first failure since the last call.
    pub fn take_failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    /// Forgets what belongs to a transaction that was given up.
    pub fn clear(&mut self) {
        self.failure = None;
        self.urgent = false;
        self.transitions.clear();
    }

    /// The transaction was committed.
    pub fn committed(&mut self, metrics: &Metrics) {
        self.urgent = false;
        let now = clock::now();
        for (transition, recorded) in self.transitions.drain(..) {
            metrics.on_transition(transition);
            if let Some(recorded) = recorded {
                metrics
                    .event_to_alert
                    .observe((now.0 - recorded.0).max(0) as f64 / 1_000.0);
            }
        }
    }

    /// Puts an output of the machine's in.
    pub fn put(&mut self, output: &Output, transactions: &mut Transactions) {
        self.count += 1;
        match output {
            Output::Count { .. } => {
                if let Some(encoded) = encode::count(output, &self.network, &self.origin) {
                    self.send(Topic::Counts, &encoded, transactions);
                }
            }
            Output::Alert {
                transition, source, ..
            } => {
                self.urgent |= matches!(transition, Transition::Opened | Transition::Escalated);
                self.transitions.push((*transition, source.recorded));
                if let Some(encoded) = encode::alert(output, &self.network, &self.origin) {
                    tracing::info!(event = "alert", alert = %encoded.key, transition = transition.label());
                    self.send(Topic::Alerts, &encoded, transactions);
                    self.send(Topic::AlertsState, &encoded, transactions);
                }
            }
        }
    }

    /// Puts a changelog record in, at the partition of its input.
    pub fn put_changelog(
        &mut self,
        partition: i32,
        record: &ChangelogRecord,
        transactions: &mut Transactions,
    ) {
        if self.failure.is_none() {
            let outgoing = Outgoing {
                topic: &self.topics.changelog,
                partition: Some(partition),
                key: Some(record.key.as_bytes()),
                value: record.value.as_deref(),
                headers: &[],
            };
            self.failure = transactions.send(&outgoing).err();
        }
    }

    /// Puts a record aside with the reason.
    pub fn put_dead_letter(
        &mut self,
        record: &Incoming<'_>,
        reason: Reject,
        detail: &str,
        transactions: &mut Transactions,
    ) {
        if self.failure.is_some() {
            return;
        }
        let timestamp = record
            .timestamp
            .map_or(String::new(), |at| at.0.to_string());
        let (partition, offset) = (record.partition.to_string(), record.offset.to_string());
        let size = record.value.map_or(0, <[u8]>::len).to_string();
        let key = record.key.filter(|key| key.len() <= MAX_KEPT_BYTES);
        let room = MAX_KEPT_BYTES - key.map_or(0, <[u8]>::len);
        let detail = if detail.is_empty() {
            explained(reason)
        } else {
            detail
        };
        let headers = [
            ("original_bytes", size.as_bytes()),
            ("original_topic", self.origin.topic.as_bytes()),
            ("original_partition", partition.as_bytes()),
            ("original_offset", offset.as_bytes()),
            ("original_timestamp_ms", timestamp.as_bytes()),
            ("reason", reason.label().as_bytes()),
            ("detail", detail.as_bytes()),
        ];
        let outgoing = Outgoing {
            topic: &self.topics.dead_letters,
            partition: None,
            key,
            value: record
                .value
                .filter(|value| self.keep_payload && value.len() <= room),
            headers: &headers,
        };
        self.failure = transactions.send(&outgoing).err();
    }

    fn send(&mut self, topic: Topic, encoded: &Encoded, transactions: &mut Transactions) {
        if self.failure.is_some() {
            return;
        }
        let headers: Vec<(&str, &[u8])> = encoded
            .headers
            .iter()
            .map(|(k, v)| (*k, v.as_bytes()))
            .collect();
        let outgoing = Outgoing {
            topic: match topic {
                Topic::Counts => &self.topics.counts,
                Topic::Alerts => &self.topics.alerts,
                Topic::AlertsState => &self.topics.alerts_state,
            },
            partition: None,
            key: Some(encoded.key.as_bytes()),
            value: Some(&encoded.value),
            headers: &headers,
        };
        self.failure = transactions.send(&outgoing).err();
    }
}

/// What is said of a record that could be read but came at the wrong time.
fn explained(reason: Reject) -> &'static str {
    match reason {
        Reject::TooLate => {
            "`time` is further behind the newest event of its partition than time.lateness_horizon_secs; send it sooner, or raise that setting"
        }
        Reject::UnknownReplaced => {
            "`replaces` names no arrival of this crossing within time.lateness_horizon_secs; send the arrival before its correction"
        }
        _ => "",
    }
}

#[derive(Clone, Copy)]
enum Topic {
    Counts,
    Alerts,
    AlertsState,
}
