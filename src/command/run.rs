//! Owns `surgewatch run`: the daemon, from the checks at the start to the clean end.

use super::service::{self, Service};
use super::{CommandError, ConfigArgs, setup};
use crate::shell::error::ShellError;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How long a clean end may take before the process ends anyway; what is committed stays committed.
const LAST_COMMIT: Duration = Duration::from_secs(20);

pub(super) fn run(args: &ConfigArgs) -> Result<(), CommandError> {
    let settings = setup::settings(args)?;
    setup::start_logging(&settings);
    let broker = setup::broker(&settings)?;
    let runtime = service::runtime();
    runtime.block_on(async {
        let listener = service::bind(settings.http.listen).await?;
        service::check_topics(&broker, &settings.topics).await?;
        let mut service = Service::start(&settings, &broker);
        let address = service::serve(listener, &service).await;
        tracing::info!(
            event = "started",
            version = env!("CARGO_PKG_VERSION"),
            config = %settings.fingerprint(),
            brokers = %settings.kafka.brokers,
            transactional_id = %settings.kafka.transactional_id(),
            crossings = settings.network().crossings.len(),
            http = %address
        );
        let mut terminate = signal(SignalKind::terminate()).expect("signals can be listened for");
        let mut interrupt = signal(SignalKind::interrupt()).expect("signals can be listened for");
        let ended = tokio::select! {
            biased;
            ended = service.ended() => ended,
            _ = terminate.recv() => stop(&mut service, "SIGTERM").await,
            _ = interrupt.recv() => stop(&mut service, "SIGINT").await,
        };
        let ended = ended.map_err(CommandError::from);
        match &ended {
            Ok(()) => tracing::info!(event = "stopped", clean = true),
            Err(error) => {
                let exit_code = error.exit_code();
                tracing::error!(event = "stopped", clean = false, exit_code, %error);
            }
        }
        ended
    })
}

async fn stop(service: &mut Service, signal: &'static str) -> Result<(), ShellError> {
    tracing::info!(event = "stopping", signal);
    service.stop();
    match tokio::time::timeout(LAST_COMMIT, service.ended()).await {
        Ok(ended) => ended,
        Err(_) => Err(ShellError::LastCommit {
            waited_secs: LAST_COMMIT.as_secs(),
        }),
    }
}
