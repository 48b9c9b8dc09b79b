//! Owns the rules of `[[routes]]`: which alerts, notices and incidents go to the topic of an audience.

use super::check::Checker;
use super::document::Document;
use super::entry::Entry;
use super::problem::{Problem, shown, suggest};
use super::settings::{Kind, Route, Topics};
use crate::core::alert::{Direction, Severity};
use crate::core::network::Network;
use toml::Value;

const KEYS: [&str; 7] = [
    "topic",
    "kinds",
    "severity",
    "countries",
    "corridors",
    "streams",
    "directions",
];
/// Routes of one configuration; every alert is held against all of them.
const MAX_ROUTES: usize = 100;

/// The routes of a file without mistakes; `topics` has the names that no route may take, and `prefix` stands before them all.
pub(super) fn routes(
    check: &mut Checker<'_>,
    document: Option<&Document>,
    (prefix, topics): (&str, &Topics),
    network: &Network,
) -> Vec<Route> {
    let Some((document, given)) = document.and_then(|d| Some((d, d.root.get("routes")?))) else {
        return Vec::new();
    };
    let tables: Option<Vec<&toml::Table>> = given
        .as_array()
        .and_then(|items| items.iter().map(Value::as_table).collect());
    let Some(tables) = tables.filter(|tables| tables.len() <= MAX_ROUTES) else {
        check.add(Problem {
            key: "routes".to_owned(),
            value: shown("routes", &given.to_string()),
            rule: format!("must be at most {MAX_ROUTES} tables"),
            remedy: "write each route as [[routes]] with its topic".to_owned(),
            place: document.place("routes"),
        });
        return Vec::new();
    };
    let mut routes: Vec<Route> = Vec::new();
    for (index, table) in tables.into_iter().enumerate() {
        let mut entry = Entry::new("routes", index, table, document);
        let route = route(&mut entry, network, prefix, topics, &routes);
        routes.extend(route);
        entry.hand_over(check);
    }
    routes
}

fn route(
    entry: &mut Entry<'_>,
    network: &Network,
    prefix: &str,
    topics: &Topics,
    before: &[Route],
) -> Option<Route> {
    entry.known_keys(&KEYS);
    let topic = topic(entry, prefix, topics, before);
    let kinds = choices(entry, "kinds", &Kind::ALL.map(|k| (k.label(), k)));
    let directions = choices(entry, "directions", &Direction::ALL.map(|d| (d.label(), d)));
    let severity = severity(entry);
    let watched = |pick: fn(&crate::core::network::Crossing) -> &String| {
        let mut all: Vec<&str> = network.crossings.iter().map(|c| pick(c).as_str()).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let countries = names(entry, "countries", &watched(|c| &c.country));
    let corridors = names(entry, "corridors", &watched(|c| &c.corridor));
    let streams: Vec<&str> = network.streams.iter().map(String::as_str).collect();
    let streams = names(entry, "streams", &streams);
    let route = Route {
        topic: topic?,
        kinds: kinds?,
        severity: severity?,
        countries: countries?,
        corridors: corridors?,
        streams: streams?,
        directions: directions?,
    };
    can_match(entry, &route, network).then_some(route)
}

/// Every audience has a topic of its own or shares it with another route; never one that surgewatch reads or writes already.
fn topic(entry: &mut Entry<'_>, prefix: &str, topics: &Topics, before: &[Route]) -> Option<String> {
    let name = entry.text("topic")?;
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let whole = format!("{prefix}{name}");
    if !name.bytes().all(legal) || whole.len() > 249 || whole == "." || whole == ".." {
        entry.fail(
            "topic",
            "must be a legal Kafka topic name: with the prefix 1 to 249 letters, digits, dots, underscores and hyphens",
            "write as in alerts.lapland.v1",
        );
        return None;
    }
    // Kafka refuses names that differ only in dots and underscores.
    let same = |other: &str| other.replace('_', ".") == whole.replace('_', ".");
    if let Some(ours) = topics.all().into_iter().find(|ours| same(ours)) {
        entry.fail(
            "topic",
            format!("must differ from {ours}, which is a topic of surgewatch's own, in more than dots and underscores"),
            "name a topic for the audience, as alerts.lapland.v1",
        );
        return None;
    }
    let near = before.iter().find(|r| r.topic != whole && same(&r.topic));
    if let Some(near) = near {
        entry.fail(
            "topic",
            format!(
                "must differ from {} of another route in more than dots and underscores",
                near.topic
            ),
            "write both alike, or give one another name",
        );
        return None;
    }
    Some(whole)
}

fn severity(entry: &mut Entry<'_>) -> Option<Option<Severity>> {
    let Some(value) = entry.value("severity") else {
        return Some(None);
    };
    let names = Severity::ALL.map(Severity::label);
    let given = value.as_str().unwrap_or_default();
    let found = Severity::ALL.into_iter().find(|s| s.label() == given);
    if found.is_none() {
        entry.fail(
            "severity",
            "must be the least severe that is sent: minor, major or critical",
            suggest(given, names),
        );
    }
    found.map(Some)
}

/// What a list names, each by its label; empty is all of them.
fn choices<T: Copy>(entry: &mut Entry<'_>, key: &str, all: &[(&str, T)]) -> Option<Vec<T>> {
    let labels: Vec<&str> = all.iter().map(|(label, _)| *label).collect();
    let given = names(entry, key, &labels)?;
    let chosen = all
        .iter()
        .filter(|(label, _)| given.iter().any(|g| g == label));
    Some(chosen.map(|(_, choice)| *choice).collect())
}

/// A list of which every text must be one of `known`. Without any, which is a problem of its own, nothing is judged.
fn names(entry: &mut Entry<'_>, key: &str, known: &[&str]) -> Option<Vec<String>> {
    let Some(value) = entry.value(key) else {
        return Some(Vec::new());
    };
    let given: Option<Vec<&str>> = value
        .as_array()
        .and_then(|items| items.iter().map(Value::as_str).collect());
    let Some(given) = given.filter(|given| !given.is_empty()) else {
        entry.fail(
            key,
            "must be a list of texts, at least one",
            format!(
                "write as in {key} = [\"{}\"], or leave it out for all",
                known.first().unwrap_or(&"...")
            ),
        );
        return None;
    };
    let mut good = true;
    for name in given
        .iter()
        .filter(|name| !known.is_empty() && !known.contains(*name))
    {
        good = false;
        let rule = format!("must name what is watched; `{name}` is not");
        // Two letters are near to any other two.
        let remedy = if name.len() > 2 {
            suggest(name, known.iter().copied())
        } else {
            format!("write one of {}", known.join(", "))
        };
        entry.fail(key, rule, remedy);
    }
    good.then(|| given.into_iter().map(str::to_owned).collect())
}

/// A route must have something to send: some watched series, or a notice of some watched crossing.
fn can_match(entry: &mut Entry<'_>, route: &Route, network: &Network) -> bool {
    let only_notices = route.kinds == [Kind::Notice];
    for key in ["severity", "directions", "streams"] {
        if only_notices && entry.value(key).is_some() {
            entry.fail(
                key,
                "must be left out where kinds is [\"notice\"]: a notice has none, so that the route matches nothing",
                "leave it out, or add \"alert\" or \"incident\" to kinds",
            );
            return false;
        }
    }
    let here = |list: &[String], name: &str| list.is_empty() || list.iter().any(|l| l == name);
    let some = network.crossings.iter().any(|crossing| {
        let mut streams = crossing.streams.iter().map(|ix| network.stream(*ix));
        here(&route.countries, &crossing.country)
            && here(&route.corridors, &crossing.corridor)
            && streams.any(|stream| here(&route.streams, stream))
    });
    if !some && !network.crossings.is_empty() {
        let narrowest = ["streams", "corridors", "countries"];
        let key = narrowest.into_iter().find(|key| entry.value(key).is_some());
        entry.fail(
            key.unwrap_or("topic"),
            "must match together with the route's other keys: no watched crossing is in these countries and corridors and counts these streams",
            "correct one of them, or leave it out",
        );
    }
    some
}
