//! A node over in-memory pipes, and a raw client of it.
//!
//! Refuses to judge: the tests do.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper_util::rt::TokioIo;
use pulseless::env::{
    Accept, Address, Asked, Dice, Die, Disk, Listener, MemoryStorage, Socket, Storage, Surroundings, TcpOptions,
};
use pulseless::subject::xmtp::node::{
    NodeCloseReason, NodeConfig, NodeHooks, NodeLimits, NodeNotice, NodeObserver, serve_with,
};
use pulseless::subject::xmtp::wire::{
    Add, Cursor, MessageKind, Mutate, MutateId, Request, Response, Tag, Topic, application_message, proto,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Extensions, Status, Streaming};

pub type Client = proto::mls_api_client::MlsApiClient<Channel>;

pub const SECOND: Duration = Duration::from_secs(1);
/// Long enough for everything that needs no timer to happen, on a paused clock.
pub const MOMENT: Duration = Duration::from_millis(1);

/// A disk that outlives the node, whose syncs may fail from some point on, and which may be full.
#[derive(Clone, Debug, Default)]
pub struct KeptDisk {
    bytes: MemoryStorage,
    full: Arc<AtomicBool>,
    syncs_left: Arc<Mutex<Option<u32>>>,
    syncs: Arc<AtomicU32>,
}

impl KeptDisk {
    /// How often it was synced.
    pub fn syncs(&self) -> u32 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// So many syncs succeed, and then none.
    pub fn fail_after(&self, syncs: u32) {
        *self.syncs_left.lock().expect("not poisoned") = Some(syncs);
    }

    /// Half of each write that makes it longer finds room, or all of it.
    pub fn fill(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    /// Every sync succeeds again.
    pub fn heal(&self) {
        *self.syncs_left.lock().expect("not poisoned") = None;
    }
}

impl Storage for KeptDisk {
    fn len(&self) -> io::Result<u64> {
        self.bytes.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.bytes.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.bytes.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        match &mut *self.syncs_left.lock().expect("not poisoned") {
            None => Ok(()),
            Some(0) => Err(io::Error::other("the disk does not sync")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if self.full.load(Ordering::Relaxed) && offset + data.len() as u64 > self.len()? {
            self.bytes.write(offset, &data[..data.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.write(offset, data)
    }
}

/// Surroundings of one node whose port is a queue of pipes; the first accept fails.
struct Pipes {
    disk: KeptDisk,
    arrivals: Mutex<Option<mpsc::Receiver<Socket>>>,
}

struct Arrivals {
    sockets: mpsc::Receiver<Socket>,
    failed_once: bool,
}

impl Accept for Arrivals {
    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Socket>> {
        if !std::mem::replace(&mut self.failed_once, true) {
            return Poll::Ready(Err(io::Error::other("no file descriptor left")));
        }
        match ready!(self.sockets.poll_recv(context)) {
            Some(socket) => Poll::Ready(Ok(socket)),
            None => Poll::Pending,
        }
    }
}

impl Surroundings for Pipes {
    fn dial_with(&self, _: &Address, _: TcpOptions) -> Asked<Socket> {
        Box::pin(async { Err(io::Error::other("a node dials nobody")) })
    }

    fn listen(&self, _: u16) -> Asked<Listener> {
        let sockets = self.arrivals.lock().expect("not poisoned").take().expect("a node listens once");
        let listener = Listener::new(address(1), Arrivals { sockets, failed_once: false });
        Box::pin(async { Ok(listener) })
    }

    fn dice(&self) -> Dice {
        Dice::named(1, &Die::Test("node"))
    }

    fn disk(&self, _: &str) -> io::Result<Disk> {
        Ok(Disk::new(self.disk.clone()))
    }

    fn wall_clock(&self) -> Duration {
        Duration::from_nanos(77)
    }

    fn boot_clock(&self) -> Duration {
        Duration::ZERO
    }
}

pub fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], port))
}

#[derive(Default)]
pub struct Notices(pub Mutex<Vec<NodeNotice>>);

impl NodeObserver for Notices {
    fn notice(&self, notice: NodeNotice) {
        self.0.lock().expect("not poisoned").push(notice);
    }
}

/// Publishes group messages with one request.
pub async fn send(client: &mut Client, data: &[Bytes]) -> Result<(), Status> {
    let input = |data: &Bytes| {
        let v1 = proto::group_message_input::V1 { data: data.clone(), ..Default::default() };
        proto::GroupMessageInput { version: Some(proto::group_message_input::Version::V1(v1)) }
    };
    let request = proto::SendGroupMessagesRequest { messages: data.iter().map(input).collect() };
    client.send_group_messages(request).await.map(|_| ())
}

/// A running node and a client of it.
pub struct Bench {
    /// The node's task.
    pub node: JoinHandle<()>,
    /// A connection to it, which may be dialed again.
    pub channel: Channel,
    /// A client of it.
    pub client: Client,
    /// What the node told.
    pub notices: Arc<Notices>,
}

impl Bench {
    pub async fn start(config: NodeConfig) -> Self {
        Bench::start_on(KeptDisk::default(), config).await
    }

    pub async fn start_on(disk: KeptDisk, config: NodeConfig) -> Self {
        Bench::start_with(disk, config, |hooks| hooks).await
    }

    pub async fn start_with(disk: KeptDisk, config: NodeConfig, hook: impl FnOnce(NodeHooks) -> NodeHooks) -> Self {
        let (dialed, arrivals) = mpsc::channel(4);
        let pipes = Arc::new(Pipes { disk, arrivals: Mutex::new(Some(arrivals)) });
        let notices = Arc::new(Notices::default());
        let observer: Arc<dyn NodeObserver> = Arc::clone(&notices) as Arc<dyn NodeObserver>;
        let hooks = hook(NodeHooks::new(observer));
        let node = tokio::spawn(async move { serve_with(pipes, config, hooks).await.expect("a good start") });
        let connector = tower::service_fn(move |_: Uri| {
            let (near, far) = tokio::io::duplex(64 << 10);
            let dialed = dialed.clone();
            async move {
                let accepted = dialed.send(Socket::new(address(1), address(2), far)).await;
                accepted.map(|()| TokioIo::new(near)).map_err(|_| io::Error::other("the node is gone"))
            }
        });
        // HTTP/2's own default window; hyper's is larger and would hide a slow consumer.
        let endpoint = Endpoint::from_static("http://node:5556").initial_stream_window_size(65_535);
        let channel = endpoint.connect_with_connector(connector).await.expect("a pipe");
        Bench { node, client: Client::new(channel.clone()), channel, notices }
    }

    /// Publishes one message for each name, in that order.
    pub async fn publish(&self, names: &[&str]) {
        self.try_publish(names).await.expect("stored");
    }

    pub async fn try_publish(&self, names: &[&str]) -> Result<(), Status> {
        let data = names.iter().map(|name| application_message(name.as_bytes(), b"payload"));
        self.send(&data.collect::<Vec<_>>()).await
    }

    async fn send(&self, data: &[Bytes]) -> Result<(), Status> {
        send(&mut self.client.clone(), data).await
    }

    pub async fn publish_sized(&self, name: &str, bytes: usize) {
        self.try_publish_sized(name, bytes).await.expect("stored");
    }

    /// Publishes one message with so many bytes of payload.
    pub async fn try_publish_sized(&self, name: &str, bytes: usize) -> Result<(), Status> {
        self.send(&[application_message(name.as_bytes(), &vec![b'x'; bytes])]).await
    }

    pub async fn publish_welcome(&self, name: &str) {
        let v1 = proto::welcome_message_input::V1 {
            installation_key: Bytes::copy_from_slice(name.as_bytes()),
            ..Default::default()
        };
        let input = proto::WelcomeMessageInput { version: Some(proto::welcome_message_input::Version::V1(v1)) };
        let request = proto::SendWelcomeMessagesRequest { messages: vec![input] };
        self.client.clone().send_welcome_messages(request).await.expect("stored");
    }

    pub async fn query(&self, name: &str, paging: proto::PagingInfo) -> (Vec<u64>, proto::PagingInfo) {
        let group_id = Bytes::copy_from_slice(name.as_bytes());
        let request = proto::QueryGroupMessagesRequest { group_id, paging_info: Some(paging) };
        let page = self.client.clone().query_group_messages(request).await.expect("a page").into_inner();
        let id = |message| pulseless::subject::xmtp::wire::Message::from_group(message).expect("well formed").id.0;
        (page.messages.into_iter().map(id).collect(), page.paging_info.expect("paging information"))
    }

    /// A stream whose `Started` was read.
    pub async fn subscribe(&self) -> Wire {
        let mut wire = self.subscribe_raw().await;
        assert!(matches!(wire.next().await, Ok(Some(Response::Started { .. }))));
        wire
    }

    pub async fn subscribe_raw(&self) -> Wire {
        self.subscribe_as(MetadataMap::new()).await
    }

    /// A stream of a caller with these headers.
    pub async fn subscribe_as(&self, headers: MetadataMap) -> Wire {
        let (requests, outbound) = mpsc::channel(2_000);
        let call = tonic::Request::from_parts(headers, Extensions::default(), ReceiverStream::new(outbound));
        let responses = self.client.clone().subscribe(call).await.expect("headers");
        Wire { requests: Some(requests), responses: responses.into_inner() }
    }

    pub async fn closings(&self) -> Vec<NodeCloseReason> {
        sleep(MOMENT).await;
        let closed = |notice: &NodeNotice| match notice {
            NodeNotice::StreamClosed { stream: _, reason } => Some(reason.clone()),
            NodeNotice::Stored { .. }
            | NodeNotice::StreamOpened { .. }
            | NodeNotice::LogOpened { .. }
            | NodeNotice::StoreFailed { .. } => None,
        };
        self.notices.0.lock().expect("not poisoned").iter().filter_map(closed).collect()
    }
}

/// One Subscribe stream.
pub struct Wire {
    requests: Option<mpsc::Sender<proto::SubscribeRequest>>,
    responses: Streaming<proto::SubscribeResponse>,
}

impl Wire {
    pub fn send_raw(&self, frame: proto::SubscribeRequest) {
        self.requests.as_ref().expect("not half-closed").try_send(frame).expect("room");
    }

    pub fn send(&self, request: Request) {
        self.send_raw(request.into_proto());
    }

    pub fn mutate(&self, id: u64, adds: &[(&str, u64)], removes: &[&str]) {
        self.send(Request::Mutate(mutate(id, adds, removes)));
    }

    pub fn half_close(&mut self) {
        self.requests = None;
    }

    pub async fn next(&mut self) -> Result<Option<Response>, Status> {
        let frame = self.responses.message().await?;
        Ok(frame.map(|frame| Response::from_proto(frame).expect("well formed").0))
    }

    pub async fn frame(&mut self) -> String {
        show(&self.next().await.expect("an open stream").expect("a frame"))
    }

    /// All frames up to the acknowledgment of that Mutate.
    pub async fn until_complete(&mut self, id: u64) -> Vec<String> {
        let mut frames = Vec::new();
        while frames.last() != Some(&format!("complete {id}")) {
            frames.push(self.frame().await);
        }
        frames
    }

    /// The status with which the node ends the stream, whatever comes before it.
    pub async fn ending(&mut self) -> Status {
        loop {
            match self.next().await {
                Ok(Some(_)) => {}
                Ok(None) => return Status::ok(""),
                Err(status) => return status,
            }
        }
    }
}

pub fn topic(name: &str) -> Topic {
    let kind = if name.starts_with("welcome") { MessageKind::Welcome } else { MessageKind::Group };
    Topic::new(kind, name.as_bytes())
}

pub fn mutate(id: u64, adds: &[(&str, u64)], removes: &[&str]) -> Mutate {
    Mutate {
        adds: adds.iter().map(|(name, cursor)| Add { topic: topic(name), cursor: Cursor(*cursor) }).collect(),
        removes: removes.iter().map(|name| topic(name)).collect(),
        history_only: false,
        id: MutateId(id),
    }
}

pub fn show(frame: &Response) -> String {
    match frame {
        Response::Started { keepalive } => format!("started {keepalive:?}"),
        Response::Delivery(delivery) => {
            let tag = match delivery.tag {
                Tag::Live => "live".to_owned(),
                Tag::Wave(id) => format!("wave {}", id.0),
                Tag::Untold => "untold".to_owned(),
            };
            let ids = delivery.messages.iter().map(|message| format!(" {}", message.id));
            format!("{tag}:{}", ids.collect::<String>())
        }
        Response::TopicsLive(topics) => format!("caught up: {} topics", topics.len()),
        Response::CatchupComplete(id) => format!("complete {}", id.0),
        Response::Ping(_) => "ping".into(),
        Response::Pong(nonce) => format!("pong {}", nonce.0),
    }
}

pub fn limited(limits: NodeLimits) -> NodeConfig {
    NodeConfig { limits, ..NodeConfig::default() }
}
