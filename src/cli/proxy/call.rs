//! One request to a running admin API, over HTTP/1.1.
//!
//! Refuses to know what is asked and what the answer means.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;

use crate::env::{Address, Surroundings};
use crate::os::Os;

/// An API on this machine answers at once; one that is busy opening a proxy has the system's patience to wait for.
const PATIENCE: Duration = Duration::from_secs(10);
/// The live view of thousands of streams is far smaller.
const ANSWER_MAX: usize = 64 << 20;

/// What is asked.
pub(super) struct Call {
    pub(super) method: Method,
    /// Each part of the path, as it is: what must be escaped is escaped here.
    pub(super) path: Vec<String>,
    pub(super) body: Option<Value>,
}

/// What the API says of a refusal.
#[derive(Deserialize)]
struct ApiRefusal {
    error: String,
}

impl Call {
    /// Asks, and reads the answer; nothing is null.
    ///
    /// # Errors
    /// In words: nobody answers there, something else does, or it refuses.
    pub(super) async fn send(self, to: &Address) -> Result<Value, String> {
        let asked = timeout(PATIENCE, self.exchange(to)).await;
        let (status, body) = asked.map_err(|_late| nobody(to, &format!("no answer within {PATIENCE:?}")))??;
        if !status.is_success() {
            let refused: Option<ApiRefusal> = serde_json::from_slice(&body).ok();
            let why = refused.map_or_else(|| status.to_string(), |refused| refused.error);
            return Err(format!("the admin API at {to} refuses: {why}"));
        }
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).map_err(|error| nobody(to, &format!("the answer is no JSON: {error}")))
    }

    async fn exchange(self, to: &Address) -> Result<(StatusCode, Vec<u8>), String> {
        let socket = Os::default().dial(to).await.map_err(|error| nobody(to, &error.to_string()))?;
        let failed = |error: hyper::Error| nobody(to, &error.to_string());
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(failed)?;
        let request = self.request(to)?;
        let answering = async {
            let response = sender.send_request(request).await.map_err(failed)?;
            let (head, body) = response.into_parts();
            let body =
                Limited::new(body, ANSWER_MAX).collect().await.map_err(|error| nobody(to, &error.to_string()))?;
            Ok((head.status, body.to_bytes().to_vec()))
        };
        let answered = async {
            tokio::pin!(answering);
            tokio::select! {
                biased;
                // First, and it starves nobody: it ends the exchange.
                answered = &mut answering => answered,
                // It ends early where it fails, which the answer then says; and its end is no error.
                _ = connection => answering.await,
            }
        };
        answered.await
    }

    fn request(self, to: &Address) -> Result<Request<Full<bytes::Bytes>>, String> {
        let path: String = self.path.iter().map(|part| format!("/{}", escaped(part))).collect();
        let body = self.body.map(|body| body.to_string()).unwrap_or_default();
        let request = Request::builder().method(self.method).uri(path);
        let request = request.header(HOST, to.to_string()).header(CONTENT_TYPE, "application/json");
        request.body(Full::new(body.into())).map_err(|error| format!("failed to ask {to}: {error}"))
    }
}

/// Nobody answers, or somebody else.
fn nobody(to: &Address, why: &str) -> String {
    format!(
        "no admin API answers at {to}: {why}; start one with `pulseless proxy --admin {to}`, or name its address with --admin"
    )
}

/// A part of a path (RFC 3986 section 3.3).
fn escaped(part: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    part.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_path_is_escaped() {
        assert_eq!(escaped("my proxy/ä?"), "my%20proxy%2F%C3%A4%3F");
    }
}
