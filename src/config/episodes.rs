//! Owns the files of families of episodes: those that come with the program, how a file is read, and the rules it must keep.

use super::check::Checker;
use super::document::Document;
use super::problem::{Place, Problem, shown};
use crate::core::alert::Direction;
use crate::core::episode::{Curve, Families, Family, Measure, NONE_OF_THESE, Pattern, Range};

/// The files that are used where no folder is named: name and text.
const EMBEDDED: [(&str, &str); 9] = [
    (
        "the embedded arctic-2015-ramp.toml",
        include_str!("../../config/episodes/arctic-2015-ramp.toml"),
    ),
    (
        "the embedded arctic-2016-throttle.toml",
        include_str!("../../config/episodes/arctic-2016-throttle.toml"),
    ),
    (
        "the embedded belarus-2021-push.toml",
        include_str!("../../config/episodes/belarus-2021-push.toml"),
    ),
    (
        "the embedded blockade-2023.toml",
        include_str!("../../config/episodes/blockade-2023.toml"),
    ),
    (
        "the embedded finland-2023-shift.toml",
        include_str!("../../config/episodes/finland-2023-shift.toml"),
    ),
    (
        "the embedded holiday-peak.toml",
        include_str!("../../config/episodes/holiday-peak.toml"),
    ),
    (
        "the embedded mass-at-gate-2021.toml",
        include_str!("../../config/episodes/mass-at-gate-2021.toml"),
    ),
    (
        "the embedded probe-2023.toml",
        include_str!("../../config/episodes/probe-2023.toml"),
    ),
    (
        "the embedded rush-2022.toml",
        include_str!("../../config/episodes/rush-2022.toml"),
    ),
];

/// Families at most: each one costs time at the end of every day of every incident.
const MOST: usize = 30;
/// What a number may be at most: no crossing counts as many in a day.
const LARGEST: f64 = 1e7;

/// The families of some files (else the embedded ones), sorted by id. After problems, which go to `check`, the result is of no use.
pub(super) fn families(check: &mut Checker<'_>, files: Option<&[(String, String)]>) -> Families {
    let mut families = Vec::new();
    let embedded = || EMBEDDED.iter().map(|(name, text)| (*name, *text)).collect();
    let files: Vec<(&str, &str)> = files.map_or_else(embedded, |files| {
        let texts = files.iter();
        texts
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect()
    });
    if files.is_empty() || files.len() > MOST {
        check.fail(
            "episodes.folder",
            &format!("{} files", files.len()),
            format!("must hold from 1 to {MOST} files that end in .toml"),
            "copy some of config/episodes there, or leave it empty for the embedded ones",
        );
    }
    for (name, text) in files {
        let family = match read(name, text) {
            Ok(family) => family,
            Err(problems) => {
                problems.into_iter().for_each(|problem| check.add(problem));
                continue;
            }
        };
        let alike = families.iter().find_map(|(other, known): &(&str, Family)| {
            let key = if known.id == family.id {
                ("id", &family.id)
            } else if known.name == family.name {
                ("name", &family.name)
            } else {
                return None;
            };
            Some((*other, key))
        });
        if let Some((other, (key, value))) = alike {
            let rule = format!("must differ from that of {other}");
            check.add(problem(key, value, &rule, "rename it", whole(name)));
        }
        families.push((name, family));
    }
    let mut families: Vec<Family> = families.into_iter().map(|(_, family)| family).collect();
    families.sort_by(|a, b| a.id.cmp(&b.id));
    Families { families }
}

/// One file.
fn read(name: &str, text: &str) -> Result<Family, Vec<Problem>> {
    let document = Document::parse(name, text).map_err(|problem| vec![*problem])?;
    let family: Family = toml::from_str(text).map_err(|error| {
        let remedy = "compare it with config/episodes/arctic-2015-ramp.toml";
        let said = error.message().replace("expected f64", "expected a number");
        let rule = format!("must have the shape of an episode: {said}");
        let span = error.span().unwrap_or(0..text.len());
        let (key, place) = document.at(text, &span);
        vec![match key {
            Some(key) => problem(&key, &text[span], &rule, remedy, place),
            None => problem("(file)", "(not shown)", &rule, remedy, place),
        }]
    })?;
    let mut rules = Rules {
        document: &document,
        problems: Vec::new(),
    };
    rules.family(&family);
    if rules.problems.is_empty() {
        Ok(family)
    } else {
        Err(rules.problems)
    }
}

fn whole(name: &str) -> Place {
    Place::File {
        name: name.to_owned(),
        line: None,
    }
}

fn problem(key: &str, value: &str, rule: &str, remedy: &str, place: Place) -> Problem {
    Problem {
        key: format!("episode.{key}"),
        value: shown(key, value),
        rule: rule.to_owned(),
        remedy: remedy.to_owned(),
        place,
    }
}

struct Rules<'a> {
    document: &'a Document,
    problems: Vec<Problem>,
}

impl Rules<'_> {
    fn fail(&mut self, key: &str, value: &str, rule: &str, remedy: &str) {
        let place = self.document.place(key);
        self.problems.push(problem(key, value, rule, remedy, place));
    }

    fn family(&mut self, family: &Family) {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let id = &family.id;
        if id.is_empty() || id.len() > 64 || !id.bytes().all(legal) || id == NONE_OF_THESE {
            let rule =
                "must be up to 64 lower-case letters, digits and hyphens, and not none-of-these";
            self.fail("id", id, rule, "write as in id = \"arctic-2015-ramp\"");
        }
        for (key, text) in [("name", &family.name), ("followed", &family.followed)] {
            if text.trim().is_empty() {
                self.fail(key, text, "must not be empty", "say it in plain words");
            }
        }
        self.range("usual_per_day", &family.usual_per_day, 0.0, LARGEST);
        self.curve(family);
        let regularity = &family.regularity;
        self.range("regularity.index", &regularity.index, 1.0, 10_000.0);
        self.range("regularity.day_spread", &regularity.day_spread, 0.0, 3.0);
        let places = &family.places;
        self.range("places.crossings", &places.crossings, 1.0, 1_000.0);
        self.range("places.countries", &places.countries, 1.0, 50.0);
        self.given(
            "places.spread_days",
            places.spread_days.as_ref(),
            0.0,
            400.0,
        );
        let takes_days = matches!(
            places.pattern,
            Pattern::Turns | Pattern::Line | Pattern::Succession
        );
        if takes_days && places.spread_days.is_none() {
            let rule = "must be given where the pattern is turns, line or succession";
            let remedy = "say how many days pass from the first to the last of its crossings";
            self.fail("places.spread_days", "(not given)", rule, remedy);
        }
        self.given("places.moved_ratio", places.moved_ratio.as_ref(), 0.0, 1.0);
        if places.pattern == Pattern::One && places.crossings.high > 1.0 {
            let value = places.crossings.high.to_string();
            let rule = "must be 1 where the pattern is one";
            self.fail("places.crossings", &value, rule, "write line for several");
        }
    }

    fn curve(&mut self, family: &Family) {
        let curve = &family.curve;
        self.range("curve.first_day", &curve.first_day, 0.0, LARGEST);
        self.given(
            "curve.doubling_days",
            curve.doubling_days.as_ref(),
            0.1,
            3_650.0,
        );
        self.given("curve.growth_days", curve.growth_days.as_ref(), 0.0, 400.0);
        self.given("curve.peak", curve.peak.as_ref(), 0.0, LARGEST);
        self.given("curve.hold_days", curve.hold_days.as_ref(), 0.0, 400.0);
        self.range("curve.halving_days", &curve.halving_days, 0.1, 3_650.0);
        let grows = [
            curve.doubling_days.is_some(),
            curve.growth_days.is_some(),
            curve.peak.is_some(),
        ];
        if grows.contains(&true) && grows.contains(&false) {
            let rule = "what grows needs doubling_days, growth_days and peak";
            self.fail("curve", "(table)", rule, "give all three, or none");
        }
        if let Some(peak) = &curve.peak
            && (peak.low < curve.first_day.low || peak.high < curve.first_day.high)
        {
            let value = format!("{} to {}", peak.low, peak.high);
            let rule = "must not lie below curve.first_day";
            self.fail("curve.peak", &value, rule, "correct one of the two ranges");
        }
        self.direction(curve, family.direction);
    }

    fn direction(&mut self, curve: &Curve, direction: Direction) {
        let first = &curve.first_day;
        let (rule, is_kept) = match (curve.measure, direction) {
            (Measure::Added, Direction::Surge) => ("must be above 0", first.low > 0.0),
            (Measure::Times, Direction::Surge) => {
                ("must be above 1: a multiple of the usual", first.low > 1.0)
            }
            (Measure::Times, Direction::Drop) => (
                "must be below 1 and not grow: the share of the usual that is left",
                first.high < 1.0 && curve.doubling_days.is_none(),
            ),
            (Measure::Added, Direction::Drop) => ("a drop is measured in times", false),
        };
        if !is_kept {
            let value = format!("{} to {}", first.low, first.high);
            self.fail(
                "curve.first_day",
                &value,
                rule,
                "correct the range, measure or direction",
            );
        }
    }

    fn given(&mut self, key: &str, range: Option<&Range>, least: f64, most: f64) {
        if let Some(range) = range {
            self.range(key, range, least, most);
        }
    }

    fn range(&mut self, key: &str, range: &Range, least: f64, most: f64) {
        let value = format!("{} to {}", range.low, range.high);
        // Written so that NaN fails it.
        if !(range.low >= least && range.low <= range.high && range.high <= most) {
            let rule = format!("must go from a lower to a higher number within {least} and {most}");
            self.fail(key, &value, &rule, "correct the range");
        }
        let source = &range.source;
        if !(source.starts_with("https://") || source.starts_with("http://"))
            || source.contains(char::is_whitespace)
        {
            let rule = "must name the address of what was published";
            self.fail(
                &format!("{key}.source"),
                source,
                rule,
                "write as in source = \"https://...\"",
            );
        }
        if range.figure.trim().is_empty() {
            let rule = "must say what was published and what is supposed";
            self.fail(
                &format!("{key}.figure"),
                &range.figure,
                rule,
                "say it in plain words",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::{Sources, load};
    use super::*;

    fn told(files: Vec<(String, String)>) -> Vec<String> {
        let sources = Sources {
            overrides: vec![("episodes.folder".to_owned(), "mine".to_owned())],
            episodes: Some(files),
            ..Sources::default()
        };
        let problems = load(&sources).err().unwrap_or_default();
        problems.iter().map(ToString::to_string).collect()
    }

    fn file(text: &str) -> (String, String) {
        ("mine/a.toml".to_owned(), text.to_owned())
    }

    #[test]
    fn the_files_that_come_with_the_program_keep_the_rules_and_are_named_by_their_id() {
        let settings = load(&Sources::default()).expect("the defaults are good");
        let families = &settings.families().families;
        assert_eq!(families.len(), EMBEDDED.len());
        for (name, text) in EMBEDDED {
            let family = read(name, text).expect("it keeps the rules");
            assert_eq!(format!("the embedded {}.toml", family.id), name);
            assert_eq!(told(vec![file(text)]), Vec::<String>::new(), "{name}");
        }
    }

    #[test]
    fn an_own_folder_replaces_the_embedded_files_and_decides_no_alert() {
        let (_, text) = EMBEDDED[0];
        let own = Sources {
            overrides: vec![("episodes.folder".to_owned(), "mine".to_owned())],
            episodes: Some(vec![file(&text.replace("arctic-2015-ramp", "our-own"))]),
            ..Sources::default()
        };
        let own = load(&own).expect("it keeps the rules");
        assert_eq!(own.families().families.len(), 1);
        assert_eq!(own.families().position("our-own"), Some(0));
        let plain = load(&Sources::default()).expect("the defaults are good");
        assert_eq!(own.fingerprint(), plain.fingerprint());
        assert_ne!(own.region_fingerprint(), plain.region_fingerprint());
    }

    #[test]
    fn a_peak_below_the_first_day_is_refused() {
        let (_, good) = EMBEDDED[0];
        let low = good.replace("low = 50.0, high = 300.0", "low = 0.1, high = 300.0");
        let rule = "episode.curve.peak = 0.1 to 300 (mine/a.toml line 17): must not lie below curve.first_day; correct one of the two ranges";
        assert_eq!(told(vec![file(&low)]), [rule]);
    }

    #[test]
    fn mistakes_are_told_with_file_line_rule_and_remedy() {
        let (_, good) = EMBEDDED[0];
        let wrong = good
            .replace("id = \"arctic-2015-ramp\"", "id = \"none-of-these\"")
            .replace("low = 7.0, high = 28.0", "low = 28.0, high = 7.0")
            .replace("low = 0.7, high = 8.0", "low = 0.0, high = 8.0")
            .replace(
                "[regularity]\nindex = { low = 2.0",
                "[regularity]\nindex = { low = nan",
            )
            .replace("\"https://mre.no/", "\"mre.no/");
        insta::assert_snapshot!(told(vec![file(&wrong)]).join("\n"), @r#"
        episode.id = none-of-these (mine/a.toml line 5): must be up to 64 lower-case letters, digits and hyphens, and not none-of-these; write as in id = "arctic-2015-ramp"
        episode.curve.doubling_days = 28 to 7 (mine/a.toml line 15): must go from a lower to a higher number within 0.1 and 3650; correct the range
        episode.curve.peak.source = mre.no/grensesjefen-fryktar-over-65-000-asylsokjarar-i-aret/Type/NTB/19.1.10884 (mine/a.toml line 17): must name the address of what was published; write as in source = "https://..."
        episode.curve.first_day = 0 to 8 (mine/a.toml line 14): must be above 0; correct the range, measure or direction
        episode.regularity.index = NaN to 12 (mine/a.toml line 21): must go from a lower to a higher number within 1 and 10000; correct the range
        "#);
        let same_name = good.replace("id = \"arctic-2015-ramp\"", "id = \"another\"");
        let at_once = good
            .replace("pattern = \"one\"", "pattern = \"succession\"")
            .replace("id = \"arctic-2015-ramp\"", "id = \"at-once\"")
            .replace("name = \"", "name = \"Another like ");
        let lines = told(vec![
            file("id = 3"),
            file("id ="),
            file(good),
            ("mine/b.toml".to_owned(), good.to_owned()),
            file(&same_name),
            file(&at_once),
            file(&good.replace("id = \"arctic-2015-ramp\"\n", "")),
            file(&good.replace("[places]", "[place]")),
            file(&good.replace("[curve]\n", "[curve]\npeek = 3\n")),
            file(&good.replace("low = 7.0, high = 28.0", "low = \"seven\", high = 28.0")),
        ]);
        insta::assert_snapshot!(lines.join("\n"), @r#"
        episode.id = 3 (mine/a.toml line 1): must have the shape of an episode: invalid type: integer `3`, expected a string; compare it with config/episodes/arctic-2015-ramp.toml
        mine/a.toml line 1: the file must be TOML: string values must be quoted, expected literal string; correct the line
        episode.id = arctic-2015-ramp (mine/b.toml): must differ from that of mine/a.toml; rename it
        episode.name = Storskog in the autumn of 2015 (mine/a.toml): must differ from that of mine/a.toml; rename it
        episode.places.spread_days = (not given) (mine/a.toml): must be given where the pattern is turns, line or succession; say how many days pass from the first to the last of its crossings
        episode.(file) = (not shown) (mine/a.toml): must have the shape of an episode: missing field `id`; compare it with config/episodes/arctic-2015-ramp.toml
        episode.place = place (mine/a.toml line 24): must have the shape of an episode: unknown field `place`, expected one of `id`, `name`, `ordinary`, `direction`, `followed`, `usual_per_day`, `curve`, `regularity`, `places`; compare it with config/episodes/arctic-2015-ramp.toml
        episode.peek = peek (mine/a.toml line 13): must have the shape of an episode: unknown field `peek`, expected one of `measure`, `first_day`, `doubling_days`, `growth_days`, `peak`, `hold_days`, `halving_days`, `on_special_days`; compare it with config/episodes/arctic-2015-ramp.toml
        episode.doubling_days = "seven" (mine/a.toml line 15): must have the shape of an episode: invalid type: string "seven", expected a number; compare it with config/episodes/arctic-2015-ramp.toml
        "#);
        let lines = [
            told(Vec::new()),
            told(vec![file(&good.replace("pattern", "patern"))]),
        ];
        insta::assert_snapshot!(lines.concat().join("\n"), @r#"
        episodes.folder = 0 files (flag --set): must hold from 1 to 30 files that end in .toml; copy some of config/episodes there, or leave it empty for the embedded ones
        episode.patern = patern (mine/a.toml line 25): must have the shape of an episode: unknown field `patern`, expected one of `pattern`, `crossings`, `countries`, `spread_days`, `moved_ratio`; compare it with config/episodes/arctic-2015-ramp.toml
        "#);
    }
}
