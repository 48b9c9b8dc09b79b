//! Owns what a variant's crossings have on usual days: a trickle of small companies, or traffic with its weekdays.

use super::dice::{Dice, mean_group};
use super::{Crossing, DAYS_AFTER, Day, Draft, MOST_QUIET_DAYS, QUIET_DAYS, State};
use jiff::ToSpan;
use jiff::civil::{Date, date};

/// The usual days of a crossing.
#[derive(Debug, Clone)]
pub(super) enum Usual {
    /// A sub-population that is near zero in normal times: companies of one to four, no weekdays.
    Trickle {
        /// Arrivals a day.
        mean: f64,
    },
    /// Vehicles or travellers.
    Traffic {
        /// Arrivals a day.
        mean: f64,
        /// Factors of the weekdays, Monday first, 1 on average.
        weekdays: [f64; 7],
        /// Standard deviation of the logarithm of a day.
        log_sd: f64,
    },
}

/// Companies of a trickle.
const COMPANY: (usize, usize) = (1, 4);

/// Shares of the mean Monday to Sunday at two land crossings of Hong Kong, Shenzhen Bay and Man Kam To, derived from the daily
/// counts of 2024-25 that its Immigration Department publishes on data.gov.hk.
const WEEKENDS: [f64; 7] = [0.95, 0.84, 0.83, 0.83, 0.91, 1.15, 1.49];
const FLAT: [f64; 7] = [1.04, 0.98, 0.98, 0.99, 1.00, 0.92, 1.10];

impl Usual {
    /// Traffic of one border: its crossings share the weekdays.
    pub(super) fn traffic(dice: &mut Dice, means: &[f64]) -> Vec<Self> {
        let strength = dice.ratio();
        let mut weekdays: [f64; 7] =
            std::array::from_fn(|day| FLAT[day] + strength * (WEEKENDS[day] - FLAT[day]));
        let mean = weekdays.iter().sum::<f64>() / 7.0;
        weekdays.iter_mut().for_each(|factor| *factor /= mean);
        let log_sd = dice.between(0.05, 0.2);
        let of = |mean: &f64| Self::Traffic {
            mean: *mean,
            weekdays,
            log_sd,
        };
        means.iter().map(of).collect()
    }

    /// A usual day, times a factor.
    pub(super) fn draw(&self, dice: &mut Dice, date: Date, factor: f64) -> u32 {
        match self {
            Self::Trickle { mean } => {
                let (low, high) = COMPANY;
                let companies = dice.poisson(factor * mean / mean_group(low, high));
                (0..companies).map(|_| dice.group(low, high)).sum()
            }
            Self::Traffic {
                mean,
                weekdays,
                log_sd,
            } => {
                let weekday = date.weekday().to_monday_zero_offset() as usize;
                let noise = dice.noise(*log_sd);
                dice.poisson(mean * weekdays[weekday] * noise * factor)
            }
        }
    }

    /// Arrivals a day on average.
    pub(super) fn mean(&self) -> f64 {
        let (Self::Trickle { mean } | Self::Traffic { mean, .. }) = self;
        *mean
    }
}

/// When a variant begins and turns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) start: Date,
    pub(super) onset: usize,
}

impl Span {
    /// At any time of a year, after 8 to 16 quiet weeks.
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let first = date(2015, 1, 1);
        let start = first.saturating_add((dice.whole(0, 3_650) as i64).days());
        let onset = dice.whole(QUIET_DAYS, MOST_QUIET_DAYS);
        Self { start, onset }
    }

    /// So that the onset is a given date.
    pub(super) fn with_onset(dice: &mut Dice, onset: Date) -> Self {
        let quiet = dice.whole(QUIET_DAYS, MOST_QUIET_DAYS);
        Self {
            start: onset.saturating_sub((quiet as i64).days()),
            onset: quiet,
        }
    }

    pub(super) fn len(self) -> usize {
        self.onset + DAYS_AFTER
    }

    /// Draws the usual days of all crossings, each times a factor of its crossing and day.
    pub(super) fn usual(
        self,
        dice: &mut Dice,
        usual: &[Usual],
        factor: impl Fn(usize, usize) -> f64,
    ) -> Draft {
        let crossings = usual.iter().enumerate().map(|(at, usual)| Crossing {
            country: "xa",
            days: (0..self.len())
                .map(|day| {
                    let date = self.start.saturating_add((day as i64).days());
                    Day {
                        state: State::Open,
                        count: usual.draw(dice, date, factor(at, day)),
                    }
                })
                .collect(),
        });
        Draft {
            start: self.start,
            onset: self.onset,
            crossings: crossings.collect(),
        }
    }
}
