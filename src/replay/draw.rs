//! Owns the random draws of a figure: which cell, which minute, how many at once; integers only, one stream for each figure.

use super::plan::{Cell, at_minute};
use super::scenario::{Party, Place};
use jiff::SignedDuration;
use jiff::civil::{Date, DateTime};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::collections::BTreeMap;

/// Arrivals of one event: where, when (local), how many.
pub(super) type Drawn<'a> = (&'a Place, DateTime, u32);

/// How many arrive together.
pub(super) struct Parties<'a> {
    party: Option<&'a Party>,
    marks: Vec<u64>,
}

impl<'a> Parties<'a> {
    /// Sizes as a party has them; one by one where there is none.
    pub(super) fn of(party: Option<&'a Party>) -> Self {
        let weights = party.map_or(&[][..], |p| &p.weights);
        let marks = marks(weights.iter().map(|w| u64::from(*w)));
        Self { party, marks }
    }

    fn size(&self, rng: &mut ChaCha8Rng) -> u32 {
        self.party
            .and_then(|p| pick(rng, &self.marks).map(|i| p.sizes[i].get()))
            .unwrap_or(1)
    }
}

/// A random stream of its own for each figure.
pub(super) fn figure_rng(seed: u64, figure: &str) -> ChaCha8Rng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&xxhash_rust::xxh3::xxh3_64(figure.as_bytes()).to_le_bytes());
    ChaCha8Rng::from_seed(bytes)
}

/// Moves the share of each cell up or down by up to so many percent of itself.
pub(super) fn spread(rng: &mut ChaCha8Rng, cells: &mut [Cell<'_>], percent: u8) {
    if percent == 0 {
        return;
    }
    let percent = u64::from(percent);
    for cell in cells {
        let share = 100_u64.saturating_sub(percent) + below(rng, 2 * percent + 1);
        cell.weight = cell.weight.saturating_mul(share);
    }
}

/// Parties scattered over the cells until the count is met.
pub(super) fn scatter<'a>(
    rng: &mut ChaCha8Rng,
    cells: &mut [Cell<'a>],
    count: u32,
    parties: &Parties<'_>,
) -> Vec<Drawn<'a>> {
    let weigh = |cells: &[Cell<'_>]| {
        let weight = |c: &Cell<'_>| if c.room > 0 { c.weight } else { 0 };
        marks(cells.iter().map(weight))
    };
    let (mut left, mut drawn, mut sums) = (count, Vec::new(), weigh(cells));
    while left > 0 {
        let Some(cell) = pick(rng, &sums).map(|i| &mut cells[i]) else {
            break;
        };
        let size = parties.size(rng).min(left).min(cell.room);
        let minute = pick(rng, &cell.marks).map_or(0, |i| cell.minutes[i]);
        drawn.push((
            cell.place,
            with_second(rng, at_minute(cell.day, minute)),
            size,
        ));
        cell.room -= size;
        left -= size;
        if cell.room == 0 {
            sums = weigh(cells);
        }
    }
    drawn
}

/// A group that arrives within a few minutes, in parties, while the cell is open.
pub(super) fn group<'a>(
    rng: &mut ChaCha8Rng,
    cells: &[Cell<'a>],
    size: u32,
    burst: u16,
    parties: &Parties<'_>,
) -> Vec<Drawn<'a>> {
    let sums = marks(cells.iter().map(|c| c.weight));
    let Some(cell) = pick(rng, &sums).map(|i| &cells[i]) else {
        return Vec::new();
    };
    let burst = usize::from(burst).min(cell.minutes.len());
    let start = pick(rng, &cell.marks[..=cell.minutes.len() - burst]).unwrap_or(0);
    let (mut left, mut drawn) = (size, Vec::new());
    while left > 0 {
        let count = parties.size(rng).min(left);
        let minute = cell.minutes[start + below(rng, burst as u64) as usize];
        drawn.push((
            cell.place,
            with_second(rng, at_minute(cell.day, minute)),
            count,
        ));
        left -= count;
    }
    drawn
}

/// Adds up what falls into the same part of a place's day, as a feed of sums does; each sum has the time of its last arrival.
pub(super) fn tally(drawn: Vec<Drawn<'_>>, minutes: u16) -> Vec<Drawn<'_>> {
    let mut sums: BTreeMap<(&str, Date, i32), Drawn<'_>> = BTreeMap::new();
    for (place, moment, count) in drawn {
        let minute = i32::from(moment.hour()) * 60 + i32::from(moment.minute());
        let part = 2 * (minute / i32::from(minutes)) + i32::from(is_second_time(place, moment));
        let sum = sums
            .entry((&place.id, moment.date(), part))
            .or_insert((place, moment, 0));
        sum.1 = sum.1.max(moment);
        sum.2 += count;
    }
    sums.into_values().collect()
}

/// Of a minute that comes twice the odd seconds are of its second time: as good as even halves.
pub(super) fn is_second_time(place: &Place, moment: DateTime) -> bool {
    moment.second() % 2 == 1 && place.comes_twice(moment)
}

/// Puts a moment somewhere inside its minute, never on the full minute: gates change then, and would tie with it.
fn with_second(rng: &mut ChaCha8Rng, moment: DateTime) -> DateTime {
    moment.saturating_add(SignedDuration::from_secs(1 + below(rng, 59) as i64))
}

/// A number below `bound`, every one equally likely.
fn below(rng: &mut ChaCha8Rng, bound: u64) -> u64 {
    assert!(bound > 0, "a draw needs at least one outcome");
    let limit = u64::MAX - u64::MAX % bound;
    loop {
        let number = rng.next_u64();
        if number < limit {
            return number % bound;
        }
    }
}

/// Running sums of weights.
fn marks(weights: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut sum = 0_u64;
    weights
        .map(|weight| {
            sum = sum.saturating_add(weight);
            sum
        })
        .collect()
}

/// A position drawn by weight, given the running sums; none where every weight is 0.
fn pick(rng: &mut ChaCha8Rng, marks: &[u64]) -> Option<usize> {
    let total = marks.last().copied().filter(|total| *total > 0)?;
    let mark = below(rng, total);
    Some(marks.partition_point(|sum| *sum <= mark))
}
