//! The tree as the laws see it: files, their lines and their words.
//!
//! Refuses to know the laws.

use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Written by a generator, which knows no laws.
const GENERATED: &str = "src/subject/xmtp/wire/generated/";

/// Where a law is broken, and how.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Breach {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// A word of Rust outside of comments: an identifier, a literal, a bracket, or one character of punctuation.
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) line: usize,
    /// How many brackets are open around it; those around a group are as deep as what surrounds them.
    pub(crate) depth: usize,
    pub(crate) is_literal: bool,
    pub(crate) in_test: bool,
}

/// A text file of the tree; its words, if it is Rust.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) words: Vec<Word>,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let mut words = Vec::new();
        if path.ends_with(".rs") {
            let tokens = TokenStream::from_str(text).unwrap_or_else(|error| panic!("{path} is not Rust: {error}"));
            flatten(tokens, 0, &mut words);
            mark_tests(&mut words, path.starts_with("tests/"));
        }
        Self { path: path.to_owned(), text: text.to_owned(), words }
    }

    pub(crate) fn breach(&self, line: usize, what: impl Into<String>) -> Breach {
        Breach { path: self.path.clone(), line, what: what.into() }
    }

    pub(crate) fn is_in(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    /// The module that this file belongs to; `lib.rs` and `main.rs` stand above all modules.
    pub(crate) fn module(&self) -> Option<String> {
        let mut parts = self.path.strip_prefix("src/")?.trim_end_matches(".rs").split('/');
        let mut next = || parts.next().unwrap_or_default();
        let module = module_of([next(), next(), next()]);
        (module != "lib" && module != "main").then_some(module)
    }

    /// Each place where the words of `pattern`, which spaces separate, follow each other.
    pub(crate) fn find(&self, pattern: &str) -> impl Iterator<Item = usize> {
        let pattern: Vec<&str> = pattern.split(' ').collect();
        (0..self.words.len()).filter(move |at| follows(&self.words, *at, &pattern))
    }

    /// A breach at each place of `pattern`, in tests too or not.
    pub(crate) fn forbid(&self, pattern: &str, in_tests_too: bool, what: &str) -> Vec<Breach> {
        let words = self.find(pattern).map(|at| &self.words[at]);
        words.filter(|word| in_tests_too || !word.in_test).map(|word| self.breach(word.line, what)).collect()
    }
}

/// The module of a path: its first part, or the room within our own subject.
pub(crate) fn module_of(path: [&str; 3]) -> String {
    const ROOMS: [&str; 11] = [
        "channels",
        "checker",
        "client",
        "conformance",
        "frame",
        "gateway",
        "node",
        "quirk",
        "spec",
        "wire",
        "workload",
    ];
    match path {
        ["subject", "xmtp", room] if ROOMS.contains(&room) => format!("xmtp::{room}"),
        ["subject", "xmtp", _] => "xmtp".to_owned(),
        ["subject", "stranger", _] => "stranger".to_owned(),
        [module, ..] => module.to_owned(),
    }
}

fn flatten(tokens: TokenStream, depth: usize, words: &mut Vec<Word>) {
    let word = |text, line, is_literal| Word { text, line, depth, is_literal, in_test: false };
    for token in tokens {
        let line = token.span().start().line;
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                words.push(word(open.to_owned(), line, false));
                flatten(group.stream(), depth + 1, words);
                words.push(word(close.to_owned(), group.span_close().end().line, false));
            }
            TokenTree::Ident(ident) => words.push(word(ident.to_string(), line, false)),
            TokenTree::Punct(punct) => words.push(word(punct.as_char().to_string(), line, false)),
            TokenTree::Literal(literal) => {
                // A doc comment arrives as `doc = "…"`, and is as much a comment as any.
                let is_doc = words.len() >= 2 && follows(words, words.len() - 2, &["doc", "="]);
                words.push(word(literal.to_string(), line, !is_doc));
            }
        }
    }
}

fn follows(words: &[Word], at: usize, pattern: &[&str]) -> bool {
    words.len() >= at + pattern.len() && pattern.iter().zip(&words[at..]).all(|(text, word)| *text == word.text)
}

/// The bracket that closes the one at `open`.
pub(crate) fn close_of(words: &[Word], open: usize) -> usize {
    let is_close = |at: &usize| words[*at].depth == words[open].depth;
    (open + 1..words.len()).find(is_close).expect("flattening closes each group")
}

/// Where `mod` stands, if `#[cfg(test)]` at `at` is about a module.
pub(crate) fn test_module(words: &[Word], at: usize) -> Option<usize> {
    let mut next = at;
    while follows(words, next, &["#", "["]) {
        next = close_of(words, next + 1) + 1;
    }
    next += usize::from(follows(words, next, &["pub"]));
    next = if follows(words, next, &["("]) { close_of(words, next) + 1 } else { next };
    follows(words, next, &["mod"]).then_some(next)
}

fn mark_tests(words: &mut [Word], all: bool) {
    for at in 0..words.len() {
        words[at].in_test |= all;
        if !follows(words, at, &["#", "[", "cfg", "(", "test", ")", "]"]) {
            continue;
        }
        if let Some(module) = test_module(words, at).filter(|module| follows(words, module + 2, &["{"])) {
            let end = close_of(words, module + 2);
            words[at..=end].iter_mut().for_each(|word| word.in_test = true);
        }
    }
}

/// The paths, as beginnings, of the files that `source` declares as test modules.
fn test_files(source: &Source) -> Vec<String> {
    let folder = match source.path.rsplit_once('/') {
        Some((folder, "mod.rs" | "lib.rs" | "main.rs")) => folder,
        _ => source.path.trim_end_matches(".rs"),
    };
    let modules = source.find("# [ cfg ( test ) ]").filter_map(|at| test_module(&source.words, at));
    let names = modules.filter(|at| follows(&source.words, at + 2, &[";"])).map(|at| &source.words[at + 1].text);
    names.flat_map(|name| [format!("{folder}/{name}.rs"), format!("{folder}/{name}/")]).collect()
}

/// The text files below `folder`, by name, except what git ignores.
fn files(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join(folder)).unwrap_or_else(|error| panic!("failed to list {folder}: {error}")) {
        let entry = entry.expect("the folder stays");
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder == "." { name } else { format!("{folder}/{name}") };
        let kind = entry.file_type().expect("the file stays");
        let is_ignored = matches!(path.as_str(), "target" | ".git")
            || path.starts_with("reports/") && !path.starts_with("reports/findings");
        if kind.is_dir() && !is_ignored {
            found.extend(files(&path));
        } else if kind.is_file() && !is_ignored {
            let bytes = fs::read(entry.path()).unwrap_or_else(|error| panic!("failed to read {path}: {error}"));
            found.extend(String::from_utf8(bytes).ok().map(|text| Source::new(&path, &text)));
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// Every text file of ours.
pub(crate) fn tree() -> Vec<Source> {
    let mut tree = files(".");
    tree.retain(|source| !source.is_in(GENERATED));
    let tests: Vec<String> = tree.iter().flat_map(test_files).collect();
    for source in tree.iter_mut().filter(|source| tests.iter().any(|test| source.is_in(test))) {
        source.words.iter_mut().for_each(|word| word.in_test = true);
    }
    tree
}
