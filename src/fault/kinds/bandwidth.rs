//! `bandwidth`: few bytes pass on some links, over all connections together.

use std::time::Duration;

use crate::fault::kind::{About, Drawn, Excuse, Hold, Kind};
use crate::fault::links::AnyLink;
use crate::fault::{Between, Family, Harm, LinkHarm};
use crate::grammar::measure::read_bandwidth;
use crate::grammar::spell_size;

/// A link sends one segment after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NarrowLink {
    /// How many bytes pass.
    pub bytes_per_second: u64,
}

impl Kind for NarrowLink {
    type Place = Between;

    const ABOUT: About<Self> = About {
        example: "from = \"node\"\nrate = \"64KiB/s\"",
        falls_on: |_| AnyLink,
        read: |section, _| {
            let rate = section.required("rate", "rate = \"64KiB/s\"", read_bandwidth);
            Some(NarrowLink { bytes_per_second: rate?.value })
        },
        keys: |narrow| vec![("rate", format!("{}/s", spell_size(narrow.bytes_per_second)).into())],
        told: |narrow, links| format!("{}/s pass {links}", spell_size(narrow.bytes_per_second)),
        harm: |narrow, between| {
            let harm = LinkHarm::Bandwidth { bytes_per_second: narrow.bytes_per_second };
            Harm::Link { between, harm }
        },
        excuse: |_| Excuse::Late { after: Duration::ZERO },
        hold: |_| Hold::Bandwidth,
        obstacle: |_, _| Some("turmoil 0.7 has no bandwidth"),
        drawn: Some(Drawn {
            family: Family::SlowLinks,
            lasts_ms: (5_000, 180_000),
            fault: |draw| {
                // From a modem to a bad mobile network.
                let bytes_per_second = draw.spread(4 << 10, 256 << 10);
                NarrowLink { bytes_per_second }.on(Between::draw(draw))
            },
        }),
    };
}
