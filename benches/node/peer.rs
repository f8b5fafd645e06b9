//! A raw client: the generated one, and as little around it as will do.

use bytes::Bytes;
use pulseless::subject::xmtp::wire::proto::mls_api_client::MlsApiClient;
use pulseless::subject::xmtp::wire::proto::{
    GroupMessageInput, SendGroupMessagesRequest, SubscribeRequest, SubscribeResponse, group_message_input,
    subscribe_response,
};
use pulseless::subject::xmtp::wire::{Add, Cursor, MessageKind, Mutate, MutateId, Request, Topic, application_message};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

/// How many topics a Mutate adds: a gateway's pace (protocol, section 4).
const ADDS: usize = 1_000;
const PAYLOAD: [u8; 80] = [b'x'; 80];

/// One connection to the node.
pub(crate) struct Client(MlsApiClient<Channel>);

/// One Subscribe stream on it.
pub(crate) struct Stream {
    responses: Streaming<SubscribeResponse>,
    _requests: mpsc::Sender<SubscribeRequest>,
}

impl Client {
    /// Connects.
    pub(crate) async fn connect(address: &str) -> Self {
        Client(MlsApiClient::connect(address.to_owned()).await.expect("the node listens"))
    }

    /// Publishes so many messages to the topic with one request.
    pub(crate) async fn publish(&mut self, topic: &str, count: usize) {
        let data = application_message(topic.as_bytes(), &PAYLOAD);
        let v1 = group_message_input::V1 { data, sender_hmac: Bytes::new(), ..Default::default() };
        let message = GroupMessageInput { version: Some(group_message_input::Version::V1(v1)) };
        let request = SendGroupMessagesRequest { messages: vec![message; count] };
        self.0.send_group_messages(request).await.expect("stored");
    }

    /// Opens a stream with these topics, each from the beginning of its log.
    pub(crate) async fn open(&mut self, topics: &[String]) -> Stream {
        let chunks = topics.chunks(ADDS);
        let (requests, outbound) = mpsc::channel(chunks.len());
        for (number, chunk) in (1..).zip(chunks) {
            let add = |name: &String| Add { topic: Topic::new(MessageKind::Group, name.as_bytes()), cursor: Cursor(0) };
            let adds = chunk.iter().map(add).collect();
            let mutate = Request::Mutate(Mutate { adds, id: MutateId(number), ..Mutate::default() });
            requests.try_send(mutate.into_proto()).expect("room for each chunk");
        }
        let responses = self.0.subscribe(ReceiverStream::new(outbound)).await.expect("a stream").into_inner();
        Stream { responses, _requests: requests }
    }

    /// The same, and waits until all of them are live.
    pub(crate) async fn subscribe(&mut self, topics: &[String]) -> Stream {
        let mut stream = self.open(topics).await;
        let mut waves = topics.chunks(ADDS).len();
        while waves > 0 {
            let complete = matches!(stream.next().await, subscribe_response::v1::Response::CatchupComplete(_));
            waves -= usize::from(complete);
        }
        stream
    }
}

impl Stream {
    async fn next(&mut self) -> subscribe_response::v1::Response {
        let frame = self.responses.message().await.expect("it goes on").expect("it goes on");
        let Some(subscribe_response::Version::V1(v1)) = frame.version else { panic!("a frame of another version") };
        v1.response.expect("an arm")
    }

    /// Waits for so many messages.
    pub(crate) async fn hear(&mut self, count: usize) {
        let mut left = count;
        while left > 0 {
            if let subscribe_response::v1::Response::Messages(messages) = self.next().await {
                left = left.checked_sub(messages.group_messages.len()).expect("no more than were published");
            }
        }
    }
}
