//! Owns `surgewatch demo`: a bundled replay goes through the whole daemon on a broker inside the process, alerts are read
//! back from the alert topic and shown as a duty officer would want them.

use super::publish::{self, Publisher};
use super::service::{self, Service};
use super::table::{Row, table};
use super::{CommandError, ConfigArgs, say, setup};
use crate::config::Settings;
use crate::core::alert::Transition;
use crate::core::network::Network;
use crate::replay::Replay;
use crate::shell::client::{Broker, QuietContext};
use crate::shell::embedded::Embedded;
use crate::shell::error::ShellError;
use crate::wire::encode::AlertRecord;
use clap::Args;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Replay to show.
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

pub(super) fn demo(args: &DemoArgs) -> Result<(), CommandError> {
    let speed = publish::speed(args.speed)?;
    let replay = publish::bundled(&args.episode)?;
    let settings = settings(&args.config)?;
    let embedded = Embedded::start(&settings.topics, PARTITIONS)?;
    let options = setup::worker_options(&settings, embedded.broker());
    let runtime = service::runtime();
    runtime.block_on(async {
        let listener = match service::bind(settings.http.listen).await {
            Ok(listener) => listener,
            Err(_) => service::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?,
        };
        let mut service = Service::start(&settings, options);
        let address = service::serve(listener, Arc::clone(&service.board)).await;
        if !args.json {
            say(&format!("{}\n{}", replay.title, replay.note));
            say(&format!(
                "Metrics: http://{address}/metrics   health: http://{address}/livez and /readyz\n"
            ));
        }
        let show = Show {
            broker: embedded.broker(),
            topic: settings.topics.alerts.clone(),
            network: Arc::new(settings.network().clone()),
            json: args.json,
        };
        let published = Arc::new(AtomicBool::new(false));
        let shown = {
            let (published, board) = (Arc::clone(&published), Arc::clone(&service.board));
            let total = replay.events.len() as u64;
            let caught_up = move || published.load(Ordering::SeqCst) && board.committed() >= total;
            tokio::task::spawn_blocking(move || show.alerts(caught_up))
        };
        let publisher = Publisher::new(&embedded.broker(), &settings.topics.arrivals)?;
        let (sent, replay) = {
            let (board, replay) = (Arc::clone(&service.board), replay);
            tokio::task::spawn_blocking(move || {
                let begun = Instant::now();
                while !board.health.is_ready() && begun.elapsed() < PATIENCE {
                    std::thread::sleep(Duration::from_millis(20));
                }
                let sent = publisher
                    .replay(&replay, Some(speed), |_| true)
                    .and_then(|()| publisher.flush());
                (sent, replay)
            })
            .await
            .expect("the publisher does not panic")
        };
        sent?;
        published.store(true, Ordering::SeqCst);
        let alerts = tokio::select! {
            biased;
            shown = shown => shown.expect("the reader does not panic")?,
            ended = service.ended() => {
                ended?;
                return Err(CommandError::Demo("the worker ended before the replay did".into()));
            }
        };
        service.stop();
        service.ended().await?;
        if !args.json {
            say(&summary(&replay, settings.network(), &alerts));
        }
        Ok(())
    })
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
    observed: u64,
    expected: f64,
    key: String,
}

/// Reads the alert topic and prints it.
struct Show {
    broker: Broker,
    topic: String,
    network: Arc<Network>,
    json: bool,
}

impl Show {
    /// Shows alerts until `caught_up` and the topic is read to its end. Returns the opened ones in their order.
    fn alerts(&self, caught_up: impl Fn() -> bool) -> Result<Vec<First>, ShellError> {
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
        let mut opened = Vec::new();
        let mut quiet_since: Option<Instant> = None;
        loop {
            match reader.poll(Duration::from_millis(50)) {
                Some(Ok(message)) => {
                    quiet_since = None;
                    let Some(value) = message.payload() else {
                        continue;
                    };
                    opened.extend(self.show(value));
                }
                // The mock broker hides nothing, so what is committed is readable; half a second of silence is its end.
                _ if caught_up() => match quiet_since {
                    Some(since) if since.elapsed() > Duration::from_millis(500) => {
                        return Ok(opened);
                    }
                    _ => {
                        quiet_since.get_or_insert_with(Instant::now);
                    }
                },
                _ => {}
            }
        }
    }

    fn show(&self, value: &[u8]) -> Option<First> {
        let alert: AlertRecord<'_> = serde_json::from_slice(value).ok()?;
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
        (alert.transition == Transition::Opened).then(|| First {
            crossing: alert.crossing.to_string(),
            as_of: alert.as_of,
            observed: alert.observed,
            expected: alert.expected,
            key: alert.alert_id.to_string(),
        })
    }
}

/// For each crossing with an alert or a published date: the first alert and what it answers to.
fn summary(replay: &Replay, network: &Network, opened: &[First]) -> String {
    let mut rows = Vec::new();
    for id in &replay.crossings {
        let name = network
            .crossing_ix(id)
            .map_or(id.as_str(), |ix| network.crossing(ix).name.as_str());
        let first = opened
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
            observed: first.map_or_else(String::new, |f| f.observed.to_string()),
            expected: first.map_or_else(String::new, |f| format!("{:.2}", f.expected)),
            published: published.join("; "),
        });
    }
    table(&rows)
}
