//! Owns an incident: alerts of one stream that hang together along the border, the days they share, and what of them is moved.

use super::days::KeptDay;
use super::displacement::{Day, DayFlow, Displaced, Move};
use super::groups::GroupIx;
use super::member::{BACK_DAYS, BACK_RATIO};
pub use super::member::{DayCount, DaySeen, GroupMember, Member};
use super::scan;
use crate::core::alert::{Direction, Reading, Reason, Run, Severity};
use crate::core::episode::{Called, Gate, Likeness};
use crate::core::ids::{CrossingIx, StreamIx};
use crate::core::network::Network;
use crate::core::standing::Before;
use crate::core::time::EventTime;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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
    /// Another alert opened in it, or one of it goes on where a crossing opened again.
    Attached,
    /// It became part of an older one, which goes on.
    Merged(IncidentId),
    /// It was part of that one, and nothing links them any more.
    Split(IncidentId),
    /// It is plain, before the day is over, that most of the rise at a member may have moved there.
    Displaced(CrossingIx),
    /// Another day of it is over.
    Updated,
    /// The alert of this crossing has become worse than any of it was.
    Escalated(CrossingIx),
    /// Late reports or corrections changed what was told of it.
    Revised(Revised),
    /// All of its alerts have ended: why the last one did, or nothing where those that go on tell of the way back.
    Resolved(Option<Reason>),
    /// An alert opened in it within days of its end.
    Reopened,
}

/// What late reports or corrections changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Revised {
    /// The counts of a day.
    Day,
    /// The alert of a crossing: it is less severe than it was told of.
    Crossing(CrossingIx),
    /// The alert of a crossing, which was taken back.
    Withdrawn(CrossingIx),
    /// The alert of a group, which was taken back.
    Group(GroupIx),
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

    /// Why it is over, where an alert that ended says it, or what was told before is told otherwise.
    #[must_use]
    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::Resolved(reason) => reason,
            Self::Revised(_) => Some(Reason::Recounted),
            _ => None,
        }
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
    /// Since when it goes on by what is known now: later than it is named by where late reports or corrections took the first days.
    pub began: EventTime,
    /// When its last alert ended, and why, where that was not told yet.
    pub(super) ending: Option<(EventTime, Option<Reason>)>,
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

    pub(super) fn first_onset(&self) -> EventTime {
        let members = self.members.iter().filter(|m| !m.is_taken_back());
        let groups = self.groups.iter().filter(|g| !g.is_taken_back);
        let first = members.map(|m| m.began).chain(groups.map(|g| g.onset));
        first
            .min()
            .map_or(self.id.onset, |first| first.max(self.id.onset))
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
            began: id.onset,
            ending: None,
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
                if known.is_taken_back() {
                    known.began = member.began;
                }
                if member.is_open {
                    known.begin_again();
                    known.named = member.named;
                }
                if member.is_open || !known.is_open {
                    (known.severity, known.reason) = (member.severity, member.reason);
                }
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
        if self.is_open() || self.ending.is_some() {
            Change::Attached
        } else {
            Change::Reopened
        }
    }

    /// What was usual at a crossing before its first alert in the other direction; none where that is no earlier one.
    #[must_use]
    pub fn before(&self, crossing: CrossingIx, direction: Direction) -> Option<f64> {
        let mut earlier = self
            .members
            .iter()
            .take_while(|m| !m.is_same(crossing, direction));
        earlier.find(|m| m.crossing == crossing)?.before
    }

    /// Whether its last day says something of it.
    pub(super) fn has_day(&self) -> bool {
        self.members.iter().any(|m| m.today.is_some())
            || self.groups.iter().any(|g| g.is_open)
            || !self.newly_shut().is_empty()
    }

    /// Crossings of an open alert that were shut for all of the last day, and not for all of the day before.
    #[must_use]
    pub fn newly_shut(&self) -> Vec<CrossingIx> {
        let is_shut = |seen: &DaySeen| seen.exposure <= 0.0 && seen.gate == Gate::Closed;
        let is_new = |m: &&Member| match m.history.as_slice() {
            [.., before, last] => Some(last.day) == self.day && is_shut(last) && !is_shut(before),
            _ => false,
        };
        let open = self.members.iter().filter(|m| m.is_open);
        open.filter(is_new).map(|m| m.crossing).collect()
    }

    /// Keeps a closed day of its members, and counts the days that are back at what was usual before it.
    pub(super) fn remember(&mut self, day: Day, flows: &BTreeMap<CrossingIx, DayFlow>) {
        let was_open = self.is_open();
        for at in 0..self.members.len() {
            let (crossing, direction) = (self.members[at].crossing, self.members[at].direction);
            let before = self.before(crossing, direction);
            let Some(flow) = flows.get(&crossing) else {
                continue;
            };
            let seen = DaySeen::of(day, flow);
            let member = &mut self.members[at];
            // A day that its crossing had closed when it joined was counted then.
            match (member.remember(seen), was_open) {
                (true, true) => member.count_back(before, &[seen]),
                (true, false) => member.count_past(before, &seen),
                (false, _) => {}
            }
        }
    }

    /// The worst of its alerts so far; those that were taken back do not count while there are others.
    #[must_use]
    pub fn severity(&self) -> Severity {
        let members = self.members.iter();
        let members = members.map(|m| (!m.is_taken_back(), m.severity));
        let groups = self.groups.iter().map(|g| (!g.is_taken_back, g.severity));
        let worst = members.chain(groups).max();
        worst.map_or(Severity::Minor, |(_, severity)| severity)
    }

    /// Nothing is told of a crossing's rise, or fall, that was none.
    pub(super) fn leave_out(&mut self, crossing: CrossingIx, direction: Direction) {
        if direction == Direction::Surge {
            self.moves.retain(|m| m.to != crossing);
        }
        let mut others = self.members.iter().filter(|m| m.crossing == crossing);
        if !others.any(|m| m.is_open) {
            self.explaining.retain(|at| *at != crossing);
        }
    }

    /// Whether a day that is over says something of it: it had an alert then.
    pub(super) fn has_day_of(&self, kept: &KeptDay) -> bool {
        self.members.iter().any(|m| m.today.is_some())
            || self
                .groups
                .iter()
                .any(|g| g.is_open && g.joined <= kept.as_of)
    }

    /// Whether late reports or corrections left nothing of all its alerts.
    #[must_use]
    pub fn is_taken_back(&self) -> bool {
        self.members.iter().all(Member::is_taken_back)
            && self.groups.iter().all(|g| g.is_taken_back)
    }

    /// The incident as a day that is over says it was then, by what is known of that day now.
    pub(super) fn looking_back(&self, kept: &KeptDay) -> Self {
        let mut back = self.clone();
        for member in &mut back.members {
            member.is_open = member.was_open(kept.as_of);
        }
        back.on_day(kept.day, &kept.flows(), &kept.displaced);
        for (back, member) in back.members.iter_mut().zip(&self.members) {
            back.is_open = member.is_open;
        }
        if back.members.iter().all(|m| m.today.is_none()) {
            // What groups show is explained by all days since.
            back.explaining.clone_from(&self.explaining);
        }
        for group in &mut back.groups {
            if let Some(judgement) = kept.judgement(group.group, group.direction) {
                group.severity = judgement.alert.severity;
                group.see(&judgement.reading);
            }
        }
        back
    }

    /// Whether a reader of a day sees the same.
    pub(super) fn tells_alike(&self, other: &Self) -> bool {
        let count = |day: DayCount| {
            (
                day.observed,
                day.expected.round() as u64,
                day.rise,
                day.moved,
            )
        };
        let days =
            |of: &Self| -> Vec<_> { of.members.iter().map(|m| m.today.map(count)).collect() };
        days(self) == days(other)
            && (&self.groups, &self.explaining) == (&other.groups, &other.explaining)
            && (&self.moves, &self.sources) == (&other.moves, &other.sources)
    }

    /// Takes the counts of a day, closed or so far.
    pub(super) fn on_day(
        &mut self,
        day: Day,
        flows: &BTreeMap<CrossingIx, DayFlow>,
        displaced: &Displaced,
    ) {
        self.day = Some(day);
        // What comes back after a fall, up to what came before it, has not moved there.
        let is_coming_back = |crossing: CrossingIx| {
            let before = self.before(crossing, Direction::Surge);
            let flow = flows.get(&crossing);
            flow.zip(before)
                .is_some_and(|(f, b)| f.observed as f64 <= b.max(1.0) * BACK_RATIO.end())
        };
        let members = self.members.iter().map(|m| m.crossing);
        let back: BTreeSet<CrossingIx> = members.filter(|at| is_coming_back(*at)).collect();
        // What a fall's crossing counts above usual is no part of a surge, and no second share of one that it has too.
        let rises = |member: &Member| {
            let rise = displaced.rises.get(&member.crossing);
            let may_rise =
                |_: &&u64| member.direction == Direction::Surge && !back.contains(&member.crossing);
            rise.filter(may_rise).copied()
        };
        let mut counts = Vec::new();
        for member in &mut self.members {
            let flow = flows.get(&member.crossing).filter(|f| f.open_ratio > 0.0);
            member.today = flow.filter(|_| member.is_open).map(|flow| DayCount {
                observed: flow.observed,
                expected: flow.expected,
                rise: rises(member).unwrap_or(0),
                moved: rises(member).map_or(0, |_| displaced.moved_to(member.crossing)),
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
        let to_surge = |m: &&Move| {
            !back.contains(&m.to) && of(Direction::Surge).any(|(crossing, ..)| crossing == m.to)
        };
        self.moves = displaced.moves.iter().filter(to_surge).copied().collect();
        let concerns = |at: &CrossingIx| {
            self.members.iter().any(|m| m.crossing == *at)
                || self.moves.iter().any(|m| m.from == *at)
        };
        let sources = displaced.sources.iter().filter(|(at, _)| concerns(at));
        self.sources = sources.map(|(at, last)| (*at, *last)).collect();
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
        // A partition that lags closes its days after the others have gone on.
        self.as_of = self.as_of.max(as_of);
        self.began = self.first_onset();
        Told {
            change,
            incident: self.clone(),
            by: None,
            count: None,
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
    /// What an alert that changed it counts.
    pub count: Option<Counted>,
}

impl Told {
    /// Whether an alert of a crossing began, went on or grew in it.
    pub(super) fn is_of_alert(&self) -> bool {
        self.by.is_some() || matches!(self.change, Change::Escalated(_))
    }
}

/// What an alert rests on when it is told of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counted {
    /// Which way the alert goes.
    pub direction: Direction,
    /// The bucket that decided.
    pub reading: Reading,
    /// What came from its beginning to that bucket, where the bucket opened it.
    pub run: Option<Run>,
    /// Up to when the bucket is counted, where it is not over.
    pub until: Option<EventTime>,
    /// For how many days what is usual has been so, where it is the level of a surge or drop that lasted, and which it was.
    pub usual_for_days: Option<(u32, Direction)>,
    /// What was usual before that.
    pub before: Option<Before>,
    /// The alert goes on at a crossing that was shut for days.
    pub reopens: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::StreamIx;

    #[test]
    fn what_is_told_later_is_of_no_earlier_moment() {
        let id = IncidentId {
            onset: EventTime(0),
            crossing: CrossingIx(0),
            stream: StreamIx(0),
            direction: Direction::Surge,
            group: None,
        };
        let mut incident = Incident::of(id, EventTime(0));
        let as_of =
            [5, 3, 8].map(|at| incident.tell(Change::Updated, EventTime(at)).incident.as_of);
        assert_eq!(as_of, [5, 5, 8].map(EventTime));
    }
}
