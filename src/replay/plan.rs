//! Owns the plan of a figure: the slices of its total, and the cells (a place on a day) that each slice may fall into.

use super::clock::{DAY_MINUTES, Window};
use super::scenario::{Change, Figure, Place, Profile, Scenario, StatusChange};
use crate::core::event::GateState;
use crate::core::exposure::{self, GateTimeline};
use crate::core::time::EventTime;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// A part of a figure's total, between two times of day.
#[derive(Debug, Clone)]
pub(super) struct Slice {
    /// Positions of its places in the figure, with the weight of each.
    pub(super) places: Vec<(usize, u32)>,
    /// Between these times.
    pub(super) window: Window,
    /// How many arrive.
    pub(super) count: u32,
}

/// One place on one day, while arrivals may come.
#[derive(Debug, Clone)]
pub(super) struct Cell<'a> {
    /// The place.
    pub(super) place: &'a Place,
    /// The day.
    pub(super) day: Date,
    /// Share of the draws.
    pub(super) weight: u64,
    /// The minutes of the day that are open.
    pub(super) minutes: Vec<u16>,
    /// The running sums of their weights.
    pub(super) marks: Vec<u64>,
    /// How many more may arrive.
    pub(super) room: u32,
}

/// Cuts a figure at its partial totals; a slice with published places becomes one slice for each of them.
pub(super) fn slices(figure: &Figure) -> Vec<Slice> {
    if !figure.exact.is_empty() {
        return each_place(&figure.exact, figure.window);
    }
    let weight = |i: usize| figure.weights.get(i).copied().unwrap_or(1);
    let shared: Vec<(usize, u32)> = (0..figure.places.len()).map(|i| (i, weight(i))).collect();
    let (mut open, mut before, mut slices) = (figure.window.open, 0, Vec::new());
    for partial in &figure.by {
        let window = Window {
            open,
            close: partial.time,
        };
        match &partial.exact {
            Some(exact) => slices.extend(each_place(exact, window)),
            None => slices.push(Slice {
                places: shared.clone(),
                window,
                count: partial.total.saturating_sub(before),
            }),
        }
        (open, before) = (partial.time, partial.total);
    }
    let window = Window {
        open,
        close: figure.window.close,
    };
    slices.push(Slice {
        places: shared,
        window,
        count: figure.total.saturating_sub(before),
    });
    slices.retain(|s| s.count > 0);
    slices
}

/// A slice for each place whose part is known.
fn each_place(parts: &[u32], window: Window) -> Vec<Slice> {
    let slice = |(i, &count)| Slice {
        places: vec![(i, 1)],
        window,
        count,
    };
    let mut slices: Vec<Slice> = parts.iter().enumerate().map(slice).collect();
    slices.retain(|s| s.count > 0);
    slices
}

/// The cells of a slice that can take arrivals, in order of place and day.
pub(super) fn cells<'a>(scenario: &'a Scenario, figure: &Figure, slice: &Slice) -> Vec<Cell<'a>> {
    let profile = figure
        .profile
        .as_ref()
        .and_then(|id| scenario.profiles.iter().find(|p| &p.id == id));
    let mut cells = Vec::new();
    for &(index, weight) in &slice.places {
        let Some(place) = figure.places.get(index).and_then(|id| scenario.place(id)) else {
            continue;
        };
        let closed = closures(scenario, &place.id);
        for day in figure.days() {
            let weight = u64::from(weight).saturating_mul(day_weight(figure, day));
            let hours = if figure.while_closed {
                Some(Window::DAY)
            } else {
                hours_on(scenario, place, day)
            };
            let open = |minute: u16| {
                let moment = at_minute(day, minute);
                slice.window.contains(minute)
                    && hours.is_some_and(|w| w.contains(minute))
                    && (figure.while_closed
                        || !closed
                            .iter()
                            .any(|(from, to)| *from <= moment && moment < *to))
            };
            // Ordinary traffic flows on through the hour that comes twice when the clocks go back.
            let twice = |minute: u16| {
                figure.tally_minutes.is_some() && place.comes_twice(at_minute(day, minute))
            };
            let (minutes, marks) = minutes(profile, open, twice);
            if weight > 0 && !minutes.is_empty() {
                cells.push(Cell {
                    place,
                    day,
                    weight,
                    minutes,
                    marks,
                    room: figure.max_per_day.unwrap_or(u32::MAX),
                });
            }
        }
    }
    cells
}

/// The minutes of a day that are open and have a weight, with the running sums of the weights.
fn minutes(
    profile: Option<&Profile>,
    open: impl Fn(u16) -> bool,
    twice: impl Fn(u16) -> bool,
) -> (Vec<u16>, Vec<u64>) {
    let weight = |minute: u16| {
        let hour = usize::from(minute / 60);
        profile.map_or(1, |p| p.hours.get(hour).copied().unwrap_or(0))
    };
    let mut sum = 0;
    (0..DAY_MINUTES)
        .filter(|minute| weight(*minute) > 0 && open(*minute))
        .map(|minute| {
            sum += u64::from(weight(minute)) * if twice(minute) { 2 } else { 1 };
            (minute, sum)
        })
        .unzip()
}

/// The share of a day beside the other days of its figure: its weekday's times that of its place on the ramp.
fn day_weight(figure: &Figure, day: Date) -> u64 {
    let weekday = usize::from(day.weekday().to_monday_zero_offset().unsigned_abs());
    let weekday = figure
        .weekdays
        .map_or(1, |shares| u64::from(shares[weekday]));
    let ramp = figure.ramp.map_or(1, |[first, last]| {
        let since = |from: Date| u64::from((day - from).get_days().unsigned_abs());
        let span = u64::from((figure.last_day() - figure.from).get_days().unsigned_abs());
        u64::from(first) * (span - since(figure.from)) + u64::from(last) * since(figure.from)
    });
    weekday * ramp
}

/// A minute of a day as a local moment.
pub(super) fn at_minute(day: Date, minute: u16) -> DateTime {
    let (hour, minute) = ((minute / 60) % 24, minute % 60);
    DateTime::from_parts(day, Time::constant(hour as i8, minute as i8, 0, 0))
}

/// The hours of a place on a day: those of that single day, else of its weekday, else the whole day.
fn hours_on(scenario: &Scenario, place: &Place, day: Date) -> Option<Window> {
    let single = scenario
        .day_hours
        .iter()
        .find(|h| h.crossing == place.id && h.day == day);
    match (single, &place.hours) {
        (Some(hours), _) => Some(hours.window),
        (None, Some(week)) => week.on(day.weekday()),
        (None, None) => Some(Window::DAY),
    }
}

/// The local times between which statuses say that a crossing is closed, as the daemon reads them.
fn closures(scenario: &Scenario, crossing: &str) -> Vec<(DateTime, DateTime)> {
    // The clock on the wall, told as if it were that of Greenwich: no closure is longer or shorter by a change of the clocks.
    let told = |moment: DateTime| EventTime(utc(moment).timestamp().as_millisecond());
    let at = |time: EventTime| {
        let moment = Timestamp::from_millisecond(time.0).unwrap_or(Timestamp::MAX);
        moment.to_zoned(TimeZone::UTC).datetime()
    };
    let here = |s: &&StatusChange| s.crossings.iter().any(|c| c == crossing);
    let change = |status: &StatusChange| {
        let state = match status.state {
            Change::Open => GateState::Open,
            Change::Closed => GateState::Closed,
            Change::Restricted => GateState::Restricted,
            // What a feed counts says nothing of the gate.
            Change::Redefined => return None,
        };
        Some(exposure::Change {
            from: told(status.time),
            state,
            until: status.until.map(told),
        })
    };
    let statuses = scenario.statuses.iter().filter(here);
    let gate = GateTimeline::of(statuses.filter_map(change).collect());
    let spans = gate.spans().into_iter();
    let closed = spans.filter(|span| span.change.state == GateState::Closed);
    closed.map(|span| (at(span.from), at(span.to))).collect()
}

fn utc(moment: DateTime) -> Zoned {
    moment
        .to_zoned(TimeZone::UTC)
        .expect("the years of a scenario are checked when it is loaded")
}
