//! Owns one series, a crossing and a stream of arrivals: its counts inside the lateness horizon and, for each lens, what the
//! closed past says about the bucket that is open.
//!
//! Each lens keeps its state before the first kept day, which no event can change any more, and its front, after every bucket
//! that has ended. The front is what the first one and the kept counts give, so any order of arrival inside the horizon ends in
//! the same state; a late event costs the buckets of the kept days again, and so does a day that is settled.

use super::alert::{Alert, Direction, Reading, Severity, Standing};
use super::calendar::DaySpan;
use super::evidence::detectable::minimum_detectable;
use super::exposure::Shares;
use super::ids::StreamIx;
use super::lane::{Checkpoint, Judged, Lane, OpenBucket, advance, slot};
pub use super::lane::{DayCounts, Site, Track, is_evidence_low, prior};
use super::lens::{Lens, LensParams, Outlook};
use super::params::{LENSES, Params, WeightClass};
use super::time::EventTime;
use std::cell::OnceCell;
use std::collections::VecDeque;

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
    /// The open alerts: surge, drop.
    pub alerts: [Option<Alert>; 2],
    /// The last alert of each direction that was withdrawn.
    pub withdrawn: [Option<Alert>; 2],
    weight: WeightClass,
    days: VecDeque<DayCounts>,
    lanes: [Lane; 2],
}

/// What the changelog keeps of a series besides its tracks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesCounts {
    /// Days that are not settled, in order, without gaps.
    pub days: Vec<DayCounts>,
    /// Open alerts.
    pub alerts: [Option<Alert>; 2],
    /// The last alert of each direction that was withdrawn.
    pub withdrawn: [Option<Alert>; 2],
    /// For each lens the starts of the buckets, in those days, with which evidence began anew.
    pub resets: [Vec<EventTime>; 2],
}

impl Series {
    /// A series that begins with the day that holds the earliest event still accepted.
    #[must_use]
    pub fn new(stream: StreamIx, site: &Site, first_day: DaySpan, watermark: EventTime) -> Self {
        let counts = SeriesCounts {
            days: vec![DayCounts::empty(first_day)],
            alerts: [None; 2],
            withdrawn: [None; 2],
            resets: [Vec::new(), Vec::new()],
        };
        let tracks = [0, 1].map(|i| {
            let (params, prior) = (&site.params.lenses[i], prior(LENSES[i]));
            Track::fresh(params, prior, first_day.start)
        });
        Self::restored(stream, site, counts, tracks, watermark)
    }

    /// A series as the changelog has it: `settled` are each lens's states before the first day of `counts`.
    /// Everything after it is computed again up to `watermark`.
    #[must_use]
    pub fn restored(
        stream: StreamIx,
        site: &Site,
        counts: SeriesCounts,
        settled: [Track; 2],
        watermark: EventTime,
    ) -> Self {
        let mut resets = counts.resets.into_iter();
        let lanes = settled.map(|track| Lane {
            settled: Checkpoint::of(&track),
            front: track,
            open: OpenBucket::nowhere(),
            ended: VecDeque::new(),
            resets: resets.next().unwrap_or_default(),
        });
        let mut series = Self {
            stream,
            alerts: counts.alerts,
            withdrawn: counts.withdrawn,
            weight: site.params.weight_class(&site.crossing.id, stream),
            days: counts.days.into(),
            lanes,
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
            withdrawn: self.withdrawn,
            resets: [&self.lanes[0], &self.lanes[1]].map(|lane| lane.resets.clone()),
        }
    }

    /// What the changelog keeps when a day is settled: each lens's state before the first kept day.
    #[must_use]
    pub fn settled(&self) -> [Track; 2] {
        [0, 1].map(|i| self.lanes[i].settled.track())
    }

    /// Changes the count at a moment from one arrival's `before` to its `after`.
    pub fn change(&mut self, time: EventTime, before: u32, after: u32) -> Place {
        let Some(index) = self.days.iter().rposition(|d| d.span.holds(time)) else {
            return Place::Outside;
        };
        let day = &mut self.days[index];
        day.change(day.span.hour_of(time), before, after);
        let is_open = |open: &OpenBucket| open.start <= time && time < open.end;
        if self.lanes.iter().all(|lane| is_open(&lane.open)) {
            Place::Open
        } else {
            Place::Ended
        }
    }

    /// The numbers of a lens's open bucket as if it closed now.
    #[must_use]
    pub fn open_reading(&self, params: &Params, lane: usize) -> Reading {
        let (observed, open) = (self.observed(lane), &self.lanes[lane].open);
        let judged = Judged {
            start: open.start,
            end: open.end,
            shares: open.ahead.map_or(Shares::default(), |(shares, _)| shares),
            outlook: self.outlook(params, lane),
        };
        let verdict = match &judged.outlook {
            Some(outlook) => outlook.verdict(observed),
            None => self.lanes[lane].front.model.verdict(),
        };
        judged.reading(self.lens(params, LENSES[lane]), observed, &verdict, false)
    }

    /// What a lens's open bucket is expected to hold; nothing before it was judged or where it carries no exposure.
    fn outlook(&self, params: &Params, lane: usize) -> Option<Outlook> {
        let lens = self.lens(params, LENSES[lane]);
        let lane = &self.lanes[lane];
        let (shares, slot) = lane.open.ahead?;
        lane.front.model.outlook(lens, slot, shares.open)
    }

    /// Arrivals of the open day and what is expected of the whole of it; nothing where it carries no exposure.
    #[must_use]
    pub fn day_so_far(&self, params: &Params) -> Option<(u64, f64)> {
        let expected = self.lanes[0].open.expected.get_or_init(|| {
            let outlook = self.outlook(params, 0)?;
            Some(outlook.mean())
        });
        expected.map(|expected| (self.observed(0), expected))
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

    /// Whether evidence began anew after a bucket, because an alert ended: what the bucket says was dealt with.
    #[must_use]
    pub fn was_reset_after(&self, reading: &Reading) -> bool {
        let resets = &self.lanes[reading.lens as usize].resets;
        resets.iter().any(|at| *at > reading.start)
    }

    /// What the kept counts say of an open alert; nothing where it began before them. Buckets that are not closed support a rise,
    /// which is told of at the event, and no drop.
    #[must_use]
    pub fn standing(
        &mut self,
        site: &Site,
        watermark: EventTime,
        alert: &Alert,
    ) -> Option<Standing> {
        if alert.decided < self.days[0].span.start {
            return None;
        }
        let is_rise = alert.direction == Direction::Surge;
        let mut standing = Standing {
            is_supported: is_rise && (self.alarms(site, 0) || self.alarms(site, 1)),
            severity: Severity::Minor,
            decided: None,
        };
        let end = if is_rise {
            watermark
        } else {
            watermark.plus_ms(-site.params.close_after_ms)
        };
        for (i, &lens) in LENSES.iter().enumerate() {
            self.stand(site, i, end, alert, &mut standing);
            let open = &self.lanes[i].open;
            if is_rise && (lens == Lens::Day || open.start == alert.decided) {
                let reading = self.open_reading(site.params, i);
                let now = Severity::of(alert.direction, reading.observed, reading.expected);
                standing.severity = standing.severity.max(now);
            }
        }
        Some(standing)
    }

    /// Adds what the ended buckets of a lens say of an alert.
    fn stand(&self, site: &Site, i: usize, end: EventTime, alert: &Alert, standing: &mut Standing) {
        let (lens, params) = (LENSES[i], &site.params.lenses_of(self.weight)[i]);
        let threshold = match alert.direction {
            Direction::Surge => params.log_threshold_rise,
            Direction::Drop => params.log_threshold_drop,
        };
        let day_from = self
            .days
            .iter()
            .rev()
            .map(|day| day.span.start)
            .find(|start| *start <= alert.decided);
        let mut track = self.lanes[i].settled.track();
        for day in &self.days {
            for (hour, span, observed) in day.buckets(lens) {
                if span.1 > end {
                    return;
                }
                let resets = &self.lanes[i].resets;
                let judged = advance(site, &mut track, params, day, hour, span, resets, observed);
                let reading = judged.reading(params, observed, &track.model.verdict(), false);
                let is_deciding = lens == alert.decided_by && span.0 == alert.decided;
                if is_deciding {
                    standing.decided = Some(reading);
                }
                let counts = is_deciding || lens == Lens::Day && Some(span.0) >= day_from;
                if counts && reading.exposure > 0.0 {
                    let then = Severity::of(alert.direction, observed, reading.expected);
                    standing.severity = standing.severity.max(then);
                }
                let reaches = reading.log_evidence(alert.direction) >= threshold;
                standing.is_supported |= span.1 > alert.decided && reaches;
            }
        }
    }

    /// Whether a lens's open bucket holds enough for a rise to be announced.
    pub fn alarms(&mut self, site: &Site, lane: usize) -> bool {
        let observed = self.observed(lane);
        if observed == 0 {
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
            front.model.outlook(params, slot, shares.open)
        })
    }

    fn observed(&self, lane: usize) -> u64 {
        let open = &self.lanes[lane].open;
        match LENSES[lane] {
            Lens::Hour => u64::from(self.days[open.day].hours[open.hour]),
            _ => self.days[open.day].total,
        }
    }

    /// Where the episode behind an alert is thought to begin.
    #[must_use]
    pub fn onset(&self, lane: usize, direction: Direction) -> EventTime {
        self.lanes[lane].front.high_since[direction as usize]
    }

    /// Ends every bucket the watermark has passed and returns what they say, in order of their end.
    pub fn roll(&mut self, site: &Site, watermark: EventTime) -> Vec<Reading> {
        let mut ended = Vec::new();
        self.cover(site, watermark);
        for lane in 0..self.lanes.len() {
            while self.lanes[lane].open.end <= watermark {
                let reading = self
                    .end_bucket(site, lane, true)
                    .expect("a reading was asked for");
                self.lanes[lane].hold(reading);
                ended.push(reading);
            }
        }
        ended.sort_by_key(|r| r.end);
        ended
    }

    /// Takes the ended buckets that are due to be closed, in order of their end, the day after its hours.
    pub fn close_due(&mut self, params: &Params, watermark: EventTime) -> Vec<Reading> {
        let mut due = Vec::new();
        for lane in self.lanes.iter_mut().rev() {
            while lane
                .ended
                .front()
                .is_some_and(|r| r.end.plus_ms(params.close_after_ms) <= watermark)
            {
                due.extend(lane.ended.pop_front());
            }
        }
        due.sort_by_key(|r| r.end);
        due
    }

    /// Settles the days no event can change any more. Returns whether there were any.
    pub fn settle(&mut self, site: &Site, watermark: EventTime) -> bool {
        let horizon = watermark.plus_ms(-site.params.lateness_horizon_ms);
        let mut settled = false;
        while self.days.len() > 1
            && self.days[0].span.end <= horizon
            && self.lanes.iter().all(|l| l.open.day > 0)
        {
            let Some(day) = self.days.pop_front() else {
                break;
            };
            for (i, &lens) in LENSES.iter().enumerate() {
                let params = &site.params.lenses_of(self.weight)[i];
                let lane = &mut self.lanes[i];
                let mut track = lane.settled.track();
                for (hour, span, observed) in day.buckets(lens) {
                    let resets = &lane.resets;
                    advance(site, &mut track, params, &day, hour, span, resets, observed);
                }
                lane.settled = Checkpoint::of(&track);
                lane.resets.retain(|at| *at >= day.span.end);
                lane.open.day -= 1;
            }
            settled = true;
        }
        settled
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
        let mut revised = Vec::new();
        for (i, &lens) in LENSES.iter().enumerate() {
            let lane = &mut self.lanes[i];
            lane.front = lane.settled.track();
            lane.open = OpenBucket::at(&self.days[0], 0, 0, lens);
            lane.ended.clear();
            while self.lanes[i].open.end <= watermark {
                let open = &self.lanes[i].open;
                let closed = open.end.plus_ms(site.params.close_after_ms) <= watermark;
                let holds = changed.is_some_and(|(from, to)| open.start < to && from < open.end);
                let Some(reading) = self.end_bucket(site, i, !closed || holds) else {
                    continue;
                };
                if holds {
                    revised.push((reading, closed));
                }
                if !closed {
                    self.lanes[i].hold(reading);
                }
            }
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
    pub fn recompute(&mut self, site: &Site, watermark: EventTime) {
        self.compute_again(site, watermark, None);
    }

    /// Begins the evidence anew from the open buckets on: an alert has ended.
    pub fn reset_evidence(&mut self, site: &Site) {
        for lane in &mut self.lanes {
            if lane.resets.last() != Some(&lane.open.start) {
                lane.resets.push(lane.open.start);
            }
        }
        self.refresh(site);
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

    /// The watermark at which this series next has something to do.
    #[must_use]
    pub fn deadline(&self, params: &Params) -> EventTime {
        let settle = self.days[0].span.end.plus_ms(params.lateness_horizon_ms);
        let lanes = self.lanes.iter().map(|lane| {
            let close = lane
                .ended
                .front()
                .map_or(EventTime::MAX, |r| r.end.plus_ms(params.close_after_ms));
            lane.open.end.min(close)
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

    /// Enters the open bucket into `front` and opens the next one.
    fn end_bucket(&mut self, site: &Site, i: usize, wants_reading: bool) -> Option<Reading> {
        let observed = self.observed(i);
        let params = self.lens(site.params, LENSES[i]);
        let lane = &mut self.lanes[i];
        let (day_index, hour) = (lane.open.day, lane.open.hour);
        let (start, end) = (lane.open.start, lane.open.end);
        let day = &self.days[day_index];
        let closed = advance(
            site,
            &mut lane.front,
            params,
            day,
            hour,
            (start, end),
            &lane.resets,
            observed,
        );
        let in_surge = self.alerts[Direction::Surge as usize].is_some();
        let reading = wants_reading
            .then(|| closed.reading(params, observed, &lane.front.model.verdict(), in_surge));
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
        if wants_reading {
            self.look_ahead(site, i);
        }
        reading
    }

    /// Prepares the open bucket. The day's is always at hand for the gauges; an hour's when an arrival asks for it.
    fn look_ahead(&mut self, site: &Site, i: usize) {
        let lane = &mut self.lanes[i];
        if lane.resets.last() == Some(&lane.open.start) {
            lane.front.begin_anew(lane.open.start);
        }
        lane.open.ahead = None;
        if LENSES[i] != Lens::Hour {
            self.judge(site, i);
        }
    }

    /// Looks up what the open bucket's expectation depends on.
    fn judge(&mut self, site: &Site, i: usize) {
        let open = &mut self.lanes[i].open;
        let day = &self.days[open.day].span;
        let slot = slot(site, LENSES[i], day, open.hour);
        open.ahead = Some((site.shares(day, (open.start, open.end), false), slot));
        (open.calm_below, open.alarm_at) = (0, None);
        (open.expected, open.detectable) = (OnceCell::new(), OnceCell::new());
    }
}
