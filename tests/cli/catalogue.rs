//! `list`, `explain`, help, and what goes to a pipe or a terminal.

use std::fs;
use std::io::PipeWriter;

use pulseless::runner::find_sims;

use crate::bench::{BINARY, GOOD, Said, Scratch, change, line_of, sims};

const SUBCOMMANDS: [&str; 19] = [
    "run",
    "replay",
    "report",
    "shrink",
    "keep",
    "sweep",
    "merge",
    "grid",
    "schema",
    "generate",
    "list",
    "explain",
    "profile",
    "node",
    "proxy",
    "conform",
    "conform-client",
    "publish",
    "tail",
];
/// What every ECMA-48 sequence begins with.
const ESCAPE: char = '\x1b';

fn folder() -> String {
    sims().display().to_string()
}

#[test]
fn list_names_every_sim_with_its_title() {
    let said = Scratch::new().pulseless(&["list", &folder()]).exits(0);
    let paths = find_sims(&sims()).expect("sims/ holds sims");
    assert_eq!(said.out.lines().count(), paths.len(), "{said}");
    for path in paths {
        let text = fs::read_to_string(&path).expect("a sim");
        let title = text.lines().find_map(|line| line.strip_prefix("title = ")).expect("a title").trim_matches('"');
        let line = said.line(&format!("{} ", path.display()));
        assert!(line.contains(title), "no `{title}` in `{line}`");
    }
    said.says(&["proxy-goes-silent.toml", "The proxy keeps answering PING; its upstream is gone  [T8 C2 C3]"]);
}

#[test]
fn list_gives_machines_the_same_sims() {
    let json = Scratch::new().pulseless(&["list", &folder(), "--format", "json"]).exits(0).json();
    let entries = json.as_array().expect("an array");
    assert_eq!(entries.len(), find_sims(&sims()).expect("sims/ holds sims").len());
    assert!(entries.iter().all(|entry| entry["path"].is_string() && entry["title"].is_string()), "{json}");
}

#[test]
fn one_bad_file_does_not_hide_the_others() {
    let scratch = Scratch::new();
    let broken = change(GOOD, "watchdog = 3", "wacthdog = 3");
    scratch.write("sims/a-broken.toml", &broken);
    scratch.write("sims/good.toml", GOOD);
    let said = scratch.pulseless(&["list", "sims"]).exits(64).says(&["sims/good.toml"]);
    assert!(said.err.contains("a-broken.toml") && said.err.contains(&line_of(&broken, "wacthdog")), "{said}");
}

#[test]
fn a_folder_without_sims_lists_nothing() {
    let scratch = Scratch::new();
    scratch.make_folder("empty");
    scratch.pulseless(&["list", "empty"]).exits(4).refuses(&["no sim found in empty"]);
}

#[test]
fn explain_takes_every_sim_and_says_its_requirements() {
    let scratch = Scratch::new();
    for path in find_sims(&sims()).expect("sims/ holds sims") {
        let said = scratch.pulseless(&["explain", &path.display().to_string()]).exits(0);
        let name = path.file_stem().expect("a name").to_string_lossy();
        assert!(said.first_line().starts_with(&format!("{name}: ")), "{said}");
        let text = fs::read_to_string(&path).expect("a sim");
        let cites = text.lines().find_map(|line| line.strip_prefix("cites = ")).expect("a sim cites requirements");
        let (_, requirements) = said.out.split_once("\nRequirements\n").expect("a part about requirements");
        for number in cites.split('"').skip(1).step_by(2) {
            let line = requirements.lines().find_map(|line| line.trim().strip_prefix(&format!("{number}: ")));
            assert!(line.is_some_and(|sentence| sentence.ends_with('.')), "{number} has no sentence in {said}");
        }
    }
}

#[test]
fn explain_tells_what_goes_wrong_and_what_must_happen() {
    let sim = sims().join("proxy-goes-silent.toml").display().to_string();
    let said = Scratch::new().pulseless(&["explain", &sim, "--set", "client.watchdog=off"]).exits(0);
    said.says(&[
        "at 2m for 10m: the proxy passes nothing for client-1, client-2, client-3, and goes on answering HTTP/2 PING",
        "the clients have no watchdog, against C2",
        "it must happen (reconnect-by-watchdog): A client whose watchdog tripped had a stream again later.",
        "C2: A client gives a stream up after N intervals",
    ]);
}

#[test]
fn every_subcommand_helps() {
    let scratch = Scratch::new();
    let all = scratch.pulseless(&["--help"]).exits(0).says(&["Exit codes:", "PULSELESS_SEED"]);
    for subcommand in SUBCOMMANDS {
        let usage = format!("Usage: pulseless {subcommand} ");
        let said = scratch.pulseless(&[subcommand, "--help"]).exits(0).says(&[&usage]);
        let purpose = said.first_line();
        assert!(all.line(&format!("  {subcommand} ")).ends_with(purpose), "no `{purpose}` in {all}");
    }
    // A subcommand that the list above does not know.
    let commands = all.out.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    assert_eq!(commands.count(), SUBCOMMANDS.len() + 1, "with `help`: {all}");
    scratch.pulseless(&["--version"]).exits(0).says(&[concat!("pulseless ", env!("CARGO_PKG_VERSION"))]);
}

#[test]
fn wrong_use_is_refused() {
    let scratch = Scratch::new();
    scratch.pulseless(&[]).exits(64).refuses(&["Usage: pulseless <COMMAND>", "Exit codes:"]);
    scratch.pulseless(&["rum"]).exits(64).refuses(&["unrecognized subcommand 'rum'", "'run'"]);
    scratch.pulseless(&["run"]).exits(64).refuses(&["<SIM>"]);
    for subcommand in SUBCOMMANDS {
        let said = scratch.pulseless(&[subcommand, "--bogus"]).exits(64);
        said.refuses(&["unexpected argument '--bogus'", &format!("Usage: pulseless {subcommand}")]);
    }
    let said = scratch.pulseless(&["run", "good.toml", "--format", "yaml"]).exits(64);
    said.refuses(&["invalid value 'yaml'", "text, json"]);
}

/// A pipe whose reader has gone before anybody writes.
fn closed_pipe() -> PipeWriter {
    let (_, writer) = std::io::pipe().expect("a pipe");
    writer
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let scratch = Scratch::new();
    let folder = folder();
    let commands = [
        &["list", &folder][..],
        &["explain", "good.toml"],
        &["run", "good.toml", "--seed", "7", "--verbose"],
        &["sweep", "good.toml", "--seeds", "1"],
        &["--help"],
    ];
    for arguments in commands {
        let said = Said::of(scratch.command(BINARY).args(arguments).stdout(closed_pipe()).output()).exits(0);
        assert_eq!(said.err, "", "{arguments:?}: {said}");
    }
    let refused = Said::of(scratch.command(BINARY).arg("rum").stderr(closed_pipe()).output());
    assert_eq!(refused.code, Some(64), "a refusal that nobody reads is still one");
}

/// Each command that may color its output, with the exit code that it ends with.
const COLORED: [(&str, i32); 4] = [
    ("run good.toml --seed 7", 0),
    ("run bad.toml --seed 7", 1),
    ("sweep bad.toml --seeds 1", 1),
    ("run bogus.toml", 64),
];

#[test]
fn a_pipe_gets_no_escape_codes() {
    let scratch = Scratch::new();
    scratch.write("bogus.toml", change(GOOD, "watchdog = 3", "wacthdog = 3"));
    for (command, code) in COLORED {
        let said = scratch.shell(&format!("pulseless {command}")).exits(code);
        assert!(!said.out.contains(ESCAPE) && !said.err.contains(ESCAPE), "{said:?}");
    }
    for arguments in [&["--help"][..], &["run", "--help"], &["rum"]] {
        let said = scratch.pulseless(arguments);
        assert!(!said.out.contains(ESCAPE) && !said.err.contains(ESCAPE), "{said:?}");
    }
}

/// Runs a command on a terminal of its own; `script` shows what the terminal got.
fn on_terminal(scratch: &Scratch, environment: &str, command: &str) -> Said {
    let line = format!("{environment} script -qec '{BINARY} {command}' /dev/null");
    scratch.shell(&format!("TERM=xterm {line}"))
}

#[test]
fn a_terminal_gets_color_unless_somebody_forbids_it() {
    let scratch = Scratch::new();
    scratch.write("bogus.toml", change(GOOD, "watchdog = 3", "wacthdog = 3"));
    for (command, code) in COLORED {
        let colored = on_terminal(&scratch, "", command).exits(code);
        assert!(colored.out.contains(ESCAPE), "{command}: {colored:?}");
    }
    // The sweep's progress bar moves the cursor, which is no color.
    for (command, code) in COLORED.into_iter().filter(|(command, _)| command.starts_with("run")) {
        let plain = on_terminal(&scratch, "NO_COLOR=1", command).exits(code);
        assert!(!plain.out.contains(ESCAPE), "{command}: {plain:?}");
        let empty = on_terminal(&scratch, "NO_COLOR=", command).exits(code);
        assert!(empty.out.contains(ESCAPE), "an empty NO_COLOR forbids nothing: {empty:?}");
    }
}
