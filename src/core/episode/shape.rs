//! Owns the shapes in time that an incident is held against: for each family some points of its ranges, for none-of-these wide ones.

use super::family::{Family, Measure, Range};
use super::numbers::{at_share, halton};
use crate::core::alert::Direction;

/// Points of a family's ranges.
const FAMILY_POINTS: u32 = 64;
/// Points of the ranges of none-of-these.
const NONE_POINTS: u32 = 192;
/// Days from the onset of the first alert to the onset, and their prior weights.
const ONSETS: [(i32, f64); 11] = [
    (0, 0.30),
    (-1, 0.18),
    (-2, 0.10),
    (1, 0.10),
    (-3, 0.08),
    (2, 0.05),
    (-5, 0.06),
    (-7, 0.05),
    (-10, 0.04),
    (-14, 0.03),
    (-21, 0.01),
];

/// What doubles in so many days or fewer is told of as soon as what does not grow.
const QUICK_DAYS: f64 = 7.0;
/// The onset lies before that of the first alert by no more days than are looked at.
const MOST_BEFORE_DAYS: i32 = 28;

/// One shape: what is added to the usual is the level times [`Shape::at`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Days from the onset of the first alert to its first day.
    pub(super) shift: i32,
    /// Whether the level is a multiple of the usual rather than arrivals.
    pub(super) is_times: bool,
    /// Days in which it doubles; infinite where it does not grow.
    pub(super) doubling: f64,
    /// Days for which it grows.
    pub(super) growth: f64,
    /// The level it may reach at most; infinite where nothing says so.
    pub(super) peak: f64,
    /// Days for which it stays so.
    pub(super) hold: f64,
    /// Days in which it halves then.
    pub(super) halving: f64,
    /// Variance by mean of what is added.
    pub(super) index: f64,
    /// Standard deviation of the logarithm of a day's level.
    pub(super) spread: f64,
    /// Range of the level on the first day, for a fall negative.
    pub(super) level: (f64, f64),
    /// Whether it comes on days that the calendar knows.
    pub(super) on_special_days: bool,
}

impl Shape {
    /// What is added on the `s`th day, the first is 0, where the first day's is `level`.
    pub(super) fn at(&self, s: f64, level: f64) -> f64 {
        let grown = if self.doubling.is_finite() && level > 0.0 {
            let to_peak = self.doubling * (self.peak / level).log2().max(0.0);
            self.growth.min(to_peak)
        } else {
            0.0
        };
        let doublings = if s < grown { s } else { grown } / self.doubling;
        let over = (s - grown - self.hold).max(0.0);
        level * (doublings - over / self.halving).exp2()
    }
}

/// The points of a family's ranges.
pub(super) fn of_family(family: &Family) -> Vec<Shape> {
    let curve = &family.curve;
    let is_times = curve.measure == Measure::Times;
    let base = if is_times { 1.0 } else { 0.0 };
    let level = (curve.first_day.low - base, curve.first_day.high - base);
    let points = (1..=FAMILY_POINTS).map(|n| {
        let share = |base| halton(n, base);
        let given = |range: &Option<_>, base, none: f64| {
            range
                .as_ref()
                .map_or(none, |range| at_share(range, share(base)))
        };
        let doubling = given(&curve.doubling_days, 3, f64::INFINITY);
        Shape {
            shift: begun_before(shift(share(2)), doubling),
            is_times,
            doubling,
            growth: given(&curve.growth_days, 5, 0.0),
            peak: given(&curve.peak, 7, f64::INFINITY) - base,
            hold: given(&curve.hold_days, 11, 0.0),
            halving: at_share(&curve.halving_days, share(13)).max(0.05),
            index: at_share(&family.regularity.index, share(17)),
            spread: linear(&family.regularity.day_spread, share(19)),
            level,
            on_special_days: curve.on_special_days,
        }
    });
    points.collect()
}

/// The points of what is none of these: a third of them a new usual from one day to the next, the others bursts, steps, ramps and
/// falls of any size, speed and regularity; a level near zero is nothing but noise.
pub(super) fn of_none(direction: Direction, usual: f64) -> Vec<Shape> {
    let log = |low: f64, high: f64, share: f64| (low.ln() + share * (high / low).ln()).exp();
    let points = (1..=NONE_POINTS).map(|n| {
        let share = |base| halton(n, base);
        let is_new_usual = n % 3 == 0;
        let grows = direction == Direction::Surge && !is_new_usual && share(23) < 0.5;
        let is_times = direction == Direction::Drop || is_new_usual || share(29) < 0.3;
        let doubling = if grows {
            log(0.7, 120.0, share(3))
        } else {
            f64::INFINITY
        };
        Shape {
            shift: begun_before(shift(share(2)), doubling),
            is_times,
            doubling,
            growth: if grows {
                log(1.0, 120.0, share(5))
            } else {
                0.0
            },
            peak: f64::INFINITY,
            hold: if is_new_usual {
                1e4
            } else {
                log(0.3, 90.0, share(11))
            },
            halving: log(0.2, 60.0, share(13)),
            index: log(1.0, if is_new_usual { 4.0 } else { 200.0 }, share(17)),
            spread: log(0.03, if is_new_usual { 0.3 } else { 2.5 }, share(19)),
            level: match (direction, is_times) {
                (Direction::Drop, _) => (-0.999, -0.1),
                (Direction::Surge, true) if is_new_usual => (0.15, 4.0),
                (Direction::Surge, true) => (0.1, 30.0),
                (Direction::Surge, false) => (0.3, (30.0 * usual).max(3_000.0)),
            },
            on_special_days: false,
        }
    });
    points.collect()
}

/// What doubles slowly is told of late: its first day lies as many times further back.
fn begun_before(shift: i32, doubling: f64) -> i32 {
    let slower = if doubling.is_finite() {
        (doubling / QUICK_DAYS).clamp(1.0, 4.0)
    } else {
        1.0
    };
    let shift = if shift < 0 {
        (f64::from(shift) * slower).round() as i32
    } else {
        shift
    };
    shift.max(-MOST_BEFORE_DAYS)
}

fn linear(range: &Range, share: f64) -> f64 {
    range.low + share * (range.high - range.low)
}

/// The onset at a share of its prior weights.
fn shift(share: f64) -> i32 {
    let whole: f64 = ONSETS.iter().map(|(_, weight)| weight).sum();
    let mut left = share * whole;
    for (shift, weight) in ONSETS {
        if left < weight {
            return shift;
        }
        left -= weight;
    }
    0
}
