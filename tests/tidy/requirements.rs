//! The law of the requirements: whatever cites one cites one that exists.

use pulseless::subject::xmtp::spec;

use crate::hold;
use crate::source::{Breach, Source, Word};

/// The words in `text` that look like the number of a requirement.
fn citations(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    words.filter(|word| {
        let digits = word.strip_prefix(['S', 'C', 'T']).unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
    })
}

/// Whether a test's literal has `word` at `line`: tests of wrong numbers need wrong numbers.
fn is_an_example(source: &Source, line: usize, word: &str) -> bool {
    let covers = |literal: &Word| (literal.line..=literal.line + literal.text.matches('\n').count()).contains(&line);
    let mut literals = source.words.iter().filter(|literal| literal.is_literal && literal.in_test);
    literals.any(|literal| covers(literal) && citations(&literal.text).any(|cited| cited == word))
}

fn unknown_requirements(source: &Source) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let is_ours = ["src/", "sims/", "tests/", "proto/"].iter().any(|folder| source.is_in(folder));
    for (above, text) in source.text.lines().enumerate().filter(|_| is_ours) {
        let unknown = citations(text).filter(|word| spec::find(word).is_none());
        let meant = unknown.filter(|word| !is_an_example(source, above + 1, word));
        breaches.extend(meant.map(|word| source.breach(above + 1, format!("there is no requirement {word}"))));
    }
    breaches
}

#[test]
fn every_cited_requirement_exists() {
    hold(
        unknown_requirements,
        &[
            ("src/a.rs", "//! A.\n// Obeys S5 and S12.", "2: there is no requirement S12"),
            ("src/a.rs", "const CITED: &str = \"T20\";", "1: there is no requirement T20"),
            ("tests/a.rs", "fn f() {} // C7", "1: there is no requirement C7"),
            ("tests/a.rs", "/// C7\nfn f() {}", "1: there is no requirement C7"),
            ("sims/a.toml", "cites = [\"T0\"]", "1: there is no requirement T0"),
        ],
        &[
            ("src/a.rs", "//! S1, S11; (C6) T19: `T8`; UTC0, C, T_1, S3A."),
            ("src/a.rs", "#[cfg(test)]\nmod tests { const WRONG: &str = \"one\n  C7\"; }"),
            ("README.md", "S12"),
        ],
    );
}
