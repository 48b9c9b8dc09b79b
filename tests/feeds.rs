//! Tells the three kinds of nothing apart: no arrivals, a closed crossing, a dead feed; none but the first says anything of arrivals.

mod support;

use support::hourly::{Border, START_MS, USUAL_DAYS};
use support::random;
use surgewatch::core::alert::{Direction, Transition};
use surgewatch::core::event::{GateState, Kind};
use surgewatch::core::ids::{CrossingIx, StreamIx};
use surgewatch::core::lens::Lens;
use surgewatch::core::notice::{DataStatus, NoticeKind};
use surgewatch::core::output::Output;
use surgewatch::core::time::HOUR_MS;

#[test]
fn silence_with_heartbeats_is_a_drop_and_without_them_blind() {
    let (mut live, from) = Border::usual();
    let (mut dead, _) = Border::usual();
    for hour in from..from + 10 * 24 {
        live.hour(hour, true, 0);
        dead.hour(hour, false, 0);
    }
    assert!(live.opened(Direction::Drop), "{:?}", live.alerts());
    assert_eq!(live.notices(), []);
    assert_eq!(dead.alerts(), []);
    // The last event is the heartbeat of the last hour.
    let last = START_MS + (from - 1) * HOUR_MS;
    assert_eq!(dead.notices(), [(NoticeKind::FeedBlind, last, false)]);
}

#[test]
fn a_feed_that_comes_back_clears_its_notice_and_teaches_nothing_of_the_gap() {
    let (mut steady, from) = Border::usual();
    let (mut gap, _) = Border::usual();
    for hour in from..from + 20 * 24 {
        steady.hour(hour, true, 1);
        gap.hour(hour, !(from..from + 5 * 24).contains(&hour), 1);
    }
    let kinds: Vec<bool> = gap.notices().iter().map(|(.., is_over)| *is_over).collect();
    assert_eq!(kinds, [false, true], "{:?}", gap.notices());
    assert!(!gap.opened(Direction::Drop) && !gap.opened(Direction::Surge));
    let expected = |border: &Border| {
        let state = border.engine.partitions().next().expect("one partition");
        let crossing = state.crossings().next().expect("it was heard of");
        crossing.series[0]
            .open_reading(border.engine.params(), 0)
            .expected
    };
    let (steady, gap) = (expected(&steady), expected(&gap));
    assert!(
        (gap / steady - 1.0).abs() < 0.05,
        "{gap} after a gap, {steady} without"
    );
}

#[test]
fn an_open_alert_is_marked_blind_and_ends_neither_on_a_dead_feed_nor_on_a_closure() {
    for is_dead in [true, false] {
        let (mut border, from) = Border::usual();
        for hour in from..from + 4 * 24 {
            border.hour(hour, true, 12);
        }
        assert!(border.opened(Direction::Surge));
        border.outputs.clear();
        let shut = START_MS + (from + 4 * 24) * HOUR_MS;
        if !is_dead {
            let (state, until) = (GateState::Closed, None);
            border.send(0, shut, Kind::Status { state, until });
        }
        for hour in from + 4 * 24..from + 40 * 24 {
            border.hour(hour, !is_dead, 0);
        }
        let alerts = border.alerts();
        let ends = |t: Transition| t == Transition::Resolved;
        assert!(
            !alerts.iter().any(|(_, t, _)| ends(*t)),
            "dead {is_dead}: {alerts:?}"
        );
        let marked = alerts.iter().any(|(.., data)| *data == DataStatus::Blind);
        assert_eq!(marked, is_dead, "{alerts:?}");
    }
}

#[test]
fn a_backlog_that_comes_late_mends_the_blind_time() {
    let (mut border, from) = Border::usual();
    for hour in from..from + 30 {
        border.hour(hour, false, 0);
    }
    for hour in from..from + 30 {
        border.send(0, START_MS + hour * HOUR_MS, Kind::Heartbeat);
    }
    let blind = border
        .outputs
        .iter()
        .rev()
        .filter_map(|output| match output {
            Output::Count {
                crossing: CrossingIx(0),
                reading,
                ..
            } => Some(reading.blind_ratio),
            _ => None,
        });
    let last: Vec<f64> = blind.take(3).collect();
    assert!(last.iter().all(|share| *share <= 0.0), "{last:?}");
    let cleared = border
        .notices()
        .last()
        .is_some_and(|(.., is_over)| *is_over);
    assert!(cleared, "{:?}", border.notices());
}

#[test]
fn a_rush_after_a_closure_is_told_of_in_its_first_hour_with_an_open_alert_and_without() {
    for (before, told_as) in [(12, Transition::Reopened), (1, Transition::Opened)] {
        let (mut border, from) = Border::usual();
        for hour in from..from + 4 * 24 {
            border.hour(hour, true, before);
        }
        assert_eq!(border.opened(Direction::Surge), before > 1);
        let opens = border.is_shut_for_ten_days(from + 4 * 24);
        let told = (1..=60).find(|minute| {
            let time = START_MS + opens * HOUR_MS + minute * 60_000 - 1;
            let (stream, count) = (StreamIx(0), 2);
            border.send(0, time, Kind::Arrival { stream, count });
            let alerts = border.alerts();
            alerts.iter().any(|(.., told, _)| *told == told_as)
        });
        let others = border.alerts();
        let others = others.iter().filter(|(.., told, _)| *told != told_as);
        assert_eq!(others.count(), 0, "{:?}", border.alerts());
        assert!(told.is_some(), "{told_as:?} within the hour");
    }
}

/// 240 arrivals a day are usual and 1,440 came before the closure; three in a minute after it are six times what is usual.
#[test]
fn a_busy_crossing_that_opens_again_with_an_open_alert_is_judged_by_its_first_hour() {
    let mut border = Border::new();
    let hour_of = |border: &mut Border, hour: i64, count: u32| {
        let time = START_MS + hour * HOUR_MS;
        border.send(0, time, Kind::Heartbeat);
        if count > 0 {
            let stream = StreamIx(0);
            border.send(0, time + HOUR_MS / 2, Kind::Arrival { stream, count });
        }
        border.send(3, time + HOUR_MS - 1, Kind::Heartbeat);
    };
    let from = USUAL_DAYS * 24;
    for hour in 0..from + 48 {
        hour_of(&mut border, hour, if hour < from { 10 } else { 60 });
    }
    assert!(border.opened(Direction::Surge));
    border.set(from + 48, GateState::Closed);
    for hour in from + 48..from + 5 * 24 {
        hour_of(&mut border, hour, 0);
    }
    border.outputs.clear();
    let opens = from + 5 * 24;
    border.set(opens, GateState::Open);
    for minute in 1..=40 {
        let time = START_MS + opens * HOUR_MS + minute * 60_000 - 1;
        let (stream, count) = (StreamIx(0), 3);
        border.send(0, time, Kind::Arrival { stream, count });
    }
    let again = border.outputs.iter().find_map(|output| match output {
        Output::Alert {
            transition: Transition::Reopened,
            reading,
            ..
        } => Some((reading.lens, reading.observed)),
        _ => None,
    });
    // Over ten more than usual and three times as many.
    let (lens, observed) = again.expect("it is told of within the hour");
    assert_eq!(lens, Lens::Hour);
    assert!((30..60).contains(&observed), "{observed} arrivals");
}

#[test]
fn an_alert_that_outlived_a_closure_is_told_of_once_and_usual_days_end_it() {
    let (mut border, from) = Border::usual();
    for hour in from..from + 4 * 24 {
        border.hour(hour, true, 12);
    }
    let opens = border.is_shut_for_ten_days(from + 4 * 24);
    for hour in opens..opens + 3 {
        border.hour(hour, true, 24);
    }
    let told = border.alerts();
    let again = |(_, t, _): &&(Direction, Transition, DataStatus)| *t == Transition::Reopened;
    assert_eq!(told.iter().filter(again).count(), 1, "{told:?}");
    for hour in opens + 3..opens + 24 {
        border.hour(hour, true, 0);
    }
    for hour in opens + 24..opens + 20 * 24 {
        border.hour(hour, true, 1);
    }
    let last = border.alerts().last().map(|(_, t, _)| *t);
    assert_eq!(last, Some(Transition::Resolved), "usual days end it");
}

/// 960 arrivals a day, 40 in each hour, and none from 9 to 10 and from 15 to 16 on eight days.
#[test]
fn sixteen_suspensions_of_an_hour_raise_no_alert_and_the_same_hours_untold_do() {
    let alerts = |is_told: bool| {
        let mut border = Border::new();
        for hour in 0..(USUAL_DAYS + 20) * 24 {
            let is_late = (USUAL_DAYS..USUAL_DAYS + 8).contains(&(hour / 24));
            let is_shut = is_late && [9, 15].contains(&(hour % 24));
            if is_told && is_shut {
                border.set(hour, GateState::Closed);
            }
            let time = START_MS + hour * HOUR_MS;
            border.send(0, time, Kind::Heartbeat);
            if !is_shut {
                let (stream, count) = (StreamIx(0), 40);
                border.send(0, time + HOUR_MS / 2, Kind::Arrival { stream, count });
            }
            border.send(3, time + HOUR_MS - 1, Kind::Heartbeat);
            if is_told && is_shut {
                border.set(hour + 1, GateState::Open);
            }
        }
        border.alerts()
    };
    assert_eq!(alerts(true), []);
    assert!(!alerts(false).is_empty(), "the hours count");
}

/// Some 1,000 a day, nine in ten of them from eight to eight: 75 an hour by day and 8 by night.
fn by_the_clock(hour: i64) -> u32 {
    if (8..20).contains(&hour.rem_euclid(24)) {
        75
    } else {
        8
    }
}

/// A day is expected by its open time, wherever its arrivals fall: what hides its busy hours is no drop, and its idle ones no surge.
#[test]
fn hours_that_are_closed_or_blind_raise_nothing_be_they_the_busy_or_the_idle_ones_of_the_day() {
    enum Hidden {
        Closed,
        Blind,
    }
    use Hidden::{Blind, Closed};
    let table = [
        ("a feed that is dead by day", Blind, 9..19, 1),
        ("a feed that is dead by night", Blind, 21..31, 3),
        ("shut by night for three weeks", Closed, 23..31, 21),
        ("shut by day for five weeks", Closed, 7..21, 35),
        ("shut in the morning for six weeks", Closed, 6..12, 42),
        ("shut for an evening", Closed, 15..24, 1),
        ("shut for a night", Closed, 24..32, 1),
        ("shut by day", Closed, 8..18, 2),
    ];
    for (name, how, hours, days) in table {
        let mut border = Border::new();
        let is_hidden = |hour: i64| {
            let late = hour - USUAL_DAYS * 24;
            let day = late.div_euclid(24);
            let of = |day: i64| (0..days).contains(&day) && hours.contains(&(late - day * 24));
            of(day) || of(day - 1)
        };
        for hour in 0..(USUAL_DAYS + days + 10) * 24 {
            let time = START_MS + hour * HOUR_MS;
            let (is_now, was_before) = (is_hidden(hour), is_hidden(hour - 1));
            if matches!(how, Closed) && is_now != was_before {
                let closes = [GateState::Open, GateState::Closed][usize::from(is_now)];
                border.set(hour, closes);
            }
            if !(is_now && matches!(how, Blind)) {
                border.send(0, time, Kind::Heartbeat);
            }
            if !is_now {
                let (stream, count) = (StreamIx(0), by_the_clock(hour));
                border.send(0, time + HOUR_MS / 2, Kind::Arrival { stream, count });
            }
            border.send(3, time + HOUR_MS - 1, Kind::Heartbeat);
        }
        assert_eq!(border.alerts(), [], "{name}");
    }
}

/// What the first crossing's day is expected to hold.
fn expected(border: &Border) -> f64 {
    let partition = border.engine.partitions().next().expect("one partition");
    let crossing = partition.crossings().next().expect("it was heard of");
    let params = border.engine.params();
    crossing.series[0].open_reading(params, 0).expected
}

#[test]
fn a_feed_that_counts_something_else_raises_nothing_and_is_learnt_anew() {
    let (mut told, from) = Border::usual();
    let (mut untold, _) = Border::usual();
    told.send(0, START_MS + from * HOUR_MS, Kind::Redefined);
    for hour in from..from + 30 * 24 {
        told.hour(hour, true, 4);
        untold.hour(hour, true, 4);
    }
    assert!(untold.opened(Direction::Surge), "the jump is one");
    assert_eq!(told.alerts(), []);
    // Four times one arrival on eight hours and two on the other four.
    let ratio = expected(&told) / (4.0 * 16.0);
    assert!((0.7..1.4).contains(&ratio), "{ratio} of the new usual");
}

#[test]
fn a_redefinition_ends_what_compares_with_the_old_meaning_and_is_counted_once() {
    let (mut border, from) = Border::usual();
    for hour in from..from + 2 * 24 {
        border.hour(hour, true, 12);
    }
    assert!(border.opened(Direction::Surge));
    border.outputs.clear();
    let at = START_MS + (from + 47) * HOUR_MS;
    border.send(0, at, Kind::Redefined);
    border.send(0, at, Kind::Redefined);
    let ended = (
        Direction::Surge,
        Transition::Resolved,
        DataStatus::Redefined,
    );
    assert_eq!(border.alerts(), [ended]);
    for hour in from + 2 * 24..from + 20 * 24 {
        border.hour(hour, true, 12);
    }
    assert_eq!(border.alerts(), [ended], "the new level is usual");
}

/// Three arrivals each morning of a crossing without heartbeats, then nothing. Where it was said that a message comes within 30
/// hours, nights are no blindness, and the end of all messages is blind and no drop.
#[test]
fn a_feed_without_heartbeats_is_blind_once_it_says_less_than_was_said_of_it() {
    for (within_hours, is_blind) in [(None, false), (Some(30), true)] {
        let mut network = random::network();
        network.crossings[0].message_within_ms = within_hours.map(|hours: i64| hours * HOUR_MS);
        let mut border = Border::of(network);
        let morning = |border: &mut Border, day: i64, is_alive: bool| {
            for hour in 6..9 {
                let time = START_MS + (day * 24 + hour) * HOUR_MS;
                let (stream, count) = (StreamIx(0), 8);
                if is_alive {
                    border.send(0, time, Kind::Arrival { stream, count });
                }
                border.send(3, time, Kind::Heartbeat);
            }
        };
        for day in 0..USUAL_DAYS {
            morning(&mut border, day, true);
        }
        assert_eq!(border.notices(), [], "within {within_hours:?}: usual days");
        for day in USUAL_DAYS..USUAL_DAYS + 10 {
            morning(&mut border, day, false);
        }
        let last = START_MS + ((USUAL_DAYS - 1) * 24 + 8) * HOUR_MS;
        let told: Vec<_> = is_blind
            .then_some((NoticeKind::FeedBlind, last, false))
            .into_iter()
            .collect();
        assert_eq!(border.notices(), told, "within {within_hours:?}");
        let opened = border
            .alerts()
            .into_iter()
            .find(|(_, transition, _)| *transition == Transition::Opened);
        let drop = (Direction::Drop, Transition::Opened, DataStatus::Unheard);
        assert_eq!(
            opened,
            (!is_blind).then_some(drop),
            "within {within_hours:?}"
        );
        morning(&mut border, USUAL_DAYS + 10, true);
        let is_over = border.notices().last().is_none_or(|(.., is_over)| *is_over);
        assert!(is_over, "within {within_hours:?}: it clears with a word");
    }
}

#[test]
fn what_is_read_before_its_hour_is_closed_is_no_late_report() {
    for (name, read_after_ms, expected) in [
        ("seconds after the hour", 6_000, DataStatus::Complete),
        ("once the hour is closed", HOUR_MS / 3, DataStatus::Late),
    ] {
        let (mut border, from) = Border::usual();
        let hour_end = START_MS + (from + 17) * HOUR_MS;
        for hour in from..from + 17 {
            border.hour(hour, true, 1);
        }
        border.send(0, hour_end + read_after_ms, Kind::Heartbeat);
        let stream = StreamIx(0);
        let arrival = Kind::Arrival { stream, count: 90 };
        border.send(0, hour_end - 11_000, arrival);
        let told = [(Direction::Surge, Transition::Opened, expected)];
        assert_eq!(border.alerts(), told, "{name}");
    }
}
