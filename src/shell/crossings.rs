//! Owns the crossings' stage: arrivals and other events in, counts, alerts and notices out, and all of these handed on to the
//! region's stage.

use super::committer::Committer;
use super::error::ShellError;
use super::metrics::Metrics;
use super::outbox::{Outbox, Told};
use super::source::Incoming;
use super::stage::Stage;
use crate::core::crossing::Outcome;
use crate::core::engine::Engine;
use crate::core::event::Kind;
use crate::core::ids::{NextOffset, Partition};
use crate::core::region::log::Mark;
use crate::core::snapshot::{ChangelogRecord, SnapshotError};
use crate::core::time::{EventTime, WallTime};
use crate::wire::decode::Limits;

/// The stage.
pub struct Crossings {
    engine: Engine,
    outbox: Outbox,
    metrics: Metrics,
    /// Topic of the arrivals.
    input: String,
    limits: Limits,
}

impl Crossings {
    /// A stage without partitions.
    #[must_use]
    pub fn new(
        engine: Engine,
        outbox: Outbox,
        metrics: Metrics,
        input: String,
        limits: Limits,
    ) -> Self {
        Self {
            engine,
            outbox,
            metrics,
            input,
            limits,
        }
    }
}

impl Stage for Crossings {
    type Told = Vec<Told>;

    fn assign(
        &mut self,
        partition: Partition,
        changelog: Vec<ChangelogRecord>,
    ) -> Result<Option<NextOffset>, SnapshotError> {
        let meta = self.engine.assign(partition, changelog)?;
        Ok(meta.and_then(|m| m.next))
    }

    fn revoke_all(&mut self) {
        self.engine.revoke_all();
        self.outbox.clear();
    }

    fn handle(
        &mut self,
        record: &Incoming<'_>,
        now: WallTime,
        to: &Committer,
    ) -> Result<(), ShellError> {
        let (input, detail) = record.decode(now, self.engine.network(), &self.limits);
        let outbox = &mut self.outbox;
        let handled = self
            .engine
            .handle(Partition(record.partition), &input, &mut |output| {
                outbox.put(&output, to);
            });
        let outcome = handled.map_err(|source| ShellError::BadInput {
            topic: self.input.clone(),
            partition: record.partition,
            offset: record.offset,
            source,
        })?;
        if let Ok(event) = &input.event {
            self.metrics.on_event(event.crossing, event.time.0);
            if let (Outcome::Applied, Kind::Arrival { stream, count }) = (outcome, &event.kind) {
                self.metrics.on_arrival(event.crossing, *stream, *count);
            }
        }
        if let Outcome::Rejected(reason) = outcome {
            self.outbox.put_dead_letter(record, reason, &detail, to);
        }
        Ok(())
    }

    fn drain_changes(&mut self, partition: Partition) -> Vec<ChangelogRecord> {
        self.engine.drain_changes(partition)
    }

    fn is_urgent(&self) -> bool {
        self.outbox.is_urgent()
    }

    fn hand_over(&mut self) -> Vec<Told> {
        self.outbox.hand_over()
    }

    fn committed(&mut self, told: Vec<Told>, at: WallTime) {
        for told in &told {
            let transition = told.transition.label();
            tracing::info!(event = "alert", alert = %told.alert, transition);
        }
        self.metrics.on_told(&told, at);
    }

    fn consumed(&self) -> u64 {
        self.engine.tally().consumed
    }

    fn handed_on(&self) -> u64 {
        self.outbox.handed_on()
    }

    fn watermark(&self, partition: Partition) -> Option<EventTime> {
        self.engine.watermark(partition)
    }

    fn pass_time(&mut self, partition: Partition, until: EventTime, to: &Committer) -> bool {
        let outbox = &mut self.outbox;
        let before = outbox.count();
        self.engine.pass_time(partition, until, &mut |output| {
            outbox.put(&output, to);
        });
        self.outbox.count() > before
    }

    fn marks(&self) -> bool {
        true
    }

    fn mark(&mut self, mark: Mark, to: &Committer) {
        self.outbox.put_mark(mark, to);
    }

    fn refresh(&self) {
        self.metrics.refresh(&self.engine);
    }
}
