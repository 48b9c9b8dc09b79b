//! Owns the crossings file: TOML to the network of the core, with every mistake named by crossing and key.

use super::check::Checker;
use super::document::Document;
use super::entry::{Draft, Entry};
use super::problem::{Problem, shown, suggest};
use super::settings::Corridor;
use crate::core::holidays::{Holidays, Rule};
use crate::core::ids::{CrossingIx, StreamIx};
use crate::core::network::{Crossing, Network};
use crate::core::prior::Kind;
use std::collections::{BTreeMap, BTreeSet};
use toml::Value;

/// The list that is used where no file is named.
const EMBEDDED: &str = include_str!("../../config/crossings.toml");
const EMBEDDED_NAME: &str = "the embedded crossings.toml";

/// The `[[kind]]` tables by id: of which stream, and what is said of it.
type NamedKinds = BTreeMap<String, (String, Kind)>;

/// What is said of streams before anything was counted, by crossing id and stream.
pub(super) type Kinds = BTreeMap<(String, StreamIx), Kind>;

const CORRIDOR_KEYS: [&str; 3] = ["id", "name", "holidays"];

/// The network of a crossings text (else the embedded one), cut down to some corridors unless `only` is empty.
/// Neighbours outside of them are dropped. After problems, which go to `check`, the result is of no use.
pub(super) fn network(
    check: &mut Checker<'_>,
    text: Option<&(String, String)>,
    only: &[String],
) -> (Network, Vec<Corridor>, Kinds) {
    let (name, text) = text.map_or((EMBEDDED_NAME, EMBEDDED), |(name, text)| {
        (name.as_str(), text.as_str())
    });
    let (mut corridors, mut drafts, kinds) = match Document::parse(name, text) {
        Ok(document) => read(check, &document),
        Err(problem) => {
            check.add(*problem);
            return Default::default();
        }
    };
    for given in only {
        if !corridors.iter().any(|corridor| corridor.id == *given) {
            let remedy = suggest(given, corridors.iter().map(|corridor| corridor.id.as_str()));
            check.fail(
                "network.corridors",
                given,
                format!("must name corridors of {name}"),
                remedy,
            );
        }
    }
    if !only.is_empty() {
        corridors.retain(|corridor| only.contains(&corridor.id));
        drafts.retain(|draft| only.contains(&draft.corridor));
    }
    corridors.sort_by(|a, b| a.id.cmp(&b.id));
    drafts.sort_by(|a, b| a.id.cmp(&b.id));
    let kinds = kinds_of(&drafts, &kinds);
    let network = build(drafts);
    let kinds = kinds.into_iter().filter_map(|((id, stream), kind)| {
        let stream = network.stream_ix(&stream)?;
        Some(((id, stream), kind))
    });
    let kinds = kinds.collect();
    (network, corridors, kinds)
}

/// What is said of each crossing's streams, by the names of both.
fn kinds_of(drafts: &[Draft], kinds: &NamedKinds) -> BTreeMap<(String, String), Kind> {
    let of = |draft: &Draft| -> Vec<((String, String), Kind)> {
        let named = draft.kinds.iter().filter_map(|id| kinds.get(id));
        named
            .map(|(stream, kind)| ((draft.id.clone(), stream.clone()), *kind))
            .collect()
    };
    drafts.iter().flat_map(of).collect()
}

/// Corridors and crossings without mistakes of their own; the references between them are judged here.
fn read(check: &mut Checker<'_>, document: &Document) -> (Vec<Corridor>, Vec<Draft>, NamedKinds) {
    let (corridors, corridor_ids) = corridors(check, document);
    let (kinds, kind_ids) = kinds(check, document);
    let entries = entries(check, document, "crossing");
    let ids: BTreeSet<String> = entries.iter().filter_map(Entry::given_id).collect();
    let (mut seen, mut orders) = (BTreeSet::new(), BTreeMap::new());
    let mut drafts = Vec::new();
    for mut entry in entries {
        entry.unique(&mut seen);
        let draft = entry.draft();
        entry.references("corridor", &corridor_ids);
        entry.references("neighbours", &ids);
        entry.references("kinds", &kind_ids);
        if let Some(draft) = draft {
            fitting(&mut entry, &draft, &kinds);
            if let Some(other) =
                orders.insert((draft.corridor.clone(), draft.order), draft.id.clone())
            {
                let rule = format!(
                    "must differ from that of {other} in the corridor {}",
                    draft.corridor
                );
                entry.fail("order", rule, "count along the border from 1");
            }
            drafts.push(draft);
        }
        entry.hand_over(check);
    }
    if ids.is_empty() || drafts.len() > usize::from(u16::MAX) {
        let rule = "must be between 1 and 65535 crossings".to_owned();
        let (key, value, place) = (
            "crossing".to_owned(),
            drafts.len().to_string(),
            document.place("crossing"),
        );
        check.add(Problem {
            key,
            value,
            rule,
            remedy: "add [[crossing]] tables".to_owned(),
            place,
        });
    }
    let streams: BTreeSet<&String> = drafts.iter().flat_map(|draft| &draft.streams).collect();
    if streams.len() > usize::from(u8::MAX) {
        let (key, value, place) = (
            "streams".to_owned(),
            streams.len().to_string(),
            document.place("crossing"),
        );
        let rule = "must be at most 255 different streams".to_owned();
        check.add(Problem {
            key,
            value,
            rule,
            remedy: "share streams between crossings".to_owned(),
            place,
        });
        drafts.clear();
    }
    (corridors, drafts, kinds)
}

/// The kinds of a crossing are each of a stream that is counted there, one of each at most.
fn fitting(entry: &mut Entry<'_>, draft: &Draft, kinds: &NamedKinds) {
    let mut said = BTreeSet::new();
    for (id, stream) in draft
        .kinds
        .iter()
        .filter_map(|id| Some((id, &kinds.get(id)?.0)))
    {
        if !draft.streams.contains(stream) {
            let rule = format!("must be of streams counted here; {id} is of {stream}");
            entry.fail(
                "kinds",
                rule,
                "leave it out, or name a kind of such a stream",
            );
        } else if !said.insert(stream) {
            let rule = format!("must say one thing of a stream; {id} is a second kind of {stream}");
            entry.fail("kinds", rule, "name one of them");
        }
    }
}

/// What is said of kinds of crossings, and every id given.
fn kinds(check: &mut Checker<'_>, document: &Document) -> (NamedKinds, BTreeSet<String>) {
    let (mut kinds, mut ids) = (BTreeMap::new(), BTreeSet::new());
    for mut entry in entries(check, document, "kind") {
        entry.unique(&mut ids);
        if let (Some(id), Some(kind)) = (entry.id("id"), entry.kind()) {
            kinds.insert(id, kind);
        }
        entry.hand_over(check);
    }
    (kinds, ids)
}

/// The corridors, with the holidays they name, and every id given.
fn corridors(check: &mut Checker<'_>, document: &Document) -> (Vec<Corridor>, BTreeSet<String>) {
    let mut holidays: BTreeMap<String, Vec<Rule>> = BTreeMap::new();
    let mut countries = BTreeSet::new();
    for mut entry in entries(check, document, "holidays") {
        entry.unique(&mut countries);
        if let (Some(country), Some(rules)) = (entry.id("id"), entry.holidays()) {
            holidays.insert(country, rules);
        }
        entry.hand_over(check);
    }
    let mut corridors = Vec::new();
    let mut corridor_ids = BTreeSet::new();
    for mut entry in entries(check, document, "corridor") {
        entry.known_keys(&CORRIDOR_KEYS);
        let (id, name) = (entry.id("id"), entry.text("name"));
        let of = entry.ids("holidays", true).unwrap_or_default();
        entry.unique(&mut corridor_ids);
        entry.references("holidays", &countries);
        if let (Some(id), Some(name)) = (id, name) {
            let rules = of.iter().filter_map(|country| holidays.get(country));
            let holidays = Holidays {
                rules: rules.flatten().copied().collect(),
            };
            corridors.push(Corridor { id, name, holidays });
        }
        entry.hand_over(check);
    }
    (corridors, corridor_ids)
}

/// The core's network of sorted drafts; references that lead outside are dropped.
fn build(mut drafts: Vec<Draft>) -> Network {
    // Duplicates are problems already; they are dropped so that the rest can be judged.
    drafts.dedup_by(|a, b| a.id == b.id);
    drafts.truncate(usize::from(u16::MAX));
    let streams: BTreeSet<String> = drafts
        .iter()
        .flat_map(|draft| draft.streams.iter().cloned())
        .collect();
    let streams: Vec<String> = streams.into_iter().collect();
    let ids: BTreeMap<String, CrossingIx> = (0u16..)
        .zip(&drafts)
        .map(|(ix, draft)| (draft.id.clone(), CrossingIx(ix)))
        .collect();
    let crossings = drafts
        .into_iter()
        .map(|draft| Crossing {
            neighbours: draft
                .neighbours
                .iter()
                .filter_map(|id| ids.get(id).copied())
                .collect(),
            streams: (0u8..)
                .zip(&streams)
                .filter(|(_, s)| draft.streams.contains(s))
                .map(|(ix, _)| StreamIx(ix))
                .collect(),
            id: draft.id,
            name: draft.name,
            country: draft.country,
            corridor: draft.corridor,
            order: draft.order,
            tz: draft.tz,
            hours: draft.hours,
            message_within_ms: draft.message_within_ms,
        })
        .collect();
    Network::new(crossings, streams)
}

/// The `[[kind]]` tables; anything else at the top of the file is a problem, noted once.
fn entries<'a>(
    check: &mut Checker<'_>,
    document: &'a Document,
    kind: &'static str,
) -> Vec<Entry<'a>> {
    if kind == "holidays" {
        for (key, value) in &document.root {
            let is_known = ["corridor", "crossing", "holidays", "kind"].contains(&key.as_str());
            let is_tables = value
                .as_array()
                .is_some_and(|items| items.iter().all(Value::is_table));
            if !is_known || !is_tables {
                let rule = if is_known {
                    "must be tables"
                } else {
                    "no such key"
                };
                let remedy =
                    "write [[corridor]], [[crossing]], [[holidays]] or [[kind]]".to_owned();
                let (value, place) = (shown(key, &value.to_string()), document.place(key));
                check.add(Problem {
                    key: key.clone(),
                    value,
                    rule: rule.to_owned(),
                    remedy,
                    place,
                });
            }
        }
    }
    let items = document
        .root
        .get(kind)
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let tables = items
        .enumerate()
        .filter_map(|(index, item)| Some((index, item.as_table()?)));
    tables
        .map(|(index, table)| Entry::new(kind, index, table, document))
        .collect()
}
