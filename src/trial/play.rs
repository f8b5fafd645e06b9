//! Plays a staged sim to its end: applies the plan, and hands the history to the judges.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::cast::HostName;
use crate::fault::{Clause, Death, Fault, Harm, Plan, ProcessHarm, ProxyHarm, Step};
use crate::history::{Event, History, ProgramFailure};
use crate::lie::Rule;
use crate::sim::SimFile;
use crate::trial::stage::{Stage, terms};
use crate::trial::{EngineKind, Outcome};
#[cfg(feature = "turmoil")]
use crate::world::Turmoil;
use crate::world::{
    Capture, Engine, EngineError, Kept, Leap, LinkBase, ProgramError, TrialPanic, on_trial_thread, set_last_words,
    take_backtrace,
};

/// Why a trial could not be played. Only one reason lies in the sim; the others are bugs of pulseless. (A program that
/// fails is a finding: its trial ends there, and is judged.)
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlayError {
    /// The engine cannot express the sim.
    #[error("express on {engine}: {}", .reasons.join("; "))]
    Inexpressible {
        /// The engine.
        engine: EngineKind,
        /// What of the sim, and why.
        reasons: Vec<String>,
    },
    /// A host cannot be played.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The engine, an observer or a checker panicked.
    #[error(transparent)]
    Panic(#[from] TrialPanic),
}

impl PlayError {
    /// Whether the machine has no room for the trial, such as descriptors, or the build has not the flag that seeds tokio:
    /// nobody's bug.
    #[must_use]
    pub fn lacks_room(&self) -> bool {
        matches!(self, PlayError::Engine(EngineError::NoRoom { .. } | EngineError::Unseeded))
    }
}

/// Plays `sim` with `seed` on the leap engine, on a thread of its own, and judges it.
///
/// # Errors
/// See [`PlayError`].
pub fn play(sim: &SimFile, seed: u64) -> Result<Outcome, PlayError> {
    play_on(sim, seed, EngineKind::Leap)
}

/// Plays `sim` with `seed` on that engine, on a thread of its own, and judges it.
///
/// # Errors
/// See [`PlayError`].
pub fn play_on(sim: &SimFile, seed: u64, engine: EngineKind) -> Result<Outcome, PlayError> {
    play_in(sim, seed, engine, |sim, seed| world(sim, seed, engine))
}

/// Hears what came of a trial that takes the whole program with it, because a host has done what no call can return from. It is
/// the last that the program does.
pub type LastWords = Arc<dyn Fn(Outcome) -> String + Send + Sync>;

/// The same as [`play_on`], and `hear` hears of the trial if it takes the program with it.
///
/// # Errors
/// See [`PlayError`].
pub fn play_heard(sim: &SimFile, seed: u64, engine: EngineKind, hear: LastWords) -> Result<Outcome, PlayError> {
    let plan = sim.plan_of(seed);
    let (own_sim, own_plan) = (sim.clone(), plan.clone());
    let sudden = move |history| hear(Outcome::judge(own_sim, seed, engine, own_plan, history));
    let watch = HistoryWatch { sudden: Some(Box::new(sudden)), ..HistoryWatch::default() };
    let history = record_in(sim, &plan, seed, engine, watch, |sim, seed| world(sim, seed, engine))?;
    Ok(Outcome::judge(sim.clone(), seed, engine, plan, history))
}

/// Plays `sim` with `seed` on the leap engine and judges it; what went over the links is kept as well.
///
/// # Errors
/// See [`PlayError`].
pub fn play_captured(sim: &SimFile, seed: u64) -> Result<(Outcome, Kept), PlayError> {
    let capture = Capture::default();
    let tape = capture.clone();
    let build = move |sim: &SimFile, seed| -> Box<dyn Engine> { Box::new(Leap::new(seed, links(sim)).captured(tape)) };
    let outcome = play_in(sim, seed, EngineKind::Leap, build)?;
    Ok((outcome, capture.take()))
}

/// Plays `sim` with `seed` in a world that `build` makes, one of the kind `engine`, and judges it.
///
/// # Errors
/// See [`PlayError`].
pub fn play_in(
    sim: &SimFile,
    seed: u64,
    engine: EngineKind,
    build: impl FnOnce(&SimFile, u64) -> Box<dyn Engine> + Send,
) -> Result<Outcome, PlayError> {
    let plan = sim.plan_of(seed);
    let history = record_in(sim, &plan, seed, engine, HistoryWatch::default(), build)?;
    Ok(Outcome::judge(sim.clone(), seed, engine, plan, history))
}

/// Plays `sim` with `seed` on that engine and judges nothing; the events of the numbers `kept`, counted from 1, are
/// kept raw.
///
/// # Errors
/// See [`PlayError`].
pub fn record(sim: &SimFile, seed: u64, engine: EngineKind, kept: Range<u64>) -> Result<History, PlayError> {
    let watch = HistoryWatch { kept, ..HistoryWatch::default() };
    record_in(sim, &sim.plan_of(seed), seed, engine, watch, |sim, seed| world(sim, seed, engine))
}

/// What is wanted of a history besides itself.
#[derive(Default)]
struct HistoryWatch {
    /// The events of these numbers, counted from 1, raw.
    kept: Range<u64>,
    /// Who hears of it where the trial takes the program with it.
    sudden: Option<Box<dyn FnOnce(History) -> String + Send>>,
}

fn record_in(
    sim: &SimFile,
    plan: &Plan,
    seed: u64,
    engine: EngineKind,
    watch: HistoryWatch,
    build: impl FnOnce(&SimFile, u64) -> Box<dyn Engine> + Send,
) -> Result<History, PlayError> {
    let reasons = engine.cannot_play(sim, plan);
    if !reasons.is_empty() {
        return Err(PlayError::Inexpressible { engine, reasons });
    }
    Ok(on_trial_thread(seed, || play_here(sim, plan, build(sim, seed), watch))??)
}

/// The empty world of a trial.
fn world(sim: &SimFile, seed: u64, engine: EngineKind) -> Box<dyn Engine> {
    match engine {
        EngineKind::Leap => Box::new(Leap::new(seed, links(sim))),
        #[cfg(feature = "turmoil")]
        EngineKind::Turmoil => Box::new(Turmoil::new(seed, sim.link.latency, Turmoil::TICK)),
        #[cfg(not(feature = "turmoil"))]
        EngineKind::Turmoil => unreachable!("an engine that is not there is refused before"),
    }
}

/// What every link of the world is like.
fn links(sim: &SimFile) -> LinkBase {
    LinkBase {
        latency: sim.link.latency,
        bandwidth: sim.link.bandwidth_bytes_per_second,
        loss_basis_points: sim.link.loss_basis_points.unwrap_or_default(),
    }
}

/// What the play does at an instant.
#[derive(Clone, Copy)]
enum Act<'p> {
    /// It counts what every process holds.
    TakeStock,
    /// It takes a step of a fault.
    Step(Step, &'p Clause),
}

impl Act<'_> {
    fn order(self) -> Option<(Step, u32)> {
        match self {
            Act::TakeStock => None,
            Act::Step(step, clause) => Some((step, clause.number)),
        }
    }
}

/// What the play does when, in order. Stock is taken before the first fault (where there is none, half way to the calm),
/// as the calm begins, and at the end.
fn timeline<'p>(sim: &SimFile, plan: &'p Plan) -> Vec<(Duration, Act<'p>)> {
    let mut acts = Vec::new();
    for clause in &plan.clauses {
        let more = clause.fault.steps(clause.at, clause.end());
        let steps = [(clause.at, Step::Begin), (clause.end(), Step::End)].into_iter().chain(more);
        acts.extend(steps.map(|(at, step)| (at, Act::Step(step, clause))));
    }
    let calm = sim.calm_begins();
    let first = plan.clauses.iter().map(|clause| clause.at).min().unwrap_or(calm / 2);
    acts.extend(BTreeSet::from([first, calm]).into_iter().map(|at| (at, Act::TakeStock)));
    acts.sort_by_key(|(at, act)| (*at, act.order()));
    acts
}

fn play_here(sim: &SimFile, plan: &Plan, world: Box<dyn Engine>, watch: HistoryWatch) -> Result<History, EngineError> {
    let mut stage = Stage::build(sim, world);
    stage.recorder.keep(watch.kept);
    if let Some(hear) = watch.sudden {
        let recorder = stage.recorder.clone();
        set_last_words(Box::new(move |host, why| {
            // The frames below it are told already.
            let words = why.lines().next().unwrap_or_default().to_owned().into();
            recorder.on(&host.into()).record(Event::ProgramFailed { how: ProgramFailure::Looped, words });
            hear(recorder.take())
        }));
    }
    stage.recorder.record(Event::Began(terms(sim)));
    match play_plan(&mut stage, sim, plan) {
        Err(EngineError::Program { host, error, at: _ }) => {
            let how = match error {
                ProgramError::Panicked(_) => ProgramFailure::Panicked,
                ProgramError::Exited(_) => ProgramFailure::Exited,
                ProgramError::NeverIdle | ProgramError::Livelock => ProgramFailure::Looped,
            };
            let words = error.to_string().into();
            stage.recorder.trace_failure(take_backtrace());
            stage.recorder.on(&host.as_str().into()).record(Event::ProgramFailed { how, words });
        }
        ended => ended?,
    }
    stage.note_remarks();
    Ok(stage.recorder.take())
}

fn play_plan(stage: &mut Stage, sim: &SimFile, plan: &Plan) -> Result<(), EngineError> {
    stage.enter()?;
    let mut felt = BTreeSet::new();
    for (at, act) in timeline(sim, plan) {
        stage.run_until(at)?;
        match act {
            Act::TakeStock => stage.record_holdings(),
            Act::Step(step, clause) => take_step(stage, step, clause, &mut felt)?,
        }
    }
    stage.run_until(sim.duration)?;
    stage.record_holdings();
    Ok(())
}

/// Takes a step of a fault; `felt` keeps the numbers of those that had an effect.
fn take_step(stage: &mut Stage, step: Step, clause: &Clause, felt: &mut BTreeSet<u32>) -> Result<(), EngineError> {
    match step {
        Step::Begin => {
            stage.recorder.record(Event::FaultBegan(clause.clone()));
            if begin(stage, clause)? {
                felt.insert(clause.number);
            }
        }
        Step::Down(death) => {
            if halt(stage, &clause.fault, death) {
                felt.insert(clause.number);
            }
        }
        Step::Up => start(stage, &clause.fault),
        Step::BackUp => clause.fault.hosts().for_each(|host| stage.world.back_up(stage.hosts[host])),
        Step::End => {
            let felt = end(stage, clause)? || felt.contains(&clause.number);
            stage.recorder.record(Event::FaultEnded { clause: clause.number, felt });
        }
    }
    Ok(())
}

/// Begins a clause; whether it harmed anybody at once. The proxies are the play's to harm, and so is a host that dies
/// at once; the world does everything else.
fn begin(stage: &mut Stage, clause: &Clause) -> Result<bool, EngineError> {
    match clause.fault.harm() {
        Harm::Proxy { on, harm } => {
            for (proxy, control) in &stage.controls {
                let Some(rule) = rule(stage, proxy, &on, &harm) else { continue };
                let (control, number) = (control.clone(), clause.number);
                stage.world.order(stage.hosts[proxy], Box::new(move || control.add(number, rule)))?;
            }
            Ok(false)
        }
        Harm::Process { harm: ProcessHarm::Dies { death, point: None }, .. } => Ok(halt(stage, &clause.fault, death)),
        Harm::Process { on, harm: ProcessHarm::Stops } => {
            let mut felt = false;
            for host in &on {
                felt |= stage.stop(host)?;
            }
            Ok(felt)
        }
        harm @ (Harm::Link { .. }
        | Harm::Kernel { .. }
        | Harm::Process { .. }
        | Harm::Clock { .. }
        | Harm::Disk { .. }) => {
            stage.world.begin(clause.number, &harm);
            Ok(false)
        }
    }
}

/// What a proxy is told to do wrong, to the hosts that the fault names, or to everybody where it names the proxy itself; none
/// where it names other proxies alone.
fn rule(stage: &Stage, proxy: &HostName, on: &BTreeSet<HostName>, harm: &ProxyHarm) -> Option<Rule> {
    if on.contains(proxy) {
        return Some(harm.rule(None));
    }
    let peers: BTreeSet<_> =
        on.iter().filter(|host| !stage.controls.contains_key(*host)).map(|host| stage.ip(host)).collect();
    (!peers.is_empty()).then(|| harm.rule(Some(peers)))
}

/// Ends a clause; whether it was felt in its time.
fn end(stage: &mut Stage, clause: &Clause) -> Result<bool, EngineError> {
    match clause.fault.harm() {
        Harm::Proxy { .. } => {
            let mut felt = false;
            for (proxy, control) in &stage.controls {
                let (control, number) = (control.clone(), clause.number);
                felt |= control.is_felt(number);
                stage.world.order(stage.hosts[proxy], Box::new(move || control.remove(number)))?;
            }
            Ok(felt)
        }
        Harm::Process { harm: ProcessHarm::Stops, .. } => {
            // Where its grace is longer than the fault, it still runs.
            let felt = halt(stage, &clause.fault, Death::Killed);
            start(stage, &clause.fault);
            Ok(felt)
        }
        Harm::Process { harm: ProcessHarm::Dies { .. } | ProcessHarm::RestartLoop, .. } => {
            let felt = stage.world.end(clause.number);
            start(stage, &clause.fault);
            Ok(felt)
        }
        Harm::Link { .. } | Harm::Kernel { .. } | Harm::Process { .. } | Harm::Clock { .. } | Harm::Disk { .. } => {
            Ok(stage.world.end(clause.number))
        }
    }
}

/// Halts the hosts of a fault; whether a process ran on any.
fn halt(stage: &mut Stage, fault: &Fault, death: Death) -> bool {
    // Counted, because `any` would stop at the first.
    fault.hosts().filter(|host| stage.halt(host, death)).count() > 0
}

fn start(stage: &mut Stage, fault: &Fault) {
    fault.hosts().for_each(|host| stage.start(host));
}
