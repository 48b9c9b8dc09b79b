//! Owns the open transaction: records go in as they are made, offsets last, and every failure is sorted into what to do next.

use super::client::{Broker, Membership, QuietContext};
use super::error::ShellError;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::util::Timeout;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A record on its way out.
pub struct Outgoing {
    /// Topic.
    pub topic: Arc<str>,
    /// Partition, where it must be a certain one.
    pub partition: Option<i32>,
    /// Key.
    pub key: Option<Vec<u8>>,
    /// Value; none deletes the key in a compacted topic.
    pub value: Option<Vec<u8>>,
    /// Headers.
    pub headers: Vec<(&'static str, Vec<u8>)>,
}

/// Why a transaction did not commit.
pub enum Failure {
    /// It was or must be aborted; the producer lives on.
    Abortable(&'static str, KafkaError),
    /// The producer is of no more use, or nobody knows how the commit ended.
    Fatal(&'static str, KafkaError),
}

/// The producer and its transaction.
pub struct Transactions {
    producer: ThreadedProducer<QuietContext>,
    /// When the open transaction began.
    begun: Option<Instant>,
    timeout: Duration,
    id: String,
}

/// Tries of a step whose failure Kafka calls retriable.
const MAX_TRIES: u32 = 5;

impl Transactions {
    /// Makes the producer and fences every earlier one of the same id; what that one left open is aborted.
    ///
    /// # Errors
    /// [`ShellError::Client`], [`ShellError::Fenced`] or [`ShellError::Unreachable`].
    pub fn start(
        broker: &Broker,
        member: &Membership,
        patience: Duration,
    ) -> Result<Self, ShellError> {
        let id = format!("{}-{}", member.group, member.instance);
        let producer = broker
            .transactional_producer(member)
            .map_err(|source| ShellError::Client { source })?;
        producer
            .init_transactions(patience)
            .map_err(|source| match code(&source) {
                Some(
                    RDKafkaErrorCode::TransactionalIdAuthorizationFailed
                    | RDKafkaErrorCode::ClusterAuthorizationFailed,
                ) => ShellError::Denied {
                    bootstrap: broker.bootstrap.clone(),
                    source,
                },
                Some(RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced) => {
                    ShellError::Fenced {
                        id: id.clone(),
                        source,
                    }
                }
                _ => ShellError::Unreachable {
                    bootstrap: broker.bootstrap.clone(),
                    waited_secs: patience.as_secs(),
                    doing: "fencing earlier transactions of this instance",
                    source,
                },
            })?;
        Ok(Self {
            producer,
            begun: None,
            timeout: member.transaction_timeout,
            id,
        })
    }

    /// The transactional id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether a transaction has begun.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.begun.is_some()
    }

    /// Adds a record; the transaction begins with the first one. A full queue is waited for.
    ///
    /// # Errors
    /// What the transaction must be ended for.
    pub fn send(&mut self, outgoing: &Outgoing) -> Result<(), Failure> {
        self.try_send(outgoing)
            .map_err(|failure| self.traced(failure))
    }

    fn try_send(&mut self, outgoing: &Outgoing) -> Result<(), Failure> {
        self.begin()?;
        let mut record = BaseRecord::<[u8], [u8]>::to(&outgoing.topic);
        record.partition = outgoing.partition;
        record.key = outgoing.key.as_deref();
        record.payload = outgoing.value.as_deref();
        if !outgoing.headers.is_empty() {
            let headers = outgoing.headers.iter().fold(
                OwnedHeaders::new_with_capacity(outgoing.headers.len()),
                |h, (key, value)| {
                    h.insert(Header {
                        key,
                        value: Some(value),
                    })
                },
            );
            record.headers = Some(headers);
        }
        let deadline = Instant::now() + self.timeout;
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if Instant::now() < deadline =>
                {
                    record = back;
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err((error, _)) => return Err(sort("producing", error)),
            }
        }
    }

    /// Commits everything sent and the offsets read, as the member the metadata names.
    ///
    /// # Errors
    /// What must be done instead; the transaction is still open after [`Failure::Abortable`].
    pub fn commit(
        &mut self,
        offsets: &TopicPartitionList,
        member: &ConsumerGroupMetadata,
    ) -> Result<(), Failure> {
        self.try_commit(offsets, member)
            .map_err(|failure| self.traced(failure))
    }

    fn try_commit(
        &mut self,
        offsets: &TopicPartitionList,
        member: &ConsumerGroupMetadata,
    ) -> Result<(), Failure> {
        self.begin()?;
        self.flush()?;
        if offsets.count() > 0 {
            retried("sending offsets", || {
                self.producer
                    .send_offsets_to_transaction(offsets, member, self.timeout)
            })?;
        }
        retried("committing", || {
            self.producer.commit_transaction(Timeout::Never)
        })?;
        self.begun = None;
        Ok(())
    }

    /// Gives the transaction up.
    ///
    /// # Errors
    /// A failure here always needs another producer.
    pub fn abort(&mut self) -> Result<(), Failure> {
        if self.begun.is_none() {
            return Ok(());
        }
        let abort = || self.producer.abort_transaction(self.timeout);
        let aborted = retried("aborting", abort).map_err(|failure| match self.traced(failure) {
            Failure::Abortable(doing, error) | Failure::Fatal(doing, error) => {
                Failure::Fatal(doing, error)
            }
        });
        self.begun = None;
        aborted
    }

    /// A failure with what made the producer useless as its error: a call after the first that fails says no more than that it is
    /// useless, and being fenced must not be answered with a new producer, which would fence the other copy. A transaction that
    /// outlives its timeout, because the process stood still, is ended by the broker in the same way: then it timed out.
    fn traced(&self, failure: Failure) -> Failure {
        let outlived = self.begun.is_some_and(|at| at.elapsed() >= self.timeout);
        match (self.producer.client().fatal_error(), failure) {
            (Some((cause, _)), Failure::Abortable(doing, _) | Failure::Fatal(doing, _)) => {
                let cause = match cause {
                    RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced if outlived => {
                        RDKafkaErrorCode::OperationTimedOut
                    }
                    cause => cause,
                };
                Failure::Fatal(doing, KafkaError::Global(cause))
            }
            (None, failure) => failure,
        }
    }

    fn begin(&mut self) -> Result<(), Failure> {
        if self.begun.is_none() {
            self.producer
                .begin_transaction()
                .map_err(|error| sort("beginning", error))?;
            self.begun = Some(Instant::now());
        }
        Ok(())
    }

    /// Waits for every record's delivery. rust-rdkafka's own flush polls in steps of 100 ms; librdkafka's returns with the
    /// last delivery, and the producer's thread serves the reports meanwhile.
    fn flush(&self) -> Result<(), Failure> {
        let timeout_ms = i32::try_from(self.timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the pointer is that of a live client, owned by `self.producer` for the whole call.
        let answer =
            unsafe { rdkafka_sys::rd_kafka_flush(self.producer.client().native_ptr(), timeout_ms) };
        if answer == rdkafka_sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            Ok(())
        } else {
            Err(Failure::Abortable(
                "flushing",
                KafkaError::Flush(answer.into()),
            ))
        }
    }
}

fn retried(
    doing: &'static str,
    mut step: impl FnMut() -> Result<(), KafkaError>,
) -> Result<(), Failure> {
    let mut tries = 1;
    loop {
        match step() {
            Ok(()) => return Ok(()),
            Err(KafkaError::Transaction(error))
                if error.is_retriable() && !error.txn_requires_abort() && tries < MAX_TRIES =>
            {
                tries += 1;
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(error) => return Err(sort(doing, error)),
        }
    }
}

fn sort(doing: &'static str, error: KafkaError) -> Failure {
    match &error {
        KafkaError::Transaction(inner) if inner.txn_requires_abort() && !inner.is_fatal() => {
            Failure::Abortable(doing, error)
        }
        // A message that cannot be queued (too large, unknown topic) leaves the transaction open and sound.
        KafkaError::MessageProduction(_) if !is_fatal(&error) => Failure::Abortable(doing, error),
        _ => Failure::Fatal(doing, error),
    }
}

fn is_fatal(error: &KafkaError) -> bool {
    matches!(
        code(error),
        Some(RDKafkaErrorCode::Fatal | RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced)
    )
}

/// librdkafka's code behind an error, where there is one.
#[must_use]
pub fn code(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    match error {
        KafkaError::Transaction(inner) => Some(inner.code()),
        other => other.rdkafka_error_code(),
    }
}
