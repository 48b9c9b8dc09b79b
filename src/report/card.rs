//! Owns the evidence card of an alert: the buckets around it drawn large, where its evidence crossed the limit, and its numbers
//! in words.

use super::markup::Markup;
use super::model::{Alert, Bucket, Series, lens_name};
use super::plot::{plot_crossed, told_shade};
use crate::core::alert::Direction;
use crate::core::lens::Lens;
use crate::wire::sentence::grouped;

/// Buckets before the one that raised it.
const BEFORE: usize = 21;
/// Buckets from that one on, at most.
const AFTER: usize = 28;
/// Closures that are told.
const SHADES_MAX: usize = 6;
/// Beyond so many powers of ten a multiple of the limit is told as more than that.
const DECADES: f64 = 6.0;

/// The card of an alert as HTML, for a page that has [`PLOT_STYLE`](super::PLOT_STYLE) and the patterns
/// of closures.
#[must_use]
pub fn alert_card(series: &Series, alert: &Alert, lens: Lens) -> String {
    card(series, alert, lens, "card").finish()
}

/// The card of an alert of a series. `name` tells its drawing from the others of the page.
pub(super) fn card(series: &Series, alert: &Alert, lens: Lens, name: &str) -> Markup {
    let around = around(series, alert);
    let crossed = crossed(&around, alert);
    let mut html = plot_crossed(&around, lens, name, crossed.map(|bucket| bucket.start));
    html.verbatim("<dl class=\"numbers\">\n");
    for (what, words) in numbers(&around, alert, lens, crossed) {
        html.element("dt", &[], what);
        html.element("dd", &[], &words);
        html.line();
    }
    html.verbatim("</dl>\n");
    html
}

/// The alert with the buckets before it, and its own up to a limit.
fn around(series: &Series, alert: &Alert) -> Series {
    let all = &series.buckets;
    let at = all.partition_point(|b| b.end <= alert.opened);
    let ended = alert
        .ended
        .map_or(all.len(), |ended| all.partition_point(|b| b.start < ended));
    let to = ended.clamp(at, at + AFTER).max(at + 1).min(all.len());
    let buckets = all[at.saturating_sub(BEFORE).min(to)..to].to_vec();
    let span = buckets.first().zip(buckets.last());
    let shades = series.shades.iter().filter(|shade| {
        span.is_some_and(|(first, last)| shade.from < last.end && shade.to > first.start)
    });
    Series {
        name: series.name.clone(),
        about: series.about.clone(),
        shades: shades.cloned().collect(),
        buckets,
        alerts: vec![alert.clone()],
        remarks: Vec::new(),
    }
}

/// The bucket in which the evidence crossed the limit: the one that raised the alert, or the first one after it that shows so.
fn crossed<'a>(around: &'a Series, alert: &Alert) -> Option<&'a Bucket> {
    let side = alert.direction as usize;
    let mut since = around.buckets.iter().filter(|b| b.end > alert.opened);
    since.find(|b| b.evidence.is_some_and(|evidence| evidence[side] >= 0.0))
}

/// What the numbers are of, and the numbers.
fn numbers(
    around: &Series,
    alert: &Alert,
    lens: Lens,
    crossed: Option<&Bucket>,
) -> Vec<(&'static str, String)> {
    let side = alert.direction as usize;
    let own = || around.buckets.iter().filter(|b| b.end > alert.opened);
    let mut told = Vec::new();
    if let Some(crossed) = crossed {
        let bucket = lens_name(lens);
        let what = counted(crossed, lens);
        told.push((
            "Counted",
            format!("{what}, the {bucket} its evidence crossed the limit"),
        ));
    }
    let open = || own().filter(|b| b.evidence.is_some());
    let farthest = match alert.direction {
        Direction::Surge => open().rev().max_by_key(|b| b.count),
        Direction::Drop => open().min_by_key(|b| b.count),
    };
    if let Some(farthest) = farthest.filter(|b| Some(b.start) != crossed.map(|c| c.start)) {
        told.push(("Farthest", counted(farthest, lens)));
    }
    let evidence = |bucket: &Bucket| bucket.evidence.map(|evidence| evidence[side]);
    let mut words = match crossed {
        Some(bucket) => format!("crossed the limit on {}", when(bucket, lens)),
        None => "is not over the limit in any whole bucket here".to_owned(),
    };
    let before = crossed.and_then(|crossed| {
        let before = around
            .buckets
            .iter()
            .rev()
            .filter(|b| b.end <= crossed.start);
        before.filter_map(evidence).next()
    });
    if let Some(before) = before {
        words += &format!("; before that it was at {}", times(before));
    }
    let strongest = own().filter_map(|b| Some((b, evidence(b)?)));
    if let Some((bucket, most)) = strongest.max_by(|(_, a), (_, b)| a.total_cmp(b)) {
        words += &format!("; strongest on {}, at {}", when(bucket, lens), times(most));
    }
    told.push(("Evidence", words));
    let shades = around.shades.iter().take(SHADES_MAX).map(told_shade);
    let shades: Vec<String> = shades.collect();
    if !shades.is_empty() {
        let more = match around.shades.len().saturating_sub(SHADES_MAX) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        told.push(("Gate", format!("{}{more}", shades.join("; "))));
    }
    told
}

fn counted(bucket: &Bucket, lens: Lens) -> String {
    let count = bucket.count.map_or("nothing".to_owned(), grouped);
    let usual = match bucket.band.map(|band| (band.lower, band.upper)) {
        None => "nothing is expected while it is shut".to_owned(),
        Some((_, 0)) => "usually none".to_owned(),
        Some((0, upper)) => format!("usually at most {}", grouped(upper)),
        Some((lower, upper)) => format!("usually {} to {}", grouped(lower), grouped(upper)),
    };
    format!("{count} on {} ({usual})", when(bucket, lens))
}

fn when(bucket: &Bucket, lens: Lens) -> String {
    let format = match lens {
        Lens::Hour => "%-d %B %Y from %H:%M",
        Lens::Day | Lens::Week => "%A %-d %B %Y",
    };
    bucket.start.strftime(format).to_string()
}

/// A power of ten of the limit in words.
fn times(log10: f64) -> String {
    let most = grouped(10_u64.pow(DECADES as u32));
    let multiple = 10_f64.powf(log10.abs());
    // Two digits are what a reader can use.
    let step = 10_f64.powf((log10.abs().floor() - 1.0).max(0.0));
    let shown = grouped(((multiple / step).round() * step) as u64);
    match log10 {
        _ if log10 >= DECADES => format!("more than {most} times the limit"),
        _ if log10 <= -DECADES => format!("less than 1/{most} of the limit"),
        _ if log10.abs() < 0.17 => "about the limit".to_owned(),
        _ if log10 > 0.0 => format!("{shown} times the limit"),
        _ => format!("1/{shown} of the limit"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_multiple_of_the_limit_is_said_in_two_digits() {
        for (log10, said) in [
            (0.0, "about the limit"),
            (0.1, "about the limit"),
            (0.31, "2 times the limit"),
            (2.094, "120 times the limit"),
            (5.0, "100,000 times the limit"),
            (6.5, "more than 1,000,000 times the limit"),
            (-1.0, "1/10 of the limit"),
            (-3.2, "1/1,600 of the limit"),
            (-80.0, "less than 1/1,000,000 of the limit"),
        ] {
            assert_eq!(times(log10), said, "{log10}");
        }
    }
}
