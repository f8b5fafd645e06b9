//! The files of deploy/ against the published schemas of those who read them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::bench::{Said, Scratch, in_venv, recipe};

/// What checks a file of deploy/, and a mistake in it that the check must see.
struct Check {
    file: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    /// A line's key, and what a tired person would have written.
    mistake: (&'static str, &'static str),
    /// What the refusal names.
    named: &'static str,
}

const CHECKS: &[Check] = &[
    Check {
        file: "github-actions.yml",
        program: "check-jsonschema",
        arguments: &["--builtin-schema", "vendor.github-workflows"],
        mistake: ("    timeout-minutes: 60\n", "    timeout_minutes: 60\n"),
        named: "timeout_minutes",
    },
    Check {
        file: "gitlab-ci.yml",
        program: "check-jsonschema",
        arguments: &["--builtin-schema", "vendor.gitlab-ci"],
        mistake: ("  parallel: 4\n", "  paralell: 4\n"),
        named: "paralell",
    },
    Check {
        file: "kubernetes.yaml",
        program: "kubernetes-validate",
        arguments: &["--strict"],
        mistake: ("  backoffLimitPerIndex: 3\n", "  backoffLimitForIndex: 3\n"),
        named: "backoffLimitForIndex",
    },
];

fn check(check: &Check, file: &Path) -> Option<Said> {
    Some(Said::of(Command::new(in_venv(check.program)?).args(check.arguments).arg(file).output()))
}

#[test]
fn every_file_is_valid_by_its_schema_which_sees_a_wrong_key() {
    let scratch = Scratch::new();
    for each in CHECKS {
        let Some(right) = check(each, &recipe(each.file)) else { return };
        assert_eq!(right.code, 0, "{}: {right:?}", each.file);
        let text = fs::read_to_string(recipe(each.file)).expect("text");
        let (old, new) = each.mistake;
        assert_eq!(text.matches(old).count(), 1, "{}: `{old}` is to be replaced", each.file);
        let mistaken = scratch.path(each.file);
        fs::write(&mistaken, text.replace(old, new)).expect("the scratch folder takes files");
        let wrong = check(each, &mistaken).expect("it was there a moment ago");
        assert_ne!(wrong.code, 0, "{}: {wrong:?}", each.file);
        let said = format!("{}{}", wrong.out, wrong.err);
        assert!(said.contains(each.named), "{}: no `{}` in {said}", each.file, each.named);
    }
}
