//! Owns the CSV file as cells: gzip or plain by its first bytes, a header whose columns are found by name, rows with their line.

use super::problem::{Fault, Problem, Problems};
use csv::StringRecord;
use flate2::bufread::MultiGzDecoder;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A CSV file behind its header.
pub(super) struct Sheet<'a> {
    /// The file as the caller named it.
    pub(super) file: &'a str,
    header: StringRecord,
    rows: csv::Reader<Box<dyn Read + 'a>>,
    row: StringRecord,
}

impl<'a> Sheet<'a> {
    /// Reads the header.
    pub(super) fn open(file: &'a str, bytes: impl Read + 'a) -> io::Result<Self> {
        let mut bytes = BufReader::with_capacity(1 << 16, bytes);
        let is_gzip = bytes.fill_buf()?.starts_with(&GZIP_MAGIC);
        let bytes: Box<dyn Read + 'a> = if is_gzip {
            Box::new(MultiGzDecoder::new(bytes))
        } else {
            Box::new(bytes)
        };
        let mut rows = csv::ReaderBuilder::new()
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(bytes);
        let header = rows.headers().map_err(into_io)?.clone();
        Ok(Self {
            file,
            header,
            rows,
            row: StringRecord::new(),
        })
    }

    /// The column of this name; upper and lower case are the same.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let same = |cell: &str| {
            cell.trim_start_matches('\u{feff}')
                .eq_ignore_ascii_case(name)
        };
        self.header.iter().position(same)
    }

    /// The first of the names that is a column.
    pub(super) fn find_any(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.find(name))
    }

    /// The name of a column.
    pub(super) fn name(&self, column: usize) -> &str {
        let name = self.header.get(column).unwrap_or_default();
        name.trim_start_matches('\u{feff}')
    }

    /// A column that is needed and is not there.
    pub(super) fn missing(&self, wanted: &str, remedy: &str) -> Problem {
        let names: Vec<&str> = (0..self.header.len()).map(|i| self.name(i)).collect();
        Fault::new("has no such column", remedy).at(self.file, 1, wanted, &names.join(","))
    }

    /// Steps to the next row with as many cells as the header; rows that cannot be read are problems.
    pub(super) fn next(&mut self, problems: &mut Problems) -> io::Result<bool> {
        loop {
            match self.rows.read_record(&mut self.row) {
                Ok(false) => return Ok(false),
                Ok(true) if self.row.len() == self.header.len() => return Ok(true),
                Ok(true) => {
                    let rule = format!(
                        "are the cells of a row, and the header has {}",
                        self.header.len()
                    );
                    let remedy =
                        "give each row a cell for each column, quoted where it holds a comma";
                    let value = self.row.len().to_string();
                    problems.add(Fault::new(rule, remedy).at(
                        self.file,
                        self.line(),
                        "(row)",
                        &value,
                    ));
                }
                Err(error) => self.broken(error, problems)?,
            }
        }
    }

    fn broken(&self, error: csv::Error, problems: &mut Problems) -> io::Result<()> {
        if !matches!(error.kind(), csv::ErrorKind::Utf8 { .. }) {
            return Err(into_io(error));
        }
        let line = error.position().map_or(0, csv::Position::line);
        let fault = Fault::new("is no UTF-8", "save the file as UTF-8");
        problems.add(fault.at(self.file, line, "(row)", "a cell"));
        Ok(())
    }

    /// A cell of the row.
    pub(super) fn cell(&self, column: usize) -> &str {
        self.row.get(column).unwrap_or_default()
    }

    /// A cell of the row, read; what is wrong with it becomes a problem.
    pub(super) fn read<T>(
        &self,
        column: usize,
        problems: &mut Problems,
        meaning: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Option<T> {
        let cell = self.cell(column);
        match meaning(cell) {
            Ok(value) => Some(value),
            Err(fault) => {
                problems.add(fault.at(self.file, self.line(), self.name(column), cell));
                None
            }
        }
    }

    /// The line the row begins on, from 1.
    pub(super) fn line(&self) -> u64 {
        self.row.position().map_or(0, csv::Position::line)
    }
}

fn into_io(error: csv::Error) -> io::Error {
    let said = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        csv::ErrorKind::Utf8 { .. } => {
            io::Error::new(ErrorKind::InvalidData, "bytes that are no UTF-8")
        }
        _ => io::Error::new(ErrorKind::InvalidData, said),
    }
}

/// Whether reading failed because of what is in the file, and not because it cannot be reached.
pub(super) fn is_damaged(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof
    )
}

/// A file that is damaged, as a problem.
pub(super) fn damaged(file: &str, error: &io::Error) -> Problem {
    let fault = Fault::new("ends the reading", "write or fetch the file again");
    fault.at(file, 1, "(file)", &error.to_string())
}
