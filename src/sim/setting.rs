//! A setting, `key=value`: a change to a sim that is not in its file.
//!
//! Refuses to know which keys a sim has: it edits the text, and the reader judges the result.

use std::fmt;
use std::str::FromStr;

use toml_edit::{DocumentMut, InlineTable, Item, Key, Table, Value};

use crate::grammar::refusal::Problem;

/// One change: the value that a key gets. `fault.1` is the first `[[fault]]` of the file, whatever the
/// number of its clause in the plan, which goes by time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    path: Vec<String>,
    value: String,
    text: String,
}

/// Why a text is not a [`Setting`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadSetting {
    /// There is no equals sign.
    #[error("`{0}` sets nothing; write key=value, such as client.watchdog=off")]
    NoValue(String),
    /// What stands before the equals sign is no key.
    #[error("`{key}` in `{text}` is not a key; write key=value, such as client.watchdog=off or fault.1.for=5m")]
    BadKey {
        /// The whole text.
        text: String,
        /// Its key part.
        key: String,
    },
}

impl FromStr for Setting {
    type Err = BadSetting;

    fn from_str(text: &str) -> Result<Self, BadSetting> {
        let (key, value) = text.split_once('=').ok_or_else(|| BadSetting::NoValue(text.into()))?;
        let keys = Key::parse(key).map_err(|_| BadSetting::BadKey { text: text.into(), key: key.into() })?;
        let path = keys.iter().map(|key| key.get().to_string()).collect();
        Ok(Setting { path, value: value.trim().into(), text: text.into() })
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Setting {
    /// The flag that it came by.
    pub(crate) fn flag(&self) -> String {
        format!("setting `{}`", self.text)
    }

    /// Whether it changes that key, a table around it, or a part of it.
    pub(crate) fn touches(&self, key: &str) -> bool {
        let mine = self.path.join(".");
        within(&mine, key) || within(key, &mine)
    }

    /// The value: TOML where it is TOML, else a string.
    fn value(&self) -> Value {
        self.value.parse().unwrap_or_else(|_| Value::from(self.value.as_str()))
    }

    fn problem(&self, key: &str, message: String) -> Problem {
        Problem::new(key, 0..0, message).blame(self.flag())
    }
}

/// Whether `inner` is `outer` or a part of it.
fn within(outer: &str, inner: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The text with every setting applied, in their order; comments and order of lines stay.
pub(crate) fn apply(text: &str, settings: &[Setting]) -> Result<String, Problem> {
    let parsed = text.parse::<DocumentMut>();
    let mut document = parsed.map_err(|error| Problem::new("", error.span().unwrap_or_default(), error.message()))?;
    for setting in settings {
        set(document.as_item_mut(), setting)?;
    }
    Ok(document.to_string())
}

/// Applies one setting: goes down its path, and makes the tables that are missing.
fn set(root: &mut Item, setting: &Setting) -> Result<(), Problem> {
    let mut item = root;
    let mut told = String::new();
    for (depth, name) in setting.path.iter().enumerate() {
        let refuse = |why: Refused| setting.problem(&told, why.told(&told, name));
        if is_missing_array(item, name) {
            return Err(refuse(Refused::NoElement(0)));
        }
        if depth + 1 == setting.path.len() {
            return put(item, name, setting.value()).map_err(refuse);
        }
        item = down(item, name).map_err(refuse)?;
        told = if depth == 0 { name.clone() } else { format!("{told}.{name}") };
    }
    Ok(())
}

/// Whether the name is the number of an element, where the file has no such array.
fn is_missing_array(item: &Item, name: &str) -> bool {
    item.as_table_like().is_some_and(|table| table.is_empty()) && name.parse::<usize>().is_ok()
}

/// Why there is no place for a value.
enum Refused {
    /// The parent holds a single value.
    NotATable,
    /// The parent is an array of so many elements, and the name is none of their numbers.
    NoElement(usize),
    /// The place is one of an array of tables.
    OnlyTables,
}

impl Refused {
    /// The reason, for the key `name` within `parent`.
    fn told(&self, parent: &str, name: &str) -> String {
        match self {
            Refused::NotATable => format!("`{parent}` is not a table, so it has no `{name}`"),
            Refused::NoElement(0) => format!("`{parent}` is empty, so it has no `{name}`"),
            Refused::NoElement(length) => format!("`{parent}` has the elements 1 to {length}, and no `{name}`"),
            Refused::OnlyTables => format!("`{parent}.{name}` is a table; set one of its keys"),
        }
    }
}

/// The item `name` within `item`, made where a table lacks it.
fn down<'i>(item: &'i mut Item, name: &str) -> Result<&'i mut Item, Refused> {
    if let Some(length) = length(item) {
        let index = index(name, length)?;
        return item.get_mut(index).ok_or(Refused::NoElement(length));
    }
    let missing = item.get(name).is_none();
    match item {
        Item::Table(table) if missing => drop(table.insert(name, Item::Table(Table::new()))),
        Item::Value(Value::InlineTable(table)) if missing => drop(table.insert(name, InlineTable::new().into())),
        Item::Table(_) | Item::Value(_) | Item::None | Item::ArrayOfTables(_) => {}
    }
    item.get_mut(name).ok_or(Refused::NotATable)
}

/// Puts a value at `name` within `item`.
#[expect(clippy::wildcard_enum_match_arm, reason = "the enum is not ours, and may grow")]
fn put(item: &mut Item, name: &str, mut value: Value) -> Result<(), Refused> {
    if let Some(length) = length(item) {
        let index = index(name, length)?;
        let tables = item.is_array_of_tables();
        let slot = item.get_mut(index).ok_or(Refused::NoElement(length))?;
        *slot = match value {
            Value::InlineTable(table) if tables => Item::Table(table.into_table()),
            _ if tables => return Err(Refused::OnlyTables),
            value => Item::Value(value),
        };
        return Ok(());
    }
    // The comment behind the old value stays.
    if let Some(old) = item.get(name).and_then(Item::as_value) {
        *value.decor_mut() = old.decor().clone();
    }
    let table = item.as_table_like_mut().ok_or(Refused::NotATable)?;
    table.insert(name, Item::Value(value));
    Ok(())
}

/// The number of elements, where the item is an array of values or of tables.
fn length(item: &Item) -> Option<usize> {
    let values = item.as_array().map(toml_edit::Array::len);
    values.or_else(|| item.as_array_of_tables().map(toml_edit::ArrayOfTables::len))
}

/// The index of the element that is numbered `name`, from 1.
fn index(name: &str, length: usize) -> Result<usize, Refused> {
    let number = name.parse::<usize>().ok().filter(|number| (1..=length).contains(number));
    number.map(|number| number - 1).ok_or(Refused::NoElement(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "title = \"x\" # why\ncast = { clients = 1 }\nlist = [1, 2]\n\n[client]\nwatchdog = 3 # C2\n\n[[fault]]\nat = \"1m\"\n";

    fn edited(settings: &[&str]) -> Result<String, String> {
        let settings: Vec<Setting> = settings.iter().map(|text| text.parse().expect("a good setting")).collect();
        apply(TEXT, &settings).map_err(|problem| problem.to_string())
    }

    #[test]
    fn a_setting_changes_one_value_and_keeps_the_rest() {
        assert_eq!(edited(&["client.watchdog=off"]), Ok(TEXT.replace("= 3", "= \"off\"")));
        assert_eq!(edited(&["cast.clients=2"]), Ok(TEXT.replace("clients = 1", "clients = 2")));
        assert_eq!(edited(&["fault.1.at=2m"]), Ok(TEXT.replace("\"1m\"", "\"2m\"")));
        assert_eq!(edited(&["list.2=5"]), Ok(TEXT.replace("[1, 2]", "[1, 5]")));
    }

    #[test]
    fn a_setting_makes_the_tables_that_are_missing() {
        assert_eq!(edited(&["node.keepalive=10s"]), Ok(format!("{TEXT}\n[node]\nkeepalive = \"10s\"\n")));
        let nested = edited(&["cast.proxy.profile=plain"]).expect("a text");
        assert!(nested.contains("cast = { clients = 1 , proxy = { profile = \"plain\" } }"), "{nested}");
    }

    #[test]
    fn a_setting_replaces_a_whole_table() {
        let replaced = edited(&["client={ watchdog = 2 }", "fault=[]"]).expect("a text");
        assert!(replaced.contains("client = { watchdog = 2 }\n"), "{replaced}");
        assert!(replaced.contains("fault = []\n") && !replaced.contains("[[fault]]"), "{replaced}");
        let element = edited(&["fault.1={ at = \"5m\" }"]).expect("a text");
        assert!(element.ends_with("[[fault]]\nat = \"5m\"\n"), "{element}");
    }

    #[test]
    fn a_setting_without_a_place_names_its_flag() {
        let bad = [
            ("title.x=1", "setting `title.x=1`: `title` is not a table, so it has no `x`"),
            ("title.x.y=1", "setting `title.x.y=1`: `title` is not a table, so it has no `x`"),
            ("fault.2.at=1m", "setting `fault.2.at=1m`: `fault` has the elements 1 to 1, and no `2`"),
            ("fault.0.at=1m", "setting `fault.0.at=1m`: `fault` has the elements 1 to 1, and no `0`"),
            ("storm.1.at=1m", "setting `storm.1.at=1m`: `storm` is empty, so it has no `1`"),
            ("list.x=1", "setting `list.x=1`: `list` has the elements 1 to 2, and no `x`"),
            ("fault.1=7", "setting `fault.1=7`: `fault.1` is a table; set one of its keys"),
        ];
        for (setting, expected) in bad {
            assert_eq!(edited(&[setting]), Err(expected.into()));
        }
    }

    #[test]
    fn a_text_that_is_no_setting_says_the_form() {
        for bad in ["client.watchdog", "=off", "client..watchdog=1", "a b=1"] {
            let error = bad.parse::<Setting>().expect_err("a bad setting").to_string();
            assert!(error.contains(bad) && error.contains("write key=value"), "{error}");
        }
    }

    #[test]
    fn a_setting_touches_its_key_and_what_is_around_and_within() {
        let setting: Setting = "client.watchdog=off".parse().expect("a good setting");
        assert!(
            setting.touches("client.watchdog") && setting.touches("client") && setting.touches("client.watchdog.x")
        );
        assert!(!setting.touches("client.watch") && !setting.touches("node") && !setting.touches("clients"));
    }
}
