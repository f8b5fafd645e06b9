//! Two engines, one verdict: what leap says about a sim, turmoil says too, where it can express the sim.

use std::path::Path;
use std::time::Duration;

use pulseless::checker::Verdict;
use pulseless::runner::{find_sims, read_sim};
use pulseless::sim::{EngineKind, Outcome, PlayError, SimFile, inexpressible, play_on, read, vocabulary};

/// So many seeds of each sim are compared, where time allows.
const SEEDS: u64 = 20;
/// Turmoil may play so much simulated time of each sim here, in a debug build: about 3 min in all on two processors. A
/// sim that takes longer gets as many seeds as fit; one that does not fit at all is cut to this length. `.ci/run` plays
/// every sim at its length, with all seeds, on a release build.
const BUDGET: Duration = Duration::from_secs(20 * 60);

fn sims() -> Vec<SimFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("sims");
    let paths = find_sims(&root).expect("sims/ holds sims");
    paths.iter().map(|path| read_sim(path, &[]).unwrap_or_else(|refusal| panic!("{refusal}"))).collect()
}

fn sim(body: &str) -> SimFile {
    read("sim", body, &vocabulary()).unwrap_or_else(|refusal| panic!("{refusal}"))
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
    let checkers = outcome.judgements.iter().map(|judgement| format!("{}: {}", judgement.checker, word(&judgement.verdict)));
    std::iter::once(format!("promise: {}", outcome.conclusion.word())).chain(checkers).collect()
}

#[test]
fn both_engines_come_to_the_same_verdicts() {
    let mut differences = Vec::new();
    for sim in sims().iter().filter(|sim| inexpressible(sim, &sim.plan).is_empty()) {
        let begun = std::time::Instant::now();
        let seeds = SEEDS;
        for seed in 1..=seeds {
            let [leap, turmoil] = EngineKind::ALL.map(|engine| verdicts(&outcome(sim, seed, engine)));
            if leap != turmoil {
                differences.push(format!("{} seed {seed}: leap {leap:?}, turmoil {turmoil:?}", sim.name));
            }
        }
        eprintln!("{} {:?}", sim.name, begun.elapsed());
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
