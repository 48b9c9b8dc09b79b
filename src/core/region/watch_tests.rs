//! Tests of incidents: which alerts are one, and what becomes of one whose parts come apart.

use super::*;
use crate::core::alert::Severity;
use crate::core::event::GateState;
use crate::core::ids::Partition;
use crate::core::intake::BadRecordBudget;
use crate::core::network::Crossing;
use crate::core::notice::DataStatus;
use crate::core::output::Source;
use crate::core::params::Budget;
use crate::core::time::HOUR_MS;
use jiff::tz::TimeZone;

const DAY_MS: i64 = 24 * HOUR_MS;
const STREAM: StreamIx = StreamIx(0);

/// Crossings in a line, each in a corridor and country of its own.
fn region(n: u16) -> Region {
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
    Params::new(network, budget, 0.05, 2, 1, 1, bad_records)
}

/// Opens or ends alerts at (crossing, day) and tells the changes.
fn changes(alerts: &[(u16, i64, bool)]) -> Vec<(Change, Vec<u16>)> {
    let mut region = region(9);
    let mut told = Vec::new();
    for &(crossing, day, opens) in alerts {
        let at = EventTime(day * DAY_MS);
        let alert = Alert::open(Direction::Surge, at, Severity::Minor, (Lens::Day, at));
        let crossing = CrossingIx(crossing);
        told.extend(if opens {
            region.attach(crossing, STREAM, &alert, at)
        } else {
            region.end(crossing, STREAM, &alert, at)
        });
    }
    let members = |i: &Incident| i.members.iter().map(|m| m.crossing.0).collect();
    told.iter()
        .map(|t| (t.change, members(&t.incident)))
        .collect()
}

#[test]
fn alerts_that_are_near_are_one_incident() {
    use Change::{Attached, Merged, Opened, Reopened, Resolved};
    let first = IncidentId {
        onset: EventTime(0),
        crossing: CrossingIx(0),
        stream: STREAM,
        direction: Direction::Surge,
        group: None,
    };
    type Row = (
        &'static str,
        &'static [(u16, i64, bool)],
        Vec<(Change, Vec<u16>)>,
    );
    let table: [Row; 5] = [
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
            vec![(Opened, vec![0]), (Resolved, vec![0]), (Reopened, vec![0])],
        ),
        (
            "back later",
            &[(0, 0, true), (0, 3, false), (0, 11, true)],
            vec![(Opened, vec![0]), (Resolved, vec![0]), (Opened, vec![0])],
        ),
    ];
    for (name, alerts, expected) in table {
        assert_eq!(changes(alerts), expected, "{name}");
    }
}

const SOURCE: Source = Source {
    partition: Partition(0),
    offset: None,
    recorded: None,
};

fn reading(day: i64, observed: u64) -> Reading {
    Reading {
        lens: Lens::Day,
        start: EventTime(day * DAY_MS),
        end: EventTime((day + 1) * DAY_MS),
        observed,
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
fn an_incident_is_over_on_the_third_day_back_and_kept_while_an_alert_of_the_way_back_goes_on() {
    use Direction::{Drop, Surge};
    let mut region = region(2);
    let mut told = Vec::new();
    for day in 0..60 {
        let observed = if (27..40).contains(&day) { 10 } else { 100 };
        let reading = reading(day, observed);
        for crossing in [0, 1].map(CrossingIx) {
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
        (43, Change::Resolved),
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
    member.back_days = super::super::incident::BACK_DAYS;
    incident.join(member);
    incident.join_group(GroupMember {
        group: GroupIx(0),
        direction,
        onset: at(0),
        severity: Severity::Minor,
        joined: at(1),
        is_open: true,
        today: super::super::incident::DayCount::default(),
    });
    assert!(!incident.is_open(), "both tell of the way back");
    incident.members[0].is_open = false;
    incident.members[0].ended = Some(at(5));
    assert!(!incident.is_open(), "the group's alert is no other thing");
    incident.groups[0].joined = at(6);
    assert!(incident.is_open(), "it began later");
}
