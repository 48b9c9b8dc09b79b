//! Owns the way of a scenario to a report: its events go through the machine, and what comes out is kept by series and day.

use super::incidents::Incidents;
use super::model::{Alert, Band, Bucket, Incident, Report, Series, Shade, ShadeKind};
use super::scale::civil;
use crate::core::alert::{Direction, Reading, Transition};
use crate::core::calendar::DaySpan;
use crate::core::engine::Engine;
use crate::core::event::GateState;
use crate::core::exposure::{self, GateTimeline};
use crate::core::ids::{CrossingIx, Offset, Partition, StreamIx};
use crate::core::intake::BudgetSpent;
use crate::core::lens::{Lens, Outlook};
use crate::core::network::Network;
use crate::core::output::Output;
use crate::core::params::{LENSES, Params};
use crate::core::partition::Input;
use crate::core::time::{EventTime, WallTime};
use crate::replay::{Change, Replay, Scenario};
use crate::wire::decode::{self, DecodeError, Limits, Record};
use crate::wire::sentence::{self, Subject};
use crate::wire::{notes, notice};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// Why a scenario makes no report.
#[derive(Debug, thiserror::Error)]
pub enum EpisodeError {
    /// An event of the scenario is none for these settings.
    #[error("the event {id} of the scenario cannot be used: {source}")]
    Event {
        /// Its id.
        id: String,
        /// What is wrong.
        source: DecodeError,
    },
    /// Too much of the scenario is of no use to the machine.
    #[error(transparent)]
    Spent(#[from] BudgetSpent),
}

/// The one partition all crossings are in.
const PARTITION: Partition = Partition(0);
/// Place of the lens whose buckets are drawn.
const DAY: usize = 0;

/// Runs a scenario through a fresh machine and keeps what it says of every day, up to `as_of` where that is given: what was known
/// then. The crossings come in their order along the border.
///
/// # Errors
/// [`EpisodeError`], where the scenario does not fit the machine's settings.
pub fn episode(
    scenario: &Scenario,
    mut engine: Engine,
    limits: &Limits,
    as_of: Option<EventTime>,
) -> Result<Report, EpisodeError> {
    let replay = scenario.expand();
    let read_until = as_of.unwrap_or(EventTime::MAX);
    let network = engine.network().clone();
    let params = engine.params().clone();
    engine
        .assign(PARTITION, [])
        .expect("an empty changelog can be read");
    let mut watch = Watch {
        network: &network,
        params: &params,
        since: replay.start,
        kept: BTreeMap::new(),
        incidents: Incidents::new(&network, &params),
        notices: Vec::new(),
    };
    let read = replay.events.iter();
    let read = read.take_while(|event| event.time <= read_until);
    for (offset, event) in (0..).zip(read) {
        let recorded = Some(WallTime(event.time.0));
        let record = Record {
            value: Some(event.json.as_bytes()),
            headers: &[],
            timestamp: recorded,
        };
        let event = decode::decode(&record, &network, limits).map_err(|source| {
            let id = event.id.clone();
            EpisodeError::Event { id, source }
        })?;
        let input = Input {
            offset: Offset(offset),
            recorded,
            event: Ok(event),
        };
        engine.handle(PARTITION, &input, &mut |output| watch.take(&output))?;
        watch.look_ahead(&engine);
    }
    let last = replay.end.plus_ms(params.settle_after_ms());
    let last = last.min(read_until);
    engine.pass_time(PARTITION, last, &mut |output| {
        if is_before(&output, replay.end) {
            watch.take(&output);
        }
    });
    Ok(watch.report(scenario, &replay))
}

/// Whether an output is of a bucket before the end: what is silent after it was not sent any more, and says nothing.
fn is_before(output: &Output, end: EventTime) -> bool {
    match output {
        Output::Count { reading, .. } | Output::Alert { reading, .. } => reading.start < end,
        Output::Notice { .. } => false,
    }
}

/// What is kept of one series.
#[derive(Default)]
struct Kept {
    /// What was expected of each day, as last said before its end.
    outlooks: BTreeMap<EventTime, Outlook>,
    days: BTreeMap<EventTime, Reading>,
    /// The strongest evidence of the hours of each day, over what raises an alert.
    hours: BTreeMap<EventTime, [f64; 2]>,
    alerts: Vec<Alert>,
}

struct Watch<'a> {
    network: &'a Network,
    params: &'a Params,
    since: EventTime,
    kept: BTreeMap<(CrossingIx, StreamIx), Kept>,
    incidents: Incidents<'a>,
    notices: Vec<(DateTime, String)>,
}

impl Watch<'_> {
    fn take(&mut self, output: &Output) {
        self.incidents.take(output);
        match output {
            Output::Count {
                crossing,
                stream,
                reading,
                ..
            } => {
                let kept = self.kept.entry((*crossing, *stream)).or_default();
                if reading.lens == Lens::Hour {
                    let tz = &self.network.crossing(*crossing).tz;
                    let day = DaySpan::holding(tz, reading.start).start;
                    let strongest = kept.hours.entry(day).or_insert([f64::NEG_INFINITY; 2]);
                    for (most, now) in strongest.iter_mut().zip(over_limit(reading, self.params)) {
                        *most = most.max(now);
                    }
                } else if reading.start >= self.since {
                    kept.days.insert(reading.start, *reading);
                }
            }
            Output::Alert {
                crossing, stream, ..
            } => {
                let told = self.told(output);
                let kept = self.kept.entry((*crossing, *stream)).or_default();
                if let Some((transition, alert)) = told {
                    note(&mut kept.alerts, transition, alert);
                }
            }
            Output::Notice {
                crossing,
                notice,
                as_of,
                ..
            } => {
                let tz = &self.network.crossing(*crossing).tz;
                let sentence = notice::summary(self.network, *crossing, notice, *as_of);
                self.notices.push((civil(tz, *as_of), sentence));
            }
        }
    }

    /// An alert as it is told at one of its transitions.
    fn told(&self, output: &Output) -> Option<(Transition, Alert)> {
        let Output::Alert {
            crossing,
            stream,
            alert,
            transition,
            reading,
            run,
            closed,
            data,
            usual_for_days,
            before,
            as_of,
            ..
        } = output
        else {
            return None;
        };
        let subject = Subject::new(self.network, *crossing, *stream);
        let tz = &self.network.crossing(*crossing).tz;
        let last = (alert.direction, reading);
        let notes = notes::notes(
            tz,
            *transition,
            last,
            *usual_for_days,
            before.as_ref(),
            *data,
        );
        let told = Alert {
            direction: alert.direction,
            opened: civil(tz, *as_of),
            ended: None,
            reason: alert.reason,
            usual: (reading.lens == Lens::Day).then(|| reading.expected.round() as u64),
            before: before.map(|before| before.usual_per_day),
            severity: alert.severity,
            grew: Vec::new(),
            again: Vec::new(),
            sentence: sentence::summary(
                &subject,
                alert,
                *transition,
                (reading, run.as_ref()),
                *closed,
                *as_of,
                &notes,
            ),
        };
        Some((*transition, told))
    }

    /// Keeps what is expected of the days that are open.
    fn look_ahead(&mut self, engine: &Engine) {
        let params = engine.params();
        for crossing in engine.partitions().flat_map(|p| p.crossings()) {
            for series in &crossing.series {
                if let Some((start, outlook)) = series.day_outlook(params) {
                    let kept = self.kept.entry((crossing.ix, series.stream)).or_default();
                    kept.outlooks.insert(start, outlook);
                }
            }
        }
    }

    fn report(mut self, scenario: &Scenario, replay: &Replay) -> Report {
        let mut incidents = self.incidents.told();
        if !self.notices.is_empty() {
            incidents.push(Incident {
                title: "Notices of feeds and gates".to_owned(),
                zone: None,
                lines: std::mem::take(&mut self.notices),
                course: None,
            });
        }
        let mut keys: Vec<(CrossingIx, StreamIx)> = self.kept.keys().copied().collect();
        // What the scenario never counts would be an empty plot.
        keys.retain(|(crossing, stream)| {
            let place = &self.network.crossing(*crossing).id;
            let stream = self.network.stream(*stream);
            let mut figures = scenario.figures.iter();
            figures.any(|f| f.stream == stream && f.places.contains(place))
        });
        keys.sort_by_key(|(crossing, stream)| {
            let place = self.network.crossing(*crossing);
            (place.corridor.as_str(), place.order, *stream)
        });
        let series = keys
            .iter()
            .filter_map(|key| {
                let kept = self.kept.remove(key)?;
                Some(self.series(scenario, replay, *key, kept))
            })
            .collect();
        Report {
            title: scenario.title.clone(),
            notes: notes(scenario),
            lens: Lens::Day,
            has_published: true,
            incidents,
            series,
            left_out: [0; 2],
        }
    }

    fn series(
        &self,
        scenario: &Scenario,
        replay: &Replay,
        (crossing, stream): (CrossingIx, StreamIx),
        kept: Kept,
    ) -> Series {
        let place = self.network.crossing(crossing);
        let stream = self.network.stream(stream);
        let bucket = |(start, reading): (&EventTime, &Reading)| {
            let from = civil(&place.tz, *start);
            let is_open = reading.exposure > 0.0;
            let is_heard = is_open || reading.counted() > 0 || reading.blind_ratio <= 0.0;
            let day = over_limit(reading, self.params);
            let hours = kept.hours.get(start).copied();
            let evidence = hours.map_or(day, |hours| [0, 1].map(|i: usize| day[i].max(hours[i])));
            Bucket {
                start: from,
                end: civil(&place.tz, reading.end),
                count: is_heard.then_some(reading.counted()),
                is_published: is_published(scenario, &place.id, stream, from.date()),
                band: kept
                    .outlooks
                    .get(start)
                    .filter(|_| is_open)
                    .map(|outlook| Band::of(outlook).within(reading.lower, reading.upper)),
                evidence: is_open.then_some(evidence),
            }
        };
        let expected = replay.expectations.iter();
        let mut figures = scenario.figures.iter();
        let has_others = figures.any(|f| f.stream != stream && f.places.contains(&place.id));
        let name = match has_others {
            true => format!("{}, {stream}", place.name),
            false => place.name.clone(),
        };
        Series {
            name,
            about: format!("{stream}, {}", place.corridor),
            buckets: kept.days.iter().map(bucket).collect(),
            shades: shades(scenario, &place.id),
            alerts: kept.alerts,
            remarks: expected
                .filter(|e| e.crossings.contains(&place.id))
                .map(|e| format!("Published for {}: {}.", e.day.strftime("%-d %B %Y"), e.text))
                .collect(),
        }
    }
}

/// log10 of the evidence over what raises an alert in its lens.
fn over_limit(reading: &Reading, params: &Params) -> [f64; 2] {
    let at = LENSES.iter().position(|lens| *lens == reading.lens);
    let lens = &params.lenses[at.unwrap_or(DAY)];
    let limits = [lens.log_threshold_rise, lens.log_threshold_drop];
    Direction::ALL.map(|direction| {
        let over = reading.log_evidence(direction) - limits[direction as usize];
        over / std::f64::consts::LN_10
    })
}

/// Enters a transition into the alerts of a series, of which one is open in each direction at most.
fn note(alerts: &mut Vec<Alert>, transition: Transition, told: Alert) {
    let mut open = alerts.iter_mut().rev();
    let Some(alert) = open.find(|a| a.direction == told.direction && a.ended.is_none()) else {
        if matches!(transition, Transition::Opened | Transition::Reopened) {
            alerts.push(told);
        }
        return;
    };
    match transition {
        Transition::Resolved | Transition::Retracted => {
            alert.ended = Some(told.opened);
            (alert.reason, alert.usual, alert.before) = (told.reason, told.usual, told.before);
        }
        Transition::Escalated | Transition::Deescalated => {
            alert.grew.push((told.opened, told.severity));
        }
        Transition::Reopened => alert.again.push(told.opened),
        Transition::Opened | Transition::Updated => {}
    }
}

/// Whether all that is counted of a crossing on a day are totals of that day and crossing that were printed.
fn is_published(scenario: &Scenario, crossing: &str, stream: &str, day: Date) -> bool {
    let mut figures = scenario.figures.iter().filter(|figure| {
        figure.stream == stream
            && figure.places.iter().any(|place| place == crossing)
            && figure.counts_on(day)
    });
    let is_whole = |figure: &crate::replay::Figure| {
        figure.published && figure.places.len() == 1 && figure.from == figure.last_day()
    };
    figures.next().is_some_and(is_whole) && figures.all(is_whole)
}

/// Closures and limits of a crossing, by the clock on its wall.
fn shades(scenario: &Scenario, crossing: &str) -> Vec<Shade> {
    let end = scenario
        .end
        .saturating_add(jiff::Span::new().days(1))
        .to_datetime(Time::midnight());
    let mut gate = GateTimeline::default();
    let mut reasons = BTreeMap::new();
    let of_it = scenario
        .statuses
        .iter()
        .filter(|status| status.crossings.iter().any(|c| c == crossing));
    for status in of_it {
        let state = match status.state {
            Change::Open => GateState::Open,
            Change::Closed => GateState::Closed,
            Change::Restricted => GateState::Restricted,
            Change::Redefined => continue,
        };
        let from = as_utc(status.time);
        gate.enter(exposure::Change {
            from,
            state,
            until: status.until.map(as_utc),
        });
        reasons.insert(from, status.reason.clone());
    }
    let kind_of = |state| match state {
        GateState::Open => None,
        GateState::Closed => Some(ShadeKind::Closed),
        GateState::Restricted => Some(ShadeKind::Restricted),
    };
    let of_it = scenario
        .gaps
        .iter()
        .filter(|gap| gap.crossings.iter().any(|c| c == crossing));
    let gaps = of_it.map(|gap| Shade {
        kind: ShadeKind::Uncounted,
        from: gap.from.to_datetime(Time::midnight()),
        to: gap
            .last_day()
            .saturating_add(jiff::Span::new().days(1))
            .to_datetime(Time::midnight()),
        lasts: false,
        reason: gap.note.clone(),
    });
    let spans = gate.spans().into_iter();
    spans
        .filter_map(|span| {
            let lasts = span.to > as_utc(end);
            Some(Shade {
                kind: kind_of(span.change.state)?,
                from: civil(&TimeZone::UTC, span.from),
                to: if lasts {
                    end
                } else {
                    civil(&TimeZone::UTC, span.to)
                },
                lasts,
                reason: reasons[&span.change.from].clone(),
            })
        })
        .chain(gaps)
        .collect()
}

/// A moment on the wall's clock as if that clock showed UTC, so that moments can be set beside each other.
fn as_utc(time: DateTime) -> EventTime {
    let time = time.to_zoned(TimeZone::UTC);
    EventTime(
        time.expect("years of a scenario are in range")
            .timestamp()
            .as_millisecond(),
    )
}

/// What the figures are made of.
fn notes(scenario: &Scenario) -> Vec<String> {
    let published = scenario.figures.iter().filter(|f| f.published).count();
    let derived = scenario.figures.len() - published;
    let what = format!(
        "{published} totals were published as they stand, {derived} are differences of published ones or levels set for the scenario, each with a note. Their sources are in the scenario file. Which day inside a longer period, which crossing of several, which hour and how many at once: drawn at random with a fixed seed. Bars with a dot are totals published for that crossing and day; bars without one are drawn."
    );
    vec![
        scenario.note.clone(),
        what,
        "Where no figure was found no arrival is drawn: such a gap is not a published zero. The crossings stand in their order along the border.".into(),
    ]
}
