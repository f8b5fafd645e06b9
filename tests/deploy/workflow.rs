//! A recipe in YAML as data, and its lines in a shell.
//!
//! Refuses to know whose recipe it is.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::bench::{Said, Scratch, in_venv, recipe};

/// Prints all documents of a file as JSON.
const READ: &str = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";

/// The documents of a file of deploy/; none where nobody can read YAML.
pub(crate) fn documents(name: &str) -> Option<Vec<Value>> {
    let said = Said::of(Command::new(in_venv("python")?).args(["-c", READ]).arg(recipe(name)).output());
    assert_eq!(said.code, 0, "{said:?}");
    Some(serde_json::from_str(&said.out).expect("JSON"))
}

/// The text of a value; where it has none, the words say whose.
#[track_caller]
pub(crate) fn text<'v>(value: &'v Value, what: &str) -> &'v str {
    value.as_str().unwrap_or_else(|| panic!("{what} is no text: {value}"))
}

/// The texts of a table, such as variables.
#[track_caller]
pub(crate) fn table(value: &Value) -> Vec<(String, String)> {
    let table = value.as_object().into_iter().flatten();
    table.map(|(key, value)| (key.clone(), text(value, key).to_owned())).collect()
}

/// Runs a script as a runner does, from a file; bash stops at the first command that fails.
#[track_caller]
pub(crate) fn bash(
    scratch: &Scratch,
    folder: &Path,
    options: &[&str],
    script: &str,
    variables: &[(String, String)],
) -> Said {
    let file = scratch.path("step.sh");
    fs::write(&file, script).expect("the scratch folder takes files");
    let mut shell = scratch.command("bash", folder);
    shell.args(options).arg(file);
    for (name, value) in variables {
        shell.env(name, value);
    }
    Said::of(shell.output())
}

/// Copies what a runner keeps of a job, links as they are.
#[track_caller]
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().expect("it is in a folder")).expect("folders can be made");
    let copied = Command::new("cp").arg("--archive").arg("--no-target-directory").args([from, to]).output();
    let said = Said::of(copied);
    assert_eq!(said.code, 0, "{said:?}");
}
