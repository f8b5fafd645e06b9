//! TCP keepalive: probes on an idle connection, with Linux's meaning of its three numbers (tcp(7)).
//!
//! Refuses to know the network. A kernel answers, not a process: a peer that is paused passes for alive.
//!
//! ```text
//! Idle --nothing heard for `idle`--> Probing --`count` probes, each `interval` after the other, unanswered--> lost
//!  ^                                    |
//!  +------------ anything heard --------+
//! ```

use std::time::Duration;

use crate::env::TcpKeepalive;

/// What is to be done when the timer expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeepaliveAction {
    /// Nothing yet.
    Wait,
    /// Ask the peer for a sign of life.
    Probe,
    /// The connection is lost.
    GiveUp,
}

/// See the module. All times are those of the host's kernel.
#[derive(Debug)]
pub(crate) struct Keepalive {
    options: TcpKeepalive,
    heard: Duration,
    probes: u32,
    due: Duration,
}

impl Keepalive {
    pub(crate) fn begin(now: Duration, options: TcpKeepalive) -> Self {
        Keepalive { options, heard: now, probes: 0, due: now + options.idle }
    }

    /// When the timer expires. It is not set anew for each packet: it looks, when it expires, whether it was meant.
    pub(crate) fn due(&self) -> Duration {
        self.due
    }

    /// The peer sent something.
    pub(crate) fn hear(&mut self, now: Duration) {
        (self.heard, self.probes) = (now, 0);
    }

    /// The timer has expired. While data are under way (`is_sending`), retransmission watches over the connection.
    /// A user timeout takes the place of `count` (tcp(7), TCP_USER_TIMEOUT; Linux, tcp_keepalive_timer).
    pub(crate) fn expire(
        &mut self,
        now: Duration,
        is_sending: bool,
        user_timeout: Option<Duration>,
    ) -> KeepaliveAction {
        let silent = now.saturating_sub(self.heard);
        if is_sending || silent < self.options.idle {
            self.due = if is_sending { now } else { self.heard } + self.options.idle;
            return KeepaliveAction::Wait;
        }
        let is_lost = match user_timeout {
            Some(limit) => silent >= limit && self.probes > 0,
            None => self.probes >= self.options.count,
        };
        if is_lost {
            return KeepaliveAction::GiveUp;
        }
        self.probes += 1;
        self.due = now + self.options.interval;
        KeepaliveAction::Probe
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const OPTIONS: TcpKeepalive = TcpKeepalive { idle: seconds(5), interval: seconds(2), count: 2 };

    /// When the probes go out and when the connection is lost.
    fn silence(user_timeout: Option<Duration>) -> (Vec<Duration>, Duration) {
        let mut keepalive = Keepalive::begin(seconds(0), OPTIONS);
        let mut probes = Vec::new();
        loop {
            let now = keepalive.due();
            match keepalive.expire(now, false, user_timeout) {
                KeepaliveAction::Wait => {}
                KeepaliveAction::Probe => probes.push(now),
                KeepaliveAction::GiveUp => return (probes, now),
            }
        }
    }

    #[test]
    fn silence_is_probed_and_then_the_connection_is_lost() {
        assert_eq!(silence(None), (vec![seconds(5), seconds(7)], seconds(9)));
    }

    #[test]
    fn a_user_timeout_takes_the_place_of_the_count() {
        assert_eq!(silence(Some(seconds(12))).1, seconds(13));
        assert_eq!(silence(Some(seconds(1))).1, seconds(7), "after one probe at least");
    }

    #[test]
    fn whatever_is_heard_puts_the_probe_off() {
        let mut keepalive = Keepalive::begin(seconds(0), OPTIONS);
        keepalive.hear(seconds(4));
        assert_eq!(keepalive.expire(seconds(5), false, None), KeepaliveAction::Wait);
        assert_eq!(keepalive.due(), seconds(9));
        assert_eq!(keepalive.expire(seconds(9), false, None), KeepaliveAction::Probe);
        keepalive.hear(seconds(10));
        assert_eq!(keepalive.expire(seconds(11), false, None), KeepaliveAction::Wait);
        assert_eq!(keepalive.due(), seconds(15));
    }

    #[test]
    fn nothing_is_probed_while_data_are_under_way() {
        let mut keepalive = Keepalive::begin(seconds(0), OPTIONS);
        assert_eq!(keepalive.expire(seconds(5), true, None), KeepaliveAction::Wait);
        assert_eq!(keepalive.due(), seconds(10));
    }
}
