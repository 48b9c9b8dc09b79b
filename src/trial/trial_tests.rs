//! Holds the trial to its word: nobody is asked about days that have not come, and what is counted is what was said.

use super::*;
use crate::core::episode::{Family, Likeness, Onset, Stage, TooLittle, Verdict};
use crate::core::intake::BadRecordBudget;
use crate::core::params::Budget;
use crate::core::region::displacement::Day as CivilDay;
use crate::variants::{Crossing, Day, Kind};

fn families() -> Families {
    let files = [
        include_str!("../../config/episodes/belarus-2021-push.toml"),
        include_str!("../../config/episodes/finland-2023-shift.toml"),
        include_str!("../../config/episodes/holiday-peak.toml"),
    ];
    let family = |text| toml::from_str::<Family>(text).expect("a bundled file");
    Families {
        families: files.map(family).to_vec(),
    }
}

fn params(network: &Network) -> Params {
    let budget = Budget {
        false_alerts_per_year: 0.2 * network.series_count() as f64,
        drop_share_ratio: 0.25,
        hour_share_ratio: 0.3,
        group_share_ratio: 0.1,
    };
    let bad_records = BadRecordBudget {
        max_run: 1,
        max_ratio: 1.0,
        window: 10,
    };
    Params::new(
        network,
        budget,
        [0.05, 0.15],
        172_800_000,
        600_000,
        1,
        bad_records,
    )
    .with_families(families())
}

fn asked(variant: &Variant) -> Vec<Said> {
    let families = families();
    let bench = Bench {
        families: &families,
        params: &params,
    };
    let answers = answers(&bench, variant);
    answers.iter().map(|answer| answer.said).collect()
}

#[test]
fn no_answer_knows_of_a_later_day() {
    let variant = Variant::generate(Kind::FinlandShift, 1);
    let mut other = variant.clone();
    for crossing in &mut other.border.crossings {
        for day in &mut crossing.days[variant.onset + 7..] {
            *day = Day {
                state: State::Open,
                count: 900,
            };
        }
    }
    let (all, changed) = (asked(&variant), asked(&other));
    assert_eq!(all.len(), ASKED_DAYS.len());
    assert_eq!(all[..3], changed[..3], "days 1, 3 and 7");
    assert_ne!(all[3..], changed[3..], "days 14 and 28");
}

#[test]
fn a_quiet_border_has_no_incident() {
    let mut variant = Variant::generate(Kind::FinlandShift, 1);
    for crossing in &mut variant.border.crossings {
        let mut quiet = crossing.days[..QUIET].repeat(4);
        quiet.truncate(crossing.days.len());
        crossing.days = quiet;
    }
    assert!(asked(&variant).iter().all(|said| *said == Said::NoIncident));
}

/// Days that are quiet for certain.
const QUIET: usize = crate::variants::QUIET_DAYS;

fn border(days: &[(State, u32)]) -> Border {
    let day = |(state, count): &(State, u32)| Day {
        state: *state,
        count: *count,
    };
    Border {
        start: jiff::civil::date(2024, 1, 1),
        crossings: vec![Crossing {
            country: "xa",
            days: days.iter().map(day).collect(),
        }],
    }
}

fn projection(days: u32) -> Projection {
    Projection {
        came: 0,
        days,
        median: 6,
        low: 4,
        high: 8,
    }
}

#[test]
fn a_projection_is_held_against_the_days_that_follow_it() {
    let open = |count| (State::Open, count);
    let days = border(&[
        open(1),
        open(2),
        open(3),
        (State::Closed, 0),
        (State::Blind, 0),
    ]);
    let came = |row, days_ahead| {
        let held = held(&days, row, projection(days_ahead))?;
        Some((held.came, held.is_as_supposed))
    };
    assert_eq!(came(0, 1), Some((2, true)));
    assert_eq!(came(0, 2), Some((5, true)));
    assert_eq!(came(0, 3), Some((5, false)), "a gate shut");
    assert_eq!(came(1, 3), None, "a day that nobody counted");
    assert_eq!(came(3, 3), None, "a day that is not there");
}

fn likeness(verdict: Verdict) -> Likeness {
    let day = CivilDay(0);
    Likeness {
        judged_days: 4,
        before_alert_days: 0,
        day: 3,
        onset: Onset {
            first: day,
            likely: day,
            last: day,
        },
        verdict,
        doubling: None,
        projections: vec![projection(1)],
    }
}

fn compared(families: [f64; 3], none: f64) -> Likeness {
    likeness(Verdict::Compared {
        families: families.to_vec(),
        none,
        stage: Stage::Level,
    })
}

#[test]
fn what_is_said_is_the_candidate_with_half_of_the_probability() {
    let too_little = likeness(Verdict::TooLittle(TooLittle::Days { have: 1, need: 3 }));
    for (incident, said, label) in [
        (None, Said::NoIncident, "no incident"),
        (Some(None), Said::TooLittle, "too little"),
        (Some(Some(&too_little)), Said::TooLittle, "too little"),
        (
            Some(Some(&compared([0.4, 0.3, 0.1], 0.2))),
            Said::Undecided,
            "undecided",
        ),
        (
            Some(Some(&compared([0.1, 0.7, 0.1], 0.1))),
            Said::Like(1, 0.7),
            "finland-2023-shift",
        ),
        (
            Some(Some(&compared([0.1, 0.1, 0.1], 0.7))),
            Said::Like(3, 0.7),
            "none-of-these",
        ),
    ] {
        assert_eq!(Said::of(incident), said);
        assert_eq!(said.label(&families()), label);
    }
}

#[test]
fn shares_and_reliability_are_counted_by_hand() {
    let mut tally = Tally::new(&families());
    let answer = |said| Answer {
        said,
        held: vec![Held {
            projection: projection(1),
            came: 9,
            is_as_supposed: true,
        }],
        onset: Some([1, 4]),
    };
    for (kind, said) in [
        (Kind::FinlandShift, Said::Like(1, 0.7)),
        (Kind::FinlandShift, Said::Like(0, 0.75)),
        (Kind::BelarusPush, Said::TooLittle),
        (Kind::Noise, Said::Like(1, 0.9)),
        (Kind::Noise, Said::NoIncident),
        (Kind::Holiday, Said::Like(2, 0.55)),
        (Kind::Weather, Said::Like(3, 0.99)),
    ] {
        tally.add(kind, 3, &answer(said));
    }
    assert_eq!(tally.right_ratio(3), Some(0.5), "2 of the 4 that are named");
    assert_eq!(tally.right_ratio(0), None);
    let innocent = [Kind::Noise, Kind::Holiday, Kind::Weather];
    assert_eq!(tally.steered_ratio(&innocent, 3), Some(0.25), "1 of 4");
    let of_incidents = tally.steered_ratio_of_incidents(&innocent, 3);
    assert_eq!(of_incidents, Some(1.0 / 3.0));
    assert_eq!(tally.too_little_ratio(3), Some(1.0 / 6.0));
    let bins = tally.reliability_of_all();
    assert_eq!((bins[0].matches, bins[0].right), (1, 1));
    assert_eq!((bins[1].matches, bins[1].right), (2, 1));
    assert!((bins[1].promised - 1.45).abs() < 1e-12);
    assert_eq!((bins[3].matches, bins[3].right), (1, 0));
    let coverage = tally.coverage[3][&1];
    assert_eq!((coverage.projections, coverage.above), (7, 7));
    assert_eq!(coverage.ratio(), Some(0.0));
    let onsets = tally.onsets[3];
    assert_eq!(
        (onsets.said, onsets.before),
        (4, 4),
        "of the families alone"
    );
    assert_eq!(onsets.width_days(), Some(4.0));
}

#[test]
fn the_table_of_replays_has_crossings_that_join_and_replays_without_an_incident() {
    let said = |day, what: &str| BTreeMap::from([(day, (what.to_owned(), 0.99))]);
    let date = |day| jiff::civil::date(2023, 11, day);
    let lived = Lived {
        replay: "finland-2023".to_owned(),
        place: "fi-vaalimaa".to_owned(),
        stream: "asylum".to_owned(),
        direction: "surge",
        first_alert: date(13),
        family: None,
        said: said(7, "finland-2023-shift"),
        without: BTreeMap::new(),
        joined: vec![Joined {
            place: "fi-salla".to_owned(),
            first_alert: date(20),
            said: said(1, "finland-2023-shift"),
        }],
    };
    let report = Report {
        variants: 0,
        first_seed: 0,
        tally: Tally::new(&families()),
        replays: vec![lived],
        quiet: vec!["storskog-2023".to_owned()],
        counted: BTreeMap::new(),
    };
    let table = text(&report);
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let (day_7, day_1) = ("finland-2023-shift", "2023-11-20");
    assert_eq!(
        rows[1][6..],
        ["2023-11-13", "-", "-", day_7, "99", "%", "-", "-"]
    );
    assert_eq!(rows[2][..4], ["joined", "by", "fi-salla", day_1]);
    assert_eq!(rows[2][4..], [day_7, "99", "%", "-", "-", "-", "-"]);
    assert_eq!(rows[3], ["storskog-2023", "no", "incident"]);
}
