//! Owns what a query asks for: which series it selects and which labels its result has, checked against the catalog.

use crate::catalog::{Catalog, Labels};
use promql_parser::parser::{
    self, AggregateExpr, BinaryExpr, Call, Expr, LabelModifier, VectorMatchCardinality,
    VectorSelector,
};

/// What the variables of the dashboards stand for in a query that is run or parsed.
pub(crate) const VARIABLES: [(&str, &str); 7] = [
    ("=~\"$crossing\"", "=~\".*\""),
    ("$crossing", "fi-vartius"),
    ("$country", ".*"),
    ("$corridor", ".*"),
    ("$instance", ".*"),
    ("$stream", "asylum"),
    ("$__rate_interval", "10s"),
];

/// The query with the variables replaced.
pub(crate) fn substituted(query: &str) -> String {
    VARIABLES
        .iter()
        .fold(query.to_owned(), |text, (name, value)| {
            text.replace(name, value)
        })
}

/// Parses a query.
pub(crate) fn parse(query: &str) -> Result<Expr, String> {
    parser::parse(&substituted(query)).map_err(|error| format!("`{query}`: {error}"))
}

/// The labels of a query's result; nothing for a plain number. Every metric and label in it must exist.
pub(crate) fn labels(expr: &Expr, catalog: &Catalog) -> Result<Option<Labels>, String> {
    match expr {
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => Ok(None),
        Expr::Paren(inner) => labels(&inner.expr, catalog),
        Expr::Unary(inner) => labels(&inner.expr, catalog),
        Expr::Subquery(inner) => labels(&inner.expr, catalog),
        Expr::VectorSelector(selector) => of_selector(selector, catalog).map(Some),
        Expr::MatrixSelector(selector) => of_selector(&selector.vs, catalog).map(Some),
        Expr::Aggregate(aggregate) => of_aggregate(aggregate, catalog).map(Some),
        Expr::Binary(binary) => of_binary(binary, catalog),
        Expr::Call(call) => of_call(call, catalog),
        Expr::Extension(_) => Err("an extension of the parser's".into()),
    }
}

/// Every selection of series in a query, as a query of its own.
pub(crate) fn selectors(expr: &Expr) -> Vec<String> {
    match expr {
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => Vec::new(),
        Expr::Paren(inner) => selectors(&inner.expr),
        Expr::Unary(inner) => selectors(&inner.expr),
        Expr::Subquery(inner) => selectors(&inner.expr),
        Expr::VectorSelector(selector) => vec![selector.to_string()],
        Expr::MatrixSelector(selector) => vec![selector.vs.to_string()],
        Expr::Aggregate(aggregate) => selectors(&aggregate.expr),
        Expr::Binary(binary) => [selectors(&binary.lhs), selectors(&binary.rhs)].concat(),
        Expr::Call(call) => call.args.args.iter().flat_map(|a| selectors(a)).collect(),
    }
}

fn of_selector(selector: &VectorSelector, catalog: &Catalog) -> Result<Labels, String> {
    let name = selector
        .name
        .as_deref()
        .ok_or("a selection without a name")?;
    let known = catalog.0.get(name);
    let known = known.ok_or_else(|| format!("{name} is not exported"))?;
    for matcher in &selector.matchers.matchers {
        if !known.contains(&matcher.name) {
            return Err(format!("{name} has no label {}", matcher.name));
        }
    }
    Ok(known.clone())
}

fn of_aggregate(aggregate: &AggregateExpr, catalog: &Catalog) -> Result<Labels, String> {
    let inner = labels(&aggregate.expr, catalog)?.ok_or("an aggregate of a number")?;
    if ["topk", "bottomk"].contains(&aggregate.op.to_string().as_str()) {
        return Ok(inner);
    }
    match &aggregate.modifier {
        None => Ok(Labels::new()),
        Some(LabelModifier::Include(by)) => {
            all_in(&by.labels, &inner, &aggregate.expr)?;
            Ok(by.labels.iter().cloned().collect())
        }
        Some(LabelModifier::Exclude(without)) => {
            all_in(&without.labels, &inner, &aggregate.expr)?;
            let kept = inner.into_iter().filter(|l| !without.labels.contains(l));
            Ok(kept.collect())
        }
    }
}

fn all_in(wanted: &[String], there: &Labels, of: &Expr) -> Result<(), String> {
    match wanted.iter().find(|label| !there.contains(*label)) {
        Some(label) => Err(format!("`{of}` has no label {label}")),
        None => Ok(()),
    }
}

fn of_binary(binary: &BinaryExpr, catalog: &Catalog) -> Result<Option<Labels>, String> {
    let (left, right) = (labels(&binary.lhs, catalog)?, labels(&binary.rhs, catalog)?);
    let (Some(left), Some(right)) = (left.clone(), right.clone()) else {
        return Ok(left.or(right));
    };
    let modifier = binary.modifier.as_ref();
    let matching = modifier.and_then(|m| m.matching.as_ref());
    let matched: Labels = match matching {
        Some(LabelModifier::Include(on)) => {
            all_in(&on.labels, &left, &binary.lhs)?;
            all_in(&on.labels, &right, &binary.rhs)?;
            on.labels.iter().cloned().collect()
        }
        Some(LabelModifier::Exclude(ignoring)) => {
            all_in(&ignoring.labels, &left, &binary.lhs)?;
            let kept = left.iter().filter(|l| !ignoring.labels.contains(l));
            kept.cloned().collect()
        }
        None if left == right => left.clone(),
        None => {
            return Err(format!(
                "`{binary}` matches series whose labels differ: {left:?} and {right:?}"
            ));
        }
    };
    if binary.op.is_set_operator() {
        return Ok(Some(left));
    }
    Ok(Some(match modifier.map(|m| &m.card) {
        Some(VectorMatchCardinality::ManyToOne(more)) => {
            left.into_iter().chain(more.labels.clone()).collect()
        }
        Some(VectorMatchCardinality::OneToMany(more)) => {
            right.into_iter().chain(more.labels.clone()).collect()
        }
        _ => matched,
    }))
}

fn of_call(call: &Call, catalog: &Catalog) -> Result<Option<Labels>, String> {
    let mut all: Option<Labels> = None;
    for argument in &call.args.args {
        if let Some(more) = labels(argument, catalog)? {
            all.get_or_insert_default().extend(more);
        }
    }
    if call.func.name == "histogram_quantile" {
        let inner = all.as_mut().ok_or("a quantile of a number")?;
        if !inner.remove("le") {
            return Err(format!("`{call}` has no label le"));
        }
    }
    Ok(all)
}

/// The labels named in a text as `{{label}}` or `{{ $labels.label }}`.
pub(crate) fn named_labels(text: &str) -> Vec<String> {
    let pieces = text.split("{{").skip(1);
    let inner = pieces.filter_map(|piece| piece.split("}}").next());
    inner
        .map(str::trim)
        .filter(|inner| !inner.starts_with("$value"))
        .map(|inner| inner.trim_start_matches("$labels.").to_owned())
        .collect()
}

#[test]
fn labels_follow_the_query() {
    let sample = |name: &str, labels: &[&str]| {
        let labels = labels.iter().map(|l| (*l).to_owned()).collect();
        (name.to_owned(), labels)
    };
    let catalog = Catalog(
        [
            sample("a", &["x", "y"]),
            sample("b", &["x"]),
            sample("h_bucket", &["x", "le"]),
        ]
        .into(),
    );
    for (query, expected) in [
        ("1 + 2", Ok(None)),
        ("time() - a", Ok(Some("x y"))),
        ("sum(rate(a[5m]))", Ok(Some(""))),
        ("max by (x) (a) > 0", Ok(Some("x"))),
        ("sum without (x) (a)", Ok(Some("y"))),
        ("topk(3, max by (x) (a))", Ok(Some("x"))),
        ("0 * a + on (x) group_left () b", Ok(Some("x y"))),
        ("a and on (x) b", Ok(Some("x y"))),
        ("a / ignoring (y) b", Ok(Some("x"))),
        (
            "histogram_quantile(0.9, sum by (le) (rate(h_bucket[5m])))",
            Ok(Some("")),
        ),
        ("c", Err("c is not exported")),
        ("a{z=\"1\"}", Err("a has no label z")),
        ("sum by (y) (b)", Err("`b` has no label y")),
        ("a + b", Err("matches series whose labels differ")),
        ("a and on (y) b", Err("`b` has no label y")),
        ("histogram_quantile(0.9, sum(h_bucket))", Err("no label le")),
        ("sum(a", Err("sum(a")),
    ] {
        let found = parse(query).and_then(|expr| labels(&expr, &catalog));
        match (found, expected) {
            (Ok(found), Ok(expected)) => {
                let expected =
                    expected.map(|e: &str| e.split_whitespace().map(str::to_owned).collect());
                assert_eq!(found, expected, "{query}");
            }
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{query}: {found}"),
            (found, expected) => panic!("{query}: {found:?}, not {expected:?}"),
        }
    }
}
