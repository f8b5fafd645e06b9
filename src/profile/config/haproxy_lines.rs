//! The syntax of HAProxy: lines of words, gathered in sections, which may begin with what another section says.
//!
//! Refuses to know any word but those that begin a section.

use crate::profile::config::taking::{BadConfig, ConfigPlace};

/// As many as a configuration of thousands of backends has.
const LINES_MAX: usize = 200_000;

/// What begins a section (configuration.txt, sections 3 and 4).
const SECTIONS: [&str; 21] = [
    "global",
    "defaults",
    "frontend",
    "backend",
    "listen",
    "peers",
    "resolvers",
    "userlist",
    "mailers",
    "cache",
    "program",
    "ring",
    "http-errors",
    "fcgi-app",
    "log-forward",
    "log-profile",
    "crt-store",
    "acme",
    "traces",
    "healthcheck",
    "aggregations",
];

/// A line with words.
#[derive(Clone, Debug)]
pub(crate) struct HaproxyLine {
    pub(crate) place: ConfigPlace,
    pub(crate) words: Vec<String>,
}

impl HaproxyLine {
    /// The words, as they can be matched.
    pub(crate) fn words(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }

    /// As it stands in the file.
    pub(crate) fn told(&self) -> String {
        self.words.join(" ")
    }
}

/// A section.
#[derive(Debug)]
pub(crate) struct HaproxySection {
    pub(crate) head: HaproxyLine,
    pub(crate) lines: Vec<HaproxyLine>,
    /// Which section, by its number, has what this one does not say.
    pub(crate) defaults: Option<usize>,
}

impl HaproxySection {
    /// What kind of section it is.
    pub(crate) fn kind(&self) -> &str {
        self.head.words.first().map_or("", String::as_str)
    }

    /// Its name; empty for one that has none.
    pub(crate) fn name(&self) -> &str {
        self.head.words.get(1).map_or("", String::as_str)
    }
}

/// Reads the sections of a configuration.
pub(crate) fn read_sections(file: &str, text: &str) -> Result<Vec<HaproxySection>, BadConfig> {
    let mut sections: Vec<HaproxySection> = Vec::new();
    let mut last_defaults = None;
    for (above, line) in text.lines().enumerate() {
        let place = ConfigPlace { file: file.to_owned(), line: above + 1 };
        if above >= LINES_MAX {
            return Err(BadConfig::new(&place, "there are too many lines", format!("at most {LINES_MAX} are read")));
        }
        let words = words(line, &place)?;
        let Some(first) = words.first().cloned() else { continue };
        let line = HaproxyLine { place, words };
        if SECTIONS.contains(&first.as_str()) {
            let defaults = defaults_of(&line, &sections, last_defaults)?;
            if first == "defaults" {
                last_defaults = Some(sections.len());
            }
            sections.push(HaproxySection { head: line, lines: Vec::new(), defaults });
            continue;
        }
        match sections.last_mut() {
            Some(section) => section.lines.push(line),
            // Conditions and messages may stand before the first section.
            None if first.starts_with('.') => {}
            None => {
                let advice = "begin with a section such as `global`, `defaults` or `frontend NAME`";
                return Err(BadConfig::new(&line.place, format!("`{}` stands in no section", line.told()), advice));
            }
        }
    }
    Ok(sections)
}

/// Which `defaults` hold for a section: those that it names, else the last ones above it. `defaults` have others only
/// if they name them.
fn defaults_of(
    head: &HaproxyLine,
    sections: &[HaproxySection],
    last: Option<usize>,
) -> Result<Option<usize>, BadConfig> {
    let named = head.words.iter().position(|word| word == "from").and_then(|at| head.words.get(at + 1));
    match (named, head.words.first().map(String::as_str)) {
        (Some(name), _) => {
            let found = sections.iter().position(|other| other.kind() == "defaults" && other.name() == name);
            let missing = || {
                let message = format!("there is no section `defaults {name}` above");
                BadConfig::new(&head.place, message, "name one, or take `from` away")
            };
            found.map(Some).ok_or_else(missing)
        }
        (None, Some("frontend" | "backend" | "listen")) => Ok(last),
        (None, _) => Ok(None),
    }
}

/// The words of a line: what stands in quotes is one, a backslash makes the next letter plain, `#` begins a comment.
fn words(line: &str, place: &ConfigPlace) -> Result<Vec<String>, BadConfig> {
    let (mut words, mut word, mut quote): (Vec<String>, Option<String>, Option<char>) = (Vec::new(), None, None);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            (letter, Some(open)) if letter == open => quote = None,
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(letters.next()),
            (letter, Some(_)) => word.get_or_insert_default().push(letter),
            ('"' | '\'', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            ('#', None) => break,
            (letter, None) if letter.is_whitespace() => words.extend(word.take()),
            (letter, None) => word.get_or_insert_default().push(letter),
        }
    }
    match quote {
        Some(open) => Err(BadConfig::new(place, "a quote is not closed", format!("close it with `{open}`"))),
        None => {
            words.extend(word);
            Ok(words)
        }
    }
}
