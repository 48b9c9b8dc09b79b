//! Owns the contract as a real Prometheus sees it: it scrapes the demo while Finland 2023 is replayed, and every query of every
//! dashboard and rule must find something. Ignored by `cargo test`; `.ci/run` installs the tools and runs it.

use crate::alertmanager::Alertmanager;
use crate::{boards, files, path, query, rules, text};
use serde_json::Value;
use serde_yaml_ng::Value as Yaml;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A program that ends with its owner.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Days of the replay in a second: fast enough for CI, slow enough for some scrapes a day of it.
const SPEED: &str = "8";

/// Queries that may find nothing here, and why.
const MAY_BE_EMPTY: [(&str, &str); 3] = [
    (
        "panel From event to alert, query A",
        "the replay's records are of 2023, and those older than an hour are not measured",
    ),
    ("panel From event to alert, query B", "the same"),
    (
        "annotation Restarts and rebalances",
        "the only rebalance comes before the first scrape",
    ),
];

pub(crate) fn get(port: u16, target: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(stream, "GET {target} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer
        .split_once("\r\n\r\n")
        .map_or(String::new(), |(_, body)| body.to_owned()))
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "%{byte:02X}");
        out
    })
}

fn now_secs() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("it is after 1970").as_secs_f64()
}

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .current_dir(path(""))
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; .ci/run installs it"))
}

/// A Prometheus that has scraped the demo from its beginning to its end.
struct Scraped {
    port: u16,
    from_secs: f64,
    to_secs: f64,
    /// `/metrics` near the end of the replay.
    page: String,
    /// What Alertmanager was told to be critical while it was: labels and receivers.
    critical: Vec<(BTreeMap<String, String>, Vec<String>)>,
    _prometheus: Running,
    _folder: tempfile::TempDir,
}

impl Scraped {
    fn replay() -> Self {
        let mut demo = Command::new(env!("CARGO_BIN_EXE_surgewatch"))
            .args(["demo", "--speed", SPEED, "--set", "http.listen=127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map(Running)
            .expect("the demo starts");
        let told = demo.0.stdout.take().expect("a pipe");
        let mut lines = BufReader::new(told).lines().map_while(Result::ok);
        let after = |line: &str| {
            let (_, rest) = line.split_once("http://127.0.0.1:")?;
            rest.split('/').next()?.parse().ok()
        };
        let target: u16 = lines
            .find_map(|line| after(&line))
            .expect("it says where it listens");
        let folder = tempfile::tempdir().expect("a folder");
        let from_secs = now_secs();
        let alertmanager = Alertmanager::start(folder.path());
        let (prometheus, port) = prometheus(folder.path(), target, alertmanager.port);
        let (mut page, mut critical, mut told) = (String::new(), false, Vec::new());
        for line in lines {
            // The page as it is while alerts are open; afterwards nobody answers.
            critical |= line.contains("critical");
            if critical && let Ok(shown) = get(target, "/metrics") {
                page = shown;
            }
            if critical && told.is_empty() {
                told = alertmanager.firing();
                told.retain(|(labels, _)| labels["alertname"] == "BorderAlertCritical");
            }
        }
        assert!(demo.0.wait().expect("it ends").success());
        assert!(page.contains("surgewatch_build_info"), "{page}");
        Self {
            port,
            from_secs,
            to_secs: now_secs(),
            page,
            critical: told,
            _prometheus: prometheus,
            _folder: folder,
        }
    }

    /// Whether a query had a number at any moment of the replay.
    fn finds(&self, asked: &str) -> bool {
        let answer = get(
            self.port,
            &format!(
                "/api/v1/query_range?query={}&start={}&end={}&step=0.5",
                encoded(&query::substituted(asked)),
                self.from_secs,
                self.to_secs
            ),
        );
        let answer: Value = serde_json::from_str(&answer.expect("an answer")).expect("JSON");
        assert_eq!(answer["status"], "success", "{asked}: {answer}");
        let series = answer["data"]["result"].as_array().expect("series").iter();
        let mut values = series.flat_map(|s| s["values"].as_array().expect("values"));
        values.any(|value| value[1] != "NaN")
    }
}

/// Prometheus with the settings of `deploy/`, only quicker, and with the demo for its target.
fn prometheus(folder: &Path, target: u16, alertmanager: u16) -> (Running, u16) {
    let mut config: Yaml =
        serde_yaml_ng::from_str(&text("deploy/prometheus/prometheus.yml")).expect("YAML");
    config["global"]["scrape_interval"] = "250ms".into();
    config["global"]["scrape_timeout"] = "250ms".into();
    config["global"]["evaluation_interval"] = "500ms".into();
    config["rule_files"][0] = path("deploy/prometheus/rules/*.yml")
        .display()
        .to_string()
        .into();
    config["scrape_configs"][0]["static_configs"][0]["targets"][0] =
        format!("127.0.0.1:{target}").into();
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"][0] =
        format!("127.0.0.1:{alertmanager}").into();
    config["scrape_configs"]
        .as_sequence_mut()
        .expect("a list")
        .truncate(1);
    let file = folder.join("prometheus.yml");
    std::fs::write(&file, serde_yaml_ng::to_string(&config).expect("YAML")).expect("a file");
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .expect("a port")
        .port();
    let log = std::fs::File::create(folder.join("log")).expect("a file");
    let started = Command::new("prometheus")
        .arg(format!("--config.file={}", file.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            folder.join("tsdb").display()
        ))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map(Running)
        .expect("prometheus starts; .ci/run installs it");
    ready(port);
    (started, port)
}

/// Waits until a program of Prometheus' answers.
pub(crate) fn ready(port: u16) {
    let begun = Instant::now();
    while get(port, "/-/ready").is_err() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "nothing answers at port {port}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Every query of every dashboard and every selection of series in them and in the rules, with where it stands.
fn everything_asked() -> Vec<(String, String)> {
    let mut all = Vec::new();
    let selections = |expr: &str| query::selectors(&query::parse(expr).expect("checked elsewhere"));
    for (_, board) in boards::all() {
        for asked in boards::asked(&board) {
            for selection in selections(&asked.expr) {
                all.push((format!("{}, {selection}", asked.place), selection));
            }
            all.push((asked.place, asked.expr));
        }
    }
    for (_, content) in rules::all() {
        for rule in rules::parsed(&content) {
            for selection in selections(&rule.expr) {
                all.push((format!("rule {}, {selection}", rule.alert), selection));
            }
        }
    }
    all
}

#[test]
#[ignore = "needs Prometheus: .ci/run"]
fn every_query_finds_data_in_a_prometheus_that_scraped_the_daemon() {
    let scraped = Scraped::replay();
    let mut faults = Vec::new();
    let all = everything_asked();
    assert!(all.len() > 150, "{} queries", all.len());
    for (place, asked) in &all {
        let may_be_empty = MAY_BE_EMPTY.iter().any(|(known, _)| known == place);
        if !may_be_empty && !scraped.finds(asked) {
            faults.push(format!("{place} finds nothing: {asked}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    for (what, broken) in [
        ("a metric that is gone", "sum(surgewatch_day_arrivals_gone)"),
        (
            "a label that is gone",
            "max by (corridor) (surgewatch_day_arrivals{stretch=\"fi-ru\"})",
        ),
        (
            "a crossing that is not there",
            "surgewatch_crossing_open{crossing=\"fi-parikkala\"}",
        ),
        ("numbers that are none", "0 * surgewatch_day_arrivals / 0"),
    ] {
        assert!(!scraped.finds(broken), "{what}");
    }
    assert_promlint(&scraped.page);
    assert_told(&scraped.critical);
}

/// The rule that fired came to Alertmanager with the labels of the series, and is routed to the duty officers alone.
fn assert_told(critical: &[(BTreeMap<String, String>, Vec<String>)]) {
    let (labels, receivers) = critical
        .first()
        .expect("a critical surge reaches Alertmanager");
    assert_eq!(receivers, &["border"]);
    let of = |label: &str| labels.get(label).map(String::as_str);
    assert!(
        of("crossing").is_some_and(|id| id.starts_with("fi-")),
        "{labels:?}"
    );
    let known = ["corridor", "stream", "direction", "severity", "audience"].map(of);
    assert_eq!(
        known,
        ["fi-ru", "asylum", "surge", "page", "border"].map(Some)
    );
}

fn promlint(page: &str) -> (bool, String) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts; .ci/run installs it");
    let mut input = promtool.stdin.take().expect("a pipe");
    input.write_all(page.as_bytes()).expect("promtool reads");
    drop(input);
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.success() && said.is_empty(), said)
}

fn assert_promlint(page: &str) {
    let (clean, said) = promlint(page);
    assert!(clean, "{said}");
    for (broken, fault) in [
        (
            "# HELP surgewatch_x Text.\n# TYPE surgewatch_x counter\nsurgewatch_x 1\n",
            "_total",
        ),
        (
            "# TYPE surgewatch_y gauge\nsurgewatch_y 1\n",
            "no help text",
        ),
        (
            "# HELP surgewatch_z_minutes Text.\n# TYPE surgewatch_z_minutes gauge\nsurgewatch_z_minutes 1\n",
            "base unit",
        ),
    ] {
        let (clean, said) = promlint(&format!("{page}{broken}"));
        assert!(!clean && said.contains(fault), "{fault}: {said}");
    }
}

#[test]
#[ignore = "needs Prometheus and Alertmanager: .ci/run"]
fn rules_and_settings_are_taken_and_a_rule_that_never_fires_fails_its_unit_test() {
    for (program, arguments) in [
        (
            "promtool",
            &[
                "check",
                "config",
                "deploy/prometheus/prometheus.yml",
                "deploy/prometheus/local.yml",
            ][..],
        ),
        (
            "amtool",
            &["check-config", "deploy/alertmanager/alertmanager.yml"],
        ),
    ] {
        let output = run(program, arguments);
        assert!(output.status.success(), "{output:?}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    for inside in ["rules", "tests"] {
        std::fs::create_dir(folder.path().join(inside)).expect("a folder");
        for (name, content) in files(&format!("deploy/prometheus/{inside}"), "yml") {
            std::fs::write(folder.path().join(inside).join(name), content).expect("a file");
        }
    }
    // Those that load a file of rules.
    let unit_tests = |rules: &str| {
        let mut arguments = vec!["test".to_owned(), "rules".to_owned()];
        for (name, content) in files("deploy/prometheus/tests", "yml") {
            if content.contains(&format!("- ../rules/{rules}\n")) {
                let file = folder.path().join("tests").join(name);
                arguments.push(file.display().to_string());
            }
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        run("promtool", &arguments)
    };
    for (name, content) in rules::all() {
        let output = unit_tests(&name);
        assert!(output.status.success(), "{output:?}");
        for rule in rules::parsed(&content) {
            for never in ["vector(0) > 1", "vector(1)"] {
                let broken = content.replacen(
                    &format!("expr: {}\n", rule.expr),
                    &format!("expr: {never}\n"),
                    1,
                );
                assert_ne!(broken, content, "{}", rule.alert);
                std::fs::write(folder.path().join("rules").join(&name), broken).expect("a file");
                let output = unit_tests(&name);
                assert!(
                    !output.status.success(),
                    "{} as {never}: {output:?}",
                    rule.alert
                );
            }
        }
        std::fs::write(folder.path().join("rules").join(&name), &content).expect("a file");
    }
}
