//! Owns what an open bucket can notice: the smallest surge that would be announced within it nine times in ten.

use super::outlook::Outlook;
use statrs::function::factorial::ln_factorial;

/// Share of such surges that are announced.
pub const NOTICED_SHARE: f64 = 0.9;
/// Alarm counts up to this have the distribution of the usual count laid out; beyond it the surge's own noise is about one part in
/// a hundred of it and taken for normal.
const TABLE_LIMIT: u64 = 1 << 14;
/// The 0.9 quantile of a normal variable.
const NORMAL_QUANTILE: f64 = 1.281_551_565_544_600_4;
/// Halvings of the range of surges: to one part in a million of it.
const HALVINGS: usize = 20;
/// A probability this small changes no digit that is told.
const NEGLIGIBLE: f64 = 1e-12;

/// Smallest mean number of extra arrivals in the bucket, independent of the usual ones and of each other, with which a rise is
/// announced by its end with a probability of [`NOTICED_SHARE`], evidence so far included.
///
/// A rise is announced at [`Outlook::alarm_count`] `a`, so this is the `d` with `P(Y + X < a) = 0.1`, `Y` the forecast and
/// `X` Poisson with mean `d`. 0 where the usual count is enough; infinite where no count is.
#[must_use]
pub fn minimum_detectable(outlook: &Outlook) -> f64 {
    let Some(alarm) = outlook.alarm_count() else {
        return f64::INFINITY;
    };
    if alarm > TABLE_LIMIT {
        return beyond_table(outlook, alarm as f64);
    }
    let below = usual_below(outlook, alarm as usize);
    let is_noticed = |extra: f64| missed_share(&below, extra) <= 1.0 - NOTICED_SHARE;
    if is_noticed(0.0) {
        return 0.0;
    }
    let most = alarm as f64;
    let (mut low, mut high) = (0.0, most + 4.0 * most.sqrt());
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if is_noticed(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// The same where noise is small beside the alarm: both counts' ways from their mean to their 0.1 quantile add up as standard
/// deviations do.
fn beyond_table(outlook: &Outlook, alarm: f64) -> f64 {
    let [low] = outlook.quantiles([1.0 - NOTICED_SHARE]);
    let (mean, low) = (outlook.mean(), low as f64);
    let noise = NORMAL_QUANTILE * (alarm - low).max(0.0).sqrt();
    (alarm - mean + noise.hypot(mean - low)).max(0.0)
}

/// P(Y <= y) for `y` from 0 to `end - 1`. Each dispersion's probabilities follow from the one at its mean by the ratio of
/// neighbours, `P(y + 1) = P(y) odds (size + y) / (y + 1)`, so that none is lost where P(0) underflows.
fn usual_below(outlook: &Outlook, end: usize) -> Vec<f64> {
    let mut share = vec![0.0; end];
    let forecast = &outlook.forecast;
    for part in &forecast.parts {
        let (count, weight) = (part.count, part.ln_weight.exp());
        if weight < NEGLIGIBLE || end == 0 {
            continue;
        }
        let ratio = |y: usize| count.odds() * (count.size() + y as f64) / (y as f64 + 1.0);
        let middle = (count.mean() as usize).min(end - 1);
        let peak = weight * count.ln_pmf(middle as u64).exp();
        let mut p = peak;
        for (y, share) in share.iter_mut().enumerate().skip(middle) {
            *share += p;
            p *= ratio(y);
        }
        p = peak;
        for y in (0..middle).rev() {
            p /= ratio(y);
            share[y] += p;
        }
    }
    let mut sum = 0.0;
    for share in &mut share {
        sum += *share;
        *share = sum;
    }
    share
}

/// P(Y + X <= n - 1) of the `n` values of P(Y <= y), with `X` Poisson of mean `extra`.
fn missed_share(below: &[f64], extra: f64) -> f64 {
    let Some(last) = below.len().checked_sub(1) else {
        return 0.0;
    };
    if extra <= 0.0 {
        return below[last];
    }
    let middle = (extra as usize).min(last);
    let peak = (middle as f64 * extra.ln() - extra - ln_factorial(middle as u64)).exp();
    let (mut missed, mut p) = (0.0, peak);
    for x in middle..=last {
        missed += p * below[last - x];
        p *= extra / (x as f64 + 1.0);
        if p < NEGLIGIBLE {
            break;
        }
    }
    p = peak;
    for x in (0..middle).rev() {
        p *= (x as f64 + 1.0) / extra;
        if p < NEGLIGIBLE {
            break;
        }
        missed += p * below[last - x];
    }
    missed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::lens::{Lens, LensParams, LensState, Prior, Slot};

    /// The next day of a series that had this mean for some days, now above and now below it by a standard deviation.
    fn outlook(mean: f64, days: u32, threshold: f64) -> Outlook {
        let params = LensParams {
            log_threshold_rise: threshold,
            ..LensParams::for_lens(Lens::Day)
        };
        let slot = |day: u32| Slot::at(0.0, f64::from(day % 7), f64::from(day) / 366.0);
        let prior = Prior::new(mean, 4.0).expect("in range");
        let mut state = LensState::new(&params, prior);
        for day in 0..days {
            let sign = if day % 2 == 0 { 1.0 } else { -1.0 };
            let count = (mean + sign * mean.sqrt()).max(0.0).round() as u64;
            state.close(&params, slot(day), 1.0, count);
        }
        state.outlook(&params, slot(days), 1.0).expect("exposed")
    }

    #[test]
    fn the_table_is_the_forecasts_own_distribution() {
        for mean in [0.01, 3.0, 900.0, 9_000.0] {
            let outlook = outlook(mean, 100, 9.0);
            let below = usual_below(&outlook, 12_000);
            for y in [0, 2, 850, 9_100] {
                let exact = outlook.ln_lower_tail(y).exp();
                let got = below[y as usize];
                assert!((got - exact).abs() < 1e-9, "{mean}, {y}: {got} {exact}");
            }
        }
    }

    /// With no usual arrivals at all a surge is missed when its own count stays below the alarm: P(X < 3) = 0.1 at a mean of
    /// 5.3223, half the 0.9 quantile of chi-squared with 6 degrees of freedom.
    #[test]
    fn a_surge_alone_is_missed_as_a_poisson_count_is() {
        let missed = missed_share(&[1.0; 3], 5.322_320);
        assert!((missed - 0.1).abs() < 1e-6, "{missed}");
        assert!(missed_share(&[], 1.0) <= 0.0);
    }

    #[test]
    fn nothing_is_asked_of_a_line_that_is_passed_and_all_of_none() {
        let [passed, none] =
            [-1e9, f64::INFINITY].map(|ln| minimum_detectable(&outlook(4.0, 100, ln)));
        assert!(passed <= 0.0, "{passed}");
        assert!(none.is_infinite(), "{none}");
    }

    #[test]
    fn a_higher_line_and_a_newer_series_ask_for_more() {
        let asked = |days, ln| minimum_detectable(&outlook(4.0, days, ln));
        assert!(asked(100, 12.0) > asked(100, 8.0));
        assert!(asked(3, 8.0) > 2.0 * asked(100, 8.0));
    }

    /// Where the table ends the short form takes over without a step.
    #[test]
    fn both_forms_agree_at_the_limit() {
        let outlook = outlook(12_000.0, 100, 9.0);
        let alarm = outlook.alarm_count().expect("there is one");
        assert!(alarm < TABLE_LIMIT, "{alarm}");
        let short = beyond_table(&outlook, alarm as f64);
        let long = minimum_detectable(&outlook);
        assert!((short / long - 1.0).abs() < 0.01, "{short} {long}");
    }
}
