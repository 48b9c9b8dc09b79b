//! Owns the comparison of a disturbed run with an undisturbed one: two workers, killed, paused past their session and
//! woken while input arrives, must leave the same committed records as two workers left in peace.

use crate::daemon::{self, Deployment, Topics};
use crate::echo::{self, Echo, Promise};
use crate::outcome::{Outcome, assert_same};
use crate::process::{self, Process};
use crate::rig::{self, GroupOffsets};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How much input, how fast, and what happens meanwhile; all of it printed before the run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) events: u32,
    pub(crate) events_per_sec: u32,
    pub(crate) crossings: u32,
    pub(crate) kills: u32,
    /// Longer than the workers' session timeout.
    pub(crate) pause: Duration,
    /// Bound on the time from the last input to the last commit.
    pub(crate) drain: Duration,
}

impl Plan {
    /// The plan of the design: five kills and one pause; the seed from `SURGEWATCH_TEST_SEED` or the clock.
    pub(crate) fn of_five_kills(session: Duration) -> Self {
        let clock = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a clock after 1970");
        let given = std::env::var("SURGEWATCH_TEST_SEED").ok();
        let seed = given.map_or(u64::from(clock.subsec_nanos()), |s| {
            s.parse().expect("a whole number")
        });
        Self {
            seed,
            events: 20_000,
            events_per_sec: 800,
            crossings: 40,
            kills: 5,
            pause: session + Duration::from_secs(2),
            drain: Duration::from_secs(60),
        }
    }

    fn length(&self) -> Duration {
        Duration::from_secs_f64(f64::from(self.events) / f64::from(self.events_per_sec))
    }

    /// Moments in the middle nine tenths of the input, in order.
    fn actions(&self) -> Vec<(Duration, Action)> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let length_ms = self.length().as_millis() as u64;
        let mut moment = |from: u64, to: u64| from + random.next_u64() % (to - from).max(1);
        let pause_at = moment(length_ms / 20, length_ms / 2);
        let paused = moment(0, 2) as usize;
        let mut actions = vec![
            (Duration::from_millis(pause_at), Action::Pause(paused)),
            (
                Duration::from_millis(pause_at) + self.pause,
                Action::Resume(paused),
            ),
        ];
        for _ in 0..self.kills {
            let at = Duration::from_millis(moment(length_ms / 20, length_ms * 19 / 20));
            let asleep = at >= actions[0].0 && at <= actions[1].0;
            // A paused worker is left to wake as a zombie.
            let victim = if asleep {
                1 - paused
            } else {
                moment(0, 2) as usize
            };
            actions.push((at, Action::Kill(victim)));
        }
        actions.sort();
        actions
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    Kill(usize),
    Pause(usize),
    Resume(usize),
}

/// The workers under test on topics of their own.
pub(crate) struct Fleet<'a> {
    /// Replaced by as many dots wherever it occurs in a record, so that two runs compare byte for byte.
    pub(crate) prefix: String,
    pub(crate) group: String,
    pub(crate) topics: Topics,
    pub(crate) folder: &'a Path,
    pub(crate) command: &'a dyn Fn(usize) -> Command,
}

impl Fleet<'_> {
    fn start(&self, worker: usize) -> Process {
        let log = daemon::log(self.folder, &format!("{}-{worker}", self.prefix));
        Process::spawn((self.command)(worker), &log)
    }
}

/// Feeds the plan's input to two workers, disturbs them if asked, waits until all is committed, and reads what is there.
pub(crate) fn run(plan: &Plan, fleet: &Fleet<'_>, disturbed: bool) -> Outcome {
    let mut workers = [fleet.start(0), fleet.start(1)];
    let offsets = GroupOffsets::of(&fleet.group, &fleet.topics.input);
    std::thread::scope(|scope| {
        let input = &fleet.topics.input;
        let fed = scope.spawn(move || feed(plan, input));
        if disturbed {
            disturb(plan, fleet, &mut workers);
        }
        fed.join().expect("the input is written");
    });
    let ends = rig::end_offsets(&fleet.topics.input);
    rig::wait_until("all input committed", plan.drain, || {
        for (number, worker) in workers.iter_mut().enumerate() {
            assert!(
                !worker.has_ended(),
                "worker {number} ended:\n{}",
                worker.log_tail()
            );
        }
        offsets
            .read()
            .iter()
            .zip(&ends)
            .all(|(next, end)| next.unwrap_or(0) == *end)
    });
    for worker in &mut workers {
        worker.stop(Duration::from_secs(10));
    }
    Outcome::read(&fleet.topics, &fleet.prefix)
}

/// Same records in the same order on the same partitions in every run: one idempotent producer, partitions by number.
fn feed(plan: &Plan, input: &str) {
    let partitions = rig::partitions(input).len() as u32;
    let to = rig::producer();
    let started = Instant::now();
    for number in 0..plan.events {
        let due = Duration::from_secs_f64(f64::from(number) / f64::from(plan.events_per_sec));
        if let Some(early) = due
            .checked_sub(started.elapsed())
            .filter(|d| d.as_millis() > 2)
        {
            std::thread::sleep(early);
        }
        let place = number % plan.crossings;
        let crossing = daemon::crossing(place);
        let day_ms = u64::from(number) * 86_000_000 / u64::from(plan.events);
        let value = daemon::arrival(number, &crossing, day_ms);
        rig::send(
            &to,
            input,
            Some((place % partitions) as i32),
            crossing.as_bytes(),
            value.as_bytes(),
        );
    }
    use rdkafka::producer::Producer as _;
    to.flush(Duration::from_secs(60))
        .expect("the broker acknowledges the input");
}

fn disturb(plan: &Plan, fleet: &Fleet<'_>, workers: &mut [Process; 2]) {
    let started = Instant::now();
    for (at, action) in plan.actions() {
        std::thread::sleep(at.saturating_sub(started.elapsed()));
        eprintln!("{:6.2} s: {action:?}", started.elapsed().as_secs_f64());
        match action {
            Action::Kill(worker) => {
                workers[worker].kill();
                workers[worker] = fleet.start(worker);
            }
            Action::Pause(worker) => workers[worker].pause(),
            Action::Resume(worker) => workers[worker].resume(),
        }
    }
}

/// Runs the plan in peace and disturbed, and returns both outcomes.
pub(crate) fn both(plan: &Plan, calm: &Fleet<'_>, stormy: &Fleet<'_>) -> (Outcome, Outcome) {
    assert_eq!(
        calm.prefix.len(),
        stormy.prefix.len(),
        "prefixes of one length keep the records' lengths"
    );
    eprintln!("{plan:?}; again with SURGEWATCH_TEST_SEED={}", plan.seed);
    let outcomes = (run(plan, calm, false), run(plan, stormy, true));
    eprintln!(
        "undisturbed: {} alerts, {} counts; disturbed: {} alerts, {} counts",
        outcomes.0.records("alerts"),
        outcomes.0.records("counts"),
        outcomes.1.records("alerts"),
        outcomes.1.records("counts"),
    );
    outcomes
}

const ECHO_ROLE: &str = "echo";

/// Two stand-ins on new topics; `test` is the path of the calling test, which becomes the stand-in when re-executed.
fn with_echoes<T>(test: &str, promise: Promise, then: impl FnOnce(&Fleet<'_>) -> T) -> T {
    let folder = daemon::folder();
    let prefix = rig::unique("chaos");
    let deployment = Deployment {
        prefix: prefix.clone(),
        folder: folder.path().into(),
        crossings: 0,
        commit_interval_ms: 0,
    };
    let topics = deployment.topics();
    for topic in [&topics.input, &topics.alerts, &topics.counts] {
        rig::create_topic(topic, 4, &[]);
    }
    let command = |instance: usize| {
        let echo = Echo {
            input: topics.input.clone(),
            alerts: topics.alerts.clone(),
            counts: topics.counts.clone(),
            group: prefix.clone(),
            instance: instance.to_string(),
            interval_ms: 100,
            promise,
        };
        let mut command = process::reexecute(test, ECHO_ROLE);
        echo.configure(&mut command);
        command
    };
    let fleet = Fleet {
        prefix: prefix.clone(),
        group: prefix.clone(),
        topics: topics.clone(),
        folder: folder.path(),
        command: &command,
    };
    then(&fleet)
}

fn echoes_in_peace_and_disturbed(test: &str, promise: Promise) -> (Plan, Outcome, Outcome) {
    if process::role().as_deref() == Some(ECHO_ROLE) {
        Echo::run_from_environment();
    }
    let plan = Plan::of_five_kills(echo::SESSION);
    let (calm, stormy) = with_echoes(test, promise, |calm| {
        with_echoes(test, promise, |stormy| both(&plan, calm, stormy))
    });
    (plan, calm, stormy)
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn a_transactional_stand_in_leaves_the_same_records_when_killed_and_paused() {
    let test = "c_chaos::a_transactional_stand_in_leaves_the_same_records_when_killed_and_paused";
    let (plan, calm, stormy) = echoes_in_peace_and_disturbed(test, Promise::ExactlyOnce);
    assert_eq!(calm.records("alerts"), plan.events as usize);
    assert_same(&calm, &stormy, plan.seed);
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn repeats_of_an_at_least_once_stand_in_are_seen() {
    let test = "c_chaos::repeats_of_an_at_least_once_stand_in_are_seen";
    let (plan, calm, stormy) = echoes_in_peace_and_disturbed(test, Promise::AtLeastOnce);
    let differences = calm.differences(&stormy);
    eprintln!(
        "at least once: {} keys differ, for example {:?}",
        differences.len(),
        differences.first()
    );
    assert!(
        !differences.is_empty(),
        "seed {}: the comparison saw no repeat",
        plan.seed
    );
    assert!(stormy.records("alerts") > plan.events as usize);
}

fn with_daemons<T>(crossings: u32, then: impl FnOnce(&Fleet<'_>) -> T) -> T {
    let folder = daemon::folder();
    let prefix = rig::unique("chaos");
    let deployment = Deployment {
        prefix: prefix.clone(),
        folder: folder.path().into(),
        crossings,
        commit_interval_ms: 100,
    };
    deployment.create_topics();
    let command = |instance: usize| deployment.run(instance);
    let fleet = Fleet {
        prefix: prefix.clone(),
        group: prefix,
        topics: deployment.topics(),
        folder: folder.path(),
        command: &command,
    };
    then(&fleet)
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn the_daemon_leaves_the_same_records_when_killed_and_paused() {
    let plan = Plan::of_five_kills(Duration::from_secs(10));
    let (calm, stormy) = with_daemons(plan.crossings, |calm| {
        with_daemons(plan.crossings, |stormy| both(&plan, calm, stormy))
    });
    assert_same(&calm, &stormy, plan.seed);
}
