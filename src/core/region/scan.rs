//! Owns the subset scan: which crossings of many explain a common rise or fall, found among the prefixes of one sorted list.

use crate::core::alert::Direction;
use crate::core::ids::CrossingIx;

/// Less is never taken to be expected, so that a single arrival where none is usual is not without bound; and nothing can be missing
/// where less is.
const MIN_EXPECTED: f64 = 0.1;

/// ln of the likelihood ratio of a common rise, or fall, against none, for Poisson counts: C ln(C / B) + B - C where C > B, or C < B,
/// else 0 (Neill 2012, expectation-based Poisson).
#[must_use]
pub fn log_ratio(direction: Direction, observed: f64, expected: f64) -> f64 {
    let is_so = match direction {
        Direction::Surge => observed > expected,
        Direction::Drop => observed < expected,
    };
    if !is_so || expected <= 0.0 {
        return 0.0;
    }
    let log_part = if observed > 0.0 {
        observed * (observed / expected).ln()
    } else {
        0.0
    };
    log_part + expected - observed
}

/// The crossings whose rise, or fall, together is the least likely by chance, that with the largest change of observed/expected first;
/// none where nothing rose, or fell. `counts` are arrivals, observed and expected.
///
/// The best of all subsets is a prefix of the list sorted by observed/expected (linear-time subset scanning, Neill 2012, theorem
/// 1; for a fall from the smallest on), so sorting is all the search there is. Of prefixes that are as good, it is the smallest. A
/// crossing that changed by much less than the others is not in it.
#[must_use]
pub fn explaining(direction: Direction, counts: &[(CrossingIx, u64, f64)]) -> Vec<CrossingIx> {
    let known = counts.iter().filter_map(|&(crossing, count, usual)| {
        let usual = match direction {
            Direction::Surge => usual.max(MIN_EXPECTED),
            Direction::Drop if usual < MIN_EXPECTED => return None,
            Direction::Drop => usual,
        };
        Some((crossing, count as f64, usual))
    });
    let mut sorted: Vec<_> = known.collect();
    sorted.sort_by(|a, b| {
        let rising = (a.1 / a.2).total_cmp(&(b.1 / b.2));
        let order = match direction {
            Direction::Surge => rising.reverse(),
            Direction::Drop => rising,
        };
        order.then(a.0.cmp(&b.0))
    });
    let (mut observed, mut expected) = (0.0, 0.0);
    let (mut best, mut length) = (0.0, 0);
    for (n, (_, count, usual)) in (1..).zip(&sorted) {
        observed += count;
        expected += usual;
        let score = log_ratio(direction, observed, expected);
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

    fn numbered(counts: &[(u64, f64)]) -> Vec<(CrossingIx, u64, f64)> {
        let all = (0..).map(CrossingIx).zip(counts);
        all.map(|(ix, (y, e))| (ix, *y, *e)).collect()
    }

    #[test]
    fn the_crossings_that_rose_explain_a_rise_and_those_that_fell_a_fall() {
        use Direction::{Drop, Surge};
        type Row = (
            &'static str,
            Direction,
            &'static [(u64, f64)],
            &'static [u16],
        );
        let mixed = &[(4, 8.0), (9, 8.0), (3, 8.0), (8, 8.0)];
        let table: [Row; 10] = [
            ("nothing rose", Surge, &[(0, 1.0), (9, 10.0)], &[]),
            (
                "one of three",
                Surge,
                &[(10, 10.0), (67, 0.2), (0, 0.1)],
                &[1],
            ),
            (
                "two, the steeper first",
                Surge,
                &[(40, 1.0), (67, 0.9)],
                &[1, 0],
            ),
            ("none is usual and none came", Surge, &[(0, 0.0)], &[]),
            ("nothing fell", Drop, &[(2, 1.0), (10, 10.0)], &[]),
            ("one of three fell", Drop, &[(10, 10.0), (0, 30.0)], &[1]),
            ("two, the steeper fall first", Drop, mixed, &[2, 0]),
            ("one of those rose", Surge, mixed, &[1]),
            (
                "none is missing where none is usual",
                Drop,
                &[(0, 0.0)],
                &[],
            ),
            (
                "nor where hardly any is",
                Drop,
                &[(0, 0.01), (1, 9.0)],
                &[1],
            ),
        ];
        for (name, direction, counts, expected) in table {
            let told = explaining(direction, &numbered(counts));
            let told: Vec<u16> = told.iter().map(|ix| ix.0).collect();
            assert_eq!(told, expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_other_subset_is_better(rows in prop::collection::vec((0u64..50, MIN_EXPECTED..20.0), 1..8)) {
            let counts = numbered(&rows);
            for direction in Direction::ALL {
                let chosen = explaining(direction, &counts);
                let of = |keep: &dyn Fn(usize) -> bool| {
                    let kept = counts.iter().enumerate().filter(|(i, _)| keep(*i));
                    let (observed, expected) = kept.fold((0, 0.0), |(y, e), (_, c)| (y + c.1, e + c.2));
                    log_ratio(direction, observed as f64, expected)
                };
                let best = of(&|i| chosen.contains(&counts[i].0));
                for set in 0u32..1 << counts.len() {
                    prop_assert!(of(&|i| set >> i & 1 == 1) <= best + 1e-9);
                }
            }
        }
    }
}
