//! `deploy/gitlab-ci.yml`, its jobs carried out line by line.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bench::{Said, Scratch, Sims, assert_whole};
use crate::workflow::{bash, copy, documents, table, text};

/// Seeds of each sim: more trials than shares.
const SEEDS: &str = "3";

/// A pipeline.
struct Pipeline<'a> {
    scratch: &'a Scratch,
    recipe: &'a Value,
    id: &'a str,
    sims: Sims,
}

impl Pipeline<'_> {
    /// A job's folder: a fresh clone.
    fn clone_for(&self, job: &str) -> PathBuf {
        self.scratch.clone_with(&format!("jobs/{}-{job}", self.id), self.sims)
    }

    /// The lines of a job's script, and then those that come after it, in another shell.
    fn play(&self, job: &str, folder: &Path, more: &[(&str, String)]) -> (Said, Said) {
        let mut variables = table(&self.recipe["variables"]);
        assert!(variables.iter().any(|(name, _)| name == "SEEDS"), "the recipe says how many seeds");
        let given = [("SEEDS", SEEDS), ("CI_COMMIT_SHORT_SHA", "01234567"), ("CI_PIPELINE_ID", self.id)];
        variables.extend(given.map(|(name, value)| (name.to_owned(), value.to_owned())));
        variables.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let shell = |key: &str| {
            let lines = self.recipe[job][key].as_array().expect("lines");
            let script: Vec<&str> = lines.iter().map(|line| text(line, key)).collect();
            // As the runner writes them.
            let script = format!("set -eo pipefail\n{}\n", script.join("\n"));
            bash(self.scratch, folder, &[], &script, &variables)
        };
        (shell("script"), shell("after_script"))
    }

    /// All shares, of which none may fail, and the merge, with the cache of the pipeline before.
    fn night(&self, cache: &Path) -> (PathBuf, Said) {
        let shares = self.recipe["play"]["parallel"].as_u64().expect("a number");
        let merge = self.clone_for("merge");
        for share in 1..=shares {
            let folder = self.clone_for(&format!("play-{share}"));
            let node = [("CI_NODE_INDEX", share.to_string()), ("CI_NODE_TOTAL", shares.to_string())];
            let (script, after) = self.play("play", &folder, &node);
            assert_eq!((script.code, after.code), (0, 0), "share {share}: {script:?} {after:?}");
            assert_eq!(self.recipe["play"]["artifacts"]["paths"], serde_json::json!(["share-*/"]));
            let name = format!("share-{share}");
            copy(&folder.join(&name), &merge.join(&name));
        }
        assert_eq!(self.recipe["merge"]["cache"]["paths"], serde_json::json!(["before/"]));
        if cache.exists() {
            copy(cache, &merge.join("before"));
        }
        let (script, after) = self.play("merge", &merge, &[]);
        assert_eq!(after.code, 0, "{script:?} {after:?}");
        fs::remove_dir_all(cache).ok();
        copy(&merge.join("before"), cache);
        (merge, script)
    }
}

#[test]
fn nights_on_gitlab_equal_single_runs_and_are_compared_with_each_other() {
    let Some(recipe) = documents("gitlab-ci.yml") else { return };
    let scratch = Scratch::new();
    let cache = scratch.path("cache");
    for (id, compared) in [("201", "3 trials, new"), ("202", "0 new, 1 ongoing, 0 resolved")] {
        let pipeline = Pipeline { scratch: &scratch, recipe: &recipe[0], id, sims: Sims::Broken };
        let (folder, merge) = pipeline.night(&cache);
        assert!(merge.code == 1 && merge.out.contains(compared), "no `{compared}` in {merge:?}");
        let clone = scratch.clone_with("clone", Sims::Broken);
        let (single, _) = scratch.single(&clone, SEEDS, id);
        assert_whole(&folder.join("night"), &single, 6);
        let junit = text(&recipe[0]["merge"]["artifacts"]["reports"]["junit"], "junit");
        assert!(fs::read_to_string(folder.join(junit)).expect("a report for tools").contains("<testsuite"));
        assert!(fs::read_to_string(folder.join("night/night.md")).expect("a report for people").contains("deaf"));
    }
    let (_, green) = Pipeline { scratch: &scratch, recipe: &recipe[0], id: "203", sims: Sims::Kept }.night(&cache);
    assert_eq!(green.code, 0, "{green:?}");
}

#[test]
fn a_share_that_broke_keeps_what_it_played_and_one_that_never_began_fails() {
    let Some(recipe) = documents("gitlab-ci.yml") else { return };
    let scratch = Scratch::new();
    let pipeline = Pipeline { scratch: &scratch, recipe: &recipe[0], id: "301", sims: Sims::Kept };
    for (end, is_kept) in [("70", true), ("74", true), ("64", false)] {
        let folder = pipeline.clone_for(end);
        let (name, program) = scratch.ending(end, is_kept);
        let node = [("CI_NODE_INDEX", "1".to_owned()), ("CI_NODE_TOTAL", "4".to_owned()), (&name, program)];
        let (script, after) = pipeline.play("play", &folder, &node);
        assert_eq!(script.code == 0, end == "70", "{end}: {script:?}");
        assert_eq!(after.code == 0, is_kept, "{end}: {after:?}");
        assert_eq!(folder.join("share-1/journal.jsonl").exists(), is_kept, "{end}");
    }
}
