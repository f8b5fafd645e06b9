//! The changes of a proxy's rules, as one task hears of them.
//!
//! Refuses to know what a rule says.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::sync::watch;
use tokio_stream::Stream;
use tokio_stream::wrappers::WatchStream;

use crate::proxy::control::Rules;

/// See the module. Streams and connections ask at every turn, and rules change hardly ever: to ask again is to look.
pub(crate) struct RuleChanges {
    changes: WatchStream<Rules>,
    look: watch::Receiver<Rules>,
    /// Whom the next change wakes.
    waiting: Option<Waker>,
}

impl RuleChanges {
    /// Those after the rules that this receiver has seen.
    pub(crate) fn after(receiver: watch::Receiver<Rules>) -> Self {
        RuleChanges { look: receiver.clone(), changes: WatchStream::from_changes(receiver), waiting: None }
    }

    /// The newest rules, if they are news; where they are not, the task of `context` is woken at the next change.
    pub(crate) fn next(&mut self, context: &mut Context<'_>) -> Option<Rules> {
        let waits = self.waiting.as_ref().is_some_and(|waker| waker.will_wake(context.waker()));
        if waits && matches!(self.look.has_changed(), Ok(false)) {
            return None;
        }
        match Pin::new(&mut self.changes).poll_next(context) {
            Poll::Ready(rules) => {
                self.look.mark_unchanged();
                self.waiting = None;
                rules
            }
            Poll::Pending => {
                self.waiting = Some(context.waker().clone());
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

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
}
