//! How a node speaks each dialect: what arrives becomes the core's requests, and the core's responses what is sent.
//!
//! Refuses to know streams, sessions and the log: a binding translates frame by frame, and keeps only what a dialect
//! leaves unsaid. Where a dialect has no frame for a response, nothing is sent.

use crate::subject::xmtp::node::StoreError;
use crate::subject::xmtp::node::by_kind::Heads;
use crate::subject::xmtp::node::refusal::NodeRefusal;
use crate::subject::xmtp::node::response::NodeEnding;
use crate::subject::xmtp::wire::{
    Add, Cursor, Dialect, DraftAdd, DraftRequest, DraftResponse, Mutate, MutateId, Request, Response, draft_proto,
    proto,
};

/// The node's end of one stream in one dialect.
pub(crate) trait NodeBinding: Default + Send + Sync + 'static {
    /// Which.
    const DIALECT: Dialect;
    /// What a client sends.
    type Asked: prost::Message + Default + 'static;
    /// What a node sends.
    type Told: prost::Message + Default + 'static;

    /// Reads a request. `heads` looks up where the live edge is.
    ///
    /// # Errors
    /// It is malformed, or the log fails.
    fn read(
        &mut self,
        frame: Self::Asked,
        heads: impl FnOnce() -> Result<Heads, StoreError>,
    ) -> Result<Request, NodeEnding>;

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

    fn read(
        &mut self,
        frame: proto::SubscribeRequest,
        _heads: impl FnOnce() -> Result<Heads, StoreError>,
    ) -> Result<Request, NodeEnding> {
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

    fn read(
        &mut self,
        frame: draft_proto::SubscribeRequest,
        heads: impl FnOnce() -> Result<Heads, StoreError>,
    ) -> Result<Request, NodeEnding> {
        let DraftRequest { adds, removes } = DraftRequest::from_proto(frame).map_err(NodeRefusal::from)?;
        // Looked up before the topics join: a message of the time between is above the edge, and replayed (S4).
        let heads = if adds.iter().any(|add| add.after.is_none()) { heads()? } else { Heads::default() };
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::subject::xmtp::wire::{MessageId, MessageKind, Nonce, Topic};

    fn topic(name: &str) -> Topic {
        Topic::new(MessageKind::Group, name.as_bytes())
    }

    fn read(binding: &mut NodeDraft, adds: &[(&str, u64)], removes: &[&str]) -> Mutate {
        let after = |cursor: u64| (cursor > 0).then_some(Cursor(cursor));
        let adds = adds.iter().map(|(name, cursor)| DraftAdd { topic: topic(name), after: after(*cursor) }).collect();
        let request = DraftRequest { adds, removes: removes.iter().map(|name| topic(name)).collect() };
        let heads = || Ok(Heads::new(MessageId(7), MessageId(2)));
        match binding.read(request.into_proto(), heads).expect("well formed") {
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
}
