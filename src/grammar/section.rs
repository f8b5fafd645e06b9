//! A table of a sim file, read key by key: every key asked for is known, every other key is a problem.
//!
//! Refuses to know which keys a sim has; it knows how to ask, and how to say that an answer is wrong.

use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::grammar::asked::{KeyQuestion, ValueForm};
use crate::grammar::quantity::{self, BadQuantity, QuantityForm};
use crate::grammar::refusal::{Notes, PROBLEMS_TOLD, Problem, did_you_mean, listed};
use crate::grammar::spell;

/// A value that was read, and where it stands; a default stands nowhere.
#[derive(Clone, Debug)]
pub struct Found<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Option<Range<usize>>,
}

/// One table, or the place where it is missing.
pub struct Section<'t> {
    key: String,
    header: Range<usize>,
    table: Option<&'t DeTable<'t>>,
    known: Vec<&'t str>,
    notes: &'t Notes,
}

impl<'t> Section<'t> {
    /// The file as a whole.
    pub(crate) fn root(table: &'t DeTable<'t>, notes: &'t Notes) -> Self {
        Section { key: String::new(), header: 0..0, table: Some(table), known: Vec::new(), notes }
    }

    /// Whether the file has this table.
    pub fn exists(&self) -> bool {
        self.table.is_some()
    }

    /// The table's full name; empty for the whole file.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether more problems than anybody is told are noted already: what takes long to find need not be found.
    pub(crate) fn has_enough_problems(&self) -> bool {
        self.notes.count() > PROBLEMS_TOLD
    }

    /// Notes a problem.
    pub fn note(&self, problem: Problem) {
        self.notes.add(problem);
    }

    /// The value, or none and a note.
    pub fn keep<T>(&self, result: Result<T, Problem>) -> Option<T> {
        self.notes.keep(result)
    }

    /// A problem with the table as a whole.
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        Problem::new(self.key.as_str(), self.header.clone(), message)
    }

    /// The entry of `name`, if the table has it; the key is known from here on.
    pub fn entry(&mut self, name: &'static str) -> Option<Entry<'t>> {
        self.known.push(name);
        self.ask(name, || KeyQuestion::Presence { required: false });
        let (key, value) = self.table?.get_key_value(name)?;
        Some(Entry { key: self.path(key.get_ref()), value, notes: self.notes })
    }

    /// Every entry by its name, in the order of the file: names that the file may choose. All are known from here on.
    pub fn entries(&mut self) -> Vec<(&'t str, Entry<'t>)> {
        let mut entries: Vec<_> = self.table.into_iter().flatten().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let named = |(key, value): (&'t Spanned<Cow<'t, str>>, &'t Spanned<DeValue<'t>>)| {
            let name: &'t str = key.get_ref();
            self.known.push(name);
            (name, Entry { key: self.path(name), value, notes: self.notes })
        };
        entries.into_iter().map(named).collect()
    }

    /// What `read` makes of the entry, or the default; none where a problem was noted.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        default: T,
        read: impl FnOnce(&Entry<'t>) -> Result<T, Problem>,
    ) -> Option<Found<T>> {
        let Some(entry) = self.entry(name) else { return Some(Found { value: default, span: None }) };
        let value = self.notes.keep(read(&entry))?;
        Some(Found { value, span: Some(entry.span()) })
    }

    /// What `read` makes of the entry; a missing one is a problem, `example` what it would look like.
    pub(crate) fn required<T>(
        &mut self,
        name: &'static str,
        example: &str,
        read: impl FnOnce(&Entry<'t>) -> Result<T, Problem>,
    ) -> Option<Found<T>> {
        self.ask(name, || KeyQuestion::Presence { required: true });
        let Some(entry) = self.entry(name) else {
            let problem = self.problem(format!("the required key `{name}` is missing{}", self.told()));
            self.notes.add(problem.label(format!("has no `{name}`")).advice(format!("add `{example}`")));
            return None;
        };
        let value = self.notes.keep(read(&entry))?;
        Some(Found { value, span: Some(entry.span()) })
    }

    /// The table `name` within this one; where it is missing, a section in which every key is.
    pub fn section(&mut self, name: &'static str) -> Section<'t> {
        self.ask(name, || KeyQuestion::Form(ValueForm::Table));
        let found = self.entry(name).and_then(|entry| self.notes.keep(entry.section()));
        let missing = || Section {
            key: self.path(name),
            header: self.header.clone(),
            table: None,
            known: Vec::new(),
            notes: self.notes,
        };
        found.unwrap_or_else(missing)
    }

    /// Notes every key that nobody asked for.
    pub fn finish(self) {
        self.finish_as("a sim");
    }

    /// Notes every key that nobody asked for; `what` has the table, such as "a profile".
    pub(crate) fn finish_as(self, what: &str) {
        for (key, _) in self.table.into_iter().flatten() {
            let name: &str = key.get_ref();
            if self.known.contains(&name) {
                continue;
            }
            let problem = Problem::new(self.path(name), key.span(), format!("unknown key `{name}`{}", self.told()));
            let help =
                format!("{}the keys{} are {}", did_you_mean(name, &self.known), self.told(), listed(&self.known));
            self.notes.add(problem.label(format!("not a key of {what}")).advice(help));
        }
    }

    /// Tells who listens what is asked of a key.
    fn ask(&self, name: &str, question: impl FnOnce() -> KeyQuestion) {
        self.notes.ask(|| self.path(name), question);
    }

    /// The full name of a key in this table.
    fn path(&self, name: &str) -> String {
        if self.key.is_empty() { name.into() } else { format!("{}.{name}", self.key) }
    }

    /// The table's name in a message, nothing for the whole file.
    fn told(&self) -> String {
        if self.key.is_empty() { String::new() } else { format!(" in `{}`", self.key) }
    }
}

/// A key and its value.
#[derive(Clone)]
pub struct Entry<'t> {
    key: String,
    value: &'t Spanned<DeValue<'t>>,
    notes: &'t Notes,
}

impl<'t> Entry<'t> {
    /// The entry's full name, such as `client.watchdog`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Where the value stands.
    pub fn span(&self) -> Range<usize> {
        self.value.span()
    }

    /// A problem with the value.
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        Problem::new(self.key.as_str(), self.span(), message)
    }

    /// The problem of a value of the wrong type; `form` goes after "write".
    pub(crate) fn mistyped(&self, form: &str) -> Problem {
        let found = match self.value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        let problem = self.problem(format!("`{}` is {found}", self.key));
        problem.label(format!("{found} does not belong here")).advice(format!("write {form}"))
    }

    /// Tells who listens which form the value may have.
    fn ask(&self, form: impl FnOnce() -> ValueForm) {
        self.notes.ask(|| self.key.clone(), || KeyQuestion::Form(form()));
    }

    /// Whether the value is a string.
    pub fn is_string(&self) -> bool {
        self.value.get_ref().is_str()
    }

    /// Whether the value is that word.
    pub fn is(&self, word: &str) -> bool {
        self.ask(|| ValueForm::Word(vec![word.to_owned()]));
        self.value.get_ref().as_str() == Some(word)
    }

    /// The value as a text that says something.
    pub fn text(&self, form: &str) -> Result<&'t str, Problem> {
        self.ask(|| ValueForm::Text(form.to_owned()));
        let text = self.value.get_ref().as_str().ok_or_else(|| self.mistyped(form))?;
        if text.trim().is_empty() {
            return Err(self
                .problem(format!("`{}` is empty", self.key))
                .label("empty")
                .advice(format!("write {form}")));
        }
        if text.contains(char::is_control) {
            // A terminal would obey it, and a reader of a report would be deceived.
            let problem = self.problem(format!("`{}` has a control character, such as a line break", self.key));
            return Err(problem.label("not printable").advice(format!("write {form} in one line")));
        }
        Ok(text)
    }

    /// The value as a number within a range.
    pub fn number(&self, range: RangeInclusive<u32>) -> Result<u32, Problem> {
        self.number_or(range, "")
    }

    /// The value as a number within a range; `otherwise` tells in a help what else it may be.
    pub(crate) fn number_or(&self, range: RangeInclusive<u32>, otherwise: &str) -> Result<u32, Problem> {
        self.ask(|| ValueForm::Number { least: i64::from(*range.start()), most: u64::from(*range.end()) });
        let form = format!("a whole number from {} to {}{otherwise}", range.start(), range.end());
        let DeValue::Integer(integer) = self.value.get_ref() else { return Err(self.mistyped(&form)) };
        // What is out of a u32's range is out of every range here.
        let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok();
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            let problem = self.problem(format!("`{}` is {integer}", self.key));
            problem.label("out of range").advice(format!("write {form}"))
        })
    }

    /// The value as a whole number of either sign within a range.
    pub(crate) fn integer(&self, range: RangeInclusive<i32>) -> Result<i32, Problem> {
        let most = u64::try_from(*range.end()).expect("no range of a sim ends below zero");
        self.ask(|| ValueForm::Number { least: i64::from(*range.start()), most });
        let form = format!("a whole number from {} to {}", range.start(), range.end());
        let DeValue::Integer(integer) = self.value.get_ref() else { return Err(self.mistyped(&form)) };
        let number = i32::from_str_radix(integer.as_str(), integer.radix()).ok();
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            let problem = self.problem(format!("`{}` is {integer}", self.key));
            problem.label("out of range").advice(format!("write {form}"))
        })
    }

    /// The value as a yes or no.
    pub fn boolean(&self) -> Result<bool, Problem> {
        self.ask(|| ValueForm::Boolean);
        let DeValue::Boolean(boolean) = self.value.get_ref() else { return Err(self.mistyped("true or false")) };
        Ok(*boolean)
    }

    /// The value as a seed: all of 64 bits, decimal or hexadecimal.
    pub fn seed(&self) -> Result<u64, Problem> {
        const FORM: &str = "a whole number from 0 to 18446744073709551615, such as 42 or 0x2a";
        self.ask(|| ValueForm::Number { least: 0, most: u64::MAX });
        let DeValue::Integer(integer) = self.value.get_ref() else { return Err(self.mistyped(FORM)) };
        u64::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| {
            let problem = self.problem(format!("`{}` is {integer}", self.key));
            problem.label("out of range").advice(format!("write {FORM}"))
        })
    }

    /// The value as a quantity that `read` understands; `form` goes after "write".
    pub(crate) fn quantity<T>(
        &self,
        form: QuantityForm,
        read: impl FnOnce(&str) -> Result<T, BadQuantity>,
    ) -> Result<T, Problem> {
        self.ask(|| ValueForm::Quantity(form));
        let form = form.words;
        let text = self.value.get_ref().as_str().ok_or_else(|| self.mistyped(form))?;
        read(text).map_err(|error| {
            let problem = self.problem(format!("`{}`: {error}", self.key));
            problem.label(format!("not {}", article_and_noun(form))).advice(format!("write {form}"))
        })
    }

    /// The value as a duration within a range.
    pub fn duration(&self, range: RangeInclusive<Duration>) -> Result<Duration, Problem> {
        let duration = self.quantity(quantity::DURATION_FORM, quantity::duration)?;
        if range.contains(&duration) {
            return Ok(duration);
        }
        Err(self.outside(&spell(duration), &spell(*range.start()), &spell(*range.end())))
    }

    /// The problem of a quantity out of its range.
    pub fn outside(&self, found: &str, least: &str, most: &str) -> Problem {
        let problem = self.problem(format!("`{}` is {found}", self.key));
        problem.label("out of range").advice(format!("write something from {least} to {most}"))
    }

    /// The value as one of some words; `what` names their kind, such as "checker".
    pub fn word<'w>(&self, what: &str, words: &[&'w str]) -> Result<&'w str, Problem> {
        self.ask(|| ValueForm::Word(words.iter().map(|word| (*word).to_owned()).collect()));
        let right = || match words.is_empty() {
            true => format!("there is no {what} to name here"),
            false => format!("write one of {}", listed(words)),
        };
        let Some(text) = self.value.get_ref().as_str() else { return Err(self.mistyped("").advice(right())) };
        words.iter().find(|word| **word == text).copied().ok_or_else(|| {
            let problem = self.problem(format!("`{}`: there is no {what} `{text}`", self.key));
            problem.label(format!("unknown {what}")).advice(format!("{}{}", did_you_mean(text, words), right()))
        })
    }

    /// What the value stands for, one of some words; `what` names their kind.
    pub(crate) fn choice<T: Copy>(&self, what: &str, choices: &[(&str, T)]) -> Result<T, Problem> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let word = self.word(what, &words)?;
        let chosen = choices.iter().find(|(name, _)| *name == word);
        Ok(chosen.expect("the word is one of these").1)
    }

    /// What each of a list of words stands for; each wrong one is noted by itself.
    pub(crate) fn choices<T: Copy>(&self, what: &str, choices: &[(&str, T)]) -> Result<Vec<T>, Problem> {
        let elements = self.elements(&format!("an array of strings, each a {what}"))?;
        Ok(elements.iter().filter_map(|element| self.notes.keep(element.choice(what, choices))).collect())
    }

    /// The elements of an array, each under the array's key and its number from 1.
    pub fn elements(&self, form: &str) -> Result<Vec<Entry<'t>>, Problem> {
        self.ask(|| ValueForm::Array);
        let array = self.value.get_ref().as_array().ok_or_else(|| self.mistyped(form))?;
        let numbered = array.iter().enumerate().map(|(index, value)| Entry {
            key: format!("{}.{}", self.key, index + 1),
            value,
            notes: self.notes,
        });
        Ok(numbered.collect())
    }

    /// The value as whatever reads itself from one.
    ///
    /// # Errors
    /// It does not: the problem says why, and stands where it does.
    pub(crate) fn deserialize<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        T::deserialize(ValueDeserializer::from(self.value.clone())).map_err(|error| {
            let span = error.span().unwrap_or_else(|| self.span());
            let what = error.message().lines().next().unwrap_or("not read").to_owned();
            Problem::new(self.key.as_str(), span, format!("`{}`: {what}", self.key)).label("not as it should be")
        })
    }

    /// The value as a table.
    pub fn section(&self) -> Result<Section<'t>, Problem> {
        self.ask(|| ValueForm::Table);
        let name = &self.key;
        let table = self.value.get_ref().as_table();
        let table = table.ok_or_else(|| self.mistyped(&format!("a table: `{name} = {{ … }}`, or `[{name}]`")))?;
        let known = Vec::new();
        Ok(Section { key: self.key.clone(), header: self.span(), table: Some(table), known, notes: self.notes })
    }
}

/// The problem of two values that exclude each other; a default among them has no place to show.
pub(crate) fn excluded<A, B>(key: &str, one: &Found<A>, label: &str, other: &Found<B>, message: String) -> Problem {
    match (&one.span, &other.span) {
        (Some(one), Some(other)) => {
            Problem::new(key, one.clone(), message).label(label).also(other.clone(), "the limit")
        }
        (Some(one), None) => Problem::new(key, one.clone(), message).label(label),
        (None, Some(other)) => Problem::new(key, other.clone(), message).label(format!("{key} has its default")),
        (None, None) => Problem::new(key, 0..0, message),
    }
}

/// The first words of a form: `a duration` of `a duration with the units …`.
fn article_and_noun(form: &str) -> String {
    form.split(' ').take(2).collect::<Vec<_>>().join(" ")
}
