//! What can happen to a host in the leap engine, and that many hosts can be played.

#[path = "seen/program.rs"]
mod seen;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pulseless::env::{Address, Env};
use pulseless::fault::{ClockHarm, Death, DiskHarm, Harm, Landmark, Moment, Point, ProcessHarm, Unsynced};
use pulseless::grammar::Latency;
use pulseless::world::{Engine, HostId, Leap, on_trial_thread};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep};

use crate::seen::{Run, Seen, program};

const DELAY: Duration = Duration::from_millis(10);
const LATENCY: Latency = Latency::uniform(DELAY, DELAY);
const PORT: u16 = 80;
const SECOND: Duration = Duration::from_secs(1);

/// A world with a host `server`, whose process runs from the beginning.
struct World {
    leap: Leap,
    seen: Seen,
    server: HostId,
}

impl World {
    fn new(run: impl Fn(Env, Seen) -> Run + 'static) -> Self {
        let seen = Seen::default();
        let mut leap = Leap::new(7, LATENCY);
        let told = seen.clone();
        leap.observe_crashes(Arc::new(move |host, _| told.add(format!("{host} dies"))));
        let server = leap.add_host("server", program(&seen, run));
        leap.start(server);
        World { leap, seen, server }
    }

    fn add(&mut self, name: &str, run: impl Fn(Env, Seen) -> Run + 'static) -> HostId {
        let host = self.leap.add_host(name, program(&self.seen, run));
        self.leap.run_until(self.leap.clock().now()).expect("the others begin");
        self.leap.start(host);
        host
    }

    /// Runs until the middle of a second, so that nobody's timer is due at a test's own moments.
    fn run(&mut self, second: u64) {
        self.leap.run_until(Duration::from_secs(second) + SECOND / 2).expect("nothing breaks down");
    }

    /// A harm of the server from one second to another; whether it was felt.
    fn harm(&mut self, from: u64, to: u64, harm: &Harm) -> bool {
        self.run(from);
        self.leap.begin(1, harm);
        self.run(to);
        self.leap.end(1)
    }
}

fn on_server(harm: ProcessHarm) -> Harm {
    Harm::Process { on: BTreeSet::from(["server".into()]), harm }
}

fn clock_of_server(harm: ClockHarm) -> Harm {
    Harm::Clock { on: BTreeSet::from(["server".into()]), harm }
}

/// Plays a test on a trial thread.
fn play<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    on_trial_thread(7, test).expect("no panic")
}

/// Ticks every second of its own clock.
fn tick(_: Env, seen: Seen) -> Run {
    Box::pin(async move {
        let start = Instant::now();
        loop {
            sleep(SECOND).await;
            seen.add(format!("tick {}", start.elapsed().as_secs()));
        }
    })
}

/// Sends the server a byte every second.
fn talk(env: Env, _: Seen) -> Run {
    Box::pin(async move {
        let mut socket = env.dial(&Address::new("server", PORT)).await?;
        loop {
            socket.write_all(b"x").await?;
            sleep(SECOND).await;
        }
    })
}

fn idle(_: Env, _: Seen) -> Run {
    Box::pin(std::future::pending())
}

#[test]
fn a_paused_process_finds_everything_in_one_burst() {
    let (seen, felt) = play(|| {
        let mut world = World::new(|env, seen| {
            Box::pin(async move {
                let mut socket = env.listen(PORT).await?.accept().await?;
                loop {
                    let mut bytes = [0; 64];
                    seen.add(format!("{} bytes", socket.read(&mut bytes).await?));
                }
            })
        });
        world.add("client", talk);
        world.run(5);
        let before = world.seen.list().len();
        let felt = world.harm(5, 15, &on_server(ProcessHarm::Paused));
        assert_eq!(world.seen.list().len(), before, "a stopped process ran");
        world.leap.run_until(world.leap.clock().now()).expect("runs");
        (world.seen.list().split_off(before), felt)
    });
    assert_eq!(seen, ["10 bytes"], "what ten seconds brought");
    assert!(felt);
}

#[test]
fn the_timers_of_a_paused_process_are_late() {
    let ticks = play(|| {
        let mut world = World::new(tick);
        world.harm(4, 15, &on_server(ProcessHarm::Paused));
        world.run(18);
        world.seen.list()
    });
    assert_eq!(ticks[3..6], ["tick 4", "tick 15", "tick 16"], "the fifth tick waited for the end of the pause");
}

#[test]
fn a_stopped_process_can_be_killed_and_the_next_one_runs() {
    let (seen, felt) = play(|| {
        let mut world = World::new(tick);
        world.run(3);
        world.leap.begin(1, &on_server(ProcessHarm::Paused));
        world.run(5);
        assert!(world.leap.halt(world.server, Death::Killed));
        world.leap.start(world.server);
        world.run(7);
        (world.seen.list().split_off(3)[..2].to_vec(), world.leap.end(1))
    });
    assert_eq!(seen, ["server dies", "tick 1"]);
    assert!(felt);
}

#[test]
fn a_pause_of_nobody_is_not_felt() {
    let felt = play(|| {
        let mut world = World::new(idle);
        world.run(1);
        world.leap.halt(world.server, Death::Killed);
        world.harm(2, 5, &on_server(ProcessHarm::Paused))
    });
    assert!(!felt);
}

/// What a clock of the system shows, in seconds.
fn clock(id: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime writes to the one timespec that it is given.
    unsafe { libc::clock_gettime(id, &mut time) };
    time.tv_sec
}

#[test]
fn a_suspended_host_loses_time_on_its_monotonic_clock_only() {
    let (seen, felt) = play(|| {
        let mut world = World::new(|env, seen| {
            Box::pin(async move {
                let (start, boot, wall) = (Instant::now(), clock(libc::CLOCK_BOOTTIME), env.wall_clock());
                sleep(30 * SECOND).await;
                let monotonic = start.elapsed().as_secs();
                let boottime = clock(libc::CLOCK_BOOTTIME) - boot;
                seen.add(format!("{monotonic} {boottime} {}", (env.wall_clock() - wall).as_secs()));
                Ok(())
            })
        });
        let felt = world.harm(10, 70, &on_server(ProcessHarm::Suspended));
        world.run(89);
        assert_eq!(world.seen.list(), [""; 0], "the sleep was counted as time");
        world.run(91);
        (world.seen.list(), felt)
    });
    assert_eq!(seen, ["30 90 90"]);
    assert!(felt);
}

#[test]
fn a_pause_within_a_suspension_outlasts_it() {
    let seen = play(|| {
        let mut world = World::new(tick);
        world.run(4);
        world.leap.begin(1, &on_server(ProcessHarm::Suspended));
        world.leap.begin(2, &on_server(ProcessHarm::Paused));
        world.run(10);
        assert!(world.leap.end(1));
        world.run(20);
        assert!(world.leap.end(2));
        world.run(23);
        world.seen.list()
    });
    assert_eq!(seen[3..6], ["tick 4", "tick 14", "tick 15"], "asleep for 6 s, then stopped for 10 s");
}

/// Notes by how many milliseconds its wall clock is ahead.
fn read_wall_clock(env: Env, seen: Seen) -> Run {
    Box::pin(async move {
        let (start, wall) = (Instant::now(), env.wall_clock());
        loop {
            sleep(10 * SECOND).await;
            let shown = i128::try_from(env.wall_clock().as_millis()).expect("small");
            let truth = i128::try_from((wall + start.elapsed()).as_millis()).expect("small");
            assert_eq!(clock(libc::CLOCK_REALTIME), i64::try_from(env.wall_clock().as_secs()).expect("small"));
            seen.add((shown - truth).to_string());
        }
    })
}

#[test]
fn a_step_is_taken_back_and_a_drift_is_kept() {
    for (harm, expected) in [
        (ClockHarm::Step { by_ms: -5_000 }, ["0", "-5000", "-5000", "0"]),
        (ClockHarm::Drift { parts_per_million: 1_000 }, ["0", "4", "14", "20"]),
    ] {
        let (seen, felt) = play(|| {
            let mut world = World::new(read_wall_clock);
            let felt = world.harm(15, 35, &clock_of_server(harm));
            world.run(41);
            (world.seen.list(), felt)
        });
        assert_eq!(seen, expected);
        assert!(felt);
    }
}

#[test]
fn a_wrong_clock_that_nobody_reads_is_not_felt() {
    assert!(!play(|| World::new(tick).harm(1, 5, &clock_of_server(ClockHarm::Step { by_ms: 1_000 }))));
}

/// Makes one record durable each second, and says so; at its start it says how many there are.
fn write_records(env: Env, seen: Seen) -> Run {
    Box::pin(async move {
        let disk = env.disk("log")?;
        let mut records = disk.len()?;
        seen.add(format!("{records} records"));
        loop {
            sleep(SECOND).await;
            disk.set_len(records + 1)?;
            disk.write(records, &[1])?;
            disk.sync()?;
            records += 1;
            seen.add(format!("synced {records}"));
        }
    })
}

fn dies(death: Death, landmark: Landmark, nth: u32, moment: Moment) -> ProcessHarm {
    ProcessHarm::Dies { death, point: Some(Point { landmark, nth, moment }) }
}

/// What a server with records saw until its death, and what its next process finds; and whether the harm was felt.
fn die_at_a_write(death: Death, moment: Moment) -> (Vec<String>, String, bool) {
    play(|| {
        let mut world = World::new(write_records);
        // Three records are there when the count begins.
        let harm = dies(death, Landmark::DurableWrite, 2, moment);
        world.leap.run_until(Duration::from_millis(3_500)).expect("runs");
        world.leap.begin(1, &on_server(harm));
        world.run(10);
        let is_up = world.leap.is_up(world.server);
        assert!(!is_up, "a dead host came back by itself");
        let felt = world.leap.end(1);
        let all = world.seen.list();
        let dead = all.iter().position(|what| what == "server dies").expect("an obituary");
        world.leap.start(world.server);
        world.run(10);
        let found = world.seen.list()[all.len()].clone();
        (all[4..dead].to_vec(), found, felt)
    })
}

#[test]
fn a_process_dies_at_exactly_the_durable_write_that_was_named() {
    for moment in [Moment::Before, Moment::After] {
        let (seen, found, felt) = die_at_a_write(Death::Killed, moment);
        assert_eq!(seen, ["synced 4"], "{moment:?}");
        // A killed process's kernel keeps what it wrote, synced or not.
        assert_eq!(found, "5 records", "{moment:?}");
        assert!(felt);
    }
}

#[test]
fn a_power_failure_before_a_durable_write_loses_it_and_one_after_it_does_not() {
    for (moment, expected) in [(Moment::Before, "4 records"), (Moment::After, "5 records")] {
        let (seen, found, felt) = die_at_a_write(Death::PoweredOff(Unsynced::Lost), moment);
        assert_eq!(seen, ["synced 4"], "{moment:?}");
        assert_eq!(found, expected, "{moment:?}");
        assert!(felt);
    }
}

/// The death of its process ends no loop that waits for nothing; the engine does.
#[test]
fn a_dead_process_that_opens_its_store_for_ever_does_not_hold_the_trial_up() {
    let seen = play(|| {
        let mut world = World::new(|env, _| {
            Box::pin(async move {
                let disk = env.disk("log")?;
                loop {
                    sleep(SECOND).await;
                    disk.set_len(1)?;
                    if disk.sync().is_err() {
                        while env.disk("another").is_err() {}
                    }
                }
            })
        });
        world.run(1);
        world.leap.begin(1, &on_server(dies(Death::Killed, Landmark::DurableWrite, 1, Moment::Before)));
        world.run(5);
        world.seen.list()
    });
    assert_eq!(seen, ["server dies"]);
}

#[test]
fn a_point_that_is_never_reached_is_not_felt() {
    let felt = play(|| {
        let mut world = World::new(write_records);
        let felt = world.harm(1, 3, &on_server(dies(Death::Killed, Landmark::DurableWrite, 9, Moment::Before)));
        world.run(20);
        assert!(world.leap.is_up(world.server), "a disarmed point killed");
        felt
    });
    assert!(!felt);
}

/// How many answers a client got from a server that died at its second HTTP/2 DATA frame.
fn die_at_a_frame(moment: Moment) -> (usize, bool) {
    play(|| {
        let mut world = World::new(|env, _| {
            Box::pin(async move {
                let mut socket = env.listen(PORT).await?.accept().await?;
                socket.read_exact(&mut [0; 24]).await?;
                loop {
                    socket.read_exact(&mut [0; 10]).await?;
                    socket.write_all(b"!").await?;
                }
            })
        });
        world.leap.begin(1, &on_server(dies(Death::Killed, Landmark::Frame, 2, moment)));
        world.add("client", |env, seen| {
            Box::pin(async move {
                let mut socket = env.dial(&Address::new("server", PORT)).await?;
                socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
                loop {
                    // Length 1, DATA, no flags, stream 1, and the one byte.
                    socket.write_all(&[0, 0, 1, 0, 0, 0, 0, 0, 1, 7]).await?;
                    match socket.read(&mut [0; 1]).await {
                        Ok(1) => seen.add("answer"),
                        Ok(_) | Err(_) => return Ok(()),
                    }
                }
            })
        });
        world.run(60);
        let answers = world.seen.list().iter().filter(|what| *what == "answer").count();
        (answers, world.leap.end(1))
    })
}

#[test]
fn a_process_dies_before_it_reads_a_frame_or_when_it_has_handled_it() {
    assert_eq!(die_at_a_frame(Moment::Before), (1, true));
    assert_eq!(die_at_a_frame(Moment::After), (2, true));
}

#[test]
fn a_death_is_told_before_the_first_destructor_runs() {
    struct Guard(Seen);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.add("destructor");
        }
    }
    let deaths = [Death::Killed, Death::PoweredOff(Unsynced::Torn), Death::DiskLost];
    for death in deaths {
        let seen = play(|| {
            let mut world = World::new(|_, seen| {
                Box::pin(async move {
                    let _guard = Guard(seen);
                    std::future::pending().await
                })
            });
            world.run(1);
            assert!(world.leap.halt(world.server, death));
            assert!(!world.leap.halt(world.server, death), "a dead process died");
            world.seen.list()
        });
        assert_eq!(seen, ["server dies", "destructor"]);
    }
}

#[test]
fn a_lost_disk_is_empty_and_a_restored_one_is_as_it_was() {
    let found = play(|| {
        let mut world = World::new(write_records);
        let mut found = Vec::new();
        world.leap.run_until(Duration::from_millis(3_500)).expect("runs");
        world.leap.back_up(world.server);
        let from = world.leap.clock().now();
        for (second, death) in [(6, Death::DiskRestored { from }), (8, Death::DiskLost)] {
            world.run(second);
            world.leap.halt(world.server, death);
            world.leap.start(world.server);
            let before = world.seen.list().len();
            world.run(second);
            found.push(world.seen.list()[before].clone());
        }
        found
    });
    assert_eq!(found, ["3 records", "0 records"]);
}

#[test]
fn a_host_without_power_is_silent_and_resets_old_connections_when_it_is_back() {
    let seen = play(|| {
        let mut world = World::new(|env, _| {
            Box::pin(async move {
                let mut listener = env.listen(PORT).await?;
                loop {
                    let _socket = listener.accept().await?;
                    std::future::pending::<()>().await;
                }
            })
        });
        world.add("client", |env, seen| {
            Box::pin(async move {
                let mut socket = env.dial(&Address::new("server", PORT)).await?;
                let ended = tokio::time::timeout(60 * SECOND, socket.read(&mut [0; 1])).await;
                seen.add(if ended.is_err() { "silence" } else { "an end" });
                socket.write_all(b"x").await?;
                match socket.read(&mut [0; 1]).await {
                    Ok(_) => seen.add("an end"),
                    Err(error) => seen.add(format!("{:?}", error.kind())),
                }
                Ok(())
            })
        });
        world.run(10);
        assert!(world.leap.halt(world.server, Death::PoweredOff(Unsynced::Lost)));
        world.run(50);
        world.leap.start(world.server);
        world.run(200);
        world.seen.list()
    });
    assert_eq!(seen, ["server dies", "silence", "ConnectionReset"]);
}

#[test]
fn a_slow_sync_holds_the_process_and_what_it_sends() {
    let answered = play(|| {
        let mut world = World::new(|env, seen| {
            Box::pin(async move {
                let disk = env.disk("log")?;
                let mut socket = env.listen(PORT).await?.accept().await?;
                socket.read_exact(&mut [0; 1]).await?;
                disk.set_len(1)?;
                disk.sync()?;
                socket.write_all(b"!").await?;
                let start = Instant::now();
                sleep(SECOND).await;
                seen.add(format!("slept until {}", start.elapsed().as_secs()));
                Ok(())
            })
        });
        let slow = DiskHarm::SlowSync { takes: 5 * SECOND };
        world.leap.begin(1, &Harm::Disk { on: BTreeSet::from(["server".into()]), harm: slow });
        world.add("client", |env, seen| {
            Box::pin(async move {
                let mut socket = env.dial(&Address::new("server", PORT)).await?;
                let start = Instant::now();
                socket.write_all(b"?").await?;
                socket.read_exact(&mut [0; 1]).await?;
                seen.add(format!("answered after {}", start.elapsed().as_secs()));
                Ok(())
            })
        });
        world.run(60);
        assert!(world.leap.end(1));
        world.seen.list()
    });
    assert_eq!(answered, ["slept until 5", "answered after 5"]);
}

#[test]
fn a_world_of_a_thousand_hosts_is_played() {
    /// Far more than any sim has.
    const HOSTS: usize = 1_000;
    let ticks = play(|| {
        let mut world = World::new(idle);
        for number in 0..HOSTS {
            let host = world.leap.add_host(&format!("host-{number}"), program(&world.seen, tick));
            world.leap.start(host);
        }
        world.leap.run_until(Duration::from_millis(2_500)).expect("runs");
        world.seen.list().len()
    });
    assert_eq!(ticks, 2 * HOSTS);
}
