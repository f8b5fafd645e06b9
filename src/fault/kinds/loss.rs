//! `loss`: segments are lost, one by one or some in a row.

use std::fmt;
use std::time::Duration;

use toml_edit::Value;

use crate::fault::kind::{Drawn, Excuse, Kind, Target};
use crate::fault::links::read_between;
use crate::fault::read::Scene;
use crate::fault::{Between, Family, Harm, LinkHarm};
use crate::grammar::measure::{ANY_PERCENT, read_percent};
use crate::grammar::{Section, spell_percent};

/// Longer runs of lost segments are a partition.
const BURST_MAX: u32 = 1_000;

/// TCP repairs it at the price of time. Losses of several faults add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentLoss {
    /// The links.
    pub between: Between,
    /// So many of a hundred segments, in hundredths of a percent.
    pub basis_points: u32,
    /// How many in a row, in the mean; 1 is independent loss.
    pub burst: u32,
}

impl SegmentLoss {
    pub(crate) const EXAMPLE: &'static str = "from = \"node\"\nrate = \"2.5%\"\nburst = 4";
    pub(crate) const DRAWN: Option<Drawn> = Some(Drawn {
        family: Family::Loss,
        lasts_min_ms: 5000,
        lasts_max_ms: 180000,
        fault: |draw| {
            let (basis_points, burst) = (draw.number(50, 3_000), draw.number(1, 8));
            SegmentLoss { between: Between::draw(draw), basis_points, burst }.into()
        },
    });

    pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Self> {
        let rate = section.required("rate", "rate = \"2.5%\"", |entry| read_percent(entry, ANY_PERCENT));
        let burst = section.optional("burst", 1, |entry| entry.number(1..=BURST_MAX));
        let between = read_between(section, scene);
        Some(SegmentLoss { between: between?, basis_points: rate?.value, burst: burst?.value })
    }
}

impl Kind for SegmentLoss {
    fn target(&self) -> Target<'_> {
        Target::Links(&self.between)
    }

    fn harm(&self) -> Harm {
        Harm::Link {
            between: self.between.clone(),
            harm: LinkHarm::Loss { basis_points: self.basis_points, burst: self.burst },
        }
    }

    fn keys(&self) -> Vec<(&'static str, Value)> {
        self.between
            .keys(vec![("rate", spell_percent(self.basis_points).into()), ("burst", i64::from(self.burst).into())])
    }

    fn excuse(&self) -> Excuse {
        Excuse::Late { after: Duration::ZERO }
    }

    fn obstacle(&self, _lasts: Duration) -> Option<&'static str> {
        Some("turmoil 0.7 has no retransmission: a lost segment leaves its stream hung for ever")
    }
}

impl fmt::Display for SegmentLoss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = if self.burst == 1 { String::new() } else { format!(", {} in a row,", self.burst) };
        write!(formatter, "{} of segments are lost{row} {}", spell_percent(self.basis_points), self.between)
    }
}
