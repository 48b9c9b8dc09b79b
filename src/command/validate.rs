//! Owns `surgewatch validate`: the configuration is read and checked as `run` would, and nothing is started.

use super::{CommandError, ConfigArgs, setup};
use crate::shell::error::ShellError;

pub(super) fn validate(args: &ConfigArgs) -> Result<(), CommandError> {
    let settings = setup::settings(args)?;
    // librdkafka reads certificates and weighs properties against each other only as it makes a client; nothing is asked of a broker.
    setup::broker(&settings)?
        .reader("read_committed")
        .map_err(|source| ShellError::Client { source })?;
    let network = settings.network();
    let corridors = settings.corridors().len();
    super::say(&format!(
        "the configuration is good: {} crossings in {corridors} {}, {} series, {} false alerts accepted a year, {} episodes to compare with, settings {}, {} in records of incidents",
        network.crossings.len(),
        if corridors == 1 {
            "corridor"
        } else {
            "corridors"
        },
        network.series_count(),
        settings.detection.false_alerts_per_year,
        settings.families().families.len(),
        settings.fingerprint(),
        settings.region_fingerprint()
    ));
    Ok(())
}
