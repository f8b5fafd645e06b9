//! The test that a trial belongs to, and the line that plays one of its seeds again.
//!
//! Refuses to know the trial. What it goes by: libtest names the thread of a test after it; cargo tells the package, nextest that
//! it runs (and, in newer versions, the test's name).

use std::env;
use std::path::{Path, PathBuf};

use crate::report::shell_word;

/// A test, or what stands in for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TestName {
    /// Its full name in its program, such as `watch::survives_a_silent_proxy`; none outside of a test.
    name: Option<String>,
    /// How it is run: everything before the test's name.
    target: TestTarget,
}

/// The program that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TestTarget {
    package: Option<String>,
    kind: TargetKind,
    is_nextest: bool,
}

/// Which of a package's programs it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum TargetKind {
    /// A file or a folder of `tests/`.
    Test(String),
    /// One of `examples/`.
    Example(String),
    /// The tests within the library or a program, or nobody can tell.
    Other,
}

impl TestName {
    /// The test that this thread runs.
    pub(crate) fn of_this_thread() -> Self {
        let thread = std::thread::current();
        let told = env::var("NEXTEST_TEST_NAME").ok();
        let name = thread.name().filter(|name| *name != "main").map(str::to_owned).or(told).or_else(exact_argument);
        let program = env::current_exe().unwrap_or_default();
        let package = env::var("CARGO_PKG_NAME").ok();
        let folder = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let kind = TargetKind::of(&program, folder.as_deref());
        let is_nextest = env::var_os("NEXTEST").is_some();
        TestName { name, target: TestTarget { package, kind, is_nextest } }
    }

    /// The name for files.
    pub(crate) fn file_stem(&self) -> String {
        let name = self.name.as_deref().unwrap_or("trial");
        let plain: String = name.replace("::", ".").chars().map(|one| if is_plain(one) { one } else { '-' }).collect();
        plain.trim_start_matches('.').to_owned()
    }

    /// The last part of the name, as a sentence.
    pub(crate) fn sentence(&self) -> String {
        let last = self.name.as_deref().and_then(|name| name.rsplit("::").next()).unwrap_or("a trial");
        last.replace('_', " ")
    }

    /// The line that runs the test with that seed and, besides, with those variables.
    pub(crate) fn again(&self, seed: u64, besides: &str) -> String {
        let TestTarget { package, kind, is_nextest } = &self.target;
        let package = package.as_ref().map(|package| format!(" -p {}", shell_word(package))).unwrap_or_default();
        let head = format!("PULSELESS_SEED={seed}{besides} cargo");
        let (target, name) = (kind.flag(), self.name.as_deref());
        match (name, is_nextest, kind) {
            (_, _, TargetKind::Example(example)) => format!("{head} run{package} --example {}", shell_word(example)),
            (Some(name), true, _) => format!("{head} nextest run{package}{target} -E 'test(={name})'"),
            (Some(name), false, _) => format!("{head} test{package}{target} {} -- --exact", shell_word(name)),
            (None, true, _) => format!("{head} nextest run{package}{target}"),
            (None, false, _) => format!("{head} test{package}{target}"),
        }
    }
}

impl TargetKind {
    fn of(program: &Path, folder: Option<&Path>) -> Self {
        let stem = program.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        if program.parent().is_some_and(|parent| parent.ends_with("examples")) {
            return TargetKind::Example(stem);
        }
        // Cargo writes a hash behind the name.
        let name = stem.rsplit_once('-').map_or(stem.as_str(), |(name, _)| name).to_owned();
        let is_test = |name: &str| {
            let tests = folder.map(|folder| folder.join("tests"));
            tests.is_some_and(|tests| {
                tests.join(format!("{name}.rs")).is_file() || tests.join(name).join("main.rs").is_file()
            })
        };
        let names = [name.clone(), name.replace('_', "-")];
        names.into_iter().find(|name| is_test(name)).map_or(TargetKind::Other, TargetKind::Test)
    }

    fn flag(&self) -> String {
        match self {
            TargetKind::Test(name) => format!(" --test {}", shell_word(name)),
            TargetKind::Example(_) | TargetKind::Other => String::new(),
        }
    }
}

/// The one test that a program was asked for: libtest plays it on its main thread where it plays one at a time.
fn exact_argument() -> Option<String> {
    let arguments: Vec<String> = env::args().collect();
    let is_exact = arguments.iter().any(|argument| argument == "--exact");
    arguments.into_iter().skip(1).find(|argument| is_exact && !argument.starts_with('-'))
}

/// Whether a file may have it in its name.
fn is_plain(one: char) -> bool {
    one.is_ascii_alphanumeric() || one == '_' || one == '.' || one == '-'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: Option<&str>, kind: TargetKind, is_nextest: bool) -> TestName {
        TestName {
            name: name.map(str::to_owned),
            target: TestTarget { package: Some("shop".to_owned()), kind, is_nextest },
        }
    }

    #[test]
    fn a_line_plays_one_test_with_one_seed() {
        let of = |kind, is_nextest| named(Some("watch::survives"), kind, is_nextest).again(7, "");
        let test = || TargetKind::Test("watch".to_owned());
        assert_eq!(of(test(), false), "PULSELESS_SEED=7 cargo test -p shop --test watch watch::survives -- --exact");
        assert_eq!(
            of(test(), true),
            "PULSELESS_SEED=7 cargo nextest run -p shop --test watch -E 'test(=watch::survives)'"
        );
        assert_eq!(of(TargetKind::Other, false), "PULSELESS_SEED=7 cargo test -p shop watch::survives -- --exact");
        let example = named(None, TargetKind::Example("feed".to_owned()), false);
        assert_eq!(
            example.again(7, " PULSELESS_SHRINK=1"),
            "PULSELESS_SEED=7 PULSELESS_SHRINK=1 cargo run -p shop --example feed"
        );
    }

    #[test]
    fn the_test_that_runs_is_found_by_its_thread() {
        let test = TestName::of_this_thread();
        assert_eq!(test.name.as_deref(), Some("harness::again::tests::the_test_that_runs_is_found_by_its_thread"));
        assert_eq!(test.sentence(), "the test that runs is found by its thread");
        assert_eq!(test.file_stem(), "harness.again.tests.the_test_that_runs_is_found_by_its_thread");
        assert_eq!(test.target.package.as_deref(), Some("pulseless"));
    }
}
