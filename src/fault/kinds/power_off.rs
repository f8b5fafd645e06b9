//! `power-off`: the power of a host fails, at once or at a named point, and what it had not synced is at risk.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use toml_edit::Value;

use crate::cast::HostName;
use crate::fault::kind::{Drawn, Excuse, Hold, Kind, Target};
use crate::fault::kinds::death::{self, KILLS_AT_A_POINT};
use crate::fault::read::Scene;
use crate::fault::words::Hosts;
use crate::fault::{Death, Family, Harm, Point, ProcessHarm, Unsynced};
use crate::grammar::Section;

/// Silence; RST for old connections once the power is back, when the fault ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PowerOff {
    /// The hosts.
    pub on: BTreeSet<HostName>,
    /// When, after the fault began; none is at once.
    pub point: Option<Point>,
    /// What becomes of writes that were never synced.
    pub unsynced: Unsynced,
}

const FATES: [(&str, Unsynced); 3] =
    [("lost", Unsynced::Lost), ("torn", Unsynced::Torn), ("reordered", Unsynced::Reordered)];

impl PowerOff {
    pub(crate) const EXAMPLE: &'static str = "on = \"node\"\nunsynced = \"torn\"\npoint = \"before durable-write 3\"";
    pub(crate) const DRAWN: Option<Drawn> = Some(Drawn {
        family: Family::Power,
        lasts_min_ms: 1_000,
        lasts_max_ms: 180_000,
        fault: |draw| {
            let on = draw.hosts(|_| true);
            let (_, unsynced) = *draw.one_of(&FATES);
            let point = death::draw_point(draw, &on);
            PowerOff { on, point, unsynced }.into()
        },
    });

    pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Self> {
        let unsynced =
            section.optional("unsynced", Unsynced::Lost, |entry| entry.choice("fate of unsynced writes", &FATES));
        let (on, point) = death::read_mortals(section, scene)?;
        Some(PowerOff { on, point, unsynced: unsynced?.value })
    }

    fn fate(&self) -> &'static str {
        FATES.iter().find(|(_, fate)| *fate == self.unsynced).map_or("", |(word, _)| word)
    }
}

impl Kind for PowerOff {
    fn target(&self) -> Target<'_> {
        Target::Hosts(&self.on)
    }

    fn harm(&self) -> Harm {
        let death = Death::PoweredOff(self.unsynced);
        Harm::Process { on: self.on.clone(), harm: ProcessHarm::Dies { death, point: self.point } }
    }

    fn keys(&self) -> Vec<(&'static str, Value)> {
        let mut keys = death::keys(&self.on, self.point);
        keys.push(("unsynced", self.fate().into()));
        keys
    }

    fn excuse(&self) -> Excuse {
        Excuse::Standstill { after: Duration::ZERO }
    }

    fn obstacle(&self, _lasts: Duration) -> Option<&'static str> {
        const FIN: &str =
            "turmoil 0.7 closes the sockets of a host that goes down: its peers hear FIN instead of silence";
        Some(if self.point.is_some() { KILLS_AT_A_POINT } else { FIN })
    }

    fn hold(&self) -> Hold<'_> {
        Hold::Life { deed: "powers off", state: "dead" }
    }
}

impl fmt::Display for PowerOff {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hosts, at) = (Hosts(&self.on), death::at(self.point));
        write!(formatter, "the power of {hosts} fails{at}, unsynced writes are {}", self.fate())
    }
}
