//! One script of socket behavior, played on the real kernel and in the leap engine: what it sees must be the same.
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
use pulseless::fault::{self, Death, ProcessHarm};
use pulseless::grammar::Latency;
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
    Scene { name: "last words before a reset", is_harmed: false, serve: answer_unread, play: hear_last_words },
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

fn answer_unread(mut socket: Socket) -> Run {
    Box::pin(async move {
        greet(&mut socket).await?;
        be_greeted(&mut socket).await?;
        // In one breath: the words, the end, and the reset over what was not read.
        socket.write_all(b"last words").await?;
        socket.shutdown().await
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

fn hear_last_words(stage: Stage) -> Run {
    Box::pin(async move {
        let mut socket = stage.dial().await?;
        be_greeted(&mut socket).await?;
        socket.write_all(b"hardly read").await?;
        let mut words = [0; 10];
        socket.read_exact(&mut words).await?;
        stage.see(String::from_utf8_lossy(&words));
        let outcome = socket.read(&mut [0; 8]).await;
        stage.see_outcome("read", &outcome);
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

/// By which door the programs of the script reach the simulated network.
#[derive(Clone, Copy, Debug)]
enum Door {
    /// The surroundings of a trial.
    Surroundings,
    /// tokio's own sockets, which were never told of a trial.
    Interposed,
}

impl Door {
    fn open(self, env: Env) -> Env {
        match self {
            Door::Surroundings => env,
            Door::Interposed => Arc::new(Os::default().listening_on("0.0.0.0")),
        }
    }
}

/// The script in the leap engine.
fn play_in_leap(scene: &'static Scene, door: Door) -> Vec<String> {
    const SERVER: &str = "server";
    /// How often somebody looks whether the client wants the server harmed.
    const STEP: Duration = Duration::from_millis(10);
    on_trial_thread(7, || {
        let (harm, mut wanted) = mpsc::unbounded_channel();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let is_over = Arc::new(Mutex::new(false));
        let mut leap = Leap::new(7, Latency::uniform(Duration::from_micros(100), Duration::from_millis(2)));
        let server = leap.add_host(
            SERVER,
            Box::new(move |env| {
                Box::pin(async move {
                    let listener = door.open(env).listen(80).await.map_err(|error| error.to_string())?;
                    serve(listener, scene.serve).await.map_err(|error| error.to_string())
                })
            }),
        );
        let (noted, over) = (seen.clone(), is_over.clone());
        let client = leap.add_host(
            "client",
            Box::new(move |env| {
                let address = Address::new(SERVER, 80);
                let stage = Stage { env: door.open(env), address, seen: noted.clone(), harm: harm.clone() };
                let over = over.clone();
                Box::pin(async move {
                    (scene.play)(stage).await.map_err(|error| error.to_string())?;
                    *over.lock().expect("not poisoned") = true;
                    Ok(())
                })
            }),
        );
        leap.start(server);
        leap.run_until(STEP).expect("the server listens");
        leap.start(client);
        let pause = fault::Harm::Process { on: BTreeSet::from([SERVER.into()]), harm: ProcessHarm::Paused };
        while !*is_over.lock().expect("not poisoned") {
            let now = leap.clock().now();
            assert!(now < Duration::from_secs(3_600), "{} does not end", scene.name);
            leap.run_until(now + STEP).expect("nothing breaks down");
            while let Ok((harm, done)) = wanted.try_recv() {
                match harm {
                    Harm::Kill => assert!(leap.halt(server, Death::Killed)),
                    Harm::Pause => leap.begin(1, &pause),
                    Harm::GoOn => assert!(leap.end(1), "the pause was felt"),
                }
                let tell = move || done.send(()).expect("the client waits");
                leap.order(client, Box::new(tell)).expect("the client lives");
            }
        }
        drop(leap);
        Arc::into_inner(seen).expect("nobody else is left").into_inner().expect("not poisoned")
    })
    .expect("no panic")
}

/// A server in a process of its own, which dies with this value.
struct ServerProcess(Child);

impl ServerProcess {
    fn start(scene: &Scene) -> (Self, u16) {
        let mut child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["--exact", "a_server_process_serves_its_scene", "--nocapture"])
            .env(SCENE, scene.name)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("this binary runs");
        let said = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut ports = said.map_while(Result::ok).filter_map(|line| line.split_once(PORT)?.1.parse().ok());
        let port = ports.next().expect("the server says its port");
        (ServerProcess(child), port)
    }

    fn harm(&mut self, harm: Harm) {
        match harm {
            Harm::Kill => {
                self.0.kill().expect("it runs");
                self.0.wait().expect("it is dead");
            }
            Harm::Pause => {
                self.signal(libc::SIGSTOP);
                let (pid, mut status) = (self.pid(), 0);
                // SAFETY: `status` lives as long as the call, and the child is ours and not yet waited for.
                let stopped = unsafe { libc::waitpid(pid, &raw mut status, libc::WUNTRACED) };
                assert!(stopped == pid && libc::WIFSTOPPED(status), "it stands still");
            }
            Harm::GoOn => self.signal(libc::SIGCONT),
        }
    }

    fn signal(&self, signal: libc::c_int) {
        // SAFETY: the child was not waited for since it ran last, so its number is nobody else's.
        assert_eq!(unsafe { libc::kill(self.pid(), signal) }, 0, "it runs");
    }

    fn pid(&self) -> libc::pid_t {
        libc::pid_t::try_from(self.0.id()).expect("a process number of Linux")
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may be dead already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The script on the real kernel.
fn play_for_real(scene: &'static Scene) -> Vec<String> {
    let mut process = scene.is_harmed.then(|| ServerProcess::start(scene));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    runtime.block_on(async {
        let os = Os::default();
        let mut servers = JoinSet::new();
        let port = match &process {
            Some((_, port)) => *port,
            None => {
                let listener = os.listen(0).await.expect("a free port");
                let port = listener.local().port();
                servers.spawn(serve(listener, scene.serve));
                port
            }
        };
        let (harm, mut wanted) = mpsc::unbounded_channel::<(Harm, mpsc::UnboundedSender<()>)>();
        let address = Address::new("127.0.0.1", port);
        let stage = Stage { env: Arc::new(os), address, seen: seen.clone(), harm };
        let direct = async {
            while let Some((harm, done)) = wanted.recv().await {
                process.as_mut().expect("who is harmed is a process").0.harm(harm);
                done.send(()).expect("the client waits");
            }
        };
        let played = timeout(PATIENCE, async { tokio::join!((scene.play)(stage), direct).0 }).await;
        played.expect("it ends in time").unwrap_or_else(|error| panic!("{}: {error}", scene.name));
    });
    drop(process);
    drop(runtime);
    Arc::into_inner(seen).expect("nobody else is left").into_inner().expect("not poisoned")
}

/// Not a test: what a child process of this binary runs. Without a scene it has nothing to do.
#[test]
fn a_server_process_serves_its_scene() {
    let Ok(name) = std::env::var(SCENE) else { return };
    // SAFETY: it only asks the kernel to end this process with its parent.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let scene = SCENES.iter().find(|scene| scene.name == name).expect("a scene");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = Os::default().listen(0).await.expect("a free port");
        let said = format!("{PORT}{}\n", listener.local().port());
        io::Write::write_all(&mut io::stdout(), said.as_bytes()).expect("somebody reads");
        let served = timeout(PATIENCE, serve(listener, scene.serve)).await;
        assert!(served.is_err(), "it serves until it is killed");
    });
}

#[test]
fn the_model_and_the_kernel_agree_on_every_scene() {
    for scene in SCENES {
        let real = play_for_real(scene);
        assert!(!real.is_empty(), "{} saw nothing", scene.name);
        for door in [Door::Surroundings, Door::Interposed] {
            let simulated = play_in_leap(scene, door);
            assert_eq!(simulated, real, "{} by {door:?}: simulated on the left, real on the right", scene.name);
        }
    }
}
