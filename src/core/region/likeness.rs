//! Owns what of an incident is held against the episodes that are known: its crossings and those beside them, day by day.

use super::days::StreamState;
use super::displacement::{Day, DayFlow, Hops};
use super::incident::{DaySeen, Incident, LEAD_DAYS};
use super::watch::LINK_HOPS;
use crate::core::calendar::local;
use crate::core::episode::{Gate, Place, Seen, Situation};
use crate::core::ids::CrossingIx;
use crate::core::network::Network;
use crate::core::params::Params;
use std::collections::BTreeMap;

/// Days of an incident that are looked at, the newest; those before it began not counted.
const MOST_DAYS: i32 = 90;

/// What is seen of an incident at the end of its last day, if it has one.
pub(super) fn situation(
    network: &Network,
    params: &Params,
    hops: &Hops,
    state: &StreamState,
    incident: &Incident,
) -> Option<Situation> {
    let last = incident.day?;
    let onset = Day::of(&local(
        &network.crossing(incident.id.crossing).tz,
        incident.id.onset,
    ));
    let first = Day(onset.0.max(last.0 - MOST_DAYS) - LEAD_DAYS as i32);
    let crossings = crossings(network, hops, state, incident);
    let days = usize::try_from(last.0 - first.0 + 1).ok()?;
    let day = |n: usize| Day(first.0 + n as i32);
    let is_special = |n: &usize| {
        let of = |at: &CrossingIx| {
            let corridor = &network.crossing(*at).corridor;
            params.day_class(corridor, day(*n).date()).log_variance() > 0.0
        };
        crossings.keys().any(of)
    };
    let is_special: Vec<bool> = (0..days).map(|n| is_special(&n)).collect();
    let mut places: Vec<(CrossingIx, Place)> = Vec::new();
    for (at, history) in &crossings {
        let seen = |n| history.iter().find(|seen| seen.day == day(n));
        let days = (0..days).map(|n| seen(n).map_or(UNKNOWN, |seen| seen.seen()));
        let country = network.crossing(*at).country.clone();
        let days = days.collect();
        places.push((*at, Place { country, days }));
    }
    places.sort_by_key(|(at, _)| {
        let place = network.crossing(*at);
        (place.corridor.as_str(), place.order)
    });
    Some(Situation {
        direction: incident.id.direction,
        first,
        onset: usize::try_from(onset.0 - first.0)
            .unwrap_or(0)
            .min(days - 1),
        is_special,
        places: places.into_iter().map(|(_, place)| place).collect(),
    })
}

/// A day before or after what is remembered of a crossing.
const UNKNOWN: Seen = Seen {
    observed: 0,
    expected: 0.0,
    exposure: 0.0,
    gate: Gate::Blind,
};

/// The crossings with alerts and those that hang together with them, with the days that are known of each.
fn crossings(
    network: &Network,
    hops: &Hops,
    state: &StreamState,
    incident: &Incident,
) -> BTreeMap<CrossingIx, Vec<DaySeen>> {
    let mut known: BTreeMap<CrossingIx, Vec<DaySeen>> = BTreeMap::new();
    for member in &incident.members {
        let longer = |days: &Vec<DaySeen>| days.len() < member.history.len();
        if known.get(&member.crossing).is_none_or(longer) {
            known.insert(member.crossing, member.history.clone());
        }
    }
    let mut inside: Vec<CrossingIx> = known.keys().copied().collect();
    inside.extend(&incident.explaining);
    if inside.is_empty() {
        inside.push(incident.id.crossing);
    }
    for other in state.crossings() {
        let corridor = &network.crossing(other).corridor;
        let is_near = |at: &CrossingIx| {
            network.crossing(*at).corridor == *corridor
                || hops.between(*at, other).is_some_and(|h| h <= LINK_HOPS)
        };
        if inside.iter().any(is_near) {
            known.entry(other).or_insert_with(|| state.history(other));
        }
    }
    known
}

impl DaySeen {
    /// A day as it closed.
    pub(super) fn of(day: Day, flow: &DayFlow) -> Self {
        let gate = if flow.is_blind {
            Gate::Blind
        } else if flow.open_ratio < 0.5 {
            Gate::Closed
        } else {
            Gate::Open
        };
        Self {
            day,
            observed: flow.observed,
            expected: flow.expected as f32,
            exposure: flow.open_ratio as f32,
            gate,
        }
    }

    fn seen(&self) -> Seen {
        Seen {
            observed: self.observed,
            expected: f64::from(self.expected),
            exposure: f64::from(self.exposure),
            gate: self.gate,
        }
    }
}
