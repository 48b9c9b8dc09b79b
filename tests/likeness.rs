//! Owns what incidents are like in their numbers: counts that were published, counts of nothing, laws that hold for any counts, and the
//! bundled replays, day by day, through the machine.
#![allow(
    clippy::print_stdout,
    reason = "the matches are a measure, shown with --nocapture"
)]

mod support;

use proptest::prelude::{any, prop, proptest};
use rayon::prelude::*;
use std::collections::BTreeMap;
use support::Feed;
use surgewatch::core::alert::Direction;
use surgewatch::core::episode::{
    Called, Families, Gate, Likeness, Place, Seen, Situation, Stage, TooLittle, Verdict, course,
    liken,
};
use surgewatch::core::region::displacement::Day;
use surgewatch::core::region::incident::Change;
use surgewatch::core::region::{Region, RegionState};
use surgewatch::replay;

/// Days of an incident that the table shows; its first is 1.
const SHOWN_DAYS: [i32; 5] = [1, 3, 7, 14, 28];

/// What the incidents of a replay were like, by name and day.
type Story = BTreeMap<String, BTreeMap<i32, Likeness>>;

/// Plays a bundled replay through the machine and its incidents.
fn story(name: &str) -> Story {
    let settings = support::settings();
    let mut all = replay::bundled().iter();
    let (_, text) = all
        .find(|(known, _)| *known == name)
        .expect("it is bundled");
    let replay = replay::load(text).expect("it is checked").expand();
    let mut feed = Feed::of(&replay, 1);
    feed.params = feed.params.with_families(settings.families().clone());
    let mut engine = feed.engine();
    let (partition, _) = feed.records[0];
    engine.assign(partition, []).expect("a fresh partition");
    let state = RegionState::default();
    let mut region = Region::new(feed.network.clone(), feed.params.clone(), state);
    let mut story = Story::new();
    let mut take = |output| {
        for told in region.take(&output) {
            let incident = &told.incident;
            let (Change::Updated, Some(likeness)) = (told.change, &incident.likeness) else {
                continue;
            };
            let last = incident.day.expect("a day is over");
            let onset = incident.id.onset.timestamp().as_second().div_euclid(86_400) as i32;
            let days = story.entry(incident.id.name(&feed.network)).or_default();
            days.insert(last.0 - onset + 1, likeness.clone());
        }
    };
    for (partition, input) in &feed.records {
        engine
            .handle(*partition, input, &mut take)
            .expect("replays decode");
    }
    let last = replay.end.plus_ms(feed.params.settle_after_ms());
    engine.pass_time(partition, last, &mut take);
    story
}

fn shown(families: &Families, likeness: &Likeness) -> String {
    let Verdict::Compared {
        families: all,
        none,
        stage,
    } = &likeness.verdict
    else {
        return "too little".to_owned();
    };
    let best = all
        .iter()
        .copied()
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(&b.1));
    let (at, p) = best.expect("there are families");
    let (name, p) = if *none >= p {
        ("none", *none)
    } else {
        (families.families[at].id.as_str(), p)
    };
    format!("{name} {p:.2} {}", stage.label())
}

/// The share of the days of all incidents on which something was named that is not ordinary traffic, and its name.
fn steered(families: &Families, story: &Story) -> Vec<String> {
    let days = story.values().flat_map(BTreeMap::values);
    let named = days
        .filter_map(Likeness::named)
        .map(|(at, _)| &families.families[at]);
    named
        .filter(|family| !family.ordinary)
        .map(|family| family.id.clone())
        .collect()
}

fn longest(story: &Story) -> &BTreeMap<i32, Likeness> {
    let longest = story.values().max_by_key(|days| days.len());
    longest.expect("there is an incident")
}

#[test]
fn replays_are_like_what_they_are() {
    let settings = support::settings();
    let families = settings.families();
    let names: Vec<&str> = replay::bundled().iter().map(|(name, _)| *name).collect();
    let stories: Vec<(&str, Story)> = names.par_iter().map(|name| (*name, story(name))).collect();
    for (name, story) in &stories {
        for (incident, days) in story {
            let asked = |day: &i32| {
                days.get(day)
                    .map(|l| format!("day {day}: {}", shown(families, l)))
            };
            let line: Vec<String> = SHOWN_DAYS.iter().filter_map(asked).collect();
            println!("{name:14} {incident:60} {}", line.join("; "));
        }
    }
    let of = |name: &str| {
        &stories
            .iter()
            .find(|(known, _)| *known == name)
            .expect("it is bundled")
            .1
    };
    let is_named = |days: &BTreeMap<i32, Likeness>, day: i32| {
        let (at, _) = days.get(&day)?.named()?;
        Some(families.families[at].id.clone())
    };
    assert_eq!(
        is_named(longest(of("finland-2023")), 7).as_deref(),
        Some("finland-2023-shift")
    );
    assert_eq!(
        is_named(longest(of("finland-2023")), 14).as_deref(),
        Some("finland-2023-shift")
    );
    assert_eq!(
        is_named(longest(of("blockade-2023")), 4).as_deref(),
        Some("blockade-2023")
    );
    let lithuania = of("belarus-2021")
        .iter()
        .find(|(name, _)| name.contains("lt-belarus-line"));
    let (_, lithuania) = lithuania.expect("it has an incident");
    // A line that is counted as one place looks like one crossing.
    assert_eq!(is_named(lithuania, 28).as_deref(), Some("arctic-2015-ramp"));
    assert_eq!(steered(families, of("rush-2022")), Vec::<String>::new());
    assert_eq!(steered(families, of("storskog-2023")), Vec::<String>::new());
}

fn families() -> Families {
    support::settings().families().clone()
}

/// Crossings of one country with 28 usual days, then these counts; a count below zero is a closed day.
fn seen(usual: &[f64], since: &[&[i64]]) -> Situation {
    let days = 28 + since[0].len();
    let place = |(usual, counts): (&f64, &&[i64])| Place {
        country: "xx".to_owned(),
        days: (0..days)
            .map(|t| {
                let lead = (usual * (t as f64 + 1.0)).floor() - (usual * t as f64).floor();
                let count = if t < 28 { lead as i64 } else { counts[t - 28] };
                let is_open = count >= 0;
                Seen {
                    observed: count.max(0) as u64,
                    expected: if is_open { *usual } else { 0.0 },
                    exposure: if is_open { 1.0 } else { 0.0 },
                    gate: if is_open { Gate::Open } else { Gate::Closed },
                }
            })
            .collect(),
    };
    Situation {
        direction: Direction::Surge,
        first: Day(19_000),
        onset: 28,
        is_special: vec![false; days],
        places: usual.iter().zip(since).map(place).collect(),
    }
}

/// The name of what it is like, with half of the probability or more.
fn named(families: &Families, situation: &Situation) -> Option<String> {
    let likeness = liken(families, situation);
    let (at, _) = likeness.named()?;
    families.get(at).map(|family| family.id.clone())
}

/// Southeast, Vartius and Salla from 13 to 23 November 2023, as published (the 35 and 12 of the 20th included).
fn finland() -> Situation {
    seen(
        &[0.9, 0.01, 0.01],
        &[
            &[39, 55, 74, 26, 163, -1, -1, -1, -1, -1, -1],
            &[0, 0, 0, 18, 5, 67, 16, 12, 20, 24, 34],
            &[0, 0, 0, 0, 0, 0, 0, 35, 41, 51, 58],
        ],
    )
}

/// 8,572 and 8,314 were the whole border's on the weekend; the three crossings' days between are as on 22 September.
fn rush() -> Situation {
    let crossing = |share: f64| -> Vec<i64> {
        let days = [
            4_443.0, 5_959.0, 6_000.0, 6_300.0, 6_100.0, 5_800.0, 5_900.0,
        ];
        days.iter().map(|day| (day * share) as i64).collect()
    };
    let shares = [0.57, 0.32, 0.11];
    let counts: Vec<Vec<i64>> = shares.iter().map(|share| crossing(*share)).collect();
    let counts: Vec<&[i64]> = counts.iter().map(Vec::as_slice).collect();
    seen(&shares.map(|share| share * 2_900.0), &counts)
}

#[test]
fn the_autumn_of_2023_is_named_from_its_published_days() {
    assert_eq!(
        named(&families(), &finland()).as_deref(),
        Some("finland-2023-shift")
    );
}

#[test]
fn the_rush_of_2022_is_ordinary_traffic() {
    let families = families();
    let likeness = liken(&families, &rush());
    let ordinary = |at: usize| families.families[at].ordinary;
    assert!(likeness.named().is_none_or(|(at, _)| ordinary(at)));
    let Verdict::Compared {
        families: all,
        none,
        ..
    } = &likeness.verdict
    else {
        panic!("seven days are enough");
    };
    let steered: f64 = all
        .iter()
        .enumerate()
        .filter(|(at, _)| !ordinary(*at))
        .map(|(_, p)| p)
        .sum();
    assert!(steered < 0.05, "{steered} beside {none}");
}

#[test]
fn who_is_counted_at_a_gate_that_is_shut_is_counted() {
    let mut situation = seen(&[0.01], &[&[800, -1, -1, -1, -1]]);
    let arrivals = |situation: &Situation| {
        course(
            &families().families[0],
            situation,
            &liken(&families(), situation),
        )
    };
    let last = |situation: &Situation| {
        arrivals(situation)
            .days
            .iter()
            .filter_map(|d| d.observed)
            .sum::<u64>()
    };
    assert_eq!(last(&situation), 800);
    situation.places[0].days[30].observed = 94;
    assert_eq!(last(&situation), 894);
}

#[test]
fn the_fan_of_a_family_begins_with_the_onset_and_goes_on_for_a_week() {
    let families = families();
    let situation = finland();
    let likeness = liken(&families, &situation);
    let (at, _) = likeness.named().expect("it is named");
    let fan = course(&families.families[at], &situation, &likeness);
    let split = fan.days.partition_point(|d| d.day < fan.onset);
    let (before, since) = fan.days.split_at(split);
    assert!(before.iter().all(|d| d.band.is_none()) && before.len() == 14);
    let bands = since.iter().map(|d| d.band.expect("it has a band"));
    assert!(
        bands
            .clone()
            .all(|[low, middle, high]| low <= middle && middle <= high)
    );
    let ahead = fan.days.iter().rev().take_while(|d| d.observed.is_none());
    assert_eq!(ahead.count(), 7);
    // Made of the same autumn: most of its days lie inside.
    let inside = since
        .iter()
        .zip(bands)
        .filter_map(|(d, [low, _, high])| d.observed.map(|count| (low..=high).contains(&count)));
    let inside: Vec<bool> = inside.collect();
    assert!(
        4 * inside.iter().filter(|is| **is).count() >= 3 * inside.len(),
        "{inside:?}"
    );
}

#[test]
fn bursts_among_empty_days_are_none_of_these() {
    // Arrivals by sea wait for weather: none on two days of three, then hundreds.
    let counts = [0, 310, 0, 0, 120, 480, 0, 0, 0, 0, 90, 0, 0, 260];
    let mut situation = seen(&[60.0], &[&counts]);
    for (t, day) in situation.places[0].days.iter_mut().take(28).enumerate() {
        day.observed = if t % 3 == 0 { 180 } else { 0 };
    }
    assert_eq!(named(&families(), &situation), None);
}

#[test]
fn too_few_days_or_arrivals_are_no_match() {
    let families = families();
    let verdict = |counts: &[i64]| liken(&families, &seen(&[0.2], &[counts])).verdict;
    let days = TooLittle::Days { have: 3, need: 4 };
    assert_eq!(verdict(&[39, 55, 74]), Verdict::TooLittle(days));
    let arrivals = TooLittle::Arrivals { have: 3, need: 10 };
    assert_eq!(verdict(&[2, 0, 1, 1]), Verdict::TooLittle(arrivals));
    assert!(matches!(
        verdict(&[39, 55, 74, 61]),
        Verdict::Compared { .. }
    ));
}

#[test]
fn growth_onset_and_projection_are_those_of_the_counts() {
    // 2, then doubling every 4 days for 20 days: 54 on the last, so about 64 on the next one.
    let doubling = |t: i32| (2.0 * (f64::from(t) / 4.0).exp2()).round() as i64;
    let counts: Vec<i64> = (0..20).map(doubling).collect();
    let likeness = liken(&families(), &seen(&[0.2], &[&counts]));
    let growth = likeness.doubling.expect("it grows");
    assert!((growth.per_day - 0.25).abs() < 0.06, "{growth:?}");
    assert!(
        growth.per_day_low > 0.1 && growth.per_day_high < 0.4,
        "{growth:?}"
    );
    let onset = likeness.onset;
    assert!(onset.first <= onset.likely && onset.likely <= onset.last);
    assert!((onset.likely.0 - 19_028).abs() <= 3, "{onset:?}");
    let [next, three, seven] = likeness.projections[..] else {
        panic!("three projections");
    };
    assert!(next.low <= 64 && 64 <= next.high, "{next:?}");
    assert!(next.median < three.median && three.median < seven.median);
    assert!(next.low <= next.median && next.median <= next.high);
}

#[test]
fn a_surge_that_fell_below_the_level_before_is_over_and_halves_no_more() {
    let stage = |counts: &[i64]| {
        let likeness = liken(&families(), &seen(&[1_000.0], &[counts]));
        let Verdict::Compared { stage, .. } = likeness.verdict else {
            panic!("nine days are enough");
        };
        (stage, likeness.doubling.is_some())
    };
    let high = [2_100, 2_000, 2_200, 2_100, 2_050, 2_000];
    let [below, above] = [[400, 350, 420], [1_500, 1_250, 1_120]];
    assert_eq!(stage(&[&high[..], &below].concat()), (Stage::Over, false));
    assert_eq!(stage(&[&high[..], &above].concat()), (Stage::Decline, true));
}

#[test]
fn a_few_a_day_where_hardly_any_came_are_not_over_however_many_had_come() {
    let stage = |last: i64| {
        let counts = [200, 220, 180, 200, 190, 210, last, last, last];
        let likeness = liken(&families(), &seen(&[0.3], &[&counts]));
        let Verdict::Compared { stage, .. } = likeness.verdict else {
            panic!("nine days are enough");
        };
        stage
    };
    assert_eq!((stage(1), stage(2)), (Stage::Over, Stage::Decline));
}

proptest! {
    #[test]
    fn any_counts_give_probabilities_that_sum_to_one_and_the_same_ones_again(
        counts in prop::collection::vec(prop::collection::vec(-1i64..3, 12), 1..4),
        scales in prop::collection::vec(0u32..9, 4),
        usual in prop::collection::vec(0.0f64..2_000.0, 4),
        falls in any::<bool>(),
    ) {
        let scaled = |(place, counts): (usize, &Vec<i64>)| -> Vec<i64> {
            let scale = 10i64.pow(scales[place]);
            counts.iter().map(|count| count * scale).collect()
        };
        let counts: Vec<Vec<i64>> = counts.iter().enumerate().map(scaled).collect();
        let counts: Vec<&[i64]> = counts.iter().map(Vec::as_slice).collect();
        let mut situation = seen(&usual[..counts.len()], &counts);
        if falls {
            situation.direction = Direction::Drop;
        }
        let families = families();
        let likeness = liken(&families, &situation);
        assert_eq!(likeness, liken(&families, &situation));
        if let Verdict::Compared { families, none, .. } = &likeness.verdict {
            let sum = families.iter().sum::<f64>() + none;
            assert!((sum - 1.0).abs() < 1e-9, "{sum}");
            assert!(families.iter().chain([none]).all(|p| (0.0..=1.0).contains(p)));
        }
        for ahead in &likeness.projections {
            assert!(ahead.low <= ahead.median && ahead.median <= ahead.high);
        }
    }
}

/// Families that are as likely as each other leave nothing known the likeliest by a little.
#[test]
fn what_is_like_none_in_three_cases_of_ten_is_told_as_not_clear() {
    let settings = support::settings();
    let families = settings.families();
    let story = story("finland-2023");
    let some = story.values().flat_map(BTreeMap::values).next();
    let mut likeness = some.expect("it has an incident").clone();
    let told = |none: f64, likeness: &mut Likeness| {
        let each = (1.0 - none) / families.families.len() as f64;
        likeness.verdict = Verdict::Compared {
            families: vec![each; families.families.len()],
            none,
            stage: Stage::Growth,
        };
        let mut called = Called::default();
        called.see(likeness);
        surgewatch::wire::episode::sentence(families, likeness, called, "Salla")
    };
    let unclear = told(0.3, &mut likeness);
    let said = "it is not clear what it looks like; that it is like none of the known episodes would be right in about 3 cases of 10";
    assert!(unclear.contains(said), "{unclear}");
    let clear = told(0.7, &mut likeness);
    assert!(clear.contains("it is like none of the episodes"), "{clear}");
}
