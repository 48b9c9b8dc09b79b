//! Owns `surgewatch calibrate`: quiet series are drawn and run on all cores, and the thresholds found are printed as settings.

use super::publish::progress;
use super::{CommandError, ConfigArgs, setup};
use crate::backtest::{CalibratedThreshold, Detector, Quiet, calibrate, quiet};
use crate::core::alert::Direction;
use crate::core::holidays::Holidays;
use crate::core::lens::{Lens, LensParams};
use crate::core::series::prior;
use crate::variants::dice::Dice;
use clap::Args;
use rayon::prelude::*;

/// Years of one series.
const YEARS: u32 = 10;
/// Usual arrivals a day of the series that are drawn, from a gate that is hardly used to a busy one.
const MEANS: [f64; 5] = [0.3, 2.0, 8.0, 25.0, 80.0];
/// Days of a week, Monday first, beside their mean.
const WEEKDAYS: [f64; 7] = [0.95, 0.9, 0.95, 1.0, 1.25, 1.1, 0.85];
/// Standard deviation of the logarithm of what a day's weather does.
const DAY_LOG_SD: f64 = 0.18;

#[derive(Debug, Args)]
pub(super) struct CalibrateArgs {
    /// Years of quiet counts for each lens: the more, the surer.
    #[arg(long, value_name = "YEARS", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(50..=1_000_000))]
    years: u32,
    /// Which draw: the same number draws the same counts.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn run(args: &CalibrateArgs) -> Result<(), CommandError> {
    let settings = setup::settings(&args.config)?;
    let network = settings.network();
    let params = setup::params(&settings, network, 1.0);
    let each = args.years.div_ceil(YEARS * MEANS.len() as u32);
    let draws: Vec<(usize, u32)> = (0..MEANS.len())
        .flat_map(|mean| (0..each).map(move |n| (mean, n)))
        .collect();
    let years = each * YEARS;
    super::say(&format!(
        "# Calibrated by surgewatch {} on {} simulated quiet years for each lens (seed {}), {years} at each of {} usual arrivals a day; not a promise.\n\
         # Put these under [detection]. Run it again where crossings, streams, the budget or its shares have changed.",
        env!("CARGO_PKG_VERSION"),
        years * MEANS.len() as u32,
        args.seed,
        MEANS.map(|mean| mean.to_string()).join(", "),
    ));
    for lens in &params.lenses {
        let detector = detector(lens);
        let bar = progress(draws.len());
        let series: Vec<Quiet> = draws
            .par_iter()
            .map(|(mean, n)| {
                let seed = args.seed.wrapping_mul(1_000_003) ^ (*mean as u64) << 32 ^ u64::from(*n);
                let one = quiet(&detector, YEARS, counts(lens.lens, MEANS[*mean], seed));
                bar.inc(1);
                one
            })
            .collect();
        bar.finish_and_clear();
        for direction in Direction::ALL {
            let found = calibrate(&series, &detector, direction);
            super::say(&line(&detector.params, direction, &found));
        }
    }
    Ok(())
}

/// Counts of [`YEARS`] to which nothing happens: independent arrivals at a gate that is open day and night, as many in each hour of a
/// day, with weekdays, and weather that makes a day higher or lower.
fn counts(lens: Lens, mean: f64, seed: u64) -> impl Iterator<Item = u32> {
    let mut dice = Dice::of(lens.label(), seed);
    let buckets = if lens == Lens::Hour { 24 } else { 1 };
    let mut rate = 0.0;
    (0..YEARS * 365 * buckets).map(move |bucket| {
        if bucket % buckets == 0 {
            let weekday = WEEKDAYS[(bucket / buckets % 7) as usize];
            rate = mean * weekday * dice.noise(DAY_LOG_SD) / f64::from(buckets);
        }
        dice.poisson(rate)
    })
}

/// The lens with its promised thresholds, whatever the settings have calibrated before.
fn detector(lens: &LensParams) -> Detector {
    let back = lens.calibrated_nats.map(|nats| -nats);
    let mut params = lens.clone().calibrated(back);
    params.calibrated_nats = [0.0; 2];
    Detector {
        prior: prior(params.lens),
        params,
        holidays: Holidays::default(),
    }
}

fn line(params: &LensParams, direction: Direction, found: &CalibratedThreshold) -> String {
    let (lens, what) = (params.lens.label(), direction.label());
    let accepted = params.accepted_a_bucket(direction) * params.lens.buckets_a_year();
    format!(
        "calibrated_{lens}_{what}_nats = {:.1}  # accepted {accepted:.4} a series-year; came {:.4} as promised, {:.4} so",
        found.nats, found.before, found.after
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_counts_are_the_same_for_the_same_seed_with_the_mean_they_were_given() {
        for lens in [Lens::Day, Lens::Hour] {
            let draw = |seed| counts(lens, 8.0, seed).collect::<Vec<u32>>();
            assert_eq!(draw(1), draw(1));
            assert_ne!(draw(1), draw(2));
            let sum: u32 = draw(1).iter().sum();
            let a_day = f64::from(sum) / f64::from(YEARS * 365);
            assert!((7.6..8.4).contains(&a_day), "{a_day}");
        }
    }

    #[test]
    fn what_is_found_on_quiet_days_lies_below_the_promise_and_keeps_what_is_accepted() {
        let threshold = (Lens::Day.buckets_a_year() * 4.0).ln();
        let detector = detector(&LensParams {
            log_threshold_rise: threshold,
            log_threshold_drop: threshold,
            ..LensParams::for_lens(Lens::Day)
        });
        let series = (0..10).map(|seed| quiet(&detector, YEARS, counts(Lens::Day, 8.0, seed)));
        let series: Vec<Quiet> = series.collect();
        for direction in Direction::ALL {
            let found = calibrate(&series, &detector, direction);
            assert!(found.before <= 0.25 && found.after <= 0.2501, "{found:?}");
            assert!(found.nats > 0.0 && found.after > found.before, "{found:?}");
        }
    }
}
