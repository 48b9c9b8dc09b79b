//! Owns one lens's way through the buckets of a series: its state before the first kept day, after the last ended bucket, and the
//! bucket that is open.

use super::alert::{Direction, Reading, Run, Severity};
use super::calendar::{DaySpan, MAX_HOURS};
use super::exposure::{GateTimeline, Shares, Watched};
use super::feed::FeedTimeline;
use super::lens::{Lens, LensParams, LensState, Outlook, Prior, Slot, Verdict};
use super::network::Crossing;
use super::params::Params;
use super::prior::prior;
use super::standing::{Ended, Reset};
use super::time::EventTime;
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;
use std::collections::VecDeque;
use std::num::NonZeroU64;

/// What a series needs to know of its crossing.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// The crossing.
    pub crossing: &'a Crossing,
    /// Its states.
    pub gate: &'a GateTimeline,
    /// Its feed.
    pub feed: &'a FeedTimeline,
    /// Since when it is watched; time before carries no exposure.
    pub since: EventTime,
    /// Settings.
    pub params: &'a Params,
}

impl Site<'_> {
    /// What became of a bucket's scheduled hours.
    pub(super) fn shares(
        &self,
        day: &DaySpan,
        span: (EventTime, EventTime),
        has_ended: bool,
    ) -> Shares {
        if self.gate.is_redefined_in(span) {
            return Shares::default();
        }
        let watched = Watched {
            feed: self.feed,
            since: self.since,
            has_ended,
        };
        self.gate.shares(self.crossing, day, span, watched)
    }
}

/// The counts of one civil day, hour by hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayCounts {
    /// The day.
    pub span: DaySpan,
    /// Arrivals in each hour bucket.
    pub hours: [u32; MAX_HOURS],
    /// Of these, the arrivals while the crossing was shut: nothing where there were none.
    pub shut: Option<Box<[u32; MAX_HOURS]>>,
    /// How often the day changed after one of its buckets was closed.
    pub revision: u32,
}

impl DayCounts {
    /// A day without arrivals.
    #[must_use]
    pub fn empty(span: DaySpan) -> Self {
        Self {
            span,
            hours: [0; MAX_HOURS],
            shut: None,
            revision: 0,
        }
    }

    /// The buckets of a lens in the day: their hour, first moment and end, and counts.
    pub(super) fn buckets(
        &self,
        lens: Lens,
    ) -> impl Iterator<Item = (usize, (EventTime, EventTime), Counted)> + '_ {
        let buckets = match lens {
            Lens::Hour => self.span.hours(),
            _ => 1,
        };
        (0..buckets).map(move |hour| match lens {
            Lens::Hour => (hour, self.span.hour_span(hour), self.counted(lens, hour)),
            _ => (
                hour,
                (self.span.start, self.span.end),
                self.counted(lens, hour),
            ),
        })
    }

    /// The counts of one bucket of a lens.
    pub(super) fn counted(&self, lens: Lens, hour: usize) -> Counted {
        let of = |hours: &[u32; MAX_HOURS]| match lens {
            Lens::Hour => u64::from(hours[hour]),
            _ => hours.iter().map(|&n| u64::from(n)).sum(),
        };
        let shut = self.shut.as_deref().map_or(0, of);
        Counted {
            judged: of(&self.hours).saturating_sub(shut),
            shut,
        }
    }

    /// Changes the count of an hour by one arrival's `before` and `after`.
    pub fn change(&mut self, hour: usize, before: u32, after: u32) {
        self.hours[hour] = replaced(self.hours[hour], before, after);
    }

    /// Changes how many arrivals of an hour came while the crossing was shut.
    pub fn change_shut(&mut self, hour: usize, before: u32, after: u32) {
        let shut = self.shut.get_or_insert_default();
        shut[hour] = replaced(shut[hour], before, after);
        if shut.iter().all(|&n| n == 0) {
            self.shut = None;
        }
    }
}

fn replaced(count: u32, before: u32, after: u32) -> u32 {
    count.saturating_sub(before).saturating_add(after)
}

/// The arrivals of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    /// While the crossing was open: what is judged.
    pub(super) judged: u64,
    /// While it was shut.
    pub(super) shut: u64,
}

impl Counted {
    /// All of them came while it was open.
    pub(super) fn open(judged: u64) -> Self {
        Self { judged, shut: 0 }
    }
}

/// A lens's state with the moments since which its evidence has been high.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Track {
    /// Baseline and evidence.
    pub model: LensState,
    /// What came since the last bucket whose evidence of a rise, and of a drop, was low: where an episode is thought to begin.
    pub runs: [Run; 2],
    /// The newest reset its evidence has begun anew with.
    pub reset: EventTime,
}

/// Evidence is low below this share of the threshold, in logs, or below twice the level it keeps when nothing happens,
/// which is 1 / leak.
const LOW_EVIDENCE_RATIO: f64 = 0.8;

/// Whether the log evidence of a surge, and of a drop, is low after a bucket: an episode begins no earlier. `outlook` is the
/// bucket's, if it had exposure.
#[must_use]
pub fn is_evidence_low(
    [rise, drop]: [f64; 2],
    params: &LensParams,
    outlook: Option<&Outlook>,
) -> [bool; 2] {
    let leaks = outlook.map_or([params.leak; 2], Outlook::leaks);
    let is_low = |evidence: f64, leak: f64, threshold: f64| {
        let rest = (2.0 / leak.max(1e-3)).ln();
        evidence < rest.min(LOW_EVIDENCE_RATIO * threshold)
    };
    [
        is_low(rise, leaks[0], params.log_threshold_rise),
        is_low(drop, leaks[1], params.log_threshold_drop),
    ]
}

impl Track {
    pub(super) fn fresh(params: &LensParams, prior: Prior, since: EventTime) -> Self {
        Self {
            model: LensState::new(params, prior),
            runs: [Run::at(since); 2],
            reset: EventTime::MIN,
        }
    }

    /// Evidence begins anew with a bucket.
    pub(super) fn begin_anew(&mut self, start: EventTime) {
        self.model.reset_evidence();
        self.runs = [Run::at(start); 2];
    }

    /// A bucket of a day begins. With the first one after an alert ended evidence begins anew, and the next alert begins no earlier.
    pub(super) fn begin(
        &mut self,
        params: &LensParams,
        day: &DaySpan,
        start: EventTime,
        resets: &[Reset],
    ) {
        let (done, mut newest) = (self.reset, self.reset);
        for reset in resets.iter().filter(|r| done < r.at && r.at <= start) {
            self.model
                .dismiss(params, day.slot(), reset.direction, reset.why);
            self.runs = [Run::at(start); 2];
            newest = reset.at;
        }
        self.reset = newest;
    }

    /// Whether the bucket it has just passed calms an alert by its range: a day that was learnt whole.
    pub(super) fn is_judged_by_range(&self, params: &LensParams) -> bool {
        params.lens == Lens::Day && self.model.is_learnt_whole()
    }

    /// A bucket that it passes with `expected` arrivals usual in it.
    pub(super) fn passing(&self, params: &LensParams, reading: Reading) -> Ended {
        let mut runs = self.runs;
        runs.iter_mut()
            .for_each(|run| run.add(reading.observed, reading.expected));
        Ended {
            run_severity: severities(&runs, reading.end),
            ..self.ended(params, reading)
        }
    }

    /// A bucket that it has just passed.
    pub(super) fn ended(&self, params: &LensParams, reading: Reading) -> Ended {
        Ended {
            reading,
            high_since: self.runs.map(|run| run.since),
            run_severity: severities(&self.runs, reading.end),
            adopts: reading.exposure > 0.0 && self.model.has_just_adopted(params),
            is_learnt_whole: self.model.is_learnt_whole(),
        }
    }

    /// A bucket with `observed` has just passed.
    pub(super) fn note_evidence(
        &mut self,
        params: &LensParams,
        outlook: Option<&Outlook>,
        observed: u64,
        (start, end): (EventTime, EventTime),
    ) {
        let evidence = [
            self.model.log_evidence_rise(),
            self.model.log_evidence_drop(),
        ];
        let low = is_evidence_low(evidence, params, outlook);
        for (run, is_low) in self.runs.iter_mut().zip(low) {
            // Nothing begins in a bucket without exposure.
            if is_low || (outlook.is_none() && run.since == start) {
                *run = Run::at(end);
            } else if let Some(outlook) = outlook {
                run.add(observed, outlook.usual());
            }
        }
    }
}

/// A track at rest, as small as the changelog has it: about two thirds of one at work, bit for bit the same.
#[derive(Debug, Clone)]
pub(super) struct Checkpoint(Box<[u8]>);

impl Checkpoint {
    pub(super) fn of(track: &Track) -> Self {
        let bytes = postcard::to_allocvec(track).expect("a track always serialises");
        Self(bytes.into_boxed_slice())
    }

    pub(super) fn track(&self) -> Track {
        postcard::from_bytes(&self.0).expect("a checkpoint holds a track's own bytes")
    }
}

/// The bucket a lens has open.
#[derive(Debug, Clone)]
pub(super) struct OpenBucket {
    /// Place of its day among the kept ones.
    pub(super) day: u32,
    /// Place among that day's hours.
    pub(super) hour: u32,
    pub(super) start: EventTime,
    pub(super) end: EventTime,
    /// Its shares and its place in the seasons, once somebody asked: a quiet hour ends without.
    pub(super) ahead: Option<(Shares, Slot)>,
    /// Arrivals expected; nothing without exposure.
    pub(super) expected: OnceCell<Option<f64>>,
    /// Counts below it are known not to be announced.
    pub(super) calm_below: u64,
    /// Smallest count that is announced, at least 1; computed when a count comes near it.
    pub(super) alarm_at: Option<NonZeroU64>,
    /// The smallest surge it can notice; computed when somebody asks.
    pub(super) detectable: OnceCell<Option<f64>>,
}

#[derive(Debug, Clone)]
pub(super) struct Lane {
    /// The state before the first kept day, which no event can change.
    pub(super) settled: Checkpoint,
    /// The state after the last bucket that has ended.
    pub(super) front: Track,
    pub(super) open: OpenBucket,
    /// Ended buckets that are not closed.
    pub(super) ended: VecDeque<Ended>,
}

impl Lane {
    /// Keeps an ended bucket until it is closed; of the few there are, none is room to spare.
    pub(super) fn hold(&mut self, params: &LensParams, reading: Reading) {
        self.ended.reserve_exact(1);
        self.ended.push_back(self.front.ended(params, reading));
    }
}

impl OpenBucket {
    pub(super) fn nowhere() -> Self {
        let end = EventTime::MIN;
        Self {
            day: 0,
            hour: 0,
            start: end,
            end,
            ahead: None,
            expected: OnceCell::new(),
            calm_below: 0,
            alarm_at: None,
            detectable: OnceCell::new(),
        }
    }

    pub(super) fn at(day: &DayCounts, index: usize, hour: usize, lens: Lens) -> Self {
        let (start, end) = match lens {
            Lens::Hour => day.span.hour_span(hour),
            _ => (day.span.start, day.span.end),
        };
        Self {
            day: index as u32,
            hour: hour as u32,
            start,
            end,
            ..Self::nowhere()
        }
    }

    /// Whether a count is enough for a rise to be announced before the bucket ends: whether it reaches [`Outlook::alarm_count`],
    /// whatever counts were asked about before, so that no count announces what a higher one would not. `outlook` is the
    /// bucket's, which a few counts in a bucket ask for.
    pub(super) fn alarms(
        &mut self,
        observed: u64,
        outlook: impl FnOnce() -> Option<Outlook>,
    ) -> bool {
        if observed < self.calm_below {
            return false;
        }
        if let Some(least) = self.alarm_at {
            return observed >= least.get();
        }
        let Some(outlook) = outlook() else {
            return false;
        };
        // The search for the count that alarms begins at the far count and goes up where that one is calm.
        let far = outlook.far_count();
        if observed <= far && !outlook.alarms(far) {
            self.calm_below = far + 1;
            return false;
        }
        let least = match outlook.alarm_count() {
            Some(count) => NonZeroU64::new(count).unwrap_or(NonZeroU64::MIN),
            None => NonZeroU64::MAX,
        };
        self.alarm_at = Some(least);
        observed >= least.get()
    }
}

/// A bucket with what was expected of it; nothing without exposure.
pub(super) struct Judged {
    pub(super) start: EventTime,
    pub(super) end: EventTime,
    pub(super) shares: Shares,
    pub(super) outlook: Option<Outlook>,
}

impl Judged {
    /// The bucket's numbers with what was counted, and what the lens says after it. `params` are the lens's; `in_surge` says that a
    /// surge is being told of already. A tail costs more than all else of an hour, so it is summed where it can be told only:
    /// an hour tells of a rise when it ends, and of a drop when it is closed.
    pub(super) fn reading(
        &self,
        params: &LensParams,
        counted: Counted,
        verdict: &Verdict,
        in_surge: bool,
    ) -> Reading {
        let outlook = self.outlook.as_ref();
        let is_hour = params.lens == Lens::Hour;
        let rises = !in_surge && verdict.log_evidence_rise >= params.log_threshold_rise;
        let drops = verdict.log_evidence_drop >= params.log_threshold_drop;
        let upper_tail = outlook.filter(|_| rises || !is_hour);
        let lower_tail = outlook.filter(|_| drops || !is_hour);
        let [lower, upper] = outlook.map_or([0; 2], |o| o.quantiles(USUAL));
        let is_hidden = outlook.is_some_and(|o| o.is_hidden);
        let lower = if is_hidden { 0 } else { lower };
        Reading {
            lower,
            upper,
            ln_tails: [
                upper_tail.map(|o| o.ln_upper_tail(counted.judged)),
                lower_tail.map(|o| o.ln_lower_tail(counted.judged)),
            ],
            ..self.bare_reading(params, counted, verdict)
        }
    }

    /// The same without quantiles and tails, which little is decided by ([`Track::is_judged_by_range`]).
    pub(super) fn bare_reading(
        &self,
        params: &LensParams,
        counted: Counted,
        verdict: &Verdict,
    ) -> Reading {
        Reading {
            lens: params.lens,
            start: self.start,
            end: self.end,
            observed: counted.judged,
            while_closed: u32::try_from(counted.shut).unwrap_or(u32::MAX),
            expected: self.outlook.as_ref().map_or(0.0, Outlook::usual),
            lower: 0,
            upper: 0,
            exposure: self.shares.open,
            closed_ratio: self.shares.closed,
            blind_ratio: self.shares.blind,
            ln_tails: [None; 2],
            log_evidence_rise: verdict.log_evidence_rise,
            log_evidence_drop: verdict.log_evidence_drop,
            p_surge: verdict.p_surge,
            p_drop: verdict.p_drop,
        }
    }
}

/// Probabilities between whose quantiles a count is usual.
const USUAL: [f64; 2] = [0.01, 0.99];

/// A bucket's place in the seasons, and how special it is.
pub(super) fn slot(site: &Site, lens: Lens, day: &DaySpan, hour: usize, shares: &Shares) -> Slot {
    let seasons = match lens {
        Lens::Hour => day.hour_slot(&site.crossing.tz, hour),
        _ => day.slot(),
    };
    let class = site.params.day_class(&site.crossing.corridor, day.date);
    Slot {
        special_log_variance: class.log_variance() + shares.extra_log_variance(lens),
        whole_ratio: shares.whole_ratio(lens),
        is_hidden: shares.is_hidden(lens),
        ..seasons
    }
}

/// How severe runs are that end at a moment, by direction.
fn severities(runs: &[Run; 2], end: EventTime) -> [Severity; 2] {
    Direction::ALL.map(|direction| runs[direction as usize].severity(direction, end))
}

/// A day begins for `[days, hours]`: the hours go where the days before it went.
pub(super) fn begin_day(
    [days, hours]: [&mut Track; 2],
    params: &[LensParams; 2],
    day: &DaySpan,
    resets: &[Reset],
) {
    days.begin(&params[0], day, day.start, resets);
    hours.begin(&params[1], day, day.start, resets);
    hours.model.follow(days.model.log_season_at(day.slot()));
}

/// Closes one bucket into a track and returns it as it was judged. After a bucket in which the feed was redefined nothing is known.
#[expect(
    clippy::too_many_arguments,
    reason = "one bucket is named by its lens, day, hour and span"
)]
pub(super) fn advance(
    site: &Site,
    track: &mut Track,
    params: &LensParams,
    day: &DayCounts,
    hour: usize,
    (start, end): (EventTime, EventTime),
    resets: &[Reset],
    observed: u64,
) -> Judged {
    track.begin(params, &day.span, start, resets);
    let shares = site.shares(&day.span, (start, end), true);
    let outlook = track.model.close(
        params,
        slot(site, params.lens, &day.span, hour, &shares),
        shares.expects(params.lens),
        observed,
    );
    track.note_evidence(params, outlook.as_ref(), observed, (start, end));
    if site.gate.is_redefined_in((start, end)) {
        let reset = track.reset;
        *track = Track::fresh(params, prior(params.lens), end);
        track.reset = reset;
    }
    Judged {
        start,
        end,
        shares,
        outlook,
    }
}

#[cfg(test)]
mod tests {
    use super::super::lens::LensParams;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_bucket_announces_the_counts_that_its_closed_self_would_whatever_was_asked_before(
            mean in 0.05..300.0_f64,
            threshold in 0.5..14.0_f64,
            noise in prop::collection::vec(0.3..1.7_f64, 0..50),
            mut asked in prop::collection::vec(0..2_000_u64, 1..20),
        ) {
            let params = LensParams { log_threshold_rise: threshold, ..LensParams::for_lens(Lens::Day) };
            let slot = Slot::at(0.0, 2.0, 0.5);
            let mut model = LensState::new(&params, Prior::new(mean, 0.5).expect("in range"));
            for n in noise {
                model.close(&params, slot, 1.0, (mean * n).round() as u64);
            }
            let outlook = model.outlook(&params, slot, 1.0).expect("exposed");
            asked.sort_unstable();
            let mut filling = OpenBucket::nowhere();
            let mut fired = false;
            for count in asked {
                let alarms = filling.alarms(count, || Some(outlook.clone()));
                let at_end = OpenBucket::nowhere().alarms(count, || Some(outlook.clone()));
                prop_assert_eq!(alarms, at_end, "asked at its end only: {}", count);
                prop_assert!(alarms || !fired, "fired below {} and not there", count);
                fired |= alarms;
            }
        }
    }
}
