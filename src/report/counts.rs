//! Owns the way of counts from a file to a series of the report: through one lens, alarms near each other as one alert.

use super::model::{Alert, Band, Bucket, Series, Shade, ShadeKind};
use super::scale::civil;
use crate::backtest::{APART, Counts, Detector, Step, walk};
use crate::core::alert::{self, Direction, Reading, Run, Severity};
use crate::core::ids::{CrossingIx, StreamIx};
use crate::core::lens::{LensParams, Outlook, Verdict};
use crate::core::network::{Crossing, Network};
use crate::core::series::is_evidence_low;
use crate::core::time::EventTime;
use crate::wire::sentence::{self, Subject};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::f64::consts::LN_10;

/// A look at a series that tells whether it is worth a plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// Its alerts.
    pub alerts: Vec<Alert>,
    /// log10 of its strongest evidence over what raises an alert.
    pub strongest: f64,
}

/// Runs a series for its alerts alone. `stream` says what is counted.
#[must_use]
pub fn look(detector: &Detector, counts: &Counts, stream: &str) -> Look {
    let mut follower = Follower::new(detector, counts, stream);
    let strongest = walk(detector, counts, |step| {
        follower.follow(&step);
        let [rise, drop] = over_limit(&step, &detector.params);
        rise.max(drop)
    });
    Look {
        alerts: follower.finish(),
        strongest: strongest.into_iter().fold(f64::NEG_INFINITY, f64::max),
    }
}

/// Runs a series for all that is drawn of it.
#[must_use]
pub fn series(detector: &Detector, counts: &Counts, stream: &str) -> Series {
    let mut follower = Follower::new(detector, counts, stream);
    let mut shades = Vec::new();
    let mut before = None;
    let buckets = walk(detector, counts, |step| {
        follower.follow(&step);
        let bucket = Bucket {
            start: civil(&TimeZone::UTC, step.start),
            end: civil(&TimeZone::UTC, step.end),
            count: step.outlook.map(|_| step.count),
            is_published: false,
            band: step.outlook.map(Band::of),
            evidence: step.outlook.map(|_| over_limit(&step, &detector.params)),
        };
        if let Some(end) = before.replace(bucket.end).filter(|end| *end < bucket.start) {
            shade(&mut shades, (end, bucket.start), ShadeKind::Uncounted);
        }
        let span = (bucket.start, bucket.end);
        if step.outlook.is_none() {
            shade(&mut shades, span, ShadeKind::Uncounted);
        }
        if let Some(direction) = step.label {
            shade(&mut shades, span, ShadeKind::Labelled(direction));
        }
        bucket
    });
    Series {
        name: counts.id.clone(),
        about: stream.to_owned(),
        buckets,
        shades,
        alerts: follower.finish(),
        remarks: Vec::new(),
    }
}

/// Goes on with the last shade of a kind, or begins one.
fn shade(shades: &mut Vec<Shade>, (from, to): (DateTime, DateTime), kind: ShadeKind) {
    let mut before = shades.iter_mut().rev().filter(|shade| shade.kind == kind);
    match before.next().filter(|shade| shade.to == from) {
        Some(shade) => shade.to = to,
        None => shades.push(Shade {
            from,
            to,
            lasts: false,
            kind,
            reason: String::new(),
        }),
    }
}

fn over_limit(step: &Step<'_>, params: &LensParams) -> [f64; 2] {
    [
        (step.state.log_evidence_rise() - params.log_threshold_rise) / LN_10,
        (step.state.log_evidence_drop() - params.log_threshold_drop) / LN_10,
    ]
}

/// An alert that may go on.
#[derive(Debug, Clone, Copy)]
struct Going {
    /// Its place among the alerts.
    at: usize,
    /// Row and end of its last alarm.
    last: (usize, EventTime),
}

/// Follows the alarms of a series.
struct Follower<'a> {
    params: &'a LensParams,
    /// A border of one crossing, which sentences are made for.
    network: Network,
    alerts: Vec<Alert>,
    going: [Option<Going>; 2],
    /// What came since the last bucket whose evidence was low, by direction.
    runs: Option<[Run; 2]>,
    rows: usize,
}

impl<'a> Follower<'a> {
    fn new(detector: &'a Detector, counts: &Counts, stream: &str) -> Self {
        let crossing = Crossing {
            id: counts.id.clone(),
            name: counts.id.clone(),
            country: String::new(),
            corridor: String::new(),
            order: 1,
            neighbours: Vec::new(),
            tz: TimeZone::UTC,
            hours: None,
            message_within_ms: None,
            streams: vec![StreamIx(0)],
        };
        Self {
            params: &detector.params,
            network: Network::new(vec![crossing], vec![stream.to_owned()]),
            alerts: Vec::new(),
            going: [None; 2],
            runs: None,
            rows: 0,
        }
    }

    fn follow(&mut self, step: &Step<'_>) {
        self.rows = step.row + 1;
        let mut runs = *self.runs.get_or_insert([Run::at(step.start); 2]);
        let Some(outlook) = step.outlook else {
            return;
        };
        for run in &mut runs {
            run.add(step.count, outlook.usual());
        }
        let verdict = step.state.verdict();
        let evidence = [verdict.log_evidence_rise, verdict.log_evidence_drop];
        let limits = [
            self.params.log_threshold_rise,
            self.params.log_threshold_drop,
        ];
        for direction in Direction::ALL {
            let side = direction as usize;
            self.end_if_over(side, step.row);
            if evidence[side] >= limits[side] {
                self.alarm(direction, step, outlook, &verdict, &runs[side]);
            }
        }
        let low = is_evidence_low(evidence, self.params, Some(outlook));
        let kept = |side: usize| {
            if low[side] {
                Run::at(step.end)
            } else {
                runs[side]
            }
        };
        self.runs = Some([0, 1].map(kept));
    }

    fn end_if_over(&mut self, side: usize, row: usize) {
        if let Some(going) = self.going[side].filter(|going| row - going.last.0 >= APART) {
            self.alerts[going.at].ended = Some(civil(&TimeZone::UTC, going.last.1));
            self.going[side] = None;
        }
    }

    fn alarm(
        &mut self,
        direction: Direction,
        step: &Step<'_>,
        outlook: &Outlook,
        verdict: &Verdict,
        run: &Run,
    ) {
        let severity = Severity::of(direction, step.count, outlook.usual());
        let last = (step.row, step.end);
        let going = &mut self.going[direction as usize];
        if let Some(going) = going {
            going.last = last;
            let alert = &mut self.alerts[going.at];
            if severity > alert.worst() {
                let when = civil(&TimeZone::UTC, step.start);
                alert.grew.push((when, severity));
            }
            return;
        }
        let at = self.alerts.len();
        *going = Some(Going { at, last });
        let opened = alert::Alert::open(
            direction,
            run.since,
            severity,
            (self.params.lens, step.start),
        );
        let subject = Subject::new(&self.network, CrossingIx(0), StreamIx(0));
        let reading = reading(self.params, step, outlook, verdict);
        let transition = alert::Transition::Opened;
        self.alerts.push(Alert {
            direction,
            opened: civil(&TimeZone::UTC, step.start),
            ended: None,
            reason: None,
            usual: None,
            before: None,
            severity,
            grew: Vec::new(),
            again: Vec::new(),
            sentence: sentence::summary(
                &subject,
                &opened,
                transition,
                (&reading, Some(run)),
                true,
                step.end,
                "",
            ),
        });
    }

    /// All alerts; those stay open whose last alarm is near the end.
    fn finish(mut self) -> Vec<Alert> {
        for side in 0..2 {
            self.end_if_over(side, self.rows);
        }
        self.alerts
    }
}

/// The numbers of a bucket as the sentence takes them.
fn reading(params: &LensParams, step: &Step<'_>, outlook: &Outlook, verdict: &Verdict) -> Reading {
    let Band { lower, upper, .. } = Band::of(outlook);
    Reading {
        closed_ratio: 0.0,
        blind_ratio: 0.0,
        lens: params.lens,
        start: step.start,
        end: step.end,
        observed: step.count,
        while_closed: 0,
        expected: outlook.usual(),
        lower,
        upper,
        exposure: step.exposure,
        ln_tails: [None; 2],
        log_evidence_rise: verdict.log_evidence_rise,
        log_evidence_drop: verdict.log_evidence_drop,
        p_surge: verdict.p_surge,
        p_drop: verdict.p_drop,
    }
}
