//! What a node costs as it grows, on real TCP: `cargo bench --bench node`.
//!
//! The node is a process of its own, so its CPU time and its peak memory are its own; the clients are raw streams of
//! this process. CPU time, where the disk is not what is measured: it survives a noisy machine. `PULSELESS_BENCH_BINARY` measures
//! another build.

#![expect(clippy::print_stdout, reason = "the product of a bench is its table")]

mod peer;
mod process;

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::peer::{Client, Stream};
use crate::process::NodeProcess;

/// Subscribe streams on one connection: below the limits of common servers (100 is RFC 9113's recommended minimum).
const STREAMS_PER_CONNECTION: usize = 100;
/// How many messages a Send request brings to a log that is filled.
const FILL: usize = 5_000;

/// How much is measured.
struct Amount {
    streams: &'static [usize],
    subscriptions: &'static [usize],
    live_messages: usize,
    history: usize,
    publishers: &'static [usize],
    publishes: usize,
    opened: usize,
}

const WHOLE: Amount = Amount {
    streams: &[10, 100, 1_000, 10_000],
    subscriptions: &[10, 100, 1_000, 10_000],
    live_messages: 1_000,
    history: 1_000_000,
    publishers: &[1, 8, 64],
    publishes: 4_096,
    opened: 10_000_000,
};

/// `cargo test --benches` asks for a quick look, not for figures.
const GLANCE: Amount = Amount {
    streams: &[10],
    subscriptions: &[10],
    live_messages: 10,
    history: 10_000,
    publishers: &[2],
    publishes: 16,
    opened: 10_000,
};

fn main() {
    let measured = std::env::args().any(|argument| argument == "--bench");
    let amount = if measured { WHOLE } else { GLANCE };
    // Those that are named, or all: `cargo bench --bench node -- publishers opening`.
    let names: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let wants = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        if wants("idle-streams") {
            idle_streams(&amount).await;
        }
        if wants("subscriptions") {
            subscriptions(&amount).await;
        }
        if wants("publishers") {
            publishers(&amount).await;
        }
        if wants("catch-up") {
            catch_up(&amount).await;
        }
        if wants("opening") {
            opening(&amount).await;
        }
    });
}

/// One stream hears every message; all others wait for topics of their own.
async fn idle_streams(amount: &Amount) {
    println!("one live message, by the number of idle streams on the node");
    println!("  {:>8} {:>20} {:>24}", "streams", "CPU µs a message", "peak KiB an idle stream");
    let bare = NodeProcess::start().await.end();
    for &count in amount.streams {
        let node = NodeProcess::start().await;
        let mut idle = Vec::with_capacity(count);
        for first in (0..count).step_by(STREAMS_PER_CONNECTION) {
            let mut client = Client::connect(&node.address).await;
            for number in first..count.min(first + STREAMS_PER_CONNECTION) {
                idle.push(client.subscribe(&[format!("idle-{number}")]).await);
            }
        }
        let each = cost_of_live(&node, amount.live_messages, &["live".to_owned()]).await;
        let peak = (node.end() - bare) * 1024.0 / count as f64;
        println!("  {count:>8} {:>20.1} {peak:>24.1}", micros(each));
    }
    println!();
}

/// One stream with many topics hears every message.
async fn subscriptions(amount: &Amount) {
    println!("one stream, by the number of its subscriptions");
    println!("  {:>8} {:>20} {:>20}", "topics", "CPU µs to add one", "CPU µs a message");
    for &count in amount.subscriptions {
        let node = NodeProcess::start().await;
        let topics: Vec<String> = (0..count).map(|number| format!("topic-{number}")).collect();
        let before = node.cpu_time();
        drop(Client::connect(&node.address).await.subscribe(&topics).await);
        let add = (node.cpu_time() - before) / u32::try_from(count).expect("a small number");
        let each = cost_of_live(&node, amount.live_messages, &topics).await;
        node.end();
        println!("  {count:>8} {:>20.1} {:>20.1}", micros(add), micros(each));
    }
    println!();
}

/// What one message costs the node, from the publisher's request to the one stream that hears it.
async fn cost_of_live(node: &NodeProcess, messages: usize, topics: &[String]) -> Duration {
    let mut client = Client::connect(&node.address).await;
    let mut stream: Stream = client.subscribe(topics).await;
    let before = node.cpu_time();
    for topic in topics.iter().cycle().take(messages) {
        client.publish(topic, 1).await;
        stream.hear(1).await;
    }
    (node.cpu_time() - before) / u32::try_from(messages).expect("a small number")
}

/// Each publisher has a connection of its own, and waits for one message to be durable before it sends the next.
async fn publishers(amount: &Amount) {
    println!("messages that are durable, by the number of publishers; each request has one");
    println!("  {:>10} {:>12} {:>18}", "publishers", "a second", "CPU µs a message");
    for &count in amount.publishers {
        let node = NodeProcess::start().await;
        let mut clients = Vec::with_capacity(count);
        for _ in 0..count {
            clients.push(Client::connect(&node.address).await);
        }
        let (before, begun) = (node.cpu_time(), Instant::now());
        let each = amount.publishes / count;
        let publishing: JoinSet<()> = clients
            .into_iter()
            .map(|mut client| async move {
                for _ in 0..each {
                    client.publish("durable", 1).await;
                }
            })
            .collect();
        publishing.join_all().await;
        let (wall, cpu) = (begun.elapsed(), node.cpu_time() - before);
        let rate = amount.publishes as f64 / wall.as_secs_f64();
        println!("  {count:>10} {rate:>12.0} {:>18.1}", micros(cpu) / amount.publishes as f64);
    }
    println!();
}

/// A log that is long, and a node that begins with it.
async fn opening(amount: &Amount) {
    let mut node = NodeProcess::start().await;
    let before = node.cpu_time();
    fill(&node, amount.opened).await;
    let filled = micros(node.cpu_time() - before) / amount.opened as f64;
    let begun = Instant::now();
    node = node.restart().await;
    println!("a log of {} messages of 100 bytes, stored {FILL} at a time", amount.opened);
    println!("  stored at {filled:.2} CPU µs a message");
    println!("  opened in {:.1} s, {:.1} CPU s", begun.elapsed().as_secs_f64(), node.cpu_time().as_secs_f64());
    println!("  peak memory {:.1} MiB", node.end());
}

async fn fill(node: &NodeProcess, messages: usize) {
    let mut client = Client::connect(&node.address).await;
    for _ in 0..messages / FILL {
        client.publish("history", FILL).await;
    }
}

async fn catch_up(amount: &Amount) {
    let node = NodeProcess::start().await;
    fill(&node, amount.history).await;
    let mut client = Client::connect(&node.address).await;
    let stored = node.peak_memory();
    let before = node.cpu_time();
    client.open(&["history".to_owned()]).await.hear(amount.history).await;
    let taken = (node.cpu_time() - before).as_secs_f64();
    println!("a catch-up of {} messages of 100 bytes", amount.history);
    println!("  {:.0} messages per CPU-second of the node", amount.history as f64 / taken);
    println!("  peak memory {:.1} MiB, and {stored:.1} MiB before it\n", node.end());
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
