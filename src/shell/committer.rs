//! Owns the writing thread: records go into the open transaction in the order they were made, and while a commit is on its way
//! the loop reads on.
//!
//! Orders and reports travel through two channels, so what a commit holds is decided by the loop alone: everything ordered
//! before it. After a failure nothing is written until the loop has ordered the abort.

use super::clock;
use super::transaction::{Failure, Outgoing, Transactions};
use crate::core::time::WallTime;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::KafkaError;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Records that may wait for the writing thread; then the loop waits, and memory stays bounded.
const MAX_WAITING: usize = 1024;
/// A broken channel means that the thread panicked, which ends the process.
const THREAD_LIVES: &str = "the writing thread lives as long as its orders";

/// What the thread has to say.
pub enum Report {
    /// The commit that was ordered is durable.
    Committed {
        /// When it was.
        at: WallTime,
        /// How long it took.
        took: Duration,
    },
    /// A record or the commit failed; everything ordered since then is left alone.
    Failed(Failure),
}

enum Order {
    Write(Outgoing),
    Commit(TopicPartitionList, Arc<ConsumerGroupMetadata>),
    Abort(Sender<Aborted>),
}

/// How an abort ended: whether a transaction was open, and why the producer is of no more use.
struct Aborted {
    was_open: bool,
    failure: Option<Failure>,
}

/// The loop's end of the writing thread.
pub struct Committer {
    orders: Option<SyncSender<Order>>,
    reports: Receiver<Report>,
    thread: Option<JoinHandle<()>>,
    is_committing: bool,
    id: String,
}

impl Committer {
    /// Starts the thread with a producer of its own.
    #[must_use]
    pub fn start(transactions: Transactions) -> Self {
        let id = transactions.id().to_owned();
        let (orders, taken) = sync_channel(MAX_WAITING);
        let (told, reports) = channel();
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || write(transactions, &taken, &told))
            .expect("the system has room for one thread");
        Self {
            orders: Some(orders),
            reports,
            thread: Some(thread),
            is_committing: false,
            id,
        }
    }

    /// The transactional id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Adds a record to the transaction.
    pub fn write(&self, record: Outgoing) {
        self.order(Order::Write(record));
    }

    /// Commits everything written and the offsets read, as the member the metadata names. At most one commit is on its way.
    pub fn commit(&mut self, read: TopicPartitionList, member: Arc<ConsumerGroupMetadata>) {
        assert!(
            !self.is_committing,
            "one commit is reported before the next"
        );
        self.is_committing = true;
        self.order(Order::Commit(read, member));
    }

    /// What was reported since the last call, if anything.
    pub fn poll(&mut self) -> Option<Report> {
        let report = self.reports.try_recv().ok()?;
        self.is_committing = false;
        Some(report)
    }

    /// Waits for the report of the commit that is on its way; none if there is none.
    pub fn wait(&mut self) -> Option<Report> {
        std::mem::take(&mut self.is_committing).then(|| self.reports.recv().expect(THREAD_LIVES))
    }

    /// Gives the open transaction up, after the commit that may be on its way. Returns whether there was one.
    ///
    /// # Errors
    /// The producer is of no more use.
    pub fn abort(&mut self) -> Result<bool, (&'static str, KafkaError)> {
        let (told, answer) = channel();
        self.order(Order::Abort(told));
        let aborted = answer.recv().expect(THREAD_LIVES);
        // What was reported meanwhile concerns a state that is given up.
        while self.reports.try_recv().is_ok() {}
        self.is_committing = false;
        match aborted.failure {
            None => Ok(aborted.was_open),
            Some(Failure::Abortable(doing, error) | Failure::Fatal(doing, error)) => {
                Err((doing, error))
            }
        }
    }

    fn order(&self, order: Order) {
        let orders = self.orders.as_ref().expect("orders end with the committer");
        orders.send(order).expect(THREAD_LIVES);
    }
}

impl Drop for Committer {
    /// Ends the thread; what it has not committed is aborted by the broker or the next producer of this id.
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write(mut transactions: Transactions, orders: &Receiver<Order>, told: &Sender<Report>) {
    let mut has_failed = false;
    for order in orders {
        let report = match order {
            Order::Abort(answer) => {
                has_failed = false;
                let was_open = transactions.is_open();
                let failure = transactions.abort().err();
                let _ = answer.send(Aborted { was_open, failure });
                continue;
            }
            _ if has_failed => continue,
            Order::Write(record) => match transactions.send(&record) {
                Ok(()) => continue,
                Err(failure) => Report::Failed(failure),
            },
            Order::Commit(read, member) => {
                let begun = Instant::now();
                match transactions.commit(&read, &member) {
                    Ok(()) => Report::Committed {
                        at: clock::now(),
                        took: begun.elapsed(),
                    },
                    Err(failure) => Report::Failed(failure),
                }
            }
        };
        has_failed = matches!(report, Report::Failed(_));
        if told.send(report).is_err() {
            return;
        }
    }
}
