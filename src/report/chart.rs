//! A trial as a chart: a lane for each host, and what each record is there, a mark, an arrow through the proxy, or a run.
//!
//! Refuses to know how a chart is drawn: pages, diagrams and traces read it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::cast::{Cast, HostName, Member};
use crate::fault::{Clause, Direction, Target};
use crate::history::{Beat, Event, Fate, Record, TapStream};
use crate::trial::Outcome;

/// No chain of dials is longer: client, gateway, proxy, node, and a few more.
const HOPS_MAX: usize = 8;

/// What a record is in a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MarkKind {
    /// A frame of a stream, or its end, as the proxy's tap saw it.
    Frame,
    /// A heartbeat of the protocol, or the proxy's answer to an HTTP/2 PING.
    Beat,
    /// A client's link: it dials, opens, is welcomed, loses it, waits.
    Link,
    /// What a client believes of its link: the watchdog, a suspension, a probe.
    Belief,
    /// Messages reach an application.
    Delivery,
    /// A message is published, or its publisher is told what became of it.
    Publish,
    /// A store keeps something, or fails.
    Store,
    /// A process, its host or a node's stream begins or ends.
    Life,
    /// All else.
    Other,
}

/// One record, drawn.
pub(crate) struct ChartMark<'o> {
    /// The record.
    pub(crate) record: &'o Record,
    /// Its host's lane.
    pub(crate) lane: usize,
    /// What it is.
    pub(crate) kind: MarkKind,
    /// The stream that it belongs to.
    pub(crate) stream: Option<TapStream>,
    /// The lanes that an arrow visits, in order; empty where nothing travels.
    pub(crate) path: Vec<usize>,
    /// The proxy took it and did not pass it on.
    pub(crate) swallowed: bool,
}

/// A fault, as a window in time.
pub(crate) struct FaultWindow<'o> {
    /// The clause.
    pub(crate) clause: &'o Clause,
    /// When it ended; the trial's end where it did not.
    pub(crate) until: Duration,
    /// The lanes of those it harms, itself or by one of their links.
    pub(crate) lanes: Vec<usize>,
    /// Whether it harmed anybody.
    pub(crate) felt: bool,
}

/// See the module.
pub(crate) struct Chart<'o> {
    /// The hosts, those who dial above those who are dialed. The first lane is the world's.
    pub(crate) lanes: Vec<HostName>,
    /// A mark for each record, in the order of the history.
    pub(crate) marks: Vec<ChartMark<'o>>,
    /// The faults, by the time they began.
    pub(crate) windows: Vec<FaultWindow<'o>>,
    /// When the trial ended.
    pub(crate) end: Duration,
}

impl<'o> Chart<'o> {
    /// The chart of an outcome.
    pub(crate) fn of(outcome: &'o Outcome) -> Self {
        let records = outcome.history.records();
        let cast = outcome.sim.cast();
        let lanes = lanes(cast, records);
        let places = lanes.iter().enumerate().map(|(lane, host)| (host.clone(), lane)).collect();
        let routes = LanePaths { cast, places: &places };
        let end = outcome.history.failure().map_or(outcome.sim.duration, |failed| failed.at);
        let marks = records.iter().map(|record| routes.mark(record)).collect();
        let windows = windows(records, &places, end);
        Chart { lanes, marks, windows, end }
    }

    /// The streams of the chart, by their client.
    pub(crate) fn streams(&self) -> BTreeSet<(usize, TapStream)> {
        self.marks.iter().filter_map(|mark| Some((mark.lane, mark.stream?))).collect()
    }
}

/// The world, then the hosts by how far they are from those who dial nobody, then whoever else wrote a record.
fn lanes(cast: &Cast, records: &[Record]) -> Vec<HostName> {
    let mut members: Vec<&Member> = cast.members().iter().collect();
    members.sort_by_key(|member| std::cmp::Reverse(route(cast, &member.name).len()));
    let mut lanes = vec![HostName::from("world")];
    lanes.extend(members.into_iter().map(|member| member.name.clone()));
    let known: BTreeSet<HostName> = lanes.iter().cloned().collect();
    let others: BTreeSet<&HostName> = records.iter().map(|record| &record.host).collect();
    lanes.extend(others.into_iter().filter(|host| !known.contains(*host)).cloned());
    lanes
}

/// A host, whom it dials first, whom that one dials, and so on.
fn route(cast: &Cast, from: &HostName) -> Vec<HostName> {
    let mut route = vec![from.clone()];
    while let Some(next) = route.last().and_then(|last| cast.find(last)).and_then(|member| member.dials.first()) {
        if route.len() == HOPS_MAX || route.contains(next) {
            break;
        }
        route.push(next.clone());
    }
    route
}

/// Knows which lanes something visits on its way.
struct LanePaths<'c> {
    cast: &'c Cast,
    places: &'c BTreeMap<HostName, usize>,
}

impl LanePaths<'_> {
    fn mark<'o>(&self, record: &'o Record) -> ChartMark<'o> {
        let lane = self.places[&record.host];
        let (stream, passage) = travels(&record.event);
        let swallowed = passage.is_some_and(|(_, fate)| fate == Fate::Swallowed);
        let path = if let Event::Leased { via, .. } = &record.event {
            self.places.get(via).map(|via| vec![lane, *via]).unwrap_or_default()
        } else if let Some((way, fate)) = passage {
            self.path(&record.host, way, fate)
        } else if let Event::Beat { beat: Beat::KeepaliveAnswered { .. }, .. } = record.event {
            self.path(&record.host, Direction::ToNode, Fate::Swallowed)
        } else {
            Vec::new()
        };
        ChartMark { record, lane, kind: kind(&record.event), stream, path, swallowed }
    }

    /// The lanes from a client to the node, or back. What is swallowed ends at the proxy, which is next to the node.
    fn path(&self, client: &HostName, way: Direction, fate: Fate) -> Vec<usize> {
        let mut path: Vec<usize> =
            route(self.cast, client).iter().filter_map(|host| self.places.get(host).copied()).collect();
        if way == Direction::ToClient {
            path.reverse();
        }
        let proxy = match way {
            Direction::ToNode => path.len().saturating_sub(1),
            Direction::ToClient => 2,
        };
        if fate == Fate::Swallowed {
            path.truncate(proxy.max(1));
        }
        path
    }
}

/// The stream of an event, and which way it passes the proxy.
#[expect(clippy::wildcard_enum_match_arm, reason = "all others neither travel nor belong to a stream")]
fn travels(event: &Event) -> (Option<TapStream>, Option<(Direction, Fate)>) {
    match event {
        Event::Tapped { stream, way, fate, .. } => (Some(*stream), Some((*way, *fate))),
        Event::TapOpened { stream, .. } | Event::HalfClosed { stream } => {
            (Some(*stream), Some((Direction::ToNode, Fate::Passed)))
        }
        Event::TapClosed { stream, .. } => (Some(*stream), None),
        Event::Beat { beat: Beat::Ping { stream, way, fate } | Beat::Pong { stream, way, fate }, .. } => {
            (Some(*stream), Some((*way, *fate)))
        }
        Event::Beat { beat: Beat::Waiting { stream, fate }, .. } => (Some(*stream), Some((Direction::ToClient, *fate))),
        _ => (None, None),
    }
}

fn kind(event: &Event) -> MarkKind {
    match event {
        Event::Tapped { .. } | Event::TapOpened { .. } | Event::TapClosed { .. } | Event::HalfClosed { .. } => {
            MarkKind::Frame
        }
        Event::Beat { .. } => MarkKind::Beat,
        Event::Dialing { .. }
        | Event::Opened { .. }
        | Event::Started { .. }
        | Event::Ended { .. }
        | Event::BackingOff { .. }
        | Event::LetGo { .. }
        | Event::Leased { .. }
        | Event::LeaseMarked { .. }
        | Event::LeaseOver
        | Event::Resting { .. }
        | Event::Connected { .. }
        | Event::Disconnected { .. } => MarkKind::Link,
        Event::WatchdogPinged { .. }
        | Event::WatchdogTripped { .. }
        | Event::Suspended { .. }
        | Event::Probed { .. }
        | Event::ProbeAnswered { .. } => MarkKind::Belief,
        Event::Processed { .. } | Event::Delivered { .. } => MarkKind::Delivery,
        Event::Produced { .. }
        | Event::Acknowledged { .. }
        | Event::ProduceFailed { .. }
        | Event::ProduceRefused { .. } => MarkKind::Publish,
        Event::Stored { .. } | Event::LogOpened { .. } | Event::InboxOpened { .. } | Event::StoreFailed { .. } => {
            MarkKind::Store
        }
        Event::ProcessBegan { .. }
        | Event::ProcessKilled
        | Event::PowerFailed
        | Event::DiskReplaced { .. }
        | Event::ProgramFailed { .. }
        | Event::ProgramEnded { .. }
        | Event::StreamOpened { .. }
        | Event::StreamClosed { .. } => MarkKind::Life,
        Event::Began(_)
        | Event::FaultBegan(_)
        | Event::FaultEnded { .. }
        | Event::Examined { .. }
        | Event::Holds { .. } => MarkKind::Other,
    }
}

fn windows<'o>(records: &'o [Record], places: &BTreeMap<HostName, usize>, end: Duration) -> Vec<FaultWindow<'o>> {
    let mut windows: Vec<FaultWindow<'o>> = Vec::new();
    for record in records {
        if let Event::FaultBegan(clause) = &record.event {
            windows.push(FaultWindow { clause, until: end, lanes: harmed(clause, places), felt: false });
        }
        if let Event::FaultEnded { clause, felt } = record.event {
            for window in windows.iter_mut().filter(|window| window.clause.number == clause) {
                (window.until, window.felt) = (record.at, felt);
            }
        }
    }
    windows
}

fn harmed(clause: &Clause, places: &BTreeMap<HostName, usize>) -> Vec<usize> {
    let hosts: Vec<&HostName> = match clause.fault.target() {
        Target::Hosts(on) => on.iter().collect(),
        Target::Links(between) => between.from.iter().chain(&between.to).collect(),
    };
    let lanes: BTreeSet<usize> = hosts.into_iter().filter_map(|host| places.get(host).copied()).collect();
    lanes.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cast::Abilities;

    fn cast() -> Cast {
        let member = |name: &str, dials: &[&str]| Member {
            name: name.into(),
            abilities: Abilities::default(),
            dials: dials.iter().map(|name| HostName::from(*name)).collect(),
        };
        Cast::new(vec![member("node", &[]), member("proxy", &["node"]), member("client-1", &["proxy"])])
    }

    fn path(way: Direction, fate: Fate) -> Vec<usize> {
        let cast = cast();
        let places = lanes(&cast, &[]).into_iter().enumerate().map(|(lane, host)| (host, lane)).collect();
        LanePaths { cast: &cast, places: &places }.path(&"client-1".into(), way, fate)
    }

    #[test]
    fn who_dials_stands_above_whom_it_dials() {
        assert_eq!(lanes(&cast(), &[]), ["world", "client-1", "proxy", "node"].map(HostName::from));
    }

    #[test]
    fn what_is_swallowed_ends_at_the_proxy() {
        assert_eq!(path(Direction::ToNode, Fate::Passed), [1, 2, 3]);
        assert_eq!(path(Direction::ToNode, Fate::Swallowed), [1, 2]);
        assert_eq!(path(Direction::ToClient, Fate::Passed), [3, 2, 1]);
        assert_eq!(path(Direction::ToClient, Fate::Swallowed), [3, 2]);
    }

    #[test]
    fn hosts_that_dial_in_a_ring_have_a_route_with_an_end() {
        let member = |name: &str, dials: &str| Member {
            name: name.into(),
            abilities: Abilities::default(),
            dials: vec![dials.into()],
        };
        let ring = Cast::new(vec![member("a", "b"), member("b", "a")]);
        assert_eq!(route(&ring, &"a".into()), ["a", "b"].map(HostName::from));
    }
}
