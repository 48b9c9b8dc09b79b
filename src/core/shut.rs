//! Owns what is told of arrivals at a crossing that is closed: the first of each closure and night, and again at ten, a hundred and
//! so on, and taken back where it was open after all.

use super::crossing::{Context, CrossingState};
use super::event::GateState;
use super::exposure::GateTimeline;
use super::notice::{Notice, NoticeKind, Shut, ShutBy};
use super::seen::Arrival;
use super::time::EventTime;
use serde::{Deserialize, Serialize};

/// Arrivals while a crossing was shut, of which a notice tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldClosed {
    /// From when it was shut, as told.
    since: EventTime,
    /// The newest of them.
    newest: EventTime,
    /// What there is to tell.
    shut: Shut,
}

/// Digits of a number beyond the first.
fn tens(number: u32) -> u32 {
    number.checked_ilog10().unwrap_or(0)
}

impl CrossingState {
    /// Arrivals while the crossing is shut are told of, and again once they are ten, a hundred and so on, until it opens or is closed anew.
    /// `count` came at `time`.
    pub(super) fn tell_closed(&mut self, time: EventTime, count: u32, cx: &mut Context) {
        let crossing = cx.network.crossing(self.ix);
        let Some(since) = self.gate.shut_since(crossing, time) else {
            return;
        };
        if let Some(mut told) = self.told_closed.filter(|told| since <= told.newest) {
            told.newest = told.newest.max(time);
            let before = told.shut.arrivals;
            told.shut.arrivals = before.saturating_add(count);
            if tens(before) < tens(told.shut.arrivals) {
                self.notify_closed(told.since, told.shut, (false, true), cx);
            }
            self.told_closed = Some(told);
            return;
        }
        let of_it = |arrival: &&Arrival| {
            since <= arrival.time && self.gate.shut_since(crossing, arrival.time) == Some(since)
        };
        let counts = self.seen.arrivals().filter(of_it).map(|a| a.count);
        let shut = Shut {
            arrivals: counts.fold(0, u32::saturating_add),
            by: match self.gate.state_at(time) {
                GateState::Closed => ShutBy::Status,
                GateState::Open | GateState::Restricted => ShutBy::Hours,
            },
        };
        self.told_closed = Some(ToldClosed {
            since,
            newest: time,
            shut,
        });
        self.notify_closed(since, shut, (false, false), cx);
    }

    /// A status that was read late says that the crossing was open after all when they came.
    pub(super) fn take_closed_back(&mut self, before: &GateTimeline, cx: &mut Context) {
        let crossing = cx.network.crossing(self.ix);
        let Some(told) = self.told_closed else {
            return;
        };
        let is_shut = |time| self.gate.is_shut(crossing, time);
        if is_shut(told.newest) || !before.is_shut(crossing, told.newest) {
            return;
        }
        let times = self.seen.arrivals().map(|arrival| arrival.time);
        let of_it = times.filter(|at| told.since <= *at && *at <= told.newest);
        let newest = of_it.filter(|at| is_shut(*at)).max();
        self.told_closed = newest.map(|newest| ToldClosed { newest, ..told });
        if newest.is_none() {
            self.notify_closed(told.since, told.shut, (true, false), cx);
        }
    }

    fn notify_closed(
        &self,
        since: EventTime,
        shut: Shut,
        (is_over, is_again): (bool, bool),
        cx: &mut Context,
    ) {
        let notice = Notice {
            kind: NoticeKind::ArrivalsWhileClosed,
            since,
            is_over,
            is_again,
            shut: Some(shut),
        };
        self.notify(notice, cx);
    }
}
