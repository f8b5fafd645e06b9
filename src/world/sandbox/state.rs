//! How a trial stands, as the C symbols of its threads see it: clocks, dice, and the turn of a host.
//!
//! One thread of a trial runs at a time. It reaches the state through a plain thread-local pointer, which has no destructor: the
//! symbols work at any time of a thread's life, also inside allocator and loader. Refuses to know which symbols there are.

use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::ptr;
use std::sync::Arc;
use std::task::Waker;
use std::thread;
use std::time::Duration;

use rand::Rng;

use crate::env::Dice;
use crate::world::clock::WALL_CLOCK_START;
use crate::world::sandbox::offence::Offence;
use crate::world::sandbox::own_frames::own_site;

/// The simulated monotonic clocks at a trial's start; far from zero, so that subtractions stay positive.
const MONOTONIC_START: Duration = Duration::from_secs(1_000_000);
/// How often a host may look at a clock within one step. No clock goes on before its turn is over, and a loop that waits for one
/// to do so waits for ever; nobody who works reads it so often without waiting for anything.
const CLOCK_READS_MAX: u32 = 50_000_000;

thread_local! {
    static STATE: Cell<*const TrialState> = const { Cell::new(ptr::null()) };
}

/// What the clocks of a trial show, as who asks for it gets it: they are read much more often than they are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Readings {
    monotonic: Duration,
    boottime: Duration,
    wall: Duration,
}

impl Readings {
    /// Two times since the trial's start, the first without the time that the host slept, and one since the Unix epoch.
    pub(crate) const fn new(awake: Duration, boot: Duration, wall: Duration) -> Self {
        Readings {
            monotonic: MONOTONIC_START.saturating_add(awake),
            boottime: MONOTONIC_START.saturating_add(boot),
            wall,
        }
    }

    /// The right clocks, of a host that never slept.
    const fn of_trial(now: Duration) -> Self {
        Readings::new(now, now, WALL_CLOCK_START.saturating_add(now))
    }
}

/// How a host's turn stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostTurn {
    /// Tasks are being polled.
    Running,
    /// Nothing is left to run before the next timer, which is so far away; none: there is no timer.
    Idle(Option<Duration>),
    /// The host does not go idle.
    Stuck,
    /// A task panicked.
    Panicked,
    /// The process has died at a named point.
    Dead,
}

/// See the module.
pub(crate) struct TrialState {
    /// That of the thread which plays it.
    name: String,
    readings: Cell<Readings>,
    wall_clock_read: Cell<bool>,
    clock_reads_left: Cell<u32>,
    /// What becomes of a host that has none left.
    on_busy_loop: Cell<fn()>,
    entropy: RefCell<Dice>,
    turn: Cell<HostTurn>,
    steps_left: Cell<u32>,
    root: RefCell<Option<Waker>>,
    offence: Cell<Option<Offence>>,
    /// Where the offence was.
    scene: RefCell<Option<Backtrace>>,
    /// Who hears of it when the trial takes the program with it.
    last_words: RefCell<Option<SuddenEnd>>,
    panics: RefCell<Panics>,
}

/// Hears the name of a host, and what it has done that ends the program; what is to be said of that.
type SuddenEnd = Box<dyn FnOnce(&str, &str) -> String + Send>;

/// To judge a trial takes more than a guest's thread may have left.
const LAST_WORDS_STACK: usize = 8 << 20;

/// What panics said.
#[derive(Default)]
pub(crate) struct Panics {
    /// The first one since the task began to be polled.
    pub(crate) last: Option<String>,
    /// The one that ended a task.
    pub(crate) of_task: Option<String>,
    /// Where the cause panicked, where RUST_BACKTRACE asks for it. Its names are looked up outside of the trial: that opens files.
    pub(crate) backtrace: Option<Arc<Backtrace>>,
}

impl TrialState {
    /// One look at the clocks.
    fn read_clock(&self) -> Readings {
        match self.clock_reads_left.get().checked_sub(1) {
            Some(left) => self.clock_reads_left.set(left),
            None => self.on_busy_loop.get()(),
        }
        self.readings.get()
    }
}

/// Puts this thread into a trial until the guard is dropped.
pub(crate) struct TrialGuard {
    state: *mut TrialState,
}

impl TrialGuard {
    pub(crate) fn enter(entropy: Dice) -> Self {
        let state = Box::into_raw(Box::new(TrialState {
            name: std::thread::current().name().unwrap_or("a trial").to_owned(),
            readings: Cell::new(Readings::of_trial(Duration::ZERO)),
            wall_clock_read: Cell::new(false),
            entropy: RefCell::new(entropy),
            turn: Cell::new(HostTurn::Running),
            clock_reads_left: Cell::new(CLOCK_READS_MAX),
            on_busy_loop: Cell::new(|| ()),
            steps_left: Cell::new(0),
            root: RefCell::new(None),
            offence: Cell::new(None),
            scene: RefCell::new(None),
            last_words: RefCell::new(None),
            panics: RefCell::default(),
        }));
        STATE.set(state);
        TrialGuard { state }
    }
}

impl Drop for TrialGuard {
    fn drop(&mut self) {
        STATE.set(ptr::null());
        // SAFETY: it was made by `enter`; no thread has the pointer any more: this one gave it back, and another of the
        // trial has it only while this one waits for it.
        drop(unsafe { Box::from_raw(self.state) });
    }
}

/// A trial, as one of its threads hands it to another.
#[derive(Clone, Copy)]
pub(crate) struct Baton(*const TrialState);

// SAFETY: who hands it over does not touch the state until it is back.
unsafe impl Send for Baton {}

/// This thread leaves its trial, and hands it over.
pub(crate) fn hand_over() -> Baton {
    Baton(STATE.replace(ptr::null()))
}

/// This thread goes on with a trial that was handed to it.
pub(crate) fn take_over(Baton(state): Baton) {
    STATE.set(state);
}

/// Whether this thread plays a trial.
pub(crate) fn on_trial() -> bool {
    !STATE.get().is_null()
}

/// The state of this thread's trial; none: it plays none.
fn look<T>(look: impl FnOnce(&TrialState) -> T) -> Option<T> {
    // SAFETY: the pointer is there as long as the guard is, and one thread has it at a time.
    unsafe { STATE.get().as_ref() }.map(look)
}

/// The state of this thread's trial.
fn state<T>(ask: impl FnOnce(&TrialState) -> T) -> T {
    look(ask).expect("asked on a trial's thread")
}

/// Outside of a host's turn the clocks are the trial's.
pub(crate) fn set_now(now: Duration) {
    set_readings(Readings::of_trial(now));
}

/// In a host's turn the clocks are the host's.
pub(crate) fn set_readings(readings: Readings) {
    state(|state| {
        state.clock_reads_left.set(CLOCK_READS_MAX);
        state.readings.set(readings);
    });
}

/// The wall clock of whoever has its turn.
pub(crate) fn read_wall_clock() -> Duration {
    state(|state| {
        state.wall_clock_read.set(true);
        state.read_clock().wall
    })
}

/// The monotonic clock of whoever has its turn.
pub(crate) fn read_monotonic_clock() -> Duration {
    state(|state| state.read_clock().monotonic)
}

/// The boot clock of whoever has its turn.
pub(crate) fn read_boot_clock() -> Duration {
    state(|state| state.read_clock().boottime)
}

/// Whether anybody has looked at a wall clock since the last call.
pub(crate) fn take_wall_clock_read() -> bool {
    state(|state| state.wall_clock_read.replace(false))
}

/// What is called when a host looks at a clock without end.
pub(crate) fn set_on_busy_loop(end: fn()) {
    state(|state| state.on_busy_loop.set(end));
}

/// What the trial is called, on whichever of its threads.
pub(crate) fn trial_name() -> String {
    look(|state| state.name.clone()).unwrap_or_else(|| "a trial".to_owned())
}

/// Begins a host's turn of at most so many steps; `root` is woken when the host goes idle.
pub(crate) fn begin_turn(root: Waker, steps: u32) {
    state(|state| {
        state.turn.set(HostTurn::Running);
        state.steps_left.set(steps);
        state.root.replace(Some(root));
    });
}

/// The host takes so many steps; whether they are left to it. Where they are not, it is stuck: its turn ends as soon as
/// a task waits for something.
pub(crate) fn take_steps(steps: u32) -> bool {
    let left = state(|state| {
        state.clock_reads_left.set(CLOCK_READS_MAX);
        let left = state.steps_left.get().checked_sub(steps);
        state.steps_left.set(left.unwrap_or(0));
        left
    });
    if left.is_none() {
        end_turn(HostTurn::Stuck);
    }
    left.is_some()
}

/// How many steps are left to the host.
pub(crate) fn steps_left() -> u32 {
    state(|state| state.steps_left.get())
}

pub(crate) fn turn() -> HostTurn {
    state(|state| state.turn.get())
}

/// Ends the turn, soon: tokio looks at its root every 61 polls at the latest. The first reason counts.
pub(crate) fn end_turn(turn: HostTurn) {
    let root = state(|state| match state.turn.get() {
        HostTurn::Running => {
            state.turn.set(turn);
            state.root.take()
        }
        HostTurn::Idle(_) | HostTurn::Stuck | HostTurn::Panicked | HostTurn::Dead => None,
    });
    if let Some(root) = root {
        root.wake();
    }
}

/// Fills what a C caller hands over from the trial's dice; whether there was anything to fill it into.
///
/// # Safety
/// `buffer` is null, or `len` bytes that may be written.
pub(crate) unsafe fn fill_with_entropy(buffer: *mut u8, len: usize) -> bool {
    // No slice may begin at null, not even an empty one.
    if buffer.is_null() {
        return len == 0;
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer, len) };
    state(|state| state.entropy.borrow_mut().fill_bytes(bytes));
    true
}

/// Notes an offence, and where it is; the first one counts.
pub(crate) fn note_offence(offence: Offence) {
    look(|state| {
        if state.offence.get().is_none() {
            state.offence.set(Some(offence));
            // Its names are looked up outside of the trial: that opens files.
            state.scene.replace(Some(Backtrace::force_capture()));
        }
    });
}

/// The first offence since the last call.
pub(crate) fn take_offence() -> Option<Offence> {
    look(|state| state.offence.take()).flatten()
}

/// Where the offence was that was taken last; asked at most once, and no part of a trial.
pub(crate) fn take_scene() -> Option<String> {
    let scene = look(|state| state.scene.take()).flatten()?;
    let trial = STATE.replace(ptr::null());
    let site = own_site(&scene.to_string());
    STATE.set(trial);
    site
}

/// Who is to hear of it when a host does what ends the whole program.
pub(crate) fn set_last_words(hear: SuddenEnd) {
    state(|state| state.last_words.replace(Some(hear)));
}

/// This thread has left its trial for good: what a host has done ends the program. What whoever asked for it says of that.
#[expect(clippy::disallowed_methods, reason = "the trial is over, and time is real")]
pub(crate) fn last_words(host: String, why: &str) -> String {
    let hear = look(|state| state.last_words.take()).flatten();
    STATE.set(ptr::null());
    let Some(hear) = hear else { return String::new() };
    let why = why.to_owned();
    let judge = thread::Builder::new().stack_size(LAST_WORDS_STACK).spawn(move || hear(&host, &why));
    // Where there is no thread, or it panics, nothing is said: the program ends in any case.
    judge.ok().and_then(|judge| judge.join().ok()).unwrap_or_default()
}

/// What panics of the trial said; none: this thread plays none.
pub(crate) fn with_panics<T>(with: impl FnOnce(&mut Panics) -> T) -> Option<T> {
    look(|state| with(&mut state.panics.borrow_mut()))
}
