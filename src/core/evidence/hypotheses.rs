//! Owns the rival explanations of a count, each a factor on the forecast's mean, and their likelihoods.

use super::switching::Regime;
use crate::core::baseline::forecast::{DISPERSIONS, Mixture};
use crate::core::baseline::negbin::NegBin;
use crate::core::baseline::special::{exp_each, ln_each, ln_sum_exp};

/// Most rises on the grid.
pub const MAX_RISES: usize = 8;
/// Most drops on the grid.
pub const MAX_DROPS: usize = 4;
/// Usual, and the two nulls of the guard band.
const NULLS: usize = 3;
/// Place of the null of rises.
const UP: usize = 1;
const MAX_HYPOTHESES: usize = NULLS + MAX_RISES + MAX_DROPS;
/// exp of less is lost beside 1, whatever it is multiplied by here.
const LN_NOTHING: f64 = -700.0;

/// The explanations of one bucket's count: usual; not above (below) usual by more than its guard band; each rise and drop beyond it.
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
    /// The dispersions, in the order of the forecast's parts.
    parts: Vec<Growth>,
}

/// How a dispersion's negative binomial changes when its mean is scaled.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Growth {
    size: f64,
    /// `ln((size + s mu) / (size + mu))` by hypothesis.
    ln: [f64; MAX_HYPOTHESES],
}

/// The probability of a count under every hypothesis, by dispersion.
#[derive(Debug, Clone)]
pub struct Weighed {
    /// ln of the probability under each hypothesis.
    ln: [f64; MAX_HYPOTHESES],
    /// ln of the largest dispersion's share in each hypothesis' probability, the factor `s^y` included.
    ln_most: [f64; MAX_HYPOTHESES],
    /// Each dispersion's share over the largest of the hypothesis.
    shares: [[f64; MAX_HYPOTHESES]; DISPERSIONS],
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
    /// `rises` above 1 and `drops` below 1 multiply the guarded means `mu (1 + delta)` and `mu (1 - delta)`, each with its own delta of
    /// the two `guard_band_ratios`. A rise by the factor s weighs in proportion to `s^-rise_weight_exponent`, every drop the same.
    #[must_use]
    pub fn new(
        forecast: &Mixture,
        rises: &[f64],
        drops: &[f64],
        guard_band_ratios: [f64; 2],
        rise_weight_exponent: f64,
    ) -> Self {
        assert!(
            rises.len() <= MAX_RISES && drops.len() <= MAX_DROPS,
            "the grids fit their limits"
        );
        let (up, down) = (1.0 + guard_band_ratios[0], 1.0 - guard_band_ratios[1]);
        let scales = [1.0, up, down]
            .into_iter()
            .chain(rises.iter().map(|r| r * up))
            .chain(drops.iter().map(|d| d * down));
        let mut made = Self {
            rises: rises.len(),
            drops: drops.len(),
            ln_scale: [0.0; MAX_HYPOTHESES],
            ln_rise_weights: [f64::NEG_INFINITY; MAX_RISES],
            ln_drop_weights: [f64::NEG_INFINITY; MAX_DROPS],
            parts: Vec::with_capacity(forecast.parts.len()),
        };
        let mut excess = [0.0; MAX_HYPOTHESES];
        made.ln_scale = [1.0; MAX_HYPOTHESES];
        for (h, scale) in scales.enumerate() {
            made.ln_scale[h] = scale;
            excess[h] = scale - 1.0;
        }
        ln_each(&mut made.ln_scale);
        let mut last: Option<NegBin> = None;
        for part in &forecast.parts {
            let growth = match made.parts.last() {
                Some(growth) if last == Some(part.count) => *growth,
                _ => Growth::new(part.count, &excess),
            };
            last = Some(part.count);
            made.parts.push(growth);
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

    /// The probability of count `y` under every hypothesis, given `ln_joint` of the forecast at `y`.
    #[must_use]
    pub fn weigh(&self, ln_joint: &[f64; DISPERSIONS], y: u64) -> Weighed {
        let mut weighed = Weighed {
            ln: [f64::NEG_INFINITY; MAX_HYPOTHESES],
            ln_most: [f64::NEG_INFINITY; MAX_HYPOTHESES],
            shares: [[0.0; MAX_HYPOTHESES]; DISPERSIONS],
        };
        let count = y as f64;
        let shares = &mut weighed.shares[..self.parts.len()];
        for ((shares, part), joint) in shares.iter_mut().zip(&self.parts).zip(ln_joint) {
            let power = part.size + count;
            for (share, ln) in shares.iter_mut().zip(part.ln) {
                *share = joint - power * ln;
            }
        }
        let most = shares_of_most(shares);
        let mut sums = sum_columns(shares);
        ln_each(&mut sums);
        let used = NULLS + self.rises + self.drops;
        for h in 0..used {
            weighed.ln_most[h] = most[h] + count * self.ln_scale[h];
            weighed.ln[h] = weighed.ln_most[h] + sums[h];
        }
        weighed
    }

    /// What a count says.
    ///
    /// Null and rival are mixtures over the same dispersions and weights, so under the null every ratio has mean 1.
    #[must_use]
    pub fn likelihoods(&self, weighed: &Weighed) -> Likelihoods {
        let mut out = Likelihoods {
            rise: [0.0; MAX_RISES],
            drop: [0.0; MAX_DROPS],
            rise_to_usual: [0.0; MAX_RISES],
            drop_to_usual: [0.0; MAX_DROPS],
        };
        let [usual, up, down] = [weighed.ln[0], weighed.ln[1], weighed.ln[2]];
        for j in 0..self.rises {
            let ln = weighed.ln[NULLS + j];
            out.rise[j] = ln - up;
            out.rise_to_usual[j] = ln - usual;
        }
        for j in 0..self.drops {
            let ln = weighed.ln[NULLS + self.rises + j];
            out.drop[j] = ln - down;
            out.drop_to_usual[j] = ln - usual;
        }
        out
    }

    /// ln of each rise's likelihood ratio at a count `y` below `at`, as [`Likelihoods::rise`], with each dispersion's say in it left as it
    /// is at `at`, where `ln_joint_at` is the forecast's; 0 beyond the grid.
    ///
    /// Every dispersion's ratio grows with the count, and so does their mean at fixed weights; with the weights of `y` itself fewer
    /// arrivals may say more, for they speak for the wide dispersions, by which few say little.
    #[must_use]
    pub fn rises_below(
        &self,
        ln_joint_at: &[f64; DISPERSIONS],
        at: u64,
        y: u64,
    ) -> [f64; MAX_RISES] {
        let (count, at) = (y as f64, at as f64);
        let mut says = [f64::NEG_INFINITY; DISPERSIONS];
        let mut shares = [[0.0; MAX_RISES]; DISPERSIONS];
        let shares = &mut shares[..self.parts.len()];
        let parts = says.iter_mut().zip(shares.iter_mut());
        for (((say, shares), joint), part) in parts.zip(ln_joint_at).zip(&self.parts) {
            *say = joint - (part.size + at) * part.ln[UP];
            let power = part.size + count;
            for (share, ln) in shares.iter_mut().zip(&part.ln[NULLS..]) {
                *share = *say - power * (ln - part.ln[UP]);
            }
        }
        let all = ln_sum_exp(&says[..self.parts.len()]);
        let most = shares_of_most(shares);
        let mut out = sum_columns(shares);
        ln_each(&mut out);
        for (j, out) in out.iter_mut().enumerate() {
            *out = if j < self.rises {
                *out + most[j] - all + count * (self.ln_scale[NULLS + j] - self.ln_scale[UP])
            } else {
                0.0
            };
        }
        out
    }

    /// ln of each dispersion's weight times its probability of the count, whatever happens: summed over usual, rises and drops
    /// with their probabilities before the count; minus infinity beyond the forecast's parts.
    #[must_use]
    pub fn ln_joint_any(&self, weighed: &Weighed, before: &Regime) -> [f64; DISPERSIONS] {
        let others = before.surge[..self.rises]
            .iter()
            .chain(&before.drop[..self.drops]);
        let used = NULLS + self.rises + self.drops;
        let mut factors = weighed.ln_most;
        let factors = &mut factors[..used];
        let most = factors.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for factor in factors.iter_mut() {
            *factor -= most;
        }
        exp_each(factors);
        factors[0] *= before.p_usual();
        // The nulls of the guard band are no states of their own.
        factors[1..NULLS].fill(0.0);
        for (factor, p) in factors[NULLS..].iter_mut().zip(others) {
            *factor *= p;
        }
        let mut sums = [0.0; DISPERSIONS];
        let sums = &mut sums[..self.parts.len()];
        for (sum, shares) in sums.iter_mut().zip(&weighed.shares) {
            let products = factors
                .iter()
                .zip(shares)
                .map(|(factor, share)| factor * share);
            *sum = products.sum::<f64>().max(f64::MIN_POSITIVE);
        }
        ln_each(sums);
        let mut out = [f64::NEG_INFINITY; DISPERSIONS];
        for (out, ln_sum) in out.iter_mut().zip(sums) {
            *out = most + ln_sum.max(LN_NOTHING);
        }
        out
    }
}

/// Turns logs into shares of the largest of their column, and returns the logs of those.
fn shares_of_most<const N: usize>(rows: &mut [[f64; N]]) -> [f64; N] {
    let mut most = [f64::NEG_INFINITY; N];
    for row in rows.iter() {
        for (most, ln) in most.iter_mut().zip(row) {
            *most = if *ln > *most { *ln } else { *most };
        }
    }
    for row in rows.iter_mut() {
        for (ln, most) in row.iter_mut().zip(most) {
            *ln -= most;
        }
    }
    exp_each(rows.as_flattened_mut());
    most
}

fn sum_columns<const N: usize>(rows: &[[f64; N]]) -> [f64; N] {
    let mut sums = [0.0; N];
    for row in rows {
        for (sum, share) in sums.iter_mut().zip(row) {
            *sum += share;
        }
    }
    sums
}

impl Growth {
    fn new(count: NegBin, excess: &[f64; MAX_HYPOTHESES]) -> Self {
        let mut ln = excess.map(|excess| 1.0 + excess * count.odds());
        // The first is usual itself, and ln 1 is 0.
        ln[0] = 0.0;
        ln_each(&mut ln[1..]);
        Self {
            size: count.size(),
            ln,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::baseline::forecast::Matching;

    fn weights(exponent: f64) -> Vec<f64> {
        let flat = [-(DISPERSIONS as f64).ln(); DISPERSIONS];
        let forecast = Mixture::match_moments(1.0, 0.1, &flat, Matching::Rate);
        let made = Hypotheses::new(&forecast, &[2.0, 8.0], &[0.5], [0.05; 2], exponent);
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
