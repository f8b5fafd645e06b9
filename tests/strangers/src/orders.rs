//! The orders that all servers tell of: one more for each tick of the wall clock, so that a server that restarts goes on.

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

tokio::task_local! {
    /// Who sees.
    pub static CLIENT: &'static str;
}

thread_local! {
    static SEEN: RefCell<Vec<(Duration, String)>> = const { RefCell::new(Vec::new()) };
}

/// Between two orders.
pub const EVERY: Duration = Duration::from_secs(1);

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970")
}

/// The newest order.
pub fn newest() -> u64 {
    u64::try_from(since_epoch().as_millis() / EVERY.as_millis()).expect("fits")
}

/// Waits until this order is there.
pub async fn due(order: u64) -> u64 {
    let at = EVERY * u32::try_from(order).expect("before 2106");
    tokio::time::sleep(at.saturating_sub(since_epoch())).await;
    order
}

/// A client saw this.
pub fn seen(what: impl std::fmt::Display) {
    let line = format!("{}: {what}", CLIENT.try_with(|name| *name).unwrap_or("client"));
    if std::env::var_os("STRANGERS_TELL").is_some() {
        eprintln!("{} {line}", newest());
    }
    SEEN.with_borrow_mut(|seen| seen.push((since_epoch(), line)));
}

/// What clients saw on this thread so far, and when by the wall clock.
pub fn all_seen() -> Vec<(Duration, String)> {
    SEEN.with_borrow(Clone::clone)
}

/// The orders that this client saw on this thread, as it saw them.
pub fn orders_of(client: &str) -> Vec<u64> {
    let order = |(_, line): &(Duration, String)| line.strip_prefix(client)?.strip_prefix(": order ")?.parse().ok();
    all_seen().iter().filter_map(order).collect()
}
