//! Owns how time passed while nothing came. The daemon closes the buckets of a silent partition by its clock; no record of the
//! input tells of that, but every output says up to which event time it holds.

use crate::core::event::Kind;
use crate::core::ids::Offset;
use crate::core::partition::Input;
use crate::core::time::{EventTime, WallTime};
use std::collections::{BTreeMap, VecDeque};

/// What one output says of time, in the order of its topic and partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sign {
    /// The record that decided; none where the passing of time did.
    pub offset: Option<Offset>,
    /// Event time up to which it holds.
    pub as_of: EventTime,
}

/// Clocks of brokers, producers and daemons may differ by so much, in milliseconds.
const CLOCKS_APART_MS: i64 = 10_000;

/// How time passed between the records of a partition.
#[derive(Debug, Clone, Default)]
pub struct Quiet {
    /// The silence after which the daemon lets time pass, in milliseconds; none where it never does.
    idle_close_ms: Option<i64>,
    /// Moments that were told without a record, in order.
    without: VecDeque<EventTime>,
    /// Of those the last one that was told before an output of a record.
    before: BTreeMap<Offset, EventTime>,
    /// Moments that were told with a record.
    with: BTreeMap<Offset, EventTime>,
    last: Option<WallTime>,
    /// The latest moment that event time can have come to.
    most: Option<EventTime>,
}

impl Quiet {
    /// Reads the signs of one crossing's outputs, a list for each partition of each topic.
    #[must_use]
    pub fn new(idle_close_ms: Option<i64>, signs: &[Vec<Sign>]) -> Self {
        let mut quiet = Self {
            idle_close_ms,
            ..Self::default()
        };
        if idle_close_ms.is_none() {
            return quiet;
        }
        for list in signs {
            let mut passed = None;
            for sign in list {
                let Some(offset) = sign.offset else {
                    quiet.without.push_back(sign.as_of);
                    passed = passed.max(Some(sign.as_of));
                    continue;
                };
                if let Some(until) = passed.take() {
                    let known = quiet.before.entry(offset).or_insert(until);
                    *known = until.max(*known);
                }
                let known = quiet.with.entry(offset).or_insert(sign.as_of);
                *known = sign.as_of.max(*known);
            }
        }
        quiet.without.make_contiguous().sort_unstable();
        quiet
    }

    /// Up to where time had passed when a record was read; nothing where the outputs tell of no such time. A record that is
    /// itself later than what was told without one comes after it.
    pub(super) fn before(
        &mut self,
        input: &Input,
        watermark: Option<EventTime>,
    ) -> Option<EventTime> {
        let moves = |kind: &Kind| !matches!(kind, Kind::Feedback { .. });
        let event = input.event.as_ref().ok();
        let time = event.filter(|e| moves(&e.kind)).map(|event| event.time);
        let mut passed = None;
        while let Some(until) = self.without.front().filter(|until| Some(**until) <= time) {
            passed = passed.max(Some(*until));
            self.without.pop_front();
        }
        while let Some(entry) = self.before.first_entry() {
            if *entry.key() > input.offset {
                break;
            }
            passed = passed.max(Some(entry.remove()));
        }
        let reached = time.max(watermark).max(passed);
        let told = self.with.remove(&input.offset);
        self.make_room(input.recorded);
        let is_possible =
            |told: &EventTime| self.idle_close_ms.is_some() && Some(*told) <= self.most;
        passed = passed.max(told.filter(|told| Some(*told) > reached && is_possible(told)));
        self.most = self.most.max(time).max(passed);
        passed
    }

    /// Up to where time has passed after the last record.
    pub(super) fn after(&mut self) -> Option<EventTime> {
        std::mem::take(&mut self.without).pop_back()
    }

    /// What Kafka's timestamps leave room for since the record before: event time passes as fast as the clock, once it has been
    /// silent for long enough.
    fn make_room(&mut self, recorded: Option<WallTime>) {
        let passed_ms = match (self.idle_close_ms, self.last, recorded) {
            (Some(idle_close_ms), Some(last), Some(now)) => {
                now.0 - last.0 - idle_close_ms + CLOCKS_APART_MS
            }
            _ => 0,
        };
        self.most = self.most.map(|most| most.plus_ms(passed_ms.max(0)));
        self.last = recorded.or(self.last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::Event;
    use crate::core::ids::{CrossingIx, EventId};
    use crate::core::time::HOUR_MS;

    fn sign(offset: Option<i64>, hours: i64) -> Sign {
        Sign {
            offset: offset.map(Offset),
            as_of: at(hours),
        }
    }

    fn at(hours: i64) -> EventTime {
        EventTime(hours * HOUR_MS)
    }

    /// A heartbeat of an hour, read at another one.
    fn heard(offset: i64, hours: i64, recorded_hours: i64) -> Input {
        Input {
            offset: Offset(offset),
            recorded: Some(WallTime(recorded_hours * HOUR_MS)),
            event: Ok(Event {
                crossing: CrossingIx(0),
                time: at(hours),
                id: EventId(7),
                kind: Kind::Heartbeat,
            }),
        }
    }

    #[test]
    fn what_was_told_without_a_record_is_before_the_record_that_would_have_told_it() {
        let signs = [vec![sign(Some(1), 1), sign(None, 5), sign(None, 6)]];
        let mut quiet = Quiet::new(Some(HOUR_MS), &signs);
        assert_eq!(quiet.before(&heard(1, 1, 1), None), None);
        // Late, and told of nowhere: it may be before or after.
        assert_eq!(quiet.before(&heard(2, 4, 6), Some(at(1))), None);
        assert_eq!(quiet.before(&heard(3, 5, 6), Some(at(4))), Some(at(5)));
        assert_eq!(quiet.after(), Some(at(6)));
        assert_eq!(quiet.after(), None);
    }

    #[test]
    fn an_output_of_a_late_record_tells_that_time_had_passed_before_it() {
        let signs = [vec![sign(None, 5), sign(Some(3), 5)]];
        let mut quiet = Quiet::new(Some(HOUR_MS), &signs);
        assert_eq!(quiet.before(&heard(3, 2, 9), Some(at(1))), Some(at(5)));
    }

    #[test]
    fn a_moment_is_believed_where_kafkas_timestamps_leave_room_for_it() {
        for (recorded, expected) in [(9, Some(at(7))), (5, None)] {
            let mut quiet = Quiet::new(Some(HOUR_MS), &[vec![sign(Some(3), 7)]]);
            assert_eq!(quiet.before(&heard(2, 1, 1), None), None);
            let passed = quiet.before(&heard(3, 2, recorded), Some(at(1)));
            assert_eq!(passed, expected, "{recorded}");
        }
    }

    #[test]
    fn silences_that_no_output_told_of_add_up() {
        let mut quiet = Quiet::new(Some(HOUR_MS), &[vec![sign(Some(4), 7)]]);
        for (offset, recorded) in [(1, 1), (2, 5)] {
            assert_eq!(quiet.before(&heard(offset, 1, recorded), Some(at(1))), None);
        }
        assert_eq!(quiet.before(&heard(4, 1, 9), Some(at(1))), Some(at(7)));
    }

    #[test]
    fn where_the_daemon_lets_no_time_pass_no_sign_is_believed() {
        let mut quiet = Quiet::new(None, &[vec![sign(None, 5), sign(Some(3), 9)]]);
        assert_eq!(quiet.before(&heard(3, 6, 99), Some(at(1))), None);
        assert_eq!(quiet.after(), None);
    }
}
