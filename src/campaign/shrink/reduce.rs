//! What is tried to make a trial smaller, in which order: faults, time, hosts, cast and workload, and then rounder numbers.
//!
//! Refuses to decide whether a candidate counts: a play does, or, where it is the same trial in other words, the reader.

use std::time::Duration;

use toml_edit::{Table, Value};

use crate::campaign::shrink::draft::SimDraft;
use crate::campaign::shrink::plays::{Failed, Over, Plays, Seen};
use crate::campaign::shrink::round::{round_times, rounder};
use crate::campaign::shrink::search::{ddmin, lowest};
use crate::fault::HEALING;
use crate::grammar::{duration, spell};
use crate::sim::{SimFile, tables};
use crate::trial::{Outcome, PlayError};

const SECOND: Duration = Duration::from_secs(1);
const TEN_SECONDS: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);
/// By then everybody is connected and has received something.
const FIRST_FAULT: Duration = MINUTE;
/// A shorter trial is not told in minutes.
const TOLD_IN_MINUTES: Duration = Duration::from_secs(600);
/// A fault may become longer by this part of what it lasts, for a number that is easier to read.
const LONGER: u32 = 5;
/// The keys of a fault that are rounded alone, or are no numbers.
const NAMING: [&str; 4] = ["at", "for", "kind", "name"];
/// The last play, which makes the case, and one more for a plan that has to be numbered anew.
const KEPT_PLAYS: u32 = 2;

/// A shrinking under way.
pub(crate) struct Reduction<'p, Play, OnPlay> {
    pub(crate) plays: Plays<'p, Play>,
    /// The smallest that fails in the same way so far.
    pub(crate) best: SimDraft,
    /// The same, read.
    pub(crate) sim: SimFile,
    /// What its play left, or that of the same trial in other words.
    pub(crate) failed: Failed,
    /// So many plays may be used in all.
    pub(crate) plays_max: u32,
    /// So long after the last fault the calm may begin: what TCP sends again must have had its time, as it had at first.
    pub(crate) healing: Duration,
    /// Is told after each candidate how many plays were used, and how many faults are left.
    pub(crate) on_play: OnPlay,
}

impl<Play, OnPlay> Reduction<'_, Play, OnPlay>
where
    Play: Fn(&SimFile) -> Result<Outcome, PlayError> + Sync,
    OnPlay: Fn(u32, usize),
{
    /// Tries everything.
    ///
    /// # Errors
    /// It ended before; the best so far stands.
    pub(crate) fn reduce(&mut self) -> Result<(), Over> {
        self.take(&[self.best.with_faults(Vec::new())])?;
        self.fewer_faults()?;
        self.end_sooner()?;
        self.shorter_faults()?;
        self.narrower_faults()?;
        self.fewer_settings()?;
        self.lower_numbers()?;
        self.end_sooner()?;
        self.rounder_numbers()
    }

    /// The healing time of a trial: what it had, as far as it is owed.
    pub(crate) fn healing_of(sim: &SimFile) -> Duration {
        let last = sim.plan.clauses.iter().map(|clause| clause.end()).max();
        last.map_or(Duration::ZERO, |last| sim.calm_begins().saturating_sub(last).min(HEALING))
    }

    /// Takes the first candidate that counts; which one it was.
    pub(crate) fn take(&mut self, candidates: &[SimDraft]) -> Result<Option<usize>, Over> {
        for (index, draft) in candidates.iter().enumerate() {
            let Some(sim) = draft.read(&self.plays.name, self.plays.subjects) else { continue };
            if alike(&sim, &self.sim) {
                (self.best, self.sim) = (draft.clone(), sim);
                return Ok(Some(index));
            }
            if Self::healing_of(&sim) < self.healing && !sim.plan.clauses.is_empty() {
                continue;
            }
            // Each fault that is left is to be proved necessary.
            let kept = KEPT_PLAYS + u32::try_from(self.sim.plan.clauses.len()).unwrap_or(u32::MAX);
            self.plays.granted = self.plays_max.saturating_sub(kept);
            let seen = self.plays.see(draft, &candidates[index + 1..])?;
            if let Some(Seen::Same(failed)) = seen {
                (self.best, self.sim, self.failed) = (draft.clone(), sim, *failed);
                self.report();
                return Ok(Some(index));
            }
            self.report();
        }
        Ok(None)
    }

    fn report(&self) {
        (self.on_play)(self.plays.used, self.sim.plan.clauses.len());
    }

    fn takes(&mut self, candidate: SimDraft) -> Result<bool, Over> {
        Ok(self.take(&[candidate])?.is_some())
    }

    fn fewer_faults(&mut self) -> Result<(), Over> {
        ddmin(self.best.faults(), |candidates: &[Vec<Table>]| {
            let drafts: Vec<SimDraft> = candidates.iter().map(|faults| self.best.with_faults(faults.clone())).collect();
            self.take(&drafts)
        })?;
        Ok(())
    }

    /// Begins the first fault at a minute, and the calm when all has healed; then shortens the calm.
    fn end_sooner(&mut self) -> Result<(), Over> {
        if let Some(early) = self.sim.plan.clauses.first().and_then(|clause| clause.at.checked_sub(FIRST_FAULT))
            && !early.is_zero()
        {
            let mut faults = self.best.faults();
            faults.iter_mut().for_each(|fault| change_time(fault, "at", |at| at.saturating_sub(early)));
            self.takes(self.best.with_faults(faults))?;
        }
        let (long, calm) = (self.sim.duration, self.sim.calm);
        let grid = if long < TOLD_IN_MINUTES { TEN_SECONDS } else { MINUTE };
        let last = self.sim.plan.clauses.iter().map(|clause| clause.end()).max().unwrap_or(FIRST_FAULT);
        self.lower(last + self.healing + calm, long, grid, |best, duration| best.with_time("duration", duration))?;
        let (begins, within) = (self.sim.calm_begins(), self.sim.promise.within);
        self.lower(within, self.sim.calm, grid, |best, calm| {
            best.with_time("duration", begins + calm).with_time("calm", calm)
        })
    }

    /// Looks for the lowest time from `least` to below `known` that still fails, on a grid.
    fn lower(
        &mut self,
        least: Duration,
        known: Duration,
        grid: Duration,
        draft: impl Fn(&SimDraft, Duration) -> SimDraft,
    ) -> Result<(), Over> {
        let range = steps_up(least, grid).max(1)..steps_up(known, grid);
        lowest(range, |steps| self.takes(draft(&self.best, on_grid(steps, grid))))?;
        Ok(())
    }

    fn shorter_faults(&mut self) -> Result<(), Over> {
        for index in 0..self.best.faults().len() {
            // What is known to be too short.
            let mut short = Duration::ZERO;
            for grid in [MINUTE, TEN_SECONDS, SECOND] {
                let Some(lasts) = time_of(&self.best, index, "for") else { continue };
                // A number of many seconds is no easier to read.
                if lasts > grid * 60 {
                    continue;
                }
                let range = steps_down(short, grid) + 1..steps_up(lasts, grid);
                let found = lowest(range.clone(), |steps| {
                    let shorter = spell(on_grid(steps, grid));
                    self.takes(self.best.with_fault(index, |fault| put(fault, "for", shorter.into())))
                })?;
                let too_short = found.unwrap_or(range.end).saturating_sub(1);
                short = short.max(on_grid(too_short, grid));
            }
        }
        Ok(())
    }

    fn narrower_faults(&mut self) -> Result<(), Over> {
        for index in 0..self.best.faults().len() {
            for key in ["on", "from", "to"] {
                let hosts = |draft: &SimDraft| draft.faults().get(index).map(|fault| hosts_of(fault, key));
                let Some(hosts) = hosts(&self.best) else { continue };
                ddmin(hosts, |candidates: &[Vec<String>]| {
                    let narrower = candidates.iter().map(|hosts| {
                        let value = Value::Array(hosts.iter().map(String::as_str).collect());
                        self.best.with_fault(index, |fault| put(fault, key, value))
                    });
                    let drafts: Vec<SimDraft> = narrower.collect();
                    self.take(&drafts)
                })?;
            }
        }
        Ok(())
    }

    /// Leaves out what the file sets: all, each table, each key, and each part of a key.
    fn fewer_settings(&mut self) -> Result<(), Over> {
        let settings = self.best.settings();
        let keys = |table: &str, keys: &[String]| -> Vec<Vec<String>> {
            keys.iter().map(|key| vec![table.to_owned(), key.clone()]).collect()
        };
        let every: Vec<Vec<Vec<String>>> = settings.iter().map(|(table, names)| keys(table, names)).collect();
        if self.takes(self.without_keys(&every.concat()))? {
            return Ok(());
        }
        for table in every {
            if table.len() > 1 && self.takes(self.without_keys(&table))? {
                continue;
            }
            for key in table {
                if !self.takes(self.without_keys(std::slice::from_ref(&key)))? {
                    self.fewer_parts(&key)?;
                }
            }
        }
        Ok(())
    }

    /// Leaves out each part of a key whose value is a table.
    fn fewer_parts(&mut self, key: &[String]) -> Result<(), Over> {
        let path: Vec<&str> = key.iter().map(String::as_str).collect();
        let table = self.best.value(&path).and_then(Value::as_inline_table);
        let parts: Vec<String> =
            table.map(|table| table.iter().map(|(part, _)| part.to_owned()).collect()).unwrap_or_default();
        for part in parts {
            self.takes(self.without_keys(&[[key, &[part]].concat()]))?;
        }
        Ok(())
    }

    fn without_keys(&self, keys: &[Vec<String>]) -> SimDraft {
        let fewer = keys
            .iter()
            .fold(self.best.clone(), |draft, key| draft.without(&key.iter().map(String::as_str).collect::<Vec<_>>()));
        self.recast(fewer)
    }

    /// A draft whose plan falls on the cast that it has now.
    fn recast(&self, draft: SimDraft) -> SimDraft {
        match draft.with_faults(Vec::new()).read(&self.plays.name, self.plays.subjects) {
            Some(sim) if sim.cast() != self.sim.cast() => draft.recast(self.sim.cast(), sim.cast(), &self.failed.host),
            Some(_) | None => draft,
        }
    }

    /// Lowers what is more than it is without the key: clients, topics, history.
    fn lower_numbers(&mut self) -> Result<(), Over> {
        for table in tables(self.sim.subject).filter(|table| !table.name.is_empty()) {
            for key in table.keys {
                let path: Vec<&str> = table.name.split('.').chain([key.name]).collect();
                let number =
                    self.best.value(&path).and_then(Value::as_integer).and_then(|number| u64::try_from(number).ok());
                let (Some(number), Ok(without)) = (number, key.default.parse::<u64>()) else { continue };
                lowest(without.saturating_add(1)..number, |fewer| {
                    let fewer = i64::try_from(fewer).unwrap_or(i64::MAX);
                    self.takes(self.recast(self.best.with(&path, fewer)))
                })?;
            }
        }
        Ok(())
    }

    /// Numbers that are easy to read, and a plan that nobody drew.
    fn rounder_numbers(&mut self) -> Result<(), Over> {
        for index in 0..self.best.faults().len() {
            for (key, longest) in [("for", Some(LONGER)), ("at", None)] {
                let Some(time) = time_of(&self.best, index, key) else { continue };
                let times = round_times(time).into_iter();
                let times = times.filter(|round| longest.is_none_or(|longest| *round <= time + time / longest));
                let drafts: Vec<SimDraft> = times
                    .map(|time| self.best.with_fault(index, |fault| put(fault, key, spell(time).into())))
                    .collect();
                self.take(&drafts)?;
            }
            self.takes(self.best.with_fault(index, |fault| {
                let values = fault.iter_mut().filter(|(key, _)| !NAMING.contains(&key.get()));
                values.filter_map(|(_, item)| item.as_value_mut()).for_each(|value| *value = rounder(value));
            }))?;
        }
        let mut faults = self.best.faults();
        faults.iter_mut().for_each(|fault| _ = fault.remove("drawn"));
        self.takes(self.best.with_faults(faults))?;
        self.number_anew()
    }

    /// Numbers the faults from 1 by time, as they are without numbers.
    pub(crate) fn number_anew(&mut self) -> Result<(), Over> {
        let mut faults = self.best.faults();
        faults.sort_by_key(|fault| fault.get("at").and_then(|at| duration(at.as_str()?).ok()));
        for (fault, number) in faults.iter_mut().zip(1_i64..) {
            put(fault, "number", number.into());
        }
        self.takes(self.best.with_faults(faults))?;
        Ok(())
    }
}

/// Whether two sims are one trial in other words.
pub(crate) fn alike(one: &SimFile, other: &SimFile) -> bool {
    // A setup says all that it is made of.
    let setup = |sim: &SimFile| format!("{:?}", sim.setup);
    let times = |sim: &SimFile| (sim.duration, sim.calm, sim.promise.within);
    times(one) == times(other)
        && one.subject.name() == other.subject.name()
        && (one.link, &one.plan, &one.storm, &one.promise.verdict)
            == (other.link, &other.plan, &other.storm, &other.promise.verdict)
        && setup(one) == setup(other)
}

/// Gives a key of a fault another value.
pub(crate) fn put(fault: &mut Table, key: &str, value: Value) {
    fault.insert(key, toml_edit::Item::Value(value));
}

fn change_time(fault: &mut Table, key: &str, change: impl FnOnce(Duration) -> Duration) {
    if let Some(time) = fault.get(key).and_then(|time| duration(time.as_str()?).ok()) {
        put(fault, key, spell(change(time)).into());
    }
}

fn time_of(draft: &SimDraft, index: usize, key: &str) -> Option<Duration> {
    duration(draft.faults().get(index)?.get(key)?.as_str()?).ok()
}

/// The hosts that a fault names with a key, where they are several.
fn hosts_of(fault: &Table, key: &str) -> Vec<String> {
    let hosts = fault.get(key).and_then(|hosts| hosts.as_array());
    hosts.map(|hosts| hosts.iter().filter_map(|host| host.as_str().map(str::to_owned)).collect()).unwrap_or_default()
}

/// How many steps of a grid a time takes, rounded up.
fn steps_up(time: Duration, grid: Duration) -> u64 {
    u64::try_from(time.as_millis().div_ceil(grid.as_millis())).unwrap_or(u64::MAX)
}

fn steps_down(time: Duration, grid: Duration) -> u64 {
    u64::try_from(time.as_millis() / grid.as_millis()).unwrap_or(u64::MAX)
}

/// So many steps of a grid.
fn on_grid(steps: u64, grid: Duration) -> Duration {
    grid * u32::try_from(steps).unwrap_or(u32::MAX)
}
