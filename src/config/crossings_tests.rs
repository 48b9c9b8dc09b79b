//! Owns the tests of the crossings file: the network it becomes, and every mistake by name.

use super::config_tests::{named, pairs, problems, settings};
use super::load::{Sources, crossings_file};
use crate::core::network::OpenHours;

/// A small crossings file with two corridors, both forms of hours, and the defaults of the rest.
pub(super) const CROSSINGS: &str = r#"
[[corridor]]
id = "fi-ru"
name = "Finland-Russia"
[[corridor]]
id = "no-ru"
name = "Norway-Russia"
[[crossing]]
id = "no-storskog"
name = "Storskog"
country = "no"
corridor = "no-ru"
order = 1
neighbours = ["fi-raja-jooseppi"]
time_zone = "Europe/Oslo"
streams = ["asylum", "cargo"]
hours = { mon = "08:00-16:00", sat = "closed" }
[[crossing]]
id = "fi-raja-jooseppi"
name = "Raja-Jooseppi"
country = "fi"
corridor = "fi-ru"
order = 1
neighbours = ["no-storskog"]
time_zone = "Europe/Helsinki"
hours = "10:00-24:00"
message_within_secs = 86400
streams = ["cargo"]
source = "https://example.org"
"#;

#[test]
fn crossings_become_a_sorted_network() {
    let settings = settings(&fixture());
    let network = settings.network();
    let ids: Vec<&str> = network
        .crossings
        .iter()
        .map(|crossing| crossing.id.as_str())
        .collect();
    assert_eq!(ids, ["fi-raja-jooseppi", "no-storskog"]);
    assert_eq!(network.streams, ["asylum", "cargo"]);
    let [raja, storskog] = network.crossings.as_slice() else {
        panic!("two crossings")
    };
    assert_eq!(network.crossing(raja.neighbours[0]).id, "no-storskog");
    assert_eq!(
        raja.streams
            .iter()
            .map(|ix| network.stream(*ix))
            .collect::<Vec<_>>(),
        ["cargo"]
    );
    let minutes = |hours: &Option<OpenHours>| hours.map(|h| (h.open_minute, h.close_minute));
    assert!(
        raja.hours
            .expect("hours")
            .iter()
            .all(|day| minutes(day) == Some((600, 1440)))
    );
    let within = [raja, storskog].map(|crossing| crossing.message_within_ms);
    assert_eq!(within, [Some(86_400_000), None]);
    let week = storskog.hours.expect("hours");
    assert_eq!(
        week.iter().map(minutes).collect::<Vec<_>>(),
        [Some((480, 960)), None, None, None, None, None, None]
    );
    assert_eq!(settings.corridors()[0].name, "Finland-Russia");

    let cut = Sources {
        overrides: pairs(&[("network.corridors", "no-ru")]),
        ..fixture()
    };
    let cut = self::settings(&cut);
    assert_eq!(cut.network().crossings.len(), 1);
    assert!(cut.network().crossings[0].neighbours.is_empty());
    assert_eq!(cut.corridors().len(), 1);
}

/// What to replace in the fixture, by what, and a part of the problem that follows.
const MISTAKES: [(&str, &str, &str); 21] = [
    (
        "id = \"no-storskog\"",
        "id = \"No Storskog\"",
        "crossing.No Storskog.id = \"No Storskog\" (c.toml line 9): ",
    ),
    (
        "id = \"no-storskog\"",
        "id = \"fi-raja-jooseppi\"",
        "rename one of the two",
    ),
    (
        "name = \"Storskog\"",
        "title = \"Storskog\"",
        "no such key; write one of id, name",
    ),
    ("country = \"no\"", "country = \"NOR\"", "ISO 3166-1"),
    (
        "country = \"no\"",
        "",
        "crossing.no-storskog.country = (missing) (c.toml line 8): ",
    ),
    (
        "corridor = \"no-ru\"",
        "corridor = \"no-ur\"",
        "did you mean no-ru?",
    ),
    (
        "corridor = \"no-ru\"\norder = 1",
        "corridor = \"fi-ru\"\norder = 1",
        "must differ from that of no-storskog",
    ),
    (
        "order = 1\nneighbours = [\"fi",
        "order = 0\nneighbours = [\"fi",
        "order = 0",
    ),
    (
        "[\"fi-raja-jooseppi\"]",
        "[\"fi-raja-josepi\"]",
        "did you mean fi-raja-jooseppi?",
    ),
    (
        "[\"fi-raja-jooseppi\"]",
        "[\"no-storskog\"]",
        "must not name the crossing itself",
    ),
    (
        "[\"fi-raja-jooseppi\"]",
        "[\"fi-raja-jooseppi\", \"fi-raja-jooseppi\"]",
        "different ids",
    ),
    (
        "[\"fi-raja-jooseppi\"]",
        "\"fi-raja-jooseppi\"",
        "must be a list",
    ),
    ("Europe/Oslo", "Europe/Utopia", "IANA"),
    ("10:00-24:00", "22:00-06:00", "the end after the start"),
    ("10:00-24:00", "10:00-24:01", "from 00:00 to 24:00"),
    ("08:00-16:00", "8-16", "mon = \"8-16\""),
    ("sat = ", "sta = ", "did you mean sat?"),
    ("[\"asylum\", \"cargo\"]", "[]", "at least one"),
    (
        "\n[[corridor]]\n",
        "\nversion = 1\n[[corridor]]\n",
        "no such key; write [[corridor]], [[crossing]], [[holidays]] or [[kind]]",
    ),
    (
        "name = \"Norway-Russia\"",
        "name = \"Norway",
        "must be TOML",
    ),
    (
        "message_within_secs = 86400",
        "message_within_secs = 0",
        "must be a whole number of seconds from 60 to 2592000",
    ),
];

#[test]
fn every_mistake_of_a_crossings_file_is_named() {
    for (from, to, part) in MISTAKES {
        assert!(CROSSINGS.contains(from), "{from}");
        let crossings = CROSSINGS.replacen(from, to, 1);
        let problems = problems(&Sources {
            crossings: named("c.toml", &crossings),
            ..Sources::default()
        });
        assert!(
            problems
                .iter()
                .any(|problem| problem.to_string().contains(part)),
            "{to}: {problems:#?}"
        );
    }
    let none = problems(&Sources {
        crossings: named("c.toml", ""),
        ..Sources::default()
    });
    assert_eq!(none.len(), 1, "{none:?}");
}

#[test]
fn a_named_crossings_file_is_asked_for_and_must_be_given() {
    let overrides = pairs(&[
        ("network.crossings_file", "c.toml"),
        ("network.corridors", "no-ru"),
    ]);
    let mut sources = Sources {
        overrides,
        ..Sources::default()
    };
    assert_eq!(crossings_file(&sources).as_deref(), Some("c.toml"));
    assert_eq!(crossings_file(&Sources::default()), None);
    let unread = problems(&sources);
    assert_eq!(
        (unread.len(), unread[0].key.as_str()),
        (1, "network.crossings_file"),
        "{unread:?}"
    );
    sources.crossings = named("c.toml", CROSSINGS);
    assert_eq!(settings(&sources).crossings_file(), Some("c.toml"));
}

pub(super) fn fixture() -> Sources {
    Sources {
        crossings: named("c.toml", CROSSINGS),
        ..Sources::default()
    }
}

/// All Saints' in Finland is a Saturday, Radunitsa in Belarus the Tuesday of the second week after Orthodox Easter.
#[test]
fn corridors_have_the_holidays_of_their_countries() {
    use crate::core::holidays::DayClass::{DayAfter, Eve, Holiday, Usual};
    let settings = settings(&Sources::default());
    for (corridor, date, class) in [
        ("fi-ru", (2023, 11, 4), Holiday),
        ("fi-ru", (2023, 12, 6), Holiday),
        ("fi-ru", (2023, 12, 24), Eve),
        ("fi-ru", (2023, 11, 16), Usual),
        ("fi-ru", (2024, 1, 9), DayAfter),
        ("lv-by", (2024, 5, 14), Holiday),
        ("lv-by", (2025, 4, 29), Holiday),
        ("pl-ua", (2024, 5, 5), Holiday),
        ("pl-ua", (2024, 5, 30), Holiday),
        ("no-ru", (2024, 5, 5), Usual),
        ("belarus-line", (2024, 1, 1), Usual),
    ] {
        let found = settings.corridors().iter().find(|c| c.id == corridor);
        let holidays = &found.expect("it is in the list").holidays;
        let date_of = jiff::civil::Date::constant(date.0, date.1, date.2);
        assert_eq!(holidays.day_class(date_of), class, "{corridor} {date:?}");
    }
}

#[test]
fn mistakes_in_holidays_are_named_and_the_list_is_part_of_the_fingerprint() {
    let with = |holidays: &str| {
        let countries = "name = \"Finland-Russia\"\nholidays = [\"fi\"]\n";
        let text = CROSSINGS.replacen("name = \"Finland-Russia\"\n", countries, 1);
        Sources {
            crossings: named("c.toml", &format!("{text}{holidays}")),
            ..fixture()
        }
    };
    let of = |rules: &str| with(&format!("[[holidays]]\nid = \"fi\"\n{rules}"));
    let plain = settings(&of("")).fingerprint();
    assert_ne!(settings(&of("fixed = [\"12-06\"]")).fingerprint(), plain);
    for (sources, key) in [
        (with(""), "corridor.fi-ru.holidays"),
        (of("fixed = [\"12-32\"]"), "holidays.fi.fixed"),
        (of("fixed = \"12-06\""), "holidays.fi.fixed"),
        (of("weekdays = [\"sab 06-20\"]"), "holidays.fi.weekdays"),
        (of("western_easter = [101]"), "holidays.fi.western_easter"),
        (
            of("orthodox_easter = [\"1\"]"),
            "holidays.fi.orthodox_easter",
        ),
        (of("easter = [1]"), "holidays.fi.easter"),
    ] {
        let problems = problems(&sources);
        assert_eq!(problems.len(), 1, "{key}: {problems:?}");
        assert_eq!(problems[0].key, key);
    }
}

/// A kind of crossing, and Storskog as one of it.
fn with_kind(kind: &str, named: &str) -> Sources {
    let crossing = "streams = [\"asylum\", \"cargo\"]\n";
    let text = CROSSINGS.replacen(crossing, &format!("{crossing}kinds = {named}\n"), 1);
    Sources {
        crossings: super::config_tests::named("c.toml", &format!("{text}\n[[kind]]\n{kind}")),
        ..Sources::default()
    }
}

const KIND: &str = "id = \"quiet-road\"\nstream = \"asylum\"\nusual_per_day = 0.3\nwithin_factor = 3\ndispersion_ratio = 1.5\n";

#[test]
fn a_kind_says_what_a_stream_is_like_and_is_part_of_the_fingerprint() {
    let with = settings(&with_kind(KIND, "[\"quiet-road\"]"));
    let asylum = with.network().stream_ix("asylum").expect("a stream");
    let at = ("no-storskog".to_owned(), asylum);
    let kinds: Vec<_> = with.kinds().keys().collect();
    assert_eq!(kinds, [&at]);
    let priors = with.kinds()[&at].priors(1.0);
    assert!(
        priors[0].is_known() && !priors[1].is_known(),
        "hours are learnt as ever"
    );
    let without = settings(&with_kind(KIND, "[]"));
    assert!(without.kinds().is_empty());
    assert_ne!(with.fingerprint(), without.fingerprint());
    let other = KIND.replace("0.3", "0.4");
    let other = settings(&with_kind(&other, "[\"quiet-road\"]"));
    assert_ne!(with.fingerprint(), other.fingerprint());
}

#[test]
fn every_mistake_of_a_kind_is_named() {
    let second = format!(
        "{KIND}[[kind]]\n{}",
        KIND.replace("quiet-road", "busy-road")
    );
    for (kind, named, part) in [
        (
            KIND.to_owned(),
            "[\"quite-road\"]",
            "did you mean quiet-road?",
        ),
        (
            KIND.replace("0.3", "-1"),
            "[]",
            "must be a number from 0.001 to 10000000",
        ),
        (KIND.replace("= 3", "= 1"), "[]", "within_factor = 1"),
        (KIND.replace("1.5", "\"high\""), "[]", "dispersion_ratio"),
        (
            KIND.replace("usual_per_day", "usual"),
            "[]",
            "no such key; write one of id, stream, usual_per_day",
        ),
        (
            KIND.replace("asylum", "trucks"),
            "[\"quiet-road\"]",
            "quiet-road is of trucks",
        ),
        (
            second,
            "[\"quiet-road\", \"busy-road\"]",
            "busy-road is a second kind of asylum",
        ),
    ] {
        let problems = problems(&with_kind(&kind, named));
        let is_named = problems
            .iter()
            .any(|problem| problem.to_string().contains(part));
        assert!(is_named, "{part}: {problems:#?}");
    }
}
