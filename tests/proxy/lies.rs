//! Lies about streams, besides silence.

use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::HeaderMap;
use pulseless::lie::{Direction, Ending, HeldUntil, Pick, ResetCode, Rule, StreamLie, Trigger, Withheld};
use pulseless::proxy::ProxyFate;
use tokio::time::sleep;

use crate::world::{ClientEnd, NodeEnd, World, grpc_status, is_quiet, read, read_reset, read_trailers, settle, soon};

const SECOND: Duration = Duration::from_secs(1);

fn message(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).expect("a short text").to_be_bytes();
    [&[0][..], &length, text.as_bytes()].concat()
}

fn say(there: &mut NodeEnd, bytes: impl Into<Bytes>) {
    there.to_client.send_data(bytes.into(), false).expect("the stream is open");
}

async fn opened_under(rule: Rule) -> (World, ClientEnd, NodeEnd) {
    let mut world = World::start().await;
    world.control.add(1, rule);
    let mut client = world.client().await;
    let (here, there) = world.open(&mut client).await;
    // It lives as long as the test.
    Box::leak(Box::new(client));
    (world, here, there)
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_size_vanish_and_the_others_pass_wherever_they_are_cut() {
    let pick = Pick { larger_than: Some(3), ..Pick::default() };
    let (world, mut here, mut there) =
        opened_under(Rule::new(StreamLie::Drop { direction: Direction::ToClient, pick })).await;
    let all = [message("one"), message("large"), message("two"), message(""), message("larger")].concat();
    let kept = [message("one"), message("two"), message("")].concat();
    for step in [1, 2, 3, 7, 100] {
        let mut heard = Vec::new();
        for part in all.chunks(step) {
            say(&mut there, part.to_vec());
            heard.extend(read(&mut here.from_node).await);
        }
        assert_eq!(heard, kept, "{step}");
    }
    let dropped = world.recorder.bytes(Direction::ToClient, ProxyFate::Swallowed);
    assert_eq!(dropped, 5 * (message("large").len() + message("larger").len()));
    assert!(world.control.is_felt(1));
    world.control.remove(1);
    say(&mut there, message("large"));
    assert_eq!(read(&mut here.from_node).await, message("large"));
}

#[tokio::test(start_paused = true)]
async fn each_message_of_some_vanishes_and_what_was_to_vanish_does_so_whole() {
    let pick = Pick { every: Some(2), ..Pick::default() };
    let (world, mut here, mut there) =
        opened_under(Rule::new(StreamLie::Drop { direction: Direction::ToClient, pick })).await;
    say(&mut there, [message("one"), message("two"), message("three")].concat());
    assert_eq!(read(&mut here.from_node).await, [message("one"), message("three")].concat());
    let four = message("four");
    say(&mut there, four[..6].to_vec());
    settle().await;
    world.control.remove(1);
    say(&mut there, [&four[6..], &message("five")].concat());
    assert_eq!(read(&mut here.from_node).await, message("five"));
    // An end in the midst of a prefix is passed on as it is.
    there.to_client.send_data(Bytes::from_static(b"\0\0"), true).expect("the stream is open");
    assert_eq!(read(&mut here.from_node).await, b"\0\0");
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_ended_at_its_age_as_the_rule_says() {
    let codes = [ResetCode::NoError, ResetCode::EnhanceYourCalm];
    let resets = codes.map(|code| (Ending::reset(code), Some(code)));
    let others = [Ending::end_stream(), Ending::status(4), Ending::html(504)].map(|ending| (ending, None));
    for (number, (ending, code)) in resets.into_iter().chain(others).enumerate() {
        let rule = Rule::new(StreamLie::End(ending)).from(Trigger::Age(60 * SECOND));
        let (world, mut here, mut there) = opened_under(rule).await;
        say(&mut there, "heard");
        assert_eq!(read(&mut here.from_node).await, b"heard");
        sleep(58 * SECOND).await;
        assert!(!world.control.is_felt(1));
        sleep(3 * SECOND).await;
        match (number, code) {
            (_, Some(code)) => assert_eq!(read_reset(&mut here.from_node).await, Some(Reason::from(code.number()))),
            (2, None) => assert_eq!(read_trailers(&mut here.from_node).await, None),
            (3, None) => assert_eq!(read_trailers(&mut here.from_node).await, Some(grpc_status("4"))),
            (_, None) => {
                assert!(read(&mut here.from_node).await.starts_with(b"<html>"));
                assert!(here.from_node.is_end_stream());
            }
        }
        assert_eq!(read_reset(&mut there.from_client).await, Some(Reason::CANCEL), "{number}");
        assert!(world.control.is_felt(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_headers_is_ended_with_headers_of_the_proxys_own() {
    for (ending, status) in [(Ending::end_stream(), 200), (Ending::status(14), 200), (Ending::html(504), 504)] {
        let mut world = World::start().await;
        world.control.add(1, Rule::new(StreamLie::End(ending.clone())).from(Trigger::Age(SECOND)));
        let mut client = world.client().await;
        let (response, _to_node) = client.send("/mls.Api/Subscribe", false);
        let _call = world.call().await;
        let response = soon(response).await.expect("the proxy answers");
        assert_eq!(response.status(), status, "{ending:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn idle_time_counts_bytes_and_is_felt_in_silence_too() {
    let rule = Rule::new(StreamLie::End(Ending::reset(ResetCode::InternalError))).from(Trigger::Idle(100 * SECOND));
    let (world, mut here, mut there) = opened_under(rule).await;
    for _ in 0..3 {
        sleep(90 * SECOND).await;
        say(&mut there, "tick");
        assert_eq!(read(&mut here.from_node).await, b"tick");
    }
    world.control.add(2, Rule::silence(None));
    sleep(90 * SECOND).await;
    say(&mut there, "tick");
    assert!(read(&mut here.from_node).await.is_empty());
    sleep(11 * SECOND).await;
    assert_eq!(read_reset(&mut here.from_node).await, Some(Reason::INTERNAL_ERROR));
}

#[tokio::test(start_paused = true)]
async fn a_half_closed_stream_gets_its_time() {
    let rule =
        Rule::new(StreamLie::End(Ending::reset(ResetCode::InternalError))).from(Trigger::HalfClosed(15 * SECOND));
    let (_world, mut here, _there) = opened_under(rule).await;
    sleep(60 * SECOND).await;
    here.to_node.send_data(Bytes::new(), true).expect("the stream is open");
    sleep(14 * SECOND).await;
    assert!(read(&mut here.from_node).await.is_empty());
    sleep(2 * SECOND).await;
    assert_eq!(read_reset(&mut here.from_node).await, Some(Reason::INTERNAL_ERROR));
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_cut_after_messages_and_after_bytes_to_the_byte() {
    let all = [message("one"), message("two"), message("three")].concat();
    for (when, heard) in [
        (Trigger::Messages(2), all[..16].to_vec()),
        (Trigger::Bytes(18), all[..18].to_vec()),
        (Trigger::Headers, Vec::new()),
    ] {
        let rule = Rule::new(StreamLie::End(Ending::end_stream())).from(when);
        let (_world, mut here, mut there) = opened_under(rule).await;
        // It may be reset by then.
        let _ = there.to_client.send_data(all.clone().into(), false);
        assert_eq!(read(&mut here.from_node).await, heard, "{when:?}");
        assert_eq!(read_trailers(&mut here.from_node).await, None, "{when:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silence_after_headers_or_messages_lets_those_pass() {
    for (when, heard) in [(Trigger::Headers, Vec::new()), (Trigger::Messages(1), message("one"))] {
        let (_world, mut here, mut there) = opened_under(Rule::silence(None).from(when)).await;
        say(&mut there, [message("one"), message("two")].concat());
        assert_eq!(read(&mut here.from_node).await, heard, "{when:?}");
        assert!(is_quiet(&mut here.from_node).await, "{when:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_trickle_and_come_late() {
    let slow = |delay, bytes_per_second| {
        Rule::new(StreamLie::Slow { direction: Some(Direction::ToClient), delay, bytes_per_second })
    };
    let (world, mut here, mut there) = opened_under(slow(Duration::ZERO, Some(1))).await;
    say(&mut there, "trickle");
    let mut heard = Vec::new();
    for expected in 1..=7 {
        heard.extend(read(&mut here.from_node).await);
        assert_eq!(heard.len(), expected);
        sleep(SECOND).await;
    }
    assert!(world.control.is_felt(1));
    let (_world, mut here, mut there) = opened_under(slow(20 * SECOND, None)).await;
    say(&mut there, "first");
    sleep(10 * SECOND).await;
    say(&mut there, "second");
    there.to_client.send_trailers(grpc_status("0")).expect("the stream is open");
    assert!(read(&mut here.from_node).await.is_empty());
    sleep(10 * SECOND).await;
    assert_eq!(read(&mut here.from_node).await, b"first");
    sleep(10 * SECOND).await;
    assert_eq!(read(&mut here.from_node).await, b"second");
    assert_eq!(read_trailers(&mut here.from_node).await, Some(grpc_status("0")));
}

#[tokio::test(start_paused = true)]
async fn a_response_is_held_until_its_end_or_until_the_buffer_is_full() {
    let held = Rule::new(StreamLie::Hold { direction: Direction::ToClient, until: HeldUntil::End, room: 10 });
    let (_world, mut here, mut there) = opened_under(held).await;
    say(&mut there, "12345");
    assert!(read(&mut here.from_node).await.is_empty());
    say(&mut there, "67890");
    assert_eq!(read(&mut here.from_node).await, b"1234567890");
    say(&mut there, "1");
    assert!(read(&mut here.from_node).await.is_empty());
    there.to_client.send_trailers(grpc_status("0")).expect("the stream is open");
    assert_eq!(read(&mut here.from_node).await, b"1");
    assert_eq!(read_trailers(&mut here.from_node).await, Some(grpc_status("0")));
}

#[tokio::test(start_paused = true)]
async fn a_request_is_held_until_its_first_byte_or_its_end() {
    for (until, parts) in [(HeldUntil::FirstData, 1), (HeldUntil::End, 2)] {
        let mut world = World::start().await;
        world.control.add(1, Rule::new(StreamLie::Hold { direction: Direction::ToNode, until, room: 1 << 16 }));
        let mut client = world.client().await;
        let (_response, mut to_node) = client.send("/mls.Api/Subscribe", false);
        for part in 0..parts {
            assert!(world.try_call().await.is_none(), "{until:?}, {part}");
            to_node.send_data("part".into(), part == 1).expect("the stream is open");
        }
        let mut call = world.call().await;
        assert_eq!(read(call.request.body_mut()).await, b"part".repeat(parts), "{until:?}");
        assert_eq!(call.request.body().is_end_stream(), parts == 2);
        assert!(world.control.is_felt(1));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_withheld_never_comes_and_all_else_does() {
    let end = || grpc_status("0");
    let (_world, mut here, mut there) = opened_under(Rule::new(StreamLie::Withhold(Withheld::End))).await;
    say(&mut there, "all");
    there.to_client.send_trailers(end()).expect("the stream is open");
    assert_eq!(read(&mut here.from_node).await, b"all");
    assert!(is_quiet(&mut here.from_node).await);

    let (_world, mut here, mut there) = opened_under(Rule::new(StreamLie::Withhold(Withheld::End))).await;
    there.to_client.send_data("all".into(), true).expect("the stream is open");
    assert_eq!(read(&mut here.from_node).await, b"all");
    assert!(is_quiet(&mut here.from_node).await);

    let (_world, mut here, mut there) = opened_under(Rule::new(StreamLie::Withhold(Withheld::Trailers))).await;
    there.to_client.send_trailers(end()).expect("the stream is open");
    assert_eq!(read_trailers(&mut here.from_node).await, None);

    let (_world, mut here, mut there) = opened_under(Rule::new(StreamLie::Withhold(Withheld::Reset))).await;
    there.to_client.send_reset(Reason::REFUSED_STREAM);
    assert!(is_quiet(&mut here.from_node).await);

    let (world, here, mut there) = opened_under(Rule::new(StreamLie::Withhold(Withheld::Cancel))).await;
    drop(here);
    assert!(is_quiet(&mut there.from_client).await);
    world.control.remove(1);
    assert_eq!(read_reset(&mut there.from_client).await, Some(Reason::CANCEL));

    let credit = StreamLie::Withhold(Withheld::Credit(Direction::ToClient));
    let (world, mut here, there) = opened_under(Rule::new(credit)).await;
    let written = std::sync::Arc::default();
    let writer = tokio::spawn(crate::world::write(there.to_client, 3 << 20, std::sync::Arc::clone(&written)));
    assert_eq!(read(&mut here.from_node).await.len(), 1 << 20);
    assert!(!writer.is_finished() && world.control.is_felt(1));
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_with_another_status_and_without_its_words() {
    let (_world, mut here, mut there) = opened_under(Rule::new(StreamLie::Status(0))).await;
    let mut trailers = grpc_status("13");
    trailers.insert("grpc-message", "lost".parse().expect("a value"));
    there.to_client.send_trailers(trailers).expect("the stream is open");
    assert_eq!(read_trailers(&mut here.from_node).await, Some(grpc_status("0")));
}

#[tokio::test(start_paused = true)]
async fn the_request_ends_early_for_the_node_alone() {
    let rule = Rule::new(StreamLie::EndRequest).from(Trigger::Messages(1));
    let (world, mut here, mut there) = opened_under(rule).await;
    here.to_node.send_data([message("one"), message("two")].concat().into(), false).expect("the stream is open");
    assert_eq!(read(&mut there.from_client).await, message("one"));
    assert!(there.from_client.is_end_stream());
    say(&mut there, "still heard");
    assert_eq!(read(&mut here.from_node).await, b"still heard");
    assert!(world.control.is_felt(1));
    there.to_client.send_trailers(HeaderMap::new()).expect("the stream is open");
    assert_eq!(read_trailers(&mut here.from_node).await, Some(HeaderMap::new()));
}

#[tokio::test(start_paused = true)]
async fn a_request_is_sent_several_times_and_the_last_answer_is_the_clients() {
    let mut world = World::start().await;
    world.control.add(1, Rule::new(StreamLie::Repeat { times: 3 }));
    let mut client = world.client().await;
    let (response, mut to_node) = client.send("/mls.Api/Send", false);
    to_node.send_data("once".into(), true).expect("the stream is open");
    let mut calls = Vec::new();
    for _ in 0..3 {
        let mut call = world.call().await;
        assert_eq!(read(call.request.body_mut()).await, b"once");
        assert!(call.request.body().is_end_stream());
        calls.push(call.respond.send_response(http::Response::new(()), false).expect("the stream is open"));
    }
    calls[2].send_data("third".into(), true).expect("the stream is open");
    let mut body = soon(response).await.expect("an answer").into_body();
    assert_eq!(read(&mut body).await, b"third");
    assert!(world.try_call().await.is_none() && world.control.is_felt(1));
}
