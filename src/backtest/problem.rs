//! Owns the description of what is wrong with a file of counts or of truth: where, the value, the rule and what to do.

use std::fmt;

/// Problems that are told in full; of the others only the number is.
const TOLD_MAX: usize = 20;
/// Characters of a value that are told.
const SHOWN_MAX: usize = 60;

/// One mistake in a file, with all that is needed to correct it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} line {line}, column {column}: {value:?} {rule}; {remedy}")]
pub struct Problem {
    /// The file as the caller named it.
    pub file: String,
    /// Its line, from 1.
    pub line: u64,
    /// The column by its name in the header.
    pub column: String,
    /// What is there.
    pub value: String,
    /// The rule it breaks.
    pub rule: String,
    /// What to do.
    pub remedy: String,
}

/// What is wrong with one cell, wherever it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    rule: String,
    remedy: String,
}

impl Fault {
    pub(super) fn new(rule: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            rule: rule.into(),
            remedy: remedy.into(),
        }
    }

    pub(super) fn at(self, file: &str, line: u64, column: &str, value: &str) -> Problem {
        let value = match value.char_indices().nth(SHOWN_MAX) {
            Some((end, _)) => format!("{}...", &value[..end]),
            None => value.to_owned(),
        };
        Problem {
            file: file.to_owned(),
            line,
            column: column.to_owned(),
            value,
            rule: self.rule,
            remedy: self.remedy,
        }
    }
}

/// All that is wrong with the files: the first problems in full, the number of the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    told: Vec<Problem>,
    more: usize,
}

impl Problems {
    /// Adds one.
    pub fn add(&mut self, problem: Problem) {
        if self.told.len() < TOLD_MAX {
            self.told.push(problem);
        } else {
            self.more += 1;
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// The problems that are told in full.
    #[must_use]
    pub fn told(&self) -> &[Problem] {
        &self.told
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.told.len() + self.more;
        let noun = if all == 1 { "problem" } else { "problems" };
        write!(f, "the counts cannot be used, {all} {noun}:")?;
        for problem in &self.told {
            write!(f, "\n  {problem}")?;
        }
        if self.more > 0 {
            write!(f, "\n  and {} more", self.more)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_problems_are_told_and_the_others_counted() {
        let mut problems = Problems::default();
        for line in 1..=25 {
            let fault = Fault::new("is no count", "write one");
            problems.add(fault.at("a.csv", line, "count", &"x".repeat(70)));
        }
        let text = problems.to_string();
        assert!(text.starts_with(
            "the counts cannot be used, 25 problems:\n  a.csv line 1, column count: \"xx"
        ));
        assert!(text.contains("x...\" is no count; write one\n"));
        assert!(text.ends_with("\n  and 5 more"));
        assert_eq!(problems.told().len(), 20);
    }
}
