//! Owns exposure: what share of a bucket a crossing was open, from its published hours and its status events.

use super::calendar::{DaySpan, local};
use super::event::GateState;
use super::feed::FeedTimeline;
use super::lens::Lens;
use super::network::Crossing;
use super::time::EventTime;
use serde::{Deserialize, Serialize};

/// A word on the state of a crossing. A word without end replaces all before it, one of the state that is in force replaces that one, and
/// any other lies on top until it ends: so a closure of an hour inside a lengthened day gives that day back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// From when.
    pub from: EventTime,
    /// The state from then on.
    pub state: GateState,
    /// When it is known to end; what lay below it holds again from then on.
    pub until: Option<EventTime>,
}

/// A span in which one word was in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// From when, at most twice for one word: where a shorter one lay between.
    pub from: EventTime,
    /// Until when, exclusive.
    pub to: EventTime,
    /// The word.
    pub change: Change,
    /// Whether it stands above the published hours: a closure does, and what lies inside a time of which it was told that it is open.
    pub is_above_hours: bool,
}

impl Span {
    fn holds(&self, time: EventTime) -> bool {
        self.from <= time && time < self.to
    }
}

/// The states of one crossing over the days that can still change, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateTimeline {
    changes: Vec<Change>,
    /// When the feed's numbers began to mean something else.
    redefined: Vec<EventTime>,
}

/// What became of the scheduled hours of a bucket since the crossing is watched, as shares of the bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Shares {
    /// Open and seen: the exposure.
    pub open: f64,
    /// Closed by a status.
    pub closed: f64,
    /// Open and not seen: the feed was blind.
    pub blind: f64,
    /// The part of `open` outside the published hours, by a status.
    pub extra: f64,
}

/// A day of which at least this share was closed or blind is hidden.
const HIDDEN_RATIO: f64 = 0.125;

/// Whether so much was closed or blind beside what was open and seen that fewer arrivals say nothing.
#[must_use]
pub fn is_hidden(missed: f64, seen: f64) -> bool {
    missed > 0.0 && missed >= HIDDEN_RATIO * (seen + missed)
}

/// Standard deviation of an hour's log count outside the published hours.
const EXTRA_LOG_SD: f64 = 1.5;

impl Shares {
    /// The share that a lens expects by. A day goes by what it was open of its published hours, since nobody knows what comes outside
    /// them; one that has none, by all of it.
    #[must_use]
    pub fn expects(&self, lens: Lens) -> f64 {
        if lens == Lens::Hour || self.open <= self.extra {
            self.open
        } else {
            self.open - self.extra
        }
    }

    /// The log variance of an hour of which a part lies outside the published hours: nobody knows what comes then.
    #[must_use]
    pub fn extra_log_variance(&self, lens: Lens) -> f64 {
        if lens == Lens::Hour && self.extra > 0.0 {
            EXTRA_LOG_SD.powi(2)
        } else {
            0.0
        }
    }

    /// Whether an eighth or more of what a day was to be open was closed or blind.
    #[must_use]
    pub fn is_hidden(&self, lens: Lens) -> bool {
        let expects = self.expects(lens);
        lens != Lens::Hour && expects > 0.0 && is_hidden(self.missed(), expects)
    }

    /// All that a bucket was to be open as a multiple of what it is expected by; 1 where that is nothing.
    #[must_use]
    pub fn whole_ratio(&self, lens: Lens) -> f64 {
        let (missed, expects) = (self.missed(), self.expects(lens));
        if missed > 0.0 && expects > 0.0 {
            (expects + missed) / expects
        } else {
            1.0
        }
    }

    fn missed(&self) -> f64 {
        self.closed + self.blind
    }
}

/// A feed as exposure needs it.
#[derive(Clone, Copy)]
pub struct Watched<'a> {
    /// When it was alive.
    pub feed: &'a FeedTimeline,
    /// Since when it is watched.
    pub since: EventTime,
    /// Whether the bucket has ended: the silence at the end of an open one says nothing yet.
    pub has_ended: bool,
}

impl Watched<'_> {
    fn blind_ms(&self, span: (EventTime, EventTime)) -> i64 {
        self.feed.blind_ms(span, self.has_ended)
    }
}

/// How many changes are kept for a crossing; the oldest are given up first.
const MAX_CHANGES: usize = 256;

impl GateTimeline {
    /// All that was said of a crossing, the oldest first, at most one change a moment; none is given up.
    #[must_use]
    pub fn of(changes: Vec<Change>) -> Self {
        Self {
            changes,
            redefined: Vec::new(),
        }
    }

    /// Enters a change; a second one for the same moment replaces the first. Returns whether anything changed.
    pub fn enter(&mut self, change: Change) -> bool {
        match self.changes.binary_search_by_key(&change.from, |c| c.from) {
            Ok(at) if self.changes[at] == change => return false,
            Ok(at) => self.changes[at] = change,
            Err(at) => self.changes.insert(at, change),
        }
        if self.changes.len() > MAX_CHANGES {
            self.changes.remove(0);
        }
        true
    }

    /// The moment from which the crossing is shut at `time`, by its status or else by its published hours; nothing where it is not.
    #[must_use]
    pub fn shut_since(&self, crossing: &Crossing, time: EventTime) -> Option<EventTime> {
        if !self.is_shut(crossing, time) {
            return None;
        }
        let spans = self.spans();
        let closed = spans
            .iter()
            .find(|span| span.holds(time) && span.change.state == GateState::Closed);
        if let Some(closure) = closed {
            return Some(closure.from);
        }
        let held_open = spans
            .iter()
            .filter(|span| span.is_above_hours && span.change.state != GateState::Closed);
        let ends = held_open.map(|span| span.to).filter(|end| *end <= time);
        ends.chain([hours_ended(crossing, time)]).max()
    }

    /// Enters a moment from which the feed counts something else. Returns whether it was not known.
    pub fn redefine(&mut self, time: EventTime) -> bool {
        let Err(at) = self.redefined.binary_search(&time) else {
            return false;
        };
        self.redefined.insert(at, time);
        if self.redefined.len() > MAX_CHANGES {
            self.redefined.remove(0);
        }
        true
    }

    /// Whether the feed was redefined in `[start, end)`: such a bucket is of neither meaning.
    #[must_use]
    pub fn is_redefined_in(&self, (start, end): (EventTime, EventTime)) -> bool {
        self.redefined.iter().any(|at| start <= *at && *at < end)
    }

    /// Forgets what no bucket from `time` on can depend on.
    pub fn forget_before(&mut self, time: EventTime) {
        self.redefined.retain(|at| *at >= time);
        // What lies below the first word that stands has no say any more; what lay between those that do is needed to tell them apart.
        let standing = self.standing(time);
        let first = standing.first().map_or(time, |word| word.from);
        let ended = self.changes.partition_point(|c| c.from < first);
        self.changes.drain(..ended);
    }

    /// The state at a moment: open where nothing was said.
    #[must_use]
    pub fn state_at(&self, time: EventTime) -> GateState {
        let standing = self.standing(time);
        standing.last().map_or(GateState::Open, |word| word.state)
    }

    /// The same, and closed outside the crossing's published hours unless it is open until a stated moment.
    #[must_use]
    pub fn seen_at(&self, crossing: &Crossing, time: EventTime) -> GateState {
        let standing = self.standing(time);
        let state = standing.last().map_or(GateState::Open, |word| word.state);
        if crossing.hours.is_none() || is_above_hours(&standing) {
            return state;
        }
        let day = DaySpan::holding(&crossing.tz, time);
        let (opens, shuts) = published_hours(crossing, &day);
        if opens <= time && time < shuts {
            state
        } else {
            GateState::Closed
        }
    }

    /// The words that hold at a moment, the one in force last.
    fn standing(&self, time: EventTime) -> Vec<Change> {
        let mut standing: Vec<Change> = Vec::new();
        let holds = |change: &Change, time| change.until.is_none_or(|until| time < until);
        for change in self.changes.iter().take_while(|c| c.from <= time) {
            standing.retain(|word| holds(word, change.from));
            if change.until.is_none() {
                standing.clear();
            } else if standing.last().is_some_and(|top| top.state == change.state) {
                standing.pop();
            }
            standing.push(*change);
        }
        standing.retain(|word| holds(word, time));
        standing
    }

    /// The spans in which a word was in force, oldest first.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        let ends = self.changes.iter().filter_map(|change| change.until);
        let mut moments: Vec<_> = self.changes.iter().map(|c| c.from).chain(ends).collect();
        moments.sort_unstable();
        moments.dedup();
        let mut spans: Vec<Span> = Vec::new();
        for (n, from) in moments.iter().enumerate() {
            let to = moments.get(n + 1).copied().unwrap_or(EventTime::MAX);
            let standing = self.standing(*from);
            let Some(change) = standing.last().copied() else {
                continue;
            };
            let span = Span {
                from: *from,
                to,
                change,
                is_above_hours: is_above_hours(&standing),
            };
            let is_same = |last: &Span| {
                last.to == *from
                    && last.change == change
                    && last.is_above_hours == span.is_above_hours
            };
            match spans.last_mut() {
                Some(last) if is_same(last) => last.to = to,
                _ => spans.push(span),
            }
        }
        spans
    }

    /// Whether a moment carries no exposure because the crossing is shut.
    #[must_use]
    pub fn is_shut(&self, crossing: &Crossing, time: EventTime) -> bool {
        self.seen_at(crossing, time) == GateState::Closed
    }

    /// The share of `[start, end)` in which the crossing was open by its status and its published hours, in [0, 1].
    #[must_use]
    pub fn exposure(
        &self,
        crossing: &Crossing,
        day: &DaySpan,
        start: EventTime,
        end: EventTime,
    ) -> f64 {
        let seen = Watched {
            feed: &FeedTimeline::default(),
            since: EventTime::MIN,
            has_ended: true,
        };
        self.shares(crossing, day, (start, end), seen).open
    }

    /// What became of the scheduled hours of `[start, end)`; all 0 where it is empty.
    #[must_use]
    pub fn shares(
        &self,
        crossing: &Crossing,
        day: &DaySpan,
        (start, end): (EventTime, EventTime),
        watched: Watched<'_>,
    ) -> Shares {
        let bucket = (start.max(watched.since), end);
        let hours = both(bucket, published_hours(crossing, day));
        let (mut open_ms, mut closed_ms, mut blind_ms, mut extra_ms) = (0, 0, 0, 0);
        let mut add_open = |piece| {
            let blind = watched.blind_ms(piece);
            open_ms += length_ms(piece);
            blind_ms += blind;
            length_ms(piece) - blind
        };
        let mut at = EventTime::MIN;
        let spans = self.spans();
        let above = spans.iter().filter(|span| span.is_above_hours);
        for Span {
            from, to, change, ..
        } in above.copied()
        {
            add_open(both(hours, (at, from)));
            match change.state {
                GateState::Closed => closed_ms += length_ms(both(hours, (from, to))),
                GateState::Open | GateState::Restricted => {
                    let inside = both(hours, (from, to));
                    let seen_inside_ms = length_ms(inside) - watched.blind_ms(inside);
                    extra_ms += add_open(both(bucket, (from, to))) - seen_inside_ms;
                }
            }
            at = to;
        }
        add_open(both(hours, (at, EventTime::MAX)));
        let share = |ms: i64| ms as f64 / (end.0 - start.0) as f64;
        Shares {
            open: share(open_ms - blind_ms),
            closed: share(closed_ms),
            blind: share(blind_ms),
            extra: share(extra_ms),
        }
    }
}

/// Whether what holds stands above the published hours: a closure, or `open` until a stated moment, also under limits.
fn is_above_hours(standing: &[Change]) -> bool {
    let is_closed = standing
        .last()
        .is_some_and(|top| top.state == GateState::Closed);
    let mut words = standing.iter().rev();
    let word = words.find(|word| word.state != GateState::Restricted);
    let is_held_open =
        word.is_some_and(|word| word.state == GateState::Open && word.until.is_some());
    is_closed || is_held_open
}

/// What two spans share; empty where the second ends before it begins.
fn both(a: (EventTime, EventTime), b: (EventTime, EventTime)) -> (EventTime, EventTime) {
    let from = a.0.max(b.0);
    (from, a.1.min(b.1).max(from))
}

fn length_ms(span: (EventTime, EventTime)) -> i64 {
    span.1.0 - span.0.0
}

/// The end of the newest published hours that ended by `time`: of a week that never opens, nothing is older than a week.
fn hours_ended(crossing: &Crossing, time: EventTime) -> EventTime {
    let mut day = DaySpan::holding(&crossing.tz, time);
    for _ in 0..7 {
        let (opens, shuts) = published_hours(crossing, &day);
        if opens < shuts && shuts <= time {
            return shuts;
        }
        day = DaySpan::holding(&crossing.tz, day.start.plus_ms(-1));
    }
    day.end
}

/// The open span of a day; the whole day where no hours are published, an empty one on a day that stays shut.
fn published_hours(crossing: &Crossing, day: &DaySpan) -> (EventTime, EventTime) {
    let Some(week) = &crossing.hours else {
        return (day.start, day.end);
    };
    let weekday = usize::try_from(day.date.weekday().to_monday_zero_offset()).unwrap_or(0);
    match week[weekday] {
        Some(hours) => (
            clock_time(crossing, day, hours.open_minute),
            clock_time(crossing, day, hours.close_minute),
        ),
        None => (day.start, day.start),
    }
}

/// The moment the wall clock shows a minute of the day; on a day of 23 or 25 hours it is not start + minutes.
fn clock_time(crossing: &Crossing, day: &DaySpan, minute: u16) -> EventTime {
    if minute >= 1440 {
        return day.end;
    }
    let plain = day.start.plus_ms(i64::from(minute) * 60_000);
    let shown = local(&crossing.tz, plain);
    let shown_minute = i64::from(shown.hour()) * 60 + i64::from(shown.minute());
    plain.plus_ms((i64::from(minute) - shown_minute) * 60_000)
}

#[cfg(test)]
#[path = "exposure_tests.rs"]
mod tests;
