//! Owns the records of notices: what is told of a crossing beside its alerts, as JSON with CloudEvents headers and a plain sentence.

use super::encode::{Encoded, Origin, SourceRecord, cloud_event, json, source_record};
use super::sentence::civil_time;
use crate::core::alert::Transition;
use crate::core::calendar::local;
use crate::core::ids::CrossingIx;
use crate::core::network::Network;
use crate::core::notice::{Notice, NoticeKind};
use crate::core::output::Output;
use crate::core::time::EventTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A notice as the alert topics carry it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NoticeRecord<'a> {
    /// Computed from crossing, kind and `since`: a replay makes the same id.
    pub notice_id: Cow<'a, str>,
    /// What it is about.
    pub kind: NoticeKind,
    /// Opened, or resolved when it is over.
    pub transition: Transition,
    /// Crossing id.
    pub crossing: Cow<'a, str>,
    /// Crossing name.
    pub crossing_name: Cow<'a, str>,
    /// Country code.
    pub country: Cow<'a, str>,
    /// Corridor id.
    pub corridor: Cow<'a, str>,
    /// Since when: of a blind feed the moment from which nothing is known, of a closed crossing the closure.
    #[schemars(extend("format" = "date-time"))]
    pub since: String,
    /// Event time up to which it holds.
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

/// Encodes a notice; nothing of other outputs.
#[must_use]
pub fn notice(output: &Output, network: &Network, origin: &Origin) -> Option<Encoded> {
    let Output::Notice {
        crossing,
        notice,
        as_of,
        source,
    } = output
    else {
        return None;
    };
    let place = network.crossing(*crossing);
    let since = local(&place.tz, notice.since);
    let id = format!(
        "{}.{}.{}",
        place.id,
        notice.kind.label(),
        since.strftime("%Y-%m-%dT%H:%M:%S")
    );
    let transition = transition(notice);
    let known_at = source
        .recorded
        .map(|at| EventTime(at.0).timestamp().to_string());
    let record = NoticeRecord {
        notice_id: id.as_str().into(),
        kind: notice.kind,
        transition,
        crossing: place.id.as_str().into(),
        crossing_name: place.name.as_str().into(),
        country: place.country.as_str().into(),
        corridor: place.corridor.as_str().into(),
        since: civil_time(network, *crossing, notice.since),
        as_of: civil_time(network, *crossing, *as_of),
        known_at,
        source: source_record(source, origin),
        summary: summary(network, *crossing, notice, *as_of),
    };
    let headers = cloud_event(
        format!("{id}/{}", u8::from(notice.is_over)),
        format!("border.notice.{}.v1", notice.kind.label()),
        &place.id,
        *as_of,
        origin,
    );
    let value = json(&record);
    Some(Encoded {
        key: id,
        value,
        headers,
    })
}

/// How a notice lives: it opens, and a blind feed's is resolved when the feed is heard again.
#[must_use]
pub fn transition(notice: &Notice) -> Transition {
    if notice.is_over {
        Transition::Resolved
    } else {
        Transition::Opened
    }
}

/// One or two plain sentences.
#[must_use]
pub fn summary(
    network: &Network,
    crossing: CrossingIx,
    notice: &Notice,
    as_of: EventTime,
) -> String {
    let place = network.crossing(crossing);
    let name = &place.name;
    let moment = |time| {
        local(&place.tz, time)
            .strftime("%H:%M on %A %-d %B %Y")
            .to_string()
    };
    let since = moment(notice.since);
    match (notice.kind, notice.is_over) {
        (NoticeKind::FeedBlind, false) => format!(
            "Blind at {name} since {since}: its feed is silent. Nothing is known of arrivals there, and no alert there opens or ends on silence."
        ),
        (NoticeKind::FeedBlind, true) => format!(
            "{name} is heard again at {}; it was blind since {since}.",
            moment(as_of)
        ),
        (NoticeKind::ArrivalsWhileClosed, _) => format!(
            "{name} reports arrivals and is closed since {since}, by its status or its published hours. They are counted, but open no alert: find out whether the gate is open."
        ),
    }
}
