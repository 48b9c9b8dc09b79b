//! Owns the command line: what can be asked for, and the exit code each answer ends with.

mod backtest;
mod calibrate;
mod counts;
mod demo;
mod episodes;
mod explain;
mod feedback;
mod manual;
mod metrics;
mod publish;
mod replay;
mod run;
mod schema;
mod service;
mod setup;
mod table;
mod topics;
mod validate;

pub use setup::engine;

use crate::backtest::Problems;
use crate::config::Problem;
use crate::replay::ReplayError;
use crate::report::EpisodeError;
use crate::shell::error::ShellError;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Watches arrival counts at border crossings on Kafka and alerts on surges and drops, exactly once.
#[derive(Debug, Parser)]
#[command(version, about, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 all well, 64 wrong usage, 65 data cannot be used, 69 Kafka cannot be reached or failed, \
                          70 the demo went wrong, 74 a file cannot be read or written or a port not opened, 77 Kafka refuses the credentials, 78 wrong configuration.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows the main job without Kafka and without configuration: a bundled replay, on a broker inside the process.
    #[command(after_help = "Examples:\n  surgewatch demo\n  surgewatch demo --speed 10 --json")]
    Demo(demo::DemoArgs),
    /// Watches: reads arrivals from Kafka, writes counts and alerts, until SIGTERM.
    #[command(
        after_help = "Example: surgewatch run --config surgewatch.toml --set kafka.instance=1"
    )]
    Run(ConfigArgs),
    /// Checks the configuration and says all that is wrong with it.
    #[command(after_help = "Example: surgewatch validate --config surgewatch.toml")]
    Validate(ConfigArgs),
    /// Puts a bundled replay or a file of events into the arrivals topic.
    #[command(
        after_help = "Example: surgewatch publish --config surgewatch.toml --episode finland-2023"
    )]
    Publish(publish::PublishArgs),
    /// Says what an alert is: seen, known, an exercise, false, or the new usual.
    Feedback(feedback::FeedbackArgs),
    /// Recomputes an alert or incident from the topics and says of every number whether it is as told.
    #[command(
        after_help = "Examples:\n  surgewatch explain fi-vartius.asylum.surge.2023-11-16 --config surgewatch.toml\n  surgewatch explain incident.fi-vaalimaa.asylum.surge.2023-11-13 --json"
    )]
    Explain(explain::ExplainArgs),
    /// Creates or checks the topics.
    #[command(
        after_help = "Examples:\n  surgewatch topics create --config surgewatch.toml\n  surgewatch topics check --config surgewatch.toml"
    )]
    Topics(topics::TopicsArgs),
    /// Runs counts from CSV files through a lens and counts alarms, false alerts and delays; needs no Kafka.
    #[command(
        after_help = "Example: surgewatch backtest counts.csv.gz --lens day --budget 0.5 --results out.csv"
    )]
    Backtest(backtest::BacktestArgs),
    /// Finds thresholds by simulation that alarm as often as accepted, and prints them as settings; needs no Kafka.
    #[command(after_help = "Example: surgewatch calibrate --config surgewatch.toml")]
    Calibrate(calibrate::CalibrateArgs),
    /// Runs a replay or counts from a CSV file, tells each alert, and draws a page of them; needs no Kafka.
    #[command(
        after_help = "Examples:\n  surgewatch replay config/replays/finland-2023.toml --report finland.html\n  surgewatch replay counts.csv.gz --lens day --budget 0.5 --report counts.html\n  surgewatch replay simulated.csv --generate finland-2023-shift --seed 7 --report simulated.html"
    )]
    Replay(replay::ReplayArgs),
    /// Tries what is said of incidents: on made-up borders of each kind, on the bundled replays, and on real counts; needs no Kafka.
    #[command(
        after_help = "Examples:\n  surgewatch episodes\n  surgewatch episodes --variants 0 --no-replays counts.csv.gz"
    )]
    Episodes(episodes::EpisodesArgs),
    /// Prints the JSON Schema of a record, or the AsyncAPI document of them all.
    #[command(
        after_help = "Examples:\n  surgewatch schema alert > alert.schema.json\n  surgewatch schema asyncapi --config surgewatch.toml > asyncapi.json"
    )]
    Schema(schema::SchemaArgs),
    /// Lists every metric family.
    #[command(after_help = "Example: surgewatch metrics | grep feed_")]
    Metrics,
    /// Prints the manual page of surgewatch or of one of its commands, for man.
    #[command(
        after_help = "Examples:\n  surgewatch man | man -l -\n  surgewatch man replay > surgewatch-replay.1"
    )]
    Man(manual::ManArgs),
    /// Prints what completes surgewatch's commands and flags in a shell.
    #[command(
        after_help = "Examples:\n  surgewatch completions bash > /etc/bash_completion.d/surgewatch\n  surgewatch completions zsh > \"${fpath[1]}/_surgewatch\"\n  surgewatch completions fish > ~/.config/fish/completions/surgewatch.fish"
    )]
    Completions(manual::CompletionsArgs),
}

/// Where the configuration comes from: a file, then the environment (`SURGEWATCH__KAFKA__BROKERS=...`), then `--set`.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigArgs {
    /// Configuration file (TOML); every key has a default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting, as `kafka.instance=1`; wins over file and environment.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Called wrongly.
    #[error("{0}")]
    Usage(String),
    /// The configuration is wrong.
    #[error("{}", config_problems(.0))]
    Config(Vec<Problem>),
    /// A file cannot be read.
    #[error("cannot read {what} {path}: {source}; correct the path, or who may read it")]
    Read {
        /// What it is.
        what: &'static str,
        /// Its path.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// Secrets cannot be had; every one of them.
    #[error("{}", no_secrets(.0))]
    NoSecrets(Vec<NoSecret>),
    /// A port cannot be opened.
    #[error("cannot listen on {listen}: {source}; set http.listen to a free address")]
    Listen {
        /// The address.
        listen: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line of a file of events cannot be used.
    #[error("{path} line {line}: {what}")]
    BadLine {
        /// The file.
        path: String,
        /// Its line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A file cannot be written.
    #[error("cannot write {path}: {source}; correct the path, or who may write there")]
    Write {
        /// Its path.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// Files of counts or of truth cannot be used.
    #[error("{0}")]
    Counts(Problems),
    /// A replay is damaged.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A replay does not fit the settings.
    #[error(transparent)]
    Episode(#[from] EpisodeError),
    /// Kafka.
    #[error(transparent)]
    Shell(#[from] ShellError),
    /// A replay has crossings that the settings leave out.
    #[error("{0}")]
    NotWatched(String),
    /// An alert or incident is not what follows from the topics.
    #[error(
        "{faults} of the records that {alerts} and the counts hold of {id} are not what follows from the input: see above, or --json"
    )]
    NotAsTold {
        /// Its id.
        id: String,
        /// Records that differ.
        faults: usize,
        /// Topic of the alerts.
        alerts: String,
    },
    /// A signal came before the end.
    #[error("ended by {0} before the end of the replay")]
    Signal(Signal),
    /// The demo's records are not what was published.
    #[error("{0}")]
    Demo(String),
}

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum NoSecret {
    /// Its file cannot be read.
    #[error(
        "kafka.secrets.{property}: cannot read the file {path}: {source}; correct the path, or who may read it"
    )]
    Unreadable {
        /// The property.
        property: String,
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// Its environment variable is not there.
    #[error(
        "kafka.secrets.{property}: the environment variable {name} is not set; set it, or name another"
    )]
    NotSet {
        /// The property.
        property: String,
        /// The variable.
        name: String,
    },
    /// There is nothing in it.
    #[error("kafka.secrets.{property}: {place} is empty; put the secret there")]
    Empty {
        /// The property.
        property: String,
        /// The file or variable.
        place: String,
    },
}

/// A signal that asks for the end.
#[derive(Debug, Clone, Copy)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// What service managers send.
    Terminate,
}

impl std::fmt::Display for Signal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

impl CommandError {
    /// Exit code by sysexits.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 64,
            Self::NoSecrets(all)
                if all.iter().any(|s| matches!(s, NoSecret::Unreadable { .. })) =>
            {
                74
            }
            Self::Config(_) | Self::NoSecrets(_) | Self::NotWatched(_) => 78,
            Self::Read { .. } | Self::Write { .. } | Self::Listen { .. } => 74,
            Self::Replay(_)
            | Self::Episode(_)
            | Self::BadLine { .. }
            | Self::Counts(_)
            | Self::NotAsTold { .. } => 65,
            Self::Shell(error) => error.exit_code(),
            Self::Demo(_) => 70,
            Self::Signal(Signal::Interrupt) => 130,
            Self::Signal(Signal::Terminate) => 143,
        }
    }
}

/// Does what the command line asks.
///
/// # Errors
/// See [`CommandError`].
pub fn execute(cli: Cli) -> Result<(), CommandError> {
    match cli.command {
        Command::Demo(args) => demo::demo(&args),
        Command::Run(args) => run::run(&args),
        Command::Validate(args) => validate::validate(&args),
        Command::Publish(args) => publish::publish(&args),
        Command::Feedback(args) => feedback::feedback(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Topics(args) => topics::topics(&args),
        Command::Backtest(args) => backtest::backtest(&args),
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Episodes(args) => episodes::episodes(&args),
        Command::Schema(args) => schema::schema(&args),
        Command::Metrics => metrics::metrics(),
        Command::Man(args) => manual::man(&args),
        Command::Completions(args) => manual::completions(&args),
    }
}

fn config_problems(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(|p| format!("  {p}")).collect();
    let noun = if problems.len() == 1 {
        "problem"
    } else {
        "problems"
    };
    format!(
        "the configuration has {} {noun}:\n{}",
        problems.len(),
        lines.join("\n")
    )
}

fn no_secrets(all: &[NoSecret]) -> String {
    let lines: Vec<String> = all.iter().map(|s| format!("  {s}")).collect();
    format!("secrets for Kafka cannot be had:\n{}", lines.join("\n"))
}

/// So many alerts, in words.
fn alerts(number: usize) -> String {
    match number {
        1 => "1 alert".to_owned(),
        many => format!("{many} alerts"),
    }
}

/// A line on standard output. A reader that went away is no error.
fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}
