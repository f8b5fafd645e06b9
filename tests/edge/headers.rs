//! The PROXY protocol.

use std::collections::BTreeSet;
use std::net::IpAddr;

use pulseless::env::Socket;
use pulseless::lie::{Aim, Ending, ResetCode, Rule, StreamLie};
use pulseless::proxy::{Control, ProxyEdge};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::bench::{Stage, answered, call, dial, host, serve, shake, trusting};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of version 2 about 192.0.2.7:40000 or 2001:db8::7, with something more that is to be skipped.
fn binary(is_v6: bool) -> Vec<u8> {
    let address = |text: &str| match text.parse().expect("an address") {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let (client, own) = if is_v6 { ("2001:db8::7", "::1") } else { ("192.0.2.7", "10.0.0.1") };
    let ports = [0x9c, 0x40, 0x01, 0xbb];
    let more = [0x04, 0, 2, 9, 9];
    let body = [&address(client)[..], &address(own), &ports, &more].concat();
    let length = u16::try_from(body.len()).expect("short").to_be_bytes();
    [SIGNATURE, &[0x21, if is_v6 { 0x21 } else { 0x11 }], &length, &body].concat()
}

async fn dial_with(address: &str, header: &[u8]) -> Socket {
    let mut socket = dial(address).await;
    socket.write_all(header).await.expect("written");
    socket
}

#[tokio::test]
async fn the_header_tells_the_client_in_log_and_inspect_and_tls_comes_after_it() {
    let server = serve(None).await;
    let flags = ["--listen", "127.0.0.1:0", "--upstream", &server, "--proxy-protocol"];
    for tls in [&[][..], &["--tls", "--tls-write", "ca.pem"]] {
        let mut stage = Stage::start(&[&flags, tls].concat()).await;
        for (header, peer) in [
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 40000 443\r\n".to_vec(), "192.0.2.7:40000"),
            (b"PROXY TCP6 2001:db8::7 ::1 40000 443\r\n".to_vec(), "[2001:db8::7]:40000"),
            (binary(false), "192.0.2.7:40000"),
            (binary(true), "[2001:db8::7]:40000"),
            (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1:"),
            ([SIGNATURE, &[0x20, 0, 0, 0]].concat(), "127.0.0.1:"),
        ] {
            let socket = dial_with(&stage.listens(), &header).await;
            let answer = match tls.is_empty() {
                true => call(socket).await,
                false => {
                    let config = trusting(&stage.read("ca.pem"), &["h2"]);
                    call(shake(config, "localhost", socket).await.expect("TLS after the header")).await
                }
            };
            answered(answer);
            stage.logs(&format!("peer={peer}")).await;
        }
        let held = dial_with(&stage.listens(), &binary(false)).await;
        let (mut sender, connection) = match tls.is_empty() {
            true => h2::client::handshake(held).await.expect("HTTP/2"),
            false => continue,
        };
        let driven = tokio::spawn(connection);
        sender = sender.ready().await.expect("the proxy speaks HTTP/2");
        let shown: Value = serde_json::from_str(&stage.done(&["inspect", "proxy", "--format", "json"])).expect("JSON");
        let peers: Vec<&Value> = shown.as_array().expect("a list").iter().map(|one| &one["peer"]).collect();
        assert!(peers.iter().any(|peer| *peer == "192.0.2.7:40000"), "{shown}");
        drop(sender);
        driven.abort();
    }
}

#[tokio::test]
async fn a_connection_without_a_header_that_can_be_believed_is_refused_with_the_reason_in_the_log() {
    let server = serve(None).await;
    let mut stage = Stage::start(&["--listen", "127.0.0.1:0", "--upstream", &server, "--proxy-protocol"]).await;
    for (bytes, log) in [
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), "there is none, the connection begins with HTTP/2's preface"),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 forty 443\r\n".to_vec(), "it is malformed"),
        ([SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat(), "it has more than 4096 bytes"),
    ] {
        let mut socket = dial_with(&stage.listens(), &bytes).await;
        // Closed, in order or by a reset where bytes were left unread.
        assert!(matches!(socket.read(&mut [0; 64]).await, Ok(0) | Err(_)), "{log}");
        stage.logs(&format!("turned away: PROXY header: {log}")).await;
    }
    let mut socket = dial_with(&stage.listens(), b"PROXY TCP4").await;
    socket.shutdown().await.expect("half-closed");
    assert_eq!(socket.read(&mut [0; 64]).await.expect("closed"), 0);
    stage.logs("turned away: PROXY header: the connection ended before it was whole").await;
    assert_eq!(stage.done(&["inspect", "proxy"]), "0 connections, 0 streams\n");
}

/// A rule of a sim's kind, which names peers.
#[tokio::test]
async fn a_rule_about_a_peer_is_about_the_one_of_the_header() {
    let upstream = serve(None).await;
    let control = Control::default();
    let aim = Aim { peers: Some(BTreeSet::from(["192.0.2.7".parse().expect("an address")])), ..Aim::default() };
    control.add(1, Rule::new(StreamLie::End(Ending::reset(ResetCode::EnhanceYourCalm))).aimed(aim));
    let edge = ProxyEdge { takes_proxy_header: true, ..ProxyEdge::default() };
    let address = host(&upstream, control, edge).await;
    let reset = call(dial_with(&address, &binary(false)).await).await.expect_err("the stream is reset");
    assert_eq!(reset.reason(), Some(h2::Reason::ENHANCE_YOUR_CALM), "{reset}");
    answered(call(dial_with(&address, &binary(true)).await).await);
}
