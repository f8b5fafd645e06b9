//! The faults that lie on a host's disks at one time, and whether each was felt.
//!
//! Refuses to know the stores.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use rand::RngExt;

use crate::env::Dice;
use crate::fault::DiskHarm;

/// All of something, in hundredths of a percent.
const ALL: u32 = 10_000;

/// The faults, by number.
#[derive(Debug, Default)]
pub(crate) struct Harms(BTreeMap<u32, ActiveDiskHarm>);

#[derive(Debug)]
struct ActiveDiskHarm {
    harm: DiskHarm,
    dice: Dice,
    felt: bool,
    /// How many syncs it has seen.
    syncs: u32,
}

impl Harms {
    pub(crate) fn begin(&mut self, number: u32, harm: DiskHarm, dice: Dice) {
        self.0.insert(number, ActiveDiskHarm { harm, dice, felt: false, syncs: 0 });
    }

    /// Whether the fault was felt.
    pub(crate) fn end(&mut self, number: u32) -> bool {
        self.0.remove(&number).is_some_and(|ended| ended.felt)
    }

    /// A store needs more room.
    pub(crate) fn take_space(&mut self) -> io::Result<()> {
        let mut full = Ok(());
        for active in self.0.values_mut() {
            if active.harm == DiskHarm::Full {
                active.felt = true;
                full = Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on the disk"));
            }
        }
        full
    }

    /// A store is synced: how long that takes, and whether it fails.
    pub(crate) fn sync(&mut self) -> (Duration, bool) {
        let (mut takes, mut fails) = (Duration::ZERO, false);
        for active in self.0.values_mut() {
            match active.harm {
                DiskHarm::SyncFails { every } => {
                    active.syncs += 1;
                    if !active.syncs.is_multiple_of(every) {
                        continue;
                    }
                    fails = true;
                }
                DiskHarm::SlowSync { takes: longer } => takes += longer,
                DiskHarm::Full | DiskHarm::BitRot { .. } => continue,
            }
            active.felt = true;
        }
        (takes, fails)
    }

    /// A cold page of a store is read: perhaps one of its bits is wrong from here on.
    pub(crate) fn rot(&mut self, page: &mut [u8]) {
        for active in self.0.values_mut() {
            if let DiskHarm::BitRot { basis_points } = active.harm
                && active.dice.random_range(0..ALL) < basis_points
            {
                let bit = active.dice.random_range(0..page.len() * 8);
                page[bit / 8] ^= 1 << (bit % 8);
                active.felt = true;
            }
        }
    }
}
