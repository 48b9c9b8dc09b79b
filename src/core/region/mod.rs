//! Owns what is seen of more than one crossing: flow that moves from one to another, groups that are judged together, and the
//! incidents that alerts belong to.

mod border;
mod days;
pub mod displacement;
mod ending;
pub mod groups;
pub mod incident;
mod likeness;
pub mod log;
pub mod machine;
mod member;
mod revising;
pub mod scan;
mod watch;

pub use watch::{Region, RegionState};
