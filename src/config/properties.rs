//! Owns the rules for librdkafka's properties: which ones the design owns, and that secrets come by reference.

use super::check::Checker;
use super::load::Refusal;
use super::problem::is_sensitive;
use super::raw;
use super::settings::SecretRef;
use std::collections::BTreeMap;

/// Properties that can't be handed through, and who owns them.
const PROTECTED: [(&str, &str); 16] = [
    (
        "auto.commit.enable",
        "owned by surgewatch, which commits in transactions; leave it out",
    ),
    (
        "auto.offset.reset",
        "owned by surgewatch, which starts a new group at the earliest record; leave it out",
    ),
    ("bootstrap.servers", "set kafka.brokers"),
    (
        "enable.auto.commit",
        "owned by surgewatch, which commits in transactions; leave it out",
    ),
    (
        "enable.auto.offset.store",
        "owned by surgewatch, which commits in transactions; leave it out",
    ),
    (
        "enable.idempotence",
        "owned by surgewatch, whose transactions need it; leave it out",
    ),
    ("group.id", "set kafka.group"),
    ("group.instance.id", "set kafka.instance"),
    (
        "group.protocol",
        "owned by surgewatch, whose rebalancing depends on it; leave it out",
    ),
    (
        "isolation.level",
        "owned by surgewatch, which reads committed records only; leave it out",
    ),
    ("metadata.broker.list", "set kafka.brokers"),
    (
        "partition.assignment.strategy",
        "owned by surgewatch, whose rebalancing depends on it; leave it out",
    ),
    ("session.timeout.ms", "set kafka.session_timeout_ms"),
    (
        "statistics.interval.ms",
        "owned by surgewatch, whose metrics depend on it; leave it out",
    ),
    ("transaction.timeout.ms", "set kafka.transaction_timeout_ms"),
    ("transactional.id", "set kafka.group and kafka.instance"),
];

/// The properties that may be handed through.
pub(super) fn plain(check: &mut Checker<'_>, raw: &raw::Kafka) -> BTreeMap<String, String> {
    for (property, value) in &raw.properties {
        let key = format!("kafka.properties.{property}");
        if is_protected(check, &key, property, value) {
            continue;
        }
        if holds_secret(property) {
            let remedy =
                format!("write kafka.secrets.\"{property}\" = \"file:/path\" or \"env:NAME\"");
            check.fail(
                &key,
                value,
                "must not be given in plain, it is a secret",
                remedy,
            );
        } else if raw.secrets.contains_key(property) {
            let rule = format!("must not be given beside kafka.secrets.{property} = (hidden)");
            check.fail(&key, value, rule, "leave one of them out");
        }
    }
    raw.properties.clone()
}

/// The references to secrets.
pub(super) fn secrets(check: &mut Checker<'_>, raw: &raw::Kafka) -> BTreeMap<String, SecretRef> {
    let mut secrets = BTreeMap::new();
    for (property, reference) in &raw.secrets {
        let key = format!("kafka.secrets.{property}");
        if is_protected(check, &key, property, reference) {
            continue;
        }
        match parse_reference(reference) {
            Some(secret) => drop(secrets.insert(property.clone(), secret)),
            None => check.fail(
                &key,
                reference,
                "must be a reference to a secret, not the secret",
                "write \"file:/path\" or \"env:NAME\"",
            ),
        }
    }
    secrets
}

/// Properties that no rule of ours speaks of but librdkafka does; of a secret only the name is judged.
pub(super) fn refused(check: &mut Checker<'_>, raw: &raw::Kafka, refusal: Refusal) {
    let plain = raw.properties.iter().map(|(p, v)| ("properties", p, v));
    let secret = raw.secrets.iter().map(|(p, v)| ("secrets", p, v));
    for (table, property, value) in plain.chain(secret) {
        let key = format!("kafka.{table}.{property}");
        let given = (table == "properties").then_some(value.as_str());
        if check.is_bad(&key) {
            continue;
        }
        if let Some(why) = refusal(property, given) {
            check.fail(
                &key,
                value,
                format!("must be a property and a value that librdkafka takes: {why}"),
                "correct it after librdkafka's CONFIGURATION.md, or leave it out",
            );
        }
    }
}

fn is_protected(check: &mut Checker<'_>, key: &str, property: &str, value: &str) -> bool {
    let Some((_, owner)) = PROTECTED
        .iter()
        .find(|(protected, _)| *protected == property)
    else {
        return false;
    };
    check.fail(key, value, "must not be handed to librdkafka", *owner);
    true
}

// Where a password's file or a token's endpoint lies is no secret, and must be possible in plain.
fn holds_secret(property: &str) -> bool {
    let is_place = [".location", ".url", ".method", ".callback"]
        .iter()
        .any(|end| property.ends_with(end));
    is_sensitive(property) && !is_place && !property.contains("token.endpoint")
}

fn parse_reference(reference: &str) -> Option<SecretRef> {
    match reference.split_once(':')? {
        ("file", path) if path.starts_with('/') && path.len() > 1 => {
            Some(SecretRef::File(path.to_owned()))
        }
        ("env", name)
            if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') =>
        {
            Some(SecretRef::Env(name.to_owned()))
        }
        _ => None,
    }
}
