//! Owns every metric family: names, help, labels, and how the machine's plain numbers get into them.

use super::families::FAMILIES;
use super::outbox::Told;
use crate::core::alert::{Direction, Severity, Transition};
use crate::core::engine::Engine;
use crate::core::event::{GateState, Reject};
use crate::core::ids::{CrossingIx, StreamIx};
use crate::core::lens::Lens;
use crate::core::network::Network;
use crate::core::params::{Budget, LENSES};
use crate::core::time::WallTime;
use prometheus::core::Collector;
use prometheus::{
    Counter, CounterVec, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
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
    day_arrivals: GaugeVec,
    day_expected: GaugeVec,
    day_lower: GaugeVec,
    day_upper: GaugeVec,
    evidence_ratio: GaugeVec,
    detectable: GaugeVec,
    crossing_open: GaugeVec,
    feed_blind: GaugeVec,
    feed_last_seen: GaugeVec,
    watermark: GaugeVec,
    alerts_open: IntGaugeVec,
    transitions: IntCounterVec,
    event_to_alert: Histogram,
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
    /// All families, those with closed label sets at 0.
    #[must_use]
    pub fn new(network: &Network, budget: Budget, config_hash: &str) -> Self {
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
            day_arrivals: gauges(r, "day_arrivals"),
            day_expected: gauges(r, "day_arrivals_expected"),
            day_lower: gauges(r, "day_arrivals_lower"),
            day_upper: gauges(r, "day_arrivals_upper"),
            evidence_ratio: gauges(r, "evidence_ratio"),
            detectable: gauges(r, "minimum_detectable_surge_per_day"),
            crossing_open: gauges(r, "crossing_open"),
            feed_blind: gauges(r, "feed_blind"),
            feed_last_seen: gauges(r, "feed_last_seen_timestamp_seconds"),
            watermark: gauges(r, "watermark_timestamp_seconds"),
            alerts_open: int_gauges(r, "alerts_open"),
            transitions: counters(r, "alert_transitions_total"),
            event_to_alert: histogram(r, "event_to_alert_seconds", latency),
            promised_per_year: gauges(r, "false_alerts_promised_per_year"),
            promised: float_counters(r, "false_alerts_promised_total"),
            opened: counters(r, "alerts_opened_total"),
            lag: gauge(r, "consumer_lag_records"),
            transactions: counters(r, "transactions_total"),
            commit_seconds: histogram(r, "commit_seconds", commit),
            restore_records: counter(r, "restore_records_total"),
            restore_seconds: float_counter(r, "restore_seconds_total"),
            partitions_assigned: gauge(r, "partitions_assigned"),
            rebalances: counter(r, "rebalances_total"),
            ids_remembered: gauge(r, "ids_remembered"),
            client_errors: counter(r, "client_errors_total"),
            registry,
        };
        metrics.zero(budget, config_hash);
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
        for direction in Direction::ALL {
            for severity in Severity::ALL {
                self.alerts_open
                    .with_label_values(&[direction.label(), severity.label()]);
            }
        }
        let build = int_gauges(&self.registry, "build_info");
        build
            .with_label_values(&[env!("CARGO_PKG_VERSION"), config_hash])
            .set(1);
    }

    /// Everything in Prometheus' text format.
    #[must_use]
    pub fn text(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap_or_default()
    }

    /// Every family, by name. Those without a series yet are shown with an empty one.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        for family in self.series_families() {
            let labels = family.desc()[0].variable_labels.clone();
            let blank: Vec<&str> = labels.iter().map(|_| "").collect();
            family.with_label_values(&blank);
        }
        self.arrivals.with_label_values(&[""; 3]);
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
        self.series_families()
            .iter()
            .for_each(|family| family.reset());
        self.arrivals.reset();
        families
    }

    fn series_families(&self) -> [&GaugeVec; 10] {
        [
            &self.day_arrivals,
            &self.day_expected,
            &self.day_lower,
            &self.day_upper,
            &self.evidence_ratio,
            &self.detectable,
            &self.crossing_open,
            &self.feed_blind,
            &self.feed_last_seen,
            &self.watermark,
        ]
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
    pub fn on_told(&self, told: &[Told], at: WallTime) {
        for told in told {
            self.transitions
                .with_label_values(&[told.transition.label()])
                .inc();
            let waited_ms = told.recorded.map(|recorded| (at.0 - recorded.0).max(0));
            if let Some(waited_ms) = waited_ms.filter(|ms| *ms < REPLAY_MS) {
                self.event_to_alert.observe(waited_ms as f64 / 1_000.0);
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

    /// State was restored.
    pub fn on_restore(&self, records: u64, took: Duration) {
        self.restore_records.inc_by(records);
        self.restore_seconds.inc_by(took.as_secs_f64());
    }

    /// Errors the Kafka client has reported so far.
    pub fn set_client_errors(&self, errors: u64) {
        raise(&self.client_errors, errors);
    }

    /// Copies the machine's numbers; series of partitions that left disappear.
    pub fn refresh(&self, engine: &Engine) {
        self.refresh_tally(engine);
        self.series_families()
            .iter()
            .for_each(|family| family.reset());
        self.refresh_arrivals(engine.network());
        let mut open = [[0i64; 3]; 2];
        let mut ids = 0;
        for partition in engine.partitions() {
            if partition.next.is_some() {
                let label = partition.number.0.to_string();
                self.watermark
                    .with_label_values(&[&label])
                    .set(partition.watermark.0 as f64 / 1_000.0);
            }
            for crossing in partition.crossings() {
                ids += crossing.seen.len();
                for alert in crossing
                    .series
                    .iter()
                    .flat_map(|s| s.alerts.iter().flatten())
                {
                    open[alert.direction as usize][alert.severity as usize] += 1;
                }
                self.refresh_crossing(engine, partition.watermark, crossing);
            }
        }
        self.ids_remembered.set(ids as i64);
        for direction in Direction::ALL {
            for severity in Severity::ALL {
                let labels = [direction.label(), severity.label()];
                self.alerts_open
                    .with_label_values(&labels)
                    .set(open[direction as usize][severity as usize]);
            }
        }
    }

    fn refresh_crossing(
        &self,
        engine: &Engine,
        watermark: crate::core::time::EventTime,
        crossing: &crate::core::crossing::CrossingState,
    ) {
        let network = engine.network();
        let place = network.crossing(crossing.ix);
        let here = [place.id.as_str(), place.country.as_str()];
        let is_open = crossing.gate.state_at(watermark) != GateState::Closed;
        self.crossing_open
            .with_label_values(&here)
            .set(f64::from(u8::from(is_open)));
        let is_blind = crossing.blind_since.is_some();
        self.feed_blind
            .with_label_values(&here)
            .set(f64::from(u8::from(is_blind)));
        let seen = self.last_seen_secs[usize::from(crossing.ix.0)];
        if seen.is_finite() {
            self.feed_last_seen.with_label_values(&here).set(seen);
        }
        for series in &crossing.series {
            let stream = network.stream(series.stream);
            let labels = [here[0], here[1], stream];
            let day = series.open_reading(engine.params(), 0);
            self.day_arrivals
                .with_label_values(&labels)
                .set(day.observed as f64);
            self.day_expected
                .with_label_values(&labels)
                .set(day.expected);
            self.day_lower
                .with_label_values(&labels)
                .set(day.lower as f64);
            self.day_upper
                .with_label_values(&labels)
                .set(day.upper as f64);
            if let Some(extra) = series.detectable_per_day(engine.params()) {
                self.detectable.with_label_values(&labels).set(extra);
            }
            let lens = series.lens(engine.params(), Lens::Day);
            for (direction, threshold) in [
                (Direction::Surge, lens.log_threshold_rise),
                (Direction::Drop, lens.log_threshold_drop),
            ] {
                let ratio = (day.log_evidence(direction) / threshold).max(0.0);
                self.evidence_ratio
                    .with_label_values(&[here[0], here[1], stream, direction.label()])
                    .set(ratio);
            }
        }
    }

    fn refresh_arrivals(&self, network: &Network) {
        for (place, streams) in network.crossings.iter().zip(&self.arrived) {
            for (stream, &count) in network.streams.iter().zip(streams) {
                if count > 0 {
                    let labels = [place.id.as_str(), &place.country, stream];
                    raise(&self.arrivals.with_label_values(&labels), count);
                }
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

const NAMESPACE: &str = "surgewatch";

fn register<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> C {
    let collector = made.expect("names, help and labels are constants of this file and legal");
    registry
        .register(Box::new(collector.clone()))
        .expect("every family has its own name");
    collector
}

fn family(name: &str) -> (Opts, &'static [&'static str]) {
    let known = FAMILIES.iter().find(|(known, ..)| *known == name);
    let (name, help, labels) = known.expect("every family is in the list");
    (Opts::new(*name, *help).namespace(NAMESPACE), labels)
}

fn counter(registry: &Registry, name: &str) -> IntCounter {
    register(registry, IntCounter::with_opts(family(name).0))
}

fn float_counter(registry: &Registry, name: &str) -> Counter {
    register(registry, Counter::with_opts(family(name).0))
}

fn counters(registry: &Registry, name: &str) -> IntCounterVec {
    let (opts, labels) = family(name);
    register(registry, IntCounterVec::new(opts, labels))
}

fn gauge(registry: &Registry, name: &str) -> IntGauge {
    register(registry, IntGauge::with_opts(family(name).0))
}

fn float_counters(registry: &Registry, name: &str) -> CounterVec {
    let (opts, labels) = family(name);
    register(registry, CounterVec::new(opts, labels))
}

fn gauges(registry: &Registry, name: &str) -> GaugeVec {
    let (opts, labels) = family(name);
    register(registry, GaugeVec::new(opts, labels))
}

fn int_gauges(registry: &Registry, name: &str) -> IntGaugeVec {
    let (opts, labels) = family(name);
    register(registry, IntGaugeVec::new(opts, labels))
}

fn histogram(registry: &Registry, name: &str, buckets: Vec<f64>) -> Histogram {
    let opts = HistogramOpts::from(family(name).0).buckets(buckets);
    register(registry, Histogram::with_opts(opts))
}
