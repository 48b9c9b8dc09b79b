//! Owns `surgewatch demo`: a bundled replay goes through the whole daemon on a broker inside the process, alerts are read
//! back from the alert topic and shown as a duty officer would want them.

use super::publish::{self, Publisher};
use super::service::{self, Service};
use super::table::{Row, table};
use super::{CommandError, ConfigArgs, Signal, say, setup};
use crate::config::Settings;
use crate::core::alert::Transition;
use crate::core::lens::Lens;
use crate::core::network::Network;
use crate::core::region::machine::IncidentTransition;
use crate::core::time::EventTime;
use crate::replay::Replay;
use crate::shell::client::{Broker, QuietContext};
use crate::shell::embedded::Embedded;
use crate::shell::error::ShellError;
use crate::wire::encode::AlertRecord;
use crate::wire::notice::NoticeRecord;
use crate::wire::region::IncidentRecord;
use clap::Args;
use jiff::tz::TimeZone;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Replay to show, or `all` for one after the other.
    #[arg(long, value_name = "NAME", default_value = "finland-2023")]
    episode: String,
    /// Days of the replay in one second.
    #[arg(long, value_name = "DAYS_PER_SECOND", default_value_t = 2.5)]
    speed: f64,
    /// Every transition, the daily ones included, as the JSON of the alert topic.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Partitions of the embedded topics.
const PARTITIONS: i32 = 4;
/// How long the worker may take to join its group, and the last alerts to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long what was published may take to be read. What the broker has let go of before that is never read.
const LAST_READ: Duration = Duration::from_secs(90);
/// How long reader and publisher may take to notice that they are to stop.
const GRACE: Duration = Duration::from_secs(2);

pub(super) fn demo(args: &DemoArgs) -> Result<(), CommandError> {
    let speed = publish::speed(args.speed)?;
    let names: Vec<&str> = match args.episode.as_str() {
        "all" => crate::replay::bundled()
            .iter()
            .map(|(name, _)| *name)
            .collect(),
        one => vec![one],
    };
    let replays = names.into_iter().map(publish::bundled);
    let replays: Vec<Replay> = replays.collect::<Result<_, _>>()?;
    let settings = settings(&args.config)?;
    for replay in &replays {
        let crossings = replay.crossings.iter().map(String::as_str);
        check_crossings(&replay.id, crossings, settings.network())?;
    }
    let is_one = replays.len() == 1;
    let (mut tables, mut signal) = (Vec::new(), None);
    for replay in replays {
        let title = replay.title.clone();
        let (table, ended) = stage(args, &settings, replay, speed)?;
        tables.push(if is_one {
            table
        } else {
            format!("\n{title}\n\n{table}")
        });
        signal = ended;
        if signal.is_some() {
            break;
        }
    }
    if !args.json {
        say(&tables.join("\n"));
    }
    signal.map_or(Ok(()), |signal| Err(CommandError::Signal(signal)))
}

/// Plays one replay; gives its table, and the signal that ended it early.
fn stage(
    args: &DemoArgs,
    settings: &Settings,
    replay: Replay,
    speed: f64,
) -> Result<(String, Option<Signal>), CommandError> {
    let embedded = Embedded::start(&settings.topics, PARTITIONS)?;
    let runtime = service::runtime();
    let stop = Arc::new(AtomicBool::new(false));
    let stage = Stage {
        replay: Arc::new(replay),
        speed,
        json: args.json,
        stop: Arc::clone(&stop),
    };
    let outcome = runtime.block_on(stage.play(settings, &embedded));
    // Whatever reads or publishes after a failure must not hold up its message.
    stop.store(true, Ordering::SeqCst);
    runtime.shutdown_timeout(GRACE);
    outcome
}

/// Every crossing of the replay must be watched, or its events are bad records and the worker gives up on them.
pub(super) fn check_crossings<'a>(
    replay: &str,
    crossings: impl Iterator<Item = &'a str>,
    network: &Network,
) -> Result<(), CommandError> {
    let missing: Vec<&str> = crossings
        .filter(|id| network.crossing_ix(id).is_none())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(CommandError::NotWatched(format!(
        "the replay {replay} has crossings that the configuration does not watch: {}; leave network.corridors and network.crossings_file out, or add these crossings",
        missing.join(", ")
    )))
}

/// What plays, how fast, and whether it is to end before its end.
struct Stage {
    replay: Arc<Replay>,
    speed: f64,
    json: bool,
    stop: Arc<AtomicBool>,
}

impl Stage {
    async fn play(
        &self,
        settings: &Settings,
        embedded: &Embedded,
    ) -> Result<(String, Option<Signal>), CommandError> {
        let (listener, taken) = match service::bind(settings.http.listen).await {
            Ok(listener) => (listener, None),
            Err(taken) => {
                let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                (service::bind(any).await?, Some(taken))
            }
        };
        let mut service = Service::start(settings, &embedded.broker());
        let address = service::serve(listener, &service).await;
        self.introduce(address, taken);
        let published = Arc::new(OnceLock::new());
        let publishing = self.publish(settings, embedded, &service, &published)?;
        let reading = self.read(settings, embedded, &service, &published);
        let mut story = std::pin::pin!(async {
            publishing.await.expect("the publisher does not panic")?;
            reading.await.expect("the reader does not panic")
        });
        let (shown, signal) = tokio::select! {
            biased;
            shown = &mut story => (shown?, None),
            ended = service.ended() => {
                ended?;
                return Err(CommandError::Demo("the worker ended before the replay did".into()));
            }
            signal = signalled() => {
                self.stop.store(true, Ordering::SeqCst);
                let shown = tokio::time::timeout(GRACE, story).await;
                (shown.unwrap_or_else(|_| Ok(Shown::default()))?, Some(signal))
            }
        };
        service.stop();
        match signal {
            None => service.ended().await?,
            Some(_) => drop(tokio::time::timeout(GRACE, service.ended()).await),
        }
        Ok((summary(&self.replay, settings.network(), &shown), signal))
    }

    fn introduce(&self, address: SocketAddr, taken: Option<CommandError>) {
        if let Some(taken) = taken {
            eprintln!("surgewatch: {taken}; the demo takes {address} instead");
        }
        if !self.json {
            say(&format!("{}\n{}", self.replay.title, self.replay.note));
            say(&format!(
                "Live page: http://{address}/   metrics: http://{address}/metrics   health: http://{address}/livez and /readyz"
            ));
            say(
                "Lines of different crossings may come out of order: partitions are read independently.\n",
            );
        }
    }

    /// Publishes in the background once the worker is ready.
    fn publish(
        &self,
        settings: &Settings,
        embedded: &Embedded,
        service: &Service,
        published: &Arc<OnceLock<Instant>>,
    ) -> Result<JoinHandle<Result<(), ShellError>>, ShellError> {
        let publisher = Publisher::new(&embedded.broker(), &settings.topics.arrivals)?;
        let (replay, speed) = (Arc::clone(&self.replay), self.speed);
        let boards = [service.crossings(), service.region()].map(Arc::clone);
        let published = Arc::clone(published);
        let stop = Arc::clone(&self.stop);
        Ok(tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            let stopped = || stop.load(Ordering::SeqCst);
            // The broker keeps a few megabytes: what a stage is not there to read would be gone.
            let are_ready = || boards.iter().all(|board| board.health.is_ready());
            while !are_ready() && begun.elapsed() < PATIENCE && !stopped() {
                std::thread::sleep(Duration::from_millis(20));
            }
            let months = Months::default();
            publisher.replay(&replay, Some(speed), |time| {
                months.pass(time);
                !stopped()
            })?;
            if !stopped() {
                publisher.flush()?;
            }
            published.get_or_init(Instant::now);
            Ok(())
        }))
    }

    /// Shows alerts in the background until all that was published is committed.
    fn read(
        &self,
        settings: &Settings,
        embedded: &Embedded,
        service: &Service,
        published: &Arc<OnceLock<Instant>>,
    ) -> JoinHandle<Result<Shown, ShellError>> {
        let show = Show {
            broker: embedded.broker(),
            topic: settings.topics.alerts.clone(),
            network: Arc::new(settings.network().clone()),
            json: self.json,
            stop: Arc::clone(&self.stop),
        };
        let (published, board) = (Arc::clone(published), Arc::clone(service.crossings()));
        let total = self.replay.events.len() as u64;
        let region = Arc::clone(service.region());
        let caught_up = move || {
            let Some(published) = published.get() else {
                return false;
            };
            let is_read = board.committed() >= total && region.committed() >= board.handed_on();
            is_read || published.elapsed() > LAST_READ
        };
        tokio::task::spawn_blocking(move || show.alerts(caught_up))
    }
}

/// The first signal that asks for the end.
async fn signalled() -> Signal {
    let mut terminate = signal(SignalKind::terminate()).expect("signals can be listened for");
    let mut interrupt = signal(SignalKind::interrupt()).expect("signals can be listened for");
    tokio::select! {
        _ = terminate.recv() => Signal::Terminate,
        _ = interrupt.recv() => Signal::Interrupt,
    }
}

/// Says each month as the replay enters it, where no bar shows how far it is.
#[derive(Default)]
struct Months(Cell<Option<(i16, i8)>>);

impl Months {
    fn pass(&self, time: EventTime) {
        let date = time.timestamp().to_zoned(TimeZone::UTC);
        let month = Some((date.year(), date.month()));
        if self.0.replace(month) != month && !std::io::stderr().is_terminal() {
            eprintln!("replaying {}", date.strftime("%B %Y"));
        }
    }
}

/// The user's settings as a replay needs them.
fn settings(given: &ConfigArgs) -> Result<Settings, CommandError> {
    let mut config = given.clone();
    // A replay lives in event time: the wall clock of today must not close its buckets. Alerts are shown as they come; of the
    // log only trouble is.
    for setting in [
        "time.idle_close_secs=0",
        "log.level=warn",
        "log.format=text",
    ] {
        config.overrides.push(setting.into());
    }
    let settings = setup::settings(&config)?;
    setup::start_logging(&settings);
    Ok(settings)
}

/// The first alert of a crossing, as the alert topic has it.
struct First {
    crossing: String,
    as_of: String,
    what: String,
    lens: Lens,
    observed: u64,
    expected: f64,
    key: String,
}

/// What the alert topic told.
#[derive(Default)]
struct Shown {
    opened: Vec<First>,
    /// Ids of alerts that were not resolved.
    open: BTreeSet<String>,
    /// What each incident was said to be like.
    likened: BTreeMap<String, String>,
}

/// Reads the alert topic and prints it.
struct Show {
    broker: Broker,
    topic: String,
    network: Arc<Network>,
    json: bool,
    stop: Arc<AtomicBool>,
}

impl Show {
    /// Shows alerts until `caught_up` and the topic is read to its end, or until told to stop.
    fn alerts(&self, caught_up: impl Fn() -> bool) -> Result<Shown, ShellError> {
        let failed = |source| ShellError::Kafka {
            doing: "reading the alert topic",
            source,
        };
        let reader: BaseConsumer<QuietContext> = self
            .broker
            .reader("read_committed")
            .map_err(|source| ShellError::Client { source })?;
        let mut all = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            all.add_partition_offset(&self.topic, partition, Offset::Beginning)
                .map_err(failed)?;
        }
        reader.assign(&all).map_err(failed)?;
        let mut shown = Shown::default();
        let mut quiet_since: Option<Instant> = None;
        while !self.stop.load(Ordering::SeqCst) {
            match reader.poll(Duration::from_millis(50)) {
                Some(Ok(message)) => {
                    quiet_since = None;
                    let Some(value) = message.payload() else {
                        continue;
                    };
                    self.show(value, &mut shown);
                }
                // The mock broker hides nothing, so what is committed is readable; half a second of silence is its end.
                _ if caught_up() => match quiet_since {
                    Some(since) if since.elapsed() > Duration::from_millis(500) => {
                        break;
                    }
                    _ => {
                        quiet_since.get_or_insert_with(Instant::now);
                    }
                },
                _ => {}
            }
        }
        Ok(shown)
    }

    fn show_notice(&self, value: &[u8]) -> Option<()> {
        let notice: NoticeRecord<'_> = serde_json::from_slice(value).ok()?;
        if self.json {
            say(&String::from_utf8_lossy(value));
        } else {
            say(&format!(
                "{}  NOTICE     {}\n    {}",
                notice.as_of.get(..16)?.replace('T', " "),
                notice.crossing_name,
                notice.summary
            ));
        }
        Some(())
    }

    /// Of the days of an incident only those that call it like something else than before.
    fn show_incident(&self, value: &[u8], shown: &mut Shown) -> Option<()> {
        let incident: IncidentRecord<'_> = serde_json::from_slice(value).ok()?;
        let compared = incident.episode.as_ref();
        let compared = compared.filter(|episode| !episode.probabilities.is_empty());
        // The sentence begins with it, and goes on with how sure that is.
        let likened = compared.and_then(|episode| episode.sentence.split([';', '(']).next());
        let is_news = likened.is_some_and(|likened| {
            let id = incident.incident_id.to_string();
            shown.likened.insert(id, likened.to_owned()).as_deref() != Some(likened)
        });
        if self.json {
            say(&String::from_utf8_lossy(value));
        } else if incident.transition != IncidentTransition::Updated || is_news {
            say(&format!(
                "{}  INCIDENT   {} {}\n    {}",
                incident.as_of.get(..16)?.replace('T', " "),
                incident.transition.label(),
                incident.severity.label(),
                incident.summary
            ));
        }
        Some(())
    }

    fn show(&self, value: &[u8], shown: &mut Shown) -> Option<()> {
        let Ok(alert) = serde_json::from_slice::<AlertRecord<'_>>(value) else {
            return self
                .show_notice(value)
                .or_else(|| self.show_incident(value, shown));
        };
        if self.json {
            say(&String::from_utf8_lossy(value));
        } else if alert.transition != Transition::Updated {
            let corridor = &self
                .network
                .crossing(self.network.crossing_ix(&alert.crossing)?)
                .corridor;
            say(&format!(
                "{}  {:<9} {:<8}  {} ({corridor})\n    {}",
                alert.as_of.get(..16)?.replace('T', " "),
                alert.transition.label().to_uppercase(),
                alert.severity.label(),
                alert.crossing_name,
                alert.summary
            ));
        }
        let key = alert.alert_id.to_string();
        match alert.transition {
            Transition::Resolved | Transition::Retracted => drop(shown.open.remove(&key)),
            Transition::Reopened => {
                shown.open.insert(key);
            }
            Transition::Opened => {
                shown.open.insert(key.clone());
                shown.opened.push(First {
                    crossing: alert.crossing.to_string(),
                    as_of: alert.as_of,
                    what: format!("{} of {}", alert.direction.label(), alert.stream),
                    lens: alert.lens,
                    observed: alert.observed,
                    expected: alert.expected,
                    key,
                });
            }
            _ => {}
        }
        Some(())
    }
}

/// For each crossing of the replay its first alert and what it answers to, and how many alerts are open.
fn summary(replay: &Replay, network: &Network, shown: &Shown) -> String {
    let mut rows = Vec::new();
    for id in &replay.crossings {
        let name = network
            .crossing_ix(id)
            .map_or(id.as_str(), |ix| network.crossing(ix).name.as_str());
        let first = shown
            .opened
            .iter()
            .filter(|f| f.crossing == *id)
            .min_by_key(|f| (f.as_of.clone(), f.key.clone()));
        let published: Vec<String> = replay
            .expectations
            .iter()
            .filter(|e| e.crossings.contains(id))
            .map(|e| format!("{}: {}", e.day.strftime("%-d %b %Y"), e.text))
            .collect();
        rows.push(Row {
            name: name.to_owned(),
            first: first.map_or_else(|| "none".into(), |f| f.as_of[..16].replace('T', " ")),
            what: first.map_or_else(String::new, |f| f.what.clone()),
            lens: first.map_or("", |f| lens(f.lens)),
            observed: first.map_or_else(String::new, |f| f.observed.to_string()),
            expected: first.map_or_else(String::new, |f| format!("{:.2}", f.expected)),
            published: published.join("; "),
        });
    }
    let (raised, open) = (shown.opened.len(), shown.open.len());
    format!(
        "{}\n\n{} raised, {open} still open.",
        table(&rows),
        super::alerts(raised)
    )
}

/// The bucket that observed and expected are counts of.
fn lens(lens: Lens) -> &'static str {
    match lens {
        Lens::Hour => "hour",
        Lens::Day => "day",
        Lens::Week => "week",
    }
}
