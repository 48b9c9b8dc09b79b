//! Owns the one sentence of an alert that a duty officer can read aloud, and how moments are written.

use crate::core::alert::{Alert, Direction, Feedback, Reading, Reason, Run, Severity, Transition};
use crate::core::calendar::local;
use crate::core::ids::{CrossingIx, StreamIx};
use crate::core::lens::Lens;
use crate::core::network::Network;
use crate::core::time::{EventTime, HOUR_MS};
use jiff::civil::Time;
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

impl<'a> Subject<'a> {
    /// A series of a border.
    #[must_use]
    pub fn new(network: &'a Network, crossing: CrossingIx, stream: StreamIx) -> Self {
        Self {
            network,
            crossing,
            stream,
        }
    }
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

/// A few plain sentences: where, what, when, what is usual, how big and how sure, or since when. They say nothing of who or why. The
/// run is what came up to the bucket of the reading, where that opened the alert; `notes` are what [`notes`](super::notes::notes) says of the numbers.
#[must_use]
pub fn summary(
    subject: &Subject,
    alert: &Alert,
    transition: Transition,
    (reading, run): (&Reading, Option<&Run>),
    closed: bool,
    as_of: EventTime,
    notes: &str,
) -> String {
    let place = subject.network.crossing(subject.crossing);
    let name = &place.name;
    let day = |time| local(&place.tz, time).strftime("%A %-d %B %Y").to_string();
    let ended = closed || as_of >= reading.end;
    let until = (!ended).then_some(as_of);
    let stream = subject.network.stream(subject.stream);
    let numbers = numbers(&place.tz, stream, reading, until);
    let what = alert.direction.label();
    let began = if day(alert.onset) == day(reading.start) {
        "It began on that day.".to_owned()
    } else {
        format!("It began on {}.", day(alert.onset))
    };
    let said = match transition {
        Transition::Opened => {
            let told = opening(&place.tz, stream, alert.direction, (reading, run), until);
            let size = size(alert, (reading, run), until.is_some());
            let chance = chance(alert, reading);
            return format!("{name}: {told}{notes} {size} {chance}");
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
        Transition::Reopened => format!(
            "{name}: the {what} is there again{}: {numbers} {began}{}",
            match alert.reason {
                None => " after days on which it was closed",
                Some(_) => ", after late reports or corrections",
            },
            as_before(alert, reading)
        ),
        Transition::Updated => format!(
            "{name}: the {what} goes on{}: {numbers} {began}",
            word(alert)
        ),
        Transition::Resolved => format!(
            "{name}: the {what} is over{}: {numbers} {began}",
            word(alert)
        ),
    };
    format!("{said}{notes}")
}

/// A bucket up to a moment where it is not over, beside what is usual; one that was closed or silent all along is beside nothing.
fn numbers(tz: &TimeZone, stream: &str, reading: &Reading, until: Option<EventTime>) -> String {
    if reading.exposure <= 0.0 {
        let when = when(tz, reading, until);
        return match (reading.closed_ratio > 0.0, reading.blind_ratio > 0.0) {
            (true, _) => format!("it was closed {when}.{}", beside(reading)),
            (false, true) => format!("nothing was heard of it {when}."),
            (false, false) => {
                let came = arrivals(reading.observed);
                format!("{came} ({stream}) {when}; what is usual is not known.")
            }
        };
    }
    format!(
        "{} ({stream}) {}; usually {} {}.{}",
        arrivals(reading.observed),
        when(tz, reading, until),
        usual_range(reading),
        whole(reading.lens, until.is_none()),
        beside(reading)
    )
}

/// What came and is not judged.
fn beside(reading: &Reading) -> String {
    match reading.while_closed {
        0 => String::new(),
        count => format!(
            " {} more came while it was closed and are not judged.",
            grouped(u64::from(count))
        ),
    }
}

/// What an alert opens with. Where it rests on more than the last bucket the sum is told; first, where the bucket by itself is usual
/// or a small part of a surge.
pub(super) fn opening(
    tz: &TimeZone,
    stream: &str,
    direction: Direction,
    (reading, run): (&Reading, Option<&Run>),
    until: Option<EventTime>,
) -> String {
    let numbers = numbers(tz, stream, reading, until);
    let (only, is_unusual) = match direction {
        Direction::Surge => {
            let is_most = run.is_none_or(|run| 2 * reading.observed >= run.observed);
            ("", reading.observed > reading.upper && is_most)
        }
        Direction::Drop if reading.observed > 0 => ("only ", reading.observed < reading.lower),
        Direction::Drop => ("", reading.lower > 0),
    };
    let Some(run) = run.filter(|run| run.since < reading.start) else {
        return format!("{only}{numbers}");
    };
    let (since, by) = spans(tz, reading, run, until);
    let usual = about(run.expected);
    if is_unusual {
        let all = grouped(run.observed);
        return format!(
            "{only}{numbers} Since {since} there were {all} in all; usually {usual} {by}."
        );
    }
    let (all, last) = (arrivals(run.observed), when(tz, reading, until));
    let only = match direction {
        Direction::Drop if run.observed > 0 => "only ",
        _ => "",
    };
    let alone = format!(
        "{} {}",
        about(reading.expected),
        whole(reading.lens, until.is_none())
    );
    let last = match (run.observed, reading.observed) {
        (0, _) => format!(
            " In the last {} of it alone usually {}.",
            bucket(reading.lens),
            about(reading.expected)
        ),
        (_, 0) => format!(" None of them came {last}; usually {alone}."),
        (_, count) => format!(" {} of them came {last}; usually {alone}.", grouped(count)),
    };
    let beside = beside(reading);
    format!("{only}{all} ({stream}) since {since}; usually {usual} {by}.{last}{beside}")
}

/// Since when a run goes on, and by when what is usual of it is told.
fn spans(
    tz: &TimeZone,
    reading: &Reading,
    run: &Run,
    until: Option<EventTime>,
) -> (String, String) {
    let began = local(tz, run.since);
    let since = match reading.lens {
        Lens::Hour => began.strftime("%H:%M on %A %-d %B %Y"),
        _ => began.strftime("%A %-d %B %Y"),
    };
    let by = match (reading.lens, until) {
        (_, None) => "in that time".to_owned(),
        (Lens::Hour, _) if local(tz, reading.end).time() == Time::midnight() => {
            local(tz, reading.start)
                .strftime("by the end of %A")
                .to_string()
        }
        (Lens::Hour, _) if began.date() == local(tz, reading.start).date() => {
            local(tz, reading.end).strftime("by %H:%M").to_string()
        }
        (Lens::Hour, _) => local(tz, reading.end)
            .strftime("by %H:%M on %A")
            .to_string(),
        (Lens::Day, _) => local(tz, reading.start)
            .strftime("by the end of %A")
            .to_string(),
        (Lens::Week, _) => "by the end of that week".to_owned(),
    };
    (since.to_string(), by)
}

/// How many are usual, in words that read well beside a count.
#[must_use]
pub fn about(expected: f64) -> String {
    match expected.round() as u64 {
        0 => "hardly any".to_owned(),
        whole => format!("about {}", grouped(whole)),
    }
}

fn bucket(lens: Lens) -> &'static str {
    match lens {
        Lens::Hour => "hour",
        Lens::Day => "day",
        Lens::Week => "week",
    }
}

/// Where an alert that is there again is called more severe than its last bucket is by itself.
fn as_before(alert: &Alert, reading: &Reading) -> String {
    let own = Severity::of(alert.direction, reading.observed, reading.expected);
    if own >= alert.severity {
        return String::new();
    }
    let (word, own) = (alert.severity.label(), own.label());
    format!(" It is called {word} for what came before; by itself this would be {own}.")
}

/// The severity in plain words: it goes by size, as [`Severity::of`] has it, and not by how sure the alert is. Once it is open days
/// alone make it more severe.
fn size(alert: &Alert, (reading, run): (&Reading, Option<&Run>), goes_on: bool) -> String {
    let direction = alert.direction;
    let asks = |(distance, ratio): (f64, f64)| match direction {
        Direction::Surge => {
            let times = times(ratio);
            format!("at least {distance} more than usual and at least {times} as many")
        }
        Direction::Drop => {
            let part = part(ratio);
            format!("at least {distance} fewer than usual and at most {part} as many")
        }
    };
    let severity = alert.severity.label();
    let is_so = |found: Severity| found >= alert.severity;
    let own = Severity::of(direction, reading.observed, reading.expected);
    let why = alert.severity.asks(direction).map(|asked| {
        let asked = asks(asked);
        match run.filter(|run| is_so(run.severity(direction, reading.end))) {
            _ if is_so(own) => {
                let last = last(reading.lens, goes_on);
                format!(", as {last} {asked}")
            }
            Some(run) if reading.end.0 - run.since.0 > DAY_MS => {
                format!(", as an average day since then had {asked}")
            }
            Some(_) => format!(", as what came since then is {asked}"),
            None => format!(", as an hour or day of it had {asked}"),
        }
    });
    let mut worse = Severity::ALL.into_iter().filter(|s| *s > alert.severity);
    let next = worse.next().and_then(|next| {
        let asked = next.asks(direction)?;
        // Where fewer are usual than may be missing it cannot come to that.
        let is_drop_of_day = direction == Direction::Drop && reading.lens != Lens::Hour;
        if is_drop_of_day && asked.0 > reading.expected {
            return None;
        }
        let later = match reading.lens {
            Lens::Hour | Lens::Day => "a day",
            Lens::Week => "a week",
        };
        let (asked, next) = (asks(asked), next.label());
        Some(format!("; {later} with {asked} would make it {next}"))
    });
    let (why, next) = (why.unwrap_or_default(), next.unwrap_or_default());
    format!("How big: {severity}{why}{next}.")
}

/// A bucket as that which a size goes by.
fn last(lens: Lens, goes_on: bool) -> &'static str {
    match (lens, goes_on) {
        (Lens::Day, true) => "today so far has",
        (Lens::Day, false) => "that day had",
        (Lens::Hour, true) => "the hour so far has",
        (Lens::Hour, false) => "that hour had",
        (Lens::Week, _) => "that week had",
    }
}

fn times(ratio: f64) -> String {
    match ratio as u32 {
        3 => "three times".to_owned(),
        5 => "five times".to_owned(),
        other => format!("{other} times"),
    }
}

fn part(ratio: f64) -> String {
    match ratio as u32 {
        2 => "half".to_owned(),
        5 => "a fifth".to_owned(),
        other => format!("one in {other}"),
    }
}

const DAY_MS: i64 = 24 * HOUR_MS;

/// What an operator has just said of the alert, or that it is the new usual.
fn word(alert: &Alert) -> &'static str {
    let feedback = match alert.reason {
        Some(Reason::Feedback(feedback)) => feedback,
        Some(Reason::Lasting) => {
            return ", because it has lasted so long that it is what is usual from now on";
        }
        Some(Reason::Redefined) => return ", because it can be followed no longer",
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

/// The deciding bucket in words, up to a moment where it is not over.
fn when(tz: &TimeZone, reading: &Reading, until: Option<EventTime>) -> String {
    let day = local(tz, reading.start).strftime("%A %-d %B %Y");
    let clock = |time| local(tz, time).strftime("%H:%M").to_string();
    match (reading.lens, until) {
        (Lens::Hour, _) => {
            let (from, to) = (clock(reading.start), clock(until.unwrap_or(reading.end)));
            if from == to {
                format!("at {from} on {day}")
            } else {
                format!("between {from} and {to} on {day}")
            }
        }
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

/// What is expected, by which severity goes, and the range that is usual.
fn usual_range(reading: &Reading) -> String {
    let usual = about(reading.expected);
    match (reading.lower, reading.upper) {
        (0, 0) => "none".to_owned(),
        (0, upper) => format!("{usual}, at most {},", grouped(upper)),
        (lower, upper) if lower == upper => grouped(upper),
        (lower, upper) => format!("{usual}, {} to {},", grouped(lower), grouped(upper)),
    }
}

pub(super) fn arrivals(count: u64) -> String {
    match count {
        0 => "no arrivals".to_owned(),
        1 => "1 arrival".to_owned(),
        _ => format!("{} arrivals", grouped(count)),
    }
}

/// How sure it is: rounded down, so that it promises nothing the evidence does not.
fn chance(alert: &Alert, reading: &Reading) -> String {
    let days = chance_once_in_days(reading, alert.direction);
    if days < 1.0 {
        return "How sure: by chance alone this comes as often as several times a day here."
            .to_owned();
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
    format!("How sure: by chance alone this comes less than once in {period} here.")
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
pub(super) mod tests {
    use super::*;

    /// Of 20 January 2026, of which these shares were open, closed by a status and silent.
    pub(in crate::wire) fn day(
        [open, closed, blind]: [f64; 3],
        observed: u64,
        while_closed: u32,
    ) -> Reading {
        let start = 1_768_867_200_000;
        Reading {
            lens: Lens::Day,
            start: EventTime(start),
            end: EventTime(start + 86_400_000),
            observed,
            while_closed,
            expected: 20.0 * open,
            lower: 0,
            upper: (40.0 * open) as u64,
            exposure: open,
            closed_ratio: closed,
            blind_ratio: blind,
            ln_tails: [None; 2],
            log_evidence_rise: 0.0,
            log_evidence_drop: 0.0,
            p_surge: 0.0,
            p_drop: 0.0,
        }
    }

    #[test]
    fn a_day_of_which_nothing_was_open_and_seen_is_beside_no_usual_number() {
        let told = [
            day([1.0, 0.0, 0.0], 0, 0),
            day([0.5, 0.5, 0.0], 3, 0),
            day([0.0, 1.0, 0.0], 0, 0),
            day([0.0, 0.6, 0.4], 0, 12),
            day([0.0, 0.0, 1.0], 0, 0),
            day([0.0, 0.0, 0.0], 21, 0),
        ];
        let told = told.map(|reading| numbers(&TimeZone::UTC, "asylum", &reading, None));
        insta::assert_snapshot!(told.join("\n"), @r"
        no arrivals (asylum) on Tuesday 20 January 2026; usually about 20, at most 40, on such a day.
        3 arrivals (asylum) on Tuesday 20 January 2026; usually about 10, at most 20, on such a day.
        it was closed on Tuesday 20 January 2026.
        it was closed on Tuesday 20 January 2026. 12 more came while it was closed and are not judged.
        nothing was heard of it on Tuesday 20 January 2026.
        21 arrivals (asylum) on Tuesday 20 January 2026; what is usual is not known.
        ");
    }

    #[test]
    fn what_is_usual_in_a_run_is_told_up_to_the_end_of_its_bucket() {
        let hour_ms = 3_600_000;
        let whole = day([1.0, 0.0, 0.0], 9, 0);
        let hour = |end_hour: i64| Reading {
            lens: Lens::Hour,
            start: whole.start.plus_ms((end_hour - 1) * hour_ms),
            end: whole.start.plus_ms(end_hour * hour_ms),
            ..whole
        };
        let told = |reading: &Reading, since_hour: i64| {
            let run = Run {
                since: whole.start.plus_ms(since_hour * hour_ms),
                observed: 40,
                expected: 12.0,
            };
            let until = Some(reading.end.plus_ms(-1));
            spans(&TimeZone::UTC, reading, &run, until).1
        };
        assert_eq!(told(&whole, -48), "by the end of Tuesday");
        assert_eq!(told(&hour(24), 3), "by the end of Tuesday");
        assert_eq!(told(&hour(9), 3), "by 09:00");
        assert_eq!(told(&hour(9), -3), "by 09:00 on Tuesday");
    }

    #[test]
    fn an_alert_that_is_there_again_says_what_it_is_called_after() {
        let said = |severity, observed| {
            let reading = day([1.0, 0.0, 0.0], observed, 0);
            let (onset, decided) = (reading.start, (Lens::Day, reading.start));
            as_before(
                &Alert::open(Direction::Surge, onset, severity, decided),
                &reading,
            )
        };
        let smaller = " It is called critical for what came before; by itself this would be major.";
        assert_eq!(said(Severity::Critical, 70), smaller);
        assert_eq!(said(Severity::Critical, 100), "");
        assert_eq!(said(Severity::Minor, 70), "");
    }

    #[test]
    fn how_big_goes_by_the_last_bucket_an_average_day_or_what_came_in_less_than_one() {
        let said = |direction: Direction, run_hours: i64, (observed, expected)| {
            let reading = day([1.0, 0.0, 0.0], 20, 0);
            let since = reading.end.plus_ms(-run_hours * HOUR_MS);
            let run = Run {
                since,
                observed,
                expected,
            };
            let severity = run.severity(direction, reading.end);
            let alert = Alert::open(direction, since, severity, (Lens::Day, reading.start));
            size(&alert, (&reading, Some(&run)), false)
        };
        let (surge, drop) = (Direction::Surge, Direction::Drop);
        let told = [
            said(surge, 12, (40, 20.0)),
            said(surge, 12, (40, 10.0)),
            said(surge, 72, (120, 30.0)),
            // As many in thirty days are four a day and minor.
            said(surge, 720, (120, 30.0)),
            said(drop, 48, (0, 76.0)),
            said(drop, 12, (5, 60.0)),
        ];
        insta::assert_snapshot!(told.join("\n"), @r"
        How big: minor; a day with at least 10 more than usual and at least three times as many would make it major.
        How big: major, as what came since then is at least 10 more than usual and at least three times as many; a day with at least 50 more than usual and at least five times as many would make it critical.
        How big: major, as an average day since then had at least 10 more than usual and at least three times as many; a day with at least 50 more than usual and at least five times as many would make it critical.
        How big: minor; a day with at least 10 more than usual and at least three times as many would make it major.
        How big: major, as an average day since then had at least 10 fewer than usual and at most half as many.
        How big: critical, as what came since then is at least 50 fewer than usual and at most a fifth as many.
        ");
    }

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
