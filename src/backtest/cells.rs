//! Owns the meaning of one cell: a time, a count, an exposure, a state, a label. Where it stands is the reader's concern.

use super::problem::Fault;
use crate::core::alert::Direction;
use crate::core::calendar::DaySpan;
use crate::core::holidays::{DayClass, Holidays};
use crate::core::lens::{Lens, Slot};
use crate::core::time::EventTime;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Largest count of one bucket.
const COUNT_MAX: u32 = 1_000_000_000;
/// Largest number of a bucket: more is a date without its hyphens.
const T_MAX: i32 = 1_000_000;
/// The day on which bucket 1 begins where buckets are numbered: a Monday, and a first of January.
pub const NUMBERED_FROM: Date = Date::constant(2001, 1, 1);
const MINUTE_MS: i64 = 60_000;

/// Minutes since 1970 by the clock on the wall.
pub(super) type Minute = i32;

/// Minutes in a bucket.
#[must_use]
pub(super) fn bucket_minutes(lens: Lens) -> Minute {
    match lens {
        Lens::Hour => 60,
        Lens::Day => 24 * 60,
        Lens::Week => 7 * 24 * 60,
    }
}

/// A minute of the wall clock as if it were one of UTC.
#[must_use]
pub(super) fn moment(minute: Minute) -> EventTime {
    EventTime(i64::from(minute) * MINUTE_MS)
}

/// Where a bucket lies in the seasons, and whether its day is a special one; a week is too long to be.
#[must_use]
pub(super) fn slot(lens: Lens, minute: Minute, holidays: &Holidays) -> Slot {
    let time = moment(minute);
    let day = DaySpan::holding(&TimeZone::UTC, time);
    let seasons = match lens {
        Lens::Hour => day.hour_slot(&TimeZone::UTC, day.hour_of(time)),
        Lens::Day | Lens::Week => day.slot(),
    };
    let class = match lens {
        Lens::Hour | Lens::Day => holidays.day_class(day.date),
        Lens::Week => DayClass::Usual,
    };
    Slot {
        special_log_variance: class.log_variance(),
        ..seasons
    }
}

/// Start of a bucket: a date, a date and a time of day, or the number of the bucket from 1. An offset from UTC is passed over.
pub(super) fn minute(cell: &str, lens: Lens) -> Result<Minute, Fault> {
    if let Ok(t) = cell.parse::<Minute>() {
        let since = t.saturating_sub(1).checked_mul(bucket_minutes(lens));
        let at = since.and_then(|since| midnight(NUMBERED_FROM).checked_add(since));
        return at.filter(|_| (1..=T_MAX).contains(&t)).ok_or_else(|| {
            Fault::new(
                format!("is no bucket number from 1 to {T_MAX}"),
                "number the rows of each series from 1, or write dates as 2023-11-18",
            )
        });
    }
    let (date, clock) = match cell.split_once(['T', ' ']) {
        Some((date, clock)) => (date, Some(clock)),
        None => (cell, None),
    };
    let time = civil_date(date)
        .map(midnight)
        .zip(clock.map_or(Some(0), of_day));
    time.map(|(day, of_day)| day + of_day).ok_or_else(|| {
        Fault::new(
            "is no date or time",
            "write 2023-11-18, 18-11-2023, 2023-11-18T14:00 or the number of the bucket from 1",
        )
    })
}

fn midnight(date: Date) -> Minute {
    let ms = DaySpan::of(&TimeZone::UTC, date).start.0;
    i32::try_from(ms / MINUTE_MS).unwrap_or(Minute::MAX)
}

/// `2023-11-18` or `18-11-2023`.
fn civil_date(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let (first, month, last) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (year, day) = if first.len() == 4 {
        (first, last)
    } else {
        (last, first)
    };
    let year: i16 = year.parse().ok().filter(|year| (1..=4000).contains(year))?;
    Date::new(year, month.parse().ok()?, day.parse().ok()?).ok()
}

/// Minutes after midnight of `14`, `14:30`, `14:30:00Z`.
fn of_day(clock: &str) -> Option<Minute> {
    let (hour, rest) = clock.split_at_checked(2)?;
    let minute = match rest.strip_prefix(':') {
        Some(rest) => rest.get(..2)?.parse().ok()?,
        None => 0,
    };
    let hour: Minute = hour.parse().ok()?;
    let known = rest
        .chars()
        .all(|c| c.is_ascii_digit() || ":.+-Zz".contains(c));
    (known && (0..24).contains(&hour) && (0..60).contains(&minute)).then_some(hour * 60 + minute)
}

/// A count; nothing in an empty cell.
pub(super) fn count(cell: &str) -> Result<Option<u32>, Fault> {
    if cell.is_empty() {
        return Ok(None);
    }
    // Tables with gaps are often written with counts as 12.0.
    let whole = cell.strip_suffix(".0").unwrap_or(cell);
    match whole.parse::<u32>() {
        Ok(count) if count <= COUNT_MAX => Ok(Some(count)),
        _ => Err(Fault::new(
            format!("is no whole number from 0 to {COUNT_MAX}"),
            "write the arrivals of the bucket without signs or separators, or leave the cell empty where nobody counted",
        )),
    }
}

/// Share of the bucket in which the crossing was open and counted.
pub(super) fn exposure(cell: &str) -> Result<f64, Fault> {
    match cell.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(Fault::new(
            "is no share from 0 to 1",
            "write the share of the bucket that was open and counted: 1 for all of it, 0 for none",
        )),
    }
}

/// Whether a state lets arrivals through.
pub(super) fn is_open(cell: &str) -> Result<bool, Fault> {
    match cell {
        "" | "open" | "restricted" => Ok(true),
        "closed" | "blind" => Ok(false),
        _ => Err(Fault::new(
            "is no state",
            "write open, restricted, closed or blind; empty is open",
        )),
    }
}

/// What a row is said to belong to; usual where nothing is said.
pub(super) fn label(cell: &str) -> Result<Option<Direction>, Fault> {
    match cell {
        "" | "0" | "usual" | "none" => Ok(None),
        "1" | "surge" => Ok(Some(Direction::Surge)),
        "drop" => Ok(Some(Direction::Drop)),
        _ => Err(Fault::new(
            "is no label",
            "write surge (or 1), drop, or usual (or 0, or nothing)",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::holidays::Rule;

    #[test]
    fn times_are_read_in_all_their_spellings() {
        let day = 19_679 * 24 * 60; // 18 November 2023
        for (cell, want) in [
            ("2023-11-18", day),
            ("18-11-2023", day),
            ("2023-11-18T14:30:00+02:00", day + 14 * 60 + 30),
            ("2023-11-18 23:00:00Z", day + 23 * 60),
            ("2023-11-18T07", day + 7 * 60),
        ] {
            assert_eq!(minute(cell, Lens::Hour), Ok(want), "{cell}");
        }
        let numbered = |t| minute(t, Lens::Week).map(|m| slot(Lens::Week, m, &Holidays::default()));
        let first = numbered("1").expect("a number");
        let third = numbered("3").expect("a number");
        assert_eq!((first.day_of_week, first.year), (0.0, 0.0));
        assert_eq!((third.day_of_week, third.year), (0.0, 14.0 / 365.0));
        for cell in [
            "",
            "0",
            "20231118",
            "2023-13-01",
            "12-31-2023",
            "2023-11-18T25:00",
            "2023-11-18T14:xx",
            "2023/11/18",
            "9999999999",
        ] {
            assert!(minute(cell, Lens::Day).is_err(), "{cell}");
        }
    }

    #[test]
    fn an_hour_has_its_place_in_day_and_week() {
        let at = minute("2024-01-02T06:00", Lens::Hour).expect("a time");
        let slot = slot(Lens::Hour, at, &Holidays::default());
        assert_eq!((slot.hour_of_day, slot.day_of_week), (6.0, 1.25));
    }

    #[test]
    fn days_and_hours_of_a_holiday_and_beside_it_are_special_and_weeks_are_not() {
        let listed = Holidays {
            rules: vec![Rule::Once(Date::constant(2024, 2, 10))],
        };
        let special = |lens, text| {
            let at = minute(text, lens).expect("a time");
            slot(lens, at, &listed).special_log_variance > 0.0
        };
        for (text, want) in [
            ("2024-02-08", false),
            ("2024-02-09", true),
            ("2024-02-10", true),
            ("2024-02-11", true),
            ("2024-02-12", false),
            ("2025-02-10", false),
        ] {
            assert_eq!(special(Lens::Day, text), want, "{text}");
            assert_eq!(special(Lens::Hour, text), want, "{text}");
            assert!(!special(Lens::Week, text), "{text}");
        }
    }

    #[test]
    fn counts_shares_states_and_labels_are_held_to_their_rules() {
        assert_eq!(count("12"), Ok(Some(12)));
        assert_eq!(count("12.0"), Ok(Some(12)));
        assert_eq!(count(""), Ok(None));
        for cell in ["-1", "1.5", "1,000", "x", "1000000001", "NaN"] {
            assert!(count(cell).is_err(), "{cell}");
        }
        assert_eq!(exposure("0.25"), Ok(0.25));
        for cell in ["", "1.1", "-0.1", "NaN"] {
            assert!(exposure(cell).is_err(), "{cell}");
        }
        assert_eq!((is_open(""), is_open("closed")), (Ok(true), Ok(false)));
        assert!(is_open("shut").is_err());
        assert_eq!(label("1"), Ok(Some(Direction::Surge)));
        assert_eq!(label("drop"), Ok(Some(Direction::Drop)));
        assert_eq!(label("0"), Ok(None));
        assert!(label("yes").is_err());
    }
}
