//! Owns the shape and the defaults of the configuration file, before any rule is applied.
//!
//! Every integer is an `i64` and every list or text plain, so that a value out of range arrives at the rules and is named there.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

macro_rules! sections {
    ($( $(#[$doc:meta])* $name:ident { $($field:ident: $type:ty = $default:expr,)* } )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(super) struct $name { $(pub(super) $field: $type,)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    )*};
}

sections! {
    /// The whole file.
    Raw {
        kafka: Kafka = Kafka::default(),
        topics: Topics = Topics::default(),
        time: Time = Time::default(),
        limits: Limits = Limits::default(),
        detection: Detection = Detection::default(),
        dead_letter: DeadLetter = DeadLetter::default(),
        http: Http = Http::default(),
        log: Log = Log::default(),
        network: Network = Network::default(),
        episodes: Episodes = Episodes::default(),
    }
    Kafka {
        brokers: String = "127.0.0.1:9092".to_owned(),
        group: String = "surgewatch".to_owned(),
        instance: String = "0".to_owned(),
        session_timeout_ms: i64 = 10_000,
        transaction_timeout_ms: i64 = 8_000,
        commit_interval_ms: i64 = 100,
        properties: BTreeMap<String, String> = BTreeMap::new(),
        secrets: BTreeMap<String, String> = BTreeMap::new(),
    }
    Topics {
        prefix: String = String::new(),
        arrivals: String = "border.arrivals.v1".to_owned(),
        counts: String = "border.counts.v1".to_owned(),
        alerts: String = "border.alerts.v1".to_owned(),
        alerts_state: String = "border.alerts.state.v1".to_owned(),
        dead_letters: String = "border.arrivals.dlq.v1".to_owned(),
        changelog: String = "surgewatch-changelog.v1".to_owned(),
        incidents: String = "border.incidents.{country}.v1".to_owned(),
        region: String = "surgewatch-region.v1".to_owned(),
        region_changelog: String = "surgewatch-region-changelog.v1".to_owned(),
        partitions: i64 = 8,
        replication_factor: i64 = 1,
    }
    Time {
        lateness_horizon_secs: i64 = 172_800,
        close_after_secs: i64 = 900,
        idle_close_secs: i64 = 1_800,
        blind_after_secs: i64 = 5_400,
    }
    Limits {
        max_event_bytes: i64 = 65_536,
        max_count: i64 = 100_000,
        max_ahead_secs: i64 = 3_600,
        max_behind_secs: i64 = 2_592_000,
        max_ids_per_crossing: i64 = 200_000,
        bad_records_ratio: f64 = 0.5,
        bad_records_window: i64 = 1_000,
        bad_records_run: i64 = 500,
    }
    Detection {
        false_alerts_per_year: f64 = 12.0,
        drop_share_ratio: f64 = 0.25,
        hour_share_ratio: f64 = 0.3,
        group_share_ratio: f64 = 0.1,
        guard_band_ratio: f64 = 0.05,
        drop_guard_band_ratio: f64 = 0.15,
        calibrated_day_surge_nats: f64 = 0.0,
        calibrated_day_drop_nats: f64 = 0.0,
        calibrated_hour_surge_nats: f64 = 0.0,
        calibrated_hour_drop_nats: f64 = 0.0,
        crossing_weights: BTreeMap<String, String> = BTreeMap::new(),
        stream_weights: BTreeMap<String, String> = BTreeMap::new(),
    }
    DeadLetter { payload: String = "keep".to_owned(), }
    Http {
        listen: String = "127.0.0.1:9464".to_owned(),
        max_series: i64 = 20_000,
    }
    Log {
        level: String = "info".to_owned(),
        format: String = "json".to_owned(),
    }
    Network {
        crossings_file: String = String::new(),
        corridors: Vec<String> = Vec::new(),
    }
    Episodes { folder: String = String::new(), }
}
