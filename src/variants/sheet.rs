//! Owns a variant's file of counts: the columns that `backtest` and `replay` read, and one that says on every row what it is.

use super::Variant;
use std::fmt::Write as _;

/// A CSV with one row for each crossing and day. Every row says that it was made up, by which kind and seed.
#[must_use]
pub fn sheet(variant: &Variant) -> String {
    let mut rows = String::from("series_id,date,count,state,note\n");
    let (name, seed) = (variant.kind.name(), variant.seed);
    for (at, crossing) in (1..).zip(&variant.border.crossings) {
        for (day, seen) in crossing.days.iter().enumerate() {
            let (date, state) = (variant.border.date(day), seen.state.label());
            // Writing to a String cannot fail.
            let _ = writeln!(
                rows,
                "simulated-{at},{date},{},{state},simulated: {name} seed {seed}",
                seen.count
            );
        }
    }
    rows
}
