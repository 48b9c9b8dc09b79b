//! Owns the negative binomial distribution of one dispersion: log probability and both log tails, exact far into the tail.

use super::special::{ln_rising_ratio, stirling_remainder};
use statrs::function::factorial::ln_factorial;
use statrs::function::gamma::ln_gamma;

/// From this count on ratios of gamma functions come from their asymptotic series; below it they are products of few factors.
const LARGE: f64 = 17.0;

/// Direct tail sums stop here and leave the rest to the continued fraction.
const MAX_SUM_TERMS: u32 = 64;
/// Terms of a tail that fall by less than this factor need more of them than that: 0.56^64 is below the rounding of their sum.
const MAX_SUM_RATIO: f64 = 0.56;
/// The continued fraction needs about the square root of the larger parameter; 1e9 asks for some 30,000 terms.
const MAX_FRACTION_TERMS: u32 = 200_000;

/// Negative binomial with mean `mean` and variance `mean + mean^2 / size`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NegBin {
    size: f64,
    mean: f64,
    /// -ln P(Y = 0) / size, asked for again and again.
    ln_growth: f64,
}

impl NegBin {
    /// Size and mean must be positive and finite.
    #[must_use]
    pub fn new(size: f64, mean: f64) -> Option<Self> {
        let ok = size > 0.0 && size.is_finite() && mean > 0.0 && mean.is_finite();
        let ln_growth = (mean / size).ln_1p();
        ok.then_some(Self {
            size,
            mean,
            ln_growth,
        })
    }

    /// Mean count.
    #[must_use]
    pub fn mean(self) -> f64 {
        self.mean
    }

    /// Size (shape of the Gamma behind it).
    #[must_use]
    pub fn size(self) -> f64 {
        self.size
    }

    /// Variance of the count.
    #[must_use]
    pub fn variance(self) -> f64 {
        self.mean * (1.0 + self.mean / self.size)
    }

    /// mean / (size + mean): how fast the upper tail falls.
    #[must_use]
    pub fn odds(self) -> f64 {
        self.mean / (self.size + self.mean)
    }

    /// ln P(Y = y): the Poisson probability times what the Gamma mixing changes in it, each free of large cancelling terms.
    #[must_use]
    pub fn ln_pmf(self, y: u64) -> f64 {
        let count = y as f64;
        if count >= LARGE && self.size < count {
            // Around Gamma(y + 1): `y ln(mean)` and `ln y!` would cancel, at a thousand million to the fifth decimal.
            let beyond = self.size - 1.0;
            return ln_rising_ratio(count + 1.0, beyond) + beyond * (count + 1.0).ln()
                - ln_gamma(self.size)
                - self.size * self.ln_growth
                - count * (self.size / self.mean).ln_1p();
        }
        let mixing = ln_rising_ratio(self.size, count) - (self.size + count) * self.ln_growth;
        mixing + ln_power_over_factorial(self.mean, y)
    }

    /// ln P(Y >= y).
    #[must_use]
    pub fn ln_upper_tail(self, y: u64) -> f64 {
        if y == 0 {
            0.0
        } else if self.is_above(y) {
            self.upper_from_tail(y)
        } else {
            ln_complement(self.lower_from_tail(y - 1))
        }
    }

    /// ln P(Y <= y).
    #[must_use]
    pub fn ln_lower_tail(self, y: u64) -> f64 {
        if self.is_above(y + 1) {
            ln_complement(self.upper_from_tail(y + 1))
        } else {
            self.lower_from_tail(y)
        }
    }

    /// A bound of ln P(Y >= y) that costs one probability: beyond the mean the terms fall at least as fast as a geometric series.
    #[must_use]
    pub fn ln_upper_bound(self, y: u64) -> f64 {
        let (count, odds) = (y as f64, self.odds());
        let ratio = ((self.size + count) * odds / (count + 1.0)).max(odds);
        if y > 0 && ratio < 1.0 {
            (self.ln_pmf(y) - (-ratio).ln_1p()).min(0.0)
        } else {
            0.0
        }
    }

    /// The same of ln P(Y <= y), for counts below the mean; 0 where the terms need not fall.
    #[must_use]
    pub fn ln_lower_bound(self, y: u64) -> f64 {
        let count = y as f64;
        let ratio = count / ((self.size + count - 1.0) * self.odds());
        if self.size >= 1.0 && ratio < 1.0 {
            (self.ln_pmf(y) - (-ratio).ln_1p()).min(0.0)
        } else {
            0.0
        }
    }

    /// Whether P(Y >= y) is the smaller tail, by the convergence rule of the continued fraction.
    fn is_above(self, y: u64) -> bool {
        let count = y as f64;
        self.odds() * (count + self.size + 2.0) < count + 1.0
    }

    /// P(Y >= y) from P(Y = y) and the ratios of its neighbours upwards, all below 1 on this side.
    fn upper_from_tail(self, y: u64) -> f64 {
        let odds = self.odds();
        let (mut term, mut sum, mut at) = (1.0, 1.0, y as f64);
        let terms = if odds > MAX_SUM_RATIO {
            0
        } else {
            MAX_SUM_TERMS
        };
        for _ in 0..terms {
            let ratio = (self.size + at) * odds / (at + 1.0);
            term *= ratio;
            sum += term;
            // The ratio only moves towards `odds`: what is left is at most this geometric series.
            let limit = ratio.max(odds);
            if limit < 1.0 && term * limit < 1e-16 * sum * (1.0 - limit) {
                return self.ln_pmf(y) + f64::ln(sum);
            }
            at += 1.0;
        }
        // P(Y >= y) = I_odds(y, size), whose leading factor is P(Y = y).
        self.ln_pmf(y) + ln_beta_fraction(y as f64, self.size, odds)
    }

    /// P(Y <= y) from P(Y = y) and the ratios of its neighbours downwards.
    fn lower_from_tail(self, y: u64) -> f64 {
        let odds = self.odds();
        let (mut term, mut sum, mut at) = (1.0, 1.0, y as f64);
        for _ in 0..MAX_SUM_TERMS {
            if at < 1.0 {
                return self.ln_pmf(y) + f64::ln(sum);
            }
            let ratio = at / ((self.size + at - 1.0) * odds);
            term *= ratio;
            sum += term;
            // For size >= 1 the ratio falls as the count does; below that only the end of the loop is safe.
            if self.size >= 1.0 && ratio < 1.0 && term * ratio < 1e-16 * sum * (1.0 - ratio) {
                return self.ln_pmf(y) + f64::ln(sum);
            }
            at -= 1.0;
        }
        let p = self.size / (self.size + self.mean);
        // P(Y <= y) = I_p(size, y + 1); its leading factor is P(Y = y) odds (size + y) / size.
        let count = y as f64;
        self.ln_pmf(y)
            + odds.ln()
            + (count / self.size).ln_1p()
            + ln_beta_fraction(self.size, count + 1.0, p)
    }
}

/// ln(mean^y / y!).
fn ln_power_over_factorial(mean: f64, y: u64) -> f64 {
    let count = y as f64;
    if y == 0 {
        return 0.0;
    }
    if y < 171 {
        return count * mean.ln() - ln_factorial(y);
    }
    count * (mean / count).ln() + count
        - 0.5 * (std::f64::consts::TAU * count).ln()
        - stirling_remainder(count)
}

/// ln of the continued fraction of the incomplete beta function: `I_x(a, b) = x^a (1 - x)^b / (a B(a, b))` times it, for
/// `x < (a + 1) / (a + b + 2)` (DLMF 8.17.22, evaluated by Lentz's method).
fn ln_beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away = |v: f64| if v.abs() < TINY { TINY } else { v };
    let (mut c, mut d) = (1.0, 1.0 / away(1.0 - (a + b) * x / (a + 1.0)));
    let mut value = d;
    for m in 1..=MAX_FRACTION_TERMS {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away(1.0 + even * d);
        c = away(1.0 + even / c);
        value *= c * d;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away(1.0 + odd * d);
        c = away(1.0 + odd / c);
        value *= c * d;
        if (c * d - 1.0).abs() < 1e-15 {
            break;
        }
    }
    value.max(f64::MIN_POSITIVE).ln()
}

/// ln(1 - exp(x)) for `x <= 0`.
fn ln_complement(x: f64) -> f64 {
    if x > -std::f64::consts::LN_2 {
        (-x.exp_m1()).max(f64::MIN_POSITIVE).ln()
    } else {
        (-x.exp()).ln_1p()
    }
}

#[cfg(test)]
#[allow(
    clippy::excessive_precision,
    reason = "expected numbers stand as mpmath printed them"
)]
mod tests {
    use super::*;

    /// (name, size, mean, y, ln P(Y = y), ln P(Y >= y), ln P(Y <= y)); mpmath 1.3 at 50 digits, tails by summation, but for "a
    /// thousand million", whose tails are scipy's `betainc`.
    const CASES: [(&str, f64, f64, u64, f64, f64, f64); 12] = [
        (
            "quiet, zero",
            0.2,
            0.3,
            0,
            -0.183_258_146_374_831_01,
            0.0,
            -0.183_258_146_374_831_01,
        ),
        (
            "quiet, some",
            0.2,
            0.3,
            5,
            -5.565_301_668_167_702,
            -4.809_387_041_558_348,
            -0.004_333_807_463_159_821,
        ),
        (
            "small, zero",
            2.0,
            10.0,
            0,
            -3.583_518_938_456_11,
            0.0,
            -3.583_518_938_456_11,
        ),
        (
            "small, high",
            2.0,
            10.0,
            25,
            -4.883_461_320_283_494,
            -2.915_811_184_591_774,
            -0.047_709_529_647_144_96,
        ),
        (
            "at the mean",
            100.0,
            100.0,
            100,
            -3.569_347_211_270_514,
            -std::f64::consts::LN_2,
            -0.638_329_050_651_794_2,
        ),
        (
            "rare, 1e-94",
            2.5,
            0.01,
            40,
            -215.733_349_733_260_98,
            -215.729_211_374_267_6,
            0.0,
        ),
        (
            "1e-188",
            1000.0,
            50.0,
            400,
            -433.104_854_307_322_3,
            -432.923_101_825_659_8,
            0.0,
        ),
        (
            "nearly Poisson",
            1e9,
            800.0,
            1500,
            -247.488_349_166_118_37,
            -246.727_832_063_273_23,
            0.0,
        ),
        (
            "lower tail",
            5.0,
            1e4,
            0,
            -38.007_011_672_918_67,
            0.0,
            -38.007_011_672_918_67,
        ),
        (
            "long tail",
            5.0,
            1e4,
            90_000,
            -40.543_448_345_352_01,
            -32.851_215_998_589_65,
            -5.403_808_235_848_587e-15,
        ),
        (
            "a million",
            1e6,
            1e6,
            1_010_000,
            -33.056_460_974_256_82,
            -27.767_371_196_815_76,
            -8.681_339_914_631_583e-13,
        ),
        (
            "1e-351",
            3.0,
            7.0,
            2300,
            -809.174_803_973_303,
            -807.968_803_067_535_9,
            0.0,
        ),
    ];

    #[test]
    fn agrees_with_mpmath() {
        for (name, size, mean, y, pmf, upper, lower) in CASES {
            let nb = NegBin::new(size, mean).expect("positive");
            // A log near 0 is a probability near 1: absolute there, relative elsewhere, by the size of the terms that cancel.
            let slack = 1e-13 * (y as f64).max(1.0).sqrt().max(10.0);
            for (what, got, want) in [
                ("pmf", nb.ln_pmf(y), pmf),
                ("upper", nb.ln_upper_tail(y), upper),
                ("lower", nb.ln_lower_tail(y), lower),
            ] {
                assert!(
                    (got - want).abs() <= slack * want.abs().max(1e-3),
                    "{name}: {what} is {got}, mpmath says {want}"
                );
            }
        }
    }

    #[test]
    fn a_thousand_million() {
        let nb = NegBin::new(1e9, 1e9).expect("positive");
        for (got, want) in [
            (nb.ln_pmf(999_900_000), -14.127_195_046_249_805),
            (nb.ln_upper_tail(999_900_000), -0.012_752_801_125_581_047),
            (nb.ln_lower_tail(999_900_000), -4.368_316_178_507_872),
        ] {
            assert!((got - want).abs() < 1e-6 * want.abs(), "{got} for {want}");
        }
    }

    #[test]
    fn bounds_are_above_the_tails() {
        for size in [0.2, 0.99, 1.0, 3.0, 80.0, 1e7] {
            for mean in [0.01, 1.0, 50.0, 4000.0] {
                let nb = NegBin::new(size, mean).expect("positive");
                for y in [0, 1, 2, 7, 45, 60, 300, 3000, 4001, 90_000] {
                    let (upper, lower) = (nb.ln_upper_tail(y), nb.ln_lower_tail(y));
                    let what = format!("size {size}, mean {mean}, y {y}");
                    assert!(
                        nb.ln_upper_bound(y) >= upper - 1e-9,
                        "{what}: upper {upper}"
                    );
                    assert!(
                        nb.ln_lower_bound(y) >= lower - 1e-9,
                        "{what}: lower {lower}"
                    );
                }
            }
        }
    }

    #[test]
    fn tails_meet() {
        for (size, mean) in [
            (0.2, 0.01),
            (0.2, 50.0),
            (3.0, 4000.0),
            (1e7, 300.0),
            (40.0, 1e6),
        ] {
            let nb = NegBin::new(size, mean).expect("positive");
            for y in [1, 2, 7, 50, 290, 310, 3000, 4001, 900_000, 1_100_000] {
                let sum = nb.ln_upper_tail(y).exp() + nb.ln_lower_tail(y - 1).exp();
                assert!(
                    (sum - 1.0).abs() < 1e-9,
                    "size {size}, mean {mean}, y {y}: {sum}"
                );
            }
        }
    }

    #[test]
    fn refuses_what_is_no_distribution() {
        for (size, mean) in [
            (0.0, 1.0),
            (1.0, 0.0),
            (-1.0, 1.0),
            (f64::NAN, 1.0),
            (1.0, f64::NAN),
            (f64::INFINITY, 1.0),
        ] {
            assert_eq!(NegBin::new(size, mean), None, "{size} {mean}");
        }
    }
}
