//! Owns the rival explanations of a count, each a factor on the forecast's mean, and their likelihoods.

use super::switching::Regime;
use crate::core::baseline::forecast::{DISPERSIONS, Mixture};
use crate::core::baseline::special::ln_sum_exp;

/// Most rises on the grid.
pub const MAX_RISES: usize = 8;
/// Most drops on the grid.
pub const MAX_DROPS: usize = 4;
/// Usual, and the two nulls of the guard band.
const NULLS: usize = 3;
const MAX_HYPOTHESES: usize = NULLS + MAX_RISES + MAX_DROPS;

/// The explanations of one bucket's count: usual; not above (below) usual by more than the guard band; each rise and drop beyond it.
///
/// All keep the forecast's sizes and scale its means, so `L(s mu) / L(mu)` is `s^y ((size + mu) / (size + s mu))^(size + y)`: no
/// gamma function, and two of its three logarithms do not depend on the count.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypotheses {
    rises: usize,
    drops: usize,
    ln_scale: [f64; MAX_HYPOTHESES],
    /// ln of what each rise, and each drop, weighs in the evidence; each kind's weights sum to 1.
    ln_rise_weights: [f64; MAX_RISES],
    ln_drop_weights: [f64; MAX_DROPS],
    /// `ln((size + s mu) / (size + mu))` by hypothesis and dispersion.
    ln_growth: [[f64; DISPERSIONS]; MAX_HYPOTHESES],
    sizes: [f64; DISPERSIONS],
}

/// What a count says, as logs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likelihoods {
    /// ln of each rise's likelihood ratio against "not above usual by more than the guard band"; 0 beyond the grid.
    pub rise: [f64; MAX_RISES],
    /// ln of each drop's likelihood ratio against "not below usual by more than the guard band"; 0 beyond the grid.
    pub drop: [f64; MAX_DROPS],
    /// ln of each rise's likelihood ratio against usual.
    pub rise_to_usual: [f64; MAX_RISES],
    /// ln of each drop's likelihood ratio against usual.
    pub drop_to_usual: [f64; MAX_DROPS],
}

impl Hypotheses {
    /// `rises` above 1 and `drops` below 1 multiply the guarded means `mu (1 + delta)` and `mu (1 - delta)`. A rise by the factor s
    /// weighs in proportion to `s^-rise_weight_exponent`, every drop the same.
    #[must_use]
    pub fn new(
        forecast: &Mixture,
        rises: &[f64],
        drops: &[f64],
        guard_band_ratio: f64,
        rise_weight_exponent: f64,
    ) -> Self {
        assert!(
            rises.len() <= MAX_RISES && drops.len() <= MAX_DROPS,
            "the grids fit their limits"
        );
        let (up, down) = (1.0 + guard_band_ratio, 1.0 - guard_band_ratio);
        let scales = [1.0, up, down]
            .into_iter()
            .chain(rises.iter().map(|r| r * up))
            .chain(drops.iter().map(|d| d * down));
        let odds = forecast.parts.map(|part| part.count.odds());
        let mut made = Self {
            rises: rises.len(),
            drops: drops.len(),
            ln_scale: [0.0; MAX_HYPOTHESES],
            ln_rise_weights: [f64::NEG_INFINITY; MAX_RISES],
            ln_drop_weights: [f64::NEG_INFINITY; MAX_DROPS],
            ln_growth: [[0.0; DISPERSIONS]; MAX_HYPOTHESES],
            sizes: forecast.parts.map(|part| part.count.size()),
        };
        for (i, scale) in scales.enumerate() {
            made.ln_scale[i] = scale.ln();
            made.ln_growth[i] = odds.map(|odds| (1.0 + (scale - 1.0) * odds).ln());
        }
        // The guard band is in every rise's scale and so in none of their weights.
        for j in 0..made.rises {
            made.ln_rise_weights[j] = -rise_weight_exponent * made.ln_scale[NULLS + j];
        }
        let total = ln_sum_exp(&made.ln_rise_weights);
        for weight in &mut made.ln_rise_weights[..made.rises] {
            *weight -= total;
        }
        made.ln_drop_weights[..made.drops].fill(-(made.drops.max(1) as f64).ln());
        made
    }

    /// ln of the rises' weights in the evidence.
    #[must_use]
    pub fn ln_rise_weights(&self) -> &[f64] {
        &self.ln_rise_weights[..self.rises]
    }

    /// ln of the drops' weights in the evidence.
    #[must_use]
    pub fn ln_drop_weights(&self) -> &[f64] {
        &self.ln_drop_weights[..self.drops]
    }

    /// Number of rises.
    #[must_use]
    pub fn rises(&self) -> usize {
        self.rises
    }

    /// Number of drops.
    #[must_use]
    pub fn drops(&self) -> usize {
        self.drops
    }

    /// What count `y` says, given `ln_joint` of the forecast at `y`.
    ///
    /// Null and rival are mixtures over the same dispersions and weights, so under the null every ratio has mean 1.
    #[must_use]
    pub fn likelihoods(&self, ln_joint: &[f64; DISPERSIONS], y: u64) -> Likelihoods {
        let mut out = Likelihoods {
            rise: [0.0; MAX_RISES],
            drop: [0.0; MAX_DROPS],
            rise_to_usual: [0.0; MAX_RISES],
            drop_to_usual: [0.0; MAX_DROPS],
        };
        let usual = ln_sum_exp(ln_joint);
        let (up, down) = (
            self.ln_likelihood(1, ln_joint, y),
            self.ln_likelihood(2, ln_joint, y),
        );
        for j in 0..self.rises {
            let ln = self.ln_likelihood(NULLS + j, ln_joint, y);
            out.rise[j] = ln - up;
            out.rise_to_usual[j] = ln - usual;
        }
        for j in 0..self.drops {
            let ln = self.ln_likelihood(NULLS + self.rises + j, ln_joint, y);
            out.drop[j] = ln - down;
            out.drop_to_usual[j] = ln - usual;
        }
        out
    }

    /// ln of each dispersion's weight times its probability of `y`, whatever happens: summed over usual, rises and drops with
    /// their probabilities before the count.
    #[must_use]
    pub fn ln_joint_any(
        &self,
        ln_joint: &[f64; DISPERSIONS],
        y: u64,
        before: &Regime,
    ) -> [f64; DISPERSIONS] {
        let count = y as f64;
        let used = NULLS + self.rises + self.drops;
        let mut ln_p = [f64::NEG_INFINITY; MAX_HYPOTHESES];
        ln_p[0] = before.p_usual().max(f64::MIN_POSITIVE).ln();
        let others = before.surge[..self.rises]
            .iter()
            .chain(&before.drop[..self.drops]);
        for (h, p) in (NULLS..).zip(others) {
            ln_p[h] = p.max(f64::MIN_POSITIVE).ln() + count * self.ln_scale[h];
        }
        std::array::from_fn(|k| {
            let mut terms = [f64::NEG_INFINITY; MAX_HYPOTHESES];
            for h in 0..used {
                terms[h] = ln_p[h] - (self.sizes[k] + count) * self.ln_growth[h][k];
            }
            ln_joint[k] + ln_sum_exp(&terms)
        })
    }

    fn ln_likelihood(&self, hypothesis: usize, ln_joint: &[f64; DISPERSIONS], y: u64) -> f64 {
        let count = y as f64;
        let growth = &self.ln_growth[hypothesis];
        let terms: [f64; DISPERSIONS] =
            std::array::from_fn(|k| ln_joint[k] - (self.sizes[k] + count) * growth[k]);
        ln_sum_exp(&terms) + count * self.ln_scale[hypothesis]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::baseline::forecast::Matching;

    fn weights(exponent: f64) -> Vec<f64> {
        let flat = [-(DISPERSIONS as f64).ln(); DISPERSIONS];
        let forecast = Mixture::match_moments(1.0, 0.1, &flat, Matching::Rate);
        let made = Hypotheses::new(&forecast, &[2.0, 8.0], &[0.5], 0.05, exponent);
        assert_eq!(made.ln_drop_weights(), [0.0]);
        made.ln_rise_weights().iter().map(|w| w.exp()).collect()
    }

    #[test]
    fn weights_of_rises_follow_the_exponent_and_sum_to_one() {
        for (exponent, want) in [
            (0.0, [0.5, 0.5]),
            (0.5, [2.0 / 3.0, 1.0 / 3.0]),
            (1.0, [0.8, 0.2]),
        ] {
            let got = weights(exponent);
            let near = got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-12);
            assert!(near, "exponent {exponent}: {got:?}, wanted {want:?}");
        }
    }
}
