//! What a process has open: descriptors, the files behind them, and who watches which.
//!
//! Refuses to know C. A number is never given twice in a trial, so that a late close of one process's descriptor closes
//! nothing of another's.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_int;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};
use std::time::Duration;

use crate::world::system::epoll::{Epoll, Ready};
use crate::world::system::error::Errno;
use crate::world::system::pair::{EventCounter, PairEnd};
use crate::world::system::socket::SystemSocket;

/// A descriptor.
pub(crate) type Number = c_int;

/// The first number of a simulated file. The kernel gives none so high: it ends at 2^20 unless its owner raises
/// fs.nr_open (proc(5)).
pub(crate) const FIRST_NUMBER: Number = 1 << 24;

/// Whether a number is one of a simulated file.
pub(crate) fn is_simulated(number: Number) -> bool {
    number >= FIRST_NUMBER
}

/// An open file: several descriptors may lead to it (dup(2)). It is called by its first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileId(pub(crate) Number);

/// What a file is.
pub(crate) enum FileKind {
    Socket(SystemSocket),
    Pair(PairEnd),
    Counter(EventCounter),
    Epoll(Epoll),
}

/// See the module.
pub(crate) struct SystemFile {
    pub(crate) kind: FileKind,
    pub(crate) is_nonblocking: bool,
    /// Tells of this file that something has happened to it.
    pub(crate) waker: Waker,
    holders: u32,
}

/// For what a call waits, if it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallWait {
    Never,
    ToReceive,
    ToSend,
}

impl CallWait {
    /// That of recv(2).
    pub(crate) fn to_receive(flags: c_int) -> Self {
        if flags & libc::MSG_DONTWAIT == 0 { CallWait::ToReceive } else { CallWait::Never }
    }

    /// That of send(2).
    pub(crate) fn to_send(flags: c_int) -> Self {
        if flags & libc::MSG_DONTWAIT == 0 { CallWait::ToSend } else { CallWait::Never }
    }
}

/// To which files something has happened.
#[derive(Default)]
struct Stirred {
    /// How often, to any.
    count: AtomicU64,
    /// To which, since anybody looked.
    files: Mutex<Vec<FileId>>,
}

impl Stirred {
    /// Changes places with a list that is empty: a wait is too short to make one.
    fn take(&self, into: &mut Vec<FileId>) {
        std::mem::swap(&mut *self.files.lock().unwrap_or_else(PoisonError::into_inner), into);
    }
}

struct FileWaker {
    file: FileId,
    stirred: Arc<Stirred>,
}

impl Wake for FileWaker {
    fn wake(self: Arc<Self>) {
        self.stirred.count.fetch_add(1, Ordering::Relaxed);
        self.stirred.files.lock().unwrap_or_else(PoisonError::into_inner).push(self.file);
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct Files {
    numbers: BTreeMap<Number, FileId>,
    open: BTreeMap<FileId, SystemFile>,
    epolls: BTreeSet<FileId>,
    stirred: Arc<Stirred>,
    /// What was stirred is looked at in here; kept for its room.
    looked_at: Vec<FileId>,
}

impl Files {
    /// Opens a file under a number that nobody had.
    pub(crate) fn open(&mut self, number: Number, kind: FileKind, is_nonblocking: bool) -> Number {
        let file = FileId(number);
        let waker = Waker::from(Arc::new(FileWaker { file, stirred: Arc::clone(&self.stirred) }));
        if let FileKind::Epoll(_) = kind {
            self.epolls.insert(file);
        }
        self.open.insert(file, SystemFile { kind, is_nonblocking, waker, holders: 1 });
        self.numbers.insert(number, file);
        number
    }

    /// How often something has happened to any file.
    pub(crate) fn stirs(&self) -> u64 {
        self.stirred.count.load(Ordering::Relaxed)
    }

    fn id(&self, number: Number) -> Result<FileId, Errno> {
        self.numbers.get(&number).copied().ok_or(Errno(libc::EBADF))
    }

    pub(crate) fn file(&mut self, number: Number) -> Result<&mut SystemFile, Errno> {
        let file = self.id(number)?;
        Ok(self.open.get_mut(&file).expect("a number leads to an open file"))
    }

    pub(crate) fn socket(&mut self, number: Number) -> Result<(&mut SystemSocket, &Waker), Errno> {
        match self.file(number)? {
            SystemFile { kind: FileKind::Socket(socket), waker, .. } => Ok((socket, waker)),
            SystemFile { kind: FileKind::Pair(_) | FileKind::Counter(_) | FileKind::Epoll(_), .. } => {
                Err(Errno(libc::ENOTSOCK))
            }
        }
    }

    /// How long a call on a file may wait at most; none: for ever.
    pub(crate) fn limit(&mut self, number: Number, wait: CallWait) -> Option<Duration> {
        let (socket, _) = self.socket(number).ok()?;
        match wait {
            CallWait::Never => None,
            CallWait::ToReceive => socket.options.receive_limit,
            CallWait::ToSend => socket.options.send_limit,
        }
    }

    /// dup(2): one more number for a file.
    pub(crate) fn duplicate(&mut self, number: Number, fresh: Number) -> Result<Number, Errno> {
        let file = self.id(number)?;
        self.file(number)?.holders += 1;
        self.numbers.insert(fresh, file);
        Ok(fresh)
    }

    /// close(2): the file that nobody holds any more.
    pub(crate) fn close(&mut self, number: Number) -> Result<Option<SystemFile>, Errno> {
        let file = self.numbers.remove(&number).ok_or(Errno(libc::EBADF))?;
        let open = self.open.get_mut(&file).expect("a number leads to an open file");
        open.holders -= 1;
        if open.holders > 0 {
            return Ok(None);
        }
        self.epolls.remove(&file);
        self.for_each_epoll(|epoll| epoll.forget(file));
        Ok(self.open.remove(&file))
    }

    fn for_each_epoll(&mut self, mut act: impl FnMut(&mut Epoll)) {
        for file in &self.epolls {
            if let Some(SystemFile { kind: FileKind::Epoll(epoll), .. }) = self.open.get_mut(file) {
                act(epoll);
            }
        }
    }

    /// epoll_ctl(2), of a file of this process.
    pub(crate) fn watch(
        &mut self,
        epoll: Number,
        number: Number,
        change: impl FnOnce(&mut Epoll, FileId) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let file = self.id(number)?;
        match &mut self.file(epoll)?.kind {
            FileKind::Epoll(epoll) => change(epoll, file),
            FileKind::Socket(_) | FileKind::Pair(_) | FileKind::Counter(_) => Err(Errno(libc::EINVAL)),
        }
    }

    /// epoll_wait(2), without the wait.
    pub(crate) fn ready(&mut self, epoll: Number, most: usize) -> Result<Vec<Ready>, Errno> {
        let id = self.id(epoll)?;
        let mut stirred = std::mem::take(&mut self.looked_at);
        self.stirred.take(&mut stirred);
        if !stirred.is_empty() {
            self.for_each_epoll(|epoll| stirred.iter().for_each(|file| epoll.wake(*file)));
            stirred.clear();
        }
        self.looked_at = stirred;
        let Some(SystemFile { kind: FileKind::Epoll(waiting), .. }) = self.open.get_mut(&id) else {
            return Err(Errno(libc::EINVAL));
        };
        if !waiting.has_listed() {
            return Ok(Vec::new());
        }
        // Taken out while it looks at the others.
        let mut waiting = std::mem::take(waiting);
        let told = waiting.take(most, |file| self.open.get_mut(&file).map_or(0, SystemFile::look));
        if let Some(SystemFile { kind: FileKind::Epoll(place), .. }) = self.open.get_mut(&id) {
            *place = waiting;
        }
        Ok(told)
    }
}

impl SystemFile {
    /// What it is ready for; its waker is told of what changes from here on.
    fn look(&mut self) -> u32 {
        match &mut self.kind {
            FileKind::Socket(socket) => socket.look(&self.waker),
            FileKind::Pair(pair) => pair.look(&self.waker),
            FileKind::Counter(counter) => counter.readiness(),
            FileKind::Epoll(epoll) => {
                if epoll.has_listed() {
                    libc::EPOLLIN.cast_unsigned()
                } else {
                    0
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: u32 = (libc::EPOLLIN | libc::EPOLLET).cast_unsigned();

    fn counter(count: u64) -> FileKind {
        FileKind::Counter(EventCounter { count, is_semaphore: false })
    }

    #[test]
    fn a_file_is_closed_when_its_last_number_is() {
        let mut files = Files::default();
        files.open(7, counter(0), true);
        files.duplicate(7, 8).expect("open");
        assert!(files.close(7).expect("open").is_none());
        assert!(files.file(7).is_err() && files.file(8).is_ok());
        assert!(files.close(8).expect("open").is_some());
        assert_eq!(files.close(8).map(|_| ()), Err(Errno(libc::EBADF)));
    }

    #[test]
    fn who_watches_hears_what_was_stirred() {
        let mut files = Files::default();
        files.open(1, FileKind::Epoll(Epoll::default()), true);
        files.open(2, counter(0), true);
        files.watch(1, 2, |epoll, file| epoll.add(file, 2, ANY, 99)).expect("watched");
        assert_eq!(files.ready(1, 8), Ok(vec![]));
        files.file(2).expect("open").kind = counter(3);
        files.file(2).expect("open").waker.wake_by_ref();
        assert_eq!(files.ready(1, 8).map(|told| told.len()), Ok(1));
        assert_eq!(files.ready(1, 8), Ok(vec![]));
        assert_eq!(files.ready(2, 8), Err(Errno(libc::EINVAL)));
    }
}
