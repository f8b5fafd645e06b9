//! `proxy-silence-upstream`: the proxy answers HTTP/2 PING and keeps streams open, but passes nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use toml_edit::Value;

use crate::cast::HostName;
use crate::fault::hosts::{STREAMING, compile, read_on};
use crate::fault::kind::{Drawn, Excuse, Kind, Target};
use crate::fault::read::Scene;
use crate::fault::words::Hosts;
use crate::fault::{Family, Harm, ProxyHarm, Way, write};
use crate::grammar::{Entry, Problem, Section};

/// The proxy is silent; what it swallowed is lost, and the streams that lost it stay silent for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxySilence {
    /// The hosts whose streams fall silent.
    pub on: BTreeSet<HostName>,
    /// One way only; none is both.
    pub way: Option<Way>,
    /// Streams whose path matches this pattern only; none is every path.
    pub path: Option<String>,
}

const WAYS: [(&str, Way); 2] = [("to-node", Way::ToNode), ("to-client", Way::ToClient)];

impl ProxySilence {
    pub(crate) const EXAMPLE: &'static str = "on = \"client-*\"\ndirection = \"to-node\"";
    pub(crate) const DRAWN: Option<Drawn> = Some(Drawn {
        family: Family::Silences,
        lasts_min_ms: 5_000,
        lasts_max_ms: 240_000,
        fault: |draw| {
            let on = draw.hosts(|host| host.abilities.streams);
            let way = *draw.one_of(&[None, Some(Way::ToNode), Some(Way::ToClient)]);
            ProxySilence { on, way, path: None }.into()
        },
    });

    pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Self> {
        let on = read_on(section, scene, &STREAMING);
        let way = section.optional("direction", None, |entry| entry.choice("direction", &WAYS).map(Some));
        let path = section.optional("path", None, |entry| read_path(entry).map(Some));
        Some(ProxySilence { on: on?, way: way?.value, path: path?.value })
    }
}

fn read_path(entry: &Entry<'_>) -> Result<String, Problem> {
    let text = entry.text("a pattern over paths, such as \"*/Subscribe\"")?;
    compile(entry, text)?;
    Ok(text.into())
}

impl Kind for ProxySilence {
    fn target(&self) -> Target<'_> {
        Target::Hosts(&self.on)
    }

    fn harm(&self) -> Harm {
        Harm::Proxy { on: self.on.clone(), harm: ProxyHarm::Silence { way: self.way, path: self.path.clone() } }
    }

    fn keys(&self) -> Vec<(&'static str, Value)> {
        let way = WAYS.into_iter().find(|(_, way)| Some(*way) == self.way).map(|(word, _)| ("direction", word.into()));
        let path = self.path.as_deref().map(|path| ("path", path.into()));
        [("on", write::hosts(&self.on))].into_iter().chain(way).chain(path).collect()
    }

    /// What it swallows is told by the tap, frame by frame; and a silence is what a watchdog is for (C2).
    fn excuse(&self) -> Excuse {
        Excuse::Nobody
    }

    /// The proxy does it, on any engine.
    fn obstacle(&self, _lasts: Duration) -> Option<&'static str> {
        None
    }
}

impl fmt::Display for ProxySilence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the proxy passes nothing for {}", Hosts(&self.on))?;
        if let Some(way) = self.way {
            write!(formatter, " {way}")?;
        }
        if let Some(path) = &self.path {
            write!(formatter, " on {path}")?;
        }
        formatter.write_str(", and goes on answering HTTP/2 PING")
    }
}
