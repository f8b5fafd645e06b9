//! `slow-sync`: fsync(2) takes long, and the process waits for it.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use toml_edit::Value;

use crate::cast::HostName;
use crate::fault::hosts::{WITH_DISK, read_on};
use crate::fault::kind::{Drawn, Excuse, Kind, Target};
use crate::fault::read::Scene;
use crate::fault::words::Hosts;
use crate::fault::{DiskHarm, Family, Harm, write};
use crate::grammar::{Section, spell};

/// Linux calls a task hung that waits for so long (`hung_task_timeout_secs`), and says so.
const SYNC_MAX: Duration = Duration::from_secs(120);

/// It does nothing else meanwhile; several slow syncs add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowSync {
    /// The hosts.
    pub on: BTreeSet<HostName>,
    /// How long.
    pub takes: Duration,
}

impl SlowSync {
    pub(crate) const EXAMPLE: &'static str = "on = \"node\"\ntakes = \"2s\"";
    pub(crate) const DRAWN: Option<Drawn> = Some(Drawn {
        family: Family::Disks,
        lasts_min_ms: 5000,
        lasts_max_ms: 180000,
        fault: |draw| {
            let takes = draw.time(50, 5_000);
            SlowSync { on: draw.hosts(|host| host.abilities.stores), takes }.into()
        },
    });

    pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Self> {
        let range = Duration::from_millis(1)..=SYNC_MAX;
        let takes = section.required("takes", "takes = \"2s\"", |entry| entry.duration(range));
        let on = read_on(section, scene, &WITH_DISK);
        Some(SlowSync { on: on?, takes: takes?.value })
    }
}

impl Kind for SlowSync {
    fn target(&self) -> Target<'_> {
        Target::Hosts(&self.on)
    }

    fn harm(&self) -> Harm {
        Harm::Disk { on: self.on.clone(), harm: DiskHarm::SlowSync { takes: self.takes } }
    }

    fn keys(&self) -> Vec<(&'static str, Value)> {
        vec![("on", write::hosts(&self.on)), ("takes", spell(self.takes).into())]
    }

    fn excuse(&self) -> Excuse {
        Excuse::Standstill { after: self.takes }
    }

    fn obstacle(&self, _lasts: Duration) -> Option<&'static str> {
        Some("turmoil 0.7 runs every host in every tick: none can wait for its disk")
    }
}

impl fmt::Display for SlowSync {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the disk of {} takes {} to sync", Hosts(&self.on), spell(self.takes))
    }
}
