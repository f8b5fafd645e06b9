//! The changes of a proxy's rules, as one task hears of them.
//!
//! Refuses to know what a rule says.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::watch;
use tokio_stream::Stream;
use tokio_stream::wrappers::WatchStream;

use crate::env::Waiting;
use crate::proxy::control::Rules;

/// See the module. Streams and connections ask at every turn, and rules change hardly ever: to ask again is to look.
pub(crate) struct RuleChanges {
    changes: WatchStream<Rules>,
    look: watch::Receiver<Rules>,
    waiting: Waiting,
}

impl RuleChanges {
    /// Those after the rules that this receiver has seen.
    pub(crate) fn after(receiver: watch::Receiver<Rules>) -> Self {
        RuleChanges {
            look: receiver.clone(),
            changes: WatchStream::from_changes(receiver),
            waiting: Waiting::default(),
        }
    }

    /// The newest rules, if they are news; where they are not, the task of `context` is woken at the next change.
    pub(crate) fn next(&mut self, context: &mut Context<'_>) -> Option<Rules> {
        if self.waiting.is_woken(context) && matches!(self.look.has_changed(), Ok(false)) {
            return None;
        }
        match self.waiting.poll(context, |context| Pin::new(&mut self.changes).poll_next(context)) {
            Poll::Ready(rules) => {
                self.look.mark_unchanged();
                rules
            }
            Poll::Pending => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};
    use std::time::Duration;

    use tokio::task::coop::{consume_budget, has_budget_remaining};

    use super::*;

    #[derive(Default)]
    struct WakeCount(AtomicUsize);

    impl Wake for WakeCount {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What three tasks in turn hear of, and how often each is woken.
    #[test]
    fn each_change_is_told_once_and_wakes_whoever_asked_last() {
        let sender = watch::Sender::new(Rules::default());
        let mut changes = RuleChanges::after(sender.subscribe());
        let [first, second] = [(); 2].map(|()| Arc::new(WakeCount::default()));
        let [mut one, mut other] = [&first, &second].map(|count| Waker::from(count.clone()));
        let mut asks = |waker: &mut Waker| changes.next(&mut Context::from_waker(waker)).is_some();
        let woken = |count: &WakeCount| count.0.load(Ordering::Relaxed);
        assert!(!asks(&mut one) && !asks(&mut one));
        sender.send_replace(Rules::default());
        assert_eq!((woken(&first), woken(&second)), (1, 0));
        assert!(asks(&mut one) && !asks(&mut one) && !asks(&mut other));
        sender.send_replace(Rules::default());
        assert_eq!((woken(&first), woken(&second)), (1, 1));
        sender.send_replace(Rules::default());
        assert!(asks(&mut other) && !asks(&mut other));
        drop(sender);
        assert_eq!(woken(&second), 2);
        assert!(!asks(&mut other) && !asks(&mut other), "nobody changes them any more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_had_spent_its_budget_is_woken_all_the_same() {
        let sender = watch::Sender::new(Rules::default());
        let mut changes = RuleChanges::after(sender.subscribe());
        let mut asked = 0;
        let task = tokio::spawn(poll_fn(move |context| {
            while asked == 0 && has_budget_remaining() {
                // Ready as long as there is any.
                let _ = pin!(consume_budget()).poll(context);
            }
            asked += 1;
            if changes.next(context).is_some() { Poll::Ready(asked) } else { Poll::Pending }
        }));
        tokio::time::sleep(Duration::from_secs(1)).await;
        sender.send_replace(Rules::default());
        let asked = tokio::time::timeout(Duration::from_secs(1), task).await.expect("it is woken").expect("no panic");
        assert_eq!(asked, 3, "without a budget, with one, and at the change");
    }
}
