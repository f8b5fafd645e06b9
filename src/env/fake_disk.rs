//! A disk in memory, for tests: it outlives those who open it, and may fail or rot.
//!
//! Refuses to know who tests what.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

use crate::env::Disk;

/// The disk; a clone is the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeDisk(Arc<Mutex<FakeBytes>>);

#[derive(Debug, Default)]
struct FakeBytes {
    bytes: Vec<u8>,
    /// None: without end.
    writes_left: Option<u32>,
}

impl FakeBytes {
    /// Counts a change or a sync.
    fn spend(&mut self) -> io::Result<()> {
        match &mut self.writes_left {
            None => Ok(()),
            Some(0) => Err(io::Error::other("the disk is dead")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    fn part(&mut self, offset: u64, len: usize) -> io::Result<&mut [u8]> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        self.bytes.get_mut(start..start + len).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl FakeDisk {
    /// One more opening.
    pub(crate) fn open(&self) -> Disk {
        Disk::new(self.clone())
    }

    /// From now on so many writes and syncs succeed, and then none.
    pub(crate) fn fail_after(&self, writes: u32) {
        self.bytes().writes_left = Some(writes);
    }

    /// Every write succeeds again.
    pub(crate) fn heal(&self) {
        self.bytes().writes_left = None;
    }

    /// Flips a bit of that byte.
    pub(crate) fn flip(&self, at: usize) {
        self.bytes().bytes[at] ^= 4;
    }

    /// Flips a bit of each place where `pattern` is stored, and tells how many there were.
    pub(crate) fn scribble(&self, pattern: &[u8]) -> usize {
        let bytes = self.bytes().bytes.clone();
        let found = (0..bytes.len() - pattern.len()).filter(|&at| bytes[at..].starts_with(pattern));
        found.inspect(|&at| self.flip(at)).count()
    }

    fn bytes(&self) -> MutexGuard<'_, FakeBytes> {
        self.0.lock().expect("no test panics with a lock in hand")
    }
}

impl StorageBackend for FakeDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        out.copy_from_slice(self.bytes().part(offset, out.len())?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = self.bytes();
        disk.spend()?;
        disk.bytes.resize(usize::try_from(len).map_err(io::Error::other)?, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.bytes().spend()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut disk = self.bytes();
        disk.spend()?;
        disk.part(offset, data.len())?.copy_from_slice(data);
        Ok(())
    }
}
