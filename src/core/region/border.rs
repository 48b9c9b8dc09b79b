//! Owns what a region knows of its border besides its state: neighbours and groups, and what the end of a day does to a stream.

use super::days::{Front, KeptDay};
use super::displacement::{Day, DayFlow, Hops};
use super::groups::{
    self, DayOf, Group, GroupIx, GroupState, GroupTally, Judgement, KNOWN_DAYS, span_of,
};
use crate::core::alert::Transition;
use crate::core::ids::{CrossingIx, StreamIx};
use crate::core::network::Network;
use crate::core::params::Params;
use crate::core::time::HOUR_MS;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The border.
#[derive(Debug, Clone)]
pub(super) struct Border {
    pub(super) network: Arc<Network>,
    pub(super) params: Params,
    pub(super) hops: Hops,
    pub(super) groups: Vec<Group>,
}

impl Border {
    pub(super) fn new(network: Arc<Network>, params: Params) -> Self {
        Self {
            hops: Hops::of(&network),
            groups: groups::of(&network),
            network,
            params,
        }
    }

    /// Days that are over and may still be counted anew, the newest: a day of a crossing settles that long after its end, and days
    /// end at different hours along a border.
    pub(super) fn kept_days(&self) -> usize {
        let settle_days = self.params.settle_after_ms() / (24 * HOUR_MS);
        usize::try_from(settle_days).unwrap_or(0) + 2
    }

    /// A day is over everywhere: its flow moves on, its groups are judged, and what was told of crossings since is left out of them.
    pub(super) fn step(
        &self,
        front: &mut Front,
        stream: StreamIx,
        kept: &mut KeptDay,
        tally: &mut GroupTally,
    ) {
        for (&crossing, closed) in &kept.closed {
            if closed.begins_anew {
                front.known_days.remove(&crossing);
                front.displacement.forget(crossing);
            } else if closed.flow.open_ratio > 0.0 {
                let known = front.known_days.entry(crossing).or_insert(0);
                *known = (*known + 1).min(KNOWN_DAYS);
            }
        }
        let flows = kept.flows();
        kept.displaced = front.displacement.step(kept.day, &flows, &self.hops);
        kept.judgements = self.judge_groups(front, stream, kept, &flows, tally);
        for &(crossing, today) in &kept.told_since {
            self.begin_anew(front, stream, crossing, today);
        }
    }

    /// An alert of a crossing tells of what groups of it hold: they begin their evidence anew, but for those that raise an alert.
    pub(super) fn begin_anew(
        &self,
        front: &mut Front,
        stream: StreamIx,
        crossing: CrossingIx,
        today: Day,
    ) {
        for (ix, own) in &mut front.groups {
            let group = &self.groups[usize::from(ix.0)];
            if group.stream == stream && group.members.contains(&crossing) && !own.is_told() {
                own.begin_anew(&span_of(&self.network, group, today));
            }
        }
    }

    /// Judges the groups of a stream, the narrowest first, by the crossings that raise no alert of their own and belong to no
    /// narrower group that does.
    fn judge_groups(
        &self,
        front: &mut Front,
        stream: StreamIx,
        kept: &KeptDay,
        flows: &BTreeMap<CrossingIx, DayFlow>,
        tally: &mut GroupTally,
    ) -> Vec<(GroupIx, Judgement)> {
        let special = |at: CrossingIx| {
            let corridor = &self.network.crossing(at).corridor;
            let class = self.params.day_class(corridor, kept.day.date());
            class.log_variance()
        };
        let day = DayOf {
            flows,
            displaced: &kept.displaced,
            known_days: &front.known_days,
            special: &special,
        };
        let mut judgements = Vec::new();
        for (at, group) in (0..).map(GroupIx).zip(&self.groups) {
            if group.stream != stream {
                continue;
            }
            let narrower = |(ix, other): &(GroupIx, &Group)| {
                *ix < at && other.stream == stream && other.members.is_subset(&group.members)
            };
            let narrower = (0..).map(GroupIx).zip(&self.groups).filter(narrower);
            let mut known: BTreeSet<CrossingIx> = kept.told.clone();
            let mut is_spoken_for = false;
            for (ix, other) in narrower {
                if front.groups.get(&ix).is_some_and(GroupState::is_told) {
                    known.extend(&other.members);
                    let opened = |(of, j): &(GroupIx, Judgement)| {
                        *of == ix && j.transition == Transition::Opened
                    };
                    is_spoken_for |= judgements.iter().any(opened);
                }
            }
            let span = span_of(&self.network, group, kept.day);
            let lens = &self.params.groups;
            let own = front.groups.entry(at);
            let own = own.or_insert_with(|| GroupState::new(lens, &span));
            if is_spoken_for && !own.is_told() {
                own.begin_anew(&span);
            }
            let sum = group.sum(&day, &known);
            let judged = own.step(lens, &span, &sum, !is_spoken_for, tally);
            judgements.extend(judged.into_iter().map(|j| (at, j)));
        }
        judgements
    }
}
