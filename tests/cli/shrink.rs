//! `pulseless shrink`: a planted bug's failing trial made small, proved, written and played again.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::bench::{BINARY, Said, Scratch, bad, change};

/// A planted bug that any reconnect brings out, and four faults, of which one at least makes a client reconnect.
const PLANTED: &str = r#"# What a person wrote.
title = "Anything goes wrong"
duration = "4m"
calm = "1m"

[cast]
clients = 2
publishers = 2

[node]
keepalive = "5s"

[client]
watchdog = 3
quirk = "floor-forgotten"

[workload]
topics = 2
history = 10

[[fault]]
at = "20s300ms"
for = "10s"
kind = "clock-drift"
on = "publisher-*"
ppm = 20

[[fault]]
at = "40s"
for = "7s400ms"
kind = "process-kill"
on = ["proxy", "publisher-1"]

[[fault]]
at = "45s"
for = "3s"
kind = "slow-sync"
on = "node"
takes = "300ms"

[[fault]]
at = "50s"
for = "5s"
kind = "latency"
from = "publisher-2"
latency = "100ms"

[promise]
verdict = "pass"
within = "50s"
"#;

const CASE: &str = "planted.case.json";

/// A scratch folder with the failing case of that sim.
fn with_case(sim: &str) -> Scratch {
    let scratch = Scratch::new();
    scratch.write("planted.toml", sim);
    let said = scratch.pulseless(&["run", "planted.toml", "--seed", "7", "--format", "json"]).exits(1);
    scratch.write(CASE, said.out);
    scratch
}

fn first_to_fail(case: &Value) -> Value {
    let failed = |judgement: &&Value| judgement["verdict"]["Fail"].is_object();
    let at = |judgement: &&Value| judgement["verdict"]["Fail"]["at"]["secs"].as_u64();
    let judgements = case["judgements"].as_array().expect("judgements");
    let first = judgements.iter().filter(failed).min_by_key(at).expect("a failure");
    serde_json::json!([first["checker"], first["verdict"]["Fail"]["requirement"]])
}

#[test]
fn a_planted_bug_is_shrunk_to_the_fault_that_brings_it_out_and_is_played_again() {
    let scratch = with_case(PLANTED);
    let said = scratch.pulseless(&["shrink", CASE, "--into", "small"]).exits(0);
    assert_eq!(said.first_line(), format!("seed 7 (from {CASE})"));
    assert_eq!(said.err, "", "progress is for a terminal");
    said.line("left: 1 fault of 4, ");
    assert_eq!(said.line("  without the process-kill of ").rsplit(' ').next(), Some("passes"), "{said}");
    assert_eq!(said.again(), "pulseless replay small/planted-seed-7.shrunk.case.json");
    // The case: the same failure, reproduced.
    let replayed = scratch.shell(said.again()).exits(1);
    assert!(replayed.line("before ").ends_with("reproduced bit for bit"), "{replayed}");
    let case = scratch.read_json("small/planted-seed-7.shrunk.case.json");
    assert_eq!(first_to_fail(&case), first_to_fail(&scratch.read_json(CASE)));
    // The sim: what a person would have written, and the same trial.
    let sim = scratch.read("small/planted-seed-7.toml");
    assert!(sim.starts_with("title = \"The process of proxy"), "{sim}");
    for gone in ["watchdog", "publishers", "number", "drawn", "history", "#"] {
        assert!(!sim.contains(gone), "`{gone}` is still in {sim}");
    }
    let run = scratch.pulseless(&["run", "small/planted-seed-7.toml"]).exits(1);
    assert_eq!(run.first_line(), "seed 7 (from the sim)");
    assert!(run.line("digest ").contains(case["digest"].as_str().expect("a digest")), "{run}");
    // The twin that was named.
    scratch.pulseless(&["replay", "small/planted-seed-7.shrunk.case.json", "--without", "1"]).exits(0);
}

#[test]
fn the_result_is_the_same_whatever_the_number_of_jobs_and_does_not_get_smaller() {
    let scratch = with_case(PLANTED);
    let json = |jobs, into| {
        let arguments = ["shrink", CASE, "--jobs", jobs, "--into", into, "--format", "json"];
        let mut json = scratch.pulseless(&arguments).exits(0).json();
        json["files"].take();
        json
    };
    let alone = json("1", "alone");
    assert_eq!(alone, json("3", "together"));
    for file in ["planted-seed-7.toml", "planted-seed-7.shrunk.case.json"] {
        assert_eq!(scratch.read(&format!("alone/{file}")), scratch.read(&format!("together/{file}")));
    }
    assert_eq!((&alone["ending"], &alone["after"]["faults"]), (&"exhausted".into(), &1.into()));
    scratch.pulseless(&["shrink", "alone/planted-seed-7.shrunk.case.json", "--into", "again"]).exits(0);
    assert_eq!(scratch.read("again/planted-seed-7.toml"), scratch.read("alone/planted-seed-7.toml"));
}

#[test]
fn a_bug_that_needs_no_fault_is_left_with_none() {
    let scratch = with_case(&change(PLANTED, "floor-forgotten", "pong-withheld"));
    let said = scratch.pulseless(&["shrink", CASE]).exits(0);
    said.line("left: 0 faults of 4, ");
    said.line("nothing: no fault is needed");
    scratch.shell(said.again()).exits(1).says(&["reproduced bit for bit"]);
}

#[test]
fn few_plays_leave_what_they_found_and_say_what_is_not_proved() {
    let scratch = with_case(PLANTED);
    let said = scratch.pulseless(&["shrink", CASE, "--plays", "2"]).exits(0);
    let said = said.says(&[
        "left: 4 faults, ",
        "not enough to try everything; grant more with --plays",
        "not played any more",
    ]);
    scratch.shell(said.again()).exits(1);
}

#[test]
fn what_does_not_fail_or_is_another_trial_is_told_apart() {
    let scratch = with_case(PLANTED);
    let case = scratch.read(CASE);
    let digest = scratch.read_json(CASE)["digest"].as_str().expect("a digest").to_owned();
    scratch.write("other.case.json", change(&case, &digest, &"0".repeat(32)));
    let said = scratch.pulseless(&["shrink", "other.case.json"]).exits(3);
    assert!(said.err.contains("planted seed 7 is not reproducible: its digest is "), "{said}");
    // Somebody mends the bug in the case's sim: it is the same case, and does not fail any more.
    scratch.write("mended.case.json", change(&case, "quirk = \\\"floor-forgotten\\\"\\n", ""));
    let said = scratch.pulseless(&["shrink", "mended.case.json"]).exits(2);
    assert!(said.err.contains("does not fail any more as it did (durability failed, C3): now "), "{said}");
    let passed = scratch.pulseless(&["run", "good.toml", "--seed", "7", "--format", "json"]).exits(0).out;
    scratch.write("passed.case.json", passed);
    let said = scratch.pulseless(&["shrink", "passed.case.json"]).exits(64);
    assert!(said.err.contains("failed to shrink good seed 7: no checker failed in it (pass)"), "{said}");
    scratch.pulseless(&["shrink", "good.toml"]).exits(64).refuses(&["good.toml is not a case file"]);
    scratch.pulseless(&["shrink", CASE, "--plays", "1"]).exits(64).refuses(&["1 is not in 2..="]);
}

#[test]
fn an_interrupt_ends_it_with_a_case_that_fails() {
    let scratch = with_case(PLANTED);
    let mut command = scratch.command(BINARY);
    command.args(["shrink", CASE, "--into", "cut", "--jobs", "1"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut shrinking = command.spawn().expect("it starts");
    // It listens for signals before it says anything.
    let mut out = BufReader::new(shrinking.stdout.take().expect("it is piped"));
    let mut text = String::new();
    out.read_line(&mut text).expect("its first line");
    let killed = Command::new("kill").arg(shrinking.id().to_string()).status();
    assert!(killed.is_ok_and(|status| status.success()), "it is told to end");
    out.read_to_string(&mut text).expect("text");
    let said = Said { out: text, ..Said::of(shrinking.wait_with_output()) }.exits(0);
    assert!(said.out.contains("then interrupted before everything was tried"), "{said}");
    assert!(said.err.contains("a second interrupt ends at once"), "{said}");
    scratch.shell(said.again()).exits(1).says(&["reproduced bit for bit"]);
}

#[test]
fn a_case_is_kept_once_as_a_sim_that_a_sweep_plays_once() {
    let scratch = with_case(&bad());
    let keep = ["keep", CASE, "--cause", "nobody was awake", "--corpus", "sims/corpus"];
    let said = scratch.pulseless(&keep).exits(0);
    let path = "sims/corpus/planted-seed-7.toml";
    assert_eq!(said.first_line(), format!("kept     {path}"));
    let text = scratch.read(path);
    assert!(text.starts_with("# Cause: nobody was awake\n# Kept 2"), "{text}");
    assert!(text.contains("\nseed = 7\nonce = true\n"), "{text}");
    let run = scratch.shell(said.again()).exits(1);
    assert!(run.line("digest ").contains(scratch.read_json(CASE)["digest"].as_str().expect("a digest")), "{run}");
    scratch.pulseless(&keep).exits(64).refuses(&[&format!("failed to keep {path}: it is there already")]);
    assert_eq!(scratch.read(path), text);
    // Whatever seeds are asked for.
    scratch.write("sims/good.toml", crate::bench::GOOD);
    let swept = scratch.pulseless(&["sweep", "sims", "--seeds", "3", "--from", "20", "--digests", "d.txt"]).exits(1);
    assert!(swept.line("planted-seed-7  ").ends_with("0 pass, 1 fail"), "{swept}");
    let digests = scratch.read("d.txt");
    let trials: Vec<&str> = digests.lines().map(|line| line.rsplit_once(' ').expect("three words").0).collect();
    assert_eq!(trials, ["good 20", "good 21", "good 22", "planted-seed-7 7"]);
    let compare = ["sweep", "sims", "--seeds", "3", "--from", "20", "--compare", "d.txt"];
    scratch.pulseless(&compare).exits(1).says(&["4 digests as in d.txt"]);
}

#[test]
fn what_passed_or_was_planted_is_not_kept() {
    let scratch = with_case(PLANTED);
    scratch
        .pulseless(&["keep", CASE])
        .exits(64)
        .refuses(&["failed to keep planted seed 7: `client.quirk` plants a bug"]);
    let passed = scratch.pulseless(&["run", "good.toml", "--seed", "7", "--format", "json"]).exits(0).out;
    scratch.write("passed.case.json", passed);
    scratch.pulseless(&["keep", "passed.case.json"]).exits(64).refuses(&["good seed 7: it passed"]);
    let said = scratch.pulseless(&["keep", "passed.case.json", "--cause", ""]).exits(64);
    said.refuses(&["a value is required for '--cause"]);
    assert!(!scratch.path("sims").exists(), "nothing was written");
}
