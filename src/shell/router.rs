//! Owns the routing of alerts, notices and incidents to the topics of audiences.

use crate::config::{Kind, Route};
use crate::core::alert::{Severity, Transition};
use crate::core::network::Network;
use crate::core::output::Output;
use crate::core::region::incident::Told;
use crate::core::region::incident::{Change, Revised};
use crate::core::region::machine::IncidentTransition;
use std::sync::Arc;

/// The routes, with their topics ready to be written to.
pub(super) struct Router(Vec<(Arc<str>, Route)>);

impl Router {
    pub(super) fn new(routes: &[Route]) -> Self {
        let topic = |route: &Route| Arc::from(route.topic.as_str());
        Self(routes.iter().map(|r| (topic(r), r.clone())).collect())
    }

    /// The topics an output goes to, each once, in the order of the routes.
    pub(super) fn topics(&self, output: &Output, network: &Network) -> Vec<Arc<str>> {
        self.of(|route| matches(route, output, network))
    }

    /// The topics a change of an incident goes to, whole.
    pub(super) fn incident_topics(
        &self,
        told: &Told,
        severity: Severity,
        network: &Network,
    ) -> Vec<Arc<str>> {
        self.of(|route| sends_incident(route, told, severity, network))
    }

    fn of(&self, matches: impl Fn(&Route) -> bool) -> Vec<Arc<str>> {
        let mut topics: Vec<Arc<str>> = Vec::new();
        for (topic, route) in &self.0 {
            if matches(route) && !topics.contains(topic) {
                topics.push(Arc::clone(topic));
            }
        }
        topics
    }
}

fn here(list: &[String], name: &str) -> bool {
    list.is_empty() || list.iter().any(|l| l == name)
}

/// Whether a route sends a change of an incident: one of its crossings is in the route's countries and corridors. As with
/// alerts, what ends or lessens it is sent whatever its severity.
fn sends_incident(route: &Route, told: &Told, severity: Severity, network: &Network) -> bool {
    let incident = &told.incident;
    let transition = IncidentTransition::of(told);
    let lessens = matches!(
        told.change,
        Change::Revised(Revised::Crossing(_) | Revised::Withdrawn(_) | Revised::Group(_))
    );
    let severe = route.severity.is_none_or(|least| severity >= least);
    let members = incident.members.iter().map(|m| m.crossing);
    let mut crossings = members.chain([incident.id.crossing]);
    (route.kinds.is_empty() || route.kinds.contains(&Kind::Incident))
        && (severe || lessens || transition.is_end())
        && here(&route.streams, network.stream(incident.id.stream))
        && (route.directions.is_empty() || route.directions.contains(&incident.id.direction))
        && crossings.any(|at| {
            let place = network.crossing(at);
            here(&route.countries, &place.country) && here(&route.corridors, &place.corridor)
        })
}

/// Whether a route sends an output. Severity is judged where an alert begins or grows; what ends or lessens it is sent whatever is
/// left of it, so that an audience that was told of a worse state always hears of the end.
fn matches(route: &Route, output: &Output, network: &Network) -> bool {
    let (kind, crossing) = match output {
        Output::Count { .. } => return false,
        Output::Alert { crossing, .. } => (Kind::Alert, *crossing),
        Output::Notice { crossing, .. } => (Kind::Notice, *crossing),
    };
    let place = network.crossing(crossing);
    let is_there = (route.kinds.is_empty() || route.kinds.contains(&kind))
        && here(&route.countries, &place.country)
        && here(&route.corridors, &place.corridor);
    let of_its_kind = match output {
        Output::Alert {
            stream,
            alert,
            transition,
            ..
        } => {
            let lessens = transition.is_end() || *transition == Transition::Deescalated;
            let severe = route.severity.is_none_or(|least| alert.severity >= least);
            (severe || lessens)
                && here(&route.streams, network.stream(*stream))
                && (route.directions.is_empty() || route.directions.contains(&alert.direction))
        }
        // A notice has none of these: a route that asks for one sends alerts only.
        _ => route.severity.is_none() && route.streams.is_empty() && route.directions.is_empty(),
    };
    is_there && of_its_kind
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};
    use crate::core::alert::{Alert, Direction, Reading, Severity};
    use crate::core::ids::Partition;
    use crate::core::lens::Lens;
    use crate::core::notice::{DataStatus, Notice, NoticeKind};
    use crate::core::output::Source;
    use crate::core::time::EventTime;

    const SOURCE: Source = Source {
        partition: Partition(0),
        offset: None,
        recorded: None,
    };

    fn alert(
        network: &Network,
        crossing: &str,
        severity: Severity,
        transition: Transition,
    ) -> Output {
        let at = EventTime(0);
        let crossing = network.crossing_ix(crossing).expect("it is bundled");
        Output::Alert {
            crossing,
            stream: network.crossing(crossing).streams[0],
            alert: Alert::open(Direction::Surge, at, severity, (Lens::Day, at)),
            transition,
            reading: Reading {
                lens: Lens::Day,
                start: at,
                end: at,
                observed: 9,
                while_closed: 0,
                expected: 1.0,
                lower: 0,
                upper: 3,
                exposure: 1.0,
                closed_ratio: 0.0,
                blind_ratio: 0.0,
                ln_tails: [None; 2],
                log_evidence_rise: 0.0,
                log_evidence_drop: 0.0,
                p_surge: 1.0,
                p_drop: 0.0,
            },
            run: None,
            closed: false,
            data: DataStatus::Complete,
            usual_for_days: None,
            before: None,
            as_of: at,
            source: SOURCE,
        }
    }

    fn notice(network: &Network, crossing: &str) -> Output {
        Output::Notice {
            crossing: network.crossing_ix(crossing).expect("it is bundled"),
            notice: Notice {
                kind: NoticeKind::FeedBlind,
                since: EventTime(0),
                is_over: false,
                is_again: false,
                shut: None,
            },
            as_of: EventTime(0),
            source: SOURCE,
        }
    }

    /// Topics of outputs under routes as an operator writes them.
    fn routed(routes: &str, make: impl Fn(&Network) -> Output) -> Vec<String> {
        let sources = Sources {
            file: Some(("surgewatch.toml".into(), routes.into())),
            ..Sources::default()
        };
        let settings = load(&sources).expect("good routes");
        let network = settings.network();
        let router = Router::new(&settings.topics.routes);
        let topics = router.topics(&make(network), network);
        topics.iter().map(ToString::to_string).collect()
    }

    const ROUTES: &str = r#"
        [topics]
        prefix = "x."
        [[routes]]
        topic = "all"
        [[routes]]
        topic = "finland"
        countries = ["fi"]
        severity = "major"
        [[routes]]
        topic = "north"
        corridors = ["no-ru"]
        [[routes]]
        topic = "north"
        kinds = ["notice"]
        [[routes]]
        topic = "drops"
        directions = ["drop"]
    "#;

    #[test]
    fn an_alert_goes_to_every_audience_that_asks_for_it_and_to_each_once() {
        use Severity::{Critical, Major, Minor};
        use Transition::{Deescalated, Opened, Resolved, Updated};
        let table: [(&str, Severity, Transition, &[&str]); 6] = [
            ("fi-vartius", Minor, Opened, &["x.all"]),
            ("fi-vartius", Major, Opened, &["x.all", "x.finland"]),
            ("fi-vartius", Critical, Updated, &["x.all", "x.finland"]),
            ("fi-vartius", Minor, Deescalated, &["x.all", "x.finland"]),
            ("fi-vartius", Minor, Resolved, &["x.all", "x.finland"]),
            ("no-storskog", Critical, Opened, &["x.all", "x.north"]),
        ];
        for (crossing, severity, transition, topics) in table {
            let got = routed(ROUTES, |n| alert(n, crossing, severity, transition));
            assert_eq!(got, topics, "{crossing} {severity:?} {transition:?}");
        }
    }

    #[test]
    fn a_notice_goes_where_nothing_is_asked_that_only_alerts_have() {
        let got = routed(ROUTES, |n| notice(n, "fi-vartius"));
        assert_eq!(got, ["x.all", "x.north"]);
    }

    #[test]
    fn without_routes_nothing_is_routed() {
        assert!(routed("", |n| notice(n, "fi-vartius")).is_empty());
    }
}
