//! A node that is shut down refuses what is new, ends what it is in the midst of within a bound, and tells its streams.

use std::sync::Arc;

use pulseless::subject::xmtp::node::{NodeConfig, NodeHooks, NodeLimits};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tonic::{Code, Status};

use crate::bench::{Bench, KeptDisk, MOMENT, SECOND, limited};

/// A node, and what shuts it down.
async fn stoppable(config: NodeConfig) -> (Bench, Arc<Notify>) {
    let stop = Arc::new(Notify::new());
    let stopped = Arc::clone(&stop);
    let shutdown = Box::pin(async move { stopped.notified().await });
    let hook = |hooks| NodeHooks { shutdown: Some(shutdown), ..hooks };
    (Bench::start_with(KeptDisk::default(), config, hook).await, stop)
}

/// Small frames and little room, so that a wave of 2,000 messages is in flight for as long as nobody reads.
fn narrow() -> NodeConfig {
    limited(NodeLimits { frame_messages: 10, frames: 1, ..NodeLimits::default() })
}

fn assert_stopping(status: &Status) {
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "the node is shutting down"));
}

#[tokio::test(start_paused = true)]
async fn streams_at_rest_are_told_at_once_and_the_node_ends() {
    let (bench, stop) = stoppable(NodeConfig::default()).await;
    let mut wire = bench.subscribe().await;
    wire.mutate(1, &[("a", 0)], &[]);
    wire.until_complete(1).await;
    let begun = Instant::now();
    stop.notify_one();
    assert_stopping(&wire.ending().await);
    let Bench { node, client, .. } = bench;
    drop((wire, client));
    timeout(SECOND, node).await.expect("in time").expect("no panic");
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_wave_in_flight_is_finished_while_new_calls_are_refused() {
    let (bench, stop) = stoppable(narrow()).await;
    bench.publish(&["a"; 2_000]).await;
    let (mut busy, mut other) = (bench.subscribe().await, bench.subscribe().await);
    other.mutate(1, &[("a", 0)], &[]);
    busy.mutate(1, &[("a", 0)], &[]);
    assert_eq!(busy.frame().await, "wave 1: #1 #2 #3 #4 #5 #6 #7 #8 #9 #10");
    stop.notify_one();
    sleep(MOMENT).await;
    let refused = bench.client.clone().subscribe(tokio_stream::pending()).await.expect_err("it ends");
    assert_stopping(&refused);
    assert_stopping(&bench.try_publish(&["a"]).await.expect_err("it ends"));
    // A change would begin what is to end.
    other.mutate(2, &[("b", 0)], &[]);
    assert_stopping(&other.ending().await);
    assert_eq!(busy.until_complete(1).await.len(), 199 + 2);
    assert_stopping(&busy.ending().await);
}

#[tokio::test(start_paused = true)]
async fn who_reads_nothing_keeps_no_node_alive() {
    let (bench, stop) = stoppable(narrow()).await;
    for _ in 0..10 {
        bench.publish(&["a"; 2_000]).await;
    }
    let deaf = bench.subscribe().await;
    deaf.mutate(1, &[("a", 0)], &[]);
    sleep(MOMENT).await;
    let begun = Instant::now();
    stop.notify_one();
    let Bench { node, channel: _channel, client: _client, notices: _ } = bench;
    node.await.expect("no panic");
    let took = begun.elapsed();
    assert!((10 * SECOND..13 * SECOND).contains(&took), "{took:?}");
}
