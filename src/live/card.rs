//! Owns the evidence card of an alert on the live page: what the topics told of its series, as the report draws it.

use super::model::{Count, Model, Numbers, Series, Told, moment};
use crate::core::alert::{Direction, Severity};
use crate::core::lens::Lens;
use crate::report::{self, Alert, Band, Bucket, Shade, ShadeKind};
use jiff::civil::DateTime;

/// Evidence that stands for none at all.
const NONE_LOG10: f64 = -100.0;

impl Model {
    /// The card of an alert that is shown; nothing where there is none of this id.
    pub(super) fn card(&self, key: &str) -> Option<String> {
        let told = self.told.get(key)?;
        let numbers = told.numbers.as_ref()?;
        let place = self.place(told.crossings.first()?)?;
        let mut series = place.series.iter();
        let series = series.find(|s| Some(&s.stream) == told.stream.as_ref())?;
        let mut buckets: Vec<Bucket> = series
            .days
            .values()
            .filter_map(|day| bucket(series, day))
            .collect();
        buckets.extend(open_day(series, numbers, told));
        let drawn = report::Series {
            name: place.name.clone(),
            about: series.stream.clone(),
            shades: shades(series),
            buckets,
            alerts: Vec::new(),
            remarks: Vec::new(),
        };
        Some(report::alert_card(
            &drawn,
            &alert(told, numbers)?,
            Lens::Day,
        ))
    }
}

/// A closed day with what its hours came to.
fn bucket(series: &Series, day: &Count) -> Option<Bucket> {
    let is_seen = day.exposure > 0.0;
    let over = |lens: Lens, evidence: [f64; 2]| over_limit(series, lens, evidence);
    let of_day = over(Lens::Day, day.evidence);
    let hours = series.peaks.get(day.start.get(..10)?);
    let of_hours = hours.map_or([NONE_LOG10; 2], |peak| over(Lens::Hour, *peak));
    let band = Band {
        lower: day.lower,
        upper: day.upper,
        inner: None,
    };
    Some(Bucket {
        start: civil(&day.start)?,
        end: civil(&day.end)?,
        count: Some(day.observed),
        is_published: false,
        band: is_seen.then_some(band),
        evidence: is_seen.then(|| [0, 1].map(|side: usize| of_day[side].max(of_hours[side]))),
    })
}

/// The day that is open, as the alert told of it last.
fn open_day(series: &Series, numbers: &Numbers, told: &Told) -> Option<Bucket> {
    let start = civil(&numbers.start)?;
    let last = series.days.values().next_back();
    let is_newer = last
        .and_then(|day| civil(&day.end))
        .is_none_or(|end| end <= start);
    if numbers.lens != Lens::Day || !is_newer {
        return None;
    }
    let mut evidence = [f64::NEG_INFINITY; 2];
    evidence[direction(told)? as usize] = numbers.log_sr;
    Some(Bucket {
        start,
        end: civil(&numbers.end)?,
        count: Some(numbers.observed),
        is_published: false,
        band: Some(Band {
            lower: numbers.lower,
            upper: numbers.upper,
            inner: None,
        }),
        evidence: Some(over_limit(series, Lens::Day, evidence)),
    })
}

/// log10 of the statistics over what raises an alert.
fn over_limit(series: &Series, lens: Lens, evidence: [f64; 2]) -> [f64; 2] {
    let limits = series.limits[lens as usize];
    [0, 1].map(|side: usize| {
        let over = (evidence[side] - limits[side]) / std::f64::consts::LN_10;
        over.max(NONE_LOG10)
    })
}

/// Days without any exposure, those that follow each other as one.
fn shades(series: &Series) -> Vec<Shade> {
    let mut shades: Vec<Shade> = Vec::new();
    for day in series.days.values().filter(|day| day.exposure <= 0.0) {
        let (Some(from), Some(to)) = (civil(&day.start), civil(&day.end)) else {
            continue;
        };
        let kind = match day.blind > 0.0 {
            true => ShadeKind::Uncounted,
            false => ShadeKind::Closed,
        };
        match shades.last_mut() {
            Some(last) if last.kind == kind && last.to == from => last.to = to,
            _ => shades.push(Shade {
                from,
                to,
                lasts: false,
                kind,
                reason: String::new(),
            }),
        }
    }
    // One that reaches to the last closed day goes on, unless an hour since then was open.
    let end = series.days.values().next_back().map(|day| &day.end);
    let is_open_since = |end: &String| {
        let since = moment(end).map(|end| series.hours.range(end..));
        since.is_some_and(|mut hours| hours.any(|(_, hour)| hour.exposure > 0.0))
    };
    if let (Some(end), Some(last)) = (end, shades.last_mut()) {
        last.lasts = Some(last.to) == civil(end) && !is_open_since(end);
    }
    shades
}

fn alert(told: &Told, numbers: &Numbers) -> Option<Alert> {
    let severity = Severity::ALL.into_iter();
    let mut severity = severity.filter(|s| Some(s.label()) == told.severity.as_deref());
    Some(Alert {
        direction: direction(told)?,
        opened: civil(&numbers.onset)?,
        ended: (!told.is_open).then(|| civil(&told.as_of)).flatten(),
        usual: None,
        before: None,
        reason: None,
        severity: severity.next()?,
        grew: Vec::new(),
        again: Vec::new(),
        sentence: told.summary.clone(),
    })
}

fn direction(told: &Told) -> Option<Direction> {
    let mut all = Direction::ALL.into_iter();
    all.find(|direction| Some(direction.label()) == told.direction.as_deref())
}

/// The civil part of a moment with its offset.
fn civil(moment: &str) -> Option<DateTime> {
    moment.get(..19)?.parse().ok()
}
