//! Compares the machine with naive models that keep every event and work everything out from scratch, over random streams: the
//! same buckets, the same alerts, the same state in the end, whatever the order in which events come.

mod support;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use support::model::{BucketKey, Model};
use support::random::{self, Dice, Options};
use support::reference::{self, Episode, Judged};
use support::{Feed, Ran};
use surgewatch::core::alert::{Direction, Severity};
use surgewatch::core::engine::Engine;
use surgewatch::core::ids::{CrossingIx, StreamIx};
use surgewatch::core::partition::{Input, PartitionState};
use surgewatch::core::series::Series;
use surgewatch::core::time::HOUR_MS;

/// The last that was published of a bucket.
struct Published {
    revision: u64,
    observed: u64,
    while_closed: u64,
    exposure: f64,
    end_ms: i64,
}

/// The last published count of every bucket, and how many records there were.
fn published(ran: &Ran) -> (BTreeMap<BucketKey, Published>, u64) {
    let mut last: BTreeMap<BucketKey, Published> = BTreeMap::new();
    let mut records = 0;
    for output in ran
        .outputs
        .values()
        .flatten()
        .filter(|o| o.headers.is_empty())
    {
        let count: Value = serde_json::from_slice(&output.value).expect("counts are JSON");
        let text = |v: &Value| v.as_str().expect("a text").to_owned();
        let bucket = &count["bucket"];
        let moment =
            |name: &str| -> jiff::Timestamp { text(&bucket[name]).parse().expect("a moment") };
        let key = (
            text(&count["crossing"]),
            text(&count["stream"]),
            text(&count["lens"]),
            moment("start").as_millisecond(),
        );
        let now = Published {
            revision: count["revision"].as_u64().expect("a number"),
            observed: count["observed"].as_u64().expect("a number"),
            while_closed: count["while_closed"].as_u64().unwrap_or(0),
            exposure: bucket["exposure"].as_f64().expect("a number"),
            end_ms: moment("end").as_millisecond(),
        };
        let revision = now.revision;
        if let Some(before) = last.insert(key.clone(), now) {
            let before = before.revision;
            assert!(
                before < revision,
                "{key:?}: revision {revision} after {before}"
            );
        }
        records += 1;
    }
    (last, records)
}

/// Each bucket's exposure is what the statuses, hours and signs of life that are known in the end leave of it, and not judged is
/// what came outside of it.
fn assert_same_exposure(feed: &Feed, model: &Model, published: &BTreeMap<BucketKey, Published>) {
    for (n, place) in feed.network.crossings.iter().enumerate() {
        let facts = model.facts(CrossingIx(n as u16));
        for (key, bucket) in published.iter().filter(|(key, _)| key.0 == place.id) {
            let exposure = facts.shares(place, key.3, bucket.end_ms).seen;
            let apart = (bucket.exposure - exposure).abs();
            // Records hold four digits.
            assert!(apart < 1e-4, "{key:?}: {} and {exposure}", bucket.exposure);
            let of = |stream: &&StreamIx| feed.network.stream(**stream) == key.1;
            let stream = place.streams.iter().find(of).expect("its own stream");
            let (_, shut) = facts.count(place, *stream, (key.3, bucket.end_ms));
            assert_eq!(bucket.while_closed, shut, "{key:?}: while it was closed");
        }
    }
}

/// The alerts of a series.
type SeriesKey = (String, String, Direction);

/// An alert record as the reference is compared with.
struct Told {
    sequence: u64,
    transition: String,
    series: SeriesKey,
    episode: Episode,
}

fn told(value: &[u8]) -> (String, Told) {
    let alert: Value = serde_json::from_slice(value).expect("alerts are JSON");
    let text = |name: &str| alert[name].as_str().expect("a text").to_owned();
    let direction = match text("direction").as_str() {
        "surge" => Direction::Surge,
        _ => Direction::Drop,
    };
    let severity = Severity::ALL
        .into_iter()
        .find(|s| s.label() == text("severity"))
        .expect("a severity");
    let onset: jiff::Timestamp = text("onset").parse().expect("a moment");
    let transition = text("transition");
    let reasons = ["calm", "lasting", "false", "new_usual"];
    let ended = (transition == "resolved").then(|| {
        let known = reasons.into_iter().find(|r| *r == text("reason"));
        known.expect("an end has one of these reasons")
    });
    let told = Told {
        sequence: alert["sequence"].as_u64().expect("a number"),
        transition,
        series: (text("crossing"), text("stream"), direction),
        episode: Episode {
            onset: onset.as_millisecond(),
            severity,
            ended,
        },
    };
    (text("alert_id"), told)
}

/// Alerts live in order: opened once, then each number once, after an end another end or a return, and one open at a time. Returns
/// the last of each and how many opened.
fn lives(ran: &Ran) -> (BTreeMap<String, Told>, usize) {
    let mut last: BTreeMap<String, Told> = BTreeMap::new();
    let mut open: BTreeMap<SeriesKey, String> = BTreeMap::new();
    let mut opened = 0;
    let is_alert = |value: &str| value.starts_with("border.alert.");
    let outputs = ran.outputs.values().flatten();
    for output in outputs.filter(|o| o.headers.iter().any(|(_, value)| is_alert(value))) {
        let (id, now) = told(&output.value);
        assert_eq!(output.key, id, "alerts are keyed by their id");
        let what = now.transition.as_str();
        match last.get(&id) {
            None => assert_eq!((now.sequence, what), (0, "opened"), "{id}"),
            Some(before) => {
                let was = before.transition.as_str();
                assert_eq!(
                    now.sequence,
                    before.sequence + 1,
                    "{id}: {what} after {was}"
                );
                assert!(what != "opened", "{id} opens again");
                let has_ended = ["resolved", "retracted"].contains(&was);
                let may_follow = ["reopened", "resolved", "retracted"].contains(&what);
                assert!(!has_ended || may_follow, "{id}: {what} after {was}");
            }
        }
        if ["resolved", "retracted"].contains(&what) {
            // An end that is told again finds nothing open, or a younger alert.
            let is_its = open.get(&now.series).is_some_and(|other| *other == id);
            assert!(
                is_its || last.contains_key(&id),
                "{id} ends and was not open"
            );
            if is_its {
                open.remove(&now.series);
            }
        } else {
            let other = open.insert(now.series.clone(), id.clone());
            assert!(
                other.is_none_or(|other| other == id),
                "{id} is open beside another"
            );
        }
        opened += usize::from(what == "opened");
        last.insert(id, now);
    }
    (last, opened)
}

/// What the machine has learnt of the days that no event can change any more is what the reference learns from scratch: the usual
/// number, its spread and the evidence, to the last bit.
fn assert_same_model(series: &Series, judged: &Judged) -> usize {
    let first_kept = series.counts().days[0].span.start;
    let Some(ours) = judged.models.get(&first_kept.0) else {
        // Nothing was heard of the crossing before its oldest kept day.
        assert!(judged.models.keys().all(|day| *day > first_kept.0));
        return 0;
    };
    let settled = series.settled();
    for (track, ours) in settled.tracks.iter().zip(ours) {
        assert!(
            track.model == *ours,
            "before {first_kept:?}: machine left, reference right\n{:?}\n{ours:?}",
            track.model
        );
    }
    judged.models.range(..first_kept.0).count()
}

/// Every episode of the reference was told of and ended as it says, and nothing else was told of but what was withdrawn. Returns
/// how many days of how many series were learnt from.
fn assert_same_alerts(
    feed: &Feed,
    model: &Model,
    last: &BTreeMap<String, Told>,
    restored: &Engine,
) -> usize {
    let mut learnt = 0;
    let mut theirs: BTreeMap<SeriesKey, Vec<Episode>> = BTreeMap::new();
    for told in last.values().filter(|told| told.transition != "retracted") {
        theirs
            .entry(told.series.clone())
            .or_default()
            .push(told.episode.clone());
    }
    for (n, place) in feed.network.crossings.iter().enumerate() {
        let at = CrossingIx(n as u16);
        let partition = feed
            .records
            .iter()
            .find(|(_, input)| input.event.as_ref().is_ok_and(|event| event.crossing == at));
        let Some((partition, _)) = partition else {
            continue;
        };
        let until = model.watermarks[&partition.0];
        for &stream in &place.streams {
            let facts = model.facts(at);
            let judged = reference::judged(feed, at, stream, &facts, until);
            let of = |series: &&Series| series.stream == stream;
            let kept = restored.partitions().flat_map(PartitionState::crossings);
            let kept = kept.filter(|crossing| crossing.ix == at);
            let mut kept = kept.flat_map(|crossing| crossing.series.iter().filter(of));
            learnt += assert_same_model(kept.next().expect("it was heard of"), &judged);
            for direction in Direction::ALL {
                let series = (
                    place.id.clone(),
                    feed.network.stream(stream).to_owned(),
                    direction,
                );
                let of = |(d, episode): &(Direction, Episode)| {
                    (*d == direction).then(|| episode.clone())
                };
                let mut ours: Vec<Episode> = judged.episodes.iter().filter_map(of).collect();
                let mut theirs = theirs.remove(&series).unwrap_or_default();
                // Up to a word that ended an alert the log says what was said, and the counts may say less.
                let of = |(at, word, way, _): &(i64, _, _, _)| {
                    (*word == stream && *way == direction).then_some(*at)
                };
                if let Some(last) = facts.words.iter().filter_map(of).max() {
                    ours.retain(|episode| episode.onset > last);
                    theirs.retain(|episode| episode.onset > last);
                }
                ours.sort();
                theirs.sort();
                assert_eq!(theirs, ours, "{series:?}: machine left, reference right");
            }
        }
    }
    assert!(
        theirs.is_empty(),
        "alerts of no series: {:?}",
        theirs.keys()
    );
    learnt
}

/// What a run was made of.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    opened: usize,
    retracted: usize,
    resolved: usize,
    by_word: usize,
    drops: usize,
    revised: u64,
    learnt: usize,
}

impl std::ops::Add for Seen {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            opened: self.opened + other.opened,
            retracted: self.retracted + other.retracted,
            resolved: self.resolved + other.resolved,
            by_word: self.by_word + other.by_word,
            drops: self.drops + other.drops,
            revised: self.revised + other.revised,
            learnt: self.learnt + other.learnt,
        }
    }
}

/// What ends the daemon with a line at ERROR ends a seed too: a spent budget of bad records, and state that cannot be read.
fn simulate(seed: u64) -> Seen {
    let options = Options::of(seed);
    // Shown where the seed fails.
    eprintln!("SURGEWATCH_SEED={seed} cargo test --test simulation one_seed\n{options:#?}");
    let feed = random::feed(&options);
    let ran = feed.run(50, &[]);
    let mut model = Model::default();
    for (partition, input) in &feed.records {
        let at = (*partition, input.offset);
        let theirs = ran.outcomes[&at];
        let ours = model.take(&feed, partition.0, input, theirs);
        assert_eq!(theirs, ours, "the record at {at:?}: {input:?}");
    }
    let (published, records) = published(&ran);
    let counts = model.counts(&feed);
    for (key, bucket) in &published {
        let counted = counts.get(key).copied().unwrap_or(0);
        assert_eq!(
            bucket.observed, counted,
            "{key:?}: machine left, recount right"
        );
    }
    let missing: Vec<_> = counts
        .keys()
        .filter(|key| !published.contains_key(*key))
        .collect();
    assert!(missing.is_empty(), "never published: {missing:?}");
    assert_same_exposure(&feed, &model, &published);
    assert_eq!(
        (records, ran.revised),
        (ran.closed + model.revised, model.revised),
        "closed buckets published again"
    );
    let (last, opened) = lives(&ran);
    let restored = feed.restored(&ran);
    assert_eq!(restored.partitions().count(), ran.changelog.len());
    let learnt = assert_same_alerts(&feed, &model, &last, &restored);
    let count = |is: &dyn Fn(&Told) -> bool| last.values().filter(|told| is(told)).count();
    Seen {
        opened,
        retracted: count(&|told| told.transition == "retracted"),
        resolved: count(&|told| told.episode.ended == Some("calm")),
        by_word: count(&|told| matches!(told.episode.ended, Some("false" | "new_usual"))),
        drops: count(&|told| told.series.2 == Direction::Drop),
        revised: model.revised,
        learnt,
    }
}

fn simulate_all(seeds: std::ops::Range<u64>) -> Seen {
    seeds
        .map(simulate)
        .fold(Seen::default(), |sum, seen| sum + seen)
}

#[test]
fn buckets_alerts_outcomes_and_revisions_are_those_of_a_recount_from_scratch() {
    let seen = simulate_all(0..160);
    let all = [
        seen.opened,
        seen.retracted,
        seen.resolved,
        seen.by_word,
        seen.drops,
        seen.learnt,
    ];
    assert!(
        all.iter().all(|n| *n > 10),
        "the streams hold all of these: {seen:?}"
    );
}

/// `SURGEWATCH_SEEDS=1000..6000 cargo test --release --test simulation thousands -- --ignored --nocapture` prints what it saw.
#[test]
#[ignore = "takes minutes: thousands of seeds, for a release and after changes of the machine"]
fn thousands_of_seeds_of_the_environment_are_simulated() {
    let given = std::env::var("SURGEWATCH_SEEDS").unwrap_or_else(|_| "1000..6000".to_owned());
    let bound = |text: Option<&str>| text.and_then(|t| t.parse::<u64>().ok());
    let mut bounds = given.splitn(2, "..");
    let (from, to) = (bound(bounds.next()), bound(bounds.next()));
    let (Some(from), Some(to)) = (from, to) else {
        panic!("SURGEWATCH_SEEDS is {given}; give two numbers as 1000..6000");
    };
    let mut seen = Seen::default();
    for seed in from..to {
        seen = seen + simulate(seed);
        read_in_two_orders(seed);
    }
    eprintln!("{} seeds: {seen:?}", to - from);
}

#[test]
fn one_seed_of_the_environment_is_simulated() {
    if let Ok(given) = std::env::var("SURGEWATCH_SEED") {
        let seed = given.parse().expect("SURGEWATCH_SEED is a number");
        simulate(seed);
        read_in_two_orders(seed);
    }
}

/// The alerts that are open in the end and those that ended, without their ids.
fn standing(ran: &Ran) -> BTreeSet<(SeriesKey, Episode)> {
    let (last, _) = lives(ran);
    let kept = last
        .into_values()
        .filter(|told| told.transition != "retracted");
    kept.map(|told| (told.series, told.episode)).collect()
}

#[test]
fn any_order_inside_the_horizon_ends_in_the_same_state() {
    for seed in 100..130 {
        read_in_two_orders(seed);
    }
}

fn read_in_two_orders(seed: u64) {
    let options = Options {
        partitions: 1,
        jumble_ms: 0,
        // Read up to 40 hours late, a correction is still inside the horizon of its arrival.
        corrected_within_ms: 8 * HOUR_MS,
        bad_per_mille: 0,
        too_late_per_mille: 0,
        words_per_mille: 0,
        ..Options::of(seed)
    };
    // Shown where the seed fails.
    eprintln!("SURGEWATCH_SEED={seed} cargo test --test simulation one_seed\n{options:#?}");
    let ordered = random::feed(&options);
    let mut jumbled = random::feed(&options);
    let mut dice = Dice::new(seed);
    let time = |input: &Input| input.event.as_ref().expect("none is bad").time.0;
    let times = ordered.records.iter().map(|(_, input)| time(input));
    // The last hours come in order after all else: what late events leave of a drop is told when an hour closes.
    let in_order = times.max().expect("there are records") - 3 * HOUR_MS;
    jumbled.records.sort_by_cached_key(|(_, input)| {
        let (at, late) = (time(input), dice.below(40 * HOUR_MS));
        if at < in_order {
            (at + late).min(in_order)
        } else {
            at
        }
    });
    let read: BTreeSet<_> = jumbled.records.iter().map(|(_, i)| i.offset.0).collect();
    for ((_, input), offset) in jumbled.records.iter_mut().zip(read) {
        input.offset.0 = offset;
    }
    let [a, b] = [&ordered, &jumbled].map(|feed| (feed, feed.run(50, &[])));
    let counted = |ran: &Ran| {
        let counts = published(ran).0.into_iter();
        let mut counts: BTreeMap<_, _> = counts
            .map(|(key, b)| (key, (b.observed, b.exposure.to_bits())))
            .collect();
        // How many empty days before the first event are published depends on what was read first.
        counts.retain(|_, (count, _)| *count > 0);
        counts
    };
    assert_eq!(counted(&a.1), counted(&b.1));
    assert_eq!(standing(&a.1), standing(&b.1));
    let engines = [a, b].map(|(feed, ran)| feed.restored(&ran));
    let [a, b] = engines.each_ref().map(|engine| {
        let crossings = engine.partitions().flat_map(PartitionState::crossings);
        crossings.collect::<Vec<_>>()
    });
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        let at = a.ix;
        assert_eq!((at, a.since), (b.ix, b.since));
        assert_eq!(a.gate, b.gate, "{at:?}: statuses");
        assert_eq!(a.feed, b.feed, "{at:?}: signs of life");
        for (a, b) in a.series.iter().zip(&b.series) {
            assert_eq!(a.settled(), b.settled(), "{at:?}: what is learnt");
            let hours = |series: &Series| {
                let days = series.counts().days.into_iter();
                days.map(|day| (day.span, day.hours)).collect::<Vec<_>>()
            };
            assert_eq!(hours(a), hours(b), "{at:?}: kept days");
        }
    }
}
