//! Many cases, a line each; and the bare verdict that `git bisect run` asks for.
//!
//! Refuses to tell a story.

use std::fs;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::Exit;
use crate::cli::arguments::{ReplayArguments, TrialFormat};
use crate::cli::output::{complain, paint, print};
use crate::cli::replay::variation::{Unvaried, Varied, vary};
use crate::cli::run::break_down;
use crate::history::Digest;
use crate::report::program_name;
use crate::trial::{Conclusion, PlayError, play_on};

/// How case files end.
const ENDING: &str = ".case.json";

/// The cases that are meant: files, and in a folder each case file of it, by name.
pub(crate) fn find_cases(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut cases = Vec::new();
    for path in paths {
        if !path.is_dir() {
            cases.push(path.clone());
            continue;
        }
        let unreadable = |error| format!("failed to read the folder {}: {error}", path.display());
        let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(unreadable)?;
        let mut found: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
        found.retain(|path| path.to_string_lossy().ends_with(ENDING));
        if found.is_empty() {
            return Err(format!("no case in {}: a case file ends in {ENDING}", path.display()));
        }
        found.sort();
        cases.extend(found);
    }
    Ok(cases)
}

/// What came of one case.
#[derive(Serialize, JsonSchema)]
pub(crate) struct CaseLine {
    /// The path of the case file.
    case: String,
    #[serde(flatten)]
    conclusion: Conclusion,
    /// The case's digest.
    expected: Digest,
    /// That of this play.
    digest: Digest,
    /// What differs from the trial that was recorded; none: the digest is to be the case's.
    changes: Vec<String>,
}

impl CaseLine {
    fn is_reproduced(&self) -> bool {
        self.digest == self.expected
    }

    fn exit(&self) -> Exit {
        match self.changes.is_empty() && !self.is_reproduced() {
            true => Exit::NotReproducible,
            false => Exit::from(&self.conclusion),
        }
    }

    fn told(&self) -> String {
        let compared = match (self.changes.as_slice(), self.is_reproduced()) {
            ([], true) => String::new(),
            ([], false) => format!(" ({}: another digest)", paint().verdict("not reproducible")),
            (changes, _) => format!(" ({})", changes.join("; ")),
        };
        let why = match &self.conclusion {
            Conclusion::Pass => String::new(),
            Conclusion::Fail(why) | Conclusion::Unknown(why) => format!(": {why}"),
        };
        format!("{}  {}{compared}{why}\n", self.case, paint().verdict(self.conclusion.word()))
    }
}

/// Plays each case once; the exit is the worst.
pub(crate) fn replay_many(cases: &[PathBuf], arguments: &ReplayArguments) -> Exit {
    let (mut lines, mut worst) = (Vec::new(), Exit::Pass);
    for path in cases {
        let exit = match replay_one(path, arguments) {
            Ok(line) => {
                if arguments.telling.format == TrialFormat::Text {
                    print(&line.told());
                }
                let exit = line.exit();
                lines.push(line);
                exit
            }
            Err(exit) => exit,
        };
        worst = if severity(exit) > severity(worst) { exit } else { worst };
    }
    if arguments.telling.format == TrialFormat::Json {
        print(&(serde_json::to_string_pretty(&lines).expect("plain data") + "\n"));
    }
    worst
}

fn replay_one(path: &Path, arguments: &ReplayArguments) -> Result<CaseLine, Exit> {
    let Varied { case, sim, mut changes } = vary(path, arguments).map_err(|unvaried| unvaried.refuse(path))?;
    let engine = arguments.engine.unwrap_or(case.engine);
    if engine != case.engine {
        changes.push(format!("on {engine}"));
    }
    let told = path.display().to_string();
    let outcome = play_on(&sim, case.seed, engine)
        .map_err(|error| break_down(&case.sim, &error, &format!("{} replay {told}", program_name())))?;
    let (expected, digest) = (case.digest, outcome.digest());
    Ok(CaseLine { case: told, conclusion: outcome.conclusion, expected, digest, changes })
}

/// The order in which exits are the worst: as of a sweep, and a case that cannot be used before all but our bugs.
fn severity(exit: Exit) -> u8 {
    match exit {
        Exit::Pass => 0,
        Exit::NothingRan => 1,
        Exit::Unknown => 2,
        Exit::Fail => 3,
        Exit::NotReproducible => 4,
        Exit::Untestable => 5,
        Exit::Usage => 6,
        Exit::OurBug => 7,
        Exit::Io => 8,
    }
}

/// Says the verdict of each case and no more; what cannot be judged is for `git bisect` to skip.
pub(crate) fn tell_verdicts(cases: &[PathBuf], arguments: &ReplayArguments) -> Exit {
    let mut worst = Exit::Pass;
    for path in cases {
        if cases.len() > 1 {
            print(&format!("{}  ", path.display()));
        }
        let exit = match judge(path, arguments) {
            Ok(Conclusion::Pass) => {
                print("pass\n");
                Exit::Pass
            }
            Ok(Conclusion::Fail(why)) => {
                print(&format!("fail: {why}\n"));
                Exit::Fail
            }
            Ok(Conclusion::Unknown(why)) | Err(why) => {
                print(&format!("cannot be judged: {}\n", why.lines().collect::<Vec<_>>().join(" ")));
                Exit::Untestable
            }
        };
        worst = match (exit, worst) {
            (_, Exit::Fail) => Exit::Fail,
            (Exit::Pass, worst) => worst,
            (exit, _) => exit,
        };
    }
    worst
}

fn judge(path: &Path, arguments: &ReplayArguments) -> Result<Conclusion, String> {
    let Varied { case, sim, .. } = vary(path, arguments).map_err(|unvaried| match unvaried {
        Unvaried::Case(error) => error.to_string(),
        Unvaried::Flags(why) => why,
    })?;
    let played = play_on(&sim, case.seed, arguments.engine.unwrap_or(case.engine));
    match played {
        Ok(outcome) => Ok(outcome.conclusion),
        Err(error @ PlayError::Inexpressible { .. }) => Err(error.to_string()),
        Err(error) if error.lacks_room() => Err(error.to_string()),
        Err(error @ (PlayError::Engine(_) | PlayError::Panic(_))) => {
            complain(&format!("failed to play {}: {error}\nthis is a bug of pulseless", path.display()));
            Err(error.to_string())
        }
    }
}
