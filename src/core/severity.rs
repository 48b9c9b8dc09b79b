//! Owns how severe a count is: it goes by size, and not by how sure an alert is.

use super::alert::Direction;
use serde::{Deserialize, Serialize};

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

    /// The severity of a count against what was expected, to the whole arrival, as both are told.
    #[must_use]
    pub fn of(direction: Direction, observed: u64, expected: f64) -> Self {
        let (observed, expected) = (observed as f64, expected.round());
        let reaches = |(excess, ratio): (f64, f64)| match direction {
            Direction::Surge => observed - expected >= excess && observed >= ratio * expected,
            Direction::Drop => expected - observed >= excess && observed * ratio <= expected,
        };
        let mut worst_first = [Self::Critical, Self::Major].into_iter();
        let found = worst_first.find(|s| s.asks(direction).is_some_and(reaches));
        found.unwrap_or(Self::Minor)
    }

    /// How far from usual it begins, in arrivals, and how many times as many (a drop: one in how many); nothing of the least.
    #[must_use]
    pub fn asks(self, direction: Direction) -> Option<(f64, f64)> {
        match (self, direction) {
            (Self::Minor, _) => None,
            (Self::Major, Direction::Surge) => Some((10.0, 3.0)),
            (Self::Major, Direction::Drop) => Some((10.0, 2.0)),
            (Self::Critical, _) => Some((50.0, 5.0)),
        }
    }

    /// The smallest count of a surge that is more severe than this, if there is one.
    #[must_use]
    pub fn next_surge_count(self, expected: f64) -> Option<u64> {
        let worse = Self::ALL.into_iter().find(|worse| *worse > self)?;
        let (excess, ratio) = worse.asks(Direction::Surge)?;
        let expected = expected.round();
        Some((expected + excess).max(ratio * expected).ceil() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
                "ten where none is usual, to the whole arrival",
                Direction::Surge,
                10,
                0.4,
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
}
