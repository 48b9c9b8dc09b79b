//! Owns the dates of the bundled replays: the first alert of each crossing, with the committed draw and with others.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read what it checks has failed"
)]
#![allow(
    clippy::print_stdout,
    reason = "the spread over draws is a measure, shown with --nocapture"
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
const SEEDS: u64 = 20;

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

/// Holds the committed draw to a window, all draws to a last day, and at least half of them to the window.
fn hold(firsts: &[BTreeMap<String, Option<Date>>], id: &str, (from, to): (&str, &str), last: &str) {
    let days: Vec<Option<Date>> = firsts.iter().map(|first| first[id]).collect();
    assert!(
        is_within(days[0], from, to),
        "{id} as committed: {:?}",
        days[0]
    );
    let all = days
        .iter()
        .all(|day| day.is_some_and(|day| day <= date(last)));
    assert!(all, "{id}, not all by {last}: {days:?}");
    let within = days.iter().filter(|day| is_within(**day, from, to)).count();
    assert!(
        2 * within > days.len(),
        "{id}, {within} from {from} to {to}: {days:?}"
    );
}

#[test]
fn storskog_is_told_of_in_july_or_august_2015() {
    let firsts = spread(
        "arctic-2015",
        "2015-09-30",
        &[("no-storskog", Direction::Surge)],
    );
    hold(
        &firsts,
        "no-storskog",
        ("2015-07-01", "2015-08-31"),
        "2015-09-30",
    );
}

#[test]
fn raja_jooseppi_is_told_of_within_a_day_or_two_and_salla_by_its_fourth_arrival() {
    let asked = [
        ("fi-raja-jooseppi", Direction::Surge),
        ("fi-salla", Direction::Surge),
    ];
    let firsts = spread("arctic-2015", "2015-11-30", &asked);
    hold(
        &firsts,
        asked[0].0,
        ("2015-10-26", "2015-10-27"),
        "2015-11-01",
    );
    hold(
        &firsts,
        asked[1].0,
        ("2015-10-26", "2015-11-02"),
        "2015-11-08",
    );
}

#[test]
fn lithuania_latvia_and_poland_are_told_of_before_their_emergencies() {
    let asked = ["lt-belarus-line", "lv-belarus-line", "pl-belarus-line"];
    let firsts = spread(
        "belarus-2021",
        "2021-08-12",
        &asked.map(|id| (id, Direction::Surge)),
    );
    hold(
        &firsts,
        asked[0],
        ("2021-04-01", "2021-06-15"),
        "2021-07-01",
    );
    hold(
        &firsts,
        asked[1],
        ("2021-08-09", "2021-08-10"),
        "2021-08-10",
    );
    hold(
        &firsts,
        asked[2],
        ("2021-08-06", "2021-08-10"),
        "2021-08-10",
    );
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
    let drops: Vec<Date> = drops
        .map(|a| a.day)
        .filter(|day| *day >= date("2021-11-01"))
        .collect();
    assert_eq!(drops, [], "a shut gate is no drop");
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
fn a_feed_that_dies_during_the_blockade_is_told_of_as_blind_and_no_drop_opens_or_ends_while_it_is()
{
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
    // Silence counts as none passing until it is long enough to be blind: that may raise a drop on the day itself.
    let opened = story.days("pl-medyka", Direction::Drop, Transition::Opened);
    let while_blind = opened
        .iter()
        .filter(|day| is_within(Some(**day), "2023-11-14", "2023-11-22"));
    assert_eq!(while_blind.count(), 0, "{opened:?}");
    let ended = story.days("pl-medyka", Direction::Drop, Transition::Resolved);
    let while_blind = ended
        .iter()
        .filter(|day| is_within(Some(**day), "2023-11-13", "2023-11-16"));
    assert_eq!(while_blind.count(), 0, "{ended:?}");
    let found = opened
        .iter()
        .any(|day| is_within(Some(*day), "2023-11-23", "2023-11-24"));
    assert!(found, "the blockade of 23 November: {opened:?}");
}

#[test]
fn drops_and_rises_of_the_blockade_are_one_incident_and_end_within_days_of_it() {
    let scenario = scenario("blockade-2023");
    let replay = scenario.expand();
    let story = Story::of(&replay);
    let freed = [
        ("pl-dorohusk", "2023-12-11", "2023-12-16"),
        ("pl-medyka", "2024-01-06", "2024-01-11"),
        ("pl-dorohusk", "2024-01-17", "2024-01-22"),
    ];
    for (id, from, to) in freed {
        let ended = story.days(id, Direction::Drop, Transition::Resolved);
        let in_time = ended.iter().any(|day| is_within(Some(*day), from, to));
        assert!(in_time, "{id}, free on {from}: {ended:?}");
    }
    for id in ["pl-dorohusk", "pl-hrebenne", "pl-korczowa", "pl-medyka"] {
        let count = |transition| story.days(id, Direction::Drop, transition).len();
        let (opened, ended) = (count(Transition::Opened), count(Transition::Resolved));
        assert_eq!(
            opened, ended,
            "{id}: no drop is open three weeks after the end"
        );
    }
    let engine = Feed::of(&replay, 1).engine();
    let limits = surgewatch::wire::decode::Limits {
        max_event_bytes: 65_536,
        max_count: 100_000,
        max_ahead_ms: 3_600_000,
        max_behind_ms: 2_592_000_000,
    };
    let report = surgewatch::report::episode(&scenario, engine, &limits, None).unwrap();
    let told = report.incidents.iter().map(|incident| {
        let lines = incident.lines.iter().map(|(_, sentence)| sentence.as_str());
        lines.collect::<Vec<_>>().join("\n")
    });
    let told: Vec<String> = told.collect();
    let whole = "Dorohusk-Yahodyn (fewer), Hrebenne-Rava-Ruska (fewer), Korczowa-Krakovets (fewer), Zosin-Ustyluh";
    assert!(told.iter().any(|lines| lines.contains(whole)), "{told:#?}");
}

#[test]
fn the_rush_of_2022_is_told_of_as_it_begins() {
    let committed = scenario("rush-2022");
    let stories: Vec<Story> = (0..=SEEDS)
        .into_par_iter()
        .map(|step| {
            let mut drawn = committed.clone();
            drawn.seed += step;
            Story::of(&until(&drawn, "2022-09-29"))
        })
        .collect();
    for id in ["fi-vaalimaa", "fi-nuijamaa", "fi-imatra", "fi-niirala"] {
        let opened = |story: &Story| story.days(id, Direction::Surge, Transition::Opened);
        let in_time = |story: &&Story| {
            let mut opened = opened(story).into_iter();
            opened.any(|day| is_within(Some(day), "2022-09-20", "2022-09-24"))
        };
        let all: Vec<_> = stories.iter().map(opened).collect();
        println!("rush-2022 {id}: {all:?}");
        assert!(in_time(&&stories[0]), "{id} as committed: {:?}", all[0]);
        let found = stories.iter().filter(in_time).count();
        assert!(2 * found > stories.len(), "{id}: {all:?}");
    }
}

/// A fifth less in January 2024 than in December is no news, next door to a real surge.
#[test]
fn nothing_is_told_of_at_storskog_in_2023() {
    let committed = scenario("storskog-2023");
    let steps: Vec<u64> = (0..=SEEDS).collect();
    let stories: Vec<Vec<String>> = steps
        .par_iter()
        .map(|step| {
            let mut drawn = committed.clone();
            drawn.seed += step;
            let story = Story::of(&drawn.expand());
            let opened = story.alerts.iter();
            let opened = opened.filter(|a| a.transition == Transition::Opened);
            opened
                .map(|a| format!("{} {:?} of {}", a.day, a.direction, a.stream))
                .collect()
        })
        .collect();
    println!("storskog-2023, over {} draws: {stories:?}", stories.len());
    assert_eq!(stories[0], [""; 0], "as committed");
    let silent = stories.iter().filter(|told| told.is_empty()).count();
    assert!(silent >= 18, "{stories:?}");
    let all = stories.iter().flatten();
    assert!(all.clone().all(|told| told.ends_with("travellers")));
}
