//! Owns the changelog's contents: versioned binary records keyed by crossing, and the state they give back.
//!
//! Keys: `c/CROSSING` counts, gate and alerts, written at every change; `m/CROSSING` baselines before the first kept day,
//! written when a day is settled; `i/CROSSING/PAGE` ids for finding duplicates; `__meta` the offset, watermark and settings all of it reflects. A value is
//! one byte of schema version and a postcard body.

use super::alert::Alert;
use super::calendar::{DaySpan, MAX_HOURS};
use super::crossing::CrossingState;
use super::exposure::GateTimeline;
use super::feed::FeedTimeline;
use super::ids::{NextOffset, Partition};
use super::intake::Intake;
use super::network::Network;
use super::params::Params;
use super::partition::PartitionState;
use super::seen::{Page, Seen};
use super::series::{DayCounts, Past, Series, SeriesCounts, Settled, Site};
use super::shut::ToldClosed;
use super::standing::Reset;
use super::time::EventTime;
use jiff::civil::Date;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// Version of every record's layout and of what its numbers mean.
pub const SCHEMA_VERSION: u8 = 21;
/// Key of the record that names offset, watermark and settings.
pub const META_KEY: &str = "__meta";

/// One changelog record; no value deletes the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangelogRecord {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: Option<Vec<u8>>,
}

/// What a partition's changelog reflects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The input offset to read next.
    pub next: Option<NextOffset>,
    /// The watermark.
    pub watermark: EventTime,
    /// Fingerprint of the settings that were in force.
    pub config_hash: u64,
    intake: Intake,
}

/// Why a changelog cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Written by another version.
    #[error(
        "changelog record `{key}` has schema version {found}, this program reads version {expected}"
    )]
    Version {
        /// Key of the record.
        key: String,
        /// Its version.
        found: u8,
        /// Ours.
        expected: u8,
    },
    /// Damaged.
    #[error("changelog record `{key}` cannot be read: {source}")]
    Body {
        /// Key of the record.
        key: String,
        /// What postcard says.
        source: postcard::Error,
    },
    /// State without `__meta`.
    #[error(
        "the changelog holds {records} records but no `__meta` record: it was cut or belongs to something else"
    )]
    NoMeta {
        /// How many.
        records: usize,
    },
    /// Of a key that this program never writes.
    #[error("changelog record `{key}` is none of this program's")]
    UnknownKey {
        /// The key.
        key: String,
    },
    /// The region's state counts its crossings by another list.
    #[error("the region's state was written for another list of crossings or streams")]
    OtherNetwork,
    /// A crossing's parts do not fit together.
    #[error("the changelog's records of crossing `{crossing}` do not fit together: {what}")]
    Torn {
        /// The crossing.
        crossing: String,
        /// What is missing or wrong.
        what: &'static str,
    },
}

#[derive(Serialize, Deserialize)]
struct CountsBody {
    since: EventTime,
    gate: GateTimeline,
    feed: FeedTimeline,
    blind_since: Option<EventTime>,
    told_closed: Option<ToldClosed>,
    series: Vec<SeriesBody>,
}

#[derive(Serialize, Deserialize)]
struct SeriesBody {
    stream: String,
    days: Vec<DayBody>,
    alerts: [Option<Alert>; 2],
    past: Vec<Past>,
    resets: Vec<Reset>,
    closed_until: [EventTime; 2],
}

#[derive(Serialize, Deserialize)]
struct DayBody {
    date: Date,
    hours: Vec<u32>,
    shut: Vec<u32>,
    revision: u32,
}

#[derive(Serialize, Deserialize)]
struct TracksBody {
    series: Vec<(String, Settled)>,
}

/// The records of everything that changed in a partition since the last call.
pub fn drain_changes(
    state: &mut PartitionState,
    network: &Network,
    config_hash: u64,
) -> Vec<ChangelogRecord> {
    let mut records = Vec::new();
    for ix in state.drain_touched() {
        let id = &network.crossing(ix).id;
        let crossing = state.crossing_mut(ix).expect("touched crossings are kept");
        if std::mem::take(&mut crossing.tracks_dirty) {
            records.push(written(format!("m/{id}"), &tracks_body(crossing, network)));
        }
        if std::mem::take(&mut crossing.counts_dirty) {
            records.push(written(format!("c/{id}"), &counts_body(crossing, network)));
        }
        let (pages, dropped) = crossing.seen.drain_changes();
        records.extend(
            pages
                .into_iter()
                .map(|page| written(format!("i/{id}/{:08}", page.number), page)),
        );
        records.extend(dropped.into_iter().map(|n| ChangelogRecord {
            key: format!("i/{id}/{n:08}"),
            value: None,
        }));
    }
    if state.next.is_some() {
        let meta = Meta {
            next: state.next,
            watermark: state.watermark,
            config_hash,
            intake: state.intake.clone(),
        };
        records.push(written(META_KEY.to_owned(), &meta));
    }
    records
}

/// Builds a partition from its changelog, oldest record first.
///
/// # Errors
/// See [`SnapshotError`].
pub fn restore(
    partition: Partition,
    changelog: impl IntoIterator<Item = ChangelogRecord>,
    network: &Network,
    params: &Params,
) -> Result<(PartitionState, Option<Meta>), SnapshotError> {
    let mut latest = BTreeMap::new();
    for record in changelog {
        match record.value {
            Some(value) => latest.insert(record.key, value),
            None => latest.remove(&record.key),
        };
    }
    let mut state = PartitionState::new(partition, network);
    let Some(meta) = latest.get(META_KEY) else {
        return if latest.is_empty() {
            Ok((state, None))
        } else {
            Err(SnapshotError::NoMeta {
                records: latest.len(),
            })
        };
    };
    let meta: Meta = read(META_KEY, meta)?;
    state.next = meta.next;
    state.watermark = meta.watermark;
    state.intake = meta.intake.clone();
    for (key, value) in latest.range("c/".to_owned().."c0".to_owned()) {
        if let Some(ix) = network.crossing_ix(&key[2..]) {
            let crossing =
                restore_crossing(ix, key, value, &latest, meta.watermark, network, params)?;
            state.place(crossing, params);
        }
    }
    Ok((state, Some(meta)))
}

fn restore_crossing(
    ix: super::ids::CrossingIx,
    key: &str,
    value: &[u8],
    latest: &BTreeMap<String, Vec<u8>>,
    watermark: EventTime,
    network: &Network,
    params: &Params,
) -> Result<CrossingState, SnapshotError> {
    let crossing = network.crossing(ix);
    let torn = |what| SnapshotError::Torn {
        crossing: crossing.id.clone(),
        what,
    };
    let counts: CountsBody = read(key, value)?;
    let tracks_key = format!("m/{}", crossing.id);
    let tracks: TracksBody = read(
        &tracks_key,
        latest
            .get(&tracks_key)
            .ok_or_else(|| torn("no baselines"))?,
    )?;
    let mut tracks: BTreeMap<String, Settled> = tracks.series.into_iter().collect();
    let mut pages: Vec<Page> = Vec::new();
    for (key, value) in latest.range(format!("i/{}/", crossing.id)..format!("i/{}0", crossing.id)) {
        pages.push(read(key, value)?);
    }
    let mut state = CrossingState {
        ix,
        since: counts.since,
        gate: counts.gate,
        feed: counts.feed,
        blind_since: counts.blind_since,
        told_closed: counts.told_closed,
        seen: Seen::restored(pages),
        series: Vec::new(),
        counts_dirty: false,
        tracks_dirty: false,
    };
    for body in counts.series {
        let stream = network
            .stream_ix(&body.stream)
            .filter(|s| crossing.streams.contains(s));
        let Some(stream) = stream else { continue };
        let settled = tracks
            .remove(&body.stream)
            .ok_or_else(|| torn("a stream without baselines"))?;
        let counts = restore_counts(body, &crossing.tz)
            .ok_or_else(|| torn("a day is missing or has too many hours"))?;
        let site = Site {
            crossing,
            gate: &state.gate,
            feed: &state.feed,
            since: state.since,
            params,
        };
        let series = Series::restored(stream, &site, counts, settled, watermark);
        state.series.push(series);
    }
    state.add_missing_series(network, params, watermark);
    Ok(state)
}

fn restore_counts(body: SeriesBody, tz: &jiff::tz::TimeZone) -> Option<SeriesCounts> {
    let days = body.days.into_iter().map(|day| restore_day(day, tz));
    let days = days.collect::<Option<Vec<_>>>()?;
    (!days.is_empty()).then_some(SeriesCounts {
        days,
        alerts: body.alerts,
        past: body.past,
        resets: body.resets,
        closed_until: body.closed_until,
    })
}

fn restore_day(body: DayBody, tz: &jiff::tz::TimeZone) -> Option<DayCounts> {
    let mut day = DayCounts::empty(DaySpan::of(tz, body.date));
    day.hours
        .get_mut(..body.hours.len())?
        .copy_from_slice(&body.hours);
    if !body.shut.is_empty() {
        let shut = day.shut.get_or_insert_default();
        shut.get_mut(..body.shut.len())?.copy_from_slice(&body.shut);
    }
    day.revision = body.revision;
    Some(day)
}

fn counts_body(crossing: &CrossingState, network: &Network) -> CountsBody {
    let series = crossing.series.iter().map(|series| {
        let counts = series.counts();
        let days = counts.days.into_iter().map(|day| DayBody {
            date: day.span.date,
            hours: used(&day.hours),
            shut: day.shut.as_deref().map_or_else(Vec::new, used),
            revision: day.revision,
        });
        SeriesBody {
            stream: network.stream(series.stream).to_owned(),
            days: days.collect(),
            alerts: counts.alerts,
            past: counts.past,
            resets: counts.resets,
            closed_until: counts.closed_until,
        }
    });
    CountsBody {
        since: crossing.since,
        gate: crossing.gate.clone(),
        feed: crossing.feed.clone(),
        blind_since: crossing.blind_since,
        told_closed: crossing.told_closed,
        series: series.collect(),
    }
}

/// The hours up to the last in which anybody came.
fn used(hours: &[u32; MAX_HOURS]) -> Vec<u32> {
    let last = hours.iter().rposition(|&n| n > 0);
    hours[..last.map_or(0, |last| last + 1)].to_vec()
}

fn tracks_body(crossing: &CrossingState, network: &Network) -> TracksBody {
    let series = crossing.series.iter().map(|series| {
        let stream = network.stream(series.stream).to_owned();
        (stream, series.settled())
    });
    TracksBody {
        series: series.collect(),
    }
}

pub(super) fn written(key: String, body: &impl Serialize) -> ChangelogRecord {
    // Into a slice postcard writes several times as fast as into something that grows; all but baselines fit.
    let mut room = [SCHEMA_VERSION; 2_048];
    let value = match postcard::to_slice(body, &mut room[1..]) {
        Ok(used) => {
            let used = used.len();
            room[..=used].to_vec()
        }
        Err(_) => {
            postcard::to_extend(body, vec![SCHEMA_VERSION]).expect("state types always serialise")
        }
    };
    ChangelogRecord {
        key,
        value: Some(value),
    }
}

pub(super) fn read<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, SnapshotError> {
    match value.split_first() {
        Some((&SCHEMA_VERSION, body)) => {
            postcard::from_bytes(body).map_err(|source| SnapshotError::Body {
                key: key.to_owned(),
                source,
            })
        }
        found => Err(SnapshotError::Version {
            key: key.to_owned(),
            found: found.map_or(0, |(v, _)| *v),
            expected: SCHEMA_VERSION,
        }),
    }
}
