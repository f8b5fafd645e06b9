//! A profile as the text of a file, which reads back as the same.
//!
//! Refuses to know where it goes.

use std::collections::BTreeMap;
use std::fmt::Write;

use schemars::JsonSchema;
use serde::Serialize;

use crate::profile::conduct::{Conduct, ConductKey};
use crate::profile::spoken::{Spelled, quoted};
use crate::profile::{Backing, Ground, Profile};

/// A profile for machines.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ProfileJson<'p> {
    /// Its name.
    name: &'p str,
    /// What is to be known of it, in a line.
    title: &'p str,
    /// The real proxy.
    proxy: &'p str,
    /// The version of the real proxy.
    version: &'p str,
    /// Every value, by its key.
    values: BTreeMap<&'static str, ValueJson<'p>>,
}

/// One value for machines.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ValueJson<'p> {
    /// The value, as a file has it.
    is: Spelled,
    /// Where it is from.
    source: &'p str,
    /// What kind of evidence that is.
    evidence: Backing,
}

impl Profile {
    /// The text of a file that says everything and inherits nothing.
    #[must_use]
    pub fn toml(&self) -> String {
        let mut text = head(&self.title, &self.proxy, &self.version);
        let mut group = "";
        for (key, is) in Conduct::KEYS.iter().zip(self.conduct.values()) {
            if group != key.group {
                group = key.group;
                text.push_str(&format!("\n# {group}\n"));
            }
            text.push_str(&value_line(key, &is.1, self.ground_of(key)));
        }
        text
    }

    /// For machines.
    #[must_use]
    pub(crate) fn json(&self) -> ProfileJson<'_> {
        let values = Conduct::KEYS.iter().zip(self.conduct.values()).map(|(key, (_, is))| {
            let ground = self.ground_of(key);
            (key.name, ValueJson { is, source: &ground.source, evidence: ground.backing })
        });
        ProfileJson {
            name: &self.name,
            title: &self.title,
            proxy: &self.proxy,
            version: &self.version,
            values: values.collect(),
        }
    }

    fn ground_of(&self, key: &ConductKey) -> &Ground {
        self.ground(key.name).expect("every value was read with its source")
    }
}

/// The first lines of a file.
pub(crate) fn head(title: &str, proxy: &str, version: &str) -> String {
    format!("title = {}\nproxy = {}\nversion = {}\n", quoted(title), quoted(proxy), quoted(version))
}

/// The line of a value.
pub(crate) fn value_line(key: &ConductKey, is: &Spelled, ground: &Ground) -> String {
    let mut line = String::new();
    let (name, source, backing) = (key.name, quoted(&ground.source), ground.backing);
    writeln!(line, "{name} = {{ is = {is}, source = {source}, evidence = \"{backing}\" }}")
        .expect("a string takes everything");
    line
}
