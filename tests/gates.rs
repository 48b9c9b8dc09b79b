//! Says of arrivals at a crossing what its statuses and its published hours say: judged, not judged and told of, or taken back.

mod support;

use support::hourly::{Border, START_MS, USUAL_DAYS};
use support::random;
use surgewatch::core::alert::{Direction, Transition};
use surgewatch::core::event::{GateState, Kind};
use surgewatch::core::ids::Partition;
use surgewatch::core::network::OpenHours;
use surgewatch::core::notice::{NoticeKind, ShutBy};
use surgewatch::core::output::Output;
use surgewatch::core::time::{EventTime, HOUR_MS};

#[test]
fn arrivals_at_a_closed_crossing_are_told_of_in_each_closure() {
    let (mut border, from) = Border::usual();
    let shut = START_MS + from * HOUR_MS;
    let close = |state| Kind::Status { state, until: None };
    border.send(0, shut, close(GateState::Closed));
    for hour in from..from + 48 {
        border.hour(hour, true, 1);
    }
    let told = (NoticeKind::ArrivalsWhileClosed, shut, false);
    assert_eq!(border.notices(), [told]);
    assert_eq!(border.alerts(), []);
    let open = START_MS + (from + 48) * HOUR_MS;
    border.send(0, open, close(GateState::Open));
    for hour in from + 48..from + 72 {
        border.hour(hour, true, 1);
    }
    assert_eq!(border.notices(), [told], "open arrivals are no finding");
    let again = START_MS + (from + 72) * HOUR_MS;
    border.send(0, again, close(GateState::Closed));
    border.hour(from + 72, true, 1);
    let twice = (NoticeKind::ArrivalsWhileClosed, again, false);
    assert_eq!(border.notices(), [told, twice]);
}

/// Sixty arrivals from 07:00 to 12:00 of a day, where some 16 in all are usual.
#[test]
fn arrivals_at_a_gate_that_is_shut_for_part_of_a_day_are_counted_and_told_of_and_not_judged() {
    // From when it is closed, and when that is read.
    for (name, told, told_of, counted) in [
        ("open", None, None, (60, 0)),
        (
            "closed before, read at once",
            Some((6, 6)),
            Some(12),
            (0, 60),
        ),
        (
            "closed before, read at 20:00",
            Some((6, 20)),
            Some(60),
            (0, 60),
        ),
        ("closed between", Some((9, 9)), Some(12), (24, 36)),
        ("closed afterwards", Some((13, 13)), None, (60, 0)),
    ] {
        let (mut border, from) = Border::usual();
        for hour in 0..72 {
            if let Some((at, _)) = told.filter(|(_, read)| *read == hour) {
                border.set(from + at, GateState::Closed);
            }
            border.hour(from + hour, true, 0);
            if (7..12).contains(&hour) {
                border.arrive(0, from + hour, 12);
            }
        }
        let shut = told.map(|(at, _)| START_MS + (from + at) * HOUR_MS);
        let finding = shut.map(|shut| (NoticeKind::ArrivalsWhileClosed, shut, false));
        let finding = finding.filter(|_| told_of.is_some());
        assert_eq!(border.notices(), Vec::from_iter(finding), "{name}");
        let told_of = told_of.map(|arrivals| (arrivals, ShutBy::Status));
        assert_eq!(border.shut(), Vec::from_iter(told_of), "{name}");
        assert_eq!(border.counted(0, from), Some(counted), "{name}");
        let alerts = border.alerts();
        let last = alerts.iter().rev().find(|(d, ..)| *d == Direction::Surge);
        let stands = last.is_some_and(|(_, last, _)| *last != Transition::Retracted);
        assert_eq!(stands, counted.0 > 0, "{name}: {alerts:?}");
    }
}

/// The second crossing is open from 07:00 to 21:00 in Oslo, an hour behind.
#[test]
fn arrivals_outside_published_hours_are_told_of_once_a_night_and_not_judged() {
    let mut border = Border::new();
    let nights = [USUAL_DAYS, USUAL_DAYS + 1];
    for hour in 0..(USUAL_DAYS + 4) * 24 {
        let (day, oslo) = ((hour - 1).div_euclid(24), (hour - 1).rem_euclid(24));
        border.send(1, START_MS + hour * HOUR_MS, Kind::Heartbeat);
        if (8..20).contains(&oslo) {
            border.arrive(1, hour, 1);
        }
        if nights.contains(&day) && oslo >= 21 {
            border.arrive(1, hour, 70);
        }
    }
    assert_eq!(border.alerts(), []);
    let notices = border.outputs.iter().filter_map(|output| match output {
        Output::Notice { notice, .. } if !notice.is_again => Some((notice.kind, notice.since.0)),
        _ => None,
    });
    let shuts = |night: i64| START_MS + (night * 24 + 22) * HOUR_MS;
    let told = nights.map(|night| (NoticeKind::ArrivalsWhileClosed, shuts(night)));
    assert_eq!(Vec::from_iter(notices), told);
    assert_eq!(border.shut(), [(70, ShutBy::Hours); 2]);
    let midnight = USUAL_DAYS * 24 + 1;
    assert_eq!(border.counted(1, midnight), Some((12, 210)));
}

impl Border {
    /// What notices say of arrivals while a crossing was closed: how many, and why it was.
    fn shut(&self) -> Vec<(u32, ShutBy)> {
        let of_notice = |output: &Output| match output {
            Output::Notice { notice, .. } if !notice.is_again => {
                notice.shut.map(|shut| (shut.arrivals, shut.by))
            }
            _ => None,
        };
        self.outputs.iter().filter_map(of_notice).collect()
    }

    /// Statuses of the first crossing with an end, by the hours from which and until which they hold.
    fn set_until(&mut self, from: i64, state: GateState, until: i64) {
        let [time, until] = [from, until].map(|hour| START_MS + hour * HOUR_MS);
        let until = Some(EventTime(until));
        self.send(0, time, Kind::Status { state, until });
    }
}

#[test]
fn a_notice_of_arrivals_at_a_closed_crossing_is_taken_back_once_none_of_them_is_left() {
    let (mut border, from) = Border::usual();
    for hour in 0..20 {
        border.hour(from + hour, true, 0);
        if hour == 6 {
            border.set(from + 6, GateState::Closed);
        }
        if (7..12).contains(&hour) {
            border.arrive(0, from + hour, 12);
        }
    }
    let shut = START_MS + (from + 6) * HOUR_MS;
    let [told, taken_back] =
        [false, true].map(|is_over| (NoticeKind::ArrivalsWhileClosed, shut, is_over));
    assert_eq!(border.notices(), [told]);
    border.set_until(from + 10, GateState::Open, from + 19);
    assert_eq!(border.notices(), [told], "those of 07:00 to 09:00 are left");
    border.set_until(from + 7, GateState::Open, from + 10);
    assert_eq!(border.notices(), [told, taken_back]);
    for hour in 20..48 {
        border.hour(from + hour, true, 0);
    }
    assert_eq!(border.counted(0, from), Some((60, 0)));
    let told_again = border.notices().len() > 2;
    assert!(!told_again && border.opened(Direction::Surge), "judged");
}

#[test]
fn a_gate_that_is_closed_without_end_and_open_for_a_day_is_closed_after_it() {
    let (mut border, from) = Border::usual();
    border.set(from, GateState::Closed);
    for hour in 0..96 {
        if hour == 24 {
            border.set_until(from + 24, GateState::Open, from + 48);
        }
        border.hour(from + hour, true, u32::from(hour >= 24));
    }
    let days = [0, 24, 48].map(|day| border.counted(0, from + day));
    assert_eq!(days, [Some((0, 0)), Some((16, 0)), Some((0, 16))]);
    let shut = START_MS + (from + 48) * HOUR_MS;
    let told = (NoticeKind::ArrivalsWhileClosed, shut, false);
    assert_eq!(border.notices(), [told]);
    assert_eq!(border.alerts(), []);
}

/// The second crossing, open from 07:00 to 21:00 in Oslo, stays open until 01:00: nobody knows how many come then.
#[test]
fn an_extension_that_few_use_is_no_drop_and_a_rush_in_it_is_one_surge() {
    for (name, late, opened) in [
        ("some", 8, None),
        ("few", 3, None),
        ("none", 0, None),
        ("a rush", 400, Some(Direction::Surge)),
    ] {
        let mut border = Border::new();
        let extended = USUAL_DAYS..USUAL_DAYS + 7;
        for hour in 0..(USUAL_DAYS + 10) * 24 {
            let (day, oslo) = ((hour - 1).div_euclid(24), (hour - 1).rem_euclid(24));
            let time = START_MS + hour * HOUR_MS;
            border.send(1, time, Kind::Heartbeat);
            if oslo == 12 && extended.contains(&day) {
                let until = Some(EventTime(time + 13 * HOUR_MS));
                let state = GateState::Open;
                border.send(1, time, Kind::Status { state, until });
            }
            let is_late =
                oslo >= 21 && extended.contains(&day) || oslo < 1 && extended.contains(&(day - 1));
            let arrivals = if is_late { late } else { 30 };
            if arrivals > 0 && (is_late || (7..21).contains(&oslo)) {
                border.arrive(1, hour, arrivals);
            }
        }
        let alerts = border.alerts().into_iter();
        let told: Vec<_> = alerts
            .filter(|(_, transition, _)| *transition == Transition::Opened)
            .map(|(direction, ..)| direction)
            .collect();
        assert_eq!(told, Vec::from_iter(opened), "{name}");
        assert_eq!(border.notices(), [], "{name}");
    }
}

/// One a day for nine weeks, forty a day for one, and one a day again. What is learnt for weeks is learnt for as many at a gate that
/// is open for a few hours of a day: its surge is no new usual, and its end no drop.
#[test]
fn a_surge_of_a_week_at_a_gate_with_short_hours_is_not_learnt() {
    for (opens, closes) in [(8, 16), (10, 14), (9, 14), (7, 17)] {
        let mut network = random::network();
        network.crossings[0].hours = Some(
            [Some(OpenHours {
                open_minute: opens * 60,
                close_minute: closes * 60,
            }); 7],
        );
        let mut border = Border::of(network);
        let (opens, open_hours) = (i64::from(opens), i64::from(closes - opens));
        for day in 0..63 + 7 + 42 {
            let arrivals = if (63..70).contains(&day) { 40 } else { 1 };
            for hour in 0..24 {
                border.hour(day * 24 + hour, true, 0);
                let since = hour - opens;
                if (0..open_hours).contains(&since) {
                    let shared =
                        arrivals * (since + 1) / open_hours - arrivals * since / open_hours;
                    // One a day comes at another hour each day.
                    let is_single = arrivals == 1 && since == day * 5 % open_hours;
                    match if arrivals == 1 {
                        i64::from(is_single)
                    } else {
                        shared
                    } {
                        0 => {}
                        count => border.arrive(0, day * 24 + hour, count as u32),
                    }
                }
            }
        }
        let alerts = border.alerts();
        let opened = |way| {
            alerts
                .iter()
                .filter(|(of, what, _)| *of == way && *what == Transition::Opened)
                .count()
        };
        assert_eq!(
            (opened(Direction::Surge), opened(Direction::Drop)),
            (1, 0),
            "open from {opens} for {open_hours} hours: {alerts:?}"
        );
    }
}

/// Thirty a day at a gate that is open at weekends only, and a weekend of four times as many before four weeks of open days are
/// known: the three usual days that end its surge are usual ones.
#[test]
fn three_usual_days_end_a_surge_at_a_gate_that_opens_at_weekends_also_while_it_is_new() {
    let mut network = random::network();
    let day = Some(OpenHours {
        open_minute: 9 * 60,
        close_minute: 17 * 60,
    });
    network.crossings[0].hours = Some([None, None, None, None, None, day, day]);
    let mut border = Border::of(network);
    let (surge, mut usual_days, mut resolved) = (10, 0, None);
    for day in 0..20 * 7 {
        // The first day is a Tuesday.
        let (week, weekday) = (day / 7, (day + 1) % 7);
        for hour in 0..24 {
            border.hour(day * 24 + hour, true, 0);
            if weekday >= 5 && (9..17).contains(&hour) {
                let times = if week == surge { 4 } else { 1 };
                border.arrive(0, day * 24 + hour, times * (3 + u32::from(hour % 4 == 0)));
            }
        }
        let ends = border.alerts().into_iter();
        let mut ends = ends.filter(|(_, transition, _)| *transition == Transition::Resolved);
        if resolved.is_none() && ends.next().is_some() {
            resolved = Some(usual_days);
        }
        // A day is closed when the next one has begun.
        usual_days += u32::from(weekday >= 5 && week > surge);
    }
    assert!(border.opened(Direction::Surge) && !border.opened(Direction::Drop));
    assert_eq!(resolved, Some(3), "{:?}", border.alerts());
}

/// A closure of a day that is told two days before, at a gate of sixteen arrivals a day beside another.
#[test]
fn a_closure_that_is_announced_days_before_holds_from_its_own_time_and_moves_no_clock() {
    let (mut border, from) = Border::usual();
    border.set_until(from + 48, GateState::Closed, from + 72);
    let now = EventTime(START_MS + from * HOUR_MS - 1);
    assert_eq!(border.engine.watermark(Partition(0)), Some(now));
    for hour in from..from + 120 {
        let is_shut = (from + 48..from + 72).contains(&hour);
        border.hour(hour, true, u32::from(!is_shut));
    }
    assert_eq!((border.alerts(), border.notices()), (vec![], vec![]));
    let counted = [0, 48, 72].map(|day| border.counted(0, from + day));
    assert_eq!(counted, [Some((16, 0)), Some((0, 0)), Some((16, 0))]);
}

#[test]
fn arrivals_at_a_closed_crossing_are_told_of_again_once_they_are_a_digit_more() {
    let (mut border, from) = Border::usual();
    border.set(from, GateState::Closed);
    for hour in from..from + 72 {
        border.hour(hour, true, 20);
    }
    let told = border.outputs.iter().filter_map(|output| match output {
        Output::Notice { notice, .. } => Some((notice.shut?.arrivals, notice.is_again)),
        _ => None,
    });
    // Twenty or forty at a time.
    assert_eq!(told.collect::<Vec<_>>(), [(40, false), (120, true)]);
}
