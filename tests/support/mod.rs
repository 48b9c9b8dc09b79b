//! Owns what the tests of the machine share: settings, machines, feeds of records, and runs with batches and crashes.
#![allow(dead_code, reason = "each test uses its part")]

pub(crate) mod border;
pub(crate) mod daily;
pub(crate) mod hourly;
pub(crate) mod model;
pub(crate) mod random;
pub(crate) mod reference;

use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use surgewatch::config::{self, Settings, Sources};
use surgewatch::core::alert::Severity;
use surgewatch::core::crossing::Outcome;
use surgewatch::core::engine::Engine;
use surgewatch::core::episode::Families;
use surgewatch::core::event::{Event, Kind};
use surgewatch::core::ids::{CrossingIx, EventId, NextOffset, Offset, Partition};
use surgewatch::core::intake::BadRecordBudget;
use surgewatch::core::network::{Crossing, Network};
use surgewatch::core::output::{Output, Source};
use surgewatch::core::params::{Budget, Params};
use surgewatch::core::partition::Input;
use surgewatch::core::region::incident::Told;
use surgewatch::core::region::log;
use surgewatch::core::region::machine::{RegionMachine, RegionOutput};
use surgewatch::core::snapshot::ChangelogRecord;
use surgewatch::core::time::{EventTime, WallTime};
use surgewatch::replay;
use surgewatch::wire::decode::{self, Limits, Record};
use surgewatch::wire::encode::{self, Encoded, Origin};
use surgewatch::wire::notice;
use surgewatch::wire::region;

/// A good record of a partition, written when it happened.
pub(crate) fn input(offset: i64, crossing: u16, time: i64, id: &str, kind: Kind) -> Input {
    let event = Event {
        crossing: CrossingIx(crossing),
        time: EventTime(time),
        id: EventId::of(id),
        kind,
    };
    Input {
        offset: Offset(offset),
        recorded: Some(WallTime(time)),
        event: Ok(event),
    }
}

/// The settings of someone who sets nothing.
pub(crate) fn settings() -> Settings {
    config::load(&Sources::default()).expect("the defaults are good")
}

/// Settings of the machine as the defaults have them.
pub(crate) fn params(network: &Network) -> Params {
    let budget = Budget {
        false_alerts_per_year: 12.0,
        drop_share_ratio: 0.25,
        hour_share_ratio: 0.3,
        group_share_ratio: 0.1,
    };
    let bad_records = BadRecordBudget {
        max_run: 500,
        max_ratio: 0.5,
        window: 1000,
    };
    let horizon_ms = 172_800_000;
    Params::new(
        network,
        budget,
        [0.05, 0.15],
        horizon_ms,
        CLOSE_AFTER_MS,
        200_000,
        bad_records,
    )
    .with_blind_after_ms(BLIND_AFTER_MS)
}

/// How long after its end a bucket is closed.
pub(crate) const CLOSE_AFTER_MS: i64 = 900_000;

/// Random streams send a heartbeat every six hours.
pub(crate) const BLIND_AFTER_MS: i64 = 7 * 3_600_000;

/// After how long a silence the feed of a crossing is blind.
pub(crate) fn blind_after_ms(place: &Crossing) -> i64 {
    place.message_within_ms.unwrap_or(BLIND_AFTER_MS)
}

/// Everything a machine reads, in the order it reads it.
pub(crate) struct Feed {
    pub(crate) network: Arc<Network>,
    pub(crate) params: Params,
    pub(crate) records: Vec<(Partition, Input)>,
}

impl Feed {
    /// The bundled replay, its crossings spread over partitions.
    pub(crate) fn finland(partitions: usize) -> Self {
        let (_, text) = replay::bundled()[0];
        let replay = replay::load(text).expect("it is checked").expand();
        Self::of(&replay, partitions)
    }

    /// A replay, its crossings spread over partitions, with the settings of someone who sets nothing: holidays, and feeds that are
    /// blind soon.
    pub(crate) fn of(replay: &replay::Replay, partitions: usize) -> Self {
        let settings = settings();
        let network = Arc::new(settings.network().clone());
        let corridors = settings.corridors().iter();
        let holidays = corridors.map(|c| (c.id.clone(), c.holidays.clone()));
        let limits = Limits {
            max_event_bytes: 65_536,
            max_count: 100_000,
            max_ahead_ms: 3_600_000,
            max_behind_ms: 2_592_000_000,
        };
        let mut feed = Self {
            params: params(&network)
                .with_blind_after_ms(i64::from(settings.time.blind_after_secs) * 1_000)
                .with_holidays(holidays.collect()),
            network,
            records: Vec::new(),
        };
        let mut read = vec![0; partitions];
        for event in &replay.events {
            let recorded = Some(WallTime(event.time.0));
            let record = Record {
                value: Some(event.json.as_bytes()),
                headers: &[],
                timestamp: recorded,
            };
            let decoded = decode::decode(&record, &feed.network, &limits).expect("replays decode");
            let at = usize::from(decoded.crossing.0) % partitions;
            let input = Input {
                offset: Offset(read[at]),
                recorded,
                event: Ok(decoded),
            };
            read[at] += 1;
            feed.records.push((Partition(at as i32), input));
        }
        feed
    }

    pub(crate) fn engine(&self) -> Engine {
        Engine::new(Arc::clone(&self.network), self.params.clone(), 7)
    }

    /// Everything that comes out, read to the end and closed by two silent hours, and what the region makes of it.
    pub(crate) fn told(&self) -> (Vec<Output>, Vec<Told>) {
        let mut engine = self.engine();
        for partition in self.partitions() {
            engine.assign(partition, []).expect("a fresh partition");
        }
        let mut region = RegionMachine::new(Arc::clone(&self.network), self.params.clone(), 7);
        let (mut outputs, mut told) = (Vec::new(), Vec::new());
        let mut hand_on = |output: Output| {
            let record = log::output(&self.network, None, &output);
            let take = &mut |said| {
                if let RegionOutput::Incident { told: one, .. } = said {
                    told.push(*one);
                }
            };
            let offset = Offset(outputs.len() as i64);
            region.handle(offset, &record, take).expect("sound");
            outputs.push(output);
        };
        let mut last = EventTime::MIN;
        for (partition, input) in &self.records {
            last = last.max(input.event.as_ref().expect("none is bad").time);
            let handled = engine.handle(*partition, input, &mut hand_on);
            handled.expect("inside the budget");
        }
        let end = last.plus_ms(2 * 3_600_000);
        for partition in self.partitions() {
            engine.pass_time(partition, end, &mut hand_on);
        }
        (outputs, told)
    }

    /// Starts a machine with what a run left behind.
    pub(crate) fn restored(&self, ran: &Ran) -> Engine {
        let mut engine = self.engine();
        for partition in self.partitions() {
            let read = engine.assign(partition, ran.compacted(partition));
            read.expect("what was written can be read");
        }
        engine
    }

    fn partitions(&self) -> Vec<Partition> {
        let mut all: Vec<_> = self.records.iter().map(|(p, _)| *p).collect();
        all.sort();
        all.dedup();
        all
    }

    /// Runs all of it, with one commit after every `batch` records and a crash when so many records were read.
    pub(crate) fn run(&self, batch: usize, crashes: &[usize]) -> Ran {
        let mut ran = Ran::default();
        let mut from = 0;
        for &crash in crashes {
            self.go_on(&mut ran, from..crash.min(self.records.len()), batch, false);
            // A crash is noticed late: what was read since the last commit is read again.
            from = 0;
        }
        self.go_on(&mut ran, from..self.records.len(), batch, true);
        ran
    }

    /// Starts a machine with what was committed and reads on to the end of the range.
    fn go_on(&self, ran: &mut Ran, range: Range<usize>, batch: usize, commits_last: bool) {
        let mut engine = self.engine();
        let mut next: BTreeMap<Partition, NextOffset> = BTreeMap::new();
        for partition in self.partitions() {
            let meta = engine
                .assign(partition, ran.compacted(partition))
                .expect("what was written can be read");
            next.extend(meta.and_then(|m| m.next).map(|n| (partition, n)));
        }
        let mut open: Vec<Output> = Vec::new();
        let mut uncommitted = 0;
        for (partition, input) in &self.records[range] {
            if next.get(partition).is_some_and(|n| input.offset.0 < n.0) {
                continue;
            }
            let outcome = engine
                .handle(*partition, input, &mut |output| open.push(output))
                .expect("inside the budget");
            ran.outcomes.insert((*partition, input.offset), outcome);
            uncommitted += 1;
            if uncommitted == batch {
                self.commit(&mut engine, &mut open, ran);
                uncommitted = 0;
            }
        }
        if commits_last {
            self.commit(&mut engine, &mut open, ran);
        }
        ran.revised = engine.tally().revised;
        ran.closed = engine.tally().buckets_closed;
    }

    fn commit(&self, engine: &mut Engine, open: &mut Vec<Output>, ran: &mut Ran) {
        for output in open.drain(..) {
            let (source, encoded) = self.encoded(&output);
            ran.outputs.entry(source).or_default().push(encoded);
        }
        for partition in self.partitions() {
            let changes = engine.drain_changes(partition);
            ran.changelog.entry(partition).or_default().extend(changes);
        }
    }

    fn encoded(&self, output: &Output) -> (Partition, Encoded) {
        let origin = Origin {
            topic: "in".into(),
            config: "c".into(),
        };
        let (Output::Count { source, .. }
        | Output::Alert { source, .. }
        | Output::Notice { source, .. }) = output;
        let encoded = encode::alert(output, &self.network, &origin)
            .or_else(|| encode::count(output, &self.network, &origin))
            .or_else(|| notice::notice(output, &self.network, &origin))
            .expect("an output is an alert, a count or a notice");
        (source.partition, encoded)
    }
}

/// What a run left behind.
#[derive(Default, PartialEq)]
pub(crate) struct Ran {
    pub(crate) outputs: BTreeMap<Partition, Vec<Encoded>>,
    pub(crate) changelog: BTreeMap<Partition, Vec<ChangelogRecord>>,
    pub(crate) outcomes: BTreeMap<(Partition, Offset), Outcome>,
    pub(crate) revised: u64,
    pub(crate) closed: u64,
}

impl Ran {
    /// The changelog as compaction leaves it: the last record of every key, tombstones gone.
    pub(crate) fn compacted(&self, partition: Partition) -> Vec<ChangelogRecord> {
        let mut last = BTreeMap::new();
        for record in self.changelog.get(&partition).into_iter().flatten() {
            last.insert(record.key.clone(), record.clone());
        }
        last.into_values().filter(|r| r.value.is_some()).collect()
    }

    /// Panics at the first output or outcome that differs.
    pub(crate) fn assert_same_outputs(&self, other: &Self, what: &str) {
        for ((at, mine), theirs) in self.outcomes.iter().zip(other.outcomes.values()) {
            assert_eq!(mine, theirs, "{what}: outcome of the record at {at:?}");
        }
        for (partition, mine) in &self.outputs {
            let theirs = other.outputs.get(partition).map_or(&[][..], Vec::as_slice);
            for (n, (mine, theirs)) in mine.iter().zip(theirs).enumerate() {
                assert!(
                    mine == theirs,
                    "{what}: output {n} of {partition:?}\n{}\n{}",
                    String::from_utf8_lossy(&mine.value),
                    String::from_utf8_lossy(&theirs.value)
                );
            }
            assert_eq!(mine.len(), theirs.len(), "{what}: outputs of {partition:?}");
        }
        assert_eq!(self.outputs.len(), other.outputs.len(), "{what}");
    }

    /// Panics where the state differs that is kept in the end.
    pub(crate) fn assert_same_state(&self, other: &Self, what: &str) {
        for partition in self.changelog.keys() {
            let (mine, theirs) = (self.compacted(*partition), other.compacted(*partition));
            for (mine, theirs) in mine.iter().zip(&theirs) {
                assert_eq!(mine.key, theirs.key, "{what}: keys of {partition:?}");
                assert!(mine == theirs, "{what}: {} of {partition:?}", mine.key);
            }
            assert_eq!(mine.len(), theirs.len(), "{what}: keys of {partition:?}");
        }
    }
}

/// The whole record of a change, and each country's slice of it.
pub(crate) fn records(
    network: &Network,
    families: &Families,
    told: &Told,
) -> (Value, Vec<(String, Value)>) {
    let source = Source {
        partition: Partition(0),
        offset: None,
        recorded: None,
    };
    let origin = Origin {
        topic: "region".into(),
        config: "c".into(),
    };
    let read = |e: &Encoded| serde_json::from_slice(&e.value).expect("records are JSON");
    let both = (network, families);
    let whole = region::incident(both, told, Severity::Minor, &source, &origin);
    let slices = region::slices(both, told, Severity::Minor, &source, &origin);
    let slices = slices
        .iter()
        .map(|(country, part)| (country.clone(), read(part)));
    (read(&whole), slices.collect())
}
