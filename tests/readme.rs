//! Owns the README's promises: its tables of settings and metrics are those of the program, its two commands are there.

use std::collections::BTreeSet;
use std::process::Command;

const README: &str = include_str!("../README.md");
const SETTINGS: &str = include_str!("../config/surgewatch.toml");

/// First cells of the table rows under a heading, without their backticks.
fn first_cells(readme: &str, heading: &str) -> BTreeSet<String> {
    let section = readme.split(heading).nth(1).expect("the heading is there");
    let section = section.split("\n## ").next().expect("a section");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split('`').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_setting_is_in_the_configuration_table_and_nothing_else() {
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in SETTINGS.lines() {
        if let Some(name) = line.strip_prefix('[') {
            name.trim_end_matches(']').clone_into(&mut section);
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            keys.insert(format!("{section}.{key}"));
        }
    }
    assert_eq!(first_cells(README, "## Configuration\n"), keys);
}

#[test]
fn every_metric_family_is_in_the_metrics_table_and_nothing_else() {
    let output = Command::new(env!("CARGO_BIN_EXE_surgewatch"))
        .arg("metrics")
        .output()
        .expect("the binary starts");
    let listed = String::from_utf8(output.stdout).expect("text");
    let families = listed
        .lines()
        .filter(|line| line.starts_with("surgewatch_"));
    let families: BTreeSet<String> = families
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    assert_eq!(first_cells(README, "## Metrics\n"), families);
    for (row, other) in [
        ("| `surgewatch_incidents_open`", "| `surgewatch_incidents`"),
        (
            "| `surgewatch_day_arrivals_lower`",
            "| surgewatch_day_arrivals_lower",
        ),
    ] {
        let broken = README.replace(row, other);
        assert_ne!(first_cells(&broken, "## Metrics\n"), families, "{other}");
    }
}

#[test]
fn the_two_commands_stand_alone_in_code_blocks() {
    for command in ["cargo run --release -- demo", "cargo test"] {
        assert!(
            README.contains(&format!("```sh\n{command}\n```")),
            "{command}"
        );
    }
}
