//! Owns configuration: file, environment and flags become checked settings, or every problem at once.

mod check;
#[cfg(test)]
mod config_tests;
mod crossings;
#[cfg(test)]
mod crossings_tests;
mod document;
mod entry;
mod episodes;
mod load;
mod problem;
mod properties;
mod raw;
mod routes;
mod settings;

pub use load::{ENV_PREFIX, Refusal, Sources, crossings_file, episodes_folder, load};
pub use problem::{Place, Problem};
pub use settings::{
    Corridor, DeadLetter, DeadLetterPayload, Detection, Fingerprint, Http, Kafka, Kind, Limits,
    Log, LogFormat, LogLevel, Ratio, Route, SecretRef, Settings, Time, Topics,
};
