//! Owns the naive reference for alerts: it keeps every event and works out each alert from scratch, bucket by bucket in the order
//! of time. Of the machine it takes the statistics of one lens and the calendar, which have tests of their own, and nothing else.

use super::random::DAY_MS;
use super::{Feed, blind_after_ms};
use std::collections::{BTreeMap, BTreeSet};
use surgewatch::core::alert::{Direction, Reason, Severity};
use surgewatch::core::calendar::{DaySpan, local};
use surgewatch::core::event::{GateState, Kind};
use surgewatch::core::ids::{CrossingIx, StreamIx};
use surgewatch::core::lens::{Lens, LensParams, LensState, Slot};
use surgewatch::core::network::Crossing;
use surgewatch::core::series::{is_evidence_low, prior};
use surgewatch::core::time::EventTime;

/// What is known of one crossing in the end.
#[derive(Debug, Default, Clone)]
pub(crate) struct Facts {
    /// The earliest event.
    pub(crate) since: Option<i64>,
    /// Statuses by the moment from which they hold.
    pub(crate) gates: BTreeMap<i64, Kind>,
    /// Every event that shows the feed alive, and whether it is followed from such events on.
    pub(crate) heard: BTreeSet<(i64, bool)>,
    /// Arrivals: when, of what, how many.
    pub(crate) arrivals: Vec<(i64, StreamIx, u32)>,
    /// Operators' words that end alerts: when they were read, on which stream and direction, why.
    pub(crate) words: Vec<(i64, StreamIx, Direction, Reason)>,
}

/// One episode.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Episode {
    pub(crate) onset: i64,
    pub(crate) severity: Severity,
    /// Why it ended; open where nothing is said.
    pub(crate) ended: Option<&'static str>,
}

struct Going {
    onset: i64,
    severity: Severity,
    decided: (Lens, i64),
    calm_days: u32,
    /// Time of closed days and of days of which less than half was open and seen.
    unseen_ms: i64,
}

/// What became of a bucket, as shares of it.
pub(crate) struct Shares {
    /// Open, and the feed alive.
    pub(crate) seen: f64,
    closed: f64,
    blind: f64,
    /// What was seen outside the published hours.
    extra: f64,
}

/// One lens as the reference moves it.
struct Watch {
    model: LensState,
    high_since: [i64; 2],
    begun: i64,
    /// All buckets with exposure: when they began, what came and what was expected.
    passed: Vec<(i64, u64, f64)>,
}

struct Bucket {
    start: i64,
    end: i64,
    observed: u64,
    expected: f64,
    /// 1 % and 99 % of what is expected.
    range: [u64; 2],
    exposure: f64,
    closed_or_blind: f64,
    evidence: [f64; 2],
    abnormal: [f64; 2],
    high_since: [i64; 2],
    /// What came since then and what was expected.
    runs: [(i64, u64, f64); 2],
}

impl Facts {
    /// What was said of a moment and holds, the newest word last: a word without end takes all others away, one of the state that
    /// holds takes its place, and what has ended is gone.
    fn said(&self, time: i64) -> Vec<(GateState, Option<i64>)> {
        let mut pile: Vec<(GateState, Option<i64>)> = Vec::new();
        for (from, kind) in self.gates.range(..=time) {
            let Kind::Status { state, until } = kind else {
                continue;
            };
            pile.retain(|(_, until)| until.is_none_or(|until| *from < until));
            let until = until.map(|until| until.0);
            if until.is_none() {
                pile = Vec::new();
            }
            if pile.last().is_some_and(|(top, _)| top == state) {
                pile.truncate(pile.len() - 1);
            }
            pile.push((*state, until));
        }
        pile.retain(|(_, until)| until.is_none_or(|until| time < until));
        pile
    }

    fn is_closed(&self, time: i64) -> bool {
        matches!(self.said(time).last(), Some((GateState::Closed, _)))
    }

    /// A status says until when the crossing is open, whatever its hours.
    fn is_held_open(&self, time: i64) -> bool {
        let mut pile = self.said(time);
        pile.retain(|(state, _)| *state != GateState::Restricted);
        matches!(pile.last(), Some((GateState::Open, Some(_))))
    }

    /// Two events lie further apart than the silence that makes a feed blind, and the moment lies between them.
    fn is_blind(&self, place: &Crossing, time: i64) -> bool {
        let first_beat = self.heard.iter().find(|(_, is_beat)| *is_beat);
        let followed = first_beat.is_some_and(|(first, _)| *first <= time);
        let last = self.heard.range(..=(time, true)).next_back();
        let next = self.heard.range((time + 1, false)..).next();
        let gap = last.zip(next);
        followed && gap.is_some_and(|((last, _), (next, _))| next - last > blind_after_ms(place))
    }

    /// The shares of a bucket in which the crossing was open and seen, and in which it was scheduled and not.
    pub(crate) fn shares(&self, place: &Crossing, start: i64, end: i64) -> Shares {
        let mut moments: BTreeSet<i64> = BTreeSet::from([start, end]);
        let changes = self.gates.iter().flat_map(|(from, kind)| match kind {
            Kind::Status {
                until: Some(until), ..
            } => vec![*from, until.0],
            _ => vec![*from],
        });
        let heard = self.heard.iter().map(|(at, _)| *at);
        // Opening hours begin and end on whole minutes; every quarter of an hour is near enough to hold each of them.
        let quarters = (0..=(end - start) / 900_000).map(|n| start + n * 900_000);
        let all = changes.chain(heard).chain(quarters).chain(self.since);
        moments.extend(all.filter(|at| start < *at && *at < end));
        let moments: Vec<i64> = moments.into_iter().collect();
        let (mut seen, mut closed, mut blind, mut extra) = (0, 0, 0, 0);
        for piece in moments.windows(2) {
            let (from, length) = (piece[0], piece[1] - piece[0]);
            let is_known = self.since.is_some_and(|since| since <= from);
            let is_due = is_scheduled(place, from) || self.is_held_open(from);
            if !is_known || !is_due {
                continue;
            }
            if self.is_closed(from) {
                closed += length;
            } else if self.is_blind(place, from) {
                blind += length;
            } else {
                seen += length;
                extra += if is_scheduled(place, from) { 0 } else { length };
            }
        }
        let share = |ms: i64| ms as f64 / (end - start) as f64;
        Shares {
            seen: share(seen),
            closed: share(closed),
            blind: share(blind),
            extra: share(extra),
        }
    }

    /// The arrivals of a bucket while the crossing was open, and while it was shut.
    pub(crate) fn count(
        &self,
        place: &Crossing,
        stream: StreamIx,
        (start, end): (i64, i64),
    ) -> (u64, u64) {
        let mut counts = (0, 0);
        for (at, of, count) in &self.arrivals {
            if *of == stream && (start..end).contains(at) {
                let is_due = is_scheduled(place, *at) || self.is_held_open(*at);
                let is_open = is_due && !self.is_closed(*at);
                let side = if is_open {
                    &mut counts.0
                } else {
                    &mut counts.1
                };
                *side += u64::from(*count);
            }
        }
        counts
    }
}

fn is_scheduled(place: &Crossing, time: i64) -> bool {
    let Some(week) = &place.hours else {
        return true;
    };
    let now = local(&place.tz, EventTime(time));
    let minute = u16::from(now.hour().unsigned_abs()) * 60 + u16::from(now.minute().unsigned_abs());
    let weekday = now.date().weekday().to_monday_zero_offset();
    week[usize::from(weekday.unsigned_abs())]
        .is_some_and(|hours| (hours.open_minute..hours.close_minute).contains(&minute))
}

/// One series from its first day on, judged from scratch.
struct Naive<'a> {
    facts: &'a Facts,
    place: &'a Crossing,
    stream: StreamIx,
    params: &'a [LensParams; 2],
    watches: [Watch; 2],
    /// Moments at which an episode ended: by a word, or by calm days found on the way.
    ends: Vec<(i64, Direction, Reason)>,
    going: [Option<Going>; 2],
    judged: Judged,
}

/// What becomes of a series.
#[derive(Default)]
pub(crate) struct Judged {
    pub(crate) episodes: Vec<(Direction, Episode)>,
    /// What both lenses know before the first moment of each day.
    pub(crate) models: BTreeMap<i64, [LensState; 2]>,
}

/// Judges a series up to the last bucket that closes by `until`.
pub(crate) fn judged(
    feed: &Feed,
    at: CrossingIx,
    stream: StreamIx,
    facts: &Facts,
    until: i64,
) -> Judged {
    let Some(since) = facts.since else {
        return Judged::default();
    };
    let place = feed.network.crossing(at);
    let mut day = DaySpan::holding(&place.tz, EventTime(since));
    let params = feed
        .params
        .lenses_of(feed.params.weight_class(&place.id, stream));
    let begin = day.start.0;
    let watch = |lens: &LensParams| Watch {
        model: LensState::new(lens, prior(lens.lens)),
        high_since: [begin; 2],
        begun: i64::MIN,
        passed: Vec::new(),
    };
    let words = facts.words.iter().filter(|(_, of, ..)| *of == stream);
    let mut naive = Naive {
        facts,
        place,
        stream,
        params,
        watches: [watch(&params[0]), watch(&params[1])],
        ends: words
            .map(|(at, _, direction, why)| (*at, *direction, *why))
            .collect(),
        going: [None, None],
        judged: Judged::default(),
    };
    loop {
        let models = [0, 1].map(|i: usize| naive.watches[i].model.clone());
        naive.judged.models.insert(day.start.0, models);
        naive.begin_day(&day);
        let special = feed
            .params
            .day_class(&place.corridor, day.date)
            .log_variance();
        for hour in 0..day.hours() {
            let (start, end) = day.hour_span(hour);
            if end.0 + super::CLOSE_AFTER_MS > until {
                return naive.finish();
            }
            let slot = day.hour_slot(&place.tz, hour);
            let slot = Slot {
                special_log_variance: special,
                ..slot
            };
            naive.hear(start.0, end.0);
            let bucket = naive.watch(1, start.0, end.0, slot);
            naive.judge(Lens::Hour, &bucket);
        }
        let slot = Slot {
            special_log_variance: special,
            ..day.slot()
        };
        let bucket = naive.watch(0, day.start.0, day.end.0, slot);
        naive.judge(Lens::Day, &bucket);
        day = day.next(&place.tz);
    }
}

impl Naive<'_> {
    /// Words of operators in `[start, end)`.
    fn hear(&mut self, start: i64, end: i64) {
        for (at, direction, why) in self.ends.clone() {
            if !why.is_counted() && start <= at && at < end {
                self.end(direction, why);
            }
        }
    }

    fn end(&mut self, direction: Direction, why: Reason) {
        if let Some(going) = self.going[direction as usize].take() {
            let (onset, severity) = (going.onset, going.severity);
            let ended = Some(why.label());
            self.judged.episodes.push((
                direction,
                Episode {
                    onset,
                    severity,
                    ended,
                },
            ));
        }
    }

    /// The hours of a day follow what the days before it have learnt.
    fn begin_day(&mut self, day: &DaySpan) {
        self.begin(0, day.slot(), day.start.0);
        self.begin(1, day.slot(), day.start.0);
        let [days, hours] = &mut self.watches;
        hours.model.follow(days.model.log_season_at(day.slot()));
    }

    /// A bucket begins: what ended before it was judged.
    fn begin(&mut self, lens: usize, slot: Slot, start: i64) {
        let watch = &mut self.watches[lens];
        let mut fresh: Vec<_> = self
            .ends
            .iter()
            .filter(|(at, ..)| watch.begun < *at && *at <= start)
            .collect();
        fresh.sort_by_key(|(at, direction, _)| (*at, *direction));
        for (_, direction, why) in fresh {
            watch
                .model
                .dismiss(&self.params[lens], slot, *direction, *why);
            watch.high_since = [start; 2];
        }
        watch.begun = start;
    }

    fn watch(&mut self, lens: usize, start: i64, end: i64, mut slot: Slot) -> Bucket {
        let shares = self.facts.shares(self.place, start, end);
        let (exposure, closed_or_blind) = (shares.seen, shares.closed + shares.blind);
        let mut expects = exposure;
        if lens == 1 && shares.extra > 0.0 {
            slot.special_log_variance += 1.5_f64.powi(2);
        }
        if lens == 0 && shares.seen > shares.extra {
            expects = shares.seen - shares.extra;
        }
        let whole = expects + closed_or_blind;
        if closed_or_blind > 0.0 && expects > 0.0 {
            slot.whole_ratio = whole / expects;
            slot.is_hidden = lens == 0 && closed_or_blind >= whole / 8.0;
        }
        let (observed, _) = self.facts.count(self.place, self.stream, (start, end));
        let params = &self.params[lens];
        self.begin(lens, slot, start);
        let watch = &mut self.watches[lens];
        let outlook = watch.model.close(params, slot, expects, observed);
        let evidence = [
            watch.model.log_evidence_rise(),
            watch.model.log_evidence_drop(),
        ];
        for (since, low) in
            watch
                .high_since
                .iter_mut()
                .zip(is_evidence_low(evidence, params, outlook.as_ref()))
        {
            if low || (outlook.is_none() && *since == start) {
                *since = end;
            }
        }
        let usual = outlook.as_ref().map(|o| o.usual());
        watch
            .passed
            .extend(usual.map(|usual| (start, observed, usual)));
        let run = |since: i64| {
            let buckets = watch.passed.iter().filter(|(at, ..)| since <= *at);
            buckets.fold((since, 0, 0.0), |(since, y, e), of| {
                (since, y + of.1, e + of.2)
            })
        };
        Bucket {
            runs: watch.high_since.map(run),
            start,
            end,
            observed,
            expected: outlook.as_ref().map_or(0.0, |o| o.usual()),
            range: outlook
                .as_ref()
                .map_or([0; 2], |o| o.quantiles([0.01, 0.99])),
            exposure,
            closed_or_blind,
            evidence,
            abnormal: [watch.model.p_surge(), watch.model.p_drop()],
            high_since: watch.high_since,
        }
    }

    fn judge(&mut self, lens: Lens, bucket: &Bucket) {
        let params = &self.params[usize::from(lens == Lens::Hour)];
        let lines = [params.log_threshold_rise, params.log_threshold_drop];
        for direction in Direction::ALL {
            let at = direction as usize;
            let reaches = bucket.exposure > 0.0 && bucket.evidence[at] >= lines[at];
            let onset = bucket.high_since[at].min(bucket.start);
            let severity = Severity::of(direction, bucket.observed, bucket.expected);
            let (since, came, usual) = bucket.runs[at];
            let days = ((bucket.end - since) as f64 / DAY_MS as f64).max(1.0);
            let a_day = (came as f64 / days).round() as u64;
            let severity_of_run = Severity::of(direction, a_day, usual / days);
            let dealt_with = self
                .ends
                .iter()
                .any(|(end, of, _)| *of == direction && bucket.start < *end && *end <= bucket.end);
            match &mut self.going[at] {
                None if reaches && !dealt_with => {
                    self.going[at] = Some(Going {
                        onset,
                        severity: severity.max(severity_of_run),
                        decided: (lens, bucket.start),
                        calm_days: 0,
                        unseen_ms: 0,
                    });
                }
                Some(going) if lens == Lens::Day && bucket.exposure <= 0.0 => {
                    going.unseen_ms += bucket.end - bucket.start;
                }
                Some(going) if lens == Lens::Day && bucket.exposure > 0.0 => {
                    let hidden = bucket.closed_or_blind;
                    let is_hidden = hidden > 0.0 && hidden >= (bucket.exposure + hidden) / 8.0;
                    let says_nothing = is_hidden && direction == Direction::Drop;
                    if !says_nothing {
                        going.severity = going.severity.max(severity);
                    }
                    let by_an_hour_of_it = going.decided.0 == Lens::Hour
                        && (bucket.start..bucket.end).contains(&going.decided.1);
                    let is_further_back = going.onset - onset >= DAY_MS && !dealt_with;
                    if by_an_hour_of_it && reaches && is_further_back {
                        going.onset = onset;
                    }
                    let seen = bucket.exposure >= bucket.closed_or_blind && !says_nothing;
                    if !seen {
                        going.unseen_ms += bucket.end - bucket.start;
                    }
                    let is_old = bucket.end - going.onset - going.unseen_ms >= 60 * DAY_MS;
                    let mut why = None;
                    let is_unusual = if self.watches[0].model.is_learnt_whole() {
                        let [lower, upper] = bucket.range;
                        [
                            bucket.observed > upper,
                            bucket.observed < lower && !is_hidden,
                        ][at]
                    } else {
                        bucket.abnormal[at] >= 0.5
                    };
                    if is_unusual {
                        going.calm_days = 0;
                    } else if seen {
                        going.calm_days += 1;
                        let hours = &self.watches[1].model;
                        let is_strange = [hours.p_surge(), hours.p_drop()][at] >= 0.9;
                        if going.calm_days >= 3 && !is_strange {
                            why = Some(Reason::Calm);
                        } else if going.calm_days >= 3 && is_old {
                            why = Some(Reason::Lasting);
                        }
                    }
                    let adopts = self.watches[0].model.has_just_adopted(params);
                    if adopts && is_old {
                        why = why.or(Some(Reason::Lasting));
                    }
                    if let Some(why) = why {
                        self.end(direction, why);
                        self.ends.push((bucket.end, direction, why));
                    }
                }
                _ => {}
            }
        }
    }

    fn finish(mut self) -> Judged {
        for direction in Direction::ALL {
            if let Some(going) = self.going[direction as usize].take() {
                let (onset, severity) = (going.onset, going.severity);
                self.judged.episodes.push((
                    direction,
                    Episode {
                        onset,
                        severity,
                        ended: None,
                    },
                ));
            }
        }
        self.judged.episodes.sort();
        self.judged
    }
}
