//! Owns what the probes ask: is the loop turning, and is every assigned partition restored.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Longest pause between two turns of the loop that still counts as alive.
pub const MAX_PAUSE: Duration = Duration::from_secs(30);

/// What the loop is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Brokers and group are waited for.
    #[default]
    Waiting,
    /// State is read back.
    Restoring,
    /// Every assigned partition is restored.
    Ready,
    /// The last commit, then the end.
    Stopping,
}

impl Phase {
    /// All, in the order of a worker's life.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Restoring, Self::Ready, Self::Stopping];

    /// In one word, as a label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Restoring => "restoring",
            Self::Ready => "ready",
            Self::Stopping => "stopping",
        }
    }

    /// In words.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Waiting => "waiting for the brokers and the group",
            Self::Restoring => "restoring state",
            Self::Ready => "ready",
            Self::Stopping => "stopping",
        }
    }
}

/// Shared between the loop, which writes, and the probes, which read.
pub struct Health {
    last_turn: Mutex<Instant>,
    phase: Mutex<Phase>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            last_turn: Mutex::new(Instant::now()),
            phase: Mutex::default(),
        }
    }
}

impl Health {
    /// The loop, or a restore it waits for, got a step further.
    pub fn turn(&self) {
        *self
            .last_turn
            .lock()
            .expect("no holder of this lock panics") = Instant::now();
    }

    /// The loop goes over to something else.
    pub fn set_phase(&self, phase: Phase) {
        *self.phase.lock().expect("no holder of this lock panics") = phase;
    }

    /// What the loop is at.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.phase.lock().expect("no holder of this lock panics")
    }

    /// Time since the last turn.
    #[must_use]
    pub fn pause(&self) -> Duration {
        self.last_turn
            .lock()
            .expect("no holder of this lock panics")
            .elapsed()
    }

    /// Whether the loop turns.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.pause() <= MAX_PAUSE
    }

    /// Whether the loop turns and every assigned partition is restored.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_live() && self.phase() == Phase::Ready
    }
}
