//! Owns what is believed of a series before its first bucket: nothing, or what crossings of its kind usually count.

use super::baseline::filter::{Filter, dispersion_around};
use super::baseline::season::Lens;
use super::evidence::params::LensParams;
use super::params::LENSES;

/// What is believed of a series before its first bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior {
    log_mean: f64,
    log_variance: f64,
    /// Variance over mean of its buckets, where that was said.
    dispersion_ratio: Option<f64>,
}

impl Prior {
    /// Mean arrivals in a bucket of full exposure, in [1e-6, 1e9], and the variance of its logarithm, in (0, 16]: 0.05 for a mean
    /// known to within a quarter, 1 for a mean known to within a factor of three, 4 for no more than its order of magnitude.
    #[must_use]
    pub fn new(mean: f64, log_variance: f64) -> Option<Self> {
        let ok = (1e-6..=1e9).contains(&mean) && log_variance > 0.0 && log_variance <= 16.0;
        ok.then(|| Self {
            log_mean: mean.ln(),
            log_variance,
            dispersion_ratio: None,
        })
    }

    /// The same of a series of which is also known how bursty it is (variance over mean, at least 1): it is judged from its first
    /// bucket on, and its first surge is not learnt as its usual.
    #[must_use]
    pub fn known(mean: f64, log_variance: f64, dispersion_ratio: f64) -> Option<Self> {
        let prior = Self::new(mean, log_variance)?;
        (1.0..=1e4).contains(&dispersion_ratio).then_some(Self {
            dispersion_ratio: Some(dispersion_ratio),
            ..prior
        })
    }

    /// Whether the series is judged from its first bucket on.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.dispersion_ratio.is_some()
    }

    pub(super) fn filter(&self, params: &LensParams) -> Filter {
        let filter = &params.filter;
        let mut filter = Filter::new(params.lens, filter, self.log_mean, self.log_variance);
        if let Some(ratio) = self.dispersion_ratio {
            filter.ln_weights = dispersion_around(ratio);
        }
        filter
    }
}

impl Default for Prior {
    /// Nothing is known: one arrival a bucket, give or take two orders of magnitude. Evidence stays silent until counts have
    /// narrowed this.
    fn default() -> Self {
        Self {
            log_mean: 0.0,
            log_variance: 4.0,
            dispersion_ratio: None,
        }
    }
}

/// Arrivals a new series is thought to have before anything is known of it: one every few days, give or take a factor of ten.
#[must_use]
pub fn prior(lens: Lens) -> Prior {
    match lens {
        Lens::Hour => Prior::new(0.3 / 24.0, 4.0),
        _ => Prior::new(0.3, 4.0),
    }
    .expect("the numbers are in range")
}

/// What a stream usually is at the crossings of a kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kind {
    /// Arrivals of an ordinary day, in its open hours.
    pub usual_per_day: f64,
    /// Two in three crossings of the kind lie within this factor of it, above 1.
    pub within_factor: f64,
    /// Variance over mean of the ordinary days of one crossing, at least 1.
    pub dispersion_ratio: f64,
}

impl Kind {
    /// The priors of a crossing of this kind that is open for so much of the week, in (0, 1], by lens. What an hour of its day is like
    /// is not known: hours are learnt as where nothing is known but the level.
    #[must_use]
    pub fn priors(&self, open_ratio: f64) -> [Prior; 2] {
        // A rate is that of a day that is open all the time.
        let rate = (self.usual_per_day / open_ratio).clamp(1e-4, 1e8);
        let log_variance = self.within_factor.ln().powi(2).clamp(1e-3, 16.0);
        let of = |lens| match lens {
            Lens::Hour => Prior::new(rate / 24.0, log_variance + 1.0),
            _ => Prior::known(rate, log_variance, self.dispersion_ratio.clamp(1.0, 1e4)),
        };
        LENSES.map(|lens| of(lens).expect("the numbers are cut to their ranges"))
    }
}
