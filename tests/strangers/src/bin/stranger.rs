//! Each stranger by its name, on real TCP: `stranger etcd-watch http://127.0.0.1:2379`.

use std::time::Duration;

use strangers::etcd::{self, Etcd, Watchdog};
use strangers::{Result, guide, nats, redis_like, sse};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result {
    let [role, to] = std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "stranger ROLE ADDRESS")?;
    match role.as_str() {
        "guide" => guide::serve(&to).await,
        "guide-follow" => guide::follow(to).await,
        "guide-chat" => guide::chat(to).await,
        "etcd" => Etcd::default().serve(&to).await,
        "etcd-put" => etcd::put(to).await,
        "etcd-watch" => etcd::watch_orders(to, None).await,
        "etcd-watch-guarded" => {
            let (ask, patience) = (Duration::from_secs(2), Duration::from_secs(5));
            etcd::watch_orders(to, Some(Watchdog { ask, patience })).await
        }
        "redis" => redis_like::serve(&to).await,
        "redis-publish" => redis_like::publish(to).await,
        "redis-subscribe" => redis_like::subscribe(to).await,
        "sse" => sse::serve(&to).await,
        "sse-listen" => sse::listen(to, None).await,
        "sse-listen-guarded" => sse::listen(to, Some(Duration::from_secs(7))).await,
        "nats" => nats::serve(&to).await,
        "nats-publish" => nats::publish(to).await,
        "nats-subscribe" => nats::subscribe(to).await,
        _ => Err(format!("no role {role}").into()),
    }
}
