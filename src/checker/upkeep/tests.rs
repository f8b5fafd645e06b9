//! What ends and leftovers upkeep lets pass, and what not.

use super::*;
use crate::checker::script::{CLIENT, NODE, STREAM, Script, host, partition, usual_terms};
use crate::fault::Kind;
use crate::fault::kinds::{DiskFull, ProcessStop, SyncFails};
use crate::subject::xmtp::checker::UPKEEP;

fn other() -> TapStream {
    TapStream { stream: 3, ..STREAM }
}

fn held(script: Script, stream: u64) -> Script {
    script.event(NODE, Event::StreamOpened { stream })
}

fn closed(script: Script, reason: CloseReason) -> Script {
    script.event(NODE, Event::StreamClosed { stream: 1, reason })
}

fn running() -> Script {
    held(Script::new().at(1.0).dialing(1).opened(1).tap_opened(STREAM), 1)
}

fn cut() -> Script {
    held(Script::new().fault_begins(1, partition(CLIENT, "proxy")).dialing(1).opened(1).tap_opened(STREAM), 1)
}

#[test]
fn a_stream_that_stays_open_to_the_end_is_acquitted() {
    let seen = running().acquitted_by(&UPKEEP);
    assert!(seen.ends_with("at the end servers hold 1, clients 1"), "{seen}");
}

#[test]
fn a_history_without_streams_is_unknown() {
    assert_eq!(Script::new().puzzles(&UPKEEP), "no client opened a stream");
    assert_eq!(UPKEEP.judge(&History::default()), Verdict::unknown(NO_TERMS));
}

#[test]
fn an_end_needs_a_cause() {
    let evidence = running().at(300.0).ended(1).condemned_by(&UPKEEP);
    assert_eq!(evidence.what, "attempt 1 of client-1 ended, and nothing was wrong since it began: watchdog");
    cut().at(300.0).ended(1).acquitted_by(&UPKEEP);
}

#[test]
fn a_proxy_that_ends_streams_by_habit_is_a_cause_and_none_for_a_client_that_gives_up() {
    let ended = |cause| {
        let begun = Script::on(Terms { proxies_end_streams: true, ..usual_terms() });
        let begun = held(begun.at(1.0).dialing(1).opened(1).tap_opened(STREAM), 1);
        begun.at(61.0).event(CLIENT, Event::Ended { attempt: 1, cause, words: "Internal".into() })
    };
    closed(ended(EndCause::StreamFailed).tap_closed(CLIENT, STREAM), CloseReason::PeerGone).acquitted_by(&UPKEEP);
    ended(EndCause::Watchdog).condemned_by(&UPKEEP);
    ended(EndCause::Exhausted).condemned_by(&UPKEEP);
}

#[test]
fn at_an_old_server_a_stream_may_be_given_up_for_its_silence_and_no_sooner() {
    let old =
        || Script::on(Terms { old_servers: true, ..usual_terms() }).at(1.0).dialing(1).opened(1).at(200.0).heard(1);
    old().at(290.0).ended(1).acquitted_by(&UPKEEP);
    let evidence = old().at(289.0).ended(1).condemned_by(&UPKEEP);
    assert_eq!(evidence.what, "attempt 1 of client-1 ended, and nothing was wrong since it began: watchdog");
    // What ends for another cause was not silence.
    let left = |cause, words: &str| Event::Ended { attempt: 1, cause, words: words.into() };
    old().at(500.0).event(CLIENT, left(EndCause::StreamEnded, "stream ended")).condemned_by(&UPKEEP);
}

#[test]
fn a_server_closes_a_stream_for_a_cause() {
    for reason in [CloseReason::Reaped, CloseReason::TooSlow, CloseReason::Refused("no".into())] {
        closed(running().at(300.0), reason.clone()).condemned_by(&UPKEEP);
        closed(cut().at(300.0), reason).acquitted_by(&UPKEEP);
    }
    closed(running().at(300.0), CloseReason::PeerGone).acquitted_by(&UPKEEP);
}

#[test]
fn a_client_has_one_stream() {
    let twice = running().at(9.0).opened(2).condemned_by(&UPKEEP);
    assert_eq!(twice.what, "client-1 opened a stream for attempt 2 and had one of attempt 1");
    let tapped = running().at(9.0).tap_opened(other()).condemned_by(&UPKEEP);
    assert_eq!(tapped.what, "client-1 opened stream 1.1.3 and had stream 1.1.1, open since 1s");
    cut().at(9.0).tap_opened(other()).acquitted_by(&UPKEEP);
}

#[test]
fn a_stream_whose_client_is_gone_is_let_go() {
    let gone = |script: Script| script.tap_closed(CLIENT, STREAM);
    let evidence = gone(running().at(300.0)).condemned_by(&UPKEEP);
    assert!(evidence.what.starts_with("node holds 1 streams at the end"), "{}", evidence.what);
    closed(gone(running().at(300.0)), CloseReason::PeerGone).acquitted_by(&UPKEEP);
    gone(cut().at(300.0)).acquitted_by(&UPKEEP);
    gone(running().at(300.0)).event(NODE, Event::ProcessKilled).acquitted_by(&UPKEEP);
}

#[test]
fn the_streams_of_an_older_call_are_counted_too() {
    let opened = || Event::Opened { attempt: 1, resume: Vec::new() };
    let older = |script: Script| held(held(script.at(1.0).event("client-2", opened()).dialing(1).started(1), 1), 2);
    older(Script::new()).acquitted_by(&UPKEEP);
    let evidence = held(older(Script::new()), 3).condemned_by(&UPKEEP);
    assert!(evidence.what.starts_with("node holds 3 streams at the end"), "{}", evidence.what);
    // Nobody asks on such a stream whether the client lives.
    held(older(Script::new().fault_begins(1, partition(CLIENT, "proxy")).fault_ends(1)), 3).acquitted_by(&UPKEEP);
    held(running(), 2).condemned_by(&UPKEEP);
}

#[test]
fn a_server_that_is_asked_to_stop_ends_its_streams_and_opens_none() {
    let stop = ProcessStop { grace: Duration::from_secs(30) }.on(host(NODE));
    let asked = || running().at(300.0).fault_begins(1, stop.clone());
    let killed = |script: Script, at| script.at(at).event(NODE, Event::ProcessKilled);
    let evidence = killed(asked(), 330.0).condemned_by(&UPKEEP);
    let what = "node was asked to stop at 5m, and had not ended 1 of its streams when it was killed";
    assert_eq!(evidence.what, what);
    killed(asked(), 310.0).acquitted_by(&UPKEEP);
    killed(closed(asked().at(301.0), CloseReason::Failed("stopping".into())), 330.0).acquitted_by(&UPKEEP);
    let evidence = held(asked().at(301.0), 2).condemned_by(&UPKEEP);
    assert_eq!(evidence.what, "node opened a stream, and was asked to stop at 5m");
    let evidence = asked().at(311.0).tap_closed(CLIENT, STREAM).condemned_by(&UPKEEP);
    let what = "stream 1.1.1 of client-1 was cut off, and nobody had said why: node was asked to stop at 5m";
    assert_eq!(evidence.what, what);
    killed(asked(), 311.0).tap_closed(CLIENT, STREAM).acquitted_by(&UPKEEP);
    let told = Event::TapClosed { stream: STREAM, status: Some(14) };
    closed(asked().at(311.0), CloseReason::Failed("stopping".into())).event(CLIENT, told).acquitted_by(&UPKEEP);
}

#[test]
fn a_stream_that_was_half_closed_has_no_watchdog() {
    let silent_for = Duration::from_secs(90);
    let trips = |script: Script| script.at(300.0).event(CLIENT, Event::WatchdogTripped { attempt: 1, silent_for });
    trips(cut()).acquitted_by(&UPKEEP);
    let evidence = trips(cut().event(CLIENT, Event::HalfClosed { stream: STREAM })).condemned_by(&UPKEEP);
    assert_eq!(evidence.what, "the watchdog of client-1 gave up stream 1.1.1, which it had half-closed");
}

/// What everybody holds while one client has one stream; the client and the node so many connections and tasks.
fn stock(script: Script, client: (usize, usize), node: (usize, usize)) -> Script {
    let holds = |dialed, accepted, tasks| Event::Holds { dialed, accepted, tasks };
    script
        .event(CLIENT, holds(client.0, 0, client.1))
        .event("proxy", holds(1, 1, 9))
        .event(NODE, holds(0, node.0, node.1))
}

#[test]
fn connections_that_serve_no_stream_are_condemned() {
    stock(running().at(700.0), (1, 6), (1, 8)).acquitted_by(&UPKEEP);
    let evidence = stock(running().at(700.0), (2, 6), (1, 8)).condemned_by(&UPKEEP);
    assert_eq!(evidence.what, "client-1 holds 2 connections at the end, and needs no more than 1 for its streams");
    let evidence = stock(running().at(700.0), (1, 6), (3, 8)).condemned_by(&UPKEEP);
    assert_eq!(
        evidence.what,
        "4 accepted connections are held at the end, 3 of them by node, and 2 by those who dialed them"
    );
    // A proxy may have one to the node for each that it has accepted, and one more.
    let pooled = |dialed| {
        let holds = |dialed, accepted| Event::Holds { dialed, accepted, tasks: 9 };
        let held = running().at(700.0).event(CLIENT, holds(1, 0)).event("proxy", holds(dialed, 4));
        let others = ["visitor-1", "visitor-2", "visitor-3"];
        let held = others.into_iter().fold(held, |held, host| held.event(host, holds(1, 0)));
        held.event(NODE, holds(0, dialed))
    };
    pooled(5).acquitted_by(&UPKEEP);
    pooled(6).condemned_by(&UPKEEP);
    stock(running().fault_begins(1, partition(CLIENT, "proxy")).at(700.0), (2, 6), (3, 8)).acquitted_by(&UPKEEP);
}

#[test]
fn tasks_that_serve_neither_connection_nor_stream_are_condemned() {
    let early = || stock(running().at(100.0), (1, 6), (1, 8));
    stock(early().at(700.0), (1, 6), (1, 8)).acquitted_by(&UPKEEP);
    let evidence = stock(early().at(700.0), (1, 6), (1, 9)).condemned_by(&UPKEEP);
    let what = "node has 9 tasks at the end and had 8 at 1m 40s, with 0 connections and streams more";
    assert_eq!(evidence.what, what);
    // Two that vanished unheard are served for ever, with what was on their connections.
    let healed = || cut().at(60.0).fault_ends(1).at(100.0);
    let vanished = || stock(healed(), (1, 6), (3, 8)).at(700.0);
    stock(vanished(), (1, 6), (3, 9)).acquitted_by(&UPKEEP);
    stock(vanished(), (1, 6), (3, 8 + 2 * 6 + 1)).condemned_by(&UPKEEP);
    let before = stock(running().at(100.0), (0, 1), (1, 8));
    stock(before.at(700.0), (1, 6), (1, 8)).acquitted_by(&UPKEEP);
}

#[test]
fn a_full_disk_is_no_cause_to_end_a_stream_and_one_that_fails_or_a_stop_is() {
    let failed = |script: Script| closed(script, CloseReason::Failed("failed to append".into()));
    let harmed = |fault| failed(running().at(100.0).fault_begins(1, fault));
    let evidence = harmed(DiskFull.on(host(NODE))).condemned_by(&UPKEEP);
    assert!(evidence.what.contains("its disk was no worse than full"), "{}", evidence.what);
    harmed(SyncFails { every: 1 }.on(host(NODE))).acquitted_by(&UPKEEP);
    harmed(ProcessStop { grace: Duration::from_secs(30) }.on(host(NODE))).acquitted_by(&UPKEEP);
}
