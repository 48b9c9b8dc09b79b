//! Owns the small HTTP server: metrics for Prometheus and the two probes, beside the routes of the live page.

use super::health::Health;
use super::openmetrics;
use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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

/// What the server shows: written by the loop, read by requests.
#[derive(Default)]
pub struct Board {
    metrics: watch::Sender<Page>,
    metrics_wanted: AtomicBool,
    /// Liveness and readiness.
    pub health: Health,
    committed: AtomicU64,
}

impl Board {
    /// Whether somebody waits for metrics since the last call.
    #[must_use]
    pub fn wants_metrics(&self) -> bool {
        self.metrics_wanted.load(Ordering::Relaxed)
            && self.metrics_wanted.swap(false, Ordering::SeqCst)
    }

    /// The metrics as they are now, for all who wait.
    pub fn show_metrics(&self, page: Page) {
        self.metrics.send_replace(page);
    }

    /// The metrics as the loop renders them next.
    pub async fn metrics(&self) -> Page {
        let mut shown = self.metrics.subscribe();
        self.metrics_wanted.store(true, Ordering::SeqCst);
        let _ = tokio::time::timeout(METRICS_PATIENCE, shown.changed()).await;
        shown.borrow().clone()
    }

    /// Records whose effects are committed since the start of the process.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.committed.load(Ordering::SeqCst)
    }

    /// The loop committed, with so many records handled in all.
    pub fn set_committed(&self, records: u64) {
        self.committed.store(records, Ordering::SeqCst);
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
pub async fn serve(listener: TcpListener, board: Arc<Board>, page: Router) -> io::Result<()> {
    let (metrics, live, ready) = (Arc::clone(&board), Arc::clone(&board), board);
    let app = page
        .route(
            "/metrics",
            get(move |headers: HeaderMap| async move {
                metrics_page(metrics.metrics().await, &headers)
            }),
        )
        .route(
            "/livez",
            get(move || async move { probe(live.health.is_live(), &live.health) }),
        )
        .route(
            "/readyz",
            get(move || async move { probe(ready.health.is_ready(), &ready.health) }),
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
