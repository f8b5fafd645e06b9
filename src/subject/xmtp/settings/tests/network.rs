//! What the reader promises about links, TCP options and several nodes.

use std::time::Duration;

use super::{SMALL, refused, render, secs, set, settings};
use crate::env::{TcpKeepalive, TcpOptions};
use crate::grammar::{Latency, Shape};
use crate::sim::{LinkSettings, SimFile, read};
use crate::subject::xmtp::SUBJECTS;

fn with(lines: &str) -> SimFile {
    read("x", &format!("{SMALL}{lines}"), SUBJECTS).expect("a good sim")
}

/// Asserts that `SMALL` with more lines is refused with all of `parts`.
fn wrong(lines: &str, parts: &[&str]) {
    let text = render(&read("x", &format!("{SMALL}{lines}"), SUBJECTS).expect_err(lines));
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}

#[test]
fn a_link_may_be_slow_narrow_and_lossy() {
    let link = with("[link]\nlatency = \"20ms..1s long-tailed\"\nbandwidth = \"10MiB/s\"\nloss = \"0.1%\"\n").link;
    let latency = Latency { shape: Shape::LongTailed, least: Duration::from_millis(20), most: secs(1) };
    let expected = LinkSettings { latency, bandwidth_bytes_per_second: Some(10 << 20), loss_basis_points: Some(10) };
    assert_eq!(link, expected);
}

#[test]
fn a_link_that_cannot_be_is_refused() {
    wrong("[link]\nlatency = \"-5ms\"\n", &["line 6: `link.latency`: `-5ms` is negative", "a duration or a range"]);
    wrong("[link]\nlatency = \"0..1s long-tailed\"\n", &["has no tail", "shortest time is above zero"]);
    wrong("[link]\nbandwidth = \"10MiB\"\n", &["`10MiB` is not per second", "not a bandwidth", "such as \"64KiB/s\""]);
    wrong("[link]\nbandwidth = \"1B/s\"\n", &["`link.bandwidth` is 1B/s", "from 256B/s to 1024MiB/s"]);
    wrong("[link]\nbandwidth = 10\n", &["`link.bandwidth` is an integer", "write a bandwidth"]);
    wrong("[link]\nloss = \"0%\"\n", &["`link.loss` is 0%", "from 0.01% to 50%"]);
    wrong("[link]\nloss = \"51%\"\n", &["`link.loss` is 51%"]);
    wrong("[link]\nloss = \"0.1\"\n", &["`0.1` has no percent sign", "not a percentage", "such as \"0.05%\""]);
    wrong("[link]\nloss = \"0.001%\"\n", &["`0.001%` is not a number with at most two decimals"]);
}

#[test]
fn clients_and_proxies_have_their_tcp() {
    let lines =
        "[client]\ntcp-keepalive = { idle = \"5s\", interval = \"2s\", count = 2 }\ntcp-user-timeout = \"30s\"\n";
    let file = with(lines);
    let keepalive = Some(TcpKeepalive { idle: secs(5), interval: secs(2), count: 2 });
    assert_eq!(settings(&file).client.tcp, TcpOptions { keepalive, user_timeout: Some(secs(30)) });
    assert_eq!(settings(&file).proxy_tcp, TcpOptions::default(), "the proxy's own is off");
    let file =
        with("[cast.proxy]\ntcp-keepalive = {}\n[client]\ntcp-keepalive = \"off\"\ntcp-user-timeout = \"off\"\n");
    let linux = Some(TcpKeepalive { idle: secs(7_200), interval: secs(75), count: 9 });
    assert_eq!(settings(&file).proxy_tcp, TcpOptions { keepalive: linux, user_timeout: None });
    assert_eq!(settings(&file).client.tcp, TcpOptions::default());
}

#[test]
fn proxies_speak_tls_where_they_are_told_to() {
    let alpn = |lines: &str| settings(&with(lines)).proxy_tls.clone().map(|alpn| alpn.names().to_vec());
    assert_eq!(alpn(""), None);
    assert_eq!(alpn("[cast.proxy]\ntls = false\n"), None);
    assert!(settings(&with("[node]\ntls = true\n")).node.tls.is_some() && settings(&with("")).node.tls.is_none());
    assert_eq!(alpn("[cast.proxy]\ntls = true\n"), Some(vec!["h2".to_owned()]));
    assert_eq!(alpn("[cast.proxy]\ntls = {}\n"), Some(vec!["h2".to_owned()]));
    assert_eq!(alpn("[cast.proxy.tls]\nalpn = \"none\"\n"), Some(Vec::new()));
    assert_eq!(alpn("[cast.proxy.tls]\nalpn = [\"http/1.1\"]\n"), Some(vec!["http/1.1".to_owned()]));
}

#[test]
fn tls_that_cannot_be_is_refused() {
    wrong("[cast.proxy]\ntls = \"on\"\n", &["`cast.proxy.tls` is a string", "write true, false, or { alpn = "]);
    wrong("[cast.proxy]\ntls = { cert = 1 }\n", &["unknown key `cert` in `cast.proxy.tls`", "alpn"]);
    wrong("[cast.proxy]\ntls = { alpn = \"h2\" }\n", &["`cast.proxy.tls.alpn` is a string", "an array of names"]);
    wrong("[cast.proxy]\ntls = { alpn = [2] }\n", &["`cast.proxy.tls.alpn.1` is an integer"]);
    wrong("[cast.proxy]\ntls = { alpn = [] }\n", &["`cast.proxy.tls.alpn` has 0 names", "or \"none\" for no answer"]);
    let long = format!("[cast.proxy]\ntls = {{ alpn = [\"{}\"] }}\n", "x".repeat(256));
    wrong(&long, &["the longest of 256 bytes", "at most 255 bytes"]);
    wrong("[cast.proxy]\nprofile = \"aws-nlb\"\ntls = true\n", &["a proxy of bytes speaks no TLS", "leave it out"]);
}

#[test]
fn tcp_options_that_linux_does_not_take_are_refused() {
    let keepalive = |value: &str| format!("[client]\ntcp-keepalive = {value}\n");
    wrong(&keepalive("\"on\""), &["`client.tcp-keepalive` is a string", "write { idle = \"5s\"", "or \"off\""]);
    wrong(&keepalive("{ idel = \"5s\" }"), &["unknown key `idel`", "did you mean `idle`?"]);
    wrong(&keepalive("{ idle = \"1s500ms\" }"), &["`client.tcp-keepalive.idle` is 1s500ms", "not whole seconds"]);
    wrong(&keepalive("{ interval = \"0s\" }"), &["`client.tcp-keepalive.interval` is 0s", "from 1s to 9h6m7s"]);
    wrong(&keepalive("{ count = 0 }"), &["`client.tcp-keepalive.count` is 0", "from 1 to 127"]);
    wrong("[cast.proxy]\ntcp-user-timeout = \"10ms\"\n", &["`cast.proxy.tcp-user-timeout` is 10ms", "from 1s to 1h"]);
    wrong("[cast.proxy]\ntcp-user-timeout = 30\n", &["`cast.proxy.tcp-user-timeout` is an integer"]);
}

#[test]
fn settings_reach_the_new_keys() {
    let flags = ["link.loss=2.5%", "client.tcp-user-timeout=9s", "cast.proxy.tcp-keepalive={ idle = \"9s\" }"];
    let file = set(SMALL, &flags).expect("a good sim");
    assert_eq!((file.link.loss_basis_points, settings(&file).client.tcp.user_timeout), (Some(250), Some(secs(9))));
    assert_eq!(settings(&file).proxy_tcp.keepalive.map(|keepalive| keepalive.idle), Some(secs(9)));
    let refusal = set(SMALL, &["link.loss=0%"]).expect_err("no loss").to_string();
    assert_eq!(refusal, "read sim `full` with setting `link.loss=0%`: `link.loss` is 0%");
}

#[test]
fn several_nodes_and_proxies_are_cast() {
    let lines = "[cast]\nnodes = 2\nproxies = 3\npublishers = 2\n[workload]\ntopics = 2\n";
    let file = with(lines);
    let hosts = ["node-1", "node-2", "proxy-1", "proxy-2", "proxy-3", "client-1", "publisher-1", "publisher-2"];
    let names: Vec<&str> = file.cast().members().iter().map(|member| &*member.name).collect();
    assert_eq!(names, hosts);
    let behind: Vec<u32> = (1..=3).map(|proxy| settings(&file).fleet.node_behind(proxy)).collect();
    assert_eq!(behind, [1, 2, 1]);
}

#[test]
fn a_fleet_that_does_not_add_up_is_refused() {
    let nodes = |count: u32, rest: &str| format!("[cast]\nnodes = {count}\nproxies = 3\n{rest}");
    wrong(&nodes(4, ""), &["line 6: 4 nodes are more than 3 proxies", "too many", "write at most 3"]);
    wrong(&nodes(2, ""), &["line 6: `cast.publishers` is 1, and each of 2 nodes needs its own"]);
    wrong(&nodes(2, "publishers = 2\n"), &["line 6: `cast.nodes` is 2, and `workload.topics`, which they share, 1"]);
    wrong(&nodes(101, ""), &["`cast.nodes` is 101", "from 1 to 100"]);
    refused("clients = 3", "clients = 3\nproxies = 0", &["`cast.proxies` is 0", "from 1 to 100"]);
}
