//! `syn-loss`: segments that open a connection are lost, and no others.

use std::fmt;
use std::time::Duration;

use toml_edit::Value;

use crate::fault::kind::{Drawn, Excuse, Kind, Target};
use crate::fault::links::read_between;
use crate::fault::read::Scene;
use crate::fault::{Between, Family, Harm, LinkHarm};
use crate::grammar::measure::{ANY_PERCENT, read_percent};
use crate::grammar::{Section, spell_percent};

/// Dials are tried again after 1, 3 and 7 s; open connections feel nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SynLoss {
    /// The links.
    pub between: Between,
    /// So many of a hundred, in hundredths of a percent.
    pub basis_points: u32,
}

impl SynLoss {
    pub(crate) const EXAMPLE: &'static str = "from = \"node\"\nrate = \"9%\"";
    pub(crate) const DRAWN: Option<Drawn> = Some(Drawn {
        family: Family::Connections,
        lasts_min_ms: 10000,
        lasts_max_ms: 180000,
        fault: |draw| {
            let basis_points = draw.number(1_000, 10_000);
            SynLoss { between: Between::draw(draw), basis_points }.into()
        },
    });

    pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Self> {
        let rate = section.required("rate", "rate = \"50%\"", |entry| read_percent(entry, ANY_PERCENT));
        let between = read_between(section, scene);
        Some(SynLoss { between: between?, basis_points: rate?.value })
    }
}

impl Kind for SynLoss {
    fn target(&self) -> Target<'_> {
        Target::Links(&self.between)
    }

    fn harm(&self) -> Harm {
        Harm::Link { between: self.between.clone(), harm: LinkHarm::SynLoss { basis_points: self.basis_points } }
    }

    fn keys(&self) -> Vec<(&'static str, Value)> {
        self.between.keys(vec![("rate", spell_percent(self.basis_points).into())])
    }

    fn excuse(&self) -> Excuse {
        Excuse::Nobody
    }

    fn obstacle(&self, _lasts: Duration) -> Option<&'static str> {
        Some("turmoil 0.7 sends a SYN once: a lost one leaves the dial hung")
    }
}

impl fmt::Display for SynLoss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} of SYNs are lost {}", spell_percent(self.basis_points), self.between)
    }
}
