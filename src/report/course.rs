//! Owns the fan of an incident: its days beside what would have come if it went like the episode that it is like.

use super::markup::{At, Markup, Path};
use super::model::{Course, CourseDay, Inner};
use super::scale::{Linear, date_ticks, days_between, round_ticks};
use super::shapes::{PLOT_X, draw_grid, path, words};
use crate::core::episode::{self, Families, Likeness, Situation};
use crate::core::region::Region;
use crate::core::region::incident::Incident;
use jiff::civil::{Date, DateTime, Time};
use std::collections::BTreeMap;

/// Width and height of the drawing in its own units; the page scales it.
const SIZE: (f64, f64) = (720.0, 236.0);
/// Top and bottom of the counts.
const PLOT_Y: (f64, f64) = (22.0, 206.0);
/// A fan is cut off at so many times the highest day.
const TALLEST: u64 = 3;

/// An incident on a day on which it is called like a family.
struct Named {
    situation: Situation,
    likeness: Likeness,
}

/// An incident on the last day on which it was called like each family, and on how many it was.
#[derive(Default)]
pub(super) struct Naming(BTreeMap<usize, (u32, Named)>);

impl Naming {
    /// Keeps what an incident is called like now.
    pub(super) fn see(&mut self, region: &Region, incident: &Incident) {
        let Some(likeness) = &incident.likeness else {
            return;
        };
        let called = incident.called.name().flatten();
        let Some((family, situation)) = called.zip(region.situation(incident)) else {
            return;
        };
        let named = Named {
            situation,
            likeness: likeness.clone(),
        };
        let before = self.0.get(&family);
        let is_new_day = |named: &Named| named.likeness.last_day() < likeness.last_day();
        let days = before.map_or(1, |(days, before)| days + u32::from(is_new_day(before)));
        self.0.insert(family, (days, named));
    }

    /// Its days beside those of the family that it was called like most often; nothing where it was called like none.
    pub(super) fn course(&self, families: &Families) -> Option<Course> {
        let most = self.0.iter().max_by_key(|(_, (days, _))| *days);
        let (family, (_, named)) = most?;
        let family = families.get(*family)?;
        let course = episode::course(family, &named.situation, &named.likeness);
        let days = course.days.iter().map(|day| CourseDay {
            date: day.day.date(),
            count: day.observed,
            fan: day.band.map(|[lower, median, upper]| Inner {
                lower,
                median,
                upper,
            }),
        });
        Some(Course {
            episode: family.name.clone(),
            onset: course.onset.date(),
            days: days.collect(),
        })
    }
}

/// The drawing, and a sentence that says how to read it. `name` tells it from the others of the page.
pub(super) fn fan(course: &Course, name: &str) -> Markup {
    let mut html = Markup::default();
    let (Some(first), Some(last)) = (course.days.first(), course.days.last()) else {
        return html;
    };
    let (from, to) = (
        midnight(first.date),
        midnight(last.date.tomorrow().unwrap_or(Date::MAX)),
    );
    let drawn = Drawn {
        course,
        x: Linear {
            from: (0.0, days_between(from, to)),
            to: PLOT_X,
        },
        from,
        ticks: round_ticks(tallest(course), 4),
    };
    let size = format!("0 0 {} {}", At(SIZE.0), At(SIZE.1));
    html.open(
        "svg",
        &[
            ("class", &"plot fan"),
            ("viewBox", &size),
            ("role", &"img"),
            ("aria-labelledby", &name),
        ],
    );
    let title = format!("Arrivals by day beside {}", course.episode);
    html.element("title", &[("id", &name)], &title);
    drawn.draw(&mut html, to);
    html.close("svg");
    html.line();
    let told = format!(
        "Bars: arrivals by day at the crossings that plainly differ from their usual, by which it is matched; those of the incident that hardly do are left out. Shaded: where eight in ten of the courses lie that the ranges of {} allow, from its likeliest first day on, {}, which may lie before the first alert's; the line is the middle, and what is too high for the page is cut. It ends a week after the last day on which it was called like that. It is a likeness of numbers and no forecast.",
        course.episode,
        course.onset.strftime("%-d %B %Y"),
    );
    html.element("p", &[("class", &"note")], &told);
    html.line();
    html
}

fn midnight(date: Date) -> DateTime {
    date.to_datetime(Time::midnight())
}

/// The top of the counts: no count is cut off, but a wide fan is.
fn tallest(course: &Course) -> u64 {
    let counts = course.days.iter().filter_map(|day| day.count);
    let highest = counts.max().unwrap_or(0).max(4);
    let fans = course.days.iter().filter_map(|day| Some(day.fan?.upper));
    highest.max(fans.max().unwrap_or(0).min(TALLEST * highest))
}

struct Drawn<'a> {
    course: &'a Course,
    x: Linear,
    from: DateTime,
    ticks: Vec<u64>,
}

impl Drawn<'_> {
    fn at(&self, date: Date) -> f64 {
        self.x.at(days_between(self.from, midnight(date)))
    }

    fn y(&self) -> Linear {
        let highest = self.ticks.last().copied().unwrap_or(1);
        Linear {
            from: (0.0, highest as f64),
            to: (PLOT_Y.1, PLOT_Y.0),
        }
    }

    fn draw(&self, svg: &mut Markup, to: DateTime) {
        self.draw_axes(svg, to);
        self.draw_fan(svg);
        self.draw_counts(svg);
        words(svg, "panel", (PLOT_X.0 + 4.0, 14.0), "arrivals by day");
    }

    fn draw_axes(&self, svg: &mut Markup, to: DateTime) {
        let y = self.y();
        let dates = date_ticks(self.from, to).into_iter();
        let dates = dates.map(|tick| (self.x.at(days_between(self.from, tick.at)), tick));
        draw_grid(svg, &y, &self.ticks, PLOT_Y, dates);
    }

    /// Steps, as long as each day: there along the upper ends, back along the lower ones.
    fn draw_fan(&self, svg: &mut Markup) {
        let y = self.y();
        let days = || {
            let days = self.course.days.iter();
            days.filter_map(|day| {
                let next = day.date.tomorrow().unwrap_or(Date::MAX);
                Some((self.at(day.date), self.at(next), day.fan?))
            })
        };
        let (mut area, mut median) = (Path::default(), Path::default());
        for (n, (left, right, fan)) in days().enumerate() {
            let (upper, middle) = (y.at(fan.upper as f64), y.at(fan.median as f64));
            if n == 0 {
                area.to(left, upper);
                median.to(left, middle);
            }
            area.upright(upper);
            area.across(right);
            median.upright(middle);
            median.across(right);
        }
        let back: Vec<_> = days().collect();
        for (left, _, fan) in back.iter().rev() {
            area.upright(y.at(fan.lower as f64));
            area.across(*left);
        }
        if !back.is_empty() {
            area.back();
        }
        path(svg, "inner", &area);
        path(svg, "median", &median);
    }

    fn draw_counts(&self, svg: &mut Markup) {
        let y = self.y();
        let mut bars = Path::default();
        let width = (PLOT_X.1 - PLOT_X.0) / self.course.days.len() as f64;
        for day in &self.course.days {
            let Some(count) = day.count.filter(|count| *count > 0) else {
                continue;
            };
            bars.to(self.at(day.date) + width / 2.0, PLOT_Y.1);
            bars.upright(y.at(count as f64));
        }
        if !bars.is_empty() {
            let width = (width * 0.55).clamp(0.8, 10.0);
            let attributes = [
                ("class", &"bars" as &dyn std::fmt::Display),
                ("stroke-width", &At(width)),
                ("d", &bars),
            ];
            svg.element("path", &attributes, "");
        }
    }
}
