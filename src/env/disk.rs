//! A disk that an actor asked for: the bytes of one store, at any place.
//!
//! Refuses to know what is stored, and whether the bytes lie in a file or in an invented world.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where a store's bytes lie. Calls may come from any thread, one at a time for one store.
pub trait Storage: fmt::Debug + Send + Sync {
    /// How many bytes there are.
    ///
    /// # Errors
    /// The storage fails.
    fn len(&self) -> io::Result<u64>;

    /// Whether there are none.
    ///
    /// # Errors
    /// The storage fails.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `out` from that offset.
    ///
    /// # Errors
    /// There are fewer bytes, or the storage fails.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Writes there; beyond the end the store grows, and what lies between is zeros.
    ///
    /// # Errors
    /// There is no room, or the storage fails; then any part of `data` may be there.
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Cuts off what lies beyond, or grows by zeros.
    ///
    /// # Errors
    /// As [`Storage::write`].
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// When it returns, what was written survives a loss of power (fdatasync(2)).
    ///
    /// # Errors
    /// What was written since the last sync may be lost, and no later sync keeps it (fsync(2)).
    fn sync(&self) -> io::Result<()>;

    /// Gives the store back, so that it can be opened again.
    ///
    /// # Errors
    /// The storage fails.
    fn close(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A store's bytes; closed when it is dropped.
#[derive(Debug)]
pub struct Disk(Box<dyn Storage>);

impl Disk {
    /// Wraps a storage.
    pub fn new(storage: impl Storage + 'static) -> Self {
        Disk(Box::new(storage))
    }
}

impl std::ops::Deref for Disk {
    type Target = dyn Storage;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It may fail where its process is dead: then nobody holds the store.
        self.0.close().ok();
    }
}

/// A storage in memory, without faults; a clone is the same one.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage(Arc<Mutex<Vec<u8>>>);

impl MemoryStorage {
    /// Its bytes, to look at and to change.
    pub fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for MemoryStorage {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (bytes, start) = (self.bytes(), in_memory(offset)?);
        let part = start.checked_add(out.len()).and_then(|end| bytes.get(start..end));
        out.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let start = in_memory(offset)?;
        let end = start.checked_add(data.len()).ok_or(io::ErrorKind::StorageFull)?;
        let mut bytes = self.bytes();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[start..end].copy_from_slice(data);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.bytes().resize(in_memory(len)?, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

fn in_memory(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::ErrorKind::StorageFull.into())
}
