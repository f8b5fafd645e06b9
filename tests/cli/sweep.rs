//! `pulseless sweep`: report folders, early ends, refusals.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::bench::{BINARY, GOOD, Scratch, bad, change};

/// How often a condition is looked at, and how long at most: far more than any machine needs.
const STEP: Duration = Duration::from_millis(5);
const DEADLINE: Duration = Duration::from_secs(60);

/// Waits until `is_so`.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(STEP).await;
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("waited in vain until {what}"));
}

/// A process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let ended = self.0.kill().and_then(|()| self.0.wait());
        assert!(ended.is_ok() || std::thread::panicking(), "{ended:?}");
    }
}

#[test]
fn a_sweep_leaves_a_dated_report_and_points_latest_to_it() {
    let scratch = Scratch::new();
    let said = scratch.pulseless(&["sweep", "good.toml", "--seeds", "3", "--reports", "out"]).exits(0);
    let said = said.says(&["seeds 1 to 3 of 1 sim, ", "good  3 pass", "3 trials in "]);
    let latest = fs::read_link(scratch.path("out/latest")).expect("a link").display().to_string();
    let date = latest.strip_suffix("-good").unwrap_or_else(|| panic!("latest points to {latest}"));
    assert!(date.parse::<jiff::civil::Date>().is_ok(), "{date} is no date");
    assert!(said.out.ends_with(&format!("report in out/{latest}\n")), "{said}");
    let summary = scratch.read_json(&format!("out/{latest}/summary.json"));
    assert_eq!((&summary["asked"], &summary["tally"]["pass"]), (&3.into(), &3.into()));
    assert_eq!((&summary["stopped"], &summary["groups"]), (&serde_json::Value::Null, &serde_json::json!([])));
    assert!(scratch.cases("out/latest").is_empty(), "trials that pass leave no case");
}

#[test]
fn a_second_sweep_of_a_day_leaves_the_first_one_alone() {
    let scratch = Scratch::new();
    scratch.pulseless(&["sweep", "bad.toml", "--seeds", "1"]).exits(1);
    let first = fs::read_link(scratch.path("reports/latest")).expect("a link").display().to_string();
    let before = scratch.read(&format!("reports/{first}/summary.json"));
    scratch.pulseless(&["sweep", "bad.toml", "--seeds", "2"]).exits(1);
    assert_ne!(fs::read_link(scratch.path("reports/latest")).expect("a link").display().to_string(), first);
    assert_eq!(scratch.read(&format!("reports/{first}/summary.json")), before);
    assert_eq!(scratch.read_json("reports/latest/summary.json")["asked"], 2);
}

#[test]
fn a_cause_leaves_its_first_cases_and_all_its_seeds() {
    let scratch = Scratch::new();
    scratch.write("my sims/good.toml", GOOD);
    scratch.write("my sims/deaf one.toml", bad());
    let said = scratch.pulseless(&["sweep", "my sims", "--seeds", "5", "--from", "0x7"]).exits(1);
    let said = said.says(&[
        "deaf one  0 pass, 5 fail\n",
        "good      5 pass  (fewer than 60 % fail, 95 % sure)\n",
        "  fail liveness C2 at client, with silences: 5 trials, new\n  liveness failed: client-1",
        "  deaf one seeds 7-11\n",
    ]);
    let cases = ["deaf one-seed-7.case.json", "deaf one-seed-8.case.json", "deaf one-seed-9.case.json"];
    assert_eq!(scratch.cases("reports/latest"), cases);
    let commands: Vec<&str> = said.out.lines().map(str::trim).filter(|line| line.starts_with("pulseless ")).collect();
    assert_eq!(commands.len(), 1, "{said}");
    scratch.shell(commands[0]).exits(1).says(&["reproduced bit for bit"]);
    let summary = scratch.read_json("reports/latest/summary.json");
    assert_eq!(summary["groups"][0]["sims"]["deaf one"]["all"], "7-11");
    assert_eq!(scratch.read("reports/latest/journal.jsonl").lines().count(), 11, "a head, and a line for each trial");
}

#[test]
fn settings_hold_for_every_trial_and_its_case() {
    let scratch = Scratch::new();
    let sweep = ["sweep", "good.toml", "--seeds", "1", "--set", "client.watchdog=off"];
    scratch.pulseless(&sweep).exits(1).says(&["good  0 pass, 1 fail"]);
    let replayed = scratch.pulseless(&["replay", "reports/latest/good-seed-1.case.json"]).exits(1);
    replayed.says(&["reproduced bit for bit"]);
}

#[test]
fn the_number_of_jobs_changes_nothing_but_time() {
    let scratch = Scratch::new();
    for jobs in ["1", "3"] {
        let reports = format!("jobs-{jobs}");
        let sweep = ["sweep", "bad.toml", "--seeds", "3", "--jobs", jobs, "--reports", &reports];
        scratch.pulseless(&sweep).exits(1);
    }
    let cases = scratch.cases("jobs-1/latest");
    assert_eq!(cases.len(), 3);
    assert_eq!(cases, scratch.cases("jobs-3/latest"));
    for case in cases {
        assert_eq!(scratch.read(&format!("jobs-1/latest/{case}")), scratch.read(&format!("jobs-3/latest/{case}")));
    }
}

#[test]
fn fail_fast_stops_at_the_first_failure() {
    let scratch = Scratch::new();
    let sweep = ["sweep", "bad.toml", "--seeds", "1000", "--jobs", "2", "--fail-fast"];
    scratch.pulseless(&sweep).exits(1).says(&["\nas many failed as were asked for", " of 1000 trials in "]);
    let summary = scratch.read_json("reports/latest/summary.json");
    assert_eq!(summary["stopped"], "failed");
    let failed = summary["tally"]["fail"].as_u64().expect("a number");
    assert!((1..=2).contains(&failed), "each job ends the trial that it has begun: {summary}");
}

#[test]
fn json_is_the_summary_with_where_and_when_it_came() {
    let scratch = Scratch::new();
    let said = scratch.pulseless(&["sweep", "bad.toml", "--seeds", "1", "--format", "json"]).exits(1);
    let mut json = said.json();
    let told = json.as_object_mut().expect("an object");
    let mut take = |key: &str| told.remove(key).unwrap_or_else(|| panic!("no {key}"));
    let folder = take("folder");
    assert!(
        folder.as_str().is_some_and(|folder| folder.starts_with("reports/") && folder.ends_with("-bad")),
        "{folder}"
    );
    assert!(take("times")["begun"].as_str().is_some_and(|begun| begun.starts_with("20")));
    assert_eq!(take("nights"), scratch.read_json("reports/latest/nights.json"));
    take("commit");
    assert_eq!(json, scratch.read_json("reports/latest/summary.json"));
}

#[test]
fn an_unknown_trial_is_worse_than_a_pass_and_better_than_a_failure() {
    let scratch = Scratch::new();
    scratch.write("sims/good.toml", GOOD);
    scratch.write("sims/still.toml", format!("{GOOD}sometimes = [\"client-restarted\"]\n"));
    scratch.pulseless(&["sweep", "sims", "--seeds", "1"]).exits(2).says(&["still  0 pass, 1 unknown"]);
    scratch.write("sims/bad.toml", bad());
    scratch.pulseless(&["sweep", "sims", "--seeds", "1"]).exits(1);
}

#[test]
fn a_file_in_the_report_folders_place_is_named() {
    let scratch = Scratch::new();
    scratch.write("file", "in the way");
    for reports in ["file", "file/below"] {
        let said = scratch.pulseless(&["sweep", "good.toml", "--reports", reports]).exits(64);
        said.refuses(&[&format!("failed to make the report folder {reports}: "), "choose another"]);
    }
    assert_eq!(scratch.read("file"), "in the way");
}

#[test]
fn sims_that_share_a_name_are_refused_before_one_case_overwrites_the_other() {
    let scratch = Scratch::new();
    scratch.write("sims/twin.toml", bad());
    scratch.write("sims/other/twin.toml", bad());
    let said = scratch.pulseless(&["sweep", "sims", "--seeds", "1"]).exits(64);
    said.refuses(&["sims/twin.toml", "sims/other/twin.toml", "they have the same name"]);
}

#[test]
fn nothing_is_not_a_number_of_seeds_or_jobs() {
    let scratch = Scratch::new();
    let said = scratch.pulseless(&["sweep", "good.toml", "--jobs", "0"]).exits(64);
    said.refuses(&["invalid value '0' for '--jobs", "0 is not in 1..="]);
    let said = scratch.pulseless(&["sweep", "good.toml", "--seeds", "0"]).exits(64);
    said.refuses(&["`0` is no number of seeds; play 1 to 1000000000 of them"]);
    let said = scratch.pulseless(&["sweep", "good.toml", "--from", "18446744073709551615", "--seeds", "2"]).exits(64);
    said.refuses(&["runs past the last seed"]);
    assert!(!scratch.path("reports").exists(), "a refused sweep leaves no report folder");
}

#[test]
fn a_folder_without_sims_plays_nothing() {
    let scratch = Scratch::new();
    scratch.make_folder("empty");
    let said = scratch.pulseless(&["sweep", "empty"]).exits(4);
    said.refuses(&["no sim found in empty: a sim is a file that ends in .toml"]);
}

#[test]
fn digests_are_written_sorted_and_compared_in_another_order() {
    let scratch = Scratch::new();
    scratch.write("sims/b sim.toml", GOOD);
    scratch.write("sims/a.toml", bad());
    let sweep = ["sweep", "sims", "--from", "9", "--seeds", "2"];
    scratch.pulseless(&[&sweep[..], &["--jobs", "4", "--digests", "digests.txt"]].concat()).exits(1);
    let written = scratch.read("digests.txt");
    let trials: Vec<&str> = written.lines().filter_map(|line| line.rsplit_once(' ')).map(|(trial, _)| trial).collect();
    assert_eq!(trials, ["a 9", "a 10", "b sim 9", "b sim 10"]);
    let compare = [&sweep[..], &["--jobs", "1", "--compare", "digests.txt"]].concat();
    scratch.pulseless(&compare).exits(1).says(&["4 digests as in digests.txt\n"]);
    // A part of the sims, or of the seeds, is compared with the same file.
    let part = ["sweep", "sims/b sim.toml", "--from", "10", "--seeds", "1", "--compare", "digests.txt"];
    scratch.pulseless(&part).exits(0).says(&["1 digest as in digests.txt\n"]);
}

#[test]
fn the_first_other_digest_ends_a_sweep_and_is_named_with_the_expected_one() {
    let scratch = Scratch::new();
    scratch.pulseless(&["sweep", "good.toml", "--seeds", "2", "--digests", "digests.txt"]).exits(0);
    let written = scratch.read("digests.txt");
    let digest = written.lines().next().and_then(|line| line.rsplit(' ').next()).expect("a digest");
    let other = "00000000000000000000000000000001";
    scratch.write("digests.txt", change(&written, digest, other));
    let compare = ["sweep", "good.toml", "--seeds", "2", "--jobs", "1", "--compare", "digests.txt"];
    let said = scratch.pulseless(&compare).exits(3);
    let part = format!("good seed 1\n  not reproducible\n  expected {other}\n  got      {digest}\n");
    let said = said.says(&[&part, "1 of 2 trials in "]);
    assert!(!said.out.contains("as in digests.txt"), "{said}");
    let deviation = serde_json::json!({ "sim": "good", "seed": 1, "expected": other, "digest": digest });
    assert_eq!(scratch.read_json("reports/latest/summary.json")["deviation"], deviation);
    let json = scratch.pulseless(&[&compare[..], &["--format", "json"]].concat()).exits(3).json();
    assert_eq!(json["deviation"], deviation);
}

#[test]
fn a_digest_file_that_cannot_be_used_is_refused_before_anything_is_played() {
    let scratch = Scratch::new();
    let refuse = |flag: &str, file: &str, parts: &[&str]| {
        scratch.pulseless(&["sweep", "good.toml", "--seeds", "2", flag, file]).exits(64).refuses(parts);
    };
    scratch.write("words.txt", "# Digests.\ngood 1 12\n");
    refuse(
        "--compare",
        "words.txt",
        &["digest file words.txt, line 2: `12` is not a digest", "a line is a sim, a seed"],
    );
    scratch.write("digests.txt", format!("good 1 {}\n", "0".repeat(32)));
    let parts = ["digest file digests.txt has no line for good seed 2", "write one with `pulseless sweep --digests`"];
    refuse("--compare", "digests.txt", &parts);
    refuse("--compare", "missing.txt", &["failed to read digest file missing.txt: No such file"]);
    scratch.write("binary.txt", [0xff, 0xfe, 0x00]);
    refuse("--compare", "binary.txt", &["failed to read digest file binary.txt: "]);
    refuse("--digests", "missing/digests.txt", &["failed to write digest file missing/digests.txt: No such file"]);
    scratch.make_folder("folder");
    refuse("--digests", "folder", &["failed to write digest file folder: "]);
    let both = ["sweep", "good.toml", "--digests", "digests.txt", "--compare", "digests.txt"];
    scratch.pulseless(&both).exits(64).refuses(&["cannot be used with"]);
    assert!(!scratch.path("reports").exists(), "a refused sweep leaves no report folder");
}

#[tokio::test]
async fn an_interrupted_sweep_keeps_what_it_has() {
    let scratch = Scratch::new();
    let mut sweep = scratch.command(BINARY);
    sweep.args(["sweep", "bad.toml", "--seeds", "1000000", "--jobs", "1"]);
    let spawned = sweep.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut running = Running(spawned.expect("the binary runs"));
    let mut begins = String::new();
    // The reader keeps the pipe open until the process has ended.
    let mut out = BufReader::new(running.0.stdout.take().expect("a pipe"));
    out.read_line(&mut begins).expect("a first line");
    let folder = begins.trim_end().rsplit(" into ").next().expect("a folder").to_owned();
    until("the first case is written", || !scratch.cases(&folder).is_empty()).await;
    scratch.shell(&format!("kill -INT {}", running.0.id())).exits(0);
    let mut status = None;
    until("the sweep has ended", || {
        status = running.0.try_wait().expect("the process can be asked");
        status.is_some()
    })
    .await;
    assert_eq!(status.and_then(|status| status.code()), Some(1), "what failed is not forgotten");
    let summary = scratch.read_json(&format!("{folder}/summary.json"));
    assert_eq!((&summary["stopped"], &summary["asked"]), (&"interrupted".into(), &1_000_000.into()));
    let failed = summary["tally"]["fail"].as_u64().expect("a number");
    assert!(failed > 0, "{summary}");
    assert!(!scratch.cases(&folder).is_empty());
    let rest = io::read_to_string(out).expect("text");
    assert!(rest.contains(&format!("\n{failed} of 1000000 trials in ")), "{rest}");
    assert!(rest.contains(&format!("\npulseless sweep --resume {folder}\n")), "{rest}");
    let complaint = io::read_to_string(running.0.stderr.take().expect("a pipe")).expect("text");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    assert!(complaint.starts_with("interrupted: the trials under way are played to their end"), "{complaint}");
}
