//! Holds a series' memory to its bound: live heap bytes by a counting allocator, of a whole machine, divided by its series and lenses.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};
use surgewatch::core::engine::Engine;
use surgewatch::core::event::{Event, GateState, Kind};
use surgewatch::core::ids::{CrossingIx, EventId, Offset, Partition, StreamIx};
use surgewatch::core::network::Network;
use surgewatch::core::partition::Input;
use surgewatch::core::time::{EventTime, HOUR_MS, WallTime};

struct Counting;

static LIVE_BYTES: AtomicIsize = AtomicIsize::new(0);

// SAFETY: every call is the system allocator's own; only sizes are added up beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE_BYTES.fetch_add(layout.size() as isize, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CROSSINGS: usize = 200;
const LENSES: usize = 2;

/// Live bytes for each series and lens after so many days with an event in every hour, the first of which is `first`, of a machine
/// that commits daily.
fn bytes_after(days: &[i64], first: &Kind, kind: &Kind) -> Vec<isize> {
    let template = support::settings().network().crossings[0].clone();
    let crossings = (0..CROSSINGS).map(|number| {
        let mut crossing = template.clone();
        crossing.id = format!("xx-{number:04}");
        crossing.streams.truncate(1);
        crossing.neighbours.clear();
        crossing
    });
    let streams = support::settings().network().streams.clone();
    let network = Arc::new(Network::new(crossings.collect(), streams));
    let mut engine = Engine::new(Arc::clone(&network), support::params(&network), 1);
    engine.assign(Partition(0), []).expect("an empty changelog");
    let before = LIVE_BYTES.load(Ordering::Relaxed);
    let (mut offset, mut measured) = (0, Vec::new());
    for hour in 0..days[days.len() - 1] * 24 {
        for number in 0..CROSSINGS {
            let time = 1_700_000_000_000 + hour * HOUR_MS;
            let event = Event {
                crossing: CrossingIx(number as u16),
                time: EventTime(time),
                id: EventId(offset as u64),
                kind: if hour == 0 { first } else { kind }.clone(),
            };
            let input = Input {
                offset: Offset(offset),
                recorded: Some(WallTime(time)),
                event: Ok(event),
            };
            offset += 1;
            engine
                .handle(Partition(0), &input, &mut |_| {})
                .expect("no bad records");
        }
        if hour % 24 == 23 {
            drop(engine.drain_changes(Partition(0)));
            if days.contains(&((hour + 1) / 24)) {
                let live = LIVE_BYTES.load(Ordering::Relaxed) - before;
                measured.push(live / (CROSSINGS * LENSES) as isize);
            }
        }
    }
    measured
}

/// What a lens of a series keeps: 4 KiB, whatever arrives. A remembered id is not of a lens: every arrival inside the lateness
/// horizon has one, and they are bounded by `max_ids`.
const SERIES_BYTES: isize = 4096;
const ID_BYTES: isize = 128;

#[test]
fn memory_of_a_series_and_of_an_id_is_bounded() {
    let days = [10, 20, 60];
    let series = bytes_after(&days, &Kind::Heartbeat, &Kind::Heartbeat);
    let arrival = Kind::Arrival {
        stream: StreamIx(0),
        count: 3,
    };
    let with_ids = bytes_after(&days, &arrival, &arrival);
    let (state, until) = (GateState::Closed, None);
    let shut_out = bytes_after(&days, &Kind::Status { state, until }, &arrival);
    // An arrival an hour is remembered for two days and what is left of the first; pages hold 64.
    let ids = 4 * 24;
    let id = (with_ids[2] - series[2]) * LENSES as isize / ids;
    eprintln!(
        "a series and lens: {series:?} bytes; with ids: {with_ids:?}, all while it is shut: {shut_out:?}; an id: {id} bytes"
    );
    for measured in [&series, &with_ids, &shut_out] {
        let bound = measured[0] + measured[0] / 50;
        assert!(measured[2] <= bound, "it grows: {measured:?}");
    }
    assert!(series[2] <= SERIES_BYTES, "{series:?}");
    let shut = series[2] + shut_out[2] - with_ids[2];
    assert!(
        shut <= SERIES_BYTES,
        "{shut} where all come while it is shut"
    );
    assert!(id <= ID_BYTES, "{id} bytes an id");
}
