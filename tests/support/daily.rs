//! Owns the way of daily counts to a feed: a day's arrivals are spread evenly over its hours, hours without any send a heartbeat, and
//! a day that was not reported sends nothing.

use super::{Feed, params};
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::sync::Arc;
use surgewatch::core::calendar::DaySpan;
use surgewatch::core::event::{Event, Kind};
use surgewatch::core::ids::{CrossingIx, EventId, Offset, Partition, StreamIx};
use surgewatch::core::network::{Crossing, Network};
use surgewatch::core::partition::Input;
use surgewatch::core::time::{HOUR_MS, WallTime};

/// The one stream.
const STREAM: StreamIx = StreamIx(0);

/// A crossing and those beside it.
pub(crate) struct Place {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) country: &'static str,
    pub(crate) neighbours: &'static [&'static str],
}

/// Counts by day of the crossings of one corridor.
pub(crate) struct Daily {
    zone: TimeZone,
    network: Arc<Network>,
    counts: BTreeMap<(Date, CrossingIx), u64>,
    statuses: Vec<(Date, CrossingIx, Kind)>,
}

impl Daily {
    /// No counts of these places, which are sorted by id, in one time zone.
    pub(crate) fn of(zone: &str, stream: &str, places: &[Place]) -> Self {
        let zone = TimeZone::get(zone).expect("bundled");
        let at = |id: &&str| {
            let at = places.iter().position(|place| place.id == *id);
            CrossingIx(at.expect("a neighbour is a place") as u16)
        };
        let crossing = |place: &Place| Crossing {
            id: place.id.into(),
            name: place.name.into(),
            country: place.country.into(),
            corridor: "c".into(),
            order: 1,
            neighbours: place.neighbours.iter().map(at).collect(),
            tz: zone.clone(),
            hours: None,
            message_within_ms: None,
            streams: vec![STREAM],
        };
        let crossings = places.iter().map(crossing).collect();
        Self {
            network: Arc::new(Network::new(crossings, vec![stream.into()])),
            zone,
            counts: BTreeMap::new(),
            statuses: Vec::new(),
        }
    }

    pub(crate) fn at(&self, id: &str) -> CrossingIx {
        self.network.crossing_ix(id).expect("a place")
    }

    /// Adds arrivals to a day; a day without a call was not reported.
    pub(crate) fn count(&mut self, date: Date, at: CrossingIx, arrivals: u64) {
        *self.counts.entry((date, at)).or_default() += arrivals;
    }

    /// Something that holds from the first moment of a day on.
    pub(crate) fn status(&mut self, date: Date, at: CrossingIx, kind: Kind) {
        self.statuses.push((date, at, kind));
    }

    /// The records, hour by hour, of all crossings in partitions of their own.
    pub(crate) fn feed(&self) -> Feed {
        let mut feed = Feed {
            params: params(&self.network),
            network: Arc::clone(&self.network),
            records: Vec::new(),
        };
        let mut read = vec![0; self.network.crossings.len()];
        let mut send = |at: CrossingIx, time, kind: Kind| {
            let number = &mut read[usize::from(at.0)];
            let event = Event {
                crossing: at,
                time,
                id: EventId::of(&format!("{}-{number}", at.0)),
                kind,
            };
            let input = Input {
                offset: Offset(*number),
                recorded: Some(WallTime(time.0)),
                event: Ok(event),
            };
            *number += 1;
            feed.records.push((Partition(i32::from(at.0)), input));
        };
        let days = self.counts.keys().map(|(date, _)| *date);
        let (first, last) = (days.clone().min(), days.max());
        let (mut date, last) = (first.expect("counts"), last.expect("counts"));
        while date <= last {
            let day = DaySpan::of(&self.zone, date);
            for (of, at, kind) in self.statuses.iter().filter(|(of, ..)| *of == date) {
                send(*at, DaySpan::of(&self.zone, *of).start, kind.clone());
            }
            let hours = day.hours() as u64;
            for hour in 0..hours {
                let time = day.hour_span(hour as usize).0.plus_ms(HOUR_MS / 2);
                for at in (0..self.network.crossings.len() as u16).map(CrossingIx) {
                    let Some(arrivals) = self.counts.get(&(date, at)) else {
                        continue;
                    };
                    let count = arrivals * (hour + 1) / hours - arrivals * hour / hours;
                    let stream = STREAM;
                    let kind = match count as u32 {
                        0 => Kind::Heartbeat,
                        count => Kind::Arrival { stream, count },
                    };
                    send(at, time, kind);
                }
            }
            date = date.checked_add(1.day()).expect("a day");
        }
        feed
    }
}
