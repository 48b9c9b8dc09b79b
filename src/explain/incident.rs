//! Owns the recomputation of an incident: the region's log goes through a fresh machine of the region.

use super::recompute::Change;
use crate::core::episode::Families;
use crate::core::ids::Offset;
use crate::core::network::Network;
use crate::core::params::Params;
use crate::core::region::machine::{RegionMachine, RegionOutput};
use crate::core::snapshot::SnapshotError;
use crate::wire::encode::Origin;
use crate::wire::region;
use std::sync::Arc;

/// A recomputation on its way.
pub struct IncidentRecomputation {
    machine: RegionMachine,
    network: Arc<Network>,
    families: Arc<Families>,
    origin: Origin,
    id: String,
    changes: Vec<Change>,
    records: u64,
}

impl IncidentRecomputation {
    /// A machine that knows nothing; `origin` names the region's log.
    #[must_use]
    pub fn new(network: &Arc<Network>, params: &Params, origin: Origin, id: &str) -> Self {
        Self {
            machine: RegionMachine::new(Arc::clone(network), params.clone(), 0),
            network: Arc::clone(network),
            families: Arc::clone(&params.families),
            origin,
            id: id.to_owned(),
            changes: Vec::new(),
            records: 0,
        }
    }

    /// Handles the next record of the region's log.
    ///
    /// # Errors
    /// The record is damaged or of another version.
    pub fn handle(&mut self, offset: Offset, value: &[u8]) -> Result<(), SnapshotError> {
        self.records += 1;
        let both = (self.network.as_ref(), self.families.as_ref());
        let (origin, id, changes) = (&self.origin, &self.id, &mut self.changes);
        self.machine.handle(offset, value, &mut |output| {
            let RegionOutput::Incident {
                told,
                severity,
                source,
            } = output
            else {
                return;
            };
            let encoded = region::incident(both, &told, severity, &source, origin);
            if encoded.key == *id {
                changes.push(Change::of(&encoded, None, Vec::new()));
            }
        })
    }

    /// The changes of the incident, and how many records they follow from.
    pub(super) fn end(self) -> (Vec<Change>, u64) {
        (self.changes, self.records)
    }
}
