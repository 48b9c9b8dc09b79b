//! Owns the state of one crossing in one partition: its gate, its remembered ids, its series and their alerts.

use super::alert::{Alert, Direction, Feedback, Reason};
use super::calendar::{DaySpan, local};
use super::event::{Event, GateState, Kind, Reject};
use super::exposure::{Change, GateTimeline};
use super::feed::{FeedTimeline, Heard};
use super::ids::{CrossingIx, EventId, StreamIx};
use super::judging::{Cause, Shown, announce, close, judge_open, revise, tell};
use super::network::Network;
use super::notice::{DataStatus, Notice, NoticeKind};
use super::output::{Output, Source};
use super::params::Params;
use super::seen::{Arrival, Corrected, Remembered, Seen};
use super::series::{Place, Series, Site};
use super::shut::ToldClosed;
use super::standing::Reset;
use super::tally::Tally;
use super::time::EventTime;
use jiff::civil::Date;

/// What an event did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It counted.
    Applied,
    /// It was counted before.
    Duplicate,
    /// It could not be used.
    Rejected(Reject),
}

/// Where outputs go, with what every one of them names.
pub struct Context<'a, 'b> {
    /// The border.
    pub network: &'a Network,
    /// Settings.
    pub params: &'a Params,
    /// The partition's watermark.
    pub watermark: EventTime,
    /// What is being handled.
    pub source: Source,
    /// What the numbers of alerts rest on.
    pub data: DataStatus,
    /// Since when nothing was heard of the crossing, where its feed is not followed.
    pub unheard_since: Option<EventTime>,
    /// Counters.
    pub tally: &'a mut Tally,
    /// Takes the outputs in order.
    pub out: &'a mut (dyn FnMut(Output) + 'b),
}

/// One crossing.
#[derive(Debug, Clone)]
pub struct CrossingState {
    /// Which.
    pub ix: CrossingIx,
    /// Event time of the first event ever seen; nothing before it carries exposure.
    pub since: EventTime,
    /// Its states.
    pub gate: GateTimeline,
    /// Its feed.
    pub feed: FeedTimeline,
    /// Since when its feed is blind, where that was told.
    pub blind_since: Option<EventTime>,
    /// The arrivals while it was shut that were told of last.
    pub told_closed: Option<ToldClosed>,
    /// Its remembered ids.
    pub seen: Seen,
    /// Its series, by stream.
    pub series: Vec<Series>,
    /// Counts, gate or alerts changed since the last write to the changelog.
    pub counts_dirty: bool,
    /// A day was settled since the last write to the changelog.
    pub tracks_dirty: bool,
}

impl CrossingState {
    /// A crossing that is heard of for the first time.
    #[must_use]
    pub fn new(
        ix: CrossingIx,
        since: EventTime,
        network: &Network,
        params: &Params,
        watermark: EventTime,
    ) -> Self {
        let mut state = Self {
            ix,
            since,
            gate: GateTimeline::default(),
            feed: FeedTimeline::default(),
            blind_since: None,
            told_closed: None,
            seen: Seen::default(),
            series: Vec::new(),
            counts_dirty: true,
            tracks_dirty: true,
        };
        state.add_missing_series(network, params, watermark);
        state
    }

    /// Begins a series for every stream of the crossing that has none, at the earliest day an event can still belong to.
    pub fn add_missing_series(&mut self, network: &Network, params: &Params, watermark: EventTime) {
        let crossing = network.crossing(self.ix);
        let earliest = watermark.plus_ms(-params.lateness_horizon_ms);
        let first_day = DaySpan::holding(&crossing.tz, earliest);
        let site = Site {
            crossing,
            gate: &self.gate,
            feed: &self.feed,
            since: self.since,
            params,
        };
        for &stream in &crossing.streams {
            if self.series.iter().all(|s| s.stream != stream) {
                self.series
                    .push(Series::new(stream, &site, first_day, watermark));
                (self.counts_dirty, self.tracks_dirty) = (true, true);
            }
        }
    }

    /// Handles an event of this crossing that is inside the lateness horizon.
    pub fn handle(&mut self, event: &Event, cx: &mut Context) -> Outcome {
        self.mark_data(cx);
        if let Kind::Feedback {
            stream,
            direction,
            day,
            feedback,
        } = event.kind
        {
            return self.heed(stream, (direction, day), feedback, cx);
        }
        self.watch_from(event.time, cx);
        match event.kind {
            Kind::Heartbeat => {
                self.hear(event.time, true, cx);
                Outcome::Applied
            }
            Kind::Arrival { stream, count } => {
                self.hear(event.time, false, cx);
                self.arrive(event.id, event.time, stream, count, cx)
            }
            Kind::Correction { replaces, count } => self.correct(replaces, event.time, count, cx),
            Kind::Status { state, until } => self.change_gate(event.time, state, until, cx),
            Kind::Redefined => self.redefine(event.time, cx),
            Kind::Feedback { .. } => unreachable!("it was heeded above"),
        }
    }

    /// Does what the watermark makes due: ends, closes and settles buckets.
    pub fn advance(&mut self, cx: &mut Context) {
        self.fall_silent(cx);
        self.mark_data(cx);
        let site = site(self.ix, &self.gate, &self.feed, self.since, cx);
        let mut settled = false;
        for series in &mut self.series {
            if series.roll(&site, cx.watermark) {
                self.counts_dirty |= tell(self.ix, series, &site, Cause::Live, cx);
            }
            while let Some(bucket) = series.next_due(&site, cx.watermark) {
                close(self.ix, series, &site, &bucket, cx);
                self.counts_dirty = true;
            }
            settled |= series.settle(&site, cx.watermark);
        }
        // Not `tracks_dirty`, which a commit clears: what is forgotten must not depend on when commits happen.
        if settled {
            self.tracks_dirty = true;
            self.counts_dirty = true;
            let horizon = cx.watermark.plus_ms(-cx.params.lateness_horizon_ms);
            self.seen.forget_before(horizon);
            let settled = cx.watermark.plus_ms(-cx.params.settle_after_ms());
            let first_kept = DaySpan::holding(&site.crossing.tz, settled).start;
            self.gate.forget_before(first_kept);
            self.feed.forget_before(first_kept);
        }
    }

    /// The watermark at which this crossing next has something to do if its feed says nothing more.
    #[must_use]
    pub fn deadline(&self, params: &Params) -> EventTime {
        let series = self.series.iter();
        series
            .map(|series| series.deadline(params, &self.feed))
            .chain(self.feed.due(params.blind_after_ms_at(self.ix)))
            .fold(EventTime::MAX, EventTime::min)
    }

    /// An operator says what an alert is: it is marked, or ended.
    fn heed(
        &mut self,
        stream: StreamIx,
        (direction, day): (Direction, Date),
        feedback: Feedback,
        cx: &mut Context,
    ) -> Outcome {
        let site = site(self.ix, &self.gate, &self.feed, self.since, cx);
        let is_meant = |alert: &Alert| {
            let named = local(&site.crossing.tz, alert.named).date();
            alert.direction == direction && named == day
        };
        let Some(series) = self.series.iter_mut().find(|s| s.stream == stream) else {
            return Outcome::Rejected(Reject::UnknownStream);
        };
        let open = series.alerts[direction as usize].filter(is_meant);
        let Some(mut alert) = open else {
            let past = series.past.iter().rev().find(|past| is_meant(&past.alert));
            return match past {
                Some(past) if past.alert.feedback == Some(feedback) => Outcome::Duplicate,
                Some(_) => Outcome::Rejected(Reject::EndedAlert),
                None => Outcome::Rejected(Reject::UnknownAlert),
            };
        };
        if alert.feedback == Some(feedback) {
            return Outcome::Duplicate;
        }
        self.counts_dirty = true;
        cx.tally.hear(&alert, feedback);
        if feedback.ends() {
            // Inside the open bucket, also where that has just begun.
            let (at, why) = (cx.watermark.plus_ms(1), Reason::Feedback(feedback));
            series.reset(&site, cx.watermark, Reset { at, direction, why });
            tell(self.ix, series, &site, Cause::Word, cx);
        } else {
            let transition = alert.mark(feedback);
            series.alerts[direction as usize] = Some(alert);
            let shown = Shown::so_far(series.open_reading(cx.params, 0));
            announce(self.ix, series, alert, transition, &shown, cx);
        }
        Outcome::Applied
    }

    /// The earliest event heard of says since when the crossing is watched, whatever is read first.
    fn watch_from(&mut self, time: EventTime, cx: &mut Context) {
        if time >= self.since {
            return;
        }
        let changed = (time, self.since);
        self.since = time;
        self.counts_dirty = true;
        let site = site(self.ix, &self.gate, &self.feed, self.since, cx);
        for series in &mut self.series {
            if series.has_ended(time) {
                revise(self.ix, series, &site, changed, cx);
            } else {
                series.refresh(&site);
            }
        }
    }

    /// The feed said something.
    fn hear(&mut self, time: EventTime, is_heartbeat: bool, cx: &mut Context) {
        let (now, blind_after_ms) = (cx.watermark, cx.params.blind_after_ms_at(self.ix));
        let follows = is_heartbeat || cx.params.follows_messages(self.ix);
        match self.feed.hear(time, follows, now, blind_after_ms) {
            Heard::Nothing => return,
            Heard::Longer => self.counts_dirty = true,
            Heard::Anew(from, to) => {
                self.counts_dirty = true;
                self.see_anew((from, to), cx);
            }
        }
        match (self.blind_since, self.feed.silent_since()) {
            (Some(since), None) => {
                self.blind_since = None;
                self.tell_blindness(since, cx);
            }
            (None, Some(since)) => {
                self.blind_since = Some(since);
                self.tell_blindness(since, cx);
            }
            _ => {}
        }
    }

    /// The feed has been silent for long enough to be blind, from its last word on.
    fn fall_silent(&mut self, cx: &mut Context) {
        let Some(since) = self
            .feed
            .pass(cx.watermark, cx.params.blind_after_ms_at(self.ix))
        else {
            return;
        };
        self.counts_dirty = true;
        self.see_anew((since, EventTime::MAX), cx);
        self.blind_since = Some(since);
        self.tell_blindness(since, cx);
    }

    /// The exposure of some time is another than it was thought.
    fn see_anew(&mut self, changed: (EventTime, EventTime), cx: &mut Context) {
        let site = site(self.ix, &self.gate, &self.feed, self.since, cx);
        for series in &mut self.series {
            if series.has_ended(changed.0) {
                revise(self.ix, series, &site, changed, cx);
            } else {
                series.refresh(&site);
                tell(self.ix, series, &site, Cause::Live, cx);
            }
        }
    }

    /// A notice, and a line in the log of every open alert, whose numbers rest on other data from now on.
    fn tell_blindness(&mut self, since: EventTime, cx: &mut Context) {
        self.mark_data(cx);
        let is_over = self.blind_since.is_none();
        let notice = Notice {
            kind: NoticeKind::FeedBlind,
            since,
            is_over,
            is_again: false,
            shut: None,
        };
        self.notify(notice, cx);
        for series in &mut self.series {
            for direction in Direction::ALL {
                let Some(mut alert) = series.alerts[direction as usize] else {
                    continue;
                };
                let transition = alert.update();
                series.alerts[direction as usize] = Some(alert);
                let shown = Shown::so_far(series.open_reading(cx.params, 0));
                announce(self.ix, series, alert, transition, &shown, cx);
            }
        }
    }

    pub(super) fn notify(&self, notice: Notice, cx: &mut Context) {
        (cx.out)(Output::Notice {
            crossing: self.ix,
            notice,
            as_of: cx.watermark,
            source: cx.source,
        });
    }

    fn mark_data(&self, cx: &mut Context) {
        cx.data = match self.blind_since {
            Some(_) => DataStatus::Blind,
            None => DataStatus::Complete,
        };
        cx.unheard_since = self.feed.unheard_since();
    }

    fn arrive(
        &mut self,
        id: EventId,
        time: EventTime,
        stream: StreamIx,
        count: u32,
        cx: &mut Context,
    ) -> Outcome {
        let Some(index) = self.series.iter().position(|s| s.stream == stream) else {
            return Outcome::Rejected(Reject::UnknownStream);
        };
        let arrival = Arrival {
            id,
            time,
            stream: Some(stream),
            count,
            corrected: None,
        };
        let count = match self.seen.remember(arrival, cx.params.max_ids) {
            Remembered::New(given_up) => {
                cx.tally.ids_given_up += given_up as u64;
                count
            }
            Remembered::Awaited(corrected) => {
                cx.tally.corrections += 1;
                corrected
            }
            Remembered::Duplicate => {
                cx.tally.duplicates += 1;
                return Outcome::Duplicate;
            }
        };
        self.recount(index, time, 0, count, cx);
        self.tell_closed(time, count, cx);
        Outcome::Applied
    }

    fn correct(
        &mut self,
        replaces: EventId,
        time: EventTime,
        count: u32,
        cx: &mut Context,
    ) -> Outcome {
        let max_ids = cx.params.max_ids;
        match self.seen.correct(replaces, time, count, max_ids) {
            // Put aside, since its arrival may never come, and in force from the moment it does.
            Corrected::Awaiting(given_up) => {
                cx.tally.ids_given_up += given_up as u64;
                Outcome::Rejected(Reject::UnknownReplaced)
            }
            Corrected::Superseded => Outcome::Duplicate,
            Corrected::Changed(before) => {
                let of = |series: &Series| Some(series.stream) == before.stream;
                let Some(index) = self.series.iter().position(of) else {
                    return Outcome::Rejected(Reject::UnknownStream);
                };
                if self.recount(index, before.time, before.count, count, cx) == Place::Outside {
                    // Remembered beyond its day, which is settled by now.
                    return Outcome::Rejected(Reject::TooLate);
                }
                cx.tally.corrections += 1;
                Outcome::Applied
            }
        }
    }

    fn recount(
        &mut self,
        index: usize,
        time: EventTime,
        before: u32,
        after: u32,
        cx: &mut Context,
    ) -> Place {
        self.counts_dirty = true;
        let site = site(self.ix, &self.gate, &self.feed, self.since, cx);
        let is_shut = self.gate.is_shut(site.crossing, time);
        let series = &mut self.series[index];
        let place = series.change(time, before, after, is_shut);
        match place {
            Place::Open => {
                judge_open(self.ix, series, &site, cx);
            }
            Place::Ended => {
                cx.tally.late += 1;
                revise(self.ix, series, &site, (time, time.plus_ms(1)), cx);
            }
            Place::Outside => {}
        }
        place
    }

    /// The feed counts something else from a moment on: everything is learnt anew, and alerts that rest on what it meant end.
    fn redefine(&mut self, from: EventTime, cx: &mut Context) -> Outcome {
        if !self.gate.redefine(from) {
            return Outcome::Duplicate;
        }
        self.counts_dirty = true;
        let site = site(self.ix, &self.gate, &self.feed, self.since, cx);
        cx.data = DataStatus::Redefined;
        for series in &mut self.series {
            for direction in Direction::ALL {
                let why = Reason::Redefined;
                let at = from;
                series.reset(&site, cx.watermark, Reset { at, direction, why });
            }
            tell(self.ix, series, &site, Cause::Word, cx);
            if series.has_ended(from) {
                revise(self.ix, series, &site, (from, EventTime::MAX), cx);
            } else {
                series.refresh(&site);
            }
        }
        self.mark_data(cx);
        Outcome::Applied
    }

    fn change_gate(
        &mut self,
        from: EventTime,
        state: GateState,
        until: Option<EventTime>,
        cx: &mut Context,
    ) -> Outcome {
        let before = self.gate.clone();
        if !self.gate.enter(Change { from, state, until }) {
            return Outcome::Duplicate;
        }
        self.counts_dirty = true;
        let shut = self.move_arrivals(from, &before, cx);
        let site = site(self.ix, &self.gate, &self.feed, self.since, cx);
        for series in &mut self.series {
            if series.has_ended(from) {
                revise(self.ix, series, &site, (from, EventTime::MAX), cx);
            } else {
                series.refresh(&site);
                tell(self.ix, series, &site, Cause::Live, cx);
            }
        }
        self.take_closed_back(&before, cx);
        for (time, count) in shut {
            self.tell_closed(time, count, cx);
        }
        Outcome::Applied
    }

    /// Arrivals at which the crossing was shut after all are judged no more, those at which it was not are. Returns the moments
    /// and counts of the first, in order. A status says nothing of time beyond the horizon, inside of which every arrival is remembered.
    fn move_arrivals(
        &mut self,
        from: EventTime,
        before: &GateTimeline,
        cx: &Context,
    ) -> Vec<(EventTime, u32)> {
        let crossing = cx.network.crossing(self.ix);
        let mut shut = Vec::new();
        for arrival in self.seen.arrivals().filter(|a| from <= a.time) {
            let is_shut = self.gate.is_shut(crossing, arrival.time);
            if is_shut == before.is_shut(crossing, arrival.time) {
                continue;
            }
            let mut series = self.series.iter_mut();
            if let Some(series) = series.find(|s| Some(s.stream) == arrival.stream) {
                series.move_to(arrival.time, arrival.count, is_shut);
                shut.extend(is_shut.then_some((arrival.time, arrival.count)));
            }
        }
        shut.sort_unstable();
        shut
    }
}

/// What the series of a crossing need to know of it.
fn site<'a>(
    ix: CrossingIx,
    gate: &'a GateTimeline,
    feed: &'a FeedTimeline,
    since: EventTime,
    cx: &Context<'a, '_>,
) -> Site<'a> {
    Site {
        crossing: cx.network.crossing(ix),
        gate,
        feed,
        since,
        params: cx.params,
    }
}
