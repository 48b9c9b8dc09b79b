//! Owns the plain counters of the machine; it knows no metrics library.

use super::event::Reject;

/// What happened since the start of the process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records handled, good and bad.
    pub consumed: u64,
    /// Records put aside, by [`Reject`] in the order of [`Reject::ALL`].
    pub rejected: [u64; Reject::ALL.len()],
    /// Arrivals with an id that was already counted.
    pub duplicates: u64,
    /// Arrivals that changed a bucket already closed.
    pub late: u64,
    /// Corrections that changed a count.
    pub corrections: u64,
    /// Ids given up before the lateness horizon because a crossing had too many.
    pub ids_given_up: u64,
    /// Buckets closed.
    pub buckets_closed: u64,
}

impl Tally {
    /// Counts a refused record.
    pub fn reject(&mut self, reason: Reject) {
        self.rejected[reason as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_counter_in_label_order() {
        for (i, reason) in Reject::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, i, "{reason:?}");
        }
    }
}
