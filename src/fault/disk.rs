//! Harm to disks.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One kind of harm to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DiskHarm {
    /// fsync(2) fails with EIO, and what it should have kept is forgotten, as Linux does: a later success keeps
    /// only what was written after it.
    SyncFails,
    /// No byte more fits: ENOSPC for whatever would make a store longer.
    Full,
    /// fsync(2) takes so long, and the process waits for it.
    SlowSync {
        /// How long.
        takes: Duration,
    },
    /// A bit of what a process has not read or written since it started is wrong when it reads it at last.
    BitRot {
        /// So many of a hundred reads of a cold page, in hundredths of a percent.
        basis_points: u32,
    },
}
