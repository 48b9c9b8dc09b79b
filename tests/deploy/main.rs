//! Owns the contract between the daemon's metrics and those who read them: dashboards, rules, deployments.
//!
//! What needs no other program runs with `cargo test`. What needs Prometheus and its tools is ignored there and run by
//! `.ci/run`. Each check is also shown a broken copy and must find the fault.

mod alertmanager;
mod boards;
mod catalog;
mod deployments;
mod live;
mod query;
mod rules;
mod tools;

use std::path::{Path, PathBuf};

/// A file or folder of the repository.
fn path(inside: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(inside)
}

/// A file of the repository.
fn text(inside: &str) -> String {
    std::fs::read_to_string(path(inside)).unwrap_or_else(|error| panic!("{inside}: {error}"))
}

/// Files of a folder with an extension, by name.
fn files(folder: &str, extension: &str) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(path(folder)).expect("the folder is there");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("the folder can be read").file_name())
        .map(|name| name.into_string().expect("names are ASCII"))
        .filter(|name| name.ends_with(&format!(".{extension}")))
        .collect();
    names.sort();
    assert!(!names.is_empty(), "no {extension} in {folder}");
    let read = |name: String| (text(&format!("{folder}/{name}")), name);
    names
        .into_iter()
        .map(read)
        .map(|(content, name)| (name, content))
        .collect()
}
