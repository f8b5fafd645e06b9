//! The exact text of what `pulseless` prints, kept beside the tests: what a change does to it shows in the commit.
//!
//! Refuses to know what is right: somebody has read what is kept. `PULSELESS_BLESS=1 cargo test --test golden` keeps
//! what is printed now. One more of its kind is a line `$ pulseless …` in a transcript, or a file in `refusals/` or
//! `cases/`; the rest is written by blessing.

#[path = "said/command.rs"]
mod command;

use std::fs;
use std::path::{Path, PathBuf};

use command::{Difference, compare, hold, pulseless, root};

/// What begins a command in a transcript.
const PROMPT: &str = "$ pulseless";
/// Each makes a wrong case file of a good one: its name, how the line begins that changes, and what that line becomes.
const WRONG_CASES: [(&str, &str, &str); 4] = [
    ("of-an-older-format", "  \"format\": ", "  \"format\": 1,"),
    ("of-a-newer-format", "  \"format\": ", "  \"format\": 1000,\n  \"shape\": \"round\","),
    ("with-a-wrong-digest", "  \"digest\": ", "  \"digest\": \"xyz\","),
    ("with-a-refused-sim", "  \"text\": ", "  \"text\": \"title = \\\"A sim\\\"\\nduraton = \\\"20m\\\"\\n\""),
];

/// The files of a folder below `tests/golden/` with that ending, by name.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let folder = root().join("tests/golden").join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("failed to list {}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("the folder stays").path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    assert!(!paths.is_empty(), "nothing ends with {ending} in {}", folder.display());
    paths.sort();
    paths
}

/// A command as a terminal shows it, with all that it said and how it ended.
fn play(line: &str) -> String {
    play_in(root(), line)
}

fn play_in(folder: &Path, line: &str) -> String {
    let said = pulseless(folder, line);
    let escape = '\x1b';
    assert!(!said.out.contains(escape) && !said.err.contains(escape), "`{line}` colors what goes to a pipe");
    let complaint = if said.err.is_empty() { String::new() } else { format!("[standard error]\n{}", said.err) };
    let text = format!("{PROMPT} {line}\n{}{complaint}[exit {}]\n", said.out, said.code);
    // miette ends some lines with spaces, which an editor would take away.
    let lines = text.lines().map(|line| format!("{}\n", line.trim_end()));
    lines.collect()
}

/// Reads a transcript and plays every command in it.
fn replay(path: &PathBuf) -> Option<Difference> {
    let written = fs::read_to_string(path).unwrap_or_else(|error| panic!("failed to read {}: {error}", path.display()));
    let commands = written.lines().filter_map(|line| line.strip_prefix(PROMPT)).map(str::trim_start);
    let commands: Vec<String> = commands.map(play).collect();
    assert!(!commands.is_empty(), "{} has no line `{PROMPT}…`", path.display());
    compare(path, &written, &commands.join("\n"))
}

/// Refuses each file by a command; the refusal is kept beside it.
fn refuse(folder: &str, ending: &str, command: &str) -> Vec<Difference> {
    let each = files(folder, ending).into_iter().filter_map(|path| {
        let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
        let real = play(&format!("{command} tests/golden/{folder}/{name}"));
        keep(&path.with_file_name(name.replace(ending, ".txt")), &real)
    });
    each.collect()
}

/// Compares a refusal with the one that is kept; a new one has nothing there yet.
fn keep(kept: &PathBuf, real: &str) -> Option<Difference> {
    assert!(real.ends_with("[exit 64]\n"), "it is not refused:\n{real}");
    compare(kept, &fs::read_to_string(kept).unwrap_or_default(), real)
}

/// A case file as a run writes it.
fn case() -> String {
    pulseless(root(), "run tests/golden/case.toml --seed 7 --format json").out
}

#[test]
fn every_transcript_is_what_its_commands_print() {
    let differences: Vec<Difference> = files("", ".txt").iter().filter_map(replay).collect();
    hold("golden", &differences);
}

#[test]
fn every_wrong_sim_is_refused_with_the_text_beside_it() {
    hold("golden", &refuse("refusals", ".toml", "explain"));
}

#[test]
fn every_wrong_case_file_is_refused_with_the_text_beside_it() {
    hold("golden", &refuse("cases", ".json", "replay"));
}

#[test]
fn every_wrong_edit_of_a_case_file_is_refused_with_the_text_that_is_kept() {
    let case = case();
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let refused = WRONG_CASES.iter().filter_map(|(name, begin, becomes)| {
        let line = case.lines().find(|line| line.starts_with(begin));
        let line = line.unwrap_or_else(|| panic!("no line of a case file begins with `{begin}`"));
        let file = format!("{name}.case.json");
        fs::write(scratch.path().join(&file), case.replacen(line, becomes, 1)).expect("the folder takes files");
        let kept = root().join(format!("tests/golden/cases/{name}.txt"));
        keep(&kept, &play_in(scratch.path(), &format!("replay {file}")))
    });
    hold("golden", &refused.collect::<Vec<_>>());
}
