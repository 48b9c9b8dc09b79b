//! Owns `surgewatch explain`: an alert or incident is recomputed from the topics, and every number held against what was told.

use super::publish::progress;
use super::{CommandError, ConfigArgs, say, setup};
use crate::config::{Fingerprint, Settings};
use crate::core::ids::{Offset, Partition};
use crate::core::time::EventTime;
use crate::explain::{
    Counts, Explanation, IncidentRecomputation, Known, Quiet, Recomputation, Sign, Told, Wanted,
    as_json, as_text,
};
use crate::shell::client::Broker;
use crate::shell::error::ShellError;
use crate::shell::source::Incoming;
use crate::shell::whole::{self, Ends};
use crate::shell::{clock, topics};
use crate::wire::encode::Origin;
use clap::Args;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The id of an alert, as fi-vartius.asylum.surge.2023-11-16, or of an incident.
    id: String,
    /// Every record as told and as recomputed, as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// How long the brokers may take to answer at all.
const PATIENCE: Duration = Duration::from_secs(10);
/// Ids that are listed where one is not found.
const LISTED: usize = 20;

pub(super) fn explain(args: &ExplainArgs) -> Result<(), CommandError> {
    let settings = setup::settings(&args.config)?;
    setup::start_logging(&settings);
    let broker = setup::broker(&settings)?;
    // The first answer tells bad credentials and unreachable brokers apart.
    topics::partitions(&broker, PATIENCE)?;
    let topics = Topics {
        settings: &settings,
        broker: &broker,
    };
    let found = if args.id.starts_with("incident.") {
        topics.incident(&args.id)?
    } else {
        topics.alert(&args.id)?
    };
    if args.json {
        say(&format!("{:#}", as_json(&found)));
    } else {
        say(as_text(&found).trim_end());
    }
    match found.faults() {
        0 => Ok(()),
        faults => Err(CommandError::NotAsTold {
            id: args.id.clone(),
            faults,
            alerts: settings.topics.alerts.clone(),
        }),
    }
}

/// The topics of a deployment.
struct Topics<'a> {
    settings: &'a Settings,
    broker: &'a Broker,
}

/// What the alert topic holds.
struct Alerts {
    ends: Ends,
    told: Vec<Told>,
    /// What its records say of time, by input partition; a list for each partition of the topic.
    signs: Signs,
}

/// What the outputs of one crossing say of time.
#[derive(Default)]
struct Signs(BTreeMap<(i32, i32), Vec<Sign>>);

impl Topics<'_> {
    fn alert(&self, id: &str) -> Result<Explanation, CommandError> {
        let (settings, names) = (self.settings, &self.settings.topics);
        let engine = setup::engine(settings);
        let crossing = id.split('.').next().unwrap_or_default();
        let partition = self.partition(id)?;
        let wanted = Wanted::of(id, Partition(partition), engine.network());
        let Some(wanted) = wanted else {
            return Err(self.not_watched(id));
        };
        let group = &settings.kafka.group;
        let committed = whole::committed(self.broker, group, &names.arrivals, partition)?;
        let (counts, mut signs) = self.counts(crossing, engine.network().stream(wanted.stream))?;
        let alerts = self.alerts("alert_id", id, crossing)?;
        signs.join(alerts.signs);
        let idle_close = settings.time.idle_close_secs;
        let quiet = Quiet::new(
            idle_close.map(|secs| i64::from(secs) * 1_000),
            &signs.of(partition),
        );
        let known = self.known(
            &alerts.ends,
            &names.arrivals,
            partition,
            settings.fingerprint(),
        )?;
        let last_told = alerts
            .told
            .iter()
            .filter_map(|told| told.value["source"]["offset"].as_i64());
        let until = committed.map(|next| next.0.max(last_told.max().map_or(0, |last| last + 1)));
        let origin = self.origin(&names.arrivals, settings.fingerprint());
        let mut recomputation =
            Recomputation::new(engine.network(), engine.params(), origin, wanted, quiet);
        let limits = setup::limits(settings);
        let (now, network) = (clock::now(), engine.network());
        self.read_partition(&names.arrivals, partition, until, |record| {
            let (input, _) = record.decode(now, network, &limits);
            recomputation.handle(&input);
        })?;
        Ok(recomputation.explain(id, known, alerts.told, &counts))
    }

    fn incident(&self, id: &str) -> Result<Explanation, CommandError> {
        let (settings, names) = (self.settings, &self.settings.topics);
        let engine = setup::engine(settings);
        let group = format!("{}-region", settings.kafka.group);
        let committed = whole::committed(self.broker, &group, &names.region, 0)?;
        let alerts = self.alerts("incident_id", id, "")?;
        if alerts.told.is_empty() {
            return Err(self.unknown("incident_id", id)?);
        }
        let known = self.known(
            &alerts.ends,
            &names.region,
            0,
            settings.region_fingerprint(),
        )?;
        let last_told = alerts
            .told
            .iter()
            .filter_map(|told| told.value["source"]["offset"].as_i64());
        let until = committed.map(|next| next.0.max(last_told.max().map_or(0, |last| last + 1)));
        let origin = self.origin(&names.region, settings.region_fingerprint());
        let mut recomputation =
            IncidentRecomputation::new(engine.network(), engine.params(), origin, id);
        let mut outcome = Ok(());
        self.read_partition(&names.region, 0, until, |record| {
            if outcome.is_ok() {
                let value = record.value.unwrap_or_default();
                outcome = recomputation.handle(Offset(record.offset), value);
            }
        })?;
        outcome.map_err(|source| ShellError::Snapshot {
            topic: names.region.clone(),
            partition: 0,
            source,
        })?;
        Ok(recomputation.explain(id, known, alerts.told))
    }

    /// The input partition an alert's records name.
    fn partition(&self, id: &str) -> Result<i32, CommandError> {
        let told = self.alerts("alert_id", id, "")?.told;
        let Some(first) = told.first() else {
            return Err(self.unknown("alert_id", id)?);
        };
        let source = &first.value["source"];
        let arrivals = &self.settings.topics.arrivals;
        match (source["topic"].as_str(), source["partition"].as_i64()) {
            (Some(topic), Some(partition)) if topic == arrivals => Ok(partition as i32),
            (topic, _) => Err(CommandError::Usage(format!(
                "{id} was made from topic {}, and these settings read {arrivals}: give the settings of the daemon that made it with --config",
                topic.unwrap_or("(none named)")
            ))),
        }
    }

    /// Reads the alert topic: the records whose `field` is the id, and what all records of a crossing say of time.
    fn alerts(&self, field: &str, id: &str, crossing: &str) -> Result<Alerts, ShellError> {
        let topic = &self.settings.topics.alerts;
        let ends = whole::ends(self.broker, topic)?;
        let (mut told, mut signs) = (Vec::new(), Signs::default());
        whole::read(self.broker, topic, &ends, |record| {
            let value = record.value.unwrap_or_default();
            let Ok(value) = serde_json::from_slice::<Value>(value) else {
                return;
            };
            if value["crossing"] == crossing {
                let time = record.headers.iter().find(|(name, _)| *name == "ce_time");
                let time = time.and_then(|(_, time)| std::str::from_utf8(time).ok());
                signs.add(record.partition, &value, time);
            }
            if value[field] == id {
                let headers = record.headers.iter();
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                told.push(Told {
                    partition: record.partition,
                    offset: record.offset,
                    headers: headers.map(|(k, v)| ((*k).to_owned(), text(v))).collect(),
                    value,
                });
            }
        })?;
        Ok(Alerts { ends, told, signs })
    }

    /// Reads the counts topic: the records of a series, and what all records of its crossing say of time.
    fn counts(&self, crossing: &str, stream: &str) -> Result<(Counts, Signs), ShellError> {
        let topic = &self.settings.topics.counts;
        let ends = whole::ends(self.broker, topic)?;
        let are_whole = ends.values().all(|(first, _)| *first == 0);
        let (mut counts, mut signs) = (Counts::new(are_whole), Signs::default());
        whole::read(self.broker, topic, &ends, |record| {
            if record.key != Some(crossing.as_bytes()) {
                return;
            }
            let value = record.value.unwrap_or_default();
            let Ok(value) = serde_json::from_slice::<Value>(value) else {
                return;
            };
            signs.add(record.partition, &value, None);
            if value["stream"] == stream {
                counts.add(value);
            }
        })?;
        Ok((counts, signs))
    }

    /// Reads a partition of an input up to an offset, or to its end.
    fn read_partition(
        &self,
        topic: &str,
        partition: i32,
        until: Option<i64>,
        mut each: impl FnMut(&Incoming<'_>),
    ) -> Result<(), ShellError> {
        let mut ends = whole::ends(self.broker, topic)?;
        ends.retain(|number, _| *number == partition);
        let span = ends.get_mut(&partition);
        let length = span.map_or(0, |(first, end)| {
            *end = until.map_or(*end, |until| until.min(*end));
            *end - *first
        });
        let bar = progress(usize::try_from(length).unwrap_or(0));
        whole::read(self.broker, topic, &ends, |record| {
            bar.inc(1);
            each(record);
        })?;
        bar.finish_and_clear();
        Ok(())
    }

    fn known(
        &self,
        alerts: &Ends,
        input: &str,
        partition: i32,
        made_with: Fingerprint,
    ) -> Result<Known, ShellError> {
        let ends = whole::ends(self.broker, input)?;
        let first = ends.get(&partition).map(|(first, _)| *first);
        let first = first.ok_or_else(|| ShellError::Topics {
            problems: vec![format!(
                "topic {input} has no partition {partition}, which the records name: it was made anew with fewer"
            )],
        })?;
        Ok(Known {
            alerts: self.settings.topics.alerts.clone(),
            alerts_are_whole: alerts.values().all(|(first, _)| *first == 0),
            input: input.to_owned(),
            partition,
            first,
            config: made_with.to_string(),
        })
    }

    fn origin(&self, input: &str, made_with: Fingerprint) -> Origin {
        Origin {
            topic: input.to_owned(),
            config: made_with.to_string(),
        }
    }

    fn not_watched(&self, id: &str) -> CommandError {
        CommandError::NotWatched(format!(
            "{id} is on {} and its crossing or stream is not watched by these settings: give the settings of the daemon that made it with --config",
            self.settings.topics.alerts
        ))
    }

    /// The topic has no such id: what it has instead, those of the same crossing first.
    fn unknown(&self, field: &str, id: &str) -> Result<CommandError, ShellError> {
        let topic = &self.settings.topics.alerts;
        let ends = whole::ends(self.broker, topic)?;
        let mut ids: BTreeSet<(bool, String)> = BTreeSet::new();
        let mut incidents: BTreeSet<String> = BTreeSet::new();
        let crossing = id.split('.').next().unwrap_or_default();
        whole::read(self.broker, topic, &ends, |record| {
            let value = record.value.unwrap_or_default();
            let value = serde_json::from_slice::<Value>(value).unwrap_or_default();
            if let Some(there) = value[field].as_str() {
                let is_elsewhere = there.split('.').next() != Some(crossing);
                ids.insert((is_elsewhere, there.to_owned()));
            }
            if tells_of_group(&value, id) {
                incidents.extend(value["incident_id"].as_str().map(str::to_owned));
            }
        })?;
        if !incidents.is_empty() {
            let incidents: Vec<String> = incidents.into_iter().take(LISTED).collect();
            return Ok(CommandError::Usage(format!(
                "`{id}` names a group of crossings, whose alerts have no id of their own: what is told of a group is told and recomputed in its incident; ask for\n  {}",
                incidents.join("\n  ")
            )));
        }
        let what = if field == "alert_id" {
            "alert"
        } else {
            "incident"
        };
        let listed: Vec<&str> = ids.iter().take(LISTED).map(|(_, id)| id.as_str()).collect();
        let more = match ids.len().saturating_sub(LISTED) {
            0 => String::new(),
            more => format!("\n  and {more} more"),
        };
        let there = if listed.is_empty() {
            format!("it has no {what} yet")
        } else {
            format!("it has\n  {}{more}", listed.join("\n  "))
        };
        Ok(CommandError::Usage(format!(
            "no {what} `{id}` is on {topic}; {there}"
        )))
    }
}

/// Whether an incident's record tells of a group that is named in an id: a corridor, a country, or the whole network.
fn tells_of_group(record: &Value, id: &str) -> bool {
    let mut groups = record["groups"].as_array().into_iter().flatten();
    groups.any(|group| {
        let name = group["name"].as_str().filter(|name| !name.is_empty());
        let name = name.or(group["level"].as_str());
        id.split('.').any(|part| Some(part) == name)
    })
}

impl Signs {
    /// `time` is the record's event time to the millisecond, where its headers have it: its JSON has seconds.
    fn add(&mut self, partition: i32, record: &Value, time: Option<&str>) {
        let source = &record["source"];
        let time = time.or(record["as_of"].as_str());
        let as_of: Option<jiff::Timestamp> = time.and_then(|text| text.parse().ok());
        if let (Some(input), Some(as_of)) = (source["partition"].as_i64(), as_of) {
            let list = self.0.entry((input as i32, partition)).or_default();
            list.push(Sign {
                offset: source["offset"].as_i64().map(Offset),
                as_of: EventTime(as_of.as_millisecond()),
            });
        }
    }

    /// Those of another topic.
    fn join(&mut self, other: Self) {
        // Partitions of topics are told apart by what no partition has.
        let apart = other
            .0
            .into_iter()
            .map(|((input, at), list)| ((input, -1 - at), list));
        self.0.extend(apart);
    }

    fn of(&self, input: i32) -> Vec<Vec<Sign>> {
        let lists = self.0.iter().filter(|((of, _), _)| *of == input);
        lists.map(|(_, list)| list.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_group_is_known_by_its_name_and_the_whole_network_by_its_level() {
        let record = json!({
            "incident_id": "incident.fi-ru.asylum.surge.2023-11-13",
            "groups": [{"level": "corridor", "name": "fi-ru"}, {"level": "network", "name": ""}],
        });
        for (id, is_told) in [
            ("fi-ru.asylum.surge.2023-11-13", true),
            ("corridor.fi-ru", true),
            ("network.asylum.surge.2023-11-13", true),
            ("fi-vartius.asylum.surge.2023-11-16", false),
            ("no-ru", false),
            ("", false),
        ] {
            assert_eq!(tells_of_group(&record, id), is_told, "{id}");
        }
        assert!(!tells_of_group(&json!({"alert_id": "fi-ru"}), "fi-ru"));
    }
}
