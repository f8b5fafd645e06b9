//! Which engine plays a sim, and what the turmoil engine cannot play, with the reason.
//!
//! Refuses to know how an engine does what it can.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::env::TcpOptions;
use crate::fault::{Clause, Death, DiskHarm, Fault, HostHarm, LinkHarm, Plan};
use crate::sim::SimFile;

/// A partition that lasts as long ends a connection: TCP retransmits 15 times, 924.6 s in all (tcp(7), `tcp_retries2`).
const TCP_GIVES_UP: Duration = Duration::from_secs(924);
/// In each tick turmoil looks at every link once for each of its two hosts and more, and every pair of hosts has a link:
/// with 95 hosts a busy minute took 13 s of CPU time (debug build), thirty times as long as with 7.
const HOSTS_MAX: usize = 100;

/// What plays a trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineKind {
    /// The engine of pulseless, which leaps over the time in which nothing happens.
    #[default]
    Leap,
    /// The `turmoil` crate, tick by tick: a second opinion.
    Turmoil,
}

impl EngineKind {
    /// Every engine.
    pub const ALL: [EngineKind; 2] = [EngineKind::Leap, EngineKind::Turmoil];

    /// The name that the command line uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            EngineKind::Leap => "leap",
            EngineKind::Turmoil => "turmoil",
        }
    }

    /// Whether it is the one that plays unless another is asked for.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == EngineKind::default()
    }

    /// Why the engine cannot play a sim with this plan, a sentence for each reason; empty where it can.
    #[must_use]
    pub fn cannot_play(self, sim: &SimFile, plan: &Plan) -> Vec<String> {
        match self {
            EngineKind::Leap => Vec::new(),
            EngineKind::Turmoil => inexpressible(sim, plan),
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Why a text names no engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an engine; write leap or turmoil")]
pub struct BadEngine(String);

impl FromStr for EngineKind {
    type Err = BadEngine;

    fn from_str(text: &str) -> Result<Self, BadEngine> {
        EngineKind::ALL.into_iter().find(|engine| engine.name() == text).ok_or_else(|| BadEngine(text.to_owned()))
    }
}

/// What of a sim with this plan the turmoil engine cannot express, and why; empty where it can play it.
#[must_use]
pub fn inexpressible(sim: &SimFile, plan: &Plan) -> Vec<String> {
    let hosts = sim.cast().members().len();
    let crowd = (hosts > HOSTS_MAX).then(|| {
        format!("{hosts} hosts: turmoil 0.7 visits every link for every host in every tick; at most {HOSTS_MAX}")
    });
    let clauses = plan.clauses.iter().filter_map(|clause| {
        let reason = obstacle(clause)?;
        Some(format!("fault {}, {}: {reason}", clause.number, clause.fault.kind()))
    });
    crowd.into_iter().chain(settings(sim)).chain(clauses).collect()
}

/// What the sim says of its links and sockets that turmoil does not know.
fn settings(sim: &SimFile) -> impl Iterator<Item = String> {
    let told = [
        (sim.link.bandwidth_bytes_per_second.is_some(), "link.bandwidth: turmoil 0.7 has no bandwidth"),
        (sim.link.loss_basis_points.is_some(), "link.loss: turmoil 0.7 has no retransmission: a lost segment hangs"),
        (
            sim.setup.tcp_options().iter().any(|tcp| *tcp != TcpOptions::default()),
            "tcp-keepalive and tcp-user-timeout: turmoil 0.7 has neither",
        ),
    ];
    told.into_iter().filter(|(is_told, _)| *is_told).map(|(_, reason)| reason.to_owned())
}

/// Why turmoil cannot do this harm. Every harm must decide: there is no default.
fn obstacle(clause: &Clause) -> Option<&'static str> {
    match &clause.fault {
        // The proxy does it, on any engine.
        Fault::ProxySilenceUpstream { .. } => None,
        Fault::Host { harm, .. } => host_obstacle(harm),
        Fault::Link { between, harm } => link_obstacle(harm, between.one_way, clause.lasts),
        Fault::Disk { harm, .. } => match harm {
            // Disks are our own on both engines.
            DiskHarm::SyncFails | DiskHarm::Full | DiskHarm::BitRot { .. } => None,
            DiskHarm::SlowSync { .. } => Some("turmoil 0.7 runs every host in every tick: none can wait for its disk"),
        },
    }
}

fn host_obstacle(harm: &HostHarm) -> Option<&'static str> {
    match harm {
        HostHarm::Dies { point: Some(_), .. } => {
            Some("turmoil 0.7 kills a process between two ticks, not at a point of its life")
        }
        HostHarm::Dies { death: Death::PoweredOff(_), point: None } => {
            Some("turmoil 0.7 closes the sockets of a host that goes down: its peers hear FIN instead of silence")
        }
        HostHarm::Dies { death: Death::Killed | Death::DiskLost | Death::DiskRestored { .. }, point: None }
        | HostHarm::RestartLoop { .. } => None,
        HostHarm::Paused | HostHarm::Suspended => {
            Some("turmoil 0.7 runs every host in every tick: none can stand still")
        }
        HostHarm::ClockStep { .. } | HostHarm::ClockDrift { .. } => {
            Some("turmoil 0.7 has one clock for all hosts: none can be wrong")
        }
        HostHarm::BacklogFull => Some("turmoil 0.7 panics when a backlog is full"),
        HostHarm::Name { .. } => {
            Some("turmoil 0.7 has one table of names for all hosts: none can be told something else")
        }
    }
}

fn link_obstacle(harm: &LinkHarm, one_way: bool, lasts: Duration) -> Option<&'static str> {
    match harm {
        LinkHarm::Partition if one_way => Some(
            "turmoil 0.7 has no retransmission: what a one-way partition drops is lost, and it leaves streams hung",
        ),
        LinkHarm::Partition if lasts >= TCP_GIVES_UP => {
            Some("turmoil 0.7 holds messages for ever, where TCP gives a connection up after 924 s")
        }
        LinkHarm::Partition => None,
        LinkHarm::Latency(_) => Some("turmoil 0.7 can fix the latency of a link, and cannot give its range back"),
        LinkHarm::Bandwidth { .. } => Some("turmoil 0.7 has no bandwidth"),
        LinkHarm::Loss { .. } => {
            Some("turmoil 0.7 has no retransmission: a lost segment leaves its stream hung for ever")
        }
        LinkHarm::SynLoss { .. } => Some("turmoil 0.7 sends a SYN once: a lost one leaves the dial hung"),
        LinkHarm::MtuBlackHole { .. } => Some("turmoil 0.7 does not cut segments to a size"),
        LinkHarm::IdleDrop { .. } => Some("turmoil 0.7 has no middlebox that forgets connections"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::fault::{Answer, Between, Expired, Landmark, Latency, Moment, Origin, Point, Unsynced};
    use crate::sim::read;
    use crate::subject::xmtp::SUBJECTS;

    const SECOND: Duration = Duration::from_secs(1);

    fn reasons(lasts: Duration, fault: Fault) -> Vec<String> {
        let text = "title = \"A\"\nduration = \"10m\"\n[promise]\nverdict = \"pass\"";
        let sim = read("sim", text, SUBJECTS).expect("a sim");
        inexpressible(
            &sim,
            &Plan { clauses: vec![Clause { number: 3, at: SECOND, lasts, fault, origin: Origin::File }] },
        )
    }

    fn host(harm: HostHarm) -> Fault {
        Fault::Host { on: BTreeSet::from(["node".to_owned()]), harm }
    }

    fn link(harm: LinkHarm, one_way: bool) -> Fault {
        let end = |name: &str| BTreeSet::from([name.to_owned()]);
        Fault::Link { between: Between { from: end("client-1"), to: end("proxy"), one_way }, harm }
    }

    fn disk(harm: DiskHarm) -> Fault {
        Fault::Disk { on: BTreeSet::from(["node".to_owned()]), harm }
    }

    fn dies(death: Death) -> Fault {
        host(HostHarm::Dies { death, point: None })
    }

    #[test]
    fn what_turmoil_can_do_is_played() {
        let silence = Fault::ProxySilenceUpstream { on: BTreeSet::new(), way: None, path: None };
        for fault in [
            silence,
            dies(Death::Killed),
            dies(Death::DiskLost),
            dies(Death::DiskRestored { from: SECOND }),
            host(HostHarm::RestartLoop { up: SECOND, down: SECOND }),
            link(LinkHarm::Partition, false),
            disk(DiskHarm::SyncFails),
            disk(DiskHarm::Full),
            disk(DiskHarm::BitRot { basis_points: 1 }),
        ] {
            assert_eq!(reasons(TCP_GIVES_UP - SECOND, fault), [""; 0]);
        }
    }

    #[test]
    fn what_turmoil_cannot_do_is_refused_by_the_name_of_the_fault() {
        let point = Some(Point { landmark: Landmark::DurableWrite, nth: 1, moment: Moment::Before });
        let latency = Latency::uniform(SECOND, SECOND);
        for fault in [
            host(HostHarm::Dies { death: Death::Killed, point }),
            dies(Death::PoweredOff(Unsynced::Lost)),
            host(HostHarm::Paused),
            host(HostHarm::Suspended),
            host(HostHarm::ClockStep { by_ms: 1 }),
            host(HostHarm::ClockDrift { parts_per_million: 1 }),
            host(HostHarm::BacklogFull),
            host(HostHarm::Name { name: "node".into(), answer: Answer::Fails }),
            link(LinkHarm::Partition, true),
            link(LinkHarm::Latency(latency), false),
            link(LinkHarm::Bandwidth { bytes_per_second: 1 }, false),
            link(LinkHarm::Loss { basis_points: 1, burst: 1 }, false),
            link(LinkHarm::SynLoss { basis_points: 1 }, false),
            link(LinkHarm::MtuBlackHole { largest: 1_000 }, false),
            link(LinkHarm::IdleDrop { after: SECOND, then: Expired::Drop }, false),
            disk(DiskHarm::SlowSync { takes: SECOND }),
        ] {
            let head = format!("fault 3, {}: turmoil 0.7 ", fault.kind());
            let reasons = reasons(SECOND, fault);
            assert!(reasons.len() == 1 && reasons[0].starts_with(&head), "{head}: {reasons:?}");
        }
    }

    #[test]
    fn a_partition_that_outlasts_tcp_is_refused() {
        assert_eq!(reasons(TCP_GIVES_UP, link(LinkHarm::Partition, false)).len(), 1);
    }

    #[test]
    fn an_engine_has_one_name() {
        for engine in EngineKind::ALL {
            assert_eq!(engine.to_string().parse(), Ok(engine));
        }
        let error = "turmoil-net".parse::<EngineKind>().expect_err("no engine").to_string();
        assert_eq!(error, "`turmoil-net` is not an engine; write leap or turmoil");
    }
}
