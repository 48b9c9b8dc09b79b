//! Owns the replays: scenario files of published figures, their checks, and the events drawn from them.

mod check;
mod clock;
mod draw;
mod expand;
mod plan;
mod problem;
mod scenario;

pub use clock::{ClockError, DAY_MINUTES, Minute, Week, Window};
pub use problem::{Problem, Problems};
pub use scenario::{
    Change, CrossCheck, DayHours, Expect, Figure, Partial, Party, Place, Profile, Scenario,
    StatusChange,
};

use crate::core::time::EventTime;
use jiff::civil::Date;

/// The replays that come with the program.
const BUNDLED: [(&str, &str); 6] = [
    (
        "finland-2023",
        include_str!("../../config/replays/finland-2023.toml"),
    ),
    (
        "arctic-2015",
        include_str!("../../config/replays/arctic-2015.toml"),
    ),
    (
        "belarus-2021",
        include_str!("../../config/replays/belarus-2021.toml"),
    ),
    (
        "blockade-2023",
        include_str!("../../config/replays/blockade-2023.toml"),
    ),
    (
        "rush-2022",
        include_str!("../../config/replays/rush-2022.toml"),
    ),
    (
        "storskog-2023",
        include_str!("../../config/replays/storskog-2023.toml"),
    ),
];

/// A scenario turned into events, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// Id of the scenario.
    pub id: String,
    /// What it shows, in one line.
    pub title: String,
    /// That it is a scenario and no data, in the file's own words.
    pub note: String,
    /// Ids of its crossings, in the file's order.
    pub crossings: Vec<String>,
    /// First moment.
    pub start: EventTime,
    /// First moment after the last.
    pub end: EventTime,
    /// Every event, sorted by time, then crossing, then id.
    pub events: Vec<ReplayEvent>,
    /// The dates the first alerts answer to, sorted by day.
    pub expectations: Vec<Expectation>,
}

/// One event of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayEvent {
    /// When it happens.
    pub time: EventTime,
    /// Where: the Kafka key.
    pub crossing: String,
    /// Its deterministic id, also inside the JSON.
    pub id: String,
    /// The plain JSON event.
    pub json: String,
    /// Whether its moment or size was drawn (arrivals) or made up (heartbeats) instead of published (status).
    pub drawn: bool,
}

/// A published date that the first alert of some crossings answers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// The crossings: the first alert of any of them answers.
    pub crossings: Vec<String>,
    /// The day, local to the crossings.
    pub day: Date,
    /// First moment of that day.
    pub time: EventTime,
    /// What was published.
    pub text: String,
    /// Where it was published.
    pub source: String,
}

/// Why a scenario file cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReplayError {
    /// Not TOML, or a key is missing, unknown or of the wrong kind.
    #[error("the scenario cannot be read: {0}")]
    Syntax(#[from] Box<toml::de::Error>),
    /// Readable, but its parts contradict each other.
    #[error("the scenario contradicts itself:\n{0}")]
    Invalid(Problems),
}

/// Reads and checks a scenario file.
pub fn load(text: &str) -> Result<Scenario, ReplayError> {
    let scenario: Scenario = toml::from_str(text).map_err(Box::new)?;
    check::check(&scenario).map_err(ReplayError::Invalid)?;
    Ok(scenario)
}

/// The scenario files that come with the program: name and text.
#[must_use]
pub fn bundled() -> &'static [(&'static str, &'static str)] {
    &BUNDLED
}
