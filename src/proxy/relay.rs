//! Carries one stream between a client and the node, and keeps up the lie when a rule asks for silence.
//!
//! Refuses to know connections: it sees one client half, one node half, and how each of them ends. Ends travel as
//! Envoy translates them: no node, or none left before the headers, is UNAVAILABLE in trailers; a node lost after
//! the headers is RST_STREAM(INTERNAL_ERROR) to the client; a client that leaves is RST_STREAM(CANCEL) to the node.
//!
//! ```text
//! accepted --silent to the node--> hung --client leaves--> over
//!    |                              ^ ^
//!    |--no node--> refused ---------' |  (in silence to the client nothing is answered)
//!    |               '--> over        |
//!  joined --node resets or is lost----'
//!    |               '--> over
//!    |--answer complete, or client leaves--> over
//!    '------------------------'--rule towards the node--> kept --rule removed, or node ends--> over
//! ```

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response, request};
use tokio::sync::OwnedSemaphorePermit;

use crate::proxy::gate::{Gate, Piece};
use crate::proxy::head;
use crate::proxy::notice::{Direction, ProxyFate};
use crate::proxy::pump::Pump;
use crate::proxy::upstream::Upstream;

/// One stream from its acceptance on.
pub(crate) struct Relay {
    gate: Gate,
    request: RecvStream,
    answer: ClientReply,
    to_node: Pump,
    is_grpc: bool,
}

/// The half that the client reads.
enum ClientReply {
    Awaited(SendResponse<Bytes>),
    Begun(SendStream<Bytes>),
}

/// The half that the node reads and writes.
struct NodeHalf {
    sender: SendStream<Bytes>,
    reply: NodeReply,
    to_client: Pump,
    /// The node has answered in full and wants no more of the request (RFC 9113 section 8.1).
    is_deaf: bool,
    _permit: OwnedSemaphorePermit,
}

/// The half that the node writes.
enum NodeReply {
    Awaited(ResponseFuture),
    Begun(RecvStream),
}

/// How the opening of a stream at the node went.
enum StreamOpening {
    Joined(Box<NodeHalf>),
    Silenced,
    Refused(String),
    ClientLeft,
}

/// Why client and node are parted.
enum StreamParting {
    Answered,
    ClientLeft,
    NodeLeft(h2::Error),
}

impl Relay {
    /// The relay of a stream that was just accepted, and the head of its request.
    pub(crate) fn new(
        gate: Gate,
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
    ) -> (Self, request::Parts) {
        let (head, request) = request.into_parts();
        let is_grpc = head::is_grpc(&head.headers);
        let to_node = Pump::new(Direction::ToNode);
        (Relay { gate, request, answer: ClientReply::Awaited(respond), to_node, is_grpc }, head)
    }

    /// Relays until the client's half is over; a node half that must not learn of it is handed back.
    pub(crate) async fn run(mut self, head: request::Parts, upstream: &Upstream) -> Option<KeptHalf> {
        match self.open(head, upstream).await {
            StreamOpening::Joined(node) => return self.join(*node).await,
            StreamOpening::Silenced => self.hang().await,
            StreamOpening::Refused(reason) => {
                if self.refuse(&reason).is_none() {
                    self.hang().await;
                }
            }
            StreamOpening::ClientLeft => {}
        }
        self.gate.close();
        None
    }

    async fn open(&mut self, head: request::Parts, upstream: &Upstream) -> StreamOpening {
        if self.gate.is_silent(Direction::ToNode) {
            self.gate.swallow(Direction::ToNode, Piece::Headers);
            return StreamOpening::Silenced;
        }
        let slot = tokio::select! {
            biased;
            () = poll_fn(|context| self.answer.poll_left(context)) => {
                self.gate.swallow(Direction::ToNode, Piece::Headers);
                self.gate.swallow(Direction::ToNode, Piece::Reset);
                return StreamOpening::ClientLeft;
            }
            slot = upstream.slot() => slot,
        };
        // The rules may have changed while the node was dialed.
        poll_fn(|context| {
            self.gate.follow(context);
            Poll::Ready(())
        })
        .await;
        if self.gate.is_silent(Direction::ToNode) {
            self.gate.swallow(Direction::ToNode, Piece::Headers);
            return StreamOpening::Silenced;
        }
        let is_whole = self.request.is_end_stream();
        let sent = slot.map_err(|error| format!("failed to {error}")).and_then(|slot| {
            let request = head::to_node(head, upstream.address()).map_err(|error| format!("failed to {error}"))?;
            slot.send(request, is_whole).map_err(|error| format!("failed to open a stream to the node: {error}"))
        });
        match sent {
            Ok((reply, sender, permit)) => {
                self.gate.pass(Direction::ToNode, Piece::Headers);
                if is_whole {
                    self.to_node.end_with_headers(&self.gate);
                }
                StreamOpening::Joined(Box::new(NodeHalf::new(reply, sender, permit)))
            }
            Err(reason) => {
                self.gate.swallow(Direction::ToNode, Piece::Headers);
                StreamOpening::Refused(reason)
            }
        }
    }

    async fn join(mut self, mut node: NodeHalf) -> Option<KeptHalf> {
        let parting = poll_fn(|context| self.poll_joined(context, &mut node)).await;
        match parting {
            StreamParting::Answered | StreamParting::ClientLeft => self.let_go(node, &parting),
            StreamParting::NodeLeft(error) => {
                drop(node);
                // h2 forgets what waits for the socket when a stream is reset; after one turn of the connection's task
                // only what the socket or the client has no room for is left to forget.
                tokio::task::yield_now().await;
                if self.report_loss(&error).is_none() {
                    self.hang().await;
                }
                self.gate.close();
                None
            }
        }
    }

    /// Both pumps come before the resets: what arrived before a reset is handed on before it, if there is room.
    fn poll_joined(&mut self, context: &mut Context<'_>, node: &mut NodeHalf) -> Poll<StreamParting> {
        self.gate.follow(context);
        match self.poll_to_client(context, node) {
            Poll::Ready(Ok(ProxyFate::Passed)) => return Poll::Ready(StreamParting::Answered),
            Poll::Ready(Err(error)) => return Poll::Ready(StreamParting::NodeLeft(error)),
            // Swallowed: the client hears nothing of the end, and may go on writing.
            Poll::Ready(Ok(ProxyFate::Swallowed)) | Poll::Pending => {}
        }
        let sink = if node.is_deaf { None } else { Some(&mut node.sender) };
        // Its error is the client's leaving, which the answer's half tells as well.
        let _ = self.to_node.poll(context, &mut self.request, sink, &mut self.gate);
        if self.answer.poll_left(context).is_ready() {
            return Poll::Ready(StreamParting::ClientLeft);
        }
        node.poll_lost(context).map(StreamParting::NodeLeft)
    }

    fn poll_to_client(&mut self, context: &mut Context<'_>, node: &mut NodeHalf) -> Poll<Result<ProxyFate, h2::Error>> {
        if let NodeReply::Awaited(reply) = &mut node.reply {
            let (head, body) = ready!(Pin::new(reply).poll(context))?.into_parts();
            let is_whole = body.is_end_stream();
            node.reply = NodeReply::Begun(body);
            if self.gate.is_silent(Direction::ToClient) {
                self.gate.swallow(Direction::ToClient, Piece::Headers);
            } else {
                let fate = self.answer.begin(Response::from_parts(head, ()), is_whole);
                self.tell_begun(fate);
                if is_whole && fate == ProxyFate::Passed {
                    node.to_client.end_with_headers(&self.gate);
                    return Poll::Ready(Ok(fate));
                }
            }
        }
        let NodeReply::Begun(body) = &mut node.reply else { return Poll::Pending };
        let sink = match &mut self.answer {
            ClientReply::Awaited(_) => None,
            ClientReply::Begun(sink) => Some(sink),
        };
        node.to_client.poll(context, body, sink, &mut self.gate)
    }

    fn tell_begun(&mut self, fate: ProxyFate) {
        match fate {
            ProxyFate::Passed => self.gate.pass(Direction::ToClient, Piece::Headers),
            ProxyFate::Swallowed => self.gate.swallow(Direction::ToClient, Piece::Headers),
        }
    }

    /// The client's half is over: the node is told by a reset, which dropping its half sends after all that was
    /// written before, unless nothing is left to tell or a rule forbids it.
    fn let_go(mut self, node: NodeHalf, parting: &StreamParting) -> Option<KeptHalf> {
        if matches!(parting, StreamParting::Answered) && self.to_node.has_passed_the_end() {
            self.gate.close();
            return None;
        }
        if self.gate.is_ruled(Direction::ToNode) {
            self.gate.swallow(Direction::ToNode, Piece::Reset);
            return Some(KeptHalf { gate: self.gate, node });
        }
        drop(node);
        self.gate.pass(Direction::ToNode, Piece::Reset);
        self.gate.close();
        None
    }

    /// Tells the client that the node is lost; `None` if silence forbids it.
    fn report_loss(&mut self, error: &h2::Error) -> Option<()> {
        if self.gate.is_silent(Direction::ToClient) {
            self.gate.swallow(Direction::ToClient, Piece::Reset);
            return None;
        }
        match &mut self.answer {
            ClientReply::Awaited(_) => return self.refuse(&format!("lost the node before its headers: {error}")),
            ClientReply::Begun(sink) => sink.send_reset(Reason::INTERNAL_ERROR),
        }
        self.gate.pass(Direction::ToClient, Piece::Reset);
        Some(())
    }

    /// Answers in place of the node; `None` if silence forbids it.
    fn refuse(&mut self, reason: &str) -> Option<()> {
        if self.gate.is_silent(Direction::ToClient) {
            self.gate.swallow(Direction::ToClient, Piece::Headers);
            return None;
        }
        if let ClientReply::Awaited(respond) = &mut self.answer
            && head::refuse(respond, self.is_grpc, reason).is_ok()
        {
            self.gate.pass(Direction::ToClient, Piece::Headers);
            self.gate.pass(Direction::ToClient, Piece::End(HeaderMap::new()));
        }
        Some(())
    }

    /// Keeps up a stream that has no node: open, silent, swallowing, until the client leaves.
    async fn hang(&mut self) {
        poll_fn(|context| {
            self.gate.follow(context);
            // Its error is the client's leaving, which the answer's half tells as well.
            let _ = self.to_node.poll(context, &mut self.request, None, &mut self.gate);
            self.answer.poll_left(context)
        })
        .await;
        self.gate.swallow(Direction::ToNode, Piece::Reset);
    }
}

impl ClientReply {
    fn begin(&mut self, response: Response<()>, is_whole: bool) -> ProxyFate {
        let ClientReply::Awaited(respond) = self else { return ProxyFate::Swallowed };
        match respond.send_response(response, is_whole) {
            Ok(sink) => {
                *self = ClientReply::Begun(sink);
                ProxyFate::Passed
            }
            Err(_) => {
                // The client is gone already, or HTTP/2 cannot express the head; the reset ends the second case too.
                respond.send_reset(Reason::INTERNAL_ERROR);
                ProxyFate::Swallowed
            }
        }
    }

    /// Ready when the client reset the stream or its connection is gone.
    fn poll_left(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self {
            ClientReply::Awaited(respond) => respond.poll_reset(context).map(drop),
            ClientReply::Begun(sink) => sink.poll_reset(context).map(drop),
        }
    }
}

impl NodeHalf {
    fn new(reply: ResponseFuture, sender: SendStream<Bytes>, permit: OwnedSemaphorePermit) -> Self {
        let to_client = Pump::new(Direction::ToClient);
        NodeHalf { sender, reply: NodeReply::Awaited(reply), to_client, is_deaf: false, _permit: permit }
    }

    /// Ready when the node reset the stream or its connection is gone.
    fn poll_lost(&mut self, context: &mut Context<'_>) -> Poll<h2::Error> {
        if self.is_deaf {
            return Poll::Pending;
        }
        match ready!(self.sender.poll_reset(context)) {
            // Said after a full answer, which the pump is still carrying; without one the pump finds the reset.
            Ok(Reason::NO_ERROR) => {
                self.is_deaf = true;
                Poll::Pending
            }
            Ok(reason) => Poll::Ready(reason.into()),
            Err(error) => Poll::Ready(error),
        }
    }

    /// Reads and swallows what the node says; ready when it has ended or lost the stream.
    fn poll_drain(&mut self, context: &mut Context<'_>, gate: &mut Gate) -> Poll<()> {
        if let NodeReply::Awaited(reply) = &mut self.reply {
            let Ok(response) = ready!(Pin::new(reply).poll(context)) else { return Poll::Ready(()) };
            gate.swallow(Direction::ToClient, Piece::Headers);
            self.reply = NodeReply::Begun(response.into_body());
        }
        let NodeReply::Begun(body) = &mut self.reply else { return Poll::Pending };
        if self.to_client.poll(context, body, None, gate).is_ready() {
            return Poll::Ready(());
        }
        self.poll_lost(context).map(drop)
    }
}

/// The node half of a stream whose client left in silence: the node must not learn of it.
pub(crate) struct KeptHalf {
    gate: Gate,
    node: NodeHalf,
}

impl KeptHalf {
    /// Keeps the half until the rule is removed or the node ends it.
    pub(crate) async fn run(mut self) {
        let is_told = poll_fn(|context| {
            self.gate.follow(context);
            if !self.gate.is_ruled(Direction::ToNode) {
                return Poll::Ready(true);
            }
            self.node.poll_drain(context, &mut self.gate).map(|()| false)
        })
        .await;
        drop(self.node);
        if is_told {
            self.gate.pass(Direction::ToNode, Piece::Reset);
        }
        self.gate.close();
    }
}
