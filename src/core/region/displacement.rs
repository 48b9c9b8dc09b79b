//! Owns displacement: the flow that is missing where a crossing shut or fell, and how much of it turns up at which other one.
//!
//! Whole arrivals are drawn from what is missing, so that nothing is moved twice: moved <= missing, and moved + new = rise.

use crate::core::ids::CrossingIx;
use crate::core::network::Network;
use jiff::ToSpan;
use jiff::civil::{Date, date};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// How fast a level follows: half of the way on every open day, so that it stands for the last days of an episode and not for
/// its last day alone, which is a rush (five times the day before, Finland, 17 November 2023).
const GAIN: f64 = 0.5;
/// Days after which missing flow is expected nowhere any more (Finland 2023: back to level by the fifth).
const EXPIRES_DAYS: i32 = 5;
/// Days from a closure, or from a fall that lies below what is usual, on which flow is missing; as long as a level lasts until it is
/// what is usual, the neighbours' too.
const MISSING_DAYS: i32 = 60;
/// Days from the fall of an episode on which flow is missing: nothing says then that it would still come.
const FALLEN_DAYS: i32 = 5;
/// Crossings further away along the neighbours take no flow over.
const MAX_HOPS: u32 = 8;
/// A fall takes at least this many arrivals and half of the level.
const MIN_FALL: f64 = 10.0;
/// A day is shut, or hidden, in part from this share of it on: three hours of a day and night.
pub(super) const MIN_SHUT_RATIO: f64 = 0.125;
/// A level this many times above what is usual is an episode's.
const EPISODE_RATIO: f64 = 3.0;

/// A civil day, in days since 1 January 1970.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Day(pub i32);

impl Day {
    /// The day that holds a moment, by the clock on the wall.
    #[must_use]
    pub fn of(at: &jiff::Zoned) -> Self {
        let since = at.date() - EPOCH;
        Self(since.get_days())
    }

    /// Its date.
    #[must_use]
    pub fn date(self) -> Date {
        EPOCH.saturating_add(i64::from(self.0).days())
    }
}

const EPOCH: Date = date(1970, 1, 1);

/// What is known of one crossing's day in one stream.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DayFlow {
    /// Arrivals while it was open.
    pub observed: u64,
    /// Arrivals beside them while it was closed: they are no rise, and have not moved.
    pub while_closed: u64,
    /// Arrivals expected by the baseline; 0 where it was shut.
    pub expected: f64,
    /// Share of the day in which it was open, in [0, 1].
    pub open_ratio: f64,
    /// Share of the day in which a status had closed it, inside its published hours, in [0, 1].
    pub closed_ratio: f64,
    /// Share of the day in which it would have been open and nothing was heard of it, in [0, 1].
    pub blind_ratio: f64,
    /// Nothing was heard of it for some of the day, so its count says nothing of what came.
    pub is_blind: bool,
    /// It was closed or blind for hours of a day on which it was open: what is expected of that day is a rough guess.
    pub is_hidden: bool,
}

impl DayFlow {
    fn is_shut(&self) -> bool {
        self.open_ratio <= 0.0 && self.closed_ratio > 0.0
    }

    /// How many days flow is missing, by what this day is.
    fn missing_days(&self) -> i32 {
        let seen = (self.observed + self.while_closed) as f64;
        if self.shut_ratio().is_some() || seen * 2.0 < self.expected {
            MISSING_DAYS
        } else {
            FALLEN_DAYS
        }
    }

    /// The share of its own hours of the day in which it was open and seen, in [0, 1]; 0 where it had none.
    pub(super) fn exposure(&self) -> f64 {
        let whole = self.open_ratio + self.closed_ratio + self.blind_ratio;
        if whole > 0.0 {
            self.open_ratio / whole
        } else {
            0.0
        }
    }

    /// The share of its open time of the day for which a status shut it; nothing where that was hardly any of it.
    fn shut_ratio(&self) -> Option<f64> {
        let scheduled = self.open_ratio + self.closed_ratio;
        self.shut_ratio_of(scheduled.max(f64::MIN_POSITIVE))
    }

    /// The share of `scheduled`, its open time of the whole day, for which a status shut it so far.
    fn shut_ratio_of(&self, scheduled: f64) -> Option<f64> {
        let ratio = (self.closed_ratio / scheduled).min(1.0);
        (self.is_shut() || ratio >= MIN_SHUT_RATIO).then_some(ratio)
    }
}

/// Flow that turned up elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// Where it was missing.
    pub from: CrossingIx,
    /// Where it turned up.
    pub to: CrossingIx,
    /// Arrivals.
    pub moved: u64,
    /// First day of the closure or fall it is missing by: the lag is counted from it.
    pub since: Day,
    /// Whether a status had closed where it was missing on the day it turned up, or for some hours of it.
    pub is_from_shut: bool,
    /// Whether they were missing on days before alone.
    pub is_of_before: bool,
}

/// What a day's counts say about moved flow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Displaced {
    /// Draws, the nearest first.
    pub moves: Vec<Move>,
    /// Arrivals above what is expected, and where flow is missing near them above the level before too, by crossing; none is 0.
    pub rises: BTreeMap<CrossingIx, u64>,
    /// Arrivals of the day that are missing, or of a blind crossing are thought to be, by crossing; none is 0.
    pub missing: BTreeMap<CrossingIx, u64>,
    /// Crossings with missing flow, of this day or the last ones, and what came there on the last day before.
    pub sources: BTreeMap<CrossingIx, u64>,
}

impl Displaced {
    /// Arrivals at a crossing that were missing elsewhere.
    #[must_use]
    pub fn moved_to(&self, crossing: CrossingIx) -> u64 {
        let to = self.moves.iter().filter(|m| m.to == crossing);
        to.map(|m| m.moved).sum()
    }

    /// Arrivals of a crossing's rise that were missing nowhere.
    #[must_use]
    pub fn new_at(&self, crossing: CrossingIx) -> u64 {
        let rise = self.rises.get(&crossing).copied().unwrap_or(0);
        rise - self.moved_to(crossing)
    }
}

/// For how long flow is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lack {
    /// For days, as after the end of an episode.
    Short,
    /// As long as the gate is shut or has less than half of what is usual, up to [`MISSING_DAYS`].
    Lasting,
}

/// One crossing of the stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Flow {
    /// Own arrivals of an open day, moved ones apart; nothing before the first.
    level: Option<f64>,
    /// The level before a gate there or within reach shut or fell below half of the usual, as long as it lacks: a rise is measured from
    /// it, so that what was there before has not moved, and what is new stays so.
    before: Option<f64>,
    /// All arrivals of the last day it was open and had not fallen.
    last_count: u64,
    /// First day of the closure or fall that goes on.
    missing_since: Option<Day>,
    /// First day of the newest closure or fall, gone on or over.
    lacks_since: Day,
    /// Whether it was shut on its last day, or for some hours of it.
    is_shut: bool,
    /// What was missing on the last day it was heard, and for how many days such a closure or fall lacks.
    lacked: (u64, i32),
    /// Missing arrivals that turned up nowhere yet, the oldest day first.
    pool: VecDeque<(Day, u64)>,
}

impl Flow {
    /// Arrivals that are missing on a day that is over.
    fn missing(&mut self, day: Day, flow: &DayFlow) -> u64 {
        let scheduled = flow.open_ratio + flow.closed_ratio;
        if scheduled <= 0.0 {
            self.is_shut = false;
            return 0;
        }
        let seen = (flow.observed + flow.while_closed) as f64;
        let level = self.level();
        let lacks = level - seen;
        let usual = flow.expected;
        let has_fallen = lacks >= MIN_FALL
            && seen * 2.0 < level
            && (seen * 2.0 < usual || level > EPISODE_RATIO * usual.max(1.0));
        let shut_ratio = flow.shut_ratio();
        self.is_shut = shut_ratio.is_some();
        if !has_fallen && shut_ratio.is_none() {
            self.missing_since = None;
            return 0;
        }
        // Of a gate that shut for hours nobody knows what would have come in them: all that the day lacks, at most.
        if self.lacks_still(day, flow) {
            lacks.max(0.0) as u64
        } else {
            0
        }
    }

    /// Arrivals that are missing on a day on which nothing was heard of it: as many as on the last one, while that closure or fall
    /// lacks.
    fn missing_unheard(&self, day: Day) -> u64 {
        let (missing, days) = self.lacked;
        let lacks = self
            .missing_since
            .is_some_and(|since| day.0 - since.0 < days);
        if lacks { missing } else { 0 }
    }

    /// Arrivals that are missing on a day that is not over: those of a closure alone, since an open crossing may still count.
    fn missing_so_far(&mut self, day: Day, flow: &DayFlow) -> u64 {
        let shut_ratio = flow.shut_ratio_of(1.0);
        self.is_shut = shut_ratio.is_some();
        match shut_ratio {
            Some(ratio) if self.lacks_still(day, flow) => self.kept_out(flow, ratio) as u64,
            _ => 0,
        }
    }

    /// What a closure for this share of the day kept out so far, by the clock.
    fn kept_out(&self, flow: &DayFlow, shut_ratio: f64) -> f64 {
        let would_have = self.level() * shut_ratio - flow.while_closed as f64;
        let lacks = self.level() - (flow.observed + flow.while_closed) as f64;
        would_have.min(lacks).max(0.0)
    }

    /// Whether a closure or fall of this day still lacks, so long after it began.
    fn lacks_still(&mut self, day: Day, flow: &DayFlow) -> bool {
        let since = *self.missing_since.get_or_insert(day);
        self.lacks_since = since;
        day.0 - since.0 < flow.missing_days()
    }

    fn level(&self) -> f64 {
        self.level.unwrap_or(0.0)
    }

    /// How long the flow that it lacked on its last day is missing.
    fn lack(&self) -> Lack {
        match self.lacked {
            (1.., MISSING_DAYS) => Lack::Lasting,
            _ => Lack::Short,
        }
    }

    fn has_pool(&self) -> bool {
        self.pool.iter().any(|(_, left)| *left > 0)
    }

    /// Takes up to `wanted` out of the pool, the newest first.
    fn draw(&mut self, wanted: u64) -> u64 {
        let mut taken = 0;
        for (_, left) in self.pool.iter_mut().rev() {
            let now = (*left).min(wanted - taken);
            *left -= now;
            taken += now;
        }
        taken
    }

    /// The level follows what is the crossing's own; it stands still while the crossing is shut or a fall is new.
    fn follow(&mut self, day: Day, flow: &DayFlow, moved: u64) {
        let is_new_fall = self
            .missing_since
            .is_some_and(|since| day.0 - since.0 < flow.missing_days());
        if flow.open_ratio <= 0.0 || is_new_fall {
            return;
        }
        self.last_count = flow.observed;
        let own = (flow.observed - moved) as f64;
        self.level = Some(self.level.map_or(own, |level| level + GAIN * (own - level)));
    }

    /// Arrivals of a day above what is expected, and where flow is missing near it, above the level before too; none as long as
    /// there is no level.
    fn rise(&mut self, flow: &DayFlow, near: Option<Lack>) -> u64 {
        let Some(level) = self.level else { return 0 };
        let before = match near {
            Some(Lack::Lasting) => *self.before.get_or_insert(level),
            Some(Lack::Short) => level,
            None => 0.0,
        };
        if near != Some(Lack::Lasting) {
            self.before = None;
        }
        let before = flow.expected.max(before);
        (flow.observed as f64 - before.ceil()).max(0.0) as u64
    }
}

/// The flow of one stream over all crossings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Displacement {
    flows: BTreeMap<CrossingIx, Flow>,
}

impl Displacement {
    /// A day is over everywhere. Days come in order; a crossing that is left out neither lacks nor takes flow, and a blind one lacks
    /// what it did when it was heard last.
    pub fn step(
        &mut self,
        day: Day,
        flows: &BTreeMap<CrossingIx, DayFlow>,
        hops: &Hops,
    ) -> Displaced {
        let mut displaced = Displaced::default();
        let heard: Vec<_> = flows.iter().filter(|(_, flow)| !flow.is_blind).collect();
        for (&crossing, _) in flows.iter().filter(|(_, flow)| flow.is_blind) {
            let state = self.flows.entry(crossing).or_default();
            let missing = state.missing_unheard(day);
            if missing > 0 {
                state.pool.push_back((day, missing));
                displaced.missing.insert(crossing, missing);
            }
        }
        for &(&crossing, flow) in &heard {
            let state = self.flows.entry(crossing).or_default();
            let missing = state.missing(day, flow);
            state.lacked = (missing, flow.missing_days());
            if missing > 0 {
                state.pool.push_back((day, missing));
                displaced.missing.insert(crossing, missing);
            }
        }
        self.find_sources(day, &mut displaced);
        self.find_rises(flows, hops, &mut displaced);
        displaced
            .rises
            .retain(|at, _| !displaced.missing.contains_key(at));
        displaced.moves = self.draw(&displaced, hops);
        for one in &mut displaced.moves {
            one.is_of_before |= flows.get(&one.from).is_some_and(|flow| flow.is_blind);
        }
        for (&crossing, flow) in heard {
            let moved = displaced.moved_to(crossing);
            if let Some(state) = self.flows.get_mut(&crossing) {
                state.follow(day, flow, moved);
            }
        }
        displaced
    }

    /// What a day that is not over says so far. Its hours say what is expected up to now; a rise counts from what was expected of the
    /// whole of the last day, `last_expected`, so that none is told of that the day's end would take back.
    #[must_use]
    pub fn so_far(
        &self,
        day: Day,
        flows: &BTreeMap<CrossingIx, DayFlow>,
        last_expected: &BTreeMap<CrossingIx, f64>,
        hops: &Hops,
    ) -> Displaced {
        let mut ahead = self.clone();
        let mut displaced = Displaced::default();
        for (&crossing, flow) in flows {
            let state = ahead.flows.entry(crossing).or_default();
            let missing = state.missing_so_far(day, flow);
            if missing > 0 {
                state.pool.push_back((day, missing));
                displaced.missing.insert(crossing, missing);
            }
        }
        ahead.find_sources(day, &mut displaced);
        let whole = flows.iter().map(|(crossing, flow)| {
            let of_last = last_expected.get(crossing).copied().unwrap_or(0.0);
            let expected = flow.expected.max(of_last);
            (*crossing, DayFlow { expected, ..*flow })
        });
        ahead.find_rises(&whole.collect(), hops, &mut displaced);
        displaced.moves = ahead.draw(&displaced, hops);
        displaced
    }

    /// Nothing that was known of a crossing holds any more.
    pub fn forget(&mut self, crossing: CrossingIx) {
        self.flows.remove(&crossing);
    }

    fn find_sources(&mut self, day: Day, displaced: &mut Displaced) {
        for (&crossing, state) in &mut self.flows {
            state.pool.retain(|(of, _)| day.0 - of.0 < EXPIRES_DAYS);
            if state.has_pool() {
                displaced.sources.insert(crossing, state.last_count);
            }
        }
    }

    fn find_rises(
        &mut self,
        flows: &BTreeMap<CrossingIx, DayFlow>,
        hops: &Hops,
        displaced: &mut Displaced,
    ) {
        for (&crossing, flow) in flows.iter().filter(|(_, flow)| !flow.is_blind) {
            let near = |from: &&CrossingIx| hops.between(**from, crossing).is_some();
            let near = displaced.sources.keys().filter(near);
            let near = near.filter_map(|from| self.flows.get(from).map(Flow::lack));
            let near = near.max();
            let state = self.flows.entry(crossing).or_default();
            let rise = state.rise(flow, near);
            if flow.open_ratio > 0.0 && rise > 0 {
                displaced.rises.insert(crossing, rise);
            }
        }
    }

    /// Gives missing flow to rises, the nearest pair first.
    fn draw(&mut self, displaced: &Displaced, hops: &Hops) -> Vec<Move> {
        let mut pairs = Vec::new();
        for &to in displaced.rises.keys() {
            for &from in displaced.sources.keys() {
                // Where more come than before nothing is missing any more.
                let is_source = !displaced.rises.contains_key(&from);
                if let Some(hops) = hops.between(from, to).filter(|_| is_source) {
                    pairs.push((hops, to, from));
                }
            }
        }
        pairs.sort_unstable();
        let mut left = displaced.rises.clone();
        let mut moves = Vec::new();
        for (_, to, from) in pairs {
            let (Some(wanted), Some(source)) = (left.get_mut(&to), self.flows.get_mut(&from))
            else {
                continue;
            };
            let moved = source.draw(*wanted);
            *wanted -= moved;
            if moved > 0 {
                moves.push(Move {
                    from,
                    to,
                    moved,
                    since: source.lacks_since,
                    is_from_shut: source.is_shut,
                    is_of_before: !displaced.missing.contains_key(&from),
                });
            }
        }
        moves
    }
}

/// How many neighbours lie between crossings.
#[derive(Debug, Clone, Default)]
pub struct Hops {
    between: BTreeMap<(CrossingIx, CrossingIx), u32>,
}

impl Hops {
    /// Counts the steps along the neighbours, which hold both ways, up to eight.
    #[must_use]
    pub fn of(network: &Network) -> Self {
        let mut beside: BTreeMap<CrossingIx, Vec<CrossingIx>> = BTreeMap::new();
        for (at, crossing) in (0u16..).map(CrossingIx).zip(&network.crossings) {
            for &other in &crossing.neighbours {
                beside.entry(at).or_default().push(other);
                beside.entry(other).or_default().push(at);
            }
        }
        let mut between = BTreeMap::new();
        for from in (0u16..).map(CrossingIx).take(network.crossings.len()) {
            let mut waiting = VecDeque::from([(from, 0)]);
            while let Some((at, hops)) = waiting.pop_front() {
                if between.contains_key(&(from, at)) {
                    continue;
                }
                between.insert((from, at), hops);
                if hops < MAX_HOPS {
                    let next = beside.get(&at).into_iter().flatten();
                    waiting.extend(next.map(|&next| (next, hops + 1)));
                }
            }
        }
        Self { between }
    }

    /// Steps from one crossing to another: 0 to itself, `None` where it is too far.
    #[must_use]
    pub fn between(&self, from: CrossingIx, to: CrossingIx) -> Option<u32> {
        self.between.get(&(from, to)).copied()
    }
}

#[cfg(test)]
#[path = "displacement_tests.rs"]
mod tests;
