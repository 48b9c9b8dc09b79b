//! Owns what came of one series: its alarms, the false alerts among them, and whether and when each labelled episode was found.

use super::reading::Counts;
use super::running::Point;
use super::truth::{Episode, Mark};
use crate::core::alert::Direction;
use std::ops::Range;

/// Alarms less than this many buckets apart are one alert.
pub const APART: usize = 15;
/// The tail probabilities that calibration is looked at.
pub(super) const TAILS: [f64; 2] = [0.01, 0.001];

/// What came of one series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// The kind of series, where it is known.
    pub stratum: Option<String>,
    /// Buckets that were run.
    pub buckets: usize,
    /// Buckets that alarmed, by direction; all of them, evaluated or not.
    pub alarms: [usize; 2],
    /// Evaluated buckets in which nothing is said to happen.
    pub quiet: usize,
    /// Alerts that began there, by direction.
    pub false_alerts: [usize; 2],
    /// Buckets from the first alarm of the longest of these alerts to its last, by direction.
    pub longest: [usize; 2],
    /// Of the quiet buckets, how many counts lay in the upper tail of their forecast, by probability 0.01 and 0.001.
    pub tails: [usize; 2],
    /// Every labelled episode.
    pub episodes: Vec<Found>,
}

/// A labelled episode and the bucket of it, from 0, that first alarmed.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The episode.
    pub episode: Episode,
    /// Buckets from the onset to the first alarm inside the episode; nothing if there was none.
    pub delay: Option<usize>,
}

/// Counts what came of a series: by its mark, which also says that all alerts of a series that is no control are left out of
/// the count of false ones; without a mark by its labels.
#[must_use]
pub fn judge(series: &Counts, points: &[Point], mark: Option<&Mark>) -> Outcome {
    let count = |side: usize| points.iter().filter(|p| p.alarm[side]).count();
    let labelled = labelled(series);
    let window = mark.map_or(0..points.len(), |m| m.window.clone());
    let window = window.start.min(points.len())..window.end.min(points.len());
    let is_judged = mark.is_none_or(|m| m.is_control);
    let is_quiet = |row: &usize| is_judged && (mark.is_some() || series.label(*row).is_none());
    let quiet = || {
        window
            .clone()
            .filter(is_quiet)
            .filter(|&row| points[row].is_observed)
    };
    let false_alerts = [Direction::Surge, Direction::Drop].map(|direction| {
        let side = direction as usize;
        let alarms = window.clone().filter(|&row| points[row].alarm[side]);
        let is_false = |alert: &Range<usize>| {
            is_judged && (mark.is_some() || series.label(alert.start) != Some(direction))
        };
        let mut found = alerts(alarms);
        found.retain(is_false);
        found
    });
    let beyond = |p: f64| {
        quiet()
            .filter(|&row| points[row].ln_upper_tail < p.ln())
            .count()
    };
    let episodes = match mark {
        Some(mark) => mark.episode.iter().cloned().collect(),
        None => labelled,
    };
    Outcome {
        stratum: mark.and_then(|m| m.stratum.clone()),
        buckets: points.len(),
        alarms: [count(0), count(1)],
        quiet: quiet().count(),
        longest: false_alerts
            .each_ref()
            .map(|found| found.iter().map(Range::len).max().unwrap_or(0)),
        false_alerts: false_alerts.map(|found| found.len()),
        tails: TAILS.map(beyond),
        episodes: episodes.into_iter().map(|e| find(e, points)).collect(),
    }
}

/// From the first alarm of each alert to its last, given the rows that alarm.
pub(super) fn alerts(alarms: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for row in alarms {
        match found.last_mut() {
            Some(last) if row + 1 - last.end < APART => last.end = row + 1,
            _ => found.push(row..row + 1),
        }
    }
    found
}

/// Runs of rows with one label.
fn labelled(series: &Counts) -> Vec<Episode> {
    let mut found: Vec<Episode> = Vec::new();
    for row in 0..series.len() {
        let Some(direction) = series.label(row) else {
            continue;
        };
        match found.last_mut() {
            Some(last) if last.rows.end == row && last.direction == direction => {
                last.rows.end = row + 1;
            }
            _ => found.push(Episode {
                rows: row..row + 1,
                direction,
                shape: direction.label().to_owned(),
                size: None,
            }),
        }
    }
    found
}

fn find(episode: Episode, points: &[Point]) -> Found {
    let side = episode.direction as usize;
    let mut inside = points
        .iter()
        .take(episode.rows.end)
        .skip(episode.rows.start);
    let delay = inside.position(|point| point.alarm[side]);
    Found { episode, delay }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backtest::{Layout, Reader};
    use crate::core::lens::Lens;

    fn series(labels: &[&str]) -> Counts {
        let mut text = String::from("series,t,count,label\n");
        for (t, label) in (1..).zip(labels) {
            text += &format!("x,{t},1,{label}\n");
        }
        let mut reader = Reader::new(Lens::Day, Layout::default());
        reader.file("a", "a", text.as_bytes()).expect("a text");
        reader.finish().expect("good").remove(0)
    }

    fn points(rows: usize, alarms: &[usize]) -> Vec<Point> {
        let point = |row| Point {
            score: [0.0; 2],
            alarm: [alarms.contains(&row), false],
            ln_upper_tail: if alarms.contains(&row) { -5.0 } else { 0.0 },
            is_observed: true,
        };
        (0..rows).map(point).collect()
    }

    #[test]
    fn alarms_fifteen_buckets_apart_are_two_alerts() {
        assert_eq!(alerts([3, 17, 32, 33].into_iter()), [3..18, 32..34]);
    }

    #[test]
    fn without_labels_all_alerts_are_false() {
        let outcome = judge(&series(&[""; 40]), &points(40, &[2, 3, 30]), None);
        assert_eq!((outcome.alarms, outcome.false_alerts), ([3, 0], [2, 0]));
        assert_eq!(outcome.longest, [2, 0]);
        assert_eq!((outcome.quiet, outcome.tails), (40, [3, 0]));
        assert!(outcome.episodes.is_empty());
    }

    #[test]
    fn labels_make_episodes_and_spare_their_alerts() {
        let mut labels = [""; 40];
        labels[20..25].fill("surge");
        labels[30] = "drop";
        let outcome = judge(&series(&labels), &points(40, &[0, 22, 26]), None);
        assert_eq!((outcome.false_alerts, outcome.quiet), ([1, 0], 34));
        let delays: Vec<(usize, Option<usize>)> = outcome
            .episodes
            .iter()
            .map(|f| (f.episode.rows.start, f.delay))
            .collect();
        assert_eq!(delays, [(20, Some(2)), (30, None)]);
    }

    #[test]
    fn a_mark_counts_controls_in_their_window_only() {
        let mark = |is_control| Mark {
            window: 10..99,
            is_control,
            stratum: Some("s".into()),
            episode: None,
        };
        let of = |is_control| {
            judge(
                &series(&[""; 40]),
                &points(40, &[2, 14]),
                Some(&mark(is_control)),
            )
        };
        assert_eq!((of(true).false_alerts, of(true).quiet), ([1, 0], 30));
        assert_eq!((of(false).false_alerts, of(false).quiet), ([0, 0], 0));
        assert_eq!(of(false).alarms, [2, 0]);
    }
}
