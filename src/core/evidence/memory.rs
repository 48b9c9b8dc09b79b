//! Owns how fast evidence of a rise is forgotten: no faster than it can be gathered.
//!
//! A leak of a twentieth a day suits series in which a threefold rise shows within days. Where counts vary so much that a day says
//! little, what one day brings would be gone before the next ones add to it; there the leak shrinks with what a day can say.

use crate::core::baseline::forecast::{DISPERSIONS, Mixture};
use crate::core::baseline::negbin::NegBin;
use crate::core::baseline::special::ln_each;

/// Factor of the rise by which buckets are measured: the least that an alert calls major.
const RISE: f64 = 3.0;

/// Share of the evidence of a rise that is forgotten at a bucket: `most`, or less in proportion where a threefold rise brings
/// less than `whole_nats` of evidence a bucket on average. `most` in [0, 1]; with a `whole_nats` of 0 always `most`.
#[must_use]
pub fn rise_leak(most: f64, whole_nats: f64, forecast: &Mixture) -> f64 {
    if whole_nats <= 0.0 {
        return most;
    }
    let mut ln_grown = [1.0; DISPERSIONS];
    for (grown_by, part) in ln_grown.iter_mut().zip(&forecast.parts) {
        *grown_by = grown(part.count);
    }
    ln_each(&mut ln_grown);
    let parts = forecast.parts.iter().zip(ln_grown);
    let nats: f64 = parts
        .map(|(part, ln_grown)| part.weight() * information(part.count, ln_grown))
        .sum();
    most * (nats / whole_nats).clamp(0.0, 1.0)
}

/// `(size + s mu) / (size + mu)` of a rise by the factor s.
fn grown(count: NegBin) -> f64 {
    1.0 + (RISE - 1.0) * count.odds()
}

/// Kullback-Leibler divergence, in nats, of the negative binomial with [`RISE`] times the mean and the same size from this one:
/// `s mu ln s - (size + s mu) ln((size + s mu) / (size + mu))`, given the last logarithm.
fn information(count: NegBin, ln_grown: f64) -> f64 {
    let (size, mean) = (count.size(), count.mean());
    RISE * mean * RISE.ln() - (size + RISE * mean) * ln_grown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::baseline::filter::dispersion_prior;
    use crate::core::baseline::forecast::Matching;

    fn negbin(size: f64, mean: f64) -> NegBin {
        NegBin::new(size, mean).expect("in range")
    }

    /// The sum over counts of p ln(p / q), term by term.
    fn summed(size: f64, mean: f64) -> f64 {
        let (risen, usual) = (negbin(size, RISE * mean), negbin(size, mean));
        let terms = (0..100_000).map(|y| {
            let ln_p = risen.ln_pmf(y);
            ln_p.exp() * (ln_p - usual.ln_pmf(y))
        });
        terms.sum()
    }

    #[test]
    fn information_is_the_divergence_of_a_threefold_rise() {
        for (size, mean) in [
            (0.2, 100.0),
            (1.0, 0.3),
            (5.0, 20.0),
            (1e4, 4.0),
            (0.05, 1.0),
        ] {
            let risen = negbin(size, mean);
            let (got, want) = (information(risen, grown(risen).ln()), summed(size, mean));
            assert!(
                (got - want).abs() < 1e-6 * want,
                "{size} {mean}: {got}, {want}"
            );
        }
    }

    #[test]
    fn the_leak_is_whole_where_a_day_says_much_and_small_where_it_says_little() {
        let leak = |log_mean: f64, whole_nats: f64| {
            let prior = dispersion_prior(1, 0.0);
            let forecast = Mixture::match_moments(log_mean, 0.01, &prior, Matching::Rate);
            rise_leak(0.05, whole_nats, &forecast)
        };
        let is_whole = |leak: f64| leak.to_bits() == 0.05_f64.to_bits();
        assert!(is_whole(leak(5.0, 0.5)) && is_whole(leak(-8.0, 0.0)));
        let rare = leak(-8.0, 0.5);
        assert!(rare > 0.0 && rare < 0.001, "{rare}");
    }
}
