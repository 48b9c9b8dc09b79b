//! Owns the summary of a run: the sums over all series, and the tables a person reads.

use super::outcome::{Found, Outcome, TAILS};
use crate::core::lens::Lens;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Sums over the outcomes of all series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    series: usize,
    buckets: usize,
    alarms: [usize; 2],
    longest: [usize; 2],
    tails: [usize; 2],
    all: Rates,
    strata: BTreeMap<String, Rates>,
    episodes: Vec<Found>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Rates {
    series: usize,
    quiet: usize,
    alerts: [usize; 2],
}

impl Rates {
    fn add(&mut self, outcome: &Outcome) {
        self.series += 1;
        self.quiet += outcome.quiet;
        for side in 0..2 {
            self.alerts[side] += outcome.false_alerts[side];
        }
    }

    /// False alerts a series-year: surges, drops, both.
    fn per_year(&self, lens: Lens) -> [String; 3] {
        let years = self.quiet as f64 / lens.buckets_a_year();
        let [rise, drop] = self.alerts;
        [rise, drop, rise + drop].map(|alerts| {
            if self.quiet == 0 {
                "-".into()
            } else {
                format!("{:.3}", alerts as f64 / years)
            }
        })
    }
}

/// The episodes of one shape and size.
struct Group<'a> {
    shape: &'a str,
    size: Option<f64>,
    delays: Vec<Option<usize>>,
}

pub(super) fn unit(lens: Lens) -> &'static str {
    match lens {
        Lens::Hour => "hours",
        Lens::Day => "days",
        Lens::Week => "weeks",
    }
}

impl Summary {
    /// Adds a series.
    pub fn add(&mut self, outcome: &Outcome) {
        self.series += 1;
        self.buckets += outcome.buckets;
        for side in 0..2 {
            self.alarms[side] += outcome.alarms[side];
            self.longest[side] = self.longest[side].max(outcome.longest[side]);
            self.tails[side] += outcome.tails[side];
        }
        if outcome.quiet > 0 {
            self.all.add(outcome);
            if let Some(stratum) = &outcome.stratum {
                self.strata.entry(stratum.clone()).or_default().add(outcome);
            }
        }
        self.episodes.extend_from_slice(&outcome.episodes);
    }

    /// Whether anything was labelled.
    #[must_use]
    pub fn has_episodes(&self) -> bool {
        !self.episodes.is_empty()
    }

    /// The tables, given the lens and the accepted false alerts a series-year for surges and for drops.
    #[must_use]
    pub fn table(&self, lens: Lens, promised: [f64; 2]) -> String {
        let years = self.all.quiet as f64 / lens.buckets_a_year();
        let sum = |[rise, drop]: [usize; 2]| [rise, drop, rise + drop].map(|n| n.to_string());
        let [rise, drop] = promised;
        let most = self.longest[0].max(self.longest[1]);
        let rows = [
            ("", ["surge", "drop", "both"].map(str::to_owned)),
            ("buckets that alarm", sum(self.alarms)),
            (
                &format!("false alerts in {years:.1} series-years"),
                sum(self.all.alerts),
            ),
            ("false alerts a series-year", self.all.per_year(lens)),
            (
                "promised at most",
                [rise, drop, rise + drop].map(|rate| format!("{rate:.3}")),
            ),
            (
                &format!("longest false alert ({})", unit(lens)),
                [self.longest[0], self.longest[1], most].map(|n| n.to_string()),
            ),
        ];
        let rows = rows.map(|(name, cells)| [&[name.to_owned()], &cells[..]].concat());
        let mut text = format!("{} series, {} buckets\n\n", self.series, self.buckets);
        text += &aligned(&rows);
        if self.all.quiet > 0 {
            let [first, second] = self.tails.map(|tail| tail as f64 / self.all.quiet as f64);
            let [p, q] = TAILS;
            let _ = writeln!(
                text,
                "\nforecast tails below {p} / {q}: {first:.5} / {second:.5} of the counts"
            );
        }
        text + &self.by_stratum(lens) + &self.by_episode(lens)
    }

    fn by_stratum(&self, lens: Lens) -> String {
        if self.strata.is_empty() {
            return String::new();
        }
        let head = ["stratum", "series", "surge", "drop", "both"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for (stratum, rates) in in_order(&self.strata) {
            let mut row = vec![stratum.to_owned(), rates.series.to_string()];
            row.extend(rates.per_year(lens));
            rows.push(row);
        }
        format!("\nfalse alerts a series-year\n{}", aligned(&rows))
    }

    fn by_episode(&self, lens: Lens) -> String {
        let mut groups: Vec<Group<'_>> = Vec::new();
        for found in &self.episodes {
            let (shape, size) = (found.episode.shape.as_str(), found.episode.size);
            match groups
                .iter_mut()
                .find(|g| g.shape == shape && g.size == size)
            {
                Some(group) => group.delays.push(found.delay),
                None => groups.push(Group {
                    shape,
                    size,
                    delays: vec![found.delay],
                }),
            }
        }
        if groups.is_empty() {
            return String::new();
        }
        let size = |group: &Group<'_>| group.size.unwrap_or(0.0);
        groups.sort_by(|a, b| a.shape.cmp(b.shape).then(size(a).total_cmp(&size(b))));
        let median_head = format!("median delay ({})", unit(lens));
        let head = ["episode", "size", "number", "detected", &median_head];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for Group {
            shape,
            size,
            mut delays,
        } in groups
        {
            let found = delays.iter().flatten().count();
            rows.push(vec![
                shape.to_owned(),
                size.map_or_else(String::new, |size| size.to_string()),
                delays.len().to_string(),
                format!("{:.1} %", 100.0 * found as f64 / delays.len() as f64),
                median(&mut delays),
            ]);
        }
        format!("\n{}", aligned(&rows))
    }
}

/// Numbers by their value, then names.
fn in_order(strata: &BTreeMap<String, Rates>) -> Vec<(&str, &Rates)> {
    let mut rows: Vec<(&str, &Rates)> = strata.iter().map(|(s, r)| (s.as_str(), r)).collect();
    rows.sort_by_key(|(stratum, _)| stratum.parse::<u64>().unwrap_or(u64::MAX));
    rows
}

/// The delay by which half of all are found, those that are never found included; `-` where fewer are.
fn median(delays: &mut [Option<usize>]) -> String {
    delays.sort_by_key(|delay| delay.unwrap_or(usize::MAX));
    match delays[(delays.len() - 1) / 2] {
        Some(delay) => delay.to_string(),
        None => "-".into(),
    }
}

/// Rows with columns as wide as their widest cell: the first to the left, the others to the right.
pub(super) fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = match column {
                0 => write!(text, "{cell:<width$}"),
                _ => write!(text, "  {cell:>width$}"),
            };
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::truth::Episode;
    use super::*;
    use crate::core::alert::Direction;

    fn outcome(stratum: &str, quiet: usize, alerts: usize) -> Outcome {
        Outcome {
            stratum: Some(stratum.into()),
            buckets: 1461,
            alarms: [alerts * 3, 0],
            quiet,
            false_alerts: [alerts, 0],
            longest: [alerts * 20, 0],
            tails: [quiet / 100, 0],
            episodes: Vec::new(),
        }
    }

    fn found(size: f64, delay: Option<usize>) -> Found {
        let episode = Episode {
            rows: 0..9,
            direction: Direction::Surge,
            shape: "spike".into(),
            size: Some(size),
        };
        Found { episode, delay }
    }

    #[test]
    fn rates_are_those_of_the_quiet_years() {
        let mut summary = Summary::default();
        summary.add(&outcome("10", 1461, 2));
        summary.add(&outcome("9", 1461, 0));
        let mut surge = outcome("9", 0, 0);
        surge.episodes = vec![
            found(4.0, Some(2)),
            found(4.0, None),
            found(4.0, Some(0)),
            found(10.0, None),
        ];
        summary.add(&surge);
        let want = "\
3 series, 4383 buckets

                                  surge   drop   both
buckets that alarm                    6      0      6
false alerts in 8.0 series-years      2      0      2
false alerts a series-year        0.250  0.000  0.250
promised at most                  0.375  0.125  0.500
longest false alert (days)           40      0     40

forecast tails below 0.01 / 0.001: 0.00958 / 0.00000 of the counts

false alerts a series-year
stratum  series  surge   drop   both
9             1  0.000  0.000  0.000
10            1  0.500  0.000  0.500

episode  size  number  detected  median delay (days)
spike       4       3    66.7 %                    2
spike      10       1     0.0 %                    -
";
        assert_eq!(summary.table(Lens::Day, [0.375, 0.125]), want);
    }

    #[test]
    fn nothing_quiet_has_no_rate() {
        let mut summary = Summary::default();
        summary.add(&outcome("1", 0, 0));
        let table = summary.table(Lens::Day, [0.4, 0.1]);
        assert!(
            table.contains("false alerts a series-year            -      -      -\n"),
            "{table}"
        );
    }
}
