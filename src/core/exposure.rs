//! Owns exposure: what share of a bucket a crossing was open, from its published hours and its status events.

use super::calendar::{DaySpan, local};
use super::event::GateState;
use super::feed::FeedTimeline;
use super::lens::Lens;
use super::network::Crossing;
use super::time::EventTime;
use serde::{Deserialize, Serialize};

/// A word on the state of a crossing. Of each state the newest word counts, and a word without end replaces all before it; of those
/// that are left the newest is in force that has not ended. So a closure of an hour inside a lengthened day gives that day back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// From when.
    pub from: EventTime,
    /// The state from then on.
    pub state: GateState,
    /// When it is known to end; what was said before it holds again from then on.
    pub until: Option<EventTime>,
}

impl Change {
    /// Whether it stands above the published hours: a closure does, and an `open` that tells when it ends.
    fn overrides_hours(&self) -> bool {
        match self.state {
            GateState::Closed => true,
            GateState::Open => self.until.is_some(),
            GateState::Restricted => false,
        }
    }
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

/// Standard deviation of a log count, at most, for what is not known of its hours.
const MAX_MISSED_LOG_SD: f64 = 1.5;

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

    /// The log variance a day has because part of it was closed or blind. Arrivals are expected in proportion to open
    /// time, and the rest of the day may be its busy or its idle hours: as many as came may be missing by the ratio of its length, or none.
    /// An hour has none inside the published hours, and the most outside them: nobody knows what comes then.
    #[must_use]
    pub fn missed_log_variance(&self, lens: Lens) -> f64 {
        let missed = self.closed + self.blind;
        if lens == Lens::Hour {
            let is_known = self.extra <= 0.0;
            return if is_known {
                0.0
            } else {
                MAX_MISSED_LOG_SD.powi(2)
            };
        }
        if missed <= 0.0 || self.open <= 0.0 {
            return 0.0;
        }
        let ratio = missed / self.expects(lens);
        ratio.min(MAX_MISSED_LOG_SD).powi(2)
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
            .filter(|span| span.change.overrides_hours() && span.change.state == GateState::Open);
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
        let first_after = self.changes.partition_point(|c| c.from <= time);
        let mut still: Vec<Change> = self.standing(time).copied().collect();
        still.reverse();
        self.changes.splice(..first_after, still);
    }

    /// The state at a moment: open where nothing was said.
    #[must_use]
    pub fn state_at(&self, time: EventTime) -> GateState {
        self.in_force(time)
            .map_or(GateState::Open, |change| change.state)
    }

    /// The same, and closed outside the crossing's published hours unless it is open until a stated moment.
    #[must_use]
    pub fn seen_at(&self, crossing: &Crossing, time: EventTime) -> GateState {
        let change = self.in_force(time);
        let state = change.map_or(GateState::Open, |change| change.state);
        if crossing.hours.is_none() || change.is_some_and(Change::overrides_hours) {
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

    fn in_force(&self, time: EventTime) -> Option<&Change> {
        self.standing(time).next()
    }

    /// The words that hold at a moment and are not replaced, newest first.
    fn standing(&self, time: EventTime) -> impl Iterator<Item = &Change> {
        let at = self.changes.partition_point(|c| c.from <= time);
        let mut newer: Vec<GateState> = Vec::new();
        let mut is_replaced = false;
        let words = self.changes[..at].iter().rev();
        words.filter(move |change| {
            let counts = !is_replaced && !newer.contains(&change.state);
            is_replaced |= change.until.is_none();
            if counts {
                newer.push(change.state);
            }
            counts && change.until.is_none_or(|until| time < until)
        })
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
            let Some(change) = self.in_force(*from) else {
                continue;
            };
            match spans.last_mut() {
                Some(last) if last.to == *from && last.change == *change => last.to = to,
                _ => spans.push(Span {
                    from: *from,
                    to,
                    change: *change,
                }),
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
        let above = spans.iter().filter(|span| span.change.overrides_hours());
        for Span { from, to, change } in above.copied() {
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
mod tests {
    #![expect(clippy::float_cmp, reason = "whole shares are exact")]
    use super::super::network::OpenHours;
    use super::*;
    use jiff::civil::Date;
    use jiff::tz::TimeZone;

    fn crossing(hours: Option<(u16, u16)>) -> Crossing {
        Crossing {
            id: "x".into(),
            name: "X".into(),
            country: "fi".into(),
            corridor: "c".into(),
            order: 1,
            neighbours: vec![],
            tz: TimeZone::get("Europe/Helsinki").expect("bundled"),
            hours: hours.map(|(open_minute, close_minute)| {
                [Some(OpenHours {
                    open_minute,
                    close_minute,
                }); 7]
            }),
            streams: vec![],
            message_within_ms: None,
        }
    }

    fn day(crossing: &Crossing) -> DaySpan {
        DaySpan::of(&crossing.tz, Date::constant(2023, 11, 17))
    }

    #[test]
    fn a_crossing_without_hours_and_status_is_open_all_day() {
        let c = crossing(None);
        let d = day(&c);
        assert_eq!(
            GateTimeline::default().exposure(&c, &d, d.start, d.end),
            1.0
        );
    }

    #[test]
    fn published_hours_give_the_open_share_of_days_and_of_hours() {
        let c = crossing(Some((600, 840)));
        let d = day(&c);
        let open = GateTimeline::default();
        assert!((open.exposure(&c, &d, d.start, d.end) - 4.0 / 24.0).abs() < 1e-12);
        let of = |h| open.exposure(&c, &d, d.hour_span(h).0, d.hour_span(h).1);
        assert_eq!([of(9), of(10), of(13), of(14)], [0.0, 1.0, 1.0, 0.0]);
    }

    #[test]
    fn at_a_moment_a_crossing_is_closed_by_status_or_outside_its_hours() {
        let day = day(&crossing(None));
        let at = |minute: i64| day.start.plus_ms(minute * 60_000);
        let mut gate = GateTimeline::default();
        for (from, state, until) in [
            (at(11 * 60), GateState::Restricted, None),
            (at(12 * 60), GateState::Closed, Some(at(13 * 60))),
        ] {
            gate.enter(Change { from, state, until });
        }
        use GateState::{Closed, Open, Restricted};
        for (minute, by_hours, without) in [
            (9 * 60 + 59, Closed, Open),
            (10 * 60, Open, Open),
            (11 * 60, Restricted, Restricted),
            (12 * 60, Closed, Closed),
            (13 * 60, Restricted, Restricted),
            (14 * 60, Closed, Restricted),
        ] {
            let of = |hours| gate.seen_at(&crossing(hours), at(minute));
            let found = (of(Some((600, 840))), of(None));
            assert_eq!(found, (by_hours, without), "minute {minute}");
        }
    }

    #[test]
    fn an_open_status_with_an_end_stands_above_the_published_hours() {
        let with_hours = crossing(Some((600, 840)));
        let day = day(&with_hours);
        let at = |hour: i64| day.start.plus_ms(hour * 3_600_000);
        let hours_open = |gate: &GateTimeline| {
            let share = gate.exposure(&with_hours, &day, day.start, day.end);
            (share * 24.0).round() as i64
        };
        let mut gate = GateTimeline::default();
        let mut enter = |from, state, until: Option<i64>| {
            gate.enter(Change {
                from: at(from),
                state,
                until: until.map(at),
            });
            hours_open(&gate)
        };
        use GateState::{Closed, Open};
        assert_eq!(enter(8, Open, None), 4, "without an end the hours hold");
        assert_eq!(enter(9, Open, Some(18)), 9, "from its moment on");
        assert_eq!(enter(16, Closed, Some(17)), 8, "but for a closure");
        assert_eq!(enter(20, Open, Some(22)), 10, "on top of the hours");
        for (hour, state, since) in [
            (8, Closed, Some(-10)),
            (9, Open, None),
            (15, Open, None),
            (16, Closed, Some(16)),
            (17, Open, None),
            (18, Closed, Some(18)),
            (21, Open, None),
            (23, Closed, Some(22)),
        ] {
            let found = (
                gate.seen_at(&with_hours, at(hour)),
                gate.shut_since(&with_hours, at(hour)),
            );
            assert_eq!(found, (state, since.map(at)), "hour {hour}");
        }
    }

    #[test]
    fn the_wall_clock_decides_opening_on_the_day_clocks_change() {
        let c = crossing(Some((600, 840)));
        for date in [Date::constant(2023, 3, 26), Date::constant(2023, 10, 29)] {
            let d = DaySpan::of(&c.tz, date);
            let (from, to) = published_hours(&c, &d);
            assert_eq!(
                (local(&c.tz, from).hour(), local(&c.tz, to).hour()),
                (10, 14),
                "{date}"
            );
        }
    }

    #[test]
    fn a_closure_takes_its_share_until_it_ends_or_another_status_comes() {
        let c = crossing(None);
        let d = day(&c);
        let at = |h: i64| d.start.plus_ms(h * 3_600_000);
        let mut gate = GateTimeline::default();
        assert!(gate.enter(Change {
            from: at(6),
            state: GateState::Closed,
            until: Some(at(12))
        }));
        assert!(!gate.enter(Change {
            from: at(6),
            state: GateState::Closed,
            until: Some(at(12))
        }));
        assert!((gate.exposure(&c, &d, d.start, d.end) - 18.0 / 24.0).abs() < 1e-12);
        assert_eq!(gate.state_at(at(7)), GateState::Closed);
        assert_eq!(gate.state_at(at(13)), GateState::Open);
        gate.enter(Change {
            from: at(18),
            state: GateState::Closed,
            until: None,
        });
        assert!((gate.exposure(&c, &d, d.start, d.end) - 12.0 / 24.0).abs() < 1e-12);
        gate.enter(Change {
            from: at(8),
            state: GateState::Open,
            until: None,
        });
        assert!((gate.exposure(&c, &d, d.start, d.end) - 16.0 / 24.0).abs() < 1e-12);
    }

    #[test]
    fn forgetting_keeps_the_state_in_force() {
        let mut gate = GateTimeline::default();
        gate.enter(Change {
            from: EventTime(10),
            state: GateState::Closed,
            until: None,
        });
        gate.enter(Change {
            from: EventTime(20),
            state: GateState::Open,
            until: None,
        });
        gate.enter(Change {
            from: EventTime(30),
            state: GateState::Closed,
            until: None,
        });
        gate.forget_before(EventTime(25));
        assert_eq!(gate.state_at(EventTime(25)), GateState::Open);
        assert_eq!(gate.state_at(EventTime(35)), GateState::Closed);
    }
}
