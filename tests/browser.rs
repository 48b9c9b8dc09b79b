//! Holds the live page to what a duty officer sees in a browser: headless Chromium at the size of a phone, beside the demo.
//!
//!   cargo test --test browser -- --ignored
//!
//! Needs chromium and chromedriver (Debian: `apt-get install chromium chromium-driver`).

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program and returns the word that follows `mark` in its output.
fn start(command: &mut Command, mark: &str) -> (Running, String) {
    let name = format!("{command:?}");
    let child = command.stdout(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{name}: {error}"));
    let output = child.stdout.take().expect("the output is a pipe");
    let running = Running(child);
    let mut lines = BufReader::new(output).lines();
    let found = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let (_, rest) = line.split_once(mark)?;
        Some(rest.split(' ').next()?.trim_end_matches('.').to_owned())
    });
    // A pipe that nobody reads would stop the program.
    std::thread::spawn(move || lines.for_each(drop));
    (
        running,
        found.unwrap_or_else(|| panic!("{name} never said {mark:?}")),
    )
}

async fn browser(port: &str) -> Client {
    let args = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ];
    let phone = json!({"deviceMetrics": {"width": 390, "height": 844, "pixelRatio": 1.0}});
    let wanted = json!({"goog:chromeOptions": {"args": args, "mobileEmulation": phone}});
    let mut builder = ClientBuilder::new(HttpConnector::new());
    builder.capabilities(wanted.as_object().cloned().expect("an object"));
    let address = format!("http://127.0.0.1:{port}");
    builder.connect(&address).await.expect("the driver answers")
}

/// The value of an expression in the page.
async fn told(page: &Client, expression: &str) -> Value {
    let script = format!("return ({expression});");
    page.execute(&script, Vec::new())
        .await
        .expect("the script runs")
}

/// Waits until an expression is true in the page, which is never loaded again.
async fn seen(page: &Client, what: &str, expression: &str) {
    let begun = Instant::now();
    while told(page, expression).await != json!(true) {
        let text = told(page, "document.body.innerText").await;
        assert!(
            begun.elapsed() < PATIENCE,
            "never seen: {what}; the page says {text}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium and chromedriver"]
async fn the_live_page_shows_alerts_as_they_come_on_a_phone_and_asks_nothing_of_others() {
    let (_driver, port) = start(
        Command::new("chromedriver").arg("--port=0"),
        "successfully on port ",
    );
    let mut demo = Command::new(env!("CARGO_BIN_EXE_surgewatch"));
    let demo = demo.args(["demo", "--speed", "8", "--set", "http.listen=127.0.0.1:0"]);
    let (demo, address) = start(demo.stderr(Stdio::null()), "Live page: ");
    let page = browser(&port).await;
    page.goto(&address).await.expect("the page opens");
    let now = |name: &str| format!("document.getElementById('now').innerText.includes('{name}')");
    seen(
        &page,
        "the quiet before",
        "document.getElementById('connection').textContent === 'live'",
    )
    .await;
    for name in ["Vaalimaa", "Vartius", "Salla", "Raja-Jooseppi"] {
        seen(&page, name, &now(name)).await;
    }
    let body = page.find(Locator::Css("body")).await.expect("a body");
    assert!(body.is_displayed().await.expect("it can be asked"));

    // A phone's window grows with what it shows.
    let wide = told(&page, "document.documentElement.scrollWidth > 390").await;
    assert_eq!(wide, json!(false), "the page is wider than a phone");
    let order = "[...document.querySelectorAll('.place')].map((e) => e.id).filter((id) => id.startsWith('fi-'))";
    let south_to_north = json!([
        "fi-vaalimaa",
        "fi-nuijamaa",
        "fi-imatra",
        "fi-niirala",
        "fi-vartius",
        "fi-kuusamo",
        "fi-salla",
        "fi-raja-jooseppi"
    ]);
    assert_eq!(told(&page, order).await, south_to_north);
    let unworded = "[...document.querySelectorAll('#now .told .head b:first-child')].filter((e) => !/critical|major|minor|notice/.test(e.textContent)).length";
    assert_eq!(
        told(&page, unworded).await,
        json!(0),
        "what an alert is must be said in words"
    );
    let inside = "document.querySelectorAll('#now > ul > li:first-child details li').length >= 5 && document.querySelectorAll('#now > ul > li').length < 6";
    assert_eq!(
        told(&page, inside).await,
        json!(true),
        "alerts are told inside their incident"
    );
    let open_card = "document.querySelector('#now .told.critical > details.card > summary, #now .card > summary').click() || true";
    told(&page, open_card).await;
    let card = "/the day its evidence crossed the limit/.test(document.querySelector('#now details.card[open]')?.textContent) && document.querySelectorAll('#now details.card[open] svg.plot .evidence').length > 0";
    seen(&page, "the evidence of an alert", card).await;
    let wide = told(&page, "document.documentElement.scrollWidth > 390").await;
    assert_eq!(wide, json!(false), "a card is wider than a phone");
    let unlabelled = "[...document.querySelectorAll('.place svg.plot')].filter((e) => !/usually/.test(e.getAttribute('aria-label'))).length";
    assert_eq!(
        told(&page, unlabelled).await,
        json!(0),
        "every plot is told in words"
    );
    let elsewhere = "performance.getEntriesByType('resource').map((e) => e.name).filter((name) => !name.startsWith(location.origin) && !name.startsWith('data:'))";
    assert_eq!(
        told(&page, elsewhere).await,
        json!([]),
        "the page loads from elsewhere"
    );

    drop(demo);
    seen(
        &page,
        "the lost connection",
        "document.getElementById('connection').className === 'lost'",
    )
    .await;
    for (reading, words) in [("starting", "Not known yet"), ("live", "Nothing is open")] {
        let taken =
            format!("take({{ reading: '{reading}', view: {{ told: [], crossings: [] }} }})");
        told(&page, &taken).await;
        let now = told(&page, "document.getElementById('now').innerText").await;
        let now = now.as_str().expect("a text");
        assert!(
            now.starts_with(words),
            "while {reading} the page says {now}"
        );
    }
    page.close().await.expect("the browser ends");
}
