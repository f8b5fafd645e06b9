//! The part of a trial whose packets are wanted.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use crate::cast::HostName;
use crate::world::{CapturedSegment, Kept};

/// Packets of some hosts, of some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketStretch {
    /// From then on, since the trial's start.
    pub from: Duration,
    /// Until then; none is to the end.
    pub until: Option<Duration>,
    /// To or from one of these; empty is everybody's.
    pub hosts: BTreeSet<HostName>,
}

impl PacketStretch {
    /// Whether something at that time is wanted.
    pub(super) fn covers(&self, at: Duration) -> bool {
        self.from <= at && self.until.is_none_or(|until| at <= until)
    }

    /// The connections of which there is a packet in the stretch.
    pub(super) fn connections(&self, kept: &Kept) -> BTreeSet<u64> {
        let ips: BTreeSet<IpAddr> =
            kept.hosts.iter().filter(|(name, _)| self.hosts.contains(name.as_str())).map(|(_, ip)| *ip).collect();
        let is_theirs = |segment: &&CapturedSegment| {
            self.hosts.is_empty() || ips.contains(&segment.from.ip()) || ips.contains(&segment.to.ip())
        };
        let wanted = kept.segments.iter().filter(|segment| self.covers(segment.at)).filter(is_theirs);
        wanted.map(|segment| segment.connection).collect()
    }
}
