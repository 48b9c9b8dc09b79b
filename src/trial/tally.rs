//! Owns the sums of a trial: what was said of how many variants of each kind, how often it was right, what projections held.

use super::Answer;
use crate::core::episode::{Families, Likeness, NONE_OF_THESE, Verdict};
use crate::variants::Kind;
use serde::Serialize;
use std::collections::BTreeMap;

/// Days since the onset at which is asked what an incident is like; the first is 1.
pub const ASKED_DAYS: [usize; 5] = [1, 3, 7, 14, 28];
/// Lower ends of the ranges of probability that are compared with how many were right.
pub(super) const BINS: [f64; 4] = [0.5, 0.6, 0.8, 0.9];
/// From this probability on a candidate is what is said.
const SAID_RATIO: f64 = 0.5;

/// What was said of a variant at the end of a day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Said {
    /// No incident was open.
    NoIncident,
    /// There was one, and too little of it.
    TooLittle,
    /// Candidates were compared, and none had half of the probability.
    Undecided,
    /// A candidate has this probability: a family by its place, or none of them after the last.
    Like(usize, f64),
}

impl Said {
    /// What the likeness of an incident says, if there is an incident; one that opened with the day has none yet.
    #[must_use]
    pub fn of(incident: Option<Option<&Likeness>>) -> Self {
        let likeness = match incident {
            None => return Self::NoIncident,
            Some(None) => return Self::TooLittle,
            Some(Some(likeness)) => likeness,
        };
        let Verdict::Compared { families, none, .. } = &likeness.verdict else {
            return Self::TooLittle;
        };
        let all = families.iter().chain([none]).copied().enumerate();
        let best = all.max_by(|a, b| a.1.total_cmp(&b.1));
        match best {
            Some((at, p)) if p >= SAID_RATIO => Self::Like(at, p),
            _ => Self::Undecided,
        }
    }

    /// Its place among the answers, of which the families are the first.
    fn column(self, families: usize) -> usize {
        match self {
            Self::Like(at, _) => at,
            Self::Undecided => families + 1,
            Self::TooLittle => families + 2,
            Self::NoIncident => families + 3,
        }
    }

    /// In a word or two.
    #[must_use]
    pub fn label(self, families: &Families) -> String {
        let column = self.column(families.families.len());
        answers(families).swap_remove(column)
    }

    /// The probability of what it is like; 0 where that is not said.
    #[must_use]
    pub fn probability(self) -> f64 {
        match self {
            Self::Like(_, p) => p,
            _ => 0.0,
        }
    }
}

/// Sums over all variants.
#[derive(Debug, Clone, Serialize)]
pub struct Tally {
    /// What can be said: the families, none of these, undecided, too little, no incident.
    pub answers: Vec<String>,
    /// Which families are no ordinary traffic.
    #[serde(skip)]
    steered: Vec<bool>,
    /// By kind and place in [`ASKED_DAYS`], how many were given each answer.
    pub said: BTreeMap<&'static str, [Vec<u32>; ASKED_DAYS.len()]>,
    /// By place in [`ASKED_DAYS`] and [`BINS`]: matches with such a probability of a family.
    pub reliability: [[Bin; BINS.len()]; ASKED_DAYS.len()],
    /// By place in [`ASKED_DAYS`] and days ahead, where all gates stayed as they were.
    pub coverage: [BTreeMap<u32, Coverage>; ASKED_DAYS.len()],
    /// The same where one shut or opened.
    pub coverage_after_gates_changed: [BTreeMap<u32, Coverage>; ASKED_DAYS.len()],
    /// By place in [`ASKED_DAYS`]: when variants of the families were said to have begun.
    pub onsets: [Onsets; ASKED_DAYS.len()],
}

/// Matches of a range of probability.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Bin {
    /// How many there were.
    pub matches: u32,
    /// Those that were right.
    pub right: u32,
    /// Sum of their probabilities: how many should be.
    pub promised: f64,
}

/// When variants were said to have begun, beside when they did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Onsets {
    /// Of how many it was said.
    pub said: u32,
    /// They began before the range of days that was told.
    pub before: u32,
    /// They began after it.
    pub after: u32,
    /// Days that the ranges hold, summed.
    pub days: u64,
}

impl Onsets {
    /// Adds a range, in days after the day on which it began.
    fn add(&mut self, [first, last]: [i32; 2]) {
        self.said += 1;
        self.before += u32::from(first > 0);
        self.after += u32::from(last < 0);
        self.days += u64::from((last - first).unsigned_abs()) + 1;
    }

    /// Share of the ranges that held the day.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        ratio(self.said - self.before - self.after, self.said)
    }

    /// Days of a range, on average.
    #[must_use]
    pub fn width_days(&self) -> Option<f64> {
        (self.said > 0).then(|| self.days as f64 / f64::from(self.said))
    }
}

/// Projections of so many days.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// How many there were.
    pub projections: u32,
    /// What came was below the interval.
    pub below: u32,
    /// What came was above it.
    pub above: u32,
}

impl Coverage {
    /// Adds what came, beside the interval of what was projected.
    pub fn add(&mut self, came: u64, low: u64, high: u64) {
        self.projections += 1;
        self.below += u32::from(came < low);
        self.above += u32::from(came > high);
    }

    /// Adds all of another.
    pub fn add_all(&mut self, other: &Self) {
        self.projections += other.projections;
        self.below += other.below;
        self.above += other.above;
    }

    /// Share that held.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        ratio(self.projections - self.below - self.above, self.projections)
    }
}

/// A share, where there is a whole.
fn ratio(part: u32, whole: u32) -> Option<f64> {
    (whole > 0).then(|| f64::from(part) / f64::from(whole))
}

/// What can be said, the families first.
fn answers(families: &Families) -> Vec<String> {
    let ids = families.families.iter().map(|f| f.id.clone());
    let others = [NONE_OF_THESE, "undecided", "too little", "no incident"];
    ids.chain(others.map(str::to_owned)).collect()
}

impl Tally {
    /// Nothing yet.
    #[must_use]
    pub fn new(families: &Families) -> Self {
        Self {
            answers: answers(families),
            steered: families.families.iter().map(|f| !f.ordinary).collect(),
            said: BTreeMap::new(),
            reliability: Default::default(),
            coverage: Default::default(),
            coverage_after_gates_changed: Default::default(),
            onsets: Default::default(),
        }
    }

    /// Adds what was said of a variant of a kind on one of [`ASKED_DAYS`], and how its projections held.
    pub fn add(&mut self, kind: Kind, asked: usize, answer: &Answer) {
        let (families, width) = (self.steered.len(), self.answers.len());
        let column = answer.said.column(families);
        let row = self.said.entry(kind.name());
        row.or_insert_with(|| std::array::from_fn(|_| vec![0; width]))[asked][column] += 1;
        if let Said::Like(at, p) = answer.said
            && at < families
        {
            let bin = BINS.iter().rposition(|low| p >= *low).unwrap_or(0);
            let bin = &mut self.reliability[asked][bin];
            bin.matches += 1;
            bin.promised += p;
            bin.right += u32::from(kind.family() == Some(self.answers[at].as_str()));
        }
        if let Some(onset) = answer.onset.filter(|_| kind.family().is_some()) {
            self.onsets[asked].add(onset);
        }
        for held in &answer.held {
            let by_days = if held.is_as_supposed {
                &mut self.coverage
            } else {
                &mut self.coverage_after_gates_changed
            };
            let projection = &held.projection;
            let coverage = by_days[asked].entry(projection.days).or_default();
            coverage.add(held.came, projection.low, projection.high);
        }
    }

    /// How many variants of a kind were given one of the answers in a range of places, of how many.
    fn count(&self, kind: Kind, asked: usize, is: impl Fn(usize) -> bool) -> u32 {
        let Some(row) = self.said.get(kind.name()) else {
            return 0;
        };
        let row = row[asked].iter().enumerate();
        row.filter(|(at, _)| is(*at)).map(|(_, n)| n).sum()
    }

    /// Of the variants of all kinds that are named as a family on a day: the share that is one of that family.
    #[must_use]
    pub fn right_ratio(&self, asked: usize) -> Option<f64> {
        let families = self.steered.len();
        let (mut right, mut named) = (0, 0);
        for kind in Kind::ALL {
            named += self.count(kind, asked, |at| at < families);
            let own = |at: usize| kind.family() == Some(self.answers[at].as_str());
            right += self.count(kind, asked, own);
        }
        ratio(right, named)
    }

    /// Of all variants of these kinds: the share that is named as a family that is no ordinary traffic.
    #[must_use]
    pub fn steered_ratio(&self, kinds: &[Kind], asked: usize) -> Option<f64> {
        let is_steered = |at: usize| self.steered.get(at).is_some_and(|steered| *steered);
        let named = |kind: &Kind| self.count(*kind, asked, is_steered);
        let all = |kind: &Kind| self.count(*kind, asked, |_| true);
        ratio(kinds.iter().map(named).sum(), kinds.iter().map(all).sum())
    }

    /// The same of those with an open incident only: what readers of alerts see.
    #[must_use]
    pub fn steered_ratio_of_incidents(&self, kinds: &[Kind], asked: usize) -> Option<f64> {
        let last = self.answers.len() - 1;
        let is_steered = |at: usize| self.steered.get(at).is_some_and(|steered| *steered);
        let named = |kind: &Kind| self.count(*kind, asked, is_steered);
        let all = |kind: &Kind| self.count(*kind, asked, |at| at < last);
        ratio(kinds.iter().map(named).sum(), kinds.iter().map(all).sum())
    }

    /// Share of variants with an open incident of which too little is known to compare.
    #[must_use]
    pub fn too_little_ratio(&self, asked: usize) -> Option<f64> {
        let last = self.answers.len() - 1;
        let (mut too_little, mut all) = (0, 0);
        for kind in Kind::ALL {
            too_little += self.count(kind, asked, |at| at == last - 1);
            all += self.count(kind, asked, |at| at < last);
        }
        ratio(too_little, all)
    }

    /// The matches of all days together.
    #[must_use]
    pub fn reliability_of_all(&self) -> [Bin; BINS.len()] {
        let mut sum = [Bin::default(); BINS.len()];
        for day in &self.reliability {
            for (sum, bin) in sum.iter_mut().zip(day) {
                sum.matches += bin.matches;
                sum.right += bin.right;
                sum.promised += bin.promised;
            }
        }
        sum
    }
}
