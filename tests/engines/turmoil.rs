//! What the turmoil engine makes of hosts, deaths, orders and errors.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pulseless::env::{Address, Env};
use pulseless::fault::Death;
use pulseless::grammar::Latency;
use pulseless::world::{Clock, Engine, EngineError, Program, ProgramError, Turmoil, on_trial_thread};
use tokio::io::AsyncReadExt;
use tokio::sync::Notify;
use tokio::time::sleep;

const PORT: u16 = 5556;
const LATENCY: Latency = Latency::uniform(Duration::from_millis(1), Duration::from_millis(20));
/// A host listens at once and is dialed after this.
const MOMENT: Duration = Duration::from_millis(100);
/// Longer than everything on the way takes.
const WHILE: Duration = Duration::from_secs(1);

/// What a host saw, and when.
type Seen = Arc<Mutex<Vec<(Duration, String)>>>;

fn note(seen: &Seen, clock: &Clock, what: impl Into<String>) {
    seen.lock().expect("no panic").push((clock.now(), what.into()));
}

fn program<Run>(run: impl Fn(Env) -> Run + 'static) -> Program
where
    Run: Future<Output = Result<(), String>> + Send + 'static,
{
    Box::new(move |env| Box::pin(run(env)))
}

fn play<T: Send>(run: impl FnOnce(Turmoil) -> T + Send) -> T {
    on_trial_thread(7, || run(Turmoil::new(7, LATENCY, Turmoil::TICK))).expect("no panic")
}

fn listener() -> Program {
    program(|env| async move {
        let mut listener = env.listen(PORT).await.map_err(|error| error.to_string())?;
        let mut accepted = Vec::new();
        loop {
            accepted.push(listener.accept().await.map_err(|error| error.to_string())?);
        }
    })
}

/// Dials until it is connected, reads until the end, and again.
fn dialer(seen: Seen, clock: Clock) -> Program {
    program(move |env| {
        let (seen, clock) = (seen.clone(), clock.clone());
        async move {
            loop {
                sleep(MOMENT).await;
                match env.dial(&Address::new("listener", PORT)).await {
                    Err(error) => note(&seen, &clock, error.kind().to_string()),
                    Ok(mut socket) => {
                        note(&seen, &clock, "connected");
                        match socket.read(&mut [0; 1]).await {
                            Ok(0) => note(&seen, &clock, "closed"),
                            read => note(&seen, &clock, format!("{read:?}")),
                        }
                    }
                }
            }
        }
    })
}

#[test]
fn a_killed_host_closes_its_connections_and_refuses_new_ones_until_it_starts_again() {
    let seen = Seen::default();
    let (told, deaths) = (seen.clone(), Seen::default());
    let died = deaths.clone();
    play(move |mut world| {
        let clock = world.clock();
        world.observe_crashes(Arc::new(move |host, _| note(&died, &clock, host)));
        let listener = world.add_host("listener", listener());
        let dialer = world.add_host("dialer", dialer(told, world.clock()));
        world.start(listener);
        world.start(dialer);
        world.run_until(WHILE).expect("played");
        assert!(world.halt(listener, Death::Killed));
        assert!(!world.halt(listener, Death::Killed), "it was dead already");
        world.run_until(WHILE * 2).expect("played");
        world.start(listener);
        assert_eq!(world.incarnation(listener), 2);
        world.run_until(WHILE * 3).expect("played");
    });
    assert_eq!(*deaths.lock().expect("no panic"), [(WHILE, "listener".to_owned())]);
    let seen = seen.lock().expect("no panic");
    let words: Vec<&str> = seen.iter().map(|(_, what)| what.as_str()).collect();
    assert_eq!((words[0], words[1], words.last()), ("connected", "closed", Some(&"connected")));
    let refused = ErrorKind::ConnectionRefused.to_string();
    let refusals = words.iter().filter(|word| **word == refused).count();
    assert_eq!(refusals + 3, words.len(), "{seen:?}");
    // Each takes at most the way there, a tick, and the wait.
    assert!(refusals >= 6, "{seen:?}");
    assert!((WHILE..WHILE + LATENCY.most + Turmoil::TICK).contains(&seen[1].0), "{seen:?}");
}

#[test]
fn an_order_wakes_a_task_of_its_host() {
    let (seen, bell) = (Seen::default(), Arc::new(Notify::new()));
    let (told, rung) = (seen.clone(), bell.clone());
    play(move |mut world| {
        let clock = world.clock();
        let waiting = program(move |_| {
            let (told, clock, rung) = (told.clone(), clock.clone(), rung.clone());
            async move {
                // In a task of its own: the runtime's, not the program's.
                let waits = tokio::spawn(async move {
                    rung.notified().await;
                    note(&told, &clock, "rung");
                });
                waits.await.map_err(|error| error.to_string())
            }
        });
        let host = world.add_host("host", waiting);
        world.start(host);
        world.run_until(WHILE).expect("played");
        world.order(host, Box::new(move || bell.notify_one())).expect("played");
        world.run_until(WHILE * 2).expect("played");
    });
    assert_eq!(*seen.lock().expect("no panic"), [(WHILE, "rung".to_owned())]);
}

#[test]
fn a_program_that_ends_with_an_error_names_its_host() {
    let failing = || {
        program(|_| async {
            sleep(WHILE).await;
            Err("out of luck".to_owned())
        })
    };
    let ended = play(move |mut world| {
        let host = world.add_host("unlucky", failing());
        world.start(host);
        world.run_until(WHILE * 2)
    });
    let error = ProgramError::Exited("out of luck".to_owned());
    assert_eq!(ended, Err(EngineError::Program { host: "unlucky".into(), error, at: WHILE }));
}

#[test]
fn a_disk_survives_a_kill_and_not_its_loss() {
    let seen = Seen::default();
    let told = seen.clone();
    play(move |mut world| {
        let clock = world.clock();
        let writing = program(move |env| {
            let (told, clock) = (told.clone(), clock.clone());
            async move {
                let disk = env.disk("store").map_err(|error| error.to_string())?;
                let before = disk.len().map_err(|error| error.to_string())?;
                disk.write(before, &[1]).and_then(|()| disk.sync()).map_err(|error| error.to_string())?;
                note(&told, &clock, before.to_string());
                std::future::pending().await
            }
        });
        let host = world.add_host("host", writing);
        for (seconds, death) in [(1, Death::Killed), (2, Death::Killed), (3, Death::DiskLost), (4, Death::Killed)] {
            world.start(host);
            world.run_until(Duration::from_secs(seconds)).expect("played");
            world.halt(host, death);
        }
    });
    let seen = seen.lock().expect("no panic");
    assert_eq!(seen.iter().map(|(_, before)| before.as_str()).collect::<Vec<_>>(), ["0", "1", "2", "0"]);
}
