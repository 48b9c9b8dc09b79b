//! Owns what an incident is called, and how far along: a likeness and a stage that hold, so that two which are about as near do not
//! take turns.

use super::likeness::{Doubling, Likeness, Stage, Verdict};
use serde::{Deserialize, Serialize};

/// Days in a row on which another name must hold before it is taken.
const HOLDS_DAYS: u8 = 5;
/// Days in a row on which a stage must hold to be told: a day or two below the others end nothing.
const STAGE_HOLDS_DAYS: u8 = 3;
/// Growth that doubles in ten days at its slowest, of what its days allow, is taken at once, and so is a halving; as a share of a
/// doubling a day.
const SURE_PER_DAY: f64 = 0.1;
/// A name with at least this probability is taken at once.
const SURE_RATIO: f64 = 0.8;
/// So is one with at least this after none.
const CLEAR_RATIO: f64 = 0.65;

/// A family by its place among the families, or none of them.
pub type Name = Option<usize>;

/// What an incident is called, from one day to the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Called {
    name: Held<Name>,
    /// What it was called until the last day that was seen, where that day changed it.
    renamed_from: Option<Name>,
    stage: Held<Stage>,
}

/// What is told until another one has held for some days in a row; nothing before candidates were compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Held<T> {
    told: Option<T>,
    /// That of the last days where it is another, and how many they are.
    other: Option<(T, u8)>,
}

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self {
            told: None,
            other: None,
        }
    }
}

impl<T: Copy + PartialEq> Held<T> {
    /// Another day says `now`. The first one is taken at once, another one where it `is_sure` or has held so many days. Returns what was
    /// told until now, where the day changed it.
    fn see(&mut self, now: T, holds_days: u8, is_sure: bool) -> Option<T> {
        if self.told == Some(now) {
            self.other = None;
            return None;
        }
        let days = match self.other {
            Some((other, days)) if other == now => days + 1,
            _ => 1,
        };
        if self.told.is_some() && days < holds_days && !is_sure {
            self.other = Some((now, days));
            return None;
        }
        self.other = None;
        self.told.replace(now)
    }
}

impl Called {
    /// What it is called; nothing before candidates were compared.
    #[must_use]
    pub fn name(&self) -> Option<Name> {
        self.name.told
    }

    /// What it was called until the last day that was seen, where that day changed it.
    #[must_use]
    pub fn renamed_from(&self) -> Option<Name> {
        self.renamed_from
    }

    /// How far along it is; nothing before candidates were compared.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        self.stage.told
    }

    /// Another day of it was compared. Its first name is taken at once, another one once it has held or is sure; days on which too
    /// little is known say nothing.
    pub fn see(&mut self, likeness: &Likeness) {
        self.renamed_from = None;
        let Verdict::Compared { none, stage, .. } = likeness.verdict else {
            return;
        };
        self.see_stage(stage, likeness.doubling);
        let (name, ratio) = match likeness.named() {
            Some((at, ratio)) => (Some(at), ratio),
            None => (None, none),
        };
        let is_first = self.name() == Some(None) && name.is_some();
        let is_sure = ratio >= SURE_RATIO || is_first && ratio >= CLEAR_RATIO;
        self.renamed_from = self.name.see(name, HOLDS_DAYS, is_sure);
    }

    /// What is told is never against the numbers of the day. Growth, a decline or an end is told once it has held for some days, or is
    /// sure, and for as long as the numbers say it.
    fn see_stage(&mut self, now: Stage, doubling: Option<Doubling>) {
        let is_sure = match (now, doubling) {
            (Stage::Level, _) => true,
            (Stage::Growth, Some(d)) => d.per_day_low >= SURE_PER_DAY,
            (Stage::Decline, Some(d)) => d.per_day_high <= -SURE_PER_DAY,
            _ => false,
        };
        self.stage.see(now, STAGE_HOLDS_DAYS, is_sure);
        if self.stage.told != Some(now) {
            self.stage.told = Some(Stage::Level);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::likeness::{Onset, TooLittle};
    use super::*;
    use crate::core::region::displacement::Day;

    fn likeness(verdict: Verdict) -> Likeness {
        let day = Day(0);
        Likeness {
            day: 9,
            judged_days: 9,
            before_alert_days: 0,
            onset: Onset {
                first: day,
                likely: day,
                last: day,
            },
            verdict,
            doubling: None,
            projections: Vec::new(),
        }
    }

    /// A day with these probabilities of two families; the rest is none of them.
    fn compared(families: [f64; 2]) -> Likeness {
        likeness(Verdict::Compared {
            families: families.to_vec(),
            none: 1.0 - families[0] - families[1],
            stage: Stage::Level,
        })
    }

    #[test]
    fn another_name_is_taken_once_it_has_held_five_days_or_is_sure() {
        let (first, second) = ([0.6, 0.3], [0.3, 0.6]);
        let (sure, neither, nothing) = ([0.1, 0.85], [0.4, 0.4], [0.05, 0.05]);
        let clear = [0.7, 0.1];
        let (a, b, none) = (Some(Some(0)), Some(Some(1)), Some(None));
        let table = [
            ("the first at once", vec![first], vec![a]),
            (
                "turns are not taken",
                vec![first, second, first, second, second, first],
                vec![a; 6],
            ),
            (
                "held",
                vec![first, second, second, second, second, second, first],
                vec![a, a, a, a, a, b, b],
            ),
            ("sure", vec![first, sure], vec![a, b]),
            (
                "no longer clear",
                vec![first, neither, neither, neither, neither, neither],
                vec![a, a, a, a, a, none],
            ),
            ("plainly none", vec![first, nothing], vec![a, none]),
            (
                "clear after none",
                vec![neither, first, second, clear],
                vec![none, none, none, a],
            ),
            (
                "two others",
                vec![first, second, neither, second],
                vec![a; 4],
            ),
        ];
        for (what, days, names) in table {
            let mut called = Called::default();
            let said: Vec<Option<Name>> = days
                .into_iter()
                .map(|day| {
                    called.see(&compared(day));
                    called.name()
                })
                .collect();
            assert_eq!(said, names, "{what}");
        }
    }

    /// What is told on days of these stages and growths, in doublings a day and with their bounds.
    fn stages(days: &[(Stage, Option<[f64; 3]>)]) -> Vec<Stage> {
        let mut called = Called::default();
        let tell = |(stage, growth): &(Stage, Option<[f64; 3]>)| {
            let mut day = compared([0.9, 0.0]);
            if let Verdict::Compared { stage: of_day, .. } = &mut day.verdict {
                *of_day = *stage;
            }
            day.doubling = growth.map(|[per_day_low, per_day, per_day_high]| Doubling {
                per_day,
                per_day_low,
                per_day_high,
            });
            called.see(&day);
            called.stage().expect("a day was compared")
        };
        days.iter().map(tell).collect()
    }

    #[test]
    fn another_stage_is_told_once_it_has_held_three_days_and_while_it_does() {
        use Stage::{Decline, Growth, Level, Over};
        let table = [
            (
                vec![Growth, Over, Over, Growth],
                vec![Growth, Level, Level, Level],
            ),
            (
                vec![Growth, Over, Over, Over, Level],
                vec![Growth, Level, Level, Over, Level],
            ),
            (vec![Level, Over, Decline, Over, Decline], vec![Level; 5]),
        ];
        for (seen, told) in table {
            let days: Vec<_> = seen.iter().map(|stage| (*stage, None)).collect();
            assert_eq!(stages(&days), told, "{seen:?}");
        }
    }

    #[test]
    fn fast_growth_is_told_at_once() {
        use Stage::{Decline, Growth, Level};
        let fast = Some([0.2, 0.5, 0.9]);
        let slow = Some([0.02, 0.1, 0.2]);
        let back = Some([-0.5, -0.3, -0.2]);
        let unclear = Some([-0.3, -0.1, 0.1]);
        let days = [(Level, None), (Growth, fast), (Level, unclear)];
        assert_eq!(stages(&days), [Level, Growth, Level]);
        let days = [
            (Level, None),
            (Growth, slow),
            (Growth, slow),
            (Growth, slow),
        ];
        assert_eq!(stages(&days), [Level, Level, Level, Growth]);
        assert_eq!(
            stages(&[(Growth, fast), (Decline, back)]),
            [Growth, Decline]
        );
    }

    #[test]
    fn too_little_says_nothing_and_forgets_nothing() {
        let mut called = Called::default();
        let few = likeness(Verdict::TooLittle(TooLittle::Days { have: 1, need: 3 }));
        called.see(&few);
        assert_eq!(called.name(), None);
        called.see(&compared([0.6, 0.3]));
        called.see(&few);
        assert_eq!(called.name(), Some(Some(0)));
    }
}
