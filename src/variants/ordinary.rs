//! Owns the variants on ordinary traffic: a blockade, a rush before a rule, a holiday.

use super::Draft;
use super::dice::Dice;
use super::usual::{Span, Usual};
use crate::core::holidays::western_easter;
use jiff::ToSpan;
use jiff::civil::{Date, date};

/// Some crossings let a trickle through; those beside them take what they can.
///
/// Published: trucks at Yahodyn 1,250 a day, 600 at Krakovets and Rava-Ruska, then 140 at Yahodyn
/// (<https://ukranews.com/en/news/970708-more-than-3-000-trucks-in-queues-due-to-border-blocking-state-border-guard-service>), back to
/// 1,200 three days after its end
/// (<https://menafn.com/1107602452/Three-Border-Crossing-Points-From-Poland-Still-Blocked-2600-Trucks-Waiting-To-Enter>), 149 of 600
/// at Dorohusk (<https://www.rmf24.pl/regiony/lublin/news-dorohusk-5-6-dni-oczekiwania-na-odprawe,nId,7235698>); from about 13:00 of
/// the first day at three crossings
/// (<https://babel.ua/en/news/100303-on-the-border-with-ukraine-polish-carriers-started-a-protest-traffic-is-difficult-for-trucks>),
/// a fourth after 17 days; one, four or five an hour, one in three hours. What the neighbours take was not counted: supposed
/// are up to 60 % more.
pub(super) fn blockade(dice: &mut Dice) -> Draft {
    let span = Span::draw(dice);
    let crossings = dice.whole(4, 9);
    let means: Vec<f64> = (0..crossings).map(|_| dice.scale(60.0, 1_250.0)).collect();
    let usual = Usual::traffic(dice, &means);
    // The largest are blocked first.
    let mut order: Vec<usize> = (0..crossings).collect();
    order.sort_by(|a, b| means[*b].total_cmp(&means[*a]));
    let fourth = span.onset + dice.whole(14, 21);
    let more = span.onset + dice.whole(25, 50);
    let at_first = dice.whole(2, 3.min(crossings - 1));
    let begins = |rank: usize| match rank {
        _ if rank < at_first => Some(span.onset),
        3 if crossings > 4 => Some(fourth),
        4 | 5 if crossings > 6 => Some(more),
        _ => None,
    };
    let mut blocked = vec![None; crossings];
    for (rank, at) in order.iter().enumerate() {
        blocked[*at] = begins(rank);
    }
    let freed = dice
        .chance(0.5)
        .then(|| (order[0], span.onset + dice.whole(30, 40)));
    let rates: Vec<f64> = means
        .iter()
        .map(|mean| dice.scale(8.0, 150.0).min(0.2 * mean))
        .collect();
    let first_day = dice.between(0.4, 0.9);
    let more_at: Vec<f64> = (0..crossings).map(|_| dice.between(0.0, 0.6)).collect();
    let blocked_on = |at: usize, day: usize| {
        let is_freed = freed.is_some_and(|(of, from)| of == at && day >= from);
        blocked[at].is_some_and(|from| day >= from) && !is_freed
    };
    let factor = |at: usize, day: usize| {
        if day < span.onset {
            1.0
        } else if let Some((_, from)) = freed.filter(|(of, from)| *of == at && day >= *from) {
            [0.4, 0.7].get(day - from).copied().unwrap_or(1.0)
        } else if blocked[at] == Some(day) {
            first_day
        } else if blocked_on(at, day) {
            0.0
        } else {
            1.0 + more_at[at] * ((day - span.onset) as f64 / 4.0).min(1.0)
        }
    };
    let mut draft = span.usual(dice, &usual, factor);
    for at in 0..crossings {
        for day in span.onset..span.len() {
            if blocked_on(at, day) && blocked[at] != Some(day) {
                draft.add(at, day, dice.poisson(rates[at]));
            }
        }
    }
    draft
}

/// Twice the usual within two days at all crossings of a side, until a rule ends it.
///
/// Published of southeast Finland, people entering: 2,804, 3,099, 4,443 and 5,959 from 19 to 22 September 2022
/// (<https://bnidigital.com/articles/how-many-russians-left-for-finland-september-23-2022-september-23-2022-12258/>), 8,572 on Saturday
/// after 5,286 a week before (<https://www.anews.com.tr/world/2022/09/25/finland-continues-to-see-more-arrivals-at-russian-border>),
/// until 30 September 00:00; at Niirala 1,200 a day before and 450 to 700 after
/// (<https://pledgetimes.com/eastern-border-the-traffic-on-the-eastern-border-was-revolutionized-in-an-instant-hs-followed-the-traffic-at-the-niirala-border-station/>).
pub(super) fn rush(dice: &mut Dice) -> Draft {
    let span = Span::draw(dice);
    let usual = travellers(dice);
    let peak = dice.between(1.6, 2.2);
    let first = 1.0 + (peak - 1.0) * dice.between(0.35, 0.7);
    let lasts = dice.whole(7, 14);
    let after = dice.between(0.4, 0.9);
    let own: Vec<f64> = usual.iter().map(|_| dice.between(0.85, 1.15)).collect();
    span.usual(dice, &usual, |at, day| match day.checked_sub(span.onset) {
        None => 1.0,
        Some(0) => 1.0 + (first - 1.0) * own[at],
        Some(since) if since < lasts => 1.0 + (peak - 1.0) * own[at],
        Some(_) => after,
    })
}

/// Half as much again, or twice as much, on days that everybody knows.
///
/// Published of southeast Finland: 20,000 crossings a day, 39,500 on the Saturday before Christmas 2011
/// (<http://www.icenews.is/2012/01/08/finland-russia-border-sees-record-traffic-in-2011/>); ten days of travel after New Year
/// (<https://barentsobserver.com/en/sections/borders/25000-travelled-abroad-new-years-period?multilink=switch>).
pub(super) fn holiday(dice: &mut Dice) -> Draft {
    let year = dice.whole(2015, 2024) as i16;
    let (first, days) = feast(dice, year);
    let span = Span::with_onset(dice, first);
    let usual = travellers(dice);
    let peak = dice.between(1.5, 2.0);
    let rises = dice.whole(1, 3.min(days)) as f64;
    let own: Vec<f64> = usual.iter().map(|_| dice.between(0.85, 1.15)).collect();
    span.usual(dice, &usual, |at, day| match day.checked_sub(span.onset) {
        Some(since) if since < days => {
            let share = ((since + 1) as f64 / rises).min(1.0);
            1.0 + (peak - 1.0) * own[at] * share
        }
        Some(since) if since == days => 1.0 + (peak - 1.0) * own[at] * 0.4,
        _ => 1.0,
    })
}

/// First day of travel for a feast, and how many days it lasts.
fn feast(dice: &mut Dice, year: i16) -> (Date, usize) {
    let easter = |of: Option<Date>| of.map(|sunday| sunday.saturating_sub(3.days()));
    let days = [
        // Before Christmas.
        (Some(date(year, 12, 17)), 7),
        (Some(date(year, 12, 21)), 4),
        // New Year and the Russian holidays after it.
        (Some(date(year, 12, 29)), 5),
        (Some(date(year, 12, 30)), 10),
        // May.
        (Some(date(year, 4, 30)), 3),
        (easter(western_easter(year)), 5),
    ];
    let (first, lasts) = days[dice.whole(0, days.len() - 1)];
    (first.unwrap_or(date(year, 12, 21)), lasts)
}

/// Travellers at two to seven crossings, of very different size.
///
/// Published: 2,804 people a day entering at three Finnish crossings in September 2022, of which 57, 32 and 11 % over the year
/// (<https://www.kaakkois-suomi.uutisparkki.com/katsaus-kaakkois-suomen-rajavartioston-toimintaan-vuonna-2022/>); 650 crossings a day
/// at Storskog (<http://barentsobserver.com/en/borders/2015/10/steep-decline-border-crossing-08-10>), 20,000 in southeast Finland
/// before 2018.
fn travellers(dice: &mut Dice) -> Vec<Usual> {
    let total = dice.scale(600.0, 20_000.0);
    let shares: Vec<f64> = (0..dice.whole(2, 7))
        .map(|_| dice.scale(0.1, 0.6))
        .collect();
    let sum: f64 = shares.iter().sum();
    let means: Vec<f64> = shares.iter().map(|share| total * share / sum).collect();
    Usual::traffic(dice, &means)
}
