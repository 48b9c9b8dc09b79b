//! Owns the variants of the winter of 2015-16: an open ramp at one crossing, and a quota of cars a day at two.

use super::DAYS_AFTER;
use super::Draft;
use super::dice::Dice;
use super::usual::{Span, Usual};

/// A daily rate that waits for bicycles, which come as they can be had.
///
/// Published of Storskog: 58 in the half-year before, 50 in July, 215 in September, 2,018 in October 2015
/// (<https://barentsobserver.com/en/borders/2015/11/norway-adopts-stricter-asylum-regulations-27-11>), 159 a day in the peak week,
/// then 1,113, 796, 492 and 314 a week and none
/// (<https://www.nrk.no/finnmark/nedgang-i-antall-asylsokere-til-norge-1.12668035>); on 29 October the flow fell for want of
/// bicycles, more than 500 people waited
/// (<https://www.theguardian.com/world/2015/oct/30/bike-shortage-stems-flow-of-migrants-using-russian-arctic-route-to-europe>).
/// Derived: 100 to 500 times the usual, doubling in 8 to 10 days, halving in 11.
pub(super) fn ramp(dice: &mut Dice) -> Draft {
    let span = Span::draw(dice);
    let crossings = dice.whole(2, 4);
    let gate = dice.whole(0, crossings - 1);
    let peak = dice.scale(40.0, 250.0);
    let base = peak / dice.scale(100.0, 500.0);
    let usual: Vec<Usual> = (0..crossings)
        .map(|at| Usual::Trickle {
            mean: if at == gate {
                base
            } else {
                dice.scale(0.003, 0.1)
            },
        })
        .collect();
    let mut draft = span.usual(dice, &usual, |_, _| 1.0);
    let (doubling, halving) = (dice.between(7.0, 13.0), dice.between(8.0, 14.0));
    // 50 in July after 10 a month.
    let mut demand = base * dice.between(2.0, 5.0);
    let mut has_peaked = false;
    let swing = dice.between(0.2, 0.45);
    let (mut waiting, mut short_days) = (0.0_f64, 0);
    for day in span.onset..span.len() {
        waiting += demand;
        if short_days == 0 && dice.chance(0.04) {
            short_days = dice.whole(1, 4);
        }
        let supply = if short_days > 0 {
            dice.between(0.1, 0.4)
        } else {
            dice.between(1.1, 1.6)
        };
        short_days = short_days.saturating_sub(1);
        let leaving = waiting.min(demand * supply) * dice.noise(swing);
        waiting = (waiting - leaving).max(0.0);
        draft.add(gate, day, dice.grouped(leaving, 1, 6));
        has_peaked |= demand >= peak;
        demand *= if has_peaked {
            (-1.0 / halving).exp2()
        } else {
            (1.0 / doubling).exp2()
        };
    }
    draft
}

/// So many cars a day, whole ones, at two crossings that take turns.
///
/// Published of Salla and Raja-Jooseppi: 261, 433, 489 and 600 a month (<http://www.patchworkbarents.org/node/250>), 67 in the
/// first nine days
/// (<https://www.nrk.no/sapmi/stadig-flere-flyktninger-kommer-til-finland-via-raja-jooseppi-1.12634654>), three cars a day
/// (<https://www.rcinet.ca/eye-on-the-arctic/2016/02/29/asylum-seekers-continue-to-arrive-via-northern-route-from-russia/>),
/// one car with five of six occupants
/// (<http://www.finlandtimes.fi/national/2015/12/27/23644/Finland-bans-border-crossing-on-bicycle>), two days without anybody
/// in two months
/// (<https://en.news-front.info/2015/12/26/pause-in-asylum-seeker-traffic-at-russian-border-in-lapland/>). Derived: doubling in
/// 2.4 months, one crossing has 69 % of it, later the other 86 %.
pub(super) fn throttle(dice: &mut Dice) -> Draft {
    let span = Span::draw(dice);
    let crossings = dice.whole(2, 5);
    let first = dice.whole(0, crossings - 2);
    let usual: Vec<Usual> = (0..crossings)
        .map(|_| Usual::Trickle {
            mean: dice.scale(0.005, 0.05),
        })
        .collect();
    let mut draft = span.usual(dice, &usual, |_, _| 1.0);
    let (mut quota, doubling) = (dice.between(1.5, 3.0), dice.between(60.0, 100.0));
    let lead = dice.between(0.69, 0.9);
    let mut leader = dice.whole(0, 1);
    let turn = span.onset + dice.whole(25, 75);
    let pause = dice
        .chance(0.5)
        .then(|| span.onset + dice.whole(20, DAYS_AFTER));
    // Cars that are due and have not been let go.
    let mut due = 0.0_f64;
    for day in span.onset..span.len() {
        due += quota;
        quota = (quota * (1.0 / doubling).exp2()).min(4.5);
        if day == turn {
            leader = 1 - leader;
        }
        if pause.is_some_and(|at| (at..at + 2).contains(&day)) {
            due = 0.0;
            continue;
        }
        // One car in some days comes a day late.
        let late = if due >= 1.0 && dice.chance(0.15) {
            1.0
        } else {
            0.0
        };
        let cars = (due - late).floor().max(0.0);
        due -= cars;
        for _ in 0..cars as u32 {
            let at = if dice.chance(lead) {
                leader
            } else {
                1 - leader
            };
            let people = 3 + dice.pick(&[1.0, 2.0, 4.0, 3.0]) as u32;
            draft.add(first + at, day, people);
        }
    }
    draft
}
