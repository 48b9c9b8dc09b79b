//! Owns the forecast of one bucket: a mixture of negative binomials over a grid of dispersions, its tails and quantiles.

use super::negbin::NegBin;
use super::special::{Polygamma, ln_sum_exp, polygamma, trigamma_inverse};

/// Number of dispersions on the grid.
pub const DISPERSIONS: usize = 17;

/// The grid of variance / mean ratios. A grid in this ratio keeps the tails calibrated at every season; one in the size does not.
/// Its end is what arrivals by weather and by ship have: days of thousands among days of none.
pub const DISPERSION_RATIOS: [f64; DISPERSIONS] = [
    1.001, 1.1, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 11.0, 21.0, 41.0, 101.0, 301.0, 1001.0, 3001.0,
    10_001.0,
];

/// Bounds of the variance of the log rate, without dispersion.
const LOG_VARIANCE_RANGE: (f64, f64) = (1e-9, 20.0);
/// Smallest shape of a Gamma matched in the rate: one day in hundreds has an arrival.
const SIZE_MIN: f64 = 0.01;
/// Means from 1e-13 to 1e13: wide of any count, narrow of any overflow.
const LOG_MEAN_LIMIT: f64 = 30.0;
/// Up to this count quantiles come from upward recursion, beyond it from bisection on the tails.
const RECURSION_LIMIT: f64 = 2048.0;
/// Twelve terms this far below the largest are under the rounding of their sum.
const LN_NEGLIGIBLE: f64 = 45.0;
/// A dispersion is faint while the logarithm of its weight is this far below the likeliest one's: it has no part in the forecast.
pub const LN_FAINT: f64 = -60.0;
/// The largest count a quantile can be.
const COUNT_LIMIT: u64 = 1 << 53;

/// How the noise of a dispersion is added to the log rate's variance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Matching {
    /// In the log rate: `trigamma(alpha) = q + (phi - 1) exp(-f)`, at most `max_log_variance`, and `digamma(alpha) - ln beta = f`
    /// (West, Harrison & Migon 1985, section 3). The noise is of the size it says where counts are more than a few; below it is
    /// wider, and more zeros and bursts are usual. 25 is a Gamma of shape 0.2, 400 one of shape 0.05.
    ///
    /// Dispersions from `rate_from_ratio` on are matched in the rate: series that have them, days of hundreds among days of
    /// none, have more zeros than a Gamma within that limit.
    LogRate {
        /// From 20 to 1e4.
        max_log_variance: f64,
        /// A variance / mean ratio; infinite: all are matched in the log rate.
        rate_from_ratio: f64,
    },
    /// In the rate: `exp(level) x noise`, independent Gammas of mean 1 with shapes `trigamma(a) = q` and
    /// `b = mean / (phi - 1)`, has the variance of a Gamma with `1 + 1 / alpha = (1 + 1 / a) (1 + 1 / b)`. So the variance / mean
    /// ratio is phi at the smallest means too.
    Rate,
}

/// One dispersion of the forecast: `rate ~ Gamma(size, size / mean)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Its place in [`DISPERSION_RATIOS`].
    pub dispersion: usize,
    /// ln of its weight.
    pub ln_weight: f64,
    weight: f64,
    /// The negative binomial of the count.
    pub count: NegBin,
    /// The Gamma that learns of it.
    pub learner: Learner,
}

/// The Gamma of a rate that counts are learnt by: `y` moves its shape by `share y` and its rate by `share`.
///
/// With [`Matching::Rate`] and where the noise is in the log rate's variance, the Gamma is the forecast's and the share 1. For
/// dispersions that [`Matching::LogRate`] matches in the rate the Gamma is the level's own and the share 1 / (variance / mean): the quasi-likelihood of the mean (Wedderburn 1974), which is right in the
/// long run whatever the shape of the noise. The forecast's Gamma would learn of a day of none that all days are few.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Learner {
    /// Its shape.
    pub shape: f64,
    own: Option<Polygamma>,
    /// Weight of a count, in (0, 1].
    pub share: f64,
}

/// How a dispersion's Gamma is matched to the log rate.
#[derive(Clone, Copy, PartialEq)]
struct Matched {
    count: NegBin,
    learner: Learner,
}

impl Part {
    /// Its weight.
    #[must_use]
    pub fn weight(&self) -> f64 {
        self.weight
    }
}

fn count_of(size: f64, mean: f64) -> NegBin {
    NegBin::new(size, mean).expect("the clamps of the match keep size and mean positive and finite")
}

impl Learner {
    /// The forecast's own Gamma. Its polygammas are left to whoever asks: most dispersions have no say in what is learnt.
    fn of_forecast(count: NegBin) -> Self {
        Self {
            shape: count.size(),
            own: None,
            share: 1.0,
        }
    }

    /// The polygammas of the shape; trigamma is the variance of the log rate.
    #[must_use]
    pub fn own(&self) -> Polygamma {
        self.own.unwrap_or_else(|| polygamma(self.shape))
    }
}

/// Forecast of a bucket's count: the mixture of [`Part`]s.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    /// Expected log rate `f`.
    pub log_mean: f64,
    /// One part for each dispersion that is not [faint](LN_FAINT), in the order of [`DISPERSION_RATIOS`]; their weights sum to 1.
    pub parts: Vec<Part>,
}

impl Mixture {
    /// Matches a Gamma to the log rate's mean and variance and the noise of every dispersion.
    #[must_use]
    pub fn match_moments(
        log_mean: f64,
        log_variance: f64,
        ln_weights: &[f64; DISPERSIONS],
        matching: Matching,
    ) -> Self {
        let f = log_mean.clamp(-LOG_MEAN_LIMIT, LOG_MEAN_LIMIT);
        let q = log_variance.clamp(LOG_VARIANCE_RANGE.0, LOG_VARIANCE_RANGE.1);
        let most = ln_weights.iter().copied().fold(f64::MIN, f64::max);
        let heard = (0..DISPERSIONS).filter(|k| ln_weights[*k] >= most + LN_FAINT);
        let part = |k: usize, matched: Matched| Part {
            dispersion: k,
            ln_weight: ln_weights[k],
            weight: ln_weights[k].exp(),
            count: matched.count,
            learner: matched.learner,
        };
        let mut parts = Vec::with_capacity(DISPERSIONS);
        match matching {
            Matching::LogRate {
                max_log_variance,
                rate_from_ratio,
            } => {
                let per_mean = (-f).exp();
                let mut level = None;
                let mut last: Option<(f64, Matched)> = None;
                parts.extend(heard.map(|k| {
                    let ratio = DISPERSION_RATIOS[k];
                    if ratio >= rate_from_ratio {
                        let level = level.get_or_insert_with(|| Level::new(f, q));
                        return part(k, level.with_noise(ratio));
                    }
                    let log_variance = (q + (ratio - 1.0) * per_mean).min(max_log_variance);
                    // At small means many dispersions are at the limit, and alike.
                    let matched = match last {
                        Some((alike, matched)) if alike.to_bits() == log_variance.to_bits() => {
                            matched
                        }
                        _ => in_log_rate(f, log_variance),
                    };
                    last = Some((log_variance, matched));
                    part(k, matched)
                }));
            }
            Matching::Rate => {
                let level = Level::new(f, q);
                parts.extend(heard.map(|k| {
                    let mut matched = level.with_noise(DISPERSION_RATIOS[k]);
                    matched.learner = Learner::of_forecast(matched.count);
                    part(k, matched)
                }));
            }
        }
        Self { log_mean: f, parts }
    }

    /// Mean count.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.average(|part| part.count.mean())
    }

    /// Variance of the count: within the parts and between them.
    #[must_use]
    pub fn variance(&self) -> f64 {
        let mean = self.mean();
        self.average(|part| part.count.variance() + (part.count.mean() - mean).powi(2))
    }

    /// ln of each part's weight times its probability of `y`, in the order of the parts; minus infinity beyond them.
    #[must_use]
    pub fn ln_joint(&self, y: u64) -> [f64; DISPERSIONS] {
        let mut joint = [f64::NEG_INFINITY; DISPERSIONS];
        let mut last: Option<(NegBin, f64)> = None;
        for (joint, part) in joint.iter_mut().zip(&self.parts) {
            let ln_pmf = match last {
                Some((alike, ln_pmf)) if alike == part.count => ln_pmf,
                _ => part.count.ln_pmf(y),
            };
            last = Some((part.count, ln_pmf));
            *joint = part.ln_weight + ln_pmf;
        }
        joint
    }

    /// ln P(Y >= y), summed from the tail.
    #[must_use]
    pub fn ln_upper_tail(&self, y: u64) -> f64 {
        self.ln_average(|nb| nb.ln_upper_bound(y), |nb| nb.ln_upper_tail(y))
    }

    /// ln P(Y <= y), summed from the tail.
    #[must_use]
    pub fn ln_lower_tail(&self, y: u64) -> f64 {
        self.ln_average(|nb| nb.ln_lower_bound(y), |nb| nb.ln_lower_tail(y))
    }

    /// Smallest `y` with P(Y <= y) >= p; `p` outside `[0, 1)` and NaN are taken for the nearer end.
    #[must_use]
    pub fn quantile(&self, p: f64) -> u64 {
        self.quantiles([p])[0]
    }

    /// The same for ascending probabilities, in one pass.
    #[must_use]
    pub fn quantiles<const N: usize>(&self, ascending: [f64; N]) -> [u64; N] {
        let spread = self.variance().sqrt();
        if ascending.iter().all(|p| *p < 0.999_999)
            && self.mean() + 4.0 * spread < RECURSION_LIMIT
            && let Some(found) = self.quantiles_by_recursion(&ascending)
        {
            return found;
        }
        ascending.map(|p| {
            if p > 0.0 {
                self.quantile_by_bisection(p.min(1.0 - 1e-15))
            } else {
                0
            }
        })
    }

    /// P(y + 1) = P(y) odds (size + y) / (y + 1), all parts in step.
    fn quantiles_by_recursion<const N: usize>(&self, ascending: &[f64; N]) -> Option<[u64; N]> {
        let mut odds = [0.0; DISPERSIONS];
        let mut size = [0.0; DISPERSIONS];
        let mut probability = [0.0; DISPERSIONS];
        for (k, part) in self.parts.iter().enumerate() {
            (odds[k], size[k]) = (part.count.odds(), part.count.size());
            probability[k] = (part.ln_weight + part.count.ln_pmf(0)).exp();
            // A part whose P(0) underflows would be lost to the recursion.
            if probability[k] < 1e-290 {
                return None;
            }
        }
        let (mut found, mut next, mut below) = ([0; N], 0, 0.0);
        for y in 0..RECURSION_LIMIT as u64 {
            below += probability.iter().sum::<f64>();
            while next < N && (below >= ascending[next] || ascending[next].is_nan()) {
                found[next] = y;
                next += 1;
            }
            if next == N {
                return Some(found);
            }
            let (at, per) = (y as f64, 1.0 / (y as f64 + 1.0));
            for k in 0..self.parts.len() {
                probability[k] *= odds[k] * (size[k] + at) * per;
            }
        }
        None
    }

    fn quantile_by_bisection(&self, p: f64) -> u64 {
        let reached = |y: u64| {
            if p > 0.5 {
                self.ln_upper_tail(y + 1) <= (-p).ln_1p()
            } else {
                self.ln_lower_tail(y) >= p.ln()
            }
        };
        let start = self.mean().min(COUNT_LIMIT as f64) as u64;
        let step = (self.variance().sqrt() as u64).max(1);
        smallest(start, step, COUNT_LIMIT, reached).unwrap_or(COUNT_LIMIT)
    }

    fn average(&self, of: impl Fn(&Part) -> f64) -> f64 {
        self.parts.iter().map(|part| part.weight * of(part)).sum()
    }

    /// ln of the weighted sum of the parts' tails. A part whose bound shows that the sum would not feel it is left out: most
    /// dispersions of a settled series are, and a tail costs hundreds of terms.
    fn ln_average(&self, bound: impl Fn(NegBin) -> f64, tail: impl Fn(NegBin) -> f64) -> f64 {
        let mut bounds = [f64::NEG_INFINITY; DISPERSIONS];
        for (at, part) in bounds.iter_mut().zip(&self.parts) {
            *at = part.ln_weight + bound(part.count);
        }
        let used = 0..self.parts.len();
        let heaviest = used
            .clone()
            .fold(0, |best, k| if bounds[k] > bounds[best] { k } else { best });
        let of = |k: usize| self.parts[k].ln_weight + tail(self.parts[k].count);
        let mut terms = [f64::NEG_INFINITY; DISPERSIONS];
        terms[heaviest] = of(heaviest);
        let least = terms[heaviest] - LN_NEGLIGIBLE;
        for k in used.filter(|k| *k != heaviest && bounds[*k] > least) {
            terms[k] = of(k);
        }
        ln_sum_exp(&terms).min(0.0)
    }
}

/// The level's own Gamma: its shape and the mean rate.
#[derive(Clone, Copy)]
struct Level {
    shape: f64,
    mean: f64,
    own: Polygamma,
}

impl Level {
    fn new(f: f64, q: f64) -> Self {
        let (shape, own) = trigamma_inverse(q);
        let mean = shape * (f - own.digamma).exp();
        Self { shape, mean, own }
    }

    /// Times independent noise of a variance / mean ratio, [`Matching::Rate`].
    fn with_noise(self, ratio: f64) -> Matched {
        let (a, b) = (1.0 / self.shape, (ratio - 1.0) / self.mean);
        let size = (1.0 / (a + b + a * b)).max(SIZE_MIN);
        Matched {
            count: count_of(size, self.mean),
            learner: Learner {
                shape: self.shape,
                own: Some(self.own),
                share: 1.0 / ratio,
            },
        }
    }
}

/// A Gamma whose logarithm has mean `f` and the variance given.
fn in_log_rate(f: f64, log_variance: f64) -> Matched {
    let (size, own) = trigamma_inverse(log_variance);
    let mean = size * (f - own.digamma).exp();
    Matched {
        count: count_of(size, mean),
        learner: Learner {
            shape: size,
            own: Some(own),
            share: 1.0,
        },
    }
}

/// Smallest `y <= limit` for which a monotone condition holds: gallops from `start` in doubling steps, then bisects.
#[must_use]
pub fn smallest(start: u64, step: u64, limit: u64, holds: impl Fn(u64) -> bool) -> Option<u64> {
    let (mut low, mut high) = (0, start.min(limit));
    let mut stride = step.max(1);
    if holds(high) {
        while high > 0 {
            let lower = high.saturating_sub(stride);
            if !holds(lower) {
                low = lower + 1;
                break;
            }
            high = lower;
            stride = stride.saturating_mul(2);
        }
    } else {
        loop {
            if high == limit {
                return None;
            }
            low = high + 1;
            high = high.saturating_add(stride).min(limit);
            if holds(high) {
                break;
            }
            stride = stride.saturating_mul(2);
        }
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MATCHINGS: [Matching; 2] = [
        Matching::Rate,
        Matching::LogRate {
            max_log_variance: 400.0,
            rate_from_ratio: f64::INFINITY,
        },
    ];

    fn even() -> [f64; DISPERSIONS] {
        [-(DISPERSIONS as f64).ln(); DISPERSIONS]
    }

    fn single(k: usize) -> [f64; DISPERSIONS] {
        std::array::from_fn(|i| if i == k { 0.0 } else { -300.0 })
    }

    #[test]
    fn variance_is_about_the_ratio_times_the_mean() {
        for (k, phi) in DISPERSION_RATIOS.into_iter().enumerate() {
            let ratio = |mean: f64, matching| {
                let forecast = Mixture::match_moments(mean.ln(), 1e-9, &single(k), matching);
                forecast.variance() / forecast.mean()
            };
            for matching in MATCHINGS {
                let ratio = ratio(1e5, matching);
                assert!((ratio / phi - 1.0).abs() < 0.1, "{phi}: {ratio}");
            }
            if phi < 20.0 {
                let ratio = ratio(0.2, Matching::Rate);
                assert!(
                    (ratio / phi - 1.0).abs() < 1e-6,
                    "{phi} at a mean of 0.2: {ratio}"
                );
            }
        }
    }

    /// Both ways to a quantile keep its definition, P(Y < q) < p <= P(Y <= q).
    #[test]
    fn quantiles_are_the_smallest() {
        for mean in [0.01_f64, 0.3, 4.0, 90.0, 700.0, 3e4, 1e9] {
            for weights in [even(), single(3)] {
                let forecast = Mixture::match_moments(mean.ln(), 0.02, &weights, MATCHINGS[0]);
                for p in [1e-6_f64, 0.01, 0.5, 0.99, 0.9999] {
                    let q = forecast.quantile(p);
                    let slack = 1e-9;
                    assert!(
                        forecast.ln_lower_tail(q) >= p.ln() - slack,
                        "mean {mean}, p {p}: {q}"
                    );
                    assert!(
                        q == 0 || forecast.ln_lower_tail(q - 1) < p.ln() + slack,
                        "mean {mean}, p {p}: {q}"
                    );
                }
            }
        }
    }

    #[test]
    fn degenerate_quantiles() {
        let forecast = Mixture::match_moments(2.0, 0.1, &even(), MATCHINGS[1]);
        assert_eq!(forecast.quantile(0.0), 0);
        assert_eq!(forecast.quantile(f64::NAN), 0);
        assert!(forecast.quantile(1.0) > forecast.quantile(0.999));
    }

    #[test]
    fn smallest_agrees_with_a_scan() {
        for edge in [0, 1, 6, 99, 100] {
            for start in [0, 5, 6, 7, 100] {
                assert_eq!(
                    smallest(start, 1, 100, |y| y >= edge),
                    Some(edge),
                    "edge {edge} from {start}"
                );
            }
        }
        assert_eq!(smallest(5, 3, 100, |_| false), None);
    }
}
