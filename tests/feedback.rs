//! Shows what an operator's word does: each is told in the alert's log with its reason, ends or marks what it names and nothing else.

mod support;

use jiff::civil::Date;
use std::sync::Arc;
use support::random;
use surgewatch::core::alert::{Direction, Feedback, Reason, Transition};
use surgewatch::core::crossing::Outcome;
use surgewatch::core::engine::Engine;
use surgewatch::core::event::{Event, Kind, Reject};
use surgewatch::core::ids::{CrossingIx, Partition, StreamIx};
use surgewatch::core::output::Output;
use surgewatch::core::time::HOUR_MS;
use surgewatch::wire::decode::{self, Limits, Record};

/// 14 November 2023, 00:00 in Helsinki.
const START_MS: i64 = 1_699_912_800_000;
const USUAL_HOURS: i64 = 60 * 24;
/// The day after the usual ones.
const DAY: Date = Date::constant(2024, 1, 13);

type Told = (Direction, Transition, Option<Reason>, Option<Feedback>);

struct Border {
    engine: Engine,
    offset: i64,
    told: Vec<Told>,
}

impl Border {
    /// One crossing with a dozen hours of two arrivals on sixty days.
    fn usual() -> Self {
        let network = Arc::new(random::network());
        let params = support::params(&network);
        let mut engine = Engine::new(network, params, 1);
        engine.assign(Partition(0), []).expect("nothing to read");
        let mut border = Self {
            engine,
            offset: 0,
            told: Vec::new(),
        };
        border.hours(0..USUAL_HOURS, 2);
        assert_eq!(border.told, []);
        border
    }

    fn hours(&mut self, hours: std::ops::Range<i64>, count: u32) {
        for hour in hours {
            self.send(hour, Kind::Heartbeat);
            if (8..20).contains(&(hour % 24)) {
                self.arrive(hour, count);
            }
        }
    }

    fn arrive(&mut self, hour: i64, count: u32) {
        let stream = StreamIx(0);
        self.send(hour, Kind::Arrival { stream, count });
    }

    fn say(&mut self, direction: Direction, day: Date, feedback: Feedback) -> Outcome {
        let stream = StreamIx(0);
        let kind = Kind::Feedback {
            stream,
            direction,
            day,
            feedback,
        };
        // The clock of whoever says it is years ahead.
        self.send(1_000_000, kind)
    }

    fn send(&mut self, hour: i64, kind: Kind) -> Outcome {
        let time = START_MS + hour * HOUR_MS;
        let input = support::input(self.offset, 0, time, &format!("e-{}", self.offset), kind);
        self.offset += 1;
        let told = &mut self.told;
        let mut put = |output| {
            if let Output::Alert {
                alert, transition, ..
            } = output
            {
                told.push((alert.direction, transition, alert.reason, alert.feedback));
            }
        };
        self.engine
            .handle(Partition(0), &input, &mut put)
            .expect("no bad records")
    }

    /// With an open surge.
    fn in_surge() -> Self {
        let mut border = Self::usual();
        border.arrive(USUAL_HOURS + 9, 400);
        let opened = (Direction::Surge, Transition::Opened, None, None);
        assert_eq!(border.told, [opened]);
        border.told.clear();
        border
    }

    fn is_open(&self) -> bool {
        let partition = self.engine.partitions().next().expect("one partition");
        let crossing = partition.crossings().next().expect("one crossing");
        crossing.series[0].alerts.iter().any(Option::is_some)
    }
}

#[test]
fn a_mark_is_told_and_stays_and_saying_it_again_changes_nothing() {
    let mut border = Border::in_surge();
    for word in [Feedback::Acknowledged, Feedback::Known, Feedback::Exercise] {
        border.told.clear();
        let watermark = border.engine.watermark(Partition(0));
        assert_eq!(border.say(Direction::Surge, DAY, word), Outcome::Applied);
        assert_eq!(border.say(Direction::Surge, DAY, word), Outcome::Duplicate);
        let reason = Some(Reason::Feedback(word));
        let told = (Direction::Surge, Transition::Updated, reason, Some(word));
        assert_eq!(border.told, [told]);
        assert!(border.is_open());
        assert_eq!(border.engine.watermark(Partition(0)), watermark);
    }
    border.told.clear();
    border.arrive(USUAL_HOURS + 10, 4_000);
    border.hours(USUAL_HOURS + 11..USUAL_HOURS + 30, 2);
    let mark = Some(Feedback::Exercise);
    assert!(!border.told.is_empty());
    assert!(
        border.told.iter().all(|(.., f)| *f == mark),
        "{:?}",
        border.told
    );
}

#[test]
fn false_ends_the_alert_and_the_day_that_raised_it_does_not_raise_it_again() {
    let mut border = Border::in_surge();
    let said = border.say(Direction::Surge, DAY, Feedback::False);
    assert_eq!(said, Outcome::Applied);
    let word = Feedback::False;
    let reason = Some(Reason::Feedback(word));
    let ended = (Direction::Surge, Transition::Resolved, reason, Some(word));
    assert_eq!(border.told, [ended]);
    let counted: u64 = border
        .engine
        .tally()
        .feedback
        .iter()
        .flatten()
        .map(|f| f[word as usize])
        .sum();
    assert_eq!(counted, 1);
    border.hours(USUAL_HOURS + 10..USUAL_HOURS + 4 * 24, 2);
    assert_eq!(border.told, [ended], "usual days tell nothing");
    assert_eq!(border.say(Direction::Surge, DAY, word), Outcome::Duplicate);
    border.arrive(USUAL_HOURS + 4 * 24 + 1, 400);
    let last = border.told.last().map(|(_, transition, ..)| *transition);
    assert_eq!(
        last,
        Some(Transition::Opened),
        "another surge is another alert"
    );
}

#[test]
fn a_new_usual_is_adopted_at_once_and_raises_nothing_more() {
    let (mut said, mut unsaid) = (Border::usual(), Border::usual());
    for border in [&mut said, &mut unsaid] {
        border.hours(USUAL_HOURS..USUAL_HOURS + 3 * 24, 12);
        assert!(border.is_open());
        border.told.clear();
    }
    let outcome = said.say(Direction::Surge, DAY, Feedback::NewUsual);
    assert_eq!(outcome, Outcome::Applied);
    assert_eq!(said.told.len(), 1);
    for border in [&mut said, &mut unsaid] {
        border.hours(USUAL_HOURS + 3 * 24..USUAL_HOURS + 20 * 24, 12);
    }
    assert_eq!(said.told.len(), 1, "{:?}", said.told);
    assert!(!said.is_open() && unsaid.is_open());
    let partition = said.engine.partitions().next().expect("one partition");
    let crossing = partition.crossings().next().expect("one crossing");
    let (_, expected) = crossing.series[0]
        .day_so_far(said.engine.params())
        .expect("the day is open");
    assert!(
        (expected / 144.0 - 1.0).abs() < 0.2,
        "{expected} of 144 a day"
    );
}

/// Six times as many for ten days, called the new usual on the third, and then what was usual before.
#[test]
fn a_new_usual_that_is_left_again_is_one_drop_that_ends_within_days() {
    let mut border = Border::usual();
    let day = |n: i64| USUAL_HOURS + n * 24;
    border.hours(day(0)..day(2), 12);
    border.say(Direction::Surge, DAY, Feedback::NewUsual);
    border.hours(day(2)..day(10), 12);
    border.told.clear();
    border.hours(day(10)..day(17), 2);
    let changes = |border: &Border| -> Vec<(Direction, Transition)> {
        let told = border
            .told
            .iter()
            .map(|(direction, what, ..)| (*direction, *what));
        told.filter(|(_, what)| *what != Transition::Updated)
            .collect()
    };
    let ended = [
        Transition::Opened,
        Transition::Escalated,
        Transition::Resolved,
    ];
    assert_eq!(changes(&border), ended.map(|what| (Direction::Drop, what)));
    border.told.clear();
    border.hours(day(17)..day(80), 2);
    assert_eq!(border.told, [], "it is usual again");
}

#[test]
fn a_word_that_names_no_open_alert_is_refused_with_its_reason_and_counted() {
    let mut border = Border::usual();
    let unknown = Outcome::Rejected(Reject::UnknownAlert);
    assert_eq!(border.say(Direction::Surge, DAY, Feedback::False), unknown);
    let mut border = Border::in_surge();
    assert_eq!(border.say(Direction::Drop, DAY, Feedback::False), unknown);
    let other_day = DAY.tomorrow().expect("a day");
    let said = border.say(Direction::Surge, other_day, Feedback::False);
    assert_eq!(said, unknown);
    assert!(border.is_open() && border.told.is_empty());
    border.say(Direction::Surge, DAY, Feedback::False);
    let ended = Outcome::Rejected(Reject::EndedAlert);
    assert_eq!(border.say(Direction::Surge, DAY, Feedback::Known), ended);
    let rejected = border.engine.tally().rejected;
    let of = |reason: Reject| rejected[reason as usize];
    assert_eq!((of(Reject::UnknownAlert), of(Reject::EndedAlert)), (2, 1));
}

fn decoded(json: &str) -> Result<Event, decode::DecodeError> {
    let record = Record {
        value: Some(json.as_bytes()),
        headers: &[],
        timestamp: None,
    };
    let limits = Limits {
        max_event_bytes: 65_536,
        max_count: 1,
        max_ahead_ms: 1,
        max_behind_ms: 1,
    };
    decode::decode(&record, &random::network(), &limits)
}

#[test]
fn a_word_is_read_from_json_and_a_note_beside_it_is_not() {
    let event = decoded(
        r#"{"type":"feedback","id":"f1","time":"2024-01-13T12:00:00Z","alert_id":"a-plain.asylum.surge.2024-01-13","feedback":"new_usual","note":"said by somebody","by":"a name"}"#,
    );
    let kind = Kind::Feedback {
        stream: StreamIx(0),
        direction: Direction::Surge,
        day: DAY,
        feedback: Feedback::NewUsual,
    };
    let event = event.expect("it is good");
    assert_eq!((event.crossing, event.kind), (CrossingIx(0), kind));
}

#[test]
fn a_word_that_cannot_be_read_says_which_field_and_why() {
    let table = [
        ("", "false", Reject::WrongShape, "`alert_id` is empty"),
        (
            "a-plain",
            "false",
            Reject::WrongShape,
            "CROSSING.STREAM.DIRECTION.DATE",
        ),
        (
            "x.asylum.drop.2024-01-13",
            "false",
            Reject::UnknownCrossing,
            "crossing \"x\"",
        ),
        (
            "a-plain.entry.drop.2024-01-13",
            "false",
            Reject::UnknownStream,
            "\"entry\"",
        ),
        (
            "a-plain.asylum.drop.2024-01-13",
            "wrong",
            Reject::WrongShape,
            "acknowledged, known",
        ),
        (
            "a-plain.asylum.drop.2024-01-13",
            "",
            Reject::WrongShape,
            "`feedback` is empty",
        ),
    ];
    for (alert, word, reason, part) in table {
        let json = format!(
            r#"{{"type":"feedback","id":"f","time":"2024-01-13T12:00:00Z","alert_id":"{alert}","feedback":"{word}"}}"#
        );
        let error = decoded(&json).expect_err("it is bad");
        assert_eq!(error.reason, reason, "{alert} {word}: {error}");
        assert!(error.detail.contains(part), "{alert} {word}: {error}");
    }
}
