//! What a program does behind the engine's back: noted where it happens, told when the host's turn has ended.
//!
//! An interposed C function cannot unwind through its caller, so it notes the offence, answers with an error, and the
//! engine ends the trial with the call, the host and the time. Refuses to know which symbols notice.
//!
//! Not caught, because no call is made: the processor's own clock (`rdtsc`) and entropy (`rdrand`), and system calls
//! made by an instruction of the program's own.

use std::ffi::{c_int, c_long};
use std::fmt;
use std::net::SocketAddr;

use crate::world::net::{RESOLVER_PORT, RESOLVER_V4, RESOLVER_V6};

/// A call that no trial may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offence {
    /// Sleeps on the trial's one thread.
    Sleep {
        /// The C function.
        function: &'static str,
    },
    /// Waits on a lock, with a limit of real time.
    TimedWait,
    /// Begins a thread outside of every process.
    Thread,
    /// Begins a process.
    Process {
        /// The C function.
        function: &'static str,
    },
    /// Changes real files or folders.
    File {
        /// The C function.
        function: &'static str,
    },
    /// Draws entropy that no seed replays.
    Entropy {
        /// The C function.
        function: &'static str,
    },
    /// Reads a clock that is not simulated.
    Clock {
        /// Its number, as clock_gettime(2) has it.
        id: libc::clockid_t,
    },
    /// Opens a socket that there is none of in this world.
    Socket {
        /// Which.
        what: &'static str,
    },
    /// Sends a datagram where nobody of this world is.
    Datagram {
        /// The C function.
        function: &'static str,
        /// Where to.
        to: SocketAddr,
    },
    /// Waits for a file that does not say at once.
    Blocking {
        /// The C function.
        function: &'static str,
    },
    /// Asks for an option of a socket that is not simulated.
    SocketOption {
        /// Its level, as getsockopt(2) has it.
        level: c_int,
        /// Its number there.
        name: c_int,
    },
    /// Goes around libc's functions.
    SystemCall {
        /// Its number on this machine.
        number: c_long,
    },
    /// Asks a simulated file for something that is not simulated.
    Call {
        /// The C function.
        function: &'static str,
    },
}

impl fmt::Display for Offence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Offence::Sleep { function } => write!(
                formatter,
                "called thread::sleep ({function}), which stops every host of the trial; use tokio::time::sleep"
            ),
            Offence::TimedWait => formatter.write_str(
                "waited for a lock or a thread with a time limit (futex), which real time decides; use tokio::time::timeout",
            ),
            Offence::Thread => formatter.write_str(
                "called thread::spawn or spawn_blocking (pthread_create), which leaves the trial's thread, where clocks \
                 and dice are real; use tokio::spawn",
            ),
            Offence::File { function } => write!(
                formatter,
                "changed real files or folders ({function}), which outlive the trial; ask the surroundings for a disk \
                 (`Env::disk`)"
            ),
            Offence::Process { function } => write!(
                formatter,
                "began a process ({function}), which would live outside of the trial; let it be a host of its own"
            ),
            Offence::Entropy { function } => {
                write!(formatter, "drew raw entropy ({function}), which no seed replays; ask the surroundings for dice")
            }
            Offence::Clock { id } => write!(
                formatter,
                "read clock {id} (clock_gettime), which is not simulated; ask tokio for the time, or the surroundings \
                 for the wall clock"
            ),
            Offence::Socket { what } => write!(
                formatter,
                "opened {what} (socket), which leads out of the trial; a host has TCP, and UDP to the world's resolver, over IPv4 \
                 and IPv6"
            ),
            Offence::Datagram { function, to } => write!(
                formatter,
                "sent a datagram to {to} ({function}), which leads out of the trial; a host has TCP, and UDP to the world's \
                 resolver at {RESOLVER_V4}:{RESOLVER_PORT} and [{RESOLVER_V6}]:{RESOLVER_PORT}"
            ),
            Offence::Blocking { function } => write!(
                formatter,
                "waited for a socket ({function}), which stops every host of the trial; use tokio's sockets, or set it \
                 to non-blocking"
            ),
            Offence::SocketOption { level, name } => write!(
                formatter,
                "asked a socket for option {name} of level {level} (getsockopt, setsockopt), which is not simulated"
            ),
            Offence::SystemCall { number } => write!(
                formatter,
                "made system call {number} by its number (syscall), which goes around the functions that answer for the \
                 world; call libc's function"
            ),
            Offence::Call { function } => {
                write!(formatter, "called {function} on a simulated socket, in a way that is not simulated")
            }
        }
    }
}
