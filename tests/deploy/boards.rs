//! Owns the check of the Grafana dashboards: their shape, and that every metric and label they ask for exists.

use crate::catalog::{Catalog, Labels};
use crate::query;
use crate::{files, text};
use serde_json::Value;
use std::collections::BTreeSet;

/// A query of a dashboard: where it stands, what it asks, and the labels its legend or title names.
pub(crate) struct Asked {
    pub(crate) place: String,
    pub(crate) expr: String,
    names: Vec<String>,
}

/// The dashboards of the repository.
pub(crate) fn all() -> Vec<(String, Value)> {
    let found = files("deploy/grafana/dashboards", "json").into_iter();
    found
        .map(|(name, content)| (name, serde_json::from_str(&content).expect("JSON")))
        .collect()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn word<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

/// Every query of a dashboard: panels, annotations, variables.
pub(crate) fn asked(board: &Value) -> Vec<Asked> {
    let mut found = Vec::new();
    for panel in list(board, "/panels") {
        for target in list(panel, "/targets") {
            found.push(Asked {
                place: format!(
                    "panel {}, query {}",
                    word(panel, "/title"),
                    word(target, "/refId")
                ),
                expr: word(target, "/expr").to_owned(),
                names: query::named_labels(word(target, "/legendFormat")),
            });
        }
    }
    for annotation in list(board, "/annotations/list") {
        let texts = ["/titleFormat", "/textFormat"].map(|text| word(annotation, text));
        found.push(Asked {
            place: format!("annotation {}", word(annotation, "/name")),
            expr: word(annotation, "/expr").to_owned(),
            names: texts.iter().flat_map(|t| query::named_labels(t)).collect(),
        });
    }
    for variable in list(board, "/templating/list") {
        let values = word(variable, "/query/query").strip_prefix("label_values(");
        let inner = values.and_then(|v| v.strip_suffix(')'));
        if let Some((series, label)) = inner.and_then(|v| v.rsplit_once(", ")) {
            found.push(Asked {
                place: format!("variable {}", word(variable, "/name")),
                expr: format!("group by ({label}) ({series})"),
                names: vec![label.to_owned()],
            });
        }
    }
    found
}

/// Units that Grafana knows; `suffix:` stands before one of ours.
const UNITS: [&str; 6] = [
    "none",
    "s",
    "percentunit",
    "bytes",
    "suffix: records/s",
    "ops",
];

fn shape_of_panel(panel: &Value, add: &mut dyn FnMut(&str, &str)) {
    let title = word(panel, "/title");
    if title.is_empty() {
        add("a panel", "no title");
    }
    if word(panel, "/type") == "row" {
        return;
    }
    let description = word(panel, "/description");
    if description.len() < 20 || !description.ends_with('.') {
        add(title, "no description in a sentence");
    }
    if !UNITS.contains(&word(panel, "/fieldConfig/defaults/unit")) {
        add(title, "no unit of those used here");
    }
    // A plain number on an axis is a number of something.
    let is_bare = word(panel, "/type") == "timeseries"
        && word(panel, "/fieldConfig/defaults/unit") == "none"
        && word(panel, "/fieldConfig/defaults/custom/axisLabel").is_empty();
    if is_bare {
        add(title, "an axis that does not say what it counts");
    }
    let targets = list(panel, "/targets");
    if targets.is_empty() {
        add(title, "no query");
    }
    let sources = targets
        .iter()
        .chain([panel])
        .map(|v| word(v, "/datasource/uid"));
    if !sources.clone().all(|uid| uid == "${datasource}") {
        add(
            title,
            "a source of data that is not the variable ${datasource}",
        );
    }
    // What a value looks like hangs on the name of its line.
    let legends: BTreeSet<&str> = targets.iter().map(|t| word(t, "/legendFormat")).collect();
    let is_table = word(panel, "/type") == "table";
    for line in list(panel, "/fieldConfig/overrides") {
        let by_name = word(line, "/matcher/id") == "byName";
        let name = word(line, "/matcher/options");
        if by_name && !is_table && !legends.contains(name) {
            add(
                title,
                &format!("a style for `{name}`, which no query is called"),
            );
        }
    }
}

fn overlaps(panels: &[Value]) -> Option<String> {
    let side = |panel: &Value, name: &str| panel["gridPos"][name].as_u64().unwrap_or(99);
    for (i, a) in panels.iter().enumerate() {
        if side(a, "x") + side(a, "w") > 24 {
            return Some(format!("{} is wider than the page", word(a, "/title")));
        }
        for b in &panels[..i] {
            let apart = |at: &str, length: &str| {
                side(a, at) + side(a, length) <= side(b, at)
                    || side(b, at) + side(b, length) <= side(a, at)
            };
            if !apart("x", "w") && !apart("y", "h") {
                return Some(format!(
                    "{} and {} overlap",
                    word(a, "/title"),
                    word(b, "/title")
                ));
            }
        }
    }
    None
}

/// What is wrong with a dashboard.
fn faults(board: &Value, catalog: &Catalog) -> Vec<String> {
    let mut faults = Vec::new();
    let mut add = |place: &str, what: &str| faults.push(format!("{place}: {what}"));
    for field in ["/title", "/description"] {
        if word(board, field).is_empty() {
            add("dashboard", &format!("no {}", &field[1..]));
        }
    }
    if !word(board, "/uid").starts_with("surgewatch-") {
        add("dashboard", "the uid does not begin with surgewatch-");
    }
    let variables = list(board, "/templating/list");
    if !variables
        .iter()
        .any(|v| v["name"] == "datasource" && v["type"] == "datasource")
    {
        add("dashboard", "no variable datasource");
    }
    let panels = list(board, "/panels");
    let mut seen = BTreeSet::new();
    for panel in panels {
        shape_of_panel(panel, &mut add);
        for mark in [panel["id"].to_string(), word(panel, "/title").to_owned()] {
            if !seen.insert(mark.clone()) {
                add(word(panel, "/title"), &format!("{mark} is there twice"));
            }
        }
    }
    if let Some(overlap) = overlaps(panels) {
        add("dashboard", &overlap);
    }
    for asked in asked(board) {
        for name in names_of_variables(&asked.expr) {
            let is_known = name.starts_with("__") || variables.iter().any(|v| v["name"] == name);
            if !is_known {
                add(
                    &asked.place,
                    &format!("the variable ${name} is not defined"),
                );
            }
        }
        match query::parse(&asked.expr).and_then(|expr| query::labels(&expr, catalog)) {
            Err(fault) => add(&asked.place, &fault),
            Ok(labels) => {
                let labels: Labels = labels.unwrap_or_default();
                for name in asked.names.iter().filter(|name| !labels.contains(*name)) {
                    add(
                        &asked.place,
                        &format!("names the label {name}, which the result lacks"),
                    );
                }
            }
        }
    }
    faults
}

fn names_of_variables(query: &str) -> Vec<String> {
    let after = query.split('$').skip(1);
    after
        .map(|rest| {
            rest.chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        })
        .collect()
}

#[test]
fn every_panel_asks_for_what_is_exported_and_explains_itself() {
    let catalog = Catalog::of_this_build();
    let mut uids = BTreeSet::new();
    for (file, board) in all() {
        assert_eq!(faults(&board, &catalog), [""; 0], "{file}");
        assert!(
            uids.insert(board["uid"].to_string()),
            "{file}: its uid is there twice"
        );
    }
    for variable in ["country", "corridor", "crossing", "stream"] {
        let board: Value =
            serde_json::from_str(&text("deploy/grafana/dashboards/overview.json")).expect("JSON");
        let variables = list(&board, "/templating/list");
        assert!(
            variables.iter().any(|v| v["name"] == variable),
            "{variable}"
        );
    }
}

#[test]
fn every_family_is_on_a_dashboard() {
    let catalog = Catalog::of_this_build();
    let boards = all();
    let asked = boards.iter().flat_map(|(_, board)| asked(board));
    let selected = asked.flat_map(|asked| {
        let expr = query::parse(&asked.expr).expect("checked elsewhere");
        query::selectors(&expr)
    });
    let seen: BTreeSet<String> = selected
        .filter_map(|s| s.split('{').next().map(str::to_owned))
        .collect();
    // Of a histogram the buckets are enough.
    let is_part = |name: &str| {
        let whole = name.strip_suffix("_sum").or(name.strip_suffix("_count"));
        whole.is_some_and(|whole| seen.contains(&format!("{whole}_bucket")))
    };
    let unseen = catalog.0.keys();
    let unseen: Vec<&String> = unseen
        .filter(|name| !seen.contains(*name) && !is_part(name))
        .collect();
    assert_eq!(unseen, Vec::<&String>::new());
}

#[test]
fn broken_dashboards_are_found() {
    let catalog = Catalog::of_this_build();
    let whole = text("deploy/grafana/dashboards/crossing.json");
    let broken = |from: &str, to: &str| -> Value {
        assert!(whole.contains(from), "{from}");
        serde_json::from_str(&whole.replacen(from, to, 1)).expect("still JSON")
    };
    for (board, fault) in [
        (
            broken(
                "max(surgewatch_day_arrivals_upper{",
                "max(surgewatch_day_upper{",
            ),
            "surgewatch_day_upper is not exported",
        ),
        (
            broken("{crossing=\\\"$crossing\\\"", "{gate=\\\"$crossing\\\""),
            "has no label gate",
        ),
        (
            broken("stream=\\\"$stream\\\"", "stream=\\\"$flow\\\""),
            "the variable $flow is not defined",
        ),
        (broken("\"unit\": \"s\"", "\"unit\": \"\""), "no unit"),
        (
            broken("\"description\": \"Evidence of", "\"notes\": \"Evidence of"),
            "Evidence: no description",
        ),
        (
            broken("\"axisLabel\": \"arrivals\"", "\"axisLabel\": \"\""),
            "does not say what it counts",
        ),
        (
            broken("\"title\": \"Evidence\"", "\"title\": \"\""),
            "no title",
        ),
        (
            broken("{{direction}}, {{lens}}", "{{side}}"),
            "the label side",
        ),
        (
            broken("\"uid\": \"surgewatch-crossing\"", "\"uid\": \"x\""),
            "the uid",
        ),
        (
            broken(
                "\"options\": \"arrivals so far\"",
                "\"options\": \"arrivals\"",
            ),
            "which no query is called",
        ),
    ] {
        let found = faults(&board, &catalog);
        assert!(
            found.iter().any(|f| f.contains(fault)),
            "{fault}: {found:?}"
        );
    }
    let less = catalog.without("surgewatch_feed_blind");
    assert!(!faults(&broken("Evidence of", "Evidence for"), &less).is_empty());
}
