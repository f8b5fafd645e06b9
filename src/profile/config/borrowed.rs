//! What came of reading a configuration: values with the lines that say them, and a profile made of them.
//!
//! Refuses to know whose configuration it was.

use crate::grammar::Refusal;
use crate::profile::config::envoy::read_envoy;
use crate::profile::config::haproxy::read_haproxy;
use crate::profile::config::kind::ConfigKind;
use crate::profile::config::nginx::read_nginx;
use crate::profile::config::taking::{BadConfig, ConfigFiles, ConfigPlace, Taking};
use crate::profile::spoken::{Spelled, quoted};
use crate::profile::write::{head, value_line};
use crate::profile::{Backing, Conduct, Ground, Profile};

/// A value that a configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenValue {
    /// The key of a profile.
    pub key: &'static str,
    /// Its value.
    pub is: Spelled,
    /// The line that says it; none where it holds because no line says otherwise.
    pub place: Option<ConfigPlace>,
    /// The file.
    pub file: String,
    /// What the line says, or why the value holds.
    pub directive: String,
}

impl TakenValue {
    /// Where it is from.
    #[must_use]
    pub fn source(&self) -> String {
        match &self.place {
            Some(place) => format!("{place}: {}", self.directive),
            None => format!("{}: {}", self.file, self.directive),
        }
    }
}

/// A line of a configuration that a profile does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoredLine {
    /// The line.
    pub place: ConfigPlace,
    /// What it says.
    pub directive: String,
    /// Why it was not taken.
    pub why: String,
}

/// What a configuration says of long-lived streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Borrowed {
    kind: ConfigKind,
    file: String,
    taken: Vec<TakenValue>,
    ignored: Vec<IgnoredLine>,
}

impl Borrowed {
    /// Reads a configuration.
    ///
    /// # Errors
    /// It is none, or a value in it is wrong: the error names the line and what would be right.
    pub fn read(kind: ConfigKind, file: &str, text: &str, files: &dyn ConfigFiles) -> Result<Borrowed, BadConfig> {
        let start = ConfigPlace { file: file.to_owned(), line: 1 };
        if text.contains('\0') {
            return Err(BadConfig::new(&start, "it is not text", "name a configuration file"));
        }
        if text.trim().is_empty() {
            return Err(BadConfig::new(&start, "it is empty", "name a configuration file that says something"));
        }
        let mut taking = Taking::default();
        match kind {
            ConfigKind::Nginx => read_nginx(file, text, files, &mut taking)?,
            ConfigKind::Haproxy => read_haproxy(file, text, &mut taking)?,
            ConfigKind::Envoy => read_envoy(file, text, &mut taking)?,
        }
        let Taking { mut taken, mut ignored } = taking;
        taken.sort_by_key(|taken| Conduct::KEYS.iter().position(|key| key.name == taken.key));
        ignored.sort_by(|one, other| (&one.place.file, one.place.line).cmp(&(&other.place.file, other.place.line)));
        Ok(Borrowed { kind, file: file.to_owned(), taken, ignored })
    }

    /// Whose configuration it is.
    #[must_use]
    pub fn kind(&self) -> ConfigKind {
        self.kind
    }

    /// The values that it says, in the order of a profile.
    #[must_use]
    pub fn taken(&self) -> &[TakenValue] {
        &self.taken
    }

    /// What else it says, in the order of its lines.
    #[must_use]
    pub fn ignored(&self) -> &[IgnoredLine] {
        &self.ignored
    }

    /// The text of a profile: what the configuration says, and all else as `base`.
    ///
    /// # Errors
    /// The configuration contradicts itself: no proxy can be so.
    pub fn toml(&self, base: &Profile) -> Result<String, Box<Refusal>> {
        let (file, proxy, version) = (&self.file, base.proxy(), base.version());
        let title = format!("{file} for {proxy} {version}, which is else as it comes");
        let mut text = head(&title, proxy, version);
        let unsaid = quoted(&format!("not said in {file}"));
        let from = quoted(base.name());
        text.push_str(&format!("inherits = {{ from = {from}, source = {unsaid}, evidence = \"configured\" }}\n"));
        let mut group = "";
        for taken in &self.taken {
            let key = Conduct::KEYS.iter().find(|key| key.name == taken.key).expect("only keys of a profile are taken");
            if group != key.group {
                group = key.group;
                text.push_str(&format!("\n# {group}\n"));
            }
            text.push_str(&value_line(
                key,
                &taken.is,
                &Ground { source: taken.source(), backing: Backing::Configured },
            ));
        }
        Profile::read("configured", &text)?;
        Ok(text)
    }
}
