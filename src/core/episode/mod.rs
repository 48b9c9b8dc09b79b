//! Owns the likeness of an incident to episodes that are known: what an episode is, what is seen of an incident, and what is said of it.
//!
//! A likeness is one of numbers: shape in time, regularity, spread over crossings. It says nothing of who comes or why.

pub mod called;
mod course;
pub mod family;
mod fit;
pub mod likeness;
mod matching;
mod numbers;
mod outlook;
mod shape;
pub mod situation;
mod spread;

pub use called::{Called, Name};
pub use course::{Course, CourseDay, course};
pub use family::{Curve, Families, Family, Measure, Pattern, Places, Range, Regularity};
pub use likeness::{
    Doubling, Likeness, Onset, Projection, SEARCHED_BEFORE_DAYS, Stage, TooLittle, Verdict,
};
pub use matching::liken;
pub use situation::{Gate, Place, Seen, Situation};

/// The id of what is always a candidate: no known episode.
pub const NONE_OF_THESE: &str = "none-of-these";
