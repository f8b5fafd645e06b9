//! Numbers of errors, as a system call gives them.

use std::ffi::c_int;
use std::io;

/// An errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) c_int);

impl Errno {
    /// The number that the kernel has for what the network says.
    pub(crate) fn of(kind: io::ErrorKind) -> Self {
        KINDS.iter().find(|(known, _)| *known == kind).map_or(Errno(libc::EIO), |(_, number)| Errno(*number))
    }
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Self {
        error.raw_os_error().map_or_else(|| Errno::of(error.kind()), Errno)
    }
}

/// What the simulated network says, and errno(3).
const KINDS: [(io::ErrorKind, c_int); 11] = [
    (io::ErrorKind::AddrInUse, libc::EADDRINUSE),
    (io::ErrorKind::AddrNotAvailable, libc::EADDRNOTAVAIL),
    (io::ErrorKind::BrokenPipe, libc::EPIPE),
    (io::ErrorKind::ConnectionAborted, libc::ECONNABORTED),
    (io::ErrorKind::ConnectionRefused, libc::ECONNREFUSED),
    (io::ErrorKind::ConnectionReset, libc::ECONNRESET),
    (io::ErrorKind::HostUnreachable, libc::EHOSTUNREACH),
    (io::ErrorKind::NetworkUnreachable, libc::ENETUNREACH),
    (io::ErrorKind::NotConnected, libc::ENOTCONN),
    (io::ErrorKind::NotFound, libc::ENETUNREACH),
    (io::ErrorKind::TimedOut, libc::ETIMEDOUT),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// std reads each number back as the kind that the network meant; what no host has is out of reach.
    #[test]
    fn a_number_means_what_the_network_said() {
        for (kind, number) in KINDS.iter().filter(|(kind, _)| *kind != io::ErrorKind::NotFound) {
            assert_eq!(io::Error::from_raw_os_error(*number).kind(), *kind);
        }
    }
}
