//! Owns Finland 2023 on Apache Kafka: published, judged, read back by independent clients, scraped by a real Prometheus, which
//! also keeps the exemplars.

use crate::daemon::{self, Deployment};
use crate::process::Process;
use crate::recomputed;
use crate::rig;
use rdkafka::producer::Producer;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use surgewatch::replay;

const PATIENCE: Duration = Duration::from_secs(180);

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// The body of a page on loopback; empty while nobody answers.
fn page(port: u16, path: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return String::new();
    };
    let asked = write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    );
    let mut answer = String::new();
    if asked.is_err() || stream.read_to_string(&mut answer).is_err() {
        return String::new();
    }
    answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned())
        .unwrap_or_default()
}

/// The alert topic as kcat, a client that is not ours, reads it.
fn read_by_kcat(topic: &str) -> Vec<serde_json::Value> {
    let output = Command::new("kcat")
        .args(["-b", &rig::brokers(), "-t", topic, "-C", "-e", "-q"])
        .args(["-X", "isolation.level=read_committed", "-f", "%s\n"])
        .output()
        .expect("kcat is installed");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("alerts are UTF-8");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("one alert a line"))
        .collect()
}

fn assert_published_days(alerts: &[serde_json::Value]) {
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    for alert in alerts
        .iter()
        .filter(|a| a["transition"] == "opened" && a["alert_id"].is_string())
    {
        let (crossing, as_of) = (alert["crossing"].as_str(), alert["as_of"].as_str());
        let day = &as_of.expect("a time")[..10];
        let earliest = first.entry(crossing.expect("an id")).or_insert(day);
        *earliest = day.min(earliest);
    }
    let southeast = ["fi-vaalimaa", "fi-nuijamaa", "fi-imatra"];
    let southeast = southeast.iter().filter_map(|id| first.get(id)).min();
    assert_eq!(southeast, Some(&"2023-11-13"), "{first:?}");
    assert!(first["fi-vartius"] <= "2023-11-18", "{first:?}");
    assert_eq!(first["fi-salla"], "2023-11-20", "{first:?}");
    assert_eq!(first["fi-raja-jooseppi"], "2023-11-25", "{first:?}");
    assert!(first.values().all(|day| *day >= "2023-11-13"), "{first:?}");
}

fn assert_clean_to_promtool(text: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed");
    let input = promtool.stdin.take();
    input
        .expect("a pipe")
        .write_all(text.as_bytes())
        .expect("promtool reads");
    let output = promtool.wait_with_output().expect("promtool ends");
    assert!(
        output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(),
        "{output:?}"
    );
}

fn prometheus(folder: &Path, target: u16) -> (Process, u16) {
    let port = free_port();
    let config = folder.join("prometheus.yml");
    let text = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n  - job_name: surgewatch\n    static_configs:\n      - targets: [\"127.0.0.1:{target}\"]\n"
    );
    std::fs::write(&config, text).expect("a settings file");
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            folder.join("tsdb").display()
        ))
        .arg("--enable-feature=exemplar-storage")
        .arg(format!("--web.listen-address=127.0.0.1:{port}"));
    (
        Process::spawn(command, &daemon::log(folder, "prometheus")),
        port,
    )
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn finland_2023_is_read_by_kcat_and_prometheus_and_a_restart_repeats_nothing() {
    let folder = daemon::folder();
    let http = free_port();
    let deployment = Deployment::new("finland", folder.path(), 0)
        .set("http.listen", format!("127.0.0.1:{http}"));
    deployment.create_topics();
    let mut worker = deployment.start(0);
    let published = deployment.finish(&["publish", "--episode", "finland-2023"]);
    assert!(published.status.success(), "{published:?}");
    recomputed::both_caught_up(&deployment, &mut worker);
    let alerts = read_by_kcat(&deployment.topics.alerts);
    assert_published_days(&alerts);

    rig::wait_until("the gauges", PATIENCE, || {
        page(http, "/metrics").contains("surgewatch_day_arrivals_expected{")
    });
    rig::wait_until("no lag", PATIENCE, || {
        page(http, "/metrics")
            .contains("\nsurgewatch_consumer_lag_records{stage=\"crossings\"} 0\n")
    });
    assert_clean_to_promtool(&page(http, "/metrics"));
    assert!(page(http, "/readyz").starts_with("ok") && page(http, "/livez").starts_with("ok"));
    let (mut server, port) = prometheus(folder.path(), http);
    for query in [
        "surgewatch_arrivals_total",
        "surgewatch_day_arrivals_expected",
        "surgewatch_alerts_open",
    ] {
        rig::wait_until(query, PATIENCE, || {
            page(port, &format!("/api/v1/query?query={query}")).contains("\"value\":[")
        });
    }
    server.stop(Duration::from_secs(20));

    worker.stop(Duration::from_secs(20));
    let mut again = deployment.start(0);
    rig::wait_until("the restart", PATIENCE, || {
        page(http, "/readyz").starts_with("ok")
    });
    again.stop(Duration::from_secs(20));
    assert_eq!(
        read_by_kcat(&deployment.topics.alerts),
        alerts,
        "a restart writes nothing twice"
    );
}

/// Finland's events as if they were told now: latency is measured of fresh records only.
fn publish_as_fresh(deployment: &Deployment) {
    let (_, text) = replay::bundled()[0];
    let replay = replay::load(text).expect("it is checked").expand();
    let to = rig::producer();
    for event in &replay.events {
        let (key, value) = (event.crossing.as_bytes(), event.json.as_bytes());
        rig::send(&to, &deployment.topics.input, None, key, value);
    }
    to.flush(PATIENCE).expect("the broker acknowledges all");
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/run"]
fn prometheus_keeps_which_alert_is_behind_a_latency() {
    let folder = daemon::folder();
    let http = free_port();
    let deployment = Deployment::new("exemplars", folder.path(), 0)
        .set("limits.max_behind_secs", 3_153_600_000_u64)
        .set("http.listen", format!("127.0.0.1:{http}"));
    deployment.create_topics();
    let mut worker = deployment.start(0);
    rig::wait_until("the daemon", PATIENCE, || {
        page(http, "/readyz").starts_with("ok")
    });
    let (mut server, port) = prometheus(folder.path(), http);
    publish_as_fresh(&deployment);
    recomputed::both_caught_up(&deployment, &mut worker);
    let alerts = read_by_kcat(&deployment.topics.alerts);
    let ids = alerts.iter().filter_map(|a| a["alert_id"].as_str());
    let ids: BTreeSet<&str> = ids.collect();
    let begun = daemon::now_ms() / 1_000 - 3_600;
    let query = format!(
        "/api/v1/query_exemplars?query=surgewatch_event_to_alert_seconds_bucket&start={begun}&end={}",
        begun + 7_200
    );
    rig::wait_until("exemplars in Prometheus", PATIENCE, || {
        page(port, &query).contains("\"exemplars\":[")
    });
    let answer: serde_json::Value = serde_json::from_str(&page(port, &query)).expect("JSON");
    let series = answer["data"].as_array().expect("series").iter();
    let kept = series.flat_map(|s| s["exemplars"].as_array().expect("exemplars"));
    let named: BTreeSet<&str> = kept
        .map(|exemplar| exemplar["labels"]["alert_id"].as_str().expect("its label"))
        .collect();
    eprintln!("exemplars in Prometheus: {named:?}");
    assert!(
        !named.is_empty() && named.is_subset(&ids),
        "{named:?} of {ids:?}"
    );
    server.stop(Duration::from_secs(20));
    worker.stop(Duration::from_secs(20));
}
