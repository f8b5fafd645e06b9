//! `mtu-black-hole`: large segments vanish and nobody is told (RFC 2923).

use std::fmt;
use std::time::Duration;

use toml_edit::Value;

use crate::fault::kind::{Drawn, Excuse, Kind, Target};
use crate::fault::links::read_between;
use crate::fault::read::Scene;
use crate::fault::{Between, Family, Harm, LinkHarm};
use crate::grammar::quantity::{SIZE_FORM, size};
use crate::grammar::{Entry, Problem, Section, spell_size};

/// The least that IPv4 guarantees to reassemble, 576 bytes (RFC 791), without 40 bytes of headers.
const PAYLOAD_MIN: u64 = 536;
/// A jumbo frame; no segment is larger on a wire.
const PAYLOAD_MAX: u64 = 9_000;

/// PING passes, data stalls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MtuBlackHole {
    /// The links.
    pub between: Between,
    /// The largest TCP payload that passes, in bytes.
    pub largest: u32,
}

impl MtuBlackHole {
    pub(crate) const EXAMPLE: &'static str = "from = \"node\"\nlargest = \"1200B\"";
    pub(crate) const DRAWN: Option<Drawn> = Some(Drawn {
        family: Family::Loss,
        lasts_min_ms: 10000,
        lasts_max_ms: 180000,
        fault: |draw| {
            // What tunnels leave of an Ethernet frame, down to IPv6's least (1,280 bytes with headers) and below.
            let largest = draw.uniform(536, 1_420);
            MtuBlackHole { between: Between::draw(draw), largest }.into()
        },
    });

    pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Self> {
        let largest = section.required("largest", "largest = \"1200B\"", read_largest);
        let between = read_between(section, scene);
        Some(MtuBlackHole { between: between?, largest: largest?.value })
    }
}

fn read_largest(entry: &Entry<'_>) -> Result<u32, Problem> {
    let largest = entry.quantity(SIZE_FORM, size)?;
    let sane = (PAYLOAD_MIN..=PAYLOAD_MAX).contains(&largest).then(|| u32::try_from(largest).ok()).flatten();
    sane.ok_or_else(|| entry.outside(&spell_size(largest), &spell_size(PAYLOAD_MIN), &spell_size(PAYLOAD_MAX)))
}

impl Kind for MtuBlackHole {
    fn target(&self) -> Target<'_> {
        Target::Links(&self.between)
    }

    fn harm(&self) -> Harm {
        Harm::Link { between: self.between.clone(), harm: LinkHarm::MtuBlackHole { largest: self.largest } }
    }

    fn keys(&self) -> Vec<(&'static str, Value)> {
        self.between.keys(vec![("largest", spell_size(self.largest.into()).into())])
    }

    fn excuse(&self) -> Excuse {
        Excuse::Late { after: Duration::ZERO }
    }

    fn obstacle(&self, _lasts: Duration) -> Option<&'static str> {
        Some("turmoil 0.7 does not cut segments to a size")
    }
}

impl fmt::Display for MtuBlackHole {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "segments of more than {} bytes vanish {}", self.largest, self.between)
    }
}
