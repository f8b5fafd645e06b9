//! Lies about connections, frame by frame.

use std::time::Duration;

use pulseless::lie::{ConnectionLie, LastStream, PingAnswer, Rule, Trigger, WindowKind};

use crate::world::{ACK, GOAWAY, PING, RawClient, RawFrame, SETTINGS, WINDOW_UPDATE, World, settle};

const SECOND: Duration = Duration::from_secs(1);

/// A world and a client by hand, whose first SETTINGS were answered.
async fn connected() -> (World, RawClient) {
    let world = World::start().await;
    let mut client = world.raw_client().await;
    assert!(client.frames(SECOND).await.contains(&RawFrame::new(SETTINGS, ACK, 0, b"")));
    client.write(&RawFrame::new(SETTINGS, ACK, 0, b"")).await;
    (world, client)
}

fn goaway(last: u32, code: u8) -> RawFrame {
    let payload = [&last.to_be_bytes()[..], &[0, 0, 0, code]].concat();
    RawFrame::new(GOAWAY, 0, 0, &payload)
}

fn ping(flags: u8, data: &[u8; 8]) -> RawFrame {
    RawFrame::new(PING, flags, 0, data)
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_ping_is_missing_late_doubled_or_wrong() {
    let question = ping(0, b"question");
    let answer = ping(ACK, b"question");
    let wrong = ping(ACK, &b"question".map(|byte| !byte));
    for (lie, soon, later) in [
        (PingAnswer::Missing, vec![], vec![]),
        (PingAnswer::Late(6 * SECOND), vec![], vec![answer.clone()]),
        (PingAnswer::Doubled, vec![answer.clone(), answer.clone()], vec![]),
        (PingAnswer::Wrong, vec![wrong], vec![]),
    ] {
        let (world, mut client) = connected().await;
        world.control.add(1, Rule::new(ConnectionLie::PingAnswers(lie)));
        settle().await;
        assert!(!world.control.is_felt(1));
        client.write(&question).await;
        assert_eq!(client.frames(5 * SECOND).await, soon, "{lie:?}");
        assert_eq!(client.frames(5 * SECOND).await, later, "{lie:?}");
        assert!(world.control.is_felt(1));
        world.control.remove(1);
        client.write(&question).await;
        assert_eq!(client.frames(SECOND).await, std::slice::from_ref(&answer), "{lie:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_told_to_go_away_lives_on_unless_it_is_closed() {
    let (world, mut client) = connected().await;
    client.open(1).await;
    client.open(3).await;
    settle().await;
    let told = |last, twice, closes_after| {
        Rule::new(ConnectionLie::GoAway { code: 11, last, twice, closes_after, every: None })
    };
    world.control.add(1, told(LastStream::None, None, None));
    assert_eq!(client.frames(SECOND).await, [goaway(0, 11)]);
    world.control.add(2, told(LastStream::Seen, None, None));
    assert_eq!(client.frames(SECOND).await, [goaway(3, 11)]);
    client.write(&ping(0, b"question")).await;
    assert_eq!(client.frames(SECOND).await, [ping(ACK, b"question")]);
    world.control.add(3, told(LastStream::All, Some(2 * SECOND), Some(4 * SECOND)));
    assert_eq!(client.frames(SECOND).await, [goaway(u32::MAX >> 1, 11)]);
    assert_eq!(client.frames(2 * SECOND).await, [goaway(3, 11)]);
    assert!(!client.is_closed().await);
    assert_eq!(client.frames(2 * SECOND).await, []);
    assert!(client.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn goaway_comes_at_an_age_or_again_and_again() {
    let goes = |every, when| {
        let lie = ConnectionLie::GoAway { code: 0, last: LastStream::All, twice: None, closes_after: None, every };
        Rule::new(lie).from(when)
    };
    let (world, mut client) = connected().await;
    world.control.add(1, goes(None, Trigger::Age(10 * SECOND)));
    assert_eq!(client.frames(8 * SECOND).await, []);
    assert_eq!(client.frames(60 * SECOND).await.len(), 1);
    world.control.add(2, goes(Some(5 * SECOND), Trigger::Opened));
    assert_eq!(client.frames(4 * SECOND).await, []);
    assert_eq!(client.frames(10 * SECOND).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn settings_change_in_the_middle_and_change_back_and_their_answers_stay_unseen() {
    let (world, mut client) = connected().await;
    let lie = ConnectionLie::Settings { max_concurrent_streams: Some(0), initial_window: None };
    world.control.add(1, Rule::new(lie));
    let streams = |frames: &[RawFrame]| frames.iter().map(|frame| frame.payload[..6].to_vec()).collect::<Vec<_>>();
    let changed = client.frames(SECOND).await;
    assert_eq!(streams(&changed), [[0, 3, 0, 0, 0, 0]]);
    // One frame in two pieces, and another behind it.
    client.write(&RawFrame::new(SETTINGS, ACK, 0, b"")).await;
    client.write(&ping(0, b"question")).await;
    assert_eq!(client.frames(SECOND).await, [ping(ACK, b"question")]);
    world.control.remove(1);
    assert_eq!(streams(&client.frames(SECOND).await), [[0, 3, 0, 0, 4, 0]]);
    client.write(&RawFrame::new(SETTINGS, ACK, 0, b"")).await;
    client.write(&ping(0, b"question")).await;
    assert_eq!(client.frames(SECOND).await, [ping(ACK, b"question")]);
    assert!(world.control.is_felt(1) && !client.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn settings_are_left_unanswered() {
    let world = World::start().await;
    world.control.add(1, Rule::new(ConnectionLie::SettingsUnanswered));
    let mut client = world.raw_client().await;
    let frames = client.frames(SECOND).await;
    assert!(frames.iter().any(|frame| frame.kind == SETTINGS && frame.flags == 0));
    assert!(frames.iter().all(|frame| frame.flags != ACK) && world.control.is_felt(1));
}

#[tokio::test(start_paused = true)]
async fn windows_are_withheld_of_streams_or_of_the_connection() {
    for (kind, of_streams, of_connection) in
        [(None, true, true), (Some(WindowKind::Streams), false, true), (Some(WindowKind::Both), false, false)]
    {
        let (mut world, mut client) = connected().await;
        if let Some(kind) = kind {
            world.control.add(1, Rule::new(ConnectionLie::WindowUpdatesWithheld(kind)));
        }
        client.open(1).await;
        let mut call = world.call().await;
        for _ in 0..200 {
            client.write(&RawFrame::new(0, 0, 1, &[7; 16_000])).await;
            settle().await;
            crate::world::read(call.request.body_mut()).await;
        }
        let frames = client.frames(SECOND).await;
        let has = |is_of_stream| {
            frames.iter().any(|frame| frame.kind == WINDOW_UPDATE && (frame.stream != 0) == is_of_stream)
        };
        assert_eq!((has(true), has(false)), (of_streams, of_connection), "{kind:?}");
        assert_eq!(world.control.is_felt(1), kind.is_some());
        if kind.is_some() {
            break;
        }
    }
}
