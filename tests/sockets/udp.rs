//! UDP to the world's resolver: the same script as on the real kernel, and what a program that brings its own resolver feels.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a program that was never told of a trial is what is tested"
)]

use std::collections::BTreeSet;
use std::io;
use std::mem::zeroed;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as BlockingSocket};
use std::os::fd::AsRawFd;
use std::ptr;
use std::thread::spawn as spawn_thread;
use std::time::{Duration, Instant as BlockingInstant};

use pulseless::fault::{Answer, Death, Harm, KernelHarm, ProcessHarm};
use pulseless::world::{Engine, HostId, Leap, on_trial_thread};
use simple_dns::rdata::{A, AAAA, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, TYPE};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};

use super::LATENCY;
use super::seen::{Run, Seen, program};

const RESOLVER: &str = "10.255.255.53:53";
const RESOLVER_V6: &str = "[fd00::1:53]:53";
const SECOND: Duration = Duration::from_secs(1);

fn question(id: u16, name: &str, kind: TYPE) -> Vec<u8> {
    let mut asked = Packet::new_query(id);
    asked.set_flags(PacketFlag::RECURSION_DESIRED);
    asked.questions.push(Question::new(Name::new(name).expect("a name"), kind.into(), CLASS::IN.into(), false));
    asked.build_bytes_vec().expect("a message")
}

/// What a message says: its number, its code and its addresses.
fn told(message: &[u8]) -> String {
    let read = Packet::parse(message).expect("a message");
    let addresses = read.answers.iter().filter_map(|record| {
        if let RData::A(A { address }) = record.rdata {
            Some(Ipv4Addr::from(address).to_string())
        } else if let RData::AAAA(AAAA { address }) = record.rdata {
            Some(Ipv6Addr::from(address).to_string())
        } else {
            None
        }
    });
    let code = if read.rcode() == RCODE::NoError { String::new() } else { format!(" {:?}", read.rcode()) };
    format!("{}{code} {}", read.id(), addresses.collect::<Vec<_>>().join(" "))
}

/// A world with a host `server`, which does nothing, and a host `client`.
fn play(client: fn(Seen) -> Run, direct: impl FnOnce(&mut Leap, HostId) + Send) -> Vec<String> {
    on_trial_thread(7, || {
        let seen = Seen::default();
        let mut leap = Leap::new(7, LATENCY);
        leap.add_host("server", program(&seen, |_, _| Box::pin(std::future::pending())));
        let host = leap.add_host("client", program(&seen, move |_, seen| client(seen)));
        leap.start(host);
        direct(&mut leap, host);
        leap.run_until(600 * SECOND).expect("nothing breaks down");
        drop(leap);
        seen.list()
    })
    .expect("no panic")
}

/// What libc says: a length, or the error.
fn said(answer: isize) -> String {
    if answer < 0 { failed(&io::Error::last_os_error()) } else { answer.to_string() }
}

fn failed(error: &io::Error) -> String {
    format!("errno {}", error.raw_os_error().unwrap_or(0))
}

fn outcome<T>(result: io::Result<T>) -> String {
    result.map_or_else(|error| failed(&error), |_| "done".to_owned())
}

/// Receives into two buffers, of 4 and 4 bytes: the length, the flags, and whether the sender is named.
fn receive_into_two(socket: &BlockingSocket) -> String {
    let mut bytes = [[0_u8; 4]; 2];
    let mut parts = bytes.each_mut().map(|part| libc::iovec { iov_base: part.as_mut_ptr().cast(), iov_len: 4 });
    let mut name = [0_u8; 64];
    // SAFETY: a msghdr of zeros is one of nothing; its two parts and its name are there.
    let (len, message) = unsafe {
        let mut message: libc::msghdr = zeroed();
        (message.msg_iov, message.msg_iovlen) = (parts.as_mut_ptr(), 2);
        (message.msg_name, message.msg_namelen) = (name.as_mut_ptr().cast(), 64);
        (libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0), message)
    };
    let is_cut = message.msg_flags & libc::MSG_TRUNC != 0;
    format!("{} cut {is_cut} named {} id {:?}", said(len), message.msg_namelen > 0, &bytes[0][..2])
}

/// Plays on sockets that call `resolver`, which says that there is no such name.
fn script(any: SocketAddr, resolver: SocketAddr) -> io::Result<Vec<String>> {
    let mut seen = Vec::new();
    let mut see = |what: &str, how: String| seen.push(format!("{what}: {how}"));
    let mut buffer = [0; 512];
    let socket = BlockingSocket::bind(any)?;
    let file = socket.as_raw_fd();
    let local = socket.local_addr()?;
    see("has a port", (local.port() > 0).to_string());
    see("taken", outcome(BlockingSocket::bind(local)));
    see("no peer", outcome(socket.peer_addr()));
    see("send to nobody", outcome(socket.send(b"x")));
    see("too long", outcome(socket.send_to(&[0; 70_000], resolver)));
    see("nothing", socket.send_to(b"", resolver)?.to_string());
    // SAFETY: both take numbers alone.
    unsafe {
        see("listen", said(libc::listen(file, 1) as isize));
        see(
            "shutdown of no peer",
            said(libc::shutdown(BlockingSocket::bind(any)?.as_raw_fd(), libc::SHUT_RD) as isize),
        );
    }

    socket.set_nonblocking(true)?;
    see("nothing is there", outcome(socket.recv(&mut buffer)));
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(SECOND / 10))?;
    let begun = BlockingInstant::now();
    see("nothing comes", outcome(socket.recv(&mut buffer)));
    see("after its time", (begun.elapsed() >= SECOND / 10).to_string());
    see("its time", format!("{:?}", socket.read_timeout()?));
    socket.set_read_timeout(Some(10 * SECOND))?;

    let asked: Vec<Vec<u8>> = (1..=6).map(|id| question(id, "nobody", TYPE::A)).collect();
    for message in &asked {
        see("sent", socket.send_to(message, resolver)?.to_string());
    }
    let (len, from) = socket.peek_from(&mut buffer)?;
    see("peeked", format!("{len} from the resolver {} {}", from == resolver, told(&buffer[..len])));
    // SAFETY: what is asked for is one number, which is there.
    let waiting = unsafe {
        let mut waiting: libc::c_int = 0;
        libc::ioctl(file, libc::FIONREAD, &raw mut waiting);
        waiting
    };
    see("waits", waiting.to_string());
    see("cut", socket.recv(&mut buffer[..5])?.to_string());
    // SAFETY: so much room is there, and none is asked for.
    let lengths = unsafe {
        let longer = libc::recv(file, buffer.as_mut_ptr().cast(), 5, libc::MSG_TRUNC | libc::MSG_PEEK);
        [
            longer,
            libc::recv(file, ptr::null_mut(), 0, libc::MSG_TRUNC),
            libc::recv(file, buffer.as_mut_ptr().cast(), 0, 0),
        ]
    };
    see("how long", format!("{lengths:?}"));
    see("in parts", receive_into_two(&socket));
    let len = socket.recv(&mut buffer)?;
    see("whole", told(&buffer[..len]));

    script_of_a_peer(&socket, resolver, &mut see)?;
    Ok(seen)
}

/// The same, once it is connected; one answer waits still.
fn script_of_a_peer(
    socket: &BlockingSocket,
    resolver: SocketAddr,
    see: &mut impl FnMut(&str, String),
) -> io::Result<()> {
    let (mut buffer, asked) = ([0; 512], question(1, "nobody", TYPE::A));
    let file = socket.as_raw_fd();
    socket.connect(resolver)?;
    see("peer", (socket.peer_addr()? == resolver).to_string());
    see("its own address", socket.local_addr()?.ip().is_unspecified().to_string());
    let len = socket.recv(&mut buffer)?;
    see("of before", told(&buffer[..len]));
    see("sent", socket.send(&asked)?.to_string());
    let len = socket.recv(&mut buffer)?;
    see("connected", told(&buffer[..len]));
    see("another family", outcome(BlockingSocket::bind("0.0.0.0:0")?.connect("[::1]:53")));

    socket.set_broadcast(true)?;
    socket.set_ttl(7)?;
    see("options", format!("{} {}", socket.broadcast()?, if resolver.is_ipv4() { socket.ttl()? } else { 7 }));
    let (mut value, mut room) = (0_i32, 4);
    // SAFETY: one number is there, and takes numbers alone.
    let answers = unsafe {
        let (place, room) = ((&raw mut value).cast(), &raw mut room);
        let delay = libc::getsockopt(file, libc::IPPROTO_TCP, libc::TCP_NODELAY, place, room);
        let kind = libc::getsockopt(file, libc::SOL_SOCKET, libc::SO_TYPE, place, room);
        [delay, kind, libc::shutdown(file, libc::SHUT_RDWR)]
    };
    see("of a kind", format!("{:?} {value}", answers));
    see("deaf", socket.recv(&mut buffer)?.to_string());
    see("dumb", outcome(socket.send(&asked)));
    Ok(())
}

/// A resolver of the real kernel, which knows no name.
fn serve_on_the_kernel() -> io::Result<SocketAddr> {
    let socket = BlockingSocket::bind("127.0.0.1:0")?;
    let at = socket.local_addr()?;
    spawn_thread(move || {
        let mut buffer = [0; 512];
        while let Ok((len, from)) = socket.recv_from(&mut buffer) {
            if len >= 12 {
                (buffer[2], buffer[3]) = (0x81, 0x83);
                socket.send_to(&buffer[..len], from)?;
            }
        }
        io::Result::Ok(())
    });
    Ok(at)
}

#[test]
fn one_script_sees_the_same_on_the_kernel_and_in_a_trial() {
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let on_the_kernel = script(any, serve_on_the_kernel().expect("a port")).expect("no error");
    let in_a_trial = play(
        |seen| {
            Box::pin(async move {
                for (any, resolver) in [("0.0.0.0:0", RESOLVER), ("[::]:0", RESOLVER_V6)] {
                    let [any, resolver] = [any, resolver].map(|text| text.parse::<SocketAddr>().expect("an address"));
                    spawn_blocking(move || script(any, resolver))
                        .await
                        .expect("no panic")?
                        .into_iter()
                        .for_each(|line| seen.add(line));
                }
                Ok(())
            })
        },
        |_, _| (),
    );
    assert_eq!(in_a_trial.len(), 2 * on_the_kernel.len());
    for played in in_a_trial.chunks(on_the_kernel.len()) {
        assert_eq!(played, on_the_kernel);
    }
}

/// Asks once, and says what it was told, and when.
async fn ask(socket: &UdpSocket, message: &[u8]) -> io::Result<String> {
    let (begun, mut buffer) = (Instant::now(), [0; 512]);
    socket.send(message).await?;
    let len = socket.recv(&mut buffer).await?;
    Ok(format!("{} after {:?}", told(&buffer[..len]), begun.elapsed()))
}

async fn connected(resolver: &str) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(if resolver.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" }).await?;
    socket.connect(resolver).await.map(|()| socket)
}

#[test]
fn a_program_asks_by_either_family_and_is_told_what_getaddrinfo_is() {
    let seen = play(
        |seen| {
            Box::pin(async move {
                for resolver in [RESOLVER, RESOLVER_V6] {
                    let socket = connected(resolver).await?;
                    for (name, kind) in
                        [("server", TYPE::A), ("server", TYPE::AAAA), ("server", TYPE::MX), ("x", TYPE::A)]
                    {
                        seen.add(ask(&socket, &question(9, name, kind)).await?);
                    }
                }
                // A socket of IPv6 shows whom it hears by IPv4 as a mapped address.
                let socket = UdpSocket::bind("[::]:0").await?;
                socket.send_to(&question(9, "server", TYPE::A), "[::ffff:10.255.255.53]:53").await?;
                seen.add(socket.recv_from(&mut [0; 512]).await?.1.to_string());
                let error = TcpStream::connect(RESOLVER).await.expect_err("it has no port of TCP");
                seen.add(format!("{:?}", error.kind()));
                Ok(())
            })
        },
        |_, _| (),
    );
    let of_each = ["9 10.0.0.1 after 100µs", "9 fd00::1 after 100µs", "9  after 100µs", "9 NameError  after 100µs"];
    assert_eq!(seen[..4], of_each);
    assert_eq!(seen[4..8], of_each);
    assert_eq!(seen[8..], ["[::ffff:10.255.255.53]:53", "ConnectionRefused"]);
}

#[test]
fn sockets_of_one_program_hear_their_own_answers_at_once() {
    let seen = play(
        |seen| {
            Box::pin(async move {
                let mut asking = tokio::task::JoinSet::new();
                for id in 0..100 {
                    asking.spawn(async move {
                        let socket = connected(RESOLVER).await?;
                        ask(&socket, &question(id, "server", TYPE::A))
                            .await
                            .map(|told| told.starts_with(&format!("{id} 10.0.0.1")))
                    });
                }
                let right = asking.join_all().await.into_iter().filter(|told| matches!(told, Ok(true))).count();
                seen.add(right.to_string());
                Ok(())
            })
        },
        |_, _| (),
    );
    assert_eq!(seen, ["100"]);
}

fn of_name(answer: Answer) -> Harm {
    Harm::Kernel { on: BTreeSet::from(["client".into()]), harm: KernelHarm::Name { name: "server".into(), answer } }
}

#[test]
fn the_faults_of_names_are_felt_by_who_asks_by_udp() {
    for (answer, expected) in [
        (Answer::Fails, "9 NameError  after 100µs"),
        (Answer::Dead, "9 10.255.255.254 after 100µs"),
        (Answer::Moves { to: "client".into() }, "9 10.0.0.2 after 100µs"),
        (Answer::Late { takes: 5 * SECOND }, "9 10.0.0.1 after 5.0001s"),
    ] {
        let seen = play(
            |seen| {
                Box::pin(async move {
                    let socket = connected(RESOLVER).await?;
                    for _ in 0..2 {
                        seen.add(ask(&socket, &question(9, "server", TYPE::A)).await?);
                        sleep(20 * SECOND).await;
                    }
                    Ok(())
                })
            },
            |leap, _| {
                leap.begin(1, &of_name(answer.clone()));
                leap.run_until(10 * SECOND).expect("nothing breaks down");
                assert!(leap.end(1), "{answer:?} was not felt");
            },
        );
        assert_eq!(seen, [expected, "9 10.0.0.1 after 100µs"]);
    }
}

#[test]
fn where_names_are_asked_for_is_the_worlds_on_every_thread_of_a_program() {
    let seen = play(
        |seen| {
            Box::pin(async move {
                let read = || {
                    io::Result::Ok([
                        std::fs::read_to_string("/etc/resolv.conf")?,
                        std::fs::read_to_string("/etc/hosts")?,
                    ])
                };
                let (here, beside) = (read()?, spawn_blocking(read).await.expect("no panic")?);
                seen.add(if here == beside { here.concat() } else { format!("{here:?} {beside:?}") });
                Ok(())
            })
        },
        |_, _| (),
    );
    assert_eq!(seen, ["nameserver 10.255.255.53\n127.0.0.1 localhost\n::1 localhost\n"]);
}

/// Asks from port 5353, and waits for a minute.
fn ask_and_wait(seen: Seen) -> Run {
    Box::pin(async move {
        let socket = UdpSocket::bind("0.0.0.0:5353").await?;
        socket.send_to(&question(9, "server", TYPE::A), RESOLVER).await?;
        let heard = timeout(60 * SECOND, socket.recv(&mut [0; 512])).await;
        seen.add(heard.map_or("silence".to_owned(), |heard| format!("{heard:?}")));
        Ok(())
    })
}

#[test]
fn a_killed_process_frees_its_port_and_hears_no_late_answer() {
    let seen = play(ask_and_wait, |leap, client| {
        leap.begin(1, &of_name(Answer::Late { takes: 5 * SECOND }));
        leap.run_until(SECOND).expect("nothing breaks down");
        assert!(leap.halt(client, Death::Killed));
        assert!(leap.end(1));
        leap.start(client);
    });
    // The next process, on the same port, is told at once; and the first one's answer is heard by nobody.
    assert_eq!(seen, ["Ok(40)"]);
}

#[test]
fn a_suspended_host_misses_its_answer_and_a_stopped_process_finds_it() {
    for (harm, expected) in [(ProcessHarm::Suspended, "silence"), (ProcessHarm::Paused, "Ok(40)")] {
        let seen = play(ask_and_wait, |leap, _| {
            leap.begin(1, &of_name(Answer::Late { takes: 5 * SECOND }));
            leap.run_until(SECOND).expect("nothing breaks down");
            leap.begin(2, &Harm::Process { on: BTreeSet::from(["client".into()]), harm });
            leap.run_until(20 * SECOND).expect("nothing breaks down");
            leap.end(2);
        });
        assert_eq!(seen, [expected]);
    }
}
