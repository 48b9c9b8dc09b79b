//! Owns how large the state is: the newest changelog record of every key, which is what a restore must read at least.

use crate::core::snapshot::ChangelogRecord;
use std::collections::BTreeMap;

/// Bytes of the newest record of every key, by partition.
#[derive(Debug, Clone, Default)]
pub struct StateSize {
    by_key: BTreeMap<i32, BTreeMap<String, usize>>,
    bytes: usize,
}

impl StateSize {
    /// A record of a partition's changelog was read or written.
    pub fn note(&mut self, partition: i32, record: &ChangelogRecord) {
        let size = record.value.as_ref().map(|v| record.key.len() + v.len());
        let keys = self.by_key.entry(partition).or_default();
        self.bytes += size.unwrap_or(0);
        let before = match (size, keys.get_mut(&record.key)) {
            (Some(size), Some(known)) => std::mem::replace(known, size),
            (Some(size), None) => keys.insert(record.key.clone(), size).unwrap_or(0),
            (None, _) => keys.remove(&record.key).unwrap_or(0),
        };
        self.bytes -= before;
    }

    /// All of it, keys included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_record_of_a_key_counts_and_a_tombstone_takes_it_away() {
        let record = |key: &str, value: Option<usize>| ChangelogRecord {
            key: key.into(),
            value: value.map(|length| vec![0; length]),
        };
        let mut size = StateSize::default();
        for (partition, written, bytes) in [
            (0, record("fi-salla", Some(100)), 108),
            (1, record("fi-salla", Some(10)), 126),
            (0, record("fi-salla", Some(50)), 76),
            (0, record("__meta", Some(4)), 86),
            (0, record("fi-salla", None), 28),
            (2, record("fi-salla", None), 28),
            (1, record("fi-salla", None), 10),
        ] {
            size.note(partition, &written);
            assert_eq!(size.bytes(), bytes, "{partition} {written:?}");
        }
    }
}
