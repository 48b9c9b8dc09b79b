//! Tests of displacement: named days of a border, and the laws of what is moved.

use super::*;
use crate::core::network::Crossing;
use jiff::tz::TimeZone;
use proptest::prelude::*;

/// Crossings in a line, each beside the next.
fn line(n: u16) -> Network {
    let crossing = |i: u16| Crossing {
        id: format!("x-{i:02}"),
        name: format!("X{i}"),
        country: "fi".into(),
        corridor: "c".into(),
        order: i + 1,
        neighbours: (i + 1 < n)
            .then_some(CrossingIx(i + 1))
            .into_iter()
            .collect(),
        tz: TimeZone::UTC,
        hours: None,
        message_within_ms: None,
        streams: vec![],
    };
    Network::new((0..n).map(crossing).collect(), vec![])
}

fn open(observed: u64) -> DayFlow {
    DayFlow {
        observed,
        while_closed: 0,
        expected: 0.5,
        open_ratio: 1.0,
        closed_ratio: 0.0,
        blind_ratio: 0.0,
        is_blind: false,
        is_hidden: false,
    }
}

fn shut(observed: u64) -> DayFlow {
    DayFlow {
        expected: 0.0,
        open_ratio: 0.0,
        closed_ratio: 1.0,
        ..open(observed)
    }
}

/// Open, and then shut for a share of the day.
fn shut_for(ratio: f64, observed: u64) -> DayFlow {
    DayFlow {
        expected: 0.5 * (1.0 - ratio),
        open_ratio: 1.0 - ratio,
        closed_ratio: ratio,
        ..open(observed)
    }
}

/// Runs days of a line of crossings and returns what the last one says.
fn last_of(days: &[Vec<DayFlow>]) -> Displaced {
    let hops = Hops::of(&line(days[0].len() as u16));
    let mut state = Displacement::default();
    let mut last = Displaced::default();
    for (day, flows) in (0..).map(Day).zip(days) {
        let flows = (0..).map(CrossingIx).zip(flows.iter().copied()).collect();
        last = state.step(day, &flows, &hops);
    }
    last
}

#[test]
fn what_is_missing_at_one_crossing_is_looked_for_at_the_others() {
    let blind = DayFlow {
        is_blind: true,
        ..shut(0)
    };
    let off_day = DayFlow {
        closed_ratio: 0.0,
        ..shut(0)
    };
    let busy = vec![open(100), open(0), open(0)];
    let told = |rows: &[Vec<DayFlow>]| {
        let last = last_of(rows);
        [1, 2].map(|i| (last.moved_to(CrossingIx(i)), last.new_at(CrossingIx(i))))
    };
    // Two days of 100 make a level of 100.
    let table = [
        (
            "shut: all of a smaller rise is moved",
            vec![shut(0), open(41), open(0)],
            [(40, 0), (0, 0)],
        ),
        (
            "shut: no more is moved than is missing",
            vec![shut(0), open(141), open(0)],
            [(100, 40), (0, 0)],
        ),
        (
            "arrivals at the shut gate are not missing",
            vec![shut(30), open(101), open(0)],
            [(70, 30), (0, 0)],
        ),
        (
            "the nearest draws first",
            vec![shut(0), open(61), open(61)],
            [(60, 0), (40, 20)],
        ),
        (
            "the far one draws where the near one has no rise",
            vec![shut(0), open(0), open(41)],
            [(0, 0), (40, 0)],
        ),
        (
            "a sharp fall is missing too",
            vec![open(5), open(41), open(0)],
            [(40, 0), (0, 0)],
        ),
        (
            "a small fall is none",
            vec![open(50), open(41), open(0)],
            [(0, 40), (0, 0)],
        ),
        (
            "shut for half of the day: what is missing is moved",
            vec![shut_for(0.5, 40), open(81), open(0)],
            [(60, 20), (0, 0)],
        ),
        (
            "shut for a quarter, which may be the busy one: all that the day lacks",
            vec![shut_for(0.25, 50), open(61), open(0)],
            [(50, 10), (0, 0)],
        ),
        (
            "shut for hours, and all came before or after",
            vec![shut_for(0.25, 100), open(61), open(0)],
            [(0, 60), (0, 0)],
        ),
        (
            "shut for an hour or two, which is no closure",
            vec![shut_for(0.1, 50), open(61), open(0)],
            [(0, 60), (0, 0)],
        ),
        (
            "blind: nothing is known to be missing",
            vec![blind, open(41), open(0)],
            [(0, 40), (0, 0)],
        ),
        (
            "a day it always stays shut",
            vec![off_day, open(41), open(0)],
            [(0, 40), (0, 0)],
        ),
        (
            "a shut crossing takes nothing over",
            vec![shut(0), shut(41), open(0)],
            [(0, 0), (0, 0)],
        ),
    ];
    for (name, today, expected) in table {
        assert_eq!(
            told(&[busy.clone(), busy.clone(), today]),
            expected,
            "{name}"
        );
    }
}

/// Beside a gate of 100 that shuts for ten days one of 20 counts 150, at which it stays: what does not fit into the 100 is new on
/// each of these days, and what it lacks when it shuts too is what came there of its own.
#[test]
fn what_is_new_stays_new_as_long_as_flow_is_missing_within_reach() {
    let mut days = vec![vec![open(100), open(20), open(0)]; 10];
    let said = |days: &[Vec<DayFlow>]| {
        let last = last_of(days);
        (last.moved_to(CrossingIx(1)), last.new_at(CrossingIx(1)))
    };
    for day in 0..10 {
        days.push(vec![shut(0), open(150), open(0)]);
        assert_eq!(said(&days), (100, 30), "day {day} of the closure");
    }
    let mut both = days.clone();
    both.push(vec![shut(0), shut(0), open(400)]);
    let missing = last_of(&both).missing[&CrossingIx(1)];
    assert_eq!(missing, 49, "100 of the 150 are missing at the first");
    // Open again it lacks nothing, and all above the usual is new; by the next time it shuts that is the level before.
    days.resize(30, vec![open(100), open(150), open(0)]);
    assert_eq!(said(&days), (0, 149));
    days.push(vec![shut(0), open(160), open(0)]);
    assert_eq!(said(&days), (10, 0));
}

/// What a gate that shuts for most of each day keeps out is missing as long as that of one that shuts for good; and a crossing of
/// which nothing is known yet takes nothing over.
#[test]
fn a_gate_that_shuts_for_hours_of_each_day_lacks_as_one_that_shuts_for_good() {
    let mut days = vec![vec![open(40), open(10), open(0)]; 10];
    let said = |days: &[Vec<DayFlow>], at| {
        let last = last_of(days);
        (last.moved_to(CrossingIx(at)), last.new_at(CrossingIx(at)))
    };
    for day in 1..=60 {
        days.push(vec![shut_for(0.75, 8), open(40), open(0)]);
        assert_eq!(said(&days, 1), (30, 0), "day {day}");
    }
    days.push(vec![shut_for(0.75, 8), open(40), open(0)]);
    let hops = Hops::of(&line(3));
    let mut state = Displacement::default();
    let flows = |row: &[DayFlow]| (0..).map(CrossingIx).zip(row.iter().copied()).collect();
    for (day, row) in (0..).map(Day).zip(&days[..12]) {
        state.step(day, &flows(row), &hops);
    }
    state.forget(CrossingIx(1));
    let first = state.step(Day(12), &flows(&[shut(0), open(60), open(0)]), &hops);
    assert_eq!(first.rises, BTreeMap::new(), "its first day");
    let second = state.step(Day(13), &flows(&[shut(0), open(61), open(30)]), &hops);
    assert_eq!(second.moved_to(CrossingIx(1)), 1, "{second:?}");
    assert_eq!(second.moved_to(CrossingIx(2)), 29, "{second:?}");
}

/// A gate of 100 falls to 5 and stays there; the one beside it counts 40 more than before all the while.
#[test]
fn what_falls_below_the_usual_lacks_as_long_as_that_is_usual_and_an_episode_for_days() {
    let usual = |expected: f64, observed| DayFlow {
        expected,
        ..open(observed)
    };
    for (name, expected, lacks) in [
        ("100 are usual", 100.0, [true, true, true, false]),
        ("the end of an episode", 0.5, [true, false, false, false]),
    ] {
        let mut days = vec![vec![usual(expected, 100), open(0)]; 2];
        for (length, lacks) in [2, 10, 58, 66].into_iter().zip(lacks) {
            days.resize(2 + length, vec![usual(expected, 5), usual(0.0, 40)]);
            // What comes at the other is its own level from the day on from which nothing is missing.
            let moved = last_of(&days).moved_to(CrossingIx(1));
            assert_eq!(moved > 0, lacks, "{name}: on day {length} of the fall");
        }
    }
}

#[test]
fn a_crossing_that_counts_more_than_before_lacks_nothing() {
    let busy = vec![open(100), open(0), open(0)];
    let days = [busy.clone(), busy, vec![shut(0), open(1), open(0)]];
    let back = vec![open(120), open(41), open(0)];
    let last = last_of(&[&days[..], &[back]].concat());
    let moves: Vec<_> = last.moves.iter().map(|m| (m.from, m.to)).collect();
    assert_eq!(moves, [], "{last:?}");
}

#[test]
fn a_gate_that_shuts_within_the_day_lacks_on_that_day_already() {
    let hops = Hops::of(&line(2));
    let mut state = Displacement::default();
    let flows = |first: DayFlow, second: DayFlow| {
        BTreeMap::from([(CrossingIx(0), first), (CrossingIx(1), second)])
    };
    for day in [0, 1] {
        state.step(Day(day), &flows(open(100), open(0)), &hops);
    }
    // Shares of the whole day, as the hours since noon close; the level is 100, and 50 had come by noon.
    let table = [
        ("by two in the afternoon", 2.0 / 24.0, 0, None),
        ("by six", 6.0 / 24.0, 25, Some(true)),
        ("by midnight", 12.0 / 24.0, 39, Some(true)),
    ];
    for (name, closed_ratio, moved, is_from_shut) in table {
        let first = DayFlow {
            open_ratio: 0.5,
            closed_ratio,
            ..open(50)
        };
        let said = state.so_far(Day(2), &flows(first, open(40)), &BTreeMap::new(), &hops);
        let from = said.moves.first().map(|m| m.is_from_shut);
        let found = (said.moved_to(CrossingIx(1)), from);
        assert_eq!(found, (moved, is_from_shut), "{name}");
    }
    // What was expected of the whole of the last day is no rise, however little the hours so far made expect.
    let first = DayFlow {
        open_ratio: 0.5,
        closed_ratio: 0.5,
        ..open(50)
    };
    let expected = BTreeMap::from([(CrossingIx(1), 30.0)]);
    let said = state.so_far(Day(2), &flows(first, open(40)), &expected, &hops);
    assert_eq!(said.moved_to(CrossingIx(1)), 10);
    // It began on the day it shut, and the level of its whole days stands while it is shut for part of one.
    state.step(Day(2), &flows(shut_for(0.5, 50), open(0)), &hops);
    let said = state.step(Day(3), &flows(shut(0), open(80)), &hops);
    assert_eq!(said.missing[&CrossingIx(0)], 100);
    assert!(said.moves.iter().all(|m| m.since == Day(2)), "{said:?}");
}

#[test]
fn missing_flow_expires_and_a_lasting_closure_stops_to_lack() {
    let gone = |days: usize| {
        let mut rows = vec![vec![open(100), open(0)]; 2];
        rows.extend(vec![vec![shut(0), open(0)]; days]);
        rows.push(vec![shut(0), open(1_000)]);
        last_of(&rows).moved_to(CrossingIx(1))
    };
    // Each day of the last five lacks 100.
    let table = [
        (0, 100),
        (1, 200),
        (4, 500),
        (20, 500),
        (58, 500),
        (59, 500),
        (61, 300),
        (70, 0),
    ];
    for (days, moved) in table {
        assert_eq!(gone(days), moved, "after {days} days");
    }
}

#[test]
fn the_first_day_at_vartius_is_moved_from_the_four_southern_crossings() {
    // South to north, 13 to 18 November 2023: Vaalimaa, Nuijamaa, Imatra (published together, split 7 : 2 : 1), Niirala, Vartius.
    let south = |total: u64| {
        let small = total / 10;
        [total - 3 * small, 2 * small, small]
    };
    let day = |total: u64, niirala: u64, vartius: u64| {
        let south = south(total).map(open);
        [&south[..], &[open(niirala), open(vartius)]].concat()
    };
    let mut rows: Vec<Vec<DayFlow>> = [
        // Less than one a day before.
        (0, 0, 0),
        (39, 0, 0),
        (55, 0, 0),
        (74, 0, 0),
        (26, 0, 18),
        (163, 52, 5),
    ]
    .map(|(total, niirala, vartius)| day(total, niirala, vartius))
    .to_vec();
    rows.push([&[shut(4), shut(2), shut(0), shut(0)][..], &[open(67)]].concat());
    let last = last_of(&rows);
    let vartius = CrossingIx(4);
    // 67 without the level before, which is small: most of the 18 of 16 November were missing in the southeast on that day.
    assert_eq!((last.moved_to(vartius), last.new_at(vartius)), (64, 0));
    assert_eq!(last.sources.values().sum::<u64>(), 215);
    let from: Vec<u16> = last.moves.iter().map(|m| m.from.0).collect();
    assert_eq!(from, [3, 2, 1, 0], "nearest first");
}

#[test]
fn steps_are_counted_along_the_neighbours_both_ways() {
    let hops = Hops::of(&line(12));
    let between = |a, b| hops.between(CrossingIx(a), CrossingIx(b));
    assert_eq!(between(3, 3), Some(0));
    assert_eq!([between(0, 8), between(8, 0)], [Some(8); 2]);
    assert_eq!(between(0, 9), None);
}

/// Beside this file: the top level is for what tools insist on.
fn kept_failures() -> ProptestConfig {
    let beside = proptest::test_runner::FileFailurePersistence::WithSource("regressions");
    ProptestConfig {
        failure_persistence: Some(Box::new(beside)),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(kept_failures())]

    #[test]
    fn no_arrival_is_moved_twice_and_none_is_lost(
        days in prop::collection::vec(prop::collection::vec((0u64..200, 0usize..6), 5), 1..25)
    ) {
        let hops = Hops::of(&line(5));
        let mut state = Displacement::default();
        let (mut moved, mut missing) = (0, 0);
        for (day, row) in (0..).map(Day).zip(days) {
            let flow = |(observed, kind): (u64, usize)| match kind {
                0 => shut(observed / 20),
                1 => DayFlow { is_blind: true, ..open(observed) },
                2 => shut_for(0.25, observed),
                _ => open(observed),
            };
            let flows: BTreeMap<_, _> = (0..).map(CrossingIx).zip(row.into_iter().map(flow)).collect();
            let said = state.step(day, &flows, &hops);
            for (crossing, rise) in &said.rises {
                prop_assert_eq!(said.moved_to(*crossing) + said.new_at(*crossing), *rise);
                prop_assert!(*rise <= flows[crossing].observed);
            }
            prop_assert!(said.moves.iter().all(|m| !flows[&m.to].is_blind && m.from != m.to));
            moved += said.moves.iter().map(|m| m.moved).sum::<u64>();
            missing += said.missing.values().sum::<u64>();
            let left: u64 = state.flows.values().flat_map(|f| &f.pool).map(|(_, left)| left).sum();
            prop_assert!(moved + left <= missing);
        }
    }
}

/// A gate that is blocked and whose feed then dies: what it let through is not known, and no fewer are thought to have moved.
#[test]
fn a_fallen_crossing_that_falls_silent_lacks_what_it_did_when_it_was_heard_last() {
    let heard = |observed| DayFlow {
        expected: 100.0,
        ..open(observed)
    };
    let blind = DayFlow {
        is_blind: true,
        open_ratio: 0.3,
        blind_ratio: 0.7,
        ..heard(2)
    };
    let mut displacement = Displacement::default();
    let hops = Hops::of(&line(2));
    let mut moved = Vec::new();
    let days = std::iter::repeat_n((heard(100), 100), 10).chain([
        (heard(5), 150),
        (heard(5), 150),
        (blind, 150),
        (blind, 150),
        (heard(5), 150),
    ]);
    for (n, (first, second)) in (0..).zip(days) {
        let flows = BTreeMap::from([(CrossingIx(0), first), (CrossingIx(1), heard(second))]);
        let displaced = displacement.step(Day(n), &flows, &hops);
        moved.push((
            displaced.moved_to(CrossingIx(1)),
            displaced.new_at(CrossingIx(1)),
        ));
    }
    assert_eq!(moved[10..], [(50, 0); 5]);
}
