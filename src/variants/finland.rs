//! Owns the variants of autumn 2023: groups that move on from crossing to crossing as they shut, and a few small groups at one.

use super::Draft;
use super::dice::{Dice, mean_group};
use super::usual::{Span, Usual};
use std::collections::BTreeMap;

/// Groups queue upstream. Each goes to the nearest open crossings; when they shut it moves on, and nobody comes when all are.
///
/// Published of Finland: 91 in 104 days, then 39, 55, 74 and 26 a day
/// (<https://pledgetimes.com/eastern-border-34-asylum-seekers-arrived-at-border-crossing-points-in-southeast-finland-again-on-bicycles/>),
/// 220 on the last open day
/// (<https://www.verkkouutiset.fi/a/kaakkois-suomen-itarajaa-suljettu-eilen-miltei-200-turvapaikanhakijaa/>), 67 the next day at the
/// nearest open crossing, then 16, 12 and 35, 61, 75, 92 at two
/// (<https://pledgetimes.com/eastern-border-the-graphics-show-how-asylum-seekers-moved-from-one-border-crossing-point-to-another/>),
/// 3, 55, 3 and 2 at the last one
/// (<https://www.dailyfinland.fi/national/35176/Influx-of-asylum-seekers-continues-from-Russia-at-lone-operative-border>); none while
/// all were shut; 155 and 208 when two reopened. Derived: groups of 17 to 55, 31 % of the rush the next day.
pub(super) fn shift(dice: &mut Dice) -> Draft {
    let span = Span::draw(dice);
    let crossings = dice.whole(4, 8);
    let southern = dice.whole(2, (crossings - 2).min(4));
    let base = dice.scale(0.3, 1.5);
    let usual = almost_nobody(dice, base, crossings, southern);
    let mut draft = span.usual(dice, &usual, |_, _| 1.0);
    let mut queue = Queue {
        upstream: BTreeMap::new(),
        groups: (dice.whole(1, 4), dice.whole(10, 25)),
    };
    let mut level = dice.scale(20.0, 80.0);
    let growth = dice.between(1.15, 1.6);
    let most = dice.between(70.0, 120.0);
    let lulls = dice.between(0.4, 0.7);
    let rush = dice.between(3.0, 6.0);
    let mut day = span.onset;
    let announced = day + dice.whole(3, 8);
    while day < announced {
        queue.send(dice, day, level);
        level = (level * growth).min(most);
        day += 1;
    }
    queue.send(dice, day, level * lulls);
    day += 1;
    let last = level * lulls * rush;
    queue.send(dice, day, last);
    queue.arrive(dice, &mut draft, span.onset..day + 1, 0..southern);
    day += 1;
    for at in 0..southern {
        draft.shut(at, day, span.len());
    }
    // Those who came too late for the last day are on their way to the next crossing, and the way is long.
    queue.groups = (dice.whole(8, 17), dice.whole(35, 55));
    let on_their_way = last * dice.between(0.2, 0.4);
    queue.send(dice, day, on_their_way);
    let mut open = southern..(southern + dice.whole(1, 2)).min(crossings - 1);
    loop {
        let shuts = day + dice.whole(4, 8);
        for (since, day) in (day..shuts).enumerate() {
            // Back at the level before by the fifth day.
            let share = [0.0, 0.15, 0.6, 0.7, 0.9]
                .get(since)
                .copied()
                .unwrap_or(1.1);
            let people = level * share * dice.noise(0.3);
            queue.send(dice, day, people);
        }
        queue.arrive(dice, &mut draft, day..shuts, open.clone());
        for at in open.clone() {
            draft.shut(at, shuts, span.len());
        }
        day = shuts;
        if open.end == crossings {
            break;
        }
        open = open.end..(open.end + dice.whole(1, 2)).min(crossings);
        // Fewer make the way each time.
        level *= dice.between(0.2, 0.7);
    }
    if dice.chance(0.6) {
        let opens = day + dice.whole(8, 18);
        reopening(dice, &mut draft, &mut queue, (opens, most), &usual, span);
    }
    draft
}

/// What the crossings have on usual days: nearly all of it in the south.
fn almost_nobody(dice: &mut Dice, base: f64, crossings: usize, southern: usize) -> Vec<Usual> {
    (0..crossings)
        .map(|at| Usual::Trickle {
            mean: if at < southern {
                base / southern as f64
            } else {
                dice.scale(0.001, 0.02)
            },
        })
        .collect()
}

/// The first two crossings open for two days or three, and more come at once than before.
fn reopening(
    dice: &mut Dice,
    draft: &mut Draft,
    queue: &mut Queue,
    (opens, most): (usize, f64),
    usual: &[Usual],
    span: Span,
) {
    let lasts = dice.whole(2, 3);
    for (at, usual) in usual.iter().enumerate().take(2) {
        reopen(dice, draft, (at, opens, opens + lasts), usual, span);
    }
    for day in opens..opens + lasts {
        let people = most * dice.between(1.2, 2.5);
        queue.send(dice, day, people);
    }
    queue.groups = (2, 20);
    queue.arrive(dice, draft, opens..opens + lasts, 0..2);
}

/// Opens a crossing for some days, with its usual arrivals.
fn reopen(
    dice: &mut Dice,
    draft: &mut Draft,
    (at, from, until): (usize, usize, usize),
    usual: &Usual,
    span: Span,
) {
    let until = until.min(span.len());
    for day in from..until {
        draft.crossings[at].days[day] = super::Day {
            state: super::State::Open,
            count: usual.draw(dice, span.start, 1.0),
        };
    }
}

/// Groups on their way, by the day they arrive.
struct Queue {
    upstream: BTreeMap<usize, Vec<u32>>,
    /// Their sizes.
    groups: (usize, usize),
}

impl Queue {
    /// About so many people will arrive on a day, in whole groups.
    fn send(&mut self, dice: &mut Dice, day: usize, people: f64) {
        let (low, high) = self.groups;
        let exact = people / mean_group(low, high);
        let whole = exact.floor() as usize + usize::from(dice.chance(exact.fract()));
        let groups = (0..whole).map(|_| dice.group(low, high));
        self.upstream.entry(day).or_default().extend(groups);
    }

    /// The groups of these days arrive at the open crossings: most at the nearest.
    fn arrive(
        &mut self,
        dice: &mut Dice,
        draft: &mut Draft,
        days: std::ops::Range<usize>,
        open: std::ops::Range<usize>,
    ) {
        let mut weights: Vec<f64> = open.clone().map(|_| dice.between(0.3, 1.0)).collect();
        weights[0] = 1.0;
        let first = days.start;
        for day in days {
            for group in self.upstream.remove(&day).unwrap_or_default() {
                // Only the nearest one can be reached within two days of a closure.
                let at = if open.start > 0 && day < first + 2 {
                    0
                } else {
                    dice.pick(&weights)
                };
                draft.add(open.start + at, day, group);
            }
        }
    }
}

/// A few small groups at one crossing, for some days.
///
/// Published of Narva: 19 on 16 November 2023, in groups of 8, 7 and 4
/// (<https://news.err.ee/1609167412/ppa-ready-to-close-estonia-s-border-crossings-if-migration-pressure-rises>), about 30 in nine days
/// (<https://wardheernews.com/30-migrants-from-somalia-syria-denied-entry-at-estonian-russian-border-this-month/>).
pub(super) fn probe(dice: &mut Dice) -> Draft {
    let span = Span::draw(dice);
    let crossings = dice.whole(2, 4);
    let gate = dice.whole(0, crossings - 1);
    let usual: Vec<Usual> = (0..crossings)
        .map(|_| Usual::Trickle {
            mean: dice.scale(0.01, 0.3),
        })
        .collect();
    let mut draft = span.usual(dice, &usual, |_, _| 1.0);
    for _ in 0..dice.whole(2, 4) {
        draft.add(gate, span.onset, dice.group(4, 8));
    }
    let days = dice.whole(1, 9);
    if days > 1 {
        for _ in 0..dice.whole(0, 3) {
            let day = dice.whole(1, days - 1);
            draft.add(gate, span.onset + day, dice.group(2, 8));
        }
    }
    draft
}
