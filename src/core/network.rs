//! Owns the static description of the border: crossings, their order and neighbours, streams, opening hours.

use super::ids::{CrossingIx, StreamIx};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

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
}

/// All crossings and streams of a deployment, in a fixed order.
#[derive(Debug, Clone, Default)]
pub struct Network {
    /// Crossings sorted by id.
    pub crossings: Vec<Crossing>,
    /// Stream names, sorted.
    pub streams: Vec<String>,
    by_id: BTreeMap<String, CrossingIx>,
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
        let by_id = (0u16..)
            .zip(&crossings)
            .map(|(i, c)| (c.id.clone(), CrossingIx(i)))
            .collect();
        Self {
            crossings,
            streams,
            by_id,
        }
    }

    /// The crossing with this id.
    #[must_use]
    pub fn crossing_ix(&self, id: &str) -> Option<CrossingIx> {
        self.by_id.get(id).copied()
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
