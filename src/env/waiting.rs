//! Whom a future wakes that was polled and is not ready: a task that asks again and again need not poll it each time.
//!
//! Refuses to know the future: who asks has a cheaper way to see whether it is ready.

use std::task::{Context, Poll, Waker};

use tokio::task::coop::has_budget_remaining;

/// See the module.
#[derive(Default)]
pub(crate) struct Waiting(Option<Waker>);

impl Waiting {
    /// Whether the task of `context` is woken as soon as the future is ready.
    pub(crate) fn is_woken(&self, context: &Context<'_>) -> bool {
        self.0.as_ref().is_some_and(|waker| waker.will_wake(context.waker()))
    }

    /// Polls the future, and notes whom it wakes.
    pub(crate) fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        // Of a task that has spent its budget tokio's futures note nothing: they wake it at once (tokio::task::coop).
        let is_noted = has_budget_remaining();
        let polled = poll(context);
        self.0 = (is_noted && polled.is_pending()).then(|| context.waker().clone());
        polled
    }
}
