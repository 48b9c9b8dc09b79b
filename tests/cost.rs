//! Prints what one bucket, one event and one commit cost the machine, without Kafka:
//! `cargo test --release --test cost -- --ignored --nocapture`.

mod support;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;
use surgewatch::core::calendar::DaySpan;
use surgewatch::core::engine::Engine;
use surgewatch::core::ids::{Offset, Partition};
use surgewatch::core::lens::{Lens, LensParams, LensState, Prior, Slot};
use surgewatch::core::network::Network;
use surgewatch::core::partition::Input;
use surgewatch::core::time::{EventTime, WallTime};
use surgewatch::wire::decode::{self, Limits, Record};

const CROSSINGS: u64 = 1000;
const DAY_MS: i64 = 86_400_000;
const FIRST_DAY_MS: i64 = 1_685_566_800_000;

fn slots(lens: Lens, buckets: i64) -> Vec<Slot> {
    let tz = jiff::tz::TimeZone::get("Europe/Helsinki").expect("bundled");
    (0..buckets)
        .map(|t| match lens {
            Lens::Hour => {
                let at = EventTime(FIRST_DAY_MS + t * DAY_MS / 24);
                let day = DaySpan::holding(&tz, at);
                day.hour_slot(&tz, day.hour_of(at))
            }
            Lens::Day => DaySpan::holding(&tz, EventTime(FIRST_DAY_MS + t * DAY_MS)).slot(),
            Lens::Week => DaySpan::holding(&tz, EventTime(FIRST_DAY_MS + 7 * t * DAY_MS)).slot(),
        })
        .collect()
}

/// A small generator with a fixed start, so that every run does the same work.
fn noise(state: &mut u64) -> f64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as f64 / f64::from(1_u32 << 31)
}

#[test]
#[ignore = "a measurement"]
fn a_closed_bucket() {
    for lens in [Lens::Week, Lens::Day, Lens::Hour] {
        let params = LensParams::for_lens(lens);
        let slots = slots(lens, 2_000);
        for mean in [0.2, 5.0, 90.0, 2_000.0] {
            let prior = Prior::new(mean, 1.0).expect("in range");
            let (mut random, mut least) = (7, f64::INFINITY);
            let counts: Vec<u64> = slots
                .iter()
                .map(|_| (mean * 2.0 * noise(&mut random)).round() as u64)
                .collect();
            // The least of many runs is what the work costs; the rest is what else the machine does.
            for _ in 0..30 {
                let mut state = LensState::new(&params, prior);
                let begun = Instant::now();
                for (slot, count) in slots.iter().zip(&counts) {
                    black_box(state.close(&params, *slot, 1.0, *count));
                }
                least = least.min(begun.elapsed().as_secs_f64());
            }
            eprintln!(
                "{lens:?}, mean {mean:>6}: {:>6.2} us a closed bucket",
                least / slots.len() as f64 * 1e6
            );
        }
    }
}

fn network() -> Network {
    let template = support::settings().network().crossings[0].clone();
    let mut crossings = Vec::new();
    for number in 0..CROSSINGS {
        let mut crossing = template.clone();
        crossing.id = format!("xx-{number:04}");
        crossing.streams.truncate(1);
        crossing.hours = None;
        crossing.neighbours.clear();
        crossings.push(crossing);
    }
    let streams = support::settings().network().streams.clone();
    Network::new(crossings, streams)
}

fn event(network: &Network, number: u64, time_ms: i64, count: u64) -> (Vec<u8>, i64) {
    let crossing = &network.crossings[(number * 617 % CROSSINGS) as usize];
    let stream = network.stream(crossing.streams[0]);
    let time = jiff::Timestamp::from_millisecond(time_ms).expect("in range");
    let id = format!("01JG{number:020}");
    let text = format!(
        r#"{{"type":"arrival","id":"{id}","crossing":"{}","time":"{time}","stream":"{stream}","count":{count}}}"#,
        crossing.id
    );
    (text.into_bytes(), time_ms)
}

#[test]
#[ignore = "a measurement"]
fn an_event_and_a_commit() {
    const EVENTS: u64 = 2_000_000;
    let network = Arc::new(network());
    let limits = Limits {
        max_event_bytes: 65_536,
        max_count: 100_000,
        max_ahead_ms: 3_600_000,
        max_behind_ms: 2_592_000_000,
    };
    let decoded = |(value, at): &(Vec<u8>, i64)| {
        let record = Record {
            value: Some(value),
            headers: &[],
            timestamp: Some(WallTime(*at)),
        };
        decode::decode(&record, &network, &limits).map_err(|e| e.reason)
    };
    let mut engine = Engine::new(Arc::clone(&network), support::params(&network), 1);
    engine.assign(Partition(0), []).expect("an empty changelog");
    let (mut offset, mut outputs) = (0, 0_u64);
    let mut feed = |engine: &mut Engine, event, recorded: i64| {
        let input = Input {
            offset: Offset(offset),
            recorded: Some(WallTime(recorded)),
            event,
        };
        offset += 1;
        engine
            .handle(Partition(0), &input, &mut |o| {
                black_box(&o);
                outputs += 1;
            })
            .expect("no bad records");
    };
    let begun = Instant::now();
    for hour in 0..240 {
        for number in 0..CROSSINGS {
            let made = event(
                &network,
                number + hour * CROSSINGS,
                FIRST_DAY_MS + (hour as i64 * 2 + 1) * DAY_MS / 48,
                83,
            );
            feed(&mut engine, decoded(&made), made.1);
        }
    }
    eprintln!(
        "ten days, an event an hour: {:.1} us an hour bucket",
        begun.elapsed().as_secs_f64() / 240_000.0 * 1e6
    );
    engine.drain_changes(Partition(0));
    let start = FIRST_DAY_MS + 10 * DAY_MS;
    let made: Vec<_> = (0..EVENTS)
        .map(|n| {
            event(
                &network,
                n + (1 << 30),
                start + (n as i64) * DAY_MS / EVENTS as i64,
                1,
            )
        })
        .collect();
    eprintln!("{} bytes an event", made[0].0.len());
    let begun = Instant::now();
    let events: Vec<_> = made.iter().map(decoded).collect();
    eprintln!(
        "decoding: {:.3} us an event",
        begun.elapsed().as_secs_f64() / EVENTS as f64 * 1e6
    );
    let (mut handling, mut draining, mut bytes, mut records, mut commits) = (0.0, 0.0, 0, 0, 0);
    for (chunk, at) in events.chunks(45_000).zip(made.chunks(45_000)) {
        let begun = Instant::now();
        for (event, (_, at)) in chunk.iter().zip(at) {
            feed(&mut engine, event.clone(), *at);
        }
        handling += begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        for record in engine.drain_changes(Partition(0)) {
            bytes += record.key.len() + record.value.map_or(0, |v| v.len());
            records += 1;
        }
        draining += begun.elapsed().as_secs_f64();
        commits += 1;
    }
    eprintln!(
        "one day, 83 events an hour bucket: handling {:.3} us an event, {commits} commits: {:.3} us an event, {records} records, {bytes} bytes",
        handling / EVENTS as f64 * 1e6,
        draining / EVENTS as f64 * 1e6
    );
}
