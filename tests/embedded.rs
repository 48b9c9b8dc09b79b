//! Owns the demo seen from outside: the binary plays Finland 2023 on the embedded broker, and the alert topic tells the dates.

use std::collections::BTreeMap;
use std::process::Command;

fn first_alerts(lines: &str) -> BTreeMap<String, String> {
    let mut first = BTreeMap::new();
    for line in lines.lines() {
        let alert: serde_json::Value = serde_json::from_str(line).expect("one alert a line");
        if alert["transition"] == "opened" && alert["alert_id"].is_string() {
            let text = |field: &str| alert[field].as_str().expect("a text").to_owned();
            let day = text("as_of")[..10].to_owned();
            let earliest = first.entry(text("crossing")).or_insert(day.clone());
            *earliest = day.min(earliest.clone());
        }
    }
    first
}

fn demo(more: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_surgewatch"))
        .args(["demo", "--speed", "20", "--set", "http.listen=127.0.0.1:0"])
        .args(more)
        .output()
        .expect("the binary starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_picture_in_the_readme_is_what_the_demo_prints() {
    let readme = include_str!("../README.md");
    let (_, picture) = readme.split_once("```text\n").expect("a picture");
    let (picture, _) = picture.split_once("```").expect("its end");
    let shown = demo(&[]);
    let shown: Vec<&str> = shown.lines().map(str::trim_end).collect();
    for line in picture.lines().filter(|line| *line != "...") {
        assert!(shown.contains(&line), "not in the demo's output: {line}");
    }
}

#[test]
fn the_demo_tells_what_an_incident_is_like_whenever_that_changes() {
    let shown = demo(&[]);
    let days = shown.lines().zip(shown.lines().skip(1));
    let days = days.filter(|(head, _)| head.contains("INCIDENT   updated"));
    let likened = days.map(|(_, said)| said.split_once("By its numbers it ").expect("a likeness"));
    let likened: Vec<&str> = likened.map(|(_, said)| said).collect();
    let [first, .., last] = likened[..] else {
        panic!("it changes: {likened:?}");
    };
    assert!(
        first.starts_with(
            "is not clear what it looks like; the nearest is Finland in the autumn of 2023"
        ),
        "{first}"
    );
    assert!(
        last.starts_with("looks most like Finland in the autumn of 2023"),
        "{last}"
    );
}

#[test]
fn the_demo_raises_its_first_alerts_on_the_published_days_and_none_before() {
    let first = first_alerts(&demo(&["--json"]));
    let southeast = ["fi-vaalimaa", "fi-nuijamaa", "fi-imatra"];
    let southeast = southeast.iter().filter_map(|id| first.get(*id)).min();
    assert_eq!(
        southeast.map(String::as_str),
        Some("2023-11-13"),
        "{first:?}"
    );
    assert!(first["fi-vartius"].as_str() <= "2023-11-18", "{first:?}");
    assert_eq!(first["fi-salla"], "2023-11-20", "{first:?}");
    assert_eq!(first["fi-raja-jooseppi"], "2023-11-25", "{first:?}");
    assert!(
        first.values().all(|day| day.as_str() >= "2023-11-13"),
        "{first:?}"
    );
}
