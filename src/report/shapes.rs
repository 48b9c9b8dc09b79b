//! Owns the shapes that plots are made of.

use super::markup::{At, Attributes, Markup, Path};
use crate::core::alert::Direction;

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
