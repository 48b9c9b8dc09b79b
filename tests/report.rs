//! Owns the report seen from outside: every series has its plot, every alert its sentence, and the page needs nothing but itself.

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};
use support::Feed;
use surgewatch::core::alert::Transition;
use surgewatch::core::engine::Engine;
use surgewatch::core::lens::Lens;
use surgewatch::core::output::Output as Said;
use surgewatch::core::time::EventTime;
use surgewatch::replay;
use surgewatch::report::{self, Report, ShadeKind};
use surgewatch::wire::decode::Limits;
use surgewatch::wire::sentence::{self, Subject};

const FINLAND: &str = "config/replays/finland-2023.toml";
const DAILY: &str = "tests/data/simulated_daily.csv";
const NUMBERED: &str = "tests/data/simulated_numbered.csv";
const LIMITS: Limits = Limits {
    max_event_bytes: 65_536,
    max_count: 100_000,
    max_ahead_ms: 3_600_000,
    max_behind_ms: 2_592_000_000,
};

fn finland() -> Report {
    let feed = Feed::finland(1);
    let (_, text) = replay::bundled()[0];
    let scenario = replay::load(text).expect("it is checked");
    report::episode(&scenario, feed.engine(), &LIMITS, None).expect("the replay fits the defaults")
}

/// All that the machine says of Finland, closed as far as the report closes it.
fn said() -> (Feed, Vec<Said>) {
    let feed = Feed::finland(1);
    let mut engine: Engine = feed.engine();
    let (partition, _) = feed.records[0];
    engine.assign(partition, []).expect("a fresh partition");
    let mut said = Vec::new();
    let mut last = EventTime::MIN;
    for (partition, input) in &feed.records {
        let event = input.event.as_ref().expect("replays decode");
        last = last.max(event.time);
        let take = &mut |output| said.push(output);
        engine
            .handle(*partition, input, take)
            .expect("inside the budget");
    }
    let settled = last.plus_ms(feed.params.settle_after_ms() + 3_600_000);
    engine.pass_time(partition, settled, &mut |o| said.push(o));
    (feed, said)
}

/// The binary's answer from the root of the sources.
fn replay(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_surgewatch"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .arg("replay")
        .args(args)
        .output()
        .expect("the binary starts")
}

/// What was printed, and the page.
fn run(folder: &Path, args: &[&str]) -> (String, String) {
    let path = folder.join("out.html");
    let output = replay(&[args, &["--report", &path.to_string_lossy()]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {errors}");
    let page = std::fs::read_to_string(&path).expect("it was written");
    (String::from_utf8(output.stdout).expect("text"), page)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a free folder")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Whether tags are closed in the order they were opened.
fn assert_well_formed(page: &str) {
    let body = page.split("<body>").nth(1).expect("a body");
    let mut open: Vec<&str> = vec!["html", "body"];
    for tag in body.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("every tag ends");
        let name = tag.split([' ', '\n']).next().unwrap_or_default();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "<{tag}> in {open:?}"),
            None if tag.ends_with('/') || name == "wbr" => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?} stay open");
}

/// Nothing may be fetched, run or looked up.
fn assert_self_contained(page: &str) {
    for outside in [
        "http:",
        "https:",
        "src=",
        "<script",
        "<link",
        "@import",
        "url(\"",
        "<iframe",
        "javascript:",
    ] {
        assert!(!page.contains(outside), "the page has {outside}");
    }
    let fetched = page
        .match_indices("url(")
        .filter(|(at, _)| !page[*at..].starts_with("url(#"));
    assert_eq!(fetched.count(), 0, "only patterns of the page itself fill");
    for (at, _) in page.match_indices("href=\"") {
        assert!(
            page[at..].starts_with("href=\"#"),
            "a link leads out of the page"
        );
    }
}

#[test]
fn every_crossing_of_a_scenario_has_its_plot_and_every_alert_of_the_machine_its_sentence() {
    let (feed, said) = said();
    let page = report::page(&finland());
    assert_well_formed(&page);
    assert_self_contained(&page);
    assert_eq!(page.matches("<svg class=\"plot\"").count(), 8);
    assert_eq!(page.matches("<svg class=\"small\"").count(), 8);
    for name in [
        "Vaalimaa",
        "Nuijamaa",
        "Imatra",
        "Niirala",
        "Vartius",
        "Kuusamo",
        "Salla",
        "Raja-Jooseppi",
    ] {
        assert!(page.contains(&format!("<h2>{name}<small>")), "{name}");
    }
    let mut opened = 0;
    for output in &said {
        let Said::Alert {
            crossing,
            stream,
            alert,
            transition: Transition::Opened,
            reading,
            run,
            closed,
            as_of,
            ..
        } = output
        else {
            continue;
        };
        let subject = Subject {
            network: &feed.network,
            crossing: *crossing,
            stream: *stream,
        };
        let (change, numbers) = (Transition::Opened, (reading, run.as_ref()));
        let told = sentence::summary(&subject, alert, change, numbers, *closed, *as_of, "");
        assert!(page.contains(&escaped(&told)), "{told}");
        opened += 1;
    }
    assert!(opened >= 7, "{opened} alerts");
    assert_eq!(plots(&page).matches("<g class=\"mark\">").count(), opened);
}

/// The plots of the series, without the cards of alerts, which draw theirs once more.
fn plots(page: &str) -> String {
    let drawn = page.split("<svg class=\"plot\"").skip(1);
    let ends = drawn.map(|plot| plot.split_once("</svg>").expect("a plot ends").0);
    ends.collect()
}

#[test]
fn crossings_stand_in_their_order_along_the_border() {
    let names: Vec<String> = finland().series.into_iter().map(|s| s.name).collect();
    let order = [
        "Vaalimaa",
        "Nuijamaa",
        "Imatra",
        "Niirala",
        "Vartius",
        "Kuusamo",
        "Salla",
        "Raja-Jooseppi",
    ];
    assert_eq!(names, order);
}

#[test]
fn days_of_a_scenario_are_those_of_the_count_records() {
    let (feed, said) = said();
    let report = finland();
    let mut compared = 0;
    for output in &said {
        let Said::Count {
            crossing,
            stream,
            reading,
            ..
        } = output
        else {
            continue;
        };
        if feed.network.stream(*stream) != "asylum" {
            continue; // The scenario counts nothing else, and the page draws nothing else.
        }
        let place = feed.network.crossing(*crossing);
        let start = reading
            .start
            .timestamp()
            .to_zoned(place.tz.clone())
            .datetime();
        if start.date() > jiff::civil::date(2023, 12, 17) {
            continue; // The scenario is over.
        }
        let series = report
            .series
            .iter()
            .find(|s| s.name == place.name)
            .expect("a series");
        let bucket = series.buckets.iter().find(|b| b.start == start);
        let Some(bucket) = bucket.filter(|_| reading.lens == Lens::Day) else {
            continue;
        };
        assert_eq!(
            bucket.count,
            Some(reading.counted()),
            "{} {start}",
            place.name
        );
        // Where a band is drawn its ends are those that records and sentences tell.
        assert_eq!(
            bucket.band.is_some(),
            reading.exposure > 0.0,
            "{} {start}",
            place.name
        );
        let ends = bucket.band.map(|band| (band.lower, band.upper));
        assert_eq!(
            ends.unwrap_or_default(),
            (reading.lower, reading.upper),
            "{} {start}",
            place.name
        );
        compared += 1;
    }
    assert_eq!(compared, 8 * 139, "each day of each crossing");
    assert!(report.series.iter().all(|s| s.buckets.len() == 139));
}

#[test]
fn bands_are_in_order_and_the_median_is_inside() {
    let mut seen = 0;
    for series in &finland().series {
        for band in series.buckets.iter().filter_map(|b| b.band) {
            let inner = band.inner.expect("a scenario knows what lies between");
            let ordered = [
                band.lower,
                inner.lower,
                inner.median,
                inner.upper,
                band.upper,
            ];
            assert!(ordered.is_sorted(), "{}: {band:?}", series.name);
            seen += 1;
        }
    }
    assert!(seen > 500, "{seen}");
}

#[test]
fn every_alert_has_a_card_that_says_when_its_evidence_crossed_the_limit() {
    let report = finland();
    let page = report::page(&report);
    let cards: Vec<&str> = page.split("<summary>Evidence</summary>").skip(1).collect();
    let alerts: usize = report.series.iter().map(|s| s.alerts.len()).sum();
    assert!(
        alerts > 5 && cards.len() == alerts,
        "{alerts} {}",
        cards.len()
    );
    for card in cards {
        let card = card.split("</details>").next().expect("a part");
        let (_, numbers) = card.split_once("</svg>").expect("a drawing, then numbers");
        assert!(card.contains("class=\"crossed\""), "{numbers}");
        for said in [
            "<dt>Counted</dt>",
            "its evidence crossed the limit",
            "; before that it was at ",
        ] {
            assert!(numbers.contains(said), "{said}: {numbers}");
        }
    }
}

#[test]
fn alerts_open_where_the_evidence_reaches_the_limit() {
    for series in &finland().series {
        for alert in &series.alerts {
            let bucket = series
                .buckets
                .iter()
                .find(|b| b.start <= alert.opened && alert.opened < b.end);
            let evidence = bucket
                .and_then(|b| b.evidence)
                .expect("an alert is raised on a day with evidence");
            assert!(
                evidence[alert.direction as usize] >= 0.0,
                "{} {}: {evidence:?}",
                series.name,
                alert.opened
            );
        }
    }
}

#[test]
fn what_was_published_and_what_was_drawn_is_told_apart() {
    let report = finland();
    let page = report::page(&report);
    assert!(page.contains("A scenario built from published totals, not data"));
    assert!(page.contains("30 totals were published as they stand, 3 are differences"));
    assert!(page.contains("drawn at random with a fixed seed"));
    let published = |name: &str| -> Vec<String> {
        let series = report
            .series
            .iter()
            .find(|s| s.name == name)
            .expect("a series");
        let days = series.buckets.iter().filter(|b| b.is_published);
        days.map(|b| format!("{} {}", b.start.date(), b.count.unwrap_or(0)))
            .collect()
    };
    assert!(published("Vartius").contains(&"2023-11-16 18".to_owned()));
    assert!(published("Niirala").contains(&"2023-12-14 93".to_owned()));
    // 13 November was published for four crossings together.
    assert!(
        !published("Vaalimaa")
            .iter()
            .any(|day| day.starts_with("2023-11-13"))
    );
}

#[test]
fn closures_last_until_the_next_state_or_their_own_end() {
    let report = finland();
    let spans = |name: &str, kind: ShadeKind| -> Vec<(String, String, bool)> {
        let series = report
            .series
            .iter()
            .find(|s| s.name == name)
            .expect("a series");
        let shades = series.shades.iter().filter(|s| s.kind == kind);
        shades
            .map(|s| (s.from.to_string(), s.to.to_string(), s.lasts))
            .collect()
    };
    let vaalimaa = spans("Vaalimaa", ShadeKind::Closed);
    assert_eq!(vaalimaa[0].0, "2023-11-18T00:00:00");
    let last = vaalimaa.last().expect("it closed again");
    assert_eq!((last.1.as_str(), last.2), ("2023-12-18T00:00:00", true));
    let limits = [(
        "2023-11-09T00:00:00".to_owned(),
        "2023-11-18T00:00:00".to_owned(),
        false,
    )];
    assert_eq!(spans("Vaalimaa", ShadeKind::Restricted), limits);
}

#[test]
fn the_same_scenario_and_the_same_counts_give_the_same_bytes() {
    let folder = folder();
    for args in [&[FINLAND][..], &[DAILY, "--budget", "2"]] {
        let (said, page) = run(folder.path(), args);
        assert_eq!(run(folder.path(), args), (said, page), "{args:?}");
    }
}

#[test]
fn counts_are_drawn_with_their_labels_and_their_alerts_are_told() {
    let folder = folder();
    let (said, page) = run(folder.path(), &[NUMBERED]);
    assert_well_formed(&page);
    assert_self_contained(&page);
    assert_eq!(page.matches("<svg class=\"plot\"").count(), 4);
    assert!(page.contains("bucket 1 is drawn as Monday 1 January 2001"));
    assert!(page.contains("class=\"labelled\""));
    let is_sentence = |line: &&str| line.starts_with("    ") && !line.contains("Later: ");
    let alerts = said.lines().filter(is_sentence);
    let told: BTreeSet<String> = alerts.map(|line| escaped(line.trim())).collect();
    assert!(
        told.iter()
            .any(|line| line.starts_with("simulated-surge: ")),
        "{said}"
    );
    assert!(
        told.iter().any(|line| line.starts_with("simulated-drop: ")),
        "{said}"
    );
    for sentence in &told {
        assert!(page.contains(sentence), "{sentence}");
    }
    assert_eq!(
        plots(&page).matches("<g class=\"mark\">").count(),
        told.len()
    );
    assert!(
        said.ends_with(&format!("4 series, {} alerts\n", told.len())),
        "{said}"
    );
    let alone = replay(&[NUMBERED]);
    assert_eq!(
        String::from_utf8_lossy(&alone.stdout),
        said,
        "alerts are told without a page too"
    );
}

#[test]
fn a_page_of_many_series_is_bounded_and_says_what_it_leaves_out() {
    let folder = folder();
    let (said, page) = run(folder.path(), &[NUMBERED, "--most", "1"]);
    assert_eq!(page.matches("<svg class=\"plot\"").count(), 1);
    assert!(page.contains("3 more series are left out"), "{page}");
    assert!(page.contains("have alerts: give --most to draw more"));
    assert!(said.contains("4 series, "), "all are run: {said}");
    let (_, page) = run(folder.path(), &[NUMBERED, "--most", "2"]);
    let surge = page.find("<h2>simulated-surge<").expect("it has an alert");
    let drop = page.find("<h2>simulated-drop<").expect("it has an alert");
    assert!(surge < drop, "in the order of the file");
}

#[test]
fn names_cannot_break_out_of_the_page() {
    let folder = folder();
    let path = folder.path().join("a&b.csv");
    let mut text = String::from("series,date,count\n");
    for day in 1..=28 {
        text += &format!(
            "\"<script>alert('x')</script>\",2024-02-{day:02},{}\n",
            if day == 28 { 900 } else { 4 }
        );
    }
    text += "\"<script>alert('x')</script>\",2024-03-03,4\n";
    std::fs::write(&path, text).expect("a free folder");
    let (_, page) = run(folder.path(), &[&path.to_string_lossy()]);
    assert_well_formed(&page);
    assert_self_contained(&page);
    assert!(page.contains("<h1>Counts of a&amp;b.csv</h1>"));
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"));
    assert!(
        page.contains("class=\"uncounted\""),
        "two days are missing before the last"
    );
}

#[test]
fn what_cannot_be_drawn_is_refused_with_its_reason() {
    let folder = folder();
    let at = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a free folder");
        path.to_string_lossy().into_owned()
    };
    let broken = at("broken.toml", "id = \"x\"\n");
    let counts = at("counts.csv", "series,date,count\na,2024-01-01,three\n");
    let nowhere = folder.path().join("no/out.html");
    let calls: [(i32, &[&str], &str); 7] = [
        (64, &[], "FILE"),
        (
            74,
            &["no/such.toml"],
            "cannot read the scenario no/such.toml",
        ),
        (74, &["no/such.csv"], "cannot read the counts no/such.csv"),
        (65, &[&broken], "the scenario cannot be read"),
        (65, &[&counts], "\"three\" is no whole number"),
        (
            64,
            &[FINLAND, "--lens", "day"],
            "--lens and --budget are for files of counts",
        ),
        (
            74,
            &[FINLAND, "--report", &nowhere.to_string_lossy()],
            "cannot write",
        ),
    ];
    for (code, args, part) in calls {
        let output = replay(args);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {errors}");
        assert!(errors.contains(part), "{args:?}: no `{part}` in {errors}");
    }
    let other = replay(&[FINLAND, "--set", "network.corridors=no-ru"]);
    assert_eq!(other.status.code(), Some(78), "{other:?}");
}

#[test]
fn what_was_known_at_a_moment_is_what_the_whole_replay_had_told_by_then() {
    let (whole, feed) = (finland(), Feed::finland(1));
    let (_, text) = replay::bundled()[0];
    let scenario = replay::load(text).expect("it is checked");
    let at: jiff::Timestamp = "2023-11-18T12:00:00+02:00".parse().expect("a moment");
    let as_of = Some(EventTime(at.as_millisecond()));
    let then = report::episode(&scenario, feed.engine(), &LIMITS, as_of);
    let then = then.expect("the replay fits the defaults");
    let noon = jiff::civil::datetime(2023, 11, 18, 12, 0, 0, 0);
    let told = |report: &Report| {
        let series = report.series.iter();
        let alerts = series.flat_map(|s| s.alerts.iter().map(|a| (s.name.clone(), a)));
        let known = alerts.filter(|(_, a)| a.opened <= noon);
        let known = known.map(|(name, a)| (name, a.opened, a.sentence.clone()));
        known.collect::<Vec<_>>()
    };
    let lines = |report: &Report| {
        let lines = report.incidents.iter().flat_map(|i| &i.lines);
        lines
            .filter(|(at, _)| *at <= noon)
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(told(&then), told(&whole));
    assert_eq!(lines(&then), lines(&whole));
    let later = then
        .series
        .iter()
        .flat_map(|s| &s.alerts)
        .filter(|a| a.opened > noon);
    assert_eq!(later.count(), 0);
    assert!(!told(&then).is_empty() && told(&then).len() < 7);
}

/// The report of a bundled replay.
fn bundled(name: &str) -> Report {
    drawn(name, 0)
}

/// The same of another draw: so many further than the committed seed.
fn drawn(name: &str, further: u64) -> Report {
    let mut replays = replay::bundled().iter();
    let known = replays.find(|(known, _)| *known == name);
    let (_, text) = known.expect("it is bundled");
    let mut scenario = replay::load(text).expect("it is checked");
    scenario.seed += further;
    let engine = Feed::finland(1).engine();
    let report = report::episode(&scenario, engine, &LIMITS, None);
    report.expect("the replay fits the defaults")
}

#[test]
fn what_goes_on_in_a_group_from_the_moment_its_last_crossing_ends_is_not_over() {
    let reports: Vec<Report> = (0..8).map(|n| drawn("belarus-2021", n)).collect();
    let mut ends = 0;
    for incident in reports.iter().flat_map(|report| &report.incidents) {
        for pair in incident.lines.windows(2) {
            let is_end = ["It is over", "It has not gone back"];
            let is_end = is_end.iter().any(|end| pair[0].1.starts_with(end));
            assert!(!is_end || pair[0].0 < pair[1].0, "{pair:?}");
            ends += usize::from(is_end);
        }
    }
    assert!(ends > 0, "of eight draws some begin again later");
}

/// When its first incident ended about nine a day came at Lithuania's border, hardly any before it; the blockade's crossings went back.
#[test]
fn an_end_says_what_the_last_days_had_and_whether_that_is_what_came_before() {
    let reports = ["belarus-2021", "blockade-2023"].map(bundled);
    let incidents = reports.iter().flat_map(|report| &report.incidents);
    let ends: Vec<&str> = incidents
        .flat_map(|incident| &incident.lines)
        .map(|(_, line)| line.as_str())
        .filter(|line| line.contains(" a day before it began."))
        .collect();
    let with = |end: &str, numbers: &str| {
        let found = |line: &&&str| line.starts_with(end) && line.contains(numbers);
        ends.iter().filter(found).count()
    };
    let left = "There were about 9 a day at the end, and hardly any a day before it began.";
    let not_back = with("It has not gone back to the level before", left);
    assert_eq!(not_back, 1, "{ends:?}");
    let back = "there were about 3,326 a day at the end, and about 3,393 a day before it began.";
    assert_eq!(with("It is over. It lasted", back), 1, "{ends:?}");
}
