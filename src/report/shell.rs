//! Commands that a reader can copy into a shell.

use std::sync::OnceLock;

static NAME: OnceLock<String> = OnceLock::new();

/// By what a shell calls this program, in commands that play something again.
#[must_use]
pub(crate) fn program_name() -> &'static str {
    NAME.get().map_or("pulseless", String::as_str)
}

/// This program is called so. Who says so first is heard.
pub(crate) fn name_program(name: &str) {
    NAME.get_or_init(|| shell_word(name));
}

/// A word that a shell takes as it stands.
#[must_use]
pub(crate) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
