//! Owns the verdict: each record that was told is held against the change that follows from the input, or against what is left.

use super::compare::{Difference, differences};
use super::incident::IncidentRecomputation;
use super::recompute::{Change, Recomputation};
use super::recount::Recount;
use crate::core::ids::Offset;
use crate::core::time::EventTime;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A record of the alert or incident as it was told.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Partition of the alert topic.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// Its JSON.
    pub value: Value,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Topic that told it.
    pub alerts: String,
    /// Whether that topic still holds its first records.
    pub alerts_are_whole: bool,
    /// Topic it is recomputed from.
    pub input: String,
    /// Its partition.
    pub partition: i32,
    /// First offset that is left there.
    pub first: i64,
    /// Fingerprint of the settings it was recomputed with.
    pub config: String,
}

impl Known {
    /// Whether the input reaches back to its beginning: only then does all that was learnt follow from it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.first == 0
    }
}

/// Count records of the series as they were told.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Whether the topic still holds its first records.
    are_whole: bool,
    records: Vec<Value>,
    by_place: BTreeMap<Place, usize>,
}

/// Lens, first moment and revision of a bucket.
type Place = (String, String, u64);

/// How a record stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// Every field is as recomputed.
    Same,
    /// The beginning of the input is gone. These fields follow from what is left, and are as told.
    Part(Vec<&'static str>),
    /// Fields are not as recomputed.
    Differs(Vec<Difference>),
    /// Nothing in the input gives it.
    Unfounded,
    /// It follows from the input, and the topic lacks it.
    Untold,
    /// The topic has its sequence number a second time.
    Repeated,
}

impl Finding {
    /// Whether it is as it should be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Same | Self::Part(_))
    }
}

/// A change as it was told and as it follows.
#[derive(Debug, Clone)]
pub struct Checked {
    /// As it was told; none of what is untold.
    pub told: Option<Told>,
    /// As it follows from the input; none where nothing gives it, or the input has lost its beginning.
    pub change: Option<Change>,
    /// How it stands.
    pub finding: Finding,
}

/// An alert or incident recomputed.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// Its id.
    pub id: String,
    /// What was read.
    pub known: Known,
    /// Records of the input it was recomputed from.
    pub records: u64,
    /// Its changes, by sequence.
    pub changes: Vec<Checked>,
    /// Count records of the last buckets that were held against the counts topic.
    pub buckets: usize,
    /// Those that differ: the lens and first moment, and in what.
    pub wrong_buckets: Vec<(String, Vec<Difference>)>,
    /// Settings and versions that records were made with, where they are others than now.
    pub made_by_others: BTreeSet<String>,
}

impl Explanation {
    /// Number of records that are not as recomputed.
    #[must_use]
    pub fn faults(&self) -> usize {
        let changes = self.changes.iter().filter(|c| !c.finding.is_good());
        changes.count() + self.wrong_buckets.len()
    }
}

impl Recomputation {
    /// The end of the records: what was told is held against what follows from them.
    #[must_use]
    pub fn explain(self, id: &str, known: Known, told: Vec<Told>, counts: &Counts) -> Explanation {
        let done = self.end();
        if !known.is_whole() {
            let check = |told: &Told| left_over(told, &done.recount, counts);
            return part(id, known, told, done.records, check);
        }
        let mut found = whole(id, known, told, done.records, done.changes);
        let trails = found.changes.iter().filter_map(|c| c.change.as_ref());
        let mut seen = BTreeSet::new();
        for bucket in trails.flat_map(|change| &change.trail) {
            let place = place(bucket);
            if !seen.insert(place.clone()) {
                continue;
            }
            let Some(told) = counts.at(&place) else {
                if counts.are_whole {
                    let name = format!("{} {}", place.0, place.1);
                    found.wrong_buckets.push((name, Vec::new()));
                }
                continue;
            };
            found.buckets += 1;
            let differences = told_apart(told, bucket);
            if !differences.is_empty() {
                let name = format!("{} {}", place.0, place.1);
                found.wrong_buckets.push((name, differences));
            }
        }
        found
    }
}

impl IncidentRecomputation {
    /// The end of the log: what was told is held against what follows from it.
    #[must_use]
    pub fn explain(self, id: &str, known: Known, told: Vec<Told>) -> Explanation {
        let (changes, records) = self.end();
        if known.is_whole() {
            whole(id, known, told, records, changes)
        } else {
            part(id, known, told, records, |_| (Vec::new(), Vec::new()))
        }
    }
}

/// Pairs what was told with what follows, by sequence.
fn whole(
    id: &str,
    known: Known,
    mut told: Vec<Told>,
    records: u64,
    changes: Vec<Change>,
) -> Explanation {
    let mut found = Explanation::new(id, known, &told, records);
    let mut left: BTreeMap<u64, Change> = BTreeMap::new();
    for change in changes {
        left.insert(sequence(&change.value), change);
    }
    told.sort_by_key(|told| (sequence(&told.value), told.partition, told.offset));
    let first = told.first().map(|told| sequence(&told.value));
    let mut last = None;
    for told in told {
        let sequence = sequence(&told.value);
        let is_again = last.replace(sequence) == Some(sequence);
        let change = left.remove(&sequence).filter(|_| !is_again);
        let finding = match &change {
            _ if is_again => Finding::Repeated,
            None => Finding::Unfounded,
            Some(change) => compared(&told, change),
        };
        found.changes.push(Checked {
            told: Some(told),
            change,
            finding,
        });
    }
    for (sequence, change) in left {
        let is_gone = first.is_some_and(|first| sequence < first) && !found.known.alerts_are_whole;
        if !is_gone {
            found.changes.push(Checked {
                told: None,
                change: Some(change),
                finding: Finding::Untold,
            });
        }
    }
    let number = |checked: &Checked| {
        let told = checked.told.as_ref().map(|told| &told.value);
        let change = checked.change.as_ref().map(|change| &change.value);
        told.or(change).map(sequence)
    };
    found.changes.sort_by_key(number);
    found
}

/// Holds what was told against what is left of an input that has lost its beginning.
fn part(
    id: &str,
    known: Known,
    mut told: Vec<Told>,
    records: u64,
    check: impl Fn(&Told) -> (Vec<&'static str>, Vec<Difference>),
) -> Explanation {
    let mut found = Explanation::new(id, known, &told, records);
    told.sort_by_key(|told| (sequence(&told.value), told.partition, told.offset));
    let mut last = None;
    for told in told {
        let sequence = sequence(&told.value);
        let (good, differences) = check(&told);
        let finding = match last.replace(sequence) {
            Some(before) if before == sequence => Finding::Repeated,
            _ if differences.is_empty() => Finding::Part(good),
            _ => Finding::Differs(differences),
        };
        found.changes.push(Checked {
            told: Some(told),
            change: None,
            finding,
        });
    }
    found
}

/// The arrivals that are left give the count of a late enough bucket; the counts topic gives what was expected of a closed one.
fn left_over(
    told: &Told,
    recount: &Recount,
    counts: &Counts,
) -> (Vec<&'static str>, Vec<Difference>) {
    let value = &told.value;
    let (mut good, mut wrong) = (Vec::new(), Vec::new());
    let mut hold = |field: &'static str, told: &Value, other: Value| {
        if *told == other {
            good.push(field);
        } else {
            wrong.push(Difference {
                field: field.to_owned(),
                told: told.clone(),
                recomputed: other,
            });
        }
    };
    let bucket = &value["bucket"];
    let span = moment(&bucket["start"]).zip(moment(&bucket["end"]));
    let until = value["source"]["offset"].as_i64();
    let observed = span
        .zip(until)
        .and_then(|((start, end), until)| recount.observed(start, end, Offset(until)));
    if let Some(observed) = observed {
        hold("observed", &value["observed"], observed.into());
    }
    if let Some(count) = counts.behind(value) {
        let evidence = match value["direction"].as_str() {
            Some("drop") => &count["log_evidence_drop"],
            _ => &count["log_evidence_rise"],
        };
        hold("expected", &value["expected"], count["expected"].clone());
        hold("interval", &value["interval"], count["interval"].clone());
        let log_sr = &value["evidence"]["log_sr"];
        hold("evidence.log_sr", log_sr, evidence.clone());
        if observed.is_none() {
            hold("observed", &value["observed"], count["observed"].clone());
        }
    }
    (good, wrong)
}

fn compared(told: &Told, change: &Change) -> Finding {
    let mut found = told_apart(&told.value, &change.value);
    for (name, recomputed) in &change.headers {
        let value = told.headers.get(name);
        if value != Some(recomputed) {
            found.push(Difference {
                field: format!("header {name}"),
                told: value.cloned().into(),
                recomputed: recomputed.as_str().into(),
            });
        }
    }
    if found.is_empty() {
        Finding::Same
    } else {
        Finding::Differs(found)
    }
}

/// Differences of two records, but for what made them, and a timestamp that was ahead of the clock of the daemon: it counts
/// as that clock's.
fn told_apart(told: &Value, recomputed: &Value) -> Vec<Difference> {
    let mut found = differences(told, recomputed);
    let is_ahead = |d: &Difference| {
        let (told, recorded) = (moment(&d.told), moment(&d.recomputed));
        d.field == "known_at" && told.is_some() && told < recorded
    };
    found.retain(|d| {
        let is_maker = matches!(d.field.as_str(), "source.config" | "source.version");
        !is_maker && !is_ahead(d)
    });
    found
}

impl Explanation {
    fn new(id: &str, known: Known, told: &[Told], records: u64) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let makers = told.iter().filter_map(|told| {
            let source = &told.value["source"];
            let (config, by) = (source["config"].as_str()?, source["version"].as_str()?);
            let is_other = (config, by) != (known.config.as_str(), version);
            is_other.then(|| format!("settings {config}, version {by}"))
        });
        Self {
            id: id.to_owned(),
            made_by_others: makers.collect(),
            known,
            records,
            changes: Vec::new(),
            buckets: 0,
            wrong_buckets: Vec::new(),
        }
    }
}

impl Counts {
    /// None yet, of a topic that still holds its first records, or not.
    #[must_use]
    pub fn new(are_whole: bool) -> Self {
        Self {
            are_whole,
            ..Self::default()
        }
    }

    /// Takes a count record of the series.
    pub fn add(&mut self, record: Value) {
        self.by_place.insert(place(&record), self.records.len());
        self.records.push(record);
    }

    fn at(&self, place: &Place) -> Option<&Value> {
        self.by_place.get(place).map(|at| &self.records[*at])
    }

    /// The count record that an alert's change came with: of its closed bucket, told at the same moment by the same record.
    fn behind(&self, alert: &Value) -> Option<&Value> {
        if alert["bucket"]["closed"] != true {
            return None;
        }
        let mut behind = self.records.iter().rev();
        behind.find(|count| {
            count["lens"] == alert["lens"]
                && count["bucket"]["start"] == alert["bucket"]["start"]
                && count["as_of"] == alert["as_of"]
                && count["source"]["offset"] == alert["source"]["offset"]
        })
    }
}

fn place(count: &Value) -> Place {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let revision = count["revision"].as_u64().unwrap_or_default();
    (
        text(&count["lens"]),
        text(&count["bucket"]["start"]),
        revision,
    )
}

fn sequence(record: &Value) -> u64 {
    record["sequence"].as_u64().unwrap_or_default()
}

fn moment(text: &Value) -> Option<EventTime> {
    let moment: Timestamp = text.as_str()?.parse().ok()?;
    Some(EventTime(moment.as_millisecond()))
}
