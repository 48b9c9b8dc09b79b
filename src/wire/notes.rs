//! Owns what sentences add to the numbers of an alert: that what is usual was another before, and that not all was sent in time.

use super::sentence::about;
use crate::core::alert::{Direction, Reading, Transition};
use crate::core::calendar::local;
use crate::core::notice::DataStatus;
use crate::core::standing::Before;
use jiff::tz::TimeZone;

/// What is to be known of the numbers of an alert, whose last bucket was read so. Empty where there is nothing. `usual_for_days` is for how many days what is usual
/// has been so, where a level that lasted was taken for it, and `before` what was usual before.
#[must_use]
pub fn notes(
    tz: &TimeZone,
    transition: Transition,
    (direction, reading): (Direction, &Reading),
    usual_for_days: Option<(u32, Direction)>,
    before: Option<&Before>,
    data: DataStatus,
) -> String {
    let usual = match transition {
        Transition::Opened | Transition::Reopened | Transition::Escalated => {
            usual_is_new(tz, usual_for_days, before)
        }
        Transition::Resolved => before.map_or_else(String::new, |before| {
            let usual = about(f64::from(before.usual_per_day));
            format!(" When it was first told of, {usual} a day were usual.")
        }),
        Transition::Updated | Transition::Deescalated | Transition::Retracted => String::new(),
    };
    let is_seen = reading.closed_ratio + reading.blind_ratio <= 0.0;
    let seen = match (transition, direction, data) {
        (Transition::Opened, Direction::Drop, DataStatus::Complete) if is_seen => {
            " Its feed is not silent, and no closure of it is reported."
        }
        _ => rests_on(data),
    };
    usual + seen
}

/// What a sentence adds where what it tells as usual was another before; empty where it was not.
pub(super) fn usual_is_new(
    tz: &TimeZone,
    usual_for_days: Option<(u32, Direction)>,
    before: Option<&Before>,
) -> String {
    let Some((days, direction)) = usual_for_days else {
        return before.map_or_else(String::new, |before| usual_has_moved(tz, before));
    };
    let ago = match days {
        0 => "on its last day".to_owned(),
        1 => "1 open day ago".to_owned(),
        days => format!("{days} open days ago"),
    };
    let what = direction.label();
    let earlier = before.map_or_else(String::new, |before| {
        let usual = about(f64::from(before.usual_per_day));
        format!(" When that {what} was first told of, {usual} a day were usual.")
    });
    format!(
        " Usual here follows what came of late: a {what} that lasted was taken for usual {ago}.{earlier}"
    )
}

/// What is usual has followed an episode that went the other way, without being taken from it whole.
fn usual_has_moved(tz: &TimeZone, before: &Before) -> String {
    let moved = match before.direction {
        Direction::Surge => "risen",
        Direction::Drop => "fallen",
    };
    let (what, usual) = (
        before.direction.label(),
        about(f64::from(before.usual_per_day)),
    );
    let onset = local(tz, before.onset).strftime("%-d %B %Y");
    format!(
        " A {what} began here on {onset}, and what is usual has {moved} with it: when it was first told of, {usual} a day were usual."
    )
}

/// What a sentence adds where its numbers do not rest on all that was sent in time; empty where they do.
fn rests_on(data: DataStatus) -> &'static str {
    match data {
        DataStatus::Complete => "",
        DataStatus::Late => " A report that came late has changed these numbers.",
        DataStatus::Redefined => {
            " The feed there counts something else from now on, and what is usual is learnt anew."
        }
        DataStatus::Blind => {
            " The feed there was silent for part of this time: more may have come than it reported."
        }
        DataStatus::Unheard => {
            " Nothing was heard of the feed there in this time, and it sends no heartbeats: whether nobody came or nothing was sent cannot be told."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sentence::tests::day;
    use super::*;
    use crate::core::time::EventTime;

    #[test]
    fn a_usual_that_was_another_before_is_told_with_what_it_was_where_that_is_known() {
        let of = |direction, usual_per_day| Before {
            direction,
            onset: EventTime(1_699_225_200_000),
            usual_per_day,
        };
        let (fall, rise) = (of(Direction::Drop, 1_243), of(Direction::Surge, 0));
        let reading = day([1.0, 0.0, 0.0], 9, 0);
        let table = [
            (Transition::Opened, None, None),
            (Transition::Opened, None, Some(fall)),
            (Transition::Opened, None, Some(rise)),
            (
                Transition::Reopened,
                Some((11, Direction::Drop)),
                Some(fall),
            ),
            (Transition::Escalated, Some((1, Direction::Surge)), None),
            (Transition::Resolved, None, Some(fall)),
            (Transition::Resolved, Some((0, Direction::Drop)), None),
            (Transition::Updated, Some((0, Direction::Drop)), Some(fall)),
        ];
        let told = table.map(|(transition, adopted, before)| {
            let complete = DataStatus::Complete;
            let told = notes(
                &TimeZone::UTC,
                transition,
                (Direction::Surge, &reading),
                adopted,
                before.as_ref(),
                complete,
            );
            format!("{}:{told}", transition.label())
        });
        insta::assert_snapshot!(told.join("\n"), @r"
        opened:
        opened: A drop began here on 5 November 2023, and what is usual has fallen with it: when it was first told of, about 1,243 a day were usual.
        opened: A surge began here on 5 November 2023, and what is usual has risen with it: when it was first told of, hardly any a day were usual.
        reopened: Usual here follows what came of late: a drop that lasted was taken for usual 11 open days ago. When that drop was first told of, about 1,243 a day were usual.
        escalated: Usual here follows what came of late: a surge that lasted was taken for usual 1 open day ago.
        resolved: When it was first told of, about 1,243 a day were usual.
        resolved:
        updated:
        ");
    }

    #[test]
    fn a_drop_says_that_its_feed_and_gate_are_no_reason_for_it_where_that_is_known() {
        use DataStatus::{Complete, Unheard};
        use Direction::{Drop, Surge};
        use Transition::{Escalated, Opened};
        let (open, shut, silent) = ([1.0, 0.0, 0.0], [0.8, 0.2, 0.0], [0.8, 0.0, 0.2]);
        let table = [
            (open, Drop, Opened, Complete, true),
            (shut, Drop, Opened, Complete, false),
            (silent, Drop, Opened, Complete, false),
            (open, Drop, Opened, Unheard, false),
            (open, Drop, Escalated, Complete, false),
            (open, Surge, Opened, Complete, false),
        ];
        for (shares, direction, transition, data, is_said) in table {
            let last = (direction, &day(shares, 2, 0));
            let told = notes(&TimeZone::UTC, transition, last, None, None, data);
            let said = told.contains("no closure of it is reported");
            assert_eq!(
                said, is_said,
                "{shares:?} {direction:?} {transition:?} {data:?}"
            );
        }
    }
}
