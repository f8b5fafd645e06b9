//! Why a sim file is refused: every independent problem, with its line and what would be right.
//!
//! Refuses to know what a sim may say; it only shows where one went wrong.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

use crate::grammar::asked::{AskedKey, KeyQuestion};

/// More problems at once help nobody: so many are told, the first by place, and the others counted.
pub(crate) const PROBLEMS_TOLD: usize = 20;

/// Why a sim file is refused.
#[derive(Debug, thiserror::Error)]
#[error("read {what} `{name}`{}{first}{}", if .first.line().is_some() { ", " } else { " with " }, others(.rest, *.untold))]
pub struct Refusal {
    /// What was to be read: a sim, a plan, or a profile.
    what: &'static str,
    name: String,
    text: String,
    first: Box<Problem>,
    rest: Vec<Problem>,
    /// How many problems more there are.
    untold: usize,
}

impl Refusal {
    /// The refusal of the sim `name`, whose text is `text`; problems are told in the order of their places.
    pub(crate) fn new(name: &str, text: &str, first: Problem, rest: Vec<Problem>) -> Self {
        let mut problems: Vec<Problem> = std::iter::once(first).chain(rest).collect();
        problems.sort_by_key(Problem::start);
        let untold = problems.len().saturating_sub(PROBLEMS_TOLD);
        problems.truncate(PROBLEMS_TOLD);
        for problem in &mut problems {
            if let SettingPlace::Line(number) = &mut problem.place {
                *number = line(text, problem.labels.first().map_or(0, |marked| marked.span.start));
            }
        }
        let first = Box::new(problems.remove(0));
        Refusal { what: "sim", name: name.into(), text: text.into(), first, rest: problems, untold }
    }

    /// The same of a plan.
    pub(crate) fn of_plan(self) -> Self {
        Refusal { what: "plan", ..self }
    }

    /// The same of a profile.
    pub(crate) fn of_profile(self) -> Self {
        Refusal { what: "profile", ..self }
    }

    /// The name of what was to be read.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was to be read.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Every problem that is told, in the order of the lines.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        std::iter::once(&*self.first).chain(&self.rest)
    }

    /// Lays each problem at the door of a flag: the lines of an edited text are nobody's.
    pub(crate) fn blame(mut self, flag: impl Fn(&Problem) -> String) -> Self {
        for problem in std::iter::once(&mut *self.first).chain(&mut self.rest) {
            problem.place = SettingPlace::Flag(flag(problem));
            problem.labels.clear();
        }
        self
    }
}

/// The tail of a message that tells one problem of several.
fn others(rest: &[Problem], untold: usize) -> String {
    match (rest.len() + untold, untold) {
        (0, _) => String::new(),
        (1, _) => " (and 1 more problem)".into(),
        (more, 0) => format!(" (and {more} more problems)"),
        (more, _) => format!(" (and {more} more problems, of which {} are told)", rest.len()),
    }
}

/// The number of the line in which `offset` lies, from 1.
fn line(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    before.filter(|byte| **byte == b'\n').count() + 1
}

/// Where a problem came in.
#[derive(Clone, Debug)]
enum SettingPlace {
    /// At a line of the file, from 1.
    Line(usize),
    /// By a flag on the command line.
    Flag(String),
}

impl fmt::Display for SettingPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingPlace::Line(line) => write!(formatter, "line {line}"),
            SettingPlace::Flag(flag) => formatter.write_str(flag),
        }
    }
}

/// A part of a text, by its bytes, and what is said of it there.
#[derive(Clone, Debug)]
pub(crate) struct MarkedPart {
    pub(crate) span: Range<usize>,
    pub(crate) label: String,
}

/// One problem of a sim file.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Problem {
    place: SettingPlace,
    key: String,
    message: String,
    labels: Vec<MarkedPart>,
    help: String,
}

impl Problem {
    /// A problem with the value of `key`, shown at `span`.
    pub fn new(key: impl Into<String>, span: Range<usize>, message: impl Into<String>) -> Self {
        let problem = Problem {
            // Until the refusal counts the lines.
            place: SettingPlace::Line(1),
            key: key.into(),
            message: message.into(),
            labels: Vec::new(),
            help: String::new(),
        };
        problem.also(span, "here")
    }

    /// Says `label` at the first place.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        if let Some(first) = self.labels.first_mut() {
            first.label = label.into();
        }
        self
    }

    /// Shows a second place.
    pub fn also(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.labels.push(MarkedPart { span, label: label.into() });
        self
    }

    /// Says what would be right.
    pub(crate) fn advice(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// Lays the problem at the door of a flag, and shows no line.
    pub(crate) fn blame(mut self, flag: String) -> Self {
        self.labels.clear();
        self.place = SettingPlace::Flag(flag);
        self
    }

    /// The key that it is about, such as `client.watchdog` or `fault.2.at`; empty for the file as a whole.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The line that it is about, from 1; none where a flag is to blame.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        match self.place {
            SettingPlace::Line(line) => Some(line),
            SettingPlace::Flag(_) => None,
        }
    }

    /// What is wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The parts of the text that it is about.
    pub(crate) fn labels(&self) -> &[MarkedPart] {
        &self.labels
    }

    /// What would be right; empty where nobody can say.
    #[must_use]
    pub fn advised(&self) -> &str {
        &self.help
    }

    fn start(&self) -> usize {
        self.labels.first().map_or(0, |marked| marked.span.start)
    }
}

/// The problems noted so far; whoever notes one goes on reading. Who listens is told what the reader asked.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    problems: RefCell<Vec<Problem>>,
    asked: Option<RefCell<Vec<AskedKey>>>,
}

impl Notes {
    /// Notes of somebody who listens.
    pub(crate) fn listening() -> Self {
        Notes { asked: Some(RefCell::default()), ..Notes::default() }
    }

    /// Notes a problem.
    pub(crate) fn add(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// The value, or none and a note.
    pub(crate) fn keep<T>(&self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.add(problem)).ok()
    }

    /// How many problems are noted.
    pub(crate) fn count(&self) -> usize {
        self.problems.borrow().len()
    }

    /// Every problem noted.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }

    /// Notes a question, where somebody listens.
    pub(crate) fn ask(&self, key: impl FnOnce() -> String, question: impl FnOnce() -> KeyQuestion) {
        if let Some(asked) = &self.asked {
            asked.borrow_mut().push(AskedKey { key: key(), question: question() });
        }
    }

    /// Every question that was asked; none where nobody listened.
    pub(crate) fn into_asked(self) -> Vec<AskedKey> {
        self.asked.map(RefCell::into_inner).unwrap_or_default()
    }
}

/// The tail of a help: the right word next to a wrong one, where one is near enough.
pub(crate) fn did_you_mean(word: &str, right: &[&str]) -> String {
    nearest(word, right).map(|right| format!("did you mean `{right}`? ")).unwrap_or_default()
}

/// The right word next to a wrong one: at most a third of the letters differ, or are swapped with their neighbor.
pub(crate) fn nearest<'w>(word: &str, right: &[&'w str]) -> Option<&'w str> {
    // A wrong word far longer than any right one is near none; comparing takes time in the product of both lengths.
    const WORD_MAX: usize = 100;
    if word.len() > WORD_MAX {
        return None;
    }
    let plain = word.to_lowercase().replace('_', "-");
    let distance = |right: &str| strsim::damerau_levenshtein(&plain, right);
    let (far, right) = right.iter().map(|right| (distance(&right.to_lowercase()), *right)).min()?;
    (far <= plain.chars().count().max(right.chars().count()) / 3).then_some(right)
}

/// The right words that were likely meant by a wrong one: the nearest, or else those that have it in them.
pub(crate) fn likely<'w>(word: &str, right: &[&'w str]) -> Vec<&'w str> {
    // Fewer letters are in too many words.
    const PART_MIN: usize = 3;
    let plain = word.to_lowercase().replace('_', "-");
    match nearest(word, right) {
        Some(near) => vec![near],
        None if plain.len() < PART_MIN => Vec::new(),
        None => right.iter().filter(|right| right.contains(&plain)).copied().collect(),
    }
}

/// The tail of a problem: the words that were likely meant.
pub(crate) fn meant(likely: &[&str]) -> String {
    match likely {
        [] => String::new(),
        [one] => format!("; did you mean `{one}`?"),
        several => format!("; did you mean one of {}?", listed(several)),
    }
}

/// A list in words; runs of numbered names are told by their ends: `node, client-1 to client-3`.
pub(crate) fn listed<W: AsRef<str>>(words: &[W]) -> String {
    let mut runs: Vec<(&str, &str)> = Vec::new();
    for word in words.iter().map(AsRef::as_ref) {
        match runs.last_mut() {
            Some((_, last)) if follows(last, word) => *last = word,
            _ => runs.push((word, word)),
        }
    }
    let told = runs.iter().map(|(first, last)| match first == last {
        true => (*first).to_string(),
        false => format!("{first} to {last}"),
    });
    told.collect::<Vec<_>>().join(", ")
}

/// Whether `word` is `last` with the next number.
fn follows(last: &str, word: &str) -> bool {
    let (stem, number) = numbered(last);
    let (next_stem, next) = numbered(word);
    stem == next_stem && number.zip(next).is_some_and(|(number, next)| number.checked_add(1) == Some(next))
}

/// A name without the number at its end, and that number.
fn numbered(word: &str) -> (&str, Option<u32>) {
    let stem = word.trim_end_matches(|c: char| c.is_ascii_digit());
    (stem, word[stem.len()..].parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_word_is_offered_and_a_far_one_is_not() {
        let words = ["watchdog", "http2-keepalive", "quirk"];
        assert_eq!(nearest("wachdog", &words), Some("watchdog"));
        assert_eq!(nearest("http2_Keepalive", &words), Some("http2-keepalive"));
        assert_eq!(nearest("banana", &words), None);
        assert_eq!(nearest("q", &[]), None);
        assert_eq!(likely("dog", &words), ["watchdog"]);
        assert_eq!(likely("og", &words), [""; 0]);
        assert_eq!(meant(&["a", "b"]), "; did you mean one of a, b?");
        assert_eq!(nearest(&"quirk".repeat(1_000), &words), None);
    }

    #[test]
    fn a_list_tells_runs_by_their_ends() {
        assert_eq!(listed(&["node", "client-1", "client-2", "client-3", "s-1"]), "node, client-1 to client-3, s-1");
        assert_eq!(listed(&["S1", "S2", "C1", "C3"]), "S1 to S2, C1, C3");
        assert_eq!(listed(&["a-4294967295", "a-0"]), "a-4294967295, a-0");
        assert_eq!(listed::<&str>(&[]), "");
    }

    #[test]
    fn problems_are_told_in_the_order_of_their_lines() {
        let text = "one\ntwo\nthree\n";
        let refusal = Refusal::new("x", text, Problem::new("b", 8..13, "late"), vec![Problem::new("a", 4..7, "early")]);
        assert_eq!(refusal.to_string(), "read sim `x`, line 2: early (and 1 more problem)");
        assert_eq!(refusal.problems().map(Problem::line).collect::<Vec<_>>(), [Some(2), Some(3)]);
    }

    #[test]
    fn of_many_problems_the_first_are_told_and_the_others_counted() {
        let wrong = |number: usize| Problem::new("a", number..number, number.to_string());
        let refusal = Refusal::new("x", "", wrong(50), (0..50).map(wrong).collect());
        assert_eq!(refusal.to_string(), "read sim `x`, line 1: 0 (and 50 more problems, of which 19 are told)");
        assert_eq!(refusal.problems().count(), PROBLEMS_TOLD);
    }

    #[test]
    fn a_blamed_problem_names_the_flag_and_no_line() {
        let refusal = Refusal::new("x", "one", Problem::new("a", 0..1, "wrong"), vec![]);
        let blamed = refusal.blame(|problem| format!("setting {}=1", problem.key()));
        assert_eq!(blamed.to_string(), "read sim `x` with setting a=1: wrong");
        assert!(blamed.problems().all(|problem| problem.line().is_none()));
    }
}
