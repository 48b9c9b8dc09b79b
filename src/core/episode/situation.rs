//! Owns what is seen of one incident when it is held against the episodes that are known: its days and its crossings.

use crate::core::alert::Direction;
use crate::core::region::displacement::Day;
use serde::{Deserialize, Serialize};

/// An incident in numbers: consecutive civil days, the last one closed, and for each crossing one [`Seen`] a day.
#[derive(Debug, Clone, PartialEq)]
pub struct Situation {
    /// What its first alert was.
    pub direction: Direction,
    /// The first day; those before the onset show how usual days lie around what is expected.
    pub first: Day,
    /// Place of the day on which its first alert began, from 0: the onset may lie some days before.
    pub onset: usize,
    /// Whether the calendar knows a day, one each: a public holiday or a day beside one.
    pub is_special: Vec<bool>,
    /// Its crossings and those beside them that are known, in the order of the border.
    pub places: Vec<Place>,
}

/// A crossing.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Code of its country.
    pub country: String,
    /// One each day.
    pub days: Vec<Seen>,
}

/// A day of a crossing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// Arrivals counted.
    pub observed: u64,
    /// Arrivals expected from what was usual before the onset, for the part of the day in which it was open and seen.
    pub expected: f64,
    /// Share of its published hours in which it was open and seen, in [0, 1].
    pub exposure: f64,
    /// Why that is not all of them, for the larger part.
    pub gate: Gate,
}

/// The state of a crossing for most of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gate {
    /// Open and seen.
    Open,
    /// Shut by a status, or by its published hours.
    Closed,
    /// Not seen: a silent feed, or days before or after what is remembered of it.
    Blind,
}

impl Seen {
    /// Whether anybody could be counted, or was: at a gate that is shut people may gather.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        self.exposure > 0.0 || self.observed > 0
    }
}

impl Place {
    /// Whether anything is known of it.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.days.iter().any(|day| day.gate != Gate::Blind)
    }
}

impl Situation {
    /// Number of days.
    #[must_use]
    pub fn len(&self) -> usize {
        self.is_special.len()
    }

    /// Whether it has no day.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.is_special.is_empty()
    }

    /// Arrivals of its last days, at all of its crossings.
    #[must_use]
    pub fn came(&self, days: u32) -> u64 {
        let last = self.len().saturating_sub(days as usize);
        let places = self.places.iter().flat_map(|place| &place.days[last..]);
        places.map(|day| day.observed).sum()
    }

    /// The same as it was known at the end of an earlier day: the first `days` of it.
    #[must_use]
    pub fn until(&self, days: usize) -> Self {
        let mut earlier = self.clone();
        earlier.is_special.truncate(days);
        for place in &mut earlier.places {
            place.days.truncate(days);
        }
        earlier
    }
}
