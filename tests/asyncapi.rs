//! Holds the AsyncAPI document to itself: whatever it names is in it, and each topic carries what is written there.

use serde_json::Value;
use surgewatch::wire::asyncapi::{self, Deployment};

/// References of a document that lead nowhere.
fn lost(document: &Value) -> Vec<String> {
    let (mut waiting, mut lost) = (vec![document], Vec::new());
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(fields) => {
                let reference = fields.get("$ref").and_then(Value::as_str);
                // Those of a schema lead inside that schema, which a validator has followed.
                let path = reference.and_then(|r| r.strip_prefix('#'));
                let path = path.filter(|path| !path.starts_with("/$defs/"));
                let is_lost = |path: &&str| document.pointer(path).is_none();
                lost.extend(path.filter(is_lost).map(str::to_owned));
                waiting.extend(fields.values());
            }
            Value::Array(items) => waiting.extend(items),
            _ => {}
        }
    }
    lost
}

#[test]
fn every_message_and_channel_that_the_asyncapi_document_names_is_in_it() {
    let channels = [("fi", "border.incidents.fi.v1")];
    let document = asyncapi::document(&Deployment {
        brokers: "127.0.0.1:9092",
        arrivals: "in",
        counts: "counts",
        alerts: "alerts",
        alerts_state: "state",
        dead_letters: "dlq",
        audiences: &["lapland"],
        incidents: &channels,
        partitions: 8,
        replicas: 3,
    });
    assert_eq!(lost(&document), Vec::<String>::new());
    let carried = |channel: &str| {
        let messages = document["channels"][channel]["messages"].as_object();
        messages
            .expect("a channel")
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    for channel in ["alerts", "alerts_state", "audience_1"] {
        assert_eq!(
            carried(channel),
            ["alert", "incident", "notice"],
            "{channel}"
        );
    }
    assert_eq!(carried("incidents_fi"), ["incident"]);
    for gone in ["/components/messages", "/channels"] {
        let mut broken = document.clone();
        let all = broken.pointer_mut(gone).and_then(Value::as_object_mut);
        let name = if gone == "/channels" {
            "incidents_fi"
        } else {
            "incident"
        };
        all.expect("an object").remove(name).expect("it is there");
        assert!(!lost(&broken).is_empty(), "{gone} without {name}");
    }
}
