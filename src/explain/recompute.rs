//! Owns the recomputation of an alert: the records of its partition go through a fresh machine, and what comes out of its
//! crossing is kept.

use super::quiet::Quiet;
use super::recount::Recount;
use crate::core::alert::Direction;
use crate::core::engine::Engine;
use crate::core::ids::{CrossingIx, Partition, StreamIx};
use crate::core::intake::BadRecordBudget;
use crate::core::lens::Lens;
use crate::core::network::Network;
use crate::core::output::Output;
use crate::core::params::Params;
use crate::core::partition::Input;
use crate::core::time::EventTime;
use crate::wire::encode::{self, Encoded, Origin};
use crate::wire::feedback::alert_name;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Buckets before the deciding one that are shown.
const TRAIL: usize = 8;

/// Which alert, and where its records are.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Its id.
    pub id: String,
    /// Where.
    pub crossing: CrossingIx,
    /// Of what.
    pub stream: StreamIx,
    /// Partition of the input.
    pub partition: Partition,
}

impl Wanted {
    /// The alert of an id; nothing where the id names no watched series.
    #[must_use]
    pub fn of(id: &str, partition: Partition, network: &Network) -> Option<Self> {
        let name = alert_name(id)?;
        let crossing = network.crossing_ix(name.crossing)?;
        let stream = network.stream_ix(name.stream)?;
        Some(Self {
            id: id.to_owned(),
            crossing,
            stream,
            partition,
        })
    }
}

/// A change of the alert or incident as it follows from the records.
#[derive(Debug, Clone)]
pub struct Change {
    /// The record.
    pub value: Value,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// ln of the statistic that raises an alert in the lens of the deciding bucket.
    pub limit: Option<f64>,
    /// Count records of the last buckets of that lens before the deciding one, the oldest first.
    pub trail: Vec<Value>,
}

impl Change {
    /// Reads an encoded record back.
    pub(super) fn of(encoded: &Encoded, limit: Option<f64>, trail: Vec<Value>) -> Self {
        let headers = encoded.headers.iter();
        Self {
            value: json(&encoded.value),
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
            limit,
            trail,
        }
    }
}

/// A recomputation on its way.
pub struct Recomputation {
    engine: Engine,
    wanted: Wanted,
    quiet: Quiet,
    kept: Kept,
    recount: Recount,
    records: u64,
}

struct Kept {
    network: Arc<Network>,
    params: Params,
    origin: Origin,
    id: String,
    at: (CrossingIx, StreamIx),
    /// The last count of each bucket, by lens and first moment.
    counts: BTreeMap<(usize, EventTime), Output>,
    changes: Vec<Change>,
}

/// What follows from the records.
pub(super) struct Recomputed {
    pub(super) changes: Vec<Change>,
    pub(super) recount: Recount,
    pub(super) records: u64,
}

impl Recomputation {
    /// A machine that knows nothing. What could not be used is passed over as the daemon did, however much of it there is.
    #[must_use]
    pub fn new(
        network: &Arc<Network>,
        params: &Params,
        origin: Origin,
        wanted: Wanted,
        quiet: Quiet,
    ) -> Self {
        let mut params = params.clone();
        params.bad_records = BadRecordBudget {
            max_run: u32::MAX,
            max_ratio: 1.0,
            window: 1,
        };
        let kept = Kept {
            network: Arc::clone(network),
            params: params.clone(),
            origin,
            id: wanted.id.clone(),
            at: (wanted.crossing, wanted.stream),
            counts: BTreeMap::new(),
            changes: Vec::new(),
        };
        let mut engine = Engine::new(Arc::clone(network), params, 0);
        engine
            .assign(wanted.partition, [])
            .expect("an empty changelog can be read");
        Self {
            engine,
            kept,
            recount: Recount::new(wanted.crossing, wanted.stream),
            wanted,
            quiet,
            records: 0,
        }
    }

    /// Handles the next record of the partition.
    pub fn handle(&mut self, input: &Input) {
        self.records += 1;
        self.recount.handle(input);
        let partition = self.wanted.partition;
        let watermark = self.engine.watermark(partition);
        let kept = &mut self.kept;
        if let Some(until) = self.quiet.before(input, watermark) {
            self.engine
                .pass_time(partition, until, &mut |output| kept.take(output));
        }
        self.engine
            .handle(partition, input, &mut |output| kept.take(output))
            .expect("the budget for bad records allows any number of them");
    }

    /// The end of the records.
    pub(super) fn end(mut self) -> Recomputed {
        if let Some(until) = self.quiet.after() {
            let kept = &mut self.kept;
            self.engine
                .pass_time(self.wanted.partition, until, &mut |output| {
                    kept.take(output);
                });
        }
        Recomputed {
            changes: self.kept.changes,
            recount: self.recount,
            records: self.records,
        }
    }
}

impl Kept {
    fn take(&mut self, output: Output) {
        if (Some(output.crossing()), output.stream()) != (Some(self.at.0), Some(self.at.1)) {
            return;
        }
        match &output {
            Output::Count { reading, .. } => {
                let place = (reading.lens as usize, reading.start);
                self.counts.insert(place, output);
            }
            Output::Alert { alert, reading, .. } => {
                let encoded = encode::alert(&output, &self.network, &self.origin);
                let Some(encoded) = encoded.filter(|encoded| encoded.key == self.id) else {
                    return;
                };
                let limit = self.limit(reading.lens, alert.direction);
                let trail = self.trail(reading.lens, reading.start);
                self.changes.push(Change::of(&encoded, Some(limit), trail));
            }
            Output::Notice { .. } => {}
        }
    }

    /// ln of the statistic that raises an alert.
    fn limit(&self, lens: Lens, direction: Direction) -> f64 {
        let crossing = &self.network.crossing(self.at.0).id;
        let class = self.params.weight_class(crossing, self.at.1);
        let lens = &self.params.lenses_of(class)[lens as usize];
        encode::significant(lens.log_threshold(direction))
    }

    fn trail(&self, lens: Lens, before: EventTime) -> Vec<Value> {
        let lens = lens as usize;
        let earlier = self
            .counts
            .range((lens, EventTime::MIN)..(lens, before))
            .rev()
            .take(TRAIL);
        let encoded =
            earlier.filter_map(|(_, count)| encode::count(count, &self.network, &self.origin));
        let mut trail: Vec<Value> = encoded.map(|encoded| json(&encoded.value)).collect();
        trail.reverse();
        trail
    }
}

fn json(value: &[u8]) -> Value {
    serde_json::from_slice(value).expect("it was written as JSON just now")
}
