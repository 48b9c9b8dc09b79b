//! Owns what the daemon must refuse on Apache Kafka, with exit code, cause and remedy: topics that are missing or of the wrong
//! shape, credentials, brokers that are away, a second process of the same name, state and offsets that do not agree.

use crate::daemon::{self, Deployment};
use crate::process::Process;
use crate::rig::{self, GroupOffsets, REQUEST};
use crate::scene::{self, Ended, PARTITIONS, SOON};
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};
use std::net::TcpListener;
use std::time::{Duration, Instant};
use surgewatch::core::snapshot::SCHEMA_VERSION;

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn missing_topics_are_all_named_with_the_command_that_makes_them() {
    let folder = daemon::folder();
    let deployment = scene::deployment("missing", folder.path());
    deployment.create_topics();
    let topics = &deployment.topics;
    rig::delete_topics(&[&topics.input, &topics.changelog]);
    wait_until_gone(&[&topics.input, &topics.changelog]);
    let ended = scene::refused(&deployment);
    let missing = |name: &str| format!("topic {name} does not exist");
    let remedy = "surgewatch topics create";
    ended.expect(
        78,
        &[&missing(&topics.input), &missing(&topics.changelog), remedy],
    );
    assert_eq!(ended.error.matches(remedy).count(), 2, "{}", ended.error);

    deployment.create_topics();
    let again = deployment.finish(&["topics", "create"]);
    assert!(again.status.success(), "nothing to create: {again:?}");
    let said = String::from_utf8_lossy(&again.stdout).into_owned();
    assert!(
        said.contains("partitions") && !said.contains("created"),
        "{said}"
    );
    let mut daemon = deployment.start(0);
    scene::arrivals(&deployment, 0..8);
    scene::caught_up(&deployment, &mut daemon);
    scene::stop(&mut daemon);
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn a_changelog_with_other_partitions_than_the_arrivals_is_refused() {
    let folder = daemon::folder();
    let deployment = scene::deployment("uneven", folder.path());
    let changelog = &deployment.topics.changelog;
    rig::create_topic(changelog, 3, &[("cleanup.policy", "compact")]);
    let created = deployment.finish(&["topics", "create"]);
    assert_eq!(created.status.code(), Some(78), "{created:?}");
    let uneven = format!(
        "topic {changelog} has 3 partitions but {} has 4",
        deployment.topics.input
    );
    let words = [
        uneven.as_str(),
        "they must be equal",
        "a new topics.changelog of 4 partitions",
    ];
    scene::refused(&deployment).expect(78, &words);
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn a_changelog_that_is_not_compacted_is_refused_until_it_is() {
    let folder = daemon::folder();
    let deployment = scene::deployment("aging", folder.path());
    let changelog = &deployment.topics.changelog;
    rig::create_topic(changelog, PARTITIONS, &[("cleanup.policy", "delete")]);
    let created = deployment.finish(&["topics", "create"]);
    assert_eq!(created.status.code(), Some(78), "{created:?}");
    let policy = format!("topic {changelog} has cleanup.policy=delete but must have compact");
    let remedy = "kafka-configs.sh --alter --add-config cleanup.policy=compact";
    scene::refused(&deployment).expect(78, &[&policy, remedy]);

    let compacted =
        AlterConfig::new(ResourceSpecifier::Topic(changelog)).set("cleanup.policy", "compact");
    for altered in rig::block_on(admin().alter_configs(&[compacted], &AdminOptions::new()))
        .expect("the broker answers alter_configs")
    {
        altered.expect("the policy is changed");
    }
    let checked = deployment.finish(&["topics", "check"]);
    assert!(checked.status.success(), "{checked:?}");
}

/// A daemon at the listener that asks for a password, which comes from where `secret` says.
fn with_password(deployment: &Deployment, secret: &str) -> Deployment {
    deployment
        .clone()
        .set(
            "kafka.brokers",
            rig::variable("SURGEWATCH_TEST_SASL_BROKERS"),
        )
        .set("kafka.properties.security.protocol", "sasl_plaintext")
        .set("kafka.properties.sasl.mechanism", "PLAIN")
        .set(
            "kafka.properties.sasl.username",
            rig::variable("SURGEWATCH_TEST_SASL_USER"),
        )
        .set("kafka.secrets.sasl.password", secret)
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn a_broker_that_is_away_and_one_that_refuses_the_password_are_told_apart() {
    let folder = daemon::folder();
    let deployment = scene::deployment("strange", folder.path());
    deployment.create_topics();
    // Nobody listens where a listener just was. The wait for it goes on beside the rest.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let away = deployment.clone().set("kafka.brokers", &address);
    let (begun, mut lonely) = (Instant::now(), away.start(1));

    let wrong = folder.path().join("wrong");
    std::fs::write(&wrong, "open-sesame\n").expect("a file with a wrong password");
    let denied = with_password(&deployment, &format!("file:{}", wrong.display()));
    let ended = scene::refused(&denied);
    let brokers = rig::variable("SURGEWATCH_TEST_SASL_BROKERS");
    ended.expect(
        77,
        &[
            &brokers,
            "refuses the credentials",
            "check the user, the password",
        ],
    );
    assert!(
        begun.elapsed().as_secs() < 20,
        "credentials are refused without waiting"
    );

    let allowed = with_password(&deployment, "env:SURGEWATCH_TEST_SASL_PASSWORD");
    let mut daemon = allowed.start(0);
    scene::arrivals(&allowed, 0..8);
    scene::caught_up(&allowed, &mut daemon);
    scene::stop(&mut daemon);
    let log = std::fs::read_to_string(allowed.log(0)).expect("a log");
    for secret in [
        "open-sesame",
        &rig::variable("SURGEWATCH_TEST_SASL_PASSWORD"),
    ] {
        assert!(!log.contains(secret), "a password in the log");
    }

    let ended = scene::ended(&mut lonely);
    ended.expect(69, &[&address, "no broker answers", "check kafka.brokers"]);
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn of_two_processes_of_one_name_the_first_gives_way_and_nothing_counts_twice() {
    let folder = daemon::folder();
    // So long an interval that the first has a transaction open when the second comes.
    let deployment = scene::deployment("twins", folder.path()).set("kafka.commit_interval_ms", 900);
    deployment.create_topics();
    let mut first = deployment.start(0);
    let mut fed = 40;
    scene::arrivals(&deployment, 0..fed);
    scene::caught_up(&deployment, &mut first);

    let log = daemon::log(folder.path(), "the-second");
    let mut second = Process::spawn(deployment.run(0), &log);
    rig::wait_until("the end of the first", SOON, || {
        assert!(!second.has_ended(), "{}", second.log_tail());
        scene::arrivals(&deployment, fed..fed + 4);
        fed += 4;
        first.has_ended()
    });
    // The stage whose producer speaks first finds out: `NAME-0` or `NAME-region-0`.
    let id = format!("took over the transactional id `{}-", deployment.name);
    let remedy = "give every copy its own kafka.instance";
    scene::ended(&mut first).expect(78, &[&id, remedy]);

    scene::arrivals(&deployment, fed..fed + 40);
    scene::close_the_day(&deployment);
    scene::caught_up(&deployment, &mut second);
    scene::stop(&mut second);
    assert_eq!(scene::counted(&deployment), scene::expected(0..fed + 40));
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn partitions_added_to_the_arrivals_stop_a_running_daemon_and_are_refused_from_then_on() {
    let folder = daemon::folder();
    let deployment = scene::deployment("grown", folder.path())
        .set("kafka.properties.topic.metadata.refresh.interval.ms", 500);
    deployment.create_topics();
    let mut daemon = deployment.start(0);
    scene::arrivals(&deployment, 0..40);
    scene::caught_up(&deployment, &mut daemon);
    let (input, changelog) = (&deployment.topics.input, &deployment.topics.changelog);
    let more = [NewPartitions::new(input, PARTITIONS as usize + 1)];
    for made in rig::block_on(admin().create_partitions(&more, &AdminOptions::new()))
        .expect("the broker answers create_partitions")
    {
        made.expect("the partition is made");
    }
    let uneven = format!("topic {changelog} has 4 partitions but {input} has 5");
    let words = [uneven.as_str(), "they must be equal"];
    scene::ended(&mut daemon).expect(78, &words);
    scene::refused(&deployment).expect(78, &words);
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn a_changelog_that_was_recreated_empty_is_refused() {
    let folder = daemon::folder();
    let deployment = started_and_stopped("emptied", folder.path());
    let changelog = &deployment.topics.changelog;
    rig::delete_topics(&[changelog]);
    wait_until_gone(&[changelog]);
    rig::create_topic(changelog, PARTITIONS, &[("cleanup.policy", "compact")]);
    let place = format!(
        "partition 0 of {}: the changelog {changelog}",
        deployment.topics.input
    );
    let words = [
        place.as_str(),
        "reflects input offset none, the group has committed 10",
        "the changelog was deleted, cut or is another deployment's",
        "start a new kafka.group",
    ];
    let before = GroupOffsets::of(&deployment.name, &deployment.topics.input).read();
    scene::refused(&deployment).expect(65, &words);
    let after = GroupOffsets::of(&deployment.name, &deployment.topics.input).read();
    assert_eq!(
        before, after,
        "nothing is committed by a daemon that refuses"
    );
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn offsets_that_were_wound_back_or_on_or_deleted_are_refused_until_they_are_set_right() {
    let folder = daemon::folder();
    let deployment = started_and_stopped("wound", folder.path());
    set_offset(&deployment, 2, 4);
    let words = [
        "reflects input offset 10, the group has committed 4",
        "would count twice",
        "set the group's offset to the changelog's",
    ];
    scene::refused(&deployment).expect(65, &words);

    scene::arrivals(&deployment, 40..80);
    set_offset(&deployment, 2, 15);
    let words = [
        "reflects input offset 10, the group has committed 15",
        "or the group was wound forward",
    ];
    scene::refused(&deployment).expect(65, &words);

    let groups = [deployment.name.as_str()];
    for deleted in rig::block_on(admin().delete_groups(&groups, &AdminOptions::new()))
        .expect("the broker answers delete_groups")
    {
        deleted.expect("the group is deleted");
    }
    let words = [
        "reflects input offset 10, the group has committed none",
        "kafka-consumer-groups.sh --reset-offsets --to-offset",
    ];
    scene::refused(&deployment).expect(65, &words);

    // The remedy is good: all is counted once.
    for partition in 0..PARTITIONS {
        set_offset(&deployment, partition, 10);
    }
    let mut daemon = deployment.start(0);
    scene::close_the_day(&deployment);
    scene::caught_up(&deployment, &mut daemon);
    scene::stop(&mut daemon);
    assert_eq!(scene::counted(&deployment), scene::expected(0..80));
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn an_open_transaction_on_the_changelog_is_waited_for_and_loses_nothing() {
    let folder = daemon::folder();
    let deployment = scene::deployment("hanging", folder.path());
    deployment.create_topics();
    let mut first = deployment.start(0);
    scene::arrivals(&deployment, 0..40);
    scene::caught_up(&deployment, &mut first);
    let stranger = stranger(&deployment);
    // Committed behind the stranger's record: hidden from whoever reads to the last stable offset.
    scene::arrivals(&deployment, 40..80);
    scene::caught_up(&deployment, &mut first);
    first.kill();

    let log = daemon::log(folder.path(), "the-second");
    let mut second = Process::spawn(deployment.run(0), &log);
    let read = || std::fs::read_to_string(&log).unwrap_or_default();
    rig::wait_until("word of the open transaction", SOON, || {
        assert!(!second.has_ended(), "{}", second.log_tail());
        read().contains("\"waiting_for_open_transaction\"")
    });
    scene::arrivals(&deployment, 80..120);
    let offsets = GroupOffsets::of(&deployment.name, &deployment.topics.input);
    assert_eq!(
        offsets.sum(),
        80,
        "nothing is read before all state is back"
    );
    // The region's stage restores its one partition of another topic.
    let restored = format!("\"restored\",\"partitions\":{PARTITIONS}");
    assert!(!read().contains(&restored), "{}", read());

    stranger.abort_transaction(REQUEST).expect("abort");
    scene::close_the_day(&deployment);
    scene::caught_up(&deployment, &mut second);
    scene::stop(&mut second);
    assert_eq!(scene::counted(&deployment), scene::expected(0..120));
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn a_changelog_with_records_of_something_else_is_refused() {
    let folder = daemon::folder();
    let deployment = started_and_stopped("foreign", folder.path());
    let changelog = &deployment.topics.changelog;
    let damaged = [&[SCHEMA_VERSION], b"damaged".as_slice()].concat();
    rig::produce(
        changelog,
        [(Some(3), b"c/x-0004".as_slice(), damaged.as_slice())],
    );
    let place = format!("partition 3 of {changelog}: changelog record `c/x-0004` cannot be read");
    let remedy = "start a new kafka.group with new topics";
    scene::refused(&deployment).expect(65, &[&place, remedy]);

    rig::produce(
        changelog,
        [(Some(3), b"__meta".as_slice(), b"\x63later".as_slice())],
    );
    let version = format!(
        "record `__meta` has schema version 99, this program reads version {SCHEMA_VERSION}"
    );
    let remedy = "run the version that wrote it";
    scene::refused(&deployment).expect(65, &[&version, remedy]);
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn arrivals_that_were_recreated_are_refused() {
    let folder = daemon::folder();
    let deployment = started_and_stopped("anew", folder.path());
    let input = &deployment.topics.input;
    rig::delete_topics(&[input]);
    wait_until_gone(&[input]);
    rig::create_topic(input, PARTITIONS, &[("retention.ms", "-1")]);
    scene::arrivals(&deployment, 0..8);
    for offset in [None, Some(10)] {
        if let Some(offset) = offset {
            (0..PARTITIONS).for_each(|partition| set_offset(&deployment, partition, offset));
        }
        let words = [
            input.as_str(),
            "reflects input offset 10",
            "the topic was recreated or is another cluster's",
            "start a new kafka.group with a new topics.changelog",
        ];
        scene::refused(&deployment).expect(65, &words);
    }
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn arrivals_deleted_before_they_were_read_are_reported_and_the_rest_counts() {
    let folder = daemon::folder();
    let deployment = started_and_stopped("expired", folder.path());
    delete_unread(&deployment);
    let daemon = deployment.start(0);
    the_gap_is_told_and_the_rest_counts(&deployment, daemon);
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn arrivals_deleted_under_a_running_daemon_are_reported_too() {
    let folder = daemon::folder();
    let deployment = started_and_stopped("overtaken", folder.path());
    let mut daemon = deployment.start(0);
    scene::caught_up(&deployment, &mut daemon);
    daemon.pause();
    // A fetch that was waiting when the daemon was paused is answered empty, so that the next one comes too late.
    std::thread::sleep(Duration::from_secs(1));
    delete_unread(&deployment);
    daemon.resume();
    the_gap_is_told_and_the_rest_counts(&deployment, daemon);
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn a_feed_that_reports_the_past_in_pieces_is_not_judged_by_the_date_of_today() {
    let folder = daemon::folder();
    let deployment = scene::deployment("past", folder.path()).set("time.idle_close_secs", 1);
    deployment.create_topics();
    let mut daemon = deployment.start(0);
    for piece in [0..40, 40..80] {
        scene::arrivals(&deployment, piece);
        scene::caught_up(&deployment, &mut daemon);
        // Longer than the patience and several looks at quiet partitions.
        std::thread::sleep(Duration::from_secs(3));
    }
    scene::close_the_day(&deployment);
    scene::caught_up(&deployment, &mut daemon);
    scene::stop(&mut daemon);
    assert_eq!(scene::counted(&deployment), scene::expected(0..80));
}

/// Forty more arrivals, of which the first five on the second partition are deleted.
fn delete_unread(deployment: &Deployment) {
    scene::arrivals(deployment, 40..80);
    let mut until = TopicPartitionList::new();
    until
        .add_partition_offset(&deployment.topics.input, 1, Offset::Offset(15))
        .expect("a valid offset");
    let deleted = rig::block_on(admin().delete_records(&until, &AdminOptions::new()));
    deleted.expect("the broker deletes records");
}

fn the_gap_is_told_and_the_rest_counts(deployment: &Deployment, mut daemon: Process) {
    let input = &deployment.topics.input;
    scene::close_the_day(deployment);
    scene::caught_up(deployment, &mut daemon);
    scene::stop(&mut daemon);
    let log = std::fs::read_to_string(deployment.log(0)).expect("a log");
    let told: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("\"arrivals_lost\""))
        .collect();
    eprintln!("{told:?}");
    assert_eq!(told.len(), 1, "{told:?}");
    for word in [
        input.as_str(),
        "\"partition\":1",
        "\"from\":10",
        "\"until\":15",
    ] {
        assert!(told[0].contains(word), "`{word}` in {told:?}");
    }
    // The eleventh to the fifteenth arrival at the second crossing are gone.
    let mut expected = scene::expected(0..80);
    let gone: u64 = scene::expected(40..60)["x-0002"];
    *expected.get_mut("x-0002").expect("the second crossing") -= gone;
    assert_eq!(scene::counted(deployment), expected);
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn publishing_says_what_was_published_and_nothing_else() {
    let folder = daemon::folder();
    let deployment = scene::deployment("published", folder.path())
        .set("kafka.properties.topic.metadata.propagation.max.ms", 500);
    let file = folder.path().join("events.jsonl");
    let good = daemon::heartbeat("h-1", "x-0001", scene::START_MS);
    std::fs::write(&file, format!("{good}\n\n{good}\nnot json\n{good}\n")).expect("a file");
    let words = ["publish", &file.display().to_string()];
    let publish = || {
        let output = deployment.finish(&words);
        let error = String::from_utf8(output.stderr).expect("text");
        let (_, error) = error.rsplit_once("surgewatch: ").expect("an error");
        Ended {
            code: output.status.code(),
            error: error.to_owned(),
        }
    };
    // Without the topic nothing is published, however far the file was read.
    let input = &deployment.topics.input;
    let missing = format!("topic {input} does not exist");
    publish().expect(78, &[&missing, "surgewatch topics create"]);
    deployment.create_topics();
    publish().expect(
        65,
        &[
            "line 4: not an event in JSON",
            "2 events before it were published",
        ],
    );
    assert_eq!(
        rig::end_offsets(&deployment.topics.input)
            .iter()
            .sum::<i64>(),
        2
    );
}

/// A deployment that has counted forty arrivals, ten on each partition, and was stopped.
fn started_and_stopped(stem: &str, folder: &std::path::Path) -> Deployment {
    let deployment = scene::deployment(stem, folder);
    deployment.create_topics();
    scene::arrivals(&deployment, 0..40);
    let mut daemon = deployment.start(0);
    scene::caught_up(&deployment, &mut daemon);
    scene::stop(&mut daemon);
    deployment
}

/// Somebody else's transaction with a record on the changelog's first partition, left open.
fn stranger(deployment: &Deployment) -> ThreadedProducer<DefaultProducerContext> {
    let id = format!("{}-stranger", deployment.name);
    let settings = [
        ("transactional.id", id.as_str()),
        ("transaction.timeout.ms", "60000"),
    ];
    let stranger: ThreadedProducer<DefaultProducerContext> =
        rig::client(&settings).create().expect("a producer");
    stranger.init_transactions(REQUEST).expect("init");
    stranger.begin_transaction().expect("begin");
    let record = BaseRecord::to(&deployment.topics.changelog)
        .partition(0)
        .key("c/x-0001")
        .payload("left open");
    let sent = stranger.send(record).map_err(|(error, _)| error);
    sent.expect("a record in the queue");
    stranger.flush(REQUEST).expect("the broker has the record");
    stranger
}

/// Sets one offset of a group without members, as `kafka-consumer-groups.sh --reset-offsets` does.
fn set_offset(deployment: &Deployment, partition: i32, offset: i64) {
    let config = rig::client(&[("group.id", &deployment.name)]);
    let outsider: BaseConsumer = config.create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&deployment.topics.input, partition, Offset::Offset(offset))
        .expect("a valid offset");
    rig::wait_until("a group without members", SOON, || {
        outsider.commit(&list, CommitMode::Sync).is_ok()
    });
}

fn wait_until_gone(names: &[&str]) {
    let admin = admin();
    rig::wait_until("the end of deleted topics", SOON, || {
        let metadata = admin
            .inner()
            .fetch_metadata(None, REQUEST)
            .expect("metadata");
        let mut topics = metadata.topics().iter();
        !topics.any(|topic| names.contains(&topic.name()))
    });
}

fn admin() -> AdminClient<DefaultClientContext> {
    rig::client(&[]).create().expect("an admin client")
}
