//! Owns the page: title, small multiples, the key, and a section for each series. It needs no network, no script and no font.

use super::card::card;
use super::course::fan;
use super::markup::Markup;
use super::model::{Alert, Report, Series, ShadeKind};
use super::plot::{plot, told_shade};
use super::small::small;
use crate::core::alert::Direction;
use crate::core::lens::Lens;
use crate::wire::sentence::grouped;
use jiff::civil::{DateTime, Time};

/// What plots and cards need.
pub const PLOT_STYLE: &str = include_str!("plot.css");
const STYLE: &str = include_str!("page.css");
/// Fillings that can be told apart without colour.
const PATTERNS: &str = r#"<svg class="patterns" aria-hidden="true"><defs>
<pattern id="closed" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path d="M0 0V7" stroke-width="2.4" opacity=".55"/></pattern>
<pattern id="restricted" width="6" height="6" patternUnits="userSpaceOnUse"><circle cx="2" cy="2" r=".9" opacity=".8"/></pattern>
<pattern id="uncounted" width="6" height="6" patternUnits="userSpaceOnUse"><path d="M0 2H6" stroke-width="1" opacity=".6"/></pattern>
</defs></svg>
"#;
/// Alerts of a series that have a card of their evidence; a file of counts may have hundreds of alerts.
const CARDS_MAX: usize = 12;
/// Closures that a series lists; a file of counts may have hundreds of gaps.
const SHADES_MAX: usize = 12;

/// The page of a report.
#[must_use]
pub fn page(report: &Report) -> String {
    let mut html = Markup::default();
    html.verbatim("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html.verbatim("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    html.element("title", &[], &format!("{} - surgewatch", report.title));
    html.verbatim("\n<style>\n");
    html.verbatim(PLOT_STYLE);
    html.verbatim(STYLE);
    html.verbatim("</style>\n</head>\n<body>\n");
    html.verbatim(PATTERNS);
    head(&mut html, report);
    cards(&mut html, report);
    incidents(&mut html, report);
    key(&mut html, report);
    for (n, series) in report.series.iter().enumerate() {
        section(&mut html, report.lens, n, series);
    }
    html.verbatim("<footer>Made by surgewatch. It sees counts of arrivals only: nothing here describes a person or says who comes or why.</footer>\n</body>\n</html>\n");
    html.finish()
}

fn head(html: &mut Markup, report: &Report) {
    html.verbatim("<header>\n");
    html.element("h1", &[], &report.title);
    let spans = report.series.iter().filter_map(Series::span);
    let span = spans.reduce(|(a, b), (from, to)| (a.min(from), b.max(to)));
    let alerts: usize = report.series.iter().map(|s| s.alerts.len()).sum();
    let total: u64 = report.series.iter().map(Series::total).sum();
    if let Some((from, to)) = span {
        let last = to.saturating_sub(jiff::Span::new().milliseconds(1));
        let date = |at: DateTime| at.strftime("%-d %B %Y").to_string();
        let line = format!(
            "{} to {} · {} · {} · {}",
            date(from),
            date(last),
            drawn(report),
            counted(total, "arrival", "arrivals"),
            counted(alerts as u64, "alert", "alerts")
        );
        html.element("p", &[("class", &"period")], &line);
    }
    html.verbatim("<div class=\"about\">\n");
    for note in &report.notes {
        html.element("p", &[], note);
        html.line();
    }
    let [left_out, with_alerts] = report.left_out;
    if left_out > 0 {
        let alerts = match with_alerts {
            0 => "None of those has an alert.".to_owned(),
            n => format!(
                "{} of those have alerts: give --most to draw more.",
                grouped(n as u64)
            ),
        };
        let line = format!(
            "{} more series are left out; those with alerts and the strongest evidence are drawn. {alerts}",
            grouped(left_out as u64)
        );
        html.element("p", &[("class", &"left-out")], &line);
    }
    html.verbatim("</div>\n</header>\n");
}

/// How many series are drawn.
fn drawn(report: &Report) -> String {
    let drawn = report.series.len();
    match report.left_out[0] {
        0 => format!("{} series", grouped(drawn as u64)),
        out => format!("{drawn} of {} series", grouped((drawn + out) as u64)),
    }
}

/// What hangs together: its days beside the episode it is like, and what was said of it, folded under its title.
fn incidents(html: &mut Markup, report: &Report) {
    for (n, incident) in report.incidents.iter().enumerate() {
        html.verbatim("<section>\n");
        if let Some(course) = &incident.course {
            let title = format!("{}, beside {}", incident.title, course.episode);
            html.element("h2", &[], &title);
            html.line();
            html.append(fan(course, &format!("f{n}")));
        }
        html.verbatim("<details>\n");
        let what = match incident.course {
            Some(_) => "What was said of it",
            None => &incident.title,
        };
        html.element("summary", &[], &incident.timed(what));
        html.verbatim("\n<ul class=\"incident\">\n");
        for (at, sentence) in &incident.lines {
            html.open("li", &[]);
            html.element("b", &[], &moment(*at));
            html.text(" ");
            html.text(sentence);
            html.close("li");
            html.line();
        }
        html.verbatim("</ul>\n</details>\n</section>\n");
    }
}

/// Small multiples, in the order of the sections.
fn cards(html: &mut Markup, report: &Report) {
    html.verbatim("<ol class=\"cards\">\n");
    for (n, series) in report.series.iter().enumerate() {
        html.verbatim("<li>");
        html.open("a", &[("href", &format!("#s{n}"))]);
        html.open("b", &[]);
        // Names of files and columns are long words; they may break after an underscore.
        for part in series.name.split_inclusive('_') {
            html.text(part);
            if part.ends_with('_') {
                html.verbatim("<wbr>");
            }
        }
        html.close("b");
        html.append(small(series));
        html.element("span", &[("class", &"state")], &state(series));
        let first = series
            .alerts
            .first()
            .map_or("no alert".to_owned(), |alert| {
                format!("first alert {}", moment(alert.opened))
            });
        html.element("span", &[], &first);
        html.verbatim("</a></li>\n");
    }
    html.verbatim("</ol>\n");
}

/// How a series stands at the end.
fn state(series: &Series) -> String {
    let open = series.alerts.iter().rev().find(|a| a.ended.is_none());
    let end = series.span().map(|(_, end)| end);
    let shut = series
        .shades
        .iter()
        .find(|s| s.kind == ShadeKind::Closed && Some(s.to) >= end);
    match (open, shut) {
        (Some(alert), shut) => {
            let closed = if shut.is_some() { " · closed" } else { "" };
            format!(
                "{} {} {} open{closed}",
                sign(alert),
                alert.worst().label(),
                alert.direction.label()
            )
        }
        (None, Some(_)) => "▨ closed at the end".into(),
        (None, None) => "as usual at the end".into(),
    }
}

fn sign(alert: &Alert) -> &'static str {
    match alert.direction {
        Direction::Surge => "▲",
        Direction::Drop => "▼",
    }
}

fn section(html: &mut Markup, lens: Lens, n: usize, series: &Series) {
    html.open("section", &[("id", &format!("s{n}"))]);
    html.open("h2", &[]);
    html.text(&series.name);
    let total = counted(series.total(), "arrival", "arrivals");
    html.element("small", &[], &format!("{} · {total}", series.about));
    html.close("h2");
    html.line();
    html.append(plot(series, lens, &format!("t{n}")));
    if !series.alerts.is_empty() {
        html.verbatim("<ol class=\"alerts\">\n");
        for (k, alert) in series.alerts.iter().enumerate() {
            html.verbatim("<li>");
            html.element(
                "b",
                &[],
                &format!("{} {}", sign(alert), moment(alert.opened)),
            );
            // The heading above has said where.
            let place = format!("{}: ", series.name);
            let told = alert.sentence.strip_prefix(&place);
            html.text(&format!(" – {}", told.unwrap_or(&alert.sentence)));
            html.element("span", &[("class", &"life")], &life(alert));
            if k < CARDS_MAX {
                html.verbatim("<details><summary>Evidence</summary>\n");
                html.append(card(series, alert, lens, &format!("t{n}-{k}")));
                html.verbatim("</details>");
            }
            html.verbatim("</li>\n");
        }
        html.verbatim("</ol>\n");
    }
    for remark in &series.remarks {
        html.element("p", &[("class", &"note")], remark);
        html.line();
    }
    let told = series.shades.iter().take(SHADES_MAX).map(told_shade);
    let mut told: Vec<String> = told.collect();
    if series.shades.len() > SHADES_MAX {
        told.push(format!("and {} more", series.shades.len() - SHADES_MAX));
    }
    if !told.is_empty() {
        html.element("p", &[("class", &"note")], &sentence(&told.join("; ")));
    }
    html.verbatim("</section>\n");
}

/// What became of an alert.
fn life(alert: &Alert) -> String {
    let mut told = format!("{} {}", alert.severity.label(), alert.direction.label());
    for (when, severity) in &alert.grew {
        told += &format!(", {} from {}", severity.label(), moment(*when));
    }
    for when in &alert.again {
        told += &format!(", there again on {}", moment(*when));
    }
    match alert.ended {
        Some(ended) => told + &format!("; over {}", moment(ended)),
        None => told + "; open at the end",
    }
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}

fn moment(at: DateTime) -> String {
    let format = if at.time() == Time::midnight() {
        "%-d %b %Y"
    } else {
        "%-d %b %Y %H:%M"
    };
    at.strftime(format).to_string()
}

fn counted(number: u64, one: &str, many: &str) -> String {
    let noun = if number == 1 { one } else { many };
    format!("{} {noun}", grouped(number))
}

/// What each mark of a plot stands for.
fn key(html: &mut Markup, report: &Report) {
    html.verbatim("<ul class=\"key\">\n");
    for (is_used, mark, words) in marks(report) {
        if is_used {
            html.verbatim("<li><svg viewBox=\"0 0 26 14\" aria-hidden=\"true\">");
            html.verbatim(mark);
            html.verbatim("</svg>");
            html.text(words);
            html.verbatim("</li>\n");
        }
    }
    html.verbatim("</ul>\n");
}

/// Whether a mark is on the page, the mark, and its meaning.
fn marks(report: &Report) -> [(bool, &'static str, &'static str); 11] {
    let bar = match report.lens {
        Lens::Hour => "arrivals by hour: bars, or points where they are many",
        Lens::Day => "arrivals by day: bars, or points where they are many",
        Lens::Week => "arrivals by week: bars, or points where they are many",
    };
    let shades = || report.series.iter().flat_map(|s| &s.shades).map(|s| s.kind);
    let has = |kind: fn(ShadeKind) -> bool| shades().any(kind);
    [
        (
            true,
            r#"<path class="bars" stroke-width="4" d="M6 14V5M13 14V1M20 14V8"/>"#,
            bar,
        ),
        (
            report.has_published,
            r#"<path class="bars" stroke-width="3" d="M13 14V4"/><path class="dots" d="M13 4H13"/>"#,
            "total published for that place and day",
        ),
        (
            true,
            r#"<path class="outer" d="M0 1H26V13H0Z"/><path class="inner" d="M0 4H26V10H0Z"/><path class="median" d="M0 7H26"/>"#,
            "expected: median, 80 % and usual range (98 %); none while shut",
        ),
        (
            true,
            r#"<path class="evidence surge" d="M0 13L10 9L16 3H26"/>"#,
            "evidence of a surge, up to 1,000 times the limit and down to a thousandth",
        ),
        (
            true,
            r#"<path class="evidence drop" d="M0 13L10 9L16 3H26"/>"#,
            "of a drop",
        ),
        (
            true,
            r#"<path class="limit" d="M0 7H26"/>"#,
            "limit that raises an alert",
        ),
        (
            true,
            r#"<path class="surge" d="M3 12H12L7.5 3Z"/><path class="drop" d="M15 3H24L19.5 12Z"/>"#,
            "alert of a surge, of a drop; the line is how long it was open",
        ),
        (
            has(|k| k == ShadeKind::Closed),
            r#"<rect class="closed" width="26" height="14"/>"#,
            "closed",
        ),
        (
            has(|k| k == ShadeKind::Restricted),
            r#"<rect class="restricted" width="26" height="14"/>"#,
            "open with limits",
        ),
        (
            has(|k| k == ShadeKind::Uncounted),
            r#"<rect class="uncounted" width="26" height="14"/>"#,
            "closed or not counted",
        ),
        (
            has(|k| matches!(k, ShadeKind::Labelled(_))),
            r#"<rect class="labelled" y="4" width="26" height="5"/>"#,
            "labelled in the file",
        ),
    ]
}
