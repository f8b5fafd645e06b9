//! What a proxy does that lies.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use globset::Glob;
use h2::Reason;
use pulseless::lie::{Aim, Direction, Rule, StreamKey};
use pulseless::proxy::{ProxyFate, ProxyNotice};

use crate::world::{ClientEnd, NodeEnd, World, grpc_status, is_quiet, read, read_reset, settle, soon, write};

const LOAD: usize = 8 << 20;

fn silence(direction: Direction) -> Rule {
    Rule::silence(Some(direction))
}

/// Says something both ways; answers what arrived at the node and at the client.
async fn talk(here: &mut ClientEnd, there: &mut NodeEnd) -> (Vec<u8>, Vec<u8>) {
    here.to_node.send_data("up".into(), false).expect("the stream is open");
    there.to_client.send_data("down".into(), false).expect("the stream is open");
    (read(&mut there.from_client).await, read(&mut here.from_node).await)
}

fn both() -> (Vec<u8>, Vec<u8>) {
    (b"up".into(), b"down".into())
}

fn neither() -> (Vec<u8>, Vec<u8>) {
    (Vec::new(), Vec::new())
}

#[tokio::test(start_paused = true)]
async fn in_silence_nothing_passes_but_ping_is_answered_and_senders_are_not_stopped() {
    let mut world = World::start().await;
    let mut client = world.client().await;
    let (mut here, there) = world.open(&mut client).await;
    world.control.add(1, Rule::silence(None));
    assert!(!world.control.is_felt(1));
    let written = Arc::new(AtomicUsize::new(0));
    let writer = tokio::spawn(write(there.to_client, LOAD, written.clone()));
    let pings = |notice: &ProxyNotice| matches!(notice, ProxyNotice::PingAnswered { connection: 1 });
    let before = world.recorder.count(pings);
    assert!(client.ping().await && client.ping().await);
    assert_eq!(world.recorder.count(pings), before + 2);
    soon(writer).await.expect("the node is not stopped");
    assert!(is_quiet(&mut here.from_node).await);
    assert_eq!(world.recorder.bytes(Direction::ToClient, ProxyFate::Swallowed), LOAD);
    assert_eq!(world.recorder.bytes(Direction::ToClient, ProxyFate::Passed), 0);
    assert!(world.control.is_felt(1));
}

#[tokio::test(start_paused = true)]
async fn a_silence_of_one_direction_leaves_the_other() {
    let mut world = World::start().await;
    let mut client = world.client().await;
    for (direction, heard) in
        [(Direction::ToNode, (Vec::new(), both().1)), (Direction::ToClient, (both().0, Vec::new()))]
    {
        let (mut here, mut there) = world.open(&mut client).await;
        world.control.add(1, silence(direction));
        assert_eq!(talk(&mut here, &mut there).await, heard, "{direction:?}");
        world.control.remove(1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_silence_meets_only_its_peers_paths_and_streams() {
    let mut world = World::start().await;
    let mut one = world.client_from(Ipv4Addr::new(10, 0, 0, 1)).await;
    let mut two = world.client_from(Ipv4Addr::new(10, 0, 0, 2)).await;
    let glob = |text: &str| Some(Glob::new(text).expect("a pattern").compile_matcher());
    let peers = Some(BTreeSet::from([Ipv4Addr::new(10, 0, 0, 1).into()]));
    let streams = |stream| Some(BTreeSet::from([StreamKey { connection: 1, stream }]));
    let others = Rule::silence(None).aimed(Aim { paths: glob("/*/Query*"), ..Aim::default() });
    // Each round opens one stream per client, of ids 1, 3, 5, 7.
    let rounds = [
        (Rule::silence(None).aimed(Aim { peers, ..Aim::default() }), false, true),
        (others, true, true),
        (Rule::silence(None).aimed(Aim { paths: glob("/mls.Api/*"), ..Aim::default() }), false, false),
        (Rule::silence(None).aimed(Aim { streams: streams(7), ..Aim::default() }), false, true),
    ];
    for (rule, is_one_heard, is_two_heard) in rounds {
        let (mut here, mut there) = world.open(&mut one).await;
        let (mut near, mut far) = world.open(&mut two).await;
        world.control.add(1, rule);
        let expected = |is_heard| if is_heard { both() } else { neither() };
        assert_eq!(talk(&mut here, &mut there).await, expected(is_one_heard));
        assert_eq!(talk(&mut near, &mut far).await, expected(is_two_heard));
        world.control.remove(1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_severed_stream_stays_silent_after_the_rule_while_others_talk() {
    let mut world = World::start().await;
    let mut client = world.client().await;
    let (mut lost, mut gone) = world.open(&mut client).await;
    let (mut idle, mut calm) = world.open(&mut client).await;
    world.control.add(1, Rule::silence(None));
    assert_eq!(talk(&mut lost, &mut gone).await, neither());
    world.control.remove(1);
    assert_eq!(talk(&mut lost, &mut gone).await, neither());
    // Nothing of this one was swallowed, so nothing is missing.
    assert_eq!(talk(&mut idle, &mut calm).await, both());
    let (mut fresh, mut young) = world.open(&mut client).await;
    assert_eq!(talk(&mut fresh, &mut young).await, both());
    assert!(is_quiet(&mut lost.from_node).await);
}

#[tokio::test(start_paused = true)]
async fn a_stream_opened_in_silence_hangs_for_ever() {
    let mut world = World::start().await;
    let mut client = world.client().await;
    world.control.add(1, silence(Direction::ToNode));
    let (mut response, mut to_node) = client.send("/mls.Api/Subscribe", false);
    settle().await;
    assert!(world.control.is_felt(1));
    world.control.remove(1);
    to_node.send_data("anybody?".into(), true).expect("the stream is open");
    assert!(world.try_call().await.is_none());
    assert!(tokio::time::timeout(std::time::Duration::from_secs(600), &mut response).await.is_err());
    assert_eq!(world.recorder.bytes(Direction::ToNode, ProxyFate::Swallowed), 8);
    drop((response, to_node));
    settle().await;
    assert_eq!(world.recorder.count(|notice| matches!(notice, ProxyNotice::StreamClosed { .. })), 1);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_node_is_swallowed_too() {
    let mut world = World::start().await;
    let mut client = world.client().await;
    let (mut ended, mut there) = world.open(&mut client).await;
    let (mut reset, mut other) = world.open(&mut client).await;
    let (mut died, _last) = world.open(&mut client).await;
    let (mut unanswered, _to_node) = client.send("/mls.Api/Subscribe", false);
    world.control.add(1, silence(Direction::ToClient));
    there.to_client.send_trailers(grpc_status("0")).expect("the stream is open");
    other.to_client.send_reset(Reason::INTERNAL_ERROR);
    settle().await;
    world.kill_node().await;
    world.control.remove(1);
    for end in [&mut ended, &mut reset, &mut died] {
        assert!(is_quiet(&mut end.from_node).await);
        end.to_node.send_data("hello?".into(), false).expect("the stream is open");
    }
    assert!(tokio::time::timeout(std::time::Duration::from_secs(600), &mut unanswered).await.is_err());
    assert!(client.ping().await);
    assert!(world.recorder.has_reset(Direction::ToClient, ProxyFate::Swallowed));
    assert!(!world.recorder.has_reset(Direction::ToClient, ProxyFate::Passed));
}

#[tokio::test(start_paused = true)]
async fn the_node_does_not_learn_of_a_client_that_left_in_silence_until_the_rule_is_removed() {
    let mut world = World::start().await;
    let mut client = world.client().await;
    let (here, mut first) = world.open(&mut client).await;
    let (_kept, mut second) = world.open(&mut client).await;
    world.control.add(1, Rule::silence(None));
    drop(here);
    settle().await;
    client.die().await;
    for node in [&mut first, &mut second] {
        assert!(is_quiet(&mut node.from_client).await);
        node.to_client.send_data("still here?".into(), false).expect("the stream is open");
    }
    assert!(world.recorder.has_reset(Direction::ToNode, ProxyFate::Swallowed));
    assert_eq!(world.recorder.count(|notice| matches!(notice, ProxyNotice::ConnectionClosed { .. })), 1);
    world.control.remove(1);
    for node in [&mut first, &mut second] {
        assert_eq!(read_reset(&mut node.from_client).await, Some(Reason::CANCEL));
    }
    assert_eq!(world.recorder.count(|notice| matches!(notice, ProxyNotice::StreamClosed { .. })), 2);
}

#[tokio::test(start_paused = true)]
async fn a_kept_half_ends_with_the_node() {
    let mut world = World::start().await;
    let mut client = world.client().await;
    let (_here, mut there) = world.open(&mut client).await;
    world.control.add(1, silence(Direction::ToNode));
    client.die().await;
    there.to_client.send_trailers(grpc_status("4")).expect("the stream is open");
    settle().await;
    assert_eq!(world.recorder.count(|notice| matches!(notice, ProxyNotice::StreamClosed { .. })), 1);
    assert!(!world.recorder.has_reset(Direction::ToNode, ProxyFate::Passed));
}

#[tokio::test(start_paused = true)]
async fn a_silence_frees_a_sender_that_a_stalled_reader_had_stopped() {
    let mut world = World::start().await;
    let mut client = world.client().await;
    let (mut here, there) = world.open(&mut client).await;
    let written = Arc::new(AtomicUsize::new(0));
    tokio::spawn(write(there.to_client, LOAD, written.clone()));
    settle().await;
    assert!(written.load(Ordering::Relaxed) < LOAD);
    world.control.add(1, Rule::silence(None));
    settle().await;
    assert_eq!(written.load(Ordering::Relaxed), LOAD);
    let passed = world.recorder.bytes(Direction::ToClient, ProxyFate::Passed);
    assert_eq!(read(&mut here.from_node).await.len(), passed);
    assert_eq!(world.recorder.bytes(Direction::ToClient, ProxyFate::Swallowed), LOAD - passed);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_be_reached_in_silence_to_the_client_is_not_reported() {
    let mut world = World::start().await;
    let mut client = world.client().await;
    world.kill_node().await;
    world.control.add(1, silence(Direction::ToClient));
    let (response, mut to_node) = client.send("/mls.Api/Subscribe", false);
    assert!(tokio::time::timeout(std::time::Duration::from_secs(600), response).await.is_err());
    assert!(world.control.is_felt(1));
    to_node.send_data(Bytes::new(), true).expect("the stream is open");
}

#[tokio::test(start_paused = true)]
async fn a_rule_is_felt_by_what_it_swallows_and_not_by_what_it_covers() {
    let mut world = World::start().await;
    let mut client = world.client().await;
    let (mut here, mut there) = world.open(&mut client).await;
    world.control.add(1, silence(Direction::ToNode));
    world.control.add(2, silence(Direction::ToClient));
    settle().await;
    assert_eq!([1, 2].map(|rule| world.control.is_felt(rule)), [false, false]);
    there.to_client.send_data("down".into(), false).expect("the stream is open");
    assert!(is_quiet(&mut here.from_node).await);
    assert_eq!([1, 2].map(|rule| world.control.is_felt(rule)), [false, true]);
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_came_while_a_stream_waited_for_its_turn_meets_it() {
    let mut world = World::with_limit(1).await;
    let mut client = world.client().await;
    let (_here, mut there) = world.open(&mut client).await;
    let (mut waiting, _to_node) = client.send("/mls.Api/Subscribe", false);
    settle().await;
    let streams = Some(BTreeSet::from([StreamKey { connection: 1, stream: 3 }]));
    world.control.add(1, silence(Direction::ToNode).aimed(Aim { streams, ..Aim::default() }));
    there.to_client.send_trailers(grpc_status("0")).expect("the stream is open");
    assert!(world.try_call().await.is_none());
    assert!(world.control.is_felt(1));
    assert!(tokio::time::timeout(std::time::Duration::from_secs(600), &mut waiting).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn room_that_silenced_streams_had_asked_for_is_left_to_others() {
    let mut world = World::start().await;
    let mut client = world.client().await;
    let mut stalled = Vec::new();
    // Each asks for room for a frame of 16 KiB; together that is more than the window of the client's connection.
    for _ in 0..5 {
        let (here, there) = world.open(&mut client).await;
        tokio::spawn(write(there.to_client, LOAD, Arc::default()));
        stalled.push(here);
    }
    settle().await;
    world.control.add(1, Rule::silence(None));
    settle().await;
    world.control.remove(1);
    for end in &mut stalled {
        read(&mut end.from_node).await;
    }
    let (mut here, mut there) = world.open(&mut client).await;
    assert_eq!(talk(&mut here, &mut there).await, both());
}

#[tokio::test(start_paused = true)]
async fn a_kept_half_keeps_its_place_at_the_node() {
    let mut world = World::with_limit(1).await;
    let mut client = world.client().await;
    let (here, _there) = world.open(&mut client).await;
    let streams = Some(BTreeSet::from([StreamKey { connection: 1, stream: 1 }]));
    world.control.add(1, Rule::silence(None).aimed(Aim { streams, ..Aim::default() }));
    drop(here);
    settle().await;
    let refused = soon(client.send("/mls.Api/Query", true).0).await.expect("an answer");
    assert_eq!(refused.headers()["grpc-status"], "14");
    world.control.remove(1);
    settle().await;
    let (_response, _) = client.send("/mls.Api/Query", true);
    assert!(world.try_call().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn the_node_learns_at_once_of_a_client_that_leaves_a_severed_stream_after_the_rule() {
    let mut world = World::start().await;
    let mut client = world.client().await;
    let (mut here, mut there) = world.open(&mut client).await;
    world.control.add(1, silence(Direction::ToNode));
    here.to_node.send_data("lost".into(), false).expect("the stream is open");
    settle().await;
    world.control.remove(1);
    drop(here);
    assert_eq!(read_reset(&mut there.from_client).await, Some(Reason::CANCEL));
    assert!(!world.recorder.has_reset(Direction::ToNode, ProxyFate::Swallowed));
}
