//! Holds groups to what they are for: a rise too thin for any crossing is found at the level where it shows, as one incident.

mod support;

use std::collections::BTreeSet;
use support::border::{Border, Weather};
use surgewatch::core::alert::Direction;
use surgewatch::core::ids::CrossingIx;
use surgewatch::core::region::groups::{self, Level};
use surgewatch::core::region::incident::{Change, Told};
use surgewatch::wire::incident::spoken;

/// Usual arrivals a day of each crossing.
const MEANS: [f64; 3] = [3.0, 4.0, 5.0];
/// Days before anything happens: a year with its seasons and half of the next.
const USUAL_DAYS: usize = 540;
const CALM: Weather = Weather {
    shared_log_sd: 0.03,
    own_log_sd: 0.05,
    season_log: 0.1,
};

/// Usual days, then days with `factor` times as many at the crossings that rise; what is told of those.
fn run(seed: u64, days: usize, rises: impl Fn(u16) -> bool, factor: f64) -> (Border, Vec<Told>) {
    run_by(seed, days, |at| if rises(at) { factor } else { 1.0 })
}

/// The same with a factor for each crossing.
fn run_by(seed: u64, days: usize, factor: impl Fn(u16) -> f64) -> (Border, Vec<Told>) {
    let mut border = Border::new(10, &MEANS, CALM, seed);
    for _ in 0..USUAL_DAYS {
        border.day(|_| 1.0);
    }
    let mut told = Vec::new();
    for _ in 0..days {
        told.extend(border.day(&factor));
    }
    (border, told)
}

fn opened(told: &[Told]) -> Vec<&Told> {
    let opened = told.iter().filter(|t| t.change == Change::Opened);
    opened.collect()
}

/// The level of the group an incident began with.
fn level(border: &Border, told: &Told) -> Option<(Level, String)> {
    let group = told.incident.id.group?;
    let group = &groups::of(&border.network)[usize::from(group.0)];
    Some((group.level, group.name.clone()))
}

#[test]
fn a_thin_rise_is_found_at_the_level_where_it_shows_and_is_one_incident() {
    for (name, rises, factor, wanted) in [
        ("a corridor", 0..10, 1.5, (Level::Corridor, "k0".to_owned())),
        ("all", 0..40, 1.25, (Level::Network, String::new())),
    ] {
        let (border, told) = run(3, 21, |at| rises.contains(&at), factor);
        let opened = opened(&told);
        for one in &told {
            eprintln!("{name}: {}", spoken(&border.network, one));
        }
        assert_eq!(opened.len(), 1, "{name}");
        assert_eq!(level(&border, opened[0]), Some(wanted), "{name}");
    }
}

/// Two corridors to a country; of the twenty crossings of the first country each has a quarter more.
#[test]
fn a_rise_too_thin_for_either_corridor_of_a_country_shows_at_the_country() {
    let mut border = Border::of_countries(2, 10, &MEANS, CALM, 5);
    for _ in 0..USUAL_DAYS {
        border.day(|_| 1.0);
    }
    let told = (0..28).flat_map(|_| border.day(|at| if at < 20 { 1.3 } else { 1.0 }));
    let told: Vec<Told> = told.collect();
    let opened = opened(&told);
    for one in &told {
        eprintln!("{}", spoken(&border.network, one));
    }
    assert_eq!(opened.len(), 1);
    let wanted = (Level::Country, "c0".to_owned());
    assert_eq!(level(&border, opened[0]), Some(wanted));
    let said = spoken(&border.network, opened[0]);
    assert!(said.contains("the 20 crossings of C0"), "{said}");
}

/// The groups of the first corridor's crossings in what is told.
fn of_first_corridor(border: &Border, told: &[Told]) -> usize {
    let groups = groups::of(&border.network);
    let of = |told: &&Told| {
        let mut own = told.incident.groups.iter();
        own.any(|g| {
            groups[usize::from(g.group.0)]
                .members
                .contains(&CrossingIx(0))
        })
    };
    told.iter().filter(of).count()
}

#[test]
fn a_group_half_of_which_is_shut_counts_the_open_half_and_neither_rises_nor_falls_by_it() {
    let half = || (0..10).step_by(2);
    let is_shut = |at: u16| at < 10 && at.is_multiple_of(2);
    let mut border = Border::new(10, &MEANS, CALM, 3);
    for _ in 0..USUAL_DAYS {
        border.day(|_| 1.0);
    }
    border.close(half());
    let told = (0..21).flat_map(|_| border.day(|at| if is_shut(at) { 0.0 } else { 1.0 }));
    let told: Vec<Told> = told.collect();
    let told: Vec<_> = told.iter().map(|t| spoken(&border.network, t)).collect();
    assert!(told.is_empty(), "what stays away says nothing: {told:?}");
}

#[test]
fn an_alert_of_a_group_goes_on_while_half_of_it_is_shut() {
    let is_shut = |at: u16| at < 10 && at.is_multiple_of(2);
    let (mut border, told) = run(3, 14, |at| at < 10, 1.5);
    let last = told.last().expect("it rises");
    let expected = |told: &Told| told.incident.groups[0].today.expected;
    let whole = expected(last);
    border.close((0..10).step_by(2));
    let mut told = Vec::new();
    for _ in 0..14 {
        told.extend(border.day(|at| match at {
            at if is_shut(at) => 0.0,
            0..10 => 1.5,
            _ => 1.0,
        }));
    }
    let ends = |t: &&Told| matches!(t.change, Change::Resolved(_));
    assert_eq!(told.iter().find(ends), None);
    let half = expected(told.last().expect("it goes on"));
    assert!((0.3..0.7).contains(&(half / whole)), "{half} of {whole}");
}

#[test]
fn what_moves_from_the_shut_half_of_a_group_to_the_open_one_is_no_rise_of_the_group() {
    let is_shut = |at: u16| at < 10 && at.is_multiple_of(2);
    let mut border = Border::new(10, &MEANS, CALM, 3);
    for _ in 0..USUAL_DAYS {
        border.day(|_| 1.0);
    }
    border.close((0..10).step_by(2));
    let told = (0..21).flat_map(|_| {
        border.day(|at| match at {
            at if is_shut(at) => 0.0,
            0..10 => 2.0,
            _ => 1.0,
        })
    });
    let told: Vec<Told> = told.collect();
    for one in &told {
        eprintln!("{}", spoken(&border.network, one));
    }
    assert_eq!(of_first_corridor(&border, &told), 0);
}

#[test]
fn the_sentence_says_where_and_how_many_and_names_no_single_crossing() {
    let (border, told) = run(3, 21, |at| at < 10, 1.5);
    let said = spoken(&border.network, opened(&told)[0]);
    let parts = [
        "The surge (entry) that began at the ",
        "There are more arrivals than usual at the ",
        " added up, though not plainly at any one of them: ",
    ];
    for part in parts {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_thin_fall_is_found_too() {
    let (border, told) = run(4, 28, |_| true, 0.6);
    let opened = opened(&told);
    for one in &told {
        eprintln!("{}", spoken(&border.network, one));
    }
    assert_eq!(opened.len(), 1);
    assert_eq!(opened[0].incident.id.direction, Direction::Drop);
    assert!(opened[0].incident.id.group.is_some());
}

#[test]
fn a_countrys_slice_of_a_group_lists_its_own_crossings() {
    let (border, told) = run(3, 21, |_| true, 1.25);
    let (_, slices) = support::records(&border.network, &border.params.families, opened(&told)[0]);
    assert_eq!(slices.len(), 4, "the group is the whole border");
    for (at, (country, slice)) in (0..).zip(&slices) {
        assert_eq!(*country, format!("c{at}"));
        let own: Vec<String> = (at * 10..at * 10 + 10)
            .map(|n| format!("x-{n:02}"))
            .collect();
        assert_eq!(slice["groups"][0]["crossings"], serde_json::json!(own));
    }
}

/// One crossing of the corridor rises a little while all others fall.
#[test]
fn a_fall_is_explained_by_the_crossings_that_fell() {
    let rises = 4;
    let (_, told) = run_by(4, 28, |at| if at == rises { 1.2 } else { 0.6 });
    let opened = opened(&told);
    assert_eq!(opened.len(), 1);
    let incident = &opened[0].incident;
    assert_eq!(incident.id.direction, Direction::Drop);
    let explaining: Vec<u16> = incident.explaining.iter().map(|ix| ix.0).collect();
    assert!(explaining.len() >= 5, "{explaining:?}");
    assert!(!explaining.contains(&rises), "{explaining:?}");
}

/// The same days without the rise.
#[test]
fn where_nothing_rises_no_group_says_anything() {
    for seed in [3, 4] {
        let (border, told) = run(seed, 28, |_| false, 1.0);
        let said: BTreeSet<_> = told.iter().map(|t| spoken(&border.network, t)).collect();
        assert!(said.is_empty(), "{said:?}");
    }
}

/// One in A of the days on which a group is judged is accepted, from the 28th day of its crossings on; none of those on which an alert
/// of it is open. Each alert that opens is counted once.
#[test]
fn what_is_accepted_of_groups_and_what_comes_is_counted() {
    let mut border = Border::new(10, &MEANS, CALM, 3);
    let lens = &border.params.groups;
    let lines = [lens.log_threshold_rise, lens.log_threshold_drop];
    let groups = groups::of(&border.network).len() as f64;
    let mut days_judged = |days, factor| {
        for _ in 0..days {
            border.day(|at| if at < 10 { factor } else { 1.0 });
        }
        let tally = border.region.take_tally();
        let days = [0, 1].map(|at| tally.promised[at] * lines[at].exp() / groups);
        (days, tally.opened)
    };
    let (days, opened) = days_judged(60, 1.0);
    assert_eq!(opened, [0, 0]);
    assert!(days.iter().all(|n| (29.5..32.5).contains(n)), "{days:?}");
    let (days, opened) = days_judged(480, 1.0);
    assert_eq!(opened, [0, 0]);
    assert!(days.iter().all(|n| (n - 480.0).abs() < 1e-6), "{days:?}");
    let (days, opened) = days_judged(21, 1.5);
    assert_eq!(opened, [1, 0]);
    assert!(days[0] < days[1] && days[1] <= 21.0, "{days:?}");
}
