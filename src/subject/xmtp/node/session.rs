//! What one Subscribe stream is registered for, and which frames it sends next.
//!
//! Refuses to know the wire, the clock, the log and the hub: it is handed what they hold. A Mutate is first
//! planned, which changes nothing and may refuse, and then applied, which cannot (S5).
//!
//! ```text
//!             add                    wave done
//!   (absent) -----> in a wave --------------------> live
//!      ^  ^          |  ^  |                        |  |
//!      |  |  remove  |  |  |  re-add below floor    |  |
//!      |  +----------+  +--+------------------------+  |
//!      |     remove, or the end of a history_only wave |
//!      +-----------------------------------------------+
//! ```
//! In a dialect that keeps floors, a topic that was removed leaves its floor behind, and no add begins below it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::subject::xmtp::node::budget::Budget;
use crate::subject::xmtp::node::by_kind::Heads;
use crate::subject::xmtp::node::kept_floors::KeptFloors;
use crate::subject::xmtp::node::refusal::NodeRefusal;
use crate::subject::xmtp::node::session_change::SessionChange;
use crate::subject::xmtp::node::wave::{Merge, TopicProgress, Wave, WaveSource};
use crate::subject::xmtp::node::{NodeLimits, NodeQuirk, StoreError};
use crate::subject::xmtp::wire::{Cursor, DeliveryFrame, Dialect, Message, Mutate, MutateId, Response, Tag, Topic};

/// The state of one stream.
#[derive(Debug)]
pub(crate) struct Session {
    limits: NodeLimits,
    quirk: Option<NodeQuirk>,
    places: BTreeMap<Topic, TopicPlace>,
    floors: KeptFloors,
    waves: BTreeMap<MutateId, Wave>,
    /// The waves in the order in which they read their next page: they take turns.
    turns: VecDeque<MutateId>,
    controls: VecDeque<Response>,
}

#[derive(Clone, Copy, Debug)]
enum TopicPlace {
    Live(TopicProgress),
    Wave(MutateId),
}

impl Session {
    /// A stream without topics.
    pub(crate) fn new(limits: NodeLimits, quirk: Option<NodeQuirk>) -> Self {
        Session {
            limits,
            quirk,
            places: BTreeMap::new(),
            floors: KeptFloors::default(),
            waves: BTreeMap::new(),
            turns: VecDeque::new(),
            controls: VecDeque::new(),
        }
    }

    /// The same in that dialect.
    #[must_use]
    pub(crate) fn in_dialect(self, dialect: Dialect) -> Self {
        Session { floors: KeptFloors::of(dialect), ..self }
    }

    /// Checks a Mutate against the rules and the bounds, and changes nothing (S2, S3, S5, S8, S11).
    ///
    /// # Errors
    /// The first rule or bound that it breaks.
    pub(crate) fn plan(&self, mutate: Mutate) -> Result<SessionChange, NodeRefusal> {
        let Mutate { adds, removes, history_only, id } = mutate;
        if !adds.is_empty() && id == MutateId(0) {
            return Err(NodeRefusal::ZeroId);
        }
        if self.waves.contains_key(&id) {
            return Err(NodeRefusal::IdInFlight(id));
        }
        if adds.len() > self.limits.adds {
            return Err(NodeRefusal::TooManyAdds { count: adds.len(), most: self.limits.adds });
        }
        let removes = match self.quirk {
            Some(NodeQuirk::KeepsRemovedTopics) => BTreeSet::new(),
            _ => BTreeSet::from_iter(removes),
        };
        let history_only = history_only && self.quirk != Some(NodeQuirk::BoundedGoesLive);
        let mut cursors = BTreeMap::new();
        for add in adds {
            let lowest = cursors.entry(add.topic).or_insert(add.cursor);
            *lowest = add.cursor.min(*lowest);
        }
        let resets = self.quirk != Some(NodeQuirk::ResetIgnored);
        let mut starts = BTreeMap::new();
        for (topic, cursor) in cursors {
            let cursor = self.floors.raise(&topic, cursor, self.floor(&topic));
            if self.starts_anew(&topic, cursor, history_only, resets && removes.contains(&topic))? {
                starts.insert(topic, cursor);
            }
        }
        let change = SessionChange { id, history_only, removes, starts };
        self.check_bounds(&change)?;
        Ok(change)
    }

    /// How far a topic that has a place is.
    fn floor(&self, topic: &Topic) -> Option<Cursor> {
        match self.places.get(topic)? {
            TopicPlace::Live(progress) => Some(progress.floor),
            TopicPlace::Wave(id) => self.wave(*id).floor(topic),
        }
    }

    /// Whether an add starts a replay, or is a no-op: S5 and S11.
    fn starts_anew(&self, topic: &Topic, cursor: Cursor, history_only: bool, reset: bool) -> Result<bool, NodeRefusal> {
        let Some(place) = self.places.get(topic).filter(|_| !reset) else { return Ok(true) };
        if let TopicPlace::Wave(id) = place
            && self.wave(*id).is_history_only()
        {
            return Err(NodeRefusal::HistoryInFlight(topic.clone()));
        }
        if history_only {
            return Err(NodeRefusal::HistoryOfSubscribed(topic.clone()));
        }
        Ok(self.floor(topic).is_none_or(|floor| cursor < floor))
    }

    fn check_bounds(&self, change: &SessionChange) -> Result<(), NodeRefusal> {
        let most = self.limits.topic_bytes;
        let too_long = change.starts.keys().map(|topic| topic.bytes().len()).find(|count| *count > most);
        if let Some(count) = too_long {
            return Err(NodeRefusal::TopicTooLong { count, most });
        }
        let is_known = |topic: &Topic| self.places.contains_key(topic) || self.floors.holds(topic);
        let fresh = change.starts.keys().filter(|topic| !is_known(topic)).count();
        let gone = |topic: &&Topic| self.places.contains_key(*topic) && !change.starts.contains_key(*topic);
        let gone = change.removes.iter().filter(gone).count();
        let count = self.places.len() + fresh - gone + self.floors.count_with(gone);
        let most = self.limits.subscriptions;
        if fresh > 0 && count > most {
            return Err(NodeRefusal::TooManySubscriptions { count, most });
        }
        let most = self.limits.waves;
        if !change.starts.is_empty() && self.waves.len() >= most {
            return Err(NodeRefusal::TooManyWaves { most });
        }
        Ok(())
    }

    /// Applies a change that was planned on this very state; `heads` were read after the joins.
    pub(crate) fn apply(&mut self, change: SessionChange, heads: Heads) {
        let SessionChange { id, history_only, removes, starts } = change;
        for topic in removes.iter().chain(starts.keys()) {
            self.floors.leave(topic, self.floor(topic));
            if let Some(TopicPlace::Wave(older)) = self.places.remove(topic)
                && let Some(wave) = self.waves.get_mut(&older)
                && self.quirk != Some(NodeQuirk::StaysInWave)
            {
                wave.remove(topic);
            }
        }
        // A wave that lost its last topic completes all the same (S5), and before this Mutate is acknowledged.
        let emptied: Vec<_> = self.waves.values().filter(|wave| wave.is_empty()).map(Wave::id).collect();
        for id in emptied {
            self.finish(id);
        }
        if starts.is_empty() {
            self.controls.push_back(Response::CatchupComplete(id));
            return;
        }
        if self.quirk == Some(NodeQuirk::ForgetsWave) && !self.waves.is_empty() {
            return;
        }
        starts.keys().for_each(|topic| self.floors.resume(topic));
        self.places.extend(starts.keys().map(|topic| (topic.clone(), TopicPlace::Wave(id))));
        let merge = if self.quirk == Some(NodeQuirk::UnsortedReplay) { Merge::ByTopic } else { Merge::ById };
        self.waves.insert(id, Wave::new(id, history_only, merge, starts, heads));
        self.turns.push_back(id);
    }

    /// Queues a frame that comes before all messages: a Ping or a Pong.
    pub(crate) fn push_control(&mut self, frame: Response) {
        self.controls.push_back(frame);
    }

    /// Whether more markers and answers wait than a consumer may leave (S8).
    pub(crate) fn is_overfull(&self) -> bool {
        self.controls.len() > self.limits.pending_controls
    }

    /// Whether there is anything to send without fresh messages.
    pub(crate) fn has_output(&self) -> bool {
        !self.controls.is_empty() || !self.waves.is_empty()
    }

    /// The next marker or answer.
    pub(crate) fn control(&mut self) -> Option<Response> {
        self.controls.pop_front()
    }

    /// The next frame of the wave whose turn it is: a page, or its marker if nothing was left to read.
    ///
    /// # Errors
    /// The source fails.
    pub(crate) fn replay(&mut self, source: &impl WaveSource) -> Result<Option<Response>, StoreError> {
        let Some(id) = self.turns.front().copied() else { return Ok(None) };
        self.turns.rotate_left(1);
        let budget = Budget::new(self.limits.frame_messages, self.limits.frame_bytes);
        let wave = self.waves.get_mut(&id).expect("a turn ends with its wave");
        let messages = wave.page(source, budget)?;
        if wave.is_done() {
            self.finish(id);
        }
        if messages.is_empty() {
            return Ok(self.control());
        }
        Ok(Some(Response::Delivery(DeliveryFrame { tag: Tag::Wave(id), messages })))
    }

    /// Takes fresh messages in the order of their publication; the frame of those that are live here.
    pub(crate) fn live(&mut self, fresh: &[Arc<Message>]) -> Option<Response> {
        let live = fresh.iter().filter(|message| self.goes_live(message));
        let mut messages: Vec<Message> = live.map(|message| Message::clone(message)).collect();
        if messages.is_empty() {
            return None;
        }
        // Stable: within each kind the order of publication stays (S4).
        messages.sort_by_key(|message| message.topic().kind());
        Some(Response::Delivery(DeliveryFrame { tag: Tag::Live, messages }))
    }

    /// Whether a fresh message is delivered live; in mid-wave its wave takes it instead (S4).
    fn goes_live(&mut self, message: &Message) -> bool {
        match self.places.get_mut(message.topic()) {
            None => false,
            Some(TopicPlace::Live(progress)) => {
                let fresh = progress.covered.is_before(message.id);
                if fresh {
                    let cursor = Cursor::from(message.id);
                    *progress = TopicProgress { floor: cursor, covered: cursor };
                }
                fresh
            }
            Some(TopicPlace::Wave(_)) if self.quirk == Some(NodeQuirk::SkipsMidWave) => false,
            Some(TopicPlace::Wave(_)) if self.quirk == Some(NodeQuirk::LiveBeforeCatchup) => true,
            Some(TopicPlace::Wave(id)) => {
                // A bounded catch-up keeps its bound: the message can only be left from an earlier
                // registration of the topic (S11).
                if let Some(wave) = self.waves.get_mut(id).filter(|wave| !wave.is_history_only()) {
                    wave.hold(message);
                }
                false
            }
        }
    }

    /// Ends a wave: its topics go live, or are forgotten, and its markers are queued (S9, S11).
    fn finish(&mut self, id: MutateId) {
        let wave = self.waves.remove(&id).expect("a wave ends once");
        self.turns.retain(|turn| *turn != id);
        let history_only = wave.is_history_only();
        let standings = wave.finish();
        if !standings.is_empty() {
            // Also after a bounded catch-up, where it says that the topic is complete as of the wave's start
            // (XIP-83 on history_only).
            self.controls.push_back(Response::TopicsLive(standings.keys().cloned().collect()));
        }
        for (topic, progress) in standings {
            if history_only {
                self.places.remove(&topic);
            } else {
                self.places.insert(topic, TopicPlace::Live(progress));
            }
        }
        self.controls.push_back(Response::CatchupComplete(id));
        if self.quirk == Some(NodeQuirk::CompletesTwice) {
            self.controls.push_back(Response::CatchupComplete(id));
        }
    }

    fn wave(&self, id: MutateId) -> &Wave {
        self.waves.get(&id).expect("a place names a wave in flight: both change together")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::{Disk, MemoryStorage};
    use crate::subject::xmtp::node::log::Log;
    use crate::subject::xmtp::wire::{Add, Draft, Envelope, MessageKind};

    /// A session over a real log, with the queue that the hub would keep.
    struct SessionBench {
        log: Log,
        session: Session,
        queue: Vec<Arc<Message>>,
    }

    fn bench_with(limits: NodeLimits, quirk: Option<NodeQuirk>) -> SessionBench {
        let log = Log::open(Disk::new(MemoryStorage::default()), false, None).expect("an empty disk");
        SessionBench { log, session: Session::new(limits, quirk), queue: Vec::new() }
    }

    fn bench() -> SessionBench {
        bench_with(NodeLimits::default(), None)
    }

    fn topic(name: &str) -> Topic {
        Topic::new(MessageKind::Group, name.as_bytes())
    }

    fn mutate(id: u64, adds: &[(&str, u64)], removes: &[&str]) -> Mutate {
        Mutate {
            adds: adds.iter().map(|(name, cursor)| Add { topic: topic(name), cursor: Cursor(*cursor) }).collect(),
            removes: removes.iter().map(|name| topic(name)).collect(),
            history_only: false,
            id: MutateId(id),
        }
    }

    fn history(id: u64, adds: &[(&str, u64)], removes: &[&str]) -> Mutate {
        Mutate { history_only: true, ..mutate(id, adds, removes) }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a test looks at what concerns it")]
    fn show(frame: &Response) -> String {
        let names = |topics: &[Topic]| topics.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        match frame {
            Response::Delivery(delivery) => {
                let ids: Vec<_> = delivery.messages.iter().map(|message| message.id.to_string()).collect();
                format!("{}: {}", delivery.tag, ids.join(" "))
            }
            Response::TopicsLive(topics) => format!("live now: {}", names(topics).replace("group:", "")),
            Response::CatchupComplete(id) => format!("complete {}", id.0),
            other => format!("{other:?}"),
        }
    }

    impl SessionBench {
        /// Stores one message for each name, in that order; the hub queues those of registered topics.
        fn publish(&mut self, names: &[&str]) {
            for name in names {
                let envelope =
                    Envelope::Group { sender_hmac: bytes::Bytes::new(), should_push: false, is_commit: false };
                let draft = Draft { topic: topic(name), data: bytes::Bytes::new(), envelope };
                let stored = self.log.append(vec![draft], 0).expect("stored");
                if self.session.places.contains_key(&topic(name)) {
                    self.queue.extend(stored);
                }
            }
        }

        fn mutate(&mut self, mutate: Mutate) -> Result<(), NodeRefusal> {
            let change = self.session.plan(mutate)?;
            self.session.apply(change, self.log.heads());
            Ok(())
        }

        fn accept(&mut self, good: Mutate) {
            self.mutate(good).expect("a good Mutate");
        }

        fn live(&mut self) -> Option<String> {
            let fresh: Vec<_> = self.queue.drain(..).collect();
            self.session.live(&fresh).as_ref().map(show)
        }

        /// One page of a wave, or a marker.
        fn step(&mut self) -> Option<String> {
            let marker = self.session.control();
            let frame = marker.or_else(|| self.session.replay(&self.log).expect("readable"));
            frame.as_ref().map(show)
        }

        fn settle(&mut self) -> Vec<String> {
            std::iter::from_fn(|| self.step()).collect()
        }
    }

    fn small_pages() -> NodeLimits {
        NodeLimits { frame_messages: 2, ..NodeLimits::default() }
    }

    #[test]
    fn s2_an_add_replays_what_is_above_its_cursor_and_then_goes_live() {
        let mut bench = bench();
        bench.publish(&["a", "b", "a", "a"]);
        bench.accept(mutate(1, &[("a", 1)], &[]));
        assert_eq!(bench.settle(), ["wave of mutate 1: #3 #4", "live now: a", "complete 1"]);
        assert_eq!(bench.live(), None, "what was replayed is not delivered again");
        bench.publish(&["b", "a"]);
        assert_eq!(bench.live(), Some("live: #6".into()));
    }

    #[test]
    fn s2_a_cursor_above_the_head_is_a_floor_for_live_too() {
        let mut bench = bench();
        bench.accept(mutate(1, &[("a", 2)], &[]));
        assert_eq!(bench.settle(), ["live now: a", "complete 1"]);
        bench.publish(&["a", "a", "a"]);
        assert_eq!(bench.live(), Some("live: #3".into()));
    }

    #[test]
    fn s3_ids_are_nonzero_for_adds_and_unique_in_flight_and_free_again_afterwards() {
        let mut bench = bench();
        assert_eq!(bench.mutate(mutate(0, &[("a", 0)], &[])), Err(NodeRefusal::ZeroId));
        bench.accept(mutate(1, &[("a", 0)], &[]));
        assert_eq!(bench.mutate(mutate(1, &[("b", 0)], &[])), Err(NodeRefusal::IdInFlight(MutateId(1))));
        assert_eq!(bench.mutate(mutate(1, &[], &["a"])), Err(NodeRefusal::IdInFlight(MutateId(1))));
        assert_eq!(bench.settle(), ["live now: a", "complete 1"]);
        bench.accept(mutate(1, &[("b", 0)], &[]));
        bench.accept(mutate(0, &[], &["a"]));
        assert_eq!(bench.settle(), ["complete 0", "live now: b", "complete 1"]);
    }

    #[test]
    fn s4_a_message_in_mid_wave_is_folded_in_and_other_topics_keep_flowing() {
        let mut bench = bench_with(small_pages(), None);
        bench.publish(&["live"]);
        bench.accept(mutate(1, &[("live", 0)], &[]));
        bench.settle();
        bench.publish(&["a", "a", "a"]);
        bench.accept(mutate(2, &[("a", 0)], &[]));
        assert_eq!(bench.step(), Some("wave of mutate 2: #2 #3".into()));
        bench.publish(&["a", "live"]);
        assert_eq!(bench.live(), Some("live: #6".into()));
        assert_eq!(bench.settle(), ["wave of mutate 2: #4 #5", "live now: a", "complete 2"]);
        bench.publish(&["a", "live"]);
        assert_eq!(bench.live(), Some("live: #7 #8".into()));
    }

    #[test]
    fn s4_what_waits_in_the_queue_when_the_wave_ends_comes_live_once() {
        let mut bench = bench();
        bench.publish(&["a"]);
        bench.accept(mutate(1, &[("a", 0)], &[]));
        bench.publish(&["a"]);
        assert_eq!(bench.settle(), ["wave of mutate 1: #1", "live now: a", "complete 1"]);
        assert_eq!(bench.live(), Some("live: #2".into()));
    }

    #[test]
    fn s4_waves_take_turns() {
        let mut bench = bench_with(small_pages(), None);
        bench.publish(&["a", "b", "a", "b", "a", "b"]);
        bench.accept(mutate(1, &[("a", 0)], &[]));
        bench.accept(mutate(2, &[("b", 0)], &[]));
        let steps = [bench.step(), bench.step()].map(Option::unwrap_or_default);
        assert_eq!(steps, ["wave of mutate 1: #1 #3", "wave of mutate 2: #2 #4"]);
    }

    #[test]
    fn s5_removes_come_first_and_duplicates_coalesce_to_the_lowest_cursor() {
        let mut bench = bench();
        bench.publish(&["a", "a", "a"]);
        bench.accept(mutate(1, &[("a", 2), ("a", 1), ("a", 3)], &[]));
        assert_eq!(bench.settle(), ["wave of mutate 1: #2 #3", "live now: a", "complete 1"]);
        bench.accept(mutate(2, &[("a", 0)], &["a", "never added"]));
        assert_eq!(bench.settle(), ["wave of mutate 2: #1 #2 #3", "live now: a", "complete 2"]);
    }

    #[test]
    fn s5_a_remove_stops_delivery_and_clears_the_floor() {
        let mut bench = bench();
        bench.publish(&["a"]);
        bench.accept(mutate(1, &[("a", 0)], &[]));
        bench.settle();
        bench.accept(mutate(2, &[], &["a"]));
        bench.publish(&["a"]);
        assert_eq!((bench.live(), bench.settle()), (None, vec!["complete 2".to_owned()]));
        bench.accept(mutate(3, &[("a", 0)], &[]));
        assert_eq!(bench.settle(), ["wave of mutate 3: #1 #2", "live now: a", "complete 3"]);
    }

    #[test]
    fn s5_a_re_add_restarts_only_below_the_floor() {
        let mut bench = bench();
        bench.publish(&["a", "a", "b"]);
        bench.accept(mutate(1, &[("a", 0)], &[]));
        bench.settle();
        bench.accept(mutate(2, &[("a", 2)], &[]));
        assert_eq!(bench.settle(), ["complete 2"], "the floor is what was delivered, not the head");
        bench.accept(mutate(3, &[("a", 1)], &[]));
        assert_eq!(bench.settle(), ["wave of mutate 3: #2", "live now: a", "complete 3"]);
    }

    #[test]
    fn s5_a_topic_restarted_in_mid_wave_moves_to_the_new_wave() {
        let mut bench = bench_with(small_pages(), None);
        bench.publish(&["a", "b", "a", "b"]);
        bench.accept(mutate(1, &[("a", 0), ("b", 0)], &[]));
        assert_eq!(bench.step(), Some("wave of mutate 1: #1 #2".into()));
        bench.accept(mutate(2, &[("a", 1), ("b", 1)], &[]));
        let rest = ["wave of mutate 1: #3", "live now: a", "complete 1"];
        let moved = ["wave of mutate 2: #2 #4", "live now: b", "complete 2"];
        assert_eq!(bench.settle(), [rest, moved].concat(), "a's cursor is at its progress, b's below");
    }

    #[test]
    fn s5_a_wave_that_lost_all_its_topics_completes_before_the_next_acknowledgment() {
        let mut bench = bench();
        bench.publish(&["a", "b"]);
        bench.accept(mutate(1, &[("a", 0), ("b", 0)], &[]));
        bench.accept(mutate(2, &[], &["a"]));
        bench.accept(mutate(3, &[], &["b"]));
        assert_eq!(bench.settle(), ["complete 2", "complete 1", "complete 3"]);
    }

    #[test]
    fn s5_a_refused_mutate_changes_nothing() {
        let mut bench = bench_with(NodeLimits { subscriptions: 1, ..NodeLimits::default() }, None);
        bench.accept(mutate(1, &[("a", 0)], &[]));
        bench.settle();
        let refused = bench.mutate(mutate(2, &[("b", 0), ("c", 0)], &["a"]));
        assert_eq!(refused, Err(NodeRefusal::TooManySubscriptions { count: 2, most: 1 }));
        bench.publish(&["b", "a"]);
        assert_eq!((bench.live(), bench.settle()), (Some("live: #2".into()), vec![]));
        bench.accept(mutate(3, &[("b", 0)], &["a"]));
    }

    #[test]
    fn s8_every_bound_is_held() {
        let limits = NodeLimits { adds: 2, waves: 1, topic_bytes: 4, pending_controls: 1, ..NodeLimits::default() };
        let mut bench = bench_with(limits, None);
        let adds = [("a", 0), ("b", 0), ("c", 0)];
        assert_eq!(bench.mutate(mutate(1, &adds, &[])), Err(NodeRefusal::TooManyAdds { count: 3, most: 2 }));
        assert_eq!(bench.mutate(mutate(1, &[("long", 0)], &[])), Err(NodeRefusal::TopicTooLong { count: 5, most: 4 }));
        bench.accept(mutate(1, &[("a", 0)], &[]));
        assert_eq!(bench.mutate(mutate(2, &[("b", 0)], &[])), Err(NodeRefusal::TooManyWaves { most: 1 }));
        bench.accept(mutate(0, &[], &[]));
        assert!(!bench.session.is_overfull());
        bench.accept(mutate(0, &[], &[]));
        assert!(bench.session.is_overfull());
    }

    #[test]
    fn s11_a_bounded_catchup_ends_at_its_start_and_is_not_registered() {
        let mut bench = bench();
        bench.publish(&["a"]);
        bench.accept(history(1, &[("a", 0)], &[]));
        bench.publish(&["a"]);
        assert_eq!(bench.live(), None);
        assert_eq!(bench.settle(), ["wave of mutate 1: #1", "live now: a", "complete 1"]);
        bench.publish(&["a"]);
        assert_eq!(bench.live(), None);
        assert!(bench.session.places.is_empty());
    }

    #[test]
    fn s11_history_and_subscription_of_one_topic_exclude_each_other() {
        let mut bench = bench();
        bench.accept(history(1, &[("a", 0)], &[]));
        for again in [mutate(2, &[("a", 0)], &[]), history(2, &[("a", 0)], &[])] {
            assert_eq!(bench.mutate(again), Err(NodeRefusal::HistoryInFlight(topic("a"))));
        }
        bench.settle();
        bench.accept(mutate(2, &[("a", 0)], &[]));
        assert_eq!(bench.mutate(history(3, &[("a", 0)], &[])), Err(NodeRefusal::HistoryOfSubscribed(topic("a"))));
        bench.accept(history(3, &[("a", 0)], &["a"]));
    }

    #[test]
    fn each_planted_bug_shows() {
        let mid_wave = |quirk| {
            let mut bench = bench_with(small_pages(), quirk);
            bench.publish(&["b", "a", "b", "a"]);
            bench.accept(mutate(1, &[("a", 0), ("b", 0)], &[]));
            let first = bench.step();
            bench.publish(&["a"]);
            let live = bench.live();
            (first.unwrap_or_default(), live, bench.settle().concat())
        };
        let (_, live, rest) = mid_wave(None);
        assert!(live.is_none() && rest.contains("#5"));
        let (_, live, rest) = mid_wave(Some(NodeQuirk::LiveBeforeCatchup));
        assert!(live == Some("live: #5".into()) && !rest.contains("#5"));
        let (_, live, rest) = mid_wave(Some(NodeQuirk::SkipsMidWave));
        assert!(live.is_none() && !rest.contains("#5"));
        let (first, _, _) = mid_wave(Some(NodeQuirk::UnsortedReplay));
        assert_eq!(first, "wave of mutate 1: #2 #4");
        let (_, _, rest) = mid_wave(Some(NodeQuirk::CompletesTwice));
        assert!(rest.ends_with("complete 1complete 1"));
    }
}
