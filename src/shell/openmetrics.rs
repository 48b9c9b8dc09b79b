//! Owns OpenMetrics 1.0: the text of gathered families with exemplars, and the choice of format a request asks for.
//!
//! Source: the OpenMetrics 1.0 specification (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).

use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};
use std::fmt::Write;

/// What answers with OpenMetrics say of themselves.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Most runes that names and values of an exemplar's labels may have together.
const MAX_EXEMPLAR_RUNES: usize = 128;

/// An observation that is named beside the bucket it fell into.
#[derive(Debug, Clone, PartialEq)]
struct Exemplar {
    label: &'static str,
    value: String,
    observed: f64,
    at_ms: i64,
}

/// The newest exemplar of each bucket of one histogram.
#[derive(Debug)]
pub(super) struct Exemplars {
    family: String,
    bounds: Vec<f64>,
    newest: Vec<Option<Exemplar>>,
}

impl Exemplars {
    /// None yet, of a family by its full name and the upper bounds of its buckets, ascending, without infinity.
    pub(super) fn new(family: &str, bounds: &[f64]) -> Self {
        Self {
            family: family.to_owned(),
            bounds: bounds.to_vec(),
            newest: vec![None; bounds.len() + 1],
        }
    }

    /// Keeps an observation with what names it. One whose name is too long is left out: half a name would name something else.
    pub(super) fn keep(&mut self, label: &'static str, value: &str, observed: f64, at_ms: i64) {
        if label.chars().count() + value.chars().count() > MAX_EXEMPLAR_RUNES {
            return;
        }
        let bucket = self.bounds.partition_point(|bound| *bound < observed);
        self.newest[bucket] = Some(Exemplar {
            label,
            value: value.to_owned(),
            observed,
            at_ms,
        });
    }
}

/// The families as OpenMetrics text.
pub(super) fn text(families: &[MetricFamily], exemplars: &Exemplars) -> String {
    let mut out = String::new();
    for family in families {
        write_family(&mut out, family, exemplars);
    }
    out.push_str("# EOF\n");
    out
}

// Writing to a String can't fail.
fn write_family(out: &mut String, family: &MetricFamily, exemplars: &Exemplars) {
    let full = family.name();
    // A counter's family is named without the suffix of its samples.
    let (name, kind) = match family.get_field_type() {
        MetricType::COUNTER => (full.strip_suffix("_total").unwrap_or(full), "counter"),
        MetricType::HISTOGRAM => (full, "histogram"),
        MetricType::GAUGE => (full, "gauge"),
        MetricType::SUMMARY | MetricType::UNTYPED => (full, "unknown"),
    };
    let _ = writeln!(out, "# TYPE {name} {kind}");
    let _ = writeln!(out, "# HELP {name} {}", escaped(family.help()));
    for metric in family.get_metric() {
        let labels = metric.get_label();
        match kind {
            "counter" => {
                let value = metric.get_counter().get_value();
                sample(out, &format!("{name}_total"), labels, None, value);
            }
            "gauge" => sample(out, name, labels, None, metric.get_gauge().get_value()),
            "histogram" => {
                let own = (exemplars.family == full).then_some(exemplars);
                histogram(out, name, metric, own);
            }
            _ => {}
        }
    }
}

fn histogram(out: &mut String, name: &str, metric: &Metric, exemplars: Option<&Exemplars>) {
    let (histogram, labels) = (metric.get_histogram(), metric.get_label());
    let mut buckets: Vec<(f64, u64)> = histogram
        .get_bucket()
        .iter()
        .map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()))
        .filter(|(bound, _)| bound.is_finite())
        .collect();
    buckets.push((f64::INFINITY, histogram.get_sample_count()));
    let bucket_name = format!("{name}_bucket");
    for (at, (bound, count)) in buckets.into_iter().enumerate() {
        sample(out, &bucket_name, labels, Some(bound), count as f64);
        let exemplar = exemplars.and_then(|all| all.newest.get(at)?.as_ref());
        if let Some(exemplar) = exemplar {
            out.pop();
            let _ = writeln!(
                out,
                " # {{{}=\"{}\"}} {} {:.3}",
                exemplar.label,
                escaped(&exemplar.value),
                number(exemplar.observed),
                exemplar.at_ms as f64 / 1_000.0
            );
        }
    }
    sample(
        out,
        &format!("{name}_count"),
        labels,
        None,
        histogram.get_sample_count() as f64,
    );
    sample(
        out,
        &format!("{name}_sum"),
        labels,
        None,
        histogram.get_sample_sum(),
    );
}

fn sample(out: &mut String, name: &str, labels: &[LabelPair], bound: Option<f64>, value: f64) {
    let mut all: Vec<String> = labels
        .iter()
        .map(|label| format!("{}=\"{}\"", label.name(), escaped(label.value())))
        .collect();
    all.extend(bound.map(|bound| format!("le=\"{}\"", number(bound))));
    let all = if all.is_empty() {
        String::new()
    } else {
        format!("{{{}}}", all.join(","))
    };
    let _ = writeln!(out, "{name}{all} {}", number(value));
}

/// A number in canonical form: `1.0`, `0.005`, `1e+20` as `1e20`, `+Inf`.
fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        format!("{value:?}")
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('"', "\\\"")
}

/// Whether a request's `Accept` asks for OpenMetrics 1.0 at least as much as for the older text.
pub(super) fn is_asked_for(accept: &str) -> bool {
    let weight = |wanted: fn(&str, Option<&str>) -> bool| {
        let weights = accept.split(',').filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next()?.to_ascii_lowercase();
            let parameters: Vec<(&str, &str)> = parts
                .filter_map(|p| p.split_once('='))
                .map(|(name, value)| (name.trim(), value.trim().trim_matches('"')))
                .collect();
            let find = |name: &str| parameters.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
            let q = find("q").map_or(Some(1.0), |q| q.parse::<f64>().ok())?;
            wanted(&kind, find("version")).then_some(q)
        });
        weights.fold(0.0, f64::max)
    };
    let open = weight(|kind, version| {
        kind == "application/openmetrics-text" && version.is_none_or(|v| v == "1.0.0")
    });
    let plain = weight(|kind, _| kind == "text/plain");
    open > 0.0 && open >= plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::{CounterVec, Gauge, Histogram, HistogramOpts, Opts, Registry};

    fn page() -> String {
        let registry = Registry::new();
        let counters = CounterVec::new(
            Opts::new("x_events_total", "Events \"read\"\\n."),
            &["reason"],
        );
        let counters = counters.expect("a legal name");
        counters.with_label_values(&["bad \"json\""]).inc_by(3.0);
        let gauge = Gauge::new("x_level", "How high.\nNow.").expect("a legal name");
        gauge.set(f64::INFINITY);
        let bounds = [0.1, 1.0];
        let histogram = HistogramOpts::new("x_wait_seconds", "Waits.").buckets(bounds.to_vec());
        let histogram = Histogram::with_opts(histogram).expect("a legal name");
        let mut exemplars = Exemplars::new("x_wait_seconds", &bounds);
        for (n, waited) in (1..).zip([0.05, 0.07, 1.0, 20.0]) {
            histogram.observe(waited);
            exemplars.keep(
                "alert_id",
                &format!("alert-{n}"),
                waited,
                1_700_000_000_000 + n,
            );
        }
        exemplars.keep("alert_id", &"x".repeat(121), 20.0, 0);
        registry.register(Box::new(counters)).expect("a new name");
        registry.register(Box::new(gauge)).expect("a new name");
        registry.register(Box::new(histogram)).expect("a new name");
        text(&registry.gather(), &exemplars)
    }

    #[test]
    fn families_are_written_with_the_newest_exemplar_of_each_bucket() {
        let expected = r#"# TYPE x_events counter
# HELP x_events Events \"read\"\\n.
x_events_total{reason="bad \"json\""} 3.0
# TYPE x_level gauge
# HELP x_level How high.\nNow.
x_level +Inf
# TYPE x_wait_seconds histogram
# HELP x_wait_seconds Waits.
x_wait_seconds_bucket{le="0.1"} 2.0 # {alert_id="alert-2"} 0.07 1700000000.002
x_wait_seconds_bucket{le="1.0"} 3.0 # {alert_id="alert-3"} 1.0 1700000000.003
x_wait_seconds_bucket{le="+Inf"} 4.0 # {alert_id="alert-4"} 20.0 1700000000.004
x_wait_seconds_count 4.0
x_wait_seconds_sum 21.12
# EOF
"#;
        assert_eq!(page(), expected);
    }

    #[test]
    fn an_exemplar_has_at_most_128_runes() {
        let mut exemplars = Exemplars::new("x", &[1.0]);
        exemplars.keep("alert_id", &"ä".repeat(120), 0.5, 1);
        assert!(exemplars.newest[0].is_some(), "runes count, not bytes");
        exemplars.keep("alert_id", &"x".repeat(121), 2.0, 1);
        assert!(exemplars.newest[1].is_none());
    }

    #[test]
    fn openmetrics_is_sent_to_whoever_asks_for_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let table = [
            ("Prometheus 3", prometheus, true),
            (
                "by hand",
                "application/openmetrics-text; version=1.0.0",
                true,
            ),
            ("without a version", "application/openmetrics-text", true),
            (
                "another version",
                "application/openmetrics-text; version=0.0.1",
                false,
            ),
            ("refused", "application/openmetrics-text;q=0", false),
            (
                "text rather",
                "application/openmetrics-text;q=0.2,text/plain;q=0.9",
                false,
            ),
            (
                "a browser",
                "text/html,application/xhtml+xml,*/*;q=0.8",
                false,
            ),
            ("nothing", "", false),
            ("no weight", "application/openmetrics-text;q=x", false),
        ];
        for (name, accept, expected) in table {
            assert_eq!(is_asked_for(accept), expected, "{name}");
        }
    }
}
