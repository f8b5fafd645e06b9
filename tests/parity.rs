//! One script of socket behaviour, played on the real kernel and in the leap engine: what it sees must be the same.
//!
//! Kinds of errors, ends of streams and their order are compared; times and numbers of bytes are not. Where the
//! kernel disagrees with the model, the model is wrong. On the real kernel a server that is to be harmed is a child
//! process: this binary again, told by the environment which scene it plays.

use std::collections::BTreeSet;
use std::future::Future;
use std::io::{self, BufRead, BufReader};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pulseless::env::{Address, Env, Listener, Socket, Surroundings};
use pulseless::fault::{Death, Fault, HostHarm, Latency};
use pulseless::os::Os;
use pulseless::world::{Engine, Leap, on_trial_thread};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Tells a child process which scene it serves.
const SCENE: &str = "PULSELESS_PARITY_SCENE";
/// A child says its port behind this word.
const PORT: &str = "listening on ";
/// Far more than any scene takes: a bug fails the test instead of hanging it.
const PATIENCE: Duration = Duration::from_secs(60);
/// A writer that has not got on for so long is stopped: the buffers of loopback take a few milliseconds to fill.
const STOPPED: Duration = Duration::from_secs(1);
/// More than any buffers of a connection hold: Linux's grow to 4 and 6 MiB (tcp(7)).
const LARGE: usize = 32 << 20;

type Run = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// What a program of the script has at hand.
#[derive(Clone)]
struct Stage {
    env: Env,
    /// The server.
    address: Address,
    seen: Arc<Mutex<Vec<String>>>,
    /// What is to be done to the server, and when it was done.
    harm: mpsc::UnboundedSender<(Harm, mpsc::UnboundedSender<()>)>,
}

/// What is done to the server's process.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Kill,
    Pause,
    GoOn,
}

impl Stage {
    fn see(&self, what: impl Into<String>) {
        self.seen.lock().expect("not poisoned").push(what.into());
    }

    /// Notes how a call ended: its number of bytes only as far as it is none.
    fn see_outcome(&self, call: &str, outcome: &io::Result<usize>) {
        match outcome {
            Ok(0) => self.see(format!("{call}: end")),
            Ok(_) => self.see(format!("{call}: bytes")),
            Err(error) => self.see(format!("{call}: {:?}", error.kind())),
        }
    }

    async fn dial(&self) -> io::Result<Socket> {
        self.env.dial(&self.address).await
    }

    async fn do_to_server(&self, harm: Harm) {
        let (done, mut is_done) = mpsc::unbounded_channel();
        self.harm.send((harm, done)).expect("somebody directs");
        is_done.recv().await.expect("it is done");
    }
}

/// One scene: what the server does with each connection, and the client's part.
struct Scene {
    name: &'static str,
    is_harmed: bool,
    serve: fn(Socket) -> Run,
    play: fn(Stage) -> Run,
}

const SCENES: &[Scene] = &[
    Scene { name: "refused connect", is_harmed: true, serve: hold, play: be_refused },
    Scene { name: "half-close", is_harmed: false, serve: answer_at_the_end, play: half_close },
    Scene { name: "close with unread data", is_harmed: false, serve: close_unread, play: be_reset },
    Scene { name: "write to a closed peer", is_harmed: false, serve: close, play: write_to_closed },
    Scene { name: "peer killed", is_harmed: true, serve: hold, play: outlive },
    Scene { name: "peer killed with unread data", is_harmed: true, serve: hold, play: outlive_reset },
    Scene { name: "peer paused", is_harmed: true, serve: drain, play: wait_for_paused },
    Scene { name: "connect to a paused peer", is_harmed: true, serve: echo, play: dial_paused },
    Scene { name: "slow reader", is_harmed: false, serve: drain_slowly, play: send_large },
    Scene { name: "large transfer", is_harmed: false, serve: echo, play: transfer },
    Scene { name: "many connections", is_harmed: false, serve: echo, play: connect_often },
    Scene { name: "write after shutdown", is_harmed: false, serve: drain, play: write_after_shutdown },
];

/// Says that it is there, so that the client's next step finds it accepted.
async fn greet(socket: &mut Socket) -> io::Result<()> {
    socket.write_all(b"!").await
}

async fn be_greeted(socket: &mut Socket) -> io::Result<()> {
    socket.read_exact(&mut [0]).await.map(|_| ())
}

fn hold(mut socket: Socket) -> Run {
    Box::pin(async move {
        greet(&mut socket).await?;
        std::future::pending().await
    })
}

fn close(mut socket: Socket) -> Run {
    Box::pin(async move { greet(&mut socket).await })
}

fn close_unread(mut socket: Socket) -> Run {
    Box::pin(async move {
        greet(&mut socket).await?;
        // The first byte of more: the rest is here and unread when the socket is closed.
        be_greeted(&mut socket).await
    })
}

fn answer_at_the_end(mut socket: Socket) -> Run {
    Box::pin(async move {
        let mut all = Vec::new();
        socket.read_to_end(&mut all).await?;
        socket.write_all(&all).await?;
        socket.shutdown().await?;
        std::future::pending().await
    })
}

fn echo(socket: Socket) -> Run {
    Box::pin(async move {
        let (mut read, mut write) = tokio::io::split(socket);
        tokio::io::copy(&mut read, &mut write).await?;
        write.shutdown().await
    })
}

fn drain(mut socket: Socket) -> Run {
    Box::pin(async move {
        greet(&mut socket).await?;
        tokio::io::copy(&mut socket, &mut tokio::io::sink()).await.map(|_| ())
    })
}

fn drain_slowly(mut socket: Socket) -> Run {
    Box::pin(async move {
        let mut buffer = vec![0; 1 << 20];
        while socket.read(&mut buffer).await? > 0 {
            sleep(Duration::from_millis(2)).await;
        }
        socket.write_all(b"all read").await
    })
}

fn be_refused(stage: Stage) -> Run {
    Box::pin(async move {
        stage.do_to_server(Harm::Kill).await;
        let refusal = stage.dial().await.expect_err("nobody listens");
        stage.see(format!("connect: {:?}", refusal.kind()));
        Ok(())
    })
}

fn half_close(stage: Stage) -> Run {
    Box::pin(async move {
        let mut socket = stage.dial().await?;
        socket.write_all(b"question").await?;
        socket.shutdown().await?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await?;
        stage.see(String::from_utf8_lossy(&answer));
        let outcome = socket.read(&mut [0; 8]).await;
        stage.see_outcome("read", &outcome);
        Ok(())
    })
}

fn be_reset(stage: Stage) -> Run {
    Box::pin(async move {
        let mut socket = stage.dial().await?;
        be_greeted(&mut socket).await?;
        socket.write_all(b"never read").await?;
        for call in ["read", "read again"] {
            let outcome = socket.read(&mut [0; 8]).await;
            stage.see_outcome(call, &outcome);
        }
        let outcome = socket.write(b"more").await;
        stage.see_outcome("write", &outcome);
        Ok(())
    })
}

fn write_to_closed(stage: Stage) -> Run {
    Box::pin(async move {
        let mut socket = stage.dial().await?;
        be_greeted(&mut socket).await?;
        let outcome = socket.read(&mut [0; 8]).await;
        stage.see_outcome("read", &outcome);
        let outcome = socket.write(b"into the void").await;
        stage.see_outcome("write", &outcome);
        stage.see(format!("write: {:?}", write_until_it_fails(&mut socket).await));
        let outcome = socket.read(&mut [0; 8]).await;
        stage.see_outcome("read", &outcome);
        Ok(())
    })
}

/// RST is on its way: the first write after it fails.
async fn write_until_it_fails(socket: &mut Socket) -> io::ErrorKind {
    loop {
        sleep(Duration::from_millis(50)).await;
        if let Err(error) = socket.write(b"?").await {
            return error.kind();
        }
    }
}

fn outlive(stage: Stage) -> Run {
    Box::pin(async move {
        let mut socket = stage.dial().await?;
        be_greeted(&mut socket).await?;
        stage.do_to_server(Harm::Kill).await;
        let outcome = socket.read(&mut [0; 8]).await;
        stage.see_outcome("read", &outcome);
        stage.see(format!("write: {:?}", write_until_it_fails(&mut socket).await));
        Ok(())
    })
}

fn outlive_reset(stage: Stage) -> Run {
    Box::pin(async move {
        let mut socket = stage.dial().await?;
        be_greeted(&mut socket).await?;
        socket.write_all(b"never read").await?;
        // On a network, the bytes are there before the death is.
        sleep(Duration::from_millis(200)).await;
        stage.do_to_server(Harm::Kill).await;
        for call in ["read", "read again"] {
            let outcome = socket.read(&mut [0; 8]).await;
            stage.see_outcome(call, &outcome);
        }
        Ok(())
    })
}

fn wait_for_paused(stage: Stage) -> Run {
    Box::pin(async move {
        let mut socket = stage.dial().await?;
        be_greeted(&mut socket).await?;
        stage.do_to_server(Harm::Pause).await;
        let (chunk, mut written) = (vec![7; 1 << 16], 0);
        while let Ok(outcome) = timeout(STOPPED, socket.write(&chunk)).await {
            written += outcome?;
        }
        stage.see(if written > 0 { "stopped after some bytes" } else { "stopped at once" });
        stage.do_to_server(Harm::GoOn).await;
        socket.write_all(&vec![7; LARGE]).await?;
        stage.see("written");
        socket.shutdown().await?;
        let outcome = socket.read(&mut [0; 8]).await;
        stage.see_outcome("read", &outcome);
        Ok(())
    })
}

fn dial_paused(stage: Stage) -> Run {
    Box::pin(async move {
        stage.do_to_server(Harm::Pause).await;
        // The kernel shakes hands for the process.
        let mut socket = stage.dial().await?;
        stage.see("connected");
        socket.write_all(b"hello").await?;
        let mut heard = [0; 5];
        let silence = timeout(STOPPED, socket.read_exact(&mut heard)).await;
        stage.see(if silence.is_err() { "silence" } else { "an answer" });
        stage.do_to_server(Harm::GoOn).await;
        socket.read_exact(&mut heard).await?;
        stage.see(String::from_utf8_lossy(&heard));
        Ok(())
    })
}

fn send_large(stage: Stage) -> Run {
    Box::pin(async move {
        let mut socket = stage.dial().await?;
        socket.write_all(&vec![7; LARGE]).await?;
        socket.shutdown().await?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await?;
        stage.see(String::from_utf8_lossy(&answer));
        Ok(())
    })
}

fn transfer(stage: Stage) -> Run {
    Box::pin(async move {
        let sent: Vec<u8> = (0..LARGE).map(|at| (at % 251) as u8).collect();
        let (mut read, mut write) = tokio::io::split(stage.dial().await?);
        let mut heard = Vec::new();
        let send = async {
            write.write_all(&sent).await?;
            write.shutdown().await
        };
        let (written, received) = tokio::join!(send, read.read_to_end(&mut heard));
        written.and(received)?;
        stage.see(if heard == sent { "whole" } else { "garbled" });
        Ok(())
    })
}

fn connect_often(stage: Stage) -> Run {
    Box::pin(async move {
        let mut tasks = JoinSet::new();
        for number in 0..200u32 {
            let stage = stage.clone();
            tasks.spawn(async move {
                let mut socket = stage.dial().await?;
                socket.write_all(&number.to_be_bytes()).await?;
                io::Result::Ok(socket.read_u32().await? == number)
            });
        }
        let right = tasks.join_all().await.into_iter().filter(|echo| matches!(echo, Ok(true))).count();
        stage.see(format!("{right} of 200"));
        Ok(())
    })
}

fn write_after_shutdown(stage: Stage) -> Run {
    Box::pin(async move {
        let mut socket = stage.dial().await?;
        be_greeted(&mut socket).await?;
        socket.shutdown().await?;
        let outcome = socket.write(b"late").await;
        stage.see_outcome("write", &outcome);
        let outcome = socket.read(&mut [0; 8]).await;
        stage.see_outcome("read", &outcome);
        Ok(())
    })
}

async fn serve(mut listener: Listener, serve: fn(Socket) -> Run) -> io::Result<()> {
    let mut tasks = JoinSet::new();
    loop {
        let socket = listener.accept().await?;
        // How a connection of the server ends is the client's to see.
        tasks.spawn(serve(socket));
    }
}
