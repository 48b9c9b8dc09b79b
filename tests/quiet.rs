//! Holds a network of forty crossings to its budget of false alerts while nothing happens but weekdays and weather, which all of them
//! share; a season can be added by hand.

mod support;

use support::border::{Border, Weather};
use surgewatch::core::region::incident::Change;

/// Usual arrivals a day: four of each in every corridor of ten, and two of the busiest.
const MEANS: [f64; 5] = [0.3, 2.0, 8.0, 25.0, 80.0];
const DAYS_A_YEAR: f64 = 365.25;

#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    years: f64,
    promised: f64,
    alerts: u64,
    incidents: u64,
    /// The alerts: day and hour, each surge and drop.
    by_lens: [[u64; 2]; 2],
}

/// Years of one network, from nothing known on.
fn run(years: u32, weather: Weather, seed: u64) -> Seen {
    go_on(&mut Border::new(10, &MEANS, weather, seed), years)
}

/// So many years more of a network.
fn go_on(border: &mut Border, years: u32) -> Seen {
    let days = (f64::from(years) * DAYS_A_YEAR) as u32;
    let mut incidents = 0;
    for _ in 0..days {
        let told = border.day(|_| 1.0);
        let opened =
            |change| matches!(change, Change::Opened | Change::Reopened | Change::Split(_));
        incidents += told.iter().filter(|t| opened(t.change)).count() as u64;
    }
    Seen {
        years: f64::from(years),
        promised: border.promised(),
        alerts: border.opened,
        incidents,
        by_lens: border.engine.tally().opened,
    }
}

/// `cargo test --release --test quiet thousands -- --ignored --nocapture` prints what was promised and what came;
/// `SURGEWATCH_YEARS=200` takes fewer, `SURGEWATCH_SHOCK=0.3` shakes harder, `SURGEWATCH_SEASON=0.3` adds a season.
#[test]
#[ignore = "takes an hour and more: two thousand years of forty crossings"]
fn thousands_of_quiet_years_keep_the_budget_of_forty_crossings() {
    let of = |name: &str, usual: f64| match std::env::var(name) {
        Ok(given) => given
            .parse()
            .unwrap_or_else(|_| panic!("{name} is {given}: give a number")),
        Err(_) => usual,
    };
    let weather = Weather {
        shared_log_sd: of("SURGEWATCH_SHOCK", 0.15),
        own_log_sd: 0.1,
        season_log: of("SURGEWATCH_SEASON", 0.0),
    };
    let mut sum = Seen::default();
    let networks = (of("SURGEWATCH_YEARS", 2_000.0) / 50.0).ceil() as u64;
    for seed in 0..networks {
        let one = run(50, weather, seed);
        sum = Seen {
            years: sum.years + one.years,
            promised: sum.promised + one.promised,
            alerts: sum.alerts + one.alerts,
            incidents: sum.incidents + one.incidents,
            by_lens: [0, 1].map(|l| [0, 1].map(|d| sum.by_lens[l][d] + one.by_lens[l][d])),
        };
        let a_year = |n: f64| n / sum.years;
        eprintln!(
            "{} years with {weather:?}: a year {:.2} promised, {:.2} alerts at crossings and {:.2} incidents; {:?} by lens and direction",
            sum.years,
            a_year(sum.promised),
            a_year(sum.alerts as f64),
            a_year(sum.incidents as f64),
            sum.by_lens
        );
    }
    assert!(sum.incidents as f64 <= sum.promised, "{sum:?}");
    assert!(sum.alerts as f64 <= sum.promised, "{sum:?}");
}

#[test]
fn a_quiet_year_keeps_the_budget() {
    let weather = Weather {
        shared_log_sd: 0.15,
        own_log_sd: 0.1,
        season_log: 0.0,
    };
    let seen = run(1, weather, 1);
    assert!(seen.promised > 1.0, "{seen:?}");
    assert!(seen.incidents as f64 <= seen.promised, "{seen:?}");
}

/// The hours know no season of their own, and learn it from their days once those have seen a year.
#[test]
fn a_season_of_a_third_up_and_down_keeps_the_budget_from_the_third_year_on() {
    let weather = Weather {
        shared_log_sd: 0.15,
        own_log_sd: 0.1,
        season_log: 0.3,
    };
    let mut border = Border::new(10, &MEANS, weather, 1);
    let before = go_on(&mut border, 2);
    let after = go_on(&mut border, 5);
    let incidents = after.incidents;
    let promised = after.promised - before.promised;
    eprintln!("two years: {before:?}; five more: {incidents} incidents, {promised} accepted");
    assert!(incidents as f64 <= promised);
}
