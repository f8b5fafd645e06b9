//! What is played instead of a case as it stands: with settings, or with some of its clauses.
//!
//! Refuses to play.

use std::path::Path;

use crate::cli::Exit;
use crate::cli::arguments::ReplayArguments;
use crate::cli::output::complain;
use crate::cli::program::subjects;
use crate::cli::replay::refuse_case;
use crate::fault::Plan;
use crate::grammar::quantity::count;
use crate::report::shell_word;
use crate::runner::{Case, CaseError};
use crate::sim::SimFile;

/// The keys of a sim in whose place the case's plan stands.
const PLANNED: [&str; 2] = ["fault", "storm"];

/// A trial to play.
pub(crate) struct Varied {
    /// The case.
    pub(crate) case: Case,
    /// Its sim, with the plan to play.
    pub(crate) sim: SimFile,
    /// What differs from the trial that was recorded, a line each; none: the digest is to be the case's.
    pub(crate) changes: Vec<String>,
}

/// Why there is nothing to play.
pub(crate) enum Unvaried {
    /// The case cannot be used.
    Case(CaseError),
    /// The flags make no sense for it.
    Flags(String),
}

impl Unvaried {
    /// Says it.
    pub(crate) fn refuse(&self, path: &Path) -> Exit {
        match self {
            Unvaried::Case(error) => refuse_case(path, error),
            Unvaried::Flags(why) => {
                complain(why);
                Exit::Usage
            }
        }
    }
}

impl From<CaseError> for Unvaried {
    fn from(error: CaseError) -> Self {
        Unvaried::Case(error)
    }
}

/// Reads a case, and varies it as the flags say.
pub(crate) fn vary(path: &Path, arguments: &ReplayArguments) -> Result<Varied, Unvaried> {
    let planned = |key: &&str| arguments.settings.iter().any(|setting| setting.touches(key));
    if let Some(key) = PLANNED.iter().find(|key| planned(key)) {
        return Err(Unvaried::Flags(format!(
            "a case's own plan is played, so --set cannot change `{key}`; take clauses out with --without or --only, or \
             edit `plan` in the case file"
        )));
    }
    let case = Case::read(path)?;
    let mut sim = case.sim_with(subjects(), &arguments.settings)?;
    let mut changes: Vec<String> = case.edits(subjects()).iter().map(ToString::to_string).collect();
    changes.extend(arguments.settings.iter().map(|setting| format!("set {setting}")));
    let named = arguments.without.iter().chain(&arguments.only).find(|number| !has(&sim.plan, **number));
    if let Some(number) = named {
        return Err(Unvaried::Flags(unknown_clause(path, &sim.plan, *number)));
    }
    let stays = |number: u32| match arguments.only.as_slice() {
        [] => !arguments.without.contains(&number),
        only => only.contains(&number),
    };
    let (left, out): (Vec<_>, Vec<_>) = sim.plan.clauses.into_iter().partition(|clause| stays(clause.number));
    changes.extend(out.iter().map(|clause| format!("without clause {}: {}", clause.number, clause.fault)));
    sim.plan = Plan { clauses: left };
    Ok(Varied { case, sim, changes })
}

fn has(plan: &Plan, number: u32) -> bool {
    plan.clauses.iter().any(|clause| clause.number == number)
}

fn unknown_clause(path: &Path, plan: &Plan, number: u32) -> String {
    let numbers: Vec<String> = plan.clauses.iter().map(|clause| clause.number.to_string()).collect();
    let has = match numbers.as_slice() {
        [] => "its plan is empty".to_owned(),
        numbers => format!("its plan has {}: {}", count(numbers.len() as u64, "clause"), numbers.join(", ")),
    };
    format!("{} has no clause {number}; {has}", path.display())
}

/// The flags that vary a case, each after a blank.
pub(crate) fn flags(arguments: &ReplayArguments) -> String {
    let list = |flag: &str, numbers: &[u32]| match numbers {
        [] => String::new(),
        numbers => format!(" {flag} {}", numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(",")),
    };
    let settings = arguments.settings.iter().map(|setting| format!(" --set {}", shell_word(&setting.to_string())));
    let (without, only) = (list("--without", &arguments.without), list("--only", &arguments.only));
    let engine = arguments.engine.map(|engine| format!(" --engine {engine}")).unwrap_or_default();
    format!("{}{without}{only}{engine}", settings.collect::<String>())
}
