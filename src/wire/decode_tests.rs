//! Owns the tests of decoding: named cases for every reason, both CloudEvents modes, and arbitrary bytes.

use super::decode::{DecodeError, Limits, Record, decode};
use crate::core::event::Reject::{
    BadCount, BadTime, Empty, NotJson, TooFarAhead, TooFarBehind, UnknownCrossing, UnknownStream,
    UnknownType, WrongShape,
};
use crate::core::event::{Event, GateState, Kind, Reject};
use crate::core::ids::{CrossingIx, EventId, StreamIx};
use crate::core::network::{Crossing, Network};
use crate::core::time::{EventTime, WallTime};
use jiff::tz::TimeZone;
use proptest::prelude::*;

/// 2023-11-17T14:20:00Z.
const NOW_MS: i64 = 1_700_230_800_000;
const LIMITS: Limits = Limits {
    max_event_bytes: 4096,
    max_count: 1000,
    max_ahead_ms: 3_600_000,
    max_behind_ms: 86_400_000,
};

#[test]
fn good_events_of_every_type() {
    let arrival = |count| Kind::Arrival {
        stream: StreamIx(0),
        count,
    };
    let until = Some(EventTime(NOW_MS + 3_600_000));
    let cases = [
        (
            r#""type":"arrival","stream":"asylum","count":3"#,
            arrival(3),
        ),
        (r#""type":"arrival","stream":"asylum""#, arrival(1)),
        (r#""type":"arrival""#, arrival(1)),
        (r#""type":"arrival","stream":null,"count":null"#, arrival(1)),
        (r#""type":"arrival","count":1000"#, arrival(1000)),
        (r#""type":"arrival","count":3.0"#, arrival(3)),
        (r#""type":"arrival","count":1e2"#, arrival(100)),
        (r#""type":"heartbeat""#, Kind::Heartbeat),
        (
            r#""type":"heartbeat","count":"not looked at""#,
            Kind::Heartbeat,
        ),
        (
            r#""type":"status","state":"closed","until":null"#,
            Kind::Status {
                state: GateState::Closed,
                until: None,
            },
        ),
        (r#""type":"status","state":"redefined""#, Kind::Redefined),
        (
            r#""type":"status","state":"restricted","until":"2023-11-17T15:20:00Z""#,
            Kind::Status {
                state: GateState::Restricted,
                until,
            },
        ),
        (
            r#""type":"correction","replaces":"a","count":0"#,
            Kind::Correction {
                replaces: EventId::of("a"),
                count: 0,
            },
        ),
    ];
    for (fields, kind) in cases {
        let expected = Event {
            crossing: CrossingIx(0),
            time: EventTime(NOW_MS),
            id: EventId::of("e1"),
            kind,
        };
        assert_eq!(plain(&with_base(fields)), Ok(expected), "{fields}");
    }
}

#[test]
fn time_keeps_the_moment_and_cuts_to_milliseconds() {
    let cases = [
        ("2023-11-17T16:20:00+02:00", NOW_MS),
        ("2023-11-17T14:20:00Z", NOW_MS),
        ("2023-11-17t14:20:00z", NOW_MS),
        ("2023-11-17T14:20:00.1239Z", NOW_MS + 123),
        (
            "2023-11-17T23:59:60Z",
            NOW_MS + (9 * 3600 + 39 * 60 + 59) * 1000,
        ),
    ];
    let limits = Limits {
        max_ahead_ms: i64::MAX,
        ..LIMITS
    };
    for (text, expected) in cases {
        let json = format!(r#"{{"type":"heartbeat","id":"e1","crossing":"fi-a","time":"{text}"}}"#);
        let event =
            decode(&record(json.as_bytes(), &[]), &network(), &limits).map(|event| event.time);
        assert_eq!(event, Ok(EventTime(expected)), "{text}");
    }
}

/// A value (`BASE` stands for a good id, crossing and time), the reason for refusing it, a part of the detail.
const REFUSED: [(&str, Reject, &str); 43] = [
    ("", Empty, "no value"),
    ("{", NotJson, "EOF"),
    ("arrival", NotJson, "not JSON"),
    ("{\"type\":\"arrival\"} x", NotJson, "trailing"),
    ("\u{feff}{}", NotJson, "byte order mark"),
    ("[\"arrival\"]", WrongShape, "not an object"),
    ("\"Jane Doe\"", WrongShape, "not an object"),
    ("17", WrongShape, "not an object"),
    ("{}", WrongShape, "`type` is missing"),
    (r#"{"type":7}"#, WrongShape, "`type` is 7"),
    (r#"{"type":{"a":[1]}}"#, WrongShape, "`type` is an object"),
    (
        r#"{"type":"arrival","type":"arrival"}"#,
        WrongShape,
        "duplicate field `type`",
    ),
    (r#"{"type":"surge"}"#, UnknownType, "\"surge\""),
    (
        r#"{"type":"border.arrival.v1"}"#,
        UnknownType,
        "border.arrival.v1",
    ),
    (r#"{"type":"arrival"}"#, WrongShape, "`id` is missing"),
    (r#"{"type":"arrival","id":""}"#, WrongShape, "`id` is empty"),
    (r#"{"type":"arrival","id":-4}"#, WrongShape, "`id` is -4"),
    (r#"{"type":"arrival","id":"\ud800"}"#, WrongShape, "escape"),
    (
        r#"{"type":"arrival","id":1e999}"#,
        WrongShape,
        "out of range",
    ),
    (
        r#"{"type":"arrival","id":"1"}"#,
        WrongShape,
        "`crossing` is missing",
    ),
    (
        r#"{"type":"arrival","id":"1","crossing":"se-x"}"#,
        UnknownCrossing,
        "\"se-x\"",
    ),
    (
        r#"{"type":"arrival","id":"1","crossing":"fi-a"}"#,
        WrongShape,
        "`time` is missing",
    ),
    (
        r#"{"type":"arrival","id":"1","crossing":"fi-a","time":1700230800}"#,
        WrongShape,
        "`time` is 1700230800",
    ),
    (
        r#"{"type":"arrival","id":"1","crossing":"fi-a","time":"yesterday"}"#,
        BadTime,
        "can't be read",
    ),
    (
        r#"{"type":"arrival","id":"1","crossing":"fi-a","time":"2023-11-17T14:20:00"}"#,
        BadTime,
        "no offset",
    ),
    (
        r#"{"type":"arrival","id":"1","crossing":"fi-a","time":"2023-11-17T15:20:01Z"}"#,
        TooFarAhead,
        "3601 s",
    ),
    (
        r#"{"type":"arrival","id":"1","crossing":"fi-a","time":"2023-11-16T14:19:59Z"}"#,
        TooFarBehind,
        "86401 s",
    ),
    (
        r#"BASE"type":"arrival","stream":"lorries""#,
        UnknownStream,
        "\"lorries\", which is not counted here; fi-a",
    ),
    (
        r#"BASE"type":"arrival","stream":"cargo""#,
        UnknownStream,
        "fi-a counts asylum",
    ),
    (
        r#"BASE"type":"arrival","stream":["asylum"]"#,
        WrongShape,
        "`stream` is an array",
    ),
    (
        r#"BASE"type":"arrival","count":0"#,
        BadCount,
        "`count` is 0",
    ),
    (
        r#"BASE"type":"arrival","count":-3"#,
        BadCount,
        "`count` is -3",
    ),
    (
        r#"BASE"type":"arrival","count":1.5"#,
        BadCount,
        "`count` is 1.5",
    ),
    (
        r#"BASE"type":"arrival","count":1001"#,
        BadCount,
        "from 1 to 1000",
    ),
    (
        r#"BASE"type":"arrival","count":99999999999999999999999"#,
        BadCount,
        "1e23",
    ),
    (r#"BASE"type":"arrival","count":1e999"#, BadCount, "`count`"),
    (
        r#"BASE"type":"arrival","count":"3""#,
        WrongShape,
        "`count` is \"3\"",
    ),
    (
        r#"BASE"type":"correction","replaces":"a""#,
        WrongShape,
        "`count` is missing",
    ),
    (
        r#"BASE"type":"correction","count":1"#,
        WrongShape,
        "`replaces` is missing",
    ),
    (
        r#"BASE"type":"status","state":"ajar""#,
        WrongShape,
        "\"ajar\"",
    ),
    (
        r#"BASE"type":"status","state":"redefined","until":"2023-11-18T00:00:00Z""#,
        WrongShape,
        "`until` is given",
    ),
    (
        r#"BASE"type":"status","state":"closed","until":"2023-11-17T14:19:59Z""#,
        BadTime,
        "`until` is not after `time`",
    ),
    (
        r#"BASE"type":"status","state":"open","until":"2023-11-18""#,
        BadTime,
        "`until`",
    ),
];

#[test]
fn every_reason_with_the_field_named() {
    for (given, reason, part) in REFUSED {
        let json = given
            .strip_prefix("BASE")
            .map_or_else(|| given.to_owned(), with_base);
        let error = plain(&json).expect_err(given);
        assert_eq!(error.reason, reason, "{given}: {error}");
        assert!(error.detail.contains(part), "{given}: {error}");
    }
}

#[test]
fn tombstones_large_values_and_broken_utf8() {
    let tombstone = Record {
        value: None,
        headers: &[],
        timestamp: None,
    };
    assert_eq!(
        reason(decode(&tombstone, &network(), &LIMITS)),
        Some(Reject::Empty)
    );

    let at_limit = with_base(&format!(
        r#""type":"heartbeat","pad":"{}""#,
        "x".repeat(3000)
    ));
    let exact = Limits {
        max_event_bytes: at_limit.len(),
        ..LIMITS
    };
    assert!(decode(&record(at_limit.as_bytes(), &[]), &network(), &exact).is_ok());
    let below = Limits {
        max_event_bytes: at_limit.len() - 1,
        ..LIMITS
    };
    assert_eq!(
        reason(decode(
            &record(at_limit.as_bytes(), &[]),
            &network(),
            &below
        )),
        Some(Reject::TooLarge)
    );

    let broken = decode(&record(b"{\"type\":\"\xff\"}", &[]), &network(), &LIMITS);
    assert_eq!(reason(broken), Some(Reject::NotJson));
}

#[test]
fn a_stream_must_be_named_where_a_crossing_counts_two() {
    let json = r#"{"type":"arrival","id":"1","crossing":"fi-b","time":"2023-11-17T14:20:00Z"}"#;
    let error = plain(json).expect_err(json);
    assert_eq!(error.reason, Reject::UnknownStream);
    assert!(
        error.detail.contains("fi-b counts asylum, cargo"),
        "{error}"
    );
}

#[test]
fn ahead_and_behind_are_open_at_the_limit_and_skipped_without_a_timestamp() {
    let json = with_base(r#""type":"heartbeat""#);
    let at = |ms| {
        let timestamp = Some(WallTime(NOW_MS + ms));
        reason(decode(
            &Record {
                value: Some(json.as_bytes()),
                headers: &[],
                timestamp,
            },
            &network(),
            &LIMITS,
        ))
    };
    assert_eq!(at(-3_600_000), None);
    assert_eq!(at(-3_600_001), Some(Reject::TooFarAhead));
    assert_eq!(at(86_400_000), None);
    assert_eq!(at(86_400_001), Some(Reject::TooFarBehind));
    assert_eq!(at(i64::MIN), Some(Reject::TooFarAhead));
    let timeless = Record {
        value: Some(json.as_bytes()),
        headers: &[],
        timestamp: None,
    };
    assert!(decode(&timeless, &network(), &LIMITS).is_ok());
}

#[test]
fn escaped_strings_and_unknown_fields_are_read() {
    let json = r#"{ "\u0074ype": "arr\u0069val", "id": "a\"b\n", "crossing": "fi\u002da", "extra": {"deep": [[{}]]},
        "time": "2023-11-17T14:20:00\u005a", "count": 2, "nothing": null, "big": 1e999, "half": "\ud800" }"#;
    let event = plain(json).expect("escapes are legal JSON");
    assert_eq!(event.id, EventId::of("a\"b\n"));
    assert_eq!(
        event.kind,
        Kind::Arrival {
            stream: StreamIx(0),
            count: 2
        }
    );
}

#[test]
fn deep_nesting_is_skipped_where_unknown_and_refused_where_known() {
    let deep = |name: &str| {
        with_base(&format!(
            r#""type":"arrival","{name}":{}{}"#,
            "[".repeat(1500),
            "]".repeat(1500)
        ))
    };
    assert!(plain(&deep("extra")).is_ok());
    assert_eq!(reason(plain(&deep("count"))), Some(Reject::WrongShape));
    assert_eq!(reason(plain(&"[".repeat(4000))), Some(Reject::NotJson));
}

#[test]
fn structured_cloudevents() {
    let arrival = Event {
        crossing: CrossingIx(0),
        time: EventTime(NOW_MS),
        id: EventId::of("e1"),
        kind: Kind::Arrival {
            stream: StreamIx(0),
            count: 4,
        },
    };
    let good = [
        r#""type":"border.arrival.v1","subject":"fi-a","data":{"stream":"asylum","count":4}"#,
        r#""type":"arrival","data":{"crossing":"fi-a","count":4}"#,
        r#""data":{"crossing":"fi-a","count":4,"id":"ignored","time":9,"type":[]},"type":"fi.border.arrival""#,
        r#""type":"arrival.v12","subject":"gate-3","data":{"crossing":"fi-a","count":4}"#,
    ];
    for rest in good {
        assert_eq!(plain(&envelope(rest)), Ok(arrival.clone()), "{rest}");
    }
    assert!(
        plain(&envelope(
            r#""type":"border.heartbeat.v1","subject":"fi-a""#
        ))
        .is_ok()
    );
}

#[test]
fn structured_cloudevents_that_are_refused() {
    let bad = [
        (
            r#""type":"border.arrival.v1","subject":"fi-a","data":"{}""#,
            Reject::WrongShape,
            "`data` is a string",
        ),
        (
            r#""type":"border.arrival.v1","subject":"fi-a","data":[1]"#,
            Reject::WrongShape,
            "`data` is an array",
        ),
        (
            r#""type":"arrival","subject":"fi-a","data_base64":"e30=""#,
            Reject::WrongShape,
            "data_base64",
        ),
        (
            r#""type":"border.arrival.v1","data":{}"#,
            Reject::WrongShape,
            "`crossing` is missing",
        ),
        (
            r#""type":"arrival","subject":"fi-a","data":{"count":-1}"#,
            Reject::BadCount,
            "-1",
        ),
        (
            r#""type":"arrival","subject":"fi-a","data":{"count":1e999}"#,
            Reject::BadCount,
            "`count`",
        ),
        (
            r#""type":"v1","subject":"fi-a","data":{}"#,
            Reject::UnknownType,
            "\"v1\"",
        ),
        (
            r#""type":"arrival.v1x","subject":"fi-a","data":{}"#,
            Reject::UnknownType,
            "\"v1x\"",
        ),
    ];
    for (rest, reason, part) in bad {
        let error = plain(&envelope(rest)).expect_err(rest);
        assert_eq!(error.reason, reason, "{rest}: {error}");
        assert!(error.detail.contains(part), "{rest}: {error}");
    }
    assert_eq!(
        reason(plain(r#"{"specversion":"0.3","type":"arrival"}"#)),
        Some(Reject::WrongShape)
    );
}

#[test]
fn binary_cloudevents() {
    let all: [(&str, &[u8]); 6] = [
        ("ce_specversion", b"1.0"),
        ("ce_type", b"border.arrival.v1"),
        ("ce_id", b"e1"),
        ("ce_time", b"2023-11-17T14:20:00Z"),
        ("ce_subject", b"fi-a"),
        ("traceparent", b"\xff"),
    ];
    let read = |headers: &[(&str, &[u8])], value: &str| {
        decode(&record(value.as_bytes(), headers), &network(), &LIMITS)
    };
    let event = read(&all, r#"{"count":2}"#).expect("a binary event");
    assert_eq!(event.id, EventId::of("e1"));
    assert_eq!(
        event.kind,
        Kind::Arrival {
            stream: StreamIx(0),
            count: 2
        }
    );
    assert!(read(&all[..4], r#"{"crossing":"fi-a"}"#).is_ok());
    assert_eq!(reason(read(&all[..4], "{}")), Some(Reject::WrongShape));
    assert_eq!(
        reason(read(&all[..2], r#"{"crossing":"fi-a","id":"e1"}"#)),
        Some(Reject::WrongShape)
    );
    assert_eq!(reason(read(&all, "")), Some(Reject::Empty));
    assert_eq!(reason(read(&all, "[]")), Some(Reject::WrongShape));
    assert_eq!(
        reason(read(&[("ce_specversion", b"2.0")], "{}")),
        Some(Reject::WrongShape)
    );
    let broken = [("ce_specversion", &b"1.0"[..]), ("ce_type", b"\xff")];
    assert_eq!(reason(read(&broken, "{}")), Some(Reject::WrongShape));
    let plain_with_headers = with_base(r#""type":"heartbeat""#);
    assert!(read(&all[5..], &plain_with_headers).is_ok());
}

#[test]
fn details_are_short_and_hold_nothing_of_unknown_fields() {
    let personal = r#""name":"Jane Doe","passport":"P1234567","nationality":"XX","born":19800101"#;
    let breaks = [
        r#""type":"surge""#,
        r#""type":17"#,
        r#""type":"arrival","count":-1"#,
        r#""type":"arrival","count":1e999"#,
        r#""type":"arrival","type":"arrival""#,
        r#""type":"arrival","stream":{"name":"Jane Doe"}"#,
        r#""type":"arrival","stream":["Jane Doe"]"#,
        r#""type":"arrival","#,
        r#""type":"arrival""passport""#,
    ];
    for fields in breaks {
        let json = with_base(&format!("{personal},{fields}"));
        let error = plain(&json).expect_err(fields);
        for secret in [
            "Jane",
            "P1234567",
            "XX",
            "19800101",
            "passport",
            "nationality",
        ] {
            assert!(!error.to_string().contains(secret), "{fields}: {error}");
        }
    }
    let long = with_base(&format!(r#""type":"{}""#, "ä\u{1}".repeat(500)));
    let error = plain(&long).expect_err("unknown type");
    assert!(
        error.detail.len() < 400 && !error.detail.contains('\u{1}'),
        "{error}"
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(value: Vec<u8>, header: Vec<u8>, now: i64) {
        let timestamp = Some(WallTime(now));
        let _ = decode(&Record { value: Some(&value), headers: &[], timestamp }, &network(), &LIMITS);
        let headers: [(&str, &[u8]); 3] = [("ce_specversion", b"1.0"), ("ce_type", &header), ("ce_time", &header)];
        let _ = decode(&Record { value: Some(&value), headers: &headers, timestamp }, &network(), &LIMITS);
    }

    #[test]
    fn damaged_events_never_panic_and_never_repeat_the_whole_value(at in 0usize..200, byte: u8, cut in 0usize..200, now: i64) {
        let mut value = with_base(r#""type":"arrival","stream":"asylum","count":3,"specversion":"1.0","data":{"count":2}"#).into_bytes();
        let length = value.len();
        value[at % length] = byte;
        value.truncate(length - cut % length);
        let given = Record { value: Some(&value), headers: &[], timestamp: Some(WallTime(now)) };
        if let Err(error) = decode(&given, &network(), &LIMITS) {
            prop_assert!(error.detail.len() < 300, "{}", error);
        }
    }
}

fn envelope(rest: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"e1","source":"/fi","time":"2023-11-17T14:20:00Z",{rest},
            "datacontenttype":"application/json"}}"#
    )
}

fn with_base(fields: &str) -> String {
    format!(r#"{{"id":"e1","crossing":"fi-a","time":"2023-11-17T16:20:00+02:00",{fields}}}"#)
}

fn plain(json: &str) -> Result<Event, DecodeError> {
    decode(&record(json.as_bytes(), &[]), &network(), &LIMITS)
}

fn record<'a>(value: &'a [u8], headers: &'a [(&'a str, &'a [u8])]) -> Record<'a> {
    Record {
        value: Some(value),
        headers,
        timestamp: Some(WallTime(NOW_MS)),
    }
}

fn reason(result: Result<Event, DecodeError>) -> Option<Reject> {
    result.err().map(|error| error.reason)
}

fn network() -> Network {
    let crossing = |id: &str, streams: &[u8]| Crossing {
        id: id.to_owned(),
        name: id.to_owned(),
        country: "fi".to_owned(),
        corridor: "fi-ru".to_owned(),
        order: 1,
        neighbours: Vec::new(),
        tz: TimeZone::UTC,
        hours: None,
        message_within_ms: None,
        streams: streams.iter().map(|ix| StreamIx(*ix)).collect(),
    };
    Network::new(
        vec![crossing("fi-a", &[0]), crossing("fi-b", &[0, 1])],
        vec!["asylum".to_owned(), "cargo".to_owned()],
    )
}
