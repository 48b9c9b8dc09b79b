//! Owns the days of one stream along the border: those that are not over everywhere, what is known of each crossing's last ones,
//! and the hours of the day that goes on.

use super::displacement::{Day, DayFlow, Displaced, Displacement, Hops};
use super::groups::{GroupIx, GroupState, KNOWN_DAYS};
use super::incident::{DaySeen, LEAD_DAYS};
use crate::core::alert::Reading;
use crate::core::calendar::{DaySpan, local};
use crate::core::exposure::GateTimeline;
use crate::core::ids::CrossingIx;
use crate::core::network::Crossing;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct StreamState {
    displacement: Displacement,
    /// Days that are not over everywhere, the oldest first.
    days: BTreeMap<Day, BTreeMap<CrossingIx, DayFlow>>,
    last_day: Option<Day>,
    /// Crossings that closed it.
    heard: BTreeSet<CrossingIx>,
    /// The last days of each crossing, the oldest first.
    history: BTreeMap<CrossingIx, VecDeque<DaySeen>>,
    /// Days with exposure of each crossing since it began, or began anew.
    known_days: BTreeMap<CrossingIx, u16>,
    /// The hours of the newest day, summed.
    so_far: BTreeMap<CrossingIx, (Day, DayFlow)>,
    /// The groups that had a day.
    pub(super) groups: BTreeMap<GroupIx, GroupState>,
}

/// A day that is over everywhere.
pub(super) struct Over {
    pub(super) day: Day,
    pub(super) flows: BTreeMap<CrossingIx, DayFlow>,
    pub(super) displaced: Displaced,
    pub(super) known_days: BTreeMap<CrossingIx, u16>,
}

impl StreamState {
    /// A day of a crossing closed. A day is over everywhere once all that closed the day before it closed it, or once a
    /// crossing closed the day after it.
    pub(super) fn close(
        &mut self,
        place: &Crossing,
        crossing: CrossingIx,
        reading: &Reading,
        hops: &Hops,
    ) -> Vec<Over> {
        let day = Day::of(&local(&place.tz, reading.start));
        if self.last_day.is_some_and(|last| day <= last) {
            if self.last_day == Some(day) {
                // It was late once, as a feed is that was blind; the next day waits for it.
                self.heard.insert(crossing);
            }
            return Vec::new();
        }
        let flow = flow(reading);
        if begins_anew(place, reading) {
            self.known_days.remove(&crossing);
            self.history.remove(&crossing);
            self.displacement.forget(crossing);
        } else if flow.open_ratio > 0.0 {
            let known = self.known_days.entry(crossing).or_insert(0);
            *known = (*known + 1).min(KNOWN_DAYS);
        }
        let history = self.history.entry(crossing).or_default();
        history.push_back(DaySeen::of(day, &flow));
        history.drain(..history.len().saturating_sub(LEAD_DAYS));
        self.days.entry(day).or_default().insert(crossing, flow);
        let mut over = Vec::new();
        while let Some((&first, flows)) = self.days.first_key_value() {
            let is_whole = self.heard.iter().all(|c| flows.contains_key(c));
            if !(is_whole && self.last_day.is_some()) && self.days.len() < 2 {
                break;
            }
            let flows = self.days.remove(&first).unwrap_or_default();
            self.last_day = Some(first);
            self.heard = flows.keys().copied().collect();
            over.push(Over {
                day: first,
                displaced: self.displacement.step(first, &flows, hops),
                known_days: self.known_days.clone(),
                flows,
            });
        }
        over
    }

    /// An hour of a crossing closed: what the day says so far, nothing where it is over.
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
        let hour = flow(reading);
        let (known, so_far) = self.so_far.entry(crossing).or_insert((day, hour_of(&hour)));
        if *known != day {
            (*known, *so_far) = (day, hour_of(&hour));
        }
        so_far.observed += hour.observed;
        so_far.expected += hour.expected;
        so_far.is_blind |= hour.is_blind;
        let gate = GateTimeline::default();
        let scheduled = gate.exposure(place, &span, span.start, span.end) * day_ms(&span);
        if scheduled > 0.0 {
            let share = (reading.end.0 - reading.start.0) as f64 / scheduled;
            so_far.open_ratio += hour.open_ratio * share;
            so_far.closed_ratio += hour.closed_ratio * share;
        }
        Some(day)
    }

    /// What is known of a day so far.
    pub(super) fn so_far(
        &self,
        day: Day,
        hops: &Hops,
    ) -> (BTreeMap<CrossingIx, DayFlow>, Displaced) {
        let of_day = self.so_far.iter().filter(|(_, (of, _))| *of == day);
        let flows = of_day.map(|(at, (_, flow))| (*at, *flow)).collect();
        let displaced = self.displacement.so_far(day, &flows, hops);
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
    DayFlow {
        observed: reading.observed,
        expected: reading.expected,
        open_ratio: reading.exposure,
        closed_ratio: reading.closed_ratio,
        is_blind: reading.blind_ratio > reading.exposure,
    }
}

/// A day before its first hour.
fn hour_of(hour: &DayFlow) -> DayFlow {
    DayFlow {
        observed: 0,
        expected: 0.0,
        open_ratio: 0.0,
        closed_ratio: 0.0,
        is_blind: hour.is_blind,
    }
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
