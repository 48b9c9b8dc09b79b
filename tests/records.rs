//! Holds the records put out to their form: one alert and one count in full, and every sentence an alert can say.

mod support;

use serde_json::Value;
use support::settings;
use surgewatch::core::alert::{Alert, Direction, Reading, Run, Severity, Transition};
use surgewatch::core::event::GateState;
use surgewatch::core::ids::{Offset, Partition, StreamIx};
use surgewatch::core::lens::Lens;
use surgewatch::core::network::Network;
use surgewatch::core::notice::DataStatus;
use surgewatch::core::output::{Output, Source};
use surgewatch::core::time::{EventTime, HOUR_MS, WallTime};
use surgewatch::wire::encode::{self, Encoded, Origin};
use surgewatch::wire::sentence::{self, Subject};

/// Friday 17 November 2023, 00:00 in Helsinki.
const DAY: EventTime = EventTime(1_700_172_000_000);

fn reading(lens: Lens, observed: u64, (lower, upper): (u64, u64)) -> Reading {
    let (start, end) = match lens {
        Lens::Hour => (DAY.plus_ms(16 * HOUR_MS), DAY.plus_ms(17 * HOUR_MS)),
        _ => (DAY, DAY.plus_ms(24 * HOUR_MS)),
    };
    Reading {
        lens,
        start,
        end,
        observed,
        while_closed: 0,
        expected: match lower {
            0 => 0.123_456,
            _ => (lower + upper) as f64 / 2.0,
        },
        lower,
        upper,
        exposure: 1.0,
        closed_ratio: 0.0,
        blind_ratio: 0.0,
        ln_tails: [Some(-30.0), Some(-0.01)],
        log_evidence_rise: 12.345_67,
        log_evidence_drop: 9.0,
        p_surge: 0.999_99,
        p_drop: 0.000_01,
    }
}

fn source() -> Source {
    Source {
        partition: Partition(3),
        offset: Some(Offset(4711)),
        recorded: Some(WallTime(DAY.0 + 16 * HOUR_MS + 1_201_000)),
    }
}

fn origin() -> Origin {
    Origin {
        topic: "border.arrivals.v1".into(),
        config: "00112233aabbccdd".into(),
    }
}

fn shown(encoded: &Encoded) -> String {
    let value: Value = serde_json::from_slice(&encoded.value).expect("records are JSON");
    let pretty = serde_json::to_string_pretty(&value).expect("it was JSON");
    let pretty = pretty.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    let headers: String = encoded
        .headers
        .iter()
        .map(|(k, v)| format!("{k}: {v}\n"))
        .collect();
    format!("{}\n{headers}{pretty}", encoded.key)
}

#[test]
fn an_opened_alert_carries_all_that_a_reader_needs() {
    let settings = settings();
    let network = settings.network();
    let alert = Alert::open(
        Direction::Surge,
        DAY.plus_ms(-24 * HOUR_MS),
        Severity::Major,
        (Lens::Day, EventTime(0)),
    );
    let output = Output::Alert {
        crossing: network.crossing_ix("fi-niirala").expect("it is bundled"),
        stream: StreamIx(0),
        alert,
        transition: Transition::Opened,
        reading: reading(Lens::Hour, 12, (0, 1)),
        run: None,
        closed: false,
        data: DataStatus::Complete,
        usual_for_days: None,
        before: None,
        as_of: DAY.plus_ms(16 * HOUR_MS + 1_200_000),
        source: source(),
    };
    let encoded = encode::alert(&output, network, &origin()).expect("it is an alert");
    insta::assert_snapshot!(shown(&encoded));
}

#[test]
fn a_count_carries_the_bucket_and_what_was_expected() {
    let settings = settings();
    let network = settings.network();
    let output = Output::Count {
        crossing: network.crossing_ix("fi-niirala").expect("it is bundled"),
        stream: StreamIx(0),
        reading: reading(Lens::Day, 52, (0, 3)),
        revision: 2,
        gate: GateState::Closed,
        as_of: DAY.plus_ms(25 * HOUR_MS),
        source: source(),
    };
    let encoded = encode::count(&output, network, &origin()).expect("it is a count");
    insta::assert_snapshot!(shown(&encoded));
}

/// One sentence, as of a moment of the day.
fn said(
    network: &Network,
    alert: &Alert,
    transition: Transition,
    reading: &Reading,
    as_of: Option<EventTime>,
) -> String {
    let subject = Subject {
        network,
        crossing: network.crossing_ix("fi-niirala").expect("it is bundled"),
        stream: StreamIx(0),
    };
    let closed = as_of.is_none();
    let as_of = as_of.unwrap_or(reading.end.plus_ms(900_000));
    sentence::summary(
        &subject,
        alert,
        transition,
        (reading, None),
        closed,
        as_of,
        "",
    )
}

#[test]
fn every_transition_direction_and_lens_has_its_sentence() {
    let settings = settings();
    let mut lines = Vec::new();
    for transition in Transition::ALL {
        for direction in Direction::ALL {
            let onset = if transition == Transition::Opened {
                DAY
            } else {
                DAY.plus_ms(-48 * HOUR_MS)
            };
            let alert = Alert::open(direction, onset, Severity::Major, (Lens::Day, EventTime(0)));
            for lens in [Lens::Hour, Lens::Day] {
                let (observed, usual) = if direction == Direction::Surge {
                    (1_234, (0, 5))
                } else {
                    (3, (12, 40))
                };
                let reading = reading(lens, observed, usual);
                let open = DAY.plus_ms(16 * HOUR_MS + 1_260_000);
                for as_of in [Some(open), None] {
                    lines.push(said(
                        settings.network(),
                        &alert,
                        transition,
                        &reading,
                        as_of,
                    ));
                }
            }
        }
    }
    for line in &lines {
        assert!(line.ends_with('.') && !line.contains("  "), "{line}");
        for word in [
            "people", "migrant", "refugee", "intent", "smuggl", "because", "wave", "illegal",
        ] {
            assert!(
                !line.to_lowercase().contains(word),
                "`{word}` says who or why: {line}"
            );
        }
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn an_alert_that_rests_on_many_buckets_tells_what_came_in_them() {
    let settings = settings();
    let subject = Subject {
        network: settings.network(),
        crossing: settings
            .network()
            .crossing_ix("fi-niirala")
            .expect("it is bundled"),
        stream: StreamIx(0),
    };
    let since = DAY.plus_ms(-66 * HOUR_MS);
    let cases = [
        (Direction::Surge, Lens::Day, 4, (0, 4), (10, 2.7)),
        (Direction::Surge, Lens::Hour, 1_234, (0, 5), (1_300, 9.0)),
        (Direction::Surge, Lens::Hour, 0, (0, 4), (61, 30.2)),
        (Direction::Drop, Lens::Day, 0, (0, 9), (0, 31.0)),
        (Direction::Drop, Lens::Hour, 2, (2, 16), (70, 1_140.0)),
        (Direction::Drop, Lens::Hour, 1, (2, 16), (70, 1_140.0)),
        (Direction::Drop, Lens::Hour, 0, (0, 16), (7, 140.0)),
    ];
    let mut lines = Vec::new();
    for (direction, lens, observed, usual, (all, expected)) in cases {
        let alert = Alert::open(direction, since, Severity::Minor, (lens, DAY));
        let reading = reading(lens, observed, usual);
        let run = Run {
            since,
            observed: all,
            expected,
        };
        for closed in [false, true] {
            lines.push(sentence::summary(
                &subject,
                &alert,
                Transition::Opened,
                (&reading, Some(&run)),
                closed,
                DAY.plus_ms(16 * HOUR_MS + 1_260_000),
                "",
            ));
        }
    }
    // So is one whose last hour is as severe as it is: the days before may be worse.
    let alert = Alert::open(Direction::Surge, since, Severity::Major, (Lens::Hour, DAY));
    let reading = reading(Lens::Hour, 1_234, (0, 5));
    let run = Run {
        since,
        observed: 1_300,
        expected: 9.0,
    };
    lines.push(sentence::summary(
        &subject,
        &alert,
        Transition::Opened,
        (&reading, Some(&run)),
        true,
        DAY.plus_ms(17 * HOUR_MS),
        "",
    ));
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn numbers_agree_with_their_words() {
    let settings = settings();
    let surge = Alert::open(
        Direction::Surge,
        DAY,
        Severity::Minor,
        (Lens::Day, EventTime(0)),
    );
    let drop = Alert::open(
        Direction::Drop,
        DAY,
        Severity::Minor,
        (Lens::Day, EventTime(0)),
    );
    let cases = [
        (&surge, 1, (0, 0)),
        (&surge, 2, (0, 1)),
        (&surge, 1_000, (1, 1)),
        (&surge, 9, (0, 4)),
        (&drop, 0, (7, 7)),
        (&drop, 1, (1_000, 2_000)),
    ];
    let lines = cases.map(|(alert, observed, usual)| {
        let reading = reading(Lens::Day, observed, usual);
        said(
            settings.network(),
            alert,
            Transition::Updated,
            &reading,
            None,
        )
    });
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn chance_is_said_in_round_numbers_and_never_better_than_it_is() {
    let settings = settings();
    let alert = Alert::open(
        Direction::Surge,
        DAY,
        Severity::Minor,
        (Lens::Day, EventTime(0)),
    );
    let days = [
        0.2, 1.0, 1.99, 2.0, 59.9, 60.9, 365.0, 730.0, 731.0, 3_653.0, 365_249.0, 1e9,
    ];
    let lines = days.map(|days: f64| {
        let reading = Reading {
            log_evidence_rise: days.ln(),
            ..reading(Lens::Day, 9, (0, 1))
        };
        let text = said(
            settings.network(),
            &alert,
            Transition::Opened,
            &reading,
            None,
        );
        let (_, chance) = text.rsplit_once("this ").expect("it says how sure");
        format!("{days} days: {chance}")
    });
    insta::assert_snapshot!(lines.join("\n"));
}
