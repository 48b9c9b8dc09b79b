//! Owns the outlook of one open bucket: what it is expected to hold and what any count in it would mean; it changes no state.

use super::hypotheses::{Hypotheses, Likelihoods, MAX_DROPS, MAX_RISES};
use super::shiryaev_roberts::ShiryaevRoberts;
use super::switching::Regime;
use crate::core::baseline::forecast::{Mixture, smallest};
use std::cell::Cell;

/// Counts beyond this are no counts.
const COUNT_LIMIT: u64 = 1 << 40;

/// Evidence of a rise steps back by less than this, in nats, where the weight passes from one dispersion to another.
const STEP_BACK: f64 = 5.0;
/// So many nats more that a sum of logs does not miss the threshold by its rounding.
const ROUNDING: f64 = 1e-9;

/// What a bucket is expected to hold, before it is seen, and the evidence it starts from.
#[derive(Debug, Clone, PartialEq)]
pub struct Outlook {
    pub(crate) usual: f64,
    /// The forecast is of the whole bucket, of which much was hidden.
    pub(crate) is_hidden: bool,
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
    /// Power of the likelihood ratios in the evidence.
    pub(crate) power: f64,
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

    /// Shares of the evidence of a rise, and of a drop, before this bucket that are forgotten, in [0, 1].
    #[must_use]
    pub fn leaks(&self) -> [f64; 2] {
        [self.rise_leak, self.leak]
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

    /// ln of the rise statistic R after this bucket if it closes with `y`.
    #[must_use]
    pub fn log_evidence_rise(&self, y: u64) -> f64 {
        self.rise_after(&self.said(y)).ln_statistic()
    }

    /// ln of the drop statistic R after this bucket if it closes with `y`.
    #[must_use]
    pub fn log_evidence_drop(&self, y: u64) -> f64 {
        self.drop_after(&self.said(y)).ln_statistic()
    }

    /// The count from which on a rise is announced: evidence reaches the threshold there and not one below. `None` if the
    /// threshold is infinite or beyond any count.
    ///
    /// Evidence grows with the count, but for small steps back (less than ln 2) where the weight passes from one dispersion to
    /// another; where the threshold lies in such a step there are several such counts, and this is the one that the search
    /// from [`Outlook::far_count`] comes to.
    #[must_use]
    pub fn alarm_count(&self) -> Option<u64> {
        if !self.log_threshold_rise.is_finite() {
            return None;
        }
        smallest(self.far_count(), self.spread(), COUNT_LIMIT, |y| {
            self.alarms(y)
        })
    }

    /// Whether a rise is announced if the bucket closes with `y`.
    #[must_use]
    pub fn alarms(&self, y: u64) -> bool {
        self.log_evidence_rise(y) >= self.log_threshold_rise
    }

    /// A count that few buckets get beyond: where to look first for the one that alarms.
    #[must_use]
    pub fn far_count(&self) -> u64 {
        (self.mean() as u64).saturating_add(4 * self.spread())
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
            log_evidence_rise: self.rise_at_close(&said, y).ln_statistic(),
            log_evidence_drop: self.drop_after(&said).ln_statistic(),
            p_surge: regime.p_surge(),
            p_drop: regime.p_drop(),
        }
    }

    pub(crate) fn said(&self, y: u64) -> Likelihoods {
        let weighed = self.hypotheses.weigh(&self.forecast.ln_joint(y), y);
        let mut said = self.hypotheses.likelihoods(&weighed);
        if self.is_hidden {
            said.drop = [0.0; MAX_DROPS];
            said.drop_to_usual = [0.0; MAX_DROPS];
        }
        said
    }

    pub(crate) fn rise_after(&self, said: &Likelihoods) -> ShiryaevRoberts<MAX_RISES> {
        let ratios = said.rise.map(|ln| self.power * ln);
        self.rise
            .after(self.hypotheses.ln_rise_weights(), &ratios, self.rise_leak)
    }

    /// The rise statistic of a bucket that closes with `y`. From the count on that announced a rise it is at least what announces one:
    /// more that comes takes back nothing, also where the weight passes to a dispersion of which the count says less.
    pub(crate) fn rise_at_close(&self, said: &Likelihoods, y: u64) -> ShiryaevRoberts<MAX_RISES> {
        let after = self.rise_after(said);
        let lacks = self.log_threshold_rise - after.ln_statistic();
        let may_step_back = 0.0 < lacks && lacks < STEP_BACK;
        if may_step_back && self.has_alarmed_by(y) {
            after.raised(lacks + ROUNDING)
        } else {
            after
        }
    }

    /// Whether [`Outlook::alarm_count`] is at most `y`: the same search, in which nothing is computed any more once that is known.
    fn has_alarmed_by(&self, y: u64) -> bool {
        let known = Cell::new(None);
        let alarms = |count| {
            if known.get().is_some() {
                return true;
            }
            let alarms = self.alarms(count);
            if alarms && count <= y || !alarms && y <= count {
                known.set(Some(alarms));
            }
            alarms
        };
        let least = smallest(self.far_count(), self.spread(), COUNT_LIMIT, alarms);
        let found = || least.is_some_and(|least| least <= y);
        known.get().unwrap_or_else(found)
    }

    pub(crate) fn drop_after(&self, said: &Likelihoods) -> ShiryaevRoberts<MAX_DROPS> {
        let ratios = said.drop.map(|ln| self.power * ln);
        self.drop
            .after(self.hypotheses.ln_drop_weights(), &ratios, self.leak)
    }

    pub(crate) fn regime_after(&self, said: &Likelihoods) -> Regime {
        self.regime
            .update(said, self.hypotheses.rises(), self.hypotheses.drops())
    }
}
