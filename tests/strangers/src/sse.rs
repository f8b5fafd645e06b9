//! Server-sent events of axum, with a comment now and then to keep the connection alive.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use tokio_stream::{Stream, StreamExt as _};

use crate::Result;
use crate::orders;

/// Serves there.
pub async fn serve(at: &str) -> Result {
    tokio::spawn(orders::take());
    let routes = axum::Router::new().route("/orders", get(orders));
    Ok(axum::serve(tokio::net::TcpListener::bind(at).await?, routes).await?)
}

/// All orders after the last that the client had, and then each new one.
async fn orders(headers: HeaderMap) -> Sse<impl Stream<Item = std::result::Result<Event, Infallible>>> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok()).unwrap_or(0);
    let told = futures_util::stream::unfold(last, |last| async move { Some((orders::after(last).await, last + 1)) });
    let events = told.map(|order| Ok(Event::default().id(order.to_string()).data("order")));
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}
