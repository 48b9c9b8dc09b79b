//! Holds the published contracts to the records: every record of a replay and every example validates, changes only add, nothing drifts.

mod support;

use jsonschema::Validator;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use support::{Feed, settings};
use surgewatch::core::ids::{Offset, Partition};
use surgewatch::core::region::log;
use surgewatch::core::region::machine::{RegionMachine, RegionOutput};
use surgewatch::replay;
use surgewatch::wire::decode::{self, DecodeError, Limits, Record};
use surgewatch::wire::encode::{Encoded, Origin};
use surgewatch::wire::events::DeadLetterHeaders;
use surgewatch::wire::region;
use surgewatch::wire::schema::{CONTRACTS, contract};

fn validator(name: &str) -> Validator {
    let schema = contract(name).expect("a contract's name").schema();
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&schema)
        .expect("the schema is a schema")
}

fn validators() -> BTreeMap<&'static str, Validator> {
    let each = CONTRACTS.iter().map(|c| (c.name, validator(c.name)));
    each.collect()
}

/// What a record must say, by its headers.
fn name_of(encoded: &Encoded) -> &'static str {
    let kind = encoded.headers.iter().find(|(name, _)| *name == "ce_type");
    match kind.map(|(_, kind)| kind.split('.').nth(1)) {
        None => "count",
        Some(Some("alert")) => "alert",
        Some(Some("notice")) => "notice",
        Some(Some("incident")) => "incident",
        Some(other) => panic!("no contract for {other:?}"),
    }
}

/// Every record the bundled replay puts out, and its contract.
fn records() -> Vec<(&'static str, Value)> {
    let feed = Feed::finland(4);
    let ran = feed.run(1_000, &[]);
    let incidents = incidents(&feed);
    let all = ran.outputs.values().flatten().chain(&incidents);
    let read = |e: &Encoded| serde_json::from_slice(&e.value).expect("records are JSON");
    all.map(|e| (name_of(e), read(e))).collect()
}

/// What the region says of a feed's incidents, whole and to each country.
fn incidents(feed: &Feed) -> Vec<Encoded> {
    let mut engine = feed.engine();
    for partition in 0..4 {
        engine.assign(Partition(partition), []).expect("fresh");
    }
    let network = &feed.network;
    let params = feed
        .params
        .clone()
        .with_families(settings().families().clone());
    let families = Arc::clone(&params.families);
    let both = (network.as_ref(), families.as_ref());
    let mut region = RegionMachine::new(network.clone(), params, 7);
    let origin = Origin {
        topic: "region".into(),
        config: "c".into(),
    };
    let (mut written, mut told) = (Vec::new(), Vec::new());
    for (partition, input) in &feed.records {
        let out = &mut |output| written.push(log::output(network, None, &output));
        engine.handle(*partition, input, out).expect("good input");
    }
    for (offset, record) in (0..).zip(&written) {
        let out = &mut |output| {
            if let RegionOutput::Incident {
                told: change,
                severity,
                source,
            } = output
            {
                told.push(region::incident(both, &change, severity, &source, &origin));
                let parts = region::slices(both, &change, severity, &source, &origin);
                told.extend(parts.into_iter().map(|(_, part)| part));
            }
        };
        region.handle(Offset(offset), record, out).expect("sound");
    }
    told
}

#[track_caller]
fn assert_valid(validator: &Validator, name: &str, value: &Value) {
    let faults: Vec<String> = validator
        .iter_errors(value)
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{name} {value:#}\n{}", faults.join("\n"));
}

#[test]
fn every_record_that_a_replay_puts_out_validates_and_a_broken_one_does_not() {
    let validators = validators();
    let mut seen = BTreeMap::new();
    for (name, record) in records() {
        assert_valid(&validators[name], name, &record);
        if *seen.entry(name).and_modify(|n| *n += 1).or_insert(1) == 1 {
            for (what, broken) in broken(&record) {
                assert!(!validators[name].is_valid(&broken), "{name} with {what}");
            }
        }
    }
    assert!(seen["count"] > 1_000 && seen["alert"] > 50, "{seen:?}");
    assert!(seen["incident"] > 50, "{seen:?}");
}

/// The record with one field missing, or of another type, each in turn.
fn broken(record: &Value) -> Vec<(String, Value)> {
    let fields = record.as_object().expect("records are objects");
    let mut all = Vec::new();
    for (name, value) in fields {
        if value.is_null() {
            continue;
        }
        let mut lacking = fields.clone();
        lacking.remove(name);
        all.push((format!("no {name}"), Value::Object(lacking)));
        let mut wrong = fields.clone();
        wrong.insert(name.clone(), json!([1]));
        all.push((format!("{name} an array"), Value::Object(wrong)));
    }
    all
}

#[test]
fn every_event_of_the_replays_validates() {
    let validators = validators();
    for (id, text) in replay::bundled() {
        let replay = replay::load(text).expect("it is checked").expand();
        for event in &replay.events {
            let value: Value = serde_json::from_str(&event.json).expect("events are JSON");
            let kind = value["type"].as_str().expect("every event has a type");
            assert_valid(&validators[kind], id, &value);
        }
    }
}

/// Every line of JSON in a code block.
fn examples(text: &str) -> Vec<Value> {
    let blocks = text.split("```json\n").skip(1);
    let lines = blocks.flat_map(|block| block.split("```").next().unwrap_or_default().lines());
    lines
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

#[test]
fn every_event_in_the_readme_validates_and_decodes() {
    let (validators, settings) = (validators(), settings());
    let examples = examples(include_str!("../README.md"));
    assert!(examples.len() >= 4, "{examples:?}");
    for value in examples {
        let kind = value["type"].as_str().expect("every event has a type");
        assert_valid(&validators[kind], kind, &value);
        let text = value.to_string();
        let record = Record {
            value: Some(text.as_bytes()),
            headers: &[],
            timestamp: None,
        };
        decode::decode(&record, settings.network(), &LIMITS).expect("it is as published");
    }
}

const LIMITS: Limits = Limits {
    max_event_bytes: 65_536,
    max_count: 100_000,
    max_ahead_ms: 3_600_000,
    max_behind_ms: 2_592_000_000,
};

/// Each field of each event with values at its edges: what the schema accepts decodes, or is refused for what only the
/// configuration can know.
#[test]
fn what_validates_decodes() {
    let (validators, settings) = (validators(), settings());
    let edges = [
        json!(null),
        json!(""),
        json!("x"),
        json!(0),
        json!(1),
        json!(-1),
        json!(2.0),
        json!(2.5),
        json!(100_000),
        json!(true),
        json!([]),
        json!({}),
        json!("open"),
        json!("redefined"),
        json!("2023-11-18T14:13:00+02:00"),
        json!("2023-11-18T12:13:00.25Z"),
        json!("2023-11-18T14:13:00"),
    ];
    let (mut accepted, mut refused) = (0, 0);
    for whole in examples(include_str!("../README.md")) {
        let kind = whole["type"].as_str().expect("every event has a type");
        for field in whole.as_object().expect("an object").keys() {
            for edge in edges.iter().map(Some).chain([None]) {
                let mut event = whole.clone();
                match edge {
                    Some(edge) => event[field] = edge.clone(),
                    None => drop(
                        event
                            .as_object_mut()
                            .and_then(|fields| fields.remove(field)),
                    ),
                }
                if !validators[kind].is_valid(&event) {
                    refused += 1;
                    continue;
                }
                accepted += 1;
                let text = event.to_string();
                let record = Record {
                    value: Some(text.as_bytes()),
                    headers: &[],
                    timestamp: None,
                };
                let decoded = decode::decode(&record, settings.network(), &LIMITS);
                let only_configured = matches!(field.as_str(), "crossing" | "stream");
                // That one moment lies after another is beyond a schema.
                let is_order = |e: &DecodeError| e.detail.contains("`until` is not after `time`");
                let is_known = only_configured || decoded.as_ref().is_err_and(is_order);
                assert!(decoded.is_ok() || is_known, "{text} {decoded:?}");
            }
        }
    }
    assert!(accepted > 30 && refused > 100, "{accepted} {refused}");
}

fn committed(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/schemas");
    folder.join(format!("{name}.v1.json"))
}

/// The committed schemas are those of the types. `UPDATE_SCHEMAS=1 cargo test --test contracts` writes what was added;
/// what would break a reader it refuses to write.
#[test]
fn the_committed_schemas_are_those_of_the_types_and_changes_only_add() {
    let update = std::env::var_os("UPDATE_SCHEMAS").is_some();
    for contract in &CONTRACTS {
        let (path, made) = (committed(contract.name), contract.schema());
        let text = std::fs::read_to_string(&path).unwrap_or_else(|_| "{}".into());
        let before: Value = serde_json::from_str(&text).expect("a schema is JSON");
        let breaks = breaks(&before, &made);
        assert!(
            breaks.is_empty(),
            "{} breaks its readers; give it a new major version instead:\n{}",
            contract.name,
            breaks.join("\n")
        );
        if update {
            std::fs::write(&path, format!("{made:#}\n")).expect("the folder can be written to");
        } else {
            assert_eq!(
                before, made,
                "{}: run UPDATE_SCHEMAS=1 cargo test --test contracts",
                contract.name
            );
        }
    }
}

/// What a reader (of a record out) or a producer (of an event in) of the first schema meets in the second: a field that is gone
/// or not always there any more, one of another type, a value that is gone, a new duty, a narrower range.
fn breaks(before: &Value, after: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(&Side::of(before), &Side::of(after), "", &mut found);
    found
}

/// A part of a schema beside the whole that its references lead into.
struct Side<'a> {
    root: &'a Value,
    at: &'a Value,
}

impl<'a> Side<'a> {
    fn of(root: &'a Value) -> Self {
        Self { root, at: root }.followed()
    }

    fn to(&self, at: &'a Value) -> Self {
        Self {
            root: self.root,
            at,
        }
        .followed()
    }

    fn followed(self) -> Self {
        match self.at["$ref"].as_str().and_then(|r| r.strip_prefix('#')) {
            Some(path) => Self {
                at: self.root.pointer(path).expect("references lead somewhere"),
                ..self
            },
            None => self,
        }
    }

    fn required(&self) -> Vec<&'a str> {
        self.at["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }

    /// The values of an enumeration, however deep its alternatives lie.
    fn values(&self) -> Vec<String> {
        let mut all: Vec<String> = self.at["enum"]
            .as_array()
            .into_iter()
            .flatten()
            .map(Value::to_string)
            .collect();
        all.extend(self.at.get("const").map(Value::to_string));
        for key in ["oneOf", "anyOf"] {
            for alternative in self.at[key].as_array().into_iter().flatten() {
                all.extend(self.to(alternative).values());
            }
        }
        all
    }
}

fn compare(before: &Side<'_>, after: &Side<'_>, path: &str, found: &mut Vec<String>) {
    for key in ["type", "format", "minimum", "maximum", "minLength", "const"] {
        let (was, is) = (before.at.get(key), after.at.get(key));
        if was.is_some() && was != is {
            let (was, is) = (was.map(Value::to_string), is.map(Value::to_string));
            found.push(format!(
                "{path}: {key} was {} and is {}",
                was.unwrap_or_default(),
                is.unwrap_or_default()
            ));
        }
    }
    let values = after.values();
    for gone in before
        .values()
        .iter()
        .filter(|value| !values.contains(value))
    {
        found.push(format!("{path}: the value {gone} is gone"));
    }
    let empty = Map::new();
    let fields = before.at["properties"].as_object().unwrap_or(&empty);
    for (name, was) in fields {
        match after.at["properties"].get(name) {
            None => found.push(format!("{path}/{name} is gone")),
            Some(is) => compare(
                &before.to(was),
                &after.to(is),
                &format!("{path}/{name}"),
                found,
            ),
        }
    }
    let (was, is) = (before.required(), after.required());
    for name in was.iter().filter(|name| !is.contains(name)) {
        found.push(format!("{path}/{name} is not always there any more"));
    }
    for name in is
        .iter()
        .filter(|name| fields.contains_key(**name) && !was.contains(name))
    {
        found.push(format!("{path}/{name} has become a duty"));
    }
    if let (Some(was), Some(is)) = (before.at.get("items"), after.at.get("items")) {
        compare(
            &before.to(was),
            &after.to(is),
            &format!("{path}/items"),
            found,
        );
    }
}

/// The document is checked against AsyncAPI's own JSON Schema where that is at hand: its path in `ASYNCAPI_SCHEMA` (3.0.0.json of
/// the npm package @asyncapi/specs).
#[test]
fn the_asyncapi_document_holds_every_contract_on_its_topic() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_surgewatch"))
        .args(["schema", "asyncapi"])
        .env_remove("SURGEWATCH__TOPICS__PREFIX")
        .output()
        .expect("the binary starts");
    let document: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    for contract in &CONTRACTS {
        let message = &document["components"]["messages"][contract.name];
        let carried = if contract.name == "dead_letter" {
            "headers"
        } else {
            "payload"
        };
        assert_eq!(
            message[carried]["schema"],
            contract.schema(),
            "{}",
            contract.name
        );
    }
    let mut outline = document.clone();
    for message in outline["components"]["messages"]
        .as_object_mut()
        .expect("messages")
        .values_mut()
    {
        for part in ["payload", "headers"] {
            if let Some(schema) = message[part].get("schema") {
                message[part]["schema"] = schema["$id"].clone();
            }
        }
    }
    let version = env!("CARGO_PKG_VERSION");
    insta::assert_snapshot!(format!("{outline:#}").replace(version, "VERSION"));
    if let Some(path) = std::env::var_os("ASYNCAPI_SCHEMA") {
        let text = std::fs::read_to_string(path).expect("the schema can be read");
        let schema = serde_json::from_str(&text).expect("a schema is JSON");
        let validator = jsonschema::draft7::new(&schema).expect("a schema");
        assert_valid(&validator, "asyncapi", &document);
        let mut broken = document.clone();
        broken["operations"]["write_alerts"]["action"] = json!("emit");
        assert!(!validator.is_valid(&broken));
    }
}

#[test]
fn the_headers_of_a_dead_letter_are_those_of_its_contract() {
    let text = || "x".to_owned();
    let headers = DeadLetterHeaders {
        original_bytes: text(),
        original_topic: text(),
        original_partition: text(),
        original_offset: text(),
        original_timestamp_ms: text(),
        reason: text(),
        detail: text(),
    };
    let pairs = headers
        .clone()
        .pairs()
        .map(|(name, value)| (name.to_owned(), json!(value)));
    let written = Value::Object(pairs.into_iter().collect());
    assert_eq!(written, serde_json::to_value(headers).expect("texts"));
    assert_valid(&validator("dead_letter"), "dead_letter", &written);
}

#[test]
fn a_change_that_breaks_a_reader_is_found_and_one_that_adds_is_not() {
    let alert = contract("alert").expect("it has one").schema();
    let with = |change: fn(&mut Value)| {
        let mut changed = alert.clone();
        change(&mut changed);
        breaks(&alert, &changed)
    };
    type Row = (&'static str, fn(&mut Value), &'static str);
    let table: [Row; 6] = [
        (
            "a field is removed",
            |s| {
                drop(
                    s["properties"]
                        .as_object_mut()
                        .expect("fields")
                        .remove("observed"),
                )
            },
            "/observed is gone",
        ),
        (
            "a field is renamed",
            |s| {
                let fields = s["properties"].as_object_mut().expect("fields");
                let field = fields.remove("severity").expect("it has one");
                fields.insert("level".into(), field);
            },
            "/severity is gone",
        ),
        (
            "a field inside a part is removed",
            |s| {
                drop(
                    s["$defs"]["Bucket"]["properties"]
                        .as_object_mut()
                        .expect("fields")
                        .remove("end"),
                )
            },
            "/bucket/end is gone",
        ),
        (
            "a number becomes a text",
            |s| s["properties"]["expected"]["type"] = json!("string"),
            "/expected: type",
        ),
        (
            "a value is removed",
            |s| {
                drop(
                    s["$defs"]["Severity"]["oneOf"]
                        .as_array_mut()
                        .expect("values")
                        .remove(0),
                )
            },
            "/severity: the value \"minor\" is gone",
        ),
        (
            "a field may be left out",
            |s| {
                s["required"]
                    .as_array_mut()
                    .expect("names")
                    .retain(|n| n != "summary")
            },
            "/summary is not always there",
        ),
    ];
    for (name, change, expected) in table {
        let found = with(change);
        assert!(
            found.iter().any(|f| f.starts_with(expected)),
            "{name}: {found:?}"
        );
    }
    let added = with(|s| {
        s["properties"]["displacement"] = json!({ "type": "number" });
        s["$defs"]["Severity"]["oneOf"]
            .as_array_mut()
            .expect("values")
            .push(json!({ "const": "extreme" }));
    });
    assert_eq!(added, Vec::<String>::new());
}
