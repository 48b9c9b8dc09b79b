//! Owns `surgewatch replay`: a scenario goes through the machine, or counts through a lens; alerts are told, a page is written.

use super::backtest::unwritable;
use super::counts::{HolidayArgs, LayoutArgs, LensArg, counts, detector, unreadable};
use super::demo::check_crossings;
use super::episodes;
use super::publish::{bundled_names, bundled_text, progress};
use super::{CommandError, ConfigArgs, say, setup};
use crate::backtest::{APART, Detector, NUMBERED_FROM};
use crate::config::Settings;
use crate::core::alert::{Direction, Reason};
use crate::core::lens::Lens;
use crate::core::time::EventTime;
use crate::replay::load;
use crate::report::{self, Alert, Incident, Incidents, Look, Report};
use crate::trial;
use crate::variants::{Border, Kind, Variant, sheet};
use crate::wire::sentence::about;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::civil::DateTime;
use rayon::prelude::*;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// A scenario (`.toml`, as in config/replays, or the name of one of those), or counts (CSV, gzipped or not, with the columns `surgewatch backtest` reads).
    file: PathBuf,
    /// Draws a made-up border that lives through this, writes its days to FILE, a new file of counts, and runs that.
    #[arg(long, value_name = "WHAT", value_parser = kinds(), requires = "seed")]
    generate: Option<Kind>,
    /// Which draw: the same number draws the same days.
    #[arg(long, value_name = "NUMBER", requires = "generate")]
    seed: Option<u64>,
    /// Writes a page with a plot for each series: one file that needs neither network nor scripts. Without it alerts are told
    /// on standard output only.
    #[arg(long, value_name = "OUT.HTML")]
    report: Option<PathBuf>,
    /// Series that the page draws at most; those with alerts come first.
    #[arg(long, value_name = "NUMBER", default_value_t = 40)]
    most: usize,
    /// Tells what was known at a moment of a scenario: what came later is not read. A moment with an offset, as
    /// 2023-11-18T12:00:00+02:00.
    #[arg(long, value_name = "TIME")]
    as_of: Option<jiff::Timestamp>,
    /// Width of the buckets in a file of counts [default: day].
    #[arg(long)]
    lens: Option<LensArg>,
    /// False alerts accepted a year for each series of a file of counts [default: 0.5]; a scenario has the budget of the settings.
    #[arg(long, value_name = "A_SERIES_YEAR")]
    budget: Option<f64>,
    #[command(flatten)]
    layout: LayoutArgs,
    #[command(flatten)]
    holidays: HolidayArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

/// False alerts accepted a year for each series of counts where nothing is said.
const BUDGET: f64 = 0.5;

/// An alert with the name of its series.
type Told = (String, Alert);

pub(super) fn replay(args: &ReplayArgs) -> Result<(), CommandError> {
    let settings = setup::settings(&args.config)?;
    let made_up = args.generate.zip(args.seed);
    let made_up = made_up.map(|(kind, seed)| Variant::generate(kind, seed));
    if let Some(variant) = &made_up {
        write_variant(&args.file, variant)?;
    }
    let is_scenario = args.file.extension().is_some_and(|e| e == "toml") || named(args).is_some();
    let (mut report, mut told) = if is_scenario {
        scenario(args, &settings)?
    } else {
        from_counts(args, &settings)?
    };
    if let Some(variant) = &made_up {
        report.incidents = made_up_incidents(&variant.border, &settings);
        report.notes.push(made_up_note(variant));
    }
    if let Some(path) = &args.report {
        let name = path.display().to_string();
        std::fs::write(path, report::page(&report)).map_err(unwritable(&name))?;
    }
    told.sort_by_key(|(_, alert)| alert.opened);
    for (name, alert) in &told {
        say(&format!(
            "{}  {:<8} {:<5}  {name}\n    {}",
            alert.opened.strftime("%Y-%m-%d %H:%M"),
            alert.severity.label(),
            alert.direction.label(),
            alert.sentence
        ));
        if let Some(later) = later(alert) {
            say(&format!("    {later}"));
        }
    }
    if let Some(variant) = &made_up {
        say(&made_up_note(variant));
    }
    for incident in &report.incidents {
        say(&incident.timed(&incident.title));
        for (at, sentence) in &incident.lines {
            say(&format!(
                "    {}  {sentence}",
                at.strftime("%Y-%m-%d %H:%M")
            ));
        }
    }
    let series = report.series.len() + report.left_out[0];
    say(&format!("{series} series, {}", super::alerts(told.len())));
    Ok(())
}

/// What became of an alert after it was first told of; nothing where it goes on as it was.
fn later(alert: &Alert) -> Option<String> {
    let on = |at: &DateTime, what: &str, why: &str| {
        let when = at.strftime("%-d %B %Y at %H:%M");
        (*at, format!("{what} on {when}{why}"))
    };
    let grew = alert.grew.iter().map(|(at, s)| on(at, s.label(), ""));
    let again = alert.again.iter().map(|at| on(at, "there again", ""));
    let ended = alert.ended.iter().map(|at| match alert.reason {
        Some(Reason::Calm) => on(at, "the alert ended", &calm(alert)),
        Some(Reason::Lasting) => {
            let why = ": it had lasted so long that as many as came then count as usual since";
            on(at, "the alert ended", why)
        }
        Some(Reason::Redefined) => {
            let why = ": its feed counts something else since, and what is usual is learnt anew";
            on(at, "the alert ended", why)
        }
        Some(Reason::Recounted) => on(at, "withdrawn", ""),
        Some(Reason::Feedback(_) | Reason::Explained) | None => on(at, "over", ""),
    });
    let mut all: Vec<_> = grew.chain(again).chain(ended).collect();
    all.sort_by_key(|(at, _)| *at);
    let told: Vec<String> = all.into_iter().map(|(_, told)| told).collect();
    (!told.is_empty()).then(|| format!("Later: {}.", told.join("; ")))
}

/// Why an alert ended by itself: the usual may have become another while it went on.
fn calm(alert: &Alert) -> String {
    let more = match alert.direction {
        Direction::Surge => "more",
        Direction::Drop => "fewer",
    };
    let usual = alert.usual.map_or_else(String::new, |usual| {
        format!(", which by then was {} a day", about(usual as f64))
    });
    let before = alert.before.map_or_else(String::new, |before| {
        let usual = about(f64::from(before));
        format!(" ({usual} when it was first told of)")
    });
    format!(": for three days no {more} came than usual{usual}{before}")
}

/// The names of what can be generated.
pub(super) fn kinds() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::name)).map(|name| {
        let mut all = Kind::ALL.into_iter();
        all.find(|kind| kind.name() == name)
            .expect("clap lets no other name through")
    })
}

/// Writes a variant to a file that is not there yet.
fn write_variant(path: &Path, variant: &Variant) -> Result<(), CommandError> {
    let name = path.display().to_string();
    if path.extension().is_none_or(|e| e != "csv") {
        return Err(CommandError::Usage(format!(
            "--generate writes counts to {name}: give a new file whose name ends in .csv"
        )));
    }
    if path.exists() {
        return Err(CommandError::Usage(format!(
            "--generate writes counts to a new file, and {name} is there: remove it, or give another name"
        )));
    }
    let file = File::create_new(path);
    let written = file.and_then(|mut file| file.write_all(sheet(variant).as_bytes()));
    written.map_err(unwritable(&name))
}

/// What a border was made up to live through, and how its incidents come about.
fn made_up_note(variant: &Variant) -> String {
    let from = variant.border.date(variant.onset).strftime("%-d %B %Y");
    let (what, seed) = (variant.kind.name(), variant.seed);
    format!(
        "Made up: {what}, seed {seed}, from {from} on. Incidents are what the daemon would tell of this border by its days; each of its series is watched as closely as one of the daemon's."
    )
}

fn made_up_incidents(border: &Border, settings: &Settings) -> Vec<Incident> {
    let network = Arc::new(trial::network(border));
    let params = episodes::params(settings, &network);
    let mut incidents = Incidents::new(&network, &params);
    trial::pass(border, &network, &params, border.len(), |_, outputs| {
        for output in outputs {
            incidents.take(output);
        }
    });
    incidents.told()
}

/// The bundled scenario that is named instead of a file.
fn named(args: &ReplayArgs) -> Option<&'static str> {
    let name = args.file.to_str().filter(|_| !args.file.exists())?;
    bundled_text(name)
}

fn scenario(args: &ReplayArgs, settings: &Settings) -> Result<(Report, Vec<Told>), CommandError> {
    if args.lens.is_some() || args.budget.is_some() {
        return Err(CommandError::Usage(
            "--lens and --budget are for files of counts; a scenario is judged by the settings: --set detection.false_alerts_per_year=12"
                .into(),
        ));
    }
    let read = unreadable("the scenario", &args.file);
    let text = match named(args) {
        Some(text) => text.to_owned(),
        None => std::fs::read_to_string(&args.file).map_err(read)?,
    };
    let scenario = load(&text)?;
    let crossings = scenario.crossings.iter().map(|place| place.id.as_str());
    check_crossings(&scenario.id, crossings, settings.network())?;
    let engine = setup::engine(settings);
    let as_of = args.as_of.map(|at| EventTime(at.as_millisecond()));
    let mut report = report::episode(&scenario, engine, &setup::limits(settings), as_of)?;
    report.notes.push(format!(
        "Judged with a budget of {} false alerts a year for the whole network of {} series, as the daemon would have.",
        settings.detection.false_alerts_per_year,
        settings.network().series_count()
    ));
    let told = report.series.iter().flat_map(|series| {
        let named = |alert: &Alert| (series.name.clone(), alert.clone());
        series.alerts.iter().map(named)
    });
    let told = told.collect();
    keep_most(&mut report, args.most);
    Ok((report, told))
}

/// Leaves series out that are too many, those without alerts first.
fn keep_most(report: &mut Report, most: usize) {
    let looks: Vec<(usize, f64)> = report
        .series
        .iter()
        .map(|series| {
            let evidence = series.buckets.iter().filter_map(|bucket| bucket.evidence);
            let strongest = evidence.flatten().fold(f64::NEG_INFINITY, f64::max);
            (series.alerts.len(), strongest)
        })
        .collect();
    let chosen = chosen(&looks, most);
    report.left_out = left_out(&looks, &chosen);
    let mut at = 0..;
    report
        .series
        .retain(|_| at.next().is_some_and(|at| chosen.contains(&at)));
}

/// Places of the series that are drawn, in order: those with alerts before those without, the strongest evidence first.
fn chosen(looks: &[(usize, f64)], most: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..looks.len()).collect();
    order.sort_by(|&a, &b| {
        let key = |at: usize| (looks[at].0 > 0, looks[at].1);
        let ((a, strong), (b, stronger)) = (key(a), key(b));
        b.cmp(&a).then(stronger.total_cmp(&strong))
    });
    order.truncate(most);
    order.sort_unstable();
    order
}

fn left_out(looks: &[(usize, f64)], chosen: &[usize]) -> [usize; 2] {
    let out = |at: &usize| !chosen.contains(at);
    let with_alerts = (0..looks.len()).filter(|&at| out(&at) && looks[at].0 > 0);
    [looks.len() - chosen.len(), with_alerts.count()]
}

fn from_counts(
    args: &ReplayArgs,
    settings: &Settings,
) -> Result<(Report, Vec<Told>), CommandError> {
    if args.as_of.is_some() {
        return Err(CommandError::Usage(
            "--as-of is for scenarios; of a file of counts leave the later rows out".into(),
        ));
    }
    if args.file.extension().is_none() && !args.file.exists() {
        return Err(CommandError::Usage(format!(
            "there is no file {}, nor a replay of that name; there is: {}",
            args.file.display(),
            bundled_names()
        )));
    }
    let lens = args.lens.map_or(Lens::Day, Lens::from);
    let budget = args.budget.unwrap_or(BUDGET);
    let (detector, _) = detector(settings, lens, budget, &args.holidays)?;
    let all = counts(std::slice::from_ref(&args.file), &args.layout, lens)?;
    let stream = match args.layout.count_column.as_slice() {
        [only] => only.as_str(),
        _ => "count",
    };
    let bar = progress(all.len());
    let looks: Vec<Look> = all
        .par_iter()
        .map(|counts| {
            bar.inc(1);
            report::look(&detector, counts, stream)
        })
        .collect();
    bar.finish_and_clear();
    let ranks: Vec<(usize, f64)> = looks
        .iter()
        .map(|l| (l.alerts.len(), l.strongest))
        .collect();
    let chosen = chosen(&ranks, args.most);
    let drawn = chosen
        .par_iter()
        .map(|&at| report::series(&detector, &all[at], stream));
    let name = file_name(&args.file);
    let mut report = Report {
        title: format!("Counts of {name}"),
        notes: notes(&detector, budget),
        lens,
        has_published: false,
        incidents: Vec::new(),
        series: drawn.collect(),
        left_out: left_out(&ranks, &chosen),
    };
    let numbered = |s: &report::Series| {
        s.span()
            .is_some_and(|(from, _)| from.date() == NUMBERED_FROM)
    };
    if report.series.iter().any(numbered) {
        report.notes.push(
            "Where the file numbers its buckets, bucket 1 is drawn as Monday 1 January 2001."
                .into(),
        );
    }
    let names = all.iter().map(|counts| &counts.id);
    let told = names
        .zip(looks)
        .flat_map(|(name, look)| look.alerts.into_iter().map(|alert| (name.clone(), alert)))
        .collect();
    Ok((report, told))
}

/// How the counts were judged.
fn notes(detector: &Detector, budget: f64) -> Vec<String> {
    let lens = report::lens_name(detector.params.lens);
    let mut notes = vec![format!(
        "Judged with the {lens} lens and a budget of {budget} false alerts a year for each series. Alarms less than {APART} buckets apart are one alert."
    )];
    let adopt_after_days = match detector.params.lens {
        Lens::Hour => detector.params.adopt_after / 24,
        Lens::Day => detector.params.adopt_after,
        Lens::Week => detector.params.adopt_after * 7,
    };
    if adopt_after_days > 0 {
        notes.push(format!(
            "A level that has alarmed for {adopt_after_days} days is the new usual; evidence begins anew then."
        ));
    }
    notes
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
