//! Holds the laws of the statistics core over many states: finite, monotone, and the same whichever way they are computed.

use proptest::prelude::*;
use surgewatch::core::lens::{Lens, LensParams, LensParamsError, LensState, Prior, Slot};

/// Sums of logs that are the same number but for the order of their terms.
const ROUNDING: f64 = 1e-9;

fn slot(lens: Lens, t: u32) -> Slot {
    let hours = match lens {
        Lens::Hour => f64::from(t),
        Lens::Day => f64::from(t) * 24.0,
        Lens::Week => f64::from(t) * 168.0,
    };
    Slot::at(hours % 24.0, (hours / 24.0) % 7.0, (hours / 8766.0).fract())
}

fn lens() -> impl Strategy<Value = Lens> {
    prop_oneof![Just(Lens::Day), Just(Lens::Hour), Just(Lens::Week)]
}

fn run(params: &LensParams, prior: Prior, counts: &[u64]) -> LensState {
    let mut state = LensState::new(params, prior);
    for (t, y) in (0..).zip(counts) {
        state.close(params, slot(params.lens, t), 1.0, *y);
    }
    state
}

fn finite(state: &LensState, params: &LensParams, y: u64) {
    let outlook = state
        .outlook(params, slot(params.lens, 5), 0.5)
        .expect("exposed");
    let numbers = [
        outlook.mean(),
        outlook.variance(),
        outlook.ln_upper_tail(y),
        outlook.ln_lower_tail(y),
        outlook.log_evidence_rise(y),
        outlook.log_evidence_drop(y),
        outlook.verdict(y).p_surge,
        outlook.verdict(y).p_drop,
        state.p_usual(),
        state.expected_ratio(params),
    ];
    assert!(numbers.iter().all(|n| n.is_finite()), "{y}: {numbers:?}");
    assert!(outlook.mean() > 0.0 && outlook.variance() > 0.0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_leaves_the_numbers(
        lens in lens(),
        robust in any::<bool>(),
        mean in prop_oneof![Just(1e-6), Just(1.0), Just(1e9)],
        threshold in prop_oneof![Just(f64::INFINITY), 0.5..14.0_f64],
        counts in prop::collection::vec(prop_oneof![Just(0), Just(1_000_000_000), 0..20_u64, 0..1_000_000_000_u64], 1..400),
        y in prop_oneof![Just(0), Just(1_000_000_000), 0..1_000_000_000_u64],
    ) {
        let (log_threshold_rise, log_threshold_drop) = (threshold, threshold);
        let params = LensParams { robust, log_threshold_rise, log_threshold_drop, ..LensParams::for_lens(lens) };
        let state = run(&params, Prior::new(mean, 4.0).expect("in range"), &counts);
        finite(&state, &params, y);
    }

    /// What a lens keeps is on the heap in one piece, of the same size from its first bucket on.
    #[test]
    fn memory_of_a_lens_is_bounded(
        lens in lens(),
        counts in prop::collection::vec((prop_oneof![Just(0), 0..20_u64, 0..1_000_000_000_u64], 0.0..1.0_f64), 1..400),
    ) {
        let params = LensParams { log_threshold_rise: 4.0, log_threshold_drop: 4.0, ..LensParams::for_lens(lens) };
        let mut state = LensState::new(&params, Prior::new(1.0, 4.0).expect("in range"));
        for (t, (y, exposure)) in (0..).zip(&counts) {
            state.close(&params, slot(lens, t), *exposure, *y);
            let kept = postcard::to_stdvec(&state).expect("a state always serialises").len();
            prop_assert!(kept <= 4096, "{kept} bytes after {t}");
        }
    }

    #[test]
    fn more_arrivals_never_lower_the_evidence_of_a_rise(
        lens in lens(),
        mean in prop_oneof![0.02..2.0_f64, 2.0..400.0_f64, 400.0..20_000.0_f64],
        threshold in prop_oneof![Just(f64::INFINITY), 0.5..14.0_f64],
        spread in prop_oneof![Just(0.0), 0.0..0.02_f64, 0.0..1.0_f64],
        bursts in any::<bool>(),
        noise in prop::collection::vec((0.0..1.0_f64, 0.0..1.0_f64), 3..90),
        fill in 1.01..1.3_f64,
    ) {
        let params = LensParams { log_threshold_rise: threshold, ..LensParams::for_lens(lens) };
        // From days that are all alike to bursts of a hundred times as many as on the days between them.
        let count = |(one, other): &(f64, f64)| {
            let height = if !bursts { 1.0 } else if *other < 0.1 { 10.0 } else { 0.1 };
            (mean * height * (1.0 - spread - spread * one.max(1e-9).ln())).round() as u64
        };
        let counts: Vec<u64> = noise.iter().map(count).collect();
        let state = run(&params, Prior::new(mean, 0.5).expect("in range"), &counts);
        let slot = slot(lens, counts.len() as u32);
        let outlook = state.outlook(&params, slot, 1.0).expect("exposed");
        let (mut least, mut least_kept) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        let mut y = 0;
        while y <= 1_000_000_000 {
            let evidence = outlook.log_evidence_rise(y);
            prop_assert!(evidence >= least - ROUNDING, "falls from {least} to {evidence} at {y}");
            least = least.max(evidence);
            if y < 3_000 {
                let mut closed = state.clone();
                closed.close(&params, slot, 1.0, y);
                let kept = closed.log_evidence_rise();
                // What the level that is adopted begins with is nothing, whatever came.
                if !closed.has_just_adopted(&params) {
                    prop_assert!(kept >= least_kept - ROUNDING, "kept falls from {least_kept} to {kept} at {y}");
                    least_kept = kept;
                }
            }
            y = (y + 1).max((y as f64 * if y < 3_000 { 1.0 + (fill - 1.0) / 10.0 } else { fill }) as u64);
        }
    }

    /// Beyond what is kept of it evidence says no more: there a count that is out of all reckoning would count for ever.
    #[test]
    fn a_part_of_a_bucket_alarms_at_the_count_at_which_the_whole_does(
        lens in prop_oneof![Just(Lens::Day), Just(Lens::Hour)],
        counts in prop::collection::vec(0..40_u64, 1..90),
        share in 0.01..1.0_f64,
        y in 0..2_000_u64,
    ) {
        let params = LensParams { log_threshold_rise: 6.0, adopt_after: 0, ..LensParams::for_lens(lens) };
        let state = run(&params, Prior::new(10.0, 0.5).expect("in range"), &counts);
        let t = counts.len() as u32;
        let missed = 1.0 - share;
        let is_hidden = lens == Lens::Day && missed >= 0.125;
        let part = Slot {
            whole_ratio: 1.0 / share,
            is_hidden,
            ..slot(lens, t)
        };
        let of_whole = state.outlook(&params, slot(lens, t), 1.0).expect("exposed");
        let of_part = state.outlook(&params, part, share).expect("exposed");
        prop_assert_eq!(of_part.alarm_count(), of_whole.alarm_count());
        let apart = of_part.leaks().into_iter().zip(of_whole.leaks()).map(|(a, b)| (a - b).abs());
        prop_assert!(apart.fold(0.0, f64::max) < 1e-12);
        let mut closed = state.clone();
        closed.close(&params, part, share, y);
        let want = of_whole.log_evidence_rise(y);
        prop_assert!((of_part.log_evidence_rise(y) - want).abs() < 1e-9);
        prop_assert_eq!(closed.log_evidence_rise() >= 6.0, want >= 6.0);
    }

    #[test]
    fn a_usual_bucket_is_no_evidence_of_a_rise_on_average(
        lens in prop_oneof![Just(Lens::Day), Just(Lens::Week)],
        mean in prop_oneof![0.05..2.0_f64, 2.0..30.0_f64],
        spread in 0.0..1.0_f64,
        noise in prop::collection::vec(0.0..1.0_f64, 1..90),
    ) {
        let params = LensParams { settle_in: 0, learn_whole: 0, drift_memory: 0.0, ..LensParams::for_lens(lens) };
        let count = |n: &f64| (mean * (1.0 - spread - spread * n.max(1e-9).ln())).round() as u64;
        let counts: Vec<u64> = noise.iter().map(count).collect();
        let mut state = run(&params, Prior::new(mean, 0.5).expect("in range"), &counts);
        state.reset_evidence();
        let outlook = state.outlook(&params, slot(lens, counts.len() as u32), 1.0).expect("exposed");
        // With R = 0 before it, R after the bucket is the likelihood ratio of its count.
        let (mut sum, mut from) = (0.0, 1.0);
        for y in 0..600 {
            let above = outlook.ln_upper_tail(y + 1).exp();
            if from > above {
                sum += (from - above) * outlook.log_evidence_rise(y).min(27.0).exp();
            }
            from = above;
        }
        prop_assert!(sum > 0.1 && sum < 1.006, "{sum}");
    }

    #[test]
    fn alarm_counts_part_the_counts_that_alarm_from_those_that_do_not(mean in 0.05..300.0_f64, threshold in 0.5..14.0_f64, noise in prop::collection::vec(0.3..1.7_f64, 30..50)) {
        let params = LensParams { log_threshold_rise: threshold, log_threshold_drop: threshold / 3.0, ..LensParams::for_lens(Lens::Day) };
        let counts: Vec<u64> = noise.iter().map(|n| (mean * n).round() as u64).collect();
        let state = run(&params, Prior::new(mean, 0.5).expect("in range"), &counts);
        let outlook = state.outlook(&params, slot(Lens::Day, counts.len() as u32), 1.0).expect("exposed");
        let alarm = outlook.alarm_count().expect("a finite threshold is reached");
        for y in 0..alarm + 500 {
            prop_assert_eq!(outlook.alarms(y), y >= alarm, "{} of {}", y, alarm);
        }
        // The same for the fall, whose count is the largest that alarms.
        if let Some(alarm) = outlook.drop_alarm_count() {
            prop_assert!(outlook.log_evidence_drop(alarm) >= threshold / 3.0, "{alarm}");
            prop_assert!(alarm >= 1 << 40 || outlook.log_evidence_drop(alarm + 1) < threshold / 3.0, "{alarm}");
        } else {
            prop_assert!(outlook.log_evidence_drop(0) < threshold / 3.0);
        }
    }

    #[test]
    fn what_alarmed_in_the_open_bucket_alarms_at_its_close_whatever_more_comes(
        mean in 0.05..300.0_f64,
        threshold in 0.5..14.0_f64,
        drop in 0.05..1.0_f64,
        noise in prop::collection::vec(0.3..1.7_f64, 35..60),
    ) {
        let params = LensParams { log_threshold_rise: threshold, ..LensParams::for_lens(Lens::Day) };
        // The last days are lower, so that a rise comes as a surprise to the dispersions too.
        let share = |n: usize| if n < 30 { 1.0 } else { drop };
        let counts: Vec<u64> = noise.iter().enumerate().map(|(n, noise)| (mean * noise * share(n)).round() as u64).collect();
        let state = run(&params, Prior::new(mean, 0.5).expect("in range"), &counts);
        let slot = slot(Lens::Day, counts.len() as u32);
        let outlook = state.outlook(&params, slot, 1.0).expect("exposed");
        let alarm = outlook.alarm_count().expect("a finite threshold is reached");
        for more in [0, 1, 2, 3, 5, 8, 12, 20, 40, 80, 150, 300, 600, 1_200, 3_000, 10_000] {
            let mut closed = state.clone();
            closed.close(&params, slot, 1.0, alarm + more);
            prop_assert!(closed.log_evidence_rise() >= threshold, "{alarm} alarms, {more} more: {}", closed.log_evidence_rise());
            prop_assert!(outlook.verdict(alarm + more).log_evidence_rise >= threshold);
        }
        for y in 0..alarm {
            let mut closed = state.clone();
            closed.close(&params, slot, 1.0, y);
            prop_assert!(closed.log_evidence_rise() < threshold, "{y} alarms at its close, the open bucket from {alarm} on");
        }
    }

    #[test]
    fn states_survive_storage(lens in lens(), counts in prop::collection::vec(0..500_u64, 0..30)) {
        let params = LensParams::for_lens(lens);
        let state = run(&params, Prior::default(), &counts);
        let bytes = postcard::to_allocvec(&state).expect("states are plain data");
        prop_assert!(bytes.len() <= 1700, "{} bytes", bytes.len());
        prop_assert_eq!(postcard::from_bytes::<LensState>(&bytes).expect("what was written"), state);
    }
}

#[test]
fn a_long_silence_and_its_end_stay_numbers() {
    let params = LensParams::for_lens(Lens::Day);
    let mut counts = vec![0; 5000];
    let state = run(&params, Prior::default(), &counts);
    finite(&state, &params, 3);
    counts.extend([1_000_000_000; 20]);
    finite(&run(&params, Prior::default(), &counts), &params, 0);
}

#[test]
fn no_exposure_changes_nothing() {
    let params = LensParams::for_lens(Lens::Day);
    let mut state = run(&params, Prior::default(), &[3, 4, 2]);
    let before = state.clone();
    for exposure in [0.0, -0.5, 1.5, f64::NAN, f64::INFINITY] {
        assert_eq!(
            state.outlook(&params, slot(Lens::Day, 4), exposure),
            None,
            "{exposure}"
        );
        assert_eq!(
            state.close(&params, slot(Lens::Day, 4), exposure, 900),
            None,
            "{exposure}"
        );
    }
    assert_eq!(
        state.close(
            &params,
            Slot {
                year: f64::NAN,
                ..slot(Lens::Day, 4)
            },
            1.0,
            900
        ),
        None
    );
    assert_eq!(state, before);
}

#[test]
fn a_surge_is_seen_not_learnt_and_ends() {
    let params = LensParams::for_lens(Lens::Day);
    let usual: Vec<u64> = (0..400).map(|t| 20 + t * 7 % 5).collect();
    let mut state = run(&params, Prior::new(22.0, 0.05).expect("in range"), &usual);
    let mean = |state: &LensState, t| {
        state
            .outlook(&params, slot(Lens::Day, t), 1.0)
            .expect("exposed")
            .mean()
    };
    let before = mean(&state, 407);
    assert!(state.p_surge() < 0.05 && state.log_evidence_rise() < 3.0);
    for t in 400..414 {
        state.close(&params, slot(Lens::Day, t), 1.0, 60);
    }
    assert!(state.p_surge() > 0.99 && state.log_evidence_rise() > 20.0);
    assert!(
        (mean(&state, 414) / before - 1.0).abs() < 0.1,
        "learnt the surge: {} after {before}",
        mean(&state, 414)
    );
    assert!((2.0..3.5).contains(&state.expected_ratio(&params)));
    for t in 414..424 {
        state.close(&params, slot(Lens::Day, t), 1.0, 22);
    }
    assert!(state.p_surge() < 0.05);
    for t in 424..440 {
        state.close(&params, slot(Lens::Day, t), 1.0, 4);
    }
    assert!(state.p_drop() > 0.99 && state.log_evidence_drop() > 20.0);
    state.adopt(0.2, 0.05);
    assert!((mean(&state, 448) / before - 0.2).abs() < 0.05);
    assert!(state.log_evidence_drop() < f64::MIN, "R restarts from 0");
}

/// Days that alarm at an evidence of 7 for a rise and 8 for a drop.
fn alarming() -> LensParams {
    LensParams {
        log_threshold_rise: 7.0,
        log_threshold_drop: 8.0,
        ..LensParams::for_lens(Lens::Day)
    }
}

#[test]
fn a_level_that_stays_is_adopted_within_sixty_days() {
    let params = alarming();
    for (before, after) in [(20, 60), (400, 3000), (60, 15), (0, 9)] {
        let level = |t: u64| {
            let mean = if t < 400 { before } else { after };
            mean + t * 7 % (1 + mean / 5)
        };
        let mut state = LensState::new(&params, Prior::default());
        let mut in_alarm = 0;
        for t in 0..600 {
            state.close(&params, slot(Lens::Day, t), 1.0, level(u64::from(t)));
            let verdict = state.verdict();
            let alarms = verdict.log_evidence_rise >= 7.0 || verdict.log_evidence_drop >= 8.0;
            in_alarm += u32::from(t >= 400 && alarms);
        }
        assert!(
            (10..=60).contains(&in_alarm),
            "{before} to {after}: {in_alarm} days in alarm"
        );
        let usual = state.outlook(&params, slot(Lens::Day, 600), 1.0);
        let mean = usual.expect("exposed").mean();
        assert!(
            (mean / after as f64 - 1.1).abs() < 0.3,
            "{before} to {after}: expects {mean}"
        );
        for t in 600..610 {
            state.close(&params, slot(Lens::Day, t), 1.0, 4 * after + 20);
        }
        assert!(
            state.log_evidence_rise() > 7.0,
            "{before} to {after}: deaf afterwards"
        );
    }
}

/// The way of the Balkan route from October 2015 to September 2016: thousands a day that fall to a hundred and stay there.
#[test]
fn a_fall_in_the_first_year_is_not_expected_to_come_back_with_the_season() {
    let params = alarming();
    let mut state = LensState::new(&params, Prior::default());
    let mut late_alarms = Vec::new();
    for t in 0..430_u32 {
        let mean = match t {
            0..40 => 6_000.0,
            40..160 => 6_000.0 * (-(f64::from(t) - 40.0) * 4.1 / 120.0).exp(),
            _ => 100.0,
        };
        let noise = 0.5 + f64::from(t * 37 % 100) / 100.0;
        state.close(&params, slot(Lens::Day, t), 1.0, (mean * noise) as u64);
        let alarms = state.log_evidence_rise() >= params.log_threshold_rise
            || state.log_evidence_drop() >= params.log_threshold_drop;
        if t >= 260 && alarms {
            late_alarms.push(t);
        }
    }
    assert_eq!(late_alarms, [0; 0], "the level has been the same for long");
    let usual = state.outlook(&params, slot(Lens::Day, 430), 1.0);
    let mean = usual.expect("exposed").mean();
    assert!((50.0..200.0).contains(&mean), "expects {mean}");
}

/// A level of 7 a day lasts for sixty days and is adopted; a fortnight later 30 come, as at Storskog in October 2015.
#[test]
fn a_surge_two_weeks_after_a_new_usual_is_found() {
    let params = alarming();
    let mut state = LensState::new(&params, Prior::default());
    let mut adopted: Option<u32> = None;
    let mut in_alarm = 0;
    for t in 0..520_u32 {
        let mean = match adopted {
            None if t < 400 => 0.3,
            Some(at) if t > at + 14 => 30.0,
            _ => 7.0,
        };
        let count = (mean * (0.6 + f64::from(t * 37 % 80) / 100.0)).round() as u64;
        state.close(&params, slot(Lens::Day, t), 1.0, count);
        if adopted.is_none() && state.has_just_adopted(&params) {
            adopted = Some(t);
        }
        if adopted.is_some_and(|at| (at + 17..at + 57).contains(&t)) {
            in_alarm += u32::from(state.log_evidence_rise() >= params.log_threshold_rise);
        }
    }
    assert!(adopted.is_some_and(|at| at < 460), "{adopted:?}");
    assert_eq!(in_alarm, 40, "from the third day on");
}

/// The drop goes on for 55 days, so that the sixtieth day since its first alarm is one of the rise after it.
#[test]
fn a_rise_after_a_drop_that_almost_lasted_is_no_new_usual() {
    let params = alarming();
    let mut state = LensState::new(&params, Prior::default());
    let mut last_drop = 0;
    for t in 0..470_u32 {
        let mean = match t {
            0..400 => 600,
            400..455 => 110,
            _ => 3_000,
        };
        let count = mean + u64::from(t) * 7 % (1 + mean / 5);
        state.close(&params, slot(Lens::Day, t), 1.0, count);
        if t < 455 && state.log_evidence_drop() >= params.log_threshold_drop {
            last_drop = t;
        }
        assert!(t < 455 || !state.has_just_adopted(&params), "day {t}");
    }
    assert!(last_drop > 445, "the alarms of the drop end on {last_drop}");
    assert!(state.log_evidence_rise() >= params.log_threshold_rise);
}

/// Nobody comes, for eleven years, and then somebody does.
#[test]
fn days_of_none_are_no_evidence_of_a_rise_however_many() {
    let params = alarming();
    let mut state = LensState::new(&params, Prior::default());
    let mut most = f64::NEG_INFINITY;
    for t in 0..4_000 {
        state.close(&params, slot(Lens::Day, t), 1.0, 0);
        most = most.max(state.log_evidence_rise());
    }
    assert!(most < params.log_threshold_rise - 1.9, "{most}");
    let mut slowly = state.clone();
    for t in 4_000..4_003 {
        state.close(&params, slot(Lens::Day, t), 1.0, 3);
        slowly.close(&params, slot(Lens::Day, t), 1.0, u64::from(t == 4_000));
    }
    assert!(state.log_evidence_rise() > 7.0, "three on three days");
    assert!(slowly.log_evidence_rise() < 7.0, "one on one day");
}

#[test]
fn a_new_series_neither_shouts_nor_sleeps() {
    let params = LensParams::for_lens(Lens::Day);
    let prior = Prior::new(0.3, 4.0).expect("in range");
    for mean in [0, 3, 40, 800] {
        let mut state = LensState::new(&params, prior);
        for t in 0..60 {
            let y = mean + u64::from(t) * 7 % (1 + mean / 4);
            state.close(&params, slot(Lens::Day, t), 1.0, y);
        }
        assert!(
            state.log_evidence_rise() < 7.0 && state.p_surge() < 0.5,
            "{mean} shouts: {:?}",
            state.verdict()
        );
        for t in 60..70 {
            state.close(&params, slot(Lens::Day, t), 1.0, 4 * mean + 10);
        }
        assert!(state.log_evidence_rise() > 7.0, "{mean} sleeps");
    }
}

#[test]
fn settings_that_are_no_numbers_are_refused() {
    for lens in [Lens::Day, Lens::Hour, Lens::Week] {
        assert_eq!(LensParams::for_lens(lens).check(), Ok(()));
    }
    let nan_leak = LensParams {
        leak: f64::NAN,
        ..LensParams::for_lens(Lens::Day)
    };
    assert!(matches!(
        nan_leak.check(),
        Err(LensParamsError::OutOfRange { field: "leak", .. })
    ));
    let nan_rise = LensParams {
        rises: vec![2.0, f64::NAN],
        ..LensParams::for_lens(Lens::Day)
    };
    assert_eq!(
        nan_rise.check(),
        Err(LensParamsError::Grid { field: "rises" })
    );
    for (mean, variance) in [
        (0.0, 1.0),
        (-1.0, 1.0),
        (f64::NAN, 1.0),
        (1.0, f64::NAN),
        (1.0, 0.0),
        (1e12, 1.0),
    ] {
        assert_eq!(Prior::new(mean, variance), None, "{mean} {variance}");
    }
}

/// A special day, or one of which hours were hidden, is judged by a wider forecast and told with what is usual on a plain one.
#[test]
fn what_is_told_as_usual_is_the_mean_of_a_bucket_of_its_exposure_in_which_nothing_is_special() {
    for lens in [Lens::Day, Lens::Hour, Lens::Week] {
        let params = LensParams::for_lens(lens);
        let prior = Prior::new(20.0, 1.0).expect("in range");
        let state = run(&params, prior, &[20; 60]);
        let outlook = |special_log_variance| {
            let slot = Slot {
                special_log_variance,
                ..slot(lens, 60)
            };
            state.outlook(&params, slot, 0.4).expect("exposed")
        };
        let plain = outlook(0.0).mean();
        for special in [0.1, 1.0, 2.25] {
            let wide = outlook(special);
            let apart = wide.usual() / plain - 1.0;
            assert!(apart.abs() < 1e-9, "{lens:?} {special}: {apart}");
            assert!(wide.mean() > 1.02 * plain, "{lens:?} {special}");
        }
    }
}
