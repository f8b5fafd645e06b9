//! A host's own settings in a sim file: any type that reads itself from a table.
//!
//! Refuses to know what they mean.

use std::any::Any;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::grammar::refusal::{Problem, did_you_mean, listed};
use crate::grammar::{Entry, Section};
use crate::subject::stranger::fields::fields_of;

/// Settings of some kind of host, whose type only that kind knows.
pub(crate) type AnySettings = Arc<dyn Any + Send + Sync>;

/// Reads `settings` of a host's table; notes every key that they do not have.
pub(crate) fn read_own<T: DeserializeOwned + Send + Sync + 'static>(
    section: &mut Section<'_>,
    kind: &str,
) -> Option<AnySettings> {
    let Some(entry) = section.entry("settings") else { return read_empty::<T>(section, kind) };
    let mut table = section.keep(entry.section())?;
    let mut keys = table.entries();
    if let Some(known) = known_fields::<T>() {
        keys.retain(|(name, _)| !known.contains(name));
        let unknown = keys.iter().map(|(name, entry)| unknown(entry, name, known, kind));
        unknown.for_each(|problem| section.note(problem));
        if !keys.is_empty() {
            return None;
        }
        if known.is_empty() {
            return read_empty::<T>(section, kind);
        }
    }
    let read: T = section.keep(entry.deserialize())?;
    Some(Arc::new(read))
}

/// The settings of a host whose table says none: they are the type's defaults, if it has one for each.
fn read_empty<T: DeserializeOwned + Send + Sync + 'static>(section: &Section<'_>, kind: &str) -> Option<AnySettings> {
    let empty = T::deserialize(toml::Table::new());
    let unit = || T::deserialize(serde::de::value::UnitDeserializer::<serde::de::value::Error>::new());
    match empty {
        Ok(read) => Some(Arc::new(read)),
        Err(error) => match unit() {
            Ok(read) => Some(Arc::new(read)),
            Err(_) => {
                let what = error.message();
                let problem = section.problem(format!("`{kind}` needs `settings` in `{}`: {what}", section.key()));
                let form = known_fields::<T>().map_or(String::new(), |fields| format!(" with {}", listed(fields)));
                section.note(problem.label("has none").advice(format!("add `settings = {{ … }}`{form}")));
                None
            }
        },
    }
}

/// The keys that a type takes; none where it takes any.
fn known_fields<T: DeserializeOwned + 'static>() -> Option<&'static [&'static str]> {
    let is_unit = std::any::TypeId::of::<T>() == std::any::TypeId::of::<()>();
    if is_unit { Some(&[]) } else { fields_of::<T>() }
}

fn unknown(entry: &Entry<'_>, name: &str, known: &[&str], kind: &str) -> Problem {
    let problem = entry.problem(format!("`{}`: `{kind}` has no setting `{name}`", entry.key()));
    let help = match known.is_empty() {
        true => format!("`{kind}` has no settings; register it with `host_with` to give it some"),
        false => format!("{}its settings are {}", did_you_mean(name, known), listed(known)),
    };
    problem.label("unknown setting").advice(help)
}
