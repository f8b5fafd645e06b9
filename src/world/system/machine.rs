//! The machine that a process runs on, as its system calls see it; a trial's thread knows whose turn it is.
//!
//! Refuses to know C: `symbols` reads arguments and gives answers.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ffi::c_int;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::world::net::Datagram;
use crate::world::sandbox::offence::Offence;
use crate::world::sandbox::own_frames;
use crate::world::sandbox::state::{self, HostTurn};
use crate::world::system::address::AddressFamily;
use crate::world::system::epoll::{Epoll, Ready};
use crate::world::system::error::Errno;
use crate::world::system::files::{CallWait, FIRST_NUMBER, FileId, FileKind, Files, Number, SystemFile};
use crate::world::system::pair::{EventCounter, PairEnd};
use crate::world::system::socket::{CallAnswer, MachinePlace, SystemSocket};
use crate::world::system::threads::{Coroutine, Rest, Threads, Woken, read_futex};

/// The code under test went where no verdict follows it: our bug or the guest's (docs/command-line.md).
const BROKEN_EXIT: c_int = 70;

/// Threads that are run so often, one after the other at one instant, wake each other without end.
const RUNS_AT_ONE_INSTANT_MAX: u32 = 1_000_000;

thread_local! {
    /// No destructor: the symbols work at any time of a thread's life.
    static CURRENT: Cell<*const Machine> = const { Cell::new(ptr::null()) };
}

/// See the module.
pub(crate) struct Machine {
    pub(crate) place: MachinePlace,
    files: Mutex<Files>,
    threads: Mutex<Threads>,
    /// Most processes begin none: asked at every wait, so without the lock.
    has_threads: AtomicBool,
    number: libc::pid_t,
    kept: Mutex<Vec<Arc<dyn Any + Send + Sync>>>,
}

/// Until it is dropped, system calls of this thread are of a machine.
pub(crate) struct Entered {
    before: *const Machine,
    /// Keeps it.
    _machine: Arc<Machine>,
}

/// From here on system calls of this thread are of that machine.
pub(crate) fn enter(machine: &Arc<Machine>) -> Entered {
    Entered { before: CURRENT.replace(Arc::as_ptr(machine)), _machine: Arc::clone(machine) }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}

/// Asks the machine whose turn it is on this thread, if it is one's.
pub(crate) fn with_current<T>(ask: impl FnOnce(&Machine) -> T) -> Option<T> {
    // SAFETY: whoever set it keeps it until it is set to another.
    unsafe { CURRENT.get().as_ref() }.map(ask)
}

/// The host whose turn it is looks at a clock without end: no call can be left without an answer, and none ends the loop.
pub(crate) fn end_in_a_busy_loop() {
    with_current(|machine| {
        machine.end_program_here(
            "waits in a loop for a clock, which goes on only while its tasks and threads wait: let it sleep (tokio::time::sleep)",
        )
    });
}

/// The machine whose turn it is on this thread.
pub(crate) fn current() -> Option<Arc<Machine>> {
    with_current(|machine| {
        // SAFETY: it is of an `Arc`, which somebody holds; one more holder is counted for the one that is made.
        unsafe {
            Arc::increment_strong_count(ptr::from_ref(machine));
            Arc::from_raw(ptr::from_ref(machine))
        }
    })
}

/// The thread of a coroutine ends: it is of no machine any more.
pub(crate) fn leave_thread() {
    CURRENT.set(ptr::null());
}

/// Writes to the program's error output, without std's lock: a thread of a host that never runs again may hold it. Where nobody
/// hears it, the exit code tells.
fn say(text: &str) {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        // SAFETY: so many bytes are there.
        let written = unsafe { libc::write(libc::STDERR_FILENO, rest.as_ptr().cast(), rest.len()) };
        let Some(written) = usize::try_from(written).ok().filter(|written| *written > 0) else { return };
        rest = &rest[written..];
    }
}

/// Keeps a value for whoever asks for it in the process whose turn it is, until that dies; one of each type.
pub fn keep_in_process<T: Any + Send + Sync>(value: Arc<T>) {
    with_current(|machine| {
        let mut kept = lock(&machine.kept);
        kept.retain(|other| !other.is::<T>());
        kept.push(value);
    });
}

/// What was kept for the process whose turn it is; none outside of a trial.
#[must_use]
pub fn kept_in_process<T: Any + Send + Sync>() -> Option<Arc<T>> {
    with_current(|machine| lock(&machine.kept).iter().find_map(|value| Arc::clone(value).downcast::<T>().ok()))
        .flatten()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Machine {
    pub(crate) fn new(place: MachinePlace) -> Self {
        // As high as descriptors, which are counted with it: a small number looks like one that means something.
        let number = FIRST_NUMBER + place.net.fabric().fresh_number();
        Machine {
            place,
            files: Mutex::default(),
            threads: Mutex::default(),
            has_threads: AtomicBool::new(false),
            number,
            kept: Mutex::default(),
        }
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        lock(&self.files)
    }

    fn fresh_number(&self) -> Number {
        FIRST_NUMBER + self.place.net.fabric().fresh_number()
    }

    /// The process is dead, and what it left to destructors is done: its files are closed.
    pub(crate) fn close_all(&self) {
        let files = std::mem::take(&mut *self.files());
        drop(files);
        let kept = std::mem::take(&mut *lock(&self.kept));
        drop(kept);
    }

    pub(crate) fn open(&self, kind: FileKind, is_nonblocking: bool) -> Number {
        let number = self.fresh_number();
        self.files().open(number, kind, is_nonblocking)
    }

    /// Opens a socket as one of the constructors of `SystemSocket` makes it.
    pub(crate) fn open_socket(
        &self,
        make: fn(MachinePlace, AddressFamily) -> SystemSocket,
        family: AddressFamily,
        is_nonblocking: bool,
    ) -> Result<Number, Errno> {
        self.check_alive()?;
        let socket = make(self.place.clone(), family);
        Ok(self.open(FileKind::Socket(socket), is_nonblocking))
    }

    pub(crate) fn open_pair(&self, is_nonblocking: bool) -> [Number; 2] {
        PairEnd::new_pair().map(|end| self.open(FileKind::Pair(end), is_nonblocking))
    }

    pub(crate) fn open_epoll(&self) -> Number {
        self.open(FileKind::Epoll(Epoll::default()), false)
    }

    /// A file on which nothing ever happens.
    pub(crate) fn open_silent(&self) -> Number {
        self.open(FileKind::Counter(EventCounter::default()), true)
    }

    pub(crate) fn duplicate(&self, number: Number) -> Result<Number, Errno> {
        let fresh = self.fresh_number();
        self.files().duplicate(number, fresh)
    }

    pub(crate) fn close(&self, number: Number) -> Result<(), Errno> {
        let closed = self.files().close(number)?;
        // What closing it does happens with nothing locked.
        drop(closed);
        Ok(())
    }

    /// Whether its calls wait for nothing.
    pub(crate) fn is_nonblocking(&self, number: Number) -> Result<bool, Errno> {
        Ok(self.files().file(number)?.is_nonblocking)
    }

    pub(crate) fn set_nonblocking(&self, number: Number, is_nonblocking: bool) -> Result<(), Errno> {
        self.files().file(number)?.is_nonblocking = is_nonblocking;
        Ok(())
    }

    /// A process that is dead asks for nothing new: what still runs is a destructor.
    fn check_alive(&self) -> Result<(), Errno> {
        self.stop_dead_thread();
        if self.place.process.is_alive() { Ok(()) } else { Err(Errno(libc::ENOTCONN)) }
    }

    /// A thread of a dead process that goes on is stopped here, or it might try again for ever.
    fn stop_dead_thread(&self) {
        if let Some(coroutine) = Coroutine::current() {
            while !self.place.process.is_alive() {
                coroutine.rest(Rest::Forever);
            }
        }
    }

    /// Asks a file, which may not be able to answer yet: EAGAIN, where the call need not wait.
    fn ask<T>(
        &self,
        function: &'static str,
        number: Number,
        wait: CallWait,
        ask: impl Fn(&mut Files) -> CallAnswer<T>,
    ) -> Result<T, Errno> {
        let mut until = None;
        loop {
            let stirs = self.files().stirs();
            // Destructors of a dead process may ask what is open still: a runtime that shuts down wakes itself by its eventfd,
            // and panics where it cannot.
            let answer = ask(&mut self.files());
            match answer {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => {}
                Err(error) => {
                    self.stop_dead_thread();
                    return Err(error);
                }
            }
            if wait == CallWait::Never || self.is_nonblocking(number)? {
                return Err(Errno(libc::EAGAIN));
            }
            let Some(coroutine) = Coroutine::current() else {
                state::note_offence(Offence::Blocking { function });
                return Err(Errno(libc::EAGAIN));
            };
            let until = *until.get_or_insert_with(|| {
                let limit = self.files().limit(number, wait);
                limit.map(|limit| state::read_monotonic_clock() + limit)
            });
            let woken = coroutine.rest(Rest::Files { stirs, until });
            self.stop_dead_thread();
            if woken == Woken::TimedOut {
                return Err(Errno(libc::EAGAIN));
            }
        }
    }

    /// read(2), recv(2).
    pub(crate) fn read(
        &self,
        function: &'static str,
        number: Number,
        buffer: &mut [u8],
        flags: c_int,
    ) -> Result<usize, Errno> {
        let buffer = RefCell::new(buffer);
        self.ask(function, number, CallWait::to_receive(flags), |files| {
            let mut buffer = buffer.borrow_mut();
            let SystemFile { kind, waker, .. } = files.file(number)?;
            match kind {
                FileKind::Socket(socket) => socket.read(&mut buffer, flags, waker),
                FileKind::Pair(pair) => {
                    let read = pair.read(&mut buffer);
                    if read.is_none() {
                        pair.look(waker);
                    }
                    Ok(read)
                }
                FileKind::Counter(counter) => {
                    let Some(place) = buffer.first_chunk_mut::<8>() else { return Err(Errno(libc::EINVAL)) };
                    Ok(counter.read().map(|count| {
                        *place = count.to_ne_bytes();
                        place.len()
                    }))
                }
                FileKind::Epoll(_) => Err(Errno(libc::EINVAL)),
            }
        })
    }

    /// recvfrom(2) of a socket of UDP; none: it is another file.
    pub(crate) fn receive(
        &self,
        function: &'static str,
        number: Number,
        flags: c_int,
    ) -> Result<Option<Datagram>, Errno> {
        let is_datagram = |kind: &FileKind| matches!(kind, FileKind::Socket(socket) if socket.is_datagram());
        if !is_datagram(&self.files().file(number)?.kind) {
            return Ok(None);
        }
        let received = self.ask(function, number, CallWait::to_receive(flags), |files| {
            let (socket, waker) = files.socket(number)?;
            let (socket, _) = socket.datagram().ok_or(Errno(libc::ENOTSOCK))?;
            socket.receive(flags & libc::MSG_PEEK != 0, waker)
        });
        received.map(Some)
    }

    /// write(2), send(2), and sendto(2) with an address, which may be a wrong one.
    pub(crate) fn write(
        &self,
        function: &'static str,
        number: Number,
        (parts, to): (&[IoSlice<'_>], Result<Option<SocketAddr>, Errno>),
        flags: c_int,
    ) -> Result<usize, Errno> {
        self.ask(function, number, CallWait::to_send(flags), |files| {
            let SystemFile { kind, waker, .. } = files.file(number)?;
            match kind {
                FileKind::Socket(socket) => socket.write(function, to, parts, waker),
                FileKind::Pair(pair) => {
                    let written = pair.write(parts)?;
                    if written.is_none() {
                        pair.look(waker);
                    }
                    Ok(written)
                }
                FileKind::Counter(counter) => {
                    let bytes = parts.first().and_then(|part| part.first_chunk::<8>()).ok_or(Errno(libc::EINVAL))?;
                    let added = counter.add(u64::from_ne_bytes(*bytes));
                    if added.is_some() {
                        waker.wake_by_ref();
                    }
                    Ok(added.map(|()| bytes.len()))
                }
                FileKind::Epoll(_) => Err(Errno(libc::EINVAL)),
            }
        })
    }

    /// Asks a socket.
    pub(crate) fn socket<T>(
        &self,
        number: Number,
        ask: impl FnOnce(&mut SystemSocket) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        ask(self.files().socket(number)?.0)
    }

    /// accept4(2): the number of the next connection.
    pub(crate) fn accept(&self, number: Number, is_nonblocking: bool) -> Result<Number, Errno> {
        let accepted = self.ask("accept", number, CallWait::ToReceive, |files| {
            let (socket, waker) = files.socket(number)?;
            socket.accept(waker)
        })?;
        Ok(self.open(FileKind::Socket(accepted), is_nonblocking))
    }

    /// connect(2).
    pub(crate) fn connect(&self, number: Number, to: SocketAddr) -> Result<(), Errno> {
        self.check_alive()?;
        let begun = {
            let mut files = self.files();
            let (socket, waker) = files.socket(number)?;
            socket.connect(to, waker)?
        };
        match begun {
            Some(()) => Ok(()),
            None if self.is_nonblocking(number)? => Err(Errno(libc::EINPROGRESS)),
            None => {
                let connected = self.ask("connect", number, CallWait::ToSend, |files| {
                    let (socket, waker) = files.socket(number)?;
                    socket.connected(waker)
                });
                // A connection that takes longer than SO_SNDTIMEO goes on coming about.
                connected.map_err(|Errno(error)| Errno(if error == libc::EAGAIN { libc::EINPROGRESS } else { error }))
            }
        }
    }

    pub(crate) fn shutdown(&self, number: Number, how: c_int) -> Result<(), Errno> {
        let mut files = self.files();
        let file = files.file(number)?;
        let done = match &mut file.kind {
            FileKind::Socket(socket) => socket.shutdown(how),
            FileKind::Pair(pair) if how != libc::SHUT_RD => {
                pair.finish();
                Ok(())
            }
            FileKind::Pair(_) => Ok(()),
            FileKind::Counter(_) | FileKind::Epoll(_) => Err(Errno(libc::ENOTSOCK)),
        };
        // One of UDP that is not connected is shut down, and an error all the same.
        file.waker.wake_by_ref();
        done
    }

    /// epoll_ctl(2). Who watches a real file waits for ever: nothing of the real world happens in a trial.
    pub(crate) fn watch(
        &self,
        epoll: Number,
        number: Number,
        change: impl FnOnce(&mut Epoll, FileId) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let mut files = self.files();
        files.watch(epoll, number, change)?;
        // Whoever waits there looks again: what is watched from here on may be ready.
        files.file(epoll)?.waker.wake_by_ref();
        Ok(())
    }

    /// epoll_wait(2), without the wait.
    pub(crate) fn ready(&self, epoll: Number, most: usize) -> Result<Vec<Ready>, Errno> {
        self.files().ready(epoll, most)
    }
}

/// Threads.
impl Machine {
    fn threads(&self) -> MutexGuard<'_, Threads> {
        lock(&self.threads)
    }

    pub(crate) fn add_thread(&self, coroutine: Arc<Coroutine>, handle: libc::pthread_t) {
        self.has_threads.store(true, Ordering::Relaxed);
        self.threads().add(coroutine, handle);
    }

    /// A coroutine of this process has its first turn, on its own thread.
    pub(crate) fn begin_thread(&self) {
        CURRENT.set(self);
    }

    /// Lets every thread run that can, but for the trial's own, until none can; whether any did.
    pub(crate) fn run_threads(&self) -> bool {
        if !self.has_threads.load(Ordering::Relaxed) {
            return false;
        }
        for ran in 0..RUNS_AT_ONE_INSTANT_MAX {
            let called = {
                let stirs = self.files().stirs();
                let mut threads = self.threads();
                threads.call_due(state::read_monotonic_clock(), stirs);
                threads.next().or_else(|| {
                    threads.call_changed();
                    threads.next()
                })
            };
            let Some(called) = called else { return ran > 0 };
            let rest = called.run();
            self.threads().has_run(called.number, rest);
        }
        // They would go on for ever: the turn ends here, and with it the trial.
        state::end_turn(HostTurn::Stuck);
        false
    }

    /// Wakes at most so many that wait for a futex; how many.
    pub(crate) fn wake(&self, address: usize, most: usize) -> usize {
        self.threads().wake(address, most)
    }

    /// The trial's own thread waits for a futex while others run; whether it may go on.
    pub(crate) fn await_others(&self, address: usize, expected: u32) -> bool {
        loop {
            self.threads().await_on_main(address);
            let ran = self.run_threads();
            let is_woken = !self.threads().end_wait_of_main();
            if is_woken || read_futex(address) != expected {
                return true;
            }
            if !ran {
                return false;
            }
        }
    }

    /// Waits until a thread of this process has ended; one of another is none of its business.
    pub(crate) fn join(&self, handle: libc::pthread_t) {
        loop {
            let Some((number, false)) = self.threads().find(handle) else { return };
            match Coroutine::current() {
                Some(coroutine) => drop(coroutine.rest(Rest::Joining(number))),
                None if self.run_threads() => {}
                None => self.end_in_a_deadlock(),
            }
        }
    }

    /// When a thread goes on by itself, from now on.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        if !self.has_threads.load(Ordering::Relaxed) {
            return None;
        }
        let due = self.threads().next_due()?;
        Some(due.saturating_sub(state::read_monotonic_clock()))
    }

    /// A thread waits for something to happen to a file, or until a time of the monotonic clock; whether it was for nothing.
    pub(crate) fn rest_for_files(&self, coroutine: &Coroutine, until: Option<Duration>) -> Woken {
        let stirs = self.files().stirs();
        coroutine.rest(Rest::Files { stirs, until })
    }

    /// The trial's own thread waits for a thread that waits for it, or for time that cannot pass meanwhile: nothing will ever
    /// happen again, and no call can be left without an answer.
    pub(crate) fn end_in_a_deadlock(&self) -> ! {
        self.end_program_here(
            "is in a deadlock: the thread of its runtime waits for a lock or for a thread, and no other thread of the process \
             can go on before it does",
        )
    }

    /// The same as [`Machine::end_program`], with the frames that led to it.
    fn end_program_here(&self, why: &str) -> ! {
        let backtrace = std::backtrace::Backtrace::force_capture().to_string();
        self.end_program(&format!("{why}\n{}", own_frames(&backtrace).join("\n")))
    }

    /// What no call can return from ends the program, with the trial and the host.
    pub(crate) fn end_program(&self, why: &str) -> ! {
        let (trial, name) = (state::trial_name(), self.host_name());
        leave_thread();
        say(&format!("{trial}: host {name} {why}\n"));
        say(&state::last_words(name, why));
        // SAFETY: it ends the program at once; what std would still do is of a program that has lost its way.
        unsafe { libc::_exit(BROKEN_EXIT) }
    }
}

/// Names.
impl Machine {
    pub(crate) fn host_name(&self) -> String {
        self.place.net.fabric().name(self.place.host).to_owned()
    }

    /// What getpid(2) says: every process of the world has a number of its own.
    pub(crate) fn process_number(&self) -> libc::pid_t {
        self.number
    }

    /// What the world's resolver says of a name. A late answer is waited for: on the thread of a runtime, the process does
    /// nothing else meanwhile.
    pub(crate) fn resolve(&self, name: &str, family: Option<AddressFamily>) -> io::Result<IpAddr> {
        let (destination, takes) = self.place.net.fabric().resolve(self.place.host, name)?;
        match Coroutine::current() {
            _ if takes.is_zero() => {}
            Some(coroutine) => coroutine.sleep_until(state::read_monotonic_clock() + takes),
            None => self.place.process.wait(takes),
        }
        Ok(if family == Some(AddressFamily::V6) { destination.ipv6() } else { destination.ip() })
    }
}
