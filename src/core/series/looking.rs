//! Owns what a series says of a bucket that it keeps: its numbers, and what came up to it while evidence was high.

use super::super::alert::{Alert, Direction, Reading, Run};
use super::super::lane::{Counted, Judged, Track, advance, begin_day};
use super::super::lens::Lens;
use super::super::params::Params;
use super::super::standing::{Before, Standing, usual_per_day};
use super::super::time::{EventTime, HOUR_MS};
use super::{LENSES, Series, Site};

/// Days, by the level that was adopted open ones, for which it is told that what is usual was another before.
const NEWS_DAYS: u32 = 90;
/// What is usual has followed an episode if it is at least so many times as high or as low as before it.
const MOVED_RATIO: f64 = 1.25;

/// So many days before a day.
fn ago(day: &Reading, days: u32) -> EventTime {
    day.start.plus_ms(-i64::from(days) * 24 * HOUR_MS)
}

/// What was usual on the first seen day of an episode, if what is usual of a day has moved with it.
fn moved(direction: Direction, standing: &Standing, day: &Reading) -> Option<Before> {
    let (before, now) = (standing.usual_per_day()?, usual_per_day(day)?);
    let [before_at_least, now_at_least] = [f64::from(before), now].map(|n| n.max(1.0));
    let has_followed = match direction {
        Direction::Surge => now_at_least >= MOVED_RATIO * before_at_least,
        Direction::Drop => before_at_least >= MOVED_RATIO * now_at_least,
    };
    has_followed.then_some(Before {
        direction,
        onset: standing.onset,
        usual_per_day: before,
    })
}

impl Series {
    /// How many open days ago a level that had lasted became the usual by day, and which way it had gone, while that is news.
    #[must_use]
    pub fn usual_for_days(&self, params: &Params) -> Option<(u32, Direction)> {
        let params = self.lens(params, Lens::Day);
        let adopted = self.lanes[Lens::Day as usize]
            .front
            .model
            .adopted_ago(params);
        adopted.filter(|(days, _)| *days <= NEWS_DAYS)
    }

    /// What was usual on the first seen day of the episode that an alert in a direction comes after, where what is usual has moved with
    /// it and that is news: the one whose level was adopted, or one that went the other way.
    #[must_use]
    pub fn usual_before(&self, params: &Params, direction: Direction) -> Option<Before> {
        let adopted = self.usual_for_days(params);
        let of = adopted.map_or(direction.opposite(), |(_, adopted)| adopted);
        let day = self.open_reading(params, Lens::Day as usize);
        let open = self.closed.open[of as usize].filter(|_| of != direction);
        let standing = open.or_else(|| self.ended_since(of, ago(&day, NEWS_DAYS)))?;
        // One that began later is not that whose level was adopted.
        let is_later = adopted.is_some_and(|(days, _)| standing.onset > ago(&day, days));
        moved(of, &standing, &day).filter(|_| !is_later)
    }

    /// The same of an alert that is over and its own episode. What an hour had opened after another episode, or for what came over days,
    /// was told beside what is usual of hours, which may be another than that of days.
    #[must_use]
    pub fn usual_before_own(&self, params: &Params, alert: &Alert) -> Option<Before> {
        let (direction, other) = (alert.direction, alert.direction.opposite());
        let day = self.open_reading(params, Lens::Day as usize);
        let since = ago(&day, NEWS_DAYS);
        let is_after =
            self.closed.open[other as usize].is_some() || self.ended_since(other, since).is_some();
        let is_long = alert.decided.0 - alert.onset.0 >= 48 * HOUR_MS;
        if alert.decided_by == Lens::Hour && (is_after || is_long) {
            return None;
        }
        moved(direction, &self.ended_since(direction, since)?, &day)
    }

    fn ended_since(&self, direction: Direction, since: EventTime) -> Option<Standing> {
        let ended = self.closed.ended[direction as usize].filter(|end| end.at >= since);
        ended?.standing
    }

    /// First moments of the days whose counts may still change, the oldest first.
    pub fn kept_days(&self) -> impl Iterator<Item = EventTime> {
        self.days.iter().map(|day| day.span.start)
    }

    /// The bucket that begins at a moment as it is now, and whether it is closed; nothing where it is not kept.
    #[must_use]
    pub fn bucket(&self, site: &Site, lens: Lens, start: EventTime) -> Option<(Reading, bool)> {
        let i = lens as usize;
        let lane = &self.lanes[i];
        if lane.open.start == start {
            return Some((self.open_reading(site.params, i), false));
        }
        let held = lane.ended.iter().find(|b| b.reading.start == start);
        if let Some(bucket) = held {
            return Some((bucket.reading, false));
        }
        let (track, judged, counted) = self.again(site, lens, start)?;
        let params = &site.params.lenses_of(self.weight)[i];
        let reading = judged.reading(params, counted, &track.model.verdict(), false);
        Some((reading, true))
    }

    /// What came since evidence in a direction was last low, up to the bucket of a lens that begins at a moment; nothing where
    /// that is not kept.
    #[must_use]
    pub fn run(
        &self,
        site: &Site,
        lens: Lens,
        start: EventTime,
        direction: Direction,
    ) -> Option<Run> {
        let i = lens as usize;
        let lane = &self.lanes[i];
        if lane.open.start != start {
            return Some(self.again(site, lens, start)?.0.runs[direction as usize]);
        }
        let mut run = lane.front.runs[direction as usize];
        if let Some(expected) = self.expected(site.params, i) {
            run.add(self.counted(i).judged, expected);
        }
        Some(run)
    }

    /// A lens's state after a bucket that has ended, the bucket and its counts, computed again; nothing where it is not kept.
    fn again(&self, site: &Site, lens: Lens, start: EventTime) -> Option<(Track, Judged, Counted)> {
        let (params, resets) = (site.params.lenses_of(self.weight), &self.resets);
        let mut tracks = [0, 1].map(|i| self.lanes[i].settled.track());
        for day in self.days.iter().take_while(|day| day.span.start <= start) {
            begin_day(tracks.each_mut(), params, &day.span, resets);
            for i in [1, 0] {
                let (track, params) = (&mut tracks[i], &params[i]);
                for (hour, span, counted) in day.buckets(LENSES[i]) {
                    let judged =
                        advance(site, track, params, day, hour, span, resets, counted.judged);
                    if LENSES[i] == lens && span.0 == start {
                        return Some((track.clone(), judged, counted));
                    }
                }
            }
        }
        None
    }
}
