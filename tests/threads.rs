//! Threads of a program in a trial: blocking tasks, threads of std, sleeps, locks, channels, and the resolver behind them.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a program that was never told of a trial is what is tested"
)]

#[path = "seen/program.rs"]
mod seen;

use std::io::{Read, Write};
use std::sync::{Arc, Barrier, Condvar, Mutex, mpsc};
use std::thread::{sleep as sleep_blocking, spawn as spawn_thread};
use std::time::Duration;

use pulseless::fault::Death;
use pulseless::grammar::Latency;
use pulseless::world::{Engine, EngineError, Leap, on_trial_thread};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep};

use crate::seen::{Run, Seen, program};

const LATENCY: Latency = Latency::uniform(Duration::from_millis(10), Duration::from_millis(20));
const SECOND: Duration = Duration::from_secs(1);

/// A host, and what it runs.
type Host<'n> = (&'n str, fn(Seen) -> Run);

/// Plays these hosts for ten simulated minutes.
fn play(hosts: &[Host<'_>]) -> (Vec<String>, Result<(), EngineError>) {
    on_trial_thread(7, || {
        let seen = Seen::default();
        let mut leap = Leap::new(7, LATENCY);
        for (name, run) in hosts {
            let run = *run;
            let host = leap.add_host(name, program(&seen, move |_, seen| run(seen)));
            leap.start(host);
        }
        let ended = leap.run_until(600 * SECOND);
        drop(leap);
        (seen.list(), ended)
    })
    .expect("no panic")
}

fn play_one(run: fn(Seen) -> Run) -> Vec<String> {
    let (seen, ended) = play(&[("host", run)]);
    assert_eq!(ended, Ok(()));
    seen
}

#[test]
fn a_blocking_task_runs_beside_its_runtime_and_simulated_time_passes_for_it() {
    let seen = play_one(|seen| {
        Box::pin(async move {
            let start = Instant::now();
            let task = spawn_blocking(|| {
                sleep_blocking(30 * SECOND);
                "slept"
            });
            sleep(10 * SECOND).await;
            seen.add(format!("awake after {:?}", start.elapsed()));
            let said = task.await.expect("no panic");
            seen.add(format!("{said} {:?}", start.elapsed().as_secs()));
            Ok(())
        })
    });
    assert_eq!(seen, ["awake after 10s", "slept 30"]);
}

#[test]
fn many_blocking_tasks_give_one_order() {
    let run = || {
        play_one(|seen| {
            Box::pin(async move {
                let mut tasks = JoinSet::new();
                for number in 0..40u64 {
                    let seen = seen.clone();
                    tasks.spawn_blocking(move || {
                        sleep_blocking(Duration::from_millis(number * 7 % 13));
                        seen.add(number.to_string());
                    });
                }
                while tasks.join_next().await.is_some() {}
                Ok(())
            })
        })
    };
    let first = run();
    assert_eq!(first.len(), 40);
    for _ in 0..5 {
        assert_eq!(run(), first);
    }
}

#[test]
fn threads_of_std_talk_by_channels_locks_and_barriers() {
    let seen = play_one(|seen| {
        Box::pin(async move {
            let (send, receive) = mpsc::channel();
            let barrier = Arc::new(Barrier::new(3));
            let total = Arc::new((Mutex::new(0), Condvar::new()));
            let threads: Vec<_> = (1..=3u64)
                .map(|number| {
                    let (send, barrier, total) = (send.clone(), barrier.clone(), total.clone());
                    spawn_thread(move || {
                        sleep_blocking(Duration::from_secs(number));
                        barrier.wait();
                        *total.0.lock().expect("not poisoned") += number;
                        total.1.notify_all();
                        send.send(number).expect("somebody hears");
                    })
                })
                .collect();
            let watcher = spawn_thread(move || {
                let mut sum = total.0.lock().expect("not poisoned");
                while *sum < 6 {
                    sum = total.1.wait_timeout(sum, 60 * SECOND).expect("not poisoned").0;
                }
                *sum
            });
            drop(send);
            // The runtime's own thread goes on meanwhile, and joins who has ended.
            sleep(5 * SECOND).await;
            let mut heard: Vec<u64> = receive.iter().collect();
            heard.sort_unstable();
            seen.add(format!("{heard:?}"));
            seen.add(format!("{}", watcher.join().expect("no panic")));
            threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
            seen.add(format!("{} processors", std::thread::available_parallelism()?));
            Ok(())
        })
    });
    assert_eq!(seen, ["[1, 2, 3]", "6", "2 processors"]);
}

#[test]
fn scoped_threads_end_before_their_scope_does() {
    let seen = play_one(|seen| {
        Box::pin(async move {
            let mut parts = [0; 4];
            std::thread::scope(|scope| {
                for (number, part) in parts.iter_mut().enumerate() {
                    scope.spawn(move || *part = number * number);
                }
            });
            seen.add(format!("{parts:?}"));
            Ok(())
        })
    });
    assert_eq!(seen, ["[0, 1, 4, 9]"]);
}

#[test]
fn names_lead_to_hosts_and_a_name_that_is_none_to_nobody() {
    let (seen, ended) = play(&[
        ("server", |seen| {
            Box::pin(async move {
                let listener = TcpListener::bind("0.0.0.0:80").await?;
                loop {
                    let (_, peer) = listener.accept().await?;
                    seen.add(format!("from {}", peer.ip()));
                }
            })
        }),
        ("client", |seen| {
            Box::pin(async move {
                let socket = TcpStream::connect("server:80").await?;
                seen.add(socket.peer_addr()?.to_string());
                sleep(SECOND).await;
                let error = TcpStream::connect("nowhere:80").await.expect_err("nobody");
                seen.add(error.to_string());
                let mut addresses = tokio::net::lookup_host("localhost:5").await?;
                seen.add(format!("{:?}", addresses.next()));
                Ok(())
            })
        }),
    ]);
    assert_eq!(ended, Ok(()));
    let nobody = "failed to lookup address information: Name or service not known";
    assert_eq!(seen, ["from 10.0.0.2", "10.0.0.1:80", nobody, "Some(127.0.0.1:5)"]);
}

#[test]
fn a_thread_may_wait_for_a_blocking_socket() {
    let (seen, ended) = play(&[
        ("server", |_| {
            Box::pin(async move {
                let served = spawn_blocking(|| -> std::io::Result<()> {
                    let listener = std::net::TcpListener::bind("0.0.0.0:80")?;
                    let (mut socket, _) = listener.accept()?;
                    let mut heard = [0; 5];
                    socket.read_exact(&mut heard)?;
                    socket.write_all(&heard)
                });
                served.await.expect("no panic")
            })
        }),
        ("client", |seen| {
            Box::pin(async move {
                let heard = spawn_blocking(|| -> std::io::Result<String> {
                    sleep_blocking(SECOND);
                    let mut socket = std::net::TcpStream::connect("server:80")?;
                    socket.write_all(b"hello")?;
                    let mut heard = String::new();
                    socket.read_to_string(&mut heard)?;
                    Ok(heard)
                });
                seen.add(heard.await.expect("no panic")?);
                Ok(())
            })
        }),
    ]);
    assert_eq!((seen, ended), (vec!["hello".to_owned()], Ok(())));
}

#[test]
fn a_host_has_a_name_and_a_process_a_number_of_its_own() {
    let run = || {
        play_one(|seen| {
            Box::pin(async move {
                let mut name = [0_u8; 64];
                // SAFETY: the buffer has as many bytes as are said.
                let answer = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len()) };
                seen.add(String::from_utf8_lossy(&name).trim_end_matches('\0'));
                seen.add(format!("{answer} {}", std::process::id()));
                Ok(())
            })
        })
    };
    let seen = run();
    assert_eq!((seen[0].as_str(), &seen), ("host", &run()));
    assert_ne!(seen[1], format!("0 {}", std::process::id()));
}

#[test]
fn a_thread_of_a_dead_process_does_not_try_again_for_ever() {
    on_trial_thread(7, || {
        let seen = Seen::default();
        let mut leap = Leap::new(7, LATENCY);
        let run = |_, _: Seen| -> Run {
            Box::pin(async move {
                spawn_thread(|| {
                    let listener = std::net::TcpListener::bind("0.0.0.0:80").expect("free");
                    // An error of accept is one connection's, and the next one is waited for.
                    listener.incoming().filter_map(Result::ok).for_each(drop);
                });
                spawn_thread(|| {
                    while std::net::TcpStream::connect("192.0.2.1:80").is_err() {
                        sleep_blocking(SECOND);
                    }
                });
                std::future::pending().await
            })
        };
        let host = leap.add_host("host", program(&seen, run));
        leap.start(host);
        leap.run_until(15 * SECOND).expect("nothing breaks down");
        leap.halt(host, Death::Killed);
        leap.start(host);
        leap.run_until(30 * SECOND).expect("the port is free again");
    })
    .expect("no panic");
}

#[test]
fn a_thread_may_run_a_runtime_of_its_own() {
    let run = || {
        let (seen, ended) = play(&[
            ("server", |_| {
                Box::pin(async move {
                    let listener = TcpListener::bind("0.0.0.0:80").await?;
                    loop {
                        let (mut socket, _) = listener.accept().await?;
                        tokio::spawn(async move { socket.write_all(b"hello").await });
                    }
                })
            }),
            ("client", |seen| {
                Box::pin(async move {
                    let thread = spawn_thread(move || {
                        let workers =
                            tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build();
                        workers.expect("a runtime").block_on(async {
                            let mut tasks = JoinSet::new();
                            for number in 0..10u64 {
                                tasks.spawn(async move {
                                    sleep(SECOND * u32::try_from(number).expect("small")).await;
                                    let mut heard = String::new();
                                    TcpStream::connect("server:80").await?.read_to_string(&mut heard).await?;
                                    std::io::Result::Ok(format!("{number} {heard}"))
                                });
                            }
                            while let Some(heard) = tasks.join_next().await {
                                seen.add(heard.expect("no panic").expect("it is there"));
                            }
                        });
                    });
                    while !thread.is_finished() {
                        sleep(SECOND).await;
                    }
                    thread.join().expect("no panic");
                    Ok(())
                })
            }),
        ]);
        assert_eq!(ended, Ok(()));
        seen
    };
    let seen = run();
    assert_eq!((seen.len(), &seen), (10, &run()));
    assert_eq!(seen[9], "9 hello");
}

#[test]
fn a_pair_between_threads_waits_and_a_runtime_in_a_thread_keeps_its_time() {
    let (seen, ended) = play(&[
        ("noise", |_| {
            Box::pin(async move {
                let listener = TcpListener::bind("0.0.0.0:80").await?;
                let (mut socket, _) = listener.accept().await?;
                loop {
                    sleep(SECOND / 2).await;
                    socket.write_all(b"!").await?;
                }
            })
        }),
        ("host", |seen| {
            Box::pin(async move {
                let (mut one, mut other) = std::os::unix::net::UnixStream::pair()?;
                let reader = spawn_blocking(move || {
                    let mut heard = [0; 4];
                    other.read_exact(&mut heard).map(|()| heard)
                });
                let writer = spawn_blocking(move || {
                    sleep_blocking(3 * SECOND);
                    one.write_all(b"late")
                });
                let patient = spawn_blocking(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                    runtime.expect("a runtime").block_on(async {
                        let start = Instant::now();
                        drop(tokio::time::timeout(2 * SECOND, std::future::pending::<()>()).await);
                        start.elapsed()
                    })
                });
                let mut noise = TcpStream::connect("noise:80").await?;
                tokio::spawn(async move { while noise.read_u8().await.is_ok() {} });
                writer.await.expect("no panic")?;
                seen.add(String::from_utf8_lossy(&reader.await.expect("no panic")?));
                seen.add(format!("{} s", patient.await.expect("no panic").as_secs()));
                Ok(())
            })
        }),
    ]);
    assert_eq!((seen, ended), (vec!["late".to_owned(), "2 s".to_owned()], Ok(())));
}

#[test]
fn a_process_that_is_killed_leaves_its_threads_standing_and_its_next_one_begins_anew() {
    let seen = on_trial_thread(7, || {
        let seen = Seen::default();
        let mut leap = Leap::new(7, LATENCY);
        let run = |_, seen: Seen| -> Run {
            Box::pin(async move {
                for number in 0..3 {
                    let seen = seen.clone();
                    spawn_thread(move || {
                        loop {
                            sleep_blocking(10 * SECOND);
                            seen.add(format!("thread {number}"));
                        }
                    });
                }
                spawn_blocking(|| sleep_blocking(3_600 * SECOND)).await.map_err(std::io::Error::other)
            })
        };
        let host = leap.add_host("host", program(&seen, run));
        leap.start(host);
        leap.run_until(15 * SECOND).expect("nothing breaks down");
        leap.halt(host, Death::Killed);
        leap.run_until(100 * SECOND).expect("nothing breaks down");
        leap.start(host);
        leap.run_until(115 * SECOND).expect("nothing breaks down");
        seen.list()
    })
    .expect("no panic");
    assert_eq!(seen, ["thread 0", "thread 1", "thread 2"].repeat(2));
}

#[test]
fn a_panic_of_a_blocking_task_is_told_with_its_host() {
    let (_, ended) = play(&[("culprit", |_| {
        Box::pin(async move {
            sleep(SECOND).await;
            spawn_blocking(|| panic!("a planted panic")).await.map_err(std::io::Error::other)
        })
    })]);
    let error = ended.expect_err("it breaks down").to_string();
    assert!(error.contains("host culprit panicked: a planted panic at tests/threads.rs:"), "{error}");
}

/// Tells a child process of a test that it is the one whose program ends.
const CHILD: &str = "PULSELESS_TEST_CHILD";

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// What a child says that runs that test, and ends with the exit code of what is broken.
fn last_words_of(test: &str) -> String {
    let mut child = std::process::Command::new(std::env::current_exe().expect("this binary"));
    child.args(["--exact", test, "--nocapture"]).env(CHILD, "1");
    let output = child.output().expect("this binary runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(70), "{said}");
    // A build without line tables has names, and one with nothing else has places.
    assert!(said.contains("tests/threads.rs:") || said.contains(&format!("threads::{test}")), "{said}");
    assert!(!said.contains("take_turn") && !said.contains("end_program"), "its own frames alone: {said}");
    said
}

#[test]
fn a_deadlock_ends_the_program_with_the_hosts_name() {
    if is_child() {
        let (_, ended) = play(&[("culprit", |_| {
            Box::pin(async move {
                let lock = Arc::new(Mutex::new(()));
                let theirs = lock.clone();
                spawn_thread(move || {
                    let held = theirs.lock();
                    sleep_blocking(SECOND);
                    drop(held);
                });
                sleep(Duration::from_millis(10)).await;
                // Its holder sleeps, and time cannot pass before this thread goes on.
                drop(lock.lock());
                Ok(())
            })
        })]);
        panic!("it went on: {ended:?}");
    }
    let said = last_words_of("a_deadlock_ends_the_program_with_the_hosts_name");
    assert!(said.contains("host culprit is in a deadlock"), "{said}");
}

#[test]
fn a_loop_that_waits_for_a_clock_ends_the_program_with_the_hosts_name() {
    if is_child() {
        let (_, ended) = play(&[("culprit", |_| {
            Box::pin(async move {
                let begun = std::time::Instant::now();
                while begun.elapsed() < SECOND {
                    std::hint::spin_loop();
                }
                Ok(())
            })
        })]);
        panic!("it went on: {ended:?}");
    }
    let said = last_words_of("a_loop_that_waits_for_a_clock_ends_the_program_with_the_hosts_name");
    assert!(said.contains("host culprit waits in a loop for a clock"), "{said}");
}

/// Its workers wait in epoll_wait(2) when the first socket comes.
#[test]
fn whoever_waits_for_files_hears_of_one_that_is_watched_from_then_on() {
    let seen = play_one(|seen| {
        Box::pin(async move {
            let inner = move || {
                let mut workers = tokio::runtime::Builder::new_multi_thread();
                let runtime = workers.worker_threads(2).enable_all().build().expect("a runtime");
                sleep_blocking(SECOND);
                let begun = std::time::Instant::now();
                runtime.block_on(async {
                    // There is room at once, and nothing more ever happens to it.
                    let socket = tokio::net::UdpSocket::bind("0.0.0.0:0").await.expect("a port");
                    socket.writable().await.expect("room");
                });
                begun.elapsed()
            };
            let took = spawn_blocking(inner).await.expect("no panic");
            seen.add(format!("within a second: {}", took < SECOND));
            Ok(())
        })
    });
    assert_eq!(seen, ["within a second: true"]);
}
