//! Owns `surgewatch episodes`: variants, bundled replays and files of counts are spread over the cores, and tables say what was said of them.

use super::counts::{LayoutArgs, counts};
use super::publish::progress;
use super::{CommandError, ConfigArgs, say, setup};
use crate::config::Settings;
use crate::core::event::Event;
use crate::core::lens::Lens;
use crate::core::network::Network;
use crate::core::params::Params;
use crate::core::time::WallTime;
use crate::replay::{self, Replay};
use crate::report::EpisodeError;
use crate::trial::{self, ASKED_DAYS, Answer, Bench, CORRIDOR, Counted, Lived, Report, Tally};
use crate::variants::{Kind, Variant};
use crate::wire::decode::{self, Limits, Record};
use clap::Args;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct EpisodesArgs {
    /// Files of real daily counts (CSV, gzipped or not, with the columns `surgewatch backtest` reads): projections are held
    /// against what came.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Variants of each kind; 0 leaves them out.
    #[arg(long, value_name = "NUMBER", default_value_t = 500)]
    variants: u64,
    /// Seed of the first variant of each kind.
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000)]
    first_seed: u64,
    /// Leaves the bundled replays out.
    #[arg(long)]
    no_replays: bool,
    /// All sums as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    layout: LayoutArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn episodes(args: &EpisodesArgs) -> Result<(), CommandError> {
    if args.variants == 0 && args.no_replays && args.files.is_empty() {
        return Err(CommandError::Usage(
            "--variants 0 and --no-replays leave nothing to try: give a file of counts, or leave one of the two out".into(),
        ));
    }
    let settings = setup::settings(&args.config)?;
    let params = |network: &Network| params(&settings, network);
    let bench = Bench {
        families: settings.families(),
        params: &params,
    };
    // What cannot be read is told before the minutes of the variants.
    let counted = counted(&bench, args)?;
    let tally = variants(&bench, args);
    let replays = if args.no_replays {
        Vec::new()
    } else {
        replays(&settings)?
    };
    let is_quiet = |name: &&&str| replays.iter().all(|lived| lived.replay != **name);
    let quiet = replay::bundled().iter().map(|(name, _)| name);
    let quiet = quiet.filter(|_| !args.no_replays).filter(is_quiet);
    let report = Report {
        quiet: quiet.map(|name| (*name).to_owned()).collect(),
        variants: args.variants,
        first_seed: args.first_seed,
        tally,
        replays,
        counted,
    };
    if args.json {
        say(&serde_json::to_string(&report).expect("sums are always JSON"));
    } else {
        say(&trial::text(&report));
    }
    Ok(())
}

/// The daemon's settings for another network, each of whose series has the budget that a series of the daemon's has.
pub(super) fn params(settings: &Settings, network: &Network) -> Params {
    let share = network.series_count() as f64 / settings.network().series_count().max(1) as f64;
    let params = setup::params(settings, network, share);
    let first = settings.corridors().first();
    let holidays = first.map(|corridor| (CORRIDOR.to_owned(), corridor.holidays.clone()));
    params.with_holidays(holidays.into_iter().collect())
}

fn variants(bench: &Bench<'_>, args: &EpisodesArgs) -> Tally {
    let seeds = args.first_seed..args.first_seed.saturating_add(args.variants);
    let each = |kind: Kind| seeds.clone().map(move |seed| (kind, seed));
    let all: Vec<(Kind, u64)> = Kind::ALL.into_iter().flat_map(each).collect();
    let bar = progress(all.len());
    let answers: Vec<Vec<Answer>> = all
        .par_iter()
        .map(|(kind, seed)| {
            let answers = trial::answers(bench, &Variant::generate(*kind, *seed));
            bar.inc(1);
            answers
        })
        .collect();
    bar.finish_and_clear();
    let mut tally = Tally::new(bench.families);
    for ((kind, _), answers) in all.iter().zip(answers) {
        for (asked, answer) in answers.iter().enumerate().take(ASKED_DAYS.len()) {
            tally.add(*kind, asked, answer);
        }
    }
    tally
}

fn replays(settings: &Settings) -> Result<Vec<Lived>, CommandError> {
    let (engine, limits) = (setup::engine(settings), setup::limits(settings));
    let watched = (engine.network(), engine.params());
    let each = replay::bundled().par_iter().map(|(name, text)| {
        let replay = replay::load(text)?.expand();
        let sent = decoded(&replay, watched.0, &limits)?;
        trial::replayed(name, watched, &sent).map_err(|spent| EpisodeError::from(spent).into())
    });
    let lived: Result<Vec<Vec<Lived>>, CommandError> = each.collect();
    Ok(lived?.concat())
}

fn decoded(
    replay: &Replay,
    network: &Network,
    limits: &Limits,
) -> Result<Vec<Event>, EpisodeError> {
    let events = replay.events.iter().map(|event| {
        let record = Record {
            value: Some(event.json.as_bytes()),
            headers: &[],
            timestamp: Some(WallTime(event.time.0)),
        };
        decode::decode(&record, network, limits).map_err(|source| EpisodeError::Event {
            id: event.id.clone(),
            source,
        })
    });
    events.collect()
}

fn counted(
    bench: &Bench<'_>,
    args: &EpisodesArgs,
) -> Result<BTreeMap<String, Counted>, CommandError> {
    let all = counts(&args.files, &args.layout, Lens::Day)?;
    let bar = progress(all.len());
    let each = all.par_iter().map(|series| {
        let counted = trial::counted(bench, series);
        bar.inc(1);
        (series.id.clone(), counted)
    });
    let counted = each.collect();
    bar.finish_and_clear();
    Ok(counted)
}
