//! Owns the variants of nothing: the worst that chance did in twenty years, good weather, and a new usual.

use super::dice::Dice;
use super::usual::{Span, Usual};
use super::{Crossing, DAYS_AFTER, Day, Draft, QUIET_DAYS, State};
use jiff::ToSpan;
use jiff::civil::date;

/// Days among which the worst one is looked for.
const LONG_DAYS: usize = 20 * 365;
/// Days of weather among which the longest good spell is looked for.
const WEATHER_DAYS: usize = 2 * 365;

/// Quiet years of which the days around the worst one are taken: what raises an alert by chance. The worst is the day, or the
/// three days, furthest above what is usual there.
pub(super) fn noise(dice: &mut Dice) -> Draft {
    let crossings = dice.whole(1, 6);
    let usual = if dice.chance(0.5) {
        let trickle = |_| Usual::Trickle {
            mean: dice.scale(0.02, 20.0),
        };
        (0..crossings).map(trickle).collect()
    } else {
        let means: Vec<f64> = (0..crossings).map(|_| dice.scale(20.0, 2_000.0)).collect();
        Usual::traffic(dice, &means)
    };
    let start = date(2000, 1, 1);
    let long: Vec<Vec<u32>> = usual
        .iter()
        .map(|usual| {
            let days = (0..LONG_DAYS as i64).map(|day| start.saturating_add(day.days()));
            days.map(|date| usual.draw(dice, date, 1.0)).collect()
        })
        .collect();
    let onset = worst(&usual, &long);
    window(onset, &long)
}

/// Arrivals that wait for calm water: none on most days, hundreds on a good one.
///
/// Derived from the daily counts of small boats that the UK's Home Office publishes: none on 66 % of the days, standard deviation
/// by mean 1.8, the largest days ten times the yearly mean, up to 1,305.
pub(super) fn weather(dice: &mut Dice) -> Draft {
    let landings = dice.whole(1, 4);
    let mean = dice.scale(10.0, 100.0);
    let weights: Vec<f64> = (0..landings).map(|_| dice.between(0.2, 1.0)).collect();
    let sum: f64 = weights.iter().sum();
    let (calm_days, rough_days) = (dice.between(1.3, 2.5), dice.between(2.5, 6.0));
    let swing = dice.between(0.6, 1.0);
    let boat = dice.whole(10, 60);
    // A good day has what the rough ones lacked.
    let good = mean * (calm_days + rough_days) / calm_days;
    let mut long = vec![vec![0; WEATHER_DAYS]; landings];
    let mut spells: Vec<(usize, u32)> = Vec::new();
    let mut is_calm = false;
    for day in 0..WEATHER_DAYS {
        let turns = 1.0 / if is_calm { calm_days } else { rough_days };
        if dice.chance(turns) {
            is_calm = !is_calm;
            spells.push((day, 0));
        }
        if !is_calm {
            continue;
        }
        let level = good * dice.noise(swing);
        for (landing, weight) in long.iter_mut().zip(&weights) {
            landing[day] = dice.grouped(level * weight / sum, 1, boat);
            if let Some(spell) = spells.last_mut() {
                spell.1 += landing[day];
            }
        }
    }
    let fits = |(day, _): &&(usize, u32)| (QUIET_DAYS..=WEATHER_DAYS - DAYS_AFTER).contains(day);
    let best = spells.iter().filter(fits).max_by_key(|(_, total)| *total);
    let onset = best.map_or(QUIET_DAYS, |(day, _)| *day);
    window(onset, &long)
}

/// The usual is another one from a day on, at one crossing or at all: a new line of buses, a new road.
pub(super) fn level_shift(dice: &mut Dice) -> Draft {
    let span = Span::draw(dice);
    let usual = either(dice);
    let factor = dice.scale(1.5, 3.0);
    let only = dice.chance(0.5).then(|| dice.whole(0, usual.len() - 1));
    span.usual(dice, &usual, |at, day| {
        let is_there = only.is_none_or(|only| only == at);
        if day >= span.onset && is_there {
            factor
        } else {
            1.0
        }
    })
}

/// The usual grows by half, or to more than twice itself, in two months, at all crossings.
pub(super) fn slow_drift(dice: &mut Dice) -> Draft {
    let span = Span::draw(dice);
    let usual = either(dice);
    let factor = dice.scale(1.5, 2.5);
    span.usual(dice, &usual, |_, day| {
        let share = (day + 1).saturating_sub(span.onset) as f64 / DAYS_AFTER as f64;
        factor.powf(share)
    })
}

/// A trickle or traffic, at one to five crossings.
fn either(dice: &mut Dice) -> Vec<Usual> {
    let crossings = dice.whole(1, 5);
    if dice.chance(0.5) {
        let trickle = |_| Usual::Trickle {
            mean: dice.scale(0.3, 20.0),
        };
        (0..crossings).map(trickle).collect()
    } else {
        let means: Vec<f64> = (0..crossings).map(|_| dice.scale(20.0, 2_000.0)).collect();
        Usual::traffic(dice, &means)
    }
}

/// First day of the three days, or the day, of one crossing or of all, that lie furthest above what is usual.
fn worst(usual: &[Usual], long: &[Vec<u32>]) -> usize {
    let last = LONG_DAYS - DAYS_AFTER;
    let all: Vec<u32> = (0..LONG_DAYS)
        .map(|day| long.iter().map(|c| c[day]).sum())
        .collect();
    let sum = usual.iter().map(Usual::mean).sum::<f64>();
    let means = usual.iter().map(Usual::mean).chain([sum]);
    let mut worst = (QUIET_DAYS, f64::NEG_INFINITY);
    for (days, mean) in long.iter().chain([&all]).zip(means) {
        let square = |n: &u32| (f64::from(*n) - mean).powi(2);
        let variance = days.iter().map(square).sum::<f64>() / days.len() as f64;
        for day in QUIET_DAYS..=last {
            for length in [1, 3] {
                let seen: u32 = days[day..day + length].iter().sum();
                let usual = length as f64;
                let score = (f64::from(seen) - usual * mean) / (usual * variance.max(1e-9)).sqrt();
                if score > worst.1 {
                    worst = (day, score);
                }
            }
        }
    }
    worst.0
}

/// The days around an onset.
fn window(onset: usize, long: &[Vec<u32>]) -> Draft {
    let quiet = onset.min(2 * QUIET_DAYS);
    let from = onset - quiet;
    let open = |count: &u32| Day {
        state: State::Open,
        count: *count,
    };
    let crossings = long.iter().map(|counts| Crossing {
        country: "xa",
        days: counts[from..onset + DAYS_AFTER].iter().map(open).collect(),
    });
    Draft {
        start: date(2000, 1, 1).saturating_add((from as i64).days()),
        onset: quiet,
        crossings: crossings.collect(),
    }
}
