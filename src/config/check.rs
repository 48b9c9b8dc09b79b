//! Owns the rules: raw values become settings, or every broken rule a problem.

use super::crossings;
use super::document::Document;
use super::episodes;
use super::load::Sources;
use super::problem::{Place, Problem, shown, suggest};
use super::properties;
use super::raw::Raw;
use super::routes;
use super::settings::{
    DeadLetter, DeadLetterPayload, Detection, Http, Kafka, Limits, Log, LogFormat, LogLevel, Ratio,
    Settings, Time, Topics,
};
use crate::core::episode::Families;
use crate::core::network::Network;
use crate::core::params::{Calibrated, Weights};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// The key path of a raw field and its value.
macro_rules! at {
    ($raw:expr, $section:ident . $field:ident) => {
        (
            concat!(stringify!($section), ".", stringify!($field)),
            &$raw.$section.$field,
        )
    };
}

/// Applies every rule. `problems` are those found on the way here; their keys are not judged again.
pub(super) fn check(
    raw: &Raw,
    places: &BTreeMap<String, Place>,
    problems: Vec<Problem>,
    sources: &Sources,
    document: Option<&Document>,
) -> Result<Settings, Vec<Problem>> {
    let mut check = Checker { places, problems };
    let crossings_text = sources.crossings.as_ref();
    let kafka = kafka(&mut check, raw);
    if let Some(refusal) = sources.refusal {
        properties::refused(&mut check, &raw.kafka, refusal);
    }
    let mut topics = topics(&mut check, raw);
    let time = time(&mut check, raw);
    let limits = limits(&mut check, raw);
    let detection = detection(&mut check, raw);
    let dead_letter = DeadLetter {
        payload: check.one_of(
            at!(raw, dead_letter.payload),
            &[
                ("keep", DeadLetterPayload::Keep),
                ("drop", DeadLetterPayload::Drop),
            ],
        ),
    };
    let http = Http {
        listen: listen(&mut check, raw),
        max_series: check.whole(at!(raw, http.max_series), 1_000..=1_000_000),
    };
    let log = log(&mut check, raw);
    let (file_key, file) = at!(raw, network.crossings_file);
    let (network, corridors, kinds) = if !file.is_empty() && crossings_text.is_none() {
        check.fail(
            file_key,
            file,
            "must be a file that can be read",
            "correct the path, or leave it empty for the embedded list",
        );
        Default::default()
    } else {
        crossings::network(&mut check, crossings_text, &raw.network.corridors)
    };
    let families = families(&mut check, raw, sources);
    topics.incidents = incidents(raw, &network);
    let weights = weights(&mut check, raw, &network);
    let names = (raw.topics.prefix.as_str(), &topics);
    topics.routes = routes::routes(&mut check, document, names, &network);
    if !check.problems.is_empty() {
        return Err(check.problems);
    }
    let crossings_file = (!file.is_empty()).then(|| file.clone());
    Ok(Settings {
        kafka,
        topics,
        time,
        limits,
        detection,
        weights,
        dead_letter,
        http,
        log,
        crossings_file,
        corridors,
        kinds,
        network,
        families,
    })
}

fn families(check: &mut Checker<'_>, raw: &Raw, sources: &Sources) -> Families {
    let (key, folder) = at!(raw, episodes.folder);
    if !folder.is_empty() && sources.episodes.is_none() {
        check.fail(
            key,
            folder,
            "must be a folder that can be read",
            "correct the path, or leave it empty for the embedded episodes",
        );
        return Families::default();
    }
    episodes::families(check, sources.episodes.as_deref())
}

fn kafka(check: &mut Checker<'_>, raw: &Raw) -> Kafka {
    let millis = |check: &mut Checker<'_>, at, range| check.whole(at, range);
    let kafka = Kafka {
        brokers: brokers(check, raw),
        group: check.name(at!(raw, kafka.group)),
        instance: check.name(at!(raw, kafka.instance)),
        session_timeout_ms: millis(check, at!(raw, kafka.session_timeout_ms), 1_000..=1_800_000),
        transaction_timeout_ms: millis(
            check,
            at!(raw, kafka.transaction_timeout_ms),
            1_000..=900_000,
        ),
        commit_interval_ms: millis(check, at!(raw, kafka.commit_interval_ms), 1..=10_000),
        properties: properties::plain(check, &raw.kafka),
        secrets: properties::secrets(check, &raw.kafka),
    };
    check.less(
        at!(raw, kafka.transaction_timeout_ms),
        1,
        at!(raw, kafka.session_timeout_ms),
    );
    check.less(
        at!(raw, kafka.commit_interval_ms),
        2,
        at!(raw, kafka.transaction_timeout_ms),
    );
    kafka
}

fn brokers(check: &mut Checker<'_>, raw: &Raw) -> String {
    let (key, brokers) = at!(raw, kafka.brokers);
    let is_broker = |broker: &str| {
        broker.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty()
                && !host.contains(char::is_whitespace)
                && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
    };
    if !brokers.split(',').all(|broker| is_broker(broker.trim())) {
        check.fail(
            key,
            brokers,
            "must be host:port, several separated by commas, ports from 1 to 65535",
            "write as in 10.0.0.1:9092,10.0.0.2:9092",
        );
    }
    brokers.clone()
}

/// What stands for a country's code in the name of a topic.
const COUNTRY: &str = "{country}";

fn topics(check: &mut Checker<'_>, raw: &Raw) -> Topics {
    let prefix = &raw.topics.prefix;
    let names = [
        at!(raw, topics.arrivals),
        at!(raw, topics.counts),
        at!(raw, topics.alerts),
        at!(raw, topics.alerts_state),
        at!(raw, topics.dead_letters),
        at!(raw, topics.changelog),
        at!(raw, topics.region),
        at!(raw, topics.region_changelog),
        at!(raw, topics.incidents),
    ];
    if !is_legal(prefix) || prefix.len() > 100 {
        let rule = "must be at most 100 letters, digits, dots, underscores and hyphens";
        check.fail(
            "topics.prefix",
            prefix,
            rule,
            "write as in \"north.\", or leave it empty",
        );
    }
    topic_names(check, prefix, &names);
    let [
        arrivals,
        counts,
        alerts,
        alerts_state,
        dead_letters,
        changelog,
        region,
        region_changelog,
        _,
    ] = names.map(|(_, name)| format!("{prefix}{name}"));
    Topics {
        arrivals,
        counts,
        alerts,
        alerts_state,
        dead_letters,
        changelog,
        routes: Vec::new(),
        incidents: BTreeMap::new(),
        region,
        region_changelog,
        partitions: check.whole(at!(raw, topics.partitions), 1..=10_000),
        replication_factor: check.whole(at!(raw, topics.replication_factor), 1..=100),
    }
}

fn is_legal(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// The rules for the names of topics.
fn topic_names(check: &mut Checker<'_>, prefix: &str, names: &[(&str, &String)]) {
    for (index, (key, name)) in names.iter().enumerate() {
        let whole = format!("{prefix}{}", name.replacen(COUNTRY, "xx", 1));
        let pattern = *key == "topics.incidents";
        if pattern && !name.contains(COUNTRY) {
            let rule = "must hold {country}, which stands for a country's code";
            check.fail(key, name, rule, "write as in border.incidents.{country}.v1");
            continue;
        }
        let text = if pattern {
            &whole[prefix.len()..]
        } else {
            name
        };
        if name.is_empty() || !is_legal(text) || whole.len() > 249 || whole == "." || whole == ".."
        {
            let rule = "must be a legal Kafka topic name: with the prefix 1 to 249 letters, digits, dots, underscores and hyphens";
            check.fail(key, name, rule, "write as in border.arrivals.v1");
        }
        // Kafka refuses names that differ only in dots and underscores.
        let same = |other: &&(&str, &String)| other.1.replace('_', ".") == name.replace('_', ".");
        if let Some(other) = names[..index].iter().find(same) {
            check.distinct(*other, (*key, *name));
        }
    }
}

/// The topic of each country that counts.
fn incidents(raw: &Raw, network: &Network) -> BTreeMap<String, String> {
    let pattern = format!("{}{}", raw.topics.prefix, raw.topics.incidents);
    let countries = network.crossings.iter().map(|place| &place.country);
    let named = countries.map(|code| (code.clone(), pattern.replacen(COUNTRY, code, 1)));
    named.collect()
}

fn time(check: &mut Checker<'_>, raw: &Raw) -> Time {
    let idle_close_secs = check.whole(at!(raw, time.idle_close_secs), 0..=2_592_000);
    let time = Time {
        lateness_horizon_secs: check.whole(at!(raw, time.lateness_horizon_secs), 60..=2_592_000),
        close_after_secs: check.whole(at!(raw, time.close_after_secs), 0..=2_592_000),
        idle_close_secs: (idle_close_secs > 0).then_some(idle_close_secs),
        blind_after_secs: check.whole(at!(raw, time.blind_after_secs), 1..=2_592_000),
    };
    check.less(
        at!(raw, time.close_after_secs),
        1,
        at!(raw, time.lateness_horizon_secs),
    );
    time
}

fn limits(check: &mut Checker<'_>, raw: &Raw) -> Limits {
    let limits = Limits {
        max_event_bytes: check.whole(at!(raw, limits.max_event_bytes), 256..=16_777_216),
        max_count: check.whole(at!(raw, limits.max_count), 1..=1_000_000_000),
        max_ahead_secs: check.whole(at!(raw, limits.max_ahead_secs), 0..=31_536_000),
        max_behind_secs: check.whole(at!(raw, limits.max_behind_secs), 60..=3_153_600_000),
        max_ids_per_crossing: check.whole(at!(raw, limits.max_ids_per_crossing), 1..=100_000_000),
        bad_records_ratio: Ratio(check.above_zero(at!(raw, limits.bad_records_ratio), 1.0)),
        bad_records_window: check.whole(at!(raw, limits.bad_records_window), 10..=4_096),
        bad_records_run: check.whole(at!(raw, limits.bad_records_run), 1..=1_000_000),
    };
    check.less(
        at!(raw, time.lateness_horizon_secs),
        1,
        at!(raw, limits.max_behind_secs),
    );
    limits
}

fn detection(check: &mut Checker<'_>, raw: &Raw) -> Detection {
    Detection {
        false_alerts_per_year: check
            .above_zero(at!(raw, detection.false_alerts_per_year), 100_000.0),
        drop_share_ratio: check.share(at!(raw, detection.drop_share_ratio)),
        hour_share_ratio: check.share(at!(raw, detection.hour_share_ratio)),
        group_share_ratio: check.share(at!(raw, detection.group_share_ratio)),
        guard_band_ratio: check.band(at!(raw, detection.guard_band_ratio)),
        drop_guard_band_ratio: check.band(at!(raw, detection.drop_guard_band_ratio)),
        calibrated: Calibrated {
            day: [
                check.nats(at!(raw, detection.calibrated_day_surge_nats)),
                check.nats(at!(raw, detection.calibrated_day_drop_nats)),
            ],
            hour: [
                check.nats(at!(raw, detection.calibrated_hour_surge_nats)),
                check.nats(at!(raw, detection.calibrated_hour_drop_nats)),
            ],
        },
    }
}

/// Weights of crossings and streams that are watched.
fn weights(check: &mut Checker<'_>, raw: &Raw, network: &Network) -> Weights {
    let crossings: Vec<&str> = network.crossings.iter().map(|c| c.id.as_str()).collect();
    let streams: Vec<&str> = network.streams.iter().map(String::as_str).collect();
    Weights {
        crossings: check.weights(at!(raw, detection.crossing_weights), &crossings),
        streams: check.weights(at!(raw, detection.stream_weights), &streams),
    }
}

fn listen(check: &mut Checker<'_>, raw: &Raw) -> std::net::SocketAddr {
    let (key, listen) = at!(raw, http.listen);
    listen.parse().unwrap_or_else(|_| {
        check.fail(
            key,
            listen,
            "must be an IP address and a port",
            "write as in 127.0.0.1:9464 or [::]:9464",
        );
        ([127, 0, 0, 1], 0).into()
    })
}

fn log(check: &mut Checker<'_>, raw: &Raw) -> Log {
    use LogLevel::{Debug, Error, Info, Trace, Warn};
    let levels = [Error, Warn, Info, Debug, Trace].map(|level| (level.name(), level));
    Log {
        level: check.one_of(at!(raw, log.level), &levels),
        format: check.one_of(
            at!(raw, log.format),
            &[("json", LogFormat::Json), ("text", LogFormat::Text)],
        ),
    }
}

/// Collects problems, each with the place its value came from.
pub(super) struct Checker<'a> {
    places: &'a BTreeMap<String, Place>,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    /// Notes a broken rule of a key of the settings.
    pub(super) fn fail(
        &mut self,
        key: &str,
        value: &str,
        rule: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (rule, remedy, place) = (rule.into(), remedy.into(), self.place(key));
        self.add(Problem {
            key: key.to_owned(),
            value: shown(key, value),
            rule,
            remedy,
            place,
        });
    }

    /// Notes a problem found elsewhere.
    pub(super) fn add(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    fn place(&self, key: &str) -> Place {
        self.places.get(key).cloned().unwrap_or(Place::Default)
    }

    pub(super) fn is_bad(&self, key: &str) -> bool {
        self.problems.iter().any(|problem| problem.key == key)
    }

    fn whole(&mut self, (key, value): (&str, &i64), range: RangeInclusive<i64>) -> u32 {
        let (least, most) = (*range.start(), *range.end());
        match u32::try_from(*value).ok().filter(|_| range.contains(value)) {
            Some(number) => number,
            None => {
                let remedy = format!(
                    "write a whole number in that range, {}",
                    nearest_end(*value, &range)
                );
                self.fail(
                    key,
                    &value.to_string(),
                    format!("must be from {least} to {most}"),
                    remedy,
                );
                0
            }
        }
    }

    // The comparisons below are written so that NaN fails them.

    fn above_zero(&mut self, (key, value): (&str, &f64), most: f64) -> f64 {
        if !(*value > 0.0 && *value <= most) {
            self.fail(
                key,
                &value.to_string(),
                format!("must be above 0 and at most {most}"),
                "write a number in that range",
            );
        }
        *value
    }

    fn share(&mut self, (key, value): (&str, &f64)) -> Ratio {
        if !(*value > 0.0 && *value < 1.0) {
            let rule = "must be above 0 and below 1, so that both sides have a share";
            self.fail(key, &value.to_string(), rule, "write a number as 0.25");
        }
        Ratio(*value)
    }

    fn band(&mut self, (key, value): (&str, &f64)) -> Ratio {
        if !(*value >= 0.0 && *value < 0.5) {
            self.fail(
                key,
                &value.to_string(),
                "must be at least 0 and below 0.5",
                "write a number as 0.05",
            );
        }
        Ratio(*value)
    }

    fn nats(&mut self, (key, value): (&str, &f64)) -> f64 {
        if !(-8.0..=8.0).contains(value) {
            let rule = "must be a number from -8 to 8";
            self.fail(
                key,
                &value.to_string(),
                rule,
                "write what `surgewatch calibrate` prints",
            );
        }
        *value
    }

    /// Weights of names; without any names, which is a problem of its own, none is judged by its name.
    fn weights(
        &mut self,
        (table, given): (&str, &BTreeMap<String, String>),
        names: &[&str],
    ) -> BTreeMap<String, f64> {
        let mut weights = BTreeMap::new();
        for (name, text) in given {
            let key = format!("{table}.{name}");
            let weight = text.trim().parse().unwrap_or(f64::NAN);
            if !names.is_empty() && !names.contains(&name.as_str()) {
                let rule = "must name what is watched";
                self.fail(&key, text, rule, suggest(name, names.iter().copied()));
            } else if !(0.01..=100.0).contains(&weight) {
                let rule = "must be a number from 0.01 to 100";
                let remedy = "write 2 for twice the share of the others";
                self.fail(&key, text, rule, remedy);
            }
            weights.insert(name.clone(), weight);
        }
        weights
    }

    fn name(&mut self, (key, value): (&str, &String)) -> String {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if value.is_empty() || value.len() > 120 || !value.bytes().all(legal) {
            let rule = "must be 1 to 120 letters, digits, dots, underscores and hyphens";
            self.fail(key, value, rule, "write a name as surgewatch-1");
        }
        value.clone()
    }

    fn one_of<T: Copy>(&mut self, (key, value): (&str, &String), choices: &[(&str, T)]) -> T {
        if let Some((_, choice)) = choices.iter().find(|(name, _)| name == value) {
            return *choice;
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        self.fail(
            key,
            value,
            format!("must be one of {}", names.join(", ")),
            suggest(value, names.iter().copied()),
        );
        choices[0].1
    }

    /// Notes two topics of one name, at the one that was given, where only one was.
    fn distinct(&mut self, first: (&str, &String), second: (&str, &String)) {
        let is_default = |check: &Self, key: &str| check.place(key) == Place::Default;
        let (at, other) = if is_default(self, second.0) && !is_default(self, first.0) {
            (first, second)
        } else {
            (second, first)
        };
        let place = self.place(other.0);
        let rule = format!(
            "must differ from {} = {} ({place}) in more than dots and underscores",
            other.0, other.1
        );
        self.fail(at.0, at.1, rule, "give every topic a name of its own");
    }

    /// The rule `low * factor < high` between two keys. It is noted at the one that was given, where only one was.
    fn less(&mut self, low: (&str, &i64), factor: i64, high: (&str, &i64)) {
        if low.1.saturating_mul(factor) < *high.1 || self.is_bad(low.0) || self.is_bad(high.0) {
            return;
        }
        let (low_place, high_place) = (self.place(low.0), self.place(high.0));
        let part = if factor == 1 {
            String::new()
        } else {
            format!("1/{factor} of ")
        };
        let times = if factor == 1 {
            String::new()
        } else {
            format!("{factor} times ")
        };
        let (raise, lower) = (
            format!("raise {} above {}", high.0, low.1 * factor),
            format!("lower {}", low.0),
        );
        if low_place == Place::Default && high_place != Place::Default {
            let rule = format!(
                "must be more than {times}{} = {} ({low_place})",
                low.0, low.1
            );
            self.fail(
                high.0,
                &high.1.to_string(),
                rule,
                format!("{raise}, or {lower}"),
            );
        } else {
            let rule = format!(
                "must be less than {part}{} = {} ({high_place})",
                high.0, high.1
            );
            self.fail(
                low.0,
                &low.1.to_string(),
                rule,
                format!("{lower}, or {raise}"),
            );
        }
    }
}

fn nearest_end(value: i64, range: &RangeInclusive<i64>) -> String {
    format!(
        "the nearest is {}",
        value.clamp(*range.start(), *range.end())
    )
}
