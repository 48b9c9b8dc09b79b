//! Owns the one sentence of an alert that a duty officer can read aloud, and how moments are written.

use crate::core::alert::{Alert, Direction, Reading, Transition};
use crate::core::calendar::local;
use crate::core::ids::{CrossingIx, StreamIx};
use crate::core::lens::Lens;
use crate::core::network::Network;
use crate::core::time::EventTime;

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

/// One plain sentence or two: where, what, when, what is usual, how sure. It says nothing of who or why.
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
    let stream = subject.network.stream(subject.stream);
    let day = |time| local(&place.tz, time).strftime("%A %-d %B %Y").to_string();
    let clock = |time| local(&place.tz, time).strftime("%H:%M").to_string();
    let when = match (reading.lens, closed) {
        (Lens::Hour, true) => format!(
            "on {} from {} to {}",
            day(reading.start),
            clock(reading.start),
            clock(reading.end)
        ),
        (Lens::Hour, false) => format!(
            "on {} from {} to {}",
            day(reading.start),
            clock(reading.start),
            clock(as_of.min(reading.end))
        ),
        (_, true) => format!("on {}", day(reading.start)),
        (_, false) if as_of >= reading.end => format!("on {}", day(reading.start)),
        (_, false) => format!("on {} by {}", day(reading.start), clock(as_of)),
    };
    let whole = if reading.lens == Lens::Hour {
        "in such an hour"
    } else {
        "on such a day"
    };
    let numbers = format!(
        "{} {} ({stream}) {when}",
        grouped(reading.observed),
        arrivals(reading.observed)
    );
    let usual = format!("{} usual {whole}", usual_range(reading));
    let began = day(alert.onset);
    match (transition, alert.direction) {
        (Transition::Opened, Direction::Surge) => {
            format!(
                "{}: {numbers}, where {usual}. {}",
                place.name,
                chance(reading, alert.direction)
            )
        }
        (Transition::Opened, Direction::Drop) => {
            format!(
                "{}: only {numbers}, where {usual}. {}",
                place.name,
                chance(reading, alert.direction)
            )
        }
        (Transition::Escalated, direction) => {
            format!(
                "{}: the {} since {began} grows: {numbers}, where {usual}.",
                place.name,
                direction.label()
            )
        }
        (Transition::Updated, direction) => {
            format!(
                "{}: the {} since {began} is still open: {numbers}, where {usual}.",
                place.name,
                direction.label()
            )
        }
        (Transition::Resolved, direction) => {
            format!(
                "{}: the {} since {began} is over: {numbers}, where {usual}.",
                place.name,
                direction.label()
            )
        }
    }
}

fn usual_range(reading: &Reading) -> String {
    match (reading.lower, reading.upper) {
        (0, 0) => "none is".to_owned(),
        (0, upper) => format!(
            "at most {} {}",
            grouped(upper),
            if upper == 1 { "is" } else { "are" }
        ),
        (lower, upper) => format!("{} to {} are", grouped(lower), grouped(upper)),
    }
}

fn arrivals(count: u64) -> &'static str {
    if count == 1 { "arrival" } else { "arrivals" }
}

fn chance(reading: &Reading, direction: Direction) -> String {
    let days = chance_once_in_days(reading, direction);
    let period = if days < 60.0 {
        format!("{days:.0} days")
    } else if days < 730.0 {
        format!("{:.0} months", days / 30.4)
    } else if days < 365_250.0 {
        format!("{} years", grouped((days / 365.25) as u64))
    } else {
        "1,000 years".to_owned()
    };
    format!("Chance alone does this less than once in {period}.")
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
