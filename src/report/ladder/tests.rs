//! Ladders of trials that were played, and how they read.

use std::path::Path;

use super::*;
use crate::runner::read_sim;
use crate::sim::Setting;
use crate::subject::xmtp::SUBJECTS;
use crate::trial;

fn played(name: &str, settings: &[&str]) -> Ladder {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sims").join(name).with_extension("toml");
    let settings: Vec<Setting> = settings.iter().map(|text| text.parse().expect("a setting")).collect();
    let sim = read_sim(SUBJECTS, &path, &settings).unwrap_or_else(|error| panic!("{error}"));
    trial::play(&sim, 7).unwrap_or_else(|error| panic!("{error}")).ladder()
}

/// From the least delay to the most, in seconds, of a layer that noticed in every window.
fn span(ladder: &Ladder, layer: Layer) -> (f64, f64) {
    let delay = |window: &LadderWindow| match window.knew[&layer] {
        Knowledge::After(delay) => delay.as_secs_f64(),
        other @ (Knowledge::Never | Knowledge::NotAsked) => panic!("{layer} knew {other:?}"),
    };
    let delays: Vec<f64> = ladder.windows.iter().map(delay).collect();
    (delays.iter().copied().fold(f64::MAX, f64::min), delays.iter().copied().fold(0.0, f64::max))
}

fn nobody_knows(ladder: &Ladder, layer: Layer, knowledge: Knowledge) -> bool {
    ladder.windows.iter().all(|window| window.knew[&layer] == knowledge)
}

#[test]
fn behind_a_proxy_that_answers_ping_only_heartbeats_and_watchdogs_know() {
    let silent = played("proxy-goes-silent", &[]);
    assert_eq!(silent.windows.len(), 3);
    assert!(silent.windows.iter().all(|window| window.pings_answered > 5 && window.missed > 10), "{silent:?}");
    assert!(nobody_knows(&silent, Layer::Http2Ping, Knowledge::Never));
    assert!(nobody_knows(&silent, Layer::Tcp, Knowledge::Never));
    assert!(nobody_knows(&silent, Layer::TcpKeepalive, Knowledge::NotAsked));
    let (least, most) = span(&silent, Layer::Watchdog);
    assert!(least > 60.0 && most < 91.0, "{least} to {most}");
    let held = played("proxy-goes-silent", &["client.watchdog=off"]);
    assert!(held.windows.iter().all(|window| window.ending == WindowEnding::Held), "{held:?}");
    assert!(nobody_knows(&held, Layer::Watchdog, Knowledge::NotAsked));
}

#[test]
fn tcp_keepalive_of_the_proxy_knows_before_anybody_that_a_node_has_no_power() {
    let ladder = played("keepalive-sees-a-dead-peer", &[]);
    assert_eq!(ladder.windows.len(), 3);
    let (least, most) = span(&ladder, Layer::TcpKeepalive);
    assert!(least > 5.0 && most < 11.0, "{least} to {most}");
    assert!(nobody_knows(&ladder, Layer::Watchdog, Knowledge::Never));
}

#[test]
fn a_cut_wire_is_seen_by_heartbeats_first_and_a_killed_node_by_tcp_at_once() {
    let cut = played("node-cut-off", &[]);
    assert_eq!(cut.windows.len(), 3);
    assert!(span(&cut, Layer::Heartbeat).1 < span(&cut, Layer::Watchdog).0);
    let killed = played("node-restarts", &[]);
    assert_eq!(killed.windows.len(), 9);
    assert!(span(&killed, Layer::Tcp).1 < 1.0);
}

#[test]
fn http2_keepalive_sees_that_nothing_passes_between_client_and_proxy() {
    let cut = played("clients-cut-off", &[]);
    assert_eq!(cut.windows.len(), 2);
    let (least, most) = span(&cut, Layer::Http2Ping);
    assert!(least > 5.0 && most < 16.0, "{least} to {most}");
    assert!(nobody_knows(&cut, Layer::Watchdog, Knowledge::Never));
}

fn told(ladder: &Ladder) -> String {
    let mut text = String::new();
    write_ladder(&mut text, ladder, Paint::Plain).expect(INFALLIBLE);
    text
}

fn window(client: &str, delay: Option<u64>, lasted: u64) -> LadderWindow {
    let ours = Layer::ALL.into_iter().filter(|layer| *layer != Layer::Program);
    let knew = ours.map(|layer| match (layer, delay) {
        (Layer::Watchdog, Some(millis)) => (layer, Knowledge::After(Duration::from_millis(millis))),
        (Layer::Tcp | Layer::Watchdog, _) => (layer, Knowledge::Never),
        _ => (layer, Knowledge::NotAsked),
    });
    LadderWindow {
        client: client.into(),
        attempt: 1,
        clause: Some(1),
        witness: Some(Witness::Watchdog),
        kind: "proxy-silence-upstream".to_owned(),
        harm: "the proxy passes nothing for client-1, client-2, and goes on answering HTTP/2 PING".to_owned(),
        began: Duration::from_secs(120),
        lasted: Duration::from_millis(lasted),
        ending: if delay.is_some() { WindowEnding::LetGo } else { WindowEnding::Held },
        knew: knew.collect(),
        pings_answered: 0,
        missed: lasted / 1_000,
        first_missed: None,
    }
}

#[test]
fn windows_that_are_alike_are_one_row() {
    let windows = vec![window("client-1", Some(850), 850), window("client-2", Some(87_652), 87_652)];
    let ladder = Ladder { windows: windows.into_iter().chain([window("client-3", None, 900_000)]).collect() };
    let expected = "
who knew when
     streams    TCP     watchdog  missed
          2m  fault 1: proxy-silence-upstream: at either end only a watchdog can
              tell
    2 let go  never  850ms-87.7s    0-87
      1 held  never        never     900
   not asked  TCP keepalive and user timeout, HTTP/2 PING, the node's heartbeat
";
    assert_eq!(told(&ladder), expected);
    assert_eq!(told(&Ladder::default()), "");
}

#[test]
fn delays_are_short_to_read() {
    let range = |from, to| range(Duration::from_millis(from), Duration::from_millis(to));
    for (from, to, text) in [
        (8, 8, "8ms"),
        (8, 13, "8-13ms"),
        (87_601, 87_702, "87.6-87.7s"),
        (87_651, 87_660, "87.7s"),
        (924_600, 1_020_000, "925-1020s"),
    ] {
        assert_eq!(range(from, to), text);
    }
}

#[test]
fn many_ladders_are_told_by_layer() {
    let mut tally = LadderTally::default();
    let windows = vec![window("client-1", Some(850), 850), window("client-2", None, 900_000)];
    tally.add(&Ladder { windows });
    let expected = "\
who knew when  dead streams: 1 let go, 1 held
                                     asked       p50       p99  never
TCP                                      2         -         -  2 (100.0 %)
the watchdog                             2     863ms     863ms  1 (50.0 %)
the client let go                        1     863ms     863ms
";
    assert_eq!(ladder_tally(&tally, Paint::Plain), expected);
    assert_eq!(ladder_tally(&LadderTally::default(), Paint::Plain), "no stream was dead while its client held it\n");
}
