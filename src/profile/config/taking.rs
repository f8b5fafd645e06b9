//! What is taken from a configuration, and what is not, line by line.
//!
//! Refuses to know whose configuration it is.

use std::fmt;

use crate::profile::config::borrowed::{IgnoredLine, TakenValue};
use crate::profile::spoken::{Bytes, Spelled, Spoken, Timeout};

/// A directive is told with so many letters: a line stays a line.
const LETTERS_TOLD_MAX: usize = 80;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigPlace {
    /// The file's name, as it was given.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

impl fmt::Display for ConfigPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file, self.line)
    }
}

/// Why a configuration cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read {place}: {message}; {advice}")]
pub struct BadConfig {
    /// Where.
    pub place: ConfigPlace,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub advice: String,
}

impl BadConfig {
    pub(crate) fn new(place: &ConfigPlace, message: impl Into<String>, advice: impl Into<String>) -> Self {
        BadConfig { place: place.clone(), message: message.into(), advice: advice.into() }
    }
}

/// Who knows the files that a configuration includes.
pub trait ConfigFiles {
    /// The files that fit a pattern as it stands in a configuration, by name, each with its text.
    ///
    /// # Errors
    /// None could be read, and why.
    fn included(&self, pattern: &str) -> Result<Vec<(String, String)>, String>;
}

/// What was taken and ignored so far.
#[derive(Debug, Default)]
pub(crate) struct Taking {
    pub(crate) taken: Vec<TakenValue>,
    pub(crate) ignored: Vec<IgnoredLine>,
}

impl Taking {
    /// Takes the value of a key; one that was taken before it gives way.
    pub(crate) fn take(&mut self, key: &'static str, is: Spelled, place: &ConfigPlace, directive: &str) {
        self.put(key, is, Some(place.clone()), place.file.clone(), shortened(directive));
    }

    /// Takes what holds because a file does not say it.
    pub(crate) fn take_unsaid(&mut self, key: &'static str, is: Spelled, file: &str, why: &str) {
        self.put(key, is, None, file.to_owned(), why.to_owned());
    }

    fn put(&mut self, key: &'static str, is: Spelled, place: Option<ConfigPlace>, file: String, directive: String) {
        self.taken.retain(|taken| taken.key != key);
        self.taken.push(TakenValue { key, is, place, file, directive });
    }

    /// Whether the key has a value already.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.taken.iter().any(|taken| taken.key == key)
    }

    /// Takes a time.
    pub(crate) fn take_time(&mut self, key: &'static str, timeout: Timeout, place: &ConfigPlace, directive: &str) {
        self.take(key, timeout.spelled(), place, directive);
    }

    /// Takes a size.
    pub(crate) fn take_size(&mut self, key: &'static str, bytes: u64, place: &ConfigPlace, directive: &str) {
        self.take(key, Bytes(bytes).spelled(), place, directive);
    }

    /// Takes a word.
    pub(crate) fn take_word(&mut self, key: &'static str, word: &str, place: &ConfigPlace, directive: &str) {
        self.take(key, Spelled::Text(word.to_owned()), place, directive);
    }

    /// Says what was not taken, and why.
    pub(crate) fn ignore(&mut self, place: &ConfigPlace, directive: &str, why: impl Into<String>) {
        self.ignored.push(IgnoredLine { place: place.clone(), directive: shortened(directive), why: why.into() });
    }
}

/// A directive as a line tells it: printable, and not too long.
fn shortened(directive: &str) -> String {
    let printable = directive.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let mut short: String = printable.clone().take(LETTERS_TOLD_MAX).collect();
    if printable.count() > LETTERS_TOLD_MAX {
        short.push('…');
    }
    short
}
