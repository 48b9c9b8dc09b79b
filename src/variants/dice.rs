//! Owns the chance of a variant: one seeded stream of random numbers, and the few distributions that the generators draw from.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, Normal, Poisson, StandardUniform};

/// A stream of its own for each kind and seed.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn of(kind: &str, seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let name = xxhash_rust::xxh3::xxh3_64(kind.as_bytes());
        bytes[8..16].copy_from_slice(&name.to_le_bytes());
        Self(ChaCha8Rng::from_seed(bytes))
    }

    /// A number in [0, 1).
    pub(super) fn ratio(&mut self) -> f64 {
        StandardUniform.sample(&mut self.0)
    }

    pub(super) fn chance(&mut self, p: f64) -> bool {
        self.ratio() < p
    }

    /// Evenly between two numbers.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.ratio()
    }

    /// Between two positive numbers, each order of magnitude as likely as another.
    pub(super) fn scale(&mut self, low: f64, high: f64) -> f64 {
        self.between(low.ln(), high.ln()).exp()
    }

    /// A whole number from `low` to `high`, both included.
    pub(super) fn whole(&mut self, low: usize, high: usize) -> usize {
        let span = (high - low + 1) as f64;
        low + (self.ratio() * span) as usize
    }

    /// A factor around 1 whose logarithm has this standard deviation; its mean is 1.
    pub(crate) fn noise(&mut self, log_sd: f64) -> f64 {
        let mean = -log_sd * log_sd / 2.0;
        let normal = Normal::new(mean, log_sd).expect("a standard deviation is not negative");
        normal.sample(&mut self.0).exp()
    }

    /// Independent arrivals.
    pub(crate) fn poisson(&mut self, mean: f64) -> u32 {
        if mean <= 0.0 {
            return 0;
        }
        let poisson = Poisson::new(mean).expect("the mean is positive and finite");
        poisson.sample(&mut self.0) as u32
    }

    /// A place, by weight.
    pub(super) fn pick(&mut self, weights: &[f64]) -> usize {
        let mut mark = self.ratio() * weights.iter().sum::<f64>();
        for (at, weight) in weights.iter().enumerate() {
            mark -= weight;
            if mark < 0.0 {
                return at;
            }
        }
        weights.len() - 1
    }

    /// Arrivals that come in groups of `low` to `high`, `mean` on average; small groups are more frequent than large ones.
    pub(super) fn grouped(&mut self, mean: f64, low: usize, high: usize) -> u32 {
        let groups = self.poisson(mean / mean_group(low, high));
        (0..groups).map(|_| self.group(low, high)).sum()
    }

    /// The size of a group.
    pub(super) fn group(&mut self, low: usize, high: usize) -> u32 {
        let size = self.scale(low as f64, high as f64 + 1.0) as usize;
        size.clamp(low, high) as u32
    }
}

/// Mean of [`Dice::group`]: whole numbers below one that is log-uniform.
pub(super) fn mean_group(low: usize, high: usize) -> f64 {
    let span = ((high as f64 + 1.0) / low as f64).ln();
    let weight = |size: usize| ((size as f64 + 1.0) / size as f64).ln() / span;
    (low..=high).map(|size| size as f64 * weight(size)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_keep_to_their_ranges_and_means() {
        let mut dice = Dice::of("test", 1);
        let n = 20_000;
        let mut sums = [0.0; 4];
        for _ in 0..n {
            let whole = dice.whole(3, 7);
            assert!((3..=7).contains(&whole));
            let scale = dice.scale(0.1, 10.0);
            assert!((0.1..10.0).contains(&scale));
            let group = dice.group(3, 42);
            assert!((3..=42).contains(&group));
            let draws = [
                whole as f64,
                f64::from(group),
                dice.noise(0.3),
                f64::from(dice.grouped(5.0, 1, 4)),
            ];
            for (sum, draw) in sums.iter_mut().zip(draws) {
                *sum += draw / f64::from(n);
            }
        }
        // Means of the distributions; four standard errors are at most 0.3 for the groups and 0.12 for the grouped.
        let means = [5.0, mean_group(3, 42), 1.0, 5.0];
        for ((got, mean), within) in sums.into_iter().zip(means).zip([0.05, 0.3, 0.01, 0.12]) {
            assert!((got - mean).abs() < within, "{got} for {mean}");
        }
    }

    #[test]
    fn a_kind_and_seed_has_its_own_stream() {
        let first = |kind, seed| Dice::of(kind, seed).ratio();
        assert_eq!(first("a", 1).to_bits(), first("a", 1).to_bits());
        assert_ne!(first("a", 1).to_bits(), first("a", 2).to_bits());
        assert_ne!(first("a", 1).to_bits(), first("b", 1).to_bits());
    }
}
