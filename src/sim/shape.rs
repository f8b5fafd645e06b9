//! What a sim may say: every key, whether it must be there, and the forms of its value.
//!
//! Refuses to know any key. It hands texts to the reader of sims and listens to what is asked of them: each key is given a
//! value of every sort, so that the reader asks all that it would ever ask of one. What a reader holds against values of
//! the right form, such as a calm that is too long, nobody hears.

use std::collections::BTreeMap;

use crate::fault::KINDS;
use crate::grammar::{AskedKey, KeyHelp, KeyQuestion, ValueForm};
use crate::sim::keys::{REQUIRED, tables};
use crate::sim::read::questions;
use crate::sim::setting::{Setting, apply};
use crate::subject::Subjects;

/// A sim of which every other key may be asked.
const SIM: &str = "title = \"x\"\nduration = \"20m\"\n[promise]\nverdict = \"pass\"\n";
/// What every fault has besides its kind and its own keys.
const FAULT: &str = "[[fault]]\nat = \"2m\"\nfor = \"30s\"\n";
/// How the keys of that fault begin.
const OF_FAULT: &str = "fault.1.";
/// A value of every sort that a reader tells from others. None is right: what is asked of a value is asked before.
const VALUES: [&str; 3] = ["\"?\"", "[\"?\"]", "{}"];

/// What a value may be.
#[derive(Clone, Debug, Default)]
pub struct ValueShape {
    /// Its forms; one of them is enough.
    pub forms: Vec<ValueForm>,
    /// What an element may be, where it may be an array.
    pub element: Option<Box<ValueShape>>,
    /// The keys, where it may be a table, in the order in which they are asked for.
    pub keys: Vec<KeyShape>,
}

/// A key of a table.
#[derive(Clone, Debug)]
pub struct KeyShape {
    /// Its name within its table.
    pub name: String,
    /// Whether the table must have it.
    pub required: bool,
    /// What it means; none where no table of keys in words has it.
    pub help: Option<KeyHelp>,
    /// Its value.
    pub value: ValueShape,
}

/// A kind of fault.
#[derive(Clone, Debug)]
pub struct FaultShape {
    /// The name of the kind.
    pub kind: &'static str,
    /// Its own keys in a good one.
    pub example: &'static str,
    /// All its keys, those that every fault has among them.
    pub keys: Vec<KeyShape>,
}

/// What a sim may say.
#[derive(Clone, Debug)]
pub struct SimShape {
    /// The keys of the file, but for what a `[[fault]]` holds.
    pub keys: Vec<KeyShape>,
    /// What a `[[fault]]` holds, by its kind.
    pub faults: Vec<FaultShape>,
}

impl SimShape {
    /// What a sim of the first of these subjects may say.
    #[must_use]
    pub fn of(subjects: Subjects) -> Self {
        let file = Questions::of(SIM, "", subjects);
        let faults = KINDS.iter().map(|row| {
            let sim = format!("{SIM}{FAULT}kind = \"{}\"\n{}\n", row.name, row.example);
            let keys = Questions::of(&sim, OF_FAULT, subjects).keys("", "fault", subjects);
            FaultShape { kind: row.name, example: row.example, keys }
        });
        SimShape { keys: file.keys("", "", subjects), faults: faults.collect() }
    }
}

/// What was asked of one key.
#[derive(Default)]
struct HeardKey {
    /// The how-many-th key it is.
    place: usize,
    required: bool,
    forms: Vec<ValueForm>,
}

/// What was asked, by the full name of the key.
struct Questions(BTreeMap<String, HeardKey>);

impl Questions {
    /// What the reader asks of that sim, and of the sim with any other value of any key whose name begins so.
    fn of(sim: &str, prefix: &str, subjects: Subjects) -> Self {
        let mut heard = Questions(BTreeMap::new());
        heard.listen(questions(sim, subjects), prefix);
        let mut tried = 0;
        // Ends: a reader has so many keys, and each is tried once.
        while let Some(key) = heard.0.iter().find(|(_, key)| key.place == tried).map(|(name, _)| name.clone()) {
            tried += 1;
            for value in VALUES {
                let setting: Setting =
                    format!("{prefix}{key}={value}").parse().expect("a reader's own key, and an equals sign");
                // An element of an array that the sim does not have is asked for with the array.
                if let Ok(text) = apply(sim, &[setting]) {
                    heard.listen(questions(&text, subjects), prefix);
                }
            }
        }
        heard
    }

    fn listen(&mut self, asked: Vec<AskedKey>, prefix: &str) {
        for AskedKey { key, question } in asked {
            let Some(name) = key.strip_prefix(prefix).filter(|name| !name.is_empty()) else { continue };
            let place = self.0.len();
            let key = self.0.entry(name.to_owned()).or_insert(HeardKey { place, ..HeardKey::default() });
            match question {
                KeyQuestion::Presence { required } => key.required |= required,
                KeyQuestion::Form(form) if !key.forms.contains(&form) => key.forms.push(form),
                KeyQuestion::Form(_) => {}
            }
        }
    }

    /// The keys of a table; `told` is its name where keys are told in words.
    fn keys(&self, table: &str, told: &str, subjects: Subjects) -> Vec<KeyShape> {
        let help = |name: &str| {
            let keys = tables(subjects.first()).find(|table| table.name == told)?.keys;
            keys.iter().find(|help| help.name == name).copied()
        };
        let mut keys: Vec<(&str, &HeardKey)> = self.within(table).filter(|(name, _)| !is_number(name)).collect();
        keys.sort_by_key(|(_, asked)| asked.place);
        let shape = |(name, asked): (&str, &HeardKey)| {
            let help = help(name);
            KeyShape {
                name: name.to_owned(),
                // A table that must be there is asked for as every other table is.
                required: asked.required || help.is_some_and(|help| help.default == REQUIRED),
                help,
                value: self.value(asked, &join(table, name), &join(told, name), subjects),
            }
        };
        keys.into_iter().map(shape).collect()
    }

    fn value(&self, asked: &HeardKey, path: &str, told: &str, subjects: Subjects) -> ValueShape {
        let element = self.within(path).find(|(name, _)| is_number(name));
        ValueShape {
            forms: asked.forms.clone(),
            element: element.map(|(name, asked)| Box::new(self.value(asked, &join(path, name), told, subjects))),
            keys: self.keys(path, told, subjects),
        }
    }

    /// What is right within a key, by its name there.
    fn within<'q>(&'q self, path: &'q str) -> impl Iterator<Item = (&'q str, &'q HeardKey)> {
        self.0.iter().filter_map(move |(key, asked)| {
            let name = if path.is_empty() { key } else { key.strip_prefix(path)?.strip_prefix('.')? };
            (!name.contains('.')).then_some((name, asked))
        })
    }
}

/// Elements of an array go by their numbers.
fn is_number(name: &str) -> bool {
    name.bytes().all(|letter| letter.is_ascii_digit())
}

fn join(table: &str, name: &str) -> String {
    if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::xmtp::SUBJECTS;

    fn names(keys: &[KeyShape]) -> Vec<&str> {
        names_of(keys.iter())
    }

    fn names_of<'k>(keys: impl Iterator<Item = &'k KeyShape>) -> Vec<&'k str> {
        keys.map(|key| key.name.as_str()).collect()
    }

    fn key<'k>(keys: &'k [KeyShape], name: &str) -> &'k KeyShape {
        keys.iter().find(|key| key.name == name).unwrap_or_else(|| panic!("no `{name}` in {:?}", names(keys)))
    }

    /// All tables, with their keys.
    fn told(table: &str, keys: &[KeyShape], into: &mut BTreeMap<String, Vec<String>>) {
        into.insert(table.to_owned(), keys.iter().map(|key| key.name.clone()).collect());
        for key in keys.iter().filter(|key| !key.value.keys.is_empty()) {
            told(&join(table, &key.name), &key.value.keys, into);
        }
    }

    #[test]
    fn every_key_that_is_told_in_words_is_asked_for_and_the_other_way_round() {
        let shape = SimShape::of(SUBJECTS);
        let mut asked = BTreeMap::new();
        told("", &shape.keys, &mut asked);
        for table in tables(SUBJECTS.first()).filter(|table| table.name != "fault") {
            let mut words: Vec<&str> = table.keys.iter().map(|key| key.name).collect();
            let mut heard = asked.remove(table.name).unwrap_or_else(|| panic!("nobody asks for `{}`", table.name));
            words.sort_unstable();
            heard.sort_unstable();
            assert_eq!(heard, words, "in `{}`", table.name);
        }
        // Its keys are those of the client's, and told there.
        assert_eq!(asked.into_keys().collect::<Vec<_>>(), ["cast.proxy.tcp-keepalive"]);
    }

    #[test]
    fn a_value_has_every_form_that_its_reader_takes() {
        let shape = SimShape::of(SUBJECTS);
        let client = &key(&shape.keys, "client").value;
        let watchdog = &key(&client.keys, "watchdog").value.forms;
        assert_eq!(watchdog, &[ValueForm::Word(vec!["off".to_owned()]), ValueForm::Number { least: 2, most: 10 }]);
        let node = &key(&shape.keys, "node").value;
        let dialect = &key(&node.keys, "dialect").value;
        assert!(
            matches!(&dialect.forms[..], [ValueForm::Word(words), ValueForm::Array] if words.len() == 3),
            "{dialect:?}"
        );
        assert!(dialect.element.as_ref().is_some_and(|one| one.forms == dialect.forms[..1]), "{dialect:?}");
        let required: Vec<&str> = names_of(shape.keys.iter().filter(|key| key.required));
        assert_eq!(required, ["title", "duration", "promise"]);
    }

    #[test]
    fn every_kind_of_fault_has_the_keys_of_its_example_and_those_of_every_fault() {
        let shape = SimShape::of(SUBJECTS);
        assert_eq!(shape.faults.len(), KINDS.len());
        for fault in &shape.faults {
            let example = fault.example.lines().filter_map(|line| line.split(" = ").next());
            for name in example.chain(["at", "for", "kind", "number", "drawn"]) {
                assert!(names(&fault.keys).contains(&name), "{} has no `{name}`: {:?}", fault.kind, fault.keys);
            }
        }
        let kill = shape.faults.iter().find(|fault| fault.kind == "process-kill").expect("a kind");
        assert_eq!(names(&kill.keys).iter().filter(|name| **name == "point").count(), 1, "no example shows it");
    }
}
