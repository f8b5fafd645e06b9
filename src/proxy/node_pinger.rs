//! Asks a node by PING whether it lives, and says when it does not answer.
//!
//! Refuses to know what is done then.
//!
//! ```text
//! resting --its interval is over--> asked --an answer--> resting
//!                                     '--none in time--> lost
//! ```

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::client::Connection;
use h2::{Ping, PingPong};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::proxy::alarm::ProxyTimer;
use crate::proxy::habits::PingHabits;

/// Asks over one connection.
pub(crate) struct NodePinger {
    habits: PingHabits,
    pings: Option<PingPong>,
    /// The last question, while it waits for its answer.
    asked: Option<Instant>,
    next: Option<Instant>,
    alarm: ProxyTimer,
}

impl NodePinger {
    /// One that asks in that way, from now on.
    pub(crate) fn new(habits: PingHabits) -> Self {
        NodePinger { habits, pings: None, asked: None, next: after(habits.interval), alarm: ProxyTimer::default() }
    }

    /// Takes the questions of that connection.
    pub(crate) fn ask_over<S: AsyncRead + AsyncWrite + Unpin>(&mut self, connection: &mut Connection<S, Bytes>) {
        self.pings = connection.ping_pong();
    }

    /// Asks when it is time; ready when the node has not answered in time.
    pub(crate) fn poll_lost(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(pings) = &mut self.pings else { return Poll::Pending };
        // Ends: each turn waits for an answer or for a time that lies ahead.
        loop {
            if let Some(asked) = self.asked {
                if pings.poll_pong(context).is_ready() {
                    self.asked = None;
                    continue;
                }
                let late = self.habits.timeout.and_then(|timeout| asked.checked_add(timeout));
                let Some(late) = late else { return Poll::Pending };
                return self.alarm.poll(late, context);
            }
            let Some(next) = self.next else { return Poll::Pending };
            if self.alarm.poll(next, context).is_pending() {
                return Poll::Pending;
            }
            self.next = after(self.habits.interval);
            // Its error is a connection that is gone, which its driver finds.
            if pings.send_ping(Ping::opaque()).is_ok() {
                self.asked = Some(Instant::now());
            }
        }
    }
}

fn after(time: Duration) -> Option<Instant> {
    Instant::now().checked_add(time)
}
