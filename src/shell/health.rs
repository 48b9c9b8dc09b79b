//! Owns what the probes ask: is the loop turning, and is every assigned partition restored.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longest pause between two turns of the loop that still counts as alive.
pub const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Shared between the loop, which writes, and the probes, which read.
pub struct Health {
    last_turn: Mutex<Instant>,
    ready: AtomicBool,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            last_turn: Mutex::new(Instant::now()),
            ready: AtomicBool::new(false),
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

    /// Partitions are assigned and restored, or not.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::SeqCst);
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
        self.is_live() && self.ready.load(Ordering::SeqCst)
    }
}
