//! Owns the records of incidents: the whole one for the alert topics, and each country's slice of it, as JSON with CloudEvents
//! headers and a plain sentence.

use super::encode::{Encoded, Origin, SourceRecord, cloud_event, json, significant, source_record};
use super::episode::{self, EpisodeRecord};
use super::incident::{region, spoken};
use super::sentence::civil_time;
use crate::core::alert::{Direction, Severity};
use crate::core::episode::Families;
use crate::core::ids::CrossingIx;
use crate::core::network::Network;
use crate::core::output::Source;
use crate::core::region::displacement::Day;
use crate::core::region::groups::{self, Level};
use crate::core::region::incident::{Change, DayCount, Incident, Member, Told};
use crate::core::region::machine::IncidentTransition;
use crate::core::time::EventTime;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// An incident's change as the alert topics and the topics of countries carry it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentRecord<'a> {
    /// Computed from its first alert: a replay makes the same id.
    pub incident_id: Cow<'a, str>,
    /// Number of the change within the incident; a topic of a country holds those that concern it.
    pub sequence: u32,
    /// What changed.
    pub transition: IncidentTransition,
    /// The worst of its alerts so far.
    pub severity: Severity,
    /// The country whose slice this is; none of the whole incident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Cow<'a, str>>,
    /// Stream.
    pub stream: Cow<'a, str>,
    /// Surge or drop, as its first alert.
    pub direction: Direction,
    /// Its alerts in the order they joined.
    pub members: Vec<MemberRecord<'a>>,
    /// Its alerts of groups, whose crossings show nothing by themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupRecord<'a>>,
    /// The surges of its last day, summed.
    pub total: DayRecord,
    /// Crossings that flow is missing at, with the arrivals of their last day before; in the slice of a country its own.
    pub sources: Vec<SourceOfFlow<'a>>,
    /// Arrivals of its last day that may have moved to its surges, the nearest pair first: their sum is the total's `moved`. In the slice
    /// of a country those that came there, wherever from.
    pub moves: Vec<MoveRecord<'a>>,
    /// The crossings that explain it: the rises of a surge, the largest observed/expected first, the falls of a drop, the smallest
    /// first; the other way round where none goes its own way any more.
    pub explaining: Vec<Cow<'a, str>>,
    /// Its last day: closed, or the one that goes on where it was told of as displaced.
    #[schemars(with = "Option<String>", extend("format" = "date"))]
    pub day: Option<Date>,
    /// The incident it became part of, or that it was part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
    /// Where it is over, why its last alert ended: calm, lasting, recounted (retracted, for late reports or corrections), redefined,
    /// explained, or the word of an operator. None where alerts go on that tell of the way back to what was usual. Where it is
    /// revised, recounted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'a, str>>,
    /// What its numbers are like, as of its last closed day: no statement on who comes or why. Of the whole incident, also in the slice
    /// of a country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub episode: Option<EpisodeRecord<'a>>,
    /// Event time of the change.
    #[schemars(extend("format" = "date-time"))]
    pub as_of: String,
    /// Kafka's timestamp of the arrival, or what else decided.
    #[schemars(extend("format" = "date-time"))]
    pub known_at: Option<String>,
    /// The record of the region's log that decided.
    pub source: SourceRecord<'a>,
    /// One sentence to read aloud.
    pub summary: String,
}

/// An alert of an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemberRecord<'a> {
    /// Crossing id.
    pub crossing: Cow<'a, str>,
    /// Crossing name.
    pub crossing_name: Cow<'a, str>,
    /// Country code.
    pub country: Cow<'a, str>,
    /// Surge or drop.
    pub direction: Direction,
    /// When it joined.
    #[schemars(extend("format" = "date-time"))]
    pub joined: String,
    /// The worst its alert has been told of.
    pub severity: Option<Severity>,
    /// Whether its alert goes on.
    pub open: bool,
    /// Why it ended; `recounted` where late reports or corrections left nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'a, str>>,
    /// The incident's last day there: what came, and of a surge how many of its rise may have moved there and how many are new; none where the crossing was shut or the alert over, or was part of another incident then.
    pub day: Option<DayRecord>,
}

/// An alert of a group of crossings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GroupRecord<'a> {
    /// Corridor, country or network.
    pub level: Level,
    /// Id of the corridor or code of the country; empty of the network.
    pub name: Cow<'a, str>,
    /// Its crossings; in the slice of a country those of the country.
    pub crossings: Vec<Cow<'a, str>>,
    /// Surge or drop.
    pub direction: Direction,
    /// The worst so far.
    pub severity: Severity,
    /// When it joined.
    #[schemars(extend("format" = "date-time"))]
    pub joined: String,
    /// Whether its alert goes on.
    pub open: bool,
    /// Its last closed day: the crossings that raise no alert of their own, summed. Of the whole group, also in the slice of a country.
    pub day: DayRecord,
}

/// What a day says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DayRecord {
    /// Arrivals counted.
    pub observed: u64,
    /// Arrivals expected.
    pub expected: f64,
    /// Arrivals above what is expected, and where flow is missing near there, above the level before that too: moved and new ones.
    pub rise: u64,
    /// Those of the rise that are missing elsewhere, so that they may have moved; nobody is followed.
    pub moved: u64,
    /// Those for which no missing ones are left: more came than is missing, or another crossing may have taken it.
    pub new: u64,
}

/// A crossing that flow is missing at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SourceOfFlow<'a> {
    /// Crossing id.
    pub crossing: Cow<'a, str>,
    /// Arrivals of its last day before.
    pub last_day: u64,
}

/// Arrivals that may have moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MoveRecord<'a> {
    /// Where they are missing.
    pub from: Cow<'a, str>,
    /// Where they came.
    pub to: Cow<'a, str>,
    /// How many.
    pub moved: u64,
    /// Days from the first one of the closure or fall there to the incident's day: 0 where they came on the same day.
    #[serde(default)]
    pub lag_days: u32,
}

/// Encodes a change of an incident.
#[must_use]
pub fn incident(
    (network, families): (&Network, &Families),
    told: &Told,
    severity: Severity,
    source: &Source,
    origin: &Origin,
) -> Encoded {
    encoded((network, families), told, severity, source, origin, None)
}

/// Encodes what a change says to each country that it concerns: its own members, what explains it among them, what moved to them and
/// which of its crossings flow is missing at. A crossing that joined or takes flow over concerns its country; everything else all that
/// have a part.
#[must_use]
pub fn slices(
    (network, families): (&Network, &Families),
    told: &Told,
    severity: Severity,
    source: &Source,
    origin: &Origin,
) -> Vec<(String, Encoded)> {
    let country = |crossing: CrossingIx| network.crossing(crossing).country.clone();
    let only = match told.change {
        Change::Opened | Change::Attached | Change::Reopened => told.by.map(|(at, _)| at),
        Change::Displaced(at) => Some(at),
        _ => None,
    };
    let all = || network.crossings.iter().map(|place| place.country.clone());
    let countries: BTreeSet<String> =
        only.map_or_else(|| all().collect(), |at| [country(at)].into());
    let slices = countries.into_iter().filter_map(|country| {
        let incident = told.incident.slice(network, &country)?;
        let part = Told {
            change: told.change,
            by: told
                .by
                .filter(|(at, _)| network.crossing(*at).country == country),
            count: told.count,
            incident,
        };
        let both = (network, families);
        let record = encoded(both, &part, severity, source, origin, Some(&country));
        Some((country, record))
    });
    slices.collect()
}

fn encoded(
    (network, families): (&Network, &Families),
    told: &Told,
    severity: Severity,
    source: &Source,
    origin: &Origin,
    country: Option<&str>,
) -> Encoded {
    let incident = &told.incident;
    let transition = IncidentTransition::of(told);
    let id = incident.id.name(network);
    let first = incident.id.crossing;
    let likeness = incident.likeness.as_ref();
    let region = region(network, incident);
    let episode =
        likeness.map(|likeness| episode::record(families, likeness, incident.called, &region));
    let mut summary = spoken(network, told);
    if let Some((episode, likeness)) = episode.as_ref().zip(likeness) {
        summary += &episode::told(told.change, likeness, episode.stage, &episode.sentence);
    }
    let record = IncidentRecord {
        incident_id: id.as_str().into(),
        sequence: incident.sequence,
        transition,
        severity,
        country: country.map(Cow::Borrowed),
        stream: network.stream(incident.id.stream).into(),
        direction: incident.id.direction,
        members: incident
            .members
            .iter()
            .map(|m| member(network, m))
            .collect(),
        groups: groups(network, incident, country),
        total: day(&incident.total()),
        sources: sources(network, incident),
        moves: moves(network, incident),
        explaining: incident
            .explaining
            .iter()
            .map(|ix| name(network, *ix))
            .collect(),
        day: incident.day.map(Day::date),
        other: told.change.other().map(|id| id.name(network)),
        reason: told.change.reason().map(|reason| reason.label().into()),
        episode,
        as_of: civil_time(network, first, incident.as_of),
        known_at: source
            .recorded
            .map(|at| EventTime(at.0).timestamp().to_string()),
        source: source_record(source, origin),
        summary,
    };
    let headers = cloud_event(
        format!("{id}/{}", incident.sequence),
        format!("border.incident.{}.v1", transition.label()),
        country.unwrap_or(&network.crossing(first).id),
        incident.as_of,
        origin,
    );
    let value = json(&record);
    Encoded {
        key: id,
        value,
        headers,
    }
}

fn name(network: &Network, crossing: CrossingIx) -> Cow<'_, str> {
    network.crossing(crossing).id.as_str().into()
}

fn member<'a>(network: &'a Network, member: &Member) -> MemberRecord<'a> {
    let place = network.crossing(member.crossing);
    MemberRecord {
        crossing: place.id.as_str().into(),
        crossing_name: place.name.as_str().into(),
        country: place.country.as_str().into(),
        direction: member.direction,
        joined: civil_time(network, member.crossing, member.joined),
        severity: Some(member.severity),
        open: member.is_open,
        reason: member
            .reason
            .filter(|_| !member.is_open)
            .map(|reason| reason.label().into()),
        day: member.today.as_ref().map(day),
    }
}

fn groups<'a>(
    network: &Network,
    incident: &Incident,
    country: Option<&str>,
) -> Vec<GroupRecord<'a>> {
    if incident.groups.is_empty() {
        return Vec::new();
    }
    let all = groups::of(network);
    let told = incident.groups.iter().filter_map(|member| {
        let group = all.get(usize::from(member.group.0))?;
        let first = *group.members.first()?;
        let is_told = |at: &CrossingIx| country.is_none_or(|c| network.crossing(*at).country == c);
        let crossings = group.members.iter().copied().filter(is_told);
        let crossings = crossings.map(|at| name(network, at));
        Some(GroupRecord {
            level: group.level,
            name: group.name.clone().into(),
            crossings: crossings.map(|id| id.into_owned().into()).collect(),
            direction: member.direction,
            severity: member.severity,
            joined: civil_time(network, first, member.joined),
            open: member.is_open,
            day: day(&member.today),
        })
    });
    told.collect()
}

fn day(count: &DayCount) -> DayRecord {
    DayRecord {
        observed: count.observed,
        expected: significant(count.expected),
        rise: count.rise,
        moved: count.moved,
        new: count.rise - count.moved,
    }
}

fn sources<'a>(network: &'a Network, incident: &Incident) -> Vec<SourceOfFlow<'a>> {
    let sources = incident.sources.iter();
    let named = sources.map(|(&crossing, &last_day)| SourceOfFlow {
        crossing: name(network, crossing),
        last_day,
    });
    named.collect()
}

fn moves<'a>(network: &'a Network, incident: &Incident) -> Vec<MoveRecord<'a>> {
    let lag_days = |since: Day| {
        let days = incident.day.map_or(0, |day| day.0 - since.0);
        days.max(0).unsigned_abs()
    };
    let moves = incident.moves.iter().map(|one| MoveRecord {
        from: name(network, one.from),
        to: name(network, one.to),
        moved: one.moved,
        lag_days: lag_days(one.since),
    });
    moves.collect()
}
