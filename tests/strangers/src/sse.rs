//! reqwest reads server-sent events of axum over HTTP/2 in the clear.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use tokio_stream::{Stream, StreamExt as _};

use crate::Result;
use crate::orders::{EVERY, due, newest, seen};

pub async fn serve(at: &str) -> Result {
    let routes = axum::Router::new().route("/orders", get(orders));
    Ok(axum::serve(tokio::net::TcpListener::bind(at).await?, routes).await?)
}

/// All orders after the last that the client had, and then each new one.
async fn orders(headers: HeaderMap) -> Sse<impl Stream<Item = std::result::Result<Event, Infallible>>> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok()).unwrap_or_else(newest);
    let orders = futures_util::stream::unfold(last, |last| async move { Some((due(last + 1).await, last + 1)) });
    let events = orders.map(|order| Ok(Event::default().id(order.to_string()).data("order")));
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(5)))
}

/// Listens, and again from the last event when the stream ends.
pub async fn listen(url: String, read_timeout: Option<Duration>) -> Result {
    let mut builder = reqwest::Client::builder().http2_prior_knowledge();
    if let Some(timeout) = read_timeout {
        builder = builder.read_timeout(timeout);
    }
    let client = builder.build()?;
    let mut last = None;
    loop {
        if let Err(error) = listen_once(&client, &url, &mut last).await {
            seen(format_args!("error {error:?}"));
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn listen_once(client: &reqwest::Client, url: &str, last: &mut Option<u64>) -> Result {
    let mut request = client.get(format!("{url}/orders")).header("accept", "text/event-stream");
    if let Some(last) = last {
        request = request.header("last-event-id", *last);
    }
    let mut answer = request.send().await?.error_for_status()?;
    let mut unread = String::new();
    while let Some(chunk) = answer.chunk().await? {
        unread.push_str(std::str::from_utf8(&chunk)?);
        while let Some((event, rest)) = unread.split_once("\n\n") {
            if let Some(id) = event.lines().find_map(|line| line.strip_prefix("id: ")) {
                *last = Some(id.parse()?);
                seen(format_args!("order {id}"));
            }
            unread = rest.to_owned();
        }
    }
    Ok(())
}
