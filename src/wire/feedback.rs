//! Owns the decoding of feedback: an operator's word on an alert, and the alert's id taken apart.

use super::decode::DecodeError;
use super::fields::{Fields, shown, wrong_shape};
use crate::core::alert::{Direction, Feedback};
use crate::core::event::{Kind, Reject};
use crate::core::ids::CrossingIx;
use crate::core::network::Network;
use jiff::civil::Date;

/// What an alert's id says: `CROSSING.STREAM.DIRECTION.DATE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlertName<'a> {
    /// Crossing id.
    pub crossing: &'a str,
    /// Name of the stream.
    pub stream: &'a str,
    /// Surge or drop.
    pub direction: Direction,
    /// Civil day on which the episode was thought to begin when it was first told of.
    pub day: Date,
}

/// Takes an alert's id apart; nothing where it is none.
#[must_use]
pub fn alert_name(id: &str) -> Option<AlertName<'_>> {
    let (rest, day) = id.rsplit_once('.')?;
    let (rest, direction) = rest.rsplit_once('.')?;
    let (crossing, stream) = rest.split_once('.')?;
    let direction = Direction::ALL
        .into_iter()
        .find(|d| d.label() == direction)?;
    let day = day.parse().ok()?;
    let is_whole = !crossing.is_empty() && !stream.is_empty();
    is_whole.then_some(AlertName {
        crossing,
        stream,
        direction,
        day,
    })
}

/// The words, as an error lists them.
const WORDS: &str = "acknowledged, known, exercise, false, new_usual";

/// Where the word belongs and what it says. A note or a name beside it is never kept.
pub(super) fn feedback(
    fields: &Fields<'_>,
    network: &Network,
) -> Result<(CrossingIx, Kind), DecodeError> {
    let id = fields
        .alert_id
        .text("alert_id", "name the alert by its id")?;
    let Some(name) = alert_name(id) else {
        return Err(wrong_shape(format!(
            "`alert_id` is {}, not CROSSING.STREAM.DIRECTION.DATE; copy it from the alert",
            shown(id)
        )));
    };
    let crossing = network
        .crossing_ix(name.crossing)
        .ok_or_else(|| DecodeError {
            reason: Reject::UnknownCrossing,
            detail: format!(
                "`alert_id` names crossing {}, which is not configured; copy it from the alert",
                shown(name.crossing)
            ),
        })?;
    let counted = &network.crossing(crossing).streams;
    let stream = network
        .stream_ix(name.stream)
        .filter(|ix| counted.contains(ix));
    let stream = stream.ok_or_else(|| DecodeError {
        reason: Reject::UnknownStream,
        detail: format!(
            "`alert_id` names stream {}, which is not counted at {}; copy it from the alert",
            shown(name.stream),
            name.crossing
        ),
    })?;
    let word = fields.feedback.text("feedback", "say one of the words")?;
    let known = Feedback::ALL.into_iter().find(|f| f.label() == word);
    let feedback = known.ok_or_else(|| {
        wrong_shape(format!(
            "`feedback` is {}; it must be one of {WORDS}",
            shown(word)
        ))
    })?;
    let kind = Kind::Feedback {
        stream,
        direction: name.direction,
        day: name.day,
        feedback,
    };
    Ok((crossing, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_apart_as_it_was_put_together() {
        let name = alert_name("fi-vartius.asylum.surge.2023-11-16").expect("an id");
        assert_eq!((name.crossing, name.stream), ("fi-vartius", "asylum"));
        assert_eq!(name.direction, Direction::Surge);
        assert_eq!(name.day, Date::constant(2023, 11, 16));
        let dotted = alert_name("x.a.b.drop.2024-02-29").expect("streams may have dots");
        assert_eq!(dotted.stream, "a.b");
    }

    #[test]
    fn what_is_no_id_is_none() {
        for id in [
            "",
            "fi-vartius",
            "fi-vartius.surge.2023-11-16",
            "fi-vartius.asylum.rise.2023-11-16",
            "fi-vartius.asylum.surge.2023-11-31",
            "fi-vartius.asylum.surge",
            ".asylum.surge.2023-11-16",
            "fi-vartius..surge.2023-11-16",
            "salla.feed_blind.2023-11-16T14:05:00",
        ] {
            assert_eq!(alert_name(id), None, "{id}");
        }
    }
}
