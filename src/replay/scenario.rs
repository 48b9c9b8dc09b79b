//! Owns the scenario file's shape: published figures, closures, and what may be drawn between them.

use super::clock::{Minute, Week, Window};
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use serde::{Deserialize, Serialize};
use std::num::{NonZeroU16, NonZeroU32};

/// A checked scenario file; made by [`load`](super::load).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Stable id, the first part of every event id.
    pub id: String,
    /// What it shows, in one line.
    pub title: String,
    /// That it is a scenario and no data.
    pub note: String,
    /// Seed of everything drawn.
    pub seed: u64,
    /// First civil day.
    pub start: Date,
    /// Last civil day.
    pub end: Date,
    /// Minutes between the heartbeats of a crossing.
    pub heartbeat_minutes: NonZeroU16,
    /// The crossings.
    #[serde(rename = "crossing")]
    pub crossings: Vec<Place>,
    /// How arrivals fall over the hours of a day.
    #[serde(rename = "profile", default)]
    pub profiles: Vec<Profile>,
    /// How many arrive together.
    #[serde(rename = "party", default)]
    pub parties: Vec<Party>,
    /// Opening hours of single days that differ from the weekly ones.
    #[serde(rename = "hours", default)]
    pub day_hours: Vec<DayHours>,
    /// Closures, reopenings, limits; by crossing in order of time.
    #[serde(rename = "status", default)]
    pub statuses: Vec<StatusChange>,
    /// Days of which nothing was found.
    #[serde(rename = "gap", default)]
    pub gaps: Vec<Gap>,
    /// The figures, each met exactly.
    #[serde(rename = "figure")]
    pub figures: Vec<Figure>,
    /// Published totals that overlap the figures: compared, not forced.
    #[serde(rename = "check", default)]
    pub checks: Vec<CrossCheck>,
    /// The dates the first alerts answer to.
    #[serde(rename = "expect", default)]
    pub expects: Vec<Expect>,
}

/// A crossing as the scenario knows it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Id of the crossing.
    pub id: String,
    /// Civil time zone of its dates and times.
    #[serde(deserialize_with = "jiff::fmt::serde::tz::required::deserialize")]
    pub time_zone: TimeZone,
    /// Weekly opening hours; absent is round the clock.
    pub hours: Option<Week>,
}

/// Weights of the 24 hours of a day.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Name used by figures.
    pub id: String,
    /// One weight for each hour from midnight.
    pub hours: Vec<u32>,
    /// Where the shape was described.
    pub source: String,
}

/// Sizes of parties and their weights.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// Name used by figures.
    pub id: String,
    /// Sizes.
    pub sizes: Vec<NonZeroU32>,
    /// One weight for each size.
    pub weights: Vec<u32>,
}

/// Opening hours of one crossing on one day.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DayHours {
    /// The crossing.
    pub crossing: String,
    /// The day.
    pub day: Date,
    /// Its hours that day.
    pub window: Window,
    /// Where they were published.
    pub source: String,
}

/// What a status says, by the name it has in events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Open in its hours.
    Open,
    /// Shut.
    Closed,
    /// Open with limits.
    Restricted,
    /// The feed counts something else from then on.
    Redefined,
}

/// A change of state of one or several crossings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusChange {
    /// The crossings.
    pub crossings: Vec<String>,
    /// Local time of the change.
    pub time: DateTime,
    /// The state from then on.
    pub state: Change,
    /// Local time until which it was announced to last.
    pub until: Option<DateTime>,
    /// The `reason` of the event.
    pub reason: String,
    /// Where it was published.
    pub source: String,
    /// What is inexact about it.
    #[serde(default)]
    pub note: String,
}

/// Days of which nothing was found: none is drawn, and no heartbeat, so that they are seen as a feed that is silent and not as days of
/// none.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// The crossings.
    pub crossings: Vec<String>,
    /// First day.
    pub from: Date,
    /// Last day; absent is the first.
    pub to: Option<Date>,
    /// What is known of it.
    pub note: String,
}

/// A total that the events meet exactly.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// Stable id: names the random stream, so that one figure's draws do not depend on another's.
    pub id: String,
    /// First day.
    pub from: Date,
    /// Last day; absent is the first.
    pub to: Option<Date>,
    /// Days between them that other figures count.
    #[serde(default)]
    pub except: Vec<Date>,
    /// The crossings that share the total.
    pub places: Vec<String>,
    /// The share of each place, drawn; absent is equal shares.
    #[serde(default)]
    pub weights: Vec<u32>,
    /// How many of the total fall to each place; absent is drawn.
    #[serde(default)]
    pub exact: Vec<u32>,
    /// The stream counted.
    pub stream: String,
    /// The total.
    pub total: u32,
    /// The share of each weekday, Monday first, drawn; absent is equal shares.
    pub weekdays: Option<[u16; 7]>,
    /// The share of the first and of the last day, drawn, with a straight line between; absent is equal shares.
    pub ramp: Option<[u16; 2]>,
    /// How far the share of a day is drawn to lie above or below, in percent of itself: ordinary traffic varies more than
    /// independent arrivals do.
    #[serde(default)]
    pub spread_percent: u8,
    /// The part of each day arrivals may fall into, cut with the opening hours.
    #[serde(default = "whole_day")]
    pub window: Window,
    /// Running totals of the day, with times.
    #[serde(default)]
    pub by: Vec<Partial>,
    /// Sizes of groups that arrive within `burst_minutes`, instead of scattered parties.
    #[serde(default)]
    pub groups: Vec<u32>,
    /// How long a group takes to arrive.
    #[serde(default = "burst")]
    pub burst_minutes: NonZeroU16,
    /// How many arrive together; absent is one by one.
    pub party: Option<String>,
    /// How arrivals fall over the hours; absent is evenly.
    pub profile: Option<String>,
    /// The feed tells arrivals in sums over so many minutes, at the time of the last one; absent is one event a party.
    pub tally_minutes: Option<NonZeroU16>,
    /// Most arrivals a crossing may draw on one day.
    pub max_per_day: Option<u32>,
    /// Whether the arrivals were reported outside the opening hours or at closed crossings.
    #[serde(default)]
    pub while_closed: bool,
    /// Whether the total was printed; false is arithmetic on printed totals.
    pub published: bool,
    /// Where.
    pub source: String,
    /// How it is read, and what is drawn.
    #[serde(default)]
    pub note: String,
}

/// A running total of a figure's day.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partial {
    /// Up to this time of day.
    pub time: Minute,
    /// Arrivals of the day until then.
    pub total: u32,
    /// How many of those since the previous partial total fell to each place, where published.
    pub exact: Option<Vec<u32>>,
    /// Where it was published.
    pub source: String,
}

/// A published total compared with the events.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrossCheck {
    /// Stable id.
    pub id: String,
    /// First day.
    pub from: Date,
    /// Last day.
    pub to: Date,
    /// Time of the last day up to which the events count; absent is its end.
    pub until: Option<Minute>,
    /// The crossings; empty is all.
    #[serde(default)]
    pub places: Vec<String>,
    /// The stream counted.
    pub stream: String,
    /// The published total.
    pub published: u32,
    /// The total of the events.
    pub replay: u32,
    /// Where it was published.
    pub source: String,
    /// Why the two differ, where they do.
    #[serde(default)]
    pub note: String,
}

/// A published date that a first alert answers to.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The crossings.
    pub crossings: Vec<String>,
    /// The day.
    pub day: Date,
    /// What was published.
    pub text: String,
    /// Where.
    pub source: String,
}

impl Scenario {
    /// The crossing with this id.
    #[must_use]
    pub fn place(&self, id: &str) -> Option<&Place> {
        self.crossings.iter().find(|p| p.id == id)
    }
}

impl Place {
    /// Whether a local moment comes twice, as the clocks go back.
    #[must_use]
    pub fn comes_twice(&self, moment: DateTime) -> bool {
        let moment = self.time_zone.to_ambiguous_timestamp(moment);
        matches!(moment.offset(), AmbiguousOffset::Fold { .. })
    }
}

impl Gap {
    /// Its last day.
    #[must_use]
    pub fn last_day(&self) -> Date {
        self.to.unwrap_or(self.from)
    }

    /// Whether it holds a day of a crossing.
    #[must_use]
    pub fn holds(&self, crossing: &str, day: Date) -> bool {
        (self.from..=self.last_day()).contains(&day) && self.crossings.iter().any(|c| c == crossing)
    }
}

impl Figure {
    /// Its last day.
    #[must_use]
    pub fn last_day(&self) -> Date {
        self.to.unwrap_or(self.from)
    }

    /// Whether it counts the arrivals of this day.
    #[must_use]
    pub fn counts_on(&self, day: Date) -> bool {
        (self.from..=self.last_day()).contains(&day) && !self.except.contains(&day)
    }

    /// The days it counts.
    pub fn days(&self) -> impl Iterator<Item = Date> {
        let days = self.from.series(jiff::Span::new().days(1));
        days.take_while(|day| *day <= self.last_day())
            .filter(|day| !self.except.contains(day))
    }
}

impl CrossCheck {
    /// Whether the events meet the published total.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.published == self.replay
    }
}

/// Figures that name no window use the whole day.
fn whole_day() -> Window {
    Window::DAY
}

/// Groups that name no duration arrive within twenty minutes.
fn burst() -> NonZeroU16 {
    NonZeroU16::MIN.saturating_add(19)
}
