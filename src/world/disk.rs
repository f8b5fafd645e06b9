//! Disks: stores that outlive the process that writes to them, and what can become of them.
//!
//! Refuses to know what is stored, and why the power failed.
//!
//! A killed process loses nothing that it wrote: the kernel holds it (write(2) has returned). A handle of a dead
//! process answers every call with an error, so that its destructors cannot write after its death.
//!
//! What of a store survives the power:
//!
//! ```text
//!   clean --write, set_len--> at risk --sync--> clean
//!                                |
//!                                +--failing sync--> forgotten --written again and synced--> clean
//!   power-off:  at risk: lost, torn or reordered     forgotten: as before it was written
//! ```

mod harms;
mod store;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod torture;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::env::{Dice, Die, Disk, Storage};
use crate::fault::{DiskHarm, Landmark, Moment, Unsynced};
use crate::world::disk::harms::Harms;
use crate::world::disk::store::Store;
use crate::world::process::Process;

/// EIO of Linux, which std has no kind for.
const EIO: i32 = 5;

/// The disks of one host.
#[derive(Debug)]
pub(crate) struct Disks {
    stores: BTreeMap<String, Arc<Mutex<Store>>>,
    /// The bytes of each store as they were at some time.
    copies: BTreeMap<Duration, BTreeMap<String, Vec<u8>>>,
    harms: Arc<Mutex<Harms>>,
    seed: u64,
    host: String,
    /// Decides what survives the power.
    dice: Dice,
}

impl Disks {
    /// Empty disks of that host.
    pub(crate) fn new(seed: u64, host: &str) -> Self {
        Disks {
            stores: BTreeMap::new(),
            copies: BTreeMap::new(),
            harms: Arc::default(),
            seed,
            host: host.to_owned(),
            dice: Dice::named(seed, &Die::Disk { host }),
        }
    }

    /// Opens the store of that name for a process.
    pub(crate) fn open(&mut self, name: &str, process: &Process) -> io::Result<Disk> {
        let store = self.stores.entry(name.to_owned()).or_default().clone();
        if !lock(&store).hold(process) {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, format!("the store `{name}` is already open")));
        }
        Ok(Disk::new(DiskHandle { store, harms: self.harms.clone(), process: process.clone() }))
    }

    /// The fault of that number begins.
    pub(crate) fn begin(&mut self, number: u32, harm: DiskHarm) {
        let dice = Dice::named(self.seed, &Die::DiskFault { clause: number, host: &self.host });
        lock(&self.harms).begin(number, harm, dice);
    }

    /// The fault of that number ends; whether it ever had an effect.
    pub(crate) fn end(&mut self, number: u32) -> bool {
        lock(&self.harms).end(number)
    }

    /// The power fails: what was not synced is at risk. The process must be dead.
    pub(crate) fn power_off(&mut self, unsynced: Unsynced) {
        for store in self.stores.values() {
            lock(store).power_off(unsynced, &mut self.dice);
        }
    }

    /// The disks are empty from here on. The process must be dead.
    pub(crate) fn lose(&mut self) {
        self.stores.clear();
    }

    /// Keeps a copy of the disks as they are, by the time at which they are so.
    pub(crate) fn back_up(&mut self, at: Duration) {
        let copy = |(name, store): (&String, &Arc<Mutex<Store>>)| (name.clone(), lock(store).bytes().to_vec());
        self.copies.insert(at, self.stores.iter().map(copy).collect());
    }

    /// The disks are as they were at that time; empty, if no copy was made then. The process must be dead.
    pub(crate) fn restore(&mut self, from: Duration) {
        let copy = self.copies.remove(&from).unwrap_or_default();
        let restored = |(name, bytes)| (name, Arc::new(Mutex::new(Store::holding(bytes))));
        self.stores = copy.into_iter().map(restored).collect();
    }
}

/// A process's hold on a store.
#[derive(Debug)]
struct DiskHandle {
    store: Arc<Mutex<Store>>,
    harms: Arc<Mutex<Harms>>,
    process: Process,
}

impl DiskHandle {
    fn store(&self) -> io::Result<MutexGuard<'_, Store>> {
        if self.process.is_alive() {
            Ok(lock(&self.store))
        } else {
            Err(io::Error::other("the process that held this store is dead"))
        }
    }
}

/// A process may die at a landmark, and its host with it, but never under one of these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Storage for DiskHandle {
    fn len(&self) -> io::Result<u64> {
        Ok(self.store()?.bytes().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut store = self.store()?;
        store.read(offset, out, |page| lock(&self.harms).rot(page))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::StorageFull))?;
        let mut store = self.store()?;
        if len > store.bytes().len() {
            lock(&self.harms).take_space()?;
        }
        store.set_len(len);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.process.passes(Landmark::DurableWrite, Moment::Before);
        // It may have died there.
        drop(self.store()?);
        let (takes, fails) = lock(&self.harms).sync();
        if !takes.is_zero() {
            self.process.wait(takes);
        }
        if fails {
            self.store()?.forget();
            return Err(io::Error::from_raw_os_error(EIO));
        }
        self.store()?.sync();
        self.process.passes(Landmark::DurableWrite, Moment::After);
        self.store().map(drop)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut store = self.store()?;
        if store.needs_space(offset, data.len()) {
            lock(&self.harms).take_space()?;
        }
        store.grow(offset, data.len())?;
        store.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.store()?.release();
        Ok(())
    }
}
