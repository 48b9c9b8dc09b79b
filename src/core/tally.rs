//! Owns the plain counters of the machine; it knows no metrics library.

use super::alert::{Alert, Direction, Feedback};
use super::event::Reject;
use super::lens::{Lens, LensParams};

/// What happened since the start of the process.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// Records handled, good and bad.
    pub consumed: u64,
    /// Records put aside, by [`Reject`] in the order of [`Reject::ALL`].
    pub rejected: [u64; Reject::ALL.len()],
    /// Arrivals with an id that was already counted.
    pub duplicates: u64,
    /// Arrivals and corrections of an hour or day that had ended already.
    pub late: u64,
    /// Closed buckets that changed and were published again.
    pub revised: u64,
    /// Corrections that changed a count.
    pub corrections: u64,
    /// Ids given up before the lateness horizon because a crossing had too many.
    pub ids_given_up: u64,
    /// Buckets closed.
    pub buckets_closed: u64,
    /// Alerts opened, by lens and direction.
    pub opened: [[u64; 2]; 2],
    /// Words of operators on alerts, by lens and direction and in the order of [`Feedback::ALL`].
    pub feedback: [[[u64; Feedback::ALL.len()]; 2]; 2],
    /// False alerts accepted for the closed buckets, by lens and direction: one in A of them.
    pub promised: [[f64; 2]; 2],
}

impl Tally {
    /// Counts a refused record.
    pub fn reject(&mut self, reason: Reject) {
        self.rejected[reason as usize] += 1;
    }

    /// Counts an alert.
    pub fn open(&mut self, lens: Lens, direction: Direction) {
        self.opened[lens as usize][direction as usize] += 1;
    }

    /// Counts a word of an operator on an alert.
    pub fn hear(&mut self, alert: &Alert, feedback: Feedback) {
        let of = &mut self.feedback[alert.decided_by as usize][alert.direction as usize];
        of[feedback as usize] += 1;
    }

    /// Counts what is accepted of a closed bucket that was judged in a direction.
    pub fn promise(&mut self, params: &LensParams, direction: Direction) {
        self.promised[params.lens as usize][direction as usize] +=
            params.accepted_a_bucket(direction);
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
