//! Deterministic tests of streaming clients and servers, yours as they are, behind a network that lies.
//!
//! A client believes that it is connected. Between it and its server stands a proxy, which keeps the connection open and
//! answers for a server that is gone: TCP is healthy, HTTP/2 keepalive is healthy, and nothing arrives any more. Real
//! networks do that rarely and never twice. pulseless runs your hosts, programs on an unpatched tokio, in a small world that
//! it controls whole: their sockets, clocks, names, threads and entropy, the links between them, and proxies that behave,
//! and lie, as real ones do. Twenty minutes take a fraction of a second, one seed decides all that happens in them, and a
//! failure is a line that plays it again.
//!
//! # A program and its test
//!
//! The server sends a number every second, to whoever says from which one on. The client goes on where it was whenever its
//! connection ends. Nothing in them knows of a test, but for [`produced`](stranger::produced) and
//! [`delivered`](stranger::delivered), which say what is owed and what has come.
//!
//! ```
//! use std::io;
//! use std::time::Duration;
//!
//! use pulseless::stranger::{delivered, produced};
//! use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
//! use tokio::net::{TcpListener, TcpStream};
//! use tokio::time::{Instant, sleep, sleep_until, timeout};
//!
//! pub async fn serve() -> io::Result<()> {
//!     let (listener, begun) = (TcpListener::bind("0.0.0.0:7000").await?, Instant::now());
//!     let due = move |number: u64| sleep_until(begun + Duration::from_secs(number));
//!     tokio::spawn(async move {
//!         for number in 1.. {
//!             due(number).await;
//!             produced("numbers", number, number);
//!         }
//!     });
//!     loop {
//!         let (socket, _) = listener.accept().await?;
//!         tokio::spawn(async move {
//!             let (mut socket, mut line) = (BufReader::new(socket), String::new());
//!             socket.read_line(&mut line).await?;
//!             for number in line.trim().parse().map_err(io::Error::other)?.. {
//!                 due(number).await;
//!                 socket.write_all(format!("{number}\n").as_bytes()).await?;
//!             }
//!             io::Result::Ok(())
//!         });
//!     }
//! }
//!
//! pub async fn follow(patience: Duration) -> io::Result<()> {
//!     let mut next = 1;
//!     loop {
//!         // How a connection ends is no matter: there will be another.
//!         let _ = read(&mut next, patience).await;
//!         sleep(Duration::from_secs(1)).await;
//!     }
//! }
//!
//! async fn read(next: &mut u64, patience: Duration) -> io::Result<()> {
//!     let mut socket = TcpStream::connect("edge:7000").await?;
//!     socket.write_all(format!("{next}\n").as_bytes()).await?;
//!     let mut lines = BufReader::new(socket).lines();
//!     while let Some(line) = timeout(patience, lines.next_line()).await?? {
//!         delivered("numbers", line, *next);
//!         *next += 1;
//!     }
//!     Ok(())
//! }
//!
//! // The test.
//! use pulseless::{Durations, Proxy, Trial, Trouble};
//!
//! let play = |patience| {
//!     Trial::new(7)
//!         .host("server", serve)
//!         .proxy("edge", Proxy::to("server:7000").set("layer", "tcp"))
//!         .host("client", move || follow(patience))
//!         .fault(Trouble::silence("edge").at(2.minutes()).lasting(10.minutes()))
//!         .run(20.minutes())
//! };
//!
//! play(20.seconds()).assert_delivered("numbers");
//! # let told = play(Duration::MAX).story();
//! # for line in [
//! #     "2m  the proxy passes nothing for edge, and keeps the connections",
//! #     "12m  the proxy passes bytes again, and what has lost some stays silent;",
//! #     "at 1m 59.018s (record 361): commits stream:numbers #119. Proof:",
//! #     "18m  !! convergence fails here (G5), on client. Proof: record 366",
//! #     "1 held  never    never    1080  client",
//! #     "20m  the trial ends: 119 messages delivered to applications",
//! # ] {
//! #     assert!(told.contains(line), "no `{line}` in {told}");
//! # }
//! ```
//!
//! # What fails
//!
//! A client that waits for ever, `play(Duration::MAX)`, passes every test without a proxy. With this one its assertion fails,
//! and says:
//!
//! ```text
//! verdict  fail: liveness failed: client got nothing of stream:numbers for 1m though #840 was produced at 14m 0.001s and nothing was
//!          wrong; the last that it had got was #119, at 1m 59.018s
//! seed     7 (from the test)
//! case     …/numbers/target/pulseless-trials/numbers_survive_a_silent_proxy-seed-7.case.json
//!
//! story
//!       1.029s  client: gets its first message of stream:numbers, #1
//!           2m  the proxy passes nothing for edge, and keeps the connections open:
//!               at either end only a watchdog can tell
//!          12m  the proxy passes bytes again, and what has lost some stays silent;
//!               600 messages were produced into the dead window
//!   15m 0.001s  !! liveness fails here (G6), on client. The last that reached it,
//!               at 1m 59.018s (record 361): commits stream:numbers #119. Proof:
//!               records 361, 1087
//!          18m  !! convergence fails here (G5), on client. Proof: record 366
//!          20m  the trial ends: 119 messages delivered to applications
//!
//! who knew when
//!  connections    TCP  program  missed
//!           2m  fault 1: proxy-silence-upstream: at either end only a watchdog can
//!               tell
//!       1 held  never    never    1080  client
//! ...
//! again    PULSELESS_SEED=7 cargo test -p numbers --test numbers numbers_survive_a_silent_proxy -- --exact
//! ```
//!
//! [The tutorial](tutorial) goes from an empty crate to this, and on to many seeds, storms, judges of one's own and the
//! command line.
//!
//! # Concepts
//!
//! | | |
//! |---|---|
//! | a [`Trial`] | hosts, proxies, faults and a seed, played to their end; a [`TrialOutcome`] says what came of it |
//! | a host | a program of yours, one process at a time, [called anew](Trial::host) for each; its [seat](stranger::HostSeat) has its name, settings and surroundings |
//! | two doors | code gets into a world as it is, or [by an `Env`](env::Env); for tonic and hyper: [`grpc`] |
//! | a [`Proxy`] | ours, which passes HTTP/2 or bytes, has the [profile] of nginx, Envoy, HAProxy, a cloud's load balancer, and lies when [told](Trouble) |
//! | [faults](fault) | of proxies, processes, hosts, clocks, names, links, disks; a [storm](Trial::storm) has the seed draw them |
//! | the [history] | what was seen, in order, and its [digest](history::Digest): the same seed, the same digest |
//! | [checkers](checker) | judge a history: [no gap, no duplicate, order, convergence, liveness, leaks](stranger), and [your own](checker::Checker) |
//! | the [ladder] | who knew when that a stream was dead: TCP, HTTP/2, the application |
//! | a [sim] | a trial as a file; a [case](runner::Case) is one that was played, and plays again |
//! | a [campaign] | many seeds: swept, grouped by cause, made small, told in [reports](report) |
//! | the [world] | the engines that play it, for whoever wants one bare |
//! | a [subject] | a protocol with its hosts, settings and judges, put into the world; [`Strangers`](stranger::Strangers) are one |
//!
//! # Features
//!
//! | feature | by default | what it brings |
//! |---|---|---|
//! | `cli` | yes | the command line, for the program of a guest as well ([`main_with`](cli::main_with)), and reports as packets, traces and JUnit |
//! | `xmtp` | yes | the protocol that we test ourselves, and its program `pulseless node` and others |
//! | `turmoil` | yes | a second engine, as an opinion |
//! | `grpc` | with `xmtp` | connections for tonic and hyper over an [`Env`](env::Env) |
//! | `tls` | with `cli`, `xmtp` | TLS of the proxy; it wants a C compiler |
//!
//! A test takes `default-features = false`: all of this page's example and the tutorial. It costs less than half of the whole.
//!
//! # What a crate needs
//!
//! Linux with glibc, and tokio's own choices seeded, for which tokio wants a flag: in `.cargo/config.toml`
//!
//! ```toml
//! [build]
//! rustflags = ["--cfg", "tokio_unstable"]
//! ```
//!
//! Without it everything is built, and the first trial is refused with these words.

// What a feature alone uses is dead without it. What is dead with all of them, the lint of a whole build tells.
#![cfg_attr(not(all(feature = "cli", feature = "xmtp")), allow(dead_code, unused_imports, reason = "of features"))]

#[cfg(feature = "cli")]
pub mod admin;
#[cfg(feature = "xmtp")]
pub mod append_log;
pub mod campaign;
pub mod cast;
pub mod channel;
pub mod checker;
#[cfg(feature = "cli")]
pub mod cli;
pub mod env;
pub mod fault;
pub mod grammar;
#[cfg(feature = "grpc")]
pub mod grpc;
pub mod harness;
pub mod history;
pub mod http2;
pub mod ladder;
pub mod lie;
pub mod os;
pub mod profile;
pub mod proxy;
pub mod report;
pub mod runner;
pub mod sim;
pub mod subject;
pub mod trial;
pub mod tutorial;
pub mod world;

pub use harness::{Durations, Proxy, SweptTrials, Trial, TrialOutcome, Trouble};
pub use subject::stranger;
