//! Owns the alerts of an incident, at crossings and of groups: when they joined and ended, and what days say of them.

use super::displacement::Day;
use super::groups::GroupIx;
use crate::core::alert::{Alert, Direction, Feedback, Reading, Reason, Severity};
use crate::core::episode::Gate;
use crate::core::ids::CrossingIx;
use crate::core::time::{EventTime, HOUR_MS};
use serde::{Deserialize, Serialize};

/// An alert joins an incident whose alerts near it ended at most this long ago.
pub(super) const LINK_MS: i64 = 7 * 24 * HOUR_MS;
/// Days after which a level that was taken for usual is known; no more than an incident is kept.
const RELEARNT_DAYS: i32 = 6;
/// Days of a member that are kept, the newest.
pub(super) const HISTORY_DAYS: usize = 120;
/// Days of a crossing that are kept before it joins an incident.
pub(super) const LEAD_DAYS: usize = 28;
/// Days in a row at what was usual before an incident after which an alert on the way back is no part of it any more.
pub(super) const BACK_DAYS: u8 = 3;
/// A day is back at what was usual before at such a multiple of it: weekdays lie as far from their mean.
pub(super) const BACK_RATIO: std::ops::RangeInclusive<f64> = 0.7..=1.4;
/// Fewer days are no measure of what was usual.
const BEFORE_DAYS: usize = 7;
/// Less than this many moved arrivals, or than half of a rise, do not make it displaced.
const MIN_MOVED: u64 = 10;

/// What a day says of a member.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct DayCount {
    /// Arrivals counted.
    pub observed: u64,
    /// Arrivals expected.
    pub expected: f64,
    /// Arrivals above what is expected, and where flow is missing near it, above the level before too.
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

/// A closed day of a crossing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DaySeen {
    /// The day.
    pub day: Day,
    /// Arrivals counted.
    pub observed: u64,
    /// Arrivals expected.
    pub expected: f32,
    /// Share of its own hours of the day in which it was open and seen, in [0, 1].
    pub exposure: f32,
    /// What it was for most of these hours.
    pub gate: Gate,
}

/// An alert of an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Where.
    pub crossing: CrossingIx,
    /// Which way.
    pub direction: Direction,
    /// Onset that its first alert was named by.
    pub onset: EventTime,
    /// Since when it has had an alert, by what is known now.
    pub(super) began: EventTime,
    /// Onset that its last alert was named by.
    pub(super) named: EventTime,
    /// When it joined.
    pub joined: EventTime,
    /// Whether its alert goes on.
    pub is_open: bool,
    /// The worst its alert has been told of.
    pub severity: Severity,
    /// When its alert ended, if it did.
    pub ended: Option<EventTime>,
    /// Why, where that is known.
    pub reason: Option<Reason>,
    /// How its alert before this one ended, which counts again where this one is taken back.
    pub(super) earlier: Option<Ended>,
    /// Its last day in this incident: the last closed one, or the one that goes on where it was told of as displaced.
    pub today: Option<DayCount>,
    /// Its closed days, the oldest first: up to [`LEAD_DAYS`] before it joined and all since, [`HISTORY_DAYS`] at most.
    pub history: Vec<DaySeen>,
    /// Mean arrivals of its open days before it joined; none where too few are known.
    pub(super) before: Option<f64>,
    /// Days in a row on which the crossing counted what it did before the incident: a rise after a drop is one back to it, and
    /// so is a fall after a surge.
    pub(super) back_days: u8,
    /// Days in a row, once the incident was over, on which it went on past what was usual before: a fall after a surge below it.
    pub(super) past_days: u8,
    /// The last day on which it was told of as displaced before the day was over.
    pub(super) displaced_on: Option<Day>,
}

/// How an alert ended.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Ended {
    severity: Severity,
    at: Option<EventTime>,
    reason: Option<Reason>,
}

impl Member {
    /// Whether it is the alert of a crossing in a direction.
    #[must_use]
    pub fn is_same(&self, crossing: CrossingIx, direction: Direction) -> bool {
        self.crossing == crossing && self.direction == direction
    }

    /// Whether what happens near it may still belong with it.
    pub(super) fn is_live(&self, at: EventTime) -> bool {
        let is_recent = |end: EventTime| at.0 - end.0 <= LINK_MS;
        self.is_open || !self.is_taken_back() && self.ended.is_some_and(is_recent)
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
            began: alert.onset,
            named: alert.named,
            joined: as_of,
            is_open: true,
            severity: alert.severity,
            ended: None,
            reason: None,
            earlier: None,
            today: None,
            before: usual_before(&history, None),
            back_days: 0,
            past_days: 0,
            history,
            displaced_on: None,
        }
    }

    /// Late reports or corrections left nothing of its alert.
    #[must_use]
    pub fn is_taken_back(&self) -> bool {
        !self.is_open && self.reason == Some(Reason::Recounted)
    }

    /// Whether its alert went on at a moment that is past.
    pub(super) fn was_open(&self, at: EventTime) -> bool {
        let went_on = self.is_open || self.ended.is_some_and(|end| at < end);
        self.joined <= at && went_on && !self.is_taken_back()
    }

    /// Mean arrivals of its open days before its alert began on `onset`; of those before it joined where too few of these are kept, and
    /// none where few are known.
    #[must_use]
    pub fn before(&self, onset: Day) -> Option<f64> {
        usual_before(&self.history, Some(onset)).or(self.before)
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

    /// Counts the days in a row that go on past `before`; after as many as it takes to be back, its alert is no way back any more.
    pub(super) fn count_past(&mut self, before: Option<f64>, day: &DaySeen) {
        let Some(before) = before.filter(|_| f64::from(day.exposure) >= 0.5) else {
            return;
        };
        let ratio = day.observed as f64 / before.max(1.0);
        let is_past = match self.direction {
            Direction::Surge => ratio > *BACK_RATIO.end(),
            Direction::Drop => ratio < *BACK_RATIO.start(),
        };
        self.past_days = if is_past && self.is_open {
            self.past_days + 1
        } else {
            0
        };
        if self.past_days >= BACK_DAYS {
            (self.back_days, self.past_days) = (0, 0);
        }
    }

    /// Days from the one its alert ended on for which its counts are told by that: the day before ended it by its counts, a word ends it
    /// at once, and a level that was taken for usual is known after some days.
    pub(super) fn told_after_days(&self) -> i32 {
        match self.reason {
            Some(Reason::Lasting | Reason::Feedback(Feedback::NewUsual)) => RELEARNT_DAYS,
            Some(Reason::Feedback(_)) => 0,
            _ => -1,
        }
    }

    /// Its alert is open again, by a later one.
    pub(super) fn begin_again(&mut self) {
        if !self.is_open && !self.is_taken_back() {
            self.earlier = Some(Ended {
                severity: self.severity,
                at: self.ended,
                reason: self.reason,
            });
        }
    }

    /// Its alert is told of again; where that is its first, late reports or corrections may have moved its onset.
    pub(super) fn see(&mut self, alert: &Alert) {
        self.severity = alert.severity;
        if alert.named == self.onset {
            self.began = alert.onset;
        }
    }

    /// An alert before its last one ended otherwise than it was told that it had.
    pub(super) fn end_earlier(&mut self, alert: &Alert, as_of: EventTime) {
        let known = self.earlier.map_or(Some(as_of), |earlier| earlier.at);
        let is_withdrawn = alert.reason == Some(Reason::Recounted);
        if alert.named == self.onset {
            self.began = if is_withdrawn {
                self.named
            } else {
                alert.onset
            };
        }
        self.earlier = (!is_withdrawn).then_some(Ended {
            severity: alert.severity,
            at: known,
            reason: alert.reason,
        });
    }

    /// Its alert ended at a moment. What is known otherwise later leaves that moment. Where a later alert is taken back, the one
    /// before it ended as it did.
    pub(super) fn end(&mut self, alert: &Alert, as_of: EventTime) {
        let is_withdrawn = alert.reason == Some(Reason::Recounted);
        self.today = self.today.filter(|_| !is_withdrawn);
        if is_withdrawn
            && alert.named != self.onset
            && let Some(before) = self.earlier.take()
        {
            self.is_open = false;
            (self.severity, self.ended, self.reason) = (before.severity, before.at, before.reason);
            return;
        }
        self.ended = self.ended.filter(|_| !self.is_open).or(Some(as_of));
        self.is_open = false;
        self.reason = alert.reason;
        self.see(alert);
    }

    /// Takes what is known now of a day that is kept.
    pub(super) fn correct(&mut self, seen: DaySeen) {
        let known = self.history.iter_mut().find(|known| known.day == seen.day);
        known.into_iter().for_each(|known| *known = seen);
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

/// Mean arrivals of the days, or of those before an onset, of which most was open; none where they are few.
fn usual_before(days: &[DaySeen], onset: Option<Day>) -> Option<f64> {
    let is_before = |day: &DaySeen| onset.is_none_or(|onset| day.day < onset);
    let open = days.iter().filter(|d| d.exposure >= 0.5 && is_before(d));
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
    /// Late reports or corrections left nothing of its alert.
    pub is_taken_back: bool,
    /// Its last closed day: the crossings that raise no alert of their own, summed; nothing where they are fewer than two.
    pub today: DayCount,
}

impl GroupMember {
    /// Takes the numbers of a closed day.
    pub(super) fn see(&mut self, reading: &Reading) {
        if reading.exposure <= 0.0 {
            self.today = DayCount::default();
            return;
        }
        self.today = DayCount {
            observed: reading.observed,
            expected: reading.expected,
            rise: (reading.observed as f64 - reading.expected).max(0.0) as u64,
            moved: 0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::lens::Lens;

    #[test]
    fn what_was_usual_before_is_of_the_days_before_an_alert_began_where_enough_are_known() {
        // Twelve days with two each, then ten with nine, of which one was shut.
        let days: Vec<DaySeen> = (0..22)
            .map(|day| DaySeen {
                day: Day(day),
                observed: if day < 12 { 2 } else { 9 },
                expected: 2.0,
                exposure: if day == 15 { 0.0 } else { 1.0 },
                gate: Gate::Open,
            })
            .collect();
        let all = (12.0 * 2.0 + 9.0 * 9.0) / 21.0;
        let table = [
            ("it began on the thirteenth", &days[..], 12, Some(2.0)),
            ("it began on the day it joined", &days[..], 22, Some(all)),
            ("it began before enough days", &days[..], 5, Some(all)),
            ("few days are known", &days[..6], 6, None),
            ("none is known", &[], 0, None),
        ];
        let decided = (Lens::Day, EventTime(0));
        let alert = Alert::open(Direction::Surge, EventTime(0), Severity::Minor, decided);
        for (name, days, onset, before) in table {
            let member = Member::of(CrossingIx(0), &alert, days.to_vec(), EventTime(0));
            assert_eq!(member.before(Day(onset)), before, "{name}");
        }
    }
}
