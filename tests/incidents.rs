//! Holds incidents to the Finnish autumn of 2023: one of them, its crossings in order, and Vartius moved from the south.

mod support;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use support::Feed;
use surgewatch::core::alert::{Direction, Reading, Transition};
use surgewatch::core::calendar::local;
use surgewatch::core::event::Kind;
use surgewatch::core::ids::{CrossingIx, Offset, Partition, StreamIx};
use surgewatch::core::output::Output;
use surgewatch::core::partition::Input;
use surgewatch::core::region::incident::{Change, Incident, Told};
use surgewatch::core::region::{Region, RegionState};
use surgewatch::core::time::{EventTime, HOUR_MS, WallTime};
use surgewatch::replay;
use surgewatch::wire::incident::{spoken, summary};

fn fresh_region(feed: &Feed, state: RegionState) -> Region {
    Region::new(feed.network.clone(), feed.params.clone(), state)
}

fn names(feed: &Feed, crossings: impl IntoIterator<Item = CrossingIx>) -> Vec<String> {
    let name = |ix| feed.network.crossing(ix).id.clone();
    crossings.into_iter().map(name).collect()
}

/// The incident as told when a day was over in Finland.
fn after<'a>(told: &'a [Told], day: &str) -> &'a Incident {
    let end = format!("{day}T23:59:59+02:00");
    let end: jiff::Timestamp = end.parse().expect("a moment");
    let mut later = told.iter().filter(|t| t.change == Change::Updated);
    let told = later.find(|t| t.incident.as_of.timestamp() > end);
    &told.expect("the day is told").incident
}

#[test]
fn the_finnish_autumn_is_one_incident_with_its_crossings_in_order() {
    let feed = Feed::finland(1);
    let (_, told) = feed.told();
    let opened = told.iter().filter(|t| t.change == Change::Opened);
    assert_eq!(opened.count(), 1);
    assert!(told.iter().all(|t| t.incident.id == told[0].incident.id));
    let last = &told[told.len() - 1].incident;
    let surges = last
        .members
        .iter()
        .filter(|m| m.direction == Direction::Surge);
    let order = [
        "fi-vaalimaa",
        "fi-nuijamaa",
        "fi-imatra",
        "fi-vartius",
        "fi-niirala",
        "fi-salla",
        "fi-raja-jooseppi",
    ];
    assert_eq!(names(&feed, surges.map(|m| m.crossing)), order);
    let finnish = last.slice(&feed.network, "fi").expect("it is in Finland");
    assert_eq!(&finnish, last);
    assert_eq!(last.slice(&feed.network, "no"), None);
}

#[test]
fn vartius_is_displaced_from_the_four_southern_crossings_on_its_first_day() {
    let feed = Feed::finland(1);
    let (_, told) = feed.told();
    let day = after(&told, "2023-11-18");
    assert!(
        day.as_of.timestamp() < "2023-11-19T00:30:00+02:00".parse().expect("a moment"),
        "told when the day closes"
    );
    assert_eq!(names(&feed, day.explaining.iter().copied()), ["fi-vartius"]);
    let from = names(&feed, day.moves.iter().map(|m| m.from));
    let nearest_first = ["fi-niirala", "fi-imatra", "fi-nuijamaa", "fi-vaalimaa"];
    assert_eq!(from, nearest_first);
    assert!(day.moves.iter().all(|m| m.is_from_shut));
    let total = day.total();
    assert_eq!(total.observed, 67);
    assert_eq!(day.sources.values().sum::<u64>(), 215);
    let share = total.moved as f64 / 215.0;
    assert!((0.25..=67.0 / 215.0).contains(&share), "{share}");
}

/// What `surgewatch replay` says of the day, as the README shows it.
#[test]
fn the_sentence_of_that_day_stands_in_the_readme() {
    let feed = Feed::finland(1);
    let (_, told) = feed.told();
    let day = Told {
        change: Change::Updated,
        incident: after(&told, "2023-11-18").clone(),
        by: None,
        count: None,
    };
    let sentence = summary(&feed.network, &day).expect("flow moved");
    let readme = include_str!("../README.md");
    assert!(readme.contains(&sentence), "not in the README: {sentence}");
}

#[test]
fn no_more_moves_than_comes_and_the_sums_agree() {
    let feed = Feed::finland(1);
    for told in feed.told().1.iter().filter(|t| t.change == Change::Updated) {
        let total = told.incident.total();
        let moves: u64 = told.incident.moves.iter().map(|m| m.moved).sum();
        assert_eq!(total.moved, moves);
        assert!(total.moved <= total.rise && total.rise <= total.observed);
    }
}

/// Two countries: the gates of Finland's north shut, and Norway's rises.
const TWO_COUNTRIES: &str = r#"
id = "two-countries"
title = "t"
note = "A made-up scenario."
seed = 7
start = "2023-01-02"
end = "2023-06-25"
heartbeat_minutes = 60
crossing = [
    { id = "fi-vartius", time_zone = "Europe/Helsinki" },
    { id = "fi-raja-jooseppi", time_zone = "Europe/Helsinki" },
    { id = "no-storskog", time_zone = "Europe/Helsinki" },
]

[[status]]
crossings = ["fi-vartius", "fi-raja-jooseppi"]
time = "2023-06-11T00:00"
state = "closed"
reason = "r"
source = "https://example.org/"

[[figure]]
id = "usual"
from = "2023-01-02"
to = "2023-06-10"
places = ["fi-vartius", "fi-raja-jooseppi", "no-storskog"]
stream = "asylum"
total = 9600
published = false
source = "https://example.org/"
note = "Supposed."

[[figure]]
id = "shut"
from = "2023-06-11"
to = "2023-06-25"
places = ["no-storskog"]
stream = "asylum"
total = 825
published = false
source = "https://example.org/"
note = "Supposed."
"#;

fn two_countries() -> Feed {
    let replay = replay::load(TWO_COUNTRIES).expect("it is checked");
    Feed::of(&replay.expand(), 1)
}

/// The whole record of each change, and its slices.
fn records(feed: &Feed) -> Vec<(Value, Vec<(String, Value)>)> {
    let (_, told) = feed.told();
    let each = told.iter();
    each.map(|one| support::records(&feed.network, &feed.params.families, one))
        .collect()
}

#[track_caller]
fn number(record: &Value, key: &str) -> u64 {
    record[key].as_u64().expect("a whole number")
}

fn list<'a>(record: &'a Value, key: &str) -> &'a [Value] {
    record[key].as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn in_every_record_and_slice_the_moves_add_up_to_moved_and_moved_and_new_to_the_rise() {
    for feed in [Feed::finland(1), two_countries(), late_finland()] {
        let (mut moved, mut seen) = (0, 0);
        let records = records(&feed);
        let all = records.iter().flat_map(|(whole, slices)| {
            let slices = slices.iter().map(|(_, slice)| slice);
            slices.chain([whole])
        });
        for record in all {
            let members = list(record, "members").iter();
            let members: Vec<&Value> = members.filter(|m| !m["day"].is_null()).collect();
            let moves = list(record, "moves");
            for member in &members {
                let day = &member["day"];
                let to = moves.iter().filter(|m| m["to"] == member["crossing"]);
                let to = to.filter(|_| member["direction"] == "surge");
                let sum: u64 = to.map(|m| number(m, "moved")).sum();
                assert_eq!(sum, number(day, "moved"), "{record:#}");
                assert_eq!(sum + number(day, "new"), number(day, "rise"), "{record:#}");
            }
            let total = &record["total"];
            // A fall's crossing has no rise, so all members add up to the total.
            for key in ["rise", "moved", "new"] {
                let sum: u64 = members.iter().map(|m| number(&m["day"], key)).sum();
                assert_eq!(sum, number(total, key), "{key} {record:#}");
            }
            let surges = members.iter().filter(|m| m["direction"] == "surge");
            let observed: u64 = surges.map(|m| number(&m["day"], "observed")).sum();
            assert_eq!(observed, number(total, "observed"), "{record:#}");
            let sum: u64 = moves.iter().map(|m| number(m, "moved")).sum();
            assert_eq!(sum, number(total, "moved"), "{record:#}");
            moved += sum;
            seen += 1;
        }
        assert!(moved > 0 && seen > 10, "{moved} in {seen} records");
    }
}

#[test]
fn a_countrys_slice_holds_its_own_crossings_and_says_from_where_flow_came() {
    let feed = two_countries();
    let mut from_abroad = 0;
    for (whole, slices) in records(&feed) {
        for (country, slice) in slices {
            let own = |value: &Value| {
                let id = value.as_str().expect("an id");
                assert!(id.starts_with(&country), "{id} for {country}: {slice:#}");
            };
            assert_eq!(slice["country"], *country);
            for key in ["members", "sources"] {
                list(&slice, key)
                    .iter()
                    .for_each(|one| own(&one["crossing"]));
            }
            for one in list(&slice, "moves") {
                own(&one["to"]);
                let from = one["from"].as_str().expect("an id");
                from_abroad += usize::from(!from.starts_with(&country));
            }
            list(&slice, "explaining").iter().for_each(own);
            assert!(!list(&slice, "members").is_empty());
            assert!(list(&whole, "sources").len() >= list(&slice, "sources").len());
        }
    }
    assert!(from_abroad > 0, "flow came over the border of the two");
}

/// A surge at Raja-Jooseppi goes on when Vartius shuts and Storskog takes its flow over.
#[test]
fn that_a_crossing_takes_flow_over_is_told_to_its_own_country() {
    let (gates, _) = TWO_COUNTRIES.split_once("[[figure]]").expect("figures");
    let mut text = gates.replacen(", \"fi-raja-jooseppi\"]", "]", 1);
    for (place, from, to, total) in [
        ("fi-vartius", "2023-01-02", "2023-06-10", 6400),
        ("no-storskog", "2023-01-02", "2023-06-10", 3200),
        ("no-storskog", "2023-06-11", "2023-06-25", 825),
        ("fi-raja-jooseppi", "2023-01-02", "2023-06-05", 3100),
        ("fi-raja-jooseppi", "2023-06-06", "2023-06-25", 1600),
    ] {
        text += &format!(
            r#"
[[figure]]
id = "{place}-{from}"
from = "{from}"
to = "{to}"
places = ["{place}"]
stream = "asylum"
total = {total}
published = false
source = "https://example.org/"
note = "Supposed."
"#
        );
    }
    let replay = replay::load(&text).expect("it is checked");
    let records = records(&Feed::of(&replay.expand(), 1));
    let displaced = records
        .iter()
        .filter(|(whole, _)| whole["transition"] == "displaced");
    let countries = displaced.map(|(whole, slices)| {
        let members = list(whole, "members").iter();
        let of: BTreeSet<&str> = members.filter_map(|m| m["country"].as_str()).collect();
        let told: Vec<&str> = slices.iter().map(|(country, _)| country.as_str()).collect();
        (of.into_iter().collect(), told)
    });
    let (of, told): (Vec<Vec<&str>>, Vec<Vec<&str>>) = countries.unzip();
    assert_eq!(told.len(), 1, "Storskog is told of, and not each day again");
    assert!(of.iter().all(|of| *of == ["fi", "no"]), "{of:?}");
    assert!(told.iter().all(|told| *told == ["no"]), "{told:?}");
}

/// Finland 2023, where half of what came to Vartius on 18 November is heard of twenty hours later, when its day is over.
fn late_finland() -> Feed {
    let mut feed = Feed::finland(1);
    let vartius = feed.network.crossing_ix("fi-vartius").expect("it is there");
    let moment = |text: &str| -> i64 {
        let at: jiff::Timestamp = text.parse().expect("a moment");
        at.as_millisecond()
    };
    let late = moment("2023-11-18T12:00:00+02:00")..moment("2023-11-19T00:00:00+02:00");
    let heard = |input: &Input| {
        let event = input.event.as_ref().expect("replays hold no bad records");
        let is_late = event.crossing == vartius
            && late.contains(&event.time.0)
            && matches!(event.kind, Kind::Arrival { .. });
        event.time.0 + if is_late { 20 * 3_600_000 } else { 0 }
    };
    feed.records.sort_by_key(|(_, input)| heard(input));
    for (n, (_, input)) in (0..).zip(&mut feed.records) {
        input.recorded = Some(WallTime(heard(input)));
        input.offset = Offset(n);
    }
    feed
}

/// The two countries, where nothing is heard of Storskog from 08:00 on its second day with the flow.
#[test]
fn an_incident_says_that_a_crossing_of_it_was_silent() {
    let mut feed = two_countries();
    let storskog = feed
        .network
        .crossing_ix("no-storskog")
        .expect("it is there");
    let moment = |text: &str| -> i64 {
        let at: jiff::Timestamp = text.parse().expect("a moment");
        at.as_millisecond()
    };
    let dead = moment("2023-06-13T08:00:00+02:00")..moment("2023-06-14T01:00:00+02:00");
    feed.records.retain(|(_, input)| {
        let event = input.event.as_ref().expect("replays hold no bad records");
        event.crossing != storskog || !dead.contains(&event.time.0)
    });
    let (_, told) = feed.told();
    let silent = told.iter().map(|one| spoken(&feed.network, one));
    let silent = silent.filter(|said| said.contains("Storskog (silent for most of the day)"));
    let silent: Vec<String> = silent.collect();
    assert!(!silent.is_empty());
    assert!(
        silent.iter().all(|said| said.contains(" 13 June 2023: ")),
        "{silent:?}"
    );
}

/// The last word on a day: its members' counts, what moved, and the totals.
fn last_word(feed: &Feed, day: &str) -> (Vec<Value>, Value) {
    let records = records(feed);
    let mut of_day = records.iter().map(|(whole, _)| whole);
    let last = of_day.rfind(|r| r["day"] == day).expect("the day is told");
    let members = list(last, "members").iter();
    let members = members.filter(|m| !m["day"].is_null());
    let days = members.map(|m| serde_json::json!([m["crossing"], m["direction"], m["day"]]));
    let moves = serde_json::json!([last["moves"], last["total"], last["explaining"]]);
    (days.collect(), moves)
}

#[test]
fn what_is_heard_of_late_ends_in_the_same_day_of_the_incident_which_says_that_it_is_revised() {
    let (late, in_time) = (late_finland(), Feed::finland(1));
    let day = "2023-11-18";
    let (told, expected) = (last_word(&late, day), last_word(&in_time, day));
    assert_eq!(told, expected);
    assert_eq!(number(&told.1[1], "observed"), 67);
    let records = records(&late);
    let whole = records.iter().map(|(whole, _)| whole);
    let of_day: Vec<&Value> = whole.filter(|r| r["day"] == day).collect();
    let first = of_day.iter().find(|r| r["transition"] == "updated");
    let first = first.expect("the day was told before");
    assert!(number(&first["total"], "observed") < 67, "{first:#}");
    let revised = of_day.iter().filter(|r| r["transition"] == "revised");
    let revised: Vec<_> = revised.collect();
    assert!(
        !revised.is_empty() && revised.len() <= 20,
        "{}",
        revised.len()
    );
    for one in revised {
        assert_eq!(one["reason"], "recounted");
        let said = one["summary"].as_str().expect("a sentence");
        assert!(said.contains("counted anew. 18 November 2023: "), "{said}");
    }
}

/// Cut off at a moment of its own, the feed tells the same up to then, and what it tells later is of later.
#[test]
fn what_an_incident_said_at_a_moment_is_what_was_known_then() {
    let (_, apart) = Feed::finland(4).told();
    assert!(
        apart.is_sorted_by_key(|t| t.incident.as_of),
        "of any partitions"
    );
    for feed in [Feed::finland(1), late_finland()] {
        let (_, told) = feed.told();
        let as_of: Vec<_> = told.iter().map(|t| t.incident.as_of).collect();
        assert!(as_of.is_sorted(), "it never goes back");
        for &until in as_of.iter().step_by(as_of.len() / 8) {
            let known = |(_, input): &&(Partition, Input)| {
                let event = input.event.as_ref();
                event.is_ok_and(|event| event.time <= until)
            };
            let cut = Feed {
                network: feed.network.clone(),
                params: feed.params.clone(),
                records: feed.records.iter().take_while(known).cloned().collect(),
            };
            let (_, again) = cut.told();
            let upto = |t: &&Told| t.incident.as_of <= until;
            let (before, again): (Vec<_>, Vec<_>) = (
                told.iter().filter(upto).collect(),
                again.iter().filter(upto).collect(),
            );
            for (before, again) in before.iter().zip(&again) {
                assert_eq!(before, again, "up to {until:?}");
            }
            assert_eq!(before.len(), again.len(), "up to {until:?}");
            assert!(!before.is_empty());
        }
    }
}

/// They shut on 11 June.
#[test]
fn a_move_says_how_many_days_after_the_closure_it_came() {
    let mut lags = BTreeSet::new();
    for (record, _) in records(&two_countries()) {
        for one in list(&record, "moves") {
            let day = record["day"].as_str().expect("a date");
            let day: u64 = day[day.len() - 2..].parse().expect("a day of June");
            assert_eq!(number(one, "lag_days"), day - 11, "{record:#}");
            lags.insert(day - 11);
        }
    }
    assert!(lags.len() > 2 && lags.contains(&1), "{lags:?}");
}

#[test]
fn a_region_that_is_stored_and_read_again_tells_the_same() {
    let feed = Feed::finland(1);
    let (outputs, plain) = feed.told();
    let mut region = fresh_region(&feed, RegionState::default());
    let mut again = Vec::new();
    for (n, output) in outputs.iter().enumerate() {
        if n % 500 == 0 {
            let stored = postcard::to_stdvec(region.state()).expect("it can be stored");
            let state = postcard::from_bytes(&stored).expect("it can be read");
            region = fresh_region(&feed, state);
        }
        again.extend(region.take(output));
    }
    assert!(plain == again);
}

/// When a crossing's arrivals since a moment came to a dozen.
fn first_dozen(feed: &Feed, crossing: CrossingIx, since: &str) -> EventTime {
    let since: jiff::Timestamp = since.parse().expect("a moment");
    let events = feed
        .records
        .iter()
        .filter_map(|(_, r)| r.event.as_ref().ok());
    let of_place = events.filter(|e| e.crossing == crossing && e.time.timestamp() >= since);
    let mut arrivals: Vec<(EventTime, u32)> = of_place
        .filter_map(|e| match e.kind {
            Kind::Arrival {
                stream: StreamIx(0),
                count,
            } => Some((e.time, count)),
            _ => None,
        })
        .collect();
    arrivals.sort_unstable();
    let mut came = 0;
    let dozen = arrivals.iter().find(|(_, count)| {
        came += count;
        came >= 12
    });
    dozen.expect("more than a dozen came").0
}

/// Niirala and Vaalimaa opened again on 14 December at 08:00 with alerts from November, after four weeks of closure.
#[test]
fn no_alert_ends_behind_a_closed_gate_and_the_reopening_is_told_of_at_its_first_dozen() {
    let feed = Feed::finland(1);
    let (outputs, told) = feed.told();
    let mut again = BTreeMap::new();
    for output in outputs {
        let Output::Alert {
            crossing,
            transition,
            reading,
            as_of,
            ..
        } = output
        else {
            continue;
        };
        assert!(!transition.is_end(), "{transition:?} at {crossing:?}");
        if transition == Transition::Reopened {
            assert!((10..24).contains(&reading.observed), "{reading:?}");
            let dozen = first_dozen(&feed, crossing, "2023-12-14T00:00:00+02:00");
            let hour = (dozen.0 - HOUR_MS)..(dozen.0 + HOUR_MS);
            assert!(hour.contains(&as_of.0), "{as_of:?}, a dozen by {dozen:?}");
            again.insert(as_of, crossing);
        }
    }
    let crossings = names(&feed, again.values().copied());
    assert_eq!(crossings, ["fi-niirala", "fi-vaalimaa"]);
    // The incident says it at that moment too.
    for (as_of, crossing) in again {
        let mut at_once = told.iter().filter(|t| t.incident.as_of == as_of);
        let one = at_once.find(|t| t.by == Some((crossing, Direction::Surge)));
        let said = summary(&feed.network, one.expect("it is told")).expect("a sentence");
        let name = &feed.network.crossing(crossing).name;
        let again = "rises again after days on which it was closed: 1";
        let again = said.starts_with(&format!("{name} {again}"));
        assert!(again && said.contains("usually"), "{said}");
    }
}

#[test]
fn what_an_alert_rests_on_is_what_came_since_its_run_began() {
    let (_, text) = *replay::bundled()
        .iter()
        .find(|(name, _)| *name == "rush-2022")
        .expect("it is bundled");
    let feed = Feed::of(&replay::load(text).expect("it is checked").expand(), 1);
    let (outputs, _) = feed.told();
    let mut counts = BTreeMap::new();
    for output in &outputs {
        if let Output::Count {
            crossing,
            stream,
            reading,
            ..
        } = output
        {
            let bucket = (*crossing, *stream, reading.lens as usize, reading.start);
            counts.insert(bucket, *reading);
        }
    }
    let mut longer = 0;
    for output in &outputs {
        let Output::Alert {
            crossing,
            stream,
            reading,
            run,
            transition,
            ..
        } = output
        else {
            continue;
        };
        assert!(run.is_some() || *transition != Transition::Opened);
        let Some(run) = run else { continue };
        let at = |start| (*crossing, *stream, reading.lens as usize, start);
        let before = counts.range(at(run.since)..at(reading.start));
        let before: Vec<&Reading> = before.map(|(_, r)| r).collect();
        let seen = before.iter().filter(|r| r.exposure > 0.0);
        let observed: u64 = seen.clone().map(|r| r.observed).sum();
        let expected: f64 = seen.map(|r| r.expected).sum();
        assert_eq!(run.observed, observed + reading.observed);
        assert!((run.expected - expected - reading.expected).abs() < 1e-6);
        longer += usize::from(!before.is_empty());
    }
    assert!(longer > 2, "{longer} alerts rest on more than one bucket");
}

#[test]
fn today_is_the_day_of_the_message() {
    let feed = Feed::finland(1);
    let (_, told) = feed.told();
    let mut displaced = 0;
    for one in &told {
        let Change::Displaced(at) = one.change else {
            continue;
        };
        let tz = &feed.network.crossing(at).tz;
        let today = local(tz, one.incident.as_of).date();
        let day = one.incident.day.expect("it is of a day").date();
        let said = summary(&feed.network, one).expect("flow moved");
        assert_eq!(today, day, "{said}");
        assert!(said.contains(" in the full hours of today at "), "{said}");
        displaced += 1;
    }
    assert!(displaced > 5, "{displaced}");
}
