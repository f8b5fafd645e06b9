//! `deploy/github-actions.yml`, its jobs carried out step by step, with a `gh` whose GitHub is a folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::bench::{Scratch, Sims, assert_whole, find, in_venv, read_json};
use crate::workflow::{bash, copy, documents, table, text};

/// How GitHub starts `shell: bash`; where no shell is named, it is `bash -e`.
const BASH: &[&str] = &["--noprofile", "--norc", "-e", "-o", "pipefail"];
/// Seeds of each sim: more trials than shares.
const SEEDS: &str = "3";

/// GitHub, as far as the workflow asks for it.
struct Forge {
    scratch: Scratch,
    workflow: Value,
}

/// What became of a job.
#[derive(Debug, Default)]
struct Played {
    /// The steps that failed, by name.
    failed: Vec<String>,
    /// What all steps said.
    out: String,
}

impl Forge {
    /// None where something is missing.
    fn new() -> Option<Self> {
        let (python, _) = (in_venv("python")?, find("jq", "jq")?);
        let workflow = documents("github-actions.yml")?.remove(0);
        let scratch = Scratch::new();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/deploy/gh.py");
        scratch.program("gh", &format!("#!/bin/sh\nexec '{}' '{}' \"$@\"\n", python.display(), script.display()));
        scratch.make("github/artifacts");
        let forge = Forge { scratch, workflow };
        forge.write("issues.json", &json!([]));
        forge.write("runs.json", &json!([]));
        Some(forge)
    }

    fn state(&self) -> PathBuf {
        self.scratch.path("github")
    }

    fn write(&self, name: &str, value: &Value) {
        fs::write(self.state().join(name), value.to_string()).expect("the scratch folder takes files");
    }

    fn issues(&self) -> Vec<Value> {
        read_json(&self.state().join("issues.json")).as_array().expect("a list").clone()
    }

    /// Where the artifacts of a run are.
    fn artifacts(&self, run: &str) -> PathBuf {
        self.state().join("artifacts").join(run)
    }

    /// A run of the workflow: all shares, of which none may fail, and the merge.
    fn night(&self, run: &str, sims: Sims) -> Played {
        let name = text(&self.workflow["name"], "the name");
        let before = fs::read_dir(self.state().join("artifacts")).expect("a folder").count();
        let mut runs = vec![json!({ "databaseId": run, "workflowName": name, "status": "in_progress" })];
        let earlier = fs::read_dir(self.state().join("artifacts")).expect("a folder");
        let earlier = earlier.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        runs.extend(earlier.map(|run| json!({ "databaseId": run, "workflowName": name, "status": "completed" })));
        runs[1..].sort_by_key(|run| std::cmp::Reverse(run["databaseId"].to_string()));
        assert_eq!(runs.len(), before + 1);
        self.write("runs.json", &Value::from(runs));
        let shares = self.workflow["jobs"]["play"]["strategy"]["matrix"]["share"].as_array().expect("shares");
        for share in shares {
            let context = [("matrix.share", share.to_string()), ("strategy.job-total", shares.len().to_string())];
            let played = Job::new(self, run, &format!("{run}-play-{share}"), sims, &context).play("play");
            assert!(played.failed.is_empty(), "share {share}: {played:?}");
        }
        self.merge(run, sims)
    }

    fn merge(&self, run: &str, sims: Sims) -> Played {
        Job::new(self, run, &format!("{run}-merge"), sims, &[]).play("merge")
    }
}

/// A job on a machine of its own.
struct Job<'f> {
    forge: &'f Forge,
    folder: PathBuf,
    sims: Sims,
    /// The job's folder in the scratch folder.
    name: String,
    artifacts: PathBuf,
    /// What `${{ }}` may ask for.
    context: BTreeMap<&'static str, String>,
    variables: Vec<(String, String)>,
}

impl<'f> Job<'f> {
    fn new(forge: &'f Forge, run: &str, name: &str, sims: Sims, context: &[(&'static str, String)]) -> Self {
        let name = format!("jobs/{name}");
        let folder = forge.scratch.make(&name);
        let mut variables = table(&forge.workflow["env"]);
        assert!(variables.iter().any(|(name, _)| name == "SEEDS"), "the workflow says how many seeds");
        let file = |name: &str| forge.scratch.path(name).display().to_string();
        let given = [
            // A night of the test is smaller.
            ("SEEDS", SEEDS.to_owned()),
            ("GITHUB_RUN_ID", run.to_owned()),
            ("GITHUB_SHA", "0123456789abcdef0123456789abcdef01234567".to_owned()),
            ("GITHUB_SERVER_URL", "https://github.example".to_owned()),
            ("GITHUB_REPOSITORY", "someone/client".to_owned()),
            ("GITHUB_WORKFLOW", text(&forge.workflow["name"], "the name").to_owned()),
            ("GITHUB_STEP_SUMMARY", file(&format!("{run}-summary.md"))),
            ("GH_STATE", file("github")),
        ];
        variables.extend(given.map(|(name, value)| (name.to_owned(), value)));
        let mut context: BTreeMap<_, _> = context.iter().cloned().collect();
        context.insert("github.token", "a token".to_owned());
        Job { forge, folder, sims, name, artifacts: forge.artifacts(run), context, variables }
    }

    /// Carries out its steps; after one that failed, those alone that always run.
    fn play(&self, name: &str) -> Played {
        let mut played = Played::default();
        let steps = self.forge.workflow["jobs"][name]["steps"].as_array().expect("steps");
        for step in steps {
            let runs_always = !step["if"].is_null();
            assert!(!runs_always || step["if"] == "always()", "a condition that is not understood: {step}");
            if !runs_always && !played.failed.is_empty() {
                continue;
            }
            let (succeeds, said) = if step["uses"].is_string() { self.action(step) } else { self.run(step) };
            played.out.push_str(&said);
            if !succeeds && step["continue-on-error"] != true {
                let name = step["name"].as_str().or(step["uses"].as_str()).or(step["run"].as_str());
                played.failed.push(name.expect("a step has a name, or does something").to_owned());
            }
        }
        played
    }

    /// A text with its expressions replaced.
    fn expand(&self, value: &str) -> String {
        let mut parts = value.split("${{");
        let mut expanded = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (expression, rest) = part.split_once("}}").expect("an expression ends");
            let found = self.context.get(expression.trim());
            expanded += found.unwrap_or_else(|| panic!("an expression that nobody gives: {expression}"));
            expanded += rest;
        }
        expanded
    }

    /// Whether a step's script succeeds, and what it says.
    fn run(&self, step: &Value) -> (bool, String) {
        let workflow = &self.forge.workflow;
        assert_eq!(workflow["defaults"]["run"]["shell"], "bash", "a shell that is not understood");
        let mut variables = self.variables.clone();
        variables.extend(table(&step["env"]).into_iter().map(|(name, value)| (name, self.expand(&value))));
        let script = text(&step["run"], "run");
        // What an expression puts into a script is code, whoever wrote it.
        assert!(!script.contains("${{"), "an expression belongs to `env`: {script}");
        let said = bash(&self.forge.scratch, &self.folder, BASH, script, &variables);
        (said.code == 0, format!("{}{}", said.out, said.err))
    }

    /// Whether an action succeeds, and why it does not.
    fn action(&self, step: &Value) -> (bool, String) {
        let with = |key: &str| self.expand(text(&step["with"][key], key));
        let known = ["if", "uses", "with"];
        let keys = step.as_object().into_iter().flatten().map(|(key, _)| key);
        keys.for_each(|key| assert!(known.contains(&key.as_str()), "`{key}` of an action is not understood"));
        match text(&step["uses"], "uses") {
            "actions/checkout@v4" => {
                self.forge.scratch.clone_with(&self.name, self.sims);
            }
            "actions/upload-artifact@v4" => {
                let (from, name) = (self.folder.join(with("path")), with("name"));
                if !from.is_dir() {
                    return (step["with"]["if-no-files-found"] != "error", format!("no files for {name}\n"));
                }
                copy(&from, &self.artifacts.join(name));
            }
            "actions/download-artifact@v4" => {
                let pattern = with("pattern");
                let start = pattern.strip_suffix('*').expect("a pattern that is understood");
                for entry in fs::read_dir(&self.artifacts).expect("a run has artifacts") {
                    let entry = entry.expect("an entry");
                    let name = entry.file_name().to_string_lossy().into_owned();
                    if name.starts_with(start) {
                        copy(&entry.path(), &self.folder.join(with("path")).join(name));
                    }
                }
            }
            other => panic!("an action that is not understood: {other}"),
        }
        (true, String::new())
    }
}

/// The title of the issue of the one group of a night.
fn title(night: &Path) -> String {
    let summary = read_json(&night.join("summary.json"));
    let groups = summary["groups"].as_array().expect("groups");
    assert_eq!(groups.len(), 1, "{summary}");
    format!("pulseless {}: liveness C2", groups[0]["id"].as_str().expect("an id"))
}

#[test]
fn nights_on_github_equal_single_runs_and_keep_one_issue_for_each_cause() {
    let Some(forge) = Forge::new() else { return };
    let first = forge.night("101", Sims::Broken);
    assert_eq!(first.failed, ["merge"], "{first:?}");
    let night = forge.artifacts("101").join("night");
    let clone = forge.scratch.clone_with("clone", Sims::Broken);
    let (single, code) = forge.scratch.single(&clone, SEEDS, "101");
    assert_eq!(code, 1);
    assert_whole(&night, &single, 6);
    assert!(first.out.contains("::error"), "it is annotated: {first:?}");
    let told = fs::read_to_string(forge.scratch.path("101-summary.md")).expect("a step summary");
    assert!(told.contains("deaf"), "{told}");
    let junit = fs::read_to_string(night.join("junit.xml")).expect("a report for tools");
    assert!(junit.contains("<testsuite"), "{junit}");
    let [issue] = &forge.issues()[..] else { panic!("one issue: {:?}", forge.issues()) };
    assert_eq!(issue["title"], title(&night));
    let body = issue["bodies"][0].as_str().expect("a body");
    let head = "3 trials in https://github.example/someone/client/actions/runs/101\n\n";
    assert!(body.starts_with(head) && body.contains("\n\n- deaf seeds "), "{body}");

    // Somebody closed it. The next night fails as well, and says so there.
    let mut issues = forge.issues();
    issues[0]["state"] = "closed".into();
    forge.write("issues.json", &Value::from(issues));
    let second = forge.night("102", Sims::Broken);
    assert_eq!(second.failed, ["merge"], "{second:?}");
    assert!(second.out.contains("0 new, 1 ongoing, 0 resolved"), "it is compared with the night before: {second:?}");
    let [issue] = &forge.issues()[..] else { panic!("one issue still: {:?}", forge.issues()) };
    assert_eq!((&issue["state"], issue["bodies"].as_array().map(Vec::len)), (&"open".into(), Some(2)), "{issue}");

    // The third passes, and is not green where a share of it is missing.
    let third = forge.night("103", Sims::Kept);
    assert!(third.failed.is_empty(), "{third:?}");
    assert!(third.out.contains("0 new, 0 ongoing, "), "{third:?}");
    fs::remove_dir_all(forge.artifacts("103").join("share-1")).expect("there was a share");
    fs::remove_dir_all(forge.scratch.path("jobs/103-merge")).expect("there was a machine");
    let partial = forge.merge("103", Sims::Kept);
    assert_eq!(partial.failed, ["merge"], "{partial:?}");
    assert_eq!(forge.issues().len(), 1);
}

#[test]
fn a_share_that_broke_keeps_what_it_played_and_one_that_never_began_fails() {
    let Some(forge) = Forge::new() else { return };
    let never = ["play a share", "keep it", "actions/upload-artifact@v4"];
    for (end, is_kept, failed) in [("70", true, &[][..]), ("74", true, &never[..1]), ("64", false, &never[..])] {
        let context = [("matrix.share", "1".to_owned()), ("strategy.job-total", "4".to_owned())];
        let mut job = Job::new(&forge, end, end, Sims::Kept, &context);
        job.variables.push(forge.scratch.ending(end, is_kept));
        let played = job.play("play");
        assert_eq!(played.failed, failed, "{end}: {played:?}");
        assert_eq!(forge.artifacts(end).join("share-1/journal.jsonl").exists(), is_kept, "{end}: {played:?}");
    }
}

#[test]
fn every_cause_of_a_night_has_its_issue_up_to_a_bound() {
    let Some(forge) = Forge::new() else { return };
    let job = Job::new(&forge, "7", "causes", Sims::Kept, &[]);
    let group = |number: u64| {
        let seeds = json!({ "count": 1, "first": 1, "last": 1, "all": "1".repeat(1_000) });
        json!({ "id": format!("{number:08}"), "cause": { "checker": "the sim promised `x`" }, "count": 1,
            "why": "it said \"no\" $(touch wicked) `touch wicked`", "sims": { "a": seeds } })
    };
    let summary = json!({ "groups": (0..30).map(group).collect::<Vec<_>>() });
    fs::create_dir_all(job.folder.join("night")).expect("folders can be made");
    fs::write(job.folder.join("night/summary.json"), summary.to_string()).expect("the scratch folder takes files");
    let steps = forge.workflow["jobs"]["merge"]["steps"].as_array().expect("steps");
    let step = steps.iter().find(|step| step["name"] == "one issue for each cause").expect("the step");
    let (succeeds, said) = job.run(step);
    assert!(succeeds, "{said}");
    let issues = forge.issues();
    assert_eq!(issues.len(), 20, "{said}");
    assert_eq!(issues[19]["title"], "pulseless 00000019: the sim promised `x`");
    let body = issues[19]["bodies"][0].as_str().expect("a body");
    assert!(body.starts_with("1 trial in https://"), "{body}");
    assert!(body.contains("it said \"no\" $(touch wicked) `touch wicked`") && body.len() < 400, "{body}");
    assert!(!job.folder.join("wicked").exists(), "what a trial said is no code");
    // A night without a summary is not green.
    fs::remove_file(job.folder.join("night/summary.json")).expect("it was there");
    assert!(!job.run(step).0);
}
