//! Options of sockets (socket(7), tcp(7), ip(7), ipv6(7)): which there are here, and what they begin with.
//!
//! Those that TCP's patience depends on do what they do in Linux; the others are kept and given back, because nothing in
//! this world could tell the difference: buffers have one size, nothing is delayed for the sake of few packets.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::time::Duration;

use crate::env::{TcpKeepalive, TcpOptions};

/// The level and the number of an option.
type OptionName = (c_int, c_int);

/// Each option that is one number, and what it is where nobody has set it. The times and counts of TCP are Linux's
/// defaults (tcp(7)).
const DEFAULTS: [(OptionName, c_int); 22] = [
    ((libc::SOL_SOCKET, libc::SO_REUSEADDR), 0),
    ((libc::SOL_SOCKET, libc::SO_REUSEPORT), 0),
    ((libc::SOL_SOCKET, libc::SO_KEEPALIVE), 0),
    ((libc::SOL_SOCKET, libc::SO_BROADCAST), 0),
    ((libc::SOL_SOCKET, libc::SO_OOBINLINE), 0),
    ((libc::SOL_SOCKET, libc::SO_PRIORITY), 0),
    ((libc::SOL_SOCKET, libc::SO_SNDBUF), 256 << 10),
    ((libc::SOL_SOCKET, libc::SO_RCVBUF), 256 << 10),
    ((libc::SOL_SOCKET, libc::SO_RCVLOWAT), 1),
    ((libc::IPPROTO_TCP, libc::TCP_NODELAY), 0),
    ((libc::IPPROTO_TCP, libc::TCP_CORK), 0),
    ((libc::IPPROTO_TCP, libc::TCP_QUICKACK), 1),
    ((libc::IPPROTO_TCP, libc::TCP_MAXSEG), 1_448),
    ((libc::IPPROTO_TCP, libc::TCP_SYNCNT), 6),
    ((libc::IPPROTO_TCP, libc::TCP_KEEPIDLE), 7_200),
    ((libc::IPPROTO_TCP, libc::TCP_KEEPINTVL), 75),
    ((libc::IPPROTO_TCP, libc::TCP_KEEPCNT), 9),
    ((libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT), 0),
    ((libc::IPPROTO_IP, libc::IP_TOS), 0),
    ((libc::IPPROTO_IP, libc::IP_TTL), 64),
    ((libc::IPPROTO_IPV6, libc::IPV6_V6ONLY), 0),
    ((libc::IPPROTO_IPV6, libc::IPV6_TCLASS), 0),
];

/// What was set.
#[derive(Clone, Debug, Default)]
pub(crate) struct SocketOptions {
    set: BTreeMap<OptionName, c_int>,
}

impl SocketOptions {
    /// What an option is; none: there is none here of that name.
    pub(crate) fn get(&self, level: c_int, name: c_int) -> Option<c_int> {
        let default = DEFAULTS.iter().find(|(known, _)| *known == (level, name))?.1;
        Some(self.set.get(&(level, name)).copied().unwrap_or(default))
    }

    /// Whether there is such an option.
    pub(crate) fn set(&mut self, level: c_int, name: c_int, value: c_int) -> bool {
        let is_known = self.get(level, name).is_some();
        if is_known {
            self.set.insert((level, name), value);
        }
        is_known
    }

    fn number(&self, level: c_int, name: c_int) -> u32 {
        self.get(level, name).and_then(|value| u32::try_from(value).ok()).unwrap_or(0)
    }

    /// What TCP does about a peer that has fallen silent.
    pub(crate) fn tcp(&self) -> TcpOptions {
        let seconds = |name| Duration::from_secs(self.number(libc::IPPROTO_TCP, name).max(1).into());
        let keepalive = TcpKeepalive {
            idle: seconds(libc::TCP_KEEPIDLE),
            interval: seconds(libc::TCP_KEEPINTVL),
            count: self.number(libc::IPPROTO_TCP, libc::TCP_KEEPCNT).max(1),
        };
        let is_kept_alive = self.number(libc::SOL_SOCKET, libc::SO_KEEPALIVE) > 0;
        let patience = self.number(libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT);
        TcpOptions {
            keepalive: is_kept_alive.then_some(keepalive),
            user_timeout: (patience > 0).then(|| Duration::from_millis(patience.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_numbers_of_patience_are_tcps() {
        let mut options = SocketOptions::default();
        assert_eq!(options.tcp(), TcpOptions::default());
        for (level, name, value) in [
            (libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1),
            (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, 10),
            (libc::IPPROTO_TCP, libc::TCP_KEEPCNT, 3),
            (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, 1_500),
        ] {
            assert!(options.set(level, name, value));
        }
        let [idle, interval] = [10, 75].map(Duration::from_secs);
        let keepalive = Some(TcpKeepalive { idle, interval, count: 3 });
        assert_eq!(options.tcp(), TcpOptions { keepalive, user_timeout: Some(Duration::from_millis(1_500)) });
    }

    #[test]
    fn what_there_is_not_is_not_kept() {
        let mut options = SocketOptions::default();
        assert!(!options.set(libc::SOL_SOCKET, libc::SO_TIMESTAMP, 1));
        assert_eq!(options.get(libc::SOL_SOCKET, libc::SO_TIMESTAMP), None);
        assert_eq!(options.get(libc::IPPROTO_IP, libc::IP_TTL), Some(64));
    }
}
