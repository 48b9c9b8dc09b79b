//! Owns calibrated thresholds: what the evidence of quiet series reaches, and the thresholds at which it alarms as often as accepted.
//!
//! The promised thresholds hold whatever counts look like inside the model. These hold for the series they were found on, and for
//! others only as far as they are alike.

use super::cells::{bucket_minutes, slot};
use super::running::Detector;
use crate::core::alert::Direction;
use crate::core::lens::LensState;

/// Scores below this are far from any threshold.
const LOW: f64 = 2.0;
/// A Monday, in minutes since 1970.
const BEGIN: i32 = 4 * 24 * 60;
/// Alarms further apart than this are two alerts, as usual days end one.
const APART_MINUTES: i32 = 3 * 24 * 60;
/// Thresholds are tried in these steps, in nats.
const STEP: f64 = 0.1;
/// False alerts a year that a sum of logs may miss.
const ROUNDING: f64 = 1e-9;
/// How far from the promised thresholds others are tried.
const REACH: f64 = 8.0;

/// What one quiet series left.
#[derive(Debug, Clone, PartialEq)]
pub struct Quiet {
    years: f64,
    /// Buckets and their scores where those are not low, by direction.
    scores: [Vec<(u32, f32)>; 2],
}

/// A threshold that is not promised but measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// How far it lies below the promised one, in nats.
    pub nats: f64,
    /// False alerts a series-year with the promised threshold.
    pub before: f64,
    /// The same with this threshold.
    pub after: f64,
}

/// Runs a series that nothing happens to, of so many years, from its first bucket on.
#[must_use]
pub fn quiet(detector: &Detector, years: u32, counts: impl IntoIterator<Item = u32>) -> Quiet {
    let params = &detector.params;
    let mut state = LensState::new(params, detector.prior);
    let mut scores = [Vec::new(), Vec::new()];
    for (bucket, count) in (0..).zip(counts) {
        let minute = BEGIN + bucket * bucket_minutes(params.lens);
        let slot = slot(params.lens, minute, &detector.holidays);
        state.close(params, slot, 1.0, u64::from(count));
        let now = [state.log_evidence_rise(), state.log_evidence_drop()];
        for (scores, now) in scores.iter_mut().zip(now) {
            if now > LOW {
                scores.push((bucket as u32, now as f32));
            }
        }
    }
    Quiet {
        years: f64::from(years),
        scores,
    }
}

/// The lowest threshold from which on up the series together alarm no oftener than accepted, beside the promised one: the budget is
/// that of a network, which has gates of all sizes.
#[must_use]
pub fn calibrate(series: &[Quiet], detector: &Detector, direction: Direction) -> Found {
    let params = &detector.params;
    let promised = params.log_threshold(direction);
    let accepted = params.accepted_a_bucket(direction) * params.lens.buckets_a_year();
    let apart = (APART_MINUTES / bucket_minutes(params.lens)) as u32;
    let rate = |nats: f64| a_year(series, direction, promised - nats, apart);
    let tries = (REACH / STEP) as i32;
    let mut best = -REACH;
    for n in -tries..=tries {
        let nats = f64::from(n) * STEP;
        if promised - nats <= LOW || rate(nats) > accepted + ROUNDING {
            break;
        }
        best = nats;
    }
    Found {
        nats: best,
        before: rate(0.0),
        after: rate(best),
    }
}

/// False alerts a series-year.
fn a_year(series: &[Quiet], direction: Direction, threshold: f64, apart: u32) -> f64 {
    let (mut count, mut years) = (0, 0.0);
    for one in series {
        let mut last = None;
        for (row, score) in &one.scores[direction as usize] {
            if f64::from(*score) >= threshold {
                count += u32::from(last.is_none_or(|last| row - last > apart));
                last = Some(*row);
            }
        }
        years += one.years;
    }
    f64::from(count) / years
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::holidays::Holidays;
    use crate::core::lens::{Lens, LensParams};
    use crate::core::series::prior;

    /// One false alert in four years is accepted, in each direction.
    fn detector(lens: Lens) -> Detector {
        let threshold = (lens.buckets_a_year() * 4.0).ln();
        Detector {
            params: LensParams {
                log_threshold_rise: threshold,
                log_threshold_drop: threshold,
                ..LensParams::for_lens(lens)
            },
            prior: prior(lens),
            holidays: Holidays::default(),
        }
    }

    fn of(scores: &[(u32, f32)]) -> Quiet {
        Quiet {
            years: 4.0,
            scores: [scores.to_vec(), Vec::new()],
        }
    }

    #[test]
    fn the_lowest_threshold_that_keeps_what_is_accepted_is_found() {
        let detector = detector(Lens::Day);
        let promised = detector.params.log_threshold_rise as f32;
        // In four years one alert is accepted. There are two above the promise less 2; two days in a row are one.
        let peaks = [
            (100, promised - 0.55),
            (101, promised - 0.5),
            (500, promised - 1.95),
        ];
        let series = [of(&peaks)];
        let found = calibrate(&series, &detector, Direction::Surge);
        assert!((found.nats - 1.9).abs() < 1e-9, "{found:?}");
        assert_eq!((found.before, found.after), (0.0, 0.25));
    }

    #[test]
    fn thresholds_that_alarm_too_often_are_raised() {
        let detector = detector(Lens::Day);
        let promised = detector.params.log_threshold_rise as f32;
        let peaks: Vec<(u32, f32)> = (1..9)
            .map(|n| (n * 100, promised + 0.1 * n as f32 + 0.05))
            .collect();
        let found = calibrate(&[of(&peaks)], &detector, Direction::Surge);
        assert!((found.nats + 0.8).abs() < 1e-9, "{found:?}");
        assert_eq!((found.before, found.after), (2.0, 0.25));
    }
}
