//! Owns the list of metric families: name without the prefix, one sentence, labels.

use prometheus::core::Collector;
use prometheus::{
    CounterVec, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec, Opts, Registry,
};

const PLACE: &[&str] = &["crossing", "country", "corridor"];
const SERIES: &[&str] = &["crossing", "country", "corridor", "stream"];
const SIDES: &[&str] = &["crossing", "country", "corridor", "stream", "direction"];

/// Every family: name without the prefix, one sentence, labels.
const FAMILIES: &[(&str, &str, &[&str])] = &[
    (
        "alerts_open",
        "Alerts open at the crossings of this worker.",
        &["direction", "severity"],
    ),
    (
        "false_alerts_promised_per_year",
        "False alerts a year accepted for the whole network; the parts add up to detection.false_alerts_per_year.",
        &["direction", "lens"],
    ),
    (
        "false_alerts_promised_total",
        "False alerts accepted for the buckets judged and closed so far.",
        &["direction", "lens"],
    ),
    (
        "alerts_opened_total",
        "Alerts opened, true ones too: more of them cannot have been false.",
        &["direction", "lens"],
    ),
    (
        "alerts_feedback_total",
        "Words of operators on alerts; those that were `false` beside what was promised are the promise kept.",
        &["direction", "feedback", "lens"],
    ),
    (
        "restore_seconds_total",
        "Time spent restoring state.",
        &["stage"],
    ),
    ("events_consumed_total", "Records read, good and bad.", &[]),
    (
        "events_rejected_total",
        "Records that could not be used, by reason.",
        &["reason"],
    ),
    (
        "events_duplicate_total",
        "Arrivals whose id was already counted.",
        &[],
    ),
    (
        "events_late_total",
        "Arrivals and corrections of an hour or day that had ended already; they are counted in it. Older ones than the lateness horizon are rejected as too_late.",
        &[],
    ),
    (
        "buckets_revised_total",
        "Closed buckets that a late event or correction changed.",
        &[],
    ),
    (
        "corrections_total",
        "Corrections that changed a count.",
        &[],
    ),
    (
        "ids_given_up_total",
        "Event ids forgotten before the lateness horizon because a crossing had too many.",
        &[],
    ),
    ("buckets_closed_total", "Buckets closed and published.", &[]),
    (
        "arrivals_total",
        "Arrivals counted as they were first reported.",
        SERIES,
    ),
    (
        "day_arrivals",
        "Arrivals so far in the civil day that is open.",
        SERIES,
    ),
    (
        "day_arrivals_expected",
        "Arrivals expected in the whole of that day.",
        SERIES,
    ),
    (
        "day_arrivals_lower",
        "Lower end of what is usual for that day (1 %).",
        SERIES,
    ),
    (
        "day_arrivals_upper",
        "Upper end of what is usual for that day (99 %).",
        SERIES,
    ),
    (
        "evidence_ratio",
        "Evidence of a surge or drop so far, in logs, as a share of what raises an alert (1).",
        &[
            "crossing",
            "country",
            "corridor",
            "stream",
            "direction",
            "lens",
        ],
    ),
    (
        "alert_severity",
        "The alert that is open at the series: 1 minor, 2 major, 3 critical; 0 where none is.",
        SIDES,
    ),
    (
        "minimum_detectable_surge_per_day",
        "Extra arrivals a day that would be noticed within the civil day that is open, nine times in ten; absent while it carries no exposure.",
        SERIES,
    ),
    (
        "crossing_open",
        "1 where the crossing's status is open or restricted, 0 where it is closed.",
        PLACE,
    ),
    (
        "feed_blind",
        "1 while the crossing's feed, which sends heartbeats or has message_within_secs, has been silent for longer than it may, else 0.",
        PLACE,
    ),
    (
        "feed_last_seen_timestamp_seconds",
        "Event time of the last event of the crossing.",
        PLACE,
    ),
    (
        "watermark_timestamp_seconds",
        "Event time up to which a partition's buckets have ended.",
        &["partition"],
    ),
    (
        "alert_transitions_total",
        "Changes in the life of alerts.",
        &["transition"],
    ),
    (
        "consumer_lag_records",
        "Records behind the end of the assigned partitions; -1 while unknown.",
        &["stage"],
    ),
    (
        "transactions_total",
        "Transactions by how they ended.",
        &["outcome", "stage"],
    ),
    (
        "restore_records_total",
        "Changelog records read to restore state.",
        &["stage"],
    ),
    (
        "restore_remaining_records",
        "Changelog records still to be read before state is restored, at most; 0 while nothing is being restored.",
        &["stage"],
    ),
    (
        "state_bytes",
        "Size of the state of the assigned partitions: the newest changelog record of every key.",
        &["stage"],
    ),
    (
        "worker_phase",
        "1 for what the worker is at, 0 for the other phases.",
        &["phase", "stage"],
    ),
    (
        "worker_last_turn_timestamp_seconds",
        "When the worker's loop last answered for these metrics; while it is stuck they stand still, this one too.",
        &["stage"],
    ),
    (
        "metric_series_dropped",
        "Series of crossings that are not exported because all of them would be more than http.max_series.",
        &[],
    ),
    (
        "partitions_assigned",
        "Partitions assigned to this worker.",
        &["stage"],
    ),
    ("rebalances_total", "Rebalances acted on.", &["stage"]),
    ("ids_remembered", "Event ids kept to find duplicates.", &[]),
    (
        "client_errors_total",
        "Errors reported by the Kafka client since the start.",
        &["stage"],
    ),
    (
        "event_to_alert_seconds",
        "From the deciding record's timestamp in Kafka to the committed alert; records older than an hour are a replay and left out.",
        &[],
    ),
    (
        "commit_seconds",
        "Time a commit takes, flush included.",
        &["stage"],
    ),
    (
        "incidents_open",
        "Incidents open in the region, by the worst of their alerts so far.",
        &["severity"],
    ),
    (
        "episode_probability_ratio",
        "How much an open incident is like a known episode in its numbers: the highest probability of all open ones, 0 where none is compared.",
        &["episode"],
    ),
    (
        "incident_transitions_total",
        "Changes in the life of incidents.",
        &["transition"],
    ),
    (
        "displaced_arrivals_total",
        "Arrivals told of as possibly moved, because as many are missing at other crossings.",
        &[],
    ),
    (
        "region_waiting_records",
        "Records of the region's log that wait for a partition of the arrivals to be read as far; 0 unless one is behind.",
        &[],
    ),
    (
        "build_info",
        "Version of the program and fingerprint of its settings.",
        &["version", "config"],
    ),
];

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

pub(super) fn counter(registry: &Registry, name: &str) -> IntCounter {
    register(registry, IntCounter::with_opts(family(name).0))
}

pub(super) fn counters(registry: &Registry, name: &str) -> IntCounterVec {
    let (opts, labels) = family(name);
    register(registry, IntCounterVec::new(opts, labels))
}

pub(super) fn gauge(registry: &Registry, name: &str) -> IntGauge {
    register(registry, IntGauge::with_opts(family(name).0))
}

pub(super) fn float_counters(registry: &Registry, name: &str) -> CounterVec {
    let (opts, labels) = family(name);
    register(registry, CounterVec::new(opts, labels))
}

pub(super) fn gauges(registry: &Registry, name: &str) -> GaugeVec {
    let (opts, labels) = family(name);
    register(registry, GaugeVec::new(opts, labels))
}

pub(super) fn int_gauges(registry: &Registry, name: &str) -> IntGaugeVec {
    let (opts, labels) = family(name);
    register(registry, IntGaugeVec::new(opts, labels))
}

pub(super) fn histograms(registry: &Registry, name: &str, buckets: Vec<f64>) -> HistogramVec {
    let (opts, labels) = family(name);
    let opts = HistogramOpts::from(opts).buckets(buckets);
    register(registry, HistogramVec::new(opts, labels))
}

pub(super) fn histogram(registry: &Registry, name: &str, buckets: Vec<f64>) -> Histogram {
    let opts = HistogramOpts::from(family(name).0).buckets(buckets);
    register(registry, Histogram::with_opts(opts))
}
