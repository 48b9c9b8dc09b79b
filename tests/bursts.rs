//! Holds a lens to series that are hard to know: days of hundreds among days of none, families, coaches, and high days.

mod support;

use support::random::Dice;
use surgewatch::core::lens::{Lens, LensParams, LensState, Slot};
use surgewatch::core::series::prior;

fn params() -> LensParams {
    LensParams {
        log_threshold_rise: (365.25_f64 / 0.375).ln(),
        log_threshold_drop: (365.25_f64 / 0.125).ln(),
        ..LensParams::for_lens(Lens::Day)
    }
}

fn slot(day: usize) -> Slot {
    Slot::at(0.0, (day % 7) as f64, day as f64 / 365.25)
}

fn uniform(dice: &mut Dice) -> f64 {
    dice.below(1 << 30) as f64 / f64::from(1 << 30)
}

/// By year: days in alarm, and the sum of what was expected over the sum of what came.
fn years(counts: &[u64]) -> Vec<(usize, f64)> {
    let params = params();
    let mut state = LensState::new(&params, prior(Lens::Day));
    let year = |(n, counts): (usize, &[u64])| {
        let (mut alarms, mut expected) = (0, 0.0);
        for (day, count) in counts.iter().enumerate() {
            let outlook = state.close(&params, slot(n * 365 + day), 1.0, *count);
            expected += outlook.expect("exposed").mean();
            let is_over = [
                state.log_evidence_rise() >= params.log_threshold_rise,
                state.log_evidence_drop() >= params.log_threshold_drop,
            ];
            alarms += usize::from(is_over.contains(&true));
        }
        (alarms, expected / counts.iter().sum::<u64>() as f64)
    };
    counts.chunks(365).enumerate().map(year).collect()
}

/// Weather: runs of days on which boats can cross, four days in ten of some 250, among days on which none can.
#[test]
fn days_of_hundreds_among_days_of_none_are_the_usual_in_the_end() {
    let mut random = Dice::new(5);
    let mut is_calm = false;
    let counts: Vec<u64> = (0..5 * 365)
        .map(|_| {
            is_calm = if is_calm {
                uniform(&mut random) < 0.6
            } else {
                uniform(&mut random) < 0.25
            };
            let size = 250.0 * -uniform(&mut random).max(1e-9).ln();
            if is_calm { size as u64 } else { 0 }
        })
        .collect();
    let years = years(&counts);
    eprintln!("{years:.2?}");
    for (alarms, expected_ratio) in &years[2..] {
        assert!(*alarms <= 30, "{years:?}");
        assert!((0.4..2.5).contains(expected_ratio), "{years:?}");
    }
}

/// Five times as much for four weeks is found there too, most of the time: a standard deviation is twice the mean.
#[test]
fn such_a_series_is_not_deaf() {
    let mut random = Dice::new(6);
    let mut found = 0;
    for _ in 0..20 {
        let params = params();
        let mut state = LensState::new(&params, prior(Lens::Day));
        let mut is_found = false;
        for day in 0..3 * 365 + 28 {
            let is_surge = day >= 3 * 365;
            let size = -uniform(&mut random).max(1e-9).ln() * if is_surge { 500.0 } else { 100.0 };
            let count = if uniform(&mut random) < 0.4 {
                size as u64
            } else {
                0
            };
            state.close(&params, slot(day), 1.0, count);
            is_found |= is_surge && state.log_evidence_rise() >= params.log_threshold_rise;
        }
        found += u32::from(is_found);
    }
    eprintln!("{found} of 20 found");
    assert!(found >= 12, "{found} of 20");
}

#[test]
fn a_series_that_begins_at_thousands_does_not_shout_and_is_known_in_a_week() {
    for mean in [40.0, 900.0, 12_000.0] {
        let params = params();
        let mut random = Dice::new(7);
        let mut state = LensState::new(&params, prior(Lens::Day));
        for day in 0..90 {
            let count = (mean * (0.9 + 0.2 * uniform(&mut random))) as u64;
            let outlook = state
                .close(&params, slot(day), 1.0, count)
                .expect("exposed");
            let evidence = [state.log_evidence_rise(), state.log_evidence_drop()];
            assert!(
                evidence[0] < params.log_threshold_rise,
                "{mean}, day {day}: {evidence:?}"
            );
            assert!(
                evidence[1] < params.log_threshold_drop,
                "{mean}, day {day}: {evidence:?}"
            );
            if day >= 7 {
                let ratio = outlook.mean() / mean;
                assert!((0.7..1.4).contains(&ratio), "{mean}, day {day}: {ratio}");
            }
        }
    }
}

/// A gate at which nobody comes any more, or one in ten or one in five of the usual, and then all again: a drop, from the first or
/// second day to the day after its end, and no word on how much ordinary days vary.
#[test]
fn days_of_none_and_of_few_leave_the_usual_as_it_was() {
    for (mean, stop_days, share) in [
        (250.0, 2, 0.0),
        (250.0, 3, 0.0),
        (250.0, 21, 0.0),
        (250.0, 21, 0.1),
        (250.0, 21, 0.2),
        (3_000.0, 3, 0.0),
        (40.0, 3, 0.0),
    ] {
        let name = format!("{mean} a day, {stop_days} days of {share}");
        let params = params();
        let mut random = Dice::new(8);
        let mut state = LensState::new(&params, prior(Lens::Day));
        let (stops, ends) = (60, 60 + stop_days);
        let mut width = [0.0; 2];
        for day in 0..ends + 14 {
            let usual = mean * (0.8 + 0.4 * uniform(&mut random));
            let is_stopped = (stops..ends).contains(&day);
            let count = (usual * if is_stopped { share } else { 1.0 }) as u64;
            let outlook = state
                .close(&params, slot(day), 1.0, count)
                .expect("exposed");
            let [low, high] = outlook.quantiles([0.01, 0.99]);
            let is_told = state.log_evidence_drop() >= params.log_threshold_drop;
            assert!(!is_told || day >= stops, "{name}: told on day {day}");
            assert!(is_told || day != stops + 1, "{name}: not told");
            assert!(
                state.p_drop() < 0.5 || day <= ends,
                "{name}: goes on on day {day}"
            );
            width[usize::from(day > ends)] = (high - low) as f64;
        }
        let ratio = width[1] / width[0];
        assert!((0.6..1.7).contains(&ratio), "{name}: {ratio} times as wide");
    }
}

/// People in a vehicle.
const SIZES: [u64; 8] = [1, 2, 3, 4, 5, 8, 16, 40];
/// How many vehicles of each size come among others: cars with a minibus or a coach now and then.
const COACHES: [f64; 8] = [60.0, 80.0, 40.0, 30.0, 10.0, 8.0, 6.0, 8.0];

/// Arrivals of a bucket to which so many parties come on average, at times that know nothing of each other.
fn parties(random: &mut Dice, mean: f64, mut size: impl FnMut(f64) -> u64) -> u64 {
    let (mut at, mut count) = (0.0, 0);
    loop {
        at -= uniform(random).max(1e-12).ln();
        if at > mean {
            return count;
        }
        count += size(uniform(random));
    }
}

/// Arrivals of a bucket in vehicles. No negative binomial has the cars and the coaches.
fn vehicles(random: &mut Dice, mix: &[f64; 8], mean: f64) -> u64 {
    let all: f64 = mix.iter().sum();
    let people: f64 = SIZES.iter().zip(mix).map(|(n, w)| *n as f64 * w).sum();
    parties(random, mean * all / people, |share| {
        let mut mark = share * all;
        let size = SIZES.iter().zip(mix).find(|(_, weight)| {
            mark -= **weight;
            mark < 0.0
        });
        size.map_or(1, |(size, _)| *size)
    })
}

/// A negative binomial count: families whose sizes have the logarithmic distribution (Quenouille 1949).
fn families(random: &mut Dice, mean: f64, variance_ratio: f64) -> u64 {
    let share = 1.0 - 1.0 / variance_ratio;
    let families = mean * variance_ratio.ln() / (variance_ratio - 1.0);
    parties(random, families, |mut mark| {
        let (mut size, mut p) = (1_u64, share / variance_ratio.ln());
        while mark > p && size < 10_000 {
            mark -= p;
            p *= share * size as f64 / (size + 1) as f64;
            size += 1;
        }
        size
    })
}

/// How often a lens with its share of a budget of 0.375 surges a year alarms in so many years of such buckets.
fn alarms(lens: Lens, seed: u64, years: u32, mut draw: impl FnMut(&mut Dice) -> u64) -> u32 {
    let (a_year, a_day, apart) = match lens {
        Lens::Hour => (8766, 24, 24),
        _ => (366, 1, 15),
    };
    let params = LensParams {
        log_threshold_rise: (f64::from(a_year) / 0.375).ln(),
        ..LensParams::for_lens(lens)
    };
    let mut random = Dice::new(seed);
    let mut state = LensState::new(&params, prior(lens));
    let (mut alarms, mut last) = (0, None);
    for bucket in 0..a_year * years {
        let day = f64::from(bucket) / f64::from(a_day);
        let at = Slot::at(day.fract() * 24.0, day % 7.0, (day / 365.25).fract());
        state.close(&params, at, 1.0, draw(&mut random));
        if state.log_evidence_rise() >= params.log_threshold_rise {
            alarms += u32::from(last.is_none_or(|last| bucket - last > apart));
            last = Some(bucket);
        }
    }
    alarms
}

/// Without the width of its errors in its evidence a lens alarms some eighteen times a year here.
#[test]
fn coaches_among_cars_are_no_surge_of_hours() {
    let of = |seed| alarms(Lens::Hour, seed, 1, |dice| vehicles(dice, &COACHES, 8.0));
    let alarms: u32 = (0..3).map(of).sum();
    assert!(alarms <= 2, "{alarms} in three years of 0.375");
}

/// Alarms by hour a series-year where so many arrivals a day come one by one, and days lie above and below that by a log-normal factor.
fn alarms_of_high_days(series: u64, years: u32, mean: f64, log_sd: f64) -> f64 {
    let of = |seed| {
        let (mut hour, mut factor) = (0, 1.0);
        alarms(Lens::Hour, seed, years, |dice| {
            if hour % 24 == 0 {
                let normal = (0..12).map(|_| uniform(dice)).sum::<f64>() - 6.0;
                factor = (log_sd * normal).exp();
            }
            hour += 1;
            parties(dice, mean / 24.0 * factor, |_| 1)
        })
    };
    f64::from((0..series).map(of).sum::<u32>()) / (series as f64 * f64::from(years))
}

/// Evidence that takes the hours of a day to know nothing of each other alarms some five times a year here.
#[test]
fn the_hours_of_a_high_day_are_high_together_and_no_surge() {
    let a_year = alarms_of_high_days(4, 3, 80.0, 0.2);
    assert!(a_year <= 2.0, "{a_year} a series-year");
}

/// `cargo test --release --test bursts -- --ignored --nocapture`
#[test]
#[ignore = "prints how often the hours of high days alarm; takes a minute"]
fn alarms_of_the_hours_of_high_days() {
    eprintln!("alarms a series-year by hour where 0.375 are accepted, 12 series of 3 years");
    for mean in [25.0, 80.0, 400.0] {
        for log_sd in [0.0, 0.1, 0.2, 0.3] {
            let a_year = alarms_of_high_days(12, 3, mean, log_sd);
            eprintln!("{mean} a day, days {log_sd} above and below: {a_year:.2}");
            assert!(log_sd > 0.0 || a_year <= 0.375, "of days that are alike");
        }
    }
}

/// `cargo test --release --test bursts -- --ignored --nocapture`
#[test]
#[ignore = "prints how often vehicles of many sizes alarm; takes a minute"]
fn alarms_of_vehicles_of_many_sizes() {
    let mixes = [
        (
            "cars, a coach in eighty",
            [60.0, 80.0, 40.0, 30.0, 10.0, 8.0, 4.0, 3.0],
        ),
        ("cars, a coach in thirty", COACHES),
        (
            "pairs, a coach in twenty",
            [0.0, 95.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0],
        ),
        (
            "pairs, a coach in five",
            [0.0, 8.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0],
        ),
        ("coaches", [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]),
    ];
    eprintln!(
        "alarms a series-year where 0.375 are accepted, by day and by hour, 30 series of 4 years and 10 of 3"
    );
    for (name, mix) in mixes {
        for mean in [2.4, 12.0, 48.0, 192.0] {
            let all = |lens, series: u32, years: u32, mean: f64| {
                let draw = |dice: &mut Dice| vehicles(dice, &mix, mean);
                let of = |seed: u32| alarms(lens, u64::from(seed) + 100, years, draw);
                f64::from((0..series).map(of).sum::<u32>()) / f64::from(series * years)
            };
            let by_day = all(Lens::Day, 30, 4, mean);
            let by_hour = all(Lens::Hour, 10, 3, mean / 24.0);
            eprintln!("{name}, {mean} a day: {by_day:.2} {by_hour:.2}");
            assert!(mean < 40.0 || by_day <= 0.375, "by day from 48 a day on");
            assert!(
                mean < 100.0 || by_hour <= 0.375,
                "by hour from 192 a day on"
            );
        }
    }
}

/// `cargo test --release --test bursts -- --ignored --nocapture`
#[test]
#[ignore = "prints how often families at quiet gates alarm; takes a minute"]
fn alarms_of_families_at_quiet_gates() {
    eprintln!("alarms a series-year by day where 0.375 are accepted, 20 series of 10 years");
    for variance_ratio in [2.0, 3.0, 5.0, 8.0] {
        for mean in [0.05, 0.2, 0.5, 1.0, 2.0] {
            let draw = |dice: &mut Dice| families(dice, mean, variance_ratio);
            let of = |seed: u64| alarms(Lens::Day, seed + 200, 10, draw);
            let rate = f64::from((0..20).map(of).sum::<u32>()) / 200.0;
            eprintln!("{mean} a day, variance {variance_ratio} times the mean: {rate:.2}");
            assert!(mean < 2.0 || rate <= 0.375, "from two a day on");
        }
    }
}
