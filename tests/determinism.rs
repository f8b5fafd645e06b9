//! Same sim and seed: one digest, in any process, thread, order and build profile.

use std::path::Path;
use std::process::Command;

use pulseless::history::Digest;
use pulseless::runner::read_sim;
use pulseless::sim::{SimFile, play};

const PROCESSES: usize = 20;
const THREADS: usize = 8;
const SEED: u64 = 7;

fn sim(name: &str) -> SimFile {
    read_sim(&Path::new(env!("CARGO_MANIFEST_DIR")).join("sims").join(name), &[]).expect("a sim")
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

#[test]
fn two_seeds_give_two_digests() {
    let sim = sim("proxy-goes-silent.toml");
    assert_ne!(digest(&sim, SEED), digest(&sim, SEED + 1));
}

/// Debug and release agree with one committed value. A change of behaviour changes it: look at why, then
/// commit what `cargo test --test determinism` prints.
#[test]
fn the_digests_are_the_committed_ones() {
    let committed = include_str!("digests.txt");
    for line in committed.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, expected) = line.split_once(' ').expect("a sim and its digest");
        assert_eq!(digest(&sim(name), SEED).to_string(), expected, "{name} seed {SEED}");
    }
}
