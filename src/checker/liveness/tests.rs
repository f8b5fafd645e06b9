//! What liveness condemns, and what it acquits.

use super::*;
use crate::channel::Channel;
use crate::checker::script::{CLIENT, NODE, STREAM, Script, add, alpha, host, partition, pause, suspend, usual_terms};
use crate::fault::Fault;
use crate::fault::Kind;
use crate::fault::kinds::ProcessKill;
use crate::history::EndCause;
use crate::subject::xmtp::checker::LIVENESS;
use crate::subject::xmtp::frame::XmtpFrame;
use crate::subject::xmtp::wire::MutateId;
use crate::subject::xmtp::wire::SUBSCRIBE_PATH;

const PING: Beat = Beat::Ping { stream: STREAM, way: Direction::ToClient, fate: Fate::Passed };
const PONG: Beat = Beat::Pong { stream: STREAM, way: Direction::ToNode, fate: Fate::Passed };

/// A stream opened at 1 s, started at 1.1 s.
fn running() -> Script {
    Script::new().at(1.0).opened(1).tap_opened(STREAM).node_starts().at(1.1).started(1)
}

fn tripped(script: Script) -> Script {
    let silent_for = Duration::from_secs(90);
    script.event(CLIENT, Event::WatchdogTripped { attempt: 1, silent_for })
}

fn reaped(script: Script) -> Script {
    script.event(NODE, Event::StreamClosed { stream: 1, reason: CloseReason::Reaped })
}

fn beaten(script: Script, from: u32, to: u32) -> Script {
    (from..to).fold(script, |script, n| {
        let at = f64::from(n) * 30.0;
        script.at(at).beat(CLIENT, PING).at(at + 0.02).beat(CLIENT, Beat::Heard { attempt: 1 }).beat(CLIENT, PONG)
    })
}

#[test]
fn a_stream_that_beats_to_the_end_is_acquitted() {
    let seen = beaten(running(), 1, 24).acquitted_by(&LIVENESS);
    assert!(seen.starts_with("streams opened: 1,") && seen.contains("given up by a watchdog: 0"), "{seen}");
}

#[test]
fn a_dead_stream_given_up_in_time_is_acquitted() {
    let script = tripped(beaten(running(), 1, 4).at(180.1)).ended(1);
    assert!(script.acquitted_by(&LIVENESS).contains("given up by a watchdog: 1"));
}

fn welcomes() -> Channel {
    Channel::new("welcome", "alice")
}

/// `client-1` follows two sequences at servers that may be old.
fn older() -> Script {
    let followers = vec![(CLIENT.into(), vec![add(alpha(), 0), add(welcomes(), 0)])];
    Script::on(Terms { old_servers: true, followers, ..usual_terms() }).at(1.0).opened(1).tap_opened(STREAM).ended(1)
}

#[test]
fn an_older_call_is_given_up_after_its_time_and_not_before() {
    let follows = || older().at(2.0).dialing(2).at(2.1).started(2);
    let busy = || follows().at(200.0).committed(2, &[(alpha(), 1), (welcomes(), 1)]);
    busy().at(500.0).ended(2).acquitted_by(&LIVENESS);
    // One of the two was silent: the other says nothing of it.
    follows().at(200.0).committed(2, &[(alpha(), 1)]).at(302.1).ended(2).acquitted_by(&LIVENESS);
    let early = busy().at(400.0).ended(2).condemned_by(&LIVENESS);
    assert!(early.what.contains("had heard of it 3m 20s before"), "{}", early.what);
    assert_eq!(early.requirement, "C6");
    let late = follows().at(250.0).committed(2, &[(alpha(), 1)]).at(400.0).ended(2).condemned_by(&LIVENESS);
    assert!(late.what.contains("heard nothing of welcome on attempt 2, an older call, from 2.1s on"), "{}", late.what);
    follows().condemned_by(&LIVENESS);
    follows().at(250.0).event(CLIENT, Event::ProcessKilled).acquitted_by(&LIVENESS);
}

#[test]
fn an_older_call_whose_headers_do_not_come_is_given_up_too() {
    older().at(2.0).dialing(2).at(310.0).ended(2).acquitted_by(&LIVENESS);
    older().at(2.0).dialing(2).at(200.0).ended(2).condemned_by(&LIVENESS);
    older().at(2.0).dialing(2).at(340.0).ended(2).condemned_by(&LIVENESS);
}

#[test]
fn who_dials_for_ever_is_condemned() {
    let dials = || Script::new().at(1.0).dialing(1);
    let opens = dials().at(20.0).opened(1).tap_opened(STREAM).node_starts().at(21.0).started(1).at(60.0).ended(1);
    opens.acquitted_by(&LIVENESS);
    let evidence = dials().at(200.0).ended(1).at(201.0).dialing(2).opened(2).condemned_by(&LIVENESS);
    assert!(evidence.what.starts_with("client-1 heard nothing on attempt 1 from 1s on"), "{}", evidence.what);
    dials().condemned_by(&LIVENESS);
}

#[test]
fn what_is_still_handed_on_of_a_stream_that_was_let_go_of_is_no_stream() {
    let held = |script: Script| script.at(700.0).ended(1);
    let let_go = Event::LetGo { attempt: 1, cause: EndCause::ConsumerBehind };
    held(beaten(running(), 1, 4).event(CLIENT, let_go)).acquitted_by(&LIVENESS);
    held(beaten(running(), 1, 4)).condemned_by(&LIVENESS);
}

#[test]
fn a_history_without_streams_is_unknown() {
    assert_eq!(Script::new().puzzles(&LIVENESS), "no client opened a stream");
    assert_eq!(LIVENESS.judge(&History::default()), Verdict::unknown(NO_TERMS));
}

#[test]
fn a_client_of_which_nothing_was_seen_leaves_it_unknown() {
    let history = Script::new().history();
    let mut terms = terms(&history).expect("a script has terms").clone();
    terms.followers.push(("client-2".into(), Vec::new()));
    let idle = Script::on(terms).at(1.0).opened(1).tap_opened(STREAM).at(80.0).ended(1);
    assert_eq!(idle.puzzles(&LIVENESS), "client-2 never opened a stream");
    let untapped = Script::new().at(1.0).opened(1).started(1).at(80.0).ended(1);
    assert!(untapped.puzzles(&LIVENESS).starts_with("the proxy saw no stream of client-1"));
}

#[test]
fn a_dead_stream_that_is_held_to_the_end_is_condemned_when_the_bound_ran_out() {
    let evidence = beaten(running(), 1, 4).condemned_by(&LIVENESS);
    // Last passed at 90 s; travel 50 ms, three intervals of 30 s, 1.1 s of slack.
    assert_eq!((evidence.requirement.as_str(), evidence.at), ("C2", Duration::from_millis(181_150)));
    assert!(evidence.what.starts_with("client-1 heard nothing on attempt 1 from 1m 30.05s on"), "{}", evidence.what);
}

#[test]
fn a_dead_stream_that_came_to_life_again_had_to_be_given_up_all_the_same() {
    let script = beaten(running(), 1, 4).at(95.0).silence_begins().at(395.0).silence_ends();
    let evidence = beaten(script, 14, 24).condemned_by(&LIVENESS);
    assert_eq!(evidence.at, Duration::from_millis(181_150));
}

#[test]
fn a_dead_stream_given_up_late_is_condemned() {
    let script = tripped(beaten(running(), 1, 4).at(185.0)).ended(1);
    assert!(script.condemned_by(&LIVENESS).what.contains("still held it 1m 34.95s later"));
}

#[test]
fn a_killed_client_need_not_notice() {
    beaten(running(), 1, 4).at(120.0).event(CLIENT, Event::ProcessKilled).acquitted_by(&LIVENESS);
}

#[test]
fn http2_pings_answered_by_the_proxy_are_no_sign_of_life() {
    let answered = Beat::KeepaliveAnswered { incarnation: 1, connection: 1 };
    let script =
        (4..60).fold(beaten(running(), 1, 4), |script, n| script.at(f64::from(n) * 10.0 + 80.0).beat(CLIENT, answered));
    assert_eq!(script.condemned_by(&LIVENESS).at, Duration::from_millis(181_150));
}

#[test]
fn until_started_the_assumed_interval_counts() {
    let history = Script::new().history();
    let mut terms = terms(&history).expect("a script has terms").clone();
    terms.keepalive = Duration::from_secs(5);
    let script = || Script::on(terms.clone()).at(1.0).opened(1).tap_opened(STREAM);
    script().at(91.0).ended(1).acquitted_by(&LIVENESS);
    assert_eq!(script().at(95.0).ended(1).condemned_by(&LIVENESS).at, Duration::from_millis(92_100));
    script().at(1.5).started(1).at(17.0).ended(1).acquitted_by(&LIVENESS);
    assert_eq!(script().at(1.5).started(1).at(18.0).ended(1).condemned_by(&LIVENESS).requirement, "C2");
}

#[test]
fn a_healthy_stream_given_up_is_condemned() {
    let script = tripped(running().at(60.0).complete(1).at(121.0)).ended(1);
    let evidence = script.condemned_by(&LIVENESS);
    assert_eq!((evidence.requirement.as_str(), evidence.at.as_secs()), ("C2", 121));
    assert!(evidence.what.contains("had passed a frame to it 1m 1s before"), "{}", evidence.what);
}

#[test]
fn swallowed_frames_do_not_make_a_stream_healthy() {
    let swallowed = XmtpFrame::CatchupComplete(MutateId(1));
    let script = running().at(60.0).tap(Direction::ToClient, Fate::Swallowed, swallowed);
    tripped(script.at(91.1)).ended(1).acquitted_by(&LIVENESS);
}

#[test]
fn a_client_that_withholds_its_pong_is_condemned() {
    let script = running().at(31.0).beat(CLIENT, PING).at(31.02).heard(1).at(61.0);
    let evidence = reaped(script).ended(1).condemned_by(&LIVENESS);
    assert_eq!((evidence.requirement.as_str(), evidence.host.as_str()), ("C1", CLIENT));
    assert!(evidence.what.contains("the Ping of 31s on stream 1.1.1 go unanswered for 30s"), "{}", evidence.what);
}

#[test]
fn a_visitor_owes_no_pong_on_a_stream_before_its_newest() {
    const VISITOR: &str = "visitor-1";
    let newer = TapStream { stream: 3, ..STREAM };
    let on = |script: Script, stream| {
        let ping = Beat::Ping { stream, way: Direction::ToClient, fate: Fate::Passed };
        let path = SUBSCRIBE_PATH.to_owned();
        script.event(VISITOR, Event::TapOpened { stream, path }).at(31.0).beat(VISITOR, ping)
    };
    let left = on(running(), STREAM).event(VISITOR, Event::TapOpened { stream: newer, path: SUBSCRIBE_PATH.into() });
    reaped(left.tap_closed(VISITOR, newer).at(61.0)).ended(1).acquitted_by(&LIVENESS);
    assert_eq!(reaped(on(running(), STREAM).at(61.0)).ended(1).condemned_by(&LIVENESS).host, VISITOR);
}

#[test]
fn a_client_behind_a_silence_or_killed_is_not_to_blame_for_its_pong() {
    let pinged = || running().at(31.0).beat(CLIENT, PING);
    let swallowed = Beat::Pong { stream: STREAM, way: Direction::ToNode, fate: Fate::Swallowed };
    reaped(pinged().at(31.02).beat(CLIENT, swallowed).at(61.0)).ended(1).acquitted_by(&LIVENESS);
    reaped(pinged().at(40.0).event(CLIENT, Event::ProcessKilled).at(61.0)).acquitted_by(&LIVENESS);
    // A path that comes to life after its client has left it; the client answers where it is.
    let late = TapStream { stream: STREAM.stream + 2, ..STREAM };
    let ping = Beat::Ping { stream: late, way: Direction::ToClient, fate: Fate::Passed };
    reaped(running().tap_opened(late).at(31.0).beat(CLIENT, ping).at(61.0)).ended(1).acquitted_by(&LIVENESS);
    // It has left: the Ping that nobody answers meets nobody.
    reaped(pinged().at(40.0).ended(1).at(61.0)).acquitted_by(&LIVENESS);
    reaped(pinged().at(40.0).event("proxy", Event::ProcessKilled).at(61.0)).ended(1).acquitted_by(&LIVENESS);
}

/// Beats until 90 s, and from 100 s to 400 s that fault.
fn struck(fault: Fault) -> Script {
    beaten(running(), 1, 4).at(100.0).fault_begins(1, fault).at(400.0).fault_ends(1)
}

fn cut() -> Fault {
    partition(CLIENT, "proxy")
}

#[test]
fn a_client_that_stands_still_notices_nothing_and_is_bound_anew_when_it_goes_on() {
    for fault in [pause(CLIENT), suspend(CLIENT)] {
        tripped(struck(fault.clone()).at(490.0)).ended(1).acquitted_by(&LIVENESS);
        let evidence = struck(fault).condemned_by(&LIVENESS);
        // From 400 s on: three intervals of 30 s, 1.1 s of slack.
        assert_eq!((evidence.requirement.as_str(), evidence.at), ("C2", Duration::from_millis(491_100)));
        assert!(evidence.what.contains("from 6m 40s on"), "{}", evidence.what);
    }
}

#[test]
fn neither_a_partition_nor_anything_that_befalls_others_excuses_a_client_that_notices_nothing() {
    let killed = ProcessKill { point: None }.on(host("proxy"));
    for fault in [cut(), killed, pause("proxy"), suspend("client-2")] {
        assert_eq!(struck(fault).condemned_by(&LIVENESS).at, Duration::from_millis(181_150));
    }
}

#[test]
fn a_stream_whose_frames_were_held_up_may_be_given_up_until_tcp_has_recovered() {
    // The proxy passes Pings into a partition, and for a while after it.
    let passed = |fault: Fault, until: f64| {
        let pinged = beaten(running(), 1, 4).at(100.0).fault_begins(1, fault).at(until - 10.0);
        tripped(pinged.beat(CLIENT, PING).at(until)).ended(1)
    };
    passed(cut(), 180.0).acquitted_by(&LIVENESS);
    passed(pause("proxy-2"), 180.0).acquitted_by(&LIVENESS);
    passed(pause("client-2"), 180.0).condemned_by(&LIVENESS);
    let healed = |at: f64| {
        let script = running().at(10.0).fault_begins(1, cut()).at(40.0).fault_ends(1);
        tripped(script.at(at - 10.0).beat(CLIENT, PING).at(at)).ended(1)
    };
    healed(92.0).acquitted_by(&LIVENESS);
    let late = running().at(10.0).fault_begins(1, cut()).at(40.0).fault_ends(1).at(80.0).heard(1).at(150.0).heard(1);
    let evidence = tripped(late.at(165.0).beat(CLIENT, PING).at(180.0)).ended(1).condemned_by(&LIVENESS);
    assert!(evidence.what.contains("had passed a frame to it 15s before"), "{}", evidence.what);
}

#[test]
fn a_client_that_stands_still_or_is_cut_off_is_not_to_blame_for_its_pong() {
    let pinged = |fault| running().at(20.0).fault_begins(1, fault).at(31.0).beat(CLIENT, PING);
    for fault in [cut(), suspend(CLIENT), pause(CLIENT), pause(NODE)] {
        reaped(pinged(fault).at(61.0)).ended(1).acquitted_by(&LIVENESS);
    }
    reaped(pinged(pause("client-2")).at(61.0)).ended(1).condemned_by(&LIVENESS);
}

#[test]
fn a_client_that_withholds_its_pong_after_the_recovery_is_condemned() {
    let script = || running().at(5.0).fault_begins(1, cut()).at(10.0).fault_ends(1);
    let withheld = |at: f64, script| reaped(beaten(script, 1, 5).at(at).beat(CLIENT, PING).at(at + 30.0)).ended(1);
    assert_eq!(withheld(131.0, script()).condemned_by(&LIVENESS).requirement, "C1");
    withheld(129.0, script()).acquitted_by(&LIVENESS);
}

#[test]
fn with_several_proxies_and_nodes_a_publishers_death_excuses_nobody() {
    let pinged = || running().at(31.0).beat(CLIENT, PING).at(40.0);
    reaped(pinged().event("publisher-1", Event::ProcessKilled).at(61.0)).ended(1).condemned_by(&LIVENESS);
    reaped(pinged().event("node-3", Event::ProcessKilled).at(61.0)).ended(1).acquitted_by(&LIVENESS);
    reaped(pinged().event("proxy-2", Event::ProcessKilled).at(61.0)).ended(1).acquitted_by(&LIVENESS);
}

#[test]
fn a_bystander_whose_pong_is_under_way_is_not_to_blame() {
    let script = reaped(running().at(31.0).beat(CLIENT, PING).at(31.01)).at(31.03).beat(CLIENT, PONG);
    script.ended(1).acquitted_by(&LIVENESS);
    let script = reaped(running().at(31.0).beat(CLIENT, PING).at(50.0)).at(55.0).beat(CLIENT, PONG);
    script.ended(1).acquitted_by(&LIVENESS);
}
