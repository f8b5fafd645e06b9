//! The laws of the layout: who may import whom, and what no file may contain.
//!
//! Refuses to know what the code means: it sees names of files, lines and words. A law is a function from one
//! file to its breaches, and must catch its bad examples before it may judge the tree.

#[path = "tidy/examples.rs"]
mod examples;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/requirements.rs"]
mod requirements;
#[path = "tidy/source.rs"]
mod source;

use pulseless::sim;
use pulseless::subject::xmtp::SUBJECTS;
use source::{Breach, Source, Word, close_of, module_of, test_module, tree};

/// Floor, module, and what it may import. The rooms of our own subject are modules of their own, so that client and
/// node stay strangers.
const FLOORS: &[(u8, &str, &[&str])] = &[
    (0, "cast", &[]),
    (0, "channel", &[]),
    (0, "env", &[]),
    (0, "grammar", &[]),
    (0, "http2", &[]),
    (0, "lie", &[]),
    (0, "tutorial", &[]),
    (0, "xmtp::quirk", &[]),
    (1, "append_log", &["env"]),
    (1, "fault", &["cast", "env", "grammar", "lie"]),
    (1, "grpc", &["env"]),
    (1, "os", &["env"]),
    (1, "profile", &["grammar", "lie"]),
    (1, "xmtp::wire", &["channel"]),
    (2, "proxy", &["env", "http2", "lie", "profile"]),
    (2, "history", &["cast", "channel", "env", "fault", "grammar"]),
    (2, "world", &["append_log", "cast", "env", "fault", "grammar", "http2"]),
    (2, "xmtp::channels", &["channel", "xmtp::wire"]),
    (2, "xmtp::client", &["append_log", "env", "grpc", "http2", "xmtp::quirk", "xmtp::wire"]),
    (2, "xmtp::conformance", &["env", "grammar", "grpc", "xmtp::wire"]),
    (2, "xmtp::node", &["append_log", "env", "grpc", "xmtp::quirk", "xmtp::wire"]),
    (3, "admin", &["env", "fault", "grammar", "lie", "profile", "proxy"]),
    (3, "checker", &["cast", "channel", "fault", "grammar", "history"]),
    (3, "xmtp::gateway", &["env", "xmtp::client", "xmtp::quirk", "xmtp::wire"]),
    (3, "xmtp::frame", &["channel", "grammar", "history", "xmtp::wire"]),
    (4, "xmtp::workload", &["env", "history", "xmtp::channels", "xmtp::client", "xmtp::gateway", "xmtp::wire"]),
    (4, "ladder", &["cast", "channel", "checker", "env", "fault", "history", "lie"]),
    (
        5,
        "subject",
        &[
            "cast", "channel", "checker", "env", "fault", "grammar", "history", "ladder", "lie", "profile", "proxy",
            "world",
        ],
    ),
    (4, "xmtp::spec", &["checker"]),
    (
        5,
        "xmtp::checker",
        &["cast", "channel", "checker", "fault", "grammar", "history", "xmtp::frame", "xmtp::spec", "xmtp::wire"],
    ),
    (6, "sim", &["cast", "checker", "fault", "grammar", "subject"]),
    (
        7,
        "trial",
        &["cast", "checker", "env", "fault", "grammar", "history", "ladder", "lie", "proxy", "sim", "subject", "world"],
    ),
    (
        7,
        "xmtp",
        &[
            "cast",
            "channel",
            "checker",
            "env",
            "fault",
            "grammar",
            "history",
            "ladder",
            "lie",
            "profile",
            "proxy",
            "subject",
            "world",
            "xmtp::channels",
            "xmtp::checker",
            "xmtp::client",
            "xmtp::conformance",
            "xmtp::frame",
            "xmtp::gateway",
            "xmtp::node",
            "xmtp::spec",
            "xmtp::wire",
            "xmtp::workload",
        ],
    ),
    (
        7,
        "stranger",
        &[
            "cast", "channel", "checker", "env", "fault", "grammar", "history", "ladder", "lie", "profile", "proxy",
            "subject", "world",
        ],
    ),
    (8, "runner", &["checker", "fault", "grammar", "history", "profile", "sim", "subject", "trial"]),
    (
        9,
        "campaign",
        &[
            "cast", "channel", "checker", "fault", "grammar", "history", "ladder", "profile", "runner", "sim",
            "subject", "trial",
        ],
    ),
    (
        10,
        "report",
        &[
            "campaign", "cast", "channel", "checker", "fault", "grammar", "history", "http2", "ladder", "lie",
            "profile", "runner", "sim", "subject", "trial", "world",
        ],
    ),
    (
        11,
        "harness",
        &["campaign", "checker", "grammar", "history", "report", "runner", "sim", "stranger", "subject", "trial"],
    ),
    (
        11,
        "cli",
        &[
            "admin",
            "append_log",
            "campaign",
            "checker",
            "env",
            "fault",
            "grammar",
            "history",
            "lie",
            "os",
            "profile",
            "proxy",
            "report",
            "runner",
            "sim",
            "stranger",
            "subject",
            "trial",
            "world",
            "xmtp",
            "xmtp::client",
            "xmtp::conformance",
            "xmtp::node",
            "xmtp::wire",
            "xmtp::workload",
        ],
    ),
];

/// Longer files have more than one purpose.
const LONGEST_FILE: usize = 600;
/// Modules called so gather what has no home.
const HOMELESS: &[&str] = &["util", "utils", "common", "prelude", "helper", "helpers", "misc"];

/// Holds a law over the tree, after it has caught its bad examples: path, text, and the breach.
fn hold(law: impl Fn(&Source) -> Vec<Breach>, bad: &[(&str, &str, &str)], good: &[(&str, &str)]) {
    for (path, text, breach) in bad {
        assert_catches(&law, path, text, breach);
    }
    for (path, text) in good {
        assert_eq!(law(&Source::new(path, text)), [], "a law that catches a good example: {text}");
    }
    let tree = tree();
    assert!(tree.iter().any(|source| source.path == "src/lib.rs"), "the tree was not found");
    let breaches: Vec<String> = tree.iter().flat_map(law).map(|breach| breach.to_string()).collect();
    assert!(breaches.is_empty(), "{} breaches:\n{}", breaches.len(), breaches.join("\n"));
}

fn assert_catches(law: impl Fn(&Source) -> Vec<Breach>, path: &str, text: &str, breach: &str) {
    let caught: Vec<String> = law(&Source::new(path, text)).iter().map(Breach::to_string).collect();
    assert_eq!(caught, [format!("{path}:{breach}")], "what the law catches in its bad example: {text}");
}

/// The modules named after `crate::`, alone or in a group, with their lines.
fn imports(source: &Source) -> Vec<(String, usize)> {
    let words = &source.words;
    let mut found = Vec::new();
    for at in source.find("crate : :") {
        let first = at + 3;
        let grouped = words.get(first).is_some_and(|word| word.text == "{");
        let end = if grouped { close_of(words, first) } else { first };
        let starts = |at: &usize| !grouped || words[*at].depth == words[first].depth + 1 && is_start(&words[*at - 1]);
        let heads = (if grouped { first + 1..end } else { first..end + 1 }).filter(starts);
        // A test may read a sim of our own subject, whatever it tests.
        let meant = heads.filter(|at| !(words[*at].in_test && ["sim", "subject"].contains(&words[*at].text.as_str())));
        found.extend(meant.map(|at| (module_at(words, at), words[at].line)));
    }
    found
}

/// The module whose path begins at a word: its first part, or the room within our own subject.
fn module_at(words: &[Word], at: usize) -> String {
    let part = |nth: usize| words.get(at + 3 * nth).map_or("", |word| word.text.as_str());
    module_of([part(0), part(1), part(2)])
}

/// Whether a path of a group may follow this word.
fn is_start(word: &Word) -> bool {
    word.text == "{" || word.text == ","
}

fn imports_from_above(source: &Source) -> Vec<Breach> {
    let Some(module) = source.module() else { return Vec::new() };
    let Some((_, _, allowed)) = FLOORS.iter().find(|(_, name, _)| **name == module) else {
        return vec![source.breach(1, format!("`{module}` has no floor in the table of tests/tidy.rs"))];
    };
    let above = imports(source).into_iter().filter(|(other, _)| *other != module && !allowed.contains(&other.as_str()));
    above.map(|(other, line)| source.breach(line, format!("`{module}` may not import `{other}`"))).collect()
}

#[test]
fn modules_import_only_from_floors_below() {
    for (floor, module, allowed) in FLOORS {
        let below: Vec<&str> = FLOORS.iter().filter(|other| other.0 < *floor).map(|other| other.1).collect();
        assert!(allowed.iter().all(|other| below.contains(other)), "the table lets `{module}` reach up");
        if let Some(room) = module.strip_prefix("xmtp::") {
            assert_eq!(module_of(["subject", "xmtp", room]), *module, "no file is held to the row of `{module}`");
        }
    }
    hold(
        imports_from_above,
        &[
            (
                "src/subject/xmtp/node/hub.rs",
                "use crate::subject::xmtp::wire::Topic;\nuse crate::subject::xmtp::client::Ledger;",
                "2: `xmtp::node` may not import `xmtp::client`",
            ),
            ("src/env.rs", "use crate::{\n  env::A,\n  cast::{Kind, os},\n};", "3: `env` may not import `cast`"),
            ("src/proxy/gate.rs", "fn f() { crate::trial::play() }", "1: `proxy` may not import `trial`"),
            ("src/sim/stage.rs", "#[cfg(test)]\nmod tests { use crate::os; }", "2: `sim` may not import `os`"),
            ("src/extra/mod.rs", "//! More.", "1: `extra` has no floor in the table of tests/tidy.rs"),
        ],
        &[
            ("src/trial/play.rs", "use crate::{env, trial::Tag, cast::{Kind, Topic}};\npub(crate) struct Hub;"),
            ("src/sim/read.rs", "#[cfg(test)]\nmod tests { use crate::subject::xmtp::SUBJECTS; }"),
            ("src/env.rs", "/// Not [`crate::sim`].\nconst TEXT: &str = \"crate::cli\"; // crate::cli"),
            ("src/lib.rs", "use crate::cli::main;"),
        ],
    );
}

/// The suite would not find a misreading of the wire that it shares with node and client.
#[test]
fn the_conformance_suite_shares_the_generated_wire_and_nothing_else() {
    let law = |source: &Source| {
        let names = source.find("wire : :").filter(|_| source.is_in("src/subject/xmtp/conformance/"));
        let ours = names.filter(|at| source.words.get(at + 3).is_none_or(|word| word.text != "proto"));
        let breaches = ours.map(|at| source.breach(source.words[at].line, "only `wire::proto` is nobody's reading"));
        breaches.collect()
    };
    hold(
        law,
        &[
            (
                "src/subject/xmtp/conformance/a.rs",
                "use crate::subject::xmtp::wire::Topic;",
                "1: only `wire::proto` is nobody's reading",
            ),
            (
                "src/subject/xmtp/conformance/a.rs",
                "\nuse crate::subject::xmtp::wire::{Topic, proto};",
                "2: only `wire::proto` is nobody's reading",
            ),
        ],
        &[
            ("src/subject/xmtp/conformance/a.rs", "use crate::subject::xmtp::wire::proto::Ping;"),
            ("src/subject/xmtp/node/a.rs", "use crate::subject::xmtp::wire::Topic;"),
        ],
    );
}

/// What CONTRIBUTING.md promises to who adds a fault, counted on one that brought a harm of its own.
#[test]
fn a_fault_is_added_in_six_files() {
    let is_named =
        |text: &str| ["mtu-black-hole", "mtu_black_hole", "MtuBlackHole"].iter().any(|name| text.contains(name));
    let tree = tree();
    let by_hand = tree.iter().filter(|source| {
        // What a command writes, and what tests and the list of changes say of it, is not counted.
        // Nor is what a storm drew.
        let is_drawn = source.path.starts_with("sims/corpus/");
        let is_counted = ["src/", "sims/", "docs/"].iter().any(|folder| source.path.starts_with(folder)) && !is_drawn;
        let is_code = source.path.ends_with(".rs");
        let in_code = source.words.iter().any(|word| !word.in_test && is_named(&word.text));
        is_counted && if is_code { in_code } else { is_named(&source.text) }
    });
    let mut paths: Vec<&str> = by_hand.map(|source| source.path.as_str()).collect();
    paths.sort_unstable();
    let expected = [
        "docs/faults.md",
        "sims/mtu-black-hole.toml",
        "src/fault/harm.rs",
        "src/fault/kinds.rs",
        "src/fault/kinds/mtu_black_hole.rs",
        "src/world/net/harm.rs",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn every_file_begins_with_its_purpose() {
    let law = |source: &Source| {
        let is_mute = source.path.ends_with(".rs") && !source.text.starts_with("//! ");
        is_mute.then(|| source.breach(1, "line 1 is not `//!` and a purpose")).into_iter().collect()
    };
    hold(
        law,
        &[("src/env.rs", "use std::io;", "1: line 1 is not `//!` and a purpose")],
        &[("README.md", "# pulseless")],
    );
}

#[test]
fn a_mod_file_is_a_front_page() {
    let law = |source: &Source| {
        let logic = ["fn", "impl", "macro_rules"].into_iter().filter(|_| source.path.ends_with("/mod.rs"));
        logic.flat_map(|word| source.forbid(word, true, &format!("a front page has no `{word}`"))).collect()
    };
    hold(
        law,
        &[("src/wire/mod.rs", "//! The wire.\nfn read() {}", "2: a front page has no `fn`")],
        &[("src/wire/mod.rs", "//! The fn.\nmod topic;\npub use topic::Topic;"), ("src/wire/topic.rs", "fn read() {}")],
    );
}

#[test]
fn no_file_is_longer_than_600_lines() {
    let law = |source: &Source| {
        let is_long = source.path.ends_with(".rs") && source.text.lines().count() > LONGEST_FILE;
        is_long.then(|| source.breach(LONGEST_FILE + 1, "one line too many")).into_iter().collect()
    };
    hold(law, &[("src/env.rs", &"\n".repeat(601), "601: one line too many")], &[("src/env.rs", &"\n".repeat(600))]);
}

const ALLOW: &str = "`#[expect(…, reason)]` tells when it is no longer needed, `#[allow]` does not";
const UNWRAP: &str = "`expect` says why it cannot fail, `unwrap` does not";
const SLEEP: &str = "who sleeps by the wall clock is slow, and wrong on a slower machine";

/// Words that are forbidden, whether in tests too, why, and a bad example.
const FORBIDDEN: &[(&str, bool, &str, &str)] = &[
    ("# [ allow (", true, ALLOW, "#[allow(dead_code)] fn f() {}"),
    ("# ! [ allow (", true, ALLOW, "#![allow(dead_code)]"),
    (". unwrap (", true, UNWRAP, "fn f() { one.unwrap(); }"),
    (": : unwrap", true, UNWRAP, "fn f() { one.map(Option::unwrap); }"),
    ("super : :", false, "outside of tests a path begins with `crate::`", "use super::b;"),
    ("# [ ignore", true, "an ignored test proves nothing", "#[ignore = \"slow\"] fn f() {}"),
    ("thread : : sleep", true, SLEEP, "fn f() { std::thread::sleep(SECOND); }"),
    ("todo !", true, "unfinished", "fn f() { todo!() }"),
    ("unimplemented !", true, "unfinished", "fn f() { unimplemented!() }"),
    ("cfg ! ( test )", true, "the code under test knows that it is tested", "const TESTED: bool = cfg!(test);"),
];

fn forbidden_words(source: &Source) -> Vec<Breach> {
    FORBIDDEN.iter().flat_map(|(words, in_tests_too, why, _)| source.forbid(words, *in_tests_too, why)).collect()
}

#[test]
fn nothing_is_silenced_unfinished_or_unexplained() {
    for (_, in_tests_too, why, text) in FORBIDDEN {
        let text = format!("//! A.\n{text}");
        assert_catches(forbidden_words, "src/a.rs", &text, &format!("2: {why}"));
        let breaches_in_test = forbidden_words(&Source::new("tests/a.rs", &text)).len();
        assert_eq!(breaches_in_test, usize::from(*in_tests_too), "in a test: {text}");
    }
    let commented = "// .unwrap() and todo!()\nfn f() { one.unwrap_or(\"super::b\"); }\npub(super) struct A;";
    let asleep = "fn f() { tokio::time::sleep(SECOND).await; }\n#[cfg(test)]\nmod tests { use super::f; }";
    hold(forbidden_words, &[], &[("src/a.rs", commented), ("src/a.rs", asleep)]);
}

/// What ends a trial, or what none can notice (`rdtsc`): the lint tells before it is ever played. The symbols that
/// src/world/sandbox/ interposes, and the functions that reach them.
const BEHIND_THE_ENGINE: &[&str] = &[
    "std::thread::sleep",
    "std::thread::park_timeout",
    "std::sync::Condvar::wait_timeout",
    "std::sync::mpsc::Receiver::recv_timeout",
    "libc::nanosleep",
    "libc::clock_nanosleep",
    "std::thread::spawn",
    "std::thread::Builder::spawn",
    "std::thread::scope",
    "tokio::task::spawn_blocking",
    "tokio::net::lookup_host",
    "libc::pthread_create",
    "libc::syscall",
    "rand::rng",
    "libc::getrandom",
    "libc::getentropy",
    "std::fs::File",
    "std::fs::OpenOptions",
    "libc::open",
    "libc::open64",
    "libc::openat",
    "libc::openat64",
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "libc::gettimeofday",
    "libc::time",
    "core::arch::x86_64::_rdtsc",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "libc::socket",
];

#[test]
fn whatever_goes_behind_the_engines_back_is_banned_by_a_lint() {
    let law = |source: &Source| {
        let missing = |path: &&&str| !source.text.contains(&format!("{{ path = \"{path}\", reason = \""));
        let banned = BEHIND_THE_ENGINE.iter().filter(|_| source.path == "clippy.toml").filter(missing);
        banned.map(|path| source.breach(1, format!("no lint bans `{path}`"))).collect()
    };
    let all: String =
        BEHIND_THE_ENGINE.iter().map(|path| format!("{{ path = \"{path}\", reason = \"\" }},\n")).collect();
    let but_one = all.replace("libc::socket", "libc::socketpair");
    hold(law, &[("clippy.toml", &but_one, "1: no lint bans `libc::socket`")], &[("clippy.toml", &all)]);
    assert!(tree().iter().any(|source| source.path == "clippy.toml"), "the table of lints was not found");
}

#[test]
fn only_a_module_is_compiled_for_tests() {
    let law = |source: &Source| {
        let marks = source.find("# [ cfg ( test ) ]").filter(|at| test_module(&source.words, *at).is_none());
        marks.map(|at| source.breach(source.words[at].line, "the code under test knows that it is tested")).collect()
    };
    hold(
        law,
        &[("src/a.rs", "\n#[cfg(test)]\nfn f() {}", "2: the code under test knows that it is tested")],
        &[(
            "src/a.rs",
            "#[cfg(test)]\n#[expect(dead_code, reason = \"…\")]\nmod tests {}\n#[cfg(test)]\npub(crate) mod script;",
        )],
    );
}

#[test]
fn no_glob_imports_outside_of_tests() {
    let law = |source: &Source| {
        let starts = source.find("use").filter(|at| !source.words[*at].in_test);
        let statements = starts.map(|at| source.words[at..].split(|word| word.text == ";").next().unwrap_or_default());
        // `use<…>` names what an `impl Trait` captures.
        let imports = statements.filter(|words| words.get(1).is_some_and(|word| word.text != "<"));
        let globs = imports.filter_map(|words| words.iter().find(|word| word.text == "*"));
        globs.map(|glob| source.breach(glob.line, "a glob hides where a name is from")).collect()
    };
    hold(
        law,
        &[
            ("src/a.rs", "use crate::subject::xmtp::wire::*;", "1: a glob hides where a name is from"),
            ("src/a.rs", "pub use crate::{\n  env::Env,\n  wire::*,\n};", "3: a glob hides where a name is from"),
        ],
        &[("src/a.rs", "use crate::b;\nfn f() -> impl A + use<'_> { *b }\n#[cfg(test)]\nmod tests { use super::*; }")],
    );
}

#[test]
fn no_module_gathers_what_has_no_home() {
    let law = |source: &Source| {
        let names = source.find("mod").filter_map(|at| source.words.get(at + 1));
        let homeless = names.filter(|name| HOMELESS.contains(&name.text.as_str()));
        homeless.map(|name| source.breach(name.line, format!("`{}` says nothing", name.text))).collect()
    };
    hold(
        law,
        &[("src/lib.rs", "//! A.\npub mod wire;\nmod utils;", "3: `utils` says nothing")],
        &[("src/lib.rs", "mod wire;")],
    );
}

#[test]
fn every_select_asks_in_a_fixed_order() {
    let law = |source: &Source| {
        let ordered = |at: &usize| source.words.get(at + 3).is_some_and(|word| word.text == "biased");
        let random = source.find("select !").filter(|at| !ordered(at));
        random.map(|at| source.breach(source.words[at].line, "`select!` does not open with `biased;`")).collect()
    };
    hold(
        law,
        &[("src/a.rs", "fn f() {\n  tokio::select! { () = a => {} }\n}", "2: `select!` does not open with `biased;`")],
        &[("src/a.rs", "fn f() { tokio::select! { biased; () = a => {} } }\nfn select() {}")],
    );
}

#[test]
fn no_work_is_left_for_later() {
    let law = |source: &Source| {
        let lines = source.text.lines().enumerate().filter(|_| source.is_in("src/"));
        let marked = lines.filter(|(_, line)| ["TODO", "FIXME"].iter().any(|mark| line.contains(mark)));
        marked.map(|(above, _)| source.breach(above + 1, "work left for later")).collect()
    };
    hold(
        law,
        &[("src/a.rs", "//! A file.\n// TODO: the rest.", "2: work left for later")],
        &[("src/a.rs", "//! Later."), ("NOTES.md", "TODO")],
    );
}

/// The entries of Cargo.toml's tables of dependencies that no comment explains.
fn unexplained(source: &Source) -> Vec<Breach> {
    let (mut breaches, mut above, mut in_table) = (Vec::new(), "", false);
    let lines = source.text.lines().enumerate().filter(|_| source.path == "Cargo.toml");
    for (number, line) in lines {
        let is_header = line.starts_with('[');
        // `[dependencies.tokio]` is an entry itself; what follows are its settings.
        let is_entry = if is_header {
            line.contains("dependencies.")
        } else {
            in_table && line.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '"')
        };
        if is_entry && !above.starts_with("# ") {
            breaches.push(source.breach(number + 1, "a dependency without its reason above it"));
        }
        in_table = if is_header { line.ends_with("dependencies]") } else { in_table };
        above = line;
    }
    breaches
}

#[test]
fn every_dependency_has_its_reason() {
    let breach = "a dependency without its reason above it";
    hold(
        unexplained,
        &[
            ("Cargo.toml", "[dependencies]\n# A.\na = \"1\"\nb = \"1\"", &format!("4: {breach}")),
            ("Cargo.toml", "[target.'cfg(unix)'.dev-dependencies]\n\na = \"1\"", &format!("3: {breach}")),
            ("Cargo.toml", "# A.\n[dependencies.a]\nversion = \"1\"\n[build-dependencies.b]", &format!("4: {breach}")),
        ],
        &[(
            "Cargo.toml",
            "[package]\nname = \"a\"\n[dependencies]\n# A.\na = { features = [\n  \"b\",\n] }\n[lints]\nc = 1",
        )],
    );
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    // Put together here, so that this file does not break the law itself.
    let homes = ["root", "work", "home", "Users"].map(|folder| format!("/{folder}/"));
    let is_root = |before: &str| !before.ends_with(|last: char| last.is_alphanumeric() || "._-~})*".contains(last));
    let law = |source: &Source| {
        let names = |line: &str| homes.iter().any(|home| line.match_indices(home).any(|(at, _)| is_root(&line[..at])));
        let lines = source.text.lines().enumerate().filter(|(_, line)| names(line));
        lines.map(|(above, _)| source.breach(above + 1, "the path of one machine")).collect()
    };
    let bad = format!("# pulseless\n\nSee `{}me/notes`.", homes[2]);
    hold(
        law,
        &[("README.md", &bad, "3: the path of one machine")],
        &[("README.md", "target/work/of, https://example.org/home/page, /var/work")],
    );
}

#[test]
fn every_sim_is_a_sim() {
    let law = |source: &Source| {
        let is_sim = source.is_in("sims/") && source.path.ends_with(".toml");
        let refusal = is_sim.then(|| sim::read("sim", &source.text, SUBJECTS).err()).flatten();
        refusal.map(|refusal| source.breach(1, refusal.to_string())).into_iter().collect()
    };
    let refusal = sim::read("sim", "titel = \"A\"", SUBJECTS).expect_err("a mistake").to_string();
    hold(law, &[("sims/a.toml", "titel = \"A\"", &format!("1: {refusal}"))], &[("Cargo.toml", "[package]")]);
    assert!(tree().iter().any(|source| source.is_in("sims/")), "no sim was found");
}
