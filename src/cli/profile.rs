//! `pulseless profile`: real proxies as data: which there are, what one does, and one made of a user's configuration.

use crate::cli::Exit;
use crate::cli::arguments::{
    ExplainProfileArguments, Format, FromArguments, ListProfilesArguments, ProfileArguments, ProfileCommand,
    ShowProfileArguments,
};
use crate::cli::output::{complain, misused, paint, print, show};
use crate::profile::{BadOverride, Profile};
use crate::proxy::left_out;
use crate::report;
use crate::runner::{ProfileError, borrow_profile, find_profile};

pub(crate) fn profile(arguments: &ProfileArguments) -> Exit {
    match &arguments.command {
        ProfileCommand::List(arguments) => list(arguments),
        ProfileCommand::Show(arguments) => show_profile(arguments),
        ProfileCommand::Explain(arguments) => explain(arguments),
        ProfileCommand::From(arguments) => from(arguments),
    }
}

fn list(arguments: &ListProfilesArguments) -> Exit {
    print(&match arguments.format {
        Format::Text => report::profiles(&Profile::all()),
        Format::Json => report::profiles_json(&Profile::all()),
    });
    Exit::Pass
}

fn show_profile(arguments: &ShowProfileArguments) -> Exit {
    match find_with(&arguments.profile, &arguments.settings) {
        Ok(profile) => {
            print(&match arguments.format {
                Format::Text => profile.toml(),
                Format::Json => report::profile_json(&profile),
            });
            Exit::Pass
        }
        Err(exit) => exit,
    }
}

fn explain(arguments: &ExplainProfileArguments) -> Exit {
    match find_with(&arguments.profile, &arguments.settings) {
        Ok(profile) => {
            print(&report::profile_explained(&profile, &left_out(profile.conduct()), paint()));
            Exit::Pass
        }
        Err(exit) => exit,
    }
}

/// The profile on standard output; what was taken and what was not on standard error.
fn from(arguments: &FromArguments) -> Exit {
    let borrowed = match borrow_profile(&arguments.file, arguments.kind.map(Into::into)) {
        Ok(borrowed) => borrowed,
        Err(error) => return refuse(&error),
    };
    let base = match find_with(arguments.base.as_deref().unwrap_or(borrowed.kind().profile()), &[]) {
        Ok(base) => base,
        Err(exit) => return exit,
    };
    if Profile::named(base.name()).is_err() {
        return misused("--base names a profile that comes with pulseless: the one that is printed inherits from it");
    }
    match borrowed.toml(&base) {
        Ok(toml) => {
            let made = Profile::read("mine", &toml).map(|made| left_out(made.conduct())).unwrap_or_default();
            complain(&report::borrowed(&borrowed, &base, &made));
            print(&toml);
            Exit::Pass
        }
        Err(refusal) => {
            complain(&format!("failed to make a profile of {}: what it says makes none", arguments.file.display()));
            complain(&show(&*refusal));
            Exit::Usage
        }
    }
}

/// The profile, with the values that flags change.
pub(crate) fn find_with(name: &str, settings: &[(String, String)]) -> Result<Profile, Exit> {
    let found = find_profile(name).map_err(|error| refuse(&error))?;
    let settings: Vec<(&str, &str)> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    found.with(&settings).map_err(|bad| match bad {
        BadOverride::UnknownKey { .. } | BadOverride::OfStreams { .. } => misused(&bad.to_string()),
        BadOverride::BadValue(refusal) => misused(&show(&*refusal)),
    })
}

fn refuse(error: &ProfileError) -> Exit {
    match error {
        ProfileError::Refused(refusal) => misused(&show(&**refusal)),
        ProfileError::Kind(_) => misused(&format!("{error}; say it by --kind nginx, --kind haproxy or --kind envoy")),
        ProfileError::Unknown(_)
        | ProfileError::Unreadable { .. }
        | ProfileError::Folder(_)
        | ProfileError::NotText(_)
        | ProfileError::Config(_) => misused(&error.to_string()),
    }
}
