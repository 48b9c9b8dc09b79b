//! Owns the outlook of one open bucket: what it is expected to hold and what any count in it would mean; it changes no state.

use super::hypotheses::{Hypotheses, Likelihoods, MAX_DROPS, MAX_RISES};
use super::shiryaev_roberts::ShiryaevRoberts;
use super::switching::Regime;
use crate::core::baseline::forecast::{Mixture, smallest};

/// Counts beyond this are no counts.
const COUNT_LIMIT: u64 = 1 << 40;

/// How far below what announces a rise counts below the mean take the evidence, in nats: where hardly any evidence is forgotten, the 1
/// that every bucket adds would else come to an alarm of years of none. The first that comes then is no alarm by itself.
const CALM_BELOW_NATS: f64 = 2.0;
/// Standard deviations above the mean up to which every count speaks for itself, where the mean is at least 1.
const EACH_COUNT_TO: u64 = 4;
/// Variance of a series of bursts where less than one is expected.
const BURSTS: f64 = 1.0;
/// Standard deviation over the mean of a series of bursts.
const BURSTS_RATIO: f64 = 3.0;
/// Share of its way above the mean by which a rung is followed by the next.
const RUNG: u64 = 16;

/// What a bucket is expected to hold, before it is seen, and the evidence it starts from.
#[derive(Debug, Clone, PartialEq)]
pub struct Outlook {
    pub(crate) usual: f64,
    /// The forecast is of the whole bucket, of which much was hidden.
    pub(crate) is_hidden: bool,
    /// The outlook of all of the bucket, where the forecast is of a part of it: by that a rise is judged.
    pub(crate) whole: Option<Box<Outlook>>,
    pub(crate) forecast: Mixture,
    pub(crate) hypotheses: Hypotheses,
    /// Statistics before this bucket.
    pub(crate) rise: ShiryaevRoberts<MAX_RISES>,
    pub(crate) drop: ShiryaevRoberts<MAX_DROPS>,
    /// Probabilities before this bucket's count.
    pub(crate) regime: Regime,
    /// Share of the evidence of a drop before this bucket that is forgotten.
    pub(crate) leak: f64,
    /// The same of a rise.
    pub(crate) rise_leak: f64,
    /// Powers of the likelihood ratios in the evidence of a rise, and of a drop.
    pub(crate) powers: [f64; 2],
    pub(crate) log_threshold_rise: f64,
    pub(crate) log_threshold_drop: f64,
}

/// What a lens says after a bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// ln of the rise statistic; minus infinity before the first bucket.
    pub log_evidence_rise: f64,
    /// ln of the drop statistic; minus infinity before the first bucket.
    pub log_evidence_drop: f64,
    /// P(surge).
    pub p_surge: f64,
    /// P(drop).
    pub p_drop: f64,
}

impl Outlook {
    /// What is told as usual: the expected count of a bucket of this exposure in which nothing is special. The forecast of a special
    /// day, or of one of which hours were hidden, is wider, and so its mean is higher.
    #[must_use]
    pub fn usual(&self) -> f64 {
        self.usual
    }

    /// Expected count.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.forecast.mean()
    }

    /// ln of the rises' weights in the evidence.
    #[must_use]
    pub fn ln_rise_weights(&self) -> &[f64] {
        self.judging_rises().hypotheses.ln_rise_weights()
    }

    /// Shares of the evidence of a rise, and of a drop, before this bucket that are forgotten, in [0, 1].
    #[must_use]
    pub fn leaks(&self) -> [f64; 2] {
        [self.judging_rises().rise_leak, self.leak]
    }

    /// Variance of the count.
    #[must_use]
    pub fn variance(&self) -> f64 {
        self.forecast.variance()
    }

    /// Smallest `y` with P(Y <= y) >= p, for each of ascending probabilities.
    #[must_use]
    pub fn quantiles<const N: usize>(&self, ascending: [f64; N]) -> [u64; N] {
        self.forecast.quantiles(ascending)
    }

    /// ln P(Y >= y).
    #[must_use]
    pub fn ln_upper_tail(&self, y: u64) -> f64 {
        self.forecast.ln_upper_tail(y)
    }

    /// ln P(Y <= y).
    #[must_use]
    pub fn ln_lower_tail(&self, y: u64) -> f64 {
        self.forecast.ln_lower_tail(y)
    }

    /// ln of the rise statistic R after this bucket if it closes with `y`; it never falls with the count.
    #[must_use]
    pub fn log_evidence_rise(&self, y: u64) -> f64 {
        self.rise_after(&self.said(y), y).ln_statistic()
    }

    /// ln of the drop statistic R after this bucket if it closes with `y`.
    #[must_use]
    pub fn log_evidence_drop(&self, y: u64) -> f64 {
        self.drop_after(&self.said(y)).ln_statistic()
    }

    /// The count from which on a rise is announced. `None` if the threshold is infinite or beyond any count.
    #[must_use]
    pub fn alarm_count(&self) -> Option<u64> {
        if let Some(whole) = &self.whole {
            return whole.alarm_count();
        }
        if !self.log_threshold_rise.is_finite() {
            return None;
        }
        let first = self.first_rung();
        let alarms = |y| self.rise_of_count(y) >= self.log_threshold_rise;
        if self.alarms(first) {
            smallest(first, self.spread(), first, |y| self.alarms(y))
        } else if self.powers[0] > 0.0 {
            self.rungs_above(first).find(|rung| alarms(*rung))
        } else {
            None
        }
    }

    /// Whether a rise is announced if the bucket closes with `y`.
    #[must_use]
    pub fn alarms(&self, y: u64) -> bool {
        self.log_evidence_rise(y) >= self.log_threshold_rise
    }

    /// A count that few buckets get beyond: where to look first for the one that alarms.
    #[must_use]
    pub fn far_count(&self) -> u64 {
        let judging = self.judging_rises();
        (judging.mean() as u64).saturating_add(4 * judging.spread())
    }

    fn spread(&self) -> u64 {
        (self.variance().sqrt() as u64).max(1)
    }

    /// The count up to which a drop is announced: evidence reaches the threshold there and not one above. `None` if not even 0
    /// gets there.
    #[must_use]
    pub fn drop_alarm_count(&self) -> Option<u64> {
        if !self.log_threshold_drop.is_finite() {
            return None;
        }
        let step = self.spread();
        let calm = |y| self.log_evidence_drop(y) < self.log_threshold_drop;
        // A statistic that alarms at any count (it was above before the bucket) alarms at the largest.
        smallest(self.mean() as u64, step, COUNT_LIMIT, calm)
            .map_or(Some(COUNT_LIMIT), |first_calm| first_calm.checked_sub(1))
    }

    /// What the state will say if the bucket closes with `y`.
    #[must_use]
    pub fn verdict(&self, y: u64) -> Verdict {
        let said = self.said(y);
        let regime = self.regime_after(&said);
        Verdict {
            log_evidence_rise: self.rise_after(&said, y).ln_statistic(),
            log_evidence_drop: self.drop_after(&said).ln_statistic(),
            p_surge: regime.p_surge(),
            p_drop: regime.p_drop(),
        }
    }

    /// What a count says by itself. Of a drop nothing where much of the bucket was hidden.
    #[must_use]
    pub fn said(&self, y: u64) -> Likelihoods {
        let weighed = self.hypotheses.weigh(&self.forecast.ln_joint(y), y);
        let mut said = self.hypotheses.likelihoods(&weighed);
        if self.is_hidden {
            said.drop = [0.0; MAX_DROPS];
            said.drop_to_usual = [0.0; MAX_DROPS];
        }
        said
    }

    /// The rise statistic of a bucket that closes with `y`. Its total never falls with the count, as the mixtures' own likelihood ratio may
    /// where the weight passes to a dispersion of which the count says less: below the mean the dispersions keep the say they have at
    /// the mean, and far above it the count counts as the rung at or below it that says most. What that adds to its mean over usual
    /// counts is held by a law of `tests/statistics_laws.rs`: six in a thousand at most, up to what is kept of it.
    pub(crate) fn rise_after(&self, said: &Likelihoods, y: u64) -> ShiryaevRoberts<MAX_RISES> {
        if let Some(whole) = &self.whole {
            return whole.rise_after(&whole.said(y), y);
        }
        let middle = self.middle();
        if y < middle {
            let joint = self.forecast.ln_joint(middle);
            let ratios = self.hypotheses.rises_below(&joint, middle, y);
            return self.calmed(self.rise_by(&ratios), y);
        }
        let first = self.first_rung();
        if y <= first {
            return self.calmed(self.rise_by(&said.rise), y);
        }
        let mut loudest = self.rise_by(&self.said(first).rise);
        for rung in self.rungs_above(first).take_while(|rung| *rung <= y) {
            let next = self.rise_by(&self.said(rung).rise);
            if next.ln_statistic() > loudest.ln_statistic() {
                loudest = next;
            }
        }
        loudest
    }

    /// The outlook by which a rise is judged.
    fn judging_rises(&self) -> &Self {
        self.whole.as_deref().unwrap_or(self)
    }

    /// Few arrivals or none, however often, are no surge.
    fn calmed(&self, rise: ShiryaevRoberts<MAX_RISES>, y: u64) -> ShiryaevRoberts<MAX_RISES> {
        let calm = self.log_threshold_rise - CALM_BELOW_NATS;
        if (y as f64) < self.forecast.mean() && rise.reaches(calm) {
            rise.within(calm.max(self.rise.ln_statistic()))
        } else {
            rise
        }
    }

    fn rise_by(&self, ln_ratios: &[f64; MAX_RISES]) -> ShiryaevRoberts<MAX_RISES> {
        let ratios = ln_ratios.map(|ln| self.powers[0] * ln);
        self.rise
            .after(self.ln_rise_weights(), &ratios, self.rise_leak)
            .within(f64::INFINITY)
    }

    /// ln of the rise statistic by the likelihood ratio of that count alone.
    fn rise_of_count(&self, y: u64) -> f64 {
        self.rise_by(&self.said(y).rise).ln_statistic()
    }

    /// The count nearest the mean; of a series of bursts that is nearer none at all, one.
    fn middle(&self) -> u64 {
        let nearest = self.forecast.mean().round().min(COUNT_LIMIT as f64) as u64;
        if nearest == 0 && self.forecast.variance() > BURSTS {
            1
        } else {
            nearest
        }
    }

    /// The largest count that speaks for itself. Where hardly one is expected, or days of bursts among days of few, the second
    /// already may be the sign of a wide dispersion.
    fn first_rung(&self) -> u64 {
        let mean = self.forecast.mean();
        let middle = self.middle();
        if mean < 1.0 || self.forecast.variance() > (BURSTS_RATIO * mean).powi(2) {
            middle.max(1)
        } else {
            middle + EACH_COUNT_TO * self.spread()
        }
    }

    /// The counts above the first rung that speak for those up to the next.
    fn rungs_above(&self, first: u64) -> impl Iterator<Item = u64> {
        let middle = self.middle();
        let next = move |rung: &u64| Some(rung + ((rung - middle) / RUNG).max(1));
        std::iter::successors(next(&first), next).take_while(|rung| *rung <= COUNT_LIMIT)
    }

    pub(crate) fn drop_after(&self, said: &Likelihoods) -> ShiryaevRoberts<MAX_DROPS> {
        let ratios = said.drop.map(|ln| self.powers[1] * ln);
        self.drop
            .after(self.hypotheses.ln_drop_weights(), &ratios, self.leak)
    }

    pub(crate) fn regime_after(&self, said: &Likelihoods) -> Regime {
        self.regime
            .update(said, self.hypotheses.rises(), self.hypotheses.drops())
    }
}
