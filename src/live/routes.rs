//! Owns the page's addresses: the page itself with its style and script, all from the binary, and the stream of changes.

use super::feed::Watch;
use crate::report;
use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::{Stream, stream};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;

/// Viewers at a time; one more is asked to come back later.
const MAX_VIEWERS: usize = 64;
/// How often a viewer without news hears that the connection lives.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// The page loads nothing from elsewhere and may not be framed.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `/`, its styles and script, `/live/events`, and the cards of alerts.
pub fn routes(watch: Arc<Watch>) -> Router {
    Router::new()
        .route(
            "/",
            get(|| asset("text/html", include_str!("assets/page.html"))),
        )
        .route(
            "/live/page.css",
            get(|| asset("text/css", include_str!("assets/page.css"))),
        )
        .route(
            "/live/page.js",
            get(|| asset("text/javascript", include_str!("assets/page.js"))),
        )
        .route(
            "/live/plot.css",
            get(|| asset("text/css", report::PLOT_STYLE)),
        )
        .route("/live/card/{key}", {
            let watch = Arc::clone(&watch);
            get(move |Path(key): Path<String>| card(watch, key))
        })
        .route("/live/events", get(move || events(watch)))
}

/// The evidence card of an alert.
async fn card(watch: Arc<Watch>, key: String) -> Response {
    let card = watch.model().card(&key);
    match card {
        Some(card) => (headers("text/html"), card).into_response(),
        None => (StatusCode::NOT_FOUND, "there is no such alert\n").into_response(),
    }
}

async fn asset(kind: &'static str, text: &'static str) -> Response {
    (headers(kind), text).into_response()
}

/// The page, its parts and its cards are kept by nobody and run nothing of others'.
fn headers(kind: &str) -> [(HeaderName, String); 5] {
    [
        (header::CONTENT_TYPE, format!("{kind}; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, POLICY.to_owned()),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
        (
            HeaderName::from_static("x-content-type-options"),
            "nosniff".to_owned(),
        ),
        (
            HeaderName::from_static("referrer-policy"),
            "no-referrer".to_owned(),
        ),
    ]
}

async fn events(watch: Arc<Watch>) -> Response {
    let Some(viewer) = Viewer::new(watch) else {
        let why = "too many viewers at a time; try again in a minute\n";
        return (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    };
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Sse::new(changes(viewer))
        .keep_alive(keep_alive)
        .into_response()
}

/// One who looks; counted while connected.
struct Viewer {
    watch: Arc<Watch>,
    news: watch::Receiver<u64>,
    /// The version it has; none before the first message.
    has: Option<u64>,
}

impl Viewer {
    fn new(watch: Arc<Watch>) -> Option<Self> {
        let mut news = watch.subscribe();
        news.mark_changed();
        if watch.viewers.fetch_add(1, Ordering::SeqCst) >= MAX_VIEWERS {
            watch.viewers.fetch_sub(1, Ordering::SeqCst);
            return None;
        }
        let has = None;
        Some(Self { watch, news, has })
    }

    /// Waits for news and says what changed; nothing once the page has ended.
    async fn next(&mut self) -> Option<Event> {
        self.news.changed().await.ok()?;
        let model = self.watch.model();
        let view = model.since(self.has.unwrap_or(0));
        let message = serde_json::json!({"reading": self.watch.reading(), "view": view});
        self.has = Some(model.version());
        Some(Event::default().data(message.to_string()))
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.watch.viewers.fetch_sub(1, Ordering::SeqCst);
    }
}

fn changes(viewer: Viewer) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(viewer, |mut viewer| async {
        let event = viewer.next().await?;
        Some((Ok(event), viewer))
    })
}
