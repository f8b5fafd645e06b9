//! The keys of a sim file in words: what each takes, what holds without it, and what it means.
//!
//! Refuses to read them. A test holds these tables to what the readers ask for, and the page on sims is made from them.

/// A table of a sim file.
#[derive(Clone, Copy, Debug)]
pub struct KeyTable {
    /// Its name, such as `client`; empty for the file as a whole.
    pub name: &'static str,
    /// Its keys, in the order in which they are told.
    pub keys: &'static [KeyHelp],
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct KeyHelp {
    /// Its name within its table.
    pub name: &'static str,
    /// What it takes.
    pub takes: &'static str,
    /// What holds where the file does not say.
    pub default: &'static str,
    /// What it means.
    pub means: &'static str,
}

/// A key, in the order of a table's columns.
#[must_use]
pub const fn key(name: &'static str, takes: &'static str, default: &'static str, means: &'static str) -> KeyHelp {
    KeyHelp { name, takes, default, means }
}
