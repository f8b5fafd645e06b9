//! A process as its kernel knows it: whether it lives, at which point it will die, and how long it waits for a disk.
//!
//! Shared by everything that the process holds: its sockets and its stores tell it what happens, and ask it before
//! they act. Refuses to know what a death does to the host: an engine's crash handler does.
//!
//! ```text
//!         a landmark that a point names         the crash
//! Alive ----------------------------> Doomed ----------> Dead
//!                                      (at once; after a frame, when the turn has ended)
//! ```

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::fault::{Death, Landmark, Moment, Point};
use crate::world::clock::nanos;

/// Carries out a death as it happens.
pub(crate) type Crash = Box<dyn Fn(&Process, Death) + Send + Sync>;

/// A handle on one process.
#[derive(Clone, Debug)]
pub(crate) struct Process(Arc<ProcessState>);

#[derive(Debug)]
struct ProcessState {
    alive: AtomicBool,
    waits_nanos: AtomicU64,
    mortality: OnceLock<Mortality>,
    /// It dies of this when its turn has ended, or has died of it.
    doom: Mutex<Option<Death>>,
}

struct Mortality {
    points: Arc<Points>,
    crash: Crash,
}

impl fmt::Debug for Mortality {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mortality").field("points", &self.points).finish_non_exhaustive()
    }
}

impl Process {
    /// A process that lives, and dies at no point.
    pub(crate) fn begin() -> Self {
        Process(Arc::new(ProcessState {
            alive: true.into(),
            waits_nanos: 0.into(),
            mortality: OnceLock::new(),
            doom: Mutex::new(None),
        }))
    }

    /// From here on it dies at its host's points, by `crash`.
    pub(crate) fn dies_at(&self, points: Arc<Points>, crash: Crash) {
        let fresh = self.0.mortality.set(Mortality { points, crash });
        assert!(fresh.is_ok(), "a process was made mortal twice");
    }

    /// Whether it has not died.
    pub(crate) fn is_alive(&self) -> bool {
        self.0.alive.load(Ordering::Relaxed)
    }

    /// It is dead from here on.
    pub(crate) fn die(&self) {
        self.0.alive.store(false, Ordering::Relaxed);
    }

    /// The process is at a landmark. Where a fault kills it there, it is dead when this returns: its caller asks
    /// [`Process::is_alive`] before it goes on to harm anything. (Unwinding would poison the program's own locks,
    /// and a second panic in a destructor would abort every other trial.) No lock of the world may be held.
    pub(crate) fn passes(&self, landmark: Landmark, moment: Moment) {
        let Some(Mortality { points, crash }) = self.0.mortality.get() else { return };
        if points.is_none_armed() || !self.is_alive() {
            return;
        }
        let Some(death) = points.reached(landmark, moment) else { return };
        *lock(&self.0.doom) = Some(death);
        match (landmark, moment) {
            // A frame has happened when it was handled: when the process waits for the next one.
            (Landmark::Frame, Moment::After) => {}
            (Landmark::DurableWrite, Moment::Before | Moment::After) | (Landmark::Frame, Moment::Before) => {
                crash(self, death);
            }
        }
    }

    /// Whether anybody wants to know of its frames.
    pub(crate) fn counts_frames(&self) -> bool {
        self.0.mortality.get().is_some_and(|mortality| mortality.points.counts_frames())
    }

    /// What it died of at a point; while it is alive, what it dies of when its turn has ended.
    pub(crate) fn doom(&self) -> Option<Death> {
        *lock(&self.0.doom)
    }

    /// It waits so long for a system call, and does nothing else.
    pub(crate) fn wait(&self, time: Duration) {
        self.0.waits_nanos.fetch_add(nanos(time), Ordering::Relaxed);
    }

    /// How long it waits since the last call.
    pub(crate) fn take_wait(&self) -> Duration {
        Duration::from_nanos(self.0.waits_nanos.swap(0, Ordering::Relaxed))
    }
}

/// The points of death of one host: its processes, one after the other, count towards them.
#[derive(Debug, Default)]
pub(crate) struct Points {
    armed: Mutex<Vec<Armed>>,
    /// How many there are, and how many of them are frames: asked at every frame, so without the lock.
    all: AtomicU32,
    frames: AtomicU32,
}

#[derive(Debug)]
struct Armed {
    clause: u32,
    point: Point,
    death: Death,
    /// So many landmarks of its kind have come since it was armed.
    seen: u32,
    /// A process has died of it.
    spent: bool,
}

impl Points {
    /// A clause kills at a point, counted from here on.
    pub(crate) fn arm(&self, clause: u32, point: Point, death: Death) {
        lock(&self.armed).push(Armed { clause, point, death, seen: 0, spent: false });
        self.count();
    }

    /// Disarms a clause; whether a process died of it.
    pub(crate) fn disarm(&self, clause: u32) -> bool {
        let mut spent = false;
        lock(&self.armed).retain(|armed| {
            spent |= armed.clause == clause && armed.spent;
            armed.clause != clause
        });
        self.count();
        spent
    }

    fn count(&self) {
        let armed = lock(&self.armed);
        let number = |frames_only: bool| {
            let counted = armed.iter().filter(|armed| !frames_only || armed.point.landmark == Landmark::Frame).count();
            u32::try_from(counted).expect("a plan has fewer clauses")
        };
        self.all.store(number(false), Ordering::Relaxed);
        self.frames.store(number(true), Ordering::Relaxed);
    }

    fn is_none_armed(&self) -> bool {
        self.all.load(Ordering::Relaxed) == 0
    }

    fn counts_frames(&self) -> bool {
        self.frames.load(Ordering::Relaxed) > 0
    }

    /// Counts a landmark for every clause; the death of the first whose point this is.
    fn reached(&self, landmark: Landmark, moment: Moment) -> Option<Death> {
        let mut armed = lock(&self.armed);
        let mut waiting = armed.iter_mut().filter(|armed| armed.point.landmark == landmark && !armed.spent);
        let mut death = None;
        waiting.by_ref().for_each(|armed| {
            armed.seen += u32::from(moment == Moment::Before);
            // Not only equal: a write that failed has a before and no after, and the next one counts for it.
            if death.is_none() && armed.point.moment == moment && armed.seen >= armed.point.nth {
                armed.spent = true;
                death = Some(armed.death);
            }
        });
        death
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITE_2: Point = Point { landmark: Landmark::DurableWrite, nth: 2, moment: Moment::After };
    const FRAME_1: Point = Point { landmark: Landmark::Frame, nth: 1, moment: Moment::After };

    fn mortal(points: &Arc<Points>) -> Process {
        let process = Process::begin();
        process.dies_at(points.clone(), Box::new(|process, _| process.die()));
        process
    }

    fn write(process: &Process) {
        process.passes(Landmark::DurableWrite, Moment::Before);
        process.passes(Landmark::DurableWrite, Moment::After);
    }

    #[test]
    fn a_process_dies_at_its_point_and_not_before() {
        let points = Arc::new(Points::default());
        let process = mortal(&points);
        write(&process);
        points.arm(1, WRITE_2, Death::Killed);
        write(&process);
        process.passes(Landmark::Frame, Moment::Before);
        process.passes(Landmark::DurableWrite, Moment::Before);
        assert!(process.is_alive(), "dead before the point");
        process.passes(Landmark::DurableWrite, Moment::After);
        assert!(!process.is_alive());
        assert!(points.disarm(1), "the death was not told");
    }

    #[test]
    fn the_next_process_goes_on_counting_and_a_point_kills_once() {
        let points = Arc::new(Points::default());
        points.arm(1, WRITE_2, Death::Killed);
        write(&mortal(&points));
        let second = mortal(&points);
        write(&second);
        assert!(!second.is_alive(), "the count began anew");
        let third = mortal(&points);
        write(&third);
        assert!(third.is_alive(), "one point killed twice");
    }

    #[test]
    fn a_frame_is_over_when_the_turn_is() {
        let points = Arc::new(Points::default());
        let process = mortal(&points);
        assert!(!process.counts_frames());
        points.arm(1, FRAME_1, Death::DiskLost);
        assert!(process.counts_frames());
        process.passes(Landmark::Frame, Moment::Before);
        assert_eq!(process.doom(), None);
        process.passes(Landmark::Frame, Moment::After);
        assert_eq!((process.is_alive(), process.doom()), (true, Some(Death::DiskLost)));
    }

    #[test]
    fn a_point_that_nobody_reached_was_not_felt() {
        let points = Arc::new(Points::default());
        let process = mortal(&points);
        points.arm(1, WRITE_2, Death::Killed);
        write(&process);
        assert!(!points.disarm(1));
        write(&process);
        assert!(process.is_alive(), "a disarmed point killed");
    }

    #[test]
    fn waits_add_up_until_they_are_taken() {
        let process = Process::begin();
        process.wait(Duration::from_millis(2));
        process.wait(Duration::from_millis(3));
        assert_eq!(process.take_wait(), Duration::from_millis(5));
        assert_eq!(process.take_wait(), Duration::ZERO);
    }
}
