//! Owns the two kinds of time: event time, which windows and alerts live on, and wall-clock time, which only finds silence.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, as the event says it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventTime(pub i64);

/// Milliseconds since the Unix epoch, as a clock of ours (or the broker's) says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WallTime(pub i64);

/// One hour in milliseconds.
pub const HOUR_MS: i64 = 3_600_000;
/// One second in milliseconds.
pub const SECOND_MS: i64 = 1_000;

impl EventTime {
    /// The smallest moment: before every event.
    pub const MIN: Self = Self(i64::MIN / 4);
    /// The largest moment: after every event.
    pub const MAX: Self = Self(i64::MAX / 4);

    /// This moment moved by a number of milliseconds.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// The moment as a jiff timestamp; outside jiff's range (years -9999 to 9999) the nearest end of it.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_millisecond(self.0).unwrap_or(if self.0 < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        })
    }
}
