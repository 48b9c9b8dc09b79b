//! Owns the naive model of counts: it keeps every event and recounts every bucket from scratch.

use super::random::DAY_MS;
use super::reference::Facts;
use super::{CLOSE_AFTER_MS, Feed, blind_after_ms};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use surgewatch::core::alert::Reason;
use surgewatch::core::crossing::Outcome;
use surgewatch::core::event::{Event, Kind, Reject};
use surgewatch::core::ids::{CrossingIx, StreamIx};
use surgewatch::core::partition::Input;
use surgewatch::core::time::{EventTime, HOUR_MS};

const HORIZON_MS: i64 = 2 * DAY_MS;

/// An arrival as the model keeps it.
#[derive(Clone, Copy)]
struct Arrival {
    time: i64,
    stream: StreamIx,
    count: u32,
    corrected: Option<i64>,
}

/// A bucket: crossing, stream, lens, first moment.
pub(crate) type BucketKey = (String, String, String, i64);

/// The crossing's civil day that holds a moment: start and end.
fn day_of(tz: &TimeZone, time: i64) -> (i64, i64) {
    let at = EventTime(time).timestamp().to_zoned(tz.clone());
    let start = at.start_of_day().expect("days begin");
    let next = at
        .date()
        .tomorrow()
        .expect("there is one")
        .to_zoned(tz.clone());
    (
        start.timestamp().as_millisecond(),
        next.expect("days begin").timestamp().as_millisecond(),
    )
}

/// The hour bucket that holds a moment: whole hours from the start of its day.
fn hour_of(tz: &TimeZone, time: i64) -> (i64, i64) {
    let (start, end) = day_of(tz, time);
    let from = start + (time - start) / HOUR_MS * HOUR_MS;
    (from, (from + HOUR_MS).min(end))
}

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) watermarks: BTreeMap<i32, i64>,
    arrivals: BTreeMap<(CrossingIx, u64), Arrival>,
    /// The latest correction of each arrival that was not read yet: its moment and its count.
    awaited: BTreeMap<(CrossingIx, u64), (i64, u32)>,
    /// All else that is known of each crossing.
    facts: BTreeMap<CrossingIx, Facts>,
    /// The partition of each crossing that was heard of.
    partitions: BTreeMap<CrossingIx, i32>,
    /// End of the newest closed bucket of each crossing, by day and by hour.
    closed: BTreeMap<CrossingIx, [i64; 2]>,
    /// Crossings whose feed is known to be silent.
    silent: BTreeSet<CrossingIx>,
    pub(crate) revised: u64,
}

impl Model {
    /// Takes one record and says what the machine must have made of it.
    pub(crate) fn take(
        &mut self,
        feed: &Feed,
        partition: i32,
        input: &Input,
        theirs: Outcome,
    ) -> Outcome {
        let event = match &input.event {
            Ok(event) => event,
            Err(reason) => return Outcome::Rejected(*reason),
        };
        let watermark = self.watermarks.entry(partition).or_insert(i64::MIN / 4);
        if let Kind::Feedback {
            stream,
            direction,
            feedback,
            ..
        } = event.kind
        {
            // Which alerts are open is the reference's concern; what was accepted is taken for a fact.
            if theirs == Outcome::Applied && feedback.ends() {
                let why = Reason::Feedback(feedback);
                let word = (*watermark + 1, stream, direction, why);
                self.facts
                    .entry(event.crossing)
                    .or_default()
                    .words
                    .push(word);
            }
            return theirs;
        }
        let horizon = *watermark - HORIZON_MS;
        if event.time.0 < horizon {
            return Outcome::Rejected(Reject::TooLate);
        }
        let is_first = *watermark == i64::MIN / 4;
        if is_first || !matches!(event.kind, Kind::Status { .. }) {
            *watermark = (*watermark).max(event.time.0);
        }
        let watermark = *watermark;
        self.pass(feed, partition, watermark);
        self.partitions.insert(event.crossing, partition);
        let first = [watermark - CLOSE_AFTER_MS; 2];
        self.closed.entry(event.crossing).or_insert(first);
        let outcome = self.enter(feed, event, watermark, theirs);
        self.pass(feed, partition, watermark);
        outcome
    }

    fn enter(&mut self, feed: &Feed, event: &Event, watermark: i64, theirs: Outcome) -> Outcome {
        self.watch_from(feed, event.crossing, event.time.0);
        match &event.kind {
            Kind::Heartbeat => {
                self.hear(feed, event.crossing, (event.time.0, true), watermark);
                Outcome::Applied
            }
            Kind::Arrival { stream, count } => {
                self.hear(feed, event.crossing, (event.time.0, false), watermark);
                let key = (event.crossing, event.id.0);
                if self.arrivals.contains_key(&key) {
                    return Outcome::Duplicate;
                }
                let awaited = self.awaited.remove(&key);
                let arrival = Arrival {
                    time: event.time.0,
                    stream: *stream,
                    count: awaited.map_or(*count, |(_, count)| count),
                    corrected: awaited.map(|(at, _)| at),
                };
                self.arrivals.insert(key, arrival);
                let changed = (event.time.0, event.time.0 + 1);
                self.revise(feed, event.crossing, changed, 1);
                Outcome::Applied
            }
            Kind::Correction { replaces, count } => self.correct(
                feed,
                event,
                (event.crossing, replaces.0),
                *count,
                watermark,
                theirs,
            ),
            Kind::Redefined | Kind::Feedback { .. } => {
                unreachable!("random streams keep their meaning")
            }
            Kind::Status { .. } => {
                let facts = self.facts.entry(event.crossing).or_default();
                let known = facts.gates.insert(event.time.0, event.kind.clone());
                if known.as_ref() == Some(&event.kind) {
                    return Outcome::Duplicate;
                }
                let series = feed.network.crossing(event.crossing).streams.len() as u64;
                let changed = (event.time.0, i64::MAX);
                self.revise(feed, event.crossing, changed, series);
                Outcome::Applied
            }
        }
    }

    fn correct(
        &mut self,
        feed: &Feed,
        event: &Event,
        key: (CrossingIx, u64),
        count: u32,
        watermark: i64,
        theirs: Outcome,
    ) -> Outcome {
        let known = self.arrivals.get(&key).copied();
        // Past the horizon an arrival may be forgotten, page by page; whichever the machine says is right.
        let may_be_forgotten = |arrival: &Arrival| {
            arrival.time < watermark - HORIZON_MS && theirs == self.unread(key, event.time.0)
        };
        let Some(mut arrival) = known.filter(|known| !may_be_forgotten(known)) else {
            let outcome = self.unread(key, event.time.0);
            if outcome != Outcome::Duplicate {
                self.awaited.insert(key, (event.time.0, count));
            }
            return outcome;
        };
        if arrival.corrected.is_some_and(|at| at > event.time.0) {
            return Outcome::Duplicate;
        }
        arrival.corrected = Some(event.time.0);
        let tz = &feed.network.crossing(event.crossing).tz;
        let is_kept = day_of(tz, arrival.time).1 > watermark - feed.params.settle_after_ms();
        if is_kept {
            arrival.count = count;
            let changed = (arrival.time, arrival.time + 1);
            self.revise(feed, event.crossing, changed, 1);
        }
        self.arrivals.insert(key, arrival);
        if is_kept {
            Outcome::Applied
        } else {
            Outcome::Rejected(Reject::TooLate)
        }
    }

    /// What becomes of a correction whose arrival was not read: the latest one is kept for it.
    fn unread(&self, key: (CrossingIx, u64), time: i64) -> Outcome {
        match self.awaited.get(&key) {
            Some((at, _)) if *at > time => Outcome::Duplicate,
            _ => Outcome::Rejected(Reject::UnknownReplaced),
        }
    }

    /// The earliest event says since when a crossing is watched: time before it gains its exposure.
    fn watch_from(&mut self, feed: &Feed, at: CrossingIx, time: i64) {
        let since = &mut self.facts.entry(at).or_default().since;
        match *since {
            Some(known) if time < known => {
                *since = Some(time);
                let series = feed.network.crossing(at).streams.len() as u64;
                self.revise(feed, at, (time, known), series);
            }
            Some(_) => {}
            None => *since = Some(time),
        }
    }

    /// Time passes in a partition: feeds fall silent, and buckets are closed of which it is known whether their feed was alive.
    fn pass(&mut self, feed: &Feed, partition: i32, watermark: i64) {
        let here = self.partitions.iter().filter(|(_, of)| **of == partition);
        let here: Vec<CrossingIx> = here.map(|(at, _)| *at).collect();
        for at in here {
            let last = self.facts[&at].heard.last().map(|(time, _)| *time);
            let (Some(last), true) = (last, self.is_followed(at)) else {
                self.close(feed, at, watermark);
                continue;
            };
            let due = last + blind_after_ms(feed.network.crossing(at));
            if due <= watermark && !self.silent.contains(&at) {
                self.close(feed, at, due - 1);
                let series = feed.network.crossing(at).streams.len() as u64;
                self.revise(feed, at, (last, i64::MAX), series);
                self.silent.insert(at);
            }
            self.close(feed, at, watermark);
        }
    }

    fn is_followed(&self, at: CrossingIx) -> bool {
        self.facts[&at].heard.iter().any(|(_, is_beat)| *is_beat)
    }

    /// Closes what is due.
    fn close(&mut self, feed: &Feed, at: CrossingIx, watermark: i64) {
        let tz = &feed.network.crossing(at).tz;
        let last = self.facts[&at].heard.last().map(|(time, _)| *time);
        let is_waiting = self.is_followed(at) && !self.silent.contains(&at);
        let until = watermark - CLOSE_AFTER_MS;
        let until = last
            .filter(|_| is_waiting)
            .map_or(until, |last| last.min(until));
        let closed = self.closed.get_mut(&at).expect("it was heard of");
        for (closed, bucket_of) in closed.iter_mut().zip([day_of, hour_of]) {
            while bucket_of(tz, *closed).1 <= until {
                *closed = bucket_of(tz, *closed).1;
            }
        }
    }

    /// What an event says of the feed: time is published again that was thought blind and is not. The first heartbeat publishes
    /// all time from it on.
    fn hear(&mut self, feed: &Feed, at: CrossingIx, (time, is_beat): (i64, bool), watermark: i64) {
        let place = feed.network.crossing(at);
        let blind_after_ms = blind_after_ms(place);
        // Where it was said how often a message comes, each is as good as a heartbeat.
        let is_beat = is_beat || place.message_within_ms.is_some();
        let was_silent = self.silent.contains(&at);
        let heard = &mut self.facts.entry(at).or_default().heard;
        let mut beats = heard.iter().filter(|(_, is_beat)| *is_beat);
        let followed = beats.next().map(|(at, _)| *at);
        let is_known = heard.contains(&(time, false)) || heard.contains(&(time, true));
        let last = heard.range(..(time, false)).next_back().map(|(at, _)| *at);
        let next = heard.range((time + 1, false)..).next().map(|(at, _)| *at);
        heard.insert((time, is_beat));
        let newest = heard.last().map_or(time, |(at, _)| *at);
        let is_followed = followed.is_some() || is_beat;
        let is_silent = is_followed && watermark - newest >= blind_after_ms;
        if is_silent {
            self.silent.insert(at);
        } else {
            self.silent.remove(&at);
        }
        let series = feed.network.crossing(at).streams.len() as u64;
        if is_beat && followed.is_none_or(|first| time < first) {
            let until = followed.unwrap_or(i64::MAX);
            self.revise(feed, at, (time, until), series);
            return;
        }
        let (Some(followed), Some(last), false) = (followed, last, is_known) else {
            return;
        };
        let was_blind = match next {
            Some(next) => next - last > blind_after_ms,
            None => was_silent,
        };
        if was_blind {
            if time - last <= blind_after_ms && last.max(followed) < time {
                self.mend(
                    feed,
                    at,
                    (last.max(followed), time, next),
                    is_silent,
                    series,
                );
            } else {
                // Before its first heartbeat it was not followed, so not thought blind.
                self.mend(
                    feed,
                    at,
                    (time.max(followed), time, next),
                    is_silent,
                    series,
                );
            }
        }
    }

    /// From a moment to the event, and on to the next one where that is near.
    fn mend(
        &mut self,
        feed: &Feed,
        at: CrossingIx,
        (from, time, next): (i64, i64, Option<i64>),
        is_silent: bool,
        series: u64,
    ) {
        let blind_after_ms = blind_after_ms(feed.network.crossing(at));
        let to = match next {
            Some(next) if next - time <= blind_after_ms => next,
            None if !is_silent => i64::MAX,
            _ => time,
        };
        if from < to {
            self.revise(feed, at, (from, to), series);
        }
    }

    /// Something changed from a moment to another: every closed bucket of that time is published again.
    fn revise(&mut self, feed: &Feed, at: CrossingIx, (from, to): (i64, i64), series: u64) {
        let tz = &feed.network.crossing(at).tz;
        let closed = self.closed[&at];
        for (closed, bucket_of) in closed.into_iter().zip([day_of, hour_of]) {
            let mut time = from;
            while time < to {
                let (_, end) = bucket_of(tz, time);
                if end > closed {
                    break;
                }
                self.revised += series;
                time = end;
            }
        }
    }

    /// Every bucket that holds an arrival, counted from scratch.
    pub(crate) fn counts(&self, feed: &Feed) -> BTreeMap<BucketKey, u64> {
        let mut counts = BTreeMap::new();
        for ((crossing, _), arrival) in &self.arrivals {
            let place = feed.network.crossing(*crossing);
            let stream = feed.network.stream(arrival.stream).to_owned();
            let starts = [
                ("day", day_of(&place.tz, arrival.time).0),
                ("hour", hour_of(&place.tz, arrival.time).0),
            ];
            for (lens, start) in starts {
                let key = (place.id.clone(), stream.clone(), lens.to_owned(), start);
                *counts.entry(key).or_default() += u64::from(arrival.count);
            }
        }
        counts
    }

    /// What is known of a crossing in the end, every arrival with the count in force.
    pub(crate) fn facts(&self, at: CrossingIx) -> Facts {
        let mut facts = self.facts.get(&at).cloned().unwrap_or_default();
        let here = self
            .arrivals
            .iter()
            .filter(|((crossing, _), _)| *crossing == at);
        facts.arrivals = here.map(|(_, a)| (a.time, a.stream, a.count)).collect();
        facts
    }
}
