//! `proxy-misroutes`: the proxy sends new streams to another node.

use crate::cast::HostName;
use crate::fault::StreamAim;
use crate::fault::hosts::{STREAMING, host_named};
use crate::fault::kind::{About, Excuse, Hold, Hosts, Kind};
use crate::lie::StreamLie;

/// As where an address was given to somebody else, or a route is stale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyMisroutes {
    /// The node.
    pub to: HostName,
    /// Which streams.
    pub aim: StreamAim,
}

impl Kind for ProxyMisroutes {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"client-*\"\nto = \"node\"",
        falls_on: |_| STREAMING,
        read: |section, scene| {
            let is_node = |host: &crate::cast::Member| host.abilities.stores && host.abilities.carries;
            let to = section.required("to", "to = \"node-2\"", |entry| host_named(entry, scene, is_node));
            Some(ProxyMisroutes { aim: StreamAim::read(section, scene)?, to: to?.value })
        },
        keys: |misrouted| [("to", (&*misrouted.to).into())].into_iter().chain(misrouted.aim.keys()).collect(),
        told: |misrouted, hosts| format!("the proxy sends new streams of {hosts}{} to {}", misrouted.aim, misrouted.to),
        harm: |misrouted, on| {
            misrouted.aim.harm(on, StreamLie::Misroute { host: misrouted.to.to_string(), port: None })
        },
        excuse: |_| Excuse::Nobody,
        hold: |_| Hold::Nothing,
        obstacle: |_, _| None,
        // A stream that was led astray stays there for as long as it lives, and all its answers are right.
        drawn: None,
    };
}
