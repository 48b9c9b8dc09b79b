//! Owns `surgewatch schema`: the published contracts, printed.

use super::{CommandError, ConfigArgs, say, setup};
use crate::wire::asyncapi::{self, Deployment};
use crate::wire::schema::{self, CONTRACTS};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// arrival, status, heartbeat, correction, feedback, count, alert, notice, incident, dead_letter, or asyncapi; without a name they are listed.
    name: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Name of the document that holds all contracts.
const ASYNCAPI: &str = "asyncapi";

pub(super) fn schema(args: &SchemaArgs) -> Result<(), CommandError> {
    let document = match args.name.as_deref() {
        None => {
            for contract in &CONTRACTS {
                say(&format!("{:<12} {}", contract.name, contract.title));
            }
            say(&format!(
                "{ASYNCAPI:<12} All of them with their topics, as AsyncAPI 3"
            ));
            return Ok(());
        }
        Some(ASYNCAPI) => {
            let settings = setup::settings(&args.config)?;
            let topics = &settings.topics;
            let incidents = topics.incidents.iter();
            let incidents: Vec<(&str, &str)> = incidents
                .map(|(country, topic)| (country.as_str(), topic.as_str()))
                .collect();
            asyncapi::document(&Deployment {
                brokers: &settings.kafka.brokers,
                arrivals: &topics.arrivals,
                counts: &topics.counts,
                alerts: &topics.alerts,
                alerts_state: &topics.alerts_state,
                dead_letters: &topics.dead_letters,
                audiences: &topics.audiences(),
                incidents: &incidents,
                partitions: topics.partitions,
                replicas: topics.replication_factor,
            })
        }
        Some(name) => match schema::contract(name) {
            Some(contract) => contract.schema(),
            None => {
                let names: Vec<&str> = CONTRACTS.iter().map(|contract| contract.name).collect();
                return Err(CommandError::Usage(format!(
                    "there is no schema `{name}`; ask for one of {}, {ASYNCAPI}",
                    names.join(", ")
                )));
            }
        },
    };
    say(&format!("{document:#}"));
    Ok(())
}
