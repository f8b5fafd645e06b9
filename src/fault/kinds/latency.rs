//! `latency`: bytes take another time on some links.

use crate::fault::kind::{About, Drawn, Excuse, Hold, Kind};
use crate::fault::links::AnyLink;
use crate::fault::{Between, Family, Harm, LinkHarm};
use crate::grammar::measure::read_latency;
use crate::grammar::{Latency, Shape};

/// Nothing overtakes what was sent in its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowLink {
    /// How long bytes travel.
    pub latency: Latency,
}

impl Kind for SlowLink {
    type Place = Between;

    const ABOUT: About<Self> = About {
        example: "from = \"node\"\nlatency = \"50ms..2s long-tailed\"",
        falls_on: |_| AnyLink,
        read: |section, _| {
            let latency = section.required("latency", "latency = \"50ms..2s long-tailed\"", read_latency);
            Some(SlowLink { latency: latency?.value })
        },
        keys: |slow| vec![("latency", slow.latency.to_string().into())],
        told: |slow, links| format!("bytes take {} {links}", slow.latency),
        harm: |slow, between| Harm::Link { between, harm: LinkHarm::Latency(slow.latency) },
        excuse: |slow| Excuse::Late { after: slow.latency.most },
        hold: |_| Hold::Latency,
        obstacle: |_, _| Some("turmoil 0.7 can fix the latency of a link, and cannot give its range back"),
        drawn: Some(Drawn {
            family: Family::SlowLinks,
            lasts_ms: (5_000, 240_000),
            fault: |draw| {
                // From a slow mobile network to one that is hardly there.
                let least = draw.time(20, 500);
                let most = least + draw.time(50, 5_000);
                let shape = if draw.coin() { Shape::LongTailed } else { Shape::Uniform };
                SlowLink { latency: Latency { shape, least, most } }.on(Between::draw(draw))
            },
        }),
    };
}
