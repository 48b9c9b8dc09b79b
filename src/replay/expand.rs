//! Owns the draw: turns a scenario into events, the same ones each time, with integers and ratios only.

use super::draw::{self, Drawn, Parties};
use super::plan;
use super::scenario::{Change, Figure, Gap, Place, Scenario, StatusChange};
use super::{Expectation, Replay, ReplayEvent};
use crate::core::time::EventTime;
use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Zoned};
use serde::Serialize;
use std::collections::BTreeMap;

/// An event before it has an id.
struct Draft<'a> {
    time: Zoned,
    place: &'a Place,
    kind: DraftKind<'a>,
}

/// What the event will say.
#[derive(Clone, Copy)]
enum DraftKind<'a> {
    Arrival { stream: &'a str, count: u32 },
    Heartbeat,
    Status(&'a StatusChange),
}

/// The plain JSON of an event.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Body<'a> {
    Arrival {
        id: &'a str,
        crossing: &'a str,
        time: String,
        stream: &'a str,
        count: u32,
    },
    Heartbeat {
        id: &'a str,
        crossing: &'a str,
        time: String,
    },
    Status {
        id: &'a str,
        crossing: &'a str,
        time: String,
        state: Change,
        until: Option<String>,
        reason: &'a str,
    },
}

impl DraftKind<'_> {
    fn name(self) -> &'static str {
        match self {
            Self::Arrival { .. } => "arrival",
            Self::Heartbeat => "heartbeat",
            Self::Status(_) => "status",
        }
    }
}

impl Scenario {
    /// Draws the events: every figure is met exactly, and the same file gives the same bytes.
    #[must_use]
    pub fn expand(&self) -> Replay {
        let mut drafts = Vec::new();
        for figure in &self.figures {
            self.draw_figure(figure, &mut drafts);
        }
        self.add_statuses(&mut drafts);
        self.add_heartbeats(&mut drafts);
        drafts.sort_by(|a, b| {
            let key = |d: &Draft<'_>| (d.time.timestamp(), d.kind.name());
            key(a)
                .cmp(&key(b))
                .then_with(|| a.place.id.cmp(&b.place.id))
        });
        let mut numbers = BTreeMap::new();
        let mut events: Vec<ReplayEvent> =
            drafts.iter().map(|d| self.event(d, &mut numbers)).collect();
        events.sort_by(|a, b| (a.time, &a.crossing, &a.id).cmp(&(b.time, &b.crossing, &b.id)));
        let (start, end) = self.span();
        Replay {
            id: self.id.clone(),
            title: self.title.clone(),
            note: self.note.clone(),
            crossings: self.crossings.iter().map(|p| p.id.clone()).collect(),
            start,
            end,
            events,
            expectations: self.expectations(),
        }
    }

    /// From the first crossing's first midnight to the last crossing's last one.
    fn span(&self) -> (EventTime, EventTime) {
        let midnights = |day: Date| {
            self.crossings
                .iter()
                .map(move |p| event_time(&local(p, day.to_datetime(jiff::civil::Time::midnight()))))
        };
        let start = midnights(self.start).min().unwrap_or(EventTime::MIN);
        let end = midnights(self.end.saturating_add(jiff::Span::new().days(1)))
            .max()
            .unwrap_or(EventTime::MIN);
        (start, end)
    }

    fn draw_figure<'a>(&'a self, figure: &'a Figure, drafts: &mut Vec<Draft<'a>>) {
        let mut rng = draw::figure_rng(self.seed, &figure.id);
        let party = figure
            .party
            .as_ref()
            .and_then(|id| self.parties.iter().find(|p| &p.id == id));
        let parties = Parties::of(party);
        let mut drawn: Vec<Drawn<'a>> = Vec::new();
        for slice in plan::slices(figure) {
            let mut cells = plan::cells(self, figure, &slice);
            draw::spread(&mut rng, &mut cells, figure.spread_percent);
            if figure.groups.is_empty() {
                drawn.extend(draw::scatter(&mut rng, &mut cells, slice.count, &parties));
            }
            for size in &figure.groups {
                let burst = figure.burst_minutes.get();
                drawn.extend(draw::group(&mut rng, &cells, *size, burst, &parties));
            }
        }
        if let Some(minutes) = figure.tally_minutes {
            drawn = draw::tally(drawn, minutes.get());
        }
        let time = |place: &Place, moment: DateTime| {
            let is_later = figure.tally_minutes.is_some() && draw::is_second_time(place, moment);
            let hour = SignedDuration::from_hours(1);
            local(place, moment).saturating_add(if is_later { hour } else { SignedDuration::ZERO })
        };
        drafts.extend(drawn.into_iter().map(|(place, moment, count)| Draft {
            time: time(place, moment),
            place,
            kind: DraftKind::Arrival {
                stream: &figure.stream,
                count,
            },
        }));
    }

    fn add_statuses<'a>(&'a self, drafts: &mut Vec<Draft<'a>>) {
        for status in &self.statuses {
            for place in status.crossings.iter().filter_map(|id| self.place(id)) {
                drafts.push(Draft {
                    time: local(place, status.time),
                    place,
                    kind: DraftKind::Status(status),
                });
            }
        }
    }

    fn add_heartbeats<'a>(&'a self, drafts: &mut Vec<Draft<'a>>) {
        let every = SignedDuration::from_mins(i64::from(self.heartbeat_minutes.get()));
        let (start, end) = self.span();
        for place in &self.crossings {
            let mut time = start.timestamp().to_zoned(place.time_zone.clone());
            while event_time(&time) < end {
                let is_silent = |gap: &Gap| gap.holds(&place.id, time.date());
                if !self.gaps.iter().any(is_silent) {
                    drafts.push(Draft {
                        time: time.clone(),
                        place,
                        kind: DraftKind::Heartbeat,
                    });
                }
                time = time.saturating_add(every);
            }
        }
    }

    /// Numbers a draft among its crossing's events of the same kind and writes it out.
    fn event<'a>(
        &self,
        draft: &Draft<'a>,
        numbers: &mut BTreeMap<(&'a str, &'static str), u32>,
    ) -> ReplayEvent {
        let crossing = draft.place.id.as_str();
        let number = numbers.entry((crossing, draft.kind.name())).or_default();
        *number += 1;
        let id = format!("{}.{crossing}.{}.{number:05}", self.id, draft.kind.name());
        let time = wire_time(&draft.time);
        let body = match draft.kind {
            DraftKind::Arrival { stream, count } => Body::Arrival {
                id: &id,
                crossing,
                time,
                stream,
                count,
            },
            DraftKind::Heartbeat => Body::Heartbeat {
                id: &id,
                crossing,
                time,
            },
            DraftKind::Status(status) => {
                let until = status
                    .until
                    .map(|until| wire_time(&local(draft.place, until)));
                Body::Status {
                    id: &id,
                    crossing,
                    time,
                    state: status.state,
                    until,
                    reason: &status.reason,
                }
            }
        };
        let json = serde_json::to_string(&body).expect("plain strings and numbers always encode");
        let drawn = !matches!(draft.kind, DraftKind::Status(_));
        ReplayEvent {
            time: event_time(&draft.time),
            crossing: crossing.to_owned(),
            id,
            json,
            drawn,
        }
    }

    fn expectations(&self) -> Vec<Expectation> {
        let mut all: Vec<Expectation> = self
            .expects
            .iter()
            .filter_map(|expect| {
                let place = self.place(expect.crossings.first()?)?;
                Some(Expectation {
                    crossings: expect.crossings.clone(),
                    day: expect.day,
                    time: event_time(&local(place, plan::at_minute(expect.day, 0))),
                    text: expect.text.clone(),
                    source: expect.source.clone(),
                })
            })
            .collect();
        all.sort_by_key(|e| e.day);
        all
    }
}

/// A local moment of a place; one that the clocks skip moves forward with them.
fn local(place: &Place, moment: DateTime) -> Zoned {
    moment
        .to_zoned(place.time_zone.clone())
        .expect("the years of a scenario are checked when it is loaded")
}

fn event_time(time: &Zoned) -> EventTime {
    EventTime(time.timestamp().as_millisecond())
}

fn wire_time(time: &Zoned) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

#[cfg(test)]
mod tests {
    use crate::replay::{ReplayError, load};

    const ARCTIC: &str = include_str!("../../config/replays/arctic-2015.toml");

    #[test]
    fn a_day_of_which_nothing_was_found_is_silent() {
        let replay = load(ARCTIC).expect("a good file").expand();
        let said = |day: &str| {
            let at_storskog = replay.events.iter().filter(|e| e.crossing == "no-storskog");
            at_storskog.filter(|e| e.json.contains(day)).count()
        };
        assert_eq!(said("2015-11-01T"), 0);
        assert!(said("2015-10-31T") >= 24 && said("2015-11-02T") >= 24);
    }

    #[test]
    fn a_gap_that_a_figure_counts_is_refused() {
        let from = "from = \"2015-11-01\"";
        let longer = format!("{from}\nto = \"2015-11-03\"");
        let Err(ReplayError::Invalid(problems)) = load(&ARCTIC.replacen(from, &longer, 1)) else {
            panic!("a figure counts its second day")
        };
        assert_eq!(
            problems.to_string(),
            "  figure \"storskog-11-02\" counts arrivals at no-storskog on 2015-11-02, which a [[gap]] says nothing is known of: shorten one of them"
        );
    }
}
