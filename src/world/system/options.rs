//! Options of sockets (socket(7), tcp(7), ip(7), ipv6(7)): which there are here, and what they begin with.
//!
//! Those that TCP's patience depends on do what they do in Linux; the others are kept and given back, because nothing in
//! this world could tell the difference: buffers have one size, nothing is delayed for the sake of few packets.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::time::Duration;

use crate::env::{TcpKeepalive, TcpOptions};
use crate::world::net::UdpSharing;
use crate::world::system::error::Errno;

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
    /// How long a call waits to receive, and how long to send (SO_RCVTIMEO, SO_SNDTIMEO); none: for ever.
    pub(crate) receive_limit: Option<Duration>,
    pub(crate) send_limit: Option<Duration>,
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

    /// With whom a socket of UDP shares its port.
    pub(crate) fn udp_sharing(&self) -> UdpSharing {
        UdpSharing {
            address: self.number(libc::SOL_SOCKET, libc::SO_REUSEADDR) > 0,
            port: self.number(libc::SOL_SOCKET, libc::SO_REUSEPORT) > 0,
            only_v6: self.number(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY) > 0,
        }
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

/// The limit of a wait that a timeval says: of no time, none (socket(7), SO_RCVTIMEO).
pub(crate) fn read_limit(numbers: [c_int; 4]) -> Result<Option<Duration>, Errno> {
    let [a, b, c, d] = numbers.map(c_int::to_ne_bytes);
    let word = |halves: [[u8; 4]; 2]| i64::from_ne_bytes(halves.concat().try_into().expect("eight bytes"));
    let (seconds, micros) = (word([a, b]), word([c, d]));
    let micros = u32::try_from(micros).ok().filter(|micros| *micros < 1_000_000).ok_or(Errno(libc::EDOM))?;
    // Linux takes a time before now for one that has come (sock_set_timeout).
    let limit = Duration::new(u64::try_from(seconds).unwrap_or(0), micros * 1_000);
    Ok((seconds < 0 || !limit.is_zero()).then_some(limit))
}

/// The timeval of a limit.
pub(crate) fn limit_bytes(limit: Option<Duration>) -> Vec<u8> {
    let limit = limit.unwrap_or_default();
    [limit.as_secs().to_ne_bytes(), u64::from(limit.subsec_micros()).to_ne_bytes()].concat()
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
    fn a_limit_is_given_back_as_it_was_set() {
        let read = |bytes: Vec<u8>| {
            let numbers: Vec<c_int> =
                bytes.chunks(4).map(|part| c_int::from_ne_bytes(part.try_into().expect("four bytes"))).collect();
            read_limit(numbers.try_into().expect("four numbers"))
        };
        for limit in [None, Some(Duration::from_micros(1_500_007)), Some(Duration::from_secs(1 << 40))] {
            assert_eq!(read(limit_bytes(limit)), Ok(limit));
        }
        assert_eq!(read([[0; 8], 1_000_000_u64.to_ne_bytes()].concat()), Err(Errno(libc::EDOM)));
    }

    #[test]
    fn what_there_is_not_is_not_kept() {
        let mut options = SocketOptions::default();
        assert!(!options.set(libc::SOL_SOCKET, libc::SO_TIMESTAMP, 1));
        assert_eq!(options.get(libc::SOL_SOCKET, libc::SO_TIMESTAMP), None);
        assert_eq!(options.get(libc::IPPROTO_IP, libc::IP_TTL), Some(64));
    }
}
