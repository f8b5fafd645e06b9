//! What a node keeps of streams that are over: nothing. Tasks, topics and queues are counted before and after.

use pulseless::subject::xmtp::node::{NodeConfig, NodeLimits};
use pulseless::subject::xmtp::wire::proto;
use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::bench::{Bench, MOMENT, SECOND, Wire};

/// How many streams end in each way: so many that one task left behind by each would show.
const STREAMS: usize = 50;

/// Lets every one of some streams end in one way, and compares the tasks that live before and after.
async fn leaves_nothing(config: NodeConfig, end: impl AsyncFn(&Bench, Wire)) {
    let bench = Bench::start(config).await;
    bench.publish(&["a", "b"]).await;
    // What the connection itself needs is there from the first stream on.
    drop(bench.subscribe().await);
    sleep(MOMENT).await;
    let before = Handle::current().metrics().num_alive_tasks();
    for _ in 0..STREAMS {
        let mut wire = bench.subscribe().await;
        wire.mutate(1, &[("a", 0), ("b", 0)], &[]);
        wire.until_complete(1).await;
        end(&bench, wire).await;
    }
    sleep(MOMENT).await;
    assert_eq!(bench.closings().await.len(), STREAMS + 1);
    assert_eq!(Handle::current().metrics().num_alive_tasks(), before);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_leaves_no_task() {
    leaves_nothing(NodeConfig::default(), async |_, wire| drop(wire)).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_finishes_leaves_no_task() {
    leaves_nothing(NodeConfig::default(), async |_, mut wire| {
        wire.half_close();
        wire.ending().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_refused_leaves_no_task() {
    leaves_nothing(NodeConfig::default(), async |_, mut wire| {
        wire.send_raw(proto::SubscribeRequest { version: None });
        wire.ending().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_reaped_leaves_no_task() {
    leaves_nothing(NodeConfig::default(), async |_, mut wire| {
        sleep(61 * SECOND).await;
        wire.ending().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_leaves_no_task() {
    let limits = NodeLimits { pending_messages: 4, ..NodeLimits::default() };
    leaves_nothing(NodeConfig { limits, ..NodeConfig::default() }, async |bench, mut wire| {
        for _ in 0..40 {
            bench.publish_sized("a", 64 << 10).await;
        }
        wire.ending().await;
    })
    .await;
}
