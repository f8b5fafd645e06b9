//! Plays a staged sim to its end: applies the plan, and hands the history to the judges.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::fault::{Clause, Fault, Plan, Way};
use crate::history::{Event, History};
use crate::proxy::{Direction, Silence};
use crate::sim::stage::{Stage, terms};
use crate::sim::{Outcome, SimFile};
use crate::world::{EngineError, TrialPanic, on_trial_thread};

/// The clients come when the messages of `history` are stored, which is looked at so often; and after this
/// time in any case, so that a node that stores nothing cannot hold the trial up.
const PREPARATION_STEP: Duration = Duration::from_millis(100);
const PREPARATION_MOST: Duration = Duration::from_secs(60);

/// Why a trial could not be played to its end: each is a bug of pulseless, never of the sim.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// A host broke down or time stood still.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The engine, an observer or a checker panicked.
    #[error(transparent)]
    Panic(#[from] TrialPanic),
}

/// Plays `sim` with `seed` on a thread of its own, and judges it.
///
/// # Errors
/// See [`PlayError`].
pub fn play(sim: &SimFile, seed: u64) -> Result<Outcome, PlayError> {
    let (sim, plan) = (sim.clone(), sim.plan.clone());
    let history = on_trial_thread(seed, || play_here(&sim, &plan, seed))??;
    Ok(Outcome::judge(sim, seed, plan, history))
}

/// One end of one clause, in the order of the timeline: what ends at an instant ends before another begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Edge {
    End,
    Begin,
}

fn play_here(sim: &SimFile, plan: &Plan, seed: u64) -> Result<History, EngineError> {
    let mut stage = Stage::build(sim, seed);
    stage.recorder.record(Event::Began(terms(sim)));
    raise_curtain(&mut stage, sim)?;
    let ends = plan.clauses.iter().map(|clause| (clause.end(), Edge::End, clause));
    let begins = plan.clauses.iter().map(|clause| (clause.at, Edge::Begin, clause));
    let mut timeline: Vec<_> = ends.chain(begins).collect();
    timeline.sort_by_key(|(at, edge, clause)| (*at, *edge, clause.number));
    let mut felt = BTreeSet::new();
    for (at, edge, clause) in timeline {
        stage.leap.run_until(at)?;
        match edge {
            Edge::Begin => {
                stage.recorder.record(Event::FaultBegan(clause.clone()));
                if begin(&mut stage, clause)? {
                    felt.insert(clause.number);
                }
            }
            Edge::End => {
                let felt = end(&mut stage, clause)? || felt.contains(&clause.number);
                stage.recorder.record(Event::FaultEnded { clause: clause.number, felt });
            }
        }
    }
    stage.leap.run_until(sim.duration)?;
    Ok(stage.recorder.take())
}

fn raise_curtain(stage: &mut Stage, sim: &SimFile) -> Result<(), EngineError> {
    let (clients, others): (Vec<_>, Vec<_>) = sim.hosts().into_iter().partition(|host| host.starts_with("client-"));
    // The node listens before the proxy dials it, the proxy before anybody dials the proxy.
    for host in ["node", "proxy"] {
        stage.start(host);
        stage.leap.run_until(stage.leap.clock().now())?;
    }
    others.iter().filter(|host| host.starts_with("publisher-")).for_each(|host| stage.start(host));
    while !stage.prepared.load(Ordering::Relaxed) && stage.leap.clock().now() < PREPARATION_MOST {
        stage.leap.run_until(stage.leap.clock().now() + PREPARATION_STEP)?;
    }
    clients.iter().for_each(|host| stage.start(host));
    Ok(())
}

/// Begins a clause; whether it harmed anybody at once.
fn begin(stage: &mut Stage, clause: &Clause) -> Result<bool, EngineError> {
    match &clause.fault {
        Fault::ProxySilenceUpstream { on, way, path } => {
            let silence = Silence {
                peers: Some(on.iter().map(|host| stage.ip(host)).collect::<BTreeSet<IpAddr>>()),
                paths: path.as_deref().map(path_pattern),
                direction: way.map(direction),
                streams: None,
            };
            let (control, number) = (stage.control.clone(), clause.number);
            stage.leap.order(stage.hosts["proxy"], move || control.add(number, silence))?;
            Ok(false)
        }
        // Counted, because `any` would stop at the first.
        Fault::ProcessKill { on } => Ok(on.iter().filter(|host| stage.kill(host)).count() > 0),
    }
}

/// Ends a clause; whether it was felt in its time.
fn end(stage: &mut Stage, clause: &Clause) -> Result<bool, EngineError> {
    match &clause.fault {
        Fault::ProxySilenceUpstream { .. } => {
            let (control, number) = (stage.control.clone(), clause.number);
            let felt = control.is_felt(number);
            stage.leap.order(stage.hosts["proxy"], move || control.remove(number))?;
            Ok(felt)
        }
        Fault::ProcessKill { on } => {
            on.iter().for_each(|host| stage.start(host));
            Ok(false)
        }
    }
}

fn direction(way: Way) -> Direction {
    match way {
        Way::ToNode => Direction::ToNode,
        Way::ToClient => Direction::ToClient,
    }
}

fn path_pattern(pattern: &str) -> globset::GlobMatcher {
    globset::Glob::new(pattern).expect("a sim's patterns are checked when it is read").compile_matcher()
}
