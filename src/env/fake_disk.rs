//! A disk in memory, for tests: it outlives those who open it, may fail or rot, and forgets with the power what was not synced.
//!
//! Refuses to know who tests what.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::env::{Disk, MemoryStorage, Storage};

/// The disk; a clone is the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeDisk {
    storage: MemoryStorage,
    state: Arc<Mutex<FakeState>>,
}

#[derive(Debug, Default)]
struct FakeState {
    /// The bytes as they were at the last sync.
    synced: Vec<u8>,
    /// None: without end.
    writes_left: Option<u32>,
    /// Of the syncs that succeeded.
    syncs: u32,
    /// Beyond so many bytes there is no room; none: without end.
    room: Option<u64>,
}

impl FakeDisk {
    /// One more opening.
    pub(crate) fn open(&self) -> Disk {
        Disk::new(self.clone())
    }

    /// From now on so many writes and syncs succeed, and then none.
    pub(crate) fn fail_after(&self, writes: u32) {
        self.state().writes_left = Some(writes);
    }

    /// From now on it is full when it has so many bytes: of what goes beyond, the beginning is written.
    pub(crate) fn fill_at(&self, bytes: u64) {
        self.state().room = Some(bytes);
    }

    /// Every write succeeds again.
    pub(crate) fn heal(&self) {
        let mut state = self.state();
        (state.writes_left, state.room) = (None, None);
    }

    /// The power fails: what was not synced is gone.
    pub(crate) fn power_off(&self) {
        self.storage.bytes().clone_from(&self.state().synced);
    }

    /// How often it was synced.
    pub(crate) fn syncs(&self) -> u32 {
        self.state().syncs
    }

    /// Its bytes, to look at and to change.
    pub(crate) fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.storage.bytes()
    }

    /// Flips a bit of that byte.
    pub(crate) fn flip(&self, at: usize) {
        self.bytes()[at] ^= 4;
    }

    /// Flips a bit of each place where `pattern` is stored, and tells how many there were.
    pub(crate) fn scribble(&self, pattern: &[u8]) -> usize {
        let bytes = self.bytes().clone();
        let found = (0..bytes.len() - pattern.len()).filter(|&at| bytes[at..].starts_with(pattern));
        found.inspect(|&at| self.flip(at)).count()
    }

    /// Counts a change or a sync.
    fn spend(&self) -> io::Result<()> {
        match &mut self.state().writes_left {
            None => Ok(()),
            Some(0) => Err(io::Error::other("the disk is dead")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, FakeState> {
        self.state.lock().expect("no test panics with a lock in hand")
    }
}

impl Storage for FakeDisk {
    fn len(&self) -> io::Result<u64> {
        self.storage.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.storage.read(offset, out)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.spend()?;
        let room = self.state().room.filter(|room| *room < offset + data.len() as u64);
        let fits = room.map(|room| usize::try_from(room.saturating_sub(offset)).unwrap_or(usize::MAX));
        self.storage.write(offset, &data[..fits.unwrap_or(data.len())])?;
        fits.map_or(Ok(()), |_| Err(io::ErrorKind::StorageFull.into()))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.spend()?;
        self.storage.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.spend()?;
        let mut state = self.state();
        state.synced.clone_from(&self.storage.bytes());
        state.syncs += 1;
        Ok(())
    }
}
