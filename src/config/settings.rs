//! Owns the checked settings: a value of these types has passed every rule, so nobody checks again.

use crate::core::alert::{Direction, Severity};
use crate::core::episode::Families;
use crate::core::holidays::Holidays;
use crate::core::ids::StreamIx;
use crate::core::network::Network;
use crate::core::params::{Calibrated, Weights};
use crate::core::prior;
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::net::SocketAddr;

/// All settings of one process, made by [`load`](super::load) only.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The connection to Kafka.
    pub kafka: Kafka,
    /// The topics.
    pub topics: Topics,
    /// When buckets close.
    pub time: Time,
    /// What is refused, and how much of it is borne.
    pub limits: Limits,
    /// How false alerts are budgeted.
    pub detection: Detection,
    /// How the budget is split over crossings and streams.
    pub weights: Weights,
    /// The dead-letter topic.
    pub dead_letter: DeadLetter,
    /// Metrics, health and page.
    pub http: Http,
    /// Logging.
    pub log: Log,
    pub(super) crossings_file: Option<String>,
    pub(super) corridors: Vec<Corridor>,
    pub(super) kinds: BTreeMap<(String, StreamIx), prior::Kind>,
    pub(super) network: Network,
    pub(super) families: Families,
}

/// The connection to Kafka.
#[derive(Debug, Clone)]
pub struct Kafka {
    /// Bootstrap servers, `host:port` separated by commas.
    pub brokers: String,
    /// Consumer group.
    pub group: String,
    /// What tells this running copy from the others of the group.
    pub instance: String,
    /// How long the group waits for a silent copy, in milliseconds.
    pub session_timeout_ms: u32,
    /// How long an abandoned transaction blocks readers, in milliseconds; less than the session timeout.
    pub transaction_timeout_ms: u32,
    /// Longest time between commits in milliseconds; an alert that opens or grows is committed at once.
    pub commit_interval_ms: u32,
    /// Properties of librdkafka handed through; none that the design owns, no secrets.
    pub properties: BTreeMap<String, String>,
    /// Properties whose value is a secret, by reference.
    pub secrets: BTreeMap<String, SecretRef>,
}

/// Where a secret is kept; the secret itself is never part of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// The path of a file whose content it is.
    File(String),
    /// The name of an environment variable.
    Env(String),
}

/// Full topic names (with prefix), and how `topics create` makes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// In: arrivals and other events.
    pub arrivals: String,
    /// Out: closed buckets.
    pub counts: String,
    /// Out: the log of alerts.
    pub alerts: String,
    /// Out, compacted: the state of each alert.
    pub alerts_state: String,
    /// Out: what could not be used.
    pub dead_letters: String,
    /// Internal, compacted: the state of the series.
    pub changelog: String,
    /// Out: what audiences get of the alerts.
    pub routes: Vec<Route>,
    /// Out: what incidents say to one country, by its code.
    pub incidents: BTreeMap<String, String>,
    /// Internal, one partition: what the crossings' stage hands on to the region's.
    pub region: String,
    /// Internal, compacted, one partition: the state of the region.
    pub region_changelog: String,
    /// Partitions of arrivals and changelog.
    pub partitions: u32,
    /// Replicas of each partition.
    pub replication_factor: u32,
}

impl Topics {
    /// The names of all of them, input first, each once.
    #[must_use]
    pub fn all(&self) -> Vec<&str> {
        let mut all: Vec<&str> = vec![
            &self.arrivals,
            &self.counts,
            &self.alerts,
            &self.alerts_state,
            &self.dead_letters,
            &self.changelog,
            &self.region,
            &self.region_changelog,
        ];
        all.extend(self.incidents.values().map(String::as_str));
        all.extend(self.audiences());
        all
    }

    /// The topics of audiences, each once.
    #[must_use]
    pub fn audiences(&self) -> Vec<&str> {
        let mut all: Vec<&str> = Vec::new();
        for route in &self.routes {
            if !all.contains(&route.topic.as_str()) {
                all.push(&route.topic);
            }
        }
        all
    }
}

/// What one audience gets: whatever matches every part; an empty list matches all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Full topic name.
    pub topic: String,
    /// Alerts, notices, incidents.
    pub kinds: Vec<Kind>,
    /// The least severe alert or incident that is sent.
    pub severity: Option<Severity>,
    /// Country codes.
    pub countries: Vec<String>,
    /// Corridor ids.
    pub corridors: Vec<String>,
    /// Streams.
    pub streams: Vec<String>,
    /// Surges, drops or both.
    pub directions: Vec<Direction>,
}

/// What kind of record a route sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A transition of an alert.
    Alert,
    /// Something to know of a crossing beside its alerts.
    Notice,
    /// A change of an incident.
    Incident,
}

impl Kind {
    /// All, in label order.
    pub const ALL: [Self; 3] = [Self::Alert, Self::Incident, Self::Notice];

    /// The word in the configuration.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Notice => "notice",
            Self::Incident => "incident",
        }
    }
}

/// When buckets close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// How long after its time an event still corrects the counts, in seconds of event time.
    pub lateness_horizon_secs: u32,
    /// How long after a bucket's end it is closed, in seconds of event time; less than the horizon.
    pub close_after_secs: u32,
    /// How long an idle partition waits until its buckets close, in seconds of wall time; `None` is for ever.
    pub idle_close_secs: Option<u32>,
    /// After how long a silence a feed that sends heartbeats is blind, in seconds of event time.
    pub blind_after_secs: u32,
}

/// What is refused, and how much of it is borne.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Largest record value in bytes.
    pub max_event_bytes: u32,
    /// Largest count of one event.
    pub max_count: u32,
    /// Furthest an event's time may be ahead of its record's timestamp, in seconds.
    pub max_ahead_secs: u32,
    /// Furthest an event's time may be behind its record's timestamp, in seconds; more than the lateness horizon.
    pub max_behind_secs: u32,
    /// Event ids remembered for each crossing to find duplicates.
    pub max_ids_per_crossing: u32,
    /// Share of bad records in the window at which the daemon stops.
    pub bad_records_ratio: Ratio,
    /// Number of records the share is taken of.
    pub bad_records_window: u32,
    /// Number of bad records in a row at which the daemon stops.
    pub bad_records_run: u32,
}

/// How false alerts are budgeted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// False alerts of the whole network expected in a year; positive.
    pub false_alerts_per_year: f64,
    /// Share of the budget for drops, between 0 and 1.
    pub drop_share_ratio: Ratio,
    /// Share of what crossings have of the budget for the hour lens, between 0 and 1.
    pub hour_share_ratio: Ratio,
    /// Share of the budget for groups of crossings, between 0 and 1.
    pub group_share_ratio: Ratio,
    /// Relative rise too small to matter.
    pub guard_band_ratio: Ratio,
    /// Relative fall too small to matter.
    pub drop_guard_band_ratio: Ratio,
    /// How far thresholds lie below those that are promised.
    pub calibrated: Calibrated,
}

impl Detection {
    /// Relative rise, and relative fall, too small to matter.
    #[must_use]
    pub fn guard_band_ratios(&self) -> [f64; 2] {
        [self.guard_band_ratio, self.drop_guard_band_ratio].map(Ratio::get)
    }

    /// What calibrated thresholds add to the fingerprint: nothing where there are none.
    fn calibrated_text(&self) -> String {
        let Calibrated { day, hour } = self.calibrated;
        if self.calibrated == Calibrated::default() {
            String::new()
        } else {
            format!("calibrated {day:?} {hour:?}\n")
        }
    }
}

/// The dead-letter topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadLetter {
    /// Whether the original bytes are kept.
    pub payload: DeadLetterPayload,
}

/// Whether dead letters carry the original bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLetterPayload {
    /// Original bytes and headers.
    Keep,
    /// Headers only, for producers that can't promise to send no personal data.
    Drop,
}

/// Metrics, health and page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Most series exported of crossings.
    pub max_series: u32,
}

/// Logging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// Least severe level written.
    pub level: LogLevel,
    /// How lines are written.
    pub format: LogFormat,
}

/// Least severe level written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// The level's lower-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// A number from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Ratio(pub(super) f64);

impl Ratio {
    /// The number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

/// A stretch of border with several crossings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corridor {
    /// Stable id.
    pub id: String,
    /// Name as a duty officer would write it.
    pub name: String,
    /// The holidays of its countries.
    pub holidays: Holidays,
}

/// A hash of the settings that change what is decided; 16 hex digits when printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u64);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Kafka {
    /// The transactional id of this copy: group and instance.
    #[must_use]
    pub fn transactional_id(&self) -> String {
        format!("{}-{}", self.group, self.instance)
    }
}

impl Settings {
    /// The crossings and streams that are watched.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The watched corridors, sorted by id.
    #[must_use]
    pub fn corridors(&self) -> &[Corridor] {
        &self.corridors
    }

    /// What is said of streams before anything was counted, by crossing id and stream.
    #[must_use]
    pub fn kinds(&self) -> &BTreeMap<(String, StreamIx), prior::Kind> {
        &self.kinds
    }

    /// The episodes that incidents are held against.
    #[must_use]
    pub fn families(&self) -> &Families {
        &self.families
    }

    /// The file the network was read from; `None` is the embedded list.
    #[must_use]
    pub fn crossings_file(&self) -> Option<&str> {
        self.crossings_file.as_deref()
    }

    /// The hash of what changes decisions: time, detection, the limits that refuse or forget, and the network without names.
    /// Episodes decide no alert.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(xxhash_rust::xxh3::xxh3_64(self.canonical().as_bytes()))
    }

    /// The hash of what changes records of incidents: the same, and the episodes they are held against.
    #[must_use]
    pub fn region_fingerprint(&self) -> Fingerprint {
        let text = format!("{}{:?}", self.canonical(), self.families);
        Fingerprint(xxhash_rust::xxh3::xxh3_64(text.as_bytes()))
    }

    fn write_kinds(&self, text: &mut String) {
        for ((crossing, stream), kind) in &self.kinds {
            let stream = self.network.stream(*stream);
            let (usual, factor) = (kind.usual_per_day, kind.within_factor);
            let dispersion = kind.dispersion_ratio;
            let _ = writeln!(
                text,
                "kind {crossing} {stream} {usual} {factor} {dispersion}"
            );
        }
    }

    fn canonical(&self) -> String {
        let Time {
            lateness_horizon_secs,
            close_after_secs,
            idle_close_secs,
            blind_after_secs,
        } = self.time;
        let idle_close_secs = idle_close_secs.unwrap_or(0);
        let (limits, detection) = (&self.limits, &self.detection);
        let mut text = format!(
            "time {lateness_horizon_secs} {close_after_secs} {idle_close_secs} {blind_after_secs}\nlimits {} {} {} {} {}\ndetection {} {} {} {} {} {}\n",
            limits.max_event_bytes,
            limits.max_count,
            limits.max_ahead_secs,
            limits.max_behind_secs,
            limits.max_ids_per_crossing,
            detection.false_alerts_per_year,
            detection.drop_share_ratio.get(),
            detection.hour_share_ratio.get(),
            detection.group_share_ratio.get(),
            detection.guard_band_ratio.get(),
            detection.drop_guard_band_ratio.get(),
        );
        text += &self.detection.calibrated_text();
        let weights = self.weights.crossings.iter().chain(&self.weights.streams);
        for (name, weight) in weights {
            // Writing to a String can't fail.
            let _ = writeln!(text, "weight {name} {weight}");
        }
        for corridor in &self.corridors {
            for rule in &corridor.holidays.rules {
                let _ = writeln!(text, "holiday {} {rule}", corridor.id);
            }
        }
        self.write_kinds(&mut text);
        for crossing in &self.network.crossings {
            let neighbours: Vec<&str> = crossing
                .neighbours
                .iter()
                .map(|ix| self.network.crossing(*ix).id.as_str())
                .collect();
            let streams: Vec<&str> = crossing
                .streams
                .iter()
                .map(|ix| self.network.stream(*ix))
                .collect();
            let _ = write!(
                text,
                "crossing {} {} {} {} [{}] {} [{}]",
                crossing.id,
                crossing.country,
                crossing.corridor,
                crossing.order,
                neighbours.join(" "),
                crossing.tz.iana_name().unwrap_or("UTC"),
                streams.join(" "),
            );
            for day in crossing.hours.iter().flatten() {
                let _ = match day {
                    Some(hours) => write!(text, " {}-{}", hours.open_minute, hours.close_minute),
                    None => write!(text, " closed"),
                };
            }
            if let Some(ms) = crossing.message_within_ms {
                let _ = write!(text, " within {ms}");
            }
            text.push('\n');
        }
        text
    }
}
