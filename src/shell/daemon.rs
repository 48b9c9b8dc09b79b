//! Owns the worker: one consumer, one machine, one loop that decides everything, and a thread that writes what it is told.
//!
//! A turn takes a batch of records, lets the machine handle them one by one, hands on what comes out, and orders the commit of
//! outputs, changelog and offsets together when the interval is over, or at once when an alert opened. Whatever goes wrong ends
//! in the same place: the transaction is aborted and state is restored as of the last commit.

use super::client::{Broker, GroupEvent, Membership, WorkerContext, offsets};
use super::clock;
use super::committer::{Committer, Report};
use super::error::ShellError;
use super::health::Phase;
use super::http::Board;
use super::loop_metrics::LoopMetrics;
use super::progress::Progress;
use super::restore;
use super::source::{Incoming, Source, Taken};
use super::stage::Stage;
use super::state_size::StateSize;
use super::transaction::{Failure, Outgoing, Transactions, code};
use crate::core::ids::{NextOffset, Offset, Partition};
use crate::core::region::log::Mark;
use crate::core::snapshot::ChangelogRecord;
use crate::core::time::WallTime;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What a worker is told.
#[derive(Clone)]
pub struct WorkerOptions {
    /// Brokers.
    pub broker: Broker,
    /// Group and instance.
    pub member: Membership,
    /// Topic it reads.
    pub input: String,
    /// Topic that keeps the machine's state.
    pub changelog: String,
    /// Longest time between a record and the commit of its effects.
    pub commit_interval: Duration,
    /// Time after which a partition read to its end has its buckets closed by the wall clock; never where absent.
    pub idle_close: Option<Duration>,
}

/// One worker.
pub struct Worker<S: Stage> {
    options: WorkerOptions,
    consumer: Arc<BaseConsumer<WorkerContext>>,
    committer: Committer,
    stage: S,
    changelog: Arc<str>,
    in_flight: Option<InFlight<S::Told>>,
    metrics: LoopMetrics,
    board: Arc<Board>,
    member: Option<Arc<ConsumerGroupMetadata>>,
    assigned: Vec<i32>,
    progress: BTreeMap<i32, Progress>,
    forward_due: bool,
    dirty_since: Option<Instant>,
    reload_due: bool,
    size: StateSize,
    failures_in_a_row: u32,
    ticked: Instant,
}

/// The wall clock and the steady one, read once for a batch.
type Now = (WallTime, Instant);

/// What a commit on its way makes known when it is durable.
struct InFlight<T> {
    told: T,
    consumed: u64,
    handed_on: u64,
}

/// Records handled between two looks at the clock.
const RECORDS_PER_LOOK: usize = 32;
/// Failed commits in a row after which the process gives up; a supervisor starts it anew.
const MAX_FAILURES: u32 = 20;
/// Longest wait for records or group events; a request for metrics is answered within it.
const IDLE_WAIT: Duration = Duration::from_millis(50);
/// How often the probes are told and silent partitions looked at.
const TICK: Duration = Duration::from_millis(500);
/// Patience with the brokers at the start and when a producer must be replaced.
const PATIENCE: Duration = Duration::from_secs(30);

impl<S: Stage> Worker<S> {
    /// Connects, fences earlier producers of this instance, joins the group.
    ///
    /// # Errors
    /// See [`ShellError`].
    pub fn start(
        options: WorkerOptions,
        stage: S,
        metrics: LoopMetrics,
        board: Arc<Board>,
    ) -> Result<Self, ShellError> {
        let transactions = Transactions::start(&options.broker, &options.member, PATIENCE)?;
        let consumer = options
            .broker
            .worker_consumer(&options.member)
            .map_err(|source| ShellError::Client { source })?;
        consumer
            .subscribe(&[&options.input])
            .map_err(|source| ShellError::Kafka {
                doing: "subscribing",
                source,
            })?;
        Ok(Self {
            changelog: options.changelog.as_str().into(),
            options,
            consumer: Arc::new(consumer),
            committer: Committer::start(transactions),
            stage,
            in_flight: None,
            metrics,
            board,
            member: None,
            assigned: Vec::new(),
            progress: BTreeMap::new(),
            forward_due: false,
            dirty_since: None,
            reload_due: false,
            size: StateSize::default(),
            failures_in_a_row: 0,
            ticked: Instant::now(),
        })
    }

    /// Turns until told to stop; then commits what is open and leaves the group.
    ///
    /// # Errors
    /// What a supervisor must know of; everything committed stays committed.
    pub fn run(&mut self, stop: &AtomicBool) -> Result<(), ShellError> {
        let mut source = Source::new(&self.consumer, &self.options.input);
        let ended = loop {
            if stop.load(Ordering::Relaxed) {
                break Ok(());
            }
            if let Err(error) = self.turn(&mut source) {
                break Err(error);
            }
        };
        if let Err(error) = self.commit_and_wait() {
            tracing::warn!(event = "last_commit_failed", %error);
        }
        self.board.health.set_phase(Phase::Stopping);
        self.consumer
            .context()
            .closing
            .store(true, Ordering::SeqCst);
        ended
    }

    fn turn(&mut self, source: &mut Source) -> Result<(), ShellError> {
        if let Some(report) = self.committer.poll() {
            self.reported(report)?;
        }
        self.listen(source)?;
        while let Some(event) = self.consumer.context().next_event() {
            self.group_changed(event)?;
        }
        if self.reload_due {
            self.reload()?;
        }
        if !self.assigned.is_empty() && !self.reload_due {
            if std::mem::take(&mut self.forward_due) {
                source.forward(&self.assigned);
                // What came elsewhere goes first: after a newer record it would be taken for one that was read already, and lost.
                self.listen(source)?;
            }
            self.read(source)?;
        }
        if self.commit_is_due() {
            self.commit()?;
        }
        if self.ticked.elapsed() >= TICK {
            self.tick();
        }
        let board = Arc::clone(&self.board);
        board.refresh(|| self.refresh_metrics());
        Ok(())
    }

    /// Empties the consumer's main queue: group events, errors, and records that came before they were led elsewhere.
    fn listen(&mut self, source: &Source) -> Result<(), ShellError> {
        let idle = self.assigned.is_empty();
        let mut wait = if idle { IDLE_WAIT } else { Duration::ZERO };
        let consumer = Arc::clone(&self.consumer);
        loop {
            let taken = consumer.poll(wait);
            let now = (clock::now(), Instant::now());
            match &taken {
                Some(Ok(message)) => self.take(&Taken::Record(Incoming::from(message)), now)?,
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.take(&Taken::End(*partition), now)?
                }
                Some(Err(error)) => self.take(&Taken::Failed(error.clone()), now)?,
                // A poll ends at the first event that is no record, whatever comes after it.
                None if source.main_holds_any() => {}
                None => return Ok(()),
            }
            wait = Duration::ZERO;
        }
    }

    /// Takes a batch and handles it, with commits in between where they are due.
    fn read(&mut self, source: &mut Source) -> Result<(), ShellError> {
        let wait = match self.dirty_since {
            Some(since) => self.options.commit_interval.saturating_sub(since.elapsed()),
            None => IDLE_WAIT,
        };
        let taken = source.fill(wait.min(IDLE_WAIT));
        let now = (clock::now(), Instant::now());
        for index in 0..taken {
            self.take(&source.get(index), now)?;
            let is_look = index % RECORDS_PER_LOOK == RECORDS_PER_LOOK - 1;
            if self.stage.is_urgent() || (is_look && self.commit_is_due()) {
                self.commit()?;
            }
            // What is left of the batch belongs to a state that was given up.
            if self.reload_due {
                break;
            }
        }
        self.forward_due = taken == 0 && wait >= IDLE_WAIT;
        Ok(())
    }

    fn commit_is_due(&self) -> bool {
        let over = |since: Instant| since.elapsed() >= self.options.commit_interval;
        self.stage.is_urgent() || self.dirty_since.is_some_and(over)
    }

    fn take(&mut self, taken: &Taken<'_>, now: Now) -> Result<(), ShellError> {
        match taken {
            Taken::Record(record) => self.handle(record, now),
            Taken::End(partition) => {
                if let Some(progress) = self.progress.get_mut(partition) {
                    progress.ended();
                }
                Ok(())
            }
            // The records at this offset are gone: a restore finds out whether retention took them or the topic is another.
            Taken::Failed(error) if code(error) == Some(RDKafkaErrorCode::AutoOffsetReset) => {
                tracing::warn!(event = "offset_out_of_range", %error);
                self.abort()?;
                self.give_up_partitions();
                self.reload_due = !self.assigned.is_empty();
                Ok(())
            }
            Taken::Failed(error) => consume_failed(error, &self.options.broker),
        }
    }

    fn handle(&mut self, record: &Incoming<'_>, now: Now) -> Result<(), ShellError> {
        let (partition, offset) = (record.partition, record.offset);
        let Some(progress) = self.progress.get_mut(&partition) else {
            return Ok(());
        };
        let next = progress.next.0;
        if offset < next {
            let note = "the client led it here after a newer one; if it was not counted before, it is missing";
            tracing::error!(event = "record_out_of_order", partition, offset, next, note);
            return Ok(());
        }
        self.stage.handle(record, now.0, &self.committer)?;
        progress.took(Offset(offset).next(), now.1);
        self.dirty_since.get_or_insert_with(Instant::now);
        Ok(())
    }

    fn group_changed(&mut self, event: GroupEvent) -> Result<(), ShellError> {
        match event {
            GroupEvent::Assigned(partitions, member) => {
                self.metrics.rebalances.inc();
                self.assigned = partitions
                    .elements()
                    .iter()
                    .map(|e| e.partition())
                    .collect();
                self.member = member.map(Arc::new);
                tracing::info!(event = "partitions_assigned", partitions = %shown(&self.assigned));
                self.reload()
            }
            GroupEvent::Revoked { lost } => {
                tracing::info!(event = "partitions_revoked", partitions = %shown(&self.assigned), lost);
                if lost {
                    self.abort()?;
                } else {
                    self.commit_and_wait()?;
                }
                self.give_up_partitions();
                self.assigned.clear();
                self.reload_due = false;
                self.consumer
                    .unassign()
                    .map_err(|source| ShellError::Kafka {
                        doing: "giving partitions back",
                        source,
                    })
            }
            GroupEvent::Failed(reason) => {
                tracing::warn!(event = "group_error", reason);
                Ok(())
            }
        }
    }

    /// Restores every assigned partition as of the last commit and goes on from there.
    fn reload(&mut self) -> Result<(), ShellError> {
        self.reload_due = false;
        self.give_up_partitions();
        self.board.health.set_phase(Phase::Restoring);
        let begun = Instant::now();
        let restored = restore::restore(
            &self.options.broker,
            &self.consumer,
            &self.options.input,
            &self.options.changelog,
            &self.assigned,
            &mut self.stage,
            &|remaining| self.metrics.on_restoring(remaining, &self.board),
        )?;
        let Some((starts, done)) = restored else {
            tracing::warn!(event = "restore_overtaken");
            self.give_up_partitions();
            self.reload_due = true;
            return Ok(());
        };
        self.size = done.size;
        let mut list = TopicPartitionList::new();
        for &(partition, next) in &starts {
            let from = next.map_or(rdkafka::Offset::Beginning, |n| rdkafka::Offset::Offset(n.0));
            list.add_partition_offset(&self.options.input, partition, from)
                .expect("a plain offset is always accepted");
            let next = next.unwrap_or(NextOffset(0));
            let progress = Progress::restored(next, Instant::now());
            self.progress.insert(partition, progress);
        }
        // Before anything comes out: whoever reads on after a pause must not be taken for the only one.
        self.mark();
        self.consumer
            .assign(&list)
            .map_err(|source| ShellError::Kafka {
                doing: "taking partitions on",
                source,
            })?;
        self.forward_due = true;
        self.metrics.on_restore(done.records, begun.elapsed());
        self.metrics
            .partitions_assigned
            .set(self.assigned.len() as i64);
        self.board.health.set_phase(Phase::Ready);
        tracing::info!(
            event = "restored",
            partitions = self.assigned.len(),
            records = done.records,
            took_ms = begun.elapsed().as_millis() as u64
        );
        Ok(())
    }

    fn give_up_partitions(&mut self) {
        self.board.health.set_phase(Phase::Waiting);
        self.stage.revoke_all();
        self.progress.clear();
        self.in_flight = None;
        self.dirty_since = None;
        self.size = StateSize::default();
        self.metrics.partitions_assigned.set(0);
    }

    /// Orders the commit of everything handled, once the one before it is durable.
    fn commit(&mut self) -> Result<(), ShellError> {
        if let Some(report) = self.committer.wait() {
            self.reported(report)?;
        }
        if self.dirty_since.is_none() {
            return Ok(());
        }
        self.mark();
        self.dirty_since = None;
        let mut read = Vec::new();
        for (&partition, progress) in &mut self.progress {
            if !std::mem::take(&mut progress.touched) {
                continue;
            }
            for record in self.stage.drain_changes(Partition(partition)) {
                self.size.note(partition, &record);
                let record = changelog_record(&self.changelog, partition, record);
                self.committer.write(record);
            }
            if progress.next.0 > 0 {
                read.push((partition, progress.next));
            }
        }
        let read = offsets(&self.options.input, read);
        let member = self
            .member
            .as_ref()
            .expect("records come only after an assignment");
        self.committer.commit(read, Arc::clone(member));
        self.in_flight = Some(InFlight {
            told: self.stage.hand_over(),
            consumed: self.stage.consumed(),
            handed_on: self.stage.handed_on(),
        });
        Ok(())
    }

    fn commit_and_wait(&mut self) -> Result<(), ShellError> {
        self.commit()?;
        match self.committer.wait() {
            Some(report) => self.reported(report),
            None => Ok(()),
        }
    }

    fn reported(&mut self, report: Report) -> Result<(), ShellError> {
        match report {
            Report::Failed(failure) => self.recover(failure),
            Report::Committed { at, took } => {
                self.failures_in_a_row = 0;
                self.metrics.on_transaction(true, took);
                if let Some(commit) = self.in_flight.take() {
                    self.stage.committed(commit.told, at);
                    self.board.set_committed(commit.consumed, commit.handed_on);
                }
                Ok(())
            }
        }
    }

    fn abort(&mut self) -> Result<(), ShellError> {
        if let Some(report @ Report::Committed { .. }) = self.committer.wait() {
            self.reported(report)?;
        }
        match self.committer.abort() {
            Ok(was_open) => {
                if was_open {
                    self.metrics.on_transaction(false, Duration::ZERO);
                }
                Ok(())
            }
            Err((doing, error)) => self.replace_producer(doing, error),
        }
    }

    /// One way back from every failure: abort, or a new producer where the old one is spent; then restore.
    fn recover(&mut self, failure: Failure) -> Result<(), ShellError> {
        self.failures_in_a_row += 1;
        let (Failure::Abortable(doing, error) | Failure::Fatal(doing, error)) = &failure;
        tracing::warn!(event = "transaction_failed", doing, %error, in_a_row = self.failures_in_a_row);
        if self.failures_in_a_row > MAX_FAILURES {
            let (Failure::Abortable(doing, source) | Failure::Fatal(doing, source)) = failure;
            return Err(ShellError::Transaction { doing, source });
        }
        match failure {
            Failure::Abortable(..) => self.abort()?,
            Failure::Fatal(doing, error) => self.replace_producer(doing, error)?,
        }
        self.give_up_partitions();
        self.reload_due = !self.assigned.is_empty();
        Ok(())
    }

    fn replace_producer(
        &mut self,
        doing: &'static str,
        error: KafkaError,
    ) -> Result<(), ShellError> {
        if matches!(
            code(&error),
            Some(RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced)
        ) {
            let id = self.committer.id().to_owned();
            return Err(ShellError::Fenced { id, source: error });
        }
        tracing::warn!(event = "producer_replaced", doing, %error);
        self.metrics.on_transaction(false, Duration::ZERO);
        self.board.health.turn();
        let (broker, member) = (&self.options.broker, &self.options.member);
        self.committer = Committer::start(Transactions::start(broker, member, PATIENCE)?);
        Ok(())
    }

    fn tick(&mut self) {
        self.ticked = Instant::now();
        self.pass_time();
        self.mark();
        self.board.health.turn();
    }

    /// Gauges are computed when somebody asks for them.
    fn refresh_metrics(&self) {
        let context = self.consumer.context();
        self.metrics.lag.set(self.lag().unwrap_or(-1));
        self.metrics
            .set_client_errors(context.client_errors.load(Ordering::Relaxed));
        self.metrics.state_bytes.set(self.size.bytes() as i64);
        self.metrics
            .on_turn(clock::now(), self.board.health.phase());
        self.stage.refresh();
    }

    /// Records behind the ends of the assigned partitions, once librdkafka's statistics have told where these are.
    fn lag(&self) -> Option<i64> {
        let context = self.consumer.context();
        let behind = self.progress.iter();
        let behind = behind.map(|(partition, p)| p.behind(context.stable_end(*partition)));
        behind.sum()
    }

    /// In partitions that were read to their end event time passes though nothing comes.
    fn pass_time(&mut self) {
        let Some(idle_close) = self.options.idle_close else {
            return;
        };
        for (&partition, progress) in self.progress.iter_mut().filter(|(_, p)| p.at_end) {
            let watermark = self.stage.watermark(Partition(partition));
            let Some(until) = progress.quiet_until(watermark, Instant::now(), idle_close) else {
                continue;
            };
            let at = Partition(partition);
            if self.stage.pass_time(at, until, &self.committer) {
                progress.touched = true;
                self.dirty_since.get_or_insert_with(Instant::now);
            }
        }
    }

    /// Tells the next stage which partitions have records left, where that is news.
    fn mark(&mut self) {
        if !self.stage.marks() {
            return;
        }
        for (&number, progress) in &mut self.progress {
            let partition = Partition(number);
            let watermark = self.stage.watermark(partition);
            if let Some(behind) = progress.mark(watermark, Instant::now()) {
                let mark = Mark { partition, behind };
                self.stage.mark(mark, &self.committer);
                // The offset goes along, so that the group refuses what a copy says of a partition it has lost.
                progress.touched = true;
                self.dirty_since.get_or_insert_with(Instant::now);
            }
        }
    }
}

/// A changelog record at the partition of its input.
fn changelog_record(topic: &Arc<str>, partition: i32, record: ChangelogRecord) -> Outgoing {
    Outgoing {
        topic: Arc::clone(topic),
        partition: Some(partition),
        key: Some(record.key.into_bytes()),
        value: record.value,
        headers: Vec::new(),
    }
}

fn shown(partitions: &[i32]) -> String {
    let numbers: Vec<String> = partitions.iter().map(i32::to_string).collect();
    numbers.join(",")
}

/// Errors that come instead of a message. Most pass by themselves; a few never will.
fn consume_failed(error: &KafkaError, broker: &Broker) -> Result<(), ShellError> {
    use RDKafkaErrorCode as Code;
    match code(error) {
        Some(
            Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed,
        ) => Err(ShellError::Denied {
            bootstrap: broker.bootstrap.clone(),
            source: error.clone(),
        }),
        Some(Code::Fatal) => Err(ShellError::Kafka {
            doing: "consuming",
            source: error.clone(),
        }),
        Some(Code::AllBrokersDown | Code::BrokerTransportFailure) => Ok(()),
        _ => {
            tracing::warn!(event = "consume_error", %error);
            Ok(())
        }
    }
}
