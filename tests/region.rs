//! Holds the region's machine to its promises: the order of partitions does not matter while marks tell how far each was read,
//! a restore goes on as if nothing had been, and what ended leaves the states.

mod support;

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use support::Feed;
use surgewatch::core::event::GateState;
use surgewatch::core::ids::{Offset, Partition};
use surgewatch::core::output::Output;
use surgewatch::core::region::log::{self, Entry, Mark};
use surgewatch::core::region::machine::{RegionMachine, RegionOutput};
use surgewatch::core::snapshot::{ChangelogRecord, META_KEY, SnapshotError};
use surgewatch::core::time::EventTime;
use surgewatch::wire::encode::{self, Origin};
use surgewatch::wire::region;

const PARTITIONS: usize = 4;

/// What the crossings' stage puts out of Finland 2023, by partition.
fn stage_one() -> &'static (Feed, BTreeMap<Partition, Vec<Output>>) {
    static RUN: OnceLock<(Feed, BTreeMap<Partition, Vec<Output>>)> = OnceLock::new();
    RUN.get_or_init(|| {
        let feed = Feed::finland(PARTITIONS);
        let mut engine = feed.engine();
        let mut outputs: BTreeMap<Partition, Vec<Output>> = BTreeMap::new();
        for n in 0..PARTITIONS as i32 {
            engine.assign(Partition(n), []).expect("fresh");
        }
        for (partition, input) in &feed.records {
            let to = outputs.entry(*partition).or_default();
            engine
                .handle(*partition, input, &mut |output| to.push(output))
                .expect("inside the budget");
        }
        (feed, outputs)
    })
}

fn bytes(output: &Output) -> Vec<u8> {
    let network = &stage_one().0.network;
    let key = encode::alert(output, network, &origin()).map(|encoded| encoded.key);
    log::output(network, key.as_deref(), output)
}

fn origin() -> Origin {
    Origin {
        topic: "region".into(),
        config: "c".into(),
    }
}

/// All marks at the start, then the partitions' outputs in chunks of these sizes in turn; a partition's end is marked.
fn written(chunks: &[usize]) -> Vec<Vec<u8>> {
    let outputs = &stage_one().1;
    let mark = |partition, behind| log::mark(Mark { partition, behind });
    let mut records: Vec<_> = outputs
        .keys()
        .map(|p| mark(*p, Some(EventTime::MIN)))
        .collect();
    let mut at: BTreeMap<Partition, usize> = outputs.keys().map(|p| (*p, 0)).collect();
    let mut sizes = chunks.iter().cycle();
    while !at.is_empty() {
        for (partition, all) in outputs {
            let Some(from) = at.get_mut(partition) else {
                continue;
            };
            let until = (*from + sizes.next().expect("endless")).min(all.len());
            records.extend(all[*from..until].iter().map(bytes));
            *from = until;
            if until == all.len() {
                records.push(mark(*partition, None));
                at.remove(partition);
            }
        }
    }
    records
}

/// Runs records with a commit after every `batch` and a restore from the changelog after every `life`.
struct Run {
    told: Vec<RegionOutput>,
    changelog: BTreeMap<String, Option<Vec<u8>>>,
}

fn run(records: &[Vec<u8>], batch: usize, life: usize) -> Run {
    let network = &stage_one().0.network;
    let mut done = Run {
        told: Vec::new(),
        changelog: BTreeMap::new(),
    };
    let mut machine = RegionMachine::new(network.clone(), stage_one().0.params.clone(), 7);
    let mut open = Vec::new();
    for (n, record) in (0..).zip(records) {
        let out = &mut |output| open.push(output);
        machine.handle(Offset(n), record, out).expect("sound");
        let n = n as usize + 1;
        if n.is_multiple_of(batch) || n == records.len() {
            done.told.append(&mut open);
            let changes = machine.drain_changes().into_iter();
            done.changelog.extend(changes.map(|r| (r.key, r.value)));
            if n.is_multiple_of(life) {
                machine = RegionMachine::new(network.clone(), stage_one().0.params.clone(), 7);
                let next = machine.restore(kept(&done)).expect("it was just written");
                assert_eq!(next.map(|n| n.0), Some(n as i64));
            }
        }
    }
    done
}

fn kept(run: &Run) -> Vec<ChangelogRecord> {
    let records = run.changelog.iter();
    let records = records.map(|(key, value)| ChangelogRecord {
        key: key.clone(),
        value: value.clone(),
    });
    records.collect()
}

/// The incidents as they are written, without the offset of the record that decided.
fn sentences(told: &[RegionOutput]) -> Vec<String> {
    let feed = &stage_one().0;
    let both = (feed.network.as_ref(), feed.params.families.as_ref());
    let lines = told.iter().map(|output| match output {
        RegionOutput::Incident {
            told,
            severity,
            source,
        } => {
            let mut source = *source;
            source.offset = None;
            let record = region::incident(both, told, *severity, &source, &origin());
            String::from_utf8(record.value).expect("JSON")
        }
        RegionOutput::Retired { key } => format!("{key} retires"),
    });
    lines.collect()
}

#[test]
fn every_output_comes_out_of_the_log_as_it_went_in() {
    let (feed, outputs) = stage_one();
    for output in outputs.values().flatten() {
        let read = log::entry(&feed.network, "r", &bytes(output)).expect("sound");
        let Entry::Sent(sent) = read else {
            panic!("{read:?}");
        };
        // What the gate was afterwards is no part of the bucket and stays behind.
        let mut output = output.clone();
        if let Output::Count { gate, .. } = &mut output {
            *gate = GateState::default();
        }
        assert!(sent.output == output);
    }
    let mark = Mark {
        partition: Partition(3),
        behind: Some(EventTime(5)),
    };
    let read = log::entry(&feed.network, "r", &log::mark(mark)).expect("sound");
    assert_eq!(read, Entry::Mark(mark));
}

#[test]
fn a_record_of_another_version_is_refused_by_name() {
    let network = &stage_one().0.network;
    let mut machine = RegionMachine::new(network.clone(), stage_one().0.params.clone(), 7);
    let refused = machine.handle(Offset(12), &[0, 1, 2], &mut |_| {});
    let refused = refused.expect_err("version 0 is none").to_string();
    assert!(
        refused.contains("at offset 12") && refused.contains("version 0"),
        "{refused}"
    );
    let alone = ChangelogRecord {
        key: "region/0000".into(),
        value: Some(vec![1]),
    };
    let refused = machine.restore([alone]);
    assert!(matches!(refused, Err(SnapshotError::NoMeta { records: 1 })));
}

#[test]
fn commits_and_restores_change_nothing() {
    let records = written(&[300]);
    let plain = run(&records, records.len(), usize::MAX);
    for (batch, life) in [(1, usize::MAX), (7, 7 * 50), (500, 500)] {
        let other = run(&records, batch, life);
        assert!(plain.told == other.told, "batch {batch}, life {life}");
        let without_meta = |run: &Run| {
            let mut changelog = run.changelog.clone();
            changelog.retain(|key, value| key != META_KEY && value.is_some());
            changelog
        };
        assert!(
            without_meta(&plain) == without_meta(&other),
            "batch {batch}"
        );
    }
}

#[test]
fn a_partition_with_records_left_is_waited_for_and_one_read_to_its_end_is_not() {
    let (feed, outputs) = stage_one();
    let (&ahead, all) = outputs.iter().next().expect("there is one");
    let mut machine = RegionMachine::new(feed.network.clone(), feed.params.clone(), 7);
    let other = Partition(99);
    let mark = |behind| {
        log::mark(Mark {
            partition: other,
            behind,
        })
    };
    let mut told = Vec::new();
    let mut next = (0..).map(Offset);
    let mut put = |machine: &mut RegionMachine, record: &[u8]| {
        let at = next.next().expect("endless");
        machine
            .handle(at, record, &mut |o| told.push(o))
            .expect("sound");
    };
    let hour = all[0].as_of();
    put(&mut machine, &mark(Some(hour)));
    for output in all {
        put(&mut machine, &bytes(output));
    }
    let later = all.iter().filter(|o| o.as_of() > hour).count();
    assert!(later > 1_000 && machine.waiting() >= later, "{ahead:?}");
    put(&mut machine, &mark(None));
    assert_eq!(machine.waiting(), 0);
    assert!(!told.is_empty());
}

#[test]
fn what_ended_thirty_days_ago_leaves_the_states() {
    let (feed, outputs) = stage_one();
    let mut network_quiet = RegionMachine::new(feed.network.clone(), feed.params.clone(), 7);
    let mut all: Vec<&Output> = outputs.values().flatten().collect();
    all.sort_by_key(|o| o.as_of());
    let ended = all.iter().find_map(|o| match o {
        Output::Notice { .. } | Output::Count { .. } => None,
        alert @ Output::Alert { .. } => Some((*alert).clone()),
    });
    let Some(Output::Alert {
        crossing,
        stream,
        alert,
        reading,
        closed,
        data,
        usual_for_days,
        before,
        as_of,
        source,
        ..
    }) = ended
    else {
        panic!("Finland 2023 has alerts");
    };
    let over = Output::Alert {
        crossing,
        stream,
        alert,
        reading,
        run: None,
        closed,
        data,
        usual_for_days,
        before,
        as_of,
        source,
        transition: surgewatch::core::alert::Transition::Resolved,
    };
    let Some(Output::Count {
        reading, revision, ..
    }) = all.iter().find(|o| matches!(o, Output::Count { .. }))
    else {
        panic!("there are counts");
    };
    let count = |days: i64| Output::Count {
        crossing,
        stream,
        source,
        reading: *reading,
        revision: *revision,
        gate: GateState::Open,
        as_of: as_of.plus_ms(days * 86_400_000),
    };
    let mut retired = Vec::new();
    let key = encode::alert(&over, &feed.network, &origin())
        .expect("an alert")
        .key;
    for (n, output) in (0..).zip([over, count(29), count(30), count(40)]) {
        network_quiet
            .handle(Offset(n), &bytes(&output), &mut |o| {
                if let RegionOutput::Retired { key } = o {
                    retired.push((n, key));
                }
            })
            .expect("sound");
    }
    assert_eq!(retired, [(2, key)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn however_far_one_partition_is_read_ahead_the_incidents_are_the_same(
        chunks in prop::collection::vec(1usize..3_000, 1..6)
    ) {
        static STEADY: OnceLock<Vec<String>> = OnceLock::new();
        let steady = STEADY.get_or_init(|| sentences(&run(&written(&[1]), 100, usize::MAX).told));
        let skewed = sentences(&run(&written(&chunks), 100, usize::MAX).told);
        prop_assert!(steady.len() > 20, "{}", steady.join("\n"));
        for (steady, skewed) in steady.iter().zip(&skewed) {
            prop_assert_eq!(steady, skewed);
        }
        prop_assert_eq!(steady.len(), skewed.len());
    }
}
