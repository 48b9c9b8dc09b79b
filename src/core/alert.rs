//! Owns the life of one alert: how severe it is, when it opens, grows, is told again and ends.

use super::lens::Lens;
use super::time::EventTime;
use serde::{Deserialize, Serialize};

/// Which way the counts went.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// More than usual.
    Surge,
    /// Fewer than usual.
    Drop,
}

impl Direction {
    /// Both, in label order.
    pub const ALL: [Self; 2] = [Self::Surge, Self::Drop];

    /// The label value.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Surge => "surge",
            Self::Drop => "drop",
        }
    }
}

/// How much it asks of the people who read it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Minor,
    /// At least ten away from usual and three times (a drop: half) of it.
    Major,
    /// At least fifty away from usual and five times (a drop: a fifth) of it.
    Critical,
}

impl Severity {
    /// All, in label order.
    pub const ALL: [Self; 3] = [Self::Minor, Self::Major, Self::Critical];

    /// The label value.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Minor => "minor",
            Self::Major => "major",
            Self::Critical => "critical",
        }
    }

    /// The severity of a count against what was expected.
    #[must_use]
    pub fn of(direction: Direction, observed: u64, expected: f64) -> Self {
        let observed = observed as f64;
        let reaches = |excess: f64, ratio: f64| match direction {
            Direction::Surge => observed - expected >= excess && observed >= ratio * expected,
            Direction::Drop => expected - observed >= excess && observed * ratio <= expected,
        };
        if reaches(50.0, 5.0) {
            Self::Critical
        } else if reaches(
            10.0,
            if direction == Direction::Surge {
                3.0
            } else {
                2.0
            },
        ) {
            Self::Major
        } else {
            Self::Minor
        }
    }

    /// The smallest count of a surge that is more severe than this, if there is one.
    #[must_use]
    pub fn next_surge_count(self, expected: f64) -> Option<u64> {
        let (excess, ratio) = match self {
            Self::Minor => (10.0, 3.0),
            Self::Major => (50.0, 5.0),
            Self::Critical => return None,
        };
        Some((expected + excess).max(ratio * expected).ceil() as u64)
    }
}

/// A change in an alert's life.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Transition {
    /// It begins.
    Opened,
    /// It became more severe.
    Escalated,
    /// Another day of it closed, or its feed fell silent or is heard again.
    Updated,
    /// What it was told of has become less, by a late report or a correction.
    #[serde(rename = "de-escalated")]
    Deescalated,
    /// It is over.
    Resolved,
    /// Late reports or corrections took away what it rested on.
    Retracted,
    /// What was withdrawn is there again, or goes on at a crossing that opens again.
    Reopened,
}

impl Transition {
    /// All, in label order.
    pub const ALL: [Self; 7] = [
        Self::Opened,
        Self::Escalated,
        Self::Updated,
        Self::Deescalated,
        Self::Resolved,
        Self::Retracted,
        Self::Reopened,
    ];

    /// Whether the alert is open no more.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::Resolved | Self::Retracted)
    }

    /// The label value.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Escalated => "escalated",
            Self::Updated => "updated",
            Self::Deescalated => "de-escalated",
            Self::Resolved => "resolved",
            Self::Retracted => "retracted",
            Self::Reopened => "reopened",
        }
    }
}

/// What one bucket says: the numbers behind a count record and behind an alert.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The lens it was read through.
    pub lens: Lens,
    /// First moment of the bucket.
    pub start: EventTime,
    /// First moment after it.
    pub end: EventTime,
    /// Arrivals counted.
    pub observed: u64,
    /// Arrivals expected: 0 with an exposure of 0.
    pub expected: f64,
    /// The 1 % quantile of what was expected.
    pub lower: u64,
    /// The 99 % quantile of what was expected.
    pub upper: u64,
    /// Share of the bucket in which the crossing was open and its feed alive, in [0, 1].
    pub exposure: f64,
    /// Share of the bucket, inside its published hours, in which a status had closed it.
    pub closed_ratio: f64,
    /// Share of the bucket in which it was open and its feed blind.
    pub blind_ratio: f64,
    /// ln P(Y >= observed) and ln P(Y <= observed): of every day, and of the hours that can open an alert.
    pub ln_tails: [Option<f64>; 2],
    /// ln of the rise statistic after the bucket.
    pub log_evidence_rise: f64,
    /// ln of the drop statistic after the bucket.
    pub log_evidence_drop: f64,
    /// Probability that the series is in a surge after the bucket.
    pub p_surge: f64,
    /// Probability that the series is in a drop after the bucket.
    pub p_drop: f64,
}

impl Reading {
    /// Whether at least half of the scheduled hours were open and seen.
    #[must_use]
    pub fn is_mostly_seen(&self) -> bool {
        self.exposure >= self.closed_ratio + self.blind_ratio
    }

    /// ln of the statistic that judges a direction.
    #[must_use]
    pub fn log_evidence(&self, direction: Direction) -> f64 {
        match direction {
            Direction::Surge => self.log_evidence_rise,
            Direction::Drop => self.log_evidence_drop,
        }
    }

    /// ln of the probability of a count at least as far out in a direction.
    #[must_use]
    pub fn ln_tail(&self, direction: Direction) -> Option<f64> {
        self.ln_tails[direction as usize]
    }

    /// Probability of the state a direction stands for.
    #[must_use]
    pub fn p_abnormal(&self, direction: Direction) -> f64 {
        match direction {
            Direction::Surge => self.p_surge,
            Direction::Drop => self.p_drop,
        }
    }
}

/// Whole open days in a row that must look usual before an alert ends: two quiet days inside an episode do not end it
/// (23 and 24 December 2015 at Salla and Raja-Jooseppi).
pub const CALM_DAYS: u8 = 3;
/// A day looks usual below this probability of the abnormal state.
pub const CALM_PROBABILITY: f64 = 0.5;

/// An alert that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Which way.
    pub direction: Direction,
    /// First moment of the bucket the episode is thought to have begun in.
    pub onset: EventTime,
    /// The worst so far.
    pub severity: Severity,
    /// Number of its last transition, from 0.
    pub sequence: u32,
    /// First moment of the bucket that opened it.
    pub decided: EventTime,
    /// The lens of that bucket.
    pub decided_by: Lens,
    calm_days: u8,
    /// A status has closed the crossing for a whole day since it was last told of.
    was_shut: bool,
}

/// What the kept counts say of an open alert.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// Whether any bucket from the deciding one on still reaches the threshold.
    pub is_supported: bool,
    /// The worst of the deciding bucket and the days from its own on.
    pub severity: Severity,
    /// The deciding bucket as it is now; nothing while it is open.
    pub decided: Option<Reading>,
}

impl Alert {
    /// Opens an alert by the bucket that decided it: its lens and first moment.
    #[must_use]
    pub fn open(
        direction: Direction,
        onset: EventTime,
        severity: Severity,
        (lens, start): (Lens, EventTime),
    ) -> Self {
        Self {
            direction,
            onset,
            severity,
            sequence: 0,
            decided: start,
            decided_by: lens,
            calm_days: 0,
            was_shut: false,
        }
    }

    /// An alert that has the id of one that was withdrawn goes on with its numbers.
    pub fn follow(&mut self, withdrawn: Option<&Self>) -> Transition {
        match withdrawn {
            Some(withdrawn) => {
                self.onset = withdrawn.onset;
                self.sequence = withdrawn.sequence + 1;
                Transition::Reopened
            }
            None => Transition::Opened,
        }
    }

    /// What it rests on was counted again.
    pub fn on_standing(&mut self, standing: Standing) -> Option<Transition> {
        let transition = if !standing.is_supported {
            Transition::Retracted
        } else if standing.severity < self.severity {
            Transition::Deescalated
        } else if standing.severity > self.severity {
            Transition::Escalated
        } else {
            return None;
        };
        if standing.is_supported {
            self.severity = standing.severity;
        }
        self.sequence += 1;
        Some(transition)
    }

    /// A count was seen while its day goes on: more severe, at least major again after days of closure, or nothing.
    pub fn on_count(&mut self, observed: u64, expected: f64) -> Option<Transition> {
        let severity = Severity::of(self.direction, observed, expected);
        let is_again = self.was_shut && severity >= Severity::Major;
        let is_worse = severity > self.severity;
        if !is_again && !is_worse {
            return None;
        }
        self.severity = self.severity.max(severity);
        self.sequence += 1;
        self.was_shut &= !is_again;
        Some(if is_again {
            Transition::Reopened
        } else {
            Transition::Escalated
        })
    }

    /// What is told of it rests on other data than before: the feed fell silent or is heard again.
    pub fn on_data(&mut self) -> Transition {
        self.sequence += 1;
        Transition::Updated
    }

    /// It ends, whatever the counts say.
    pub fn end(&mut self) -> Transition {
        self.sequence += 1;
        Transition::Resolved
    }

    /// A day closed. A day without exposure says nothing, and one of which less than half was open and seen does not calm: a
    /// closed crossing or a dead feed ends no alert.
    pub fn on_day(&mut self, day: &Reading) -> Option<Transition> {
        if day.exposure <= 0.0 {
            self.was_shut |= day.closed_ratio > 0.0;
            return None;
        }
        let calm = day.p_abnormal(self.direction) < CALM_PROBABILITY;
        self.calm_days = match (calm, day.is_mostly_seen()) {
            (false, _) => 0,
            (true, false) => self.calm_days,
            (true, true) => self.calm_days + 1,
        };
        if let Some(escalated) = self.on_count(day.observed, day.expected) {
            return Some(escalated);
        }
        self.sequence += 1;
        Some(if self.calm_days >= CALM_DAYS && day.is_mostly_seen() {
            Transition::Resolved
        } else {
            Transition::Updated
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(observed: u64, expected: f64, exposure: f64, p_surge: f64) -> Reading {
        Reading {
            lens: Lens::Day,
            start: EventTime(0),
            end: EventTime(1),
            observed,
            expected,
            lower: 0,
            upper: 9,
            exposure,
            closed_ratio: 0.0,
            blind_ratio: 0.0,
            ln_tails: [Some(-1.0); 2],
            log_evidence_rise: 0.0,
            log_evidence_drop: 0.0,
            p_surge,
            p_drop: 0.0,
        }
    }

    #[test]
    fn severity_asks_for_both_distance_and_ratio() {
        let table = [
            (
                "eighteen where none is usual",
                Direction::Surge,
                18,
                0.1,
                Severity::Major,
            ),
            (
                "three where none is usual",
                Direction::Surge,
                3,
                0.1,
                Severity::Minor,
            ),
            (
                "sixty where none is usual",
                Direction::Surge,
                60,
                0.5,
                Severity::Critical,
            ),
            (
                "busy and a little more",
                Direction::Surge,
                1_100,
                1_000.0,
                Severity::Minor,
            ),
            (
                "busy and five times",
                Direction::Surge,
                5_000,
                1_000.0,
                Severity::Critical,
            ),
            (
                "nine tenths gone",
                Direction::Drop,
                140,
                1_250.0,
                Severity::Critical,
            ),
            ("half gone", Direction::Drop, 10, 20.0, Severity::Major),
            (
                "nothing expected, nothing seen",
                Direction::Drop,
                0,
                0.0,
                Severity::Minor,
            ),
        ];
        for (name, direction, observed, expected, severity) in table {
            assert_eq!(
                Severity::of(direction, observed, expected),
                severity,
                "{name}"
            );
        }
    }

    #[test]
    fn the_next_severity_begins_at_the_count_it_names() {
        for expected in [0.0, 0.3, 4.0, 5.0, 77.7, 1_000.0] {
            for severity in [Severity::Minor, Severity::Major] {
                let next = severity
                    .next_surge_count(expected)
                    .expect("there is a worse one");
                assert!(
                    Severity::of(Direction::Surge, next, expected) > severity,
                    "{expected} {severity:?}"
                );
                assert!(
                    Severity::of(Direction::Surge, next - 1, expected) <= severity,
                    "{expected} {severity:?}"
                );
            }
        }
    }

    #[test]
    fn an_alert_ends_after_three_usual_open_days_and_closed_days_do_not_count() {
        let mut alert = Alert::open(
            Direction::Surge,
            EventTime(0),
            Severity::Critical,
            (Lens::Day, EventTime(0)),
        );
        let (calm, shut, busy) = (
            day(0, 1.0, 1.0, 0.1),
            day(0, 0.0, 0.0, 0.1),
            day(9, 1.0, 1.0, 0.9),
        );
        let told: Vec<_> = [calm, calm, busy, calm, shut, calm, shut, calm]
            .iter()
            .map(|d| alert.on_day(d))
            .collect();
        use Transition::{Resolved, Updated};
        let expected = [
            Some(Updated),
            Some(Updated),
            Some(Updated),
            Some(Updated),
            None,
            Some(Updated),
            None,
            Some(Resolved),
        ];
        assert_eq!(told, expected);
        assert_eq!(alert.sequence, 6);
    }

    #[test]
    fn severity_never_falls_while_an_alert_is_open() {
        let mut alert = Alert::open(
            Direction::Surge,
            EventTime(0),
            Severity::Minor,
            (Lens::Day, EventTime(0)),
        );
        assert_eq!(alert.on_count(60, 1.0), Some(Transition::Escalated));
        assert_eq!(alert.on_count(2, 1.0), None);
        assert_eq!(alert.severity, Severity::Critical);
    }
}
