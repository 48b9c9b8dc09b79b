//! Owns the check of Prometheus' rules and of Alertmanager's settings: every metric and label exists, every rule says what to do.

use crate::catalog::Catalog;
use crate::query;
use crate::{files, text};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// A file of rules.
#[derive(Debug, Deserialize)]
pub(crate) struct File {
    pub(crate) groups: Vec<Group>,
}

/// A group of rules.
#[derive(Debug, Deserialize)]
pub(crate) struct Group {
    pub(crate) rules: Vec<Rule>,
}

/// One alerting rule.
#[derive(Debug, Deserialize)]
pub(crate) struct Rule {
    pub(crate) alert: String,
    pub(crate) expr: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

/// The rules of the repository, by file.
pub(crate) fn all() -> Vec<(String, String)> {
    files("deploy/prometheus/rules", "yml")
}

/// The rules in a file's text.
pub(crate) fn parsed(file: &str) -> Vec<Rule> {
    let file: File = serde_yaml_ng::from_str(file).expect("rules are YAML of a known shape");
    file.groups.into_iter().flat_map(|g| g.rules).collect()
}

/// What is wrong with rules, given the unit tests of all of them.
fn faults(file: &str, tests: &str, catalog: &Catalog) -> Vec<String> {
    let mut faults = Vec::new();
    for rule in parsed(file) {
        let mut add = |what: String| faults.push(format!("{}: {what}", rule.alert));
        let expr = query::parse(&rule.expr);
        match expr.and_then(|expr| query::labels(&expr, catalog)) {
            Err(fault) => add(fault),
            Ok(labels) => {
                // `absent` gives what its selection demands.
                let is_absent = rule.expr.starts_with("absent(");
                let labels = labels.filter(|_| !is_absent).unwrap_or_default();
                let named = rule.annotations.values();
                for label in named.flat_map(|text| query::named_labels(text)) {
                    if !labels.contains(&label) && !rule.labels.contains_key(&label) {
                        add(format!(
                            "a text names the label {label}, which the result lacks"
                        ));
                    }
                }
            }
        }
        for (label, values) in [
            ("severity", &["page", "ticket", "info"][..]),
            ("audience", &["border", "operations"]),
        ] {
            if !rule
                .labels
                .get(label)
                .is_some_and(|v| values.contains(&v.as_str()))
            {
                add(format!("{label} is not one of {}", values.join(", ")));
            }
        }
        for annotation in ["summary", "description", "runbook"] {
            if rule
                .annotations
                .get(annotation)
                .is_none_or(|text| text.len() < 20)
            {
                add(format!("no {annotation}"));
            }
        }
        let fires = format!(
            "ALERTS{{alertname=\"{}\", alertstate=\"firing\"",
            rule.alert
        );
        if !tests.contains(&fires) {
            add("no unit test in which it fires".into());
        }
    }
    faults
}

fn unit_tests() -> String {
    let tests = files("deploy/prometheus/tests", "yml").into_iter();
    tests.map(|(_, content)| content).collect()
}

#[test]
fn every_rule_asks_for_what_is_exported_and_says_what_to_do() {
    let (catalog, tests) = (Catalog::of_this_build(), unit_tests());
    let mut names = BTreeSet::new();
    for (file, content) in all() {
        assert_eq!(faults(&content, &tests, &catalog), [""; 0], "{file}");
        for rule in parsed(&content) {
            assert!(names.insert(rule.alert.clone()), "{} twice", rule.alert);
        }
    }
    let alertmanager = text("deploy/alertmanager/alertmanager.yml");
    let words = alertmanager.split(|c: char| !c.is_alphanumeric());
    for word in words.filter(|w| w.starts_with("Surgewatch") || w.starts_with("Border")) {
        assert!(
            names.contains(word),
            "alertmanager.yml names {word}, which is no rule"
        );
    }
}

#[test]
fn broken_rules_are_found() {
    let (catalog, tests) = (Catalog::of_this_build(), unit_tests());
    let daemon = text("deploy/prometheus/rules/daemon.yml");
    let broken = |from: &str, to: &str| {
        assert!(daemon.contains(from), "{from}");
        daemon.replacen(from, to, 1)
    };
    for (rules, fault) in [
        (
            broken("surgewatch_consumer_lag_records", "surgewatch_lag"),
            "surgewatch_lag is not exported",
        ),
        (
            broken("phase=\"restoring\"", "step=\"restoring\""),
            "has no label step",
        ),
        (
            broken("sum by (reason)", "sum by (cause)"),
            "has no label cause",
        ),
        (
            broken("{{ $labels.instance }}", "{{ $labels.host }}"),
            "the label host",
        ),
        (broken("        runbook:", "        notes:"), "no runbook"),
        (
            broken("severity: page", "severity: loud"),
            "severity is not one of",
        ),
        (
            broken("alert: SurgewatchLag", "alert: SurgewatchSlow"),
            "no unit test",
        ),
        (broken("expr: up{", "expr: up{{"), "up{{"),
    ] {
        let found = faults(&rules, &tests, &catalog);
        assert!(
            found.iter().any(|f| f.contains(fault)),
            "{fault}: {found:?}"
        );
    }
    let less = catalog.without("surgewatch_worker_phase");
    assert!(!faults(&daemon, &tests, &less).is_empty());
}
