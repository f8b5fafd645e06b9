//! A timer that is made when it is first needed, and moved when another time is asked for.
//!
//! Refuses to know what happens then.

use std::future::pending;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// One timer, for whoever asks at each turn for the time that matters now.
#[derive(Default)]
pub(crate) struct ProxyTimer(Option<Pin<Box<Sleep>>>);

impl ProxyTimer {
    /// Ready at that time; the task of `context` is woken then.
    pub(crate) fn poll(&mut self, at: Instant, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(context)
    }
}

/// Ready when so long has gone by since the time that `since` tells, which may move on meanwhile.
pub(crate) async fn still_for(time: Duration, since: impl Fn() -> Instant) {
    // Ends: where it has not moved on.
    loop {
        let Some(due) = since().checked_add(time) else { return pending().await };
        if due <= Instant::now() {
            return;
        }
        sleep_until(due).await;
    }
}
