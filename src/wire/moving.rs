//! Owns the sentences of moved flow: what of a day's rises may have moved from where. Nobody is followed.

use super::incident::listed;
use super::sentence::grouped;
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
    Some(format!(
        "{} in the full hours of today at {}, {}. {}",
        grouped(day.observed),
        place.name,
        above(day),
        moves_to(network, incident, at, day)
    ))
}

/// A smaller rise is not told of as moved flow.
const TOLD_RISE: u64 = 5;

/// What of the last closed day may have moved.
pub(super) fn moved(network: &Network, incident: &Incident) -> Option<String> {
    let day = incident.day?.date().strftime("%-d %B %Y");
    Some(format!("{day}: {}", moves(network, incident)?))
}

/// The rises that may have moved, and where there are others too the sum of all. Arrivals that are missing elsewhere are an upper
/// bound: nobody is followed.
fn moves(network: &Network, incident: &Incident) -> Option<String> {
    let mut told_rise = 0;
    let places = incident.members.iter().filter_map(|member| {
        let at = member.crossing;
        let day = member
            .today
            .filter(|_| member.direction == Direction::Surge)?;
        incident.moves.iter().find(|m| m.to == at)?;
        if day.rise < TOLD_RISE {
            return None;
        }
        let most = above(day);
        told_rise += day.rise;
        Some(format!(
            "{} at {}, {most}. {}",
            grouped(day.observed),
            network.crossing(at).name,
            moves_to(network, incident, at, day)
        ))
    });
    let mut places: Vec<String> = places.collect();
    let all = incident.total();
    if told_rise < all.rise {
        places.push(format!(
            "At all its crossings together {} came that day; the rises among them add up to {}, and up to {} of these may have moved.",
            grouped(all.observed),
            grouped(all.rise),
            grouped(all.moved)
        ));
    }
    (told_rise > 0).then(|| places.join(" "))
}

/// How far a day is above what its crossing counted before.
fn above(day: DayCount) -> String {
    match day.observed.saturating_sub(day.rise) {
        0 => "where none came before crossings near it shut or fell".to_owned(),
        most => format!(
            "{} more than the level it had reached (about {} a day) before crossings near it shut or fell",
            grouped(day.rise),
            grouped(most)
        ),
    }
}

/// How many of a rise may have moved to a crossing, and from where: moved is the most, and how many from each nobody can tell.
fn moves_to(network: &Network, incident: &Incident, to: CrossingIx, day: DayCount) -> String {
    let moves: Vec<&Move> = incident.moves.iter().filter(|m| m.to == to).collect();
    let why = |one: &Move| match one.is_from_shut {
        true => "closed of late",
        false if one.is_of_before => "fewer on the days before",
        false => "fewer that day",
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
