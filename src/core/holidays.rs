//! Owns special days: which civil dates are holidays by a list of rules, Easter's among them, and the days beside one.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};
use std::fmt;

/// What one line of a list of holidays says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The same month and day every year; 29 February in leap years only.
    Fixed(i8, i8),
    /// The first such weekday on or after a month and day; in December that day's year must hold it.
    OnOrAfter(Weekday, i8, i8),
    /// Days after Western Easter Sunday, from -60 to 100.
    WesternEaster(i16),
    /// Days after Orthodox Easter Sunday, from -60 to 100.
    OrthodoxEaster(i16),
    /// One date, for what moves by a calendar that no rule here follows.
    Once(Date),
}

impl Rule {
    /// Whether it falls on a date of the year that `easter` is of.
    fn holds(self, date: Date, easter: &Easter) -> bool {
        let day_of_year = date.day_of_year();
        match self {
            Self::Fixed(month, day) => (date.month(), date.day()) == (month, day),
            Self::OnOrAfter(weekday, month, day) => {
                let is_week_of = |from: Date| (0..7).contains(&(day_of_year - from.day_of_year()));
                date.weekday() == weekday
                    && Date::new(date.year(), month, day).is_ok_and(is_week_of)
            }
            Self::WesternEaster(days) => easter.western.is_some_and(|e| day_of_year == e + days),
            Self::OrthodoxEaster(days) => easter.orthodox.is_some_and(|e| day_of_year == e + days),
            Self::Once(once) => date == once,
        }
    }
}

/// Days of one year, counted from 1.
struct Easter {
    western: Option<i16>,
    orthodox: Option<i16>,
}

impl Easter {
    fn of(year: i16) -> Self {
        Self {
            western: western_easter(year).map(Date::day_of_year),
            orthodox: orthodox_easter(year).map(Date::day_of_year),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(month, day) => write!(f, "{month:02}-{day:02}"),
            Self::OnOrAfter(weekday, month, day) => {
                write!(
                    f,
                    "{}>={month:02}-{day:02}",
                    weekday.to_monday_zero_offset()
                )
            }
            Self::WesternEaster(days) => write!(f, "w{days}"),
            Self::OrthodoxEaster(days) => write!(f, "o{days}"),
            Self::Once(date) => write!(f, "{date}"),
        }
    }
}

/// What kind of day a civil date is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayClass {
    /// No holiday, nor beside one.
    Usual,
    /// A holiday.
    Holiday,
    /// The day before one.
    Eve,
    /// The day after one.
    DayAfter,
}

/// Variance of the log rate on a special day beyond that of other days: `(ln 2 / 2)^2`, so that twice or half the usual, which is
/// what known days bring, is two standard deviations.
const SPECIAL_LOG_VARIANCE: f64 = 0.12;

impl DayClass {
    /// Variance that such a day adds to the log rate.
    #[must_use]
    pub fn log_variance(self) -> f64 {
        match self {
            Self::Usual => 0.0,
            Self::Holiday | Self::Eve | Self::DayAfter => SPECIAL_LOG_VARIANCE,
        }
    }
}

/// The holidays that count at a stretch of border; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holidays {
    /// One for each holiday.
    pub rules: Vec<Rule>,
}

impl Holidays {
    /// The class of a date. A day between two holidays is an eve.
    #[must_use]
    pub fn day_class(&self, date: Date) -> DayClass {
        if self.rules.is_empty() {
            return DayClass::Usual;
        }
        // A day beside the turn of the year is in no reach of Easter, whichever year's.
        let easter = Easter::of(date.year());
        let holds = |date: Date| self.rules.iter().any(|rule| rule.holds(date, &easter));
        if holds(date) {
            DayClass::Holiday
        } else if date.tomorrow().is_ok_and(holds) {
            DayClass::Eve
        } else if date.yesterday().is_ok_and(holds) {
            DayClass::DayAfter
        } else {
            DayClass::Usual
        }
    }
}

/// Easter Sunday of the Western churches (Meeus, Astronomical Algorithms, 2nd ed., chapter 8, after Butcher).
#[must_use]
pub fn western_easter(year: i16) -> Option<Date> {
    let y = i32::from(year);
    let (a, b, c) = (y % 19, y / 100, y % 100);
    let (d, e) = (b / 4, b % 4);
    let g = (b - (b + 8) / 25 + 1) / 3;
    let h = (19 * a + b - d - g + 15) % 30;
    let l = (32 + 2 * e + 2 * (c / 4) - h - c % 4) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let n = h + l - 7 * m + 114;
    Date::new(year, (n / 31) as i8, (n % 31 + 1) as i8).ok()
}

/// Easter Sunday of the Orthodox churches in the Gregorian calendar (the same, Julian calendar).
#[must_use]
pub fn orthodox_easter(year: i16) -> Option<Date> {
    let y = i32::from(year);
    let d = (19 * (y % 19) + 15) % 30;
    let e = (2 * (y % 4) + 4 * (y % 7) - d + 34) % 7;
    let n = d + e + 114;
    let julian = Date::new(year, (n / 31) as i8, (n % 31 + 1) as i8).ok()?;
    let behind = y / 100 - y / 400 - 2;
    julian.checked_add(i64::from(behind).days()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Year, then month and day in the Gregorian calendar, Western and Orthodox, as python-dateutil's `dateutil.easter` has them.
    const EASTER: &[[i16; 5]] = &[
        [1900, 4, 15, 4, 22],
        [1913, 3, 23, 4, 27],
        [1923, 4, 1, 4, 8],
        [1943, 4, 25, 4, 25],
        [1954, 4, 18, 4, 25],
        [1961, 4, 2, 4, 9],
        [1975, 3, 30, 5, 4],
        [1981, 4, 19, 4, 26],
        [1987, 4, 19, 4, 19],
        [1992, 4, 19, 4, 26],
        [2000, 4, 23, 4, 30],
        [2008, 3, 23, 4, 27],
        [2011, 4, 24, 4, 24],
        [2014, 4, 20, 4, 20],
        [2016, 3, 27, 5, 1],
        [2019, 4, 21, 4, 28],
        [2021, 4, 4, 5, 2],
        [2022, 4, 17, 4, 24],
        [2023, 4, 9, 4, 16],
        [2024, 3, 31, 5, 5],
        [2025, 4, 20, 4, 20],
        [2026, 4, 5, 4, 12],
        [2027, 3, 28, 5, 2],
        [2030, 4, 21, 4, 28],
        [2038, 4, 25, 4, 25],
        [2049, 4, 18, 4, 25],
        [2057, 4, 22, 4, 29],
        [2065, 3, 29, 4, 26],
        [2076, 4, 19, 4, 26],
        [2081, 3, 30, 5, 4],
        [2099, 4, 12, 4, 12],
    ];

    #[test]
    fn easter_is_when_it_was_published_to_be() {
        let of = |easter: Option<Date>| {
            let date = easter.expect("a date");
            [i16::from(date.month()), i16::from(date.day())]
        };
        for &[year, month, day, orthodox_month, orthodox_day] in EASTER {
            assert_eq!(of(western_easter(year)), [month, day], "western {year}");
            let orthodox = [orthodox_month, orthodox_day];
            assert_eq!(of(orthodox_easter(year)), orthodox, "orthodox {year}");
        }
    }

    #[test]
    fn easter_is_a_sunday_and_the_orthodox_one_is_never_earlier() {
        for year in 1900..2100 {
            let western = western_easter(year).expect("a date");
            let orthodox = orthodox_easter(year).expect("a date");
            assert_eq!(western.weekday(), Weekday::Sunday, "{year}");
            assert_eq!(orthodox.weekday(), Weekday::Sunday, "{year}");
            assert!(western <= orthodox, "{year}");
        }
    }

    #[test]
    fn days_beside_a_holiday_are_special_and_a_day_between_two_is_an_eve() {
        use DayClass::{DayAfter, Eve, Holiday, Usual};
        let holidays = Holidays {
            rules: vec![
                Rule::Fixed(1, 1),
                Rule::Fixed(4, 21),
                Rule::WesternEaster(-2),
                Rule::OnOrAfter(Weekday::Saturday, 6, 20),
            ],
        };
        for (date, class) in [
            ((2024, 12, 31), Eve),
            ((2025, 1, 1), Holiday),
            ((2025, 1, 2), DayAfter),
            ((2025, 1, 3), Usual),
            ((2025, 4, 18), Holiday),
            ((2025, 4, 19), DayAfter),
            ((2025, 4, 20), Eve),
            ((2025, 6, 21), Holiday),
            ((2026, 6, 20), Holiday),
            ((2026, 6, 27), Usual),
        ] {
            let date_of = Date::constant(date.0, date.1, date.2);
            assert_eq!(holidays.day_class(date_of), class, "{date:?}");
        }
        assert_eq!(
            Holidays::default().day_class(Date::constant(2025, 1, 1)),
            Usual
        );
    }
}
