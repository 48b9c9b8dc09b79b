//! Owns the way of a replay through the machine: events go in, and at the end of each day somebody looks at what the daemon knows.

use crate::core::calendar::{DaySpan, local};
use crate::core::engine::Engine;
use crate::core::event::Event;
use crate::core::ids::{Offset, Partition};
use crate::core::intake::BudgetSpent;
use crate::core::network::Network;
use crate::core::params::Params;
use crate::core::partition::Input;
use crate::core::region::displacement::Day;
use crate::core::region::{Region, RegionState};
use crate::core::time::WallTime;
use std::sync::Arc;

/// The one partition that all crossings are in.
const PARTITION: Partition = Partition(0);

/// Lets events, in order of time, go through a fresh machine and its incidents, as in the daemon. `look` is called for each
/// civil day of the first crossing that is over and closed, with all that is known then and nothing of what comes.
pub(super) fn play(
    network: &Arc<Network>,
    params: &Params,
    events: &[Event],
    mut look: impl FnMut(Day, &Region),
) -> Result<(), BudgetSpent> {
    let Some(first) = events.first() else {
        return Ok(());
    };
    let mut engine = Engine::new(network.clone(), params.clone(), 0);
    engine
        .assign(PARTITION, [])
        .expect("an empty changelog can be read");
    let mut region = Region::new(network.clone(), params.clone(), RegionState::default());
    let tz = &network.crossing(first.crossing).tz;
    let mut today = DaySpan::holding(tz, first.time);
    // A day of a followed feed closes once it is known whether the feed lived to its end; longer, and the days after it would show.
    let known_after_ms = params.close_after_ms + params.blind_after_ms;
    let mut close = |engine: &mut Engine, region: &mut Region, today: &mut DaySpan| {
        let closed = today.end.plus_ms(known_after_ms);
        engine.pass_time(PARTITION, closed, &mut |output| {
            region.take(&output);
        });
        look(Day::of(&local(tz, today.start)), region);
        *today = today.next(tz);
    };
    for (offset, event) in (0..).map(Offset).zip(events) {
        while event.time >= today.end.plus_ms(known_after_ms) {
            close(&mut engine, &mut region, &mut today);
        }
        let input = Input {
            offset,
            recorded: Some(WallTime(event.time.0)),
            event: Ok(event.clone()),
        };
        engine.handle(PARTITION, &input, &mut |output| {
            region.take(&output);
        })?;
    }
    close(&mut engine, &mut region, &mut today);
    Ok(())
}
