//! Every sim keeps its promise, and every planted bug is caught by the checker that its sim names.

use std::path::{Path, PathBuf};

use pulseless::checker::{self, Verdict};
use pulseless::runner::{find_sims, read_sim};
use pulseless::sim::{Promised, SimFile};
use pulseless::subject::xmtp::{client, node};
use pulseless::trial::{Conclusion, play};

/// Enough to meet different latencies in each run of the tests; a sweep plays hundreds.
const SEEDS: [u64; 2] = [1, 7];

fn sims() -> Vec<(PathBuf, SimFile)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("sims");
    let paths = find_sims(&root).expect("sims/ holds sims");
    let read = |path: PathBuf| {
        let sim = read_sim(&path, &[]).unwrap_or_else(|refusal| panic!("{refusal}"));
        (path, sim)
    };
    paths.into_iter().map(read).collect()
}

fn is_negative(path: &Path) -> bool {
    path.components().any(|component| component.as_os_str() == "negative")
}

fn keep_promises(negative: bool) {
    for (path, sim) in sims().into_iter().filter(|(path, _)| is_negative(path) == negative) {
        // A past failure is the failure of one seed.
        for seed in sim.seed.map_or(SEEDS.to_vec(), |seed| vec![seed]) {
            let outcome = play(&sim, seed).unwrap_or_else(|error| panic!("{} seed {seed}: {error}", path.display()));
            assert_eq!(outcome.conclusion, Conclusion::Pass, "{} seed {seed}", path.display());
        }
    }
}

#[test]
fn every_sim_keeps_its_promise() {
    keep_promises(false);
}

#[test]
fn every_planted_bug_is_caught_by_the_checker_that_its_sim_names() {
    keep_promises(true);
}

#[test]
fn negative_sims_promise_failures_and_the_others_do_not() {
    for (path, sim) in sims() {
        let promises_failure = sim.promise.verdict != Promised::Pass;
        assert_eq!(promises_failure, is_negative(&path), "{}", path.display());
    }
}

#[test]
fn every_checker_has_a_planted_bug() {
    let caught: Vec<String> = sims()
        .into_iter()
        .filter_map(|(_, sim)| match sim.promise.verdict {
            Promised::Fail { checker } => Some(checker),
            Promised::Pass => None,
        })
        .collect();
    for checker in checker::all() {
        assert!(caught.iter().any(|name| name == checker.name()), "no negative sim names {}", checker.name());
    }
}

#[test]
fn every_planted_bug_has_a_sim() {
    let sims = sims();
    for quirk in client::ClientQuirk::ALL {
        let planted = sims.iter().any(|(_, sim)| sim.client.quirk.as_deref() == Some(quirk.name()));
        assert!(planted, "no sim plants the client's {quirk}");
    }
    for quirk in node::NodeQuirk::ALL {
        let planted = sims.iter().any(|(_, sim)| sim.node.quirk.as_deref() == Some(quirk.name()));
        assert!(planted, "no sim plants the node's {quirk}");
    }
}

/// The same faults without the planted bug: the sim's failure is the bug's doing, not the faults'.
#[test]
fn a_negative_sim_passes_without_its_bug() {
    for (path, mut sim) in sims().into_iter().filter(|(path, _)| is_negative(path)) {
        // What no client and no node of this protocol survives is nobody's bug.
        if sim.client.quirk.is_none() && sim.node.quirk.is_none() && sim.client.watchdog.is_some() {
            continue;
        }
        (sim.client.quirk, sim.node.quirk) = (None, None);
        sim.client.watchdog = sim.client.watchdog.or(Some(client::WATCHDOG_INTERVALS));
        let outcome = play(&sim, 7).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for judgement in outcome.judgements {
            assert!(!matches!(judgement.verdict, Verdict::Fail(_)), "{}: {judgement:?}", path.display());
        }
    }
}

#[test]
fn a_dead_stream_without_a_watchdog_names_the_subscriber_the_topic_and_the_first_missing_id() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let setting = "client.watchdog=off".parse().expect("a setting");
    let sim = read_sim(&root.join("sims/proxy-goes-silent.toml"), &[setting]).expect("a sim");
    let outcome = play(&sim, 7).expect("played");
    assert!(matches!(outcome.conclusion, Conclusion::Fail(_)), "{:?}", outcome.conclusion);
    let convergence = outcome.judgements.iter().find(|judgement| judgement.checker == "convergence");
    let Some(Verdict::Fail(evidence)) = convergence.map(|judgement| &judgement.verdict) else {
        panic!("convergence does not fail: {convergence:?}");
    };
    assert_eq!(evidence.host, "client-1");
    assert_eq!(evidence.topic.as_deref(), Some("group:topic-1"));
    assert!(evidence.id.is_some(), "{evidence:?}");
}

/// The table of faults tells the truth: each row's sims play that kind, and no kind is left out.
#[test]
fn every_fault_of_the_table_is_played_by_the_sims_that_it_names() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).expect("the page is there");
    let (_, table) = text.split_once("\n## Faults\n").expect("the page has a section on faults");
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let mut told = Vec::new();
    for row in table.lines().take_while(|line| !line.starts_with('#')).filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let kind = quoted(cells[0]).remove(0);
        let names = quoted(cells.last().expect("a row has cells"));
        assert!(!names.is_empty(), "no sim plays {kind}");
        for name in names {
            let sim = read_sim(&root.join("sims").join(format!("{name}.toml")), &[]).expect("the table names a sim");
            let plays = sim.plan.clauses.iter().any(|clause| clause.fault.kind() == kind);
            assert!(plays, "{name} does not play {kind}");
        }
        told.push(kind);
    }
    for (path, sim) in sims() {
        for clause in &sim.plan.clauses {
            assert!(told.iter().any(|kind| kind == clause.fault.kind()), "{}: {}", path.display(), clause.fault.kind());
        }
    }
    assert_eq!(told.len(), 25, "a kind of fault has no row, or a new one has come");
}
