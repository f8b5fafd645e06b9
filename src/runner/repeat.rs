//! One trial many times in this process: half of the plays one after the other, half on several threads at once.
//!
//! Refuses to compare: it says what each play left.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::history::Digest;
use crate::runner::Trace;
use crate::sim::SimFile;
use crate::trial::{EngineKind, PlayError, record};

/// So many plays at once: more than the processors of a small machine, so that its kernel switches between them.
pub(crate) const PLAYS_AT_ONCE: u32 = 4;

/// What one play left, as one process tells another: a line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Played {
    /// A digest that this process has not had before, with its whole trace.
    New(Trace),
    /// A digest that it has had.
    Again(Digest),
}

/// Plays `sim` with `seed` on that engine so many `times`, keeps the raw events of the numbers `kept`, and says after each play what
/// it left.
///
/// # Errors
/// A trial cannot be played: our bug.
#[expect(clippy::disallowed_methods, reason = "between trials, threads share out whole trials")]
pub fn repeat(
    sim: &SimFile,
    seed: u64,
    engine: EngineKind,
    times: u32,
    kept: &Range<u64>,
    on_play: impl Fn(&Played) + Sync,
) -> Result<(), PlayError> {
    let seen = Mutex::new(BTreeSet::new());
    let play = || -> Result<(), PlayError> {
        let trace = Trace::of(&record(sim, seed, engine, kept.clone())?);
        // Held while it is told: nobody says "again" before the first has been told.
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = trace.digest;
        on_play(&if seen.insert(digest) { Played::New(trace) } else { Played::Again(digest) });
        Ok(())
    };
    let alone = alone(times);
    (0..alone).try_for_each(|_| play())?;
    let next = AtomicU32::new(alone);
    let work = || {
        while next.fetch_add(1, Ordering::Relaxed) < times {
            play()?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..PLAYS_AT_ONCE.min(times - alone)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a trial's panic is an error"))
    })
}

/// How many of the plays are alone: half, and of three only one, because one play is not several at once.
fn alone(times: u32) -> u32 {
    (times / 2).max(1).min(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_plays_are_alone_and_none_is_left_out() {
        for (times, expected) in [(0, 0), (1, 1), (2, 1), (3, 1), (4, 2), (20, 10), (21, 10)] {
            assert_eq!(alone(times), expected, "{times} times");
        }
    }
}
