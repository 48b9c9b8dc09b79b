//! Owns the judging of a crossing's buckets: which alerts open, grow, end or are withdrawn, and what of it is put out.

use super::alert::{Alert, Direction, Reading, Severity, Transition};
use super::calendar::local;
use super::crossing::Context;
use super::ids::{CrossingIx, StreamIx};
use super::lens::Lens;
use super::notice::DataStatus;
use super::output::Output;
use super::params::LENSES;
use super::series::{Series, Site};
use super::time::EventTime;

/// Counts, gate or feed changed inside ended buckets: everything after them is computed again, closed ones are published again.
pub(super) fn revise(
    ix: CrossingIx,
    series: &mut Series,
    site: &Site,
    changed: (EventTime, EventTime),
    cx: &mut Context,
) {
    let data = cx.data;
    if data == DataStatus::Complete {
        cx.data = DataStatus::Late;
    }
    for (reading, closed) in series.rebuild(site, cx.watermark, changed) {
        if closed {
            cx.tally.late += 1;
            publish(ix, series, &reading, cx);
        }
        judge_rise(ix, series, &reading, closed, cx);
    }
    reconsider(ix, series, site, cx);
    cx.data = data;
}

/// What open alerts rest on has changed: one that nothing supports any more is withdrawn, one that was told of as worse than it
/// is becomes less severe. Those that began before the kept days stay as they are.
pub(super) fn reconsider(ix: CrossingIx, series: &mut Series, site: &Site, cx: &mut Context) {
    for direction in Direction::ALL {
        let Some(mut alert) = series.alerts[direction as usize] else {
            continue;
        };
        let Some(standing) = series.standing(site, cx.watermark, &alert) else {
            continue;
        };
        let Some(transition) = alert.on_standing(standing) else {
            continue;
        };
        let is_over = transition.is_end();
        series.alerts[direction as usize] = (!is_over).then_some(alert);
        if is_over {
            series.withdrawn[direction as usize] = Some(alert);
        }
        let lane = usize::from(alert.decided_by == Lens::Hour);
        let reading = standing
            .decided
            .unwrap_or_else(|| series.open_reading(cx.params, lane));
        let closed = standing.decided.is_some();
        announce(ix, series.stream, alert, transition, &reading, closed, cx);
    }
}

/// Ends the open alerts of a series: they compare with what the feed counted before.
pub(super) fn end_all(ix: CrossingIx, series: &mut Series, cx: &mut Context) {
    for direction in Direction::ALL {
        if let Some(mut alert) = series.alerts[direction as usize].take() {
            let reading = series.open_reading(cx.params, 0);
            let transition = alert.end();
            announce(ix, series.stream, alert, transition, &reading, false, cx);
        }
    }
}

/// A bucket is closed: it is published, a drop may open, a day may end or prolong alerts.
pub(super) fn close(
    ix: CrossingIx,
    series: &mut Series,
    site: &Site,
    reading: &Reading,
    cx: &mut Context,
) {
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
        let transition = alert.on_day(reading);
        series.alerts[direction as usize] = Some(alert);
        let Some(transition) = transition else {
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
pub(super) fn judge_open(ix: CrossingIx, series: &mut Series, site: &Site, cx: &mut Context) {
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
pub(super) fn judge_rise(
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
    let mut alert = Alert::open(direction, onset, severity, (reading.lens, reading.start));
    let day = |time| local(&cx.network.crossing(ix).tz, time).date();
    let withdrawn = series.withdrawn[direction as usize].filter(|w| day(w.onset) == day(onset));
    let transition = alert.follow(withdrawn.as_ref());
    series.alerts[direction as usize] = Some(alert);
    if transition == Transition::Opened {
        cx.tally.open(reading.lens, direction);
    }
    announce(ix, series.stream, alert, transition, reading, closed, cx);
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

pub(super) fn announce(
    ix: CrossingIx,
    stream: StreamIx,
    alert: Alert,
    transition: Transition,
    reading: &Reading,
    closed: bool,
    cx: &mut Context,
) {
    let (as_of, source, reading) = (cx.watermark, cx.source, *reading);
    let data = if reading.blind_ratio > 0.0 {
        DataStatus::Blind
    } else {
        cx.data
    };
    (cx.out)(Output::Alert {
        crossing: ix,
        stream,
        alert,
        transition,
        reading,
        closed,
        data,
        as_of,
        source,
    });
}
