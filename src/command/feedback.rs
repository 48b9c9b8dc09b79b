//! Owns `surgewatch feedback`: an operator's word on an alert goes into the arrivals topic, where the alert's crossing is.

use super::publish::Publisher;
use super::{CommandError, ConfigArgs, setup};
use crate::core::alert::Feedback;
use crate::wire::feedback::alert_name;
use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(super) struct FeedbackArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The alert's id, as fi-vartius.asylum.surge.2023-11-16.
    alert_id: String,
    /// What it is.
    #[arg(value_enum)]
    word: Word,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Word {
    /// Somebody has seen it.
    Acknowledged,
    /// It is what was expected to come.
    Known,
    /// It is part of an exercise.
    Exercise,
    /// There was nothing: the alert ends, and evidence begins anew.
    False,
    /// It is what will be usual from now on: the alert ends, and the level is learnt at once.
    NewUsual,
}

impl From<Word> for Feedback {
    fn from(word: Word) -> Self {
        match word {
            Word::Acknowledged => Self::Acknowledged,
            Word::Known => Self::Known,
            Word::Exercise => Self::Exercise,
            Word::False => Self::False,
            Word::NewUsual => Self::NewUsual,
        }
    }
}

/// Publishes the word. Whether the alert is open is known to the daemon, which answers in the alert's log or the dead letters.
pub(super) fn feedback(args: &FeedbackArgs) -> Result<(), CommandError> {
    let settings = setup::settings(&args.config)?;
    setup::start_logging(&settings);
    let network = settings.network();
    let watched = alert_name(&args.alert_id).filter(|name| {
        let crossing = network.crossing_ix(name.crossing);
        let stream = network.stream_ix(name.stream);
        crossing
            .zip(stream)
            .is_some_and(|(at, stream)| network.crossing(at).streams.contains(&stream))
    });
    let Some(name) = watched else {
        return Err(CommandError::Usage(format!(
            "`{}` is no alert of a watched crossing: copy the id from the alert, CROSSING.STREAM.DIRECTION.DATE as in fi-vartius.asylum.surge.2023-11-16",
            args.alert_id
        )));
    };
    let (word, now) = (Feedback::from(args.word).label(), jiff::Timestamp::now());
    let event = serde_json::json!({
        "type": "feedback",
        "id": format!("{}/{word}/{now}", args.alert_id),
        "time": now.to_string(),
        "alert_id": args.alert_id,
        "feedback": word,
    });
    let publisher = Publisher::new(&setup::broker(&settings)?, &settings.topics.arrivals)?;
    publisher.send(name.crossing, event.to_string().as_bytes(), None)?;
    publisher.flush()?;
    super::say(&format!(
        "said {word} of {} on {}; the alert's next transition tells of it, or a dead letter why not",
        args.alert_id, settings.topics.arrivals
    ));
    Ok(())
}
