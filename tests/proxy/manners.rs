//! What the proxy does about clients that take too much: of time, of streams, of patience.

use std::time::Duration;

use crate::world::{PROXY_PORT, World, grpc_status, settle, soon, write};
use pulseless::proxy::ProxyNotice;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
const PING: [u8; 17] = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
/// HEADERS without END_HEADERS: an indexed `:method: GET`, and no end.
const OPEN_BLOCK: [u8; 10] = [0, 0, 1, 1, 1, 0, 0, 0, 1, 0x82];
const PROTOCOL_ERROR: u8 = 1;
const FRAME_SIZE_ERROR: u8 = 6;
const ENHANCE_YOUR_CALM: u8 = 11;

/// After how many seconds a client that has said this is told GOAWAY, and with which code; none if it is borne.
async fn told(said: &[u8]) -> Option<(u64, u8)> {
    let world = World::start().await;
    let from = std::net::Ipv4Addr::new(10, 0, 0, 9).into();
    let (start, mut client) = (Instant::now(), world.net.connect(from, PROXY_PORT).expect("the proxy listens"));
    client.write_all(said).await.expect("a pipe");
    let mut heard = Vec::new();
    let ended = timeout(Duration::from_secs(3600), client.read_to_end(&mut heard)).await;
    let closed = world.recorder.count(|notice| matches!(notice, ProxyNotice::ConnectionClosed { .. }));
    assert_eq!(ended.is_ok(), closed == 1);
    ended.ok().map(|_| (start.elapsed().as_secs(), *heard.last().expect("a GOAWAY")))
}

#[tokio::test(start_paused = true)]
async fn what_begins_must_end_in_time() {
    let begun = |rest: &[u8]| [PREFACE, rest].concat();
    let whole = [&SETTINGS[..], &PING].concat();
    assert_eq!(told(PREFACE).await, Some((10, PROTOCOL_ERROR)));
    assert_eq!(told(&begun(&SETTINGS[..4])).await, Some((10, PROTOCOL_ERROR)));
    assert_eq!(told(&begun(&whole)).await, None);
    for cut in [1, 8, 9, 16] {
        assert_eq!(told(&begun(&[&whole[..], &PING[..cut]].concat())).await, Some((60, ENHANCE_YOUR_CALM)), "{cut}");
    }
    assert_eq!(told(&begun(&[&whole[..], &OPEN_BLOCK].concat())).await, Some((60, ENHANCE_YOUR_CALM)));
}

#[tokio::test(start_paused = true)]
async fn a_frame_of_a_wrong_size_and_a_wrong_beginning_have_their_code() {
    let short_ping = [0, 0, 1, 6, 0, 0, 0, 0, 0, 7];
    assert_eq!(told(&[PREFACE, &SETTINGS, &short_ping].concat()).await, Some((0, FRAME_SIZE_ERROR)));
    assert_eq!(told(&[PREFACE, &PING].concat()).await, Some((0, PROTOCOL_ERROR)));
}

#[tokio::test(start_paused = true)]
async fn a_client_takes_its_share_of_the_nodes_streams_and_the_rest_on_a_connection_of_its_own() {
    let mut world = World::with_limit(8).await;
    let mut greedy = world.client().await;
    let mut taken = Vec::new();
    for connection in [1, 1, 2, 2, 2, 2, 2, 2, 2, 2] {
        taken.push(greedy.send("/mls.Api/Subscribe", true));
        let call = world.call().await;
        assert_eq!(call.connection, connection);
        taken.last_mut().expect("just pushed").1.reserve_capacity(0);
        std::mem::forget(call.respond);
    }
    let start = Instant::now();
    let refused = soon(greedy.send("/mls.Api/Query", true).0).await.expect("an answer");
    assert_eq!((start.elapsed().as_secs(), &refused.headers()["grpc-status"]), (5, &"14".parse().expect("a value")));
    let mut other = world.client().await;
    let (_here, mut there) = world.open(&mut other).await;
    there.to_client.send_trailers(grpc_status("0")).expect("the stream is open");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_none_of_its_streams_stops_no_other_clients() {
    const MIB: usize = 1 << 20;
    let mut world = World::start().await;
    let mut deaf = world.client_with_window(0).await;
    let mut kept = Vec::new();
    for _ in 0..80 {
        let (here, there) = world.open(&mut deaf).await;
        tokio::spawn(write(there.to_client, 2 * MIB, std::sync::Arc::default()));
        kept.push(here);
    }
    settle().await;
    let mut other = world.client().await;
    let (mut here, there) = world.open(&mut other).await;
    tokio::spawn(write(there.to_client, 2 * MIB, std::sync::Arc::default()));
    assert_eq!(crate::world::read(&mut here.from_node).await.len(), 2 * MIB);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_cancels_by_the_hundred_loses_its_connection_and_no_other_client_does() {
    let mut world = World::start().await;
    let mut other = world.client().await;
    let (_here, mut there) = world.open(&mut other).await;
    let mut hasty = world.client().await;
    let mut calls = Vec::new();
    for count in 1..=2000 {
        let (answer, mut body) = hasty.send("/mls.Api/Query", false);
        calls.extend(world.try_call().await);
        body.send_reset(h2::Reason::CANCEL);
        settle().await;
        if let Err(error) = timeout(Duration::ZERO, hasty.sender.clone().ready()).await.expect("it is ready or lost") {
            assert_eq!(error.reason(), Some(h2::Reason::ENHANCE_YOUR_CALM));
            // A hundred per second are forgotten, of the five hundred that are borne.
            assert!((500..1000).contains(&count), "{count}");
            break;
        }
        drop(answer);
    }
    assert!(calls.len() < 1000);
    assert_eq!(calls.iter().filter(|call| call.connection == 1).count(), 13);
    there.to_client.send_trailers(grpc_status("0")).expect("the stream is open");
}
