//! Owns what late reports and corrections change of days that are over: their flow is moved anew, their groups are judged anew,
//! and an incident tells of it where a reader of its days or alerts would see something else.

use super::days::KeptDay;
use super::groups::{GroupIx, Judgement};
use super::incident::{Change, DaySeen, Incident, Revised, Told};
use super::watch::Region;
use crate::core::alert::{Alert, Direction};
use crate::core::ids::StreamIx;
use crate::core::time::EventTime;
use std::collections::{BTreeMap, VecDeque};

type GroupAlerts = BTreeMap<(GroupIx, usize), Alert>;

impl Region {
    /// Looks at what was counted anew since an hour or day closed last: a backlog of many is told of once.
    pub(super) fn look_again(&mut self, stream: StreamIx, as_of: EventTime) -> Vec<Told> {
        let state = self.state.streams.get_mut(&stream);
        let Some(state) = state.filter(|state| state.is_revised()) else {
            return Vec::new();
        };
        let were_told = state.front.alerts();
        let before = state.revise(&self.border, stream);
        let (are_told, after) = (state.front.alerts(), state.kept.clone());
        self.correct_histories(stream, &before, &after);
        let mut told = self.end_groups_again(&were_told, &are_told, &after, as_of);
        told.extend(self.tell_days_again(stream, &before, &after, as_of));
        told.extend(self.open_groups_late(&were_told, &are_told, &after, as_of));
        told
    }

    fn correct_histories(
        &mut self,
        stream: StreamIx,
        before: &VecDeque<KeptDay>,
        after: &VecDeque<KeptDay>,
    ) {
        let incidents = self.state.incidents.iter_mut();
        let incidents = incidents.filter(|i| i.id.stream == stream);
        for member in incidents.flat_map(|i| &mut i.members) {
            for (before, after) in before.iter().zip(after) {
                let now = after.closed.get(&member.crossing);
                if let Some(now) =
                    now.filter(|now| before.closed.get(&member.crossing) != Some(now))
                {
                    member.correct(DaySeen::of(after.day, &now.flow));
                }
            }
        }
    }

    /// Alerts of groups that the days say nothing of any more, or that they end.
    fn end_groups_again(
        &mut self,
        were_told: &GroupAlerts,
        are_told: &GroupAlerts,
        days: &VecDeque<KeptDay>,
        as_of: EventTime,
    ) -> Vec<Told> {
        let gone = were_told
            .iter()
            .filter(|(at, _)| !are_told.contains_key(at));
        let ended = gone.filter_map(|(&(group, direction), alert)| {
            let direction = Direction::ALL[direction];
            let last = last(days, group, direction).filter(|last| last.transition.is_end());
            let alert = last.map_or_else(
                || {
                    let mut alert = *alert;
                    alert.end(None);
                    alert
                },
                |last| last.alert,
            );
            self.end_group(group, &alert, as_of)
        });
        ended.collect()
    }

    /// Alerts of groups that would have been told of.
    fn open_groups_late(
        &mut self,
        were_told: &GroupAlerts,
        are_told: &GroupAlerts,
        days: &VecDeque<KeptDay>,
        as_of: EventTime,
    ) -> Vec<Told> {
        let new = are_told.keys().filter(|at| !were_told.contains_key(at));
        let opened = new.filter_map(|&(group, direction)| {
            let last = last(days, group, Direction::ALL[direction])?;
            self.tally.opened[direction] += 1;
            self.attach_group(group, last, as_of)
        });
        opened.collect()
    }

    /// Each day of an open incident that says something else now, the oldest first, and at the end the incident as it stands.
    fn tell_days_again(
        &mut self,
        stream: StreamIx,
        before: &VecDeque<KeptDay>,
        after: &VecDeque<KeptDay>,
        as_of: EventTime,
    ) -> Vec<Told> {
        let mut told = Vec::new();
        let mut changed = Vec::new();
        for (at, incident) in self.state.incidents.iter_mut().enumerate() {
            if incident.id.stream != stream || !incident.is_open() {
                continue;
            }
            let mut is_changed = false;
            // It stands at a changed day that was not told of.
            let mut is_untold = false;
            for (before, after) in before.iter().zip(after) {
                let (old, mut new) = (incident.looking_back(before), incident.looking_back(after));
                if old.tells_alike(&new) || !new.has_day_of(after) {
                    continue;
                }
                is_changed = true;
                if incident.day.is_some_and(|day| after.day < day) {
                    incident.sequence += 1;
                    new.sequence = incident.sequence - 1;
                    told.push(new.tell(Change::Revised(Revised::Day), as_of));
                } else {
                    if is_untold && incident.day < new.day {
                        told.push(incident.tell(Change::Revised(Revised::Day), as_of));
                        new.sequence = incident.sequence;
                    }
                    *incident = new;
                    is_untold = true;
                }
            }
            if is_changed {
                changed.push(at);
            }
        }
        if let Some(state) = self.state.streams.get(&stream) {
            for &at in &changed {
                let incident: &mut Incident = &mut self.state.incidents[at];
                let goes_on = |day: &_| after.back().is_some_and(|last| last.day < *day);
                if let Some(day) = incident.day.filter(goes_on) {
                    let (flows, displaced) = state.so_far(day, &self.border.hops);
                    incident.on_day(day, &flows, &displaced);
                }
            }
        }
        self.explain_groups(stream);
        for at in changed {
            told.push(self.state.incidents[at].tell(Change::Revised(Revised::Day), as_of));
        }
        told
    }
}

/// What was made of a group's alert on the last of the days that says something of it.
fn last(days: &VecDeque<KeptDay>, group: GroupIx, direction: Direction) -> Option<&Judgement> {
    let judged = days.iter().rev();
    judged
        .filter_map(|kept| kept.judgement(group, direction))
        .next()
}

#[cfg(test)]
#[path = "revising_tests.rs"]
mod tests;
