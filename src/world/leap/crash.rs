//! What a death does to a host, in the right order: it is told, the process is dead, its kernel acts, then its disk.
//!
//! One handler serves both deaths from outside and those at a named point, which happen in the middle of a call.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::fault::Death;
use crate::world::disk::Disks;
use crate::world::engine::{CrashObserver, HostId};
use crate::world::net::Net;
use crate::world::process::Process;

#[derive(Clone)]
pub(crate) struct CrashHandler {
    pub(crate) host: HostId,
    pub(crate) name: Arc<str>,
    pub(crate) net: Net,
    /// Weak, because a disk knows the process that holds it, and that its crash handler.
    pub(crate) disks: Weak<Mutex<Disks>>,
    pub(crate) observer: Option<CrashObserver>,
}

impl CrashHandler {
    /// A process dies. Whatever it does from here on is without effect: nobody listens, its sockets and disks are dead
    /// to it.
    pub(crate) fn crash(&self, process: &Process, death: Death) {
        if let Some(observer) = &self.observer {
            observer(&self.name, death);
        }
        process.die();
        match death {
            Death::Killed | Death::DiskLost | Death::DiskRestored { .. } => self.net.fabric().kill(self.host),
            Death::PoweredOff(_) => self.cut_power(),
        }
        self.crash_disks(death);
    }

    /// The kernel is gone without a word.
    fn cut_power(&self) {
        // What was written before this instant is on the wire.
        self.net.fabric().send_unsent();
        self.net.fabric().power_off(self.host);
    }

    fn crash_disks(&self, death: Death) {
        let disks = self.disks.upgrade().expect("a host outlives its processes");
        let mut disks = disks.lock().unwrap_or_else(PoisonError::into_inner);
        match death {
            Death::Killed => {}
            Death::PoweredOff(unsynced) => disks.power_off(unsynced),
            Death::DiskLost => disks.lose(),
            Death::DiskRestored { from } => disks.restore(from),
        }
    }
}
