//! Owns the gauges of the machine's state: crossings, series, alerts and watermarks as they are when somebody asks.

use super::families::{gauges, int_gauges};
use crate::core::alert::{Direction, Severity};
use crate::core::crossing::CrossingState;
use crate::core::engine::Engine;
use crate::core::event::GateState;
use crate::core::ids::CrossingIx;
use crate::core::network::{Crossing, Network};
use crate::core::params::LENSES;
use crate::core::series::Series;
use crate::core::time::EventTime;
use prometheus::{GaugeVec, IntGaugeVec, Registry};

/// Series that a crossing is exported with, but for its streams: open, blind, last seen.
const PER_CROSSING: usize = 3;
/// Series that each stream of a crossing is exported with: arrivals so far, four of the open day, what would be noticed, and in
/// both directions the alert and the evidence of two lenses.
const PER_STREAM: usize = 6 + 2 * (1 + LENSES.len());

/// Which crossings are exported. It depends on the network only, so that all workers leave out the same ones and none comes
/// and goes.
pub(super) struct Cap {
    /// Crossings exported, in the order of the network.
    pub crossings: usize,
    /// Series of the other ones.
    pub dropped: usize,
}

impl Cap {
    /// The first crossings of the network whose series are at most `max_series` together.
    pub(super) fn new(network: &Network, max_series: usize) -> Self {
        let mut cap = Self {
            crossings: 0,
            dropped: 0,
        };
        let mut used = 0;
        for crossing in &network.crossings {
            let needed = PER_CROSSING + PER_STREAM * crossing.streams.len();
            used += needed;
            if used <= max_series {
                cap.crossings += 1;
            } else {
                cap.dropped += needed;
            }
        }
        cap
    }

    /// Whether a crossing is exported.
    pub(super) fn exports(&self, crossing: CrossingIx) -> bool {
        usize::from(crossing.0) < self.crossings
    }
}

/// Labels of a crossing, in the order of the families' lists.
pub(super) fn place_labels(crossing: &Crossing) -> [&str; 3] {
    [&crossing.id, &crossing.country, &crossing.corridor]
}

/// The gauges.
pub(super) struct StateGauges {
    day_arrivals: GaugeVec,
    day_expected: GaugeVec,
    day_lower: GaugeVec,
    day_upper: GaugeVec,
    evidence_ratio: GaugeVec,
    alert_severity: GaugeVec,
    detectable: GaugeVec,
    crossing_open: GaugeVec,
    feed_blind: GaugeVec,
    feed_last_seen: GaugeVec,
    watermark: GaugeVec,
    alerts_open: IntGaugeVec,
}

impl StateGauges {
    /// Those with closed label sets at 0, the others without series.
    pub(super) fn new(registry: &Registry) -> Self {
        let made = Self {
            day_arrivals: gauges(registry, "day_arrivals"),
            day_expected: gauges(registry, "day_arrivals_expected"),
            day_lower: gauges(registry, "day_arrivals_lower"),
            day_upper: gauges(registry, "day_arrivals_upper"),
            evidence_ratio: gauges(registry, "evidence_ratio"),
            alert_severity: gauges(registry, "alert_severity"),
            detectable: gauges(registry, "minimum_detectable_surge_per_day"),
            crossing_open: gauges(registry, "crossing_open"),
            feed_blind: gauges(registry, "feed_blind"),
            feed_last_seen: gauges(registry, "feed_last_seen_timestamp_seconds"),
            watermark: gauges(registry, "watermark_timestamp_seconds"),
            alerts_open: int_gauges(registry, "alerts_open"),
        };
        made.set_alerts_open([[0; 3]; 2]);
        made
    }

    /// The families whose series come and go with the crossings of this worker.
    pub(super) fn families(&self) -> [&GaugeVec; 11] {
        [
            &self.day_arrivals,
            &self.day_expected,
            &self.day_lower,
            &self.day_upper,
            &self.evidence_ratio,
            &self.alert_severity,
            &self.detectable,
            &self.crossing_open,
            &self.feed_blind,
            &self.feed_last_seen,
            &self.watermark,
        ]
    }

    /// Copies the machine's state; series of partitions that left disappear. `last_seen_secs` is by crossing, NaN where
    /// nothing was heard.
    pub(super) fn refresh(&self, engine: &Engine, cap: &Cap, last_seen_secs: &[f64]) {
        self.families().iter().for_each(|family| family.reset());
        let mut open = [[0; 3]; 2];
        for partition in engine.partitions() {
            if partition.next.is_some() {
                let label = partition.number.0.to_string();
                self.watermark
                    .with_label_values(&[&label])
                    .set(partition.watermark.0 as f64 / 1_000.0);
            }
            for crossing in partition.crossings() {
                let alerts = crossing.series.iter().flat_map(|s| s.alerts.iter());
                for alert in alerts.flatten() {
                    open[alert.direction as usize][alert.severity as usize] += 1;
                }
                if cap.exports(crossing.ix) {
                    let seen = last_seen_secs[usize::from(crossing.ix.0)];
                    self.refresh_crossing(engine, partition.watermark, crossing, seen);
                }
            }
        }
        self.set_alerts_open(open);
    }

    fn set_alerts_open(&self, open: [[i64; 3]; 2]) {
        for direction in Direction::ALL {
            for severity in Severity::ALL {
                let labels = [direction.label(), severity.label()];
                self.alerts_open
                    .with_label_values(&labels)
                    .set(open[direction as usize][severity as usize]);
            }
        }
    }

    fn refresh_crossing(
        &self,
        engine: &Engine,
        watermark: EventTime,
        crossing: &CrossingState,
        seen_secs: f64,
    ) {
        let place = engine.network().crossing(crossing.ix);
        let here = place_labels(place);
        let is_open = crossing.gate.state_at(watermark) != GateState::Closed;
        self.crossing_open
            .with_label_values(&here)
            .set(f64::from(u8::from(is_open)));
        let is_blind = crossing.blind_since.is_some();
        self.feed_blind
            .with_label_values(&here)
            .set(f64::from(u8::from(is_blind)));
        if seen_secs.is_finite() {
            self.feed_last_seen.with_label_values(&here).set(seen_secs);
        }
        for series in &crossing.series {
            self.refresh_series(engine, here, series);
        }
    }

    fn refresh_series(&self, engine: &Engine, here: [&str; 3], series: &Series) {
        let (stream, params) = (engine.network().stream(series.stream), engine.params());
        let [crossing, country, corridor] = here;
        let readings = [0, 1].map(|lane| series.open_reading(params, lane));
        let day = &readings[0];
        for (family, value) in [
            (&self.day_arrivals, day.counted() as f64),
            (&self.day_expected, day.expected),
            (&self.day_lower, day.lower as f64),
            (&self.day_upper, day.upper as f64),
        ] {
            let labels = [crossing, country, corridor, stream];
            family.with_label_values(&labels).set(value);
        }
        if let Some(extra) = series.detectable_per_day(params) {
            let labels = [crossing, country, corridor, stream];
            self.detectable.with_label_values(&labels).set(extra);
        }
        for direction in Direction::ALL {
            let side = direction.label();
            let severity = match &series.alerts[direction as usize] {
                None => 0.0,
                Some(alert) => f64::from(alert.severity as u8) + 1.0,
            };
            self.alert_severity
                .with_label_values(&[crossing, country, corridor, stream, side])
                .set(severity);
            for (kind, reading) in LENSES.into_iter().zip(&readings) {
                let lens = series.lens(params, kind);
                let threshold = lens.log_threshold(direction);
                let ratio = (reading.log_evidence(direction) / threshold).max(0.0);
                self.evidence_ratio
                    .with_label_values(&[crossing, country, corridor, stream, side, kind.label()])
                    .set(ratio);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::StreamIx;
    use jiff::tz::TimeZone;

    fn network(streams: &[u8]) -> Network {
        let crossing = |(i, &count): (usize, &u8)| Crossing {
            id: format!("x-{i}"),
            name: format!("X {i}"),
            country: "xx".into(),
            corridor: "xx-yy".into(),
            order: 1,
            neighbours: Vec::new(),
            tz: TimeZone::UTC,
            hours: None,
            message_within_ms: None,
            streams: (0..count).map(StreamIx).collect(),
        };
        let names = vec!["asylum".into(), "trucks".into()];
        Network::new(streams.iter().enumerate().map(crossing).collect(), names)
    }

    #[test]
    fn crossings_beyond_the_cap_are_left_out_whole_and_their_series_counted() {
        let of_one = PER_CROSSING + PER_STREAM;
        let of_two = PER_CROSSING + 2 * PER_STREAM;
        for (what, streams, max, crossings, dropped) in [
            ("no crossings", &[][..], 10, 0, 0),
            (
                "all fit, to the last series",
                &[1, 2],
                of_one + of_two,
                2,
                0,
            ),
            (
                "the last lacks one series",
                &[1, 2],
                of_one + of_two - 1,
                1,
                of_two,
            ),
            (
                "after the first that does not fit none is",
                &[2, 1],
                of_one,
                0,
                of_two + of_one,
            ),
            ("no room at all", &[1], 0, 0, of_one),
        ] {
            let cap = Cap::new(&network(streams), max);
            assert_eq!((cap.crossings, cap.dropped), (crossings, dropped), "{what}");
        }
    }
}
