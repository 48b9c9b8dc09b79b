//! Owns the few numbers that a comparison is made of: sums in log space, densities of ranges with soft ends, points that fill a cube.

use super::family::Range;

/// How fast the density of a range falls beyond its ends, in logarithms of the quantity: a quarter beyond is a third as likely.
const SOFT: f64 = 0.22;
/// Ranges that reach down to zero are cut there in logarithms.
const SMALL: f64 = 1e-3;

/// ln of the sum of exponentials; -inf of none.
pub(super) fn ln_sum(terms: &[f64]) -> f64 {
    let most = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return most;
    }
    most + terms
        .iter()
        .map(|term| (term - most).exp())
        .sum::<f64>()
        .ln()
}

/// ln(exp(a) + exp(b)).
pub(super) fn ln_add(a: f64, b: f64) -> f64 {
    let (most, least) = if a > b { (a, b) } else { (b, a) };
    if least == f64::NEG_INFINITY {
        most
    } else {
        most + (least - most).exp().ln_1p()
    }
}

/// ln of a density of `x`: even from `low` to `high`, exponential tails of the scale `soft` beyond. It integrates to one.
pub(super) fn ln_soft(x: f64, low: f64, high: f64, soft: f64) -> f64 {
    let beyond = (low - x).max(x - high).max(0.0);
    -(high - low + 2.0 * soft).ln() - beyond / soft
}

/// ln of the density of the logarithm of a quantity whose range is given.
pub(super) fn ln_in_range(ln_x: f64, low: f64, high: f64) -> f64 {
    ln_soft(ln_x, low.max(SMALL).ln(), high.max(SMALL).ln(), SOFT)
}

/// The quantity at a share of its range, evenly in logarithms.
pub(super) fn at_share(range: &Range, share: f64) -> f64 {
    let (low, high) = (range.low.max(SMALL).ln(), range.high.max(SMALL).ln());
    (low + share * (high - low)).exp()
}

/// The point of a given number in the sequence of Halton (1960) in one base: fills [0, 1) evenly, always the same way.
pub(super) fn halton(mut number: u32, base: u32) -> f64 {
    let (mut value, mut unit) = (0.0, 1.0);
    while number > 0 {
        unit /= f64::from(base);
        value += unit * f64::from(number % base);
        number /= base;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_in_log_space_neither_overflow_nor_lose_the_smaller() {
        assert!((ln_sum(&[1_000.0, 1_000.0]) - 1_000.0 - 2f64.ln()).abs() < 1e-12);
        assert!((ln_add(-1_000.0, -1_001.0) + 1_000.0 - (1.0 + (-1f64).exp()).ln()).abs() < 1e-12);
        assert!(ln_sum(&[]).is_infinite());
        assert!((ln_add(f64::NEG_INFINITY, 3.0) - 3.0).abs() < 1e-12);
    }

    #[test]
    fn the_density_of_a_range_integrates_to_one() {
        let step = 1e-3;
        let points = (-10_000..10_000).map(|i| f64::from(i) * step);
        let whole: f64 = points
            .map(|x| ln_soft(x, -0.5, 1.2, 0.3).exp() * step)
            .sum();
        assert!((whole - 1.0).abs() < 1e-2, "{whole}");
    }

    #[test]
    fn points_of_the_sequence_are_the_published_ones() {
        // Halton (1960): 1/2, 1/4, 3/4 in base 2; 1/3, 2/3, 1/9 in base 3.
        let points = [
            (1, 2, 0.5),
            (2, 2, 0.25),
            (3, 2, 0.75),
            (1, 3, 1.0 / 3.0),
            (3, 3, 1.0 / 9.0),
        ];
        for (number, base, point) in points {
            assert!(
                (halton(number, base) - point).abs() < 1e-12,
                "{number} {base}"
            );
        }
    }
}
