//! Owns the trial on real daily counts: a series of its own goes through the machine, projections are held against its next days.

use super::{Bench, Counted, Said, daily, held, open};
use crate::backtest::Counts;
use crate::core::calendar::local;
use crate::core::region::displacement::Day as CivilDay;
use crate::variants::{Border, Crossing, Day, State};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// An open incident is asked about on one day in so many: neighbouring days share most of what comes.
const EVERY: usize = 7;

/// Lets a series of daily counts, as a border of one crossing, go through the day lens.
#[must_use]
pub fn counted(bench: &Bench<'_>, series: &Counts) -> Counted {
    let border = &border(series);
    let params = (bench.params)(&daily::network(border));
    let mut counted = Counted {
        days: border.len(),
        ..Counted::default()
    };
    let asked = |row: usize| row.is_multiple_of(EVERY);
    daily::watch(border, &params, border.len(), asked, |row, region| {
        for incident in open(region) {
            let likeness = incident.likeness.as_ref();
            counted.asked += 1;
            let said = Said::of(Some(likeness)).label(bench.families);
            *counted.said.entry(said).or_insert(0) += 1;
            for projection in likeness.iter().flat_map(|l| &l.projections) {
                if let Some(held) = held(border, row, *projection) {
                    let coverage = counted.coverage.entry(projection.days).or_default();
                    coverage.add(held.came, projection.low, projection.high);
                }
            }
        }
    });
    counted
}

/// The series as a border; days that are missing, or were seen for less than half, are blind.
fn border(series: &Counts) -> Border {
    let days: BTreeMap<CivilDay, Day> = series
        .buckets()
        .map(|(start, exposure, count)| {
            let is_seen = exposure >= 0.5;
            let day = Day {
                state: if is_seen { State::Open } else { State::Blind },
                count: if is_seen { count as u32 } else { 0 },
            };
            (CivilDay::of(&local(&TimeZone::UTC, start)), day)
        })
        .collect();
    let first = days.first_key_value().map_or(CivilDay(0), |(day, _)| *day);
    let last = days.last_key_value().map_or(first, |(day, _)| *day);
    let unseen = Day {
        state: State::Blind,
        count: 0,
    };
    let all = (first.0..=last.0).map(|day| days.get(&CivilDay(day)).copied().unwrap_or(unseen));
    Border {
        start: first.date(),
        crossings: vec![Crossing {
            country: "xa",
            days: all.collect(),
        }],
    }
}
