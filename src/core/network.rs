//! Owns the static description of the border: crossings, their order and neighbours, streams, opening hours.

use super::ids::{CrossingIx, Hashed, StreamIx};
use jiff::tz::TimeZone;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use xxhash_rust::xxh3::xxh3_64;

/// Published opening hours of one weekday, in minutes after local midnight: `open < close <= 1440`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenHours {
    /// First open minute.
    pub open_minute: u16,
    /// First closed minute after it.
    pub close_minute: u16,
}

/// One border crossing.
#[derive(Debug, Clone)]
pub struct Crossing {
    /// Stable id, the Kafka key of its events: lower case, digits and hyphens.
    pub id: String,
    /// Name as a duty officer would write it.
    pub name: String,
    /// ISO 3166-1 alpha-2 code of the country that counts, lower case.
    pub country: String,
    /// Corridor id.
    pub corridor: String,
    /// Order along the border within the corridor, counted from 1.
    pub order: u16,
    /// Ids of the neighbouring crossings, nearest first.
    pub neighbours: Vec<CrossingIx>,
    /// Civil time zone.
    pub tz: TimeZone,
    /// Opening hours by weekday, Monday first; `None` is closed that day. All seven absent means open round the clock.
    pub hours: Option<[Option<OpenHours>; 7]>,
    /// Streams counted at this crossing.
    pub streams: Vec<StreamIx>,
    /// A message of it comes at least this often, in milliseconds, heartbeat or not; nothing where that was not said.
    pub message_within_ms: Option<i64>,
}

impl Crossing {
    /// Hours for which it is open on an average day by its published hours; 24 where it has none.
    #[must_use]
    pub fn open_hours_a_day(&self) -> f64 {
        let of = |hours: &OpenHours| f64::from(hours.close_minute - hours.open_minute);
        let week = self.hours.iter().flatten().flatten();
        let minutes: f64 = week.map(of).sum();
        if minutes > 0.0 {
            minutes / (7.0 * 60.0)
        } else {
            24.0
        }
    }
}

/// All crossings and streams of a deployment, in a fixed order.
#[derive(Debug, Clone, Default)]
pub struct Network {
    /// Crossings sorted by id.
    pub crossings: Vec<Crossing>,
    /// Stream names, sorted.
    pub streams: Vec<String>,
    /// By the hash of the id, for a look-up on every event; a collision is refused at the start.
    by_hash: HashMap<u64, CrossingIx, BuildHasherDefault<Hashed>>,
}

impl Network {
    /// Builds the look-up tables; `crossings` must be sorted by id and `streams` sorted, both without repeats.
    #[must_use]
    pub fn new(crossings: Vec<Crossing>, streams: Vec<String>) -> Self {
        assert!(
            crossings.windows(2).all(|w| w[0].id < w[1].id),
            "crossings are sorted by id and unique"
        );
        assert!(
            streams.windows(2).all(|w| w[0] < w[1]),
            "streams are sorted and unique"
        );
        let mut by_hash = HashMap::default();
        for (i, crossing) in (0u16..).zip(&crossings) {
            let taken = by_hash.insert(hash(&crossing.id), CrossingIx(i));
            assert!(taken.is_none(), "ids of a list of crossings hash apart");
        }
        Self {
            crossings,
            streams,
            by_hash,
        }
    }

    /// The crossing with this id.
    #[must_use]
    pub fn crossing_ix(&self, id: &str) -> Option<CrossingIx> {
        let ix = self.by_hash.get(&hash(id)).copied()?;
        (self.crossing(ix).id == id).then_some(ix)
    }

    /// The stream with this name.
    #[must_use]
    pub fn stream_ix(&self, name: &str) -> Option<StreamIx> {
        self.streams
            .iter()
            .position(|s| s == name)
            .map(|i| StreamIx(i as u8))
    }

    /// The crossing at an index made by this network.
    #[must_use]
    pub fn crossing(&self, ix: CrossingIx) -> &Crossing {
        &self.crossings[usize::from(ix.0)]
    }

    /// The name of a stream at an index made by this network.
    #[must_use]
    pub fn stream(&self, ix: StreamIx) -> &str {
        &self.streams[usize::from(ix.0)]
    }

    /// Number of series: every crossing counts each of its streams.
    #[must_use]
    pub fn series_count(&self) -> usize {
        self.crossings.iter().map(|c| c.streams.len()).sum()
    }
}

fn hash(id: &str) -> u64 {
    xxh3_64(id.as_bytes())
}
