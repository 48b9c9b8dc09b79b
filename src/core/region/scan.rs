//! Owns the subset scan: which crossings of many explain a common rise, found among the prefixes of one sorted list.

use crate::core::ids::CrossingIx;

/// Less is never taken to be expected, so that a single arrival where none is usual is not without bound.
const MIN_EXPECTED: f64 = 0.1;

/// ln of the likelihood ratio of a common rise against none, for Poisson counts: C ln(C / B) + B - C where C > B, else 0
/// (Neill 2012, expectation-based Poisson).
#[must_use]
pub fn log_ratio(observed: f64, expected: f64) -> f64 {
    if observed <= expected || expected <= 0.0 {
        return 0.0;
    }
    observed * (observed / expected).ln() + expected - observed
}

/// The crossings whose rise together is the least likely by chance, the largest observed/expected first; none where nothing rose.
///
/// The best of all subsets is a prefix of the list sorted by observed/expected (linear-time subset scanning, Neill 2012, theorem
/// 1), so sorting is all the search there is. Of prefixes that are as good, it is the smallest. A crossing that rose by
/// much less than the others is not in it.
#[must_use]
pub fn explaining(counts: &[(CrossingIx, u64, f64)]) -> Vec<CrossingIx> {
    let ratio = |(_, observed, expected): &(CrossingIx, u64, f64)| {
        *observed as f64 / expected.max(MIN_EXPECTED)
    };
    let mut sorted = counts.to_vec();
    sorted.sort_by(|a, b| ratio(b).total_cmp(&ratio(a)).then(a.0.cmp(&b.0)));
    let (mut observed, mut expected) = (0.0, 0.0);
    let (mut best, mut length) = (0.0, 0);
    for (n, (_, count, usual)) in (1..).zip(&sorted) {
        observed += *count as f64;
        expected += usual.max(MIN_EXPECTED);
        let score = log_ratio(observed, expected);
        if score > best {
            (best, length) = (score, n);
        }
    }
    sorted.truncate(length);
    sorted.into_iter().map(|(crossing, ..)| crossing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn score(counts: &[(CrossingIx, u64, f64)]) -> f64 {
        let observed: u64 = counts.iter().map(|c| c.1).sum();
        log_ratio(
            observed as f64,
            counts.iter().map(|c| c.2.max(MIN_EXPECTED)).sum(),
        )
    }

    #[test]
    fn the_crossings_that_rose_explain_a_rise() {
        type Row = (&'static str, &'static [(u64, f64)], &'static [u16]);
        let table: [Row; 4] = [
            ("nothing rose", &[(0, 1.0), (9, 10.0)], &[]),
            ("one of three", &[(10, 10.0), (67, 0.2), (0, 0.1)], &[1]),
            ("two, the steeper first", &[(40, 1.0), (67, 0.9)], &[1, 0]),
            ("none is usual and none came", &[(0, 0.0)], &[]),
        ];
        for (name, counts, expected) in table {
            let counts: Vec<_> = (0..)
                .map(CrossingIx)
                .zip(counts)
                .map(|(ix, (y, e))| (ix, *y, *e))
                .collect();
            let told: Vec<u16> = explaining(&counts).iter().map(|ix| ix.0).collect();
            assert_eq!(told, expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_other_subset_is_better(rows in prop::collection::vec((0u64..50, 0.1f64..20.0), 1..8)) {
            let counts: Vec<_> = (0..).map(CrossingIx).zip(rows).map(|(ix, (y, e))| (ix, y, e)).collect();
            let chosen = explaining(&counts);
            let of = |keep: &dyn Fn(usize) -> bool| {
                let kept: Vec<_> = counts.iter().enumerate().filter(|(i, _)| keep(*i)).map(|(_, c)| *c).collect();
                score(&kept)
            };
            let best = of(&|i| chosen.contains(&counts[i].0));
            for set in 0u32..1 << counts.len() {
                prop_assert!(of(&|i| set >> i & 1 == 1) <= best + 1e-9);
            }
        }
    }
}
