//! `name-slow`: some hosts wait for the answer to a name.

use std::time::Duration;

use crate::cast::HostName;
use crate::fault::hosts::DIALING;
use crate::fault::kind::{About, Excuse, Hold, Hosts, Kind};
use crate::fault::kinds::name::{self, TURMOIL_NAMES};
use crate::fault::{Answer, Harm, KernelHarm};
use crate::grammar::spell;

/// A resolver asks three servers twice and waits 5 s for each (resolv.conf(5), `timeout` and `attempts`); with the longest
/// `timeout` that there is, 30 s, it is three minutes.
const ANSWER_MAX: Duration = Duration::from_secs(180);

/// The answer is right, and late. A storm does not draw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameSlow {
    /// The name, that of a host.
    pub name: HostName,
    /// How long the answer takes.
    pub takes: Duration,
}

impl Kind for NameSlow {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"client-1\"\nname = \"proxy\"\ntakes = \"5s\"",
        falls_on: |_| DIALING,
        read: |section, scene| {
            let name = name::read(section, scene);
            let range = Duration::from_millis(1)..=ANSWER_MAX;
            let takes = section.required("takes", "takes = \"5s\"", |entry| entry.duration(range));
            Some(NameSlow { name: name?, takes: takes?.value })
        },
        keys: |slow| vec![("name", (*slow.name).into()), ("takes", spell(slow.takes).into())],
        told: |slow, hosts| format!("for {hosts} the name `{}` takes {} to resolve", slow.name, spell(slow.takes)),
        harm: |slow, on| {
            let answer = Answer::Late { takes: slow.takes };
            Harm::Kernel { on, harm: KernelHarm::Name { name: slow.name.clone(), answer } }
        },
        excuse: |_| Excuse::Nobody,
        hold: |slow| Hold::Name(&slow.name),
        obstacle: |_, _| Some(TURMOIL_NAMES),
        drawn: None,
    };
}
