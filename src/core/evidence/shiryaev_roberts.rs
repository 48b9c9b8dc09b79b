//! Owns the leaky Shiryaev-Roberts statistic over a grid of alternatives; what they are and who is told is not its concern.
//!
//! `R_j <- (1 + (1 - leak) R_j) LR_j`, `R` their mean. While every LR_j has conditional mean at most 1, `R_t - t` is a
//! supermartingale, so an alarm at `R >= A` is false at most once in `A` buckets on average, whatever the dependence (Pollak &
//! Siegmund 1985; Shin, Ramdas & Rinaldo, "E-detectors"). The leak only lowers R.

use crate::core::baseline::special::{ln_add_exp, ln_sum_exp};

/// What a state keeps of ln R_j at most: far above every threshold, low enough to leak away.
const LN_KEPT_MAX: f64 = 200.0;

/// ln R_j of up to `N` alternatives; minus infinity is the start, R = 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShiryaevRoberts<const N: usize> {
    /// ln R_j by alternative.
    pub ln_r: [f64; N],
}

impl<const N: usize> Default for ShiryaevRoberts<N> {
    fn default() -> Self {
        Self {
            ln_r: [f64::NEG_INFINITY; N],
        }
    }
}

impl<const N: usize> ShiryaevRoberts<N> {
    /// ln R over the alternatives in use, equally weighted; minus infinity before the first bucket.
    #[must_use]
    pub fn ln_statistic(&self) -> f64 {
        let used = self.ln_r.iter().filter(|r| **r > f64::NEG_INFINITY).count();
        ln_sum_exp(&self.ln_r) - (used.max(1) as f64).ln()
    }

    /// The statistic after a bucket with these finite log likelihood ratios of the first `used` alternatives; `leak` in [0, 1].
    #[must_use]
    pub fn after(&self, used: usize, ln_ratios: &[f64; N], leak: f64) -> Self {
        let ln_keep = (-leak).ln_1p();
        let mut next = *self;
        for (r, ratio) in next.ln_r.iter_mut().zip(ln_ratios).take(used) {
            *r = ln_add_exp(0.0, *r + ln_keep) + ratio;
        }
        next
    }

    /// Bounded as it is kept between buckets.
    #[must_use]
    pub fn kept(mut self) -> Self {
        for r in &mut self.ln_r {
            *r = r.min(LN_KEPT_MAX);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recursion_by_hand() {
        // R = (1 + R / 2) LR by hand: LR 2, 3 then 0.5 and 4, 1, 0.25 for the two alternatives.
        let mut sr = ShiryaevRoberts::<2>::default();
        assert!(sr.ln_statistic() < f64::MIN);
        for (ratios, want) in [
            ([2.0, 4.0], (2.0 + 4.0) / 2.0),
            ([3.0, 1.0], (6.0 + 3.0) / 2.0),
            ([0.5, 0.25], (2.0 + 0.625) / 2.0),
        ] {
            sr = sr.after(2, &ratios.map(f64::ln), 0.5).kept();
            assert!((sr.ln_statistic().exp() - want).abs() < 1e-12, "{sr:?}");
        }
    }

    #[test]
    fn extremes_stay_numbers() {
        let sr = ShiryaevRoberts::<2>::default().after(2, &[1e10, -1e10], 0.05);
        assert!((sr.ln_statistic() - 1e10).abs() < 1.0);
        let kept = sr.kept();
        assert!(kept.ln_statistic() <= 200.0);
        let full_leak = kept.after(2, &[0.0, 0.0], 1.0);
        assert!(full_leak.ln_statistic().abs() < 1e-12, "{full_leak:?}");
        assert!(ShiryaevRoberts::<2>::default().ln_statistic() < f64::MIN);
    }
}
