//! A subject of somebody else's, by the same door as ours: digest, storm, verdicts, sweep, replay and story.

#[path = "guest/echo.rs"]
mod echo;

use std::path::Path;

use echo::SUBJECTS;
use pulseless::campaign::{InProcess, Limit, Stop, Summary, Sweep, TrialSchedule};
use pulseless::checker::Verdict;
use pulseless::grammar::Naming;
use pulseless::report::{self, Paint, Reproduction};
use pulseless::runner::Case;
use pulseless::sim::{SimFile, read};
use pulseless::trial::{Conclusion, EngineKind, Outcome, play};

const SEEDS: std::ops::Range<u64> = 1..21;

fn sim(keys: &str, promise: &str) -> SimFile {
    let text = format!(
        "title = \"Callers call through a storm\"\nsubject = \"echo\"\ncites = [\"E1\", \"E2\"]\nduration = \"15m\"\n\
         [cast]\ncallers = 3\n{keys}\n[storm]\nintensity = 2\n\
         families = [\"partitions\", \"slow-links\", \"loss\", \"connections\", \"pauses\", \"clocks\", \"names\", \
         \"silences\", \"disks\"]\n[promise]\n{promise}\n"
    );
    read("echo", &text, SUBJECTS).unwrap_or_else(|refusal| panic!("{refusal}"))
}

fn honest() -> SimFile {
    sim("", "verdict = \"pass\"")
}

fn played(sim: &SimFile, seed: u64) -> Outcome {
    play(sim, seed).unwrap_or_else(|error| panic!("seed {seed}: {error}"))
}

fn swept(sim: SimFile, folder: &Path) -> Summary {
    let schedule = TrialSchedule::new(vec![sim], SEEDS, None);
    let (engine, folder) = (EngineKind::Leap, folder.to_owned());
    let (settings, limit) = (Vec::new(), Limit::None);
    let sweep = Sweep {
        schedule,
        engine,
        settings,
        jobs: 2,
        limit,
        failures_max: None,
        shrink_plays: 0,
        folder,
        expected: None,
    };
    let start = || InProcess { sims: &sweep.schedule.sims, engine, subjects: SUBJECTS, last_words: None };
    let swept = sweep.run(&Stop::default(), false, start, |_| ()).expect("a journal");
    assert!(swept.error.is_none(), "a report");
    swept.summary
}

fn told(outcome: &Outcome) -> String {
    let again = Reproduction::Again(format!("play seed {}", outcome.seed));
    report::outcome(outcome, &again, Naming::Few, Paint::Plain)
}

#[test]
fn a_guest_has_its_digest_its_storm_and_its_verdicts() {
    let (one, again, other) = (played(&honest(), 7), played(&honest(), 7), played(&honest(), 8));
    assert_eq!(one.digest(), again.digest());
    assert_ne!(one.digest(), other.digest());
    assert!(!one.plan.clauses.is_empty(), "a storm without wind");
    assert_eq!(one.conclusion, Conclusion::Pass, "{}", told(&one));
    let names: Vec<&str> = one.judgements.iter().map(|judgement| judgement.checker.as_str()).collect();
    assert_eq!(names, ["stability", "delivery", "liveness"]);
    assert!(one.judgements.iter().all(|judgement| matches!(judgement.verdict, Verdict::Pass { .. })));
}

#[test]
fn a_guest_is_swept_and_keeps_its_promise() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let summary = swept(honest(), folder.path());
    assert_eq!((summary.tally.pass, summary.tally.played()), (20, 20), "{:?}", summary.groups);
}

#[test]
fn a_guests_planted_bug_is_found_told_and_replayed() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let summary = swept(sim("skips = true", "verdict = \"pass\""), folder.path());
    let group = summary.groups.first().expect("a seed finds the bug");
    let case = Case::read(&folder.path().join(group.cases.first().expect("a case"))).expect("a case file");
    let again = played(&case.sim(SUBJECTS).expect("its sim"), case.seed);
    assert_eq!(again.digest(), case.digest);
    let story = told(&again);
    for part in ["3 callers, 15m simulated, about E1 E2", "    delivery  fail  at ", "(E1): caller-", "resumes from"] {
        assert!(story.contains(part), "no `{part}` in {story}");
    }
}

#[test]
fn a_guests_keys_are_read_and_refused_like_ours() {
    let refusal =
        read("echo", "title = \"x\"\nsubject = \"echo\"\n[cast]\ncaller = 3\n", SUBJECTS).expect_err("a typo");
    let told: Vec<String> = refusal.problems().map(ToString::to_string).collect();
    assert!(told.iter().any(|problem| problem == "line 4: unknown key `caller` in `cast`"), "{told:?}");
    let stranger = read("echo", "title = \"x\"\nsubject = \"ekho\"\n", SUBJECTS).expect_err("another");
    assert!(stranger.to_string().contains("there is no subject `ekho`"), "{stranger}");
}
