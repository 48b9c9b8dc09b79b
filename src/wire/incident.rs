//! Owns the sentences of an incident: which crossings it holds, and what of a day's flow may have moved from where.

use super::sentence::arrivals;
use crate::core::alert::Direction;
use crate::core::calendar::local;
use crate::core::ids::CrossingIx;
use crate::core::network::Network;
use crate::core::region::groups::{self, Group, GroupIx, Level};
use crate::core::region::incident::{Change, Incident, IncidentId, Member, Told};
use std::collections::BTreeMap;

/// What changed, in one or two plain sentences; nothing for a day on which no flow moved.
#[must_use]
pub fn summary(network: &Network, told: &Told) -> Option<String> {
    let incident = &told.incident;
    let places = || places(network, incident);
    let joined = match told.by {
        Some((at, _)) => network.crossing(at).name.clone(),
        None => newest(network, incident)?,
    };
    match told.change {
        Change::Opened => Some(begins(network, incident, &joined)),
        Change::Attached => Some(format!("{joined} {}: {}.", joins(told), places())),
        Change::Reopened => Some(format!("It begins again at {joined}.")),
        Change::Merged(older) => Some(format!("It is part of {}.", title(network, older))),
        Change::Split(from) => Some(format!(
            "It was part of {} and is by itself now: {}.",
            title(network, from),
            places()
        )),
        Change::Displaced(at) => displaced(network, incident, at),
        Change::Resolved => Some(format!("It is over: {}.", places())),
        Change::Updated => moved(network, incident),
    }
}

/// A sentence for every change, which stands alone: also a day on which no flow moved is told of, with its counts.
#[must_use]
pub fn spoken(network: &Network, told: &Told) -> String {
    let incident = &told.incident;
    let what = title(network, incident.id);
    let what = format!("T{}", &what[1..]);
    let places = places(network, incident);
    match (told.change, summary(network, told)) {
        (Change::Opened, _) if incident.groups.is_empty() => format!("{what} is a new incident."),
        (Change::Opened, Some(said)) => format!("{what} is a new incident. {said}"),
        (Change::Resolved, _) => format!("{what} is over: {places}."),
        (Change::Merged(older), _) => format!("{what} is now part of {}.", title(network, older)),
        (Change::Split(from), _) => {
            let from = title(network, from);
            format!("{what} was part of {from} and is by itself now: {places}.")
        }
        (_, Some(said)) => format!("{what} goes on. {said}"),
        (_, None) => match incident.day {
            Some(day) => {
                let day = day.date().strftime("%-d %B %Y");
                let counts = counts(network, incident);
                format!("{what} goes on. {day}: {counts}{places}.")
            }
            None => format!("{what} goes on: {places}."),
        },
    }
}

/// The counts of the last day: at its surges, else at its drops, else of its widest group.
fn counts(network: &Network, incident: &Incident) -> String {
    for direction in Direction::ALL {
        let members = incident.members.iter();
        let members = members.filter(|m| m.direction == direction);
        let days: Vec<_> = members.filter_map(|m| m.today).collect();
        if !days.is_empty() {
            let observed: u64 = days.iter().map(|day| day.observed).sum();
            let expected: f64 = days.iter().map(|day| day.expected).sum();
            let does = match direction {
                Direction::Surge => "rises",
                Direction::Drop => "falls",
            };
            let (came, usual) = (arrivals(observed), about(expected));
            return format!("{came} where it {does}, usually {usual}; ");
        }
    }
    let open = incident.groups.iter().filter(|g| g.is_open);
    let widest = open.max_by(|a, b| a.today.expected.total_cmp(&b.today.expected));
    widest.map_or_else(String::new, |group| {
        let at = group_name(&groups::of(network), group.group);
        let (observed, expected) = (group.today.observed, group.today.expected);
        let (came, usual) = (arrivals(observed), about(expected));
        format!("{came} at {at} together, usually {usual}; ")
    })
}

/// What is expected, in a word that reads well beside a count.
fn about(expected: f64) -> String {
    match expected.round() {
        0.0 => "hardly any".to_owned(),
        whole => format!("about {whole}"),
    }
}

/// What an incident is called.
#[must_use]
pub fn title(network: &Network, id: IncidentId) -> String {
    let place = network.crossing(id.crossing);
    let at = match id.group {
        Some(ix) => group_name(&groups::of(network), ix),
        None => place.name.clone(),
    };
    format!(
        "the {} ({}) that began at {at} on {}",
        id.direction.label(),
        network.stream(id.stream),
        local(&place.tz, id.onset).strftime("%-d %B %Y")
    )
}

/// What a group is called inside a sentence.
fn group_name(groups: &[Group], ix: GroupIx) -> String {
    match groups.get(usize::from(ix.0)) {
        Some(group) => match group.level {
            Level::Corridor => format!("the corridor {}", group.name),
            Level::Country => format!("the crossings of {}", group.name.to_uppercase()),
            Level::Network => "the whole border".to_owned(),
        },
        None => "several crossings".to_owned(),
    }
}

/// The crossing or group whose alert joined last, where the change does not say.
fn newest(network: &Network, incident: &Incident) -> Option<String> {
    let member = incident.members.iter().max_by_key(|m| m.joined);
    let group = incident.groups.iter().max_by_key(|g| g.joined);
    match (member, group) {
        (Some(member), Some(group)) if member.joined < group.joined => {
            Some(group_name(&groups::of(network), group.group))
        }
        (Some(member), _) => Some(network.crossing(member.crossing).name.clone()),
        (None, group) => group.map(|g| group_name(&groups::of(network), g.group)),
    }
}

/// How what an alert tells of stands to the incident it joins.
fn joins(told: &Told) -> &'static str {
    let Some((at, direction)) = told.by else {
        return "has joined";
    };
    let incident = &told.incident;
    let mut known = incident.members.iter().filter(|m| m.crossing == at);
    let is_new = |m: &Member| m.direction == direction && m.joined == incident.as_of;
    match (
        known.clone().any(is_new),
        known.any(|m| !is_new(m)),
        direction,
    ) {
        (true, false, _) => "has joined",
        (true, true, Direction::Surge) => "fell and rises now",
        (true, true, Direction::Drop) => "rose and falls now",
        (false, ..) => "has an alert again",
    }
}

/// Where it begins; of a group also what it counts and which crossings explain it.
fn begins(network: &Network, incident: &Incident, joined: &str) -> String {
    let Some(group) = incident.groups.first() else {
        return format!("It begins at {joined}.");
    };
    let name = |at: &CrossingIx| network.crossing(*at).name.clone();
    let among: Vec<String> = incident.explaining.iter().map(name).collect();
    let among = if among.is_empty() {
        String::new()
    } else {
        format!(" Most of it is at {}.", listed(&among))
    };
    let (more, day) = match group.direction {
        Direction::Surge => ("more", "more"),
        Direction::Drop => ("fewer", "fewer"),
    };
    format!(
        "At {joined} together there are {more} arrivals than usual, at no single crossing plainly {day}: {} on the last day, usually about {:.0}.{among}",
        group.today.observed, group.today.expected
    )
}

/// The crossings and groups that have or had an alert.
fn places(network: &Network, incident: &Incident) -> String {
    let mut names: Vec<String> = Vec::new();
    for (n, member) in incident.members.iter().enumerate() {
        // One that fell and then rose, or the other way round, is one crossing.
        let is_of = |other: &&Member| other.crossing == member.crossing;
        if incident.members[..n].iter().any(|m| is_of(&m)) {
            continue;
        }
        let name = &network.crossing(member.crossing).name;
        let mut own = incident.members.iter().filter(is_of);
        let named = match (
            member.direction,
            own.all(|m| m.direction == member.direction),
        ) {
            (Direction::Surge, true) => name.clone(),
            (Direction::Drop, true) => format!("{name} (drop)"),
            (Direction::Surge, false) => format!("{name} (surge, then drop)"),
            (Direction::Drop, false) => format!("{name} (drop, then surge)"),
        };
        names.push(named);
    }
    let crossings = match names.len() {
        0 => "no single crossing".to_owned(),
        1 => format!("1 crossing, {}", names.concat()),
        n => format!("{n} crossings, {}", listed(&names)),
    };
    let all = groups::of(network);
    let groups = incident.groups.iter().map(|g| group_name(&all, g.group));
    let groups: Vec<String> = groups.collect();
    if groups.is_empty() {
        crossings
    } else {
        format!("{crossings}, and {} as a whole", listed(&groups))
    }
}

/// What of an open day may have moved to a crossing.
fn displaced(network: &Network, incident: &Incident, at: CrossingIx) -> Option<String> {
    let member = incident.members.iter().find(|m| m.crossing == at)?;
    let day = member.today?;
    let name = |at: CrossingIx| network.crossing(at).name.clone();
    let from: Vec<String> = incident
        .moves
        .iter()
        .filter(|m| m.to == at)
        .map(|m| name(m.from))
        .collect();
    Some(format!(
        "{} so far today at {}: up to {} of them may have moved from {}, where as many are missing; {}.",
        day.observed,
        name(at),
        day.moved,
        listed(&from),
        new(day.rise - day.moved)
    ))
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
            "{} at {}, {} above its usual and its last days: up to {} of these may have moved (missing: {}); {}.",
            day.observed,
            name(member.crossing),
            day.rise,
            day.moved,
            listed(from),
            new(day.rise - day.moved)
        ))
    });
    let places: Vec<String> = places.collect();
    let day = incident.day?.date().strftime("%-d %B %Y");
    (!places.is_empty()).then(|| format!("{day}: {}", places.join(" ")))
}

/// What cannot have moved: since moved is the most, this is the least.
fn new(least: u64) -> String {
    match least {
        0 => "perhaps none is new".to_owned(),
        1 => "at least 1 is new".to_owned(),
        n => format!("at least {n} are new"),
    }
}

/// Names with commas, and "and" before the last.
fn listed(names: &[String]) -> String {
    match names {
        [most @ .., last] if !most.is_empty() => format!("{} and {last}", most.join(", ")),
        _ => names.concat(),
    }
}
