//! Owns the metrics of the loops: what a worker does whatever its machine is, told apart by the label `stage`.

use super::clock;
use super::families::{counters, float_counters, gauges, histograms, int_gauges};
use super::health::Phase;
use super::http::Board;
use super::metrics::raise;
use crate::core::time::WallTime;
use prometheus::{
    Counter, Gauge, GaugeVec, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry,
};
use std::sync::Arc;
use std::time::Duration;

/// Values of the label `stage`.
pub const STAGES: [&str; 2] = ["crossings", "region"];

/// The families of all loops.
struct Families {
    lag: IntGaugeVec,
    transactions: IntCounterVec,
    commit_seconds: prometheus::HistogramVec,
    restore_records: IntCounterVec,
    restore_seconds: prometheus::CounterVec,
    restore_remaining: IntGaugeVec,
    state_bytes: IntGaugeVec,
    worker_phase: IntGaugeVec,
    last_turn: GaugeVec,
    partitions_assigned: IntGaugeVec,
    rebalances: IntCounterVec,
    client_errors: IntCounterVec,
}

/// Those of one loop.
pub struct LoopMetrics {
    stage: &'static str,
    /// Records behind the end of the assigned partitions, by librdkafka's statistics.
    pub lag: IntGauge,
    transactions: IntCounterVec,
    commit_seconds: Histogram,
    restore_records: IntCounter,
    restore_seconds: Counter,
    restore_remaining: IntGauge,
    /// Bytes of the newest changelog record of every key.
    pub state_bytes: IntGauge,
    worker_phase: IntGaugeVec,
    last_turn: Gauge,
    /// Partitions assigned to this worker.
    pub partitions_assigned: IntGauge,
    /// Rebalances acted on.
    pub rebalances: IntCounter,
    client_errors: IntCounter,
}

impl LoopMetrics {
    /// Registers the families, and makes those of every stage.
    #[must_use]
    pub fn register(registry: &Registry) -> [Self; 2] {
        let r = registry;
        let commit = vec![
            0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 5.0,
        ];
        let families = Families {
            lag: int_gauges(r, "consumer_lag_records"),
            transactions: counters(r, "transactions_total"),
            commit_seconds: histograms(r, "commit_seconds", commit),
            restore_records: counters(r, "restore_records_total"),
            restore_seconds: float_counters(r, "restore_seconds_total"),
            restore_remaining: int_gauges(r, "restore_remaining_records"),
            state_bytes: int_gauges(r, "state_bytes"),
            worker_phase: int_gauges(r, "worker_phase"),
            last_turn: gauges(r, "worker_last_turn_timestamp_seconds"),
            partitions_assigned: int_gauges(r, "partitions_assigned"),
            rebalances: counters(r, "rebalances_total"),
            client_errors: counters(r, "client_errors_total"),
        };
        STAGES.map(|stage| Self::of(&families, stage))
    }

    fn of(families: &Families, stage: &'static str) -> Self {
        let label = &[stage];
        let made = Self {
            stage,
            lag: families.lag.with_label_values(label),
            transactions: families.transactions.clone(),
            commit_seconds: families.commit_seconds.with_label_values(label),
            restore_records: families.restore_records.with_label_values(label),
            restore_seconds: families.restore_seconds.with_label_values(label),
            restore_remaining: families.restore_remaining.with_label_values(label),
            state_bytes: families.state_bytes.with_label_values(label),
            worker_phase: families.worker_phase.clone(),
            last_turn: families.last_turn.with_label_values(label),
            partitions_assigned: families.partitions_assigned.with_label_values(label),
            rebalances: families.rebalances.with_label_values(label),
            client_errors: families.client_errors.with_label_values(label),
        };
        made.lag.set(-1);
        for outcome in ["committed", "aborted"] {
            made.transactions.with_label_values(&[outcome, stage]);
        }
        made.on_turn(clock::now(), Phase::default());
        made
    }

    /// A transaction ended.
    pub fn on_transaction(&self, committed: bool, took: Duration) {
        let outcome = if committed { "committed" } else { "aborted" };
        self.transactions
            .with_label_values(&[outcome, self.stage])
            .inc();
        if committed {
            self.commit_seconds.observe(took.as_secs_f64());
        }
    }

    /// State is being restored and the loop waits for it: the probes learn that it goes on, and who asks for metrics sees how
    /// far it is.
    pub fn on_restoring(&self, remaining: u64, board: &Arc<Board>) {
        board.health.turn();
        self.restore_remaining.set(remaining as i64);
        board.refresh(|| self.on_turn(clock::now(), board.health.phase()));
    }

    /// State was restored.
    pub fn on_restore(&self, records: u64, took: Duration) {
        self.restore_remaining.set(0);
        self.restore_records.inc_by(records);
        self.restore_seconds.inc_by(took.as_secs_f64());
    }

    /// Errors the Kafka client has reported so far.
    pub fn set_client_errors(&self, errors: u64) {
        raise(&self.client_errors, errors);
    }

    /// The loop turns, and what it is at.
    pub fn on_turn(&self, at: WallTime, current: Phase) {
        self.last_turn.set(at.0 as f64 / 1_000.0);
        for phase in Phase::ALL {
            self.worker_phase
                .with_label_values(&[phase.name(), self.stage])
                .set(i64::from(phase == current));
        }
    }
}
