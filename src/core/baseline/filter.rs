//! Owns the state of the dynamic GLM: its evolution, the moments of the next log rate, and the update by a count.

use super::forecast::{DISPERSION_RATIOS, DISPERSIONS, LN_FAINT, Matching, Mixture};
use super::season::{Component, Lens, MAX_DIM};
use super::special::{exp_each, ln_sum_exp};

/// No dispersion is held less likely than this. A little below where it becomes faint: forgetting brings it back to be asked again
/// now and then.
const LN_WEIGHT_FLOOR: f64 = LN_FAINT - 2.0;
/// ln of the weight of a dispersion that is not thought possible.
const LN_IMPOSSIBLE: f64 = -300.0;
/// A variance of the log rate beyond which the update is damped, as the forecast's is bounded.
const LOG_VARIANCE_MAX: f64 = 20.0;
/// The level stays within counts of 1e-13 to 1e13 a bucket.
const LEVEL_LIMIT: f64 = 30.0;

/// A value for each kind of component.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PerComponent {
    /// Of the level.
    pub level: f64,
    /// Of the slope.
    pub slope: f64,
    /// Of each daily cosine and sine.
    pub daily: f64,
    /// Of each weekly cosine and sine.
    pub weekly: f64,
    /// Of each annual cosine and sine.
    pub annual: f64,
}

impl PerComponent {
    /// The value for one kind.
    #[must_use]
    pub fn of(&self, component: Component) -> f64 {
        match component {
            Component::Level => self.level,
            Component::Slope => self.slope,
            Component::Daily => self.daily,
            Component::Weekly => self.weekly,
            Component::Annual => self.annual,
        }
    }
}

/// How the filter forgets and is bounded.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterParams {
    /// Discounts in (0, 1]: a memory of `1 / (1 - d)` buckets.
    pub discounts: PerComponent,
    /// Prior variances; the level's is the caller's.
    pub prior_variance: PerComponent,
    /// Ceilings of the variances: discounting without information (zeros, episodes) would inflate them without end.
    pub max_variance: PerComponent,
    /// Exponent of the dispersion weights at every bucket, in (0, 1].
    pub forgetting: f64,
    /// ln of the dispersions' weights before anything is known, and what forgetting goes back to ([`dispersion_prior`]).
    pub ln_prior: [f64; DISPERSIONS],
    /// How dispersions widen the forecast.
    pub matching: Matching,
}

/// Posterior of the state `theta` (mean and packed lower triangle of the covariance) and of the dispersion.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// Means, 0 beyond the lens' dimension.
    pub mean: [f64; MAX_DIM],
    /// Lower triangle of the covariance by rows, of the lens' dimension.
    pub covariance: Box<[f64]>,
    /// ln of the dispersions' weights.
    pub ln_weights: [f64; DISPERSIONS],
}

/// Position of entry `(i, j)`, `j <= i`, in a packed lower triangle.
#[must_use]
pub const fn packed(i: usize, j: usize) -> usize {
    i * (i + 1) / 2 + j
}

impl Filter {
    /// The prior: level `log_mean` with `log_variance`, every other component 0 with its prior variance.
    #[must_use]
    pub fn new(lens: Lens, params: &FilterParams, log_mean: f64, log_variance: f64) -> Self {
        let mut filter = Self {
            mean: [0.0; MAX_DIM],
            covariance: vec![0.0; packed(lens.dim(), 0)].into_boxed_slice(),
            ln_weights: params.ln_prior,
        };
        filter.mean[0] = log_mean;
        filter.covariance[0] = log_variance;
        for i in 1..lens.dim() {
            filter.covariance[packed(i, i)] = params.prior_variance.of(lens.component(i));
        }
        filter
    }

    /// One bucket passes: `a = G m`, `R = G C G'` divided by the square roots of the discounts (West & Harrison 1997, 6.3).
    pub fn evolve(&mut self, lens: Lens, params: &FilterParams) {
        let dim = lens.dim();
        self.mean[0] = (self.mean[0] + self.mean[1]).clamp(-LEVEL_LIMIT, LEVEL_LIMIT);
        let c = &mut self.covariance;
        c[0] += 2.0 * c[packed(1, 0)] + c[packed(1, 1)];
        c[packed(1, 0)] += c[packed(1, 1)];
        for i in 2..dim {
            c[packed(i, 0)] += c[packed(i, 1)];
        }
        let mut scale = [0.0; MAX_DIM];
        for (i, scale) in scale.iter_mut().enumerate().take(dim) {
            let component = lens.component(i);
            let grown = c[packed(i, i)] / params.discounts.of(component);
            let ceiling = params.max_variance.of(component);
            // Scaling rows and columns keeps the matrix positive definite.
            let shrink = if grown > ceiling {
                ceiling / grown
            } else {
                1.0
            };
            *scale = (shrink / params.discounts.of(component)).sqrt();
        }
        for i in 0..dim {
            for (c, other) in c[packed(i, 0)..=packed(i, i)].iter_mut().zip(&scale) {
                *c *= scale[i] * other;
            }
        }
    }

    /// Nothing is known of the season of the year any more: its prior, uncorrelated with all else.
    pub fn forget_season(&mut self, lens: Lens, params: &FilterParams) {
        for i in (0..lens.dim()).filter(|i| lens.component(*i) == Component::Annual) {
            self.mean[i] = 0.0;
            for j in 0..lens.dim() {
                self.covariance[packed(i.max(j), i.min(j))] = 0.0;
            }
            self.covariance[packed(i, i)] = params.prior_variance.annual;
        }
    }

    /// Mean `F' a` and variance `F' R F` of the log rate, and the vector `R F`.
    #[must_use]
    pub fn log_rate(&self, dim: usize, design: &[f64; MAX_DIM]) -> LogRate {
        let mut gain = [0.0; MAX_DIM];
        for i in 0..dim {
            let row = &self.covariance[packed(i, 0)..=packed(i, i)];
            let (before, from) = gain.split_at_mut(i);
            for (gain, c) in before.iter_mut().zip(row) {
                *gain += c * design[i];
            }
            from[0] += dot(row, &design[..=i]);
        }
        let mean = (0..dim).map(|i| design[i] * self.mean[i]).sum();
        let variance: f64 = (0..dim).map(|i| design[i] * gain[i]).sum();
        LogRate {
            mean,
            variance,
            gain,
        }
    }

    /// Learns `y` with the given weight in [0, 1] from the forecast made of `rate`: `m += R F g`, `C -= R F F' R h` with `g` and
    /// `h` averaged over the dispersions (West, Harrison & Migon 1985, eq. 3.6-3.8).
    /// `said` is the forecast at `y`.
    pub fn learn(
        &mut self,
        dim: usize,
        params: &FilterParams,
        rate: &LogRate,
        said: Said<'_>,
        weight: f64,
    ) {
        let (g, h) = correction(said);
        // The forecast bounds the variance; a gain that did not would overshoot it.
        let damp = (LOG_VARIANCE_MAX / rate.variance.max(LOG_VARIANCE_MAX)).min(1.0) * weight;
        for i in 0..dim {
            self.mean[i] += rate.gain[i] * g * damp;
        }
        self.mean[0] = self.mean[0].clamp(-LEVEL_LIMIT, LEVEL_LIMIT);
        let shrink = h * damp;
        for i in 0..dim {
            let row = &mut self.covariance[packed(i, 0)..=packed(i, i)];
            let gain = rate.gain[i] * shrink;
            for (c, other) in row.iter_mut().zip(&rate.gain) {
                *c -= gain * other;
            }
            let diagonal = &mut self.covariance[packed(i, i)];
            *diagonal = diagonal.max(1e-14);
        }
        let (ln_joint, share) = said
            .ln_joint_any
            .map_or((said.ln_joint, weight), |any| (any, 1.0));
        self.learn_dispersion(params, said.forecast, ln_joint, share);
    }

    /// `w <- w^forgetting prior^(1 - forgetting) x likelihood`, normalised; all by the weight's share, so that a frozen filter
    /// forgets nothing. Faint dispersions are not asked and only forgotten.
    fn learn_dispersion(
        &mut self,
        params: &FilterParams,
        forecast: &Mixture,
        joint: &[f64; DISPERSIONS],
        share: f64,
    ) {
        let forgotten = (1.0 - params.forgetting) * share;
        let mut ln_likelihood = [ln_sum_exp(&joint[..forecast.parts.len()]); DISPERSIONS];
        for (part, joint) in forecast.parts.iter().zip(joint) {
            ln_likelihood[part.dispersion] = joint - part.ln_weight;
        }
        let is_possible = params.ln_prior.map(|prior| prior > LN_IMPOSSIBLE);
        for (k, w) in self.ln_weights.iter_mut().enumerate() {
            if is_possible[k] {
                *w += forgotten * (params.ln_prior[k] - *w) + share * ln_likelihood[k];
            }
        }
        let total = ln_sum_exp(&self.ln_weights);
        for (k, w) in self.ln_weights.iter_mut().enumerate() {
            if is_possible[k] {
                *w = (*w - total).max(LN_WEIGHT_FLOOR);
            }
        }
    }
}

/// The product of two vectors of one length, in four sums side by side: one alone would wait for itself.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a4, a_rest) = a.as_chunks::<4>();
    let (b4, b_rest) = b.as_chunks::<4>();
    let mut sums = [0.0; 4];
    for (a, b) in a4.iter().zip(b4) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

/// ln of the dispersions' weights before anything is known: in proportion to the ratio to the minus `exponent` for the first
/// `possible` of them, at least one, and none for the others.
#[must_use]
pub fn dispersion_prior(possible: usize, exponent: f64) -> [f64; DISPERSIONS] {
    let possible = possible.clamp(1, DISPERSIONS);
    let mut ln_prior = [LN_IMPOSSIBLE; DISPERSIONS];
    for (prior, ratio) in ln_prior.iter_mut().zip(DISPERSION_RATIOS).take(possible) {
        *prior = -exponent * ratio.ln();
    }
    let total = ln_sum_exp(&ln_prior);
    for prior in &mut ln_prior[..possible] {
        *prior -= total;
    }
    ln_prior
}

/// ln of the dispersions' weights around a ratio that is known to within a factor of two.
#[must_use]
pub fn dispersion_around(ratio: f64) -> [f64; DISPERSIONS] {
    let mut ln_weights = DISPERSION_RATIOS.map(|of| {
        let apart = (of / ratio).ln() / std::f64::consts::LN_2;
        (-0.5 * apart * apart).max(LN_WEIGHT_FLOOR)
    });
    let total = ln_sum_exp(&ln_weights);
    for weight in &mut ln_weights {
        *weight -= total;
    }
    ln_weights
}

/// A count and what the forecast said of it.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// The forecast.
    pub forecast: &'a Mixture,
    /// ln of each part's weight times its probability of the count, as [`Mixture::ln_joint`] has it.
    pub ln_joint: &'a [f64; DISPERSIONS],
    /// The same over all that may have happened, surges and drops included, where these are thought of: it teaches the
    /// dispersion with full weight. Counts cut and weighed by P(usual) would teach it that there are no high counts.
    pub ln_joint_any: Option<&'a [f64; DISPERSIONS]>,
    /// The count.
    pub count: u64,
}

/// Moments of the log rate of one bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct LogRate {
    /// `F' a`.
    pub mean: f64,
    /// `F' R F`.
    pub variance: f64,
    /// `R F`.
    pub gain: [f64; MAX_DIM],
}

/// `g` and `h` averaged with the posterior weights; `h` loses the variance of `g` between the dispersions, floor 0.
fn correction(said: Said<'_>) -> (f64, f64) {
    let parts = said.forecast.parts.len();
    let mut posterior = *said.ln_joint;
    let posterior = &mut posterior[..parts];
    let most = posterior.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for joint in posterior.iter_mut() {
        *joint -= most;
    }
    exp_each(posterior);
    let total: f64 = posterior.iter().sum();
    let (mut mean_g, mut mean_gg, mut mean_h) = (0.0, 0.0, 0.0);
    for (part, posterior) in said.forecast.parts.iter().zip(posterior) {
        let posterior = *posterior / total;
        if posterior < 1e-12 {
            continue;
        }
        let learner = &part.learner;
        let own = learner.own();
        let moved = own.moved(learner.shape, learner.share * said.count as f64);
        // beta = shape / mean; digamma(alpha) - ln beta is the prior's log mean.
        let seen_ratio = learner.share * part.count.mean() / learner.shape;
        let g = (moved.digamma - seen_ratio.ln_1p()) / own.trigamma;
        let h = -moved.trigamma / (own.trigamma * own.trigamma);
        mean_g += posterior * g;
        mean_gg += posterior * g * g;
        mean_h += posterior * h;
    }
    (
        mean_g,
        (mean_h - (mean_gg - mean_g * mean_g).max(0.0)).max(0.0),
    )
}
