//! What a program does behind the engine's back: noted where it happens, told when the host's turn has ended.
//!
//! An interposed C function cannot unwind through its caller, so it notes the offence, answers with an error, and the
//! engine ends the trial with the call, the host and the time. Refuses to know which symbols notice.
//!
//! Not caught, because no call is made: the processor's own clock (`rdtsc`) and entropy (`rdrand`), and system calls
//! made by an instruction of the program's own.

use std::cell::Cell;
use std::fmt;

thread_local! {
    static NOTED: Cell<Option<Offence>> = const { Cell::new(None) };
}

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
    /// Begins a thread.
    Thread,
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
    /// Opens a real socket.
    Socket,
}

/// Notes an offence on this thread; the first one counts.
pub(crate) fn note(offence: Offence) {
    NOTED.set(NOTED.get().or(Some(offence)));
}

/// The first offence on this thread since the last call.
pub(crate) fn take() -> Option<Offence> {
    NOTED.take()
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
            Offence::Entropy { function } => {
                write!(formatter, "drew raw entropy ({function}), which no seed replays; ask the surroundings for dice")
            }
            Offence::Clock { id } => write!(
                formatter,
                "read clock {id} (clock_gettime), which is not simulated; ask tokio for the time, or the surroundings \
                 for the wall clock"
            ),
            Offence::Socket => formatter.write_str(
                "opened a real socket (socket), which leads out of the trial; ask the surroundings to dial or listen",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_offence_is_told_once() {
        note(Offence::Socket);
        note(Offence::Thread);
        assert_eq!(take(), Some(Offence::Socket));
        assert_eq!(take(), None);
    }
}
