//! Owns a small deployment that tests of failures share: arrivals with known counts go in, what was counted comes out, and a
//! daemon that ends by itself is asked for its exit code and its last words.

use crate::daemon::{self, Deployment};
use crate::process::Process;
use crate::rig;
use rdkafka::producer::{BaseProducer, Producer as _};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

/// Crossings, each on the partition of its number.
pub(crate) const CROSSINGS: u32 = 4;
/// Partitions of the input.
pub(crate) const PARTITIONS: i32 = 4;
/// 02:00 of 1 June 2023 in Finland: every event of a scene lies on that day.
pub(crate) const START_MS: i64 = 1_685_574_000_000;
/// Bound on everything that is waited for.
pub(crate) const SOON: Duration = Duration::from_secs(40);

/// A daemon that gave up.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    /// The error on standard error, which is the last thing written.
    pub(crate) error: String,
}

impl Ended {
    /// Panics unless the exit code is this one and the error holds every word.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, words: &[&str]) {
        eprintln!("exit code {:?}: {}", self.code, self.error);
        assert_eq!(self.code, Some(code), "{}", self.error);
        for word in words {
            assert!(self.error.contains(word), "`{word}` in: {}", self.error);
        }
    }
}

/// Four crossings with topics of their own, not yet created.
pub(crate) fn deployment(stem: &str, folder: &std::path::Path) -> Deployment {
    Deployment::new(stem, folder, CROSSINGS)
        .set("topics.partitions", PARTITIONS)
        .set("kafka.session_timeout_ms", 3_000)
        .set("kafka.transaction_timeout_ms", 2_000)
}

/// Writes arrivals with these numbers, the n-th at crossing n modulo 4, each counting 1 + n modulo 3.
pub(crate) fn arrivals(deployment: &Deployment, numbers: Range<u64>) {
    let to = rig::producer();
    arrivals_by(&to, deployment, numbers);
    flush(&to);
}

/// The same from a producer that has written before, whose records of one crossing stay in order; not flushed.
pub(crate) fn arrivals_by(to: &BaseProducer, deployment: &Deployment, numbers: Range<u64>) {
    for n in numbers {
        let (place, count) = whereabouts(n);
        let (name, at) = (daemon::crossing(place), START_MS + n as i64 * 1_000);
        let value = daemon::arrival(n, &name, at, count);
        write(to, deployment, place, Some(value.as_bytes()), at);
    }
}

/// What [`arrivals`] with these numbers must be counted as, by crossing.
pub(crate) fn expected(numbers: Range<u64>) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (place, count) in numbers.map(whereabouts) {
        *sums.entry(daemon::crossing(place)).or_default() += u64::from(count);
    }
    sums
}

/// Ends the day of every partition with a heartbeat three days later.
pub(crate) fn close_the_day(deployment: &Deployment) {
    let to = rig::producer();
    for place in 0..CROSSINGS {
        let (name, at) = (daemon::crossing(place), START_MS + 3 * 86_400_000);
        let value = daemon::heartbeat(&format!("end-{place}"), &name, at);
        write(&to, deployment, place, Some(value.as_bytes()), at);
    }
    flush(&to);
}

/// Writes one record of a crossing to its partition, with the event's own time as the record's.
pub(crate) fn write(
    to: &BaseProducer,
    deployment: &Deployment,
    place: u32,
    value: Option<&[u8]>,
    at_ms: i64,
) {
    let (key, partition) = (daemon::crossing(place), place as i32 % PARTITIONS);
    let input = &deployment.topics.input;
    rig::send_timed(
        to,
        input,
        Some(partition),
        key.as_bytes(),
        value,
        Some(at_ms),
    );
}

/// Waits until the broker has acknowledged all.
pub(crate) fn flush(to: &BaseProducer) {
    to.flush(SOON).expect("the broker acknowledges the input");
}

/// Waits until a living daemon has committed all its input.
pub(crate) fn caught_up(deployment: &Deployment, daemon: &mut Process) {
    let (group, input) = (&deployment.name, &deployment.topics.input);
    rig::wait_until_consumed(group, input, SOON, &mut || {
        assert!(!daemon.has_ended(), "it ended:\n{}", daemon.log_tail());
    });
}

/// Arrivals of the days on the counts topic, by crossing; a later revision replaces an earlier one.
pub(crate) fn counted(deployment: &Deployment) -> BTreeMap<String, u64> {
    let mut days = BTreeMap::new();
    for record in rig::read_committed(&deployment.topics.counts, SOON) {
        let value = record.value.expect("a count has a value");
        let count: serde_json::Value = serde_json::from_slice(&value).expect("a count is JSON");
        if count["lens"] == "day" {
            let name = count["crossing"].as_str().expect("an id").to_owned();
            let day = count["bucket"]["start"].to_string();
            days.insert((name, day), count["observed"].as_u64().expect("a number"));
        }
    }
    let mut sums = BTreeMap::new();
    for ((name, _), observed) in days {
        *sums.entry(name).or_default() += observed;
    }
    sums
}

/// Stops a daemon and insists on a clean end.
pub(crate) fn stop(daemon: &mut Process) {
    let status = daemon.stop(SOON);
    assert!(status.success(), "{status}:\n{}", daemon.log_tail());
}

/// Starts the daemon and waits for it to give up.
pub(crate) fn refused(deployment: &Deployment) -> Ended {
    ended(&mut deployment.start(0))
}

/// Waits for a daemon to give up.
pub(crate) fn ended(daemon: &mut Process) -> Ended {
    let Some(status) = daemon.wait(SOON) else {
        panic!("it runs on:\n{}", daemon.log_tail());
    };
    let log = daemon.log_tail();
    let (_, error) = log
        .rsplit_once("surgewatch: ")
        .unwrap_or_else(|| panic!("{status}, and no error in:\n{log}"));
    Ended {
        code: status.code(),
        error: error.to_owned(),
    }
}

fn whereabouts(n: u64) -> (u32, u32) {
    ((n % u64::from(CROSSINGS)) as u32, 1 + (n % 3) as u32)
}
