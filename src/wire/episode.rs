//! Owns what a record says of the episodes that an incident is like: probabilities, stage, growth, what may come, and a plain
//! sentence. It is a likeness of numbers: no sentence says who comes or why.

use super::encode::significant;
use super::sentence::grouped;
use crate::core::alert::Direction;
use crate::core::episode::{
    Called, Families, Likeness, NONE_OF_THESE, Name, Projection, SEARCHED_BEFORE_DAYS, Stage,
    TooLittle, Verdict,
};
use crate::core::region::displacement::Day;
use crate::core::region::incident::Change;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Days up to which a match is a first guess.
const FIRST_GUESS_DAYS: u32 = 7;
/// Probabilities are told from this one on.
const TOLD_RATIO: f64 = 0.005;

/// What an incident is like, at the end of its last closed day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EpisodeRecord<'a> {
    /// Days since the likely onset, the first is 1.
    pub day: u32,
    /// Days that were counted since the onset of its first alert: what all the rest is judged from.
    #[serde(default)]
    pub judged_days: u32,
    /// The likeliest day of the onset.
    #[schemars(with = "String")]
    pub onset: Date,
    /// With 80 % it began from this day on.
    #[schemars(with = "String")]
    pub onset_first: Date,
    /// And by this one.
    #[schemars(with = "String")]
    pub onset_last: Date,
    /// Why nothing is said yet: `days` or `arrivals` are too few; absent where candidates are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub too_little: Option<Cow<'a, str>>,
    /// What it is called like: an episode with half of the probability or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<Cow<'a, str>>,
    /// All candidates, `none-of-these` included, the likeliest first; empty where too little is known. They sum to 1.
    pub probabilities: Vec<ProbabilityRecord<'a>>,
    /// How far along it is; absent where too little is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Days in which what is above the usual doubles; negative while it halves; absent where it cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubling_days: Option<f64>,
    /// The shortest doubling time of 80 %, or the longest in which it halves; absent where it shrinks and may as well not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubling_days_low: Option<f64>,
    /// The longest doubling time of 80 %, or the shortest in which it halves; absent where it grows and may as well not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubling_days_high: Option<f64>,
    /// What came next in the past, of what it is called like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub followed: Option<Cow<'a, str>>,
    /// Arrivals of all of its crossings in the next days, the usual ones included; what is open now is thought to stay open.
    pub projection: Vec<ProjectionRecord>,
    /// In plain words.
    pub sentence: String,
}

/// A candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProbabilityRecord<'a> {
    /// Id of the episode, or `none-of-these`.
    pub episode: Cow<'a, str>,
    /// Its probability.
    pub probability: f64,
}

/// Arrivals of the next days, summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProjectionRecord {
    /// How many days.
    pub days: u32,
    /// Arrivals of as many last days at the same crossings.
    #[serde(default)]
    pub came: u64,
    /// As likely more as fewer.
    pub median: u64,
    /// Fewer with 10 %.
    pub low: u64,
    /// More with 10 %.
    pub high: u64,
}

/// What is written of a likeness; `region` as in [`sentence`].
#[must_use]
pub fn record<'a>(
    families: &'a Families,
    likeness: &Likeness,
    called: Called,
    region: &str,
) -> EpisodeRecord<'a> {
    let (probabilities, stage, too_little) = match &likeness.verdict {
        Verdict::TooLittle(why) => (Vec::new(), None, Some(why.label().into())),
        Verdict::Compared {
            families: all,
            none,
            stage,
        } => {
            let stage = called.stage().unwrap_or(*stage);
            (probabilities(families, all, *none), Some(stage), None)
        }
    };
    let named = likeness.named().and_then(|(at, _)| families.get(at));
    let days = |per_day: f64| (per_day.abs() > 1e-3).then(|| significant(per_day.recip()));
    let growth = likeness.doubling;
    // An interval of rates that holds zero is one of doubling times without an end.
    let certain = growth.filter(|d| d.per_day_low > 0.0 || d.per_day_high < 0.0);
    let growing = growth.filter(|d| d.per_day > 0.0);
    let shrinking = growth.filter(|d| d.per_day < 0.0);
    EpisodeRecord {
        day: likeness.day,
        judged_days: likeness.judged_days,
        onset: likeness.onset.likely.date(),
        onset_first: likeness.onset.first.date(),
        onset_last: likeness.onset.last.date(),
        too_little,
        named: named.map(|family| family.id.as_str().into()),
        probabilities,
        stage,
        doubling_days: growth.and_then(|d| days(d.per_day)),
        doubling_days_low: certain.or(growing).and_then(|d| days(d.per_day_high)),
        doubling_days_high: certain.or(shrinking).and_then(|d| days(d.per_day_low)),
        followed: named.map(|family| family.followed.as_str().into()),
        projection: likeness.projections.iter().map(projection).collect(),
        sentence: sentence(families, likeness, called, region),
    }
}

fn probabilities<'a>(families: &'a Families, all: &[f64], none: f64) -> Vec<ProbabilityRecord<'a>> {
    let each = families.families.iter().zip(all);
    let each = each.map(|(family, p)| (family.id.as_str(), *p));
    let mut each: Vec<(&str, f64)> = each.chain([(NONE_OF_THESE, none)]).collect();
    each.sort_by(|a, b| b.1.total_cmp(&a.1));
    let told = each.into_iter().map(|(id, p)| ProbabilityRecord {
        episode: id.into(),
        probability: (p * 1e4).round() / 1e4,
    });
    told.collect()
}

fn projection(of: &Projection) -> ProjectionRecord {
    ProjectionRecord {
        days: of.days,
        came: of.came,
        median: of.median,
        low: of.low,
        high: of.high,
    }
}

/// Days ahead that the sentence tells of.
const TOLD_AHEAD_DAYS: u32 = 3;

/// A few plain sentences: what it looks like, how sure that is, how far along it is, what came next then, and what may come now.
/// While it is called like an episode that it is less like of late, they keep to that one. `region` is where what may come is
/// counted, as [`region`](super::incident::region) has it.
#[must_use]
pub fn sentence(families: &Families, likeness: &Likeness, called: Called, region: &str) -> String {
    let (all, none, stage) = match &likeness.verdict {
        Verdict::TooLittle(TooLittle::Days { have: 0, .. }) => {
            return "Its counts do not say yet since when it goes on, nor what it looks like."
                .to_owned();
        }
        Verdict::TooLittle(TooLittle::Days { have, .. }) => {
            return format!(
                "Only {} so far: too few to say what it looks like.",
                counted(*have, "day of counts", "days of counts")
            );
        }
        Verdict::TooLittle(TooLittle::Arrivals { .. }) => {
            return "There are too few arrivals to say what it looks like.".to_owned();
        }
        Verdict::Compared {
            families: all,
            none,
            stage,
        } => (all, *none, called.stage().unwrap_or(*stage)),
    };
    let judged = counted(likeness.judged_days, "day", "days");
    let first = match likeness.judged_days <= FIRST_GUESS_DAYS {
        true => format!(", judged by {judged} of alert only"),
        false => String::new(),
    };
    let each = all.iter().copied().enumerate();
    let family = each
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .and_then(|(at, p)| Some((families.get(at)?, p)));
    // All families that are compared go the same way.
    let direction = family.map_or(Direction::Surge, |(family, _)| family.direction);
    let along = along(likeness, stage, direction);
    let ahead = ahead(likeness, stage, region);
    let renamed_from = called.renamed_from();
    let called = called.name().flatten();
    let until_now = called.and_then(|at| Some((families.get(at)?, *all.get(at)?)));
    match (until_now, family) {
        (Some((family, p)), _) if called == likeness.named().map(|(at, _)| at) => format!(
            "By its numbers it looks most like {}; this is right in {}{first}.{}{along}{ahead} What came of it then, and may go otherwise this time: {}",
            family.name,
            in_ten(p),
            before(families, renamed_from),
            family.followed
        ),
        (Some((family, p)), _) => format!(
            "By its numbers it looked most like {} until now, and that is less clear of late; it would be right in {}{first}.{along}{ahead}",
            family.name,
            in_ten(p)
        ),
        (None, Some((family, p))) if p > none && p > TOLD_RATIO => format!(
            "By its numbers it is not clear what it looks like; the nearest is {}, which would be right in {}{first}.{along}{ahead}",
            family.name,
            in_ten(p)
        ),
        _ if none < 0.5 => format!(
            "By its numbers it is not clear what it looks like; that it is like none of the known episodes would be right in {}{first}.{}{along}{ahead}",
            in_ten(none),
            before(families, renamed_from)
        ),
        _ => format!(
            "By its numbers it is like none of the episodes that are known (this is right in {}{first}), so none of them is told as an example.{}{along}{ahead}",
            in_ten(none),
            before(families, renamed_from)
        ),
    }
}

/// The sentence as the end of what is told of a change. What numbers are like is judged at the end of a day: what changes in the course of the next one is told with that date, and
/// not where too little was known of it then, or it was nearly back to the level before. `stage` as in the record.
#[must_use]
pub fn told(change: Change, likeness: &Likeness, stage: Option<Stage>, sentence: &str) -> String {
    match (change, stage) {
        (Change::Resolved(_) | Change::Merged(_), _) => String::new(),
        (Change::Updated | Change::Revised(_), _) => format!(" {sentence}"),
        (_, None | Some(Stage::Over)) => String::new(),
        _ => {
            let day = likeness.last_day().date().strftime("%-d %B %Y");
            format!(" At the end of {day} it was said: {sentence}")
        }
    }
}

/// What it was called until today, where that has changed.
fn before(families: &Families, renamed_from: Option<Name>) -> String {
    match renamed_from {
        None => String::new(),
        Some(None) => {
            " Until now it was not clear, or like none of them; the last days changed that."
                .to_owned()
        }
        Some(Some(at)) => families.get(at).map_or_else(String::new, |family| {
            format!(
                " Until now it was called most like {}; the last days changed that.",
                family.name
            )
        }),
    }
}

/// What may come, and what came of late; of one that is over the latter.
fn ahead(likeness: &Likeness, stage: Stage, region: &str) -> String {
    let mut all = likeness.projections.iter();
    let Some(p) = all.find(|p| p.days == TOLD_AHEAD_DAYS) else {
        return String::new();
    };
    let came = grouped(p.came);
    if stage == Stage::Over {
        return format!(" In the last {TOLD_AHEAD_DAYS} days {came} came at {region}.");
    }
    let may_come = match (p.low, p.high) {
        (0, 0) => "hardly any".to_owned(),
        (low, high) => format!("{} to {}", grouped(low), grouped(high)),
    };
    format!(
        " If what is open stays open, {may_come} may come at {region} in the next {TOLD_AHEAD_DAYS} days together (this holds in about 8 cases of 10); in the last {TOLD_AHEAD_DAYS} days {came} came there."
    )
}

/// When it began and how far along it is.
fn along(likeness: &Likeness, stage: Stage, direction: Direction) -> String {
    let last = likeness.last_day().0;
    let ago = |day: Day| (last - day.0 + 1).max(1) as u32;
    let (earliest, latest) = (ago(likeness.onset.first), ago(likeness.onset.last));
    // It is looked for no earlier than this.
    let is_bound = likeness.before_alert_days >= SEARCHED_BEFORE_DAYS;
    let range = match (latest < earliest, is_bound) {
        (true, true) => Some(format!("{latest} to {earliest} days, or more")),
        (true, false) => Some(format!("{latest} to {earliest} days")),
        (false, true) => Some("or more".to_owned()),
        (false, false) => None,
    };
    let alert = (likeness.before_alert_days > 0).then(|| {
        let days = likeness.day.saturating_sub(likeness.before_alert_days);
        let days = counted(days.max(1), "day", "days");
        format!("its first alert goes back {days}")
    });
    let both: Vec<String> = range.into_iter().chain(alert).collect();
    let range = match both.as_slice() {
        [] => String::new(),
        some => format!(" ({})", some.join("; ")),
    };
    let words = match (stage, direction) {
        (Stage::Level, _) if likeness.doubling.is_none() => {
            "has too few days of late that say which way it goes"
        }
        (Stage::Growth, Direction::Surge) => "is growing",
        (Stage::Growth, Direction::Drop) => "has been falling further of late",
        (Stage::Level, Direction::Surge) => "is neither clearly growing nor clearly shrinking",
        (Stage::Level, Direction::Drop) => "is neither clearly falling on nor clearly recovering",
        (Stage::Decline, Direction::Surge) => "is shrinking",
        (Stage::Decline, Direction::Drop) => "is recovering",
        (Stage::Over, Direction::Surge) => {
            "in its last 3 days had hardly more than was usual before it, or fewer"
        }
        (Stage::Over, Direction::Drop) => {
            "in its last 3 days had hardly fewer than was usual before it, or more"
        }
    };
    format!(
        " It may have begun about {} ago{range} and {words}{}.",
        counted(likeness.day, "day", "days"),
        pace(likeness, stage, direction)
    )
}

/// How fast a surge grows or shrinks.
fn pace(likeness: &Likeness, stage: Stage, direction: Direction) -> String {
    let Some(growth) = likeness.doubling.filter(|_| direction == Direction::Surge) else {
        return String::new();
    };
    let (does, fast, slow) = match stage {
        Stage::Growth if growth.per_day > 0.0 => {
            ("double", growth.per_day_high, growth.per_day_low)
        }
        Stage::Decline if growth.per_day < 0.0 => {
            ("halve", -growth.per_day_low, -growth.per_day_high)
        }
        _ => return String::new(),
    };
    let days = |per_day: f64| per_day.recip().round().max(1.0) as u32;
    let fastest = days(fast);
    let pace = match slow > 0.0 {
        true if days(slow) == fastest => format!("about {}", counted(fastest, "day", "days")),
        true => format!("{fastest} to {} days", days(slow)),
        false => format!("{} or more, if it goes on", counted(fastest, "day", "days")),
    };
    format!(" (at the pace of late the extra arrivals {does} in {pace})")
}

/// A probability as people say it.
fn in_ten(p: f64) -> String {
    match (p * 10.0).round() as u32 {
        0 => "less than 1 case of 10".to_owned(),
        1 => "about 1 case of 10".to_owned(),
        10 => "more than 9 cases of 10".to_owned(),
        tenths => format!("about {tenths} cases of 10"),
    }
}

fn counted(number: u32, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};
    use crate::core::episode::{Doubling, Onset};

    fn families() -> Families {
        let settings = load(&Sources::default()).expect("the defaults are good");
        settings.families().clone()
    }

    const REGION: &str = "Salla and the crossings beside it";

    /// Day 19,675 since 1970 is 14 November 2023.
    fn likeness(day: u32, verdict: Verdict) -> Likeness {
        Likeness {
            day,
            judged_days: day,
            before_alert_days: 0,
            onset: Onset {
                first: Day(19_674),
                likely: Day(19_675),
                last: Day(19_676),
            },
            verdict,
            doubling: None,
            projections: vec![Projection {
                days: 3,
                came: 280,
                median: 300,
                low: 90,
                high: 1_250,
            }],
        }
    }

    fn called(days: &[&Likeness]) -> Called {
        let mut called = Called::default();
        days.iter().for_each(|day| called.see(day));
        called
    }

    fn like(families: &Families, day: u32, id: &str, p: f64) -> Likeness {
        let mut all = vec![0.0; families.families.len()];
        all[families.position(id).expect("it is a family")] = p;
        let verdict = Verdict::Compared {
            families: all,
            none: 1.0 - p,
            stage: Stage::Growth,
        };
        likeness(day, verdict)
    }

    #[test]
    fn sentences_are_plain_and_say_how_sure_they_are() {
        let families = families();
        let few = |why| likeness(1, Verdict::TooLittle(why));
        let said = [
            few(TooLittle::Days { have: 0, need: 3 }),
            few(TooLittle::Days { have: 1, need: 3 }),
            few(TooLittle::Days { have: 2, need: 3 }),
            few(TooLittle::Arrivals { have: 4, need: 10 }),
            like(&families, 3, "finland-2023-shift", 0.71),
            like(&families, 12, "finland-2023-shift", 0.97),
            like(&families, 12, "belarus-2021-push", 0.3),
            like(&families, 5, "belarus-2021-push", 0.01),
        ];
        let said =
            said.map(|likeness| sentence(&families, &likeness, called(&[&likeness]), REGION));
        insta::assert_snapshot!(said.join("\n"), @r"
        Its counts do not say yet since when it goes on, nor what it looks like.
        Only 1 day of counts so far: too few to say what it looks like.
        Only 2 days of counts so far: too few to say what it looks like.
        There are too few arrivals to say what it looks like.
        By its numbers it looks most like Finland in the autumn of 2023; this is right in about 7 cases of 10, judged by 3 days of alert only. It may have begun about 3 days ago (2 to 4 days) and is growing. If what is open stays open, 90 to 1,250 may come at Salla and the crossings beside it in the next 3 days together (this holds in about 8 cases of 10); in the last 3 days 280 came there. What came of it then, and may go otherwise this time: In 2023 it doubled in about 2 days; on the last open day five times as many came as on the day before, and after each closure the next open crossing had more, about a third of what the shut ones had had, on the next day or two days later. When all were shut it was zero, and on reopening 155 came on the first day and 208 on the second.
        By its numbers it looks most like Finland in the autumn of 2023; this is right in more than 9 cases of 10. It may have begun about 12 days ago (11 to 13 days) and is growing. If what is open stays open, 90 to 1,250 may come at Salla and the crossings beside it in the next 3 days together (this holds in about 8 cases of 10); in the last 3 days 280 came there. What came of it then, and may go otherwise this time: In 2023 it doubled in about 2 days; on the last open day five times as many came as on the day before, and after each closure the next open crossing had more, about a third of what the shut ones had had, on the next day or two days later. When all were shut it was zero, and on reopening 155 came on the first day and 208 on the second.
        By its numbers it is like none of the episodes that are known (this is right in about 7 cases of 10), so none of them is told as an example. It may have begun about 12 days ago (11 to 13 days) and is growing. If what is open stays open, 90 to 1,250 may come at Salla and the crossings beside it in the next 3 days together (this holds in about 8 cases of 10); in the last 3 days 280 came there.
        By its numbers it is like none of the episodes that are known (this is right in more than 9 cases of 10, judged by 5 days of alert only), so none of them is told as an example. It may have begun about 5 days ago (4 to 6 days) and is growing. If what is open stays open, 90 to 1,250 may come at Salla and the crossings beside it in the next 3 days together (this holds in about 8 cases of 10); in the last 3 days 280 came there.
        ");
    }

    #[test]
    fn a_drop_recovers_where_a_surge_shrinks_and_none_is_no_range() {
        let families = families();
        let mut drop = like(&families, 12, "blockade-2023", 0.9);
        if let Verdict::Compared { stage, .. } = &mut drop.verdict {
            *stage = Stage::Decline;
        }
        for projection in &mut drop.projections {
            (projection.low, projection.high) = (0, 0);
        }
        let said = sentence(&families, &drop, called(&[&drop]), REGION);
        assert!(
            said.contains("about 12 days ago (11 to 13 days) and is recovering."),
            "{said}"
        );
        assert!(said.contains("hardly any may come at"), "{said}");
    }

    #[test]
    fn what_is_as_near_on_one_day_does_not_change_the_name() {
        let families = families();
        let before = like(&families, 11, "belarus-2021-push", 0.6);
        let mut now = like(&families, 12, "finland-2023-shift", 0.55);
        if let Verdict::Compared { families: all, .. } = &mut now.verdict {
            all[families
                .position("belarus-2021-push")
                .expect("it is a family")] = 0.4;
        }
        let said = sentence(&families, &now, called(&[&before, &now]), REGION);
        insta::assert_snapshot!(said, @"By its numbers it looked most like the borders of Lithuania, Latvia and Poland in 2021 until now, and that is less clear of late; it would be right in about 4 cases of 10. It may have begun about 12 days ago (11 to 13 days) and is growing. If what is open stays open, 90 to 1,250 may come at Salla and the crossings beside it in the next 3 days together (this holds in about 8 cases of 10); in the last 3 days 280 came there.");
        let said = sentence(
            &families,
            &now,
            called(&[&before, &now, &now, &now, &now, &now]),
            REGION,
        );
        assert!(
            said.contains("it looks most like Finland in the autumn of 2023"),
            "{said}"
        );
    }

    #[test]
    fn a_record_holds_all_candidates_and_how_fast_it_grows_at_most_and_at_least() {
        let families = families();
        let mut likeness = like(&families, 12, "finland-2023-shift", 0.8);
        let told = record(&families, &likeness, called(&[&likeness]), REGION);
        let sum: f64 = told.probabilities.iter().map(|p| p.probability).sum();
        assert!((sum - 1.0).abs() < 1e-3);
        assert_eq!(told.probabilities.len(), families.families.len() + 1);
        assert_eq!(told.named.as_deref(), Some("finland-2023-shift"));
        assert_eq!(told.probabilities[1].episode, NONE_OF_THESE);
        let table = [
            (
                "growth that is certain",
                [0.25, 0.5, 1.0],
                [Some(1.0), Some(2.0), Some(4.0)],
                " and is growing (at the pace of late the extra arrivals double in 1 to 4 days).",
            ),
            (
                "at one pace",
                [0.45, 0.5, 0.6],
                [Some(1.667), Some(2.0), Some(2.222)],
                " and is growing (at the pace of late the extra arrivals double in about 2 days).",
            ),
            (
                "it may as well not grow",
                [-0.1, 0.1, 0.25],
                [Some(4.0), Some(10.0), None],
                " and is growing (at the pace of late the extra arrivals double in 4 days or more, if it goes on).",
            ),
            (
                "it may as well not shrink",
                [-0.25, -0.1, 0.1],
                [None, Some(-10.0), Some(-4.0)],
                " and is growing.",
            ),
            (
                "it shrinks",
                [-1.0, -0.5, -0.25],
                [Some(-4.0), Some(-2.0), Some(-1.0)],
                " and is growing.",
            ),
        ];
        for (name, [per_day_low, per_day, per_day_high], expected, said) in table {
            likeness.doubling = Some(Doubling {
                per_day,
                per_day_low,
                per_day_high,
            });
            let told = record(&families, &likeness, called(&[&likeness]), REGION);
            let found = [
                told.doubling_days_low,
                told.doubling_days,
                told.doubling_days_high,
            ];
            assert_eq!(found, expected, "{name}");
            assert!(told.sentence.contains(said), "{name}: {}", told.sentence);
        }
    }

    #[test]
    fn an_onset_at_the_end_of_the_search_and_days_without_a_pace_are_told_as_such() {
        let mut likeness = like(&families(), 32, "finland-2023-shift", 0.8);
        likeness.before_alert_days = SEARCHED_BEFORE_DAYS;
        let said = along(&likeness, Stage::Level, Direction::Surge);
        let range = "(31 to 33 days, or more; its first alert goes back 4 days)";
        assert!(said.contains(range), "{said}");
        assert!(said.contains("too few days of late"), "{said}");
    }

    #[test]
    fn what_an_incident_is_like_is_told_at_the_end_of_a_day_and_later_with_its_date() {
        let at = |stage| {
            likeness(
                3,
                Verdict::Compared {
                    families: vec![0.9],
                    none: 0.1,
                    stage,
                },
            )
        };
        let few = likeness(3, Verdict::TooLittle(TooLittle::Days { have: 2, need: 3 }));
        let table = [
            (Change::Updated, at(Stage::Growth), " It is."),
            (Change::Updated, few.clone(), " It is."),
            (Change::Resolved(None), at(Stage::Growth), ""),
            (
                Change::Attached,
                at(Stage::Growth),
                " At the end of 16 November 2023 it was said: It is.",
            ),
            (Change::Attached, at(Stage::Over), ""),
            (Change::Attached, few, ""),
        ];
        for (change, likeness, expected) in table {
            let stage = match &likeness.verdict {
                Verdict::Compared { stage, .. } => Some(*stage),
                Verdict::TooLittle(_) => None,
            };
            let said = told(change, &likeness, stage, "It is.");
            assert_eq!(said, expected, "{change:?} {likeness:?}");
        }
    }
}
