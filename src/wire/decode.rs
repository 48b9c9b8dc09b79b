//! Owns the decoding of one Kafka record into an event: plain JSON, CloudEvents structured and CloudEvents binary.
//!
//! A pure function of the record, the network and the limits. How far an event's time may lie ahead or behind is judged against
//! the record's own timestamp and never a clock, so that a replay decides the same.

use super::cloudevents;
use super::feedback::feedback;
use super::fields::{Field, Fields, object_text, parse, shown, wrong_shape};
use crate::core::event::{Event, GateState, Kind, Reject};
use crate::core::ids::{CrossingIx, EventId, StreamIx};
use crate::core::network::Network;
use crate::core::time::{EventTime, WallTime};
use jiff::Timestamp;
use serde::de::IgnoredAny;

const EVENT_TYPES: &str = "arrival, status, heartbeat, correction, feedback";
const TIME_REMEDY: &str = "give RFC 3339 with an offset, as 2023-11-17T16:20:00+02:00";

/// The parts of a Kafka record that decide what it means.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Names and values of the headers; only `ce_` headers of CloudEvents binary mode are looked at. May be left empty
    /// by a caller that knows there are none of those.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The record's timestamp (the producer's or the broker's); `None` skips the checks of ahead and behind.
    pub timestamp: Option<WallTime>,
}

/// What is refused before the core sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest value in bytes; checked before parsing.
    pub max_event_bytes: usize,
    /// Largest `count` of one event.
    pub max_count: u32,
    /// Furthest an event's time may be ahead of the record's timestamp, in milliseconds.
    pub max_ahead_ms: i64,
    /// Furthest an event's time may be behind the record's timestamp, in milliseconds.
    pub max_behind_ms: i64,
}

/// Why a record can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", reason.label())]
pub struct DecodeError {
    /// The reason, as a label.
    pub reason: Reject,
    /// Field, value (shortened), rule and remedy in one line, for the dead-letter header. Holds nothing of fields that an
    /// event does not have.
    pub detail: String,
}

/// Reads one record.
///
/// # Errors
/// Whatever makes the record unusable, with one of the reasons from `Empty` to `BadCount` in [`Reject`].
pub fn decode(
    record: &Record<'_>,
    network: &Network,
    limits: &Limits,
) -> Result<Event, DecodeError> {
    let Some(value) = record.value.filter(|bytes| !bytes.is_empty()) else {
        return refuse(
            Reject::Empty,
            "the record has no value; send an event, or nothing".to_owned(),
        );
    };
    if value.len() > limits.max_event_bytes {
        let (bytes, limit) = (value.len(), limits.max_event_bytes);
        return refuse(
            Reject::TooLarge,
            format!(
                "the value has {bytes} bytes, the limit is {limit}; send less or raise limits.max_event_bytes"
            ),
        );
    }
    let fields = if cloudevents::is_binary(record.headers) {
        cloudevents::binary(record.headers, value)?
    } else {
        let text = object_text(value)?;
        let fields = parse::<Fields<'_>, Fields<'_, IgnoredAny>>(text)?;
        if fields.specversion.is_absent() {
            fields
        } else {
            cloudevents::structured(text)?
        }
    };
    event(&fields, record.timestamp, network, limits)
}

fn event(
    fields: &Fields<'_>,
    timestamp: Option<WallTime>,
    network: &Network,
    limits: &Limits,
) -> Result<Event, DecodeError> {
    let kind = fields.kind.text("type", "give the type of the event")?;
    if !matches!(
        kind,
        "arrival" | "status" | "heartbeat" | "correction" | "feedback"
    ) {
        return refuse(
            Reject::UnknownType,
            format!("`type` is {}; it must be one of {EVENT_TYPES}", shown(kind)),
        );
    }
    let id = EventId::of(fields.id.text(
        "id",
        "give every event an id of its own, so that it counts once",
    )?);
    let (crossing, word) = match kind {
        "feedback" => feedback(fields, network).map(|(at, word)| (at, Some(word)))?,
        _ => (crossing(&fields.crossing, network)?, None),
    };
    let mut around = *limits;
    if kind == "status" {
        // What will be closed or opened is said before it is.
        around.max_ahead_ms = around.max_ahead_ms.max(ANNOUNCED_MS);
    }
    let time = near(
        moment("time", &fields.time)?,
        &fields.time,
        timestamp,
        &around,
    )?;
    let kind = match kind {
        "arrival" => Kind::Arrival {
            stream: stream(&fields.stream, crossing, network)?,
            count: match fields.count {
                Field::Absent => 1,
                _ => count(&fields.count, 1, limits)?,
            },
        },
        "status" => status(fields, time)?,
        "correction" => Kind::Correction {
            replaces: EventId::of(
                fields
                    .replaces
                    .text("replaces", "name the id of the arrival to correct")?,
            ),
            count: count(&fields.count, 0, limits)?,
        },
        "feedback" => word.expect("it was read with its crossing"),
        _ => Kind::Heartbeat,
    };
    Ok(Event {
        crossing,
        time,
        id,
        kind,
    })
}

fn refuse<T>(reason: Reject, detail: String) -> Result<T, DecodeError> {
    Err(DecodeError { reason, detail })
}

fn crossing(field: &Field<'_>, network: &Network) -> Result<CrossingIx, DecodeError> {
    let id = field.text("crossing", "name the crossing by its id")?;
    network.crossing_ix(id).ok_or_else(|| DecodeError {
        reason: Reject::UnknownCrossing,
        detail: format!(
            "`crossing` is {}, which is not configured; use an id of the crossings file",
            shown(id)
        ),
    })
}

fn stream(
    field: &Field<'_>,
    crossing: CrossingIx,
    network: &Network,
) -> Result<StreamIx, DecodeError> {
    let here = network.crossing(crossing);
    if let (Field::Absent, [only]) = (field, here.streams.as_slice()) {
        return Ok(*only);
    }
    let unknown = |what: &str| DecodeError {
        reason: Reject::UnknownStream,
        detail: format!(
            "`stream` is {what}; {} counts {}",
            here.id,
            stream_names(&here.streams, network)
        ),
    };
    if field.is_absent() {
        return Err(unknown(
            "missing, which only a crossing with one stream allows",
        ));
    }
    let name = field.text("stream", "name the stream")?;
    network
        .stream_ix(name)
        .filter(|ix| here.streams.contains(ix))
        .ok_or_else(|| unknown(&format!("{}, which is not counted here", shown(name))))
}

fn stream_names(streams: &[StreamIx], network: &Network) -> String {
    let names: Vec<&str> = streams.iter().map(|ix| network.stream(*ix)).collect();
    names.join(", ")
}

fn status(fields: &Fields<'_>, time: EventTime) -> Result<Kind, DecodeError> {
    let until = match fields.until {
        Field::Absent => None,
        _ => Some(moment("until", &fields.until)?),
    };
    if until.is_some_and(|until| until <= time) {
        return refuse(
            Reject::BadTime,
            "`until` is not after `time`; give the moment at which the state ends, or leave it out"
                .to_owned(),
        );
    }
    let state = match fields
        .state
        .text("state", "say open, closed, restricted or redefined")?
    {
        "open" => GateState::Open,
        "closed" => GateState::Closed,
        "restricted" => GateState::Restricted,
        "redefined" if until.is_none() => return Ok(Kind::Redefined),
        "redefined" => {
            return Err(wrong_shape(
                "`until` is given with `state` redefined; what a feed counts changes for good, leave `until` out".to_owned(),
            ));
        }
        other => {
            return Err(wrong_shape(format!(
                "`state` is {}; it must be one of open, closed, restricted, redefined",
                shown(other)
            )));
        }
    };
    Ok(Kind::Status { state, until })
}

/// A count between `least` and the limit. A number that is not such a count is a bad count, anything else a wrong shape.
fn count(field: &Field<'_>, least: u32, limits: &Limits) -> Result<u32, DecodeError> {
    let most = limits.max_count;
    let given = match field {
        Field::Whole(number) => u32::try_from(*number).ok(),
        // JSON does not tell 3.0 from 3; a JSON Schema `integer` accepts both.
        Field::Float(number)
            if number.fract() == 0.0 && *number >= 0.0 && *number <= f64::from(most) =>
        {
            Some(*number as u32)
        }
        Field::Negative(_) | Field::Float(_) => None,
        Field::Absent => {
            return Err(wrong_shape(
                "`count` is missing; a correction says the right count".to_owned(),
            ));
        }
        other => {
            return Err(wrong_shape(format!(
                "`count` is {other}, not a number; give a whole number"
            )));
        }
    };
    given.filter(|count| (least..=most).contains(count)).ok_or_else(|| DecodeError {
        reason: Reject::BadCount,
        detail: format!("`count` is {field}; it must be a whole number from {least} to {most} (limits.max_count)"),
    })
}

fn moment(name: &str, field: &Field<'_>) -> Result<EventTime, DecodeError> {
    let text = field.text(name, TIME_REMEDY)?;
    match text.parse::<Timestamp>() {
        Ok(timestamp) => Ok(EventTime(timestamp.as_millisecond())),
        Err(_) => {
            let what = if text.parse::<jiff::civil::DateTime>().is_ok() {
                "has no offset"
            } else {
                "can't be read"
            };
            refuse(
                Reject::BadTime,
                format!("`{name}` is {}, which {what}; {TIME_REMEDY}", shown(text)),
            )
        }
    }
}

/// A status may say what will hold a year from now.
const ANNOUNCED_MS: i64 = 366 * 24 * 3_600_000;

/// The event's time, if it lies inside the limits around the record's timestamp.
fn near(
    time: EventTime,
    field: &Field<'_>,
    timestamp: Option<WallTime>,
    limits: &Limits,
) -> Result<EventTime, DecodeError> {
    let Some(WallTime(reference)) = timestamp else {
        return Ok(time);
    };
    let ahead_ms = time.0.saturating_sub(reference);
    let far = |reason, distance_ms: i64, way: &str, limit_ms: i64, key: &str| {
        let (distance, limit) = (distance_ms / 1000, limit_ms / 1000);
        refuse(
            reason,
            format!(
                "`time` is {field}, {distance} s {way} the record's timestamp; the limit is {limit} s; \
                 correct the producer's clock or raise {key}"
            ),
        )
    };
    if ahead_ms > limits.max_ahead_ms {
        return far(
            Reject::TooFarAhead,
            ahead_ms,
            "ahead of",
            limits.max_ahead_ms,
            "limits.max_ahead_secs",
        );
    }
    let behind_ms = ahead_ms.saturating_neg();
    if behind_ms > limits.max_behind_ms {
        return far(
            Reject::TooFarBehind,
            behind_ms,
            "behind",
            limits.max_behind_ms,
            "limits.max_behind_secs",
        );
    }
    Ok(time)
}
