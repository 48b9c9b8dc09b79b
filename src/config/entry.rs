//! Owns the rules for one table of the crossings file: each key on its own, and the names of other tables it may hold.

use super::check::Checker;
use super::document::Document;
use super::problem::{Problem, nearest, shown, suggest};
use crate::core::holidays::Rule;
use crate::core::network::OpenHours;
use crate::core::prior::Kind;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use toml::Value;

const CROSSING_KEYS: [&str; 12] = [
    "id",
    "name",
    "country",
    "corridor",
    "order",
    "neighbours",
    "time_zone",
    "hours",
    "streams",
    "kinds",
    "message_within_secs",
    "source",
];
const KIND_KEYS: [&str; 6] = [
    "id",
    "stream",
    "usual_per_day",
    "within_factor",
    "dispersion_ratio",
    "source",
];
/// From a minute to the longest silence that any feed may have.
const WITHIN_SECS: std::ops::RangeInclusive<i64> = 60..=2_592_000;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const HOLIDAY_KEYS: [&str; 7] = [
    "id",
    "fixed",
    "dates",
    "weekdays",
    "western_easter",
    "orthodox_easter",
    "source",
];
const HOURS_RULE: &str =
    "must be opening hours of one day, from 00:00 to 24:00, the end after the start";
const HOURS_REMEDY: &str = "write as \"08:00-16:00\", or \"closed\" for a day in a table of days";

/// A crossing whose references are still names.
pub(super) struct Draft {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) country: String,
    pub(super) corridor: String,
    pub(super) order: u16,
    pub(super) neighbours: Vec<String>,
    pub(super) tz: TimeZone,
    pub(super) hours: Option<[Option<OpenHours>; 7]>,
    pub(super) streams: Vec<String>,
    pub(super) kinds: Vec<String>,
    pub(super) message_within_ms: Option<i64>,
}

/// One `[[corridor]]`, `[[crossing]]` or `[[routes]]` with its mistakes.
pub(super) struct Entry<'a> {
    kind: &'static str,
    index: usize,
    table: &'a toml::Table,
    document: &'a Document,
    problems: Vec<Problem>,
}

impl<'a> Entry<'a> {
    pub(super) fn new(
        kind: &'static str,
        index: usize,
        table: &'a toml::Table,
        document: &'a Document,
    ) -> Self {
        Self {
            kind,
            index,
            table,
            document,
            problems: Vec::new(),
        }
    }

    pub(super) fn draft(&mut self) -> Option<Draft> {
        self.known_keys(&CROSSING_KEYS);
        if self.table.contains_key("source") {
            self.text("source");
        }
        let (id, name, country, corridor) = (
            self.id("id"),
            self.text("name"),
            self.country(),
            self.id("corridor"),
        );
        let (order, tz, hours) = (self.order(), self.time_zone(), self.hours());
        let (neighbours, streams) = (self.ids("neighbours", true), self.ids("streams", false));
        let kinds = self.ids("kinds", true);
        let message_within_ms = self.message_within_ms();
        Some(Draft {
            id: id?,
            name: name?,
            country: country?,
            corridor: corridor?,
            order: order?,
            neighbours: neighbours?,
            tz: tz?,
            hours: hours?,
            streams: streams?,
            kinds: kinds?,
            message_within_ms: message_within_ms?,
        })
    }

    /// The stream of a `[[kind]]`, and what is said of it.
    pub(super) fn kind(&mut self) -> Option<(String, Kind)> {
        self.known_keys(&KIND_KEYS);
        if self.table.contains_key("source") {
            self.text("source");
        }
        let stream = self.id("stream");
        let usual_per_day = self.number("usual_per_day", 0.001..=1e7);
        let within_factor = self.number("within_factor", 1.05..=30.0);
        let dispersion_ratio = self.number("dispersion_ratio", 1.0..=10_000.0);
        let kind = Kind {
            usual_per_day: usual_per_day?,
            within_factor: within_factor?,
            dispersion_ratio: dispersion_ratio?,
        };
        Some((stream?, kind))
    }

    fn number(&mut self, key: &str, range: std::ops::RangeInclusive<f64>) -> Option<f64> {
        let given = self.table.get(key);
        let whole = |value: &Value| value.as_integer().map(|n| n as f64);
        let number = given.and_then(|value| value.as_float().or_else(|| whole(value)));
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            self.fail(
                key,
                format!("must be a number from {least} to {most}"),
                format!("write as in {key} = 3.0"),
            );
        }
        number
    }

    /// The rules of a `[[holidays]]`.
    pub(super) fn holidays(&mut self) -> Option<Vec<Rule>> {
        self.known_keys(&HOLIDAY_KEYS);
        if self.table.contains_key("source") {
            self.text("source");
        }
        let fixed = self.rules("fixed", "dates as \"12-06\"", |value| {
            let (month, day) = month_day(value.as_str()?)?;
            Some(Rule::Fixed(month, day))
        });
        let weekdays = self.rules("weekdays", "days as \"sat 06-20\"", |value| {
            let (weekday, from) = value.as_str()?.split_once(' ')?;
            let index = DAYS.iter().position(|day| *day == weekday)?;
            let weekday = Weekday::from_monday_zero_offset(index as i8).ok()?;
            let (month, day) = month_day(from)?;
            Some(Rule::OnOrAfter(weekday, month, day))
        });
        let days = |value: &Value| {
            let days = i16::try_from(value.as_integer()?).ok()?;
            (-60..=100).contains(&days).then_some(days)
        };
        let whole = "whole numbers from -60 to 100";
        let western = self.rules("western_easter", whole, |value| {
            days(value).map(Rule::WesternEaster)
        });
        let orthodox = self.rules("orthodox_easter", whole, |value| {
            days(value).map(Rule::OrthodoxEaster)
        });
        let dates = self.rules("dates", "dates as \"2024-02-10\"", |value| {
            value.as_str()?.parse().ok().map(Rule::Once)
        });
        Some([fixed?, weekdays?, western?, orthodox?, dates?].concat())
    }

    fn rules(
        &mut self,
        key: &str,
        form: &str,
        read: impl Fn(&Value) -> Option<Rule>,
    ) -> Option<Vec<Rule>> {
        let rules = match self.table.get(key) {
            None => Some(Vec::new()),
            Some(value) => value
                .as_array()
                .and_then(|items| items.iter().map(read).collect()),
        };
        if rules.is_none() {
            self.fail(
                key,
                format!("must be a list of {form}"),
                "correct what is not of this form, or leave it out",
            );
        }
        rules
    }

    pub(super) fn given_id(&self) -> Option<String> {
        self.table
            .get("id")
            .and_then(Value::as_str)
            .map(str::to_owned)
    }

    /// The value of a key, if it is given.
    pub(super) fn value(&self, key: &str) -> Option<&'a Value> {
        self.table.get(key)
    }

    /// Notes a broken rule of one key of this entry, with the value given.
    pub(super) fn fail(&mut self, key: &str, rule: impl Into<String>, remedy: impl Into<String>) {
        let value = self
            .table
            .get(key)
            .map_or_else(|| "(missing)".to_owned(), ToString::to_string);
        self.fail_value(key, &value, rule, remedy);
    }

    fn fail_value(
        &mut self,
        key: &str,
        value: &str,
        rule: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let named = self.given_id().or_else(|| {
            let topic = self.table.get("topic").filter(|_| self.kind == "routes");
            topic.and_then(Value::as_str).map(str::to_owned)
        });
        let id = named.unwrap_or_else(|| format!("(number {})", self.index + 1));
        let at = format!("{}[{}]", self.kind, self.index);
        let path = if self.table.contains_key(key) {
            format!("{at}.{key}")
        } else {
            at
        };
        self.problems.push(Problem {
            key: format!("{}.{id}.{key}", self.kind),
            value: shown(key, value),
            rule: rule.into(),
            remedy: remedy.into(),
            place: self.document.place(&path),
        });
    }

    pub(super) fn hand_over(self, check: &mut Checker<'_>) {
        self.problems
            .into_iter()
            .for_each(|problem| check.add(problem));
    }

    pub(super) fn known_keys(&mut self, known: &[&str]) {
        let table = self.table;
        for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
            self.fail(key, "no such key", suggest(key, known.iter().copied()));
        }
    }

    pub(super) fn unique(&mut self, seen: &mut BTreeSet<String>) {
        if let Some(id) = self.given_id().filter(|id| !seen.insert(id.clone())) {
            self.fail(
                "id",
                "must be unique",
                format!("rename one of the two {id}, or leave it out"),
            );
        }
    }

    /// Every text under `key` must be one of `targets` and not this entry itself.
    pub(super) fn references(&mut self, key: &str, targets: &BTreeSet<String>) {
        let value = self.table.get(key);
        let own_id = self.given_id();
        let many = value.and_then(Value::as_array).into_iter().flatten();
        for given in many.chain(value).filter_map(Value::as_str) {
            if key == "neighbours" && own_id.as_deref() == Some(given) {
                self.fail_value(
                    key,
                    given,
                    "must not name the crossing itself",
                    "leave it out",
                );
            } else if !targets.contains(given) && is_id(given) {
                let remedy = match nearest(given, targets.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean {near}?"),
                    None => "add it to the file, or leave it out".to_owned(),
                };
                self.fail_value(key, given, "must name an entry of this file", remedy);
            }
        }
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        let text = self
            .table
            .get(key)
            .and_then(Value::as_str)
            .filter(|text| !text.trim().is_empty());
        if text.is_none() {
            self.fail(
                key,
                "must be a text that is not empty",
                format!("write {key} = \"...\""),
            );
        }
        text.map(str::to_owned)
    }

    pub(super) fn id(&mut self, key: &str) -> Option<String> {
        let id = self
            .table
            .get(key)
            .and_then(Value::as_str)
            .filter(|id| is_id(id));
        if id.is_none() {
            self.fail(
                key,
                "must be lower-case letters, digits and hyphens",
                "write an id as fi-vaalimaa",
            );
        }
        id.map(str::to_owned)
    }

    pub(super) fn ids(&mut self, key: &str, may_be_empty: bool) -> Option<Vec<String>> {
        let items: Option<Vec<&str>> = match self.table.get(key) {
            None if may_be_empty => Some(Vec::new()),
            value => value
                .and_then(Value::as_array)
                .and_then(|items| items.iter().map(Value::as_str).collect()),
        };
        let distinct =
            |items: &Vec<&str>| items.iter().collect::<BTreeSet<_>>().len() == items.len();
        let good = items.filter(|items| items.iter().all(|id| is_id(id)) && distinct(items));
        let good = good.filter(|items| may_be_empty || !items.is_empty());
        if good.is_none() {
            let least = if may_be_empty { "" } else { ", at least one" };
            let rule = format!(
                "must be a list of different ids of lower-case letters, digits and hyphens{least}"
            );
            self.fail(key, rule, format!("write as in {key} = [\"...\"]"));
        }
        Some(good?.into_iter().map(str::to_owned).collect())
    }

    fn country(&mut self) -> Option<String> {
        let is_code = |text: &&str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_lowercase());
        let code = self
            .table
            .get("country")
            .and_then(Value::as_str)
            .filter(is_code);
        if code.is_none() {
            self.fail(
                "country",
                "must be the two lower-case letters of ISO 3166-1",
                "write as in country = \"fi\"",
            );
        }
        code.map(str::to_owned)
    }

    fn message_within_ms(&mut self) -> Option<Option<i64>> {
        let Some(given) = self.table.get("message_within_secs") else {
            return Some(None);
        };
        let secs = given.as_integer().filter(|secs| WITHIN_SECS.contains(secs));
        if secs.is_none() {
            let rule = format!(
                "must be a whole number of seconds from {} to {}",
                WITHIN_SECS.start(),
                WITHIN_SECS.end()
            );
            let remedy = "give the longest time between two messages of this crossing while its feed lives, nights included";
            self.fail("message_within_secs", rule, remedy);
        }
        secs.map(|secs| Some(secs * 1_000))
    }

    fn order(&mut self) -> Option<u16> {
        let order = self.table.get("order").and_then(Value::as_integer);
        let order = order
            .and_then(|order| u16::try_from(order).ok())
            .filter(|order| *order >= 1);
        if order.is_none() {
            self.fail(
                "order",
                "must be a whole number from 1 to 65535",
                "count along the border from 1",
            );
        }
        order
    }

    fn time_zone(&mut self) -> Option<TimeZone> {
        let zone = self
            .table
            .get("time_zone")
            .and_then(Value::as_str)
            .and_then(|name| TimeZone::get(name).ok());
        if zone.is_none() {
            self.fail(
                "time_zone",
                "must be a time zone of the IANA database",
                "write as in time_zone = \"Europe/Helsinki\"",
            );
        }
        zone
    }

    /// The inner option is `None` for a crossing that is open round the clock.
    fn hours(&mut self) -> Option<Option<[Option<OpenHours>; 7]>> {
        match self.table.get("hours") {
            None => Some(None),
            Some(Value::Table(days)) => {
                for day in days.keys().filter(|day| !DAYS.contains(&day.as_str())) {
                    self.fail_value("hours", day, "must have days as keys", suggest(day, DAYS));
                }
                let parsed = DAYS.map(|day| {
                    match days
                        .get(day)
                        .map(|hours| hours.as_str().unwrap_or_default())
                    {
                        None | Some("closed") => Ok(None),
                        Some(text) => open_hours(text)
                            .map(Some)
                            .ok_or_else(|| format!("{day} = {}", days[day])),
                    }
                });
                for wrong in parsed.iter().filter_map(|day| day.as_ref().err()) {
                    self.fail_value("hours", wrong, HOURS_RULE, HOURS_REMEDY);
                }
                Some(Some(parsed.map(Result::unwrap_or_default)))
            }
            Some(value) => {
                let hours = value.as_str().and_then(open_hours);
                if hours.is_none() {
                    self.fail("hours", HOURS_RULE, HOURS_REMEDY);
                }
                Some(Some([Some(hours?); 7]))
            }
        }
    }
}

fn is_id(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.len() <= 64 && text.bytes().all(legal)
}

/// Month and day, as 12-06; 29 February is one.
fn month_day(text: &str) -> Option<(i8, i8)> {
    let (month, day) = text.split_once('-')?;
    let two_digits = |part: &str| (part.len() == 2).then(|| part.parse::<i8>().ok()).flatten();
    let date = Date::new(2024, two_digits(month)?, two_digits(day)?).ok()?;
    Some((date.month(), date.day()))
}

fn open_hours(text: &str) -> Option<OpenHours> {
    let (open, close) = text.split_once('-')?;
    let hours = OpenHours {
        open_minute: minute(open)?,
        close_minute: minute(close)?,
    };
    (hours.open_minute < hours.close_minute && hours.close_minute <= 24 * 60).then_some(hours)
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let two_digits = |part: &str| {
        (part.len() == 2)
            .then(|| part.parse::<u16>().ok())
            .flatten()
    };
    let (hour, minute) = (two_digits(hour)?, two_digits(minute)?);
    (minute < 60).then_some(hour * 60 + minute)
}
