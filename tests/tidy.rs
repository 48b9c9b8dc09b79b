//! Holds the sources to the house rules: who imports whom, what the pure layers must not call, sizes, words. Says what to write instead.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A source file, cut into what is judged.
struct Source {
    path: String,
    text: String,
    /// Lines of code, comments and texts blanked, up to the tests at the end.
    code: Vec<String>,
    is_test: bool,
}

impl Source {
    fn of(path: String, text: String) -> Self {
        let is_test = path.starts_with("tests/") || path.ends_with("_tests.rs");
        let blanked = blanked(&text);
        let mut code: Vec<String> = blanked.lines().map(str::to_owned).collect();
        if let Some(at) = tests_at(&code) {
            code.truncate(at);
        }
        Self {
            path,
            text,
            code,
            is_test,
        }
    }

    /// The folder or file right below `src`: `core`, `wire`, `main.rs`.
    fn layer(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or("tests");
        inside.split('/').next().unwrap_or(inside)
    }

    /// Number of modules between the file's own and the root of the crate, its own included.
    fn depth(&self) -> usize {
        let parts = self.path.matches('/').count();
        if self.path.ends_with("/mod.rs") {
            parts - 1
        } else {
            parts
        }
    }
}

/// First line of the module with the tests, which ends a file.
fn tests_at(code: &[String]) -> Option<usize> {
    let is_module = |line: &str| line.starts_with("mod ") && line.ends_with('{');
    let mut marks = code
        .iter()
        .enumerate()
        .filter(|(_, line)| *line == "#[cfg(test)]");
    marks.find_map(|(at, _)| {
        let after = &code[at + 1..];
        let named = after
            .iter()
            .find(|line| line.starts_with("mod ") || line.starts_with("fn "))?;
        is_module(named).then_some(at)
    })
}

/// The same lines with comments, texts and characters replaced by spaces.
fn blanked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\n');
    let blank = |out: &mut String, c: char| out.push(if c == '\n' { '\n' } else { ' ' });
    let mut i = 0;
    while i < chars.len() {
        let after_word = i > 0 && (at(i - 1).is_alphanumeric() || at(i - 1) == '_');
        match at(i) {
            '/' if at(i + 1) == '/' => {
                while i < chars.len() && at(i) != '\n' {
                    blank(&mut out, at(i));
                    i += 1;
                }
            }
            'r' if !after_word
                && (at(i + 1) == '"' || (at(i + 1) == '#' && matches!(at(i + 2), '"' | '#'))) =>
            {
                let hashes = chars[i + 1..].iter().take_while(|c| **c == '#').count();
                let end: String = std::iter::once('"')
                    .chain("#".repeat(hashes).chars())
                    .collect();
                let from = i + 2 + hashes;
                let body: String = chars[from..].iter().collect();
                let length = body
                    .find(&end)
                    .map_or(body.chars().count(), |b| body[..b].chars().count());
                let until = (from + length + end.len()).min(chars.len());
                for c in &chars[i..until] {
                    blank(&mut out, *c);
                }
                i = until;
            }
            '"' => {
                blank(&mut out, '"');
                i += 1;
                while i < chars.len() && at(i) != '"' {
                    if at(i) == '\\' {
                        blank(&mut out, ' ');
                        i += 1;
                    }
                    blank(&mut out, at(i));
                    i += 1;
                }
                blank(&mut out, '"');
                i += 1;
            }
            '\'' if at(i + 2) == '\'' || at(i + 1) == '\\' => {
                let mut end = i + 2;
                while at(end) != '\'' && at(end) != '\n' {
                    end += 1;
                }
                for c in &chars[i..=end.min(chars.len() - 1)] {
                    blank(&mut out, *c);
                }
                i = end + 1;
            }
            c => {
                out.push(c);
                i += 1;
            }
        }
    }
    out
}

fn sources(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut waiting: Vec<PathBuf> = folders.iter().map(|f| root.join(f)).collect();
    let mut found = Vec::new();
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).expect("sources are text");
                let inside = path.strip_prefix(root).expect("it was found below");
                found.push(Source::of(inside.display().to_string(), text));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > folders.len(), "no sources in {folders:?}");
    found
}

#[derive(Default)]
struct Faults(String);

impl Faults {
    fn add(&mut self, source: &Source, line: usize, what: &str) {
        let _ = writeln!(self.0, "{}:{}: {what}", source.path, line + 1);
    }

    fn none(self) {
        assert!(self.0.is_empty(), "\n{}", self.0);
    }
}

/// Which layers a layer may import; its own is always among them.
fn allowed(layer: &str) -> Option<&'static [&'static str]> {
    match layer {
        "core" => Some(&["core"]),
        "wire" => Some(&["wire", "core"]),
        "config" => Some(&["config", "core"]),
        "replay" => Some(&["replay", "core"]),
        "variants" => Some(&["variants", "core"]),
        "trial" => Some(&["trial", "variants", "backtest", "core"]),
        "backtest" => Some(&["backtest", "core"]),
        "explain" => Some(&["explain", "core", "wire"]),
        "report" => Some(&["report", "core", "wire", "replay", "backtest"]),
        "shell" => Some(&["shell", "core", "wire", "config", "replay"]),
        _ => None,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether a line of code names something, as a whole word or path.
fn names(line: &str, what: &str) -> bool {
    line.match_indices(what).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + what.len()..].chars().next();
        let bound = |edge: Option<char>, outer: Option<char>| {
            !edge.is_some_and(is_word) || !outer.is_some_and(is_word)
        };
        bound(what.chars().next(), before) && bound(what.chars().next_back(), after)
    })
}

#[test]
fn layers_import_only_what_they_may() {
    let mut faults = Faults::default();
    for source in sources(&["src"]) {
        let Some(may) = allowed(source.layer()) else {
            continue;
        };
        for (n, line) in source.code.iter().enumerate() {
            for (at, _) in line.match_indices("crate::") {
                let rest = &line[at + "crate::".len()..];
                let module: String = rest.chars().take_while(|c| is_word(*c)).collect();
                if !may.contains(&module.as_str()) {
                    let what = format!(
                        "{} imports crate::{module}; it may import {} only: move what it needs there, or let shell or command hand it in",
                        source.layer(),
                        may.join(" and ")
                    );
                    faults.add(&source, n, &what);
                }
            }
            let supers = "super::".repeat(source.depth());
            if line.contains(&supers) {
                faults.add(&source, n, "climbs to the root of the crate; write crate:: and the module, which is checked");
            }
        }
    }
    faults.none();
}

/// What the pure layers must not name, and what to write.
const BANNED: [(&str, &str); 19] = [
    ("SystemTime", "take a WallTime or EventTime as an argument"),
    (
        "Instant",
        "take the time as an argument; shell owns the clock",
    ),
    ("Timestamp::now", "take the time as an argument"),
    ("Zoned::now", "take the time as an argument"),
    ("TimeZone::system", "take the crossing's time zone"),
    (
        "std::env",
        "command/setup.rs reads the environment and hands it in",
    ),
    ("std::fs", "command reads files and hands their text in"),
    ("std::net::Tcp", "sockets belong to shell"),
    ("std::thread", "threads belong to shell and command"),
    ("thread_rng", "seed a ChaCha8Rng from the input"),
    ("rand::", "seed a ChaCha8Rng from the input"),
    ("from_os_rng", "seed a ChaCha8Rng from the input"),
    ("println!", "return a value; command says it"),
    ("eprintln!", "return an error; main says it"),
    ("tokio", "async belongs to shell and command"),
    ("rdkafka", "Kafka belongs to shell"),
    (
        "tracing",
        "count in core::tally or return an error; shell logs",
    ),
    ("HashMap", "a BTreeMap: its order is the same in every run"),
    ("HashSet", "a BTreeSet: its order is the same in every run"),
];

/// Where a banned name is right: maps that are only looked up in, once for each event; clippy refuses to iterate over them.
const EXEMPT: [(&str, &str); 2] = [
    ("src/core/seen.rs", "HashMap"),
    ("src/core/network.rs", "HashMap"),
];

#[test]
fn pure_layers_ask_no_clock_no_system_and_no_chance() {
    let mut faults = Faults::default();
    for source in sources(&["src"]) {
        if !matches!(
            source.layer(),
            "core"
                | "wire"
                | "config"
                | "replay"
                | "variants"
                | "trial"
                | "backtest"
                | "report"
                | "explain"
        ) {
            continue;
        }
        for (n, line) in source.code.iter().enumerate() {
            for (what, remedy) in BANNED {
                if names(line, what) && !EXEMPT.contains(&(source.path.as_str(), what)) {
                    faults.add(
                        &source,
                        n,
                        &format!("`{what}` in {}: {remedy}", source.layer()),
                    );
                }
            }
            if source.layer() == "core" && (names(line, "serde_json") || names(line, "toml")) {
                faults.add(
                    &source,
                    n,
                    "text formats in core: wire owns JSON, config owns TOML",
                );
            }
        }
    }
    faults.none();
}

#[test]
fn files_open_with_a_sentence_and_stay_under_six_hundred_lines() {
    let mut faults = Faults::default();
    for source in sources(&["src", "tests"]) {
        let first = source.text.lines().next().unwrap_or_default();
        if !first.starts_with("//! ") || first.len() < 20 {
            faults.add(&source, 0, "no sentence on top; begin with `//! Owns ...`");
        }
        let lines = source.text.lines().count();
        if lines > 600 {
            faults.add(
                &source,
                600,
                &format!("{lines} lines; cut a part out at 600"),
            );
        }
    }
    faults.none();
}

#[test]
fn functions_stay_under_seventy_lines() {
    let mut faults = Faults::default();
    for source in sources(&["src"]) {
        if source.is_test {
            continue;
        }
        for (n, line) in source.code.iter().enumerate() {
            if !names(line, "fn") || !line.contains('(') || line.contains("fn(") {
                continue;
            }
            let mut depth = 0;
            for (m, body) in source.code[n..].iter().enumerate() {
                depth += body.matches('{').count();
                let ended = depth > 0 && body.matches('}').count() >= depth;
                depth -= body.matches('}').count().min(depth);
                if ended || (depth == 0 && body.ends_with(';')) {
                    if m + 1 > 70 {
                        faults.add(
                            &source,
                            n,
                            &format!("a function of {} lines; cut it at 70", m + 1),
                        );
                    }
                    break;
                }
            }
        }
    }
    faults.none();
}

#[test]
fn nothing_unfinished_is_left() {
    let marks = [
        ["FIX", "ME"],
        ["XX", "X:"],
        ["todo", "!("],
        ["unimplemented", "!("],
        ["dbg", "!("],
    ]
    .map(|m| m.concat());
    let mut faults = Faults::default();
    for source in sources(&["src", "tests"]) {
        for (n, line) in source.text.lines().enumerate() {
            if let Some(mark) = marks.iter().find(|mark| line.contains(mark.as_str())) {
                faults.add(
                    &source,
                    n,
                    &format!("`{mark}` is left: finish it, or write an issue"),
                );
            }
        }
        if !source.is_test {
            for (n, line) in source.code.iter().enumerate() {
                if line.contains(".unwrap()") {
                    faults.add(
                        &source,
                        n,
                        "`unwrap()`: return an error, or expect(\"why this cannot be\")",
                    );
                }
            }
        }
    }
    faults.none();
}

#[test]
fn comments_speak_of_the_code_and_not_of_its_past() {
    let words = [
        "no longer",
        "now uses",
        "previously",
        "instead of the old",
        "formerly",
        "used to be",
    ];
    let mut faults = Faults::default();
    for source in sources(&["src", "tests"]) {
        if source.path == "tests/tidy.rs" {
            continue;
        }
        for (n, line) in source.text.lines().enumerate() {
            let Some(at) = line.find("//") else { continue };
            let comment = line[at..].to_lowercase();
            if let Some(word) = words.iter().find(|word| comment.contains(*word)) {
                faults.add(
                    &source,
                    n,
                    &format!("a comment with `{word}`: say what is, the history is in git"),
                );
            }
        }
    }
    faults.none();
}

#[test]
fn the_reader_of_sources_tells_code_from_text_and_tests() {
    let text = "use a; // SystemTime\nlet x = \"tokio \\\" {\"; let y = '{'; let z = r#\"std::fs\"#;\n#[cfg(test)]\nmod tests {\n    x.unwrap()\n}\n";
    let source = Source::of("src/core/x.rs".into(), text.into());
    assert_eq!(source.code.len(), 2, "{:?}", source.code);
    let code = source.code.join("\n");
    for hidden in ["SystemTime", "tokio", "std::fs", "{"] {
        assert!(!code.contains(hidden), "{hidden} in {code}");
    }
    assert!(names("use tokio::x", "tokio") && !names("let tokio_like = 1", "tokio"));
    assert_eq!((source.layer(), source.depth()), ("core", 2));
}
