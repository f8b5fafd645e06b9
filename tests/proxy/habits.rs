//! What a proxy does as its profile says, where that is not what it does without one.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::Response;
use pulseless::lie::{Aim, ByteHarm, ByteLie, ConnectionSide, Direction, Reaction, ResetCode, ResetWith, Rule};
use pulseless::profile::{
    AfterHeaders, BeforeHeaders, Ceiling, Conduct, GoawayForm, GoawayMoment, LaterStreams, NodePool, OnConnection,
    Profile, ProxyLayer, RetryCause, RetryCauses, Timeout, TowardNode,
};
use pulseless::proxy::ProxyHabits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use crate::world::{
    ACK, Client, GOAWAY, HEADERS, NODE_PORT, PING, PROXY_PORT, RawClient, RawFrame, SETTINGS, World, grpc_status, read,
    read_reset, read_trailers, settle, soon,
};

const DATA: u8 = 0;
const RST_STREAM: u8 = 3;
const END_STREAM: u8 = 1;
const ALL: u32 = u32::MAX >> 1;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn after(seconds: u64) -> Timeout {
    Timeout::After(secs(seconds))
}

fn reset(code: ResetCode) -> Reaction {
    Reaction::Reset { with: ResetWith::Code(code), if_open: false }
}

/// A world whose proxy is plain, but for what is changed.
async fn world(change: impl FnOnce(&mut Conduct)) -> World {
    let mut conduct = Profile::named("plain").expect("a profile").conduct().clone();
    change(&mut conduct);
    World::with_habits(ProxyHabits::of(&conduct), 1000).await
}

/// The GOAWAYs, their last stream, and the seconds at which they came, until the connection ends or falls silent.
async fn goaways(client: &mut RawClient, time: Duration) -> Vec<(u32, u32, u64)> {
    let (start, mut told) = (Instant::now(), Vec::new());
    while let Some(left) = time.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
        let Some(frame) = client.next_frame(left).await else { break };
        let number = |at: usize| u32::from_be_bytes(frame.payload[at..at + 4].try_into().expect("four bytes"));
        match (frame.kind, frame.flags) {
            (GOAWAY, _) => told.push((number(0), number(4), start.elapsed().as_secs())),
            (PING, 0) => client.write(&RawFrame::new(PING, ACK, 0, &frame.payload)).await,
            _ => {}
        }
    }
    told
}

/// A raw client with a stream whose response has begun.
async fn streaming(world: &mut World) -> (RawClient, h2::SendStream<Bytes>) {
    let mut client = world.raw_client().await;
    client.open(1).await;
    let mut call = world.call().await;
    let sink = call.respond.send_response(Response::new(()), false).expect("the stream is open");
    client.frames(secs(1)).await;
    (client, sink)
}

#[tokio::test(start_paused = true)]
async fn a_drained_connection_is_told_to_go_in_the_form_that_the_profile_says() {
    for (form, gap, told) in [
        (GoawayForm::Silent, 0, vec![]),
        (GoawayForm::Open, 0, vec![(ALL, 0, 0)]),
        (GoawayForm::Last, 0, vec![(1, 0, 0)]),
        (GoawayForm::Double, 2, vec![(ALL, 0, 0), (1, 0, 2)]),
        (GoawayForm::Double, 0, vec![(ALL, 0, 0), (1, 0, 0)]),
    ] {
        let mut world = world(|conduct| {
            (conduct.drain_goaway, conduct.drain_goaway_gap) = (form, secs(gap));
        })
        .await;
        let (mut client, mut sink) = streaming(&mut world).await;
        world.drain();
        assert_eq!(goaways(&mut client, secs(10)).await, told, "{form:?} {gap}");
        assert!(!world.has_ended() && !client.is_closed().await, "{form:?}: a stream runs");
        sink.send_data(Bytes::new(), true).expect("the stream is open");
        client.frames(secs(1)).await;
        settle().await;
        assert!(client.is_closed().await && world.has_ended(), "{form:?}: no stream runs");
    }
}

#[tokio::test(start_paused = true)]
async fn a_grace_ends_what_still_runs() {
    let mut world = world(|conduct| {
        (conduct.drain_goaway, conduct.drain_grace) = (GoawayForm::Last, after(30));
    })
    .await;
    let (mut client, _sink) = streaming(&mut world).await;
    let start = Instant::now();
    world.drain();
    client.frames(secs(100)).await;
    assert!(client.is_closed().await && world.has_ended());
    assert!(start.elapsed() >= secs(30), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_later_stream_is_served_or_ignored_or_costs_the_connection() {
    for later in [LaterStreams::Served, LaterStreams::Ignored, LaterStreams::BreakConnection] {
        let mut world = world(|conduct| {
            (conduct.drain_goaway, conduct.streams_after_goaway) = (GoawayForm::Open, later);
        })
        .await;
        let (mut client, _sink) = streaming(&mut world).await;
        world.drain();
        assert_eq!(goaways(&mut client, secs(1)).await, [(ALL, 0, 0)]);
        client.open(3).await;
        let told = goaways(&mut client, secs(1)).await;
        assert_eq!(world.try_call().await.is_some(), later == LaterStreams::Served, "{later:?}");
        let breaks = later == LaterStreams::BreakConnection;
        assert_eq!((!told.is_empty(), client.is_closed().await), (breaks, breaks), "{later:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_goaway_may_wait_for_the_next_request_or_response() {
    for moment in [GoawayMoment::NextRequest, GoawayMoment::NextResponse] {
        let mut world = world(|conduct| {
            (conduct.drain_begins, conduct.drain_goaway) = (moment, GoawayForm::Last);
        })
        .await;
        let (mut client, mut sink) = streaming(&mut world).await;
        world.drain();
        sink.send_data(Bytes::from_static(b"on"), false).expect("the stream is open");
        assert_eq!(goaways(&mut client, secs(60)).await, [], "a stream that only goes on gets none");
        client.open(3).await;
        let asked = goaways(&mut client, secs(1)).await;
        assert_eq!(asked.len(), usize::from(moment == GoawayMoment::NextRequest), "{moment:?}");
        let mut call = world.call().await;
        call.respond.send_response(Response::new(()), false).expect("the stream is open");
        let answered = goaways(&mut client, secs(1)).await;
        assert_eq!([asked, answered].concat(), [(3, 0, 0)], "{moment:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_old_at_an_age_or_with_a_number_of_requests() {
    let mut aged = world(|conduct| {
        (conduct.connection_age, conduct.age_grace) = (after(60), after(10));
        (conduct.drain_goaway, conduct.drain_goaway_gap) = (GoawayForm::Double, secs(5));
    })
    .await;
    let (mut client, _sink) = streaming(&mut aged).await;
    assert_eq!(goaways(&mut client, secs(600)).await, [(ALL, 0, 58), (1, 0, 63)], "two seconds had passed");
    assert!(client.is_closed().await, "its grace is over");

    let mut used = world(|conduct| {
        (conduct.connection_requests, conduct.drain_goaway) = (Ceiling::At(2), GoawayForm::Last);
    })
    .await;
    let (mut client, _sink) = streaming(&mut used).await;
    client.open(3).await;
    assert_eq!(goaways(&mut client, secs(1)).await, [(3, 0, 0)]);
    assert!(used.try_call().await.is_some(), "the last one is served");
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_stream_is_closed_unless_it_pings_where_that_counts() {
    for (refreshes, lives) in [(true, true), (false, false)] {
        let world = world(|conduct| {
            (conduct.connection_idle, conduct.ping_refreshes_connection) = (after(10), refreshes);
        })
        .await;
        let mut client = world.raw_client().await;
        for _ in 0..4 {
            client.frames(secs(6)).await;
            if !client.is_closed().await {
                client.write(&RawFrame::new(PING, 0, 0, b"question")).await;
            }
        }
        assert_eq!(!world.has_closed(1), lives, "{refreshes}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_may_be_drained_before_it_is_closed() {
    let world = world(|conduct| {
        (conduct.connection_idle, conduct.ping_refreshes_connection) = (after(10), false);
        conduct.connection_idle_reaction = OnConnection(vec![Reaction::Drain]);
        (conduct.drain_goaway_gap, conduct.close_delay) = (secs(5), secs(1));
    })
    .await;
    let mut client = world.raw_client().await;
    let start = Instant::now();
    assert_eq!(goaways(&mut client, secs(60)).await, [(ALL, 0, 10), (0, 0, 15)]);
    assert_eq!((client.is_closed().await, start.elapsed().as_secs()), (true, 16));
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_connection_is_reset_at_its_next_packet() {
    let world = world(|conduct| {
        (conduct.connection_idle, conduct.ping_refreshes_connection) = (after(10), false);
        conduct.connection_idle_reaction = OnConnection(vec![Reaction::Forget]);
    })
    .await;
    let mut client = world.raw_client().await;
    let frames = client.frames(secs(600)).await;
    assert!(frames.iter().all(|frame| frame.kind != GOAWAY) && !world.has_closed(1) && !world.has_been_reset());
    client.write(&RawFrame::new(PING, 0, 0, b"question")).await;
    settle().await;
    assert!(world.has_been_reset() && client.is_closed().await);
}

/// The frames of its stream, and GOAWAY, that a node by hand gets within a second: kind, flags and code; and whether its connection
/// has ended.
async fn seen_by(node: &mut RawClient) -> (Vec<(u8, u8, u32)>, bool) {
    let is_told = |frame: &RawFrame| frame.stream == 1 || frame.kind == GOAWAY;
    let code = |frame: &RawFrame| frame.payload.last_chunk().map_or(0, |code| u32::from_be_bytes(*code));
    let frames = node.frames(secs(1)).await;
    let told = frames.iter().filter(|frame| is_told(frame)).map(|frame| (frame.kind, frame.flags, code(frame)));
    (told.collect(), node.is_closed().await)
}

#[tokio::test(start_paused = true)]
async fn a_node_sees_of_a_client_what_the_profile_says() {
    let goodbye = vec![reset(ResetCode::NoError), Reaction::Goaway(ResetCode::InternalError), Reaction::Close];
    for (steps, seen) in [
        (vec![reset(ResetCode::InternalError)], (vec![(RST_STREAM, 0, 2)], false)),
        (vec![Reaction::EndStream, reset(ResetCode::Cancel)], (vec![(DATA, END_STREAM, 0), (RST_STREAM, 0, 8)], false)),
        (goodbye, (vec![(RST_STREAM, 0, 0), (GOAWAY, 0, 2)], true)),
        (vec![Reaction::Close], (vec![], true)),
        (vec![Reaction::Nothing], (vec![], false)),
    ] {
        let other = vec![reset(ResetCode::RefusedStream)];
        for is_gone in [false, true] {
            let world = world(|conduct| {
                let (cancel, gone) = if is_gone { (&other, &steps) } else { (&steps, &other) };
                conduct.node_sees_cancel = TowardNode(cancel.clone());
                conduct.node_sees_client_gone = TowardNode(gone.clone());
            })
            .await;
            let mut arrivals = world.net.open(NODE_PORT);
            let mut client = world.client().await;
            let (_answer, mut body) = client.send("/a", false);
            let mut node = RawClient::as_node(soon(arrivals.0.recv()).await.expect("the proxy dials")).await;
            node.frames(secs(1)).await;
            match is_gone {
                false => body.send_reset(Reason::CANCEL),
                true => client.die().await,
            }
            let told = seen_by(&mut node).await;
            // Nobody is left for whom a stream could be kept.
            if !(is_gone && steps == [Reaction::Nothing]) {
                assert_eq!(told, seen, "{steps:?}, gone: {is_gone}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_its_trailers_a_node_sees_what_the_profile_says() {
    for (steps, seen) in
        [(vec![reset(ResetCode::InternalError)], Some(Reason::INTERNAL_ERROR)), (vec![Reaction::Nothing], None)]
    {
        let mut world = world(|conduct| conduct.node_sees_after_trailers = TowardNode(steps.clone())).await;
        let mut client = world.client().await;
        let (answer, _body) = client.send("/a", false);
        let mut call = world.call().await;
        let mut sink = call.respond.send_response(Response::new(()), false).expect("the stream is open");
        sink.send_trailers(grpc_status("0")).expect("the stream is open");
        let mut body = soon(answer).await.expect("an answer").into_body();
        assert!(read_trailers(&mut body).await.is_some());
        let told = timeout(secs(60), std::future::poll_fn(|context| sink.poll_reset(context))).await;
        assert_eq!(told.ok().and_then(Result::ok), seen, "{steps:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_may_wait_for_the_clients() {
    let mut world = world(|conduct| {
        conduct.node_trailers = AfterHeaders(vec![Reaction::AwaitClientEnd, Reaction::Trailers]);
        conduct.node_ends_without_trailers = AfterHeaders(vec![Reaction::AwaitClientEnd, Reaction::EndStream]);
    })
    .await;
    let mut client = world.client().await;
    for has_trailers in [true, false] {
        let (mut here, mut there) = world.open(&mut client).await;
        match has_trailers {
            true => there.to_client.send_trailers(grpc_status("5")).expect("the stream is open"),
            false => there.to_client.send_data(Bytes::new(), true).expect("the stream is open"),
        }
        assert!(crate::world::is_quiet(&mut here.from_node).await, "{has_trailers}");
        here.to_node.send_data(Bytes::new(), true).expect("the stream is open");
        assert_eq!(read_trailers(&mut here.from_node).await.is_some(), has_trailers);
    }
    // A response of headers alone.
    let (answer, mut body) = client.send("/a", false);
    let mut call = world.call().await;
    let whole = Response::builder().header("grpc-status", "5").body(()).expect("a response");
    call.respond.send_response(whole, true).expect("the stream is open");
    let mut answer = std::pin::pin!(answer);
    assert!(timeout(secs(600), answer.as_mut()).await.is_err());
    body.send_data(Bytes::new(), true).expect("the stream is open");
    assert_eq!(soon(answer).await.expect("an answer").headers()["grpc-status"], "5");
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_is_sent_again_as_often_as_the_profile_says() {
    let mut world = world(|conduct| {
        (conduct.retries, conduct.retry_pause) = (2, secs(1));
        conduct.retry_on = RetryCauses(vec![RetryCause::RefusedStream, RetryCause::Unavailable]);
    })
    .await;
    let mut client = world.client().await;
    let (start, (answer, mut body)) = (Instant::now(), client.send("/a", false));
    body.send_data(Bytes::from_static(b"once"), false).expect("the stream is open");
    for try_ in 0..3 {
        settle().await;
        let mut call = timeout(secs(2), world.next_call()).await.expect("it is sent again");
        assert_eq!(read(call.request.body_mut()).await, b"once", "{try_}");
        match try_ {
            0 => call.respond.send_reset(Reason::REFUSED_STREAM),
            1 => drop(
                call.respond
                    .send_response(Response::builder().header("grpc-status", "14").body(()).expect("a response"), true),
            ),
            _ => call.respond.send_reset(Reason::REFUSED_STREAM),
        }
    }
    assert_eq!(soon(answer).await.expect("an answer").headers()["grpc-status"], "14", "of the proxy's own");
    assert_eq!((start.elapsed().as_secs(), world.try_call().await.is_none()), (2, true));
    // What is not among the reasons is not tried again.
    let (answer, _body) = client.send("/a", true);
    world.call().await.respond.send_reset(Reason::INTERNAL_ERROR);
    assert_eq!(soon(answer).await.expect("an answer").headers()["grpc-status"], "14");
    assert!(world.try_call().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_answers_no_ping_is_lost() {
    let mut world = world(|conduct| (conduct.ping_interval, conduct.ping_timeout) = (after(10), after(5))).await;
    let mut client = world.client().await;
    let (mut here, _there) = world.open(&mut client).await;
    assert!(crate::world::is_quiet(&mut here.from_node).await, "a node that answers lives");
    world.freeze_node();
    let start = Instant::now();
    let told = soon(here.from_node.data()).await.expect("a reset").expect_err("a reset");
    assert_eq!(told.reason(), Some(Reason::INTERNAL_ERROR));
    assert!((secs(5)..=secs(16)).contains(&start.elapsed()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn settings_are_to_be_acknowledged_in_time() {
    let world = world(|conduct| conduct.settings_ack_timeout = after(10)).await;
    let mut mute = world.raw_client().await;
    let mut polite = world.raw_client().await;
    polite.write(&RawFrame::new(SETTINGS, ACK, 0, b"")).await;
    assert_eq!(goaways(&mut mute, secs(60)).await, [(0, 4, 10)]);
    assert!(mute.is_closed().await);
    assert_eq!(goaways(&mut polite, secs(60)).await, []);
    assert!(!polite.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_pings_costs_what_the_profile_says() {
    for (reaction, resets) in [(Reaction::Close, false), (Reaction::TcpReset, true)] {
        let world = world(|conduct| {
            conduct.ping_flood = Ceiling::At(100);
            conduct.ping_flood_reaction = OnConnection(vec![reaction.clone()]);
        })
        .await;
        let mut client = world.raw_client().await;
        for burst in [100, 100, 101] {
            assert!(!client.is_closed().await, "{burst}");
            for _ in 0..burst {
                client.write(&RawFrame::new(PING, 0, 0, b"question")).await;
            }
            let frames = client.frames(secs(2)).await;
            assert!(frames.iter().all(|frame| frame.kind != GOAWAY));
        }
        assert!(client.is_closed().await);
        assert_eq!(world.has_been_reset(), resets, "{reaction}");
    }
}

#[tokio::test(start_paused = true)]
async fn headers_that_are_too_large_cost_the_stream_or_the_connection() {
    let html = Reaction::Status { status: 431, body: pulseless::lie::PageBody::Html };
    let goaway = vec![Reaction::Goaway(ResetCode::EnhanceYourCalm), Reaction::Close];
    for (steps, status) in [(vec![html], Some(431)), (goaway, None)] {
        let world = world(|conduct| conduct.request_headers_reaction = OnConnection(steps)).await;
        let mut client = world.client().await;
        let request = http::Request::post("http://a/a").header("x-filler", "f".repeat(20_000));
        let (answer, _body) = client.sender.send_request(request.body(()).expect("a request"), false).expect("open");
        match (soon(answer).await, status) {
            (Ok(answer), Some(status)) => assert_eq!(answer.status().as_u16(), status),
            (Err(_), None) => assert!(world.has_closed(1)),
            (told, _) => panic!("{told:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn streams_beyond_a_connections_room_open_another_or_have_their_own() {
    let mut pooled = world(|conduct| {
        (conduct.node_connection_streams, conduct.max_node_connections) = (Ceiling::At(2), Ceiling::Nowhere);
    })
    .await;
    let mut client = pooled.client().await;
    let mut calls = Vec::new();
    for connection in [1, 1, 2, 2, 3] {
        let here = client.send("/a", false);
        let there = pooled.call().await;
        assert_eq!(there.connection, connection);
        calls.push((here, there));
    }
    let mut own = world(|conduct| conduct.node_connections = NodePool::PerRequest).await;
    let mut client = own.client().await;
    for connection in [1, 2] {
        let (answer, _body) = client.send("/a", true);
        let mut call = own.call().await;
        assert_eq!(call.connection, connection);
        call.respond.send_response(Response::new(()), true).expect("the stream is open");
        soon(answer).await.expect("an answer");
        settle().await;
        assert!(own.node_has_lost(connection), "it ends with its request");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_takes_nothing_is_out_of_time() {
    let mut world = world(|conduct| conduct.write_timeout = after(30)).await;
    let mut client = world.client().await;
    let (mut here, there) = world.open(&mut client).await;
    let written = std::sync::Arc::default();
    let start = Instant::now();
    // More than its window: the node has none but the default one, and gives nothing back.
    tokio::spawn(crate::world::write(here.to_node, 200_000, written));
    let told = soon(here.from_node.data()).await.expect("a reset").expect_err("a reset");
    assert_eq!((told.reason(), start.elapsed().as_secs()), (Some(Reason::INTERNAL_ERROR), 30));
    drop(there);
}

#[tokio::test(start_paused = true)]
async fn a_proxy_of_bytes_asks_the_node_itself_and_forgets_what_is_idle() {
    let mut world = world(|conduct| {
        conduct.layer = ProxyLayer::Tcp;
        conduct.connection_idle = after(350);
        conduct.connection_idle_reaction = OnConnection(vec![Reaction::Forget]);
    })
    .await;
    let mut client: Client = world.client().await;
    let (mut here, mut there) = world.open(&mut client).await;
    there.to_client.send_data(Bytes::from_static(b"as it is"), false).expect("the stream is open");
    assert_eq!(read(&mut here.from_node).await, b"as it is");
    assert!(client.ping().await, "the node answers");
    let mut idle = world.net.connect(Ipv4Addr::new(10, 0, 0, 2).into(), PROXY_PORT).expect("the proxy listens");
    world.freeze_node();
    assert!(!client.ping().await, "nobody else does");
    let mut heard = Vec::new();
    assert!(timeout(secs(3600), idle.read_to_end(&mut heard)).await.is_err(), "nothing is said");
    assert!(!world.has_been_reset());
    idle.write_all(b"PRI").await.expect("a pipe");
    settle().await;
    assert!(world.has_been_reset());
}

#[tokio::test(start_paused = true)]
async fn a_proxy_of_bytes_resets_both_connections_of_a_client_by_either() {
    for side in [ConnectionSide::Clients, ConnectionSide::Node] {
        let mut world = world(|conduct| conduct.layer = ProxyLayer::Tcp).await;
        let [mut met, mut spared] = [world.client().await, world.client().await];
        let (mut near, _far) = world.open(&mut met).await;
        let what = ByteHarm::Reset { after: Duration::ZERO };
        let rule = Rule::new(ByteLie { direction: Direction::ToNode, what });
        world.control.add(1, rule.aimed(Aim { side, ..Aim::default() }));
        near.to_node.send_data(Bytes::from_static(b"the last"), false).expect("the stream is open");
        assert!(soon(near.from_node.data()).await.is_none_or(|data| data.is_err()));
        assert_eq!(world.resets(), 2, "{side:?}");
        world.control.remove(1);
        assert!(spared.ping().await, "{side:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_the_node_disowns_may_go_on() {
    for (steps, goes_on) in [(vec![Reaction::Nothing], true), (vec![reset(ResetCode::RefusedStream)], false)] {
        let world = world(|conduct| conduct.node_disowns_stream = AfterHeaders(steps)).await;
        let mut arrivals = world.net.open(NODE_PORT);
        let mut client = world.client().await;
        let (answer, _body) = client.send("/a", false);
        let mut there = RawClient::as_node(soon(arrivals.0.recv()).await.expect("the proxy dials")).await;
        // :status 200 (RFC 7541 appendix A).
        there.write(&RawFrame::new(HEADERS, 4, 1, b"\x88")).await;
        let mut body = soon(answer).await.expect("an answer").into_body();
        there.write(&RawFrame::new(GOAWAY, 0, 0, &[0; 8])).await;
        settle().await;
        match goes_on {
            true => {
                there.write(&RawFrame::new(DATA, 0, 1, b"more")).await;
                assert_eq!(read(&mut body).await, b"more");
            }
            false => assert_eq!(read_reset(&mut body).await, Some(Reason::REFUSED_STREAM)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_is_put_back_lazily_and_may_wait_for_the_request() {
    let lazily = |conduct: &mut Conduct| {
        (conduct.read_timeout, conduct.timer_slack) = (after(3), Duration::from_millis(300));
        conduct.read_timeout_awaits_request = true;
    };
    for (pause, seconds) in [(200, 3.0), (400, 3.4)] {
        let mut world = world(lazily).await;
        let mut client = world.client().await;
        let (mut here, mut there) = world.open(&mut client).await;
        there.to_client.send_data(Bytes::from_static(b"first"), false).expect("the stream is open");
        assert_eq!(read(&mut here.from_node).await, b"first");
        let start = Instant::now();
        tokio::time::sleep(Duration::from_millis(pause)).await;
        there.to_client.send_data(Bytes::from_static(b"next"), false).expect("the stream is open");
        assert_eq!(read(&mut here.from_node).await, b"next");
        let told = soon(here.from_node.data()).await.expect("a reset").expect_err("a reset");
        assert_eq!(told.reason(), Some(Reason::INTERNAL_ERROR));
        assert!((start.elapsed().as_secs_f64() - seconds).abs() < 0.05, "{pause}: {:?}", start.elapsed());
    }
    let mut world = world(lazily).await;
    let mut client = world.client().await;
    let (answer, mut body) = client.send("/a", false);
    let _call = world.call().await;
    let mut answer = std::pin::pin!(answer);
    assert!(timeout(secs(600), answer.as_mut()).await.is_err(), "the request goes on");
    body.send_data(Bytes::new(), true).expect("the stream is open");
    let start = Instant::now();
    assert_eq!(soon(answer).await.expect("an answer").headers()["grpc-status"], "14");
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn of_a_response_that_nobody_reads_so_much_is_absorbed() {
    for bytes in [100_000, 3 << 20] {
        let mut world = world(|conduct| conduct.absorbs = Ceiling::At(pulseless::profile::Bytes(bytes))).await;
        let mut client = world.client_with_window(0).await;
        let (_here, there) = world.open(&mut client).await;
        let written = std::sync::Arc::<std::sync::atomic::AtomicUsize>::default();
        tokio::spawn(crate::world::write(there.to_client, 8 << 20, written.clone()));
        settle().await;
        assert_eq!(written.load(std::sync::atomic::Ordering::Relaxed) as u64, bytes);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_done_about_a_stream_may_end_its_connection() {
    let mut world = world(|conduct| {
        let steps = vec![Reaction::Goaway(ResetCode::InternalError), Reaction::Close];
        conduct.node_resets_after_headers = AfterHeaders(steps);
    })
    .await;
    let (mut client, mut sink) = streaming(&mut world).await;
    sink.send_reset(Reason::CANCEL);
    assert_eq!(goaways(&mut client, secs(1)).await, [(1, 2, 0)]);
    assert!(client.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_dialed_in_vain_is_unreachable_or_too_late() {
    let html = |status| Reaction::Status { status, body: pulseless::lie::PageBody::Html };
    let told = |is_late: bool| async move {
        let mut world = world(|conduct| {
            conduct.connect_timeout_before_headers = BeforeHeaders(vec![html(504)]);
            conduct.node_unreachable = BeforeHeaders(vec![html(502)]);
        })
        .await;
        match is_late {
            true => world.net.is_black_hole.store(true, std::sync::atomic::Ordering::Relaxed),
            false => world.kill_node().await,
        }
        let mut client = world.client().await;
        soon(client.send("/a", true).0).await.expect("an answer").status().as_u16()
    };
    assert_eq!((told(true).await, told(false).await), (504, 502));
}
