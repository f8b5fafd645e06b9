//! Lies about the bytes of a connection, below HTTP/2.

use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use pulseless::lie::{Aim, ByteHarm, ByteLie, ConnectionSide, Direction, LieShare, Rule};
use pulseless::proxy::Control;
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

use crate::world::{ACK, PING, RawClient, RawFrame, SETTINGS, World, read_reset, settle, soon};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);
/// Longer than anything here.
const LONG: Duration = Duration::from_secs(600);

/// A client by hand, whose first SETTINGS were answered.
async fn connected(world: &World) -> RawClient {
    let mut client = world.raw_client().await;
    assert!(client.frames(SECOND).await.contains(&RawFrame::new(SETTINGS, ACK, 0, b"")));
    client.write(&RawFrame::new(SETTINGS, ACK, 0, b"")).await;
    settle().await;
    client
}

fn lie(direction: Direction, what: ByteHarm) -> Rule {
    Rule::new(ByteLie { direction, what })
}

fn ping() -> RawFrame {
    RawFrame::new(PING, 0, 0, b"question")
}

fn answer() -> RawFrame {
    RawFrame::new(PING, ACK, 0, b"question")
}

/// How long a PING's answer takes.
async fn round_trip(client: &mut RawClient) -> Duration {
    let asked = Instant::now();
    client.write(&ping()).await;
    client.next_frame(LONG).await.expect("an answer");
    asked.elapsed()
}

#[tokio::test(start_paused = true)]
async fn bytes_are_late_either_way_and_in_time_again_when_the_lie_ends() {
    for direction in [Direction::ToNode, Direction::ToClient] {
        let world = World::start().await;
        let mut client = connected(&world).await;
        let late = ByteHarm::Latency { latency: 2 * SECOND, jitter: Duration::ZERO };
        world.control.add(1, lie(direction, late.clone()));
        settle().await;
        assert!(!world.control.is_felt(1));
        let took = round_trip(&mut client).await;
        assert!(took >= 2 * SECOND && took < 2 * SECOND + 10 * MILLI, "{direction:?} {took:?}");
        assert!(world.control.is_felt(1));
        client.write(&ping()).await;
        settle().await;
        world.control.remove(1);
        assert_eq!(client.frames(SECOND).await, [answer()], "{direction:?}");
        assert!(round_trip(&mut client).await < 10 * MILLI);
    }
}

#[tokio::test(start_paused = true)]
async fn jitter_is_drawn_within_its_bounds_and_the_same_for_the_same_seed() {
    let mut played = Vec::new();
    for seed in [7, 7, 8] {
        let world = World::with_control(Control::seeded(seed)).await;
        let mut client = connected(&world).await;
        world.control.add(1, lie(Direction::ToClient, ByteHarm::Latency { latency: SECOND, jitter: SECOND / 2 }));
        settle().await;
        let mut took = Vec::new();
        for _ in 0..10 {
            let each = round_trip(&mut client).await;
            assert!(each >= SECOND / 2 && each <= 3 * SECOND / 2 + 10 * MILLI, "{each:?}");
            took.push(each);
        }
        played.push(took);
    }
    assert_eq!(played[0], played[1]);
    assert_ne!(played[0], played[2]);
}

#[tokio::test(start_paused = true)]
async fn bytes_pass_at_their_rate_and_at_none_not_at_all() {
    let world = World::start().await;
    let mut client = connected(&world).await;
    // An answer to PING has 17 bytes.
    world.control.add(1, lie(Direction::ToClient, ByteHarm::Bandwidth { bytes_per_second: 17 }));
    for _ in 0..5 {
        client.write(&ping()).await;
    }
    let begun = Instant::now();
    for _ in 0..5 {
        client.next_frame(LONG).await.expect("an answer");
    }
    let took = begun.elapsed();
    assert!(took > 4 * SECOND && took < 5 * SECOND + SECOND / 2, "{took:?}");
    world.control.add(1, lie(Direction::ToClient, ByteHarm::Bandwidth { bytes_per_second: 0 }));
    client.write(&ping()).await;
    assert_eq!(client.frames(LONG).await, []);
    world.control.remove(1);
    assert_eq!(client.frames(SECOND).await, [answer()]);
}

#[tokio::test(start_paused = true)]
async fn what_a_timeout_swallows_is_gone_and_the_connection_ends_with_it_or_with_the_lie() {
    for direction in [Direction::ToNode, Direction::ToClient] {
        let world = World::start().await;
        let mut client = connected(&world).await;
        let hole = |closes_after| lie(direction, ByteHarm::BlackHole { closes_after });
        world.control.add(1, hole(None));
        client.write(&ping()).await;
        assert_eq!(client.frames(LONG).await, []);
        assert!(!client.is_closed().await && world.control.is_felt(1), "{direction:?}");
        world.control.remove(1);
        settle().await;
        assert!(client.is_closed().await, "{direction:?}");

        let mut client = connected(&world).await;
        world.control.add(2, hole(Some(3 * SECOND)));
        client.write(&ping()).await;
        assert_eq!(client.frames(2 * SECOND).await, []);
        assert!(!client.is_closed().await, "{direction:?}");
        client.frames(2 * SECOND).await;
        assert!(client.is_closed().await && !world.has_been_reset(), "{direction:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_reset_so_long_after_its_first_byte() {
    let world = World::start().await;
    let mut client = connected(&world).await;
    world.control.add(1, lie(Direction::ToNode, ByteHarm::Reset { after: 2 * SECOND }));
    client.frames(5 * SECOND).await;
    assert!(!client.is_closed().await);
    client.write(&ping()).await;
    assert_eq!(client.frames(SECOND).await, []);
    assert!(!client.is_closed().await && !world.has_been_reset());
    assert_eq!(client.frames(2 * SECOND).await, []);
    assert!(client.is_closed().await && world.has_been_reset());
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_closed_once_so_many_bytes_have_passed() {
    let world = World::start().await;
    let mut client = connected(&world).await;
    world.control.add(1, lie(Direction::ToClient, ByteHarm::Limit { bytes: 20 }));
    client.write(&ping()).await;
    assert_eq!(client.frames(SECOND).await, [answer()]);
    assert!(!client.is_closed().await);
    client.write(&ping()).await;
    // Three bytes of the second answer pass, which are no frame.
    assert_eq!(client.frames(SECOND).await, []);
    assert_eq!(client.unread(), 3);
    assert!(client.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn bytes_come_in_slices_with_a_pause_after_each() {
    let world = World::start().await;
    let mut client = connected(&world).await;
    let slices = ByteHarm::Slice { average: 4, variation: 1, pause: SECOND };
    world.control.add(1, lie(Direction::ToClient, slices));
    client.write(&ping()).await;
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < 17 {
        let before = client.unread();
        client.read_on(2 * SECOND).await;
        sizes.push(client.unread() - before);
    }
    assert!(sizes.len() >= 4 && sizes.iter().all(|size| *size <= 5), "{sizes:?}");
    assert!(sizes[..sizes.len() - 1].iter().all(|size| *size >= 3), "{sizes:?}");
    assert_eq!(client.frames(SECOND).await, [answer()]);
}

#[tokio::test(start_paused = true)]
async fn an_end_comes_late() {
    let world = World::start().await;
    let client = connected(&world).await;
    world.control.add(1, lie(Direction::ToNode, ByteHarm::SlowClose { delay: 5 * SECOND }));
    settle().await;
    drop(client);
    tokio::time::sleep(4 * SECOND).await;
    assert!(!world.has_closed(1) && world.control.is_felt(1));
    tokio::time::sleep(2 * SECOND).await;
    assert!(world.has_closed(1));
}

#[tokio::test(start_paused = true)]
async fn a_share_of_the_connections_is_met_and_the_same_ones_by_the_same_seed() {
    let mut met = Vec::new();
    for seed in [1, 1, 2] {
        let world = World::with_control(Control::seeded(seed)).await;
        let aim = Aim { share: Some(LieShare::of_a_million(500_000)), ..Aim::default() };
        let late = ByteHarm::Latency { latency: SECOND, jitter: Duration::ZERO };
        world.control.add(1, lie(Direction::ToClient, late).aimed(aim));
        let mut late = Vec::new();
        for _ in 0..40 {
            let mut client = world.raw_client().await;
            late.push(client.frames(SECOND / 2).await.is_empty());
        }
        met.push(late);
    }
    let count = met[0].iter().filter(|is_late| **is_late).count();
    assert!((10..=30).contains(&count), "{count} of 40");
    assert_eq!(met[0], met[1]);
    assert_ne!(met[0], met[2]);
}

/// On the connection to the node.
fn beyond(direction: Direction, what: ByteHarm) -> Rule {
    lie(direction, what).aimed(Aim { side: ConnectionSide::Node, ..Aim::default() })
}

#[tokio::test(start_paused = true)]
async fn the_connection_to_the_node_is_late_one_way_and_a_clients_ping_is_not() {
    for late in [Direction::ToNode, Direction::ToClient] {
        let mut world = World::start().await;
        let mut client = world.client().await;
        let (mut near, mut far) = world.open(&mut client).await;
        let latency = ByteHarm::Latency { latency: 2 * SECOND, jitter: Duration::ZERO };
        world.control.add(1, beyond(late, latency));
        settle().await;
        let asked = Instant::now();
        assert!(client.ping().await && asked.elapsed() < 10 * MILLI);
        for way in [Direction::ToNode, Direction::ToClient] {
            let (from, to) = match way {
                Direction::ToNode => (&mut near.to_node, &mut far.from_client),
                Direction::ToClient => (&mut far.to_client, &mut near.from_node),
            };
            let sent = Instant::now();
            from.send_data(Bytes::from_static(b"piece"), false).expect("the stream is open");
            let came = soon(to.data()).await.expect("a piece").expect("a piece");
            assert_eq!(
                (&came[..], sent.elapsed().as_secs()),
                (&b"piece"[..], if way == late { 2 } else { 0 }),
                "{late:?} {way:?}"
            );
        }
        assert!(world.control.is_felt(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_to_the_node_that_is_reset_is_a_lost_one_and_another_is_dialed() {
    let mut world = World::start().await;
    let mut client = world.client().await;
    let (mut near, mut far) = world.open(&mut client).await;
    world.control.add(1, beyond(Direction::ToClient, ByteHarm::Reset { after: Duration::ZERO }));
    far.to_client.send_data(Bytes::from_static(b"never"), false).expect("the stream is open");
    assert_eq!(read_reset(&mut near.from_node).await, Some(Reason::INTERNAL_ERROR));
    assert_eq!(world.resets(), 1);
    assert!(client.ping().await, "the client's own goes on");
    world.control.remove(1);
    let (mut near, mut far) = world.open(&mut client).await;
    far.to_client.send_data(Bytes::from_static(b"again"), false).expect("the stream is open");
    assert_eq!(crate::world::read(&mut near.from_node).await, b"again");
}

#[tokio::test(start_paused = true)]
async fn the_server_gets_slices_where_its_own_connection_is_sliced() {
    let world = World::start().await;
    let mut arrivals = world.net.open(crate::world::NODE_PORT);
    world.control.add(1, beyond(Direction::ToNode, ByteHarm::Slice { average: 5, variation: 0, pause: SECOND }));
    let mut client = world.client().await;
    let _asked = client.send("/a", true);
    let mut socket = soon(arrivals.0.recv()).await.expect("the proxy dials");
    let mut piece = [0; 100];
    let began = Instant::now();
    for _ in 0..4 {
        assert_eq!(soon(socket.read(&mut piece)).await.expect("a piece"), 5);
    }
    assert_eq!(began.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_drains_sends_goaway_and_ends_with_its_last_stream() {
    let mut world = World::start().await;
    let mut client = world.client().await;
    let (mut near, mut far) = world.open(&mut client).await;
    world.drain();
    settle().await;
    assert!(!world.has_ended(), "a stream is open");
    assert!(world.net.connect([10, 0, 0, 9].into(), crate::world::PROXY_PORT).is_err(), "nobody new is taken");
    far.to_client.send_data("late".into(), false).expect("the stream is open");
    assert_eq!(crate::world::read(&mut near.from_node).await, b"late");
    far.to_client.send_trailers(crate::world::grpc_status("0")).expect("the stream is open");
    near.to_node.send_data(bytes::Bytes::new(), true).expect("the stream is open");
    assert!(crate::world::read_trailers(&mut near.from_node).await.is_some());
    drop((near, far, client));
    settle().await;
    assert!(world.has_ended());
}
