//! `power-off`: the power of a host fails, at once or at a named point, and what it had not synced is at risk.

use std::time::Duration;

use crate::fault::kind::{About, Drawn, Excuse, Hold, Hosts, Kind};
use crate::fault::kinds::death::{self, KILLS_AT_A_POINT};
use crate::fault::words::word;
use crate::fault::{Death, Family, Harm, Point, ProcessHarm, Unsynced};

const FATES: [(&str, Unsynced); 3] =
    [("lost", Unsynced::Lost), ("torn", Unsynced::Torn), ("reordered", Unsynced::Reordered)];
const FIN: &str = "turmoil 0.7 closes the sockets of a host that goes down: its peers hear FIN instead of silence";

/// Silence; RST for old connections once the power is back, when the fault ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PowerOff {
    /// When, after the fault began; none is at once.
    pub point: Option<Point>,
    /// What becomes of writes that were never synced.
    pub unsynced: Unsynced,
}

impl Kind for PowerOff {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"node\"\nunsynced = \"torn\"\npoint = \"before durable-write 3\"",
        falls_on: |off| death::mortals(off.and_then(|off| off.point)),
        read: |section, _| {
            let fate = "fate of unsynced writes";
            let unsynced = section.optional("unsynced", Unsynced::Lost, |entry| entry.choice(fate, &FATES));
            Some(PowerOff { point: death::read_point(section)?, unsynced: unsynced?.value })
        },
        keys: |off| [death::keys(off.point), vec![("unsynced", word(&FATES, off.unsynced).into())]].concat(),
        told: |off, hosts| {
            let (at, fate) = (death::at(off.point), word(&FATES, off.unsynced));
            format!("the power of {hosts} fails{at}, unsynced writes are {fate}")
        },
        harm: |off, on| {
            let death = Death::PoweredOff(off.unsynced);
            Harm::Process { on, harm: ProcessHarm::Dies { death, point: off.point } }
        },
        excuse: |_| Excuse::Standstill { after: Duration::ZERO },
        hold: |_| Hold::Life { deed: "powers off", state: "dead" },
        obstacle: |at, _| Some(at.kind.point.map_or(FIN, |_| KILLS_AT_A_POINT)),
        drawn: Some(Drawn {
            family: Family::Power,
            lasts_ms: (1_000, 180_000),
            fault: |draw| {
                let on = draw.hosts(|_| true);
                let (_, unsynced) = *draw.one_of(&FATES);
                PowerOff { point: death::draw_point(draw, &on), unsynced }.on(on)
            },
        }),
    };
}
