//! Owns the small multiples: all of a series in the space of a word.

use super::markup::{At, Markup, Path};
use super::model::{Series, ShadeKind};
use super::scale::{Linear, days_between};
use super::shapes::{path, rect, triangle};

/// Width and height of a small multiple.
const SMALL: (f64, f64) = (160.0, 40.0);

/// All of a series in a small space: counts, closures, where alerts began.
pub(super) fn small(series: &Series) -> Markup {
    let mut svg = Markup::default();
    let size = format!("0 0 {} {}", At(SMALL.0), At(SMALL.1));
    svg.open(
        "svg",
        &[
            ("class", &"small"),
            ("viewBox", &size),
            ("aria-hidden", &"true"),
        ],
    );
    if let Some((from, to)) = series.span() {
        let x = Linear {
            from: (0.0, days_between(from, to)),
            to: (0.0, SMALL.0),
        };
        let at = |time| x.at(days_between(from, time));
        for shade in series.shades.iter().filter(|s| s.kind == ShadeKind::Closed) {
            let (left, right) = (at(shade.from), at(shade.to));
            rect(&mut svg, "closed", (left, right), (8.0, 32.0), "");
        }
        // The largest count of each unit of width: more would be drawn over one another.
        let mut columns = vec![0; SMALL.0 as usize];
        for bucket in &series.buckets {
            let column = columns.get_mut(at(bucket.start) as usize);
            if let Some(column) = column {
                *column = bucket.count.unwrap_or(0).max(*column);
            }
        }
        let highest = columns.iter().copied().max().unwrap_or(0).max(4);
        let y = Linear {
            from: (0.0, highest as f64),
            to: (SMALL.1, 9.0),
        };
        let mut bars = Path::default();
        for (column, count) in columns.iter().enumerate().filter(|(_, count)| **count > 0) {
            bars.to(column as f64 + 0.5, SMALL.1);
            bars.upright(y.at(*count as f64));
        }
        path(&mut svg, "bars", &bars);
        for alert in &series.alerts {
            let middle = at(alert.opened).clamp(4.0, SMALL.0 - 4.0);
            triangle(&mut svg, alert.direction, (middle, 7.0), 7.0);
        }
    }
    svg.close("svg");
    svg
}
