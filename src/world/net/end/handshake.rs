//! The handshake, as a dialer sees it: SYN, until somebody answers.
//!
//! Refuses to know what the answer is.
//!
//! ```text
//! Waiting --timer--> SYN again, twice as late --7th timer, or the user timeout--> given up
//! ```

use std::time::Duration;

use crate::world::net::end::retransmission::Expiry;

/// A SYN is sent again after 1, 2, 4, … s (RFC 6298 section 2).
const SYN_TIMEOUT_MIN: Duration = Duration::from_secs(1);
/// And so many times (tcp(7), tcp_syn_retries).
const SYN_RETRIES_MAX: u32 = 6;

/// See the module. All times are those of the dialer's kernel.
#[derive(Debug)]
pub(crate) struct Handshake {
    dialed: Duration,
    /// How many SYNs were sent.
    syns: u32,
    due: Duration,
}

impl Handshake {
    pub(crate) fn begin(now: Duration) -> Self {
        Handshake { dialed: now, syns: 0, due: now }
    }

    /// When the timer expires.
    pub(crate) fn due(&self) -> Duration {
        self.due
    }

    /// A SYN goes out.
    pub(crate) fn send(&mut self, now: Duration, user_timeout: Option<Duration>) {
        let timeout = SYN_TIMEOUT_MIN * 2u32.pow(self.syns);
        self.syns += 1;
        self.due = now + timeout;
        // Linux clamps this timer, too, by the user timeout.
        if let Some(limit) = user_timeout {
            self.due = self.due.min((self.dialed + limit).max(now));
        }
    }

    /// The timer has expired.
    pub(crate) fn expire(&self, now: Duration, user_timeout: Option<Duration>) -> Expiry {
        let is_late = user_timeout.is_some_and(|limit| now >= self.dialed + limit);
        if self.syns > SYN_RETRIES_MAX || is_late { Expiry::GiveUp } else { Expiry::Retransmit }
    }
}
