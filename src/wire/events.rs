//! Owns the published form of the events that come in: what a producer sends, one type for each.
//!
//! Decoding is more forgiving than this form ([`decode`](super::decode)); whatever keeps to the form decodes.

use crate::core::alert::Feedback;
use crate::core::event::GateState;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An event on the arrivals topic, plain JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum EventRecord {
    /// People or vehicles arrived at a crossing.
    Arrival {
        /// Makes the event count once inside the lateness horizon.
        #[schemars(length(min = 1))]
        id: String,
        /// Crossing id, of the crossings file.
        #[schemars(length(min = 1))]
        crossing: String,
        /// When, with an offset.
        #[schemars(extend("format" = "date-time"))]
        time: String,
        /// What is counted; may be left out where the crossing counts one stream only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(min = 1))]
        stream: Option<String>,
        /// How many; 1 where it is left out, at most `limits.max_count`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 1))]
        count: Option<u32>,
    },
    /// A crossing opened, closed, or its feed changed its meaning.
    Status {
        /// Names the event.
        #[schemars(length(min = 1))]
        id: String,
        /// Crossing id, of the crossings file.
        #[schemars(length(min = 1))]
        crossing: String,
        /// From when on, with an offset.
        #[schemars(extend("format" = "date-time"))]
        time: String,
        /// The state from then on.
        state: EventState,
        /// When it is known to end, after `time`; never with `redefined`. Until then `open` holds outside the published hours too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(extend("format" = "date-time"))]
        until: Option<String>,
    },
    /// The feed of a crossing is alive.
    Heartbeat {
        /// Names the event.
        #[schemars(length(min = 1))]
        id: String,
        /// Crossing id, of the crossings file.
        #[schemars(length(min = 1))]
        crossing: String,
        /// When, with an offset.
        #[schemars(extend("format" = "date-time"))]
        time: String,
    },
    /// An earlier arrival was miscounted.
    Correction {
        /// Names the event.
        #[schemars(length(min = 1))]
        id: String,
        /// Crossing id, of the crossings file.
        #[schemars(length(min = 1))]
        crossing: String,
        /// When it was corrected, with an offset; of two corrections the later one holds.
        #[schemars(extend("format" = "date-time"))]
        time: String,
        /// The id of the arrival.
        #[schemars(length(min = 1))]
        replaces: String,
        /// The right count, at most `limits.max_count`; 0 withdraws the arrival.
        count: u32,
    },
    /// An operator's word on an alert.
    Feedback {
        /// Names the event.
        #[schemars(length(min = 1))]
        id: String,
        /// The alert's id; its record is keyed by the alert's crossing.
        #[schemars(extend("pattern" = r"^[^.]+\..+\.(surge|drop)\.[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
        alert_id: String,
        /// When it was said, with an offset; it holds from when it is read.
        #[schemars(extend("format" = "date-time"))]
        time: String,
        /// The word.
        feedback: Feedback,
    },
}

/// State that a status event tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum EventState {
    /// Whether people and vehicles can cross.
    Gate(GateState),
    /// The feed counts something else from then on.
    Feed(FeedState),
}

/// What becomes of a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FeedState {
    /// What was learnt of it is void.
    Redefined,
}

/// Headers of a dead letter; its key and value are those of the record that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetterHeaders {
    /// Size of its value in bytes, also where the value is not kept.
    pub original_bytes: String,
    /// Topic it was read from.
    pub original_topic: String,
    /// Its partition.
    pub original_partition: String,
    /// Its offset.
    pub original_offset: String,
    /// Its timestamp in Kafka, in milliseconds since 1970; empty where it had none.
    pub original_timestamp_ms: String,
    /// Why it could not be used, one of a closed set.
    pub reason: String,
    /// Field, value, rule and remedy in one line.
    pub detail: String,
}

impl DeadLetterHeaders {
    /// Names and values, in the order of the fields.
    #[must_use]
    pub fn pairs(self) -> [(&'static str, String); 7] {
        [
            ("original_bytes", self.original_bytes),
            ("original_topic", self.original_topic),
            ("original_partition", self.original_partition),
            ("original_offset", self.original_offset),
            ("original_timestamp_ms", self.original_timestamp_ms),
            ("reason", self.reason),
            ("detail", self.detail),
        ]
    }
}
