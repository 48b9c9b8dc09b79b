//! Owns what the live page knows: the last days and hours of every series, and the alerts, incidents and notices that are open
//! or ended of late, each with the version it last changed in. Bounded, whatever the topics hold.

use crate::core::event::GateState;
use crate::core::lens::{Lens, LensParams};
use crate::core::network::Network;
use crate::core::params::Params;
use crate::wire::encode::{Bucket, Evidence, Interval};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Days kept of each series, the newest.
const MAX_DAYS: usize = 60;
/// Hours kept of each series, the newest: enough for the day that is open in any time zone.
const MAX_HOURS: usize = 48;
/// How long something that ended is still shown, in seconds of event time.
const ENDED_SECS: i64 = 7 * 86_400;
/// How long a notice of something that has no end is open, in seconds of event time.
const PASSING_SECS: i64 = 86_400;
/// Alerts, incidents and notices kept; beyond it those that changed first are let go.
const MAX_TOLD: usize = 1_000;

/// One closed bucket, as it was last published.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Count {
    /// First moment of the bucket, in the crossing's civil time.
    pub start: String,
    /// First moment after it.
    pub end: String,
    /// Arrivals counted.
    pub observed: u64,
    /// Arrivals expected.
    pub expected: f64,
    /// The 1 % quantile of what was expected.
    pub lower: u64,
    /// The 99 % quantile of what was expected.
    pub upper: u64,
    /// Share in which the crossing was open and its feed alive.
    pub exposure: f64,
    /// Share in which it was open and its feed blind.
    pub blind: f64,
    /// ln of the statistics of a surge and of a drop after it.
    #[serde(skip)]
    pub evidence: [f64; 2],
}

/// The numbers an alert was last told with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Numbers {
    /// When its episode is thought to have begun.
    pub onset: String,
    pub lens: Lens,
    /// First moment of the bucket.
    pub start: String,
    /// First moment after it.
    pub end: String,
    pub observed: u64,
    pub lower: u64,
    pub upper: u64,
    /// ln of the statistic of its direction.
    pub log_sr: f64,
}

/// An alert, incident or notice after its last change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Told {
    /// The id.
    pub key: String,
    /// `alert`, `incident` or `notice`.
    pub kind: &'static str,
    /// Its last change.
    pub transition: String,
    /// `minor`, `major` or `critical`; a notice has none.
    pub severity: Option<String>,
    /// `surge` or `drop`; a notice has none.
    pub direction: Option<String>,
    /// Crossing ids it concerns, in the order they joined.
    pub crossings: Vec<String>,
    /// What is counted; a notice has none.
    pub stream: Option<String>,
    /// Event time of the last change.
    pub as_of: String,
    /// The same, in seconds since 1970.
    #[serde(skip)]
    pub at_secs: i64,
    /// One plain sentence.
    pub summary: String,
    /// Whether it goes on.
    pub is_open: bool,
    /// What an alert was told with.
    #[serde(skip)]
    pub numbers: Option<Numbers>,
    /// Whether nothing will tell of its end: a notice of something that came once.
    #[serde(skip)]
    pub is_passing: bool,
}

/// One series.
#[derive(Debug, Clone, Default)]
pub(super) struct Series {
    pub(super) stream: String,
    /// By first moment.
    pub(super) days: BTreeMap<Timestamp, Count>,
    pub(super) hours: BTreeMap<Timestamp, Count>,
    /// The strongest evidence of the hours of each civil date.
    pub(super) peaks: BTreeMap<String, [f64; 2]>,
    /// ln of the statistics that raise a surge and a drop, by day and by hour.
    pub(super) limits: [[f64; 2]; 2],
    /// The day that is open, as the last alert of it counted: its first moment and the count.
    pub(super) told: Option<(Timestamp, u64)>,
}

/// One crossing.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) country: String,
    pub(super) corridor: String,
    pub(super) order: u16,
    pub(super) series: Vec<Series>,
    /// Its gate, and up to when that is known.
    pub(super) gate: Option<(Timestamp, GateState)>,
    /// Version of its last change.
    pub(super) changed: u64,
}

/// Everything the page knows.
#[derive(Debug, Clone)]
pub struct Model {
    pub(super) corridors: Vec<(String, String)>,
    pub(super) places: Vec<Place>,
    by_id: BTreeMap<String, usize>,
    pub(super) told: BTreeMap<String, Told>,
    pub(super) told_changed: u64,
    pub(super) as_of: Option<(Timestamp, String)>,
    pub(super) version: u64,
}

#[derive(Deserialize)]
struct CountSeen {
    crossing: String,
    stream: String,
    lens: Lens,
    bucket: Bucket,
    observed: u64,
    expected: f64,
    interval: Interval,
    #[serde(default)]
    log_evidence_rise: f64,
    #[serde(default)]
    log_evidence_drop: f64,
    /// Records of earlier versions have none.
    gate: Option<GateState>,
    as_of: String,
}

/// What alerts, incidents and notices have in common; each has one of the three ids.
#[derive(Deserialize)]
struct Seen {
    alert_id: Option<String>,
    incident_id: Option<String>,
    kind: Option<String>,
    transition: String,
    severity: Option<String>,
    direction: Option<String>,
    crossing: Option<String>,
    #[serde(default)]
    members: Vec<MemberSeen>,
    stream: Option<String>,
    lens: Option<Lens>,
    bucket: Option<Bucket>,
    observed: Option<u64>,
    interval: Option<Interval>,
    evidence: Option<Evidence>,
    onset: Option<String>,
    as_of: String,
    summary: String,
}

#[derive(Deserialize)]
struct MemberSeen {
    crossing: String,
}

impl Model {
    /// Nothing is known yet of any crossing. `corridors` are ids and names in the order they are shown.
    #[must_use]
    pub fn new(network: &Network, corridors: Vec<(String, String)>) -> Self {
        let places = network.crossings.iter().map(|crossing| Place {
            id: crossing.id.clone(),
            name: crossing.name.clone(),
            country: crossing.country.clone(),
            corridor: crossing.corridor.clone(),
            order: crossing.order,
            series: (crossing.streams.iter())
                .map(|stream| Series {
                    stream: network.stream(*stream).to_owned(),
                    ..Series::default()
                })
                .collect(),
            gate: None,
            changed: 0,
        });
        let places: Vec<Place> = places.collect();
        let by_id = places.iter().enumerate();
        let by_id = by_id.map(|(at, place)| (place.id.clone(), at)).collect();
        Self {
            corridors,
            places,
            by_id,
            told: BTreeMap::new(),
            told_changed: 0,
            as_of: None,
            version: 0,
        }
    }

    /// Knows what raises an alert, so that evidence can be drawn against it.
    #[must_use]
    pub fn judged_by(mut self, network: &Network, params: &Params) -> Self {
        for (place, crossing) in self.places.iter_mut().zip(&network.crossings) {
            for (series, stream) in place.series.iter_mut().zip(&crossing.streams) {
                let lenses = params.lenses_of(params.weight_class(&crossing.id, *stream));
                let limits = |lens: &LensParams| [lens.log_threshold_rise, lens.log_threshold_drop];
                series.limits = [Lens::Day, Lens::Hour].map(|lens| limits(&lenses[lens as usize]));
            }
        }
        self
    }

    /// A crossing by its id.
    pub(super) fn place(&self, id: &str) -> Option<&Place> {
        self.by_id.get(id).map(|at| &self.places[*at])
    }

    /// Number of changes so far.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Takes a record of the counts topic; says whether it is one, of a crossing and stream that are watched.
    pub fn on_count(&mut self, value: &[u8]) -> bool {
        let Ok(seen) = serde_json::from_slice::<CountSeen>(value) else {
            return false;
        };
        let (Some(start), Some(as_of)) = (moment(&seen.bucket.start), moment(&seen.as_of)) else {
            return false;
        };
        let Some(place) = self.by_id.get(&seen.crossing) else {
            return false;
        };
        let place = &mut self.places[*place];
        if place.gate.is_none_or(|(known, _)| known <= as_of) {
            let was_shut = seen.bucket.exposure <= 0.0 && seen.bucket.blind <= 0.0;
            let shut = was_shut.then_some(GateState::Closed);
            let gate = seen.gate.or(shut).unwrap_or_default();
            place.gate = Some((as_of, gate));
        }
        let Some(series) = place.series.iter_mut().find(|s| s.stream == seen.stream) else {
            return false;
        };
        let count = Count {
            start: seen.bucket.start,
            end: seen.bucket.end,
            observed: seen.observed,
            expected: seen.expected,
            lower: seen.interval.lower,
            upper: seen.interval.upper,
            exposure: seen.bucket.exposure,
            blind: seen.bucket.blind,
            evidence: [seen.log_evidence_rise, seen.log_evidence_drop],
        };
        if seen.lens == Lens::Hour && count.exposure > 0.0 {
            series.peak(&count);
        }
        let (buckets, most) = match seen.lens {
            Lens::Hour => (&mut series.hours, MAX_HOURS),
            Lens::Day | Lens::Week => (&mut series.days, MAX_DAYS),
        };
        buckets.insert(start, count);
        while buckets.len() > most {
            buckets.pop_first();
        }
        self.version += 1;
        place.changed = self.version;
        self.pass(as_of, seen.as_of);
        true
    }

    /// Takes a record of the state topic: what its key stands for after a change, or nothing any more.
    pub fn on_state(&mut self, key: &str, value: Option<&[u8]>) -> bool {
        let Some(value) = value else {
            self.version += 1;
            self.told_changed = self.version;
            return self.told.remove(key).is_some();
        };
        let Ok(seen) = serde_json::from_slice::<Seen>(value) else {
            return false;
        };
        let Some(as_of) = moment(&seen.as_of) else {
            return false;
        };
        self.version += 1;
        self.told_changed = self.version;
        self.touch(&seen);
        let told = told(key, seen);
        let shown = told.as_of.clone();
        self.told.insert(key.to_owned(), told);
        self.pass(as_of, shown);
        self.forget();
        true
    }

    /// Its crossing is drawn anew. An alert by the day that is open tells its count before the day is published.
    fn touch(&mut self, seen: &Seen) -> Option<()> {
        let place = &mut self.places[*self.by_id.get(seen.crossing.as_ref()?)?];
        place.changed = self.version;
        let series = place.series.iter_mut();
        let mut series = series.filter(|s| Some(&s.stream) == seen.stream.as_ref());
        if seen.lens? == Lens::Day {
            series.next()?.told = Some((moment(&seen.bucket.as_ref()?.start)?, seen.observed?));
        }
        Some(())
    }

    fn pass(&mut self, at: Timestamp, shown: String) {
        if self.as_of.as_ref().is_none_or(|(known, _)| *known < at) {
            self.as_of = Some((at, shown));
            self.forget();
        }
    }

    /// Lets go of what is long over, and of what is too much.
    fn forget(&mut self) {
        let now = self.as_of.as_ref().map_or(0, |(at, _)| at.as_second());
        let age = |told: &Told| now - told.at_secs;
        for told in self.told.values_mut().filter(|t| t.is_open && t.is_passing) {
            if age(told) > PASSING_SECS {
                told.is_open = false;
                self.told_changed = self.version;
            }
        }
        let before = self.told.len();
        (self.told).retain(|_, told| told.is_open || age(told) <= ENDED_SECS);
        while self.told.len() > MAX_TOLD {
            let oldest = self.told.values().max_by_key(|t| (!t.is_open, age(t)));
            let oldest = oldest.map(|told| told.key.clone()).unwrap_or_default();
            self.told.remove(&oldest);
        }
        if self.told.len() < before {
            self.told_changed = self.version;
        }
    }
}

impl Series {
    /// Keeps the strongest evidence of the hours of a date.
    fn peak(&mut self, hour: &Count) {
        let date = hour.start.get(..10).unwrap_or_default().to_owned();
        let peak = self.peaks.entry(date).or_insert(hour.evidence);
        for (most, now) in peak.iter_mut().zip(hour.evidence) {
            *most = most.max(now);
        }
        while self.peaks.len() > MAX_DAYS {
            self.peaks.pop_first();
        }
    }
}

/// The numbers of an alert; incidents and notices have none.
fn numbers(seen: &Seen) -> Option<Numbers> {
    let (bucket, interval) = (seen.bucket.as_ref()?, seen.interval.as_ref()?);
    Some(Numbers {
        onset: seen.onset.clone()?,
        lens: seen.lens?,
        start: bucket.start.clone(),
        end: bucket.end.clone(),
        observed: seen.observed?,
        lower: interval.lower,
        upper: interval.upper,
        log_sr: seen.evidence.as_ref()?.log_sr,
    })
}

fn told(key: &str, seen: Seen) -> Told {
    let kind = match (&seen.alert_id, &seen.incident_id) {
        (Some(_), _) => "alert",
        (None, Some(_)) => "incident",
        (None, None) => "notice",
    };
    let is_end = matches!(
        seen.transition.as_str(),
        "resolved" | "retracted" | "merged"
    );
    let numbers = numbers(&seen);
    let members = seen.members.into_iter().map(|member| member.crossing);
    Told {
        key: key.to_owned(),
        kind,
        numbers,
        is_open: !is_end,
        is_passing: kind == "notice" && seen.kind.as_deref() != Some("feed_blind"),
        transition: seen.transition,
        severity: seen.severity,
        direction: seen.direction,
        crossings: seen.crossing.into_iter().chain(members).collect(),
        stream: seen.stream,
        at_secs: moment(&seen.as_of).map_or(0, Timestamp::as_second),
        as_of: seen.as_of,
        summary: seen.summary,
    }
}

pub(super) fn moment(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
