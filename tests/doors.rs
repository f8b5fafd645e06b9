//! The door by an `Env`: one server and one client of tonic, and of hyper, on either engine and on real TCP.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use pulseless::env::Env;
use pulseless::grammar::Latency;
use pulseless::grpc::{EnvConnector, EnvIncoming};
use pulseless::os::Os;
use pulseless::world::{Engine, Leap, Turmoil, on_trial_thread};
use tonic::Code;
use tonic::client::Grpc;
use tonic::service::Routes;
use tonic::transport::{Endpoint, Server};
use tonic_prost::ProstCodec;

const LATENCY: Latency = Latency::uniform(Duration::from_millis(10), Duration::from_millis(10));
const PORT: u16 = 50_051;

type Answer = Arc<Mutex<Option<String>>>;

/// A server of tonic that serves nothing.
async fn serve_tonic(env: Env) -> Result<(), String> {
    let incoming = EnvIncoming::new(env.listen(PORT).await.map_err(|error| error.to_string())?);
    let server = Server::builder().add_routes(Routes::default()).serve_with_incoming(incoming);
    server.await.map_err(|error| error.to_string())
}

/// What a client of tonic is told there.
async fn ask_tonic(env: Env, server: String) -> Result<String, tonic::transport::Error> {
    let channel = Endpoint::from_shared(server)?.connect_with_connector(EnvConnector::new(env)).await?;
    let mut grpc = Grpc::new(channel);
    grpc.ready().await?;
    let path = "/a.Service/Call".parse().expect("a path");
    let answered = grpc.unary(tonic::Request::new(()), path, ProstCodec::<(), ()>::default()).await;
    Ok(format!("{:?}", answered.err().map_or(Code::Ok, |status| status.code())))
}

/// A function of its own: an async closure here makes rustc 1.95 fail when it compiles this file anew.
async fn greet(_: Request<Incoming>) -> Result<Response<String>, Infallible> {
    Ok(Response::new("hello".to_owned()))
}

/// A server of hyper that says hello.
async fn serve_hyper(env: Env) -> Result<(), String> {
    let mut listener = env.listen(PORT).await.map_err(|error| error.to_string())?;
    let greet = service_fn(greet);
    while let Ok(socket) = listener.accept().await {
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), greet));
    }
    Ok(())
}

/// What a client of hyper is told there.
async fn ask_hyper(env: Env, server: String) -> Result<String, hyper_util::client::legacy::Error> {
    let client = Client::builder(TokioExecutor::new()).build::<_, String>(EnvConnector::new(env));
    let response = client.get(server.parse().expect("a URI")).await?;
    Ok(response.status().as_str().to_owned())
}

/// What the clients are told in a world: of tonic, then of hyper.
fn told_in(build: impl Fn() -> Box<dyn Engine> + Send + Sync) -> [Option<String>; 2] {
    let play = |is_tonic: bool| {
        let answer = Answer::default();
        let kept = answer.clone();
        on_trial_thread(7, || {
            let mut world = build();
            let serve: fn(Env) -> _ = match is_tonic {
                true => |env| Box::pin(serve_tonic(env)) as std::pin::Pin<Box<dyn Future<Output = _> + Send>>,
                false => |env| Box::pin(serve_hyper(env)),
            };
            let ask = move |env: Env| {
                let kept = kept.clone();
                let server = format!("http://server:{PORT}");
                Box::pin(async move {
                    let told = match is_tonic {
                        true => ask_tonic(env, server).await.map_err(|error| error.to_string()),
                        false => ask_hyper(env, server).await.map_err(|error| error.to_string()),
                    };
                    *kept.lock().expect("not poisoned") = Some(told?);
                    Ok(())
                }) as std::pin::Pin<Box<dyn Future<Output = _> + Send>>
            };
            let server = world.add_host("server", Box::new(serve));
            let client = world.add_host("client", Box::new(ask));
            world.start(server);
            world.run_until(Duration::from_secs(1)).expect("it listens");
            world.start(client);
            world.run_until(Duration::from_secs(10)).expect("nobody breaks down");
        })
        .expect("no panic");
        answer.lock().expect("not poisoned").take()
    };
    [play(true), play(false)]
}

#[test]
fn tonic_and_hyper_meet_in_a_world_of_either_engine() {
    let expected = [Some("Unimplemented".to_owned()), Some("200".to_owned())];
    assert_eq!(told_in(|| Box::new(Leap::new(7, LATENCY))), expected);
    assert_eq!(told_in(|| Box::new(Turmoil::new(7, LATENCY, Turmoil::TICK))), expected);
}

#[tokio::test]
async fn a_connector_says_whom_it_cannot_dial() {
    let env: Env = Arc::new(Os::default());
    let free = env.listen(0).await.expect("a free port").local();
    let endpoint = Endpoint::from_shared(format!("http://{free}")).expect("a URI");
    let error = endpoint.connect_with_connector(EnvConnector::new(env)).await.expect_err("nobody listens");
    let causes: Vec<String> = std::iter::successors(std::error::Error::source(&error), |cause| cause.source())
        .map(ToString::to_string)
        .collect();
    assert!(causes.iter().any(|cause| cause.contains("refused")), "{causes:?}");
}
