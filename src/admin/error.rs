//! Why a request is refused, as Toxiproxy 2.12 says it: a status and `{"error": ..., "status": ...}`.
//!
//! Refuses to know who asks.

use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::json;

/// Why a request is refused. The beginning of each text is Toxiproxy's own, which clients may look for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// The body is not what is asked for.
    #[error("bad request body: {0}")]
    Body(String),
    /// The body lacks a key.
    #[error("missing required field: {0}")]
    Missing(String),
    /// A name that no proxy or toxic can have.
    #[error("bad name: {0}")]
    Name(String),
    /// No such proxy.
    #[error("proxy not found: there is no `{name}`; {there}")]
    NoProxy {
        /// The name.
        name: String,
        /// Those that there are.
        there: String,
    },
    /// There is one of that name.
    #[error("proxy already exists: `{0}`; delete it first, or POST to /proxies/{0} to change it")]
    ProxyExists(String),
    /// Neither of the two words.
    #[error("stream was invalid, can be either upstream or downstream: {0}")]
    Stream(String),
    /// No such kind.
    #[error("invalid toxic type: {0}")]
    Type(String),
    /// Its attributes are wrong.
    #[error("bad toxic attributes: {0}")]
    Attributes(String),
    /// No such toxic.
    #[error("toxic not found: `{proxy}` has no `{name}`; {there}")]
    NoToxic {
        /// The proxy's name.
        proxy: String,
        /// The toxic's name.
        name: String,
        /// Those that there are.
        there: String,
    },
    /// The proxy has one of that name.
    #[error("toxic already exists: `{0}`; give this one another name, or POST to it to change it")]
    ToxicExists(String),
    /// More than a named limit allows.
    #[error("too many: {0}")]
    TooMany(String),
    /// A page in a browser asks, which no page of ours does.
    #[error("user agent not allowed: a page in a browser may not command proxies; use curl or a client of Toxiproxy")]
    Browser,
    /// There is no such path.
    #[error("no such path: {0}")]
    Path(String),
    /// The path has no such method.
    #[error("method not allowed: {0}")]
    Method(String),
    /// The system refuses, as where a port is taken.
    #[error("failed to {0}")]
    System(String),
}

impl AdminError {
    /// The status of HTTP.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            AdminError::Body(_)
            | AdminError::Missing(_)
            | AdminError::Name(_)
            | AdminError::Stream(_)
            | AdminError::Type(_)
            | AdminError::Attributes(_)
            | AdminError::TooMany(_) => StatusCode::BAD_REQUEST,
            AdminError::NoProxy { .. } | AdminError::NoToxic { .. } | AdminError::Path(_) => StatusCode::NOT_FOUND,
            AdminError::ProxyExists(_) | AdminError::ToxicExists(_) => StatusCode::CONFLICT,
            AdminError::Browser => StatusCode::FORBIDDEN,
            AdminError::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            AdminError::System(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The same for people, who do not look for Toxiproxy's beginning.
    #[must_use]
    pub fn words(&self) -> String {
        if let AdminError::Body(why) = self { why.clone() } else { self.to_string() }
    }

    /// The same, where several proxies are asked for at once: it is about that one.
    pub(crate) fn of_proxy(self, number: usize, name: &str) -> Self {
        if let AdminError::Body(why) = self {
            AdminError::Body(format!("proxy {number} `{name}`: {why}"))
        } else {
            self
        }
    }

    /// What the body says.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        json!({ "error": self.to_string(), "status": self.status().as_u16() })
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response<Body> {
        let head = [(header::CONTENT_TYPE, "application/json")];
        (self.status(), head, self.json().to_string()).into_response()
    }
}
