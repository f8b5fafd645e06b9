//! `mtu-black-hole`: large segments vanish and nobody is told (RFC 2923).

use std::time::Duration;

use crate::fault::kind::{About, Drawn, Excuse, Hold, Kind};
use crate::fault::links::AnyLink;
use crate::fault::{Between, Family, Harm, LinkHarm};
use crate::grammar::quantity::{SIZE_FORM, size};
use crate::grammar::{Entry, Problem, spell_size};

/// The least that IPv4 guarantees to reassemble, 576 bytes (RFC 791), without 40 bytes of headers.
const PAYLOAD_MIN: u64 = 536;
/// A jumbo frame; no segment is larger on a wire.
const PAYLOAD_MAX: u64 = 9_000;

/// PING passes, data stalls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MtuBlackHole {
    /// The largest TCP payload that passes, in bytes.
    pub largest: u32,
}

impl Kind for MtuBlackHole {
    type Place = Between;

    const ABOUT: About<Self> = About {
        example: "from = \"node\"\nlargest = \"1200B\"",
        falls_on: |_| AnyLink,
        read: |section, _| {
            let largest = section.required("largest", "largest = \"1200B\"", read_largest);
            Some(MtuBlackHole { largest: largest?.value })
        },
        keys: |hole| vec![("largest", spell_size(hole.largest.into()).into())],
        told: |hole, links| format!("segments of more than {} bytes vanish {links}", hole.largest),
        harm: |hole, between| Harm::Link { between, harm: LinkHarm::MtuBlackHole { largest: hole.largest } },
        excuse: |_| Excuse::Late { after: Duration::ZERO },
        hold: |_| Hold::Nothing,
        obstacle: |_, _| Some("turmoil 0.7 does not cut segments to a size"),
        drawn: Some(Drawn {
            family: Family::Loss,
            lasts_ms: (10_000, 180_000),
            fault: |draw| {
                // What tunnels leave of an Ethernet frame, down to IPv6's least (1,280 bytes with headers) and below.
                let largest = draw.uniform(536, 1_420);
                MtuBlackHole { largest }.on(Between::draw(draw))
            },
        }),
    };
}

fn read_largest(entry: &Entry<'_>) -> Result<u32, Problem> {
    let largest = entry.quantity(SIZE_FORM, size)?;
    let sane = (PAYLOAD_MIN..=PAYLOAD_MAX).contains(&largest).then(|| u32::try_from(largest).ok()).flatten();
    sane.ok_or_else(|| entry.outside(&spell_size(largest), &spell_size(PAYLOAD_MIN), &spell_size(PAYLOAD_MAX)))
}
