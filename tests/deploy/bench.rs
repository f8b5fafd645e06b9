//! A scratch folder with short sims, the programs that a recipe calls, and what a night leaves.
//!
//! Refuses to know any scheduler.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::process::BINARY;

/// Keeps its promise.
const GOOD: &str = "title = \"A minute without harm\"
duration = \"1m\"
calm = \"20s\"
[promise]
verdict = \"pass\"
within = \"20s\"
";
/// Breaks it with every seed: without a watchdog the client stays deaf.
const DEAF: &str = "title = \"A short silence, and no watchdog\"
cites = [\"C2\"]
duration = \"2m\"
calm = \"40s\"
[node]
keepalive = \"5s\"
[client]
watchdog = \"off\"
[workload]
rate = \"1/s\"
[[fault]]
at = \"15s\"
for = \"13s\"
kind = \"proxy-silence-upstream\"
on = \"client-*\"
[promise]
verdict = \"pass\"
within = \"35s\"
";
/// Stands for a compiler: the program under test is built already.
const CARGO: &str = "#!/bin/bash
[[ \"$*\" == \"build --release\" ]] || { echo \"cargo is asked for: $*\" >&2; exit 1; }
[[ -n \"$PULSELESS_COMMIT\" ]] || { echo 'the build does not know its commit' >&2; exit 1; }
mkdir -p target/release && ln -sf \"${PROGRAM:-$BINARY}\" target/release/pulseless
";

/// Which sims a night has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sims {
    /// One that passes.
    Kept,
    /// One more, which fails.
    Broken,
}

/// A scratch folder, with a folder `bin` of programs that are found before all others.
pub(crate) struct Scratch(TempDir);

impl Scratch {
    pub(crate) fn new() -> Self {
        let scratch = Scratch(tempfile::tempdir().expect("a scratch folder"));
        // Slurm's and munge's daemons refuse a way that not everybody may go.
        fs::set_permissions(scratch.0.path(), fs::Permissions::from_mode(0o755)).expect("the folder is ours");
        scratch.make("bin");
        symlink(BINARY, scratch.path("bin/pulseless")).expect("the scratch folder takes links");
        scratch.program("cargo", CARGO);
        scratch
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn make(&self, name: &str) -> PathBuf {
        let folder = self.path(name);
        fs::create_dir_all(&folder).expect("folders can be made");
        folder
    }

    /// Writes a program into `bin`.
    pub(crate) fn program(&self, name: &str, text: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, text).expect("the scratch folder takes files");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("the file is ours");
    }

    /// A program that ends with that exit code, after a sweep has been played, or before; for variable `PROGRAM` of `cargo`.
    pub(crate) fn ending(&self, code: &str, plays: bool) -> (String, String) {
        let play = if plays { "pulseless \"$@\"" } else { "true" };
        self.program("ending", &format!("#!/bin/sh\n{play}\nexit {code}\n"));
        ("PROGRAM".to_owned(), self.path("bin/ending").display().to_string())
    }

    /// A folder with a folder `sims`, as a fresh clone has one.
    pub(crate) fn clone_with(&self, name: &str, sims: Sims) -> PathBuf {
        let folder = self.make(name);
        self.make(&format!("{name}/sims"));
        fs::write(folder.join("sims/good.toml"), GOOD).expect("the scratch folder takes files");
        if sims == Sims::Broken {
            fs::write(folder.join("sims/deaf.toml"), DEAF).expect("the scratch folder takes files");
        }
        folder
    }

    /// A command in a folder, that finds the programs of `bin`.
    pub(crate) fn command(&self, program: &str, folder: &Path) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var("PATH").expect("there is a PATH");
        command.env("PATH", format!("{}:{path}", self.path("bin").display())).env("BINARY", BINARY);
        command.env_remove("PULSELESS_SEED").current_dir(folder).stdin(Stdio::null());
        command
    }

    /// What one sweep without a scheduler leaves of the same night, and its exit code.
    pub(crate) fn single(&self, clone: &Path, seeds: &str, night: &str) -> (PathBuf, i32) {
        let reports = self.path("single").join(night);
        let mut sweep = self.command(BINARY, clone);
        sweep.args(["sweep", "sims", "--seeds", seeds, "--seed-of-night", night, "--reports"]).arg(&reports);
        let said = Said::of(sweep.output());
        (reports.join("latest"), said.code)
    }
}

/// What a program said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    #[track_caller]
    pub(crate) fn of(output: std::io::Result<Output>) -> Self {
        let output = output.expect("the program runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        let (out, err) = (text(output.stdout), text(output.stderr));
        Said { code: output.status.code().expect("it ended by itself"), out, err }
    }
}

/// A JSON file.
#[track_caller]
pub(crate) fn read_json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

/// What of a report folder is the same wherever its trials were played: journal, summary and cases.
fn left(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let is_same = |name: &String| name == "journal.jsonl" || name == "summary.json" || name.ends_with(".case.json");
    let mut names: Vec<String> = names.filter(is_same).collect();
    names.sort();
    let text = |name: &String| fs::read_to_string(folder.join(name)).expect("text");
    names.iter().map(|name| (name.clone(), text(name))).collect()
}

/// A merged night is, byte for byte, what one sweep would have left, has a page, and every trial that was asked for.
#[track_caller]
pub(crate) fn assert_whole(merged: &Path, single: &Path, trials: u64) {
    let (merged_files, single_files) = (left(merged), left(single));
    let names = |files: &[(String, String)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&merged_files), names(&single_files));
    for ((name, merged), (_, single)) in merged_files.iter().zip(&single_files) {
        assert!(merged == single, "{name} differs:\n{merged}\n---\n{single}");
    }
    assert!(names(&merged_files).len() >= 2, "journal and summary are among them");
    let summary = read_json(&merged.join("summary.json"));
    let tally = summary["tally"].as_object().expect("a tally");
    assert_eq!(tally.values().filter_map(Value::as_u64).sum::<u64>(), trials, "{summary}");
    assert!(merged.join("index.html").exists(), "a night has a page");
}

/// A file of deploy/.
pub(crate) fn recipe(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

/// A program in one of the folders of PATH, or where Debian has daemons.
pub(crate) fn find(program: &str, package: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").expect("there is a PATH");
    let folders = std::env::split_paths(&paths).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join(program)).find(|path| path.exists());
    if found.is_none() {
        skip(&format!("there is no {program}: apt-get install --no-install-recommends {package}"));
    }
    found
}

/// A program of the Python with the packages of `requirements.txt`.
pub(crate) fn in_venv(program: &str) -> Option<PathBuf> {
    // Beside the binary's profile: wherever cargo was told to build.
    let venv = Path::new(BINARY).ancestors().nth(2).expect("a binary is in a folder of a profile").join("deploy-venv");
    let path = venv.join("bin").join(program);
    if path.exists() {
        return Some(path);
    }
    let (path, venv) = (path.display(), venv.display());
    skip(&format!(
        "there is no {path}: python3 -m venv {venv} && {venv}/bin/pip install -r tests/deploy/requirements.txt"
    ));
    None
}

/// Says so past the capture of the test's output, or fails.
fn skip(why: &str) {
    let told = format!("tests/deploy: {why}");
    assert!(std::env::var_os("CI").is_none(), "{told}");
    writeln!(std::io::stderr(), "SKIPPED {told}").expect("standard error is open");
}
