//! Owns random streams of events: a seed becomes printed options, the options become records in a jumbled order.

use super::{Feed, params};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::sync::Arc;
use surgewatch::core::alert::{Direction, Feedback};
use surgewatch::core::calendar::local;
use surgewatch::core::event::{Event, GateState, Kind, Reject};
use surgewatch::core::ids::{CrossingIx, EventId, Offset, Partition, StreamIx};
use surgewatch::core::network::{Crossing, Network, OpenHours};
use surgewatch::core::partition::Input;
use surgewatch::core::time::{EventTime, HOUR_MS, WallTime};

/// One day in milliseconds.
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;

/// Draws from a seed, with integers and ratios only.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// From 0 to, not including, `end`.
    pub(crate) fn below(&mut self, end: i64) -> i64 {
        (self.0.next_u64() % end.unsigned_abs()) as i64
    }

    pub(crate) fn per_mille(&mut self, share: i64) -> bool {
        self.below(1_000) < share
    }
}

/// What a stream is made of.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) seed: u64,
    pub(crate) partitions: i64,
    pub(crate) start: Date,
    pub(crate) days: i64,
    /// Arrivals a day and crossing while nothing happens.
    pub(crate) usual_per_day: i64,
    /// Arrivals a day and crossing in the surge in the middle of the stream.
    pub(crate) surge_per_day: i64,
    /// Furthest an event is read after a younger one.
    pub(crate) jumble_ms: i64,
    pub(crate) duplicates_per_mille: i64,
    pub(crate) corrections_per_mille: i64,
    /// Longest time from an arrival to its correction.
    pub(crate) corrected_within_ms: i64,
    pub(crate) statuses_per_mille: i64,
    pub(crate) bad_per_mille: i64,
    pub(crate) too_late_per_mille: i64,
    /// Days of a crossing on which its feed says nothing.
    pub(crate) dead_days_per_mille: i64,
    /// Days of a crossing on which its feed lives and nobody arrives.
    pub(crate) empty_days_per_mille: i64,
    /// Heartbeats that come as late as other events.
    pub(crate) late_beats_per_mille: i64,
    /// Arrivals after which an operator says something of the alert they may belong to.
    pub(crate) words_per_mille: i64,
    /// What raises an alert, as a share of what the default budget asks for, in logs: low ones come and go.
    pub(crate) thresholds_per_mille: i64,
}

impl Options {
    pub(crate) fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x5eed);
        // Around both changes of the clocks in Europe and on Lord Howe Island, a leap day and the turn of a year.
        let starts = [
            (2023, 3, 20),
            (2023, 10, 23),
            (2023, 9, 26),
            (2024, 2, 24),
            (2023, 12, 27),
        ];
        let (year, month, day) = starts[dice.below(5) as usize];
        let jumbles = [0, HOUR_MS, 30 * HOUR_MS, 47 * HOUR_MS];
        Self {
            seed,
            partitions: 1 + dice.below(3),
            start: Date::new(year, month, day).expect("a date"),
            days: 4 + dice.below(10),
            usual_per_day: 1 + dice.below(20),
            surge_per_day: [0, 300, 1_500][dice.below(3) as usize],
            jumble_ms: jumbles[dice.below(4) as usize],
            duplicates_per_mille: dice.below(80),
            corrections_per_mille: dice.below(80),
            corrected_within_ms: 60 * HOUR_MS,
            statuses_per_mille: dice.below(20),
            bad_per_mille: dice.below(50),
            too_late_per_mille: dice.below(10),
            dead_days_per_mille: [0, 100][dice.below(2) as usize],
            empty_days_per_mille: [0, 0, 200][dice.below(3) as usize],
            late_beats_per_mille: [0, 300][dice.below(2) as usize],
            words_per_mille: [0, 0, 50][dice.below(3) as usize],
            thresholds_per_mille: [1_000, 600, 300][dice.below(3) as usize],
        }
    }
}

/// Four crossings: plain days, published hours, two streams and a word on how often messages come, and a zone whose clocks change
/// by half an hour.
pub(crate) fn network() -> Network {
    let crossing = |id: &str, zone: &str, streams: &[u8]| Crossing {
        id: id.into(),
        name: id.into(),
        country: "fi".into(),
        corridor: "c".into(),
        order: 1,
        neighbours: vec![],
        tz: TimeZone::get(zone).expect("bundled"),
        hours: None,
        message_within_ms: None,
        streams: streams.iter().map(|s| StreamIx(*s)).collect(),
    };
    let mut crossings = vec![
        crossing("a-plain", "Europe/Helsinki", &[0]),
        crossing("b-hours", "Europe/Oslo", &[0]),
        crossing("c-streams", "UTC", &[0, 1]),
        crossing("d-half", "Australia/Lord_Howe", &[0]),
    ];
    let hours = OpenHours {
        open_minute: 420,
        close_minute: 1260,
    };
    crossings[1].hours = Some([Some(hours); 7]);
    crossings[2].message_within_ms = Some(20 * HOUR_MS);
    Network::new(crossings, vec!["asylum".into(), "entry".into()])
}

/// The stream of some options, closed by silence long enough to settle everything.
pub(crate) fn feed(options: &Options) -> Feed {
    let network = network();
    let mut dice = Dice::new(options.seed);
    let start = options.start.to_zoned(TimeZone::UTC).expect("a day");
    let start_ms = start.timestamp().as_millisecond();
    let end_ms = start_ms + options.days * DAY_MS;
    let mut drafts = drafts(options, &network, &mut dice, start_ms);
    drafts.sort_by_key(|(read_at, event)| (*read_at, event.as_ref().map_or(0, |e| e.id.0)));
    for hour in 1..=24 * 6 {
        for at in 0..network.crossings.len() {
            // Past the moment at which buckets are closed, so that none is left that has ended and is not.
            let time = end_ms + 48 * HOUR_MS + hour * HOUR_MS + HOUR_MS / 3;
            drafts.push((time, Ok(heartbeat(at, time))));
        }
    }
    let mut read = vec![0; options.partitions as usize];
    let mut records = Vec::new();
    for (read_at, event) in drafts {
        let at = match &event {
            Ok(event) => i64::from(event.crossing.0) % options.partitions,
            Err(_) => dice.below(options.partitions),
        };
        let input = Input {
            offset: Offset(read[at as usize]),
            recorded: Some(WallTime(read_at)),
            event,
        };
        read[at as usize] += 1;
        records.push((Partition(at as i32), input));
    }
    let mut params = params(&network);
    for lens in &mut params.lenses {
        let share = options.thresholds_per_mille as f64 / 1_000.0;
        lens.log_threshold_rise *= share;
        lens.log_threshold_drop *= share;
    }
    Feed {
        params: params.with_hours(&network),
        network: Arc::new(network),
        records,
    }
}

fn heartbeat(at: usize, time: i64) -> Event {
    Event {
        crossing: CrossingIx(at as u16),
        time: EventTime(time),
        id: EventId::of(&format!("h-{at}-{time}")),
        kind: Kind::Heartbeat,
    }
}

type Draft = (i64, Result<Event, Reject>);

fn drafts(options: &Options, network: &Network, dice: &mut Dice, start_ms: i64) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = Vec::new();
    let mut n = 0;
    for day in 0..options.days {
        let is_surge = day == options.days / 2 || day == options.days / 2 + 1;
        for at in 0..network.crossings.len() {
            let extra = if is_surge { options.surge_per_day } else { 0 };
            let most = options.usual_per_day + extra;
            if dice.below(1_000) < options.dead_days_per_mille {
                continue;
            }
            let is_empty = dice.per_mille(options.empty_days_per_mille);
            for _ in 0..if is_empty { 0 } else { dice.below(most + 1) } {
                n += 1;
                one(
                    options,
                    network,
                    dice,
                    &mut drafts,
                    n,
                    (at, start_ms + day * DAY_MS),
                );
            }
            for hour in [0, 6, 12, 18] {
                let time = start_ms + day * DAY_MS + hour * HOUR_MS;
                let is_late = dice.per_mille(options.late_beats_per_mille);
                let delay = if is_late {
                    dice.below(options.jumble_ms + 1)
                } else {
                    0
                };
                drafts.push((time + delay, Ok(heartbeat(at, time))));
            }
        }
    }
    drafts
}

fn one(
    options: &Options,
    network: &Network,
    dice: &mut Dice,
    drafts: &mut Vec<Draft>,
    n: i64,
    (at, day_ms): (usize, i64),
) {
    let time = day_ms + dice.below(DAY_MS);
    let read_at = time + dice.below(options.jumble_ms + 1);
    let streams = &network.crossings[at].streams;
    let arrival = Event {
        crossing: CrossingIx(at as u16),
        time: EventTime(time),
        id: EventId::of(&format!("e-{n}")),
        kind: Kind::Arrival {
            stream: streams[dice.below(streams.len() as i64) as usize],
            count: 1 + dice.below(4) as u32,
        },
    };
    if dice.per_mille(options.duplicates_per_mille) {
        drafts.push((read_at + dice.below(60 * HOUR_MS), Ok(arrival.clone())));
    }
    if dice.per_mille(options.too_late_per_mille) {
        let id = EventId::of(&format!("l-{n}"));
        drafts.push((
            read_at + 50 * HOUR_MS,
            Ok(Event {
                id,
                ..arrival.clone()
            }),
        ));
    }
    for _ in 0..2 {
        if dice.per_mille(options.corrections_per_mille) {
            // Some come before their arrival, some after it was settled, some name nothing.
            let corrected_at = time + dice.below(options.corrected_within_ms);
            let replaces = if dice.per_mille(50) {
                EventId::of("nothing")
            } else {
                arrival.id
            };
            let correction = Event {
                time: EventTime(corrected_at),
                id: EventId::of(&format!("c-{n}-{corrected_at}")),
                kind: Kind::Correction {
                    replaces,
                    count: dice.below(6) as u32,
                },
                ..arrival.clone()
            };
            drafts.push((
                corrected_at + dice.below(options.jumble_ms + 1),
                Ok(correction),
            ));
        }
    }
    if dice.per_mille(options.statuses_per_mille) {
        let states = [GateState::Open, GateState::Closed, GateState::Restricted];
        let kind = Kind::Status {
            state: states[dice.below(3) as usize],
            until: dice
                .per_mille(700)
                .then(|| EventTime(time + dice.below(20 * HOUR_MS))),
        };
        let status = Event {
            kind,
            id: EventId::of(&format!("s-{n}")),
            ..arrival.clone()
        };
        for _ in 0..=dice.below(2) {
            drafts.push((read_at + dice.below(HOUR_MS), Ok(status.clone())));
        }
    }
    if dice.per_mille(options.words_per_mille) {
        let zone = &network.crossings[at].tz;
        let begun = EventTime(time - dice.below(3) * DAY_MS);
        let kind = Kind::Feedback {
            stream: streams[dice.below(streams.len() as i64) as usize],
            direction: Direction::ALL[dice.below(2) as usize],
            day: local(zone, begun).date(),
            feedback: Feedback::ALL[dice.below(5) as usize],
        };
        let word = Event {
            kind,
            id: EventId::of(&format!("w-{n}")),
            ..arrival.clone()
        };
        drafts.push((read_at + dice.below(30 * HOUR_MS), Ok(word)));
    }
    if dice.per_mille(options.bad_per_mille) {
        let reason = Reject::ALL[dice.below(11) as usize];
        drafts.push((read_at, Err(reason)));
    }
    drafts.push((read_at, Ok(arrival)));
}
