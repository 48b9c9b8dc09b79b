//! Owns the metrics of incidents: how many are open and how severe, what became of them, what of their flow may have moved; and
//! the promise of groups.

use super::families::{counter, counters, gauge, gauges, int_gauges};
use super::metrics::{Metrics, raise};
use super::promise::Promise;
use crate::core::alert::{Direction, Severity};
use crate::core::episode::{Families, NONE_OF_THESE, Verdict};
use crate::core::region::machine::{IncidentTransition, RegionMachine};
use prometheus::{GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

/// The families, all at 0 from the start.
#[derive(Clone)]
pub struct RegionMetrics {
    open: IntGaugeVec,
    transitions: IntCounterVec,
    displaced: IntCounter,
    waiting: IntGauge,
    episodes: GaugeVec,
    promise: Promise,
    /// Ids of the episodes, `none-of-these` last.
    ids: Vec<String>,
}

impl RegionMetrics {
    /// Registers them beside those of the crossings.
    #[must_use]
    pub fn new(metrics: &Metrics, families: &Families) -> Self {
        let registry = metrics.registry();
        let ids = families.families.iter().map(|family| family.id.clone());
        let made = Self {
            open: int_gauges(registry, "incidents_open"),
            transitions: counters(registry, "incident_transitions_total"),
            displaced: counter(registry, "displaced_arrivals_total"),
            waiting: gauge(registry, "region_waiting_records"),
            episodes: gauges(registry, "episode_probability_ratio"),
            promise: metrics.promise().clone(),
            ids: ids.chain([NONE_OF_THESE.to_owned()]).collect(),
        };
        made.show_open([0; 3]);
        made.show_episodes(&vec![0.0; made.ids.len()]);
        for transition in IncidentTransition::ALL {
            made.transitions.with_label_values(&[transition.label()]);
        }
        made
    }

    /// Copies the machine's numbers.
    pub fn refresh(&self, machine: &RegionMachine) {
        let mut open = [0; 3];
        let mut likeliest = vec![0.0f64; self.ids.len()];
        for incident in machine.open() {
            open[incident.severity() as usize] += 1;
            let verdict = incident.likeness.as_ref().map(|likeness| &likeness.verdict);
            if let Some(Verdict::Compared { families, none, .. }) = verdict {
                for (most, p) in likeliest.iter_mut().zip(families.iter().chain([none])) {
                    *most = most.max(*p);
                }
            }
        }
        self.show_open(open);
        self.show_episodes(&likeliest);
        let tally = machine.tally();
        for (transition, &count) in IncidentTransition::ALL.iter().zip(&tally.transitions) {
            let label = [transition.label()];
            raise(&self.transitions.with_label_values(&label), count);
        }
        raise(&self.displaced, tally.displaced);
        for direction in Direction::ALL {
            let (groups, at) = (&tally.groups, direction as usize);
            let (accepted, opened) = (groups.promised[at], groups.opened[at]);
            self.promise.of_groups(direction, accepted, opened);
        }
        self.waiting.set(machine.waiting() as i64);
    }

    fn show_episodes(&self, likeliest: &[f64]) {
        for (id, p) in self.ids.iter().zip(likeliest) {
            self.episodes.with_label_values(&[id]).set(*p);
        }
    }

    fn show_open(&self, open: [i64; 3]) {
        for severity in Severity::ALL {
            self.open
                .with_label_values(&[severity.label()])
                .set(open[severity as usize]);
        }
    }
}
