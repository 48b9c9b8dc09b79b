//! Owns the way from the command line to a worker: files, environment and secrets are read here and nowhere else.

use super::{CommandError, ConfigArgs, NoSecret};
use crate::config::{self, DeadLetterPayload, LogFormat, SecretRef, Settings, Sources};
use crate::core::engine::Engine;
use crate::core::intake::BadRecordBudget;
use crate::core::network::Network;
use crate::core::params::{Budget, Params};
use crate::core::region::machine::RegionMachine;
use crate::live::{self, Model, Watch};
use crate::shell::client::{Broker, Membership};
use crate::shell::crossings::Crossings;
use crate::shell::daemon::WorkerOptions;
use crate::shell::http::Boards;
use crate::shell::logging;
use crate::shell::loop_metrics::LoopMetrics;
use crate::shell::metrics::Metrics;
use crate::shell::outbox::Outbox;
use crate::shell::region::RegionStage;
use crate::shell::region_metrics::RegionMetrics;
use crate::wire::decode::Limits;
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Reads and checks the settings.
pub(super) fn settings(args: &ConfigArgs) -> Result<Settings, CommandError> {
    let overrides = args.overrides.iter().map(|given| {
        given
            .split_once('=')
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .ok_or_else(|| {
                CommandError::Usage(format!(
                    "--set {given}: give a key and a value, as --set kafka.instance=1"
                ))
            })
    });
    let file = match &args.config {
        Some(path) => Some((path.display().to_string(), read("the configuration", path)?)),
        None => None,
    };
    let mut sources = Sources {
        file,
        crossings: None,
        episodes: None,
        env: std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
            .collect(),
        overrides: overrides.collect::<Result<_, _>>()?,
        refusal: Some(refusal),
    };
    if let Some(path) = config::crossings_file(&sources) {
        let beside = beside(args, &path);
        sources.crossings = Some((
            beside.display().to_string(),
            read("the list of crossings", &beside)?,
        ));
    }
    if let Some(path) = config::episodes_folder(&sources) {
        sources.episodes = Some(episodes(&beside(args, &path))?);
    }
    config::load(&sources).map_err(CommandError::Config)
}

/// A path of the configuration file, which is relative to that file.
fn beside(args: &ConfigArgs, path: &str) -> PathBuf {
    let folder = args.config.as_deref().and_then(Path::parent);
    folder.unwrap_or(Path::new("")).join(path)
}

/// Name and text of every file of a folder that ends in `.toml`, sorted by name.
fn episodes(folder: &Path) -> Result<Vec<(String, String)>, CommandError> {
    let what = "the folder of episodes";
    let unread = |source| CommandError::Read {
        what,
        path: folder.display().to_string(),
        source,
    };
    let entries = std::fs::read_dir(folder).map_err(unread)?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(unread)?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|end| end == "toml"));
    paths.sort();
    let text = |path: PathBuf| Ok((path.display().to_string(), read("an episode", &path)?));
    paths.into_iter().map(text).collect()
}

/// What librdkafka has against a property, asked of a client that is never made.
fn refusal(property: &str, value: Option<&str>) -> Option<String> {
    let mut alone = ClientConfig::new();
    alone.set(property, value.unwrap_or_default());
    match alone.create_native_config().err()? {
        KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..) => {
            Some("it has no such property".into())
        }
        KafkaError::ClientConfig(_, why, ..) => value.map(|_| why),
        other => value.map(|_| other.to_string()),
    }
}

/// Starts logging as the settings say.
pub(super) fn start_logging(settings: &Settings) {
    let format = match settings.log.format {
        LogFormat::Json => logging::LogFormat::Json,
        LogFormat::Text => logging::LogFormat::Text,
    };
    logging::start(settings.log.level.name(), format);
}

/// How to reach Kafka, secrets resolved.
pub(super) fn broker(settings: &Settings) -> Result<Broker, CommandError> {
    let mut properties = settings.kafka.properties.clone();
    let mut missing = Vec::new();
    for (property, reference) in &settings.kafka.secrets {
        match secret(property, reference) {
            Ok(secret) => drop(properties.insert(property.clone(), secret)),
            Err(why) => missing.push(why),
        }
    }
    if !missing.is_empty() {
        return Err(CommandError::NoSecrets(missing));
    }
    Ok(Broker {
        bootstrap: settings.kafka.brokers.clone(),
        properties,
    })
}

/// A secret without the end of its line.
fn secret(property: &str, reference: &SecretRef) -> Result<String, NoSecret> {
    let property = property.to_owned();
    let (text, place) = match reference {
        SecretRef::File(path) => match std::fs::read_to_string(path) {
            Ok(text) => (text, format!("the file {path}")),
            Err(source) => {
                let path = path.clone();
                return Err(NoSecret::Unreadable {
                    property,
                    path,
                    source,
                });
            }
        },
        SecretRef::Env(name) => match std::env::var(name) {
            Ok(text) => (text, format!("the environment variable {name}")),
            Err(_) => {
                let name = name.clone();
                return Err(NoSecret::NotSet { property, name });
            }
        },
    };
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(NoSecret::Empty { property, place });
    }
    Ok(secret.to_owned())
}

/// What the workers of the crossings and of the region are told.
pub(super) fn worker_options(settings: &Settings, broker: &Broker) -> [WorkerOptions; 2] {
    let options = |group: String, input: &str, changelog: &str| WorkerOptions {
        broker: broker.clone(),
        member: Membership {
            group,
            instance: settings.kafka.instance.clone(),
            session_timeout: Duration::from_millis(settings.kafka.session_timeout_ms.into()),
            transaction_timeout: Duration::from_millis(
                settings.kafka.transaction_timeout_ms.into(),
            ),
        },
        input: input.to_owned(),
        changelog: changelog.to_owned(),
        commit_interval: Duration::from_millis(settings.kafka.commit_interval_ms.into()),
        idle_close: settings
            .time
            .idle_close_secs
            .map(|secs| Duration::from_secs(secs.into())),
    };
    let (group, topics) = (&settings.kafka.group, &settings.topics);
    [
        options(group.clone(), &topics.arrivals, &topics.changelog),
        options(
            format!("{group}-region"),
            &topics.region,
            &topics.region_changelog,
        ),
    ]
}

/// The stages of a daemon, the metrics of their loops, and the boards that show them.
pub(super) fn stages(settings: &Settings) -> (Crossings, RegionStage, [LoopMetrics; 2], Boards) {
    let engine = engine(settings);
    let network = Arc::clone(engine.network());
    let params = engine.params().clone();
    let (metrics, region_metrics, loops) = metrics(settings);
    let boards = Boards::new(loops.len(), &metrics);
    let hash = settings.fingerprint();
    let keep_payload = settings.dead_letter.payload == DeadLetterPayload::Keep;
    let topics = &settings.topics;
    let outbox = Outbox::new(topics, &network, &hash.to_string(), keep_payload);
    let input = topics.arrivals.clone();
    let crossings = Crossings::new(engine, outbox, metrics, input, limits(settings));
    let machine = RegionMachine::new(network, params, hash.0);
    let hash = settings.region_fingerprint().to_string();
    let region = RegionStage::new(machine, region_metrics, topics, &hash);
    (crossings, region, loops, boards)
}

/// What is refused before the machine sees it.
pub(super) fn limits(settings: &Settings) -> Limits {
    let limits = &settings.limits;
    Limits {
        max_event_bytes: limits.max_event_bytes as usize,
        max_count: limits.max_count,
        max_ahead_ms: i64::from(limits.max_ahead_secs) * 1_000,
        max_behind_ms: i64::from(limits.max_behind_secs) * 1_000,
    }
}

/// The machine the settings describe.
#[must_use]
pub fn engine(settings: &Settings) -> Engine {
    let network = Arc::new(settings.network().clone());
    let params = params(settings, &network, 1.0);
    let holidays = settings.corridors().iter();
    let holidays = holidays.map(|corridor| (corridor.id.clone(), corridor.holidays.clone()));
    let params = params.with_holidays(holidays.collect());
    Engine::new(network, params, settings.fingerprint().0)
}

/// What a machine is told that watches a network for a share of the accepted false alerts; holidays are not in it.
pub(super) fn params(settings: &Settings, network: &Network, share: f64) -> Params {
    let mut budget = budget(settings);
    budget.false_alerts_per_year *= share;
    let bad_records = BadRecordBudget {
        max_run: settings.limits.bad_records_run,
        max_ratio: settings.limits.bad_records_ratio.get(),
        window: settings.limits.bad_records_window,
    };
    let params = Params::new(
        network,
        budget,
        settings.detection.guard_band_ratios(),
        i64::from(settings.time.lateness_horizon_secs) * 1_000,
        i64::from(settings.time.close_after_secs) * 1_000,
        settings.limits.max_ids_per_crossing as usize,
        bad_records,
    );
    params
        .with_blind_after_ms(i64::from(settings.time.blind_after_secs) * 1_000)
        .weighted(network, budget, &settings.weights)
        .calibrated(settings.detection.calibrated)
        .with_kinds(network, settings.kinds())
        .with_families(settings.families().clone())
}

fn budget(settings: &Settings) -> Budget {
    let detection = &settings.detection;
    Budget {
        false_alerts_per_year: detection.false_alerts_per_year,
        drop_share_ratio: detection.drop_share_ratio.get(),
        hour_share_ratio: detection.hour_share_ratio.get(),
        group_share_ratio: detection.group_share_ratio.get(),
    }
}

/// The live page of what the topics say.
pub(super) fn page(settings: &Settings, broker: &Broker) -> Arc<Watch> {
    let corridors = settings.corridors().iter();
    let corridors = corridors.map(|c| (c.id.clone(), c.name.clone())).collect();
    let topics = live::Topics {
        counts: settings.topics.counts.clone(),
        state: settings.topics.alerts_state.clone(),
    };
    let engine = engine(settings);
    let model =
        Model::new(settings.network(), corridors).judged_by(settings.network(), engine.params());
    Watch::new(broker.clone(), topics, model)
}

/// All metrics: of the crossings' stage, of the region's, and of their loops.
pub(super) fn metrics(settings: &Settings) -> (Metrics, RegionMetrics, [LoopMetrics; 2]) {
    let hash = settings.fingerprint().to_string();
    let max_series = settings.http.max_series as usize;
    let metrics = Metrics::new(settings.network(), budget(settings), &hash, max_series);
    let region = RegionMetrics::new(&metrics, settings.families());
    let loops = LoopMetrics::register(metrics.registry());
    (metrics, region, loops)
}

fn read(what: &'static str, path: &Path) -> Result<String, CommandError> {
    std::fs::read_to_string(path).map_err(|source| CommandError::Read {
        what,
        path: path.display().to_string(),
        source,
    })
}
