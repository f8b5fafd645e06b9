//! `pulseless run --across-profiles`: one seed behind every proxy.
//!
//! Refuses to know what an encounter is made of.

use std::sync::Arc;

use crate::campaign::{Across, Encounter, Stop};
use crate::cli::Exit;
use crate::cli::arguments::{EVERY_PROFILE, RunArguments, TrialFormat};
use crate::cli::campaign::{catch_interrupts, jobs};
use crate::cli::output::{complain, misused, paint, print};
use crate::cli::program::subjects;
use crate::cli::run::{again, refuse};
use crate::grammar::quantity::count;
use crate::profile::Profile;
use crate::report;
use crate::runner::{read_sim, write_whole};
use crate::sim::{Setting, SimFile};
use crate::trial::Conclusion;

/// The key of a sim that names the profile of its proxies.
const PROFILE_KEY: &str = "cast.proxy.profile";

/// Plays the sim behind each profile of these names, and compares.
pub(crate) fn across(arguments: &RunArguments, names: &[String], sim: &SimFile, seed: (u64, impl ToString)) -> Exit {
    if arguments.telling.format == TrialFormat::Jsonl {
        return misused("--format jsonl tells of one trial; with --across-profiles write text or json");
    }
    if arguments.settings.iter().any(|setting| setting.to_string().starts_with(&format!("{PROFILE_KEY}="))) {
        return misused(&format!("--set {PROFILE_KEY} names one profile, and --across-profiles all: drop one"));
    }
    let profiles = match named(names) {
        Ok(profiles) => profiles,
        Err(why) => return misused(&why),
    };
    let (jobs, _) = jobs(arguments.jobs, None);
    let (seed, chooser) = (seed.0, seed.1.to_string());
    let across = match Across::of(&profiles, seed, jobs, |name| behind(arguments, name)) {
        Ok(across) => across,
        Err(exit) => return exit,
    };
    if arguments.telling.format == TrialFormat::Text {
        print(&format!("seed {seed} ({chooser}), behind {}\n", count(across.sims.len() as u64, "profile")));
        let left_out = |profile: &&Profile| {
            print(&format!("{} is left out: it passes bytes, and cannot tell the sim's lies\n", profile.name()));
        };
        across.left_out.iter().for_each(left_out);
        print("\n");
    }
    if across.sims.is_empty() {
        complain("nothing was played: proxies that pass bytes cannot tell the sim's lies");
        return Exit::NothingRan;
    }
    let stop = Arc::new(Stop::default());
    catch_interrupts(&stop);
    match across.run(&stop) {
        Ok(encounters) => tell(&encounters, (sim, seed, names), stop.is_asked(), arguments),
        Err(error) => {
            complain(&format!("failed to play {}: {error}\nthis is a bug of pulseless", arguments.sim.display()));
            Exit::OurBug
        }
    }
}

/// The profiles that are meant, each once.
fn named(names: &[String]) -> Result<Vec<&'static Profile>, String> {
    if names == [EVERY_PROFILE] {
        return Ok(Profile::all());
    }
    let mut profiles: Vec<&Profile> = Vec::new();
    for name in names {
        let profile = Profile::named(name.trim()).map_err(|unknown| unknown.to_string())?;
        if profiles.iter().any(|other| other.name() == profile.name()) {
            return Err(format!("--across-profiles names {name} twice"));
        }
        profiles.push(profile);
    }
    Ok(profiles)
}

fn behind(arguments: &RunArguments, name: &str) -> Result<SimFile, Exit> {
    let profile: Setting = format!("{PROFILE_KEY}={name}").parse().expect("a key and its value");
    let settings: Vec<Setting> = arguments.settings.iter().cloned().chain([profile]).collect();
    read_sim(subjects(), &arguments.sim, &settings).map_err(|error| refuse(&error))
}

fn tell(
    encounters: &[Encounter],
    (sim, seed, names): (&SimFile, u64, &[String]),
    is_stopped: bool,
    arguments: &RunArguments,
) -> Exit {
    print(&match arguments.telling.format {
        TrialFormat::Json => serde_json::to_string_pretty(encounters).expect("encounters are plain data") + "\n",
        TrialFormat::Text | TrialFormat::Jsonl => report::across(encounters, paint()),
    });
    let again = again(arguments, seed);
    if arguments.telling.format == TrialFormat::Text {
        let of = first_bad(encounters).or(encounters.first()).map_or("NAME", |encounter| &encounter.profile);
        print(&format!("\nto see one: {again} --set {PROFILE_KEY}={of}\n"));
    }
    if let Some(path) = &arguments.page {
        let page = report::across_page(sim, seed, encounters, &format!("{again} --across-profiles{}", of(names)));
        if let Err(error) = write_whole(path, page.as_bytes()) {
            complain(&format!("failed to write {}: {error}", path.display()));
            return Exit::Io;
        }
    }
    match first_bad(encounters) {
        Some(encounter) => Exit::from(&encounter.conclusion),
        None if is_stopped => Exit::Unknown,
        None => Exit::Pass,
    }
}

/// What asks for these profiles, behind the flag.
fn of(names: &[String]) -> String {
    if names == [EVERY_PROFILE] { String::new() } else { format!("={}", names.join(",")) }
}

/// A broken promise before one that nobody can judge.
fn first_bad(encounters: &[Encounter]) -> Option<&Encounter> {
    let broken = encounters.iter().find(|encounter| matches!(encounter.conclusion, Conclusion::Fail(_)));
    broken.or_else(|| encounters.iter().find(|encounter| matches!(encounter.conclusion, Conclusion::Unknown(_))))
}
