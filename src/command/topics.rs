//! Owns `surgewatch topics`: making the topics, and checking them.

use super::{CommandError, ConfigArgs, service, setup};
use crate::shell::error::ShellError;
use crate::shell::topics::{self, Shape};
use clap::{Args, Subcommand};
use std::time::Duration;

#[derive(Debug, Args)]
pub(super) struct TopicsArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Creates the topics that are missing, then checks all of them.
    Create(ConfigArgs),
    /// Checks that the topics are there, with equal partitions and compaction where state is kept.
    Check(ConfigArgs),
}

pub(super) fn topics(args: &TopicsArgs) -> Result<(), CommandError> {
    let (config, create) = match &args.action {
        Action::Create(config) => (config, true),
        Action::Check(config) => (config, false),
    };
    let settings = setup::settings(config)?;
    setup::start_logging(&settings);
    let broker = setup::broker(&settings)?;
    let patience = Duration::from_secs(30);
    let mut found = topics::partitions(&broker, patience)?;
    service::runtime().block_on(async {
        if create {
            let shape = Shape {
                partitions: i32::try_from(settings.topics.partitions).unwrap_or(i32::MAX),
                replication_factor: i32::try_from(settings.topics.replication_factor)
                    .unwrap_or(i32::MAX),
            };
            for name in topics::create(&broker, &settings.topics, shape, &found).await? {
                super::say(&format!("created {name}"));
            }
            found = topics::settled(&broker, &settings.topics, patience)?;
        }
        let mut problems = topics::problems(&settings.topics, &found);
        if problems.is_empty() {
            problems = topics::policy_problems(&broker, &settings.topics).await?;
        }
        if !problems.is_empty() {
            return Err(ShellError::Topics { problems });
        }
        for name in settings.topics.all() {
            super::say(&format!(
                "{name}: {} partitions",
                found.get(name).copied().unwrap_or(0)
            ));
        }
        Ok(())
    })?;
    Ok(())
}
