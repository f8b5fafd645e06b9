//! `backlog-full`: a listener accepts nothing: its queue of connections is full.

use crate::fault::hosts::ACCEPTING;
use crate::fault::kind::{About, Drawn, Excuse, Hold, Hosts, Kind};
use crate::fault::{Family, Harm, KernelHarm};

/// Dials are tried again and time out; open connections feel nothing, so nobody is excused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BacklogFull;

impl Kind for BacklogFull {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: r#"on = ["node", "proxy"]"#,
        falls_on: |_| ACCEPTING,
        read: |_, _| Some(BacklogFull),
        keys: |_| vec![],
        told: |_, hosts| format!("the backlog of {hosts} is full: no connection is accepted"),
        harm: |_, on| Harm::Kernel { on, harm: KernelHarm::BacklogFull },
        excuse: |_| Excuse::Nobody,
        hold: |_| Hold::Nothing,
        obstacle: |_, _| Some("turmoil 0.7 panics when a backlog is full"),
        drawn: Some(Drawn {
            family: Family::Connections,
            lasts_ms: (5_000, 120_000),
            fault: |draw| BacklogFull.on(draw.hosts(|host| host.abilities.accepts)),
        }),
    };
}
