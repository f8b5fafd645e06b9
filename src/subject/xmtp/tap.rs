//! The tap on the proxy: it reads the frames of subscriptions, and of the older calls, out of the bytes that the proxy
//! relays.
//!
//! The proxy knows no payload; the tap does, and tells the history what passed and what was swallowed,
//! under the name of the client's host.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::HeaderMap;

use crate::channel::Position;
use crate::fault::Direction;
use crate::history::{Beat, Event, Fate, HostName, Recorder, TapStream, TappedFrame};
use crate::lie::StreamKey;
use crate::proxy::{ProxyFate, ProxyNotice, ProxyObserver};
use crate::subject::xmtp::channels::{Channels, Originators};
use crate::subject::xmtp::checker::EXAMINER;
use crate::subject::xmtp::frame::XmtpFrame;
use crate::subject::xmtp::wire::{
    Dialect, DraftAdd, DraftRequest, DraftResponse, GrpcFrames, Malformed, MessageKind, Request, Response, Tag,
    VectorRequest, decode_older_call, decode_older_message, decode_vector_response,
};
use crate::subject::{HostNames, TapSeat};

/// Observes one proxy process.
pub(crate) struct Tap {
    incarnation: u32,
    names: HostNames,
    recorder: Recorder,
    channels: Channels,
    relayed: Mutex<Relayed>,
}

/// What the process relays now.
#[derive(Default)]
struct Relayed {
    connections: BTreeMap<u64, HostName>,
    /// Subscriptions only; the bytes of other calls are of no interest.
    subscriptions: BTreeMap<StreamKey, Subscription>,
}

/// Which call a subscription is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TappedCall {
    Subscribe(Dialect),
    /// It is told by its frames alone: what is said of streams is of those that can be changed, and asked for a sign of life.
    Older(MessageKind),
}

impl TappedCall {
    fn of_path(path: &str) -> Option<Self> {
        let subscribe = Dialect::of_path(path).map(TappedCall::Subscribe);
        subscribe.or_else(|| MessageKind::of_older_path(path).map(TappedCall::Older))
    }
}

struct Subscription {
    call: TappedCall,
    to_node: GrpcFrames,
    to_client: GrpcFrames,
    /// The status in the node's trailers.
    status: Option<u16>,
}

impl Subscription {
    fn new(call: TappedCall) -> Self {
        Subscription { call, to_node: GrpcFrames::default(), to_client: GrpcFrames::default(), status: None }
    }
}

impl Tap {
    /// A tap on one process, in a trial with so many originators.
    pub(crate) fn new(seat: TapSeat, originators: Originators) -> Self {
        let TapSeat { incarnation, names, recorder } = seat;
        Tap { incarnation, names, recorder, channels: Channels::among(originators), relayed: Mutex::default() }
    }

    fn name(&self, key: StreamKey) -> TapStream {
        TapStream { incarnation: self.incarnation, connection: key.connection, stream: key.stream }
    }

    fn record(&self, relayed: &Relayed, connection: u64, event: Event) {
        if let Some(host) = relayed.connections.get(&connection) {
            self.recorder.on(host).record(event);
        }
    }

    fn take_data(&self, relayed: &mut Relayed, key: StreamKey, direction: Direction, data: &Bytes, fate: Fate) {
        let Some(subscription) = relayed.subscriptions.get_mut(&key) else { return };
        let call = subscription.call;
        let frames = match direction {
            Direction::ToNode => &mut subscription.to_node,
            Direction::ToClient => &mut subscription.to_client,
        };
        frames.push(data);
        let mut seen = Vec::new();
        loop {
            match frames.next_message() {
                Ok(Some(message)) => seen.push(Ok(message)),
                Ok(None) => break,
                Err(malformed) => {
                    // Nothing after this can be cut into messages any more.
                    relayed.subscriptions.remove(&key);
                    seen.push(Err(malformed));
                    break;
                }
            }
        }
        let (stream, way) = (self.name(key), direction);
        for message in seen {
            let event = message
                .and_then(|bytes| match call {
                    TappedCall::Subscribe(Dialect::V1) => self.read(stream, way, fate, bytes),
                    TappedCall::Subscribe(Dialect::Draft) => self.read_draft(stream, way, fate, bytes),
                    TappedCall::Subscribe(Dialect::Decentralized) => self.read_decentralized(stream, way, fate, bytes),
                    TappedCall::Older(kind) => self.read_older(stream, kind, (way, fate), bytes),
                })
                .unwrap_or_else(|why| tapped(stream, way, fate, XmtpFrame::Unreadable(why.to_string().into())));
            self.record(relayed, key.connection, event);
        }
    }
}

impl ProxyObserver for Tap {
    fn notice(&self, notice: ProxyNotice) {
        let mut locked = self.relayed.lock().unwrap_or_else(PoisonError::into_inner);
        let relayed = &mut *locked;
        match notice {
            ProxyNotice::ConnectionOpened { connection, peer } => {
                // What an examiner sends breaks the rules on purpose, and it looks at the answers itself.
                let host = self.names.get().and_then(|names| names.get(&peer.ip()));
                if let Some(host) = host.filter(|host| host.role() != EXAMINER) {
                    relayed.connections.insert(connection, host.clone());
                }
            }
            ProxyNotice::ConnectionClosed { connection } => {
                relayed.connections.remove(&connection);
            }
            ProxyNotice::PingAnswered { connection } => {
                let beat = Beat::KeepaliveAnswered { incarnation: self.incarnation, connection };
                self.record(relayed, connection, Event::Beat { beat, nonce: None });
            }
            ProxyNotice::StreamOpened { stream, path, .. } => {
                let Some(call) = TappedCall::of_path(&path) else { return };
                relayed.subscriptions.insert(stream, Subscription::new(call));
                if let TappedCall::Subscribe(_) = call {
                    self.record(relayed, stream.connection, Event::TapOpened { stream: self.name(stream), path });
                }
            }
            ProxyNotice::StreamClosed { stream } => {
                if let Some(Subscription { status, call: TappedCall::Subscribe(_), .. }) =
                    relayed.subscriptions.remove(&stream)
                {
                    self.record(relayed, stream.connection, Event::TapClosed { stream: self.name(stream), status });
                }
            }
            ProxyNotice::Data { stream, direction, data, fate } => {
                self.take_data(relayed, stream, direction, &data, read_fate(fate));
            }
            ProxyNotice::Trailers { stream, direction: Direction::ToNode, .. } => {
                let call = relayed.subscriptions.get(&stream).map(|subscription| subscription.call);
                if let Some(TappedCall::Subscribe(_)) = call {
                    self.record(relayed, stream.connection, Event::HalfClosed { stream: self.name(stream) });
                }
            }
            ProxyNotice::Trailers { stream, direction: Direction::ToClient, trailers, .. } => {
                if let Some(subscription) = relayed.subscriptions.get_mut(&stream) {
                    subscription.status = read_status(&trailers);
                }
            }
            // A subscription's frames say what the judges need; the rest of its HTTP/2 framing does not.
            ProxyNotice::NoHttp { .. } | ProxyNotice::Headers { .. } | ProxyNotice::Reset { .. } => {}
        }
    }
}

/// What the trailers of a gRPC call end with.
fn read_status(trailers: &HeaderMap) -> Option<u16> {
    trailers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

fn read_fate(fate: ProxyFate) -> Fate {
    match fate {
        ProxyFate::Passed => Fate::Passed,
        ProxyFate::Swallowed => Fate::Swallowed,
    }
}

fn tapped(stream: TapStream, way: Direction, fate: Fate, frame: XmtpFrame) -> Event {
    Event::Tapped { stream, way, fate, frame: TappedFrame::new(frame) }
}

impl Tap {
    fn read(&self, stream: TapStream, way: Direction, fate: Fate, bytes: Bytes) -> Result<Event, Malformed> {
        match way {
            Direction::ToNode => Ok(self.read_request(stream, fate, Request::decode(bytes)?)),
            Direction::ToClient => self.read_whole_response(stream, fate, Response::decode(bytes)?),
        }
    }

    /// The same of a stream of the decentralized backend, whose frames say what v1's do.
    fn read_decentralized(
        &self,
        stream: TapStream,
        way: Direction,
        fate: Fate,
        bytes: Bytes,
    ) -> Result<Event, Malformed> {
        match way {
            Direction::ToNode => {
                let request = match VectorRequest::decode(bytes)? {
                    VectorRequest::Mutate(mutate) => Request::Mutate(mutate.scatter()),
                    VectorRequest::Ping(nonce) => Request::Ping(nonce),
                    VectorRequest::Pong(nonce) => Request::Pong(nonce),
                };
                Ok(self.read_request(stream, fate, request))
            }
            Direction::ToClient => self.read_whole_response(stream, fate, decode_vector_response(bytes)?),
        }
    }

    /// A response of which nothing was skipped.
    fn read_whole_response(
        &self,
        stream: TapStream,
        fate: Fate,
        (response, skipped): (Response, Vec<Malformed>),
    ) -> Result<Event, Malformed> {
        match skipped.into_iter().next() {
            Some(malformed) => Err(malformed),
            None => Ok(self.read_response(stream, fate, response)),
        }
    }

    /// The same of a stream of the draft.
    fn read_draft(&self, stream: TapStream, way: Direction, fate: Fate, bytes: Bytes) -> Result<Event, Malformed> {
        if way == Direction::ToNode {
            let DraftRequest { adds, removes } = DraftRequest::decode(bytes)?;
            let position =
                |add: &DraftAdd| Some(Position { channel: self.channels.of(&add.topic), cursor: add.after? });
            let edges = adds.iter().filter(|add| add.after.is_none());
            let frame = XmtpFrame::DraftRequest {
                adds: adds.iter().filter_map(position).collect(),
                edges: edges.map(|add| self.channels.of(&add.topic)).collect(),
                removes: removes.iter().map(|topic| self.channels.of(topic)).collect(),
            };
            return Ok(tapped(stream, way, fate, frame));
        }
        let (response, skipped) = DraftResponse::decode(bytes)?;
        if let Some(malformed) = skipped.into_iter().next() {
            return Err(malformed);
        }
        Ok(match response {
            DraftResponse::Started { keepalive } => tapped(stream, way, fate, XmtpFrame::Started { keepalive }),
            DraftResponse::Messages(messages) => {
                let messages = messages.iter().map(|message| (self.channels.of(message.topic()), message.id)).collect();
                tapped(stream, way, fate, XmtpFrame::Delivery { tag: Tag::Untold, messages })
            }
            DraftResponse::CatchupComplete => tapped(stream, way, fate, XmtpFrame::DraftCatchupComplete),
            DraftResponse::Waiting => Event::Beat { beat: Beat::Waiting { stream, fate }, nonce: None },
        })
    }

    /// The same of an older call.
    fn read_older(
        &self,
        stream: TapStream,
        kind: MessageKind,
        (way, fate): (Direction, Fate),
        bytes: Bytes,
    ) -> Result<Event, Malformed> {
        let frame = match way {
            Direction::ToNode => {
                XmtpFrame::OlderCall { adds: self.channels.positions(&decode_older_call(kind, bytes)?) }
            }
            Direction::ToClient => {
                let message = decode_older_message(kind, bytes)?;
                let messages = vec![(self.channels.of(message.topic()), message.id)];
                XmtpFrame::Delivery { tag: Tag::Untold, messages }
            }
        };
        Ok(tapped(stream, way, fate, frame))
    }

    fn read_request(&self, stream: TapStream, fate: Fate, request: Request) -> Event {
        let way = Direction::ToNode;
        match request {
            Request::Mutate(mutate) => {
                let frame = XmtpFrame::Mutate {
                    id: mutate.id,
                    adds: self.channels.positions(&mutate.adds),
                    removes: self.channels.of_all(&mutate.removes),
                    history_only: mutate.history_only,
                };
                tapped(stream, way, fate, frame)
            }
            Request::Ping(nonce) => Event::Beat { beat: Beat::Ping { stream, way, fate }, nonce: Some(nonce.0) },
            Request::Pong(nonce) => Event::Beat { beat: Beat::Pong { stream, way, fate }, nonce: Some(nonce.0) },
        }
    }

    fn read_response(&self, stream: TapStream, fate: Fate, response: Response) -> Event {
        let way = Direction::ToClient;
        match response {
            Response::Started { keepalive } => tapped(stream, way, fate, XmtpFrame::Started { keepalive }),
            Response::Delivery(delivery) => {
                let messages =
                    delivery.messages.iter().map(|message| (self.channels.of(message.topic()), message.id)).collect();
                tapped(stream, way, fate, XmtpFrame::Delivery { tag: delivery.tag, messages })
            }
            Response::TopicsLive(topics) => {
                tapped(stream, way, fate, XmtpFrame::TopicsLive(self.channels.of_all(&topics)))
            }
            Response::CatchupComplete(id) => tapped(stream, way, fate, XmtpFrame::CatchupComplete(id)),
            Response::Ping(nonce) => Event::Beat { beat: Beat::Ping { stream, way, fate }, nonce: Some(nonce.0) },
            Response::Pong(nonce) => Event::Beat { beat: Beat::Pong { stream, way, fate }, nonce: Some(nonce.0) },
        }
    }
}
