//! Tests of incidents: which alerts are one, and what becomes of one whose parts come apart.

use super::*;
use crate::core::alert::Severity;
use crate::core::intake::BadRecordBudget;
use crate::core::network::Crossing;
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
