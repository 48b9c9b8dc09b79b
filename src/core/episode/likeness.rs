//! Owns what is said of an incident beside the episodes that are known: probabilities, stage, onset, growth and what may come.

use crate::core::region::displacement::Day;
use serde::{Deserialize, Serialize};

/// A likeness is named from this probability on.
pub const NAMED_RATIO: f64 = 0.5;
/// Days before the first alert's onset from which on an onset is looked for.
pub const SEARCHED_BEFORE_DAYS: u32 = 28;
/// Days ahead that are projected.
pub const PROJECTED_DAYS: [u32; 3] = [1, 3, 7];

/// What the numbers of an incident say at the end of a day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Likeness {
    /// Days since the likely onset, the first is 1.
    pub day: u32,
    /// Days since the first alert's onset that were counted.
    pub judged_days: u32,
    /// Days from the likely onset to that of the first alert; 0 where it is no earlier.
    pub before_alert_days: u32,
    /// When it began.
    pub onset: Onset,
    /// What it is like.
    pub verdict: Verdict,
    /// How fast it doubles or halves; absent where the counts say nothing of it.
    pub doubling: Option<Doubling>,
    /// What may come, one for each of [`PROJECTED_DAYS`]; empty where too little is known.
    pub projections: Vec<Projection>,
}

/// What an incident is like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Verdict {
    /// Nothing can be said, and why.
    TooLittle(TooLittle),
    /// All candidates were compared.
    Compared {
        /// Probability of each family, in the order of [`Families`](super::Families). With `none` they sum to 1.
        families: Vec<f64>,
        /// Probability that it is none of these.
        none: f64,
        /// How far along it is.
        stage: Stage,
    },
}

/// Why nothing can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TooLittle {
    /// Fewer days than four have been counted since the onset.
    Days {
        /// How many there are.
        have: u32,
        /// How many there should be.
        need: u32,
    },
    /// The days are there, and too few arrivals away from the usual.
    Arrivals {
        /// How many there are.
        have: u32,
        /// How many there should be.
        need: u32,
    },
}

/// How far along an incident is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// It grows.
    Growth,
    /// It neither grows nor falls by much.
    Level,
    /// It falls back to what is usual.
    Decline,
    /// The last days are usual ones.
    Over,
}

/// When an incident began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Onset {
    /// The earliest day: with 80 % it began from this day on and by `last`.
    pub first: Day,
    /// The likeliest day.
    pub likely: Day,
    /// The latest day.
    pub last: Day,
}

/// Days in which what is away from the usual doubles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Doubling {
    /// Growth a day as a share of a doubling: the doubling time in days is 1 / this; negative while it halves.
    pub per_day: f64,
    /// Lower end of 80 %.
    pub per_day_low: f64,
    /// Upper end of 80 %.
    pub per_day_high: f64,
}

/// Arrivals of all of its crossings in the next days, the usual ones included, if what is open now stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Projection {
    /// The next so many days, summed.
    pub days: u32,
    /// Arrivals of as many last days at the same crossings.
    pub came: u64,
    /// As likely more as fewer.
    pub median: u64,
    /// Fewer with 10 %.
    pub low: u64,
    /// More with 10 %.
    pub high: u64,
}

impl Likeness {
    /// The day at whose end it was judged.
    #[must_use]
    pub fn last_day(&self) -> Day {
        Day(self.onset.likely.0 + self.day as i32 - 1)
    }

    /// The family that is named, and its probability: the likeliest of all candidates, if it has half or more.
    #[must_use]
    pub fn named(&self) -> Option<(usize, f64)> {
        let Verdict::Compared { families, .. } = &self.verdict else {
            return None;
        };
        let named = |(_, p): &(usize, f64)| *p >= NAMED_RATIO;
        families.iter().copied().enumerate().find(named)
    }
}

impl TooLittle {
    /// In words.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Days { .. } => "days",
            Self::Arrivals { .. } => "arrivals",
        }
    }
}

impl Stage {
    /// The label value.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Growth => "growth",
            Self::Level => "level",
            Self::Decline => "decline",
            Self::Over => "over",
        }
    }
}
