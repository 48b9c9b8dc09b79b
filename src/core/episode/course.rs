//! Owns the course of a family beside an incident: where each of its days would lie if it had gone like that family, from its
//! likeliest first day on.

use super::family::Family;
use super::fit::Days;
use super::likeness::Likeness;
use super::numbers::{at_share, halton};
use super::outlook;
use super::shape;
use super::situation::Situation;
use super::spread::Spread;
use crate::core::region::displacement::Day;

/// Days before the onset that are shown.
const BEFORE_DAYS: usize = 14;
/// Days after the last one that the course goes on for.
const AHEAD_DAYS: usize = 7;
/// The base of the sequence that levels are drawn from; the others are those of the shapes.
const LEVEL_BASE: u32 = 23;

/// An incident beside a family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// The likeliest day of its onset, on which the family is anchored.
    pub onset: Day,
    /// Consecutive days, from two weeks before the onset to a week after the last closed one.
    pub days: Vec<CourseDay>,
}

/// One of its days, all of its crossings together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CourseDay {
    /// The day.
    pub day: Day,
    /// Arrivals; nothing where nobody counted, or the day is to come.
    pub observed: Option<u64>,
    /// Where arrivals of a family's day lie, from the onset on: fewer with 10 %, as likely more as fewer, more with 10 %. What the
    /// family's ranges hold, and how its days lie around its shape.
    pub band: Option<[u64; 3]>,
}

/// Lays the ranges of a family on an incident, from the likeliest day of its onset on.
#[must_use]
pub fn course(family: &Family, situation: &Situation, likeness: &Likeness) -> Course {
    let spread = Spread::of(situation);
    let days = Days::of(situation, &spread.takes_part, &spread.share);
    let onset = likeness.onset.likely;
    let at = onset.0 - situation.first.0;
    let shapes = shape::of_family(family);
    let range = &family.curve.first_day;
    let parts = (1..).zip(shapes).map(|(n, shape)| {
        // A range of multiples reaches its level by way of the multiple, so that falls have the right sign.
        let first_day = at_share(range, halton(n, LEVEL_BASE));
        let level = first_day - if shape.is_times { 1.0 } else { 0.0 };
        let anchored = shape::Shape {
            shift: at - days.onset as i32,
            ..shape
        };
        (anchored, level)
    });
    let parts: Vec<(shape::Shape, f64)> = parts.collect();
    let first = usize::try_from(at).unwrap_or(0).saturating_sub(BEFORE_DAYS);
    let each = (first..days.len() + AHEAD_DAYS).map(|t| {
        let is_known = t < days.len() && days.seen[t] > 0.0;
        let moments = parts.iter().map(|(shape, level)| {
            let usual = days.usual_on(t);
            let (added, variance) = days.added(shape, *level, t, usual);
            ((usual + added).max(0.02), variance)
        });
        CourseDay {
            day: Day(situation.first.0 + t as i32),
            observed: is_known.then(|| days.observed[t]),
            band: (t as i32 >= at).then(|| {
                let moments: Vec<outlook::Moments> = moments.collect();
                outlook::QUANTILES.map(|share| outlook::quantile(&moments, share))
            }),
        }
    });
    Course {
        onset,
        days: each.collect(),
    }
}
