//! Roles: what a host is to the protocol, as its name in the cast tells.
//!
//! Refuses to know how many there are, and who talks to whom: the clients of one proxy are not told from another's.

/// What a host is to the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// `node`, or `node-1` and so on.
    Node,
    /// `proxy`, or `proxy-1` and so on.
    Proxy,
    /// `client-1` and so on: it follows topics.
    Client,
    /// `publisher-1` and so on.
    Publisher,
}

impl Role {
    /// The role of the host of that name; none has the world itself.
    pub(crate) fn of(host: &str) -> Option<Role> {
        let kind = host.split_once('-').map_or(host, |(kind, _)| kind);
        let roles =
            [("node", Role::Node), ("proxy", Role::Proxy), ("client", Role::Client), ("publisher", Role::Publisher)];
        roles.into_iter().find(|(name, _)| *name == kind).map(|(_, role)| role)
    }

    /// Whether the streams of clients pass through such a host, or end there.
    pub(crate) fn carries_streams(self) -> bool {
        match self {
            Role::Node | Role::Proxy => true,
            Role::Client | Role::Publisher => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_several_has_the_role_of_the_only_one() {
        assert_eq!([Role::of("node"), Role::of("node-3")], [Some(Role::Node); 2]);
        assert_eq!([Role::of("proxy"), Role::of("proxy-2")], [Some(Role::Proxy); 2]);
        assert_eq!([Role::of("client-12"), Role::of("publisher-1")], [Some(Role::Client), Some(Role::Publisher)]);
        assert_eq!([Role::of("world"), Role::of("")], [None; 2]);
    }
}
