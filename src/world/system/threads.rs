//! Threads of a process as its coroutines: one of a trial runs at a time, and hands over where it would wait.
//!
//! The runtime of a host runs on the trial's own thread. What that program begins beside it is a real thread, which stands
//! still until the trial's thread hands it the trial, and hands it back when it waits: for a futex(2), a time, another thread
//! or a file. So their order is the same in every play. Refuses to know C.
//!
//! ```text
//!            handed over          waits, or yields
//! Ready -----------------> running --------------> Resting --woken, or due--> Ready
//!                            | ends
//!                            +--> Ended
//! ```
//! A process that dies leaves its threads standing for ever: nothing ends a thread from outside.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::world::sandbox::state::{self, Baton};

thread_local! {
    static SELF: Cell<*const Coroutine> = const { Cell::new(ptr::null()) };
}

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing: others go first.
    Yielding,
    /// To be woken at a futex, or until a time; `expected` is what stands there.
    Futex { address: usize, expected: u32, until: Option<Duration> },
    /// A time of the process's monotonic clock.
    Until(Duration),
    /// Another thread ends.
    Joining(ThreadNumber),
    /// Something happens to any file, or a time comes. So often it had happened before.
    Files { stirs: u64, until: Option<Duration> },
    /// Nothing: its process is dead.
    Forever,
    /// Nothing more: it has ended.
    Ended,
}

/// Why a thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// What it waited for may have come.
    Called,
    /// Its time is over.
    TimedOut,
}

/// Numbers the threads of a process.
pub(crate) type ThreadNumber = u32;

/// Where a trial is handed to a thread, and back.
#[derive(Default)]
pub(crate) struct Coroutine {
    place: Mutex<Handed>,
    changed: Condvar,
}

#[derive(Default)]
enum Handed {
    #[default]
    Nothing,
    There(Baton, Woken),
    Back(Baton, Rest),
}

impl Coroutine {
    /// The coroutine whose thread this is; none: it is the trial's own.
    pub(crate) fn current() -> Option<&'static Coroutine> {
        // SAFETY: it is set for as long as the thread lives, which holds it.
        unsafe { SELF.get().as_ref() }
    }

    fn place(&self) -> MutexGuard<'_, Handed> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand(&self, what: Handed) {
        *self.place() = what;
        self.changed.notify_all();
    }

    /// Waits until there is what `take` takes. The thread has no trial meanwhile, so that this wait is real.
    fn await_handover<T>(&self, take: impl Fn(&Handed) -> Option<T>) -> T {
        let mut place = self.place();
        loop {
            if let Some(taken) = take(&place) {
                *place = Handed::Nothing;
                return taken;
            }
            place = self.changed.wait(place).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The trial's thread lets this one run until it waits.
    fn resume(&self, woken: Woken) -> Rest {
        self.hand(Handed::There(state::hand_over(), woken));
        let (baton, rest) = self.await_handover(|place| match place {
            Handed::Back(baton, rest) => Some((*baton, *rest)),
            Handed::Nothing | Handed::There(..) => None,
        });
        state::take_over(baton);
        rest
    }

    /// This thread begins: it waits for its first turn.
    pub(crate) fn begin(self: &Arc<Self>) {
        SELF.set(Arc::as_ptr(self));
        self.await_turn();
    }

    fn await_turn(&self) -> Woken {
        let (baton, woken) = self.await_handover(|place| match place {
            Handed::There(baton, woken) => Some((*baton, *woken)),
            Handed::Nothing | Handed::Back(..) => None,
        });
        state::take_over(baton);
        woken
    }

    /// This thread waits.
    pub(crate) fn rest(&self, rest: Rest) -> Woken {
        self.hand(Handed::Back(state::hand_over(), rest));
        self.await_turn()
    }

    /// This thread sleeps until a time of the process's monotonic clock.
    pub(crate) fn sleep_until(&self, until: Duration) {
        while self.rest(Rest::Until(until)) != Woken::TimedOut {}
    }

    /// This thread has ended, and touches nothing of the trial from here on.
    pub(crate) fn end(&self) {
        SELF.set(ptr::null());
        self.hand(Handed::Back(state::hand_over(), Rest::Ended));
    }
}

struct Thread {
    coroutine: Arc<Coroutine>,
    /// The number that C knows it by.
    handle: libc::pthread_t,
    rest: Rest,
    /// It stands in the queue, and why.
    called: Option<Woken>,
}

/// The threads of a process, but for the one that runs its runtime.
#[derive(Default)]
pub(crate) struct Threads {
    threads: BTreeMap<ThreadNumber, Thread>,
    begun: ThreadNumber,
    queue: VecDeque<ThreadNumber>,
    /// The futex that the trial's own thread waits for, until it is woken.
    awaited_by_main: Option<usize>,
}

impl Threads {
    pub(crate) fn add(&mut self, coroutine: Arc<Coroutine>, handle: libc::pthread_t) {
        self.begun += 1;
        let called = Some(Woken::Called);
        self.threads.insert(self.begun, Thread { coroutine, handle, rest: Rest::Yielding, called });
        self.queue.push_back(self.begun);
    }

    /// The thread that C knows by a number, and whether it has ended.
    pub(crate) fn find(&self, handle: libc::pthread_t) -> Option<(ThreadNumber, bool)> {
        // The latest: C gives the number of one that has ended and was joined to another.
        let found = self.threads.iter().rev().find(|(_, thread)| thread.handle == handle)?;
        Some((*found.0, found.1.rest == Rest::Ended))
    }

    fn call(&mut self, number: ThreadNumber, why: Woken) {
        if let Some(thread) = self.threads.get_mut(&number)
            && thread.called.is_none()
        {
            thread.called = Some(why);
            self.queue.push_back(number);
        }
    }

    /// Calls everybody whose rest is over for a reason.
    fn call_where(&mut self, over: impl Fn(&Self, Rest) -> Option<Woken>) {
        let resting = self.threads.iter().filter(|(_, thread)| thread.called.is_none());
        let called: Vec<_> = resting.filter_map(|(number, thread)| Some((*number, over(self, thread.rest)?))).collect();
        called.into_iter().for_each(|(number, why)| self.call(number, why));
    }

    /// Calls whose time has come, or to whose files something has happened, or whose companion has ended.
    pub(crate) fn call_due(&mut self, now: Duration, stirs: u64) {
        let due = |until: Option<Duration>| until.is_some_and(|until| until <= now).then_some(Woken::TimedOut);
        self.call_where(|threads, rest| match rest {
            Rest::Yielding => Some(Woken::Called),
            Rest::Futex { until, .. } => due(until),
            Rest::Until(until) => due(Some(until)),
            Rest::Joining(other) => {
                let is_over = threads.threads.get(&other).is_none_or(|thread| thread.rest == Rest::Ended);
                is_over.then_some(Woken::Called)
            }
            Rest::Files { stirs: before, .. } if before != stirs => Some(Woken::Called),
            Rest::Files { until, .. } => due(until),
            Rest::Forever | Rest::Ended => None,
        });
    }

    /// Calls whose futex shows something else than it did: it was changed by somebody who is not of this process, such as
    /// another trial with which it shares a lock.
    pub(crate) fn call_changed(&mut self) {
        self.call_where(|_, rest| match rest {
            Rest::Futex { address, expected, .. } => (read_futex(address) != expected).then_some(Woken::Called),
            Rest::Yielding | Rest::Until(_) | Rest::Joining(_) | Rest::Files { .. } | Rest::Forever | Rest::Ended => {
                None
            }
        });
    }

    /// Wakes at most so many that wait for a futex, the trial's own thread first; how many.
    pub(crate) fn wake(&mut self, address: usize, most: usize) -> usize {
        let mut woken = 0;
        if most > 0 && self.awaited_by_main == Some(address) {
            self.awaited_by_main = None;
            woken = 1;
        }
        let waits = |thread: &Thread| {
            thread.called.is_none() && matches!(thread.rest, Rest::Futex { address: at, .. } if at == address)
        };
        let waiting = self.threads.iter().filter(|(_, thread)| waits(thread)).map(|(number, _)| *number);
        let called: Vec<_> = waiting.take(most - woken).collect();
        woken += called.len();
        called.into_iter().for_each(|number| self.call(number, Woken::Called));
        woken
    }

    /// The trial's own thread waits for a futex.
    pub(crate) fn await_on_main(&mut self, address: usize) {
        self.awaited_by_main = Some(address);
    }

    /// Whether the trial's own thread still waits; from here on it does not.
    pub(crate) fn end_wait_of_main(&mut self) -> bool {
        self.awaited_by_main.take().is_some()
    }

    /// When the next of them goes on by itself.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        let until = |thread: &Thread| match thread.rest {
            Rest::Futex { until, .. } | Rest::Files { until, .. } => until,
            Rest::Until(until) => Some(until),
            Rest::Yielding | Rest::Joining(_) | Rest::Forever | Rest::Ended => None,
        };
        self.threads.values().filter_map(until).min()
    }

    /// The next that is to run.
    pub(crate) fn next(&mut self) -> Option<Called> {
        let number = self.queue.pop_front()?;
        let thread = self.threads.get_mut(&number).expect("who is called is known");
        let woken = thread.called.take().expect("who stands in the queue was called");
        // Who runs waits for nothing, and may itself wake whoever waits where it did.
        thread.rest = Rest::Yielding;
        Some(Called { number, coroutine: Arc::clone(&thread.coroutine), woken })
    }

    /// A thread has run.
    pub(crate) fn has_run(&mut self, number: ThreadNumber, rest: Rest) {
        if let Some(thread) = self.threads.get_mut(&number) {
            thread.rest = rest;
            if rest == Rest::Yielding {
                self.call(number, Woken::Called);
            }
        }
    }
}

/// A thread that is to run.
pub(crate) struct Called {
    pub(crate) number: ThreadNumber,
    coroutine: Arc<Coroutine>,
    woken: Woken,
}

impl Called {
    /// Lets it run until it waits.
    pub(crate) fn run(&self) -> Rest {
        self.coroutine.resume(self.woken)
    }
}

/// What stands at a futex.
pub(crate) fn read_futex(address: usize) -> u32 {
    // SAFETY: somebody waits for it, and keeps it: it is four bytes, aligned (futex(2)).
    unsafe { &*ptr::with_exposed_provenance::<AtomicU32>(address) }.load(Ordering::SeqCst)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn resting(rests: &[Rest]) -> Threads {
        let mut threads = Threads::default();
        for (number, rest) in (1..).zip(rests) {
            threads.add(Arc::default(), number.into());
            let called = threads.next().expect("it begins");
            assert_eq!(called.number, number);
            threads.has_run(number, *rest);
        }
        threads
    }

    fn called(threads: &mut Threads) -> Vec<(ThreadNumber, Woken)> {
        std::iter::from_fn(|| threads.next()).map(|called| (called.number, called.woken)).collect()
    }

    fn futex(address: usize, until: Option<Duration>) -> Rest {
        Rest::Futex { address, expected: 0, until }
    }

    #[test]
    fn a_wake_calls_as_many_as_it_says_in_the_order_of_their_numbers() {
        let mut threads = resting(&[futex(8, None), futex(16, None), futex(8, None), futex(8, None)]);
        assert_eq!(threads.wake(8, 2), 2);
        assert_eq!(called(&mut threads), [(1, Woken::Called), (3, Woken::Called)]);
        threads.await_on_main(8);
        assert_eq!(threads.wake(8, 1), 1);
        assert!(!threads.end_wait_of_main());
        assert_eq!(threads.wake(24, 9), 0);
    }

    #[test]
    fn a_time_that_is_over_calls_and_the_next_is_known() {
        let mut threads = resting(&[futex(8, Some(3 * SECOND)), Rest::Until(2 * SECOND), futex(8, None)]);
        assert_eq!(threads.next_due(), Some(2 * SECOND));
        threads.call_due(2 * SECOND, 0);
        assert_eq!(called(&mut threads), [(2, Woken::TimedOut)]);
        threads.has_run(2, Rest::Until(9 * SECOND));
        threads.call_due(3 * SECOND, 0);
        assert_eq!(called(&mut threads), [(1, Woken::TimedOut)]);
    }

    #[test]
    fn who_waits_for_a_thread_or_a_file_goes_on_when_it_ends_or_is_stirred() {
        let mut threads = resting(&[Rest::Joining(2), Rest::Until(SECOND), Rest::Files { stirs: 4, until: None }]);
        threads.call_due(Duration::ZERO, 4);
        assert_eq!(called(&mut threads), []);
        threads.has_run(2, Rest::Ended);
        threads.call_due(Duration::ZERO, 5);
        assert_eq!(called(&mut threads), [(1, Woken::Called), (3, Woken::Called)]);
        assert_eq!(threads.find(2), Some((2, true)));
    }

    #[test]
    fn a_futex_that_somebody_else_changed_calls() {
        let word = AtomicU32::new(0);
        let address = (&raw const word).expose_provenance();
        let mut threads = resting(&[futex(address, None)]);
        threads.call_changed();
        assert_eq!(called(&mut threads), []);
        word.store(1, Ordering::SeqCst);
        threads.call_changed();
        assert_eq!(called(&mut threads), [(1, Woken::Called)]);
    }
}
