//! The half of a stream that the node reads and writes, and how the proxy parts from it.
//!
//! Refuses to know the client's half.
//!
//! ```text
//! joined --the client's half is over--> parted step by step --> over
//!                                         '--nothing is to be told--> kept --a rule removed, or the node ends--> over
//! ```

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::Response;

use crate::lie::{Direction, LastStream, Reaction, ResetWith};
use crate::proxy::errand::ErrandEnd;
use crate::proxy::gate::{Gate, Piece};
use crate::proxy::pump::Pump;
use crate::proxy::upstream::SlotLease;

/// The half that the node reads and writes.
pub(crate) struct NodeHalf {
    pub(crate) sender: SendStream<Bytes>,
    pub(crate) reply: NodeReply,
    pub(crate) to_client: Pump,
    /// The node has answered in full and wants no more of the request (RFC 9113 section 8.1).
    pub(crate) is_deaf: bool,
    pub(crate) lease: SlotLease,
}

/// The half that the node writes.
pub(crate) enum NodeReply {
    Awaited(ResponseFuture),
    /// With its head, until that is handed on.
    Begun(RecvStream, Option<Response<()>>),
}

/// What the node knows, or may be told, of the client's half.
#[derive(Clone, Copy, Default)]
pub(crate) struct ToldByClient {
    /// Its end has been handed on.
    pub(crate) end: bool,
    /// The code of its reset.
    pub(crate) reset: Option<Reason>,
}

impl NodeHalf {
    pub(crate) fn new(reply: ResponseFuture, sender: SendStream<Bytes>, lease: SlotLease) -> Self {
        let to_client = Pump::new(Direction::ToClient);
        NodeHalf { sender, reply: NodeReply::Awaited(reply), to_client, is_deaf: false, lease }
    }

    /// Whether nothing of the answer has come.
    pub(crate) fn is_unanswered(&self) -> bool {
        matches!(self.reply, NodeReply::Awaited(_))
    }

    /// Ready when the node reset the stream or its connection is gone.
    pub(crate) fn poll_lost(&mut self, context: &mut Context<'_>) -> Poll<h2::Error> {
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
            self.reply = NodeReply::Begun(response.into_body(), None);
        }
        let NodeReply::Begun(body, _) = &mut self.reply else { return Poll::Pending };
        if self.to_client.poll(context, body, None, gate).is_ready() {
            return Poll::Ready(());
        }
        self.poll_lost(context).map(drop)
    }

    /// Tells the node that the client's half is over, one thing after the other; the half, where nothing is told.
    /// `told` is what the client has said of it.
    pub(crate) async fn part(
        mut self: Box<Self>,
        steps: &[Reaction],
        told: ToldByClient,
        gate: &mut Gate,
    ) -> Option<Box<Self>> {
        if steps == [Reaction::Nothing] {
            return Some(self);
        }
        for (number, step) in steps.iter().enumerate() {
            if number > 0 {
                // h2 forgets what waits for the socket when a stream is reset, and so does a connection that is closed.
                tokio::task::yield_now().await;
            }
            self.take_step(step, told);
        }
        gate.pass(Direction::ToNode, Piece::Reset);
        None
    }

    fn take_step(&mut self, step: &Reaction, told: ToldByClient) {
        match step {
            // Its error is the loss of the node, to which nothing need be told.
            Reaction::EndStream if !told.end => drop(self.sender.send_data(Bytes::new(), true)),
            Reaction::Reset { if_open: true, .. } if told.end => {}
            Reaction::Reset { with, .. } => {
                let code = match with {
                    ResetWith::Code(code) => code.number().into(),
                    ResetWith::Same => told.reset.unwrap_or(Reason::CANCEL),
                };
                self.sender.send_reset(code);
            }
            // The node opens no streams.
            Reaction::Goaway(code) => self.lease.errands().say_goaway(LastStream::None, code.number()),
            Reaction::Close | Reaction::TcpReset | Reaction::Forget => {
                ErrandEnd::of(step).into_iter().for_each(|end| self.lease.errands().end(end));
            }
            // A node's side has no response of the proxy's own.
            Reaction::EndStream
            | Reaction::Nothing
            | Reaction::AwaitClientEnd
            | Reaction::Trailers
            | Reaction::HtmlEndStream
            | Reaction::Status { .. }
            | Reaction::GrpcStatus { .. }
            | Reaction::Drain => {}
        }
    }
}

/// The node half of a stream whose client's half is over, and that the node must not learn of.
pub(crate) struct KeptHalf {
    gate: Gate,
    node: Box<NodeHalf>,
    by_a_rule: bool,
}

impl KeptHalf {
    /// Kept as long as a rule says so.
    pub(crate) fn by_a_rule(gate: Gate, node: Box<NodeHalf>) -> Self {
        KeptHalf { gate, node, by_a_rule: true }
    }

    /// Kept as is usual, as long as the client's connection lives.
    pub(crate) fn by_habit(gate: Gate, node: Box<NodeHalf>) -> Self {
        KeptHalf { gate, node, by_a_rule: false }
    }

    /// Whether it outlives the client's connection.
    pub(crate) fn outlives_the_client(&self) -> bool {
        self.by_a_rule
    }

    /// Keeps the half until the rule is removed or the node ends it.
    pub(crate) async fn run(mut self) {
        let is_told = poll_fn(|context| {
            self.gate.follow(context);
            if self.by_a_rule && !self.gate.keeps_cancel() {
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
