//! Disks: stores that outlive the process that writes to them.
//!
//! A killed process loses nothing that it wrote: the kernel holds it (write(2) has returned). Losing
//! unsynced writes takes a power-off. A handle of a dead process answers every call with an error, so that
//! its destructors cannot write after its death.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redb::StorageBackend;

use crate::env::Disk;
use crate::fault::{DiskHarm, Landmark, Moment, Unsynced};
use crate::world::process::Process;

/// The disks of one host.
#[derive(Debug, Default)]
pub(crate) struct Disks {
    stores: BTreeMap<String, Arc<Mutex<Store>>>,
}

#[derive(Debug, Default)]
struct Store {
    bytes: Vec<u8>,
    holder: Option<Process>,
}

impl Disks {
    /// Opens the store of that name for a process.
    pub(crate) fn open(&mut self, name: &str, process: &Process) -> io::Result<Disk> {
        let store = self.stores.entry(name.to_owned()).or_default().clone();
        let mut locked = lock(&store);
        if locked.holder.as_ref().is_some_and(Process::is_alive) {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, format!("the store `{name}` is already open")));
        }
        locked.holder = Some(process.clone());
        drop(locked);
        Ok(Disk::new(Handle { store, process: process.clone() }))
    }
}

#[derive(Debug)]
struct Handle {
    store: Arc<Mutex<Store>>,
    process: Process,
}

impl Handle {
    fn store(&self) -> io::Result<std::sync::MutexGuard<'_, Store>> {
        if self.process.is_alive() {
            Ok(lock(&self.store))
        } else {
            Err(io::Error::other("the process that held this store is dead"))
        }
    }
}

fn lock(store: &Mutex<Store>) -> std::sync::MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

fn range(offset: u64, len: usize, size: usize) -> io::Result<std::ops::Range<usize>> {
    usize::try_from(offset)
        .ok()
        .and_then(|start| Some(start..start.checked_add(len)?))
        .filter(|range| range.end <= size)
        .ok_or_else(|| {
            let message = format!("{len} bytes at {offset} lie beyond the store's {size} bytes");
            io::Error::new(io::ErrorKind::UnexpectedEof, message)
        })
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(self.store()?.bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let store = self.store()?;
        out.copy_from_slice(&store.bytes[range(offset, out.len(), store.bytes.len())?]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::StorageFull))?;
        self.store()?.bytes.resize(len, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.process.passes(Landmark::DurableWrite, Moment::Before);
        drop(self.store()?);
        self.process.passes(Landmark::DurableWrite, Moment::After);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut store = self.store()?;
        let range = range(offset, data.len(), store.bytes.len())?;
        store.bytes[range].copy_from_slice(data);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.store()?.holder = None;
        Ok(())
    }
}

/// Replaced at the merge.
impl Disks {
    pub(crate) fn new(_seed: u64, _host: &str) -> Self {
        Disks::default()
    }

    pub(crate) fn begin(&mut self, _number: u32, _harm: DiskHarm) {}

    pub(crate) fn end(&mut self, _number: u32) -> bool {
        false
    }

    pub(crate) fn power_off(&mut self, _unsynced: Unsynced) {}

    pub(crate) fn lose(&mut self) {}

    pub(crate) fn back_up(&mut self, _at: Duration) {}

    pub(crate) fn restore(&mut self, _from: Duration) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_outlives_the_process_that_wrote_it() {
        let mut disks = Disks::default();
        let first = Process::begin();
        let handle = disks.open("log", &first).expect("opened");
        handle.set_len(4).expect("alive");
        handle.write(1, b"ab").expect("alive");
        first.die();
        assert!(handle.write(0, b"x").is_err(), "a dead process wrote");
        let mut bytes = [9; 4];
        disks.open("log", &Process::begin()).expect("opened").read(0, &mut bytes).expect("alive");
        assert_eq!(&bytes, b"\0ab\0");
    }

    #[test]
    fn a_store_has_one_holder_at_a_time() {
        let mut disks = Disks::default();
        let process = Process::begin();
        let handle = disks.open("log", &process).expect("opened");
        assert!(disks.open("log", &process).is_err());
        handle.close().expect("alive");
        assert!(disks.open("log", &process).is_ok());
    }

    #[test]
    fn access_beyond_the_end_is_an_error() {
        let handle = Disks::default().open("log", &Process::begin()).expect("opened");
        assert!(handle.read(0, &mut [0]).is_err());
        assert!(handle.write(u64::MAX, b"x").is_err());
    }
}
