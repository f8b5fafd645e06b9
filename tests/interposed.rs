//! What tokio's own sockets see in the simulated world, as if nobody had told them of it.

#![expect(clippy::disallowed_types, reason = "a program that was never told of a trial is what is tested")]

#[path = "seen/program.rs"]
mod seen;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use pulseless::fault::Death;
use pulseless::grammar::Latency;
use pulseless::world::{Engine, Leap, on_trial_thread};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixStream};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::seen::{Run, Seen, program};

const LATENCY: Latency = Latency::uniform(Duration::from_millis(1), Duration::from_millis(20));
/// The first host's address.
const SERVER: &str = "10.0.0.1:80";

/// Plays a server and a client, started in this order, for ten simulated minutes.
fn play_two(server: fn(Seen) -> Run, client: fn(Seen) -> Run) -> Vec<String> {
    on_trial_thread(7, || {
        let seen = Seen::default();
        let mut leap = Leap::new(7, LATENCY);
        let host = |run: fn(Seen) -> Run| program(&seen, move |_, seen| run(seen));
        let hosts = [leap.add_host("server", host(server)), leap.add_host("client", host(client))];
        hosts.into_iter().for_each(|host| leap.start(host));
        leap.run_until(Duration::from_secs(600)).expect("nothing breaks down");
        seen.list()
    })
    .expect("no panic")
}

fn idle(_: Seen) -> Run {
    Box::pin(std::future::pending())
}

/// Sends back whatever comes, on every connection.
fn echo(seen: Seen) -> Run {
    Box::pin(async move {
        let listener = TcpListener::bind("0.0.0.0:80").await?;
        loop {
            let (mut socket, peer) = listener.accept().await?;
            seen.add(format!("accepted from {}", peer.ip()));
            tokio::spawn(async move {
                let (mut read, mut write) = socket.split();
                tokio::io::copy(&mut read, &mut write).await
            });
        }
    })
}

#[test]
fn bytes_come_back_whole_and_time_passes_on_the_way() {
    let seen = play_two(echo, |seen| {
        Box::pin(async move {
            let start = Instant::now();
            let mut socket = TcpStream::connect(SERVER).await?;
            assert!(start.elapsed() >= 2 * LATENCY.least, "{:?}", start.elapsed());
            seen.add(format!("{} to {}", socket.local_addr()?.ip(), socket.peer_addr()?));
            let sent: Vec<u8> = (0..2_000_000u32).map(|n| (n % 251) as u8).collect();
            let (mut read, mut write) = socket.split();
            let mut heard = Vec::new();
            let send = async {
                write.write_all(&sent).await?;
                write.shutdown().await
            };
            let (sent_all, heard_all) = tokio::join!(send, read.read_to_end(&mut heard));
            sent_all.and(heard_all.map(drop))?;
            seen.add(if heard == sent { "whole" } else { "garbled" });
            Ok(())
        })
    });
    assert_eq!(seen, ["accepted from 10.0.0.2", "10.0.0.2 to 10.0.0.1:80", "whole"]);
}

#[test]
fn nobody_listens_and_connect_is_refused() {
    let seen = play_two(idle, |seen| {
        Box::pin(async move {
            for address in [SERVER, "127.0.0.1:80", "[::1]:80", "192.0.2.1:80", "10.255.255.254:80"] {
                let error = TcpStream::connect(address).await.expect_err("nobody is there");
                seen.add(format!("{:?} after {:?}", error.kind(), Instant::now().elapsed()));
            }
            Ok(())
        })
    });
    let kinds: Vec<&str> = seen.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(
        kinds,
        ["ConnectionRefused", "ConnectionRefused", "ConnectionRefused", "NetworkUnreachable", "TimedOut"]
    );
}

#[test]
fn who_listens_on_loopback_alone_is_reached_by_nobody_else() {
    let seen = play_two(
        |seen| {
            Box::pin(async move {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 80)).await?;
                tokio::spawn(async move { listener.accept().await.map(drop) });
                let socket = TcpStream::connect("127.0.0.1:80").await?;
                seen.add(format!("itself from {}", socket.local_addr()?.ip()));
                std::future::pending().await
            })
        },
        |seen| {
            Box::pin(async move {
                let error = TcpStream::connect(SERVER).await.expect_err("not there");
                seen.add(format!("{:?}", error.kind()));
                Ok(())
            })
        },
    );
    assert_eq!(seen, ["itself from 127.0.0.1", "ConnectionRefused"]);
}

#[test]
fn ipv6_leads_to_the_same_hosts_and_one_listener_takes_both() {
    let seen = play_two(
        |seen| {
            Box::pin(async move {
                let listener = TcpListener::bind("[::]:80").await?;
                for _ in 0..2 {
                    let (_socket, peer) = listener.accept().await?;
                    seen.add(format!("from {}", peer.ip()));
                }
                Ok(())
            })
        },
        |_| {
            Box::pin(async move {
                let _first = TcpStream::connect("[fd00::1]:80").await?;
                sleep(Duration::from_secs(1)).await;
                let _second = TcpStream::connect(SERVER).await?;
                std::future::pending().await
            })
        },
    );
    assert_eq!(seen, ["from fd00::2", "from ::ffff:10.0.0.2"]);
}

#[test]
fn ports_are_taken_once_and_given_where_nobody_names_one() {
    let seen = play_two(
        |seen| {
            Box::pin(async move {
                let first = TcpListener::bind("0.0.0.0:0").await?;
                let port = first.local_addr()?.port();
                seen.add(format!("{}", port >= 32_768));
                let taken = TcpListener::bind(("0.0.0.0", port)).await.expect_err("taken");
                seen.add(format!("{:?}", taken.kind()));
                let elsewhere = TcpListener::bind("10.0.0.9:80").await.expect_err("not here");
                seen.add(format!("{:?}", elsewhere.kind()));
                drop(first);
                TcpListener::bind(("0.0.0.0", port)).await?;
                seen.add("free again");
                Ok(())
            })
        },
        idle,
    );
    assert_eq!(seen, ["true", "AddrInUse", "AddrNotAvailable", "free again"]);
}

#[test]
fn a_socket_that_is_closed_unread_or_lingers_for_no_time_resets() {
    let seen = play_two(
        |_| {
            Box::pin(async move {
                let listener = TcpListener::bind("0.0.0.0:80").await?;
                let (mut socket, _) = listener.accept().await?;
                socket.write_all(b"!").await?;
                socket.read_exact(&mut [0]).await?;
                socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
                Ok(())
            })
        },
        |seen| {
            Box::pin(async move {
                let mut socket = TcpStream::connect(SERVER).await?;
                socket.read_exact(&mut [0]).await?;
                socket.write_all(b"x").await?;
                let error = socket.read(&mut [0]).await.expect_err("reset");
                seen.add(format!("{:?}", error.kind()));
                seen.add(format!("{:?}", socket.read(&mut [0]).await?));
                Ok(())
            })
        },
    );
    assert_eq!(seen, ["ConnectionReset", "0"]);
}

#[test]
fn peek_leaves_what_it_shows_and_readiness_is_told_once_it_is_there() {
    let seen = play_two(echo, |seen| {
        Box::pin(async move {
            let mut socket = TcpStream::connect(SERVER).await?;
            let error = socket.try_read(&mut [0]).expect_err("nothing yet");
            seen.add(format!("{:?}", error.kind()));
            socket.write_all(b"abc").await?;
            socket.readable().await?;
            let mut buffer = [0; 2];
            for _ in 0..2 {
                let len = socket.peek(&mut buffer).await?;
                seen.add(String::from_utf8_lossy(&buffer[..len]));
            }
            let mut rest = [0; 3];
            socket.read_exact(&mut rest).await?;
            seen.add(String::from_utf8_lossy(&rest));
            Ok(())
        })
    });
    assert_eq!(seen, ["accepted from 10.0.0.2", "WouldBlock", "ab", "ab", "abc"]);
}

#[test]
fn keepalive_and_user_timeout_end_a_connection_whose_peer_lost_its_power() {
    let seen = on_trial_thread(7, || {
        let seen = Seen::default();
        let mut leap = Leap::new(7, LATENCY);
        let server = leap.add_host("server", program(&seen, |_, _| echo(Seen::default())));
        let client = program(&seen, |_, seen| {
            Box::pin(async move {
                let socket = TcpStream::connect(SERVER).await?;
                let keepalive = socket2::TcpKeepalive::new()
                    .with_time(Duration::from_secs(10))
                    .with_interval(Duration::from_secs(5))
                    .with_retries(3);
                socket2::SockRef::from(&socket).set_tcp_keepalive(&keepalive)?;
                let start = Instant::now();
                let error = {
                    socket.readable().await?;
                    socket.try_read(&mut [0]).expect_err("lost")
                };
                seen.add(format!("{:?} after {} s", error.kind(), start.elapsed().as_secs()));
                Ok(())
            })
        });
        let client = leap.add_host("client", client);
        leap.start(server);
        leap.start(client);
        leap.run_until(Duration::from_secs(1)).expect("nothing breaks down");
        leap.halt(server, Death::PoweredOff(pulseless::fault::Unsynced::Lost));
        leap.run_until(Duration::from_secs(600)).expect("nothing breaks down");
        seen.list()
    })
    .expect("no panic");
    assert_eq!(seen, ["TimedOut after 25 s"]);
}

#[test]
fn a_killed_process_closes_what_it_held_and_the_next_one_listens_again() {
    let seen = on_trial_thread(7, || {
        let seen = Seen::default();
        let mut leap = Leap::new(7, LATENCY);
        let server = leap.add_host("server", program(&seen, |_, seen| echo(seen)));
        let client = leap.add_host(
            "client",
            program(&seen, |_, seen| {
                Box::pin(async move {
                    for _ in 0..2 {
                        let mut socket = TcpStream::connect(SERVER).await?;
                        seen.add(format!("{:?}", socket.read(&mut [0]).await));
                        sleep(Duration::from_secs(5)).await;
                    }
                    Ok(())
                })
            }),
        );
        leap.start(server);
        leap.start(client);
        leap.run_until(Duration::from_secs(1)).expect("nothing breaks down");
        leap.halt(server, Death::Killed);
        leap.start(server);
        leap.run_until(Duration::from_secs(20)).expect("nothing breaks down");
        let held = leap.holdings(server).expect("it runs");
        seen.add(format!("{} accepted", held.accepted));
        seen.list()
    })
    .expect("no panic");
    assert_eq!(seen, ["accepted from 10.0.0.2", "Ok(0)", "accepted from 10.0.0.2", "1 accepted"]);
}

#[test]
fn pairs_of_unix_sockets_and_sockets_bound_to_a_port_work() {
    let seen = play_two(echo, |seen| {
        Box::pin(async move {
            let (mut one, mut other) = UnixStream::pair()?;
            let reader = tokio::spawn(async move {
                let mut heard = String::new();
                other.read_to_string(&mut heard).await.map(|_| heard)
            });
            one.write_all(b"within").await?;
            drop(one);
            seen.add(reader.await.expect("no panic")?);
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::from(([0, 0, 0, 0], 5_000)))?;
            let socket = socket.connect(SERVER.parse().expect("an address")).await?;
            seen.add(socket.local_addr()?.to_string());
            Ok(())
        })
    });
    assert_eq!(seen, ["within", "accepted from 10.0.0.2", "10.0.0.2:5000"]);
}

#[test]
fn one_seed_gives_one_order_of_events() {
    let play = || {
        play_two(echo, |seen| {
            Box::pin(async move {
                let mut tasks = tokio::task::JoinSet::new();
                for number in 0..50u8 {
                    let seen = seen.clone();
                    tasks.spawn(async move {
                        let mut socket = TcpStream::connect(SERVER).await?;
                        socket.write_all(&[number]).await?;
                        socket.read_exact(&mut [0]).await?;
                        seen.add(format!("{number}"));
                        io::Result::Ok(())
                    });
                }
                while tasks.join_next().await.is_some() {}
                Ok(())
            })
        })
    };
    let first = play();
    assert_eq!(first.iter().filter(|line| line.parse::<u8>().is_ok()).count(), 50);
    assert_eq!(first, play());
}

#[test]
fn who_wakes_a_task_of_another_host_or_of_a_dead_one_harms_nobody() {
    let seen = on_trial_thread(7, || {
        let seen = Seen::default();
        let bell = Arc::new(Notify::new());
        let mut leap = Leap::new(7, LATENCY);
        let rung = bell.clone();
        let sleeper = program(&seen, move |_, seen| {
            let rung = rung.clone();
            Box::pin(async move {
                tokio::spawn(async move {
                    loop {
                        rung.notified().await;
                        seen.add("woken");
                    }
                });
                loop {
                    sleep(Duration::from_secs(60)).await;
                }
            })
        });
        let ringer = program(&seen, move |_, _| {
            let bell = bell.clone();
            Box::pin(async move {
                loop {
                    sleep(Duration::from_secs(7)).await;
                    bell.notify_waiters();
                }
            })
        });
        let hosts = [leap.add_host("sleeper", sleeper), leap.add_host("ringer", ringer)];
        hosts.into_iter().for_each(|host| leap.start(host));
        leap.run_until(Duration::from_secs(61)).expect("nothing breaks down");
        leap.halt(hosts[0], Death::Killed);
        leap.run_until(Duration::from_secs(600)).expect("nothing breaks down");
        seen.list()
    })
    .expect("no panic");
    assert_eq!(seen, ["woken"]);
}
