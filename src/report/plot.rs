//! Owns the drawing of one series: counts on what was expected, closures, alerts, and the evidence below on the same axis of time.

use super::markup::{At, Markup, Path};
use super::model::{Bucket, Series, Shade, ShadeKind, lens_name};
use super::scale::{Linear, date_ticks, days_between, round_ticks};
use super::shapes::{PLOT_X, draw_grid, path, rect, triangle, words};
use crate::core::alert::Direction;
use crate::core::lens::Lens;
use crate::wire::sentence::grouped;
use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time};
use std::fmt::Display;
use std::ops::Range;

/// Width of a plot in its own units; the page scales it.
const WIDTH: f64 = 720.0;
/// Height of the strip with the marks of alerts.
const STRIP: f64 = 34.0;
/// Height of the dates.
const DATES: f64 = 24.0;
/// Room between counts and evidence.
const GAP: f64 = 10.0;
/// Buckets that one row of a plot can show apart.
const ROW_BUCKETS: usize = 800;
/// Rows of a plot; of a longer series the last ones are drawn.
const ROWS_MAX: usize = 24;
/// Powers of ten on either side of the limit that evidence is drawn in.
const DECADES: f64 = 3.0;
/// Marks nearer than this stand above one another.
const MARK_WIDTH: f64 = 26.0;
/// Bars thinner than this are a wall where most buckets hold something.
const BAR_WIDTH: f64 = 3.0;
/// Width of a closure from which its name stands in it.
const NAMED_FROM: f64 = 46.0;
/// Series with more buckets tell the numbers of unusual ones only.
const TOLD_MAX: usize = 800;

/// One row of a plot: a stretch of time.
struct Row {
    from: DateTime,
    to: DateTime,
    buckets: Range<usize>,
}

/// The heights of a row's two panels.
#[derive(Clone, Copy)]
struct Heights {
    counts: f64,
    evidence: f64,
}

impl Heights {
    /// Of each of so many rows.
    fn of(rows: usize) -> Self {
        let (counts, evidence) = if rows > 1 {
            (84.0, 34.0)
        } else {
            (190.0, 70.0)
        };
        Self { counts, evidence }
    }
}

/// The plot of a series as SVG. `name` tells it from the others of the page.
pub(super) fn plot(series: &Series, lens: Lens, name: &str) -> Markup {
    plot_crossed(series, lens, name, None)
}

/// The same with a line through both panels where the evidence crossed the limit.
pub(super) fn plot_crossed(
    series: &Series,
    lens: Lens,
    name: &str,
    crossed: Option<DateTime>,
) -> Markup {
    let mut rows = rows(series, lens);
    let left_out = rows.len().saturating_sub(ROWS_MAX);
    rows.drain(..left_out);
    let heights = Heights::of(rows.len());
    let class = if crossed.is_some() {
        "plot near"
    } else {
        "plot"
    };
    let row_height = STRIP + heights.counts + GAP + heights.evidence + DATES;
    let height = row_height * rows.len() as f64;
    let mut svg = Markup::default();
    svg.open(
        "svg",
        &[
            ("class", &class),
            ("viewBox", &format!("0 0 {} {}", At(WIDTH), At(height))),
            ("role", &"img"),
            ("aria-labelledby", &name),
        ],
    );
    let title = format!(
        "{}: {} arrivals, {} alerts",
        series.name,
        grouped(series.total()),
        series.alerts.len()
    );
    svg.element("title", &[("id", &name)], &title);
    let about = if rows.len() > 1 { 3 } else { 5 };
    for (n, row) in rows.iter().enumerate() {
        let top = row_height * n as f64;
        let drawn = DrawnRow {
            series,
            lens,
            row,
            x: Linear {
                from: (0.0, days_between(row.from, row.to)),
                to: PLOT_X,
            },
            top: top + STRIP,
            heights,
            ticks: round_ticks(largest(&series.buckets[row.buckets.clone()]), about),
            is_first: n == 0,
            is_alone: rows.len() == 1,
            crossed,
        };
        drawn.draw(&mut svg);
    }
    svg.close("svg");
    svg.line();
    if rows.len() > 1 {
        let mut told = "Each row has its own scale of counts.".to_owned();
        if left_out > 0 {
            told += &format!(" The first {left_out} rows are left out.");
        }
        svg.element("p", &[("class", &"note")], &told);
        svg.line();
    }
    svg
}

/// The top of the counts: no count is cut off, but a wide band is.
fn largest(buckets: &[Bucket]) -> u64 {
    let counts = buckets.iter().filter_map(|b| b.count).max().unwrap_or(0);
    let bands = buckets.iter().filter_map(|b| Some(b.band?.upper));
    let band = bands.max().unwrap_or(0);
    counts.max(band.min(counts + counts / 8)).max(4)
}

/// One row where its buckets can be told apart, else one for each year, or month of hours.
fn rows(series: &Series, lens: Lens) -> Vec<Row> {
    let Some((first, last)) = series.span() else {
        return Vec::new();
    };
    if series.buckets.len() <= ROW_BUCKETS {
        return vec![Row {
            from: first,
            to: last,
            buckets: 0..series.buckets.len(),
        }];
    }
    let (begin, step) = match lens {
        Lens::Hour => (first.date().first_of_month(), 1.month()),
        Lens::Day => (first.date().first_of_year(), 1.year()),
        Lens::Week => (first.date().first_of_year(), 10.years()),
    };
    let midnight = |date: Date| date.to_datetime(Time::midnight());
    let starts = std::iter::successors(Some(begin), |date| date.checked_add(step).ok());
    let index = |at| series.buckets.partition_point(|b| b.start < at);
    starts
        .take_while(|date| midnight(*date) < last)
        .map(|date| {
            let to = date.checked_add(step).unwrap_or(Date::MAX);
            let (from, to) = (midnight(date), midnight(to));
            Row {
                from,
                to,
                buckets: index(from)..index(to),
            }
        })
        .filter(|row| !row.buckets.is_empty())
        .collect()
}

struct DrawnRow<'a> {
    series: &'a Series,
    lens: Lens,
    row: &'a Row,
    x: Linear,
    /// Top of the counts.
    top: f64,
    heights: Heights,
    ticks: Vec<u64>,
    is_first: bool,
    is_alone: bool,
    crossed: Option<DateTime>,
}

impl DrawnRow<'_> {
    fn draw(&self, svg: &mut Markup) {
        self.draw_axes(svg);
        self.draw_shades(svg);
        self.draw_band(svg);
        self.draw_counts(svg);
        self.draw_evidence(svg);
        self.draw_crossed(svg);
        self.draw_alerts(svg);
        self.draw_words(svg);
    }

    fn at(&self, time: DateTime) -> f64 {
        self.x.at(days_between(self.row.from, time))
    }

    fn middle(&self, bucket: &Bucket) -> f64 {
        f64::midpoint(self.at(bucket.start), self.at(bucket.end))
    }

    fn floor(&self) -> f64 {
        self.top + self.heights.counts
    }

    fn bottom(&self) -> f64 {
        self.floor() + GAP + self.heights.evidence
    }

    fn counts(&self) -> Linear {
        let highest = self.ticks.last().copied().unwrap_or(1);
        Linear {
            from: (0.0, highest as f64),
            to: (self.floor(), self.top),
        }
    }

    fn evidence(&self) -> Linear {
        Linear {
            from: (-DECADES, DECADES),
            to: (self.bottom(), self.floor() + GAP),
        }
    }

    fn buckets(&self) -> &[Bucket] {
        &self.series.buckets[self.row.buckets.clone()]
    }

    fn draw_axes(&self, svg: &mut Markup) {
        let y = self.counts();
        let dates = date_ticks(self.row.from, self.row.to).into_iter();
        let dates = dates.map(|tick| (self.at(tick.at), tick));
        draw_grid(svg, &y, &self.ticks, (self.top, self.bottom()), dates);
        let y = self.evidence();
        let mut limit = Path::default();
        limit.to(PLOT_X.0, y.at(0.0));
        limit.across(PLOT_X.1);
        path(svg, "limit", &limit);
        words(svg, "tick", (PLOT_X.0 - 5.0, y.at(0.0) + 4.0), "limit");
        if self.is_alone {
            words(
                svg,
                "tick fine",
                (PLOT_X.0 - 5.0, y.at(DECADES) + 7.0),
                "×1,000",
            );
            words(
                svg,
                "tick fine",
                (PLOT_X.0 - 5.0, y.at(-DECADES) + 2.0),
                "1/1,000",
            );
        }
        if self.is_first {
            let arrivals = format!("arrivals by {}", lens_name(self.lens));
            words(svg, "panel", (PLOT_X.0 + 4.0, self.top - 20.0), &arrivals);
            words(
                svg,
                "panel fine",
                (PLOT_X.0 + 4.0, self.floor() + GAP + 9.0),
                "evidence: of a surge solid, of a drop dashed",
            );
        }
    }

    fn draw_shades(&self, svg: &mut Markup) {
        for shade in &self.series.shades {
            let (from, to) = (shade.from.max(self.row.from), shade.to.min(self.row.to));
            if from >= to {
                continue;
            }
            let (left, right) = (self.at(from), self.at(to));
            let class = match shade.kind {
                ShadeKind::Closed => "closed",
                ShadeKind::Restricted => "restricted",
                ShadeKind::Uncounted => "uncounted",
                ShadeKind::Labelled(_) => "labelled",
            };
            let height = match shade.kind {
                ShadeKind::Labelled(_) => 5.0,
                _ => self.bottom() - self.top,
            };
            rect(
                svg,
                class,
                (left, right),
                (self.top, height),
                &told_shade(shade),
            );
        }
        self.name_shades(svg);
    }

    /// Writes what a shade is into it, once for those that follow each other without a gap.
    fn name_shades(&self, svg: &mut Markup) {
        let same = |a: &Shade, b: &Shade| a.kind == b.kind && a.to == b.from;
        for run in self.series.shades.chunk_by(same) {
            let (first, last) = (&run[0], &run[run.len() - 1]);
            let left = self.at(first.from.max(self.row.from));
            let right = self.at(last.to.min(self.row.to));
            if right - left < NAMED_FROM {
                continue;
            }
            let middle = (f64::midpoint(left, right), self.top + 14.0);
            words(svg, "shade", middle, first.kind.label());
        }
    }

    fn draw_band(&self, svg: &mut Markup) {
        let (mut outer, mut inner, mut median) = Default::default();
        for run in self
            .buckets()
            .chunk_by(|a, b| a.band.is_some() == b.band.is_some() && a.end == b.start)
        {
            let bands = run.iter().filter_map(|b| Some((b, b.band?)));
            let ends: Vec<_> = bands
                .clone()
                .map(|(b, band)| (b, (band.lower, band.upper)))
                .collect();
            self.draw_area(&mut outer, &ends);
            let inside = bands.filter_map(|(b, band)| Some((b, band.inner?)));
            let ends: Vec<_> = inside
                .clone()
                .map(|(b, inner)| (b, (inner.lower, inner.upper)))
                .collect();
            self.draw_area(&mut inner, &ends);
            let medians = inside.map(|(b, inner)| (b, inner.median));
            self.draw_steps(&mut median, medians, true);
        }
        path(svg, "outer", &outer);
        path(svg, "inner", &inner);
        path(svg, "median", &median);
    }

    /// There along the upper ends and back along the lower ones.
    fn draw_area(&self, area: &mut Path, run: &[(&Bucket, (u64, u64))]) {
        if run.is_empty() {
            return;
        }
        let upper = run.iter().map(|(b, (_, upper))| (*b, *upper));
        self.draw_steps(area, upper, true);
        let y = self.counts();
        let mut last = None;
        for &(bucket, (lower, _)) in run.iter().rev() {
            if last != Some(lower) {
                if last.is_some() {
                    area.across(self.at(bucket.end));
                }
                area.upright(y.at(lower as f64));
                last = Some(lower);
            }
        }
        area.across(self.at(run[0].0.start));
        area.back();
    }

    /// A line of steps; level as long as the value stays.
    fn draw_steps<'b>(
        &self,
        line: &mut Path,
        values: impl Iterator<Item = (&'b Bucket, u64)>,
        begins: bool,
    ) {
        let y = self.counts();
        let (mut before, mut end) = (None, None);
        for (bucket, value) in values {
            let at = y.at(value as f64);
            match before {
                None if begins => line.to(self.at(bucket.start), at),
                Some(was) if was != value => {
                    line.across(self.at(bucket.start));
                    line.upright(at);
                }
                _ => {}
            }
            before = Some(value);
            end = Some(bucket.end);
        }
        if let Some(end) = end {
            line.across(self.at(end));
        }
    }

    /// Bars; points where bars would stand so close that they hide what was expected.
    fn draw_counts(&self, svg: &mut Markup) {
        let y = self.counts();
        let (mut bars, mut points, mut published) =
            (Path::default(), Path::default(), Path::default());
        let (width, are_points) = (self.bucket_width(), self.are_points());
        for bucket in self.buckets() {
            let Some(count) = bucket.count else { continue };
            let (x, top) = (self.middle(bucket), y.at(count as f64));
            if are_points {
                points.dot(x, top);
            } else if count > 0 {
                bars.to(x, self.floor());
                bars.upright(top);
            }
            if bucket.is_published && count > 0 {
                published.dot(x, top);
            }
        }
        if !bars.is_empty() {
            let width = (width * 0.7).clamp(0.8, 12.0);
            let class = ("class", &"bars" as &dyn Display);
            svg.element(
                "path",
                &[class, ("stroke-width", &At(width)), ("d", &bars)],
                "",
            );
        }
        path(svg, "points", &points);
        path(svg, "dots", &published);
    }

    fn bucket_width(&self) -> f64 {
        let first = self.buckets().first();
        first.map_or(1.0, |b| self.at(b.end) - self.at(b.start))
    }

    /// Whether most of many buckets hold something. Published totals are told by a dot, so that their series keep bars.
    fn are_points(&self) -> bool {
        let buckets = self.buckets();
        let held = buckets.iter().filter(|b| b.count > Some(0)).count();
        let is_plain = buckets.iter().all(|b| !b.is_published);
        is_plain && self.bucket_width() < BAR_WIDTH && 2 * held > buckets.len()
    }

    fn draw_evidence(&self, svg: &mut Markup) {
        let y = self.evidence();
        for direction in Direction::ALL {
            let mut line = Path::default();
            let mut before: Option<DateTime> = None;
            for bucket in self.buckets() {
                let Some(evidence) = bucket.evidence else {
                    before = None;
                    continue;
                };
                let (x, at) = (self.middle(bucket), y.at(evidence[direction as usize]));
                if before == Some(bucket.start) {
                    line.line(x, at);
                } else {
                    line.dot(x, at);
                }
                before = Some(bucket.end);
            }
            path(svg, &format!("evidence {}", direction.label()), &line);
        }
    }

    fn draw_crossed(&self, svg: &mut Markup) {
        let mut buckets = self.buckets().iter();
        if let Some(bucket) = buckets.find(|b| Some(b.start) == self.crossed) {
            let mut line = Path::default();
            line.to(self.middle(bucket), self.top);
            line.upright(self.bottom());
            path(svg, "crossed", &line);
        }
    }

    fn draw_alerts(&self, svg: &mut Markup) {
        let mut marked = [f64::NEG_INFINITY; 2];
        let last = self.series.span().map_or(self.row.to, |(_, last)| last);
        for (number, alert) in (1..).zip(&self.series.alerts) {
            let mut holding = self.buckets().iter();
            let bucket = holding.find(|b| (b.start..b.end).contains(&alert.opened));
            let from = bucket.map_or(alert.opened, |b| b.start);
            let to = alert.ended.unwrap_or(last).min(self.row.to);
            if from < self.row.to && to > self.row.from {
                let (left, right) = (self.at(from), self.at(to));
                let class = format!("open {}", alert.direction.label());
                rect(svg, &class, (left, right), (self.top - 4.0, 3.0), "");
            }
            if !(self.row.from..self.row.to).contains(&alert.opened) {
                continue;
            }
            let x = bucket.map_or(self.at(alert.opened), |b| self.middle(b));
            let level = usize::from(x - marked[0] < MARK_WIDTH && x - marked[1] >= x - marked[0]);
            marked[level] = x;
            let y = self.top - 6.0 - 12.0 * level as f64;
            svg.open("g", &[("class", &"mark")]);
            svg.element("title", &[], &alert.sentence);
            triangle(svg, alert.direction, (x, y), 9.0);
            words(svg, "", (x + 6.0, y), &number.to_string());
            svg.close("g");
        }
    }

    /// What a pointer that rests on a bucket is told.
    fn draw_words(&self, svg: &mut Markup) {
        let all = self.series.buckets.len() <= TOLD_MAX;
        for bucket in self.buckets() {
            let Some(count) = bucket.count else { continue };
            let is_usual = bucket
                .band
                .is_some_and(|band| (band.lower..=band.upper).contains(&count));
            if !all && (is_usual || count == 0) {
                continue;
            }
            let (left, right) = (self.at(bucket.start), self.at(bucket.end));
            let height = self.bottom() - self.top;
            let told = told_bucket(bucket, self.lens);
            rect(svg, "word", (left, right), (self.top, height), &told);
        }
        svg.line();
    }
}

fn told_bucket(bucket: &Bucket, lens: Lens) -> String {
    let format = if lens == Lens::Hour {
        "%A %-d %B %Y %H:%M"
    } else {
        "%A %-d %B %Y"
    };
    let Some(count) = bucket.count.map(grouped) else {
        return format!("{}: not counted", bucket.start.strftime(format));
    };
    let usual = bucket.band.map_or("closed".to_owned(), |band| {
        let inner = band.inner;
        let median = inner.map_or(String::new(), |i| format!(", median {}", grouped(i.median)));
        let (lower, upper) = (grouped(band.lower), grouped(band.upper));
        format!("usual {lower} to {upper}{median}")
    });
    format!("{}: {count} ({usual})", bucket.start.strftime(format))
}

/// What a shade is and how long it lasts.
pub(super) fn told_shade(shade: &Shade) -> String {
    let moment = |at: DateTime| {
        let format = if at.time() == Time::midnight() {
            "%-d %B %Y"
        } else {
            "%-d %B %Y %H:%M"
        };
        at.strftime(format).to_string()
    };
    let what = shade.kind.label();
    let until = if shade.lasts {
        "on".to_owned()
    } else {
        format!("to {}", moment(shade.to))
    };
    let reason = if shade.reason.is_empty() {
        String::new()
    } else {
        format!(": {}", shade.reason)
    };
    format!("{what} from {} {until}{reason}", moment(shade.from))
}
