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

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget {
        false_alerts_per_year: 12.0,
        drop_share_ratio: 0.25,
        hour_share_ratio: 0.3,
        group_share_ratio: 0.1,
    };

    /// Values of a family, by direction and lens.
    fn shown(registry: &Registry, name: &str) -> Vec<(String, f64)> {
        let families = registry.gather();
        let family = families.iter().find(|family| family.name() == name);
        let series = family.expect("it is registered").get_metric().iter();
        let of = |metric: &prometheus::proto::Metric| {
            let labels = metric.get_label().iter().map(|l| l.value());
            let value = metric.get_gauge().get_value() + metric.get_counter().get_value();
            (labels.collect::<Vec<_>>().join(" "), value)
        };
        series.map(of).collect()
    }

    #[test]
    fn the_parts_of_the_promise_are_shown_from_the_start_and_those_of_groups_beside_the_lenses() {
        let registry = Registry::new();
        let promise = Promise::new(&registry, BUDGET);
        let parts = shown(&registry, "surgewatch_false_alerts_promised_per_year");
        let sum: f64 = parts.iter().map(|(_, a_year)| a_year).sum();
        assert!(parts.len() == 6 && (sum - 12.0).abs() < 1e-9, "{parts:?}");
        promise.of_groups(Direction::Surge, 0.5, 2);
        // A machine that was forgotten and counts anew takes nothing back.
        promise.of_groups(Direction::Surge, 0.25, 1);
        promise.of_lens(Lens::Hour, Direction::Surge, 0.125, 1);
        for (name, groups, hours) in [
            ("surgewatch_false_alerts_promised_total", 0.5, 0.125),
            ("surgewatch_alerts_opened_total", 2.0, 1.0),
        ] {
            let series = shown(&registry, name);
            let known = [
                ("drop day", 0.0),
                ("drop group", 0.0),
                ("drop hour", 0.0),
                ("surge day", 0.0),
                ("surge group", groups),
                ("surge hour", hours),
            ];
            assert_eq!(
                series,
                known.map(|(labels, n)| (labels.to_owned(), n)),
                "{name}"
            );
        }
    }
}
