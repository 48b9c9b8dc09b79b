//! Owns the log: one line of JSON for each event on standard error, or plain lines for a person.

use tracing_subscriber::EnvFilter;

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For reading.
    Text,
}

/// Starts logging at a level: `error`, `warn`, `info`, `debug` or `trace`.
pub fn start(level: &str, format: LogFormat) {
    let filter = EnvFilter::new(format!("warn,surgewatch={level}"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    match format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Text => builder.compact().init(),
    }
}
