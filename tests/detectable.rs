//! Holds the stated detectable surge to its word: it is added to thousands of simulated days, and nine in ten of them are announced.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use surgewatch::core::evidence::detectable::{NOTICED_SHARE, minimum_detectable};
use surgewatch::core::lens::{Lens, LensParams, LensState, Slot};
use surgewatch::core::params::{Budget, log_threshold};
use surgewatch::core::prior::Kind;
use surgewatch::core::series::prior;

const BUDGET: Budget = Budget {
    false_alerts_per_year: 12.0,
    drop_share_ratio: 0.25,
    hour_share_ratio: 0.3,
    group_share_ratio: 0.1,
};
/// Standard errors a share may lie off.
const ERRORS: f64 = 3.5;

/// The day lens of one series among thirty.
fn params() -> LensParams {
    let line = |direction| log_threshold(1.0 / 30.0, BUDGET, Lens::Day, direction);
    LensParams {
        log_threshold_rise: line(surgewatch::core::alert::Direction::Surge),
        log_threshold_drop: line(surgewatch::core::alert::Direction::Drop),
        ..LensParams::for_lens(Lens::Day)
    }
}

fn slot(day: u32) -> Slot {
    Slot::at(0.0, f64::from(day % 7), (f64::from(day) / 365.25).fract())
}

struct Dice(ChaCha8Rng);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The sum of twelve uniforms, about normal.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    /// A negative binomial count by inversion, about normal where the mean is large; with a ratio of 1 a Poisson count.
    fn count(&mut self, mean: f64, variance_to_mean_ratio: f64) -> u64 {
        if mean > 500.0 {
            let spread = (mean * variance_to_mean_ratio).sqrt();
            return (mean + spread * self.normal()).max(0.0).round() as u64;
        }
        let excess = variance_to_mean_ratio - 1.0;
        let (mut p, next): (f64, Box<dyn Fn(f64) -> f64>) = if excess > 0.0 {
            let (size, odds) = (mean / excess, excess / variance_to_mean_ratio);
            let none = (size * (1.0 - odds).ln()).exp();
            (none, Box::new(move |y| odds * (size + y) / (y + 1.0)))
        } else {
            ((-mean).exp(), Box::new(move |y| mean / (y + 1.0)))
        };
        let (mut left, mut y) = (self.uniform(), 0.0);
        while left > p && p > 0.0 {
            left -= p;
            p *= next(y);
            y += 1.0;
        }
        y as u64
    }
}

/// How many days had the stated surge added, and how many of them were announced. The series itself never sees one.
#[derive(Default)]
struct Injected {
    days: u32,
    noticed: u32,
    stated: f64,
}

impl Injected {
    fn day(
        &mut self,
        state: &LensState,
        params: &LensParams,
        day: u32,
        usual: u64,
        dice: &mut Dice,
    ) {
        let outlook = state.outlook(params, slot(day), 1.0).expect("exposed");
        let stated = minimum_detectable(&outlook);
        let observed = usual + dice.count(stated, 1.0);
        self.days += 1;
        self.noticed += u32::from(outlook.alarm_count().is_some_and(|least| observed >= least));
        self.stated += stated;
    }

    fn share(&self) -> f64 {
        f64::from(self.noticed) / f64::from(self.days)
    }

    fn error(&self) -> f64 {
        (NOTICED_SHARE * (1.0 - NOTICED_SHARE) / f64::from(self.days)).sqrt()
    }
}

/// Days of a series that has been watched for a year: mean, variance / mean, height of the week.
fn settled(mean: f64, ratio: f64, week: f64, seed: u64) -> Injected {
    let (params, mut dice, mut injected) = (params(), Dice::new(seed), Injected::default());
    let mut state = LensState::new(&params, prior(Lens::Day));
    for day in 0..365 + 3_000 {
        let height = (week * (std::f64::consts::TAU * f64::from(day) / 7.0).cos()).exp();
        let usual = dice.count(mean * height, ratio);
        if day >= 365 {
            injected.day(&state, &params, day, usual, &mut dice);
        }
        state.close(&params, slot(day), 1.0, usual);
    }
    injected
}

#[test]
fn nine_in_ten_of_the_stated_surges_are_noticed_within_the_day() {
    for (seed, (mean, ratio, week)) in (1..).zip([
        (0.05, 1.0, 0.0),
        (0.6, 1.0, 0.0),
        (4.0, 1.0, 0.3),
        (40.0, 2.0, 0.5),
        (250.0, 4.0, 0.2),
    ]) {
        let injected = settled(mean, ratio, week, seed);
        let (share, error) = (injected.share(), injected.error());
        eprintln!(
            "{mean} a day, variance {ratio} times it: +{:.1}, {share:.4} noticed",
            injected.stated / f64::from(injected.days)
        );
        assert!(
            (share - NOTICED_SHARE).abs() < ERRORS * error,
            "{mean} a day: {share}"
        );
    }
}

/// A new series states what it can do from its first day on: nothing while it settles in, and then what it says. Levels are drawn
/// from what is believed of new series, days are of the first two months.
#[test]
fn a_new_series_neither_shouts_nor_sleeps_and_says_so() {
    let params = params();
    let mut dice = Dice::new(99);
    let mut by_age = [(); 4].map(|()| Injected::default());
    for _ in 0..1_500 {
        let mean = 0.3 * (2.0 * dice.normal()).exp();
        let mut state = LensState::new(&params, prior(Lens::Day));
        for day in 0..60 {
            let usual = dice.count(mean, 1.0);
            let outlook = state.outlook(&params, slot(day), 1.0).expect("exposed");
            let is_silent = minimum_detectable(&outlook).is_infinite();
            assert_eq!(is_silent, day < params.settle_in, "day {day}");
            if let Some(at) = [2, 7, 14, 59].iter().position(|age| *age == day) {
                by_age[at].day(&state, &params, day, usual, &mut dice);
            }
            state.close(&params, slot(day), 1.0, usual);
        }
    }
    for injected in &by_age {
        let (share, stated) = (injected.share(), injected.stated / f64::from(injected.days));
        eprintln!("+{stated:.1}, {share:.4} noticed");
        assert!(
            (share - NOTICED_SHARE).abs() < ERRORS * injected.error(),
            "{share}"
        );
    }
    assert!(by_age[3].stated < 0.2 * by_age[0].stated, "it learns");
}

/// Crossings of a kind of which is said what they usually count, to within a factor, and how bursty they are: what they can do is
/// stated from the first day on, a week later they notice a surge a quarter as large as those of which nothing is known, and they alarm no
/// oftener than accepted.
#[test]
fn a_new_series_of_a_known_kind_is_judged_from_its_first_day() {
    let params = params();
    let accepted_a_year =
        365.25 / params.log_threshold_rise.exp() + 365.25 / params.log_threshold_drop.exp();
    for (seed, (usual_per_day, within_factor, dispersion_ratio)) in
        (1..).zip([(0.5, 3.0, 1.0), (8.0, 2.0, 1.5), (200.0, 1.5, 4.0)])
    {
        let kind = Kind {
            usual_per_day,
            within_factor,
            dispersion_ratio,
        };
        let [known, _] = kind.priors(1.0);
        let mut dice = Dice::new(seed);
        let mut by_age = [(); 3].map(|()| Injected::default());
        let (mut alarms, mut unknown_states) = (0, 0.0);
        for _ in 0..SERIES {
            let mean = usual_per_day * (within_factor.ln() * dice.normal()).exp();
            let mut state = LensState::new(&params, known);
            let mut unknown = LensState::new(&params, prior(Lens::Day));
            let mut is_told = false;
            for day in 0..60 {
                let usual = dice.count(mean, dispersion_ratio);
                if let Some(at) = [0, 7, 59].iter().position(|age| *age == day) {
                    by_age[at].day(&state, &params, day, usual, &mut dice);
                }
                if day == 7 {
                    let outlook = unknown.outlook(&params, slot(day), 1.0).expect("exposed");
                    unknown_states += minimum_detectable(&outlook) / f64::from(SERIES);
                }
                state.close(&params, slot(day), 1.0, usual);
                unknown.close(&params, slot(day), 1.0, usual);
                let is_over = state.log_evidence_rise() >= params.log_threshold_rise
                    || state.log_evidence_drop() >= params.log_threshold_drop;
                alarms += u32::from(is_over && !is_told);
                is_told |= is_over;
            }
        }
        let accepted = accepted_a_year * f64::from(SERIES) * 60.0 / 365.25;
        let stated = by_age.each_ref().map(|i| i.stated / f64::from(i.days));
        let shares = by_age.each_ref().map(Injected::share);
        eprintln!(
            "{usual_per_day} a day within {within_factor}: {alarms} alarmed of {SERIES}, {accepted:.1} accepted; stated {stated:.1?}, noticed {shares:.3?}; nothing known: +{unknown_states:.0} on the eighth day"
        );
        assert!(f64::from(alarms) <= accepted, "{usual_per_day}: {alarms}");
        for (injected, share) in by_age.iter().zip(shares) {
            // What is not known yet makes it state rather more than it needs.
            let least = NOTICED_SHARE - ERRORS * injected.error();
            assert!(share > least, "{usual_per_day}: {share}");
        }
        assert!(
            stated[1] * 4.0 < unknown_states,
            "{usual_per_day}: {stated:?}"
        );
    }
}

/// Series of each kind that begin.
const SERIES: u32 = 1_000;
