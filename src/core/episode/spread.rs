//! Owns how an incident lies on the border, and how well that goes with the pattern of a family: places, countries, turns, closures.
//!
//! Each trait is a likelihood ratio against none-of-these, whose densities are wide. None decides alone: it is bounded.

use super::family::{Family, Pattern};
use super::numbers::{ln_add, ln_in_range, ln_soft};
use super::situation::{Gate, Place, Situation};
use crate::core::alert::Direction;

/// A trait's likelihood ratio goes no further than this, in logarithms.
const BOUND: f64 = 3.0;
/// A place takes part with this share of what is away from the usual.
const PART_RATIO: f64 = 0.03;
/// A crossing with this share of the flow counts as one that the flow comes by.
const CARRIES_RATIO: f64 = 0.2;
/// Where shares are as of fewer equal places, one has all, and whether it keeps it says nothing.
const ALONE_PARTS: f64 = 1.1;
/// Arrivals away from the usual from which shares say as much as they ever do.
const FULL_COUNT: f64 = 40.0;
/// Days after a closure in which its flow may turn up elsewhere.
const FOLLOWS_DAYS: usize = 5;
/// Usual arrivals a day below which nothing follows from how they are shared.
const LEAST_TRAFFIC: f64 = 5.0;
/// Share of the days of a year that the calendar knows, about.
const SPECIAL_RATIO: f64 = 0.12;
/// The smallest and the largest usual number that is thought of, for none-of-these.
const USUAL: (f64, f64) = (0.003, 40_000.0);

/// How an incident lies on the border.
#[derive(Debug, Clone)]
pub(super) struct Spread {
    /// Which places take part.
    pub(super) takes_part: Vec<bool>,
    /// Share of each in what is away from the usual since the onset.
    pub(super) share: Vec<f64>,
    /// As how many equal places those that take part are (the inverse of Simpson's index of their shares).
    parts: f64,
    /// The same of their usual traffic.
    usual_parts: f64,
    /// What shares of the rise and of the usual traffic have in common; absent where there is little traffic.
    overlap: Option<f64>,
    /// How much the shares changed from the first half of the arrivals to the second; absent where they are few.
    turned: Option<f64>,
    /// Days since the onset.
    age: f64,
    countries: usize,
    known_countries: usize,
    known_places: usize,
    /// After closures of places that carried flow: whether it turned up elsewhere within days; absent where none was shut.
    followed: Option<bool>,
    /// Share of what is away from the usual that came on days the calendar knows.
    special: f64,
    /// Usual arrivals a day of those that take part.
    usual: f64,
    /// How much of all this is certain, in [0, 1].
    weight: f64,
}

impl Spread {
    pub(super) fn of(situation: &Situation) -> Self {
        let away = |place: &Place| away(situation, place, situation.onset, situation.len());
        let sums: Vec<f64> = situation.places.iter().map(away).collect();
        let whole: f64 = sums.iter().sum();
        let share: Vec<f64> = sums.iter().map(|sum| sum / whole.max(1e-9)).collect();
        let takes_part: Vec<bool> = match situation.direction {
            Direction::Surge => sums
                .iter()
                .zip(&situation.places)
                .map(|(sum, place)| has_risen(situation, place, *sum, whole))
                .collect(),
            Direction::Drop => situation
                .places
                .iter()
                .map(|p| has_fallen(situation, p))
                .collect(),
        };
        let part = |i: &usize| share[*i] >= PART_RATIO;
        let parts: Vec<usize> = (0..share.len()).filter(part).collect();
        let usual: Vec<f64> = situation.places.iter().map(usual_per_day).collect();
        let traffic: f64 = usual.iter().sum();
        let overlap = (traffic >= LEAST_TRAFFIC && usual.len() > 1).then(|| {
            let both = share.iter().zip(&usual).map(|(s, u)| s.min(u / traffic));
            both.sum::<f64>().clamp(0.0, 1.0)
        });
        let country = |i: usize| situation.places[i].country.as_str();
        let mut carrying: Vec<&str> = parts.iter().map(|i| country(*i)).collect();
        let mut all: Vec<&str> = (0..share.len()).map(country).collect();
        for codes in [&mut carrying, &mut all] {
            codes.sort_unstable();
            codes.dedup();
        }
        Self {
            parts: equal_parts(&share),
            usual_parts: equal_parts(&usual),
            overlap,
            turned: turned(situation, whole).filter(|_| equal_parts(&share) > ALONE_PARTS),
            age: (situation.len() - situation.onset) as f64,
            countries: carrying.len().max(1),
            known_countries: all.len(),
            known_places: situation.places.iter().filter(|p| p.is_known()).count(),
            followed: followed(situation, &share),
            special: on_special_days(situation, whole),
            usual: parts.iter().map(|i| usual[*i]).sum::<f64>().max(USUAL.0),
            weight: (whole / FULL_COUNT).min(1.0),
            takes_part,
            share,
        }
    }

    /// ln of how much better its traits go with a family than with none of these.
    pub(super) fn ln_ratio(&self, family: &Family) -> f64 {
        let usual = &family.usual_per_day;
        let wide = ln_in_range(self.usual.ln(), USUAL.0, USUAL.1);
        let level = ln_in_range(self.usual.ln(), usual.low, usual.high) - wide;
        let traits = [
            self.ln_parts(family),
            self.ln_overlap(family.places.pattern),
            self.ln_turned(family.places.pattern),
            self.ln_countries(family),
            self.ln_followed(family.places.pattern),
            self.ln_special(family.curve.on_special_days),
        ];
        let bounded = traits.iter().map(|ratio| ratio.clamp(-BOUND, BOUND));
        level.clamp(-2.0 * BOUND, BOUND) + self.weight * bounded.sum::<f64>()
    }

    /// What comes on known days by its nature is there always, anything else by chance.
    fn ln_special(&self, is_bound: bool) -> f64 {
        match is_bound {
            true => (self.special.clamp(0.01, 1.0) / SPECIAL_RATIO).ln(),
            false => 0.0,
        }
    }

    fn ln_parts(&self, family: &Family) -> f64 {
        let most = family
            .places
            .crossings
            .high
            .min(self.known_places as f64)
            .max(1.0);
        let parts = self.parts.ln();
        if self.known_places < 2 {
            // Nothing beside it is watched.
            return match family.places.pattern {
                Pattern::One => 0.3,
                Pattern::Turns | Pattern::Succession | Pattern::Blocked => -0.7,
                Pattern::Line | Pattern::All => 0.0,
            };
        }
        let wide = ln_soft(parts, 0.0, (self.known_places as f64).ln(), 0.2);
        let own = match family.places.pattern {
            Pattern::One => ln_soft(parts, 0.0, 0.12, 0.12),
            Pattern::Turns => ln_soft(parts, 0.0, 2f64.ln(), 0.1),
            Pattern::Line => {
                let least = family.places.crossings.low.min(most).min(1.5);
                let whole = ln_soft(parts, least.ln(), most.ln(), 0.3);
                let begun = ln_soft(parts, 0.0, 0.7, 0.25);
                let joined = self.joined(family);
                ln_add(whole + joined.ln(), begun + (1.0 - joined).ln())
            }
            Pattern::Succession => ln_soft(parts, 0.1, most.ln(), 0.2),
            Pattern::All => ln_soft(parts - self.usual_parts.ln(), -0.15, 0.15, 0.15),
            Pattern::Blocked => ln_soft(parts, most.min(1.6).ln(), most.ln(), 0.25),
        };
        own - wide
    }

    fn ln_overlap(&self, pattern: Pattern) -> f64 {
        let Some(overlap) = self.overlap else {
            return 0.0;
        };
        let like_all = (-(1.0 - overlap) / 0.12).exp() / 0.12;
        let wide = (0.4 * like_all + 0.6).ln();
        match pattern {
            Pattern::All => like_all.max(1e-9).ln() - wide,
            _ => -wide,
        }
    }

    fn ln_turned(&self, pattern: Pattern) -> f64 {
        let Some(turned) = self.turned else {
            return 0.0;
        };
        let steady = (-turned / 0.15).exp() / 0.15;
        let wide = 0.5 * steady + 0.5;
        let own = match pattern {
            Pattern::One | Pattern::All | Pattern::Blocked => 0.95 * steady + 0.05,
            Pattern::Line => 0.6 * steady + 0.4,
            Pattern::Turns => 0.3 * steady + 0.7,
            Pattern::Succession => {
                if self.followed.is_some() {
                    0.1 * steady + 0.9
                } else {
                    0.5 * steady + 0.5
                }
            }
        };
        (own / wide).ln()
    }

    fn ln_countries(&self, family: &Family) -> f64 {
        if self.known_countries < 2 {
            return 0.0;
        }
        let range = &family.places.countries;
        let wide: f64 = [0.65, 0.22, 0.13][self.countries.min(3) - 1];
        let of_one: f64 = [0.93, 0.06, 0.01][self.countries.min(3) - 1];
        let of_several: f64 = [0.4, 0.32, 0.28][self.countries.min(3) - 1];
        let joined = match range.high >= 2.0 {
            true => self.joined(family),
            false => 0.0,
        };
        ((joined * of_several + (1.0 - joined) * of_one) / wide).ln()
    }

    /// Share of a family's spread over its crossings that is there by now, as it is thought to go evenly.
    fn joined(&self, family: &Family) -> f64 {
        let Some(range) = &family.places.spread_days else {
            return 1.0;
        };
        ((self.age - range.low) / (range.high - range.low).max(1.0)).clamp(0.0, 1.0)
    }

    fn ln_followed(&self, pattern: Pattern) -> f64 {
        let own: f64 = match (pattern, self.followed) {
            (Pattern::Succession, Some(true)) => 0.55,
            (Pattern::Succession, Some(false)) => 0.05,
            (Pattern::Succession, None) => 0.4,
            (Pattern::Line, Some(true)) => 0.1,
            (_, Some(true)) => 0.03,
            (_, Some(false)) => 0.06,
            (_, None) => 0.9,
        };
        let wide: f64 = match self.followed {
            Some(true) => 0.06,
            Some(false) => 0.06,
            None => 0.88,
        };
        (own / wide).ln()
    }
}

/// Arrivals of a place away from the usual, from one day to before another: above it for a surge, below it for a fall.
fn away(situation: &Situation, place: &Place, from: usize, until: usize) -> f64 {
    let until = until.min(place.days.len());
    let days = place.days.iter().take(until).skip(from);
    let sum: f64 = days
        .filter(|d| d.is_counted())
        .map(|d| d.observed as f64 - d.expected)
        .sum();
    match situation.direction {
        Direction::Surge => sum.max(0.0),
        Direction::Drop => (-sum).max(0.0),
    }
}

fn on_special_days(situation: &Situation, whole: f64) -> f64 {
    let known = (situation.onset..situation.len()).filter(|t| situation.is_special[*t]);
    let sum: f64 = known
        .map(|t| {
            situation
                .places
                .iter()
                .map(|p| away(situation, p, t, t + 1))
                .sum::<f64>()
        })
        .sum();
    (sum / whole.max(1.0)).clamp(0.0, 1.0)
}

/// Whether a place has a share in a rise that is more than the noise of its own days.
fn has_risen(situation: &Situation, place: &Place, away: f64, whole: f64) -> bool {
    let since = place.days.iter().skip(situation.onset);
    let expected: f64 = since.filter(|d| d.is_counted()).map(|d| d.expected).sum();
    place.is_known() && away >= PART_RATIO * whole && away >= 2.0 * expected.sqrt()
}

/// Whether a place has less than three fifths of its usual arrivals since the onset.
fn has_fallen(situation: &Situation, place: &Place) -> bool {
    let since = place.days.iter().skip(situation.onset);
    let seen = since.filter(|day| day.exposure > 0.0);
    let (observed, expected) = seen.fold((0.0, 0.0), |(y, e), day| {
        (y + day.observed as f64, e + day.expected)
    });
    expected > 0.0 && observed < 0.6 * expected
}

fn usual_per_day(place: &Place) -> f64 {
    let open = place.days.iter().filter(|day| day.exposure > 0.5);
    let (days, sum) = open.fold((0.0, 0.0), |(n, sum), day| (n + 1.0, sum + day.expected));
    if days > 0.0 { sum / days } else { 0.0 }
}

/// As how many equal parts some shares are: the inverse of the sum of their squares.
fn equal_parts(shares: &[f64]) -> f64 {
    let whole: f64 = shares.iter().sum();
    let squares: f64 = shares
        .iter()
        .map(|share| (share / whole.max(1e-9)).powi(2))
        .sum();
    if squares > 0.0 {
        squares.recip().max(1.0)
    } else {
        1.0
    }
}

/// What shares of the first half of the arrivals and of the second half do not have in common.
fn turned(situation: &Situation, whole: f64) -> Option<f64> {
    let days = situation.len() - situation.onset;
    if whole < 20.0 || days < 4 || situation.places.len() < 2 {
        return None;
    }
    let sum = |from, until| -> Vec<f64> {
        let away = |place: &Place| away(situation, place, from, until);
        situation.places.iter().map(away).collect()
    };
    let half = (situation.onset + 1..situation.len())
        .find(|t| sum(situation.onset, *t).iter().sum::<f64>() >= whole / 2.0)?;
    let (first, second) = (sum(situation.onset, half), sum(half, situation.len()));
    let wholes = (first.iter().sum::<f64>(), second.iter().sum::<f64>());
    if wholes.0 < 8.0 || wholes.1 < 8.0 {
        return None;
    }
    let common = first
        .iter()
        .zip(&second)
        .map(|(a, b)| (a / wholes.0).min(b / wholes.1));
    Some((1.0 - common.sum::<f64>()).clamp(0.0, 1.0))
}

/// Whether the flow of places that were shut turned up elsewhere.
fn followed(situation: &Situation, share: &[f64]) -> Option<bool> {
    let mut found = None;
    let is_shut = |place: &Place, t: usize| {
        place
            .days
            .get(t)
            .is_some_and(|day| day.gate == Gate::Closed && day.exposure < 0.2)
    };
    for t in situation.onset + 1..situation.len() {
        let shut = |i: &usize| {
            let place = &situation.places[*i];
            share[*i] > 0.0 && is_shut(place, t) && !is_shut(place, t - 1)
        };
        let shut: Vec<usize> = (0..share.len()).filter(shut).collect();
        let before = t.saturating_sub(FOLLOWS_DAYS).max(situation.onset);
        let of = |i: usize, from, until| away(situation, &situation.places[i], from, until);
        let lost: f64 = shut.iter().map(|i| of(*i, before, t)).sum();
        let all: f64 = (0..share.len()).map(|i| of(i, before, t)).sum();
        if shut.is_empty() || lost < CARRIES_RATIO * all || lost < 5.0 {
            continue;
        }
        let until = (t + FOLLOWS_DAYS).min(situation.len());
        let others = (0..share.len()).filter(|i| !shut.contains(i));
        let gained: f64 = others
            .map(|i| {
                let per_day = of(i, before, t) / (t - before) as f64;
                of(i, t, until) - per_day * (until - t) as f64
            })
            .sum();
        let lost_per_day = lost / (t - before) as f64;
        *found.get_or_insert(false) |= gained > 0.15 * lost_per_day * (until - t) as f64;
    }
    found
}
