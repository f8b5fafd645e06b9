//! A node that does what the test says, and nothing of its own accord.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_stream::wrappers::{ReceiverStream, UnboundedReceiverStream};
use tokio_stream::{Stream, StreamExt};
use tonic::{Status, Streaming};

use crate::env::{Address, Env};
use crate::subject::xmtp::client::tests::world::{Witness, World};
use crate::subject::xmtp::client::{
    ClientConnection, Dialer, Http2Keepalive, PROBE_WITHIN, ResumeProbe, StreamSettings,
};
use crate::subject::xmtp::wire::proto::mls_api_server::{MlsApi, MlsApiServer};
use crate::subject::xmtp::wire::{
    DeliveryFrame, Dialect, Draft, Message, MessageKind, Mutate, MutateId, Nonce, Paging, Request, Response, Tag,
    Topic, proto,
};

type RpcReply<T> = Result<tonic::Response<T>, Status>;
type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// How long the node lets a connection live, as a careful operator would: longer than any test but one.
pub(crate) const CONNECTION_AGE: Duration = Duration::from_secs(7 * 86_400);
/// How many replies a test may prepare.
const REPLIES_MAX: usize = 8_192;

/// Where the scripted node is said to live.
pub(crate) fn address() -> Address {
    Address::new("node", 5556)
}

/// One Subscribe call, in the hands of the test.
pub(crate) struct Visit {
    /// The request half.
    pub(crate) requests: Streaming<proto::SubscribeRequest>,
    replies: mpsc::Sender<Result<proto::SubscribeResponse, Status>>,
}

impl Visit {
    /// The client's next frame; none after its half-close.
    pub(crate) async fn hear(&mut self) -> Option<Request> {
        let frame = self.requests.message().await.expect("the client's stream is whole")?;
        Some(Request::from_proto(frame).expect("the client's frames are well formed"))
    }

    /// The client's next frame, a Mutate.
    pub(crate) async fn hear_mutate(&mut self) -> Mutate {
        match self.hear().await {
            Some(Request::Mutate(mutate)) => mutate,
            other => panic!("not a mutate: {other:?}"),
        }
    }

    /// Sends a frame.
    pub(crate) fn say(&self, response: Response) {
        self.say_raw(response.into_proto());
    }

    /// Sends what our own types cannot express.
    pub(crate) fn say_raw(&self, frame: proto::SubscribeResponse) {
        self.replies.try_send(Ok(frame)).expect("room for replies");
    }

    /// Sends `Started`.
    pub(crate) fn start(&self, seconds: u64) {
        self.say(Response::Started { keepalive: Some(Duration::from_secs(seconds)) });
    }

    /// Sends messages of the live flow.
    pub(crate) fn deliver(&self, messages: impl Into<Vec<Message>>) {
        self.say(Response::Delivery(DeliveryFrame { tag: Tag::Live, messages: messages.into() }));
    }

    /// Ends the stream with a status.
    pub(crate) fn fail(self, status: Status) {
        self.replies.try_send(Err(status)).expect("room for replies");
    }

    /// Waits until the client has cut the connection.
    pub(crate) async fn until_gone(mut self) {
        while let Ok(Some(_)) = self.requests.message().await {}
        self.replies.closed().await;
    }
}

/// One request to publish, in the hands of the test.
pub(crate) struct Letter {
    /// What is to be stored.
    pub(crate) drafts: Vec<Draft>,
    /// What the client will be told.
    pub(crate) answer: oneshot::Sender<Result<(), Status>>,
}

/// One call of the older kind, in the hands of the test.
pub(super) struct OlderVisit<M> {
    /// The topics and cursors.
    pub(super) adds: Vec<(Bytes, u64)>,
    /// What the client will hear.
    pub(super) replies: mpsc::Sender<Result<M, Status>>,
}

impl<M: Send + 'static> OlderVisit<M> {
    /// Puts the call into the test's hands, and answers it.
    fn hand_over(adds: Vec<(Bytes, u64)>, to: &mpsc::UnboundedSender<Self>) -> RpcReply<Replies<M>> {
        let (replies, stream) = mpsc::channel(REPLIES_MAX);
        to.send(OlderVisit { adds, replies }).expect("the test listens");
        Ok(tonic::Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

#[derive(Clone)]
struct Service {
    older: mpsc::UnboundedSender<OlderVisit<proto::GroupMessage>>,
    older_welcomes: mpsc::UnboundedSender<OlderVisit<proto::WelcomeMessage>>,
    shelf: Arc<Mutex<Vec<Message>>>,
    visits: mpsc::UnboundedSender<Visit>,
    letters: mpsc::UnboundedSender<Letter>,
    mute: Arc<AtomicBool>,
    refusal: Option<Status>,
}

impl Service {
    async fn store(&self, drafts: Vec<Draft>) -> RpcReply<()> {
        let (answer, answered) = oneshot::channel();
        self.letters.send(Letter { drafts, answer }).expect("the test listens");
        match answered.await {
            Ok(outcome) => outcome.map(tonic::Response::new),
            Err(_) => std::future::pending().await,
        }
    }

    /// A page of what lies on the shelf, of two messages at most.
    fn page(&self, topic: &Topic, asked: Option<proto::PagingInfo>) -> Vec<Message> {
        let Paging { descending, limit, cursor } = Paging::from_proto(asked).expect("well formed");
        let mut found = self.shelf.lock().expect("no panic").clone();
        found.retain(|message| message.topic() == topic && (descending || cursor.is_before(message.id)));
        if descending {
            found.reverse();
        }
        found.truncate(limit.min(2) as usize);
        found
    }
}

#[tonic::async_trait]
impl MlsApi for Service {
    type SubscribeStream = Replies<proto::SubscribeResponse>;
    type SubscribeGroupMessagesStream = Replies<proto::GroupMessage>;
    type SubscribeWelcomeMessagesStream = Replies<proto::WelcomeMessage>;

    async fn subscribe(
        &self,
        request: tonic::Request<Streaming<proto::SubscribeRequest>>,
    ) -> RpcReply<Self::SubscribeStream> {
        if self.mute.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if let Some(status) = &self.refusal {
            return Err(status.clone());
        }
        let (replies, stream) = mpsc::channel(REPLIES_MAX);
        self.visits.send(Visit { requests: request.into_inner(), replies }).expect("the test listens");
        Ok(tonic::Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn send_group_messages(&self, request: tonic::Request<proto::SendGroupMessagesRequest>) -> RpcReply<()> {
        let read = |input| Draft::from_group_input(input).expect("well formed");
        self.store(request.into_inner().messages.into_iter().map(read).collect()).await
    }

    async fn send_welcome_messages(&self, request: tonic::Request<proto::SendWelcomeMessagesRequest>) -> RpcReply<()> {
        let read = |input| Draft::from_welcome_input(input).expect("well formed");
        self.store(request.into_inner().messages.into_iter().map(read).collect()).await
    }

    async fn query_group_messages(
        &self,
        request: tonic::Request<proto::QueryGroupMessagesRequest>,
    ) -> RpcReply<proto::QueryGroupMessagesResponse> {
        let asked = request.into_inner();
        let page = self.page(&Topic::new(MessageKind::Group, &asked.group_id), asked.paging_info);
        let messages = page.into_iter().map(Message::into_group).collect();
        Ok(tonic::Response::new(proto::QueryGroupMessagesResponse { messages, paging_info: None }))
    }

    async fn query_welcome_messages(
        &self,
        request: tonic::Request<proto::QueryWelcomeMessagesRequest>,
    ) -> RpcReply<proto::QueryWelcomeMessagesResponse> {
        let asked = request.into_inner();
        let page = self.page(&Topic::new(MessageKind::Welcome, &asked.installation_key), asked.paging_info);
        let messages = page.into_iter().map(Message::into_welcome).collect();
        Ok(tonic::Response::new(proto::QueryWelcomeMessagesResponse { messages, paging_info: None }))
    }

    async fn subscribe_group_messages(
        &self,
        request: tonic::Request<proto::SubscribeGroupMessagesRequest>,
    ) -> RpcReply<Self::SubscribeGroupMessagesStream> {
        let filters = request.into_inner().filters.into_iter();
        OlderVisit::hand_over(filters.map(|filter| (filter.group_id, filter.id_cursor)).collect(), &self.older)
    }

    async fn subscribe_welcome_messages(
        &self,
        request: tonic::Request<proto::SubscribeWelcomeMessagesRequest>,
    ) -> RpcReply<Self::SubscribeWelcomeMessagesStream> {
        let filters = request.into_inner().filters.into_iter();
        let adds = filters.map(|filter| (filter.installation_key, filter.id_cursor)).collect();
        OlderVisit::hand_over(adds, &self.older_welcomes)
    }
}

/// The scripted node with the world around it. Dropping it ends the node.
pub(crate) struct ScriptedNode {
    /// The client's surroundings.
    pub(crate) world: Arc<World>,
    /// What the client told.
    pub(crate) witness: Arc<Witness>,
    /// Publish requests, as they come.
    pub(crate) letters: mpsc::UnboundedReceiver<Letter>,
    /// Calls of the older kind, as they come.
    pub(super) older: mpsc::UnboundedReceiver<OlderVisit<proto::GroupMessage>>,
    /// And those for welcomes.
    pub(super) older_welcomes: mpsc::UnboundedReceiver<OlderVisit<proto::WelcomeMessage>>,
    /// What the queries find, ascending by id.
    pub(super) shelf: Arc<Mutex<Vec<Message>>>,
    visits: mpsc::UnboundedReceiver<Visit>,
    mute: Arc<AtomicBool>,
    _node: JoinSet<()>,
}

impl ScriptedNode {
    /// A node that does as it is told.
    pub(crate) fn new() -> Self {
        ScriptedNode::refusing(None)
    }

    /// A node that answers every Subscribe call with that status.
    pub(crate) fn refusing(refusal: Option<Status>) -> Self {
        let (pipes, incoming) = mpsc::unbounded_channel();
        let (visit, visits) = mpsc::unbounded_channel();
        let (letter, letters) = mpsc::unbounded_channel();
        let (older_visit, older) = mpsc::unbounded_channel();
        let (welcome_visit, older_welcomes) = mpsc::unbounded_channel();
        let (mute, shelf) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Vec<Message>>>::default());
        let service = Service {
            older: older_visit,
            older_welcomes: welcome_visit,
            shelf: Arc::clone(&shelf),
            visits: visit,
            letters: letter,
            mute: Arc::clone(&mute),
            refusal,
        };
        let incoming = UnboundedReceiverStream::new(incoming).map(Ok::<_, std::io::Error>);
        let server = tonic::transport::Server::builder()
            .max_connection_age(CONNECTION_AGE)
            .add_service(MlsApiServer::new(service));
        let mut node = JoinSet::new();
        node.spawn(async move { server.serve_with_incoming(incoming).await.expect("pipes do not fail") });
        let (world, witness) = (World::new(pipes), Arc::default());
        ScriptedNode { world, witness, letters, older, older_welcomes, shelf, visits, mute, _node: node }
    }

    /// From now on no Subscribe call is answered, not even by headers.
    pub(crate) fn mute(&self) {
        self.mute.store(true, Ordering::SeqCst);
    }

    /// The client's surroundings, as the client sees them.
    pub(crate) fn env(&self) -> Env {
        self.world.clone()
    }

    /// The next Subscribe call.
    pub(crate) async fn visit(&mut self) -> Visit {
        self.visits.recv().await.expect("the node lives as long as the test")
    }

    /// The settings of a first attempt with a watchdog of 3 intervals.
    pub(crate) fn settings(&self) -> StreamSettings {
        StreamSettings {
            attempt: 1,
            watchdog: Some(3),
            advertised: None,
            resume_probe: Some(ResumeProbe { env: self.env(), within: PROBE_WITHIN }),
            dialect: Dialect::V1,
            quirk: None,
            heard_data: None,
            observer: self.witness.clone(),
        }
    }

    /// Opens a connection that begins with one empty Mutate.
    pub(crate) async fn open(&self, settings: StreamSettings) -> ClientConnection {
        let dialer = Dialer::new(self.env(), address(), None::<Http2Keepalive>, Duration::from_secs(10));
        let link = dialer.expect("a good address").dial().await.expect("the pipe is open");
        ClientConnection::open(link, vec![mutate(1)], settings)
    }

    /// Opens a connection, and takes the call and its first Mutate.
    pub(crate) async fn meet(&mut self, settings: StreamSettings) -> (ClientConnection, Visit) {
        let connection = self.open(settings).await;
        let mut visit = self.visit().await;
        assert_eq!(visit.hear_mutate().await, mutate(1));
        (connection, visit)
    }
}

/// A Mutate that changes nothing.
pub(crate) fn mutate(id: u64) -> Mutate {
    Mutate { id: MutateId(id), ..Mutate::default() }
}

/// A Ping of the node.
pub(crate) fn ping(nonce: u64) -> Response {
    Response::Ping(Nonce(nonce))
}
