//! Owns what a worker needs of its machine: the same loop, commits and restores carry the crossings' stage and the region's.

use super::committer::Committer;
use super::error::ShellError;
use super::source::Incoming;
use crate::core::ids::{NextOffset, Partition};
use crate::core::region::log::Mark;
use crate::core::snapshot::{ChangelogRecord, SnapshotError};
use crate::core::time::{EventTime, WallTime};

/// A pure machine with its way in and out.
pub trait Stage {
    /// What a commit makes known when it is durable.
    type Told;

    /// Takes a partition on with what its changelog holds, and returns the offset that reflects.
    ///
    /// # Errors
    /// The changelog cannot be read.
    fn assign(
        &mut self,
        partition: Partition,
        changelog: Vec<ChangelogRecord>,
    ) -> Result<Option<NextOffset>, SnapshotError>;

    /// Gives every partition up, with what was put out since the last commit.
    fn revoke_all(&mut self);

    /// Handles one record and writes what comes out.
    ///
    /// # Errors
    /// The record must not be passed over.
    fn handle(
        &mut self,
        record: &Incoming<'_>,
        now: WallTime,
        to: &Committer,
    ) -> Result<(), ShellError>;

    /// The changelog records that make the changes of a partition since the last call durable.
    fn drain_changes(&mut self, partition: Partition) -> Vec<ChangelogRecord>;

    /// Whether what was put out must not wait for the end of the interval.
    fn is_urgent(&self) -> bool;

    /// The commit of everything put out so far was ordered: what it will make known.
    fn hand_over(&mut self) -> Self::Told;

    /// It is durable since `at`.
    fn committed(&mut self, told: Self::Told, at: WallTime);

    /// Records handled since the start of the process.
    fn consumed(&self) -> u64;

    /// Records handed on to the next stage since the start of the process.
    fn handed_on(&self) -> u64 {
        0
    }

    /// The watermark of a partition, where the stage follows event time by partition.
    fn watermark(&self, _: Partition) -> Option<EventTime> {
        None
    }

    /// Event time has passed up to `until` in a partition without records. Returns whether anything came of it.
    fn pass_time(&mut self, _: Partition, _: EventTime, _: &Committer) -> bool {
        false
    }

    /// Whether the next stage is told how far partitions are read.
    fn marks(&self) -> bool {
        false
    }

    /// Tells the next stage how far a partition was read.
    fn mark(&mut self, _: Mark, _: &Committer) {}

    /// Brings the gauges up to date.
    fn refresh(&self);
}
