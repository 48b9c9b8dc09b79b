//! Owns one lens of one series: its baseline and its evidence, moved forward bucket by bucket; thresholds and alerts are the engine's.

use super::alert::{Direction, Feedback, Reason};
use super::baseline::filter::{Filter, LogRate, Said, packed};
use super::baseline::forecast::{DISPERSIONS, Mixture};
use super::baseline::season::Component;
use super::evidence::drift::{Drift, Errors};
use super::evidence::hypotheses::{Hypotheses, MAX_DROPS, MAX_RISES, Weighed};
use super::evidence::memory;
use super::evidence::shiryaev_roberts::ShiryaevRoberts;
use super::evidence::switching::Regime;
use serde::{Deserialize, Serialize};

mod stored;

pub use super::baseline::forecast::Matching;
pub use super::baseline::season::{Lens, Slot};
pub use super::evidence::outlook::{Outlook, Verdict};
pub use super::evidence::params::{LensParams, LensParamsError};
pub use super::prior::Prior;

/// No count is cut below this: where nothing is expected the quantile is 0, and a filter that hears every arrival as none would
/// expect ever less.
const MIN_CUT: u64 = 2;

/// Alarms less than this many buckets apart are one.
const APART: u32 = 15;
/// Share of all counts that may be set aside for ever.
const SET_ASIDE_SHARE: f64 = 0.1;
/// How far beyond its limit what is set aside is counted, as a ratio: once all is learnt whole, it stays so until little of it
/// looks strange.
const SET_ASIDE_MAX_RATIO: f64 = 1.2;
/// A tail probability of 1e-4, in logs.
const LN_UNTHOUGHT: f64 = -9.2;
/// A level is strange to a lens from this probability of the abnormal state on.
pub(super) const STRANGE: f64 = 0.5;
/// Buckets of days after which a season of the year is known.
const DAYS_OF_A_YEAR: u32 = 366;
/// How much the log level's variance grows when a new usual is adopted: it is known to within a factor of three.
const ADOPTED_LOG_VARIANCE: f64 = 1.0;

/// State of one lens of one series: 1.5 KiB, no heap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "stored::Packed", try_from = "stored::Packed")]
pub struct LensState {
    lens: Lens,
    buckets_seen: u32,
    filter: Filter,
    rise: ShiryaevRoberts<MAX_RISES>,
    drop: ShiryaevRoberts<MAX_DROPS>,
    regime: Regime,
    drift: Drift,
    /// Bucket up to which all is learnt whole; 0: it was known from its first on.
    whole_until: u32,
    /// Buckets' worth of counts that were set aside of late, beyond the share that is normal.
    set_aside: f32,
    /// First and last bucket of the alarm that goes on, surge and drop; 0: none was.
    alarms: [[u32; 2]; 2],
    /// ln of the season that the level last went along with ([`LensState::follow`]).
    followed: Option<f32>,
    /// Which way the level went that was adopted last.
    adopted: Option<Direction>,
}

impl LensState {
    /// A series before its first bucket.
    #[must_use]
    pub fn new(params: &LensParams, prior: Prior) -> Self {
        Self {
            lens: params.lens,
            buckets_seen: 0,
            filter: prior.filter(params),
            rise: ShiryaevRoberts::default(),
            drop: ShiryaevRoberts::default(),
            regime: Regime::default(),
            drift: Drift::default(),
            whole_until: if prior.is_known() {
                0
            } else {
                params.learn_whole
            },
            set_aside: 0.0,
            alarms: [[0; 2]; 2],
            followed: None,
            adopted: None,
        }
    }

    /// What the next bucket is expected to hold; `None` without exposure (not in (0, 1]) or with a slot that is not a number.
    #[must_use]
    pub fn outlook(&self, params: &LensParams, slot: Slot, exposure: f64) -> Option<Outlook> {
        if !is_observed(slot, exposure) {
            return None;
        }
        let mut filter = self.filter.clone();
        filter.evolve(self.lens, &params.filter);
        let rate = self.log_rate(&filter, slot);
        Some(self.outlook_at(params, &filter, (&rate, slot), exposure))
    }

    /// The bucket closed with `y`: evidence, switching filter, learning. Returns what had been expected of it. Without exposure
    /// nothing evolves and nothing is learnt.
    pub fn close(
        &mut self,
        params: &LensParams,
        slot: Slot,
        exposure: f64,
        y: u64,
    ) -> Option<Outlook> {
        if !is_observed(slot, exposure) {
            return None;
        }
        if slot.is_hidden {
            let outlook = self.outlook(params, slot, exposure)?;
            let said = outlook.said(y);
            self.rise = outlook.rise_after(&said, y).kept();
            self.drop = outlook.drop_after(&said).kept();
            self.regime = outlook.regime_after(&said);
            return Some(outlook);
        }
        self.filter.evolve(self.lens, &params.filter);
        let rate = self.log_rate(&self.filter, slot);
        let outlook = self.outlook_at(params, &self.filter, (&rate, slot), exposure);
        let joint = outlook.forecast.ln_joint(y);
        let weighed = outlook.hypotheses.weigh(&joint, y);
        let said = outlook.hypotheses.likelihoods(&weighed);
        self.rise = outlook.rise_after(&said, y).kept();
        self.drop = outlook.drop_after(&said).kept();
        self.regime = outlook.regime_after(&said);
        let is_settling = self.is_settling(params);
        self.buckets_seen = self.buckets_seen.saturating_add(1);
        if is_settling && self.settle(&outlook, y) {
            return Some(outlook);
        }
        self.learn(params, &rate, &outlook, &weighed, &joint, y);
        self.follow_alarm(params, slot);
        self.doubt_adopted(params);
        Some(outlook)
    }

    /// A level that was adopted and is left again for the one before it while it is learnt anew: nothing is known of the level any
    /// more, and what comes now says it.
    fn doubt_adopted(&mut self, params: &LensParams) {
        let Some(back) = self.adopted.map(Direction::opposite) else {
            return;
        };
        if self.is_learnt_whole() && self.alarms(params, back) {
            self.adopted = None;
            let variance = &mut self.filter.covariance[packed(0, 0)];
            *variance = variance.max(ADOPTED_LOG_VARIANCE);
            self.whole_until = self.buckets_seen.saturating_add(params.relearn_whole);
        }
    }

    fn is_settling(&self, params: &LensParams) -> bool {
        self.whole_until > 0 && self.buckets_seen < params.settle_in
    }

    /// Powers of the likelihood ratios, of a rise and of a drop: to the power of 0 a ratio is no evidence, to a power below 1 less
    /// than it was. They grow over the buckets that are learnt whole, as what is learnt in them does: a first week explains itself by
    /// its weekdays, and says nothing of how much they vary. So they do after a new usual was adopted.
    fn powers(&self, params: &LensParams) -> [f64; 2] {
        let left = self.whole_until.saturating_sub(self.buckets_seen);
        let all = if self.whole_until <= params.learn_whole {
            params.learn_whole
        } else {
            params.relearn_whole
        };
        let known = if self.is_settling(params) {
            0.0
        } else if left > 0 {
            (1.0 - f64::from(left) / f64::from(all)).max(0.0)
        } else {
            1.0
        };
        params
            .drift_shares
            .map(|share| known * self.drift.power(share))
    }

    /// A count that was not thought possible of a series of which nothing is known: the level is there. Returns whether it is so.
    fn settle(&mut self, outlook: &Outlook, y: u64) -> bool {
        let ln_tail = outlook.ln_upper_tail(y).min(outlook.ln_lower_tail(y));
        if ln_tail >= LN_UNTHOUGHT {
            return false;
        }
        self.filter.mean[0] += ((y as f64 + 0.5) / outlook.mean()).ln();
        let variance = &mut self.filter.covariance[packed(0, 0)];
        *variance = variance.max(ADOPTED_LOG_VARIANCE);
        self.regime = Regime::default();
        true
    }

    /// The baseline learns of `y` what belongs to the usual; all of it while the usual is not known, and where so much was set aside
    /// that it cannot have been surges.
    fn learn(
        &mut self,
        params: &LensParams,
        rate: &LogRate,
        outlook: &Outlook,
        weighed: &Weighed,
        joint: &[f64; DISPERSIONS],
        y: u64,
    ) {
        let is_whole = self.is_learnt_whole();
        if is_whole {
            self.regime = Regime::default();
        }
        let excess = 1.0 - self.regime.p_usual() - SET_ASIDE_SHARE;
        let most = SET_ASIDE_MAX_RATIO * params.set_aside_limit;
        self.set_aside = (f64::from(self.set_aside) + excess).clamp(0.0, most) as f32;
        let is_robust =
            params.robust && !is_whole && f64::from(self.set_aside) < params.set_aside_limit;
        let forecast = &outlook.forecast;
        let (learnt, weight) = if is_robust {
            let p_usual = self.regime.p_usual();
            (cut(forecast, params, y), p_usual.max(params.learning_floor))
        } else {
            (y, 1.0)
        };
        // A surge may follow on a drop at once, and is no word on how much usual counts vary; nor is a count that was raised.
        let (rises, drops) = (params.rises.len(), params.drops.len());
        let any = (is_robust && learnt <= y).then(|| {
            let before = outlook.regime;
            let before = before.with_entries(&params.switches(), rises, drops);
            outlook.hypotheses.ln_joint_any(weighed, &before)
        });
        let joint = if learnt == y {
            *joint
        } else {
            forecast.ln_joint(learnt)
        };
        if params.drift_memory > 0.0 {
            let spread = forecast.variance().sqrt();
            let off = |count: u64| (count as f64 - forecast.mean()) / spread;
            let errors = Errors {
                learnt: off(learnt),
                weight,
                whole: off(y),
                weight_before: if is_robust {
                    outlook.regime.p_usual()
                } else {
                    1.0
                },
            };
            self.drift.learn(&errors, params.drift_memory, params.leak);
        }
        let heard = Said {
            forecast,
            ln_joint: &joint,
            ln_joint_any: any.as_ref(),
            count: learnt,
        };
        self.filter
            .learn(self.lens.dim(), &params.filter, rate, heard, weight);
    }

    /// An alarm that has lasted is no surge any more: its level is adopted, and learnt whole in silence, so that the same alarm
    /// does not come back of what is not known yet. Each direction lasts by itself: the way back from a drop is a level of days, not
    /// the one that lasted, and while a surge is likelier than not no drop goes on.
    fn follow_alarm(&mut self, params: &LensParams, slot: Slot) {
        if params.adopt_after == 0 {
            return;
        }
        let now = self.buckets_seen;
        let mut has_lasted = None;
        for direction in Direction::ALL {
            let is_other_way = Direction::ALL
                .into_iter()
                .any(|other| other != direction && self.p_abnormal(other) >= STRANGE);
            if self.alarms(params, direction) && !is_other_way {
                let [began, last] = &mut self.alarms[direction as usize];
                if *last == 0 || now - *last >= APART {
                    *began = now;
                }
                *last = now;
                if now - *began + 1 >= params.adopt_after {
                    has_lasted = Some(direction);
                }
            }
        }
        if let Some(direction) = has_lasted {
            self.adopt_now(params, slot, direction);
        }
    }

    /// Whether the evidence after the last closed bucket announces a direction.
    fn alarms(&self, params: &LensParams, direction: Direction) -> bool {
        let threshold = params.log_threshold(direction);
        match direction {
            Direction::Surge => self.rise.reaches(threshold),
            Direction::Drop => self.drop.reaches(threshold),
        }
    }

    /// ln of the rise statistic after the last closed bucket; minus infinity before the first.
    #[must_use]
    pub fn log_evidence_rise(&self) -> f64 {
        self.rise.ln_statistic()
    }

    /// ln of the drop statistic after the last closed bucket; minus infinity before the first.
    #[must_use]
    pub fn log_evidence_drop(&self) -> f64 {
        self.drop.ln_statistic()
    }

    /// P(surge) after the last closed bucket.
    #[must_use]
    pub fn p_surge(&self) -> f64 {
        self.regime.p_surge()
    }

    /// P(drop) after the last closed bucket.
    #[must_use]
    pub fn p_drop(&self) -> f64 {
        self.regime.p_drop()
    }

    /// The probability that a direction stands for.
    fn p_abnormal(&self, direction: Direction) -> f64 {
        match direction {
            Direction::Surge => self.p_surge(),
            Direction::Drop => self.p_drop(),
        }
    }

    /// All of these after the last closed bucket.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        Verdict {
            log_evidence_rise: self.log_evidence_rise(),
            log_evidence_drop: self.log_evidence_drop(),
            p_surge: self.p_surge(),
            p_drop: self.p_drop(),
        }
    }

    /// P(usual) after the last closed bucket.
    #[must_use]
    pub fn p_usual(&self) -> f64 {
        self.regime.p_usual()
    }

    /// Factor on usual that the switching filter expects: the geometric mean over its states.
    #[must_use]
    pub fn expected_ratio(&self, params: &LensParams) -> f64 {
        let rises = params.rises.iter().zip(&self.regime.surge);
        let drops = params.drops.iter().zip(&self.regime.drop);
        rises
            .chain(drops)
            .map(|(ratio, p)| p * ratio.ln())
            .sum::<f64>()
            .exp()
    }

    /// Starts the evidence of both directions from R = 0, as when an alert resolves.
    pub fn reset_evidence(&mut self) {
        self.rise = ShiryaevRoberts::default();
        self.drop = ShiryaevRoberts::default();
    }

    /// An alert on this series has ended: evidence begins anew. Where an operator called it false the series is usual again, and of
    /// a new usual the level is adopted and learnt whole in silence, as after an alarm that has lasted. So is one that is usual to
    /// another lens by now and still strange to this one: else the same alert would come back of it within days. `slot` is that of
    /// a bucket about now.
    pub fn dismiss(&mut self, params: &LensParams, slot: Slot, direction: Direction, why: Reason) {
        match why {
            Reason::Feedback(Feedback::NewUsual) => self.adopt_now(params, slot, direction),
            Reason::Feedback(_) => {
                self.regime = Regime::default();
                self.alarms = [[0; 2]; 2];
                self.reset_evidence();
            }
            Reason::Lasting | Reason::Calm if self.p_abnormal(direction) >= STRANGE => {
                self.adopt_now(params, slot, direction);
            }
            Reason::Lasting
            | Reason::Calm
            | Reason::Recounted
            | Reason::Redefined
            | Reason::Explained => self.reset_evidence(),
        }
    }

    /// Whether the last closed bucket made a level that has lasted the new usual.
    #[must_use]
    pub fn has_just_adopted(&self, params: &LensParams) -> bool {
        let seen = self.buckets_seen;
        seen > 0 && self.whole_until == seen.saturating_add(params.relearn_whole)
    }

    /// Whether all of the last closed bucket was learnt, as of a series that is new or has a new usual.
    #[must_use]
    pub fn is_learnt_whole(&self) -> bool {
        self.buckets_seen <= self.whole_until
    }

    /// How many buckets ago a level that has lasted became the usual, and which way it had gone; nothing where none did, or it was left
    /// for the one before it.
    #[must_use]
    pub fn adopted_ago(&self, params: &LensParams) -> Option<(u32, Direction)> {
        let ago = (self.buckets_seen + params.relearn_whole).checked_sub(self.whole_until)?;
        self.adopted.map(|direction| (ago, direction))
    }

    /// The level goes to what the alarm says and all of it is learnt whole. Within a series' first year the season was learnt from what
    /// led to that level, and would go on with it, or come back with the year: it begins anew.
    fn adopt_now(&mut self, params: &LensParams, slot: Slot, direction: Direction) {
        self.adopted = Some(direction);
        if f64::from(self.buckets_seen) < self.lens.buckets_a_year() {
            self.filter.mean[0] += self.log_annual(slot);
            self.filter.forget_season(self.lens, &params.filter);
        }
        self.adopt(self.expected_ratio(params), ADOPTED_LOG_VARIANCE);
        self.whole_until = self.buckets_seen.saturating_add(params.relearn_whole);
    }

    /// A level that lasted becomes the new usual: the level moves by the factor, its log variance widens by `log_variance`, the
    /// episode is over. A factor or variance that is not positive and finite changes nothing.
    pub fn adopt(&mut self, factor: f64, log_variance: f64) {
        if !(factor > 0.0 && factor.is_finite() && log_variance > 0.0 && log_variance.is_finite()) {
            return;
        }
        self.filter.mean[0] += factor.ln();
        self.filter.covariance[packed(0, 0)] += log_variance;
        self.regime = Regime::default();
        self.alarms = [[0; 2]; 2];
        self.reset_evidence();
    }

    /// ln of the factor that the season of the year puts on a bucket; nothing before a year is known, and while all is learnt whole.
    #[must_use]
    pub fn log_season_at(&self, slot: Slot) -> Option<f64> {
        let known_from = self.whole_until.max(DAYS_OF_A_YEAR);
        (self.buckets_seen >= known_from).then(|| self.log_annual(slot))
    }

    fn log_annual(&self, slot: Slot) -> f64 {
        let design = self.lens.design(slot);
        let annual = |i: &usize| self.lens.component(*i) == Component::Annual;
        let season = (0..self.lens.dim()).filter(annual);
        season.map(|i| design[i] * self.filter.mean[i]).sum()
    }

    /// The level goes as far as the season that the lens of days knows, `log_season`, went since it was last followed; nothing is not
    /// known. Hours know no season of the year: they learn of it by following their days.
    pub fn follow(&mut self, log_season: Option<f64>) {
        let now = log_season.map(|log| log as f32);
        if let (Some(before), Some(now)) = (self.followed, now) {
            self.filter.mean[0] += f64::from(now) - f64::from(before);
        }
        self.followed = now;
    }

    /// Number of closed buckets with exposure.
    #[must_use]
    pub fn buckets_seen(&self) -> u32 {
        self.buckets_seen
    }

    /// What a special day, or hours that were missed, may do to the rate is noise that no component of the state explains: it widens
    /// the forecast and takes from the gain, so that such a day says less and teaches less.
    fn log_rate(&self, filter: &Filter, slot: Slot) -> LogRate {
        let mut rate = filter.log_rate(self.lens.dim(), &self.lens.design(slot));
        rate.variance += slot.special_log_variance + slot.missed_log_variance(self.lens);
        rate
    }

    fn outlook_at(
        &self,
        params: &LensParams,
        filter: &Filter,
        (rate, slot): (&LogRate, Slot),
        exposure: f64,
    ) -> Outlook {
        let with = |exposure: f64, log_variance| {
            let log_mean = rate.mean + exposure.ln();
            let (weights, matching) = (&filter.ln_weights, params.filter.matching);
            Mixture::match_moments(log_mean, log_variance, weights, matching)
        };
        let missed = slot.missed_log_variance(self.lens);
        let whole = || with(exposure * slot.whole_ratio, rate.variance - missed);
        let forecast = if slot.is_hidden {
            whole()
        } else {
            with(exposure, rate.variance)
        };
        let of_plain = rate.variance - slot.special_log_variance - missed;
        let usual = if slot.is_hidden || of_plain < rate.variance {
            with(exposure, of_plain).mean()
        } else {
            forecast.mean()
        };
        let is_part = slot.whole_ratio > 1.0 && !slot.is_hidden;
        let whole = is_part.then(|| Box::new(self.outlook_of(params, whole(), slot, usual)));
        Outlook {
            whole,
            ..self.outlook_of(params, forecast, slot, usual)
        }
    }

    /// The outlook of a forecast from the evidence so far.
    fn outlook_of(
        &self,
        params: &LensParams,
        forecast: Mixture,
        slot: Slot,
        usual: f64,
    ) -> Outlook {
        let hypotheses = Hypotheses::new(
            &forecast,
            &params.rises,
            &params.drops,
            params.guard_band_ratios,
            params.rise_weight_exponent,
        );
        let rise_leak = memory::rise_leak(params.leak, params.whole_leak_nats, &forecast);
        Outlook {
            usual,
            is_hidden: slot.is_hidden,
            whole: None,
            forecast,
            hypotheses,
            rise: self.rise,
            drop: self.drop,
            regime: self
                .regime
                .predict(&params.switches(), params.rises.len(), params.drops.len()),
            leak: params.leak,
            rise_leak,
            powers: self.powers(params),
            log_threshold_rise: params.log_threshold_rise,
            log_threshold_drop: params.log_threshold_drop,
        }
    }
}

fn is_observed(slot: Slot, exposure: f64) -> bool {
    exposure > 0.0 && exposure <= 1.0 && slot.is_finite()
}

/// `y`, or the forecast quantile it lies beyond. Counts within two standard deviations are inside without looking.
fn cut(forecast: &Mixture, params: &LensParams, y: u64) -> u64 {
    let (mean, spread) = (forecast.mean(), 2.0 * forecast.variance().sqrt());
    let count = y as f64;
    if count > mean + spread {
        y.min(forecast.quantile(params.robust_high).max(MIN_CUT))
    } else if count < mean - spread && params.robust_low > 0.0 {
        y.max(forecast.quantile(params.robust_low))
    } else {
        y
    }
}
