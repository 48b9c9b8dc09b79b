//! Holds what special days are for: arrivals halved or doubled on them raise fewer false alerts, and no day beside them changes.

mod support;

use jiff::civil::Date;
use jiff::{ToSpan, tz::TimeZone};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::collections::BTreeMap;
use support::Feed;
use surgewatch::core::calendar::DaySpan;
use surgewatch::core::evidence::detectable::minimum_detectable;
use surgewatch::core::holidays::{DayClass, Holidays, Rule};
use surgewatch::core::ids::Partition;
use surgewatch::core::lens::{Lens, LensParams, LensState, Slot};
use surgewatch::core::output::Output;
use surgewatch::core::series::prior;

const YEARS: i32 = 6;

fn holidays() -> Holidays {
    let easter = [-2, 0, 1].map(Rule::WesternEaster);
    let christmas = [(12, 25), (12, 26), (1, 1), (1, 6)].map(|(m, d)| Rule::Fixed(m, d));
    Holidays {
        rules: [&easter[..], &christmas].concat(),
    }
}

/// A Poisson count by inversion.
fn poisson(dice: &mut ChaCha8Rng, mean: f64) -> u64 {
    let mut left = (dice.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    let (mut p, mut y) = ((-mean).exp(), 0_u64);
    while left > p && p > 0.0 {
        left -= p;
        y += 1;
        p *= mean / y as f64;
    }
    y
}

/// Days in alarm, [of special days, of others], of series that know the list, or do not, after two years of learning.
fn alarms(usual: f64, factor: f64, knows: bool) -> [u32; 2] {
    let params = LensParams {
        log_threshold_rise: 7.0,
        log_threshold_drop: 7.0,
        ..LensParams::for_lens(Lens::Day)
    };
    let (listed, mut alarms) = (holidays(), [0; 2]);
    for seed in 0..12 {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let mut state = LensState::new(&params, prior(Lens::Day));
        let begin = Date::constant(2010, 3, 1);
        for day in 0..365 * YEARS {
            let date = begin.checked_add(day.days()).expect("in range");
            let class = listed.day_class(date);
            let is_special = class != DayClass::Usual;
            let mean = usual * if is_special { factor } else { 1.0 };
            let slot = Slot {
                special_log_variance: if knows { class.log_variance() } else { 0.0 },
                ..DaySpan::of(&TimeZone::UTC, date).slot()
            };
            state.close(&params, slot, 1.0, poisson(&mut dice, mean));
            let verdict = state.verdict();
            let is_alarm = verdict.log_evidence_rise >= 7.0 || verdict.log_evidence_drop >= 7.0;
            if is_alarm {
                state.reset_evidence();
                if day > 730 {
                    alarms[usize::from(!is_special)] += 1;
                }
            }
        }
    }
    alarms
}

#[test]
fn holidays_that_halve_or_double_arrivals_raise_fewer_false_alerts() {
    for (usual, factor) in [(40.0, 2.0), (40.0, 0.5), (200.0, 2.0), (200.0, 0.5)] {
        let [known, unknown] = [true, false].map(|knows| alarms(usual, factor, knows));
        eprintln!("{usual} a day, x{factor}: {known:?} known, {unknown:?} unknown");
        assert!(unknown[0] >= 20, "the effect must show: {unknown:?}");
        assert!(2 * known[0] <= unknown[0], "{known:?} {unknown:?}");
        assert!(known[1] <= unknown[1] + 2, "{known:?} {unknown:?}");
    }
}

/// A special day asks for more, and is not deaf: what makes it known is told like on any other day.
#[test]
fn a_surge_on_a_holiday_must_be_larger_to_be_noticed() {
    let params = LensParams {
        log_threshold_rise: 7.0,
        ..LensParams::for_lens(Lens::Day)
    };
    for usual in [4.0, 40.0, 200.0] {
        let mut dice = ChaCha8Rng::seed_from_u64(1);
        let mut state = LensState::new(&params, prior(Lens::Day));
        let mut date = Date::constant(2010, 3, 1);
        for _ in 0..600 {
            let slot = DaySpan::of(&TimeZone::UTC, date).slot();
            state.close(&params, slot, 1.0, poisson(&mut dice, usual));
            date = date.tomorrow().expect("in range");
        }
        let [plain, special] = [DayClass::Usual, DayClass::Holiday].map(|class| {
            let slot = Slot {
                special_log_variance: class.log_variance(),
                ..DaySpan::of(&TimeZone::UTC, date).slot()
            };
            let outlook = state.outlook(&params, slot, 1.0).expect("exposed");
            minimum_detectable(&outlook)
        });
        eprintln!("{usual} a day: +{plain:.0}, on a holiday +{special:.0}");
        assert!(plain < special && special < 15.0 * (plain + usual));
    }
}

/// Through the whole machine: the days of the list are read with a wider band, at the corridors that have one, and all before
/// them as they were.
#[test]
fn a_corridors_holidays_widen_its_days_and_change_nothing_before_them() {
    let made_up = Holidays {
        rules: vec![Rule::Fixed(11, 15)],
    };
    let run = |listed: bool| {
        let mut feed = Feed::finland(1);
        let by_corridor = listed.then(|| ("fi-ru".to_owned(), made_up.clone()));
        feed.params = feed.params.with_holidays(by_corridor.into_iter().collect());
        let (mut engine, mut days) = (feed.engine(), BTreeMap::new());
        engine
            .assign(Partition(0), vec![])
            .expect("nothing to read");
        for (partition, input) in &feed.records {
            let mut take = |output| {
                if let Output::Count {
                    crossing, reading, ..
                } = output
                    && reading.lens == Lens::Day
                    && reading.exposure > 0.0
                {
                    days.insert((reading.start, crossing), reading);
                }
            };
            let handled = engine.handle(*partition, input, &mut take);
            handled.expect("inside the budget");
        }
        let network = feed.network;
        let dated = days.into_iter().map(|((start, crossing), reading)| {
            let date = DaySpan::holding(&network.crossing(crossing).tz, start).date;
            ((date, crossing), reading)
        });
        dated.collect::<BTreeMap<_, _>>()
    };
    let (plain, listed) = (run(false), run(true));
    let is_special = |date: Date| made_up.day_class(date) != DayClass::Usual;
    let first = plain
        .keys()
        .map(|(date, _)| *date)
        .find(|date| is_special(*date));
    let first = first.expect("the replay holds the day");
    for (day, reading) in plain.iter().filter(|((date, _), _)| *date < first) {
        assert_eq!(reading, &listed[day], "{day:?}");
    }
    let on_it = plain.iter().filter(|((date, _), _)| *date == first);
    let mut wider = 0;
    for (day, reading) in on_it {
        let listed = &listed[day];
        let apart = listed.expected / reading.expected - 1.0;
        assert!(apart.abs() < 1e-9, "{day:?}: usual is told as ever");
        assert!(listed.lower <= reading.lower && reading.upper <= listed.upper);
        wider += usize::from(reading.upper < listed.upper);
    }
    assert!(wider > 0, "a wider range of usual counts");
}
