//! Owns the machine: the partitions it was given, what goes in and what comes out.
//!
//! Records go in with their offset and the time they carry; count records and alert transitions come out through a callback,
//! in an order that depends on the records alone. State leaves as changelog records and comes back from them.

use super::crossing::Outcome;
use super::ids::Partition;
use super::intake::BudgetSpent;
use super::network::Network;
use super::output::Output;
use super::params::Params;
use super::partition::{Input, PartitionState, Shared};
use super::snapshot::{self, ChangelogRecord, Meta, SnapshotError};
use super::tally::Tally;
use super::time::EventTime;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The machine.
pub struct Engine {
    network: Arc<Network>,
    params: Params,
    config_hash: u64,
    partitions: BTreeMap<Partition, PartitionState>,
    tally: Tally,
}

impl Engine {
    /// A machine without partitions. `config_hash` names the settings in the changelog.
    #[must_use]
    pub fn new(network: Arc<Network>, params: Params, config_hash: u64) -> Self {
        Self {
            network,
            params,
            config_hash,
            partitions: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    /// Takes a partition on with what its changelog holds, oldest record first. An empty changelog is a fresh partition.
    ///
    /// # Errors
    /// [`SnapshotError`] when a record cannot be read or is of another schema version.
    pub fn assign(
        &mut self,
        partition: Partition,
        changelog: impl IntoIterator<Item = ChangelogRecord>,
    ) -> Result<Option<Meta>, SnapshotError> {
        let (state, meta) = snapshot::restore(partition, changelog, &self.network, &self.params)?;
        self.partitions.insert(partition, state);
        Ok(meta)
    }

    /// Gives every partition up.
    pub fn revoke_all(&mut self) {
        self.partitions.clear();
    }

    /// Handles one record of an assigned partition.
    ///
    /// # Errors
    /// [`BudgetSpent`] when too many records of late could not be used; nothing changed then.
    pub fn handle(
        &mut self,
        partition: Partition,
        input: &Input,
        out: &mut dyn FnMut(Output),
    ) -> Result<Outcome, BudgetSpent> {
        let state = self
            .partitions
            .get_mut(&partition)
            .expect("records come from assigned partitions only");
        let mut shared = Shared {
            network: &self.network,
            params: &self.params,
            tally: &mut self.tally,
            out,
        };
        state.handle(input, &mut shared)
    }

    /// Moves the watermark of a partition that was read to its end: nothing was said up to `until`.
    pub fn pass_time(
        &mut self,
        partition: Partition,
        until: EventTime,
        out: &mut dyn FnMut(Output),
    ) {
        if let Some(state) = self.partitions.get_mut(&partition) {
            let mut shared = Shared {
                network: &self.network,
                params: &self.params,
                tally: &mut self.tally,
                out,
            };
            state.pass_time(until, &mut shared);
        }
    }

    /// The watermark of an assigned partition in which an event was read.
    #[must_use]
    pub fn watermark(&self, partition: Partition) -> Option<EventTime> {
        let state = self.partitions.get(&partition)?;
        (state.watermark > EventTime::MIN).then_some(state.watermark)
    }

    /// The changelog records that make the changes since the last call durable, one `__meta` record last; empty where nothing
    /// was read and nothing changed.
    pub fn drain_changes(&mut self, partition: Partition) -> Vec<ChangelogRecord> {
        match self.partitions.get_mut(&partition) {
            Some(state) => snapshot::drain_changes(state, &self.network, self.config_hash),
            None => Vec::new(),
        }
    }

    /// The assigned partitions, in order.
    pub fn partitions(&self) -> impl Iterator<Item = &PartitionState> {
        self.partitions.values()
    }

    /// The counters.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The border.
    #[must_use]
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// The settings.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }
}
