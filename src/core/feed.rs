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
    /// It goes on to be alive.
    Longer,
    /// From the event's time to this one it is alive where it was thought blind, or followed where it was not.
    Anew(EventTime),
}

/// The spans of one feed over the days that can still change, oldest first, apart by more than the silence that makes it blind.
///
/// A feed is followed from its first heartbeat on: of one that never sends any, silence says nothing. After an event it is
/// taken to be alive for `blind_after_ms`, and blind from then on until the next one. The same events give the same spans in
/// any order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedTimeline {
    spans: Vec<Span>,
    /// The first heartbeat.
    followed: Option<EventTime>,
}

impl FeedTimeline {
    /// Enters an event: a heartbeat or an arrival.
    pub fn hear(&mut self, time: EventTime, is_heartbeat: bool, blind_after_ms: i64) -> Heard {
        let was_followed = self.followed;
        if is_heartbeat && was_followed.is_none_or(|first| time < first) {
            self.followed = Some(time);
            self.hear_event(time, blind_after_ms);
            let alive_until = time.plus_ms(blind_after_ms);
            let until = was_followed.unwrap_or(EventTime::MAX);
            return Heard::Anew(until.max(alive_until));
        }
        match self.hear_event(time, blind_after_ms) {
            // Nobody asks when a feed was alive that is not followed, until a heartbeat comes.
            Heard::Anew(_) if was_followed.is_none() => Heard::Longer,
            heard => heard,
        }
    }

    fn hear_event(&mut self, time: EventTime, blind_after_ms: i64) -> Heard {
        let Some(newest) = self.spans.last_mut() else {
            self.insert(0, time);
            return Heard::Anew(time.plus_ms(blind_after_ms));
        };
        if newest.first <= time && time <= newest.last {
            return Heard::Nothing;
        }
        if newest.last < time && time <= newest.last.plus_ms(blind_after_ms) {
            newest.last = time;
            return Heard::Longer;
        }
        self.hear_late(time, blind_after_ms)
    }

    /// An event that begins a span or lies before the end of the newest one.
    fn hear_late(&mut self, time: EventTime, blind_after_ms: i64) -> Heard {
        let next = self.spans.partition_point(|span| span.first <= time);
        let last = next.checked_sub(1);
        if last.is_some_and(|at| time <= self.spans[at].last) {
            return Heard::Nothing;
        }
        let joins_next = |span: &Span| span.first <= time.plus_ms(blind_after_ms);
        let joins_next = self.spans.get(next).is_some_and(joins_next);
        let joins_last = |at: &usize| time <= self.spans[*at].last.plus_ms(blind_after_ms);
        match (last.filter(joins_last), joins_next) {
            (Some(at), true) => self.spans[at].last = self.spans.remove(next).last,
            (Some(at), false) => self.spans[at].last = time,
            (None, true) => self.spans[next].first = time,
            (None, false) => self.insert(next, time),
        }
        Heard::Anew(time.plus_ms(blind_after_ms))
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

    /// Until when the feed is known to be alive; nothing where it is not followed.
    #[must_use]
    pub fn alive_until(&self, blind_after_ms: i64) -> Option<EventTime> {
        self.followed?;
        let newest = self.spans.last()?;
        Some(newest.last.plus_ms(blind_after_ms))
    }

    /// Milliseconds of `[start, end)` in which the feed was blind. The time after the newest event counts where the bucket `has
    /// ended`: of one that is open it is not known yet.
    #[must_use]
    pub fn blind_ms(
        &self,
        (start, end): (EventTime, EventTime),
        has_ended: bool,
        blind_after_ms: i64,
    ) -> i64 {
        let Some(followed) = self.followed else {
            return 0;
        };
        let start = start.max(followed);
        let first = self
            .spans
            .partition_point(|span| span.last.plus_ms(blind_after_ms) < start);
        let mut blind_ms = 0;
        for at in first.saturating_sub(1)..self.spans.len() {
            let from = self.spans[at].last.plus_ms(blind_after_ms);
            let to = match self.spans.get(at + 1) {
                Some(next) => next.first,
                None if has_ended => EventTime::MAX,
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

    fn heard(beats: &[i64]) -> FeedTimeline {
        let mut feed = FeedTimeline::default();
        for time in beats {
            feed.hear(EventTime(*time), true, GRACE);
        }
        feed
    }

    fn blind(feed: &FeedTimeline, start: i64, end: i64, has_ended: bool) -> i64 {
        feed.blind_ms((EventTime(start), EventTime(end)), has_ended, GRACE)
    }

    #[test]
    fn a_feed_without_heartbeats_is_never_blind() {
        let mut feed = FeedTimeline::default();
        assert_eq!(feed.hear(EventTime(5), false, GRACE), Heard::Longer);
        assert_eq!(blind(&feed, 0, 1_000, true), 0);
        assert_eq!(feed.alive_until(GRACE), None);
    }

    #[test]
    fn silence_is_blind_from_the_end_of_its_grace_to_the_next_event() {
        let feed = heard(&[0, 8, 16, 50]);
        for (start, end, has_ended, want) in [
            (0, 26, true, 0),
            (0, 50, true, 24),
            (30, 40, true, 10),
            (0, 100, true, 24 + 40),
            (0, 100, false, 24),
            (60, 100, true, 40),
            (-50, 0, true, 0),
        ] {
            let got = blind(&feed, start, end, has_ended);
            assert_eq!(got, want, "[{start}, {end}), ended: {has_ended}");
        }
        assert_eq!(feed.alive_until(GRACE), Some(EventTime(60)));
    }

    #[test]
    fn an_arrival_keeps_a_followed_feed_alive_and_a_late_one_mends_a_gap() {
        let mut feed = heard(&[0, 30]);
        assert_eq!(blind(&feed, 0, 30, true), 20);
        assert_eq!(
            feed.hear(EventTime(15), false, GRACE),
            Heard::Anew(EventTime(25))
        );
        assert_eq!(blind(&feed, 0, 30, true), 10);
        assert_eq!(
            feed.hear(EventTime(7), false, GRACE),
            Heard::Anew(EventTime(17))
        );
        assert_eq!(
            feed.hear(EventTime(22), false, GRACE),
            Heard::Anew(EventTime(32))
        );
        assert_eq!(blind(&feed, 0, 30, true), 0);
        assert_eq!(feed.hear(EventTime(35), false, GRACE), Heard::Longer);
        assert_eq!(feed.hear(EventTime(34), false, GRACE), Heard::Nothing);
    }

    #[test]
    fn a_heartbeat_before_all_others_lets_the_arrivals_after_it_count() {
        let mut feed = FeedTimeline::default();
        feed.hear(EventTime(50), false, GRACE);
        let heard = feed.hear(EventTime(100), true, GRACE);
        assert_eq!(heard, Heard::Anew(EventTime::MAX));
        assert_eq!(blind(&feed, 0, 100, true), 0);
        let heard = feed.hear(EventTime(0), true, GRACE);
        assert_eq!(heard, Heard::Anew(EventTime(100)));
        assert_eq!(blind(&feed, 0, 100, true), 40 + 40);
    }

    #[test]
    fn forgetting_keeps_the_gap_a_kept_moment_lies_in() {
        let mut feed = heard(&[0, 100, 200]);
        feed.forget_before(EventTime(150));
        assert_eq!(blind(&feed, 150, 200, true), 50);
    }

    #[test]
    fn memory_is_bounded_whatever_the_feed() {
        let far: Vec<i64> = (0..10_000).map(|n| n * 1_000).collect();
        assert_eq!(heard(&far).spans.len(), MAX_SPANS);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn spans_are_those_of_a_sorted_scan_in_any_order(mut beats in prop::collection::vec(0..400_i64, 1..40), start in -20..420_i64, width in 1..200_i64) {
            let feed = heard(&beats);
            let read = beats.clone();
            beats.sort_unstable();
            prop_assert_eq!(&feed, &heard(&beats), "read as {:?}", read);
            // Moment by moment: blind is a moment at or after the first event without an event in the grace before it.
            let is_blind = |t: i64| t >= beats[0] && beats.iter().all(|b| *b > t || t >= b + GRACE);
            let naive = (start..start + width).filter(|t| is_blind(*t)).count() as i64;
            prop_assert_eq!(blind(&feed, start, start + width, true), naive);
        }
    }
}
