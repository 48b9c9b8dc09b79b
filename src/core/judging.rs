//! Owns the judging of a crossing's buckets: which alerts open, grow, end or are withdrawn, and what of it is put out.

use super::alert::{Alert, Direction, Reading, Run, Severity, Transition};
use super::calendar::local;
use super::crossing::Context;
use super::ids::CrossingIx;
use super::lens::Lens;
use super::notice::DataStatus;
use super::output::Output;
use super::params::LENSES;
use super::series::{Past, Series, Site};
use super::standing::{Ended, Standing, Standings};
use super::time::EventTime;

/// What made the standing of alerts be looked at.
#[derive(Clone, Copy)]
pub(super) enum Cause<'a> {
    /// An arrival in a bucket that is not closed, or the end of one.
    Live,
    /// A bucket was closed.
    Closed(&'a Reading),
    /// Closed buckets were counted again.
    Late,
    /// A word of an operator, or of the feed on itself.
    Word,
}

/// The numbers that a change is told with.
pub(super) struct Shown {
    /// A bucket.
    reading: Reading,
    /// Whether it is closed.
    closed: bool,
    /// What came up to it, where it opened an alert.
    run: Option<Run>,
}

impl Shown {
    /// A bucket that is still open.
    pub(super) fn so_far(reading: Reading) -> Self {
        Self {
            reading,
            closed: false,
            run: None,
        }
    }
}

/// Counts, gate or feed changed inside ended buckets: everything after them is computed again, closed ones are published again.
pub(super) fn revise(
    ix: CrossingIx,
    series: &mut Series,
    site: &Site,
    changed: (EventTime, EventTime),
    cx: &mut Context,
) {
    let data = cx.data;
    let rebuilt = series.rebuild(site, cx.watermark, changed);
    // A bucket that has ended and is not closed waits for what is a little late.
    let is_late = rebuilt.iter().any(|(_, closed)| *closed);
    if is_late && data == DataStatus::Complete {
        cx.data = DataStatus::Late;
    }
    for (reading, closed) in rebuilt {
        if closed {
            cx.tally.revised += 1;
            publish(ix, series, site, &reading, cx);
            if reading.lens == Lens::Day {
                series
                    .alerts
                    .iter_mut()
                    .flatten()
                    .for_each(|alert| alert.recount(&reading));
            }
        }
    }
    let cause = if is_late { Cause::Late } else { Cause::Live };
    tell(ix, series, site, cause, cx);
    cx.data = data;
}

/// A bucket is closed: it is published, a drop may open, a day may end or prolong alerts.
pub(super) fn close(
    ix: CrossingIx,
    series: &mut Series,
    site: &Site,
    bucket: &Ended,
    cx: &mut Context,
) {
    cx.tally.buckets_closed += 1;
    publish(ix, series, site, &bucket.reading, cx);
    for direction in Direction::ALL {
        if bucket.reading.exposure > 0.0 && series.alerts[direction as usize].is_none() {
            let lens = series.lens(cx.params, bucket.reading.lens);
            cx.tally.promise(lens, direction);
        }
    }
    series.enter_closed(site, cx.watermark, bucket);
    tell(ix, series, site, Cause::Closed(&bucket.reading), cx);
    if bucket.reading.lens == Lens::Hour {
        tell_recounted(ix, series, site, cx);
    }
}

/// Tells of the newest day of each open alert that late reports changed since the last hour was closed: once for a backlog of many.
fn tell_recounted(ix: CrossingIx, series: &mut Series, site: &Site, cx: &mut Context) {
    let data = cx.data;
    for at in 0..series.alerts.len() {
        let Some((mut alert, day)) = series.alerts[at].and_then(|a| Some((a, a.recounted()?)))
        else {
            continue;
        };
        let transition = alert.update_recounted();
        series.alerts[at] = Some(alert);
        if data == DataStatus::Complete {
            cx.data = DataStatus::Late;
        }
        let shown = bucket(series, site, (Lens::Day, day));
        announce(ix, series, alert, transition, &shown, cx);
    }
    cx.data = data;
}

/// Fires at the event: an open bucket's count can only grow, so what is enough now is enough at its end.
pub(super) fn judge_open(ix: CrossingIx, series: &mut Series, site: &Site, cx: &mut Context) {
    let is_told = series.alerts[Direction::Surge as usize].is_some();
    if is_told || (0..LENSES.len()).any(|lane| series.alarms(site, lane)) {
        tell(ix, series, site, Cause::Live, cx);
    }
}

/// Tells what the counts say of alerts where it differs from what was told. Returns whether anything was.
pub(super) fn tell(
    ix: CrossingIx,
    series: &mut Series,
    site: &Site,
    cause: Cause,
    cx: &mut Context,
) -> bool {
    let standings = series.standings(site);
    let before = series.alerts;
    for direction in Direction::ALL {
        let at = direction as usize;
        tell_end(ix, series, site, direction, &standings, cause, cx);
        tell_past(ix, series, site, direction, &standings, cx);
        let Some(standing) = standings.open[at] else {
            continue;
        };
        let Some(mut alert) = series.alerts[at] else {
            open(ix, series, site, direction, &standing, cx);
            continue;
        };
        let transition = alert.on_standing(&standing, matches!(cause, Cause::Late));
        let transition = transition.or_else(|| match cause {
            // A day that ended before it began is no day of it.
            Cause::Closed(day)
                if day.lens == Lens::Day && day.exposure > 0.0 && standing.onset < day.end =>
            {
                Some(alert.update())
            }
            _ => None,
        });
        if let Some(transition) = transition {
            let shown = match (cause, transition) {
                (Cause::Live, Transition::Reopened) => grown(series, site, &alert, Severity::Major),
                (Cause::Live, _) | (Cause::Late, Transition::Escalated) => {
                    grown(series, site, &alert, alert.severity)
                }
                _ => shown(series, site, cause, &alert),
            };
            alert.has_shown(&shown.reading);
            announce(ix, series, alert, transition, &shown, cx);
        }
        series.alerts[at] = Some(alert);
    }
    series.alerts != before
}

/// Ends a told alert whose episode has ended, or that nothing supports any more.
fn tell_end(
    ix: CrossingIx,
    series: &mut Series,
    site: &Site,
    direction: Direction,
    standings: &Standings,
    cause: Cause,
    cx: &mut Context,
) {
    let at = direction as usize;
    let Some(mut alert) = series.alerts[at] else {
        return;
    };
    let ended = standings.ended[at].filter(|end| end.at > alert.decided);
    let is_of_past = |standing: &Standing| {
        let mut ends = series
            .past
            .iter()
            .filter(|p| p.alert.direction == direction);
        // An older alert goes on after all, in which this one is contained.
        ends.any(|p| {
            p.until
                .is_some_and(|until| standing.decided < until && until <= alert.decided)
        })
    };
    if ended.is_none() && standings.open[at].is_some_and(|standing| !is_of_past(&standing)) {
        return;
    }
    let shown = shown(series, site, cause, &alert);
    let transition = alert.end(ended);
    series.alerts[at] = None;
    series.put_aside(Past {
        alert,
        until: ended.map(|end| end.at),
    });
    announce(ix, series, alert, transition, &shown, cx);
}

/// Tells of an ended alert again whose end was another, or that nothing supports any more.
fn tell_past(
    ix: CrossingIx,
    series: &mut Series,
    site: &Site,
    direction: Direction,
    standings: &Standings,
    cx: &mut Context,
) {
    let has_ended = |past: &Past| past.alert.direction == direction && past.until.is_some();
    let Some(n) = series.past.iter().rposition(has_ended) else {
        return;
    };
    let Past { mut alert, .. } = series.past[n];
    let end = standings.ended[direction as usize].filter(|end| end.at > alert.decided);
    let transition = match &end {
        Some(end) => alert.end_again(end),
        // Where an episode is open, this may be the one, and is not at its end.
        None if standings.open[direction as usize].is_some() => return,
        None => Some(alert.end(None)),
    };
    let until = end.map(|end| end.at);
    series.past[n] = Past { alert, until };
    if let Some(transition) = transition {
        let shown = shown(series, site, Cause::Late, &alert);
        announce(ix, series, alert, transition, &shown, cx);
    }
}

/// Tells of an episode that was not told of, or whose end does not hold any more.
fn open(
    ix: CrossingIx,
    series: &mut Series,
    site: &Site,
    direction: Direction,
    standing: &Standing,
    cx: &mut Context,
) {
    let day = |time| local(&site.crossing.tz, time).date();
    let is_again = |past: &Past| {
        let has_its_id = day(past.alert.named) == day(standing.onset);
        let goes_on = past.until.is_some_and(|until| until > standing.decided);
        past.alert.direction == direction && (has_its_id || goes_on)
    };
    let by = (standing.decided_by, standing.decided);
    let mut alert = Alert::open(direction, standing.onset, standing.severity, by);
    let (lens, start) = (standing.decided_by, standing.decided);
    let mut shown = bucket(series, site, (lens, start));
    shown.run = series.run(site, lens, start, direction);
    let transition = match series.past.iter().rposition(is_again) {
        Some(at) => {
            alert = series.past.remove(at).alert;
            alert.reopen(standing)
        }
        None => {
            cx.tally.open(standing.decided_by, direction);
            Transition::Opened
        }
    };
    series.alerts[direction as usize] = Some(alert);
    announce(ix, series, alert, transition, &shown, cx);
}

/// The numbers to tell a change with.
fn shown(series: &Series, site: &Site, cause: Cause, alert: &Alert) -> Shown {
    match cause {
        Cause::Closed(reading) => Shown {
            closed: true,
            ..Shown::so_far(*reading)
        },
        Cause::Late => bucket(series, site, (alert.decided_by, alert.decided)),
        Cause::Live | Cause::Word => Shown::so_far(series.open_reading(site.params, 0)),
    }
}

/// The bucket that made an alert so severe: the open day, the open hour, or the one that opened it.
fn grown(series: &Series, site: &Site, alert: &Alert, severity: Severity) -> Shown {
    let day = series.open_reading(site.params, 0);
    let hour = series.open_reading(site.params, 1);
    let is_it = |r: &Reading| Severity::of(alert.direction, r.observed, r.expected) >= severity;
    match [day, hour].into_iter().find(is_it) {
        Some(reading) => Shown::so_far(reading),
        None => bucket(series, site, (alert.decided_by, alert.decided)),
    }
}

/// The bucket of a lens that begins at a moment; the open day where it is not kept.
fn bucket(series: &Series, site: &Site, (lens, start): (Lens, EventTime)) -> Shown {
    match series.bucket(site, lens, start) {
        Some((reading, closed)) => Shown {
            closed,
            ..Shown::so_far(reading)
        },
        None => Shown::so_far(series.open_reading(site.params, 0)),
    }
}

fn publish(ix: CrossingIx, series: &Series, site: &Site, reading: &Reading, cx: &mut Context) {
    (cx.out)(Output::Count {
        crossing: ix,
        stream: series.stream,
        reading: *reading,
        revision: series.revision(reading.start),
        gate: site.gate.seen_at(site.crossing, cx.watermark),
        as_of: cx.watermark,
        source: cx.source,
    });
}

pub(super) fn announce(
    ix: CrossingIx,
    series: &Series,
    alert: Alert,
    transition: Transition,
    shown: &Shown,
    cx: &mut Context,
) {
    let (as_of, source) = (cx.watermark, cx.source);
    let Shown {
        reading,
        closed,
        run,
    } = *shown;
    let is_unheard = cx.unheard_since.is_some_and(|last| last < reading.start);
    let data = if reading.blind_ratio > 0.0 {
        DataStatus::Blind
    } else if alert.direction == Direction::Drop && is_unheard && cx.data == DataStatus::Complete {
        DataStatus::Unheard
    } else {
        cx.data
    };
    (cx.out)(Output::Alert {
        crossing: ix,
        stream: series.stream,
        alert,
        transition,
        reading,
        run,
        closed,
        data,
        usual_for_days: series.usual_for_days(cx.params),
        as_of,
        source,
    });
}
