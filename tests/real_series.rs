//! Holds the daily lens to the rate it promises on real daily counts, outside the times that are known to have been no ordinary ones:
//! to no more alarms than the promised rate brings by chance once in twenty such files.
//!
//! The counts are not part of this repository. With the two files in a folder DIR (the Hong Kong Immigration Department's daily
//! passenger traffic, the Home Office's daily arrivals by small boat):
//! `SURGEWATCH_DATA=DIR cargo test --test real_series -- --ignored --nocapture`.

use jiff::civil::{Date, date};
use jiff::{Span, ToSpan};
use statrs::distribution::{DiscreteCDF, Poisson};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// False alerts a year that the series are run with.
const PROMISED: f64 = 0.5;
/// Alarms at most this many days apart are one.
const APART: u32 = 14;

/// A day on which an alarm began.
#[derive(Debug, Clone)]
struct Alarm {
    day: Date,
    is_rise: bool,
    series: String,
}

/// What a file of counts gave.
struct Run {
    alarms: Vec<Alarm>,
    /// Days that were judged, by series.
    judged: BTreeMap<String, Vec<Date>>,
}

/// Runs `surgewatch backtest` by day on a file of the folder that the environment names; `first` is the day of its first bucket.
fn backtest(name: &str, file: &str, first: Date, arguments: &[&str]) -> Run {
    let folder = std::env::var("SURGEWATCH_DATA").expect(
        "SURGEWATCH_DATA names the folder with the daily counts: SURGEWATCH_DATA=DIR cargo test --test real_series -- --ignored --nocapture",
    );
    let out = |what: &str| {
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("real-{name}-{what}.csv"))
    };
    let (rises, drops) = (out("rises"), out("drops"));
    let done = Command::new(env!("CARGO_BIN_EXE_surgewatch"))
        .arg("backtest")
        .arg(Path::new(&folder).join(file))
        .args(["--lens", "day", "--budget", &PROMISED.to_string()])
        .arg("--results")
        .arg(&rises)
        .arg("--drops")
        .arg(&drops)
        .args(arguments)
        .output()
        .expect("the binary runs");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let mut run = Run {
        alarms: Vec::new(),
        judged: BTreeMap::new(),
    };
    for (path, is_rise) in [(rises, true), (drops, false)] {
        let mut last: BTreeMap<String, u32> = BTreeMap::new();
        let mut reader = csv::Reader::from_path(path).expect("it was just written");
        for row in reader.deserialize::<(String, u32, u8, Option<f64>)>() {
            let (series, t, alarms, score) = row.expect("series_id, t, alarm and score");
            let day = first + Span::new().days(i64::from(t) - 1);
            if is_rise && score.is_some() {
                run.judged.entry(series.clone()).or_default().push(day);
            }
            if alarms == 1 {
                let before = last.insert(series.clone(), t);
                if before.is_none_or(|before| t - before > APART) {
                    run.alarms.push(Alarm {
                        day,
                        is_rise,
                        series,
                    });
                }
            }
        }
    }
    run.alarms.sort_by_key(|alarm| alarm.day);
    run
}

/// Prints the alarms and how often they came on ordinary days, and holds that to the promise; `why` says what a day of a series was
/// otherwise.
fn hold(run: &Run, why: impl Fn(&str, Date) -> Option<&'static str>) {
    let mut by_reason: BTreeMap<&str, u32> = BTreeMap::new();
    let mut ordinary = 0;
    for alarm in &run.alarms {
        let reason = why(&alarm.series, alarm.day);
        *by_reason
            .entry(reason.unwrap_or("ordinary days"))
            .or_default() += 1;
        ordinary += u32::from(reason.is_none());
        eprintln!(
            "{} {} {}: {}",
            alarm.day,
            if alarm.is_rise { "rise" } else { "drop" },
            alarm.series,
            reason.unwrap_or("-")
        );
    }
    let days: usize = run
        .judged
        .iter()
        .map(|(series, days)| {
            days.iter()
                .filter(|day| why(series, **day).is_none())
                .count()
        })
        .sum();
    let years = days as f64 / 365.25;
    let rate = f64::from(ordinary) / years;
    eprintln!("{by_reason:?}; {ordinary} on {years:.1} ordinary series-years: {rate:.3}");
    assert!(!run.alarms.is_empty() && years > 1.0);
    let promised = Poisson::new(PROMISED * years).expect("a mean above 0");
    let by_chance = ordinary
        .checked_sub(1)
        .map_or(1.0, |fewer| promised.sf(fewer.into()));
    assert!(
        by_chance > 0.05,
        "{ordinary} alarms where {:.1} were accepted",
        PROMISED * years
    );
}

/// The control points were shut or under rules until the last of them opened on 6 February 2023, and filled again until the end of March.
const RULES_UNTIL: Date = date(2023, 3, 31);

/// Control points at which nobody counted came in all those years.
const SHUT: [&str; 2] = ["Hung Hom / ", "Sha Tau Kok / "];

/// First and last day of storms and rain for which the Observatory had signal 8 or more, or black rain, out, and of Wutip's signal 3, for
/// which a third fewer came by ferry (https://www.hko.gov.hk/en/wxinfo/climat/warndb/warndb1.shtml).
const STORMS: [(Date, Date); 11] = [
    (date(2023, 7, 16), date(2023, 7, 18)),
    (date(2023, 8, 31), date(2023, 9, 3)),
    (date(2023, 9, 7), date(2023, 9, 9)),
    (date(2023, 10, 8), date(2023, 10, 9)),
    (date(2024, 9, 5), date(2024, 9, 7)),
    (date(2024, 11, 13), date(2024, 11, 14)),
    (date(2025, 6, 12), date(2025, 6, 14)),
    (date(2025, 7, 19), date(2025, 7, 21)),
    (date(2025, 8, 4), date(2025, 8, 5)),
    (date(2025, 9, 6), date(2025, 9, 8)),
    (date(2025, 9, 22), date(2025, 9, 25)),
];

fn is_storm(day: Date) -> bool {
    let holds = |(first, last): &(Date, Date)| (*first..=*last + 1.day()).contains(&day);
    STORMS.iter().any(holds)
}

#[test]
#[ignore = "needs daily counts that are not part of this repository"]
fn ordinary_days_at_the_control_points_of_hong_kong_alarm_as_seldom_as_accepted() {
    let calendar = concat!(
        "network.crossings_file=",
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/hong_kong_holidays.toml"
    );
    let arguments = [
        "--series-column",
        "Control Point",
        "--series-column",
        "Arrival / Departure",
        "--time-column",
        "Date",
        "--count-column",
        "Total",
        "--holidays",
        "hk-cn",
        "--set",
        calendar,
    ];
    let file = "hk_control_points_daily_2021-2026.csv";
    let run = backtest("hong-kong", file, date(2021, 1, 1), &arguments);
    hold(&run, |series, day| match day {
        day if day <= RULES_UNTIL => Some("rules"),
        day if is_storm(day) => Some("storm"),
        _ if SHUT.iter().any(|shut| series.starts_with(shut)) => Some("shut"),
        _ => None,
    });
}

#[test]
#[ignore = "needs daily counts that are not part of this repository"]
fn arrivals_by_small_boat_alarm_as_seldom_as_accepted() {
    let arguments = [
        "--time-column",
        "full_date",
        "--count-column",
        "migrants_arrived",
        "--empty-is-zero",
    ];
    let file = "uk_small_boats_daily_2018-2026.csv";
    let run = backtest("small-boats", file, date(2018, 1, 1), &arguments);
    hold(&run, |_, _| None);
}
