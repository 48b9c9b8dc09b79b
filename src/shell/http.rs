//! Owns the small HTTP server: metrics for Prometheus and the two probes, beside the routes of the live page.

use super::health::Health;
use super::metrics::Metrics;
use super::openmetrics::{self, Exemplars};
use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{Registry, TextEncoder};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Patience of a request for metrics with a loop that is busy restoring; then it gets the last rendering.
const METRICS_PATIENCE: Duration = Duration::from_secs(2);

/// The metrics in the formats they are asked for in.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Prometheus' text format.
    pub text: String,
    /// OpenMetrics, with exemplars.
    pub openmetrics: String,
}

/// What a worker shows: written by its loop, read by requests.
#[derive(Default)]
pub struct Board {
    refreshed: watch::Sender<u64>,
    wanted: AtomicBool,
    rendering: Arc<Mutex<()>>,
    /// Liveness and readiness.
    pub health: Health,
    committed: AtomicU64,
    handed_on: AtomicU64,
}

impl Board {
    /// Brings metrics up to date where somebody waits for them. Nobody reads them meanwhile.
    pub fn refresh(&self, update: impl FnOnce()) {
        if self.wanted.load(Ordering::Relaxed) && self.wanted.swap(false, Ordering::SeqCst) {
            let rendering = self
                .rendering
                .lock()
                .expect("no holder of this lock panics");
            update();
            drop(rendering);
            self.refreshed.send_modify(|times| *times += 1);
        }
    }

    /// Records whose effects are committed since the start of the process.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.committed.load(Ordering::SeqCst)
    }

    /// Those handed on to the next stage, and committed.
    #[must_use]
    pub fn handed_on(&self) -> u64 {
        self.handed_on.load(Ordering::SeqCst)
    }

    /// The loop committed, with so many records handled and handed on in all.
    pub fn set_committed(&self, handled: u64, handed_on: u64) {
        self.handed_on.store(handed_on, Ordering::SeqCst);
        self.committed.store(handled, Ordering::SeqCst);
    }
}

/// The boards of all workers of the process, and the metrics they share.
#[derive(Clone)]
pub struct Boards {
    all: Vec<Arc<Board>>,
    registry: Registry,
    exemplars: Arc<Mutex<Exemplars>>,
    rendering: Arc<Mutex<()>>,
}

impl Boards {
    /// One for each of so many workers.
    #[must_use]
    pub fn new(workers: usize, metrics: &Metrics) -> Self {
        let rendering = Arc::new(Mutex::new(()));
        let board = || {
            let rendering = Arc::clone(&rendering);
            Arc::new(Board {
                rendering,
                ..Board::default()
            })
        };
        Self {
            all: std::iter::repeat_with(board).take(workers).collect(),
            registry: metrics.registry().clone(),
            exemplars: metrics.exemplars(),
            rendering,
        }
    }

    /// The board of a worker.
    #[must_use]
    pub fn of(&self, worker: usize) -> &Arc<Board> {
        &self.all[worker]
    }

    /// The metrics as all loops bring them up to date next.
    async fn metrics(&self) -> Page {
        let mut waiting: Vec<_> = self.all.iter().map(|b| b.refreshed.subscribe()).collect();
        for board in &self.all {
            board.wanted.store(true, Ordering::SeqCst);
        }
        let all = async {
            for refreshed in &mut waiting {
                let _ = refreshed.changed().await;
            }
        };
        let _ = tokio::time::timeout(METRICS_PATIENCE, all).await;
        let rendering = self
            .rendering
            .lock()
            .expect("no holder of this lock panics");
        let families = self.registry.gather();
        drop(rendering);
        let exemplars = self.exemplars.lock();
        let exemplars = exemplars.expect("no holder of this lock panics");
        Page {
            text: TextEncoder::new()
                .encode_to_string(&families)
                .unwrap_or_default(),
            openmetrics: openmetrics::text(&families, &exemplars),
        }
    }

    /// The answer of a probe: well where every worker is.
    fn probe(&self, is_well: impl Fn(&Health) -> bool) -> Response {
        let ill = self.all.iter().find(|board| !is_well(&board.health));
        let shown = ill.unwrap_or(&self.all[0]);
        probe(ill.is_none(), &shown.health)
    }
}

/// Binds the listener; the caller says where it ended up.
///
/// # Errors
/// The address is taken or not this machine's.
pub async fn bind(listen: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(listen).await
}

/// Serves these and the page's routes until the task is dropped.
///
/// # Errors
/// The listener failed.
pub async fn serve(listener: TcpListener, boards: Boards, page: Router) -> io::Result<()> {
    let (metrics, live, ready) = (boards.clone(), boards.clone(), boards);
    let app = page
        .route(
            "/metrics",
            get(move |headers: HeaderMap| async move {
                metrics_page(metrics.metrics().await, &headers)
            }),
        )
        .route(
            "/livez",
            get(move || async move { live.probe(Health::is_live) }),
        )
        .route(
            "/readyz",
            get(move || async move { ready.probe(Health::is_ready) }),
        );
    axum::serve(listener, app).await
}

fn metrics_page(page: Page, headers: &HeaderMap) -> Response {
    let accept = headers.get_all(header::ACCEPT).iter();
    let accept: Vec<&str> = accept.filter_map(|value| value.to_str().ok()).collect();
    let (kind, text) = if openmetrics::is_asked_for(&accept.join(",")) {
        (openmetrics::CONTENT_TYPE, page.openmetrics)
    } else {
        ("text/plain; version=0.0.4; charset=utf-8", page.text)
    };
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

fn probe(good: bool, health: &Health) -> Response {
    let status = if good {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = format!(
        "{}: {}; last loop turn {} ms ago\n",
        if good { "ok" } else { "not ok" },
        health.phase().label(),
        health.pause().as_millis()
    );
    (status, body).into_response()
}
