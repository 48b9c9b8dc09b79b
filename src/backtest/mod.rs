//! Owns the backtest: counts read from CSV go through one lens bucket by bucket, and alarms, false alerts and delays are counted.
//!
//! Pure: the caller opens files, spreads the series over threads and writes what comes out.

mod calibration;
mod cells;
mod matched;
mod outcome;
mod problem;
mod reading;
mod running;
mod sheet;
mod summary;
mod truth;

pub use calibration::{Found as CalibratedThreshold, Quiet, calibrate, quiet};
pub use cells::NUMBERED_FROM;
pub use matched::{Matched, Scored};
pub use outcome::{APART, Found, Outcome, judge};
pub use problem::{Problem, Problems};
pub use reading::{Counts, Layout, Reader};
pub use running::{Detector, Point, Step, results, run, walk};
pub use summary::Summary;
pub use truth::{Episode, Mark, Truth};
