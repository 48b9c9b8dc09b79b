//! Owns civil time: the days and hours of a crossing's time zone as spans of event time, and their place in the seasons.

use super::lens::Slot;
use super::time::{EventTime, HOUR_MS};
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{ToSpan, Zoned};

/// Hours in the longest civil day: 25 when clocks go back.
pub const MAX_HOURS: usize = 25;

/// One civil day of one time zone: 23, 24 or 25 hours long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DaySpan {
    /// The civil date.
    pub date: Date,
    /// First moment of the day.
    pub start: EventTime,
    /// First moment of the next day.
    pub end: EventTime,
}

impl DaySpan {
    /// The day that holds a moment.
    #[must_use]
    pub fn holding(tz: &TimeZone, time: EventTime) -> Self {
        Self::of(tz, time.timestamp().to_zoned(tz.clone()).date())
    }

    /// A day by its date.
    #[must_use]
    pub fn of(tz: &TimeZone, date: Date) -> Self {
        let next = date.checked_add(1.day()).unwrap_or(Date::MAX);
        Self {
            date,
            start: midnight(tz, date),
            end: midnight(tz, next),
        }
    }

    /// The day after.
    #[must_use]
    pub fn next(&self, tz: &TimeZone) -> Self {
        Self::of(tz, self.date.checked_add(1.day()).unwrap_or(Date::MAX))
    }

    /// Whether the moment lies in the day.
    #[must_use]
    pub fn holds(&self, time: EventTime) -> bool {
        self.start <= time && time < self.end
    }

    /// Number of hour buckets, the last one shorter where the day is no whole number of hours.
    #[must_use]
    pub fn hours(&self) -> usize {
        let ms = self.end.0 - self.start.0;
        usize::try_from((ms + HOUR_MS - 1) / HOUR_MS)
            .unwrap_or(0)
            .min(MAX_HOURS)
    }

    /// The hour bucket that holds a moment of the day.
    #[must_use]
    pub fn hour_of(&self, time: EventTime) -> usize {
        usize::try_from((time.0 - self.start.0) / HOUR_MS)
            .unwrap_or(0)
            .min(MAX_HOURS - 1)
    }

    /// Start and end of an hour bucket; of all that is left of the day for the last one.
    #[must_use]
    pub fn hour_span(&self, hour: usize) -> (EventTime, EventTime) {
        let start = self.start.plus_ms(hour as i64 * HOUR_MS);
        let end = if hour + 1 >= self.hours() {
            self.end
        } else {
            start.plus_ms(HOUR_MS)
        };
        (start, end)
    }

    /// The day's place in the week and the year.
    #[must_use]
    pub fn slot(&self) -> Slot {
        Slot::at(0.0, weekday_index(self.date), share_of_year(self.date))
    }

    /// An hour's place in the day, the week and the year, by the clock on the wall there.
    #[must_use]
    pub fn hour_slot(&self, tz: &TimeZone, hour: usize) -> Slot {
        let at = local(tz, self.hour_span(hour).0);
        let hour_of_day = f64::from(at.hour()) + f64::from(at.minute()) / 60.0;
        let day_of_week = weekday_index(self.date) + hour_of_day / 24.0;
        Slot::at(hour_of_day, day_of_week, share_of_year(self.date))
    }
}

/// A moment by the clock on the wall of a time zone.
#[must_use]
pub fn local(tz: &TimeZone, time: EventTime) -> Zoned {
    time.timestamp().to_zoned(tz.clone())
}

fn midnight(tz: &TimeZone, date: Date) -> EventTime {
    match date.to_zoned(tz.clone()) {
        Ok(zoned) => EventTime(zoned.timestamp().as_millisecond()),
        Err(_) => EventTime::MAX,
    }
}

fn weekday_index(date: Date) -> f64 {
    f64::from(date.weekday().since(Weekday::Monday))
}

fn share_of_year(date: Date) -> f64 {
    f64::from(date.day_of_year() - 1) / f64::from(date.days_in_year())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn helsinki() -> TimeZone {
        TimeZone::get("Europe/Helsinki").expect("the bundled database has Helsinki")
    }

    #[test]
    fn days_are_23_24_or_25_hours_long_where_clocks_change() {
        for (date, hours) in [
            ((2023, 3, 26), 23),
            ((2023, 6, 1), 24),
            ((2023, 10, 29), 25),
        ] {
            let span = DaySpan::of(&helsinki(), Date::constant(date.0, date.1, date.2));
            assert_eq!(span.hours(), hours, "{date:?}");
            assert_eq!(span.hour_span(hours - 1).1, span.end, "{date:?}");
        }
    }

    #[test]
    fn a_day_holds_its_first_moment_and_not_the_next_days() {
        let span = DaySpan::of(&helsinki(), Date::constant(2023, 11, 13));
        assert!(span.holds(span.start) && !span.holds(span.end));
        assert_eq!(DaySpan::holding(&helsinki(), span.end.plus_ms(-1)), span);
        assert_eq!(span.next(&helsinki()).start, span.end);
    }

    #[test]
    fn the_repeated_hour_of_autumn_has_one_place_in_the_day_and_two_buckets() {
        let span = DaySpan::of(&helsinki(), Date::constant(2023, 10, 29));
        let clock: Vec<f64> = (2..6)
            .map(|h| span.hour_slot(&helsinki(), h).hour_of_day)
            .collect();
        assert_eq!(clock, [2.0, 3.0, 3.0, 4.0]);
    }

    #[test]
    fn a_monday_is_the_first_day_of_the_week() {
        let slot = DaySpan::of(&helsinki(), Date::constant(2024, 1, 1)).slot();
        assert_eq!((slot.day_of_week, slot.year), (0.0, 0.0));
    }
}
