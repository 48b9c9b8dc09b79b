//! Owns the decoded events and the closed set of reasons for refusing one.

use super::alert::{Direction, Feedback};
use super::ids::{CrossingIx, EventId, StreamIx};
use super::time::EventTime;
use jiff::civil::Date;

/// One event of one crossing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Where it happened.
    pub crossing: CrossingIx,
    /// When it happened, by the event's own word.
    pub time: EventTime,
    /// Makes it idempotent inside the lateness horizon.
    pub id: EventId,
    /// What happened.
    pub kind: Kind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `count` arrivals of a stream.
    Arrival {
        /// The stream they belong to.
        stream: StreamIx,
        /// How many, at least 1.
        count: u32,
    },
    /// The crossing opened or closed.
    Status {
        /// The state from the event's time on.
        state: GateState,
        /// When that state is known to end.
        until: Option<EventTime>,
    },
    /// From the event's time on the feed counts something else, or under another name: what was learnt is void.
    Redefined,
    /// The feed is alive.
    Heartbeat,
    /// An operator says what an alert is.
    Feedback {
        /// The alert's stream.
        stream: StreamIx,
        /// Its direction.
        direction: Direction,
        /// The civil day in its id.
        day: Date,
        /// What it is.
        feedback: Feedback,
    },
    /// An earlier arrival was miscounted.
    Correction {
        /// The arrival's id.
        replaces: EventId,
        /// The right count; 0 withdraws the arrival.
        count: u32,
    },
}

/// Whether people and vehicles can cross.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum GateState {
    /// Open in its published hours.
    #[default]
    Open,
    /// Shut.
    Closed,
    /// Open with limits; counted as open.
    Restricted,
}

/// Why a record could not be used: the closed set behind the `reason` label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reject {
    /// No value, or no bytes in it.
    Empty,
    /// Larger than the limit; refused before parsing.
    TooLarge,
    /// Not JSON.
    NotJson,
    /// JSON, but a field is missing or of the wrong type.
    WrongShape,
    /// `type` names no known event.
    UnknownType,
    /// The crossing is not configured.
    UnknownCrossing,
    /// The stream is not configured, or not counted at that crossing.
    UnknownStream,
    /// `time` cannot be read or has no offset.
    BadTime,
    /// `time` is further ahead of the record's timestamp than allowed.
    TooFarAhead,
    /// `time` is further behind the record's timestamp than allowed.
    TooFarBehind,
    /// `count` is 0, negative, or above the limit.
    BadCount,
    /// Older than the lateness horizon.
    TooLate,
    /// A correction of an arrival that was not read so far, or is forgotten; should it still come, it counts as corrected.
    UnknownReplaced,
    /// Feedback on an alert that this partition does not know (any more).
    UnknownAlert,
    /// Feedback on an alert that has ended.
    EndedAlert,
}

impl Reject {
    /// Every reason, in label order.
    pub const ALL: [Self; 15] = [
        Self::Empty,
        Self::TooLarge,
        Self::NotJson,
        Self::WrongShape,
        Self::UnknownType,
        Self::UnknownCrossing,
        Self::UnknownStream,
        Self::BadTime,
        Self::TooFarAhead,
        Self::TooFarBehind,
        Self::BadCount,
        Self::TooLate,
        Self::UnknownReplaced,
        Self::UnknownAlert,
        Self::EndedAlert,
    ];

    /// The label value.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLarge => "too_large",
            Self::NotJson => "not_json",
            Self::WrongShape => "wrong_shape",
            Self::UnknownType => "unknown_type",
            Self::UnknownCrossing => "unknown_crossing",
            Self::UnknownStream => "unknown_stream",
            Self::BadTime => "bad_time",
            Self::TooFarAhead => "too_far_ahead",
            Self::TooFarBehind => "too_far_behind",
            Self::BadCount => "bad_count",
            Self::TooLate => "too_late",
            Self::UnknownReplaced => "unknown_replaced",
            Self::UnknownAlert => "unknown_alert",
            Self::EndedAlert => "ended_alert",
        }
    }
}
