//! What a clause of the plan does to one stream, by where on the stream's way it takes hold.
//!
//! Refuses to know kinds of faults: it goes by the few primitives that they are made of. Processes that die are not
//! here: a history tells the very instant at which one did, and a clause does not.

use crate::cast::{Cast, HostName};
use crate::fault::{Between, Clause, Expired, Harm, LinkHarm, ProcessHarm};
use crate::lie::{Direction, Lie, StreamLie, Witness};

/// The hosts that a stream passes, from the client to the server, as the cast says whom each dials.
#[derive(Clone, Debug)]
pub(crate) struct Route(Vec<HostName>);

/// On which side of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouteSide {
    /// Between the client and the first host that it dials, or at that host.
    Near,
    /// Beyond.
    Far,
}

/// How a clause holds a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grip {
    /// Nothing passes while it lasts.
    Stops(RouteSide),
    /// What the proxy swallows is gone, and with it the stream.
    Swallows {
        /// Also of what is sent to the client.
        to_client: bool,
    },
    /// It may stop a stream, and shows only when it has.
    MayStop {
        /// Where.
        side: RouteSide,
        /// Whoever sends is answered with a reset.
        resets: bool,
    },
}

impl Route {
    /// The route of that host's streams.
    pub(crate) fn of(host: &HostName, cast: &Cast) -> Self {
        let mut route = vec![host.clone()];
        while let Some(next) = route.last().and_then(|last| cast.find(last)?.dials.first()) {
            if route.contains(next) {
                break;
            }
            route.push(next.clone());
        }
        Route(route)
    }

    /// The route of a connection that a host dialed.
    pub(crate) fn through(host: &HostName, to: &HostName, cast: &Cast) -> Self {
        // Whom a guest's server dials the cast does not say; a proxy of ours has no disk.
        let is_proxy = cast.find(to).is_some_and(|member| !member.abilities.stores);
        let Route(beyond) = if is_proxy { Route::of(to, cast) } else { Route(vec![to.clone()]) };
        Route([host.clone()].into_iter().chain(beyond).collect())
    }

    /// Where it ends.
    pub(crate) fn server(&self) -> Option<&HostName> {
        self.0.get(1..)?.last()
    }

    /// On which side that host carries the stream; none where it does not, or is the client.
    pub(crate) fn side_of(&self, host: &str) -> Option<RouteSide> {
        match self.0.iter().position(|passed| **passed == *host)? {
            0 => None,
            1 => Some(RouteSide::Near),
            _ => Some(RouteSide::Far),
        }
    }

    fn side_of_link(&self, between: &Between) -> Option<RouteSide> {
        let cuts = |one: &HostName, other: &HostName| between.from.contains(one) && between.to.contains(other);
        let cut = self.0.windows(2).position(|ends| cuts(&ends[0], &ends[1]) || cuts(&ends[1], &ends[0]))?;
        Some(if cut == 0 { RouteSide::Near } else { RouteSide::Far })
    }

    /// How the clause holds a stream of this route, if it does.
    pub(crate) fn grip(&self, clause: &Clause) -> Option<Grip> {
        match clause.fault.harm() {
            // On the client's streams, or on all of the proxy that it dials.
            Harm::Proxy { on, harm } => {
                self.0.iter().take(2).any(|host| on.contains(host)).then(|| of_proxy(&harm.lie))?
            }
            Harm::Link { between, harm } => Some(of_link(&harm, self.side_of_link(&between)?)),
            Harm::Process { on, harm: ProcessHarm::Paused | ProcessHarm::Suspended } => {
                on.iter().find_map(|host| self.side_of(host)).map(Grip::Stops)
            }
            Harm::Process {
                harm: ProcessHarm::Dies { .. } | ProcessHarm::Stops | ProcessHarm::RestartLoop, ..
            }
            | Harm::Kernel { .. }
            | Harm::Clock { .. }
            | Harm::Disk { .. } => None,
        }
    }

    /// Whether the clause falls on a process that died on that host.
    pub(crate) fn kills(clause: &Clause, host: &str) -> bool {
        matches!(clause.fault.harm(), Harm::Process { on, .. } if on.contains(host))
    }
}

/// What a proxy does may stop a stream, and shows when it has: unless its client is told, or all goes on but for what only
/// a count would show.
fn of_proxy(lie: &Lie) -> Option<Grip> {
    if let Lie::Stream(StreamLie::Silence { direction }) = lie {
        return Some(Grip::Swallows { to_client: *direction != Some(Direction::ToNode) });
    }
    match lie.witness() {
        Witness::Keepalive | Witness::Server | Witness::Watchdog => {
            Some(Grip::MayStop { side: RouteSide::Near, resets: false })
        }
        Witness::Told | Witness::Counting | Witness::Nobody => None,
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what else a link does wrong may stop a stream, and shows when it has"
)]
fn of_link(harm: &LinkHarm, side: RouteSide) -> Grip {
    match harm {
        LinkHarm::Partition => Grip::Stops(side),
        LinkHarm::IdleDrop { then: Expired::Reset, .. } => Grip::MayStop { side, resets: true },
        _ => Grip::MayStop { side, resets: false },
    }
}
