//! The keys of faults that harm disks.
//!
//! Refuses to know the times of a fault.

use std::time::Duration;

use crate::fault::{DiskHarm, Fault};
use crate::grammar::section::Section;
use crate::sim::clause::pattern::{WITH_DISK, read_hosts};
use crate::sim::clause::plan::Scene;
use crate::sim::measure::{ANY_PERCENT, read_percent};

/// Linux calls a task hung that waits for so long (`hung_task_timeout_secs`), and says so.
const SLOWEST_SYNC: Duration = Duration::from_secs(120);

pub(crate) fn read_sync_fails(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Fault> {
    on_disks(section, scene, Some(DiskHarm::SyncFails))
}

pub(crate) fn read_full(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Fault> {
    on_disks(section, scene, Some(DiskHarm::Full))
}

pub(crate) fn read_slow_sync(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Fault> {
    let range = Duration::from_millis(1)..=SLOWEST_SYNC;
    let takes = section.required("takes", "takes = \"2s\"", |entry| entry.duration(range));
    on_disks(section, scene, takes.map(|takes| DiskHarm::SlowSync { takes: takes.value }))
}

pub(crate) fn read_bit_rot(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Fault> {
    let rate = section.required("rate", "rate = \"0.05%\"", |entry| read_percent(entry, ANY_PERCENT));
    on_disks(section, scene, rate.map(|rate| DiskHarm::BitRot { basis_points: rate.value }))
}

fn on_disks(section: &mut Section<'_>, scene: &Scene<'_>, harm: Option<DiskHarm>) -> Option<Fault> {
    let on = read_hosts(section, "on", scene.stage, &WITH_DISK);
    Some(Fault::Disk { on: on?, harm: harm? })
}
