//! Same sim and seed: one digest, in any process, thread, order and build profile.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use pulseless::history::{Digest, Event};
use pulseless::runner::{
    Case, Difference, Digests, Played, Replay, Stretch, Trace, find_sims, numbers_to_keep, read_sim, read_sims, repeat,
};
use pulseless::sim::SimFile;
use pulseless::subject::xmtp::SUBJECTS;
use pulseless::trial::{EngineKind, play, play_captured, record};
use pulseless::world::{Captured, CapturedSegment};

const PROCESSES: usize = 20;
const THREADS: usize = 8;
const SEED: u64 = 7;

fn sims() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sims")
}

fn sim(name: &str) -> SimFile {
    read_sim(SUBJECTS, &sims().join(name), &[]).expect("a sim")
}

fn digest(sim: &SimFile, seed: u64) -> Digest {
    play(sim, seed).expect("played").digest()
}

fn digest_of_process(binary: &str, sim: &str) -> Digest {
    let output = Command::new(binary)
        .args(["run", sim, "--seed", &SEED.to_string(), "--format", "json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the binary runs");
    let case: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a case");
    case["digest"].as_str().expect("a digest").parse().expect("a digest")
}

#[test]
fn twenty_processes_agree() {
    let here = digest(&sim("proxy-goes-silent.toml"), SEED);
    for _ in 0..PROCESSES {
        assert_eq!(digest_of_process(env!("CARGO_BIN_EXE_pulseless"), "sims/proxy-goes-silent.toml"), here);
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "trials in parallel are what this test is about")]
fn eight_parallel_trials_agree() {
    let sim = sim("node-restarts.toml");
    let here = digest(&sim, SEED);
    let digests = std::thread::scope(|scope| {
        let trials: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| digest(&sim, SEED))).collect();
        trials.into_iter().map(|trial| trial.join().expect("no panic")).collect::<Vec<_>>()
    });
    assert_eq!(digests, [here; THREADS]);
}

#[test]
fn what_was_played_before_leaves_no_trace() {
    let (sim, unrelated) = (sim("clients-restart.toml"), sim("proxy-restarts.toml"));
    let alone = digest(&sim, SEED);
    digest(&unrelated, 99);
    assert_eq!(digest(&sim, SEED), alone);
}

/// Every byte that went over the links, and when: of TLS all of it is drawn, from keys to tickets.
fn bytes_of(sim: &SimFile, seed: u64) -> (Digest, Vec<CapturedSegment>, String) {
    let (outcome, kept) = play_captured(sim, seed).expect("played");
    (outcome.digest(), kept.segments, kept.secrets)
}

#[test]
#[expect(clippy::disallowed_methods, reason = "trials in parallel are what this test is about")]
fn tls_of_a_trial_is_its_seeds_to_the_last_byte() {
    for name in ["proxy-goes-silent-behind-tls.toml", "edge-without-h2.toml"] {
        let sim = sim(name);
        let binary = env!("CARGO_BIN_EXE_pulseless");
        // The first process asks the system whether it has getrandom at all, and every other that follows, too.
        let processes: Vec<Digest> = (0..3).map(|_| digest_of_process(binary, &format!("sims/{name}"))).collect();
        let first = bytes_of(&sim, SEED);
        assert_eq!(processes, [first.0; 3], "{name}");
        let is_tls = |segment: &CapturedSegment| match &segment.what {
            Captured::Burst { bytes, .. } => bytes.first() == Some(&22),
            Captured::Syn
            | Captured::SynAck
            | Captured::Acknowledgment { .. }
            | Captured::WindowUpdate { .. }
            | Captured::Probe
            | Captured::Reset
            | Captured::Renewed => false,
        };
        assert!(first.1.iter().filter(|segment| is_tls(segment)).count() > 8, "{name}: handshakes");
        assert!(first.2.contains("CLIENT_TRAFFIC_SECRET_0"), "{name}");
        assert_ne!(bytes_of(&sim, SEED + 1).2, first.2, "{name}: another seed has other keys");
        let others = std::thread::scope(|scope| {
            let trials: Vec<_> = (0..4).map(|_| scope.spawn(|| bytes_of(&sim, SEED))).collect();
            trials.into_iter().map(|trial| trial.join().expect("no panic")).collect::<Vec<_>>()
        });
        assert!(others.iter().all(|other| *other == first), "{name}");
    }
}

#[test]
fn two_seeds_give_two_digests() {
    let sim = sim("proxy-goes-silent.toml");
    assert_ne!(digest(&sim, SEED), digest(&sim, SEED + 1));
}

/// Debug and release agree with one committed value, for every sim. A change of behavior changes it: look at why,
/// then commit what `pulseless sweep sims --from 7 --seeds 1 --digests tests/digests.txt` writes.
#[test]
fn the_digests_are_the_committed_ones() {
    const WRITE: &str = "`pulseless sweep sims --from 7 --seeds 1 --digests tests/digests.txt` writes it";
    let committed = Digests::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/digests.txt")).expect("digests");
    let sims = read_sims(SUBJECTS, &find_sims(&sims()).expect("sims/ holds sims"), &[]).expect("sims");
    let seed_of = |sim: &SimFile| sim.seed.filter(|_| sim.once).unwrap_or(SEED);
    for (name, seed, _) in committed.iter() {
        let is_sim = sims.iter().any(|sim| sim.name == name && seed == seed_of(sim));
        assert!(is_sim, "tests/digests.txt has {name} seed {seed}, and there is no such sim or seed; {WRITE}");
    }
    for sim in sims {
        let seed = seed_of(&sim);
        let Some(expected) = committed.get(&sim.name, seed) else {
            panic!("tests/digests.txt has no line for {} seed {seed}; {WRITE}", sim.name);
        };
        let found = digest(&sim, seed);
        assert_eq!(found, expected, "{} seed {seed}; if the change is meant, {WRITE}", sim.name);
    }
}

#[test]
fn plays_on_several_threads_at_once_agree_with_those_before_them() {
    let sim = sim("one-way-silence.toml");
    let expected = Trace::of(&play(&sim, SEED).expect("played").history);
    let told = Mutex::new(Vec::new());
    repeat(&sim, SEED, EngineKind::Leap, 7, &(0..0), |played| told.lock().expect("no panic").push(played.clone()))
        .expect("played");
    let told = told.into_inner().expect("no panic");
    let again = Played::Again(expected.digest);
    assert_eq!((&told[0], &told[1..]), (&Played::New(expected), &vec![again; 6][..]));
}

/// The planted nondeterminism: one play has its second fault a second later than the other. (At the first, stock is taken.)
#[test]
fn the_first_event_that_differs_between_two_plays_is_found_and_nothing_before_it() {
    let setting = |value: &str| format!("fault.2.at={value}").parse().expect("a setting");
    let path = sims().join("sync-fails.toml");
    let original = sim("sync-fails.toml");
    let began = Event::FaultBegan(original.plan.clauses[1].clone());
    let at = original.plan.clauses[1].at;
    let later = read_sim(SUBJECTS, &path, &[setting(&format!("{}s", at.as_secs() + 1))]).expect("a sim");
    let trace = |sim: &SimFile, agreed| {
        Trace::of(&record(sim, SEED, EngineKind::Leap, numbers_to_keep(agreed)).expect("played"))
    };
    let stretch = Stretch::between(&trace(&original, 0), &trace(&later, 0)).expect("they differ");
    assert!(
        stretch.since < at && stretch.until.is_none_or(|until| until >= at),
        "{stretch:?}, and the fault at {at:?}"
    );
    let (one, other) = (trace(&original, stretch.agreed), trace(&later, stretch.agreed));
    let found = Difference::between(&one, &other, stretch.agreed).expect("the first difference");
    let [one, other] = found.sides.map(|side| side.event.expect("an event"));
    assert_eq!((one.what, one.at, &*one.host), (began.to_string(), at, "world"));
    assert_eq!(one.number, other.number);
    assert!(other.at >= at, "{other:?}");
    let before: Vec<u64> = found.before.iter().map(|event| event.number).collect();
    assert_eq!(before, (one.number - 3..one.number).collect::<Vec<_>>());
    assert!(found.before.iter().all(|event| event.at <= at), "{:?}", found.before);
}

/// A process that tells these plays: what a worker of `replay` would.
fn telling(plays: &[Played]) -> Command {
    let lines: Vec<String> = plays.iter().map(|play| serde_json::to_string(play).expect("plain data")).collect();
    let mut command = Command::new("printf");
    command.arg("%s\\n").args(lines);
    command
}

#[test]
fn processes_that_differ_are_played_again_for_the_first_event_in_which_they_do() {
    let sim = sim("one-way-silence.toml");
    let case = Case::of(&play(&sim, SEED).expect("played"));
    let start = |keep_after: Option<u64>| {
        let kept = keep_after.map_or(0..0, numbers_to_keep);
        let play = |seed| Played::New(Trace::of(&record(&sim, seed, EngineKind::Leap, kept.clone()).expect("played")));
        telling(&[play(SEED), Played::Again(case.digest), play(SEED + 1)])
    };
    let replayed = Replay { case: &case, times: 3, processes: 2, start }.run(|_, _| ()).expect("replayed");
    let counts: Vec<_> = replayed.digests.iter().map(|tallied| (tallied.expected, tallied.count)).collect();
    assert_eq!((replayed.reproduced, counts), (false, vec![(true, 4), (false, 2)]));
    let parting = replayed.parting.expect("they part");
    let sides = parting.difference.expect("both sides came back").sides;
    assert_eq!(sides[0].digest, case.digest);
    let [one, other] = sides.map(|side| side.event.expect("an event"));
    assert_eq!(one.number, other.number);
    assert_ne!((one.at, one.host, one.particulars), (other.at, other.host, other.particulars));
}

#[test]
fn a_process_that_fails_is_an_error_that_names_it() {
    let case = Case::of(&play(&sim("one-way-silence.toml"), SEED).expect("played"));
    let shell = |line: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        command
    };
    for (line, part) in [
        ("exit 70", "process 1 of 1: it ended with exit status: 70"),
        ("echo nonsense", "process 1 of 1: it said what is no play: "),
        ("true", "process 1 of 1: it told 0 plays and was asked for 2"),
    ] {
        let replay = Replay { case: &case, times: 2, processes: 1, start: |_| shell(line) };
        let error = replay.run(|_, _| ()).expect_err("it fails").to_string();
        assert!(error.contains(part), "{error}");
    }
}
