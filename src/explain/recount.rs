//! Owns the counting of arrivals in a bucket from what is left of the input: all that can be recomputed where retention has
//! taken the beginning that evidence rests on.

use crate::core::event::Kind;
use crate::core::ids::{CrossingIx, EventId, Offset, StreamIx};
use crate::core::partition::Input;
use crate::core::time::EventTime;
use std::collections::BTreeMap;

/// What was counted of one series.
#[derive(Debug, Clone)]
pub struct Recount {
    crossing: CrossingIx,
    stream: StreamIx,
    /// Kafka's timestamp of the first record, or its event time: what happened later was written later.
    first: Option<EventTime>,
    arrivals: BTreeMap<EventId, Arrival>,
}

#[derive(Debug, Clone)]
struct Arrival {
    time: EventTime,
    /// Counts by the record that told them, each with the time it was told for.
    counts: Vec<(Offset, EventTime, u32)>,
}

impl Recount {
    /// Nothing was counted yet.
    #[must_use]
    pub fn new(crossing: CrossingIx, stream: StreamIx) -> Self {
        Self {
            crossing,
            stream,
            first: None,
            arrivals: BTreeMap::new(),
        }
    }

    /// Takes a record of the partition.
    pub fn handle(&mut self, input: &Input) {
        let Ok(event) = &input.event else { return };
        let recorded = input.recorded.map(|at| EventTime(at.0));
        self.first.get_or_insert(recorded.unwrap_or(event.time));
        if event.crossing != self.crossing {
            return;
        }
        match event.kind {
            Kind::Arrival { stream, count } if stream == self.stream => {
                let arrival = self.arrivals.entry(event.id);
                arrival.or_insert_with(|| Arrival {
                    time: event.time,
                    counts: vec![(input.offset, EventTime::MIN, count)],
                });
            }
            Kind::Correction { replaces, count } => {
                if let Some(arrival) = self.arrivals.get_mut(&replaces) {
                    arrival.counts.push((input.offset, event.time, count));
                }
            }
            _ => {}
        }
    }

    /// Arrivals in a bucket as they were known at a record; nothing where what is left may not hold all of them.
    #[must_use]
    pub fn observed(&self, start: EventTime, end: EventTime, until: Offset) -> Option<u64> {
        self.first.filter(|first| *first <= start)?;
        let inside = self.arrivals.values();
        let inside = inside.filter(|a| start <= a.time && a.time < end);
        let counts = inside.filter_map(|arrival| {
            let known = arrival
                .counts
                .iter()
                .filter(|(offset, ..)| *offset <= until);
            known.max_by_key(|(_, told, _)| *told)
        });
        Some(counts.map(|(.., count)| u64::from(*count)).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::Event;
    use crate::core::time::WallTime;

    fn input(offset: i64, time: i64, id: u64, kind: Kind) -> Input {
        Input {
            offset: Offset(offset),
            recorded: Some(WallTime(time)),
            event: Ok(Event {
                crossing: CrossingIx(1),
                time: EventTime(time),
                id: EventId(id),
                kind,
            }),
        }
    }

    fn arrival(offset: i64, time: i64, id: u64, count: u32) -> Input {
        let stream = StreamIx(0);
        input(offset, time, id, Kind::Arrival { stream, count })
    }

    #[test]
    fn a_bucket_is_counted_as_it_was_known_at_a_record_or_not_at_all() {
        let mut recount = Recount::new(CrossingIx(1), StreamIx(0));
        let correction = Kind::Correction {
            replaces: EventId(2),
            count: 1,
        };
        for input in [
            arrival(10, 100, 1, 2),
            arrival(11, 210, 2, 4),
            arrival(12, 215, 3, 3),
            arrival(13, 210, 2, 4),
            input(14, 230, 9, correction),
            arrival(15, 299, 4, 1),
            arrival(16, 300, 5, 50),
        ] {
            recount.handle(&input);
        }
        let observed = |until| recount.observed(EventTime(200), EventTime(300), Offset(until));
        let known = [10, 11, 12, 13, 14, 15, 16].map(observed);
        assert_eq!(known, [0, 4, 7, 7, 4, 5, 5].map(Some));
        let begun_before = recount.observed(EventTime(99), EventTime(300), Offset(16));
        assert_eq!(begun_before, None);
    }
}
