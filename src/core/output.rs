//! Owns what the machine puts out: count records of closed buckets, transitions of alerts, and notices.

use super::alert::{Alert, Reading, Transition};
use super::ids::{CrossingIx, Offset, Partition, StreamIx};
use super::notice::{DataStatus, Notice};
use super::time::{EventTime, WallTime};

/// The record that decided something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Input partition.
    pub partition: Partition,
    /// Offset of the record; of the last one read where the passing of time decided.
    pub offset: Option<Offset>,
    /// The record's own timestamp in Kafka: when it could be known.
    pub recorded: Option<WallTime>,
}

/// One thing put out.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// A bucket closed, or a closed one changed.
    Count {
        /// Where.
        crossing: CrossingIx,
        /// Of what.
        stream: StreamIx,
        /// Its numbers.
        reading: Reading,
        /// 0 at the close, one more for each late change of its day.
        revision: u32,
        /// The watermark.
        as_of: EventTime,
        /// What decided.
        source: Source,
    },
    /// An alert changed.
    Alert {
        /// Where.
        crossing: CrossingIx,
        /// Of what.
        stream: StreamIx,
        /// The alert after the change.
        alert: Alert,
        /// The change.
        transition: Transition,
        /// The numbers that decided.
        reading: Reading,
        /// Whether the bucket was closed; an open one can still grow.
        closed: bool,
        /// What the numbers rest on.
        data: DataStatus,
        /// Event time of the deciding event or close.
        as_of: EventTime,
        /// What decided.
        source: Source,
    },
    /// Something to know of a crossing beside its alerts.
    Notice {
        /// Where.
        crossing: CrossingIx,
        /// What.
        notice: Notice,
        /// Event time of the deciding event, or from which on it holds.
        as_of: EventTime,
        /// What decided.
        source: Source,
    },
}
