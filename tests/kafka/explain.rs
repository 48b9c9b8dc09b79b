//! Owns `surgewatch explain` on Apache Kafka: every alert of Finland 2023 and its incident follow from the topics, also where time
//! passed without records; a forged record is found; what retention took is said.

use crate::daemon::{self, Deployment};
use crate::process::Process;
use crate::recomputed;
use crate::rig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::Producer;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(180);
const VARTIUS: &str = "fi-vartius.asylum.surge.2023-11-16";
const MINUTE_MS: i64 = 60_000;

fn ids(alerts: &[Value], field: &str) -> BTreeSet<String> {
    let ids = alerts.iter().filter_map(|alert| alert[field].as_str());
    ids.map(str::to_owned).collect()
}

fn explain(deployment: &Deployment, id: &str) -> (Option<i32>, String) {
    let output = deployment.finish(&["explain", id]);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).expect("text");
    (output.status.code(), said)
}

/// An arrival at Vartius, written as it happens.
fn arrive(deployment: &Deployment, time_ms: i64) {
    let to = rig::producer();
    let value = daemon::arrival(1, "fi-vartius", time_ms, 1);
    let (topic, key) = (&deployment.topics.input, "fi-vartius".as_bytes());
    let partition = partition_of(deployment, "fi-vartius");
    rig::send_timed(
        &to,
        topic,
        Some(partition),
        key,
        Some(value.as_bytes()),
        Some(time_ms),
    );
    to.flush(PATIENCE).expect("it is acknowledged");
}

/// The partition that holds a crossing's arrivals.
fn partition_of(deployment: &Deployment, crossing: &str) -> i32 {
    let records = rig::read_committed(&deployment.topics.input, PATIENCE);
    let of_crossing = |record: &&rig::Record| record.key.as_deref() == Some(crossing.as_bytes());
    records
        .iter()
        .find(of_crossing)
        .expect("it has arrivals")
        .partition
}

/// Seconds before an hour closes arrivals come, then nothing until it has closed by the clock, then a word of an operator, which
/// is heard at the time that has passed.
fn let_time_pass(deployment: &Deployment, worker: &mut Process) {
    let hour = jiff::Timestamp::constant(1_704_103_200, 0).as_millisecond();
    let at = hour + 14 * MINUTE_MS + 57_000;
    arrive(deployment, at);
    recomputed::both_caught_up(deployment, worker);
    let closed_by_time = |count: &Value| {
        count["crossing"] == "fi-vartius"
            && count["lens"] == "hour"
            && count["source"]["offset"].is_null()
            && count["as_of"] == "2024-01-01T12:15:00+02:00"
    };
    rig::wait_until("the hour closed by the clock", PATIENCE, || {
        rig::read_json(&deployment.topics.counts, PATIENCE)
            .iter()
            .any(closed_by_time)
    });
    let said = deployment.finish(&["feedback", VARTIUS, "acknowledged"]);
    assert!(said.status.success(), "{said:?}");
    recomputed::both_caught_up(deployment, worker);
}

fn delete_records(topic: &str, partition: i32, before: i64) {
    let admin: AdminClient<DefaultClientContext> =
        rig::client(&[]).create().expect("an admin client");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(before))
        .expect("an offset");
    let options = AdminOptions::new().operation_timeout(Some(rig::REQUEST));
    rig::block_on(admin.delete_records(&list, &options)).expect("the broker deletes");
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn every_alert_and_incident_follows_from_the_topics_and_a_forged_record_does_not() {
    let folder = daemon::folder();
    let deployment = Deployment::new("explain", folder.path(), 0).set("time.idle_close_secs", 1);
    deployment.create_topics();
    let mut worker = deployment.start(0);
    let published = deployment.finish(&["publish", "--episode", "finland-2023"]);
    assert!(published.status.success(), "{published:?}");
    recomputed::both_caught_up(&deployment, &mut worker);
    let_time_pass(&deployment, &mut worker);
    worker.stop(Duration::from_secs(20));

    let alerts = rig::read_json(&deployment.topics.alerts, PATIENCE);
    let (of_alerts, incidents) = (ids(&alerts, "alert_id"), ids(&alerts, "incident_id"));
    assert!(
        of_alerts.len() > 5 && !incidents.is_empty(),
        "{of_alerts:?}"
    );
    for id in of_alerts.iter().chain(&incidents) {
        let (code, said) = explain(&deployment, id);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("records are as recomputed"), "{said}");
    }

    let is_word = |a: &&Value| a["alert_id"] == VARTIUS && a["reason"] == "acknowledged";
    let word = alerts.iter().find(is_word).expect("it is in the log");
    let as_of = word["as_of"].as_str().expect("a time");
    assert!(as_of > "2024-01-01T12:15:00", "time had passed: {word}");
    eprintln!("told after time had passed: {}", word["summary"]);

    let mut forged = word.clone();
    forged["observed"] = json!(7);
    forged["sequence"] = json!(forged["sequence"].as_u64().expect("a number") + 1);
    let text = forged.to_string();
    rig::produce(
        &deployment.topics.alerts,
        [(None, VARTIUS.as_bytes(), text.as_bytes())],
    );
    let (code, said) = explain(&deployment, VARTIUS);
    assert_eq!(code, Some(65), "{said}");
    assert!(said.contains("NOT FOUNDED"), "{said}");

    let salla = of_alerts.iter().find(|id| id.starts_with("fi-salla."));
    let salla = salla.expect("Salla has an alert");
    let partition = partition_of(&deployment, "fi-salla");
    delete_records(&deployment.topics.input, partition, 5);
    let (code, said) = explain(&deployment, salla);
    eprintln!("{said}");
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("retention has taken what was before"),
        "{said}"
    );
    assert!(said.contains("could be checked in part"), "{said}");

    let of_group =
        json!({"incident_id": "incident.x", "groups": [{"level": "corridor", "name": "fi-ru"}]});
    rig::produce(
        &deployment.topics.alerts,
        [(None, &b"incident.x"[..], of_group.to_string().as_bytes())],
    );
    let (code, said) = explain(&deployment, "fi-ru.asylum.surge.2023-11-13");
    let names = said.contains("group of crossings") && said.contains("\n  incident.x\n");
    assert!(code == Some(64) && names, "{said}");
}
