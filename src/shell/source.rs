//! Owns the way in: records taken from the consumer in batches, without a call and an allocation for each.
//!
//! The partitions' queues are forwarded into one queue of this worker's own, which librdkafka empties many records at a time;
//! the consumer's main queue keeps group events and errors. Of both the rust-rdkafka consumer offers one record a call only.

use super::client::WorkerContext;
use crate::core::ids::Offset;
use crate::core::network::Network;
use crate::core::partition::Input;
use crate::core::time::WallTime;
use crate::wire::decode::{self, Limits, Record};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka_sys as sys;
use std::ffi::{CStr, CString};
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

/// Most records taken at once: some milliseconds' work.
const BATCH: usize = 1024;

/// One record, wherever it was taken from.
pub struct Incoming<'a> {
    /// Partition of the arrivals.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Key.
    pub key: Option<&'a [u8]>,
    /// Value.
    pub value: Option<&'a [u8]>,
    /// Kafka's own timestamp, where it has one.
    pub timestamp: Option<WallTime>,
    /// Headers with a value.
    pub headers: Vec<(&'a str, &'a [u8])>,
}

impl Incoming<'_> {
    /// Decodes the record; the second part says in words why it could not be used. A timestamp ahead of `now` counts as `now`.
    #[must_use]
    pub fn decode(&self, now: WallTime, network: &Network, limits: &Limits) -> (Input, String) {
        let recorded = self.timestamp.map(|at| at.min(now));
        let record = Record {
            value: self.value,
            headers: &self.headers,
            timestamp: recorded,
        };
        let (event, detail) = match decode::decode(&record, network, limits) {
            Ok(event) => (Ok(event), String::new()),
            Err(error) => (Err(error.reason), error.detail),
        };
        let input = Input {
            offset: Offset(self.offset),
            recorded,
            event,
        };
        (input, detail)
    }
}

impl<'a> From<&'a BorrowedMessage<'_>> for Incoming<'a> {
    fn from(message: &'a BorrowedMessage<'_>) -> Self {
        let headers = message.headers().map_or_else(Vec::new, |headers| {
            let named = |h: rdkafka::message::Header<'a, &'a [u8]>| h.value.map(|v| (h.key, v));
            headers.iter().filter_map(named).collect()
        });
        Self {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key(),
            value: message.payload(),
            timestamp: message.timestamp().to_millis().map(WallTime),
            headers,
        }
    }
}

/// What a taken entry is.
pub enum Taken<'a> {
    /// A record.
    Record(Incoming<'a>),
    /// The end of a partition was reached.
    End(i32),
    /// An error in a record's place.
    Failed(KafkaError),
}

/// The worker's own queue.
pub struct Source {
    consumer: Arc<BaseConsumer<WorkerContext>>,
    queue: NonNull<sys::rd_kafka_queue_t>,
    /// The consumer's.
    main: NonNull<sys::rd_kafka_queue_t>,
    topic: CString,
    batch: Vec<*mut sys::rd_kafka_message_t>,
}

// SAFETY: librdkafka's handles may be used from any thread; the pointers in `batch` are owned by it.
unsafe impl Send for Source {}

impl Source {
    /// An empty queue beside the consumer's own.
    #[must_use]
    pub fn new(consumer: &Arc<BaseConsumer<WorkerContext>>, topic: &str) -> Self {
        let client = consumer.client().native_ptr();
        // SAFETY: the client lives as long as the `Arc` kept beside the queues.
        let (queue, main) = unsafe {
            (
                sys::rd_kafka_queue_new(client),
                sys::rd_kafka_queue_get_consumer(client),
            )
        };
        Self {
            consumer: Arc::clone(consumer),
            queue: NonNull::new(queue).expect("librdkafka makes a queue or ends the process"),
            main: NonNull::new(main).expect("the client is a member of a group"),
            topic: CString::new(topic).expect("topic names were checked"),
            batch: Vec::with_capacity(BATCH),
        }
    }

    /// Leads the partitions' records here. To be called after every assignment, and again while nothing comes: librdkafka
    /// undoes it when it stops a partition, which may be later than the assignment that asked for it. What waits in a
    /// partition's own queue by then is moved along, in order; what went to the consumer's main queue stays there, and is older
    /// than anything that comes here: see [`Source::main_holds_any`].
    pub fn forward(&self, partitions: &[i32]) {
        let client = self.consumer.client().native_ptr();
        for &partition in partitions {
            // SAFETY: client and queue are live; the reference to the partition's queue is given back at once.
            unsafe {
                let from =
                    sys::rd_kafka_queue_get_partition(client, self.topic.as_ptr(), partition);
                if !from.is_null() {
                    sys::rd_kafka_queue_forward(from, self.queue.as_ptr());
                    sys::rd_kafka_queue_destroy(from);
                }
            }
        }
    }

    /// Whether anything waits in the consumer's main queue.
    #[must_use]
    pub fn main_holds_any(&self) -> bool {
        // SAFETY: the queue is live.
        unsafe { sys::rd_kafka_queue_length(self.main.as_ptr()) > 0 }
    }

    /// Takes what is there, up to [`BATCH`] entries; waits for the first one. Returns how many there are to be had by
    /// [`Source::get`]; what an earlier call took is given back.
    pub fn fill(&mut self, wait: Duration) -> usize {
        self.clear();
        let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        // librdkafka waits until the last of the wanted entries is there, so the wait is for one only.
        if self.take_up_to(1, wait_ms) > 0 {
            self.take_up_to(BATCH - 1, 0);
        }
        self.batch.len()
    }

    fn take_up_to(&mut self, most: usize, wait_ms: i32) -> usize {
        let held = self.batch.len();
        // SAFETY: the room behind `held` is allocated (capacity is BATCH, `most` fits), and librdkafka writes at most `most`
        // pointers there, which this queue then owns.
        unsafe {
            let room = self.batch.as_mut_ptr().add(held);
            let got = sys::rd_kafka_consume_batch_queue(self.queue.as_ptr(), wait_ms, room, most);
            let got = usize::try_from(got).unwrap_or(0);
            self.batch.set_len(held + got);
            got
        }
    }

    /// An entry of the last [`Source::fill`].
    #[must_use]
    pub fn get(&self, index: usize) -> Taken<'_> {
        // SAFETY: the pointers stay valid until `clear`, which needs this value mutably.
        let message = unsafe { &*self.batch[index] };
        match message.err {
            sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Taken::Record(read(message)),
            sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF => {
                Taken::End(message.partition)
            }
            code => Taken::Failed(KafkaError::MessageConsumption(code.into())),
        }
    }

    fn clear(&mut self) {
        for message in self.batch.drain(..) {
            // SAFETY: each pointer came from librdkafka and is given back once.
            unsafe { sys::rd_kafka_message_destroy(message) };
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.clear();
        // SAFETY: the client is still alive, held by the `Arc`; each reference is given back once.
        unsafe {
            sys::rd_kafka_queue_destroy(self.queue.as_ptr());
            sys::rd_kafka_queue_destroy(self.main.as_ptr());
        }
    }
}

fn read(message: &sys::rd_kafka_message_t) -> Incoming<'_> {
    let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    // SAFETY: the message is live.
    let timestamp = unsafe { sys::rd_kafka_message_timestamp(message, &raw mut kind) };
    let known = kind != sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    Incoming {
        partition: message.partition,
        offset: message.offset,
        key: bytes(message.key, message.key_len),
        value: bytes(message.payload, message.len),
        timestamp: (known && timestamp >= 0).then_some(WallTime(timestamp)),
        headers: headers(message),
    }
}

fn headers(message: &sys::rd_kafka_message_t) -> Vec<(&str, &[u8])> {
    let mut list = std::ptr::null_mut();
    // SAFETY: the message is live and owns the list it hands out.
    let answer = unsafe { sys::rd_kafka_message_headers(message, &raw mut list) };
    if answer != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Vec::new();
    }
    let mut found = Vec::new();
    for index in 0.. {
        let (mut name, mut value, mut size) = (std::ptr::null(), std::ptr::null(), 0);
        // SAFETY: the list is live; the three places are written when the answer is no error.
        let answer = unsafe {
            sys::rd_kafka_header_get_all(list, index, &raw mut name, &raw mut value, &raw mut size)
        };
        if answer != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            break;
        }
        // SAFETY: names end with a zero byte and live as long as the message.
        let name = unsafe { CStr::from_ptr(name) }.to_str();
        if let (Ok(name), Some(value)) = (name, bytes(value, size)) {
            found.push((name, value));
        }
    }
    found
}

/// Bytes that live as long as the message they belong to; none where the pointer is null.
fn bytes<'a>(from: *const std::ffi::c_void, len: usize) -> Option<&'a [u8]> {
    // SAFETY: callers pass a pointer and length of one live message, and bound the result by its lifetime.
    (!from.is_null()).then(|| unsafe { std::slice::from_raw_parts(from.cast(), len) })
}
