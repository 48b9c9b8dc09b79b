//! Owns the reading of CloudEvents 1.0 into an event's fields: structured mode (all in the value) and binary mode (`ce_` headers).
//!
//! | attribute | becomes |
//! |---|---|
//! | `id`, `time` | the event's id and time |
//! | `type` | the event's type: the last segment between dots, before an optional version: `border.arrival.v1` is an `arrival` |
//! | `subject` | the crossing, where `data.crossing` does not say it |
//! | `data` | an object with the other fields of a plain event; its own `id`, `time` and `type` are ignored |

use super::decode::DecodeError;
use super::fields::{Field, Fields, object_text, parse, shown, wrong_shape};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

const VERSION: &str = "1.0";
const VERSION_REMEDY: &str = "send CloudEvents 1.0";

/// Whether the headers announce binary mode.
pub(super) fn is_binary(headers: &[(&str, &[u8])]) -> bool {
    headers.iter().any(|(name, _)| *name == "ce_specversion")
}

/// The fields of a binary-mode event: attributes from the headers, data from the value.
pub(super) fn binary<'a>(
    headers: &[(&str, &'a [u8])],
    value: &'a [u8],
) -> Result<Fields<'a>, DecodeError> {
    let data: Fields<'a> = parse::<Fields<'a>, Fields<'a, IgnoredAny>>(object_text(value)?)?;
    check_version(&header(headers, "ce_specversion")?, "ce_specversion")?;
    Ok(Fields {
        kind: short_type(header(headers, "ce_type")?),
        id: header(headers, "ce_id")?,
        time: header(headers, "ce_time")?,
        crossing: data.crossing.or(header(headers, "ce_subject")?),
        ..data
    })
}

/// The fields of a structured-mode event, whose value carries attributes and data.
pub(super) fn structured(text: &str) -> Result<Fields<'_>, DecodeError> {
    let envelope = parse::<Envelope<'_>, Envelope<'_, IgnoredAny>>(text)?;
    check_version(&envelope.specversion, "specversion")?;
    let data = match envelope.data {
        Data::Fields(fields) => *fields,
        Data::Absent if envelope.data_base64.is_absent() => Fields::default(),
        Data::Absent => {
            return Err(wrong_shape(
                "`data_base64` is not read; send `data` as a JSON object".to_owned(),
            ));
        }
        Data::Other(given) => {
            return Err(wrong_shape(format!(
                "`data` is {given}, not an object; send `data` as a JSON object"
            )));
        }
    };
    Ok(Fields {
        kind: short_type(envelope.kind),
        id: envelope.id,
        time: envelope.time,
        crossing: data.crossing.or(envelope.subject),
        ..data
    })
}

fn check_version(version: &Field<'_>, name: &str) -> Result<(), DecodeError> {
    match version.text(name, VERSION_REMEDY)? {
        VERSION => Ok(()),
        other => Err(wrong_shape(format!(
            "`{name}` is {}, not \"{VERSION}\"; {VERSION_REMEDY}",
            shown(other)
        ))),
    }
}

fn header<'a>(headers: &[(&str, &'a [u8])], name: &str) -> Result<Field<'a>, DecodeError> {
    let Some((_, bytes)) = headers.iter().find(|(given, _)| *given == name) else {
        return Ok(Field::Absent);
    };
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Field::Text(Cow::Borrowed(text))),
        Err(_) => Err(wrong_shape(format!(
            "header `{name}` is not UTF-8; send CloudEvents headers as UTF-8"
        ))),
    }
}

/// `border.arrival.v1` and `border.arrival` to `arrival`.
fn short_type(kind: Field<'_>) -> Field<'_> {
    let Field::Text(text) = &kind else {
        return kind;
    };
    let mut segments = text.rsplit('.');
    let last = segments.next().unwrap_or_default();
    let segment = if is_version(last) {
        segments.next().unwrap_or(last)
    } else {
        last
    };
    Field::Text(Cow::Owned(segment.to_owned()))
}

fn is_version(segment: &str) -> bool {
    segment
        .strip_prefix('v')
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

#[derive(serde::Deserialize)]
struct Envelope<'a, C = Field<'a>> {
    #[serde(borrow, default, rename = "type")]
    kind: Field<'a>,
    #[serde(borrow, default)]
    id: Field<'a>,
    #[serde(borrow, default)]
    time: Field<'a>,
    #[serde(borrow, default)]
    subject: Field<'a>,
    #[serde(borrow, default)]
    specversion: Field<'a>,
    #[serde(borrow, default)]
    data_base64: Field<'a>,
    #[serde(borrow, default, bound(deserialize = "C: Deserialize<'de> + Default"))]
    data: Data<'a, C>,
}

#[derive(Default)]
enum Data<'a, C> {
    #[default]
    Absent,
    Fields(Box<Fields<'a, C>>),
    Other(&'static str),
}

impl<'de: 'a, 'a, C: Deserialize<'de> + Default> Deserialize<'de> for Data<'a, C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DataVisitor(PhantomData))
    }
}

struct DataVisitor<C>(PhantomData<C>);

impl<'de, C: Deserialize<'de> + Default> Visitor<'de> for DataVisitor<C> {
    type Value = Data<'de, C>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let fields = Fields::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
        Ok(Data::Fields(Box::new(fields)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Data::Other("an array"))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Data::Other("a string"))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Data::Other("a number"))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Data::Other("a number"))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Data::Other("a number"))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Data::Other("true or false"))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Data::Absent)
    }
}
