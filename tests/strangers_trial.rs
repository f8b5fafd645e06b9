//! The library for tests, as a guest would use it: trials of somebody else's hosts, what they assert, and what they say.

#[path = "feed/programs.rs"]
mod programs;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use programs::{FeedSettings, PORT, follow, follow_by_surroundings, serve};
use pulseless::checker::Verdict;
use pulseless::stranger::HostSeat;
use pulseless::trial::Conclusion;
use pulseless::{Durations, Proxy, Trial, TrialOutcome, Trouble};

/// A feed behind a proxy that goes silent for five minutes.
fn feed() -> Trial {
    Trial::new(7)
        .host("server", || serve(Duration::from_secs(1)))
        .proxy("edge", Proxy::to(&format!("server:{PORT}")).set("layer", "tcp"))
        .host_with("client", |seat: HostSeat<FeedSettings>| follow(seat))
        .fault(Trouble::silence("edge").at(2.minutes()).lasting(5.minutes()))
}

fn with_bug(bug: &str) -> Trial {
    feed().set("cast.client.settings.bug", bug)
}

fn message(panicking: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(panicking)).expect_err("it panics");
    panic.downcast_ref::<String>().cloned().unwrap_or_else(|| panic!("a message with words"))
}

fn failures(outcome: &TrialOutcome) -> Vec<&str> {
    let failed = outcome.judgements().iter().filter(|one| matches!(one.verdict, Verdict::Fail(_)));
    failed.map(|one| one.checker.as_str()).collect()
}

#[test]
fn a_client_with_a_watchdog_survives_a_silent_proxy() {
    let outcome = feed().run(20.minutes());
    outcome.assert_delivered("orders");
    outcome.assert_passed();
    assert_eq!(outcome.digest(), feed().run(20.minutes()).digest());
    assert_ne!(outcome.digest(), feed().set("link.latency", "3ms").run(20.minutes()).digest());
}

#[test]
fn a_client_without_one_hangs_and_the_message_plays_it_again() {
    let outcome = feed().set("cast.client.settings.patience", 0).run(20.minutes());
    assert_eq!(failures(&outcome), ["convergence", "liveness"], "{}", outcome.story());
    let message = message(|| outcome.assert_delivered("orders"));
    assert!(message.starts_with("verdict  fail: convergence failed: client had not got #"), "{message}");
    let last = message.lines().last().unwrap_or_default();
    let line = "cargo test -p pulseless --test strangers_trial a_client_without_one_hangs_and_the_message_plays_it_again -- --exact";
    assert!(last.starts_with("again    PULSELESS_SEED=7 ") && last.ends_with(line), "{last}");
}

#[test]
fn each_planted_bug_is_caught_by_the_judge_of_its_class() {
    let bugs = [
        ("skips", "gaps"),
        ("repeats", "duplicates"),
        ("swaps", "order"),
        ("invents", "invention"),
        ("leaks", "leaks"),
        ("dozes", "liveness"),
        ("panics", "stability"),
        ("gives-up", "stability"),
    ];
    for (bug, judge) in bugs {
        let outcome = with_bug(bug).run(20.minutes());
        assert!(failures(&outcome).contains(&judge), "{bug}: {:?}\n{}", failures(&outcome), outcome.story());
    }
    with_bug("repeats").fails("duplicates").run(20.minutes()).assert_passed();
}

#[test]
fn what_is_refused_says_what_would_be_right() {
    let refused = |trial: Trial| message(|| drop(trial.run(20.minutes())));
    let told = refused(feed().fault(Trouble::silence("egde").at(1.minutes()).lasting(1.minutes())));
    assert!(told.contains("`egde` matches no host that this fault may fall on"), "{told}");
    let told = refused(with_bug("sleeps"));
    assert!(told.contains("unknown variant `sleeps`"), "{told}");
    let told = refused(feed().set("cast.client.settings.patiense", 3));
    assert!(told.contains("`client` has no setting `patiense`") && told.contains("did you mean `patience`?"), "{told}");
    let told = refused(feed().fault(Trouble::kind("proxy-silense").at(1.minutes()).lasting(1.minutes())));
    assert!(told.contains("there is no kind of fault `proxy-silense`"), "{told}");
}

#[test]
fn many_seeds_are_swept_and_grouped_by_cause() {
    let swept = feed().storm(&["partitions", "pauses"]).sweep(15.minutes(), 1..9);
    swept.assert_passed();
    assert_eq!((swept.played(), swept.passed()), (8, 8));
    let swept = with_bug("skips").sweep(15.minutes(), 1..5);
    assert_eq!((swept.played(), swept.passed(), swept.groups().len()), (4, 0, 1));
    let message = message(|| swept.assert_passed());
    assert!(message.starts_with("of 4 trials 0 passed") && message.contains("(seeds 1-4)"), "{message}");
    assert!(message.lines().last().is_some_and(|last| last.contains("PULSELESS_SEED=1 ")), "{message}");
}

#[test]
fn a_host_may_be_cast_many_times_and_follow_what_it_never_gets() {
    let idle = |trial: Trial| trial.host("idle", || std::future::pending::<()>()).follows("idle", "orders");
    let outcome = idle(feed().count("client", 3)).run(20.minutes());
    assert_eq!(failures(&outcome), ["convergence"]);
    assert!(matches!(outcome.conclusion(), Conclusion::Fail(why) if why.contains("idle had not got #1")));
}

#[test]
fn the_door_without_magic_leads_to_the_same_world() {
    let by_surroundings = |seat: HostSeat<FeedSettings>| follow_by_surroundings(seat);
    let outcome = feed().host_with("client", by_surroundings).run(20.minutes());
    outcome.assert_delivered("orders");
}
