//! Owns the way of a border's days through the day lens: what is usual, which alerts are open, which incidents they make. The
//! hour lens is left out: nobody asks before a day is over.

use crate::core::alert::{Alert, Direction, Reading, Severity, Transition};
use crate::core::calendar::DaySpan;
use crate::core::episode::Families;
use crate::core::event::GateState;
use crate::core::ids::{CrossingIx, Partition, StreamIx};
use crate::core::lens::{Lens, LensParams, LensState, Slot};
use crate::core::network::{Crossing, Network};
use crate::core::notice::DataStatus;
use crate::core::output::{Output, Source};
use crate::core::params::Params;
use crate::core::region::{Region, RegionState};
use crate::core::series::{is_evidence_low, prior};
use crate::core::standing::{Ended, Reset, Standings};
use crate::core::time::EventTime;
use crate::variants::{Border, Day, State};
use jiff::tz::TimeZone;
use std::sync::Arc;

/// The stream that is counted.
const STREAM: StreamIx = StreamIx(0);
/// The corridor that all crossings are on.
pub const CORRIDOR: &str = "simulated";
/// Place of the day among the lenses of a series.
const DAY: usize = 0;

/// A border as the machine knows one: its crossings in a row, each beside the next, open round the clock.
#[must_use]
pub fn network(border: &Border) -> Network {
    let crossings = border.crossings.len() as u16;
    let place = |at: u16| Crossing {
        id: format!("simulated-{}", at + 1),
        name: format!("Simulated {}", at + 1),
        country: border.crossings[usize::from(at)].country.to_owned(),
        corridor: CORRIDOR.to_owned(),
        order: at + 1,
        neighbours: [at.checked_sub(1), Some(at + 1).filter(|n| *n < crossings)]
            .into_iter()
            .flatten()
            .map(CrossingIx)
            .collect(),
        tz: TimeZone::UTC,
        hours: None,
        message_within_ms: None,
        streams: vec![STREAM],
    };
    Network::new((0..crossings).map(place).collect(), vec!["asylum".into()])
}

/// Lets the first `days` days of a border pass. At the end of each that is `asked` about, by its place from 0, `look` is
/// called with all that is known then. Incidents are held against families on those days only: it is what costs, and no day
/// needs what was said of another.
pub(super) fn watch(
    border: &Border,
    params: &Params,
    days: usize,
    asked: impl Fn(usize) -> bool,
    mut look: impl FnMut(usize, &Region),
) {
    let network = Arc::new(network(border));
    let silent = params.clone().with_families(Families::default());
    let mut region = Region::new(network.clone(), silent, RegionState::default());
    pass(border, &network, params, days, |row, outputs| {
        let mut told = asked(row)
            .then(|| Region::new(network.clone(), params.clone(), region.state().clone()));
        for output in outputs {
            region.take(output);
            if let Some(told) = &mut told {
                told.take(output);
            }
        }
        if let Some(told) = &told {
            look(row, told);
        }
    });
}

/// Lets the first `days` days of a border pass; `day` is called with the place of each, from 0, and what its end puts out.
pub fn pass(
    border: &Border,
    network: &Network,
    params: &Params,
    days: usize,
    mut day: impl FnMut(usize, &[Output]),
) {
    let mut series: Vec<Series> = (0..border.crossings.len() as u16)
        .map(|at| Series::new(CrossingIx(at), network, params))
        .collect();
    for row in 0..days.min(border.len()) {
        let span = DaySpan::of(&TimeZone::UTC, border.date(row));
        let class = params.day_class(CORRIDOR, span.date);
        let slot = Slot {
            special_log_variance: class.log_variance(),
            ..span.slot()
        };
        let each = series.iter_mut().zip(&border.crossings);
        let outputs: Vec<Output> = each
            .flat_map(|(series, crossing)| series.close(&span, slot, crossing.days[row]))
            .collect();
        day(row, &outputs);
    }
}

/// One crossing's way through the day lens.
struct Series<'a> {
    crossing: CrossingIx,
    lens: &'a LensParams,
    model: LensState,
    /// End of the last day whose evidence was low, by direction.
    high_since: [EventTime; 2],
    standings: Standings,
    resets: Vec<Reset>,
    alerts: [Option<Alert>; 2],
}

impl<'a> Series<'a> {
    fn new(crossing: CrossingIx, network: &Network, params: &'a Params) -> Self {
        let class = params.weight_class(&network.crossing(crossing).id, STREAM);
        let lens = &params.lenses_of(class)[DAY];
        Self {
            crossing,
            lens,
            model: LensState::new(lens, prior(Lens::Day)),
            high_since: [EventTime::MIN; 2],
            standings: Standings::default(),
            resets: Vec::new(),
            alerts: [None; 2],
        }
    }

    /// A day is over. What is put out is in the order of the daemon: the count, then what became of alerts.
    fn close(&mut self, span: &DaySpan, slot: Slot, day: Day) -> Vec<Output> {
        for reset in self.resets.iter().filter(|reset| reset.at == span.start) {
            self.model
                .dismiss(self.lens, slot, reset.direction, reset.why);
            self.high_since = [span.start; 2];
        }
        let exposure = if day.state == State::Open { 1.0 } else { 0.0 };
        let count = u64::from(day.count);
        let outlook = self.model.close(self.lens, slot, exposure, count);
        let evidence = [
            self.model.log_evidence_rise(),
            self.model.log_evidence_drop(),
        ];
        let low = is_evidence_low(evidence, self.lens, outlook.as_ref());
        for (since, is_low) in self.high_since.iter_mut().zip(low) {
            if is_low {
                *since = span.end;
            }
        }
        let is = |state: State| if day.state == state { 1.0 } else { 0.0 };
        let reading = Reading {
            lens: Lens::Day,
            start: span.start,
            end: span.end,
            observed: count,
            while_closed: 0,
            expected: outlook.as_ref().map_or(0.0, |outlook| outlook.usual()),
            // Nothing here looks at quantiles and tails.
            lower: 0,
            upper: 0,
            ln_tails: [None; 2],
            exposure,
            closed_ratio: is(State::Closed),
            blind_ratio: is(State::Blind),
            log_evidence_rise: evidence[0],
            log_evidence_drop: evidence[1],
            p_surge: self.model.p_surge(),
            p_drop: self.model.p_drop(),
        };
        let ended = Ended {
            reading,
            high_since: self.high_since,
            // Nothing here looks at severities.
            run_severity: [Severity::Minor; 2],
            adopts: exposure > 0.0 && self.model.has_just_adopted(self.lens),
            // What is usual is not asked for here.
            is_learnt_whole: false,
        };
        self.standings.close(&ended, self.lens, &mut self.resets);
        let mut outputs = vec![self.count(reading)];
        outputs.extend(
            Direction::ALL
                .into_iter()
                .filter_map(|d| self.tell(d, reading)),
        );
        outputs
    }

    fn count(&self, reading: Reading) -> Output {
        Output::Count {
            crossing: self.crossing,
            stream: STREAM,
            reading,
            revision: 0,
            gate: GateState::Open,
            as_of: reading.end,
            source: SOURCE,
        }
    }

    /// An alert that opened or ended with a day.
    fn tell(&mut self, direction: Direction, reading: Reading) -> Option<Output> {
        let at = direction as usize;
        let (alert, transition) = match (self.alerts[at], self.standings.open[at]) {
            (None, Some(standing)) => {
                let decided = (standing.decided_by, standing.decided);
                let alert = Alert::open(direction, standing.onset, standing.severity, decided);
                self.alerts[at] = Some(alert);
                (alert, Transition::Opened)
            }
            (Some(mut alert), None) => {
                self.alerts[at] = None;
                let transition = alert.end(self.standings.ended[at]);
                (alert, transition)
            }
            _ => return None,
        };
        Some(Output::Alert {
            crossing: self.crossing,
            stream: STREAM,
            alert,
            transition,
            reading,
            run: None,
            closed: true,
            data: DataStatus::Complete,
            usual_for_days: None,
            before: None,
            as_of: reading.end,
            source: SOURCE,
        })
    }
}

/// No record decides anything here.
const SOURCE: Source = Source {
    partition: Partition(0),
    offset: None,
    recorded: None,
};
