//! Owns the machine of the region's log: outputs of all partitions in the order of event time, the region they make, and what
//! of it must be kept.
//!
//! Partitions of the arrivals are read independently, so after a pause one may be days ahead of another. An output waits until
//! every partition that has records left to read has come as far; one that was read to its end is not waited for.

use super::groups::{self, GroupTally};
use super::incident::{Change, Incident, IncidentId, Told};
use super::log::{self, Entry, Mark, Sent};
use super::watch::{Region, RegionState};
use crate::core::alert::Severity;
use crate::core::calendar::local;
use crate::core::episode::Families;
use crate::core::ids::{NextOffset, Offset, Partition};
use crate::core::network::Network;
use crate::core::notice::NoticeKind;
use crate::core::output::{Output, Source};
use crate::core::params::Params;
use crate::core::snapshot::{self, ChangelogRecord, META_KEY, SnapshotError};
use crate::core::time::{EventTime, HOUR_MS};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// Days after its end at which an alert, notice or incident leaves the compacted topic of states.
const RETIRED_AFTER_MS: i64 = 30 * 24 * HOUR_MS;
/// Outputs that wait at most; then the oldest is taken though a partition may still have older ones.
const MAX_WAITING: usize = 100_000;
/// Start of the keys of the region's own state, which is cut into pages: a broker takes no record of more than a megabyte.
const PAGES: &str = "region/";
/// Bytes of a page.
const PAGE_BYTES: usize = 200_000;
/// Start of the keys of outputs that wait.
const WAITING: &str = "w/";
/// The region's log has one partition: neighbours join corridors, so one region needs all of the border.
pub const PARTITION: Partition = Partition(0);

/// A change in an incident's life, as it is told.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum IncidentTransition {
    /// Its first alert opened.
    Opened,
    /// Another alert opened in it.
    Attached,
    /// Another day of it is over.
    Updated,
    /// Most of the rise at a crossing may have moved there, and the day is not over yet.
    Displaced,
    /// It became part of an older one.
    Merged,
    /// It was part of another one, and nothing links them any more.
    Split,
    /// The worst of its alerts has become worse.
    Escalated,
    /// Late reports or corrections changed what was told of its days or alerts.
    Revised,
    /// All of its alerts have ended.
    Resolved,
    /// An alert opened in it within days of its end.
    Reopened,
}

impl IncidentTransition {
    /// All, in label order.
    pub const ALL: [Self; 10] = [
        Self::Opened,
        Self::Attached,
        Self::Updated,
        Self::Displaced,
        Self::Merged,
        Self::Split,
        Self::Escalated,
        Self::Revised,
        Self::Resolved,
        Self::Reopened,
    ];

    /// Of a change and the incident after it.
    #[must_use]
    pub fn of(told: &Told) -> Self {
        match told.change {
            Change::Opened => Self::Opened,
            Change::Attached => Self::Attached,
            Change::Updated => Self::Updated,
            Change::Displaced(_) => Self::Displaced,
            Change::Merged(_) => Self::Merged,
            Change::Split(_) => Self::Split,
            Change::Escalated(_) => Self::Escalated,
            Change::Revised(_) => Self::Revised,
            Change::Resolved(_) => Self::Resolved,
            Change::Reopened => Self::Reopened,
        }
    }

    /// Whether the incident is open no more.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::Merged | Self::Resolved)
    }

    /// The label value.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Attached => "attached",
            Self::Updated => "updated",
            Self::Displaced => "displaced",
            Self::Merged => "merged",
            Self::Split => "split",
            Self::Escalated => "escalated",
            Self::Revised => "revised",
            Self::Resolved => "resolved",
            Self::Reopened => "reopened",
        }
    }
}

/// One thing the region puts out.
#[derive(Debug, Clone, PartialEq)]
pub enum RegionOutput {
    /// An incident changed.
    Incident {
        /// What changed, and the incident after it.
        told: Box<Told>,
        /// The worst of its alerts so far.
        severity: Severity,
        /// The record of the region's log that decided, and when it could be known.
        source: Source,
    },
    /// What had this key has ended long ago and leaves the topic of states.
    Retired {
        /// The key.
        key: String,
    },
}

/// What the region's changelog reflects.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Meta {
    next: Option<NextOffset>,
    config_hash: u64,
    /// Watermarks of the partitions that have records left to read.
    behind: BTreeMap<Partition, EventTime>,
    /// Event time of the last output of each partition, which never goes back.
    latest: BTreeMap<Partition, EventTime>,
    /// Event time of the last output that was taken.
    now: Option<EventTime>,
}

/// Where an output stands: event time, then partition and offset, so that the order is the same however partitions are read.
type Place = (EventTime, Partition, Offset);

#[derive(Serialize, Deserialize)]
struct Kept {
    crossings: Vec<String>,
    streams: Vec<String>,
    region: RegionState,
    ended: BTreeMap<String, EventTime>,
}

/// What happened since the start of the process.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RegionTally {
    /// Records of the log handled.
    pub consumed: u64,
    /// Changes of incidents, in the order of [`IncidentTransition::ALL`].
    pub transitions: [u64; IncidentTransition::ALL.len()],
    /// Arrivals of closed days told of as possibly moved.
    pub displaced: u64,
    /// What was accepted and what came at groups.
    pub groups: GroupTally,
}

/// The machine.
pub struct RegionMachine {
    network: Arc<Network>,
    params: Params,
    config_hash: u64,
    region: Region,
    waiting: BTreeMap<Place, Box<Sent>>,
    ended: BTreeMap<String, EventTime>,
    meta: Meta,
    is_changed: bool,
    /// Hashes of the state's pages as they were last written: most hours change few of them.
    pages: Vec<u64>,
    added: BTreeSet<Place>,
    removed: BTreeSet<Place>,
    tally: RegionTally,
}

impl RegionMachine {
    /// A machine that knows nothing. `config_hash` names the settings in the changelog.
    #[must_use]
    pub fn new(network: Arc<Network>, params: Params, config_hash: u64) -> Self {
        let state = RegionState::default();
        Self {
            region: Region::new(Arc::clone(&network), params.clone(), state),
            network,
            params,
            config_hash,
            waiting: BTreeMap::new(),
            ended: BTreeMap::new(),
            meta: Meta::default(),
            is_changed: false,
            pages: Vec::new(),
            added: BTreeSet::new(),
            removed: BTreeSet::new(),
            tally: RegionTally::default(),
        }
    }

    /// Forgets everything but the counters.
    pub fn forget(&mut self) {
        let tally = std::mem::take(&mut self.tally);
        let network = Arc::clone(&self.network);
        *self = Self::new(network, self.params.clone(), self.config_hash);
        self.tally = tally;
    }

    /// Starts with what the changelog holds, one record a key, and returns the offset it reflects.
    ///
    /// # Errors
    /// [`SnapshotError`] when a record cannot be read or was written by another version or for another list of crossings.
    pub fn restore(
        &mut self,
        changelog: impl IntoIterator<Item = ChangelogRecord>,
    ) -> Result<Option<NextOffset>, SnapshotError> {
        self.forget();
        let values = changelog.into_iter();
        let values = values.filter_map(|record| Some((record.key, record.value?)));
        let mut values: BTreeMap<String, Vec<u8>> = values.collect();
        let Some(meta) = values.remove(META_KEY) else {
            return match values.len() {
                0 => Ok(None),
                records => Err(SnapshotError::NoMeta { records }),
            };
        };
        self.meta = snapshot::read(META_KEY, &meta)?;
        let mut pages = values.split_off(PAGES);
        // `region/` stands before the keys of what waits.
        values.append(&mut pages.split_off(WAITING));
        self.pages = pages.values().map(|page| xxh3_64(page)).collect();
        if !pages.is_empty() {
            let whole: Vec<u8> = pages.into_values().flatten().collect();
            let kept: Kept = snapshot::read(PAGES, &whole)?;
            if (&kept.crossings, &kept.streams) != (&ids(&self.network), &self.network.streams) {
                return Err(SnapshotError::OtherNetwork);
            }
            let network = Arc::clone(&self.network);
            self.region = Region::new(network, self.params.clone(), kept.region);
            self.ended = kept.ended;
        }
        for (key, value) in values {
            let place = key.strip_prefix(WAITING).and_then(parse);
            let place = place.ok_or(SnapshotError::UnknownKey { key: key.clone() })?;
            if let Entry::Sent(sent) = log::entry(&self.network, &key, &value)? {
                self.waiting.insert(place, sent);
            }
        }
        Ok(self.meta.next)
    }

    /// Handles one record of the log.
    ///
    /// # Errors
    /// [`SnapshotError`] when it is damaged or of another version; nothing changed then.
    pub fn handle(
        &mut self,
        offset: Offset,
        value: &[u8],
        out: &mut dyn FnMut(RegionOutput),
    ) -> Result<(), SnapshotError> {
        let entry = log::entry(&self.network, &format!("at offset {}", offset.0), value)?;
        self.meta.next = Some(offset.next());
        self.tally.consumed += 1;
        match entry {
            Entry::Mark(Mark { partition, behind }) => {
                match behind {
                    Some(watermark) => self.meta.behind.insert(partition, watermark),
                    None => self.meta.behind.remove(&partition),
                };
            }
            Entry::Sent(sent) => {
                let partition = sent.output.source().partition;
                let latest = self.meta.latest.entry(partition);
                let latest = latest.or_insert(EventTime::MIN);
                *latest = sent.output.as_of().max(*latest);
                if let Some(reached) = self.meta.behind.get_mut(&partition) {
                    *reached = (*reached).max(*latest);
                }
                let place = (*latest, partition, offset);
                self.added.insert(place);
                self.waiting.insert(place, sent);
            }
            Entry::Elsewhere => {}
        }
        self.release(out);
        Ok(())
    }

    /// Takes the outputs that nothing older can come before.
    fn release(&mut self, out: &mut dyn FnMut(RegionOutput)) {
        let until = self.meta.behind.values().min().copied();
        let until = until.unwrap_or(EventTime::MAX);
        while let Some((&place, _)) = self.waiting.first_key_value() {
            if place.0 >= until && self.waiting.len() <= MAX_WAITING {
                break;
            }
            let (_, sent) = self.waiting.pop_first().expect("it was just seen");
            if !self.added.remove(&place) {
                self.removed.insert(place);
            }
            self.take(place, &sent, out);
        }
    }

    fn take(&mut self, (at, _, offset): Place, sent: &Sent, out: &mut dyn FnMut(RegionOutput)) {
        self.note(at, sent);
        let told = self.region.take(&sent.output);
        self.tally.groups.add(self.region.take_tally());
        for told in told {
            let transition = IncidentTransition::of(&told);
            self.tally.transitions[transition as usize] += 1;
            if transition == IncidentTransition::Updated {
                self.tally.displaced += told.incident.total().moved;
            }
            self.note_end(
                told.incident.id.name(&self.network),
                transition.is_end(),
                at,
            );
            let source = Source {
                partition: PARTITION,
                offset: Some(offset),
                recorded: sent.output.source().recorded,
            };
            out(RegionOutput::Incident {
                severity: told.incident.severity(),
                told: Box::new(told),
                source,
            });
        }
        let hour = |time: EventTime| time.0.div_euclid(HOUR_MS);
        let before = self.meta.now.replace(at);
        if before.is_none_or(|before| hour(before) < hour(at)) {
            self.retire(at, out);
        }
        self.is_changed = true;
    }

    /// What an alert's or notice's record says of its end.
    fn note(&mut self, at: EventTime, sent: &Sent) {
        let is_end = match &sent.output {
            Output::Count { .. } => return,
            Output::Alert { transition, .. } => transition.is_end(),
            // Arrivals at a closed crossing have no end.
            Output::Notice { notice, .. } => {
                notice.is_over || notice.kind == NoticeKind::ArrivalsWhileClosed
            }
        };
        if let Some(key) = &sent.key {
            self.note_end(key.clone(), is_end, at);
        }
    }

    fn note_end(&mut self, key: String, is_end: bool, at: EventTime) {
        if is_end {
            self.ended.insert(key, at);
        } else {
            self.ended.remove(&key);
        }
    }

    fn retire(&mut self, now: EventTime, out: &mut dyn FnMut(RegionOutput)) {
        self.ended.retain(|key, ended| {
            let goes = now.0 - ended.0 >= RETIRED_AFTER_MS;
            if goes {
                out(RegionOutput::Retired { key: key.clone() });
            }
            !goes
        });
    }

    /// The changelog records that make the changes since the last call durable, `__meta` last; empty where nothing was read.
    pub fn drain_changes(&mut self) -> Vec<ChangelogRecord> {
        let mut records = Vec::new();
        if std::mem::take(&mut self.is_changed) {
            let kept = Kept {
                crossings: ids(&self.network),
                streams: self.network.streams.clone(),
                region: self.region.state().clone(),
                ended: self.ended.clone(),
            };
            self.write_pages(&kept, &mut records);
        }
        for place in std::mem::take(&mut self.added) {
            if let Some(sent) = self.waiting.get(&place) {
                records.push(ChangelogRecord {
                    key: waiting_key(place),
                    value: Some(log::output(
                        &self.network,
                        sent.key.as_deref(),
                        &sent.output,
                    )),
                });
            }
        }
        for place in std::mem::take(&mut self.removed) {
            records.push(ChangelogRecord {
                key: waiting_key(place),
                value: None,
            });
        }
        if self.meta.next.is_some() {
            self.meta.config_hash = self.config_hash;
            records.push(snapshot::written(META_KEY.to_owned(), &self.meta));
        }
        records
    }

    /// Writes the pages of the state that changed.
    fn write_pages(&mut self, kept: &Kept, records: &mut Vec<ChangelogRecord>) {
        let whole = snapshot::written(String::new(), kept).value;
        let whole = whole.unwrap_or_default();
        let before = std::mem::take(&mut self.pages);
        for (n, page) in whole.chunks(PAGE_BYTES).enumerate() {
            let hash = xxh3_64(page);
            self.pages.push(hash);
            if before.get(n) != Some(&hash) {
                records.push(ChangelogRecord {
                    key: page_key(n),
                    value: Some(page.to_vec()),
                });
            }
        }
        for n in self.pages.len()..before.len() {
            records.push(ChangelogRecord {
                key: page_key(n),
                value: None,
            });
        }
    }

    /// The incidents that are open, the oldest first.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        let known = self.region.incidents().iter();
        known.filter(|incident| incident.is_open())
    }

    /// Outputs that wait for a partition to come as far.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The counters.
    #[must_use]
    pub fn tally(&self) -> &RegionTally {
        &self.tally
    }

    /// The episodes that incidents are held against.
    #[must_use]
    pub fn families(&self) -> &Families {
        &self.params.families
    }

    /// The border.
    #[must_use]
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }
}

impl IncidentId {
    /// The id as records carry it: a replay makes the same one.
    #[must_use]
    pub fn name(&self, network: &Network) -> String {
        let place = network.crossing(self.crossing);
        let groups = groups::of(network);
        let group = self.group.and_then(|ix| groups.get(usize::from(ix.0)));
        let at = match group {
            Some(group) if group.name.is_empty() => group.level.label().to_owned(),
            Some(group) => format!("{}-{}", group.level.label(), group.name),
            None => place.id.clone(),
        };
        format!(
            "incident.{at}.{}.{}.{}",
            network.stream(self.stream),
            self.direction.label(),
            local(&place.tz, self.onset).date()
        )
    }
}

fn ids(network: &Network) -> Vec<String> {
    let crossings = network.crossings.iter();
    crossings.map(|crossing| crossing.id.clone()).collect()
}

fn page_key(number: usize) -> String {
    format!("{PAGES}{number:04}")
}

fn waiting_key((at, partition, offset): Place) -> String {
    format!("{WAITING}{}/{}/{}", at.0, partition.0, offset.0)
}

fn parse(place: &str) -> Option<Place> {
    let mut parts = place.splitn(3, '/');
    let mut part = || parts.next()?.parse::<i64>().ok();
    let (at, partition, offset) = (part()?, part()?, part()?);
    let partition = Partition(i32::try_from(partition).ok()?);
    Some((EventTime(at), partition, Offset(offset)))
}
