//! Owns groups of crossings, corridors, countries and the network, and the series of what they count together.
//!
//! A group is judged by the day lens against the sum of what its crossings are expected to hold: the weekdays, seasons and
//! closures of each are in that sum already, so a crossing that is shut, blind or new takes its part out of it, and a group
//! never falls because one of its gates did. What is left to learn is one factor that all share, and how much it varies.

use super::displacement::{Day, DayFlow, Displaced};
use crate::core::alert::{Alert, Direction, Reading, Reason, Transition};
use crate::core::calendar::DaySpan;
use crate::core::exposure::Shares;
use crate::core::ids::{CrossingIx, StreamIx};
use crate::core::lane::{Counted, Judged, Track};
use crate::core::lens::{LensParams, Prior, Slot};
use crate::core::network::Network;
use crate::core::standing::{End, Standing};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a group is made of, the narrowest first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The crossings of a corridor.
    Corridor,
    /// The crossings of a country.
    Country,
    /// All crossings.
    Network,
}

impl Level {
    /// The label value.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Corridor => "corridor",
            Self::Country => "country",
            Self::Network => "network",
        }
    }
}

/// Crossings that are judged together, in one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What it is made of.
    pub level: Level,
    /// Id of the corridor or code of the country; empty for the network.
    pub name: String,
    /// What is counted.
    pub stream: StreamIx,
    /// Its crossings, at least two.
    pub members: BTreeSet<CrossingIx>,
}

/// Position of a group in [`of`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupIx(pub u16);

/// The groups of a network, the narrowest first. Of those with the same crossings there is one, the narrowest.
#[must_use]
pub fn of(network: &Network) -> Vec<Group> {
    let mut found: BTreeMap<(Level, String, StreamIx), BTreeSet<CrossingIx>> = BTreeMap::new();
    for (at, crossing) in (0u16..).map(CrossingIx).zip(&network.crossings) {
        let names = [
            (Level::Corridor, crossing.corridor.clone()),
            (Level::Country, crossing.country.clone()),
            (Level::Network, String::new()),
        ];
        for (level, name) in names {
            for &stream in &crossing.streams {
                let members = found.entry((level, name.clone(), stream)).or_default();
                members.insert(at);
            }
        }
    }
    let mut groups: Vec<Group> = Vec::new();
    for ((level, name, stream), members) in found {
        let is_known = |g: &Group| g.stream == stream && g.members == members;
        if members.len() > 1 && !groups.iter().any(is_known) {
            groups.push(Group {
                level,
                name,
                stream,
                members,
            });
        }
    }
    groups
}

/// Days with exposure from which on what is expected of a crossing is good enough to be part of a sum.
pub(super) const KNOWN_DAYS: u16 = 28;
/// A group's rate is counted in units of this many expected arrivals, so that its exposure, expected / UNIT, lies in (0, 1].
const UNIT: f64 = 1e8;
/// Fewer crossings than this are no group.
const MIN_COUNTED: usize = 2;
/// Prior log variance of the factor that a group shares: it is one, give or take a quarter.
const FACTOR_LOG_VARIANCE: f64 = 0.05;

/// The settings of a group's lens: the day's, but the seasons are in what is expected of the members.
#[must_use]
pub fn lens_params(day: LensParams) -> LensParams {
    let mut params = day;
    params.filter.prior_variance.weekly = 0.01;
    params.filter.prior_variance.annual = 0.01;
    params
}

/// A day's counts of the crossings of a group that are part of it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sum {
    /// Arrivals counted, without those moved from crossings of the group that are shut.
    pub observed: u64,
    /// Arrivals expected.
    pub expected: f64,
    /// Crossings counted.
    pub counted: usize,
    /// Crossings that would be, were they not shut or blind.
    pub unseen: usize,
    /// Log variance that a special day at some of them adds.
    pub special_log_variance: f64,
}

/// What a day is to a stream's groups.
pub(super) struct DayOf<'a> {
    pub(super) flows: &'a BTreeMap<CrossingIx, DayFlow>,
    pub(super) displaced: &'a Displaced,
    /// Days with exposure of each crossing since it began.
    pub(super) known_days: &'a BTreeMap<CrossingIx, u16>,
    /// Log variance that the day adds at a crossing.
    pub(super) special: &'a dyn Fn(CrossingIx) -> f64,
}

impl Group {
    /// Adds up the day of the crossings that are not in `told`: what is told of them already is no news of the group.
    pub(super) fn sum(&self, day: &DayOf, told: &BTreeSet<CrossingIx>) -> Sum {
        let is_shut = |at: CrossingIx| day.flows.get(&at).is_some_and(|f| f.open_ratio <= 0.0);
        let is_inside = |at: CrossingIx| self.members.contains(&at);
        let mut sum = Sum::default();
        let mut special_sd = 0.0;
        for &at in self.members.iter().filter(|at| !told.contains(at)) {
            if day.known_days.get(&at).is_none_or(|n| *n < KNOWN_DAYS) {
                continue;
            }
            let flow = day.flows.get(&at).filter(|f| f.open_ratio > 0.0);
            let is_judged = |f: &&DayFlow| !f.is_blind && !f.is_hidden && f.expected > 0.0;
            let Some(flow) = flow.filter(is_judged) else {
                sum.unseen += 1;
                continue;
            };
            let moves = day.displaced.moves.iter().filter(|m| m.to == at);
            let inside = moves.filter(|m| is_inside(m.from) && (m.is_from_shut || is_shut(m.from)));
            let moved: u64 = inside.map(|m| m.moved).sum();
            sum.observed += flow.observed - moved.min(flow.observed);
            sum.expected += flow.expected;
            sum.counted += 1;
            special_sd += flow.expected * (day.special)(at).sqrt();
        }
        if sum.expected > 0.0 {
            // What a holiday does it does to all its crossings alike.
            sum.special_log_variance = (special_sd / sum.expected).powi(2);
        }
        sum
    }
}

/// What was accepted and what came at groups, by direction.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct GroupTally {
    /// Alerts opened.
    pub opened: [u64; 2],
    /// False alerts accepted for the days that were judged: one in A of them.
    pub promised: [f64; 2],
}

impl GroupTally {
    /// Adds what came since.
    pub(super) fn add(&mut self, more: Self) {
        for direction in Direction::ALL.map(|direction| direction as usize) {
            self.opened[direction] += more.opened[direction];
            self.promised[direction] += more.promised[direction];
        }
    }
}

/// The series of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct GroupState {
    track: Track,
    standings: [Option<Standing>; 2],
    pub(super) alerts: [Option<Alert>; 2],
}

/// What a day did to an alert of a group.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Judgement {
    pub(super) transition: Transition,
    pub(super) alert: Alert,
    pub(super) reading: Reading,
}

impl GroupState {
    /// A group before its first day.
    pub(super) fn new(params: &LensParams, first: &DaySpan) -> Self {
        let prior = Prior::new(UNIT, FACTOR_LOG_VARIANCE).expect("the numbers are in range");
        Self {
            track: Track::fresh(params, prior, first.start),
            standings: [None; 2],
            alerts: [None; 2],
        }
    }

    /// Whether an alert is open.
    pub(super) fn is_told(&self) -> bool {
        self.alerts.iter().any(Option::is_some)
    }

    /// What it would say is told of a crossing, or of a narrower group.
    pub(super) fn begin_anew(&mut self, day: &DaySpan) {
        self.track.begin_anew(day.end);
    }

    /// A day is over. `may_open` is false where a narrower group speaks for it today.
    pub(super) fn step(
        &mut self,
        params: &LensParams,
        span: &DaySpan,
        sum: &Sum,
        may_open: bool,
        tally: &mut GroupTally,
    ) -> Vec<Judgement> {
        let is_seen = sum.counted >= MIN_COUNTED;
        let exposure = if is_seen {
            (sum.expected / UNIT).min(1.0)
        } else {
            0.0
        };
        let slot = Slot {
            special_log_variance: sum.special_log_variance,
            ..span.slot()
        };
        let model = &mut self.track.model;
        let outlook = model.close(params, slot, exposure, sum.observed);
        self.track.note_evidence(
            params,
            outlook.as_ref(),
            sum.observed,
            (span.start, span.end),
        );
        let all = (sum.counted + sum.unseen).max(1) as f64;
        let seen_ratio = if is_seen {
            sum.counted as f64 / all
        } else {
            0.0
        };
        let judged = Judged {
            start: span.start,
            end: span.end,
            shares: Shares {
                open: seen_ratio,
                closed: 1.0 - seen_ratio,
                ..Shares::default()
            },
            outlook,
        };
        let verdict = self.track.model.verdict();
        let reading = judged.reading(params, Counted::open(sum.observed), &verdict, false);
        let is_explained = sum.counted + sum.unseen < MIN_COUNTED;
        let mut judgements = Vec::new();
        for direction in Direction::ALL {
            let is_judged = may_open && reading.exposure > 0.0;
            if is_judged && self.alerts[direction as usize].is_none() {
                tally.promised[direction as usize] += params.accepted_a_bucket(direction);
            }
            let judgement = self.judge(params, direction, &reading, is_explained, may_open);
            let is_new = judgement.is_some_and(|j| j.transition == Transition::Opened);
            tally.opened[direction as usize] += u64::from(is_new);
            judgements.extend(judgement);
        }
        judgements
    }

    fn judge(
        &mut self,
        params: &LensParams,
        direction: Direction,
        reading: &Reading,
        is_explained: bool,
        may_open: bool,
    ) -> Option<Judgement> {
        let open = self.alerts[direction as usize].zip(self.standings[direction as usize]);
        let (alert, standing, transition) = match open {
            Some((alert, standing)) if is_explained => {
                let mut alert = alert;
                let transition = alert.end(Some(end(reading, Reason::Explained, standing)));
                (alert, standing, transition)
            }
            Some((mut alert, mut standing)) => {
                if reading.exposure > 0.0 {
                    standing.see(direction, reading);
                }
                let is_over = standing.calm(direction, reading, self.track.model.is_learnt_whole());
                let changed = (!is_over).then(|| alert.on_standing(&standing, false));
                // A day without a word may still have counted.
                self.standings[direction as usize] = Some(standing);
                if reading.exposure <= 0.0 {
                    self.alerts[direction as usize] = Some(alert);
                    return None;
                }
                let transition = if is_over {
                    alert.end(Some(end(reading, Reason::Calm, standing)))
                } else {
                    changed.flatten().unwrap_or_else(|| alert.update())
                };
                (alert, standing, transition)
            }
            None => {
                let reaches = reading.log_evidence(direction) >= params.log_threshold(direction);
                if !may_open || reading.exposure <= 0.0 || !reaches {
                    return None;
                }
                let run = &self.track.runs[direction as usize];
                let onset = run.since.min(reading.start);
                let run_severity = run.severity(direction, reading.end);
                let standing = Standing::open(direction, onset, reading, run_severity);
                let decided = (reading.lens, reading.start);
                let alert = Alert::open(direction, onset, standing.severity, decided);
                (alert, standing, Transition::Opened)
            }
        };
        let is_over = transition.is_end();
        self.alerts[direction as usize] = (!is_over).then_some(alert);
        self.standings[direction as usize] = (!is_over).then_some(standing);
        if is_over {
            self.track.begin_anew(reading.end);
        }
        Some(Judgement {
            transition,
            alert,
            reading: *reading,
        })
    }
}

fn end(day: &Reading, why: Reason, standing: Standing) -> End {
    End {
        at: day.end,
        why,
        standing: Some(standing),
    }
}

/// The civil day of a group: that of its first crossing's time zone.
pub(super) fn span_of(network: &Network, group: &Group, day: Day) -> DaySpan {
    let first = group.members.first().copied().unwrap_or(CrossingIx(0));
    DaySpan::of(&network.crossing(first).tz, day.date())
}
