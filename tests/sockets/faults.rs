//! One promise for each fault of links, names and backlogs: what an application feels of it.

use std::collections::BTreeSet;
use std::time::Duration;

use pulseless::cast::HostName;
use pulseless::env::{Address, Env, TcpKeepalive, TcpOptions};
use pulseless::fault::{Answer, Between, Death, Expired, Harm, KernelHarm, LinkHarm, ProcessHarm, Unsynced};
use pulseless::grammar::Latency;
use pulseless::world::{Engine, HostId, Leap, LinkBase, on_trial_thread};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep};

use super::seen::{Run, Seen, program};
use super::{LATENCY, PORT, accept, server_address};

/// A fault of a link between server and client, and when it begins and ends, in seconds.
struct Harmed {
    harm: Harm,
    begins: u64,
    ends: u64,
}

fn on_link(harm: LinkHarm, begins: u64, ends: u64) -> Harmed {
    let between = Between { from: names(["client"]), to: names(["server"]), one_way: false };
    Harmed { harm: Harm::Link { between, harm }, begins, ends }
}

fn one_way(harmed: Harmed, from: &str, to: &str) -> Harmed {
    let Harm::Link { harm, .. } = harmed.harm else { panic!("{:?} is none of links", harmed.harm) };
    let between = Between { from: names([from]), to: names([to]), one_way: true };
    Harmed { harm: Harm::Link { between, harm }, ..harmed }
}

fn names<const N: usize>(names: [&str; N]) -> BTreeSet<HostName> {
    names.map(HostName::from).into()
}

/// Plays a server and a client for an hour with one fault; what was seen, and whether the fault was felt.
fn play_harmed(
    harmed: Harmed,
    server: impl Fn(Env, Seen) -> Run + Send + 'static,
    client: impl Fn(Env, Seen) -> Run + Send + 'static,
) -> (Vec<String>, bool) {
    on_trial_thread(7, || {
        let seen = Seen::default();
        let mut leap = Leap::new(7, LATENCY);
        let hosts = [leap.add_host("server", program(&seen, server)), leap.add_host("client", program(&seen, client))];
        leap.start(hosts[0]);
        leap.run_until(Duration::ZERO).expect("the server listens");
        if harmed.begins == 0 {
            leap.begin(1, &harmed.harm);
        }
        leap.start(hosts[1]);
        if harmed.begins > 0 {
            leap.run_until(Duration::from_secs(harmed.begins)).expect("nothing breaks down");
            leap.begin(1, &harmed.harm);
        }
        leap.run_until(Duration::from_secs(harmed.ends)).expect("nothing breaks down");
        let is_felt = leap.end(1);
        leap.run_until(Duration::from_secs(3_600)).expect("nothing breaks down");
        (seen.list(), is_felt)
    })
    .expect("no panic")
}

/// Sends back what it hears, and tells how the connection ended.
fn echo(env: Env, seen: Seen) -> Run {
    Box::pin(async move {
        let mut listener = env.listen(PORT).await?;
        loop {
            let mut socket = listener.accept().await?;
            let seen = seen.clone();
            tokio::spawn(async move {
                let mut buffer = vec![0; 1 << 16];
                loop {
                    match socket.read(&mut buffer).await {
                        Ok(0) => break seen.add("server: end"),
                        Ok(bytes) => socket.write_all(&buffer[..bytes]).await.unwrap_or(()),
                        Err(error) => break seen.add(format!("server: {:?}", error.kind())),
                    }
                }
            });
        }
    })
}

/// Dials at once; then, at these seconds, sends so many bytes and tells how long their echo took or what went wrong.
fn ask_at(times: &'static [(u64, usize)], options: TcpOptions) -> impl Fn(Env, Seen) -> Run + Send + 'static {
    move |env, seen| {
        Box::pin(async move {
            let start = Instant::now();
            let mut socket = match env.dial_with(&server_address(), options).await {
                Ok(socket) => socket,
                Err(error) => {
                    seen.add(format!("dial: {:?} at {}", error.kind(), start.elapsed().as_secs()));
                    return Ok(());
                }
            };
            seen.add(format!("connected at {}", start.elapsed().as_secs()));
            for (at, bytes) in times {
                tokio::time::sleep_until(start + Duration::from_secs(*at)).await;
                let asked = Instant::now();
                let mut heard = vec![0; *bytes];
                let answered = match socket.write_all(&vec![7; *bytes]).await {
                    Ok(()) => socket.read_exact(&mut heard).await.map(|_| ()),
                    Err(error) => Err(error),
                };
                match answered {
                    Ok(()) => seen.add(format!("echo after {}", asked.elapsed().as_secs())),
                    Err(error) => {
                        let after = asked.elapsed().as_secs();
                        seen.add(format!("client: {:?} after {after}", error.kind()));
                        return Ok(());
                    }
                }
            }
            std::future::pending().await
        })
    }
}

const NO_OPTIONS: TcpOptions = TcpOptions { keepalive: None, user_timeout: None };

#[test]
fn a_partition_heals_by_retransmission_and_loses_nothing() {
    let (seen, is_felt) =
        play_harmed(on_link(LinkHarm::Partition, 10, 40), echo, ask_at(&[(5, 9), (11, 9), (60, 9)], NO_OPTIONS));
    // The first try is 0.21 s after the sending, a round trip and 200 ms, and each wait is twice the one before: the
    // eighth try is the first after the partition.
    assert_eq!(seen, ["connected at 0", "echo after 0", "echo after 54", "echo after 0"]);
    assert!(is_felt);
}

#[test]
fn a_partition_that_does_not_heal_times_the_sender_out_and_leaves_the_other_half_open() {
    let (seen, _) = play_harmed(on_link(LinkHarm::Partition, 10, 3_000), echo, ask_at(&[(11, 9)], NO_OPTIONS));
    assert_eq!(seen.len(), 2, "the server hears nothing: {seen:?}");
    let after = seen[1].strip_prefix("client: TimedOut after ").expect("it gave up").parse::<u64>().expect("seconds");
    assert!((925..1_045).contains(&after), "{after}");
}

#[test]
fn data_arrive_though_their_acknowledgments_do_not_and_the_sender_times_out() {
    let harmed = one_way(on_link(LinkHarm::Partition, 10, 3_000), "server", "client");
    let options = TcpOptions { user_timeout: Some(Duration::from_secs(30)), ..NO_OPTIONS };
    let hear = |env: Env, seen: Seen| -> Run {
        Box::pin(async move {
            let mut socket = accept(&env).await?;
            loop {
                let bytes = socket.read(&mut [0; 64]).await?;
                seen.add(format!("server: {bytes} bytes"));
            }
        })
    };
    let (seen, is_felt) = play_harmed(harmed, hear, ask_at(&[(11, 9)], options));
    assert_eq!(seen, ["connected at 0", "server: 9 bytes", "client: TimedOut after 30"]);
    assert!(is_felt);
}

#[test]
fn a_fault_of_a_link_that_nobody_uses_is_not_felt() {
    let (_, is_felt) = play_harmed(on_link(LinkHarm::Partition, 10, 40), echo, ask_at(&[(5, 9), (60, 9)], NO_OPTIONS));
    assert!(!is_felt);
}

#[test]
fn loss_slows_and_loses_nothing() {
    let ask = |env: Env, seen: Seen| -> Run {
        Box::pin(async move {
            let mut socket = env.dial(&server_address()).await?;
            sleep(Duration::from_secs(5)).await;
            let start = Instant::now();
            for bytes in [9; 100].into_iter().chain([400_000]) {
                let (sent, mut heard) = (vec![7; bytes], vec![0; bytes]);
                socket.write_all(&sent).await?;
                socket.read_exact(&mut heard).await?;
                assert_eq!(sent, heard);
            }
            seen.add(start.elapsed().as_secs().to_string());
            Ok(())
        })
    };
    for burst in [1, 3] {
        let harm = LinkHarm::Loss { basis_points: 1_000, burst };
        let (seen, is_felt) = play_harmed(on_link(harm, 1, 3_000), echo, ask);
        let took: u64 = seen[0].parse().expect("seconds");
        // A hundred round trips without loss take 4 s at most, and a lost segment costs 200 ms at least.
        assert!((5..600).contains(&took), "{took} s");
        assert!(is_felt);
    }
}

#[test]
fn an_mtu_hole_passes_small_segments_and_stalls_large_ones_until_it_closes() {
    let harm = LinkHarm::MtuBlackHole { largest: 1_400 };
    let (seen, is_felt) =
        play_harmed(on_link(harm, 1, 100), echo, ask_at(&[(5, 1_400), (10, 1_401), (300, 1)], NO_OPTIONS));
    assert_eq!(seen[..2], ["connected at 0", "echo after 0"]);
    let after: u64 = seen[2].strip_prefix("echo after ").expect("at last").parse().expect("seconds");
    assert!((90..192).contains(&after), "{after}");
    assert!(is_felt);
}

#[test]
fn an_idle_mapping_that_was_dropped_is_gone_for_good() {
    let harm = LinkHarm::IdleDrop { after: Duration::from_secs(60), then: Expired::Drop };
    let (seen, is_felt) = play_harmed(on_link(harm, 1, 200), echo, ask_at(&[(50, 9), (300, 9)], NO_OPTIONS));
    assert_eq!(seen[..2], ["connected at 0", "echo after 0"]);
    assert!(seen[2].starts_with("client: TimedOut after "), "{seen:?}");
    assert_eq!(seen.len(), 3, "the server hears nothing: {seen:?}");
    assert!(is_felt);
}

#[test]
fn an_idle_mapping_that_resets_answers_the_next_packet_and_tells_nobody_else() {
    let harm = LinkHarm::IdleDrop { after: Duration::from_secs(60), then: Expired::Reset };
    let (seen, _) = play_harmed(on_link(harm, 1, 200), echo, ask_at(&[(50, 9), (120, 9)], NO_OPTIONS));
    assert_eq!(seen, ["connected at 0", "echo after 0", "client: ConnectionReset after 0"]);
}

#[test]
fn keepalive_keeps_an_idle_mapping() {
    let harm = LinkHarm::IdleDrop { after: Duration::from_secs(60), then: Expired::Reset };
    let seconds = Duration::from_secs;
    let keepalive = Some(TcpKeepalive { idle: seconds(30), interval: seconds(5), count: 3 });
    let options = TcpOptions { keepalive, ..NO_OPTIONS };
    let (seen, _) = play_harmed(on_link(harm, 1, 900), echo, ask_at(&[(2, 9), (800, 9)], options));
    assert_eq!(seen, ["connected at 0", "echo after 0", "echo after 0"]);
}

#[test]
fn a_lost_syn_is_sent_again_and_nothing_else_is_lost() {
    let harm = LinkHarm::SynLoss { basis_points: 10_000 };
    let (seen, is_felt) = play_harmed(on_link(harm, 0, 5), echo, ask_at(&[(60, 9)], NO_OPTIONS));
    assert_eq!(seen, ["connected at 7", "echo after 0"]);
    assert!(is_felt);
    let harm = LinkHarm::SynLoss { basis_points: 10_000 };
    let (seen, _) = play_harmed(on_link(harm, 0, 3_000), echo, ask_at(&[(60, 9)], NO_OPTIONS));
    assert_eq!(seen, ["dial: TimedOut at 127"]);
}

#[test]
fn a_full_backlog_is_silent_and_a_syn_gets_in_when_there_is_room() {
    let harm = Harm::Kernel { on: names(["server"]), harm: KernelHarm::BacklogFull };
    let (seen, is_felt) = play_harmed(Harmed { harm, begins: 0, ends: 10 }, echo, ask_at(&[(60, 9)], NO_OPTIONS));
    assert_eq!(seen, ["connected at 15", "echo after 0"]);
    assert!(is_felt);
}

#[test]
fn a_name_fails_or_leads_to_a_dead_host_while_the_fault_lasts() {
    for (answer, expected) in [(Answer::Fails, "dial: NotFound at 0"), (Answer::Dead, "dial: TimedOut at 127")] {
        let harm = Harm::Kernel { on: names(["client"]), harm: KernelHarm::Name { name: "server".into(), answer } };
        let harmed = Harmed { harm, begins: 0, ends: 10 };
        let (seen, is_felt) = play_harmed(harmed, echo, ask_at(&[(60, 9)], NO_OPTIONS));
        assert_eq!(seen, [expected]);
        assert!(is_felt);
    }
}

#[test]
fn a_user_timeout_ends_what_a_partition_holds_up() {
    let options = TcpOptions { user_timeout: Some(Duration::from_secs(20)), ..NO_OPTIONS };
    let (seen, _) = play_harmed(on_link(LinkHarm::Partition, 10, 3_000), echo, ask_at(&[(5, 9), (11, 9)], options));
    assert_eq!(seen, ["connected at 0", "echo after 0", "client: TimedOut after 20"]);
    let (seen, _) = play_harmed(on_link(LinkHarm::Partition, 0, 3_000), echo, ask_at(&[(5, 9)], options));
    assert_eq!(seen, ["dial: TimedOut at 20"]);
}

#[test]
fn keepalive_sees_a_partition_on_an_idle_connection() {
    let seconds = Duration::from_secs;
    let keepalive = Some(TcpKeepalive { idle: seconds(5), interval: seconds(2), count: 2 });
    let listen = move |env: Env, seen: Seen| -> Run {
        Box::pin(async move {
            let start = Instant::now();
            let mut socket = env.dial_with(&server_address(), TcpOptions { keepalive, ..NO_OPTIONS }).await?;
            let error = socket.read(&mut [0; 8]).await.expect_err("lost");
            seen.add(format!("client: {:?} at {}", error.kind(), start.elapsed().as_secs()));
            Ok(())
        })
    };
    let (seen, is_felt) = play_harmed(on_link(LinkHarm::Partition, 102, 3_000), echo, listen);
    // The last answer came at 100.1 s: probes at 105.1 and 107.1 s.
    assert_eq!(seen, ["client: TimedOut at 109"]);
    assert!(is_felt);
}

#[test]
fn bandwidth_and_latency_take_their_time() {
    let harm = LinkHarm::Bandwidth { bytes_per_second: 10_000 };
    let (seen, is_felt) = play_harmed(on_link(harm, 1, 3_000), echo, ask_at(&[(5, 100_000)], NO_OPTIONS));
    assert_eq!(seen, ["connected at 0", "echo after 20"]);
    assert!(is_felt);
    let fixed = Duration::from_secs(3);
    let harm = LinkHarm::Latency(Latency::uniform(fixed, fixed));
    let (seen, is_felt) = play_harmed(on_link(harm, 1, 3_000), echo, ask_at(&[(5, 9)], NO_OPTIONS));
    assert_eq!(seen, ["connected at 0", "echo after 6"]);
    assert!(is_felt);
}

#[test]
fn a_window_update_that_is_lost_in_a_partition_is_asked_for_again() {
    let drain = |env: Env, seen: Seen| -> Run {
        Box::pin(async move {
            let mut socket = accept(&env).await?;
            // The window is full when the partition begins, and opens in the middle of it.
            sleep(Duration::from_secs(20)).await;
            let mut all = Vec::new();
            let bytes = socket.read_to_end(&mut all).await?;
            seen.add(format!("server: {bytes} bytes"));
            Ok(())
        })
    };
    let pour = |env: Env, _: Seen| -> Run {
        Box::pin(async move {
            let mut socket = env.dial(&server_address()).await?;
            socket.write_all(&vec![7; 1_000_000]).await?;
            socket.shutdown().await?;
            std::future::pending().await
        })
    };
    let (seen, is_felt) = play_harmed(on_link(LinkHarm::Partition, 10, 60), drain, pour);
    assert_eq!(seen, ["server: 1000000 bytes"]);
    assert!(is_felt);
}

fn on_host(host: &str, harm: ProcessHarm) -> Harm {
    Harm::Process { on: names([host]), harm }
}

#[test]
fn a_suspended_host_misses_what_is_sent_and_gets_it_again_when_it_wakes() {
    let harmed = Harmed { harm: on_host("server", ProcessHarm::Suspended), begins: 10, ends: 100 };
    let (seen, _) = play_harmed(harmed, echo, ask_at(&[(5, 9), (20, 9)], NO_OPTIONS));
    // 80 s of sleep are left; the next try comes before as much time again has passed.
    let after: u64 = seen[2].strip_prefix("echo after ").expect("at last").parse().expect("seconds");
    assert!((80..160).contains(&after), "{seen:?}");
}

#[test]
fn keepalive_does_not_see_that_a_process_stands_still() {
    let seconds = Duration::from_secs;
    let keepalive = Some(TcpKeepalive { idle: seconds(5), interval: seconds(2), count: 2 });
    let harmed = Harmed { harm: on_host("server", ProcessHarm::Paused), begins: 10, ends: 1_000 };
    let options = TcpOptions { keepalive, user_timeout: Some(seconds(20)) };
    let (seen, _) = play_harmed(harmed, echo, ask_at(&[(5, 9), (900, 9)], options));
    assert_eq!(seen, ["connected at 0", "echo after 0", "echo after 100"]);
}

/// A server that echoes and a client, both running; what the world does to them is the test's to say.
fn play_by_hand(
    client: impl Fn(Env, Seen) -> Run + Send + 'static,
    direct: impl FnOnce(&mut Leap, [HostId; 2], &Seen) + Send,
) {
    on_trial_thread(7, || {
        let seen = Seen::default();
        let mut leap = Leap::new(7, LATENCY);
        let hosts = [leap.add_host("server", program(&seen, echo)), leap.add_host("client", program(&seen, client))];
        leap.start(hosts[0]);
        leap.run_until(Duration::ZERO).expect("the server listens");
        leap.start(hosts[1]);
        direct(&mut leap, hosts, &seen);
    })
    .expect("no panic");
}

fn run_until(leap: &mut Leap, seconds: u64) {
    leap.run_until(Duration::from_secs(seconds)).expect("nothing breaks down");
}

#[test]
fn the_timers_of_a_kernel_stand_still_while_its_host_sleeps() {
    let options = TcpOptions { user_timeout: Some(Duration::from_secs(30)), ..NO_OPTIONS };
    play_by_hand(ask_at(&[(11, 9)], options), |leap, _, seen| {
        run_until(leap, 10);
        leap.begin(1, &on_link(LinkHarm::Partition, 0, 0).harm);
        run_until(leap, 15);
        leap.begin(2, &on_host("client", ProcessHarm::Suspended));
        run_until(leap, 115);
        leap.end(2);
        run_until(leap, 140);
        assert_eq!(seen.list(), ["connected at 0"], "26 of its 30 s have passed by its clock");
        run_until(leap, 142);
        assert!(seen.list()[1].starts_with("client: TimedOut after "), "{:?}", seen.list());
    });
}

#[test]
fn a_host_without_power_is_silent_and_with_it_resets_what_it_knows_nothing_of() {
    play_by_hand(ask_at(&[(5, 9), (11, 9)], NO_OPTIONS), |leap, [server, _], seen| {
        run_until(leap, 10);
        assert!(leap.halt(server, Death::PoweredOff(Unsynced::Lost)));
        run_until(leap, 100);
        assert_eq!(seen.list(), ["connected at 0", "echo after 0"], "nobody is told");
        leap.start(server);
        run_until(leap, 300);
        let after = seen.list()[2].strip_prefix("client: ConnectionReset after ").map(str::to_owned);
        let after: u64 = after.expect("RST from a kernel that has forgotten it").parse().expect("seconds");
        assert!((89..180).contains(&after), "at the first try after the start: {after}");
    });
}

#[test]
fn a_host_without_power_refuses_nobody() {
    let late = |env: Env, seen: Seen| -> Run {
        Box::pin(async move {
            sleep(Duration::from_secs(20)).await;
            let start = Instant::now();
            let error = env.dial(&server_address()).await.expect_err("nobody is there");
            seen.add(format!("{:?} after {}", error.kind(), start.elapsed().as_secs()));
            Ok(())
        })
    };
    play_by_hand(late, |leap, [server, _], seen| {
        run_until(leap, 10);
        leap.halt(server, Death::PoweredOff(Unsynced::Lost));
        run_until(leap, 300);
        assert_eq!(seen.list(), ["TimedOut after 127"]);
    });
}

#[test]
fn a_moved_name_leads_to_the_other_host() {
    let moves = KernelHarm::Name { name: "nowhere".into(), answer: Answer::Moves { to: "server".into() } };
    let harm = Harm::Kernel { on: names(["client"]), harm: moves };
    let dial = |env: Env, seen: Seen| -> Run {
        Box::pin(async move {
            let socket = env.dial(&Address::new("nowhere", PORT)).await?;
            seen.add(socket.peer().to_string());
            Ok(())
        })
    };
    let (seen, is_felt) = play_harmed(Harmed { harm, begins: 0, ends: 10 }, echo, dial);
    assert_eq!(seen[0], "10.0.0.1:80");
    assert!(is_felt);
}

#[test]
fn the_base_of_a_world_may_be_slow_or_lossy_without_a_fault() {
    let run = |base: LinkBase| {
        on_trial_thread(7, move || {
            let seen = Seen::default();
            let mut leap = Leap::new(7, base);
            let client = ask_at(&[(10, 30_000)], NO_OPTIONS);
            let hosts =
                [leap.add_host("server", program(&seen, echo)), leap.add_host("client", program(&seen, client))];
            hosts.into_iter().for_each(|host| leap.start(host));
            run_until(&mut leap, 600);
            seen.list()
        })
        .expect("no panic")
    };
    let slow = LinkBase { bandwidth: Some(1_000), ..LATENCY.into() };
    assert!(run(slow).last().is_some_and(|last| last == "echo after 62"), "{:?}", run(slow));
    let lossy = LinkBase { loss_basis_points: 10_000, ..LATENCY.into() };
    assert_eq!(run(lossy), ["dial: TimedOut at 127"]);
}
