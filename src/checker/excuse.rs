//! Tells whose timing the faults of a plan disturb, and until when: outside of that the clock judges.
//!
//! Refuses to judge, and to excuse anything but lateness: what is never lawful is judged throughout.
//!
//! Two things can be disturbed, and they last differently:
//!
//! - **A host stalls**: it is paused, suspended or without power, or its disk makes it wait. It owes nothing
//!   meanwhile, and everything afterwards, at once. C2 binds a client to notice a silence by its own clock alone, so
//!   that only its own stalls excuse it: a partition is no excuse, it is what a watchdog is for. Nor are a silence of
//!   the proxy and a process that was killed.
//! - **What is under way is late**: the host at one of its ends stalls, or a link between them is harmed. This excuses
//!   whoever acts on what has not arrived: a client that gives up a stream on which the proxy did pass frames (C2),
//!   and one whose Pong does not reach the node (C1). It lasts until TCP has tried again ([`RECOVERY`]).
//!
//! What only stands in the way of new connections (lost SYNs, a full backlog, names) delays no stream, and nothing is
//! timed by a wall clock.
//!
//! A **paused** client's kernel goes on taking bytes, and its monotonic clock runs: when it goes on, its timers are
//! due before it has read what waits for it, and it may give up a healthy stream, or answer a Ping that the node has
//! stopped waiting for (S6, T11). Both are excused. A **suspended** client's monotonic clock stood still, and so did
//! its watchdog: C2 allows the whole patience from the resume on. That it asks before (C5) is judged by itself.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::cast::{Cast, HostName};
use crate::checker::judge::terms;
use crate::fault::{Excuse, Fault, Target};
use crate::history::{Event, History};

/// After a heal, a sender waits for its retransmission timer, or its window probe's, before anything passes again:
/// at most 120 s (RFC 6298, section 2.5, allows a maximum from 60 s on; Linux has TCP_RTO_MAX). A client whose
/// watchdog runs out meanwhile (three intervals of at most 30 s, S6) does so within this time too.
const RECOVERY: Duration = Duration::from_secs(120);

/// One clause, while it lasts.
struct Window<'h> {
    fault: &'h Fault,
    number: u32,
    began: Duration,
    /// The greatest duration where the history does not tell.
    ended: Duration,
}

/// Every clause of a history that may excuse somebody.
pub(crate) struct Excuses<'h> {
    cast: Option<&'h Cast>,
    windows: Vec<Window<'h>>,
}

impl<'h> Excuses<'h> {
    /// Reads a whole history.
    #[expect(clippy::wildcard_enum_match_arm, reason = "a judge looks at what concerns it, and a new event does not")]
    pub(crate) fn read(history: &'h History) -> Self {
        let mut windows: Vec<Window<'h>> = Vec::new();
        for record in history.records() {
            match &record.event {
                Event::FaultBegan(clause) => windows.push(Window {
                    fault: &clause.fault,
                    number: clause.number,
                    began: record.at,
                    ended: Duration::MAX,
                }),
                Event::FaultEnded { clause, .. } => {
                    let ended = windows.iter_mut().filter(|window| window.number == *clause);
                    ended.for_each(|window| window.ended = record.at);
                }
                _ => {}
            }
        }
        Excuses { cast: terms(history).map(|terms| &terms.cast), windows }
    }

    /// From when on `host` ran without a stall: `from`, or the end of the last stall that fell between the two times.
    /// After `to` where it had not ended by then.
    pub(crate) fn running_since(&self, host: &str, from: Duration, to: Duration) -> Duration {
        let stalls = self.windows.iter().filter_map(|window| {
            let until = window.ended.saturating_add(stall(window.fault, host)?);
            (window.began < to && until > from).then_some(until)
        });
        stalls.fold(from, Duration::max)
    }

    /// Whether anything between `client` and a node may have been late between the two times.
    pub(crate) fn disturbed(&self, client: &str, from: Duration, to: Duration) -> bool {
        self.disturbed_otherwise(client, from, to, |_| false)
    }

    /// The same, but for some faults.
    pub(crate) fn disturbed_otherwise(
        &self,
        client: &str,
        from: Duration,
        to: Duration,
        but_for: impl Fn(&Fault) -> bool,
    ) -> bool {
        self.windows.iter().filter(|window| !but_for(window.fault)).any(|window| {
            let Some(lag) = self.lag(window.fault, client) else { return false };
            window.began < to && window.ended.saturating_add(lag) > from
        })
    }

    /// Whether anything between proxies and nodes may have been late between the two times.
    pub(crate) fn disturbed_upstream(&self, from: Duration, to: Duration) -> bool {
        const NOBODY: &str = "";
        self.disturbed(NOBODY, from, to)
    }

    /// Whether no fault of any kind, whomever it befell, can have had an effect between the two times: each began after
    /// the second (a tick of the world is one instant for cause and effect), or were over long enough before the first for TCP to have tried again.
    pub(crate) fn is_calm(&self, from: Duration, to: Duration) -> bool {
        self.windows.iter().all(|window| {
            let after = match window.fault.excuse() {
                Excuse::Standstill { after } | Excuse::Late { after } => after,
                Excuse::Nobody => Duration::ZERO,
            };
            window.began > to || window.ended.saturating_add(after).saturating_add(RECOVERY) <= from
        })
    }

    /// Whether there is no fault at all.
    pub(crate) fn are_none(&self) -> bool {
        self.windows.is_empty()
    }

    /// Whether a proxy lied on the way between `client` and a node between the two times: what became of a stream may be its
    /// doing.
    pub(crate) fn lied(&self, client: &str, from: Duration, to: Duration) -> bool {
        self.met(client, from, to, |fault| fault.witness().is_some())
    }

    /// Whether a proxy kept anything back on that way meanwhile, and swallowed nothing, which a tap would tell.
    pub(crate) fn kept_back(&self, client: &str, from: Duration, to: Duration) -> bool {
        self.met(client, from, to, |fault| fault.keeps_back() && !matches!(fault, Fault::ProxySilence(_)))
    }

    fn met(&self, client: &str, from: Duration, to: Duration, is_such: impl Fn(&Fault) -> bool) -> bool {
        let mut such = self.windows.iter().filter(|window| is_such(window.fault));
        such.any(|window| {
            let lasts = window.began <= to && window.ended >= from;
            lasts && self.cast.is_some_and(|cast| window.fault.meets(client, cast))
        })
    }

    /// Whether no fault ever held anything up: what one end of a connection says then reaches the other.
    pub(crate) fn hold_up_nothing(&self) -> bool {
        self.windows.iter().all(|window| window.fault.excuse() == Excuse::Nobody)
    }

    /// How long after its end the fault still makes late what is under way between `client` and a node; none where it
    /// never does. Which proxy and which node are the client's is not known: each is taken for it.
    fn lag(&self, fault: &Fault, client: &str) -> Option<Duration> {
        let lies_on_path = match fault.target() {
            Target::Hosts(on) => self.falls_on_path(on, client),
            Target::Links(between) => {
                self.falls_on_path(&between.from, client) && self.falls_on_path(&between.to, client)
            }
        };
        match fault.excuse() {
            Excuse::Standstill { after } | Excuse::Late { after } => {
                lies_on_path.then_some(after.saturating_add(RECOVERY))
            }
            Excuse::Nobody => None,
        }
    }

    fn falls_on_path(&self, hosts: &BTreeSet<HostName>, client: &str) -> bool {
        let carries = |host: &HostName| self.cast.is_some_and(|cast| cast.carries_streams(host));
        hosts.iter().any(|host| **host == *client || carries(host))
    }
}

/// How long after its end the fault still stalls `host`; none where it never does.
fn stall(fault: &Fault, host: &str) -> Option<Duration> {
    match fault.excuse() {
        Excuse::Standstill { after } => fault.falls_on(host).then_some(after),
        Excuse::Late { .. } | Excuse::Nobody => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::script::{CLIENT, NODE, Script, host, link, partition, pause, suspend};
    use crate::fault::kinds::{
        BacklogFull, BitRot, ClockStep, DiskLost, IdleDrop, NameDead, PowerOff, ProcessKill, ProxySilence, RestartLoop,
        SlowLink, SlowSync, SynLoss,
    };
    use crate::fault::{Expired, Kind, StreamAim, Unsynced};
    use crate::grammar::Latency;

    const SECOND: Duration = Duration::from_secs(1);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// The fault lasts from 100 s to 200 s.
    fn struck(fault: Fault) -> History {
        Script::new().at(100.0).fault_begins(1, fault).at(200.0).fault_ends(1).history()
    }

    fn disturbs(fault: Fault, client: &str) -> bool {
        Excuses::read(&struck(fault)).disturbed(client, seconds(150), seconds(160))
    }

    fn stalls_client(fault: Fault) -> bool {
        Excuses::read(&struck(fault)).running_since(CLIENT, seconds(150), seconds(160)) > seconds(150)
    }

    #[test]
    fn a_stall_excuses_until_its_end_and_not_a_moment_longer() {
        let history = struck(suspend(CLIENT));
        let excuses = Excuses::read(&history);
        assert_eq!(excuses.running_since(CLIENT, seconds(50), seconds(99)), seconds(50));
        assert_eq!(excuses.running_since(CLIENT, seconds(50), seconds(150)), seconds(200));
        assert_eq!(excuses.running_since(CLIENT, seconds(50), seconds(400)), seconds(200));
        assert_eq!(excuses.running_since(CLIENT, seconds(201), seconds(400)), seconds(201));
        assert_eq!(excuses.running_since("client-2", seconds(50), seconds(400)), seconds(50));
    }

    #[test]
    fn what_is_under_way_is_late_until_tcp_has_tried_again() {
        let history = struck(partition(CLIENT, "proxy"));
        let excuses = Excuses::read(&history);
        assert!(!excuses.disturbed(CLIENT, seconds(50), seconds(100)));
        assert!(excuses.disturbed(CLIENT, seconds(50), seconds(101)));
        assert!(excuses.disturbed(CLIENT, seconds(319), seconds(400)));
        assert!(!excuses.disturbed(CLIENT, seconds(320), seconds(400)));
    }

    #[test]
    fn it_is_calm_before_every_fault_and_some_time_after_it() {
        let history = struck(ProcessKill { point: None }.on(host("client-2")));
        let excuses = Excuses::read(&history);
        assert!(excuses.is_calm(seconds(10), seconds(99)) && excuses.is_calm(seconds(320), seconds(400)));
        assert!(!excuses.is_calm(seconds(10), seconds(100)) && !excuses.is_calm(seconds(319), seconds(400)));
    }

    #[test]
    fn a_fault_without_an_end_excuses_to_the_end() {
        let history = Script::new().at(100.0).fault_begins(1, pause(CLIENT)).history();
        let excuses = Excuses::read(&history);
        assert!(excuses.disturbed(CLIENT, seconds(9_000), seconds(9_001)));
        assert_eq!(excuses.running_since(CLIENT, seconds(9_000), seconds(9_001)), Duration::MAX);
    }

    #[test]
    fn a_link_disturbs_only_those_whose_streams_it_carries() {
        let cut = |from, to| partition(from, to);
        assert!(disturbs(cut("proxy-2", "node-3"), CLIENT) && disturbs(cut(CLIENT, "proxy-2"), CLIENT));
        assert!(!disturbs(cut("client-2", "proxy"), CLIENT));
        assert!(!disturbs(cut("publisher-1", "proxy"), CLIENT));
        assert!(!stalls_client(cut(CLIENT, "proxy")), "a silence is what a watchdog is for");
    }

    #[test]
    fn a_host_on_the_way_disturbs_everybody_and_a_bystander_nobody() {
        assert!(disturbs(pause(NODE), CLIENT) && disturbs(suspend("proxy-2"), CLIENT));
        assert!(!disturbs(pause("client-2"), CLIENT));
        assert!(!disturbs(suspend("publisher-1"), CLIENT));
        assert!(!stalls_client(pause("proxy")));
        assert!(stalls_client(pause(CLIENT)));
    }

    #[test]
    fn power_disturbs_and_a_killed_process_does_not() {
        let on = || host("proxy");
        assert!(disturbs(PowerOff { point: None, unsynced: Unsynced::Lost }.on(on()), CLIENT));
        assert!(!disturbs(ProcessKill { point: None }.on(on()), CLIENT));
        assert!(!disturbs(DiskLost.on(on()), CLIENT));
        assert!(!disturbs(RestartLoop { up: SECOND, down: SECOND }.on(on()), CLIENT));
    }

    #[test]
    fn what_harms_only_new_connections_or_labels_excuses_nobody() {
        for on in [host("proxy"), host(CLIENT)] {
            let name = NameDead { name: "proxy".into() }.on(on.clone());
            let step = ClockStep { by_ms: 9 }.on(on.clone());
            for fault in [BacklogFull.on(on.clone()), name, step] {
                assert!(!disturbs(fault, CLIENT));
            }
            assert!(!stalls_client(ClockStep { by_ms: 9 }.on(on)));
        }
        assert!(!disturbs(SynLoss { basis_points: 9 }.on(link(CLIENT, "proxy")), CLIENT));
        let silence = ProxySilence { way: None, aim: StreamAim::default() }.on(host(CLIENT));
        assert!(!disturbs(silence.clone(), CLIENT) && !stalls_client(silence));
    }

    #[test]
    fn a_lie_is_told_to_those_on_its_way() {
        let silence = |on| ProxySilence { way: None, aim: StreamAim::default() }.on(on);
        let lied = |fault, from, to| Excuses::read(&struck(fault)).lied(CLIENT, seconds(from), seconds(to));
        assert!(lied(silence(host(CLIENT)), 150, 160) && lied(silence(host(CLIENT)), 50, 100));
        assert!(lied(silence(host(NODE)), 200, 300) && !lied(silence(host(NODE)), 201, 300));
        assert!(!lied(silence(host("client-2")), 150, 160) && !lied(pause(NODE), 150, 160));
    }

    #[test]
    fn a_slow_disk_stalls_until_the_last_sync_is_done() {
        let history = struck(SlowSync { takes: seconds(7) }.on(host(CLIENT)));
        assert_eq!(Excuses::read(&history).running_since(CLIENT, seconds(150), seconds(400)), seconds(207));
        assert!(!stalls_client(BitRot { basis_points: 1 }.on(host(CLIENT))));
    }

    #[test]
    fn a_long_latency_holds_up_what_comes_after_it() {
        let slow = SlowLink { latency: Latency::uniform(SECOND, seconds(40)) }.on(link(CLIENT, "proxy"));
        let history = struck(slow);
        assert!(Excuses::read(&history).disturbed(CLIENT, seconds(359), seconds(400)));
        assert!(!Excuses::read(&history).disturbed(CLIENT, seconds(360), seconds(400)));
        let idle = IdleDrop { after: SECOND, then: Expired::Drop }.on(link(CLIENT, "proxy"));
        assert!(disturbs(idle, CLIENT));
    }
}
