//! Owns what is said at the end of an incident: how long it lasted, how many came, and whether it has gone back.

use super::incident::{group_name, listed, whereabouts};
use super::sentence::{about, arrivals, grouped};
use crate::core::alert::{Direction, Feedback, Reason};
use crate::core::calendar::local;
use crate::core::ids::CrossingIx;
use crate::core::network::Network;
use crate::core::region::displacement::Day;
use crate::core::region::incident::{DaySeen, Incident, Member};
use std::collections::BTreeMap;

/// How long it lasted and where it showed, how many came, and whether it has gone back.
pub(super) fn over(network: &Network, incident: &Incident, reason: Option<Reason>) -> String {
    let (is_back, left) = left(network, incident);
    if reason == Some(Reason::Redefined) {
        let shows = whereabouts(network, incident);
        return format!(
            "It can be followed no longer: what its feed counts is another thing from now on, or has another name, and what is usual is learnt anew. It showed {shows}."
        );
    }
    let over = match reason {
        Some(Reason::Feedback(Feedback::False)) => {
            "It is over: an operator said that it was false."
        }
        Some(Reason::Feedback(Feedback::NewUsual)) => {
            "It is over: an operator said that it is usual from now on."
        }
        _ if is_back => "It is over.",
        _ => {
            "It has not gone back to the level before, but its alarm ends: as many as come now count as usual from here on, and only a change from that is told of."
        }
    };
    let (length, shows) = (length(network, incident), whereabouts(network, incident));
    let total = total(network, incident);
    let back = way_back(network, incident);
    format!("{over} It lasted {length} and showed {shows}.{total}{left}{back}")
}

/// Where alerts go on that tell of the way back alone.
fn way_back(network: &Network, incident: &Incident) -> String {
    let open = incident.members.iter().filter(|m| m.is_open);
    let names: Vec<String> = open
        .map(|m| network.crossing(m.crossing).name.clone())
        .collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => format!(" The alert at {one} goes on: it tells of the way back alone."),
        all => format!(
            " The alerts at {} go on: they tell of the way back alone.",
            listed(all)
        ),
    }
}

/// Civil days from its beginning to its last closed one.
fn length(network: &Network, incident: &Incident) -> String {
    let tz = &network.crossing(incident.id.crossing).tz;
    let [first, named] = [incident.began, incident.id.onset].map(|at| Day::of(&local(tz, at)));
    let days = match last_day(incident).map_or(1, |last| last.0 - first.0 + 1) {
        ..=1 => "one day".to_owned(),
        days => format!("{days} days"),
    };
    if first == named {
        return days;
    }
    let first = first.date().strftime("%-d %B %Y");
    format!("{days}, from {first} on by what is counted now,")
}

/// How many came at the crossings of a surge from its beginning to its last closed day; nothing where no crossing has an alert of its
/// own, or its first days are not kept any more.
fn total(network: &Network, incident: &Incident) -> String {
    let tz = &network.crossing(incident.id.crossing).tz;
    let first = Day::of(&local(tz, incident.began));
    let mut histories: BTreeMap<CrossingIx, &[DaySeen]> = BTreeMap::new();
    for member in incident.members.iter().filter(|m| !m.is_taken_back()) {
        let known = histories.entry(member.crossing).or_default();
        if known.len() < member.history.len() {
            *known = &member.history;
        }
    }
    let is_whole = |days: &&[DaySeen]| days.first().is_some_and(|day| day.day <= first);
    let is_drop = incident.id.direction == Direction::Drop;
    if is_drop || histories.is_empty() || !histories.values().all(is_whole) {
        return String::new();
    }
    let days = histories.values().copied().flatten();
    let came: u64 = days
        .filter(|day| first <= day.day)
        .map(|day| day.observed)
        .sum();
    let there = match (histories.keys().next(), histories.len()) {
        (Some(at), 1) => network.crossing(*at).name.clone(),
        _ => "these crossings".to_owned(),
    };
    let beside = if incident.groups.is_empty() {
        ""
    } else {
        ", where it showed by itself,"
    };
    format!(
        " In all {} came at {there}{beside} in that time.",
        arrivals(came)
    )
}

/// What its crossings count on its last days beside what they did before their alerts, and whether that is the level they had:
/// that it is, where too little is known of one of them. Where it showed at groups alone, what the widest of them counts.
fn left(network: &Network, incident: &Incident) -> (bool, String) {
    let mut each: BTreeMap<CrossingIx, (f64, f64)> = BTreeMap::new();
    for member in incident.members.iter().filter(|m| !m.is_taken_back()) {
        let tz = &network.crossing(member.crossing).tz;
        let before = member.before(Day::of(&local(tz, member.onset)));
        let (Some(last), Some(before)) = (last_days(network, incident, member), before) else {
            return (true, String::new());
        };
        // Of one that fell and then rose what it counted before the first of these.
        each.entry(member.crossing).or_insert((last, before));
    }
    if each.is_empty() {
        return (true, widest_day(network, incident));
    }
    let last: f64 = each.values().map(|(last, _)| last).sum();
    let before: f64 = each.values().map(|(_, before)| before).sum();
    let (now, then) = (last + LEVEL_PRIOR, before + LEVEL_PRIOR);
    let is_back = match incident.id.direction {
        Direction::Surge => now <= OTHER_LEVEL * then,
        Direction::Drop => now * OTHER_LEVEL >= then,
    };
    let (last, before) = (about(last), about(before));
    let all = match each.len() {
        1 => "There were",
        _ => "At all of these together there were",
    };
    let told = format!(" {all} {last} a day at the end, and {before} a day before it began.");
    (is_back, told)
}

/// The last closed day that is known of one of its crossings, else of its groups.
fn last_day(incident: &Incident) -> Option<Day> {
    let members = incident.members.iter();
    let days = members.filter_map(|member| member.history.last());
    days.map(|seen| seen.day).max().or(incident.day)
}

/// Mean arrivals of the last open days of a member since the incident began; nothing where its last day was not seen.
fn last_days(network: &Network, incident: &Incident, member: &Member) -> Option<f64> {
    let onset = local(&network.crossing(member.crossing).tz, incident.began);
    let since = member.history.iter().rev();
    let since = since.take_while(|seen| Day::of(&onset) <= seen.day);
    let mut open = since.filter(|seen| seen.exposure > 0.0).peekable();
    if Some(open.peek()?.day) != last_day(incident) {
        return None;
    }
    let last: Vec<f64> = open.take(LAST_DAYS).map(|d| d.observed as f64).collect();
    Some(last.iter().sum::<f64>() / last.len() as f64)
}

/// What the widest of its groups counted on the last day.
fn widest_day(network: &Network, incident: &Incident) -> String {
    let groups = incident.groups.iter().filter(|g| !g.is_taken_back);
    let widest = groups.max_by(|a, b| a.today.expected.total_cmp(&b.today.expected));
    widest.map_or_else(String::new, |group| {
        let (last, usual) = (grouped(group.today.observed), about(group.today.expected));
        let at = group_name(network, group.group);
        format!(" The last day had {last} at {at}; {usual} are usual.")
    })
}

/// As many days as an alert must look usual before it ends.
const LAST_DAYS: usize = 3;
/// From such a multiple of what came before on, or its inverse, the end of an incident is another level.
const OTHER_LEVEL: f64 = 1.5;
/// Arrivals a day that make small levels alike.
const LEVEL_PRIOR: f64 = 5.0;
