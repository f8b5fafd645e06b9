//! What the ladder tells of histories written by hand, layer by layer. Trials that were played are looked at where their
//! ladder is printed.

use std::time::Duration;

use super::*;
use crate::cast::HostName;
use crate::checker::script::{CLIENT, NODE, STREAM, Script, alpha, host, link, partition, pause};
use crate::fault::kinds::{IdleDrop, PowerOff, ProcessKill, ProxySilence};
use crate::fault::{Direction, Expired, Kind, StreamAim, Unsynced};
use crate::history::{Beat, CloseReason, EndCause, Event, Fate, History, TapStream};

const PROXY: &str = "proxy";
const ALL: Layers = Layers {
    client_tcp: true,
    proxy_tcp: true,
    proxy_times: false,
    http2_ping: true,
    heartbeat: true,
    watchdog: true,
    program: false,
};

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// A stream that was welcomed at 1.1 s.
fn running() -> Script {
    Script::new().all_begin().at(1.0).opened(1).tap_opened(STREAM).at(1.1).started(1)
}

fn ends(script: Script, cause: EndCause, words: &str) -> Script {
    script.event(CLIENT, Event::Ended { attempt: 1, cause, words: words.into() })
}

fn lost(script: Script, words: &str) -> Script {
    ends(script, EndCause::StreamFailed, words)
}

fn ladder(script: Script) -> Ladder {
    Ladder::of(&script.history(), &ALL)
}

/// The only window.
fn window(script: Script) -> LadderWindow {
    let mut ladder = ladder(script);
    assert_eq!(ladder.windows.len(), 1, "{ladder:?}");
    ladder.windows.remove(0)
}

fn after(delay: f64) -> Knowledge {
    Knowledge::After(seconds(delay))
}

/// Which layers noticed, and when.
fn noticed(window: &LadderWindow) -> Vec<(Layer, Knowledge)> {
    let noticed = window.knew.iter().filter(|(_, knowledge)| matches!(knowledge, Knowledge::After(_)));
    noticed.map(|(layer, knowledge)| (*layer, *knowledge)).collect()
}

fn swallowed(script: Script, stream: TapStream) -> Script {
    script.beat(CLIENT, Beat::Ping { stream, way: Direction::ToClient, fate: Fate::Swallowed })
}

#[test]
fn a_window_begins_with_the_harm_and_ends_when_the_client_lets_go() {
    let script = running().at(100.0).fault_begins(1, pause(NODE)).at(190.0);
    let script = script.event(CLIENT, Event::WatchdogTripped { attempt: 1, silent_for: seconds(90.0) });
    let found = window(script.ended(1));
    assert_eq!((found.client, found.attempt, found.clause), (HostName::from(CLIENT), 1, Some(1)));
    assert_eq!((found.began, found.lasted, found.ending), (seconds(100.0), seconds(90.0), WindowEnding::LetGo));
    assert_eq!(found.harm, "the process of node is paused");
    assert_eq!(found.knew[&Layer::Watchdog], after(90.0));
    assert_eq!(found.knew[&Layer::Tcp], Knowledge::Never);
    assert_eq!(found.knew[&Layer::Probe], Knowledge::NotAsked);
}

#[test]
fn a_stream_that_a_proxy_with_times_of_its_own_ends_was_noticed_by_it_and_by_nothing_else() {
    let words = [
        "Internal: h2 protocol error: stream error received: unspecific protocol error detected",
        "Unknown: protocol error: missing grpc-status trailer, stream was terminated",
    ];
    for words in words {
        let history = lost(running().at(100.0).fault_begins(1, pause(NODE)).at(160.0), words).history();
        let timed = Ladder::of(&history, &Layers { proxy_times: true, ..ALL }).windows.remove(0);
        assert_eq!(noticed(&timed), [(Layer::Proxy, after(60.0))], "{words}");
        assert_eq!(Ladder::of(&history, &ALL).windows[0].knew[&Layer::Proxy], Knowledge::NotAsked);
    }
}

#[test]
fn what_is_switched_off_is_not_asked() {
    let history = running().at(100.0).fault_begins(1, pause(NODE)).at(190.0).ended(1).history();
    let found = Ladder::of(&history, &Layers::default()).windows.remove(0);
    assert_eq!(found.knew[&Layer::Tcp], Knowledge::Never);
    let off = [Layer::TcpKeepalive, Layer::Http2Ping, Layer::Heartbeat, Layer::Probe];
    assert!(off.iter().all(|layer| found.knew[layer] == Knowledge::NotAsked), "{found:?}");
}

#[test]
fn a_process_that_dies_is_told_by_tcp_at_the_client_or_through_the_proxy() {
    let kill = |script: Script, name: &str| {
        let script = script.at(60.0).fault_begins(1, ProcessKill { point: None }.on(host(name)));
        script.event(name, Event::ProcessKilled)
    };
    let found = window(lost(
        kill(running(), PROXY).at(60.25),
        "Unknown: h2 protocol error: stream closed because of a broken pipe",
    ));
    assert_eq!((noticed(&found), found.clause), (vec![(Layer::Tcp, after(0.25))], Some(1)));
    let told = kill(running(), NODE).at(60.5).tap_closed(CLIENT, STREAM).at(61.0);
    assert_eq!(
        noticed(&window(lost(told, "Internal: h2 protocol error: stream error received"))),
        [(Layer::Tcp, after(0.5))]
    );
    // A process that dies on no route, such as another proxy's, is nobody's window.
    assert_eq!(ladder(lost(kill(running(), "proxy-2").at(61.0), "h2 protocol error: broken pipe")), Ladder::default());
}

#[test]
fn probes_find_a_host_that_says_nothing() {
    let off = PowerOff { unsynced: Unsynced::Lost, point: None }.on(host(NODE));
    let script = running().at(60.0).fault_begins(1, off).event(NODE, Event::PowerFailed);
    let script = script.event(NODE, Event::ProcessKilled).at(70.0).tap_closed(CLIENT, STREAM).at(70.5);
    let found = window(lost(script, "Internal: h2 protocol error: stream error received"));
    assert_eq!(noticed(&found), [(Layer::TcpKeepalive, after(10.0))]);
    // The client's own kernel gave up.
    let script = running().at(60.0).fault_begins(1, partition(CLIENT, PROXY)).at(72.0);
    let found =
        window(lost(script, "Unknown: h2 protocol error: error reading a body from connection: connection timed out"));
    assert_eq!(noticed(&found), [(Layer::TcpKeepalive, after(12.0))]);
}

#[test]
fn http2_keepalive_speaks_by_the_words_of_the_connection() {
    let script = running().at(60.0).fault_begins(1, partition(CLIENT, PROXY)).at(72.5);
    let found = window(lost(script, "Unavailable: http2 error: keep-alive timed out: operation timed out"));
    assert_eq!(noticed(&found), [(Layer::Http2Ping, after(12.5))]);
    // Nobody at the other end closed anything, so that it was the client itself.
    let script = running().at(60.0).fault_begins(1, partition(CLIENT, PROXY)).at(73.0);
    let found = window(lost(script, "Unknown: h2 protocol error: stream closed because of a broken pipe"));
    assert_eq!(noticed(&found), [(Layer::Http2Ping, after(13.0))]);
    // A status of the server is no word of the connection.
    let script = running().at(60.0).fault_begins(1, partition(CLIENT, PROXY)).at(61.0).fault_ends(1);
    let found = window(lost(script.at(62.0), "DeadlineExceeded: no matching Pong arrived in time"));
    assert_eq!(noticed(&found), []);
}

#[test]
fn a_silence_counts_from_its_begin_once_something_was_swallowed() {
    let silent = |script: Script| script.at(60.0).silence_begins();
    let script = swallowed(silent(running()).at(75.0), STREAM);
    let script = script.beat(CLIENT, Beat::KeepaliveAnswered { incarnation: 1, connection: 1 }).at(140.0).ended(1);
    let found = window(script);
    assert_eq!((found.began, found.lasted, found.pings_answered), (seconds(60.0), seconds(80.0), 1));
    assert_eq!(found.knew[&Layer::Http2Ping], Knowledge::Never);
    assert_eq!(ladder(silent(running()).at(70.0).silence_ends().at(80.0).heard(1)), Ladder::default());
    // A stream that was never welcomed is none that a client believes in.
    let script = Script::new().at(10.0).silence_begins().at(11.0).opened(1).tap_opened(STREAM);
    assert_eq!(ladder(swallowed(script, STREAM).at(101.0).ended(1)), Ladder::default());
}

#[test]
fn a_silence_that_begins_in_a_pause_goes_on_after_it() {
    let silence = ProxySilence { way: None, aim: StreamAim::default() }.on(host(CLIENT));
    let script = running().at(50.0).fault_begins(1, pause(NODE)).at(60.0).fault_begins(2, silence);
    let script = script.at(70.0).fault_ends(1).heard(1).at(80.0);
    let found = ladder(swallowed(script, STREAM).at(160.0).ended(1)).windows;
    let told: Vec<_> = found.iter().map(|window| (window.clause, window.began, window.ending)).collect();
    let expected = [(Some(1), seconds(50.0), WindowEnding::Healed), (Some(2), seconds(70.0), WindowEnding::LetGo)];
    assert_eq!(told, expected);
}

#[test]
fn the_nodes_heartbeat_knows_when_it_closes_a_stream_for_want_of_a_pong() {
    let reaped = Event::StreamClosed { stream: 1, reason: CloseReason::Reaped };
    let script = running().at(60.0).fault_begins(1, partition(PROXY, NODE)).at(119.0);
    let script = script.event(NODE, reaped.clone()).at(150.0).ended(1).at(180.0).event(NODE, reaped);
    let found = window(script);
    assert_eq!(noticed(&found), [(Layer::Heartbeat, after(59.0)), (Layer::Watchdog, after(90.0))]);
}

#[test]
fn what_heals_is_no_never() {
    let script = running().at(60.0).fault_begins(1, partition(PROXY, NODE)).at(61.0).heard(1);
    let script = script.at(80.0).fault_ends(1).at(82.0).heard(1).at(400.0).ended(1);
    let found = window(script);
    assert_eq!((found.lasted, found.ending), (seconds(22.0), WindowEnding::Healed));
    let mut tally = LadderTally::default();
    tally.add(&Ladder { windows: vec![found] });
    assert_eq!((tally.count(), tally.layers.len(), tally.let_go.count()), (1, 0, 0));
}

#[test]
fn a_client_that_dies_cuts_a_window_short_and_one_that_holds_on_is_told_at_the_end() {
    let stopped = || running().at(60.0).fault_begins(1, pause(NODE)).at(70.0);
    assert_eq!(window(stopped().event(CLIENT, Event::ProcessKilled)).ending, WindowEnding::CutShort);
    assert_eq!(window(ends(stopped(), EndCause::ConsumerBehind, "behind")).ending, WindowEnding::CutShort);
    let found = window(stopped());
    assert_eq!((found.lasted, found.ending), (seconds(640.0), WindowEnding::Held));
    assert_eq!(window(stopped().fault_ends(1)).ending, WindowEnding::CutShort);
}

#[test]
fn a_client_that_lets_go_is_told_at_that_time_with_the_words_of_its_end() {
    let script = running().at(60.0).fault_begins(1, partition(CLIENT, PROXY)).at(72.0);
    let script = script.event(CLIENT, Event::LetGo { attempt: 1, cause: EndCause::StreamFailed }).at(75.0);
    let found = window(lost(script, "Unknown: h2 protocol error: connection reset"));
    assert_eq!((found.lasted, noticed(&found)), (seconds(12.0), vec![(Layer::Tcp, after(12.0))]));
}

#[test]
fn a_question_after_a_suspension_is_asked_when_it_is() {
    let script = running().at(60.0).fault_begins(1, pause(NODE)).at(70.0);
    let found = window(ends(script.event(CLIENT, Event::Probed { attempt: 1 }).at(75.0), EndCause::Stale, "no answer"));
    assert_eq!(noticed(&found), [(Layer::Probe, after(15.0))]);
}

#[test]
fn a_link_that_forgets_is_found_out_when_the_stream_is_lost() {
    let forgets = |then| IdleDrop { after: seconds(30.0), then }.on(link(PROXY, NODE));
    let script = |then| running().at(20.0).heard(1).at(60.0).fault_begins(1, forgets(then)).at(110.0);
    let found = window(script(Expired::Drop).ended(1));
    assert_eq!((found.began, noticed(&found)), (seconds(20.0), vec![(Layer::Watchdog, after(90.0))]));
    let reset =
        lost(script(Expired::Reset).tap_closed(CLIENT, STREAM).at(110.5), "Internal: h2 protocol error: stream error");
    assert_eq!(noticed(&window(reset)), [(Layer::Tcp, after(90.0))]);
    // Its server ended it by a status: the way carried that.
    let told = script(Expired::Drop).event(CLIENT, Event::TapClosed { stream: STREAM, status: Some(10) });
    assert_eq!(ladder(lost(told.at(110.5), "Aborted: consumer too slow")), Ladder::default());
}

#[test]
fn what_was_stored_meanwhile_and_did_not_come_was_missed() {
    let script = running().at(60.0).fault_begins(1, partition(CLIENT, PROXY)).at(63.0).stored(alpha(), 7);
    let script = script.at(64.0).stored(alpha(), 8).at(65.0).fault_ends(1).committed(1, &[(alpha(), 7)]);
    let found = window(script.at(66.0).ended(1));
    assert_eq!((found.missed, found.first_missed), (1, Some(seconds(4.0))));
    assert_eq!(Ladder::of(&History::default(), &ALL), Ladder::default());
}

/// Counts delays in one order, and in another by two halves.
#[test]
fn a_tally_is_the_same_in_any_order_and_near_the_truth() {
    let script = |from: f64, lasts: f64| running().at(from).fault_begins(1, pause(NODE)).at(from + lasts).ended(1);
    let ladders: Vec<Ladder> = (1..=100).map(|n| ladder(script(10.0, f64::from(n) * 3.0))).collect();
    let mut whole = LadderTally::default();
    ladders.iter().for_each(|ladder| whole.add(ladder));
    let (mut odd, mut even) = (LadderTally::default(), LadderTally::default());
    for (index, ladder) in ladders.iter().enumerate().rev() {
        if index % 2 == 0 { even.add(ladder) } else { odd.add(ladder) }
    }
    odd.merge(&even);
    assert_eq!(odd, whole);
    let text = serde_json::to_string(&whole).expect("plain data");
    assert_eq!(serde_json::from_str::<LadderTally>(&text).expect("what was written"), whole);
    let watchdog = &whole.layers[&Layer::Watchdog];
    assert_eq!((watchdog.never, watchdog.asked(), whole.layers[&Layer::Tcp].never), (0, 100, 100));
    for (percent, truth) in [(1, 3.0), (50, 150.0), (99, 297.0), (100, 300.0)] {
        let told = whole.let_go.percentile(percent).expect("there are delays").as_secs_f64();
        assert!((truth..truth * (1.0 + 1.0 / 32.0) + 0.001).contains(&told), "{percent} %: {told} for {truth}");
    }
    assert_eq!(Delays::default().percentile(50), None);
}
