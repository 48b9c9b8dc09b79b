//! Owns the state of one input partition: its watermark, the next offset, its crossings and the budget for bad records.

use super::crossing::{Context, CrossingState, Outcome};
use super::event::{Event, Kind, Reject};
use super::ids::{CrossingIx, NextOffset, Offset, Partition};
use super::intake::{BudgetSpent, Intake};
use super::network::Network;
use super::notice::DataStatus;
use super::output::{Output, Source};
use super::params::Params;
use super::tally::Tally;
use super::time::{EventTime, WallTime};

/// One record of the partition, decoded or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its offset.
    pub offset: Offset,
    /// Its own timestamp in Kafka.
    pub recorded: Option<WallTime>,
    /// The event, or why there is none.
    pub event: Result<Event, Reject>,
}

/// What the whole machine shares.
pub struct Shared<'a, 'b> {
    /// The border.
    pub network: &'a Network,
    /// Settings.
    pub params: &'a Params,
    /// Counters.
    pub tally: &'a mut Tally,
    /// Takes the outputs in order.
    pub out: &'a mut (dyn FnMut(Output) + 'b),
}

/// One partition.
#[derive(Debug, Clone)]
pub struct PartitionState {
    /// Which.
    pub number: Partition,
    /// No event before it is waited for, but for the lateness horizon.
    pub watermark: EventTime,
    /// The next record to read, once one was read.
    pub next: Option<NextOffset>,
    /// Budget for bad records.
    pub intake: Intake,
    crossings: Vec<Option<Box<CrossingState>>>,
    deadlines: Vec<EventTime>,
    touched: Vec<CrossingIx>,
    deadline: EventTime,
}

impl PartitionState {
    /// A partition of which nothing is known.
    #[must_use]
    pub fn new(number: Partition, network: &Network) -> Self {
        let count = network.crossings.len();
        Self {
            number,
            watermark: EventTime::MIN,
            next: None,
            intake: Intake::default(),
            crossings: vec![None; count],
            deadlines: vec![EventTime::MAX; count],
            touched: Vec::new(),
            deadline: EventTime::MAX,
        }
    }

    /// Handles one record.
    ///
    /// # Errors
    /// [`BudgetSpent`] when the record must not be put aside; nothing changed then and the record is to be read again.
    pub fn handle(&mut self, input: &Input, shared: &mut Shared) -> Result<Outcome, BudgetSpent> {
        let bad = input.event.as_ref().err().copied();
        self.intake.enter(bad, &shared.params.bad_records)?;
        self.next = Some(input.offset.next());
        shared.tally.consumed += 1;
        let outcome = match &input.event {
            Err(reason) => Outcome::Rejected(*reason),
            Ok(event) => self.apply(event, input, shared),
        };
        if let Outcome::Rejected(reason) = outcome {
            shared.tally.reject(reason);
        }
        Ok(outcome)
    }

    /// Time has passed without records in a partition that was read to its end.
    pub fn pass_time(&mut self, until: EventTime, shared: &mut Shared) {
        if self.watermark > EventTime::MIN {
            let source = Source {
                partition: self.number,
                offset: None,
                recorded: None,
            };
            self.advance(until, source, shared);
        }
    }

    /// The crossings with changes since the last call, in order of their first change.
    pub fn drain_touched(&mut self) -> Vec<CrossingIx> {
        std::mem::take(&mut self.touched)
    }

    /// A crossing's state, where one is kept.
    pub fn crossing_mut(&mut self, ix: CrossingIx) -> Option<&mut CrossingState> {
        self.crossings[usize::from(ix.0)].as_deref_mut()
    }

    /// The states that are kept, in the order of the network.
    pub fn crossings(&self) -> impl Iterator<Item = &CrossingState> {
        self.crossings.iter().filter_map(|c| c.as_deref())
    }

    /// Puts a new or restored crossing in its place.
    pub fn place(&mut self, state: CrossingState, params: &Params) {
        let at = usize::from(state.ix.0);
        if is_dirty(&state) {
            self.touched.push(state.ix);
        }
        self.deadlines[at] = state.deadline(params);
        self.deadline = self.deadline.min(self.deadlines[at]);
        self.crossings[at] = Some(Box::new(state));
    }

    fn apply(&mut self, event: &Event, input: &Input, shared: &mut Shared) -> Outcome {
        // A word on an alert holds from when it is read on: the clock of whoever says it moves nothing.
        let is_word = matches!(event.kind, Kind::Feedback { .. });
        if is_word && self.crossings[usize::from(event.crossing.0)].is_none() {
            return Outcome::Rejected(Reject::UnknownAlert);
        }
        if !is_word && event.time < self.watermark.plus_ms(-shared.params.lateness_horizon_ms) {
            return Outcome::Rejected(Reject::TooLate);
        }
        let source = Source {
            partition: self.number,
            offset: Some(input.offset),
            recorded: input.recorded,
        };
        // A status may say what will be: the clock goes by what has come.
        let is_announced =
            matches!(event.kind, Kind::Status { .. }) && self.watermark > EventTime::MIN;
        if !is_word && !is_announced {
            self.advance(event.time, source, shared);
        }
        let at = usize::from(event.crossing.0);
        if self.crossings[at].is_none() {
            let state = CrossingState::new(
                event.crossing,
                event.time,
                shared.network,
                shared.params,
                self.watermark,
            );
            self.place(state, shared.params);
        }
        let crossing = self.crossings[at]
            .as_deref_mut()
            .expect("a crossing was just made sure of");
        let was_dirty = is_dirty(crossing);
        let outcome = crossing.handle(event, &mut context(self.watermark, source, shared));
        if !was_dirty && is_dirty(crossing) {
            self.touched.push(event.crossing);
        }
        // What was said of its feed may be what its buckets waited for.
        let due = crossing.deadline(shared.params);
        self.deadlines[at] = self.deadlines[at].min(due);
        self.deadline = self.deadline.min(due);
        self.advance(self.watermark, source, shared);
        outcome
    }

    /// Moves the watermark, stopping at every moment at which something is due, so that a leap gives what steps give.
    fn advance(&mut self, until: EventTime, source: Source, shared: &mut Shared) {
        while self.deadline <= until {
            self.watermark = self.watermark.max(self.deadline);
            self.deadline = EventTime::MAX;
            for at in 0..self.crossings.len() {
                if self.deadlines[at] <= self.watermark {
                    let crossing = self.crossings[at]
                        .as_deref_mut()
                        .expect("only kept crossings have deadlines");
                    let was_dirty = is_dirty(crossing);
                    crossing.advance(&mut context(self.watermark, source, shared));
                    if !was_dirty && is_dirty(crossing) {
                        self.touched.push(crossing.ix);
                    }
                    self.deadlines[at] = crossing.deadline(shared.params);
                }
                self.deadline = self.deadline.min(self.deadlines[at]);
            }
        }
        self.watermark = self.watermark.max(until);
    }
}

fn is_dirty(crossing: &CrossingState) -> bool {
    crossing.counts_dirty || crossing.tracks_dirty || crossing.seen.is_dirty()
}

fn context<'a, 'b>(
    watermark: EventTime,
    source: Source,
    shared: &'a mut Shared<'_, 'b>,
) -> Context<'a, 'b> {
    Context {
        network: shared.network,
        params: shared.params,
        watermark,
        source,
        data: DataStatus::Complete,
        unheard_since: None,
        tally: shared.tally,
        out: shared.out,
    }
}
