//! Every sim keeps its promise, and every planted bug is caught by the checker that its sim names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pulseless::campaign::TrialCoverage;
use pulseless::checker::{Verdict, bench};
use pulseless::runner::{find_sims, read_sim};
use pulseless::sim::{Promised, SimFile};
use pulseless::subject::xmtp::settings::XmtpSettings;
use pulseless::subject::xmtp::wire::Dialect;
use pulseless::subject::xmtp::{SUBJECTS, XmtpSetup};
use pulseless::subject::xmtp::{checker, client, gateway, node};
use pulseless::trial::{Conclusion, play};

/// Enough to meet different latencies in each run of the tests; a sweep plays hundreds.
const SEEDS: [u64; 2] = [1, 7];

fn sims() -> Vec<(PathBuf, SimFile)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("sims");
    let paths = find_sims(&root).expect("sims/ holds sims");
    let read = |path: PathBuf| {
        let sim = read_sim(SUBJECTS, &path, &[]).unwrap_or_else(|refusal| panic!("{refusal}"));
        (path, sim)
    };
    paths.into_iter().map(read).collect()
}

fn settings(sim: &SimFile) -> &XmtpSettings {
    XmtpSetup::settings(&*sim.setup).expect("our own subject")
}

fn is_negative(path: &Path) -> bool {
    path.components().any(|component| component.as_os_str() == "negative")
}

fn keep_promises(negative: bool) {
    for (path, sim) in sims().into_iter().filter(|(path, _)| is_negative(path) == negative) {
        // A past failure is the failure of one seed.
        for seed in sim.seed.filter(|_| sim.once).map_or(SEEDS.to_vec(), |seed| vec![seed]) {
            let outcome = play(&sim, seed).unwrap_or_else(|error| panic!("{} seed {seed}: {error}", path.display()));
            assert_eq!(outcome.conclusion, Conclusion::Pass, "{} seed {seed}", path.display());
            let unforeseen = TrialCoverage::of(&outcome).unforeseen();
            // A planted bug may go where there is no way.
            assert!(
                negative || unforeseen.is_empty(),
                "{} seed {seed}: no campaign looks for {unforeseen:?}",
                path.display()
            );
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

/// TLS at proxies and nodes changes what a dial takes and how its end is told, and nothing of what is promised.
#[test]
fn promises_are_kept_behind_tls_as_in_the_clear() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("sims");
    for name in [
        "storm.toml",
        "storm-of-lies.toml",
        "lossy-links.toml",
        "mtu-black-hole.toml",
        "sleepy-phone.toml",
        "gateway.toml",
        "examined-node.toml",
        "rapid-reset.toml",
        "negative/watchdog-off.toml",
        "negative/keeps-half-read-frame.toml",
    ] {
        let tls = ["cast.proxy.tls=true", "node.tls=true"].map(|setting| setting.parse().expect("a setting"));
        let sim = read_sim(SUBJECTS, &root.join(name), &tls).unwrap_or_else(|refusal| panic!("{refusal}"));
        assert!(settings(&sim).proxy_tls.is_some());
        assert_eq!(play(&sim, 7).expect("played").conclusion, Conclusion::Pass, "{name}");
    }
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
    let sims = sims();
    let caught: Vec<&str> = sims
        .iter()
        .filter_map(|(_, sim)| match sim.promise.verdict {
            Promised::Fail { checker } => Some(checker),
            Promised::Pass => None,
        })
        .collect();
    for checker in bench(checker::ALL) {
        assert!(caught.iter().any(|name| *name == checker.name()), "no negative sim names {}", checker.name());
    }
}

#[test]
fn every_planted_bug_has_a_sim() {
    let sims = sims();
    for quirk in client::ClientQuirk::ALL {
        let planted = sims.iter().any(|(_, sim)| settings(sim).client.quirk == Some(*quirk));
        assert!(planted, "no sim plants the client's {quirk}");
    }
    for quirk in gateway::GatewayQuirk::ALL {
        let planted = sims.iter().any(|(_, sim)| settings(sim).gateway.quirk == Some(*quirk));
        assert!(planted, "no sim plants the gateway's {quirk}");
    }
    for quirk in node::NodeQuirk::ALL {
        let planted = sims.iter().any(|(_, sim)| settings(sim).node.quirk == Some(*quirk));
        assert!(planted, "no sim plants the node's {quirk}");
    }
}

/// A storm draws otherwise as soon as a kind of fault is new: what it drew is kept, and not the storm. Each is one trial,
/// with its own seed.
#[test]
fn the_corpus_keeps_trials_and_their_causes() {
    let corpus = sims().into_iter().filter(|(path, _)| path.components().any(|part| part.as_os_str() == "corpus"));
    for (path, sim) in corpus {
        // The reader wants a seed then, and no storm.
        assert!(sim.once, "{}: write `once = true`, as `pulseless keep` does", path.display());
        assert!(sim.text.starts_with("# Cause: "), "{}: the first line says the cause", path.display());
        assert!(!is_negative(&path), "{}: a planted bug is not found", path.display());
    }
}

/// The same faults without the planted bug: the sim's failure is the bug's doing, not the faults'.
#[test]
fn a_negative_sim_passes_without_its_bug() {
    for (path, mut sim) in sims().into_iter().filter(|(path, _)| is_negative(path)) {
        // What no client and no node of this protocol survives is nobody's bug; what a dialect cannot say, v1 can.
        let mut settings = settings(&sim).clone();
        let is_planted = settings.client.quirk.is_some()
            || settings.node.quirk.is_some()
            || settings.gateway.quirk.is_some()
            || settings.client.dialect != Dialect::V1;
        if !is_planted && settings.client.watchdog.is_some() {
            continue;
        }
        (settings.client.quirk, settings.node.quirk, settings.gateway.quirk) = (None, None, None);
        (settings.client.dialect, settings.node.dialects) = (Dialect::V1, vec![Dialect::V1]);
        settings.client.watchdog = settings.client.watchdog.or(Some(client::WATCHDOG_INTERVALS));
        sim.setup = Arc::new(XmtpSetup::new(settings));
        let outcome = play(&sim, 7).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for judgement in outcome.judgements {
            assert!(!matches!(judgement.verdict, Verdict::Fail(_)), "{}: {judgement:?}", path.display());
        }
    }
}

/// Each defect that the review of the first draft found is told for what it is, and the same sim without it on v1 passes.
#[test]
fn the_three_defects_of_the_draft_are_told_and_v1_has_none_of_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("sims");
    for (on_draft, on_v1, requirement, told) in [
        ("draft-remove-without-barrier", "removes-answered", "S9", "nothing has said when the remove of"),
        ("draft-interval-unadvertised", "long-keepalive", "C2", "3 intervals are 15m"),
        ("draft-floor-survives", "added-again", "S5", "as if its floor, "),
    ] {
        let sim = read_sim(SUBJECTS, &root.join(format!("negative/{on_draft}.toml")), &[]).expect("a sim");
        let Promised::Fail { checker } = sim.promise.verdict else { panic!("{on_draft} promises a pass") };
        let outcome = play(&sim, 7).expect("played");
        let judgement = outcome.judgements.iter().find(|judgement| judgement.checker == checker).expect("a judge");
        let Verdict::Fail(evidence) = &judgement.verdict else { panic!("{on_draft}: {judgement:?}") };
        assert!(evidence.requirement == requirement && evidence.what.contains(told), "{on_draft}: {evidence:?}");
        let same = read_sim(SUBJECTS, &root.join(format!("{on_v1}.toml")), &[]).expect("a sim");
        let mut settings = settings(&sim).clone();
        (settings.client.dialect, settings.node.dialects) = (Dialect::V1, vec![Dialect::V1]);
        assert_eq!(&settings, self::settings(&same), "{on_draft} and {on_v1} differ in more than the dialect");
        assert_eq!((sim.duration, sim.calm, &sim.plan), (same.duration, same.calm, &same.plan), "{on_draft}");
    }
}

#[test]
fn a_dead_stream_without_a_watchdog_names_the_subscriber_the_topic_and_the_first_missing_id() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let setting = "client.watchdog=off".parse().expect("a setting");
    let sim = read_sim(SUBJECTS, &root.join("sims/proxy-goes-silent.toml"), &[setting]).expect("a sim");
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
