//! Owns the switching filter: how probable it is that a series is usual, in a surge or in a drop; it opens and ends no alert.
//!
//! A hidden Markov model over {usual, surge at each rise, drop at each fall} (Hamilton 1989, "A new approach to the economic
//! analysis of nonstationary time series", Econometrica 57, eq. 22.4.5-6 of his 1994 book).

use super::hypotheses::{Likelihoods, MAX_DROPS, MAX_RISES};
use crate::core::baseline::special::exp_each;

/// Below this a state counts as impossible until the next entry.
const PROBABILITY_FLOOR: f64 = 1e-300;

/// Chances of a change at each bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Switches {
    /// From usual to any surge.
    pub surge_entry: f64,
    /// From a surge to usual.
    pub surge_exit: f64,
    /// From usual to any drop.
    pub drop_entry: f64,
    /// From a drop to usual.
    pub drop_exit: f64,
}

/// Probabilities of the states; those beyond the grids are 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Regime {
    /// Of each surge.
    pub surge: [f64; MAX_RISES],
    /// Of each drop.
    pub drop: [f64; MAX_DROPS],
}

impl Default for Regime {
    fn default() -> Self {
        Self {
            surge: [0.0; MAX_RISES],
            drop: [0.0; MAX_DROPS],
        }
    }
}

impl Regime {
    /// P(surge), in [0, 1].
    #[must_use]
    pub fn p_surge(&self) -> f64 {
        self.surge.iter().sum::<f64>().clamp(0.0, 1.0)
    }

    /// P(drop), in [0, 1].
    #[must_use]
    pub fn p_drop(&self) -> f64 {
        self.drop.iter().sum::<f64>().clamp(0.0, 1.0)
    }

    /// P(usual), in [0, 1].
    #[must_use]
    pub fn p_usual(&self) -> f64 {
        (1.0 - self.p_surge() - self.p_drop()).clamp(0.0, 1.0)
    }

    /// The probabilities before the next bucket.
    #[must_use]
    pub fn predict(&self, switches: &Switches, rises: usize, drops: usize) -> Self {
        let usual = self.p_usual();
        let mut next = Self::default();
        for j in 0..rises {
            next.surge[j] = self.surge[j] * (1.0 - switches.surge_exit)
                + usual * switches.surge_entry / rises as f64;
        }
        for j in 0..drops {
            next.drop[j] = self.drop[j] * (1.0 - switches.drop_exit)
                + usual * switches.drop_entry / drops as f64;
        }
        next
    }

    /// The probabilities with each surge and each drop at least as likely as it is where all has been usual.
    #[must_use]
    pub fn with_entries(&self, switches: &Switches, rises: usize, drops: usize) -> Self {
        let mut all = *self;
        for p in &mut all.surge[..rises] {
            *p = p.max(switches.surge_entry / rises as f64);
        }
        for p in &mut all.drop[..drops] {
            *p = p.max(switches.drop_entry / drops as f64);
        }
        all
    }

    /// The probabilities after a count, from those before it (Bayes' rule, in logs).
    #[must_use]
    pub fn update(&self, said: &Likelihoods, rises: usize, drops: usize) -> Self {
        let (surges, falls) = (1..1 + rises, 1 + rises..1 + rises + drops);
        let used = falls.end;
        let mut p = [0.0; 1 + MAX_RISES + MAX_DROPS];
        p[surges.clone()].copy_from_slice(&said.rise_to_usual[..rises]);
        p[falls.clone()].copy_from_slice(&said.drop_to_usual[..drops]);
        let most = p[..used].iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for ln in &mut p[..used] {
            *ln -= most;
        }
        exp_each(&mut p[..used]);
        p[0] *= self.p_usual().max(PROBABILITY_FLOOR);
        let before = self.surge[..rises].iter().chain(&self.drop[..drops]);
        for (p, before) in p[1..].iter_mut().zip(before) {
            *p *= before.max(PROBABILITY_FLOOR);
        }
        let total: f64 = p[..used].iter().sum();
        let mut next = Self::default();
        for (next, p) in next.surge.iter_mut().zip(&p[surges]) {
            *next = p / total;
        }
        for (next, p) in next.drop.iter_mut().zip(&p[falls]) {
            *next = p / total;
        }
        next
    }
}
