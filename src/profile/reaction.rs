//! Reads one thing that a proxy does to a stream or a connection.
//!
//! Refuses to know when it is done, and which key it belongs to.

use crate::grammar::refusal::{did_you_mean, listed};
use crate::grammar::{Entry, Problem};
use crate::lie::{IF_OPEN, PageBody, Reaction, ResetCode, ResetWith, SAME};

/// Statuses of HTTP with which a response ends (RFC 9110 section 15).
const STATUS_MIN: u16 = 200;
const STATUS_MAX: u16 = 599;
/// gRPC's status codes (statuscodes.md of grpc).
const GRPC_STATUS_MAX: u8 = 16;
/// A message of a status is a line, not a page.
const MESSAGE_MAX: usize = 200;

/// Each word, as an example of how it is written.
pub(crate) const EXAMPLES: [&str; 15] = [
    "nothing",
    "await-client-end",
    "end-stream",
    "trailers",
    "html end-stream",
    "reset CANCEL",
    "reset CANCEL if open",
    "reset same",
    "status 504 html",
    "status 504 text",
    "status 504 empty",
    "status 504 empty-data",
    "grpc-status 14 upstream request timeout",
    "goaway NO_ERROR",
    "close",
];
/// What else there is, for connections.
pub(crate) const EXAMPLES_OF_CONNECTIONS: [&str; 3] = ["drain", "tcp-reset", "forget"];

/// Reads one.
pub(crate) fn read_reaction(entry: &Entry<'_>) -> Result<Reaction, Problem> {
    let text = entry.text("what the proxy does, such as \"reset CANCEL if open\"")?;
    match text {
        "nothing" => return Ok(Reaction::Nothing),
        "await-client-end" => return Ok(Reaction::AwaitClientEnd),
        "end-stream" => return Ok(Reaction::EndStream),
        "trailers" => return Ok(Reaction::Trailers),
        "html end-stream" => return Ok(Reaction::HtmlEndStream),
        "drain" => return Ok(Reaction::Drain),
        "close" => return Ok(Reaction::Close),
        "tcp-reset" => return Ok(Reaction::TcpReset),
        "forget" => return Ok(Reaction::Forget),
        _ => {}
    }
    match text.split_once(' ') {
        Some(("reset", code)) => read_reset(entry, code),
        Some(("goaway", code)) => read_code(entry, code, &[]).map(Reaction::Goaway),
        Some(("status", rest)) => read_status(entry, rest),
        Some(("grpc-status", rest)) => read_grpc_status(entry, rest),
        Some(_) | None => {
            let words = [&EXAMPLES[..], &EXAMPLES_OF_CONNECTIONS].concat();
            let problem = entry.problem(format!("`{}`: a proxy cannot `{text}`", entry.key()));
            let near = did_you_mean(text, &words);
            Err(problem.label("unknown reaction").advice(format!("{near}write one like {}", listed(&words))))
        }
    }
}

fn read_reset(entry: &Entry<'_>, text: &str) -> Result<Reaction, Problem> {
    let (code, if_open) = match text.strip_suffix(IF_OPEN) {
        Some(code) => (code, true),
        None => (text, false),
    };
    let with = if code == SAME { ResetWith::Same } else { ResetWith::Code(read_code(entry, code, &[SAME])?) };
    Ok(Reaction::Reset { with, if_open })
}

/// Reads an error code; `also` tells in a help what else it may be.
fn read_code(entry: &Entry<'_>, text: &str, also: &[&str]) -> Result<ResetCode, Problem> {
    let found = ResetCode::WORDS.iter().find(|(word, _)| *word == text);
    found.map(|(_, code)| *code).ok_or_else(|| {
        let words: Vec<&str> = ResetCode::WORDS.iter().map(|(word, _)| *word).chain(also.iter().copied()).collect();
        let problem = entry.problem(format!("`{}`: HTTP/2 has no error code `{text}`", entry.key()));
        let near = did_you_mean(text, &words);
        problem.label("unknown error code").advice(format!("{near}write one of {}", listed(&words)))
    })
}

fn read_status(entry: &Entry<'_>, text: &str) -> Result<Reaction, Problem> {
    let wrong = || {
        let problem = entry.problem(format!("`{}`: `status {text}` is no response", entry.key()));
        let form = format!("a status from {STATUS_MIN} to {STATUS_MAX} and its body");
        problem
            .label("not a status and its body")
            .advice(format!("write {form}, which is html, text, empty or empty-data: \"status 504 html\""))
    };
    let (status, body) = text.split_once(' ').ok_or_else(wrong)?;
    let body = match body {
        "html" => PageBody::Html,
        "text" => PageBody::Text,
        "empty" => PageBody::Empty,
        "empty-data" => PageBody::EmptyData,
        _ => return Err(wrong()),
    };
    let status = digits(status).and_then(|number| u16::try_from(number).ok());
    let status = status.filter(|status| (STATUS_MIN..=STATUS_MAX).contains(status)).ok_or_else(wrong)?;
    Ok(Reaction::Status { status, body })
}

fn read_grpc_status(entry: &Entry<'_>, text: &str) -> Result<Reaction, Problem> {
    let (code, message) = text.split_once(' ').unwrap_or((text, ""));
    let code = digits(code).and_then(|number| u8::try_from(number).ok()).filter(|code| *code <= GRPC_STATUS_MAX);
    let Some(code) = code.filter(|_| message.len() <= MESSAGE_MAX && message.trim() == message) else {
        let problem = entry.problem(format!("`{}`: `grpc-status {text}` is no status of gRPC", entry.key()));
        let form = format!("a code from 0 to {GRPC_STATUS_MAX} and a message of at most {MESSAGE_MAX} bytes");
        return Err(problem
            .label("not a code and a message")
            .advice(format!("write {form}: \"grpc-status 14 no healthy upstream\"")));
    };
    Ok(Reaction::GrpcStatus { code, message: message.to_owned() })
}

/// A number of digits alone: no sign.
fn digits(text: &str) -> Option<u32> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}
