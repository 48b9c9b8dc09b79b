//! Owns the region's stage: the log of what the crossings' stage handed on in; incidents out, whole and by country, and the end
//! of what the topic of states has kept long enough.

use super::committer::Committer;
use super::error::ShellError;
use super::outbox::record;
use super::region_metrics::RegionMetrics;
use super::router::Router;
use super::source::Incoming;
use super::stage::Stage;
use super::transaction::Outgoing;
use crate::config::Topics;
use crate::core::ids::{NextOffset, Offset, Partition};
use crate::core::region::machine::{IncidentTransition, RegionMachine, RegionOutput};
use crate::core::snapshot::{ChangelogRecord, SnapshotError};
use crate::core::time::WallTime;
use crate::wire::encode::Origin;
use crate::wire::region;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The stage.
pub struct RegionStage {
    machine: RegionMachine,
    metrics: RegionMetrics,
    origin: Origin,
    alerts: Arc<str>,
    alerts_state: Arc<str>,
    /// Topic of each country.
    incidents: BTreeMap<String, Arc<str>>,
    router: Router,
    told: Vec<ToldIncident>,
}

/// A change that a commit makes known.
pub struct ToldIncident {
    incident: String,
    transition: IncidentTransition,
}

impl RegionStage {
    /// A stage without its partition. `config_hash` is the fingerprint that every record names.
    #[must_use]
    pub fn new(
        machine: RegionMachine,
        metrics: RegionMetrics,
        topics: &Topics,
        config_hash: &str,
    ) -> Self {
        let incidents = topics.incidents.iter();
        Self {
            machine,
            metrics,
            origin: Origin {
                topic: topics.region.clone(),
                config: config_hash.to_owned(),
            },
            alerts: topics.alerts.as_str().into(),
            alerts_state: topics.alerts_state.as_str().into(),
            incidents: incidents
                .map(|(country, topic)| (country.clone(), topic.as_str().into()))
                .collect(),
            router: Router::new(&topics.routes),
            told: Vec::new(),
        }
    }

    fn put(&mut self, output: &RegionOutput, to: &Committer) {
        match output {
            RegionOutput::Retired { key } => to.write(Outgoing {
                topic: Arc::clone(&self.alerts_state),
                partition: None,
                key: Some(key.clone().into_bytes()),
                value: None,
                headers: Vec::new(),
            }),
            RegionOutput::Incident {
                told,
                severity,
                source,
            } => {
                let network = self.machine.network();
                let both = (network.as_ref(), self.machine.families());
                let whole = region::incident(both, told, *severity, source, &self.origin);
                for (country, part) in region::slices(both, told, *severity, source, &self.origin) {
                    if let Some(topic) = self.incidents.get(&country) {
                        to.write(record(topic, part));
                    }
                }
                self.told.push(ToldIncident {
                    incident: whole.key.clone(),
                    transition: IncidentTransition::of(told),
                });
                for audience in self.router.incident_topics(told, *severity, network) {
                    to.write(record(&audience, whole.clone()));
                }
                to.write(record(&self.alerts, whole.clone()));
                to.write(record(&self.alerts_state, whole));
            }
        }
    }
}

impl Stage for RegionStage {
    type Told = Vec<ToldIncident>;

    fn assign(
        &mut self,
        _: Partition,
        changelog: Vec<ChangelogRecord>,
    ) -> Result<Option<NextOffset>, SnapshotError> {
        self.machine.restore(changelog)
    }

    fn revoke_all(&mut self) {
        self.machine.forget();
        self.told.clear();
    }

    fn handle(
        &mut self,
        record: &Incoming<'_>,
        _: WallTime,
        to: &Committer,
    ) -> Result<(), ShellError> {
        let mut outputs = Vec::new();
        let value = record.value.unwrap_or_default();
        self.machine
            .handle(Offset(record.offset), value, &mut |output| {
                outputs.push(output);
            })
            .map_err(|source| ShellError::Snapshot {
                topic: self.origin.topic.clone(),
                partition: record.partition,
                source,
            })?;
        for output in &outputs {
            self.put(output, to);
        }
        Ok(())
    }

    fn drain_changes(&mut self, _: Partition) -> Vec<ChangelogRecord> {
        self.machine.drain_changes()
    }

    fn is_urgent(&self) -> bool {
        !self.told.is_empty()
    }

    fn hand_over(&mut self) -> Vec<ToldIncident> {
        std::mem::take(&mut self.told)
    }

    fn committed(&mut self, told: Vec<ToldIncident>, _: WallTime) {
        for ToldIncident {
            incident,
            transition,
        } in told
        {
            let transition = transition.label();
            tracing::info!(event = "incident", %incident, transition);
        }
    }

    fn consumed(&self) -> u64 {
        self.machine.tally().consumed
    }

    fn refresh(&self) {
        self.metrics.refresh(&self.machine);
    }
}
