//! The heads of requests and responses as the proxy sends them: rewritten, or made up.
//!
//! Refuses to know streams.

use std::fmt::Write;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::uri::Scheme;
use http::{Method, Request, Response, StatusCode, Uri, Version, request};

use crate::env::Address;
use crate::lie::PageBody;

/// Why a request cannot go to the node.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadHead {
    /// CONNECT asks for a tunnel, not for an answer.
    #[error("relay a request without a path")]
    NoPath,
    /// The parts make no whole.
    #[error("relay the request: {0}")]
    Malformed(#[from] http::Error),
}

/// The request as it goes to the node: with the scheme of the way there; the client's authority, as a
/// proxy keeps the name that the client asked for, or else the node's own.
///
/// Connection-specific headers need no care: h2 resets a stream that has any (RFC 9113 section 8.2.2).
///
/// # Errors
/// The request has no path, as one with CONNECT, which the proxy does not serve.
pub(crate) fn to_node(head: request::Parts, node: &Address, scheme: Scheme) -> Result<Request<()>, BadHead> {
    let target = head.uri.into_parts();
    let authority = target.authority.map_or_else(|| node.to_string(), |authority| authority.to_string());
    let path = target.path_and_query.ok_or(BadHead::NoPath)?;
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build()?;
    let mut request = Request::builder().method(head.method).uri(uri).version(Version::HTTP_2).body(())?;
    *request.headers_mut() = head.headers;
    Ok(request)
}

/// Whether a request is malformed in a way that h2 bears: CONNECT without an authority, or an authority with user information
/// (RFC 9113 sections 8.3.1 and 8.5).
pub(crate) fn is_malformed<T>(request: &Request<T>) -> bool {
    match request.uri().authority() {
        Some(authority) => authority.as_str().contains('@'),
        None => request.method() == Method::CONNECT,
    }
}

/// The bytes of a request's header list (RFC 9113 section 6.5.2).
pub(crate) fn list_size_of_request<T>(request: &Request<T>) -> usize {
    let (method, uri) = (request.method(), request.uri());
    let authority = uri.authority().map_or(0, |authority| field_size(":authority", authority.as_str().len()));
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    field_size(":method", method.as_str().len())
        + field_size(":scheme", uri.scheme_str().map_or(0, str::len))
        + authority
        + field_size(":path", path)
        + list_size(request.headers())
}

/// The same of a response's headers, less its status.
pub(crate) fn list_size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| field_size(name.as_str(), value.len())).sum()
}

fn field_size(name: &str, value: usize) -> usize {
    /// What each field costs besides its text.
    const OVERHEAD: usize = 32;
    name.len() + value + OVERHEAD
}

/// Whether a request speaks gRPC, which wants errors in trailers.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// A response that the proxy makes up, or the rest of one that has begun: its headers are sent only where none were.
pub(crate) struct OwnResponse {
    pub(crate) head: Response<()>,
    /// None where the headers are all.
    pub(crate) page: Option<Bytes>,
    pub(crate) trailers: Option<HeaderMap>,
}

impl OwnResponse {
    /// As of gRPC, with an end that says nothing.
    pub(crate) fn bare() -> Self {
        let mut head = Response::new(());
        head.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        OwnResponse { head, page: None, trailers: None }
    }

    /// A status of gRPC, as Envoy's.
    pub(crate) fn grpc(code: u8, message: &str) -> Self {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from(u16::from(code)));
        let message = percent_encoded(message);
        if !message.is_empty() {
            let message = HeaderValue::from_str(&message).expect("percent-encoded text is printable ASCII");
            trailers.insert("grpc-message", message);
        }
        OwnResponse { trailers: Some(trailers), ..OwnResponse::bare() }
    }

    /// What somebody is told in the place of a status of gRPC who does not speak it.
    pub(crate) fn of_grpc_code(code: u8) -> Self {
        // DEADLINE_EXCEEDED; all else is a failure of somebody behind the proxy.
        OwnResponse::page(if code == 4 { 504 } else { 503 }, PageBody::Empty)
    }

    /// A page of HTML.
    pub(crate) fn html(status: u16) -> Self {
        OwnResponse::page(status, PageBody::Html)
    }

    /// A status of HTTP and a page.
    pub(crate) fn page(status: u16, body: PageBody) -> Self {
        let mut head = Response::new(());
        *head.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
        let told = head.status();
        let (kind, page) = match body {
            PageBody::Html => ("text/html", format!("<html><body><h1>{told}</h1></body></html>\r\n")),
            PageBody::Text => ("text/plain", format!("{told}\n")),
            PageBody::Empty => return OwnResponse { head, page: None, trailers: None },
            PageBody::EmptyData => return OwnResponse { head, page: Some(Bytes::new()), trailers: None },
        };
        head.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        OwnResponse { head, page: Some(page.into()), trailers: None }
    }
}

/// A head that says what trailers would: gRPC's "trailers-only".
pub(crate) fn with_trailers(mut head: Response<()>, trailers: Option<HeaderMap>) -> Response<()> {
    head.headers_mut().extend(trailers.into_iter().flatten());
    head
}

/// As gRPC over HTTP/2 writes `grpc-message`: all but printable ASCII, and the percent sign, as `%XX`.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' => encoded.push_str("%25"),
            b' '..=b'~' => encoded.push(char::from(byte)),
            _ => write!(encoded, "%{byte:02X}").expect("a string takes all that is written to it"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(uri: &str) -> request::Parts {
        Request::builder().uri(uri).header("te", "trailers").body(()).expect("a request").into_parts().0
    }

    #[test]
    fn the_clients_authority_is_kept_and_a_missing_one_is_the_nodes() {
        let node = Address::new("node", 5556);
        let kept = to_node(head("https://api.example:443/a/b?c"), &node, Scheme::HTTP).expect("a request");
        assert_eq!(kept.uri(), "http://api.example:443/a/b?c");
        assert_eq!(kept.headers()["te"], "trailers");
        assert_eq!(to_node(head("/a/b"), &node, Scheme::HTTP).expect("a request").uri(), "http://node:5556/a/b");
        assert_eq!(to_node(head("/a/b"), &node, Scheme::HTTPS).expect("a request").uri(), "https://node:5556/a/b");
    }

    #[test]
    fn a_header_of_several_values_keeps_them_all() {
        let mut head = head("/a/b");
        head.headers.append("te", "deflate".parse().expect("a value"));
        let kept = to_node(head, &Address::new("node", 5556), Scheme::HTTP).expect("a request");
        assert_eq!(kept.headers().get_all("te").iter().collect::<Vec<_>>(), ["trailers", "deflate"]);
    }

    #[test]
    fn a_connect_is_refused() {
        let connect = Request::connect("api.example:443").body(()).expect("a request").into_parts().0;
        assert!(to_node(connect, &Address::new("node", 5556), Scheme::HTTP).is_err());
    }

    #[test]
    fn a_message_is_printable_whatever_it_says() {
        assert_eq!(percent_encoded("100% café\n"), "100%25 caf%C3%A9%0A");
    }
}
