//! The scripted node judges our client: as it is, with each of its planted bugs, and as a program.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pulseless::env::{Address, Env};
use pulseless::os::Os;
use pulseless::subject::xmtp::client::{
    ClientConfig, ClientError, ClientNotice, ClientObserver, ClientQuirk, subscribe,
};
use pulseless::subject::xmtp::conformance::{
    ClientConformance, Launch, RowReport, RowResult, client_requirements, conform_client,
};
use pulseless::subject::xmtp::spec;
use pulseless::subject::xmtp::wire::{Add, Cursor, MessageKind, Topic};
use pulseless::subject::xmtp::workload::Consumer;
use tempfile::TempDir;
use tokio::task::{JoinHandle, JoinSet};

use crate::bench::command;
use crate::served::Listening;

/// What the scripted node advertises: 30 s at a scale that a test can wait for.
const INTERVAL: Duration = Duration::from_secs(1);

/// Which requirement's rows find a planted bug; none where no scripted node can see it, and why.
const FOUND_BY: &[(ClientQuirk, Result<&str, &str>)] = &[
    (ClientQuirk::CursorInMemoryOnly, Ok("C3")),
    (ClientQuirk::FloorForgotten, Ok("C3")),
    (ClientQuirk::WatchdogCountsConsumer, Err("it shows only where the application is slow")),
    (ClientQuirk::PongWithheld, Ok("C1")),
    (ClientQuirk::BackoffWithoutJitter, Err("one client alone may draw any delay")),
    (ClientQuirk::TopicLeftBehind, Ok("C3")),
    (ClientQuirk::ResumesAhead, Ok("C3")),
    (ClientQuirk::KeepsHalfReadFrame, Err("it shows only where a connection breaks within a frame")),
    (ClientQuirk::CommitsUnsynced, Err("it shows only where the machine loses its power")),
    (ClientQuirk::CursorFirst, Err("it shows only where the client dies between two transactions")),
    (ClientQuirk::SpinsWithoutInbox, Err("it shows only where the client's disk fails")),
    (ClientQuirk::BackoffWithoutDoubling, Err("it shows only after many failures in a row")),
    (ClientQuirk::StopsAfterEnding, Err("not played here: the negative sim of its name shows it")),
    (ClientQuirk::LeavesHealthyStreams, Err("it shows only on a stream that is older than a row")),
    (ClientQuirk::OpensTwice, Err("not played here: the negative sim of its name shows it")),
    (ClientQuirk::ProcessesLate, Err("no peer sees when an application is told")),
    (ClientQuirk::StoresUnprocessed, Err("no peer sees what an application is told")),
    (ClientQuirk::StandsStill, Err("it shows only where the application is behind")),
    (ClientQuirk::DropsWithoutRoom, Err("it shows only where the application is behind")),
    (ClientQuirk::ResendsRefused, Ok("C4")),
    (ClientQuirk::NoProbeAtResume, Err("it shows only where the client was suspended")),
    (ClientQuirk::WaitsWhenStale, Err("it shows only where the client was suspended")),
    (ClientQuirk::OneCursorForOriginators, Err("the scripted node speaks v1, whose cursors have no originators")),
    (ClientQuirk::LeavesConnections, Err("not played here: the negative sim of its name shows it")),
    (ClientQuirk::WatchdogCountsBytes, Err("it shows only where bytes come that are no frame")),
    (ClientQuirk::OlderCallsUnwatched, Err("the watchdog of the older calls waits for minutes")),
    (ClientQuirk::ProbesAtEachFlap, Err("it shows only where the client was suspended")),
    (ClientQuirk::AsksFromConfiguration, Ok("C3")),
];

/// Requirements of a client that no row judges, and why.
const UNJUDGED: &[(&str, &str)] = &[("C5", "no node can suspend a client")];

struct Deaf;

impl ClientObserver for Deaf {
    fn notice(&self, _: ClientNotice) {}
}

/// A client in a task of its own, which ends with this.
struct Launched(JoinHandle<Result<std::convert::Infallible, ClientError>>);

impl Drop for Launched {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Launches our client with two topics and one inbox for all its lives.
fn launcher(node: Address, quirk: Option<ClientQuirk>, folder: &TempDir) -> Launch {
    let env: Env = Arc::new(Os::default().with_folder(folder.path()));
    let add = |name: &str| Add { topic: Topic::new(MessageKind::Group, name.as_bytes()), cursor: Cursor(0) };
    let config = ClientConfig { quirk, ..ClientConfig::new(node, vec![add("alpha"), add("beta")]) };
    Box::new(move || {
        let consumer = Consumer { time: Duration::ZERO };
        let client = tokio::spawn(subscribe(Arc::clone(&env), config.clone(), consumer, Arc::new(Deaf)));
        Ok(Box::new(Launched(client)))
    })
}

async fn judge_by(quirk: Option<ClientQuirk>, only: &str) -> ClientConformance {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let (env, address) = Listening::new(Os::default()).await;
    let port = address.port;
    let launch = launcher(address, quirk, &folder);
    conform_client(Arc::new(env), port, INTERVAL, launch, &[only.to_owned()]).await.expect("it is launched")
}

/// What every row finds; those of each requirement at the same time, with a client of their own.
async fn judge(quirk: Option<ClientQuirk>) -> Vec<RowReport> {
    let mut judging = JoinSet::new();
    for requirement in client_requirements() {
        judging.spawn(judge_by(quirk, requirement));
    }
    judging.join_all().await.into_iter().flat_map(|judged| judged.rows).collect()
}

fn with(rows: &[RowReport], result: RowResult) -> BTreeSet<&'static str> {
    rows.iter().filter(|row| row.result == result).map(|row| row.requirement).collect()
}

fn verdicts(rows: &[RowReport]) -> String {
    let line = |row: &RowReport| format!("{} {:?} {}: {}", row.requirement, row.result, row.title, row.evidence);
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn our_client_conforms() {
    let rows = judge(None).await;
    assert_eq!(with(&rows, RowResult::Violation), BTreeSet::new(), "{}", verdicts(&rows));
    // It never half-closes by itself.
    let open: Vec<&str> = rows.iter().filter(|row| row.result == RowResult::NotJudged).map(|row| row.title).collect();
    assert_eq!(open, ["a half-closed stream is not watched"], "{}", verdicts(&rows));
}

/// Each with a test of its own, so that one failure hides no other.
macro_rules! each_is_found {
    ($($test:ident: $quirk:ident,)+) => {
        $(
            #[tokio::test]
            async fn $test() {
                assert_found(ClientQuirk::$quirk).await;
            }
        )+

        const TESTED: &[ClientQuirk] = &[$(ClientQuirk::$quirk),+];
    };
}

each_is_found! {
    cursors_in_memory_only_are_found: CursorInMemoryOnly,
    a_forgotten_floor_is_found: FloorForgotten,
    a_withheld_pong_is_found: PongWithheld,
    a_topic_left_behind_is_found: TopicLeftBehind,
    a_resume_that_runs_ahead_is_found: ResumesAhead,
    a_poison_that_is_resent_is_found: ResendsRefused,
    what_asks_from_the_configuration_is_found: AsksFromConfiguration,
}

async fn assert_found(quirk: ClientQuirk) {
    let (_, row) = FOUND_BY.iter().find(|(one, _)| *one == quirk).expect("the table has every quirk");
    let requirement = row.expect("a scripted node sees it");
    let judged = judge_by(Some(quirk), requirement).await;
    assert!(with(&judged.rows, RowResult::Violation).contains(requirement), "{quirk}:\n{}", verdicts(&judged.rows));
}

#[test]
fn every_quirk_of_a_client_has_its_row_or_its_reason() {
    let listed: Vec<ClientQuirk> = FOUND_BY.iter().map(|(quirk, _)| *quirk).collect();
    assert_eq!(listed, ClientQuirk::ALL);
    let visible: Vec<ClientQuirk> = FOUND_BY.iter().filter(|(_, row)| row.is_ok()).map(|(quirk, _)| *quirk).collect();
    assert_eq!(visible, TESTED);
}

#[test]
fn every_requirement_of_a_client_has_a_row_or_a_reason() {
    let numbers = spec::ALL.iter().map(|requirement| requirement.number);
    let of_clients: BTreeSet<&str> = numbers.filter(|number| number.starts_with('C')).collect();
    let judged: BTreeSet<&str> =
        client_requirements().into_iter().chain(UNJUDGED.iter().map(|(number, _)| *number)).collect();
    assert_eq!(judged, of_clients);
}

/// Runs `pulseless conform-client` by the rows of one requirement, with `pulseless tail` as the client.
async fn judge_tail(only: &str, more: &[&str]) -> (String, Option<i32>) {
    let (_, address) = Listening::new(Os::default()).await;
    let (folder, address) = (tempfile::tempdir().expect("a scratch folder"), address.to_string());
    let inbox = folder.path().join("inbox").display().to_string();
    let judge = ["conform-client", "--listen", &address, "--interval", "1s", "--only", only, "--"];
    let tail = [env!("CARGO_BIN_EXE_pulseless"), "tail", "--from", &address, "--topic", "news", "--inbox", &inbox];
    command(&[&judge[..], &tail, more].concat()).await
}

#[tokio::test]
async fn our_tail_conforms_as_a_program_and_outlives_no_row() {
    let (told, exit) = judge_tail("C3", &[]).await;
    assert_eq!(exit, Some(0), "{told}");
    assert!(told.contains("C3  pass") && told.contains("3 rows: 3 pass"), "{told}");
    let (told, exit) = judge_tail("C1", &["--at-least-once", "--json"]).await;
    assert_eq!(exit, Some(0), "{told}");
}

#[tokio::test]
async fn a_bounded_catch_up_is_judged_by_its_half_close() {
    let (told, exit) = judge_tail("C4", &["--topic", "more", "--until-now"]).await;
    // Whether it keeps one stream only is not to be seen of it; after a refusal it gives up.
    assert_eq!(exit, Some(2), "{told}");
    assert!(told.contains("until its wave was complete") && told.contains("2 pass, 1 not judged (C4)"), "{told}");
}

#[tokio::test]
async fn a_client_that_cannot_be_started_is_wrong_use() {
    for (arguments, part) in [
        (["--listen", "127.0.0.1:1", "--only", "C5", "--", "true"], "no row judges a client by `C5`"),
        (["--listen", "127.0.0.1:0", "--only", "C1", "--", "true"], "is not a port"),
    ] {
        let (told, exit) = command(&[&["conform-client"][..], &arguments].concat()).await;
        assert!(exit == Some(64) && told.contains(part), "{told}");
    }
    let (_, address) = Listening::new(Os::default()).await;
    let (told, exit) = command(&["conform-client", "--listen", &address.to_string(), "--", "no-such-program"]).await;
    assert!(exit == Some(64) && told.contains("failed to launch the client: no-such-program"), "{told}");
}
