//! `process-kill`: a process is killed (SIGKILL), at once or at a named point of its life.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use toml_edit::Value;

use crate::cast::HostName;
use crate::fault::kind::{Drawn, Excuse, Hold, Kind, Target};
use crate::fault::kinds::death::{self, KILLS, KILLS_AT_A_POINT};
use crate::fault::read::Scene;
use crate::fault::words::Hosts;
use crate::fault::{Death, Family, Harm, Point, ProcessHarm};
use crate::grammar::Section;

/// Its kernel closes its sockets, and keeps what it wrote; it starts again when the fault ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessKill {
    /// The hosts.
    pub on: BTreeSet<HostName>,
    /// When, after the fault began; none is at once.
    pub point: Option<Point>,
}

impl ProcessKill {
    pub(crate) const EXAMPLE: &'static str = "on = \"node\"";
    pub(crate) const DRAWN: Option<Drawn> = Some(Drawn {
        family: Family::Deaths,
        lasts_min_ms: 100,
        lasts_max_ms: 120_000,
        fault: |draw| {
            let on = draw.hosts(|_| true);
            let point = death::draw_point(draw, &on);
            ProcessKill { on, point }.into()
        },
    });

    pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Self> {
        let (on, point) = death::read_mortals(section, scene)?;
        Some(ProcessKill { on, point })
    }
}

impl Kind for ProcessKill {
    fn target(&self) -> Target<'_> {
        Target::Hosts(&self.on)
    }

    fn harm(&self) -> Harm {
        Harm::Process { on: self.on.clone(), harm: ProcessHarm::Dies { death: Death::Killed, point: self.point } }
    }

    fn keys(&self) -> Vec<(&'static str, Value)> {
        death::keys(&self.on, self.point)
    }

    /// Its streams end, and it has none before it is back.
    fn excuse(&self) -> Excuse {
        Excuse::Nobody
    }

    fn obstacle(&self, _lasts: Duration) -> Option<&'static str> {
        self.point.map(|_| KILLS_AT_A_POINT)
    }

    fn hold(&self) -> Hold<'_> {
        KILLS
    }
}

impl fmt::Display for ProcessKill {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the process of {} is killed{}", Hosts(&self.on), death::at(self.point))
    }
}
