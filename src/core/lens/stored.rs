//! Owns how a lens is stored: only the components it has, and nothing that is not a number is taken back.

use super::LensState;
use crate::core::alert::Direction;
use crate::core::baseline::filter::{Filter, packed};
use crate::core::baseline::forecast::DISPERSIONS;
use crate::core::baseline::season::{Lens, MAX_DIM};
use crate::core::evidence::drift::Drift;
use crate::core::evidence::shiryaev_roberts::ShiryaevRoberts;
use crate::core::evidence::switching::Regime;
use serde::{Deserialize, Serialize};

/// [`LensState`] as it is stored: only the components the lens has.
#[derive(Serialize, Deserialize)]
pub(super) struct Packed {
    /// Place in [`LENSES`], times three, and the place of what was adopted last in [`ADOPTED`].
    kind: u8,
    buckets_seen: u32,
    mean: Vec<f64>,
    covariance: Vec<f64>,
    ln_weights: Vec<f64>,
    ln_rise: Vec<f64>,
    ln_drop: Vec<f64>,
    surge: Vec<f64>,
    drop: Vec<f64>,
    drift: Drift,
    whole_until: u32,
    set_aside: f32,
    alarms: [[u32; 2]; 2],
    followed: Option<f32>,
}

const LENSES: [Lens; 3] = [Lens::Day, Lens::Hour, Lens::Week];
const ADOPTED: [Option<Direction>; 3] = [None, Some(Direction::Surge), Some(Direction::Drop)];

fn kind(state: &LensState) -> u8 {
    let place = |found: Option<usize>| found.expect("all are listed") as u8;
    let lens = LENSES.iter().position(|lens| *lens == state.lens);
    let adopted = ADOPTED.iter().position(|one| *one == state.adopted);
    3 * place(lens) + place(adopted)
}

impl From<LensState> for Packed {
    fn from(state: LensState) -> Self {
        let dim = state.lens.dim();
        Self {
            kind: kind(&state),
            buckets_seen: state.buckets_seen,
            mean: state.filter.mean[..dim].to_vec(),
            covariance: state.filter.covariance.into_vec(),
            ln_weights: state.filter.ln_weights.to_vec(),
            ln_rise: state.rise.ln_r.to_vec(),
            ln_drop: state.drop.ln_r.to_vec(),
            surge: state.regime.surge.to_vec(),
            drop: state.regime.drop.to_vec(),
            drift: state.drift,
            whole_until: state.whole_until,
            set_aside: state.set_aside,
            alarms: state.alarms,
            followed: state.followed,
        }
    }
}

impl TryFrom<Packed> for LensState {
    type Error = &'static str;

    fn try_from(stored: Packed) -> Result<Self, Self::Error> {
        let (lens, adopted) = (stored.kind / 3, stored.kind % 3);
        let lens = *LENSES
            .get(usize::from(lens))
            .ok_or("the stored lens is none of those known")?;
        let dim = lens.dim();
        if stored.mean.len() != dim || stored.covariance.len() != packed(dim, 0) {
            return Err("the stored lens state has the wrong number of components");
        }
        let finite = [
            &stored.mean,
            &stored.covariance,
            &stored.ln_weights,
            &stored.surge,
            &stored.drop,
        ];
        let logs = [&stored.ln_rise, &stored.ln_drop];
        let broken = finite
            .iter()
            .any(|part| part.iter().any(|v| !v.is_finite()))
            || logs
                .iter()
                .any(|part| part.iter().any(|v| v.is_nan() || *v == f64::INFINITY));
        if broken
            || !stored.drift.is_finite()
            || !stored.set_aside.is_finite()
            || stored.followed.is_some_and(|log| !log.is_finite())
        {
            return Err("the stored lens state holds what is not a number");
        }
        let mut filter = Filter {
            mean: [0.0; MAX_DIM],
            covariance: stored.covariance.into_boxed_slice(),
            ln_weights: fixed::<DISPERSIONS>(&stored.ln_weights)?,
        };
        filter.mean[..dim].copy_from_slice(&stored.mean);
        Ok(Self {
            lens,
            buckets_seen: stored.buckets_seen,
            filter,
            rise: ShiryaevRoberts {
                ln_r: fixed(&stored.ln_rise)?,
            },
            drop: ShiryaevRoberts {
                ln_r: fixed(&stored.ln_drop)?,
            },
            regime: Regime {
                surge: fixed(&stored.surge)?,
                drop: fixed(&stored.drop)?,
            },
            drift: stored.drift,
            whole_until: stored.whole_until,
            set_aside: stored.set_aside,
            alarms: stored.alarms,
            followed: stored.followed,
            adopted: ADOPTED[usize::from(adopted)],
        })
    }
}

fn fixed<const N: usize>(values: &[f64]) -> Result<[f64; N], &'static str> {
    values
        .try_into()
        .map_err(|_| "the stored lens state has grids of another size")
}
