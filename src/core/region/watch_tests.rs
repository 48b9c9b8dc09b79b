//! Tests of incidents: which alerts are one, and what becomes of one whose parts come apart.

use super::super::groups::DayOf;
use super::*;
use crate::core::alert::{Feedback, Reason, Severity};
use crate::core::event::GateState;
use crate::core::ids::Partition;
use crate::core::intake::BadRecordBudget;
use crate::core::network::Crossing;
use crate::core::notice::DataStatus;
use crate::core::output::Source;
use crate::core::params::Budget;
use crate::core::region::displacement::{DayFlow, Displaced, Displacement};
use crate::core::standing::End;
use crate::core::time::HOUR_MS;
use jiff::tz::TimeZone;

pub(in crate::core::region) const DAY_MS: i64 = 24 * HOUR_MS;
pub(in crate::core::region) const STREAM: StreamIx = StreamIx(0);

/// Crossings in a line, each in a corridor and country of its own.
pub(in crate::core::region) fn region(n: u16) -> Region {
    let crossing = |i: u16| Crossing {
        id: format!("x-{i:02}"),
        name: format!("X{i}"),
        country: format!("c{i}"),
        corridor: format!("c{i}"),
        order: 1,
        neighbours: (i + 1 < n)
            .then_some(CrossingIx(i + 1))
            .into_iter()
            .collect(),
        tz: TimeZone::UTC,
        hours: None,
        message_within_ms: None,
        streams: vec![STREAM],
    };
    let network = Network::new((0..n).map(crossing).collect(), vec!["asylum".into()]);
    let params = params(&network);
    Region::new(Arc::new(network), params, RegionState::default())
}

fn params(network: &Network) -> Params {
    let budget = Budget {
        false_alerts_per_year: 12.0,
        drop_share_ratio: 0.25,
        hour_share_ratio: 0.3,
        group_share_ratio: 0.1,
    };
    let bad_records = BadRecordBudget {
        max_run: 1,
        max_ratio: 1.0,
        window: 10,
    };
    Params::new(
        network,
        budget,
        [0.05, 0.15],
        48 * HOUR_MS,
        1,
        1,
        bad_records,
    )
}

/// Opens alerts at (crossing, day), or ends them, and tells the changes; incidents are parted before each, as at the end of a
/// day. No two changes of an incident may have one number.
fn changes(alerts: &[(u16, i64, bool)]) -> Vec<(Change, Vec<u16>)> {
    let told = told(alerts);
    let mut last = BTreeMap::new();
    for one in &told {
        let (id, sequence) = (one.incident.id, one.incident.sequence);
        let before = last.insert(id, sequence);
        assert!(before.is_none_or(|n| n < sequence), "{id:?} {sequence}");
    }
    let members = |i: &Incident| i.members.iter().map(|m| m.crossing.0).collect();
    told.iter()
        .map(|t| (t.change, members(&t.incident)))
        .collect()
}

fn told(alerts: &[(u16, i64, bool)]) -> Vec<Told> {
    let mut region = region(9);
    let mut told = Vec::new();
    for &(crossing, day, opens) in alerts {
        let at = EventTime(day * DAY_MS);
        told.extend(region.tell_ends(at));
        told.extend(region.split(STREAM, at));
        let mut alert = surge(at);
        let crossing = CrossingIx(crossing);
        told.extend(if opens {
            region.attach(crossing, STREAM, &alert, at)
        } else {
            alert.end(Some(End {
                at,
                why: Reason::Calm,
                standing: None,
            }));
            region.end(crossing, STREAM, &alert, at)
        });
    }
    told.extend(region.tell_ends(EventTime(i64::MAX)));
    told
}

pub(in crate::core::region) fn surge(at: EventTime) -> Alert {
    Alert::open(Direction::Surge, at, Severity::Minor, (Lens::Day, at))
}

/// The name of an incident of surges that began there on a day.
fn id(crossing: u16, day: i64) -> IncidentId {
    IncidentId {
        onset: EventTime(day * DAY_MS),
        crossing: CrossingIx(crossing),
        stream: STREAM,
        direction: Direction::Surge,
        group: None,
    }
}

#[test]
fn what_merged_parts_under_its_own_name_and_counts_on() {
    let alerts = [
        (0, 0, true),
        (4, 1, true),
        (2, 2, true),
        (2, 3, false),
        (0, 11, false),
    ];
    let told = told(&alerts);
    let told: Vec<_> = told
        .iter()
        .map(|t| (t.change, t.incident.id, t.incident.sequence))
        .collect();
    let (first, second) = (id(0, 0), id(4, 1));
    let expected = [
        (Change::Opened, first, 0),
        (Change::Opened, second, 0),
        (Change::Merged(first), second, 1),
        (Change::Attached, first, 2),
        (Change::Split(first), second, 3),
        (Change::Resolved(Some(Reason::Calm)), first, 3),
    ];
    assert_eq!(told, expected);
}

#[test]
fn an_incident_that_was_over_begins_again_with_what_is_merged_into_it() {
    let alerts = [(0, 0, true), (4, 1, true), (0, 3, false), (2, 5, true)];
    let told = changes(&alerts);
    let told: Vec<Change> = told.into_iter().map(|(change, _)| change).collect();
    let (first, over) = (id(0, 0), Some(Reason::Calm));
    let expected = [
        Change::Opened,
        Change::Opened,
        Change::Resolved(over),
        Change::Merged(first),
        Change::Reopened,
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_an_alert_was_told_of_is_no_news_of_its_groups_until_what_is_usual_is_known() {
    let noon = EventTime(2 * DAY_MS + DAY_MS / 2);
    for (why, days_told) in [
        (Reason::Feedback(Feedback::NewUsual), [1, 1, 1, 1, 0]),
        (Reason::Feedback(Feedback::False), [1, 1, 0, 0, 0]),
        (Reason::Calm, [1, 0, 0, 0, 0]),
        (Reason::Lasting, [1, 1, 1, 1, 0]),
        (Reason::Redefined, [1, 0, 0, 0, 0]),
        (Reason::Recounted, [0, 0, 0, 0, 0]),
    ] {
        let mut region = region(3);
        let mut alert = surge(EventTime(DAY_MS));
        region.attach(CrossingIx(0), STREAM, &alert, EventTime(DAY_MS));
        alert.end(Some(End {
            at: noon,
            why,
            standing: None,
        }));
        region.end(CrossingIx(0), STREAM, &alert, noon);
        let told = |day| region.told_crossings(STREAM, Day(day)).len();
        assert_eq!([1, 2, 3, 8, 9].map(told), days_told, "{why:?}");
    }
}

/// All 25 moved to the fifth crossing and 5 of 12 to the first, from the last one.
#[test]
fn moves_are_as_many_as_the_members_tell_when_incidents_merge_and_part() {
    let mut region = region(9);
    let at = |day: i64| EventTime(day * DAY_MS);
    let flows = [(0, 13), (4, 26)].map(|(crossing, observed)| {
        let flow = DayFlow {
            observed,
            while_closed: 0,
            expected: 1.0,
            open_ratio: 1.0,
            closed_ratio: 0.0,
            blind_ratio: 0.0,
            is_blind: false,
            is_hidden: false,
        };
        (CrossingIx(crossing), flow)
    });
    let flows = BTreeMap::from(flows);
    let mut displacement = Displacement::default();
    let gate = |observed, open_ratio| DayFlow {
        observed,
        while_closed: 0,
        expected: 1.0,
        open_ratio,
        closed_ratio: 1.0 - open_ratio,
        blind_ratio: 0.0,
        is_blind: false,
        is_hidden: false,
    };
    let open = [(0, 1), (4, 1), (8, 30)];
    let open = open.map(|(crossing, observed)| (CrossingIx(crossing), gate(observed, 1.0)));
    let open = BTreeMap::from(open);
    displacement.step(Day(0), &open, &region.border.hops);
    let mut shut = flows.clone();
    shut.insert(CrossingIx(8), gate(0, 0.0));
    let displaced = displacement.step(Day(1), &shut, &region.border.hops);
    assert_eq!(displaced.moves.len(), 2, "{displaced:?}");

    let agrees = |incident: &Incident| {
        let moves: u64 = incident.moves.iter().map(|m| m.moved).sum();
        assert_eq!(moves, incident.total().moved, "{incident:?}");
        moves
    };
    for crossing in [0, 4] {
        region.attach(CrossingIx(crossing), STREAM, &surge(at(1)), at(1));
    }
    for incident in &mut region.state.incidents {
        incident.on_day(Day(1), &flows, &displaced);
    }
    for told in region.attach(CrossingIx(2), STREAM, &surge(at(2)), at(2)) {
        assert!(agrees(&told.incident) > 0);
    }
    let both = &mut region.state.incidents[0];
    both.on_day(Day(2), &flows, &displaced);
    let sum = agrees(both);
    region.end(CrossingIx(2), STREAM, &surge(at(2)), at(3));
    assert_eq!(region.split(STREAM, at(11)).len(), 1);
    let parts = region.state.incidents.iter().map(agrees);
    let parts: Vec<u64> = parts.collect();
    assert_eq!(parts.len(), 2);
    assert!(
        !parts.contains(&0) && parts.iter().sum::<u64>() == sum,
        "{parts:?}"
    );
}

/// Of a thousand a day, most of them by day, a feed that is dead by day hears a third and not the half that its open time makes expect.
#[test]
fn a_group_leaves_out_a_crossing_of_whose_day_hours_were_closed_or_blind() {
    let region = region(3);
    let group = &region.border.groups[0];
    let known_days = (0..3).map(|at| (CrossingIx(at), 1_000)).collect();
    for (is_hidden, counts) in [(false, (3, 0)), (true, (2, 1))] {
        let flow = |at| DayFlow {
            observed: 330,
            while_closed: 0,
            expected: 500.0,
            open_ratio: 0.5,
            closed_ratio: 0.0,
            blind_ratio: 0.0,
            is_blind: false,
            is_hidden: is_hidden && at == 1,
        };
        let day = DayOf {
            flows: &(0..3).map(|at| (CrossingIx(at), flow(at))).collect(),
            displaced: &Displaced::default(),
            known_days: &known_days,
            special: &|_| 0.0,
        };
        let sum = group.sum(&day, &BTreeSet::new());
        assert_eq!((sum.counted, sum.unseen), counts);
    }
}

#[test]
fn an_incident_of_falls_is_explained_by_the_falls() {
    use Direction::{Drop, Surge};
    type Row = (
        &'static str,
        &'static [(u16, Direction)],
        &'static [(u64, f64)],
        &'static [u16],
    );
    let table: [Row; 4] = [
        (
            "falls",
            &[(0, Drop), (1, Drop)],
            &[(1, 20.0), (19, 20.0)],
            &[0],
        ),
        (
            "falls and a rise beside them",
            &[(0, Drop), (1, Surge)],
            &[(1, 20.0), (60, 20.0)],
            &[0],
        ),
        (
            "rises and a fall beside them",
            &[(1, Surge), (0, Drop)],
            &[(1, 20.0), (60, 20.0)],
            &[1],
        ),
        (
            "a fall, which is shut now, and a rise beside it",
            &[(2, Drop), (1, Surge)],
            &[(1, 20.0), (60, 20.0)],
            &[1],
        ),
    ];
    for (name, alerts, counts, expected) in table {
        let mut region = region(9);
        let at = EventTime(0);
        for &(crossing, direction) in alerts {
            let mut alert = surge(at);
            alert.direction = direction;
            region.attach(CrossingIx(crossing), STREAM, &alert, at);
        }
        let flow = |(observed, expected): (u64, f64)| DayFlow {
            observed,
            while_closed: 0,
            expected,
            open_ratio: 1.0,
            closed_ratio: 0.0,
            blind_ratio: 0.0,
            is_blind: false,
            is_hidden: false,
        };
        let flows = (0..)
            .map(CrossingIx)
            .zip(counts.iter().copied().map(flow))
            .collect();
        let incident = &mut region.state.incidents[0];
        incident.on_day(Day(1), &flows, &Displaced::default());
        let told: Vec<u16> = incident.explaining.iter().map(|ix| ix.0).collect();
        assert_eq!(told, expected, "{name}");
    }
}

#[test]
fn alerts_that_are_near_are_one_incident() {
    use Change::{Attached, Merged, Opened, Reopened, Split};
    let first = id(0, 0);
    let over = Change::Resolved(Some(Reason::Calm));
    type Row = (
        &'static str,
        &'static [(u16, i64, bool)],
        Vec<(Change, Vec<u16>)>,
    );
    let table: [Row; 9] = [
        (
            "one ends as another begins",
            &[(0, 0, true), (0, 3, false), (2, 3, true)],
            vec![(Opened, vec![0]), (Attached, vec![0, 2])],
        ),
        (
            "near",
            &[(0, 0, true), (2, 1, true)],
            vec![(Opened, vec![0]), (Attached, vec![0, 2])],
        ),
        (
            "far",
            &[(0, 0, true), (3, 1, true)],
            vec![(Opened, vec![0]), (Opened, vec![3])],
        ),
        (
            "the one between makes them one, and the older goes on",
            &[(0, 0, true), (4, 1, true), (2, 2, true)],
            vec![
                (Opened, vec![0]),
                (Opened, vec![4]),
                (Merged(first), vec![4]),
                (Attached, vec![0, 4, 2]),
            ],
        ),
        (
            "back within a week of the end",
            &[(0, 0, true), (0, 3, false), (0, 9, true)],
            vec![(Opened, vec![0]), (over, vec![0]), (Reopened, vec![0])],
        ),
        (
            "back later",
            &[(0, 0, true), (0, 3, false), (0, 11, true)],
            vec![(Opened, vec![0]), (over, vec![0]), (Opened, vec![0])],
        ),
        (
            "a week after the one between ended they are two",
            &[
                (0, 0, true),
                (2, 1, true),
                (4, 2, true),
                (2, 3, false),
                (8, 11, true),
            ],
            vec![
                (Opened, vec![0]),
                (Attached, vec![0, 2]),
                (Attached, vec![0, 2, 4]),
                (Split(first), vec![4]),
                (Opened, vec![8]),
            ],
        ),
        (
            "not within the week",
            &[
                (0, 0, true),
                (2, 1, true),
                (4, 2, true),
                (2, 3, false),
                (8, 10, true),
            ],
            vec![
                (Opened, vec![0]),
                (Attached, vec![0, 2]),
                (Attached, vec![0, 2, 4]),
                (Opened, vec![8]),
            ],
        ),
        (
            "what merged and parts is found again near its own crossing",
            &[
                (0, 0, true),
                (4, 1, true),
                (2, 2, true),
                (2, 3, false),
                (6, 11, true),
            ],
            vec![
                (Opened, vec![0]),
                (Opened, vec![4]),
                (Merged(first), vec![4]),
                (Attached, vec![0, 4, 2]),
                (Split(first), vec![4]),
                (Attached, vec![4, 6]),
            ],
        ),
    ];
    for (name, alerts, expected) in table {
        assert_eq!(changes(alerts), expected, "{name}");
    }
}

pub(in crate::core::region) const SOURCE: Source = Source {
    partition: Partition(0),
    offset: None,
    recorded: None,
};

pub(in crate::core::region) fn reading(day: i64, observed: u64) -> Reading {
    Reading {
        lens: Lens::Day,
        start: EventTime(day * DAY_MS),
        end: EventTime((day + 1) * DAY_MS),
        observed,
        while_closed: 0,
        expected: 100.0,
        lower: 0,
        upper: 0,
        exposure: 1.0,
        closed_ratio: 0.0,
        blind_ratio: 0.0,
        ln_tails: [None; 2],
        log_evidence_rise: 0.0,
        log_evidence_drop: 0.0,
        p_surge: 0.0,
        p_drop: 0.0,
    }
}

/// Two crossings fall from 100 a day to 10 on day 27 and are back on day 40, which one of them tells of as a surge.
#[test]
fn an_incident_is_over_on_the_third_day_back_and_begins_again_when_an_alert_of_the_way_back_goes_past()
 {
    use Direction::{Drop, Surge};
    let mut region = region(2);
    let mut told = Vec::new();
    for day in 0..64 {
        for crossing in [0, 1].map(CrossingIx) {
            let observed = match (day, crossing.0) {
                (27..40, _) => 10,
                // One day alone says nothing.
                (50 | 60.., 0) => 200,
                _ => 100,
            };
            let reading = reading(day, observed);
            told.extend(region.take(&Output::Count {
                crossing,
                stream: STREAM,
                reading,
                revision: 0,
                gate: GateState::Open,
                as_of: reading.end,
                source: SOURCE,
            }));
            let alerts: &[(Direction, Transition)] = match (day, crossing.0) {
                (27, _) => &[(Drop, Transition::Opened)],
                (40, 0) => &[(Drop, Transition::Resolved), (Surge, Transition::Opened)],
                (40, _) => &[(Drop, Transition::Resolved)],
                (55, 1) => &[(Surge, Transition::Opened)],
                _ => &[],
            };
            for &(direction, transition) in alerts {
                let by = (Lens::Day, reading.start);
                told.extend(region.take(&Output::Alert {
                    crossing,
                    stream: STREAM,
                    alert: Alert::open(direction, reading.start, Severity::Minor, by),
                    transition,
                    reading,
                    run: None,
                    closed: true,
                    data: DataStatus::Complete,
                    usual_for_days: None,
                    before: None,
                    as_of: reading.end,
                    source: SOURCE,
                }));
            }
        }
    }
    let changes = told.iter().filter(|t| t.change != Change::Updated);
    let changes: Vec<_> = changes
        .map(|t| (t.incident.as_of.0 / DAY_MS, t.change))
        .collect();
    let expected = [
        (28, Change::Opened),
        (28, Change::Attached),
        (41, Change::Attached),
        // It is back on the 43rd, and told of half an hour later or with what comes next.
        (44, Change::Resolved(None)),
        (63, Change::Reopened),
    ];
    assert_eq!(changes, expected);
}

#[test]
fn a_group_that_rose_with_a_way_back_begins_nothing_anew_when_that_ends() {
    let direction = Direction::Surge;
    let at = |day: i64| EventTime(day * DAY_MS);
    let alert = Alert::open(direction, at(0), Severity::Minor, (Lens::Day, at(0)));
    let id = IncidentId {
        onset: at(0),
        crossing: CrossingIx(0),
        stream: STREAM,
        direction,
        group: None,
    };
    let mut incident = Incident::of(id, at(0));
    let mut member = Member::of(CrossingIx(0), &alert, Vec::new(), at(1));
    member.back_days = super::super::member::BACK_DAYS;
    incident.join(member);
    incident.join_group(GroupMember {
        group: GroupIx(0),
        direction,
        onset: at(0),
        severity: Severity::Minor,
        joined: at(1),
        is_open: true,
        is_taken_back: false,
        today: DayCount::default(),
    });
    assert!(!incident.is_open(), "both tell of the way back");
    incident.members[0].is_open = false;
    incident.members[0].ended = Some(at(5));
    assert!(!incident.is_open(), "the group's alert is no other thing");
    incident.groups[0].joined = at(6);
    assert!(incident.is_open(), "it began later");
}
