//! `name-dead`: some hosts are told the address of a host that is no more.

use crate::cast::HostName;
use crate::fault::hosts::DIALING;
use crate::fault::kind::{About, Excuse, Hold, Hosts, Kind};
use crate::fault::kinds::name::{self, TURMOIL_NAMES};
use crate::fault::{Answer, Harm, KernelHarm};

/// Nothing ever answers there. A storm draws it by `name-fails`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameDead {
    /// The name, that of a host.
    pub name: HostName,
}

impl Kind for NameDead {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"client-1\"\nname = \"proxy\"",
        falls_on: |_| DIALING,
        read: |section, scene| Some(NameDead { name: name::read(section, scene)? }),
        keys: |dead| vec![("name", (*dead.name).into())],
        told: |dead, hosts| format!("for {hosts} the name `{}` leads to a dead host", dead.name),
        harm: |dead, on| {
            let harm = KernelHarm::Name { name: dead.name.clone(), answer: Answer::Dead };
            Harm::Kernel { on, harm }
        },
        excuse: |_| Excuse::Nobody,
        hold: |dead| Hold::Name(&dead.name),
        obstacle: |_, _| Some(TURMOIL_NAMES),
        drawn: None,
    };
}
