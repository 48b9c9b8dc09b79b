//! Owns the tables of a trial that a person reads.

use super::tally::{ASKED_DAYS, BINS};
use super::{Bin, Coverage, Lived, Report, Tally};
use crate::variants::Kind;
use std::collections::BTreeMap;

/// Kinds that must not be taken for a steered episode.
const INNOCENT: [Kind; 3] = [Kind::Noise, Kind::Holiday, Kind::Weather];
/// Days ahead of projections.
const AHEAD: [u32; 3] = [1, 3, 7];

/// All tables.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut parts = Vec::new();
    if report.variants > 0 {
        let (n, seed) = (report.variants, report.first_seed);
        parts.push(format!(
            "{n} variants of each kind, seeds {seed} to {}. Said is what has half of the probability; day 1 is the day of the onset.",
            seed + n - 1
        ));
        for (asked, day) in ASKED_DAYS.iter().enumerate() {
            parts.push(format!(
                "day {day}: how many variants of each kind (rows) were said to be what\n{}",
                confusion(&report.tally, asked)
            ));
        }
        parts.push(shares(&report.tally));
        parts.push(reliability(&report.tally));
        parts.push(format!(
            "80 % intervals: share that held, by day of the projection, where gates stayed as they were; on day 1 only incidents that were open before are projected, and none knows what has just begun\n{}",
            coverage(&report.tally.coverage)
        ));
        parts.push(format!(
            "the same where a gate shut or opened, which a projection does not know\n{}",
            coverage(&report.tally.coverage_after_gates_changed)
        ));
        parts.push(format!(
            "when variants of the families were said to have begun: share of the ranges of 80 % that held the day\n{}",
            onsets(&report.tally)
        ));
    }
    if !report.replays.is_empty() {
        parts.push(replays(&report.replays, &report.quiet));
    }
    if !report.counted.is_empty() {
        parts.push(counted(report));
    }
    parts.join("\n\n")
}

/// Rows of cells, the first column to the left, the others to the right.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(at, (cell, width))| {
            if at == 0 {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        let line: Vec<String> = cells.collect();
        line.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A share in percent.
fn percent(ratio: Option<f64>) -> String {
    ratio.map_or("-".into(), |ratio| format!("{:.1} %", 100.0 * ratio))
}

fn days(title: &str) -> Vec<String> {
    let days = ASKED_DAYS.iter().map(|day| format!("day {day}"));
    std::iter::once(title.to_owned()).chain(days).collect()
}

fn confusion(tally: &Tally, asked: usize) -> String {
    // The year tells the families apart, and their names are long.
    let short = |name: &String| name.split('-').next().unwrap_or(name).to_owned();
    let arctic = |name: &String| match name.as_str() {
        "arctic-2015-ramp" => "ramp".to_owned(),
        "arctic-2016-throttle" => "throttle".to_owned(),
        _ => short(name),
    };
    let mut rows = vec![
        std::iter::once(String::new())
            .chain(tally.answers.iter().map(arctic))
            .collect::<Vec<_>>(),
    ];
    for kind in Kind::ALL {
        if let Some(said) = tally.said.get(kind.name()) {
            let counts = said[asked].iter().map(u32::to_string);
            rows.push(
                std::iter::once(kind.name().to_owned())
                    .chain(counts)
                    .collect(),
            );
        }
    }
    table(&rows)
}

fn shares(tally: &Tally) -> String {
    let all = 0..ASKED_DAYS.len();
    let row = |title: &str, share: &dyn Fn(usize) -> Option<f64>| {
        let cells = all.clone().map(|asked| percent(share(asked)));
        std::iter::once(title.to_owned())
            .chain(cells)
            .collect::<Vec<_>>()
    };
    let mut rows = vec![
        days("shares"),
        row("right among those named as a family", &|at| {
            tally.right_ratio(at)
        }),
        row("too little to say, of those with an incident", &|at| {
            tally.too_little_ratio(at)
        }),
        row("noise, holidays, weather named as steered, of all", &|at| {
            tally.steered_ratio(&INNOCENT, at)
        }),
        row("the same of those with an incident", &|at| {
            tally.steered_ratio_of_incidents(&INNOCENT, at)
        }),
    ];
    for kind in INNOCENT {
        rows.push(row(
            &format!("  {}, of those with an incident", kind.name()),
            &|at| tally.steered_ratio_of_incidents(&[kind], at),
        ));
    }
    table(&rows)
}

fn reliability(tally: &Tally) -> String {
    let head = [
        "matches of families given",
        "all days: right",
        "of",
        "said",
        "day 14: right",
        "of",
        "said",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let at_14 = ASKED_DAYS.iter().position(|day| *day == 14).unwrap_or(0);
    let bins = tally.reliability_of_all();
    for (at, (all, one)) in bins.iter().zip(&tally.reliability[at_14]).enumerate() {
        let high = BINS.get(at + 1).copied().unwrap_or(1.0);
        let mut row = vec![format!("{:.0} to {:.0} %", 100.0 * BINS[at], 100.0 * high)];
        row.extend([all, one].into_iter().flat_map(bin));
        rows.push(row);
    }
    table(&rows)
}

fn bin(bin: &Bin) -> [String; 3] {
    let share = |part: f64| (bin.matches > 0).then(|| part / f64::from(bin.matches));
    [
        percent(share(f64::from(bin.right))),
        bin.matches.to_string(),
        percent(share(bin.promised)),
    ]
}

fn coverage(by_day: &[BTreeMap<u32, Coverage>; ASKED_DAYS.len()]) -> String {
    let mut rows = vec![days("days ahead")];
    for ahead in AHEAD {
        let mut row = vec![ahead.to_string()];
        row.extend(by_day.iter().map(|by| cell(by.get(&ahead))));
        let mut all = Coverage::default();
        by_day
            .iter()
            .filter_map(|by| by.get(&ahead))
            .for_each(|c| all.add_all(c));
        row.push(format!("all {}", cell(Some(&all))));
        rows.push(row);
    }
    table(&rows)
}

/// What held, of how many, on which side the others lay, and how wide the ranges were.
fn onsets(tally: &Tally) -> String {
    let held = tally.onsets.iter().map(|o| {
        let (before, after) = (o.before, o.after);
        format!("{} of {} ({before}-, {after}+)", percent(o.ratio()), o.said)
    });
    let width = tally.onsets.iter().map(|o| {
        let days = o.width_days();
        days.map_or("-".to_owned(), |days| format!("{days:.1}"))
    });
    let row = |title: &str, cells: Vec<String>| {
        let title = std::iter::once(title.to_owned());
        title.chain(cells).collect::<Vec<_>>()
    };
    table(&[
        days(""),
        row("held", held.collect()),
        row("days in a range", width.collect()),
    ])
}

/// What held, of how many, and which side the others lay on.
fn cell(coverage: Option<&Coverage>) -> String {
    let Some(c) = coverage else {
        return "-".into();
    };
    format!(
        "{} of {} ({}-, {}+)",
        percent(c.ratio()),
        c.projections,
        c.below,
        c.above
    )
}

fn replays(lived: &[Lived], quiet: &[String]) -> String {
    let mut head = days("incidents of the bundled replays; day 1 is that of the first alert there");
    head.insert(1, "first alert".to_owned());
    let mut rows = vec![head];
    for lived in lived {
        let cells = |said: &BTreeMap<usize, (String, f64)>| {
            let cell = |day: &usize| match said.get(day) {
                None => "-".to_owned(),
                Some((what, 0.0)) => what.clone(),
                Some((what, p)) => format!("{what} {:.0} %", 100.0 * p),
            };
            ASKED_DAYS.iter().map(cell).collect::<Vec<_>>()
        };
        let mut row = vec![
            format!(
                "{}: {} of {} at {}",
                lived.replay, lived.direction, lived.stream, lived.place
            ),
            lived.first_alert.to_string(),
        ];
        row.extend(cells(&lived.said));
        rows.push(row);
        for joined in &lived.joined {
            let (place, day) = (&joined.place, joined.first_alert);
            let mut row = vec![format!("    joined by {place}"), day.to_string()];
            row.extend(cells(&joined.said));
            rows.push(row);
        }
        if let Some(family) = lived.family {
            let mut row = vec![format!("    without {family}"), String::new()];
            row.extend(cells(&lived.without));
            rows.push(row);
        }
    }
    for replay in quiet {
        rows.push(vec![replay.clone(), "no incident".to_owned()]);
    }
    table(&rows)
}

fn counted(report: &Report) -> String {
    let head = [
        "real series",
        "days",
        "asked",
        "1 day ahead",
        "3 days ahead",
        "7 days ahead",
        "said",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let mut sums: BTreeMap<u32, Coverage> = BTreeMap::new();
    for (name, counted) in &report.counted {
        let mut said: Vec<(&String, &u32)> = counted.said.iter().collect();
        said.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
        let said: Vec<String> = said.iter().map(|(what, n)| format!("{what} {n}")).collect();
        let mut row = vec![
            name.clone(),
            counted.days.to_string(),
            counted.asked.to_string(),
        ];
        row.extend(AHEAD.map(|ahead| cell(counted.coverage.get(&ahead))));
        row.push(said.join(", "));
        rows.push(row);
        for (ahead, coverage) in &counted.coverage {
            sums.entry(*ahead).or_default().add_all(coverage);
        }
    }
    let mut all = vec!["all".to_owned(), String::new(), String::new()];
    all.extend(AHEAD.map(|ahead| cell(sums.get(&ahead))));
    rows.push(all);
    table(&rows)
}
