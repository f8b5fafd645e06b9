//! async-nats pings its server by itself, and dials again where three PINGs are due and no PONG has come.

use std::time::Duration;

use async_nats::ConnectOptions;
use pulseless::stranger::delivered;
use pulseless::{Durations, Proxy, Trial, Trouble};
use strangers::nats::{publish, serve};
use tokio_stream::StreamExt as _;

/// Subscribes once: the client itself dials and subscribes again.
async fn subscribe(url: &str, heartbeat: Duration) -> strangers::Result {
    let options = ConnectOptions::new().retry_on_initial_connect().ping_interval(heartbeat);
    let mut orders = options.connect(url).await?.subscribe("orders").await?;
    while let Some(message) = orders.next().await {
        let order = std::str::from_utf8(&message.payload)?.parse()?;
        delivered("orders", order, order);
    }
    Ok(())
}

pub fn trial(seed: u64, heartbeat: Duration) -> Trial {
    Trial::new(seed)
        .host("server", || serve("0.0.0.0:4222"))
        .proxy("edge", Proxy::to("server:4222").set("layer", "tcp"))
        .host("publisher", || publish("nats://server:4222"))
        .host("client", move || subscribe("nats://edge:4222", heartbeat))
}

pub fn main() {
    let gone = Trouble::partition("client", "edge").at(2.minutes()).lasting(5.minutes());
    trial(7, 20.seconds()).fault(gone).fails("gaps").run(15.minutes()).assert_passed();
}
