//! The watch of etcd-client behind a silent proxy. HTTP/2's keepalive is on, and believes it. Progress requests find out.

use etcd_client::{Client, ConnectOptions, WatchOptions};
use pulseless::{Durations, Proxy, Trial, Trouble, stranger::delivered};
use strangers::etcd::{put, serve};
use tokio::time::{sleep, timeout};

/// Watches all orders, and again from the revision after the last where the watch ends, or answers nothing for too long.
pub async fn watch(url: &str, patience: std::time::Duration, got: impl Fn(u64)) -> strangers::Result {
    let mut from = 1;
    loop {
        let watching = async {
            let keepalive = ConnectOptions::new().with_keep_alive(10.seconds(), 5.seconds());
            let options = WatchOptions::new().with_prefix().with_start_revision(from);
            let watch = async { Client::connect([url], Some(keepalive)).await?.watch("orders/", Some(options)).await };
            let (mut watch, mut unanswered) = (timeout(patience, watch).await??, 0);
            while unanswered < 3 {
                let Ok(answer) = timeout(patience / 3, watch.message()).await else {
                    (unanswered, ()) = (unanswered + 1, watch.request_progress().await?);
                    continue;
                };
                unanswered = 0;
                for kv in answer?.ok_or("the watch is over")?.events().iter().filter_map(|event| event.kv()) {
                    from = kv.mod_revision() + 1;
                    got(kv.key_str()?.trim_start_matches("orders/").parse()?);
                }
            }
            strangers::Result::Ok(())
        };
        let (ended, ()) = tokio::join!(watching, sleep(1.seconds()));
        tracing::debug!(?ended, "watches again");
    }
}

pub fn trial(seed: u64, patience: std::time::Duration) -> Trial {
    Trial::new(seed)
        .host("server", || serve("0.0.0.0:2379"))
        .proxy("edge", Proxy::to("server:2379"))
        .host("publisher", || put("http://server:2379"))
        .host("client", move || watch("http://edge:2379", patience, |order| delivered("orders", order, order)))
}

pub fn main() {
    let silence = Trouble::silence("edge").at(2.minutes()).lasting(5.minutes());
    trial(7, 30.seconds()).fault(silence).run(15.minutes()).assert_delivered("orders");
}
