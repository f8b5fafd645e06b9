//! `process-kill`: a process is killed (SIGKILL), at once or at a named point of its life.

use crate::fault::kind::{About, Drawn, Excuse, Hosts, Kind};
use crate::fault::kinds::death::{self, KILLS, KILLS_AT_A_POINT};
use crate::fault::{Death, Family, Harm, Point, ProcessHarm};

/// Its kernel closes its sockets, and keeps what it wrote; it starts again when the fault ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessKill {
    /// When, after the fault began; none is at once.
    pub point: Option<Point>,
}

impl Kind for ProcessKill {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: r#"on = "node""#,
        falls_on: |kill| death::mortals(kill.and_then(|kill| kill.point)),
        read: |section, _| Some(ProcessKill { point: death::read_point(section)? }),
        keys: |kill| death::keys(kill.point),
        told: |kill, hosts| format!("the process of {hosts} is killed{}", death::at(kill.point)),
        harm: |kill, on| Harm::Process { on, harm: ProcessHarm::Dies { death: Death::Killed, point: kill.point } },
        // Its streams end, and it has none before it is back.
        excuse: |_| Excuse::Nobody,
        hold: |_| KILLS,
        obstacle: |at, _| at.kind.point.map(|_| KILLS_AT_A_POINT),
        drawn: Some(Drawn {
            family: Family::Deaths,
            lasts_ms: (100, 120_000),
            fault: |draw| {
                let on = draw.hosts(|_| true);
                ProcessKill { point: death::draw_point(draw, &on) }.on(on)
            },
        }),
    };
}
