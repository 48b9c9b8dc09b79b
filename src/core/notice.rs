//! Owns what is told of a crossing beside its alerts: a feed that fell silent, arrivals where the crossing is closed.

use super::time::EventTime;
use serde::{Deserialize, Serialize};

/// What a notice is about.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// The feed said nothing for longer than it may.
    FeedBlind,
    /// Arrivals were reported of a crossing that is closed, by its status or its published hours.
    ArrivalsWhileClosed,
}

impl NoticeKind {
    /// All, in label order.
    pub const ALL: [Self; 2] = [Self::FeedBlind, Self::ArrivalsWhileClosed];

    /// The label value.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::FeedBlind => "feed_blind",
            Self::ArrivalsWhileClosed => "arrivals_while_closed",
        }
    }
}

/// One notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What it is about.
    pub kind: NoticeKind,
    /// Since when: of a blind feed the moment from which nothing is known, of a closed crossing the closure.
    pub since: EventTime,
    /// Whether it is over: the feed is heard again, or the crossing was open after all.
    pub is_over: bool,
    /// Whether it was told before and is more by now.
    pub is_again: bool,
    /// Of arrivals at a closed crossing: what came, and why it was closed.
    pub shut: Option<Shut>,
}

/// What came while a crossing was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shut {
    /// How many arrivals were read of that closure or night so far.
    pub arrivals: u32,
    /// What says that it was closed.
    pub by: ShutBy,
}

/// What says that a crossing is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShutBy {
    /// A status.
    Status,
    /// Its published hours.
    Hours,
}

/// What the numbers of a record rest on.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum DataStatus {
    /// All that was sent in time.
    #[default]
    Complete,
    /// A report that came late, or a correction, changed a bucket that had ended.
    Late,
    /// The feed was blind for part of the bucket, or is now.
    Blind,
    /// Nothing at all was heard of the crossing in the bucket, and its feed is not followed: whether nobody came or nothing was sent
    /// cannot be told.
    Unheard,
    /// The feed counts something else from now on.
    Redefined,
}
