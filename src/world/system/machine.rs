//! The machine that a process runs on, as its system calls see it; a trial's thread knows whose turn it is.
//!
//! Refuses to know C: `symbols` reads arguments and gives answers.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::c_int;
use std::io::IoSlice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::world::sandbox::offence::{self, Offence};
use crate::world::system::address::Family;
use crate::world::system::epoll::{Epoll, Ready};
use crate::world::system::error::Errno;
use crate::world::system::files::{FIRST_NUMBER, FileId, FileKind, Files, Number, OpenFile};
use crate::world::system::pair::PairEnd;
use crate::world::system::socket::{Answer, Place, SystemSocket};

thread_local! {
    static CURRENT: RefCell<Option<Arc<Machine>>> = const { RefCell::new(None) };
}

/// See the module.
pub(crate) struct Machine {
    pub(crate) place: Place,
    files: Mutex<Files>,
    kept: Mutex<Vec<Arc<dyn Any + Send + Sync>>>,
}

/// Until it is dropped, system calls of this thread are of a machine.
pub(crate) struct Entered(Option<Arc<Machine>>);

/// From here on system calls of this thread are of that machine.
pub(crate) fn enter(machine: &Arc<Machine>) -> Entered {
    Entered(CURRENT.replace(Some(Arc::clone(machine))))
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// The machine whose turn it is on this thread.
pub(crate) fn current() -> Option<Arc<Machine>> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// Keeps a value for whoever asks for it in the process whose turn it is, until that dies; one of each type.
pub fn keep_in_process<T: Any + Send + Sync>(value: Arc<T>) {
    if let Some(machine) = current() {
        let mut kept = lock(&machine.kept);
        kept.retain(|other| !other.is::<T>());
        kept.push(value);
    }
}

/// What was kept for the process whose turn it is; none outside of a trial.
#[must_use]
pub fn kept_in_process<T: Any + Send + Sync>() -> Option<Arc<T>> {
    let machine = current()?;
    let kept = lock(&machine.kept);
    kept.iter().find_map(|value| Arc::clone(value).downcast::<T>().ok())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Machine {
    pub(crate) fn new(place: Place) -> Self {
        Machine { place, files: Mutex::default(), kept: Mutex::default() }
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

    pub(crate) fn open_socket(&self, family: Family, is_nonblocking: bool) -> Number {
        let socket = SystemSocket::new(self.place.clone(), family);
        self.open(FileKind::Socket(socket), is_nonblocking)
    }

    pub(crate) fn open_pair(&self, is_nonblocking: bool) -> [Number; 2] {
        PairEnd::new_pair().map(|end| self.open(FileKind::Pair(end), is_nonblocking))
    }

    pub(crate) fn open_epoll(&self) -> Number {
        self.open(FileKind::Epoll(Epoll::default()), false)
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

    /// Asks a file, which may not be able to answer yet: EAGAIN, where the call need not wait.
    fn ask<T>(
        &self,
        function: &'static str,
        number: Number,
        is_patient: bool,
        ask: impl Fn(&mut Files) -> Answer<T>,
    ) -> Result<T, Errno> {
        if let Some(answer) = ask(&mut self.files())? {
            return Ok(answer);
        }
        if is_patient && !self.is_nonblocking(number)? {
            offence::note(Offence::Blocking { function });
        }
        Err(Errno(libc::EAGAIN))
    }

    /// read(2), recv(2).
    pub(crate) fn read(
        &self,
        function: &'static str,
        number: Number,
        buffer: &mut [u8],
        flags: c_int,
    ) -> Result<usize, Errno> {
        let is_peek = flags & libc::MSG_PEEK != 0;
        let buffer = RefCell::new(buffer);
        self.ask(function, number, flags & libc::MSG_DONTWAIT == 0, |files| {
            let mut buffer = buffer.borrow_mut();
            let OpenFile { kind, waker, .. } = files.file(number)?;
            match kind {
                FileKind::Socket(socket) => socket.read(&mut buffer, is_peek, waker),
                FileKind::Pair(pair) => Ok(pair.read(&mut buffer)),
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

    /// write(2), send(2).
    pub(crate) fn write(
        &self,
        function: &'static str,
        number: Number,
        parts: &[IoSlice<'_>],
        flags: c_int,
    ) -> Result<usize, Errno> {
        self.ask(function, number, flags & libc::MSG_DONTWAIT == 0, |files| {
            let OpenFile { kind, waker, .. } = files.file(number)?;
            match kind {
                FileKind::Socket(socket) => socket.write(parts, waker),
                FileKind::Pair(pair) => pair.write(parts),
                FileKind::Counter(counter) => {
                    let bytes = parts.first().and_then(|part| part.first_chunk::<8>()).ok_or(Errno(libc::EINVAL))?;
                    let added = counter.add(u64::from_ne_bytes(*bytes));
                    waker.wake_by_ref();
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
        let accepted = self.ask("accept", number, true, |files| {
            let (socket, waker) = files.socket(number)?;
            socket.accept(waker)
        })?;
        Ok(self.open(FileKind::Socket(accepted), is_nonblocking))
    }

    /// connect(2).
    pub(crate) fn connect(&self, number: Number, to: std::net::SocketAddr) -> Result<(), Errno> {
        let begun = {
            let mut files = self.files();
            let (socket, waker) = files.socket(number)?;
            socket.connect(to, waker)?
        };
        match begun {
            Some(()) => Ok(()),
            None if self.is_nonblocking(number)? => Err(Errno(libc::EINPROGRESS)),
            None => self.ask("connect", number, true, |files| {
                let (socket, waker) = files.socket(number)?;
                socket.connected(waker)
            }),
        }
    }

    pub(crate) fn shutdown(&self, number: Number, how: c_int) -> Result<(), Errno> {
        let mut files = self.files();
        let file = files.file(number)?;
        match &mut file.kind {
            FileKind::Socket(socket) => socket.shutdown(how)?,
            FileKind::Pair(pair) if how != libc::SHUT_RD => pair.finish(),
            FileKind::Pair(_) => {}
            FileKind::Counter(_) | FileKind::Epoll(_) => return Err(Errno(libc::ENOTSOCK)),
        }
        file.waker.wake_by_ref();
        Ok(())
    }

    /// epoll_ctl(2). Who watches a real file waits for ever: nothing of the real world happens in a trial.
    pub(crate) fn watch(
        &self,
        epoll: Number,
        number: Number,
        change: impl FnOnce(&mut Epoll, FileId) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        self.files().watch(epoll, number, change)
    }

    /// epoll_wait(2), without the wait.
    pub(crate) fn ready(&self, epoll: Number, most: usize) -> Result<Vec<Ready>, Errno> {
        self.files().ready(epoll, most)
    }
}
