//! Owns the probe of what the design takes for granted of Apache Kafka's transactions, fencing and isolation levels.

use crate::process;
use crate::rig::{self, GroupOffsets, Isolation, REQUEST};
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

type Transactional = ThreadedProducer<DefaultProducerContext>;

const READ: Duration = Duration::from_secs(10);

/// An input of five records that a group member owns, and an output topic.
struct Scene {
    input: String,
    output: String,
    group: String,
    member: BaseConsumer,
}

impl Scene {
    fn new(name: &str) -> Self {
        let (input, output) = (
            rig::unique(&format!("{name}-in")),
            rig::unique(&format!("{name}-out")),
        );
        rig::create_topic(&input, 1, &[]);
        rig::create_topic(&output, 1, &[]);
        rig::produce(
            &input,
            (0..5).map(|_| (Some(0), b"x-0001".as_slice(), b"{}".as_slice())),
        );
        let group = rig::unique(name);
        let member = join(&group, &input);
        settle(&[&member]);
        Self {
            input,
            output,
            group,
            member,
        }
    }

    fn metadata(&self) -> ConsumerGroupMetadata {
        self.member
            .group_metadata()
            .expect("the metadata of a member")
    }

    fn committed(&self) -> Option<i64> {
        GroupOffsets::of(&self.group, &self.input).read()[0]
    }

    fn next(&self, offset: i64) -> TopicPartitionList {
        let mut next = TopicPartitionList::new();
        next.add_partition_offset(&self.input, 0, Offset::Offset(offset))
            .expect("a valid offset");
        next
    }

    fn visible(&self, isolation: Isolation) -> usize {
        rig::read(&self.output, isolation, READ).len()
    }
}

fn join(group: &str, topic: &str) -> BaseConsumer {
    let settings = [
        ("group.id", group),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", "earliest"),
        ("session.timeout.ms", "6000"),
        ("heartbeat.interval.ms", "200"),
        ("isolation.level", "read_committed"),
    ];
    let member: BaseConsumer = rig::client(&settings).create().expect("a consumer");
    member.subscribe(&[topic]).expect("a subscription");
    member
}

/// Polls the members until each has had a stable assignment for a while.
fn settle(members: &[&BaseConsumer]) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut stable = 0;
    while stable < 10 {
        assert!(Instant::now() < deadline, "the group did not settle");
        for member in members {
            let _ = member.poll(Duration::from_millis(50));
        }
        let owned: usize = members
            .iter()
            .map(|m| m.assignment().map_or(0, |a| a.count()))
            .sum();
        stable = if owned == 1 { stable + 1 } else { 0 };
    }
}

fn transactional(id: &str) -> Transactional {
    let settings = [
        ("transactional.id", id),
        ("transaction.timeout.ms", "30000"),
        ("linger.ms", "0"),
    ];
    let producer: Transactional = rig::client(&settings).create().expect("a producer");
    producer
        .init_transactions(REQUEST)
        .expect("init_transactions");
    producer
}

fn write(producer: &Transactional, topic: &str, value: &str) {
    let record = BaseRecord::to(topic)
        .partition(0)
        .key("x-0001")
        .payload(value);
    producer
        .send(record)
        .map_err(|(e, _)| e)
        .expect("a record in the queue");
    producer
        .flush(REQUEST)
        .expect("the broker acknowledges the record");
}

fn commit(scene: &Scene, producer: &Transactional, value: &str, next: i64) {
    producer.begin_transaction().expect("begin");
    write(producer, &scene.output, value);
    producer
        .send_offsets_to_transaction(&scene.next(next), &scene.metadata(), REQUEST)
        .expect("offsets of a living member are taken");
    producer.commit_transaction(REQUEST).expect("commit");
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn a_committed_transaction_stores_its_offsets_and_shows_its_records() {
    let scene = Scene::new("commit");
    assert_eq!(scene.committed(), None);
    commit(&scene, &transactional(&scene.group), "one", 5);
    assert_eq!(scene.committed(), Some(5));
    let records = rig::read_committed(&scene.output, READ);
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].value.as_deref(), Some(b"one".as_slice()));
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn a_broker_killed_and_restarted_keeps_what_was_committed_and_the_producer_goes_on() {
    let scene = Scene::new("restart");
    let producer = transactional(&scene.group);
    commit(&scene, &producer, "before", 2);
    let started = Instant::now();
    process::broker("kill");
    process::broker("restart");
    eprintln!(
        "broker killed and back in {:.1} s",
        started.elapsed().as_secs_f64()
    );
    rig::wait_until("the group", Duration::from_secs(30), || {
        scene.committed() == Some(2)
    });
    // The member's session may have ended meanwhile: its offsets are refused until it has joined again, and the refusal must be
    // one that an abort mends.
    rig::wait_until("a commit", Duration::from_secs(40), || {
        settle(&[&scene.member]);
        producer.begin_transaction().expect("begin");
        write(&producer, &scene.output, "after");
        match producer.send_offsets_to_transaction(&scene.next(5), &scene.metadata(), REQUEST) {
            Ok(()) => {
                producer.commit_transaction(REQUEST).expect("commit");
                true
            }
            Err(KafkaError::Transaction(error)) => {
                assert!(error.txn_requires_abort() && !error.is_fatal(), "{error}");
                producer.abort_transaction(REQUEST).expect("abort");
                false
            }
            Err(other) => panic!("{other}"),
        }
    });
    assert_eq!(scene.committed(), Some(5));
    assert_eq!(rig::read_committed(&scene.output, READ).len(), 2);
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn an_aborted_transaction_leaves_offsets_unchanged_and_its_records_hidden() {
    let scene = Scene::new("abort");
    let producer = transactional(&scene.group);
    commit(&scene, &producer, "one", 2);
    producer.begin_transaction().expect("begin");
    write(&producer, &scene.output, "two");
    producer
        .send_offsets_to_transaction(&scene.next(5), &scene.metadata(), REQUEST)
        .expect("offsets");
    producer.abort_transaction(REQUEST).expect("abort");
    assert_eq!(scene.committed(), Some(2));
    assert_eq!(rig::read_committed(&scene.output, READ).len(), 1);
    assert_eq!(scene.visible(Isolation::Uncommitted), 2);
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn an_open_transaction_is_hidden_and_holds_the_last_stable_offset_below_the_high_watermark() {
    let scene = Scene::new("open");
    let producer = transactional(&scene.group);
    producer.begin_transaction().expect("begin");
    write(&producer, &scene.output, "one");
    assert_eq!(scene.visible(Isolation::Committed), 0);
    assert_eq!(scene.visible(Isolation::Uncommitted), 1);
    let (_, stable) = rig::watermarks(&scene.output, 0, Isolation::Committed);
    let (_, high) = rig::watermarks(&scene.output, 0, Isolation::Uncommitted);
    eprintln!("open transaction: last stable offset {stable}, high watermark {high}");
    assert_eq!((stable, high), (0, 1));
    producer.commit_transaction(REQUEST).expect("commit");
    assert_eq!(rig::read_committed(&scene.output, READ).len(), 1);
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn offsets_of_an_open_transaction_are_withheld_until_it_ends() {
    let scene = Scene::new("unstable");
    let producer = transactional(&scene.group);
    producer.begin_transaction().expect("begin");
    producer
        .send_offsets_to_transaction(&scene.next(3), &scene.metadata(), REQUEST)
        .expect("offsets");
    let settings = [
        ("group.id", scene.group.as_str()),
        ("isolation.level", "read_committed"),
    ];
    let reader: BaseConsumer = rig::client(&settings).create().expect("a consumer");
    let answer = reader.committed_offsets(scene.next(0), Duration::from_secs(2));
    eprintln!("stable offsets asked for during an open transaction: {answer:?}");
    assert!(
        answer.is_err(),
        "an open transaction's group offsets are not stable"
    );
    producer.commit_transaction(REQUEST).expect("commit");
    assert_eq!(scene.committed(), Some(3));
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn a_second_producer_with_the_same_id_fences_the_first_for_good() {
    let scene = Scene::new("fence");
    let first = transactional(&scene.group);
    first.begin_transaction().expect("begin");
    write(&first, &scene.output, "zombie");
    let second = transactional(&scene.group);
    let error = first
        .commit_transaction(REQUEST)
        .expect_err("a fenced producer cannot commit");
    eprintln!("first producer after the second's init: {error:?}");
    let KafkaError::Transaction(error) = error else {
        panic!("not a transaction error: {error:?}")
    };
    assert!(error.is_fatal());
    let codes = [RDKafkaErrorCode::Fenced, RDKafkaErrorCode::ProducerFenced];
    assert!(codes.contains(&error.code()), "{error:?}");
    commit(&scene, &second, "heir", 5);
    assert_eq!(rig::read_committed(&scene.output, READ).len(), 1);
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn stale_group_metadata_is_refused_and_the_transaction_can_be_aborted() {
    let scene = Scene::new("stale");
    let stale = scene.metadata();
    let other = join(&scene.group, &scene.input);
    settle(&[&scene.member, &other]);
    let producer = transactional(&scene.group);
    producer.begin_transaction().expect("begin");
    write(&producer, &scene.output, "one");
    let error = producer
        .send_offsets_to_transaction(&scene.next(5), &stale, REQUEST)
        .expect_err("metadata of an older generation is refused");
    eprintln!("offsets with the metadata of an older generation: {error:?}");
    let KafkaError::Transaction(error) = error else {
        panic!("not a transaction error: {error:?}")
    };
    assert!(error.txn_requires_abort() && !error.is_fatal(), "{error:?}");
    producer.abort_transaction(REQUEST).expect("abort");
    assert_eq!(scene.committed(), None);
    commit(&scene, &producer, "again", 5);
    assert_eq!(scene.committed(), Some(5));
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn metadata_taken_before_the_first_join_passes_unfenced() {
    let scene = Scene::new("unjoined");
    let settings = [("group.id", scene.group.as_str())];
    let outsider: BaseConsumer = rig::client(&settings).create().expect("a consumer");
    let metadata = outsider
        .group_metadata()
        .expect("metadata without membership");
    let producer = transactional(&scene.group);
    producer.begin_transaction().expect("begin");
    write(&producer, &scene.output, "one");
    let taken = producer.send_offsets_to_transaction(&scene.next(4), &metadata, REQUEST);
    eprintln!("offsets with metadata of no member while the group has one: {taken:?}");
    taken.expect("why the daemon must refuse a negative generation itself");
    producer.commit_transaction(REQUEST).expect("commit");
    assert_eq!(scene.committed(), Some(4));
}

/// Keeps the errors that librdkafka reports outside any call.
#[derive(Clone, Default)]
struct Errors(Arc<Mutex<Vec<KafkaError>>>);

impl ClientContext for Errors {
    fn error(&self, error: KafkaError, reason: &str) {
        eprintln!("client error: {error}: {reason}");
        self.0.lock().expect("no panic under the lock").push(error);
    }
}

impl rdkafka::consumer::ConsumerContext for Errors {}

fn sasl_client(password: &str) -> (BaseConsumer<Errors>, Errors) {
    let errors = Errors::default();
    let mut config = rig::client(&[
        ("security.protocol", "sasl_plaintext"),
        ("sasl.mechanism", "PLAIN"),
        ("group.id", "sasl"),
    ]);
    config
        .set(
            "bootstrap.servers",
            rig::variable("SURGEWATCH_TEST_SASL_BROKERS"),
        )
        .set("sasl.username", rig::variable("SURGEWATCH_TEST_SASL_USER"))
        .set("sasl.password", password);
    (
        config
            .create_with_context(errors.clone())
            .expect("a consumer"),
        errors,
    )
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn good_credentials_are_accepted_and_bad_ones_named_as_the_cause() {
    let (good, _) = sasl_client(&rig::variable("SURGEWATCH_TEST_SASL_PASSWORD"));
    assert_eq!(
        good.fetch_metadata(None, REQUEST)
            .expect("metadata")
            .brokers()
            .len(),
        1
    );
    let (bad, errors) = sasl_client("wrong");
    let refused = bad.fetch_metadata(None, Duration::from_secs(3)).err();
    eprintln!("metadata with a wrong password: {refused:?}");
    assert!(refused.is_some());
    rig::wait_until("an authentication error", REQUEST, || {
        let polled = bad.poll(Duration::from_millis(100)).and_then(Result::err);
        let mut seen = errors.0.lock().expect("no panic under the lock");
        seen.extend(polled);
        seen.iter()
            .any(|e| e.rdkafka_error_code() == Some(RDKafkaErrorCode::Authentication))
    });
}
