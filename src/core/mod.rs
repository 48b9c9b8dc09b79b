//! Owns the pure machine: crossings, time, what is usual, evidence, alerts. No clock, randomness, I/O, async, environment or
//! hash-map iteration in here; it imports nothing of the crate but itself.

pub mod event;
pub mod ids;
pub mod network;
pub mod time;
