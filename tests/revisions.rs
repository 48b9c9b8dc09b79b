//! Holds alerts to the counts they rest on: a correction, a late report or a late status withdraws them or makes them less severe.

mod support;

use std::sync::Arc;
use support::random;
use surgewatch::core::alert::{Direction, Reason, Severity, Transition};
use surgewatch::core::engine::Engine;
use surgewatch::core::event::{GateState, Kind};
use surgewatch::core::ids::{EventId, Partition, StreamIx};
use surgewatch::core::notice::DataStatus;
use surgewatch::core::output::Output;
use surgewatch::core::time::HOUR_MS;

/// 14 November 2023, 00:00 in Helsinki.
const START_MS: i64 = 1_699_912_800_000;
const USUAL_DAYS: i64 = 60;

type Told = (Direction, Transition, Severity, u32);

struct Border {
    engine: Engine,
    offset: i64,
    told: Vec<Told>,
    /// Of each of these why, what its numbers rest on, and the count it is told with.
    updates: Vec<(Option<Reason>, DataStatus, u64)>,
}

impl Border {
    /// One crossing with two arrivals an hour from 8 to 20 o'clock on sixty days, and the first hour after them.
    fn usual() -> (Self, i64) {
        let network = Arc::new(random::network());
        let params = support::params(&network);
        let mut engine = Engine::new(network, params, 1);
        engine.assign(Partition(0), []).expect("nothing to read");
        let mut border = Self {
            engine,
            offset: 0,
            told: Vec::new(),
            updates: Vec::new(),
        };
        for hour in 0..USUAL_DAYS * 24 {
            border.usual_hour(hour);
        }
        border.told.clear();
        border.updates.clear();
        (border, USUAL_DAYS * 24)
    }

    fn usual_hour(&mut self, hour: i64) {
        self.send("", hour, Kind::Heartbeat);
        if (8..20).contains(&(hour % 24)) {
            self.arrive("", hour, 2);
        }
    }

    fn arrive(&mut self, id: &str, hour: i64, count: u32) {
        let stream = StreamIx(0);
        self.send(id, hour, Kind::Arrival { stream, count });
    }

    fn correct(&mut self, id: &str, hour: i64, count: u32) {
        let replaces = EventId::of(id);
        self.send("", hour, Kind::Correction { replaces, count });
    }

    fn send(&mut self, id: &str, hour: i64, kind: Kind) {
        let time = START_MS + hour * HOUR_MS;
        let numbered = format!("e-{}", self.offset);
        let input = support::input(
            self.offset,
            0,
            time,
            if id.is_empty() { &numbered } else { id },
            kind,
        );
        self.offset += 1;
        let (told, updates) = (&mut self.told, &mut self.updates);
        let mut put = |output| {
            if let Output::Alert {
                alert,
                transition,
                reading,
                data,
                ..
            } = output
            {
                updates.push((alert.reason, data, reading.observed));
                told.push((alert.direction, transition, alert.severity, alert.sequence));
            }
        };
        self.engine
            .handle(Partition(0), &input, &mut put)
            .expect("no bad records");
    }

    fn transitions(&self, direction: Direction) -> Vec<Transition> {
        let of = self.told.iter().filter(|(d, ..)| *d == direction);
        of.map(|(_, transition, ..)| *transition).collect()
    }

    fn open(&self, direction: Direction) -> bool {
        let partition = self.engine.partitions().next().expect("one partition");
        let crossing = partition.crossings().next().expect("one crossing");
        crossing.series[0].alerts[direction as usize].is_some()
    }
}

#[test]
fn a_correction_withdraws_a_surge_and_a_second_report_brings_it_back_under_its_id() {
    let (mut border, from) = Border::usual();
    border.arrive("wrong", from + 1, 400);
    assert_eq!(border.transitions(Direction::Surge), [Transition::Opened]);
    border.correct("wrong", from + 2, 2);
    assert!(!border.open(Direction::Surge));
    border.arrive("right", from + 3, 400);
    let want = [
        Transition::Opened,
        Transition::Retracted,
        Transition::Reopened,
    ];
    assert_eq!(border.transitions(Direction::Surge), want);
    let numbers: Vec<u32> = border.told.iter().map(|(.., sequence)| *sequence).collect();
    assert_eq!(numbers, [0, 1, 2]);
}

#[test]
fn a_correction_of_a_closed_bucket_withdraws_a_surge_too() {
    let (mut border, from) = Border::usual();
    border.arrive("wrong", from + 9, 400);
    for hour in from..from + 30 {
        border.usual_hour(hour);
    }
    assert!(border.open(Direction::Surge));
    border.correct("wrong", from + 30, 0);
    assert!(!border.open(Direction::Surge), "{:?}", border.told);
    let last = border.transitions(Direction::Surge).pop();
    assert_eq!(last, Some(Transition::Retracted));
}

#[test]
fn a_correction_that_leaves_a_surge_makes_it_less_severe() {
    let (mut border, from) = Border::usual();
    border.arrive("wrong", from + 1, 4_000);
    border.correct("wrong", from + 2, 40);
    let told: Vec<_> = border.told.iter().map(|(_, t, s, _)| (*t, *s)).collect();
    let want = [
        (Transition::Opened, Severity::Critical),
        (Transition::Deescalated, Severity::Major),
    ];
    assert_eq!(told, want);
    assert!(border.open(Direction::Surge));
}

#[test]
fn late_arrivals_in_a_closed_bucket_make_a_surge_more_severe() {
    let (mut border, from) = Border::usual();
    border.arrive("", from + 1, 40);
    for hour in from..from + 30 {
        border.usual_hour(hour);
    }
    let severity = border.told.last().map(|(_, _, severity, _)| *severity);
    assert_eq!(severity, Some(Severity::Major));
    border.arrive("", from + 1, 900);
    let last = border.told.last().map(|(_, t, s, _)| (*t, *s));
    assert_eq!(last, Some((Transition::Escalated, Severity::Critical)));
}

#[test]
fn a_correction_that_changes_little_says_nothing() {
    let (mut border, from) = Border::usual();
    border.arrive("nearly", from + 1, 4_000);
    border.correct("nearly", from + 2, 3_990);
    assert_eq!(border.transitions(Direction::Surge), [Transition::Opened]);
}

#[test]
fn a_closed_day_of_an_alert_that_is_counted_anew_is_told_once_when_the_next_hour_closes() {
    let (mut border, from) = Border::usual();
    border.arrive("", from + 1, 4_000);
    for hour in from..from + 26 {
        border.usual_hour(hour);
    }
    assert!(border.open(Direction::Surge));
    let told = border.told.len();
    // A backlog of ten, which makes it no more severe.
    for _ in 0..10 {
        border.arrive("", from + 9, 7);
    }
    assert_eq!(border.told.len(), told, "not before an hour closes");
    for hour in from + 26..from + 29 {
        border.usual_hour(hour);
    }
    let anew: Vec<_> = border.updates[told..].to_vec();
    assert_eq!(
        anew,
        [(Some(Reason::Recounted), DataStatus::Late, 4_000 + 24 + 70)]
    );
    let last = border.told.last().map(|(_, t, s, _)| (*t, *s));
    assert_eq!(last, Some((Transition::Updated, Severity::Critical)));
}

/// The days are told by their own new numbers, the one that made it more severe at once.
#[test]
fn each_closed_day_that_is_counted_anew_is_told_with_its_own_numbers() {
    let (mut border, from) = Border::usual();
    border.arrive("", from + 9, 40);
    for hour in from..from + 50 {
        border.usual_hour(hour);
        if hour == from + 24 + 9 {
            border.arrive("", hour, 60);
        }
    }
    assert!(border.open(Direction::Surge));
    let told = border.told.len();
    border.arrive("", from + 10, 30);
    border.arrive("", from + 24 + 10, 500);
    let now = border.told[told..].iter().map(|(_, t, s, _)| (*t, *s));
    assert_eq!(
        now.collect::<Vec<_>>(),
        [(Transition::Escalated, Severity::Critical)]
    );
    for hour in from + 50..from + 53 {
        border.usual_hour(hour);
    }
    let late = |count| (Some(Reason::Recounted), DataStatus::Late, count);
    assert_eq!(border.updates[told..], [late(584), late(94)]);
}

/// Two days on which nothing arrives, a heartbeat every hour.
fn silence(border: &mut Border, from: i64) -> i64 {
    let mut hour = from;
    while !border.open(Direction::Drop) {
        assert!(
            hour < from + 47,
            "a drop within two days: {:?}",
            border.told
        );
        border.send("", hour, Kind::Heartbeat);
        hour += 1;
    }
    hour
}

#[test]
fn a_backlog_of_late_reports_withdraws_a_drop() {
    let (mut border, from) = Border::usual();
    let until = silence(&mut border, from);
    for hour in from..until {
        if (8..20).contains(&(hour % 24)) {
            border.arrive("", hour, 2);
        }
    }
    assert!(!border.open(Direction::Drop), "{:?}", border.told);
    let told = border.transitions(Direction::Drop);
    assert!(told.contains(&Transition::Retracted), "{told:?}");
}

#[test]
fn a_closure_that_is_told_of_late_withdraws_the_drop_it_looked_like() {
    let (mut border, from) = Border::usual();
    silence(&mut border, from);
    let (state, until) = (GateState::Closed, None);
    border.send("", from, Kind::Status { state, until });
    assert!(!border.open(Direction::Drop), "{:?}", border.told);
    let last = border.transitions(Direction::Drop).pop();
    assert_eq!(last, Some(Transition::Retracted));
}

#[test]
fn a_drop_that_only_corrections_make_opens_when_the_next_hour_closes() {
    let (mut border, from) = Border::usual();
    let mut ids = Vec::new();
    for hour in from..from + 33 {
        border.send("", hour, Kind::Heartbeat);
        if (8..20).contains(&(hour % 24)) {
            let id = format!("day-{hour}");
            border.arrive(&id, hour, 2);
            ids.push(id);
        }
    }
    assert_eq!(border.told, []);
    // Nobody had come: what was reported is withdrawn, arrival by arrival, inside one open hour.
    for id in &ids {
        border.correct(id, from + 33, 0);
    }
    assert_eq!(border.told, [], "a backlog may be read in part only");
    for hour in from + 34..from + 36 {
        border.send("", hour, Kind::Heartbeat);
    }
    assert_eq!(border.transitions(Direction::Drop), [Transition::Opened]);
}
