//! Owns what `run` and `demo` share: the workers of both stages, each on a thread of its own, beside the HTTP server.

use super::{CommandError, setup};
use crate::config::{Settings, Topics};
use crate::live::{self, Watch};
use crate::shell::client::Broker;
use crate::shell::daemon::{Worker, WorkerOptions};
use crate::shell::error::ShellError;
use crate::shell::http::{self, Board, Boards};
use crate::shell::loop_metrics::LoopMetrics;
use crate::shell::stage::Stage;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// The running workers: of the crossings and of the region.
pub(super) struct Service {
    /// What the workers show.
    boards: Boards,
    /// What the live page shows.
    page: Arc<Watch>,
    stop: Arc<AtomicBool>,
    ended: mpsc::UnboundedReceiver<Result<(), ShellError>>,
    running: usize,
    outcome: Result<(), ShellError>,
}

impl Service {
    /// Starts the workers' threads.
    pub(super) fn start(settings: &Settings, broker: &Broker) -> Self {
        let (crossings, region, [of_crossings, of_region], boards) = setup::stages(settings);
        let [first, second] = setup::worker_options(settings, broker);
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, ended) = mpsc::unbounded_channel();
        let start = |board| (Arc::clone(board), Arc::clone(&stop), sender.clone());
        let shown = start(boards.of(CROSSINGS));
        spawn("worker", first, crossings, of_crossings, shown);
        let shown = start(boards.of(REGION));
        spawn("region", second, region, of_region, shown);
        Self {
            boards,
            page: setup::page(settings, broker),
            stop,
            ended,
            running: 2,
            outcome: Ok(()),
        }
    }

    /// What the crossings' worker shows.
    pub(super) fn crossings(&self) -> &Arc<Board> {
        self.boards.of(CROSSINGS)
    }

    /// What the region's worker shows.
    pub(super) fn region(&self) -> &Arc<Board> {
        self.boards.of(REGION)
    }

    /// Tells the workers to commit and leave.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Waits for the workers' end. One that ends takes the other along.
    pub(super) async fn ended(&mut self) -> Result<(), ShellError> {
        while self.running > 0 {
            let outcome = self.ended.recv().await;
            self.running -= 1;
            self.stop();
            let outcome = outcome.expect("a worker's thread always says how it ended");
            if self.outcome.is_ok() {
                self.outcome = outcome;
            }
        }
        std::mem::replace(&mut self.outcome, Ok(()))
    }
}

/// Places of the boards.
const CROSSINGS: usize = 0;
const REGION: usize = 1;

type Shown = (
    Arc<Board>,
    Arc<AtomicBool>,
    mpsc::UnboundedSender<Result<(), ShellError>>,
);

fn spawn<S: Stage + Send + 'static>(
    name: &str,
    options: WorkerOptions,
    stage: S,
    metrics: LoopMetrics,
    (board, stop, ended): Shown,
) where
    S::Told: Send,
{
    std::thread::Builder::new()
        .name(name.into())
        .spawn(move || {
            let outcome = Worker::start(options, stage, metrics, board)
                .and_then(|mut worker| worker.run(&stop));
            let _ = ended.send(outcome);
        })
        .expect("the system can start one more thread");
}

/// Opens the HTTP port and serves it in the background. Returns the address it ended up at.
pub(super) async fn serve(listener: TcpListener, service: &Service) -> SocketAddr {
    let address = listener
        .local_addr()
        .expect("a bound listener has an address");
    let boards = service.boards.clone();
    let page = live::routes(Arc::clone(&service.page));
    tokio::spawn(async move {
        if let Err(error) = http::serve(listener, boards, page).await {
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
pub(super) async fn check_topics(broker: &Broker, names: &Topics) -> Result<(), ShellError> {
    use crate::shell::topics;
    let found = {
        let broker = broker.clone();
        tokio::task::spawn_blocking(move || {
            topics::partitions(&broker, std::time::Duration::from_secs(30))
        })
        .await
        .expect("the look at the topics does not panic")?
    };
    let mut problems = topics::problems(names, &found);
    if problems.is_empty() {
        problems = topics::policy_problems(broker, names).await?;
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(ShellError::Topics { problems })
    }
}
