//! The pub/sub of the redis client: no HTTP/2, no keepalive, and what is published while nobody hears is gone.

use std::time::Duration;

use pulseless::stranger::delivered;
use pulseless::{Durations, Proxy, Trial, Trouble};
use strangers::redis_like::{publish, serve};
use tokio::time::{interval, sleep, timeout};
use tokio_stream::StreamExt as _;

/// Subscribes, and again where the subscription ends, or a PING is not answered in time.
async fn subscribe(url: &str, patience: Duration) -> strangers::Result {
    loop {
        let hearing = async {
            let client = redis::Client::open(url)?;
            // The client has no timeout for it of its own.
            let (mut sink, mut messages) = timeout(patience, client.get_async_pubsub()).await??.split();
            timeout(patience, sink.subscribe("orders")).await??;
            let mut ask = interval(patience);
            loop {
                tokio::select! {
                    biased;
                    message = messages.next() => {
                        let order = message.ok_or("the subscription is over")?.get_payload::<u64>()?;
                        delivered("orders", order, order);
                    }
                    _ = ask.tick() => timeout(patience, sink.ping::<()>()).await??,
                };
            }
        };
        let ended: strangers::Result = hearing.await;
        tracing::debug!(?ended, "subscribes again");
        sleep(1.seconds()).await;
    }
}

pub fn trial(seed: u64, patience: Duration) -> Trial {
    Trial::new(seed)
        .host("server", || serve("0.0.0.0:6379"))
        .proxy("edge", Proxy::to("server:6379").set("layer", "tcp"))
        .host("publisher", || publish("redis://server:6379"))
        .host("client", move || subscribe("redis://edge:6379", patience))
}

pub fn main() {
    let gone = Trouble::partition("client", "edge").at(2.minutes()).lasting(5.minutes());
    trial(7, 15.seconds()).fault(gone).fails("gaps").run(15.minutes()).assert_passed();
}
