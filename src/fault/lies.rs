//! The lies of a proxy without a sim around them: the same keys and the same refusals, for a proxy that runs by itself.
//!
//! Refuses to know who tells a proxy to lie. There is no cast: hosts are whoever is there.

use std::time::Duration;

use crate::fault::kind::{Hosts, Kind};
use crate::fault::kinds::{
    ProxyAlpn, ProxyAltersStatus, ProxyBuffers, ProxyDropsMessages, ProxyEndsStreams, ProxyGoAway, ProxyMisroutes,
    ProxyPingAnswers, ProxyRepeatsRequests, ProxySettings, ProxySilence, ProxySlowsStreams, ProxyWithholds,
    ProxyWithholdsWindows,
};
use crate::fault::scene::{ClauseTimes, PlanFrame, Scene};
use crate::fault::{Harm, ProxyHarm};
use crate::grammar::Section;

/// As in sims: no trial lasts longer.
const LONGEST: Duration = Duration::from_secs(168 * 3_600);

/// What the key `direction` means to a lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LieWay {
    /// It has the key, and a default.
    Optional,
    /// It has the key, and no default.
    Required,
    /// It is about streams, and has no such key.
    Streams,
    /// It is about connections: those of clients, or that to the node.
    Connections,
    /// It is about connections of clients.
    Clients,
}

/// A kind of lie, by the name that a proxy on real TCP has for it.
pub(crate) struct LieWord {
    /// The name of its kind in a sim, without the proxy that does it.
    pub(crate) name: &'static str,
    /// What the key `direction` means to it.
    pub(crate) way: LieWay,
    read: fn(&mut Section<'_>, &Scene<'_>) -> Option<Harm>,
}

/// All kinds, in the order of the kinds of faults.
pub(crate) const LIES: &[LieWord] = &[
    LieWord { name: "silence", way: LieWay::Optional, read: read::<ProxySilence> },
    LieWord { name: "drop-messages", way: LieWay::Optional, read: read::<ProxyDropsMessages> },
    LieWord { name: "end-streams", way: LieWay::Streams, read: read::<ProxyEndsStreams> },
    LieWord { name: "slow-streams", way: LieWay::Optional, read: read::<ProxySlowsStreams> },
    LieWord { name: "buffer", way: LieWay::Required, read: read::<ProxyBuffers> },
    LieWord { name: "withhold", way: LieWay::Streams, read: read::<ProxyWithholds> },
    LieWord { name: "alter-status", way: LieWay::Streams, read: read::<ProxyAltersStatus> },
    LieWord { name: "repeat-requests", way: LieWay::Streams, read: read::<ProxyRepeatsRequests> },
    LieWord { name: "misroute", way: LieWay::Streams, read: read::<ProxyMisroutes> },
    LieWord { name: "goaway", way: LieWay::Connections, read: read::<ProxyGoAway> },
    LieWord { name: "ping-answers", way: LieWay::Connections, read: read::<ProxyPingAnswers> },
    LieWord { name: "settings", way: LieWay::Connections, read: read::<ProxySettings> },
    LieWord { name: "withhold-windows", way: LieWay::Connections, read: read::<ProxyWithholdsWindows> },
    LieWord { name: "alpn", way: LieWay::Clients, read: read::<ProxyAlpn> },
];

fn read<K: Kind<Place = Hosts>>(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Harm> {
    let kind = (K::ABOUT.read)(section, scene)?;
    Some((K::ABOUT.harm)(&kind, Hosts::new()))
}

impl LieWord {
    /// Reads its keys but for the hosts, and notes what is wrong with them.
    pub(crate) fn read(&self, section: &mut Section<'_>) -> Option<ProxyHarm> {
        let frame = PlanFrame { cast: None, duration: None, calm_begins: None, longest: LONGEST };
        let times = ClauseTimes { at: None, lasts: None };
        match (self.read)(section, &Scene { frame: &frame, times: &times })? {
            Harm::Proxy { harm, .. } => Some(harm),
            Harm::Link { .. } | Harm::Kernel { .. } | Harm::Process { .. } | Harm::Clock { .. } | Harm::Disk { .. } => {
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::KINDS;

    #[test]
    fn the_page_of_the_ladder_says_of_each_who_can_tell() {
        let page = include_str!("../../docs/ladder.md");
        for row in KINDS.iter().filter(|row| row.name.starts_with("proxy-")) {
            assert!(page.contains(&format!("`{}`", row.name)), "{}", row.name);
        }
    }

    #[test]
    fn every_kind_of_fault_that_a_proxy_carries_out_is_a_lie_of_its_own() {
        let of_proxy = KINDS.iter().filter(|row| row.name.starts_with("proxy-")).count();
        assert_eq!(LIES.len(), of_proxy);
    }
}
