//! Owns one series' way through a lens: what every closed bucket left as evidence, and the rows of results that come of it.
//!
//! Evidence is not begun anew after an alarm, so that its logarithm is a score that any threshold can be laid on afterwards.

use super::cells::{bucket_minutes, moment, slot};
use super::reading::Counts;
use crate::core::alert::Direction;
use crate::core::holidays::Holidays;
use crate::core::lens::{LensParams, LensState, Outlook, Prior};
use crate::core::time::EventTime;
use std::fmt::Write as _;

/// What every series is judged by.
#[derive(Debug, Clone)]
pub struct Detector {
    /// Settings and thresholds of the lens.
    pub params: LensParams,
    /// What is believed of a series before its first bucket.
    pub prior: Prior,
    /// Special days of all series.
    pub holidays: Holidays,
}

/// What a closed bucket left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Log evidence of a surge and of a drop.
    pub score: [f64; 2],
    /// Whether each is at its threshold or above.
    pub alarm: [bool; 2],
    /// ln P(Y >= y) of the count, where it was above what was expected; 0 elsewhere.
    pub ln_upper_tail: f64,
    /// Whether the bucket carried exposure.
    pub is_observed: bool,
}

/// A bucket as it is closed.
#[derive(Debug)]
pub struct Step<'a> {
    /// Its row in the series, from 0.
    pub row: usize,
    /// First moment, by the clock on the wall.
    pub start: EventTime,
    /// First moment after it.
    pub end: EventTime,
    /// Share that was open and counted, in [0, 1].
    pub exposure: f64,
    /// Its count; 0 where nobody counted.
    pub count: u64,
    /// What was expected of it; nothing without exposure.
    pub outlook: Option<&'a Outlook>,
    /// The lens after it.
    pub state: &'a LensState,
    /// What the file says it belongs to.
    pub label: Option<Direction>,
}

/// Runs a series from its first bucket to its last; no bucket knows of a later one.
#[must_use]
pub fn run(detector: &Detector, series: &Counts) -> Vec<Point> {
    let params = &detector.params;
    let point = |step: Step<'_>| {
        let Step {
            state,
            count,
            outlook,
            ..
        } = step;
        let evidence = [state.log_evidence_rise(), state.log_evidence_drop()];
        let alarm = [
            evidence[0] >= params.log_threshold_rise,
            evidence[1] >= params.log_threshold_drop,
        ];
        Point {
            // Where it begins anew it is told as after a first bucket, of which nothing is known.
            score: evidence.map(|ln| if ln.is_finite() { ln } else { 0.0 }),
            alarm: alarm.map(|is_over| is_over && outlook.is_some()),
            ln_upper_tail: outlook
                .filter(|outlook| count as f64 > outlook.mean())
                .map_or(0.0, |outlook| outlook.ln_upper_tail(count)),
            is_observed: outlook.is_some(),
        }
    };
    walk(detector, series, point)
}

/// The same, with a look at every bucket as it is closed.
pub fn walk<T>(
    detector: &Detector,
    series: &Counts,
    mut look: impl FnMut(Step<'_>) -> T,
) -> Vec<T> {
    let params = &detector.params;
    let mut state = LensState::new(params, detector.prior);
    let rows = 0..series.len();
    rows.map(|row| {
        let (exposure, count) = series.bucket(row);
        let minute = series.minute(row);
        let slot = slot(params.lens, minute, &detector.holidays);
        let outlook = state.close(params, slot, exposure, count);
        look(Step {
            row,
            start: moment(minute),
            end: moment(minute.saturating_add(bucket_minutes(params.lens))),
            exposure,
            count,
            outlook: outlook.as_ref(),
            state: &state,
            label: series.label(row),
        })
    })
    .collect()
}

/// Rows `series_id,t,alarm,score` of one direction, `t` from 1; no score where the bucket carried no exposure.
#[must_use]
pub fn results(series: &Counts, points: &[Point], direction: Direction) -> String {
    let id = quoted(&series.id);
    let side = direction as usize;
    let mut rows = String::with_capacity(points.len() * (id.len() + 20));
    for (t, point) in (1..).zip(points) {
        let alarm = u8::from(point.alarm[side]);
        // Writing to a String cannot fail.
        let _ = if point.is_observed {
            writeln!(rows, "{id},{t},{alarm},{:.6}", point.score[side])
        } else {
            writeln!(rows, "{id},{t},{alarm},")
        };
    }
    rows
}

/// A cell as CSV has it.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backtest::{Layout, Reader};
    use crate::core::lens::Lens;

    fn series(text: &str) -> Counts {
        let mut reader = Reader::new(Lens::Day, Layout::default());
        reader
            .file("a.csv", "a", text.as_bytes())
            .expect("a text can be reached");
        reader.finish().expect("the counts are good").remove(0)
    }

    fn detector() -> Detector {
        Detector {
            params: LensParams {
                log_threshold_rise: 6.0,
                log_threshold_drop: 6.0,
                ..LensParams::for_lens(Lens::Day)
            },
            prior: Prior::new(10.0, 0.1).expect("in range"),
            holidays: Holidays::default(),
        }
    }

    /// About ten a day, and forty from the 58th day on.
    fn risen(days: u32) -> Vec<Point> {
        let mut text = String::from("series,t,count\n");
        for t in 1..=days {
            let _ = writeln!(text, "x,{t},{}", if t > 57 { 40 } else { 9 + t % 3 });
        }
        run(&detector(), &series(&text))
    }

    #[test]
    fn a_surge_alarms_and_goes_on_alarming() {
        let points = risen(60);
        let alarms: Vec<usize> = (1..)
            .zip(&points)
            .filter(|(_, p)| p.alarm[0])
            .map(|(t, _)| t)
            .collect();
        assert_eq!(alarms, [58, 59, 60]);
        assert!(points.iter().all(|p| !p.alarm[1]));
        assert!(
            points[58].score[0] > points[57].score[0] && points[59].score[0] > 20.0,
            "evidence is not begun anew"
        );
        assert!(points[57].ln_upper_tail < -10.0 && points[56].ln_upper_tail <= 0.0);
    }

    #[test]
    fn scores_are_numbers_also_where_evidence_begins_anew() {
        let points = risen(140);
        assert!(points.iter().flat_map(|p| p.score).all(f64::is_finite));
        let anew = points.windows(2).find(|w| w[0].alarm[0] && !w[1].alarm[0]);
        let anew = anew.expect("the level is adopted")[1].score;
        assert!(anew.iter().all(|score| score.abs() < 1e-12), "{anew:?}");
    }

    #[test]
    fn rows_without_exposure_have_neither_alarm_nor_score() {
        let text = "series,date,count,exposure,state\n\"a, b\",2024-01-01,9,1,open\n\"a, b\",2024-01-02,900,1,closed\n\"a, b\",2024-01-03,900,0,\n\"a, b\",2024-01-04,,1,\n";
        let series = series(text);
        let points = run(&detector(), &series);
        let seen: Vec<bool> = points.iter().map(|p| p.is_observed).collect();
        assert_eq!(seen, [true, false, false, false]);
        let rows = results(&series, &points, Direction::Surge);
        let rows: Vec<&str> = rows.lines().collect();
        assert!(rows[0].starts_with("\"a, b\",1,0,"), "{rows:?}");
        assert_eq!(
            rows[1..],
            ["\"a, b\",2,0,", "\"a, b\",3,0,", "\"a, b\",4,0,"]
        );
    }

    #[test]
    fn a_later_bucket_changes_no_earlier_point() {
        let head = "series,t,count\nx,1,9\nx,2,11\nx,3,10\n";
        let short = run(&detector(), &series(head));
        let long = run(&detector(), &series(&format!("{head}x,4,500\n")));
        assert_eq!(short[..], long[..3]);
    }
}
