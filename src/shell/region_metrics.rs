//! Owns the metrics of incidents: how many are open and how severe, what became of them, what of their flow may have moved.

use super::families::{counter, counters, gauge, int_gauges};
use super::metrics::raise;
use crate::core::alert::Severity;
use crate::core::region::machine::{IncidentTransition, RegionMachine};
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};

/// The families, all at 0 from the start.
#[derive(Clone)]
pub struct RegionMetrics {
    open: IntGaugeVec,
    transitions: IntCounterVec,
    displaced: IntCounter,
    waiting: IntGauge,
}

impl RegionMetrics {
    /// Registers them.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        let made = Self {
            open: int_gauges(registry, "incidents_open"),
            transitions: counters(registry, "incident_transitions_total"),
            displaced: counter(registry, "displaced_arrivals_total"),
            waiting: gauge(registry, "region_waiting_records"),
        };
        made.show_open([0; 3]);
        for transition in IncidentTransition::ALL {
            made.transitions.with_label_values(&[transition.label()]);
        }
        made
    }

    /// Copies the machine's numbers.
    pub fn refresh(&self, machine: &RegionMachine) {
        let mut open = [0; 3];
        for incident in machine.open() {
            open[machine.severity(incident) as usize] += 1;
        }
        self.show_open(open);
        let tally = machine.tally();
        for (transition, &count) in IncidentTransition::ALL.iter().zip(&tally.transitions) {
            let label = [transition.label()];
            raise(&self.transitions.with_label_values(&label), count);
        }
        raise(&self.displaced, tally.displaced);
        self.waiting.set(machine.waiting() as i64);
    }

    fn show_open(&self, open: [i64; 3]) {
        for severity in Severity::ALL {
            self.open
                .with_label_values(&[severity.label()])
                .set(open[severity as usize]);
        }
    }
}
