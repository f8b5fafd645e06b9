//! A raw peer: one connection to the node under test, to publish on and to open streams on.
//!
//! Refuses to heal anything: a connection that breaks stays broken, and the row says so.

use std::future::ready;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use tokio::sync::{OnceCell, mpsc};
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Request, Status};

use crate::env::{Dice, Env};
use crate::grammar::Readable;
use crate::grpc::{BytesCodec, explain};
use crate::subject::xmtp::conformance::finding::{Unmet, ended_early, not_judged, spell_status, violation};
use crate::subject::xmtp::conformance::letter::{Delivered, Letter, LetterKind, RawTopic, arrivals};
use crate::subject::xmtp::conformance::raw_stream::{RawStream, advertised, change, is_complete};
use crate::subject::xmtp::conformance::settings::{ANSWER_MAX, ConformSettings, REPLAY_MAX};
use crate::subject::xmtp::wire::proto;
use crate::subject::xmtp::wire::proto::mls_api_client::MlsApiClient;
use crate::subject::xmtp::wire::proto::subscribe_response::v1::Response as Arm;

const SUBSCRIBE: &str = "/xmtp.mls.api.v1.MlsApi/Subscribe";
/// HTTP/2's own first window: a row that stops reading is felt by the node after 64 KiB.
const STREAM_WINDOW: u32 = 65_535;
/// The connection's window never stands in the way: what a row publishes must be answered while a stream is not read.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
/// libxmtp's limit of one message: 25 MiB.
const MESSAGE_MAX: usize = 25 << 20;
/// Requests that wait for HTTP/2; more than any row sends before it reads, so that a bound can be gone over at once.
const REQUESTS_MAX: usize = 8_192;
/// The large history: so many messages of so many bytes, 6 MiB. A node that pages its waves is still in mid-wave when
/// a stream's window, gRPC's own buffers and a few MiB of its own are full.
const HISTORY_MESSAGES: usize = 384;
const HISTORY_BYTES: usize = 16 << 10;
/// Bytes of one request that publishes: below the 4 MiB that gRPC servers take unless they are told otherwise.
const BATCH_BYTES: usize = 1 << 20;

/// The node that is judged, and what the rows share.
pub(crate) struct NodeUnderTest {
    env: Env,
    pub(crate) settings: ConformSettings,
    /// What it advertised, or what was given in its place.
    pub(crate) interval: Option<Duration>,
    large: OnceCell<RawTopic>,
}

impl NodeUnderTest {
    pub(crate) fn new(env: Env, settings: ConformSettings) -> Self {
        NodeUnderTest { env, interval: settings.interval, settings, large: OnceCell::new() }
    }

    /// The interval of the node, for rows that wait so many of them.
    pub(crate) fn interval(&self, times: u32) -> Result<Duration, Unmet> {
        let Some(interval) = self.interval else {
            return not_judged("the node advertised no interval, and none was given");
        };
        let (wait, most) = (interval * times, self.settings.patience);
        if wait > most {
            return not_judged(format!(
                "the node's interval is {}: this row waits {}, and {} is the most that is allowed",
                Readable(interval),
                Readable(wait),
                Readable(most)
            ));
        }
        Ok(interval)
    }

    /// The time of day where the suite runs, since 1970.
    pub(crate) fn wall_clock(&self) -> Duration {
        self.env.wall_clock()
    }

    /// A new connection.
    pub(crate) async fn dial(&self) -> Result<RawPeer, Unmet> {
        let (node, connecting) = (&self.settings.node, self.connect());
        let dialed = timeout(ANSWER_MAX, connecting).await;
        let dialed = dialed.unwrap_or_else(|_| Err(format!("no connection within {}", Readable(ANSWER_MAX))));
        let channel = match dialed {
            Ok(channel) => channel,
            Err(why) => return not_judged(format!("failed to dial {node}: {why}")),
        };
        let unary = MlsApiClient::new(channel.clone()).max_decoding_message_size(MESSAGE_MAX);
        Ok(RawPeer { channel, unary, dice: self.env.dice() })
    }

    async fn connect(&self) -> Result<Channel, String> {
        let node = &self.settings.node;
        let socket = self.env.dial(node).await.map_err(|error| error.to_string())?;
        let mut once = Some(TokioIo::new(socket));
        let connector = tower::service_fn(move |_: Uri| {
            ready(once.take().ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, "the connection has ended")))
        });
        let endpoint = Endpoint::from_shared(format!("http://{node}")).map_err(|error| error.to_string())?;
        let endpoint =
            endpoint.initial_stream_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
        endpoint.connect_with_connector(connector).await.map_err(|error| explain(&error))
    }

    /// A group with a large history, which is published when the first row asks for it. Nobody publishes to it later.
    pub(crate) async fn large_history(&self) -> Result<RawTopic, Unmet> {
        self.large.get_or_try_init(|| self.publish_large_history()).await.cloned()
    }

    async fn publish_large_history(&self) -> Result<RawTopic, Unmet> {
        let mut peer = self.dial().await?;
        let topic = RawTopic::group(&mut peer.dice);
        for _ in 0..HISTORY_MESSAGES / (BATCH_BYTES / HISTORY_BYTES) {
            let letters = peer.letters(&topic, BATCH_BYTES / HISTORY_BYTES, HISTORY_BYTES);
            peer.publish(&letters).await?;
        }
        Ok(topic)
    }
}

/// One connection.
pub(crate) struct RawPeer {
    channel: Channel,
    unary: MlsApiClient<Channel>,
    pub(crate) dice: Dice,
}

impl RawPeer {
    pub(crate) fn group(&mut self) -> RawTopic {
        RawTopic::group(&mut self.dice)
    }

    pub(crate) fn welcomes(&mut self) -> RawTopic {
        RawTopic::welcomes(&mut self.dice)
    }

    /// So many messages for that topic, of so many bytes each.
    pub(crate) fn letters(&mut self, topic: &RawTopic, count: usize, size: usize) -> Vec<Letter> {
        (0..count).map(|_| topic.letter(&mut self.dice, size)).collect()
    }

    /// One message for each topic, in their order.
    pub(crate) fn letters_for(&mut self, topics: &[&RawTopic]) -> Vec<Letter> {
        topics.iter().map(|topic| topic.letter(&mut self.dice, 0)).collect()
    }

    /// Publishes letters in their order, one request for each run of one kind; when the first request began.
    ///
    /// # Errors
    /// The node takes them not: no row can judge what was not published.
    pub(crate) async fn publish(&mut self, letters: &[Letter]) -> Result<Instant, Unmet> {
        let began = Instant::now();
        for run in letters.chunk_by(|one, next| one.topic.kind == next.topic.kind) {
            let Some(first) = run.first() else { continue };
            let sent = match first.topic.kind {
                LetterKind::Group => {
                    let messages = run.iter().map(Letter::group_input).collect();
                    let sending = self.unary.send_group_messages(proto::SendGroupMessagesRequest { messages });
                    timeout(ANSWER_MAX, sending).await
                }
                LetterKind::Welcome => {
                    let messages = run.iter().map(Letter::welcome_input).collect();
                    let sending = self.unary.send_welcome_messages(proto::SendWelcomeMessagesRequest { messages });
                    timeout(ANSWER_MAX, sending).await
                }
            };
            match sent {
                Ok(Ok(_)) => {}
                Ok(Err(status)) => {
                    return not_judged(format!("the node did not store what was published: {}", spell_status(&status)));
                }
                Err(_) => {
                    return not_judged(format!("a publish was not answered within {}", Readable(ANSWER_MAX)));
                }
            }
        }
        Ok(began)
    }

    /// A stream whose headers have come, and nothing was read of it.
    ///
    /// # Errors
    /// The status in the place of headers, or none in time.
    pub(crate) async fn open_raw(&self) -> Result<RawStream, Status> {
        let (requests, outbound) = mpsc::channel::<Bytes>(REQUESTS_MAX);
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(MESSAGE_MAX);
        let opening = async {
            grpc.ready().await.map_err(|error| Status::unavailable(explain(&error)))?;
            let request = Request::new(ReceiverStream::new(outbound));
            grpc.streaming(request, PathAndQuery::from_static(SUBSCRIBE), BytesCodec).await
        };
        let opened = timeout(ANSWER_MAX, opening).await;
        let no_headers = |_| Err(Status::unavailable(format!("no headers within {}", Readable(ANSWER_MAX))));
        let responses = opened.unwrap_or_else(no_headers)?.into_inner();
        Ok(RawStream::new(requests, responses))
    }

    /// A stream whose `Started` was read; the interval that it advertised.
    ///
    /// # Errors
    /// There is none: T1 judges that.
    pub(crate) async fn open_started(&self) -> Result<(RawStream, Option<Duration>), Unmet> {
        let mut stream = self.open_raw().await.map_err(|status| ended_early(&status, "headers"))?;
        let frames = stream.read_within(ANSWER_MAX, "Started", |_| true).await;
        match frames {
            Ok(frames) => match frames.first() {
                Some(Arm::Started(started)) => Ok((stream, advertised(started))),
                Some(_) | None => not_judged("the first frame is not Started: see T1"),
            },
            Err(Unmet::Violation(why) | Unmet::NotJudged(why)) => not_judged(format!("{why}: see T1")),
        }
    }

    /// A stream whose `Started` was read.
    ///
    /// # Errors
    /// As [`RawPeer::open_started`].
    pub(crate) async fn open(&self) -> Result<RawStream, Unmet> {
        self.open_started().await.map(|(stream, _)| stream)
    }

    /// A stream on which these topics are live, from the beginning, by Mutate 1.
    ///
    /// # Errors
    /// The wave does not complete.
    pub(crate) async fn follow(&self, topics: &[&RawTopic]) -> Result<RawStream, Unmet> {
        let mut stream = self.open().await?;
        let adds: Vec<(&RawTopic, u64)> = topics.iter().map(|topic| (*topic, 0)).collect();
        stream.mutate(change(1, &adds, &[])).await;
        stream.until_complete(1).await?;
        Ok(stream)
    }

    /// Everything that the node holds of a topic, by a stream of its own.
    ///
    /// # Errors
    /// The replay does not complete.
    pub(crate) async fn stored(&self, topic: &RawTopic) -> Result<Vec<Delivered>, Unmet> {
        let mut stream = self.open().await?;
        stream.mutate(change(1, &[(topic, 0)], &[])).await;
        let mut stored = arrivals(&stream.until_complete(1).await?);
        stored.sort_by_key(|arrival| arrival.id);
        Ok(stored)
    }

    /// How many messages the node holds of the large history.
    ///
    /// # Errors
    /// The replay does not complete.
    pub(crate) async fn stored_large(&self, topic: &RawTopic) -> Result<usize, Unmet> {
        let mut stream = self.open().await?;
        stream.mutate(change(1, &[(topic, 0)], &[])).await;
        let frames = stream.read_within(REPLAY_MAX, "CatchupComplete 1", |frame| is_complete(frame, 1)).await?;
        Ok(arrivals(&frames).len())
    }

    /// Each of these letters must have come once, with all that it encloses.
    ///
    /// # Errors
    /// One came twice, or altered, or did not come. One that the node does not even hold is no matter of this row.
    pub(crate) async fn account(&self, letters: &[Letter], came: &[Delivered], place: &str) -> Result<(), Unmet> {
        for letter in letters {
            let copies: Vec<&Delivered> = came.iter().filter(|arrival| arrival.is(letter)).collect();
            match copies.as_slice() {
                [one] => {
                    if let Some(what) = one.altered(letter) {
                        return violation(format!("message #{} came {place} with {what}", one.id));
                    }
                }
                [] => return self.missing(letter, place).await,
                [first, ..] => {
                    return violation(format!("message #{} came {} times {place}", first.id, copies.len()));
                }
            }
        }
        Ok(())
    }

    async fn missing(&self, letter: &Letter, place: &str) -> Result<(), Unmet> {
        match self.stored(&letter.topic).await?.iter().find(|stored| stored.is(letter)) {
            Some(stored) => violation(format!("message #{} did not come {place}", stored.id)),
            None => not_judged("the node acknowledged a message that it does not hold: see S4"),
        }
    }
}
