//! Owns the verifier of the region's stage: every incident record, of the whole and of each country, recomputed from the log that
//! the crossings' stage committed, and compared byte for byte.

use crate::daemon::Deployment;
use crate::process::Process;
use crate::rig;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use surgewatch::config::{self, Settings, Sources};
use surgewatch::core::ids::Offset;
use surgewatch::core::region::machine::{RegionMachine, RegionOutput};
use surgewatch::wire::encode::{Encoded, Origin};
use surgewatch::wire::region;

const PATIENCE: Duration = Duration::from_secs(180);

/// Key, headers and value of one record.
type Body = (Vec<u8>, Vec<(String, Vec<u8>)>, Vec<u8>);

/// Waits until the region's stage has committed all of its log.
pub(crate) fn caught_up(deployment: &Deployment) {
    let group = format!("{}-region", deployment.name);
    let log = &deployment.topics.region;
    // The log ends with the marker of its last transaction, which is no record.
    let mut ends = Vec::new();
    rig::wait_until("all of the region's log committed", PATIENCE, || {
        let records = rig::read_committed(log, PATIENCE);
        let last = records.last().map(|record| Some(record.offset + 1));
        let next = rig::GroupOffsets::of(&group, log).read();
        ends = vec![last.flatten()];
        next == ends
    });
}

/// Waits until a living daemon has committed all input of both stages.
pub(crate) fn both_caught_up(deployment: &Deployment, daemon: &mut Process) {
    let (group, input) = (&deployment.name, &deployment.topics.input);
    rig::wait_until_consumed(group, input, PATIENCE, &mut || {
        assert!(!daemon.has_ended(), "it ended:\n{}", daemon.log_tail());
    });
    caught_up(deployment);
}

/// Panics unless the incident records are those that follow from the log. Returns how many there are, and how long the log is.
pub(crate) fn hold(deployment: &Deployment) -> (usize, usize) {
    let settings = settings(deployment);
    let engine = surgewatch::command::engine(&settings);
    let (network, params) = (Arc::clone(engine.network()), engine.params().clone());
    let families = Arc::clone(&params.families);
    let both = (network.as_ref(), families.as_ref());
    let mut machine = RegionMachine::new(Arc::clone(&network), params, 0);
    let origin = Origin {
        topic: deployment.topics.region.clone(),
        config: settings.region_fingerprint().to_string(),
    };
    let log = rig::read_committed(&deployment.topics.region, PATIENCE);
    let mut alerts = Vec::new();
    let mut states: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
    let mut countries: BTreeMap<String, Vec<Body>> = BTreeMap::new();
    for record in &log {
        let value = record.value.as_deref().expect("the log has values");
        let out = &mut |output| match output {
            RegionOutput::Retired { key } => drop(states.insert(key.into_bytes(), None)),
            RegionOutput::Incident {
                told,
                severity,
                source,
            } => {
                let whole = region::incident(both, &told, severity, &source, &origin);
                states.insert(whole.key.clone().into_bytes(), Some(whole.value.clone()));
                alerts.push(body(whole));
                for (country, part) in region::slices(both, &told, severity, &source, &origin) {
                    countries.entry(country).or_default().push(body(part));
                }
            }
        };
        let handled = machine.handle(Offset(record.offset), value, out);
        handled.expect("the log can be read");
    }
    assert_same(
        "the alert topic",
        &by_key(&alerts),
        &by_key(&written(&deployment.topics.alerts)),
    );
    for (country, bodies) in &countries {
        let topic = &settings.topics.incidents[country];
        assert_same(topic, &by_key(bodies), &by_key(&written(topic)));
    }
    let mut last = BTreeMap::new();
    for record in rig::read_committed(&deployment.topics.alerts_state, PATIENCE) {
        last.insert(record.key.unwrap_or_default(), record.value);
    }
    for (key, value) in &states {
        let name = String::from_utf8_lossy(key);
        assert!(last.get(key) == Some(value), "the state of {name}");
    }
    (alerts.len(), log.len())
}

/// The settings as the daemon reads them.
fn settings(deployment: &Deployment) -> Settings {
    let sources = deployment.sources();
    config::load(&Sources { ..sources }).expect("the daemon runs with them")
}

fn body(encoded: Encoded) -> Body {
    let headers = encoded.headers.into_iter();
    let headers = headers.map(|(name, value)| (name.to_owned(), value.into_bytes()));
    (encoded.key.into_bytes(), headers.collect(), encoded.value)
}

/// The incident records of a topic as they were committed.
fn written(topic: &str) -> Vec<Body> {
    let records = rig::read_committed(topic, PATIENCE).into_iter();
    let bodies = records.map(|record| {
        let headers = record.headers.into_iter();
        let headers = headers.map(|(name, value)| (name, value.unwrap_or_default()));
        let (key, value) = (record.key.unwrap_or_default(), record.value);
        (key, headers.collect(), value.unwrap_or_default())
    });
    bodies
        .filter(|(key, ..)| key.starts_with(b"incident."))
        .collect()
}

/// Records of one key stay in order; keys may lie in different partitions.
fn by_key(bodies: &[Body]) -> BTreeMap<Vec<u8>, Vec<Body>> {
    let mut sorted: BTreeMap<Vec<u8>, Vec<Body>> = BTreeMap::new();
    for body in bodies {
        sorted.entry(body.0.clone()).or_default().push(body.clone());
    }
    sorted
}

fn assert_same(
    what: &str,
    expected: &BTreeMap<Vec<u8>, Vec<Body>>,
    found: &BTreeMap<Vec<u8>, Vec<Body>>,
) {
    let keys = |bodies: &BTreeMap<Vec<u8>, Vec<Body>>| {
        let names = bodies
            .keys()
            .map(|key| String::from_utf8_lossy(key).into_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(keys(expected), keys(found), "{what}");
    for (key, expected) in expected {
        let (name, found) = (String::from_utf8_lossy(key), &found[key]);
        for (n, (mine, theirs)) in expected.iter().zip(found).enumerate() {
            let text = |body: &Body| String::from_utf8_lossy(&body.2).into_owned();
            assert!(
                mine == theirs,
                "{what}, {name}, record {n}:\n{}\n{}",
                text(mine),
                text(theirs)
            );
        }
        assert_eq!(expected.len(), found.len(), "{what}: records of {name}");
    }
}
