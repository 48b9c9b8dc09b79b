//! Owns the way out: outputs and dead letters become records for the writing thread.

use super::committer::Committer;
use super::router::Router;
use super::source::Incoming;
use super::transaction::Outgoing;
use crate::config::Topics;
use crate::core::alert::Transition;
use crate::core::event::Reject;
use crate::core::network::Network;
use crate::core::output::Output;
use crate::core::region::log::{self, Mark};
use crate::core::region::machine::PARTITION;
use crate::core::time::WallTime;
use crate::wire::encode::{self, Encoded, Origin};
use crate::wire::events::DeadLetterHeaders;
use crate::wire::notice;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A dead letter's key and payload beyond this size are not kept: the broker would refuse it and with it the whole transaction.
const MAX_KEPT_BYTES: usize = 900_000;

/// Hands on what is put in, and remembers what the next commit is about.
pub struct Outbox {
    topics: Names,
    router: Router,
    origin: Origin,
    network: Arc<Network>,
    keep_payload: bool,
    urgent: bool,
    count: u64,
    handed_on: u64,
    told: Vec<Told>,
    aside: BTreeMap<&'static str, Aside>,
}

/// A transition that a commit makes known.
pub struct Told {
    /// The alert's id.
    pub alert: String,
    /// What happened to it.
    pub transition: Transition,
    /// Kafka's time of the record that decided.
    pub recorded: Option<WallTime>,
}

/// Records of one reason that were put aside.
struct Aside {
    logged: Instant,
    since: u64,
}

/// Least time between two log lines on records put aside for the same reason.
const ASIDE_INTERVAL: Duration = Duration::from_secs(10);

struct Names {
    counts: Arc<str>,
    alerts: Arc<str>,
    alerts_state: Arc<str>,
    dead_letters: Arc<str>,
    region: Arc<str>,
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
            topics: Names {
                counts: topics.counts.as_str().into(),
                alerts: topics.alerts.as_str().into(),
                alerts_state: topics.alerts_state.as_str().into(),
                dead_letters: topics.dead_letters.as_str().into(),
                region: topics.region.as_str().into(),
            },
            router: Router::new(&topics.routes),
            origin,
            network: Arc::clone(network),
            keep_payload,
            urgent: false,
            count: 0,
            handed_on: 0,
            told: Vec::new(),
            aside: BTreeMap::new(),
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

    /// Records handed on to the region's stage since the start.
    #[must_use]
    pub fn handed_on(&self) -> u64 {
        self.handed_on
    }

    /// Forgets what belongs to a transaction that was given up.
    pub fn clear(&mut self) {
        self.urgent = false;
        self.told.clear();
    }

    /// The commit of everything put in so far was ordered: what it will make known.
    pub fn hand_over(&mut self) -> Vec<Told> {
        self.urgent = false;
        std::mem::take(&mut self.told)
    }

    /// Puts an output of the machine's in.
    pub fn put(&mut self, output: &Output, to: &Committer) {
        self.count += 1;
        let encoded = match output {
            Output::Count { .. } => {
                if let Some(encoded) = encode::count(output, &self.network, &self.origin) {
                    to.write(record(&self.topics.counts, encoded));
                }
                self.hand_on(log::output(&self.network, None, output), to);
                return;
            }
            Output::Alert { transition, .. } => {
                self.urgent |= *transition != Transition::Updated;
                encode::alert(output, &self.network, &self.origin)
            }
            Output::Notice { .. } => {
                self.urgent = true;
                notice::notice(output, &self.network, &self.origin)
            }
        };
        let Some(encoded) = encoded else { return };
        if let Output::Alert {
            transition, source, ..
        } = output
        {
            self.told.push(Told {
                alert: encoded.key.clone(),
                transition: *transition,
                recorded: source.recorded,
            });
        }
        self.hand_on(log::output(&self.network, Some(&encoded.key), output), to);
        for audience in self.router.topics(output, &self.network) {
            to.write(record(&audience, encoded.clone()));
        }
        to.write(record(&self.topics.alerts, encoded.clone()));
        to.write(record(&self.topics.alerts_state, encoded));
    }

    /// Tells the region how far a partition was read.
    pub fn put_mark(&mut self, mark: Mark, to: &Committer) {
        self.hand_on(log::mark(mark), to);
    }

    fn hand_on(&mut self, value: Vec<u8>, to: &Committer) {
        self.handed_on += 1;
        to.write(Outgoing {
            topic: Arc::clone(&self.topics.region),
            partition: Some(PARTITION.0),
            key: None,
            value: Some(value),
            headers: Vec::new(),
        });
    }

    /// Puts a record aside with the reason.
    pub fn put_dead_letter(
        &mut self,
        record: &Incoming<'_>,
        reason: Reject,
        detail: &str,
        to: &Committer,
    ) {
        self.log_aside(record, reason);
        let timestamp = record
            .timestamp
            .map_or(String::new(), |at| at.0.to_string());
        let size = record.value.map_or(0, <[u8]>::len);
        let key = record.key.filter(|key| key.len() <= MAX_KEPT_BYTES);
        let room = MAX_KEPT_BYTES - key.map_or(0, <[u8]>::len);
        let kept = |value: &&[u8]| self.keep_payload && value.len() <= room;
        let detail = if detail.is_empty() {
            explained(reason)
        } else {
            detail
        };
        let headers = DeadLetterHeaders {
            original_bytes: size.to_string(),
            original_topic: self.origin.topic.clone(),
            original_partition: record.partition.to_string(),
            original_offset: record.offset.to_string(),
            original_timestamp_ms: timestamp,
            reason: reason.label().to_owned(),
            detail: detail.to_owned(),
        };
        to.write(Outgoing {
            topic: Arc::clone(&self.topics.dead_letters),
            partition: None,
            key: key.map(<[u8]>::to_vec),
            value: record.value.filter(kept).map(<[u8]>::to_vec),
            headers: headers.pairs().map(|(k, v)| (k, v.into_bytes())).to_vec(),
        });
    }
}

impl Outbox {
    /// One line for the first record of a reason, then one in a while with how many there were. It says where, not what.
    fn log_aside(&mut self, record: &Incoming<'_>, reason: Reject) {
        let label = reason.label();
        let aside = self.aside.get_mut(label);
        let records = aside.as_ref().map_or(1, |aside| aside.since + 1);
        match aside {
            Some(aside) if aside.logged.elapsed() < ASIDE_INTERVAL => {
                aside.since = records;
                return;
            }
            _ => {
                let logged = Instant::now();
                self.aside.insert(label, Aside { logged, since: 0 });
            }
        }
        let (partition, offset) = (record.partition, record.offset);
        tracing::warn!(
            event = "records_put_aside",
            reason = label,
            records,
            partition,
            offset
        );
    }
}

/// A record for a topic, at the partition of its key.
pub(super) fn record(topic: &Arc<str>, encoded: Encoded) -> Outgoing {
    let headers = encoded.headers.into_iter();
    Outgoing {
        topic: Arc::clone(topic),
        partition: None,
        key: Some(encoded.key.into_bytes()),
        value: Some(encoded.value),
        headers: headers.map(|(k, v)| (k, v.into_bytes())).collect(),
    }
}

/// What is said of a record that could be read but came at the wrong time.
fn explained(reason: Reject) -> &'static str {
    match reason {
        Reject::TooLate => {
            "`time` is further behind the newest event of its partition than time.lateness_horizon_secs; send it sooner, or raise that setting"
        }
        Reject::UnknownReplaced => {
            "`replaces` names no arrival of this crossing that was read within time.lateness_horizon_secs; nothing to do if it is still to come, it will count as corrected; else check the id"
        }
        Reject::UnknownAlert => {
            "`alert_id` names no alert that is open in this partition; copy it from the alert, and key feedback by the alert's crossing"
        }
        Reject::EndedAlert => {
            "the alert that `alert_id` names has ended; nothing is left to say of it"
        }
        _ => "",
    }
}
