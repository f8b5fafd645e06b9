//! A guest: callers send numbered lines over TCP, and a server stores each and sends it back.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pulseless::cast::{Abilities, Cast, HostName, Member};
use pulseless::channel::{Channel, Cursor, MessageId, Position};
use pulseless::checker::{Checker, Delivery, Liveness, Requirement};
use pulseless::env::{Address, Env, Socket};
use pulseless::grammar::Section;
use pulseless::history::{BackoffSteps, Beat, Bounds, EndCause, Event, Recorder, key_of};
use pulseless::subject::*;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(30);
const E1: Requirement = Requirement { number: "E1", sentence: "Each line comes back once, in order." };
const E2: Requirement = Requirement { number: "E2", sentence: "A caller that hears nothing for 30 s calls again." };
const DELIVERY: Delivery = Delivery { cites: &[E1], start: E1, order: E1, resume: E1, stored: E1 };
const LIVENESS: Liveness = Liveness { cites: &[E2], watchdog: E2, pong: E2, older: None };
pub const SUBJECTS: Subjects = Subjects::new(&[&Echo]);

struct Echo;

impl Subject for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }
    fn requirements(&self) -> &'static [Requirement] {
        &[E1, E2]
    }
    fn checkers(&self) -> &'static [&'static dyn Checker] {
        &[&DELIVERY, &LIVENESS]
    }
    fn read(&self, file: &mut Section<'_>) -> Reading {
        let mut section = file.section("cast");
        let callers = section.optional("callers", 1, |entry| entry.number(1..=100));
        let skips = section.optional("skips", false, |entry| entry.boolean());
        section.finish();
        let Some((callers, skips)) = callers.zip(skips) else { return Reading { cast: None, setup: None } };
        let setup = EchoSetup { cast: cast(callers.value), skips: skips.value };
        Reading { cast: Some(setup.cast.clone()), setup: Some(Arc::new(setup)) }
    }
}

fn cast(callers: u32) -> Cast {
    let accepts = Abilities { accepts: true, carries: true, ..Abilities::default() };
    let server = Member { name: "server".into(), abilities: accepts, dials: vec![] };
    let calls = |name| Member { name, abilities: Abilities::default(), dials: vec!["server".into()] };
    let callers = (1..=callers).map(|number| calls(HostName::numbered("caller", number)));
    Cast::new(std::iter::once(server).chain(callers).collect())
}

#[derive(Debug)]
struct EchoSetup {
    cast: Cast,
    skips: bool,
}

impl Setup for EchoSetup {
    fn cast(&self) -> &Cast {
        &self.cast
    }
    fn roles(&self, _times: TrialTimes) -> Vec<Box<dyn Role>> {
        let hosts = |role| self.cast.of_role(role).into_iter().cloned().collect();
        let skips = self.skips;
        let server = PlainRole::new(hosts("server"), Entrance::Listening, |_, seat| {
            let recorder = seat.recorder.clone();
            program(move |env| serve(env, recorder.begin_life()))
        });
        let callers = PlainRole::new(hosts("caller"), Entrance::AtOnce, move |_, seat| {
            let recorder = seat.recorder.clone();
            program(move |env| call_for_ever(env, recorder.begin_life(), skips))
        });
        vec![server, callers]
    }
    fn expectations(&self) -> Expectations {
        let follows = |name: &HostName| (name.clone(), vec![Position { channel: lines(name), cursor: Cursor(0) }]);
        let follows = self.cast.of_role("caller").into_iter().map(follows).collect();
        Expectations {
            keepalive: PATIENCE / 3,
            intervals: 3,
            follows,
            denied: Vec::new(),
            old_servers: false,
            silent_servers: false,
            proxies_end_streams: false,
            backoff: BackoffSteps::default(),
            pong_within: None,
            bounds: Bounds::Usual,
            consume: Duration::ZERO,
        }
    }
}

fn lines(caller: &str) -> Channel {
    Channel::new(caller, "lines")
}

async fn serve(env: Env, recorder: Recorder) -> Result<(), String> {
    let stored = Stored::default();
    let mut listener = env.listen(7).await.map_err(|error| error.to_string())?;
    while let Ok(socket) = listener.accept().await {
        tokio::spawn(answer(BufReader::new(socket), recorder.clone(), stored.clone()));
    }
    Ok(())
}

type Stored = Arc<Mutex<BTreeSet<(String, MessageId)>>>;

/// A line is its caller and its number; one that was stored before is only sent back.
async fn answer(mut socket: BufReader<Socket>, recorder: Recorder, stored: Stored) -> io::Result<()> {
    let mut line = String::new();
    while socket.read_line(&mut line).await? > 0 {
        let (caller, number) = line.trim_end().split_once(' ').unwrap_or_default();
        let (id, key) = (MessageId(number.parse().unwrap_or_default()), key_of(line.as_bytes()));
        if stored.lock().expect("nobody panics").insert((caller.to_owned(), id)) {
            recorder.record(Event::Stored { channel: lines(caller), id, key });
        }
        socket.write_all(line.as_bytes()).await?;
        line.clear();
    }
    Ok(())
}

async fn call_for_ever(env: Env, recorder: Recorder, skips: bool) -> Result<(), String> {
    let (mut next, mut attempt) = (1, 0);
    loop {
        attempt += 1;
        recorder.record(Event::Dialing { attempt });
        let ended = call(&env, &recorder, attempt, &mut next).await;
        let (cause, words) = ended.unwrap_or_else(|error| (EndCause::StreamFailed, error.to_string()));
        recorder.record(Event::Ended { attempt, cause, words: words.into() });
        next += u64::from(skips);
        sleep(Duration::from_secs(1) + env.dice().up_to(Duration::from_secs(1))).await;
    }
}

/// Calls once, from line `next` on, until nothing comes back or the connection ends.
async fn call(env: &Env, recorder: &Recorder, attempt: u64, next: &mut u64) -> io::Result<(EndCause, String)> {
    let channel = lines(recorder.host());
    let mut socket = BufReader::new(timeout(PATIENCE, env.dial(&Address::new("server", 7))).await??);
    let resume = vec![Position { channel: channel.clone(), cursor: Cursor(*next - 1) }];
    recorder.record(Event::Opened { attempt, resume });
    recorder.record(Event::Started { attempt });
    loop {
        let (line, mut back) = (format!("{} {next}\n", recorder.host()), String::new());
        socket.write_all(line.as_bytes()).await?;
        let Ok(heard) = timeout(PATIENCE, socket.read_line(&mut back)).await else {
            recorder.record(Event::WatchdogTripped { attempt, silent_for: PATIENCE });
            return Ok((EndCause::Watchdog, "watchdog".into()));
        };
        let true = heard? > 0 else { return Ok((EndCause::StreamEnded, "stream ended".into())) };
        recorder.record(Event::Beat { beat: Beat::Heard { attempt }, nonce: None });
        let messages = vec![(channel.clone(), MessageId(*next), key_of(line.as_bytes()))];
        recorder.record(Event::Delivered { attempt, messages });
        *next += 1;
        sleep(Duration::from_secs(1)).await;
    }
}
