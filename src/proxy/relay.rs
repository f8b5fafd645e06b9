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
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response, StatusCode, request};
use tokio::time::sleep;

use crate::lie::{Direction, Ending, LastStream, Reaction, Withheld};
use crate::proxy::client_reply::{ClientReply, ClientState};
use crate::proxy::errand::{ErrandEnd, Errands};
use crate::proxy::gate::{Gate, Piece};
use crate::proxy::habits::ProxyHabits;
use crate::proxy::head;
use crate::proxy::node_half::{KeptHalf, NodeHalf, NodeReply, ToldByClient};
use crate::proxy::notice::ProxyFate;
use crate::proxy::pump::Pump;
use crate::proxy::routes::{ClientRoutes, Upstream};
use crate::proxy::upstream::UpstreamError;

/// One stream from its acceptance on.
pub(crate) struct Relay {
    gate: Gate,
    request: RecvStream,
    answer: ClientReply,
    to_node: Pump,
    habits: Arc<ProxyHabits>,
    /// What may be asked of the client's connection.
    errands: Errands,
    is_grpc: bool,
    /// How often the request was sent.
    attempts: u32,
}

/// What is left of a stream.
enum StreamEnd {
    Over,
    /// A node half that must not learn that the client's is over, by a rule.
    Kept(Box<NodeHalf>),
    /// The same, as is usual.
    Untold(Box<NodeHalf>),
    /// Its request is to be sent again.
    Again,
}

/// How the opening of a stream at the node went.
enum StreamOpening {
    Joined(Box<NodeHalf>),
    Silenced,
    Refused(NoStream),
    Ended(Ending),
    ClientLeft,
}

/// Why there is no stream at the node.
struct NoStream {
    why: String,
    /// The node did not accept a connection in time.
    is_late: bool,
}

/// What the node's answer came to.
enum AnswerTurn {
    /// Its end, which was handed on or swallowed.
    Ended(ProxyFate),
    /// It counts for nothing, and the request is to be sent again.
    Failed,
    /// Its headers are more than the proxy takes.
    TooLong,
}

/// Why client and node are parted.
enum StreamParting {
    Answered,
    /// With the code of its reset; without one its connection is gone.
    ClientLeft(Option<Reason>),
    NodeLeft(h2::Error),
    /// A lie ends the stream.
    Ended(Ending),
    /// The answer has more headers than are taken.
    TooLong,
    /// The answer is taken for a failure.
    Again,
}

impl Relay {
    /// The relay of a stream that was just accepted, with that head of its request.
    pub(crate) fn new(
        gate: Gate,
        head: &request::Parts,
        request: RecvStream,
        respond: SendResponse<Bytes>,
        (habits, errands): (Arc<ProxyHabits>, Errands),
    ) -> Box<Self> {
        let (answer, is_grpc) = (ClientReply::Awaited(respond), head::is_grpc(&head.headers));
        let to_node = Pump::new(Direction::ToNode);
        Box::new(Relay { gate, request, answer, to_node, habits, errands, is_grpc, attempts: 0 })
    }

    /// Relays until the client's half is over; a node half that must not learn of it is handed back.
    pub(crate) async fn run(mut self: Box<Self>, head: request::Parts, routes: &ClientRoutes) -> Option<KeptHalf> {
        let ended = match self.begin(head, routes).await {
            Ok((request, upstream)) => self.play(request, &upstream).await,
            Err(opening) => self.give_up(opening).await,
        };
        match ended {
            StreamEnd::Kept(node) => Some(KeptHalf::by_a_rule(self.gate, node)),
            StreamEnd::Untold(node) => Some(KeptHalf::by_habit(self.gate, node)),
            StreamEnd::Over | StreamEnd::Again => {
                self.gate.close();
                None
            }
        }
    }

    /// Relays a request that may go to its node, as often as a lie says or as is usual.
    async fn play(&mut self, request: Request<()>, upstream: &Upstream) -> StreamEnd {
        let may_repeat = self.gate.may_repeat() || self.habits.retries_requests();
        let spare = may_repeat.then(|| request.clone());
        if spare.is_some() {
            self.to_node.keep_sent();
        }
        let mut opening = self.open(request, upstream).await;
        loop {
            let StreamOpening::Joined(node) = opening else { return self.give_up(opening).await };
            let ended = self.join(node).await;
            let (StreamEnd::Again, Some(request)) = (&ended, spare.clone()) else { return ended };
            opening = self.open(request, upstream).await;
        }
    }

    /// Does to the client what is to be done where there is no node.
    async fn give_up(&mut self, opening: StreamOpening) -> StreamEnd {
        match opening {
            StreamOpening::Silenced => self.hang().await,
            StreamOpening::Refused(refusal) => self.refuse(&refusal).await,
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
                Err(StreamOpening::Refused(NoStream { why: format!("failed to {error}"), is_late: false }))
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
        let _ = ready!(self.answer.poll_left(context));
        self.gate.swallow(Direction::ToNode, Piece::Headers);
        self.gate.swallow(Direction::ToNode, Piece::Reset);
        Poll::Ready(Some(StreamOpening::ClientLeft))
    }

    async fn open(&mut self, request: Request<()>, upstream: &Upstream) -> StreamOpening {
        let slot = tokio::select! {
            biased;
            _ = poll_fn(|context| self.answer.poll_left(context)) => {
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
        let refused = |error: UpstreamError| NoStream {
            is_late: matches!(error, UpstreamError::DialTimeout(..)),
            why: format!("failed to {error}"),
        };
        let lost = |error| NoStream { why: format!("failed to open a stream to the node: {error}"), is_late: false };
        let sent = slot.map_err(refused).and_then(|slot| slot.send(request, is_whole).map_err(lost));
        match sent {
            Ok((reply, mut sender, lease)) => {
                self.attempts += 1;
                self.gate.pass(Direction::ToNode, Piece::Headers);
                if self.attempts > 1 {
                    self.to_node.resend(&mut sender);
                } else if is_whole {
                    self.to_node.end_with_headers(&mut self.gate);
                }
                StreamOpening::Joined(Box::new(NodeHalf::new(reply, sender, lease)))
            }
            Err(refusal) => {
                self.gate.swallow(Direction::ToNode, Piece::Headers);
                StreamOpening::Refused(refusal)
            }
        }
    }

    async fn join(&mut self, mut node: Box<NodeHalf>) -> StreamEnd {
        let parting = poll_fn(|context| self.poll_joined(context, &mut node)).await;
        match parting {
            StreamParting::Answered => {
                let left = if self.habits.lingers { self.linger(&mut node).await } else { None };
                if self.to_node.has_passed_the_end() {
                    return StreamEnd::Over;
                }
                let habits = self.habits.clone();
                let steps = match left {
                    None => &habits.after_answer,
                    Some(Some(_)) => &habits.cancelled,
                    Some(None) => &habits.client_gone,
                };
                self.let_go(node, steps, left.flatten()).await
            }
            StreamParting::ClientLeft(reset) => {
                let habits = self.habits.clone();
                let steps = if reset.is_some() { &habits.cancelled } else { &habits.client_gone };
                self.let_go(node, steps, reset).await
            }
            StreamParting::NodeLeft(error) => {
                if self.may_try_again(&node) && self.habits.retries_after(&error, node.lease.is_reused()) {
                    drop(node);
                    return self.pause_for_retry().await;
                }
                drop(node);
                // h2 forgets what waits for the socket when a stream is reset; after one turn of the connection's task
                // only what the socket or the client has no room for is left to forget.
                tokio::task::yield_now().await;
                self.report_loss(&error).await;
                StreamEnd::Over
            }
            StreamParting::Ended(ending) => {
                self.end(&ending, None, "").await;
                let habits = self.habits.clone();
                self.let_go(node, &habits.cancelled, None).await
            }
            StreamParting::TooLong => {
                self.gate.swallow(Direction::ToClient, Piece::Headers);
                let habits = self.habits.clone();
                self.do_steps(&habits.response_headers.beyond, None, "the node's headers are too large").await;
                self.let_go(node, &habits.long_headers, None).await
            }
            StreamParting::Again => {
                drop(node);
                self.gate.swallow(Direction::ToClient, Piece::Headers);
                self.pause_for_retry().await
            }
        }
    }

    /// Whether nothing keeps the request from being sent once more.
    fn may_try_again(&self, node: &NodeHalf) -> bool {
        node.is_unanswered() && self.to_node.is_kept_sent() && self.attempts <= self.habits.retries
    }

    async fn pause_for_retry(&self) -> StreamEnd {
        if self.habits.retries_requests() {
            sleep(self.habits.retry_pause).await;
        }
        StreamEnd::Again
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
        if self.gate.is_half_closed()
            && self.habits.awaits_client_end
            && let Poll::Ready(parting) = self.poll_to_client(context, node)
        {
            return Poll::Ready(parting);
        }
        if let Some(ending) = self.gate.ending() {
            return Poll::Ready(StreamParting::Ended(ending));
        }
        if let Poll::Ready(reset) = self.answer.poll_left(context) {
            return Poll::Ready(StreamParting::ClientLeft(reset));
        }
        node.poll_lost(context).map(StreamParting::NodeLeft)
    }

    /// Hands on what the client says.
    fn poll_to_node(&mut self, context: &mut Context<'_>, node: &mut NodeHalf) {
        let sink = if node.is_deaf { None } else { Some(&mut node.sender) };
        // Its error is the client's leaving, which the answer's half tells as well.
        let _ = self.to_node.poll(context, &mut self.request, sink, &mut self.gate);
        self.gate.note_unwritten(self.to_node.holds_bytes());
        let ends = !node.is_deaf && self.gate.ends_request();
        if ends && self.to_node.end_early(&mut node.sender, &mut self.gate) {
            // As above.
            let _ = self.to_node.poll(context, &mut self.request, None, &mut self.gate);
        }
    }

    /// Hands on what the node says; ready when the node's part is over.
    fn poll_to_client(&mut self, context: &mut Context<'_>, node: &mut NodeHalf) -> Poll<StreamParting> {
        match ready!(self.poll_answer(context, node)) {
            Ok(AnswerTurn::Ended(ProxyFate::Passed)) => Poll::Ready(StreamParting::Answered),
            // Swallowed: the client hears nothing of the end, and may go on writing.
            Ok(AnswerTurn::Ended(ProxyFate::Swallowed)) => Poll::Pending,
            Ok(AnswerTurn::Failed) => Poll::Ready(StreamParting::Again),
            Ok(AnswerTurn::TooLong) => Poll::Ready(StreamParting::TooLong),
            Err(error) => Poll::Ready(StreamParting::NodeLeft(error)),
        }
    }

    /// Hands on the answer; ready when nothing more of it comes.
    fn poll_answer(&mut self, context: &mut Context<'_>, node: &mut NodeHalf) -> Poll<Result<AnswerTurn, h2::Error>> {
        if let NodeReply::Awaited(reply) = &mut node.reply {
            let (head, body) = ready!(Pin::new(reply).poll(context))?.into_parts();
            if self.habits.response_headers.is_below(head::list_size(&head.headers)) {
                return Poll::Ready(Ok(AnswerTurn::TooLong));
            }
            if self.takes_for_a_failure(node, head.status, &head.headers) {
                return Poll::Ready(Ok(AnswerTurn::Failed));
            }
            node.reply = NodeReply::Begun(body, Some(Response::from_parts(head, ())));
        }
        let NodeReply::Begun(body, head) = &mut node.reply else { return Poll::Pending };
        let is_whole = body.is_end_stream();
        let is_held = |head: &Response<()>, gate: &Gate| {
            is_whole && gate.holds_end(Direction::ToClient, head.headers().contains_key("grpc-status"))
        };
        if head.as_ref().is_some_and(|head| is_held(head, &self.gate)) {
            return Poll::Pending;
        }
        if let Some(head) = head.take() {
            let is_silent = self.gate.is_silent(Direction::ToClient);
            let fate = if is_silent { ProxyFate::Swallowed } else { self.answer.begin(head, is_whole) };
            match fate {
                ProxyFate::Passed => self.gate.pass(Direction::ToClient, Piece::Headers),
                ProxyFate::Swallowed => self.gate.swallow(Direction::ToClient, Piece::Headers),
            }
            if is_whole && fate == ProxyFate::Passed {
                node.to_client.end_with_headers(&mut self.gate);
                return Poll::Ready(Ok(AnswerTurn::Ended(fate)));
            }
        }
        let sink = match &mut self.answer {
            ClientReply::Awaited(_) => None,
            ClientReply::Begun(sink) => Some(sink),
        };
        node.to_client.poll(context, body, sink, &mut self.gate).map_ok(AnswerTurn::Ended)
    }

    /// Whether the request is to be sent again because of that head of an answer: as a lie says, or as is usual.
    fn takes_for_a_failure(&self, node: &NodeHalf, status: StatusCode, headers: &HeaderMap) -> bool {
        if self.gate.is_silent(Direction::ToClient) || !self.to_node.is_kept_sent() {
            return false;
        }
        let is_failure = || self.may_try_again(node) && self.habits.retries_answer(status, headers);
        self.gate.repeats_after(self.attempts) || is_failure()
    }

    /// The client's half is over: the node is told so, unless a rule forbids it; `reset` is the client's own code.
    async fn let_go(&mut self, node: Box<NodeHalf>, steps: &[Reaction], reset: Option<Reason>) -> StreamEnd {
        if self.gate.keeps_cancel() {
            self.gate.withholds(Withheld::Cancel);
            self.gate.swallow(Direction::ToNode, Piece::Reset);
            return StreamEnd::Kept(node);
        }
        let told = ToldByClient { end: self.to_node.has_passed_the_end(), reset };
        match node.part(steps, told, &mut self.gate).await {
            Some(node) => StreamEnd::Untold(node),
            None => StreamEnd::Over,
        }
    }

    /// Goes on with what the client says after the answer's end, until that ends, or the client leaves: with the code of its
    /// reset, or without one.
    async fn linger(&mut self, node: &mut NodeHalf) -> Option<Option<Reason>> {
        poll_fn(|context| {
            self.gate.follow(context);
            self.poll_to_node(context, node);
            if self.to_node.has_passed_the_end() {
                return Poll::Ready(None);
            }
            self.answer.poll_left(context).map(Some)
        })
        .await
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
    async fn refuse(&mut self, refusal: &NoStream) {
        if self.gate.is_silent(Direction::ToClient) {
            self.gate.swallow(Direction::ToClient, Piece::Headers);
            return self.hang().await;
        }
        let ending = if refusal.is_late { self.habits.too_late.clone() } else { self.habits.unreachable.clone() };
        self.end(&ending, None, &refusal.why).await;
    }

    /// Ends the client's half, one thing after the other; `cause` is the node's own code, and `why` is for people.
    async fn end(&mut self, ending: &Ending, cause: Option<Reason>, why: &str) {
        let steps = match &self.answer {
            ClientReply::Awaited(_) => &ending.before,
            ClientReply::Begun(_) => &ending.after,
        };
        self.do_steps(steps, cause, why).await;
        let is_reset = steps.iter().any(|step| matches!(step, Reaction::Reset { .. }));
        if !is_reset {
            // The client's half stays open until the client ends it.
            self.await_client_end().await;
        }
    }

    async fn do_steps(&mut self, steps: &[Reaction], cause: Option<Reason>, why: &str) {
        for step in steps {
            if *step == Reaction::AwaitClientEnd {
                self.await_client_end().await;
            }
            // h2 forgets what waits for the socket when a stream is reset.
            tokio::task::yield_now().await;
            if let Reaction::Goaway(code) = step {
                self.errands.say_goaway(LastStream::Seen, code.number());
            }
            ErrandEnd::of(step).into_iter().for_each(|end| self.errands.end(end));
            let is_open = !self.request.is_end_stream() && !self.to_node.has_the_end();
            let client = ClientState { is_grpc: self.is_grpc, is_open, cause, why };
            // It fails only if the client is gone.
            let told = self.answer.react(step, client).unwrap_or_default();
            told.into_iter().for_each(|piece| self.gate.pass(Direction::ToClient, piece));
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
            self.answer.poll_left(context).map(drop)
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
            self.answer.poll_left(context).map(|_| None)
        })
        .await;
        match ending {
            Some(ending) => self.end(&ending, None, "").await,
            None => self.gate.swallow(Direction::ToNode, Piece::Reset),
        }
    }
}
