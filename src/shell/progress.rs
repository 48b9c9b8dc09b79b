//! Owns how far a partition was read: the next offset, its lag, and how event time passes in it while nothing comes.

use crate::core::ids::NextOffset;
use crate::core::time::{EventTime, HOUR_MS};
use std::time::{Duration, Instant};

/// A partition whose end was not reached for so long has records left, and is waited for by the region.
const BEHIND_AFTER: Duration = Duration::from_secs(5);
/// So much event time since its end says the same at once: as it comes, one partition goes no further than the others meanwhile.
const LEAP_MS: i64 = HOUR_MS;

/// One partition's progress.
pub struct Progress {
    /// The record to read next.
    pub next: NextOffset,
    /// Something was read or closed since the last commit.
    pub touched: bool,
    /// Its end was reached and nothing came since.
    pub at_end: bool,
    /// When its last record was taken, or when it was restored.
    quiet_since: Instant,
    /// When the first record after its end was taken.
    left_end: Instant,
    /// Its end was reached since it was restored.
    was_at_end: bool,
    /// The watermark at its end, as it was last seen there.
    end_time: Option<EventTime>,
    /// What was told last of how far it was read: nothing yet, the hour of event time, or all.
    marked: Option<Option<i64>>,
    /// The watermark at the first look at it while it is quiet.
    quiet_from: Option<EventTime>,
}

impl Progress {
    /// State was restored at `now`.
    #[must_use]
    pub fn restored(next: NextOffset, now: Instant) -> Self {
        Self {
            next,
            touched: false,
            at_end: false,
            quiet_since: now,
            left_end: now,
            was_at_end: false,
            end_time: None,
            marked: None,
            quiet_from: None,
        }
    }

    /// A record was taken at `now`.
    pub fn took(&mut self, next: NextOffset, now: Instant) {
        if std::mem::take(&mut self.at_end) {
            self.left_end = now;
        }
        self.next = next;
        self.touched = true;
        self.quiet_since = now;
        self.quiet_from = None;
    }

    /// Everything was taken that there is.
    pub fn ended(&mut self) {
        self.at_end = true;
        self.was_at_end = true;
    }

    /// How far it was read, where that is news: its watermark while it is behind, by the hour, or nothing once it is not.
    pub fn mark(
        &mut self,
        watermark: Option<EventTime>,
        now: Instant,
    ) -> Option<Option<EventTime>> {
        if self.at_end {
            self.end_time = watermark;
        }
        let leapt = watermark > self.end_time.map(|at| at.plus_ms(LEAP_MS));
        let stays = now.duration_since(self.left_end) >= BEHIND_AFTER;
        let is_behind = !self.at_end && (!self.was_at_end || leapt || stays);
        let behind = is_behind.then(|| watermark.unwrap_or(EventTime::MIN));
        let hour = behind.map(|at| at.0.div_euclid(HOUR_MS));
        (self.marked.replace(hour) != Some(hour)).then_some(behind)
    }

    /// Up to where event time has passed in a partition that is quiet at its end: as fast as the wall clock, `idle_close` behind
    /// it, and from where its records have led, so that a feed which reports old events is not judged by today's date.
    pub fn quiet_until(
        &mut self,
        watermark: Option<EventTime>,
        now: Instant,
        idle_close: Duration,
    ) -> Option<EventTime> {
        let from = *self.quiet_from.get_or_insert(watermark?);
        let passed = now
            .duration_since(self.quiet_since)
            .checked_sub(idle_close)?;
        Some(from.plus_ms(i64::try_from(passed.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Records behind an end. The offset after the last record may lie before it, for markers of transactions count too.
    #[must_use]
    pub fn behind(&self, end: Option<i64>) -> Option<i64> {
        if self.at_end {
            Some(0)
        } else {
            end.map(|end| (end - self.next.0).max(0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(1_800);

    #[test]
    fn time_passes_from_the_last_record_on_and_not_before_the_patience_is_over() {
        let begun = Instant::now();
        let mut progress = Progress::restored(NextOffset(7), begun);
        let old = Some(EventTime(1_000));
        let after = |secs| begun + Duration::from_secs(secs);
        assert_eq!(progress.quiet_until(None, after(9_000), IDLE), None);
        assert_eq!(progress.quiet_until(old, after(1_799), IDLE), None);
        let passed = progress.quiet_until(old, after(1_810), IDLE);
        assert_eq!(passed, Some(EventTime(11_000)));
        // The watermark it has moved itself does not count as news.
        let passed = progress.quiet_until(passed, after(1_820), IDLE);
        assert_eq!(passed, Some(EventTime(21_000)));
    }

    #[test]
    fn a_record_begins_the_patience_anew() {
        let begun = Instant::now();
        let later = begun + Duration::from_secs(5_000);
        let mut progress = Progress::restored(NextOffset(7), begun);
        assert!(
            progress
                .quiet_until(Some(EventTime(0)), later, IDLE)
                .is_some()
        );
        progress.took(NextOffset(8), later);
        assert_eq!(progress.quiet_until(Some(EventTime(0)), later, IDLE), None);
    }

    #[test]
    fn lag_is_nothing_at_the_end_and_unknown_before_anybody_told_it() {
        let mut progress = Progress::restored(NextOffset(7), Instant::now());
        assert_eq!(progress.behind(None), None);
        assert_eq!(progress.behind(Some(10)), Some(3));
        assert_eq!(progress.behind(Some(5)), Some(0));
        progress.ended();
        assert_eq!(progress.behind(Some(8)), Some(0));
    }

    #[test]
    fn the_region_is_told_when_a_partition_is_behind_how_far_and_when_no_more() {
        let begun = Instant::now();
        let after = |secs| begun + Duration::from_secs(secs);
        let at = |hours: i64| Some(EventTime(hours * HOUR_MS));
        let mut progress = Progress::restored(NextOffset(7), begun);
        assert_eq!(progress.mark(at(10), after(0)), Some(at(10)));
        assert_eq!(progress.mark(at(10), after(1)), None, "no news");
        progress.took(NextOffset(8), after(1));
        assert_eq!(progress.mark(at(11), after(1)), Some(at(11)));
        progress.ended();
        assert_eq!(progress.mark(at(11), after(2)), Some(None));
        progress.took(NextOffset(9), after(100));
        assert_eq!(progress.mark(at(12), after(100)), None, "its end is near");
        assert_eq!(progress.mark(at(12), after(104)), None);
        assert_eq!(progress.mark(at(13), after(105)), Some(at(13)));
        progress.ended();
        assert_eq!(progress.mark(at(13), after(106)), Some(None));
        progress.took(NextOffset(10), after(200));
        assert_eq!(progress.mark(at(14), after(200)), None, "as it comes");
        let leap = progress.mark(at(15), after(200));
        assert_eq!(leap, Some(at(15)), "all at once");
        progress.ended();
        assert_eq!(progress.mark(at(90), after(201)), Some(None));
    }
}
