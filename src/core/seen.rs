//! Owns the memory of event ids inside the lateness horizon: duplicates are found, corrections find what they replace,
//! and the changelog gets it in pages that are rewritten only while they fill.

use super::ids::{EventId, Hashed, StreamIx};
use super::time::EventTime;
use serde::{Deserialize, Serialize};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;

/// Ids in one page, which is one changelog record.
pub const PAGE_IDS: usize = 64;

/// One remembered arrival, or what a correction says of one that was not read yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// Its id.
    pub id: EventId,
    /// When it happened; of an awaited one the time of the correction, which is no earlier.
    pub time: EventTime,
    /// Its stream; nothing while it is awaited.
    pub stream: Option<StreamIx>,
    /// The count in force.
    pub count: u32,
    /// Event time of the correction that set the count, if one did.
    pub corrected: Option<EventTime>,
}

/// A run of arrivals in the order they were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Consecutive number within the crossing.
    pub number: u32,
    /// At most [`PAGE_IDS`].
    pub arrivals: Vec<Arrival>,
}

/// What an arrival was to the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remembered {
    /// Read for the first time; this many old ids were given up for it.
    New(usize),
    /// Read for the first time, after a correction that says this count.
    Awaited(u32),
    /// Read before.
    Duplicate,
}

/// What a correction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corrected {
    /// The arrival, with the count that it had.
    Changed(Arrival),
    /// A correction from a later moment is already in force.
    Superseded,
    /// No such arrival was read: the count is kept for it, and this many old ids were given up for that.
    Awaiting(usize),
}

/// The ids of one crossing.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pages: VecDeque<Page>,
    places: HashMap<u64, u32, BuildHasherDefault<Hashed>>,
    dirty: Vec<u32>,
    dropped: Vec<u32>,
    next_page: u32,
}

impl Seen {
    /// Remembers an arrival that was read, with the count that a correction read before it says. Beyond `max_ids` the oldest page
    /// is given up.
    pub fn remember(&mut self, arrival: Arrival, max_ids: usize) -> Remembered {
        let is_full = |page: &Page| page.arrivals.len() >= PAGE_IDS;
        let wants_page = self.pages.back().is_none_or(is_full);
        let number = match self.pages.back() {
            Some(page) if !wants_page => page.number,
            _ => self.next_page,
        };
        // One look-up finds the duplicate or makes the entry: at a busy border each is a cache miss.
        match self.places.entry(arrival.id.0) {
            Entry::Occupied(place) => {
                let number = *place.get();
                return self.fulfil(number, arrival);
            }
            Entry::Vacant(place) => place.insert(number),
        };
        if wants_page {
            self.pages.push_back(Page {
                number,
                arrivals: Vec::with_capacity(PAGE_IDS),
            });
            self.next_page = number.wrapping_add(1);
        }
        let page = self.pages.back_mut().expect("a page was just made sure of");
        page.arrivals.push(arrival);
        self.mark_dirty(number);
        if self.places.len() > max_ids && self.pages.len() > 1 {
            Remembered::New(self.drop_front())
        } else {
            Remembered::New(0)
        }
    }

    /// An arrival whose id is known: it was read before, or a correction of it was.
    fn fulfil(&mut self, number: u32, arrival: Arrival) -> Remembered {
        let known = self.entry(number, arrival.id);
        if known.stream.is_some() {
            return Remembered::Duplicate;
        }
        known.time = arrival.time;
        known.stream = arrival.stream;
        let count = known.count;
        self.mark_dirty(number);
        Remembered::Awaited(count)
    }

    /// Sets the count of an arrival, read or awaited; the correction with the latest `time` wins, whatever the order.
    pub fn correct(
        &mut self,
        replaces: EventId,
        time: EventTime,
        count: u32,
        max_ids: usize,
    ) -> Corrected {
        let Some(number) = self.places.get(&replaces.0).copied() else {
            let awaited = Arrival {
                id: replaces,
                time,
                stream: None,
                count,
                corrected: Some(time),
            };
            let Remembered::New(given_up) = self.remember(awaited, max_ids) else {
                unreachable!("the id was looked up");
            };
            return Corrected::Awaiting(given_up);
        };
        let arrival = self.entry(number, replaces);
        if arrival.corrected.is_some_and(|at| at > time) {
            return Corrected::Superseded;
        }
        let before = *arrival;
        arrival.corrected = Some(time);
        arrival.count = count;
        if before.stream.is_none() {
            arrival.time = time;
        }
        self.mark_dirty(number);
        match before.stream {
            Some(_) => Corrected::Changed(before),
            None => Corrected::Awaiting(0),
        }
    }

    fn entry(&mut self, page: u32, id: EventId) -> &mut Arrival {
        let first = self.pages.front().map_or(0, |p| p.number);
        let page = self
            .pages
            .get_mut(page.wrapping_sub(first) as usize)
            .expect("places name pages that are kept");
        let mut arrivals = page.arrivals.iter_mut();
        arrivals
            .find(|a| a.id == id)
            .expect("places name the page of an id")
    }

    /// The remembered arrivals, as they were read.
    pub fn arrivals(&self) -> impl Iterator<Item = &Arrival> {
        self.pages.iter().flat_map(|page| &page.arrivals)
    }

    /// Gives up the pages in which every arrival is older than `time`; such events are refused as late anyway.
    pub fn forget_before(&mut self, time: EventTime) {
        while self
            .pages
            .front()
            .is_some_and(|p| p.arrivals.iter().all(|a| a.time < time))
        {
            self.drop_front();
        }
    }

    /// The pages to write and the numbers of those to delete since the last call.
    pub fn drain_changes(&mut self) -> (Vec<&Page>, Vec<u32>) {
        let dropped = std::mem::take(&mut self.dropped);
        let dirty = std::mem::take(&mut self.dirty);
        let first = self.pages.front().map_or(0, |p| p.number);
        let changed = dirty
            .into_iter()
            .filter_map(|number| self.pages.get(number.wrapping_sub(first) as usize))
            .collect();
        (changed, dropped)
    }

    /// Whether [`Seen::drain_changes`] has anything to give.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty() || !self.dropped.is_empty()
    }

    /// Takes the pages back from the changelog, in any order.
    #[must_use]
    pub fn restored(mut pages: Vec<Page>) -> Self {
        pages.sort_by_key(|p| p.number);
        let next_page = pages.last().map_or(0, |p| p.number.wrapping_add(1));
        let places = pages
            .iter()
            .flat_map(|p| p.arrivals.iter().map(|a| (a.id.0, p.number)))
            .collect();
        Self {
            pages: pages.into(),
            places,
            next_page,
            ..Self::default()
        }
    }

    /// How many ids are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn mark_dirty(&mut self, number: u32) {
        if self.dirty.last() != Some(&number) && !self.dirty.contains(&number) {
            self.dirty.push(number);
        }
    }

    fn drop_front(&mut self) -> usize {
        let page = self
            .pages
            .pop_front()
            .expect("only called while a page is kept");
        for arrival in &page.arrivals {
            self.places.remove(&arrival.id.0);
        }
        self.dirty.retain(|&number| number != page.number);
        self.dropped.push(page.number);
        page.arrivals.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: usize = 1_000_000;

    fn arrival(n: u64) -> Arrival {
        Arrival {
            id: EventId(n),
            time: EventTime(n as i64),
            stream: Some(StreamIx(0)),
            count: 1,
            corrected: None,
        }
    }

    fn knows(seen: &Seen, n: u64) -> bool {
        seen.places.contains_key(&n)
    }

    fn filled(n: u64) -> Seen {
        let mut seen = Seen::default();
        for i in 0..n {
            assert_eq!(seen.remember(arrival(i), MANY), Remembered::New(0));
            assert_eq!(seen.remember(arrival(i), MANY), Remembered::Duplicate);
        }
        seen
    }

    #[test]
    fn an_id_is_known_until_its_page_is_forgotten() {
        let mut seen = filled(200);
        assert!(knows(&seen, 0) && knows(&seen, 199) && !knows(&seen, 200));
        seen.forget_before(EventTime(64));
        assert!(!knows(&seen, 63) && knows(&seen, 64));
        assert_eq!(seen.len(), 136);
    }

    #[test]
    fn only_pages_that_changed_are_written_again() {
        let mut seen = filled(130);
        assert_eq!(
            seen.drain_changes()
                .0
                .iter()
                .map(|p| p.number)
                .collect::<Vec<_>>(),
            [0, 1, 2]
        );
        seen.remember(arrival(130), 1_000);
        seen.correct(EventId(3), EventTime(500), 7, MANY);
        assert_eq!(
            seen.drain_changes()
                .0
                .iter()
                .map(|p| p.number)
                .collect::<Vec<_>>(),
            [2, 0]
        );
        seen.forget_before(EventTime(128));
        let (changed, dropped) = seen.drain_changes();
        assert_eq!((changed.len(), dropped), (0, vec![0, 1]));
    }

    /// What is done to one id: corrections by their moment, which say ten times as much, and the arrival itself.
    #[test]
    fn the_latest_correction_wins_whatever_the_order_and_before_its_arrival_too() {
        let orders: [&[i64]; 6] = [
            &[0, 1, 2],
            &[0, 2, 1],
            &[1, 0, 2],
            &[2, 0, 1],
            &[1, 2, 0],
            &[2, 1, 0],
        ];
        for order in orders {
            let mut seen = Seen::default();
            let mut counted = 0;
            for &at in order {
                let time = EventTime(at);
                match at {
                    0 => match seen.remember(arrival(0), MANY) {
                        Remembered::New(0) => counted = arrival(0).count,
                        Remembered::Awaited(count) => counted = count,
                        other => panic!("{order:?}: {other:?}"),
                    },
                    _ => match seen.correct(EventId(0), time, at as u32 * 10, MANY) {
                        Corrected::Changed(before) => {
                            assert_eq!(before.count, counted, "{order:?}");
                            counted = at as u32 * 10;
                        }
                        Corrected::Awaiting(0) | Corrected::Superseded => {}
                        other @ Corrected::Awaiting(_) => panic!("{order:?}: {other:?}"),
                    },
                }
            }
            assert_eq!(counted, 20, "{order:?}");
            let remembered = seen.remember(arrival(0), MANY);
            assert_eq!(remembered, Remembered::Duplicate, "{order:?}");
        }
    }

    #[test]
    fn a_correction_of_nothing_is_forgotten_like_an_arrival_of_its_time() {
        let mut seen = Seen::default();
        assert_eq!(
            seen.correct(EventId(5), EventTime(7), 1, MANY),
            Corrected::Awaiting(0)
        );
        seen.forget_before(EventTime(7));
        assert_eq!(seen.len(), 1);
        seen.forget_before(EventTime(8));
        assert!(seen.is_empty());
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_page_goes_first() {
        let mut seen = Seen::default();
        let mut given_up = 0;
        for i in 0..1_000 {
            // Every third is a correction of something that never comes.
            match i % 3 {
                0 => match seen.correct(EventId(i), EventTime(i as i64), 1, 256) {
                    Corrected::Awaiting(n) => given_up += n,
                    other => panic!("{i}: {other:?}"),
                },
                _ => match seen.remember(arrival(i), 256) {
                    Remembered::New(n) => given_up += n,
                    other => panic!("{i}: {other:?}"),
                },
            }
        }
        assert!(seen.len() <= 256 && given_up + seen.len() == 1_000);
        assert!(knows(&seen, 999) && !knows(&seen, 0));
    }

    #[test]
    fn pages_restored_in_any_order_go_on_where_they_were() {
        let mut seen = filled(130);
        let mut pages: Vec<Page> = seen.drain_changes().0.into_iter().cloned().collect();
        pages.reverse();
        let mut back = Seen::restored(pages);
        assert_eq!((back.len(), knows(&back, 129)), (130, true));
        back.remember(arrival(500), 1_000);
        assert_eq!(back.drain_changes().0[0].number, 2);
    }
}
