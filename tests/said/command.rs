//! Runs `pulseless` where a reader of the docs would, and tells how what it says differs from what is written.
//!
//! Refuses to know what a right answer is, and where it is written.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder of the repository: every path in a command and in an output is relative to it.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a command said, and how it ended.
pub(crate) struct Said {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
}

/// Runs `pulseless` in a folder with the arguments of a line, away from the environment and the terminal of whoever
/// runs the tests.
pub(crate) fn pulseless(folder: &Path, line: &str) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pulseless"));
    command.args(words(line)).current_dir(folder).stdin(Stdio::null());
    for variable in ["PULSELESS_SEED", "PULSELESS_LOG", "NO_COLOR", "CLICOLOR_FORCE", "COLUMNS"] {
        command.env_remove(variable);
    }
    let output = command.output().expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("all output is UTF-8");
    let code = output.status.code().unwrap_or_else(|| panic!("`pulseless {line}` was killed"));
    Said { out: text(output.stdout), err: text(output.stderr), code }
}

/// The words of a line as a shell takes them: what stands in single quotes is one word.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None, false);
    for letter in line.chars() {
        match letter {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_with(String::new);
            }
            ' ' if !quoted => words.extend(word.take()),
            _ => word.get_or_insert_with(String::new).push(letter),
        }
    }
    words.extend(word);
    words
}

/// Where what is written and what is so part, if they do.
pub(crate) struct Difference {
    place: String,
    lines: Vec<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}: - is written, + is said", self.place)?;
        self.lines.iter().try_for_each(|line| writeln!(formatter, "  {line}"))
    }
}

/// Compares a written file with what it should be; where `PULSELESS_BLESS` is set, writes it anew.
pub(crate) fn compare(path: &PathBuf, written: &str, real: &str) -> Option<Difference> {
    if written == real {
        return None;
    }
    if std::env::var_os("PULSELESS_BLESS").is_some() {
        fs::write(path, real).unwrap_or_else(|error| panic!("failed to write {}: {error}", path.display()));
        return None;
    }
    let place = path.strip_prefix(root()).unwrap_or(path).display().to_string();
    Some(Difference { place, lines: difference(written, real) })
}

/// Fails where anything differs, and says how to take what is so for what is right.
pub(crate) fn hold(target: &str, differences: &[Difference]) {
    let told: Vec<String> = differences.iter().map(ToString::to_string).collect();
    let help = format!("if that is right: PULSELESS_BLESS=1 cargo test --test {target}");
    assert!(told.is_empty(), "{} differ:\n{}{help}", told.len(), told.join("\n"));
}

/// The lines of two texts that differ, with a `-` and a `+`; what they have in common is left out.
fn difference(written: &str, real: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (written.lines().collect(), real.lines().collect());
    // The longest common run of lines from each pair of places on.
    let mut common = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for one in (0..old.len()).rev() {
        for other in (0..new.len()).rev() {
            common[one][other] = if old[one] == new[other] {
                common[one + 1][other + 1] + 1
            } else {
                common[one + 1][other].max(common[one][other + 1])
            };
        }
    }
    let (mut one, mut other, mut lines) = (0, 0, Vec::new());
    while one < old.len() || other < new.len() {
        if one < old.len() && other < new.len() && old[one] == new[other] {
            (one, other) = (one + 1, other + 1);
        } else if other == new.len() || one < old.len() && common[one + 1][other] >= common[one][other + 1] {
            lines.push(format!("- {}", old[one]));
            one += 1;
        } else {
            lines.push(format!("+ {}", new[other]));
            other += 1;
        }
    }
    if lines.is_empty() { vec!["only the ends of lines differ".to_owned()] } else { lines }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_the_lines_that_differ_and_no_others() {
        assert_eq!(difference("a\nb\nc\nd\n", "a\nc\nx\nd\n"), ["- b", "+ x"]);
        assert_eq!(difference("a", "a\n"), ["only the ends of lines differ"]);
    }

    #[test]
    fn words_are_those_of_a_shell() {
        assert_eq!(words("run  a.toml --set 'title=a b' ''"), ["run", "a.toml", "--set", "title=a b", ""]);
    }
}
