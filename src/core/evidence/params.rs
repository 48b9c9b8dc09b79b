//! Owns the settings of one lens, their defaults and their ranges; where they come from is the configuration's business.

use super::hypotheses::{MAX_DROPS, MAX_RISES};
#[cfg(doc)]
use super::memory;
use super::switching::Switches;
use crate::core::alert::Direction;
use crate::core::baseline::filter::{FilterParams, PerComponent, dispersion_prior};
use crate::core::baseline::forecast::{DISPERSIONS, Matching};
use crate::core::baseline::season::Lens;

/// Hours in a day: the hour lens' rates are the day lens' rates spread over them.
const HOURS: f64 = 24.0;

/// Settings of one lens.
#[derive(Debug, Clone, PartialEq)]
pub struct LensParams {
    /// Bucket width.
    pub lens: Lens,
    /// Discounts, prior variances and forgetting of the baseline.
    pub filter: FilterParams,
    /// Factors of the rises that are looked for, above 1; at most 8.
    pub rises: Vec<f64>,
    /// Factors of the drops that are looked for, in (0, 1); at most 4.
    pub drops: Vec<f64>,
    /// A rise by the factor s weighs in the evidence in proportion to s to the minus this: small rises are what slow surges begin
    /// with, and large ones need no help. In [0, 4]; 0: all weigh the same.
    pub rise_weight_exponent: f64,
    /// delta of rises and of drops: a mean above, or below, usual by no more than this share of it is none, in [0, 1). Ordinary traffic
    /// loses a tenth or two from month to month; what is blocked loses most.
    pub guard_band_ratios: [f64; 2],
    /// Share of the evidence that is forgotten at each bucket, in [0, 1]; of a rise's less where a bucket says little.
    pub leak: f64,
    /// Nats of evidence that a threefold rise brings a bucket on average where the leak is whole ([`memory::rise_leak`]); 0: it always is.
    pub whole_leak_nats: f64,
    /// P(usual to surge) at each bucket.
    pub surge_entry: f64,
    /// P(surge to usual) at each bucket.
    pub surge_exit: f64,
    /// P(usual to drop) at each bucket.
    pub drop_entry: f64,
    /// P(drop to usual) at each bucket.
    pub drop_exit: f64,
    /// Whether the baseline is kept from learning surges: counts beyond the two quantiles enter as them, and every update has
    /// the weight P(usual), at least `learning_floor`.
    pub robust: bool,
    /// Forecast quantile above which a count is cut, in (0.5, 1).
    pub robust_high: f64,
    /// Forecast quantile below which a count is raised to it, in [0, 0.5); 0: never.
    pub robust_low: f64,
    /// Least weight of an update, in [0, 1]: the way back of a baseline that was wrong before its first surge.
    pub learning_floor: f64,
    /// First buckets of a series, in which no count is evidence and one that was not thought possible moves the level to itself:
    /// nothing is known to judge by.
    pub settle_in: u32,
    /// How many buckets' worth of counts can be set aside as surges and drops, beyond a tenth of all, before the counts are learnt
    /// whole: what is strange all the time is the usual. Above 0.
    pub set_aside_limit: f64,
    /// First buckets of a series that are learnt whole: none is cut or weighed, for no surge is known from a level that is not.
    pub learn_whole: u32,
    /// The same after a new usual was adopted: only its level is new, its weekdays are known.
    pub relearn_whole: u32,
    /// Buckets in alarm after which the level is adopted as the new usual; 0: never.
    pub adopt_after: u32,
    /// Share of what is known of runs of forecast errors that is kept at each bucket, in [0, 1].
    pub drift_memory: f64,
    /// Share of the variance that runs add to sums of forecast errors which slows evidence of a rise, and of a drop, in [0, 1].
    pub drift_shares: [f64; 2],
    /// ln A of a rise alarm; infinite: never.
    pub log_threshold_rise: f64,
    /// ln A of a drop alarm; infinite: never.
    pub log_threshold_drop: f64,
    /// How far these lie below the thresholds that are promised to alarm as seldom as accepted, surge and drop, in nats; 0: they
    /// are those.
    pub calibrated_nats: [f64; 2],
}

impl LensParams {
    /// The defaults of a lens (design, sections 1 to 3). The hour lens' rates are the day's divided by 24, but for its leak and
    /// its exits: it looks for bursts of hours, and what lasts for days is the day lens' business.
    #[must_use]
    pub fn for_lens(lens: Lens) -> Self {
        let per_day = |share: f64| 1.0 - share / HOURS;
        let (discounts, slope_variance, forgetting) = match lens {
            Lens::Day => (components(0.995, 0.9995, 0.9995, 0.9997), 1e-8, 0.998),
            Lens::Hour => {
                let discounts = components(
                    per_day(0.005),
                    per_day(0.0005),
                    per_day(0.0005),
                    per_day(0.0003),
                );
                (discounts, 1e-8 / (HOURS * HOURS), per_day(0.002))
            }
            Lens::Week => (components(0.997, 0.999, 0.9995, 0.9995), 1e-5, 0.99),
        };
        let (leak, surge_entry, drop_entry, exit, learning_floor) = match lens {
            Lens::Day => (0.05, 0.004, 0.003, 0.05, 0.05),
            Lens::Hour => (0.02, 0.004 / HOURS, 0.003 / HOURS, 0.01, 0.02),
            Lens::Week => (0.6, 0.02, 0.02, 0.5, 0.2),
        };
        let is_week = lens == Lens::Week;
        let [settle_in, learn_whole, relearn_whole, adopt_after] = lasting(lens);
        let (set_aside_limit, drift_memory, drift_shares) = unusual(lens);
        Self {
            lens,
            filter: FilterParams {
                discounts,
                prior_variance: PerComponent {
                    slope: slope_variance,
                    ..components(1.0, 0.0, 0.2, if is_week { 0.05 } else { 0.2 })
                },
                max_variance: PerComponent {
                    slope: 25.0 * slope_variance,
                    ..components(16.0, 0.0, 1.0, 1.0)
                },
                forgetting,
                ln_prior: dispersion_prior(DISPERSIONS, if is_week { 0.0 } else { 2.0 }),
                matching: matching(lens),
            },
            rises: vec![1.15, 1.3, 1.6, 2.0, 3.0, 5.0, 10.0, 30.0],
            drops: drops(lens),
            rise_weight_exponent: if is_week { 0.0 } else { 0.5 },
            guard_band_ratios: if is_week { [0.0; 2] } else { [0.05, 0.15] },
            leak,
            whole_leak_nats: if lens == Lens::Day { 0.5 } else { 0.0 },
            surge_entry,
            surge_exit: exit,
            drop_entry,
            drop_exit: exit,
            robust: true,
            robust_high: 0.99,
            robust_low: if is_week { 0.0 } else { 1e-6 },
            learning_floor,
            settle_in,
            set_aside_limit,
            learn_whole,
            relearn_whole,
            adopt_after,
            drift_memory,
            drift_shares,
            log_threshold_rise: f64::INFINITY,
            log_threshold_drop: f64::INFINITY,
            calibrated_nats: [0.0; 2],
        }
    }

    /// The same lens with thresholds that lie so many nats below its own, surge and drop: simulation found that they alarm as often
    /// as accepted. What is accepted stays as it was.
    #[must_use]
    pub fn calibrated(mut self, nats: [f64; 2]) -> Self {
        self.log_threshold_rise -= nats[0];
        self.log_threshold_drop -= nats[1];
        self.calibrated_nats = nats;
        self
    }

    /// The same lens for days that have so many hours: what is counted in hours and means days lasts as many days as it did.
    #[must_use]
    pub fn for_hours_a_day(mut self, hours: f64) -> Self {
        if self.lens == Lens::Hour {
            let ratio = hours / HOURS;
            let shorter = |buckets: u32| (f64::from(buckets) * ratio).ceil() as u32;
            self.settle_in = shorter(self.settle_in);
            self.learn_whole = shorter(self.learn_whole);
            self.relearn_whole = shorter(self.relearn_whole);
            self.adopt_after = shorter(self.adopt_after);
            self.set_aside_limit *= ratio;
        }
        self
    }

    /// Refuses settings outside their ranges, NaN included, naming the first.
    pub fn check(&self) -> Result<(), LensParamsError> {
        let f = &self.filter;
        let (d, floor, set_aside) = (&f.discounts, self.learning_floor, self.set_aside_limit);
        let ([up, down], exponent) = (self.guard_band_ratios, self.rise_weight_exponent);
        let (high, low, whole) = (self.robust_high, self.robust_low, self.whole_leak_nats);
        let open_unit = |v: f64| v > 0.0 && v <= 1.0;
        let unit = |v: f64| (0.0..=1.0).contains(&v);
        let not_nan = |v: f64| !v.is_nan();
        let [rise_share, drop_share] = self.drift_shares;
        let rules: [(&'static str, f64, bool); 25] = [
            ("discounts.level", d.level, open_unit(d.level)),
            ("discounts.slope", d.slope, open_unit(d.slope)),
            ("discounts.daily", d.daily, open_unit(d.daily)),
            ("discounts.weekly", d.weekly, open_unit(d.weekly)),
            ("discounts.annual", d.annual, open_unit(d.annual)),
            ("forgetting", f.forgetting, open_unit(f.forgetting)),
            (
                "rise_weight_exponent",
                exponent,
                (0.0..=4.0).contains(&exponent),
            ),
            ("guard_band_ratios", up, (0.0..1.0).contains(&up)),
            ("guard_band_ratios", down, (0.0..1.0).contains(&down)),
            ("leak", self.leak, unit(self.leak)),
            ("whole_leak_nats", whole, whole >= 0.0 && whole.is_finite()),
            (
                "surge_entry",
                self.surge_entry,
                (0.0..0.5).contains(&self.surge_entry),
            ),
            ("surge_exit", self.surge_exit, unit(self.surge_exit)),
            (
                "drop_entry",
                self.drop_entry,
                (0.0..0.5).contains(&self.drop_entry),
            ),
            ("drop_exit", self.drop_exit, unit(self.drop_exit)),
            ("robust_high", high, high > 0.5 && high < 1.0),
            ("robust_low", low, (0.0..0.5).contains(&low)),
            ("learning_floor", floor, unit(floor)),
            ("set_aside_limit", set_aside, set_aside > 0.0),
            ("drift_memory", self.drift_memory, unit(self.drift_memory)),
            ("drift_shares[0]", rise_share, unit(rise_share)),
            ("drift_shares[1]", drop_share, unit(drop_share)),
            (
                "log_threshold_rise",
                self.log_threshold_rise,
                not_nan(self.log_threshold_rise),
            ),
            (
                "log_threshold_drop",
                self.log_threshold_drop,
                not_nan(self.log_threshold_drop),
            ),
            (
                "max_variance.level",
                self.filter.max_variance.level,
                self.filter.max_variance.level > 0.0,
            ),
        ];
        match rules.into_iter().find(|(_, _, ok)| !ok) {
            Some((field, value, _)) => Err(LensParamsError::OutOfRange { field, value }),
            None => self.check_grids(),
        }
    }

    fn check_grids(&self) -> Result<(), LensParamsError> {
        let rises_ok =
            self.rises.len() <= MAX_RISES && self.rises.iter().all(|&r| r > 1.0 && r <= 1e6);
        let drops_ok =
            self.drops.len() <= MAX_DROPS && self.drops.iter().all(|&d| (1e-6..1.0).contains(&d));
        if !rises_ok {
            return Err(LensParamsError::Grid { field: "rises" });
        }
        if drops_ok {
            Ok(())
        } else {
            Err(LensParamsError::Grid { field: "drops" })
        }
    }

    /// ln of the statistic that raises an alert in a direction.
    #[must_use]
    pub fn log_threshold(&self, direction: Direction) -> f64 {
        match direction {
            Direction::Surge => self.log_threshold_rise,
            Direction::Drop => self.log_threshold_drop,
        }
    }

    /// False alarms accepted of a closed bucket in a direction.
    #[must_use]
    pub fn accepted_a_bucket(&self, direction: Direction) -> f64 {
        (-self.log_threshold(direction) - self.calibrated_nats[direction as usize]).exp()
    }

    /// Chances of a change at each bucket.
    #[must_use]
    pub fn switches(&self) -> Switches {
        Switches {
            surge_entry: self.surge_entry,
            surge_exit: self.surge_exit,
            drop_entry: self.drop_entry,
            drop_exit: self.drop_exit,
        }
    }
}

/// `set_aside_limit`, `drift_memory` and `drift_shares`.
fn unusual(lens: Lens) -> (f64, f64, [f64; 2]) {
    match lens {
        // All that runs add would be taken for noise, though half of it is what a slow surge looks like; an eighth keeps drifting
        // series within the promise and costs steady ones nothing.
        Lens::Day => (75.0, 0.999, [0.12; 2]),
        // The hours of a high day are high together, and a slow surge is for the lens of days: with three quarters simulated
        // quiet years have as many false alerts as accepted. A drop has a wide guard band against low days.
        Lens::Hour => (75.0 * HOURS, 1.0 - 0.001 / HOURS, [0.75, 0.12]),
        // A memory of two weeks has no runs to add up, nor a small excess: no drift, and no guard band below.
        Lens::Week => (12.0, 0.0, [0.0; 2]),
    }
}

/// Buckets of `settle_in`, `learn_whole`, `relearn_whole` and `adopt_after`.
fn lasting(lens: Lens) -> [u32; 4] {
    match lens {
        Lens::Day => [2, 28, 14, 60],
        Lens::Hour => [2, 28, 14, 60].map(|days| 24 * days),
        Lens::Week => [2, 13, 13, 9],
    }
}

/// Below the band: two thirds, a half and a quarter of usual.
fn drops(lens: Lens) -> Vec<f64> {
    match lens {
        Lens::Week => vec![0.7, 0.5, 0.25],
        Lens::Day | Lens::Hour => vec![0.78, 0.56, 0.28],
    }
}

/// A week adds up enough days for its variance to be what counts.
fn matching(lens: Lens) -> Matching {
    match lens {
        Lens::Week => Matching::Rate,
        Lens::Day | Lens::Hour => Matching::LogRate {
            max_log_variance: 25.0,
            rate_from_ratio: 11.0,
        },
    }
}

fn components(level: f64, slope: f64, within: f64, annual: f64) -> PerComponent {
    PerComponent {
        level,
        slope,
        daily: within,
        weekly: within,
        annual,
    }
}

/// Why settings of a lens were refused.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum LensParamsError {
    /// A number is outside its range or not a number.
    #[error("{field} = {value} is outside its range")]
    OutOfRange {
        /// Name of the setting.
        field: &'static str,
        /// Value given.
        value: f64,
    },
    /// A grid is too long or holds a factor on the wrong side of 1.
    #[error("{field} holds too many factors, or one on the wrong side of 1")]
    Grid {
        /// Name of the grid.
        field: &'static str,
    },
}
