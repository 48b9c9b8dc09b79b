//! Holds the machine to laws over random streams: restored it goes on the same, time zones and larger counts take nothing away,
//! memory is bounded, every number is a number.

mod support;

use jiff::tz::{Offset, TimeZone};
use proptest::prelude::*;
use serde_json::Value;
use std::sync::Arc;
use support::Feed;
use support::random::{self, Options};
use surgewatch::core::alert::{Alert, Reading};
use surgewatch::core::crossing::Outcome;
use surgewatch::core::event::{Event, GateState, Kind};
use surgewatch::core::ids::{self, CrossingIx, EventId, Partition, StreamIx};
use surgewatch::core::lens::Lens;
use surgewatch::core::network::Network;
use surgewatch::core::output::Output;
use surgewatch::core::partition::Input;
use surgewatch::core::seen::{Arrival, PAGE_IDS, Remembered, Seen};
use surgewatch::core::time::{EventTime, HOUR_MS, WallTime};

/// When the streams of these tests begin: 14 November 2023, 22:13:20 in Greenwich.
const START_MS: i64 = 1_700_000_000_000;

/// Names of fields that may be without a value.
const OPTIONAL: [&str; 2] = ["known_at", "offset"];

fn assert_numbers(value: &Value, path: &str) {
    match value {
        Value::Null => assert!(OPTIONAL.iter().any(|o| path.ends_with(o)), "{path} is null"),
        Value::Object(fields) => fields
            .iter()
            .for_each(|(k, v)| assert_numbers(v, &format!("{path}.{k}"))),
        Value::Number(n) => assert!(n.as_f64().is_some_and(f64::is_finite), "{path} is {n}"),
        _ => {}
    }
}

/// One arrival of a count each hour at a crossing; 0 is none.
fn hourly(counts: &[u32]) -> Feed {
    hourly_in(random::network(), START_MS, counts)
}

fn hourly_in(network: Network, start: i64, counts: &[u32]) -> Feed {
    let records = counts.iter().zip(0i64..).map(|(&count, n)| {
        let time = start + n * HOUR_MS;
        let kind = match count {
            0 => Kind::Heartbeat,
            count => Kind::Arrival {
                stream: StreamIx(0),
                count,
            },
        };
        let event = Event {
            crossing: CrossingIx(0),
            time: EventTime(time),
            id: EventId(n as u64),
            kind,
        };
        let input = Input {
            offset: ids::Offset(n),
            recorded: Some(WallTime(time)),
            event: Ok(event),
        };
        (Partition(0), input)
    });
    let records = records.collect();
    Feed {
        params: support::params(&network),
        network: Arc::new(network),
        records,
    }
}

/// What a machine says of a crossing so many hours ahead of Greenwich, with arrivals at the same local hours.
fn told(offset_hours: i8, counts: &[u32]) -> Vec<(Reading, Option<Alert>)> {
    let mut network = random::network();
    network.crossings[0].tz = TimeZone::fixed(Offset::constant(offset_hours));
    let start = START_MS - i64::from(offset_hours) * HOUR_MS;
    told_of(&hourly_in(network, start, counts))
}

/// What a machine says of each bucket it closes and of each alert.
fn told_of(feed: &Feed) -> Vec<(Reading, Option<Alert>)> {
    let mut engine = feed.engine();
    engine
        .assign(Partition(0), [])
        .expect("nothing is to be read");
    let mut told = Vec::new();
    for (partition, input) in &feed.records {
        let mut put = |output| match output {
            Output::Count { reading, .. } => told.push((reading, None)),
            Output::Alert { reading, alert, .. } => told.push((reading, Some(alert))),
            Output::Notice { .. } => {}
        };
        engine
            .handle(*partition, input, &mut put)
            .expect("inside the budget");
    }
    told
}

fn later((mut reading, alert): (Reading, Option<Alert>), ms: i64) -> (Reading, Option<Alert>) {
    reading.start = reading.start.plus_ms(ms);
    reading.end = reading.end.plus_ms(ms);
    let alert = alert.map(|mut alert| {
        alert.onset = alert.onset.plus_ms(ms);
        alert.decided = alert.decided.plus_ms(ms);
        alert.named = alert.named.plus_ms(ms);
        alert
    });
    (reading, alert)
}

/// The same with a closure of so many minutes that begins so long after the last arrival of all.
fn shut_after(mut feed: Feed, last: i64, after_ms: i64, minutes: i64) -> Feed {
    let from = START_MS + last * HOUR_MS + after_ms;
    let at = feed
        .records
        .partition_point(|(_, input)| input.recorded.is_some_and(|recorded| recorded.0 <= from));
    let event = Event {
        crossing: CrossingIx(0),
        time: EventTime(from),
        id: EventId(1 << 40),
        kind: Kind::Status {
            state: GateState::Closed,
            until: Some(EventTime(from + minutes * 60_000)),
        },
    };
    let input = Input {
        offset: ids::Offset(0),
        recorded: Some(WallTime(from)),
        event: Ok(event),
    };
    feed.records.insert(at, (Partition(0), input));
    for ((_, input), n) in feed.records.iter_mut().zip(0..) {
        input.offset = ids::Offset(n);
    }
    feed
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_restored_machine_goes_on_as_if_nothing_had_happened(seed in 1_000u64..1_000_000, cuts in prop::collection::vec(1usize..2_000, 1..4), batch in 1usize..90) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        let options = Options { days: 6, ..Options::of(seed) };
        let feed = random::feed(&options);
        feed.run(usize::MAX, &[]).assert_same_outputs(&feed.run(batch, &cuts), &format!("{options:?} cut at {cuts:?}"));
    }

    #[test]
    fn every_number_put_out_is_finite_whatever_the_counts(counts in prop::collection::vec(prop_oneof![4 => Just(0u32), 2 => 1u32..50, 1 => 1u32..=1_000_000_000], 24..400)) {
        let ran = hourly(&counts).run(100, &[]);
        for encoded in ran.outputs.values().flatten() {
            let value: Value = serde_json::from_slice(&encoded.value).expect("records are JSON");
            assert_numbers(&value, "");
        }
    }

    #[test]
    fn a_larger_count_never_takes_the_first_alert_away(counts in prop::collection::vec(0u32..3, 24 * 20..24 * 21), surge in 50u32..1_000, more in 1u32..1_000_000) {
        let opened_with = |last: u32| {
            let mut counts = counts.clone();
            counts.push(last);
            let ran = hourly(&counts).run(100, &[]);
            let alerts = ran.outputs.values().flatten().filter(|o| !o.headers.is_empty());
            alerts.filter(|o| o.headers[3].1 == "border.alert.opened.v1").count()
        };
        prop_assert!(opened_with(surge) <= opened_with(surge + more));
    }

    #[test]
    fn a_gate_that_shuts_after_the_arrivals_of_a_surge_takes_no_evidence_of_it_back(
        counts in prop::collection::vec(0u32..3, 24 * 6..24 * 7),
        surge in 20u32..1_000,
        after_minutes in 1i64..46,
        minutes in 1i64..700,
    ) {
        let mut counts = counts;
        let last = counts.len() as i64;
        counts.push(surge);
        counts.extend([0; 50]);
        let evidence = |feed: &Feed| {
            let holds = |reading: &Reading| {
                let at = EventTime(START_MS + last * HOUR_MS);
                reading.start <= at && at < reading.end
            };
            let mut told: Vec<_> = told_of(feed).into_iter().map(|(reading, _)| reading).filter(holds).collect();
            told.sort_by_key(|reading| reading.start);
            let newest = |lens| told.iter().rev().find(|reading| reading.lens == lens).map(|reading| (reading.log_evidence_rise, reading.closed_ratio));
            [Lens::Day, Lens::Hour].map(|lens| newest(lens).expect("it is closed"))
        };
        let open = evidence(&hourly(&counts));
        let shut = evidence(&shut_after(hourly(&counts), last, after_minutes * 60_000, minutes));
        for ((of_open, none), (of_shut, closed)) in open.into_iter().zip(shut) {
            prop_assert!(none == 0.0 && closed > 0.0, "{none}, {closed}");
            prop_assert!((of_open - of_shut).abs() < 1e-6, "{of_open} while it is open, {of_shut} with {closed} of it shut");
        }
    }

    #[test]
    fn the_same_local_times_in_another_time_zone_give_the_same_numbers(counts in prop::collection::vec(prop_oneof![6 => 0u32..4, 1 => 20u32..90], 24 * 20..24 * 30), shift_hours in -11i8..=12) {
        let at_home = told(0, &counts);
        let shift_ms = i64::from(shift_hours) * HOUR_MS;
        let there: Vec<_> = told(shift_hours, &counts).into_iter().map(|told| later(told, shift_ms)).collect();
        prop_assert!(at_home.len() > 400);
        prop_assert_eq!(at_home, there);
    }

    #[test]
    fn remembered_ids_stay_inside_their_bound(ids in prop::collection::vec(0u64..5_000, 1..3_000), max_ids in 64usize..1_024) {
        let mut seen = Seen::default();
        let (mut remembered, mut given_up) = (0, 0);
        for (n, id) in ids.into_iter().enumerate() {
            let arrival = Arrival { id: EventId(id), time: EventTime(n as i64), stream: Some(StreamIx(0)), count: 1, corrected: None };
            if let Remembered::New(dropped) = seen.remember(arrival, max_ids) {
                given_up += dropped;
                remembered += 1;
            }
            prop_assert!(seen.len() <= max_ids.max(PAGE_IDS));
            prop_assert_eq!(seen.remember(arrival, max_ids), Remembered::Duplicate, "the youngest is always known");
        }
        prop_assert_eq!(remembered, seen.len() + given_up);
    }
}

#[test]
fn the_largest_counts_of_all_are_still_counted() {
    let mut counts = vec![1_000_000_000; 24 * 30];
    counts.extend([0; 24 * 5]);
    let ran = hourly(&counts).run(100, &[]);
    assert!(ran.outcomes.values().all(|o| *o == Outcome::Applied));
    let most = ran
        .outputs
        .values()
        .flatten()
        .filter(|o| o.headers.is_empty())
        .map(|o| {
            let value: Value = serde_json::from_slice(&o.value).expect("records are JSON");
            assert_numbers(&value, "");
            value["observed"].as_u64().expect("a number")
        });
    assert_eq!(most.max(), Some(24_000_000_000));
}
