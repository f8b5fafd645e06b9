//! A small world for the proxy: pipes for sockets, a client and a node that a test plays by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::server::SendResponse;
use h2::{Ping, PingPong, Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use pulseless::env::{
    Accept, Address, Asked, Dice, Die, Disk, Listener, ResetSwitch, Socket, Surroundings, TcpOptions,
};
use pulseless::lie::Direction;
use pulseless::proxy::{
    Control, DrainSwitch, ProxyConfig, ProxyEdge, ProxyFate, ProxyHabits, ProxyNotice, ProxyObserver, ProxyServer,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;

pub const PROXY_PORT: u16 = 8080;
pub const NODE_PORT: u16 = 5556;
/// Room in a pipe: a small socket buffer, so that backpressure shows.
const PIPE: usize = 16_384;

#[derive(Default)]
pub struct Net {
    ports: Mutex<BTreeMap<u16, mpsc::UnboundedSender<Socket>>>,
    /// Of both ends of every connection.
    resets: Mutex<Vec<ResetSwitch>>,
    /// Dials get no answer at all.
    pub is_black_hole: AtomicBool,
    pub dials: AtomicUsize,
}

pub struct Arrivals(pub mpsc::UnboundedReceiver<Socket>);

impl Accept for Arrivals {
    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Socket>> {
        self.0.poll_recv(context).map(|socket| socket.ok_or_else(|| io::ErrorKind::NotConnected.into()))
    }
}

impl Net {
    pub fn connect(&self, from: IpAddr, port: u16) -> io::Result<Socket> {
        let (near, far) = tokio::io::duplex(PIPE);
        let (local, peer) = (SocketAddr::new(from, 40_000), SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
        let ports = self.ports.lock().expect("no test panicked with the lock");
        let listener = ports.get(&port).ok_or(io::ErrorKind::ConnectionRefused)?;
        let switches = [ResetSwitch::default(), ResetSwitch::default()];
        self.resets.lock().expect("no test panicked with the lock").extend(switches.clone());
        let [here, there] = switches;
        listener.send(Socket::new(peer, local, far).with_reset(there)).map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(Socket::new(local, peer, near).with_reset(here))
    }

    pub fn open(&self, port: u16) -> Arrivals {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.ports.lock().expect("no test panicked with the lock").insert(port, sender);
        Arrivals(receiver)
    }
}

struct Host(Arc<Net>);

impl Surroundings for Host {
    fn dial_with(&self, address: &Address, _: TcpOptions) -> Asked<Socket> {
        self.0.dials.fetch_add(1, Ordering::Relaxed);
        if self.0.is_black_hole.load(Ordering::Relaxed) {
            return Box::pin(std::future::pending());
        }
        let dialed = self.0.connect(Ipv4Addr::new(10, 0, 0, 100).into(), address.port);
        Box::pin(async move { dialed })
    }

    fn listen(&self, port: u16) -> Asked<Listener> {
        let listener = Listener::new(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port), self.0.open(port));
        Box::pin(async move { Ok(listener) })
    }

    fn dice(&self) -> Dice {
        Dice::named(0, &Die::Test("proxy"))
    }

    fn disk(&self, _name: &str) -> io::Result<Disk> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn wall_clock(&self) -> Duration {
        Duration::ZERO
    }

    fn boot_clock(&self) -> Duration {
        Duration::ZERO
    }
}

#[derive(Default)]
pub struct Recorder(Mutex<Vec<ProxyNotice>>);

impl ProxyObserver for Recorder {
    fn notice(&self, notice: ProxyNotice) {
        self.0.lock().expect("no test panicked with the lock").push(notice);
    }
}

impl Recorder {
    pub fn all(&self) -> Vec<ProxyNotice> {
        self.0.lock().expect("no test panicked with the lock").clone()
    }

    pub fn count(&self, is_meant: impl Fn(&ProxyNotice) -> bool) -> usize {
        self.all().iter().filter(|notice| is_meant(notice)).count()
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a test looks at what concerns it")]
    pub fn bytes(&self, way: Direction, what: ProxyFate) -> usize {
        let size = |notice: &ProxyNotice| match notice {
            ProxyNotice::Data { direction, fate, data, .. } if *direction == way && *fate == what => data.len(),
            _ => 0,
        };
        self.all().iter().map(size).sum()
    }

    pub fn has_reset(&self, way: Direction, what: ProxyFate) -> bool {
        let is_meant = |notice: &ProxyNotice| matches!(notice, ProxyNotice::Reset { direction, fate, .. } if *direction == way && *fate == what);
        self.count(is_meant) > 0
    }
}

/// A proxy and its node; the test is the node's application.
pub struct World {
    pub net: Arc<Net>,
    pub control: Control,
    pub recorder: Arc<Recorder>,
    calls: mpsc::UnboundedReceiver<Call>,
    node: JoinHandle<()>,
    proxy: JoinHandle<()>,
    drain: DrainSwitch,
    state: Arc<NodeState>,
}

/// The state of a node.
#[derive(Default)]
struct NodeState {
    is_frozen: AtomicBool,
    /// Connections that have ended.
    lost: Mutex<BTreeSet<usize>>,
}

/// A stream as the node got it.
pub struct Call {
    /// The connection from the proxy, from 1.
    pub connection: usize,
    pub request: Request<RecvStream>,
    pub respond: SendResponse<Bytes>,
}

impl World {
    pub async fn start() -> World {
        World::with_limit(1000).await
    }

    /// A world whose lies are drawn so.
    pub async fn with_control(control: Control) -> World {
        World::with(1000, control).await
    }

    /// A world whose node allows so many concurrent streams.
    pub async fn with_limit(streams: u32) -> World {
        World::with(streams, Control::default()).await
    }

    async fn with(streams: u32, control: Control) -> World {
        World::made(streams, control, ProxyHabits::default()).await
    }

    /// A world whose proxy has these habits, before a node that allows so many streams.
    pub async fn with_habits(habits: ProxyHabits, streams: u32) -> World {
        World::made(streams, Control::default(), habits).await
    }

    async fn made(streams: u32, control: Control, habits: ProxyHabits) -> World {
        let net = Arc::new(Net::default());
        let recorder = Arc::new(Recorder::default());
        let state = Arc::new(NodeState::default());
        let (node, calls) = start_node(&net, streams, state.clone());
        let upstream = Address::new("node", NODE_PORT);
        let config = ProxyConfig {
            port: PROXY_PORT,
            upstream,
            tcp: TcpOptions::default(),
            control: control.clone(),
            habits,
            edge: ProxyEdge::default(),
        };
        let bound = ProxyServer::bind(Arc::new(Host(net.clone())), config, recorder.clone()).await;
        let (drain, asked) = DrainSwitch::new();
        let proxy = tokio::spawn(bound.expect("the port is free").run(asked));
        settle().await;
        World { net, control, recorder, calls, node, proxy, drain, state }
    }

    /// The proxy is to end.
    pub fn drain(&self) {
        self.drain.throw();
    }

    /// Whether the proxy has ended.
    pub fn has_ended(&self) -> bool {
        self.proxy.is_finished()
    }

    /// Whether a lie has reset a connection.
    pub fn has_been_reset(&self) -> bool {
        self.resets() > 0
    }

    /// How many connections lies have reset.
    pub fn resets(&self) -> usize {
        let resets = self.net.resets.lock().expect("no test panicked with the lock");
        resets.iter().filter(|switch| switch.is_thrown()).count()
    }

    /// Whether the proxy holds a client's connection for closed.
    pub fn has_closed(&self, wanted: u64) -> bool {
        let is_meant = |notice: &ProxyNotice| *notice == ProxyNotice::ConnectionClosed { connection: wanted };
        self.recorder.count(is_meant) > 0
    }

    /// The node's process dies and the system closes its sockets.
    pub async fn kill_node(&mut self) {
        self.net.ports.lock().expect("no test panicked with the lock").remove(&NODE_PORT);
        self.node.abort();
        settle().await;
    }

    pub fn restart_node(&mut self) {
        (self.node, self.calls) = start_node(&self.net, 1000, self.state.clone());
    }

    /// The node's process stands still, and its kernel goes on.
    pub fn freeze_node(&self) {
        self.state.is_frozen.store(true, Ordering::Relaxed);
    }

    /// Whether that connection to the node has ended.
    pub fn node_has_lost(&self, connection: usize) -> bool {
        self.state.lost.lock().expect("no test panicked with the lock").contains(&connection)
    }

    /// The next stream that reaches the node, however long that takes.
    pub async fn next_call(&mut self) -> Call {
        self.calls.recv().await.expect("the node lives")
    }

    /// The next stream that reached the node.
    pub async fn call(&mut self) -> Call {
        self.try_call().await.expect("a stream reached the node")
    }

    pub async fn try_call(&mut self) -> Option<Call> {
        settle().await;
        self.calls.try_recv().ok()
    }

    pub async fn client(&self) -> Client {
        self.client_from(Ipv4Addr::new(10, 0, 0, 1)).await
    }

    pub async fn client_from(&self, address: Ipv4Addr) -> Client {
        self.client_that(address, &h2::client::Builder::new()).await
    }

    /// A client that takes so many bytes of a stream at a time.
    pub async fn client_with_window(&self, bytes: u32) -> Client {
        self.client_that(Ipv4Addr::new(10, 0, 0, 1), h2::client::Builder::new().initial_window_size(bytes)).await
    }

    async fn client_that(&self, address: Ipv4Addr, builder: &h2::client::Builder) -> Client {
        let socket = self.net.connect(address.into(), PROXY_PORT).expect("the proxy listens");
        let (sender, mut connection) = soon(builder.handshake(socket)).await.expect("the proxy speaks HTTP/2");
        let pings = connection.ping_pong().expect("taken once");
        let driver = tokio::spawn(async move { drop(connection.await) });
        Client { sender, pings, driver }
    }

    /// A stream that is open in both directions, with response headers sent: the client's and the node's ends.
    pub async fn open(&mut self, client: &mut Client) -> (ClientEnd, NodeEnd) {
        let (response, to_node) = client.send("/mls.Api/Subscribe", false);
        let call = self.call().await;
        let (from_client, mut respond) = (call.request.into_body(), call.respond);
        let to_client = respond.send_response(Response::new(()), false).expect("the stream is open");
        let from_node = soon(response).await.expect("headers pass at once").into_body();
        (ClientEnd { to_node, from_node }, NodeEnd { to_client, from_client })
    }
}

fn start_node(net: &Net, streams: u32, state: Arc<NodeState>) -> (JoinHandle<()>, mpsc::UnboundedReceiver<Call>) {
    let (calls, receiver) = mpsc::unbounded_channel();
    let mut arrivals = net.open(NODE_PORT);
    let node = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Some(socket) = arrivals.0.recv().await {
            let (calls, connection, state) = (calls.clone(), connections.len() + 1, state.clone());
            connections.spawn(async move {
                let mut builder = h2::server::Builder::new();
                // Room for several streams, so that one that is not read stops no other here.
                builder.max_concurrent_streams(streams).initial_connection_window_size(1 << 20);
                let mut http = builder.handshake(socket).await.expect("HTTP/2");
                let mut accept = |context: &mut Context<'_>| match state.is_frozen.load(Ordering::Relaxed) {
                    true => Poll::Pending,
                    false => http.poll_accept(context),
                };
                while let Some(Ok((request, respond))) = std::future::poll_fn(&mut accept).await {
                    calls.send(Call { connection, request, respond }).expect("the test listens");
                }
                state.lost.lock().expect("no test panicked with the lock").insert(connection);
            });
        }
    });
    (node, receiver)
}

pub struct Client {
    pub sender: SendRequest<Bytes>,
    pings: PingPong,
    driver: JoinHandle<()>,
}

pub struct ClientEnd {
    pub to_node: SendStream<Bytes>,
    pub from_node: RecvStream,
}

pub struct NodeEnd {
    pub to_client: SendStream<Bytes>,
    pub from_client: RecvStream,
}

impl Client {
    pub fn send(&mut self, path: &str, is_whole: bool) -> (ResponseFuture, SendStream<Bytes>) {
        let uri = format!("http://api.example{path}");
        let request = Request::post(uri).header("content-type", "application/grpc").body(()).expect("a request");
        self.sender.send_request(request, is_whole).expect("the connection is open")
    }

    /// Whether the edge answers an HTTP/2 PING.
    pub async fn ping(&mut self) -> bool {
        let answered = tokio::time::timeout(Duration::from_secs(1), self.pings.ping(Ping::opaque())).await;
        matches!(answered, Ok(Ok(_)))
    }

    /// The client's process dies.
    pub async fn die(self) {
        self.driver.abort();
        settle().await;
    }
}

/// Lets everything happen that can: the paused clock moves only when all tasks are idle.
pub async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

/// What comes of `future`, which must come without outside help: a hung test would tell nothing.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it happens in time")
}

/// What can be read until nothing more comes, giving the window back; `None` for the end or an error.
pub async fn read(stream: &mut RecvStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Ok(Some(Ok(data))) = tokio::time::timeout(Duration::from_millis(1), stream.data()).await {
        stream.flow_control().release_capacity(data.len()).expect("it was received");
        bytes.extend_from_slice(&data);
    }
    bytes
}

/// Whether the stream is open and has nothing to say.
pub async fn is_quiet(stream: &mut RecvStream) -> bool {
    tokio::time::timeout(Duration::from_secs(600), stream.data()).await.is_err()
}

/// Reads to the orderly end.
pub async fn read_trailers(stream: &mut RecvStream) -> Option<HeaderMap> {
    // An empty DATA frame that carries the end comes before it.
    assert!(read(stream).await.is_empty());
    let trailers = tokio::time::timeout(Duration::from_secs(1), stream.trailers()).await;
    trailers.expect("an end in time").expect("an orderly end")
}

/// The reason of the reset that ends the stream, if one does.
pub async fn read_reset(stream: &mut RecvStream) -> Option<Reason> {
    match tokio::time::timeout(Duration::from_secs(1), stream.data()).await {
        Ok(Some(Err(error))) => error.reason(),
        Ok(Some(Ok(_)) | None) | Err(_) => None,
    }
}

pub fn grpc_status(code: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), http::HeaderValue::from_static(code))])
}

/// Writes `total` bytes at the pace that the peer allows; counts on in `written`.
pub async fn write(mut sink: SendStream<Bytes>, total: usize, written: Arc<AtomicUsize>) {
    let mut left = total;
    while left > 0 {
        sink.reserve_capacity(left.min(PIPE));
        let room = std::future::poll_fn(|context| sink.poll_capacity(context)).await;
        let Some(Ok(room)) = room else { return };
        let size = room.min(left);
        sink.send_data(Bytes::from(vec![7; size]), size == left).expect("the stream is open");
        written.fetch_add(size, Ordering::Relaxed);
        left -= size;
    }
}

/// A client that speaks HTTP/2 by hand: it sees each frame that the proxy writes.
pub struct RawClient {
    socket: Socket,
    unread: Vec<u8>,
}

/// A frame as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFrame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

pub const HEADERS: u8 = 1;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const ACK: u8 = 1;

impl RawFrame {
    pub fn new(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Self {
        RawFrame { kind, flags, stream, payload: payload.into() }
    }

    fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).expect("a short payload").to_be_bytes();
        let head = [&length[1..], &[self.kind, self.flags], &self.stream.to_be_bytes()].concat();
        [head, self.payload.clone()].concat()
    }
}

impl World {
    /// A client by hand, whose SETTINGS are exchanged.
    pub async fn raw_client(&self) -> RawClient {
        let address = Ipv4Addr::new(10, 0, 0, 1);
        let socket = self.net.connect(address.into(), PROXY_PORT).expect("the proxy listens");
        let mut client = RawClient { socket, unread: Vec::new() };
        client.socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("the proxy reads");
        client.write(&RawFrame::new(SETTINGS, 0, 0, b"")).await;
        client
    }
}

impl RawClient {
    /// A node by hand, to which that socket leads, whose SETTINGS are sent.
    pub async fn as_node(mut socket: Socket) -> Self {
        socket.read_exact(&mut [0; 24]).await.expect("a client begins with its preface");
        let mut node = RawClient { socket, unread: Vec::new() };
        node.write(&RawFrame::new(SETTINGS, 0, 0, b"")).await;
        node
    }

    pub async fn write(&mut self, frame: &RawFrame) {
        self.socket.write_all(&frame.bytes()).await.expect("the proxy reads");
    }

    /// Opens a stream that is whole but for its end.
    pub async fn open(&mut self, stream: u32) {
        // :method POST, :scheme http, :path /a, :authority a (RFC 7541 appendix A), all without Huffman.
        let block = b"\x83\x86\x44\x02/a\x41\x01a";
        self.write(&RawFrame::new(HEADERS, 4, stream, block)).await;
    }

    /// The frames that come within that time.
    pub async fn frames(&mut self, time: Duration) -> Vec<RawFrame> {
        let until = tokio::time::Instant::now() + time;
        // Ends: at that time, or with the connection.
        while self.read_on(until - tokio::time::Instant::now()).await {}
        std::iter::from_fn(|| self.take_frame()).collect()
    }

    /// The next frame, if it comes within that time.
    pub async fn next_frame(&mut self, time: Duration) -> Option<RawFrame> {
        let until = tokio::time::Instant::now() + time;
        loop {
            if let Some(frame) = self.take_frame() {
                return Some(frame);
            }
            if !self.read_on(until - tokio::time::Instant::now()).await {
                return None;
            }
        }
    }

    /// Reads what comes next, if something does within that time.
    pub async fn read_on(&mut self, time: Duration) -> bool {
        let mut bytes = [0; 4096];
        let read = tokio::time::timeout(time, self.socket.read(&mut bytes)).await;
        let read = if let Ok(Ok(read)) = read { read } else { 0 };
        self.unread.extend_from_slice(&bytes[..read]);
        read > 0
    }

    /// So many bytes have come that make no frame yet.
    pub fn unread(&self) -> usize {
        self.unread.len()
    }

    fn take_frame(&mut self) -> Option<RawFrame> {
        let head = self.unread.first_chunk::<9>().copied()?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        if self.unread.len() < 9 + length {
            return None;
        }
        let frame: Vec<u8> = self.unread.drain(..9 + length).collect();
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(RawFrame::new(head[3], head[4], stream, &frame[9..]))
    }

    /// Whether the proxy has closed the connection.
    pub async fn is_closed(&mut self) -> bool {
        matches!(tokio::time::timeout(Duration::from_millis(1), self.socket.read(&mut [0])).await, Ok(Ok(0) | Err(_)))
    }
}
