//! Owns the sentences of an incident: which crossings it holds, and what of a day's flow may have moved from where.

use crate::core::alert::Direction;
use crate::core::calendar::local;
use crate::core::ids::CrossingIx;
use crate::core::network::Network;
use crate::core::region::displacement::Day;
use crate::core::region::incident::{Change, Incident, IncidentId, Told};
use jiff::ToSpan;
use jiff::civil::{Date, date};
use std::collections::BTreeMap;

/// What changed, in one or two plain sentences; nothing for a day on which no flow moved.
#[must_use]
pub fn summary(network: &Network, told: &Told) -> Option<String> {
    let incident = &told.incident;
    let last = incident.members.iter().max_by_key(|m| m.joined)?;
    let joined = &network.crossing(last.crossing).name;
    match told.change {
        Change::Opened => Some(format!("It begins at {joined}.")),
        Change::Attached => Some(format!(
            "{joined} has joined: {}.",
            members(network, incident)
        )),
        Change::Reopened => Some(format!("It begins again at {joined}.")),
        Change::Merged(older) => Some(format!("It is part of {}.", title(network, older))),
        Change::Resolved => Some(format!("It is over: {}.", members(network, incident))),
        Change::Updated => moved(network, incident),
    }
}

/// What an incident is called.
#[must_use]
pub fn title(network: &Network, id: IncidentId) -> String {
    let place = network.crossing(id.crossing);
    format!(
        "the {} ({}) that began at {} on {}",
        id.direction.label(),
        network.stream(id.stream),
        place.name,
        local(&place.tz, id.onset).strftime("%-d %B %Y")
    )
}

fn members(network: &Network, incident: &Incident) -> String {
    let mut names: Vec<String> = Vec::new();
    for member in &incident.members {
        let name = &network.crossing(member.crossing).name;
        let named = match member.direction {
            Direction::Surge => name.clone(),
            Direction::Drop => format!("{name} (drop)"),
        };
        names.push(named);
    }
    let crossings = if names.len() == 1 {
        "crossing"
    } else {
        "crossings"
    };
    format!("{} {crossings}, {}", names.len(), listed(&names))
}

/// What of the last closed day may have moved. Arrivals that are missing elsewhere are an upper bound of it: nobody is followed.
fn moved(network: &Network, incident: &Incident) -> Option<String> {
    let name = |crossing: CrossingIx| network.crossing(crossing).name.as_str();
    let mut by_target: BTreeMap<CrossingIx, Vec<String>> = BTreeMap::new();
    for one in &incident.moves {
        let from = format!("{} {}", name(one.from), one.moved);
        by_target.entry(one.to).or_default().push(from);
    }
    let places = incident.members.iter().filter_map(|member| {
        let (day, from) = (member.today?, by_target.get(&member.crossing)?);
        Some(format!(
            "{} at {}, {} above its usual and its last days: up to {} of these may have moved (missing: {}), {} are new.",
            day.observed,
            name(member.crossing),
            day.rise,
            day.moved,
            listed(from),
            day.rise - day.moved
        ))
    });
    let places: Vec<String> = places.collect();
    let day = civil_date(incident.day?).strftime("%-d %B %Y");
    (!places.is_empty()).then(|| format!("{day}: {}", places.join(" ")))
}

/// Names with commas, and "and" before the last.
fn listed(names: &[String]) -> String {
    match names {
        [most @ .., last] if !most.is_empty() => format!("{} and {last}", most.join(", ")),
        _ => names.concat(),
    }
}

fn civil_date(day: Day) -> Date {
    date(1970, 1, 1).saturating_add(i64::from(day.0).days())
}
