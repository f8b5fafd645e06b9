//! Names and addresses of a world's hosts, and resolvers that lie about them.
//!
//! Refuses to know whether anybody is at home at an address.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::cast::HostName;
use crate::fault::Answer;
use crate::world::engine::HostId;

/// Where the world's resolver listens, by UDP, at port 53. No host has it: hosts are counted from 10.0.0.1 and from fd00::1, and are
/// at most 65,535.
pub(crate) const RESOLVER_V4: Ipv4Addr = Ipv4Addr::new(10, 255, 255, 53);
/// See [`RESOLVER_V4`].
pub(crate) const RESOLVER_V6: Ipv6Addr = Ipv6Addr::new(V6_PREFIX, 0, 0, 0, 0, 0, 1, 0x53);

/// Whether the world's resolver has that address.
pub(crate) fn is_resolver(address: IpAddr) -> bool {
    address == RESOLVER_V4 || address == RESOLVER_V6
}

/// No host has it: hosts are counted from 10.0.0.1 and are at most 65,535.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 255, 255, 254));

/// Where a name or an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// To a host.
    Host(HostId),
    /// To an address of this world that is nobody's.
    Nowhere,
}

impl Destination {
    pub(crate) fn ip(self) -> IpAddr {
        match self {
            Destination::Host(host) => ip(host),
            Destination::Nowhere => NOWHERE,
        }
    }

    /// Where nobody is, there is no IPv6 either.
    pub(crate) fn ipv6(self) -> IpAddr {
        match self {
            Destination::Host(host) => ipv6(host),
            Destination::Nowhere => NOWHERE,
        }
    }
}

/// The first words of every IPv6 address of this world: a unique local one (RFC 4193).
const V6_PREFIX: u16 = 0xfd00;

/// The address of a host.
pub(crate) fn ip(host: HostId) -> IpAddr {
    let [high, low] = place(host).to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(10, 0, high, low))
}

/// The IPv6 address of a host.
pub(crate) fn ipv6(host: HostId) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(V6_PREFIX, 0, 0, 0, 0, 0, 0, place(host)))
}

/// Hosts are counted from 1.
fn place(host: HostId) -> u16 {
    u16::try_from(host.index() + 1).expect("a world has at most 65,535 hosts")
}

/// What some hosts are told about a name.
#[derive(Debug)]
struct FalseAnswer {
    number: u32,
    to: BTreeSet<HostId>,
    name: String,
    answer: Answer,
    is_felt: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Names {
    hosts: BTreeMap<String, HostId>,
    /// By the time they began; the latest counts.
    lies: Vec<FalseAnswer>,
}

impl Names {
    pub(crate) fn add(&mut self, name: &str) -> HostId {
        let number = u16::try_from(self.hosts.len()).expect("a world has at most 65,535 hosts");
        let id = HostId::numbered(number);
        let before = self.hosts.insert(name.to_owned(), id);
        assert!(before.is_none(), "two hosts are called `{name}`");
        id
    }

    /// The hosts of these names; a name that no host bears is passed over.
    pub(crate) fn find<'n>(&self, names: impl IntoIterator<Item = &'n HostName>) -> BTreeSet<HostId> {
        names.into_iter().filter_map(|name| self.hosts.get(&**name).copied()).collect()
    }

    pub(crate) fn begin_lie(&mut self, number: u32, to: BTreeSet<HostId>, name: &str, answer: &Answer) {
        self.lies.push(FalseAnswer { number, to, name: name.to_owned(), answer: answer.clone(), is_felt: false });
    }

    /// Ends a lie and tells whether anybody was told it; none: the fault is not one of names.
    pub(crate) fn end_lie(&mut self, number: u32) -> Option<bool> {
        let at = self.lies.iter().position(|lie| lie.number == number)?;
        Some(self.lies.remove(at).is_felt)
    }

    /// What a host is told when it looks up a name, and how late. Nobody looks up an address.
    pub(crate) fn resolve(&mut self, from: HostId, name: &str) -> io::Result<(Destination, Duration)> {
        let unknown = || io::Error::new(io::ErrorKind::NotFound, format!("no host of this world is called `{name}`"));
        let Some(lie) = self.lies.iter_mut().rev().find(|lie| lie.name == name && lie.to.contains(&from)) else {
            return Ok((self.look_up(name).ok_or_else(unknown)?, Duration::ZERO));
        };
        lie.is_felt = true;
        match lie.answer.clone() {
            Answer::Fails => Err(io::Error::new(io::ErrorKind::NotFound, not_known(name))),
            Answer::Dead => Ok((Destination::Nowhere, Duration::ZERO)),
            Answer::Moves { to } => Ok((self.look_up(&to).ok_or_else(unknown)?, Duration::ZERO)),
            Answer::Late { takes } => Ok((self.look_up(name).ok_or_else(unknown)?, takes)),
        }
    }

    fn look_up(&self, name: &str) -> Option<Destination> {
        let by_name = self.hosts.get(name).copied().map(Destination::Host);
        by_name.or_else(|| self.at(name.parse().ok()?))
    }

    /// A name as its host spells it: in the DNS, case is nothing (RFC 4343). Where no host bears it, it is as it was.
    pub(crate) fn spelled<'n>(&'n self, name: &'n str) -> &'n str {
        let mut hosts = self.hosts.keys().filter(|host| host.eq_ignore_ascii_case(name));
        if self.hosts.contains_key(name) { name } else { hosts.next().map_or(name, String::as_str) }
    }

    /// The name of the host at an address.
    pub(crate) fn name_at(&self, address: IpAddr) -> Option<&str> {
        let Destination::Host(host) = self.at(address)? else { return None };
        self.hosts.iter().find(|(_, id)| **id == host).map(|(name, _)| name.as_str())
    }

    /// Who is at an address.
    pub(crate) fn at(&self, address: IpAddr) -> Option<Destination> {
        if address == NOWHERE {
            return Some(Destination::Nowhere);
        }
        let place = match address {
            IpAddr::V4(address) => {
                let [10, 0, high, low] = address.octets() else { return None };
                u16::from_be_bytes([high, low])
            }
            IpAddr::V6(address) => {
                let [V6_PREFIX, 0, 0, 0, 0, 0, 0, place] = address.segments() else { return None };
                place
            }
        };
        let number = place.checked_sub(1)?;
        (usize::from(number) < self.hosts.len()).then(|| Destination::Host(HostId::numbered(number)))
    }
}

fn not_known(name: &str) -> String {
    format!("look up `{name}`: the resolver knows no such name")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> (Names, HostId, HostId) {
        let mut names = Names::default();
        let (a, b) = (names.add("a"), names.add("b"));
        (names, a, b)
    }

    fn at_once(resolved: io::Result<(Destination, Duration)>) -> Destination {
        let (destination, takes) = resolved.expect("a host");
        assert_eq!(takes, Duration::ZERO);
        destination
    }

    #[test]
    fn a_host_is_found_by_its_name_and_by_its_address() {
        let (mut names, a, b) = world();
        assert_eq!(at_once(names.resolve(a, "b")), Destination::Host(b));
        for address in [ip(b), ipv6(b)] {
            assert_eq!(at_once(names.resolve(a, &address.to_string())), Destination::Host(b));
        }
        for nobody in ["c", "10.0.0.3", "10.0.0.0", "::1"] {
            assert_eq!(names.resolve(a, nobody).expect_err("nobody").kind(), io::ErrorKind::NotFound);
        }
    }

    #[test]
    fn nobody_is_where_the_resolver_is_however_many_hosts_there_are() {
        let mut names = Names::default();
        for number in 0..u16::MAX {
            names.add(&number.to_string());
        }
        for address in [RESOLVER_V4.into(), RESOLVER_V6.into()] {
            assert!(is_resolver(address));
            assert_eq!(names.at(address), None);
        }
        assert!(!is_resolver(NOWHERE));
    }

    #[test]
    fn a_host_is_named_in_any_case_and_by_each_of_its_addresses() {
        let (names, _, b) = world();
        assert_eq!((names.spelled("B"), names.spelled("b"), names.spelled("C")), ("b", "b", "C"));
        assert_eq!(
            (names.name_at(ip(b)), names.name_at(ipv6(b)), names.name_at(NOWHERE)),
            (Some("b"), Some("b"), None)
        );
    }

    #[test]
    fn a_lie_is_told_to_its_victims_about_its_name_until_it_ends() {
        let (mut names, a, b) = world();
        names.begin_lie(1, [a].into(), "b", &Answer::Dead);
        assert_eq!(at_once(names.resolve(b, "b")), Destination::Host(b));
        assert_eq!(names.end_lie(1), Some(false));
        names.begin_lie(2, [a].into(), "b", &Answer::Fails);
        assert!(names.resolve(a, "b").expect_err("a lie").to_string().contains("`b`"));
        names.begin_lie(3, [a].into(), "b", &Answer::Moves { to: "a".into() });
        assert_eq!(at_once(names.resolve(a, "b")), Destination::Host(a));
        names.begin_lie(4, [a].into(), "b", &Answer::Late { takes: Duration::from_secs(5) });
        assert_eq!(names.resolve(a, "b").expect("late"), (Destination::Host(b), Duration::from_secs(5)));
        assert_eq!(names.end_lie(4), Some(true));
        assert_eq!((names.end_lie(3), names.end_lie(2), names.end_lie(2)), (Some(true), Some(true), None));
        assert_eq!(at_once(names.resolve(a, "b")), Destination::Host(b));
    }
}
