//! Owns the incidents of a border: which alerts hang together, when incidents merge, split and end, and what is told of them.

use super::border::Border;
use super::days::{ClosedDay, KeptDay, StreamState};
use super::displacement::{Day, Displaced, Move};
use super::groups::{GroupIx, GroupTally, Judgement};
use super::incident::{Change, Counted, GroupMember, Incident, IncidentId, Member, Told};
use super::member::{DayCount, LINK_MS};
use super::scan;
use crate::core::alert::{Alert, Direction, Reading, Transition};
use crate::core::calendar::local;
use crate::core::ids::{CrossingIx, StreamIx};
use crate::core::lens::Lens;
use crate::core::network::Network;
use crate::core::output::Output;
use crate::core::params::Params;
use crate::core::time::EventTime;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Crossings of different corridors hang together at this many steps along the neighbours.
pub(super) const LINK_HOPS: u32 = 2;

/// All incidents of a border. It consumes what the machine puts out, in order.
#[derive(Debug, Clone)]
pub struct Region {
    pub(super) border: Border,
    pub(super) tally: GroupTally,
    pub(super) state: RegionState,
}

/// What a region remembers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RegionState {
    pub(super) streams: BTreeMap<StreamIx, StreamState>,
    pub(super) incidents: Vec<Incident>,
}

impl Region {
    /// A region that remembers `state`; an empty one for a fresh start. A state belongs to the network it was made with.
    #[must_use]
    pub fn new(network: Arc<Network>, params: Params, state: RegionState) -> Self {
        Self {
            border: Border::new(network, params),
            tally: GroupTally::default(),
            state,
        }
    }

    /// What it remembers.
    #[must_use]
    pub fn state(&self) -> &RegionState {
        &self.state
    }

    /// What was accepted and what came at groups since this was last asked.
    pub fn take_tally(&mut self) -> GroupTally {
        std::mem::take(&mut self.tally)
    }

    /// The incidents that are open or ended within days, the oldest first.
    #[must_use]
    pub fn incidents(&self) -> &[Incident] {
        &self.state.incidents
    }

    /// Takes one output of the machine and tells what changed.
    pub fn take(&mut self, output: &Output) -> Vec<Told> {
        let mut told = self.tell_ends(output.as_of());
        told.extend(self.react(output));
        told
    }

    fn react(&mut self, output: &Output) -> Vec<Told> {
        match output {
            Output::Count {
                crossing,
                stream,
                reading,
                as_of,
                ..
            } => match reading.lens {
                Lens::Hour => self.hour(*crossing, *stream, reading, *as_of),
                _ => self.day(*crossing, *stream, reading, *as_of),
            },
            Output::Alert {
                crossing,
                stream,
                alert,
                transition,
                reading,
                run,
                closed,
                usual_for_days,
                before,
                as_of,
                ..
            } => {
                let mut told = self.alert(*crossing, *stream, alert, *transition, *as_of);
                let is_over = *closed || reading.end <= *as_of;
                for one in told.iter_mut().filter(|one| one.is_of_alert()) {
                    one.count = Some(Counted {
                        direction: alert.direction,
                        reading: *reading,
                        run: *run,
                        until: (!is_over).then_some(*as_of),
                        usual_for_days: *usual_for_days,
                        before: *before,
                        reopens: *transition == Transition::Reopened && alert.reason.is_none(),
                    });
                }
                told
            }
            Output::Notice { .. } => Vec::new(),
        }
    }

    /// An alert of a crossing opened, changed or ended.
    fn alert(
        &mut self,
        crossing: CrossingIx,
        stream: StreamIx,
        alert: &Alert,
        transition: Transition,
        as_of: EventTime,
    ) -> Vec<Told> {
        match transition {
            // What goes on after a closure never left its incident.
            Transition::Reopened if self.holding(crossing, stream, alert.direction).is_some() => {
                let told = self.go_on(crossing, stream, alert, as_of);
                told.into_iter().collect()
            }
            Transition::Opened | Transition::Reopened => {
                self.attach(crossing, stream, alert, as_of)
            }
            Transition::Resolved | Transition::Retracted => {
                self.end(crossing, stream, alert, as_of)
            }
            Transition::Escalated | Transition::Deescalated | Transition::Updated => {
                let told = self.weigh(crossing, stream, alert, as_of);
                told.into_iter().collect()
            }
        }
    }

    /// An hour of a crossing closed, or is counted anew. Where it takes over flow from where none moved to it on the day before, that is
    /// told at once; what goes on is told with its day.
    fn hour(
        &mut self,
        crossing: CrossingIx,
        stream: StreamIx,
        reading: &Reading,
        as_of: EventTime,
    ) -> Vec<Told> {
        let state = self.state.streams.entry(stream).or_default();
        let place = self.border.network.crossing(crossing);
        let Some(day) = state.close_hour(place, crossing, reading) else {
            return Vec::new();
        };
        let is_over = Day::of(&local(&place.tz, as_of)) != day;
        let mut told = self.look_again(stream, as_of);
        // The last hour closes with its day, which is told of as a whole.
        if !is_over {
            told.extend(self.take_over(crossing, stream, day, reading, as_of));
        }
        told
    }

    fn take_over(
        &mut self,
        crossing: CrossingIx,
        stream: StreamIx,
        day: Day,
        reading: &Reading,
        as_of: EventTime,
    ) -> Option<Told> {
        let surge = |m: &Member| {
            m.is_open && m.is_same(crossing, Direction::Surge) && m.displaced_on != Some(day)
        };
        let of_stream = |i: &&mut Incident| i.id.stream == stream;
        let mut incidents = self.state.incidents.iter_mut().filter(of_stream);
        let incident = incidents.find(|i| i.is_open() && i.members.iter().any(surge))?;
        if reading.observed == 0 {
            return None;
        }
        let state = self.state.streams.get(&stream)?;
        let (flows, displaced) = state.so_far(day, &self.border.hops);
        let mut ahead = incident.clone();
        ahead.on_day(day, &flows, &displaced);
        let last = state.kept.back().map(|kept| &kept.displaced.moves);
        let goes_on = |from| {
            let same = |m: &Move| (m.from, m.to) == (from, crossing);
            last.is_some_and(|moves| moves.iter().any(same))
        };
        let is_news = |m: &Member| {
            let mut of_member = ahead.moves.iter().filter(|one| one.to == m.crossing);
            m.displaced_on.is_none() || !of_member.all(|one| goes_on(one.from))
        };
        let is_plain = |m: &Member| surge(m) && m.today.is_some_and(|d| d.is_displaced());
        let at = ahead
            .members
            .iter()
            .position(|m| is_plain(m) && is_news(m))?;
        ahead.members[at].displaced_on = Some(day);
        *incident = ahead;
        Some(incident.tell(Change::Displaced(crossing), as_of))
    }

    /// A day of a crossing closed, or is counted anew.
    fn day(
        &mut self,
        crossing: CrossingIx,
        stream: StreamIx,
        reading: &Reading,
        as_of: EventTime,
    ) -> Vec<Told> {
        let state = self.state.streams.entry(stream).or_default();
        state.close(self.border.network.crossing(crossing), crossing, reading);
        let mut told = Vec::new();
        while let Some((day, closed)) = self.next_over(stream) {
            told.extend(self.look_again(stream, as_of));
            told.extend(self.split(stream, as_of));
            let kept = KeptDay {
                day,
                as_of,
                closed,
                told: self.told_crossings(stream, day),
                told_since: Vec::new(),
                displaced: Displaced::default(),
                judgements: Vec::new(),
            };
            told.extend(self.day_over(stream, kept, as_of));
        }
        told
    }

    /// Crossings that had an alert on a day, or whose usual was taken from one of late: what was said of their counts is no news of a group.
    pub(super) fn told_crossings(&self, stream: StreamIx, day: Day) -> BTreeSet<CrossingIx> {
        let of_stream = self
            .state
            .incidents
            .iter()
            .filter(|i| i.id.stream == stream);
        let members = of_stream.flat_map(|i| &i.members);
        let is_told = |m: &&Member| {
            let tz = &self.border.network.crossing(m.crossing).tz;
            let last = |at| Day(Day::of(&local(tz, at)).0 + m.told_after_days());
            m.is_open || !m.is_taken_back() && m.ended.map(last) >= Some(day)
        };
        members.filter(is_told).map(|m| m.crossing).collect()
    }

    fn next_over(&mut self, stream: StreamIx) -> Option<(Day, BTreeMap<CrossingIx, ClosedDay>)> {
        self.state.streams.get_mut(&stream)?.next_over()
    }

    fn day_over(&mut self, stream: StreamIx, kept: KeptDay, as_of: EventTime) -> Vec<Told> {
        let state = self.state.streams.entry(stream).or_default();
        state.enter(&self.border, stream, kept, &mut self.tally);
        let kept = state.kept.back().expect("it was just entered").clone();
        let (flows, judgements) = (kept.flows(), &kept.judgements);
        let (mut told, mut begun_again) = (Vec::new(), Vec::new());
        let of_stream = |i: &&mut Incident| i.id.stream == stream;
        for incident in self.state.incidents.iter_mut().filter(of_stream) {
            let was_open = incident.is_open();
            incident.remember(kept.day, &flows);
            match (was_open, incident.is_open()) {
                (false, false) => continue,
                (false, true) => begun_again.push(incident.id),
                (true, false) => incident.ending = Some((as_of, None)),
                (true, true) => {}
            }
            incident.on_day(kept.day, &flows, &kept.displaced);
            for (group, judgement) in judgements {
                let direction = judgement.alert.direction;
                let same = |m: &&mut GroupMember| {
                    m.group == *group && m.direction == direction && m.is_open
                };
                if let Some(member) = incident.groups.iter_mut().find(same) {
                    member.severity = judgement.alert.severity;
                    member.see(&judgement.reading);
                }
            }
        }
        self.explain_groups(stream);
        self.liken(stream);
        for incident in self.state.incidents.iter_mut().filter(of_stream) {
            if begun_again.contains(&incident.id) {
                let mut members = incident.members.iter().filter(|m| m.is_going_on());
                let by = members.next().map(|m| (m.crossing, m.direction));
                told.push(Told {
                    by,
                    ..incident.tell(Change::Reopened, as_of)
                });
            } else if incident.is_open() && incident.has_day() {
                told.push(incident.tell(Change::Updated, as_of));
            }
        }
        for (group, judgement) in judgements {
            match judgement.transition {
                Transition::Opened => told.extend(self.attach_group(*group, judgement, as_of)),
                transition if transition.is_end() => {
                    told.extend(self.end_group(*group, &judgement.alert, as_of));
                }
                _ => {}
            }
        }
        told
    }

    /// Which crossings explain what only groups show: those whose days since its onset rose, or fell, together.
    pub(super) fn explain_groups(&mut self, stream: StreamIx) {
        let state = self.state.streams.entry(stream).or_default();
        for incident in self
            .state
            .incidents
            .iter_mut()
            .filter(|i| i.id.stream == stream)
        {
            let open = incident.groups.iter().filter(|g| g.is_open);
            let open: Vec<&GroupMember> = open.collect();
            let Some(way) = incident.way(open.iter().map(|g| g.direction)) else {
                continue;
            };
            if incident.members.iter().any(|m| m.is_open) {
                continue;
            }
            let mut counts = BTreeMap::new();
            for member in open.into_iter().filter(|g| g.direction == way) {
                let Some(group) = self.border.groups.get(usize::from(member.group.0)) else {
                    continue;
                };
                for &crossing in &group.members {
                    let tz = &self.border.network.crossing(crossing).tz;
                    let onset = Day::of(&local(tz, member.onset));
                    let days = state.history(crossing).into_iter();
                    let since = days.filter(|d| d.day >= onset && d.exposure > 0.0);
                    let sum = since.fold((0, 0.0), |(y, e), d| {
                        (y + d.observed, e + f64::from(d.expected))
                    });
                    counts.insert(crossing, sum);
                }
            }
            let counts: Vec<_> = counts.into_iter().map(|(at, (y, e))| (at, y, e)).collect();
            incident.explaining = scan::explaining(way, &counts);
        }
    }

    /// An alert opened: it joins the oldest incident it hangs together with; others that do are merged into that one. Groups of the
    /// crossing begin their evidence anew: what it holds of this crossing is told.
    fn attach(
        &mut self,
        crossing: CrossingIx,
        stream: StreamIx,
        alert: &Alert,
        as_of: EventTime,
    ) -> Vec<Told> {
        let state = self.state.streams.entry(stream).or_default();
        let tz = self.border.network.crossing(crossing).tz.clone();
        let day = |at| Day::of(&local(&tz, at));
        let decided = (crossing, day(alert.decided));
        state.tell_of(&self.border, stream, decided, day(as_of));
        let mut member = Member::of(crossing, alert, state.history(crossing), as_of);
        self.forget_old(as_of);
        let mut linked = self.linked(crossing, stream, as_of);
        let id = IncidentId {
            onset: alert.onset,
            crossing,
            stream,
            direction: alert.direction,
            group: None,
        };
        if linked.is_empty() {
            // What was taken back and comes again goes on under its name.
            let has_its_name = |i: &Incident| {
                IncidentId {
                    onset: id.onset,
                    ..i.id
                } == id
                    && day(i.id.onset) == day(id.onset)
            };
            linked.extend(self.state.incidents.iter().position(has_its_name));
        }
        if linked.is_empty() {
            let mut incident = Incident::of(id, as_of);
            incident.join(member);
            return vec![self.open(incident)];
        }
        let older = linked.remove(0);
        let survivor = self.state.incidents[older].id;
        let change = self.state.incidents[older].joining();
        let mut told = Vec::new();
        for at in linked.into_iter().rev() {
            let mut younger = self.state.incidents.remove(at);
            told.push(younger.tell(Change::Merged(survivor), as_of));
            self.state.incidents[older].absorb(younger);
        }
        let incident = &mut self.state.incidents[older];
        let was_open = incident.is_open();
        let before = incident.before(crossing, alert.direction);
        let days = member.history.clone();
        member.count_back(before, &days);
        incident.join(member);
        // The way back to what was usual begins nothing anew.
        if was_open || incident.is_open() {
            told.push(Told {
                by: Some((crossing, alert.direction)),
                ..incident.tell(change, as_of)
            });
        }
        told
    }

    pub(super) fn attach_group(
        &mut self,
        group: GroupIx,
        judgement: &Judgement,
        as_of: EventTime,
    ) -> Option<Told> {
        let alert = &judgement.alert;
        let mut member = GroupMember {
            group,
            direction: alert.direction,
            onset: alert.onset,
            severity: alert.severity,
            joined: as_of,
            is_open: true,
            is_taken_back: false,
            today: DayCount::default(),
        };
        member.see(&judgement.reading);
        self.forget_old(as_of);
        let own = &self.border.groups[usize::from(group.0)];
        let inside = |m: &Member| {
            m.direction == alert.direction && m.is_live(as_of) && own.members.contains(&m.crossing)
        };
        let overlaps = |m: &GroupMember| {
            let other = &self.border.groups[usize::from(m.group.0)].members;
            m.direction == alert.direction && !other.is_disjoint(&own.members)
        };
        let is_linked = |i: &&mut Incident| {
            i.id.stream == own.stream
                && (i.members.iter().any(inside) || i.groups.iter().any(overlaps))
        };
        if let Some(incident) = self.state.incidents.iter_mut().find(is_linked) {
            if incident.is_on_its_way_back() {
                return None;
            }
            let change = incident.joining();
            incident.join_group(member);
            return Some(incident.tell(change, as_of));
        }
        let id = IncidentId {
            onset: alert.onset,
            crossing: own.members.first().copied().unwrap_or(CrossingIx(0)),
            stream: own.stream,
            direction: alert.direction,
            group: Some(group),
        };
        let stream = own.stream;
        let mut incident = Incident::of(id, as_of);
        incident.join_group(member);
        self.open(incident);
        self.explain_groups(stream);
        let opened = self.state.incidents.last().expect("it was just put there");
        Some(Told {
            change: Change::Opened,
            incident: opened.clone(),
            by: None,
            count: None,
        })
    }

    fn open(&mut self, incident: Incident) -> Told {
        self.state.incidents.push(incident.clone());
        Told {
            change: Change::Opened,
            by: incident.members.last().map(|m| (m.crossing, m.direction)),
            count: None,
            incident,
        }
    }

    /// Alerts of the way back may go on for weeks after their incident is over: what comes near them then belongs with them.
    fn forget_old(&mut self, as_of: EventTime) {
        let is_recent = |i: &Incident| {
            i.is_open()
                || as_of.0 - i.as_of.0 <= LINK_MS
                || i.members.iter().any(|m| m.is_live(as_of))
        };
        self.state.incidents.retain(is_recent);
    }

    /// An incident whose open alerts hang together in several parts is as many incidents: the one with its oldest open alert keeps
    /// the name, each other one has that of its own oldest alert.
    fn split(&mut self, stream: StreamIx, as_of: EventTime) -> Vec<Told> {
        let mut told = Vec::new();
        let mut parted = Vec::new();
        for at in 0..self.state.incidents.len() {
            let incident = &self.state.incidents[at];
            if incident.id.stream != stream || !incident.is_open() {
                continue;
            }
            let mut parts = self.parts(incident, as_of);
            if parts.len() < 2 {
                continue;
            }
            parts.remove(0);
            let incident = &mut self.state.incidents[at];
            for part in parts {
                let Some(mut other) = incident.part(&part) else {
                    continue;
                };
                told.push(other.tell(Change::Split(incident.id), as_of));
                parted.push(other);
            }
        }
        self.state.incidents.extend(parted);
        told
    }

    /// The parts of an incident that hang together, each with an open alert; the one with the oldest first.
    fn parts(&self, incident: &Incident, as_of: EventTime) -> Vec<BTreeSet<CrossingIx>> {
        let mut parts: Vec<BTreeSet<CrossingIx>> = Vec::new();
        let open_groups = incident.groups.iter().filter(|g| g.is_open);
        let groups =
            open_groups.map(|g| self.border.groups[usize::from(g.group.0)].members.clone());
        let live = incident.members.iter().filter(|m| m.is_live(as_of));
        for mut joined in groups.chain(live.map(|m| BTreeSet::from([m.crossing]))) {
            let own = joined.clone();
            let near = |part: &BTreeSet<CrossingIx>| {
                let mut pairs = own.iter().flat_map(|a| part.iter().map(move |b| (*a, *b)));
                pairs.any(|(a, b)| self.hang_together(a, b))
            };
            parts.retain(|part| {
                let is_near = near(part);
                if is_near {
                    joined.extend(part);
                }
                !is_near
            });
            parts.push(joined);
        }
        let first_open = |part: &BTreeSet<CrossingIx>| {
            let open = incident.members.iter();
            open.clone()
                .position(|m| m.is_open && part.contains(&m.crossing))
        };
        let holds_group = |part: &BTreeSet<CrossingIx>| {
            let mut open = incident.groups.iter().filter(|g| g.is_open);
            open.any(|g| {
                self.border.groups[usize::from(g.group.0)]
                    .members
                    .is_subset(part)
            })
        };
        parts.retain(|part| first_open(part).is_some() || holds_group(part));
        parts.sort_by_key(|part| (!holds_group(part), first_open(part)));
        parts
    }

    /// Places of the incidents that an alert at a crossing hangs together with, the oldest first.
    fn linked(&self, crossing: CrossingIx, stream: StreamIx, as_of: EventTime) -> Vec<usize> {
        let near = |m: &Member| m.is_live(as_of) && self.hang_together(m.crossing, crossing);
        let covers = |g: &GroupMember| {
            g.is_open
                && self.border.groups[usize::from(g.group.0)]
                    .members
                    .contains(&crossing)
        };
        let is_linked = |i: &Incident| {
            i.id.stream == stream && (i.members.iter().any(near) || i.groups.iter().any(covers))
        };
        let incidents = self.state.incidents.iter().enumerate();
        let linked = incidents.filter(|(_, incident)| is_linked(incident));
        linked.map(|(at, _)| at).collect()
    }

    fn hang_together(&self, a: CrossingIx, b: CrossingIx) -> bool {
        let corridor = |ix| &self.border.network.crossing(ix).corridor;
        corridor(a) == corridor(b)
            || self
                .border
                .hops
                .between(a, b)
                .is_some_and(|h| h <= LINK_HOPS)
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
pub(super) mod tests;
