//! Owns the map of the house: bytes come in from Kafka, `wire` decodes them into events, the pure `core` judges them,
//! `wire` encodes what comes out, and the thin `shell` moves bytes, asks the clock and commits.

pub mod backtest;
pub mod command;
pub mod config;
pub mod core;
pub mod explain;
pub mod live;
pub mod replay;
pub mod report;
pub mod shell;
pub mod trial;
pub mod variants;
pub mod wire;
