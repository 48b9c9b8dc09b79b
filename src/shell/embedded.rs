//! Owns the broker inside the process: librdkafka's mock cluster on loopback, for the demo and for quick tests.
//!
//! It runs the same code as a real broker does, but keeps no transactional offsets, hides no open transactions and compacts
//! nothing: exactly-once is tested on Apache Kafka only.

use super::client::Broker;
use super::error::ShellError;
use crate::config::Topics;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use std::collections::BTreeMap;

/// A running mock cluster; it ends when dropped.
pub struct Embedded {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl Embedded {
    /// Starts it with every topic.
    ///
    /// # Errors
    /// librdkafka could not open its sockets.
    pub fn start(topics: &Topics, partitions: i32) -> Result<Self, ShellError> {
        let failed = |source| ShellError::Kafka {
            doing: "starting the embedded broker",
            source,
        };
        let cluster = MockCluster::new(1).map_err(failed)?;
        for topic in topics.all() {
            let is_single = topic == topics.region || topic == topics.region_changelog;
            let count = if is_single { 1 } else { partitions };
            cluster.create_topic(topic, count, 1).map_err(failed)?;
        }
        Ok(Self { cluster })
    }

    /// How to reach it.
    #[must_use]
    pub fn broker(&self) -> Broker {
        Broker {
            bootstrap: self.cluster.bootstrap_servers(),
            properties: BTreeMap::new(),
        }
    }
}
