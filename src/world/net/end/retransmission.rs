//! Retransmission: what a sender does about bursts that its peer is not known to have.
//!
//! Exists only while something is missing: a connection on which everything arrives has none, and no timer. Refuses
//! to know links and the world's time; it reads its own kernel's clock, which stands still while the host sleeps.
//!
//! ```text
//!  a burst is lost, or its acknowledgment              timer                924.6 s, or the user timeout
//! -----------------------------------------> Missing ----------> Retransmitting ----------> given up
//!        3 segments after it arrived: timer soon <_|                 | timer: again, twice as late
//!                          everything is acknowledged: over <--------+
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use crate::world::net::packet::Segments;
use crate::world::net::segment::Burst;

/// The least that a timeout is longer than a round trip (Linux, TCP_RTO_MIN; its round trips vary less than that).
const TIMEOUT_SLACK_MIN: Duration = Duration::from_millis(200);
/// A timeout doubles up to this (RFC 6298 section 5.5; Linux, TCP_RTO_MAX).
const TIMEOUT_MAX: Duration = Duration::from_secs(120);
/// So many acknowledgments of later segments mean that a segment is lost (RFC 5681 section 3.2).
const DUPLICATES_MIN: u32 = 3;
/// A sender gives up at the first timeout so long after the first retransmission: what 15 retransmissions take from
/// the least timeout on (Linux, ip-sysctl, tcp_retries2).
const RETRANSMISSION_TIME_MAX: Duration = Duration::from_millis(924_600);
/// The same for a connection that no process holds any more: 8 retransmissions (Linux, ip-sysctl, tcp_orphan_retries).
const ORPHAN_TIME_MAX: Duration = Duration::from_millis(102_200);

/// A burst that the peer is not known to have.
#[derive(Debug)]
pub(crate) struct Unacknowledged {
    pub(crate) burst: Burst,
    /// When it was sent first.
    pub(crate) sent: Duration,
    /// What has to be sent again.
    pub(crate) missing: Segments,
}

/// When a sender gives up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetransmissionLimits {
    /// TCP_USER_TIMEOUT (RFC 5482).
    pub(crate) user_timeout: Option<Duration>,
    /// No process holds the socket.
    pub(crate) is_orphan: bool,
}

/// What is to be done when the timer expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// Send everything again, the oldest first.
    Retransmit,
    /// The connection is lost.
    GiveUp,
}

/// See the module. All times are those of the sender's kernel.
#[derive(Debug)]
pub(crate) struct Retransmission {
    /// In order. Empty: the peer's window is closed, and it is asked whether that is still so (a zero-window probe,
    /// RFC 9293 section 3.8.6.1).
    queue: VecDeque<Unacknowledged>,
    /// Since when the oldest, or the probe, is without an answer.
    since: Duration,
    /// When something was first sent again without an answer since.
    retransmitted: Option<Duration>,
    shortest: Duration,
    timeout: Duration,
    due: Duration,
    duplicates: u32,
    /// The timer stands for three duplicates, not for a timeout.
    is_fast: bool,
}

impl Retransmission {
    /// Of something that was sent at `sent`, over a link with that round trip.
    pub(crate) fn begin(sent: Duration, round_trip: Duration) -> Self {
        let timeout = (round_trip + TIMEOUT_SLACK_MIN).min(TIMEOUT_MAX);
        Retransmission {
            queue: VecDeque::new(),
            since: sent,
            retransmitted: None,
            shortest: timeout,
            timeout,
            due: sent + timeout,
            duplicates: 0,
            is_fast: false,
        }
    }

    /// When the timer expires.
    pub(crate) fn due(&self, user_timeout: Option<Duration>) -> Duration {
        // Linux clamps the timer so that a user timeout is not overslept (tcp_clamp_rto_to_user_timeout).
        user_timeout.map_or(self.due, |limit| self.due.min(self.since + limit))
    }

    /// Whether new data wait behind the old: after a timeout, the congestion window is one segment (RFC 5681 section
    /// 3.1).
    pub(crate) fn holds_back(&self) -> bool {
        self.retransmitted.is_some()
    }

    /// Whether nothing is missing.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// One of those that are missing, the oldest first.
    pub(crate) fn get(&self, at: usize) -> Option<&Unacknowledged> {
        self.queue.get(at)
    }

    /// One more burst, or a better word on one of them; whether it is one more.
    pub(crate) fn keep(&mut self, unacknowledged: Unacknowledged) -> bool {
        let sequence = unacknowledged.burst.sequence;
        let place = self.queue.binary_search_by_key(&sequence, |other| other.burst.sequence);
        match place {
            Ok(at) => self.queue[at].missing = unacknowledged.missing,
            Err(at) => self.queue.insert(at, unacknowledged),
        }
        place.is_err()
    }

    /// The peer tells of so many later segments; the lost one is sent again `delay` after the third (RFC 5681).
    pub(crate) fn hear_duplicates(&mut self, now: Duration, count: u32, delay: Duration) {
        let before = self.duplicates;
        self.duplicates = before.saturating_add(count);
        if before < DUPLICATES_MIN && self.duplicates >= DUPLICATES_MIN && self.retransmitted.is_none() {
            self.due = self.due.min(now + delay);
            self.is_fast = true;
        }
    }

    /// The peer has everything before `expected`; whether that was news.
    pub(crate) fn acknowledge(&mut self, now: Duration, expected: u64) -> bool {
        let before = self.queue.len();
        while self.queue.front().is_some_and(|oldest| oldest.burst.sequence < expected) {
            self.queue.pop_front();
        }
        let is_news = self.queue.len() < before;
        if is_news {
            self.since = self.queue.front().map_or(now, |oldest| oldest.sent);
            self.retransmitted = None;
            self.timeout = self.shortest;
            self.due = now + self.timeout;
            (self.duplicates, self.is_fast) = (0, false);
        }
        is_news
    }

    /// The peer lives, and its window is still closed: the next probe is later, and nobody gives up.
    pub(crate) fn hear_answer(&mut self, now: Duration) {
        if self.queue.is_empty() {
            (self.since, self.retransmitted) = (now, None);
        }
    }

    /// The timer has expired.
    pub(crate) fn expire(&mut self, now: Duration, limits: RetransmissionLimits) -> Expiry {
        let patience = if limits.is_orphan { ORPHAN_TIME_MAX } else { RETRANSMISSION_TIME_MAX };
        let is_lost = limits.user_timeout.is_some_and(|limit| now >= self.since + limit)
            || self.retransmitted.is_some_and(|first| now >= first + patience);
        if is_lost {
            return Expiry::GiveUp;
        }
        if !std::mem::take(&mut self.is_fast) {
            self.retransmitted.get_or_insert(now);
            self.timeout = (2 * self.timeout).min(TIMEOUT_MAX);
        }
        self.due = now + self.timeout;
        Expiry::Retransmit
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(50);
    const SENT: Duration = Duration::from_secs(10);
    const NO_LIMITS: RetransmissionLimits = RetransmissionLimits { user_timeout: None, is_orphan: false };

    fn burst(sequence: u64) -> Unacknowledged {
        let burst = Burst { sequence, bytes: Bytes::from_static(b"x"), finish: false };
        Unacknowledged { burst, sent: SENT, missing: Segments::of(1) }
    }

    fn with(sequences: impl IntoIterator<Item = u64>) -> Retransmission {
        let mut retransmission = Retransmission::begin(SENT, ROUND_TRIP);
        for sequence in sequences {
            retransmission.keep(burst(sequence));
        }
        retransmission
    }

    /// The times of the retransmissions, and of giving up.
    fn wait(mut retransmission: Retransmission, limits: RetransmissionLimits) -> (Vec<Duration>, Duration) {
        let mut times = Vec::new();
        loop {
            let now = retransmission.due(limits.user_timeout);
            match retransmission.expire(now, limits) {
                Expiry::Retransmit => times.push(now - SENT),
                Expiry::GiveUp => return (times, now - SENT),
            }
        }
    }

    #[test]
    fn timeouts_double_up_to_two_minutes() {
        let (times, _) = wait(with([1]), NO_LIMITS);
        let gaps: Vec<u128> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
        assert_eq!(times[0].as_millis(), 250);
        assert_eq!(gaps[..9], [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 120_000]);
        assert!(gaps[9..].iter().all(|gap| *gap == 120_000));
    }

    #[test]
    fn a_sender_gives_up_after_a_quarter_of_an_hour_and_an_orphan_earlier() {
        let (_, given_up) = wait(with([1]), NO_LIMITS);
        assert!((925..925 + 120).contains(&given_up.as_secs()), "{given_up:?}");
        let (_, given_up) = wait(with([1]), RetransmissionLimits { is_orphan: true, ..NO_LIMITS });
        assert!((102..102 + 120).contains(&given_up.as_secs()), "{given_up:?}");
    }

    #[test]
    fn a_user_timeout_counts_from_the_first_sending_and_is_kept_to_the_moment() {
        let limits = RetransmissionLimits { user_timeout: Some(Duration::from_secs(5)), ..NO_LIMITS };
        assert_eq!(wait(with([1]), limits).1, Duration::from_secs(5));
    }

    #[test]
    fn three_segments_after_the_gap_bring_the_next_try_forward_once() {
        let mut retransmission = with([1]);
        let now = SENT + Duration::from_millis(10);
        retransmission.hear_duplicates(now, 2, ROUND_TRIP);
        assert_eq!(retransmission.due(None), SENT + Duration::from_millis(250));
        retransmission.hear_duplicates(now, 1, ROUND_TRIP);
        assert_eq!(retransmission.due(None), now + ROUND_TRIP);
        assert_eq!(retransmission.expire(now + ROUND_TRIP, NO_LIMITS), Expiry::Retransmit);
        assert!(!retransmission.holds_back(), "no timeout has passed");
        retransmission.hear_duplicates(now + ROUND_TRIP, 9, ROUND_TRIP);
        assert_eq!(retransmission.due(None), now + ROUND_TRIP + Duration::from_millis(250));
    }

    #[test]
    fn progress_begins_the_wait_anew_and_the_last_acknowledgment_ends_it() {
        let mut retransmission = with([3, 1, 2]);
        retransmission.expire(SENT + Duration::from_secs(1), NO_LIMITS);
        assert!(retransmission.holds_back());
        let now = SENT + Duration::from_secs(2);
        assert!(retransmission.acknowledge(now, 2));
        assert!(!retransmission.acknowledge(now, 2), "that is no news");
        assert!(!retransmission.holds_back() && !retransmission.is_empty());
        assert_eq!(retransmission.due(None), now + Duration::from_millis(250));
        assert!(retransmission.acknowledge(now, 4));
        assert!(retransmission.is_empty());
    }

    #[test]
    fn bursts_stay_in_order_and_each_is_kept_once() {
        let mut retransmission = with([2, 1]);
        assert!(!retransmission.keep(burst(2)), "it was kept twice");
        let sequences = [0, 1, 2].map(|at| retransmission.get(at).map(|kept| kept.burst.sequence));
        assert_eq!(sequences, [Some(1), Some(2), None]);
    }

    #[test]
    fn a_closed_window_is_asked_for_ever_while_somebody_answers() {
        let mut probing = with([]);
        for _ in 0..100 {
            let now = probing.due(None);
            assert_eq!(probing.expire(now, NO_LIMITS), Expiry::Retransmit);
            probing.hear_answer(now);
        }
    }
}
