//! Owns what a viewer is sent: everything at first, then what changed since the version it has.

use super::model::{Count, Model, Place, Series, Told};
use crate::core::event::GateState;
use serde::Serialize;

/// Days of each series that are drawn.
const DRAWN_DAYS: usize = 28;

/// What changed since a version.
#[derive(Debug, Serialize)]
pub(super) struct View<'a> {
    version: u64,
    /// The latest event time of all records.
    as_of: Option<&'a str>,
    /// Corridors with id and name, sent once.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    corridors: &'a [(String, String)],
    crossings: Vec<CrossingView<'a>>,
    /// All of them, when any changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    told: Option<Vec<&'a Told>>,
}

#[derive(Debug, Serialize)]
struct CrossingView<'a> {
    id: &'a str,
    name: &'a str,
    country: &'a str,
    corridor: &'a str,
    order: u16,
    state: State,
    series: Vec<SeriesView<'a>>,
}

#[derive(Debug, Serialize)]
struct SeriesView<'a> {
    stream: &'a str,
    days: Vec<&'a Count>,
    today: Option<Today<'a>>,
}

/// The day that is open: what its closed hours or its last alert counted.
#[derive(Debug, Serialize)]
struct Today<'a> {
    start: &'a str,
    observed: u64,
    /// Until when its hours are published.
    until: &'a str,
}

/// What is known of a crossing's gate and feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// No count was published yet.
    Unknown,
    /// Open.
    Open,
    /// Open with limits.
    Restricted,
    /// Closed, by status or timetable.
    Closed,
    /// Closed, and was on the whole of its last published day.
    ClosedAllDay,
    /// Its feed is silent.
    Blind,
}

impl Model {
    /// What changed after a version; everything for 0.
    pub(super) fn since(&self, version: u64) -> View<'_> {
        let is_first = version == 0;
        let changed = self
            .places
            .iter()
            .filter(|p| is_first || p.changed > version);
        View {
            version: self.version,
            as_of: self.as_of.as_ref().map(|(_, shown)| shown.as_str()),
            corridors: if is_first { &self.corridors } else { &[] },
            crossings: changed.map(|place| self.crossing(place)).collect(),
            told: (is_first || self.told_changed > version).then(|| self.told.values().collect()),
        }
    }

    fn crossing<'a>(&'a self, place: &'a Place) -> CrossingView<'a> {
        CrossingView {
            id: &place.id,
            name: &place.name,
            country: &place.country,
            corridor: &place.corridor,
            order: place.order,
            state: self.state(place),
            series: place.series.iter().map(series).collect(),
        }
    }

    pub(super) fn state(&self, place: &Place) -> State {
        let of_place = |t: &&Told| t.kind == "notice" && t.is_open && t.crossings == [&*place.id];
        let mut notices = self.told.values().filter(of_place);
        if notices.any(|told| told.key.contains(".feed_blind.")) {
            return State::Blind;
        }
        let newest = place.series.iter().find_map(|s| s.days.last_key_value());
        let was_shut = newest.is_some_and(|(_, day)| day.exposure <= 0.0 && day.blind <= 0.0);
        match place.gate {
            None => State::Unknown,
            Some((_, GateState::Closed)) if was_shut => State::ClosedAllDay,
            Some((_, GateState::Closed)) => State::Closed,
            Some((_, GateState::Restricted)) => State::Restricted,
            Some((_, GateState::Open)) => State::Open,
        }
    }
}

fn series(series: &Series) -> SeriesView<'_> {
    let days = series.days.values().rev().take(DRAWN_DAYS);
    let mut days: Vec<&Count> = days.collect();
    days.reverse();
    SeriesView {
        stream: &series.stream,
        days,
        today: today(series),
    }
}

/// The hours of one civil date share its first ten letters.
fn today(series: &Series) -> Option<Today<'_>> {
    let (_, newest) = series.hours.last_key_value()?;
    let date = &newest.start[..10];
    let day = series.days.values().next_back();
    if day.is_some_and(|day| &day.start[..10] >= date) {
        return None;
    }
    let of_date = series
        .hours
        .values()
        .filter(|hour| &hour.start[..10] == date);
    let first = of_date.clone().next()?;
    let counted: u64 = of_date.map(|hour| hour.observed).sum();
    let start = first.start.as_str();
    let told = series
        .told
        .filter(|(at, _)| Some(*at) == super::model::moment(start));
    Some(Today {
        start,
        observed: told.map_or(counted, |(_, observed)| counted.max(observed)),
        until: &newest.end,
    })
}
