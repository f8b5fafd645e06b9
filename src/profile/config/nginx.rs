//! An nginx.conf, or a part of it: of the first location with `grpc_pass`, what holds there.
//!
//! Refuses to know its syntax.

use std::time::Duration;

use crate::profile::config::nginx_blocks::{NginxDirective, read_blocks};
use crate::profile::config::taking::{BadConfig, ConfigFiles, ConfigPlace, Taking};
use crate::profile::config::units::{self, plain_number};
use crate::profile::spoken::{Spelled, Timeout};

/// What a directive says.
#[derive(Clone, Copy)]
enum NginxMeaning {
    /// A time, of that key.
    Time(&'static str),
    /// A size, of that key.
    Size(&'static str),
    /// The size of the second word, of that key.
    SecondSize(&'static str),
    /// A number, of that key.
    Count(&'static str),
    /// `on` or `off`: whether TCP probes the node.
    TcpKeepalive,
    /// Reasons to try again.
    RetryOn,
    /// The number of tries.
    Tries,
    /// Where the stream goes.
    Pass,
    /// Nothing that a profile has, and why.
    Ignored(&'static str),
}

const OF_PROXY_PASS: &str = "it holds for proxy_pass, and a stream of gRPC goes through grpc_pass";
const OBSOLETE: &str = "obsolete since nginx 1.19.7, and without effect";
const NO_PART: &str = "it has no part in a long-lived stream";

/// What is known. What is not listed has no part in a stream.
const KNOWN: &[(&str, NginxMeaning)] = &[
    ("grpc_connect_timeout", NginxMeaning::Time("connect-timeout")),
    ("grpc_read_timeout", NginxMeaning::Time("read-timeout")),
    ("grpc_send_timeout", NginxMeaning::Time("write-timeout")),
    ("client_body_timeout", NginxMeaning::Time("body-timeout")),
    ("keepalive_timeout", NginxMeaning::Time("connection-idle")),
    ("keepalive_time", NginxMeaning::Time("connection-age")),
    ("keepalive_requests", NginxMeaning::Count("connection-requests")),
    ("worker_shutdown_timeout", NginxMeaning::Time("drain-grace")),
    ("http2_max_concurrent_streams", NginxMeaning::Count("max-streams")),
    ("http2_body_preread_size", NginxMeaning::Size("stream-window")),
    ("large_client_header_buffers", NginxMeaning::SecondSize("request-headers")),
    ("grpc_buffer_size", NginxMeaning::Size("response-headers")),
    ("grpc_socket_keepalive", NginxMeaning::TcpKeepalive),
    ("grpc_next_upstream", NginxMeaning::RetryOn),
    ("grpc_next_upstream_tries", NginxMeaning::Tries),
    ("grpc_pass", NginxMeaning::Pass),
    ("grpc_next_upstream_timeout", NginxMeaning::Ignored("a profile has no time for all tries together")),
    (
        "client_max_body_size",
        NginxMeaning::Ignored("a profile has no limit on a whole request; a stream that sends more ends with 413"),
    ),
    ("client_header_timeout", NginxMeaning::Ignored("it ends with the request's headers")),
    ("send_timeout", NginxMeaning::Ignored("a profile has no time for a client that reads nothing")),
    ("http2_idle_timeout", NginxMeaning::Ignored(OBSOLETE)),
    ("http2_recv_timeout", NginxMeaning::Ignored(OBSOLETE)),
    ("http2_max_requests", NginxMeaning::Ignored(OBSOLETE)),
    ("http2_max_field_size", NginxMeaning::Ignored(OBSOLETE)),
    ("http2_max_header_size", NginxMeaning::Ignored(OBSOLETE)),
    ("proxy_connect_timeout", NginxMeaning::Ignored(OF_PROXY_PASS)),
    ("proxy_read_timeout", NginxMeaning::Ignored(OF_PROXY_PASS)),
    ("proxy_send_timeout", NginxMeaning::Ignored(OF_PROXY_PASS)),
    ("proxy_buffering", NginxMeaning::Ignored(OF_PROXY_PASS)),
    ("proxy_request_buffering", NginxMeaning::Ignored(OF_PROXY_PASS)),
    ("proxy_next_upstream", NginxMeaning::Ignored(OF_PROXY_PASS)),
    ("proxy_socket_keepalive", NginxMeaning::Ignored(OF_PROXY_PASS)),
];

fn meaning(name: &str) -> Option<NginxMeaning> {
    KNOWN.iter().find(|(known, _)| *known == name).map(|(_, meaning)| *meaning)
}

/// Reads a configuration.
pub(crate) fn read_nginx(
    file: &str,
    text: &str,
    files: &dyn ConfigFiles,
    taking: &mut Taking,
) -> Result<(), BadConfig> {
    let main = read_blocks(file, text, files, taking)?;
    let start = ConfigPlace { file: file.to_owned(), line: 1 };
    if main.is_empty() {
        return Err(BadConfig::new(&start, "it has no directive", "name an nginx.conf, or a file that it includes"));
    }
    let chain = chain(&main);
    let mut pass = None;
    for (depth, block) in chain.iter().enumerate() {
        let next = chain.get(depth + 1);
        for directive in *block {
            // The block that the stream goes into is read next.
            if next.is_some_and(|next| directive.block.as_deref().is_some_and(|within| std::ptr::eq(within, *next))) {
                continue;
            }
            match (directive.name(), &directive.block) {
                ("upstream", Some(_)) => {}
                (_, Some(within)) => ignore_elsewhere(directive, within, taking),
                ("grpc_pass", None) => {
                    take(directive, taking)?;
                    pass = Some(directive);
                }
                (_, None) => take(directive, taking)?,
            }
        }
    }
    let upstreams = upstreams(&main);
    take_upstream(pass, &upstreams, taking)?;
    Ok(())
}

/// The blocks around the first `grpc_pass`, from the outermost; without one, those around the first server.
fn chain(main: &[NginxDirective]) -> Vec<&[NginxDirective]> {
    let with_pass = blocks_to(main, &|block| block.iter().any(|directive| directive.name() == "grpc_pass"));
    let or_server = || blocks_to(main, &|block| block.iter().any(|directive| directive.name() == "listen"));
    with_pass.or_else(or_server).unwrap_or_else(|| vec![main])
}

/// The blocks that lead to the first one that is meant, itself included. As deep as blocks may be.
fn blocks_to<'c>(
    block: &'c [NginxDirective],
    is_meant: &dyn Fn(&[NginxDirective]) -> bool,
) -> Option<Vec<&'c [NginxDirective]>> {
    if is_meant(block) {
        return Some(vec![block]);
    }
    let within = block
        .iter()
        .filter(|directive| directive.name() != "upstream")
        .filter_map(|directive| directive.block.as_deref());
    let mut found = within.filter_map(|inner| blocks_to(inner, is_meant));
    let mut path = found.next()?;
    path.insert(0, block);
    Some(path)
}

/// Says of another block what it would have said.
fn ignore_elsewhere(directive: &NginxDirective, within: &[NginxDirective], taking: &mut Taking) {
    let known = within.iter().filter(|inner| inner.block.is_none() && meaning(inner.name()).is_some());
    let mut said = false;
    for inner in known {
        said = true;
        taking.ignore(
            &inner.place,
            &inner.told(),
            format!("it stands in `{}`, where this stream does not go", directive.told()),
        );
    }
    for inner in within {
        if let Some(deeper) = &inner.block {
            said = true;
            ignore_elsewhere(inner, deeper, taking);
        }
    }
    if !said {
        taking.ignore(&directive.place, &directive.told(), "this stream does not go there");
    }
}

fn take(directive: &NginxDirective, taking: &mut Taking) -> Result<(), BadConfig> {
    let (place, told) = (&directive.place, directive.told());
    let known = meaning(directive.name());
    match known {
        Some(NginxMeaning::Time(key)) => {
            let time = time(directive)?;
            taking.take_time(key, Timeout::After(time), place, &told);
        }
        Some(NginxMeaning::Size(key)) => taking.take_size(key, size(directive, 0)?, place, &told),
        Some(NginxMeaning::SecondSize(key)) => taking.take_size(key, size(directive, 1)?, place, &told),
        Some(NginxMeaning::Count(key)) => taking.take(key, Spelled::Number(number(directive)?), place, &told),
        Some(NginxMeaning::TcpKeepalive) => match word(directive)? {
            // Linux's own numbers, tcp(7): nginx sets none.
            "on" => taking.take_time("tcp-keepalive-after", Timeout::After(Duration::from_secs(7_200)), place, &told),
            "off" => taking.take_time("tcp-keepalive-after", Timeout::Never, place, &told),
            _ => return Err(wrong(directive, "on or off")),
        },
        Some(NginxMeaning::RetryOn) => take_retry_on(directive, taking)?,
        Some(NginxMeaning::Tries) => _ = number(directive)?,
        Some(NginxMeaning::Pass) => _ = word(directive)?,
        Some(NginxMeaning::Ignored(why)) => taking.ignore(place, &told, why),
        None => taking.ignore(place, &told, NO_PART),
    }
    Ok(())
}

/// The reasons for which another server is tried.
fn take_retry_on(directive: &NginxDirective, taking: &mut Taking) -> Result<(), BadConfig> {
    word(directive)?;
    let mut causes: Vec<&str> = Vec::new();
    for word in directive.values() {
        match word.as_str() {
            "off" => causes.clear(),
            "error" => causes.push("connect-failure"),
            "timeout" => causes.push("timeout"),
            "http_500" | "http_502" | "http_503" | "http_504" => causes.push("http-5xx"),
            "invalid_header" | "http_403" | "http_404" | "http_429" | "non_idempotent" => {
                taking.ignore(&directive.place, word, "a profile has no such reason to try again");
            }
            _ => return Err(wrong(directive, "error, timeout, http_502 and the like, or off")),
        }
    }
    causes.dedup();
    let causes = causes.into_iter().map(str::to_owned).collect();
    taking.take("retry-on", Spelled::List(causes), &directive.place, &directive.told());
    Ok(())
}

/// Every `upstream` of the configuration.
fn upstreams(block: &[NginxDirective]) -> Vec<&NginxDirective> {
    let mut found = Vec::new();
    for directive in block {
        match &directive.block {
            Some(_) if directive.name() == "upstream" => found.push(directive),
            Some(within) => found.extend(upstreams(within)),
            None => {}
        }
    }
    found
}

/// What the group of servers says that the stream goes to, and how often another of them is tried.
fn take_upstream(
    pass: Option<&NginxDirective>,
    upstreams: &[&NginxDirective],
    taking: &mut Taking,
) -> Result<(), BadConfig> {
    let name = pass.and_then(|pass| pass.values().first()).map(String::as_str).unwrap_or_default();
    let name = name.split_once("://").map_or(name, |(_, rest)| rest);
    for upstream in upstreams {
        let within = upstream.block.as_deref().unwrap_or_default();
        if upstream.values().first().is_none_or(|other| other != name) {
            taking.ignore(&upstream.place, &upstream.told(), "this stream does not go there");
            continue;
        }
        let servers = within.iter().filter(|directive| directive.name() == "server").count();
        let more = u32::try_from(servers.saturating_sub(1)).unwrap_or(u32::MAX);
        if more > 0 {
            taking.take(
                "retries",
                Spelled::Number(more.min(1_000)),
                &upstream.place,
                &format!("upstream {name} of {servers} servers"),
            );
        }
        for directive in within {
            let told = directive.told();
            match directive.name() {
                "keepalive" => {
                    let pool = if number(directive)? == 0 { "per-request" } else { "shared" };
                    taking.take_word("node-connections", pool, &directive.place, &told);
                }
                "server" => {}
                _ => taking.ignore(
                    &directive.place,
                    &told,
                    "it is about choosing a server, or an idle connection to one",
                ),
            }
        }
    }
    Ok(())
}

/// The word of a directive that has no other; of two `keepalive_timeout` tells the second to clients of HTTP/1.1.
fn only_word<'d>(directive: &'d NginxDirective, right: &str) -> Result<&'d str, BadConfig> {
    match directive.values() {
        [word] => Ok(word),
        [word, _] if directive.name() == "keepalive_timeout" => Ok(word),
        _ => Err(wrong(directive, right)),
    }
}

/// The first word of a directive.
fn word(directive: &NginxDirective) -> Result<&str, BadConfig> {
    directive.values().first().map(String::as_str).ok_or_else(|| wrong(directive, "a value"))
}

fn time(directive: &NginxDirective) -> Result<Duration, BadConfig> {
    let right = "a time such as 60s, 1h or 500ms";
    units::parts(only_word(directive, right)?, units::NGINX, 1_000).ok_or_else(|| wrong(directive, right))
}

fn size(directive: &NginxDirective, at: usize) -> Result<u64, BadConfig> {
    let text = directive.values().get(at).map(String::as_str).unwrap_or_default();
    units::size(text).ok_or_else(|| wrong(directive, "a size such as 8k or 1m"))
}

fn number(directive: &NginxDirective) -> Result<u32, BadConfig> {
    let right = "a number from 0 to 2147483647";
    let number = plain_number(only_word(directive, right)?).and_then(|number| u32::try_from(number).ok());
    number.filter(|number| *number < 1 << 31).ok_or_else(|| wrong(directive, right))
}

fn wrong(directive: &NginxDirective, right: &str) -> BadConfig {
    BadConfig::new(&directive.place, format!("`{}` has a wrong value", directive.told()), format!("write {right}"))
}
