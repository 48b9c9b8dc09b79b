//! Owns the topics' shape: what is created, and what a worker insists on before it reads a single event.

use super::client::{Broker, QuietContext};
use super::error::ShellError;
use super::transaction::code;
use crate::config::Topics;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Partitions and replicas of topics to be created.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Partitions; the changelog always has as many as the arrivals, the region's log and incidents one.
    pub partitions: i32,
    /// Replicas.
    pub replication_factor: i32,
}

/// Partition count of every topic there is.
pub type Partitions = BTreeMap<String, usize>;

/// Waits for the brokers and returns what topics they have.
///
/// # Errors
/// [`ShellError::Unreachable`] after `patience`, [`ShellError::Denied`] as soon as credentials are refused.
pub fn partitions(broker: &Broker, patience: Duration) -> Result<Partitions, ShellError> {
    let client: BaseConsumer<Watcher> = broker
        .config()
        .set("group.id", "surgewatch-metadata-without-group")
        .create_with_context(Watcher::default())
        .map_err(|source| ShellError::Client { source })?;
    let begun = Instant::now();
    loop {
        let answer = client.fetch_metadata(None, Duration::from_secs(2));
        let _ = client.poll(Duration::ZERO);
        if let Some(source) = client.context().refused() {
            return Err(ShellError::Denied {
                bootstrap: broker.bootstrap.clone(),
                source,
            });
        }
        match answer {
            Ok(metadata) => {
                return Ok(metadata
                    .topics()
                    .iter()
                    .map(|t| (t.name().to_owned(), t.partitions().len()))
                    .collect());
            }
            Err(source) if begun.elapsed() >= patience => {
                let (bootstrap, waited_secs) =
                    (broker.bootstrap.clone(), begun.elapsed().as_secs());
                return Err(ShellError::Unreachable {
                    bootstrap,
                    waited_secs,
                    doing: "asking for topics",
                    source,
                });
            }
            Err(error) => {
                tracing::info!(event = "waiting_for_brokers", bootstrap = %broker.bootstrap, %error)
            }
        }
    }
}

/// What is wrong with the topics a worker needs, by their partition counts alone: one line each, empty where all is well.
#[must_use]
pub fn problems(names: &Topics, found: &Partitions) -> Vec<String> {
    let mut problems: Vec<String> = names
        .all()
        .into_iter()
        .filter(|name| !found.contains_key(*name))
        .map(missing)
        .collect();
    if let (Some(input), Some(changelog)) =
        (found.get(&names.arrivals), found.get(&names.changelog))
        && input != changelog
    {
        problems.push(uneven(
            (&names.changelog, *changelog),
            (&names.arrivals, *input),
        ));
    }
    for name in [&names.region, &names.region_changelog] {
        if let Some(&count) = found.get(name).filter(|count| **count != 1) {
            problems.push(format!(
                "topic {name} has {count} partitions but must have one, because neighbours join all of the border into one region: delete it while surgewatch is stopped and run `surgewatch topics create`, or name a new one"
            ));
        }
    }
    problems
}

/// The line about a topic that is not there.
#[must_use]
pub fn missing(name: &str) -> String {
    format!("topic {name} does not exist: create it with `surgewatch topics create`")
}

/// The line about a changelog whose number of partitions is not that of its input.
#[must_use]
pub fn uneven(changelog: (&str, usize), input: (&str, usize)) -> String {
    format!(
        "topic {} has {} partitions but {} has {}: they must be equal, because the state of a partition is kept at the same number; start a new kafka.group with a new topics.changelog of {} partitions",
        changelog.0, changelog.1, input.0, input.1, input.1
    )
}

/// What is wrong with the topics' own settings: compaction of the changelog and of the alerts' state.
///
/// # Errors
/// The brokers did not say.
pub async fn policy_problems(broker: &Broker, names: &Topics) -> Result<Vec<String>, ShellError> {
    let admin = admin(broker)?;
    let topics = [
        &names.changelog,
        &names.alerts_state,
        &names.region_changelog,
    ];
    let asked: Vec<ResourceSpecifier<'_>> = topics
        .iter()
        .map(|name| ResourceSpecifier::Topic(name))
        .collect();
    let failed = |source| ShellError::Kafka {
        doing: "reading topic settings",
        source,
    };
    let answers = admin
        .describe_configs(&asked, &options())
        .await
        .map_err(failed)?;
    let mut problems = Vec::new();
    for (name, answer) in topics.iter().zip(answers) {
        let config = answer.map_err(|error| failed(KafkaError::AdminOp(error)))?;
        let policy = config
            .get("cleanup.policy")
            .and_then(|entry| entry.value.clone())
            .unwrap_or_default();
        if policy != "compact" {
            problems.push(format!(
                "topic {name} has cleanup.policy={policy} but must have compact, or state is deleted with age: set it with kafka-configs.sh --alter --add-config cleanup.policy=compact"
            ));
        }
    }
    Ok(problems)
}

/// Waits until newly made topics are known to the broker that is asked.
///
/// # Errors
/// They are not within `patience`.
pub fn settled(
    broker: &Broker,
    names: &Topics,
    patience: Duration,
) -> Result<Partitions, ShellError> {
    let begun = Instant::now();
    loop {
        let found = partitions(broker, patience)?;
        if names.all().iter().all(|name| found.contains_key(*name)) || begun.elapsed() >= patience {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Creates the topics that do not exist and returns their names.
///
/// # Errors
/// The brokers refused one.
pub async fn create(
    broker: &Broker,
    names: &Topics,
    shape: Shape,
    found: &Partitions,
) -> Result<Vec<String>, ShellError> {
    // The changelog follows an arrivals topic that somebody else made with other partitions.
    let input = found.get(&names.arrivals).map_or(shape.partitions, |&n| {
        i32::try_from(n).unwrap_or(shape.partitions)
    });
    let missing: Vec<&str> = names
        .all()
        .into_iter()
        .filter(|name| !found.contains_key(*name))
        .collect();
    // Kafka's client refuses to be asked for no topics.
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let wanted: Vec<NewTopic<'_>> = missing
        .iter()
        .map(|&name| new_topic(names, name, input, shape))
        .collect();
    let failed = |source| ShellError::Kafka {
        doing: "creating topics",
        source,
    };
    for result in admin(broker)?
        .create_topics(&wanted, &options())
        .await
        .map_err(failed)?
    {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, error)) => {
                return Err(ShellError::Topics {
                    problems: vec![format!("topic {topic} could not be created: {error}")],
                });
            }
        }
    }
    Ok(missing.into_iter().map(str::to_owned).collect())
}

/// How one of the topics is made; `input` is the number of partitions of the arrivals.
fn new_topic<'a>(names: &Topics, name: &'a str, input: i32, shape: Shape) -> NewTopic<'a> {
    let is_changelog = name == names.changelog || name == names.region_changelog;
    let is_single = name == names.region
        || name == names.region_changelog
        || names.incidents.values().any(|topic| topic == name);
    let count = match name {
        _ if is_single => 1,
        name if name == names.changelog => input,
        _ => shape.partitions,
    };
    let topic = NewTopic::new(
        name,
        count,
        TopicReplication::Fixed(shape.replication_factor),
    );
    if is_changelog {
        // Small segments keep a restore near one record for each key.
        topic
            .set("cleanup.policy", "compact")
            .set("segment.bytes", "67108864")
            .set("segment.ms", "600000")
            .set("min.cleanable.dirty.ratio", "0.1")
    } else if name == names.alerts_state {
        topic.set("cleanup.policy", "compact")
    } else {
        // A replay carries timestamps of years ago, which a retention by age would delete at once.
        topic.set("retention.ms", "-1")
    }
}

fn admin(broker: &Broker) -> Result<AdminClient<QuietContext>, ShellError> {
    broker
        .config()
        .create_with_context(QuietContext)
        .map_err(|source| ShellError::Client { source })
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(Duration::from_secs(20)))
        .operation_timeout(Some(Duration::from_secs(20)))
}

/// Remembers whether the brokers refused the credentials, which librdkafka says only in a callback.
#[derive(Default)]
struct Watcher {
    refused: Arc<std::sync::Mutex<Option<KafkaError>>>,
}

impl Watcher {
    fn refused(&self) -> Option<KafkaError> {
        self.refused
            .lock()
            .expect("no holder of this lock panics")
            .clone()
    }
}

impl rdkafka::ClientContext for Watcher {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        rdkafka::ClientContext::log(&QuietContext, level, facility, message);
    }
    fn error(&self, error: KafkaError, _: &str) {
        if matches!(
            code(&error),
            Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed)
        ) {
            *self.refused.lock().expect("no holder of this lock panics") = Some(error);
        }
    }
}

impl rdkafka::consumer::ConsumerContext for Watcher {}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Topics {
        Topics {
            arrivals: "in".into(),
            counts: "counts".into(),
            alerts: "alerts".into(),
            alerts_state: "state".into(),
            dead_letters: "dlq".into(),
            changelog: "changelog".into(),
            routes: Vec::new(),
            incidents: BTreeMap::from([("fi".to_owned(), "incidents.fi".to_owned())]),
            region: "region".into(),
            region_changelog: "region-changelog".into(),
            partitions: 8,
            replication_factor: 1,
        }
    }

    #[test]
    fn every_missing_topic_is_named_with_the_remedy() {
        let found = Partitions::from([("in".into(), 4)]);
        let problems = problems(&names(), &found);
        assert_eq!(problems.len(), 8);
        assert!(
            problems
                .iter()
                .all(|p| p.contains("surgewatch topics create")),
            "{problems:?}"
        );
    }

    #[test]
    fn a_changelog_with_other_partitions_than_its_input_is_refused() {
        let mut found: Partitions = names().all().iter().map(|n| ((*n).to_owned(), 8)).collect();
        for single in ["region", "region-changelog"] {
            found.insert(single.into(), 1);
        }
        assert_eq!(problems(&names(), &found), Vec::<String>::new());
        found.insert("changelog".into(), 4);
        assert_eq!(problems(&names(), &found).len(), 1);
        found.insert("region".into(), 8);
        assert!(
            problems(&names(), &found)[1].contains("region has 8 partitions but must have one")
        );
        assert!(problems(&names(), &found)[0].contains("has 4 partitions but in has 8"));
    }
}
