//! Owns every metric family: names, help, labels, and how the machine's plain numbers get into them.

use super::clock;
use super::families::{
    counter, counters, float_counter, float_counters, float_gauge, gauge, gauges, histogram,
    int_gauges,
};
use super::gauges::{Cap, StateGauges, place_labels};
use super::health::Phase;
use super::http::{Board, Page};
use super::openmetrics::{self, Exemplars};
use super::outbox::Told;
use crate::core::alert::{Direction, Transition};
use crate::core::engine::Engine;
use crate::core::event::Reject;
use crate::core::ids::{CrossingIx, StreamIx};
use crate::core::lens::Lens;
use crate::core::network::Network;
use crate::core::params::{Budget, LENSES};
use crate::core::time::WallTime;
use prometheus::core::Collector;
use prometheus::{
    Counter, CounterVec, Gauge, GaugeVec, Histogram, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Registry, TextEncoder,
};
use std::time::Duration;

/// What is known of a family before it has data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// Full name.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// One sentence.
    pub help: String,
    /// Label names, sorted.
    pub labels: Vec<String>,
}

/// All families.
pub struct Metrics {
    registry: Registry,
    consumed: IntCounter,
    rejected: IntCounterVec,
    duplicates: IntCounter,
    late: IntCounter,
    corrections: IntCounter,
    ids_given_up: IntCounter,
    buckets_closed: IntCounter,
    arrivals: IntCounterVec,
    /// Arrivals by crossing and stream; the counters follow when somebody asks for them.
    arrived: Vec<Vec<u64>>,
    last_seen_secs: Vec<f64>,
    cap: Cap,
    state: StateGauges,
    transitions: IntCounterVec,
    event_to_alert: Histogram,
    exemplars: Exemplars,
    promised_per_year: GaugeVec,
    promised: CounterVec,
    opened: IntCounterVec,
    /// Records behind the end of the assigned partitions, by librdkafka's statistics.
    pub lag: IntGauge,
    transactions: IntCounterVec,
    /// Seconds a commit takes, flush included.
    pub commit_seconds: Histogram,
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
    ids_remembered: IntGauge,
    client_errors: IntCounter,
}

/// A record read this long after it was written belongs to a replay, and its wait says nothing of this program.
const REPLAY_MS: i64 = 3_600_000;

impl Metrics {
    /// All families, those whose label sets are known from the start at 0. Of the crossings so many are exported as have
    /// `max_series` series together.
    #[must_use]
    pub fn new(network: &Network, budget: Budget, config_hash: &str, max_series: usize) -> Self {
        let registry = Registry::new();
        let r = &registry;
        let latency = vec![
            0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 5.0, 30.0, 300.0,
        ];
        let commit = vec![
            0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 5.0,
        ];
        let metrics = Self {
            consumed: counter(r, "events_consumed_total"),
            rejected: counters(r, "events_rejected_total"),
            duplicates: counter(r, "events_duplicate_total"),
            late: counter(r, "buckets_revised_total"),
            corrections: counter(r, "corrections_total"),
            ids_given_up: counter(r, "ids_given_up_total"),
            buckets_closed: counter(r, "buckets_closed_total"),
            arrivals: counters(r, "arrivals_total"),
            arrived: vec![vec![0; network.streams.len()]; network.crossings.len()],
            last_seen_secs: vec![f64::NAN; network.crossings.len()],
            cap: Cap::new(network, max_series),
            state: StateGauges::new(r),
            transitions: counters(r, "alert_transitions_total"),
            exemplars: Exemplars::new("surgewatch_event_to_alert_seconds", &latency),
            event_to_alert: histogram(r, "event_to_alert_seconds", latency),
            promised_per_year: gauges(r, "false_alerts_promised_per_year"),
            promised: float_counters(r, "false_alerts_promised_total"),
            opened: counters(r, "alerts_opened_total"),
            lag: gauge(r, "consumer_lag_records"),
            transactions: counters(r, "transactions_total"),
            commit_seconds: histogram(r, "commit_seconds", commit),
            restore_records: counter(r, "restore_records_total"),
            restore_seconds: float_counter(r, "restore_seconds_total"),
            restore_remaining: gauge(r, "restore_remaining_records"),
            state_bytes: gauge(r, "state_bytes"),
            worker_phase: int_gauges(r, "worker_phase"),
            last_turn: float_gauge(r, "worker_last_turn_timestamp_seconds"),
            partitions_assigned: gauge(r, "partitions_assigned"),
            rebalances: counter(r, "rebalances_total"),
            ids_remembered: gauge(r, "ids_remembered"),
            client_errors: counter(r, "client_errors_total"),
            registry,
        };
        metrics.zero(budget, config_hash);
        metrics.refresh_arrivals(network);
        metrics
    }

    fn zero(&self, budget: Budget, config_hash: &str) {
        for (lens, direction, labels) in kinds() {
            let accepted = budget.per_year(lens, direction);
            self.promised_per_year
                .with_label_values(&labels)
                .set(accepted);
            self.promised.with_label_values(&labels);
            self.opened.with_label_values(&labels);
        }
        for direction in Direction::ALL {
            self.promised_per_year
                .with_label_values(&[direction.label(), "group"])
                .set(budget.groups_per_year(direction));
        }
        self.lag.set(-1);
        for reason in Reject::ALL {
            self.rejected.with_label_values(&[reason.label()]);
        }
        for transition in Transition::ALL {
            self.transitions.with_label_values(&[transition.label()]);
        }
        for outcome in ["committed", "aborted"] {
            self.transactions.with_label_values(&[outcome]);
        }
        self.on_turn(clock::now(), Phase::default());
        gauge(&self.registry, "metric_series_dropped").set(self.cap.dropped as i64);
        let build = int_gauges(&self.registry, "build_info");
        build
            .with_label_values(&[env!("CARGO_PKG_VERSION"), config_hash])
            .set(1);
    }

    /// Everything, in both formats.
    #[must_use]
    pub fn page(&self) -> Page {
        let families = self.registry.gather();
        Page {
            text: TextEncoder::new()
                .encode_to_string(&families)
                .unwrap_or_default(),
            openmetrics: openmetrics::text(&families, &self.exemplars),
        }
    }

    /// Every family, by name. Those without a series yet are shown with an empty one.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        for family in self.state.families() {
            let labels = family.desc()[0].variable_labels.clone();
            let blank: Vec<&str> = labels.iter().map(|_| "").collect();
            family.with_label_values(&blank);
        }
        self.arrivals.with_label_values(&[""; 4]);
        let gathered = self.registry.gather();
        let families = gathered.iter().map(|family| Family {
            name: family.name().to_owned(),
            kind: format!("{:?}", family.get_field_type()).to_lowercase(),
            help: family.help().to_owned(),
            labels: family.get_metric()[0]
                .get_label()
                .iter()
                .map(|l| l.name().to_owned())
                .collect(),
        });
        let families = families.collect();
        self.state
            .families()
            .iter()
            .for_each(|family| family.reset());
        self.arrivals.reset();
        families
    }

    /// An arrival was counted.
    pub fn on_arrival(&mut self, crossing: CrossingIx, stream: StreamIx, count: u32) {
        self.arrived[usize::from(crossing.0)][usize::from(stream.0)] += u64::from(count);
    }

    /// A crossing said something about a moment.
    pub fn on_event(&mut self, crossing: CrossingIx, time_ms: i64) {
        let seen = &mut self.last_seen_secs[usize::from(crossing.0)];
        *seen = seen.max(time_ms as f64 / 1_000.0);
    }

    /// Alerts changed, and since `at` everybody can know.
    pub fn on_told(&mut self, told: &[Told], at: WallTime) {
        for told in told {
            self.transitions
                .with_label_values(&[told.transition.label()])
                .inc();
            let waited_ms = told.recorded.map(|recorded| (at.0 - recorded.0).max(0));
            if let Some(waited_ms) = waited_ms.filter(|ms| *ms < REPLAY_MS) {
                let waited_secs = waited_ms as f64 / 1_000.0;
                self.event_to_alert.observe(waited_secs);
                self.exemplars
                    .keep("alert_id", &told.alert, waited_secs, at.0);
            }
        }
    }

    /// A transaction ended.
    pub fn on_transaction(&self, committed: bool, took: Duration) {
        self.transactions
            .with_label_values(&[if committed { "committed" } else { "aborted" }])
            .inc();
        if committed {
            self.commit_seconds.observe(took.as_secs_f64());
        }
    }

    /// State is being restored and the loop waits for it: the probes learn that it goes on, and who asks for metrics sees how
    /// far it is.
    pub fn on_restoring(&self, remaining: u64, board: &Board) {
        board.health.turn();
        self.restore_remaining.set(remaining as i64);
        if board.wants_metrics() {
            self.on_turn(clock::now(), board.health.phase());
            board.show_metrics(self.page());
        }
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
                .with_label_values(&[phase.name()])
                .set(i64::from(phase == current));
        }
    }

    /// Copies the machine's numbers; series of partitions that left disappear.
    pub fn refresh(&self, engine: &Engine) {
        self.refresh_tally(engine);
        self.refresh_arrivals(engine.network());
        self.state.refresh(engine, &self.cap, &self.last_seen_secs);
        let ids = engine.partitions().flat_map(|p| p.crossings());
        let ids: usize = ids.map(|crossing| crossing.seen.len()).sum();
        self.ids_remembered.set(ids as i64);
    }

    fn refresh_arrivals(&self, network: &Network) {
        let exported = network.crossings.iter().take(self.cap.crossings);
        for (place, streams) in exported.zip(&self.arrived) {
            for &stream in &place.streams {
                let [crossing, country, corridor] = place_labels(place);
                let labels = [crossing, country, corridor, network.stream(stream)];
                let count = streams[usize::from(stream.0)];
                raise(&self.arrivals.with_label_values(&labels), count);
            }
        }
    }

    fn refresh_tally(&self, engine: &Engine) {
        let tally = engine.tally();
        raise(&self.consumed, tally.consumed);
        raise(&self.duplicates, tally.duplicates);
        raise(&self.late, tally.late);
        raise(&self.corrections, tally.corrections);
        raise(&self.ids_given_up, tally.ids_given_up);
        raise(&self.buckets_closed, tally.buckets_closed);
        for (lens, direction, labels) in kinds() {
            let at = (lens as usize, direction as usize);
            raise(
                &self.opened.with_label_values(&labels),
                tally.opened[at.0][at.1],
            );
            let promised = self.promised.with_label_values(&labels);
            promised.inc_by((tally.promised[at.0][at.1] - promised.get()).max(0.0));
        }
        for (reason, &count) in Reject::ALL.iter().zip(&tally.rejected) {
            raise(&self.rejected.with_label_values(&[reason.label()]), count);
        }
    }
}

/// Every kind of alert, with its values of `direction` and `lens`.
fn kinds() -> impl Iterator<Item = (Lens, Direction, [&'static str; 2])> {
    LENSES.into_iter().flat_map(|lens| {
        Direction::ALL.map(|direction| (lens, direction, [direction.label(), lens.label()]))
    })
}

/// Brings a counter up to a total that is kept elsewhere.
fn raise(counter: &IntCounter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}
