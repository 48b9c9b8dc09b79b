//! Owns the lenient reading of an event's JSON fields: which were given and of which type, not whether they make sense.

use super::decode::DecodeError;
use crate::core::event::Reject;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use std::borrow::Cow;
use std::fmt;

/// Longest piece of a value that is repeated in an error, in characters.
const SHOWN_CHARS: usize = 40;

/// The fields of every type of event; those not listed are skipped without being kept.
///
/// `C` is what `count` is read as: [`Field`], or `IgnoredAny` to find out whether only `count` is unreadable.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Fields<'a, C = Field<'a>> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Field<'a>,
    #[serde(borrow, default)]
    pub(super) id: Field<'a>,
    #[serde(borrow, default)]
    pub(super) crossing: Field<'a>,
    #[serde(borrow, default)]
    pub(super) time: Field<'a>,
    #[serde(borrow, default)]
    pub(super) stream: Field<'a>,
    #[serde(default)]
    pub(super) count: C,
    #[serde(borrow, default)]
    pub(super) state: Field<'a>,
    #[serde(borrow, default)]
    pub(super) until: Field<'a>,
    #[serde(borrow, default)]
    pub(super) replaces: Field<'a>,
    #[serde(borrow, default)]
    pub(super) alert_id: Field<'a>,
    #[serde(borrow, default)]
    pub(super) feedback: Field<'a>,
    /// Present only in a structured CloudEvent.
    #[serde(borrow, default)]
    pub(super) specversion: Field<'a>,
}

/// One JSON value as given. A type, not an error, for what does not fit, so that the error can name field and value.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) enum Field<'a> {
    /// Not given, or `null`.
    #[default]
    Absent,
    /// A string; borrowed from the record unless it holds escapes.
    Text(Cow<'a, str>),
    /// A whole number from 0.
    Whole(u64),
    /// A whole number below 0.
    Negative(i64),
    /// A number with a fraction or exponent, or too large for the above.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// An array, whose content is not kept.
    Array,
    /// An object, whose content is not kept.
    Object,
}

impl<'a> Field<'a> {
    /// The text of a field that must be given and not empty.
    pub(super) fn text(&self, name: &str, remedy: &str) -> Result<&str, DecodeError> {
        match self {
            Self::Text(text) if !text.is_empty() => Ok(text),
            Self::Text(_) => Err(wrong_shape(format!("`{name}` is empty; {remedy}"))),
            Self::Absent => Err(wrong_shape(format!("`{name}` is missing; {remedy}"))),
            other => Err(wrong_shape(format!(
                "`{name}` is {other}, not a string; {remedy}"
            ))),
        }
    }

    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// This field, or another where it is absent.
    pub(super) fn or(self, other: Field<'a>) -> Field<'a> {
        if self.is_absent() { other } else { self }
    }
}

/// The value as an error shows it: short, on one line, without the content of arrays and objects.
impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("missing"),
            Self::Text(text) => f.write_str(&shown(text)),
            Self::Whole(number) => write!(f, "{number}"),
            Self::Negative(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number:?}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Array => f.write_str("an array"),
            Self::Object => f.write_str("an object"),
        }
    }
}

/// A text in quotes, cut to a length that fits a header, control characters escaped.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

pub(super) fn wrong_shape(detail: String) -> DecodeError {
    DecodeError {
        reason: Reject::WrongShape,
        detail,
    }
}

/// The value's bytes as JSON text that starts an object.
pub(super) fn object_text(bytes: &[u8]) -> Result<&str, DecodeError> {
    let not_json = |detail: String| DecodeError {
        reason: Reject::NotJson,
        detail,
    };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        not_json(format!(
            "value is not UTF-8 at byte {}; JSON must be sent as UTF-8",
            error.valid_up_to()
        ))
    })?;
    match text
        .trim_start_matches([' ', '\t', '\r', '\n'])
        .chars()
        .next()
    {
        Some('{') => Ok(text),
        Some('\u{feff}') => Err(not_json(
            "value starts with a byte order mark; send UTF-8 without one".to_owned(),
        )),
        _ => Err(match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => wrong_shape(
                "value is JSON, but not an object; send one event as one JSON object".to_owned(),
            ),
            Err(error) => not_json(format!("value is not JSON: {error}; send one JSON object")),
        }),
    }
}

/// Parses `text` as `T`. On failure `B`, the same document blind to `count`, tells an unreadable count from broken JSON.
pub(super) fn parse<'a, T: Deserialize<'a>, B: Deserialize<'a>>(
    text: &'a str,
) -> Result<T, DecodeError> {
    serde_json::from_str(text).map_err(|error| refuse::<B>(text, &error))
}

// The messages of serde_json that can arrive here name positions and known fields, never values: every known field accepts
// every type, so that "invalid type" with its copy of the value can't happen.
#[cold]
fn refuse<'a, B: Deserialize<'a>>(text: &'a str, error: &serde_json::Error) -> DecodeError {
    if error.classify() == Category::Data {
        return wrong_shape(format!(
            "value has the wrong shape: {error}; give every field once"
        ));
    }
    if serde_json::from_str::<B>(text).is_ok() {
        let detail = format!("`count` can't be read as a number: {error}; give a whole number");
        return DecodeError {
            reason: Reject::BadCount,
            detail,
        };
    }
    if serde_json::from_str::<IgnoredAny>(text).is_ok() {
        return wrong_shape(format!(
            "a field of the event can't be read: {error}; give text as a JSON string"
        ));
    }
    DecodeError {
        reason: Reject::NotJson,
        detail: format!("value is not JSON: {error}; send one JSON object"),
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Field::Whole(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(u64::try_from(number).map_or(Field::Negative(number), Field::Whole))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Field::Float(number))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Field::Bool(value))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Field::Absent)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Object)
    }
}
