//! The tonic service: a thin shell that turns calls into the log, the hub and stream tasks.
//!
//! Refuses to know how a stream is served, and to answer a publisher before its messages are durable.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::select;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Server;
use tonic::transport::server::Router;
use tonic::{Request, Response, Status, Streaming};

use crate::env::Env;
use crate::grpc::EnvIncoming;
use crate::subject::xmtp::node::authorization::CallerGate;
use crate::subject::xmtp::node::binding::{NodeBinding, NodeDecentralized, NodeDraft, NodeV1};
use crate::subject::xmtp::node::budget::{Budget, weight};
use crate::subject::xmtp::node::group_commit::{GroupCommit, PublishQueue};
use crate::subject::xmtp::node::hub::Hub;
use crate::subject::xmtp::node::older_calls::open_older;
use crate::subject::xmtp::node::refusal::NodeRefusal;
use crate::subject::xmtp::node::registrations::Registrar;
use crate::subject::xmtp::node::reopening_log::ReopeningLog;
use crate::subject::xmtp::node::response::{Opened, ResponseFrames, stopping, unavailable};
use crate::subject::xmtp::node::stream::{Lent, open};
use crate::subject::xmtp::node::{AllowAll, Authorizer, NodeConfig, NodeObserver, NodeQuirk, Serves};
use crate::subject::xmtp::wire::draft_proto::mls_api_server as draft;
use crate::subject::xmtp::wire::proto::mls_api_server::{MlsApi, MlsApiServer};
use crate::subject::xmtp::wire::query_proto::query_api_server::{QueryApi, QueryApiServer};
use crate::subject::xmtp::wire::{
    Add, Dialect, Draft, Malformed, Message, MessageKind, Originator, Page, Paging, TARGET_HEADER, Topic, draft_proto,
    proto, query_proto,
};

/// The store's name on a node's disk.
pub(crate) const STORE: &str = "node.journal";

/// libxmtp's limit of one gRPC message, in both directions: 25 MiB.
const GRPC_MESSAGE_MAX: usize = 25 << 20;

/// How long the streams of a node that shuts down have for what they are in the midst of: far below the 30 s that
/// process managers leave between SIGTERM and SIGKILL (Kubernetes' terminationGracePeriodSeconds).
const WAVES_END_WITHIN: Duration = Duration::from_secs(10);

/// How long what was sent last has to leave, before the connections are cut: a few retransmissions.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// The quirk `acks-unstored` forgets one request in so many.
const FORGOTTEN_ONE_IN: u64 = 10;

/// Why a node cannot run. Each fits after "failed to".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The port is not to be had.
    #[error("listen on port {port}: {error}")]
    Listen {
        /// The port.
        port: u16,
        /// What the surroundings said.
        #[source]
        error: std::io::Error,
    },
    /// The server broke.
    #[error("serve on port {port}: {error}")]
    Serve {
        /// The port.
        port: u16,
        /// What tonic said.
        #[source]
        error: tonic::transport::Error,
    },
}

/// What a user of the node brings besides its configuration.
pub struct NodeHooks {
    /// Is told what happens.
    pub observer: Arc<dyn NodeObserver>,
    /// Says who may have what (S7).
    pub authorizer: Arc<dyn Authorizer>,
    /// Is ready when the node is to shut down; none is never.
    pub shutdown: Option<Shutdown>,
}

/// What is ready when a node is to shut down.
pub type Shutdown = Pin<Box<dyn Future<Output = ()> + Send>>;

impl NodeHooks {
    /// An observer; everybody may have everything, and nothing shuts the node down.
    pub fn new(observer: Arc<dyn NodeObserver>) -> Self {
        NodeHooks { observer, authorizer: Arc::new(AllowAll), shutdown: None }
    }
}

/// Runs a node that lets everybody have everything; otherwise as [`serve_with`].
///
/// # Errors
/// As [`serve_with`].
pub async fn serve(env: Env, config: NodeConfig, observer: Arc<dyn NodeObserver>) -> Result<(), NodeError> {
    serve_with(env, config, NodeHooks::new(observer)).await
}

/// Runs a node: opens its log, listens, and serves until it is dropped, which ends all its connections, or until its
/// shutdown, which is graceful: new calls are UNAVAILABLE, streams finish the waves that are in flight, within 10 s, and
/// end UNAVAILABLE, too; then it returns.
///
/// # Errors
/// The port is taken. Once it listens, it goes on: a failed accept or a failed disk costs the calls that need it,
/// and a log that does not open is tried again when it is needed.
pub async fn serve_with(env: Env, config: NodeConfig, hooks: NodeHooks) -> Result<(), NodeError> {
    let NodeHooks { observer, authorizer, shutdown } = hooks;
    let by_originator = Dialect::any_counts_by_originator(&config.dialects);
    let log = ReopeningLog::new(Arc::clone(&env), Arc::clone(&observer), by_originator, config.quirk);
    // Whether it opens is told to the observer; the calls find out for themselves.
    log.with(|_| Ok(())).ok();
    let port = config.port;
    let listener = env.listen(port).await.map_err(|error| NodeError::Listen { port, error })?;
    let ignores_stop = config.quirk == Some(NodeQuirk::IgnoresStop);
    let streams = u32::try_from(config.limits.streams).unwrap_or(u32::MAX);
    let hub = Arc::new(Hub::new(config.limits.pending_messages, config.limits.pending_bytes));
    let log = Arc::new(log);
    let (publishing, groups) = PublishQueue::new();
    let commit = GroupCommit {
        env: Arc::clone(&env),
        log: Arc::clone(&log),
        hub: Arc::clone(&hub),
        observer: Arc::clone(&observer),
        spares_streams: config.quirk != Some(NodeQuirk::EndsStreamsWhenFull),
    };
    let node = Node {
        env,
        config,
        observer,
        authorizer,
        log,
        hub: Arc::clone(&hub),
        publishing,
        streams: AtomicU64::new(0),
        sends: AtomicU64::new(0),
    };
    let node = Arc::new(node);
    let service = MlsApiServer::from_arc(Arc::clone(&node))
        .max_decoding_message_size(GRPC_MESSAGE_MAX)
        .max_encoding_message_size(GRPC_MESSAGE_MAX);
    let draft = draft::MlsApiServer::from_arc(Arc::clone(&node))
        .max_decoding_message_size(GRPC_MESSAGE_MAX)
        .max_encoding_message_size(GRPC_MESSAGE_MAX);
    let decentralized = QueryApiServer::from_arc(node)
        .max_decoding_message_size(GRPC_MESSAGE_MAX)
        .max_encoding_message_size(GRPC_MESSAGE_MAX);
    let server = Server::builder()
        .max_concurrent_streams(streams)
        .add_service(service)
        .add_service(draft)
        .add_service(decentralized);
    let ends = NodeEnd { hub, ignores_stop, shutdown };
    select! {
        biased;
        served = ends.serve(server, EnvIncoming::new(listener)) => {
            served.map_err(|error| NodeError::Serve { port, error })
        }
        // It goes on for as long as there are calls.
        () = commit.run(groups) => Ok(()),
    }
}

/// How a node comes to its end.
struct NodeEnd {
    hub: Arc<Hub>,
    ignores_stop: bool,
    shutdown: Option<Shutdown>,
}

impl NodeEnd {
    async fn serve(self, server: Router, incoming: EnvIncoming) -> Result<(), tonic::transport::Error> {
        let NodeEnd { hub, ignores_stop, shutdown } = self;
        let Some(shutdown) = shutdown else { return server.serve_with_incoming(incoming).await };
        let _lifeline = incoming.lifeline();
        let (ended, flushing) = oneshot::channel();
        let ending = async move {
            shutdown.await;
            let deadline = Instant::now() + WAVES_END_WITHIN;
            if !ignores_stop {
                hub.end_by(deadline);
            }
            // Every stream ends by then; one that has just been told may need its turn.
            timeout_at(deadline, hub.emptied()).await.ok();
            ended.send(()).ok();
        };
        let flushed = async {
            // An error means that the server has ended by itself, and then nobody asks here.
            flushing.await.ok();
            sleep(FLUSH_WITHIN).await;
        };
        select! {
            biased;
            // First, so that its error is told. It ends when every connection is at rest.
            served = server.serve_with_incoming_shutdown(incoming, ending) => served,
            () = flushed => Ok(()),
        }
    }
}

struct Node {
    env: Env,
    config: NodeConfig,
    observer: Arc<dyn NodeObserver>,
    authorizer: Arc<dyn Authorizer>,
    log: Arc<ReopeningLog>,
    hub: Arc<Hub>,
    publishing: PublishQueue,
    streams: AtomicU64,
    sends: AtomicU64,
}

impl Node {
    /// What a call of that caller needs; none where the node is shutting down.
    fn admit<T>(&self, call: &Request<T>) -> Result<(Registrar, Opened), Status> {
        self.check_serving()?;
        let stream = self.streams.fetch_add(1, Ordering::Relaxed) + 1;
        let opened = Opened::new(Arc::clone(&self.observer), stream, call.remote_addr());
        let registrar =
            Registrar { log: Arc::clone(&self.log), interest: self.hub.open(stream), gate: self.gate(call) };
        Ok((registrar, opened))
    }

    fn check_serving(&self) -> Result<(), Status> {
        if self.hub.ends_by().is_some() { Err(stopping()) } else { Ok(()) }
    }

    /// The originator that the call targets, if it does.
    fn target(&self, target: Option<&MetadataValue<Ascii>>, drafts: &[Draft]) -> Result<Option<Originator>, Status> {
        let Some(said) = target else { return Ok(None) };
        let refuse = |why| Status::from(&NodeRefusal::Target { said: format!("{said:?}"), why });
        let number = said.to_str().ok().and_then(|text| Some((text, text.parse::<u32>().ok()?)));
        let number = number.filter(|(text, number)| *text == number.to_string()).map(|(_, number)| number);
        let originator = Originator(number.ok_or_else(|| refuse("it must be a number below 2^32"))?);
        if !Dialect::any_counts_by_originator(&self.config.dialects) {
            return Err(refuse("this node does not count by originator"));
        }
        if drafts.iter().any(|draft| draft.topic.kind() != originator.kind()) {
            return Err(refuse("even originators number group messages, and odd ones welcomes"));
        }
        Ok(Some(originator))
    }

    /// Stores all drafts or none, and routes them to the streams.
    async fn publish(&self, target: Option<&MetadataValue<Ascii>>, drafts: Vec<Draft>) -> Result<Response<()>, Status> {
        self.check_serving()?;
        let target = self.target(target, &drafts)?;
        self.check(&drafts).map_err(|refusal| Status::from(&refusal))?;
        let drafts = match target {
            Some(target) => {
                drafts.into_iter().map(|draft| Draft { topic: draft.topic.part(target), ..draft }).collect()
            }
            None => drafts,
        };
        let drafts = match self.config.quirk {
            Some(NodeQuirk::StoresTwice) => [drafts.clone(), drafts].concat(),
            _ => drafts,
        };
        if !drafts.is_empty() {
            self.publishing.store(target, drafts).await?;
        }
        Ok(Response::new(()))
    }

    /// The bounds on what is published (S8).
    fn check(&self, drafts: &[Draft]) -> Result<(), NodeRefusal> {
        let limits = &self.config.limits;
        if drafts.len() > limits.send_messages {
            return Err(NodeRefusal::TooManyMessages { count: drafts.len(), most: limits.send_messages });
        }
        for draft in drafts {
            let count = draft.topic.bytes().len();
            if count > limits.topic_bytes {
                return Err(NodeRefusal::TopicTooLong { count, most: limits.topic_bytes });
            }
            let count = weight(draft);
            if count > limits.message_bytes {
                return Err(NodeRefusal::MessageTooLong { count, most: limits.message_bytes });
            }
        }
        Ok(())
    }

    /// Whether the caller may have what it asks for (S7).
    fn gate<T>(&self, call: &Request<T>) -> CallerGate {
        CallerGate::new(&self.authorizer, self.config.quirk, call)
    }

    fn page(&self, mut gate: CallerGate, topic: &Topic, asked: Option<proto::PagingInfo>) -> Result<Page, Status> {
        gate.check([topic]).map_err(|refusal| Status::from(&refusal))?;
        let limits = &self.config.limits;
        let mut paging = Paging::from_proto(asked).map_err(refused)?;
        let most = u32::try_from(limits.page_messages).unwrap_or(u32::MAX).max(1);
        paging.limit = if paging.limit == 0 { most } else { paging.limit.min(most) };
        let budget = Budget::new(paging.limit as usize, limits.page_bytes);
        self.log.with(|log| log.page(topic, paging, budget)).map_err(|error| unavailable(&error))
    }

    /// Opens a Subscribe stream in that dialect, where it is served.
    fn open_stream<B: NodeBinding>(
        &self,
        request: Request<Streaming<B::Asked>>,
    ) -> Result<Response<ResponseFrames<B::Told>>, Status> {
        let unserved = || Status::unimplemented("this node does not serve Subscribe");
        match self.config.serves {
            Serves::Everything if self.config.dialects.contains(&B::DIALECT) => {}
            Serves::Everything | Serves::OlderCalls => return Err(unserved()),
            Serves::OlderCallsLate => return Ok(Response::new(ResponseFrames::ended(unserved()))),
        }
        let (registrar, opened) = self.admit(&request)?;
        let lent = Lent { registrar, dice: self.env.dice(), opened };
        Ok(Response::new(open::<B>(&self.config, lent, request.into_inner())))
    }

    /// Whether the quirk `acks-unstored` forgets this request.
    fn forgets(&self) -> bool {
        self.config.quirk == Some(NodeQuirk::AcksUnstored)
            && (self.sends.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(FORGOTTEN_ONE_IN)
    }
}

#[tonic::async_trait]
impl MlsApi for Node {
    type SubscribeStream = ResponseFrames<proto::SubscribeResponse>;
    type SubscribeGroupMessagesStream = ResponseFrames<proto::GroupMessage>;
    type SubscribeWelcomeMessagesStream = ResponseFrames<proto::WelcomeMessage>;

    async fn send_group_messages(
        &self,
        request: Request<proto::SendGroupMessagesRequest>,
    ) -> Result<Response<()>, Status> {
        let (metadata, _, request) = request.into_parts();
        let inputs = request.messages.into_iter();
        let drafts = inputs.map(Draft::from_group_input).collect::<Result<_, _>>().map_err(refused)?;
        if self.forgets() {
            return Ok(Response::new(()));
        }
        self.publish(metadata.get(TARGET_HEADER), drafts).await
    }

    async fn send_welcome_messages(
        &self,
        request: Request<proto::SendWelcomeMessagesRequest>,
    ) -> Result<Response<()>, Status> {
        let (metadata, _, request) = request.into_parts();
        let inputs = request.messages.into_iter();
        let drafts = inputs.map(Draft::from_welcome_input).collect::<Result<_, _>>().map_err(refused)?;
        self.publish(metadata.get(TARGET_HEADER), drafts).await
    }

    async fn query_group_messages(
        &self,
        request: Request<proto::QueryGroupMessagesRequest>,
    ) -> Result<Response<proto::QueryGroupMessagesResponse>, Status> {
        let (gate, asked) = (self.gate(&request), request.into_inner());
        let page = self.page(gate, &Topic::new(MessageKind::Group, &asked.group_id), asked.paging_info)?;
        Ok(Response::new(proto::QueryGroupMessagesResponse {
            messages: page.messages.into_iter().map(Message::into_group).collect(),
            paging_info: Some(page.next.into_proto()),
        }))
    }

    async fn query_welcome_messages(
        &self,
        request: Request<proto::QueryWelcomeMessagesRequest>,
    ) -> Result<Response<proto::QueryWelcomeMessagesResponse>, Status> {
        let (gate, asked) = (self.gate(&request), request.into_inner());
        let page = self.page(gate, &Topic::new(MessageKind::Welcome, &asked.installation_key), asked.paging_info)?;
        Ok(Response::new(proto::QueryWelcomeMessagesResponse {
            messages: page.messages.into_iter().map(Message::into_welcome).collect(),
            paging_info: Some(page.next.into_proto()),
        }))
    }

    async fn subscribe_group_messages(
        &self,
        request: Request<proto::SubscribeGroupMessagesRequest>,
    ) -> Result<Response<Self::SubscribeGroupMessagesStream>, Status> {
        let (registrar, opened) = self.admit(&request)?;
        let adds = request.into_inner().filters.into_iter().map(Add::from).collect();
        open_older(&self.config, registrar, opened, adds, Message::into_group).map(Response::new)
    }

    async fn subscribe_welcome_messages(
        &self,
        request: Request<proto::SubscribeWelcomeMessagesRequest>,
    ) -> Result<Response<Self::SubscribeWelcomeMessagesStream>, Status> {
        let (registrar, opened) = self.admit(&request)?;
        let adds = request.into_inner().filters.into_iter().map(Add::from).collect();
        open_older(&self.config, registrar, opened, adds, Message::into_welcome).map(Response::new)
    }

    async fn subscribe(
        &self,
        request: Request<Streaming<proto::SubscribeRequest>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        self.open_stream::<NodeV1>(request)
    }
}

#[tonic::async_trait]
impl draft::MlsApi for Node {
    type SubscribeStream = ResponseFrames<draft_proto::SubscribeResponse>;

    async fn subscribe(
        &self,
        request: Request<Streaming<draft_proto::SubscribeRequest>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        self.open_stream::<NodeDraft>(request)
    }
}

#[tonic::async_trait]
impl QueryApi for Node {
    type SubscribeStream = ResponseFrames<query_proto::SubscribeResponse>;

    async fn subscribe(
        &self,
        request: Request<Streaming<query_proto::SubscribeRequest>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        self.open_stream::<NodeDecentralized>(request)
    }
}

fn refused(malformed: Malformed) -> Status {
    Status::from(&NodeRefusal::from(malformed))
}
