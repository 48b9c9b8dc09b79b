//! Owns an incident: alerts of one stream that hang together along the border, the days they share, and what of them is moved.

use super::displacement::{Day, DayFlow, Displaced, Move};
use super::groups::GroupIx;
use super::scan;
use crate::core::alert::{Alert, Direction, Reading, Reason, Severity};
use crate::core::episode::{Called, Gate, Likeness};
use crate::core::ids::{CrossingIx, StreamIx};
use crate::core::network::Network;
use crate::core::time::{EventTime, HOUR_MS};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// An alert joins an incident whose alerts near it ended at most this long ago.
pub(super) const LINK_MS: i64 = 7 * 24 * HOUR_MS;
/// Days of a member that are kept, the newest.
pub const HISTORY_DAYS: usize = 120;
/// Days of a crossing that are kept before it joins an incident.
pub const LEAD_DAYS: usize = 28;
/// Days in a row at what was usual before an incident after which an alert on the way back is no part of it any more.
pub(super) const BACK_DAYS: u8 = 3;
/// A day is back at what was usual before at such a multiple of it: weekdays lie as far from their mean.
const BACK_RATIO: std::ops::RangeInclusive<f64> = 0.7..=1.4;
/// Fewer days are no measure of what was usual.
const BEFORE_DAYS: usize = 7;
/// Less than this many moved arrivals, or than half of a rise, do not make it displaced.
const MIN_MOVED: u64 = 10;

/// Names an incident by its first alert, so that a replay makes the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IncidentId {
    /// Onset of the first alert.
    pub onset: EventTime,
    /// Where it was; of a group its first crossing.
    pub crossing: CrossingIx,
    /// Of what.
    pub stream: StreamIx,
    /// Which way it went.
    pub direction: Direction,
    /// The group it showed in, where no single crossing showed it.
    pub group: Option<GroupIx>,
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
    /// It was part of that one, and nothing links them any more.
    Split(IncidentId),
    /// It is plain, before the day is over, that most of the rise at a member may have moved there.
    Displaced(CrossingIx),
    /// Another day of it is over.
    Updated,
    /// All of its alerts have ended: why the last one did, or nothing where those that go on tell of the way back.
    Resolved(Option<Reason>),
    /// An alert opened in it within days of its end.
    Reopened,
}

impl Change {
    /// The other incident of a change: the one that goes on instead, or that it was part of.
    #[must_use]
    pub fn other(self) -> Option<IncidentId> {
        match self {
            Self::Merged(other) | Self::Split(other) => Some(other),
            _ => None,
        }
    }

    /// Why it is over, where an alert that ended says it.
    #[must_use]
    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::Resolved(reason) => reason,
            _ => None,
        }
    }
}

/// What a day says of a member.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct DayCount {
    /// Arrivals counted.
    pub observed: u64,
    /// Arrivals expected.
    pub expected: f64,
    /// Arrivals above what is expected and the level before.
    pub rise: u64,
    /// Those of the rise that were missing elsewhere: the most that can have moved.
    pub moved: u64,
}

impl DayCount {
    /// Whether the rise is a shift of what is missing elsewhere rather than more: half of it, and no handful.
    #[must_use]
    pub fn is_displaced(&self) -> bool {
        self.moved >= MIN_MOVED && self.moved * 2 >= self.rise
    }
}

/// A closed day of a crossing, as it was first known.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DaySeen {
    /// The day.
    pub day: Day,
    /// Arrivals counted.
    pub observed: u64,
    /// Arrivals expected.
    pub expected: f32,
    /// Share of the day in which it was open and seen, in [0, 1].
    pub exposure: f32,
    /// What it was for most of the day.
    pub gate: Gate,
}

/// An alert of an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Where.
    pub crossing: CrossingIx,
    /// Which way.
    pub direction: Direction,
    /// Onset of its alert.
    pub onset: EventTime,
    /// When it joined.
    pub joined: EventTime,
    /// Whether its alert goes on.
    pub is_open: bool,
    /// When its alert ended, if it did.
    pub ended: Option<EventTime>,
    /// Its last day in this incident: the last closed one, or the one that goes on where it was told of as displaced.
    pub today: Option<DayCount>,
    /// Its closed days, the oldest first: up to [`LEAD_DAYS`] before it joined and all since, [`HISTORY_DAYS`] at most.
    pub history: Vec<DaySeen>,
    /// Mean arrivals of its open days before it joined; none where too few are known.
    pub(super) before: Option<f64>,
    /// Days in a row on which the crossing counted what it did before the incident: a rise after a drop is one back to it, and
    /// so is a fall after a surge.
    pub(super) back_days: u8,
    /// The last day on which it was told of as displaced before the day was over.
    pub(super) displaced_on: Option<Day>,
}

impl Member {
    pub(super) fn is_same(&self, crossing: CrossingIx, direction: Direction) -> bool {
        self.crossing == crossing && self.direction == direction
    }

    /// Whether what happens near it may still belong with it.
    pub(super) fn is_live(&self, at: EventTime) -> bool {
        self.is_open || self.ended.is_some_and(|end| at.0 - end.0 <= LINK_MS)
    }

    /// An alert that opened at a crossing with these last days.
    pub(super) fn of(
        crossing: CrossingIx,
        alert: &Alert,
        history: Vec<DaySeen>,
        as_of: EventTime,
    ) -> Self {
        Self {
            crossing,
            direction: alert.direction,
            onset: alert.onset,
            joined: as_of,
            is_open: true,
            ended: None,
            today: None,
            before: usual_before(&history),
            back_days: 0,
            history,
            displaced_on: None,
        }
    }

    /// Whether its alert goes on and is more than the way back to what was usual before.
    pub(super) fn is_going_on(&self) -> bool {
        self.is_open && self.back_days < BACK_DAYS
    }

    /// Counts the days in a row that are back at `before`; days of which little was open say nothing.
    pub(super) fn count_back(&mut self, before: Option<f64>, days: &[DaySeen]) {
        let Some(before) = before else { return };
        for day in days.iter().filter(|day| f64::from(day.exposure) >= 0.5) {
            let ratio = day.observed as f64 / before.max(1.0);
            self.back_days = if BACK_RATIO.contains(&ratio) {
                self.back_days.saturating_add(1)
            } else {
                0
            };
        }
    }

    /// Keeps a closed day. Returns whether it is a new one.
    pub(super) fn remember(&mut self, seen: DaySeen) -> bool {
        let is_new = self.history.last().is_none_or(|last| last.day < seen.day);
        if is_new {
            self.history.push(seen);
            let extra = self.history.len().saturating_sub(HISTORY_DAYS);
            self.history.drain(..extra);
        }
        is_new
    }
}

/// Crossings with an open alert in an incident of a stream.
pub(super) fn told_crossings(incidents: &[Incident], stream: StreamIx) -> BTreeSet<CrossingIx> {
    let of_stream = incidents.iter().filter(|i| i.id.stream == stream);
    let members = of_stream.flat_map(|i| &i.members);
    members.filter(|m| m.is_open).map(|m| m.crossing).collect()
}

/// Mean arrivals of the days of which most was open; none where they are few.
fn usual_before(days: &[DaySeen]) -> Option<f64> {
    let open = days.iter().filter(|day| day.exposure >= 0.5);
    let open: Vec<f64> = open.map(|day| day.observed as f64).collect();
    (open.len() >= BEFORE_DAYS).then(|| open.iter().sum::<f64>() / open.len() as f64)
}

/// An alert of a group of crossings in an incident.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GroupMember {
    /// Which group.
    pub group: GroupIx,
    /// Which way.
    pub direction: Direction,
    /// Onset of its alert.
    pub onset: EventTime,
    /// The worst so far.
    pub severity: Severity,
    /// When it joined.
    pub joined: EventTime,
    /// Whether its alert goes on.
    pub is_open: bool,
    /// Its last closed day: the crossings that raise no alert of their own, summed.
    pub today: DayCount,
}

impl GroupMember {
    /// Takes the numbers of a closed day.
    pub(super) fn see(&mut self, reading: &Reading) {
        self.today = DayCount {
            observed: reading.observed,
            expected: reading.expected,
            rise: (reading.observed as f64 - reading.expected).max(0.0) as u64,
            moved: 0,
        };
    }
}

/// Alerts that hang together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its name.
    pub id: IncidentId,
    /// Grows with each change of it, and by more than one where it merged or split.
    pub sequence: u32,
    /// Its alerts at crossings, in the order they joined.
    pub members: Vec<Member>,
    /// Its alerts of groups, in the order they joined.
    pub groups: Vec<GroupMember>,
    /// The last day that says something of it.
    pub day: Option<Day>,
    /// The crossings that explain it, those that changed most first: the rises of a surge, the falls of a drop, or the other way round
    /// where none goes its own way any more. Of that day, and where only a group shows it since its onset.
    pub explaining: Vec<CrossingIx>,
    /// Flow of the day that may have moved to its members.
    pub moves: Vec<Move>,
    /// Crossings that flow is missing at, with the arrivals of their last day before.
    pub sources: BTreeMap<CrossingIx, u64>,
    /// What it is like, as of its last closed day.
    pub likeness: Option<Likeness>,
    /// What it is called for that.
    pub called: Called,
    /// Its last change, by event time.
    pub as_of: EventTime,
}

impl Incident {
    /// The part of a country: its members, what explains it among them, what moved to them, and which of its crossings flow is missing
    /// at. `None` where it has no member.
    #[must_use]
    pub fn slice(&self, network: &Network, country: &str) -> Option<Self> {
        let inside = |ix: CrossingIx| network.crossing(ix).country == country;
        let groups = super::groups::of(network);
        let mut part = self.clone();
        part.members.retain(|member| inside(member.crossing));
        part.groups.retain(|g| {
            let group = groups.get(usize::from(g.group.0));
            group.is_some_and(|group| group.members.iter().any(|at| inside(*at)))
        });
        part.explaining.retain(|crossing| inside(*crossing));
        part.moves.retain(|m| inside(m.to));
        part.sources.retain(|crossing, _| inside(*crossing));
        (!part.members.is_empty() || !part.groups.is_empty()).then_some(part)
    }

    /// The last day of its surges at crossings, summed.
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

    pub(super) fn of(id: IncidentId, as_of: EventTime) -> Self {
        Self {
            id,
            sequence: 0,
            members: Vec::new(),
            groups: Vec::new(),
            day: None,
            explaining: Vec::new(),
            moves: Vec::new(),
            sources: BTreeMap::new(),
            likeness: None,
            called: Called::default(),
            as_of,
        }
    }

    /// A member that is known keeps its place.
    pub(super) fn join(&mut self, member: Member) {
        let known = self
            .members
            .iter_mut()
            .find(|m| m.is_same(member.crossing, member.direction));
        match known {
            Some(known) => {
                known.is_open |= member.is_open;
                known.back_days = member.back_days;
                known.ended = member.ended.filter(|_| !known.is_open).max(known.ended);
                for day in member.history {
                    known.remember(day);
                }
            }
            None => self.members.push(member),
        }
        self.members.sort_by_key(|m| m.joined);
    }

    /// Takes over what became part of it, but for the day of it: no flow is drawn twice where they counted at different hours.
    pub(super) fn absorb(&mut self, younger: Self) {
        // Should it split off again, it goes on under its name.
        self.sequence = self.sequence.max(younger.sequence);
        for member in younger.members {
            self.join(Member {
                today: None,
                ..member
            });
        }
        younger.groups.into_iter().for_each(|g| self.join_group(g));
    }

    /// Parts from it the alerts at these crossings, with what their day says, as an incident that is named by the first that goes on.
    /// `None` where none does; then it keeps them.
    pub(super) fn part(&mut self, crossings: &BTreeSet<CrossingIx>) -> Option<Self> {
        let goes = |crossing: CrossingIx| crossings.contains(&crossing);
        let first = |m: &&Member| m.is_open && goes(m.crossing);
        let first = self.members.iter().find(first)?;
        let id = IncidentId {
            onset: first.onset,
            crossing: first.crossing,
            stream: self.id.stream,
            direction: first.direction,
            group: None,
        };
        let mut other = Self::of(id, self.as_of);
        other.sequence = self.sequence;
        other.day = self.day;
        other.sources.clone_from(&self.sources);
        (other.members, self.members) = std::mem::take(&mut self.members)
            .into_iter()
            .partition(|m| goes(m.crossing));
        (other.moves, self.moves) = self.moves.iter().partition(|m| goes(m.to));
        (other.explaining, self.explaining) = self.explaining.iter().partition(|at| goes(**at));
        Some(other)
    }

    /// A group that is known keeps its place too.
    pub(super) fn join_group(&mut self, member: GroupMember) {
        let same =
            |m: &&mut GroupMember| m.group == member.group && m.direction == member.direction;
        match self.groups.iter_mut().find(same) {
            Some(known) => {
                let joined = known.joined;
                *known = GroupMember { joined, ..member };
            }
            None => self.groups.push(member),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.members.iter().any(Member::is_going_on)
            || self.groups.iter().any(|g| self.is_group_going_on(g))
    }

    /// Whether a group's alert goes on and is more than the sum of its crossings' way back: one that ended meanwhile makes it no
    /// more than that.
    fn is_group_going_on(&self, group: &GroupMember) -> bool {
        let mut alike = self
            .members
            .iter()
            .filter(|m| m.direction == group.direction);
        let is_back =
            |m: &Member| m.back_days >= BACK_DAYS && (m.is_open || m.ended >= Some(group.joined));
        group.is_open && !alike.any(is_back)
    }

    /// It is over, though alerts of it go on: they tell of the way back to what was usual before.
    pub(super) fn is_on_its_way_back(&self) -> bool {
        !self.is_open() && self.members.iter().any(|m| m.is_open)
    }

    /// What an alert that joins it does to it.
    pub(super) fn joining(&self) -> Change {
        if self.is_open() {
            Change::Attached
        } else {
            Change::Reopened
        }
    }

    /// What was usual at a crossing before its first alert in the other direction; none where that is no earlier one.
    pub(super) fn before(&self, crossing: CrossingIx, direction: Direction) -> Option<f64> {
        let mut earlier = self
            .members
            .iter()
            .take_while(|m| !m.is_same(crossing, direction));
        earlier.find(|m| m.crossing == crossing)?.before
    }

    /// Whether its last day says something of it.
    pub(super) fn has_day(&self) -> bool {
        self.members.iter().any(|m| m.today.is_some()) || self.groups.iter().any(|g| g.is_open)
    }

    /// Keeps a closed day of its members, and counts the days that are back at what was usual before it.
    pub(super) fn remember(&mut self, day: Day, flows: &BTreeMap<CrossingIx, DayFlow>) {
        let was_open = self.is_open();
        for at in 0..self.members.len() {
            let (crossing, direction) = (self.members[at].crossing, self.members[at].direction);
            let before = self.before(crossing, direction).filter(|_| was_open);
            let Some(flow) = flows.get(&crossing) else {
                continue;
            };
            let seen = DaySeen::of(day, flow);
            let member = &mut self.members[at];
            // A day that its crossing had closed when it joined was counted then.
            if member.remember(seen) {
                member.count_back(before, &[seen]);
            }
        }
    }

    /// Takes the counts of a day, closed or so far.
    pub(super) fn on_day(
        &mut self,
        day: Day,
        flows: &BTreeMap<CrossingIx, DayFlow>,
        displaced: &Displaced,
    ) {
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
            if let Some(day) = member.today {
                let count = (member.crossing, day.observed, day.expected);
                counts.push((member.direction, count));
            }
        }
        let way = self.way(counts.iter().map(|(direction, _)| *direction));
        let of = |way| counts.iter().filter(move |c| c.0 == way).map(|c| c.1);
        self.explaining = way.map_or_else(Vec::new, |way| {
            scan::explaining(way, &of(way).collect::<Vec<_>>())
        });
        let to_surge = |m: &&Move| of(Direction::Surge).any(|(crossing, ..)| crossing == m.to);
        self.moves = displaced.moves.iter().filter(to_surge).copied().collect();
        self.sources.clone_from(&displaced.sources);
    }

    /// Which of these directions it is explained by: its own where that is one of them.
    pub(super) fn way(&self, found: impl IntoIterator<Item = Direction>) -> Option<Direction> {
        let found: Vec<Direction> = found.into_iter().collect();
        let own = Some(self.id.direction).filter(|own| found.contains(own));
        own.or(found.first().copied())
    }

    /// Makes a change of it known.
    pub(super) fn tell(&mut self, change: Change, as_of: EventTime) -> Told {
        self.sequence += 1;
        self.as_of = as_of;
        Told {
            change,
            incident: self.clone(),
            by: None,
        }
    }
}

/// An incident after a change.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// What changed.
    pub change: Change,
    /// The incident after it.
    pub incident: Incident,
    /// The crossing and direction of the alert that joined it; none where none did, or that of a group.
    pub by: Option<(CrossingIx, Direction)>,
}
