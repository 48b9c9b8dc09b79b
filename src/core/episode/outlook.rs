//! Owns what the fits of an incident say beside their likeness: when it began, how fast it grows, how far along it is, what may come.

use super::fit::{Days, Fit};
use super::likeness::{Doubling, Onset, PROJECTED_DAYS, Projection, Stage};
use super::situation::Situation;
use crate::core::baseline::negbin::NegBin;
use crate::core::region::displacement::Day;

/// Days that say where it stands.
const NOW_DAYS: usize = 3;
/// What is away from the usual by less than this share of it, and one, is hardly so.
const USUAL_MORE_RATIO: f64 = 0.5;
/// Days that growth is measured over, the newest.
const GROWTH_DAYS: usize = 10;
/// The exponent of an onset's weight: a family's shapes begin on few days, and the best of them would rule the others out. With it 80 % of
/// the ranges or more hold the day on which made-up episodes began, up to their 28th.
const ONSET_TEMPER: f64 = 0.7;
/// Fits that a projection is made of.
const DRAWS: usize = 48;
/// Parts beside them that go on as the last days did, whatever the fits say.
const GOES_ON: usize = 6;
/// Days that are gone on from.
const LAST_DAYS: usize = 7;
/// Standard deviation of the logarithm by which a level wanders in a day.
const WANDERS: f64 = 0.06;
/// A tenth of the standard normal distribution lies beyond this.
const TENTH: f64 = 1.2816;

/// When it began: the likeliest day, and those that hold 80 %.
pub(super) fn onset(days: &Days, first: Day, fits: &[(Fit, f64)]) -> Onset {
    let mut by_day: Vec<(i64, f64)> = Vec::new();
    for (fit, weight) in fits {
        let day = days.first_day(&fit.shape).clamp(0, days.len() as i64 - 1);
        match by_day.iter_mut().find(|(known, _)| *known == day) {
            Some((_, sum)) => *sum += weight,
            None => by_day.push((day, *weight)),
        }
    }
    by_day.sort_by_key(|(day, _)| *day);
    for (_, weight) in &mut by_day {
        *weight = weight.powf(ONSET_TEMPER);
    }
    let whole: f64 = by_day.iter().map(|(_, weight)| weight).sum();
    let at = |share: f64| {
        let mut sum = 0.0;
        let reached = by_day.iter().find(|(_, weight)| {
            sum += weight;
            sum >= share * whole
        });
        reached.map_or(days.onset as i64, |(day, _)| *day)
    };
    let likely = by_day.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    let likely = likely.map_or(days.onset as i64, |(day, _)| *day);
    let day = |t: i64| Day(first.0 + t as i32);
    Onset {
        first: day(at(0.1).min(likely)),
        likely: day(likely),
        last: day(at(0.9).max(likely)),
    }
}

/// The slope of the logarithm of what is away from the usual over the last days, by iterated weighted least squares (a quasi-Poisson
/// regression with a logarithmic link, McCullagh & Nelder 1989, chapter 9), with the dispersion its residuals show.
pub(super) fn doubling(days: &Days) -> Option<Doubling> {
    let from = days.onset.max(days.len().saturating_sub(GROWTH_DAYS));
    let seen: Vec<usize> = (from..days.len()).filter(|t| days.seen[*t] > 0.5).collect();
    if seen.len() < 3 {
        return None;
    }
    let sign = days.sign();
    let away = |t: usize| (sign * days.away_on(t)).max(0.0);
    let mean = seen.iter().map(|t| away(*t)).sum::<f64>() / seen.len() as f64;
    let is_gone = seen.iter().rev().take(NOW_DAYS).all(|t| away(*t) <= 0.0);
    if mean < 1.0 || is_gone {
        return None;
    }
    let middle = seen.iter().sum::<usize>() as f64 / seen.len() as f64;
    let (mut a, mut b) = (mean.ln(), 0.0);
    let mut spread = 0.0;
    for _ in 0..12 {
        let (mut s0, mut s1, mut s2, mut z0, mut z1) = (0.0, 0.0, 1e-6, 0.0, 0.0);
        for t in &seen {
            let x = *t as f64 - middle;
            let mu = (a + b * x).clamp(-5.0, 20.0).exp();
            let z = a + b * x + (away(*t) - mu) / mu;
            // Days differ by their level as well as by chance: weights that grow without end would let one day speak for all.
            let w = mu / (1.0 + 0.1 * mu);
            s0 += w;
            s1 += w * x;
            s2 += w * x * x;
            z0 += w * z;
            z1 += w * x * z;
        }
        let determinant = s0 * s2 - s1 * s1;
        if determinant <= 0.0 {
            return None;
        }
        let next = (
            (s2 * z0 - s1 * z1) / determinant,
            (s0 * z1 - s1 * z0) / determinant,
        );
        (a, b) = (next.0.clamp(a - 2.0, a + 2.0), next.1.clamp(-2.0, 2.0));
        let residuals = seen.iter().map(|t| {
            let mu = (a + b * (*t as f64 - middle)).clamp(-5.0, 20.0).exp();
            (away(*t) - mu).powi(2) / (mu * (1.0 + 0.1 * mu))
        });
        let dispersion = residuals.sum::<f64>() / (seen.len() as f64 - 2.0).max(1.0);
        spread = (dispersion.max(1.0) * s0 / determinant).sqrt();
    }
    // Few days: Student's distribution instead of the normal one (its 90 % points for 1, 2, 3, 5 and more degrees of freedom).
    let t90 = match seen.len() - 2 {
        1 => 3.08,
        2 => 1.89,
        3 => 1.64,
        4 | 5 => 1.5,
        _ => 1.4,
    };
    let ln2 = std::f64::consts::LN_2;
    let all = (b / ln2, (b - t90 * spread) / ln2, (b + t90 * spread) / ln2);
    [all.0, all.1, all.2]
        .iter()
        .all(|x| x.is_finite())
        .then_some(Doubling {
            per_day: all.0,
            per_day_low: all.1,
            per_day_high: all.2,
        })
}

/// How far along it is: by the last days and by its growth.
pub(super) fn stage(days: &Days, doubling: Option<&Doubling>) -> Stage {
    let last: Vec<usize> = (days.onset..days.len()).rev().take(NOW_DAYS).collect();
    let sign = days.sign();
    let away = |t: &usize| sign * days.away_on(*t);
    let now = last.iter().map(away).sum::<f64>() / last.len() as f64;
    let usual = last.iter().map(|t| days.usual[*t]).sum::<f64>() / last.len() as f64;
    let most = (days.onset..days.len())
        .map(|t| away(&t).abs())
        .fold(0.0, f64::max);
    // Days before that varied much leave room for more than any reader would call usual.
    let noise = 2.0 * (days.usual_index * usual.max(1.0)).sqrt();
    if now < 0.05 * most && now < noise.min(USUAL_MORE_RATIO * usual + 1.0) {
        return Stage::Over;
    }
    match doubling {
        Some(d) if d.per_day_low > 0.0 => Stage::Growth,
        Some(d) if d.per_day_high < 0.0 => Stage::Decline,
        _ => Stage::Level,
    }
}

/// Mean and variance of arrivals.
pub(super) type Moments = (f64, f64);
/// Shares below the lower end, the middle and the upper end of an interval of 80 %.
pub(super) const QUANTILES: [f64; 3] = [0.1, 0.5, 0.9];

/// Share below the lower end of the next day's interval, settled on made-up borders and real daily counts.
const NEXT_DAY_LOW: f64 = 0.15;

/// Arrivals of the next days: the mixture of what the fits go on to, each held against the last days, and of days like the last ones,
/// because a fall may deepen and a rise end as no shape has it.
pub(super) fn projections(
    situation: &Situation,
    days: &Days,
    fits: &[(Fit, f64)],
) -> Vec<Projection> {
    let parts = drawn(fits);
    if parts.is_empty() {
        return Vec::new();
    }
    let each = PROJECTED_DAYS.map(|ahead| {
        let fits = parts.iter().map(|fit| ahead_of(days, fit, ahead));
        let go_on = std::iter::repeat_n(last_days_go_on(days, ahead), GOES_ON);
        let moments: Vec<Moments> = fits.chain(go_on.flatten()).collect();
        let [low, median, high] = shares(ahead).map(|share| quantile(&moments, share));
        Projection {
            days: ahead,
            came: situation.came(ahead),
            median,
            low,
            high,
        }
    });
    each.to_vec()
}

/// The shares of [`QUANTILES`]; for the next day a larger one below the lower end, so that as many days come below it as above the upper
/// end: shapes that end or fall off tomorrow have a part in every mixture, and few days are the last.
fn shares(ahead: u32) -> [f64; 3] {
    let [low, middle, high] = QUANTILES;
    [if ahead == 1 { NEXT_DAY_LOW } else { low }, middle, high]
}

/// Some fits, each as often as its weight says: systematic resampling.
fn drawn(fits: &[(Fit, f64)]) -> Vec<Fit> {
    let whole: f64 = fits.iter().map(|(_, weight)| weight).sum();
    let step = whole / DRAWS as f64;
    let (mut sum, mut next) = (0.0, step / 2.0);
    let mut parts = Vec::with_capacity(DRAWS);
    for (fit, weight) in fits {
        sum += weight;
        while next < sum && parts.len() < DRAWS {
            parts.push(*fit);
            next += step;
        }
    }
    parts
}

/// Mean and variance of the sum of the next days under one fit, whose level is first drawn to the last days.
fn ahead_of(days: &Days, fit: &Fit, ahead: u32) -> Moments {
    let (factor, unsure) = recent(days, fit);
    let (mut mean, mut variance) = (0.0, 0.0);
    for t in days.len()..days.len() + ahead as usize {
        let usual = days.usual_on(t);
        let (added, around) = days.added(&fit.shape, fit.level, t, usual);
        mean += (usual + added).max(0.0) * factor;
        variance += around * factor.max(factor * factor);
    }
    summed(days, ahead, (mean, variance), (mean * unsure).powi(2))
}

/// Mean and variance of a sum of days whose means and variances have been added up, `unsure` being the variance that they share: days
/// that go on alike, a level that wanders, and the crossings beside.
fn summed(days: &Days, ahead: u32, (mean, variance): Moments, unsure: f64) -> Moments {
    let n = f64::from(ahead);
    let wanders = mean * mean * WANDERS * WANDERS * n;
    let around = variance * in_a_row(days.memory, ahead) + unsure + wanders;
    (
        (mean + n * days.others.0).max(0.02),
        around + n * n * days.others.1,
    )
}

/// Mean and variance of the sum of the next days if they are like the last ones; nothing where none of those was seen.
fn last_days_go_on(days: &Days, ahead: u32) -> Option<Moments> {
    let last = (0..days.len()).rev().take(LAST_DAYS);
    let last: Vec<f64> = last
        .filter(|t| days.seen[*t] > 0.0)
        .map(|t| days.observed[t] as f64)
        .collect();
    if last.is_empty() {
        return None;
    }
    let known = last.len() as f64;
    let mean = last.iter().sum::<f64>() / known;
    let squares = last.iter().map(|count| (count - mean).powi(2)).sum::<f64>();
    // As a sample's variance, with one day more that lies as far away as independent arrivals do.
    let variance = (squares + mean) / known;
    let n = f64::from(ahead);
    Some(summed(
        days,
        ahead,
        (n * mean, n * variance),
        n * n * variance / known,
    ))
}

/// By how much the variance of a sum of days is larger where their distances from the usual go on, as of an autoregression of the
/// first order.
fn in_a_row(memory: f64, days: u32) -> f64 {
    let n = f64::from(days);
    let lags = (1..days).map(|k| (1.0 - f64::from(k) / n) * memory.powi(k as i32));
    1.0 + 2.0 * lags.sum::<f64>()
}

/// By how much the last days lie above or below a fit, drawn towards one, and the standard deviation of its logarithm.
fn recent(days: &Days, fit: &Fit) -> (f64, f64) {
    let (mut seen, mut meant, mut around) = (0.0, 0.0, 0.0);
    for (age, t) in (0..days.len()).rev().take(7).enumerate() {
        if days.seen[t] <= 0.0 {
            continue;
        }
        let fade = 0.75f64.powi(age as i32);
        let (added, variance) = days.added(&fit.shape, fit.level, t, days.usual[t]);
        seen += fade * days.observed[t] as f64;
        meant += fade * (days.usual[t] + added);
        around += fade * fade * variance;
    }
    if meant < 0.05 {
        return (1.0, 0.3);
    }
    let prior = 0.5f64.powi(2);
    let noise = around / (meant * meant);
    let share = prior / (prior + noise);
    let factor = (1.0 + share * (seen / meant - 1.0)).clamp(0.05, 8.0);
    (factor, (share * noise).sqrt())
}

/// The smallest count whose probability to be reached or undercut is a share, of the mixture of negative binomials with these moments.
pub(super) fn quantile(moments: &[Moments], share: f64) -> u64 {
    let parts: Vec<NegBin> = moments
        .iter()
        .filter_map(|(mean, variance)| {
            let more = (variance - mean).max(0.02 * mean);
            NegBin::new(mean * mean / more, *mean)
        })
        .collect();
    let below = |y: u64| {
        let sum: f64 = parts.iter().map(|part| part.ln_lower_tail(y).exp()).sum();
        sum / parts.len() as f64
    };
    let most = moments
        .iter()
        .map(|(mean, variance)| mean + 3.0 * TENTH * variance.sqrt());
    let (mut low, mut high) = (0u64, most.fold(1.0, f64::max).min(1e9) as u64 + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if below(middle) >= share {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}
