//! Owns what a series' forecast errors say of each other and of the forecast: how much more slowly evidence must grow where they come
//! in runs, or are wider than forecast.
//!
//! Evidence takes counts for independent given the forecast. Where errors are correlated, the sum of errors that evidence holds has
//! `V = 1 + 2 E[z A] / E[z^2]` times the variance it would have, with `z` the standardised error and
//! `A <- (1 - leak) (A + z)` the sum before it, under the evidence's own leak. Log likelihood ratios are divided by
//! `1 + share (V - 1)`.
//!
//! Where a bus among cars makes counts that no negative binomial has, the likeliest dispersion is that of the cars, and errors have
//! `W = E[z^2] > 1`. Log likelihood ratios are divided by that as well: the quasi-likelihood of counts whose variance is `W` times the
//! forecast's (Wedderburn 1974; McCullagh & Nelder 1989, section 9.2).
//!
//! The power `eta <= 1` of a ratio with mean at most 1 has mean at most 1 (Jensen), so the promise stands.

use serde::{Deserialize, Serialize};

/// Squared errors that a new series is thought to have had, uncorrelated.
const PRIOR_ERRORS: f64 = 100.0;
/// Errors of cut counts are cut to this many standard deviations: one count must not decide what is said of all.
const ERROR_LIMIT: f64 = 3.0;
/// What a mean of squares lies above 1 by is chance up to so many of its standard errors, so that it takes more than a few large counts,
/// the first days of a surge, to slow evidence.
const STANDARD_ERRORS: f64 = 2.0;
/// The square of one error of a whole count is at most this share of the squares that are remembered.
const SQUARE_SHARE: f64 = 0.1;
/// A memory that forgets less remembers a million errors in this.
const FORGOTTEN_LEAST: f64 = 1e-6;

/// Running sums over the forecast errors of a series, single precision: they say how much, to two digits, and many are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// `A`.
    run: f32,
    /// Sum of `z A`.
    product: f32,
    /// Sum of `z^2`.
    square: f32,
    /// Sum of `z^2` of whole counts.
    whole_square: f32,
    /// Sum of the weights of these.
    whole_weight: f32,
    /// Sum of `z^4` of whole counts.
    whole_fourth: f32,
}

/// By how many standard deviations of its forecast a count was off.
#[derive(Debug, Clone, Copy)]
pub struct Errors {
    /// As much of the count as is learnt.
    pub learnt: f64,
    /// How much the count belongs to the usual, in [0, 1].
    pub weight: f64,
    /// The whole count.
    pub whole: f64,
    /// How probable it was, before the count, that the series is usual: a burst of one bucket counts, what lasts does not.
    pub weight_before: f64,
}

impl Drift {
    /// Power of the likelihood ratios, in (0, 1], where `share` of the excess variance slows evidence.
    #[must_use]
    pub fn power(&self, share: f64) -> f64 {
        let [product, square] = [self.product, self.square].map(f64::from);
        let whole = [self.whole_square, self.whole_weight, self.whole_fourth];
        let [whole_square, whole_weight, whole_fourth] = whole.map(f64::from);
        let excess = 2.0 * product / (square + PRIOR_ERRORS);
        let by_chance = STANDARD_ERRORS * whole_fourth.sqrt();
        let width = (whole_square + PRIOR_ERRORS - by_chance) / (whole_weight + PRIOR_ERRORS);
        1.0 / ((1.0 + share * excess.max(0.0)) * width.max(1.0))
    }

    /// A bucket closed. `memory` is the share of the sums that is kept at a bucket of full weight.
    pub fn learn(&mut self, errors: &Errors, memory: f64, leak: f64) {
        let kept = |sum: f32, weight: f64| (1.0 - (1.0 - memory) * weight) * f64::from(sum);
        let (weight, before) = (errors.weight, errors.weight_before);
        let run = f64::from(self.run);
        let z = errors.learnt.clamp(-ERROR_LIMIT, ERROR_LIMIT);
        let most = SQUARE_SHARE / (1.0 - memory).max(FORGOTTEN_LEAST);
        let whole = errors.whole.powi(2).min(most);
        *self = Self {
            run: ((1.0 - leak) * (run + weight * z)) as f32,
            product: (kept(self.product, weight) + weight * z * run) as f32,
            square: (kept(self.square, weight) + weight * z * z) as f32,
            whole_square: (kept(self.whole_square, before) + before * whole) as f32,
            whole_weight: (kept(self.whole_weight, before) + before) as f32,
            whole_fourth: (kept(self.whole_fourth, before) + before * whole * whole) as f32,
        };
    }

    /// Whether every sum is a number.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        let Self {
            run,
            product,
            square,
            whole_square,
            whole_weight,
            whole_fourth,
        } = self;
        let of_learnt = [run, product, square];
        let of_whole = [whole_square, whole_weight, whole_fourth];
        of_learnt.iter().chain(&of_whole).all(|sum| sum.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: f64 = 0.12;

    /// Normal errors from a fixed generator of sums of twelve uniforms.
    fn normal() -> impl FnMut() -> f64 {
        let mut state = 7_u64;
        move || {
            let uniform = |_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as f64 / f64::from(1_u32 << 31)
            };
            (0..12).map(uniform).sum::<f64>() - 6.0
        }
    }

    fn usual(z: f64) -> Errors {
        Errors {
            learnt: z,
            weight: 1.0,
            whole: z,
            weight_before: 1.0,
        }
    }

    /// Errors of an autoregression of order 1.
    fn power(correlation: f64) -> f64 {
        let (mut noise, mut error, mut drift) = (normal(), 0.0, Drift::default());
        for _ in 0..20_000 {
            error = correlation * error + (1.0 - correlation * correlation).sqrt() * noise();
            drift.learn(&usual(error), 0.9999, 0.05);
        }
        drift.power(SHARE)
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
    fn power_is_divided_by_how_much_wider_whole_errors_are_than_forecast() {
        // Of some 9,000 remembered errors, two standard errors of their squares are 0.04 of the width.
        for (width, want) in [(0.5_f64, 1.0), (1.0, 1.0), (2.0, 0.52), (9.0, 0.115)] {
            let (mut noise, mut drift) = (normal(), Drift::default());
            for _ in 0..20_000 {
                let whole = width.sqrt() * noise();
                let errors = Errors {
                    learnt: 0.0,
                    ..usual(whole)
                };
                drift.learn(&errors, 0.9999, 0.05);
            }
            let got = drift.power(SHARE);
            assert!((got - want).abs() < 0.03, "{width}: {got}, wanted {want}");
        }
    }

    #[test]
    fn a_few_errors_slow_nothing_however_large_and_many_do() {
        for (large, slows) in [(1, false), (3, false), (12, true)] {
            let mut drift = Drift::default();
            let mut learn = |whole: f64| {
                let errors = Errors {
                    learnt: 0.0,
                    ..usual(whole)
                };
                drift.learn(&errors, 0.999, 0.05);
            };
            (0..400).for_each(|day| learn(if day % 2 == 0 { 1.0 } else { -1.0 }));
            (0..large).for_each(|_| learn(1e9));
            let power = drift.power(SHARE);
            assert_eq!(power < 0.9, slows, "{large}: {power}");
        }
    }

    #[test]
    fn a_count_without_weight_says_nothing() {
        let mut drift = Drift::default();
        drift.learn(&usual(2.0), 0.999, 0.05);
        drift.learn(&usual(2.0), 0.999, 0.05);
        let before = Drift { run: 0.0, ..drift };
        let errors = Errors {
            weight: 0.0,
            weight_before: 0.0,
            ..usual(3.0)
        };
        drift.learn(&errors, 0.999, 0.05);
        let after = Drift { run: 0.0, ..drift };
        assert_eq!(after, before);
    }
}
