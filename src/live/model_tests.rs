//! Tests of what the live page knows and sends.

use super::*;
use crate::core::ids::StreamIx;
use crate::core::network::Crossing;
use crate::live::view::State;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

fn model() -> Model {
    let crossing = |id: &str, order| Crossing {
        id: id.to_owned(),
        name: id.to_uppercase(),
        country: "fi".to_owned(),
        corridor: "fi-ru".to_owned(),
        order,
        neighbours: Vec::new(),
        tz: TimeZone::UTC,
        hours: None,
        message_within_ms: None,
        streams: vec![StreamIx(0)],
    };
    let crossings = vec![crossing("a", 1), crossing("b", 2)];
    let network = Network::new(crossings, vec!["asylum".to_owned()]);
    Model::new(
        &network,
        vec![("fi-ru".to_owned(), "Finland-Russia".to_owned())],
    )
}

/// A closed hour or day of crossing `a`, from a date and an hour.
fn count(lens: &str, start: &str, observed: u64, exposure: f64) -> Vec<u8> {
    let hours = if lens == "hour" { 1 } else { 24 };
    let start: Timestamp = format!("{start}:00:00Z").parse().expect("a moment");
    let end = start + jiff::SignedDuration::from_hours(hours);
    let shown = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string();
    let record = json!({
        "crossing": "a", "country": "fi", "corridor": "fi-ru", "stream": "asylum", "lens": lens,
        "bucket": {"start": shown(start), "end": shown(end), "closed": true, "exposure": exposure},
        "revision": 0, "observed": observed, "expected": 0.5, "interval": {"lower": 0, "upper": 2},
        "as_of": shown(end),
    });
    record.to_string().into_bytes()
}

fn alert(transition: &str, as_of: &str, more: Value) -> Vec<u8> {
    let mut record = json!({
        "alert_id": "a.asylum.surge.2023-11-18", "transition": transition, "severity": "major", "direction": "surge",
        "crossing": "a", "stream": "asylum", "as_of": as_of, "summary": "A: 12 arrivals.",
    });
    let fields = record.as_object_mut().expect("an object");
    fields.extend(more.as_object().cloned().unwrap_or_default());
    record.to_string().into_bytes()
}

fn sent(model: &Model, since: u64) -> Value {
    serde_json::to_value(model.since(since)).expect("a view is JSON")
}

#[test]
fn a_viewer_gets_everything_first_and_then_what_changed() {
    let mut model = model();
    assert!(model.on_count(&count("day", "2023-11-17T00", 3, 1.0)));
    let first = sent(&model, 0);
    assert_eq!(first["crossings"].as_array().map(Vec::len), Some(2));
    assert_eq!(first["corridors"][0][1], "Finland-Russia");
    assert_eq!(first["crossings"][0]["series"][0]["days"][0]["observed"], 3);
    let has = model.version();
    let nothing = sent(&model, has);
    assert_eq!(nothing["crossings"], json!([]));
    assert_eq!(nothing.get("told"), None);
    assert!(model.on_count(&count("day", "2023-11-18T00", 4, 1.0)));
    let news = sent(&model, has);
    assert_eq!(news["crossings"].as_array().map(Vec::len), Some(1));
    assert_eq!(news["as_of"], "2023-11-19T00:00:00+00:00");
}

#[test]
fn a_bucket_published_again_replaces_what_was_known() {
    let mut model = model();
    model.on_count(&count("day", "2023-11-17T00", 3, 1.0));
    model.on_count(&count("day", "2023-11-17T00", 5, 1.0));
    let view = sent(&model, 0);
    let days = &view["crossings"][0]["series"][0]["days"];
    assert_eq!(
        (days.as_array().map(Vec::len), &days[0]["observed"]),
        (Some(1), &json!(5))
    );
}

#[test]
fn the_open_day_is_the_sum_of_its_hours_or_what_an_alert_counted() {
    let mut model = model();
    model.on_count(&count("day", "2023-11-17T00", 9, 1.0));
    model.on_count(&count("hour", "2023-11-17T23", 7, 1.0));
    assert_eq!(
        sent(&model, 0)["crossings"][0]["series"][0]["today"],
        Value::Null
    );
    model.on_count(&count("hour", "2023-11-18T00", 2, 1.0));
    model.on_count(&count("hour", "2023-11-18T01", 3, 1.0));
    let today = |model: &Model| sent(model, 0)["crossings"][0]["series"][0]["today"].clone();
    assert_eq!(today(&model)["observed"], 5);
    assert_eq!(today(&model)["until"], "2023-11-18T02:00:00+00:00");
    let day = json!({"lens": "day", "observed": 12, "bucket": {
        "start": "2023-11-18T00:00:00+00:00", "end": "2023-11-19T00:00:00+00:00", "closed": false, "exposure": 1.0}});
    model.on_state(
        "a.asylum.surge.2023-11-18",
        Some(&alert("escalated", "2023-11-18T02:30:00+00:00", day)),
    );
    assert_eq!(today(&model)["observed"], 12);
    model.on_count(&count("day", "2023-11-18T00", 40, 1.0));
    assert_eq!(today(&model), Value::Null);
}

#[test]
fn the_state_of_a_crossing_tells_closed_from_blind() {
    let blind = |transition: &str| {
        let notice = json!({"notice_id": "n", "kind": "feed_blind", "transition": transition, "crossing": "a",
            "as_of": "2023-11-18T05:00:00+00:00", "summary": "Blind at A."});
        notice.to_string().into_bytes()
    };
    let mut model = model();
    let state = |model: &Model| model.state(&model.places[0]);
    assert_eq!(state(&model), State::Unknown);
    model.on_count(&count("day", "2023-11-17T00", 9, 1.0));
    model.on_count(&count("hour", "2023-11-18T00", 0, 1.0));
    assert_eq!(state(&model), State::Open);
    model.on_count(&count("hour", "2023-11-18T01", 0, 0.0));
    assert_eq!(state(&model), State::Closed);
    model.on_count(&count("day", "2023-11-18T00", 0, 0.0));
    assert_eq!(state(&model), State::ClosedAllDay);
    let key = "a.feed_blind.2023-11-18T03:30:00";
    model.on_state(key, Some(&blind("opened")));
    assert_eq!(state(&model), State::Blind);
    model.on_state(key, Some(&blind("resolved")));
    assert_eq!(state(&model), State::ClosedAllDay);
}

#[test]
fn the_gate_is_as_the_newest_record_saw_it_also_where_its_hour_had_been_open() {
    let seen = |start: &str, gate: &str| {
        let bytes = count("hour", start, 3, 1.0);
        let mut record: Value = serde_json::from_slice(&bytes).expect("JSON");
        record["gate"] = json!(gate);
        record.to_string().into_bytes()
    };
    let mut model = model();
    model.on_count(&count("day", "2023-11-16T00", 9, 1.0));
    for (start, gate, shown) in [
        ("2023-11-17T22", "restricted", State::Restricted),
        ("2023-11-17T23", "closed", State::Closed),
        // Told late, of a time before.
        ("2023-11-17T21", "open", State::Closed),
        ("2023-11-18T00", "open", State::Open),
    ] {
        assert!(model.on_count(&seen(start, gate)));
        assert_eq!(model.state(&model.places[0]), shown, "{start} {gate}");
    }
}

#[test]
fn what_ended_is_shown_for_a_week_and_what_has_no_end_is_open_for_a_day() {
    let mut model = model();
    let key = "a.asylum.surge.2023-11-18";
    let gate = json!({"notice_id": "n", "kind": "arrivals_while_closed", "transition": "opened", "crossing": "b",
        "as_of": "2023-11-18T05:00:00+00:00", "summary": "B reports arrivals."});
    model.on_state(
        key,
        Some(&alert("resolved", "2023-11-18T00:00:00+00:00", json!({}))),
    );
    model.on_state(
        "b.arrivals_while_closed.x",
        Some(gate.to_string().as_bytes()),
    );
    assert!(model.told["b.arrivals_while_closed.x"].is_open);
    model.on_count(&count("day", "2023-11-20T00", 0, 1.0));
    assert!(!model.told["b.arrivals_while_closed.x"].is_open && model.told.contains_key(key));
    let has = model.version();
    model.on_count(&count("day", "2023-11-25T00", 0, 1.0));
    assert!(model.told.is_empty());
    assert_eq!(sent(&model, has)["told"], json!([]));
}

#[test]
fn a_tombstone_takes_an_alert_away() {
    let mut model = model();
    let key = "a.asylum.surge.2023-11-18";
    model.on_state(
        key,
        Some(&alert("opened", "2023-11-18T00:00:00+00:00", json!({}))),
    );
    assert_eq!(sent(&model, 0)["told"][0]["kind"], "alert");
    assert!(model.on_state(key, None));
    assert_eq!(sent(&model, 0)["told"], json!([]));
}

#[test]
fn whatever_the_topics_hold_no_more_than_so_much_is_kept() {
    let mut model = model();
    for day in 0..200 {
        let start: Timestamp = "2023-01-01T00:00:00Z".parse().expect("a moment");
        let start = start + jiff::SignedDuration::from_hours(24 * day);
        let hour = start.strftime("%Y-%m-%dT%H").to_string();
        assert!(model.on_count(&count("day", &hour, 1, 1.0)));
        assert!(model.on_count(&count("hour", &hour, 1, 1.0)));
    }
    for n in 0..2_000 {
        model.on_state(
            &format!("alert-{n}"),
            Some(&alert("opened", "2023-07-01T00:00:00+00:00", json!({}))),
        );
    }
    let series = &model.places[0].series[0];
    assert_eq!(
        (series.days.len(), series.hours.len(), model.told.len()),
        (MAX_DAYS, MAX_HOURS, MAX_TOLD)
    );
}

#[test]
fn records_that_are_no_counts_or_of_other_places_are_left_alone() {
    let mut model = model();
    let elsewhere = String::from_utf8(count("day", "2023-11-17T00", 3, 1.0)).expect("text");
    let elsewhere = elsewhere.replace("\"crossing\":\"a\"", "\"crossing\":\"z\"");
    for (name, value) in [
        ("no JSON", "nonsense"),
        ("another crossing", elsewhere.as_str()),
        ("an empty object", "{}"),
    ] {
        assert!(!model.on_count(value.as_bytes()), "{name}");
        assert!(
            !model.on_state("key", Some(value.as_bytes())) || name == "another crossing",
            "{name}"
        );
    }
}

#[test]
fn the_card_of_an_alert_draws_its_days_and_says_when_the_evidence_crossed_the_limit() {
    let mut model = model();
    model.places[0].series[0].limits = [[6.0; 2], [9.0; 2]];
    let with_evidence = |lens: &str, start: &str, observed, exposure, rise: f64| {
        let bytes = count(lens, start, observed, exposure);
        let mut record: Value = serde_json::from_slice(&bytes).expect("JSON");
        record["log_evidence_rise"] = json!(rise);
        record["log_evidence_drop"] = json!(-200.0);
        record.to_string().into_bytes()
    };
    for (date, observed, exposure, rise) in [
        ("2023-11-15T00", 0, 0.0, -3.0),
        ("2023-11-16T00", 1, 1.0, -3.0),
        ("2023-11-17T00", 9, 1.0, 2.0),
    ] {
        assert!(model.on_count(&with_evidence("day", date, observed, exposure, rise)));
    }
    assert!(model.on_count(&with_evidence("hour", "2023-11-17T10", 5, 1.0, 16.0)));
    let key = "a.asylum.surge.2023-11-18";
    let told = alert("opened", "2023-11-18T10:00:00+00:00", json!({}));
    assert!(model.on_state(key, Some(&told)));
    assert_eq!(model.card(key), None, "it was told without numbers");
    let told = alert(
        "escalated",
        "2023-11-18T10:00:00+00:00",
        json!({
            "lens": "day", "observed": 80, "interval": {"lower": 0, "upper": 2}, "onset": "2023-11-17T00:00:00+00:00",
            "bucket": {"start": "2023-11-18T00:00:00+00:00", "end": "2023-11-19T00:00:00+00:00", "closed": false, "exposure": 1.0},
            "evidence": {"log_sr": 20.0, "chance_once_in_days": 1e8},
        }),
    );
    assert!(model.on_state(key, Some(&told)));
    let card = model.card(key).expect("a card");
    for said in [
        "9 on Friday 17 November 2023 (usually at most 2), the day its evidence crossed the limit",
        "80 on Saturday 18 November 2023",
        "before that it was at 1/8,100 of the limit",
        "strongest on Saturday 18 November 2023, at more than 1,000,000 times the limit",
        "closed from 15 November 2023 to 16 November 2023",
        "class=\"crossed\"",
    ] {
        assert!(card.contains(said), "{said}: {card}");
    }
    assert_eq!(model.card("b.asylum.surge.2023-11-18"), None);
}
