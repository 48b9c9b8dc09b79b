//! Owns what the machine puts out: count records of closed buckets, transitions of alerts, and notices.

use super::alert::{Alert, Direction, Reading, Run, Transition};
use super::event::GateState;
use super::ids::{CrossingIx, Offset, Partition, StreamIx};
use super::notice::{DataStatus, Notice};
use super::standing::Before;
use super::time::{EventTime, WallTime};
use serde::{Deserialize, Serialize};

/// The record that decided something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Input partition.
    pub partition: Partition,
    /// Offset of the record; of the last one read where the passing of time decided.
    pub offset: Option<Offset>,
    /// The record's own timestamp in Kafka: when it could be known.
    pub recorded: Option<WallTime>,
}

/// One thing put out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
        /// Whether people could cross at the watermark, by status and published hours. The region asks for what was in the
        /// bucket, so its log leaves this out.
        #[serde(skip)]
        gate: GateState,
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
        /// What came from its beginning to that bucket, where the bucket opened it.
        run: Option<Run>,
        /// Whether the bucket was closed; an open one can still grow.
        closed: bool,
        /// What the numbers rest on.
        data: DataStatus,
        /// How many open days ago a level that had lasted became the usual, and which way it had gone, while that is news.
        usual_for_days: Option<(u32, Direction)>,
        /// What was usual on the first day of an episode, where what is usual has followed it since: of the one the alert came after,
        /// or of its own where it is over.
        before: Option<Before>,
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

impl Output {
    /// Where it is.
    #[must_use]
    pub fn crossing(&self) -> CrossingIx {
        let (Self::Count { crossing, .. }
        | Self::Alert { crossing, .. }
        | Self::Notice { crossing, .. }) = self;
        *crossing
    }

    /// Of what it is; notices are of a crossing as a whole.
    #[must_use]
    pub fn stream(&self) -> Option<StreamIx> {
        match self {
            Self::Count { stream, .. } | Self::Alert { stream, .. } => Some(*stream),
            Self::Notice { .. } => None,
        }
    }

    /// What decided.
    #[must_use]
    pub fn source(&self) -> &Source {
        let (Self::Count { source, .. } | Self::Alert { source, .. } | Self::Notice { source, .. }) =
            self;
        source
    }

    /// Up to which event time it holds.
    #[must_use]
    pub fn as_of(&self) -> EventTime {
        let (Self::Count { as_of, .. } | Self::Alert { as_of, .. } | Self::Notice { as_of, .. }) =
            self;
        *as_of
    }

    /// The same at another place of the lists of crossings and streams.
    #[must_use]
    pub fn placed(mut self, at: CrossingIx, of: Option<StreamIx>) -> Self {
        match &mut self {
            Self::Count {
                crossing, stream, ..
            }
            | Self::Alert {
                crossing, stream, ..
            } => {
                *crossing = at;
                *stream = of.unwrap_or(*stream);
            }
            Self::Notice { crossing, .. } => *crossing = at,
        }
        self
    }
}
