//! Owns the budget for bad records: how many of one partition may be put aside before the daemon stops instead of
//! discarding a feed.

use super::event::Reject;
use serde::{Deserialize, Serialize};

/// How much bad input is put aside before consumption stops.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BadRecordBudget {
    /// Longest run of bad records without a good one between them.
    pub max_run: u32,
    /// Largest share of bad records among the last `window`, in (0, 1].
    pub max_ratio: f64,
    /// Number of records the share is taken over, at most 4096; no share is judged before that many were read.
    pub window: u32,
}

/// Why consumption stops.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum BudgetSpent {
    /// Too many bad records in a row.
    #[error(
        "{run} records in a row could not be used, the last because of `{last}`; limits.bad_records_run allows {allowed}"
    )]
    Run {
        /// Length of the run with the record that broke the budget.
        run: u32,
        /// The limit.
        allowed: u32,
        /// Reason of the last one.
        last: &'static str,
    },
    /// Too many bad records among the last ones.
    #[error(
        "{bad} of the last {window} records could not be used, the last because of `{last}`; limits.bad_records_ratio allows a share of {allowed}"
    )]
    Ratio {
        /// Bad ones with the record that broke the budget.
        bad: u32,
        /// Size of the window.
        window: u32,
        /// The limit.
        allowed: f64,
        /// Reason of the last one.
        last: &'static str,
    },
}

/// What was read of one partition of late, good and bad; kept with the partition's state so that a restart does not forgive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intake {
    run: u32,
    bad: u32,
    read: u32,
    at: u32,
    bits: Vec<u64>,
}

impl Intake {
    /// Enters one record. Duplicates and late events count as good: the feed is readable.
    ///
    /// # Errors
    /// [`BudgetSpent`] when this record must not be put aside; the record is not entered then, so that reading it again gives
    /// the same answer.
    pub fn enter(
        &mut self,
        bad: Option<Reject>,
        budget: &BadRecordBudget,
    ) -> Result<(), BudgetSpent> {
        let window = budget.window.clamp(1, 4096);
        self.fit(window);
        let (word, bit) = ((self.at / 64) as usize, 1u64 << (self.at % 64));
        let was_bad = self.bits[word] & bit != 0;
        let bad_after = self.bad - u32::from(was_bad) + u32::from(bad.is_some());
        if let Some(reason) = bad {
            let run = self.run.saturating_add(1);
            if run > budget.max_run {
                return Err(BudgetSpent::Run {
                    run,
                    allowed: budget.max_run,
                    last: reason.label(),
                });
            }
            if self.read >= window && f64::from(bad_after) > budget.max_ratio * f64::from(window) {
                return Err(BudgetSpent::Ratio {
                    bad: bad_after,
                    window,
                    allowed: budget.max_ratio,
                    last: reason.label(),
                });
            }
            self.run = run;
            self.bits[word] |= bit;
        } else {
            self.run = 0;
            self.bits[word] &= !bit;
        }
        self.bad = bad_after;
        self.read = (self.read + 1).min(window);
        self.at = (self.at + 1) % window;
        Ok(())
    }

    /// Starts over where the window has another size than the one it was kept with.
    fn fit(&mut self, window: u32) {
        let words = (window as usize).div_ceil(64);
        let spare = window % 64;
        let is_wider = spare > 0 && self.bits.last().is_some_and(|word| word >> spare != 0);
        if self.bits.len() != words || self.at >= window || is_wider {
            *self = Self {
                run: self.run,
                bits: vec![0; words],
                ..Self::default()
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: BadRecordBudget = BadRecordBudget {
        max_run: 5,
        max_ratio: 0.5,
        window: 10,
    };
    const BAD: Option<Reject> = Some(Reject::NotJson);

    #[test]
    fn a_run_of_bad_records_stops_at_the_limit_and_stays_stopped() {
        let mut intake = Intake::default();
        for _ in 0..5 {
            assert_eq!(intake.enter(BAD, &BUDGET), Ok(()));
        }
        let stopped = Err(BudgetSpent::Run {
            run: 6,
            allowed: 5,
            last: "not_json",
        });
        assert_eq!(intake.enter(BAD, &BUDGET), stopped);
        assert_eq!(
            intake.enter(BAD, &BUDGET),
            stopped,
            "reading the same record again gives the same answer"
        );
        assert_eq!(intake.enter(None, &BUDGET), Ok(()));
    }

    #[test]
    fn a_share_of_bad_records_stops_once_a_whole_window_was_read() {
        let mut intake = Intake::default();
        for i in 0..40 {
            assert_eq!(
                intake.enter(if i % 2 == 0 { BAD } else { None }, &BUDGET),
                Ok(()),
                "record {i}"
            );
        }
        assert_eq!(
            intake.enter(BAD, &BUDGET),
            Ok(()),
            "takes the place of a bad one"
        );
        assert!(matches!(
            intake.enter(BAD, &BUDGET),
            Err(BudgetSpent::Ratio {
                bad: 6,
                window: 10,
                ..
            })
        ));
    }

    #[test]
    fn good_records_alone_never_stop() {
        let mut intake = Intake::default();
        assert!((0..100_000).all(|_| intake.enter(None, &BUDGET).is_ok()));
    }

    #[test]
    fn a_window_of_another_size_starts_over() {
        let mut intake = Intake::default();
        for _ in 0..3 {
            intake.enter(BAD, &BUDGET).expect("inside the budget");
        }
        let wider = BadRecordBudget {
            window: 200,
            ..BUDGET
        };
        assert_eq!(intake.enter(None, &wider), Ok(()));
    }

    #[test]
    fn bad_records_outside_a_narrower_window_are_forgotten() {
        let budget = |window| BadRecordBudget {
            max_run: 100,
            max_ratio: 0.5,
            window,
        };
        let mut intake = Intake::default();
        for bad in [vec![None; 20], vec![BAD; 20], vec![None; 24]].concat() {
            assert_eq!(intake.enter(bad, &budget(40)), Ok(()));
        }
        // 24 records into the second round: the last sixteen places are bad, and never come round in a window of thirty.
        for _ in 0..30 {
            assert_eq!(intake.enter(None, &budget(30)), Ok(()));
        }
        assert_eq!(intake.bad, 0);
    }
}
