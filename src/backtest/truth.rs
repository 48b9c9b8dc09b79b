//! Owns the truth file of a benchmark: which buckets of a series are evaluated, whether it is a control, where its episode lies.

use super::problem::{Fault, Problems};
use super::sheet::{Sheet, damaged, is_damaged};
use crate::core::alert::Direction;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::Range;

/// What is known of one series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mark {
    /// Rows that are evaluated, from 0.
    pub window: Range<usize>,
    /// Whether nothing happens in it, so that every alarm is false.
    pub is_control: bool,
    /// The kind of series it is.
    pub stratum: Option<String>,
    /// The episode in it.
    pub episode: Option<Episode>,
}

/// A labelled surge or drop.
#[derive(Debug, Clone, PartialEq)]
pub struct Episode {
    /// Its rows, from 0.
    pub rows: Range<usize>,
    /// Which way the counts go.
    pub direction: Direction,
    /// Its shape, as `spike`.
    pub shape: String,
    /// Its size where there is one.
    pub size: Option<f64>,
}

/// Marks by the id of their series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Truth(BTreeMap<String, Mark>);

struct Columns {
    series: usize,
    control: usize,
    onset: usize,
    end: usize,
    window: Option<(usize, usize)>,
    stratum: Option<usize>,
    shape: Option<usize>,
    size: Option<usize>,
}

impl Truth {
    /// Reads a truth file, gzipped or not.
    ///
    /// # Errors
    /// The outer where the file cannot be reached, the inner with all that is wrong in it.
    pub fn read(file: &str, bytes: impl Read) -> io::Result<Result<Self, Problems>> {
        let mut truth = Self::default();
        let mut problems = Problems::default();
        match truth.rows(file, bytes, &mut problems) {
            Err(error) if is_damaged(&error) => problems.add(damaged(file, &error)),
            read => read?,
        }
        Ok(if problems.is_empty() {
            Ok(truth)
        } else {
            Err(problems)
        })
    }

    /// What is known of a series.
    #[must_use]
    pub fn mark(&self, series: &str) -> Option<&Mark> {
        self.0.get(series)
    }

    fn rows(&mut self, file: &str, bytes: impl Read, problems: &mut Problems) -> io::Result<()> {
        let mut sheet = Sheet::open(file, bytes)?;
        let mut wanted = |names: &[&str]| {
            let found = sheet.find_any(names);
            if found.is_none() {
                problems.add(sheet.missing(names[0], "add it to the truth file"));
            }
            found
        };
        let series = wanted(&["series_id", "series"]);
        let (control, onset, end) = (wanted(&["control"]), wanted(&["onset"]), wanted(&["end"]));
        let (Some(series), Some(control), Some(onset), Some(end)) = (series, control, onset, end)
        else {
            return Ok(());
        };
        let columns = Columns {
            series,
            control,
            onset,
            end,
            window: sheet.find("eval_start").zip(sheet.find("eval_end")),
            stratum: sheet.find_any(&["stratum", "scenario"]),
            shape: sheet.find("shape"),
            size: sheet.find_any(&["a", "k"]),
        };
        while sheet.next(problems)? {
            let Some(mark) = mark(&sheet, &columns, problems) else {
                continue;
            };
            let id = sheet.cell(columns.series).to_owned();
            if self.0.insert(id, mark).is_some() {
                let fault = Fault::new("is there twice", "keep one row for each series");
                sheet.read(columns.series, problems, |_| Err::<(), _>(fault));
            }
        }
        Ok(())
    }
}

fn mark(sheet: &Sheet<'_>, columns: &Columns, problems: &mut Problems) -> Option<Mark> {
    let control = sheet.read(columns.control, problems, |cell| match cell {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err(Fault::new(
            "is neither 0 nor 1",
            "write 1 for a series in which nothing happens",
        )),
    });
    let onset = sheet.read(columns.onset, problems, row_number);
    let end = sheet.read(columns.end, problems, row_number);
    let window = match columns.window {
        Some((first, last)) => {
            let first = sheet.read(first, problems, row_number);
            let last = sheet.read(last, problems, row_number);
            first.zip(last)
        }
        None => Some((None, None)),
    };
    let (control, onset, end, (first, last)) = (control?, onset?, end?, window?);
    let shape = columns.shape.map_or("surge", |column| sheet.cell(column));
    let episode = onset.zip(end).map(|(onset, end)| Episode {
        rows: onset - 1..end,
        direction: if shape == "drop" {
            Direction::Drop
        } else {
            Direction::Surge
        },
        shape: shape.to_owned(),
        size: columns
            .size
            .and_then(|column| sheet.cell(column).parse().ok()),
    });
    if episode.as_ref().is_some_and(|e| e.rows.is_empty()) {
        let fault = Fault::new("lies before the onset", "write the last row of the episode");
        sheet.read(columns.end, problems, |_| Err::<(), _>(fault));
        return None;
    }
    Some(Mark {
        window: first.map_or(0, |first| first - 1)..last.unwrap_or(usize::MAX),
        is_control: control,
        stratum: columns.stratum.map(|column| sheet.cell(column).to_owned()),
        episode,
    })
}

/// A row from 1, also as 611.0; nothing in an empty cell.
fn row_number(cell: &str) -> Result<Option<usize>, Fault> {
    if cell.is_empty() {
        return Ok(None);
    }
    let whole = cell.strip_suffix(".0").unwrap_or(cell);
    match whole.parse() {
        Ok(row) if row > 0 => Ok(Some(row)),
        _ => Err(Fault::new(
            "is no row number",
            "count the rows of each series from 1",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Truth, Problems> {
        Truth::read("t.csv", text.as_bytes()).expect("a text can be reached")
    }

    #[test]
    fn both_layouts_of_the_benchmark_are_read() {
        let weekly = read("series_id,scenario,k,control,eval_start,eval_end,onset,end\nw,1,3,0,576,624,611.0,612.0\nc,1,0,1,576,624,,\n")
            .expect("good");
        let mark = weekly.mark("w").expect("there");
        assert_eq!((mark.window.clone(), mark.is_control), (575..624, false));
        let episode = mark.episode.as_ref().expect("there");
        assert_eq!(
            (episode.rows.clone(), episode.shape.as_str(), episode.size),
            (610..612, "surge", Some(3.0))
        );
        assert_eq!(weekly.mark("c").expect("there").episode, None);
        let daily = read("series_id,scenario,k,shape,a,control,eval_start,eval_end,onset,end\nd,6,9,drop,0.2,0,1124,1461,1200,1220\n")
            .expect("good");
        let episode = daily
            .mark("d")
            .and_then(|m| m.episode.clone())
            .expect("there");
        assert_eq!(
            (episode.direction, episode.size),
            (Direction::Drop, Some(0.2))
        );
    }

    #[test]
    fn mistakes_are_told_with_line_and_column() {
        let problems =
            read("series_id,control,onset,end\nx,2,1,1\nx,0,0,1\nx,0,5,3\nx,0,,\nx,0,,\n")
                .expect_err("wrong");
        let told: Vec<String> = problems
            .told()
            .iter()
            .map(|p| format!("{} {} {}", p.line, p.column, p.value))
            .collect();
        assert_eq!(
            told,
            ["2 control 2", "3 onset 0", "4 end 3", "6 series_id x"]
        );
        let missing = read("series,control\n").expect_err("wrong");
        assert_eq!(missing.told().len(), 2);
    }
}
