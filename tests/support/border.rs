//! Owns a simulated border on which nothing happens but what all of its crossings share: seasons, weekdays, weather; day by day
//! through the whole machine, crossings, groups and incidents.

use super::params;
use super::random::{DAY_MS, Dice};
use jiff::tz::TimeZone;
use std::sync::Arc;
use surgewatch::core::calendar::local;
use surgewatch::core::engine::Engine;
use surgewatch::core::event::{GateState, Kind};
use surgewatch::core::ids::{CrossingIx, Partition, StreamIx};
use surgewatch::core::network::{Crossing, Network, OpenHours};
use surgewatch::core::output::Output;
use surgewatch::core::params::Params;
use surgewatch::core::region::incident::Told;
use surgewatch::core::region::{Region, RegionState};
use surgewatch::core::time::{EventTime, HOUR_MS};

/// Crossings are open from ten to four, those of the first corridor round the clock.
const OPENS: u16 = 10;
const OPEN_HOURS: i64 = 6;
/// 3 January 2000, a Monday, in UTC.
const START_MS: i64 = 946_857_600_000;
const WEEKDAYS: [f64; 7] = [0.9, 0.85, 0.85, 0.9, 1.1, 1.25, 1.15];

/// What varies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    /// Standard deviation of the logarithm of the factor that a day has at all crossings.
    pub(crate) shared_log_sd: f64,
    /// Of the factor that it has at each one besides.
    pub(crate) own_log_sd: f64,
    /// How far, in logarithms, the middle of winter lies above the mean of the year, and the middle of summer below.
    pub(crate) season_log: f64,
}

pub(crate) struct Border {
    pub(crate) network: Arc<Network>,
    pub(crate) engine: Engine,
    pub(crate) opened: u64,
    pub(crate) params: Params,
    pub(crate) region: Region,
    means: Vec<f64>,
    weather: Weather,
    dice: Dice,
    day: i64,
    read: i64,
}

impl Border {
    /// `per_corridor` crossings in each of four corridors and countries, one after the other, with these usual arrivals a day in turn.
    pub(crate) fn new(per_corridor: u16, means: &[f64], weather: Weather, seed: u64) -> Self {
        Self::of_countries(1, per_corridor, means, weather, seed)
    }

    /// The same with so many corridors in each country.
    pub(crate) fn of_countries(
        corridors: u16,
        per_corridor: u16,
        means: &[f64],
        weather: Weather,
        seed: u64,
    ) -> Self {
        let hours = OpenHours {
            open_minute: OPENS * 60,
            close_minute: (OPENS + OPEN_HOURS as u16) * 60,
        };
        let all = 4 * per_corridor;
        let crossing = |n: u16| Crossing {
            id: format!("x-{n:02}"),
            name: format!("X{n}"),
            country: format!("c{}", n / per_corridor / corridors),
            corridor: format!("k{}", n / per_corridor),
            order: n % per_corridor + 1,
            neighbours: (n + 1 < all)
                .then_some(CrossingIx(n + 1))
                .into_iter()
                .collect(),
            tz: TimeZone::UTC,
            hours: (n >= per_corridor).then_some([Some(hours); 7]),
            streams: vec![StreamIx(0)],
            message_within_ms: None,
        };
        let network = Network::new((0..all).map(crossing).collect(), vec!["entry".into()]);
        let network = Arc::new(network);
        let params = params(&network);
        let mut engine = Engine::new(Arc::clone(&network), params.clone(), 1);
        engine.assign(Partition(0), []).expect("nothing to read");
        let state = RegionState::default();
        Self {
            region: Region::new(Arc::clone(&network), params.clone(), state),
            means: means
                .iter()
                .cycle()
                .take(usize::from(all))
                .copied()
                .collect(),
            opened: 0,
            network,
            engine,
            params,
            weather,
            dice: Dice::new(seed),
            day: 0,
            read: 0,
        }
    }

    /// What is accepted of all crossings and groups together for the days that were judged so far, by the thresholds.
    pub(crate) fn promised(&self) -> f64 {
        let crossings: f64 = self.engine.tally().promised.iter().flatten().sum();
        let lens = &self.params.groups;
        let groups = surgewatch::core::region::groups::of(&self.network).len();
        let a_day = (-lens.log_threshold_rise).exp() + (-lens.log_threshold_drop).exp();
        crossings + groups as f64 * a_day * self.day as f64
    }

    /// One day; `factor` says how many times its usual arrivals a crossing has. Returns what the region tells.
    pub(crate) fn day(&mut self, factor: impl Fn(u16) -> f64) -> Vec<Told> {
        let start = START_MS + self.day * DAY_MS;
        let year = self.day as f64 / 365.25 * std::f64::consts::TAU;
        let weekday = WEEKDAYS[(self.day % 7) as usize];
        let shared = self.normal() * self.weather.shared_log_sd;
        let all = weekday * (shared + self.weather.season_log * year.cos()).exp();
        let mut arrivals = Vec::new();
        for at in 0..self.network.crossings.len() {
            let own = (self.normal() * self.weather.own_log_sd).exp();
            let mean = self.means[at] * all * own * factor(at as u16);
            let hours = match self.network.crossings[at].hours {
                Some(_) => i64::from(OPENS)..i64::from(OPENS) + OPEN_HOURS,
                None => 0..24,
            };
            let per_hour = mean / (hours.end - hours.start) as f64;
            for hour in hours {
                let count = self.poisson(per_hour);
                let stream = StreamIx(0);
                let time = start + hour * HOUR_MS + at as i64;
                if count > 0 {
                    arrivals.push((time, at as u16, Kind::Arrival { stream, count }));
                }
            }
        }
        // The feeds send no heartbeats; this one keeps time going where all are quiet.
        let night = start + DAY_MS - 1;
        arrivals.push((night, 0, Kind::Heartbeat));
        arrivals.sort_by_key(|(time, ..)| *time);
        let mut told = Vec::new();
        for (time, at, kind) in arrivals {
            let input = super::input(self.read, at, time, &self.read.to_string(), kind);
            self.read += 1;
            let (region, opened) = (&mut self.region, &mut self.opened);
            let take = &mut |output: Output| {
                if let Output::Alert { transition, .. } = &output {
                    let is_new = surgewatch::core::alert::Transition::Opened == *transition;
                    *opened += u64::from(is_new);
                }
                told.extend(region.take(&output));
            };
            let handled = self.engine.handle(Partition(0), &input, take);
            handled.expect("no bad records");
        }
        self.day += 1;
        told
    }

    /// Crossings are closed by a status from the beginning of the next day on.
    pub(crate) fn close(&mut self, crossings: impl Iterator<Item = u16>) {
        for at in crossings {
            let kind = Kind::Status {
                state: GateState::Closed,
                until: None,
            };
            let start = START_MS + self.day * DAY_MS;
            let input = super::input(self.read, at, start, &self.read.to_string(), kind);
            self.read += 1;
            let handled = self.engine.handle(Partition(0), &input, &mut |output| {
                self.region.take(&output);
            });
            handled.expect("no bad records");
        }
    }

    /// The date of the last day.
    pub(crate) fn date(&self) -> jiff::civil::Date {
        let start = EventTime(START_MS + (self.day - 1) * DAY_MS);
        local(&TimeZone::UTC, start).date()
    }

    fn uniform(&mut self) -> f64 {
        (self.dice.below(1 << 40) as f64 + 0.5) / (1_u64 << 40) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (self.uniform() * std::f64::consts::TAU).cos()
    }

    /// By multiplication (Knuth), in steps that no mean makes underflow.
    fn poisson(&mut self, mean: f64) -> u32 {
        let (mut left, mut count) = (mean, 0);
        while left > 0.0 {
            let step = left.min(30.0);
            let (floor, mut product) = ((-step).exp(), self.uniform());
            while product > floor {
                product *= self.uniform();
                count += 1;
            }
            left -= step;
        }
        count
    }
}
