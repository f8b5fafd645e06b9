//! `deploy/slurm.sh`, submitted to a Slurm of its own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::bench::{Said, Sims, assert_whole, read_json, recipe};
use crate::cluster::{Cluster, Job};

/// Seeds of each sim. With four tasks and one sim, one of them has nothing to play.
const SEEDS: &str = "3";
/// A program that refuses the second share, as one does whose disk is full, and tells of a trial that broke in the third.
const REFUSES_SHARE_2: &str = "#!/bin/bash
[[ \"$1 $SLURM_ARRAY_TASK_ID\" != \"sweep 2\" ]] || exit 74
[[ \"$1 $SLURM_ARRAY_TASK_ID\" != \"sweep 3\" ]] || { pulseless \"$@\"; exit 70; }
exec pulseless \"$@\"
";

/// Submits a night of four tasks as a user would.
fn submit(cluster: &Cluster, sims: &Path, night: &str, program: &str) -> Said {
    let mut script = cluster.command("bash");
    script.arg(recipe("slurm.sh")).args(["nights of ours", "4", SEEDS]);
    script.env("SIMS", sims).env("NIGHT", night).env("PULSELESS", cluster.scratch.path("bin").join(program));
    Said::of(script.output())
}

/// The ids of both jobs.
#[track_caller]
fn submitted(said: &Said) -> (&str, &str) {
    assert_eq!(said.code, 0, "{said:?}");
    let (array, merge) = said.out.trim().split_once('\n').unwrap_or_else(|| panic!("no two ids: {said:?}"));
    (array, merge)
}

/// How jobs ended: `COMPLETED 0:0`.
fn endings(jobs: &[Job]) -> Vec<String> {
    jobs.iter().map(|job| format!("{} {}", job.state, job.exit)).collect()
}

fn night_folder(cluster: &Cluster, night: &str) -> PathBuf {
    cluster.scratch.path("nights of ours").join(night)
}

/// What a log of a night says.
fn log(cluster: &Cluster, night: &str, name: &str) -> String {
    fs::read_to_string(night_folder(cluster, night).join(name)).expect("a log")
}

/// The ends of the first night's tasks, which all pass, and of a task that is requeued later.
async fn a_night_that_passes(cluster: &Cluster) {
    let clone = cluster.scratch.clone_with("kept", Sims::Kept);
    let said = submit(cluster, &clone.join("sims"), "one", "pulseless");
    let (array, merge) = submitted(&said);
    assert_eq!(endings(&cluster.ended(array, 0).await), ["COMPLETED 0:0"; 4]);
    let merged = cluster.ended(merge, 0).await;
    assert_eq!(endings(&merged), ["COMPLETED 0:0"], "{}", log(cluster, "one", "merge.log"));
    let (single, code) = cluster.scratch.single(&clone, SEEDS, "one");
    assert_eq!(code, 0);
    let merged = night_folder(cluster, "one").join("merged");
    assert_whole(&merged, &single, 3);
    let again = submit(cluster, &clone.join("sims"), "one", "pulseless");
    assert!(again.code == 64 && again.err.contains("the night of one was submitted already"), "{again:?}");

    // The scheduler takes a task back: it goes on from its journal, which is whole, and its log is not lost.
    let journal =
        || fs::read_to_string(night_folder(cluster, "one").join("share-1/latest/journal.jsonl")).expect("text");
    let before = (journal(), log(cluster, "one", "play-1.log"));
    let task = format!("{array}_1");
    cluster.control(&["requeue", &task]);
    // Not two minutes later, as where the node may still be at it.
    cluster.control(&["update", &format!("jobid={task}"), "starttime=now"]);
    assert_eq!(endings(&cluster.ended(&task, 1).await), ["COMPLETED 0:0"]);
    let after = log(cluster, "one", "play-1.log");
    assert_eq!(journal(), before.0);
    assert!(after.starts_with(&before.1) && after.len() > before.1.len(), "{after}");
}

/// A night with failures: its report is there, is compared with the night before, and the merge's exit code tells.
async fn a_night_that_fails(cluster: &Cluster) {
    let clone = cluster.scratch.clone_with("broken", Sims::Broken);
    let said = submit(cluster, &clone.join("sims"), "two", "pulseless");
    let (array, merge) = submitted(&said);
    assert_eq!(endings(&cluster.ended(array, 0).await), ["COMPLETED 0:0"; 4], "what was found is no fault of a task");
    assert_eq!(endings(&cluster.ended(merge, 0).await), ["FAILED 1:0"]);
    let merged = night_folder(cluster, "two").join("merged");
    let (single, code) = cluster.scratch.single(&clone, SEEDS, "two");
    assert_eq!(code, 1);
    assert_whole(&merged, &single, 6);
    let against = read_json(&merged.join("nights.json"))["against"].as_str().map(PathBuf::from);
    let before = night_folder(cluster, "one").join("merged");
    assert_eq!(against, Some(before.canonicalize().expect("it is there")), "it is compared with the night before");
    let latest = cluster.scratch.path("nights of ours/latest");
    assert_eq!(latest.canonicalize().expect("a link"), merged.canonicalize().expect("a folder"));
}

/// A task that could not do its work fails, and what is missing is told by the merge.
async fn a_night_without_a_share(cluster: &Cluster) {
    cluster.scratch.program("refusing", REFUSES_SHARE_2);
    let sims = cluster.scratch.path("kept/sims");
    let said = submit(cluster, &sims, "three", "refusing");
    let (array, merge) = submitted(&said);
    let mut ends = endings(&cluster.ended(array, 0).await);
    ends.sort();
    assert_eq!(ends, ["COMPLETED 0:0", "COMPLETED 0:0", "COMPLETED 0:0", "FAILED 1:0"]);
    assert_eq!(endings(&cluster.ended(merge, 0).await), ["FAILED 2:0"]);
    let told = log(cluster, "three", "merge.log");
    assert!(told.contains("trials are missing") || told.contains("trial is missing"), "{told}");
    assert!(night_folder(cluster, "three").join("merged/index.html").exists());
}

#[tokio::test]
async fn nights_of_an_array_job_equal_single_runs_and_their_merge_tells_how_they_ended() {
    let Some(cluster) = Cluster::start().await else { return };
    a_night_that_passes(&cluster).await;
    a_night_that_fails(&cluster).await;
    a_night_without_a_share(&cluster).await;
    cluster.ends().await;
}

#[test]
fn what_cannot_be_submitted_is_refused_before_slurm_is_asked() {
    let scratch = crate::bench::Scratch::new();
    // Whoever asks it is found out.
    scratch.program("sbatch", "#!/bin/sh\ntouch asked\nexit 1\n");
    let clone = scratch.clone_with("clone", Sims::Kept);
    symlink("/bin/true", scratch.path("bin/program")).expect("the scratch folder takes links");
    let refused = |arguments: &[&str], variable: (&str, &str), part: &str| {
        let mut script = scratch.command("bash", &clone);
        script
            .arg(recipe("slurm.sh"))
            .args(arguments)
            .env("SIMS", "sims")
            .env("PULSELESS", scratch.path("bin/program"));
        let said = Said::of(script.env(variable.0, variable.1).output());
        assert!(said.code == 64 && said.err.contains(part), "no `{part}` in {said:?}");
        assert!(!clone.join("asked").exists() && !clone.join("nights").exists(), "{said:?}");
    };
    refused(&[], ("NIGHT", "one"), "name a folder for the reports: deploy/slurm.sh FOLDER");
    refused(&["nights", "four"], ("NIGHT", "one"), "TASKS is `four`; it is how many tasks share the night, such as 4");
    refused(&["nights", "4", "0"], ("NIGHT", "one"), "SEEDS is `0`; it is how many seeds each sim is played with");
    refused(&["nights"], ("NIGHT", "../x"), "NIGHT is `../x`; it names a folder, such as 2026-11-28");
    refused(&["nights"], ("PULSELESS", "nowhere"), "nowhere is no program: cargo build --release makes it");
    refused(&["nights"], ("SIMS", "nowhere"), "nowhere is not there; SIMS names a sim or a folder of sims");
}
