//! Where the instructions of a trial go, and whether they have become more: `cargo bench --bench budget`.
//!
//! Counted by callgrind (Valgrind), because wall time is not to be trusted and instructions are. With `--check` the counts are
//! compared with the committed ones of `instructions.txt`, and more than 5 % off is a failure; `--bless` writes them.
//! `PULSELESS_BENCH_BINARY` measures another build: a release build, where the bench itself is of another profile.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the product of a bench is its table")]

mod callgrind;
mod layers;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::callgrind::{Counted, sum_up};
use crate::layers::LAYERS;

/// What is played, with seed 7.
const TRIALS: [(&str, &[&str]); 4] = [
    ("storm", &["sims/storm.toml"]),
    ("flagship", &["sims/proxy-goes-silent.toml"]),
    ("busy", &["benches/budget/busy.toml"]),
    ("idle", &["sims/quiet-night.toml", "--set", "duration=1h"]),
];
/// How far counts may be off, in percent.
const OFF_MAX: u64 = 5;

fn main() -> ExitCode {
    let asked: Vec<String> = std::env::args().collect();
    let asks = |flag: &str| asked.iter().any(|argument| argument == flag);
    if !asks("--bench") {
        // `cargo test --benches` asks for a quick look, and to count takes a release build.
        return ExitCode::SUCCESS;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("SKIPPED benches/budget: there is no valgrind; .ci/run installs it");
        return if asks("--check") && std::env::var_os("CI").is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    let counted = TRIALS.map(|(name, arguments)| (name, count(name, arguments)));
    print!("{}", table(&counted));
    let committed = root().join("benches/budget/instructions.txt");
    if asks("--bless") {
        let lines = counted.iter().map(|(name, counted)| format!("{name} {}\n", counted.total));
        std::fs::write(&committed, lines.collect::<String>()).expect("the source tree is writable");
    }
    if asks("--check") {
        let text = std::fs::read_to_string(&committed).expect("the counts are committed");
        let off = compare(&counted, &text);
        off.iter().for_each(|off| println!("{off}"));
        return if off.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    ExitCode::SUCCESS
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Counts one run, from its first instruction to its last.
fn count(name: &str, arguments: &[&str]) -> Counted {
    let out = std::env::temp_dir().join(format!("pulseless-budget-{}-{name}", std::process::id()));
    let mut file = std::ffi::OsString::from("--callgrind-out-file=");
    file.push(&out);
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(file)
        .arg(std::env::var_os("PULSELESS_BENCH_BINARY").unwrap_or(env!("CARGO_BIN_EXE_pulseless").into()))
        .arg("run")
        .args(arguments)
        .args(["--seed", "7"])
        .current_dir(root())
        .output()
        .expect("valgrind runs");
    assert!(run.status.success(), "{name}: {}", String::from_utf8_lossy(&run.stdout));
    let text = std::fs::read_to_string(&out).expect("callgrind has written");
    std::fs::remove_file(&out).ok();
    sum_up(&text)
}

/// A column for each trial, a row for each layer.
fn table(counted: &[(&str, Counted)]) -> String {
    let mut table = format!("{:<20}", "share of");
    for (name, _) in counted {
        write!(table, "{name:>10}").expect("a string takes all");
    }
    let names = LAYERS.iter().map(|(name, _)| *name).chain(["std and others"]);
    for (layer, name) in names.enumerate() {
        write!(table, "\n{name:<20}").expect("a string takes all");
        for (_, Counted { layers, total }) in counted {
            write!(table, "{:>8.1} %", layers[layer] as f64 * 100.0 / *total as f64).expect("a string takes all");
        }
    }
    write!(table, "\n{:<20}", "million instructions").expect("a string takes all");
    for (_, counted) in counted {
        write!(table, "{:>10.1}", counted.total as f64 / 1e6).expect("a string takes all");
    }
    table + "\n"
}

/// What is further off than it may be.
fn compare(counted: &[(&str, Counted)], committed: &str) -> Vec<String> {
    let committed: BTreeMap<&str, u64> = committed
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(name, count)| Some((name, count.parse().ok()?)))
        .collect();
    let off = counted.iter().filter_map(|(name, counted)| {
        let before = *committed.get(name).unwrap_or_else(|| panic!("no count of `{name}` is committed"));
        let is_off = counted.total.abs_diff(before) * 100 > before * OFF_MAX;
        let change = (counted.total as f64 / before as f64 - 1.0) * 100.0;
        is_off.then(|| format!("{name}: {} instructions, {change:+.1} % of the {before} that are committed; more than {OFF_MAX} % needs its reason, and `cargo bench --bench budget -- --bless`", counted.total))
    });
    off.collect()
}
