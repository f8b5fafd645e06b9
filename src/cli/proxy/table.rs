//! What the admin API answers, in lines for people.
//!
//! Refuses to know how it was asked.

use std::fmt::Write;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::admin::{ConnectionJson, ProxyExtras, ProxyJson, WindowJson, lies_both_ways};
use crate::grammar::{Readable, count, spell_size};

/// The values of an object, or of an array.
pub(super) fn values(answer: &Value) -> Vec<Value> {
    match answer {
        Value::Object(pairs) => pairs.values().cloned().collect(),
        Value::Array(values) => values.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// Rows of cells, each column as wide as its widest cell.
fn columns(rows: &[Vec<String>]) -> String {
    let column_count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| Some(row.get(column)?.chars().count())).max();
    let widths: Vec<usize> = (0..column_count).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for row in rows {
        let line: String = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}  ")).collect();
        writeln!(text, "{}", line.trim_end()).expect("a string takes everything");
    }
    text
}

fn cells<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).into()
}

/// A proxy each, and below it its lies.
pub(super) fn proxies(answer: &Value) -> String {
    let proxies = values(answer);
    let read: Vec<ProxyJson> = proxies.iter().filter_map(|proxy| ProxyJson::deserialize(proxy).ok()).collect();
    if read.is_empty() {
        return "no proxies; add one with `pulseless proxy add NAME --upstream HOST:PORT`\n".into();
    }
    let mut rows = vec![cells(["PROXY", "LISTENS ON", "LEADS TO", "STATE", "LIES"])];
    for proxy in &read {
        let lies: Vec<String> = proxy.toxics.iter().map(told_lie).collect();
        let state = if proxy.enabled { "enabled" } else { "disabled" };
        let state = proxy.extras.profile.as_ref().map_or_else(|| state.into(), |name| format!("{state}, as {name}"));
        let first = lies.first().map_or("none", String::as_str);
        let (listens, leads) = told_edge(proxy);
        rows.push(cells([&proxy.name, &listens, &leads, &state, first]));
        rows.extend(lies.iter().skip(1).map(|lie| cells(["", "", "", "", lie])));
    }
    columns(&rows)
}

/// Where it listens and leads to, and what lies between TCP and HTTP/2 there.
fn told_edge(proxy: &ProxyJson) -> (String, String) {
    let ProxyExtras { tls, upstream_tls, proxy_protocol, .. } = &proxy.extras;
    let header = proxy_protocol.unwrap_or_default().then_some("PROXY header");
    let front: Vec<&str> = header.into_iter().chain(tls.is_some().then_some("TLS")).collect();
    let back = upstream_tls.as_ref().map(|tls| if tls.insecure { " (TLS with anybody)" } else { " (TLS)" });
    let front = if front.is_empty() { String::new() } else { format!(" ({})", front.join(", ")) };
    (format!("{}{front}", proxy.listen), format!("{}{}", proxy.upstream, back.unwrap_or_default()))
}

/// Its name, way, share and attributes.
fn told_lie(toxic: &Value) -> String {
    let text = |key: &str| toxic[key].as_str().unwrap_or_default();
    let mut told = text("name").to_owned();
    let (kind, stream) = (text("type"), text("stream"));
    let is_named_so = toxic["name"] == format!("{kind}_{stream}").as_str();
    match lies_both_ways(kind, stream, &toxic["attributes"]) {
        true => write!(told, " ({kind}, both ways)").expect("a string takes everything"),
        false if is_named_so => {}
        false => write!(told, " ({kind}, {stream})").expect("a string takes everything"),
    }
    if let Some(toxicity) = toxic["toxicity"].as_f64().filter(|toxicity| *toxicity < 1.0) {
        write!(told, " toxicity={toxicity}").expect("a string takes everything");
    }
    for (key, value) in toxic["attributes"].as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        write!(told, " {key}={value}").expect("a string takes everything");
    }
    told
}

/// A proxy that was added.
pub(super) fn added(answer: &Value) -> String {
    let text = |key: &str| answer[key].as_str().unwrap_or_default();
    let state = if answer["enabled"] == true { "listens on" } else { "is disabled, and would listen on" };
    format!("{} {state} {}, and leads to {}\n", text("name"), text("listen"), text("upstream"))
}

/// A lie that is told now.
pub(super) fn lie(answer: &Value) -> String {
    format!("in force: {}\n", told_lie(answer))
}

/// The lies that were taken back.
pub(super) fn taken_back(answer: &Value) -> String {
    let taken = values(answer);
    if taken.is_empty() {
        return "there was no lie to take back\n".into();
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    taken.iter().map(|one| format!("{}: {} taken back\n", text(&one["proxy"]), text(&one["lie"]))).collect()
}

/// The live view: of all proxies, or of the one that was named.
pub(super) fn connections(answer: &Value, named: Option<&str>) -> String {
    let of_proxies: Vec<(&str, &Value)> = match (named, answer) {
        (Some(name), _) => vec![(name, answer)],
        (None, Value::Object(pairs)) => pairs.iter().map(|(name, list)| (name.as_str(), list)).collect(),
        (None, Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => Vec::new(),
    };
    let heads = ["PROXY", "STREAM", "PEER", "PATH", "STATE", "AGE", "IDLE", "TO NODE", "WINDOW", "TO CLIENT", "WINDOW"];
    let mut rows = vec![cells(heads)];
    let (mut connections, mut streams) = (0, 0);
    for (proxy, list) in of_proxies {
        let read = values(list);
        for connection in read.iter().filter_map(|value| ConnectionJson::deserialize(value).ok()) {
            connections += 1;
            streams += connection.streams.len() as u64;
            rows.extend(connection_rows(proxy, &connection));
        }
    }
    let sum = format!("{}, {}\n", count(connections, "connection"), count(streams, "stream"));
    if connections == 0 { sum } else { columns(&rows) + &sum }
}

fn connection_rows(proxy: &str, connection: &ConnectionJson) -> Vec<Vec<String>> {
    let time = |millis: u64| Readable(Duration::from_millis(millis)).to_string();
    let (serial, peer) = (connection.connection, connection.peer.as_str());
    if connection.streams.is_empty() {
        let age = time(connection.age_ms);
        return vec![cells([
            proxy,
            &format!("{serial}/-"),
            peer,
            "-",
            &connection.state,
            &age,
            "-",
            "-",
            "-",
            "-",
            "-",
        ])];
    }
    let row = |stream: &crate::admin::StreamJson| {
        let id = format!("{serial}/{}", stream.stream);
        let (age, idle) = (time(stream.age_ms), time(stream.idle_ms));
        let (to_node, to_client) = (spell_size(stream.bytes_to_node), spell_size(stream.bytes_to_client));
        let (from_client, from_node) = (told_window(stream.window_to_node), told_window(stream.window_to_client));
        let (path, state) = (&stream.path, &stream.state);
        cells([proxy, &id, peer, path, state, &age, &idle, &to_node, &from_client, &to_client, &from_node])
    };
    connection.streams.iter().map(row).collect()
}

/// What the sender may still send, and whether the receiver lets nothing pass.
fn told_window(window: Option<WindowJson>) -> String {
    let Some(WindowJson { left, stalled, taken: _ }) = window else { return "-".into() };
    let left = u64::try_from(left).map_or_else(|_| format!("{left}B"), spell_size);
    if stalled { format!("{left} stalled") } else { left }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn proxies_are_rows_with_their_lies() {
        let toxics = json!([
            {"name": "latency_downstream", "type": "latency", "stream": "downstream", "toxicity": 0.5, "attributes": {"latency": 9}},
            {"name": "silence_downstream", "type": "silence", "stream": "downstream", "toxicity": 1.0, "attributes": {}},
            {"name": "half", "type": "silence", "stream": "downstream", "toxicity": 1.0, "attributes": {"direction": "to-client"}},
            {"name": "cut", "type": "end-streams", "stream": "downstream", "toxicity": 1.0, "attributes": {"with": "reset"}}
        ]);
        let proxy = json!({"name": "a", "listen": "127.0.0.1:1", "upstream": "b:2", "enabled": true, "toxics": toxics});
        assert_eq!(
            proxies(&json!({ "a": proxy })).lines().collect::<Vec<_>>(),
            [
                "PROXY  LISTENS ON   LEADS TO  STATE    LIES",
                "a      127.0.0.1:1  b:2       enabled  latency_downstream toxicity=0.5 latency=9",
                "                                       silence_downstream (silence, both ways)",
                "                                       half (silence, downstream) direction=to-client",
                "                                       cut (end-streams, downstream) with=reset",
            ]
        );
        let (tls, upstream_tls) = (json!({"alpn": ["h2"]}), json!({"insecure": true}));
        let safe = json!({"name": "a", "listen": "[::1]:1", "upstream": "b:2", "enabled": true, "toxics": [],
            "tls": tls, "upstream_tls": upstream_tls, "proxy_protocol": true, "profile": "nginx"});
        let told = proxies(&json!({ "a": safe }));
        let words = told.lines().nth(1).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        let expected = "a [::1]:1 (PROXY header, TLS) b:2 (TLS with anybody) enabled, as nginx none";
        assert_eq!(words.as_deref(), Some(expected), "{told}");
        assert!(proxies(&json!({})).starts_with("no proxies"));
    }

    #[test]
    fn streams_are_rows_under_the_number_of_their_connection() {
        let stream = json!({"stream": 5, "path": "/a/B", "state": "answered", "age_ms": 61000, "idle_ms": 1500,
            "bytes_to_node": 10, "bytes_to_client": 2048,
            "window_to_node": {"left": 1 << 20, "taken": 0, "stalled": false},
            "window_to_client": {"left": -7, "taken": 9, "stalled": true}});
        let connection = |streams: Value| json!({"connection": 7, "peer": "127.0.0.1:9", "state": "open", "age_ms": 62000, "streams": streams});
        let text = connections(&json!({"p": [connection(json!([stream])), connection(json!([]))]}), None);
        assert_eq!(text.lines().count(), 4, "{text}");
        let words =
            |line: usize| text.lines().nth(line).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        assert_eq!(
            words(1).as_deref(),
            Some("p 7/5 127.0.0.1:9 /a/B answered 1m 1s 1.5s 10B 1MiB 2KiB -7B stalled"),
            "{text}"
        );
        assert_eq!(words(2).as_deref(), Some("p 7/- 127.0.0.1:9 - open 1m 2s - - - - -"), "{text}");
        assert_eq!(
            words(3).as_deref(),
            Some("2 connections, 2 streams".replace("2 s", "1 s").trim_end_matches('s')),
            "{text}"
        );
    }
}
