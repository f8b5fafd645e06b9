//! What trials cost, side by side with their peers, in one run: `cargo bench`.
//!
//! CPU time of the whole process, not wall time, and ratios: both survive a noisy machine. The contenders take
//! turns, round by round, and each figure is the median of its rounds.

#![expect(clippy::print_stdout, reason = "the product of a bench is its table")]

mod actors;
mod bare;
mod curve;
mod interposed;
mod peak;
mod pipes;
mod trials;

use std::time::Duration;

use pulseless::sim::SimFile;
use pulseless::world::{Engine, Leap, Turmoil};

/// Odd, so that there is a median; enough to outvote two disturbed rounds.
const ROUNDS: usize = 5;

fn main() {
    // `cargo test --benches` asks for a quick look, not for figures.
    let rounds = if std::env::args().any(|argument| argument == "--bench") { ROUNDS } else { 1 };
    println!("CPU time, median of {rounds} rounds; the contenders of a table take turns\n");
    // First, because a child's peak counts what its parent held when it was started (getrusage(2)).
    let sections: [(&str, &dyn Fn()); 7] = [
        ("memory", &memory),
        ("quiet", &|| quiet(rounds)),
        ("busy", &|| busy(rounds)),
        ("engine", &|| engine(rounds)),
        ("interposed", &|| interposed(rounds)),
        ("main-job", &|| main_job(rounds)),
        ("curve", &curve::print),
    ];
    // All of them, unless some are named.
    let named: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    for (name, section) in sections {
        if named.is_empty() || named.iter().any(|named| named == name) {
            section();
        }
    }
}

fn quiet(rounds: usize) {
    let sim = trials::quiet("1h");
    let turmoil = |tick| {
        let sim = &sim;
        move || trials::play_on_turmoil(sim, Duration::from_millis(tick))
    };
    let leap = || trials::play(&sim);
    let [leap, coarse, fine] = take_turns(rounds, [&leap, &turmoil(10), &turmoil(1)]);
    println!("a quiet hour of one client, proxy and node");
    row("leap", leap, "limit 10 ms");
    row("turmoil, 10 ms ticks", coarse, &format!("{:.0} times leap", ratio(coarse, leap)));
    row("turmoil, 1 ms ticks", fine, &format!("{:.0} times leap, at least 1000", ratio(fine, leap)));
    let day = trials::quiet("24h");
    let [day] = take_turns(rounds, [&|| trials::play(&day)]);
    row("leap, a quiet day of 24 h", day, "limit 300 ms");
    println!();
}

fn busy(rounds: usize) {
    let sim = trials::busy_minute();
    let turmoil = |tick| {
        let sim = &sim;
        move || trials::play_on_turmoil(sim, Duration::from_millis(tick))
    };
    let [leap, coarse, fine] = take_turns(rounds, [&|| trials::play(&sim), &turmoil(10), &turmoil(1)]);
    let delivered = trials::delivered(&sim);
    println!("a busy minute: {delivered} messages delivered through the proxy to 3 clients, 1 to 20 ms a link");
    row("leap, observed and judged", leap, &format!("{}, limit 25 µs", each(leap, delivered)));
    row(
        "turmoil, 10 ms ticks",
        coarse,
        &format!("{:.1} times leap; it batches what comes within a tick", ratio(coarse, leap)),
    );
    row("turmoil, 1 ms ticks", fine, &format!("{:.1} times leap, at least 2", ratio(fine, leap)));
    let [leap, fine] =
        take_turns(rounds, [&|| bare::busy_minute(&sim, &leap_world), &|| bare::busy_minute(&sim, &turmoil_world)]);
    row("leap, bare", leap, "the same actors, nothing observed or judged");
    row("turmoil, bare, 1 ms ticks", fine, &format!("{:.1} times leap, at least 5", ratio(fine, leap)));
    println!();
}

fn leap_world(sim: &SimFile) -> Box<dyn Engine> {
    Box::new(Leap::new(trials::SEED, sim.link.latency))
}

fn turmoil_world(sim: &SimFile) -> Box<dyn Engine> {
    Box::new(Turmoil::new(trials::SEED, sim.link.latency, Duration::from_millis(1)))
}

/// Without latency, so that both play the same requests one by one: with latency, a trial batches.
fn engine(rounds: usize) {
    let sim = trials::busy_minute_without_latency();
    let bare = || bare::busy_minute(&sim, &leap_world);
    let [leap, bare, pipes] = take_turns(rounds, [&|| trials::play(&sim), &bare, &|| pipes::busy_minute(&sim)]);
    let delivered = trials::delivered(&sim);
    println!("the same busy minute without latency: {delivered} messages, each with a request of its own");
    row("leap, observed and judged", leap, &each(leap, delivered));
    row("leap, bare", bare, &each(bare, delivered));
    row("in-memory pipes, plain tokio", pipes, &each(pipes, delivered));
    println!("  bare, leap costs {:.2} times the pipes, limit 1.2\n", ratio(bare, pipes));
}

/// What it costs not to know of a trial.
fn interposed(rounds: usize) {
    let sims = [("with latency", trials::busy_minute()), ("without", trials::busy_minute_without_latency())];
    println!("the busy minute, when every host uses tokio's own sockets instead of its surroundings");
    for (name, sim) in &sims {
        let [own, interposed] = take_turns(rounds, [&|| trials::play(sim), &|| trials::play_interposed(sim)]);
        row(name, interposed, &format!("{:.2} times its surroundings, limit 1.3", ratio(interposed, own)));
    }
    println!();
}

fn each(time: Duration, messages: usize) -> String {
    format!("{:.1} µs a message", time.as_secs_f64() * 1e6 / messages as f64)
}

fn main_job(rounds: usize) {
    let sim = trials::sim("sims/proxy-goes-silent.toml");
    let [time] = take_turns(rounds, [&|| trials::play(&sim)]);
    println!("proxy-goes-silent, seed 7");
    row("leap", time, &format!("{:.1} trials per CPU-second, limit 20", 1.0 / time.as_secs_f64()));
    println!();
}

fn memory() {
    println!("peak resident memory of `pulseless run`");
    let silent = peak::of_run("sims/proxy-goes-silent.toml", None);
    println!("  {:<32} {:>8.1} MiB  limit 64 MiB", "proxy-goes-silent", silent);
    let hour = peak::of_run("sims/quiet-night.toml", Some("duration=1h"));
    let day = peak::of_run("sims/quiet-night.toml", Some("duration=24h"));
    println!("  {:<32} {hour:>8.1} MiB", "quiet-night, 1 h");
    println!("  {:<32} {day:>8.1} MiB  {:.2} times the hour, limit 1.10\n", "quiet-night, 24 h", day / hour);
}

fn row(name: &str, time: Duration, note: &str) {
    println!("  {name:<32} {:>8.1} ms   {note}", time.as_secs_f64() * 1e3);
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

/// The median CPU time of each contender.
fn take_turns<const N: usize>(rounds: usize, contenders: [&dyn Fn(); N]) -> [Duration; N] {
    let mut times = [(); N].map(|()| Vec::new());
    for _ in 0..rounds {
        for (contender, times) in contenders.iter().zip(&mut times) {
            let before = cpu_time();
            contender();
            times.push(cpu_time() - before);
        }
    }
    times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    })
}

/// What all threads of this process have used, user and system together.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a writable timespec.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(failed, 0, "the process has a CPU clock");
    Duration::new(time.tv_sec.try_into().expect("positive"), time.tv_nsec.try_into().expect("below 10^9"))
}
