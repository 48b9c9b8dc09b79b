//! Owns what the machine is told: horizons, limits, and the thresholds that split one false-alert budget over all series.

use super::alert::Direction;
use super::intake::BadRecordBudget;
use super::lens::{Lens, LensParams};
use super::network::Network;

/// Number of lenses a series is watched through.
pub const LENSES: [Lens; 2] = [Lens::Day, Lens::Hour];

/// How the accepted false alerts are split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Accepted false alerts a year for the whole network.
    pub false_alerts_per_year: f64,
    /// Share of it that goes to drops, in (0, 1).
    pub drop_share_ratio: f64,
    /// Share of it that goes to the hour lens, in (0, 1).
    pub hour_share_ratio: f64,
}

/// Everything the machine is told.
#[derive(Debug, Clone)]
pub struct Params {
    /// How long after the watermark passed it an event still counts, in milliseconds.
    pub lateness_horizon_ms: i64,
    /// How long after its end a bucket is closed and published, in milliseconds of event time.
    pub close_after_ms: i64,
    /// Ids remembered for each crossing.
    pub max_ids: usize,
    /// When bad input stops consumption.
    pub bad_records: BadRecordBudget,
    /// One entry for each of [`LENSES`], thresholds included.
    pub lenses: [LensParams; 2],
}

impl Params {
    /// Fills in the thresholds of both lenses for a network.
    ///
    /// A detector that alarms at R >= A has a false alert at most once in A buckets on average (Pollak & Siegmund 1985; Shin,
    /// Ramdas & Rinaldo 2022, e-detectors), so A = buckets a year / (budget x share), with shares that sum to 1 over all
    /// series, lenses and directions.
    #[must_use]
    pub fn new(
        network: &Network,
        budget: Budget,
        guard_band_ratio: f64,
        lateness_horizon_ms: i64,
        close_after_ms: i64,
        max_ids: usize,
        bad_records: BadRecordBudget,
    ) -> Self {
        let lenses = LENSES.map(|lens| {
            let mut params = LensParams::for_lens(lens);
            params.guard_band_ratio = guard_band_ratio;
            params.log_threshold_rise =
                log_threshold(network.series_count(), budget, lens, Direction::Surge);
            params.log_threshold_drop =
                log_threshold(network.series_count(), budget, lens, Direction::Drop);
            params
        });
        Self {
            lateness_horizon_ms,
            close_after_ms,
            max_ids,
            bad_records,
            lenses,
        }
    }
}

/// ln A of one series, lens and direction, where `series` share the budget equally.
#[must_use]
pub fn log_threshold(series: usize, budget: Budget, lens: Lens, direction: Direction) -> f64 {
    let (buckets_per_year, lens_share) = match lens {
        Lens::Hour => (24.0 * 365.25, budget.hour_share_ratio),
        Lens::Day => (365.25, 1.0 - budget.hour_share_ratio),
        Lens::Week => (365.25 / 7.0, 1.0 - budget.hour_share_ratio),
    };
    let direction_share = match direction {
        Direction::Surge => 1.0 - budget.drop_share_ratio,
        Direction::Drop => budget.drop_share_ratio,
    };
    let series = series.max(1) as f64;
    (buckets_per_year * series / (budget.false_alerts_per_year * lens_share * direction_share)).ln()
}

#[cfg(test)]
mod tests {
    use super::super::network::Crossing;
    use super::*;
    use jiff::tz::TimeZone;

    #[test]
    fn the_rates_of_all_series_lenses_and_directions_sum_to_the_budget() {
        let crossing = |i: usize| Crossing {
            id: format!("x-{i:02}"),
            name: String::new(),
            country: "fi".into(),
            corridor: "c".into(),
            order: 1,
            neighbours: vec![],
            tz: TimeZone::UTC,
            hours: None,
            streams: vec![super::super::ids::StreamIx(0)],
        };
        let network = Network::new((0..40).map(crossing).collect(), vec!["asylum".into()]);
        let budget = Budget {
            false_alerts_per_year: 12.0,
            drop_share_ratio: 0.25,
            hour_share_ratio: 0.3,
        };
        let rate: f64 = [(Lens::Day, 365.25), (Lens::Hour, 8766.0)]
            .into_iter()
            .flat_map(|(lens, a_year)| {
                [Direction::Surge, Direction::Drop].map(|d| {
                    40.0 * a_year / log_threshold(network.series_count(), budget, lens, d).exp()
                })
            })
            .sum();
        assert!((rate - 12.0).abs() < 1e-9, "{rate}");
    }
}
