//! Decides when to ping a client and when to give it up (S6).
//!
//! Refuses to own a clock, a timer or a wire: it is told what was sent and asked what is due.
//!
//! ```text
//!            idle for keepalive: Ping                no Pong in time: Reap
//!   Quiet --------------------------> Awaiting ------------------------------> (stream closes)
//!     ^                                  |
//!     +----------- matching Pong --------+
//!     |                                  |
//!     +---- half-close ----> Draining <--+     no frame taken for too long: Stalled
//! ```
//! Where a dialect has no Pong, nothing is awaited: a stream is Quiet until it is half-closed, and is never reaped.

use std::time::Duration;

use tokio::time::Instant;

use crate::subject::xmtp::wire::Nonce;

/// The finest interval that `Started` can advertise: 1 ms. A shorter keepalive means none.
const KEEPALIVE_MIN: Duration = Duration::from_millis(1);

/// The liveness of one stream.
#[derive(Debug)]
pub(crate) struct StreamLiveness {
    keepalive: Option<Duration>,
    /// None where nobody answers.
    pong_deadline: Option<Duration>,
    stall: Duration,
    last_sent: Instant,
    phase: LivenessPhase,
}

#[derive(Debug)]
enum LivenessPhase {
    Quiet,
    Awaiting { nonce: Nonce, until: Instant },
    Draining,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Send this Ping.
    Ping(Nonce),
    /// Close the stream: the Pong is overdue.
    Reap,
    /// Close the stream: half-closed, and it takes no frame.
    Stalled,
}

impl StreamLiveness {
    /// The liveness of a stream whose `Started` is sent `now`. The Pong deadline is at most the interval (S6); there is
    /// none where nobody answers.
    pub(crate) fn new(keepalive: Duration, pong_deadline: Option<Duration>, stall: Duration, now: Instant) -> Self {
        StreamLiveness {
            keepalive: (keepalive >= KEEPALIVE_MIN).then_some(keepalive),
            pong_deadline: pong_deadline.map(|deadline| deadline.min(keepalive)),
            stall,
            last_sent: now,
            phase: LivenessPhase::Quiet,
        }
    }

    /// The interval to advertise in `Started` (S1).
    pub(crate) fn advertised(&self) -> Option<Duration> {
        self.keepalive
    }

    /// Any frame was sent: the idle timer starts anew (S6).
    pub(crate) fn sent(&mut self, now: Instant) {
        self.last_sent = now;
    }

    /// A Pong arrived; answers whether it is the one that is awaited. No other satisfies (S6).
    pub(crate) fn pong(&mut self, nonce: Nonce) -> bool {
        match self.phase {
            LivenessPhase::Awaiting { nonce: awaited, until: _ } if awaited == nonce => {
                self.phase = LivenessPhase::Quiet;
                true
            }
            LivenessPhase::Awaiting { .. } | LivenessPhase::Quiet | LivenessPhase::Draining => false,
        }
    }

    /// The client half-closed: it is not pinged any more, and could not answer (S11).
    pub(crate) fn half_close(&mut self, now: Instant) {
        self.last_sent = now;
        self.phase = LivenessPhase::Draining;
    }

    /// When to poll next; none if nothing will ever be due.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let idle_end = self.keepalive.map(|keepalive| self.last_sent + keepalive);
        match self.phase {
            LivenessPhase::Quiet => idle_end,
            LivenessPhase::Awaiting { nonce: _, until } => Some(until),
            LivenessPhase::Draining => Some(self.last_sent + self.stall),
        }
    }

    /// What is due by `now`; `fresh` is asked for the nonce of a Ping.
    pub(crate) fn poll(&mut self, now: Instant, fresh: impl FnOnce() -> Nonce) -> Option<Action> {
        if self.next_deadline().is_none_or(|deadline| deadline > now) {
            return None;
        }
        match self.phase {
            LivenessPhase::Quiet => {
                let nonce = fresh();
                // The wait begins now, even if the Ping has to queue behind a consumer that takes nothing:
                // else a client that stopped reading would never be reaped.
                if let Some(deadline) = self.pong_deadline {
                    self.phase = LivenessPhase::Awaiting { nonce, until: now + deadline };
                }
                self.last_sent = now;
                Some(Action::Ping(nonce))
            }
            LivenessPhase::Awaiting { .. } => Some(Action::Reap),
            LivenessPhase::Draining => Some(Action::Stalled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn liveness(start: Instant) -> StreamLiveness {
        StreamLiveness::new(30 * SECOND, Some(10 * SECOND), 60 * SECOND, start)
    }

    #[test]
    fn a_ping_is_due_one_interval_after_the_last_frame_and_not_before() {
        let start = Instant::now();
        let mut liveness = liveness(start);
        liveness.sent(start + 20 * SECOND);
        assert_eq!(liveness.next_deadline(), Some(start + 50 * SECOND));
        assert_eq!(liveness.poll(start + 49 * SECOND, || Nonce(1)), None);
        assert_eq!(liveness.poll(start + 50 * SECOND, || Nonce(1)), Some(Action::Ping(Nonce(1))));
    }

    #[test]
    fn a_ping_follows_in_each_idle_interval() {
        let start = Instant::now();
        let mut liveness = liveness(start);
        for round in 1..4 {
            let nonce = Nonce(u64::from(round));
            assert_eq!(liveness.poll(start + 30 * round * SECOND, || nonce), Some(Action::Ping(nonce)));
            assert!(liveness.pong(nonce));
        }
    }

    #[test]
    fn only_the_matching_pong_saves_the_stream() {
        let start = Instant::now();
        let mut liveness = liveness(start);
        assert!(!liveness.pong(Nonce(0)), "nothing is awaited yet");
        liveness.poll(start + 30 * SECOND, || Nonce(7));
        assert!(!liveness.pong(Nonce(8)));
        liveness.sent(start + 35 * SECOND);
        assert_eq!(liveness.poll(start + 39 * SECOND, || Nonce(9)), None);
        assert_eq!(liveness.poll(start + 40 * SECOND, || Nonce(9)), Some(Action::Reap));
    }

    #[test]
    fn the_pong_deadline_is_at_most_the_interval() {
        let start = Instant::now();
        let mut liveness = StreamLiveness::new(5 * SECOND, Some(60 * SECOND), 60 * SECOND, start);
        liveness.poll(start + 5 * SECOND, || Nonce(1));
        assert_eq!(liveness.poll(start + 10 * SECOND, || Nonce(2)), Some(Action::Reap));
    }

    #[test]
    fn where_nobody_answers_each_idle_interval_is_told_and_no_stream_is_reaped() {
        let start = Instant::now();
        let mut liveness = StreamLiveness::new(30 * SECOND, None, 60 * SECOND, start);
        for round in 1..10 {
            let nonce = Nonce(u64::from(round));
            assert_eq!(liveness.poll(start + 30 * round * SECOND, || nonce), Some(Action::Ping(nonce)));
            assert!(!liveness.pong(nonce), "nothing is awaited");
        }
    }

    #[test]
    fn a_half_closed_stream_is_never_pinged_and_ends_when_it_stalls() {
        let start = Instant::now();
        let mut liveness = liveness(start);
        liveness.poll(start + 30 * SECOND, || Nonce(1));
        liveness.half_close(start + 31 * SECOND);
        liveness.sent(start + 40 * SECOND);
        assert_eq!(liveness.poll(start + 99 * SECOND, || Nonce(2)), None);
        assert_eq!(liveness.poll(start + 100 * SECOND, || Nonce(2)), Some(Action::Stalled));
    }

    #[test]
    fn without_a_keepalive_nothing_is_ever_due() {
        let start = Instant::now();
        let mut liveness = StreamLiveness::new(Duration::ZERO, Some(SECOND), SECOND, start);
        assert_eq!(liveness.advertised(), None);
        assert_eq!(liveness.next_deadline(), None);
        assert_eq!(liveness.poll(start + 3_600 * SECOND, || Nonce(1)), None);
    }
}
