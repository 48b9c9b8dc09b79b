//! Owns the incidents of a report: what is told of each, day by day, and what it was called like.

use super::course;
use super::model::Incident;
use super::scale::civil;
use crate::core::alert::Direction;
use crate::core::ids::CrossingIx;
use crate::core::network::Network;
use crate::core::output::Output;
use crate::core::params::Params;
use crate::core::region::incident::{Change as Turn, IncidentId, Told};
use crate::core::region::{Region, RegionState};
use crate::core::time::EventTime;
use crate::wire::moving::TOLD_RISE;
use crate::wire::{self, incident};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What alerts make of a border, as it is told.
pub struct Incidents<'a> {
    network: &'a Network,
    params: &'a Params,
    region: Region,
    incidents: BTreeMap<IncidentId, Incident>,
    /// What each incident was called like.
    named: BTreeMap<IncidentId, course::Naming>,
    /// What each incident was called like when that was last told.
    likened: BTreeMap<IncidentId, Option<usize>>,
    /// When each incident was last told of as over.
    ended: BTreeMap<IncidentId, EventTime>,
    /// The largest rise of a crossing that was told of as moved flow.
    moved: BTreeMap<(IncidentId, CrossingIx), u64>,
}

impl<'a> Incidents<'a> {
    /// Nothing is told of yet.
    #[must_use]
    pub fn new(network: &'a Arc<Network>, params: &'a Params) -> Self {
        Self {
            network,
            params,
            region: Region::new(network.clone(), params.clone(), RegionState::default()),
            incidents: BTreeMap::new(),
            named: BTreeMap::new(),
            likened: BTreeMap::new(),
            ended: BTreeMap::new(),
            moved: BTreeMap::new(),
        }
    }

    /// Something came out of the crossings' machine, or lens.
    pub fn take(&mut self, output: &Output) {
        for told in self.region.take(output) {
            self.note(&told);
        }
    }

    /// All that was told, in the order in which they began.
    #[must_use]
    pub fn told(&self) -> Vec<Incident> {
        let families = &self.params.families;
        let incidents = self.incidents.iter().map(|(id, incident)| Incident {
            course: self.named.get(id).and_then(|named| named.course(families)),
            ..incident.clone()
        });
        incidents.collect()
    }

    fn note(&mut self, told: &Told) {
        let told = &self.without_known_moves(told);
        let id = told.incident.id;
        let named = self.named.entry(id).or_default();
        named.see(&self.region, &told.incident);
        let ended = match told.change {
            Turn::Resolved(_) => self.ended.insert(id, told.incident.as_of),
            _ => self.ended.get(&id).copied(),
        };
        // The last alert at a crossing ended, and a group that it was no part of shows it from the same moment on.
        let goes_on = told.change == Turn::Reopened && ended == Some(told.incident.as_of);
        let said = if goes_on {
            let change = Turn::Attached;
            let told = Told {
                change,
                ..told.clone()
            };
            incident::summary(self.network, &told)
        } else {
            incident::summary(self.network, told)
        };
        let said: Vec<String> = said.into_iter().chain(self.newly_like(told)).collect();
        if said.is_empty() {
            return;
        }
        let tz = &self.network.crossing(id.crossing).tz;
        let noted = self.incidents.entry(id).or_insert_with(|| Incident {
            title: format!("Incident: {}", incident::title(self.network, id)),
            zone: tz.iana_name().map(str::to_owned),
            lines: Vec::new(),
            course: None,
        });
        if goes_on {
            noted.lines.pop();
        }
        let at = civil(tz, told.incident.as_of);
        noted.lines.extend(said.into_iter().map(|line| (at, line)));
    }

    /// What is told, without moved flow that goes on: a rise is told of as that once, and again where it has doubled.
    fn without_known_moves(&mut self, told: &Told) -> Told {
        let mut told = told.clone();
        let at_once = match told.change {
            Turn::Updated => None,
            Turn::Displaced(at) => Some(at),
            _ => return told,
        };
        let mut is_news = |at: CrossingIx| {
            let mut members = told.incident.members.iter();
            let member = members.find(|m| m.is_same(at, Direction::Surge));
            let rise = member.and_then(|m| m.today).map_or(0, |day| day.rise);
            let known = self.moved.entry((told.incident.id, at)).or_default();
            let is_news = rise >= TOLD_RISE.max(2 * *known);
            if is_news {
                *known = rise;
            }
            is_news
        };
        let targets: BTreeSet<CrossingIx> = told.incident.moves.iter().map(|m| m.to).collect();
        let targets = targets.into_iter();
        let targets = targets.filter(|at| at_once.is_none_or(|once| once == *at));
        let news: BTreeSet<CrossingIx> = targets.filter(|at| is_news(*at)).collect();
        told.incident.moves.retain(|m| news.contains(&m.to));
        told
    }

    /// What an incident looks like, where it is called something else than before.
    fn newly_like(&mut self, told: &Told) -> Option<String> {
        let likeness = told.incident.likeness.as_ref()?;
        let called = told.incident.called;
        let before = self.likened.insert(told.incident.id, called.name()?);
        let families = &self.params.families;
        let region = wire::incident::region(self.network, &told.incident);
        (before != called.name())
            .then(|| wire::episode::sentence(families, likeness, called, &region))
    }
}
