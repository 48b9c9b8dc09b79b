//! Holds what the command line says to a person: its help, its verdict on a configuration, its metrics, and how it refuses.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Exit code and both outputs of one call, made in a folder so that no path of this machine shows.
fn said(folder: &Path, words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_surgewatch"))
        .args(words)
        .current_dir(folder)
        .env_clear()
        .output()
        .expect("the binary starts");
    let mut text = format!(
        "exit code {}\n",
        output.status.code().expect("it ended by itself")
    );
    for (name, bytes) in [("output", output.stdout), ("errors", output.stderr)] {
        if !bytes.is_empty() {
            let said = String::from_utf8(bytes).expect("text");
            text += &format!("--- {name}\n{said}");
        }
    }
    text
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn with_files(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = folder();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a file of the test's");
    }
    folder
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    insta::assert_snapshot!(said(folder().path(), &["--help"]));
}

#[test]
fn every_command_explains_itself() {
    let commands: [&[&str]; 15] = [
        &["demo"],
        &["run"],
        &["validate"],
        &["backtest"],
        &["replay"],
        &["episodes"],
        &["publish"],
        &["explain"],
        &["topics"],
        &["topics", "create"],
        &["topics", "check"],
        &["metrics"],
        &["schema"],
        &["man"],
        &["completions"],
    ];
    for words in commands {
        let with_help = [words, &["--help"]].concat();
        insta::assert_snapshot!(
            format!("help_of_{}", words.join("_")),
            said(folder().path(), &with_help)
        );
    }
}

#[test]
fn the_schemas_are_listed_and_an_unknown_one_is_refused_with_their_names() {
    let here = folder();
    let all = [
        said(here.path(), &["schema"]),
        said(here.path(), &["schema", "alerts"]),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let here = folder();
    let version = env!("CARGO_PKG_VERSION");
    let page = said(here.path(), &["man"]).replace(version, "VERSION");
    insta::assert_snapshot!(page);
    for command in ["run", "replay", "schema", "topics"] {
        let page = said(here.path(), &["man", command]);
        let title = format!(".TH surgewatch-{command} 1");
        assert!(
            page.starts_with("exit code 0") && page.contains(&title),
            "{page}"
        );
    }
    assert!(said(here.path(), &["man", "nothing"]).starts_with("exit code 64"));
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = said(folder().path(), &["completions", shell]);
        for command in [
            "demo", "run", "validate", "publish", "explain", "topics", "backtest", "replay",
            "schema", "metrics",
        ] {
            assert!(
                script.starts_with("exit code 0") && script.contains(command),
                "{shell} {command}"
            );
        }
    }
    assert!(said(folder().path(), &["completions", "cmd"]).starts_with("exit code 64"));
}

const WRONG_ROUTES: &str = r#"
[[routes]]
topic = "border.alerts_v1"

[[routes]]
topic = "alerts/north"

[[routes]]
topic = "a.v1"
countries = ["fi", "xx"]
corridors = ["fi-ur"]
severity = "huge"
speed = 3

[[routes]]
topic = "a_v1"
streams = []

[[routes]]
topic = "blind.v1"
kinds = ["notice"]
severity = "major"

[[routes]]
topic = "nobody.v1"
countries = ["no"]
corridors = ["fi-ru"]

[[routes]]
severity = "major"
"#;

#[test]
fn wrong_routes_are_told_with_route_key_value_rule_and_remedy() {
    let folder = with_files(&[
        ("routes.toml", WRONG_ROUTES),
        ("table.toml", "[routes]\ntopic = \"x\"\n"),
    ]);
    let told = ["routes.toml", "table.toml"]
        .map(|file| said(folder.path(), &["validate", "--config", file]));
    let flag = said(folder.path(), &["validate", "--set", "routes=x"]);
    insta::assert_snapshot!(format!("{}\n{}\n{flag}", told[0], told[1]));
}

const TEN_MISTAKES: &str = r#"
[kafka]
brokers = "localhost"
transaction_timeout_ms = 12000
comit_interval_ms = 50

[kafka.properties]
"sasl.password" = "open-sesame"
"isolation.level" = "read_uncommitted"

[topics]
counts = "border.arrivals.v1"
partitions = 0

[limits]
bad_records_ratio = 1.5

[detection]
false_alerts_per_year = "twelve"

[log]
level = "warning"
"#;

#[test]
fn ten_mistakes_are_told_at_once_each_with_key_value_rule_and_remedy() {
    let folder = with_files(&[("surgewatch.toml", TEN_MISTAKES)]);
    let text = said(folder.path(), &["validate", "--config", "surgewatch.toml"]);
    assert!(text.contains("10 problems"), "{text}");
    assert!(!text.contains("open-sesame"), "{text}");
    insta::assert_snapshot!(text);
    let run = said(folder.path(), &["run", "--config", "surgewatch.toml"]);
    assert_eq!(run, text, "`run` says the same");
}

#[test]
fn mistakes_in_the_crossings_file_and_flags_are_told_too() {
    let crossings = r#"
[[corridor]]
id = "north"
name = "North"

[[crossing]]
id = "n-one"
name = "One"
country = "FI"
corridor = "nord"
order = 1
neighbours = ["n-two"]
time_zone = "Europe/Helsingfors"
hours = "8-16"
streams = ["asylum"]
"#;
    let settings = "[network]\ncrossings_file = \"crossings.toml\"\n";
    let folder = with_files(&[("surgewatch.toml", settings), ("crossings.toml", crossings)]);
    let set = ["--set", "kafka.instanse=1", "--set", "http.listen=9464"];
    let words = [&["validate", "--config", "surgewatch.toml"], &set[..]].concat();
    insta::assert_snapshot!(said(folder.path(), &words));
}

#[test]
fn a_good_configuration_is_summed_up() {
    let settings = "[network]\ncorridors = [\"fi-ru\"]\n";
    let folder = with_files(&[("surgewatch.toml", settings)]);
    let text = said(folder.path(), &["validate", "--config", "surgewatch.toml"]);
    let is_hash = |word: &str| word.len() == 16 && u64::from_str_radix(word, 16).is_ok();
    let words = text.split(' ').map(|word| {
        let bare = word.trim_end_matches(',');
        if is_hash(bare) {
            word.replace(bare, "<hash>")
        } else {
            word.to_owned()
        }
    });
    insta::assert_snapshot!(words.collect::<Vec<_>>().join(" "));
    assert!(said(folder.path(), &["validate"]).starts_with("exit code 0\n"));
}

#[test]
fn metrics_are_listed_with_type_meaning_and_labels() {
    insta::assert_snapshot!(said(folder().path(), &["metrics"]));
}

#[test]
fn wrong_calls_are_refused_with_what_is_right() {
    let calls: [&[&str]; 7] = [
        &[],
        &["watch"],
        &["run", "--confg", "surgewatch.toml"],
        &["validate", "--set", "kafka.instance"],
        &["publish"],
        &["publish", "--episode", "finland-1939"],
        &["publish", "--episode", "finland-2023", "--speed", "0"],
    ];
    let folder = folder();
    let mut text = String::new();
    for words in calls {
        let answer = said(folder.path(), words);
        assert!(answer.starts_with("exit code 64\n"), "{words:?}: {answer}");
        text += &format!("$ surgewatch {}\n{answer}\n", words.join(" "));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn files_secrets_and_ports_that_cannot_be_had_are_named() {
    let missing_secret = "[kafka.secrets]\n\"sasl.password\" = \"file:/nowhere/secret\"\n";
    let unset_secret = "[kafka.secrets]\n\"sasl.password\" = \"env:NO_SUCH_VARIABLE\"\n\"ssl.key.password\" = \"env:NOR_THIS\"\n";
    let missing_crossings = "[network]\ncrossings_file = \"nowhere.toml\"\n";
    let folder = with_files(&[
        ("file-secret.toml", missing_secret),
        ("env-secret.toml", unset_secret),
        ("crossings.toml", missing_crossings),
        ("broken.toml", "[kafka]\nbrokers = \"127.0.0.1:9092\n"),
        ("events.jsonl", "{\"type\":\"heartbeat\"}\nnot json\n"),
    ]);
    let calls: [(i32, &[&str]); 7] = [
        (74, &["run", "--config", "nowhere.toml"]),
        (74, &["validate", "--config", "crossings.toml"]),
        (74, &["run", "--config", "file-secret.toml"]),
        (78, &["run", "--config", "env-secret.toml"]),
        (78, &["validate", "--config", "broken.toml"]),
        (78, &["validate", "--set", "log=1"]),
        (74, &["publish", "nowhere.jsonl"]),
    ];
    let mut text = String::new();
    for (code, words) in calls {
        let answer = said(folder.path(), words);
        text += &format!("$ surgewatch {}\n{answer}\n", words.join(" "));
        assert!(
            answer.starts_with(&format!("exit code {code}\n")),
            "{words:?}: {answer}"
        );
    }
    insta::assert_snapshot!(text);

    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let listen = format!("http.listen={address}");
    let answer = said(folder.path(), &["run", "--set", &listen]);
    assert!(answer.starts_with("exit code 74\n"), "{answer}");
    assert!(
        answer.contains(&address) && answer.contains("set http.listen"),
        "{answer}"
    );
}

#[test]
fn a_demo_without_the_crossings_of_its_replay_is_refused() {
    let words = ["demo", "--set", "network.corridors=no-ru"];
    let answer = said(folder().path(), &words);
    assert!(answer.starts_with("exit code 78\n"), "{answer}");
    for word in ["fi-vartius", "network.corridors"] {
        assert!(answer.contains(word), "{word}: {answer}");
    }
}

#[test]
fn a_demo_whose_worker_gives_up_ends_with_its_reason() {
    let begun = Instant::now();
    let listen = "http.listen=127.0.0.1:0";
    let words = [
        "demo",
        "--set",
        listen,
        "--set",
        "limits.max_count=1",
        "--set",
        "limits.bad_records_run=1",
        "--set",
        "limits.bad_records_ratio=0.001",
    ];
    let answer = said(folder().path(), &words);
    assert!(answer.starts_with("exit code 65\n"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(40), "{answer}");
}

#[test]
fn every_property_that_librdkafka_refuses_is_told_at_once() {
    let settings = "[kafka.properties]\n\"no.such.property\" = \"x\"\n\"security.protocol\" = \"sals\"\n\"linger.ms\" = 5\n[kafka.secrets]\n\"sasl.pasword\" = \"file:/nowhere\"\n";
    let folder = with_files(&[("surgewatch.toml", settings)]);
    let text = said(folder.path(), &["validate", "--config", "surgewatch.toml"]);
    assert!(text.starts_with("exit code 78\n"), "{text}");
    for word in [
        "3 problems",
        "kafka.properties.no.such.property = x (surgewatch.toml line 2)",
        "kafka.properties.security.protocol = sals (surgewatch.toml line 3)",
        "kafka.secrets.sasl.pasword = (hidden)",
        "CONFIGURATION.md",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn lists_are_taken_with_commas_and_as_toml() {
    let folder = folder();
    let listed = |set: &str| said(folder.path(), &["validate", "--set", set]);
    let plain = listed("network.corridors=no-ru,fi-ru");
    assert!(plain.starts_with("exit code 0\n"), "{plain}");
    assert_eq!(listed("network.corridors=[\"no-ru\", \"fi-ru\"]"), plain);
    let broken = listed("network.corridors=[no-ru]");
    assert!(broken.starts_with("exit code 78\n"), "{broken}");
    assert!(broken.contains("separated by commas"), "{broken}");
    let empty = listed("kafka.group=");
    assert!(empty.contains("kafka.group = \"\" ("), "{empty}");
}

#[test]
fn a_generated_border_is_written_as_simulated_counts_and_run() {
    let folder = folder();
    let words = [
        "replay",
        "simulated.csv",
        "--generate",
        "probe-2023",
        "--seed",
        "1",
    ];
    let first = said(folder.path(), &words);
    let file = std::fs::read_to_string(folder.path().join("simulated.csv")).expect("it is written");
    let head: Vec<&str> = file.lines().take(3).collect();
    let again = said(folder.path(), &words);
    let wrong = said(
        folder.path(),
        &[
            "replay",
            "x.toml",
            "--generate",
            "probe-2023",
            "--seed",
            "1",
        ],
    );
    let text = format!(
        "{first}--- file\n{}\n...\n--- again\n{again}--- wrong\n{wrong}",
        head.join("\n")
    );
    insta::assert_snapshot!(text);
    let rows = file.lines().skip(1);
    assert!(
        rows.clone().count() > 200
            && rows
                .clone()
                .all(|row| row.ends_with("simulated: probe-2023 seed 1"))
    );
}

#[test]
fn a_generated_border_is_told_of_with_its_incidents_and_drawn_beside_a_fan() {
    let folder = folder();
    let words = "replay simulated.csv --generate finland-2023-shift --seed 7 --report page.html";
    let words: Vec<&str> = words.split(' ').collect();
    let told = said(folder.path(), &words);
    let made_up = "Made up: finland-2023-shift, seed 7, from 2 February 2024 on.";
    assert!(told.contains(made_up), "{told}");
    let looks = "By its numbers it looks most like Finland in the autumn of 2023";
    assert!(told.contains(looks), "{told}");
    let page = std::fs::read_to_string(folder.path().join("page.html")).expect("it is written");
    assert!(page.contains(made_up) && page.contains(looks) && page.contains("plot fan"));
    let alone = said(folder.path(), &["replay", "simulated.csv"]);
    assert!(!alone.contains(looks), "a file of counts has no incidents");
}

#[test]
fn a_replay_that_is_none_and_a_trial_of_nothing_name_the_remedy() {
    let folder = folder();
    let nope = said(folder.path(), &["replay", "nope"]);
    assert!(nope.contains("no file nope, nor a replay") && nope.contains("finland-2023"));
    let words = ["episodes", "--variants", "0", "--no-replays"];
    let nothing = said(folder.path(), &words);
    assert!(nothing.contains("exit code 64") && nothing.contains("give a file of counts"));
}

/// What is said belongs to the matching; here each variant must be counted once on each day.
#[test]
fn what_is_said_of_variants_is_counted_by_day() {
    let words = [
        "episodes",
        "--variants",
        "1",
        "--first-seed",
        "1",
        "--no-replays",
    ];
    let text = said(folder().path(), &words);
    assert!(text.starts_with("exit code 0\n"), "{text}");
    let rows = text
        .lines()
        .filter(|line| line.starts_with("finland-2023-shift"));
    let counted = |row: &str| {
        let cells = row.split_whitespace().skip(1);
        cells.map(|n| n.parse::<u32>().expect("a count")).sum()
    };
    let counts: Vec<u32> = rows.map(counted).collect();
    assert_eq!(counts, [1; 5], "{text}");
    assert!(text.contains("right among those named as a family"));
}

/// The hauliers' blockade ended on 16 January 2024; crossings were still told of as on their way back when it was over.
/// Trucks that come back to Dorohusk while what is usual there is half of what it was.
#[test]
fn a_return_says_what_was_usual_before_the_drop() {
    let text = said(folder().path(), &["replay", "blockade-2023"]);
    for before in [
        "A drop began here on 6 November 2023, and what is usual has fallen with it: when it was first told of, about 1,372 a day were usual.",
        "When that drop was first told of, about 627 a day were usual.",
        "than usual, which by then was about 93 a day (about 590 when it was first told of).",
    ] {
        assert!(text.contains(before), "{before}: {text}");
    }
    // Of hours another number was told as usual when this one opened, days after the last surge.
    let after = "the alert ended on 18 January 2024 at 00:15: for three days no fewer came than usual, which by then was about 137 a day.";
    assert!(text.contains(after), "{text}");
}

#[test]
fn an_incident_tells_closures_and_a_rise_as_moved_flow_when_it_is_new_or_has_doubled() {
    let text = said(folder().path(), &["replay", "finland-2023"]);
    let after = |what: &'static str| {
        let lines = text.lines().filter_map(move |line| line.split_once(what));
        lines.map(|(when, said)| (when.trim(), said))
    };
    let shut: Vec<_> = text
        .lines()
        .filter_map(|line| Some(line.trim().split_once(" reported closed all day.")?.0))
        .collect();
    assert_eq!(
        shut,
        [
            "2023-11-19 00:15  18 November 2023: Vaalimaa, Nuijamaa, Imatra and Niirala were",
            "2023-11-25 00:15  24 November 2023: Vartius and Salla were",
            "2023-12-01 00:15  30 November 2023: Raja-Jooseppi was",
            "2023-12-17 00:15  16 December 2023: Vaalimaa and Niirala were",
        ]
    );
    for at in ["Vartius", "Salla"] {
        let rises = after(" more than it had by itself before").filter_map(|(line, _)| {
            let (_, rise) = line.rsplit_once(&format!("at {at}, "))?;
            rise.parse::<u64>().ok()
        });
        let rises: Vec<u64> = rises.collect();
        assert!(rises.len() > 1, "{at}: {text}");
        assert!(
            rises.windows(2).all(|pair| pair[1] >= 2 * pair[0]),
            "{at} {rises:?}"
        );
    }
}

#[test]
fn an_end_names_the_alerts_that_go_on() {
    let text = said(folder().path(), &["replay", "blockade-2023"]);
    let goes_on = "Krościenko-Smilnytsia and Zosin-Ustyluh go on: they tell of the way back alone.";
    let is_it = |line: &str| line.contains("  It is over.") && line.ends_with(goes_on);
    assert!(text.lines().any(is_it), "{text}");
}

/// Storskog's height was called like Storskog for seven weeks, and like the borders of 2021 for the last five.
#[test]
fn the_fan_is_that_of_the_episode_an_incident_was_called_like_most_often() {
    let folder = folder();
    let words = ["replay", "arctic-2015", "--report", "page.html"];
    let text = said(folder.path(), &words);
    assert!(
        text.contains("looks most like the borders of Lithuania"),
        "{text}"
    );
    let page = std::fs::read_to_string(folder.path().join("page.html")).expect("it was written");
    let fans = |of: &str| {
        page.matches(&format!("Arrivals by day beside {of}"))
            .count()
    };
    assert_eq!(fans("Storskog in the autumn of 2015"), 2);
    assert_eq!(fans("the borders of Lithuania"), 0);
}
