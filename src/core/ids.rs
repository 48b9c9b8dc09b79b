//! Owns the small identity types: partitions, the two kinds of offset, indices of crossings and streams, hashed event ids.

use serde::{Deserialize, Serialize};
use std::hash::Hasher;

/// A Kafka partition number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Partition(pub i32);

/// The offset of a record that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Offset(pub i64);

/// The offset of the next record to read: what is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NextOffset(pub i64);

impl Offset {
    /// The offset to commit once this record's effects are in the transaction.
    #[must_use]
    pub fn next(self) -> NextOffset {
        NextOffset(self.0 + 1)
    }
}

/// Position of a crossing in [`Network::crossings`](super::network::Network).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CrossingIx(pub u16);

/// Position of a stream in [`Network::streams`](super::network::Network).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamIx(pub u8);

/// 64-bit XXH3 hash of an event id: enough to tell ids of one crossing apart inside the lateness horizon
/// (a million ids collide with probability 3e-8), small enough to be kept in the changelog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventId(pub u64);

impl EventId {
    /// Hashes the id's text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(xxhash_rust::xxh3::xxh3_64(text.as_bytes()))
    }
}

/// Hasher for keys that are hashes already: passes them through.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only u64 keys are hashed")
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}
