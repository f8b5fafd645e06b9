//! Runs the command that the command line names.
//!
//! Refuses to know flags: each command reads its own arguments.

use std::process::ExitCode;

use clap::Parser;
use clap::error::{ContextKind, ContextValue};

use crate::cli::arguments::{Arguments, CliCommand};
use crate::cli::{
    Exit, explain, generate, grid, keep, list, merge, profile, program, proxy, replay, report, run, schema, shrink,
    sweep, worker,
};
#[cfg(feature = "xmtp")]
use crate::cli::{conform, conform_client, node, publish, tail};
use crate::report::name_program;
use crate::subject::stranger::Strangers;

/// Runs the command line of this process for sims of these strangers: a guest's own program with all of its commands. A sim
/// casts their kinds of hosts by name; everything that is printed to be played again names this program.
///
/// ```no_run
/// use pulseless::stranger::Strangers;
///
/// # async fn my_server() {}
/// # async fn my_client() {}
/// fn main() -> std::process::ExitCode {
///     pulseless::cli::main_with(Strangers::new().host("my-server", my_server).host("my-client", my_client))
/// }
/// ```
#[must_use]
pub fn main_with(strangers: Strangers) -> ExitCode {
    program::play_only(strangers.into_subjects());
    if let Some(name) = std::env::args().next() {
        name_program(&name);
    }
    main()
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(error).into(),
    };
    let exit = match arguments.command {
        CliCommand::Run(arguments) => run::run(&arguments),
        CliCommand::Replay(arguments) => replay::replay(&arguments),
        CliCommand::Report(arguments) => report::report(&arguments),
        CliCommand::Shrink(arguments) => shrink::shrink(&arguments),
        CliCommand::Keep(arguments) => keep::keep(&arguments),
        CliCommand::Sweep(arguments) => sweep::sweep(&arguments),
        CliCommand::Grid(arguments) => grid::grid(&arguments),
        CliCommand::Merge(arguments) => merge::merge(&arguments),
        CliCommand::Schema(arguments) => schema::schema(&arguments),
        CliCommand::Generate(arguments) => generate::generate(&arguments),
        CliCommand::Worker(arguments) => worker::worker(&arguments),
        CliCommand::List(arguments) => list::list(&arguments),
        CliCommand::Explain(arguments) => explain::explain(&arguments),
        CliCommand::Profile(arguments) => profile::profile(&arguments),
        #[cfg(feature = "xmtp")]
        CliCommand::Node(arguments) => node::node(&arguments),
        CliCommand::Proxy(arguments) => proxy::proxy(&arguments),
        #[cfg(feature = "xmtp")]
        CliCommand::Conform(arguments) => conform::conform(&arguments),
        #[cfg(feature = "xmtp")]
        CliCommand::ConformClient(arguments) => conform_client::judge_client(&arguments),
        #[cfg(feature = "xmtp")]
        CliCommand::Publish(arguments) => publish::publish(&arguments),
        #[cfg(feature = "xmtp")]
        CliCommand::Tail(arguments) => tail::tail(&arguments),
    };
    exit.into()
}

/// `--help` and `--version` are answers; everything else that clap reports is wrong use.
fn refuse(mut error: clap::Error) -> Exit {
    if let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue)
        && let Some(shown) = without_user(value)
    {
        error.insert(ContextKind::InvalidValue, ContextValue::String(shown));
    }
    if error.print().is_err() {
        // Nobody reads any more, as in `pulseless --help | head`; the exit code still tells.
    }
    if error.use_stderr() { Exit::Usage } else { Exit::Pass }
}

/// A value whose user and password are not shown: `https://user:password@host` without them; none where it has none.
fn without_user(value: &str) -> Option<String> {
    let (user, rest) = value.rsplit_once('@')?;
    let scheme = user.split_once("://").map(|(scheme, _)| format!("{scheme}://")).unwrap_or_default();
    user.contains(':').then(|| format!("{scheme}\u{2026}@{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_and_a_password_are_not_shown() {
        assert_eq!(without_user("https://me:s3@cret@host:1"), Some("https://\u{2026}@host:1".into()));
        assert_eq!(without_user("me:secret@host"), Some("\u{2026}@host".into()));
        assert_eq!(without_user("https://host:1"), None);
        assert_eq!(without_user("a@b"), None);
    }
}
