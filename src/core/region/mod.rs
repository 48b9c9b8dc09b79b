//! Owns what is seen of more than one crossing: flow that moves from one to another, groups that are judged together, and the
//! incidents that alerts belong to.

mod days;
pub mod displacement;
pub mod groups;
pub mod incident;
mod likeness;
pub mod log;
pub mod machine;
pub mod scan;
mod watch;

pub use watch::{Region, RegionState};
