//! A pattern over names, in which `*` stands for any text and `?` for one character.
//!
//! Refuses to know what the names are.

use globset::{Glob, GlobSet};

use crate::grammar::{Entry, Problem};

/// Far longer than a name or a path; a pattern's length bounds the size of what it compiles to.
const PATTERN_MAX: usize = 200;

/// Compiles the pattern `text` of that entry.
pub(crate) fn pattern(entry: &Entry<'_>, text: &str) -> Result<GlobSet, Problem> {
    if text.len() > PATTERN_MAX {
        let problem = entry.problem(format!("`{}` is {} bytes long", entry.key(), text.len()));
        return Err(problem.label("too long").advice(format!("write a pattern of at most {PATTERN_MAX} bytes")));
    }
    let compiled = Glob::new(text).and_then(|glob| GlobSet::new([glob]));
    compiled.map_err(|error| {
        let problem = entry.problem(format!("`{}`: {}", entry.key(), error.kind()));
        problem.label("not a pattern").advice("in a pattern, `*` stands for any text, `?` for one character")
    })
}
