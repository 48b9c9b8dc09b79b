//! Holds the machine's own account of its promise, what was accepted and what came, to a recount of its outputs.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use support::{Feed, random};
use surgewatch::core::alert::{Direction, Transition};
use surgewatch::core::event::Kind;
use surgewatch::core::ids::CrossingIx;
use surgewatch::core::lens::Lens;
use surgewatch::core::output::Output;
use surgewatch::core::params::{Budget, Weights};
use surgewatch::core::tally::Tally;
use surgewatch::core::time::EventTime;

const BUDGET: Budget = Budget {
    false_alerts_per_year: 12.0,
    drop_share_ratio: 0.25,
    hour_share_ratio: 0.3,
    group_share_ratio: 0.1,
};

fn run(feed: &Feed) -> (Tally, Vec<Output>) {
    let (mut engine, mut outputs) = (feed.engine(), Vec::new());
    let partitions: BTreeSet<_> = feed.records.iter().map(|(p, _)| *p).collect();
    for partition in partitions {
        engine.assign(partition, vec![]).expect("nothing to read");
    }
    for (partition, input) in &feed.records {
        let handled = engine.handle(*partition, input, &mut |output| outputs.push(output));
        handled.expect("inside the budget");
    }
    (engine.tally().clone(), outputs)
}

/// The watermark at which each crossing was heard of: buckets that were due before are published as revisions only.
fn heard_of(feed: &Feed) -> BTreeMap<CrossingIx, EventTime> {
    let (mut watermarks, mut heard_of) = (BTreeMap::new(), BTreeMap::new());
    for (partition, input) in &feed.records {
        let Ok(event) = &input.event else { continue };
        let watermark = watermarks.entry(*partition).or_insert(EventTime::MIN);
        let horizon = watermark.plus_ms(-feed.params.lateness_horizon_ms);
        if event.time >= horizon && !matches!(event.kind, Kind::Feedback { .. }) {
            *watermark = (*watermark).max(event.time);
            heard_of.entry(event.crossing).or_insert(*watermark);
        }
    }
    heard_of
}

/// Buckets at their close, with exposure and without an open alert of the direction, each times 1 / A of its series. The buckets
/// of a series close in order, each once: all else that is published is a revision.
fn recount(feed: &Feed, outputs: &[Output]) -> Tally {
    let heard_of = heard_of(feed);
    let (mut tally, mut closed, mut open) = (Tally::default(), BTreeMap::new(), BTreeMap::new());
    for output in outputs {
        match output {
            Output::Alert {
                crossing,
                stream,
                alert,
                transition,
                reading,
                ..
            } => {
                // One that has ended may be withdrawn while a later one is open.
                let series = (*crossing, *stream, alert.direction);
                let of_series: &mut BTreeSet<_> = open.entry(series).or_default();
                if transition.is_end() {
                    of_series.remove(&alert.named);
                } else {
                    of_series.insert(alert.named);
                }
                if *transition == Transition::Opened {
                    tally.open(reading.lens, alert.direction);
                }
            }
            Output::Count {
                crossing,
                stream,
                reading,
                ..
            } => {
                let lane = (*crossing, *stream, reading.lens);
                let is_of_past =
                    reading.end.plus_ms(feed.params.close_after_ms) <= heard_of[crossing];
                let is_next = closed.get(&lane).is_none_or(|last| *last < reading.start);
                if is_of_past || !is_next {
                    continue;
                }
                closed.insert(lane, reading.start);
                if reading.exposure <= 0.0 {
                    continue;
                }
                let class = feed
                    .params
                    .weight_class(&feed.network.crossing(*crossing).id, *stream);
                let lens = &feed.params.lenses_of(class)[reading.lens as usize];
                for direction in Direction::ALL {
                    let of_series = open.get(&(*crossing, *stream, direction));
                    if of_series.is_none_or(BTreeSet::is_empty) {
                        tally.promise(lens, direction);
                    }
                }
            }
            Output::Notice { .. } => {}
        }
    }
    tally
}

#[test]
fn what_was_accepted_and_what_came_are_those_of_the_outputs() {
    let mut alerts = 0;
    for seed in 0..40 {
        let mut feed = random::feed(&random::Options::of(seed));
        if seed % 2 == 1 {
            let weights = Weights {
                crossings: BTreeMap::from([("a-plain".to_owned(), 9.0)]),
                streams: BTreeMap::from([("entry".to_owned(), 0.1)]),
            };
            feed.params = feed.params.weighted(&feed.network, BUDGET, &weights);
        }
        let (tally, outputs) = run(&feed);
        let expected = recount(&feed, &outputs);
        assert_eq!(tally.opened, expected.opened, "seed {seed}");
        for (got, want) in tally
            .promised
            .iter()
            .flatten()
            .zip(expected.promised.iter().flatten())
        {
            assert!(
                (got - want).abs() < 1e-9 && *want > 0.0,
                "seed {seed}: {got} {want}"
            );
        }
        alerts += tally.opened.iter().flatten().sum::<u64>();
    }
    assert!(alerts > 0, "nothing was held to anything");
}

/// A year of every series closes 365.25 days and as many hours: what is accepted of them is the budget.
#[test]
fn a_year_of_buckets_uses_up_the_budget() {
    let feed = random::feed(&random::Options::of(1));
    let mut tally = Tally::default();
    let years = 0.01;
    for _ in 0..feed.network.series_count() {
        for (lens, a_year) in feed.params.lenses.iter().zip([365.25, 8766.0]) {
            for direction in Direction::ALL {
                for _ in 0..(years * a_year * 100.0) as u32 {
                    tally.promise(lens, direction);
                }
            }
        }
    }
    for lens in [Lens::Day, Lens::Hour] {
        for direction in Direction::ALL {
            let got = tally.promised[lens as usize][direction as usize];
            let want = BUDGET.per_year(lens, direction);
            assert!(
                (got / want - 1.0).abs() < 0.01,
                "{lens:?} {direction:?}: {got} {want}"
            );
        }
    }
}

/// More of the budget lowers the line of a crossing and raises it for all others, at once and in the alerts.
#[test]
fn a_crossing_with_more_weight_speaks_no_later_and_the_others_no_earlier() {
    let opened = |weights: &Weights| {
        let mut feed = Feed::finland(2);
        feed.params = feed.params.weighted(&feed.network, BUDGET, weights);
        let (_, outputs) = run(&feed);
        let mut first = BTreeMap::new();
        for output in outputs {
            if let Output::Alert {
                crossing,
                transition: Transition::Opened,
                alert,
                as_of,
                ..
            } = output
                && alert.direction == Direction::Surge
            {
                let id = feed.network.crossing(crossing).id.clone();
                first.entry(id).or_insert(as_of);
            }
        }
        first
    };
    let equal = opened(&Weights::default());
    let weights = Weights {
        crossings: BTreeMap::from([("fi-salla".to_owned(), 100.0)]),
        ..Weights::default()
    };
    let moved = opened(&weights);
    assert!(moved["fi-salla"] <= equal["fi-salla"]);
    assert!(moved["fi-vartius"] >= equal["fi-vartius"]);
    assert_ne!(moved, equal, "a hundredfold share must show");
}
