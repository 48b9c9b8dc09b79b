//! Owns the pure machine: crossings, time, what is usual, evidence, alerts. No clock, randomness, I/O, async, environment or
//! hash-map iteration in here; it imports nothing of the crate but itself.

pub mod alert;
pub mod baseline;
pub mod calendar;
pub mod crossing;
pub mod engine;
pub mod episode;
pub mod event;
pub mod evidence;
pub mod exposure;
pub mod feed;
pub mod holidays;
pub mod ids;
pub mod intake;
pub(crate) mod judging;
mod lane;
pub mod lens;
pub mod network;
pub mod notice;
pub mod output;
pub mod params;
pub mod partition;
pub mod prior;
pub mod region;
pub mod seen;
pub mod series;
pub mod severity;
pub mod shut;
pub mod snapshot;
pub mod standing;
pub mod tally;
pub mod time;
