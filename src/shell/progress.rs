//! Owns how far a partition was read: the next offset, its lag, and how event time passes in it while nothing comes.

use crate::core::ids::NextOffset;
use crate::core::time::EventTime;
use std::time::{Duration, Instant};

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
    /// The watermark at the first look at it while it is quiet.
    quiet_from: Option<EventTime>,
}

impl Progress {
    /// A record was taken, or state restored, at `now`.
    #[must_use]
    pub fn at(next: NextOffset, touched: bool, now: Instant) -> Self {
        Self {
            next,
            touched,
            at_end: false,
            quiet_since: now,
            quiet_from: None,
        }
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
        let mut progress = Progress::at(NextOffset(7), true, begun);
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
        let mut progress = Progress::at(NextOffset(7), true, begun);
        assert!(
            progress
                .quiet_until(Some(EventTime(0)), later, IDLE)
                .is_some()
        );
        progress = Progress::at(NextOffset(8), true, later);
        assert_eq!(progress.quiet_until(Some(EventTime(0)), later, IDLE), None);
    }

    #[test]
    fn lag_is_nothing_at_the_end_and_unknown_before_anybody_told_it() {
        let mut progress = Progress::at(NextOffset(7), false, Instant::now());
        assert_eq!(progress.behind(None), None);
        assert_eq!(progress.behind(Some(10)), Some(3));
        assert_eq!(progress.behind(Some(5)), Some(0));
        progress.at_end = true;
        assert_eq!(progress.behind(Some(8)), Some(0));
    }
}
