//! What an application sees of TCP and UDP in the simulated world, and what the engine says of programs that misbehave.

#[path = "sockets/faults.rs"]
mod faults;
#[path = "seen/program.rs"]
mod seen;
#[path = "sockets/udp.rs"]
mod udp;

use std::io;
use std::time::Duration;

use pulseless::env::{Address, Env, Socket};
use pulseless::fault::Death;
use pulseless::grammar::Latency;
use pulseless::world::{Engine, EngineError, Leap, on_trial_thread};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use crate::seen::{Run, Seen, program};

const LATENCY: Latency = Latency::uniform(Duration::from_millis(1), Duration::from_millis(20));
const PORT: u16 = 80;

fn server_address() -> Address {
    Address::new("server", PORT)
}

async fn accept(env: &Env) -> io::Result<Socket> {
    env.listen(PORT).await?.accept().await
}

/// Plays a server and a client, started in this order, for ten simulated minutes.
fn play_two(
    server: impl Fn(Env, Seen) -> Run + Send + 'static,
    client: impl Fn(Env, Seen) -> Run + Send + 'static,
) -> Vec<String> {
    on_trial_thread(7, || {
        let seen = Seen::default();
        let mut leap = Leap::new(7, LATENCY);
        let hosts = [leap.add_host("server", program(&seen, server)), leap.add_host("client", program(&seen, client))];
        hosts.into_iter().for_each(|host| leap.start(host));
        leap.run_until(Duration::from_secs(600)).expect("nothing breaks down");
        seen.list()
    })
    .expect("no panic")
}

fn idle(_: Env, _: Seen) -> Run {
    Box::pin(std::future::pending())
}

#[test]
fn nobody_listens_and_connect_is_refused_after_a_round_trip() {
    let seen = play_two(idle, |env, seen| {
        Box::pin(async move {
            let start = Instant::now();
            let error = env.dial(&server_address()).await.expect_err("refused");
            assert!(start.elapsed() >= 2 * LATENCY.least && start.elapsed() <= 3 * LATENCY.most);
            seen.add(format!("{:?}", error.kind()));
            Ok(())
        })
    });
    assert_eq!(seen, ["ConnectionRefused"]);
}

#[test]
fn a_name_that_no_host_bears_is_not_found() {
    let seen = play_two(idle, |env, seen| {
        Box::pin(async move {
            let error = env.dial(&Address::new("nowhere", PORT)).await.expect_err("unknown");
            seen.add(format!("{:?}", error.kind()));
            Ok(())
        })
    });
    assert_eq!(seen, ["NotFound"]);
}

#[test]
fn bytes_arrive_whole_and_in_order_and_half_close_leaves_the_other_half_open() {
    let sent: Vec<u8> = (0..2_000_000u32).map(|n| (n % 251) as u8).collect();
    let echoed = sent.clone();
    let seen = play_two(
        |env, _| {
            Box::pin(async move {
                let (mut read, mut write) = tokio::io::split(accept(&env).await?);
                let mut all = Vec::new();
                read.read_to_end(&mut all).await?;
                write.write_all(&all).await?;
                write.shutdown().await
            })
        },
        move |env, seen| {
            let (sent, echoed) = (sent.clone(), echoed.clone());
            Box::pin(async move {
                let mut socket = env.dial(&server_address()).await?;
                socket.write_all(&sent).await?;
                socket.shutdown().await?;
                let mut all = Vec::new();
                socket.read_to_end(&mut all).await?;
                seen.add(if all == echoed { "echoed" } else { "garbled" });
                Ok(())
            })
        },
    );
    assert_eq!(seen, ["echoed"]);
}

#[test]
fn a_reader_that_does_not_read_stops_the_writer() {
    let seen = play_two(
        |env, _| {
            Box::pin(async move {
                let _socket = accept(&env).await?;
                std::future::pending().await
            })
        },
        |env, seen| {
            Box::pin(async move {
                let mut socket = env.dial(&server_address()).await?;
                let mut written = 0;
                while let Ok(bytes) = timeout(Duration::from_secs(60), socket.write(&[0; 4096])).await {
                    written += bytes?;
                }
                seen.add(written.to_string());
                Ok(())
            })
        },
    );
    let written: usize = seen[0].parse().expect("a number");
    assert!((256 << 10..=513 << 10).contains(&written), "{written} bytes were taken");
}

#[test]
fn close_with_unread_data_resets_and_without_it_finishes() {
    for (greeting, ending) in [(b"hi".as_ref(), "ConnectionReset"), (b"", "end")] {
        let seen = play_two(
            |env, _| {
                Box::pin(async move {
                    let socket = accept(&env).await?;
                    sleep(Duration::from_secs(1)).await;
                    drop(socket);
                    std::future::pending().await
                })
            },
            move |env, seen| {
                Box::pin(async move {
                    let mut socket = env.dial(&server_address()).await?;
                    socket.write_all(greeting).await?;
                    match socket.read(&mut [0; 8]).await {
                        Ok(0) => seen.add("end"),
                        Ok(_) => seen.add("data"),
                        Err(error) => seen.add(format!("{:?}", error.kind())),
                    }
                    Ok(())
                })
            },
        );
        assert_eq!(seen, [ending]);
    }
}

#[test]
fn a_write_to_a_closed_peer_ends_in_a_broken_pipe() {
    let seen = play_two(
        |env, _| {
            Box::pin(async move {
                drop(accept(&env).await?);
                std::future::pending().await
            })
        },
        |env, seen| {
            Box::pin(async move {
                let mut socket = env.dial(&server_address()).await?;
                assert_eq!(socket.read(&mut [0; 8]).await?, 0);
                socket.write_all(b"into the void").await?;
                sleep(Duration::from_secs(1)).await;
                let error = socket.write(b"again").await.expect_err("reset");
                seen.add(format!("{:?}", error.kind()));
                Ok(())
            })
        },
    );
    // The peer had finished before: Linux says EPIPE and not ECONNRESET (tests/parity.rs).
    assert_eq!(seen, ["BrokenPipe"]);
}

#[test]
fn a_killed_process_frees_its_port_and_its_next_process_is_reached() {
    let seen = on_trial_thread(7, || {
        let seen = Seen::default();
        let mut leap = Leap::new(7, LATENCY);
        let server = leap.add_host(
            "server",
            program(&seen, |env, seen| {
                Box::pin(async move {
                    let mut listener = env.listen(PORT).await?;
                    seen.add("listening");
                    let mut held = Vec::new();
                    loop {
                        held.push(listener.accept().await?);
                    }
                })
            }),
        );
        let client = leap.add_host(
            "client",
            program(&seen, |env, seen| {
                Box::pin(async move {
                    for _ in 0..3 {
                        match env.dial(&server_address()).await {
                            Ok(mut socket) => seen.add(match socket.read(&mut [0; 8]).await {
                                Ok(bytes) => format!("connected, then {bytes} bytes"),
                                Err(error) => format!("connected, then {:?}", error.kind()),
                            }),
                            Err(error) => seen.add(format!("{:?}", error.kind())),
                        }
                        sleep(Duration::from_secs(6)).await;
                    }
                    Ok(())
                })
            }),
        );
        leap.start(server);
        leap.run_until(Duration::from_millis(1)).expect("runs");
        leap.start(client);
        leap.run_until(Duration::from_secs(5)).expect("runs");
        assert!(leap.halt(server, Death::Killed));
        assert!(!leap.halt(server, Death::Killed), "a dead process was killed");
        leap.run_until(Duration::from_secs(15)).expect("runs");
        leap.start(server);
        assert_eq!(leap.incarnation(server), 2);
        leap.run_until(Duration::from_secs(60)).expect("runs");
        drop(leap);
        seen.list()
    })
    .expect("no panic");
    assert_eq!(seen, ["listening", "connected, then 0 bytes", "ConnectionRefused", "listening"]);
}

#[test]
fn many_connections_each_get_their_own_bytes() {
    let seen = play_two(
        |env, _| {
            Box::pin(async move {
                let mut listener = env.listen(PORT).await?;
                loop {
                    let mut socket = listener.accept().await?;
                    tokio::spawn(async move {
                        let mut number = [0; 4];
                        socket.read_exact(&mut number).await?;
                        socket.write_all(&number).await
                    });
                }
            })
        },
        |env, seen| {
            Box::pin(async move {
                let mut tasks = tokio::task::JoinSet::new();
                for number in 0..500u32 {
                    let dial = env.dial(&server_address());
                    tasks.spawn(async move {
                        let mut socket = dial.await?;
                        socket.write_all(&number.to_be_bytes()).await?;
                        let mut echo = [0; 4];
                        socket.read_exact(&mut echo).await?;
                        io::Result::Ok(u32::from_be_bytes(echo) == number)
                    });
                }
                let right = tasks.join_all().await.into_iter().filter(|echo| matches!(echo, Ok(true))).count();
                seen.add(right.to_string());
                Ok(())
            })
        },
    );
    assert_eq!(seen, ["500"]);
}

fn break_down(run: impl Fn(Env, Seen) -> Run + Send + 'static) -> EngineError {
    on_trial_thread(7, || {
        let mut leap = Leap::new(7, LATENCY);
        let host = leap.add_host("culprit", program(&Seen::default(), run));
        leap.start(host);
        leap.run_until(Duration::from_secs(60)).expect_err("breaks down")
    })
    .expect("the panic stays on its host")
}

#[test]
fn a_panicking_task_is_told_with_its_host_and_place() {
    let error = break_down(|_, _| {
        Box::pin(async {
            sleep(Duration::from_secs(3)).await;
            tokio::spawn(async { panic!("a planted panic") });
            std::future::pending().await
        })
    })
    .to_string();
    assert!(error.contains("host culprit panicked: a planted panic at tests/sockets.rs:"), "{error}");
    assert!(error.contains("(simulated time 3"), "{error}");
}

#[test]
fn a_program_that_ends_with_an_error_is_told_with_its_host() {
    let error = break_down(|_, _| Box::pin(async { Err(io::Error::other("no more")) })).to_string();
    assert!(error.contains("host culprit ended with an error: no more"), "{error}");
}

#[test]
fn a_task_that_never_waits_is_told_instead_of_hanging_the_trial() {
    let error = break_down(|_, _| {
        Box::pin(async {
            loop {
                tokio::task::yield_now().await;
            }
        })
    })
    .to_string();
    assert!(error.contains("host culprit loops: it took 2000000 steps at one instant"), "{error}");
}

#[test]
fn a_task_that_dials_without_waiting_is_told_though_it_never_yields() {
    let error = break_down(|env, _| {
        Box::pin(async move {
            loop {
                // Nobody has that name, which the resolver of this world says at once.
                drop(env.dial(&Address::new("nobody", 1)).await);
            }
        })
    })
    .to_string();
    assert!(error.contains("host culprit loops"), "{error}");
}

#[test]
fn a_task_that_opens_its_store_without_waiting_is_told_though_it_never_awaits() {
    let error = break_down(|env, _| {
        Box::pin(async move {
            loop {
                drop(env.disk("store"));
            }
        })
    })
    .to_string();
    assert!(error.contains("host culprit loops"), "{error}");
}

#[test]
fn a_year_without_events_is_one_leap() {
    let seen = on_trial_thread(7, || {
        let seen = Seen::default();
        let mut leap = Leap::new(7, LATENCY);
        let sleeper = leap.add_host(
            "sleeper",
            program(&seen, |_, seen| {
                Box::pin(async move {
                    let start = Instant::now();
                    sleep(Duration::from_secs(365 * 86_400)).await;
                    seen.add(format!("{:?}", start.elapsed().as_secs()));
                    Ok(())
                })
            }),
        );
        leap.start(sleeper);
        leap.run_until(Duration::from_secs(366 * 86_400)).expect("runs");
        seen.list()
    })
    .expect("no panic");
    assert_eq!(seen, ["31536000"]);
}
