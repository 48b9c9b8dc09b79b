//! Owns what a run left behind on the alerts and counts topics, and the comparison of two runs byte for byte.

use crate::daemon::Topics;
use crate::rig;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Headers and value of one record.
type Body = (Vec<(String, Option<Vec<u8>>)>, Option<Vec<u8>>);

/// Committed records by topic and key, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome(BTreeMap<(&'static str, Vec<u8>), Vec<Body>>);

impl Outcome {
    /// Reads both topics; the prefix is replaced by dots wherever it occurs, so that two runs compare byte for byte.
    pub(crate) fn read(topics: &Topics, prefix: &str) -> Self {
        let mut outcome = BTreeMap::<_, Vec<Body>>::new();
        for (name, topic) in [("alerts", &topics.alerts), ("counts", &topics.counts)] {
            for record in rig::read_committed(topic, Duration::from_secs(60)) {
                let blank = |bytes: Vec<u8>| blank(bytes, prefix.as_bytes());
                let headers = record
                    .headers
                    .into_iter()
                    .map(|(k, v)| (k, v.map(blank)))
                    .collect();
                let key = blank(record.key.unwrap_or_default());
                // Which partition was read first decides when an incident is told of; they are held to the region's log.
                if key.starts_with(b"incident.") {
                    continue;
                }
                outcome
                    .entry((name, key))
                    .or_default()
                    .push((headers, record.value.map(blank)));
            }
        }
        Self(outcome)
    }

    pub(crate) fn records(&self, topic: &str) -> usize {
        self.0
            .iter()
            .filter(|((name, _), _)| *name == topic)
            .map(|(_, bodies)| bodies.len())
            .sum()
    }

    /// One line for each key whose records are not the same, byte for byte and in the same order.
    pub(crate) fn differences(&self, disturbed: &Self) -> Vec<String> {
        let keys: BTreeSet<_> = self.0.keys().chain(disturbed.0.keys()).collect();
        let none = Vec::new();
        let mut lines = Vec::new();
        for key in keys {
            let (calm, other) = (
                self.0.get(key).unwrap_or(&none),
                disturbed.0.get(key).unwrap_or(&none),
            );
            if calm != other {
                let at = calm
                    .iter()
                    .zip(other)
                    .position(|(a, b)| a != b)
                    .unwrap_or(calm.len().min(other.len()));
                lines.push(format!(
                    "{} {}: {} records undisturbed, {} disturbed; first difference at {at}: {} / {}",
                    key.0,
                    String::from_utf8_lossy(&key.1),
                    calm.len(),
                    other.len(),
                    show(calm.get(at)),
                    show(other.get(at)),
                ));
            }
        }
        lines
    }
}

/// Panics with the first ten differences where two runs did not leave the same records.
pub(crate) fn assert_same(calm: &Outcome, stormy: &Outcome, seed: u64) {
    assert!(
        calm.records("alerts") > 0 && calm.records("counts") > 0,
        "the input must make records to compare"
    );
    let differences = calm.differences(stormy);
    let shown = differences
        .iter()
        .take(10)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        differences.is_empty(),
        "seed {seed}: {} keys differ:\n{shown}",
        differences.len()
    );
}

fn show(body: Option<&Body>) -> String {
    let value =
        body.map(|(headers, value)| (headers.len(), value.as_deref().map(String::from_utf8_lossy)));
    value.map_or_else(
        || "nothing".to_owned(),
        |(headers, value)| format!("{headers} headers, {value:?}"),
    )
}

fn blank(mut bytes: Vec<u8>, prefix: &[u8]) -> Vec<u8> {
    let mut at = 0;
    while at + prefix.len() <= bytes.len() && !prefix.is_empty() {
        if bytes[at..].starts_with(prefix) {
            bytes[at..at + prefix.len()].fill(b'.');
        }
        at += 1;
    }
    bytes
}
