//! Holds incidents to the hauliers' blockade of 2023-24, a scenario of trucks: falls at the blocked crossings and rises beside them
//! are one incident, which ends within days of the blockade, and a feed that dies meanwhile is blind and no fall. All with the settings
//! of someone who sets nothing.

mod support;

use std::collections::BTreeSet;
use support::Feed;
use support::border::{Border, Weather};
use surgewatch::core::alert::{Direction, Transition};
use surgewatch::core::calendar::local;
use surgewatch::core::event::Kind;
use surgewatch::core::ids::CrossingIx;
use surgewatch::core::notice::{DataStatus, NoticeKind};
use surgewatch::core::output::Output;
use surgewatch::core::region::incident::{Change, Told};
use surgewatch::core::time::EventTime;
use surgewatch::replay;
use surgewatch::wire::incident::spoken;

fn blockade() -> Feed {
    let bundled = replay::bundled().iter();
    let text = bundled.clone().find(|(name, _)| *name == "blockade-2023");
    let (_, text) = text.expect("it is bundled");
    Feed::of(&replay::load(text).expect("it is checked").expand(), 4)
}

fn moment(text: &str) -> EventTime {
    let at: jiff::Timestamp = text.parse().expect("a moment");
    EventTime(at.as_millisecond())
}

fn date(feed: &Feed, crossing: CrossingIx, at: EventTime) -> String {
    let tz = &feed.network.crossing(crossing).tz;
    local(tz, at).date().to_string()
}

fn id(feed: &Feed, crossing: CrossingIx) -> String {
    feed.network.crossing(crossing).id.clone()
}

/// Alerts of a transition: day, crossing, direction.
fn alerts(feed: &Feed, outputs: &[Output], wanted: Transition) -> Vec<(String, String, Direction)> {
    let alerts = outputs.iter().filter_map(|output| match output {
        Output::Alert {
            crossing,
            transition,
            alert,
            as_of,
            ..
        } if *transition == wanted => Some((
            date(feed, *crossing, *as_of),
            id(feed, *crossing),
            alert.direction,
        )),
        _ => None,
    });
    alerts.collect()
}

fn print(feed: &Feed, told: &[Told]) {
    for one in told.iter().filter(|t| t.change != Change::Updated) {
        let tz = &feed.network.crossing(one.incident.id.crossing).tz;
        let at = local(tz, one.incident.as_of).strftime("%F %H:%M");
        eprintln!("{at} {:?}: {}", one.change, spoken(&feed.network, one));
    }
}

/// Blocked from 6 November, about 13:00: Dorohusk-Yahodyn, Hrebenne-Rava-Ruska and Korczowa-Krakovets; Medyka-Shehyni from 27
/// November. Free on 16 and 17 January.
#[test]
fn falls_at_the_blocked_crossings_and_rises_beside_them_are_one_incident_that_ends_within_days() {
    let feed = blockade();
    let (outputs, told) = feed.told();
    print(&feed, &told);
    for transition in [Transition::Opened, Transition::Resolved] {
        for line in alerts(&feed, &outputs, transition) {
            eprintln!("{transition:?} {line:?}");
        }
    }
    let begins = told.iter().find(|t| {
        date(&feed, t.incident.id.crossing, t.incident.as_of).as_str() >= "2023-11-06"
            && t.change == Change::Opened
    });
    let id_of = begins.expect("it is told").incident.id;
    let mine: Vec<&Told> = told.iter().filter(|t| t.incident.id == id_of).collect();
    assert_eq!(mine.len(), told.len(), "it is the only one");
    let last = &mine[mine.len() - 1].incident;
    let of = |direction| -> BTreeSet<String> {
        let members = last.members.iter().filter(|m| m.direction == direction);
        members.map(|m| id(&feed, m.crossing)).collect()
    };
    let (falls, rises) = (of(Direction::Drop), of(Direction::Surge));
    for blocked in ["pl-dorohusk", "pl-hrebenne", "pl-korczowa", "pl-medyka"] {
        assert!(falls.contains(blocked), "{blocked}: {falls:?}");
    }
    for beside in ["pl-zosin", "pl-dolhobyczow", "pl-kroscienko"] {
        assert!(rises.contains(beside), "{beside}: {rises:?}");
    }
    let ends = mine
        .iter()
        .filter(|t| matches!(t.change, Change::Resolved(_)));
    let ends: Vec<String> = ends
        .map(|t| date(&feed, id_of.crossing, t.incident.as_of))
        .collect();
    let last = mine[mine.len() - 1].change;
    assert!(
        matches!(last, Change::Resolved(_)),
        "nothing begins anew after it"
    );
    assert_eq!(ends.len(), 1, "it ends once: {ends:?}");
    assert!(
        ("2024-01-17"..="2024-01-22").contains(&ends[0].as_str()),
        "{ends:?}"
    );
}

/// A level that lasts is told of once: an alert does not end and begin again every few days.
#[test]
fn a_blockade_of_weeks_is_not_told_of_again_and_again() {
    let feed = blockade();
    let (outputs, _) = feed.told();
    let opened = alerts(&feed, &outputs, Transition::Opened);
    for (crossing, direction) in [
        ("pl-hrebenne", Direction::Drop),
        ("pl-korczowa", Direction::Drop),
        ("pl-zosin", Direction::Surge),
        ("pl-dolhobyczow", Direction::Surge),
        ("pl-kroscienko", Direction::Surge),
    ] {
        let mine = opened.iter();
        let mine = mine.filter(|(_, at, d)| at == crossing && *d == direction);
        let mine: Vec<_> = mine.collect();
        assert!(mine.len() <= 2, "{mine:?}");
    }
}

/// Five months of history, then twice as many for a hundred days: by day that is usual before the hours have learnt it.
#[test]
fn a_rise_that_lasts_at_a_crossing_of_some_months_is_told_of_once() {
    let weather = Weather {
        shared_log_sd: 0.0,
        own_log_sd: 0.0,
        season_log: 0.0,
    };
    for mean in [30.0, 60.0, 200.0] {
        for seed in 1..4 {
            let mut border = Border::new(1, &[mean], weather, seed);
            for day in 0..251 {
                border.day(|at| if at == 0 && day >= 151 { 2.0 } else { 1.0 });
            }
            let opened = border.opened;
            assert!((1..=2).contains(&opened), "{mean} a day, {seed}: {opened}");
        }
    }
}

/// The feeds of a blocked and of a free crossing say nothing for two days, in the middle of a day.
#[test]
fn a_feed_that_dies_in_the_middle_is_blind_and_no_fall() {
    let (dies, lives) = (
        moment("2023-11-22T12:10:00+01:00"),
        moment("2023-11-24T12:10:00+01:00"),
    );
    // All feeds are silent after the scenario's last day.
    let ends = lives.plus_ms(24 * 3_600_000);
    let mut feed = blockade();
    let places = ["pl-hrebenne", "pl-medyka"];
    let network = feed.network.clone();
    let places = places.map(|id| network.crossing_ix(id).expect("it is one"));
    feed.records.retain(|(_, input)| {
        let event = input.event.as_ref().expect("replays decode");
        !(places.contains(&event.crossing) && dies <= event.time && event.time < lives)
    });
    let beats = feed.records.iter().filter(|(_, input)| {
        input
            .event
            .as_ref()
            .is_ok_and(|e| e.kind == Kind::Heartbeat)
    });
    assert!(beats.count() > 1_000, "the feeds send heartbeats");
    let (outputs, _) = feed.told();
    let (mut blind, mut marked) = (BTreeSet::new(), BTreeSet::new());
    for output in &outputs {
        match output {
            Output::Notice {
                crossing,
                notice,
                as_of,
                ..
            } if notice.kind == NoticeKind::FeedBlind && *as_of >= dies && *as_of < ends => {
                blind.insert((id(&feed, *crossing), notice.is_over));
            }
            Output::Alert {
                crossing,
                alert,
                transition,
                data,
                as_of,
                ..
            } if places.contains(crossing) && *as_of >= dies && *as_of <= lives => {
                let is_blind = *data == DataStatus::Blind;
                marked.insert((id(&feed, *crossing), alert.direction, *transition, is_blind));
            }
            _ => {}
        }
    }
    let all = places.map(|at| [false, true].map(|over| (id(&feed, at), over)));
    assert_eq!(blind, all.into_iter().flatten().collect());
    // The fall that was told of before is marked; nothing else is told.
    let marked: Vec<_> = marked.into_iter().collect();
    let of_before = (
        "pl-hrebenne".to_owned(),
        Direction::Drop,
        Transition::Updated,
        true,
    );
    assert_eq!(marked, [of_before]);
}

#[test]
fn a_crossing_joins_an_incident_once_and_what_it_does_later_is_told_under_its_own_name() {
    let feed = blockade();
    let (_, told) = feed.told();
    let (mut joined, mut later) = (BTreeSet::new(), 0);
    for one in told.iter().filter(|t| t.change == Change::Attached) {
        let Some((at, _)) = one.by else { continue };
        let text = spoken(&feed.network, one);
        let name = &feed.network.crossing(at).name;
        let says = |what: &str| text.contains(&format!("goes on. {name} {what}"));
        if says("has joined") {
            assert!(joined.insert((one.incident.id, at)), "{text}");
        } else {
            let is_known = [
                "rises again",
                "falls again",
                "rises after its fall",
                "falls after its rise",
            ];
            assert!(is_known.iter().any(|what| says(what)), "{text}");
            later += 1;
        }
    }
    assert!(joined.len() > 2 && later > 2, "{} {later}", joined.len());
}

/// A gate that fell for sixty days has a new usual, and its way back is judged while that is learnt: what a bucket that is open says
/// of it, the closed one says too.
#[test]
fn nothing_is_withdrawn_where_nothing_comes_late() {
    let feed = blockade();
    let (outputs, _) = feed.told();
    assert_eq!(alerts(&feed, &outputs, Transition::Retracted), []);
    let opened = alerts(&feed, &outputs, Transition::Opened);
    let back = (
        "2024-01-17".to_owned(),
        "pl-dorohusk".to_owned(),
        Direction::Surge,
    );
    assert!(opened.contains(&back), "{opened:?}");
}
