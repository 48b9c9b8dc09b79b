//! Owns the special functions the filter needs and statrs has not: polygammas, the inverse of trigamma, stable gamma ratios.

use statrs::function::gamma::ln_gamma;

/// From here on the asymptotic series below are exact to double precision.
const ASYMPTOTIC_FROM: f64 = 10.0;

/// More steps than this cost more than the series.
const STEPS_MAX: f64 = 16.0;

/// Digamma, trigamma and tetragamma of one `x > 0`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Polygamma {
    /// psi(x), the derivative of ln Gamma.
    pub digamma: f64,
    /// psi'(x) > 0.
    pub trigamma: f64,
    /// psi''(x) < 0.
    pub tetragamma: f64,
}

impl Polygamma {
    /// By how much each changes from `x`, which these are of, to `x + by`, `by >= 0`. Few whole steps are added up, as the
    /// recurrence has them.
    #[must_use]
    pub fn moved(&self, x: f64, by: f64) -> Self {
        let steps = by as u32;
        if by <= STEPS_MAX && f64::from(steps).to_bits() == by.to_bits() {
            let mut moved = Self {
                digamma: 0.0,
                trigamma: 0.0,
                tetragamma: 0.0,
            };
            let mut z = x;
            for _ in 0..steps {
                let r = 1.0 / z;
                moved.digamma += r;
                moved.trigamma -= r * r;
                moved.tetragamma += 2.0 * r * r * r;
                z += 1.0;
            }
            return moved;
        }
        let after = polygamma(x + by);
        Self {
            digamma: after.digamma - self.digamma,
            trigamma: after.trigamma - self.trigamma,
            tetragamma: after.tetragamma - self.tetragamma,
        }
    }
}

/// The three polygammas at once: recurrence up to 10, then the asymptotic series (Abramowitz & Stegun 6.3.18, 6.4.12, 6.4.13).
///
/// One call shares the recurrence and the powers of `1 / x`, which statrs' digamma alone would cost.
#[must_use]
pub fn polygamma(x: f64) -> Polygamma {
    assert!(x > 0.0, "polygamma is asked for positive numbers only");
    let (mut z, mut d0, mut d1, mut d2) = (x, 0.0, 0.0, 0.0);
    while z < ASYMPTOTIC_FROM {
        let r = 1.0 / z;
        d0 -= r;
        d1 += r * r;
        d2 -= 2.0 * r * r * r;
        z += 1.0;
    }
    let r = 1.0 / z;
    let s = r * r;
    let digamma = z.ln()
        - 0.5 * r
        - s * (1.0 / 12.0
            - s * (1.0 / 120.0
                - s * (1.0 / 252.0
                    - s * (1.0 / 240.0
                        - s * (1.0 / 132.0 - s * (691.0 / 32_760.0 - s * (1.0 / 12.0)))))));
    let trigamma = r
        * (1.0
            + 0.5 * r
            + s * (1.0 / 6.0
                - s * (1.0 / 30.0
                    - s * (1.0 / 42.0
                        - s * (1.0 / 30.0
                            - s * (5.0 / 66.0 - s * (691.0 / 2730.0 - s * (7.0 / 6.0))))))));
    let tetragamma = -s
        * (1.0
            + r
            + s * (0.5
                - s * (1.0 / 6.0
                    - s * (1.0 / 6.0
                        - s * (3.0 / 10.0
                            - s * (5.0 / 6.0 - s * (691.0 / 210.0 - s * (35.0 / 2.0))))))));
    Polygamma {
        digamma: digamma + d0,
        trigamma: trigamma + d1,
        tetragamma: tetragamma + d2,
    }
}

/// The `x` with trigamma(x) = `q`, together with its polygammas, for `q` in `[1e-12, 1e6]`.
///
/// Newton's method on 1 / trigamma, which is convex and nearly linear (Smyth 2004, limma, appendix "Inversion of trigamma"). The
/// last step is taken by the polygammas' own derivatives; it is so small that what that leaves out is under the rounding.
#[must_use]
pub fn trigamma_inverse(q: f64) -> (f64, Polygamma) {
    assert!(
        (1e-12..=1e6).contains(&q),
        "trigamma is inverted inside [1e-12, 1e6]"
    );
    let mut x = trigamma_inverse_start(q);
    let mut p = polygamma(x);
    for _ in 0..20 {
        let step = p.trigamma * (1.0 - p.trigamma / q) / p.tetragamma;
        x += step;
        if step.abs() <= 3e-8 * x {
            p.digamma += p.trigamma * step;
            p.trigamma += p.tetragamma * step;
            break;
        }
        p = polygamma(x);
    }
    (x, p)
}

/// Trigamma's series in `u = 1 / x`, `u + u^2 / 2 + u^3 / 6 - u^5 / 30 + ...` (Abramowitz & Stegun 6.4.12), is
/// `exp(u) - 1 - u^4 (1 + u) / 24` up to terms in `u^6`: good to 1e-3 for x above 0.9. Below, it serves trigamma(1 + x) in
/// `trigamma(x) = 1 / x^2 + trigamma(1 + x)`.
fn trigamma_inverse_start(q: f64) -> f64 {
    let beyond_exp = |u: f64| u.powi(4) * (1.0 + u) / 24.0;
    let inverse = (q + beyond_exp(q.ln_1p())).ln_1p();
    if q < 1.8 {
        return 1.0 / inverse;
    }
    let trigamma_of_next = |x: f64| {
        let u = 1.0 / (1.0 + x);
        u.exp_m1() - beyond_exp(u)
    };
    let first = if q < 8.0 {
        1.0 / inverse
    } else {
        1.0 / (q - trigamma_of_next(1.0 / q.sqrt())).sqrt()
    };
    1.0 / (q - trigamma_of_next(first)).sqrt()
}

/// Stirling's remainder: ln Gamma(x) - ((x - 1/2) ln x - x + ln(2 pi) / 2), for `x > 0`.
#[must_use]
pub fn stirling_remainder(x: f64) -> f64 {
    if x < ASYMPTOTIC_FROM {
        return ln_gamma(x) - ((x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln());
    }
    let r = 1.0 / x;
    let s = r * r;
    r * (1.0 / 12.0
        - s * (1.0 / 360.0
            - s * (1.0 / 1260.0
                - s * (1.0 / 1680.0 - s * (1.0 / 1188.0 - s * (691.0 / 360_360.0))))))
}

/// ln(Gamma(a + y) / (Gamma(a) a^y)) for `a > 0`, `y >= 0`, or `y > -1` where `a > 10`: without the cancellation of two large ln Gamma.
/// Of few whole steps it is the product of `1 + step / a`.
#[must_use]
pub fn ln_rising_ratio(a: f64, y: f64) -> f64 {
    if y <= STEPS_MAX && y.fract() == 0.0 && y >= 0.0 {
        let steps = (1..y as u32).map(|step| 1.0 + f64::from(step) / a);
        return steps.product::<f64>().ln();
    }
    if a < ASYMPTOTIC_FROM {
        return ln_gamma(a + y) - ln_gamma(a) - y * a.ln();
    }
    (a + y - 0.5) * (y / a).ln_1p() - y + stirling_remainder(a + y) - stirling_remainder(a)
}

/// ln of the sum of exponentials; minus infinity where there are none.
#[must_use]
pub fn ln_sum_exp(terms: &[f64]) -> f64 {
    /// Terms that are worked on side by side.
    const AT_ONCE: usize = 8;
    let most = |most: f64, term: &f64| if *term > most { *term } else { most };
    let high = terms.iter().fold(f64::NEG_INFINITY, most);
    if high == f64::NEG_INFINITY {
        return high;
    }
    let mut sum = 0.0;
    for terms in terms.chunks(AT_ONCE) {
        let mut shares = [f64::NEG_INFINITY; AT_ONCE];
        for (share, term) in shares.iter_mut().zip(terms) {
            *share = term - high;
        }
        exp_each(&mut shares);
        sum += shares[..terms.len()].iter().sum::<f64>();
    }
    high + sum.ln()
}

/// exp of numbers from -700 to 700, all side by side; below that range as at its end. Within 2 units in the last place.
///
/// The method and polynomial are fdlibm's `e_exp.c` (Sun Microsystems 1993), without branches, so that a processor works on
/// several numbers at once: a bucket asks for hundreds.
pub fn exp_each(values: &mut [f64]) {
    /// 1.5 x 2^52: adding it rounds to a whole number and leaves that in the lowest bits.
    const ROUNDER: f64 = 6_755_399_441_055_744.0;
    for value in values {
        let x = if *value < -700.0 { -700.0 } else { *value };
        let shifted = x * std::f64::consts::LOG2_E + ROUNDER;
        let whole = shifted - ROUNDER;
        let (high, low) = (x - whole * LN_2_HIGH, whole * LN_2_LOW);
        let r = high - low;
        let t = r * r;
        let c = r - t
            * (1.666_666_666_666_660_2e-1
                + t * (-2.777_777_777_701_559_3e-3
                    + t * (6.613_756_321_437_934e-5
                        + t * (-1.653_390_220_546_525_2e-6 + t * 4.138_136_797_057_238_5e-8))));
        let near_one = 1.0 - ((low - r * c / (2.0 - c)) - high);
        *value = near_one * f64::from_bits((shifted.to_bits() << 52).wrapping_add(ONE_BITS));
    }
}

/// ln of positive normal numbers, all side by side. Within 2 units in the last place; as fdlibm's `e_log.c`, without branches.
pub fn ln_each(values: &mut [f64]) {
    /// The bits of sqrt(1/2): a mantissa is taken from there to sqrt(2).
    const SPLIT: u64 = 0x3fe6_a09e_667f_3bcd;
    const TWO_52_BITS: u64 = 0x4330_0000_0000_0000;
    const BIAS: f64 = 4_503_599_627_370_496.0 + 1023.0;
    for value in values {
        let shifted = value.to_bits().wrapping_add(ONE_BITS - SPLIT);
        let exponent = f64::from_bits((shifted >> 52) | TWO_52_BITS) - BIAS;
        let f = f64::from_bits((shifted & 0x000f_ffff_ffff_ffff) + SPLIT) - 1.0;
        let s = f / (2.0 + f);
        let z = s * s;
        let w = z * z;
        let even = w
            * (3.999_999_999_940_942e-1
                + w * (2.222_219_843_214_978_4e-1 + w * 1.531_383_769_920_937_3e-1));
        let odd = z
            * (6.666_666_666_666_735e-1
                + w * (2.857_142_874_366_239e-1
                    + w * (1.818_357_216_161_805e-1 + w * 1.479_819_860_511_658_6e-1)));
        let half = 0.5 * f * f;
        *value =
            exponent * LN_2_HIGH - ((half - (s * (half + even + odd) + exponent * LN_2_LOW)) - f);
    }
}

/// ln 2 in two parts, the first of few enough bits for its product with an exponent to be exact.
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// The bits of 1.0.
const ONE_BITS: u64 = 0x3ff0_0000_0000_0000;

#[cfg(test)]
#[allow(
    clippy::excessive_precision,
    reason = "expected numbers stand as mpmath printed them"
)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64, relative: f64) -> bool {
        (got - want).abs() <= relative * want.abs().max(1e-300)
    }

    /// Expected numbers: mpmath 1.3 at 50 digits, `digamma`, `polygamma(1, .)`, `polygamma(2, .)`.
    #[test]
    fn polygammas_agree_with_mpmath() {
        let cases = [
            (
                1e-3,
                -1_000.575_571_931_810_3,
                1_000_001.642_533_195_9,
                -2_000_000_002.397_632_3,
            ),
            (
                0.2,
                -5.289_039_896_592_188,
                26.267_377_205_423_78,
                -251.478_036_114_435_93,
            ),
            (
                1.0,
                -0.577_215_664_901_532_9,
                1.644_934_066_848_226_4,
                -2.404_113_806_319_188_6,
            ),
            (
                2.5,
                0.703_156_640_645_243_2,
                0.490_357_756_100_234_86,
                -0.236_204_051_641_727_4,
            ),
            (
                9.99,
                2.250_700_372_831_201,
                0.105_276_950_148_241_79,
                -0.011_073_070_531_461_052,
            ),
            (
                10.0,
                2.251_752_589_066_721,
                0.105_166_335_681_685_75,
                -0.011_049_834_970_802_067,
            ),
            (
                123.456,
                4.811_829_323_828_985,
                0.008_132_945_834_278_198,
                -6.614_444_336_394_041e-5,
            ),
            (
                1e9,
                20.723_265_836_446_41,
                1.000_000_000_5e-9,
                -1.000_000_001e-18,
            ),
        ];
        for (x, d0, d1, d2) in cases {
            let p = polygamma(x);
            let ok = close(p.digamma, d0, 1e-14)
                && close(p.trigamma, d1, 1e-14)
                && close(p.tetragamma, d2, 2e-14);
            assert!(ok, "{x}: {p:?}");
        }
    }

    #[test]
    fn polygammas_move_as_they_differ() {
        for x in [0.2, 3.0, 250.0] {
            for by in [0.0, 1.0, 7.0, 16.0, 2.5, 400.0] {
                let (before, after) = (polygamma(x), polygamma(x + by));
                let moved = before.moved(x, by);
                let near = |got: f64, a: f64, b: f64| (got - (a - b)).abs() <= 1e-13 * b.abs();
                assert!(
                    near(moved.digamma, after.digamma, before.digamma)
                        && near(moved.trigamma, after.trigamma, before.trigamma)
                        && near(moved.tetragamma, after.tetragamma, before.tetragamma),
                    "{x} by {by}: {moved:?}"
                );
            }
        }
    }

    #[test]
    fn trigamma_inverse_inverts() {
        for q in [
            1e-12,
            1e-9,
            1e-4,
            0.3,
            1.0,
            1.644_934_066_848_226_4,
            25.0,
            1e6,
        ] {
            let (x, p) = trigamma_inverse(q);
            assert!(
                close(p.trigamma, q, 1e-13)
                    && close(p.digamma, polygamma(x).digamma, 1e-13)
                    && close(p.trigamma, polygamma(x).trigamma, 1e-13),
                "{q}: {x} {p:?}"
            );
        }
    }

    #[test]
    #[should_panic(expected = "trigamma is inverted inside")]
    fn trigamma_inverse_refuses_nan() {
        let _ = trigamma_inverse(f64::NAN);
    }

    /// Expected numbers: mpmath at 50 digits, `loggamma(a + y) - loggamma(a) - y log(a)`.
    #[test]
    fn rising_ratio_agrees_with_mpmath() {
        let cases = [
            (0.2, 0.0, 0.0),
            (0.2, 3.0, 4.189_654_742_026_425_5),
            (9.5, 1000.0, 3_707.903_220_747_694_5),
            (1e9, 7.0, 2.099_999_995_45e-8),
            (1e12, 1e6, 0.499_999_333_333_666_67),
            (50.0, 1e9, 15_811_243_713.673_12),
        ];
        for (a, y, want) in cases {
            let got = ln_rising_ratio(a, y);
            // Terms as large as y cancel; what is left is exact to their rounding.
            assert!(
                (got - want).abs() <= 1e-13 * want.abs() + 4e-16 * y,
                "{a} {y}: {got} for {want}"
            );
        }
    }

    /// Held against the standard library's, itself right to within one unit in the last place.
    #[test]
    fn exponentials_and_logarithms_side_by_side() {
        let steps = || (0..200_001).map(|i| f64::from(i) / 100_000.0 - 1.0);
        let far = steps().map(|u| 700.0 * u);
        let near = steps().map(|u| 0.7 * u);
        for x in far.chain(near).chain([0.0, -0.0, 1e-300]) {
            let mut got = [x; 3];
            exp_each(&mut got);
            assert!(close(got[2], x.exp(), 4.5e-16), "exp({x}) = {}", got[2]);
        }
        let powers = steps().map(|u| 2.0_f64.powf(1000.0 * u));
        let around_one = steps().map(|u| 1.0 + 0.4 * u);
        for x in powers.chain(around_one).chain([1.0, f64::MIN_POSITIVE]) {
            let mut got = [x; 3];
            ln_each(&mut got);
            assert!(close(got[2], x.ln(), 4.5e-16), "ln({x}) = {}", got[2]);
        }
        let mut lost = [-1e9, f64::NEG_INFINITY];
        exp_each(&mut lost);
        assert!(lost.iter().all(|v| *v > 0.0 && *v < 1e-303), "{lost:?}");
    }

    #[test]
    fn sums_of_exponentials() {
        assert!(ln_sum_exp(&[]) < f64::MIN);
        assert!(close(
            ln_sum_exp(&[-1000.0, -1000.0]),
            -1000.0 + std::f64::consts::LN_2,
            1e-15
        ));
        assert!(close(
            ln_sum_exp(&[1e9, 0.0, f64::NEG_INFINITY]),
            1e9,
            1e-15
        ));
    }
}
