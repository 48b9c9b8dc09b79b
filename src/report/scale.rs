//! Owns the scales of a plot: round numbers for counts, dates for time, decades for evidence.

use crate::core::time::{EventTime, HOUR_MS};
use crate::wire::sentence::grouped;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{ToSpan, Unit};

/// A moment of civil time.
pub(super) fn civil(tz: &TimeZone, time: EventTime) -> DateTime {
    time.timestamp().to_zoned(tz.clone()).datetime()
}

/// Days from one moment to another, by the clock on the wall.
pub(super) fn days_between(from: DateTime, to: DateTime) -> f64 {
    to.duration_since(from).as_millis_f64() / (24 * HOUR_MS) as f64
}

/// A linear scale from values to places.
#[derive(Debug, Clone, Copy)]
pub(super) struct Linear {
    pub(super) from: (f64, f64),
    pub(super) to: (f64, f64),
}

impl Linear {
    /// The place of a value; values beyond the ends are drawn at the ends.
    pub(super) fn at(&self, value: f64) -> f64 {
        let ((low, high), (start, end)) = (self.from, self.to);
        let share = ((value - low) / (high - low)).clamp(0.0, 1.0);
        start + share * (end - start)
    }
}

/// Round numbers from 0 up to the first that no value up to `largest` exceeds: steps of 1, 2 or 5 times a power of ten, about
/// `about` of them.
pub(super) fn round_ticks(largest: u64, about: u64) -> Vec<u64> {
    let largest = largest.max(1);
    let powers = std::iter::successors(Some(1u64), |power| power.checked_mul(10));
    let mut steps = powers.flat_map(|power| [1, 2, 5].map(|k: u64| k.saturating_mul(power)));
    let step = steps
        .find(|step| largest.div_ceil(*step) <= about)
        .unwrap_or(largest);
    (0..=largest.div_ceil(step)).map(|k| k * step).collect()
}

/// A round number in five characters, where it is one of fewer than 10^12: 1,500, 20k, 150k, 3M.
pub(super) fn short(tick: u64) -> String {
    let units = [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
    let fits = |(unit, _): &(u64, &str)| tick >= 10_000 && tick.is_multiple_of(*unit);
    match units.into_iter().find(fits) {
        Some((unit, name)) => format!("{}{name}", tick / unit),
        None => grouped(tick),
    }
}

/// A date on the axis of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DateTick {
    /// Where.
    pub(super) at: DateTime,
    /// What is written there.
    pub(super) label: String,
    /// Whether it is written where there is little room.
    pub(super) is_major: bool,
}

/// Dates that people name: hours, Mondays, months, quarters or years, at most about fifteen.
pub(super) fn date_ticks(from: DateTime, to: DateTime) -> Vec<DateTick> {
    let days = days_between(from, to);
    let month = |date: Date| {
        let is_year = date.month() == 1;
        let format = if is_year { "%Y" } else { "%b" };
        (date.strftime(format).to_string(), is_year)
    };
    if days <= 3.0 {
        hours(from, to)
    } else if days <= 14.0 {
        dates(
            from,
            to,
            from.date(),
            |d| d.checked_add(1.day()).ok(),
            |d| (d.strftime("%-d %b").to_string(), d.day() % 2 == 1),
        )
    } else if days <= 92.0 {
        let back = i32::from(from.date().weekday().to_monday_zero_offset());
        let monday = from.date().saturating_sub(back.days());
        dates(
            from,
            to,
            monday,
            |d| d.checked_add(1.week()).ok(),
            |d| (d.strftime("%-d %b").to_string(), (d.day() - 1) / 7 % 2 == 0),
        )
    } else if days <= 430.0 {
        let first = from.date().first_of_month();
        dates(
            from,
            to,
            first,
            |d| d.checked_add(1.month()).ok(),
            |d| {
                let (label, is_year) = month(d);
                (label, is_year || d.month() % 3 == 1 || days < 200.0)
            },
        )
    } else if days <= 1_500.0 {
        let first = from.date().first_of_year();
        dates(from, to, first, |d| d.checked_add(3.months()).ok(), month)
    } else {
        let first = from.date().first_of_year();
        let step = (days / 365.25 / 15.0).ceil() as i32;
        dates(
            from,
            to,
            first,
            |d| d.checked_add(step.years()).ok(),
            |d| (d.strftime("%Y").to_string(), d.year() % 2 == 0),
        )
    }
}

fn hours(from: DateTime, to: DateTime) -> Vec<DateTick> {
    let first = from.round(Unit::Hour).unwrap_or(from);
    let moments = std::iter::successors(Some(first), |at| at.checked_add(6.hours()).ok());
    let inside = moments.take_while(|at| *at < to).filter(|at| from <= *at);
    inside
        .map(|at| {
            let is_major = at.hour() < 6;
            let format = if is_major { "%-d %b" } else { "%H:%M" };
            DateTick {
                at,
                label: at.strftime(format).to_string(),
                is_major,
            }
        })
        .collect()
}

fn dates(
    from: DateTime,
    to: DateTime,
    first: Date,
    next: impl Fn(Date) -> Option<Date>,
    label: impl Fn(Date) -> (String, bool),
) -> Vec<DateTick> {
    std::iter::successors(Some(first), |date| next(*date))
        .map(|date| (date, date.to_datetime(Time::midnight())))
        .take_while(|(_, at)| *at < to)
        .filter(|(_, at)| from <= *at)
        .map(|(date, at)| {
            let (label, is_major) = label(date);
            DateTick {
                at,
                label,
                is_major,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover_the_largest() {
        for (largest, about, ticks) in [
            (0, 5, vec![0, 1]),
            (3, 5, vec![0, 1, 2, 3]),
            (93, 5, vec![0, 20, 40, 60, 80, 100]),
            (1_305, 3, vec![0, 500, 1_000, 1_500]),
        ] {
            assert_eq!(round_ticks(largest, about), ticks, "{largest}");
        }
        let huge = round_ticks(u64::MAX / 2, 4);
        assert!(huge.len() <= 5 && huge.last().is_some_and(|top| *top >= u64::MAX / 2));
    }

    #[test]
    fn large_numbers_are_short() {
        let ticks = [0, 500, 1_500, 20_000, 150_000, 3_000_000, 2_000_000_000];
        let shown = ["0", "500", "1,500", "20k", "150k", "3M", "2G"];
        assert_eq!(ticks.map(short), shown);
    }

    #[test]
    fn dates_are_those_that_people_name() {
        let at = |y, m, d| Date::constant(y, m, d).to_datetime(Time::midnight());
        let labels = |from, to| -> Vec<String> {
            date_ticks(from, to).into_iter().map(|t| t.label).collect()
        };
        assert_eq!(
            labels(at(2023, 8, 1), at(2023, 12, 18)),
            ["Aug", "Sep", "Oct", "Nov", "Dec"]
        );
        assert_eq!(
            labels(at(2023, 12, 30), at(2024, 3, 30)).len(),
            13,
            "Mondays"
        );
        assert_eq!(
            labels(at(2023, 11, 1), at(2023, 11, 3))[..2],
            ["1 Nov", "06:00"]
        );
        assert_eq!(
            labels(at(2018, 1, 1), at(2020, 1, 1))[..3],
            ["2018", "Apr", "Jul"]
        );
        for years in [5, 20, 400] {
            let many = labels(at(1900, 1, 1), at(1900 + years, 1, 1));
            assert!((3..=16).contains(&many.len()), "{years}: {many:?}");
        }
    }

    #[test]
    fn beyond_the_ends_is_at_the_ends() {
        let scale = Linear {
            from: (-3.0, 3.0),
            to: (60.0, 0.0),
        };
        let places = [f64::NEG_INFINITY, -3.0, 0.0, 99.0].map(|v| scale.at(v));
        assert!(
            places
                .iter()
                .zip([60.0, 60.0, 30.0, 0.0])
                .all(|(a, b)| (a - b).abs() < 1e-9)
        );
    }
}
