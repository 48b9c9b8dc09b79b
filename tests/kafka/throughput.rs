//! Owns the figures: events a second and a CPU second of the bare consumer loop and of a whole command on the same
//! preloaded events, and the latency of an answer.

use crate::daemon::{self, Deployment};
use crate::echo::{Echo, Promise};
use crate::measure::{Cost, Question, drain, latency, report_latency};
use crate::process::{self, Process};
use crate::rig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::Producer;
use rdkafka::{Offset, TopicPartitionList};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const CROSSINGS: u32 = 1000;
const PARTITIONS: i32 = 8;
const DAY_MS: u64 = 86_400_000;

/// Number of preloaded events: 2,000,000, or `SURGEWATCH_TEST_EVENTS`.
fn events() -> u32 {
    std::env::var("SURGEWATCH_TEST_EVENTS")
        .map_or(2_000_000, |n| n.parse().expect("a whole number"))
}

/// Writes arrivals over one day and a thousand crossings, times ascending, lz4, keyed by crossing.
pub(crate) fn preload(topic: &str, events: u32) {
    let to = rig::producer();
    let ids: Vec<String> = (0..CROSSINGS).map(daemon::crossing).collect();
    let started = Instant::now();
    let mut bytes = 0;
    for number in 0..events {
        // A step coprime to the number of crossings visits all of them in a scattered order.
        let crossing = &ids[(u64::from(number) * 617 % u64::from(CROSSINGS)) as usize];
        let value = daemon::arrival(
            number,
            crossing,
            u64::from(number) * DAY_MS / u64::from(events),
        );
        bytes += value.len();
        rig::send(&to, topic, None, crossing.as_bytes(), value.as_bytes());
    }
    to.flush(Duration::from_secs(120))
        .expect("the broker acknowledges the events");
    eprintln!(
        "preloaded {events} events of {} bytes in {:.1} s",
        bytes / events.max(1) as usize,
        started.elapsed().as_secs_f64()
    );
}

/// One topic for all measurements of this run of the suite.
fn preloaded() -> &'static str {
    static TOPIC: OnceLock<String> = OnceLock::new();
    TOPIC.get_or_init(|| {
        let topic = rig::unique("throughput");
        rig::create_topic(&topic, PARTITIONS, &[]);
        preload(&topic, events());
        topic
    })
}

/// Reads a topic to its end with `BaseConsumer::poll` and nothing else.
fn bare_loop(topic: &str) -> Cost {
    let consumer: BaseConsumer = rig::client(&[
        ("group.id", "surgewatch-test-bare"),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("enable.partition.eof", "true"),
        ("fetch.queue.backoff.ms", "5"),
        ("fetch.wait.max.ms", "20"),
    ])
    .create()
    .expect("a consumer");
    let mut assignment = TopicPartitionList::new();
    let partitions = rig::partitions(topic);
    for &partition in &partitions {
        assignment
            .add_partition_offset(topic, partition, Offset::Beginning)
            .expect("a valid offset");
    }
    let (started, cpu_before) = (Instant::now(), process::cpu_secs(std::process::id()));
    consumer.assign(&assignment).expect("an assignment");
    let (mut events, mut bytes, mut ended) = (0, 0, 0);
    while ended < partitions.len() {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                events += 1;
                bytes += message.payload().map_or(0, <[u8]>::len);
            }
            Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
            Some(Err(error)) => panic!("reading {topic}: {error}"),
            None => {}
        }
    }
    assert!(bytes > 0);
    let cpu_secs = process::cpu_secs(std::process::id()) - cpu_before;
    Cost {
        events,
        wall_secs: started.elapsed().as_secs_f64(),
        cpu_secs,
    }
}

const ECHO_ROLE: &str = "echo";

fn echo_command(test: &str, echo: &Echo) -> Command {
    let mut command = process::reexecute(test, ECHO_ROLE);
    echo.configure(&mut command);
    command
}

fn echo_on(input: &str, interval_ms: u64) -> Echo {
    let [alerts, counts] = ["echo-alerts", "echo-counts"].map(rig::unique);
    for topic in [&alerts, &counts] {
        rig::create_topic(topic, PARTITIONS, &[]);
    }
    Echo {
        input: input.to_owned(),
        alerts,
        counts,
        group: rig::unique("echo"),
        instance: "0".to_owned(),
        interval_ms,
        promise: Promise::ExactlyOnce,
    }
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn a_bare_consumer_loop_reads_every_event() {
    const TOPIC: &str = "SURGEWATCH_TEST_TOPIC";
    let test = "z_throughput::a_bare_consumer_loop_reads_every_event";
    if process::role().as_deref() == Some("bare") {
        let cost = bare_loop(&rig::variable(TOPIC));
        eprintln!("cost {} {} {}", cost.events, cost.wall_secs, cost.cpu_secs);
        return;
    }
    for round in 1..=3 {
        let mut command = process::reexecute(test, "bare");
        let output = command
            .env(TOPIC, preloaded())
            .output()
            .expect("this test starts again");
        let text = String::from_utf8_lossy(&output.stderr);
        let line = text
            .lines()
            .find_map(|l| l.split_once("cost ").map(|(_, rest)| rest));
        let line = line.unwrap_or_else(|| panic!("no figures from the child: {text}"));
        let figures: Vec<f64> = line
            .split(' ')
            .map(|f| f.parse().expect("a number"))
            .collect();
        let cost = Cost {
            events: figures[0] as u64,
            wall_secs: figures[1],
            cpu_secs: figures[2],
        };
        cost.report(&format!("bare loop, round {round}"));
        assert_eq!(cost.events, u64::from(events()));
    }
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn a_stand_in_commits_every_event_and_answers_each_in_time() {
    let test = "z_throughput::a_stand_in_commits_every_event_and_answers_each_in_time";
    if process::role().as_deref() == Some(ECHO_ROLE) {
        Echo::run_from_environment();
    }
    let folder = daemon::folder();
    let log = daemon::log(folder.path(), "echo");
    let input = rig::unique("stand-in");
    rig::create_topic(&input, PARTITIONS, &[]);
    preload(&input, 200_000);
    let echo = echo_on(&input, 100);
    let drained = drain(
        echo_command(test, &echo),
        &log,
        &echo.group,
        &input,
        Duration::from_secs(120),
    );
    drained.whole.report("stand-in with its start");
    drained
        .after_first_commit
        .report("stand-in after its first commit");
    assert_eq!(
        rig::read_committed(&echo.alerts, Duration::from_secs(60)).len(),
        200_000
    );

    let input = rig::unique("latency");
    rig::create_topic(&input, PARTITIONS, &[]);
    let echo = echo_on(&input, 10);
    let mut worker = Process::spawn(echo_command(test, &echo), &log);
    let questions = (0..210).map(|number| {
        let crossing = daemon::crossing(number);
        let value = daemon::arrival(number, &crossing, u64::from(number) * 1000);
        Question {
            key: crossing.clone(),
            value,
            answer_prefix: crossing,
        }
    });
    let millis = latency(&input, &echo.alerts, questions, Duration::from_millis(7));
    worker.stop(Duration::from_secs(5));
    // The first answers pay for joining the group.
    report_latency("stand-in, 10 ms commits", &millis[..millis.len() - 10]);
    rig::delete_topics(&[&input, &echo.alerts, &echo.counts]);
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn the_daemon_commits_every_event() {
    let folder = daemon::folder();
    let prefix = rig::unique("bench");
    let deployment = Deployment {
        prefix: prefix.clone(),
        folder: folder.path().into(),
        crossings: CROSSINGS,
        commit_interval_ms: 100,
    };
    deployment.create_topics();
    let input = deployment.topics().input;
    preload(&input, events());
    let log = daemon::log(folder.path(), "daemon");
    let drained = drain(
        deployment.run(0),
        &log,
        &prefix,
        &input,
        Duration::from_secs(300),
    );
    drained.whole.report("daemon with its start");
    drained
        .after_first_commit
        .report("daemon after its first commit");
    assert_eq!(drained.whole.events, u64::from(events()));
}
