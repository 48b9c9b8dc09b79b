//! Owns the table at the end of the demo.

/// One crossing's row.
pub(super) struct Row {
    pub name: String,
    pub first: String,
    pub what: String,
    pub lens: &'static str,
    pub observed: String,
    pub expected: String,
    pub published: String,
}

/// Rows under a head, columns as wide as their widest cell.
pub(super) fn table(rows: &[Row]) -> String {
    let head = Row {
        name: "crossing".into(),
        first: "first alert".into(),
        what: "what".into(),
        lens: "in the",
        observed: "observed".into(),
        expected: "expected".into(),
        published: "published".into(),
    };
    let all: Vec<&Row> = std::iter::once(&head).chain(rows).collect();
    let width = |cell: fn(&Row) -> &str| {
        all.iter()
            .map(|row| cell(row).chars().count())
            .max()
            .unwrap_or(0)
    };
    let (name, first) = (width(|r| &r.name), width(|r| &r.first));
    let what = width(|r| &r.what);
    let lens = width(|r| r.lens);
    let (observed, expected) = (width(|r| &r.observed), width(|r| &r.expected));
    let lines = all.iter().map(|r| {
        format!(
            "{:<name$}  {:<first$}  {:<what$}  {:<lens$}  {:>observed$}  {:>expected$}  {}",
            r.name, r.first, r.what, r.lens, r.observed, r.expected, r.published
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}
