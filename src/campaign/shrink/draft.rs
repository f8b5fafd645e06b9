//! A sim in the making: its text, with the plan as its `[[fault]]` tables, and the ways in which a text is made smaller.
//!
//! Refuses to play, and to know what a key means: what makes no sense the reader of sims refuses, and so it is no
//! candidate.

use std::collections::BTreeMap;
use std::time::Duration;

use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use crate::cast::{Cast, HostName};
use crate::fault::Clause;
use crate::grammar::spell;
use crate::sim::{self, SimFile, tables};
use crate::subject::Subjects;

/// The key of the plan.
const FAULT: &str = "fault";
/// What names a trial and does not change it.
const TOLD: [&str; 3] = ["title", "cites", "seed"];
/// What says how the text is to be treated, and has no place in a smaller one.
const LEFT_OUT: [&str; 3] = ["once", "storm", FAULT];

/// Why a trial cannot be written as a sim.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write {sim} seed {seed} as a sim of its own: an integer above {} cannot be edited in a TOML file; find the failure \
     with a smaller seed",
    i64::MAX
)]
pub struct TooLargeSeed {
    sim: String,
    seed: u64,
}

/// A text that may be a sim. The keys stand in the order of the reader's tables, without comments.
#[derive(Clone, Debug)]
pub(crate) struct SimDraft(DocumentMut);

impl SimDraft {
    /// The draft that plays the plan of that sim with that seed.
    ///
    /// # Errors
    /// The seed, or an integer of the text, has more than the 63 bits that toml_edit can hold.
    pub(crate) fn of(sim: &SimFile, seed: u64) -> Result<Self, TooLargeSeed> {
        let too_large = || TooLargeSeed { sim: sim.name.clone(), seed };
        let old = sim.text.parse::<DocumentMut>().map_err(|_| too_large())?;
        let seed = i64::try_from(seed).map_err(|_| too_large())?;
        // A subject may have keys of its own there.
        let root = tables(sim.subject).filter(|table| table.name.is_empty());
        let keys: Vec<_> = root.flat_map(|table| table.keys.iter().map(|key| key.name)).collect();
        let mut new = DocumentMut::new();
        let kept = keys.iter().copied().filter(|key| !LEFT_OUT.contains(key));
        for (key, item) in kept.filter_map(|key| Some((key, old.get(key)?))) {
            new.insert(key, plain_item(item));
        }
        new.insert("seed", Item::Value(seed.into()));
        let draft = SimDraft(ordered(new, keys));
        Ok(draft.with_faults(sim.plan.clauses.iter().map(Clause::table).collect()))
    }

    /// The text.
    pub(crate) fn text(&self) -> String {
        self.0.to_string()
    }

    /// The sim that it is; none where the reader refuses it.
    pub(crate) fn read(&self, name: &str, subjects: Subjects) -> Option<SimFile> {
        sim::read(name, &self.text(), subjects).ok()
    }

    /// The plan's tables.
    pub(crate) fn faults(&self) -> Vec<Table> {
        let tables = self.0.get(FAULT).and_then(Item::as_array_of_tables);
        tables.map(|tables| tables.iter().cloned().collect()).unwrap_or_default()
    }

    /// The same with another plan.
    pub(crate) fn with_faults(&self, faults: Vec<Table>) -> Self {
        let mut document = self.0.clone();
        document.remove(FAULT);
        // A promise ends the file, as people write it.
        let promise = document.remove("promise");
        if !faults.is_empty() {
            document.insert(FAULT, Item::ArrayOfTables(faults.into_iter().collect::<ArrayOfTables>()));
        }
        if let Some(promise) = promise {
            document.insert("promise", promise);
        }
        // Where a table stands would win over the order of the keys.
        SimDraft(ordered(document, []))
    }

    /// The same with one fault changed.
    pub(crate) fn with_fault(&self, index: usize, change: impl FnOnce(&mut Table)) -> Self {
        let mut faults = self.faults();
        if let Some(fault) = faults.get_mut(index) {
            change(fault);
        }
        self.with_faults(faults)
    }

    /// The same without one fault.
    pub(crate) fn without_fault(&self, index: usize) -> Self {
        let mut faults = self.faults();
        if index < faults.len() {
            faults.remove(index);
        }
        self.with_faults(faults)
    }

    /// The value of a key, such as `["cast", "clients"]`.
    pub(crate) fn value(&self, path: &[&str]) -> Option<&Value> {
        let root: &dyn TableLike = self.0.as_table();
        let (last, tables) = path.split_last()?;
        let table = tables.iter().try_fold(root, |table, name| table.get(name)?.as_table_like())?;
        table.get(last)?.as_value()
    }

    /// The same with another value of a key; the tables around it are there already.
    pub(crate) fn with(&self, path: &[&str], value: impl Into<Value>) -> Self {
        self.change(path, |table, last| drop(table.insert(last, Item::Value(value.into()))))
    }

    /// The same without a key; a table that is empty then goes with it.
    pub(crate) fn without(&self, path: &[&str]) -> Self {
        let fewer = self.change(path, |table, last| drop(table.remove(last)));
        match path.split_last() {
            Some((_, [])) | None => fewer,
            Some((_, tables)) if fewer.is_empty(tables) => fewer.without(tables),
            Some(_) => fewer,
        }
    }

    fn is_empty(&self, path: &[&str]) -> bool {
        let root: &dyn TableLike = self.0.as_table();
        let table = path.iter().try_fold(root, |table, name| table.get(name)?.as_table_like());
        table.is_some_and(TableLike::is_empty)
    }

    fn change(&self, path: &[&str], change: impl FnOnce(&mut dyn TableLike, &str)) -> Self {
        let mut draft = self.clone();
        let mut table: &mut dyn TableLike = draft.0.as_table_mut();
        let Some((last, tables)) = path.split_last() else { return draft };
        for name in tables {
            match table.get_mut(name).and_then(Item::as_table_like_mut) {
                Some(inner) => table = inner,
                None => return self.clone(),
            }
        }
        change(table, last);
        draft
    }

    /// The names of the tables that say how the trial is set, and the keys within each.
    pub(crate) fn settings(&self) -> Vec<(String, Vec<String>)> {
        let own = self.0.iter().filter(|(name, _)| *name != "promise");
        let tables = own.filter_map(|(name, item)| Some((name, item.as_table()?)));
        tables.map(|(name, table)| (name.to_owned(), table.iter().map(|(key, _)| key.to_owned()).collect())).collect()
    }

    /// The same with another duration of the file as a whole.
    pub(crate) fn with_time(&self, key: &str, time: Duration) -> Self {
        self.with(&[key], spell(time))
    }

    /// The same, where the hosts of `old` became those of `new`: the plan falls on who is left, under the names that they
    /// have now. `first` is whom the failure shows on.
    pub(crate) fn recast(&self, old: &Cast, new: &Cast, first: &str) -> Self {
        let names = renaming(old, new, &|name| if **name == *first { 0 } else { self.narrowness(name) });
        let mut faults = self.faults();
        for fault in &mut faults {
            for (_, item) in fault.iter_mut() {
                if let Some(value) = item.as_value_mut() {
                    rename(value, old, &names);
                }
            }
        }
        self.with_faults(faults)
    }

    /// How few hosts stand beside that one where a fault names it: the fewer, the more it is meant.
    fn narrowness(&self, name: &HostName) -> usize {
        let faults = self.faults();
        let values = faults.iter().flat_map(|fault| fault.iter().filter_map(|(_, item)| item.as_value()));
        let named = values.filter_map(|value| match value.as_array() {
            Some(array) => array.iter().any(|one| one.as_str() == Some(name)).then_some(array.len()),
            None => (value.as_str() == Some(name)).then_some(1),
        });
        named.min().unwrap_or(usize::MAX)
    }

    /// The same told with other words.
    pub(crate) fn titled(&self, title: &str, cites: &str) -> Self {
        let mut document = self.0.clone();
        document.insert("title", Item::Value(title.into()));
        document.insert("cites", Item::Value(Value::Array([cites].into_iter().collect())));
        SimDraft(ordered(document, TOLD))
    }

    /// The same, to be played [once](SimFile::once) by a sweep.
    pub(crate) fn once(&self) -> Self {
        let mut document = self.0.clone();
        document.insert("once", Item::Value(true.into()));
        SimDraft(ordered(document, TOLD.into_iter().chain(["once"])))
    }
}

/// Which name each old host has now; those without one have gone.
fn renaming(old: &Cast, new: &Cast, rank: &impl Fn(&HostName) -> usize) -> BTreeMap<HostName, HostName> {
    let mut names = BTreeMap::new();
    for role in old.roles(|_| true) {
        let (mut before, after) = (old.of_role(role), new.of_role(role));
        before.sort_by_key(|name| rank(name));
        before.truncate(after.len());
        before.sort_by_key(|name| name.number());
        names.extend(before.into_iter().cloned().zip(after.into_iter().cloned()));
    }
    names
}

/// Gives the hosts in a value their new names, and leaves out who has gone. An array that is empty then is refused.
fn rename(value: &mut Value, old: &Cast, names: &BTreeMap<HostName, HostName>) {
    let renamed = |text: &str| match old.find(text) {
        Some(host) => names.get(&host.name).map(|name| name.to_string()),
        None => Some(text.to_owned()),
    };
    let changed = match &*value {
        Value::Array(array) if array.iter().all(Value::is_str) => {
            let kept = array.iter().filter_map(Value::as_str).filter_map(renamed);
            Some(Value::Array(kept.collect()))
        }
        Value::String(text) => renamed(text.value()).map(Value::from),
        Value::Array(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::InlineTable(_) => None,
    };
    *value = changed.unwrap_or_else(|| value.clone());
}

/// A document with its keys in that order, the others behind them as they stand; tables where they fall.
fn ordered(mut old: DocumentMut, order: impl IntoIterator<Item = &'static str>) -> DocumentMut {
    let mut keys: Vec<String> = order.into_iter().map(str::to_owned).filter(|key| old.contains_key(key)).collect();
    let others: Vec<String> = old.iter().map(|(key, _)| key.to_owned()).filter(|key| !keys.contains(key)).collect();
    keys.extend(others);
    let mut new = DocumentMut::new();
    for key in keys {
        let Some(mut item) = old.remove(&key) else { continue };
        match &mut item {
            Item::Table(table) => table.set_position(None),
            Item::ArrayOfTables(tables) => tables.iter_mut().for_each(|table| table.set_position(None)),
            Item::Value(_) | Item::None => {}
        }
        new.insert(&key, item);
    }
    new
}

/// An item of the file as a whole: a table stands in lines of its own, and what it holds within a line.
fn plain_item(item: &Item) -> Item {
    match item.as_table_like() {
        Some(table) => {
            let values = table.iter().filter_map(|(key, item)| Some((key, plain(&item.clone().into_value().ok()?))));
            let mut plain = Table::new();
            values.for_each(|(key, value)| _ = plain.insert(key, Item::Value(value)));
            Item::Table(plain)
        }
        None => item.as_value().map_or(Item::None, |value| Item::Value(plain(value))),
    }
}

/// A value without comments and without what somebody's spacing was.
fn plain(value: &Value) -> Value {
    match value {
        Value::String(text) => text.value().as_str().into(),
        Value::Integer(number) => (*number.value()).into(),
        Value::Float(number) => (*number.value()).into(),
        Value::Boolean(truth) => (*truth.value()).into(),
        Value::Datetime(time) => (*time.value()).into(),
        Value::Array(array) => Value::Array(array.iter().map(plain).collect::<Array>()),
        Value::InlineTable(table) => {
            Value::InlineTable(table.iter().map(|(key, value)| (key, plain(value))).collect::<InlineTable>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::xmtp::SUBJECTS;

    const SIM: &str = "# Why.\nduration = \"20m\" # long\ntitle = 'x'\npromise = { verdict = \"pass\" }\n[storm]\n\
        families = \"all\"\n[[fault]]\nat = \"5m\"\nfor = \"1m\"\nkind = \"partition\"\nfrom = [\"client-3\", \"proxy\"]\n\
        [cast]\nclients = 3\n[cast.proxy]\ntcp-user-timeout = \"30s\" # so long\n";

    fn draft() -> SimDraft {
        SimDraft::of(&sim::read("x", SIM, SUBJECTS).expect("a good sim"), 7).expect("it can be written")
    }

    #[test]
    fn a_draft_has_the_order_of_the_keys_and_no_comments() {
        let expected = "title = \"x\"\nseed = 7\nduration = \"20m\"\n\n[cast]\nclients = 3\n\
            proxy = { tcp-user-timeout = \"30s\" }\n\n[[fault]]\nat = \"5m\"\nfor = \"1m\"\nkind = \"partition\"\n\
            from = [\"client-3\", \"proxy\"]\nto = [\"client-1\", \"client-2\", \"node\", \"publisher-1\"]\nnumber = 1\n\n\
            [promise]\nverdict = \"pass\"\n";
        assert_eq!(draft().text(), expected);
        let once = draft().once().text();
        assert_eq!(once, expected.replace("seed = 7\n", "seed = 7\nonce = true\n"));
    }

    #[test]
    fn a_table_without_keys_goes_with_its_last_key() {
        let fewer = draft().without(&["cast", "proxy", "tcp-user-timeout"]);
        assert!(fewer.value(&["cast", "proxy"]).is_none() && fewer.value(&["cast", "clients"]).is_some());
        assert!(!fewer.without(&["cast", "clients"]).text().contains("[cast]"));
        assert_eq!(draft().without(&["none", "such"]).text(), draft().text());
    }

    #[test]
    fn a_plan_falls_on_who_is_left_and_first_on_who_was_meant() {
        let cast =
            |draft: &SimDraft| draft.with_faults(Vec::new()).read("x", SUBJECTS).expect("a good sim").cast().clone();
        let (wide, narrow) = (draft(), draft().with(&["cast", "clients"], 1));
        let recast = narrow.recast(&cast(&wide), &cast(&narrow), "client-3");
        let left: Vec<String> = recast.faults()[0].iter().map(|(_, item)| item.to_string().trim().to_owned()).collect();
        assert!(left.contains(&"[\"client-1\", \"proxy\"]".to_owned()), "{left:?}");
        assert!(recast.read("x", SUBJECTS).is_some(), "{}", recast.text());
        // Whom the failure shows on stays, and the faults of the others end with them.
        let other = narrow.recast(&cast(&wide), &cast(&narrow), "client-1");
        assert!(
            other.faults()[0].get("from").is_some_and(|from| from.to_string().trim() == "[\"proxy\"]"),
            "{}",
            other.text()
        );
    }

    #[test]
    fn a_seed_that_toml_edit_cannot_hold_is_refused() {
        let sim = sim::read("x", SIM, SUBJECTS).expect("a good sim");
        let error = SimDraft::of(&sim, u64::MAX).expect_err("too large").to_string();
        assert!(
            error.starts_with("write x seed 18446744073709551615 as a sim of its own: an integer above "),
            "{error}"
        );
    }
}
