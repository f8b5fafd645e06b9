//! Routes fresh messages to the streams that are registered for their topic.
//!
//! Refuses to know sessions, waves and the log. Each stream has one bounded queue here; a stream whose queue
//! overflows loses the queue whole and learns so, because a gap must never look like a quiet topic.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::subject::xmtp::node::budget::{Budget, weight};
use crate::subject::xmtp::wire::{Message, Topic};

/// All registrations of a node.
#[derive(Debug)]
pub(crate) struct Hub {
    routes: Mutex<Routes>,
    /// The last stream has ended.
    emptied: Notify,
    queue_messages: usize,
    queue_bytes: usize,
}

#[derive(Debug, Default)]
struct Routes {
    streams: BTreeMap<Topic, BTreeSet<u64>>,
    queues: BTreeMap<u64, Queue>,
    /// Until when every stream is to have ended, where the node is shutting down.
    ends_by: Option<Instant>,
}

#[derive(Debug)]
struct Queue {
    topics: BTreeSet<Topic>,
    waiting: VecDeque<Arc<Message>>,
    bytes: usize,
    overflowed: bool,
    interrupted: bool,
    wake: Arc<Notify>,
}

/// What waits for a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueueState {
    /// Nothing.
    Empty,
    /// Some messages.
    Waiting,
    /// More than the queue holds; they are gone, and so must the stream be.
    Overflowed,
    /// Messages may have been stored that were never routed; only a fresh replay can tell.
    Interrupted,
}

impl Hub {
    /// A hub whose queues hold at most so much.
    pub(crate) fn new(queue_messages: usize, queue_bytes: usize) -> Self {
        Hub { routes: Mutex::default(), emptied: Notify::new(), queue_messages, queue_bytes }
    }

    /// Opens the queue of a stream; it closes when the handle is dropped.
    pub(crate) fn open(self: &Arc<Self>, stream: u64) -> Interest {
        let wake = Arc::new(Notify::new());
        let queue = Queue {
            topics: BTreeSet::new(),
            waiting: VecDeque::new(),
            bytes: 0,
            overflowed: false,
            interrupted: false,
            wake: Arc::clone(&wake),
        };
        self.routes().queues.insert(stream, queue);
        Interest { hub: Arc::clone(self), stream, wake }
    }

    /// Routes a message that was just stored. The caller keeps the order of ids.
    pub(crate) fn publish(&self, message: &Arc<Message>) {
        let mut routes = self.routes();
        let Routes { streams, queues, ends_by: _ } = &mut *routes;
        let Some(interested) = streams.get(message.topic()) else { return };
        for stream in interested {
            let queue = queues.get_mut(stream).expect("a registered stream has a queue: both end in drop");
            queue.push(message, self.queue_messages, self.queue_bytes);
        }
    }

    /// Interrupts every stream that is open: what was to be stored may have got ids, and nobody knows.
    pub(crate) fn interrupt(&self) {
        for queue in self.routes().queues.values_mut() {
            queue.interrupted = true;
            queue.waiting = VecDeque::new();
            queue.bytes = 0;
            queue.wake.notify_one();
        }
    }

    /// The node shuts down: every stream is told that it has until then to end what it is in the midst of.
    pub(crate) fn end_by(&self, deadline: Instant) {
        let mut routes = self.routes();
        routes.ends_by = Some(deadline);
        routes.queues.values().for_each(|queue| queue.wake.notify_one());
    }

    /// Until when every stream is to have ended, where the node is shutting down.
    pub(crate) fn ends_by(&self) -> Option<Instant> {
        self.routes().ends_by
    }

    /// Waits until no stream is open.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.routes().queues.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// A panic under the lock leaves the routes as they are; each change is complete in itself.
    fn routes(&self) -> MutexGuard<'_, Routes> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn push(&mut self, message: &Arc<Message>, most_messages: usize, most_bytes: usize) {
        if self.overflowed || self.interrupted {
            return;
        }
        self.bytes += weight(&message.draft);
        self.waiting.push_back(Arc::clone(message));
        if self.waiting.len() > most_messages || self.bytes > most_bytes {
            self.overflowed = true;
            self.waiting = VecDeque::new();
        }
        self.wake.notify_one();
    }
}

/// One stream's registrations and queue.
#[derive(Debug)]
pub(crate) struct Interest {
    hub: Arc<Hub>,
    stream: u64,
    wake: Arc<Notify>,
}

impl Interest {
    /// Registers for a topic; a second time changes nothing.
    pub(crate) fn join(&self, topic: &Topic) {
        let mut routes = self.hub.routes();
        routes.streams.entry(topic.clone()).or_default().insert(self.stream);
        if let Some(queue) = routes.queues.get_mut(&self.stream) {
            queue.topics.insert(topic.clone());
        }
    }

    /// Ends the registration for a topic. What waits already may still be taken.
    pub(crate) fn leave(&self, topic: &Topic) {
        let mut routes = self.hub.routes();
        routes.unroute(topic, self.stream);
        if let Some(queue) = routes.queues.get_mut(&self.stream) {
            queue.topics.remove(topic);
        }
    }

    /// What waits now.
    pub(crate) fn backlog(&self) -> QueueState {
        match self.hub.routes().queues.get(&self.stream) {
            Some(queue) if queue.interrupted => QueueState::Interrupted,
            Some(queue) if queue.overflowed => QueueState::Overflowed,
            Some(queue) if !queue.waiting.is_empty() => QueueState::Waiting,
            Some(_) | None => QueueState::Empty,
        }
    }

    /// As [`Hub::ends_by`].
    pub(crate) fn ends_by(&self) -> Option<Instant> {
        self.hub.ends_by()
    }

    /// Waits until something came since the last wait.
    pub(crate) async fn changed(&self) {
        self.wake.notified().await;
    }

    /// Whether exactly one message waits.
    pub(crate) fn has_one(&self) -> bool {
        self.hub.routes().queues.get(&self.stream).is_some_and(|queue| queue.waiting.len() == 1)
    }

    /// Takes the oldest messages that wait, as far as the budget goes, in the order of publication.
    pub(crate) fn take(&self, mut budget: Budget) -> Vec<Arc<Message>> {
        let mut routes = self.hub.routes();
        let Some(queue) = routes.queues.get_mut(&self.stream) else { return Vec::new() };
        let count = queue.waiting.iter().take_while(|message| budget.admit(message)).count();
        let taken: Vec<_> = queue.waiting.drain(..count).collect();
        queue.bytes -= taken.iter().map(|message| weight(&message.draft)).sum::<usize>();
        taken
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        let mut routes = self.hub.routes();
        let Some(queue) = routes.queues.remove(&self.stream) else { return };
        for topic in &queue.topics {
            routes.unroute(topic, self.stream);
        }
        if routes.queues.is_empty() {
            self.hub.emptied.notify_waiters();
        }
    }
}

impl Routes {
    fn unroute(&mut self, topic: &Topic, stream: u64) {
        let Some(interested) = self.streams.get_mut(topic) else { return };
        interested.remove(&stream);
        if interested.is_empty() {
            self.streams.remove(topic);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;
    use crate::subject::xmtp::wire::{Draft, Envelope, MessageId, MessageKind};

    fn topic(name: &str) -> Topic {
        Topic::new(MessageKind::Group, name.as_bytes())
    }

    fn message(name: &str, id: u64) -> Arc<Message> {
        let envelope = Envelope::Group { sender_hmac: bytes::Bytes::new(), should_push: false, is_commit: false };
        let draft = Draft { topic: topic(name), data: bytes::Bytes::from_static(b"data"), envelope };
        Arc::new(Message { id: MessageId(id), origin: None, created_ns: 0, draft })
    }

    fn ids(taken: &[Arc<Message>]) -> Vec<u64> {
        taken.iter().map(|message| message.id.0).collect()
    }

    fn all() -> Budget {
        Budget::new(usize::MAX, usize::MAX)
    }

    #[test]
    fn a_message_reaches_the_streams_of_its_topic_and_no_other() {
        let hub = Arc::new(Hub::new(10, 10_000));
        let (first, second) = (hub.open(1), hub.open(2));
        first.join(&topic("a"));
        second.join(&topic("a"));
        second.join(&topic("b"));
        hub.publish(&message("a", 1));
        hub.publish(&message("b", 2));
        hub.publish(&message("c", 3));
        assert_eq!(ids(&first.take(all())), [1]);
        assert_eq!(ids(&second.take(all())), [1, 2]);
        assert_eq!(second.backlog(), QueueState::Empty);
    }

    /// Whether it was woken since the last time; idle streams must not be.
    fn is_woken(interest: &Interest) -> bool {
        pin!(interest.changed()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_message_touches_the_streams_of_its_topic_and_none_of_a_thousand_idle_ones() {
        let hub = Arc::new(Hub::new(10, 10_000));
        let open = |stream: u64, name: &str| {
            let interest = hub.open(stream);
            interest.join(&topic(name));
            interest
        };
        let idle: Vec<_> = (0..1_000).map(|stream| open(stream, "idle")).collect();
        let interested: Vec<_> = (1_000..1_003).map(|stream| open(stream, "a")).collect();
        hub.publish(&message("a", 1));
        assert_eq!(idle.iter().filter(|interest| is_woken(interest)).count(), 0);
        assert_eq!(interested.iter().filter(|interest| is_woken(interest)).count(), 3);
        assert_eq!(hub.routes().streams.get(&topic("a")).map(BTreeSet::len), Some(3), "one lookup each");
        let queued = hub.routes().queues.values().map(|queue| queue.waiting.len()).sum::<usize>();
        assert_eq!(queued, 3);
    }

    #[test]
    fn a_node_that_ends_wakes_every_stream_and_waits_for_the_last() {
        let hub = Arc::new(Hub::new(10, 10_000));
        let interest = hub.open(1);
        let deadline = Instant::now();
        hub.end_by(deadline);
        assert!(is_woken(&interest) && interest.ends_by() == Some(deadline));
        let mut emptied = pin!(hub.emptied());
        let mut context = Context::from_waker(Waker::noop());
        assert!(emptied.as_mut().poll(&mut context).is_pending());
        drop(interest);
        assert!(emptied.as_mut().poll(&mut context).is_ready());
    }

    #[test]
    fn what_was_left_or_dropped_is_freed() {
        let hub = Arc::new(Hub::new(10, 10_000));
        let (left, dropped) = (hub.open(1), hub.open(2));
        left.join(&topic("a"));
        dropped.join(&topic("a"));
        left.leave(&topic("a"));
        drop(dropped);
        hub.publish(&message("a", 1));
        assert_eq!(left.backlog(), QueueState::Empty);
        assert!(hub.routes().streams.is_empty());
        assert_eq!(hub.routes().queues.len(), 1);
    }

    #[test]
    fn an_overflow_is_told_and_frees_the_queue() {
        for (messages, bytes) in [(2, usize::MAX), (usize::MAX, 2 * weight(&message("a", 1).draft))] {
            let hub = Arc::new(Hub::new(messages, bytes));
            let interest = hub.open(1);
            interest.join(&topic("a"));
            hub.publish(&message("a", 1));
            hub.publish(&message("a", 2));
            assert_eq!(interest.backlog(), QueueState::Waiting);
            hub.publish(&message("a", 3));
            hub.publish(&message("a", 4));
            assert_eq!(interest.backlog(), QueueState::Overflowed);
            assert!(interest.take(all()).is_empty());
        }
    }

    #[test]
    fn taking_makes_room() {
        let hub = Arc::new(Hub::new(2, usize::MAX));
        let interest = hub.open(1);
        interest.join(&topic("a"));
        for id in 1..9 {
            hub.publish(&message("a", id));
            if id % 2 == 0 {
                assert_eq!(ids(&interest.take(all())), [id - 1, id]);
            }
        }
        assert_eq!(interest.backlog(), QueueState::Empty);
    }

    #[test]
    fn what_is_taken_gives_back_all_of_its_bytes() {
        let envelope = Envelope::Welcome {
            hpke_public_key: bytes::Bytes::from_static(b"key"),
            wrapper_algorithm: 0,
            welcome_metadata: bytes::Bytes::from_static(b"metadata"),
        };
        let topic = Topic::new(MessageKind::Welcome, b"installation");
        let draft = Draft { topic: topic.clone(), data: bytes::Bytes::from_static(b"data"), envelope };
        let hub = Arc::new(Hub::new(usize::MAX, 3 * weight(&draft)));
        let interest = hub.open(1);
        interest.join(&topic);
        for first in (1..100).step_by(3) {
            for id in (first..first + 3).map(MessageId) {
                hub.publish(&Arc::new(Message { id, origin: None, created_ns: 0, draft: draft.clone() }));
            }
            assert_eq!(interest.backlog(), QueueState::Waiting, "message {first} finds the queue empty");
            assert_eq!(ids(&interest.take(Budget::new(1, usize::MAX))), [first]);
            assert_eq!(ids(&interest.take(all())), [first + 1, first + 2]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_wakes_its_stream() {
        let hub = Arc::new(Hub::new(2, usize::MAX));
        let interest = hub.open(1);
        interest.join(&topic("a"));
        hub.publish(&message("a", 1));
        interest.changed().await;
        assert_eq!(ids(&interest.take(all())), [1]);
    }
}
