//! Owns what a report shows: series with their buckets, closures and alerts, in the civil time of their place.

use crate::core::alert::{Direction, Reason, Severity};
use crate::core::lens::{Lens, Outlook};
use jiff::civil::{Date, DateTime};

/// A page.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What it is about, in one line.
    pub title: String,
    /// What it is made of and how it was judged, a sentence or two each.
    pub notes: Vec<String>,
    /// Width of the buckets.
    pub lens: Lens,
    /// Whether some totals were published as they stand and others drawn.
    pub has_published: bool,
    /// What hangs together along the border, in the order it began.
    pub incidents: Vec<Incident>,
    /// The series that are drawn, in order.
    pub series: Vec<Series>,
    /// Series that are not drawn, and how many of them have alerts.
    pub left_out: [usize; 2],
}

/// Alerts that hang together.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// What it is called.
    pub title: String,
    /// Time zone of its lines: that of the crossing it began at; none where each line has its own.
    pub zone: Option<String>,
    /// When something was said of it, and what.
    pub lines: Vec<(DateTime, String)>,
    /// Its days beside the episode that it was called like most often; nothing where it was called like none.
    pub course: Option<Course>,
}

impl Incident {
    /// A heading of its lines, with their time zone.
    #[must_use]
    pub fn timed(&self, heading: &str) -> String {
        match &self.zone {
            Some(zone) => format!("{heading} (times of {zone})"),
            None => heading.to_owned(),
        }
    }
}

/// An incident beside an episode that it is like, up to the last day on which it was called so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// What the episode is called inside a sentence.
    pub episode: String,
    /// The likeliest first day of the incident, which is taken for the episode's.
    pub onset: Date,
    /// Consecutive days.
    pub days: Vec<CourseDay>,
}

/// A day of a [`Course`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CourseDay {
    /// Which.
    pub date: Date,
    /// Arrivals of all crossings that take part; nothing where nobody counted, or the day is to come.
    pub count: Option<u64>,
    /// What would have come if it went like the episode; nothing before the onset.
    pub fan: Option<Inner>,
}

/// A series.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// What and where else, in a few words.
    pub about: String,
    /// Its buckets, in order of time.
    pub buckets: Vec<Bucket>,
    /// Closures and the like, in order of time.
    pub shades: Vec<Shade>,
    /// Its alerts, in the order they opened.
    pub alerts: Vec<Alert>,
    /// What was published of it, to compare with.
    pub remarks: Vec<String>,
}

/// One bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    /// First moment.
    pub start: DateTime,
    /// First moment after it.
    pub end: DateTime,
    /// Arrivals; nothing where nobody counted.
    pub count: Option<u64>,
    /// Whether the count was published as it stands.
    pub is_published: bool,
    /// What was expected; nothing where the crossing was shut.
    pub band: Option<Band>,
    /// log10 of the statistics of a surge and of a drop over what raises an alert: 0 is the limit.
    pub evidence: Option<[f64; 2]>,
}

/// Quantiles of what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Band {
    /// 1 %: lower end of what is usual.
    pub lower: u64,
    /// 99 %: upper end of what is usual.
    pub upper: u64,
    /// What lies between; nothing where only the ends are known.
    pub inner: Option<Inner>,
}

/// The inner quantiles of a [`Band`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inner {
    /// 10 %.
    pub lower: u64,
    /// 50 %.
    pub median: u64,
    /// 90 %.
    pub upper: u64,
}

/// A time in which not all is as on other days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shade {
    /// First moment.
    pub from: DateTime,
    /// First moment after it; the end of the report if it lasts.
    pub to: DateTime,
    /// Whether it lasts beyond the end of the report.
    pub lasts: bool,
    /// What.
    pub kind: ShadeKind,
    /// Why, where it was said.
    pub reason: String,
}

/// What a shade stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShadeKind {
    /// Shut.
    Closed,
    /// Open with limits.
    Restricted,
    /// Closed or not counted: a file of counts does not say which.
    Uncounted,
    /// The file says that this is an episode.
    Labelled(Direction),
}

impl ShadeKind {
    /// In a word or two.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Restricted => "restricted",
            Self::Uncounted => "not counted",
            Self::Labelled(Direction::Surge) => "labelled surge",
            Self::Labelled(Direction::Drop) => "labelled drop",
        }
    }
}

/// An alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Which way.
    pub direction: Direction,
    /// When it was raised.
    pub opened: DateTime,
    /// When it ended; nothing if it is open at the end of the report.
    pub ended: Option<DateTime>,
    /// Why it ended, where that is known.
    pub reason: Option<Reason>,
    /// What was usual of the day it was last told with.
    pub usual: Option<u64>,
    /// What was usual in a day when it was first told of, where it is over and what is usual has followed it.
    pub before: Option<u32>,
    /// How severe it was when it opened.
    pub severity: Severity,
    /// When it became more severe, and how severe.
    pub grew: Vec<(DateTime, Severity)>,
    /// When it was told of again, after a closure.
    pub again: Vec<DateTime>,
    /// The sentence it opened with.
    pub sentence: String,
}

impl Alert {
    /// The worst it came to.
    #[must_use]
    pub fn worst(&self) -> Severity {
        self.grew.last().map_or(self.severity, |(_, worst)| *worst)
    }
}

/// A lens by the width of its buckets.
#[must_use]
pub fn lens_name(lens: Lens) -> &'static str {
    match lens {
        Lens::Hour => "hour",
        Lens::Day => "day",
        Lens::Week => "week",
    }
}

/// The probabilities of a [`Band`].
const QUANTILES: [f64; 5] = [0.01, 0.1, 0.5, 0.9, 0.99];

impl Band {
    /// The quantiles of an outlook.
    #[must_use]
    pub fn of(outlook: &Outlook) -> Self {
        let [lower, tenth, median, ninetieth, upper] = outlook.quantiles(QUANTILES);
        let inner = Inner {
            lower: tenth,
            median,
            upper: ninetieth,
        };
        Self {
            lower,
            upper,
            inner: Some(inner),
        }
    }

    /// The same with other ends of what is usual.
    #[must_use]
    pub fn within(self, lower: u64, upper: u64) -> Self {
        let inside = |q: u64| q.clamp(lower, upper.max(lower));
        let inner = self.inner.map(|inner| Inner {
            lower: inside(inner.lower),
            median: inside(inner.median),
            upper: inside(inner.upper),
        });
        Self {
            lower,
            upper,
            inner,
        }
    }
}

impl Series {
    /// First moment of the first bucket, and first one after the last.
    #[must_use]
    pub fn span(&self) -> Option<(DateTime, DateTime)> {
        Some((self.buckets.first()?.start, self.buckets.last()?.end))
    }

    /// Arrivals in all buckets.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.buckets.iter().filter_map(|b| b.count).sum()
    }
}
