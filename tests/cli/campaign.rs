//! `pulseless sweep` as a campaign: resumed after any death, shared out and merged, and survived by its workers' parent.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::bench::{BINARY, GOOD, Scratch, bad, change};

/// How often something is looked at, and how long at most: far more than any machine needs.
const STEP: Duration = Duration::from_millis(2);
const DEADLINE: Duration = Duration::from_secs(120);

/// What a campaign leaves, apart from times and the page, which names its folder: every file with its bytes.
fn left(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = files(folder)
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(folder).expect("it is below").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("text"))
        })
        .filter(|(name, _)| name != "times.json" && name != "index.html")
        .collect();
    files.sort();
    files
}

/// The files of a folder, and of those in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn assert_same(one: &Path, other: &Path) {
    let (one, other) = (left(one), left(other));
    let names = |files: &[(String, String)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&one), names(&other));
    for ((name, one), (_, other)) in one.iter().zip(&other) {
        assert!(one == other, "{name} differs:\n{one}\n---\n{other}");
    }
}

/// A folder with a sim that passes and one that fails, and the report of an undisturbed sweep over them.
fn undisturbed(seeds: &str) -> Scratch {
    let scratch = Scratch::new();
    scratch.write("sims/good.toml", GOOD);
    scratch.write("sims/deaf.toml", bad());
    let sweep = ["sweep", "sims", "--seeds", seeds, "--reports", "one"];
    scratch.pulseless(&sweep).exits(1);
    scratch
}

/// A process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let ended = self.0.kill().and_then(|()| self.0.wait());
        assert!(ended.is_ok() || std::thread::panicking(), "{ended:?}");
    }
}

fn start(scratch: &Scratch, arguments: &[&str]) -> Running {
    let mut command = scratch.command(BINARY);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    Running(command.spawn().expect("the binary runs"))
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(STEP).await;
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("waited in vain until {what}"));
}

/// The journal of a report folder, as far as it is there.
fn journal(scratch: &Scratch, folder: &str) -> String {
    fs::read_to_string(scratch.path(folder).join("journal.jsonl")).unwrap_or_default()
}

/// The processes that a process has started.
fn children(parent: u32) -> Vec<u32> {
    let processes =
        fs::read_dir("/proc").expect("proc(5)").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_child = |process: &u32| {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        status.lines().any(|line| line.strip_prefix("PPid:").is_some_and(|id| id.trim() == parent.to_string()))
    };
    processes.filter(is_child).collect()
}

#[tokio::test]
async fn a_campaign_that_is_killed_again_and_again_ends_as_an_undisturbed_one() {
    let scratch = undisturbed("30");
    let mut arguments = vec!["sweep", "sims", "--seeds", "30", "--reports", "other"];
    // Each time a little later in the life of a campaign, and at another place in its journal.
    for kill in 0..20 {
        let before = journal(&scratch, "other/latest").len();
        let mut running = start(&scratch, &arguments);
        until("the journal grows, or all is played", || {
            journal(&scratch, "other/latest").len() > before + kill * 40
                || running.0.try_wait().expect("it is ours").is_some()
        })
        .await;
        drop(running);
        if journal(&scratch, "other/latest").contains('\n') {
            arguments = vec!["sweep", "--resume", "other/latest"];
        }
    }
    // What a death in mid-line leaves.
    let path = scratch.path("other/latest/journal.jsonl");
    fs::write(&path, journal(&scratch, "other/latest") + "{\"sim\":\"go").expect("the journal");
    scratch.pulseless(&["sweep", "--resume", "other/latest"]).exits(1).says(&["\n60 trials"]);
    assert_same(&scratch.path("one/latest"), &scratch.path("other/latest"));
}

#[test]
fn four_shares_merged_equal_one_run() {
    let scratch = undisturbed("9");
    for rule in ["count", "hash"] {
        let mut merge = vec!["merge".to_owned()];
        for share in 1..=4 {
            let (partition, reports) = (format!("{rule}:{share}/4"), format!("{rule}-{share}"));
            let sweep = [
                &["sweep", "sims", "--seeds", "9", "--shrink", "0"][..],
                &["--partition", &partition, "--reports", &reports],
            ]
            .concat();
            let said = scratch.pulseless(&sweep);
            assert!(said.out.contains(&format!(", share {partition}, ")), "{said}");
            merge.push(format!("{reports}/latest"));
        }
        let into = format!("{rule}-merged");
        merge.extend(["--into".to_owned(), into.clone()]);
        let merge: Vec<&str> = merge.iter().map(String::as_str).collect();
        scratch.pulseless(&merge).exits(1).says(&["deaf  0 pass, 9 fail", "18 trials in "]);
        assert_same(&scratch.path("one/latest"), &scratch.path(&into));
        // Without one of them it is not a whole night, and says so.
        let into = format!("{rule}-partial");
        let partial = [&merge[..4], &["--into", &into]].concat();
        scratch.pulseless(&partial).exits(1).says(&["trials are missing: a share, or the rest of one, is not here"]);
    }
}

#[test]
fn the_first_case_of_a_cause_is_made_small_and_what_was_tried_is_counted() {
    let scratch = Scratch::new();
    let kill = "[[fault]]\nat = \"75s\"\nfor = \"2s\"\nkind = \"process-kill\"\non = \"client-1\"\n\n";
    scratch.write("sims/deaf.toml", change(&bad(), "[promise]", &format!("{kill}[promise]")));
    let said = scratch.pulseless(&["sweep", "sims", "--seeds", "3"]).exits(1);
    let small = "made small: 1 fault of 2, ";
    let said = said.says(&[
        small,
        "without the proxy-silence-upstream of ",
        ": passes\n",
        "who knew when  dead streams: 3 cut short\n\nput to",
    ]);
    let line = said.out.lines().find(|line| line.contains("pulseless replay ")).expect("it says how to play it").trim();
    let case = line.strip_prefix("pulseless replay ").expect("a path");
    scratch.pulseless(&["replay", case]).exits(1);
    let sim = case.replace(".case.json", ".toml");
    assert!(!scratch.read(&sim).contains("process-kill"), "it is no part of the cause");
    scratch.pulseless(&["run", &sim]).exits(1);
    let told = "put to the test: 2 of 2 kinds of faults, 1 of 1 pairs of them, ";
    assert!(said.out.contains(told) && case.contains("/shrunk/deaf-seed-"), "{said}");
    let coverage = scratch.read_json("reports/latest/coverage.json");
    assert_eq!(coverage["trials"], 3);
    assert_eq!(coverage["faults"]["process-kill"], serde_json::json!({ "planned": 3, "felt": 3 }));
    assert_eq!(coverage["pairs"]["process-kill + proxy-silence-upstream"], 3);
    assert_eq!(coverage["milestones"]["client-restarted"], 3);
    assert!(
        coverage["never"]["transitions"]
            .as_array()
            .is_some_and(|never| never.contains(&"asking -> ended by watchdog".into()))
    );
    for form in ["html", "markdown"] {
        let said = scratch.pulseless(&["report", "reports/latest", "--to", form, "--output", "-"]).exits(0);
        assert!(
            said.out.contains("2 of 2 kinds of faults") && said.out.contains("without the proxy-silence-upstream"),
            "{said}"
        );
    }
    // Asked to leave it as it is, it does.
    let said = scratch.pulseless(&["sweep", "sims", "--seeds", "1", "--shrink", "0"]).exits(1);
    assert!(!said.out.contains(small) && !scratch.path("reports/latest/shrunk").exists(), "{said}");
}

#[test]
fn what_is_not_of_one_campaign_is_not_merged() {
    let scratch = undisturbed("1");
    scratch.pulseless(&["sweep", "sims", "--seeds", "2", "--reports", "two"]).exits(1);
    scratch.make_folder("empty");
    let merge = |folders: &[&str], code: i32, parts: &[&str]| {
        let said = scratch.pulseless(&[&["merge"], folders, &["--into", "merged"]].concat()).exits(code);
        said.refuses(parts);
        assert!(!scratch.path("merged").exists(), "a refused merge leaves nothing");
    };
    merge(&["one/latest", "two/latest"], 64, &["are not of one campaign: the seeds differ"]);
    merge(&["one/latest", "empty"], 64, &["empty holds no campaign: journal.jsonl is not there"]);
    scratch.write("three/journal.jsonl", journal(&scratch, "one/latest").replace("\"pass\":\"", "\"pass\":\"0"));
    merge(&["three"], 64, &["three/journal.jsonl, line 3, is not of a campaign's journal: "]);
    let text = journal(&scratch, "one/latest");
    let digest = text.rsplit("\"pass\":\"").next().and_then(|rest| rest.get(..32)).expect("a digest");
    scratch.write("four/journal.jsonl", text.replace(digest, &"0".repeat(32)));
    merge(&["one/latest", "four"], 3, &["ended in two ways, in one/latest and in four: it is not reproducible"]);
    let said = scratch.pulseless(&["merge", "one/latest", "--into", "two"]).exits(64);
    said.refuses(&["failed to make two: ", "--into names a folder that is not there yet"]);
}

#[tokio::test]
async fn a_worker_that_dies_or_hangs_costs_the_trial_that_it_plays() {
    for (signal, limit, said) in [("ABRT", "10m", "its process died: aborted"), ("STOP", "1s", "still at it after 1s")]
    {
        let scratch = Scratch::new();
        let sweep = ["sweep", "good.toml", "--seeds", "40", "--jobs", "1", "--trial-limit", limit];
        let mut running = start(&scratch, &sweep);
        until("a trial has ended", || journal(&scratch, "reports/latest").lines().count() > 2).await;
        let workers = children(running.0.id());
        assert_eq!(workers.len(), 1, "one job, one worker");
        scratch.shell(&format!("kill -{signal} {}", workers[0])).exits(0);
        until("the campaign has ended", || running.0.try_wait().expect("it is ours").is_some()).await;
        assert_eq!(running.0.wait().expect("it has ended").code(), Some(70), "{signal}");
        let summary = scratch.read_json("reports/latest/summary.json");
        assert_eq!((&summary["tally"]["broken"], &summary["tally"]["pass"]), (&1.into(), &39.into()), "{signal}");
        let group = &summary["groups"][0];
        assert!(group["why"].as_str().is_some_and(|why| why.contains(said)), "{group}");
        assert_eq!(group["sims"]["good"]["count"], 1, "it names its seed");
    }
}

#[test]
fn a_worker_that_eats_memory_ends_itself() {
    let scratch = Scratch::new();
    let crowd = GOOD.replace("[node]", "[cast]\nclients = 900\n\n[node]");
    scratch.write("sims/crowd.toml", crowd);
    scratch.write("sims/good.toml", GOOD);
    let sweep = ["sweep", "sims", "--seeds", "2", "--jobs", "4", "--memory", "256MiB"];
    let said = scratch.pulseless(&sweep).exits(70);
    said.says(&["1 at a time", "crowd  0 pass, 2 broken", "good   2 pass", "crowd seeds 1-2"]);
}

#[test]
fn a_machine_without_descriptors_is_no_bug() {
    let scratch = Scratch::new();
    let sweep = |most: u32| scratch.shell(&format!("ulimit -n {most}; {BINARY} sweep good.toml --seeds 2 --jobs 1"));
    // Not even for a worker.
    let said = sweep(8).exits(64).says(&["good  0 pass, 2 broken", "broken no room on this machine: 2 trials, "]);
    assert!(said.out.contains("its process did not start: ") && !said.out.contains("our bug"), "{said}");
    sweep(64).exits(0);
}

#[test]
fn a_machine_without_descriptors_for_one_runtime_says_so() {
    let scratch = Scratch::new();
    scratch.write("good.toml", GOOD);
    let said = scratch.shell(&format!("ulimit -n 5; {BINARY} run good.toml --seed 7")).exits(64);
    assert!(said.err.contains("found no room for its runtime"), "{said}");
    assert!(said.err.contains("see how many files it may open (`ulimit -n`)"), "{said}");
}

#[test]
fn a_crowd_takes_no_more_descriptors_than_one_client() {
    let scratch = Scratch::new();
    scratch.write("crowd.toml", GOOD.replace("[node]", "[cast]\nclients = 80\n\n[node]"));
    scratch.shell(&format!("ulimit -n 64; {BINARY} run crowd.toml --seed 7")).exits(0);
}

#[tokio::test]
async fn a_second_interrupt_cuts_off_a_long_trial_and_keeps_the_summary() {
    let scratch = Scratch::new();
    // A week takes minutes.
    scratch.write("week.toml", GOOD.replace("duration = \"2m\"", "duration = \"160h\""));
    let mut running = start(&scratch, &["sweep", "week.toml", "--seeds", "3", "--jobs", "1"]);
    until("a worker plays", || !children(running.0.id()).is_empty()).await;
    scratch.shell(&format!("kill -TERM {}", running.0.id())).exits(0);
    let mut complaints = BufReader::new(running.0.stderr.take().expect("a pipe"));
    let mut complaint = String::new();
    complaints.read_line(&mut complaint).expect("a line");
    assert!(complaint.starts_with("interrupted: the trials under way"), "{complaint}");
    scratch.shell(&format!("kill -TERM {}", running.0.id())).exits(0);
    until("the campaign has ended", || running.0.try_wait().expect("it is ours").is_some()).await;
    assert_eq!(running.0.wait().expect("it has ended").code(), Some(4), "nothing was played");
    let summary = scratch.read_json("reports/latest/summary.json");
    assert_eq!((&summary["stopped"], &summary["tally"]["pass"]), (&"interrupted".into(), &0.into()));
}

#[test]
fn a_time_box_that_passes_is_green_and_says_how_far_it_came() {
    let scratch = Scratch::new();
    let said = scratch.pulseless(&["sweep", "good.toml", "--for", "1s"]).exits(0);
    let said = said.says(&["seeds from 1 on of 1 sim", "\ntime was up; every sim was played with seeds 1 to "]);
    let summary = scratch.read_json("reports/latest/summary.json");
    assert_eq!((&summary["stopped"], &summary["asked"]), (&"time-up".into(), &serde_json::Value::Null));
    let reached = summary["complete_to"].as_u64().expect("a seed");
    assert!(said.out.contains(&format!("seeds 1 to {reached}\n")), "{said}");
}

#[test]
fn a_night_begins_where_its_name_says() {
    let scratch = Scratch::new();
    let night = |name: &str| {
        let sweep = ["sweep", "good.toml", "--seeds", "1", "--seed-of-night", name];
        let said = scratch.pulseless(&sweep).exits(0);
        said.first_line().to_owned()
    };
    let (one, again, other) = (night("2026-11-28"), night("2026-11-28"), night("2026-11-29"));
    assert!(one.contains(" (the night of 2026-11-28) of 1 sim, "), "{one}");
    assert_eq!(one.split(" of ").next(), again.split(" of ").next());
    assert_ne!(one.split(" of ").next(), other.split(" of ").next());
    let range = scratch.pulseless(&["sweep", "good.toml", "--seeds", "7..9"]).exits(0);
    range.says(&["seeds 7 to 8 of 1 sim"]);
    let both = ["sweep", "good.toml", "--seeds", "7..9", "--from", "3"];
    scratch.pulseless(&both).exits(64).refuses(&["--seeds A..B says where seeds begin, and so does --from"]);
}

#[tokio::test]
async fn a_report_that_cannot_be_written_loses_no_verdict() {
    let scratch = Scratch::new();
    let mut running = start(&scratch, &["sweep", "bad.toml", "--seeds", "100000", "--jobs", "1"]);
    until("a trial has ended", || journal(&scratch, "reports/latest").lines().count() > 2).await;
    let folder = fs::canonicalize(scratch.path("reports/latest")).expect("a folder");
    // Its cases and its summary have nowhere to go.
    fs::remove_dir_all(&folder).expect("the folder goes");
    until("the campaign has ended", || running.0.try_wait().expect("it is ours").is_some()).await;
    assert_eq!(running.0.wait().expect("it has ended").code(), Some(74));
    let out = std::io::read_to_string(running.0.stdout.take().expect("a pipe")).expect("text");
    assert!(out.contains("fail liveness C2 at client"), "{out}");
    assert!(out.contains("stopped, because the report cannot be written"), "{out}");
}

#[test]
fn a_cause_is_new_then_goes_on_and_is_gone_when_its_sim_passes() {
    let scratch = Scratch::new();
    scratch.write("sims/deaf.toml", bad());
    let sweep = ["sweep", "sims", "--seeds", "2"];
    scratch.pulseless(&sweep).exits(1).says(&["with silences: 2 trials, new\n"]);
    let said = scratch.pulseless(&sweep).exits(1);
    said.says(&["with silences: 2 trials, in 2 nights since ", "0 new, 1 ongoing, 0 resolved\n"]);
    // Another sim is no answer, and the sim itself is.
    scratch
        .pulseless(&["sweep", "good.toml", "--seeds", "2", "--against", "reports/latest"])
        .exits(0)
        .says(&["0 new, 0 ongoing, 0 resolved\n", "its sims were not all played, so nobody knows\n"]);
    scratch.write("sims/deaf.toml", GOOD);
    let before = fs::read_dir(scratch.path("reports"))
        .expect("reports")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let before =
        before.filter(|name| name.ends_with("-sims-2")).map(|name| format!("reports/{name}")).next().expect("a report");
    let said = scratch.pulseless(&["sweep", "sims", "--seeds", "2", "--against", &before]).exits(0);
    said.says(&["0 new, 0 ongoing, 1 resolved\n", "liveness C2: none in 2 trials\n"]);
    let said = scratch.pulseless(&["sweep", "sims", "--seeds", "2", "--against", "missing"]).exits(64);
    assert!(said.err.contains("cannot compare with missing: failed to read missing/summary.json"), "{said}");
}

#[test]
fn a_trial_that_stands_twice_in_a_journal_is_not_counted_twice() {
    let scratch = Scratch::new();
    scratch.pulseless(&["sweep", "good.toml", "--seeds", "2"]).exits(0);
    let journal = scratch.read("reports/latest/journal.jsonl");
    let line = journal.lines().nth(1).expect("a trial");
    scratch.write("reports/latest/journal.jsonl", format!("{journal}{line}\n"));
    let said = scratch.pulseless(&["sweep", "--resume", "reports/latest"]).exits(64);
    assert!(said.err.contains("line 4, is not of a campaign's journal: good seed 1 stands twice"), "{said}");
    let nights = scratch.read_json("reports/latest/nights.json");
    assert_ne!(nights["date"], "", "what is refused is left as it was: {nights:#}");
}

#[test]
fn times_that_somebody_has_edited_make_no_panic() {
    let scratch = Scratch::new();
    scratch.pulseless(&["sweep", "good.toml", "--seeds", "1"]).exits(0);
    for seconds in ["1e300", "-7.5"] {
        let times =
            format!("{{\"begun\": \"2026-11-29T01:00:00Z\", \"seconds\": {seconds}, \"trials_per_second\": 1.0}}");
        scratch.write("reports/latest/times.json", times);
        for form in ["html", "markdown"] {
            scratch.pulseless(&["report", "reports/latest", "--to", form]).exits(0);
        }
    }
}

#[test]
fn a_night_is_compared_with_the_newest_that_ended() {
    let scratch = Scratch::new();
    scratch.write("sims/deaf.toml", bad());
    scratch.pulseless(&["sweep", "sims", "--seeds", "1", "--shrink", "0"]).exits(1);
    scratch.pulseless(&["sweep", "sims", "--seeds", "1", "--shrink", "0"]).exits(1);
    // As a kill leaves it.
    fs::remove_file(scratch.path("reports/latest/summary.json")).expect("a night has one");
    scratch
        .pulseless(&["sweep", "sims", "--seeds", "1", "--shrink", "0"])
        .exits(1)
        .says(&["0 new, 1 ongoing, 0 resolved"]);
}

#[test]
fn sims_are_chosen_by_paths_patterns_and_requirements() {
    let scratch = Scratch::new();
    scratch.write("sims/one.toml", GOOD);
    scratch.write("sims/a/b/c/d/deep.toml", GOOD.replace("\"T8\", \"C2\"", "\"S6\""));
    scratch.write("sims/Cargo.toml", "[package]\nname = \"x\"\n");
    let sweep =
        |more: &[&str]| scratch.pulseless(&[&["sweep", "sims", "good.toml", "--seeds", "1"], more].concat()).exits(0);
    let said = sweep(&[]);
    assert!(said.err.contains("sims/Cargo.toml is left out: it has neither a title nor a promise"), "{said}");
    said.says(&["of 3 sims", "deep  1 pass", "good  1 pass", "one   1 pass"]);
    sweep(&["--exclude", "*/b/*", "--exclude", "on?"]).says(&["of 1 sim,", "good  1 pass"]);
    sweep(&["--cites", "s6"]).says(&["of 1 sim,", "deep  1 pass"]);
    let said = scratch.pulseless(&["sweep", "sims", "--cites", "T99"]).exits(64);
    said.refuses(&["none of 2 sims is about T99"]);
}

#[test]
fn a_night_is_told_in_every_form() {
    let scratch = Scratch::new();
    scratch.write("sims/good.toml", GOOD);
    // What a sim is called is no markup.
    scratch.write("sims/deaf <b>|.toml", bad());
    scratch.pulseless(&["sweep", "sims", "--seeds", "3"]).exits(1);
    let report = |form: &str| {
        let said = scratch.pulseless(&["report", "reports/latest", "--to", form, "--output", "-"]).exits(0);
        assert!(said.out.contains("deaf"), "{said}");
        said.out
    };
    let line = "pulseless replay 'reports/latest/shrunk/deaf <b>|-seed-";
    let markdown = report("markdown");
    assert!(markdown.starts_with("## pulseless: 3 of 6 trials did not pass, in 1 group\n"), "{markdown}");
    assert!(markdown.contains("- deaf \\<b\\>\\| seeds 1-3\n") && markdown.contains(line), "{markdown}");
    let github = report("github");
    assert!(github.starts_with("::error title=") && github.lines().count() == 1, "{github}");
    let junit = report("junit");
    let read = quick_junit::Report::deserialize_from_str(&junit).expect("JUnit");
    assert_eq!((read.tests, read.failures, read.errors), (3, 2, 0), "two sims, of which one fails, and a group");
    assert!(junit.contains("reproduce") && junit.contains("seeds of deaf &lt;b"), "{junit}");
    let csv = report("csv");
    assert!(csv.contains("\r\ngood,3,0,0,0,0,100.0000,\r\n"), "{csv}");
    let html = report("html");
    assert!(html.contains("deaf &lt;b&gt;|") && !html.contains("<b>|"), "{html}");
    assert!(html.contains("<iframe title=\"Timeline of "), "{html}");
    assert!(!html.contains("http://") && !html.contains("https://"), "it needs no network");
    // An old one is not taken for the last.
    let age = |limit: &str| {
        let report = ["report", "reports/latest", "--to", "csv", "--output", "-", "--newer-than", limit];
        scratch.pulseless(&report)
    };
    age("30h").exits(0);
    let times = scratch.read("reports/latest/times.json");
    let begun = scratch.read_json("reports/latest/times.json")["begun"].as_str().expect("a time").to_owned();
    scratch.write("reports/latest/times.json", times.replace(&begun, "2026-01-01T00:00:00Z"));
    let said = age("30h").exits(2);
    assert!(said.err.contains("the night is an old one: it began at 2026-01-01T00:00:00Z, "), "{said}");
    // Beside the night, unless it is told where.
    scratch.pulseless(&["report", "reports/latest", "--to", "html"]).exits(0).says(&["reports/latest/index.html\n"]);
    let said = scratch.pulseless(&["report", "reports/latest", "--to", "pcapng"]).exits(64);
    said.refuses(&["reports/latest is a folder, and that form is of one trial"]);
    let case = scratch.cases("reports/latest").remove(0);
    let said = scratch.pulseless(&["report", &format!("reports/latest/{case}"), "--to", "junit"]).exits(64);
    said.refuses(&["is no folder, and that form is of a night"]);
    let aged = ["report", &format!("reports/latest/{case}"), "--to", "html", "--newer-than", "1h"];
    scratch.pulseless(&aged).exits(64).refuses(&["--newer-than is of a night, and this is one trial"]);
    let said = scratch.pulseless(&["report", "sims", "--to", "html"]).exits(64);
    said.refuses(&["failed to read sims/summary.json", "the report folder of a `pulseless sweep` that has ended"]);
}

#[test]
fn a_grid_measures_every_combination_and_marks_the_best() {
    let scratch = Scratch::new();
    let grid = ["grid", "good.toml", "--set", "node.keepalive=5s,10s", "--set", "client.watchdog=2,3", "--seeds", "2"];
    let said = scratch.pulseless(&[&grid[..], &["--plot", "plot.svg"]].concat()).exits(0);
    said.says(&[
        "seeds 1 to 2 of 4 points",
        "a node.keepalive\nb client.watchdog\n",
        "\n5s   2  ",
        "* no other point beats it",
    ]);
    let plot = scratch.read("plot.svg");
    assert!(plot.starts_with("<svg ") && plot.ends_with("</svg>\n"), "{plot}");
    let csv = scratch.pulseless(&[&grid[..], &["--format", "csv"]].concat()).exits(0).out;
    let again = scratch.pulseless(&[&grid[..], &["--format", "csv", "--jobs", "1"]].concat()).exits(0).out;
    assert_eq!(csv, again, "the order in which trials end changes nothing");
    assert_eq!(csv.lines().count(), 5, "{csv}");
    let refuse = |set: &str, parts: &[&str]| {
        scratch.pulseless(&["grid", "good.toml", "--set", set]).exits(64).refuses(parts);
    };
    refuse("node.keepalive", &["`--set node.keepalive` has no value"]);
    refuse("node.keepalive=5s,never", &["node.keepalive=never"]);
    refuse("node.keepalive=5s,", &["node.keepalive"]);
    let twice = ["grid", "good.toml", "--set", "node.keepalive=5s", "--set", "node.keepalive=9s"];
    scratch.pulseless(&twice).exits(64).refuses(&["`node.keepalive` is set twice"]);
    let begun = ["grid", "good.toml", "--set", "node.keepalive=5s", "--seeds", "3..5", "--from", "2"];
    scratch.pulseless(&begun).exits(64).refuses(&["so does --from: drop one"]);
}
