//! Owns the records put out: alerts and counts as JSON, with their keys and CloudEvents headers.

use super::notes::notes;
use super::sentence::{self, Subject};
use crate::core::alert::{Alert, Direction, Feedback, Reading, Severity, Transition};
use crate::core::event::GateState;
use crate::core::ids::{CrossingIx, StreamIx};
use crate::core::lens::Lens;
use crate::core::network::Network;
use crate::core::notice::DataStatus;
use crate::core::output::{Output, Source};
use crate::core::time::EventTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The least logarithm of evidence that is put out.
const LEAST_LOG_EVIDENCE: f64 = -200.0;

/// What every record says of the program that made it.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Input topic.
    pub topic: String,
    /// Fingerprint of the settings, 16 hex digits; of those and the episodes where incidents are told of.
    pub config: String,
}

/// A record for one of the output topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Its key.
    pub key: String,
    /// Its JSON value.
    pub value: Vec<u8>,
    /// Its headers; CloudEvents binary mode for alerts, none for counts.
    pub headers: Vec<(&'static str, String)>,
}

/// An alert's transition as the alert topics carry it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AlertRecord<'a> {
    /// Computed from crossing, stream, direction and onset: a replay makes the same id.
    pub alert_id: Cow<'a, str>,
    /// Number of the transition within the alert, from 0.
    pub sequence: u32,
    /// What changed.
    pub transition: Transition,
    /// The worst so far.
    pub severity: Severity,
    /// Crossing id.
    pub crossing: Cow<'a, str>,
    /// Crossing name.
    pub crossing_name: Cow<'a, str>,
    /// Country code.
    pub country: Cow<'a, str>,
    /// Corridor id.
    pub corridor: Cow<'a, str>,
    /// Stream.
    pub stream: Cow<'a, str>,
    /// Surge or drop.
    pub direction: Direction,
    /// Lens the deciding bucket was seen through.
    pub lens: Lens,
    /// The deciding bucket.
    pub bucket: Bucket,
    /// Arrivals counted in it.
    pub observed: u64,
    /// Of these, arrivals while it was closed, by its status or its published hours: they are not judged.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub while_closed: u32,
    /// Arrivals expected in the whole of it.
    pub expected: f64,
    /// What is usual.
    pub interval: Interval,
    /// How sure.
    pub evidence: Evidence,
    /// What the numbers rest on.
    #[serde(default)]
    pub data_status: DataStatus,
    /// Why it changed, where the numbers do not say it: calm, lasting, recounted, redefined, or an operator's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'a, str>>,
    /// The last word of an operator on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<Feedback>,
    /// When the episode is thought to have begun.
    #[schemars(extend("format" = "date-time"))]
    pub onset: String,
    /// Event time up to which the numbers hold.
    #[schemars(extend("format" = "date-time"))]
    pub as_of: String,
    /// The deciding record's timestamp in Kafka.
    #[schemars(extend("format" = "date-time"))]
    pub known_at: Option<String>,
    /// The record that decided.
    pub source: SourceRecord<'a>,
    /// One sentence to read aloud.
    pub summary: String,
}

/// A bucket of time.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Bucket {
    /// First moment, in the crossing's civil time.
    #[schemars(extend("format" = "date-time"))]
    pub start: String,
    /// First moment after it.
    #[schemars(extend("format" = "date-time"))]
    pub end: String,
    /// Whether it was closed; an open one can still grow.
    pub closed: bool,
    /// Share in which the crossing was open and its feed alive.
    pub exposure: f64,
    /// Share in which it was open and its feed blind.
    #[serde(default, skip_serializing_if = "is_none")]
    pub blind: f64,
}

/// The range that holds what is usual.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// The 1 % quantile.
    pub lower: u64,
    /// The 99 % quantile.
    pub upper: u64,
}

/// How sure an alert is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// ln of the Shiryaev-Roberts statistic; -200 stands for none at all and anything below.
    pub log_sr: f64,
    /// By chance evidence like this comes at most once in this many days, on average.
    pub chance_once_in_days: f64,
    /// log10 of the probability of a count at least (a drop: at most) as far out in this bucket alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail_log10: Option<f64>,
}

/// The record that decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SourceRecord<'a> {
    /// Input topic.
    pub topic: Cow<'a, str>,
    /// Its partition.
    pub partition: i32,
    /// The record's offset; none where the passing of time decided.
    pub offset: Option<i64>,
    /// Fingerprint of the settings; in a record of an incident of these and the episodes that it was held against.
    pub config: Cow<'a, str>,
    /// Version of the program.
    pub version: Cow<'a, str>,
}

/// A closed bucket as the counts topic carries it; again with a higher `revision` when late data changed it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CountRecord<'a> {
    /// Crossing id.
    pub crossing: Cow<'a, str>,
    /// Country code.
    pub country: Cow<'a, str>,
    /// Corridor id.
    pub corridor: Cow<'a, str>,
    /// Stream.
    pub stream: Cow<'a, str>,
    /// Lens the bucket was seen through.
    pub lens: Lens,
    /// The bucket.
    pub bucket: Bucket,
    /// 0 at the close, one more for each late change of its day.
    pub revision: u32,
    /// Arrivals counted in it.
    pub observed: u64,
    /// Of these, arrivals while it was closed, by its status or its published hours: they are not judged.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub while_closed: u32,
    /// Arrivals expected in it.
    pub expected: f64,
    /// What is usual.
    pub interval: Interval,
    /// ln of the Shiryaev-Roberts statistic of a surge after the bucket; -200 stands for none at all and anything below.
    pub log_evidence_rise: f64,
    /// The same of a drop.
    pub log_evidence_drop: f64,
    /// Probability that the series is in a surge after the bucket.
    pub p_surge: f64,
    /// Probability that the series is in a drop after the bucket.
    pub p_drop: f64,
    /// The crossing at `as_of`, by its status and its published hours; the bucket may have ended before it shut or opened.
    #[serde(default)]
    pub gate: GateState,
    /// Event time up to which the numbers hold.
    #[schemars(extend("format" = "date-time"))]
    pub as_of: String,
    /// The record that decided.
    pub source: SourceRecord<'a>,
}

/// Encodes a count record.
#[must_use]
pub fn count(output: &Output, network: &Network, origin: &Origin) -> Option<Encoded> {
    let Output::Count {
        crossing,
        stream,
        reading,
        revision,
        gate,
        as_of,
        source,
    } = output
    else {
        return None;
    };
    let place = network.crossing(*crossing);
    let record = CountRecord {
        crossing: place.id.as_str().into(),
        country: place.country.as_str().into(),
        corridor: place.corridor.as_str().into(),
        stream: network.stream(*stream).into(),
        lens: reading.lens,
        bucket: bucket(reading, true, network, *crossing),
        revision: *revision,
        observed: reading.counted(),
        while_closed: reading.while_closed,
        expected: significant(reading.expected),
        interval: interval(reading),
        log_evidence_rise: evidence_log(reading.log_evidence_rise),
        log_evidence_drop: evidence_log(reading.log_evidence_drop),
        p_surge: significant(reading.p_surge),
        p_drop: significant(reading.p_drop),
        gate: *gate,
        as_of: sentence::civil_time(network, *crossing, *as_of),
        source: source_record(source, origin),
    };
    Some(Encoded {
        key: place.id.clone(),
        value: json(&record),
        headers: Vec::new(),
    })
}

/// Encodes an alert transition.
#[must_use]
pub fn alert(output: &Output, network: &Network, origin: &Origin) -> Option<Encoded> {
    let Output::Alert {
        crossing,
        stream,
        alert,
        transition,
        reading,
        run,
        closed,
        data,
        usual_for_days,
        before,
        as_of,
        source,
    } = output
    else {
        return None;
    };
    let (crossing, stream) = (*crossing, *stream);
    let place = network.crossing(crossing);
    let id = alert_id(network, crossing, stream, alert);
    let civil = |time: EventTime| sentence::civil_time(network, crossing, time);
    let subject = Subject::new(network, crossing, stream);
    let numbers = (reading, run.as_ref());
    let (tz, change, usual) = (&place.tz, *transition, *usual_for_days);
    let last = (alert.direction, reading);
    let notes = notes(tz, change, last, usual, before.as_ref(), *data);
    let summary = sentence::summary(&subject, alert, change, numbers, *closed, *as_of, &notes);
    let record = AlertRecord {
        alert_id: id.as_str().into(),
        sequence: alert.sequence,
        transition: *transition,
        severity: alert.severity,
        crossing: place.id.as_str().into(),
        crossing_name: place.name.as_str().into(),
        country: place.country.as_str().into(),
        corridor: place.corridor.as_str().into(),
        stream: network.stream(stream).into(),
        direction: alert.direction,
        lens: reading.lens,
        bucket: bucket(reading, *closed, network, crossing),
        observed: reading.counted(),
        while_closed: reading.while_closed,
        expected: significant(reading.expected),
        interval: interval(reading),
        evidence: evidence(reading, alert.direction),
        data_status: *data,
        reason: alert.reason.map(|reason| reason.label().into()),
        feedback: alert.feedback,
        onset: civil(alert.onset),
        as_of: civil(*as_of),
        known_at: known_at(source),
        source: source_record(source, origin),
        summary,
    };
    let headers = cloud_event(
        format!("{id}/{}", alert.sequence),
        format!("border.alert.{}.v1", transition.label()),
        &place.id,
        *as_of,
        origin,
    );
    Some(Encoded {
        value: json(&record),
        key: id,
        headers,
    })
}

/// The clock of Kafka at the deciding record.
fn known_at(source: &Source) -> Option<String> {
    let recorded = source.recorded;
    recorded.map(|at| EventTime(at.0).timestamp().to_string())
}

/// The alert's id.
#[must_use]
pub fn alert_id(
    network: &Network,
    crossing: CrossingIx,
    stream: StreamIx,
    alert: &Alert,
) -> String {
    let place = network.crossing(crossing);
    let named = crate::core::calendar::local(&place.tz, alert.named).date();
    format!(
        "{}.{}.{}.{named}",
        place.id,
        network.stream(stream),
        alert.direction.label()
    )
}

/// Headers of CloudEvents' binary mode.
pub(super) fn cloud_event(
    id: String,
    kind: String,
    subject: &str,
    as_of: EventTime,
    origin: &Origin,
) -> Vec<(&'static str, String)> {
    vec![
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", id),
        ("ce_source", format!("/surgewatch/{}", origin.topic)),
        ("ce_type", kind),
        ("ce_subject", subject.to_owned()),
        ("ce_time", as_of.timestamp().to_string()),
        ("content-type", "application/json".to_owned()),
    ]
}

fn evidence(reading: &Reading, direction: Direction) -> Evidence {
    Evidence {
        log_sr: evidence_log(reading.log_evidence(direction)),
        chance_once_in_days: significant(sentence::chance_once_in_days(reading, direction)),
        tail_log10: reading
            .ln_tail(direction)
            .map(|ln| significant(ln / std::f64::consts::LN_10)),
    }
}

fn interval(reading: &Reading) -> Interval {
    Interval {
        lower: reading.lower,
        upper: reading.upper,
    }
}

fn bucket(reading: &Reading, closed: bool, network: &Network, crossing: CrossingIx) -> Bucket {
    Bucket {
        start: sentence::civil_time(network, crossing, reading.start),
        end: sentence::civil_time(network, crossing, reading.end),
        closed,
        exposure: significant(reading.exposure),
        blind: significant(reading.blind_ratio),
    }
}

pub(super) fn source_record<'a>(source: &Source, origin: &'a Origin) -> SourceRecord<'a> {
    SourceRecord {
        topic: origin.topic.as_str().into(),
        partition: source.partition.0,
        offset: source.offset.map(|o| o.0),
        config: origin.config.as_str().into(),
        version: env!("CARGO_PKG_VERSION").into(),
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_none(share: &f64) -> bool {
    *share <= 0.0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Four significant digits: what a reader can use, and no more bytes than that.
pub(crate) fn significant(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

/// Where no bucket was judged yet the statistic is 0 and its logarithm is no JSON number.
fn evidence_log(value: f64) -> f64 {
    significant(value.max(LEAST_LOG_EVIDENCE))
}

pub(super) fn json(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("records have string keys and finite numbers")
}
