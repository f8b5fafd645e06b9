//! Who takes part in a trial: hosts by name, the roles they play, and what a host of a role can do.
//!
//! Refuses to know what runs on a host, and what a role is good for in its subject.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of a host: its role's word, alone (`node`) or with a number (`client-12`).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostName(Arc<str>);

impl HostName {
    /// The name of the host of that number in a role of so many hosts; the only one of a role that names it so has
    /// no number.
    #[must_use]
    pub fn numbered(role: &str, number: u32) -> Self {
        HostName(format!("{role}-{number}").into())
    }

    /// The role's word.
    #[must_use]
    pub fn role(&self) -> &str {
        self.parts().0
    }

    /// The host's number within its role; none where it is the only one.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        self.parts().1
    }

    fn parts(&self) -> (&str, Option<u32>) {
        let split = self.0.rsplit_once('-').and_then(|(role, number)| Some((role, number.parse().ok()?)));
        split.map_or((&self.0, None), |(role, number)| (role, Some(number)))
    }
}

impl Deref for HostName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for HostName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for HostName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for HostName {
    fn from(name: &str) -> Self {
        HostName(name.into())
    }
}

impl From<String> for HostName {
    fn from(name: String) -> Self {
        HostName(name.into())
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, formatter)
    }
}

/// What a host of a role can do: on whom a fault may fall, and what a fault there does to others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abilities {
    /// It has a disk.
    pub stores: bool,
    /// What its disk holds can be had again from others: a trial converges after it is lost.
    pub recovers: bool,
    /// It accepts connections.
    pub accepts: bool,
    /// Its own streams pass a proxy, which can keep them silent.
    pub streams: bool,
    /// The streams of others pass through it or end there.
    pub carries: bool,
}

/// One host of a cast.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: HostName,
    /// What it can do.
    pub abilities: Abilities,
    /// Whom it looks up and dials.
    pub dials: Vec<HostName>,
}

impl Member {
    /// Whether it dials anybody.
    #[must_use]
    pub(crate) fn is_dialing(&self) -> bool {
        !self.dials.is_empty()
    }
}

/// The hosts of a trial, role by role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cast(Vec<Member>);

impl Cast {
    /// A cast of these; the hosts of one role stand together.
    #[must_use]
    pub fn new(members: Vec<Member>) -> Self {
        Cast(members)
    }

    /// Every host, in the order of the cast.
    #[must_use]
    pub(crate) fn members(&self) -> &[Member] {
        &self.0
    }

    /// The host of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Member> {
        self.0.iter().find(|member| *member.name == *name)
    }

    /// Those of whom `can` holds.
    pub fn those(&self, can: impl Fn(&Member) -> bool) -> impl Iterator<Item = &Member> {
        self.0.iter().filter(move |member| can(member))
    }

    /// The words of the roles with a host of whom `can` holds, in the order of the cast.
    #[must_use]
    pub fn roles(&self, can: impl Fn(&Member) -> bool) -> Vec<&str> {
        let mut roles: Vec<&str> = self.those(can).map(|member| member.name.role()).collect();
        roles.dedup();
        roles
    }

    /// The kind of a host: the first role of the cast whose hosts do with streams what this one does. A host that is not of
    /// the cast is of the kind of its own role.
    #[must_use]
    pub(crate) fn kind_of(&self, host: &HostName) -> String {
        let does = |member: &Member| (member.abilities.accepts, member.abilities.streams, member.abilities.carries);
        let member = self.find(host);
        let first = member.and_then(|member| self.0.iter().find(|other| does(other) == does(member)));
        first.map_or(host.role(), |first| first.name.role()).to_owned()
    }

    /// The names of the hosts of that role.
    #[must_use]
    pub fn of_role(&self, role: &str) -> Vec<&HostName> {
        self.0.iter().map(|member| &member.name).filter(|name| name.role() == role).collect()
    }

    /// Every name but those.
    #[must_use]
    pub fn others(&self, but: &BTreeSet<HostName>) -> BTreeSet<HostName> {
        self.0.iter().map(|member| member.name.clone()).filter(|name| !but.contains(name)).collect()
    }

    /// Whether the streams of others pass through that host, or end there.
    #[must_use]
    pub(crate) fn carries_streams(&self, host: &str) -> bool {
        self.find(host).is_some_and(|member| member.abilities.carries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_knows_its_role_and_number() {
        for (name, role, number) in
            [("node", "node", None), ("client-12", "client", Some(12)), ("edge-proxy", "edge-proxy", None)]
        {
            let name = HostName::from(name);
            assert_eq!((name.role(), name.number()), (role, number));
        }
    }

    #[test]
    fn roles_are_told_in_the_order_of_the_cast() {
        let member = |name: &str, stores| Member {
            name: name.into(),
            abilities: Abilities { stores, ..Abilities::default() },
            dials: Vec::new(),
        };
        let cast = Cast::new(vec![member("node", true), member("proxy", false), member("client-1", true)]);
        assert_eq!(cast.roles(|member| member.abilities.stores), ["node", "client"]);
        assert_eq!(cast.of_role("client"), [&HostName::from("client-1")]);
    }
}
