//! Owns the leaky Shiryaev-Roberts statistic over a grid of alternatives; what they are and who is told is not its concern.
//!
//! `R_j <- (1 + (1 - leak) R_j) LR_j`, `R = sum of w_j R_j` with weights that sum to 1. While every LR_j has conditional mean at
//! most 1, `R_t - t` is a supermartingale, so an alarm at `R >= A` is false at most once in `A` buckets on average, whatever the
//! dependence (Pollak & Siegmund 1985; Shin, Ramdas & Rinaldo, "E-detectors"). The leak only lowers R.

use crate::core::baseline::special::{exp_each, ln_each, ln_sum_exp};

/// What a state keeps of ln R at most: far above every threshold, low enough to leak away.
const LN_KEPT_MAX: f64 = 27.0;
/// ln R after a bucket at least: what is less is as good as none beside the 1 that the next bucket adds.
const LN_LEAST: f64 = -20.0;
/// The same of ln R_j by itself.
const LN_EACH_KEPT_MAX: f64 = 25.0;
/// ln of more alternatives than there are.
const LN_MANY: f64 = 3.0;

/// ln of w_j R_j of up to `N` alternatives; minus infinity is the start, R = 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShiryaevRoberts<const N: usize> {
    /// ln of w_j R_j by alternative.
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
    /// ln R; minus infinity before the first bucket.
    #[must_use]
    pub fn ln_statistic(&self) -> f64 {
        ln_sum_exp(&self.ln_r)
    }

    /// Whether ln R is at least that. The largest alternative alone says it of most states.
    #[must_use]
    pub fn reaches(&self, ln: f64) -> bool {
        let most = |most: f64, r: &f64| if *r > most { *r } else { most };
        let most = self.ln_r.iter().fold(f64::NEG_INFINITY, most);
        most >= ln || (most + LN_MANY >= ln && self.ln_statistic() >= ln)
    }

    /// The statistic after a bucket with these finite log likelihood ratios of the alternatives that have a weight, given as logs;
    /// `leak` in [0, 1].
    #[must_use]
    pub fn after(&self, ln_weights: &[f64], ln_ratios: &[f64; N], leak: f64) -> Self {
        let ln_keep = (-leak).ln_1p();
        let mut next = *self;
        // ln(a + b) is the larger's and ln(1 + the smaller's share of it).
        let mut beside_one = [0.0; N];
        let begun = next.ln_r.iter_mut().zip(ln_weights).zip(ln_ratios);
        for (((r, ln_weight), ratio), share) in begun.zip(&mut beside_one) {
            let kept = *r + ln_keep;
            *share = kept.min(*ln_weight) - kept.max(*ln_weight);
            *r = kept.max(*ln_weight) + ratio;
        }
        exp_each(&mut beside_one);
        for share in &mut beside_one {
            *share += 1.0;
        }
        ln_each(&mut beside_one);
        for (r, more) in next.ln_r.iter_mut().zip(beside_one).take(ln_weights.len()) {
            *r += more;
        }
        next
    }

    /// No less than what is as good as none, and no more than `ln_most`: all alternatives alike.
    #[must_use]
    pub fn within(mut self, ln_most: f64) -> Self {
        if self.reaches(LN_LEAST) && !self.reaches(ln_most) {
            return self;
        }
        let whole = self.ln_statistic();
        let change = whole.clamp(LN_LEAST, ln_most.max(LN_LEAST)) - whole;
        if change.is_finite() {
            for r in &mut self.ln_r {
                *r += change;
            }
        }
        self
    }

    /// Bounded as it is kept between buckets: each alternative, so that none loses its say to one that grew faster, and all together by
    /// what R was, so that a larger R is kept as no smaller one.
    #[must_use]
    pub fn kept(mut self) -> Self {
        if !self.reaches(LN_EACH_KEPT_MAX) {
            return self;
        }
        let whole = self.ln_statistic().min(LN_KEPT_MAX);
        for r in &mut self.ln_r {
            *r = r.min(LN_EACH_KEPT_MAX);
        }
        let lost = whole - self.ln_statistic();
        if lost.is_finite() {
            for r in &mut self.ln_r {
                *r += lost;
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALVES: [f64; 2] = [-std::f64::consts::LN_2; 2];

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
            sr = sr.after(&HALVES, &ratios.map(f64::ln), 0.5).kept();
            assert!((sr.ln_statistic().exp() - want).abs() < 1e-12, "{sr:?}");
        }
    }

    #[test]
    fn extremes_stay_numbers() {
        let sr = ShiryaevRoberts::<2>::default().after(&HALVES, &[1e10, -1e10], 0.05);
        assert!((sr.ln_statistic() - 1e10).abs() < 1.0);
        let kept = sr.kept();
        assert!(kept.ln_statistic() <= 27.0 + 1e-12);
        let full_leak = kept.after(&HALVES, &[0.0, 0.0], 1.0);
        assert!(full_leak.ln_statistic().abs() < 1e-12, "{full_leak:?}");
        assert!(ShiryaevRoberts::<2>::default().ln_statistic() < f64::MIN);
    }
}
