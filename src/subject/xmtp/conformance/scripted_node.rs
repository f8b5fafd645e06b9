//! A scripted node: it listens, and hands each call to the row that plays the node's part.
//!
//! Refuses to know what a node should say. A call that no row takes is turned away when the channel is full.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::env::Listener;
use crate::grpc::EnvIncoming;
use crate::subject::xmtp::conformance::letter::{LetterKind, RawTopic};
use crate::subject::xmtp::conformance::served_stream::ServedStream;
use crate::subject::xmtp::wire::proto;
use crate::subject::xmtp::wire::proto::mls_api_server::{MlsApi, MlsApiServer};

/// Calls that wait for a row. A client under test has one stream at a time, or one older call for each kind; one that
/// calls without waiting is turned away here.
const CALLS_MAX: usize = 64;
/// Frames between a row and HTTP/2: more than a row says before it listens.
const FRAMES_MAX: usize = 64;
/// libxmtp's limit of one message: 25 MiB.
const MESSAGE_MAX: usize = 25 << 20;

type Frames<T> = ReceiverStream<Result<T, Status>>;
/// How a row answers a call: with what it says, or with a status in the place of the headers.
type StreamAnswer<T> = oneshot::Sender<Result<Frames<T>, Status>>;

/// A call of the client under test.
pub(crate) enum ClientCall {
    /// A stream that changes.
    Subscribe(Box<UnansweredStream>),
    /// One of the two older calls.
    Older(OlderCall),
}

impl ClientCall {
    /// Whether the client has given it up before it was answered.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            ClientCall::Subscribe(call) => call.answer.is_closed(),
            ClientCall::Older(call) => match &call.replies {
                OlderReplies::Group(replies) => replies.is_closed(),
                OlderReplies::Welcome(replies) => replies.is_closed(),
            },
        }
    }
}

/// A Subscribe call whose headers have not been sent.
pub(crate) struct UnansweredStream {
    pub(crate) at: Instant,
    answer: StreamAnswer<proto::SubscribeResponse>,
    requests: Streaming<proto::SubscribeRequest>,
}

impl UnansweredStream {
    /// Sends the headers.
    pub(crate) fn open(self) -> ServedStream {
        let (says, frames) = mpsc::channel(FRAMES_MAX);
        // Whether the client is still there shows when it is spoken to.
        drop(self.answer.send(Ok(ReceiverStream::new(frames))));
        ServedStream::new(self.requests, says)
    }

    /// Refuses it with a status in the place of the headers.
    pub(crate) fn refuse(self, status: Status) {
        drop(self.answer.send(Err(status)));
    }
}

/// One of the two older calls, open.
pub(crate) struct OlderCall {
    pub(crate) filters: Vec<(RawTopic, u64)>,
    pub(crate) replies: OlderReplies,
}

/// What an older call says, by its kind.
pub(crate) enum OlderReplies {
    Group(mpsc::Sender<Result<proto::GroupMessage, Status>>),
    Welcome(mpsc::Sender<Result<proto::WelcomeMessage, Status>>),
}

/// A server in its own task, which ends with this.
pub(crate) struct ScriptedNode {
    pub(crate) calls: mpsc::Receiver<ClientCall>,
    serving: JoinHandle<()>,
}

impl ScriptedNode {
    /// Serves whoever dials that listener.
    pub(crate) fn serve(listener: Listener) -> Self {
        let (to_rows, calls) = mpsc::channel(CALLS_MAX);
        let service = MlsApiServer::new(Script { to_rows: Arc::new(to_rows) })
            .max_decoding_message_size(MESSAGE_MAX)
            .max_encoding_message_size(MESSAGE_MAX);
        let serving = Server::builder().add_service(service).serve_with_incoming(EnvIncoming::new(listener));
        let serving = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::warn!(%error, "the scripted node ended");
            }
        });
        ScriptedNode { calls, serving }
    }
}

impl Drop for ScriptedNode {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The service: it knows nothing but where the rows are.
struct Script {
    to_rows: Arc<mpsc::Sender<ClientCall>>,
}

impl Script {
    fn hand_over(&self, call: ClientCall) -> Result<(), Status> {
        self.to_rows.try_send(call).map_err(|_| Status::unavailable("the script takes no more calls"))
    }

    fn not_scripted<T>() -> Result<Response<T>, Status> {
        Err(Status::new(Code::Unimplemented, "a scripted node only serves subscriptions"))
    }
}

#[tonic::async_trait]
impl MlsApi for Script {
    type SubscribeStream = Frames<proto::SubscribeResponse>;
    type SubscribeGroupMessagesStream = Frames<proto::GroupMessage>;
    type SubscribeWelcomeMessagesStream = Frames<proto::WelcomeMessage>;

    async fn subscribe(
        &self,
        request: Request<Streaming<proto::SubscribeRequest>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let (answer, answered) = oneshot::channel();
        let call = UnansweredStream { at: Instant::now(), answer, requests: request.into_inner() };
        self.hand_over(ClientCall::Subscribe(Box::new(call)))?;
        let answer = answered.await.unwrap_or_else(|_| Err(Status::unavailable("the script has ended")));
        answer.map(Response::new)
    }

    async fn subscribe_group_messages(
        &self,
        request: Request<proto::SubscribeGroupMessagesRequest>,
    ) -> Result<Response<Self::SubscribeGroupMessagesStream>, Status> {
        let (replies, frames) = mpsc::channel(FRAMES_MAX);
        let filters = request.into_inner().filters.into_iter();
        let filter = |filter: proto::subscribe_group_messages_request::Filter| {
            (RawTopic { kind: LetterKind::Group, id: filter.group_id }, filter.id_cursor)
        };
        let call = OlderCall { filters: filters.map(filter).collect(), replies: OlderReplies::Group(replies) };
        self.hand_over(ClientCall::Older(call))?;
        Ok(Response::new(ReceiverStream::new(frames)))
    }

    async fn subscribe_welcome_messages(
        &self,
        request: Request<proto::SubscribeWelcomeMessagesRequest>,
    ) -> Result<Response<Self::SubscribeWelcomeMessagesStream>, Status> {
        let (replies, frames) = mpsc::channel(FRAMES_MAX);
        let filters = request.into_inner().filters.into_iter();
        let filter = |filter: proto::subscribe_welcome_messages_request::Filter| {
            (RawTopic { kind: LetterKind::Welcome, id: filter.installation_key }, filter.id_cursor)
        };
        let call = OlderCall { filters: filters.map(filter).collect(), replies: OlderReplies::Welcome(replies) };
        self.hand_over(ClientCall::Older(call))?;
        Ok(Response::new(ReceiverStream::new(frames)))
    }

    async fn send_group_messages(&self, _: Request<proto::SendGroupMessagesRequest>) -> Result<Response<()>, Status> {
        Script::not_scripted()
    }

    async fn send_welcome_messages(
        &self,
        _: Request<proto::SendWelcomeMessagesRequest>,
    ) -> Result<Response<()>, Status> {
        Script::not_scripted()
    }

    async fn query_group_messages(
        &self,
        _: Request<proto::QueryGroupMessagesRequest>,
    ) -> Result<Response<proto::QueryGroupMessagesResponse>, Status> {
        Script::not_scripted()
    }

    async fn query_welcome_messages(
        &self,
        _: Request<proto::QueryWelcomeMessagesRequest>,
    ) -> Result<Response<proto::QueryWelcomeMessagesResponse>, Status> {
        Script::not_scripted()
    }
}
