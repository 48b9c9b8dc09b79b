//! Owns a family of episodes: ranges of its shape in time, its regularity and its spread over crossings, each with its source.

use crate::core::alert::Direction;
use serde::Deserialize;

/// The families that incidents are held against, sorted by id. All of their ranges have passed the rules of the files.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Families {
    /// One for each file.
    pub families: Vec<Family>,
}

/// One file of `config/episodes`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// Stable id: lower case, digits and hyphens.
    pub id: String,
    /// What it is called inside a sentence: "Storskog in the autumn of 2015".
    pub name: String,
    /// Whether it is ordinary traffic, larger for some days, as at a holiday.
    pub ordinary: bool,
    /// What its first alerts are.
    pub direction: Direction,
    /// What came next in the past, in one plain sentence with its spread.
    pub followed: String,
    /// What all crossings that take part have on a usual day, together.
    pub usual_per_day: Range,
    /// Its shape in time.
    pub curve: Curve,
    /// How much days lie around that shape.
    pub regularity: Regularity,
    /// Its spread over crossings.
    pub places: Places,
}

/// From the lowest to the highest that was seen, widened as `figure` says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Address of what was published.
    pub source: String,
    /// What was published, and what is supposed beyond it.
    pub figure: String,
}

/// What the numbers of a curve are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// Arrivals a day of their own, on top of what is usual: they know no weekdays.
    Added,
    /// Multiples of what is usual on that day: weekdays stay as they are.
    Times,
}

/// A shape in time, of all crossings together. With `g` for what is added to the usual (arrivals, or a multiple of the usual less
/// one, which is negative for a fall): `g(0)` on the first day, `g(s) = g(0) 2^(s / doubling)` for `growth_days` or up to the
/// peak, then the same for `hold_days`, then `2^(-s / halving)` of it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    /// Of `first_day` and `peak`.
    pub measure: Measure,
    /// The first whole day: arrivals added, or a multiple of the usual.
    pub first_day: Range,
    /// Days in which what is added doubles; absent where it does not grow.
    pub doubling_days: Option<Range>,
    /// Days for which it grows; absent where it does not.
    pub growth_days: Option<Range>,
    /// The highest day; absent where it does not grow.
    pub peak: Option<Range>,
    /// Days for which it stays as it is then; absent where it does not.
    pub hold_days: Option<Range>,
    /// Days in which it halves afterwards; less than 0.5 is a step.
    pub halving_days: Range,
    /// Whether it comes on days that the calendar knows: public holidays and the days beside them.
    #[serde(default)]
    pub on_special_days: bool,
}

/// How much days lie around the curve.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regularity {
    /// Variance by mean of a day's count: the size of the groups that come together; 1 is independent arrivals.
    pub index: Range,
    /// Standard deviation of the logarithm of a day's level.
    pub day_spread: Range,
}

/// How an episode lies on the border.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pattern {
    /// One crossing has nearly all.
    One,
    /// Two or more take turns: one has most of it, later another one.
    Turns,
    /// Several along a line at once, each with a share of its own; more join.
    Line,
    /// Each place after the other: the flow moves on when one is shut.
    Succession,
    /// All crossings by the traffic they usually have.
    All,
    /// Some crossings fall, those beside them may rise.
    Blocked,
}

/// Its spread over crossings.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Places {
    /// How it lies on the border.
    pub pattern: Pattern,
    /// Crossings that take part by its end.
    pub crossings: Range,
    /// Countries that take part by its end.
    pub countries: Range,
    /// Days from the first to the last of its crossings; absent where there is one.
    pub spread_days: Option<Range>,
    /// Share of what is missing at a crossing that shuts or falls, which turns up at the next open one; absent where none does.
    pub moved_ratio: Option<Range>,
}

impl Families {
    /// The family at an index, as verdicts name it.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Family> {
        self.families.get(index)
    }

    /// Its place, as verdicts name it.
    #[must_use]
    pub fn position(&self, id: &str) -> Option<usize> {
        self.families.iter().position(|family| family.id == id)
    }
}
