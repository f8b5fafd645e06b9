//! The laws of names and texts: one name for one type, one form for limits, one spelling, and errors that fit their place.
//!
//! Refuses to know what is named.

use std::collections::BTreeMap;

use crate::source::{Breach, Source, tree};
use crate::{assert_catches, hold};

/// Names that more than one type of `src` may have: each is the field's word on both sides of a border.
const SHARED: &[&str] = &[];

/// The types that a file defines outside of its tests, with their lines; a type within an `impl` belongs to its trait.
fn types(source: &Source) -> Vec<(&str, usize)> {
    let words = &source.words;
    let mut found = Vec::new();
    for at in 0..words.len().saturating_sub(1) {
        let is_definition = match words[at].text.as_str() {
            "struct" | "enum" | "trait" => !words[at].is_literal,
            "type" => words[at].depth == 0,
            _ => false,
        };
        let name = &words[at + 1];
        if is_definition && !words[at].in_test && name.text.starts_with(|first: char| first.is_ascii_uppercase()) {
            found.push((name.text.as_str(), name.line));
        }
    }
    found
}

/// A breach for each type whose name another type of these files has already.
fn twins(sources: &[Source]) -> Vec<Breach> {
    let mut seen: BTreeMap<&str, String> = BTreeMap::new();
    let mut breaches = Vec::new();
    for source in sources.iter().filter(|source| source.is_in("src/")) {
        for (name, line) in types(source).into_iter().filter(|(name, _)| !SHARED.contains(name)) {
            match seen.get(name) {
                Some(first) => breaches.push(source.breach(line, format!("`{name}` is also a type of {first}"))),
                None => _ = seen.insert(name, source.path.clone()),
            }
        }
    }
    breaches
}

#[test]
fn no_two_types_have_one_name() {
    let text = "struct Link;\nimpl A for B { type Err = C; }\n#[cfg(test)]\nmod tests { struct Link; }";
    let twice = [Source::new("src/a.rs", text), Source::new("src/b.rs", "enum Link {}\ntype Err = u8;")];
    let caught: Vec<String> = twins(&twice).iter().map(Breach::to_string).collect();
    assert_eq!(caught, ["src/b.rs:1: `Link` is also a type of src/a.rs"]);
    let breaches: Vec<String> = twins(&tree()).iter().map(Breach::to_string).collect();
    assert!(breaches.is_empty(), "{} breaches:\n{}", breaches.len(), breaches.join("\n"));
}

/// How a limit's name must not begin: it ends in `_MAX` or `_MIN`.
const OTHER_LIMITS: &[&str] =
    &["MOST_", "LEAST_", "LONGEST_", "SHORTEST_", "LARGEST_", "SMALLEST_", "SLOWEST_", "FASTEST_", "MAX_", "MIN_"];

#[test]
fn limits_have_one_form_of_name() {
    let law = |source: &Source| {
        let names = source.find("const").filter_map(|at| source.words.get(at + 1));
        let ours = names.filter(|_| source.is_in("src/"));
        let wrong = ours.filter(|name| OTHER_LIMITS.iter().any(|form| name.text.starts_with(form)));
        wrong.map(|name| source.breach(name.line, format!("`{}` ends in neither _MAX nor _MIN", name.text))).collect()
    };
    hold(
        law,
        &[("src/a.rs", "const MOST_HOSTS: u8 = 9;", "1: `MOST_HOSTS` ends in neither _MAX nor _MIN")],
        &[("src/a.rs", "const HOSTS_MAX: u8 = 9;\nconst MAXIMAL: u8 = 1;")],
    );
}

/// British spellings, and the American ones. Written in halves, so that this file keeps its own law.
const SPELLINGS: &[(&str, &str, &str)] = &[
    ("colo", "ur", "color"),
    ("behavi", "our", "behavior"),
    ("hono", "ur", "honor"),
    ("neighbo", "ur", "neighbor"),
    ("dial", "led", "dialed"),
    ("acknowledg", "ement", "acknowledgment"),
    ("cent", "re", "center"),
    ("favo", "ur", "favor"),
    ("serial", "ise", "serialize"),
    ("initial", "ise", "initialize"),
    ("recogn", "ise", "recognize"),
    ("organ", "ise", "organize"),
];

#[test]
fn words_are_spelled_in_one_way() {
    let law = |source: &Source| {
        let mut breaches = Vec::new();
        for (above, line) in source.text.lines().enumerate().filter(|_| source.path != "Cargo.lock") {
            let line = line.to_lowercase();
            let wrong = SPELLINGS.iter().find(|(head, tail, _)| line.contains(&format!("{head}{tail}")));
            breaches.extend(wrong.map(|(_, _, right)| source.breach(above + 1, format!("write `{right}`"))));
        }
        breaches
    };
    let bad = format!("// The colo{}.", "ur");
    hold(law, &[("src/a.rs", &bad, "1: write `color`")], &[("src/a.rs", "// The color of behavior.")]);
}

/// The texts of `#[error("…")]`, with their lines.
fn errors(source: &Source) -> Vec<(String, usize)> {
    let marked = source.find("error (").filter_map(|at| source.words.get(at + 2));
    let literals = marked.filter(|word| word.is_literal && word.text.starts_with('"'));
    literals.map(|word| (word.text.trim_matches('"').to_owned(), word.line)).collect()
}

#[test]
fn errors_fit_after_failed_to() {
    let law = |source: &Source| {
        let mut breaches = Vec::new();
        for (text, line) in errors(source).into_iter().filter(|_| source.is_in("src/")) {
            let first = text.chars().next().unwrap_or('.');
            let is_acronym = text.chars().nth(1).is_some_and(|second| second.is_uppercase() || second.is_ascii_digit());
            if first.is_uppercase() && !is_acronym {
                breaches.push(source.breach(line, "an error begins with a lower-case letter"));
            }
            if text.ends_with('.') {
                breaches.push(source.breach(line, "an error ends without a full stop"));
            }
        }
        breaches
    };
    let bad = "#[error(\"Cannot read\")]\nstruct A;";
    hold(
        law,
        &[
            ("src/a.rs", bad, "1: an error begins with a lower-case letter"),
            ("src/a.rs", "#[error(\"cannot read.\")]\nstruct A;", "1: an error ends without a full stop"),
        ],
        &[("src/a.rs", "#[error(\"`{0}` is wrong\")]\nstruct A;\n#[error(\"HTTP/2 failed\")]\nstruct B;")],
    );
}

#[test]
fn no_flag_is_named_below_the_command_line() {
    let law = |source: &Source| {
        // What the engine names is the compiler's flag, and what a test's line names are cargo's.
        let above = ["src/cli/", "src/report/", "src/world/engine.rs", "src/harness/again.rs"];
        let knows = above.iter().any(|above| source.is_in(above));
        let knows = knows || !source.is_in("src/");
        let literals = source.words.iter().filter(|word| word.is_literal && !word.in_test && !knows);
        let named = literals.filter(|word| names_flag(&word.text));
        named.map(|word| source.breach(word.line, "only the command line knows its flags")).collect()
    };
    assert_catches(law, "src/a.rs", "const A: &str = \"see --set\";", "1: only the command line knows its flags");
    hold(law, &[], &[("src/cli/a.rs", "const A: &str = \"see --set\";"), ("src/a.rs", "const A: &str = \"a -- b\";")]);
}

/// Whether a text has two dashes with a letter after them and none before.
fn names_flag(text: &str) -> bool {
    text.match_indices("--").any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + 2..].chars().next();
        before != Some('-') && after.is_some_and(|letter| letter.is_ascii_lowercase())
    })
}
