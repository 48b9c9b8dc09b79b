//! Owns how an explanation is written: as a table for a person, as JSON for a program.

use super::compare::Difference;
use super::verdict::{Checked, Explanation, Finding};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Columns of the table of changes.
const COLUMNS: [&str; 10] = [
    "#",
    "as of",
    "change",
    "severity",
    "bucket",
    "observed",
    "expected",
    "usual",
    "ln evidence (limit)",
    "decided by",
];

/// A table of the changes, how the evidence came, and every difference.
#[must_use]
pub fn as_text(found: &Explanation) -> String {
    let mut out = String::new();
    let known = &found.known;
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{}: {} records on {}",
        found.id,
        found.changes.iter().filter(|c| c.told.is_some()).count(),
        known.alerts
    );
    let _ = writeln!(out, "{}\n", reach(found));
    let rows: Vec<[String; 10]> = found.changes.iter().map(row).collect();
    out.push_str(&table(&rows));
    for checked in &found.changes {
        let said = record(checked)["summary"].as_str().unwrap_or_default();
        let _ = writeln!(out, "\n#{} {said}", number(checked));
        out.push_str(&trail(checked));
        out.push_str(&faults(checked));
    }
    for (name, differences) in &found.wrong_buckets {
        let _ = writeln!(
            out,
            "\nThe count of the {name} is not as recomputed:{}",
            if differences.is_empty() {
                " the counts topic lacks it"
            } else {
                ""
            }
        );
        out.push_str(&lines(differences));
    }
    for maker in &found.made_by_others {
        let _ = writeln!(
            out,
            "\nSome records were made with {maker}; recomputed with settings {}, version {}. Where numbers differ, take the settings and the version of that time.",
            known.config,
            env!("CARGO_PKG_VERSION")
        );
    }
    let _ = writeln!(out, "\n{}", verdict(found));
    out
}

/// What it was recomputed from.
fn reach(found: &Explanation) -> String {
    let known = &found.known;
    let from = format!("{} partition {}", known.input, known.partition);
    if known.is_whole() {
        return format!(
            "Recomputed from {from}, from its first record on: {} records.",
            found.records
        );
    }
    format!(
        "{from} begins at offset {}: retention has taken what was before, and evidence rests on all of it, so it cannot be recomputed. What is left ({} records) gives the arrivals of buckets that began later, and the counts topic what was expected in closed ones; these are checked.",
        known.first, found.records
    )
}

/// The verdict in one sentence.
fn verdict(found: &Explanation) -> String {
    let told = found.changes.len();
    match found.faults() {
        0 if found.known.is_whole() && found.buckets > 0 => format!(
            "All {told} records are as recomputed, and so are the {} counts before them.",
            found.buckets
        ),
        0 if found.known.is_whole() => format!("All {told} records are as recomputed."),
        0 => {
            let is_checked = |c: &&Checked| !matches!(&c.finding, Finding::Part(f) if f.is_empty());
            let checked = found.changes.iter().filter(is_checked).count();
            format!(
                "Of {told} records {checked} could be checked in part, and are as they should be."
            )
        }
        1 => "1 record is NOT as recomputed.".to_owned(),
        faults => format!("{faults} records are NOT as recomputed."),
    }
}

/// What a change says: as told, or as it follows where it is untold.
fn record(checked: &Checked) -> &Value {
    let told = checked.told.as_ref().map(|told| &told.value);
    let change = checked.change.as_ref().map(|change| &change.value);
    told.or(change).unwrap_or(&Value::Null)
}

fn number(checked: &Checked) -> u64 {
    record(checked)["sequence"].as_u64().unwrap_or_default()
}

fn row(checked: &Checked) -> [String; 10] {
    let record = record(checked);
    // An incident has the sum of its last day.
    let numbers = match &record["total"] {
        Value::Null => record,
        total => total,
    };
    [
        number(checked).to_string(),
        minute(&record["as_of"]),
        shown(&record["transition"]),
        shown(&record["severity"]),
        bucket(record),
        shown(&numbers["observed"]),
        shown(&numbers["expected"]),
        usual(record),
        evidence(checked),
        source(&record["source"]),
    ]
}

fn bucket(record: &Value) -> String {
    let bucket = &record["bucket"];
    if bucket.is_null() {
        return shown(&record["day"]);
    }
    let start = minute(&bucket["start"]);
    let when = match record["lens"].as_str() {
        Some("hour") => start.as_str(),
        _ => start.get(..10).unwrap_or_default(),
    };
    let state = match (bucket["closed"] == true, bucket["exposure"].as_f64()) {
        (false, _) => ", so far",
        (true, Some(exposure)) if exposure <= 0.0 => ", shut",
        (true, _) => "",
    };
    format!("{} {when}{state}", shown(&record["lens"]))
}

fn usual(record: &Value) -> String {
    let interval = &record["interval"];
    if interval.is_null() {
        return String::new();
    }
    format!(
        "{}-{}",
        shown(&interval["lower"]),
        shown(&interval["upper"])
    )
}

fn evidence(checked: &Checked) -> String {
    let evidence = shown(&record(checked)["evidence"]["log_sr"]);
    match checked.change.as_ref().and_then(|change| change.limit) {
        Some(limit) => format!("{evidence} ({limit})"),
        None => evidence,
    }
}

/// The record that decided.
fn source(source: &Value) -> String {
    let at = format!(
        "{}/{}",
        shown(&source["topic"]),
        shown(&source["partition"])
    );
    match source["offset"].as_i64() {
        Some(offset) => format!("{at} offset {offset}"),
        None => format!("{at}, time passing"),
    }
}

/// The buckets before a change that opened or reopened, oldest first: how the evidence came.
fn trail(checked: &Checked) -> String {
    let record = record(checked);
    let begins = matches!(
        record["transition"].as_str(),
        Some("opened" | "reopened" | "escalated")
    );
    let change = checked.change.as_ref();
    let Some(change) = change.filter(|change| begins && !change.trail.is_empty()) else {
        return String::new();
    };
    let field = match record["direction"].as_str() {
        Some("drop") => "log_evidence_drop",
        _ => "log_evidence_rise",
    };
    let mut rows: Vec<[String; 5]> = change
        .trail
        .iter()
        .map(|count| {
            [
                bucket(&with_lens(count)),
                shown(&count["observed"]),
                shown(&count["expected"]),
                usual(count),
                shown(&count[field]),
            ]
        })
        .collect();
    rows.push([
        bucket(record),
        shown(&record["observed"]),
        shown(&record["expected"]),
        usual(record),
        evidence(checked),
    ]);
    let head = ["    ", "observed", "expected", "usual", "ln evidence"];
    let indented = rows.into_iter().map(|mut row| {
        row[0] = format!("    {}", row[0]);
        row
    });
    let rows: Vec<[String; 5]> = indented.collect();
    columns(&head, &rows)
}

/// Counts are of closed buckets.
fn with_lens(count: &Value) -> Value {
    let mut bucket = count["bucket"].clone();
    bucket["closed"] = true.into();
    json!({ "lens": count["lens"], "bucket": bucket })
}

fn faults(checked: &Checked) -> String {
    match &checked.finding {
        Finding::Same => String::new(),
        Finding::Part(fields) if fields.is_empty() => {
            "    Nothing is left to hold it against.\n".to_owned()
        }
        Finding::Part(fields) => format!("    As told: {}.\n", fields.join(", ")),
        Finding::Differs(differences) => {
            format!("    NOT as recomputed:\n{}", lines(differences))
        }
        Finding::Unfounded => "    NOT FOUNDED: no record of the input gives it.\n".to_owned(),
        Finding::Untold => {
            "    NOT TOLD: it follows from the input, and the topic lacks it.\n".to_owned()
        }
        Finding::Repeated => {
            "    TOLD TWICE: the topic has this sequence number before.\n".to_owned()
        }
    }
}

fn lines(differences: &[Difference]) -> String {
    differences.iter().fold(String::new(), |mut out, one| {
        let _ = writeln!(
            out,
            "      {}: told {}, recomputed {}",
            one.field, one.told, one.recomputed
        );
        out
    })
}

fn table(rows: &[[String; 10]]) -> String {
    columns(&COLUMNS, rows)
}

/// Cells under a head, columns as wide as their widest cell; a column without any cell is left out.
fn columns<const N: usize>(head: &[&str; N], rows: &[[String; N]]) -> String {
    let width = |n: usize| {
        let cells = rows.iter().map(|row| row[n].chars().count());
        let widest = cells.max().unwrap_or(0);
        (widest > 0).then(|| widest.max(head[n].chars().count()))
    };
    let widths: Vec<Option<usize>> = (0..N).map(width).collect();
    let line = |cell: &dyn Fn(usize) -> String| {
        let cells = widths.iter().enumerate();
        let cells = cells.filter_map(|(n, width)| Some(format!("{:<w$}", cell(n), w = (*width)?)));
        let cells: Vec<String> = cells.collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    let mut out = line(&|n| head[n].to_owned());
    for row in rows {
        out.push_str(&line(&|n| row[n].clone()));
    }
    out
}

/// "2023-11-18T14:13:00+02:00" as "2023-11-18 14:13".
fn minute(time: &Value) -> String {
    let text = time.as_str().unwrap_or_default();
    text.get(..16).unwrap_or(text).replace('T', " ")
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The same for a program.
#[must_use]
pub fn as_json(found: &Explanation) -> Value {
    let known = &found.known;
    let changes = found.changes.iter().map(|checked| {
        let mut shown = json!({
            "sequence": number(checked),
            "finding": name(&checked.finding),
        });
        if let Some(told) = &checked.told {
            shown["told"] = told.value.clone();
            shown["at"] = json!({ "topic": known.alerts, "partition": told.partition, "offset": told.offset });
        }
        if let Some(change) = &checked.change {
            shown["recomputed"] = change.value.clone();
            shown["limit_log_sr"] = json!(change.limit);
            shown["buckets"] = json!(change.trail);
        }
        match &checked.finding {
            Finding::Differs(differences) => shown["differences"] = listed(differences),
            Finding::Part(fields) => shown["fields"] = json!(fields),
            _ => {}
        }
        shown
    });
    let buckets = found.wrong_buckets.iter();
    let buckets: Vec<Value> = buckets
        .map(|(name, differences)| json!({ "bucket": name, "differences": listed(differences) }))
        .collect();
    json!({
        "id": found.id,
        "agrees": found.faults() == 0,
        "input": {
            "topic": known.input,
            "partition": known.partition,
            "first_offset": known.first,
            "is_whole": known.is_whole(),
            "records": found.records,
        },
        "config": known.config,
        "version": env!("CARGO_PKG_VERSION"),
        "made_by_others": found.made_by_others,
        "changes": changes.collect::<Vec<_>>(),
        "counts_compared": found.buckets,
        "wrong_counts": buckets,
    })
}

fn name(finding: &Finding) -> &'static str {
    match finding {
        Finding::Same => "same",
        Finding::Part(_) => "part",
        Finding::Differs(_) => "differs",
        Finding::Unfounded => "unfounded",
        Finding::Untold => "untold",
        Finding::Repeated => "repeated",
    }
}

fn listed(differences: &[Difference]) -> Value {
    let each = differences
        .iter()
        .map(|one| json!({ "field": one.field, "told": one.told, "recomputed": one.recomputed }));
    each.collect::<Vec<_>>().into()
}
