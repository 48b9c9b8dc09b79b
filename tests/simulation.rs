//! Compares the machine with a naive model that keeps every arrival and recounts every bucket from scratch, over random streams.

mod support;

use jiff::tz::TimeZone;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use support::random::{self, DAY_MS, Dice, Options};
use support::{BLIND_AFTER_MS, Feed, Ran};
use surgewatch::core::crossing::Outcome;
use surgewatch::core::event::{Event, Kind, Reject};
use surgewatch::core::ids::{CrossingIx, StreamIx};
use surgewatch::core::partition::Input;
use surgewatch::core::time::{EventTime, HOUR_MS};

const HORIZON_MS: i64 = 48 * HOUR_MS;
const CLOSE_AFTER_MS: i64 = 900_000;

/// An arrival as the model keeps it.
#[derive(Clone, Copy)]
struct Arrival {
    time: i64,
    stream: StreamIx,
    count: u32,
    corrected: Option<i64>,
}

/// A bucket: crossing, stream, lens, first moment.
type BucketKey = (String, String, String, i64);

/// The crossing's civil day that holds a moment: start and end.
fn day_of(tz: &TimeZone, time: i64) -> (i64, i64) {
    let at = EventTime(time).timestamp().to_zoned(tz.clone());
    let start = at.start_of_day().expect("days begin");
    let next = at
        .date()
        .tomorrow()
        .expect("there is one")
        .to_zoned(tz.clone());
    (
        start.timestamp().as_millisecond(),
        next.expect("days begin").timestamp().as_millisecond(),
    )
}

/// The hour bucket that holds a moment: whole hours from the start of its day.
fn hour_of(tz: &TimeZone, time: i64) -> (i64, i64) {
    let (start, end) = day_of(tz, time);
    let from = start + (time - start) / HOUR_MS * HOUR_MS;
    (from, (from + HOUR_MS).min(end))
}

#[derive(Default)]
struct Model {
    watermarks: BTreeMap<i32, i64>,
    arrivals: BTreeMap<(CrossingIx, u64), Arrival>,
    gates: BTreeMap<(CrossingIx, i64), Kind>,
    /// Times at which each crossing that sends heartbeats was heard.
    heard: BTreeMap<CrossingIx, Vec<i64>>,
    revised: u64,
}

impl Model {
    /// Takes one record and says what the machine must have made of it.
    fn take(&mut self, feed: &Feed, partition: i32, input: &Input, theirs: Outcome) -> Outcome {
        let event = match &input.event {
            Ok(event) => event,
            Err(reason) => return Outcome::Rejected(*reason),
        };
        let watermark = self.watermarks.entry(partition).or_insert(i64::MIN / 4);
        let horizon = *watermark - HORIZON_MS;
        if event.time.0 < horizon {
            return Outcome::Rejected(Reject::TooLate);
        }
        *watermark = (*watermark).max(event.time.0);
        let watermark = *watermark;
        match &event.kind {
            Kind::Heartbeat => {
                self.beat(feed, event.crossing, event.time.0, watermark);
                Outcome::Applied
            }
            Kind::Arrival { stream, count } => {
                self.hear(event.crossing, event.time.0);
                let arrival = Arrival {
                    time: event.time.0,
                    stream: *stream,
                    count: *count,
                    corrected: None,
                };
                let key = (event.crossing, event.id.0);
                if self.arrivals.contains_key(&key) {
                    return Outcome::Duplicate;
                }
                self.arrivals.insert(key, arrival);
                let changed = (event.time.0, event.time.0 + 1);
                self.revise(feed, event.crossing, changed, watermark, 1);
                Outcome::Applied
            }
            Kind::Correction { replaces, count } => self.correct(
                feed,
                event,
                (event.crossing, replaces.0),
                *count,
                watermark,
                theirs,
            ),
            Kind::Redefined => unreachable!("random streams keep their meaning"),
            Kind::Status { .. } => {
                let place = (event.crossing, event.time.0);
                let known = self.gates.insert(place, event.kind.clone());
                if known.as_ref() == Some(&event.kind) {
                    return Outcome::Duplicate;
                }
                let series = feed.network.crossing(event.crossing).streams.len() as u64;
                let changed = (event.time.0, i64::MAX);
                self.revise(feed, event.crossing, changed, watermark, series);
                Outcome::Applied
            }
        }
    }

    fn correct(
        &mut self,
        feed: &Feed,
        event: &Event,
        key: (CrossingIx, u64),
        count: u32,
        watermark: i64,
        theirs: Outcome,
    ) -> Outcome {
        let unknown = Outcome::Rejected(Reject::UnknownReplaced);
        let Some(mut arrival) = self.arrivals.get(&key).copied() else {
            return unknown;
        };
        // Past the horizon an arrival may be forgotten, page by page; whichever the machine says is right.
        if arrival.time < watermark - HORIZON_MS && theirs == unknown {
            return unknown;
        }
        if arrival.corrected.is_some_and(|at| at > event.time.0) {
            return Outcome::Duplicate;
        }
        arrival.corrected = Some(event.time.0);
        let tz = &feed.network.crossing(event.crossing).tz;
        if day_of(tz, arrival.time).1 > watermark - HORIZON_MS {
            arrival.count = count;
            let changed = (arrival.time, arrival.time + 1);
            self.revise(feed, event.crossing, changed, watermark, 1);
        }
        self.arrivals.insert(key, arrival);
        Outcome::Applied
    }

    /// An arrival keeps a feed alive that has sent a heartbeat, unless it is from long before the first event heard.
    fn hear(&mut self, at: CrossingIx, time: i64) {
        if let Some(heard) = self.heard.get_mut(&at) {
            let first = heard.iter().min().copied().unwrap_or(i64::MAX);
            if time + BLIND_AFTER_MS >= first {
                heard.push(time);
            }
        }
    }

    /// A heartbeat that shows a feed alive in time that has passed and was thought blind publishes that time again.
    fn beat(&mut self, feed: &Feed, at: CrossingIx, time: i64, watermark: i64) {
        let heard = self.heard.entry(at).or_default();
        let was_alive = |moment: i64| {
            let covers = |h: &i64| *h <= moment && moment < h + BLIND_AFTER_MS;
            heard.iter().any(covers)
        };
        let until = time + BLIND_AFTER_MS;
        let ends = heard.iter().map(|h| h + BLIND_AFTER_MS);
        let mut moments = ends
            .chain([time])
            .filter(|m| (time..until.min(watermark)).contains(m));
        let is_mended = !heard.is_empty() && moments.any(|m| !was_alive(m));
        heard.push(time);
        if is_mended {
            let series = feed.network.crossing(at).streams.len() as u64;
            self.revise(feed, at, (time, until), watermark, series);
        }
    }

    /// Something changed from a moment to another: every closed bucket of that time is published again.
    fn revise(
        &mut self,
        feed: &Feed,
        at: CrossingIx,
        (from, to): (i64, i64),
        watermark: i64,
        series: u64,
    ) {
        let tz = &feed.network.crossing(at).tz;
        for bucket_of in [day_of, hour_of] {
            let mut time = from;
            while time < to {
                let (_, end) = bucket_of(tz, time);
                if end + CLOSE_AFTER_MS > watermark {
                    break;
                }
                self.revised += series;
                time = end;
            }
        }
    }

    /// Every bucket that holds an arrival, counted from scratch.
    fn counts(&self, feed: &Feed) -> BTreeMap<BucketKey, u64> {
        let mut counts = BTreeMap::new();
        for ((crossing, _), arrival) in &self.arrivals {
            let place = feed.network.crossing(*crossing);
            let stream = feed.network.stream(arrival.stream).to_owned();
            let starts = [
                ("day", day_of(&place.tz, arrival.time).0),
                ("hour", hour_of(&place.tz, arrival.time).0),
            ];
            for (lens, start) in starts {
                let key = (place.id.clone(), stream.clone(), lens.to_owned(), start);
                *counts.entry(key).or_default() += u64::from(arrival.count);
            }
        }
        counts
    }
}

/// The last published count of every bucket, and how often a bucket was published again.
fn published(ran: &Ran) -> (BTreeMap<BucketKey, u64>, u64) {
    let mut last: BTreeMap<BucketKey, (u64, u64)> = BTreeMap::new();
    let mut again = 0;
    for output in ran
        .outputs
        .values()
        .flatten()
        .filter(|o| o.headers.is_empty())
    {
        let count: Value = serde_json::from_slice(&output.value).expect("counts are JSON");
        let text = |v: &Value| v.as_str().expect("a text").to_owned();
        let start: jiff::Timestamp = text(&count["bucket"]["start"]).parse().expect("a moment");
        let key = (
            text(&count["crossing"]),
            text(&count["stream"]),
            text(&count["lens"]),
            start.as_millisecond(),
        );
        let revision = count["revision"].as_u64().expect("a number");
        let observed = count["observed"].as_u64().expect("a number");
        if let Some((before, _)) = last.insert(key.clone(), (revision, observed)) {
            assert!(
                before < revision,
                "{key:?}: revision {revision} after {before}"
            );
            again += 1;
        }
    }
    let observed = last.into_iter().map(|(key, (_, observed))| (key, observed));
    (observed.collect(), again)
}

/// Alerts live in order: opened, then each number once, nothing after the end, no id twice.
fn assert_alerts_live_in_order(ran: &Ran) -> usize {
    let mut last: BTreeMap<String, (u64, String)> = BTreeMap::new();
    let mut opened = 0;
    for output in ran.outputs.values().flatten().filter(|o| {
        o.headers
            .iter()
            .any(|(_, value)| value.starts_with("border.alert."))
    }) {
        let alert: Value = serde_json::from_slice(&output.value).expect("alerts are JSON");
        let id = alert["alert_id"].as_str().expect("a text").to_owned();
        let sequence = alert["sequence"].as_u64().expect("a number");
        let transition = alert["transition"].as_str().expect("a text").to_owned();
        opened += usize::from(transition == "opened");
        match last.insert(id.clone(), (sequence, transition.clone())) {
            None => assert_eq!((sequence, transition.as_str()), (0, "opened"), "{id}"),
            Some((before, what)) => {
                assert!(
                    what != "resolved" && (what != "retracted" || transition == "reopened"),
                    "{id} goes on as {transition} after its end"
                );
                assert_eq!(sequence, before + 1, "{id}: {transition} after {what}");
            }
        }
    }
    opened
}

fn simulate(seed: u64) -> usize {
    let options = Options::of(seed);
    eprintln!("SURGEWATCH_SEED={seed} cargo test --test simulation one_seed\n{options:?}");
    let feed = random::feed(&options);
    let ran = feed.run(50, &[]);
    let mut model = Model::default();
    for (partition, input) in &feed.records {
        let at = (*partition, input.offset);
        let theirs = ran.outcomes[&at];
        let ours = model.take(&feed, partition.0, input, theirs);
        assert_eq!(theirs, ours, "the record at {at:?}: {input:?}");
    }
    let (published, again) = published(&ran);
    let counts = model.counts(&feed);
    for (key, observed) in &published {
        let counted = counts.get(key).copied().unwrap_or(0);
        assert_eq!(*observed, counted, "{key:?}: machine left, recount right");
    }
    let missing: Vec<_> = counts
        .keys()
        .filter(|key| !published.contains_key(*key))
        .collect();
    assert!(missing.is_empty(), "never published: {missing:?}");
    assert_eq!(
        (again, ran.late),
        (model.revised, model.revised),
        "closed buckets published again"
    );
    assert_alerts_live_in_order(&ran)
}

#[test]
fn counts_outcomes_and_revisions_are_those_of_a_recount_from_scratch() {
    let opened: usize = (0..48).map(simulate).sum();
    assert!(
        opened > 20,
        "the streams hold surges, {opened} alerts opened"
    );
}

#[test]
fn one_seed_of_the_environment_is_simulated() {
    if let Some(seed) = std::env::var("SURGEWATCH_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
    {
        simulate(seed);
    }
}

/// Without alerts, whose end starts evidence anew at the moment it is told.
fn silent(mut feed: Feed) -> Feed {
    for lens in &mut feed.params.lenses {
        (lens.log_threshold_rise, lens.log_threshold_drop) = (1e9, 1e9);
    }
    feed
}

#[test]
fn any_order_inside_the_horizon_ends_in_the_same_state() {
    for seed in 100..112 {
        let options = Options {
            partitions: 1,
            jumble_ms: 0,
            duplicates_per_mille: 0,
            corrections_per_mille: 0,
            bad_per_mille: 0,
            too_late_per_mille: 0,
            ..Options::of(seed)
        };
        let ordered = silent(random::feed(&options));
        let mut jumbled = silent(random::feed(&options));
        let mut dice = Dice::new(seed);
        let start = jumbled.records[0].1.recorded.map_or(0, |at| at.0);
        jumbled.records.sort_by_cached_key(|(_, input)| {
            let event = input.event.as_ref().expect("none is bad");
            // What comes first decides since when a crossing is watched.
            let delay = if event.time.0 < start + DAY_MS / 24 {
                0
            } else {
                dice.below(40 * HOUR_MS)
            };
            event.time.0
                + if event.kind == Kind::Heartbeat {
                    0
                } else {
                    delay
                }
        });
        let read: BTreeSet<_> = jumbled.records.iter().map(|(_, i)| i.offset.0).collect();
        for ((_, input), offset) in jumbled.records.iter_mut().zip(read) {
            input.offset.0 = offset;
        }
        let (ordered, jumbled) = (ordered.run(50, &[]), jumbled.run(50, &[]));
        let tracks = |ran: &Ran| {
            let kept = ran.changelog.keys().flat_map(|p| ran.compacted(*p));
            kept.filter(|r| r.key.starts_with("m/")).collect::<Vec<_>>()
        };
        assert_eq!(published(&ordered).0, published(&jumbled).0, "{options:?}");
        for (a, b) in tracks(&ordered).iter().zip(&tracks(&jumbled)) {
            assert!(a == b, "{}: settled state differs, {options:?}", a.key);
        }
    }
}
