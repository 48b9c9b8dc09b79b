//! Owns what the machine is told: horizons, limits, and the thresholds that split one false-alert budget over all series.

use super::alert::Direction;
use super::episode::Families;
use super::holidays::{DayClass, Holidays};
use super::ids::{CrossingIx, StreamIx};
use super::intake::BadRecordBudget;
use super::lens::{Lens, LensParams};
use super::network::{Crossing, Network};
use super::prior::{Kind, Prior, prior};
use super::region::groups;
use jiff::civil::Date;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Number of lenses a series is watched through.
pub const LENSES: [Lens; 2] = [Lens::Day, Lens::Hour];

/// Days in a year.
const DAYS: f64 = 365.25;

/// [`Params::blind_after_ms`] where nothing else is said: an hour and a half.
const BLIND_AFTER_MS: i64 = 5_400_000;

/// How the accepted false alerts are split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Accepted false alerts a year for the whole network.
    pub false_alerts_per_year: f64,
    /// Share of it that goes to drops, in (0, 1).
    pub drop_share_ratio: f64,
    /// Share of what is left for crossings that goes to the hour lens, in (0, 1).
    pub hour_share_ratio: f64,
    /// Share of it that goes to groups of crossings (corridors, countries, the network), in [0, 1).
    pub group_share_ratio: f64,
}

impl Budget {
    /// False alerts a year accepted of a lens and direction at all crossings together.
    #[must_use]
    pub fn per_year(&self, lens: Lens, direction: Direction) -> f64 {
        let lens_share = match lens {
            Lens::Hour => self.hour_share_ratio,
            Lens::Day | Lens::Week => 1.0 - self.hour_share_ratio,
        };
        (1.0 - self.group_share_ratio) * lens_share * self.of_direction(direction)
    }

    /// False alerts a year accepted of a direction at all groups together. They are watched by day alone.
    #[must_use]
    pub fn groups_per_year(&self, direction: Direction) -> f64 {
        self.group_share_ratio * self.of_direction(direction)
    }

    fn of_direction(&self, direction: Direction) -> f64 {
        let share = match direction {
            Direction::Surge => 1.0 - self.drop_share_ratio,
            Direction::Drop => self.drop_share_ratio,
        };
        self.false_alerts_per_year * share
    }
}

/// How much of the budget a series gets beside the others: the weight of its crossing times that of its stream, 1 where none is
/// given. Weights are positive and finite.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Weights {
    /// By crossing id.
    pub crossings: BTreeMap<String, f64>,
    /// By stream name.
    pub streams: BTreeMap<String, f64>,
}

impl Weights {
    fn of(&self, crossing: &str, stream: &str) -> f64 {
        let weight = |by: &BTreeMap<String, f64>, name| by.get(name).copied().unwrap_or(1.0);
        weight(&self.crossings, crossing) * weight(&self.streams, stream)
    }
}

/// By how many nats thresholds lie below those that are promised, surge and drop; 0 where none was calibrated.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Calibrated {
    /// Of the day lens.
    pub day: [f64; 2],
    /// Of the hour lens.
    pub hour: [f64; 2],
}

/// Which settings a series has: its place among the distinct weights and lengths of a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WeightClass(usize);

/// Everything the machine is told.
#[derive(Debug, Clone)]
pub struct Params {
    /// How long after the watermark passed it an event still counts, in milliseconds.
    pub lateness_horizon_ms: i64,
    /// How long after its end a bucket is closed and published, in milliseconds of event time.
    pub close_after_ms: i64,
    /// After how long a silence a feed that sends heartbeats is blind, in milliseconds of event time; where nothing is said of its
    /// crossing.
    pub blind_after_ms: i64,
    /// The same where something is said, by crossing.
    message_within_ms: Vec<Option<i64>>,
    /// Ids remembered for each crossing.
    pub max_ids: usize,
    /// When bad input stops consumption.
    pub bad_records: BadRecordBudget,
    /// One entry for each of [`LENSES`], thresholds included, of a series that shares equally.
    pub lenses: [LensParams; 2],
    /// The day lens of a group of crossings, thresholds included: each group and stream has the same share.
    pub groups: LensParams,
    /// What `lenses` are for each share and length of a day, by [`WeightClass`].
    weighted: Vec<[LensParams; 2]>,
    /// By crossing id and stream; those that are missing share equally.
    classes: BTreeMap<(String, StreamIx), WeightClass>,
    /// What a series is thought to have before its first bucket, where something is said of crossings of its kind.
    priors: BTreeMap<(String, StreamIx), [Prior; 2]>,
    /// By corridor; one that is missing has none.
    holidays: BTreeMap<String, Holidays>,
    /// What incidents are held against; without any they are not.
    pub families: Arc<Families>,
}

impl Params {
    /// Fills in the thresholds of both lenses for a network.
    ///
    /// A detector that alarms at R >= A has a false alert at most once in A buckets on average (Pollak & Siegmund 1985; Shin,
    /// Ramdas & Rinaldo 2022, e-detectors), so A = buckets a year / (budget x share), with shares that sum to 1 over all
    /// series, lenses and directions.
    #[must_use]
    pub fn new(
        network: &Network,
        budget: Budget,
        guard_band_ratios: [f64; 2],
        lateness_horizon_ms: i64,
        close_after_ms: i64,
        max_ids: usize,
        bad_records: BadRecordBudget,
    ) -> Self {
        let lenses = LENSES.map(|lens| {
            let mut params = LensParams::for_lens(lens);
            params.guard_band_ratios = guard_band_ratios;
            let share = 1.0 / network.series_count().max(1) as f64;
            with_share(params, budget, share)
        });
        let mut groups = groups::lens_params(LensParams::for_lens(Lens::Day));
        groups.guard_band_ratios = guard_band_ratios;
        let shares = groups::of(network).len().max(1) as f64;
        let threshold = |direction| (DAYS * shares / budget.groups_per_year(direction)).ln();
        groups.log_threshold_rise = threshold(Direction::Surge);
        groups.log_threshold_drop = threshold(Direction::Drop);
        Self {
            lateness_horizon_ms,
            close_after_ms,
            blind_after_ms: BLIND_AFTER_MS,
            message_within_ms: network
                .crossings
                .iter()
                .map(|c| c.message_within_ms)
                .collect(),
            max_ids,
            bad_records,
            lenses,
            groups,
            weighted: Vec::new(),
            classes: BTreeMap::new(),
            priors: BTreeMap::new(),
            holidays: BTreeMap::new(),
            families: Arc::default(),
        }
        .with_hours(network)
    }

    /// How long after its end a day can still change, in milliseconds: an event inside the lateness horizon also says that the feed
    /// was alive before it.
    #[must_use]
    pub fn settle_after_ms(&self) -> i64 {
        let said = self.message_within_ms.iter().flatten().copied();
        self.lateness_horizon_ms + said.fold(self.blind_after_ms, i64::max)
    }

    /// After how long a silence the feed of a crossing is blind, in milliseconds of event time.
    #[must_use]
    pub fn blind_after_ms_at(&self, at: CrossingIx) -> i64 {
        let said = self.message_within_ms.get(usize::from(at.0)).copied();
        said.flatten().unwrap_or(self.blind_after_ms)
    }

    /// Whether the feed of a crossing is followed from its first message on, and not only from its first heartbeat on.
    #[must_use]
    pub fn follows_messages(&self, at: CrossingIx) -> bool {
        let said = self.message_within_ms.get(usize::from(at.0));
        said.is_some_and(Option::is_some)
    }

    /// Sets after how long a silence a feed that sends heartbeats is blind, in milliseconds of event time.
    #[must_use]
    pub fn with_blind_after_ms(mut self, blind_after_ms: i64) -> Self {
        self.blind_after_ms = blind_after_ms;
        self
    }

    /// Makes less of the special days of corridors.
    #[must_use]
    pub fn with_holidays(mut self, by_corridor: BTreeMap<String, Holidays>) -> Self {
        self.holidays = by_corridor;
        self
    }

    /// Holds incidents against these episodes.
    #[must_use]
    pub fn with_families(mut self, families: Families) -> Self {
        self.families = Arc::new(families);
        self
    }

    /// Says what series are like before anything was counted, by crossing id and stream.
    #[must_use]
    pub fn with_kinds(
        mut self,
        network: &Network,
        kinds: &BTreeMap<(String, StreamIx), Kind>,
    ) -> Self {
        for ((id, stream), kind) in kinds {
            if let Some(at) = network.crossing_ix(id) {
                let open_ratio = network.crossing(at).open_hours_a_day() / 24.0;
                self.priors
                    .insert((id.clone(), *stream), kind.priors(open_ratio));
            }
        }
        self
    }

    /// What is believed of a series before its first bucket, by lens.
    #[must_use]
    pub fn priors(&self, crossing: &str, stream: StreamIx) -> [Prior; 2] {
        let known = if self.priors.is_empty() {
            None
        } else {
            self.priors.get(&(crossing.to_owned(), stream))
        };
        known.copied().unwrap_or_else(|| LENSES.map(prior))
    }

    /// What kind of day a civil date is at a corridor.
    #[must_use]
    pub fn day_class(&self, corridor: &str, date: Date) -> DayClass {
        let holidays = self.holidays.get(corridor);
        holidays.map_or(DayClass::Usual, |holidays| holidays.day_class(date))
    }

    /// Splits the budget by weight instead of equally: the share of a series is its weight over the sum of all.
    #[must_use]
    pub fn weighted(mut self, network: &Network, budget: Budget, weights: &Weights) -> Self {
        if *weights == Weights::default() {
            return self;
        }
        let weigh = |crossing: &Crossing, stream| weights.of(&crossing.id, network.stream(stream));
        let series = network.crossings.iter();
        let all = series.flat_map(|c| c.streams.iter().map(|s| weigh(c, *s)));
        let sum: f64 = all.sum();
        self.classify(network, &weigh, &|lens, weight| {
            with_share(lens, budget, weight / sum)
        });
        self
    }

    /// Takes calibrated thresholds for those that are promised, at every crossing; called after all that shares the budget out.
    #[must_use]
    pub fn calibrated(mut self, nats: Calibrated) -> Self {
        let own = std::iter::once(&mut self.lenses);
        for lenses in own.chain(&mut self.weighted) {
            for (lens, nats) in lenses.iter_mut().zip([nats.day, nats.hour]) {
                *lens = lens.clone().calibrated(nats);
            }
        }
        self
    }

    /// Takes the hours of days for what they are at each crossing: of one that is open for eight hours a day a month has a third of the
    /// hours. Called again where `lenses` have changed.
    #[must_use]
    pub fn with_hours(mut self, network: &Network) -> Self {
        self.classify(network, &|_, _| 1.0, &|lens, _| lens);
        self
    }

    /// Finds the settings of each series: one class for each weight and length of a day.
    fn classify(
        &mut self,
        network: &Network,
        weigh: &dyn Fn(&Crossing, StreamIx) -> f64,
        share: &dyn Fn(LensParams, f64) -> LensParams,
    ) {
        (self.weighted, self.classes) = (Vec::new(), BTreeMap::new());
        let mut known: Vec<(u64, u64)> = Vec::new();
        for crossing in &network.crossings {
            let hours = crossing.open_hours_a_day();
            for &stream in &crossing.streams {
                let weight = weigh(crossing, stream);
                let class = (weight.to_bits(), hours.to_bits());
                let at = known.iter().position(|other| *other == class);
                let at = at.unwrap_or_else(|| {
                    known.push(class);
                    let lenses = self.lenses.clone();
                    self.weighted
                        .push(lenses.map(|lens| share(lens, weight).for_hours_a_day(hours)));
                    known.len() - 1
                });
                self.classes
                    .insert((crossing.id.clone(), stream), WeightClass(at + 1));
            }
        }
    }

    /// Which settings the series of a crossing's stream has.
    #[must_use]
    pub fn weight_class(&self, crossing: &str, stream: StreamIx) -> WeightClass {
        if self.classes.is_empty() {
            return WeightClass::default();
        }
        let class = self.classes.get(&(crossing.to_owned(), stream));
        class.copied().unwrap_or_default()
    }

    /// The settings of a series' lenses.
    #[must_use]
    pub fn lenses_of(&self, class: WeightClass) -> &[LensParams; 2] {
        match class.0.checked_sub(1) {
            Some(at) => &self.weighted[at],
            None => &self.lenses,
        }
    }
}

fn with_share(mut params: LensParams, budget: Budget, share: f64) -> LensParams {
    params.log_threshold_rise = log_threshold(share, budget, params.lens, Direction::Surge);
    params.log_threshold_drop = log_threshold(share, budget, params.lens, Direction::Drop);
    params
}

/// ln A of one series, lens and direction, where the series has a share of the budget, in (0, 1].
#[must_use]
pub fn log_threshold(share: f64, budget: Budget, lens: Lens, direction: Direction) -> f64 {
    (lens.buckets_a_year() / (budget.per_year(lens, direction) * share)).ln()
}

#[cfg(test)]
mod tests {
    use super::super::network::Crossing;
    use super::*;
    use jiff::tz::TimeZone;

    const BUDGET: Budget = Budget {
        false_alerts_per_year: 12.0,
        drop_share_ratio: 0.25,
        hour_share_ratio: 0.3,
        group_share_ratio: 0.1,
    };

    /// What the groups leave of the 12 false alerts a year.
    const OF_CROSSINGS: f64 = 10.8;

    fn network() -> Network {
        let crossing = |i: usize| Crossing {
            id: format!("x-{i:02}"),
            name: String::new(),
            country: "fi".into(),
            corridor: "c".into(),
            order: 1,
            neighbours: vec![],
            tz: TimeZone::UTC,
            hours: None,
            message_within_ms: None,
            streams: (0..=(i % 2) as u8).map(StreamIx).collect(),
        };
        let streams = vec!["asylum".into(), "trucks".into()];
        Network::new((0..40).map(crossing).collect(), streams)
    }

    fn params(network: &Network) -> Params {
        let bad_records = BadRecordBudget {
            max_run: 1,
            max_ratio: 1.0,
            window: 10,
        };
        Params::new(network, BUDGET, [0.05, 0.15], 2, 1, 1, bad_records)
    }

    /// False alerts a year of each series by the thresholds it is judged at.
    fn rates(network: &Network, params: &Params) -> BTreeMap<(String, u8), f64> {
        let rate = |lenses: &[LensParams; 2]| {
            let lines = |lens: &LensParams| [lens.log_threshold_rise, lens.log_threshold_drop];
            let a_year = [365.25, 8766.0];
            let rates = lenses.iter().zip(a_year).map(|(lens, a_year)| {
                let at_lines = lines(lens).map(|ln| a_year / ln.exp());
                at_lines.iter().sum::<f64>()
            });
            rates.sum::<f64>()
        };
        let mut rates = BTreeMap::new();
        for crossing in &network.crossings {
            for stream in &crossing.streams {
                let class = params.weight_class(&crossing.id, *stream);
                let name = (crossing.id.clone(), stream.0);
                rates.insert(name, rate(params.lenses_of(class)));
            }
        }
        rates
    }

    #[test]
    fn the_rates_of_all_series_lenses_and_directions_sum_to_the_budget() {
        let network = network();
        let rates = rates(&network, &params(&network));
        let (sum, equal) = (rates.values().sum::<f64>(), OF_CROSSINGS / 60.0);
        assert!((sum - OF_CROSSINGS).abs() < 1e-9, "{sum}");
        assert!(rates.values().all(|rate| (rate - equal).abs() < 1e-9));
    }

    #[test]
    fn the_rates_of_all_groups_sum_to_their_share() {
        let network = network();
        let groups = groups::of(&network).len() as f64;
        let lens = params(&network).groups;
        let lines = [lens.log_threshold_rise, lens.log_threshold_drop];
        let sum = groups * lines.map(|ln| 365.25 / ln.exp()).iter().sum::<f64>();
        assert!((sum - 1.2).abs() < 1e-9, "{groups} groups: {sum}");
    }

    #[test]
    fn weights_move_the_budget_and_add_nothing_to_it() {
        let network = network();
        let weights = Weights {
            crossings: BTreeMap::from([("x-01".to_owned(), 4.0), ("x-02".to_owned(), 0.5)]),
            streams: BTreeMap::from([("trucks".to_owned(), 0.25)]),
        };
        let params = params(&network).weighted(&network, BUDGET, &weights);
        let rates = rates(&network, &params);
        let sum = rates.values().sum::<f64>();
        assert!((sum - OF_CROSSINGS).abs() < 1e-9, "{sum}");
        // 37 crossings of weight 1, one of 4, one of 0.5, and of the 20 with trucks 19 of 0.25 and one of 1.
        let of_one = OF_CROSSINGS / (38.0 + 4.0 + 0.5 + 19.0 * 0.25 + 1.0);
        for (name, weight) in [
            (("x-00", 0), 1.0),
            (("x-01", 0), 4.0),
            (("x-01", 1), 1.0),
            (("x-02", 0), 0.5),
            (("x-03", 1), 0.25),
        ] {
            let rate = rates[&(name.0.to_owned(), name.1)];
            assert!((rate - weight * of_one).abs() < 1e-9, "{name:?}: {rate}");
        }
    }

    #[test]
    fn the_parts_of_the_budget_sum_to_it() {
        let parts = LENSES.map(|lens| Direction::ALL.map(|d| BUDGET.per_year(lens, d)));
        let crossings: f64 = parts.iter().flatten().sum();
        let groups: f64 = Direction::ALL
            .map(|d| BUDGET.groups_per_year(d))
            .iter()
            .sum();
        assert!(
            (crossings + groups - 12.0).abs() < 1e-12,
            "{crossings} {groups}"
        );
    }
}
