//! Owns the reading of counts: which columns hold what, rows become series, everything that is wrong is told at once.

use super::cells::{self, Minute, bucket_minutes};
use super::problem::{Fault, Problems};
use super::sheet::{Sheet, damaged, is_damaged};
use crate::core::alert::Direction;
use crate::core::lens::Lens;
use crate::core::time::EventTime;
use std::collections::BTreeMap;
use std::io::{self, Read};

/// Names a column of times has in files that were not told apart by a flag.
const TIME_NAMES: [&str; 5] = ["date", "time", "hour", "week", "t"];
/// Stands for a bucket in which nobody counted.
const UNCOUNTED: u32 = u32::MAX;
/// Rows from which on a series must have two in neighbouring buckets.
const ROWS_TO_TELL: usize = 3;

/// Where the files keep what, if not under the usual names.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// Columns that together name the series.
    pub series: Vec<String>,
    /// Column of the bucket's start.
    pub time: Option<String>,
    /// Columns of counts; each is a stream of its own.
    pub counts: Vec<String>,
    /// Whether an empty count is none, and not unknown.
    pub empty_is_zero: bool,
}

/// The buckets of one series, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    /// Name of the series.
    pub id: String,
    minutes: Vec<Minute>,
    counts: Vec<u32>,
    /// Empty while all are 1.
    exposures: Vec<f64>,
    /// Empty while all are usual.
    labels: Vec<Option<Direction>>,
}

impl Counts {
    /// Number of buckets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether there are no buckets.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Start of a bucket in minutes since 1970.
    #[must_use]
    pub(super) fn minute(&self, row: usize) -> Minute {
        self.minutes[row]
    }

    /// Exposure and count of a bucket; no exposure where nobody counted.
    #[must_use]
    pub(super) fn bucket(&self, row: usize) -> (f64, u64) {
        match self.counts[row] {
            UNCOUNTED => (0.0, 0),
            count => (
                self.exposures.get(row).copied().unwrap_or(1.0),
                u64::from(count),
            ),
        }
    }

    /// First moment of each bucket by the clock on the wall, its exposure, in [0, 1], and its count; no exposure where nobody
    /// counted.
    pub fn buckets(&self) -> impl Iterator<Item = (EventTime, f64, u64)> {
        (0..self.len()).map(|row| {
            let (exposure, count) = self.bucket(row);
            (cells::moment(self.minute(row)), exposure, count)
        })
    }

    /// What a bucket is said to belong to.
    #[must_use]
    pub(super) fn label(&self, row: usize) -> Option<Direction> {
        self.labels.get(row).copied().flatten()
    }

    fn push(&mut self, row: Row) {
        let before = self.len();
        self.minutes.push(row.minute);
        self.counts.push(row.count.unwrap_or(UNCOUNTED));
        push_sparse(&mut self.exposures, before, row.exposure, 1.0);
        push_sparse(&mut self.labels, before, row.label, None);
    }
}

/// Appends to a list that stays empty while it holds nothing but the usual value.
fn push_sparse<T: Copy + PartialEq>(list: &mut Vec<T>, before: usize, value: T, usual: T) {
    if list.is_empty() && value != usual {
        list.resize(before, usual);
    }
    if !list.is_empty() || value != usual {
        list.push(value);
    }
}

#[derive(Clone, Copy)]
struct Row {
    minute: Minute,
    count: Option<u32>,
    exposure: f64,
    label: Option<Direction>,
}

struct Columns {
    series: Vec<usize>,
    time: usize,
    counts: Vec<usize>,
    exposure: Option<usize>,
    state: Option<usize>,
    label: Option<usize>,
}

/// Where a series begins, and how near two of its rows are.
struct Origin {
    file: String,
    line: u64,
    column: String,
    step_min: Minute,
}

/// Reads one file after the other; a series may go on in the next.
pub struct Reader {
    lens: Lens,
    layout: Layout,
    series: Vec<Counts>,
    origins: Vec<Origin>,
    by_id: BTreeMap<String, usize>,
    problems: Problems,
}

impl Reader {
    /// A reader that has read nothing.
    #[must_use]
    pub fn new(lens: Lens, layout: Layout) -> Self {
        Self {
            lens,
            layout,
            series: Vec::new(),
            origins: Vec::new(),
            by_id: BTreeMap::new(),
            problems: Problems::default(),
        }
    }

    /// Reads a file, gzipped or not. `name` is what problems call it, `stem` what a series is called that the file does not
    /// name.
    ///
    /// # Errors
    /// Where the file cannot be reached; what is wrong inside is told by [`Reader::finish`].
    pub fn file(&mut self, name: &str, stem: &str, bytes: impl Read) -> io::Result<()> {
        match self.rows(name, stem, bytes) {
            Err(error) if is_damaged(&error) => {
                self.problems.add(damaged(name, &error));
                Ok(())
            }
            read => read,
        }
    }

    /// All series, in the order of their first rows.
    ///
    /// # Errors
    /// Every problem of every file.
    pub fn finish(mut self) -> Result<Vec<Counts>, Problems> {
        let bucket = bucket_minutes(self.lens);
        for (series, origin) in self.series.iter().zip(&self.origins) {
            if series.len() >= ROWS_TO_TELL && origin.step_min > bucket {
                let rule = format!(
                    "has no two rows one {} apart, the nearest are {}",
                    bucket_name(self.lens),
                    origin.step_min / bucket
                );
                let fault = Fault::new(rule, "choose the --lens that the file was counted by");
                self.problems
                    .add(fault.at(&origin.file, origin.line, &origin.column, &series.id));
            }
        }
        if self.problems.is_empty() {
            Ok(self.series)
        } else {
            Err(self.problems)
        }
    }

    fn rows(&mut self, name: &str, stem: &str, bytes: impl Read) -> io::Result<()> {
        let mut sheet = Sheet::open(name, bytes)?;
        let Some(columns) = self.columns(&sheet) else {
            return Ok(());
        };
        let mut last = (String::new(), 0);
        let mut id = String::new();
        let mut any = false;
        while sheet.next(&mut self.problems)? {
            any = true;
            let Some(row) = self.row(&sheet, &columns) else {
                continue;
            };
            for &column in &columns.counts {
                let Some(count) = sheet.read(column, &mut self.problems, cells::count) else {
                    continue;
                };
                let count = count.or(self.layout.empty_is_zero.then_some(0));
                name_series(&mut id, &sheet, &columns, column, stem);
                if self.series.is_empty() || last.0 != id {
                    last = (id.clone(), self.index(&id, &sheet, &columns));
                }
                self.append(last.1, &sheet, &columns, Row { count, ..row });
            }
        }
        if !any {
            let fault = Fault::new("has no rows below its header", "give at least one bucket");
            self.problems
                .add(fault.at(name, 1, sheet.name(columns.time), ""));
        }
        Ok(())
    }

    fn columns(&mut self, sheet: &Sheet<'_>) -> Option<Columns> {
        let mut named = |names: &[String], flag: &str| -> Option<Vec<usize>> {
            let mut found = Vec::new();
            for name in names {
                match sheet.find(name) {
                    Some(column) => found.push(column),
                    None => self
                        .problems
                        .add(sheet.missing(name, &format!("correct {flag}"))),
                }
            }
            (found.len() == names.len()).then_some(found)
        };
        let series = named(&self.layout.series, "--series-column");
        let time = named(self.layout.time.as_slice(), "--time-column");
        let counts = named(&self.layout.counts, "--count-column");
        let (mut series, time, mut counts) = (series?, time?, counts?);
        if series.is_empty() {
            series.extend(sheet.find_any(&["series_id", "series"]));
        }
        if counts.is_empty() {
            counts.extend(sheet.find("count"));
        }
        let time = time
            .first()
            .copied()
            .or_else(|| sheet.find_any(&TIME_NAMES));
        if time.is_none() {
            let wanted = TIME_NAMES.join(" or ");
            self.problems
                .add(sheet.missing(&wanted, "name it with --time-column"));
        }
        if counts.is_empty() {
            self.problems
                .add(sheet.missing("count", "name it with --count-column"));
        }
        Some(Columns {
            series,
            time: time?,
            exposure: sheet.find("exposure"),
            state: sheet.find("state"),
            label: sheet.find("label"),
            counts: Some(counts).filter(|counts| !counts.is_empty())?,
        })
    }

    /// What all counts of a row share; nothing if any of it is wrong.
    fn row(&mut self, sheet: &Sheet<'_>, columns: &Columns) -> Option<Row> {
        let problems = &mut self.problems;
        let lens = self.lens;
        let minute = sheet.read(columns.time, problems, |cell| cells::minute(cell, lens));
        let exposure = match columns.exposure {
            Some(column) => sheet.read(column, problems, cells::exposure),
            None => Some(1.0),
        };
        let is_open = match columns.state {
            Some(column) => sheet.read(column, problems, cells::is_open),
            None => Some(true),
        };
        let label = match columns.label {
            Some(column) => sheet.read(column, problems, cells::label),
            None => Some(None),
        };
        let named = columns.series.iter().all(|&column| {
            let named = sheet.read(column, problems, |cell| {
                let fault = || Fault::new("names no series", "give every row its series");
                (!cell.is_empty()).then_some(()).ok_or_else(fault)
            });
            named.is_some()
        });
        let (minute, exposure, is_open, label) = (minute?, exposure?, is_open?, label?);
        named.then_some(Row {
            minute,
            count: None,
            exposure: if is_open { exposure } else { 0.0 },
            label,
        })
    }

    /// The place of a series, made where it is new.
    fn index(&mut self, id: &str, sheet: &Sheet<'_>, columns: &Columns) -> usize {
        if let Some(&at) = self.by_id.get(id) {
            return at;
        }
        let at = self.series.len();
        self.by_id.insert(id.to_owned(), at);
        self.series.push(Counts {
            id: id.to_owned(),
            ..Counts::default()
        });
        self.origins.push(Origin {
            file: sheet.file.to_owned(),
            line: sheet.line(),
            column: sheet.name(columns.time).to_owned(),
            step_min: Minute::MAX,
        });
        at
    }

    /// Adds a row to a series if it comes a whole number of buckets after the last.
    fn append(&mut self, at: usize, sheet: &Sheet<'_>, columns: &Columns, row: Row) {
        let series = &mut self.series[at];
        if let Some(&before) = series.minutes.last() {
            let bucket = bucket_minutes(self.lens);
            let step = row.minute.saturating_sub(before);
            if step <= 0 || step % bucket != 0 {
                let fault = out_of_step(step, &series.id, bucket_name(self.lens));
                sheet.read(columns.time, &mut self.problems, |_| Err::<(), _>(fault));
                return;
            }
            let nearest = &mut self.origins[at].step_min;
            *nearest = step.min(*nearest);
        }
        series.push(row);
    }
}

/// The values of the series' columns, or the file's name; the count's column too where there are several.
fn name_series(id: &mut String, sheet: &Sheet<'_>, columns: &Columns, count: usize, stem: &str) {
    id.clear();
    for &column in &columns.series {
        join(id, sheet.cell(column));
    }
    if columns.series.is_empty() {
        join(id, stem);
    }
    if columns.counts.len() > 1 {
        join(id, sheet.name(count));
    }
}

fn join(id: &mut String, part: &str) {
    if !id.is_empty() {
        id.push_str(" / ");
    }
    id.push_str(part);
}

fn bucket_name(lens: Lens) -> &'static str {
    match lens {
        Lens::Hour => "hour",
        Lens::Day => "day",
        Lens::Week => "week",
    }
}

fn out_of_step(step: Minute, id: &str, bucket: &str) -> Fault {
    match step {
        0 => Fault::new(
            format!("is there twice in series {id:?}"),
            format!("sum the counts: one row for each {bucket} of a series"),
        ),
        ..0 => Fault::new(
            format!("is earlier than the row of series {id:?} before it"),
            "sort the rows of each series by time",
        ),
        _ => Fault::new(
            format!("is not a whole number of {bucket}s after the row of series {id:?} before it"),
            format!("sum the counts by {bucket}, or choose another --lens"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lens: Lens, layout: Layout, files: &[&[u8]]) -> Result<Vec<Counts>, Problems> {
        let mut reader = Reader::new(lens, layout);
        for (n, bytes) in files.iter().enumerate() {
            reader
                .file(&format!("{n}.csv"), &format!("{n}"), *bytes)
                .expect("bytes can be reached");
        }
        reader.finish()
    }

    fn told(result: Result<Vec<Counts>, Problems>) -> Vec<String> {
        let problems = result.expect_err("something is wrong");
        problems.told().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn series_may_alternate_and_go_on_in_the_next_file() {
        let first = b"series_id,date,count\na,2024-01-01,1\nb,2024-01-01,2\na,2024-01-02,3\n";
        let next = b"SERIES,time,Count,exposure\nb,2024-01-03,,1\na,2024-01-04,5,0.5\n";
        let series = read(Lens::Day, Layout::default(), &[first, next]).expect("good");
        let of = |n: usize| -> Vec<(f64, u64)> {
            (0..series[n].len())
                .map(|row| series[n].bucket(row))
                .collect()
        };
        assert_eq!((series[0].id.as_str(), series[1].id.as_str()), ("a", "b"));
        assert_eq!(of(0), [(1.0, 1), (1.0, 3), (0.5, 5)]);
        assert_eq!(of(1), [(1.0, 2), (0.0, 0)]);
    }

    #[test]
    fn a_mark_of_byte_order_day_first_dates_and_several_columns_are_read() {
        let text = "\u{feff}Date,Control Point,Way,Total,\n31-01-2021,Airport,In,7,\n31-01-2021,Airport,Out,,\n01-02-2021,Airport,In,8,\n";
        let layout = Layout {
            series: vec!["control point".into(), "Way".into()],
            counts: vec!["Total".into()],
            empty_is_zero: true,
            ..Layout::default()
        };
        let series = read(Lens::Day, layout, &[text.as_bytes()]).expect("good");
        let ids: Vec<&str> = series.iter().map(|s| s.id.as_str()).collect();
        assert_eq!(ids, ["Airport / In", "Airport / Out"]);
        assert_eq!(series[1].bucket(0), (1.0, 0));
        assert_eq!(series[0].minute(1) - series[0].minute(0), 24 * 60);
    }

    #[test]
    fn each_of_several_count_columns_is_a_series() {
        let layout = Layout {
            counts: vec!["x".into(), "y".into()],
            ..Layout::default()
        };
        let series = read(Lens::Week, layout, &[b"t,x,y\n1,3,4\n2,5,\n"]).expect("good");
        let ids: Vec<&str> = series.iter().map(|s| s.id.as_str()).collect();
        assert_eq!(ids, ["0 / x", "0 / y"]);
        assert_eq!(series[1].bucket(1), (0.0, 0));
    }

    #[test]
    fn all_problems_are_told_with_their_places() {
        let text = b"series,date,count,exposure\na,2024-01-01,-3,1\na,2024-13-01,2,1\n,2024-01-02,2,7\na,2024-01-03,1\na,2024-01-04,1,1\na,2024-01-04,1,1\na,2024-01-02,1,1\n";
        let told = told(read(Lens::Day, Layout::default(), &[text]));
        let starts = [
            "0.csv line 2, column count: \"-3\" is no whole number",
            "0.csv line 3, column date: \"2024-13-01\" is no date or time; write 2023-11-18",
            "0.csv line 4, column exposure: \"7\" is no share",
            "0.csv line 4, column series: \"\" names no series",
            "0.csv line 5, column (row): \"3\" are the cells of a row, and the header has 4",
            "0.csv line 7, column date: \"2024-01-04\" is there twice in series \"a\"; sum",
            "0.csv line 8, column date: \"2024-01-02\" is earlier",
        ];
        assert_eq!(told.len(), starts.len(), "{told:#?}");
        for (told, start) in told.iter().zip(starts) {
            assert!(told.starts_with(start), "{told} is not {start}");
        }
    }

    #[test]
    fn a_file_of_another_lens_or_without_its_columns_is_told() {
        let weekly = b"series,date,count\na,2024-01-01,1\na,2024-01-08,1\na,2024-01-15,1\n";
        let text = told(read(Lens::Day, Layout::default(), &[weekly])).concat();
        assert!(
            text.contains("\"a\" has no two rows one day apart, the nearest are 7; choose"),
            "{text}"
        );
        let daily = b"series,date,count\na,2024-01-01,1\na,2024-01-02,1\n";
        let text = told(read(Lens::Week, Layout::default(), &[daily])).concat();
        assert!(
            text.contains("is not a whole number of weeks after"),
            "{text}"
        );
        let bare = told(read(Lens::Day, Layout::default(), &[b"place,arrivals\n"])).concat();
        assert!(bare.contains("line 1, column count: \"place,arrivals\" has no such column; name it with --count-column"), "{bare}");
        let empty = told(read(Lens::Day, Layout::default(), &[b"t,count\n"])).concat();
        assert!(empty.contains("has no rows below its header"), "{empty}");
        let cut = told(read(Lens::Day, Layout::default(), &[&[0x1f, 0x8b, 8, 0]])).concat();
        assert!(cut.contains("column (file)"), "{cut}");
        let binary = told(read(Lens::Day, Layout::default(), &[b"\xff\xfe,count\n"])).concat();
        assert!(binary.contains("bytes that are no UTF-8"), "{binary}");
    }
}
