//! The Pings that callers wait for: matched to their Pongs by nonce, each with its own deadline.
//!
//! Refuses to know how a Ping travels, and has no clock: every call says what time it is.
//!
//! ```text
//!   begin --> waiting --Pong--> answered
//!              |   ^  \--deadline--> timed out
//!         stop |   | resume, with the whole allowance again
//!              v   |
//!         standing still --deadline--> unread
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::subject::xmtp::client::watchdog::silence;
use crate::subject::xmtp::wire::Nonce;

/// How many probes may wait at a time: as many as commands (libxmtp PR 3772); a caller needs one.
const PENDING_MAX: usize = 64;

/// Why a probe proved nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// No Pong within the deadline; the stream is still there.
    #[error("probe the stream: no pong arrived in time")]
    TimedOut,
    /// Nothing is proved: the application leaves so many events untaken that the stream is not read.
    #[error("probe the stream: it is not read before the application has taken its events")]
    Unread,
    /// The stream is gone, or half-closed.
    #[error("probe the stream: it is closed")]
    Closed,
    /// The dialect of the stream has no Ping.
    #[error("probe the stream: its dialect has no ping")]
    Unsupported,
    /// Too many probes wait already.
    #[error("probe the stream: {PENDING_MAX} probes wait already")]
    TooMany,
}

/// Tells the caller of a probe what became of it.
pub(crate) type Ack = oneshot::Sender<Result<(), ProbeError>>;

#[derive(Debug)]
struct Pending {
    allowance: Duration,
    deadline: Instant,
    ack: Ack,
}

/// The probes of one stream. Dropping it closes them all.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    last_nonce: u64,
    pending: BTreeMap<Nonce, Pending>,
    stopped: bool,
}

impl Probes {
    /// Begins a probe; the Ping to send carries the nonce. None where the caller was turned away.
    pub(crate) fn begin(&mut self, allowance: Duration, now: Instant, ack: Ack) -> Option<Nonce> {
        self.pending.retain(|_, probe| !probe.ack.is_closed());
        if self.pending.len() >= PENDING_MAX {
            answer(ack, Err(ProbeError::TooMany));
            return None;
        }
        let allowance = silence(allowance, 1);
        self.last_nonce += 1;
        let nonce = Nonce(self.last_nonce);
        self.pending.insert(nonce, Pending { allowance, deadline: now + allowance, ack });
        Some(nonce)
    }

    /// A Pong arrived. One that nobody waits for is nothing: it is late, or answers the watchdog.
    pub(crate) fn hear(&mut self, nonce: Nonce) {
        if let Some(probe) = self.pending.remove(&nonce) {
            answer(probe.ack, Ok(()));
        }
    }

    /// Nobody reads any more, so a missing Pong proves nothing: it is no timeout.
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
    }

    /// Somebody reads again.
    pub(crate) fn resume(&mut self, now: Instant) {
        self.stopped = false;
        for probe in self.pending.values_mut() {
            probe.deadline = now + probe.allowance;
        }
    }

    /// When [`Probes::expire`] is to be called next.
    #[must_use]
    pub(crate) fn due(&self) -> Option<Instant> {
        self.pending.values().map(|probe| probe.deadline).min()
    }

    /// Tells those whose deadline has passed. Whoever waits is told in time, also by an application that takes no events
    /// because it waits here.
    pub(crate) fn expire(&mut self, now: Instant) {
        let error = if self.stopped { ProbeError::Unread } else { ProbeError::TimedOut };
        for (_, probe) in self.pending.extract_if(.., |_, probe| probe.deadline <= now) {
            answer(probe.ack, Err(error));
        }
    }
}

/// A caller that no longer waits needs no answer.
pub(crate) fn answer(ack: Ack, outcome: Result<(), ProbeError>) {
    let _ = ack.send(outcome);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    type ProbeAnswer = oneshot::Receiver<Result<(), ProbeError>>;

    fn begin(probes: &mut Probes, allowance: Duration, now: Instant) -> (Option<Nonce>, ProbeAnswer) {
        let (ack, answer) = oneshot::channel();
        (probes.begin(allowance, now, ack), answer)
    }

    #[test]
    fn a_pong_answers_the_probe_of_its_nonce_alone() {
        let (mut probes, start) = (Probes::default(), Instant::now());
        let (first, mut first_answer) = begin(&mut probes, SECOND, start);
        let (second, mut second_answer) = begin(&mut probes, SECOND, start);
        assert_ne!(first, second);
        probes.hear(second.expect("begun"));
        assert_eq!(second_answer.try_recv(), Ok(Ok(())));
        assert_eq!(first_answer.try_recv(), Err(oneshot::error::TryRecvError::Empty));
    }

    #[test]
    fn a_pong_that_nobody_waits_for_answers_nobody() {
        let (mut probes, start) = (Probes::default(), Instant::now());
        let (first, mut first_answer) = begin(&mut probes, SECOND, start);
        let (_, mut second_answer) = begin(&mut probes, SECOND, start);
        let first = first.expect("begun");
        probes.hear(first);
        assert_eq!(first_answer.try_recv(), Ok(Ok(())));
        for foreign in [first, Nonce(0), Nonce(77), Nonce(u64::MAX)] {
            probes.hear(foreign);
            assert_eq!(second_answer.try_recv(), Err(oneshot::error::TryRecvError::Empty), "{foreign:?}");
        }
    }

    #[test]
    fn each_probe_has_its_own_deadline() {
        let (mut probes, start) = (Probes::default(), Instant::now());
        let (_, mut patient) = begin(&mut probes, 9 * SECOND, start);
        let (_, mut hasty) = begin(&mut probes, SECOND, start);
        assert_eq!(probes.due(), Some(start + SECOND));
        probes.expire(start + SECOND);
        assert_eq!(hasty.try_recv(), Ok(Err(ProbeError::TimedOut)));
        assert_eq!(patient.try_recv(), Err(oneshot::error::TryRecvError::Empty));
    }

    #[test]
    fn no_probe_times_out_while_nobody_reads() {
        let (mut probes, start) = (Probes::default(), Instant::now());
        let (_, mut hasty) = begin(&mut probes, SECOND, start);
        let (_, mut patient) = begin(&mut probes, 20 * SECOND, start);
        probes.stop();
        probes.expire(start + 9 * SECOND);
        assert_eq!(hasty.try_recv(), Ok(Err(ProbeError::Unread)));
        assert_eq!(patient.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        probes.resume(start + 9 * SECOND);
        assert_eq!(probes.due(), Some(start + 29 * SECOND), "the whole allowance again");
    }

    #[test]
    fn probes_are_bounded_and_abandoned_ones_make_room() {
        let (mut probes, start) = (Probes::default(), Instant::now());
        let mut waiting: Vec<_> = (0..PENDING_MAX).map(|_| begin(&mut probes, SECOND, start)).collect();
        let (nonce, mut answer) = begin(&mut probes, SECOND, start);
        assert_eq!((nonce, answer.try_recv()), (None, Ok(Err(ProbeError::TooMany))));
        waiting.pop();
        assert!(begin(&mut probes, SECOND, start).0.is_some());
    }
}
