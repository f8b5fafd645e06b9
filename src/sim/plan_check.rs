//! A plan that does not come from a sim file, checked before it is played: somebody may have edited it.

use std::time::Duration;

use globset::Glob;

use crate::fault::{Answer, Between, Clause, Death, Fault, HostHarm, Plan};
use crate::sim::SimFile;
use crate::sim::contradiction::contradiction;

/// Shorter lives and pauses of a restart loop would fill the timeline with restarts that nobody can tell apart.
const SHORTEST: Duration = Duration::from_millis(1);

/// Why a plan cannot be played.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPlan {
    /// A clause names a host that the sim has not cast.
    #[error("clause {clause} names `{host}`, and no host of this sim is called so")]
    Host {
        /// The clause's number.
        clause: u32,
        /// The name.
        host: String,
    },
    /// A clause lies outside of the trial.
    #[error("clause {clause} lasts until {end:?}, and the trial ends at {duration:?}")]
    Late {
        /// The clause's number.
        clause: u32,
        /// When it ends.
        end: Duration,
        /// When the trial ends.
        duration: Duration,
    },
    /// Two clauses have one number.
    #[error("two clauses have the number {0}; each needs its own")]
    Number(u32),
    /// A restart loop without time.
    #[error("clause {0} restarts in less than a millisecond")]
    Loop(u32),
    /// A path pattern that is none.
    #[error("clause {clause} has a path that is no pattern: {why}")]
    Path {
        /// The clause's number.
        clause: u32,
        /// What is wrong.
        why: String,
    },
    /// A disk is to be restored from a time that has not come.
    #[error("clause {0} restores a disk from a time after it begins")]
    Future(u32),
    /// Two clauses exclude each other.
    #[error("clauses {0} and {1} contradict each other: both fall on one host or link at one time")]
    Contradiction(u32, u32),
}

/// Checks that a plan can be played in a sim.
///
/// # Errors
/// The first reason why it cannot.
pub fn check_plan(sim: &SimFile, plan: &Plan) -> Result<(), BadPlan> {
    let hosts: Vec<String> = sim.cast().members().iter().map(|member| member.name.to_string()).collect();
    for (index, clause) in plan.clauses.iter().enumerate() {
        let number = clause.number;
        if let Some(host) = names(&clause.fault).into_iter().find(|name| !hosts.iter().any(|host| host == name)) {
            return Err(BadPlan::Host { clause: number, host: host.to_owned() });
        }
        let end = clause.at.saturating_add(clause.lasts);
        if end > sim.duration {
            return Err(BadPlan::Late { clause: number, end, duration: sim.duration });
        }
        check_fault(clause)?;
        for earlier in &plan.clauses[..index] {
            if earlier.number == number {
                return Err(BadPlan::Number(number));
            }
            if contradiction(earlier, clause).is_some() {
                return Err(BadPlan::Contradiction(earlier.number, number));
            }
        }
    }
    Ok(())
}

fn check_fault(clause: &Clause) -> Result<(), BadPlan> {
    match &clause.fault {
        Fault::ProxySilenceUpstream { path: Some(path), .. } => match Glob::new(path) {
            Ok(_) => Ok(()),
            Err(error) => Err(BadPlan::Path { clause: clause.number, why: error.kind().to_string() }),
        },
        Fault::Host { harm: HostHarm::RestartLoop { up, down }, .. } if *up < SHORTEST || *down < SHORTEST => {
            Err(BadPlan::Loop(clause.number))
        }
        Fault::Host { harm: HostHarm::Dies { death: Death::DiskRestored { from }, .. }, .. } if *from >= clause.at => {
            Err(BadPlan::Future(clause.number))
        }
        Fault::ProxySilenceUpstream { .. } | Fault::Host { .. } | Fault::Link { .. } | Fault::Disk { .. } => Ok(()),
    }
}

/// Every host that a fault names.
fn names(fault: &Fault) -> Vec<&str> {
    let mut names: Vec<&str> = fault.hosts().collect();
    match fault {
        Fault::Link { between: Between { from, to, .. }, .. } => {
            names.extend(from.iter().chain(to).map(String::as_str));
        }
        Fault::Host { harm: HostHarm::Name { name, answer }, .. } => {
            names.push(name);
            if let Answer::Moves { to } = answer {
                names.push(to);
            }
        }
        Fault::ProxySilenceUpstream { .. } | Fault::Host { .. } | Fault::Disk { .. } => {}
    }
    names
}
