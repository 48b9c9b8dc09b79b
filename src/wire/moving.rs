//! Owns the sentences of moved flow: what of a day's rises may have moved from where. Nobody is followed.

use super::incident::listed;
use super::sentence::{about, grouped};
use crate::core::alert::Direction;
use crate::core::ids::CrossingIx;
use crate::core::network::Network;
use crate::core::region::displacement::Move;
use crate::core::region::incident::{DayCount, Incident};

/// What of the day that goes on may have moved to a crossing.
pub(super) fn displaced(network: &Network, incident: &Incident, at: CrossingIx) -> Option<String> {
    let mut members = incident.members.iter();
    let member = members.find(|m| m.is_same(at, Direction::Surge))?;
    let (day, place) = (member.today?, network.crossing(at));
    incident.moves.iter().find(|m| m.to == at)?;
    Some(format!(
        "{} in the full hours of today at {}, {}. {}",
        grouped(day.observed),
        place.name,
        above(day),
        moves_to(network, incident, at, day)
    ))
}

/// A smaller rise of a closed day is not told of as moved flow.
pub const TOLD_RISE: u64 = 5;

/// The rises of the last closed day that may have moved. Arrivals that are missing elsewhere are an upper bound: nobody is followed.
pub(super) fn moves(network: &Network, incident: &Incident) -> Option<String> {
    let places = incident.members.iter().filter_map(|member| {
        let at = member.crossing;
        let day = member
            .today
            .filter(|_| member.direction == Direction::Surge)?;
        incident.moves.iter().find(|m| m.to == at)?;
        (day.rise >= TOLD_RISE).then(|| {
            format!(
                "{} at {}, {}. {}",
                grouped(day.observed),
                network.crossing(at).name,
                above(day),
                moves_to(network, incident, at, day)
            )
        })
    });
    let places: Vec<String> = places.collect();
    (!places.is_empty()).then(|| places.join(" "))
}

/// How far a day is above what its crossing counted before, without what may have moved there; with what is usual where that is less.
fn above(day: DayCount) -> String {
    let own = day.observed.saturating_sub(day.rise);
    if own == 0 {
        return "which had none by itself before".to_owned();
    }
    let usual = if (own as f64) < 2.0 * day.expected.max(1.0) {
        String::new()
    } else {
        format!(" of late; usually {}", about(day.expected))
    };
    format!(
        "{} more than it had by itself before (about {} a day{usual})",
        grouped(day.rise),
        grouped(own)
    )
}

/// How many of a rise may have moved to a crossing, and from where: moved is the most, and how many from each nobody can tell.
fn moves_to(network: &Network, incident: &Incident, to: CrossingIx, day: DayCount) -> String {
    let moves: Vec<&Move> = incident.moves.iter().filter(|m| m.to == to).collect();
    let why = |one: &Move| match one.is_from_shut {
        true => "closed",
        false if one.is_of_before => "fewer on the days before",
        false => "fewer that day than before",
    };
    let name = |one: &Move| network.crossing(one.from).name.clone();
    let is_alike = moves.windows(2).all(|pair| why(pair[0]) == why(pair[1]));
    let from = match moves.as_slice() {
        [first, rest @ ..] if is_alike => {
            let names: Vec<String> = moves.iter().map(|one| name(one)).collect();
            let all = match rest.len() {
                0 => "",
                1 => "both ",
                _ => "all ",
            };
            format!("{} ({all}{})", listed(&names), why(first))
        }
        _ => {
            let each = moves
                .iter()
                .map(|one| format!("{} ({})", name(one), why(one)));
            listed(&each.collect::<Vec<String>>())
        }
    };
    let rest = match day.rise - day.moved {
        0 => "how many really did nobody can tell".to_owned(),
        1 => "for the other one no crossing near it had fewer".to_owned(),
        new => format!(
            "for the other {} no crossing near it had fewer",
            grouped(new)
        ),
    };
    let most = if day.moved == day.rise {
        "All of these".to_owned()
    } else {
        format!(
            "Up to {} of these {}",
            grouped(day.moved),
            grouped(day.rise)
        )
    };
    format!("{most} may have moved there from {from}; {rest}.")
}
