//! `bandwidth`: few bytes pass on some links, over all connections together.

use std::fmt;
use std::time::Duration;

use toml_edit::Value;

use crate::fault::kind::{Drawn, Excuse, Hold, Kind, Target};
use crate::fault::links::read_between;
use crate::fault::read::Scene;
use crate::fault::{Between, Family, Harm, LinkHarm};
use crate::grammar::measure::read_bandwidth;
use crate::grammar::{Section, spell_size};

/// A link sends one segment after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NarrowLink {
    /// The links.
    pub between: Between,
    /// How many bytes pass.
    pub bytes_per_second: u64,
}

impl NarrowLink {
    pub(crate) const EXAMPLE: &'static str = "from = \"node\"\nrate = \"64KiB/s\"";
    pub(crate) const DRAWN: Option<Drawn> = Some(Drawn {
        family: Family::SlowLinks,
        lasts_min_ms: 5000,
        lasts_max_ms: 180000,
        fault: |draw| {
            // From a modem to a bad mobile network.
            let bytes_per_second = draw.spread(4 << 10, 256 << 10);
            NarrowLink { between: Between::draw(draw), bytes_per_second }.into()
        },
    });

    pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Self> {
        let rate = section.required("rate", "rate = \"64KiB/s\"", read_bandwidth);
        let between = read_between(section, scene);
        Some(NarrowLink { between: between?, bytes_per_second: rate?.value })
    }
}

impl Kind for NarrowLink {
    fn target(&self) -> Target<'_> {
        Target::Links(&self.between)
    }

    fn harm(&self) -> Harm {
        Harm::Link {
            between: self.between.clone(),
            harm: LinkHarm::Bandwidth { bytes_per_second: self.bytes_per_second },
        }
    }

    fn keys(&self) -> Vec<(&'static str, Value)> {
        self.between.keys(vec![("rate", format!("{}/s", spell_size(self.bytes_per_second)).into())])
    }

    fn excuse(&self) -> Excuse {
        Excuse::Late { after: Duration::ZERO }
    }

    fn obstacle(&self, _lasts: Duration) -> Option<&'static str> {
        Some("turmoil 0.7 has no bandwidth")
    }

    fn hold(&self) -> Hold<'_> {
        Hold::Bandwidth
    }
}

impl fmt::Display for NarrowLink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/s pass {}", spell_size(self.bytes_per_second), self.between)
    }
}
