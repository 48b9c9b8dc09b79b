//! Owns the days of one stream along the border: those that are not over everywhere, what is known of each crossing's last ones,
//! and the hours of the day that goes on.

use super::border::Border;
use super::displacement::{Day, DayFlow, Displaced, Displacement, Hops};
use super::groups::{GroupIx, GroupState, GroupTally, Judgement};
use super::member::{DaySeen, LEAD_DAYS};
use crate::core::alert::{Alert, Direction, Reading};
use crate::core::calendar::{DaySpan, local};
use crate::core::exposure::{GateTimeline, is_hidden};
use crate::core::ids::{CrossingIx, StreamIx};
use crate::core::network::Crossing;
use crate::core::time::EventTime;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What the days that are over say of one stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Front {
    pub(super) displacement: Displacement,
    /// Days with exposure of each crossing since it began, or began anew.
    pub(super) known_days: BTreeMap<CrossingIx, u16>,
    /// The groups that had a day.
    pub(super) groups: BTreeMap<GroupIx, GroupState>,
}

impl Front {
    /// The open alerts of groups, by direction.
    pub(super) fn alerts(&self) -> BTreeMap<(GroupIx, usize), Alert> {
        let open = Direction::ALL.map(|direction| direction as usize);
        let of = |(&group, state): (&GroupIx, &GroupState)| {
            let alerts = open.map(|at| Some(((group, at), state.alerts[at]?)));
            alerts.into_iter().flatten().collect::<Vec<_>>()
        };
        self.groups.iter().flat_map(of).collect()
    }
}

/// A closed day of a crossing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct ClosedDay {
    pub(super) flow: DayFlow,
    /// What is usual there is learnt anew from it on.
    pub(super) begins_anew: bool,
}

/// A day that is over everywhere, whose counts may still change, and what was made of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptDay {
    pub(super) day: Day,
    /// When it was over.
    pub(super) as_of: EventTime,
    pub(super) closed: BTreeMap<CrossingIx, ClosedDay>,
    /// Crossings with an alert of their own then: what is told of them is no news of a group.
    pub(super) told: BTreeSet<CrossingIx>,
    /// Crossings whose alert opened after it and before the next day was over, with the day it was there.
    pub(super) told_since: Vec<(CrossingIx, Day)>,
    pub(super) displaced: Displaced,
    pub(super) judgements: Vec<(GroupIx, Judgement)>,
}

impl KeptDay {
    pub(super) fn flows(&self) -> BTreeMap<CrossingIx, DayFlow> {
        let closed = self.closed.iter();
        closed.map(|(at, closed)| (*at, closed.flow)).collect()
    }

    /// What was made of a group's alert on it.
    pub(super) fn judgement(&self, group: GroupIx, direction: Direction) -> Option<&Judgement> {
        let mut all = self.judgements.iter();
        let of = |(ix, j): &&(GroupIx, Judgement)| *ix == group && j.alert.direction == direction;
        all.find(of).map(|(_, judgement)| judgement)
    }
}

/// One stream.
///
/// As with a series there are two states: before the first day that is kept, which nothing can change any more, and after the
/// last day that is over. The second is what the first and the kept days give, so what is late or corrected costs those again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct StreamState {
    /// Before the first day that is kept.
    settled: Front,
    /// After the last day that is over.
    pub(super) front: Front,
    /// The last days that are over, the oldest first.
    pub(super) kept: VecDeque<KeptDay>,
    /// What came of those since, by late reports and corrections, and was not looked at yet.
    revised: BTreeMap<(Day, CrossingIx), ClosedDay>,
    /// An alert of a crossing was taken back since.
    is_taken_back: bool,
    /// Days that are not over everywhere, the oldest first.
    days: BTreeMap<Day, BTreeMap<CrossingIx, ClosedDay>>,
    last_day: Option<Day>,
    /// Crossings that closed it.
    heard: BTreeSet<CrossingIx>,
    /// The last days of each crossing, the oldest first.
    history: BTreeMap<CrossingIx, VecDeque<DaySeen>>,
    /// The hours of the newest day of each crossing, as shares of the day.
    so_far: BTreeMap<CrossingIx, (Day, BTreeMap<EventTime, DayFlow>)>,
}

impl StreamState {
    /// A day of a crossing closed, or is counted anew.
    pub(super) fn close(&mut self, place: &Crossing, crossing: CrossingIx, reading: &Reading) {
        let day = Day::of(&local(&place.tz, reading.start));
        let closed = ClosedDay {
            flow: flow(reading),
            begins_anew: begins_anew(place, reading),
        };
        let seen = DaySeen::of(day, &closed.flow);
        let history = self.history.entry(crossing).or_default();
        if closed.begins_anew {
            history.retain(|known| known.day > day);
        }
        let at = history.partition_point(|known| known.day < day);
        match history.get_mut(at) {
            Some(known) if known.day == day => *known = seen,
            _ => history.insert(at, seen),
        }
        history.drain(..history.len().saturating_sub(LEAD_DAYS));
        if self.last_day.is_none_or(|last| last < day) {
            self.days.entry(day).or_default().insert(crossing, closed);
            return;
        }
        if self.last_day == Some(day) {
            // It was late once, as a feed is that was blind; the next day waits for it.
            self.heard.insert(crossing);
        }
        if self.kept.iter().any(|kept| kept.day == day) {
            self.revised.insert((day, crossing), closed);
        }
    }

    /// The next day that is over everywhere: once all that closed the day before it closed it, or once a crossing closed the day
    /// after it.
    pub(super) fn next_over(&mut self) -> Option<(Day, BTreeMap<CrossingIx, ClosedDay>)> {
        let (&first, closed) = self.days.first_key_value()?;
        let is_whole = self.heard.iter().all(|c| closed.contains_key(c));
        if !(is_whole && self.last_day.is_some()) && self.days.len() < 2 {
            return None;
        }
        let closed = self.days.remove(&first)?;
        self.last_day = Some(first);
        self.heard = closed.keys().copied().collect();
        Some((first, closed))
    }

    /// A day is over everywhere: what it says is kept while its counts may change.
    pub(super) fn enter(
        &mut self,
        border: &Border,
        stream: StreamIx,
        mut kept: KeptDay,
        tally: &mut GroupTally,
    ) {
        border.step(&mut self.front, stream, &mut kept, tally);
        self.kept.push_back(kept);
        while self.kept.len() > border.kept_days() {
            let Some(mut oldest) = self.kept.pop_front() else {
                break;
            };
            let counted = &mut GroupTally::default();
            border.step(&mut self.settled, stream, &mut oldest, counted);
        }
    }

    /// An alert of a crossing opened by what it counts on a day.
    pub(super) fn tell_of(
        &mut self,
        border: &Border,
        stream: StreamIx,
        (crossing, decided): (CrossingIx, Day),
        today: Day,
    ) {
        border.begin_anew(&mut self.front, stream, crossing, today);
        for kept in self.kept.iter_mut().filter(|kept| kept.day >= decided) {
            kept.told.insert(crossing);
        }
        if let Some(last) = self.kept.back_mut() {
            last.told_since.push((crossing, today));
        }
    }

    /// Late reports or corrections leave nothing of a crossing's alert: its groups are judged as if it had not been.
    pub(super) fn take_back(&mut self, crossing: CrossingIx) {
        for kept in &mut self.kept {
            kept.told.remove(&crossing);
            kept.told_since.retain(|(told, _)| *told != crossing);
        }
        self.is_taken_back = true;
    }

    /// Whether late reports or corrections were not looked at yet.
    pub(super) fn is_revised(&self) -> bool {
        self.is_taken_back || !self.revised.is_empty()
    }

    /// Looks at late reports and corrections: the kept days are gone through again. Returns those days as they were.
    pub(super) fn revise(&mut self, border: &Border, stream: StreamIx) -> VecDeque<KeptDay> {
        let before = self.kept.clone();
        self.is_taken_back = false;
        for ((day, crossing), closed) in std::mem::take(&mut self.revised) {
            if let Some(kept) = self.kept.iter_mut().find(|kept| kept.day == day) {
                kept.closed.insert(crossing, closed);
            }
        }
        self.front = self.settled.clone();
        for kept in &mut self.kept {
            border.step(&mut self.front, stream, kept, &mut GroupTally::default());
        }
        before
    }

    /// An hour of a crossing closed, or is counted anew: its day where it closed for the first time and the day is not over.
    pub(super) fn close_hour(
        &mut self,
        place: &Crossing,
        crossing: CrossingIx,
        reading: &Reading,
    ) -> Option<Day> {
        let span = DaySpan::holding(&place.tz, reading.start);
        let day = Day::of(&local(&place.tz, reading.start));
        if self.last_day.is_some_and(|last| day <= last) {
            return None;
        }
        let (known, hours) = self
            .so_far
            .entry(crossing)
            .or_insert((day, BTreeMap::new()));
        if *known > day {
            return None;
        }
        if *known != day {
            *known = day;
            hours.clear();
        }
        let mut hour = flow(reading);
        let gate = GateTimeline::default();
        let scheduled = gate.exposure(place, &span, span.start, span.end) * day_ms(&span);
        // A status can open a crossing on a day without hours.
        let whole = if scheduled > 0.0 {
            scheduled
        } else {
            day_ms(&span)
        };
        let share = (reading.end.0 - reading.start.0) as f64 / whole;
        hour.open_ratio *= share;
        hour.closed_ratio *= share;
        hour.blind_ratio *= share;
        hours.insert(reading.start, hour).is_none().then_some(day)
    }

    /// What is known of a day so far.
    pub(super) fn so_far(
        &self,
        day: Day,
        hops: &Hops,
    ) -> (BTreeMap<CrossingIx, DayFlow>, Displaced) {
        let of_day = self.so_far.iter().filter(|(_, (of, _))| *of == day);
        let flows = of_day.map(|(at, (_, hours))| (*at, sum(hours))).collect();
        let last = self.kept.back().map(KeptDay::flows).unwrap_or_default();
        let expected = last.into_iter().map(|(at, flow)| (at, flow.expected));
        let expected = expected.collect();
        let displaced = self.front.displacement.so_far(day, &flows, &expected, hops);
        (flows, displaced)
    }

    /// The crossings that are known, in their order.
    pub(super) fn crossings(&self) -> impl Iterator<Item = CrossingIx> {
        self.history.keys().copied()
    }

    /// The last days of a crossing, the oldest first.
    pub(super) fn history(&self, crossing: CrossingIx) -> Vec<DaySeen> {
        let days = self.history.get(&crossing);
        days.map_or_else(Vec::new, |days| days.iter().copied().collect())
    }
}

fn flow(reading: &Reading) -> DayFlow {
    let hidden = reading.closed_ratio + reading.blind_ratio;
    DayFlow {
        is_hidden: is_hidden(hidden, reading.exposure),
        observed: reading.observed,
        while_closed: u64::from(reading.while_closed),
        expected: reading.expected,
        open_ratio: reading.exposure,
        closed_ratio: reading.closed_ratio,
        blind_ratio: reading.blind_ratio,
        is_blind: reading.blind_ratio > reading.exposure,
    }
}

/// The hours of a day.
fn sum(hours: &BTreeMap<EventTime, DayFlow>) -> DayFlow {
    let none = DayFlow {
        observed: 0,
        while_closed: 0,
        expected: 0.0,
        open_ratio: 0.0,
        closed_ratio: 0.0,
        blind_ratio: 0.0,
        is_blind: false,
        is_hidden: false,
    };
    hours.values().fold(none, |sum, hour| DayFlow {
        observed: sum.observed + hour.observed,
        while_closed: sum.while_closed + hour.while_closed,
        expected: sum.expected + hour.expected,
        open_ratio: sum.open_ratio + hour.open_ratio,
        closed_ratio: sum.closed_ratio + hour.closed_ratio,
        blind_ratio: sum.blind_ratio + hour.blind_ratio,
        is_blind: sum.is_blind || hour.is_blind,
        is_hidden: sum.is_hidden || hour.is_hidden,
    })
}

fn day_ms(span: &DaySpan) -> f64 {
    (span.end.0 - span.start.0) as f64
}

/// A day that is scheduled and neither open nor closed nor blind: the crossing was not watched yet, or its feed was redefined
/// on it, and what is expected of it is learnt anew.
fn begins_anew(place: &Crossing, reading: &Reading) -> bool {
    let shares = reading.exposure + reading.closed_ratio + reading.blind_ratio;
    let span = DaySpan::holding(&place.tz, reading.start);
    let gate = GateTimeline::default();
    shares <= 0.0 && gate.exposure(place, &span, span.start, span.end) > 0.0
}
