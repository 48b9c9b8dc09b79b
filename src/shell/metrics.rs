//! Owns the metrics of the crossings' stage, and how its machine's plain numbers get into them.

use super::families::{counter, counters, gauge, histogram, int_gauges};
use super::gauges::{Cap, StateGauges, place_labels};
use super::openmetrics::Exemplars;
use super::outbox::Told;
use super::promise::Promise;
use crate::core::alert::{Direction, Feedback, Transition};
use crate::core::engine::Engine;
use crate::core::event::Reject;
use crate::core::ids::{CrossingIx, StreamIx};
use crate::core::lens::Lens;
use crate::core::network::Network;
use crate::core::params::{Budget, LENSES};
use crate::core::time::WallTime;
use prometheus::core::Collector;
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, Registry};
use std::sync::{Arc, Mutex};

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
    revised: IntCounter,
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
    exemplars: Arc<Mutex<Exemplars>>,
    promise: Promise,
    feedback: IntCounterVec,
    ids_remembered: IntGauge,
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
        let metrics = Self {
            consumed: counter(r, "events_consumed_total"),
            rejected: counters(r, "events_rejected_total"),
            duplicates: counter(r, "events_duplicate_total"),
            late: counter(r, "events_late_total"),
            revised: counter(r, "buckets_revised_total"),
            corrections: counter(r, "corrections_total"),
            ids_given_up: counter(r, "ids_given_up_total"),
            buckets_closed: counter(r, "buckets_closed_total"),
            arrivals: counters(r, "arrivals_total"),
            arrived: vec![vec![0; network.streams.len()]; network.crossings.len()],
            last_seen_secs: vec![f64::NAN; network.crossings.len()],
            cap: Cap::new(network, max_series),
            state: StateGauges::new(r),
            transitions: counters(r, "alert_transitions_total"),
            exemplars: Arc::new(Mutex::new(Exemplars::new(
                "surgewatch_event_to_alert_seconds",
                &latency,
            ))),
            event_to_alert: histogram(r, "event_to_alert_seconds", latency),
            promise: Promise::new(r, budget),
            feedback: counters(r, "alerts_feedback_total"),
            ids_remembered: gauge(r, "ids_remembered"),
            registry,
        };
        metrics.zero(config_hash);
        metrics.refresh_arrivals(network);
        metrics
    }

    fn zero(&self, config_hash: &str) {
        for (_, _, labels) in kinds() {
            for word in Feedback::ALL {
                let labels = [labels[0], word.label(), labels[1]];
                self.feedback.with_label_values(&labels);
            }
        }
        for reason in Reject::ALL {
            self.rejected.with_label_values(&[reason.label()]);
        }
        for transition in Transition::ALL {
            self.transitions.with_label_values(&[transition.label()]);
        }
        gauge(&self.registry, "metric_series_dropped").set(self.cap.dropped as i64);
        let build = int_gauges(&self.registry, "build_info");
        build
            .with_label_values(&[env!("CARGO_PKG_VERSION"), config_hash])
            .set(1);
    }

    /// The newest alert of each bucket of latency.
    #[must_use]
    pub(super) fn exemplars(&self) -> Arc<Mutex<Exemplars>> {
        Arc::clone(&self.exemplars)
    }

    /// The promise, to which the region adds that of groups.
    pub(super) fn promise(&self) -> &Promise {
        &self.promise
    }

    /// Where these families are registered, and where those of the loops and of the region go.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
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
    pub fn on_told(&self, told: &[Told], at: WallTime) {
        for told in told {
            self.transitions
                .with_label_values(&[told.transition.label()])
                .inc();
            let waited_ms = told.recorded.map(|recorded| (at.0 - recorded.0).max(0));
            if let Some(waited_ms) = waited_ms.filter(|ms| *ms < REPLAY_MS) {
                let waited_secs = waited_ms as f64 / 1_000.0;
                self.event_to_alert.observe(waited_secs);
                let exemplars = self.exemplars.lock();
                let mut exemplars = exemplars.expect("no holder of this lock panics");
                exemplars.keep("alert_id", &told.alert, waited_secs, at.0);
            }
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
        raise(&self.revised, tally.revised);
        raise(&self.corrections, tally.corrections);
        raise(&self.ids_given_up, tally.ids_given_up);
        raise(&self.buckets_closed, tally.buckets_closed);
        for (lens, direction, labels) in kinds() {
            let at = (lens as usize, direction as usize);
            let (accepted, opened) = (tally.promised[at.0][at.1], tally.opened[at.0][at.1]);
            self.promise.of_lens(lens, direction, accepted, opened);
            for (word, &count) in Feedback::ALL.iter().zip(&tally.feedback[at.0][at.1]) {
                let labels = [labels[0], word.label(), labels[1]];
                raise(&self.feedback.with_label_values(&labels), count);
            }
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
pub(super) fn raise(counter: &IntCounter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}
