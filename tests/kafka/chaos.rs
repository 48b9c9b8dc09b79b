//! Owns the comparison of a disturbed run with an undisturbed one on the same input: two workers, killed five times at random
//! moments and started again, one of them paused past its session and woken, must leave the same committed records; and what both
//! stages wrote of incidents must be what the region's log says, record by record.

use crate::daemon::{self, Deployment};
use crate::outcome::{Outcome, assert_same};
use crate::process::Process;
use crate::recomputed;
use crate::rig::{self, GroupOffsets};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rdkafka::producer::{BaseRecord, Producer as _};
use std::time::{Duration, Instant};

/// What a worker is told of silence, so that a death is noticed soon.
const SESSION: Duration = Duration::from_secs(6);
const PARTITIONS: i32 = 4;
const CROSSINGS: u32 = 12;
const DAYS: i64 = 36;
/// When a series is known: evidence comes to its full weight over its first four weeks.
const SURGE_DAY: i64 = 33;
/// Midnight of 1 June 2023 in UTC.
const START_MS: i64 = 1_685_577_600_000;
const HOUR_MS: i64 = 3_600_000;
/// How long the input takes to arrive.
const FEED: Duration = Duration::from_secs(50);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    Kill(usize),
    Pause(usize),
    Resume(usize),
}

/// Five kills in the five tenths of the feed's middle, and a pause longer than the session, at moments drawn from the seed.
fn actions(random: &mut ChaCha8Rng) -> Vec<(Duration, Action)> {
    let mut within = |from_ms: u64, to_ms: u64| {
        Duration::from_millis(from_ms + random.next_u64() % (to_ms - from_ms))
    };
    let paused_at = within(14_000, 20_000);
    let mut actions = vec![
        (paused_at, Action::Pause(0)),
        (
            paused_at + SESSION + Duration::from_secs(3),
            Action::Resume(0),
        ),
    ];
    for (n, from_ms) in [6_000, 15_000, 26_000, 34_000, 42_000]
        .into_iter()
        .enumerate()
    {
        // The paused worker is left to wake as a zombie.
        let victim = if n == 1 {
            1
        } else {
            (within(0, 2).as_millis() % 2) as usize
        };
        actions.push((within(from_ms, from_ms + 6_000), Action::Kill(victim)));
    }
    actions.sort();
    actions
}

/// Five weeks at twelve crossings: an hourly heartbeat, a few arrivals a day, a surge on one day at every third crossing, and among
/// them duplicates, corrections and records that cannot be used.
fn input(random: &mut ChaCha8Rng) -> Vec<(u32, i64, String)> {
    let mut events = Vec::new();
    let mut id = 0u64;
    for hour in 0..DAYS * 24 {
        for place in 0..CROSSINGS {
            let crossing = daemon::crossing(place);
            let at = START_MS + hour * HOUR_MS + i64::from(place) * 1_000;
            events.push((
                place,
                at,
                daemon::heartbeat(&format!("h-{hour}-{place}"), &crossing, at),
            ));
            let surge = place % 3 == 0 && hour / 24 == SURGE_DAY;
            let arrivals = if surge {
                6
            } else {
                u64::from(random.next_u64().is_multiple_of(8))
            };
            for _ in 0..arrivals {
                id += 1;
                let at = at + (random.next_u64() % 3_000_000) as i64;
                let value = daemon::arrival(id, &crossing, at, 1 + (random.next_u64() % 3) as u32);
                if id.is_multiple_of(11) {
                    events.push((place, at + 5_000, value.clone()));
                }
                if id.is_multiple_of(17) {
                    let replaces = format!("01hyzk3v5q8e7w2r-fi-border-{id:016}");
                    let later = at + 60_000;
                    let correction =
                        daemon::correction(&format!("c-{id}"), &crossing, later, &replaces, 4);
                    events.push((place, later, correction));
                }
                if id.is_multiple_of(29) {
                    events.push((place, at, "{\"type\":\"arrival\"".to_owned()));
                }
                events.push((place, at, value));
            }
        }
    }
    events.sort_by_key(|(_, at, _)| *at);
    events
}

fn feed(topic: &str, events: &[(u32, i64, String)]) {
    let producer = rig::producer();
    let begun = Instant::now();
    for (n, (place, at, value)) in events.iter().enumerate() {
        let due = FEED.mul_f64(n as f64 / events.len() as f64);
        let early = due.saturating_sub(begun.elapsed());
        if early > Duration::from_millis(2) {
            std::thread::sleep(early);
        }
        let key = daemon::crossing(*place);
        let record = BaseRecord::to(topic)
            .partition(i32::try_from(*place).expect("a dozen places") % PARTITIONS)
            .key(&key)
            .payload(value)
            .timestamp(*at);
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("the queue has room");
        producer.poll(Duration::ZERO);
    }
    producer
        .flush(Duration::from_secs(30))
        .expect("the broker acknowledges the input");
}

fn wait_and_read(deployment: &Deployment, workers: &mut [Process; 2]) -> Outcome {
    let offsets = GroupOffsets::of(&deployment.name, &deployment.topics.input);
    let ends = rig::end_offsets(&deployment.topics.input);
    rig::wait_until("all input committed", Duration::from_secs(90), || {
        for worker in workers.iter_mut() {
            assert!(
                !worker.has_ended(),
                "a worker ended:\n{}",
                worker.log_tail()
            );
        }
        let next = offsets.read();
        next.iter()
            .zip(&ends)
            .all(|(next, end)| next.unwrap_or(0) == *end)
    });
    recomputed::caught_up(deployment);
    for (instance, worker) in workers.iter_mut().enumerate() {
        worker.stop(Duration::from_secs(20));
        let log = std::fs::read_to_string(deployment.log(instance)).expect("the worker's log");
        let mut errors = log
            .lines()
            .filter(|line| line.contains("\"level\":\"ERROR\""));
        assert_eq!(errors.next(), None, "worker {instance}");
    }
    let (incidents, log) = recomputed::hold(deployment);
    eprintln!("{incidents} incident records follow from {log} records of the region's log");
    assert!(incidents > 0 && log > 0);
    Outcome::read(&deployment.topics, &deployment.name)
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn two_workers_killed_and_paused_leave_the_records_of_an_undisturbed_run() {
    let given = std::env::var("SURGEWATCH_TEST_SEED").ok();
    let seed = given.map_or_else(
        || daemon::now_ms() as u64,
        |s| s.parse().expect("a whole number"),
    );
    eprintln!("again with SURGEWATCH_TEST_SEED={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (events, actions) = (input(&mut random), actions(&mut random));
    let folder = daemon::folder();
    let topic = rig::unique("chaos-input");
    let deployment = |stem: &str| {
        Deployment::new(stem, folder.path(), CROSSINGS)
            .reading(&topic)
            .set("kafka.session_timeout_ms", SESSION.as_millis())
            .set("kafka.transaction_timeout_ms", 4_000)
    };
    rig::create_topic(&topic, PARTITIONS, &[("retention.ms", "-1")]);

    let stormy = deployment("chaos-a");
    stormy.create_topics();
    let mut workers = [stormy.start(0), stormy.start(1)];
    std::thread::scope(|scope| {
        let fed = scope.spawn(|| feed(&topic, &events));
        let begun = Instant::now();
        for (at, action) in actions {
            std::thread::sleep(at.saturating_sub(begun.elapsed()));
            eprintln!("{:6.2} s: {action:?}", begun.elapsed().as_secs_f64());
            match action {
                Action::Kill(worker) => {
                    workers[worker].kill();
                    workers[worker] = stormy.start(worker);
                }
                Action::Pause(worker) => workers[worker].pause(),
                Action::Resume(worker) => workers[worker].resume(),
            }
        }
        fed.join().expect("the input is written");
    });
    let disturbed = wait_and_read(&stormy, &mut workers);

    let calm = deployment("chaos-b");
    calm.create_topics();
    let mut workers = [calm.start(0), calm.start(1)];
    let undisturbed = wait_and_read(&calm, &mut workers);
    for (what, outcome) in [("undisturbed", &undisturbed), ("disturbed", &disturbed)] {
        eprintln!(
            "{what}: {} alerts, {} counts",
            outcome.records("alerts"),
            outcome.records("counts")
        );
    }
    assert_same(&undisturbed, &disturbed, seed);
}
