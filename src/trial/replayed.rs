//! Owns the trial on the bundled replays: what is said of each of their incidents by day, with all families and without its own.

use super::{ASKED_DAYS, Said, machine, open};
use crate::core::alert::Direction;
use crate::core::calendar::local;
use crate::core::episode::Families;
use crate::core::event::Event;
use crate::core::intake::BudgetSpent;
use crate::core::network::Network;
use crate::core::params::Params;
use crate::core::region::displacement::Day;
use crate::core::region::groups::{self, Group, Level};
use crate::core::region::incident::IncidentId;
use jiff::civil::Date;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An incident of a replay.
#[derive(Debug, Clone, Serialize)]
pub struct Lived {
    /// The replay.
    pub replay: String,
    /// Crossing of its first alert, or the group it showed at.
    pub place: String,
    /// What was counted there.
    pub stream: String,
    /// Which way it went.
    pub direction: &'static str,
    /// The day on which its first alert opened, by the clock there.
    pub first_alert: Date,
    /// The family it is one of, by the facts; nothing where it is none.
    pub family: Option<&'static str>,
    /// What was said, by days since that of its first alert, which is 1: a family or what else, and its probability.
    pub said: BTreeMap<usize, (String, f64)>,
    /// The same with its own family left out.
    pub without: BTreeMap<usize, (String, f64)>,
    /// The other crossings that showed it, by when each had its first alert.
    pub joined: Vec<Joined>,
}

/// A crossing that had its first alert after the incident's.
#[derive(Debug, Clone, Serialize)]
pub struct Joined {
    /// The crossing.
    pub place: String,
    /// The day on which its first alert opened, by the clock there.
    pub first_alert: Date,
    /// What was said of the incident, by days since that of this alert, which is 1.
    pub said: BTreeMap<usize, (String, f64)>,
}

impl Lived {
    /// Notes what was said at the end of a day at which this crossing was one of its own, since its first alert there.
    fn joins(&mut self, place: &str, first: Day, day: Day, word: &(String, f64)) {
        let known = self.joined.iter().position(|joined| joined.place == place);
        let at = known.unwrap_or_else(|| {
            self.joined.push(Joined {
                place: place.to_owned(),
                first_alert: first.date(),
                said: BTreeMap::new(),
            });
            self.joined.len() - 1
        });
        let joined = &mut self.joined[at];
        if joined.first_alert == first.date() {
            note(&mut joined.said, first, day, word);
        }
    }
}

/// Notes what was said, where it is a day that is asked about; the first is 1.
fn note(said: &mut BTreeMap<usize, (String, f64)>, first: Day, day: Day, word: &(String, f64)) {
    let since_days = (day.0 - first.0 + 1) as usize;
    if ASKED_DAYS.contains(&since_days) {
        said.insert(since_days, word.clone());
    }
}

/// Lets the events of a replay go through the machine that watches this network, once with all families and once without each
/// that it is made of. Incidents come in the order they opened.
///
/// # Errors
/// [`BudgetSpent`], where its events are of no use to the machine.
pub fn replayed(
    replay: &str,
    (network, params): (&Arc<Network>, &Params),
    sent: &[Event],
) -> Result<Vec<Lived>, BudgetSpent> {
    let mut lived = once(replay, (network, params), sent)?;
    let own: BTreeSet<&str> = lived.values().filter_map(|lived| lived.family).collect();
    for own in own {
        let mut others = Families::clone(&params.families);
        others.families.retain(|family| family.id != own);
        let params = params.clone().with_families(others);
        let without = once(replay, (network, &params), sent)?;
        for (id, lived) in &mut lived {
            if let Some(other) = without.get(id).filter(|_| lived.family == Some(own)) {
                lived.without.clone_from(&other.said);
            }
        }
    }
    Ok(lived.into_values().collect())
}

fn once(
    replay: &str,
    (network, params): (&Arc<Network>, &Params),
    sent: &[Event],
) -> Result<BTreeMap<(Day, IncidentId), Lived>, BudgetSpent> {
    let groups = groups::of(network);
    let mut all: BTreeMap<(Day, IncidentId), Lived> = BTreeMap::new();
    let mut known: BTreeMap<IncidentId, Day> = BTreeMap::new();
    machine::play(network, params, sent, |day, region| {
        for incident in open(region) {
            let id = incident.id;
            let place = network.crossing(id.crossing);
            let joined = incident.members.iter().map(|m| m.joined);
            let joined = joined.chain(incident.groups.iter().map(|g| g.joined));
            let opened = joined.min().unwrap_or(id.onset);
            let opened = Day::of(&local(&place.tz, opened));
            let began = *known.entry(id).or_insert(opened);
            // A day is looked at some hours after its end: what opened in these is of the next day.
            if day < began {
                continue;
            }
            let stream = network.stream(id.stream);
            // What several crossings show together is told of by the one that has most of it.
            let most = incident.explaining.first().filter(|_| id.group.is_some());
            let most = most.map_or(&place.id, |at| &network.crossing(*at).id);
            let group = id.group.and_then(|at| groups.get(usize::from(at.0)));
            let lived = all.entry((began, id)).or_insert_with(|| Lived {
                replay: replay.to_owned(),
                place: group.map_or_else(|| place.id.clone(), together),
                stream: stream.to_owned(),
                direction: id.direction.label(),
                first_alert: began.date(),
                family: family(replay, most, stream, id.direction),
                said: BTreeMap::new(),
                without: BTreeMap::new(),
                joined: Vec::new(),
            });
            let said = Said::of(Some(incident.likeness.as_ref()));
            let word = (said.label(&params.families), said.probability());
            note(&mut lived.said, began, day, &word);
            for member in &incident.members {
                let place = network.crossing(member.crossing);
                let first = Day::of(&local(&place.tz, member.joined));
                if first <= day && place.id != lived.place {
                    lived.joins(&place.id, first, day, &word);
                }
            }
        }
    })?;
    Ok(all)
}

fn together(group: &Group) -> String {
    match group.level {
        Level::Network => "all crossings".to_owned(),
        level => format!("{} {}", level.label(), group.name),
    }
}

/// What an incident of a bundled replay is, by the facts that the replay is made of. Where less than usual came after a surge,
/// or more beside a blocked road, is of no family by itself.
fn family(
    replay: &str,
    crossing: &str,
    stream: &str,
    direction: Direction,
) -> Option<&'static str> {
    if (direction == Direction::Drop) != (replay == "blockade-2023") {
        return None;
    }
    match (replay, stream) {
        ("arctic-2015", "asylum") if crossing == "no-storskog" => Some("arctic-2015-ramp"),
        ("arctic-2015", "asylum") => Some("arctic-2016-throttle"),
        ("belarus-2021", "asylum") if crossing == "pl-kuznica" => Some("mass-at-gate-2021"),
        ("belarus-2021", "asylum") => Some("belarus-2021-push"),
        ("blockade-2023", "trucks") => Some("blockade-2023"),
        ("finland-2023", "asylum") => Some("finland-2023-shift"),
        ("rush-2022", "travellers") => Some("rush-2022"),
        _ => None,
    }
}
