//! Owns the audit of the bundled replays: events counted from their JSON, against the published totals of the file.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read what it checks has failed"
)]

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use surgewatch::replay::{self, Problem, Replay, ReplayError, Scenario};

/// An arrival as a reader of the topic sees it; the day and time are those written in the event.
struct Arrival {
    crossing: String,
    stream: String,
    moment: DateTime,
    count: u32,
}

fn finland() -> (Scenario, Replay) {
    let scenario = replay::load(include_str!("../config/replays/finland-2023.toml")).unwrap();
    let replay = scenario.expand();
    (scenario, replay)
}

fn bundled() -> impl Iterator<Item = (Scenario, Replay)> {
    replay::bundled().iter().map(|(_, text)| {
        let scenario = replay::load(text).unwrap();
        let replay = scenario.expand();
        (scenario, replay)
    })
}

fn arrivals(replay: &Replay) -> Vec<Arrival> {
    let bodies = replay
        .events
        .iter()
        .map(|e| serde_json::from_str::<Value>(&e.json).unwrap());
    bodies
        .filter(|body| body["type"] == "arrival")
        .map(|body| Arrival {
            crossing: body["crossing"].as_str().unwrap().to_owned(),
            stream: body["stream"].as_str().unwrap().to_owned(),
            moment: strtime::parse("%Y-%m-%dT%H:%M:%S%:z", body["time"].as_str().unwrap())
                .unwrap()
                .to_datetime()
                .unwrap(),
            count: body["count"].as_u64().unwrap().try_into().unwrap(),
        })
        .collect()
}

/// Arrivals at some crossings (none named: all) from the start of a day up to a moment.
fn count(
    arrivals: &[Arrival],
    places: &[String],
    stream: &str,
    from: Date,
    until: DateTime,
) -> u32 {
    let since = from.at(0, 0, 0, 0);
    let counted = arrivals
        .iter()
        .filter(|a| a.stream == stream && (places.is_empty() || places.contains(&a.crossing)));
    counted
        .filter(|a| since <= a.moment && a.moment < until)
        .map(|a| a.count)
        .sum()
}

fn after(day: Date) -> DateTime {
    day.tomorrow().unwrap().at(0, 0, 0, 0)
}

fn at(day: Date, minutes: u16) -> DateTime {
    day.at(0, 0, 0, 0)
        .saturating_add(jiff::SignedDuration::from_mins(minutes.into()))
}

/// A table of what was published and what the events add up to, and whether every row agrees.
#[derive(Default)]
struct Table {
    rows: String,
    differs: bool,
}

impl Table {
    fn row(&mut self, name: &str, published: u32, counted: u32) {
        self.differs |= published != counted;
        let mark = if published == counted {
            ""
        } else {
            "  <-- differs"
        };
        self.rows
            .push_str(&format!("{name:<48} {published:>6} {counted:>6}{mark}\n"));
    }

    fn agree(&self) {
        assert!(
            !self.differs,
            "\n{:<48} {:>6} {:>6}\n{}",
            "figure", "file", "events", self.rows
        );
    }
}

#[test]
fn every_figure_is_met_exactly() {
    for (scenario, replay) in bundled() {
        let arrivals = arrivals(&replay);
        let mut table = Table::default();
        for f in &scenario.figures {
            check_figure(f, &arrivals, &mut table);
        }
        table.agree();
    }
}

fn check_figure(f: &replay::Figure, arrivals: &[Arrival], table: &mut Table) {
    let on = |places: &[String]| -> u32 {
        let days = f.days();
        days.map(|day| count(arrivals, places, &f.stream, day, after(day)))
            .sum()
    };
    table.row(&f.id, f.total, on(&f.places));
    for (place, exact) in f.places.iter().zip(&f.exact) {
        let counted = on(std::slice::from_ref(place));
        table.row(&format!("{} at {place}", f.id), *exact, counted);
    }
    let mut before = vec![0; f.places.len()];
    for by in &f.by {
        let until = at(f.from, by.time.minutes());
        table.row(
            &format!("{} by {}", f.id, by.time),
            by.total,
            count(arrivals, &f.places, &f.stream, f.from, until),
        );
        for (i, place) in f.places.iter().enumerate() {
            let place = std::slice::from_ref(place);
            let now = count(arrivals, place, &f.stream, f.from, until);
            if let Some(exact) = &by.exact {
                table.row(
                    &format!("{} by {} at {}", f.id, by.time, place[0]),
                    exact[i],
                    now - before[i],
                );
            }
            before[i] = now;
        }
    }
}

#[test]
fn figures_count_every_arrival_once() {
    for (scenario, replay) in bundled() {
        let total: u32 = scenario.figures.iter().map(|f| f.total).sum();
        let counted: u32 = arrivals(&replay).iter().map(|a| a.count).sum();
        assert_eq!(counted, total, "{}", scenario.id);
    }
}

/// Typed from the facts, apart from the file: a slip in the file shows here.
#[test]
fn totals_of_the_facts_are_met() {
    let southeast = ["fi-vaalimaa", "fi-nuijamaa", "fi-imatra"].map(str::to_owned);
    let one = |name: &str| vec![format!("fi-{name}")];
    let mut cases = vec![
        ("2023-08-01", "2023-11-12", southeast.to_vec(), 91),
        ("2023-11-30", "2023-12-13", Vec::new(), 0),
    ];
    for (day, total) in [
        ("13", 39),
        ("14", 55),
        ("15", 74),
        ("16", 26),
        ("17", 163),
        ("18", 6),
    ] {
        cases.push((day, day, southeast.to_vec(), total));
    }
    for (day, total) in [
        ("16", 18),
        ("17", 5),
        ("18", 67),
        ("19", 16),
        ("20", 12),
        ("21", 20),
        ("22", 24),
        ("23", 34),
    ] {
        cases.push((day, day, one("vartius"), total));
    }
    for (day, total) in [("20", 35), ("21", 41), ("22", 51), ("23", 58)] {
        cases.push((day, day, one("salla"), total));
    }
    for (day, total) in [("24", 3), ("25", 55), ("26", 3), ("27", 2)] {
        cases.push((day, day, one("raja-jooseppi"), total));
    }
    cases.push(("17", "17", one("niirala"), 52));
    for (day, vaalimaa, niirala) in [("2023-12-14", 62, 93), ("2023-12-15", 124, 84)] {
        cases.push((day, day, one("vaalimaa"), vaalimaa));
        cases.push((day, day, one("niirala"), niirala));
    }
    let (_, replay) = finland();
    let arrivals = arrivals(&replay);
    let date = |text: &str| {
        if text.len() == 2 {
            format!("2023-11-{text}")
        } else {
            text.to_owned()
        }
        .parse::<Date>()
        .unwrap()
    };
    let mut table = Table::default();
    for (from, to, places, total) in cases {
        let counted = count(&arrivals, &places, "asylum", date(from), after(date(to)));
        table.row(
            &format!("{} {} {}", date(from), date(to), places.join(" ")),
            total,
            counted,
        );
    }
    table.agree();
}

#[test]
fn cross_checks_say_what_the_events_add_up_to() {
    for (scenario, replay) in bundled() {
        let arrivals = arrivals(&replay);
        let mut table = Table::default();
        for check in &scenario.checks {
            let until = check
                .until
                .map_or(after(check.to), |minute| at(check.to, minute.minutes()));
            table.row(
                &check.id,
                check.replay,
                count(&arrivals, &check.places, &check.stream, check.from, until),
            );
            assert!(
                check.holds() || !check.note.is_empty(),
                "{} does not hold and does not say why",
                check.id
            );
        }
        table.agree();
    }
}

#[test]
fn groups_arrive_together() {
    let (_, replay) = finland();
    let arrivals = arrivals(&replay);
    let day: Date = "2023-11-25".parse().unwrap();
    let noon: Vec<DateTime> = arrivals
        .iter()
        .filter(|a| a.moment.date() == day)
        .map(|a| a.moment)
        .collect();
    let (first, last) = (noon.iter().min().unwrap(), noon.iter().max().unwrap());
    assert!(
        last.duration_since(*first).as_mins() < 20,
        "one group: {first} to {last}"
    );
    assert!(
        *first >= at(day, 11 * 60 + 45) && *last < at(day, 12 * 60 + 15),
        "around noon: {first} to {last}"
    );
}

#[test]
fn no_early_day_looks_like_a_surge() {
    let (_, replay) = finland();
    let first_surge: Date = "2023-11-13".parse().unwrap();
    let mut days: BTreeMap<(Date, String), u32> = BTreeMap::new();
    for a in arrivals(&replay)
        .iter()
        .filter(|a| a.moment.date() < first_surge)
    {
        *days
            .entry((a.moment.date(), a.crossing.clone()))
            .or_default() += a.count;
    }
    let most = days.iter().max_by_key(|(_, n)| **n).unwrap();
    assert!(*most.1 <= 4, "{most:?}");
    let quiet = 104
        - days
            .keys()
            .map(|(day, _)| day)
            .collect::<BTreeSet<_>>()
            .len();
    assert!(
        (25..=65).contains(&quiet),
        "{quiet} of 104 days without arrivals: independent ones leave about half"
    );
}

#[test]
fn arrivals_keep_the_hours_and_closures() {
    let (scenario, replay) = finland();
    for a in arrivals(&replay) {
        let (day, minute) = (
            a.moment.date(),
            a.moment.hour() as u16 * 60 + a.moment.minute() as u16,
        );
        let covers = |f: &&replay::Figure| {
            f.places.contains(&a.crossing) && f.from <= day && day <= f.last_day()
        };
        let figure = scenario.figures.iter().find(covers).unwrap();
        assert!(
            figure.window.contains(minute),
            "{} at {} outside {:?}",
            a.crossing,
            a.moment,
            figure.window
        );
        if figure.while_closed {
            continue;
        }
        let single = scenario
            .day_hours
            .iter()
            .find(|h| h.crossing == a.crossing && h.day == day)
            .map(|h| h.window);
        let week = scenario.place(&a.crossing).unwrap().hours;
        let open =
            single.or_else(|| week.map_or(Some(replay::Window::DAY), |w| w.on(day.weekday())));
        assert!(
            open.is_some_and(|w| w.contains(minute)),
            "{} at {} outside its hours",
            a.crossing,
            a.moment
        );
        let last = scenario
            .statuses
            .iter()
            .rfind(|s| s.crossings.contains(&a.crossing) && s.time <= a.moment);
        let closed = last.is_some_and(|s| s.state == replay::Change::Closed);
        assert!(!closed, "{} at {} while closed", a.crossing, a.moment);
    }
}

#[test]
fn statuses_are_events_with_offsets() {
    let (_, replay) = finland();
    let lines: Vec<String> = replay
        .events
        .iter()
        .map(|e| (e, serde_json::from_str::<Value>(&e.json).unwrap()))
        .filter(|(_, body)| body["type"] == "status")
        .map(|(event, body)| {
            assert!(!event.drawn, "a status is published");
            let until = body["until"].as_str().unwrap_or("-");
            format!(
                "{} {} {} {until}",
                body["time"].as_str().unwrap(),
                event.crossing,
                body["state"].as_str().unwrap()
            )
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn events_are_sorted_inside_the_window_and_named_once() {
    let (_, replay) = finland();
    assert_eq!(
        replay.start.timestamp(),
        "2023-08-01T00:00:00+03:00".parse::<Timestamp>().unwrap()
    );
    assert_eq!(
        replay.end.timestamp(),
        "2023-12-18T00:00:00+02:00".parse::<Timestamp>().unwrap()
    );
    let key = |e: &replay::ReplayEvent| (e.time, e.crossing.clone(), e.id.clone());
    assert!(replay.events.is_sorted_by_key(key));
    let mut ids = BTreeSet::new();
    for event in &replay.events {
        assert!(
            replay.start <= event.time && event.time < replay.end,
            "{}",
            event.json
        );
        assert!(ids.insert(&event.id), "{} twice", event.id);
        let body: Value = serde_json::from_str(&event.json).unwrap();
        assert_eq!(body["id"], event.id.as_str());
        assert_eq!(body["crossing"], event.crossing.as_str());
        assert_eq!(
            body["time"].as_str().unwrap().parse::<Timestamp>().unwrap(),
            event.time.timestamp()
        );
    }
}

#[test]
fn every_crossing_sends_a_heartbeat_every_hour() {
    let (scenario, replay) = finland();
    let hours = (replay.end.0 - replay.start.0) / surgewatch::core::time::HOUR_MS;
    for place in &scenario.crossings {
        let beats = replay
            .events
            .iter()
            .filter(|e| e.crossing == place.id && e.json.starts_with("{\"type\":\"heartbeat\""));
        assert_eq!(beats.count() as i64, hours, "{}", place.id);
    }
}

#[test]
fn expansion_is_the_same_every_time() {
    let (scenario, first) = finland();
    assert_eq!(first, scenario.expand());
    let bytes: String = first
        .events
        .iter()
        .map(|e| format!("{} {}\n", e.crossing, e.json))
        .collect();
    let hash = xxhash_rust::xxh3::xxh3_64(bytes.as_bytes());
    insta::assert_snapshot!(format!(
        "{} events, {} bytes, xxh3 {hash:016x}",
        first.events.len(),
        bytes.len()
    ));
}

#[test]
fn a_figure_draws_apart_from_the_others() {
    let (mut scenario, replay) = finland();
    scenario.figures.retain(|f| f.id == "salla-11-23");
    let moments = |r: &Replay| {
        let day: Date = "2023-11-23".parse().unwrap();
        let salla = arrivals(r)
            .into_iter()
            .filter(|a| a.crossing == "fi-salla" && a.moment.date() == day);
        salla.map(|a| (a.moment, a.count)).collect::<Vec<_>>()
    };
    assert_eq!(moments(&replay), moments(&scenario.expand()));
}

#[test]
fn every_bundled_replay_loads_under_its_name() {
    for (name, text) in replay::bundled() {
        let scenario = replay::load(text).unwrap();
        assert_eq!(&scenario.id, name);
        assert!(
            scenario.note.contains("not data"),
            "{name} says that it is a scenario"
        );
    }
}

#[test]
fn crossings_are_configured_as_in_the_crossings_file() {
    let text = include_str!("../config/crossings.toml");
    let configured: BTreeMap<String, toml::Table> =
        text.parse::<toml::Table>().unwrap()["crossing"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| {
                (
                    c["id"].as_str().unwrap().to_owned(),
                    c.as_table().unwrap().clone(),
                )
            })
            .collect();
    for (_, text) in replay::bundled() {
        let replay: toml::Table = text.parse().unwrap();
        for crossing in replay["crossing"].as_array().unwrap() {
            let known = &configured[crossing["id"].as_str().unwrap()];
            for key in ["time_zone", "hours"] {
                assert_eq!(known.get(key), crossing.get(key), "{crossing}");
            }
        }
    }
    for (id, crossing) in &configured {
        for neighbour in crossing["neighbours"].as_array().unwrap() {
            let back = configured[neighbour.as_str().unwrap()]["neighbours"]
                .as_array()
                .unwrap();
            assert!(
                back.iter().any(|n| n.as_str() == Some(id)),
                "{id} and {neighbour} are not neighbours of each other"
            );
        }
    }
}

#[test]
fn contradictions_are_all_named() {
    let text = include_str!("../config/replays/finland-2023.toml");
    let broken = text
        .replace("places = [\"fi-niirala\"]", "places = [\"fi-nirala\"]")
        .replace("groups = [21, 20, 17]", "groups = [21, 20, 18]")
        .replace("exact = [26, 8, 0]", "exact = [26, 9, 0]")
        .replace(
            "source = \"https://yle.fi/a/74-20061511\"",
            "source = \"Yle\"",
        );
    let Err(ReplayError::Invalid(problems)) = replay::load(&broken) else {
        panic!("the file is broken")
    };
    insta::assert_snapshot!(problems.to_string());
}

#[test]
fn an_arrival_needs_an_open_gate() {
    let text = include_str!("../config/replays/finland-2023.toml");
    let broken = text.replace("while_closed = true\n", "");
    let Err(ReplayError::Invalid(problems)) = replay::load(&broken) else {
        panic!("the crossings were closed")
    };
    assert!(
        matches!(
            &problems.0[..],
            [Problem::NoRoom {
                wanted: 6,
                room: 0,
                ..
            }]
        ),
        "{problems}"
    );
}

#[test]
fn a_word_with_an_end_gives_back_what_was_said_before_it() {
    let text = r#"
id = "words"
title = "A closure for the morning, and two hours inside a closure without end"
note = "Drawn."
seed = 1
start = "2026-03-02"
end = "2026-03-03"
heartbeat_minutes = 60
crossing = [{ id = "fi-salla", time_zone = "Europe/Helsinki" }]
status = [
  { crossings = ["fi-salla"], time = "2026-03-02T06:00", state = "closed", until = "2026-03-02T12:00", reason = "r", source = "https://a.b" },
  { crossings = ["fi-salla"], time = "2026-03-03T00:00", state = "closed", reason = "r", source = "https://a.b" },
  { crossings = ["fi-salla"], time = "2026-03-03T09:00", state = "open", until = "2026-03-03T11:00", reason = "r", source = "https://a.b" },
]
figure = [
  { id = "first", from = "2026-03-02", to = "2026-03-02", places = ["fi-salla"], stream = "asylum", total = 200, published = true, source = "https://a.b" },
  { id = "second", from = "2026-03-03", to = "2026-03-03", places = ["fi-salla"], stream = "asylum", total = 200, published = true, source = "https://a.b" },
]
"#;
    let replay = replay::load(text).unwrap().expand();
    let mut hours: [BTreeSet<i8>; 2] = Default::default();
    for arrival in arrivals(&replay) {
        let day = usize::from(arrival.moment.day() == 3);
        hours[day].insert(arrival.moment.hour());
    }
    assert_eq!(hours[0], (0..6).chain(12..24).collect());
    assert_eq!(hours[1], (9..11).collect());
}

#[test]
fn the_hour_that_comes_twice_has_its_share_of_ordinary_traffic_both_times() {
    let text = include_str!("../config/replays/blockade-2023.toml");
    let replay = replay::load(text).unwrap().expand();
    let passed = |from: &str| -> u64 {
        let from: Timestamp = from.parse().unwrap();
        let hour = from.as_millisecond()..from.as_millisecond() + surgewatch::core::time::HOUR_MS;
        let events = replay.events.iter();
        events
            .filter(|e| e.crossing == "pl-dorohusk" && hour.contains(&e.time.0))
            .map(|e| serde_json::from_str::<Value>(&e.json).unwrap()["count"].as_u64())
            .map(Option::unwrap_or_default)
            .sum()
    };
    for hour in ["2023-10-29T02:00:00+02:00", "2023-10-29T02:00:00+01:00"] {
        assert!(
            (20..=80).contains(&passed(hour)),
            "{hour}: {}",
            passed(hour)
        );
    }
}

#[test]
fn slips_in_the_shares_of_days_are_named() {
    let text = include_str!("../config/replays/arctic-2015.toml");
    let broken = text
        .replacen("ramp = [1, 4]", "ramp = [0, 0]", 1)
        .replacen(
            "except = [\"2015-11-02\"]",
            "except = [\"2015-11-02\", \"2015-11-22\"]",
            1,
        )
        .replacen("exact = [48, 4]", "exact = [48, 5]", 1);
    let Err(ReplayError::Invalid(problems)) = replay::load(&broken) else {
        panic!("the file is broken")
    };
    insta::assert_snapshot!(problems.to_string());
}
