//! Owns the published contracts: a JSON Schema (2020-12) for each record that comes in or goes out, made from the types that write it.

use super::encode::{AlertRecord, CountRecord};
use super::events::{DeadLetterHeaders, EventRecord};
use super::notice::NoticeRecord;
use super::region::IncidentRecord;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};

/// Major version of every contract: within it changes only add.
pub const VERSION: &str = "v1";

/// Which topic carries a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// In.
    Arrivals,
    /// Out: closed buckets.
    Counts,
    /// Out: the log of alerts, their state, and the audiences' topics.
    Alerts,
    /// Out: beside alerts, and by itself what one country gets of it.
    Incidents,
    /// Out: headers of what could not be used.
    DeadLetters,
}

/// One record that has a schema.
pub struct Contract {
    /// What it is called.
    pub name: &'static str,
    /// Its topic.
    pub carrier: Carrier,
    /// One sentence.
    pub title: &'static str,
    make: fn() -> Value,
}

impl Contract {
    /// Its JSON Schema.
    #[must_use]
    pub fn schema(&self) -> Value {
        let mut schema = Map::new();
        let id = format!("urn:surgewatch:{}:{VERSION}", self.name);
        schema.insert(
            "$schema".into(),
            schemars::consts::meta_schemas::DRAFT2020_12.into(),
        );
        schema.insert("$id".into(), id.into());
        schema.insert("title".into(), self.title.into());
        if let Value::Object(made) = (self.make)() {
            for (key, value) in made {
                schema.entry(key).or_insert(value);
            }
        }
        Value::Object(schema)
    }
}

/// Every contract: events in, then records out.
pub const CONTRACTS: [Contract; 10] = [
    Contract {
        name: "arrival",
        carrier: Carrier::Arrivals,
        title: "Arrivals at a crossing, as they come in",
        make: || event("arrival"),
    },
    Contract {
        name: "status",
        carrier: Carrier::Arrivals,
        title: "A crossing's state, as it comes in",
        make: || event("status"),
    },
    Contract {
        name: "heartbeat",
        carrier: Carrier::Arrivals,
        title: "A sign of life of a crossing's feed, as it comes in",
        make: || event("heartbeat"),
    },
    Contract {
        name: "correction",
        carrier: Carrier::Arrivals,
        title: "A correction of an earlier arrival, as it comes in",
        make: || event("correction"),
    },
    Contract {
        name: "feedback",
        carrier: Carrier::Arrivals,
        title: "An operator's word on an alert, as it comes in",
        make: || event("feedback"),
    },
    Contract {
        name: "count",
        carrier: Carrier::Counts,
        title: "A closed bucket of one series",
        make: written::<CountRecord<'_>>,
    },
    Contract {
        name: "alert",
        carrier: Carrier::Alerts,
        title: "A transition of an alert",
        make: written::<AlertRecord<'_>>,
    },
    Contract {
        name: "notice",
        carrier: Carrier::Alerts,
        title: "Something to know of a crossing beside its alerts",
        make: written::<NoticeRecord<'_>>,
    },
    Contract {
        name: "incident",
        carrier: Carrier::Incidents,
        title: "A change of an incident: alerts that hang together along the border",
        make: written::<IncidentRecord<'_>>,
    },
    Contract {
        name: "dead_letter",
        carrier: Carrier::DeadLetters,
        title: "Headers of a record that could not be used",
        make: written::<DeadLetterHeaders>,
    },
];

/// The contract of this name.
#[must_use]
pub fn contract(name: &str) -> Option<&'static Contract> {
    CONTRACTS.iter().find(|contract| contract.name == name)
}

/// The schema of what is written: fields that are always there are required.
fn written<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    plain(settings.into_generator().into_root_schema_for::<T>())
}

/// The schema of one type of event, as it is read: fields that may be left out are not required.
fn event(kind: &str) -> Value {
    let settings = SchemaSettings::draft2020_12().for_deserialize();
    let all = plain(
        settings
            .into_generator()
            .into_root_schema_for::<EventRecord>(),
    );
    let one = all["oneOf"].as_array().into_iter().flatten();
    let mut one = one.filter(|form| form["properties"]["type"]["const"] == kind);
    let mut schema = one.next().cloned().expect("every event has its form");
    let parts = all["$defs"].as_object().cloned().unwrap_or_default();
    let used = used(&schema, &parts);
    if !used.is_empty() {
        schema["$defs"] = Value::Object(used);
    }
    schema
}

/// The parts that a schema uses, and those that these use.
fn used(schema: &Value, parts: &Map<String, Value>) -> Map<String, Value> {
    let mut kept = Map::new();
    let mut text = schema.to_string();
    loop {
        let is_new = |name: &&String| {
            !kept.contains_key(*name) && text.contains(&format!("#/$defs/{name}\""))
        };
        let Some(name) = parts.keys().find(is_new) else {
            return kept;
        };
        text.push_str(&parts[name].to_string());
        kept.insert(name.clone(), parts[name].clone());
    }
}

fn plain(schema: Schema) -> Value {
    schema.to_value()
}
