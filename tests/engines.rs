//! Two engines, one verdict: what leap says about a sim, turmoil says too, where it can express the sim.

#[path = "engines/turmoil.rs"]
mod turmoil;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use pulseless::checker::Verdict;
use pulseless::fault::kinds::Partition;
use pulseless::fault::{Between, Clause, Kind, Origin};
use pulseless::grammar::spell;
use pulseless::history::{Digest, Event, Record};
use pulseless::runner::{find_sims, read_sim};
use pulseless::sim::{Promised, SimFile};
use pulseless::subject::xmtp::SUBJECTS;
use pulseless::trial::{Conclusion, EngineKind, Outcome, inexpressible, play_on};

/// So many seeds of each sim are compared, where time allows.
const SEEDS: u64 = 20;
/// So much of each sim is played here on turmoil, in a debug build. A sim of a third of this length gets three seeds; a
/// longer one gets one seed and is cut to this length, where it can be. `.ci/run` plays every sim at its length, with more
/// seeds, on a release build.
const BUDGET: Duration = Duration::from_secs(10 * 60);
/// The same of sims with a planted bug, which may sleep with one seed.
const NEGATIVE_BUDGET: Duration = Duration::from_secs(30 * 60);
const SEED: u64 = 7;

fn sims(promising_failure: bool, budget: Duration) -> impl Iterator<Item = SimFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("sims");
    let paths = find_sims(&root).expect("sims/ holds sims");
    let cut = move |path: &Path| {
        let sim = read_sim(SUBJECTS, path, &[]).unwrap_or_else(|refusal| panic!("{refusal}"));
        if sim.duration <= budget {
            return sim;
        }
        let shorter = format!("duration={}", spell(budget)).parse().expect("a setting");
        // What does not happen in a shorter trial cannot be cut: such a sim is played at its length.
        read_sim(SUBJECTS, path, &[shorter]).unwrap_or(sim)
    };
    let sims: Vec<SimFile> = paths.iter().map(|path| cut(path)).collect();
    sims.into_iter().filter(move |sim| promises_failure(sim) == promising_failure)
}

fn promises_failure(sim: &SimFile) -> bool {
    sim.promise.verdict != Promised::Pass
}

fn sim(name: &str) -> SimFile {
    read_sim(SUBJECTS, &Path::new(env!("CARGO_MANIFEST_DIR")).join("sims").join(name), &[]).expect("a sim")
}

fn outcome(sim: &SimFile, seed: u64, engine: EngineKind) -> Outcome {
    play_on(sim, seed, engine).unwrap_or_else(|error| panic!("{} seed {seed}: failed to {error}", sim.name))
}

/// Conclusion and verdicts, a word each.
fn verdicts(outcome: &Outcome) -> Vec<String> {
    let word = |verdict: &Verdict| match verdict {
        Verdict::Pass { .. } => "pass",
        Verdict::Fail(_) => "fail",
        Verdict::Unknown { .. } => "unknown",
    };
    let judgements = outcome.judgements.iter();
    let judged = judgements.map(|judgement| format!("{}: {}", judgement.checker, word(&judgement.verdict)));
    std::iter::once(format!("promise: {}", outcome.conclusion.word())).chain(judged).collect()
}

/// Both engines agree, but for a planted bug that sleeps in a trial (reports/findings/shorter-waves-on-turmoil.md).
fn agree(promising_failure: bool, budget: Duration) {
    let mut compared = 0;
    let mut differences = Vec::new();
    for sim in sims(promising_failure, budget).filter(|sim| inexpressible(sim, &sim.plan).is_empty()) {
        let mut asleep = 0;
        let affordable = (budget.as_secs_f64() / sim.duration.as_secs_f64()) as u64;
        let seeds = affordable.clamp(1, SEEDS);
        for seed in 1..=seeds {
            let [leap, turmoil] = EngineKind::ALL.map(|engine| outcome(&sim, seed, engine));
            let sleeps =
                promises_failure(&sim) && !verdicts(&turmoil)[1..].iter().any(|verdict| verdict.ends_with("fail"));
            asleep += u64::from(sleeps);
            if verdicts(&leap) != verdicts(&turmoil) && !sleeps {
                let tell = |outcome: &Outcome| format!("{} ({})", verdicts(outcome).join(", "), outcome.conclusion);
                let (leap, turmoil) = (tell(&leap), tell(&turmoil));
                differences.push(format!("{} seed {seed}\n  leap: {leap}\n  turmoil: {turmoil}", sim.name));
            }
            compared += 1;
        }
        assert!(asleep < seeds, "the planted bug of {} never woke on turmoil", sim.name);
    }
    assert!(compared > 0, "no sim was compared");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn both_engines_keep_the_same_promises() {
    agree(false, BUDGET);
}

#[test]
fn both_engines_catch_the_same_planted_bugs() {
    agree(true, NEGATIVE_BUDGET);
}

fn pulseless(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pulseless"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("PULSELESS_SEED");
    command.output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// A killed proxy's sockets die together, which is where an order could leak in; the trials beside it count tokio's tasks
/// on, and another process has other addresses.
#[test]
#[expect(clippy::disallowed_methods, reason = "trials in parallel are what this test is about")]
fn one_seed_gives_one_digest_on_turmoil_in_any_thread_and_process() {
    let sim = sim("proxy-restarts.toml");
    let digest = || outcome(&sim, SEED, EngineKind::Turmoil).digest();
    let digests: Vec<Digest> = std::thread::scope(|scope| {
        let trials: Vec<_> = (0..2).map(|_| scope.spawn(digest)).collect();
        trials.into_iter().map(|trial| trial.join().expect("no panic")).collect()
    });
    let output =
        pulseless(&["run", "sims/proxy-restarts.toml", "--seed", "7", "--engine", "turmoil", "--format", "json"]);
    let case: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a case");
    assert_eq!(case["engine"], "turmoil");
    let there: Digest = case["digest"].as_str().expect("a digest").parse().expect("a digest");
    assert_eq!(digests, [there; 2]);
    assert_ne!(outcome(&sim, SEED + 1, EngineKind::Turmoil).digest(), there);
}

/// Nothing passes between the clients and the proxy for five minutes: the clients' HTTP/2 keepalive notices, they dial in
/// vain, and once it has healed they get everything.
#[test]
fn a_partition_that_heals_is_felt_and_survived_on_turmoil() {
    let mut sim = sim("proxy-goes-silent.toml");
    sim.promise.sometimes.clear();
    let between = Between {
        from: sim.cast().of_role("client").into_iter().cloned().collect(),
        to: BTreeSet::from(["proxy".into()]),
        one_way: false,
    };
    sim.plan.clauses = vec![Clause {
        number: 1,
        at: Duration::from_secs(120),
        lasts: Duration::from_secs(300),
        fault: Partition.on(between),
        origin: Origin::File,
    }];
    let outcome = outcome(&sim, SEED, EngineKind::Turmoil);
    assert_eq!(outcome.conclusion, Conclusion::Pass);
    let records = outcome.history.records();
    assert!(records.iter().any(|record| matches!(record.event, Event::FaultEnded { clause: 1, felt: true })));
    let cut = 120..420;
    for client in ["client-1", "client-2", "client-3"] {
        let of_client = records.iter().filter(|record| &*record.host == client);
        let (during, after): (Vec<_>, Vec<_>) = of_client
            .filter(|record| record.at.as_secs() >= cut.start)
            .partition(|record| cut.contains(&record.at.as_secs()));
        let dials = during.iter().filter(|record| matches!(record.event, Event::Dialing { .. })).count();
        assert!(dials > 1, "{client} dialed {dials} times");
        // What was passed on before the cut is on the client's side within a second.
        let commits =
            |record: &&&Record| matches!(record.event, Event::Delivered { .. }) && record.at.as_secs() > cut.start;
        assert_eq!(during.iter().filter(commits).count(), 0, "{client} got something through the cut");
        assert!(after.iter().filter(commits).count() > 0, "{client} got nothing after the cut");
    }
}

#[test]
fn a_sim_that_turmoil_cannot_express_is_refused_with_the_reason() {
    let crowd = ["sims/calm.toml", "--set", "cast.clients=200", "--engine", "turmoil"];
    let run = pulseless(&[&["run"], &crowd[..], &["--seed", "7"]].concat());
    assert_eq!(run.status.code(), Some(64));
    let said = text(&run.stderr);
    assert!(
        said.starts_with("failed to play calm: turmoil cannot express it\n  204 hosts: turmoil 0.7 visits"),
        "{said}"
    );
    let folder = tempfile::tempdir().expect("a scratch folder");
    let reports = folder.path().to_str().expect("a path of text");
    let sweep = pulseless(&[&["sweep"], &crowd[..], &["--seeds", "3", "--reports", reports]].concat());
    assert_eq!(sweep.status.code(), Some(4), "nothing was played");
    let said = text(&sweep.stdout);
    assert!(said.contains("calm is skipped: turmoil cannot express it\n  204 hosts: turmoil 0.7"), "{said}");
    assert!(said.contains("calm  0 pass, 3 skipped\n"), "{said}");
    let summary = std::fs::read_to_string(folder.path().join("latest/summary.json")).expect("a summary");
    let summary: serde_json::Value = serde_json::from_str(&summary).expect("JSON");
    assert_eq!((&summary["engine"], &summary["tally"]["skipped"]), (&"turmoil".into(), &3.into()));
    assert_eq!(summary["skipped"]["calm"].as_array().map(Vec::len), Some(1));
}

#[test]
fn the_engine_is_in_the_line_that_reproduces_and_a_case_remembers_it() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let reports = folder.path().to_str().expect("a path of text");
    let blind = ["--set", "client.watchdog=off", "--engine", "turmoil"];
    let run = pulseless(&[&["run", "sims/proxy-goes-silent.toml", "--seed", "7"], &blind[..]].concat());
    let said = text(&run.stdout);
    assert_eq!(run.status.code(), Some(1), "{said}");
    assert!(said.ends_with("--seed 7 --set client.watchdog=off --engine turmoil\n"), "{said}");
    assert!(said.contains("17m simulated on turmoil"), "{said}");
    let sweep = ["sweep", "sims/proxy-goes-silent.toml", "--from", "7", "--seeds", "1", "--reports", reports];
    assert_eq!(pulseless(&[&sweep[..], &blind[..]].concat()).status.code(), Some(1));
    let case = folder.path().join("latest/proxy-goes-silent-seed-7.case.json");
    let case = case.to_str().expect("a path of text");
    let replay = text(&pulseless(&["replay", case]).stdout);
    assert!(replay.contains("reproduced bit for bit"), "{replay}");
    let other = text(&pulseless(&["replay", case, "--engine", "leap"]).stdout);
    assert!(!other.contains("before "), "two engines give two digests: {other}");
    assert!(other.contains("verdict  fail") && other.ends_with("--engine leap\n"), "{other}");
}
