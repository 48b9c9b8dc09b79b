//! Owns how well a shape in time goes with the days of an incident: the likelihood of all of its arrivals, over every level.

use super::likeness::SEARCHED_BEFORE_DAYS;
use super::numbers::{ln_add, ln_in_range, ln_sum};
use super::shape::Shape;
use super::situation::{Gate, Place, Situation};
use crate::core::alert::Direction;
use crate::core::baseline::negbin::NegBin;

/// Days before the onset of the first alert that are compared too: an episode may have begun unseen.
const BEFORE_DAYS: usize = SEARCHED_BEFORE_DAYS as usize;
/// Days since that onset that are compared at most, the newest.
const MOST_DAYS: usize = 60;
/// A count that no shape explains has this probability, so that one strange day decides nothing alone.
const STRANGE: f64 = 0.03;
/// ln of the largest count such a day may have: all orders of magnitude below are alike.
const STRANGE_LN_MOST: f64 = 11.0;
/// The exponent of the likelihood: days of an episode are less independent than any shape says.
const TEMPER: f64 = 0.5;
/// Standard deviation of the logarithm of the first day, which is seldom whole, and of days on which a crossing with flow is shut.
const PARTIAL_SPREAD: f64 = 0.7;
/// A shape whose likelihood is further than this below the best (in logarithms) is given up.
const HOPELESS: f64 = 14.0;
/// The same of its first guess alone: no better level makes up for that.
const FAR: f64 = 25.0;
/// A fall takes away this share of the usual at least.
const LEAST_FALL: f64 = 0.01;
/// What a fall leaves at least, as a share of the usual.
const LEAST_LEFT: f64 = 1e-3;
/// Arrivals that are usual where none are expected.
const LEAST_USUAL: f64 = 0.01;

/// The days of an incident, all of its crossings together.
#[derive(Debug, Clone)]
pub(super) struct Days {
    /// Arrivals.
    pub(super) observed: Vec<u64>,
    /// Usual arrivals.
    pub(super) usual: Vec<f64>,
    /// Share of the flow that could come and be seen: 0 where all crossings with flow are blind.
    pub(super) seen: Vec<f64>,
    /// Whether a crossing with flow is shut.
    shaken: Vec<bool>,
    special: Vec<bool>,
    /// The day of the first alert's onset.
    pub(super) onset: usize,
    /// The first day that is compared.
    from: usize,
    /// ln of the probability of a day's count where nothing explains it.
    strange: Vec<f64>,
    /// Arrivals a day of the last week at crossings that do not take part, and their variance.
    pub(super) others: (f64, f64),
    /// How much of a usual day's distance from the usual is there on the next day too, in [0, 0.8].
    pub(super) memory: f64,
    /// Variance by mean of usual days.
    pub(super) usual_index: f64,
    /// Sums of the log likelihood of usual days, from the first one that is compared.
    quiet: Vec<f64>,
}

/// A shape at one level, and how likely it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fit {
    pub(super) shape: Shape,
    pub(super) level: f64,
    /// ln of prior weight times likelihood.
    pub(super) ln_weight: f64,
}

impl Days {
    /// Adds up the crossings that take part: of a fall only those that fell.
    pub(super) fn of(situation: &Situation, takes_part: &[bool], flow_share: &[f64]) -> Self {
        let days = situation.len();
        let places = || situation.places.iter().zip(takes_part).zip(flow_share);
        let mut all = Self {
            observed: vec![0; days],
            usual: vec![LEAST_USUAL; days],
            seen: vec![0.0; days],
            shaken: vec![false; days],
            special: situation.is_special.clone(),
            onset: situation.onset.min(days.saturating_sub(1)),
            from: 0,
            memory: 0.0,
            usual_index: 1.0,
            strange: Vec::new(),
            others: others(situation, takes_part),
            quiet: Vec::new(),
        };
        for ((place, _), share) in places().filter(|((_, takes_part), _)| **takes_part) {
            for (t, day) in place.days.iter().enumerate() {
                let is_shut = day.gate == Gate::Closed && day.exposure < 0.5;
                if day.is_counted() {
                    all.observed[t] += day.observed;
                    all.usual[t] += day.expected;
                }
                // What cannot come here may come elsewhere.
                all.seen[t] += share * if is_shut { 1.0 } else { day.exposure };
                all.shaken[t] |= is_shut && *share > 0.1;
            }
        }
        // What a shut gate keeps away would show at another one, of a rise also where none has risen yet.
        let shows = |(place, takes_part): &(&Place, &bool)| {
            **takes_part || situation.direction == Direction::Surge && place.is_known()
        };
        for t in 0..days {
            let mut part = situation.places.iter().zip(takes_part).filter(shows);
            if !part.any(|(place, _)| place.days[t].is_counted()) {
                all.seen[t] = 0.0;
            }
        }
        let newest = days.saturating_sub(MOST_DAYS);
        all.from = all.onset.saturating_sub(BEFORE_DAYS).max(newest);
        all.usual_index = all.index_before();
        all.memory = all.memory_before();
        let strange = |count: &u64| (STRANGE / STRANGE_LN_MOST).ln() - (*count as f64).ln_1p();
        all.strange = all.observed.iter().map(strange).collect();
        let mut sum = 0.0;
        all.quiet.push(sum);
        for t in all.from..days {
            sum += all.ln_day(t, 0.0, all.usual[t] * all.usual_index);
            all.quiet.push(sum);
        }
        all
    }

    /// Variance by mean of the days before the onset, drawn towards 1 where they are few.
    fn index_before(&self) -> f64 {
        let (mut squares, mut usual) = (4.0, 4.0);
        for t in (0..self.onset).filter(|t| self.seen[*t] > 0.0) {
            let away = self.away_on(t);
            squares += away * away;
            usual += self.usual[t];
        }
        (squares / usual).clamp(1.0, 400.0)
    }

    /// The correlation of neighbouring days before the onset, drawn towards 0 where they are few.
    fn memory_before(&self) -> f64 {
        let away = |t: usize| self.away_on(t);
        let pairs = (1..self.onset).filter(|t| self.seen[*t] > 0.0 && self.seen[*t - 1] > 0.0);
        let (mut both, mut squares, mut days) = (0.0, 0.0, 0.0);
        for t in pairs {
            both += away(t) * away(t - 1);
            squares += (away(t).powi(2) + away(t - 1).powi(2)) / 2.0;
            days += 1.0;
        }
        let known = days / (days + 10.0);
        (known * both / squares.max(1e-9)).clamp(0.0, 0.8)
    }

    pub(super) fn len(&self) -> usize {
        self.observed.len()
    }

    /// Usual arrivals of a day: of one to come those of the same weekday of the last week.
    pub(super) fn usual_on(&self, t: usize) -> f64 {
        let days = self.len();
        if t < days {
            return self.usual[t];
        }
        let back = 7 * (t + 1 - days).div_ceil(7);
        self.usual[t.checked_sub(back).unwrap_or(days - 1)]
    }

    /// The place of a shape's first day, from 0; below it where it lies before what is known.
    pub(super) fn first_day(&self, shape: &Shape) -> i64 {
        self.onset as i64 + i64::from(shape.shift)
    }

    /// What a shape adds on a day, and the variance of the day's count.
    pub(super) fn added(&self, shape: &Shape, level: f64, t: usize, usual: f64) -> (f64, f64) {
        let s = t as i64 - self.first_day(shape);
        if s < 0 {
            return (0.0, usual * self.usual_index);
        }
        let unit = shape.at(s as f64, level);
        let known = self.special.get(t).copied().unwrap_or(false);
        let unit = if shape.on_special_days && !known {
            0.0
        } else {
            unit
        };
        let is_partial = s == 0 || self.shaken.get(t).copied().unwrap_or(false);
        let more = if is_partial { PARTIAL_SPREAD } else { 0.0 };
        let spread = shape.spread * shape.spread;
        if shape.is_times {
            let times = (1.0 + unit).max(LEAST_LEFT);
            let mean = usual * times;
            let index = if level < 0.0 {
                shape.index
            } else {
                self.usual_index * times
            };
            let around = mean * mean * spread + (usual * unit * more).powi(2);
            (mean - usual, mean * index.max(1.0) + around)
        } else {
            let around = unit * unit * (spread + more * more);
            (unit, usual * self.usual_index + unit * shape.index + around)
        }
    }

    /// ln of the tempered likelihood of a day's count.
    fn ln_day(&self, t: usize, added: f64, variance: f64) -> f64 {
        if self.seen[t] <= 0.0 {
            return 0.0;
        }
        let mean = (self.usual[t] + added).max(LEAST_USUAL);
        let more = (variance - mean).max(0.02 * mean);
        let count = self.observed[t];
        let usual =
            NegBin::new(mean * mean / more, mean).map_or(f64::NEG_INFINITY, |d| d.ln_pmf(count));
        TEMPER * ln_add(usual, self.strange[t])
    }

    /// ln of the tempered likelihood of all days under a shape at a level.
    fn ln_likelihood(&self, shape: &Shape, level: f64) -> f64 {
        let first = self.first_day(shape).max(self.from as i64) as usize;
        let first = first.min(self.len());
        let mut sum = self.quiet[first - self.from];
        for t in first..self.len() {
            let (added, variance) = self.added(shape, level, t, self.usual[t]);
            sum += self.ln_day(t, added * self.seen[t].min(1.0), variance);
        }
        sum
    }

    /// The level at which a shape has as many arrivals as were counted, inside its range.
    fn first_guess(&self, shape: &Shape) -> f64 {
        let (low, high) = shape.level;
        let middle = (low * high).abs().sqrt().copysign(low);
        let first = self.first_day(shape).max(self.from as i64) as usize;
        let (mut away, mut unit) = (0.0, 0.0);
        for t in (first..self.len()).filter(|t| self.seen[*t] > 0.0) {
            away += self.away_on(t);
            unit += self.added(shape, middle, t, self.usual[t]).0 / middle;
        }
        let guess = if unit > 0.0 { away / unit } else { middle };
        let inside = guess.clamp(low.min(high), low.max(high));
        if inside.abs() < 1e-6 { middle } else { inside }
    }

    /// The fits of one shape at five levels around its best one, whose weights add up to the integral over all levels (each is prior
    /// times likelihood times width); none where it is hopeless beside `best`, which is kept.
    pub(super) fn fit(&self, shape: &Shape, ln_prior: f64, best: &mut f64) -> Vec<Fit> {
        let (low, high) = shape.level;
        let is_fall = low < 0.0;
        // Of a fall what is left counts in orders of magnitude, not what is missing: a hundredth left is far from none.
        let size = |level: f64| if is_fall { 1.0 + level } else { level };
        let level_at = |u: f64| if is_fall { u.exp() - 1.0 } else { u.exp() };
        let ends = (size(low).min(size(high)), size(low).max(size(high)));
        let ln_at = |u: f64| {
            let level = level_at(u);
            let is_out = is_fall && level > -LEAST_FALL;
            if is_out {
                f64::NEG_INFINITY
            } else {
                ln_prior + ln_in_range(u, ends.0, ends.1) + self.ln_likelihood(shape, level)
            }
        };
        let mut centre = size(self.first_guess(shape)).ln();
        let (mut step, mut width) = (0.5, 0.5);
        for _ in 0..2 {
            let here = ln_at(centre);
            if here < *best - FAR {
                return Vec::new();
            }
            let [below, above] = [centre - step, centre + step].map(ln_at);
            if here.max(below).max(above) < *best - HOPELESS {
                return Vec::new();
            }
            let curvature = (2.0 * here - below - above) / (step * step);
            let slope = (above - below) / (2.0 * step);
            if curvature.is_finite() && curvature > 0.0 {
                width = curvature.sqrt().recip().clamp(0.01, 0.6);
                centre += (slope / curvature).clamp(-2.0 * step, 2.0 * step);
            } else if slope.is_finite() {
                centre += step.copysign(slope);
            }
            if width > 0.3 {
                break;
            }
            step = width.min(0.25);
        }
        let offsets = [-1.6, -0.8, 0.0, 0.8, 1.6];
        let fits = offsets.map(|offset| {
            let u = centre + offset * width;
            Fit {
                shape: *shape,
                level: level_at(u),
                ln_weight: ln_at(u) + (0.8 * width).ln(),
            }
        });
        let most = fits
            .iter()
            .map(|f| f.ln_weight)
            .fold(f64::NEG_INFINITY, f64::max);
        *best = best.max(most);
        fits.into_iter()
            .filter(|f| f.ln_weight > *best - HOPELESS)
            .collect()
    }

    /// The fits of all shapes of a candidate, and ln of their sum.
    pub(super) fn compare(&self, shapes: &[Shape], best: &mut f64) -> (Vec<Fit>, f64) {
        let ln_prior = -(shapes.len() as f64).ln();
        let fits = shapes
            .iter()
            .flat_map(|shape| self.fit(shape, ln_prior, best));
        let fits: Vec<Fit> = fits.collect();
        let weights: Vec<f64> = fits.iter().map(|f| f.ln_weight).collect();
        let whole = ln_sum(&weights);
        (fits, whole)
    }

    /// Arrivals away from the usual since the onset: above it for a surge, below it for a fall.
    pub(super) fn away(&self, direction: Direction) -> f64 {
        match direction {
            Direction::Surge => self.away_sum().max(0.0),
            Direction::Drop => (-self.away_sum()).max(0.0),
        }
    }

    /// Arrivals of a day away from the usual, with their sign.
    pub(super) fn away_on(&self, t: usize) -> f64 {
        self.observed[t] as f64 - self.usual[t]
    }

    /// Which way all since the onset lies from the usual, -1 or 1.
    pub(super) fn sign(&self) -> f64 {
        if self.away_sum() < 0.0 { -1.0 } else { 1.0 }
    }

    /// Arrivals away from the usual since the onset, with their sign.
    fn away_sum(&self) -> f64 {
        (self.onset..self.len()).map(|t| self.away_on(t)).sum()
    }
}

/// Mean and variance of the last week's days of all crossings that do not take part, together.
fn others(situation: &Situation, takes_part: &[bool]) -> (f64, f64) {
    let beside = || {
        situation
            .places
            .iter()
            .zip(takes_part)
            .filter(|(_, takes_part)| !**takes_part)
    };
    let last = situation.len().saturating_sub(7)..situation.len();
    let sums: Vec<f64> = last
        .map(|t| {
            beside()
                .map(|(place, _)| place.days[t].observed as f64)
                .sum()
        })
        .collect();
    let mean = sums.iter().sum::<f64>() / sums.len().max(1) as f64;
    let squares = sums.iter().map(|sum| (sum - mean).powi(2)).sum::<f64>();
    (mean, squares / (sums.len() as f64 - 1.0).max(1.0))
}
