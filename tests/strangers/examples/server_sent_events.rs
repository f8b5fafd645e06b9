//! reqwest reads server-sent events of axum over HTTP/2, behind a silent proxy. Its read timeout is what finds out.

use std::time::Duration;

use pulseless::stranger::delivered;
use pulseless::{Durations, Proxy, Trial, Trouble};
use reqwest::Client;
use strangers::sse::serve;
use tokio::time::sleep;

/// Listens, and again from the last event where the stream ends, or says nothing for too long.
async fn listen(url: &str, patience: Duration) -> strangers::Result {
    let client = Client::builder().http2_prior_knowledge().read_timeout(patience).build()?;
    let mut last = 0;
    loop {
        let listening = async {
            let mut answer = client.get(url).header("last-event-id", last).send().await?.error_for_status()?;
            let mut unread = String::new();
            while let Some(chunk) = answer.chunk().await? {
                unread += std::str::from_utf8(&chunk)?;
                while let Some((event, rest)) = unread.split_once("\n\n") {
                    if let Some(id) = event.lines().find_map(|line| line.strip_prefix("id: ")) {
                        last = id.parse()?;
                        delivered("orders", last, last);
                    }
                    unread = rest.to_owned();
                }
            }
            strangers::Result::Ok(())
        };
        let ended = listening.await;
        tracing::debug!(?ended, "listens again");
        sleep(1.seconds()).await;
    }
}

pub fn trial(seed: u64, patience: Duration) -> Trial {
    Trial::new(seed)
        .host("server", || serve("0.0.0.0:8080"))
        .proxy("edge", Proxy::to("server:8080"))
        .host("client", move || listen("http://edge:8080/orders", patience))
}

pub fn main() {
    let silence = Trouble::silence("edge").at(2.minutes()).lasting(5.minutes());
    trial(7, 45.seconds()).fault(silence).run(15.minutes()).assert_delivered("orders");
}
