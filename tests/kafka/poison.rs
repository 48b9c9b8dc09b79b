//! Owns bad records on Apache Kafka: each is put aside with the reason while every valid one beside it counts, and a feed that
//! is mostly bad stops the daemon at the same record every time, until somebody raises the budget.

use crate::daemon::{self, Deployment};
use crate::rig::{self, GroupOffsets, Isolation, Record};
use crate::scene::{self, PARTITIONS, SOON, START_MS};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use std::collections::BTreeMap;

const DAY_MS: i64 = 86_400_000;

/// A record that cannot be used, and what the dead letter must say of it.
struct Bad {
    value: Option<Vec<u8>>,
    reason: &'static str,
    /// Parts of the detail: the field, its value, the rule or the remedy.
    words: &'static [&'static str],
    at_ms: i64,
}

fn bad(value: impl Into<Vec<u8>>, reason: &'static str, words: &'static [&'static str]) -> Bad {
    Bad {
        value: Some(value.into()),
        reason,
        words,
        at_ms: START_MS,
    }
}

/// An arrival at the first crossing with one field replaced or added; the later of two equal fields is not allowed.
fn spoilt(field: &str, json: &str) -> String {
    let mut fields = BTreeMap::from([
        ("type", "\"arrival\"".to_owned()),
        ("id", "\"spoilt\"".to_owned()),
        ("crossing", "\"x-0001\"".to_owned()),
        ("time", format!("\"{}\"", daemon::instant(START_MS))),
        ("stream", "\"asylum\"".to_owned()),
        ("count", "1".to_owned()),
    ]);
    fields.insert(field, json.to_owned());
    let pairs = fields.iter().map(|(key, json)| format!("\"{key}\":{json}"));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
}

fn all_kinds() -> Vec<Bad> {
    let counts = |json| {
        bad(
            spoilt("count", json),
            "bad_count",
            &["`count`", "limits.max_count"],
        )
    };
    let late = START_MS - 3 * DAY_MS;
    let mut kinds = vec![
        bad(
            "{\"type\":\"arrival\"",
            "not_json",
            &["not JSON", "send one JSON object"],
        ),
        bad("hello", "not_json", &["not JSON"]),
        bad(
            *b"\x00\xff\xfe\x80",
            "not_json",
            &["not UTF-8 at byte 1", "UTF-8"],
        ),
        bad("[".repeat(20_000), "not_json", &["not JSON"]),
        bad(
            "[1,2]",
            "wrong_shape",
            &["not an object", "one JSON object"],
        ),
        bad(
            spoilt("id", "7"),
            "wrong_shape",
            &["`id` is 7", "not a string"],
        ),
        bad(spoilt("id", "\"\""), "wrong_shape", &["`id` is empty"]),
        bad(
            spoilt("count", "\"three\""),
            "wrong_shape",
            &["`count` is \"three\"", "whole number"],
        ),
        bad(
            spoilt("crossing", "{\"a\":1}"),
            "wrong_shape",
            &["`crossing` is an object"],
        ),
        bad(
            spoilt("type", "\"departure\""),
            "unknown_type",
            &["\"departure\"", "arrival, status"],
        ),
        bad(
            spoilt("crossing", "\"x-9999\""),
            "unknown_crossing",
            &["x-9999", "crossings file"],
        ),
        bad(
            spoilt("stream", "\"labour\""),
            "unknown_stream",
            &["labour", "x-0001 counts asylum"],
        ),
        bad(
            spoilt("time", "\"2023-06-01T12:00:00\""),
            "bad_time",
            &["has no offset", "RFC 3339"],
        ),
        bad(
            spoilt("time", "\"yesterday\""),
            "bad_time",
            &["yesterday", "RFC 3339"],
        ),
        bad(
            spoilt("time", "\"2123-06-01T12:00:00Z\""),
            "too_far_ahead",
            &["2123", "limit is 3600 s", "limits.max_ahead_secs"],
        ),
        bad(
            spoilt("time", "\"1923-06-01T12:00:00Z\""),
            "too_far_behind",
            &["1923", "limit is 2592000 s", "limits.max_behind_secs"],
        ),
        counts("0"),
        counts("-4"),
        counts("2.5"),
        counts("100001"),
        counts("99999999999999999999999"),
        bad(
            spoilt("count", "1e400"),
            "bad_count",
            &["`count`", "a whole number"],
        ),
        bad("", "empty", &["no value"]),
        bad(
            vec![b'x'; 70_000],
            "too_large",
            &["70000 bytes", "limit is 65536", "max_event_bytes"],
        ),
        bad(vec![b'x'; 890_000], "too_large", &["890000 bytes"]),
    ];
    kinds.push(Bad {
        value: None,
        ..bad("", "empty", &["no value"])
    });
    kinds.push(Bad {
        at_ms: late,
        ..bad(
            spoilt("time", &format!("\"{}\"", daemon::instant(late))),
            "too_late",
            &["time.lateness_horizon_secs"],
        )
    });
    let correction = daemon::correction("c-1", "x-0001", START_MS, "never-seen", 3);
    kinds.push(bad(
        correction,
        "unknown_replaced",
        &["replaces", "arrival"],
    ));
    kinds
}

/// Valid records that look odd, each counting 1 at the first crossing.
fn odd_but_valid() -> [String; 4] {
    [
        spoilt("id", "\"with \\\"quotes\\\" and \\u00e4\""),
        spoilt("passport", "{\"number\":[[[1]]]}").replace("spoilt", "unknown-field"),
        spoilt("count", "1.0").replace("spoilt", "whole-float"),
        format!("\r\n\t {}\n", spoilt("id", "\"spaced\"")),
    ]
}

fn header<'a>(record: &'a Record, name: &str) -> &'a str {
    let mut found = record.headers.iter().filter(|(key, _)| key == name);
    let value = found.next().and_then(|(_, value)| value.as_deref());
    std::str::from_utf8(value.unwrap_or_else(|| panic!("header {name} of {record:?}")))
        .expect("text")
}

/// Dead letters by the partition and offset they came from.
fn dead_letters(deployment: &Deployment) -> BTreeMap<(i32, i64), Record> {
    let mut letters = BTreeMap::new();
    for record in rig::read_committed(&deployment.topics.dead_letters, SOON) {
        let number = |name| header(&record, name).parse::<i64>().expect("a number");
        let from = (
            number("original_partition") as i32,
            number("original_offset"),
        );
        let twice = letters.insert(from, record);
        assert!(twice.is_none(), "put aside twice: {from:?}");
    }
    letters
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn every_kind_of_bad_record_is_put_aside_with_its_reason_and_the_valid_ones_count() {
    let folder = daemon::folder();
    let deployment = scene::deployment("poison", folder.path());
    deployment.create_topics();
    let mut daemon = deployment.start(0);
    scene::arrivals(&deployment, 0..40);
    let kinds = all_kinds();
    let to = rig::producer();
    for (n, bad) in kinds.iter().enumerate() {
        scene::write(&to, &deployment, 0, bad.value.as_deref(), bad.at_ms);
        // An event again, which counts once.
        scene::arrivals_by(&to, &deployment, (n as u64)..(n as u64) + 1);
    }
    for odd in odd_but_valid() {
        scene::write(&to, &deployment, 0, Some(odd.as_bytes()), START_MS);
    }
    scene::flush(&to);
    scene::arrivals(&deployment, 40..80);
    scene::close_the_day(&deployment);
    scene::caught_up(&deployment, &mut daemon);
    scene::stop(&mut daemon);

    let mut expected = scene::expected(0..80);
    *expected.get_mut("x-0001").expect("the first crossing") += 4;
    assert_eq!(scene::counted(&deployment), expected);
    let letters = dead_letters(&deployment);
    assert_eq!(letters.len(), kinds.len(), "{:?}", letters.keys());
    let input = rig::read(&deployment.topics.input, Isolation::Committed, SOON);
    for (bad, ((partition, offset), letter)) in kinds.iter().zip(&letters) {
        eprintln!("{}: {}", header(letter, "reason"), header(letter, "detail"));
        assert_eq!(header(letter, "reason"), bad.reason, "{letter:?}");
        for word in bad.words {
            assert!(
                header(letter, "detail").contains(word),
                "`{word}` in {:?}",
                letter.headers
            );
        }
        let mut came = input.iter();
        let came = came.find(|r| (r.partition, r.offset) == (*partition, *offset));
        let came = came.expect("the record it came from");
        assert_eq!((&letter.key, &letter.value), (&came.key, &came.value));
        assert_eq!(came.value, bad.value);
        let bytes = bad.value.as_ref().map_or(0, Vec::len).to_string();
        assert_eq!(header(letter, "original_bytes"), bytes);
        assert_eq!(header(letter, "original_topic"), deployment.topics.input);
        assert_eq!(
            header(letter, "original_timestamp_ms"),
            bad.at_ms.to_string()
        );
    }
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn a_record_too_large_for_the_dead_letters_with_its_key_is_put_aside_without_its_bytes() {
    let folder = daemon::folder();
    let deployment = scene::deployment("giant", folder.path());
    deployment.create_topics();
    // Compresses to next to nothing, so that the broker takes what no producer of default settings can send on.
    let settings = [
        ("message.max.bytes", "5000000"),
        ("compression.type", "lz4"),
    ];
    let to: BaseProducer = rig::client(&settings).create().expect("a producer");
    for (key, value) in [(300_000, 850_000), (1_200_000, 10), (10, 2_000_000)] {
        let (key, value) = (vec![b'k'; key], vec![b'v'; value]);
        let record = BaseRecord::to(&deployment.topics.input)
            .partition(0)
            .key(&key)
            .payload(&value);
        to.send(record)
            .map_err(|(error, _)| error)
            .expect("room in the queue");
    }
    to.flush(SOON).expect("the broker acknowledges");
    let mut daemon = deployment.start(0);
    scene::arrivals(&deployment, 0..40);
    scene::close_the_day(&deployment);
    scene::caught_up(&deployment, &mut daemon);
    scene::stop(&mut daemon);
    assert_eq!(scene::counted(&deployment), scene::expected(0..40));
    let letters = dead_letters(&deployment);
    let bytes: Vec<&str> = letters
        .values()
        .map(|l| header(l, "original_bytes"))
        .collect();
    assert_eq!(bytes, ["850000", "10", "2000000"]);
    assert!(
        letters
            .values()
            .all(|l| header(l, "original_partition") == "0")
    );
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn past_the_budget_it_stops_at_the_same_record_every_time_until_the_budget_is_raised() {
    let folder = daemon::folder();
    let deployment = scene::deployment("flood", folder.path()).set("limits.bad_records_run", 5);
    deployment.create_topics();
    scene::arrivals(&deployment, 0..40);
    let to = rig::producer();
    for _ in 0..20 {
        scene::write(&to, &deployment, 1, Some(b"not json"), START_MS);
    }
    scene::flush(&to);
    scene::arrivals(&deployment, 40..80);
    scene::close_the_day(&deployment);

    // Ten good records, five bad ones inside the budget, and the sixth at offset 15.
    let input = &deployment.topics.input;
    let place = format!("consumption stopped at {input} partition 1 offset 15");
    let words = [
        place.as_str(),
        "6 records in a row could not be used, the last because of `not_json`",
        "limits.bad_records_run allows 5",
        "mend the producer, or raise the limit",
    ];
    let offsets = GroupOffsets::of(&deployment.name, input);
    for start in 1..=3 {
        scene::refused(&deployment).expect(65, &words);
        let next = offsets.read();
        eprintln!("start {start}: committed {next:?}");
        assert_eq!(next[1], Some(15), "start {start}");
        let letters = dead_letters(&deployment);
        let from: Vec<_> = letters.keys().copied().collect();
        assert_eq!(from, (10..15).map(|offset| (1, offset)).collect::<Vec<_>>());
    }

    let raised = deployment.clone().set("limits.bad_records_run", 50);
    let mut daemon = raised.start(0);
    scene::caught_up(&raised, &mut daemon);
    scene::stop(&mut daemon);
    assert_eq!(dead_letters(&raised).len(), 20);
    assert_eq!(scene::counted(&raised), scene::expected(0..80));
    assert_eq!(rig::partitions(input).len(), PARTITIONS as usize);
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn a_feed_that_is_bad_by_share_stops_too_and_payloads_can_be_dropped() {
    let folder = daemon::folder();
    let deployment = scene::deployment("share", folder.path())
        .set("limits.bad_records_window", 10)
        .set("limits.bad_records_ratio", 0.3)
        .set("dead_letter.payload", "drop");
    deployment.create_topics();
    let to = rig::producer();
    // Every third record of partition 0 is bad: the fourth bad one in a window of ten is the twelfth record.
    for n in 0..30 {
        if n % 3 == 0 {
            scene::write(&to, &deployment, 0, Some(b"not json"), START_MS);
        } else {
            scene::arrivals_by(&to, &deployment, n * 4..n * 4 + 1);
        }
    }
    scene::flush(&to);
    let words = [
        "partition 0 offset 12",
        "4 of the last 10 records could not be used",
        "limits.bad_records_ratio allows a share of 0.3",
        "mend the producer, or raise the limit",
    ];
    for _ in 0..2 {
        scene::refused(&deployment).expect(65, &words);
        let letters = dead_letters(&deployment);
        assert_eq!(letters.len(), 4);
        assert!(letters.values().all(|letter| letter.value.is_none()));
    }
}
