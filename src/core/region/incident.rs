//! Owns incidents: alerts of one stream that hang together along the border, the days they share, and what of them is moved.

use super::displacement::{Day, DayFlow, Displaced, Displacement, Hops, Move};
use super::scan;
use crate::core::alert::{Alert, Direction, Reading, Transition};
use crate::core::calendar::{DaySpan, local};
use crate::core::exposure::GateTimeline;
use crate::core::ids::{CrossingIx, StreamIx};
use crate::core::lens::Lens;
use crate::core::network::Network;
use crate::core::output::Output;
use crate::core::time::{EventTime, HOUR_MS};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An alert joins an incident that ended at most this long ago.
const LINK_MS: i64 = 7 * 24 * HOUR_MS;
/// Crossings of different corridors hang together at this many steps along the neighbours.
const LINK_HOPS: u32 = 2;

/// Names an incident by its first alert, so that a replay makes the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IncidentId {
    /// Onset of the first alert.
    pub onset: EventTime,
    /// Where it was.
    pub crossing: CrossingIx,
    /// Of what.
    pub stream: StreamIx,
    /// Which way it went.
    pub direction: Direction,
}

/// A change in an incident's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Its first alert opened.
    Opened,
    /// Another alert opened in it.
    Attached,
    /// It became part of an older one, which goes on.
    Merged(IncidentId),
    /// Another day of it is over.
    Updated,
    /// All of its alerts have ended.
    Resolved,
    /// An alert opened in it within days of its end.
    Reopened,
}

/// What a closed day says of a member.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct DayCount {
    /// Arrivals counted.
    pub observed: u64,
    /// Arrivals expected.
    pub expected: f64,
    /// Arrivals above what is expected and the level before.
    pub rise: u64,
    /// Those of the rise that were missing elsewhere.
    pub moved: u64,
}

/// An alert of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Where.
    pub crossing: CrossingIx,
    /// Which way.
    pub direction: Direction,
    /// When it joined.
    pub joined: EventTime,
    /// Whether its alert goes on.
    pub is_open: bool,
    /// Its last closed day in the incident.
    pub today: Option<DayCount>,
}

/// Alerts that hang together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its name.
    pub id: IncidentId,
    /// Number of its last change, from 0.
    pub sequence: u32,
    /// Its alerts in the order they joined.
    pub members: Vec<Member>,
    /// The last closed day that says something of it.
    pub day: Option<Day>,
    /// The crossings that explain that day, the largest observed/expected first.
    pub explaining: Vec<CrossingIx>,
    /// Flow of the last closed day that was moved to its members.
    pub moves: Vec<Move>,
    /// Crossings that flow is missing at, with the arrivals of their last day before.
    pub sources: BTreeMap<CrossingIx, u64>,
    /// Its last change, by event time.
    pub as_of: EventTime,
}

impl Incident {
    /// The part of a country: its members, what explains it among them and what moved to them. `None` where it has none.
    #[must_use]
    pub fn slice(&self, network: &Network, country: &str) -> Option<Self> {
        let inside = |ix: CrossingIx| network.crossing(ix).country == country;
        let mut part = self.clone();
        part.members.retain(|member| inside(member.crossing));
        part.explaining.retain(|crossing| inside(*crossing));
        part.moves.retain(|m| inside(m.to));
        (!part.members.is_empty()).then_some(part)
    }

    /// The last closed day of its surges, summed.
    #[must_use]
    pub fn total(&self) -> DayCount {
        let surges = self
            .members
            .iter()
            .filter(|m| m.direction == Direction::Surge);
        surges
            .filter_map(|m| m.today)
            .fold(DayCount::default(), |sum, day| DayCount {
                observed: sum.observed + day.observed,
                expected: sum.expected + day.expected,
                rise: sum.rise + day.rise,
                moved: sum.moved + day.moved,
            })
    }

    fn of(id: IncidentId, first: Member) -> Self {
        Self {
            id,
            sequence: 0,
            as_of: first.joined,
            members: vec![first],
            day: None,
            explaining: Vec::new(),
            moves: Vec::new(),
            sources: BTreeMap::new(),
        }
    }

    /// A member that is known keeps its place.
    fn join(&mut self, member: Member) {
        let same =
            |m: &&mut Member| m.crossing == member.crossing && m.direction == member.direction;
        match self.members.iter_mut().find(same) {
            Some(known) => known.is_open |= member.is_open,
            None => self.members.push(member),
        }
    }

    fn is_open(&self) -> bool {
        self.members.iter().any(|m| m.is_open)
    }

    fn on_day(&mut self, day: Day, flows: &BTreeMap<CrossingIx, DayFlow>, displaced: &Displaced) {
        self.day = Some(day);
        let mut counts = Vec::new();
        for member in &mut self.members {
            let flow = flows.get(&member.crossing).filter(|f| f.open_ratio > 0.0);
            member.today = flow.filter(|_| member.is_open).map(|flow| DayCount {
                observed: flow.observed,
                expected: flow.expected,
                rise: displaced.rises.get(&member.crossing).copied().unwrap_or(0),
                moved: displaced.moved_to(member.crossing),
            });
            if let Some(day) = member
                .today
                .filter(|_| member.direction == Direction::Surge)
            {
                counts.push((member.crossing, day.observed, day.expected));
            }
        }
        self.explaining = scan::explaining(&counts);
        let to_surge = |m: &&Move| counts.iter().any(|(crossing, ..)| *crossing == m.to);
        self.moves = displaced.moves.iter().filter(to_surge).copied().collect();
        self.sources.clone_from(&displaced.sources);
    }
}

/// An incident after a change.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// What changed.
    pub change: Change,
    /// The incident after it.
    pub incident: Incident,
}

/// All incidents of a border. It consumes what the machine puts out, in order.
#[derive(Debug, Clone)]
pub struct Region {
    network: Arc<Network>,
    hops: Hops,
    state: RegionState,
}

/// What a region remembers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RegionState {
    streams: BTreeMap<StreamIx, StreamState>,
    incidents: Vec<Incident>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct StreamState {
    displacement: Displacement,
    /// Days that are not over everywhere, the oldest first.
    days: BTreeMap<Day, BTreeMap<CrossingIx, DayFlow>>,
    last_day: Option<Day>,
    /// Crossings that closed it.
    heard: BTreeSet<CrossingIx>,
}

impl Region {
    /// A region that remembers `state`; an empty one for a fresh start.
    #[must_use]
    pub fn new(network: Arc<Network>, state: RegionState) -> Self {
        let hops = Hops::of(&network);
        Self {
            network,
            hops,
            state,
        }
    }

    /// What it remembers.
    #[must_use]
    pub fn state(&self) -> &RegionState {
        &self.state
    }

    /// Takes one output of the machine and tells what changed.
    pub fn take(&mut self, output: &Output) -> Vec<Told> {
        match output {
            Output::Count {
                crossing,
                stream,
                reading,
                revision: 0,
                as_of,
                ..
            } if reading.lens == Lens::Day => self.count(*crossing, *stream, reading, *as_of),
            Output::Alert {
                crossing,
                stream,
                alert,
                transition,
                as_of,
                ..
            } => match transition {
                // What goes on after a closure never left its incident.
                Transition::Reopened if self.holds(*crossing, *stream, alert) => Vec::new(),
                Transition::Opened | Transition::Reopened => {
                    self.attach(*crossing, *stream, alert, *as_of)
                }
                Transition::Resolved | Transition::Retracted => {
                    self.end(*crossing, *stream, alert, *as_of)
                }
                Transition::Escalated | Transition::Deescalated | Transition::Updated => Vec::new(),
            },
            Output::Count { .. } | Output::Notice { .. } => Vec::new(),
        }
    }

    /// A day of a crossing closed. It is over everywhere once all that closed the day before it closed it, or once a
    /// crossing closed the day after it.
    fn count(
        &mut self,
        crossing: CrossingIx,
        stream: StreamIx,
        reading: &Reading,
        as_of: EventTime,
    ) -> Vec<Told> {
        let place = self.network.crossing(crossing);
        let span = DaySpan::holding(&place.tz, reading.start);
        let gate = GateTimeline::default();
        let flow = DayFlow {
            observed: reading.observed,
            expected: reading.expected,
            open_ratio: reading.exposure,
            scheduled_ratio: gate.exposure(place, &span, span.start, span.end),
            is_blind: reading.blind_ratio > reading.exposure,
        };
        let day = day_of(&local(&place.tz, reading.start));
        let state = self.state.streams.entry(stream).or_default();
        if state.last_day.is_some_and(|last| day <= last) {
            return Vec::new();
        }
        state.days.entry(day).or_default().insert(crossing, flow);
        let mut told = Vec::new();
        while let Some((&first, flows)) = state.days.first_key_value() {
            let is_whole = state.heard.iter().all(|c| flows.contains_key(c));
            if !(is_whole && state.last_day.is_some()) && state.days.len() < 2 {
                break;
            }
            let flows = state.days.remove(&first).unwrap_or_default();
            state.last_day = Some(first);
            state.heard = flows.keys().copied().collect();
            let displaced = state.displacement.step(first, &flows, &self.hops);
            let open = |i: &&mut Incident| i.id.stream == stream && i.is_open();
            for incident in self.state.incidents.iter_mut().filter(open) {
                incident.on_day(first, &flows, &displaced);
                if incident.members.iter().any(|m| m.today.is_some()) {
                    told.push(tell(incident, Change::Updated, as_of));
                }
            }
        }
        told
    }

    /// An alert opened: it joins the oldest incident it hangs together with; others that do are merged into that one.
    fn holds(&self, crossing: CrossingIx, stream: StreamIx, alert: &Alert) -> bool {
        let of_stream = self
            .state
            .incidents
            .iter()
            .filter(|i| i.id.stream == stream);
        let mut members = of_stream.flat_map(|incident| &incident.members);
        members.any(|m| m.is_open && m.crossing == crossing && m.direction == alert.direction)
    }

    fn attach(
        &mut self,
        crossing: CrossingIx,
        stream: StreamIx,
        alert: &Alert,
        as_of: EventTime,
    ) -> Vec<Told> {
        let is_recent = |i: &Incident| i.is_open() || as_of.0 - i.as_of.0 <= LINK_MS;
        self.state.incidents.retain(is_recent);
        let mut linked = self.linked(crossing, stream);
        let member = Member {
            crossing,
            direction: alert.direction,
            joined: as_of,
            is_open: true,
            today: None,
        };
        if linked.is_empty() {
            let id = IncidentId {
                onset: alert.onset,
                crossing,
                stream,
                direction: alert.direction,
            };
            let incident = Incident::of(id, member);
            self.state.incidents.push(incident.clone());
            return vec![Told {
                change: Change::Opened,
                incident,
            }];
        }
        let older = linked.remove(0);
        let survivor = self.state.incidents[older].id;
        let mut told = Vec::new();
        for at in linked.into_iter().rev() {
            let mut younger = self.state.incidents.remove(at);
            told.push(tell(&mut younger, Change::Merged(survivor), as_of));
            for member in younger.members {
                self.state.incidents[older].join(member);
            }
        }
        let incident = &mut self.state.incidents[older];
        let change = if incident.is_open() {
            Change::Attached
        } else {
            Change::Reopened
        };
        incident.join(member);
        incident.members.sort_by_key(|m| m.joined);
        told.push(tell(incident, change, as_of));
        told
    }

    fn end(
        &mut self,
        crossing: CrossingIx,
        stream: StreamIx,
        alert: &Alert,
        as_of: EventTime,
    ) -> Vec<Told> {
        let same = |m: &Member| m.crossing == crossing && m.direction == alert.direction;
        let of_stream = |i: &&mut Incident| i.id.stream == stream;
        for incident in self.state.incidents.iter_mut().filter(of_stream) {
            let Some(member) = incident.members.iter_mut().find(|m| same(m)) else {
                continue;
            };
            member.is_open = false;
            if !incident.is_open() {
                return vec![tell(incident, Change::Resolved, as_of)];
            }
        }
        Vec::new()
    }

    /// Places of the incidents that an alert at a crossing hangs together with, the oldest first.
    fn linked(&self, crossing: CrossingIx, stream: StreamIx) -> Vec<usize> {
        let near = |m: &Member| self.hang_together(m.crossing, crossing);
        let is_linked = |i: &Incident| i.id.stream == stream && i.members.iter().any(near);
        let incidents = self.state.incidents.iter().enumerate();
        let linked = incidents.filter(|(_, incident)| is_linked(incident));
        linked.map(|(at, _)| at).collect()
    }

    fn hang_together(&self, a: CrossingIx, b: CrossingIx) -> bool {
        let corridor = |ix| &self.network.crossing(ix).corridor;
        corridor(a) == corridor(b) || self.hops.between(a, b).is_some_and(|h| h <= LINK_HOPS)
    }
}

fn tell(incident: &mut Incident, change: Change, as_of: EventTime) -> Told {
    incident.sequence += 1;
    incident.as_of = as_of;
    Told {
        change,
        incident: incident.clone(),
    }
}

fn day_of(at: &jiff::Zoned) -> Day {
    let utc = at.date().at(0, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC);
    let seconds = utc.map_or(0, |midnight| midnight.timestamp().as_second());
    Day(i32::try_from(seconds.div_euclid(86_400)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::alert::Severity;
    use crate::core::network::Crossing;
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
        Region::new(Arc::new(network), RegionState::default())
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
}
