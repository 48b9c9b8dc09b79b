//! Owns the list of metric families: name without the prefix, one sentence, labels.

const SERIES: &[&str] = &["crossing", "country", "stream"];

/// Every family: name without the prefix, one sentence, labels.
pub(super) const FAMILIES: [(&str, &str, &[&str]); 34] = [
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
    ("restore_seconds_total", "Time spent restoring state.", &[]),
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
        &["crossing", "country", "stream", "direction"],
    ),
    (
        "minimum_detectable_surge_per_day",
        "Extra arrivals a day that would be noticed within the civil day that is open, nine times in ten; absent while it carries no exposure.",
        SERIES,
    ),
    (
        "crossing_open",
        "1 where the crossing's status is open or restricted, 0 where it is closed.",
        &["crossing", "country"],
    ),
    (
        "feed_blind",
        "1 while the crossing's feed, which sends heartbeats, has been silent for longer than time.blind_after_secs, else 0.",
        &["crossing", "country"],
    ),
    (
        "feed_last_seen_timestamp_seconds",
        "Event time of the last event of the crossing.",
        &["crossing", "country"],
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
        &[],
    ),
    (
        "transactions_total",
        "Transactions by how they ended.",
        &["outcome"],
    ),
    (
        "restore_records_total",
        "Changelog records read to restore state.",
        &[],
    ),
    (
        "partitions_assigned",
        "Partitions assigned to this worker.",
        &[],
    ),
    ("rebalances_total", "Rebalances acted on.", &[]),
    ("ids_remembered", "Event ids kept to find duplicates.", &[]),
    (
        "client_errors_total",
        "Errors reported by the Kafka client since the start.",
        &[],
    ),
    (
        "event_to_alert_seconds",
        "From the deciding record's timestamp in Kafka to the committed alert; records older than an hour are a replay and left out.",
        &[],
    ),
    (
        "commit_seconds",
        "Time a commit takes, flush included.",
        &[],
    ),
    (
        "build_info",
        "Version of the program and fingerprint of its settings.",
        &["version", "config"],
    ),
];
