//! A node that rejects one topic for good, and acknowledges everything else.

use std::net::Ipv4Addr;
use std::pin::Pin;

use pulseless::env::Address;
use pulseless::subject::xmtp::wire::proto::mls_api_server::{MlsApi, MlsApiServer};
use pulseless::subject::xmtp::wire::{Request, Response, Topic, proto};
use tokio::task::JoinSet;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::server::TcpIncoming;
use tonic::{Status, Streaming};

type RpcReply<T> = Result<tonic::Response<T>, Status>;
type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

struct Forbidding(Topic);

#[tonic::async_trait]
impl MlsApi for Forbidding {
    type SubscribeStream = Replies<proto::SubscribeResponse>;
    type SubscribeGroupMessagesStream = Replies<proto::GroupMessage>;
    type SubscribeWelcomeMessagesStream = Replies<proto::WelcomeMessage>;

    async fn subscribe(
        &self,
        request: tonic::Request<Streaming<proto::SubscribeRequest>>,
    ) -> RpcReply<Self::SubscribeStream> {
        let forbidden = self.0.clone();
        let answer = move |frame: Result<proto::SubscribeRequest, Status>| match Request::from_proto(frame?) {
            Ok(Request::Mutate(mutate)) if mutate.adds.iter().any(|add| add.topic == forbidden) => {
                Err(Status::permission_denied("not yours"))
            }
            Ok(Request::Mutate(mutate)) => Ok(Response::CatchupComplete(mutate.id).into_proto()),
            Ok(Request::Ping(nonce) | Request::Pong(nonce)) => Ok(Response::Pong(nonce).into_proto()),
            Err(malformed) => Err(Status::invalid_argument(malformed.to_string())),
        };
        let started = tokio_stream::once(Ok(Response::Started { keepalive: None }.into_proto()));
        Ok(tonic::Response::new(Box::pin(started.chain(request.into_inner().map(answer)))))
    }

    async fn send_group_messages(&self, _: tonic::Request<proto::SendGroupMessagesRequest>) -> RpcReply<()> {
        Err(Status::unimplemented("it keeps nothing"))
    }

    async fn send_welcome_messages(&self, _: tonic::Request<proto::SendWelcomeMessagesRequest>) -> RpcReply<()> {
        Err(Status::unimplemented("it keeps nothing"))
    }

    async fn query_group_messages(
        &self,
        _: tonic::Request<proto::QueryGroupMessagesRequest>,
    ) -> RpcReply<proto::QueryGroupMessagesResponse> {
        Err(Status::unimplemented("it keeps nothing"))
    }

    async fn query_welcome_messages(
        &self,
        _: tonic::Request<proto::QueryWelcomeMessagesRequest>,
    ) -> RpcReply<proto::QueryWelcomeMessagesResponse> {
        Err(Status::unimplemented("it keeps nothing"))
    }

    async fn subscribe_group_messages(
        &self,
        _: tonic::Request<proto::SubscribeGroupMessagesRequest>,
    ) -> RpcReply<Self::SubscribeGroupMessagesStream> {
        Err(Status::unimplemented("it keeps nothing"))
    }

    async fn subscribe_welcome_messages(
        &self,
        _: tonic::Request<proto::SubscribeWelcomeMessagesRequest>,
    ) -> RpcReply<Self::SubscribeWelcomeMessagesStream> {
        Err(Status::unimplemented("it keeps nothing"))
    }
}

/// Serves for as long as the tasks live.
pub async fn start(forbidden: Topic) -> (Address, JoinSet<()>) {
    let incoming = TcpIncoming::bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
    let port = incoming.local_addr().expect("it is bound").port();
    let server = tonic::transport::Server::builder().add_service(MlsApiServer::new(Forbidding(forbidden)));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { server.serve_with_incoming(incoming).await.map_or((), drop) });
    (Address::new(Ipv4Addr::LOCALHOST.to_string(), port), tasks)
}
