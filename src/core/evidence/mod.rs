//! Owns the evidence: what a count says for a rise, for a drop and for usual, and how it adds up; it decides no alert.

pub mod detectable;
pub mod drift;
pub mod hypotheses;
pub mod memory;
pub mod outlook;
pub mod params;
pub mod shiryaev_roberts;
pub mod switching;
