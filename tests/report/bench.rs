//! A scratch folder with cases and their reports, and the programs that look at them.
//!
//! Refuses to know what a right report is; the tests say.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The binary under test.
const BINARY: &str = env!("CARGO_BIN_EXE_pulseless");

/// A scratch folder.
pub struct Scratch(TempDir);

impl Scratch {
    pub fn new() -> Self {
        Scratch(tempfile::tempdir().expect("a scratch folder"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("the scratch folder takes files");
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Runs `pulseless` in the folder.
    pub fn pulseless(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(BINARY);
        command.args(arguments).current_dir(self.0.path()).env_remove("PULSELESS_SEED");
        Said::of(command.output().expect("the binary runs"))
    }

    /// Plays a sim of the project, or one in the folder, and leaves the case file `<name>.case.json`.
    pub fn case(&self, name: &str, sim: &str, more: &[&str]) {
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("sims").join(sim);
        let sim = if ours.exists() { ours } else { self.path(sim) };
        let sim = sim.to_str().expect("a path of text");
        let run = ["run", sim, "--seed", "7", "--format", "json"];
        let said = self.pulseless(&[&run, more].concat());
        assert!([0, 1, 2].contains(&said.code), "{said:?}");
        fs::write(self.path(&format!("{name}.case.json")), &said.out).expect("the scratch folder takes files");
    }

    /// The report of a case, beside it.
    pub fn report(&self, name: &str, form: &str, more: &[&str]) -> Said {
        let said = self.pulseless(&[&["report", &format!("{name}.case.json"), "--to", form], more].concat());
        assert_eq!(said.code, 0, "{said:?}");
        said
    }
}

/// What a program said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: Vec<u8>,
    pub err: String,
}

impl Said {
    pub fn of(output: Output) -> Self {
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        Said { code: output.status.code().expect("it ended by itself"), out: output.stdout, err }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

/// A program in one of the folders of PATH.
pub fn find(program: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&paths).map(|folder| folder.join(program)).find(|path| path.exists());
    if found.is_none() {
        skip(&format!("there is no {program}: apt-get install {program}"));
    }
    found
}

/// The Python with the packages of `requirements.txt`.
pub fn python() -> Option<PathBuf> {
    // Beside the binary's profile: wherever cargo was told to build.
    let target = Path::new(BINARY).ancestors().nth(2).expect("a binary is in a folder of a profile");
    let python = target.join("report-venv/bin/python");
    if python.exists() {
        return Some(python);
    }
    let venv = target.join("report-venv");
    skip(&format!(
        "there is no {}: python3 -m venv {venv} && {venv}/bin/pip install -r tests/report/requirements.txt",
        python.display(),
        venv = venv.display()
    ));
    None
}

/// Says so past the capture of the test's output, or fails.
fn skip(why: &str) {
    let told = format!("tests/report: {why}");
    assert!(std::env::var_os("CI").is_none(), "{told}");
    writeln!(std::io::stderr(), "SKIPPED {told}").expect("standard error is open");
}
