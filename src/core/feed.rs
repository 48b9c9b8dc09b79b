//! Owns when the feed of a crossing was alive: the spans in which it said something often enough, and the blind time after them.

use super::time::EventTime;
use serde::{Deserialize, Serialize};

/// How many spans are kept for a crossing; the oldest are given up first.
const MAX_SPANS: usize = 64;

/// Events without a long silence between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Span {
    first: EventTime,
    last: EventTime,
}

/// What an event says of the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Nothing that was not known.
    Nothing,
    /// Nothing that changes when it was blind.
    Longer,
    /// What was known of the time between these moments holds no more: it is alive where it was thought blind, or followed where it
    /// was not.
    Anew(EventTime, EventTime),
}

/// The spans of one feed over the days that can still change, oldest first, apart by more than the silence that makes it blind.
///
/// A feed is followed from its first heartbeat on, or from its first message where it was said how often one comes: of any other,
/// silence says nothing. Between two events it is
/// blind where they lie further apart than `blind_after_ms`: all of that time, since nobody knows when it died. The same
/// events give the same spans in any order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedTimeline {
    spans: Vec<Span>,
    /// The first event that follows.
    followed: Option<EventTime>,
    /// It has been silent for long enough since the newest event.
    is_silent: bool,
}

impl FeedTimeline {
    /// Enters an event, a heartbeat or an arrival, at the time `now` by the watermark; the feed is followed from it on if it `follows`.
    pub fn hear(
        &mut self,
        time: EventTime,
        follows: bool,
        now: EventTime,
        blind_after_ms: i64,
    ) -> Heard {
        let (was_followed, was_silent) = (self.followed, self.is_silent);
        let gap = self.enter(time, blind_after_ms);
        if follows && was_followed.is_none_or(|first| time < first) {
            self.followed = Some(time);
        }
        let newest = self.spans.last().map_or(time, |span| span.last);
        self.is_silent = self.followed.is_some() && now.0 - newest.0 >= blind_after_ms;
        if self.followed != was_followed {
            return Heard::Anew(time, was_followed.unwrap_or(EventTime::MAX));
        }
        let Some((last, next)) = gap else {
            return Heard::Nothing;
        };
        let (Some(followed), Some(last)) = (was_followed, last) else {
            return Heard::Longer;
        };
        let is_near = |a: EventTime, b: EventTime| b.0 - a.0 <= blind_after_ms;
        let was_blind = next.map_or(was_silent, |next| !is_near(last, next));
        let from = if is_near(last, time) { last } else { time };
        let to = match next {
            Some(next) if is_near(time, next) => next,
            None if !self.is_silent => EventTime::MAX,
            _ => time,
        };
        let from = from.max(followed);
        if was_blind && from < to {
            Heard::Anew(from, to)
        } else {
            Heard::Longer
        }
    }

    /// Puts an event into the spans. Returns the events before and after it; nothing where it lies inside a span.
    fn enter(
        &mut self,
        time: EventTime,
        blind_after_ms: i64,
    ) -> Option<(Option<EventTime>, Option<EventTime>)> {
        if let Some(newest) = self.spans.last_mut()
            && newest.last < time
            && time <= newest.last.plus_ms(blind_after_ms)
        {
            let last = std::mem::replace(&mut newest.last, time);
            return Some((Some(last), None));
        }
        let next = self.spans.partition_point(|span| span.first <= time);
        let last = next.checked_sub(1);
        if last.is_some_and(|at| time <= self.spans[at].last) {
            return None;
        }
        let gap = (
            last.map(|at| self.spans[at].last),
            self.spans.get(next).map(|span| span.first),
        );
        let joins_next = |span: &Span| span.first <= time.plus_ms(blind_after_ms);
        let joins_next = self.spans.get(next).is_some_and(joins_next);
        let joins_last = |at: &usize| time <= self.spans[*at].last.plus_ms(blind_after_ms);
        match (last.filter(joins_last), joins_next) {
            (Some(at), true) => self.spans[at].last = self.spans.remove(next).last,
            (Some(at), false) => self.spans[at].last = time,
            (None, true) => self.spans[next].first = time,
            (None, false) => self.insert(next, time),
        }
        Some(gap)
    }

    fn insert(&mut self, at: usize, time: EventTime) {
        let span = Span {
            first: time,
            last: time,
        };
        self.spans.insert(at, span);
        if self.spans.len() > MAX_SPANS {
            self.spans.remove(0);
        }
    }

    /// The watermark at which the feed is blind if it says nothing more; nothing where it is not followed, or blind already.
    #[must_use]
    pub fn due(&self, blind_after_ms: i64) -> Option<EventTime> {
        self.followed.filter(|_| !self.is_silent)?;
        let newest = self.spans.last()?;
        Some(newest.last.plus_ms(blind_after_ms))
    }

    /// Nothing was said up to `now`. Returns since when it is blind, where it was not known to be.
    pub fn pass(&mut self, now: EventTime, blind_after_ms: i64) -> Option<EventTime> {
        self.due(blind_after_ms).filter(|due| *due <= now)?;
        self.is_silent = true;
        self.silent_since()
    }

    /// Since when it has said nothing, where that is long enough to be blind.
    #[must_use]
    pub fn silent_since(&self) -> Option<EventTime> {
        let newest = self.spans.last().filter(|_| self.is_silent)?;
        Some(newest.last)
    }

    /// Whether it is known of all time up to a moment if the feed was alive.
    #[must_use]
    pub fn is_known(&self, until: EventTime) -> bool {
        let is_heard = |newest: &Span| until <= newest.last;
        self.followed.is_none() || self.is_silent || self.spans.last().is_none_or(is_heard)
    }

    /// Since when nothing was heard of a feed that is not followed; nothing where it is.
    #[must_use]
    pub fn unheard_since(&self) -> Option<EventTime> {
        let newest = self.spans.last().filter(|_| self.followed.is_none())?;
        Some(newest.last)
    }

    /// Milliseconds of `[start, end)` in which the feed was blind. The silence after the newest event counts where the bucket
    /// `has_ended`: one that is open goes on.
    #[must_use]
    pub fn blind_ms(&self, (start, end): (EventTime, EventTime), has_ended: bool) -> i64 {
        let Some(followed) = self.followed else {
            return 0;
        };
        let start = start.max(followed);
        let first = self.spans.partition_point(|span| span.last < start);
        let mut blind_ms = 0;
        for at in first.saturating_sub(1)..self.spans.len() {
            let from = self.spans[at].last;
            let to = match self.spans.get(at + 1) {
                Some(next) => next.first,
                None if has_ended && self.is_silent => EventTime::MAX,
                None => break,
            };
            blind_ms += (to.min(end).0 - from.max(start).0).max(0);
        }
        blind_ms
    }

    /// Forgets what no bucket from `time` on can depend on.
    pub fn forget_before(&mut self, time: EventTime) {
        let first_after = self.spans.partition_point(|span| span.last <= time);
        self.spans.drain(..first_after.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GRACE: i64 = 10;

    /// Heard up to a moment at which time stands.
    fn heard(beats: &[i64], now: i64) -> FeedTimeline {
        let mut feed = FeedTimeline::default();
        for time in beats {
            feed.hear(EventTime(*time), true, EventTime(now), GRACE);
        }
        feed
    }

    fn blind(feed: &FeedTimeline, start: i64, end: i64, has_ended: bool) -> i64 {
        feed.blind_ms((EventTime(start), EventTime(end)), has_ended)
    }

    fn anew(from: i64, to: i64) -> Heard {
        Heard::Anew(EventTime(from), EventTime(to))
    }

    #[test]
    fn a_feed_without_heartbeats_is_never_blind() {
        let mut feed = FeedTimeline::default();
        let now = EventTime(500);
        assert_eq!(feed.hear(EventTime(5), false, now, GRACE), Heard::Longer);
        assert_eq!(blind(&feed, 0, 1_000, true), 0);
        assert_eq!(feed.due(GRACE), None);
        assert!(feed.is_known(EventTime(1_000)));
    }

    #[test]
    fn a_long_silence_is_blind_from_the_event_before_it_to_the_one_after() {
        let mut feed = heard(&[0, 8, 16, 50], 55);
        for (start, end, has_ended, want) in [
            (0, 26, true, 10),
            (0, 50, true, 34),
            (30, 40, true, 10),
            (0, 100, true, 34),
            (-50, 0, true, 0),
        ] {
            let got = blind(&feed, start, end, has_ended);
            assert_eq!(got, want, "[{start}, {end}), ended: {has_ended}");
        }
        assert!(feed.is_known(EventTime(50)) && !feed.is_known(EventTime(51)));
        assert_eq!(feed.due(GRACE), Some(EventTime(60)));
        assert_eq!(feed.pass(EventTime(59), GRACE), None);
        assert_eq!(feed.pass(EventTime(60), GRACE), Some(EventTime(50)));
        assert_eq!(feed.pass(EventTime(70), GRACE), None, "told once");
        assert!(feed.is_known(EventTime(1_000)));
        assert_eq!(blind(&feed, 0, 100, true), 34 + 50);
        assert_eq!(blind(&feed, 0, 100, false), 34);
    }

    #[test]
    fn an_arrival_keeps_a_followed_feed_alive_and_a_late_one_mends_a_gap() {
        let mut feed = heard(&[0, 30], 32);
        let mut hear = |time| feed.hear(EventTime(time), false, EventTime(32), GRACE);
        assert_eq!(hear(15), Heard::Longer, "both sides are as long");
        assert_eq!(hear(7), anew(0, 15));
        assert_eq!(hear(22), anew(15, 30));
        assert_eq!(hear(31), Heard::Longer);
        assert_eq!(hear(25), Heard::Nothing);
        assert_eq!(blind(&feed, 0, 32, true), 0);
    }

    #[test]
    fn a_silent_feed_that_is_heard_again_was_blind_until_then() {
        let mut feed = heard(&[0], 100);
        assert_eq!(feed.silent_since(), Some(EventTime(0)));
        let now = EventTime(100);
        assert_eq!(feed.hear(EventTime(40), true, now, GRACE), Heard::Longer);
        assert_eq!(
            feed.hear(EventTime(95), true, now, GRACE),
            anew(95, EventTime::MAX.0)
        );
        assert_eq!(feed.silent_since(), None);
        assert_eq!(blind(&feed, 0, 100, true), 95);
    }

    #[test]
    fn a_heartbeat_before_all_others_lets_the_arrivals_after_it_count() {
        let mut feed = FeedTimeline::default();
        let now = EventTime(100);
        feed.hear(EventTime(50), false, now, GRACE);
        let heard = feed.hear(EventTime(100), true, now, GRACE);
        assert_eq!(heard, anew(100, EventTime::MAX.0));
        assert_eq!(blind(&feed, 0, 100, true), 0);
        let heard = feed.hear(EventTime(0), true, now, GRACE);
        assert_eq!(heard, anew(0, 100));
        assert_eq!(blind(&feed, 0, 100, true), 100);
    }

    #[test]
    fn forgetting_keeps_the_gap_a_kept_moment_lies_in() {
        let mut feed = heard(&[0, 100, 200], 200);
        feed.forget_before(EventTime(150));
        assert_eq!(blind(&feed, 150, 200, true), 50);
    }

    #[test]
    fn memory_is_bounded_whatever_the_feed() {
        let far: Vec<i64> = (0..10_000).map(|n| n * 1_000).collect();
        assert_eq!(heard(&far, 0).spans.len(), MAX_SPANS);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn spans_are_those_of_a_sorted_scan_in_any_order(mut beats in prop::collection::vec(0..400_i64, 1..40), start in -20..420_i64, width in 1..200_i64) {
            let feed = heard(&beats, 420);
            let read = beats.clone();
            beats.sort_unstable();
            prop_assert_eq!(&feed, &heard(&beats, 420), "read as {:?}", read);
            // Moment by moment: blind is a moment between two events, or one and the end, that are further apart than the grace.
            let is_blind = |t: i64| {
                let last = beats.iter().rev().find(|b| **b <= t);
                let next = beats.iter().find(|b| **b > t);
                match (last, next) {
                    (Some(last), Some(next)) => next - last > GRACE,
                    (Some(last), None) => 420 - last >= GRACE,
                    (None, _) => false,
                }
            };
            let naive = (start..start + width).filter(|t| is_blind(*t)).count() as i64;
            prop_assert_eq!(blind(&feed, start, start + width, true), naive);
        }

        #[test]
        fn what_an_event_changes_lies_between_the_moments_it_names(beats in prop::collection::vec((0..200_i64, any::<bool>()), 1..20)) {
            let mut feed = FeedTimeline::default();
            let now = EventTime(200);
            for (time, follows) in beats {
                let before = feed.clone();
                let heard = feed.hear(EventTime(time), follows, now, GRACE);
                for t in 0..220 {
                    let is_inside = matches!(heard, Heard::Anew(from, to) if from.0 <= t && t < to.0);
                    let same = blind(&before, t, t + 1, true) == blind(&feed, t, t + 1, true);
                    prop_assert!(same || is_inside, "{t} by {time}: {heard:?}");
                }
            }
        }
    }
}
