//! Owns the AsyncAPI 3 document: which records travel on which topic, by which key, from a deployment's own topic names.

use super::schema::{CONTRACTS, Carrier, Contract};
use serde_json::{Map, Value, json};

/// Version of AsyncAPI's Kafka binding.
const BINDING: &str = "0.5.0";
/// What says that a payload is JSON Schema of that draft.
const SCHEMA_FORMAT: &str = "application/schema+json;version=draft-2020-12";

/// What the document says of one deployment.
#[derive(Debug, Clone, Copy)]
pub struct Deployment<'a> {
    /// Bootstrap servers, `host:port` separated by commas.
    pub brokers: &'a str,
    /// Topic of events in.
    pub arrivals: &'a str,
    /// Topic of closed buckets.
    pub counts: &'a str,
    /// Topic of the log of alerts.
    pub alerts: &'a str,
    /// Topic of the state of each alert.
    pub alerts_state: &'a str,
    /// Topic of what could not be used.
    pub dead_letters: &'a str,
    /// Topics of audiences, each once.
    pub audiences: &'a [&'a str],
    /// Topics of what incidents say to one country, with its code.
    pub incidents: &'a [(&'a str, &'a str)],
    /// Partitions of each topic.
    pub partitions: u32,
    /// Replicas of each partition.
    pub replicas: u32,
}

struct Channel<'a> {
    name: String,
    topic: &'a str,
    title: &'static str,
    carrier: Carrier,
    action: &'static str,
    is_compacted: bool,
    /// Partitions where they are not those of the arrivals.
    partitions: Option<u32>,
}

/// The document.
#[must_use]
pub fn document(deployment: &Deployment<'_>) -> Value {
    let (mut channels, mut operations) = (Map::new(), Map::new());
    for channel in all(deployment) {
        let verb = if channel.action == "receive" {
            "read"
        } else {
            "write"
        };
        operations.insert(format!("{verb}_{}", channel.name), operation(&channel));
        channels.insert(channel.name.clone(), described(&channel, deployment));
    }
    let messages = CONTRACTS
        .iter()
        .map(|contract| (contract.name.to_owned(), message(contract)));
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "surgewatch",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Arrival counts of border crossings in; counts, alerts and notices out. Consumers read with isolation.level=read_committed. Within v1 changes only add: ignore fields and values that you do not know.",
            "license": { "name": "Apache-2.0" }
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": { "host": deployment.brokers, "protocol": "kafka" }
        },
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages.collect::<Map<_, _>>() }
    })
}

fn all<'a>(of: &Deployment<'a>) -> Vec<Channel<'a>> {
    let channel = |name: &str, topic, carrier, title| Channel {
        name: name.to_owned(),
        topic,
        title,
        carrier,
        action: if carrier == Carrier::Arrivals {
            "receive"
        } else {
            "send"
        },
        is_compacted: name == "alerts_state",
        partitions: (carrier == Carrier::Incidents).then_some(1),
    };
    let mut channels = vec![
        channel(
            "arrivals",
            of.arrivals,
            Carrier::Arrivals,
            "Arrivals, statuses, heartbeats and corrections.",
        ),
        channel(
            "counts",
            of.counts,
            Carrier::Counts,
            "One record for each closed hour and day, again with a higher revision where late data changed it.",
        ),
        channel(
            "alerts",
            of.alerts,
            Carrier::Alerts,
            "Every transition of every alert, every change of every incident, and notices of feeds and gates.",
        ),
        channel(
            "alerts_state",
            of.alerts_state,
            Carrier::Alerts,
            "The last transition of every alert, incident and notice; a record without a value says that it is over for long.",
        ),
        channel(
            "dead_letters",
            of.dead_letters,
            Carrier::DeadLetters,
            "Records that could not be used, with the reason in the headers.",
        ),
    ];
    for (n, topic) in (1..).zip(of.audiences) {
        let name = format!("audience_{n}");
        channels.push(channel(
            &name,
            topic,
            Carrier::Alerts,
            "Alerts, notices and incidents that a route sends to this audience.",
        ));
    }
    for (country, topic) in of.incidents {
        channels.push(channel(
            &format!("incidents_{country}"),
            topic,
            Carrier::Incidents,
            "One country's part of every incident that concerns it.",
        ));
    }
    channels
}

fn described(channel: &Channel<'_>, deployment: &Deployment<'_>) -> Value {
    let messages = carried(channel).map(|contract| {
        let name = contract.name;
        (
            name.to_owned(),
            json!({ "$ref": format!("#/components/messages/{name}") }),
        )
    });
    let policy = if channel.is_compacted {
        "compact"
    } else {
        "delete"
    };
    json!({
        "address": channel.topic,
        "description": channel.title,
        "messages": messages.collect::<Map<_, _>>(),
        "bindings": {
            "kafka": {
                "topic": channel.topic,
                "partitions": channel.partitions.unwrap_or(deployment.partitions),
                "replicas": deployment.replicas,
                "topicConfiguration": { "cleanup.policy": [policy] },
                "bindingVersion": BINDING
            }
        }
    })
}

fn operation(channel: &Channel<'_>) -> Value {
    let name = &channel.name;
    let messages: Vec<Value> = carried(channel)
        .map(|contract| json!({ "$ref": format!("#/channels/{name}/messages/{}", contract.name) }))
        .collect();
    json!({
        "action": channel.action,
        "channel": { "$ref": format!("#/channels/{name}") },
        "messages": messages
    })
}

fn carried(channel: &Channel<'_>) -> impl Iterator<Item = &'static Contract> {
    let carrier = channel.carrier;
    let is_carried = move |contract: &&Contract| {
        contract.carrier == carrier
            || (contract.carrier == Carrier::Incidents && carrier == Carrier::Alerts)
    };
    CONTRACTS.iter().filter(is_carried)
}

fn message(contract: &Contract) -> Value {
    let schema = json!({ "schemaFormat": SCHEMA_FORMAT, "schema": contract.schema() });
    let key = match contract.carrier {
        Carrier::Arrivals => "The crossing id.",
        Carrier::Counts => "The crossing id.",
        Carrier::Alerts | Carrier::Incidents => "The id of the alert, notice or incident.",
        Carrier::DeadLetters => "The key of the record as it came.",
    };
    let mut message = json!({
        "name": contract.name,
        "title": contract.title,
        "bindings": {
            "kafka": {
                "key": { "type": "string", "description": key },
                "bindingVersion": BINDING
            }
        }
    });
    match contract.carrier {
        Carrier::DeadLetters => message["headers"] = schema,
        Carrier::Alerts | Carrier::Incidents => {
            message["headers"] = cloud_event_headers();
            message["payload"] = schema;
        }
        Carrier::Arrivals | Carrier::Counts => message["payload"] = schema,
    }
    message
}

/// CloudEvents 1.0, binary mode of its Kafka binding.
fn cloud_event_headers() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "type": "object",
        "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_subject", "ce_time", "content-type"],
        "properties": {
            "ce_specversion": { "type": "string", "const": "1.0" },
            "ce_id": text("Id and sequence: one for each transition, the same in a replay."),
            "ce_source": text("/surgewatch/ and the topic of the events."),
            "ce_type": text("border.alert.TRANSITION.v1, border.notice.KIND.v1 or border.incident.TRANSITION.v1."),
            "ce_subject": text("The crossing id; of a country's part of an incident the country's code."),
            "ce_time": text("Event time of the change."),
            "content-type": { "type": "string", "const": "application/json" }
        }
    })
}
