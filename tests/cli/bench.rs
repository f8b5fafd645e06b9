//! A scratch folder with a few short sims, and the binary run in it.
//!
//! Refuses to know what a right answer is; the tests say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::unfolded::{in_one_line, unfolded};

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_pulseless");

/// Keeps its promise. The silence ends before the watchdog trips, so that the next stream can be opened; its
/// title has a character of two bytes, which a case file may be cut in.
pub const GOOD: &str = r#"title = "Two minutes and a short silence, déjà vu"
cites = ["T8", "C2"]
duration = "2m"
calm = "40s"

[node]
keepalive = "5s"

[client]
watchdog = 3

[workload]
rate = "1/s"

[[fault]]
at = "15s"
for = "13s"
kind = "proxy-silence-upstream"
on = "client-*"

[promise]
verdict = "pass"
within = "35s"
"#;

/// The folder of the project's sims.
pub fn sims() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sims")
}

/// `text` with its one `old` replaced.
pub fn change(text: &str, old: &str, new: &str) -> String {
    assert_eq!(text.matches(old).count(), 1, "`{old}` is to be replaced in\n{text}");
    text.replace(old, new)
}

/// How a refusal names the line of `text` in which `part` begins.
pub fn line_of(text: &str, part: &str) -> String {
    let (before, _) = text.split_once(part).expect("the part is in the text");
    format!("line {}:", before.matches('\n').count() + 1)
}

/// A sim that breaks its promise: without a watchdog the client stays deaf.
pub fn bad() -> String {
    change(GOOD, "watchdog = 3", "watchdog = \"off\"")
}

/// A folder of its own for each test.
pub struct Scratch(TempDir);

impl Scratch {
    /// A folder with `good.toml` and `bad.toml`.
    pub fn new() -> Self {
        let scratch = Scratch(tempfile::tempdir().expect("a scratch folder"));
        scratch.write("good.toml", GOOD);
        scratch.write("bad.toml", bad());
        scratch
    }

    /// The path of `name`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, and the folders that it needs.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("folders can be made");
        fs::write(path, content).expect("the scratch folder takes files");
    }

    /// Makes a folder.
    pub fn make_folder(&self, name: &str) {
        fs::create_dir(self.path(name)).expect("folders can be made");
    }

    /// Reads a text file.
    pub fn read(&self, name: &str) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("failed to read {}: {error}", path.display()))
    }

    /// Reads a JSON file.
    pub fn read_json(&self, name: &str) -> serde_json::Value {
        serde_json::from_str(&self.read(name)).expect("JSON")
    }

    /// The case files of a report folder, by name.
    pub fn cases(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).expect("a report folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let mut cases: Vec<String> = names.filter(|name| name.ends_with(".case.json")).collect();
        cases.sort();
        cases
    }

    /// A command in this folder, away from the environment and the terminal of whoever runs the tests.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.0.path()).stdin(Stdio::null());
        command.env_remove("PULSELESS_SEED").env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
        command
    }

    /// Runs `pulseless` with `arguments`.
    pub fn pulseless(&self, arguments: &[&str]) -> Said {
        Said::of(self.command(BINARY).args(arguments).output())
    }

    /// Runs `pulseless` with `arguments` where `PULSELESS_SEED` is set.
    pub fn pulseless_with_seed(&self, seed: &str, arguments: &[&str]) -> Said {
        Said::of(self.command(BINARY).args(arguments).env("PULSELESS_SEED", seed).output())
    }

    /// Runs a line in a shell that finds `pulseless`.
    pub fn shell(&self, line: &str) -> Said {
        let folder = Path::new(BINARY).parent().expect("a binary is in a folder").display().to_string();
        let path = std::env::var("PATH").unwrap_or_default();
        Said::of(self.command("sh").args(["-c", line]).env("PATH", format!("{folder}:{path}")).output())
    }
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
    /// Standard output, its lines as they were before they were broken at 80 columns.
    pub unfolded: String,
}

impl Said {
    /// What the output of a command says.
    pub fn of(output: std::io::Result<Output>) -> Self {
        let output = output.expect("the command can be run");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("all output is UTF-8");
        let (out, err) = (text(output.stdout), text(output.stderr));
        let lines = unfolded(&out).iter().map(|lines| in_one_line(lines) + "\n").collect();
        Said { code: output.status.code(), out, err, unfolded: lines }
    }

    /// It ended with that exit code, and without a panic.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        assert!(!self.err.contains("panicked"), "{self}");
        self
    }

    /// Standard output has each of these parts, as they were before lines were broken.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        parts.iter().for_each(|part| assert!(self.unfolded.contains(part), "no `{part}` in {self}"));
        self
    }

    /// Standard error has each of these parts, and standard output nothing.
    #[track_caller]
    pub fn refuses(self, parts: &[&str]) -> Self {
        assert_eq!(self.out, "", "{self}");
        parts.iter().for_each(|part| assert!(self.err.contains(part), "no `{part}` in {self}"));
        self
    }

    /// The first line of standard output that has `part`, in one and without the space around it.
    #[track_caller]
    pub fn line(&self, part: &str) -> &str {
        self.unfolded.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("no `{part}` in {self}")).trim()
    }

    /// The first line of standard output.
    pub fn first_line(&self) -> &str {
        self.out.lines().next().unwrap_or_default()
    }

    /// The command of the reproduce line, which is the last line.
    #[track_caller]
    pub fn again(&self) -> &str {
        let last = self.out.lines().last().unwrap_or_default();
        last.strip_prefix("again    ").unwrap_or_else(|| panic!("the last line does not reproduce: {self}"))
    }

    /// Standard output as one JSON value.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {self}"))
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "exit {:?}\nstdout:\n{}\nstderr:\n{}", self.code, self.out, self.err)
    }
}
