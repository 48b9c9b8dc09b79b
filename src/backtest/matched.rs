//! Owns the comparison at equal false alarms: one threshold for all series that gives the controls a set rate, and what it finds.
//!
//! The rules are those by which detectors with different thresholds are compared: weeks at a share of control points (Noufaily et
//! al. 2013), days and hours at false alerts a series-year, where an alarm that was on before an onset does not find it.

use super::outcome::alerts;
use super::running::Point;
use super::summary::{aligned, unit};
use super::truth::{Episode, Mark};
use crate::core::alert::Direction;
use crate::core::lens::Lens;
use std::collections::BTreeMap;

/// Shares of the control points that may alarm.
const SHARES: [f64; 2] = [0.01, 0.001];
/// False alerts a series-year on the controls.
const RATES: [f64; 2] = [1.0, 0.1];

/// The scores of one series in the rows that are evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    is_control: bool,
    /// By direction; minus infinity where the bucket carried no exposure.
    scores: [Vec<f64>; 2],
    /// The episode, its rows counted from the first that is evaluated.
    episode: Option<Episode>,
}

impl Scored {
    /// Cuts the rows that the mark says are evaluated.
    #[must_use]
    pub fn new(points: &[Point], mark: &Mark) -> Self {
        let window = mark.window.start.min(points.len())..mark.window.end.min(points.len());
        let score = |side: usize| {
            let seen = points[window.clone()].iter();
            seen.map(|p| {
                if p.is_observed {
                    p.score[side]
                } else {
                    f64::NEG_INFINITY
                }
            })
            .collect()
        };
        let within = |row: usize| row.clamp(window.start, window.end) - window.start;
        Self {
            is_control: mark.is_control,
            scores: [score(0), score(1)],
            episode: mark.episode.clone().map(|episode| Episode {
                rows: within(episode.rows.start)..within(episode.rows.end),
                ..episode
            }),
        }
    }
}

/// The scores of all series of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Matched(Vec<Scored>);

/// What one threshold finds.
#[derive(Debug, Clone, PartialEq)]
struct Found {
    realised: f64,
    detected_ratio: f64,
    /// Bucket of the episode, from 0, by which half of all are found.
    half_by: Option<usize>,
    /// Where an episode that is missed counts with its length.
    mean_delay: f64,
}

impl Matched {
    /// Adds a series.
    pub fn add(&mut self, scored: Scored) {
        self.0.push(scored);
    }

    /// The table; empty without controls and episodes.
    #[must_use]
    pub fn table(&self, lens: Lens) -> String {
        let head = [
            "one threshold for all series",
            "episodes",
            "realised",
            "detected",
            &format!("half found by ({})", unit(lens)),
            &format!("mean delay ({})", unit(lens)),
        ];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for direction in Direction::ALL {
            let targets = if lens == Lens::Week { SHARES } else { RATES };
            for target in targets {
                let Some(found) = self.find(direction, lens, target) else {
                    continue;
                };
                let (name, realised) = if lens == Lens::Week {
                    (
                        format!("{:.1} % of control buckets alarm", 100.0 * target),
                        format!("{:.2} %", 100.0 * found.realised),
                    )
                } else {
                    (
                        format!("{target} false alerts a series-year"),
                        format!("{:.3}", found.realised),
                    )
                };
                rows.push(vec![
                    name,
                    direction.label().to_owned(),
                    realised,
                    format!("{:.1} %", 100.0 * found.detected_ratio),
                    found
                        .half_by
                        .map_or_else(|| "-".into(), |delay| delay.to_string()),
                    format!("{:.1}", found.mean_delay),
                ]);
            }
        }
        if rows.len() == 1 {
            return String::new();
        }
        format!("\n{}", aligned(&rows))
    }

    fn find(&self, direction: Direction, lens: Lens, target: f64) -> Option<Found> {
        let side = direction as usize;
        let mut ranked: Vec<f64> = self.controls(side).flatten().copied().collect();
        let episodes: Vec<(&Scored, &Episode)> = self
            .0
            .iter()
            .filter_map(|scored| Some((scored, scored.episode.as_ref()?)))
            .filter(|(_, episode)| episode.direction == direction)
            .collect();
        if episodes.is_empty() || !ranked.iter().any(|score| score.is_finite()) {
            return None;
        }
        ranked.sort_unstable_by(f64::total_cmp);
        let (threshold, realised) = if lens == Lens::Week {
            let threshold = ranked[ranked.len() - 1 - (target * ranked.len() as f64) as usize];
            let above = ranked.iter().filter(|score| **score > threshold).count();
            (threshold, above as f64 / ranked.len() as f64)
        } else {
            ranked.retain(|score| score.is_finite());
            ranked.dedup();
            let rate = |threshold: f64| self.alerts_a_year(side, lens, threshold);
            // The lowest threshold that keeps the target; the rate falls with it but for alerts that merge.
            let kept = ranked.partition_point(|threshold| rate(*threshold) > target);
            let threshold = ranked[kept.min(ranked.len() - 1)];
            (threshold, rate(threshold))
        };
        let must_be_new = lens != Lens::Week;
        let delays: Vec<Option<usize>> = episodes
            .iter()
            .map(|(scored, episode)| delay(&scored.scores[side], episode, threshold, must_be_new))
            .collect();
        Some(Found {
            realised,
            detected_ratio: detected_ratio(&episodes, &delays, lens),
            half_by: half_by(&delays),
            mean_delay: mean_delay(&episodes, &delays),
        })
    }

    fn controls(&self, side: usize) -> impl Iterator<Item = &Vec<f64>> {
        let controls = self.0.iter().filter(|scored| scored.is_control);
        controls.map(move |scored| &scored.scores[side])
    }

    fn alerts_a_year(&self, side: usize, lens: Lens, threshold: f64) -> f64 {
        let buckets_a_year = match lens {
            Lens::Hour => 24.0 * 365.0,
            Lens::Day | Lens::Week => 365.0,
        };
        let (mut count, mut years) = (0, 0.0);
        for scores in self.controls(side) {
            count += alerts((0..scores.len()).filter(|row| scores[*row] > threshold)).len();
            years += scores.len() as f64 / buckets_a_year;
        }
        count as f64 / years
    }
}

/// Buckets from the onset to the first alarm inside the episode; with `must_be_new` an alarm that goes on from before it is none.
fn delay(scores: &[f64], episode: &Episode, threshold: f64, must_be_new: bool) -> Option<usize> {
    let alarms = |row: usize| scores[row] > threshold;
    let onset = episode.rows.start;
    let mut from = onset;
    if must_be_new && onset > 0 && alarms(onset - 1) {
        from = (onset..scores.len()).find(|row| !alarms(*row))?;
    }
    let found = (from..episode.rows.end).find(|row| alarms(*row))?;
    Some(found - onset)
}

/// Share found: of weeks the average over sizes, as each has its own number of episodes.
fn detected_ratio(episodes: &[(&Scored, &Episode)], delays: &[Option<usize>], lens: Lens) -> f64 {
    let mut groups: BTreeMap<u64, [usize; 2]> = BTreeMap::new();
    for ((_, episode), delay) in episodes.iter().zip(delays) {
        let size = episode.size.filter(|_| lens == Lens::Week).unwrap_or(0.0);
        let [found, all] = groups.entry(size.to_bits()).or_default();
        *found += usize::from(delay.is_some());
        *all += 1;
    }
    let ratios = groups
        .values()
        .map(|[found, all]| *found as f64 / *all as f64);
    ratios.sum::<f64>() / groups.len() as f64
}

fn half_by(delays: &[Option<usize>]) -> Option<usize> {
    let mut sorted: Vec<usize> = delays.iter().map(|d| d.unwrap_or(usize::MAX)).collect();
    sorted.sort_unstable();
    Some(sorted[sorted.len() / 2]).filter(|delay| *delay < usize::MAX)
}

fn mean_delay(episodes: &[(&Scored, &Episode)], delays: &[Option<usize>]) -> f64 {
    let each = episodes.iter().zip(delays);
    let sum: usize = each
        .map(|((_, episode), delay)| delay.unwrap_or(episode.rows.len()))
        .sum();
    sum as f64 / delays.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(scores: &[f64], rows: Option<std::ops::Range<usize>>) -> Scored {
        Scored {
            is_control: rows.is_none(),
            scores: [scores.to_vec(), vec![0.0; scores.len()]],
            episode: rows.map(|rows| Episode {
                rows,
                direction: Direction::Surge,
                shape: "spike".into(),
                size: Some(2.0),
            }),
        }
    }

    #[test]
    fn the_lowest_threshold_that_keeps_the_rate_is_taken() {
        // 365 control days: three peaks far apart, of 3, 2 and 1.
        let mut control = vec![0.0; 365];
        (control[20], control[120], control[220]) = (3.0, 2.0, 1.0);
        let mut matched = Matched::default();
        matched.add(scored(&control, None));
        matched.add(scored(&[0.0, 0.0, 2.5, 9.0], Some(1..4)));
        matched.add(scored(&[0.0, 0.0, 1.5, 0.0], Some(1..4)));
        let found = matched
            .find(Direction::Surge, Lens::Day, 1.0)
            .expect("found");
        // Above 2 lies one peak, above 1 two.
        let want = Found {
            realised: 1.0,
            detected_ratio: 0.5,
            half_by: None,
            mean_delay: 2.0,
        };
        assert_eq!(found, want);
        assert_eq!(matched.find(Direction::Drop, Lens::Day, 1.0), None);
    }

    #[test]
    fn weeks_are_matched_by_share_and_averaged_over_sizes() {
        let mut matched = Matched::default();
        let control: Vec<f64> = (0..1000).map(f64::from).collect();
        matched.add(scored(&control, None));
        for (score, size) in [(995.0, 1.0), (0.0, 1.0), (0.0, 1.0), (999.5, 2.0)] {
            let mut one = scored(&[score], Some(0..1));
            one.episode.as_mut().expect("there").size = Some(size);
            matched.add(one);
        }
        let found = matched
            .find(Direction::Surge, Lens::Week, 0.01)
            .expect("found");
        assert!((found.realised - 0.01).abs() < 1e-12, "{found:?}");
        assert!(
            (found.detected_ratio - (1.0 / 3.0 + 1.0) / 2.0).abs() < 1e-12,
            "{found:?}"
        );
    }

    #[test]
    fn an_alarm_that_was_on_before_the_onset_finds_nothing_until_it_has_ended() {
        let episode = scored(&[], Some(2..7)).episode.expect("there");
        let delay = |scores: [f64; 7]| delay(&scores, &episode, 0.5, true);
        assert_eq!(delay([0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]), None);
        assert_eq!(delay([0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0]), Some(3));
        assert_eq!(delay([1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0]), Some(0));
    }
}
