//! Owns the tests of configuration: every problem at once, precedence, secrets, the shipped files.

use super::crossings_tests::{CROSSINGS, fixture};
use super::load::{Sources, load};
use super::problem::Problem;
use super::raw::Raw;
use super::settings::{LogFormat, SecretRef, Settings};
use proptest::prelude::proptest;
use std::collections::BTreeMap;

#[test]
fn ten_mistakes_are_ten_problems() {
    let file = r#"
[kafka]
broker = "a:9092"
session_timeout_ms = "10s"
[kafka.properties]
"sasl.password" = "hunter2"
isolation.level = "read_uncommitted"
[topics]
counts = "border_alerts.v1"
[limits]
max_behind_secs = 86400
[detection]
guard_band_ratio = nan
[log]
level = "inof"
"#;
    let problems = problems(&Sources {
        file: named("surgewatch.toml", file),
        env: pairs(&[("SURGEWATCH__HTTP__LISTEN", "everywhere"), ("PATH", "/bin")]),
        overrides: pairs(&[("kafka.commit_interval_ms", "0")]),
        ..Sources::default()
    });
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 10);
    insta::assert_snapshot!(lines.join("\n"), @r#"
        kafka.broker = "a:9092" (surgewatch.toml line 3): no such key; did you mean brokers?
        kafka.session_timeout_ms = "10s" (surgewatch.toml line 4): must be a whole number; write it as in kafka.session_timeout_ms = 10000
        kafka.commit_interval_ms = 0 (flag --set): must be from 1 to 10000; write a whole number in that range, the nearest is 1
        kafka.properties.isolation.level = read_uncommitted (surgewatch.toml line 7): must not be handed to librdkafka; owned by surgewatch, which reads committed records only; leave it out
        kafka.properties.sasl.password = (hidden) (surgewatch.toml line 6): must not be given in plain, it is a secret; write kafka.secrets."sasl.password" = "file:/path" or "env:NAME"
        topics.counts = border_alerts.v1 (surgewatch.toml line 9): must differ from topics.alerts = border.alerts.v1 (default) in more than dots and underscores; give every topic a name of its own
        limits.max_behind_secs = 86400 (surgewatch.toml line 11): must be more than time.lateness_horizon_secs = 172800 (default); raise limits.max_behind_secs above 172800, or lower time.lateness_horizon_secs
        detection.guard_band_ratio = NaN (surgewatch.toml line 13): must be at least 0 and below 0.5; write a number as 0.05
        http.listen = everywhere (environment SURGEWATCH__HTTP__LISTEN): must be an IP address and a port; write as in 127.0.0.1:9464 or [::]:9464
        log.level = inof (surgewatch.toml line 15): must be one of error, warn, info, debug, trace; did you mean info?
        "#);
}

#[test]
fn later_sources_win_and_each_keeps_its_place() {
    let mut sources = Sources {
        file: named(
            "f.toml",
            "[kafka]\ngroup = \"file\"\n[limits]\nbad_records_ratio = 1\n[log]\nformat = \"text\"\n",
        ),
        ..fixture()
    };
    assert_eq!(settings(&sources).kafka.group, "file");
    assert_eq!(
        settings(&sources).limits.bad_records_ratio.get().to_bits(),
        1f64.to_bits()
    );
    assert_eq!(settings(&sources).log.format, LogFormat::Text);
    sources.env = pairs(&[
        ("SURGEWATCH__KAFKA__GROUP", "env"),
        ("SURGEWATCH__TIME__CLOSE_AFTER_SECS", "60"),
    ]);
    assert_eq!(settings(&sources).kafka.group, "env");
    assert_eq!(settings(&sources).time.close_after_secs, 60);
    sources.overrides = pairs(&[("kafka.group", "first"), ("kafka.group", "last")]);
    assert_eq!(settings(&sources).kafka.group, "last");
    assert_eq!(settings(&sources).kafka.transactional_id(), "last-0");

    sources.overrides = pairs(&[("kafka.group", "")]);
    assert!(
        problems(&sources)[0]
            .to_string()
            .starts_with("kafka.group = \"\" (flag --set): ")
    );
    sources.overrides.clear();
    sources.env = pairs(&[("SURGEWATCH__KAFKA__GROUP", "a b")]);
    assert!(
        problems(&sources)[0]
            .to_string()
            .starts_with("kafka.group = a b (environment SURGEWATCH__KAFKA__GROUP): ")
    );
}

#[test]
fn weights_come_from_every_source_and_change_the_fingerprint() {
    let plain = settings(&Sources::default());
    let sources = Sources {
        file: named(
            "f.toml",
            "[detection.crossing_weights]\nfi-vartius = 2\nfi-salla = 1.5\n",
        ),
        env: pairs(&[("SURGEWATCH__DETECTION__CROSSING_WEIGHTS__FI_SALLA", "0.25")]),
        overrides: pairs(&[("detection.stream_weights.asylum", "3")]),
        ..Sources::default()
    };
    let weighted = settings(&sources);
    let of = |weights: &BTreeMap<String, f64>| format!("{weights:?}");
    assert_eq!(
        of(&weighted.weights.crossings),
        "{\"fi-salla\": 0.25, \"fi-vartius\": 2.0}"
    );
    assert_eq!(of(&weighted.weights.streams), "{\"asylum\": 3.0}");
    assert_ne!(plain.fingerprint(), weighted.fingerprint());
}

#[test]
fn weights_out_of_range_or_of_nothing_that_is_watched_are_told() {
    let text = "[detection.crossing_weights]\nfi-vartis = 2\nfi-salla = 0\nfi-niirala = 1e3\n[detection.stream_weights]\nasylum = \"nan\"\n";
    let problems = problems(&Sources {
        file: named("f.toml", text),
        ..Sources::default()
    });
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(told.join("\n"), @r"
        detection.crossing_weights.fi-niirala = 1000.0 (f.toml line 4): must be a number from 0.01 to 100; write 2 for twice the share of the others
        detection.crossing_weights.fi-salla = 0 (f.toml line 3): must be a number from 0.01 to 100; write 2 for twice the share of the others
        detection.crossing_weights.fi-vartis = 2 (f.toml line 2): must name what is watched; did you mean fi-vartius?
        detection.stream_weights.asylum = nan (f.toml line 6): must be a number from 0.01 to 100; write 2 for twice the share of the others
        ");
}

#[test]
fn properties_come_from_every_source_and_secrets_stay_references() {
    let sources = Sources {
        file: named(
            "f.toml",
            "[kafka.properties]\nsecurity.protocol = \"sasl_ssl\"\n\"linger.ms\" = 5\n",
        ),
        env: pairs(&[
            (
                "SURGEWATCH__KAFKA__PROPERTIES__SASL_MECHANISM",
                "SCRAM-SHA-512",
            ),
            (
                "SURGEWATCH__KAFKA__SECRETS__SASL_PASSWORD",
                "env:KAFKA_PASSWORD",
            ),
        ]),
        overrides: pairs(&[
            ("kafka.properties.ssl.ca.location", "probe"),
            ("kafka.secrets.ssl.key.pem", "file:/run/key"),
        ]),
        ..fixture()
    };
    let kafka = settings(&sources).kafka;
    let properties: Vec<(&str, &str)> = kafka
        .properties
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(
        properties,
        [
            ("linger.ms", "5"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("security.protocol", "sasl_ssl"),
            ("ssl.ca.location", "probe")
        ]
    );
    assert_eq!(
        kafka.secrets["sasl.password"],
        SecretRef::Env("KAFKA_PASSWORD".to_owned())
    );
    assert_eq!(
        kafka.secrets["ssl.key.pem"],
        SecretRef::File("/run/key".to_owned())
    );
}

#[test]
fn no_problem_prints_a_secret() {
    let files = [
        "[kafka.properties]\n\"sasl.password\" = \"hunter2\"\n",
        "[kafka.properties]\nssl.key.pem = [\"hunter2\"]\n",
        "[kafka.secrets]\n\"sasl.password\" = \"hunter2\"\n",
        "[kafka.secrets]\n\"sasl.username\" = \"hunter2\"\n",
        "[kafka]\nsecrets = \"hunter2\"\n",
        "[kafka]\nsasl_password = \"hunter2\"\n",
        "sasl_password = \"hunter2\"\n",
        "[kafka]\nsasl_password = \"hunter2\" x\n",
        "[kafka.secret]\n\"sasl.password\" = \"hunter2\"\n",
    ];
    for file in files {
        let problems = problems(&Sources {
            file: named("f.toml", file),
            ..fixture()
        });
        assert_eq!(problems.len(), 1, "{file}: {problems:?}");
        assert!(
            !format!("{problems:?}").contains("hunter2"),
            "{file}: {problems:?}"
        );
    }
    let env = pairs(&[
        ("SURGEWATCH__KAFKA__SASL_PASSWORD", "hunter2"),
        ("SURGEWATCH__KAFKA__SECRETS__X_Y", "hunter2"),
    ]);
    let problems = problems(&Sources { env, ..fixture() });
    assert_eq!(problems.len(), 2);
    assert!(!format!("{problems:?}").contains("hunter2"), "{problems:?}");
}

#[test]
fn every_protected_property_is_refused_with_its_owner() {
    let table: [(&str, &str); 13] = [
        ("isolation.level", "owned by surgewatch"),
        ("enable.auto.commit", "owned by surgewatch"),
        ("enable.auto.offset.store", "owned by surgewatch"),
        ("transactional.id", "kafka.instance"),
        ("enable.idempotence", "owned by surgewatch"),
        ("group.id", "kafka.group"),
        ("bootstrap.servers", "kafka.brokers"),
        ("group.instance.id", "kafka.instance"),
        ("group.protocol", "owned by surgewatch"),
        ("partition.assignment.strategy", "owned by surgewatch"),
        ("auto.offset.reset", "owned by surgewatch"),
        ("session.timeout.ms", "kafka.session_timeout_ms"),
        ("transaction.timeout.ms", "kafka.transaction_timeout_ms"),
    ];
    for (property, owner) in table {
        for section in ["properties", "secrets"] {
            let overrides = pairs(&[(&format!("kafka.{section}.{property}"), "env:X")]);
            let problems = problems(&Sources {
                overrides,
                ..fixture()
            });
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].remedy.contains(owner), "{}", problems[0]);
        }
    }
}

#[test]
fn unknown_keys_suggest_the_nearest() {
    let cases = [
        ("SURGEWATCH__KAFKA__BROKER", "did you mean brokers?"),
        (
            "SURGEWATCH__TIME__MAX_COUNT",
            "did you mean limits.max_count?",
        ),
        ("SURGEWATCH__TOPIC__ALERTS", "did you mean topics?"),
        ("SURGEWATCH__LOG__COLOUR", "write one of format, level"),
    ];
    for (variable, remedy) in cases {
        let problems = problems(&Sources {
            env: pairs(&[(variable, "1")]),
            ..fixture()
        });
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].rule, "no such key", "{variable}");
        assert_eq!(problems[0].remedy, remedy, "{variable}");
    }
}

#[test]
fn rules_between_keys_hold_at_the_boundary_and_against_defaults() {
    let cases: [(&str, &str, Option<&str>); 10] = [
        (
            "kafka.transaction_timeout_ms",
            "10000",
            Some("kafka.session_timeout_ms = 10000 (default)"),
        ),
        ("kafka.transaction_timeout_ms", "9999", None),
        (
            "kafka.session_timeout_ms",
            "8000",
            Some("kafka.transaction_timeout_ms = 8000 (default)"),
        ),
        ("kafka.session_timeout_ms", "8001", None),
        (
            "kafka.commit_interval_ms",
            "4000",
            Some("1/2 of kafka.transaction_timeout_ms = 8000 (default)"),
        ),
        ("kafka.commit_interval_ms", "3999", None),
        (
            "time.close_after_secs",
            "172800",
            Some("time.lateness_horizon_secs = 172800 (default)"),
        ),
        (
            "limits.max_behind_secs",
            "172800",
            Some("time.lateness_horizon_secs = 172800 (default)"),
        ),
        ("limits.max_behind_secs", "172801", None),
        (
            "topics.alerts",
            "border.counts.v1",
            Some("topics.counts = border.counts.v1 (default)"),
        ),
    ];
    for (key, value, part) in cases {
        let result = load(&Sources {
            overrides: pairs(&[(key, value)]),
            ..fixture()
        });
        match (result, part) {
            (Ok(_), None) => {}
            (Err(problems), Some(part)) => {
                assert_eq!(problems.len(), 1, "{problems:?}");
                assert!(problems[0].rule.contains(part), "{}", problems[0]);
            }
            (result, part) => panic!("{key} = {value}: {result:?}, expected {part:?}"),
        }
    }
}

#[test]
fn nan_infinity_and_the_ends_of_ranges() {
    let keys = [
        "detection.false_alerts_per_year",
        "detection.drop_share_ratio",
        "detection.hour_share_ratio",
        "detection.group_share_ratio",
        "detection.guard_band_ratio",
        "detection.drop_guard_band_ratio",
        "limits.bad_records_ratio",
    ];
    for key in keys {
        for value in ["NaN", "-NaN", "inf", "-inf", "-0.1", "1e300"] {
            let problems = problems(&Sources {
                overrides: pairs(&[(key, value)]),
                ..fixture()
            });
            assert_eq!(
                (problems.len(), problems[0].key.as_str()),
                (1, key),
                "{problems:?}"
            );
        }
    }
    for (key, value) in [
        ("topics.partitions", "0"),
        ("limits.max_count", "9223372036854775807"),
        ("time.close_after_secs", "-1"),
        ("detection.calibrated_day_surge_nats", "8.1"),
        ("detection.calibrated_hour_drop_nats", "NaN"),
    ] {
        let problems = problems(&Sources {
            overrides: pairs(&[(key, value)]),
            ..fixture()
        });
        assert_eq!(
            (problems.len(), problems[0].value.as_str()),
            (1, value),
            "{problems:?}"
        );
    }
    assert_eq!(
        settings(&Sources {
            overrides: pairs(&[("time.idle_close_secs", "0")]),
            ..fixture()
        })
        .time
        .idle_close_secs,
        None
    );
}

#[test]
fn shipped_files_load_and_the_full_one_is_the_defaults() {
    let full = include_str!("../../config/surgewatch.toml");
    let parsed: toml::Table = toml::from_str(full).expect("TOML");
    assert_eq!(parsed, toml::Table::try_from(Raw::default()).expect("TOML"));
    let lines: Vec<&str> = full.lines().collect();
    for pair in lines
        .windows(2)
        .filter(|pair| pair[1].contains(" = ") && !pair[1].starts_with('#'))
    {
        assert!(pair[0].starts_with("# "), "no comment above {}", pair[1]);
    }
    let defaults = settings(&Sources::default());
    let loaded = settings(&Sources {
        file: named("surgewatch.toml", full),
        ..Sources::default()
    });
    assert_eq!(loaded.fingerprint(), defaults.fingerprint());
    assert!(loaded.network().crossings.len() > 10);
    let minimal = include_str!("../../config/minimal.toml");
    let minimal = settings(&Sources {
        file: named("minimal.toml", minimal),
        ..Sources::default()
    });
    assert_eq!(minimal.topics.replication_factor, 3);
    assert_eq!(minimal.fingerprint(), defaults.fingerprint());
}

#[test]
fn the_fingerprint_follows_decisions_only() {
    let of = |key: &str, value: &str| {
        settings(&Sources {
            overrides: pairs(&[(key, value)]),
            ..fixture()
        })
        .fingerprint()
    };
    let base = settings(&fixture()).fingerprint();
    assert_eq!(base.to_string(), "e82660b3b30da52b");
    for (key, value) in [
        ("kafka.group", "x"),
        ("limits.bad_records_run", "7"),
        ("topics.prefix", "x."),
        ("log.level", "warn"),
    ] {
        assert_eq!(of(key, value), base, "{key}");
    }
    for (key, value) in [
        ("time.close_after_secs", "60"),
        ("time.idle_close_secs", "0"),
        ("time.blind_after_secs", "60"),
        ("detection.guard_band_ratio", "0.06"),
        ("detection.drop_guard_band_ratio", "0.16"),
        ("detection.calibrated_hour_drop_nats", "0.5"),
        ("limits.max_count", "7"),
        ("network.corridors", "fi-ru"),
    ] {
        assert_ne!(of(key, value), base, "{key}");
    }
    let with = |from: &str, to: &str| {
        settings(&Sources {
            crossings: named("c.toml", &CROSSINGS.replace(from, to)),
            ..Sources::default()
        })
        .fingerprint()
    };
    assert_eq!(with("\"Storskog\"", "\"Storskog/Borisoglebsk\""), base);
    assert_ne!(with("08:00-16:00", "08:00-16:30"), base);
    assert_ne!(with("Europe/Oslo", "Europe/Riga"), base);
}

proptest! {
    #[test]
    fn damaged_files_never_panic(start in 0usize..5000, length in 0usize..40, with in "[\\[\\]\\{\\}=\"a0.#\n-]{0,6}", env: String, value: String) {
        let damaged = |text: &str| {
            let from = start % text.len();
            let to = (from + length).min(text.len());
            format!("{}{with}{}", &text[..from], &text[to..])
        };
        let _ = load(&Sources {
            file: named("f.toml", &damaged(include_str!("../../config/surgewatch.toml"))),
            episodes: named("e.toml", &damaged(include_str!("../../config/episodes/probe-2023.toml"))).map(|file| vec![file]),
            crossings: named("c.toml", &damaged(CROSSINGS)),
            env: vec![(format!("SURGEWATCH__{env}"), value.clone())],
            overrides: vec![(format!("kafka.properties.{env}"), value.clone()), (env, value)],
            refusal: None,
        });
    }
}

pub(super) fn settings(sources: &Sources) -> Settings {
    load(sources).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

pub(super) fn problems(sources: &Sources) -> Vec<Problem> {
    load(sources).expect_err("a configuration with mistakes")
}

pub(super) fn named(name: &str, text: &str) -> Option<(String, String)> {
    Some((name.to_owned(), text.to_owned()))
}

pub(super) fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}
