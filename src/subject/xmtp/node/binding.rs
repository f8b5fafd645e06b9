//! How a node speaks each dialect: what arrives becomes the core's requests, and the core's responses what is sent.
//!
//! Refuses to know streams, sessions and the log: a binding translates frame by frame, and keeps only what a dialect
//! leaves unsaid. Where a dialect has no frame for a response, nothing is sent.

use std::collections::{BTreeMap, BTreeSet};

use crate::subject::xmtp::node::StoreError;
use crate::subject::xmtp::node::by_kind::Heads;
use crate::subject::xmtp::node::originators::{CURSOR_ENTRIES_MAX, ORIGINATORS_MAX};
use crate::subject::xmtp::node::refusal::NodeRefusal;
use crate::subject::xmtp::node::response::NodeEnding;
use crate::subject::xmtp::wire::{
    Add, Cursor, DeliveryFrame, Dialect, DraftAdd, DraftRequest, DraftResponse, Message, MessageKind, Mutate, MutateId,
    OriginatorPlace, Request, Response, Topic, VectorAdd, VectorCursor, VectorMutate, VectorRequest, draft_proto,
    proto, query_proto, write_vector_response,
};

/// What a binding asks of the log.
pub(crate) trait Places {
    /// The newest id of each kind: where the live edge is.
    ///
    /// # Errors
    /// The log fails.
    fn heads(&self) -> Result<Heads, StoreError>;

    /// For each of these cursors the place of the log behind which is all that lies beyond it.
    ///
    /// # Errors
    /// The log fails.
    fn beyond(&self, known: &[(MessageKind, &VectorCursor)]) -> Result<Vec<Cursor>, StoreError>;

    /// How many topics a Mutate may add (S8): of more no place is worth a look.
    fn adds_max(&self) -> usize;
}

/// The node's end of one stream in one dialect.
pub(crate) trait NodeBinding: Default + Send + Sync + 'static {
    /// Which.
    const DIALECT: Dialect;
    /// What a client sends.
    type Asked: prost::Message + Default + 'static;
    /// What a node sends.
    type Told: prost::Message + Default + 'static;

    /// Reads a request, which the core has yet to take or to refuse; then the stream ends.
    ///
    /// # Errors
    /// It is malformed, or the log fails.
    fn read(&mut self, frame: Self::Asked, places: &impl Places) -> Result<Request, NodeEnding>;

    /// The response as it is sent, if this dialect has it.
    fn write(&mut self, response: Response) -> Option<Self::Told>;
}

/// v1 is the core's own language.
#[derive(Default)]
pub(crate) struct NodeV1;

impl NodeBinding for NodeV1 {
    const DIALECT: Dialect = Dialect::V1;
    type Asked = proto::SubscribeRequest;
    type Told = proto::SubscribeResponse;

    fn read(&mut self, frame: proto::SubscribeRequest, _places: &impl Places) -> Result<Request, NodeEnding> {
        Ok(Request::from_proto(frame).map_err(NodeRefusal::from)?)
    }

    fn write(&mut self, response: Response) -> Option<proto::SubscribeResponse> {
        Some(response.into_proto())
    }
}

/// The draft names no wave: adds get a name of their own here, and what only removes gets 0, which nothing answers.
#[derive(Default)]
pub(crate) struct NodeDraft {
    waves: u64,
}

impl NodeBinding for NodeDraft {
    const DIALECT: Dialect = Dialect::Draft;
    type Asked = draft_proto::SubscribeRequest;
    type Told = draft_proto::SubscribeResponse;

    fn read(&mut self, frame: draft_proto::SubscribeRequest, places: &impl Places) -> Result<Request, NodeEnding> {
        let DraftRequest { adds, removes } = DraftRequest::from_proto(frame).map_err(NodeRefusal::from)?;
        // Looked up before the topics join: a message of the time between is above the edge, and replayed (S4).
        let heads = if adds.iter().any(|add| add.after.is_none()) { places.heads()? } else { Heads::default() };
        let begin = |DraftAdd { topic, after }| {
            let cursor = after.unwrap_or_else(|| Cursor::from(*heads.of(topic.kind())));
            Add { topic, cursor }
        };
        let adds: Vec<Add> = adds.into_iter().map(begin).collect();
        self.waves += u64::from(!adds.is_empty());
        let id = if adds.is_empty() { MutateId(0) } else { MutateId(self.waves) };
        Ok(Request::Mutate(Mutate { adds, removes, history_only: false, id }))
    }

    fn write(&mut self, response: Response) -> Option<draft_proto::SubscribeResponse> {
        let written = match response {
            // The draft leaves it to the node whether it tells the interval; this one does not.
            Response::Started { .. } => DraftResponse::Started { keepalive: None },
            Response::Delivery(delivery) => DraftResponse::Messages(delivery.messages),
            Response::CatchupComplete(MutateId(0)) | Response::TopicsLive(_) | Response::Pong(_) => return None,
            Response::CatchupComplete(_) => DraftResponse::CatchupComplete,
            Response::Ping(_) => DraftResponse::Waiting,
        };
        Some(written.into_proto())
    }
}

/// Originators' places become one place of the log, from which the core delivers. What of it lies at or below the cursor
/// that was asked from is left out again.
#[derive(Default)]
pub(crate) struct NodeDecentralized {
    registered: BTreeMap<Topic, VectorRegistration>,
}

/// What a topic was added with.
struct VectorRegistration {
    wave: MutateId,
    history_only: bool,
    cursor: VectorCursor,
}

/// Where nothing is left to deliver: an add of a registered topic from there changes nothing (S5).
const BEYOND_ALL: Cursor = Cursor(u64::MAX);

/// The bounds on what is to be looked up (S8).
fn check_size(adds: &[VectorAdd]) -> Result<(), NodeRefusal> {
    let longest = adds.iter().map(|add| add.cursor.len()).max().unwrap_or_default();
    if longest > ORIGINATORS_MAX {
        return Err(NodeRefusal::CursorTooLong { count: longest, most: ORIGINATORS_MAX });
    }
    let count = adds.iter().map(|add| add.cursor.len()).sum();
    if count > CURSOR_ENTRIES_MAX {
        return Err(NodeRefusal::CursorsTooLong { count, most: CURSOR_ENTRIES_MAX });
    }
    Ok(())
}

impl NodeDecentralized {
    /// The core's adds: of two for one topic the first counts, and one of a registered topic changes nothing (section 7).
    fn begin(&mut self, mutate: VectorMutate, places: &impl Places) -> Result<Mutate, NodeEnding> {
        let VectorMutate { adds, removes, history_only, id: wave } = mutate;
        check_size(&adds)?;
        // The core refuses so many, and counts them itself (S8).
        if adds.len() > places.adds_max() {
            let adds = adds.into_iter().map(|add| Add { topic: add.topic, cursor: BEYOND_ALL }).collect();
            return Ok(Mutate { adds, removes, history_only, id: wave });
        }
        for topic in &removes {
            self.registered.remove(topic);
        }
        let mut named = BTreeSet::new();
        let first: Vec<VectorAdd> = adds.into_iter().filter(|add| named.insert(add.topic.clone())).collect();
        let fresh = first.iter().filter(|add| !self.registered.contains_key(&add.topic));
        let fresh: Vec<_> = fresh.map(|add| (add.topic.kind(), &add.cursor)).collect();
        let mut found = places.beyond(&fresh)?.into_iter();
        let mut begun = Vec::with_capacity(first.len());
        for VectorAdd { topic, cursor } in first {
            let from = match self.registered.contains_key(&topic) {
                true => BEYOND_ALL,
                false => found.next().expect("a place was looked up for each topic that is new"),
            };
            self.registered.entry(topic.clone()).or_insert(VectorRegistration { wave, history_only, cursor });
            begun.push(Add { topic, cursor: from });
        }
        Ok(Mutate { adds: begun, removes, history_only, id: wave })
    }

    /// Whether the message lies beyond the cursor that its topic was added from.
    fn is_asked_for(&self, message: &Message) -> bool {
        let Some(registration) = self.registered.get(message.topic()) else { return true };
        let Some(OriginatorPlace { originator, sequence }) = message.origin else { return true };
        registration.cursor.get(&originator).is_none_or(|known| known.is_before(sequence))
    }
}

impl NodeBinding for NodeDecentralized {
    const DIALECT: Dialect = Dialect::Decentralized;
    type Asked = query_proto::SubscribeRequest;
    type Told = query_proto::SubscribeResponse;

    fn read(&mut self, frame: query_proto::SubscribeRequest, places: &impl Places) -> Result<Request, NodeEnding> {
        Ok(match VectorRequest::from_proto(frame).map_err(NodeRefusal::from)? {
            VectorRequest::Mutate(mutate) => Request::Mutate(self.begin(mutate, places)?),
            VectorRequest::Ping(nonce) => Request::Ping(nonce),
            VectorRequest::Pong(nonce) => Request::Pong(nonce),
        })
    }

    fn write(&mut self, response: Response) -> Option<query_proto::SubscribeResponse> {
        let response = match response {
            Response::Delivery(DeliveryFrame { tag, mut messages }) => {
                messages.retain(|message| self.is_asked_for(message));
                if messages.is_empty() {
                    return None;
                }
                Response::Delivery(DeliveryFrame { tag, messages })
            }
            Response::CatchupComplete(id) => {
                // What was only caught up is registered no more (S11).
                self.registered.retain(|_, registration| !registration.history_only || registration.wave != id);
                response
            }
            Response::Started { .. } | Response::TopicsLive(_) | Response::Ping(_) | Response::Pong(_) => response,
        };
        Some(write_vector_response(response))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::subject::xmtp::wire::{Draft, Envelope, MessageId, Nonce, Originator, Tag, read_vector_response};

    /// A log with seven groups and two welcomes, in which everything beyond a vector begins at its lowest place.
    struct Shallow;

    impl Places for Shallow {
        fn heads(&self) -> Result<Heads, StoreError> {
            Ok(Heads::new(MessageId(7), MessageId(2)))
        }

        fn beyond(&self, known: &[(MessageKind, &VectorCursor)]) -> Result<Vec<Cursor>, StoreError> {
            Ok(known.iter().map(|(_, known)| known.values().copied().min().unwrap_or_default()).collect())
        }

        fn adds_max(&self) -> usize {
            3
        }
    }

    fn topic(name: &str) -> Topic {
        Topic::new(MessageKind::Group, name.as_bytes())
    }

    fn read(binding: &mut NodeDraft, adds: &[(&str, u64)], removes: &[&str]) -> Mutate {
        let after = |cursor: u64| (cursor > 0).then_some(Cursor(cursor));
        let adds = adds.iter().map(|(name, cursor)| DraftAdd { topic: topic(name), after: after(*cursor) }).collect();
        let request = DraftRequest { adds, removes: removes.iter().map(|name| topic(name)).collect() };
        match binding.read(request.into_proto(), &Shallow).expect("well formed") {
            Request::Mutate(mutate) => mutate,
            other @ (Request::Ping(_) | Request::Pong(_)) => panic!("no change: {other:?}"),
        }
    }

    #[test]
    fn each_change_of_the_draft_that_adds_gets_a_wave_of_its_own_and_zero_is_the_live_edge() {
        let mut binding = NodeDraft::default();
        let first = read(&mut binding, &[("a", 0), ("b", 3)], &[]);
        let cursors: Vec<Cursor> = first.adds.iter().map(|add| add.cursor).collect();
        assert_eq!((first.id, cursors), (MutateId(1), vec![Cursor(7), Cursor(3)]));
        assert_eq!(read(&mut binding, &[], &["a"]).id, MutateId(0));
        assert_eq!(read(&mut binding, &[("a", 1)], &["b"]).id, MutateId(2));
    }

    #[test]
    fn the_live_edge_of_each_kind_is_its_own() {
        let add = |topic| DraftAdd { topic, after: None };
        let adds = [topic("a"), Topic::new(MessageKind::Welcome, b"a")].map(add).to_vec();
        let request = DraftRequest { adds, removes: Vec::new() };
        let Ok(Request::Mutate(begun)) = NodeDraft::default().read(request.into_proto(), &Shallow) else {
            panic!("no change")
        };
        assert_eq!(begun.adds.iter().map(|add| add.cursor).collect::<Vec<_>>(), [Cursor(7), Cursor(2)]);
    }

    #[test]
    fn the_draft_says_nothing_of_removes_tags_intervals_and_pongs() {
        let said = |response| NodeDraft::default().write(response).map(DraftResponse::from_proto);
        let frame = |frame| Some(Ok((frame, Vec::new())));
        assert_eq!(said(Response::CatchupComplete(MutateId(0))), None);
        assert_eq!(said(Response::CatchupComplete(MutateId(3))), frame(DraftResponse::CatchupComplete));
        assert_eq!(said(Response::TopicsLive(vec![topic("a")])), None);
        assert_eq!(said(Response::Pong(Nonce(1))), None);
        assert_eq!(said(Response::Ping(Nonce(1))), frame(DraftResponse::Waiting));
        let started = Response::Started { keepalive: Some(Duration::from_secs(300)) };
        assert_eq!(said(started), frame(DraftResponse::Started { keepalive: None }));
    }

    fn vector(known: &[(u32, u64)]) -> VectorCursor {
        known.iter().map(|(originator, sequence)| (Originator(*originator), Cursor(*sequence))).collect()
    }

    fn begin(binding: &mut NodeDecentralized, adds: &[(&str, &[(u32, u64)])], removes: &[&str]) -> Vec<(Topic, u64)> {
        let adds = adds.iter().map(|(name, known)| VectorAdd { topic: topic(name), cursor: vector(known) }).collect();
        let removes = removes.iter().map(|name| topic(name)).collect();
        let mutate = VectorMutate { adds, removes, history_only: false, id: MutateId(1) };
        let mutate = binding.begin(mutate, &Shallow).expect("a good log");
        mutate.adds.into_iter().map(|add| (add.topic, add.cursor.0)).collect()
    }

    #[test]
    fn of_two_adds_of_one_topic_the_first_counts_and_a_registered_topic_stays_as_it_is() {
        let mut binding = NodeDecentralized::default();
        let first = begin(&mut binding, &[("a", &[(2, 5), (4, 3)]), ("b", &[]), ("a", &[])], &[]);
        assert_eq!(first, [(topic("a"), 3), (topic("b"), 0)]);
        assert_eq!(begin(&mut binding, &[("a", &[(2, 1)])], &[]), [(topic("a"), u64::MAX)]);
        assert_eq!(begin(&mut binding, &[("a", &[(2, 1)])], &["a"]), [(topic("a"), 1)], "after a remove it is another");
    }

    #[test]
    fn where_more_is_added_than_may_be_the_core_gets_all_of_it_to_refuse() {
        let adds: Vec<(&str, &[(u32, u64)])> = vec![("a", &[]), ("b", &[]), ("b", &[]), ("b", &[])];
        let begun = begin(&mut NodeDecentralized::default(), &adds, &[]);
        assert!(begun.len() == 4 && begun.iter().all(|(_, from)| *from == u64::MAX), "{begun:?}");
    }

    fn numbered(name: &str, originator: u32, sequence: u64) -> Message {
        let envelope = Envelope::Group { sender_hmac: bytes::Bytes::new(), should_push: false, is_commit: false };
        let data = crate::subject::xmtp::wire::application_message(name.as_bytes(), b"payload");
        let origin = Some(OriginatorPlace { originator: Originator(originator), sequence: MessageId(sequence) });
        Message { id: MessageId(9), origin, created_ns: 0, draft: Draft { topic: topic(name), data, envelope } }
    }

    #[test]
    fn what_lies_at_or_below_the_cursor_is_left_out() {
        let mut binding = NodeDecentralized::default();
        begin(&mut binding, &[("a", &[(2, 5), (4, 3)])], &[]);
        let messages = [(2, 5), (4, 4), (2, 6), (6, 1)].map(|(by, sequence)| numbered("a", by, sequence));
        let frame = DeliveryFrame { tag: Tag::Live, messages: messages.to_vec() };
        let written = binding.write(Response::Delivery(frame)).expect("something is left");
        let Ok((Response::Delivery(delivery), _)) = read_vector_response(written) else { panic!("no messages") };
        let left: Vec<_> =
            delivery.messages.iter().map(|message| (message.topic().to_string(), message.id.0)).collect();
        assert_eq!(left, [("group@4:a".into(), 4), ("group@2:a".into(), 6), ("group@6:a".into(), 1)]);
        let known = DeliveryFrame { tag: Tag::Live, messages: vec![numbered("a", 4, 3)] };
        assert_eq!(binding.write(Response::Delivery(known)), None, "a frame of nothing is none");
    }

    #[test]
    fn what_was_only_caught_up_can_be_added_from_elsewhere_afterwards() {
        let mut binding = NodeDecentralized::default();
        let adds = vec![VectorAdd { topic: topic("a"), cursor: vector(&[(2, 5)]) }];
        let mutate = VectorMutate { adds, history_only: true, id: MutateId(4), ..VectorMutate::default() };
        binding.begin(mutate, &Shallow).expect("a good log");
        binding.write(Response::CatchupComplete(MutateId(4)));
        assert_eq!(begin(&mut binding, &[("a", &[(2, 1)])], &[]), [(topic("a"), 1)]);
    }
}
