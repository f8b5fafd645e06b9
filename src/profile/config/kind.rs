//! Which proxies' configurations can be read, and which of them a text is of.
//!
//! Refuses to know their syntax.

use std::path::Path;

/// Whose configuration it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigKind {
    /// nginx.conf, or a part of it.
    Nginx,
    /// haproxy.cfg.
    Haproxy,
    /// An Envoy's bootstrap in YAML or JSON.
    Envoy,
}

/// Nobody can tell whose configuration it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tell whose configuration {0} is, by its name or by what it says")]
pub struct UnknownConfig(pub String);

impl ConfigKind {
    /// The profile on which a configuration is based unless another is named.
    #[must_use]
    pub fn profile(self) -> &'static str {
        match self {
            ConfigKind::Nginx => "nginx",
            ConfigKind::Haproxy => "haproxy-3",
            ConfigKind::Envoy => "envoy",
        }
    }

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            ConfigKind::Nginx => "nginx",
            ConfigKind::Haproxy => "HAProxy",
            ConfigKind::Envoy => "Envoy",
        }
    }

    /// Whose configuration a file is, by its name, else by what it says.
    ///
    /// # Errors
    /// Neither tells.
    pub fn guess(path: &Path, text: &str) -> Result<ConfigKind, UnknownConfig> {
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        let has = |part: &str| name.contains(part);
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        let by_name = match () {
            () if has("haproxy") || ends(&[".cfg"]) => Some(ConfigKind::Haproxy),
            () if has("nginx") => Some(ConfigKind::Nginx),
            () if has("envoy") || ends(&[".yaml", ".yml", ".json"]) => Some(ConfigKind::Envoy),
            () => None,
        };
        by_name.or_else(|| ConfigKind::by_content(text)).ok_or_else(|| UnknownConfig(path.display().to_string()))
    }

    fn by_content(text: &str) -> Option<ConfigKind> {
        let first_words = || text.lines().filter_map(|line| line.split_whitespace().next());
        let begins = |words: &[&str]| first_words().any(|word| words.contains(&word));
        if begins(&["static_resources:", "\"static_resources\":"]) {
            Some(ConfigKind::Envoy)
        } else if begins(&["defaults", "frontend", "backend", "listen"]) && !text.contains('{') {
            Some(ConfigKind::Haproxy)
        } else if begins(&["http", "server", "location", "http{", "server{", "upstream", "grpc_pass"])
            && text.contains(';')
        {
            Some(ConfigKind::Nginx)
        } else {
            None
        }
    }
}
