//! Owns the recomputation of an alert or incident: what the topics tell of it, held against what follows from the records that
//! were read. It reads and prints nothing itself.

mod compare;
mod incident;
mod quiet;
mod recompute;
mod recount;
mod text;
mod verdict;

pub use compare::Difference;
pub use incident::IncidentRecomputation;
pub use quiet::{Quiet, Sign};
pub use recompute::{Change, Recomputation, Wanted};
pub use recount::Recount;
pub use text::{as_json, as_text};
pub use verdict::{Checked, Counts, Explanation, Finding, Known, Told};
