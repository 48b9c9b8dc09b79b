//! Owns the state of one crossing in one partition: its gate, its remembered ids, its series and their alerts.

use super::alert::{Alert, Direction, Reading, Severity, Transition};
use super::calendar::DaySpan;
use super::event::{Event, GateState, Kind, Reject};
use super::exposure::{Change, GateTimeline};
use super::ids::{CrossingIx, EventId, StreamIx};
use super::lens::Lens;
use super::network::{Crossing, Network};
use super::output::{Output, Source};
use super::params::{LENSES, Params};
use super::seen::{Arrival, Corrected, Seen};
use super::series::{Place, Series, Site};
use super::tally::Tally;
use super::time::EventTime;

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
        match event.kind {
            Kind::Heartbeat => Outcome::Applied,
            Kind::Arrival { stream, count } => self.arrive(event.id, event.time, stream, count, cx),
            Kind::Correction { replaces, count } => self.correct(replaces, event.time, count, cx),
            Kind::Status { state, until } => self.change_gate(event.time, state, until, cx),
        }
    }

    /// Does what the watermark makes due: ends, closes and settles buckets.
    pub fn advance(&mut self, cx: &mut Context) {
        let (gate, since) = (&self.gate, self.since);
        let site = Site {
            crossing: cx.network.crossing(self.ix),
            gate,
            since,
            params: cx.params,
        };
        let mut settled = false;
        for series in &mut self.series {
            for reading in series.roll(&site, cx.watermark) {
                judge_rise(self.ix, series, &reading, false, cx);
            }
            for reading in series.close_due(cx.params, cx.watermark) {
                close(self.ix, series, &site, &reading, cx);
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
            let first_kept = DaySpan::holding(&site.crossing.tz, horizon).start;
            self.gate.forget_before(first_kept);
        }
    }

    /// The watermark at which this crossing next has something to do.
    #[must_use]
    pub fn deadline(&self, params: &Params) -> EventTime {
        self.series
            .iter()
            .map(|s| s.deadline(params))
            .fold(EventTime::MAX, EventTime::min)
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
            stream,
            count,
            corrected: None,
        };
        let Some(given_up) = self.seen.remember(arrival, cx.params.max_ids) else {
            cx.tally.duplicates += 1;
            return Outcome::Duplicate;
        };
        cx.tally.ids_given_up += given_up as u64;
        self.recount(index, time, 0, count, cx);
        Outcome::Applied
    }

    fn correct(
        &mut self,
        replaces: EventId,
        time: EventTime,
        count: u32,
        cx: &mut Context,
    ) -> Outcome {
        match self.seen.correct(replaces, time, count) {
            Corrected::Unknown => Outcome::Rejected(Reject::UnknownReplaced),
            Corrected::Superseded => Outcome::Duplicate,
            Corrected::Changed(before, after) => {
                cx.tally.corrections += 1;
                if let Some(index) = self.series.iter().position(|s| s.stream == before.stream) {
                    self.recount(index, before.time, before.count, after, cx);
                }
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
    ) {
        self.counts_dirty = true;
        let site = Site {
            crossing: cx.network.crossing(self.ix),
            gate: &self.gate,
            since: self.since,
            params: cx.params,
        };
        let series = &mut self.series[index];
        match series.change(time, before, after) {
            Place::Open => judge_open(self.ix, series, &site, cx),
            Place::Ended => {
                revise(self.ix, series, &site, time, cx);
                judge_open(self.ix, series, &site, cx);
            }
            Place::Outside => {}
        }
    }

    fn change_gate(
        &mut self,
        from: EventTime,
        state: GateState,
        until: Option<EventTime>,
        cx: &mut Context,
    ) -> Outcome {
        if !self.gate.enter(Change { from, state, until }) {
            return Outcome::Duplicate;
        }
        self.counts_dirty = true;
        let crossing: &Crossing = cx.network.crossing(self.ix);
        let site = Site {
            crossing,
            gate: &self.gate,
            since: self.since,
            params: cx.params,
        };
        for series in &mut self.series {
            if series.has_ended(from) {
                revise(self.ix, series, &site, from, cx);
            } else {
                series.refresh(&site);
            }
        }
        Outcome::Applied
    }
}

/// A count or a gate changed inside ended buckets: everything after them is computed again, closed ones are published again.
fn revise(ix: CrossingIx, series: &mut Series, site: &Site, time: EventTime, cx: &mut Context) {
    for (reading, closed) in series.rebuild(site, cx.watermark, time) {
        if closed {
            cx.tally.late += 1;
            publish(ix, series, &reading, cx);
        }
        judge_rise(ix, series, &reading, closed, cx);
    }
}

/// A bucket is closed: it is published, a drop may open, a day may end or prolong alerts.
fn close(ix: CrossingIx, series: &mut Series, site: &Site, reading: &Reading, cx: &mut Context) {
    cx.tally.buckets_closed += 1;
    publish(ix, series, reading, cx);
    let lens = series.lens(cx.params, reading.lens);
    for direction in Direction::ALL {
        if reading.exposure > 0.0 && series.alerts[direction as usize].is_none() {
            cx.tally.promise(lens, direction);
        }
    }
    if series.alerts[Direction::Drop as usize].is_none()
        && reading.exposure > 0.0
        && reading.log_evidence_drop >= lens.log_threshold_drop
    {
        open(ix, series, Direction::Drop, reading, true, cx);
        return;
    }
    if reading.lens != Lens::Day {
        return;
    }
    for direction in Direction::ALL {
        let Some(mut alert) = series.alerts[direction as usize] else {
            continue;
        };
        let Some(transition) = alert.on_day(reading) else {
            continue;
        };
        announce(ix, series.stream, alert, transition, reading, true, cx);
        let resolved = transition == Transition::Resolved;
        series.alerts[direction as usize] = (!resolved).then_some(alert);
        if resolved {
            series.reset_evidence(site);
        }
    }
}

/// Fires at the event: an open bucket's count can only grow, so what is enough now is enough at its end.
fn judge_open(ix: CrossingIx, series: &mut Series, site: &Site, cx: &mut Context) {
    if let Some(mut alert) = series.alerts[Direction::Surge as usize] {
        let Some((observed, expected)) = series.day_so_far(cx.params) else {
            return;
        };
        if let Some(transition) = alert.on_count(observed, expected) {
            series.alerts[Direction::Surge as usize] = Some(alert);
            announce(
                ix,
                series.stream,
                alert,
                transition,
                &series.open_reading(cx.params, 0),
                false,
                cx,
            );
        }
        return;
    }
    for lane in 0..LENSES.len() {
        if series.alarms(site, lane) {
            let reading = series.open_reading(cx.params, lane);
            open(ix, series, Direction::Surge, &reading, false, cx);
            return;
        }
    }
}

/// An ended bucket may show a rise that its open bucket did not: a late event, or hours lost to a closure.
fn judge_rise(
    ix: CrossingIx,
    series: &mut Series,
    reading: &Reading,
    closed: bool,
    cx: &mut Context,
) {
    if series.alerts[Direction::Surge as usize].is_none()
        && reading.exposure > 0.0
        && !series.was_reset_after(reading)
        && reading.log_evidence_rise >= series.lens(cx.params, reading.lens).log_threshold_rise
    {
        open(ix, series, Direction::Surge, reading, closed, cx);
    }
}

fn open(
    ix: CrossingIx,
    series: &mut Series,
    direction: Direction,
    reading: &Reading,
    closed: bool,
    cx: &mut Context,
) {
    let onset = series
        .onset(reading.lens as usize, direction)
        .min(reading.start);
    let severity = Severity::of(direction, reading.observed, reading.expected);
    let alert = Alert::open(direction, onset, severity);
    series.alerts[direction as usize] = Some(alert);
    cx.tally.open(reading.lens, direction);
    announce(
        ix,
        series.stream,
        alert,
        Transition::Opened,
        reading,
        closed,
        cx,
    );
}

fn publish(ix: CrossingIx, series: &Series, reading: &Reading, cx: &mut Context) {
    (cx.out)(Output::Count {
        crossing: ix,
        stream: series.stream,
        reading: *reading,
        revision: series.revision(reading.start),
        as_of: cx.watermark,
        source: cx.source,
    });
}

fn announce(
    ix: CrossingIx,
    stream: StreamIx,
    alert: Alert,
    transition: Transition,
    reading: &Reading,
    closed: bool,
    cx: &mut Context,
) {
    let (as_of, source, reading) = (cx.watermark, cx.source, *reading);
    (cx.out)(Output::Alert {
        crossing: ix,
        stream,
        alert,
        transition,
        reading,
        closed,
        as_of,
        source,
    });
}
