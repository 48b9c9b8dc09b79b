//! Owns the trial of what is said of incidents: variants, real replays and real counts go through the machine as in the daemon, and
//! what was said at the end of a day is held against what they are and what came next.
//!
//! Pure: the caller spreads the variants over threads and reads the files. At the end of a day nothing is known of the next one,
//! and what is usual is what the machine learnt of the quiet weeks before.

mod counted;
mod daily;
mod machine;
mod replayed;
mod tally;
mod text;

pub use counted::counted;
pub use daily::{CORRIDOR, network, pass};
pub use replayed::{Joined, Lived, replayed};
pub use tally::{ASKED_DAYS, Bin, Coverage, Onsets, Said, Tally};
pub use text::text;

use crate::core::episode::{Families, Likeness, Projection, Verdict};
use crate::core::network::Network;
use crate::core::params::Params;
use crate::core::region::Region;
use crate::core::region::incident::Incident;
use crate::variants::{Border, State, Variant};
use serde::Serialize;
use std::collections::BTreeMap;

/// What all the trial needs: the families, and the settings of a machine for a network.
pub struct Bench<'a> {
    /// The families.
    pub families: &'a Families,
    /// Settings of the daemon for another network, with these families: each series is watched as closely as one of the daemon's.
    pub params: &'a (dyn Fn(&Network) -> Params + Sync),
}

/// All that a trial found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Variants of each kind.
    pub variants: u64,
    /// Seed of the first one of each kind.
    pub first_seed: u64,
    /// What was said of them.
    pub tally: Tally,
    /// The incidents of the bundled replays.
    pub replays: Vec<Lived>,
    /// Those replays that had none.
    pub quiet: Vec<String>,
    /// Real series: what was said of their incidents, and which projections held.
    pub counted: BTreeMap<String, Counted>,
}

/// What became of a real series.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Counted {
    /// Its days.
    pub days: usize,
    /// Days on which an incident was open and asked about.
    pub asked: u32,
    /// How often each answer was given.
    pub said: BTreeMap<String, u32>,
    /// Projections by days ahead.
    pub coverage: BTreeMap<u32, Coverage>,
}

/// What was said of a variant at the end of one of [`ASKED_DAYS`].
#[derive(Debug, Clone)]
pub struct Answer {
    /// What it is like.
    pub said: Said,
    /// Projections that can be held against what came.
    pub held: Vec<Held>,
    /// When it was said to have begun, in days after the day on which it did: the first day and the last.
    pub onset: Option<[i32; 2]>,
}

/// A projection and what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// What was projected.
    pub projection: Projection,
    /// Arrivals that came.
    pub came: u64,
    /// Whether all gates stayed as they were, which the projection takes for granted.
    pub is_as_supposed: bool,
}

/// Lets a variant go through the day lens. One answer for each of [`ASKED_DAYS`], the onset being day 1.
#[must_use]
pub fn answers(bench: &Bench<'_>, variant: &Variant) -> Vec<Answer> {
    let border = &variant.border;
    let params = (bench.params)(&daily::network(border));
    let last = variant.onset + ASKED_DAYS[ASKED_DAYS.len() - 1];
    let mut answers = Vec::new();
    let since = |row: usize| (row + 1).saturating_sub(variant.onset);
    let asked = |row| ASKED_DAYS.contains(&since(row));
    daily::watch(border, &params, last, asked, |row, region| {
        let likeness = largest(region).map(|incident| incident.likeness.as_ref());
        let projections = likeness.flatten().map_or(&[][..], |l| &l.projections);
        let held = projections.iter().filter_map(|p| held(border, row, *p));
        answers.push(Answer {
            said: Said::of(likeness),
            held: held.collect(),
            onset: likeness.flatten().and_then(|l| said_onset(variant, l)),
        });
    });
    answers
}

/// When a variant was said to have begun, beside the day on which it did; nothing where candidates were not compared.
fn said_onset(variant: &Variant, likeness: &Likeness) -> Option<[i32; 2]> {
    let began = variant.border.date(variant.onset);
    let onset = likeness.onset;
    let is_compared = matches!(likeness.verdict, Verdict::Compared { .. });
    let days = [onset.first, onset.last];
    is_compared.then(|| days.map(|day| (day.date() - began).get_days()))
}

/// The incidents that are open.
fn open(region: &Region) -> impl Iterator<Item = &Incident> {
    let incidents = region.incidents().iter();
    incidents.filter(|i| i.members.iter().any(|m| m.is_open) || i.groups.iter().any(|g| g.is_open))
}

/// The open incident whose crossings have had most arrivals away from what is expected.
fn largest(region: &Region) -> Option<&Incident> {
    let away = |incident: &Incident| {
        let members = incident.members.iter().flat_map(|m| &m.history);
        let members = members.map(|d| (d.observed as f64 - f64::from(d.expected)).abs());
        let groups = incident.groups.iter().map(|g| g.today);
        let groups = groups.map(|d| (d.observed as f64 - d.expected).abs());
        members.chain(groups).sum::<f64>()
    };
    open(region).max_by(|a, b| away(a).total_cmp(&away(b)))
}

/// Holds a projection made at the end of a day against the days that follow, at all crossings; nothing where one of them was not
/// counted, or there are not as many.
fn held(border: &Border, row: usize, projection: Projection) -> Option<Held> {
    let ahead = row + 1..row + 1 + projection.days as usize;
    let (mut came, mut is_as_supposed) = (0, true);
    for crossing in &border.crossings {
        for day in crossing.days.get(ahead.clone())? {
            if day.state == State::Blind {
                return None;
            }
            came += u64::from(day.count);
            is_as_supposed &= day.state == crossing.days[row].state;
        }
    }
    Some(Held {
        projection,
        came,
        is_as_supposed,
    })
}

#[cfg(test)]
#[path = "trial_tests.rs"]
mod tests;
