//! `partition`: nothing passes between some hosts, both ways or one.

use std::fmt;
use std::time::Duration;

use toml_edit::Value;

use crate::fault::kind::{Drawn, Excuse, Hold, Kind, Target};
use crate::fault::links::read_between;
use crate::fault::read::Scene;
use crate::fault::{Between, Family, Harm, LinkHarm};
use crate::grammar::Section;

/// A partition that lasts as long ends a connection: TCP retransmits 15 times, 924.6 s in all (tcp(7), `tcp_retries2`).
const TCP_GIVES_UP: Duration = Duration::from_secs(924);

/// TCP retransmits until it heals or gives up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The links.
    pub between: Between,
}

impl Partition {
    pub(crate) const EXAMPLE: &'static str = "from = \"node\"\nto = \"proxy\"\none-way = true";
    pub(crate) const DRAWN: Option<Drawn> = Some(Drawn {
        family: Family::Partitions,
        lasts_min_ms: 1000,
        lasts_max_ms: 240000,
        fault: |draw| Partition { between: Between::draw(draw) }.into(),
    });

    pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Self> {
        let between = read_between(section, scene);
        Some(Partition { between: between? })
    }
}

impl Kind for Partition {
    fn target(&self) -> Target<'_> {
        Target::Links(&self.between)
    }

    fn harm(&self) -> Harm {
        Harm::Link { between: self.between.clone(), harm: LinkHarm::Partition }
    }

    fn keys(&self) -> Vec<(&'static str, Value)> {
        self.between.keys(Vec::new())
    }

    fn excuse(&self) -> Excuse {
        Excuse::Late { after: Duration::ZERO }
    }

    fn obstacle(&self, lasts: Duration) -> Option<&'static str> {
        match self.between.one_way {
            true => Some(
                "turmoil 0.7 has no retransmission: what a one-way partition drops is lost, and it leaves streams hung",
            ),
            false if lasts >= TCP_GIVES_UP => {
                Some("turmoil 0.7 holds messages for ever, where TCP gives a connection up after 924 s")
            }
            false => None,
        }
    }

    fn hold(&self) -> Hold<'_> {
        Hold::Link
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "nothing passes {}", self.between)
    }
}
