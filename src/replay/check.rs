//! Owns the checks of a scenario file: every name is known, every sum adds up, and every total has room to be drawn.

use super::plan;
use super::problem::{Problem, Problems};
use super::scenario::{Figure, Scenario};
use jiff::civil::{Date, DateTime};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Years a scenario may lie in: local times of them always convert.
const YEARS: std::ops::RangeInclusive<i16> = 1970..=2200;

/// Finds every contradiction.
pub(super) fn check(scenario: &Scenario) -> Result<(), Problems> {
    let mut found = Finder {
        scenario,
        problems: Vec::new(),
    };
    found.ids();
    found.span();
    found.shapes();
    found.statuses();
    found.others();
    for figure in &scenario.figures {
        found.figure(figure);
    }
    found.overlaps();
    found.gaps();
    if found.problems.is_empty() {
        // Room depends on everything above: it is asked only of a file that is otherwise sound.
        scenario
            .figures
            .iter()
            .for_each(|figure| found.room(figure));
    }
    if found.problems.is_empty() {
        Ok(())
    } else {
        Err(Problems(found.problems))
    }
}

/// Collects problems.
struct Finder<'a> {
    scenario: &'a Scenario,
    problems: Vec<Problem>,
}

impl Finder<'_> {
    fn ids(&mut self) {
        let s = self.scenario;
        self.unique("crossing", s.crossings.iter().map(|e| e.id.as_str()));
        self.unique("profile", s.profiles.iter().map(|e| e.id.as_str()));
        self.unique("party", s.parties.iter().map(|e| e.id.as_str()));
        self.unique("figure", s.figures.iter().map(|e| e.id.as_str()));
        self.unique("check", s.checks.iter().map(|e| e.id.as_str()));
    }

    fn unique<'b>(&mut self, kind: &'static str, ids: impl Iterator<Item = &'b str>) {
        let mut seen = BTreeSet::new();
        for id in ids {
            if !seen.insert(id) {
                self.problems.push(Problem::Repeated {
                    kind,
                    id: id.to_owned(),
                });
            }
        }
    }

    fn span(&mut self) {
        let s = self.scenario;
        for day in [s.start, s.end] {
            if !YEARS.contains(&day.year()) {
                self.out_of_range("start and end", day, YEARS.start(), YEARS.end());
            }
        }
        if s.start > s.end {
            self.problems.push(Problem::Order {
                at: "start and end".to_owned(),
                field: "the days",
            });
        }
        self.length("crossing", "the list", s.crossings.len().min(1), 1);
    }

    fn shapes(&mut self) {
        let s = self.scenario;
        for profile in &s.profiles {
            let at = format!("profile {}", profile.id);
            self.source(&at, &profile.source);
            self.length(&at, "hours", profile.hours.len(), 24);
            self.weighty(&at, "hours", &profile.hours);
        }
        for party in &s.parties {
            let at = format!("party {}", party.id);
            self.length(&at, "weights", party.weights.len(), party.sizes.len());
            self.weighty(&at, "weights", &party.weights);
        }
    }

    fn statuses(&mut self) {
        let s = self.scenario;
        let mut last: BTreeMap<&str, DateTime> = BTreeMap::new();
        for status in &s.statuses {
            let at = format!("status of {}", status.time);
            self.source(&at, &status.source);
            self.crossings(&at, &status.crossings);
            self.day(&at, status.time.date());
            if status
                .until
                .is_some_and(|until| until <= status.time || !YEARS.contains(&until.year()))
            {
                self.problems.push(Problem::Order {
                    at: at.clone(),
                    field: "time and until",
                });
            }
            for crossing in &status.crossings {
                if last
                    .insert(crossing, status.time)
                    .is_some_and(|before| before >= status.time)
                {
                    let at = format!("{at} at {crossing}");
                    self.problems.push(Problem::Order {
                        at,
                        field: "the times of a crossing",
                    });
                }
            }
        }
    }

    fn others(&mut self) {
        let s = self.scenario;
        for hours in &s.day_hours {
            let at = format!("hours of {} on {}", hours.crossing, hours.day);
            self.source(&at, &hours.source);
            self.crossings(&at, std::slice::from_ref(&hours.crossing));
            self.day(&at, hours.day);
        }
        for expect in &s.expects {
            let at = format!("expect of {}", expect.day);
            self.source(&at, &expect.source);
            self.length(&at, "crossings", expect.crossings.len().min(1), 1);
            self.crossings(&at, &expect.crossings);
            self.day(&at, expect.day);
        }
        for check in &s.checks {
            let at = format!("check {}", check.id);
            self.source(&at, &check.source);
            self.crossings(&at, &check.places);
            self.days(&at, check.from, check.to);
        }
    }

    fn figure(&mut self, figure: &Figure) {
        let at = format!("figure {}", figure.id);
        self.source(&at, &figure.source);
        self.crossings(&at, &figure.places);
        self.unique(
            "place of a figure",
            figure.places.iter().map(String::as_str),
        );
        self.length(&at, "places", figure.places.len().min(1), 1);
        self.days(&at, figure.from, figure.last_day());
        self.days_of(&at, figure);
        if !figure.weights.is_empty() {
            self.length(&at, "weights", figure.weights.len(), figure.places.len());
            self.weighty(&at, "weights", &figure.weights);
        }
        self.known(&at, "party", figure.party.as_ref(), |id| {
            self.scenario.parties.iter().any(|p| p.id == id)
        });
        self.known(&at, "profile", figure.profile.as_ref(), |id| {
            self.scenario.profiles.iter().any(|p| p.id == id)
        });
        if !figure.groups.is_empty() {
            let given = figure.groups.iter().copied().map(u64::from).sum();
            self.sum(&at, "groups", given, figure.total.into());
            self.exclusive(&at, "groups", "by", figure.by.is_empty());
            self.exclusive(&at, "groups", "max_per_day", figure.max_per_day.is_none());
        }
        if !figure.exact.is_empty() {
            self.length(&at, "exact", figure.exact.len(), figure.places.len());
            let given = figure.exact.iter().copied().map(u64::from).sum();
            self.sum(&at, "exact", given, figure.total.into());
            self.exclusive(&at, "exact", "by", figure.by.is_empty());
            self.exclusive(&at, "exact", "groups", figure.groups.is_empty());
            self.exclusive(&at, "exact", "weights", figure.weights.is_empty());
        }
        self.partials(&at, figure);
    }

    /// How the total falls over the days.
    fn days_of(&mut self, at: &str, figure: &Figure) {
        for day in &figure.except {
            if !(figure.from..=figure.last_day()).contains(day) {
                let at = format!("{at}, except");
                self.out_of_range(&at, day, figure.from, figure.last_day());
            }
        }
        if let Some(weekdays) = &figure.weekdays {
            self.weighty(at, "weekdays", weekdays);
        }
        if let Some(ramp) = &figure.ramp {
            self.weighty(at, "ramp", ramp);
            let is_long = figure.from < figure.last_day();
            self.exclusive(at, "ramp", "a figure of one day", is_long);
        }
        if figure.spread_percent > 90 {
            let at = format!("{at}, spread_percent");
            self.out_of_range(&at, figure.spread_percent, 0, 90);
        }
    }

    fn partials(&mut self, at: &str, figure: &Figure) {
        if !figure.by.is_empty() {
            self.exclusive(at, "by", "max_per_day", figure.max_per_day.is_none());
            self.exclusive(
                at,
                "by",
                "a figure of several days",
                figure.from == figure.last_day(),
            );
        }
        let (mut time, mut total) = (figure.window.open, 0);
        for partial in &figure.by {
            self.source(at, &partial.source);
            if partial.time <= time || partial.time >= figure.window.close {
                self.problems.push(Problem::Order {
                    at: at.to_owned(),
                    field: "the times of by, inside the window,",
                });
            }
            if partial.total < total || partial.total > figure.total {
                self.problems.push(Problem::Order {
                    at: at.to_owned(),
                    field: "the totals of by, up to the figure's,",
                });
            }
            if let Some(exact) = &partial.exact {
                self.length(at, "exact", exact.len(), figure.places.len());
                let given = exact.iter().copied().map(u64::from).sum();
                self.sum(
                    at,
                    "exact",
                    given,
                    partial.total.saturating_sub(total).into(),
                );
            }
            (time, total) = (partial.time, partial.total);
        }
    }

    fn overlaps(&mut self) {
        let figures = &self.scenario.figures;
        for (i, second) in figures.iter().enumerate() {
            for first in figures[..i].iter().filter(|f| f.stream == second.stream) {
                let Some(day) = second.days().find(|day| first.counts_on(*day)) else {
                    continue;
                };
                for place in first.places.iter().filter(|p| second.places.contains(p)) {
                    self.problems.push(Problem::Overlap {
                        first: first.id.clone(),
                        second: second.id.clone(),
                        stream: second.stream.clone(),
                        place: place.clone(),
                        day,
                    });
                }
            }
        }
    }

    fn gaps(&mut self) {
        let s = self.scenario;
        for gap in &s.gaps {
            let at = format!("gap of {}", gap.from);
            self.crossings(&at, &gap.crossings);
            self.length(&at, "crossings", gap.crossings.len().min(1), 1);
            self.days(&at, gap.from, gap.last_day());
            for figure in &s.figures {
                for place in &figure.places {
                    if let Some(day) = figure.days().find(|day| gap.holds(place, *day)) {
                        self.problems.push(Problem::InGap {
                            figure: figure.id.clone(),
                            place: place.clone(),
                            day,
                        });
                    }
                }
            }
        }
    }

    fn room(&mut self, figure: &Figure) {
        for slice in plan::slices(figure) {
            let cells = plan::cells(self.scenario, figure, &slice);
            let weights = cells.iter().map(|c| u128::from(c.weight));
            let all: u128 = weights.sum::<u128>() * (100 + u128::from(figure.spread_percent));
            if all > u64::MAX.into() {
                let at = format!(
                    "figure {}, the shares of places and days together",
                    figure.id
                );
                self.out_of_range(&at, all, 0, u64::MAX);
            }
            let (wanted, room) = (
                u64::from(slice.count),
                cells.iter().map(|c| u64::from(c.room)).sum(),
            );
            if wanted > room {
                let at = format!(
                    "figure {} from {} to {}",
                    figure.id, slice.window.open, slice.window.close
                );
                self.problems.push(Problem::NoRoom { at, wanted, room });
            }
        }
    }

    fn crossings(&mut self, at: &str, ids: &[String]) {
        for id in ids.iter().filter(|id| self.scenario.place(id).is_none()) {
            self.problems.push(Problem::UnknownCrossing {
                at: at.to_owned(),
                id: id.clone(),
            });
        }
    }

    fn known(
        &mut self,
        at: &str,
        kind: &'static str,
        id: Option<&String>,
        is_known: impl Fn(&str) -> bool,
    ) {
        if let Some(id) = id.filter(|id| !is_known(id)) {
            self.problems.push(Problem::UnknownName {
                at: at.to_owned(),
                kind,
                id: id.clone(),
            });
        }
    }

    fn source(&mut self, at: &str, given: &str) {
        if !given.starts_with("https://") && !given.starts_with("http://") {
            self.problems.push(Problem::NoSource {
                at: at.to_owned(),
                given: given.to_owned(),
            });
        }
    }

    fn length(&mut self, at: &str, field: &'static str, given: usize, wanted: usize) {
        if given != wanted {
            self.problems.push(Problem::Length {
                at: at.to_owned(),
                field,
                given,
                wanted,
            });
        }
    }

    fn sum(&mut self, at: &str, field: &'static str, given: u64, wanted: u64) {
        if given != wanted {
            self.problems.push(Problem::Sum {
                at: at.to_owned(),
                field,
                given,
                wanted,
            });
        }
    }

    fn weighty<T: Copy + Into<u32>>(&mut self, at: &str, field: &'static str, weights: &[T]) {
        if weights.iter().all(|w| (*w).into() == 0) {
            self.problems.push(Problem::NoWeight {
                at: at.to_owned(),
                field,
            });
        }
    }

    fn exclusive(&mut self, at: &str, first: &'static str, second: &'static str, fine: bool) {
        if !fine {
            self.problems.push(Problem::Exclusive {
                at: at.to_owned(),
                first,
                second,
            });
        }
    }

    fn days(&mut self, at: &str, from: Date, to: Date) {
        self.day(at, from);
        self.day(at, to);
        if from > to {
            self.problems.push(Problem::Order {
                at: at.to_owned(),
                field: "from and to",
            });
        }
    }

    fn day(&mut self, at: &str, day: Date) {
        let (start, end) = (self.scenario.start, self.scenario.end);
        if !(start..=end).contains(&day) {
            self.out_of_range(at, day, start, end);
        }
    }

    fn out_of_range(
        &mut self,
        at: &str,
        given: impl fmt::Display,
        from: impl fmt::Display,
        to: impl fmt::Display,
    ) {
        let (given, from, to) = (given.to_string(), from.to_string(), to.to_string());
        self.problems.push(Problem::OutOfRange {
            at: at.to_owned(),
            given,
            from,
            to,
        });
    }
}
