//! Owns what a series' forecast errors say of each other: how much more slowly evidence must grow where they come in runs.
//!
//! Evidence takes counts for independent given the forecast. Where errors are correlated, the sum of errors that evidence holds has
//! `V = 1 + 2 E[z A] / E[z^2]` times the variance it would have, with `z` the standardised error and
//! `A <- (1 - leak) (A + z)` the sum before it, under the evidence's own leak. Log likelihood ratios are divided by
//! `1 + SHARE (V - 1)`: the power `eta <= 1` of a ratio with mean at most 1 has mean at most 1 (Jensen), so the promise stands.

use serde::{Deserialize, Serialize};

/// Share of the excess variance that slows evidence. All of it would take errors in runs for noise, though half of it is what a
/// slow surge looks like; an eighth keeps drifting series within the promise and costs steady ones nothing.
const SHARE: f64 = 0.12;
/// Squared errors that a new series is thought to have had, uncorrelated.
const PRIOR_ERRORS: f64 = 100.0;
/// Errors are cut to this many standard deviations: one count must not decide what is said of all.
const ERROR_LIMIT: f64 = 3.0;

/// Running sums over the forecast errors of a series.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// `A`.
    pub(crate) run: f64,
    /// Sum of `z A`.
    pub(crate) product: f64,
    /// Sum of `z^2`.
    pub(crate) square: f64,
}

impl Drift {
    /// Power of the likelihood ratios, in (0, 1].
    #[must_use]
    pub fn power(&self) -> f64 {
        let excess = 2.0 * self.product / (self.square + PRIOR_ERRORS);
        1.0 / (1.0 + SHARE * excess.max(0.0))
    }

    /// A count was `z` standard deviations off. `weight` in [0, 1] is how much it belongs to the usual, `memory` the share of the
    /// sums that is kept at a bucket of full weight.
    pub fn learn(&mut self, z: f64, weight: f64, memory: f64, leak: f64) {
        let z = z.clamp(-ERROR_LIMIT, ERROR_LIMIT);
        let keep = 1.0 - (1.0 - memory) * weight;
        self.product = keep * self.product + weight * z * self.run;
        self.square = keep * self.square + weight * z * z;
        self.run = (1.0 - leak) * (self.run + weight * z);
    }

    /// Whether every sum is a number.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        [self.run, self.product, self.square]
            .iter()
            .all(|v| v.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Errors of an autoregression of order 1, from a fixed generator of sums of twelve uniforms.
    fn power(correlation: f64) -> f64 {
        let (mut state, mut error, mut drift) = (7_u64, 0.0, Drift::default());
        let mut uniform = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1_u32 << 31)
        };
        for _ in 0..20_000 {
            let noise = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
            error = correlation * error + (1.0 - correlation * correlation).sqrt() * noise;
            drift.learn(error, 1.0, 0.9999, 0.05);
        }
        drift.power()
    }

    #[test]
    fn power_is_the_variance_of_the_leaky_sum() {
        // V = 1 + 2 x sum of (0.95 x 0.5)^k = 1 + 2 x 0.475 / 0.525.
        let excess = 2.0 * 0.475 / 0.525;
        assert!((power(0.5) - 1.0 / (1.0 + SHARE * excess)).abs() < 0.05);
        assert!(power(0.0) > 0.95);
        assert!(power(-0.5) >= 1.0, "errors that cancel speed nothing up");
    }

    #[test]
    fn a_count_without_weight_says_nothing() {
        let mut drift = Drift::default();
        drift.learn(2.0, 1.0, 0.999, 0.05);
        drift.learn(2.0, 1.0, 0.999, 0.05);
        let before = (drift.product, drift.square);
        drift.learn(3.0, 0.0, 0.999, 0.05);
        assert_eq!((drift.product, drift.square), before);
    }
}
