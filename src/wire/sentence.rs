//! Owns the one sentence of an alert that a duty officer can read aloud, and how moments are written.

use crate::core::alert::{Alert, Direction, Feedback, Reading, Reason, Transition};
use crate::core::calendar::local;
use crate::core::ids::{CrossingIx, StreamIx};
use crate::core::lens::Lens;
use crate::core::network::Network;
use crate::core::notice::DataStatus;
use crate::core::time::EventTime;
use jiff::tz::TimeZone;

/// What a sentence is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The border.
    pub network: &'a Network,
    /// Where.
    pub crossing: CrossingIx,
    /// Of what.
    pub stream: StreamIx,
}

/// Days in which evidence like this comes once by chance, on average, at most: the Shiryaev-Roberts statistic in days.
#[must_use]
pub fn chance_once_in_days(reading: &Reading, direction: Direction) -> f64 {
    let buckets_a_day = match reading.lens {
        Lens::Hour => 24.0,
        Lens::Day => 1.0,
        Lens::Week => 1.0 / 7.0,
    };
    reading.log_evidence(direction).min(500.0).exp() / buckets_a_day
}

/// A moment in the crossing's civil time, with its offset.
#[must_use]
pub fn civil_time(network: &Network, crossing: CrossingIx, time: EventTime) -> String {
    local(&network.crossing(crossing).tz, time)
        .strftime("%Y-%m-%dT%H:%M:%S%:z")
        .to_string()
}

/// Two or three plain sentences: where, what, when, what is usual, how sure or since when. They say nothing of who or why.
#[must_use]
pub fn summary(
    subject: &Subject,
    alert: &Alert,
    transition: Transition,
    reading: &Reading,
    closed: bool,
    as_of: EventTime,
) -> String {
    let place = subject.network.crossing(subject.crossing);
    let name = &place.name;
    let day = |time| local(&place.tz, time).strftime("%A %-d %B %Y").to_string();
    let ended = closed || as_of >= reading.end;
    let numbers = format!(
        "{} ({}) {}; usually there {} {}.",
        arrivals(reading.observed),
        subject.network.stream(subject.stream),
        when(&place.tz, reading, (!ended).then_some(as_of)),
        usual_range(reading),
        whole(reading.lens, ended)
    );
    let what = alert.direction.label();
    let began = if day(alert.onset) == day(reading.start) {
        "It began on that day.".to_owned()
    } else {
        format!("It began on {}.", day(alert.onset))
    };
    match transition {
        Transition::Opened => {
            let only = if alert.direction == Direction::Drop && reading.observed > 0 {
                "only "
            } else {
                ""
            };
            format!(
                "{name}: {only}{numbers} {}",
                chance(&place.tz, alert, reading)
            )
        }
        Transition::Escalated => format!(
            "{name}: the {what} has become {}: {numbers} {began}",
            alert.severity.label()
        ),
        Transition::Deescalated => format!(
            "{name}: the {what} is {} only, after late reports or corrections: {numbers} {began}",
            alert.severity.label()
        ),
        Transition::Retracted => {
            format!("{name}: the {what} is withdrawn, after late reports or corrections: {numbers}")
        }
        Transition::Reopened => {
            format!("{name}: the {what} is there again: {numbers} {began}")
        }
        Transition::Updated => format!(
            "{name}: the {what} goes on{}: {numbers} {began}",
            word(alert)
        ),
        Transition::Resolved => format!(
            "{name}: the {what} is over{}: {numbers} {began}",
            word(alert)
        ),
    }
}

/// What an operator has just said of the alert, or that it is the new usual.
fn word(alert: &Alert) -> &'static str {
    let feedback = match alert.reason {
        Some(Reason::Feedback(feedback)) => feedback,
        Some(Reason::Lasting) => {
            return ", because it has lasted so long that it is what is usual from now on";
        }
        _ => return "",
    };
    match feedback {
        Feedback::Acknowledged => ", and an operator has seen it",
        Feedback::Known => ", and an operator says that it is known",
        Feedback::Exercise => ", and an operator says that it is part of an exercise",
        Feedback::False => ", because an operator says that it was false",
        Feedback::NewUsual => ", because an operator says that it is usual from now on",
    }
}

/// What a sentence adds where its numbers do not rest on all that was sent in time; empty where they do.
#[must_use]
pub fn rests_on(data: DataStatus) -> &'static str {
    match data {
        DataStatus::Complete => "",
        DataStatus::Late => " A report that came late has changed these numbers.",
        DataStatus::Redefined => {
            " The feed there counts something else from now on, and what is usual is learnt anew."
        }
        DataStatus::Blind => {
            " The feed there was silent for part of this time: there may have been more."
        }
    }
}

/// The deciding bucket in words, up to a moment where it is not over.
fn when(tz: &TimeZone, reading: &Reading, until: Option<EventTime>) -> String {
    let day = local(tz, reading.start).strftime("%A %-d %B %Y");
    let clock = |time| local(tz, time).strftime("%H:%M").to_string();
    match (reading.lens, until) {
        (Lens::Hour, _) => format!(
            "between {} and {} on {day}",
            clock(reading.start),
            clock(until.unwrap_or(reading.end))
        ),
        (Lens::Day, None) => format!("on {day}"),
        (Lens::Day, Some(until)) => format!("on {day} by {}", clock(until)),
        (Lens::Week, _) => format!("in the week from {day}"),
    }
}

/// What the usual range is of: the whole bucket, whatever part of it has passed.
fn whole(lens: Lens, ended: bool) -> &'static str {
    match (lens, ended) {
        (Lens::Hour, true) => "in that hour",
        (Lens::Hour, false) => "in the whole hour",
        (Lens::Day, true) => "on such a day",
        (Lens::Day, false) => "in the whole day",
        (Lens::Week, true) => "in such a week",
        (Lens::Week, false) => "in the whole week",
    }
}

fn usual_range(reading: &Reading) -> String {
    match (reading.lower, reading.upper) {
        (0, 0) => "are none".to_owned(),
        (0, 1) => "is at most 1".to_owned(),
        (0, upper) => format!("are at most {}", grouped(upper)),
        (1, 1) => "is 1".to_owned(),
        (lower, upper) if lower == upper => format!("are {}", grouped(upper)),
        (lower, upper) => format!("are {} to {}", grouped(lower), grouped(upper)),
    }
}

pub(super) fn arrivals(count: u64) -> String {
    match count {
        0 => "no arrivals".to_owned(),
        1 => "1 arrival".to_owned(),
        _ => format!("{} arrivals", grouped(count)),
    }
}

/// Rounded down, so that it promises nothing the evidence does not. Evidence may have begun before the bucket that decided.
fn chance(tz: &TimeZone, alert: &Alert, reading: &Reading) -> String {
    let began = local(tz, alert.onset);
    let what = match reading.lens {
        _ if alert.onset >= reading.start => "this comes".to_owned(),
        Lens::Hour => format!(
            "arrivals like those since {} come",
            began.strftime("%H:%M on %A %-d %B %Y")
        ),
        _ => format!(
            "arrivals like those since {} come",
            began.strftime("%A %-d %B %Y")
        ),
    };
    let days = chance_once_in_days(reading, alert.direction);
    if days < 1.0 {
        return format!("By chance alone {what} as often as several times a day here.");
    }
    let period = if days < 2.0 {
        "1 day".to_owned()
    } else if days < 60.0 {
        format!("{} days", days as u64)
    } else if days < 731.0 {
        format!("{} months", (days * 12.0 / 365.25) as u64)
    } else if days < 365_250.0 {
        format!("{} years", grouped((days / 365.25) as u64))
    } else {
        "1,000 years".to_owned()
    };
    format!("By chance alone {what} less than once in {period} here.")
}

/// A number with its thousands set apart.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
