//! Holds the machine to one answer: the same records give the same bytes, whatever the batches, the crashes and the split.

mod support;

use std::collections::BTreeSet;
use support::Feed;
use support::random::{self, Options};

fn every_way_gives_the_same(feed: &Feed, what: &str) {
    let plain = feed.run(1_000, &[]);
    assert!(plain.outputs.values().all(|o| o.len() > 100), "{what}");
    let again = feed.run(1_000, &[]);
    assert!(plain == again, "{what}: two runs of the same records");
    for batch in [1, 7, usize::MAX] {
        let other = feed.run(batch, &[]);
        plain.assert_same_outputs(&other, &format!("{what}, batches of {batch}"));
        plain.assert_same_state(&other, &format!("{what}, batches of {batch}"));
    }
    let all = feed.records.len();
    let crashes: Vec<usize> = (1..8).map(|i| all * i / 8 + i).collect();
    for batch in [1, 7, 1_000] {
        let other = feed.run(batch, &crashes);
        plain.assert_same_outputs(&other, &format!("{what}, crashes, batches of {batch}"));
    }
}

#[test]
fn the_finnish_autumn_gives_the_same_bytes_in_any_batches_and_after_any_crash() {
    every_way_gives_the_same(&Feed::finland(1), "one partition");
}

#[test]
fn so_it_does_split_over_four_partitions() {
    every_way_gives_the_same(&Feed::finland(4), "four partitions");
}

#[test]
fn the_split_over_partitions_decides_nothing_but_the_closing_moment() {
    let alerts = |partitions| {
        let ran = Feed::finland(partitions).run(1_000, &[]);
        let alerts = ran
            .outputs
            .into_values()
            .flatten()
            .filter(|o| !o.headers.is_empty());
        alerts
            .map(|o| o.headers[1].1.clone())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(alerts(1), alerts(4));
}

#[test]
fn jumbled_streams_with_corrections_give_the_same_bytes_in_any_batches_and_after_any_crash() {
    for seed in 0..12 {
        let options = Options::of(seed);
        every_way_gives_the_same(&random::feed(&options), &format!("{options:?}"));
    }
}

/// What was known at a moment is what was put out with no later `as_of`.
#[test]
fn what_a_partition_puts_out_is_in_the_order_of_its_as_of() {
    for seed in 0..12 {
        let ran = random::feed(&Options::of(seed)).run(50, &[]);
        for records in ran.outputs.values() {
            let as_of = records.iter().map(|record| {
                let value: serde_json::Value =
                    serde_json::from_slice(&record.value).expect("records are JSON");
                let as_of = value["as_of"].as_str().expect("every record has one");
                as_of.parse::<jiff::Timestamp>().expect("a moment")
            });
            let as_of: Vec<_> = as_of.collect();
            assert!(as_of.is_sorted(), "seed {seed}");
        }
    }
}
