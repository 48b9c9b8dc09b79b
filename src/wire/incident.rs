//! Owns the sentences of an incident: which crossings it holds, what they count, and how it changes.

use super::ending::over;
use super::moving::{displaced, moves};
use super::notes::usual_is_new;
use super::sentence::{about, arrivals, opening};
use crate::core::alert::{Direction, Reason};
use crate::core::calendar::local;
use crate::core::episode::Gate;
use crate::core::ids::CrossingIx;
use crate::core::network::{Crossing, Network};
use crate::core::region::groups::{self, GroupIx, Level};
use crate::core::region::incident::{
    Change, GroupMember, Incident, IncidentId, Member, Revised, Told,
};

/// What changed, in one or two plain sentences; nothing for a day on which no flow moved.
#[must_use]
pub fn summary(network: &Network, told: &Told) -> Option<String> {
    let incident = &told.incident;
    let shows = || whereabouts(network, incident);
    match told.change {
        Change::Opened => begins(network, told, &joined(network, told)?),
        Change::Attached => Some(match joined(network, told)? {
            Joined::Crossing(name) => match joins(told) {
                Some(again) => {
                    let closed = match told.count {
                        Some(count) if count.reopens => " after days on which it was closed",
                        _ => "",
                    };
                    format!("{name} {again}{closed}{}", count(network, told))
                }
                None => format!(
                    "{name} has joined{} So far it showed {}.",
                    count(network, told),
                    shows()
                ),
            },
            Joined::Group(group) => {
                let day = group_day(incident);
                format!("It shows at {group} added up too{day}.")
            }
        }),
        Change::Reopened => Some(match joined(network, told)? {
            Joined::Crossing(name) => begins_again(network, told, &name),
            Joined::Group(group) => format!("It goes on, at {group} added up."),
        }),
        Change::Merged(older) => Some(format!("It is part of {}.", title(network, older))),
        Change::Split(from) => Some(format!(
            "It was part of {} and is by itself now, {}.",
            title(network, from),
            shows()
        )),
        Change::Displaced(at) => displaced(network, incident, at),
        Change::Escalated(at) => {
            let way = match told.count.map(|count| count.direction) {
                Some(Direction::Surge) => "by the rise at",
                Some(Direction::Drop) => "by the fall at",
                None => "at",
            };
            let severity = incident.severity().label();
            let (name, count) = (&network.crossing(at).name, count(network, told));
            Some(format!("It has become {severity}, {way} {name}{count}"))
        }
        Change::Revised(Revised::Day) => {
            let day = of_day(network, incident).or_else(|| day_counts(network, incident))?;
            Some(format!("{RECOUNTED} {day}"))
        }
        Change::Revised(Revised::Crossing(at)) => Some(told_less(network, incident, at)),
        Change::Revised(Revised::Withdrawn(at)) => Some(withdrawn(network, incident, at)),
        Change::Revised(Revised::Group(group)) => {
            let at = group_name(network, group);
            Some(format!(
                "{RECOUNTED} The alert at {at} added up is withdrawn: what is counted now is not enough for one."
            ))
        }
        Change::Resolved(Some(Reason::Recounted)) if incident.is_taken_back() => Some(format!(
            "It is taken back: late reports or corrections leave nothing of it. It was told of {}.",
            shows()
        )),
        Change::Resolved(Some(Reason::Recounted)) => Some(format!(
            "It is over, by late reports or corrections. It showed {}.",
            shows()
        )),
        Change::Resolved(reason) => Some(over(network, incident, reason)),
        Change::Updated => of_day(network, incident),
    }
}

/// Where the incident's likeness is counted: its crossings, and those that hang together with them.
#[must_use]
pub fn region(network: &Network, incident: &Incident) -> String {
    let members = incident.members.iter().filter(|m| !m.is_taken_back());
    let mut ixs: Vec<CrossingIx> = members.map(|m| m.crossing).collect();
    ixs.sort_unstable();
    ixs.dedup();
    ixs.sort_by_key(|at| network.crossing(*at).order);
    let name = |at: &CrossingIx| network.crossing(*at).name.clone();
    let names: Vec<String> = ixs.iter().map(name).collect();
    match (names.as_slice(), widest(network, incident)) {
        ([], Some(group)) => group_name(network, group.group),
        ([], None) => "its crossings".to_owned(),
        ([one], _) => format!("{one} and the crossings beside it"),
        (few, _) if few.len() <= NAMED_AT_MOST => {
            format!("{} and the crossings beside them", listed(few))
        }
        (many, _) => format!("its {} crossings and those beside them", many.len()),
    }
}

/// The group of most crossings that has or had an alert.
fn widest<'a>(network: &Network, incident: &'a Incident) -> Option<&'a GroupMember> {
    let groups = groups::of(network);
    let size = |g: &&GroupMember| {
        let group = groups.get(usize::from(g.group.0));
        group.map_or(0, |group| group.members.len())
    };
    incident.groups.iter().max_by_key(size)
}

/// What is news of the last closed day: which of its crossings were shut from it on, and what may have moved.
fn of_day(network: &Network, incident: &Incident) -> Option<String> {
    let day = incident.day?.date().strftime("%-d %B %Y");
    let name = |at: CrossingIx| network.crossing(at).name.clone();
    let shut: Vec<String> = incident.newly_shut().into_iter().map(name).collect();
    let shut = match shut.as_slice() {
        [] => None,
        [one] => Some(format!("{one} was reported closed all day.")),
        all => Some(format!("{} were reported closed all day.", listed(all))),
    };
    let said: Vec<String> = shut.into_iter().chain(moves(network, incident)).collect();
    (!said.is_empty()).then(|| format!("{day}: {}", said.join(" ")))
}

/// What begins an incident again that was over: its kind of alert, or one in the other direction.
fn begins_again(network: &Network, told: &Told, name: &str) -> String {
    let count = count(network, told);
    let way = told.by.map(|(_, way)| way);
    let day = day_counts(network, &told.incident).filter(|_| told.count.is_none());
    let count = day.map_or(count, |day| format!(". {day}"));
    match way.filter(|way| *way != told.incident.id.direction) {
        Some(Direction::Surge) => format!("After it {name} rises{count}"),
        Some(Direction::Drop) => format!("After it {name} falls{count}"),
        None => format!("It goes on, at {name}{count}"),
    }
}

/// What the group that joined last counted on the last day; nothing where its crossings all speak for themselves.
fn group_day(incident: &Incident) -> String {
    let newest = incident.groups.iter().max_by_key(|group| group.joined);
    let day = newest.map(|group| group.today);
    let day = day.filter(|day| day.observed > 0);
    day.map_or_else(String::new, |day| {
        let (came, usual) = (arrivals(day.observed), about(day.expected));
        format!(": those of them without an alert of their own had {came} on the last day, usually {usual}")
    })
}

/// A sentence for every change, which stands alone: also a day on which no flow moved is told of, with its counts.
#[must_use]
pub fn spoken(network: &Network, told: &Told) -> String {
    let incident = &told.incident;
    let what = title(network, incident.id);
    let what = format!("T{}", &what[1..]);
    let shows = whereabouts(network, incident);
    match (told.change, summary(network, told)) {
        (Change::Opened, _) if incident.groups.is_empty() => {
            format!("{what} is a new incident{}", count(network, told))
        }
        (Change::Opened, Some(said)) => format!("{what} is a new incident. {said}"),
        (Change::Resolved(_) | Change::Escalated(_), Some(said)) => {
            format!("{what}{}", said.strip_prefix("It").unwrap_or(&said))
        }
        (Change::Reopened, Some(said)) if said.starts_with("It ") => {
            format!("{what}{}", &said["It".len()..])
        }
        (Change::Merged(older), _) => format!("{what} is now part of {}.", title(network, older)),
        (Change::Split(from), _) => {
            let from = title(network, from);
            format!("{what} was part of {from} and is by itself now, {shows}.")
        }
        (_, Some(said)) => format!("{what} goes on. {said}"),
        (_, None) => {
            let day = day_counts(network, incident);
            let day = day.map_or_else(String::new, |day| format!(" {day}"));
            format!("{what} goes on.{day} So far it showed {shows}.")
        }
    }
}

/// What late reports and corrections change begins so.
const RECOUNTED: &str = "With late reports and corrections it is counted anew.";

/// That the worst of it is less than it was told of.
fn told_less(network: &Network, incident: &Incident, at: CrossingIx) -> String {
    let (severity, name) = (incident.severity().label(), &network.crossing(at).name);
    format!("{RECOUNTED} It is {severity} and no more, by what {name} counts.")
}

/// That nothing is left of a crossing's alert: its first one in the incident, which is told with the time it joined, or a later one.
fn withdrawn(network: &Network, incident: &Incident, at: CrossingIx) -> String {
    let place = network.crossing(at);
    let own = incident.members.iter().filter(|m| m.crossing == at);
    let first = own.filter(|m| m.is_taken_back()).max_by_key(|m| m.joined);
    let which = first.map_or_else(
        || format!("The last alert at {}", place.name),
        |member| {
            let joined = local(&place.tz, member.joined).strftime("%-d %B %Y, %H:%M");
            format!("The alert at {} of {joined}", place.name)
        },
    );
    format!("{RECOUNTED} {which} is withdrawn: what is counted now is not enough for one.")
}

fn day_counts(network: &Network, incident: &Incident) -> Option<String> {
    let day = incident.day?.date().strftime("%-d %B %Y");
    Some(format!("{day}: {}.", counts(network, incident)?))
}

/// The counts of the last day: at its surges, else at its drops, else of its widest group.
fn counts(network: &Network, incident: &Incident) -> Option<String> {
    for direction in Direction::ALL {
        let members = incident.members.iter();
        let members = members.filter(|m| m.direction == direction);
        let days = members.filter_map(|m| Some((m.crossing, m.today?)));
        let days: Vec<_> = days.collect();
        if !days.is_empty() {
            let observed: u64 = days.iter().map(|(_, day)| day.observed).sum();
            let expected: f64 = days.iter().map(|(_, day)| day.expected).sum();
            let does = match direction {
                Direction::Surge => "rises",
                Direction::Drop => "falls",
            };
            let name = |at: &CrossingIx| {
                let silent = if is_silent(incident, *at) {
                    " (silent for most of the day)"
                } else {
                    ""
                };
                format!("{}{silent}", network.crossing(*at).name)
            };
            let names = days.iter().map(|(at, _)| name(at));
            let at = match names.collect::<Vec<_>>().as_slice() {
                few if few.len() <= NAMED_AT_MOST => listed(few),
                many => format!("the {} crossings where it {does}", many.len()),
            };
            let (came, usual) = (arrivals(observed), about(expected));
            let beside = group_counts(network, incident, "beside these, ");
            let beside = beside.map_or_else(String::new, |group| format!("; {group}"));
            let unheard = unheard(network, incident, direction);
            return Some(format!("{came} at {at}, usually {usual}{unheard}{beside}"));
        }
    }
    group_counts(network, incident, "")
}

/// That nothing was heard on the last day of crossings whose alert goes on.
fn unheard(network: &Network, incident: &Incident, direction: Direction) -> String {
    let members = incident.members.iter();
    let silent = members.filter(|m| m.is_open && m.direction == direction && m.today.is_none());
    let silent = silent.filter(|m| is_silent(incident, m.crossing));
    let names: Vec<String> = silent
        .map(|m| network.crossing(m.crossing).name.clone())
        .collect();
    if names.is_empty() {
        return String::new();
    }
    format!("; nothing was heard of {}", listed(&names))
}

/// The counts of the last day at the crossings of the widest group with an alert that raise none of their own.
fn group_counts(network: &Network, incident: &Incident, which: &str) -> Option<String> {
    let open = incident.groups.iter();
    let open = open.filter(|g| g.is_open && g.today.expected > 0.0);
    let widest = open.max_by(|a, b| a.today.expected.total_cmp(&b.today.expected))?;
    let at = group_name(network, widest.group);
    let (observed, expected) = (widest.today.observed, widest.today.expected);
    let (came, usual) = (arrivals(observed), about(expected));
    Some(format!(
        "{which}{came} at {at} added up, without those that have an alert of their own or of fewer together, usually {usual}"
    ))
}

/// Whether a crossing was not heard for most of the last day.
fn is_silent(incident: &Incident, at: CrossingIx) -> bool {
    let mut members = incident.members.iter().filter(|m| m.crossing == at);
    members.any(|member| {
        let mut days = member.history.iter().rev();
        days.any(|seen| Some(seen.day) == incident.day && seen.gate == Gate::Blind)
    })
}

/// What an incident is called.
#[must_use]
pub fn title(network: &Network, id: IncidentId) -> String {
    let place = network.crossing(id.crossing);
    let at = match id.group {
        Some(ix) => format!("{} added up", group_name(network, ix)),
        None => place.name.clone(),
    };
    format!(
        "the {} ({}) that began at {at} on {}",
        id.direction.label(),
        network.stream(id.stream),
        local(&place.tz, id.onset).strftime("%-d %B %Y")
    )
}

/// More crossings than these are not named one by one.
const NAMED_AT_MOST: usize = 4;

/// What a group is called inside a sentence: the names of its crossings, or how many they are and where.
pub(super) fn group_name(network: &Network, ix: GroupIx) -> String {
    let groups = groups::of(network);
    let Some(group) = groups.get(usize::from(ix.0)) else {
        return "several crossings".to_owned();
    };
    let mut members: Vec<&Crossing> = group
        .members
        .iter()
        .map(|at| network.crossing(*at))
        .collect();
    members.sort_by_key(|place| place.order);
    let names: Vec<String> = members.iter().map(|place| place.name.clone()).collect();
    match (group.level, names.as_slice()) {
        (Level::Network, _) => "all crossings".to_owned(),
        (Level::Country, all) => {
            format!("the {} crossings of {}", all.len(), country(&group.name))
        }
        (Level::Corridor, [first, .., last]) if names.len() > NAMED_AT_MOST => {
            format!("the {} crossings from {first} to {last}", names.len())
        }
        (Level::Corridor, few) => listed(few),
    }
}

/// A country of the Union's borders by its name; another one by its code.
fn country(code: &str) -> String {
    let name = match code {
        "bg" => "Bulgaria",
        "ee" => "Estonia",
        "el" | "gr" => "Greece",
        "fi" => "Finland",
        "hr" => "Croatia",
        "hu" => "Hungary",
        "lt" => "Lithuania",
        "lv" => "Latvia",
        "no" => "Norway",
        "pl" => "Poland",
        "ro" => "Romania",
        "sk" => "Slovakia",
        _ => return code.to_uppercase(),
    };
    name.to_owned()
}

/// What joined an incident last, by its name.
enum Joined {
    Crossing(String),
    Group(String),
}

/// The crossing of the change, or where it says none the crossing or group whose alert joined last.
fn joined(network: &Network, told: &Told) -> Option<Joined> {
    let crossing = |at| Joined::Crossing(network.crossing(at).name.clone());
    if let Some((at, _)) = told.by {
        return Some(crossing(at));
    }
    let member = told.incident.members.iter().max_by_key(|m| m.joined);
    let group = told.incident.groups.iter().max_by_key(|g| g.joined);
    match (member, group) {
        (Some(member), Some(group)) if member.joined <= group.joined => {
            Some(Joined::Group(group_name(network, group.group)))
        }
        (Some(member), _) => Some(crossing(member.crossing)),
        (None, group) => group.map(|g| Joined::Group(group_name(network, g.group))),
    }
}

/// How what an alert tells of stands to the incident, where its crossing is part of that already.
fn joins(told: &Told) -> Option<&'static str> {
    let (at, direction) = told.by?;
    let incident = &told.incident;
    let mut known = incident.members.iter().filter(|m| m.crossing == at);
    let is_new = |m: &Member| m.direction == direction && m.joined == incident.as_of;
    match (
        known.clone().any(is_new),
        known.any(|m| !is_new(m)),
        direction,
    ) {
        (true, false, _) => None,
        (true, true, Direction::Surge) => Some("rises after its fall"),
        (true, true, Direction::Drop) => Some("falls after its rise"),
        (false, _, Direction::Surge) => Some("rises again"),
        (false, _, Direction::Drop) => Some("falls again"),
    }
}

/// What the alert counts that changed it, as the end of a sentence.
fn count(network: &Network, told: &Told) -> String {
    let at = match (told.by, told.change) {
        (Some((at, _)), _) | (None, Change::Escalated(at)) => Some(at),
        _ => None,
    };
    let Some((at, count)) = at.zip(told.count) else {
        return ".".to_owned();
    };
    let tz = &network.crossing(at).tz;
    let stream = network.stream(told.incident.id.stream);
    let numbers = (&count.reading, count.run.as_ref());
    let said = opening(tz, stream, count.direction, numbers, count.until);
    let first = &network.crossing(told.incident.id.crossing).tz;
    let clock = match tz.iana_name() {
        Some(zone) if tz != first => format!(" These are times of {zone}."),
        _ => String::new(),
    };
    let of_incident = told.incident.before(at, count.direction);
    let before = of_incident.map_or_else(String::new, |before| {
        let other = match count.direction {
            Direction::Surge => "fall",
            Direction::Drop => "rise",
        };
        format!(" Before its {other} there were {} a day.", about(before))
    });
    let known = count.before.filter(|_| of_incident.is_none());
    let usual = usual_is_new(tz, count.usual_for_days, known.as_ref());
    format!(": {said}{clock}{usual}{before}")
}

/// Where it begins; of a group also what it counts and which crossings explain it.
fn begins(network: &Network, told: &Told, joined: &Joined) -> Option<String> {
    let incident = &told.incident;
    let at = match joined {
        Joined::Crossing(name) => {
            return Some(format!("It begins at {name}{}", count(network, told)));
        }
        Joined::Group(group) => group,
    };
    let group = incident.groups.first()?;
    let name = |at: &CrossingIx| network.crossing(*at).name.clone();
    let among: Vec<String> = incident.explaining.iter().map(name).collect();
    let among = if among.is_empty() {
        String::new()
    } else {
        let most = match group.direction {
            Direction::Surge => "Most of it is",
            Direction::Drop => "Most of what is missing is",
        };
        format!(" {most} at {}.", listed(&among))
    };
    let more = match group.direction {
        Direction::Surge => "more",
        Direction::Drop => "fewer",
    };
    let (came, usual) = (arrivals(group.today.observed), about(group.today.expected));
    Some(format!(
        "There are {more} arrivals than usual at {at} added up, though not plainly at any one of them: {came} on the last day, usually {usual}.{among}"
    ))
}

/// The crossings that have or had an alert, and the widest of the groups that do: what follows "it showed".
pub(super) fn whereabouts(network: &Network, incident: &Incident) -> String {
    let mut names: Vec<String> = Vec::new();
    let is_nothing = incident.is_taken_back();
    let members = incident.members.iter();
    let members: Vec<_> = members
        .filter(|m| is_nothing || !m.is_taken_back())
        .collect();
    let is_mixed = members.iter().any(|m| m.direction == Direction::Drop);
    for (n, member) in members.iter().enumerate() {
        // One that fell and then rose, or the other way round, is one crossing.
        let is_of = |other: &&&Member| other.crossing == member.crossing;
        if members[..n].iter().any(|m| is_of(&m)) {
            continue;
        }
        let name = &network.crossing(member.crossing).name;
        let mut own = members.iter().filter(is_of);
        let named = match (
            member.direction,
            own.all(|m| m.direction == member.direction),
        ) {
            (Direction::Surge, true) if is_mixed => format!("{name} (more)"),
            (Direction::Surge, true) => name.clone(),
            (Direction::Drop, true) => format!("{name} (fewer)"),
            (Direction::Surge, false) => format!("{name} (first more, then fewer)"),
            (Direction::Drop, false) => format!("{name} (first fewer, then more)"),
        };
        names.push(named);
    }
    let group =
        widest(network, incident).map(|g| format!("at {} added up", group_name(network, g.group)));
    let crossings = match names.len() {
        0 => None,
        n if n > NAMED_AT_MOST => Some(format!("at {n} crossings: {}", listed(&names))),
        _ => Some(format!("at {}", listed(&names))),
    };
    match (crossings, group) {
        (Some(crossings), Some(group)) => format!("{crossings}, and {group}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "nowhere".to_owned(),
    }
}

/// Names with commas, and "and" before the last.
pub(super) fn listed(names: &[String]) -> String {
    match names {
        [most @ .., last] if !most.is_empty() => format!("{} and {last}", most.join(", ")),
        _ => names.concat(),
    }
}
