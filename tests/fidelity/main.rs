//! Real proxies before a misbehaving backend, frame by frame, and ours in the place of each.
//!
//! A part of the matrix, with PULSELESS_LONG all of it, is played by `run.py`, with the packages of `requirements.txt` in the target folder, where `.ci/run` puts
//! them, and the proxies that are installed. What is missing is skipped, and said so; where `CI` is set, it fails.
//! Refuses to know what a proxy does: `seen.json` has it, and `differences.toml` why ours may do otherwise.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const BINARY: &str = env!("CARGO_BIN_EXE_pulseless");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The Python of the target folder, or none where it is not.
fn python() -> Option<PathBuf> {
    // Beside the binary's profile: wherever cargo was told to build.
    let venv =
        Path::new(BINARY).ancestors().nth(2).expect("a binary is in a folder of a profile").join("fidelity-venv");
    let python = venv.join("bin/python");
    if python.exists() {
        return Some(python);
    }
    let venv = venv.display();
    skip(&format!(
        "there is no {}: python3 -m venv {venv} && {venv}/bin/pip install -r tests/fidelity/requirements.txt",
        python.display()
    ));
    None
}

/// Says so past the capture of the test's output, or fails.
fn skip(what: &str) {
    let told = format!("tests/fidelity: {what}");
    assert!(std::env::var_os("CI").is_none(), "{told}");
    writeln!(std::io::stderr(), "SKIPPED {told}").expect("standard error is open");
}

/// One of our scripts, run to its end.
fn script(python: &Path, name: &str, arguments: &[&str]) -> Output {
    let script = Path::new(ROOT).join("tests/fidelity").join(name);
    // Without -B a folder of compiled code would appear in the tree.
    Command::new(python).arg("-B").arg(script).args(arguments).output().expect("Python runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

/// Plays a part of the matrix; whether nothing differs, and what was said. None where a proxy of it is missing.
fn run(python: &Path, arguments: &[&str]) -> Option<(bool, String)> {
    let ended = script(python, "run.py", &[&["--pulseless", BINARY], arguments].concat());
    let (out, err) = (text(&ended.stdout), text(&ended.stderr));
    let missing: Vec<&str> = err.lines().filter_map(|line| line.strip_prefix("SKIPPED ")).collect();
    for each in &missing {
        skip(each);
    }
    let (same, told) = (ended.status.success(), format!("{out}{err}"));
    assert!(out.contains(" scenarios before "), "the matrix was not played to its end:\n{told}");
    if missing.is_empty() {
        return Some((same, told));
    }
    assert!(same, "{told}");
    None
}

/// What CI plays: each of the six answers in its own way to these, and none of them by the clock.
const QUICK: [&str; 5] =
    ["greeting", "reset-before-headers", "trailers-only", "end-without-trailers", "client-cancels"];

/// The six less Pingora, which is built from its crate.
const INSTALLED: [&str; 5] = ["nginx", "haproxy", "nghttpx", "apache", "envoy"];

#[test]
fn real_proxies_do_what_is_recorded_and_ours_does_as_they_do() {
    let Some(python) = python() else { return };
    let quick = QUICK.iter().flat_map(|scenario| ["--scenario", *scenario]);
    let quick = quick.chain(INSTALLED.iter().flat_map(|proxy| ["--proxy", *proxy]));
    // The others wait for timers, on a machine that has nothing else to do: PULSELESS_LONG plays them.
    let arguments: Vec<&str> = match std::env::var_os("PULSELESS_LONG") {
        Some(_) => vec!["--ci"],
        None => quick.collect(),
    };
    if let Some((same, told)) = run(&python, &arguments) {
        assert!(same, "{told}");
    }
}

/// A matrix that could not fail would prove nothing.
#[test]
fn a_wrong_code_and_a_wrong_time_are_differences() {
    let Some(python) = python() else { return };
    let seen = fs::read_to_string(Path::new(ROOT).join("tests/fidelity/seen.json")).expect("it is there");
    let folder = tempfile::tempdir().expect("a scratch folder");
    let wrong = folder.path().join("wrong.json");
    let path = wrong.to_str().expect("a path of text");
    for (scenario, right, other) in [
        ("reset-before-headers", "\"RST_STREAM REFUSED_STREAM\", 0.0", "\"RST_STREAM CANCEL\", 0.0"),
        ("unreachable", "content-type=text/html\", 3.", "content-type=text/html\", 2."),
    ] {
        assert!(seen.contains(right), "what is to be made wrong: {right}");
        fs::write(&wrong, seen.replace(right, other)).expect("the scratch folder takes files");
        let played = run(&python, &["--proxy", "haproxy", "--scenario", scenario, "--recorded", path]);
        let Some((same, told)) = played else { return };
        assert!(!same && told.contains(&format!("{scenario}, haproxy, what the client saw")), "{told}");
    }
}

#[test]
fn the_page_is_what_was_seen() {
    let Some(python) = python() else { return };
    let printed = script(&python, "page.py", &[]);
    assert!(printed.status.success(), "{}", text(&printed.stderr));
    let page = fs::read_to_string(Path::new(ROOT).join("reports/findings/fidelity.md")).expect("it is there");
    assert_eq!(page, text(&printed.stdout), "tests/fidelity/page.py > reports/findings/fidelity.md");
}
