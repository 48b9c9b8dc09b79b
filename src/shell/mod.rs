//! Owns the map of the shell: the thin part that moves bytes, asks the clock and commits.

pub mod client;
pub mod clock;
pub mod committer;
pub mod crossings;
pub mod daemon;
pub mod embedded;
pub mod error;
mod families;
mod gauges;
pub mod health;
pub mod http;
pub mod logging;
pub mod loop_metrics;
pub mod metrics;
mod openmetrics;
pub mod outbox;
pub mod progress;
pub mod region;
pub mod region_metrics;
pub mod restore;
mod router;
pub mod source;
pub mod stage;
pub mod state_size;
pub mod topics;
pub mod transaction;
pub mod whole;
