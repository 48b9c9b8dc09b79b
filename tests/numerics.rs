//! Holds the numerics to the tables of `reference/` (mpmath at 40 digits, held to SciPy) and the filter to PyBATS; `reference/make.py` writes them.

use std::f64::consts::TAU;
use std::path::Path;
use surgewatch::core::baseline::filter::{
    Filter, FilterParams, PerComponent, Said, dispersion_prior,
};
use surgewatch::core::baseline::forecast::{Matching, Mixture};
use surgewatch::core::baseline::negbin::NegBin;
use surgewatch::core::baseline::season::Lens;
use surgewatch::core::baseline::special::{polygamma, trigamma_inverse};

/// The first `texts` cells of a row are names.
fn table(name: &str, texts: usize) -> Vec<(String, Vec<f64>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
    let mut reader = csv::Reader::from_path(path.join(name)).expect("the table is there");
    let rows = reader.records().map(|row| {
        let row = row.expect("a row");
        let numbers = row
            .iter()
            .skip(texts)
            .map(|cell| cell.parse().expect("a number"));
        (row[0].to_owned(), numbers.collect())
    });
    rows.collect()
}

/// The largest error of a table and where it was, so that a failure names its row.
struct Worst {
    what: &'static str,
    error: f64,
    at: String,
}

impl Worst {
    fn new(what: &'static str) -> Self {
        Self {
            what,
            error: 0.0,
            at: String::new(),
        }
    }

    fn see(&mut self, error: f64, at: impl FnOnce() -> String) {
        if error.is_nan() || error > self.error {
            self.error = if error.is_nan() { f64::INFINITY } else { error };
            self.at = at();
        }
    }

    fn assert_within(&self, bound: f64) {
        eprintln!("{}: {:.1e} at {}", self.what, self.error, self.at);
        assert!(
            self.error <= bound,
            "{}: {:e} at {}",
            self.what,
            self.error,
            self.at
        );
    }
}

fn relative(got: f64, want: f64) -> f64 {
    (got - want).abs() / want.abs()
}

#[test]
fn polygammas_from_a_millionth_to_a_million_million() {
    let names = ["digamma", "trigamma", "tetragamma"];
    let mut worst = names.map(Worst::new);
    let rows = table("polygamma.csv", 0);
    assert!(rows.len() > 140);
    for (_, row) in rows {
        let p = polygamma(row[0]);
        // Digamma is 0 at 1.46: absolute where it is less than 1.
        let errors = [
            (p.digamma - row[1]).abs() / row[1].abs().max(1.0),
            relative(p.trigamma, row[2]),
            relative(p.tetragamma, row[3]),
        ];
        for (worst, error) in worst.iter_mut().zip(errors) {
            worst.see(error, || format!("{row:?}"));
        }
    }
    worst.iter().for_each(|w| w.assert_within(2e-14));
}

#[test]
fn trigamma_is_inverted_over_its_whole_range() {
    let mut worst = Worst::new("inverse of trigamma");
    let rows = table("trigamma_inverse.csv", 0);
    assert!(rows.len() > 70);
    for (_, row) in rows {
        worst.see(relative(trigamma_inverse(row[0]).0, row[1]), || {
            format!("{row:?}")
        });
    }
    worst.assert_within(2e-14);
}

#[test]
fn negative_binomial_tails_down_to_1e_300() {
    let mut worst = ["pmf", "upper tail", "lower tail"].map(Worst::new);
    let mut far = Worst::new("tails below 1e-8");
    let (rows, mut deepest) = (table("negbin.csv", 0), 0.0_f64);
    for (_, row) in &rows {
        let nb = NegBin::new(row[0], row[1]).expect("positive");
        let y = row[2] as u64;
        // A log probability is a sum of terms as large as the count or the logs of its parameters, each rounded.
        let scale = |want: f64| want.abs().max(1.0) + row[2] * 1e-3;
        for (worst, (got, want)) in worst.iter_mut().zip([
            (nb.ln_pmf(y), row[3]),
            (nb.ln_upper_tail(y), row[4]),
            (nb.ln_lower_tail(y), row[5]),
        ]) {
            let (error, at) = ((got - want).abs() / scale(want), format!("{row:?}: {got}"));
            if want < -18.0 {
                far.see(error, || at.clone());
            }
            worst.see(error, || at);
        }
        deepest = deepest.min(row[4]);
    }
    assert!(rows.len() > 300 && deepest < -690.0, "{deepest}");
    far.assert_within(2e-10);
    for (worst, bound) in worst.iter().zip([1e-12, 5e-9, 5e-9]) {
        worst.assert_within(bound);
    }
}

const DISCOUNTS: PerComponent = PerComponent {
    level: 0.97,
    slope: 0.99,
    daily: 1.0,
    weekly: 1.0,
    annual: 0.995,
};
const UNBOUNDED: PerComponent = PerComponent {
    level: f64::MAX,
    slope: f64::MAX,
    daily: f64::MAX,
    weekly: f64::MAX,
    annual: f64::MAX,
};

/// One dispersion of the grid, 1.001, stands for a Poisson count: its noise `0.001 exp(-f)` is the random effect that make.py adds
/// to PyBATS' variance of the log rate ("alpha", "beta", "mean"). PyBATS as it comes has none ("plain_...").
#[test]
fn the_filter_is_that_of_pybats() {
    let params = FilterParams {
        discounts: DISCOUNTS,
        prior_variance: PerComponent {
            level: 1.0,
            slope: 1e-4,
            daily: 0.0,
            weekly: 0.0,
            annual: 0.2,
        },
        max_variance: UNBOUNDED,
        forgetting: 1.0,
        ln_prior: dispersion_prior(1, 0.0),
        matching: Matching::LogRate {
            max_log_variance: 25.0,
            rate_from_ratio: f64::INFINITY,
        },
    };
    let names = ["alpha", "beta", "mean", "plain alpha", "plain mean"];
    let mut worst = names.map(Worst::new);
    let rows = table("pybats.csv", 1);
    assert_eq!(rows.len(), 3 * 156);
    let mut filter = Filter::new(Lens::Week, &params, 0.0, 1.0);
    for (name, row) in rows {
        let week = row[0];
        if week < 0.5 {
            let mean: f64 = match name.as_str() {
                "quiet" => 0.7,
                "middling" => 12.0,
                _ => 200.0,
            };
            filter = Filter::new(Lens::Week, &params, mean.ln(), 1.0);
        }
        let slot = surgewatch::core::lens::Slot::at(0.0, 0.0, week / 52.0);
        let (dim, design) = (Lens::Week.dim(), Lens::Week.design(slot));
        assert!((design[2] - (TAU * week / 52.0).cos()).abs() < 1e-12);
        filter.evolve(Lens::Week, &params);
        let rate = filter.log_rate(dim, &design);
        let forecast = Mixture::match_moments(
            rate.mean,
            rate.variance,
            &filter.ln_weights,
            params.matching,
        );
        let part = forecast.parts[0].count;
        let (alpha, beta) = (part.size(), part.size() / part.mean());
        let errors = [
            relative(alpha, row[2]),
            relative(beta, row[3]),
            relative(forecast.mean(), row[4]),
            relative(alpha, row[5]),
            relative(forecast.mean(), row[7]),
        ];
        for (worst, error) in worst.iter_mut().zip(errors) {
            worst.see(error, || format!("{name} {row:?}"));
        }
        let count = row[1] as u64;
        let said = Said {
            forecast: &forecast,
            ln_joint: &forecast.ln_joint(count),
            ln_joint_any: None,
            count,
        };
        filter.learn(dim, &params, &rate, said, 1.0);
    }
    let bounds = [1e-12, 1e-12, 1e-12, 0.03, 0.002];
    worst
        .iter()
        .zip(bounds)
        .for_each(|(worst, bound)| worst.assert_within(bound));
}
