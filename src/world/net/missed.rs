//! Whom hosts looked for in vain: names that nobody has, and ports on which nobody ever listened.
//!
//! Refuses to know the words for it. A dialer that is told so may say nothing and try again, and then no history tells why
//! nothing came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::world::engine::HostId;
use crate::world::net::kernel::is_heard_at;
use crate::world::remark::{Remark, Remarked};

/// So many different ones are kept of each kind and host: nobody reads more, and a program may make names up.
const MISSED_MAX: usize = 100;

/// When it was first, and how often.
#[derive(Clone, Copy)]
struct MissCount {
    first: Duration,
    count: u64,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Missed {
    names: BTreeMap<HostId, BTreeMap<String, MissCount>>,
    /// By whom each was refused, and at which address.
    refusals: BTreeMap<HostId, BTreeMap<(HostId, SocketAddr), MissCount>>,
    /// At which addresses each host ever listened, by its ports.
    heard: BTreeMap<(HostId, u16), BTreeSet<IpAddr>>,
}

impl Missed {
    /// Nobody of the world has that name or address.
    pub(crate) fn note_unknown(&mut self, now: Duration, from: HostId, name: String) {
        note(self.names.entry(from).or_default(), now, name);
    }

    /// A dialer was refused: nobody listened there then.
    pub(crate) fn note_refusal(&mut self, now: Duration, from: HostId, to: HostId, at: SocketAddr) {
        note(self.refusals.entry(from).or_default(), now, (to, at));
    }

    /// Somebody listens.
    pub(crate) fn note_listener(&mut self, host: HostId, port: u16, bound: IpAddr) {
        self.heard.entry((host, port)).or_default().insert(bound);
    }

    /// What was missed, by the names of hosts. Whoever came too early, or while the listener was gone, missed nothing.
    pub(crate) fn remarks<'n>(&self, name: impl Fn(HostId) -> &'n str) -> Vec<Remark> {
        let unknown = each(&self.names)
            .map(|(from, unknown, count)| count.remark(name(from), Remarked::Unknown { name: unknown.clone() }));
        let refused = each(&self.refusals).filter_map(|(from, (to, at), count)| {
            let bound = self.heard.get(&(*to, at.port()));
            let elsewhere: Vec<IpAddr> = bound.into_iter().flatten().copied().collect();
            if elsewhere.iter().any(|bound| is_heard_at(*bound, at.ip())) {
                return None;
            }
            let ports = self.heard.keys().filter(|(host, _)| host == to).map(|(_, port)| *port).collect();
            let on = name(*to).to_owned();
            let (port, by_v6) = (at.port(), at.is_ipv6());
            Some(count.remark(name(from), Remarked::NobodyListens { on, port, by_v6, elsewhere, ports }))
        });
        unknown.chain(refused).collect()
    }
}

impl MissCount {
    fn remark(self, host: &str, what: Remarked) -> Remark {
        Remark { host: host.to_owned(), at: self.first, count: self.count, what }
    }
}

/// Each, with the host whose it is.
fn each<K>(of_hosts: &BTreeMap<HostId, BTreeMap<K, MissCount>>) -> impl Iterator<Item = (HostId, &K, &MissCount)> {
    of_hosts.iter().flat_map(|(host, tallies)| tallies.iter().map(|(key, count)| (*host, key, count)))
}

fn note<K: Ord>(tallies: &mut BTreeMap<K, MissCount>, now: Duration, key: K) {
    if tallies.len() < MISSED_MAX || tallies.contains_key(&key) {
        tallies.entry(key).or_insert(MissCount { first: now, count: 0 }).count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn remarks(missed: &Missed) -> Vec<Remark> {
        missed.remarks(|host| ["client", "edge"][host.index()])
    }

    #[test]
    fn only_ports_on_which_nobody_ever_listened_are_missed() {
        let (client, edge, mut missed) = (HostId::numbered(0), HostId::numbered(1), Missed::default());
        let at = |port| SocketAddr::new([10, 0, 0, 2].into(), port);
        for second in 1..4 {
            missed.note_refusal(second * SECOND, client, edge, at(7000));
            missed.note_refusal(second * SECOND, client, edge, at(7001));
            missed.note_refusal(second * SECOND, client, edge, at(7002));
        }
        missed.note_listener(edge, 7000, [0, 0, 0, 0].into());
        let loopback = IpAddr::from([127, 0, 0, 1]);
        missed.note_listener(edge, 7002, loopback);
        let about = |port, elsewhere: &[IpAddr]| Remark {
            host: "client".to_owned(),
            at: SECOND,
            count: 3,
            what: Remarked::NobodyListens {
                on: "edge".to_owned(),
                port,
                by_v6: false,
                elsewhere: elsewhere.to_vec(),
                ports: vec![7000, 7002],
            },
        };
        assert_eq!(remarks(&missed), [about(7001, &[]), about(7002, &[loopback])]);
    }

    #[test]
    fn a_program_that_makes_names_up_fills_no_memory() {
        let mut missed = Missed::default();
        for number in 0..2 * MISSED_MAX {
            missed.note_unknown(SECOND, HostId::numbered(0), format!("nobody-{number}"));
        }
        missed.note_unknown(2 * SECOND, HostId::numbered(0), "nobody-0".to_owned());
        let remarks = remarks(&missed);
        assert_eq!((remarks.len(), remarks[0].count), (MISSED_MAX, 2));
    }
}
