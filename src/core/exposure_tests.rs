//! Holds exposure to cases: statuses that lie over each other, published hours, days on which clocks change.
#![expect(clippy::float_cmp, reason = "whole shares are exact")]
use super::*;
use crate::core::network::OpenHours;
use jiff::civil::Date;
use jiff::tz::TimeZone;

fn crossing(hours: Option<(u16, u16)>) -> Crossing {
    Crossing {
        id: "x".into(),
        name: "X".into(),
        country: "fi".into(),
        corridor: "c".into(),
        order: 1,
        neighbours: vec![],
        tz: TimeZone::get("Europe/Helsinki").expect("bundled"),
        hours: hours.map(|(open_minute, close_minute)| {
            [Some(OpenHours {
                open_minute,
                close_minute,
            }); 7]
        }),
        streams: vec![],
        message_within_ms: None,
    }
}

fn day(crossing: &Crossing) -> DaySpan {
    DaySpan::of(&crossing.tz, Date::constant(2023, 11, 17))
}

#[test]
fn a_crossing_without_hours_and_status_is_open_all_day() {
    let c = crossing(None);
    let d = day(&c);
    assert_eq!(
        GateTimeline::default().exposure(&c, &d, d.start, d.end),
        1.0
    );
}

#[test]
fn published_hours_give_the_open_share_of_days_and_of_hours() {
    let c = crossing(Some((600, 840)));
    let d = day(&c);
    let open = GateTimeline::default();
    assert!((open.exposure(&c, &d, d.start, d.end) - 4.0 / 24.0).abs() < 1e-12);
    let of = |h| open.exposure(&c, &d, d.hour_span(h).0, d.hour_span(h).1);
    assert_eq!([of(9), of(10), of(13), of(14)], [0.0, 1.0, 1.0, 0.0]);
}

#[test]
fn at_a_moment_a_crossing_is_closed_by_status_or_outside_its_hours() {
    let day = day(&crossing(None));
    let at = |minute: i64| day.start.plus_ms(minute * 60_000);
    let mut gate = GateTimeline::default();
    for (from, state, until) in [
        (at(11 * 60), GateState::Restricted, None),
        (at(12 * 60), GateState::Closed, Some(at(13 * 60))),
    ] {
        gate.enter(Change { from, state, until });
    }
    use GateState::{Closed, Open, Restricted};
    for (minute, by_hours, without) in [
        (9 * 60 + 59, Closed, Open),
        (10 * 60, Open, Open),
        (11 * 60, Restricted, Restricted),
        (12 * 60, Closed, Closed),
        (13 * 60, Restricted, Restricted),
        (14 * 60, Closed, Restricted),
    ] {
        let of = |hours| gate.seen_at(&crossing(hours), at(minute));
        let found = (of(Some((600, 840))), of(None));
        assert_eq!(found, (by_hours, without), "minute {minute}");
    }
}

/// Each word: from which hour, what, until which; then the state at these hours, without and with published hours of 10 to 14.
#[test]
fn what_lay_below_a_word_holds_again_when_it_ends() {
    use GateState::{Closed, Open, Restricted};
    let day = day(&crossing(None));
    let at = |hour: i64| day.start.plus_ms(hour * 3_600_000);
    type Word = (i64, GateState, Option<i64>);
    type Shown = (i64, GateState, GateState);
    let table: [(&str, &[Word], &[Shown]); 6] = [
        (
            "a closure inside the one open day of a closed gate",
            &[
                (0, Closed, None),
                (2, Open, Some(20)),
                (12, Closed, Some(13)),
            ],
            &[
                (1, Closed, Closed),
                (3, Open, Open),
                (12, Closed, Closed),
                (15, Open, Open),
                (21, Closed, Closed),
            ],
        ),
        (
            "a closure that lasts longer than the one open time before it",
            &[(0, Closed, None), (2, Open, Some(8)), (5, Closed, Some(12))],
            &[
                (6, Closed, Closed),
                (9, Closed, Closed),
                (13, Closed, Closed),
            ],
        ),
        (
            "a closure that is said to be shorter",
            &[(0, Closed, Some(22)), (2, Closed, Some(12))],
            &[(11, Closed, Closed), (13, Open, Open), (15, Open, Closed)],
        ),
        (
            "limits inside a longer day",
            &[(0, Open, Some(20)), (12, Restricted, Some(18))],
            &[
                (9, Open, Open),
                (13, Restricted, Restricted),
                (17, Restricted, Restricted),
                (19, Open, Open),
                (21, Open, Closed),
            ],
        ),
        (
            "opened before its end",
            &[(0, Closed, Some(22)), (12, Open, None)],
            &[(11, Closed, Closed), (13, Open, Open), (15, Open, Closed)],
        ),
        (
            "limits, and a closure inside them",
            &[(0, Restricted, None), (11, Closed, Some(12))],
            &[
                (10, Restricted, Restricted),
                (11, Closed, Closed),
                (13, Restricted, Restricted),
                (15, Restricted, Closed),
            ],
        ),
    ];
    for (name, words, states) in table {
        let mut gate = GateTimeline::default();
        for (from, state, until) in words {
            let (from, until) = (at(*from), until.map(at));
            gate.enter(Change {
                from,
                state: *state,
                until,
            });
        }
        let shows = |gate: &GateTimeline, from: i64| {
            for (hour, plain, by_hours) in states.iter().filter(|(hour, ..)| from <= *hour) {
                let of = |hours| gate.seen_at(&crossing(hours), at(*hour));
                let found = (of(None), of(Some((600, 840))));
                assert_eq!(
                    found,
                    (*plain, *by_hours),
                    "{name}: hour {hour} from {from}"
                );
            }
        };
        shows(&gate, 0);
        for hour in 0..24 {
            let mut later = gate.clone();
            later.forget_before(at(hour));
            shows(&later, hour);
        }
    }
}

#[test]
fn an_open_status_with_an_end_stands_above_the_published_hours() {
    let with_hours = crossing(Some((600, 840)));
    let day = day(&with_hours);
    let at = |hour: i64| day.start.plus_ms(hour * 3_600_000);
    let hours_open = |gate: &GateTimeline| {
        let share = gate.exposure(&with_hours, &day, day.start, day.end);
        (share * 24.0).round() as i64
    };
    let mut gate = GateTimeline::default();
    let mut enter = |from, state, until: Option<i64>| {
        gate.enter(Change {
            from: at(from),
            state,
            until: until.map(at),
        });
        hours_open(&gate)
    };
    use GateState::{Closed, Open};
    assert_eq!(enter(8, Open, None), 4, "without an end the hours hold");
    assert_eq!(enter(9, Open, Some(18)), 9, "from its moment on");
    assert_eq!(enter(16, Closed, Some(17)), 8, "but for a closure");
    assert_eq!(enter(20, Open, Some(22)), 10, "on top of the hours");
    for (hour, state, since) in [
        (8, Closed, Some(-10)),
        (9, Open, None),
        (15, Open, None),
        (16, Closed, Some(16)),
        (17, Open, None),
        (18, Closed, Some(18)),
        (21, Open, None),
        (23, Closed, Some(22)),
    ] {
        let found = (
            gate.seen_at(&with_hours, at(hour)),
            gate.shut_since(&with_hours, at(hour)),
        );
        assert_eq!(found, (state, since.map(at)), "hour {hour}");
    }
}

#[test]
fn the_wall_clock_decides_opening_on_the_day_clocks_change() {
    let c = crossing(Some((600, 840)));
    for date in [Date::constant(2023, 3, 26), Date::constant(2023, 10, 29)] {
        let d = DaySpan::of(&c.tz, date);
        let (from, to) = published_hours(&c, &d);
        assert_eq!(
            (local(&c.tz, from).hour(), local(&c.tz, to).hour()),
            (10, 14),
            "{date}"
        );
    }
}

#[test]
fn a_closure_takes_its_share_until_it_ends_or_another_status_comes() {
    let c = crossing(None);
    let d = day(&c);
    let at = |h: i64| d.start.plus_ms(h * 3_600_000);
    let mut gate = GateTimeline::default();
    assert!(gate.enter(Change {
        from: at(6),
        state: GateState::Closed,
        until: Some(at(12))
    }));
    assert!(!gate.enter(Change {
        from: at(6),
        state: GateState::Closed,
        until: Some(at(12))
    }));
    assert!((gate.exposure(&c, &d, d.start, d.end) - 18.0 / 24.0).abs() < 1e-12);
    assert_eq!(gate.state_at(at(7)), GateState::Closed);
    assert_eq!(gate.state_at(at(13)), GateState::Open);
    gate.enter(Change {
        from: at(18),
        state: GateState::Closed,
        until: None,
    });
    assert!((gate.exposure(&c, &d, d.start, d.end) - 12.0 / 24.0).abs() < 1e-12);
    gate.enter(Change {
        from: at(8),
        state: GateState::Open,
        until: None,
    });
    assert!((gate.exposure(&c, &d, d.start, d.end) - 16.0 / 24.0).abs() < 1e-12);
}

#[test]
fn forgetting_keeps_the_state_in_force() {
    let mut gate = GateTimeline::default();
    gate.enter(Change {
        from: EventTime(10),
        state: GateState::Closed,
        until: None,
    });
    gate.enter(Change {
        from: EventTime(20),
        state: GateState::Open,
        until: None,
    });
    gate.enter(Change {
        from: EventTime(30),
        state: GateState::Closed,
        until: None,
    });
    gate.forget_before(EventTime(25));
    assert_eq!(gate.state_at(EventTime(25)), GateState::Open);
    assert_eq!(gate.state_at(EventTime(35)), GateState::Closed);
}
