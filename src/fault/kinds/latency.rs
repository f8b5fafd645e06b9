//! `latency`: bytes take another time on some links.

use std::fmt;
use std::time::Duration;

use toml_edit::Value;

use crate::fault::kind::{Drawn, Excuse, Hold, Kind, Target};
use crate::fault::links::read_between;
use crate::fault::read::Scene;
use crate::fault::{Between, Family, Harm, LinkHarm};
use crate::grammar::measure::read_latency;
use crate::grammar::{Latency, Section, Shape};

/// Nothing overtakes what was sent in its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowLink {
    /// The links.
    pub between: Between,
    /// How long bytes travel.
    pub latency: Latency,
}

impl SlowLink {
    pub(crate) const EXAMPLE: &'static str = "from = \"node\"\nlatency = \"50ms..2s long-tailed\"";
    pub(crate) const DRAWN: Option<Drawn> = Some(Drawn {
        family: Family::SlowLinks,
        lasts_min_ms: 5000,
        lasts_max_ms: 240000,
        fault: |draw| {
            // From a slow mobile network to one that is hardly there.
            let least = draw.time(20, 500);
            let most = least + draw.time(50, 5_000);
            let shape = if draw.coin() { Shape::LongTailed } else { Shape::Uniform };
            let latency = Latency { shape, least, most };
            SlowLink { between: Between::draw(draw), latency }.into()
        },
    });

    pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Self> {
        let latency = section.required("latency", "latency = \"50ms..2s long-tailed\"", read_latency);
        let between = read_between(section, scene);
        Some(SlowLink { between: between?, latency: latency?.value })
    }
}

impl Kind for SlowLink {
    fn target(&self) -> Target<'_> {
        Target::Links(&self.between)
    }

    fn harm(&self) -> Harm {
        Harm::Link { between: self.between.clone(), harm: LinkHarm::Latency(self.latency) }
    }

    fn keys(&self) -> Vec<(&'static str, Value)> {
        self.between.keys(vec![("latency", self.latency.to_string().into())])
    }

    fn excuse(&self) -> Excuse {
        Excuse::Late { after: self.latency.most }
    }

    fn obstacle(&self, _lasts: Duration) -> Option<&'static str> {
        Some("turmoil 0.7 can fix the latency of a link, and cannot give its range back")
    }

    fn hold(&self) -> Hold<'_> {
        Hold::Latency
    }
}

impl fmt::Display for SlowLink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "bytes take {} {}", self.latency, self.between)
    }
}
