//! Owns the local clock of a scenario file: minutes of the day, windows between them, and weekly opening hours.

use jiff::civil::Weekday;
use serde::{Deserialize, Deserializer, de::Error as _};
use std::fmt;

/// Minutes in a day; also the minute written `24:00`.
pub const DAY_MINUTES: u16 = 1440;

/// A minute of the local day, `00:00` to `24:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minute(u16);

/// A part of the local day: from a minute up to, not including, a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First minute inside.
    pub open: Minute,
    /// First minute after.
    pub close: Minute,
}

/// Opening hours by weekday, Monday first; `None` is closed that day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Week([Option<Window>; 7]);

/// Why a text is no time of day, window or week.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// Not a time of day.
    #[error("{0:?} is not a time of day: write 06:00, or 24:00 for the end of the day")]
    Minute(String),
    /// Not a window.
    #[error("{0:?} is not a window: write 10:00-14:00, the earlier time first")]
    Window(String),
}

impl Minute {
    /// Midnight at the start of the day.
    pub const START: Self = Self(0);
    /// Midnight at the end of the day.
    pub const END: Self = Self(DAY_MINUTES);

    /// Reads `hh:mm`.
    pub fn parse(text: &str) -> Result<Self, ClockError> {
        let bad = || ClockError::Minute(text.to_owned());
        let (hour, minute) = text.split_once(':').ok_or_else(bad)?;
        if hour.len() != 2
            || minute.len() != 2
            || !text.bytes().all(|b| b.is_ascii_digit() || b == b':')
        {
            return Err(bad());
        }
        let (hour, minute): (u16, u16) = (
            hour.parse().map_err(|_| bad())?,
            minute.parse().map_err(|_| bad())?,
        );
        let total = hour * 60 + minute;
        if minute < 60 && total <= DAY_MINUTES {
            Ok(Self(total))
        } else {
            Err(bad())
        }
    }

    /// Minutes after midnight, at most 1440.
    #[must_use]
    pub fn minutes(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl Window {
    /// The whole day.
    pub const DAY: Self = Self {
        open: Minute::START,
        close: Minute::END,
    };

    /// Reads `hh:mm-hh:mm`.
    pub fn parse(text: &str) -> Result<Self, ClockError> {
        let bad = || ClockError::Window(text.to_owned());
        let (open, close) = text.split_once('-').ok_or_else(bad)?;
        let window = Self {
            open: Minute::parse(open)?,
            close: Minute::parse(close)?,
        };
        if window.open < window.close {
            Ok(window)
        } else {
            Err(bad())
        }
    }

    /// Whether a minute after midnight lies inside.
    #[must_use]
    pub fn contains(self, minute: u16) -> bool {
        self.open.0 <= minute && minute < self.close.0
    }
}

impl Week {
    /// The same hours every day.
    #[must_use]
    pub fn every_day(window: Window) -> Self {
        Self([Some(window); 7])
    }

    /// The hours of a weekday.
    #[must_use]
    pub fn on(&self, day: Weekday) -> Option<Window> {
        self.0[usize::from(day.to_monday_zero_offset().unsigned_abs())]
    }
}

impl<'de> Deserialize<'de> for Minute {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// One window for every day, or one by weekday.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "hours are \"10:00-14:00\", or a table of weekdays (mon to sun) with such a window or \"closed\""
)]
enum WeekText {
    Daily(String),
    ByDay(ByDay),
}

/// The weekdays that were written down; a missing one is closed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ByDay {
    mon: Option<String>,
    tue: Option<String>,
    wed: Option<String>,
    thu: Option<String>,
    fri: Option<String>,
    sat: Option<String>,
    sun: Option<String>,
}

impl<'de> Deserialize<'de> for Week {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let days = match WeekText::deserialize(from)? {
            WeekText::Daily(text) => {
                return Window::parse(&text)
                    .map(Self::every_day)
                    .map_err(D::Error::custom);
            }
            WeekText::ByDay(d) => [d.mon, d.tue, d.wed, d.thu, d.fri, d.sat, d.sun],
        };
        let mut week = [None; 7];
        for (slot, text) in week.iter_mut().zip(days) {
            *slot = match text.as_deref() {
                None | Some("closed") => None,
                Some(text) => Some(Window::parse(text).map_err(D::Error::custom)?),
            };
        }
        Ok(Self(week))
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test that cannot read its own input has failed"
)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_read_and_print_alike() {
        for text in ["00:00", "06:05", "23:59", "24:00"] {
            assert_eq!(Minute::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "6:00", "24:01", "12:60", "12-00", "+1:00", "ab:cd"] {
            assert_eq!(
                Minute::parse(text),
                Err(ClockError::Minute(text.to_owned())),
                "{text}"
            );
        }
    }

    #[test]
    fn windows_run_forward() {
        assert_eq!(Window::parse("00:00-24:00"), Ok(Window::DAY));
        for text in ["14:00-10:00", "10:00-10:00", "10:00"] {
            assert_eq!(
                Window::parse(text),
                Err(ClockError::Window(text.to_owned())),
                "{text}"
            );
        }
    }

    #[test]
    fn weeks_are_daily_or_by_weekday() {
        #[derive(Deserialize)]
        struct Holder {
            hours: Week,
        }
        let daily: Holder = toml::from_str("hours = \"10:00-14:00\"").unwrap();
        assert_eq!(daily.hours.on(Weekday::Sunday).unwrap().open.minutes(), 600);
        let by_day: Holder =
            toml::from_str("hours = { mon = \"08:00-16:00\", sat = \"closed\" }").unwrap();
        assert_eq!(
            by_day.hours.on(Weekday::Monday).unwrap().close.minutes(),
            960
        );
        assert_eq!(by_day.hours.on(Weekday::Saturday), None);
        assert_eq!(by_day.hours.on(Weekday::Tuesday), None);
        assert!(toml::from_str::<Holder>("hours = { monday = \"08:00-16:00\" }").is_err());
    }
}
