//! What `pulseless profile` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::cli::arguments::Format;
use crate::cli::values;
use crate::profile::config::ConfigKind;

#[derive(Debug, Args)]
pub(crate) struct ProfileArguments {
    #[command(subcommand)]
    pub(crate) command: ProfileCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommand {
    /// List the profiles, and how long a silent node goes unnoticed behind each
    List(ListProfilesArguments),
    /// Print a profile whole: every value, with its source
    Show(ShowProfileArguments),
    /// Say in words what a proxy does to a long-lived stream, and what each statement rests on
    Explain(ExplainProfileArguments),
    /// Make a profile of an nginx.conf, a haproxy.cfg or an Envoy's bootstrap
    ///
    /// The profile is printed on standard output. What was taken, and what was ignored and why, is said on standard error.
    From(FromArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ListProfilesArguments {
    /// How the list is printed
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct ShowProfileArguments {
    /// Its name, or the path of a file of your own that ends in .toml
    pub(crate) profile: String,
    /// Change a value, such as read-timeout=10m
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = values::profile_setting)]
    pub(crate) settings: Vec<(String, String)>,
    /// How it is printed; text is the TOML of a file
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainProfileArguments {
    /// Its name, or the path of a file of your own that ends in .toml
    pub(crate) profile: String,
    /// Change a value, such as read-timeout=10m
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = values::profile_setting)]
    pub(crate) settings: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(crate) struct FromArguments {
    /// The configuration; what an nginx.conf includes is read too
    pub(crate) file: PathBuf,
    /// Whose configuration it is; guessed from its name, or else from what it says, unless given
    #[arg(long, value_enum)]
    pub(crate) kind: Option<NamedKind>,
    /// The profile that has what the configuration does not say: nginx, haproxy-3 or envoy unless given
    #[arg(long, value_name = "PROFILE")]
    pub(crate) base: Option<String>,
}

/// Whose configuration it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NamedKind {
    /// nginx.conf, or a file that it includes.
    Nginx,
    /// haproxy.cfg.
    Haproxy,
    /// An Envoy's bootstrap, in YAML or JSON.
    Envoy,
}

impl From<NamedKind> for ConfigKind {
    fn from(kind: NamedKind) -> ConfigKind {
        match kind {
            NamedKind::Nginx => ConfigKind::Nginx,
            NamedKind::Haproxy => ConfigKind::Haproxy,
            NamedKind::Envoy => ConfigKind::Envoy,
        }
    }
}
