//! Owns the judging of a crossing's buckets: which alerts open, grow, end or are withdrawn, and what of it is put out.

use super::alert::{Alert, Direction, Reading, Reason, Run, Severity, Transition};
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
use jiff::civil::Date;

/// What made the standing of alerts be looked at.
#[derive(Clone, Copy)]
pub(super) enum Cause<'a> {
    /// An arrival in a bucket that is not closed, or the end of one.
    Live,
    /// A bucket was closed.
    Closed(&'a Reading),
    /// Closed buckets were counted again: all that ended, with whether it is closed.
    Late(&'a [(Reading, bool)]),
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
    for (reading, _) in rebuilt.iter().filter(|(_, closed)| *closed) {
        cx.tally.revised += 1;
        publish(ix, series, site, reading, cx);
    }
    let cause = if is_late {
        let alerts = series.alerts.iter_mut().flatten();
        alerts.for_each(|alert| recount(alert, site, &rebuilt));
        Cause::Late(&rebuilt)
    } else {
        Cause::Live
    };
    tell(ix, series, site, cause, cx);
    cx.data = data;
}

/// Closed days of an alert that are counted anew are to be told.
fn recount(alert: &mut Alert, site: &Site, rebuilt: &[(Reading, bool)]) {
    for (reading, closed) in rebuilt {
        if *closed && reading.lens == Lens::Day && alert.onset < reading.end {
            alert.recount(date(site, reading.start));
        }
    }
}

fn date(site: &Site, time: EventTime) -> Date {
    local(&site.crossing.tz, time).date()
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

/// Tells of the days of each open alert that late reports changed since the last hour was closed: each once for a backlog of many.
fn tell_recounted(ix: CrossingIx, series: &mut Series, site: &Site, cx: &mut Context) {
    let data = cx.data;
    for at in 0..series.alerts.len() {
        let Some(mut alert) = series.alerts[at].filter(Alert::has_recounted) else {
            continue;
        };
        if data == DataStatus::Complete {
            cx.data = DataStatus::Late;
        }
        let days: Vec<EventTime> = series.kept_days().collect();
        for start in days {
            if !alert.is_recounted(date(site, start)) {
                continue;
            }
            let transition = alert.update_recounted();
            let shown = bucket(series, site, (Lens::Day, start));
            announce(ix, series, alert, transition, &shown, cx);
        }
        alert.forget_recounted();
        series.alerts[at] = Some(alert);
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
        tell_past(ix, series, site, direction, &standings, cause, cx);
        let Some(standing) = standings.open[at] else {
            continue;
        };
        let is_late = matches!(cause, Cause::Late(_));
        let Some(mut alert) = series.alerts[at] else {
            // Half a backlog may look like a drop: what late reports leave of one opens when the next bucket closes.
            if direction == Direction::Surge || matches!(cause, Cause::Closed(_)) {
                open(ix, series, site, &standing, (direction, cause), cx);
            }
            continue;
        };
        if is_late && alert.onset != standing.onset {
            alert.recount(date(site, series.open_reading(site.params, 0).start));
        }
        let transition = alert.on_standing(&standing, is_late);
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
                (Cause::Live, _) => grown(series, site, &alert, alert.severity),
                _ => shown(series, site, cause, &alert),
            };
            has_shown(&mut alert, site, &shown);
            announce(ix, series, alert, transition, &shown, cx);
        }
        series.alerts[at] = Some(alert);
    }
    series.alerts != before
}

fn has_shown(alert: &mut Alert, site: &Site, shown: &Shown) {
    if shown.reading.lens == Lens::Day {
        alert.has_shown(date(site, shown.reading.start));
    }
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
    cause: Cause,
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
        let shown = shown(series, site, cause, &alert);
        announce(ix, series, alert, transition, &shown, cx);
    }
}

/// Tells of an episode that was not told of, or whose end does not hold any more.
fn open(
    ix: CrossingIx,
    series: &mut Series,
    site: &Site,
    standing: &Standing,
    (direction, cause): (Direction, Cause),
    cx: &mut Context,
) {
    let day = |time| date(site, time);
    let is_again = |past: &Past| {
        let has_its_id = day(past.alert.named) == day(standing.onset);
        let goes_on = past.until.is_some_and(|until| until > standing.decided);
        past.alert.direction == direction && (has_its_id || goes_on)
    };
    let by = (standing.decided_by, standing.decided);
    let mut alert = Alert::open(direction, standing.onset, standing.severity, by);
    let (lens, start) = by;
    let is_late = matches!(cause, Cause::Late(_));
    alert.reason = is_late.then_some(Reason::Recounted);
    let transition = match series.past.iter().rposition(is_again) {
        Some(at) => {
            alert = series.past.remove(at).alert;
            alert.reopen(standing, is_late)
        }
        None => {
            cx.tally.open(standing.decided_by, direction);
            Transition::Opened
        }
    };
    let decided = series
        .bucket(site, lens, start)
        .map(|(reading, closed)| Shown {
            reading,
            closed,
            run: series.run(site, lens, start, direction),
        });
    let shown = decided.unwrap_or_else(|| shown(series, site, cause, &alert));
    if let Cause::Late(rebuilt) = cause {
        recount(&mut alert, site, rebuilt);
        has_shown(&mut alert, site, &shown);
    }
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
        Cause::Late(rebuilt) => recounted(series, site, rebuilt, alert),
        Cause::Live | Cause::Word => Shown::so_far(series.open_reading(site.params, 0)),
    }
}

/// The newest day that was counted anew and makes an alert so severe, or the bucket that opened it where that does; else the newest.
fn recounted(series: &Series, site: &Site, rebuilt: &[(Reading, bool)], alert: &Alert) -> Shown {
    let of = |(reading, closed): &(Reading, bool)| Shown {
        closed: *closed,
        ..Shown::so_far(*reading)
    };
    let days = rebuilt
        .iter()
        .filter(|(reading, _)| reading.lens == Lens::Day);
    let newest = days.clone().next_back().map(of);
    let is_it = |(r, _): &&(Reading, bool)| {
        Severity::of(alert.direction, r.observed, r.expected) >= alert.severity
    };
    let decided = || {
        let kept = series.bucket(site, alert.decided_by, alert.decided);
        kept.filter(|kept| is_it(&kept)).as_ref().map(of)
    };
    let found = days.rev().find(is_it).map(of).or_else(decided).or(newest);
    found.unwrap_or_else(|| Shown::so_far(series.open_reading(site.params, 0)))
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
    let since = reading.start.max(alert.decided);
    let is_unheard = cx.unheard_since.is_some_and(|last| last < since);
    let data = if reading.blind_ratio > 0.0 {
        DataStatus::Blind
    } else if alert.direction == Direction::Drop && is_unheard && cx.data == DataStatus::Complete {
        DataStatus::Unheard
    } else {
        cx.data
    };
    let before = match transition {
        Transition::Resolved => series.usual_before_own(cx.params, &alert),
        _ => series.usual_before(cx.params, alert.direction),
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
        before,
        as_of,
        source,
    });
}
