//! Owns what counts say of alerts: which episode is open in each direction, since when and how severe, as a fold over closed buckets.
//!
//! The fold begins with what no event can change any more and is computed again whenever a kept bucket changes, so that any order
//! of arrival inside the lateness horizon ends in the same alerts. What was told of them is [`Alert`](super::alert::Alert)'s; the
//! difference between the two is the next transition.

use super::alert::{Direction, Reading, Reason, Severity};
use super::lens::{Lens, LensParams, STRANGE};
use super::time::{EventTime, HOUR_MS};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU16;

/// Whole open days in a row that must look usual before an alert ends: two quiet days inside an episode do not end it
/// (23 and 24 December 2015 at Salla and Raja-Jooseppi).
pub const CALM_DAYS: u8 = 3;
/// Hours are strange from this probability on. It is not kept up by what was: without counts that are strange it falls below within
/// ten hours, as an hour's chance of the way back is one in a hundred.
const STRANGE_HOUR: f64 = 0.9;

/// An open episode, by the counts alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// First moment of the bucket the episode is thought to have begun in.
    pub onset: EventTime,
    /// The worst of the deciding bucket, of the run that it ends, and of the days from its own on.
    pub severity: Severity,
    /// First moment of the bucket that opened it.
    pub decided: EventTime,
    /// The lens of that bucket.
    pub decided_by: Lens,
    /// A status has closed the crossing for a whole day since it last counted a major number.
    pub was_shut: bool,
    calm_days: u8,
    /// What was usual in a whole day on its first one that was seen.
    usual: Option<Usual>,
    /// Time of days that do not count: closed, blind or mostly so.
    uncounted_half_hours: u16,
}

impl Standing {
    /// An episode that a bucket opens, by itself or at the end of a run.
    #[must_use]
    pub fn open(
        direction: Direction,
        onset: EventTime,
        reading: &Reading,
        run_severity: Severity,
    ) -> Self {
        let own = Severity::of(direction, reading.observed, reading.expected);
        Self {
            onset,
            severity: own.max(run_severity),
            decided: reading.start,
            decided_by: reading.lens,
            was_shut: false,
            calm_days: 0,
            usual: usual_per_day(reading).map(Usual::of),
            uncounted_half_hours: 0,
        }
    }

    /// What was usual in a whole day on its first one that was seen.
    #[must_use]
    pub fn usual_per_day(&self) -> Option<u32> {
        self.usual.map(Usual::per_day)
    }

    /// What a day with exposure adds, closed or not.
    pub fn see(&mut self, direction: Direction, day: &Reading) {
        if direction == Direction::Drop && day.is_hidden() {
            return;
        }
        let severity = Severity::of(direction, day.observed, day.expected);
        self.usual = self.usual.or_else(|| usual_per_day(day).map(Usual::of));
        self.severity = self.severity.max(severity);
        self.was_shut &= severity < Severity::Major;
    }

    /// What an hour adds, closed or not: a crossing that opened again is judged by it.
    fn see_hour(&mut self, direction: Direction, hour: &Reading) {
        self.was_shut &= Severity::of(direction, hour.observed, hour.expected) < Severity::Major;
    }

    /// A closed bucket passes over it. Returns whether it ends: only a day says so; one without exposure says nothing, and one of
    /// which less than half was open and seen does not calm, so a closed crossing or a dead feed ends no alert. While a series
    /// `is_learnt_whole` nothing is thought of its state: a day is usual if its count is.
    pub fn calm(&mut self, direction: Direction, bucket: &Reading, is_learnt_whole: bool) -> bool {
        if bucket.lens != Lens::Day {
            return false;
        }
        let counts = bucket.counts_for(direction);
        if !counts {
            let half_hours = (bucket.end.0 - bucket.start.0) / (HOUR_MS / 2);
            let half_hours = u16::try_from(half_hours).unwrap_or(0);
            self.uncounted_half_hours = self.uncounted_half_hours.saturating_add(half_hours);
        }
        if bucket.exposure <= 0.0 {
            self.was_shut |= bucket.closed_ratio > 0.0;
            return false;
        }
        let calm = if is_learnt_whole {
            bucket.is_in_range(direction)
        } else {
            bucket.p_abnormal(direction) < STRANGE
        };
        self.calm_days = match (calm, counts) {
            (false, _) => 0,
            (true, false) => self.calm_days,
            (true, true) => self.calm_days.saturating_add(1),
        };
        self.calm_days >= CALM_DAYS && counts
    }

    /// Whether it has gone on for so many days that count up to `end`.
    fn has_lasted(&self, days: u32, end: EventTime) -> bool {
        let uncounted_ms = i64::from(self.uncounted_half_hours) * (HOUR_MS / 2);
        let counted_ms = end.0 - self.onset.0 - uncounted_ms;
        counted_ms >= i64::from(days) * 24 * HOUR_MS
    }
}

/// What is usual in all of a day of which some is seen; nothing of an hour.
pub(super) fn usual_per_day(day: &Reading) -> Option<f64> {
    (day.lens == Lens::Day && day.exposure > 0.0).then(|| day.expected / day.exposure)
}

/// Arrivals of a usual day to 0.02 %, in the two bytes that the bound on a series' memory leaves for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Usual(NonZeroU16);

impl Usual {
    /// Steps of an e-fold: 65,535 of them reach past 10^9 arrivals.
    const STEPS: f64 = 3000.0;

    fn of(per_day: f64) -> Self {
        let step = (per_day.ln_1p() * Self::STEPS).round() as u16;
        Self(NonZeroU16::MIN.saturating_add(step))
    }

    fn per_day(self) -> u32 {
        let step = f64::from(self.0.get() - 1);
        (step / Self::STEPS).exp_m1().round() as u32
    }
}

/// What was usual on the first day of an episode that what is usual has followed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Which way the episode went.
    pub direction: Direction,
    /// When it began.
    pub onset: EventTime,
    /// Arrivals of a whole day.
    pub usual_per_day: u32,
}

/// A moment from which the evidence of a series begins anew, because an episode in one direction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    /// The moment. Buckets that hold it open no alert in the direction any more; the next one begins without evidence.
    pub at: EventTime,
    /// The direction that was judged.
    pub direction: Direction,
    /// Why it ended.
    pub why: Reason,
}

/// A bucket with what its lens knew after it.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// Its numbers.
    pub reading: Reading,
    /// Since when evidence was high, by direction.
    pub high_since: [EventTime; 2],
    /// How severe what came since then was, by direction.
    pub run_severity: [Severity; 2],
    /// With it a level that has lasted became the new usual.
    pub adopts: bool,
    /// Its lens learnt all of it, and thinks nothing of the state of its series.
    pub is_learnt_whole: bool,
}

impl Ended {
    fn onset(&self, direction: Direction) -> EventTime {
        self.high_since[direction as usize].min(self.reading.start)
    }

    fn reaches(&self, direction: Direction, params: &LensParams) -> bool {
        self.reading.exposure > 0.0
            && self.reading.log_evidence(direction) >= params.log_threshold(direction)
    }
}

/// The end of an episode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// When.
    pub at: EventTime,
    /// Why.
    pub why: Reason,
    /// The episode up to then; nothing where no closed bucket shows it.
    pub standing: Option<Standing>,
}

/// The open episodes of a series and the last end in each direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standings {
    /// Surge, drop.
    pub open: [Option<Standing>; 2],
    /// The newest end.
    pub ended: [Option<End>; 2],
    /// Whether the last open hour was strange, surge and drop.
    strange_hour: [bool; 2],
}

impl Standings {
    /// Enters a bucket; buckets come in order of their end, an hour before its day. `resets` are those known; a day that ends an
    /// episode, by being calm or by making it the new usual, adds one.
    pub fn close(&mut self, bucket: &Ended, params: &LensParams, resets: &mut Vec<Reset>) {
        let reading = &bucket.reading;
        if reading.lens == Lens::Hour {
            self.strange_hour = Direction::ALL.map(|d| reading.p_abnormal(d) >= STRANGE_HOUR);
        }
        for direction in Direction::ALL {
            if self.is_open(direction) {
                let span = (reading.start, reading.end);
                self.see_bucket(
                    direction,
                    bucket,
                    params,
                    is_hushed(resets, direction, span),
                );
                if let Some(why) = self.ends_by(direction, bucket, params) {
                    let reset = Reset {
                        at: reading.end,
                        direction,
                        why,
                    };
                    self.end(&reset);
                    enter(resets, reset);
                }
            } else {
                self.judge(direction, bucket, params, resets);
            }
        }
    }

    /// Enters a bucket that may still change soon, or is still open: it can show a rise and nothing else.
    pub fn preview(&mut self, bucket: &Ended, params: &LensParams, resets: &[Reset]) {
        if self.is_open(Direction::Surge) {
            let span = (bucket.reading.start, bucket.reading.end);
            let is_hushed = is_hushed(resets, Direction::Surge, span);
            self.see_bucket(Direction::Surge, bucket, params, is_hushed);
        } else {
            self.judge(Direction::Surge, bucket, params, resets);
        }
    }

    /// Ends what a word of an operator or a redefinition of the feed ended before `until`.
    pub fn hear(&mut self, resets: &[Reset], until: EventTime) {
        for reset in resets {
            let heard = self.ended[reset.direction as usize].map_or(EventTime::MIN, |end| end.at);
            if !reset.why.is_counted() && heard < reset.at && reset.at < until {
                self.end(reset);
            }
        }
    }

    /// Why a closed bucket ends what is open; nothing where that goes on. Days learn a level sooner than hours do: ended by calm days
    /// while hours find it strange, an alert would open anew at once, so it goes on until its level has lasted.
    fn ends_by(
        &mut self,
        direction: Direction,
        bucket: &Ended,
        params: &LensParams,
    ) -> Option<Reason> {
        let reading = &bucket.reading;
        let standing = self.open[direction as usize].as_mut()?;
        let calms = standing.calm(direction, reading, bucket.is_learnt_whole);
        let is_strange = self.strange_hour[direction as usize];
        if calms && !is_strange {
            return Some(Reason::Calm);
        }
        let adopts = reading.lens == Lens::Day && bucket.adopts;
        let has_lasted = standing.has_lasted(params.adopt_after, reading.end);
        (has_lasted && (calms || adopts)).then_some(Reason::Lasting)
    }

    fn is_open(&self, direction: Direction) -> bool {
        self.open[direction as usize].is_some()
    }

    fn end(&mut self, reset: &Reset) {
        let standing = self.open[reset.direction as usize].take();
        self.ended[reset.direction as usize] = Some(End {
            at: reset.at,
            why: reset.why,
            standing,
        });
    }

    fn judge(
        &mut self,
        direction: Direction,
        bucket: &Ended,
        params: &LensParams,
        resets: &[Reset],
    ) {
        let reading = &bucket.reading;
        if !bucket.reaches(direction, params)
            || is_hushed(resets, direction, (reading.start, reading.end))
        {
            return;
        }
        let onset = bucket.onset(direction);
        let run_severity = bucket.run_severity[direction as usize];
        let open = Standing::open(direction, onset, reading, run_severity);
        self.open[direction as usize] = Some(open);
    }

    /// What a bucket adds to an open episode: a day its severity, and the day of its first hour an earlier onset, unless an episode
    /// has ended in it: then what it saw further back is that one's.
    fn see_bucket(
        &mut self,
        direction: Direction,
        bucket: &Ended,
        params: &LensParams,
        is_hushed: bool,
    ) {
        let reading = &bucket.reading;
        let Some(standing) = &mut self.open[direction as usize] else {
            return;
        };
        if reading.exposure <= 0.0 {
            return;
        }
        if reading.lens != Lens::Day {
            standing.see_hour(direction, reading);
            return;
        }
        standing.see(direction, reading);
        let is_first_day = reading.start <= standing.decided && standing.decided < reading.end;
        let by_hour = standing.decided_by == Lens::Hour && !is_hushed;
        if is_first_day && by_hour && bucket.reaches(direction, params) {
            // An hour says more exactly when it began; a day sees further back.
            let by_day = bucket.onset(direction);
            if standing.onset.0 - by_day.0 >= 24 * HOUR_MS {
                standing.onset = by_day;
            }
        }
    }
}

/// Whether a bucket is past judging: an episode in the direction has ended inside it.
#[must_use]
pub fn is_hushed(
    resets: &[Reset],
    direction: Direction,
    (start, end): (EventTime, EventTime),
) -> bool {
    let hushes = |r: &Reset| r.direction == direction && start < r.at && r.at <= end;
    resets.iter().any(hushes)
}

/// Adds a reset in order of time; one that is known stays as it is.
pub fn enter(resets: &mut Vec<Reset>, reset: Reset) {
    let at = resets.partition_point(|r| (r.at, r.direction) <= (reset.at, reset.direction));
    if at.checked_sub(1).is_none_or(|last| resets[last] != reset) {
        resets.insert(at, reset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::alert::Feedback;

    fn day(observed: u64, expected: f64, exposure: f64, p_surge: f64) -> Reading {
        Reading {
            lens: Lens::Day,
            start: EventTime(0),
            end: EventTime(1),
            observed,
            while_closed: 0,
            expected,
            lower: 0,
            upper: 9,
            exposure,
            closed_ratio: 0.0,
            blind_ratio: 0.0,
            ln_tails: [Some(-1.0); 2],
            log_evidence_rise: 0.0,
            log_evidence_drop: 0.0,
            p_surge,
            p_drop: 0.0,
        }
    }

    #[test]
    fn an_episode_ends_after_three_usual_open_days_and_closed_days_do_not_count() {
        let (calm, shut, busy) = (
            day(0, 1.0, 1.0, 0.1),
            day(0, 0.0, 0.0, 0.1),
            day(9, 1.0, 1.0, 0.9),
        );
        let mut standing = Standing::open(Direction::Surge, EventTime(0), &busy, Severity::Minor);
        let ends: Vec<bool> = [calm, calm, busy, calm, shut, calm, shut, calm]
            .iter()
            .map(|d| standing.calm(Direction::Surge, d, false))
            .collect();
        assert_eq!(
            ends,
            [false, false, false, false, false, false, false, true]
        );
    }

    #[test]
    fn days_that_are_closed_or_mostly_unseen_bring_no_alert_nearer_to_having_lasted() {
        let of = |n: i64, exposure, closed_ratio| Reading {
            start: EventTime(n * 24 * HOUR_MS),
            end: EventTime((n + 1) * 24 * HOUR_MS),
            closed_ratio,
            ..day(9, 1.0, exposure, 0.9)
        };
        let days = [(1.0, 0.0), (0.0, 1.0), (0.4, 0.6), (0.6, 0.4), (1.0, 0.0)];
        let mut standing = Standing::open(
            Direction::Surge,
            EventTime(0),
            &of(0, 1.0, 0.0),
            Severity::Minor,
        );
        let mut lasted = Vec::new();
        for (n, (exposure, closed_ratio)) in (0..).zip(days) {
            let bucket = of(n, exposure, closed_ratio);
            standing.calm(Direction::Surge, &bucket, false);
            lasted.push(standing.has_lasted(3, bucket.end));
        }
        assert_eq!(lasted, [false, false, false, false, true]);
    }

    #[test]
    fn what_was_usual_is_kept_to_the_arrival_up_to_a_thousand_and_nearly_beyond() {
        for usual in (0..1_000).chain([1_243, 20_000, 3_000_000, 1_000_000_000]) {
            let kept = Usual::of(f64::from(usual)).per_day();
            assert!(kept.abs_diff(usual) <= usual / 5_000, "{usual}: {kept}");
        }
    }

    #[test]
    fn severity_never_falls_from_one_day_to_the_next() {
        let mut standing = Standing::open(
            Direction::Surge,
            EventTime(0),
            &day(4, 1.0, 1.0, 0.9),
            Severity::Minor,
        );
        standing.see(Direction::Surge, &day(60, 1.0, 1.0, 0.9));
        standing.see(Direction::Surge, &day(2, 1.0, 1.0, 0.1));
        assert_eq!(standing.severity, Severity::Critical);
    }

    #[test]
    fn a_word_hushes_the_bucket_it_falls_into_and_no_other() {
        let (direction, why) = (Direction::Surge, Reason::Calm);
        let at = EventTime(15);
        let resets = [Reset { at, direction, why }];
        let hushes = |start, end| is_hushed(&resets, direction, (EventTime(start), EventTime(end)));
        assert!(hushes(10, 20));
        assert!(hushes(0, 15) && !hushes(0, 10) && !hushes(15, 20) && !hushes(20, 30));
        let span = (EventTime(10), EventTime(20));
        assert!(!is_hushed(&resets, Direction::Drop, span));
    }

    /// An hour opens an episode on the third day of high evidence; an earlier one was called false on that day, or was not.
    #[test]
    fn a_first_day_sees_back_to_the_last_word_on_it_and_no_further() {
        let start = |n: i64| EventTime(n * 24 * HOUR_MS);
        let params = LensParams::for_lens(Lens::Day);
        let (direction, why) = (Direction::Surge, Reason::Feedback(Feedback::False));
        let at = start(2).plus_ms(9 * HOUR_MS);
        let reset = Reset { at, direction, why };
        let hour = Reading {
            lens: Lens::Hour,
            ..day(9, 1.0, 1.0, 0.9)
        };
        let bucket = Ended {
            reading: Reading {
                start: start(2),
                end: start(3),
                log_evidence_rise: params.log_threshold_rise + 1.0,
                ..day(9, 1.0, 1.0, 0.9)
            },
            high_since: [start(0); 2],
            run_severity: [Severity::Minor; 2],
            adopts: false,
            is_learnt_whole: false,
        };
        let first = start(2).plus_ms(10 * HOUR_MS);
        for (mut resets, onset) in [(vec![], start(0)), (vec![reset], first)] {
            let mut open = Standing::open(direction, first, &hour, Severity::Minor);
            open.decided = first;
            let mut standings = Standings::default();
            standings.open[direction as usize] = Some(open);
            standings.close(&bucket, &params, &mut resets);
            let open = standings.open[direction as usize].expect("it goes on");
            assert_eq!(open.onset, onset);
        }
    }
}
