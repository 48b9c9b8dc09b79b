//! Owns the worker: one consumer, one transactional producer, one machine, one loop that does one thing at a time.
//!
//! A turn takes one message or group event, lets the machine handle it, sends what comes out into the open transaction, and
//! commits outputs, changelog and offsets together when the interval is over, or at once when an alert opened. Whatever goes
//! wrong ends in the same place: the transaction is aborted and state is restored as of the last commit.

use super::client::{Broker, GroupEvent, Membership, WorkerContext, offsets};
use super::clock;
use super::error::ShellError;
use super::http::Board;
use super::metrics::Metrics;
use super::outbox::Outbox;
use super::restore;
use super::transaction::{Failure, Transactions, code};
use crate::config::Topics;
use crate::core::crossing::Outcome;
use crate::core::engine::Engine;
use crate::core::event::Kind;
use crate::core::ids::{NextOffset, Offset, Partition};
use crate::core::network::Network;
use crate::core::partition::Input;
use crate::core::time::{EventTime, WallTime};
use crate::wire::decode::{self, Limits, Record};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use std::collections::{BTreeMap, BTreeSet};
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
    /// Topics.
    pub topics: Topics,
    /// Longest time between a record and the commit of its effects.
    pub commit_interval: Duration,
    /// Time after which a partition read to its end has its buckets closed by the wall clock; never where absent.
    pub idle_close: Option<Duration>,
    /// Whether dead letters carry the original bytes.
    pub keep_payload: bool,
    /// Fingerprint of the settings, as every record names it.
    pub config_hash: String,
    /// Bounds of a record.
    pub limits: Limits,
}

/// One worker.
pub struct Worker {
    options: WorkerOptions,
    consumer: Arc<BaseConsumer<WorkerContext>>,
    transactions: Transactions,
    engine: Engine,
    outbox: Outbox,
    metrics: Metrics,
    board: Arc<Board>,
    member: Option<ConsumerGroupMetadata>,
    assigned: Vec<i32>,
    next: BTreeMap<i32, NextOffset>,
    touched: BTreeSet<i32>,
    at_end: BTreeSet<i32>,
    dirty_since: Option<Instant>,
    reload_due: bool,
    failures_in_a_row: u32,
    ticked: Instant,
}

/// Failed commits in a row after which the process gives up; a supervisor starts it anew.
const MAX_FAILURES: u32 = 20;
/// How often gauges are refreshed and silent partitions looked at.
const TICK: Duration = Duration::from_millis(500);
/// Patience with the brokers at the start and when a producer must be replaced.
const PATIENCE: Duration = Duration::from_secs(30);

impl Worker {
    /// Connects, fences earlier producers of this instance, joins the group.
    ///
    /// # Errors
    /// See [`ShellError`].
    pub fn start(
        options: WorkerOptions,
        engine: Engine,
        metrics: Metrics,
        board: Arc<Board>,
    ) -> Result<Self, ShellError> {
        let transactions = Transactions::start(&options.broker, &options.member, PATIENCE)?;
        let consumer = options
            .broker
            .worker_consumer(&options.member)
            .map_err(|source| ShellError::Client { source })?;
        consumer
            .subscribe(&[&options.topics.arrivals])
            .map_err(|source| ShellError::Kafka {
                doing: "subscribing",
                source,
            })?;
        let outbox = Outbox::new(
            &options.topics,
            engine.network(),
            &options.config_hash,
            options.keep_payload,
        );
        Ok(Self {
            options,
            consumer: Arc::new(consumer),
            transactions,
            engine,
            outbox,
            metrics,
            board,
            member: None,
            assigned: Vec::new(),
            next: BTreeMap::new(),
            touched: BTreeSet::new(),
            at_end: BTreeSet::new(),
            dirty_since: None,
            reload_due: false,
            failures_in_a_row: 0,
            ticked: Instant::now(),
        })
    }

    /// Turns until told to stop; then commits what is open and leaves the group.
    ///
    /// # Errors
    /// What a supervisor must know of; everything committed stays committed.
    pub fn run(&mut self, stop: &AtomicBool) -> Result<(), ShellError> {
        let consumer = Arc::clone(&self.consumer);
        let ended = loop {
            if stop.load(Ordering::Relaxed) {
                break Ok(());
            }
            if let Err(error) = self.turn(&consumer) {
                break Err(error);
            }
        };
        if let Err(error) = self.commit() {
            tracing::warn!(event = "last_commit_failed", %error);
        }
        self.board.health.set_ready(false);
        consumer.context().closing.store(true, Ordering::SeqCst);
        ended
    }

    fn turn(&mut self, consumer: &BaseConsumer<WorkerContext>) -> Result<(), ShellError> {
        let wait = match self.dirty_since {
            Some(since) => self.options.commit_interval.saturating_sub(since.elapsed()),
            None => Duration::from_millis(100),
        };
        match consumer.poll(wait) {
            Some(Ok(message)) => self.take(&message)?,
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                self.at_end.insert(partition);
            }
            Some(Err(error)) => consume_failed(error, &self.options.broker)?,
            None => {}
        }
        while let Some(event) = consumer.context().next_event() {
            self.group_changed(event)?;
        }
        if self.reload_due {
            self.reload()?;
        }
        let due = self
            .dirty_since
            .is_some_and(|since| since.elapsed() >= self.options.commit_interval);
        if due || self.outbox.is_urgent() {
            self.commit()?;
        }
        if self.ticked.elapsed() >= TICK {
            self.tick();
        }
        Ok(())
    }

    fn take(&mut self, message: &BorrowedMessage<'_>) -> Result<(), ShellError> {
        let (partition, offset) = (message.partition(), message.offset());
        // A reload seeks back; what was fetched before it is read again in its turn.
        let Some(next) = self
            .next
            .get_mut(&partition)
            .filter(|next| offset >= next.0)
        else {
            return Ok(());
        };
        let (input, detail) = decode(message, self.engine.network(), &self.options.limits);
        let (outbox, transactions) = (&mut self.outbox, &mut self.transactions);
        let handled = self
            .engine
            .handle(Partition(partition), &input, &mut |output| {
                outbox.put(&output, transactions)
            });
        let outcome = handled.map_err(|source| ShellError::BadInput {
            topic: self.options.topics.arrivals.clone(),
            partition,
            offset,
            source,
        })?;
        *next = Offset(offset).next();
        self.touched.insert(partition);
        self.at_end.remove(&partition);
        self.dirty_since.get_or_insert_with(Instant::now);
        if let Ok(event) = &input.event {
            self.metrics.on_event(event.crossing, event.time.0);
            if let (Outcome::Applied, Kind::Arrival { stream, count }) = (outcome, &event.kind) {
                self.metrics
                    .on_arrival(self.engine.network(), event.crossing, *stream, *count);
            }
        }
        if let Outcome::Rejected(reason) = outcome {
            self.outbox
                .put_dead_letter(message, reason, &detail, &mut self.transactions);
        }
        match self.outbox.take_failure() {
            Some(failure) => self.recover(failure),
            None => Ok(()),
        }
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
                self.member = member;
                tracing::info!(event = "partitions_assigned", partitions = ?self.assigned);
                self.reload()
            }
            GroupEvent::Revoked { lost } => {
                tracing::info!(event = "partitions_revoked", partitions = ?self.assigned, lost);
                if lost {
                    self.abort()?;
                } else {
                    self.commit()?;
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
        let begun = Instant::now();
        let (starts, done) = restore::restore(
            &self.options.broker,
            &self.consumer,
            &self.options.topics.arrivals,
            &self.options.topics.changelog,
            &self.assigned,
            &mut self.engine,
            &self.board.health,
        )?;
        let mut list = TopicPartitionList::new();
        for &(partition, next) in &starts {
            let from = next.map_or(rdkafka::Offset::Beginning, |n| rdkafka::Offset::Offset(n.0));
            list.add_partition_offset(&self.options.topics.arrivals, partition, from)
                .expect("a plain offset is always accepted");
            self.next.insert(partition, next.unwrap_or(NextOffset(0)));
        }
        self.consumer
            .assign(&list)
            .map_err(|source| ShellError::Kafka {
                doing: "taking partitions on",
                source,
            })?;
        self.metrics.on_restore(done.records, begun.elapsed());
        self.metrics
            .partitions_assigned
            .set(self.assigned.len() as i64);
        self.board.health.set_ready(true);
        tracing::info!(
            event = "restored",
            partitions = self.assigned.len(),
            records = done.records,
            took_ms = begun.elapsed().as_millis() as u64
        );
        Ok(())
    }

    fn give_up_partitions(&mut self) {
        self.board.health.set_ready(false);
        self.engine.revoke_all();
        self.next.clear();
        self.touched.clear();
        self.at_end.clear();
        self.outbox.clear();
        self.dirty_since = None;
        self.metrics.partitions_assigned.set(0);
    }

    fn commit(&mut self) -> Result<(), ShellError> {
        if self.dirty_since.take().is_none() {
            return Ok(());
        }
        let begun = Instant::now();
        let touched = std::mem::take(&mut self.touched);
        for &partition in &touched {
            for record in self.engine.drain_changes(Partition(partition)) {
                self.outbox
                    .put_changelog(partition, &record, &mut self.transactions);
            }
        }
        let next = touched
            .iter()
            .filter_map(|p| self.next.get(p).map(|next| (*p, *next)));
        let read = offsets(
            &self.options.topics.arrivals,
            next.filter(|(_, next)| next.0 > 0),
        );
        let member = self
            .member
            .as_ref()
            .expect("records come only after an assignment");
        let committed = match self.outbox.take_failure() {
            Some(failure) => Err(failure),
            None => self.transactions.commit(&read, member),
        };
        match committed {
            Ok(()) => {
                self.failures_in_a_row = 0;
                self.metrics.on_transaction(true, begun.elapsed());
                self.outbox.committed(&self.metrics);
                self.board.set_committed(self.engine.tally().consumed);
                Ok(())
            }
            Err(failure) => self.recover(failure),
        }
    }

    fn abort(&mut self) -> Result<(), ShellError> {
        if self.transactions.is_open() {
            self.metrics.on_transaction(false, Duration::ZERO);
        }
        match self.transactions.abort() {
            Ok(()) => Ok(()),
            Err(Failure::Abortable(doing, error) | Failure::Fatal(doing, error)) => {
                self.replace_producer(doing, error)
            }
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
            Failure::Fatal(doing, error) => {
                self.metrics.on_transaction(false, Duration::ZERO);
                self.replace_producer(doing, error)?;
            }
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
            let id = self.transactions.id().to_owned();
            return Err(ShellError::Fenced { id, source: error });
        }
        tracing::warn!(event = "producer_replaced", doing, %error);
        self.board.health.turn();
        self.transactions =
            Transactions::start(&self.options.broker, &self.options.member, PATIENCE)?;
        Ok(())
    }

    fn tick(&mut self) {
        self.ticked = Instant::now();
        self.pass_time();
        let context = self.consumer.context();
        self.metrics.lag.set(context.lag.load(Ordering::Relaxed));
        self.metrics
            .set_client_errors(context.client_errors.load(Ordering::Relaxed));
        self.metrics.refresh(&self.engine);
        *self
            .board
            .metrics
            .lock()
            .expect("no holder of this lock panics") = self.metrics.text();
        self.board.health.turn();
    }

    /// Partitions that were read to their end have their buckets closed by the wall clock, some time late.
    fn pass_time(&mut self) {
        let Some(idle) = self.options.idle_close else {
            return;
        };
        let until = EventTime(clock::now().0 - i64::try_from(idle.as_millis()).unwrap_or(i64::MAX));
        let (outbox, transactions) = (&mut self.outbox, &mut self.transactions);
        for &partition in &self.at_end {
            let before = outbox.count();
            self.engine
                .pass_time(Partition(partition), until, &mut |output| {
                    outbox.put(&output, transactions)
                });
            if outbox.count() > before {
                self.touched.insert(partition);
                self.dirty_since.get_or_insert_with(Instant::now);
            }
        }
    }
}

/// Errors that come instead of a message. Most pass by themselves; a few never will.
fn consume_failed(error: KafkaError, broker: &Broker) -> Result<(), ShellError> {
    use RDKafkaErrorCode as Code;
    match code(&error) {
        Some(
            Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed,
        ) => Err(ShellError::Denied {
            bootstrap: broker.bootstrap.clone(),
            source: error,
        }),
        Some(Code::Fatal) => Err(ShellError::Kafka {
            doing: "consuming",
            source: error,
        }),
        Some(Code::AllBrokersDown | Code::BrokerTransportFailure) => Ok(()),
        _ => {
            tracing::warn!(event = "consume_error", %error);
            Ok(())
        }
    }
}

/// Decodes a record; the second part says in words why it could not be used.
fn decode(message: &BorrowedMessage<'_>, network: &Network, limits: &Limits) -> (Input, String) {
    let recorded = message
        .timestamp()
        .to_millis()
        .map(|ms| WallTime(ms.min(clock::now().0)));
    let headers: Vec<(&str, &[u8])> = match message.headers() {
        Some(headers) => headers
            .iter()
            .filter_map(|h| h.value.map(|value| (h.key, value)))
            .collect(),
        None => Vec::new(),
    };
    let record = Record {
        value: message.payload(),
        headers: &headers,
        timestamp: recorded,
    };
    let (event, detail) = match decode::decode(&record, network, limits) {
        Ok(event) => (Ok(event), String::new()),
        Err(error) => (Err(error.reason), error.detail),
    };
    (
        Input {
            offset: Offset(message.offset()),
            recorded,
            event,
        },
        detail,
    )
}
