//! How a client speaks each dialect: the core's requests become what is sent, and what arrives the core's responses.
//!
//! Refuses to know streams, watchdogs and leases: a binding translates frame by frame, and keeps only what a dialect
//! leaves unsaid. Where a dialect has no frame for a request, nothing is sent.

use std::collections::VecDeque;

use crate::subject::xmtp::wire::{
    Add, DeliveryFrame, Dialect, DraftAdd, DraftRequest, DraftResponse, Malformed, Mutate, MutateId, Nonce, Request,
    Response, Tag, draft_proto, proto, query_proto, read_vector_response, write_vector_request,
};

/// The client's end of one stream in one dialect.
pub(crate) trait ClientBinding: Default + Send + 'static {
    /// Which.
    const DIALECT: Dialect;
    /// What a client sends.
    type Sent: prost::Message + Default + 'static;
    /// What a node sends.
    type Heard: prost::Message + Default + 'static;

    /// The request as it is sent, if this dialect has it.
    fn write(&mut self, request: Request) -> Option<Self::Sent>;

    /// Reads a response as far as it can be read; beside it stands what was skipped in it.
    ///
    /// # Errors
    /// Nothing of the frame can be used.
    fn read(&mut self, frame: Self::Heard) -> Result<(Response, Vec<Malformed>), Malformed>;
}

/// v1 is the core's own language.
#[derive(Default)]
pub(crate) struct ClientV1;

impl ClientBinding for ClientV1 {
    const DIALECT: Dialect = Dialect::V1;
    type Sent = proto::SubscribeRequest;
    type Heard = proto::SubscribeResponse;

    fn write(&mut self, request: Request) -> Option<proto::SubscribeRequest> {
        Some(request.into_proto())
    }

    fn read(&mut self, frame: proto::SubscribeResponse) -> Result<(Response, Vec<Malformed>), Malformed> {
        Response::from_proto(frame)
    }
}

/// The draft does not say which change it has caught up: the oldest that added anything is taken for it.
#[derive(Default)]
pub(crate) struct ClientDraft {
    unanswered: VecDeque<MutateId>,
}

impl ClientBinding for ClientDraft {
    const DIALECT: Dialect = Dialect::Draft;
    type Sent = draft_proto::SubscribeRequest;
    type Heard = draft_proto::SubscribeResponse;

    fn write(&mut self, request: Request) -> Option<draft_proto::SubscribeRequest> {
        let Request::Mutate(Mutate { adds, removes, id, .. }) = request else { return None };
        if !adds.is_empty() {
            self.unanswered.push_back(id);
        }
        // From the beginning is as far back as can be said: 0 would be the live edge. A bounded catch-up goes live too: its
        // stream is half-closed, and ends when its topics are caught up.
        let begin = |Add { topic, cursor }| DraftAdd { topic, after: Some(cursor.max(Dialect::Draft.beginning())) };
        Some(DraftRequest { adds: adds.into_iter().map(begin).collect(), removes }.into_proto())
    }

    fn read(&mut self, frame: draft_proto::SubscribeResponse) -> Result<(Response, Vec<Malformed>), Malformed> {
        let (frame, skipped) = DraftResponse::from_proto(frame)?;
        let response = match frame {
            DraftResponse::Messages(messages) => Response::Delivery(DeliveryFrame { tag: Tag::Untold, messages }),
            DraftResponse::Started { keepalive } => Response::Started { keepalive },
            // One that nobody waits for answers nothing, as an unknown id would.
            DraftResponse::CatchupComplete => {
                Response::CatchupComplete(self.unanswered.pop_front().unwrap_or_default())
            }
            // The core answers it, and the answer is written as nothing.
            DraftResponse::Waiting => Response::Ping(Nonce(0)),
        };
        Ok((response, skipped))
    }
}

/// What one originator has put into a topic is a topic of its own to the core: ids and floors are per originator. On the
/// wire they are one topic, with one cursor of them all.
#[derive(Default)]
pub(crate) struct ClientDecentralized;

impl ClientBinding for ClientDecentralized {
    const DIALECT: Dialect = Dialect::Decentralized;
    type Sent = query_proto::SubscribeRequest;
    type Heard = query_proto::SubscribeResponse;

    fn write(&mut self, request: Request) -> Option<query_proto::SubscribeRequest> {
        Some(write_vector_request(request))
    }

    fn read(&mut self, frame: query_proto::SubscribeResponse) -> Result<(Response, Vec<Malformed>), Malformed> {
        read_vector_response(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::xmtp::client::tests::{add, message, topic};
    use crate::subject::xmtp::wire::Cursor;

    fn change(id: u64, adds: &[(&str, u64)], removes: &[&str]) -> Request {
        Request::Mutate(Mutate {
            adds: adds.iter().map(|(name, cursor)| add(name, *cursor)).collect(),
            removes: removes.iter().map(|name| topic(name)).collect(),
            history_only: false,
            id: MutateId(id),
        })
    }

    fn sent(binding: &mut ClientDraft, request: Request) -> Option<DraftRequest> {
        binding.write(request).map(|frame| DraftRequest::from_proto(frame).expect("well formed"))
    }

    fn heard(binding: &mut ClientDraft, frame: DraftResponse) -> Response {
        binding.read(frame.into_proto()).expect("well formed").0
    }

    #[test]
    fn the_beginning_is_as_far_back_as_the_draft_can_say() {
        let request = sent(&mut ClientDraft::default(), change(1, &[("a", 0), ("b", 9)], &["c"])).expect("a frame");
        let cursors: Vec<_> = request.adds.iter().map(|add| add.after).collect();
        assert_eq!((cursors, request.removes), (vec![Some(Cursor(1)), Some(Cursor(9))], vec![topic("c")]));
    }

    #[test]
    fn what_the_draft_does_not_have_is_not_sent() {
        for request in [Request::Ping(Nonce(1)), Request::Pong(Nonce(0))] {
            assert_eq!(sent(&mut ClientDraft::default(), request), None);
        }
    }

    #[test]
    fn a_marker_answers_the_oldest_change_that_added_anything() {
        let mut binding = ClientDraft::default();
        for request in [change(5, &[("a", 1)], &[]), change(6, &[], &["a"]), change(7, &[("b", 1)], &["a"])] {
            assert!(binding.write(request).is_some());
        }
        let mut answered = || heard(&mut binding, DraftResponse::CatchupComplete);
        assert_eq!(answered(), Response::CatchupComplete(MutateId(5)));
        assert_eq!(answered(), Response::CatchupComplete(MutateId(7)));
        assert_eq!(answered(), Response::CatchupComplete(MutateId(0)));
    }

    #[test]
    fn messages_have_no_tag_and_a_heartbeat_no_nonce() {
        let mut binding = ClientDraft::default();
        let delivery = DeliveryFrame { tag: Tag::Untold, messages: vec![message("a", 3)] };
        let frame = DraftResponse::Messages(delivery.messages.clone());
        assert_eq!(heard(&mut binding, frame), Response::Delivery(delivery));
        assert_eq!(heard(&mut binding, DraftResponse::Waiting), Response::Ping(Nonce(0)));
    }
}
