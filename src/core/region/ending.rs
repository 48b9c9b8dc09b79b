//! Owns what becomes of an incident whose alerts end, are taken back, or grow worse.

use super::groups::GroupIx;
use super::incident::{Change, GroupMember, Incident, Member, Revised, Told};
use super::watch::Region;
use crate::core::alert::{Alert, Direction, Reason};
use crate::core::ids::{CrossingIx, StreamIx};
use crate::core::time::{EventTime, HOUR_MS};

/// An incident is told of as over once this long no alert of it was open: where one crossing ends as another begins, it goes on.
const OVER_AFTER_MS: i64 = HOUR_MS / 2;

impl Region {
    /// Tells of the incidents that are over by now.
    pub(super) fn tell_ends(&mut self, as_of: EventTime) -> Vec<Told> {
        let mut told = Vec::new();
        for incident in &mut self.state.incidents {
            let is_due = |(at, _): &(EventTime, _)| as_of.0 - at.0 >= OVER_AFTER_MS;
            let Some((_, reason)) = incident.ending.filter(is_due) else {
                continue;
            };
            incident.ending = None;
            if !incident.is_open() {
                told.push(incident.tell(Change::Resolved(reason), as_of));
            }
        }
        told
    }

    /// An alert ended, or it is known otherwise than it was told that it had.
    pub(super) fn end(
        &mut self,
        crossing: CrossingIx,
        stream: StreamIx,
        alert: &Alert,
        as_of: EventTime,
    ) -> Vec<Told> {
        let incidents = &mut self.state.incidents;
        let same = |m: &Member| m.is_same(crossing, alert.direction);
        let is_open = |i: &Incident| i.members.iter().any(|m| m.is_open && same(m));
        let is_known = |i: &Incident| i.members.iter().any(|m| m.onset == alert.named && same(m));
        let mut of_stream = incidents.iter_mut().filter(|i| i.id.stream == stream);
        let found = match of_stream.find(|i| is_open(i)) {
            Some(found) => Some(found),
            None => {
                let again = incidents.iter_mut().filter(|i| i.id.stream == stream);
                again.rev().find(|i| is_known(i))
            }
        };
        let Some(incident) = found else {
            return Vec::new();
        };
        let (was_open, was_taken_back) = (incident.is_open(), incident.is_taken_back());
        let Some(member) = incident.members.iter_mut().find(|m| same(m)) else {
            return Vec::new();
        };
        if member.is_open && alert.named < member.named {
            member.end_earlier(alert, as_of);
            return Vec::new();
        }
        member.end(alert, as_of);
        let is_taken_back = alert.reason == Some(Reason::Recounted);
        if is_taken_back {
            incident.leave_out(crossing, alert.direction);
        }
        let is_never = incident.is_taken_back() && !was_taken_back;
        let told = match (was_open, incident.is_open()) {
            (true, true) if is_taken_back => {
                let what = Revised::Withdrawn(crossing);
                Some(incident.tell(Change::Revised(what), as_of))
            }
            (true, true) => None,
            (true, false) => {
                incident.ending = Some((as_of, alert.reason));
                None
            }
            // It was over, and is told of as never having been.
            (false, _) => {
                if is_never {
                    incident.ending = Some((as_of, alert.reason));
                }
                None
            }
        };
        let mut others = incidents.iter().filter(|i| i.id.stream == stream);
        let goes_on = |m: &Member| m.is_open && m.crossing == crossing;
        if is_taken_back
            && !others.any(|i| i.members.iter().any(goes_on))
            && let Some(state) = self.state.streams.get_mut(&stream)
        {
            state.take_back(crossing);
        }
        told.into_iter().collect()
    }

    /// A group's alert ended.
    pub(super) fn end_group(
        &mut self,
        group: GroupIx,
        alert: &Alert,
        as_of: EventTime,
    ) -> Option<Told> {
        let same =
            |m: &&mut GroupMember| m.group == group && m.direction == alert.direction && m.is_open;
        for incident in &mut self.state.incidents {
            let was_open = incident.is_open();
            let Some(member) = incident.groups.iter_mut().find(same) else {
                continue;
            };
            member.is_open = false;
            member.is_taken_back = alert.reason == Some(Reason::Recounted);
            if was_open && !incident.is_open() {
                incident.ending = Some((as_of, alert.reason));
                return None;
            }
            let is_told = was_open
                && incident
                    .groups
                    .iter()
                    .any(|g| g.group == group && g.is_taken_back);
            let change = Change::Revised(Revised::Group(group));
            return is_told.then(|| incident.tell(change, as_of));
        }
        None
    }

    /// An alert that goes on grew worse, or was told of as worse than it is: told where the worst of its incident is another now.
    pub(super) fn weigh(
        &mut self,
        crossing: CrossingIx,
        stream: StreamIx,
        alert: &Alert,
        as_of: EventTime,
    ) -> Option<Told> {
        let same = |m: &&mut Member| m.is_open && m.is_same(crossing, alert.direction);
        let incident = self.holding(crossing, stream, alert.direction)?;
        let before = incident.severity();
        incident.members.iter_mut().find(same)?.see(alert);
        let change = match before.cmp(&incident.severity()) {
            std::cmp::Ordering::Less => Change::Escalated(crossing),
            std::cmp::Ordering::Greater => Change::Revised(Revised::Crossing(crossing)),
            std::cmp::Ordering::Equal => return None,
        };
        let is_open = incident.is_open();
        is_open.then(|| incident.tell(change, as_of))
    }

    /// An alert goes on where a crossing opened again, which the whole incident's readers hear of, as worse where it is.
    pub(super) fn go_on(
        &mut self,
        crossing: CrossingIx,
        stream: StreamIx,
        alert: &Alert,
        as_of: EventTime,
    ) -> Option<Told> {
        if let Some(told) = self.weigh(crossing, stream, alert, as_of) {
            return Some(told);
        }
        let incident = self.holding(crossing, stream, alert.direction)?;
        incident.is_open().then(|| Told {
            by: Some((crossing, alert.direction)),
            ..incident.tell(Change::Attached, as_of)
        })
    }

    /// The incident of an open alert.
    pub(super) fn holding(
        &mut self,
        crossing: CrossingIx,
        stream: StreamIx,
        direction: Direction,
    ) -> Option<&mut Incident> {
        let same = |m: &Member| m.is_open && m.is_same(crossing, direction);
        let mut incidents = self.state.incidents.iter_mut();
        incidents.find(|i| i.id.stream == stream && i.members.iter().any(same))
    }
}
