//! Owns the figures: events a second and a CPU second of a bare consumer loop and of the daemon end to end, side by side on
//! the same events, and the time from an arrival sent to its committed alert.

use crate::daemon::{self, Deployment};
use crate::measure::{Cost, Drained, Question, drain, latency, percentile};
use crate::process;
use crate::rig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::Producer;
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

const CROSSINGS: u32 = 1000;
const PARTITIONS: i32 = 8;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// 1 June 2023, midnight in Helsinki.
const FIRST_DAY_MS: i64 = 1_685_566_800_000;
/// Days of one record an hour and crossing, from which the baselines are learned before anything is measured.
const LEARNING_DAYS: i64 = 10;

fn from_environment(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |n| n.parse().expect("a whole number"))
}

/// Events of one round: 2,000,000, or `SURGEWATCH_TEST_EVENTS`.
fn events() -> u32 {
    from_environment("SURGEWATCH_TEST_EVENTS", 2_000_000)
}

fn rounds() -> u32 {
    from_environment("SURGEWATCH_TEST_ROUNDS", 3)
}

/// Arrivals of ten days at the later rate, an hour's worth in each record.
fn publish_learning_days(topic: &str) {
    let to = rig::producer();
    let an_hour = (events() / CROSSINGS / 24).max(1);
    for hour in 0..LEARNING_DAYS * 24 {
        let time_ms = FIRST_DAY_MS + hour * HOUR_MS + HOUR_MS / 2;
        for number in 0..CROSSINGS {
            let id = (1 << 40) + hour as u64 * u64::from(CROSSINGS) + u64::from(number);
            let crossing = daemon::crossing(number);
            let value = daemon::arrival(id, &crossing, time_ms, an_hour).into_bytes();
            rig::send_timed(
                &to,
                topic,
                None,
                crossing.as_bytes(),
                Some(&value),
                Some(time_ms),
            );
        }
    }
    to.flush(Duration::from_secs(120))
        .expect("the broker acknowledges the events");
}

/// Arrivals of one day over all crossings, times ascending, keyed by crossing, timed as their events are.
fn publish_day(topic: &str, round: u32) {
    let to = rig::producer();
    let (started, mut bytes) = (Instant::now(), 0);
    let day_ms = FIRST_DAY_MS + (LEARNING_DAYS + i64::from(round) - 1) * DAY_MS;
    for number in 0..events() {
        // A step coprime to the number of crossings visits all of them in a scattered order.
        let crossing = daemon::crossing((u64::from(number) * 617 % u64::from(CROSSINGS)) as u32);
        let time_ms = day_ms + i64::from(number) * DAY_MS / i64::from(events());
        let id = u64::from(round) << 32 | u64::from(number);
        let value = daemon::arrival(id, &crossing, time_ms, 1).into_bytes();
        bytes += value.len();
        rig::send_timed(
            &to,
            topic,
            None,
            crossing.as_bytes(),
            Some(&value),
            Some(time_ms),
        );
    }
    to.flush(Duration::from_secs(120))
        .expect("the broker acknowledges the events");
    eprintln!(
        "round {round}: {} events of {} bytes published in {:.1} s",
        events(),
        bytes / events() as usize,
        started.elapsed().as_secs_f64()
    );
}

/// Reads a topic from the given offsets to its end with `BaseConsumer::poll` and nothing else.
fn bare_loop(topic: &str, starts: &[i64]) -> Cost {
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
    for (partition, start) in starts.iter().enumerate() {
        assignment
            .add_partition_offset(topic, partition as i32, Offset::Offset(*start))
            .expect("a valid offset");
    }
    let (started, cpu_before) = (Instant::now(), process::cpu_secs(std::process::id()));
    consumer.assign(&assignment).expect("an assignment");
    let (mut events, mut bytes, mut ended) = (0, 0, 0);
    while ended < starts.len() {
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
    Cost {
        events,
        wall_secs: started.elapsed().as_secs_f64(),
        cpu_secs: process::cpu_secs(std::process::id()) - cpu_before,
    }
}

const BARE_ROLE: &str = "bare";
const BARE_TOPIC: &str = "SURGEWATCH_TEST_TOPIC";
const BARE_STARTS: &str = "SURGEWATCH_TEST_STARTS";

/// The bare loop in a process of its own, so that its CPU time is its own.
fn bare(test: &str, topic: &str, starts: &[i64]) -> Cost {
    let starts: Vec<String> = starts.iter().map(i64::to_string).collect();
    let output = process::reexecute(test, BARE_ROLE)
        .env(BARE_TOPIC, topic)
        .env(BARE_STARTS, starts.join(","))
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
    Cost {
        events: figures[0] as u64,
        wall_secs: figures[1],
        cpu_secs: figures[2],
    }
}

fn play_the_bare_loop() {
    let starts: Vec<i64> = rig::variable(BARE_STARTS)
        .split(',')
        .map(|start| start.parse().expect("an offset"))
        .collect();
    let cost = bare_loop(&rig::variable(BARE_TOPIC), &starts);
    eprintln!("cost {} {} {}", cost.events, cost.wall_secs, cost.cpu_secs);
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn the_daemon_beside_a_bare_consumer_loop() {
    let test = "z_throughput::the_daemon_beside_a_bare_consumer_loop";
    if process::role().as_deref() == Some(BARE_ROLE) {
        return play_the_bare_loop();
    }
    let folder = daemon::folder();
    let daemon = Deployment::new("bench", folder.path(), CROSSINGS)
        .set("topics.partitions", PARTITIONS)
        .set("kafka.commit_interval_ms", 100);
    daemon.create_topics();
    let input = &daemon.topics.input;
    publish_learning_days(input);
    let within = Duration::from_secs(300);
    drain(&daemon, within)
        .whole
        .report("learning the baselines");
    let mut table = Vec::new();
    for round in 1..=rounds() {
        let starts = rig::end_offsets(input);
        publish_day(input, round);
        let bare = bare(test, input, &starts);
        let drained = drain(&daemon, within);
        bare.report(&format!("round {round}: bare loop"));
        drained
            .whole
            .report(&format!("round {round}: daemon from its start"));
        drained
            .after_first_commit
            .report(&format!("round {round}: daemon from its first commit"));
        assert_eq!(bare.events, u64::from(events()));
        assert_eq!(drained.whole.events, u64::from(events()));
        table.push((bare, drained));
    }
    print_table(&table);
    rig::delete_topics(&[input, &daemon.topics.changelog, &daemon.topics.counts]);
}

fn print_table(rounds: &[(Cost, Drained)]) {
    eprintln!(
        "\n{} events of about 150 bytes, {CROSSINGS} crossings, {PARTITIONS} partitions, exactly once, commits every 100 ms",
        events()
    );
    eprintln!("round   bare k/s  daemon k/s  share   bare k/CPU s  daemon k/CPU s  with its start");
    let mut shares = Vec::new();
    let mut per_cpu = Vec::new();
    for (number, (bare, drained)) in rounds.iter().enumerate() {
        let daemon = drained.after_first_commit;
        let share = daemon.per_sec() / bare.per_sec();
        eprintln!(
            "{:>5} {:>10.0} {:>11.0} {:>5.0} % {:>14.0} {:>15.0} {:>15.0}",
            number + 1,
            bare.per_sec() / 1e3,
            daemon.per_sec() / 1e3,
            share * 100.0,
            bare.per_cpu_sec() / 1e3,
            daemon.per_cpu_sec() / 1e3,
            drained.whole.per_cpu_sec() / 1e3,
        );
        shares.push(share);
        per_cpu.push(drained.whole.per_cpu_sec());
    }
    shares.sort_by(f64::total_cmp);
    per_cpu.sort_by(f64::total_cmp);
    eprintln!(
        "at least 35 % of the bare loop: {:.0} % (median)\n500,000 events per CPU second: {:.0} (median, start and restore included)",
        percentile(&shares, 0.5) * 100.0,
        percentile(&per_cpu, 0.5),
    );
}

/// Asked before anything is measured, so that connections and caches are warm.
const WARM_UP: u32 = 20;
const QUESTIONS: u32 = 500;

/// Each question is the first arrivals at a crossing that was quiet for ten days, and is answered by the alert it opens.
fn alert_latency(interval_ms: u32) -> Vec<f64> {
    let folder = daemon::folder();
    let daemon = Deployment::new("latency", folder.path(), WARM_UP + QUESTIONS)
        .set("topics.partitions", PARTITIONS)
        .set("time.blind_after_secs", 10 * DAY_MS / 1_000)
        .set("kafka.commit_interval_ms", interval_ms);
    daemon.create_topics();
    let to = rig::producer();
    let now_ms = daemon::now_ms();
    for days_ago in [10, 5, 1] {
        let time_ms = now_ms - days_ago * DAY_MS;
        for number in 0..WARM_UP + QUESTIONS {
            let crossing = daemon::crossing(number);
            let value =
                daemon::heartbeat(&format!("quiet-{days_ago}-{number}"), &crossing, time_ms);
            let value = Some(value.as_bytes());
            rig::send_timed(
                &to,
                &daemon.topics.input,
                None,
                crossing.as_bytes(),
                value,
                Some(time_ms),
            );
        }
    }
    to.flush(Duration::from_secs(60))
        .expect("the broker acknowledges the heartbeats");
    let mut worker = daemon.start(0);
    rig::wait_until_consumed(
        &daemon.name,
        &daemon.topics.input,
        Duration::from_secs(60),
        &mut || {
            assert!(!worker.has_ended(), "{}", worker.log_tail());
        },
    );
    let mut questions = (0..WARM_UP + QUESTIONS).map(|number| {
        let crossing = daemon::crossing(number);
        Question {
            value: daemon::arrival(u64::from(number), &crossing, daemon::now_ms(), 400),
            answer_prefix: format!("{crossing}.asylum.surge."),
            key: crossing,
        }
    });
    let (input, alerts) = (&daemon.topics.input, &daemon.topics.alerts);
    let pace = Duration::from_millis(7);
    latency(
        input,
        alerts,
        questions.by_ref().take(WARM_UP as usize),
        pace,
    );
    let millis = latency(input, alerts, questions, pace);
    let status = worker.stop(Duration::from_secs(15));
    assert!(status.success(), "{status}:\n{}", worker.log_tail());
    millis
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn an_arrival_is_answered_by_a_committed_alert_in_time() {
    let measured = [10, 100].map(|interval_ms| (interval_ms, alert_latency(interval_ms)));
    eprintln!(
        "\nfrom an arrival sent to its alert read under read_committed, each arrival opening an alert"
    );
    eprintln!("commit interval   answers    p50    p90    p99    max ms");
    for (interval_ms, millis) in &measured {
        let [p50, p90, p99, max] = [0.5, 0.9, 0.99, 1.0].map(|share| percentile(millis, share));
        eprintln!(
            "{interval_ms:>12} ms {:>9} {p50:>6.1} {p90:>6.1} {p99:>6.1} {max:>6.1}",
            millis.len()
        );
        assert_eq!(millis.len(), QUESTIONS as usize);
    }
    let p99 = percentile(&measured[0].1, 0.99);
    eprintln!("p99 < 40 ms at 10 ms: {p99:.1} ms");
}
