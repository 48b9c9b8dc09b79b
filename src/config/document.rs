//! Owns the reading of TOML text with the line of every key.

use super::problem::{Place, Problem};
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// A parsed TOML file.
#[derive(Debug)]
pub(super) struct Document {
    /// The values.
    pub(super) root: toml::Table,
    name: String,
    /// Line of each key by its path: `kafka.brokers`, `crossing[0].id`.
    lines: BTreeMap<String, usize>,
}

impl Document {
    /// Parses `text`; broken syntax is one problem.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self, Box<Problem>> {
        // The parser's message without its copy of the source line, which may hold a secret.
        let broken = |error: toml::de::Error| {
            Box::new(Problem {
                key: String::new(),
                value: String::new(),
                rule: format!("the file must be TOML: {}", error.message()),
                remedy: "correct the line".to_owned(),
                place: Place::File {
                    name: name.to_owned(),
                    line: error.span().map(|span| Lines::of(text).holding(span.start)),
                },
            })
        };
        let root: toml::Table = toml::from_str(text).map_err(broken)?;
        let spans = DeTable::parse(text).map_err(broken)?;
        let mut lines = BTreeMap::new();
        collect(spans.get_ref(), "", &Lines::of(text), &mut lines);
        Ok(Self {
            root,
            name: name.to_owned(),
            lines,
        })
    }

    /// Where a span of its text was written, and the key of that line; no key where the span goes on over several lines.
    pub(super) fn at(&self, text: &str, span: &std::ops::Range<usize>) -> (Option<String>, Place) {
        let lines = Lines::of(text);
        let [first, last] = [span.start, span.end].map(|byte| lines.holding(byte));
        let line = text.lines().nth(first - 1);
        let key = line.filter(|line| !line.starts_with('#')).and_then(|line| {
            let (key, _) = line.split_once('=').unwrap_or((line, ""));
            let key = key.trim_matches(['[', ']', ' ', '\t', '"']);
            (first == last && !key.is_empty()).then(|| key.to_owned())
        });
        let line = key.is_some().then_some(first);
        let name = self.name.clone();
        (key, Place::File { name, line })
    }

    /// Where a key path was written.
    pub(super) fn place(&self, path: &str) -> Place {
        Place::File {
            name: self.name.clone(),
            line: self.lines.get(path).copied(),
        }
    }
}

/// `prefix.key`, or `key` at the top.
pub(super) fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() {
        key.to_owned()
    } else {
        format!("{prefix}.{key}")
    }
}

fn collect(table: &DeTable<'_>, prefix: &str, text: &Lines, lines: &mut BTreeMap<String, usize>) {
    for (key, value) in table {
        let path = join(prefix, key.get_ref());
        lines.insert(path.clone(), text.holding(key.span().start));
        match value.get_ref() {
            DeValue::Table(inner) => collect(inner, &path, text, lines),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let item_path = format!("{path}[{index}]");
                    lines.insert(item_path.clone(), text.holding(item.span().start));
                    if let DeValue::Table(inner) = item.get_ref() {
                        collect(inner, &item_path, text, lines);
                    }
                }
            }
            _ => {}
        }
    }
}

/// The bytes at which the lines of a text end, ascending.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// Number of the line that holds a byte, from 1.
    fn holding(&self, byte: usize) -> usize {
        1 + self.0.partition_point(|&end| end < byte)
    }
}
