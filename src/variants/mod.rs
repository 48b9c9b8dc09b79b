//! Owns the variants: made-up border crossings that live through an episode of a named kind, or through none, day by day.
//!
//! Each kind has a mechanism of its own (a queue that moves on, a quota of cars, groups that wait for bicycles) with numbers
//! drawn from the ranges that were published. Nothing here knows how an episode is recognised, so that recognising a variant
//! is a test. The same kind and seed give the same days. None of it is data.

mod arctic;
mod belarus;
pub(crate) mod dice;
mod finland;
mod nothing;
mod ordinary;
mod sheet;
mod usual;

pub use sheet::sheet;

use dice::Dice;
use jiff::ToSpan;
use jiff::civil::Date;

/// What a variant lives through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Storskog 2015: an open ramp at one crossing.
    ArcticRamp,
    /// Salla and Raja-Jooseppi 2015-16: so many cars a day.
    ArcticThrottle,
    /// Lithuania, Latvia and Poland 2021: groups along a line, front after front.
    BelarusPush,
    /// Finland 2023: from crossing to crossing as they shut.
    FinlandShift,
    /// Kuźnica 2021: a mass at one gate.
    MassAtGate,
    /// The hauliers' blockade of 2023-24.
    Blockade,
    /// The rush of September 2022.
    Rush,
    /// A holiday that comes every year.
    Holiday,
    /// Narva 2023: a few small groups.
    Probe,
    /// Nothing: the worst days of chance in twenty years.
    Noise,
    /// Nothing: arrivals that wait for good weather.
    Weather,
    /// Nothing: a new usual from one day to the next.
    LevelShift,
    /// Nothing: a new usual, slowly.
    SlowDrift,
}

impl Kind {
    /// All of them, the named families first.
    pub const ALL: [Self; 13] = [
        Self::ArcticRamp,
        Self::ArcticThrottle,
        Self::BelarusPush,
        Self::FinlandShift,
        Self::MassAtGate,
        Self::Blockade,
        Self::Rush,
        Self::Holiday,
        Self::Probe,
        Self::Noise,
        Self::Weather,
        Self::LevelShift,
        Self::SlowDrift,
    ];

    /// Its name: that of the family, where it is of one.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ArcticRamp => "arctic-2015-ramp",
            Self::ArcticThrottle => "arctic-2016-throttle",
            Self::BelarusPush => "belarus-2021-push",
            Self::FinlandShift => "finland-2023-shift",
            Self::MassAtGate => "mass-at-gate-2021",
            Self::Blockade => "blockade-2023",
            Self::Rush => "rush-2022",
            Self::Holiday => "holiday-peak",
            Self::Probe => "probe-2023",
            Self::Noise => "plain-noise",
            Self::Weather => "weather-bursts",
            Self::LevelShift => "level-shift",
            Self::SlowDrift => "slow-drift",
        }
    }

    /// The family it belongs to; none of them for the last four kinds.
    #[must_use]
    pub fn family(self) -> Option<&'static str> {
        let is_none = matches!(
            self,
            Self::Noise | Self::Weather | Self::LevelShift | Self::SlowDrift
        );
        (!is_none).then(|| self.name())
    }
}

/// Days that a variant has from its onset on.
pub const DAYS_AFTER: usize = 60;
/// Quiet days that a variant has at least before its onset.
pub const QUIET_DAYS: usize = 56;
/// Quiet days that it has at most.
const MOST_QUIET_DAYS: usize = 112;

/// A border that lived through something, or through nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// What.
    pub kind: Kind,
    /// The draw.
    pub seed: u64,
    /// Place of the first day of what it lived through, from 0; of nothing the day it is thought to begin.
    pub onset: usize,
    /// Where.
    pub border: Border,
}

/// Crossings, day by day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Border {
    /// The first day.
    pub start: Date,
    /// The crossings in their order along the border, each with as many days.
    pub crossings: Vec<Crossing>,
}

/// A crossing of a border.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crossing {
    /// Code of its country.
    pub country: &'static str,
    /// Its days, from the first one on.
    pub days: Vec<Day>,
}

/// A day of a crossing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// Whether people could cross, and whether anybody counted.
    pub state: State,
    /// Arrivals counted; none where nobody did.
    pub count: u32,
}

/// The state of a crossing on a whole day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// People could cross and were counted.
    Open,
    /// Shut.
    Closed,
    /// Nobody counted.
    Blind,
}

impl State {
    /// As files of counts have it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Blind => "blind",
        }
    }
}

impl Variant {
    /// Draws one.
    #[must_use]
    pub fn generate(kind: Kind, seed: u64) -> Self {
        let mut dice = Dice::of(kind.name(), seed);
        let mut variant = match kind {
            Kind::ArcticRamp => arctic::ramp(&mut dice),
            Kind::ArcticThrottle => arctic::throttle(&mut dice),
            Kind::BelarusPush => belarus::push(&mut dice),
            Kind::FinlandShift => finland::shift(&mut dice),
            Kind::MassAtGate => belarus::gate(&mut dice),
            Kind::Blockade => ordinary::blockade(&mut dice),
            Kind::Rush => ordinary::rush(&mut dice),
            Kind::Holiday => ordinary::holiday(&mut dice),
            Kind::Probe => finland::probe(&mut dice),
            Kind::Noise => nothing::noise(&mut dice),
            Kind::Weather => nothing::weather(&mut dice),
            Kind::LevelShift => nothing::level_shift(&mut dice),
            Kind::SlowDrift => nothing::slow_drift(&mut dice),
        };
        variant.lose_days(&mut dice);
        Self {
            kind,
            seed,
            onset: variant.onset,
            border: Border {
                start: variant.start,
                crossings: variant.crossings,
            },
        }
    }
}

impl Border {
    /// Number of its days.
    #[must_use]
    pub fn len(&self) -> usize {
        self.crossings.first().map_or(0, |c| c.days.len())
    }

    /// Whether it has no day.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The date of a day.
    #[must_use]
    pub fn date(&self, day: usize) -> Date {
        self.start.saturating_add((day as i64).days())
    }
}

/// A variant while it is drawn.
struct Draft {
    start: Date,
    onset: usize,
    crossings: Vec<Crossing>,
}

impl Draft {
    /// Adds arrivals to a day; those beyond the last day are lost.
    fn add(&mut self, crossing: usize, day: usize, count: u32) {
        if let Some(day) = self.crossings[crossing].days.get_mut(day) {
            day.count += count;
        }
    }

    /// Shuts a crossing: what came there by itself does not come. `until` is the first open day.
    fn shut(&mut self, crossing: usize, from: usize, until: usize) {
        let days = &mut self.crossings[crossing].days;
        let until = until.min(days.len());
        for day in days.get_mut(from..until).unwrap_or_default() {
            *day = Day {
                state: State::Closed,
                count: 0,
            };
        }
    }

    /// Half of all variants lose a day or two of one crossing's reports.
    fn lose_days(&mut self, dice: &mut Dice) {
        if !dice.chance(0.5) {
            return;
        }
        let crossing = dice.whole(0, self.crossings.len() - 1);
        let days = &mut self.crossings[crossing].days;
        let (from, lost) = (dice.whole(0, days.len() - 1), dice.whole(1, 2));
        for day in days.iter_mut().skip(from).take(lost) {
            if day.state == State::Open {
                *day = Day {
                    state: State::Blind,
                    count: 0,
                };
            }
        }
    }
}

#[cfg(test)]
#[path = "variants_tests.rs"]
mod tests;
