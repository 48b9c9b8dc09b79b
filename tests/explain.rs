//! Owns the test of `surgewatch explain`: what a replay raises is found as told, whatever was forged is found, also through the
//! binary on a broker inside the process; and time that passed without records is followed.

mod support;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::{Command, Output as Said};
use std::sync::Arc;
use std::time::Duration;
use support::settings;
use surgewatch::config::{self, Settings, Sources};
use surgewatch::core::engine::Engine;
use surgewatch::core::ids::{Offset, Partition};
use surgewatch::core::network::Network;
use surgewatch::core::output::Output;
use surgewatch::core::partition::Input;
use surgewatch::core::time::{EventTime, SECOND_MS, WallTime};
use surgewatch::explain::{
    Counts, Explanation, Finding, Known, Quiet, Recomputation, Sign, Told, Wanted, as_json, as_text,
};
use surgewatch::replay;
use surgewatch::shell::embedded::Embedded;
use surgewatch::shell::whole;
use surgewatch::wire::decode::{self, Limits, Record};
use surgewatch::wire::encode::{self, Encoded, Origin};

const LIMITS: Limits = Limits {
    max_event_bytes: 65_536,
    max_count: 100_000,
    max_ahead_ms: 3_600_000,
    max_behind_ms: 2_592_000_000,
};
const IDLE_CLOSE_MS: i64 = 1_800 * SECOND_MS;
/// No time passes on the broker inside the process, which keeps no clock of the replay's.
const IDLE: (&str, &str) = ("time.idle_close_secs", "0");
const PARTITION: Partition = Partition(0);
const VARTIUS: &str = "fi-vartius.asylum.surge.2023-11-16";

/// What a daemon read and told.
struct World {
    settings: Settings,
    network: Arc<Network>,
    inputs: Vec<Input>,
    alerts: Vec<Told>,
    counts: Vec<Value>,
    idle_close_ms: Option<i64>,
    /// First offset that is left.
    first: i64,
}

/// Finland's events in one partition, each read so many seconds after it happened.
fn inputs(network: &Network, delay_secs: impl Fn(usize) -> i64) -> Vec<Input> {
    let (_, text) = replay::bundled()
        .iter()
        .find(|(name, _)| *name == "finland-2023")
        .expect("it is bundled");
    let replay = replay::load(text).expect("it is checked").expand();
    let mut events: Vec<(i64, &replay::ReplayEvent)> = (0..)
        .zip(&replay.events)
        .map(|(n, event)| (event.time.0 + delay_secs(n) * SECOND_MS, event))
        .collect();
    events.sort_by_key(|(recorded, _)| *recorded);
    let numbered = (0..).zip(events);
    let decoded = numbered.map(|(offset, (recorded, event))| {
        let recorded = Some(WallTime(recorded));
        let record = Record {
            value: Some(event.json.as_bytes()),
            headers: &[],
            timestamp: recorded,
        };
        Input {
            offset: Offset(offset),
            recorded,
            event: Ok(decode::decode(&record, network, &LIMITS).expect("it fits")),
        }
    });
    decoded.collect()
}

fn origin(settings: &Settings) -> Origin {
    Origin {
        topic: settings.topics.arrivals.clone(),
        config: settings.fingerprint().to_string(),
    }
}

fn told(offset: usize, encoded: &Encoded) -> Told {
    let headers = encoded.headers.iter();
    Told {
        partition: 0,
        offset: offset as i64,
        headers: headers.map(|(k, v)| ((*k).to_owned(), v.clone())).collect(),
        value: serde_json::from_slice(&encoded.value).expect("JSON"),
    }
}

impl World {
    /// The daemon's work; with `idle_close_ms` it lets time pass while nothing comes, by the clock that the records carry.
    fn new(delay_secs: impl Fn(usize) -> i64, idle_close_ms: Option<i64>) -> Self {
        let settings = settings();
        let mut engine: Engine = surgewatch::command::engine(&settings);
        let network = Arc::clone(engine.network());
        engine.assign(PARTITION, []).expect("nothing to restore");
        let inputs = inputs(&network, delay_secs);
        let mut outputs: Vec<Output> = Vec::new();
        let mut last = None;
        for input in &inputs {
            let out = &mut |output| outputs.push(output);
            let quiet = idle_close_ms.zip(last.zip(input.recorded));
            if let (Some((idle, (last, now))), Some(watermark)) =
                (quiet, engine.watermark(PARTITION))
            {
                let last: WallTime = last;
                let passed = now.0 - last.0 - idle;
                // As the loop does: in steps, none of which leads beyond the clock.
                for passed in [passed / 2, passed] {
                    if passed > 0 {
                        engine.pass_time(PARTITION, watermark.plus_ms(passed), out);
                    }
                }
            }
            engine.handle(PARTITION, input, out).expect("good input");
            last = input.recorded;
        }
        let origin = origin(&settings);
        let alerts = outputs.iter();
        let alerts = alerts.filter_map(|output| encode::alert(output, &network, &origin));
        let alerts = alerts.enumerate().map(|(n, encoded)| told(n, &encoded));
        let counts = outputs.iter();
        let counts = counts.filter_map(|output| encode::count(output, &network, &origin));
        let counts = counts.map(|encoded| serde_json::from_slice(&encoded.value).expect("JSON"));
        Self {
            alerts: alerts.collect(),
            counts: counts.collect(),
            settings,
            network,
            inputs,
            idle_close_ms,
            first: 0,
        }
    }

    fn ids(&self) -> BTreeSet<String> {
        let ids = self
            .alerts
            .iter()
            .filter_map(|a| a.value["alert_id"].as_str());
        ids.map(str::to_owned).collect()
    }

    fn explain(&self, id: &str) -> Explanation {
        let wanted = Wanted::of(id, PARTITION, &self.network).expect("it is watched");
        let crossing = id.split('.').next().expect("a crossing");
        let of_crossing = |record: &&Value| record["crossing"] == crossing;
        let mut counts = Counts::new(true);
        for count in self.counts.iter().filter(of_crossing) {
            if count["stream"] == self.network.stream(wanted.stream) {
                counts.add(count.clone());
            }
        }
        let alerts: Vec<&Value> = self.alerts.iter().map(|a| &a.value).collect();
        let of_alerts = alerts.into_iter().filter(|record| of_crossing(record));
        let of_counts = self.counts.iter().filter(of_crossing);
        let signs = [of_alerts.map(sign).collect(), of_counts.map(sign).collect()];
        let quiet = Quiet::new(self.idle_close_ms, &signs);
        let engine = surgewatch::command::engine(&self.settings);
        let mut recomputation = Recomputation::new(
            &self.network,
            engine.params(),
            origin(&self.settings),
            wanted,
            quiet,
        );
        for input in self.inputs.iter().filter(|i| i.offset.0 >= self.first) {
            recomputation.handle(input);
        }
        let known = Known {
            alerts: self.settings.topics.alerts.clone(),
            alerts_are_whole: true,
            input: self.settings.topics.arrivals.clone(),
            partition: 0,
            first: self.first,
            config: self.settings.fingerprint().to_string(),
        };
        let told = self.alerts.iter().filter(|a| a.value["alert_id"] == id);
        recomputation.explain(id, known, told.cloned().collect(), &counts)
    }

    /// The alert's record with this sequence.
    fn record(&mut self, sequence: u64) -> &mut Told {
        let mut records = self.alerts.iter_mut();
        let found =
            records.find(|a| a.value["alert_id"] == VARTIUS && a.value["sequence"] == sequence);
        found.expect("it has so many changes")
    }
}

fn sign(record: &Value) -> Sign {
    let as_of: jiff::Timestamp = record["as_of"]
        .as_str()
        .expect("a time")
        .parse()
        .expect("a moment");
    Sign {
        offset: record["source"]["offset"].as_i64().map(Offset),
        as_of: EventTime(as_of.as_millisecond()),
    }
}

#[test]
fn every_alert_of_a_replay_is_as_told_and_says_how_its_evidence_came() {
    let world = World::new(|_| 0, None);
    let ids = world.ids();
    assert!(ids.len() > 5, "{ids:?}");
    for id in &ids {
        let found = world.explain(id);
        assert_eq!(found.faults(), 0, "{}", as_text(&found));
        assert!(found.buckets > 0 && found.records as usize == world.inputs.len());
    }
    let text = as_text(&world.explain(VARTIUS));
    for said in [
        "Recomputed from border.arrivals.v1 partition 0, from its first record on",
        "opened     major     day 2023-11-16, so far  11 ",
        "    day 2023-11-15",
        "border.arrivals.v1/0 offset ",
        "records are as recomputed, and so are the",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let niirala = as_text(&world.explain("fi-niirala.asylum.surge.2023-11-17"));
    assert!(niirala.contains("    day 2023-12-06, shut  "), "{niirala}");
    let json = as_json(&world.explain(VARTIUS));
    assert_eq!(json["agrees"], true);
    assert_eq!(json["changes"][0]["told"], json["changes"][0]["recomputed"]);
    assert_eq!(
        json["changes"][0]["buckets"].as_array().map(Vec::len),
        Some(8)
    );
}

#[test]
fn time_that_passes_while_nothing_comes_is_followed_also_where_records_come_late() {
    // Every ninth record an hour late, every fiftieth by most of a day.
    let late = |n: usize| match n {
        n if n % 50 == 0 => 70_000,
        n if n % 9 == 0 => 3_600,
        n => (n % 7) as i64,
    };
    let world = World::new(late, Some(IDLE_CLOSE_MS));
    let by_time = world
        .alerts
        .iter()
        .filter(|a| a.value["source"]["offset"].is_null());
    let revised = world.counts.iter().filter(|c| c["revision"] != 0);
    assert!(by_time.count() > 20 && revised.count() > 20);
    for id in world.ids() {
        let found = world.explain(&id);
        assert_eq!(found.faults(), 0, "{}", as_text(&found));
    }
}

#[test]
fn whatever_is_forged_is_found() {
    type Forge = fn(&mut World);
    let table: [(&str, Forge, &str); 9] = [
        (
            "a number",
            |w| w.record(1).value["observed"] = json!(99),
            "observed: told 99, recomputed",
        ),
        (
            "evidence",
            |w| w.record(0).value["evidence"]["log_sr"] = json!(50.0),
            "evidence.log_sr: told 50.0, recomputed",
        ),
        (
            "a moment",
            |w| w.record(0).value["as_of"] = json!("2023-11-16T10:34:00+02:00"),
            "as_of: told \"2023-11-16T10:34:00+02:00\"",
        ),
        (
            "the sentence",
            |w| w.record(0).value["summary"] = json!("Vartius: all is well."),
            "summary: told \"Vartius: all is well.\"",
        ),
        (
            "a header",
            |w| drop(w.record(0).headers.insert("ce_id".into(), "x".into())),
            "header ce_id: told \"x\"",
        ),
        (
            "a record more",
            |w| {
                let mut more = w.record(0).clone();
                more.value["sequence"] = json!(999);
                w.alerts.push(more);
            },
            "NOT FOUNDED",
        ),
        (
            "a record less",
            |w| {
                w.alerts
                    .retain(|a| a.value["alert_id"] != VARTIUS || a.value["sequence"] != 2)
            },
            "NOT TOLD",
        ),
        (
            "a record twice",
            |w| {
                let again = w.record(3).clone();
                w.alerts.push(again);
            },
            "TOLD TWICE",
        ),
        (
            "a count before it",
            |w| {
                let at = w.record(0).value["bucket"]["start"].clone();
                let before = |c: &&mut Value| {
                    c["crossing"] == "fi-vartius"
                        && c["lens"] == "day"
                        && c["stream"] == "asylum"
                        && c["bucket"]["end"] == at
                };
                let count = w.counts.iter_mut().find(before).expect("the day before");
                count["expected"] = json!(7.5);
            },
            "expected: told 7.5, recomputed",
        ),
    ];
    for (name, forge, said) in table {
        let mut world = World::new(|_| 0, None);
        forge(&mut world);
        let found = world.explain(VARTIUS);
        let text = as_text(&found);
        assert_eq!(found.faults(), 1, "{name}: {text}");
        assert!(text.contains(said), "{name}: {text}");
        assert_eq!(as_json(&found)["agrees"], false, "{name}");
    }
}

#[test]
fn records_of_other_settings_are_named_and_no_forgery_by_themselves() {
    let mut world = World::new(|_| 0, None);
    world.record(0).value["source"]["config"] = json!("0123456789abcdef");
    let found = world.explain(VARTIUS);
    assert_eq!(found.faults(), 0);
    assert!(as_text(&found).contains("Some records were made with settings 0123456789abcdef"));
}

#[test]
fn where_the_beginning_is_gone_what_is_left_is_checked_and_no_more_is_claimed() {
    let mut world = World::new(|_| 0, None);
    world.first = 40;
    let found = world.explain(VARTIUS);
    let text = as_text(&found);
    assert_eq!(found.faults(), 0, "{text}");
    assert!(
        text.contains("begins at offset 40: retention has taken what was before"),
        "{text}"
    );
    let parts = found.changes.iter().filter_map(|c| match &c.finding {
        Finding::Part(fields) => Some(fields),
        _ => None,
    });
    let parts: Vec<_> = parts.collect();
    assert_eq!(parts.len(), found.changes.len());
    assert!(
        parts.iter().all(|fields| fields.contains(&"observed")),
        "{text}"
    );
    assert!(
        parts
            .iter()
            .any(|fields| fields.contains(&"evidence.log_sr")),
        "{text}"
    );
    world.record(0).value["observed"] = json!(5);
    let text = as_text(&world.explain(VARTIUS));
    assert!(text.contains("observed: told 5, recomputed 11"), "{text}");
    // Later than the alert: nothing can be said of it.
    world.first = world.inputs.len() as i64 - 1;
    let found = world.explain(VARTIUS);
    assert!(as_text(&found).contains("Nothing is left to hold it against"));
}

/// A broker inside the process with Finland's arrivals, and what a daemon would have told of them.
struct Stage {
    embedded: Embedded,
    settings: Settings,
}

impl Stage {
    fn new() -> Self {
        let sources = Sources {
            overrides: vec![(IDLE.0.to_owned(), IDLE.1.to_owned())],
            ..Sources::default()
        };
        let settings = config::load(&sources).expect("good settings");
        let embedded = Embedded::start(&settings.topics, 4).expect("a broker");
        let stage = Self { embedded, settings };
        let published = stage.run(&["publish", "--episode", "finland-2023"]);
        assert!(published.status.success(), "{published:?}");
        stage.judge();
        stage
    }

    fn run(&self, words: &[&str]) -> Said {
        let brokers = format!("kafka.brokers={}", self.embedded.broker().bootstrap);
        Command::new(env!("CARGO_BIN_EXE_surgewatch"))
            .args(words)
            .args([
                "--set",
                &brokers,
                "--set",
                &format!("{}={}", IDLE.0, IDLE.1),
            ])
            .output()
            .expect("the binary starts")
    }

    fn producer(&self) -> BaseProducer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.embedded.broker().bootstrap);
        config.create().expect("a producer")
    }

    fn send(producer: &BaseProducer, topic: &str, encoded: &Encoded) {
        let headers = encoded.headers.iter();
        let headers = headers.fold(
            rdkafka::message::OwnedHeaders::new(),
            |all, (key, value)| {
                all.insert(rdkafka::message::Header {
                    key,
                    value: Some(value.as_bytes()),
                })
            },
        );
        let record = BaseRecord::to(topic)
            .key(&encoded.key)
            .payload(&encoded.value)
            .headers(headers);
        producer.send(record).map_err(|(e, _)| e).expect("room");
        producer.poll(Duration::ZERO);
    }

    /// Reads the arrivals, judges them as the daemon does, and writes what comes out.
    fn judge(&self) {
        let mut engine = surgewatch::command::engine(&self.settings);
        let network = Arc::clone(engine.network());
        let (topics, origin) = (&self.settings.topics, origin(&self.settings));
        let broker = self.embedded.broker();
        let ends = whole::ends(&broker, &topics.arrivals).expect("the topic is there");
        for &partition in ends.keys() {
            engine.assign(Partition(partition), []).expect("nothing");
        }
        let producer = self.producer();
        whole::read(&broker, &topics.arrivals, &ends, |record| {
            let (input, _) = record.decode(WallTime(i64::MAX), &network, &LIMITS);
            let out = &mut |output: Output| {
                if let Some(count) = encode::count(&output, &network, &origin) {
                    Self::send(&producer, &topics.counts, &count);
                }
                if let Some(alert) = encode::alert(&output, &network, &origin) {
                    Self::send(&producer, &topics.alerts, &alert);
                }
            };
            engine
                .handle(Partition(record.partition), &input, out)
                .expect("good input");
        })
        .expect("the topic can be read");
        producer.flush(Duration::from_secs(30)).expect("delivered");
    }

    fn explain(&self, words: &[&str]) -> (Option<i32>, String) {
        let said = self.run(&[&["explain"], words].concat());
        let text = [said.stdout, said.stderr].concat();
        (said.status.code(), String::from_utf8(text).expect("text"))
    }
}

#[test]
fn the_binary_reads_the_topics_and_ends_with_65_where_a_record_is_forged() {
    let stage = Stage::new();
    let (code, said) = stage.explain(&[VARTIUS]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("records are as recomputed") && said.contains("border.arrivals.v1/"));
    let (code, said) = stage.explain(&["fi-vartius.asylum.surge.2023-11-15"]);
    assert_eq!(code, Some(64), "{said}");
    let first = said.lines().nth(1).expect("a list").trim();
    assert_eq!(first, VARTIUS, "{said}");
    let (code, said) = stage.explain(&["incident.fi-vaalimaa.asylum.surge.2023-11-13"]);
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("it has no incident yet"), "{said}");

    let (_, said) = stage.explain(&[VARTIUS, "--json"]);
    let json: Value = serde_json::from_str(&said).expect("JSON alone on standard output");
    let mut forged = json["changes"][0]["told"].clone();
    forged["observed"] = json!(1_000);
    forged["sequence"] = json!(40);
    let producer = stage.producer();
    let forged = Encoded {
        key: VARTIUS.to_owned(),
        value: forged.to_string().into_bytes(),
        headers: Vec::new(),
    };
    Stage::send(&producer, &stage.settings.topics.alerts, &forged);
    producer.flush(Duration::from_secs(30)).expect("delivered");
    let (code, said) = stage.explain(&[VARTIUS]);
    assert_eq!(code, Some(65), "{said}");
    assert!(
        said.contains("NOT FOUNDED") && said.contains("1 of the records"),
        "{said}"
    );
}
