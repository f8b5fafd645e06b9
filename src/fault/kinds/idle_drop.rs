//! `idle-drop`: a middlebox forgets connections on which nothing passed for a while.

use std::fmt;
use std::time::Duration;

use toml_edit::Value;

use crate::fault::kind::{Drawn, Excuse, Kind, Target};
use crate::fault::links::read_between;
use crate::fault::read::Scene;
use crate::fault::{Between, Expired, Family, Harm, LinkHarm};
use crate::grammar::{Section, spell};

/// Shorter than any middlebox forgets.
const IDLE_MIN: Duration = Duration::from_secs(1);
const FATES: [(&str, Expired); 2] = [("drop", Expired::Drop), ("reset", Expired::Reset)];

/// Later packets vanish, or are answered with RST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdleDrop {
    /// The links.
    pub between: Between,
    /// After how long.
    pub after: Duration,
    /// What becomes of later packets.
    pub then: Expired,
}

impl IdleDrop {
    pub(crate) const EXAMPLE: &'static str = "from = \"node\"\nafter = \"350s\"\nthen = \"drop\"";
    pub(crate) const DRAWN: Option<Drawn> = Some(Drawn {
        family: Family::Connections,
        lasts_min_ms: 60000,
        lasts_max_ms: 240000,
        fault: |draw| {
            // Shorter than real middleboxes, so that it is felt between two Pings.
            let after = draw.time(2_000, 40_000);
            let then = if draw.coin() { Expired::Reset } else { Expired::Drop };
            IdleDrop { between: Between::draw(draw), after, then }.into()
        },
    });

    pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Self> {
        let range = IDLE_MIN..=scene.frame.longest;
        let after = section.required("after", "after = \"350s\"", |entry| entry.duration(range));
        let then = section.required("then", "then = \"drop\"", |entry| entry.choice("fate of later packets", &FATES));
        let between = read_between(section, scene);
        Some(IdleDrop { between: between?, after: after?.value, then: then?.value })
    }

    fn fate(&self) -> &'static str {
        FATES.iter().find(|(_, fate)| *fate == self.then).map_or("", |(word, _)| word)
    }
}

impl Kind for IdleDrop {
    fn target(&self) -> Target<'_> {
        Target::Links(&self.between)
    }

    fn harm(&self) -> Harm {
        Harm::Link { between: self.between.clone(), harm: LinkHarm::IdleDrop { after: self.after, then: self.then } }
    }

    fn keys(&self) -> Vec<(&'static str, Value)> {
        self.between.keys(vec![("after", spell(self.after).into()), ("then", self.fate().into())])
    }

    fn excuse(&self) -> Excuse {
        Excuse::Late { after: Duration::ZERO }
    }

    fn obstacle(&self, _lasts: Duration) -> Option<&'static str> {
        Some("turmoil 0.7 has no middlebox that forgets connections")
    }
}

impl fmt::Display for IdleDrop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fate = match self.then {
            Expired::Drop => "later packets vanish",
            Expired::Reset => "later packets are answered with RST",
        };
        write!(formatter, "connections idle for {} are forgotten and {fate} {}", spell(self.after), self.between)
    }
}
