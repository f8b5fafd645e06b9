//! Which engine plays a sim, and what the turmoil engine cannot play, with the reason.
//!
//! Refuses to know how an engine does what it can.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::checker::{Checker, Stability};
use crate::env::TcpOptions;
use crate::fault::Plan;
use crate::sim::{Promised, SimFile};

/// In each tick turmoil looks at every link once for each of its two hosts and more, and every pair of hosts has a link:
/// with 95 hosts a busy minute took 13 s of CPU time (debug build), thirty times as long as with 7.
const HOSTS_MAX: usize = 100;

/// What plays a trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
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
    pub(crate) fn is_default(&self) -> bool {
        *self == EngineKind::default()
    }

    /// Why the engine cannot play a sim with this plan, a sentence for each reason; empty where it can.
    #[must_use]
    pub(crate) fn cannot_play(self, sim: &SimFile, plan: &Plan) -> Vec<String> {
        match self {
            EngineKind::Leap => Vec::new(),
            EngineKind::Turmoil if cfg!(feature = "turmoil") => inexpressible(sim, plan),
            EngineKind::Turmoil => vec!["pulseless was built without its feature `turmoil`".to_owned()],
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
        let reason = clause.fault.obstacle(clause.lasts)?;
        Some(format!("fault {}, {}: {reason}", clause.number, clause.fault.name()))
    });
    let subject = sim.setup.needs_leap().map(str::to_owned);
    crowd.into_iter().chain(subject).chain(loops(sim)).chain(settings(sim)).chain(clauses).collect()
}

/// A program that is to loop would loop for ever.
fn loops(sim: &SimFile) -> Option<String> {
    let promised = Promised::Fail { checker: Stability.name() };
    let why = "turmoil 0.7 has no bound on what a program does at one instant";
    (sim.promise.verdict == promised).then(|| format!("promise.checker, {}: {why}", Stability.name()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::read;
    use crate::subject::xmtp::SUBJECTS;

    /// What turmoil cannot do of a sim with one more fault, by the name of the fault's kind.
    fn reasons(lasts: &str, kind: &str, keys: &str) -> Vec<String> {
        let text = format!(
            "title = \"A\"\nduration = \"40m\"\n[promise]\nverdict = \"pass\"\n\
             [[fault]]\nat = \"1m\"\nfor = \"{lasts}\"\nkind = \"{kind}\"\n{keys}\n"
        );
        let sim = read("sim", &text, SUBJECTS).unwrap_or_else(|refusal| panic!("{refusal}"));
        inexpressible(&sim, &sim.plan)
    }

    #[test]
    fn what_turmoil_can_do_is_played() {
        for (kind, keys) in [
            ("proxy-silence-upstream", "on = \"client-1\""),
            ("proxy-ends-streams", "on = \"client-1\"\nwith = \"end-stream\"\nwhen = \"1m\""),
            ("proxy-goaway", "on = \"node\""),
            ("proxy-alpn", "on = \"client-1\""),
            ("process-kill", "on = \"node\""),
            ("disk-lost", "on = \"node\""),
            ("disk-restored", "on = \"node\"\nfrom = \"1s\""),
            ("restart-loop", "on = \"node\"\nup = \"1s\"\ndown = \"1s\""),
            ("partition", "from = \"client-1\"\nto = \"proxy\""),
            ("sync-fails", "on = \"node\""),
            ("disk-full", "on = \"node\""),
            ("bit-rot", "on = \"node\"\nrate = \"1%\""),
        ] {
            assert_eq!(reasons("923s", kind, keys), [""; 0], "{kind}");
        }
    }

    #[test]
    fn what_turmoil_cannot_do_is_refused_by_the_name_of_the_fault() {
        let link = "from = \"client-1\"\nto = \"proxy\"";
        for (kind, keys) in [
            ("process-kill", "on = \"node\"\npoint = \"before durable-write 1\""),
            ("power-off", "on = \"node\""),
            ("pause", "on = \"node\""),
            ("suspend", "on = \"node\""),
            ("clock-step", "on = \"node\"\nby = \"+1s\""),
            ("clock-drift", "on = \"node\"\nppm = 1"),
            ("backlog-full", "on = \"node\""),
            ("name-fails", "on = \"proxy\"\nname = \"node\""),
            ("partition", &format!("{link}\none-way = true")),
            ("latency", &format!("{link}\nlatency = \"1s\"")),
            ("bandwidth", &format!("{link}\nrate = \"1KiB/s\"")),
            ("loss", &format!("{link}\nrate = \"1%\"")),
            ("syn-loss", &format!("{link}\nrate = \"1%\"")),
            ("mtu-black-hole", &format!("{link}\nlargest = \"1000B\"")),
            ("idle-drop", &format!("{link}\nafter = \"1s\"\nthen = \"drop\"")),
            ("slow-sync", "on = \"node\"\ntakes = \"1s\""),
        ] {
            let head = format!("fault 1, {kind}: turmoil 0.7 ");
            let reasons = reasons("1s", kind, keys);
            assert!(reasons.len() == 1 && reasons[0].starts_with(&head), "{head}: {reasons:?}");
        }
    }

    #[test]
    fn a_partition_that_outlasts_tcp_is_refused() {
        assert_eq!(reasons("924s", "partition", "from = \"client-1\"\nto = \"proxy\"").len(), 1);
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
