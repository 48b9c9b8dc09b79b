//! Owns what a series says of a bucket that it keeps: its numbers, and what came up to it while evidence was high.

use super::super::alert::{Direction, Reading, Run};
use super::super::lane::{Counted, Judged, Track, advance, begin_day};
use super::super::lens::Lens;
use super::super::params::Params;
use super::super::time::EventTime;
use super::{LENSES, Series, Site};

/// Open days for which it is told that what is usual was another before.
const NEWS_DAYS: u32 = 90;

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
