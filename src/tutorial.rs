//! Five minutes, from an empty crate to a test that passes, a seed that fails, its story and its page; then many seeds.
//!
//! # 1. A crate
//!
//! ```sh
//! cargo new --lib numbers && cd numbers
//! cargo add tokio --features rt,net,io-util,time
//! cargo add pulseless --path ../pulseless --no-default-features
//! mkdir .cargo
//! printf '[build]\nrustflags = ["--cfg", "tokio_unstable"]\n' > .cargo/config.toml
//! ```
//!
//! pulseless is among the dependencies because the program below calls it. One that says what it has produced and delivered by
//! `tracing` has it for its tests alone, `cargo add --dev`. The features of tokio are those that the program uses.
//!
//! The flag lets tokio's own choices be seeded. In a workspace the file stands beside the workspace's `Cargo.toml`.
//!
//! # 2. A test
//!
//! The program of [the first page](crate), all that stands before its test, goes into `src/lib.rs`, and this into
//! `tests/numbers.rs`:
//!
//! ```no_run
//! # mod numbers {
//! #     pub async fn serve() {}
//! #     pub async fn follow(_: std::time::Duration) {}
//! # }
//! use numbers::{follow, serve};
//! use pulseless::{Durations, Proxy, Trial, Trouble};
//!
//! #[test]
//! # fn compiled_below() {}
//! fn numbers_survive_a_silent_proxy() {
//!     let outcome = Trial::new(7)
//!         .host("server", serve)
//!         .proxy("edge", Proxy::to("server:7000").set("layer", "tcp"))
//!         .host("client", || follow(20.seconds()))
//!         .fault(Trouble::silence("edge").at(2.minutes()).lasting(10.minutes()))
//!         .run(20.minutes());
//!     outcome.assert_delivered("numbers");
//! }
//! # numbers_survive_a_silent_proxy();
//! ```
//!
//! `cargo test` builds for some minutes, and plays twenty minutes in a fraction of a second: the client waits for 20 seconds, and
//! dials again. [`TrialOutcome::story`](crate::TrialOutcome::story) tells what happened, and
//! [`digest`](crate::TrialOutcome::digest) is its fingerprint.
//!
//! Hosts find each other by the names that they have here, and a proxy listens on the port that it leads to. A proxy in front
//! of HTTP/2, and so of gRPC, needs no `layer`, and may have a profile: `Proxy::to("server:50051").profile("nginx")`.
//!
//! # 3. A failing seed
//!
//! Take the client's patience away, `follow(std::time::Duration::MAX)`. Now `cargo test` shows what the first page shows: the
//! verdict, the story with the instant at which the promise broke, what each judge says, and last the line that plays it again,
//! which works under `cargo nextest` too. With more before that line there is more:
//!
//! | | |
//! |---|---|
//! | `PULSELESS_REPORT=.` | writes a page, with the story, a timeline and all records |
//! | `PULSELESS_SHRINK=1` | makes the case small, and writes it as a sim and as a case |
//! | `PULSELESS_REPLAY=FILE` | plays a case, of those that failures leave in `target/pulseless-trials/` |
//!
//! # 4. Many seeds
//!
//! With patience the test passes again. Will it for every seed, and when other things go wrong as well? A storm has the seed draw
//! them:
//!
//! ```no_run
//! # async fn serve() {}
//! # async fn follow(_: std::time::Duration) {}
//! # use pulseless::{Durations, Proxy, Trial};
//! let numbers = Trial::new(7)
//!     .host("server", serve)
//!     .proxy("edge", Proxy::to("server:7000").set("layer", "tcp"))
//!     .host("client", || follow(20.seconds()));
//! numbers.storm(&["partitions", "loss", "silences"]).waive("leaks").sweep(20.minutes(), 1..101).assert_passed();
//! ```
//!
//! What does not pass is grouped by cause, with its seeds; the message has the story of the first. Without `waive` some of these
//! seeds fail, and rightly: behind a silent proxy the server never hears that its client has left, and holds the connection for
//! ever. It wants a keepalive.
//!
//! # 5. A judge of one's own
//!
//! The judges of streams go by [`produced`](crate::stranger::produced) and [`delivered`](crate::stranger::delivered), or by
//! events of `tracing` with those fields, which a [`StreamLayer`](crate::stranger::StreamLayer) takes. What else was promised,
//! a [`Checker`](crate::checker::Checker) of one's own judges by the [history](crate::history), and
//! [`Trial::checker`](crate::Trial::checker) brings it. To see that it can fail, plant a bug and let the test
//! [promise](crate::Trial::fails) that it finds it.
//!
//! # 6. A command line of one's own
//!
//! [`main_with`](crate::cli::main_with) makes a program of these hosts: sims in TOML name them, and `run`, `sweep`,
//! `shrink`, `grid`, `report` and the others are there. It needs the feature `cli` (`cargo add pulseless
//! --path ../pulseless --features cli`), and this is `src/main.rs`:
//!
//! ```no_run
//! # async fn serve() {}
//! # async fn follow(_: std::time::Duration) {}
//! use std::process::ExitCode;
//! use std::time::Duration;
//!
//! use pulseless::stranger::Strangers;
//!
//! fn main() -> ExitCode {
//!     let hosts = Strangers::new().host("server", serve).host("client", || follow(Duration::from_secs(20)));
//!     pulseless::cli::main_with(hosts)
//! }
//! ```
//!
//! `cargo run -- run numbers.toml` plays a sim; a test's own, made small, is one (`PULSELESS_SHRINK`).
//!
//! # 7. The other door
//!
//! Code of one's own may ask its [`Env`](crate::env::Env) for connections instead, which also goes on real TCP and on any
//! engine: [`HostSeat::env`](crate::stranger::HostSeat::env), and [`grpc`](crate::grpc) for tonic and hyper.
