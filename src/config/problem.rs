//! Owns the description of one mistake in the configuration: key, value given, rule, remedy, and where the value came from.

use std::fmt;

/// Words in a key or value after which the value is not printed.
const SENSITIVE: [&str; 6] = [
    "password",
    "secret",
    "key.pem",
    "private key",
    "token",
    "jaas",
];

/// One mistake, with all that is needed to correct it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{rule}; {remedy}", self.subject())]
pub struct Problem {
    /// Key path, as `kafka.session_timeout_ms` or `crossing.fi-vaalimaa.order`; empty where no key can be read.
    pub key: String,
    /// The value as given; `(hidden)` where it may be a secret.
    pub value: String,
    /// The rule it breaks.
    pub rule: String,
    /// What to write.
    pub remedy: String,
    /// Where the value was given.
    pub place: Place,
}

impl Problem {
    /// What is wrong, before the rule it breaks.
    fn subject(&self) -> String {
        let Self {
            key, value, place, ..
        } = self;
        if key.is_empty() {
            return format!("{place}: ");
        }
        format!("{key} = {value} ({place}): ")
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A line of a file.
    File {
        /// The file's name as the caller gave it.
        name: String,
        /// Line counted from 1; absent where the whole file is meant.
        line: Option<usize>,
    },
    /// An environment variable.
    Env(String),
    /// A `--set` on the command line.
    Flag,
    /// Nobody: the compiled default.
    Default,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File {
                name,
                line: Some(line),
            } => write!(f, "{name} line {line}"),
            Self::File { name, line: None } => f.write_str(name),
            Self::Env(variable) => write!(f, "environment {variable}"),
            Self::Flag => f.write_str("flag --set"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// The value as it may be printed: hidden if its key or itself looks like a secret, cut to a readable length.
pub(super) fn shown(key: &str, value: &str) -> String {
    if is_sensitive(key)
        || is_sensitive(value)
        || key == "kafka.secrets"
        || key.starts_with("kafka.secrets.")
    {
        return "(hidden)".to_owned();
    }
    if value.trim().is_empty() {
        return format!("\"{value}\"");
    }
    match value.char_indices().nth(80) {
        Some((end, _)) => format!("{}...", &value[..end]),
        None => value.to_owned(),
    }
}

/// Whether a key or a value looks like it holds a secret.
pub(super) fn is_sensitive(text: &str) -> bool {
    let text = text.to_lowercase().replace('_', ".");
    SENSITIVE.iter().any(|word| text.contains(word))
}

/// The candidate nearest to what was given, if it is near enough to be a misspelling of it or one begins with the other.
pub(super) fn nearest<'a>(
    given: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (distance(given, candidate), candidate))
        .min()
        .filter(|(distance, candidate)| {
            let goes_on = given.len().min(candidate.len()) >= 3
                && (given.starts_with(candidate) || candidate.starts_with(given));
            goes_on || *distance <= (candidate.len() / 3).max(2)
        })
        .map(|(_, candidate)| candidate)
}

/// A remedy that names the nearest candidate, or all of them.
pub(super) fn suggest<'a>(
    given: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    match nearest(given, candidates.clone()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!(
            "write one of {}",
            candidates.into_iter().collect::<Vec<_>>().join(", ")
        ),
    }
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("brokers", "broker", 1),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn secrets_are_hidden_by_key_and_by_value() {
        for (key, value) in [
            ("kafka.properties.sasl.password", "x"),
            ("kafka.sasl_Password", "x"),
            ("kafka.properties.ssl_key_pem", "x"),
            ("kafka.secrets.anything", "x"),
            ("kafka.secrets", "x"),
            ("kafka.group", "-----BEGIN PRIVATE KEY-----"),
        ] {
            assert_eq!(shown(key, value), "(hidden)", "{key}");
        }
        assert_eq!(shown("kafka.group", "surgewatch"), "surgewatch");
        assert_eq!(shown("kafka.group", ""), "\"\"");
    }
}
