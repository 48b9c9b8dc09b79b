//! Owns the routes on Apache Kafka: each audience gets of the alert topic what its routes ask for, once, in the same transaction.

use crate::daemon::{self, Deployment};
use crate::recomputed;
use crate::rig;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(180);

/// The records of a topic, keys and values, in no order: one topic's partitions hold them otherwise than another's.
fn records(topic: &str) -> BTreeSet<(Vec<u8>, Vec<u8>)> {
    let records = rig::read_committed(topic, PATIENCE);
    let written = records.len();
    let pairs = records.into_iter();
    let pairs = pairs.map(|r| (r.key.unwrap_or_default(), r.value.unwrap_or_default()));
    let distinct: BTreeSet<_> = pairs.collect();
    assert_eq!(distinct.len(), written, "{topic} holds a record twice");
    distinct
}

/// Those of them that an audience asks for.
fn asked(
    all: &BTreeSet<(Vec<u8>, Vec<u8>)>,
    asks: impl Fn(&Value) -> bool,
) -> BTreeSet<(Vec<u8>, Vec<u8>)> {
    let read = |value: &[u8]| serde_json::from_slice::<Value>(value).expect("JSON");
    let asked = all.iter().filter(|(_, value)| asks(&read(value)));
    asked.cloned().collect()
}

fn ends(record: &Value) -> bool {
    let transition = record["transition"].as_str();
    matches!(
        transition,
        Some("resolved" | "retracted" | "de-escalated" | "merged")
    )
}

fn is_at_least_major(record: &Value) -> bool {
    matches!(record["severity"].as_str(), Some("major" | "critical"))
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn each_audience_gets_what_its_routes_ask_for_and_nothing_else() {
    let folder = daemon::folder();
    let deployment = Deployment::new("routes", folder.path(), 0);
    let topic = |name: &str| format!("{}.{name}", deployment.name);
    let (lapland, duty, notices) = (topic("lapland"), topic("duty"), topic("notices"));
    let routes = format!(
        "\n[[routes]]\ntopic = \"{lapland}\"\nkinds = [\"alert\"]\nseverity = \"major\"\ncountries = [\"fi\"]\n\
         \n[[routes]]\ntopic = \"{lapland}\"\nkinds = [\"alert\"]\ndirections = [\"drop\"]\n\
         \n[[routes]]\ntopic = \"{duty}\"\nkinds = [\"incident\"]\ncorridors = [\"fi-ru\"]\n\
         \n[[routes]]\ntopic = \"{notices}\"\nkinds = [\"notice\"]\n"
    );
    let settings = deployment.sources().file.expect("a file is written").0;
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(settings)
        .expect("the file of settings");
    file.write_all(routes.as_bytes()).expect("room on the disk");
    deployment.create_topics();
    let mut worker = deployment.start(0);
    let published = deployment.finish(&["publish", "--episode", "finland-2023"]);
    assert!(published.status.success(), "{published:?}");
    recomputed::both_caught_up(&deployment, &mut worker);
    worker.stop(Duration::from_secs(20));

    let all = records(&deployment.topics.alerts);
    let is_alert = |record: &Value| record["alert_id"].is_string();
    let to_lapland = asked(&all, |r| {
        let is_worse = r["country"] == "fi" && (is_at_least_major(r) || ends(r));
        is_alert(r) && (is_worse || r["direction"] == "drop")
    });
    let to_duty = asked(&all, |r| r["incident_id"].is_string());
    let to_notices = asked(&all, |r| r["notice_id"].is_string());
    eprintln!(
        "of {} records {} go to lapland, {} to duty, {} to notices",
        all.len(),
        to_lapland.len(),
        to_duty.len(),
        to_notices.len()
    );
    assert!(to_lapland.len() > 20 && to_duty.len() > 10 && !to_notices.is_empty());
    assert!(to_lapland.len() + to_duty.len() + to_notices.len() < all.len());
    assert_eq!(records(&lapland), to_lapland);
    assert_eq!(records(&duty), to_duty);
    assert_eq!(records(&notices), to_notices);
}
