//! Owns what of an incident is held against the episodes that are known: its crossings and those beside them, day by day.

use super::border::Border;
use super::days::StreamState;
use super::displacement::{Day, DayFlow, Hops};
use super::incident::Incident;
use super::member::{DaySeen, LEAD_DAYS};
use super::watch::{LINK_HOPS, Region};
use crate::core::alert::Direction;
use crate::core::calendar::local;
use crate::core::episode::{self, Gate, Place, Seen, Situation};
use crate::core::ids::{CrossingIx, StreamIx};
use crate::core::network::Network;
use crate::core::params::Params;
use std::collections::BTreeMap;

/// Days of a week that must be known for it to say what is usual.
const WEEK_NEEDS_DAYS: usize = 4;
/// Days of an incident that are looked at, the newest; those before it began not counted.
const MOST_DAYS: i32 = 90;

impl Region {
    /// What is seen of one of its incidents at the end of the incident's last day, if it has one.
    #[must_use]
    pub fn situation(&self, incident: &Incident) -> Option<Situation> {
        let state = self.state.streams.get(&incident.id.stream)?;
        let Border {
            network,
            params,
            hops,
            ..
        } = &self.border;
        situation(network, params, hops, state, incident)
    }

    /// Holds the open incidents of a stream against the episodes that are known, as of the day that is over.
    pub(super) fn liken(&mut self, stream: StreamIx) {
        let families = self.border.params.families.clone();
        if families.families.is_empty() {
            return;
        }
        for at in 0..self.state.incidents.len() {
            let incident = &self.state.incidents[at];
            if incident.id.stream == stream && incident.is_open() {
                let seen = self.situation(incident);
                let likeness = seen.map(|seen| episode::liken(&families, &seen));
                let incident = &mut self.state.incidents[at];
                if let Some(likeness) = &likeness {
                    incident.called.see(likeness);
                }
                incident.likeness = likeness;
            }
        }
    }
}

fn situation(
    network: &Network,
    params: &Params,
    hops: &Hops,
    state: &StreamState,
    incident: &Incident,
) -> Option<Situation> {
    let last = incident.day?;
    let tz = &network.crossing(incident.id.crossing).tz;
    let onset = Day::of(&local(tz, incident.began));
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
        let usual = Usual::before(history, onset, incident.id.direction);
        let seen = |n| history.iter().find(|seen| seen.day == day(n));
        let days = (0..days).map(|n| seen(n).map_or(UNKNOWN, |seen| seen.beside(usual.as_ref())));
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

/// What was usual at a crossing in the last week before it began to rise or fall. What the detector expects follows the counts,
/// also those of a rise that it has not told of yet, or tells of for months.
struct Usual {
    /// Expected of a whole day, Monday first.
    weekdays: [f64; 7],
    /// From this day on.
    since: Day,
}

impl Usual {
    /// Of the weeks that are known before the onset, the one in which the least was expected for a surge, the most for a drop.
    fn before(history: &[DaySeen], onset: Day, direction: Direction) -> Option<Self> {
        let weeks = (1..=LEAD_DAYS as i32 / 7).filter_map(|back| {
            let last = Day(onset.0 - 7 * (back - 1));
            let days = history
                .iter()
                .filter(|seen| (last.0 - 7..last.0).contains(&seen.day.0) && seen.exposure >= 0.5);
            let days: Vec<(usize, f64)> = days
                .map(|seen| {
                    let weekday = seen.day.date().weekday().to_monday_zero_offset();
                    let whole = f64::from(seen.expected) / f64::from(seen.exposure);
                    (weekday as usize, whole)
                })
                .collect();
            let mean = days.iter().map(|(_, whole)| whole).sum::<f64>() / days.len() as f64;
            (days.len() >= WEEK_NEEDS_DAYS).then_some((last, days, mean))
        });
        let (since, days, mean) = match direction {
            Direction::Surge => weeks.min_by(|a, b| a.2.total_cmp(&b.2)),
            Direction::Drop => weeks.max_by(|a, b| a.2.total_cmp(&b.2)),
        }?;
        let mut weekdays = [mean; 7];
        for (weekday, whole) in days {
            weekdays[weekday] = whole;
        }
        Some(Self { weekdays, since })
    }
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
        let exposure = flow.exposure();
        let gate = if flow.is_blind {
            Gate::Blind
        } else if exposure < 0.5 {
            Gate::Closed
        } else {
            Gate::Open
        };
        Self {
            day,
            observed: flow.observed,
            expected: flow.expected as f32,
            exposure: exposure as f32,
            gate,
        }
    }

    fn beside(&self, usual: Option<&Usual>) -> Seen {
        let weekday = self.day.date().weekday().to_monday_zero_offset() as usize;
        let expected = match usual {
            Some(usual) if self.day >= usual.since => {
                usual.weekdays[weekday] * f64::from(self.exposure)
            }
            _ => f64::from(self.expected),
        };
        Seen {
            observed: self.observed,
            expected,
            exposure: f64::from(self.exposure),
            gate: self.gate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_open_for_a_share_of_its_own_hours() {
        // Salla is open for four hours of a day: all of them is all.
        let four_hours = 4.0 / 24.0;
        let table = [
            ("open day and night", (1.0, 0.0, 0.0), 1.0, Gate::Open),
            ("four hours a day", (four_hours, 0.0, 0.0), 1.0, Gate::Open),
            (
                "shut for three of four",
                (four_hours / 4.0, four_hours * 0.75, 0.0),
                0.25,
                Gate::Closed,
            ),
            (
                "shut by a status",
                (0.0, four_hours, 0.0),
                0.0,
                Gate::Closed,
            ),
            (
                "a weekday without hours",
                (0.0, 0.0, 0.0),
                0.0,
                Gate::Closed,
            ),
            (
                "blind for one of four",
                (four_hours * 0.75, 0.0, four_hours / 4.0),
                0.75,
                Gate::Open,
            ),
            (
                "blind for three of four",
                (four_hours / 4.0, 0.0, four_hours * 0.75),
                0.25,
                Gate::Blind,
            ),
        ];
        for (name, (open_ratio, closed_ratio, blind_ratio), exposure, gate) in table {
            let flow = DayFlow {
                observed: 4,
                while_closed: 0,
                expected: 2.0,
                open_ratio,
                closed_ratio,
                blind_ratio,
                is_blind: blind_ratio > open_ratio,
                is_hidden: false,
            };
            let seen = DaySeen::of(Day(1), &flow);
            assert_eq!((seen.exposure, seen.gate), (exposure, gate), "{name}");
        }
    }
}
