//! What a trial costs as the world grows: both engines over the number of hosts, idle and busy.
//!
//! Simulated time is measured as the difference of a longer and a shorter trial, so that the start of the hosts does
//! not count. Turmoil visits every link once for each host in every tick; beyond [`PLAYABLE`] hosts only some ticks
//! of hosts that do nothing at all are measured, which is less than a trial would cost.

use std::time::Duration;

use pulseless::grammar::Latency;
use pulseless::sim::SimFile;
use pulseless::world::{Engine, Program, Turmoil, on_trial_thread};

use crate::{cpu_time, trials};

const HOSTS: [usize; 5] = [3, 10, 50, 200, 1_000];
/// The turmoil engine refuses sims of more than 100 hosts.
const PLAYABLE: usize = 50;
const TICKS: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(1)];
const HOUR: f64 = 3_600.0;

pub(crate) fn print() {
    println!("CPU seconds for each simulated hour, by the number of hosts (one round; idle: no message)");
    println!("  {:>6} {:>12} {:>16} {:>16}", "hosts", "leap", "turmoil 10 ms", "turmoil 1 ms");
    for hosts in HOSTS {
        let leap = idle_hour(hosts, 600, 4_200, trials::play_quietly);
        let [coarse, fine] = TICKS.map(|tick| match hosts {
            ..=PLAYABLE => idle_hour(hosts, 30, 60, |sim| trials::play_on_turmoil(sim, tick)),
            _ => idle_ticks(hosts, tick),
        });
        println!("  {hosts:>6} {leap:>12.3} {coarse:>16.1} {fine:>16.1}");
    }
    println!("\nCPU milliseconds for a busy minute, one message a second to every client");
    println!("  {:>6} {:>12} {:>16} {:>16}", "hosts", "leap", "turmoil 10 ms", "turmoil 1 ms");
    for hosts in HOSTS {
        let sim = trials::crowd(hosts, 60, Some("1/s"));
        let leap = seconds(|| trials::play_quietly(&sim)) * 1e3;
        let turmoil = TICKS.map(|tick| match hosts {
            ..=PLAYABLE => format!("{:.0}", seconds(|| trials::play_on_turmoil(&sim, tick)) * 1e3),
            _ => "-".to_owned(),
        });
        println!("  {hosts:>6} {leap:>12.0} {:>16} {:>16}", turmoil[0], turmoil[1]);
    }
    println!();
}

/// What an hour costs, from two idle trials that differ in their length.
fn idle_hour(hosts: usize, short: u64, long: u64, play: impl Fn(&SimFile)) -> f64 {
    let of = |length| seconds(|| play(&trials::crowd(hosts, length, None)));
    (of(long) - of(short)) * HOUR / (long - short) as f64
}

/// What an hour of such ticks costs at least: hosts that wait for ever.
fn idle_ticks(hosts: usize, tick: Duration) -> f64 {
    const MEASURED: u32 = 4;
    let latency = Latency::uniform(Duration::from_millis(1), Duration::from_millis(20));
    let taken = on_trial_thread(7, || {
        let mut world = Turmoil::new(7, latency, tick);
        for number in 0..hosts {
            let program: Program = Box::new(|_| Box::pin(std::future::pending()));
            let host = world.add_host(&format!("host-{number}"), program);
            world.start(host);
        }
        world.run_until(tick).expect("idle hosts do not break down");
        seconds(|| world.run_until(tick * (1 + MEASURED)).expect("idle hosts do not break down"))
    });
    let ticks_in_an_hour = HOUR / tick.as_secs_f64();
    taken.expect("no panic") / f64::from(MEASURED) * ticks_in_an_hour
}

fn seconds(act: impl FnOnce()) -> f64 {
    let before = cpu_time();
    act();
    (cpu_time() - before).as_secs_f64()
}
