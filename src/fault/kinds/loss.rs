//! `loss`: segments are lost, one by one or some in a row.

use std::time::Duration;

use crate::fault::kind::{About, Drawn, Excuse, Hold, Kind};
use crate::fault::links::AnyLink;
use crate::fault::{Between, Family, Harm, LinkHarm};
use crate::grammar::measure::{ANY_PERCENT, read_percent};
use crate::grammar::spell_percent;

/// Longer runs of lost segments are a partition.
const BURST_MAX: u32 = 1_000;

/// TCP repairs it at the price of time. Losses of several faults add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentLoss {
    /// So many of a hundred segments, in hundredths of a percent.
    pub basis_points: u32,
    /// How many in a row, in the mean; 1 is independent loss.
    pub burst: u32,
}

impl Kind for SegmentLoss {
    type Place = Between;

    const ABOUT: About<Self> = About {
        example: "from = \"node\"\nrate = \"2.5%\"\nburst = 4",
        falls_on: |_| AnyLink,
        read: |section, _| {
            let rate = section.required("rate", "rate = \"2.5%\"", |entry| read_percent(entry, ANY_PERCENT));
            let burst = section.optional("burst", 1, |entry| entry.number(1..=BURST_MAX));
            Some(SegmentLoss { basis_points: rate?.value, burst: burst?.value })
        },
        keys: |loss| {
            let rate = spell_percent(loss.basis_points);
            vec![("rate", rate.into()), ("burst", i64::from(loss.burst).into())]
        },
        told: |loss, links| {
            let row = if loss.burst == 1 { String::new() } else { format!(", {} in a row,", loss.burst) };
            format!("{} of segments are lost{row} {links}", spell_percent(loss.basis_points))
        },
        harm: |loss, between| {
            let harm = LinkHarm::Loss { basis_points: loss.basis_points, burst: loss.burst };
            Harm::Link { between, harm }
        },
        excuse: |_| Excuse::Late { after: Duration::ZERO },
        hold: |_| Hold::Nothing,
        obstacle: |_, _| Some("turmoil 0.7 has no retransmission: a lost segment leaves its stream hung for ever"),
        drawn: Some(Drawn {
            family: Family::Loss,
            lasts_ms: (5_000, 180_000),
            fault: |draw| {
                let (basis_points, burst) = (draw.number(50, 3_000), draw.number(1, 8));
                SegmentLoss { basis_points, burst }.on(Between::draw(draw))
            },
        }),
    };
}
