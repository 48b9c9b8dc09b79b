//! Owns the ways in which a scenario file can contradict itself, each with the values that do.

use jiff::civil::Date;
use std::fmt;

/// One contradiction in a scenario file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A crossing that is not listed.
    #[error("{at}: crossing {id:?} is not listed under [[crossing]]")]
    UnknownCrossing {
        /// The entry.
        at: String,
        /// The crossing.
        id: String,
    },
    /// A party or profile that is not defined.
    #[error("{at}: {kind} {id:?} is not defined under [[{kind}]]")]
    UnknownName {
        /// The entry.
        at: String,
        /// `party` or `profile`.
        kind: &'static str,
        /// The name.
        id: String,
    },
    /// An id used twice.
    #[error("{kind} {id:?} is defined twice")]
    Repeated {
        /// The kind of entry.
        kind: &'static str,
        /// The id.
        id: String,
    },
    /// An entry whose source is no web address.
    #[error("{at}: source {given:?} is not a web address")]
    NoSource {
        /// The entry.
        at: String,
        /// What is there.
        given: String,
    },
    /// A list of the wrong length.
    #[error("{at}: {field} has {given} entries, {wanted} are needed")]
    Length {
        /// The entry.
        at: String,
        /// The list.
        field: &'static str,
        /// Its length.
        given: usize,
        /// The right length.
        wanted: usize,
    },
    /// Parts that do not add up.
    #[error("{at}: {field} add up to {given}, not to {wanted}")]
    Sum {
        /// The entry.
        at: String,
        /// The parts.
        field: &'static str,
        /// Their sum.
        given: u64,
        /// The right sum.
        wanted: u64,
    },
    /// Weights that are all 0.
    #[error("{at}: {field} are all 0")]
    NoWeight {
        /// The entry.
        at: String,
        /// The weights.
        field: &'static str,
    },
    /// A date or time outside its range.
    #[error("{at}: {given} is not between {from} and {to}")]
    OutOfRange {
        /// The entry.
        at: String,
        /// What is there.
        given: String,
        /// First that is allowed.
        from: String,
        /// Last that is allowed.
        to: String,
    },
    /// Entries in the wrong order.
    #[error("{at}: {field} must rise")]
    Order {
        /// The entry.
        at: String,
        /// What must rise.
        field: &'static str,
    },
    /// Two keys that exclude each other.
    #[error("{at}: {first} and {second} exclude each other, delete one")]
    Exclusive {
        /// The entry.
        at: String,
        /// One key.
        first: &'static str,
        /// The other key.
        second: &'static str,
    },
    /// A total that cannot be drawn.
    #[error("{at}: {wanted} arrivals do not fit, the open crossings have room for {room}")]
    NoRoom {
        /// The entry.
        at: String,
        /// How many must be drawn.
        wanted: u64,
        /// How many can.
        room: u64,
    },
    /// Two figures that count the same arrivals.
    #[error(
        "figures {first:?} and {second:?} both count {stream} at {place} on {day}: make one of them a [[check]]"
    )]
    Overlap {
        /// One figure.
        first: String,
        /// The other figure.
        second: String,
        /// The stream.
        stream: String,
        /// The crossing.
        place: String,
        /// The first day they share.
        day: Date,
    },
    /// A figure that counts arrivals of a gap.
    #[error(
        "figure {figure:?} counts arrivals at {place} on {day}, which a [[gap]] says nothing is known of: shorten one of them"
    )]
    InGap {
        /// The figure.
        figure: String,
        /// The crossing.
        place: String,
        /// The first day they share.
        day: Date,
    },
}

/// Everything that is wrong with a scenario file, at least one problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            write!(f, "{}  {problem}", if i > 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}
