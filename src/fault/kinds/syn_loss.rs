//! `syn-loss`: segments that open a connection are lost, and no others.

use crate::fault::kind::{About, Drawn, Excuse, Hold, Kind};
use crate::fault::links::AnyLink;
use crate::fault::{Between, Family, Harm, LinkHarm};
use crate::grammar::measure::{ANY_PERCENT, read_percent};
use crate::grammar::spell_percent;

/// Dials are tried again after 1, 3 and 7 s; open connections feel nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SynLoss {
    /// So many of a hundred, in hundredths of a percent.
    pub basis_points: u32,
}

impl Kind for SynLoss {
    type Place = Between;

    const ABOUT: About<Self> = About {
        example: "from = \"node\"\nrate = \"9%\"",
        falls_on: |_| AnyLink,
        read: |section, _| {
            let rate = section.required("rate", "rate = \"50%\"", |entry| read_percent(entry, ANY_PERCENT));
            Some(SynLoss { basis_points: rate?.value })
        },
        keys: |loss| vec![("rate", spell_percent(loss.basis_points).into())],
        told: |loss, links| format!("{} of SYNs are lost {links}", spell_percent(loss.basis_points)),
        harm: |loss, between| Harm::Link { between, harm: LinkHarm::SynLoss { basis_points: loss.basis_points } },
        excuse: |_| Excuse::Nobody,
        hold: |_| Hold::Nothing,
        obstacle: |_, _| Some("turmoil 0.7 sends a SYN once: a lost one leaves the dial hung"),
        drawn: Some(Drawn {
            family: Family::Connections,
            lasts_ms: (10_000, 180_000),
            fault: |draw| {
                let basis_points = draw.number(1_000, 10_000);
                SynLoss { basis_points }.on(Between::draw(draw))
            },
        }),
    };
}
