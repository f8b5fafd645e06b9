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
//!    |--a lie takes the answer for a failure--> joined anew
//!    |--a lie ends it--> over
//!    |--answer complete, or client leaves--> over
//!    '------------------------'--rule towards the node--> kept --rule removed, or node ends--> over
//! ```

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response, request};
use tokio::sync::OwnedSemaphorePermit;

use crate::lie::{Direction, Ending, Reaction, Withheld};
use crate::proxy::client_reply::{ClientReply, ClientState};
use crate::proxy::gate::{Gate, Piece};
use crate::proxy::habits::ProxyHabits;
use crate::proxy::head;
use crate::proxy::notice::ProxyFate;
use crate::proxy::pump::Pump;
use crate::proxy::routes::{ClientRoutes, Upstream};

/// One stream from its acceptance on.
pub(crate) struct Relay {
    gate: Gate,
    request: RecvStream,
    answer: ClientReply,
    to_node: Pump,
    habits: Arc<ProxyHabits>,
    is_grpc: bool,
    /// How often the request was sent.
    attempts: u32,
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

/// What is left of a stream.
enum StreamEnd {
    Over,
    /// A node half that must not learn that the client's is over.
    Kept(Box<NodeHalf>),
    /// Its request is to be sent again.
    Again,
}

/// How the opening of a stream at the node went.
enum StreamOpening {
    Joined(Box<NodeHalf>),
    Silenced,
    Refused(String),
    Ended(Ending),
    ClientLeft,
}

/// Why client and node are parted.
enum StreamParting {
    Answered,
    ClientLeft,
    NodeLeft(h2::Error),
    /// A lie ends the stream.
    Ended(Ending),
    /// A lie takes the answer for a failure.
    Again,
}

impl Relay {
    /// The relay of a stream that was just accepted, with that head of its request.
    pub(crate) fn new(
        gate: Gate,
        head: &request::Parts,
        request: RecvStream,
        respond: SendResponse<Bytes>,
        habits: Arc<ProxyHabits>,
    ) -> Self {
        let (answer, is_grpc) = (ClientReply::Awaited(respond), head::is_grpc(&head.headers));
        Relay { gate, request, answer, to_node: Pump::new(Direction::ToNode), habits, is_grpc, attempts: 0 }
    }

    /// Relays until the client's half is over; a node half that must not learn of it is handed back.
    pub(crate) async fn run(mut self, head: request::Parts, routes: &ClientRoutes) -> Option<KeptHalf> {
        let ended = match self.begin(head, routes).await {
            Ok((request, upstream)) => self.play(request, &upstream).await,
            Err(opening) => self.give_up(opening).await,
        };
        match ended {
            StreamEnd::Kept(node) => Some(KeptHalf { gate: self.gate, node: *node }),
            StreamEnd::Over | StreamEnd::Again => {
                self.gate.close();
                None
            }
        }
    }

    /// Relays a request that may go to its node, as often as a lie says.
    async fn play(&mut self, request: Request<()>, upstream: &Upstream) -> StreamEnd {
        let spare = self.gate.may_repeat().then(|| request.clone());
        if spare.is_some() {
            self.to_node.keep_sent();
        }
        let mut opening = self.open(request, upstream).await;
        loop {
            let StreamOpening::Joined(node) = opening else { return self.give_up(opening).await };
            let ended = self.join(*node).await;
            let (StreamEnd::Again, Some(request)) = (&ended, spare.clone()) else { return ended };
            opening = self.open(request, upstream).await;
        }
    }

    /// Does to the client what is to be done where there is no node.
    async fn give_up(&mut self, opening: StreamOpening) -> StreamEnd {
        match opening {
            StreamOpening::Silenced => self.hang().await,
            StreamOpening::Refused(reason) => self.refuse(&reason).await,
            StreamOpening::Ended(ending) => self.end(&ending, None, "").await,
            StreamOpening::Joined(_) | StreamOpening::ClientLeft => {}
        }
        StreamEnd::Over
    }

    /// Waits until nothing holds the request back, and says where it goes.
    async fn begin(
        &mut self,
        head: request::Parts,
        routes: &ClientRoutes,
    ) -> Result<(Request<()>, Arc<Upstream>), StreamOpening> {
        if let Some(opening) = poll_fn(|context| self.poll_gathered(context)).await {
            return Err(opening);
        }
        let upstream = routes.upstream(self.gate.misroute());
        let place = upstream.place();
        match head::to_node(head, &place.address, place.scheme()) {
            Ok(request) => Ok((request, upstream)),
            Err(error) => {
                self.gate.swallow(Direction::ToNode, Piece::Headers);
                Err(StreamOpening::Refused(format!("failed to {error}")))
            }
        }
    }

    /// Ready when the request may go on, or never will.
    fn poll_gathered(&mut self, context: &mut Context<'_>) -> Poll<Option<StreamOpening>> {
        self.gate.follow(context);
        if self.gate.is_silent(Direction::ToNode) {
            self.gate.swallow(Direction::ToNode, Piece::Headers);
            return Poll::Ready(Some(StreamOpening::Silenced));
        }
        if let Some(ending) = self.gate.ending() {
            self.gate.swallow(Direction::ToNode, Piece::Headers);
            return Poll::Ready(Some(StreamOpening::Ended(ending)));
        }
        // Its error is the client's leaving, which the answer's half tells as well.
        if let Poll::Ready(Ok(())) = self.to_node.poll_gather(context, &mut self.request, &mut self.gate) {
            return Poll::Ready(None);
        }
        ready!(self.answer.poll_left(context));
        self.gate.swallow(Direction::ToNode, Piece::Headers);
        self.gate.swallow(Direction::ToNode, Piece::Reset);
        Poll::Ready(Some(StreamOpening::ClientLeft))
    }

    async fn open(&mut self, request: Request<()>, upstream: &Upstream) -> StreamOpening {
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
        let is_whole = self.to_node.is_all_told(self.request.is_end_stream());
        let sent = slot.map_err(|error| format!("failed to {error}")).and_then(|slot| {
            slot.send(request, is_whole).map_err(|error| format!("failed to open a stream to the node: {error}"))
        });
        match sent {
            Ok((reply, mut sender, permit)) => {
                self.attempts += 1;
                self.gate.pass(Direction::ToNode, Piece::Headers);
                if self.attempts > 1 {
                    self.to_node.resend(&mut sender);
                } else if is_whole {
                    self.to_node.end_with_headers(&mut self.gate);
                }
                StreamOpening::Joined(Box::new(NodeHalf::new(reply, sender, permit)))
            }
            Err(reason) => {
                self.gate.swallow(Direction::ToNode, Piece::Headers);
                StreamOpening::Refused(reason)
            }
        }
    }

    async fn join(&mut self, mut node: NodeHalf) -> StreamEnd {
        let parting = poll_fn(|context| self.poll_joined(context, &mut node)).await;
        match parting {
            StreamParting::Answered => {
                if self.habits.lingers {
                    self.linger(&mut node).await;
                }
                self.let_go(node, true)
            }
            StreamParting::ClientLeft => self.let_go(node, false),
            StreamParting::NodeLeft(error) => {
                drop(node);
                // h2 forgets what waits for the socket when a stream is reset; after one turn of the connection's task
                // only what the socket or the client has no room for is left to forget.
                tokio::task::yield_now().await;
                self.report_loss(&error).await;
                StreamEnd::Over
            }
            StreamParting::Ended(ending) => {
                self.end(&ending, None, "").await;
                self.let_go(node, false)
            }
            StreamParting::Again => {
                self.gate.swallow(Direction::ToClient, Piece::Headers);
                StreamEnd::Again
            }
        }
    }

    /// Both pumps come before the resets: what arrived before a reset is handed on before it, if there is room.
    fn poll_joined(&mut self, context: &mut Context<'_>, node: &mut NodeHalf) -> Poll<StreamParting> {
        self.gate.follow(context);
        if let Poll::Ready(parting) = self.poll_to_client(context, node) {
            return Poll::Ready(parting);
        }
        self.poll_to_node(context, node);
        // What the pumps moved may have been what a lie waits for; what they moved before it is under way.
        self.gate.follow(context);
        if let Some(ending) = self.gate.ending() {
            return Poll::Ready(StreamParting::Ended(ending));
        }
        if self.answer.poll_left(context).is_ready() {
            return Poll::Ready(StreamParting::ClientLeft);
        }
        node.poll_lost(context).map(StreamParting::NodeLeft)
    }

    /// Hands on what the client says.
    fn poll_to_node(&mut self, context: &mut Context<'_>, node: &mut NodeHalf) {
        let sink = if node.is_deaf { None } else { Some(&mut node.sender) };
        // Its error is the client's leaving, which the answer's half tells as well.
        let _ = self.to_node.poll(context, &mut self.request, sink, &mut self.gate);
        let ends = !node.is_deaf && self.gate.ends_request();
        if ends && self.to_node.end_early(&mut node.sender, &mut self.gate) {
            // As above.
            let _ = self.to_node.poll(context, &mut self.request, None, &mut self.gate);
        }
    }

    /// Hands on what the node says; ready when the node's part is over.
    fn poll_to_client(&mut self, context: &mut Context<'_>, node: &mut NodeHalf) -> Poll<StreamParting> {
        match ready!(self.poll_answer(context, node)) {
            Ok(Some(ProxyFate::Passed)) => Poll::Ready(StreamParting::Answered),
            // Swallowed: the client hears nothing of the end, and may go on writing.
            Ok(Some(ProxyFate::Swallowed)) => Poll::Pending,
            Ok(None) => Poll::Ready(StreamParting::Again),
            Err(error) => Poll::Ready(StreamParting::NodeLeft(error)),
        }
    }

    /// The fate of the answer's end; none where the answer counts for nothing, and the request is to be sent again.
    fn poll_answer(
        &mut self,
        context: &mut Context<'_>,
        node: &mut NodeHalf,
    ) -> Poll<Result<Option<ProxyFate>, h2::Error>> {
        if let NodeReply::Awaited(reply) = &mut node.reply {
            let (head, body) = ready!(Pin::new(reply).poll(context))?.into_parts();
            let is_whole = body.is_end_stream();
            node.reply = NodeReply::Begun(body);
            if self.gate.is_silent(Direction::ToClient) {
                self.gate.swallow(Direction::ToClient, Piece::Headers);
            } else if self.to_node.is_kept_sent() && self.gate.repeats_after(self.attempts) {
                return Poll::Ready(Ok(None));
            } else {
                let fate = self.answer.begin(Response::from_parts(head, ()), is_whole);
                self.tell_begun(fate);
                if is_whole && fate == ProxyFate::Passed {
                    node.to_client.end_with_headers(&mut self.gate);
                    return Poll::Ready(Ok(Some(fate)));
                }
            }
        }
        let NodeReply::Begun(body) = &mut node.reply else { return Poll::Pending };
        let sink = match &mut self.answer {
            ClientReply::Awaited(_) => None,
            ClientReply::Begun(sink) => Some(sink),
        };
        node.to_client.poll(context, body, sink, &mut self.gate).map_ok(Some)
    }

    fn tell_begun(&mut self, fate: ProxyFate) {
        match fate {
            ProxyFate::Passed => self.gate.pass(Direction::ToClient, Piece::Headers),
            ProxyFate::Swallowed => self.gate.swallow(Direction::ToClient, Piece::Headers),
        }
    }

    /// The client's half is over: the node is told by a reset, which dropping its half sends after all that was
    /// written before, unless nothing is left to tell or a rule forbids it.
    fn let_go(&mut self, mut node: NodeHalf, is_answered: bool) -> StreamEnd {
        if is_answered && self.to_node.has_passed_the_end() {
            return StreamEnd::Over;
        }
        if self.gate.keeps_cancel() {
            self.gate.withholds(Withheld::Cancel);
            self.gate.swallow(Direction::ToNode, Piece::Reset);
            return StreamEnd::Kept(Box::new(node));
        }
        node.sender.send_reset(self.habits.cancel.number().into());
        self.gate.pass(Direction::ToNode, Piece::Reset);
        StreamEnd::Over
    }

    /// Goes on with what the client says after the answer's end.
    async fn linger(&mut self, node: &mut NodeHalf) {
        poll_fn(|context| {
            self.gate.follow(context);
            self.poll_to_node(context, node);
            if self.to_node.has_passed_the_end() {
                return Poll::Ready(());
            }
            self.answer.poll_left(context)
        })
        .await;
    }

    /// Tells the client that the node is lost; in silence it is told nothing.
    async fn report_loss(&mut self, error: &h2::Error) {
        if self.gate.is_silent(Direction::ToClient) || self.gate.withholds(Withheld::Reset) {
            self.gate.swallow(Direction::ToClient, Piece::Reset);
            return self.hang().await;
        }
        let ending = self.habits.loss(error);
        let why = format!("lost the node before its headers: {error}");
        self.end(&ending, error.reason(), &why).await;
    }

    /// Answers in place of the node; in silence nothing is answered.
    async fn refuse(&mut self, reason: &str) {
        if self.gate.is_silent(Direction::ToClient) {
            self.gate.swallow(Direction::ToClient, Piece::Headers);
            return self.hang().await;
        }
        let ending = self.habits.unreachable.clone();
        self.end(&ending, None, reason).await;
    }

    /// Ends the client's half, one thing after the other; `cause` is the node's own code, and `why` is for people.
    async fn end(&mut self, ending: &Ending, cause: Option<Reason>, why: &str) {
        let steps = match &self.answer {
            ClientReply::Awaited(_) => &ending.before,
            ClientReply::Begun(_) => &ending.after,
        };
        for step in steps {
            if *step == Reaction::AwaitClientEnd {
                self.await_client_end().await;
            }
            // h2 forgets what waits for the socket when a stream is reset.
            tokio::task::yield_now().await;
            let is_open = !self.request.is_end_stream() && !self.to_node.has_the_end();
            let client = ClientState { is_grpc: self.is_grpc, is_open, cause, why };
            // It fails only if the client is gone.
            let told = self.answer.react(step, client).unwrap_or_default();
            told.into_iter().for_each(|piece| self.gate.pass(Direction::ToClient, piece));
        }
        let is_reset = steps.iter().any(|step| matches!(step, Reaction::Reset { .. }));
        if !is_reset {
            // The client's half stays open until the client ends it.
            self.await_client_end().await;
        }
    }

    /// Reads and swallows what the client says, until it has said all or is gone.
    async fn await_client_end(&mut self) {
        poll_fn(|context| {
            self.gate.follow(context);
            // Its error is the client's leaving, which the answer's half tells as well.
            if self.to_node.has_the_end()
                || self.to_node.poll(context, &mut self.request, None, &mut self.gate).is_ready()
            {
                return Poll::Ready(());
            }
            self.answer.poll_left(context)
        })
        .await;
    }

    /// Keeps up a stream that has no node: open, silent, swallowing, until the client leaves.
    async fn hang(&mut self) {
        let ending = poll_fn(|context| {
            self.gate.follow(context);
            if let Some(ending) = self.gate.ending() {
                return Poll::Ready(Some(ending));
            }
            // Its error is the client's leaving, which the answer's half tells as well.
            let _ = self.to_node.poll(context, &mut self.request, None, &mut self.gate);
            self.answer.poll_left(context).map(|()| None)
        })
        .await;
        match ending {
            Some(ending) => self.end(&ending, None, "").await,
            None => self.gate.swallow(Direction::ToNode, Piece::Reset),
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
            if !self.gate.keeps_cancel() {
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
