//! The library for tests, as a guest would use it: trials of somebody else's hosts, what they assert, and what they say.

#![expect(clippy::disallowed_types, reason = "a stranger knows nothing of surroundings: its sockets are simulated")]

#[path = "feed/programs.rs"]
mod programs;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::Duration;

use programs::{FeedSettings, PORT, follow, follow_by_surroundings, serve};
use pulseless::checker::{Checker, Evidence, Requirement, Verdict};
use pulseless::history::History;
use pulseless::ladder::{Knowledge, LadderWindow, Layer, WindowEnding};
use pulseless::stranger::{HostSeat, StreamBook, delivered, produced};
use pulseless::trial::Conclusion;
use pulseless::{Durations, Proxy, Trial, TrialOutcome, Trouble};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

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
    // Whoever speaks first is named at both ends.
    assert!(message.starts_with("verdict  fail: liveness failed: client"), "{message}");
    assert!(message.contains("\njudges   fail: liveness failed, at "), "{message}");
    let last = message.lines().last().unwrap_or_default();
    let line = "cargo test -p pulseless --test strangers_trial a_client_without_one_hangs_and_the_message_plays_it_again -- --exact";
    assert!(last.starts_with("again    PULSELESS_SEED=7 ") && last.ends_with(line), "{last}");
}

/// Its clients dial the server itself, which something happens to after two minutes.
fn direct(trouble: Trouble) -> Trial {
    Trial::new(7)
        .host("server", || serve(Duration::from_secs(1)))
        .host_with("client", |seat: HostSeat<FeedSettings>| follow(seat))
        .set("cast.client.settings.server", "server")
        .fault(trouble.at(2.minutes()).lasting(2.minutes()))
}

/// Of each window: how it ended, whether TCP and the program noticed, and whether a message was missed.
fn windows(trial: Trial) -> Vec<(WindowEnding, bool, bool, bool)> {
    let outcome = trial.run(10.minutes());
    let knew = |window: &LadderWindow, layer| match window.knew[&layer] {
        Knowledge::After(_) => true,
        Knowledge::Never => false,
        Knowledge::NotAsked => panic!("{layer} is not asked"),
    };
    let told = |window: &LadderWindow| {
        (window.ending, knew(window, Layer::Tcp), knew(window, Layer::Program), window.missed > 0)
    };
    outcome.outcome().ladder().windows.iter().map(told).collect()
}

#[test]
fn who_knew_when_is_told_of_connections_that_are_dead() {
    use WindowEnding::{Healed, Held, LetGo};
    // Each attempt to connect again is one more connection that its client believes in.
    let silent = windows(feed());
    assert!(silent.len() > 10 && silent.iter().all(|window| *window == (LetGo, false, true, true)), "{silent:?}");
    let patient = |trial: Trial| trial.set("cast.client.settings.patience", 0);
    assert_eq!(windows(patient(feed())), [(Held, false, false, true)]);
    // The kernel of a process that is killed finishes its connections; one without power says nothing to anybody.
    assert_eq!(windows(direct(Trouble::kill("server"))), [(LetGo, true, false, false)]);
    let unplugged = windows(direct(Trouble::power_off("server")));
    assert_eq!(unplugged[0], (LetGo, false, true, false), "{unplugged:?}");
    // Whoever waits hears again when a link is whole again.
    let cut = windows(patient(direct(Trouble::partition("client", "server"))));
    assert_eq!(cut, [(Healed, false, false, true)]);
    // Unless the other end has given the connection up meanwhile, and nothing comes any more.
    let given_up = Trouble::partition("client", "server").at(2.minutes()).lasting(20.minutes());
    let patient = patient(direct(Trouble::pause("server"))).fault(given_up).run(40.minutes());
    let ladder = patient.outcome().ladder();
    assert_eq!(ladder.windows.last().map(|window| window.ending), Some(Held), "{}", patient.story());
    // What befalls a host that nobody dials is nobody's.
    let bystander = direct(Trouble::kill("idle")).host("idle", std::future::pending::<()>);
    assert_eq!(windows(bystander), []);
    let before = Trial::new(7).host("idle", std::future::pending::<()>);
    let before = before.host("server", || serve(Duration::from_secs(1))).host_with("client", follow);
    let before = before.set("cast.client.settings.server", "server");
    assert_eq!(windows(before.fault(Trouble::kill("idle").at(2.minutes()).lasting(2.minutes()))), []);
}

/// Answers each who asks after ten seconds, and has then done with him.
async fn answer() -> std::io::Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    for number in 1.. {
        let (mut socket, _) = listener.accept().await?;
        sleep(10.seconds()).await;
        produced("answers", number, number);
        socket.write_u64(number).await?;
    }
    Ok(())
}

async fn ask() -> std::io::Result<()> {
    loop {
        let mut socket = TcpStream::connect(("server", PORT)).await?;
        let number = socket.read_u64().await?;
        delivered("answers", number, number);
        socket.read_to_end(&mut Vec::new()).await?;
    }
}

#[test]
fn whoever_has_done_with_a_connection_has_lost_nothing() {
    let asked = |kind: &str, key: &str, value: &str| {
        let trouble = Trouble::kind(kind).set("from", "client").set("to", "server").set(key, value);
        let trial = Trial::new(7).host("server", answer).host("client", ask);
        trial.fault(trouble.at(2.minutes()).lasting(2.minutes()))
    };
    assert_eq!(windows(asked("latency", "latency", "2ms")), []);
    assert_eq!(windows(asked("loss", "rate", "1%")), []);
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
    let told = message(|| feed().run(20.minutes()).assert_delivered("ordres"));
    assert!(told.contains("nobody got a message of the stream `ordres`; did you mean `orders`?"), "{told}");
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
    let idle = |trial: Trial| trial.host("idle", std::future::pending::<()>).follows("idle", "orders");
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

/// What this program prints when it runs that test of its own with those variables; whether the test passes.
fn again(test: &str, variables: &[(&str, &str)]) -> (String, bool) {
    let mut command = Command::new(std::env::current_exe().expect("a test has a program"));
    command.args(["--exact", "--nocapture", test]).env_remove("RUST_BACKTRACE").env(ON_PURPOSE, "1");
    let output = command.envs(variables.iter().copied()).output().expect("the program starts");
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (told, output.status.success())
}

/// Tests that fail on purpose do so only for those that run them again.
const ON_PURPOSE: &str = "STRANGERS_FAIL_ON_PURPOSE";

#[test]
fn fails_on_purpose() {
    if std::env::var_os(ON_PURPOSE).is_none() {
        return;
    }
    with_bug("skips")
        .fault(Trouble::pause("client").at(8.minutes()).lasting(1.seconds()))
        .run(20.minutes())
        .assert_passed();
}

#[test]
fn panics_on_purpose() {
    if std::env::var_os(ON_PURPOSE).is_none() {
        return;
    }
    with_bug("panics").run(20.minutes()).assert_passed();
}

#[test]
fn the_environment_chooses_the_seed_and_asks_for_more() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let reports = folder.path().display().to_string();
    let (told, passed) = again(
        "fails_on_purpose",
        &[("PULSELESS_SEED", "0x2A"), ("PULSELESS_REPORT", &reports), ("PULSELESS_SHRINK", "1")],
    );
    assert!(!passed && told.contains("seed     42 (from PULSELESS_SEED)"), "{told}");
    assert!(told.contains("again    PULSELESS_SEED=42 ") && told.contains(" fails_on_purpose -- --exact"), "{told}");
    assert!(folder.path().join("fails_on_purpose-seed-42.html").is_file(), "{told}");
    assert!(told.contains("small    1 of 2 faults, 3 of 3 hosts: "), "{told}");
    let replays = told.lines().find_map(|line| line.trim().strip_prefix("PULSELESS_REPLAY=")).expect("a small case");
    let case = replays.split(' ').next().expect("a path");
    let (told, passed) = again("fails_on_purpose", &[("PULSELESS_REPLAY", case)]);
    assert!(!passed && told.contains(&format!("seed     42 (from {case}, reproduced bit for bit)")), "{told}");
    assert!(told.contains(&format!("again    PULSELESS_SEED=42 PULSELESS_REPLAY={case} ")), "{told}");
    assert!(told.contains("/fails_on_purpose-seed-42.replayed.case.json\n"), "{told}");
    let (told, _) = again("panics_on_purpose", &[("PULSELESS_REPLAY", case)]);
    assert!(told.contains("(from the test; PULSELESS_REPLAY names a case of another test, fails_on_purpose"), "{told}");
    let (told, _) = again("fails_on_purpose", &[("PULSELESS_SEED", "seven")]);
    assert!(told.contains("PULSELESS_SEED: `seven` is not a seed"), "{told}");
}

#[test]
fn a_panic_is_told_with_its_place_and_its_frames_where_they_are_asked_for() {
    let (told, _) = again("panics_on_purpose", &[]);
    assert!(
        told.contains("host client panicked: a feed is never silent at tests/feed/programs.rs:")
            || told.contains("client panicked: a feed is never silent at tests/feed/programs.rs:"),
        "{told}"
    );
    assert!(!told.contains("backtrace of client"), "{told}");
    let (told, _) = again("panics_on_purpose", &[("RUST_BACKTRACE", "1")]);
    let frames = told.split("backtrace of client").nth(1).unwrap_or_else(|| panic!("{told}"));
    // A build without line tables has names, and one with nothing else has places.
    let shows_where = frames.contains("tests/feed/programs.rs:") || frames.contains("read_feed");
    let shows_more = frames.contains("tokio::runtime::task") || frames.contains("/src/runtime/task/");
    assert!(shows_where && !shows_more, "{frames}");
    let digest = |told: &str| told.lines().find(|line| line.starts_with("digest ")).map(str::to_owned);
    let (plain, _) = again("panics_on_purpose", &[]);
    assert_eq!(digest(&told), digest(&plain), "frames are of no digest");
}

#[test]
fn a_supervisor_begins_what_has_failed_again() {
    let fails = || with_bug("gives-up");
    assert_eq!(failures(&fails().run(20.minutes())), ["stability"]);
    let outcome = fails().restart("client", 2.seconds()).run(20.minutes());
    outcome.assert_passed();
    let story = outcome.story();
    assert!(
        story.contains("client: ended with an error: timed out") && story.contains("client: begins again"),
        "{story}"
    );
    let panics = with_bug("panics").restart("client", 2.seconds()).run(20.minutes());
    assert!(panics.story().contains("client: panicked: a feed is never silent at"), "{}", panics.story());
    panics.assert_passed();
}

#[test]
fn a_host_whose_work_is_done_is_begun_again_where_it_is_always() {
    let once = || feed().host("clock", || tokio::time::sleep(Duration::from_secs(60)));
    let begun = |trial: Trial| {
        let outcome = trial.run(20.minutes());
        outcome.assert_passed();
        let of_clock = outcome.history().records().iter().filter(|record| &*record.host == "clock");
        of_clock.filter(|record| record.event.kind() == "process-began").count()
    };
    assert_eq!(begun(once()), 1);
    assert_eq!(begun(once().set("cast.clock.restart", "always").set("cast.clock.restart-after", "60s")), 11);
}

#[test]
fn what_is_said_by_tracing_is_heard_where_the_layer_is_installed() {
    use tracing_subscriber::layer::SubscriberExt;
    // Of this program's tests only this one installs it.
    let subscriber = tracing_subscriber::registry().with(pulseless::stranger::StreamLayer);
    tracing::subscriber::set_global_default(subscriber).expect("nobody else has set one");
    let says = |word: &'static str| {
        move || async move {
            for order in 1_u64..=300 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                match word {
                    "produced" => tracing::info!(target: "pulseless", stream = "told", key = %order, order, "produced"),
                    _ => tracing::info!(target: "pulseless", stream = "told", key = %order, order, "delivered"),
                }
            }
        }
    };
    let trial = Trial::new(7).host("writer", says("produced")).host("zreader", says("delivered")).waive("leaks");
    trial.run(10.minutes()).assert_delivered("told");
}

/// A judge of a guest's own.
struct NotTheTenth;

const M1: Requirement = Requirement { number: "M1", sentence: "Nobody gets the tenth." };

impl Checker for NotTheTenth {
    fn name(&self) -> &'static str {
        "not-the-tenth"
    }

    fn promises(&self) -> &'static str {
        "Nobody gets the tenth."
    }

    fn cites(&self) -> &'static [Requirement] {
        &[M1]
    }

    fn judge(&self, history: &History) -> Verdict {
        let book = StreamBook::read(history);
        match book.got.iter().find(|got| got.order.0 == 10) {
            None => Verdict::Pass { seen: format!("messages got: {}", book.got.len()) },
            Some(got) => Verdict::Fail(Evidence {
                at: got.at,
                requirement: M1.number.to_owned(),
                host: got.host.to_owned(),
                topic: Some(got.stream.to_string()),
                id: Some(got.order),
                what: format!("{} got the tenth", got.host),
                records: vec![got.index],
            }),
        }
    }
}

#[test]
fn a_judge_of_ones_own_sits_with_the_others() {
    let outcome = feed().checker(NotTheTenth).fails("not-the-tenth").set("cites", "[\"M1\"]").run(20.minutes());
    outcome.assert_passed();
    assert!(outcome.story().contains("not-the-tenth  fail  at 10."), "{}", outcome.story());
}
