//! Owns the records of notices: what is told of a crossing beside its alerts, as JSON with CloudEvents headers and a plain sentence.

use super::encode::{Encoded, Origin, SourceRecord, cloud_event, json, source_record};
use super::sentence::{civil_time, grouped};
use crate::core::alert::Transition;
use crate::core::calendar::local;
use crate::core::ids::CrossingIx;
use crate::core::network::Network;
use crate::core::notice::{Notice, NoticeKind, Shut, ShutBy};
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
    /// Opened, resolved when it is over, or retracted when the crossing was open after all.
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
    /// Of arrivals at a closed crossing: how many of that closure or night were read so far.
    pub arrivals: Option<u32>,
    /// Of arrivals at a closed crossing: what says that it was closed.
    pub closed_by: Option<ShutBy>,
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
        arrivals: notice.shut.map(|shut| shut.arrivals),
        closed_by: notice.shut.map(|shut| shut.by),
        summary: summary(network, *crossing, notice, *as_of),
    };
    let headers = cloud_event(
        match notice.shut.filter(|_| notice.is_again) {
            Some(shut) => format!("{id}/again/{}", shut.arrivals),
            None => format!("{id}/{}", u8::from(notice.is_over)),
        },
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

/// How a notice lives: it opens, one of arrivals at a closed crossing is updated as they become ten, a hundred and so on, a blind feed's is resolved when the feed is heard again, and one of arrivals at a closed crossing is
/// retracted when a late status says that it was open.
#[must_use]
pub fn transition(notice: &Notice) -> Transition {
    match (notice.is_over, notice.kind) {
        (false, _) if notice.is_again => Transition::Updated,
        (false, _) => Transition::Opened,
        (true, NoticeKind::FeedBlind) => Transition::Resolved,
        (true, NoticeKind::ArrivalsWhileClosed) => Transition::Retracted,
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
        (NoticeKind::ArrivalsWhileClosed, is_over) => {
            arrivals_while_closed(name, &since, notice.shut, is_over)
        }
    }
}

fn arrivals_while_closed(name: &str, since: &str, shut: Option<Shut>, is_over: bool) -> String {
    let arrivals = match shut.map(|shut| shut.arrivals) {
        Some(1) => "1 arrival".to_owned(),
        Some(n) => format!("{} arrivals", grouped(n.into())),
        None => "arrivals".to_owned(),
    };
    if is_over {
        return format!(
            "Taken back: {name} was open after all for some of the time since {since}. A status that was read late says so, and what came while it was open is judged like any other."
        );
    }
    let closed = match shut.map(|shut| shut.by) {
        Some(ShutBy::Hours) => format!("outside its published hours, which ended at {since}"),
        _ => format!("though a status says that it has been closed since {since}"),
    };
    format!(
        "{name} reports {arrivals} {closed}. Arrivals at a closed crossing raise no alert: find out whether the gate is open."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_at_a_closed_crossing_are_told_of_with_their_number_and_why_it_is_closed() {
        let since = "20:00 on Friday 17 November 2023";
        let of = |arrivals, by, is_over| {
            arrivals_while_closed("Salla", since, Some(Shut { arrivals, by }), is_over)
        };
        let told = [
            of(1, ShutBy::Status, false),
            of(12, ShutBy::Hours, false),
            of(12, ShutBy::Hours, true),
        ];
        insta::assert_snapshot!(told.join("\n"), @r"
        Salla reports 1 arrival though a status says that it has been closed since 20:00 on Friday 17 November 2023. Arrivals at a closed crossing raise no alert: find out whether the gate is open.
        Salla reports 12 arrivals outside its published hours, which ended at 20:00 on Friday 17 November 2023. Arrivals at a closed crossing raise no alert: find out whether the gate is open.
        Taken back: Salla was open after all for some of the time since 20:00 on Friday 17 November 2023. A status that was read late says so, and what came while it was open is judged like any other.
        ");
    }
}
