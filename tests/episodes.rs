//! Owns the dates of the bundled replays: the first alert of each crossing, with the committed draw and with others.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read what it checks has failed"
)]

mod support;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use rayon::prelude::*;
use std::collections::BTreeMap;
use support::Feed;
use surgewatch::core::alert::{Direction, Transition};
use surgewatch::core::output::Output;
use surgewatch::replay::{self, Replay, Scenario};

/// Other seeds of the drawn part than the committed one.
const SEEDS: u64 = 10;

/// A transition of an alert.
struct Told {
    crossing: String,
    stream: String,
    direction: Direction,
    transition: Transition,
    day: Date,
}

/// What the machine tells of a replay.
#[derive(Default)]
struct Story {
    alerts: Vec<Told>,
    /// Crossings that were told of in a notice, by day.
    notices: Vec<(String, Date)>,
}

impl Story {
    fn of(replay: &Replay) -> Self {
        let feed = Feed::of(replay, 1);
        let mut engine = feed.engine();
        let (partition, _) = feed.records[0];
        engine.assign(partition, []).unwrap();
        let mut story = Self::default();
        let network = feed.network.clone();
        let day = |crossing, as_of: surgewatch::core::time::EventTime| {
            let tz: TimeZone = network.crossing(crossing).tz.clone();
            as_of.timestamp().to_zoned(tz).date()
        };
        let mut take = |output: Output| match output {
            Output::Alert {
                crossing,
                stream,
                alert,
                transition,
                as_of,
                ..
            } => story.alerts.push(Told {
                crossing: network.crossing(crossing).id.clone(),
                stream: network.stream(stream).to_owned(),
                direction: alert.direction,
                transition,
                day: day(crossing, as_of),
            }),
            Output::Notice {
                crossing, as_of, ..
            } => {
                let id = network.crossing(crossing).id.clone();
                story.notices.push((id, day(crossing, as_of)));
            }
            Output::Count { .. } => {}
        };
        for (partition, input) in &feed.records {
            engine.handle(*partition, input, &mut take).unwrap();
        }
        let last = replay.end.plus_ms(feed.params.close_after_ms);
        engine.pass_time(partition, last, &mut take);
        story
    }

    /// Days on which alerts opened or ended.
    fn days(&self, crossing: &str, direction: Direction, transition: Transition) -> Vec<Date> {
        let at = self.alerts.iter().filter(|a| a.crossing == crossing);
        at.filter(|a| a.direction == direction && a.transition == transition)
            .map(|a| a.day)
            .collect()
    }

    fn first(&self, crossing: &str, direction: Direction) -> Option<Date> {
        let days = self.days(crossing, direction, Transition::Opened);
        days.into_iter().min()
    }
}

fn scenario(name: &str) -> Scenario {
    let mut all = replay::bundled().iter();
    let (_, text) = all.find(|(known, _)| *known == name).unwrap();
    replay::load(text).unwrap()
}

/// The replay up to the end of a day, so that a test plays no more than it asks about.
fn until(scenario: &Scenario, day: &str) -> Replay {
    let mut replay = scenario.expand();
    let day: Date = day.parse().unwrap();
    let end = day.tomorrow().unwrap().to_zoned(TimeZone::UTC).unwrap();
    replay.end.0 = end.timestamp().as_millisecond();
    replay.events.retain(|event| event.time < replay.end);
    replay
}

/// Plays the committed draw and others, and says for each crossing when its first alert came.
fn spread(
    name: &str,
    end: &str,
    asked: &[(&str, Direction)],
) -> Vec<BTreeMap<String, Option<Date>>> {
    let committed = scenario(name);
    let seeds: Vec<u64> = (0..=SEEDS).collect();
    let firsts: Vec<BTreeMap<String, Option<Date>>> = seeds
        .par_iter()
        .map(|step| {
            let mut drawn = committed.clone();
            drawn.seed += step;
            let story = Story::of(&until(&drawn, end));
            let first = |(id, direction): &(&str, Direction)| {
                ((*id).to_owned(), story.first(id, *direction))
            };
            asked.iter().map(first).collect()
        })
        .collect();
    for (id, direction) in asked {
        let mut days: Vec<Option<Date>> = firsts.iter().map(|f| f[*id]).collect();
        let committed = days[0];
        days.sort();
        println!(
            "{name} {id} {direction:?}: committed {committed:?}, over {} seeds {days:?}",
            days.len()
        );
    }
    firsts
}

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

/// Whether a first alert came, and on these days.
fn is_within(first: Option<Date>, from: &str, to: &str) -> bool {
    first.is_some_and(|day| (date(from)..=date(to)).contains(&day))
}

#[test]
fn storskog_is_told_of_in_july_or_august_2015() {
    let firsts = spread(
        "arctic-2015",
        "2015-09-30",
        &[("no-storskog", Direction::Surge)],
    );
    for first in firsts {
        let first = first["no-storskog"];
        assert!(is_within(first, "2015-07-01", "2015-08-31"), "{first:?}");
    }
}

#[test]
fn raja_jooseppi_is_told_of_within_a_week_and_salla_with_its_fourth_arrival() {
    let asked = [
        ("fi-raja-jooseppi", Direction::Surge),
        ("fi-salla", Direction::Surge),
    ];
    let firsts = spread("arctic-2015", "2015-11-30", &asked);
    for first in firsts {
        let (raja, salla) = (first["fi-raja-jooseppi"], first["fi-salla"]);
        assert!(is_within(raja, "2015-10-26", "2015-11-01"), "{raja:?}");
        assert!(is_within(salla, "2015-10-26", "2015-11-08"), "{salla:?}");
    }
}

#[test]
fn lithuania_latvia_and_poland_are_told_of_before_their_emergencies() {
    let asked = [
        ("lt-belarus-line", Direction::Surge),
        ("lv-belarus-line", Direction::Surge),
        ("pl-belarus-line", Direction::Surge),
    ];
    let firsts = spread("belarus-2021", "2021-08-12", &asked);
    for first in firsts {
        let of = |id: &str| first[id];
        let (lt, lv, pl) = (of(asked[0].0), of(asked[1].0), of(asked[2].0));
        assert!(is_within(lt, "2021-04-01", "2021-06-15"), "{lt:?}");
        assert!(is_within(lv, "2021-08-09", "2021-08-10"), "{lv:?}");
        assert!(is_within(pl, "2021-08-06", "2021-08-10"), "{pl:?}");
    }
}

#[test]
fn the_gathering_at_kuznica_is_told_of_and_its_closing_ends_no_alert() {
    let story = Story::of(&scenario("belarus-2021").expand());
    let first = story.first("pl-kuznica", Direction::Surge);
    assert_eq!(first, Some(date("2021-11-08")));
    let ended = story.days("pl-kuznica", Direction::Surge, Transition::Resolved);
    assert_eq!(ended, [], "a shut gate ends no surge");
    let drops = story
        .alerts
        .iter()
        .filter(|a| a.direction == Direction::Drop);
    let drops = drops.filter(|a| a.stream == "trucks" && a.crossing == "pl-kuznica");
    let after_closing = drops.filter(|a| a.day > date("2021-11-09"));
    assert_eq!(after_closing.count(), 0, "a shut gate is no drop");
}

#[test]
fn the_blockade_shows_as_drops_where_it_is_and_rises_beside_it() {
    let asked = [
        ("pl-dorohusk", Direction::Drop),
        ("pl-hrebenne", Direction::Drop),
        ("pl-korczowa", Direction::Drop),
    ];
    let story = Story::of(&until(&scenario("blockade-2023"), "2023-11-30"));
    for (id, direction) in asked {
        let days = story.days(id, direction, Transition::Opened);
        assert!(days.contains(&date("2023-11-06")), "{id}: {days:?}");
    }
    let medyka = story.first("pl-medyka", Direction::Drop);
    assert!(is_within(medyka, "2023-11-23", "2023-11-24"), "{medyka:?}");
    for id in ["pl-zosin", "pl-dolhobyczow", "pl-kroscienko"] {
        let first = story.first(id, Direction::Surge);
        assert!(
            is_within(first, "2023-11-07", "2023-11-10"),
            "{id}: {first:?}"
        );
    }
}

#[test]
fn a_feed_that_dies_during_the_blockade_is_blind_and_no_drop() {
    let mut replay = until(&scenario("blockade-2023"), "2023-11-30");
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    let dead = at("2023-11-13T10:00:00+01:00")..at("2023-11-17T10:00:00+01:00");
    replay
        .events
        .retain(|e| e.crossing != "pl-medyka" || !dead.contains(&e.time.0));
    let story = Story::of(&replay);
    let notices: Vec<Date> = story
        .notices
        .iter()
        .filter(|(id, _)| id == "pl-medyka")
        .map(|(_, day)| *day)
        .collect();
    assert_eq!(
        notices,
        [date("2023-11-13"), date("2023-11-17")],
        "blind, then no longer"
    );
    let first = story.first("pl-medyka", Direction::Drop);
    assert!(is_within(first, "2023-11-23", "2023-11-24"), "{first:?}");
}

#[test]
fn the_rush_of_2022_is_told_of_on_the_day_it_begins() {
    let asked = ["fi-vaalimaa", "fi-nuijamaa", "fi-imatra", "fi-niirala"];
    let asked = asked.map(|id| (id, Direction::Surge));
    let firsts = spread("rush-2022", "2022-09-29", &asked);
    for (id, _) in &asked[..2] {
        let of: Vec<_> = firsts.iter().map(|first| first[*id]).collect();
        let in_time = of
            .iter()
            .filter(|f| is_within(**f, "2022-09-20", "2022-09-22"));
        assert!(in_time.count() >= 8, "{id}: {of:?}");
    }
}

#[test]
fn no_surge_is_told_of_at_storskog_in_2023() {
    let firsts = spread(
        "storskog-2023",
        "2024-01-31",
        &[("no-storskog", Direction::Surge)],
    );
    for first in firsts {
        assert_eq!(first["no-storskog"], None);
    }
}
