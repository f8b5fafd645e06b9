//! A profile from its text, or from a table of a sim that overrides some of its values.
//!
//! Refuses to know which profiles there are: whoever reads hands over those that may be built on.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use toml::de::DeTable;

use crate::grammar::refusal::{Notes, likely, listed, meant};
use crate::grammar::{Entry, Problem, Refusal, Section};
use crate::profile::conduct::Conduct;
use crate::profile::spoken::{Spoken, quoted};
use crate::profile::words::ProxyLayer;

/// What a value rests on, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Backing {
    /// Somebody's own setting, in a file or in a sim.
    Configured,
    /// The proxy did it, on the loopback of a machine, with a client and a node that log frames.
    Measured,
    /// Read in the proxy's source.
    Source,
    /// The vendor's documentation says so.
    Documented,
    /// Users say so, in an issue or a question.
    Issue,
    /// Nobody has checked it.
    Unverified,
}

impl Backing {
    /// Each, with its word.
    pub const WORDS: &'static [(&'static str, Backing)] = &[
        ("configured", Backing::Configured),
        ("measured", Backing::Measured),
        ("source", Backing::Source),
        ("documented", Backing::Documented),
        ("issue", Backing::Issue),
        ("unverified", Backing::Unverified),
    ];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        let found = Backing::WORDS.iter().find(|(_, backing)| *backing == self);
        found.expect("each has a word").0
    }
}

impl fmt::Display for Backing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.word())
    }
}

/// Why a value is what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground {
    /// Where it is from: a page, a path in the proxy's source, an issue, a measurement.
    pub source: String,
    /// What kind of evidence that is.
    pub backing: Backing,
}

/// What one real proxy does to long-lived streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) proxy: String,
    pub(crate) version: String,
    pub(crate) conduct: Conduct,
    pub(crate) grounds: BTreeMap<&'static str, Ground>,
}

impl Profile {
    /// Its name: a file's stem.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is to be known of it, in a line.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Whose conduct it is.
    #[must_use]
    pub fn proxy(&self) -> &str {
        &self.proxy
    }

    /// Of which version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Every value.
    #[must_use]
    pub fn conduct(&self) -> &Conduct {
        &self.conduct
    }

    /// What the value of a key rests on; none where there is no such key.
    #[must_use]
    pub fn ground(&self, key: &str) -> Option<&Ground> {
        self.grounds.get(key)
    }

    /// How many values rest on that.
    #[must_use]
    pub fn count(&self, backing: Backing) -> usize {
        self.grounds.values().filter(|ground| ground.backing == backing).count()
    }

    /// Reads the profile `name` from its text. It may inherit from one of `known`.
    ///
    /// # Errors
    /// The text is no profile: every independent problem, with its line and what would be right.
    pub(crate) fn read_with(name: &str, text: &str, known: Lender) -> Result<Profile, Refusal> {
        let refuse = |first, rest| Refusal::new(name, text, first, rest).of_profile();
        let table = DeTable::parse(text).map_err(|error| refuse(syntax(&error), Vec::new()))?;
        let notes = Notes::default();
        let profile = read_profile(name, Section::root(table.get_ref(), &notes), known);
        let mut problems = notes.into_problems().into_iter();
        match problems.next() {
            Some(first) => Err(refuse(first, problems.collect())),
            None => Ok(profile.expect("a part is missing only where a problem was noted")),
        }
    }

    /// This profile, with each value that a table says otherwise: the keys are those of a file, and their values stand
    /// there by themselves (`read-timeout = "10m"`). `told` says whose table it is. None where a problem was noted.
    pub fn overridden(&self, table: &mut Section<'_>, told: &str) -> Option<Profile> {
        let mut asking =
            Asking { table, form: ValueSource::Plain { told }, base: Some(self), grounds: BTreeMap::new() };
        let conduct = Conduct::read(&mut asking, Some(&self.conduct))?;
        let grounds = asking.grounds;
        note_contradictions(table, &conduct);
        Some(Profile { conduct, grounds, ..self.clone() })
    }

    /// What there is to be known of it with these settings: its own title may be about what they change.
    fn title_with(&self, settings: &[(&str, &str)]) -> String {
        let told: Vec<String> = settings.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        match told.is_empty() {
            true => self.title.clone(),
            false => format!("as {} {} comes, but for {}", self.proxy, self.version, told.join(", ")),
        }
    }

    /// This profile with other values for some keys; a value is TOML where it is TOML, else a string. Of two for one key
    /// the later one holds.
    ///
    /// # Errors
    /// There is no such key, it does not take that value, or the values contradict each other.
    pub fn with(&self, settings: &[(&str, &str)]) -> Result<Profile, BadOverride> {
        let keys: Vec<&'static str> = Conduct::KEYS.iter().map(|known| known.name).collect();
        if let Some((key, _)) = settings.iter().find(|(key, _)| !keys.contains(key)) {
            return Err(BadOverride::UnknownKey { key: (*key).to_owned(), near: likely(key, &keys) });
        }
        let is_last = |at: usize, key: &str| settings[at + 1..].iter().all(|(later, _)| *later != key);
        let lines = settings.iter().enumerate().filter(|(at, (key, _))| is_last(*at, key));
        let text: String = lines.map(|(_, (key, value))| as_line(key, value)).collect();
        let table = DeTable::parse(&text).expect("keys with values, each once, are TOML");
        let notes = Notes::default();
        let mut section = Section::root(table.get_ref(), &notes);
        let profile = self.overridden(&mut section, "a flag");
        drop(section);
        let mut problems = notes.into_problems().into_iter();
        let Some(first) = problems.next() else {
            let profile = profile.expect("a part is missing only where a problem was noted");
            let is_vain = |key: &str| profile.conduct.layer == ProxyLayer::Tcp && !Conduct::OF_BYTES.contains(&key);
            return match settings.iter().find(|(key, _)| is_vain(key)) {
                Some((key, _)) => Err(BadOverride::OfStreams { key: (*key).to_owned(), profile: profile.name }),
                None => Ok(Profile { title: self.title_with(settings), ..profile }),
            };
        };
        let refusal = Refusal::new(&self.name, &text, first, problems.collect()).of_profile();
        let told = |key: &str| {
            let of_key = settings.iter().filter(|(name, _)| key.split('.').next() == Some(name));
            let of_key: Vec<&(&str, &str)> = of_key.collect();
            let blamed = if of_key.is_empty() { settings.iter().collect() } else { of_key };
            blamed.iter().map(|(key, value)| format!("setting `{key}={value}`")).collect::<Vec<_>>().join(" ")
        };
        Err(BadOverride::BadValue(Box::new(refusal.blame(|problem| told(problem.key())))))
    }
}

/// A key and its value as a line of TOML.
fn as_line(key: &str, value: &str) -> String {
    let as_it_is = format!("{key} = {value}\n");
    let is_toml = DeTable::parse(&as_it_is).is_ok_and(|table| table.get_ref().len() == 1);
    if is_toml { as_it_is } else { format!("{key} = {}\n", quoted(value)) }
}

/// Why values cannot be changed so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadOverride {
    /// There is no such key.
    #[error("`{key}` is no key of a profile{}", if .near.is_empty() { "; `pulseless profile show plain` has them all".into() } else { meant(.near) })]
    UnknownKey {
        /// The key.
        key: String,
        /// Those that were likely meant.
        near: Vec<&'static str>,
    },
    /// A proxy that passes bytes has no use for it.
    #[error(
        "`{key}` is about HTTP/2, of which `{profile}` knows nothing: with `layer` tcp it takes {} alone",
        listed(Conduct::OF_BYTES)
    )]
    OfStreams {
        /// The key.
        key: String,
        /// Whose value it was to be.
        profile: String,
    },
    /// The key does not take that value.
    #[error("{0}")]
    BadValue(Box<Refusal>),
}

/// The problem of a text that is not TOML.
fn syntax(error: &toml::de::Error) -> Problem {
    let problem = Problem::new("", error.span().unwrap_or_default(), error.message());
    problem.advice("a profile is a TOML file with a line such as read-timeout = { is = \"60s\", source = \"…\", evidence = \"measured\" } for each key")
}

/// The profiles that may be built on.
#[derive(Clone, Copy)]
pub(crate) struct Lender {
    pub(crate) names: &'static [&'static str],
    /// The one of that row.
    pub(crate) lend: fn(usize) -> &'static Profile,
}

/// What is taken from another profile.
struct Inherited {
    from: &'static Profile,
    ground: Ground,
}

fn read_profile(name: &str, mut root: Section<'_>, known: Lender) -> Option<Profile> {
    const TITLE: &str = "what is to be known of it, in a line";
    let title = root.required("title", "title = \"what is to be known of it, in a line\"", |entry| entry.text(TITLE));
    let proxy = root.required("proxy", "proxy = \"nginx\"", |entry| entry.text("the name of the real proxy"));
    let version = root.required("version", "version = \"1.22.1\"", |entry| entry.text("the version of the real proxy"));
    let inherits = root.entry("inherits");
    let is_based = inherits.is_some();
    let inherited = inherits.and_then(|entry| read_inherited(&root, &entry, known));
    let base = inherited.as_ref().map(|inherited| &inherited.from.conduct);
    // Without what it inherits from, every key would be missing, and none of that is to blame.
    let conduct = if is_based && base.is_none() {
        return None;
    } else {
        let form = ValueSource::Grounded { inherited: inherited.as_ref() };
        let mut asking = Asking { table: &mut root, form, base: None, grounds: BTreeMap::new() };
        Conduct::read(&mut asking, base).map(|conduct| (conduct, asking.grounds))
    };
    if let Some((conduct, _)) = &conduct {
        note_contradictions(&mut root, conduct);
    }
    root.finish_as("a profile");
    let (conduct, grounds) = conduct?;
    let (title, proxy, version) = (title?.value.to_owned(), proxy?.value.to_owned(), version?.value.to_owned());
    Some(Profile { name: name.to_owned(), title, proxy, version, conduct, grounds })
}

fn read_inherited(root: &Section<'_>, entry: &Entry<'_>, known: Lender) -> Option<Inherited> {
    let mut section = root.keep(entry.section())?;
    let from = section.required("from", "from = \"nginx\"", |entry| entry.word("profile", known.names));
    let ground = read_ground(&mut section);
    section.finish_as("a profile");
    let from = from?.value;
    let row = known.names.iter().position(|name| *name == from).expect("the word is one of their names");
    Some(Inherited { from: (known.lend)(row), ground: ground? })
}

/// Reads where something is from, and what kind of evidence that is.
fn read_ground(section: &mut Section<'_>) -> Option<Ground> {
    const SOURCE: &str = "where it is from: a page, a path in the proxy's source, an issue, a measurement";
    let source = section.required("source", "source = \"…\"", |entry| entry.text(SOURCE));
    let evidence = "kind of evidence";
    let backing =
        section.required("evidence", "evidence = \"measured\"", |entry| entry.choice(evidence, Backing::WORDS));
    Some(Ground { source: source?.value.to_owned(), backing: backing?.value })
}

/// How values stand in a table.
#[derive(Clone, Copy)]
enum ValueSource<'a> {
    /// Each with its source: a profile. What it does not say is inherited, if anything is.
    Grounded { inherited: Option<&'a Inherited> },
    /// By themselves: what somebody says otherwise.
    Plain { told: &'a str },
}

/// A table that is asked for the values of a profile.
pub(crate) struct Asking<'a, 't> {
    table: &'a mut Section<'t>,
    form: ValueSource<'a>,
    /// Whose grounds hold for what is not said otherwise.
    base: Option<&'a Profile>,
    grounds: BTreeMap<&'static str, Ground>,
}

impl Asking<'_, '_> {
    /// The value of a key: the table's, or else what is handed in. None where a problem was noted.
    pub(crate) fn value<T: Spoken>(&mut self, name: &'static str, otherwise: Option<&T>) -> Option<T> {
        let Some(entry) = self.table.entry(name) else {
            let Some(value) = otherwise else {
                self.note_missing::<T>(name);
                return None;
            };
            self.grounds.extend(self.ground_of_the_unsaid(name).map(|ground| (name, ground)));
            return Some(value.clone());
        };
        let (value, ground) = match self.form {
            ValueSource::Plain { told } => {
                let ground = Ground { source: format!("`{}` in {told}", entry.key()), backing: Backing::Configured };
                (self.table.keep(T::read(&entry))?, ground)
            }
            ValueSource::Grounded { .. } => {
                let mut section = self.table.keep(entry.section())?;
                let is = section.required("is", &format!("is = {}", T::EXAMPLE), T::read);
                let ground = read_ground(&mut section);
                section.finish_as("a profile");
                (is?.value, ground?)
            }
        };
        self.grounds.insert(name, ground);
        Some(value)
    }

    /// What a value rests on that the table does not say.
    fn ground_of_the_unsaid(&self, name: &str) -> Option<Ground> {
        match self.form {
            ValueSource::Plain { .. } => self.base.and_then(|base| base.ground(name)).cloned(),
            ValueSource::Grounded { inherited } => inherited.and_then(|inherited| {
                let theirs = inherited.from.ground(name)?;
                let backing = theirs.backing.max(inherited.ground.backing);
                let source = format!("{}: {}", inherited.ground.source, theirs.source);
                Some(Ground { source, backing })
            }),
        }
    }

    fn note_missing<T: Spoken>(&self, name: &str) {
        let problem = self.table.problem(format!("the required key `{name}` is missing"));
        let example = format!("{name} = {{ is = {}, source = \"…\", evidence = \"measured\" }}", T::EXAMPLE);
        let advice = format!("add `{example}`, or inherit it: `inherits = {{ from = \"plain\", … }}`");
        self.table.note(problem.label(format!("has no `{name}`")).advice(advice));
    }
}

/// Notes what no proxy can be: values that are right by themselves and not together.
fn note_contradictions(table: &mut Section<'_>, conduct: &Conduct) {
    if conduct.retries > 0 && conduct.retry_on.0.is_empty() {
        let message = "requests are tried again, and for no reason";
        note_together(table, ["retries", "retry-on"], message, "name a reason in `retry-on`, or write retries = 0");
    }
    if conduct.ping_interval.after().is_some() && conduct.ping_timeout.after().is_none() {
        let message = "the node is asked, and may be silent for ever";
        note_together(table, ["ping-interval", "ping-timeout"], message, "give `ping-timeout` a time");
    }
    let gives_up = conduct.tcp_keepalive_interval.after().is_some() && conduct.tcp_keepalive_count > 0;
    if conduct.tcp_keepalive_after.after().is_some() && !gives_up {
        let message = "TCP probes the node, and never gives it up";
        let advice = "give `tcp-keepalive-interval` a time, and `tcp-keepalive-count` a number above 0";
        note_together(table, ["tcp-keepalive-after", "tcp-keepalive-interval"], message, advice);
    }
}

/// Notes a problem of two keys, at the one that the table has.
fn note_together(table: &mut Section<'_>, keys: [&'static str; 2], message: &str, advice: &str) {
    let entry = keys.into_iter().find_map(|key| table.entry(key));
    let message = format!("`{}` and `{}`: {message}", keys[0], keys[1]);
    let problem = entry.map_or_else(|| table.problem(message.as_str()), |entry| entry.problem(message.as_str()));
    table.note(problem.label("not together with the other").advice(advice));
}
