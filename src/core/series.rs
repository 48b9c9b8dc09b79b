//! Owns one series, a crossing and a stream of arrivals: its counts inside the lateness horizon and, for each lens, what the
//! closed past says about the bucket that is open.
//!
//! Each lens keeps its state before the first kept day, which no event can change any more, and its front, after every bucket
//! that has ended. The front is what the first one and the kept counts give, so any order of arrival inside the horizon ends in
//! the same state; a late event costs the buckets of the kept days again, and so does a day that is settled.

use super::alert::{Alert, Direction, Reading};
use super::calendar::DaySpan;
use super::evidence::detectable::minimum_detectable;
use super::exposure::Shares;
use super::feed::FeedTimeline;
use super::ids::StreamIx;
use super::lane::{Checkpoint, Counted, Judged, Lane, OpenBucket, advance, begin_day, slot};
pub use super::lane::{DayCounts, Site, Track, is_evidence_low};
use super::lens::{Lens, LensParams, Outlook};
use super::params::{LENSES, Params, WeightClass};
pub use super::prior::prior;
use super::standing::{self, Ended, Reset, Standing, Standings, is_hushed};
use super::time::EventTime;
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;
use std::collections::VecDeque;

mod looking;
mod settling;

/// Whether a changed count lies in buckets that are still open or in one that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the open bucket of both lenses.
    Open,
    /// In an ended bucket of at least one lens.
    Ended,
    /// In no bucket that is kept.
    Outside,
}

/// One series.
#[derive(Debug, Clone)]
pub struct Series {
    /// The stream.
    pub stream: StreamIx,
    /// The open alerts as they were told of: surge, drop.
    pub alerts: [Option<Alert>; 2],
    /// Alerts that have ended and that a change of the kept days may bring back.
    pub past: Vec<Past>,
    weight: WeightClass,
    days: VecDeque<DayCounts>,
    lanes: [Lane; 2],
    /// What the buckets before the first kept day say of alerts.
    settled: Standings,
    /// The same of all closed buckets.
    closed: Standings,
    resets: Vec<Reset>,
    /// End of the newest closed bucket, by lens.
    closed_until: [EventTime; 2],
}

/// An alert that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// As it was told of last.
    pub alert: Alert,
    /// When the episode ended; nothing where the alert was withdrawn.
    pub until: Option<EventTime>,
}

/// How many ended alerts are kept at most; the oldest are given up first.
const MAX_PAST: usize = 16;

/// What the changelog keeps of a series besides its tracks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesCounts {
    /// Days that are not settled, in order, without gaps.
    pub days: Vec<DayCounts>,
    /// Open alerts.
    pub alerts: [Option<Alert>; 2],
    /// Ended alerts that may come back.
    pub past: Vec<Past>,
    /// Moments from which evidence began anew that some lens has not settled yet.
    pub resets: Vec<Reset>,
    /// End of the newest closed bucket, by lens.
    pub closed_until: [EventTime; 2],
}

/// What the changelog keeps when a day is settled: everything before the first kept day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// By lens.
    pub tracks: [Track; 2],
    /// What it says of alerts.
    pub standings: Standings,
}

impl Series {
    /// A series that begins with the day that holds the earliest event still accepted.
    #[must_use]
    pub fn new(stream: StreamIx, site: &Site, first_day: DaySpan, watermark: EventTime) -> Self {
        let counts = SeriesCounts {
            days: vec![DayCounts::empty(first_day)],
            alerts: [None; 2],
            past: Vec::new(),
            resets: Vec::new(),
            closed_until: [watermark.plus_ms(-site.params.close_after_ms); 2],
        };
        let class = site.params.weight_class(&site.crossing.id, stream);
        let lenses = site.params.lenses_of(class);
        let priors = site.params.priors(&site.crossing.id, stream);
        let fresh = |i: usize| Track::fresh(&lenses[i], priors[i], first_day.start);
        let tracks = [0, 1].map(fresh);
        let standings = Standings::default();
        Self::restored(
            stream,
            site,
            counts,
            Settled { tracks, standings },
            watermark,
        )
    }

    /// A series as the changelog has it: `settled` are each lens's states before the first day of `counts`.
    /// Everything after it is computed again up to `watermark`.
    #[must_use]
    pub fn restored(
        stream: StreamIx,
        site: &Site,
        counts: SeriesCounts,
        settled: Settled,
        watermark: EventTime,
    ) -> Self {
        let lanes = settled.tracks.map(|track| Lane {
            settled: Checkpoint::of(&track),
            front: track,
            open: OpenBucket::nowhere(),
            ended: VecDeque::new(),
        });
        let mut series = Self {
            stream,
            alerts: counts.alerts,
            past: counts.past,
            weight: site.params.weight_class(&site.crossing.id, stream),
            days: counts.days.into(),
            lanes,
            settled: settled.standings,
            closed: settled.standings,
            resets: counts.resets,
            closed_until: counts.closed_until,
        };
        // Buckets that ended but are not closed are read again.
        series.compute_again(site, watermark, None);
        series
    }

    /// Settings of a lens of this series.
    #[must_use]
    pub fn lens<'a>(&self, params: &'a Params, lens: Lens) -> &'a LensParams {
        &params.lenses_of(self.weight)[lens as usize]
    }

    /// What the changelog keeps at every change.
    #[must_use]
    pub fn counts(&self) -> SeriesCounts {
        SeriesCounts {
            days: self.days.iter().cloned().collect(),
            alerts: self.alerts,
            past: self.past.clone(),
            resets: self.resets.clone(),
            closed_until: self.closed_until,
        }
    }

    /// What the changelog keeps when a day is settled.
    #[must_use]
    pub fn settled(&self) -> Settled {
        Settled {
            tracks: [0, 1].map(|i| self.lanes[i].settled.track()),
            standings: self.settled,
        }
    }

    /// Changes the count at a moment from one arrival's `before` to its `after`; `is_shut` says that the crossing was shut then.
    pub fn change(&mut self, time: EventTime, before: u32, after: u32, is_shut: bool) -> Place {
        let Some(index) = self.days.iter().rposition(|d| d.span.holds(time)) else {
            return Place::Outside;
        };
        let day = &mut self.days[index];
        let hour = day.span.hour_of(time);
        day.change(hour, before, after);
        if is_shut {
            day.change_shut(hour, before, after);
        }
        let is_open = |open: &OpenBucket| open.start <= time && time < open.end;
        if self.lanes.iter().all(|lane| is_open(&lane.open)) {
            Place::Open
        } else {
            Place::Ended
        }
    }

    /// The crossing was shut at the moment of an arrival that is counted already, or was not after all.
    pub fn move_to(&mut self, time: EventTime, count: u32, is_shut: bool) {
        if let Some(day) = self.days.iter_mut().rev().find(|d| d.span.holds(time)) {
            let (before, after) = if is_shut { (0, count) } else { (count, 0) };
            day.change_shut(day.span.hour_of(time), before, after);
        }
    }

    /// The numbers of a lens's open bucket as if it closed now.
    #[must_use]
    pub fn open_reading(&self, params: &Params, lane: usize) -> Reading {
        let (counted, open) = (self.counted(lane), &self.lanes[lane].open);
        let judged = Judged {
            start: open.start,
            end: open.end,
            shares: open.ahead.map_or(Shares::default(), |(shares, _)| shares),
            outlook: self.outlook(params, lane),
        };
        let verdict = match &judged.outlook {
            Some(outlook) => outlook.verdict(counted.judged),
            None => self.lanes[lane].front.model.verdict(),
        };
        judged.reading(self.lens(params, LENSES[lane]), counted, &verdict, false)
    }

    /// What a lens's open bucket is expected to hold; nothing before it was judged or where it carries no exposure.
    fn outlook(&self, params: &Params, lane: usize) -> Option<Outlook> {
        let lens = self.lens(params, LENSES[lane]);
        let lane = &self.lanes[lane];
        let (shares, slot) = lane.open.ahead?;
        let exposure = shares.expects(lens.lens);
        lane.front.model.outlook(lens, slot, exposure)
    }

    /// Arrivals of the open day and what is expected of the whole of it; nothing where it carries no exposure.
    #[must_use]
    pub fn day_so_far(&self, params: &Params) -> Option<(u64, f64)> {
        let expected = self.expected(params, 0)?;
        Some((self.counted(0).judged, expected))
    }

    fn expected(&self, params: &Params, lane: usize) -> Option<f64> {
        let expected = &self.lanes[lane].open.expected;
        *expected.get_or_init(|| Some(self.outlook(params, lane)?.usual()))
    }

    /// First moment of the day that is open and what is expected of it; nothing where the crossing stays shut all day.
    #[must_use]
    pub fn day_outlook(&self, params: &Params) -> Option<(EventTime, Outlook)> {
        let outlook = self.outlook(params, 0)?;
        Some((self.lanes[0].open.start, outlook))
    }

    /// The smallest surge that begins with the open day and is noticed within it nine times in ten, in arrivals a day beyond the
    /// usual ones ([`minimum_detectable`]); nothing where the day carries no exposure.
    #[must_use]
    pub fn detectable_per_day(&self, params: &Params) -> Option<f64> {
        *self.lanes[0].open.detectable.get_or_init(|| {
            let outlook = self.outlook(params, 0)?;
            Some(minimum_detectable(&outlook))
        })
    }

    /// What everything counted so far says of alerts. Buckets that are not closed show rises and no drops.
    #[must_use]
    pub fn standings(&mut self, site: &Site) -> Standings {
        let mut standings = self.closed;
        let params = site.params.lenses_of(self.weight);
        let mut ended: Vec<Ended> = self.lanes.iter().flat_map(|l| &l.ended).copied().collect();
        ended.sort_by_key(|b| (b.reading.end, b.reading.lens == Lens::Day));
        for bucket in &ended {
            standings.hear(&self.resets, bucket.reading.end);
            standings.preview(bucket, &params[bucket.reading.lens as usize], &self.resets);
        }
        standings.hear(&self.resets, EventTime::MAX);
        for lane in [1, 0] {
            let open = standings.open[Direction::Surge as usize];
            if let Some(bucket) = self.filling(site, lane, open) {
                standings.preview(&bucket, &params[lane], &self.resets);
            }
        }
        standings
    }

    /// A lens's open bucket as alerts need it; nothing where it can neither open one nor add to the one that is `open`.
    fn filling(&mut self, site: &Site, lane: usize, open: Option<Standing>) -> Option<Ended> {
        let alarms = self.alarms(site, lane);
        let is_needed = alarms || open.is_some_and(|s| lane == 0 || s.was_shut);
        let expected = is_needed.then(|| self.expected(site.params, lane))??;
        let Lane { front, open, .. } = &self.lanes[lane];
        let params = self.lens(site.params, LENSES[lane]);
        let (shares, _) = open.ahead?;
        let judged = Judged {
            start: open.start,
            end: open.end,
            shares,
            outlook: None,
        };
        let mut verdict = front.model.verdict();
        verdict.log_evidence_rise = if alarms {
            f64::INFINITY
        } else {
            f64::NEG_INFINITY
        };
        let bare = judged.bare_reading(params, self.counted(lane), &verdict);
        let reading = Reading { expected, ..bare };
        Some(self.lanes[lane].front.passing(params, reading))
    }

    /// Whether a lens's open bucket holds enough for a rise to be announced.
    pub fn alarms(&mut self, site: &Site, lane: usize) -> bool {
        let observed = self.counted(lane).judged;
        let open = &self.lanes[lane].open;
        let span = (open.start, open.end);
        if observed == 0 || is_hushed(&self.resets, Direction::Surge, span) {
            return false;
        }
        let params = self.lens(site.params, LENSES[lane]);
        if self.lanes[lane].open.ahead.is_none() {
            self.judge(site, lane);
        }
        let Lane { front, open, .. } = &mut self.lanes[lane];
        let ahead = open.ahead;
        open.alarms(observed, || {
            let (shares, slot) = ahead?;
            front
                .model
                .outlook(params, slot, shares.expects(params.lens))
        })
    }

    fn counted(&self, lane: usize) -> Counted {
        let open = &self.lanes[lane].open;
        self.days[open.day as usize].counted(LENSES[lane], open.hour as usize)
    }

    /// Ends every bucket the watermark has passed. Returns whether alerts may have changed.
    pub fn roll(&mut self, site: &Site, watermark: EventTime) -> bool {
        let mut may_tell = self.alerts[Direction::Surge as usize].is_some();
        self.cover(site, watermark);
        while let Some(lane) = self.next_ending(watermark) {
            let reading = self.end_bucket(site, lane, true);
            let params = &site.params.lenses_of(self.weight)[lane];
            self.lanes[lane].hold(params, reading);
            may_tell |= reading.log_evidence_rise >= params.log_threshold_rise;
        }
        may_tell
    }

    /// The lens whose open bucket the watermark has passed, in order of their end, an hour before its day.
    fn next_ending(&self, watermark: EventTime) -> Option<usize> {
        let i = usize::from(self.lanes[1].open.end <= self.lanes[0].open.end);
        (self.lanes[i].open.end <= watermark).then_some(i)
    }

    /// Takes the first ended bucket that is due to be closed, in order of their end, the day after its hours. It is not due while
    /// nobody knows whether the feed was alive to its end.
    pub fn next_due(&mut self, site: &Site, watermark: EventTime) -> Option<Ended> {
        let lane = (0..LENSES.len()).rev();
        let lane = lane.filter_map(|i| Some((self.lanes[i].ended.front()?.reading.end, i)));
        let (end, lane) = lane.min_by_key(|(end, _)| *end)?;
        let is_due = end.plus_ms(site.params.close_after_ms) <= watermark;
        if !(is_due && site.feed.is_known(end)) {
            return None;
        }
        self.closed_until[lane] = end;
        self.lanes[lane].ended.pop_front()
    }

    /// A bucket is closed: what closed buckets say of alerts goes on. Where an episode ends, evidence begins anew.
    pub fn enter_closed(&mut self, site: &Site, watermark: EventTime, bucket: &Ended) {
        let params = &site.params.lenses_of(self.weight)[bucket.reading.lens as usize];
        let known = self.resets.len();
        self.closed.hear(&self.resets, bucket.reading.end);
        self.closed.close(bucket, params, &mut self.resets);
        if self.resets.len() > known {
            self.recompute(site, watermark);
        }
    }

    /// An operator or a redefinition ends what is open in a direction at a moment.
    pub fn reset(&mut self, site: &Site, watermark: EventTime, reset: Reset) {
        standing::enter(&mut self.resets, reset);
        self.recompute(site, watermark);
    }

    /// Keeps an alert that has ended.
    pub fn put_aside(&mut self, past: Past) {
        self.past.push(past);
        if self.past.len() > MAX_PAST {
            self.past.remove(0);
        }
    }

    /// Computes the kept days again after counts, gate or feed changed in `[from, to)`. The ended buckets of that time are returned
    /// with their new numbers and whether they are closed.
    pub fn rebuild(
        &mut self,
        site: &Site,
        watermark: EventTime,
        changed: (EventTime, EventTime),
    ) -> Vec<(Reading, bool)> {
        let revised = self.compute_again(site, watermark, Some(changed));
        for day in &mut self.days {
            let is_of =
                |(reading, closed): &(Reading, bool)| *closed && day.span.holds(reading.start);
            day.revision += u32::from(revised.iter().any(is_of));
        }
        revised
    }

    fn compute_again(
        &mut self,
        site: &Site,
        watermark: EventTime,
        changed: Option<(EventTime, EventTime)>,
    ) -> Vec<(Reading, bool)> {
        self.cover(site, watermark);
        let first_kept = self.days[0].span.start;
        self.resets
            .retain(|r| !r.why.is_counted() || r.at <= first_kept);
        self.closed = self.settled;
        for (lane, &lens) in self.lanes.iter_mut().zip(&LENSES) {
            lane.front = lane.settled.track();
            lane.open = OpenBucket::at(&self.days[0], 0, 0, lens);
            lane.ended.clear();
        }
        let mut revised = Vec::new();
        while let Some(i) = self.next_ending(watermark) {
            let open = &self.lanes[i].open;
            let closed = open.end <= self.closed_until[i];
            let holds = changed.is_some_and(|(from, to)| open.start < to && from < open.end);
            let reading = self.end_bucket(site, i, !closed || holds);
            let params = &site.params.lenses_of(self.weight)[i];
            if closed {
                let bucket = self.lanes[i].front.ended(params, reading);
                self.closed.hear(&self.resets, reading.end);
                self.closed.close(&bucket, params, &mut self.resets);
            } else {
                self.lanes[i].hold(params, reading);
            }
            if holds {
                revised.push((reading, closed));
            }
        }
        for i in 0..self.lanes.len() {
            self.look_ahead(site, i);
        }
        revised
    }

    /// How often the day that holds a moment was revised.
    #[must_use]
    pub fn revision(&self, time: EventTime) -> u32 {
        self.days
            .iter()
            .find(|d| d.span.holds(time))
            .map_or(0, |d| d.revision)
    }

    /// Computes the kept days again: something changed that no count or gate tells of.
    fn recompute(&mut self, site: &Site, watermark: EventTime) {
        self.compute_again(site, watermark, None);
    }

    /// The gate changed at a moment that lies in an open bucket or after it: the open buckets are judged anew.
    pub fn refresh(&mut self, site: &Site) {
        for i in 0..self.lanes.len() {
            self.look_ahead(site, i);
        }
    }

    /// Whether a moment lies before the open bucket of a lens.
    #[must_use]
    pub fn has_ended(&self, time: EventTime) -> bool {
        self.lanes.iter().any(|lane| time < lane.open.start)
    }

    /// The watermark at which this series next has something to do if its feed says nothing more.
    #[must_use]
    pub fn deadline(&self, params: &Params, feed: &FeedTimeline) -> EventTime {
        let settle = self.days[0].span.end.plus_ms(params.settle_after_ms());
        let lanes = self.lanes.iter().map(|lane| {
            let ends = lane.ended.front().map(|bucket| bucket.reading.end);
            let known = ends.filter(|end| feed.is_known(*end));
            let close = known.map(|end| end.plus_ms(params.close_after_ms));
            lane.open.end.min(close.unwrap_or(EventTime::MAX))
        });
        lanes.fold(settle, EventTime::min)
    }

    /// Adds days until the watermark's own is kept.
    fn cover(&mut self, site: &Site, watermark: EventTime) {
        while let Some(last) = self.days.back().filter(|d| d.span.end <= watermark) {
            let next = last.span.next(&site.crossing.tz);
            self.days.push_back(DayCounts::empty(next));
        }
    }

    /// Enters the open bucket into `front` and opens the next one. `is_told` says that somebody will read the reading.
    fn end_bucket(&mut self, site: &Site, i: usize, is_told: bool) -> Reading {
        self.begin_day(site, i);
        let counted = self.counted(i);
        let params = self.lens(site.params, LENSES[i]);
        let lane = &mut self.lanes[i];
        let (day_index, hour) = (lane.open.day as usize, lane.open.hour as usize);
        let (start, end) = (lane.open.start, lane.open.end);
        let day = &self.days[day_index];
        let closed = advance(
            site,
            &mut lane.front,
            params,
            day,
            hour,
            (start, end),
            &self.resets,
            counted.judged,
        );
        let in_surge = self.alerts[Direction::Surge as usize].is_some();
        let verdict = lane.front.model.verdict();
        let reading = if is_told || lane.front.is_judged_by_range(params) {
            closed.reading(params, counted, &verdict, in_surge)
        } else {
            closed.bare_reading(params, counted, &verdict)
        };
        let last_hour = LENSES[i] != Lens::Hour || hour + 1 >= day.span.hours();
        let (day_index, hour) = if last_hour {
            (day_index + 1, 0)
        } else {
            (day_index, hour + 1)
        };
        if day_index == self.days.len() {
            let next = self.days[day_index - 1].span.next(&site.crossing.tz);
            self.days.push_back(DayCounts::empty(next));
        }
        self.lanes[i].open = OpenBucket::at(&self.days[day_index], day_index, hour, LENSES[i]);
        if is_told {
            self.look_ahead(site, i);
        }
        reading
    }

    /// Where a lens's open bucket is the first hour of its day, the day begins; the one before it has ended.
    fn begin_day(&mut self, site: &Site, i: usize) {
        let open = &self.lanes[i].open;
        if LENSES[i] == Lens::Hour && open.hour == 0 {
            let day = &self.days[open.day as usize].span;
            let fronts = self.lanes.each_mut().map(|lane| &mut lane.front);
            begin_day(
                fronts,
                site.params.lenses_of(self.weight),
                day,
                &self.resets,
            );
        }
    }

    /// Prepares the open bucket. The day's is always at hand for the gauges; an hour's when an arrival asks for it.
    fn look_ahead(&mut self, site: &Site, i: usize) {
        let params = self.lens(site.params, LENSES[i]);
        let lane = &mut self.lanes[i];
        let day = &self.days[lane.open.day as usize].span;
        lane.front.begin(params, day, lane.open.start, &self.resets);
        lane.open.ahead = None;
        if LENSES[i] != Lens::Hour {
            self.judge(site, i);
        }
    }

    /// Looks up what the open bucket's expectation depends on.
    fn judge(&mut self, site: &Site, i: usize) {
        self.begin_day(site, i);
        let open = &mut self.lanes[i].open;
        let day = &self.days[open.day as usize].span;
        let shares = site.shares(day, (open.start, open.end), false);
        let slot = slot(site, LENSES[i], day, open.hour as usize, &shares);
        open.ahead = Some((shares, slot));
        (open.calm_below, open.alarm_at) = (0, None);
        (open.expected, open.detectable) = (OnceCell::new(), OnceCell::new());
    }
}
