//! Owns the life of one alert: when it opens, grows, is told again and ends.

use super::exposure;
use super::lens::Lens;
use super::standing::{End, Standing};
use super::time::{EventTime, HOUR_MS};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

pub use super::severity::Severity;

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

    /// The other one.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Surge => Self::Drop,
            Self::Drop => Self::Surge,
        }
    }

    /// The label value.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Surge => "surge",
            Self::Drop => "drop",
        }
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
    /// Another day of it closed, late reports or corrections changed one, or its feed fell silent or is heard again.
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
    /// Arrivals while the crossing was open: what is judged.
    pub observed: u64,
    /// Arrivals beside them while it was closed, by its status or its published hours: counted, and not judged.
    pub while_closed: u32,
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
    /// All arrivals that were counted.
    #[must_use]
    pub fn counted(&self) -> u64 {
        self.observed + u64::from(self.while_closed)
    }

    /// Whether so much of a day was closed or blind that fewer arrivals say nothing.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        let hidden = self.closed_ratio + self.blind_ratio;
        self.lens != Lens::Hour && exposure::is_hidden(hidden, self.exposure)
    }

    /// Whether a day brings the end of an alert nearer.
    #[must_use]
    pub fn counts_for(&self, direction: Direction) -> bool {
        let says_nothing = direction == Direction::Drop && self.is_hidden();
        self.exposure > 0.0 && self.is_mostly_seen() && !says_nothing
    }

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

    /// Whether the count is no more than usual, or no fewer where a drop is judged.
    #[must_use]
    pub fn is_in_range(&self, direction: Direction) -> bool {
        match direction {
            Direction::Surge => self.observed <= self.upper,
            Direction::Drop => self.lower <= self.observed,
        }
    }
}

/// What came since evidence was last low: an alert may rest on many buckets none of which is unusual by itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// First moment of its first bucket.
    pub since: EventTime,
    /// Arrivals counted in its buckets with exposure.
    pub observed: u64,
    /// Arrivals expected in them.
    pub expected: f64,
}

impl Run {
    /// One that begins at a moment.
    #[must_use]
    pub fn at(since: EventTime) -> Self {
        Self {
            since,
            observed: 0,
            expected: 0.0,
        }
    }

    /// The severity of what came up to a moment: of a day on average, and of all of it where that is less than a day.
    #[must_use]
    pub fn severity(&self, direction: Direction, until: EventTime) -> Severity {
        let days = (until.0 - self.since.0) as f64 / (24 * HOUR_MS) as f64;
        let days = days.max(1.0);
        let a_day = (self.observed as f64 / days).round() as u64;
        Severity::of(direction, a_day, self.expected / days)
    }

    /// Another bucket with exposure.
    pub fn add(&mut self, observed: u64, expected: f64) {
        self.observed += observed;
        self.expected += expected;
    }
}

/// What an operator said of an alert.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Feedback {
    /// Somebody has seen it.
    Acknowledged,
    /// It is what was expected to come.
    Known,
    /// It is part of an exercise.
    Exercise,
    /// There was nothing.
    False,
    /// It is what will be usual from now on.
    NewUsual,
}

impl Feedback {
    /// All, in label order.
    pub const ALL: [Self; 5] = [
        Self::Acknowledged,
        Self::Known,
        Self::Exercise,
        Self::False,
        Self::NewUsual,
    ];

    /// The label value, and the word on the wire.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Known => "known",
            Self::Exercise => "exercise",
            Self::False => "false",
            Self::NewUsual => "new_usual",
        }
    }

    /// Whether it ends the alert.
    #[must_use]
    pub fn ends(self) -> bool {
        matches!(self, Self::False | Self::NewUsual)
    }
}

/// Why an alert changed, where its numbers do not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// Enough days in a row looked usual.
    Calm,
    /// It has lasted so long that it is the new usual.
    Lasting,
    /// Late reports or corrections changed the counts.
    Recounted,
    /// The feed counts something else.
    Redefined,
    /// Alerts of its parts tell of all of it.
    Explained,
    /// An operator said so.
    Feedback(Feedback),
}

impl Reason {
    /// Whether it follows from the counts, and not from a word that was read.
    #[must_use]
    pub fn is_counted(self) -> bool {
        matches!(self, Self::Calm | Self::Lasting)
    }

    /// The word on the wire.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Lasting => "lasting",
            Self::Recounted => "recounted",
            Self::Redefined => "redefined",
            Self::Explained => "explained",
            Self::Feedback(feedback) => feedback.label(),
        }
    }
}

/// An alert as it was last told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Which way.
    pub direction: Direction,
    /// First moment of the bucket the episode is thought to have begun in.
    pub onset: EventTime,
    /// The onset when it was first told of; its day is part of the id.
    pub named: EventTime,
    /// The worst so far.
    pub severity: Severity,
    /// Number of its last transition, from 0.
    pub sequence: u32,
    /// First moment of the bucket that opened it.
    pub decided: EventTime,
    /// The lens of that bucket.
    pub decided_by: Lens,
    /// The last word of an operator on it.
    pub feedback: Option<Feedback>,
    /// Why it changed last, where that is not in its numbers.
    pub reason: Option<Reason>,
    /// A status has closed the crossing for a whole day since it was last told of.
    was_shut: bool,
    /// Its days that were counted anew and not told of since, each by the bit of its day of the month.
    recounted: u32,
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
            named: onset,
            severity,
            sequence: 0,
            decided: start,
            decided_by: lens,
            feedback: None,
            reason: None,
            was_shut: false,
            recounted: 0,
        }
    }

    /// An alert that ended is there again, `late` by late reports or corrections.
    pub fn reopen(&mut self, standing: &Standing, late: bool) -> Transition {
        self.take(standing);
        self.tell(Transition::Reopened, late.then_some(Reason::Recounted))
    }

    /// Compares what was told with what the counts say now, and returns what is to be told: more severe, at least major again after
    /// days of closure, less severe, or nothing. `late` says that ended buckets changed.
    pub fn on_standing(&mut self, standing: &Standing, late: bool) -> Option<Transition> {
        let before = *self;
        self.take(standing);
        let recounted = late.then_some(Reason::Recounted);
        if before.was_shut && !standing.was_shut {
            Some(self.tell(Transition::Reopened, recounted))
        } else if standing.severity > before.severity {
            Some(self.tell(Transition::Escalated, recounted))
        } else if standing.severity < before.severity {
            Some(self.tell(Transition::Deescalated, recounted))
        } else {
            // Told with the next transition.
            None
        }
    }

    /// It ended otherwise than it was told, by late reports or corrections; nothing where it did not.
    pub fn end_again(&mut self, end: &End) -> Option<Transition> {
        let before = *self;
        self.take(&end.standing?);
        let is_same = (before.onset, before.severity) == (self.onset, self.severity);
        let was_counted = before.reason.is_some_and(Reason::is_counted);
        let is_other_end = was_counted && end.why.is_counted() && before.reason != Some(end.why);
        (!is_same || is_other_end).then(|| self.tell(Transition::Resolved, Some(end.why)))
    }

    fn take(&mut self, standing: &Standing) {
        self.onset = standing.onset;
        self.severity = standing.severity;
        self.decided = standing.decided;
        self.decided_by = standing.decided_by;
        self.was_shut = standing.was_shut;
    }

    /// Late reports or corrections changed what is told of a day of it.
    pub fn recount(&mut self, day: Date) {
        self.recounted |= bit(day);
    }

    /// Whether a day of it is to be told anew.
    #[must_use]
    pub fn is_recounted(&self, day: Date) -> bool {
        self.recounted & bit(day) != 0
    }

    /// Whether any is.
    #[must_use]
    pub fn has_recounted(&self) -> bool {
        self.recounted != 0
    }

    /// All of these were told, or are no days of it any more.
    pub fn forget_recounted(&mut self) {
        self.recounted = 0;
    }

    /// A day of it that was counted anew is told.
    pub fn update_recounted(&mut self) -> Transition {
        self.tell(Transition::Updated, Some(Reason::Recounted))
    }

    /// It is told of with the numbers of a day.
    pub fn has_shown(&mut self, day: Date) {
        self.recounted &= !bit(day);
    }

    /// Another day of it closed, or what is told of it rests on other data than before.
    pub fn update(&mut self) -> Transition {
        self.tell(Transition::Updated, None)
    }

    /// An operator marks it.
    pub fn mark(&mut self, feedback: Feedback) -> Transition {
        self.feedback = Some(feedback);
        self.tell(Transition::Updated, Some(Reason::Feedback(feedback)))
    }

    /// It is over for a reason, or nothing supports it any more.
    pub fn end(&mut self, end: Option<End>) -> Transition {
        self.recounted = 0;
        match end {
            Some(End { why, standing, .. }) => {
                if let Some(standing) = standing {
                    self.take(&standing);
                }
                if let Reason::Feedback(feedback) = why {
                    self.feedback = Some(feedback);
                }
                self.tell(Transition::Resolved, Some(why))
            }
            None => self.tell(Transition::Retracted, Some(Reason::Recounted)),
        }
    }

    fn tell(&mut self, transition: Transition, why: Option<Reason>) -> Transition {
        self.sequence += 1;
        self.reason = why;
        transition
    }
}

/// Kept days are of one month or two in a row, and no two have the same number unless they are a month apart.
fn bit(day: Date) -> u32 {
    1 << day.day()
}
