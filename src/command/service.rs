//! Owns what `run` and `demo` share: a worker on a thread of its own beside the HTTP server.

use super::{CommandError, setup};
use crate::config::Settings;
use crate::live::{self, Watch};
use crate::shell::client::Broker;
use crate::shell::daemon::{Worker, WorkerOptions};
use crate::shell::error::ShellError;
use crate::shell::http::{self, Board};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A running worker.
pub(super) struct Service {
    /// What the worker shows.
    pub board: Arc<Board>,
    /// What the live page shows.
    page: Arc<Watch>,
    stop: Arc<AtomicBool>,
    ended: oneshot::Receiver<Result<(), ShellError>>,
}

impl Service {
    /// Starts the worker's thread.
    pub(super) fn start(settings: &Settings, options: WorkerOptions) -> Self {
        let board = Arc::new(Board::default());
        let page = setup::page(settings, &options);
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, ended) = oneshot::channel();
        let (engine, metrics) = (setup::engine(settings), setup::metrics(settings));
        board.show_metrics(metrics.page());
        let (shown, told) = (Arc::clone(&board), Arc::clone(&stop));
        std::thread::Builder::new()
            .name("worker".into())
            .spawn(move || {
                let outcome = Worker::start(options, engine, metrics, shown)
                    .and_then(|mut worker| worker.run(&told));
                let _ = sender.send(outcome);
            })
            .expect("the system can start one more thread");
        Self {
            board,
            page,
            stop,
            ended,
        }
    }

    /// Tells the worker to commit and leave.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Waits for the worker's end.
    pub(super) async fn ended(&mut self) -> Result<(), ShellError> {
        (&mut self.ended)
            .await
            .expect("the worker's thread always says how it ended")
    }
}

/// Opens the HTTP port and serves it in the background. Returns the address it ended up at.
pub(super) async fn serve(listener: TcpListener, service: &Service) -> SocketAddr {
    let address = listener
        .local_addr()
        .expect("a bound listener has an address");
    let board = Arc::clone(&service.board);
    let page = live::routes(Arc::clone(&service.page));
    tokio::spawn(async move {
        if let Err(error) = http::serve(listener, board, page).await {
            tracing::error!(event = "http_ended", %error);
        }
    });
    address
}

/// Binds the address of the settings.
pub(super) async fn bind(listen: SocketAddr) -> Result<TcpListener, CommandError> {
    http::bind(listen)
        .await
        .map_err(|source| CommandError::Listen {
            listen: listen.to_string(),
            source,
        })
}

/// A runtime for everything that is not the worker.
pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("the system can start one more thread")
}

/// What the brokers must have before a worker starts.
pub(super) async fn check_topics(
    broker: &Broker,
    options: &WorkerOptions,
) -> Result<(), ShellError> {
    use crate::shell::topics;
    let found = {
        let broker = broker.clone();
        tokio::task::spawn_blocking(move || {
            topics::partitions(&broker, std::time::Duration::from_secs(30))
        })
        .await
        .expect("the look at the topics does not panic")?
    };
    let mut problems = topics::problems(&options.topics, &found);
    if problems.is_empty() {
        problems = topics::policy_problems(broker, &options.topics).await?;
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(ShellError::Topics { problems })
    }
}
