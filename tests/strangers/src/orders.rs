//! The orders that all servers tell of: number 1, 2, 3 and so on.
//!
//! A trial has a thread of its own, and what is kept for a thread outlives the processes of that trial's hosts, as a disk would. What a
//! host's closure captured would be shared with the trials of all other seeds.

use std::time::Duration;

use pulseless::stranger::produced;
use tokio::sync::watch;

thread_local! {
    static NEWEST: watch::Sender<u64> = watch::Sender::new(0);
}

/// Between two orders.
pub const EVERY: Duration = Duration::from_secs(10);

/// Waits for the next order; it has been taken nowhere yet.
pub async fn next() -> u64 {
    tokio::time::sleep(EVERY).await;
    NEWEST.with(|newest| {
        newest.send_modify(|newest| *newest += 1);
        *newest.borrow()
    })
}

/// A server takes orders by itself.
pub async fn take() {
    loop {
        let order = next().await;
        produced("orders", order, order);
    }
}

/// Waits until there is an order after this one.
pub async fn after(order: u64) -> u64 {
    let mut newest = NEWEST.with(watch::Sender::subscribe);
    newest.wait_for(|newest| *newest > order).await.expect("a thread keeps its sender");
    order + 1
}
