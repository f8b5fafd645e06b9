//! What the leap engine says of programs that break down, or go behind its back.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "what no trial may call is what is tested")]

use std::pin::Pin;
use std::sync::{Condvar, Mutex};
use std::thread::{park_timeout, sleep as sleep_for_real};
use std::time::Duration;

use pulseless::grammar::Latency;
use pulseless::world::{Engine, EngineError, Leap, on_trial_thread};
use tokio::time::sleep;

const LATENCY: Latency = Latency::uniform(Duration::from_millis(10), Duration::from_millis(10));
const SECOND: Duration = Duration::from_secs(1);

type Run = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// Plays a host that runs this, for a minute.
fn play(run: impl Fn() -> Run + Send + 'static) -> Result<(), EngineError> {
    on_trial_thread(7, || {
        let mut leap = Leap::new(7, LATENCY);
        let host = leap.add_host("culprit", Box::new(move |_| run()));
        leap.start(host);
        leap.run_until(60 * SECOND)
    })
    .expect("no panic")
}

/// What a clock of the system shows, in seconds.
fn clock(id: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime writes to the one timespec that it is given.
    unsafe { libc::clock_gettime(id, &mut time) };
    time.tv_sec
}

/// What the engine says of a program that calls `offend` in its third second.
fn break_down(offend: fn()) -> String {
    let run = move || -> Run {
        Box::pin(async move {
            sleep(3 * SECOND).await;
            offend();
            std::future::pending().await
        })
    };
    let error = play(run).expect_err("breaks down");
    let EngineError::Host { host, at, .. } = &error else { panic!("{error}") };
    assert_eq!((host.as_str(), at.as_secs()), ("culprit", 3));
    error.to_string()
}

fn read_atomic_time() {
    clock(libc::CLOCK_TAI);
}

/// A socket that libc never hears of.
fn connect_by_number() {
    // SAFETY: socket(2) reads its three numbers alone.
    unsafe { libc::syscall(libc::SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0) };
}

/// A datagram to an address of the world or outside of it.
fn send_to(to: &str) {
    let any = if to.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" };
    let socket = std::net::UdpSocket::bind(any).expect("a port");
    assert!(socket.send_to(b"?", to).is_err());
}

/// It is no offence to say whom one would send to: that is how one's own address is found.
fn send_to_a_peer() {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a port");
    socket.connect("8.8.8.8:53").expect("any peer will do");
    assert_eq!(socket.local_addr().expect("an address").ip().to_string(), "10.0.0.1");
    assert!(socket.send(b"?").is_err());
}

/// The answer cannot come while its host stands still.
fn wait_for_an_answer() {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a port");
    assert_eq!(socket.send_to(&[0; 12], "10.255.255.53:53").expect("the resolver is there"), 12);
    assert!(socket.recv(&mut [0; 12]).is_err());
}

fn duplicate_over() {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a port");
    // SAFETY: dup2(2) reads its two numbers alone.
    assert_eq!(unsafe { libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&socket), 900) }, -1);
}

fn open_raw_socket() {
    // SAFETY: socket(2) reads its three numbers alone.
    unsafe { libc::socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP) };
}

/// Waits for what nobody tells, until real time has passed.
fn wait_for_nobody() {
    let mutex = Mutex::new(());
    let guard = mutex.lock().expect("not poisoned");
    drop(Condvar::new().wait_timeout(guard, 600 * SECOND).expect("not poisoned"));
}

#[test]
fn whoever_goes_behind_the_engines_back_is_told_with_the_call_the_host_and_the_time() {
    let offences: &[(fn(), &str, &str)] = &[
        (|| sleep_for_real(600 * SECOND), "called thread::sleep", "use tokio::time::sleep"),
        (|| park_timeout(600 * SECOND), "futex", "use tokio::time::timeout"),
        (wait_for_nobody, "futex", "use tokio::time::timeout"),
        (|| drop(std::fs::File::create("/tmp/nobody's")), "files or folders (open64)", "ask the surroundings"),
        (|| drop(std::fs::create_dir("/tmp/nobody's")), "files or folders (mkdir)", "ask the surroundings"),
        (|| drop(std::fs::remove_file("/tmp/nobody's")), "files or folders (unlink)", "ask the surroundings"),
        (|| drop(std::fs::rename("/tmp/nobody's", "/tmp/x")), "files or folders (rename)", "ask the surroundings"),
        (|| drop(std::process::Command::new("true").status()), "began a process (posix_spawn", "a host of its own"),
        (|| drop(std::fs::File::open("/dev/urandom")), "raw entropy (open", "ask the surroundings for dice"),
        (connect_by_number, "by its number", "call libc's function"),
        (read_atomic_time, "read clock 11", "ask tokio for the time"),
        (
            || send_to("10.0.0.1:53"),
            "a datagram to 10.0.0.1:53 (sendto)",
            "UDP to the world's resolver at 10.255.255.53:53",
        ),
        (|| send_to("10.255.255.53:80"), "a datagram to 10.255.255.53:80 (sendto)", "and [fd00::1:53]:53"),
        (|| send_to("[::1]:53"), "a datagram to [::1]:53 (sendto)", "a host has TCP"),
        (send_to_a_peer, "a datagram to 8.8.8.8:53 (send)", "a host has TCP"),
        (duplicate_over, "called dup2 on a simulated socket", "in a way that is not simulated"),
        (wait_for_an_answer, "waited for a socket (recv", "use tokio's sockets"),
        (open_raw_socket, "a socket that is neither of TCP nor of UDP", "a host has TCP"),
        (|| drop(std::os::unix::net::UnixStream::connect("/run/x")), "neither of IPv4", "a host has TCP"),
        (|| drop(std::net::TcpStream::connect("10.0.0.1:80")), "waited for a socket (connect)", "use tokio's sockets"),
    ];
    for (offend, call, instead) in offences {
        let error = break_down(*offend);
        assert!(error.contains(call) && error.contains(instead), "{error}");
        // Where in the program it was: a build without line tables has the name alone.
        let site = error.split_once("; it was in ").map(|(_, site)| site).unwrap_or_else(|| panic!("{error}"));
        assert!(site.contains("offences"), "{error}");
    }
}

#[test]
fn an_offence_of_the_trial_itself_is_told() {
    let error = on_trial_thread(7, || sleep_for_real(600 * SECOND)).expect_err("an offence").to_string();
    assert!(error.contains("called thread::sleep"), "{error}");
}

#[test]
fn every_way_to_read_the_wall_clock_shows_the_simulated_one() {
    let (seconds, micros, cpu) = on_trial_thread(7, || {
        let mut time = libc::timeval { tv_sec: 0, tv_usec: 0 };
        // SAFETY: both write to what they are given; the other pointers are null, which both allow.
        let seconds = unsafe {
            libc::gettimeofday(&mut time, std::ptr::null_mut());
            libc::time(std::ptr::null_mut())
        };
        (seconds, (time.tv_sec, time.tv_usec), clock(libc::CLOCK_PROCESS_CPUTIME_ID))
    })
    .expect("no panic");
    // 2026-01-01 00:00:00 UTC.
    assert_eq!(seconds, 1_767_225_600);
    assert_eq!(micros, (1_767_225_600, 0));
    assert!(cpu < 86_400, "CPU time is real");
}

#[test]
fn a_panic_among_tasks_that_wake_each_other_aborts_nobody() {
    let run = || -> Run {
        Box::pin(async {
            let (first, told_first) = tokio::sync::oneshot::channel::<()>();
            let (second, told_second) = tokio::sync::oneshot::channel::<()>();
            // Two destructors of one task, each of which wakes another task.
            tokio::spawn(async move {
                let _both = (first, second);
                std::future::pending::<()>().await;
            });
            tokio::spawn(told_first);
            tokio::spawn(told_second);
            sleep(SECOND).await;
            tokio::spawn(async { panic!("a planted panic") });
            std::future::pending().await
        })
    };
    let error = play(run).expect_err("breaks down").to_string();
    assert!(error.contains("host culprit panicked: a planted panic at tests/offences.rs:"), "{error}");
}

#[test]
fn a_panic_that_the_program_catches_is_its_own_business() {
    let run = || -> Run {
        Box::pin(async {
            let caught = std::panic::catch_unwind(|| panic!("a planted panic"));
            sleep(SECOND).await;
            caught.map_or(Ok(()), |()| Err("it was not caught".to_owned()))
        })
    };
    assert_eq!(play(run), Ok(()));
}
