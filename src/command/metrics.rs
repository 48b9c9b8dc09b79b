//! Owns `surgewatch metrics`: every metric family, as the daemon would export it.

use super::{CommandError, ConfigArgs, setup};

pub(super) fn metrics() -> Result<(), CommandError> {
    let settings = setup::settings(&ConfigArgs::default())?;
    // The others are registered with these.
    let (metrics, _region, _loops) = setup::metrics(&settings);
    for family in metrics.families() {
        super::say(&format!(
            "{:<48} {:<10} {}",
            family.name, family.kind, family.help
        ));
        if !family.labels.is_empty() {
            super::say(&format!("{:<48} labels: {}", "", family.labels.join(", ")));
        }
    }
    Ok(())
}
