//! Owns the metrics of the promise: false alerts accepted in a year, those accepted for what was judged so far, and alerts that came.

use super::families::{counters, float_counters, gauges};
use super::metrics::raise;
use crate::core::alert::Direction;
use crate::core::lens::Lens;
use crate::core::params::{Budget, LENSES};
use prometheus::{CounterVec, GaugeVec, IntCounterVec, Registry};

/// The value of `lens` for groups of crossings. They are judged by day, and have a share of the budget of their own.
const GROUP: &str = "group";

/// The families, all at 0 from the start.
#[derive(Clone)]
pub(super) struct Promise {
    accepted_per_year: GaugeVec,
    accepted: CounterVec,
    opened: IntCounterVec,
}

impl Promise {
    pub(super) fn new(registry: &Registry, budget: Budget) -> Self {
        let made = Self {
            accepted_per_year: gauges(registry, "false_alerts_promised_per_year"),
            accepted: float_counters(registry, "false_alerts_promised_total"),
            opened: counters(registry, "alerts_opened_total"),
        };
        for direction in Direction::ALL {
            for lens in LENSES {
                made.show(direction, lens.label(), budget.per_year(lens, direction));
            }
            made.show(direction, GROUP, budget.groups_per_year(direction));
        }
        made
    }

    fn show(&self, direction: Direction, lens: &str, a_year: f64) {
        let labels = [direction.label(), lens];
        let accepted = self.accepted_per_year.with_label_values(&labels);
        accepted.set(a_year);
        self.accepted.with_label_values(&labels);
        self.opened.with_label_values(&labels);
    }

    /// What was accepted for the buckets of crossings that were judged since the start, and what came.
    pub(super) fn of_lens(&self, lens: Lens, direction: Direction, accepted: f64, opened: u64) {
        self.raise([direction.label(), lens.label()], accepted, opened);
    }

    /// The same of the days of groups.
    pub(super) fn of_groups(&self, direction: Direction, accepted: f64, opened: u64) {
        self.raise([direction.label(), GROUP], accepted, opened);
    }

    fn raise(&self, labels: [&str; 2], accepted: f64, opened: u64) {
        let counter = self.accepted.with_label_values(&labels);
        counter.inc_by((accepted - counter.get()).max(0.0));
        raise(&self.opened.with_label_values(&labels), opened);
    }
}
