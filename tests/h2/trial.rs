//! The proxy of a trial, for a script that says by lines what a raw client does there: the cases of real TCP, byte by byte.
//!
//! Refuses to know the cases. Lines are answered in lockstep, so that what comes back depends on nothing but them.

use std::cell::Cell;
use std::fmt::Write as _;
use std::future::pending;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Method, Request, Response};
use pulseless::env::{Address, Env, TcpOptions};
use pulseless::grammar::Latency;
use pulseless::proxy::{self, Control, ProxyConfig, ProxyEdge, ProxyHabits, ProxyNotice, ProxyObserver};
use pulseless::subject::program;
use pulseless::world::{Engine, HostId, Leap, on_trial_thread};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const LATENCY: Latency = Latency::uniform(Duration::from_micros(100), Duration::from_millis(2));
/// A reader looks so often whether something has come.
const STEP: Duration = Duration::from_millis(1);
const PORT: u16 = 8080;
/// As in `backend.py`.
const LARGE: usize = 300_000;

/// What came of a script.
pub struct Told {
    /// What it says when all is over, and whether it likes it.
    pub verdict: String,
    pub is_content: bool,
    /// So many worlds were played.
    pub worlds: usize,
    /// Every answer that it got, with its time.
    pub answers: Vec<String>,
}

/// Lets a script play against a proxy that is so controlled, with a world for each of its connections.
pub fn play(script: &mut Command, seed: u64, control: impl Fn() -> Control + Sync) -> Told {
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python runs");
    let pipes = child.stdin.take().zip(child.stdout.take());
    let (orders, answers) = pipes.map(|(to, from)| (BufReader::new(from), to)).expect("both are piped");
    let mut line = Line { orders, answers, said: Vec::new() };
    let mut worlds = 0;
    loop {
        match line.order() {
            Order::Dial => worlds += 1,
            Order::Over => break,
            order @ (Order::Send(_) | Order::Read(_) | Order::Close) => panic!("{order:?} without a connection"),
        }
        on_trial_thread(seed, || World::new(seed, control()).play(&mut line)).expect("nothing of a trial panics");
    }
    let mut verdict = String::new();
    line.orders.read_to_string(&mut verdict).expect("UTF-8");
    let is_content = child.wait().expect("it ends").success();
    Told { verdict, is_content, worlds, answers: line.said }
}

/// What a script wants done.
#[derive(Debug)]
enum Order {
    Dial,
    Send(Vec<u8>),
    /// To wait so long at most for what comes.
    Read(Duration),
    Close,
    Over,
}

/// The way to a script and back.
struct Line {
    orders: BufReader<ChildStdout>,
    answers: ChildStdin,
    said: Vec<String>,
}

impl Line {
    fn order(&mut self) -> Order {
        let mut line = String::new();
        self.orders.read_line(&mut line).expect("UTF-8");
        match line.trim_end().split_once(' ').unwrap_or((line.trim_end(), "")) {
            ("dial", _) => Order::Dial,
            ("send", octets) => Order::Send(from_hex(octets)),
            ("read", nanos) => Order::Read(Duration::from_nanos(nanos.parse().expect("a number"))),
            ("close", _) => Order::Close,
            ("over", _) => Order::Over,
            _ => panic!("no order: {line:?}"),
        }
    }

    fn answer(&mut self, answer: String) {
        writeln!(self.answers, "{answer}").expect("the script lives");
        self.said.push(answer);
    }
}

fn from_hex(octets: &str) -> Vec<u8> {
    let octet = |at: usize| u8::from_str_radix(&octets[at..at + 2], 16).expect("two digits");
    (0..octets.len()).step_by(2).map(octet).collect()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02x}").expect("a String takes all");
        text
    })
}

/// A client, the proxy, and the server behind it.
struct World {
    leap: Leap,
    client: HostId,
    to_client: UnboundedSender<Vec<u8>>,
    /// What came to the client; it ends with the connection.
    came: UnboundedReceiver<Vec<u8>>,
}

impl World {
    fn new(seed: u64, control: Control) -> Self {
        let mut leap = Leap::new(seed, LATENCY);
        let [(to_client, told), (tell, came)] = [unbounded_channel(), unbounded_channel()];
        let server = leap.add_host("server", program(serve));
        let proxy = leap.add_host("proxy", program(move |env| pass(env, control.clone())));
        let ends = Cell::new(Some((told, tell)));
        let client = leap.add_host("client", program(move |env| carry(env, ends.take().expect("one life"))));
        for host in [server, proxy, client] {
            leap.start(host);
            leap.run_until(Duration::ZERO).expect("it listens");
        }
        World { leap, client, to_client, came }
    }

    /// Does what it is told until the connection is to be closed.
    fn play(mut self, line: &mut Line) {
        loop {
            match line.order() {
                Order::Send(octets) => self.send(octets),
                Order::Read(patience) => line.answer(self.read(patience)),
                Order::Close => return,
                order @ (Order::Dial | Order::Over) => panic!("{order:?} before the end of a connection"),
            }
        }
    }

    fn send(&mut self, octets: Vec<u8>) {
        let to_client = self.to_client.clone();
        // Where the proxy has closed, nobody takes it.
        let order = Box::new(move || drop(to_client.send(octets)));
        self.leap.order(self.client, order).expect("no host breaks down");
    }

    fn read(&mut self, patience: Duration) -> String {
        let until = self.leap.clock().now() + patience;
        loop {
            let now = self.leap.clock().now();
            match self.came.try_recv() {
                Ok(octets) => return format!("{} octets {}", now.as_nanos(), hex(&octets)),
                Err(TryRecvError::Disconnected) => return format!("{} end", now.as_nanos()),
                Err(TryRecvError::Empty) if now >= until => return format!("{} nothing", now.as_nanos()),
                Err(TryRecvError::Empty) => self.leap.run_until(until.min(now + STEP)).expect("no host breaks down"),
            }
        }
    }
}

type Ended = Result<(), String>;

/// The client: it dials, writes what it is told, and tells what comes.
async fn carry(env: Env, (mut told, tell): (UnboundedReceiver<Vec<u8>>, UnboundedSender<Vec<u8>>)) -> Ended {
    let socket = env.dial(&Address::new("proxy", PORT)).await.map_err(|error| error.to_string())?;
    let (mut from, mut to) = tokio::io::split(socket);
    tokio::spawn(async move {
        while let Some(octets) = told.recv().await {
            // Where the proxy has closed, the reader finds the end.
            if to.write_all(&octets).await.is_err() {
                break;
            }
        }
    });
    let mut octets = vec![0; 1 << 16];
    while let Ok(size @ 1..) = from.read(&mut octets).await {
        drop(tell.send(octets[..size].to_vec()));
    }
    drop(tell);
    pending().await
}

struct Nobody;

impl ProxyObserver for Nobody {
    fn notice(&self, _: ProxyNotice) {}
}

/// The proxy, as `pulseless proxy` has it where nothing is said.
async fn pass(env: Env, control: Control) -> Ended {
    let config = ProxyConfig {
        port: PORT,
        upstream: Address::new("server", PORT),
        tcp: TcpOptions::default(),
        control,
        habits: ProxyHabits::default(),
        edge: ProxyEdge::default(),
    };
    proxy::serve(env, config, Arc::new(Nobody)).await.map_err(|error| error.to_string())
}

/// The server: what `backend.py` does for the cases.
async fn serve(env: Env) -> Ended {
    let mut listener = env.listen(PORT).await.map_err(|error| error.to_string())?;
    loop {
        let socket = listener.accept().await.map_err(|error| error.to_string())?;
        tokio::spawn(async move {
            let mut connection = h2::server::handshake(socket).await?;
            while let Some(Ok((request, respond))) = connection.accept().await {
                tokio::spawn(answer(request, respond));
            }
            Ok::<(), h2::Error>(())
        });
    }
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    if head.uri.path() == "/never" {
        return pending().await;
    }
    let mut octets = Vec::new();
    while let Some(piece) = body.data().await.transpose()? {
        body.flow_control().release_capacity(piece.len())?;
        octets.extend(piece);
    }
    let response = Response::builder();
    if head.method == Method::HEAD {
        let response = response.header("content-length", 4).body(()).expect("good headers");
        return respond.send_response(response, true).map(drop);
    }
    let response = response.header("x-backend", "yes").body(()).expect("good headers");
    let mut stream = respond.send_response(response, false)?;
    match head.uri.path() {
        "/large" => end(stream, vec![0; LARGE].into()),
        "/echo" => {
            stream.send_data(octets.into(), false)?;
            let came = body.trailers().await?.unwrap_or_default();
            let own = |(name, _): &(&http::HeaderName, _)| name.as_str().starts_with("x-");
            let mut trailers: HeaderMap = head
                .headers
                .iter()
                .chain(&came)
                .filter(own)
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            trailers.insert("x-end", "yes".parse().expect("a good value"));
            stream.send_trailers(trailers)
        }
        _ => end(stream, "test".into()),
    }
}

/// The end has a frame of its own.
fn end(mut stream: SendStream<Bytes>, octets: Bytes) -> Result<(), h2::Error> {
    stream.send_data(octets, false)?;
    stream.send_data(Bytes::new(), true)
}
