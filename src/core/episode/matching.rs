//! Owns the comparison of an incident with all families and with none of these.

use super::family::{Families, Family};
use super::fit::{Days, Fit};
use super::likeness::{Likeness, TooLittle, Verdict};
use super::numbers::ln_sum;
use super::outlook;
use super::shape;
use super::situation::Situation;
use super::spread::Spread;

/// Days since the onset that are needed: asked on three, three in ten of those that were named as a family were of another.
const NEED_DAYS: u32 = 4;
/// Arrivals away from the usual that are needed.
const NEED_ARRIVALS: u32 = 10;
/// Prior probability of none-of-these; the families share the rest evenly.
const NONE_PRIOR: f64 = 0.4;

/// What the numbers of an incident are like, at the end of its last day.
#[must_use]
pub fn liken(families: &Families, situation: &Situation) -> Likeness {
    let spread = Spread::of(situation);
    let days = Days::of(situation, &spread.takes_part, &spread.share);
    let mut best = f64::NEG_INFINITY;
    let usual = days.usual[days.onset..].iter().sum::<f64>() / (days.len() - days.onset) as f64;
    let wide = shape::of_none(situation.direction, usual);
    let (mut fits, none) = days.compare(&wide, &mut best);
    let mut scores = Vec::new();
    let candidates = candidates(families, situation);
    let prior = ((1.0 - NONE_PRIOR) / candidates.len().max(1) as f64).ln();
    let mut all_fits: Vec<(Fit, f64)> = Vec::new();
    let none = none + NONE_PRIOR.ln();
    for (_, family) in &candidates {
        let ln_ratio = spread.ln_ratio(family) + prior;
        let (own, whole) = days.compare(&shape::of_family(family), &mut best);
        scores.push(whole + ln_ratio);
        all_fits.extend(own.into_iter().map(|fit| (fit, fit.ln_weight + ln_ratio)));
    }
    all_fits.extend(
        fits.drain(..)
            .map(|fit| (fit, fit.ln_weight + NONE_PRIOR.ln())),
    );
    let mut terms = scores.clone();
    terms.push(none);
    let whole = ln_sum(&terms);
    for (_, weight) in &mut all_fits {
        *weight = (*weight - whole).exp();
    }
    let mut probabilities = vec![0.0; families.families.len()];
    for ((index, _), score) in candidates.iter().zip(&scores) {
        probabilities[*index] = (score - whole).exp();
    }
    let doubling = outlook::doubling(&days);
    let too_little = too_little(&days, situation);
    let onset = outlook::onset(&days, situation.first, &all_fits);
    let verdict = match too_little {
        Some(why) => Verdict::TooLittle(why),
        None => Verdict::Compared {
            families: probabilities,
            none: (none - whole).exp(),
            stage: outlook::stage(&days, doubling.as_ref()),
        },
    };
    let last = situation.first.0 + situation.len() as i32 - 1;
    let alerted = situation.first.0 + days.onset as i32;
    let projections = match too_little {
        Some(_) => Vec::new(),
        None => outlook::projections(situation, &days, &all_fits),
    };
    Likeness {
        day: (last - onset.likely.0 + 1).max(1) as u32,
        judged_days: judged_days(&days),
        before_alert_days: (alerted - onset.likely.0).max(0) as u32,
        onset,
        verdict,
        doubling: doubling.filter(|_| too_little.is_none()),
        projections,
    }
}

/// The families that begin as it began, with their place among all.
fn candidates<'a>(families: &'a Families, situation: &Situation) -> Vec<(usize, &'a Family)> {
    let all = families.families.iter().enumerate();
    all.filter(|(_, family)| family.direction == situation.direction)
        .collect()
}

/// Days since the first alert's onset that were counted.
fn judged_days(days: &Days) -> u32 {
    let since = days.onset..days.len();
    since.filter(|t| days.seen[*t] > 0.0).count() as u32
}

fn too_little(days: &Days, situation: &Situation) -> Option<TooLittle> {
    let have = judged_days(days);
    if have < NEED_DAYS {
        return Some(TooLittle::Days {
            have,
            need: NEED_DAYS,
        });
    }
    let have = days.away(situation.direction).min(1e9) as u32;
    (have < NEED_ARRIVALS).then_some(TooLittle::Arrivals {
        have,
        need: NEED_ARRIVALS,
    })
}
