//! Owns the layering: defaults, then file, then environment, then `--set`, each value with the place it came from.
//!
//! Pure: the caller reads the file and the environment.

use super::check;
use super::document::{Document, join};
use super::problem::{Place, Problem, shown, suggest};
use super::raw::Raw;
use super::settings::Settings;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Value;

/// What the names of environment variables that set a key start with: `SURGEWATCH__KAFKA__BROKERS` sets `kafka.brokers`.
pub const ENV_PREFIX: &str = "SURGEWATCH__";

/// Tables that take any key, with what stands in the key for an underscore of an environment variable: properties of librdkafka,
/// ids of crossings and streams.
const OPEN_TABLES: [(&str, &str); 4] = [
    ("kafka.properties", "."),
    ("kafka.secrets", "."),
    ("detection.crossing_weights", "-"),
    ("detection.stream_weights", "-"),
];

/// What librdkafka has against a property and its value; without a value, against its name.
pub type Refusal = fn(&str, Option<&str>) -> Option<String>;

/// Everything that configuration is made from, already read. Later ones win over earlier ones.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Name and text of the configuration file.
    pub file: Option<(String, String)>,
    /// Name and text of the crossings file that [`crossings_file`] names; `None` where it names none (the embedded list is
    /// used) or where that file can't be read (a problem).
    pub crossings: Option<(String, String)>,
    /// Name and text of every file of the folder that [`episodes_folder`] names, sorted by name; `None` where it names none (the
    /// embedded ones are used) or where that folder can't be read (a problem).
    pub episodes: Option<Vec<(String, String)>>,
    /// Environment variables; those without [`ENV_PREFIX`] are ignored.
    pub env: Vec<(String, String)>,
    /// `--set` flags as key path and value; the last of a key wins.
    pub overrides: Vec<(String, String)>,
    /// Asks librdkafka, where the caller can.
    pub refusal: Option<Refusal>,
}

/// Checked settings from all sources.
///
/// # Errors
/// Every problem of every source at once; never empty. Broken TOML syntax of the configuration file comes alone, because
/// nothing else can be judged without it.
pub fn load(sources: &Sources) -> Result<Settings, Vec<Problem>> {
    let mut layers = layers(sources)?;
    let document = layers.document.take();
    let (raw, places, problems) = layers.finish();
    check::check(&raw, &places, problems, sources, document.as_ref())
}

/// The path in `network.crossings_file` after all layers, for the caller to read into [`Sources::crossings`]; `None` is the
/// embedded list. Mistakes are left to [`load`].
#[must_use]
pub fn crossings_file(sources: &Sources) -> Option<String> {
    let (raw, _, _) = layers(sources).ok()?.finish();
    Some(raw.network.crossings_file).filter(|path| !path.is_empty())
}

/// The path in `episodes.folder` after all layers, for the caller to read into [`Sources::episodes`]; `None` is the embedded
/// files. Mistakes are left to [`load`].
#[must_use]
pub fn episodes_folder(sources: &Sources) -> Option<String> {
    let (raw, _, _) = layers(sources).ok()?.finish();
    Some(raw.episodes.folder).filter(|path| !path.is_empty())
}

fn layers(sources: &Sources) -> Result<Layers, Vec<Problem>> {
    let mut layers = Layers::new();
    if let Some((name, text)) = &sources.file {
        let document = Document::parse(name, text).map_err(|problem| vec![*problem])?;
        layers.add_table("", &document.root, &document);
        layers.document = Some(document);
    }
    for (variable, text) in &sources.env {
        if let Some(rest) = variable.strip_prefix(ENV_PREFIX) {
            layers.add_text(&env_key(rest), text, Place::Env(variable.clone()));
        }
    }
    for (key, text) in &sources.overrides {
        layers.add_text(key, text, Place::Flag);
    }
    Ok(layers)
}

/// `KAFKA__BROKERS` to `kafka.brokers`.
fn env_key(rest: &str) -> String {
    let key = rest.to_lowercase().replace("__", ".");
    for (table, sign) in OPEN_TABLES {
        if let Some(property) = key
            .strip_prefix(table)
            .and_then(|tail| tail.strip_prefix('.'))
        {
            return format!("{table}.{}", property.replace('_', sign));
        }
    }
    key
}

fn is_open_table(path: &str) -> bool {
    OPEN_TABLES.iter().any(|(open, _)| *open == path)
}

struct Layers {
    /// Every known key with its default, which also tells its type.
    known: BTreeMap<String, Value>,
    given: BTreeMap<String, (Value, Place)>,
    problems: Vec<Problem>,
    /// The configuration file, whose `[[routes]]` have rules of their own.
    document: Option<Document>,
}

impl Layers {
    fn new() -> Self {
        let defaults = toml::Table::try_from(Raw::default()).expect("the defaults are TOML");
        let mut known = BTreeMap::new();
        for (section, keys) in defaults {
            for (key, default) in keys.as_table().into_iter().flatten() {
                known.insert(join(&section, key), default.clone());
            }
        }
        Self {
            known,
            given: BTreeMap::new(),
            problems: Vec::new(),
            document: None,
        }
    }

    /// Takes over a table of the file, whose keys may be sections, keys or properties.
    fn add_table(&mut self, prefix: &str, table: &toml::Table, document: &Document) {
        for (key, value) in table {
            let path = join(prefix, key);
            let place = document.place(&path);
            if path == "routes" {
                continue;
            }
            if OPEN_TABLES
                .iter()
                .any(|(open, _)| path == *open || path.starts_with(&format!("{open}.")))
            {
                self.add_property(&path, value, document);
            } else if let Some(default) = self.known.get(&path) {
                match typed(default, value) {
                    Some(value) => drop(self.given.insert(path, (value, place))),
                    None => self.wrong_type(&path, &value.to_string(), type_rule(default), place),
                }
            } else if self.is_section(&path) {
                match value {
                    Value::Table(inner) => self.add_table(&path, inner, document),
                    _ => self.wrong_type(&path, &value.to_string(), "must be a table", place),
                }
            } else {
                self.unknown(&path, &value.to_string(), place);
            }
        }
    }

    /// A property; TOML reads an unquoted `security.protocol = ...` as nested tables.
    fn add_property(&mut self, path: &str, value: &Value, document: &Document) {
        let text = match value {
            Value::Table(inner) => {
                for (key, value) in inner {
                    self.add_property(&join(path, key), value, document);
                }
                return;
            }
            Value::String(text) if !is_open_table(path) => text.clone(),
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) if !is_open_table(path) => {
                value.to_string()
            }
            _ => {
                let rule = if is_open_table(path) {
                    "must be a table"
                } else {
                    "must be a text, number or boolean"
                };
                return self.wrong_type(path, &value.to_string(), rule, document.place(path));
            }
        };
        self.given
            .insert(path.to_owned(), (Value::String(text), document.place(path)));
    }

    /// Takes over a value given as text, which is read as the type of its key.
    fn add_text(&mut self, key: &str, text: &str, place: Place) {
        if OPEN_TABLES.iter().any(|(open, _)| {
            key.strip_prefix(open)
                .is_some_and(|tail| tail.len() > 1 && tail.starts_with('.'))
        }) {
            self.given
                .insert(key.to_owned(), (Value::String(text.to_owned()), place));
            return;
        }
        let Some(default) = self.known.get(key) else {
            return self.unknown(key, text, place);
        };
        match parsed(default, text) {
            Some(value) => drop(self.given.insert(key.to_owned(), (value, place))),
            None => self.wrong_type(key, text, type_rule(default), place),
        }
    }

    fn is_section(&self, path: &str) -> bool {
        self.known
            .keys()
            .any(|known| known.split('.').next() == Some(path))
    }

    fn wrong_type(&mut self, key: &str, value: &str, rule: &str, place: Place) {
        let remedy = match self.known.get(key) {
            Some(Value::Table(_)) | None => format!("see [{key}] in config/surgewatch.toml"),
            Some(default) => format!("write it as in {key} = {default}"),
        };
        let (key, value) = (key.to_owned(), shown(key, value));
        self.problems.push(Problem {
            key,
            value,
            rule: rule.to_owned(),
            remedy,
            place,
        });
    }

    fn unknown(&mut self, key: &str, value: &str, place: Place) {
        let remedy = match key.split_once('.') {
            _ if key.split(['.', '[']).next() == Some("routes") => {
                "write [[routes]] in the configuration file".to_owned()
            }
            Some((section, name)) if self.is_section(section) => self.nearest_key(section, name),
            None if let Some(first) = self.first_key(key) => {
                format!("{key} is a section: name one of its keys, as {first}")
            }
            _ => suggest(key.split('.').next().unwrap_or(key), self.sections()),
        };
        let (key, value, rule) = (key.to_owned(), shown(key, value), "no such key".to_owned());
        self.problems.push(Problem {
            key,
            value,
            rule,
            remedy,
            place,
        });
    }

    /// The same name in another section, else the nearest name of this section, else all names of this section.
    fn nearest_key(&self, section: &str, name: &str) -> String {
        let split = || self.known.keys().filter_map(|known| known.split_once('.'));
        match split().find(|(_, known)| *known == name) {
            Some((other, _)) => format!("did you mean {other}.{name}?"),
            None => suggest(
                name,
                split()
                    .filter(|(of, _)| *of == section)
                    .map(|(_, known)| known)
                    .collect::<Vec<_>>(),
            ),
        }
    }

    fn first_key(&self, section: &str) -> Option<&String> {
        let mut keys = self.known.keys();
        keys.find(|key| key.split('.').next() == Some(section))
    }

    fn sections(&self) -> Vec<&str> {
        let mut sections: Vec<&str> = self
            .known
            .keys()
            .filter_map(|known| known.split('.').next())
            .collect();
        sections.dedup();
        sections
    }

    fn finish(mut self) -> (Raw, BTreeMap<String, Place>, Vec<Problem>) {
        let mut root = toml::Table::new();
        let mut places = BTreeMap::new();
        for (path, (value, place)) in self.given {
            let mut table = &mut root;
            let open = OPEN_TABLES
                .iter()
                .map(|(open, _)| *open)
                .find(|open| path.starts_with(&format!("{open}.")));
            let parent = open.unwrap_or_else(|| path.split('.').next().unwrap_or_default());
            for segment in parent.split('.') {
                let entry = table
                    .entry(segment)
                    .or_insert_with(|| Value::Table(toml::Table::new()));
                table = entry
                    .as_table_mut()
                    .expect("only tables are made at parents of keys");
            }
            table.insert(path[parent.len() + 1..].to_owned(), value);
            places.insert(path, place);
        }
        let raw = Raw::deserialize(root).unwrap_or_else(|error| {
            self.problems.push(Problem {
                key: "(file)".to_owned(),
                value: "(not shown)".to_owned(),
                rule: format!(
                    "must have the shape of config/surgewatch.toml: {}",
                    error.message()
                ),
                remedy: "compare the two".to_owned(),
                place: Place::Default,
            });
            Raw::default()
        });
        (raw, places, self.problems)
    }
}

/// The value as the type of the default, if it is one; a whole number is also a number.
fn typed(default: &Value, value: &Value) -> Option<Value> {
    match (default, value) {
        (Value::Float(_), Value::Integer(number)) => Some(Value::Float(*number as f64)),
        (Value::Array(_), Value::Array(items)) => {
            items.iter().all(Value::is_str).then(|| value.clone())
        }
        _ => default.same_type(value).then(|| value.clone()),
    }
}

fn parsed(default: &Value, text: &str) -> Option<Value> {
    match default {
        Value::Integer(_) => text.trim().parse().ok().map(Value::Integer),
        Value::Float(_) => text.trim().parse().ok().map(Value::Float),
        Value::Array(_) if text.trim_start().starts_with('[') => {
            let table: toml::Table = format!("list = {text}").parse().ok()?;
            typed(default, table.get("list")?)
        }
        Value::Array(_) => {
            let items = text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty());
            Some(Value::Array(
                items.map(|item| Value::String(item.to_owned())).collect(),
            ))
        }
        Value::String(_) => Some(Value::String(text.to_owned())),
        _ => None,
    }
}

fn type_rule(default: &Value) -> &'static str {
    match default {
        Value::Integer(_) => "must be a whole number",
        Value::Float(_) => "must be a number",
        Value::Array(_) => "must be a list of texts, separated by commas or as in TOML",
        Value::Table(_) => "must be a table",
        _ => "must be a text",
    }
}
