//! Owns how a series lets go of its oldest days: what no event can change any more becomes its settled state.

use super::super::lane::{Checkpoint, advance, begin_day};
use super::super::standing::Reset;
use super::super::time::{EventTime, HOUR_MS};
use super::{DayCounts, LENSES, Series, Site};

/// No day is longer.
const DAY_AT_MOST_MS: i64 = 26 * HOUR_MS;

impl Series {
    /// Settles the days no event can change any more. Returns whether there were any.
    pub fn settle(&mut self, site: &Site, watermark: EventTime) -> bool {
        let horizon = watermark.plus_ms(-site.params.settle_after_ms());
        let mut settled = false;
        while self.days.len() > 1
            && self.days[0].span.end <= horizon
            && self.lanes.iter().all(|l| l.open.day > 0)
        {
            let Some(day) = self.days.pop_front() else {
                break;
            };
            self.settle_day(site, &day);
            settled = true;
        }
        if settled {
            self.forget();
        }
        settled
    }

    /// Enters a day into the settled state: its hours, then itself.
    fn settle_day(&mut self, site: &Site, day: &DayCounts) {
        let params = site.params.lenses_of(self.weight);
        let mut tracks = [0, 1].map(|i| self.lanes[i].settled.track());
        begin_day(tracks.each_mut(), params, &day.span, &self.resets);
        for i in [1, 0] {
            let track = &mut tracks[i];
            for (hour, span, counted) in day.buckets(LENSES[i]) {
                let judged = advance(
                    site,
                    track,
                    &params[i],
                    day,
                    hour,
                    span,
                    &self.resets,
                    counted.judged,
                );
                let verdict = track.model.verdict();
                let reading = if track.is_judged_by_range(&params[i]) {
                    judged.reading(&params[i], counted, &verdict, true)
                } else {
                    judged.bare_reading(&params[i], counted, &verdict)
                };
                let bucket = track.ended(&params[i], reading);
                self.settled.hear(&self.resets, span.1);
                self.settled.close(&bucket, &params[i], &mut self.resets);
            }
            self.lanes[i].settled = Checkpoint::of(track);
            self.lanes[i].open.day -= 1;
        }
    }

    /// Forgets what no change of the kept days can need: resets that are settled, and ended alerts whose ids cannot come back.
    fn forget(&mut self) {
        let tracks = [0, 1].map(|i| self.lanes[i].settled.track());
        let first_kept = self.days[0].span.start;
        let is_settled = |r: &Reset| r.at <= first_kept && tracks.iter().all(|t| r.at <= t.reset);
        self.resets.retain(|r| !is_settled(r));
        self.past.retain(|past| {
            let at = past.alert.direction as usize;
            let earliest = tracks.iter().map(|t| t.runs[at].since);
            let earliest = earliest.fold(first_kept, EventTime::min);
            past.until.is_some_and(|until| until > first_kept)
                || past.alert.named.plus_ms(DAY_AT_MOST_MS) > earliest
        });
    }
}
