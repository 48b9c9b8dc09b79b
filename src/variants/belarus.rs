//! Owns the variants of 2021: groups along a line where front follows front, and a mass at one gate.

use super::Draft;
use super::dice::{Dice, mean_group};
use super::usual::{Span, Usual};

/// Countries of a line, by thirds.
const COUNTRIES: [&str; 3] = ["xa", "xb", "xc"];

/// Groups are sent to a front; once it hardens the next ones take over.
///
/// Published: 46 on Lithuania's line in three months, then 70, 77, 473 and 2,882 a month
/// (<https://www.archynewsy.com/another-144-migrants-from-belarus-who-crossed-the-border-illegally-were-detained-every-day/>); days
/// of 40 and 171 in one week (<https://www.devdiscourse.com/article/law-order/1670177-illegal-border-crossings-into-lithuania-pass-3000>),
/// one of 287 (<https://www.urdupoint.com/en/world/record-number-of-migrants-from-belarus-appreh-1316378.html>), 35 two days later
/// and then 2; groups of 3 to 42; 137 of 160 in one district
/// (<https://de.news-front.su/2021/07/04/160-migranten-aus-belarus-in-litauen-inhaftiert>); within seven days 200 a day in Latvia
/// and 349 in four days in Poland (<https://www.thenews.com.pk/print/876488-latvia-declares-migrant-emergency-on-belarus-border>);
/// 129 in Poland in all of 2020, then 3,500, 7,700 and 17,447 a month
/// (<http://warsawpoint.com/news/24918-hybrid-war-43-attempts-to-illegally-cross-the-border-from-belarus-to-poland.html>). Derived:
/// doubling in 12 to 26 days.
pub(super) fn push(dice: &mut Dice) -> Draft {
    let span = Span::draw(dice);
    let segments = dice.whole(3, 9);
    let country = |segment: usize| segment * 3 / segments;
    let base = dice.scale(0.2, 1.0);
    let usual = vec![
        Usual::Trickle {
            mean: base / segments as f64,
        };
        segments
    ];
    let mut draft = span.usual(dice, &usual, |_, _| 1.0);
    for (at, crossing) in draft.crossings.iter_mut().enumerate() {
        crossing.country = COUNTRIES[country(at)];
    }
    let first = dice.whole(0, 2);
    let mut pressure = dice.scale(1.5, 8.0);
    let doubling = dice.between(12.0, 26.0);
    // April and May were alike.
    let flat_days = if dice.chance(0.3) {
        dice.whole(7, 30)
    } else {
        0
    };
    let hardens = span.onset + dice.whole(25, 75);
    let joins: [usize; 3] = std::array::from_fn(|_| hardens + dice.whole(1, 7));
    let shares: [f64; 3] = std::array::from_fn(|_| dice.between(0.3, 1.0));
    let districts: Vec<f64> = (0..segments).map(|_| dice.noise(1.0)).collect();
    let (low, high) = (3, dice.whole(10, 42));
    let swing = dice.between(0.1, 0.5);
    for day in span.onset..span.len() {
        if day >= span.onset + flat_days {
            pressure *= (1.0 / doubling).exp2();
        }
        for front in 0..3 {
            let level = if front == first {
                // 287, 35, 2.
                let hard_days = (day + 1).saturating_sub(hardens).min(3) as i32;
                0.15_f64.powi(hard_days).max(0.01)
            } else if day >= joins[front] {
                shares[front]
            } else {
                0.0
            };
            let people = pressure * level * dice.noise(swing);
            let weights: Vec<f64> = (0..segments)
                .map(|s| {
                    if country(s) == front {
                        districts[s]
                    } else {
                        0.0
                    }
                })
                .collect();
            for _ in 0..dice.poisson(people / mean_group(low, high)) {
                let segment = dice.pick(&weights);
                draft.add(segment, day, dice.group(low, high));
            }
        }
    }
    draft
}

/// Nobody, then hundreds or thousands at one gate within hours, which is shut the next morning or not.
///
/// Published of Kuźnica: 800 at the crossing on 8 November 2021
/// (<https://www.mdr.de/nachrichten/welt/osteuropa/politik/migranten-fluechtlingen-grenze-belarus-polen-eskalation-100.html>), shut at
/// 07:00 the next day
/// (<https://www.wnp.pl/finanse/podlaskie-17-godzin-oczekiwania-w-bobrownikach-po-zamknieciu-przejscia-w-kuznicy,504541.html>), 3,500
/// on 15 November (<https://tass.com/world/1361935>), empty on 18 November (<https://www.krone.at/2559587>). Of Ceuta, May 2021:
/// 5,000 to 6,000 in a day, 8,000 by the next, after 266 in 74 days
/// (<https://www.eaglenews.ph/spain-says-8000-migrants-entered-ceuta-half-sent-back/>).
pub(super) fn gate(dice: &mut Dice) -> Draft {
    let span = Span::draw(dice);
    let crossings = dice.whole(2, 6);
    let gate = dice.whole(0, crossings - 1);
    let usual: Vec<Usual> = (0..crossings)
        .map(|_| Usual::Trickle {
            mean: dice.scale(0.02, 3.5),
        })
        .collect();
    let mut draft = span.usual(dice, &usual, |_, _| 1.0);
    let mass = dice.scale(500.0, 8_000.0);
    let first_share = dice.between(0.5, 0.9);
    let shuts = dice.chance(0.5);
    if shuts {
        let until = span.onset + dice.whole(15, 60);
        draft.shut(gate, span.onset + 1, until);
    }
    // Who comes to a gate that is shut is counted, or nobody is there to count.
    let is_counted = !shuts || dice.chance(0.5);
    draft.add(gate, span.onset, dice.poisson(mass * first_share));
    if !is_counted {
        return draft;
    }
    let (lasts, again) = (dice.whole(7, 12), dice.whole(5, 8));
    let trickle = dice.between(0.005, 0.05);
    let second = dice.between(0.1, 0.6);
    for day in 1..lasts {
        let share = match day {
            1 => 1.0 - first_share,
            _ if day == again => second,
            _ => trickle * dice.noise(0.5),
        };
        draft.add(gate, span.onset + day, dice.poisson(mass * share));
    }
    draft
}
