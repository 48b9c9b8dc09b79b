//! Owns two crossings that are read hour by hour, with heartbeats, arrivals and statuses, for the tests of feeds and of gates.

use super::random;
use std::sync::Arc;
use surgewatch::core::alert::{Direction, Transition};
use surgewatch::core::engine::Engine;
use surgewatch::core::event::{GateState, Kind};
use surgewatch::core::ids::{CrossingIx, Partition, StreamIx};
use surgewatch::core::lens::Lens;
use surgewatch::core::network::Network;
use surgewatch::core::notice::{DataStatus, NoticeKind};
use surgewatch::core::output::Output;
use surgewatch::core::time::HOUR_MS;

/// 14 November 2023, 00:00 in Helsinki.
pub(crate) const START_MS: i64 = 1_699_912_800_000;
/// Days before anything happens, of 12 to 24 arrivals.
pub(crate) const USUAL_DAYS: i64 = 60;

/// Two crossings of one partition, hour by hour, and what the machine says of them.
pub(crate) struct Border {
    pub(crate) engine: Engine,
    offset: i64,
    pub(crate) outputs: Vec<Output>,
}

impl Border {
    pub(crate) fn new() -> Self {
        Self::of(random::network())
    }

    pub(crate) fn of(network: Network) -> Self {
        let network = Arc::new(network);
        let params = super::params(&network);
        let mut engine = Engine::new(network, params, 1);
        engine.assign(Partition(0), []).expect("nothing to read");
        Self {
            engine,
            offset: 0,
            outputs: Vec::new(),
        }
    }

    /// Two crossings of one partition with usual days behind them, and the moment they end.
    pub(crate) fn usual() -> (Self, i64) {
        let mut border = Self::new();
        for hour in 0..USUAL_DAYS * 24 {
            border.hour(hour, true, 1);
        }
        border.outputs.clear();
        (border, USUAL_DAYS * 24)
    }

    pub(crate) fn send(&mut self, crossing: u16, time: i64, kind: Kind) {
        let input = super::input(
            self.offset,
            crossing,
            time,
            &format!("e-{}", self.offset),
            kind,
        );
        self.offset += 1;
        let outputs = &mut self.outputs;
        self.engine
            .handle(Partition(0), &input, &mut |output| outputs.push(output))
            .expect("no bad records");
    }

    /// One hour: a heartbeat of both crossings, the first one's where its feed lives, and on half of the hours arrivals at it.
    pub(crate) fn hour(&mut self, hour: i64, is_alive: bool, arrivals: u32) {
        let time = START_MS + hour * HOUR_MS;
        if is_alive {
            self.send(0, time, Kind::Heartbeat);
        }
        if is_alive && arrivals > 0 && hour % 2 == 0 {
            let count = arrivals * (1 + u32::from(hour % 6 == 0));
            let stream = StreamIx(0);
            self.send(0, time + HOUR_MS / 2, Kind::Arrival { stream, count });
        }
        self.send(3, time + HOUR_MS - 1, Kind::Heartbeat);
    }

    pub(crate) fn alerts(&self) -> Vec<(Direction, Transition, DataStatus)> {
        let alerts = self.outputs.iter().filter_map(|output| match output {
            Output::Alert {
                alert,
                transition,
                data,
                ..
            } => Some((alert.direction, *transition, *data)),
            _ => None,
        });
        alerts.collect()
    }

    /// What notices say first, and whether they are over.
    pub(crate) fn notices(&self) -> Vec<(NoticeKind, i64, bool)> {
        let notices = self.outputs.iter().filter_map(|output| match output {
            Output::Notice {
                crossing: CrossingIx(0),
                notice,
                ..
            } if !notice.is_again => Some((notice.kind, notice.since.0, notice.is_over)),
            _ => None,
        });
        notices.collect()
    }

    pub(crate) fn opened(&self, direction: Direction) -> bool {
        let alerts = self.alerts();
        alerts
            .iter()
            .any(|(d, t, _)| *d == direction && *t == Transition::Opened)
    }

    pub(crate) fn arrive(&mut self, crossing: u16, hour: i64, count: u32) {
        let time = START_MS + hour * HOUR_MS + HOUR_MS / 4;
        let stream = StreamIx(0);
        self.send(crossing, time, Kind::Arrival { stream, count });
    }

    /// Arrivals that were judged and those that were not, of the day of a crossing that begins at an hour.
    pub(crate) fn counted(&self, at: u16, hour: i64) -> Option<(u64, u32)> {
        let of_day = |output: &Output| match output {
            Output::Count {
                crossing, reading, ..
            } if crossing.0 == at
                && reading.lens == Lens::Day
                && reading.start.0 == START_MS + hour * HOUR_MS =>
            {
                Some((reading.observed, reading.while_closed))
            }
            _ => None,
        };
        self.outputs.iter().rev().find_map(of_day)
    }

    pub(crate) fn set(&mut self, hour: i64, state: GateState) {
        let time = START_MS + hour * HOUR_MS;
        self.send(0, time, Kind::Status { state, until: None });
    }

    /// Closed for ten days from an hour on, and open again; returns the hour of that.
    pub(crate) fn is_shut_for_ten_days(&mut self, from: i64) -> i64 {
        self.set(from, GateState::Closed);
        for hour in from..from + 10 * 24 {
            self.hour(hour, true, 0);
        }
        self.outputs.clear();
        self.set(from + 10 * 24, GateState::Open);
        from + 10 * 24
    }
}
