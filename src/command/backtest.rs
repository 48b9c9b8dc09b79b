//! Owns `surgewatch backtest`: files of counts are opened, the series spread over the cores, the results written in input order.

use super::counts::{HolidayArgs, LayoutArgs, LensArg, counts, detector, unreadable};
use super::publish::progress;
use super::{CommandError, ConfigArgs, setup};
use crate::backtest::{
    Counts, Detector, Matched, Outcome, Scored, Summary, Truth, judge, results, run,
};
use crate::config::Settings;
use crate::core::alert::Direction;
use crate::core::lens::Lens;
use clap::Args;
use rayon::prelude::*;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Series that are run before their results are written: enough for every core, few enough for memory.
const CHUNK: usize = 256;

#[derive(Debug, Args)]
pub(super) struct BacktestArgs {
    /// Files of counts (CSV, gzipped or not): one row for each bucket, with columns `series_id` or `series`, `date` or `time` or
    /// `t`, `count`, and if wanted `exposure` (0 to 1), `state` (open, restricted, closed, blind) and `label` (surge, drop).
    #[arg(required_unless_present = "bench", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Width of the buckets in the files.
    #[arg(long, required_unless_present = "bench")]
    lens: Option<LensArg>,
    /// Runs, instead of files, weekly.csv.gz and daily.csv.gz of a folder, each with its truth beside it, weekly_truth.csv and
    /// daily_truth.csv.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["files", "lens", "results", "drops", "truth"])]
    bench: Option<PathBuf>,
    /// False alerts accepted a year for each series, surges and drops together.
    #[arg(long, value_name = "A_SERIES_YEAR")]
    budget: f64,
    /// Writes `series_id,t,alarm,score` for surges; the score is the log evidence, which no alarm begins anew.
    #[arg(long, value_name = "OUT.CSV")]
    results: Option<PathBuf>,
    /// The same for drops.
    #[arg(long, value_name = "OUT.CSV")]
    drops: Option<PathBuf>,
    /// Says which series are controls and where the others' episodes lie: columns `series_id`, `control`, `onset`, `end`.
    #[arg(long, value_name = "TRUTH.CSV")]
    truth: Option<PathBuf>,
    #[command(flatten)]
    layout: LayoutArgs,
    #[command(flatten)]
    holidays: HolidayArgs,
    /// Threads to run on; all cores where absent.
    #[arg(long, value_name = "NUMBER")]
    threads: Option<usize>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Files of one lens.
struct Job {
    lens: Lens,
    files: Vec<PathBuf>,
    truth: Option<PathBuf>,
}

pub(super) fn backtest(args: &BacktestArgs) -> Result<(), CommandError> {
    let settings = setup::settings(&args.config)?;
    let Some(folder) = &args.bench else {
        let job = Job {
            lens: args.lens.expect("clap asks for it").into(),
            files: args.files.clone(),
            truth: args.truth.clone(),
        };
        return run_job(args, &settings, &job);
    };
    for (lens, name) in [(Lens::Week, "weekly"), (Lens::Day, "daily")] {
        super::say(&format!("{name}.csv.gz"));
        let job = Job {
            lens,
            files: vec![folder.join(format!("{name}.csv.gz"))],
            truth: Some(folder.join(format!("{name}_truth.csv"))),
        };
        run_job(args, &settings, &job)?;
        super::say("");
    }
    Ok(())
}

fn run_job(args: &BacktestArgs, settings: &Settings, job: &Job) -> Result<(), CommandError> {
    let lens = job.lens;
    let (detector, promised) = detector(settings, lens, args.budget, &args.holidays)?;
    let truth = job.truth.as_deref().map(truth).transpose()?;
    let series = counts(&job.files, &args.layout, lens)?;
    let mut outputs = [
        Output::create(args.results.as_deref())?,
        Output::create(args.drops.as_deref())?,
    ];
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(args.threads.unwrap_or(0))
        .build()
        .map_err(|error| CommandError::Usage(format!("--threads: {error}")))?;
    let bar = progress(series.len());
    let begun = Instant::now();
    let (mut summary, mut matched) = (Summary::default(), Matched::default());
    for chunk in series.chunks(CHUNK) {
        let done: Vec<Done> = pool.install(|| {
            let each = chunk.par_iter().map(|series| {
                let done = one(&detector, series, truth.as_ref(), &outputs);
                bar.inc(1);
                done
            });
            each.collect()
        });
        for done in done {
            for (output, rows) in outputs.iter_mut().zip(&done.rows) {
                output.write(rows)?;
            }
            summary.add(&done.outcome);
            done.scored
                .into_iter()
                .for_each(|scored| matched.add(scored));
        }
    }
    bar.finish_and_clear();
    for output in &mut outputs {
        output.finish()?;
    }
    let tables = summary.table(lens, promised) + &matched.table(lens);
    super::say(tables.trim_end());
    if truth.is_none() && !summary.has_episodes() {
        eprintln!("No truth file and no labels: every alert counts as false, whatever it is of.");
    }
    eprintln!(
        "{:.1} s on {} threads",
        begun.elapsed().as_secs_f64(),
        pool.current_num_threads()
    );
    Ok(())
}

/// What one series came to.
struct Done {
    outcome: Outcome,
    /// For a series the truth file names.
    scored: Option<Scored>,
    rows: [String; 2],
}

fn one(detector: &Detector, series: &Counts, truth: Option<&Truth>, outputs: &[Output; 2]) -> Done {
    let points = run(detector, series);
    // A series that the truth file does not name is run, and counts for nothing.
    let mark = truth.map(|truth| truth.mark(&series.id).cloned().unwrap_or_default());
    let rows = [Direction::Surge, Direction::Drop].map(|direction| {
        if outputs[direction as usize].0.is_some() {
            results(series, &points, direction)
        } else {
            String::new()
        }
    });
    Done {
        outcome: judge(series, &points, mark.as_ref()),
        scored: mark.map(|mark| Scored::new(&points, &mark)),
        rows,
    }
}

fn truth(path: &Path) -> Result<Truth, CommandError> {
    let name = path.display().to_string();
    let unreadable = unreadable("the truth file", path);
    let file = File::open(path).map_err(&unreadable)?;
    let read = Truth::read(&name, file).map_err(&unreadable)?;
    read.map_err(CommandError::Counts)
}

/// A file of results, if one is wanted.
struct Output(Option<(String, BufWriter<File>)>);

impl Output {
    fn create(path: Option<&Path>) -> Result<Self, CommandError> {
        let Some(path) = path else {
            return Ok(Self(None));
        };
        let name = path.display().to_string();
        let file = File::create(path).map_err(unwritable(&name))?;
        let mut output = Self(Some((name, BufWriter::new(file))));
        output.write("series_id,t,alarm,score\n")?;
        Ok(output)
    }

    fn write(&mut self, rows: &str) -> Result<(), CommandError> {
        self.on_file(|file| file.write_all(rows.as_bytes()))
    }

    fn finish(&mut self) -> Result<(), CommandError> {
        self.on_file(BufWriter::flush)
    }

    fn on_file(
        &mut self,
        act: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
    ) -> Result<(), CommandError> {
        match &mut self.0 {
            Some((name, file)) => act(file).map_err(unwritable(name)),
            None => Ok(()),
        }
    }
}

pub(super) fn unwritable(path: &str) -> impl Fn(std::io::Error) -> CommandError {
    let path = path.to_owned();
    move |source| CommandError::Write {
        path: path.clone(),
        source,
    }
}
