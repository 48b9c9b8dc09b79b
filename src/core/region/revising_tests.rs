//! Tests of what late reports and corrections change: days and groups end as if all had come in time, and what a reader sees is told.

use super::*;
use crate::core::alert::{Reading, Reason, Severity, Transition};
use crate::core::event::GateState;
use crate::core::ids::CrossingIx;
use crate::core::lens::Lens;
use crate::core::notice::DataStatus;
use crate::core::output::Output;
use crate::core::region::incident::DayCount;
use crate::core::region::watch::tests::{DAY_MS, SOURCE, STREAM, reading, region, surge};
use crate::core::time::HOUR_MS;
use proptest::prelude::*;

fn count(crossing: u16, reading: Reading, revision: u32, as_of: EventTime) -> Output {
    Output::Count {
        crossing: CrossingIx(crossing),
        stream: STREAM,
        reading,
        revision,
        gate: GateState::Open,
        as_of,
        source: SOURCE,
    }
}

fn shut(day: i64) -> Reading {
    Reading {
        exposure: 0.0,
        closed_ratio: 1.0,
        ..reading(day, 0)
    }
}

/// The first hour of a day at a crossing.
fn hour(day: i64) -> Reading {
    Reading {
        lens: Lens::Hour,
        end: EventTime(day * DAY_MS + HOUR_MS),
        ..reading(day, 0)
    }
}

fn told_of(crossing: u16, alert: &Alert, transition: Transition, day: i64) -> Output {
    Output::Alert {
        crossing: CrossingIx(crossing),
        stream: STREAM,
        alert: *alert,
        transition,
        reading: reading(day, 0),
        run: None,
        closed: false,
        data: DataStatus::Complete,
        usual_for_days: None,
        before: None,
        as_of: EventTime(day * DAY_MS + HOUR_MS / 2),
        source: SOURCE,
    }
}

/// Days at crossings, each counted as usual.
fn usual(region: &mut Region, crossings: u16, days: std::ops::Range<i64>) {
    for day in days {
        for crossing in 0..crossings {
            let reading = reading(day, 100);
            region.take(&count(crossing, reading, 0, reading.end));
        }
    }
}

/// Four weeks of 100 a day at two gates; on day 28 the first is shut and the second counts 130, of which 30 may have moved.
fn moved() -> (Region, Vec<Told>) {
    let mut region = region(2);
    usual(&mut region, 2, 0..28);
    let mut told = Vec::new();
    let alert = surge(EventTime(28 * DAY_MS));
    told.extend(region.take(&told_of(1, &alert, Transition::Opened, 28)));
    let end = reading(28, 0).end;
    told.extend(region.take(&count(0, shut(28), 0, end)));
    told.extend(region.take(&count(1, reading(28, 130), 0, end)));
    (region, told)
}

fn total(told: &Told) -> (u64, u64, u64) {
    let total = told.incident.total();
    let moves: u64 = told.incident.moves.iter().map(|m| m.moved).sum();
    assert_eq!(moves, total.moved, "{told:?}");
    (total.observed, total.rise, total.moved)
}

#[test]
fn a_day_that_is_counted_anew_is_told_again_at_the_next_hour_once_and_only_where_it_says_something_else()
 {
    let (mut region, told) = moved();
    assert_eq!(told.last().map(total), Some((130, 30, 30)));
    let next = EventTime(29 * DAY_MS + HOUR_MS);
    let table = [
        ("late arrivals", [140, 150, 260], Some((260, 160, 100))),
        ("the same again", [260, 260, 260], None),
        ("corrected down", [200, 120, 101], Some((101, 1, 1))),
        ("nothing more than usual", [100, 100, 90], Some((90, 0, 0))),
    ];
    for (n, (name, counts, expected)) in (1..).zip(table) {
        for observed in counts {
            let revised = count(1, reading(28, observed), n, next);
            assert_eq!(region.take(&revised), [], "{name}: not before the hour");
        }
        let hour = Reading {
            start: hour(29).start.plus_ms(i64::from(n) * HOUR_MS),
            ..hour(29)
        };
        let told = region.take(&count(0, hour, 0, next));
        let said: Vec<_> = told.iter().map(|t| (t.change, total(t))).collect();
        let expected = expected.map(|total| (Change::Revised(Revised::Day), total));
        assert_eq!(said, Vec::from_iter(expected), "{name}");
    }
}

#[test]
fn a_day_whose_first_count_has_been_revised_counts_as_any_other() {
    let (mut late, mut told) = moved();
    let end = reading(29, 0).end;
    told.clear();
    // An hour of it was revised before the day was over.
    for (crossing, observed) in [(0, 100), (1, 140)] {
        told.extend(late.take(&count(crossing, reading(29, observed), 3, end)));
    }
    let told: Vec<_> = told.iter().map(|t| (t.change, total(t).0)).collect();
    assert_eq!(told, [(Change::Updated, 140)]);
}

#[test]
fn a_correction_of_the_day_before_the_last_is_told_of_that_day_and_then_as_it_stands() {
    let (mut region, _) = moved();
    let end = reading(29, 0).end;
    region.take(&count(0, shut(29), 0, end));
    region.take(&count(1, reading(29, 150), 0, end));
    region.take(&count(1, reading(28, 110), 1, end));
    let told = region.take(&count(0, hour(30), 0, EventTime(30 * DAY_MS + HOUR_MS)));
    let days: Vec<_> = told
        .iter()
        .map(|t| (t.incident.day.map(|day| day.0), t.incident.sequence))
        .collect();
    let (first, last) = (days[0].1, days[1].1);
    assert_eq!(days, [(Some(28), first), (Some(29), last)]);
    assert!(first < last);
    assert_eq!(total(&told[0]), (110, 10, 10));
    assert_eq!(told[1].incident.total().observed, 150);
}

#[test]
fn a_day_beyond_those_that_are_kept_changes_nothing() {
    let (mut region, _) = moved();
    for day in 29..36 {
        let end = reading(day, 0).end;
        region.take(&count(0, shut(day), 0, end));
        region.take(&count(1, reading(day, 130), 0, end));
    }
    let before = region.state().clone();
    region.take(&count(1, reading(28, 500), 1, EventTime(36 * DAY_MS)));
    let told = region.take(&count(0, hour(36), 0, EventTime(36 * DAY_MS + HOUR_MS)));
    assert_eq!(told, []);
    assert_eq!(before.incidents, region.state().incidents);
}

#[test]
fn an_alert_that_is_taken_back_is_told_of_with_the_reason_and_takes_its_rise_along() {
    let (mut region, _) = moved();
    let mut other = surge(EventTime(29 * DAY_MS));
    region.take(&told_of(0, &other, Transition::Opened, 29));
    let mut alert = surge(EventTime(28 * DAY_MS));
    alert.end(None);
    let told = region.take(&told_of(1, &alert, Transition::Retracted, 29));
    let told = &told[0];
    assert_eq!(
        told.change,
        Change::Revised(Revised::Withdrawn(CrossingIx(1)))
    );
    assert_eq!(told.change.reason(), Some(Reason::Recounted));
    assert_eq!(total(told), (0, 0, 0));
    assert!(!told.incident.is_taken_back());
    other.end(None);
    region.take(&told_of(0, &other, Transition::Retracted, 29));
    let told = region.tell_ends(EventTime(30 * DAY_MS));
    assert_eq!(told[0].change, Change::Resolved(Some(Reason::Recounted)));
    assert!(told[0].incident.is_taken_back());
}

#[test]
fn an_alert_that_is_taken_back_takes_its_own_rise_along_and_no_other() {
    let day = |n: i64| EventTime(n * DAY_MS);
    // On day 29 the second gate has a surge again, of which 30 may have moved, and the first, which is shut, one that keeps the
    // incident open.
    let again = || {
        let (mut region, _) = moved();
        let mut over = surge(day(28));
        over.reason = Some(Reason::Calm);
        region.take(&told_of(0, &surge(day(29)), Transition::Opened, 29));
        region.take(&told_of(1, &over, Transition::Resolved, 29));
        region.take(&told_of(1, &surge(day(29)), Transition::Opened, 29));
        let end = reading(29, 0).end;
        region.take(&count(0, shut(29), 0, end));
        let told = region.take(&count(1, reading(29, 130), 0, end));
        assert_eq!(told.last().map(total), Some((130, 30, 30)));
        region
    };
    let (mut later, mut fall) = (surge(day(29)), surge(day(29)));
    later.end(None);
    fall.direction = Direction::Drop;
    let mut region = again();
    let told = region.take(&told_of(1, &later, Transition::Retracted, 30));
    assert_eq!(told.last().map(total), Some((0, 0, 0)), "the later alert");
    let mut region = again();
    region.take(&told_of(1, &fall, Transition::Opened, 30));
    fall.end(None);
    let told = region.take(&told_of(1, &fall, Transition::Retracted, 30));
    assert_eq!(told.last().map(total), Some((130, 30, 30)), "a fall there");
}

#[test]
fn an_alert_that_is_taken_back_after_its_incident_was_over_is_told_of_too() {
    let (mut region, _) = moved();
    let mut alert = surge(EventTime(28 * DAY_MS));
    alert.reason = Some(Reason::Calm);
    region.take(&told_of(1, &alert, Transition::Resolved, 29));
    let told = region.tell_ends(EventTime(30 * DAY_MS));
    assert_eq!(told[0].change, Change::Resolved(Some(Reason::Calm)));
    alert.end(None);
    for expected in [vec![Change::Resolved(Some(Reason::Recounted))], vec![]] {
        region.take(&told_of(1, &alert, Transition::Retracted, 29));
        let told = region.tell_ends(EventTime(31 * DAY_MS));
        let told: Vec<_> = told.iter().map(|t| t.change).collect();
        assert_eq!(told, expected);
    }
}

#[test]
fn an_incident_whose_later_alert_is_taken_back_keeps_the_one_before_it() {
    let (mut region, _) = moved();
    let mut first = surge(EventTime(28 * DAY_MS));
    first.reason = Some(Reason::Calm);
    region.take(&told_of(1, &first, Transition::Resolved, 29));
    let told = region.tell_ends(EventTime(30 * DAY_MS));
    assert_eq!(told[0].change, Change::Resolved(Some(Reason::Calm)));
    let mut later = surge(EventTime(32 * DAY_MS));
    region.take(&told_of(1, &later, Transition::Opened, 32));
    later.end(None);
    region.take(&told_of(1, &later, Transition::Retracted, 33));
    let told = region.tell_ends(EventTime(34 * DAY_MS));
    assert_eq!(told[0].change, Change::Resolved(Some(Reason::Recounted)));
    assert!(!told[0].incident.is_taken_back());
    assert_eq!(told[0].incident.members[0].reason, Some(Reason::Calm));
}

#[test]
fn an_incident_begins_when_its_first_alert_did_by_what_is_counted_now_but_not_before_its_name_says()
{
    let day = |n: i64| EventTime(n * DAY_MS);
    let moved_to = |onset: i64| {
        let mut alert = surge(day(28));
        alert.onset = day(onset);
        alert
    };
    let ended = |onset: i64, reason: Reason| {
        let mut alert = moved_to(onset);
        alert.reason = Some(reason);
        alert
    };
    let began = |alerts: &[(u16, Alert, Transition)]| {
        let (mut region, _) = moved();
        for (crossing, alert, transition) in alerts {
            region.take(&told_of(*crossing, alert, *transition, 33));
        }
        region.incidents()[0].first_onset()
    };
    let later = |crossing, onset| (crossing, surge(day(onset)), Transition::Opened);
    let over = (1, ended(28, Reason::Calm), Transition::Resolved);
    let taken_back = (1, ended(28, Reason::Recounted), Transition::Retracted);
    let table = [
        ("as told", vec![], 28),
        (
            "its first days were wrong",
            vec![(1, moved_to(30), Transition::Updated)],
            30,
        ),
        (
            "it began earlier",
            vec![(1, moved_to(26), Transition::Updated)],
            28,
        ),
        (
            "known when it ends",
            vec![(1, ended(30, Reason::Calm), Transition::Resolved)],
            30,
        ),
        (
            "taken back while a later one goes on",
            vec![over, later(1, 32), taken_back],
            32,
        ),
        (
            "taken back beside another",
            vec![later(0, 31), taken_back],
            31,
        ),
        (
            "taken back beside another, and come again",
            vec![later(0, 31), taken_back, later(1, 32)],
            31,
        ),
    ];
    for (name, alerts, expected) in table {
        assert_eq!(began(&alerts), day(expected), "{name}");
    }
}

#[test]
fn an_alert_that_grows_worse_than_its_incident_was_is_told_of_and_one_that_is_less_too() {
    use Severity::{Critical, Major, Minor};
    let (mut region, _) = moved();
    let mut other = surge(EventTime(28 * DAY_MS));
    region.take(&told_of(0, &other, Transition::Opened, 29));
    let mut alert = surge(EventTime(28 * DAY_MS));
    let (one, two) = (CrossingIx(0), CrossingIx(1));
    let less = |at| Change::Revised(Revised::Crossing(at));
    let table = [
        (1, Major, Some((Change::Escalated(two), Major))),
        (0, Major, None),
        (1, Critical, Some((Change::Escalated(two), Critical))),
        (1, Minor, Some((less(two), Major))),
        (0, Minor, Some((less(one), Minor))),
    ];
    for (crossing, severity, expected) in table {
        let of = if crossing == 0 {
            &mut other
        } else {
            &mut alert
        };
        let transition = if severity > of.severity {
            Transition::Escalated
        } else {
            Transition::Deescalated
        };
        of.severity = severity;
        let told = region.take(&told_of(crossing, of, transition, 29));
        let told: Vec<_> = told
            .iter()
            .map(|t| (t.change, t.incident.severity()))
            .collect();
        assert_eq!(told, Vec::from_iter(expected), "{crossing} {severity:?}");
    }
}

/// Counts of three crossings by day, and the gates that are shut.
fn days() -> impl Strategy<Value = Vec<[(u64, bool); 3]>> {
    let gate = (0u64..400, prop::bool::weighted(0.1));
    prop::collection::vec([gate.clone(), gate.clone(), gate], 12)
}

fn seen(day: i64, (observed, is_shut): (u64, bool)) -> Reading {
    match is_shut {
        true => shut(day),
        false => reading(day, observed),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// The network's group raises alerts of its own in these days.
    #[test]
    fn days_flow_and_groups_end_as_if_all_had_come_in_time(
        days in days(),
        wrong in prop::collection::vec((0i64..12, 0u16..3, 0u64..400), 0..12),
    ) {
        let run = |wrong: &[(i64, u16, u64)]| {
            let mut region = region(3);
            usual(&mut region, 3, 0..40);
            for (n, gates) in (0..).zip(&days) {
                let day = 40 + n;
                let end = reading(day, 0).end;
                for (crossing, &gate) in (0u16..).zip(gates) {
                    let first = wrong.iter().find(|w| (w.0, w.1) == (n, crossing));
                    let reading = first.map_or(seen(day, gate), |w| reading(day, w.2));
                    region.take(&count(crossing, reading, 0, end));
                }
                // What was wrong is put right a day or two later.
                for &(of, crossing, _) in wrong.iter().filter(|w| w.0 == n - 1 - i64::from(w.1 % 2)) {
                    let gate = days[of as usize][usize::from(crossing)];
                    region.take(&count(crossing, seen(40 + of, gate), 1, end));
                }
                region.take(&count(0, hour(day + 1), 0, end.plus_ms(HOUR_MS)));
            }
            region
        };
        let settled = |wrong: &[(i64, u16, u64)]| {
            let wrong: Vec<_> = wrong.iter().copied().filter(|w| w.0 < 10).collect();
            run(&wrong)
        };
        let (told, right) = (settled(&wrong), settled(&[]));
        let (told, right) = (&told.state.streams[&STREAM], &right.state.streams[&STREAM]);
        prop_assert_eq!(&told.front.displacement, &right.front.displacement);
        prop_assert_eq!(&told.front.known_days, &right.front.known_days);
        prop_assert!(told.front == right.front, "groups after the last day");
        prop_assert!(told.kept == right.kept, "the days that are kept");
        prop_assert!(told == right, "all of the stream");
    }
}

#[test]
fn a_group_alert_that_rests_on_wrong_counts_is_taken_back_and_one_that_was_missed_is_told_of() {
    let counts = |region: &mut Region, day: i64, observed: u64, revision: u32| {
        let end = reading(day, 0).end;
        let told = (0..3).flat_map(|crossing| {
            region.take(&count(crossing, reading(day, observed), revision, end))
        });
        let mut told: Vec<Told> = told.collect();
        told.extend(region.take(&count(0, hour(day + 1), 0, end.plus_ms(HOUR_MS))));
        told
    };
    let mut region = region(3);
    usual(&mut region, 3, 0..40);
    let told = counts(&mut region, 40, 400, 0);
    let opened = told.last().expect("three times four are 300 more");
    assert_eq!((opened.change, told.len()), (Change::Opened, 1));
    assert!(opened.incident.id.group.is_some());
    let said = |told: Vec<Told>| told.iter().map(|t| t.change).collect::<Vec<_>>();

    let mut wrong = Vec::new();
    for crossing in 0..3 {
        wrong.extend(region.take(&count(
            crossing,
            reading(40, 100),
            1,
            EventTime(41 * DAY_MS),
        )));
    }
    wrong.extend(counts(&mut region, 41, 100, 0));
    assert_eq!(said(wrong), [Change::Resolved(Some(Reason::Recounted))]);
    assert!(region.incidents()[0].is_taken_back());

    let mut late = Vec::new();
    for crossing in 0..3 {
        late.extend(region.take(&count(
            crossing,
            reading(41, 400),
            1,
            EventTime(42 * DAY_MS),
        )));
    }
    late.extend(region.take(&count(0, hour(42), 1, EventTime(42 * DAY_MS + HOUR_MS))));
    let hour = Reading {
        start: hour(42).start.plus_ms(HOUR_MS),
        ..hour(42)
    };
    late.extend(region.take(&count(0, hour, 0, EventTime(42 * DAY_MS + 2 * HOUR_MS))));
    assert_eq!(said(late), [Change::Reopened]);
    let group = &region.incidents()[0].groups[0];
    let today: DayCount = group.today;
    assert!(!group.is_taken_back && today.observed == 1_200, "{today:?}");
}

/// A surge at one gate from day 28 on, opened by an alert of that day.
fn one_surge() -> (Region, Alert) {
    let mut region = region(2);
    usual(&mut region, 2, 0..28);
    let alert = surge(EventTime(28 * DAY_MS));
    region.take(&told_of(1, &alert, Transition::Opened, 28));
    (region, alert)
}

fn day(region: &mut Region, crossing: u16, day: i64, observed: u64) -> Vec<Told> {
    let reading = reading(day, observed);
    region.take(&count(crossing, reading, 0, reading.end))
}

/// An operator called the first alert false; late reports make it more severe while the next one goes on.
#[test]
fn an_older_alert_that_is_told_of_again_ends_nothing_that_goes_on() {
    let (mut region, mut first) = one_surge();
    let ended = |alert: &mut Alert| {
        alert.reason = Some(Reason::Feedback(crate::core::alert::Feedback::False));
        alert.sequence += 1;
        *alert
    };
    region.take(&told_of(1, &ended(&mut first), Transition::Resolved, 29));
    let second = surge(EventTime(29 * DAY_MS + HOUR_MS / 4));
    region.take(&told_of(1, &second, Transition::Opened, 29));
    first.severity = Severity::Critical;
    region.take(&told_of(1, &ended(&mut first), Transition::Resolved, 30));
    let later = EventTime(31 * DAY_MS);
    assert_eq!(region.tell_ends(later), [], "it goes on");
    assert!(region.incidents()[0].is_open());
    let mut second = second;
    second.reason = Some(Reason::Calm);
    region.take(&told_of(1, &second, Transition::Resolved, 31));
    let told = region.tell_ends(EventTime(32 * DAY_MS));
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn what_was_taken_back_and_comes_again_goes_on_under_its_name_and_counts_on() {
    let (mut region, mut alert) = one_surge();
    let id = region.incidents()[0].id;
    alert.end(None);
    region.take(&told_of(1, &alert, Transition::Retracted, 28));
    let told = region.tell_ends(EventTime(28 * DAY_MS + 2 * HOUR_MS));
    assert_eq!(told.len(), 1, "{told:?}");
    let taken_back = told[0].incident.sequence;
    // Its onset is another hour of that day.
    let mut again = surge(EventTime(28 * DAY_MS + HOUR_MS));
    again.sequence = alert.sequence + 1;
    let told = region.take(&told_of(1, &again, Transition::Reopened, 29));
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (told[0].change, told[0].incident.id),
        (Change::Reopened, id)
    );
    assert_eq!(told[0].incident.sequence, taken_back + 1);
    assert_eq!(region.incidents().len(), 1);
}

/// The surge ended on day 29; late reports of that day bring it back on day 30.
#[test]
fn a_day_that_its_incident_was_not_told_of_is_told_of_once_it_is_counted_anew() {
    let (mut region, mut alert) = one_surge();
    for crossing in [0, 1] {
        day(&mut region, crossing, 28, 200);
    }
    alert.reason = Some(Reason::Calm);
    region.take(&told_of(1, &alert, Transition::Resolved, 29));
    for n in [29, 30] {
        day(&mut region, 0, n, 100);
        day(&mut region, 1, n, 100);
    }
    alert.reason = None;
    region.take(&told_of(1, &alert, Transition::Reopened, 31));
    let next = EventTime(31 * DAY_MS + 2 * HOUR_MS);
    region.take(&count(1, reading(29, 240), 1, next));
    let told = region.take(&count(0, hour(31), 0, next));
    let of = |t: &Told| {
        (
            t.incident.day.map(|day| i64::from(day.0)),
            t.incident.total().observed,
        )
    };
    let said: Vec<_> = told.iter().map(of).collect();
    assert!(said.contains(&(Some(29), 240)), "{said:?}");
}

#[test]
fn what_is_counted_anew_far_away_is_not_told_of() {
    let mut region = region(9);
    usual(&mut region, 9, 0..28);
    let alert = surge(EventTime(28 * DAY_MS));
    region.take(&told_of(0, &alert, Transition::Opened, 28));
    let drop = Alert::open(
        Direction::Drop,
        alert.onset,
        Severity::Major,
        (Lens::Day, alert.onset),
    );
    region.take(&told_of(8, &drop, Transition::Opened, 28));
    for crossing in 0..9 {
        let observed = if crossing == 8 { 10 } else { 100 };
        day(&mut region, crossing, 28, observed);
    }
    let next = EventTime(29 * DAY_MS + 2 * HOUR_MS);
    // What the fallen gate had on its last day before is told beside its incident alone.
    region.take(&count(8, reading(27, 150), 1, next));
    let told = region.take(&count(0, hour(29), 0, next));
    let said: Vec<_> = told.iter().map(|t| t.incident.id.crossing.0).collect();
    assert_eq!(said, [8]);
}
