//! Owns what the commands on files of counts share: how a file is laid out, the lens it is judged by, how it is opened.

use super::CommandError;
use crate::backtest::{Counts, Detector, Layout, Reader};
use crate::config::Settings;
use crate::core::alert::Direction;
use crate::core::holidays::Holidays;
use crate::core::lens::{Lens, LensParams};
use crate::core::params::{Budget, log_threshold};
use crate::core::series::prior;
use clap::{Args, ValueEnum};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Where the files keep what.
#[derive(Debug, Args)]
pub(super) struct LayoutArgs {
    /// Column that names the series, if not `series_id` or `series`; several together name it, none is the file's name.
    #[arg(long, value_name = "NAME")]
    series_column: Vec<String>,
    /// Column of the bucket's date or time.
    #[arg(long, value_name = "NAME")]
    time_column: Option<String>,
    /// Column of the counts; each of several is a stream of its own.
    #[arg(long, value_name = "NAME")]
    pub(super) count_column: Vec<String>,
    /// An empty count is 0; without this nobody counted in that bucket.
    #[arg(long)]
    empty_is_zero: bool,
}

/// Which days of a file of counts are special.
#[derive(Debug, Args)]
pub(super) struct HolidayArgs {
    /// Makes less of the holidays of this corridor of the crossings file in a file of counts; without it no day is special.
    #[arg(long, value_name = "CORRIDOR")]
    holidays: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum LensArg {
    Week,
    Day,
    Hour,
}

impl From<LensArg> for Lens {
    fn from(given: LensArg) -> Self {
        match given {
            LensArg::Week => Self::Week,
            LensArg::Day => Self::Day,
            LensArg::Hour => Self::Hour,
        }
    }
}

/// The lens as the daemon would have it for one series with this budget, and the budget by direction.
pub(super) fn detector(
    settings: &Settings,
    lens: Lens,
    budget: f64,
    days: &HolidayArgs,
) -> Result<(Detector, [f64; 2]), CommandError> {
    let drop_share = settings.detection.drop_share_ratio.get();
    let split = Budget {
        false_alerts_per_year: budget,
        drop_share_ratio: drop_share,
        hour_share_ratio: if lens == Lens::Hour { 1.0 } else { 0.0 },
        group_share_ratio: 0.0,
    };
    let threshold = |direction| log_threshold(1.0, split, lens, direction);
    let mut params = LensParams {
        log_threshold_rise: threshold(Direction::Surge),
        log_threshold_drop: threshold(Direction::Drop),
        ..LensParams::for_lens(lens)
    };
    // A week's evidence forgets before a small excess adds up; its own default is none.
    if lens != Lens::Week {
        params.guard_band_ratios = settings.detection.guard_band_ratios();
    }
    let thresholds = [params.log_threshold_rise, params.log_threshold_drop];
    if !thresholds.iter().all(|ln| ln.is_finite() && *ln > 0.0) {
        return Err(CommandError::Usage(format!(
            "--budget {budget}: give the false alerts a series-year you accept, above 0 and fewer than there are buckets in a year"
        )));
    }
    let detector = Detector {
        params,
        prior: prior(lens),
        holidays: holidays(settings, days.holidays.as_deref())?,
    };
    Ok((detector, [budget * (1.0 - drop_share), budget * drop_share]))
}

fn holidays(settings: &Settings, of: Option<&str>) -> Result<Holidays, CommandError> {
    let Some(of) = of else {
        return Ok(Holidays::default());
    };
    let corridors = settings.corridors();
    let found = corridors.iter().find(|corridor| corridor.id == of);
    found
        .map(|corridor| corridor.holidays.clone())
        .ok_or_else(|| {
            let known: Vec<&str> = corridors
                .iter()
                .map(|corridor| corridor.id.as_str())
                .collect();
            CommandError::Usage(format!(
                "--holidays {of}: no such corridor; those of the crossings file are {}",
                known.join(", ")
            ))
        })
}

/// Reads the series of some files.
pub(super) fn counts(
    files: &[PathBuf],
    args: &LayoutArgs,
    lens: Lens,
) -> Result<Vec<Counts>, CommandError> {
    let layout = Layout {
        series: args.series_column.clone(),
        time: args.time_column.clone(),
        counts: args.count_column.clone(),
        empty_is_zero: args.empty_is_zero,
    };
    let mut reader = Reader::new(lens, layout);
    for path in files {
        let unreadable = unreadable("the counts", path);
        let file = File::open(path).map_err(&unreadable)?;
        let stem = path.file_name().unwrap_or_default().to_string_lossy();
        let stem = stem.trim_end_matches(".gz").trim_end_matches(".csv");
        reader
            .file(&path.display().to_string(), stem, file)
            .map_err(&unreadable)?;
    }
    reader.finish().map_err(CommandError::Counts)
}

/// The error of a file that cannot be read.
pub(super) fn unreadable(
    what: &'static str,
    path: &Path,
) -> impl Fn(std::io::Error) -> CommandError {
    let path = path.display().to_string();
    move |source| CommandError::Read {
        what,
        path: path.clone(),
        source,
    }
}
