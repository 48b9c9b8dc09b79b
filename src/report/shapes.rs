//! Owns the shapes that plots are made of.

use super::markup::{At, Attributes, Markup, Path};
use super::scale::{DateTick, Linear, short};
use crate::core::alert::Direction;

/// Where the axis of time of a plot begins and ends.
pub(super) const PLOT_X: (f64, f64) = (54.0, 708.0);

/// From left to right, from a top so high; never too thin to be seen. What it tells, it tells a pointer.
pub(super) fn rect(
    svg: &mut Markup,
    class: &str,
    (left, right): (f64, f64),
    (top, height): (f64, f64),
    told: &str,
) {
    let attributes: Attributes<'_> = &[
        ("class", &class),
        ("x", &At(left)),
        ("y", &At(top)),
        ("width", &At((right - left).max(0.6))),
        ("height", &At(height)),
    ];
    svg.open("rect", attributes);
    if !told.is_empty() {
        svg.element("title", &[], told);
    }
    svg.close("rect");
}

/// A line or an area; nothing where there is none.
pub(super) fn path(svg: &mut Markup, class: &str, path: &Path) {
    if !path.is_empty() {
        svg.element("path", &[("class", &class), ("d", path)], "");
    }
}

/// A text at a place.
pub(super) fn words(svg: &mut Markup, class: &str, (x, y): (f64, f64), text: &str) {
    let attributes: Attributes<'_> = &[("class", &class), ("x", &At(x)), ("y", &At(y))];
    svg.element("text", attributes, text);
}

/// The mark of an alert: up for a surge, down for a drop. It stands on `y` in the middle of `x`.
pub(super) fn triangle(svg: &mut Markup, direction: Direction, (x, y): (f64, f64), size: f64) {
    let (base, tip) = match direction {
        Direction::Surge => (y, y - size),
        Direction::Drop => (y - size, y),
    };
    let mut mark = Path::default();
    mark.to(x - size / 2.0, base);
    mark.line(x + size / 2.0, base);
    mark.line(x, tip);
    mark.back();
    path(svg, direction.label(), &mark);
}

/// Lines across at the counts of a plot, and up at its dates from top to bottom, with what is written beside and below them.
pub(super) fn draw_grid(
    svg: &mut Markup,
    counts: &Linear,
    ticks: &[u64],
    (top, bottom): (f64, f64),
    dates: impl Iterator<Item = (f64, DateTick)>,
) {
    let mut grid = Path::default();
    for tick in ticks {
        let at = counts.at(*tick as f64);
        grid.to(PLOT_X.0, at);
        grid.across(PLOT_X.1);
        words(svg, "tick", (PLOT_X.0 - 5.0, at + 4.0), &short(*tick));
    }
    for (at, tick) in dates {
        grid.to(at, top);
        grid.upright(bottom + 4.0);
        // The last date would end beyond the edge.
        let class = match (tick.is_major, at > PLOT_X.1 - 24.0) {
            (_, true) => continue,
            (true, false) => "date",
            (false, false) => "minor",
        };
        words(svg, class, (at + 2.0, bottom + 17.0), &tick.label);
    }
    path(svg, "grid", &grid);
}
