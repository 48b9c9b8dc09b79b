//! Owns the lenses and their seasons: which harmonics a bucket width has and their values in a bucket; civil time is the caller's.

use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;

/// Most components a lens has: level, slope, 4 daily and 3 weekly pairs.
pub const MAX_DIM: usize = 16;

/// Bucket width.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Lens {
    /// A local civil day: level, slope, 3 weekly and 2 annual pairs.
    Day,
    /// A local civil hour: level, slope, 4 daily and 3 weekly pairs.
    Hour,
    /// A week: level, slope, 2 annual pairs.
    Week,
}

/// What a component of the state describes; decides its discount and prior.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// ln of the mean count.
    Level,
    /// Growth of the level in a bucket.
    Slope,
    /// Cosine or sine of a time-of-day harmonic.
    Daily,
    /// Cosine or sine of a day-of-week harmonic.
    Weekly,
    /// Cosine or sine of a time-of-year harmonic.
    Annual,
}

impl Lens {
    /// Pairs of (daily, weekly, annual) harmonics.
    const fn pairs(self) -> (usize, usize, usize) {
        match self {
            Self::Day => (0, 3, 2),
            Self::Hour => (4, 3, 0),
            Self::Week => (0, 0, 2),
        }
    }

    /// The label value.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Week => "week",
        }
    }

    /// Buckets in a year, on average.
    #[must_use]
    pub fn buckets_a_year(self) -> f64 {
        const DAYS: f64 = 365.25;
        match self {
            Self::Hour => 24.0 * DAYS,
            Self::Day => DAYS,
            Self::Week => DAYS / 7.0,
        }
    }

    /// Number of components of the state, at most [`MAX_DIM`].
    #[must_use]
    pub const fn dim(self) -> usize {
        let (daily, weekly, annual) = self.pairs();
        2 + 2 * (daily + weekly + annual)
    }

    /// What the component at `i < dim()` describes.
    #[must_use]
    pub fn component(self, i: usize) -> Component {
        let (daily, weekly, _) = self.pairs();
        match i {
            0 => Component::Level,
            1 => Component::Slope,
            _ if i < 2 + 2 * daily => Component::Daily,
            _ if i < 2 + 2 * (daily + weekly) => Component::Weekly,
            _ => Component::Annual,
        }
    }

    /// The regression vector F of a bucket: 1 for the level, 0 for the slope, cosine and sine of each harmonic; 0 beyond `dim()`.
    #[must_use]
    pub fn design(self, slot: Slot) -> [f64; MAX_DIM] {
        let (daily, weekly, annual) = self.pairs();
        let mut row = [0.0; MAX_DIM];
        row[0] = 1.0;
        let mut next = 2;
        for (pairs, phase) in [
            (daily, slot.hour_of_day / 24.0),
            (weekly, slot.day_of_week / 7.0),
            (annual, slot.year),
        ] {
            let (sin1, cos1) = (TAU * phase).sin_cos();
            let (mut sin, mut cos) = (sin1, cos1);
            for _ in 0..pairs {
                row[next] = cos;
                row[next + 1] = sin;
                next += 2;
                (sin, cos) = (sin * cos1 + cos * sin1, cos * cos1 - sin * sin1);
            }
        }
        row
    }
}

/// Where a bucket lies in the seasons; computed by the caller from civil time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slot {
    /// Time of day in hours, `[0, 24)`.
    pub hour_of_day: f64,
    /// Days since Monday 00:00, `[0, 7)`; the fraction is the time of day.
    pub day_of_week: f64,
    /// Share of the year that has passed, `[0, 1)`.
    pub year: f64,
    /// Variance of the log rate that a special day adds to what the seasons say, 0 on other days.
    pub special_log_variance: f64,
    /// What the whole of the bucket was to be open as a multiple of its exposure, at least 1: by all of it a rise is judged, so that a
    /// closure or a silence that comes after an alarm does not take it back.
    pub whole_ratio: f64,
    /// Whether so much was closed or blind that the rest is no measure of the whole: only more than the whole would have is evidence,
    /// fewer is none, and nothing is learnt.
    pub is_hidden: bool,
}

impl Slot {
    /// A bucket that is seen whole, on no special day.
    #[must_use]
    pub fn at(hour_of_day: f64, day_of_week: f64, year: f64) -> Self {
        Self {
            hour_of_day,
            day_of_week,
            year,
            special_log_variance: 0.0,
            whole_ratio: 1.0,
            is_hidden: false,
        }
    }

    /// Variance of the log rate of a day that is expected in proportion to its open time: the rest of it may be its busy or its idle
    /// hours. An hour has none.
    #[must_use]
    pub fn missed_log_variance(self, lens: Lens) -> f64 {
        if lens == Lens::Hour || self.is_hidden {
            0.0
        } else {
            (self.whole_ratio - 1.0).powi(2)
        }
    }

    /// Whether every field is a number.
    #[must_use]
    pub fn is_finite(self) -> bool {
        let seasons = [self.hour_of_day, self.day_of_week, self.year];
        seasons.iter().all(|v| v.is_finite())
            && (0.0..=25.0).contains(&self.special_log_variance)
            && (1.0..=8766.0).contains(&self.whole_ratio)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn design_rows_are_cosines_and_sines() {
        let slot = Slot::at(6.0, 1.75, 0.125);
        let half = 0.5_f64.sqrt();
        let week = Lens::Week.design(slot);
        for (got, want) in week.iter().zip([1.0, 0.0, half, half, 0.0, 1.0, 0.0]) {
            assert!((got - want).abs() < 1e-15, "{week:?}");
        }
        let hour = Lens::Hour.design(slot);
        for (h, pair) in hour[2..10].chunks(2).enumerate() {
            let angle = TAU * (h as f64 + 1.0) / 4.0;
            assert!(
                (pair[0] - angle.cos()).abs() < 1e-14 && (pair[1] - angle.sin()).abs() < 1e-14,
                "{hour:?}"
            );
        }
        assert!(
            (hour[14] - (3.0 * TAU / 4.0).cos()).abs() < 1e-14 && (hour[15] + 1.0).abs() < 1e-14,
            "{hour:?}"
        );
    }

    #[test]
    fn dimensions_fit() {
        for (lens, dim, last) in [
            (Lens::Day, 12, Component::Annual),
            (Lens::Hour, 16, Component::Weekly),
            (Lens::Week, 6, Component::Annual),
        ] {
            assert_eq!(lens.dim(), dim);
            assert_eq!(lens.component(dim - 1), last);
        }
    }
}
