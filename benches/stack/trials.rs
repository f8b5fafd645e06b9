//! The trials that are measured.

use std::path::Path;
use std::time::Duration;

use pulseless::history::Event;
use pulseless::runner::read_sim;
use pulseless::sim::{SimFile, read};
use pulseless::subject::xmtp::SUBJECTS;
use pulseless::trial::{Conclusion, EngineKind, play as play_sim, play_in};
use pulseless::world::{Leap, Turmoil};

use crate::interposed::Interposed;

pub(crate) const SEED: u64 = 7;

pub(crate) fn sim(path: &str) -> SimFile {
    read_sim(SUBJECTS, &Path::new(env!("CARGO_MANIFEST_DIR")).join(path), &[])
        .unwrap_or_else(|refusal| panic!("{refusal}"))
}

/// One client, nothing to deliver but a first message.
pub(crate) fn quiet(duration: &str) -> SimFile {
    inline(&format!(
        "duration = \"{duration}\"
        [workload]
        kind = \"quiet\"
        history = 1"
    ))
}

/// 12,000 messages for 3 clients within a minute.
pub(crate) fn busy_minute() -> SimFile {
    busy("1ms..20ms")
}

/// The same with links that take no time.
pub(crate) fn busy_minute_without_latency() -> SimFile {
    busy("0s")
}

fn busy(latency: &str) -> SimFile {
    inline(&format!(
        "duration = \"70s\"
        calm = \"10s\"
        [cast]
        clients = 3
        [link]
        latency = \"{latency}\"
        [workload]
        topics = 4
        rate = \"200/s\"
        [promise]
        within = \"5s\""
    ))
}

pub(crate) fn play(sim: &SimFile) {
    let outcome = play_sim(sim, SEED).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outcome.conclusion, Conclusion::Pass);
}

/// Whatever the verdict: a crowd's trial may be too short to show anything.
pub(crate) fn play_quietly(sim: &SimFile) {
    play_sim(sim, SEED).unwrap_or_else(|error| panic!("{error}"));
}

/// The same trial, whose hosts know tokio's sockets alone.
pub(crate) fn play_interposed(sim: &SimFile) {
    let world = |sim: &SimFile, seed| Box::new(Interposed(Leap::new(seed, sim.link.latency))) as Box<_>;
    let outcome = play_in(sim, SEED, EngineKind::Leap, world).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outcome.conclusion, Conclusion::Pass);
}

/// The same trial on turmoil, by that tick.
pub(crate) fn play_on_turmoil(sim: &SimFile, tick: Duration) {
    let world = |sim: &SimFile, seed| Box::new(Turmoil::new(seed, sim.link.latency, tick)) as Box<_>;
    let outcome = play_in(sim, SEED, EngineKind::Turmoil, world).unwrap_or_else(|error| panic!("{error}"));
    assert!(!matches!(outcome.conclusion, Conclusion::Fail(_)), "{}", outcome.conclusion);
}

/// So many hosts, of which all but a node, a proxy and a publisher are clients; `rate` messages, or none.
pub(crate) fn crowd(hosts: usize, seconds: u64, rate: Option<&str>) -> SimFile {
    let workload = match rate {
        Some(rate) => format!("rate = \"{rate}\""),
        None => "kind = \"quiet\"".to_owned(),
    };
    let publishers = usize::from(rate.is_some());
    let clients = hosts - 2 - publishers.min(hosts - 3);
    inline(&format!(
        "duration = \"{seconds}s\"
        calm = \"5s\"
        [cast]
        clients = {clients}
        publishers = {publishers}
        [workload]
        {workload}
        [promise]
        within = \"4s\""
    ))
}

/// How many messages reached applications.
#[expect(clippy::wildcard_enum_match_arm, reason = "a test looks at what concerns it")]
pub(crate) fn delivered(sim: &SimFile) -> usize {
    let outcome = play_sim(sim, SEED).unwrap_or_else(|error| panic!("{error}"));
    let delivered = |event: &Event| match event {
        Event::Delivered { messages, .. } => messages.len(),
        _ => 0,
    };
    outcome.history.records().iter().map(|record| delivered(&record.event)).sum()
}

fn inline(body: &str) -> SimFile {
    let promise = if body.contains("[promise]") { "" } else { "[promise]\n" };
    let text = format!("title = \"a bench\"\n{body}\n{promise}verdict = \"pass\"\n");
    read("bench", &text, SUBJECTS).unwrap_or_else(|refusal| panic!("{refusal}"))
}
